/* The engine for other programs: db.h behind names that are safe to link anywhere, in the
 * real world (real disk, clock, memory, threads). Nothing happens here but translation. */
#include "engine/riptide.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/db_state.h"
#include "fault/disk_posix.h"
#include "fault/rng.h"

struct riptide {
    struct db *db;
    struct disk *disk;
    struct sched *sched;
    void (*log)(void *arg, enum riptide_log_level level, const char *line);
    void *log_arg;
};

struct riptide_batch {
    struct batch batch;
};

struct riptide_iter {
    struct db_iter *it;
};

/* ---- errors ---- */

/* The public numbers are the engine's own, so that translation is a cast. */
#define SAME(public, own)                                                                \
    static_assert((int)RIPTIDE_##public == (int)ERR_##own, "same number")
SAME(OK, OK);
SAME(NOT_FOUND, NOT_FOUND);
SAME(NO_MEMORY, NOMEM);
SAME(IO, IO);
SAME(NO_SPACE, NO_SPACE);
SAME(CORRUPT, CORRUPT);
SAME(MISSING, MISSING);
SAME(LOCKED, LOCKED);
SAME(FOREIGN, FOREIGN);
SAME(NEWER_FORMAT, NEWER_FORMAT);
SAME(EXISTS, EXISTS);
SAME(INVALID, INVALID);
SAME(TOO_LARGE, TOO_LARGE);
SAME(WRITES_REFUSED, WRITES_REFUSED);
SAME(BUSY, BUSY);
static_assert(ERR_COUNT == RIPTIDE_BUSY + 1, "every error has its public name");
static_assert(sizeof((struct riptide_failure *)0)->text >= ERR_LINE_BYTES, "room");
static_assert((int)RIPTIDE_SYNC_ALWAYS == SYNC_ALWAYS, "same number");
static_assert((int)RIPTIDE_SYNC_EVERYSEC == SYNC_EVERYSEC, "same number");
static_assert((int)RIPTIDE_SYNC_NO == SYNC_NO, "same number");
static_assert((int)RIPTIDE_LOG_WARNING == LOG_WARNING, "same number");
static_assert(RIPTIDE_LEVELS == LEVELS_MAX, "same number");
static_assert((int)RIPTIDE_COMPRESSION_LZ4 == CODEC_LZ4, "same number");

static enum riptide_error error_of(enum err e)
{
    return (enum riptide_error)e;
}

/* Fills `why` and returns the code. A detail that says nothing gets the code's text. */
static enum riptide_error fail(struct riptide_failure *why, enum err e,
                               const struct err_detail *detail)
{
    if (why && e) {
        bool told = detail->code != ERR_OK;
        char line[ERR_LINE_BYTES];
        why->error = error_of(e);
        why->os_error = told ? detail->os_error : 0;
        snprintf(why->text, sizeof why->text, "%s",
                 told ? err_line(detail, line) : err_text(e));
    }
    return error_of(e);
}

const char *riptide_version(void)
{
    return RIPTIDE_VERSION;
}

const char *riptide_error_text(enum riptide_error error)
{
    return (unsigned)error < ERR_COUNT ? err_text((enum err)error) : "unknown error";
}

/* ---- open and close ---- */

void riptide_options_init(struct riptide_options *options)
{
    struct options o;
    options_init(&o);
    *options = (struct riptide_options){
        .create_if_missing = o.create_if_missing,
        .error_if_exists = o.error_if_exists,
        .sync = (enum riptide_sync)o.sync,
        .threads = true,
        .memtable_bytes = o.memtable_bytes,
        .cache_bytes = o.cache_bytes,
        .map_tables = o.map_tables,
        .open_tables_max = o.open_tables_max,
        .block_bytes = o.block_bytes,
        .table_bytes = o.table_bytes,
        .level1_bytes = o.level1_bytes,
        .filter_bits = o.filter_bits,
    };
    for (unsigned l = 0; l < LEVELS_MAX; l++)
        options->compression[l] = (enum riptide_compression)o.codecs[l];
}

static void translate_options(const struct riptide_options *from, struct options *to)
{
    options_init(to);
    to->create_if_missing = from->create_if_missing;
    to->error_if_exists = from->error_if_exists;
    to->sync = (enum sync_policy)from->sync;
    to->memtable_bytes = from->memtable_bytes;
    to->cache_bytes = from->cache_bytes;
    to->map_tables = from->map_tables;
    to->open_tables_max = from->open_tables_max;
    to->block_bytes = from->block_bytes;
    to->table_bytes = from->table_bytes;
    to->level1_bytes = from->level1_bytes;
    to->filter_bits = from->filter_bits;
    for (unsigned l = 0; l < LEVELS_MAX; l++)
        to->codecs[l] = (enum codec)from->compression[l];
}

static void pass_log(void *arg, enum log_level level, const char *line)
{
    struct riptide *r = arg;
    if (r->log) r->log(r->log_arg, (enum riptide_log_level)level, line);
}

/* "a/b/c" is directory "c" of the disk "a/b": what a store changes includes the entry in
 * its parent. *parent is allocated, and *name lies behind it. */
static enum err split_path(const char *path, char **parent, const char **name,
                           struct err_detail *why)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t start = n;
    while (start > 0 && path[start - 1] != '/')
        start--;
    size_t size = n - start;
    bool dots = (size == 1 && path[start] == '.') ||
                (size == 2 && path[start] == '.' && path[start + 1] == '.');
    if (size == 0 || dots)
        return err_set(why, ERR_INVALID, 0,
                       "%.100s: a path has to end in the directory's own name", path);
    if (size > DISK_NAME_MAX)
        return err_set(why, ERR_INVALID, 0,
                       "%.60s...: a name of %zu bytes is too long; the limit is %d",
                       path + start, size, DISK_NAME_MAX);
    /* "parent\0name\0"; a path without a slash has "." as its parent */
    char *copy = mem_alloc(mem_libc(), start + size + 3);
    if (!copy) return err_set(why, ERR_NOMEM, 0, "no memory for a path");
    size_t length = start ? start : 1;
    memcpy(copy, start ? path : ".", length);
    copy[length] = 0;
    memcpy(copy + length + 1, path + start, size);
    copy[length + 1 + size] = 0;
    *parent = copy;
    *name = copy + length + 1;
    return ERR_OK;
}

