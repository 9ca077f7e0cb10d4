/* cache.h - the block cache: checked blocks in memory, bounded by bytes.
 *
 * Flow:    sst_get, sst_iter > cache_find | cache_reserve, read, cache_keep
 * Owns:    the blocks in it, until they are evicted and unpinned.
 * Threads: the owner thread only.
 * Errors:  a full cache or a failed allocation simply does not cache.
 * Tests:   tests/engine/cache_test.c
 */
#ifndef ENGINE_CACHE_H
#define ENGINE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "fault/mem.h"

struct cache;
struct cache_entry;

/* capacity_bytes > 0. Memory is taken as blocks come. NULL without memory. */
struct cache *cache_new(struct mem *mem, size_t capacity_bytes);
/* REQUIRES: nothing is pinned, reserved or borrowed. */
void cache_free(struct cache *c);

/* Finds and pins, or NULL. */
struct cache_entry *cache_find(struct cache *c, uint64_t table, uint64_t offset);
/* Room for a block that is not in the cache: *bytes are to be filled, then the entry is
 * kept or cancelled. NULL: not worth keeping so far, no room, or no memory. */
struct cache_entry *cache_reserve(struct cache *c, uint64_t table, uint64_t offset,
                                  size_t size, uint8_t **bytes);
/* From now on it is found. It is pinned for the caller. */
void cache_keep(struct cache *c, struct cache_entry *e);
void cache_cancel(struct cache *c, struct cache_entry *e);
const uint8_t *cache_block(const struct cache_entry *e, size_t *size);
void cache_unpin(struct cache *c, struct cache_entry *e);
/* Drops what is cached of a table that is gone. REQUIRES: none of it is pinned. */
void cache_drop_table(struct cache *c, uint64_t table);

/* A buffer for a block that is not kept. Who borrows one at a time gets the same memory
 * again and again: it stays in the processor's caches. NULL without memory. */
uint8_t *cache_borrow(struct cache *c, size_t size);
void cache_return(struct cache *c, uint8_t *buffer); /* NULL is allowed */

struct cache_stats {
    uint64_t hits, misses, evictions;
    size_t bytes;
};
void cache_stats_get(const struct cache *c, struct cache_stats *out);

#endif
