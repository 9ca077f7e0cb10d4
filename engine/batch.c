/* batch.c - entries are appended to one growing buffer and read back in order.
 *
 * Each add first makes room for the whole entry, so that it either is there or is not.
 * A reader trusts nothing: the bytes may come from a damaged log.
 */
#include "engine/batch.h"

#include <assert.h>

#include "engine/coding.h"

#define CAPACITY_MIN 128

void batch_init(struct batch *b, struct mem *mem, size_t headroom)
{
    *b = (struct batch){.mem = mem, .headroom = headroom};
}

void batch_deinit(struct batch *b)
{
    mem_free(b->mem, b->data);
    batch_init(b, b->mem, b->headroom);
}

void batch_clear(struct batch *b)
{
    b->size = 0;
    b->count = 0;
    b->has_books = false;
}

/* ---- writing ---- */

static enum err grow(struct batch *b, size_t needed)
{
    /* Twice as much for many small entries; for a large one, what it needs. */
    size_t capacity = b->capacity < CAPACITY_MIN / 2 ? CAPACITY_MIN : 2 * b->capacity;
    if (capacity < needed) capacity = needed;
    uint8_t *data = mem_resize(b->mem, b->data, capacity);
    if (!data) return ERR_NOMEM;
    b->data = data;
    b->capacity = capacity;
    return ERR_OK;
}

/* Room for n more bytes; *at is where they go. The caller then calls `added`. */
static enum err make_room(struct batch *b, size_t n, uint8_t **at)
{
    if (n > BATCH_BYTES_MAX - b->size || b->count == UINT32_MAX) return ERR_TOO_LARGE;
    size_t needed = b->headroom + b->size + n;
    if (needed > b->capacity) {
        enum err e = grow(b, needed);
        if (e) return e;
    }
    *at = b->data + b->headroom + b->size;
    return ERR_OK;
}

static void added(struct batch *b, const uint8_t *end)
{
    b->size = (size_t)(end - (b->data + b->headroom));
    b->count++;
    assert(b->headroom + b->size <= b->capacity);
}

static uint8_t *put_bytes(uint8_t *p, slice s)
{
    if (s.size) memcpy(p, s.data, s.size);
    return p + s.size;
}

enum err batch_put(struct batch *b, slice key, slice value)
{
    return batch_put2(b, key, value, slice_of(NULL, 0));
}

enum err batch_put2(struct batch *b, slice key, slice value_head, slice value_body)
{
    if (key.size > KEY_BYTES_MAX) return ERR_TOO_LARGE;
    if (value_head.size > VALUE_BYTES_MAX) return ERR_TOO_LARGE;
    if (value_body.size > VALUE_BYTES_MAX - value_head.size) return ERR_TOO_LARGE;
    size_t value_size = value_head.size + value_body.size;
    uint8_t *p;
    enum err e = make_room(b, 1 + 2 * VARINT32_BYTES_MAX + key.size + value_size, &p);
    if (e) return e;
    *p++ = BATCH_PUT;
    p = varint_put(p, key.size);
    p = put_bytes(p, key);
    p = varint_put(p, value_size);
    p = put_bytes(p, value_head);
    added(b, put_bytes(p, value_body));
    return ERR_OK;
}

enum err batch_delete(struct batch *b, slice key)
{
    if (key.size > KEY_BYTES_MAX) return ERR_TOO_LARGE;
    uint8_t *p;
    enum err e = make_room(b, 1 + VARINT32_BYTES_MAX + key.size, &p);
    if (e) return e;
    *p++ = BATCH_DELETE;
    p = varint_put(p, key.size);
    added(b, put_bytes(p, key));
    return ERR_OK;
}

static enum err add_register(struct batch *b, enum batch_kind kind, unsigned reg,
                             uint64_t number)
{
    assert(reg < REGISTERS);
    uint8_t *p;
    enum err e = make_room(b, 2 + VARINT64_BYTES_MAX, &p);
    if (e) return e;
    *p++ = (uint8_t)kind;
    *p++ = (uint8_t)reg;
    b->has_books = true;
    added(b, varint_put(p, number));
    return ERR_OK;
}

enum err batch_register_add(struct batch *b, unsigned reg, int64_t delta)
{
    return add_register(b, BATCH_REGISTER_ADD, reg, zigzag(delta));
}

enum err batch_register_set(struct batch *b, unsigned reg, uint64_t value)
{
    return add_register(b, BATCH_REGISTER_SET, reg, value);
}

enum err batch_floor(struct batch *b, uint8_t prefix)
{
    uint8_t *p;
    enum err e = make_room(b, 2, &p);
    if (e) return e;
    *p++ = BATCH_FLOOR;
    *p++ = prefix;
    b->has_books = true;
    added(b, p);
    return ERR_OK;
}

enum err batch_append(struct batch *b, const struct batch *from)
{
    assert(b != from);
    if (from->count == 0) return ERR_OK;
    if (from->count > UINT32_MAX - b->count) return ERR_TOO_LARGE;
    uint8_t *p;
    enum err e = make_room(b, from->size, &p);
    if (e) return e;
    memcpy(p, from->data + from->headroom, from->size);
    b->size += from->size;
    b->count += from->count;
    b->has_books |= from->has_books;
    return ERR_OK;
}

void batch_truncate(struct batch *b, size_t size, uint32_t count)
{
    assert(size <= b->size && count <= b->count);
    b->size = size;
    b->count = count;
}

slice batch_bytes(const struct batch *b)
{
    return b->size ? slice_of(b->data + b->headroom, b->size) : slice_of(NULL, 0);
}

/* ---- reading ---- */

static bool take_byte(slice *in, unsigned *byte)
{
    slice one;
    if (!slice_take_bytes(in, 1, &one)) return false;
    *byte = one.data[0];
    return true;
}

/* False for what no batch_* function writes. */
static bool take_entry(slice *in, struct batch_entry *e)
{
    unsigned kind = 0;
    if (!take_byte(in, &kind)) return false;
    e->kind = (enum batch_kind)kind;
    switch (kind) {
    case BATCH_DELETE:
        return slice_take_prefixed(in, &e->key) && e->key.size <= KEY_BYTES_MAX;
    case BATCH_PUT:
        return slice_take_prefixed(in, &e->key) && e->key.size <= KEY_BYTES_MAX &&
               slice_take_prefixed(in, &e->value) && e->value.size <= VALUE_BYTES_MAX;
    case BATCH_REGISTER_ADD:
        if (!take_byte(in, &e->index) || e->index >= REGISTERS) return false;
        if (!slice_take_varint(in, &e->number)) return false;
        e->number = (uint64_t)unzigzag(e->number);
        return true;
    case BATCH_REGISTER_SET:
        return take_byte(in, &e->index) && e->index < REGISTERS &&
               slice_take_varint(in, &e->number);
    case BATCH_FLOOR: return take_byte(in, &e->index);
    default: return false;
    }
}

enum err batch_next(slice *in, struct batch_entry *out)
{
    if (in->size == 0) return ERR_NOT_FOUND;
    slice rest = *in;
    struct batch_entry entry = {.number = 0};
    if (!take_entry(&rest, &entry)) return ERR_CORRUPT;
    *in = rest;
    *out = entry;
    return ERR_OK;
}