/* The disk whose root is the parent of `path`. */
static enum err open_world(const char *path, char **parent, const char **name,
                           struct disk **disk, struct err_detail *why)
{
    enum err e = split_path(path, parent, name, why);
    if (e) return e;
    int rc = disk_posix_new(mem_libc(), *parent, disk);
    if (!rc) return ERR_OK;
    err_set(why, err_from_os(rc), rc, "%.150s: cannot open this directory", *parent);
    mem_free(mem_libc(), *parent);
    return why->code;
}

static enum err open_db(struct riptide *r, const char *name,
                        const struct riptide_options *options, struct err_detail *why)
{
    struct options own;
    translate_options(options, &own);
    r->sched =
        options->threads ? sched_threads_new(mem_libc()) : sched_inline_new(mem_libc());
    if (!r->sched) return err_set(why, ERR_NOMEM, 0, "no memory or no threads");
    r->log = options->log;
    r->log_arg = options->log_arg;
    struct db_env env = {.disk = r->disk,
                         .clock = clock_real(),
                         .mem = mem_libc(),
                         .sched = r->sched,
                         .seed = rng_os_seed(),
                         .log = pass_log,
                         .log_arg = r};
    return db_open(&env, name, &own, &r->db, why);
}

static void free_world(struct riptide *r)
{
    if (r->sched) sched_free(r->sched);
    if (r->disk) disk_posix_free(r->disk);
    mem_free(mem_libc(), r);
}

enum riptide_error riptide_open(const char *path, const struct riptide_options *options,
                                struct riptide **out, struct riptide_failure *why)
{
    struct riptide_options defaults;
    struct err_detail detail = {.code = ERR_OK};
    char *parent = NULL;
    const char *name = NULL;
    riptide_options_init(&defaults);
    struct riptide *r = mem_zalloc(mem_libc(), sizeof *r);
    if (!r) return fail(why, ERR_NOMEM, &detail);
    enum err e = open_world(path, &parent, &name, &r->disk, &detail);
    if (!e) {
        e = open_db(r, name, options ? options : &defaults, &detail);
        mem_free(mem_libc(), parent);
    }
    if (e) {
        free_world(r);
        return fail(why, e, &detail);
    }
    *out = r;
    return RIPTIDE_OK;
}

enum riptide_error riptide_close(struct riptide *store)
{
    if (!store) return RIPTIDE_OK;
    enum err e = db_close(store->db);
    free_world(store);
    return error_of(e);
}

/* Carries a report of the engine's to one of the public form. */
struct report {
    void (*line)(void *arg, enum riptide_error error, const char *line);
    void *arg;
};

