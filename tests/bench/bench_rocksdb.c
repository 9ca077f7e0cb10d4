#include "tests/bench/bench_store.h"

#include <rocksdb/c.h>
#include <stdlib.h>

struct rocks {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table;
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write;
    rocksdb_iterator_t *iter;
};

static void check(char *error)
{
    if (error) bench_die("rocksdb: %s", error);
}

static void *rocks_open(const struct bench_config *config)
{
    struct rocks *s = calloc(1, sizeof *s);
    char *error = NULL;
    s->options = rocksdb_options_create();
    s->table = rocksdb_block_based_options_create();
    s->cache = rocksdb_cache_create_lru(config->cache_bytes);
    rocksdb_block_based_options_set_block_cache(s->table, s->cache);
    rocksdb_block_based_options_set_block_size(s->table, config->block_bytes);
    rocksdb_block_based_options_set_filter_policy(
        s->table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(s->options, s->table);
    rocksdb_options_set_create_if_missing(s->options, 1);
    rocksdb_options_set_write_buffer_size(s->options, config->write_buffer_bytes);
    rocksdb_options_set_compression(s->options, config->compressed
                                                    ? rocksdb_snappy_compression
                                                    : rocksdb_no_compression);
    rocksdb_options_set_max_bytes_for_level_base(s->options, 10 << 20);
    rocksdb_options_set_target_file_size_base(s->options, 2 << 20);
    s->db = rocksdb_open(s->options, config->dir, &error);
    check(error);
    s->read = rocksdb_readoptions_create();
    s->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(s->write, config->sync);
    return s;
}

static void drop_iter(struct rocks *s)
{
    if (s->iter) rocksdb_iter_destroy(s->iter);
    s->iter = NULL;
}

static void rocks_close(void *store)
{
    struct rocks *s = store;
    drop_iter(s);
    rocksdb_close(s->db);
    rocksdb_options_destroy(s->options);
    rocksdb_block_based_options_destroy(s->table);
    rocksdb_cache_destroy(s->cache);
    rocksdb_readoptions_destroy(s->read);
    rocksdb_writeoptions_destroy(s->write);
    free(s);
}

static void rocks_put(void *store, struct bench_span key, struct bench_span value)
{
    struct rocks *s = store;
    char *error = NULL;
    drop_iter(s);
    rocksdb_put(s->db, s->write, key.data, key.size, value.data, value.size, &error);
    check(error);
}

static void rocks_remove(void *store, struct bench_span key)
{
    struct rocks *s = store;
    char *error = NULL;
    drop_iter(s);
    rocksdb_delete(s->db, s->write, key.data, key.size, &error);
    check(error);
}

static void rocks_put_batch(void *store, const struct bench_span *keys,
                            const struct bench_span *values, size_t n)
{
    struct rocks *s = store;
    char *error = NULL;
    drop_iter(s);
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    for (size_t i = 0; i < n; i++)
        rocksdb_writebatch_put(b, keys[i].data, keys[i].size, values[i].data,
                               values[i].size);
    rocksdb_write(s->db, s->write, b, &error);
    check(error);
    rocksdb_writebatch_destroy(b);
}

static bool rocks_get(void *store, struct bench_span key, uint64_t *sum)
{
    struct rocks *s = store;
    char *error = NULL;
    size_t n;
    rocksdb_pinnableslice_t *value =
        rocksdb_get_pinned(s->db, s->read, key.data, key.size, &error);
    check(error);
    if (!value) return false;
    const char *data = rocksdb_pinnableslice_value(value, &n);
    *sum += (unsigned char)data[0] + n;
    rocksdb_pinnableslice_destroy(value);
    return true;
}

static size_t rocks_scan(void *store, struct bench_span key, size_t n, uint64_t *sum)
{
    struct rocks *s = store;
    size_t i = 0, size;
    if (!s->iter) s->iter = rocksdb_create_iterator(s->db, s->read);
    rocksdb_iter_seek(s->iter, key.data, key.size);
    for (; rocksdb_iter_valid(s->iter) && i < n; i++) {
        const char *value = rocksdb_iter_value(s->iter, &size);
        *sum += (unsigned char)value[0] + size;
        rocksdb_iter_next(s->iter);
    }
    return i;
}

static size_t rocks_scan_back(void *store, size_t n, uint64_t *sum)
{
    struct rocks *s = store;
    size_t i = 0, size;
    if (!s->iter) s->iter = rocksdb_create_iterator(s->db, s->read);
    rocksdb_iter_seek_to_last(s->iter);
    for (; rocksdb_iter_valid(s->iter) && i < n; i++) {
        const char *value = rocksdb_iter_value(s->iter, &size);
        *sum += (unsigned char)value[0] + size;
        rocksdb_iter_prev(s->iter);
    }
    return i;
}

static void rocks_compact(void *store)
{
    struct rocks *s = store;
    drop_iter(s);
    rocksdb_compact_range(s->db, NULL, 0, NULL, 0);
}

static void rocks_settle(void *store)
{
    (void)store; /* the caller waits until the process is idle */
}

const struct bench_store bench_rocksdb = {
    .name = "rocksdb",
    .open = rocks_open,
    .close = rocks_close,
    .put = rocks_put,
    .remove = rocks_remove,
    .put_batch = rocks_put_batch,
    .get = rocks_get,
    .scan = rocks_scan,
    .scan_back = rocks_scan_back,
    .compact = rocks_compact,
    .settle = rocks_settle,
};
