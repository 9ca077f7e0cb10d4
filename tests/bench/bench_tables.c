/* bench_tables.c - the cost of memtable, table files and merge, one by one.
 *
 *   bench_tables [--count N] [--value BYTES] [--dir DIR] [--only NAME] [--repeats N]
 *
 * Prints the least of all repeats in nanoseconds an operation. Keys are 16 digits in
 * random order; tables lie in DIR (default /dev/shm) and in the page cache. Each measured
 * loop is a function of its own, so that `make bench-tables-instructions` can count its
 * instructions with callgrind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/crc32c.h"
#include "engine/memtable.h"
#include "engine/merge.h"
#include "engine/sst.h"
#include "fault/clock.h"
#include "fault/disk_posix.h"
#include "fault/rng.h"

#define KEY_BYTES    16
#define MERGED       4
#define TABLE_NUMBER 1

struct bench {
    size_t count, value_bytes;
    unsigned repeats;
    const char *only, *dir_name;
    char (*keys)[KEY_BYTES + 8]; /* ascending */
    uint32_t *order;             /* a random order of them */
    uint8_t *value;
    struct options options;
    struct disk *disk;
    struct disk_dir *dir;
    struct memtable *memtable;
    struct sst_meta meta;
    struct sst_files files;
    struct sst *sst;
    uint64_t checked; /* sum of what was found: the work cannot be left out */
};

static void die(const char *what, const struct err_detail *why)
{
    fprintf(stderr, "bench_tables: %s: %s\n", what, why ? why->text : "failed");
    exit(1);
}

static slice key_at(const struct bench *b, size_t i)
{
    return slice_of(b->keys[i], KEY_BYTES);
}

/* ---- what is measured ---- */

#define MEASURED __attribute__((noinline))

MEASURED static size_t measure_memtable_put(struct bench *b)
{
    slice value = slice_of(b->value, b->value_bytes);
    memtable_free(b->memtable);
    b->memtable = memtable_new(mem_libc(), 8 << 20, 1);
    for (size_t i = 0; i < b->count; i++)
        if (memtable_put(b->memtable, key_at(b, b->order[i]), tag_of(i + 1, ENTRY_PUT),
                         value))
            die("memtable_put", NULL);
    return b->count;
}

MEASURED static size_t measure_memtable_get(struct bench *b)
{
    for (size_t i = 0; i < b->count; i++) {
        uint64_t tag;
        slice value;
        b->checked += memtable_get(b->memtable, key_at(b, b->order[b->count - 1 - i]),
                                   SEQNO_MAX, &tag, &value);
    }
    return b->count;
}

MEASURED static size_t measure_memtable_scan(struct bench *b)
{
    struct iter *it = memtable_iter(b->memtable, mem_libc());
    for (iter_first(it); it->valid; iter_next(it))
        b->checked++;
    iter_free(it);
    return b->count;
}

MEASURED static size_t measure_memtable_put_ascending(struct bench *b)
{
    struct memtable *m = memtable_new(mem_libc(), 8 << 20, 1);
    slice value = slice_of(b->value, b->value_bytes);
    for (size_t i = 0; i < b->count; i++)
        if (memtable_put(m, key_at(b, i), tag_of(i + 1, ENTRY_PUT), value))
            die("memtable_put", NULL);
    memtable_free(m);
    return b->count;
}

MEASURED static size_t measure_sst_write(struct bench *b)
{
    struct err_detail why;
    struct sst_builder *builder;
    slice value = slice_of(b->value, b->value_bytes);
    if (sst_builder_new(mem_libc(), b->dir, TABLE_NUMBER, 0, &b->options, &builder, &why))
        die("sst_builder_new", &why);
    for (size_t i = 0; i < b->count; i++)
        if (sst_builder_add(builder, key_at(b, i), tag_of(i + 1, ENTRY_PUT), value, &why))
            die("sst_builder_add", &why);
    sst_meta_deinit(&b->meta, mem_libc());
    if (sst_builder_finish(builder, &b->meta, &why)) die("sst_builder_finish", &why);
    return b->count;
}

MEASURED static size_t measure_sst_open(struct bench *b)
{
    struct err_detail why;
    for (int i = 0; i < 20; i++) {
        sst_close(b->sst);
        if (sst_open(&b->files, &b->meta, &b->sst, &why)) die("sst_open", &why);
    }
    return 20;
}

