#include "server/buf.h"

#include <assert.h>

#define BUF_FIRST_BYTES 1024

void buf_init(struct buf *b, struct mem *mem, size_t limit)
{
    *b = (struct buf){.mem = mem, .limit = limit};
}

void buf_deinit(struct buf *b)
{
    mem_free(b->mem, b->data);
    b->data = NULL;
}

/* Doubling keeps the cost of growth linear in the bytes that really came. */
static size_t grown_capacity(const struct buf *b, size_t wanted)
{
    size_t capacity = b->capacity ? b->capacity : BUF_FIRST_BYTES;
    while (capacity < wanted)
        capacity *= 2;
    return capacity < b->limit ? capacity : b->limit;
}

static void move_to_front(struct buf *b)
{
    size_t size = buf_size(b);
    memmove(b->data, b->data + b->start, size);
    b->start = 0;
    b->end = size;
}

bool buf_reserve_slow(struct buf *b, size_t n)
{
    size_t size = buf_size(b);
    if (n > b->limit || size > b->limit - n) {
        b->failed = true;
        return false;
    }
    /* Moving more than was consumed would make many small consumes quadratic. */
    if (b->start > 0 && (size <= b->start || b->end + n > b->limit)) move_to_front(b);
    if (b->capacity - b->end >= n) return true;

    size_t capacity = grown_capacity(b, b->end + n);
    uint8_t *data = mem_resize(b->mem, b->data, capacity);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void buf_release(struct buf *b)
{
    mem_free(b->mem, b->data);
    b->data = NULL;
    b->start = b->end = b->capacity = 0;
}

void buf_truncate(struct buf *b, size_t size)
{
    assert(size <= buf_size(b));
    b->end = b->start + size;
}
