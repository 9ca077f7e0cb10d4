/* buf.h - a growable queue of bytes: appended at the end, consumed at the front.
 *
 * Flow:   conn > buf (query and reply bytes) > struct mem
 * Owns:   its memory.
 * Errors: a failed or refused growth sets `failed` and drops what was to be appended;
 *         writers need not look, whoever flushes the queue must.
 * Tests:  tests/server/buf_test.c
 */
#ifndef SERVER_BUF_H
#define SERVER_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fault/mem.h"

struct buf {
    struct mem *mem;
    uint8_t *data;
    size_t start;    /* first byte that is not consumed */
    size_t end;      /* one past the last byte */
    size_t capacity; /* bytes allocated */
    size_t limit;    /* most bytes it may hold */
    bool failed;     /* an append was dropped: no memory, or above the limit */
};

/* No memory is taken before the first append. */
void buf_init(struct buf *b, struct mem *mem, size_t limit);
void buf_deinit(struct buf *b);
/* Makes room for n more bytes behind the end; false sets `failed`. */
bool buf_reserve_slow(struct buf *b, size_t n);
/* Forgets the content and gives the memory back. */
void buf_release(struct buf *b);
/* Drops bytes at the end until `size` are left. REQUIRES: size <= buf_size. */
void buf_truncate(struct buf *b, size_t size);

static inline size_t buf_size(const struct buf *b)
{
    return b->end - b->start;
}
static inline uint8_t *buf_bytes(const struct buf *b)
{
    return b->data + b->start;
}
static inline bool buf_reserve(struct buf *b, size_t n)
{
    return b->capacity - b->end >= n || buf_reserve_slow(b, n);
}
static inline void buf_append(struct buf *b, const void *bytes, size_t n)
{
    if (n == 0 || !buf_reserve(b, n)) return;
    memcpy(b->data + b->end, bytes, n);
    b->end += n;
}
/* REQUIRES: n <= buf_size. An emptied queue starts at its front again. */
static inline void buf_consume(struct buf *b, size_t n)
{
    b->start += n;
    if (b->start == b->end) b->start = b->end = 0;
}

#endif