static void get(struct bench *b, slice key)
{
    struct err_detail why;
    struct sst_pin pin = {0};
    bool found;
    uint64_t tag;
    slice value;
    struct sst_query query = sst_query_of(key, SEQNO_MAX);
    if (sst_get(b->sst, &query, &found, &tag, &value, &pin, &why)) die("sst_get", &why);
    b->checked += found;
    sst_pin_release(b->sst, &pin);
}

MEASURED static size_t measure_sst_get_hit(struct bench *b)
{
    for (size_t i = 0; i < b->count; i++)
        get(b, key_at(b, b->order[i]));
    return b->count;
}

/* The same loop before it: every block is in the cache when the measured one runs. */
static size_t warm(struct bench *b)
{
    for (size_t i = 0; i < b->count; i++)
        get(b, key_at(b, i));
    return b->count;
}

MEASURED static size_t measure_sst_get_miss(struct bench *b)
{
    char key[KEY_BYTES + 1];
    for (size_t i = 0; i < b->count; i++) {
        memcpy(key, b->keys[b->order[i]], KEY_BYTES);
        key[KEY_BYTES] = '!'; /* between two keys */
        get(b, slice_of(key, sizeof key));
    }
    return b->count;
}

static void reopen(struct bench *b, struct cache *cache, bool map)
{
    struct err_detail why;
    sst_close(b->sst);
    b->files.cache = cache;
    b->files.map = map;
    if (sst_open(&b->files, &b->meta, &b->sst, &why)) die("sst_open", &why);
}

/* All blocks are read from the file: the cache holds none. */
MEASURED static size_t measure_sst_get_uncached(struct bench *b)
{
    struct cache *cache = b->files.cache;
    reopen(b, NULL, false);
    for (size_t i = 0; i < b->count / 4; i++)
        get(b, key_at(b, b->order[i]));
    reopen(b, cache, false);
    return b->count / 4;
}

/* A map instead of the cache; a round before it has verified every block. */
static size_t map_and_warm(struct bench *b)
{
    reopen(b, b->files.cache, true);
    return warm(b);
}

MEASURED static size_t measure_sst_get_mapped(struct bench *b)
{
    return measure_sst_get_hit(b);
}

static size_t scan(struct bench *b, bool shared)
{
    struct err_detail why;
    struct iter *it = sst_iter(b->sst, mem_libc(), shared, &why);
    for (iter_first(it); it->valid; iter_next(it))
        b->checked++;
    if (it->err) die("sst_iter", &why);
    iter_free(it);
    return b->count;
}

MEASURED static size_t measure_sst_scan_file(struct bench *b)
{
    return scan(b, false);
}

MEASURED static size_t measure_sst_seek(struct bench *b)
{
    struct err_detail why;
    struct iter *it = sst_iter(b->sst, mem_libc(), true, &why);
    for (size_t i = 0; i < b->count; i++) {
        iter_seek(it, key_at(b, b->order[i]), UINT64_MAX);
        b->checked += it->valid;
    }
    iter_free(it);
    return b->count;
}

/* Each child is the memtable; all but the first begin at its end. */
MEASURED static size_t measure_merge_scan(struct bench *b)
{
    struct err_detail why;
    struct iter *children[MERGED];
    for (int i = 0; i < MERGED - 1; i++)
        children[i] = memtable_iter(b->memtable, mem_libc());
    children[MERGED - 1] = sst_iter(b->sst, mem_libc(), false, &why);
    struct iter *m = merge_new(mem_libc(), children, MERGED);
    for (iter_first(m); m->valid; iter_next(m))
        b->checked++;
    iter_free(m);
    return MERGED * b->count;
}

MEASURED static size_t measure_crc_4k(struct bench *b)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < b->count; i++)
        crc = crc32c(crc, b->keys, 4096);
    b->checked += crc & 1;
    return b->count;
}

static size_t nothing(struct bench *b)
{
    (void)b;
    return 0;
}

/* In the order of a store's life: each needs what the ones before it made. */
static const struct row {
    const char *name;
    size_t (*prepare)(struct bench *);
    size_t (*run)(struct bench *);
} rows[] = {
    {"memtable_put", nothing, measure_memtable_put},
    {"memtable_get", nothing, measure_memtable_get},
    {"memtable_scan", nothing, measure_memtable_scan},
    {"memtable_put_ascending", nothing, measure_memtable_put_ascending},
    {"sst_write", nothing, measure_sst_write},
    {"sst_open", nothing, measure_sst_open},
    {"sst_get_hit", warm, measure_sst_get_hit},
    {"sst_get_miss", nothing, measure_sst_get_miss},
    {"sst_get_uncached", nothing, measure_sst_get_uncached},
    {"sst_get_mapped", map_and_warm, measure_sst_get_mapped},
    {"sst_seek", nothing, measure_sst_seek},
    {"sst_scan_file", nothing, measure_sst_scan_file},
    {"merge_scan", nothing, measure_merge_scan},
    {"crc_4k", nothing, measure_crc_4k},
};

