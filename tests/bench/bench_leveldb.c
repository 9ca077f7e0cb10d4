#include "tests/bench/bench_store.h"

#include <leveldb/c.h>
#include <stdlib.h>
#include <unistd.h>

struct level {
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *filter;
    leveldb_readoptions_t *read;
    leveldb_writeoptions_t *write;
    leveldb_iterator_t *iter;
};

static void check(char *error)
{
    if (error) bench_die("leveldb: %s", error);
}

static void *level_open(const struct bench_config *config)
{
    struct level *s = calloc(1, sizeof *s);
    char *error = NULL;
    s->options = leveldb_options_create();
    s->cache = leveldb_cache_create_lru(config->cache_bytes);
    s->filter = leveldb_filterpolicy_create_bloom(10);
    leveldb_options_set_create_if_missing(s->options, 1);
    leveldb_options_set_write_buffer_size(s->options, config->write_buffer_bytes);
    leveldb_options_set_cache(s->options, s->cache);
    leveldb_options_set_block_size(s->options, config->block_bytes);
    leveldb_options_set_filter_policy(s->options, s->filter);
    leveldb_options_set_compression(s->options, config->compressed
                                                    ? leveldb_snappy_compression
                                                    : leveldb_no_compression);
    s->db = leveldb_open(s->options, config->dir, &error);
    check(error);
    s->read = leveldb_readoptions_create();
    s->write = leveldb_writeoptions_create();
    leveldb_writeoptions_set_sync(s->write, config->sync);
    return s;
}

static void drop_iter(struct level *s)
{
    if (s->iter) leveldb_iter_destroy(s->iter);
    s->iter = NULL;
}

static void level_close(void *store)
{
    struct level *s = store;
    drop_iter(s);
    leveldb_close(s->db);
    leveldb_options_destroy(s->options);
    leveldb_cache_destroy(s->cache);
    leveldb_filterpolicy_destroy(s->filter);
    leveldb_readoptions_destroy(s->read);
    leveldb_writeoptions_destroy(s->write);
    free(s);
}

static void level_put(void *store, struct bench_span key, struct bench_span value)
{
    struct level *s = store;
    char *error = NULL;
    drop_iter(s);
    leveldb_put(s->db, s->write, key.data, key.size, value.data, value.size, &error);
    check(error);
}

static void level_remove(void *store, struct bench_span key)
{
    struct level *s = store;
    char *error = NULL;
    drop_iter(s);
    leveldb_delete(s->db, s->write, key.data, key.size, &error);
    check(error);
}

static void level_put_batch(void *store, const struct bench_span *keys,
                            const struct bench_span *values, size_t n)
{
    struct level *s = store;
    char *error = NULL;
    drop_iter(s);
    leveldb_writebatch_t *b = leveldb_writebatch_create();
    for (size_t i = 0; i < n; i++)
        leveldb_writebatch_put(b, keys[i].data, keys[i].size, values[i].data,
                               values[i].size);
    leveldb_write(s->db, s->write, b, &error);
    check(error);
    leveldb_writebatch_destroy(b);
}

static bool level_get(void *store, struct bench_span key, uint64_t *sum)
{
    struct level *s = store;
    char *error = NULL;
    size_t n;
    char *value = leveldb_get(s->db, s->read, key.data, key.size, &n, &error);
    check(error);
    if (!value) return false;
    *sum += (unsigned char)value[0] + n;
    leveldb_free(value);
    return true;
}

static size_t level_scan(void *store, struct bench_span key, size_t n, uint64_t *sum)
{
    struct level *s = store;
    size_t i = 0, size;
    if (!s->iter) s->iter = leveldb_create_iterator(s->db, s->read);
    leveldb_iter_seek(s->iter, key.data, key.size);
    for (; leveldb_iter_valid(s->iter) && i < n; i++) {
        const char *value = leveldb_iter_value(s->iter, &size);
        *sum += (unsigned char)value[0] + size;
        leveldb_iter_next(s->iter);
    }
    return i;
}

static size_t level_scan_back(void *store, size_t n, uint64_t *sum)
{
    struct level *s = store;
    size_t i = 0, size;
    if (!s->iter) s->iter = leveldb_create_iterator(s->db, s->read);
    leveldb_iter_seek_to_last(s->iter);
    for (; leveldb_iter_valid(s->iter) && i < n; i++) {
        const char *value = leveldb_iter_value(s->iter, &size);
        *sum += (unsigned char)value[0] + size;
        leveldb_iter_prev(s->iter);
    }
    return i;
}

static void level_compact(void *store)
{
    struct level *s = store;
    drop_iter(s);
    leveldb_compact_range(s->db, NULL, 0, NULL, 0);
}

static void level_settle(void *store)
{
    (void)store; /* the caller waits until the process is idle */
}

const struct bench_store bench_leveldb = {
    .name = "leveldb",
    .open = level_open,
    .close = level_close,
    .put = level_put,
    .remove = level_remove,
    .put_batch = level_put_batch,
    .get = level_get,
    .scan = level_scan,
    .scan_back = level_scan_back,
    .compact = level_compact,
    .settle = level_settle,
};
