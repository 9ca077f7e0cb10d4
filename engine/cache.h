/* cache.h - the block cache: checked blocks in memory, bounded by bytes.
 *
 * Owns:    the blocks that were given to it, until they are evicted and unpinned.
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
/* REQUIRES: nothing is pinned. */
void cache_free(struct cache *c);

/* Finds and pins, or NULL. */
struct cache_entry *cache_find(struct cache *c, uint64_t table, uint64_t offset);
/* Takes `block` (allocated from the cache's mem) over and pins it; NULL when it cannot be
 * kept, and the block stays the caller's. REQUIRES: not in the cache. */
struct cache_entry *cache_insert(struct cache *c, uint64_t table, uint64_t offset,
                                 uint8_t *block, size_t size);
const uint8_t *cache_block(const struct cache_entry *e, size_t *size);
void cache_unpin(struct cache *c, struct cache_entry *e);
/* Drops what is cached of a table that is gone. REQUIRES: none of it is pinned. */
void cache_drop_table(struct cache *c, uint64_t table);

struct cache_stats {
    uint64_t hits, misses, evictions;
    size_t bytes;
};
void cache_stats_get(const struct cache *c, struct cache_stats *out);

#endif