static void run_row(struct bench *b, const struct row *row)
{
    double least = 1e18;
    bool wanted = !b->only || strcmp(b->only, row->name) == 0;
    for (unsigned i = 0; i < (wanted ? b->repeats : 1); i++) {
        row->prepare(b);
        int64_t start_us = clock_mono_us(clock_real());
        size_t operations = row->run(b);
        int64_t spent_us = clock_mono_us(clock_real()) - start_us;
        double ns = (double)spent_us * 1000 / (double)operations;
        if (ns < least) least = ns;
    }
    if (wanted) printf("%-24s %10.1f ns\n", row->name, least);
}

/* ---- the world around it ---- */

static void make_keys(struct bench *b)
{
    struct rng r;
    rng_init(&r, 1);
    b->keys = malloc((b->count < 200 ? 200 : b->count) * sizeof *b->keys);
    b->order = malloc(b->count * sizeof *b->order);
    b->value = malloc(b->value_bytes + 1);
    for (size_t i = 0; i < b->value_bytes; i++)
        b->value[i] = (uint8_t)rng_next(&r);
    for (size_t i = 0; i < b->count; i++) {
        snprintf(b->keys[i], sizeof *b->keys, "%016zu", i);
        b->order[i] = (uint32_t)i;
    }
    for (size_t i = b->count; i > 1; i--) {
        size_t j = (size_t)rng_below(&r, i);
        uint32_t swap = b->order[i - 1];
        b->order[i - 1] = b->order[j];
        b->order[j] = swap;
    }
}

static void parse(struct bench *b, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--count"))
            b->count = strtoul(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--value"))
            b->value_bytes = strtoul(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--repeats"))
            b->repeats = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--dir"))
            b->dir_name = argv[i + 1];
        else if (!strcmp(argv[i], "--only"))
            b->only = argv[i + 1];
        else
            die(argv[i], NULL);
    }
    if (b->count == 0 || b->repeats == 0) die("--count and --repeats begin at 1", NULL);
}

int main(int argc, char **argv)
{
    struct bench b = {
        .count = 1000000, .value_bytes = 100, .repeats = 3, .dir_name = "/dev/shm"};
    parse(&b, argc, argv);
    make_keys(&b);
    options_init(&b.options);
    char dir[64];
    snprintf(dir, sizeof dir, "bench-tables.%d", (int)getpid());
    if (disk_posix_new(mem_libc(), b.dir_name, &b.disk)) die(b.dir_name, NULL);
    if (disk_mkdir(b.disk, dir, SITE_OTHER_MKDIR) || disk_dir_open(b.disk, dir, &b.dir))
        die(dir, NULL);
    b.files = (struct sst_files){.mem = mem_libc(), .dir = b.dir, .open_max = 1};
    b.files.cache = cache_new(mem_libc(), (size_t)1 << 30);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        run_row(&b, &rows[i]);
        if (b.only && !strcmp(b.only, rows[i].name)) break;
    }

    if (b.meta.size)
        printf("table: %.2f bytes an entry of %zu\n",
               (double)b.meta.size / (double)b.count, KEY_BYTES + b.value_bytes);
    sst_close(b.sst);
    cache_free(b.files.cache);
    memtable_free(b.memtable);
    char name[SST_NAME_BYTES];
    sst_name(TABLE_NUMBER, name);
    disk_unlink(b.dir, name, SITE_OTHER_UNLINK);
    disk_dir_close(b.dir);
    disk_rmdir(b.disk, dir, SITE_OTHER_RMDIR);
    disk_posix_free(b.disk);
    sst_meta_deinit(&b.meta, mem_libc());
    free(b.keys);
    free(b.order);
    free(b.value);
    volatile uint64_t sink = b.checked; /* the work was not for nothing */
    (void)sink;
    printf("bench-tables: %zu operations, %zu entries, 0 failed\n",
           sizeof rows / sizeof *rows, b.count);
    return 0;
}
