#include "tests/bench/bench_store.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/db.h"
#include "fault/disk_posix.h"

struct riptide {
    struct disk *disk;
    struct sched *sched;
    struct db_env env;
    struct db *db;
    struct db_iter *iter; /* reused while nothing was written */
    struct batch batch;
    unsigned puts;
};

static void *riptide_open(const struct bench_config *config)
{
    struct riptide *s = calloc(1, sizeof *s);
    char parent[4096], name[4096];
    snprintf(parent, sizeof parent, "%s", config->dir);
    snprintf(name, sizeof name, "%s", config->dir);
    if (disk_posix_new(mem_libc(), dirname(parent), &s->disk)) bench_die("disk");
    s->sched = getenv("BENCH_INLINE") ? sched_inline_new(mem_libc())
                                      : sched_threads_new(mem_libc());
    s->env = (struct db_env){
        .disk = s->disk, .clock = clock_real(), .mem = mem_libc(), .sched = s->sched};
    struct options o;
    struct err_detail why;
    options_init(&o);
    o.memtable_bytes = config->write_buffer_bytes;
    o.cache_bytes = config->cache_bytes;
    o.block_bytes = config->block_bytes;
    for (unsigned l = 0; l < LEVELS_MAX; l++)
        o.codecs[l] = config->compressed ? CODEC_LZ4 : CODEC_NONE;
    o.sync = config->sync ? SYNC_ALWAYS : SYNC_NO;
    if (db_open(&s->env, basename(name), &o, &s->db, &why)) bench_die("%s", why.text);
    batch_init(&s->batch, mem_libc(), 0);
    return s;
}

static void drop_iter(struct riptide *s)
{
    db_iter_free(s->iter);
    s->iter = NULL;
}

static void riptide_close(void *store)
{
    struct riptide *s = store;
    drop_iter(s);
    db_close(s->db);
    batch_deinit(&s->batch);
    sched_free(s->sched);
    disk_posix_free(s->disk);
    free(s);
}

static slice span(struct bench_span s)
{
    return slice_of(s.data, s.size);
}

static void check(enum err e)
{
    if (e) bench_die("riptide: %s", err_text(e));
}

/* An embedder's loop: background results are installed now and then. */
static void breathe(struct riptide *s)
{
    drop_iter(s);
    if (++s->puts % 64 == 0) db_step(s->db);
}

static void riptide_put(void *store, struct bench_span key, struct bench_span value)
{
    struct riptide *s = store;
    breathe(s);
    check(db_put(s->db, span(key), span(value)));
}

static void riptide_remove(void *store, struct bench_span key)
{
    struct riptide *s = store;
    breathe(s);
    check(db_delete(s->db, span(key)));
}

static void riptide_put_batch(void *store, const struct bench_span *keys,
                              const struct bench_span *values, size_t n)
{
    struct riptide *s = store;
    drop_iter(s);
    db_step(s->db);
    check(db_group_begin(s->db));
    struct batch *b = db_batch_begin(s->db);
    for (size_t i = 0; i < n; i++)
        check(batch_put(b, span(keys[i]), span(values[i])));
    check(db_batch_commit(s->db));
    check(db_group_commit(s->db));
}

static bool riptide_get(void *store, struct bench_span key, uint64_t *sum)
{
    struct riptide *s = store;
    slice value;
    enum err e = db_get(s->db, span(key), &value, NULL);
    if (e == ERR_NOT_FOUND) return false;
    check(e);
    *sum += value.data[0] + value.size;
    return true;
}

static size_t riptide_scan(void *store, struct bench_span key, size_t n, uint64_t *sum)
{
    struct riptide *s = store;
    size_t i = 0;
    if (!s->iter) check(db_iter_new(s->db, &s->iter));
    for (db_iter_seek(s->iter, span(key)); db_iter_valid(s->iter) && i < n; i++) {
        slice value = db_iter_value(s->iter);
        *sum += value.data[0] + value.size;
        db_iter_next(s->iter);
    }
    check(db_iter_error(s->iter, NULL));
    return i;
}

static size_t riptide_scan_back(void *store, size_t n, uint64_t *sum)
{
    struct riptide *s = store;
    size_t i = 0;
    if (!s->iter) check(db_iter_new(s->db, &s->iter));
    for (db_iter_last(s->iter); db_iter_valid(s->iter) && i < n; i++) {
        slice value = db_iter_value(s->iter);
        *sum += value.data[0] + value.size;
        db_iter_prev(s->iter);
    }
    check(db_iter_error(s->iter, NULL));
    return i;
}

static void riptide_compact(void *store)
{
    struct riptide *s = store;
    drop_iter(s);
    check(db_compact(s->db));
}

static void riptide_settle(void *store)
{
    struct riptide *s = store;
    drop_iter(s);
    db_settle(s->db);
}

static uint64_t riptide_filled(void *store)
{
    struct riptide *s = store;
    struct db_stats stats;
    db_stats_get(s->db, &stats);
    return stats.log_bytes_filled;
}

const struct bench_store bench_riptide = {
    .name = "riptide",
    .open = riptide_open,
    .close = riptide_close,
    .put = riptide_put,
    .remove = riptide_remove,
    .put_batch = riptide_put_batch,
    .get = riptide_get,
    .scan = riptide_scan,
    .scan_back = riptide_scan_back,
    .compact = riptide_compact,
    .settle = riptide_settle,
    .filled = riptide_filled,
};