static void pass_report(void *arg, enum err code, const char *line)
{
    const struct report *r = arg;
    if (r->line) r->line(r->arg, error_of(code), line);
}

enum riptide_error riptide_check(const char *path,
                                 void (*report)(void *arg, enum riptide_error error,
                                                const char *line),
                                 void *arg)
{
    struct report r = {report, arg};
    struct err_detail why = {.code = ERR_OK};
    struct options options;
    struct db_env env = {.clock = clock_real(), .mem = mem_libc()};
    char *parent = NULL;
    const char *name = NULL;
    options_init(&options);
    enum err e = open_world(path, &parent, &name, &env.disk, &why);
    if (e) {
        char line[ERR_LINE_BYTES];
        pass_report(&r, e, err_line(&why, line));
        return error_of(e);
    }
    e = db_check(&env, name, &options, pass_report, &r);
    disk_posix_free(env.disk);
    mem_free(mem_libc(), parent);
    return error_of(e);
}

/* ---- writing ---- */

/* The engine's own limits leave room for what a server puts in front of keys and values. */
static_assert(RIPTIDE_KEY_BYTES_MAX <= KEY_BYTES_MAX, "the engine takes every key");
static_assert(RIPTIDE_VALUE_BYTES_MAX <= VALUE_BYTES_MAX, "and every value");
static_assert(RIPTIDE_BATCH_BYTES_MAX == BATCH_BYTES_MAX, "same number");

static bool too_large(size_t key_size, size_t value_size)
{
    return key_size > RIPTIDE_KEY_BYTES_MAX || value_size > RIPTIDE_VALUE_BYTES_MAX;
}

/* Outside a group every write first takes in what background work has finished. */
static void take_in(struct riptide *store)
{
    if (!db_in_group(store->db)) db_step(store->db);
}

enum riptide_error riptide_put(struct riptide *store, const void *key, size_t key_size,
                               const void *value, size_t value_size)
{
    if (too_large(key_size, value_size)) return RIPTIDE_TOO_LARGE;
    take_in(store);
    return error_of(
        db_put(store->db, slice_of(key, key_size), slice_of(value, value_size)));
}

enum riptide_error riptide_delete(struct riptide *store, const void *key, size_t key_size)
{
    if (too_large(key_size, 0)) return RIPTIDE_TOO_LARGE;
    take_in(store);
    return error_of(db_delete(store->db, slice_of(key, key_size)));
}

struct riptide_batch *riptide_batch_new(void)
{
    struct riptide_batch *b = mem_alloc(mem_libc(), sizeof *b);
    if (b) batch_init(&b->batch, mem_libc(), 0);
    return b;
}

void riptide_batch_free(struct riptide_batch *batch)
{
    if (!batch) return;
    batch_deinit(&batch->batch);
    mem_free(mem_libc(), batch);
}

void riptide_batch_clear(struct riptide_batch *batch)
{
    batch_clear(&batch->batch);
}

enum riptide_error riptide_batch_put(struct riptide_batch *batch, const void *key,
                                     size_t key_size, const void *value,
                                     size_t value_size)
{
    if (too_large(key_size, value_size)) return RIPTIDE_TOO_LARGE;
    return error_of(
        batch_put(&batch->batch, slice_of(key, key_size), slice_of(value, value_size)));
}

enum riptide_error riptide_batch_delete(struct riptide_batch *batch, const void *key,
                                        size_t key_size)
{
    if (too_large(key_size, 0)) return RIPTIDE_TOO_LARGE;
    return error_of(batch_delete(&batch->batch, slice_of(key, key_size)));
}

enum riptide_error riptide_write(struct riptide *store, const struct riptide_batch *batch)
{
    take_in(store);
    return error_of(db_write(store->db, &batch->batch));
}

enum riptide_error riptide_group_begin(struct riptide *store)
{
    take_in(store);
    return error_of(db_group_begin(store->db));
}

enum riptide_error riptide_group_commit(struct riptide *store)
{
    return error_of(db_group_commit(store->db));
}

enum riptide_error riptide_set_sync(struct riptide *store, enum riptide_sync policy)
{
    if ((unsigned)policy > RIPTIDE_SYNC_NO) return RIPTIDE_INVALID;
    db_set_sync(store->db, (enum sync_policy)policy);
    return RIPTIDE_OK;
}

