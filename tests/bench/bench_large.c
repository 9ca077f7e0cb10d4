/* bench_large.c - a data set of many times the memory that the store may use.
 *
 *   bench_large DIR [--megabytes N] [--map]
 *
 * Block cache and memtables are limited to 64 MB together; N (2,200 by default) megabytes
 * are loaded in random order, read at random, scanned, and opened again, with an empty log
 * and with a full one. After each step resident memory is printed, anonymous and
 * file-backed apart, beside what filters and indexes take. It fails when the memory is
 * more than budget + filters + indexes + OTHER_BYTES; with --map, pages of tables that
 * are shown as memory are the system's to take back and do not count. DIR is deleted.
 * Last line: bench-large: N MB, S steps, F failed
 */
#include <assert.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/db.h"
#include "fault/disk_posix.h"
#include "fault/rng.h"

#define MB           (1024.0 * 1024.0)
#define CACHE_BYTES  (32u << 20)
#define TABLE_BYTES  (10u << 20) /* of a memtable; one is active, two may wait */
#define WAITING      2u
#define BUDGET_BYTES (CACHE_BYTES + (WAITING + 1) * TABLE_BYTES)
/* The program itself, its stacks, buffers of jobs, tables being built, the manifest. */
#define OTHER_BYTES (40u << 20)
#define VALUE_BYTES 1000

static_assert(BUDGET_BYTES <= 64u << 20, "within the budget");

struct large {
    struct db_env env;
    struct options options;
    struct db *db;
    char name[4096];
    uint32_t keys;
    struct rng rng;
    uint8_t pool[1 << 20];
    double since;
    unsigned steps, failed;
    uint64_t sum;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what, const struct err_detail *why)
{
    fprintf(stderr, "bench_large: %s: %s\n", what, why ? why->text : "failed");
    exit(1);
}

static uint64_t status_bytes(const char *name)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[128];
    unsigned long long value = 0;
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name)))
            sscanf(line + strlen(name), "%llu", &value);
    if (f) fclose(f);
    return value * 1024;
}

static void open_store(struct large *l)
{
    struct err_detail why;
    if (db_open(&l->env, l->name, &l->options, &l->db, &why)) die("open", &why);
}

/* Prints what a step took, and judges the memory that it leaves in use. */
static void step_done(struct large *l, const char *step, uint64_t operations)
{
    double seconds = now() - l->since;
    struct db_stats s;
    db_stats_get(l->db, &s);
    uint64_t anon = status_bytes("RssAnon:"), file = status_bytes("RssFile:");
    uint64_t limit = BUDGET_BYTES + s.table_memory + OTHER_BYTES;
    uint64_t counted = l->options.map_tables ? anon : anon + file;
    bool over = counted > limit;
    printf("%-18s %9.1f s %10.0f /s | resident %6.1f MB anonymous, %7.1f file-backed | "
           "filters and indexes %5.1f | limit %6.1f%s\n",
           step, seconds, (double)operations / seconds, (double)anon / MB,
           (double)file / MB, (double)s.table_memory / MB, (double)limit / MB,
           over ? "  ABOVE IT" : "");
    fflush(stdout);
    l->steps++;
    l->failed += over;
    l->since = now();
}

static slice key_of(char out[17], uint64_t i)
{
    /* Spread over the range: the order of loading is random without a permutation. */
    snprintf(out, 17, "%016" PRIx64, (i + 1) * UINT64_C(0x9e3779b97f4a7c15));
    return slice_of(out, 16);
}

static void load(struct large *l)
{
    char key[17];
    for (uint32_t i = 0; i < l->keys; i++) {
        slice value = slice_of(l->pool + rng_below(&l->rng, sizeof l->pool - VALUE_BYTES),
                               VALUE_BYTES);
        if (db_put(l->db, key_of(key, i), value)) die("put", db_write_error(l->db));
        if (i % 64 == 0) db_step(l->db);
        if (i % (l->keys / 4 + 1) == l->keys / 4)
            printf("  %u of %u keys\n", i + 1, l->keys);
    }
    if (db_settle(l->db)) die("settle", db_write_error(l->db));
}

