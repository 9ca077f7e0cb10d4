/* block.h - a run of sorted entries with shared prefixes, searched without decoding it.
 *
 * Flow:    sst_builder > block_builder_* > bytes > block_open, block_seek > sst_get,
 *          block_iter > sst_iter
 * Owns:    a builder its buffers; an iterator the bytes of its current key.
 * Borrows: a block the bytes that it was opened over.
 * Errors:  ERR_CORRUPT for bytes that are no block: nothing outside them is ever read.
 * Format:  docs/formats.md#blocks
 * Tests:   tests/engine/block_test.c
 */
#ifndef ENGINE_BLOCK_H
#define ENGINE_BLOCK_H

#include "engine/err.h"
#include "engine/ikey.h"
#include "fault/mem.h"

/* ---- building ---- */

struct block_builder {
    struct mem *mem;
    unsigned restart_interval; /* entries from one whole key to the next */
    uint8_t *bytes;            /* of the entries */
    size_t size, capacity;
    uint32_t *restarts; /* offsets of the entries with whole keys */
    size_t restart_count, restart_capacity;
    size_t entries;
    uint8_t *last_key; /* key and tag of the newest entry; they outlive a clear */
    size_t last_size, last_capacity;
    uint64_t last_tag;
};

void block_builder_init(struct block_builder *b, struct mem *mem,
                        unsigned restart_interval);
void block_builder_deinit(struct block_builder *b);
/* Forgets the entries, keeps the buffers. */
void block_builder_clear(struct block_builder *b);
/* ERR_NOMEM: as before the call. REQUIRES: after the newest entry in order. */
enum err block_builder_add(struct block_builder *b, slice key, uint64_t tag, slice value);
/* Adds an entry without the bytes of its value: whoever writes the block writes them
 * between the first `size` bytes and what block_builder_finish adds. REQUIRES: it is the
 * only entry. */
enum err block_builder_add_head(struct block_builder *b, slice key, uint64_t tag,
                                size_t value_size);
/* Bytes of the finished block if an entry with these sizes were added. */
size_t block_builder_size_with(const struct block_builder *b, size_t key_size,
                               size_t value_size);
/* Adds the arrays behind the entries. The bytes stay valid until the next call. REQUIRES:
 * at least one entry; only clear and deinit may follow. */
enum err block_builder_finish(struct block_builder *b, slice *out);

/* ---- searching ---- */

struct block {
    const uint8_t *bytes;     /* the entries */
    const uint8_t *first_key; /* of the first entry: all keys begin with `common` of it */
    uint32_t end;             /* of the entries; the arrays follow */
    uint32_t restarts;        /* entries with whole keys */
    uint32_t common;
};

/* One entry as it lies in the block. */
struct block_entry {
    size_t shared; /* bytes of the key that are those of the entry before */
    slice rest;    /* the bytes that follow them */
    uint64_t tag;
    slice value;
    uint32_t at, next; /* offsets of the entry and of the one behind it */
};

/* ERR_CORRUPT when the bytes cannot be a block. */
enum err block_open(struct block *b, slice contents);
/* Finds the first entry >= (key, tag); ERR_NOT_FOUND when all are smaller. Its key is the
 * first `shared` bytes of `key` and then `rest`. */
enum err block_seek(const struct block *b, slice key, uint64_t tag,
                    struct block_entry *out);
/* True when a found entry has exactly the key looked for. */
static inline bool block_entry_is(const struct block_entry *e, slice key)
{
    if (e->shared + e->rest.size != key.size) return false;
    return e->rest.size == 0 ||
           memcmp(key.data + e->shared, e->rest.data, e->rest.size) == 0;
}
/* The i-th whole key, counted from 0. REQUIRES: i < restarts. */
enum err block_restart(const struct block *b, uint32_t i, struct block_entry *out);
/* Like block_seek in a block of whole keys only: the index of the restart, or `restarts`. */
enum err block_seek_restart(const struct block *b, slice key, uint64_t tag, uint32_t *i);

/* ---- iterating ---- */

/* Visible for the stack; `key`, `tag` and `value` are the current entry while valid. */
struct block_iter {
    struct mem *mem;
    struct block block;
    bool valid;
    enum err err; /* ERR_OK at a true end */
    slice key;
    uint64_t tag;
    slice value;
    uint32_t at, next; /* offsets of the current entry and of the one behind it */
    uint8_t *buffer;   /* holds the key */
    size_t capacity;
    /* Going back: the entries from one whole key on, decoded in one go. */
    struct block_entry *steps;
    size_t step_count, step_capacity; /* the current one is steps[step_count - 1] */
};

void block_iter_init(struct block_iter *it, struct mem *mem);
void block_iter_deinit(struct block_iter *it);
/* Moves to another block; not valid until the next call. */
enum err block_iter_open(struct block_iter *it, slice contents);
void block_iter_first(struct block_iter *it);
void block_iter_last(struct block_iter *it);
/* To the first entry >= (key, tag). The key may be the iterator's own. */
void block_iter_seek(struct block_iter *it, slice key, uint64_t tag);
/* To the last entry <= (key, tag). */
void block_iter_seek_back(struct block_iter *it, slice key, uint64_t tag);
void block_iter_next(struct block_iter *it); /* REQUIRES: valid */
void block_iter_prev(struct block_iter *it); /* REQUIRES: valid */

/* Verifies what searching takes for granted: order, shared lengths, both arrays. */
enum err block_check(struct mem *mem, slice contents, unsigned *entries);

#endif