enum riptide_error riptide_sync_now(struct riptide *store, struct riptide_failure *why)
{
    struct db *db = store->db;
    struct err_detail detail = {.code = ERR_OK};
    assert(!db_in_group(db));
    if (db_refuses(db)) return fail(why, ERR_WRITES_REFUSED, db_write_error(db));
    enum err e = db_sync_logs(db, &detail);
    if (e) db_refuse(db, &detail);
    return fail(why, e, &detail);
}

enum riptide_error riptide_write_error(const struct riptide *store,
                                       struct riptide_failure *why)
{
    const struct err_detail *detail = db_write_error(store->db);
    return fail(why, detail->code, detail);
}

/* ---- reading ---- */

/* A snapshot is the engine's own under a public name. */
static const struct db_snapshot *own_snapshot(const struct riptide_snapshot *s)
{
    return (const struct db_snapshot *)s;
}

enum riptide_error riptide_snapshot_new(struct riptide *store,
                                        struct riptide_snapshot **out)
{
    struct db_snapshot *s;
    enum err e = db_snapshot_new(store->db, &s);
    if (!e) *out = (struct riptide_snapshot *)s;
    return error_of(e);
}

void riptide_snapshot_free(struct riptide *store, struct riptide_snapshot *snapshot)
{
    db_snapshot_free(store->db, (struct db_snapshot *)snapshot);
}

enum riptide_error riptide_get_at(struct riptide *store,
                                  const struct riptide_snapshot *snapshot,
                                  const void *key, size_t key_size, const void **value,
                                  size_t *value_size, struct riptide_failure *why)
{
    slice found;
    struct err_detail detail = {.code = ERR_OK};
    enum err e = db_get_at(store->db, own_snapshot(snapshot), slice_of(key, key_size),
                           &found, &detail);
    if (e) return fail(why, e, &detail);
    *value = found.data;
    *value_size = found.size;
    return RIPTIDE_OK;
}

enum riptide_error riptide_get(struct riptide *store, const void *key, size_t key_size,
                               const void **value, size_t *value_size,
                               struct riptide_failure *why)
{
    return riptide_get_at(store, NULL, key, key_size, value, value_size, why);
}

enum riptide_error riptide_iter_new_at(struct riptide *store,
                                       const struct riptide_snapshot *snapshot,
                                       struct riptide_iter **out)
{
    struct riptide_iter *it = mem_alloc(mem_libc(), sizeof *it);
    if (!it) return RIPTIDE_NO_MEMORY;
    take_in(store);
    enum err e = db_iter_new_at(store->db, own_snapshot(snapshot), &it->it);
    if (e) {
        mem_free(mem_libc(), it);
        return error_of(e);
    }
    *out = it;
    return RIPTIDE_OK;
}

enum riptide_error riptide_iter_new(struct riptide *store, struct riptide_iter **out)
{
    return riptide_iter_new_at(store, NULL, out);
}

void riptide_iter_free(struct riptide_iter *it)
{
    if (!it) return;
    db_iter_free(it->it);
    mem_free(mem_libc(), it);
}

enum riptide_error riptide_iter_set_bounds(struct riptide_iter *it, const void *lower,
                                           size_t lower_size, const void *upper,
                                           size_t upper_size)
{
    slice from = slice_of(lower, lower_size), to = slice_of(upper, upper_size);
    return error_of(db_iter_set_bounds(it->it, lower ? &from : NULL, upper ? &to : NULL));
}

void riptide_iter_first(struct riptide_iter *it)
{
    db_iter_first(it->it);
}

void riptide_iter_last(struct riptide_iter *it)
{
    db_iter_last(it->it);
}

void riptide_iter_seek_for_prev(struct riptide_iter *it, const void *key, size_t key_size)
{
    db_iter_seek_for_prev(it->it, slice_of(key, key_size));
}

void riptide_iter_prev(struct riptide_iter *it)
{
    db_iter_prev(it->it);
}

void riptide_iter_seek(struct riptide_iter *it, const void *key, size_t key_size)
{
    db_iter_seek(it->it, slice_of(key, key_size));
}

bool riptide_iter_valid(const struct riptide_iter *it)
{
    return db_iter_valid(it->it);
}

void riptide_iter_next(struct riptide_iter *it)
{
    db_iter_next(it->it);
}

const void *riptide_iter_key(const struct riptide_iter *it, size_t *size)
{
    slice key = db_iter_key(it->it);
    *size = key.size;
    return key.data;
}

