/* bench_store.h - one interface over the stores that bench_engine compares.
 *
 * Every backend gives the same promise: a put that has returned survives kill -9 (it went
 * through write(), or a shared mapping), and with `sync` a power cut.
 */
#ifndef TESTS_BENCH_BENCH_STORE_H
#define TESTS_BENCH_BENCH_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_config {
    const char *dir;
    size_t write_buffer_bytes;
    size_t cache_bytes;
    size_t block_bytes;
    bool sync;       /* every commit */
    bool compressed; /* as each of them is used: the peers' snappy, our lz4 */
};

struct bench_span {
    const void *data;
    size_t size;
};

struct bench_store {
    const char *name;
    void *(*open)(const struct bench_config *config);
    void (*close)(void *store);
    void (*put)(void *store, struct bench_span key, struct bench_span value);
    void (*remove)(void *store, struct bench_span key);
    /* n pairs at once */
    void (*put_batch)(void *store, const struct bench_span *keys,
                      const struct bench_span *values, size_t n);
    /* False: absent. The value's bytes are added up, so that it is really read. */
    bool (*get)(void *store, struct bench_span key, uint64_t *sum);
    /* Seeks to key and goes on `n` entries; returns how many there were. */
    size_t (*scan)(void *store, struct bench_span key, size_t n, uint64_t *sum);
    /* The same from the end backwards; NULL: not offered. */
    size_t (*scan_back)(void *store, size_t n, uint64_t *sum);
    void (*compact)(void *store); /* NULL: nothing to compact */
    void (*settle)(void *store);  /* waits until background work is done */
    /* Zeros written ahead of use since it was opened; NULL: none ever. They belong to no
     * write amplification. */
    uint64_t (*filled)(void *store);
};

extern const struct bench_store bench_riptide, bench_leveldb, bench_rocksdb, bench_lmdb;

/* Ends the program with a message. */
void bench_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