static void read_some(struct large *l, uint32_t n)
{
    char key[17];
    struct err_detail why;
    slice value;
    for (uint32_t i = 0; i < n; i++) {
        if (db_get(l->db, key_of(key, rng_below(&l->rng, l->keys)), &value, &why))
            die("get", &why);
        l->sum += value.data[0];
    }
}

static uint64_t scan(struct large *l)
{
    struct db_iter *it;
    struct err_detail why;
    uint64_t n = 0;
    if (db_iter_new(l->db, &it)) die("iterator", NULL);
    for (db_iter_seek(it, slice_of(NULL, 0)); db_iter_valid(it); db_iter_next(it), n++)
        l->sum += db_iter_value(it).data[0];
    if (db_iter_error(it, &why)) die("scan", &why);
    db_iter_free(it);
    return n;
}

static void reopen(struct large *l, const char *step)
{
    if (db_close(l->db)) die("close", NULL);
    l->since = now();
    open_store(l);
    step_done(l, step, 1);
}

static void run(struct large *l)
{
    open_store(l);
    l->since = now();
    load(l);
    step_done(l, "load", l->keys);
    read_some(l, l->keys / 8 + 1);
    step_done(l, "random reads", l->keys / 8 + 1);
    uint64_t found = scan(l);
    step_done(l, "scan", found);
    l->failed += found != l->keys;
    if (db_flush(l->db)) die("flush", db_write_error(l->db));
    reopen(l, "reopen, empty log");
    char key[17];
    for (uint32_t i = 0; i < 5000 && i < l->keys; i++)
        if (db_put(l->db, key_of(key, i), slice_of(l->pool, VALUE_BYTES)))
            die("put", db_write_error(l->db));
    reopen(l, "reopen, 5 MB log");
    if (db_close(l->db)) die("close", NULL);
}

static void empty(const char *dir)
{
    char command[4200];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (system(command)) die("emptying the directory", NULL);
}

int main(int argc, char **argv)
{
    static struct large l;
    char parent[4096], name[4096];
    unsigned megabytes = 2200;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 2) return fprintf(stderr, "usage: bench_large DIR [--megabytes N]\n"), 2;
    options_init(&l.options);
    l.options.map_tables = false;
    for (int i = 2; i < argc; i++) {
        if (!strcmp(argv[i], "--megabytes") && i + 1 < argc)
            megabytes = (unsigned)atoi(argv[++i]);
        if (!strcmp(argv[i], "--map")) l.options.map_tables = true;
    }
    snprintf(parent, sizeof parent, "%s", argv[1]);
    snprintf(name, sizeof name, "%s", argv[1]);
    snprintf(l.name, sizeof l.name, "%s", basename(name));
    empty(argv[1]);
    struct disk *disk;
    if (disk_posix_new(mem_libc(), dirname(parent), &disk)) die("disk", NULL);
    struct sched *sched = sched_threads_new(mem_libc());
    l.env = (struct db_env){
        .disk = disk, .clock = clock_real(), .mem = mem_libc(), .sched = sched};
    l.options.memtable_bytes = l.options.log_bytes = TABLE_BYTES;
    l.options.immutables_max = WAITING;
    l.options.cache_bytes = CACHE_BYTES;
    l.options.sync = SYNC_NO;
    for (unsigned level = 0; level < LEVELS_MAX; level++)
        l.options.codecs[level] = CODEC_NONE;
    l.keys = megabytes * 1024u;
    rng_init(&l.rng, 7);
    for (size_t i = 0; i < sizeof l.pool; i++)
        l.pool[i] = (uint8_t)rng_next(&l.rng);
    printf("seed 7, %u keys of 16 bytes, values of %d; cache %.0f MB, memtables %.0f\n",
           l.keys, VALUE_BYTES, CACHE_BYTES / MB, (WAITING + 1) * TABLE_BYTES / MB);
    run(&l);
    sched_free(sched);
    disk_posix_free(disk);
    empty(argv[1]);
    printf("bench-large: %u MB, %u steps, %u failed\n", megabytes, l.steps, l.failed);
    return l.failed > 0;
}