const void *riptide_iter_value(const struct riptide_iter *it, size_t *size)
{
    slice value = db_iter_value(it->it);
    *size = value.size;
    return value.data;
}

enum riptide_error riptide_iter_error(const struct riptide_iter *it,
                                      struct riptide_failure *why)
{
    struct err_detail detail = {.code = ERR_OK};
    enum err e = db_iter_error(it->it, &detail);
    return fail(why, e, &detail);
}

/* ---- background work ---- */

void riptide_step(struct riptide *store)
{
    db_step(store->db);
}

int riptide_step_timeout_ms(const struct riptide *store)
{
    return db_step_timeout_ms(store->db);
}

int riptide_poll_fd(const struct riptide *store)
{
    return db_poll_fd(store->db);
}

bool riptide_busy(const struct riptide *store)
{
    return db_busy(store->db);
}

enum riptide_error riptide_flush(struct riptide *store)
{
    return error_of(db_flush(store->db));
}

enum riptide_error riptide_compact(struct riptide *store)
{
    return error_of(db_compact(store->db));
}

/* ---- backup ---- */

/* Looks into every directory around `disk`, which a checkpoint looks into itself. One that
 * may not be read is nobody's whose store this is. */
static enum err check_around(struct disk *disk, const char *path, struct err_detail *why)
{
    struct disk *at = disk, *above;
    enum err e = ERR_OK;
    int rc = 0;
    while (!e && !(rc = disk_posix_above(mem_libc(), at, &above))) {
        if (at != disk) disk_posix_free(at);
        at = above;
        e = db_checkpoint_check_place(at, path, why);
        if (e == ERR_IO && why->os_error == EACCES) e = ERR_OK;
    }
    if (at != disk) disk_posix_free(at);
    if (e || rc == -ENOENT || rc == -EACCES) return e;
    return err_set(why, err_from_os(rc), rc, "%.100s: looking for a store around it",
                   path);
}

enum riptide_error riptide_checkpoint(struct riptide *store, const char *path,
                                      struct riptide_failure *why)
{
    struct err_detail detail = {.code = ERR_OK};
    struct disk *disk;
    char *parent;
    const char *name;
    assert(!db_in_group(store->db));
    enum err e = open_world(path, &parent, &name, &disk, &detail);
    if (e) return fail(why, e, &detail);
    take_in(store);
    e = check_around(disk, path, &detail);
    if (!e) e = db_checkpoint(store->db, disk, name, &detail);
    disk_posix_free(disk);
    mem_free(mem_libc(), parent);
    return fail(why, e, &detail);
}

/* ---- looking inside ---- */

void riptide_stats_get(const struct riptide *store, struct riptide_stats *out)
{
    struct db_stats s;
    db_stats_get(store->db, &s);
    *out = (struct riptide_stats){
        .memtable_bytes = s.memtable_bytes,
        .log_bytes = s.log_bytes,
        .cache_bytes = s.cache_bytes,
        .cache_hits = s.cache_hits,
        .cache_misses = s.cache_misses,
        .table_memory = s.table_memory,
        .table_mapped = s.table_mapped,
        .user_bytes_written = s.user_bytes_written,
        .log_bytes_written = s.log_bytes_written,
        .table_bytes_written = s.table_bytes_written,
        .manifest_bytes_written = s.manifest_bytes_written,
        .compact_bytes_read = s.compact_bytes_read,
        .flushes = s.flushes,
        .compactions = s.compactions,
        .syncs = s.syncs,
        .sync_us = s.sync_us,
        .stalls = s.stalls,
        .stall_us = s.stall_us,
        .recovered_records = s.recovered_records,
        .recovered_cut_bytes = s.recovered_cut_bytes,
        .log_bytes_filled = s.log_bytes_filled,
        .filter_negatives = s.filter_negatives,
        .filter_false_positives = s.filter_false_positives,
        .sync_p50_us = latency_percentile(&s.sync, 50),
        .sync_p99_us = latency_percentile(&s.sync, 99),
        .sync_max_us = s.sync.max_us,
        .write_amplification = db_stats_write_amplification(&s),
        .space_amplification = db_stats_space_amplification(&s),
        .read_amplification = db_stats_read_amplification(&s),
        .compression = db_stats_compression(&s),
    };
    for (int l = 0; l < LEVELS_MAX; l++) {
        out->level[l].files = s.level[l].files;
        out->level[l].bytes = s.level[l].bytes;
        out->level[l].entries = s.level[l].entries;
        out->level[l].saved = s.level[l].saved;
    }
}
