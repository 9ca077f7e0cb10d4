/* soak_loads.c - two dozen mixed loads, each for a while: memory and descriptors stay flat.
 *
 *   soak_loads DIR [--seconds S]
 *
 * Value size x policy x share of reads, each load on a fresh store of its own with workers.
 * Memory is read when two fifths of the time have passed (caches are full, the first
 * compactions are over) and at the end: it may have grown by a sixteenth and GROWTH_BYTES.
 * Descriptors may have grown by OPEN_GROWTH, for what is open comes and goes: eight tables,
 * logs that wait for their flush, inputs and outputs of jobs; after closing there are as many
 * as before opening. Then the store is checked. DIR is deleted.
 * Last line: soak-loads: N loads, F failed
 */
#include <dirent.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/db.h"
#include "fault/disk_posix.h"
#include "fault/rng.h"

#define GROWTH_BYTES (12u << 20)
#define TABLES_OPEN  8u
#define OPEN_GROWTH  24u
#define KEYS         20000u

static const size_t value_sizes[] = {16, 100, 1000, 20000};
static const struct {
    enum sync_policy policy;
    const char *name;
} policies[] = {{SYNC_ALWAYS, "always"}, {SYNC_EVERYSEC, "everysec"}, {SYNC_NO, "no"}};
static const unsigned read_shares[] = {20, 80};

struct load {
    struct db_env env;
    struct options options;
    const char *dir; /* as given; and below the disk's root */
    char name[4096];
    size_t value_bytes;
    unsigned reads; /* of a hundred operations */
    double seconds;
    struct rng rng;
    uint64_t operations;
    const char *failed; /* why, or NULL */
};

static uint8_t pool[1 << 20];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[128];
    unsigned long long value = 0;
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "RssAnon:", 8)) sscanf(line + 8, "%llu", &value);
    if (f) fclose(f);
    return value * 1024;
}

static unsigned descriptors(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        n++;
    if (dir) closedir(dir);
    return n;
}

static void empty(const char *dir)
{
    char command[4200];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (system(command)) fprintf(stderr, "cannot empty %s\n", dir);
}

static slice some_key(struct load *l, char out[16])
{
    snprintf(out, 16, "key:%08u", (unsigned)rng_below(&l->rng, KEYS));
    return slice_of(out, 12);
}

/* Mostly puts among the writes; a delete now and then, and a short scan. */
static enum err operate(struct load *l, struct db *db)
{
    char key[16];
    slice value, k = some_key(l, key);
    struct db_iter *it;
    enum err e;
    if (rng_below(&l->rng, 100) >= l->reads) {
        if (rng_below(&l->rng, 10) == 0) return db_delete(db, k);
        size_t at = (size_t)rng_below(&l->rng, sizeof pool - l->value_bytes);
        return db_put(db, k, slice_of(pool + at, l->value_bytes));
    }
    if (rng_below(&l->rng, 50) != 0) {
        e = db_get(db, k, &value, NULL);
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    if ((e = db_iter_new(db, &it))) return e;
    db_iter_seek(it, k);
    for (int i = 0; i < 20 && db_iter_valid(it); i++)
        db_iter_next(it);
    e = db_iter_error(it, NULL);
    db_iter_free(it);
    return e;
}

static void work_until(struct load *l, struct db *db, double end)
{
    while (now() < end && !l->failed)
        for (int i = 0; i < 64 && !l->failed; i++, l->operations++) {
            if (operate(l, db)) l->failed = "an operation failed";
            if (i % 16 == 0) db_step(db);
        }
}

static void measure(struct load *l, struct db *db)
{
    double begin = now();
    work_until(l, db, begin + 0.4 * l->seconds);
    uint64_t memory = resident_bytes();
    unsigned open = descriptors();
    work_until(l, db, begin + l->seconds);
    uint64_t memory_end = resident_bytes();
    unsigned open_end = descriptors();
    printf("%10llu operations, memory %5.1f -> %5.1f MB, descriptors %u -> %u",
           (unsigned long long)l->operations, (double)memory / 1e6,
           (double)memory_end / 1e6, open, open_end);
    if (memory_end > memory + memory / 16 + GROWTH_BYTES) l->failed = "memory grew";
    if (open_end > open + OPEN_GROWTH) l->failed = "descriptors grew";
}

static void finding(void *arg, enum err code, const char *line)
{
    (void)arg;
    printf("\n  %s: %s", err_text(code), line);
}

static void run(struct load *l)
{
    struct err_detail why;
    struct db *db;
    empty(l->dir);
    unsigned before = descriptors();
    if (db_open(&l->env, l->name, &l->options, &db, &why)) {
        l->failed = "the store does not open";
        return;
    }
    measure(l, db);
    if (db_close(db)) l->failed = "closing failed";
    if (descriptors() != before) l->failed = "descriptors are left";
    if (db_check(&l->env, l->name, &l->options, finding, NULL))
        l->failed = "the check found something";
    empty(l->dir);
}

int main(int argc, char **argv)
{
    char parent[4096], name[4096];
    unsigned loads = 0, failed = 0;
    double seconds = argc > 3 && !strcmp(argv[2], "--seconds") ? atof(argv[3]) : 25;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 2) return fprintf(stderr, "usage: soak_loads DIR [--seconds S]\n"), 2;
    snprintf(parent, sizeof parent, "%s", argv[1]);
    snprintf(name, sizeof name, "%s", argv[1]);
    struct disk *disk;
    if (disk_posix_new(mem_libc(), dirname(parent), &disk)) return 1;
    struct sched *sched = sched_threads_new(mem_libc());
    struct load l = {.dir = argv[1], .seconds = seconds};
    snprintf(l.name, sizeof l.name, "%s", basename(name));
    l.env = (struct db_env){
        .disk = disk, .clock = clock_real(), .mem = mem_libc(), .sched = sched};
    for (unsigned i = 0; i < 24; i++) {
        struct load one = l;
        one.value_bytes = value_sizes[i / 6];
        one.reads = read_shares[i % 2];
        options_init(&one.options);
        one.options.sync = policies[i / 2 % 3].policy;
        one.options.memtable_bytes = one.options.log_bytes = 2u << 20;
        one.options.cache_bytes = 4u << 20;
        one.options.open_tables_max = TABLES_OPEN;
        rng_init(&one.rng, i + 1);
        for (size_t b = 0; b < sizeof pool; b++)
            pool[b] = (uint8_t)rng_next(&one.rng);
        printf("%2u: values of %5zu, %-8s, %u %% reads: ", i + 1, one.value_bytes,
               policies[i / 2 % 3].name, one.reads);
        run(&one);
        printf("%s%s\n", one.failed ? "  FAILED: " : "", one.failed ? one.failed : "");
        fflush(stdout);
        loads++;
        failed += one.failed != NULL;
    }
    sched_free(sched);
    disk_posix_free(disk);
    printf("soak-loads: %u loads, %u failed\n", loads, failed);
    return failed > 0;
}
