/* arena.h - a bump allocator that is freed as a whole.
 *
 * Owns:   its blocks, until arena_deinit.
 * Errors: NULL without memory; what was handed out before stays valid.
 * Tests:  tests/engine/arena_test.c
 */
#ifndef ENGINE_ARENA_H
#define ENGINE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "fault/mem.h"

struct arena_block;
struct arena {
    struct mem *mem;
    struct arena_block *blocks; /* newest first */
    uint8_t *next;              /* free bytes of the newest block */
    size_t room;                /* how many */
    size_t block_bytes;         /* size of ordinary blocks */
    size_t bytes;               /* taken from mem so far */
};

/* No memory is taken before the first arena_alloc. */
void arena_init(struct arena *a, struct mem *mem, size_t block_bytes);
/* n > 0 bytes, aligned to 8, not cleared. */
void *arena_alloc(struct arena *a, size_t n);
/* n > 0 bytes without alignment. */
void *arena_alloc_bytes(struct arena *a, size_t n);
void arena_deinit(struct arena *a);

#endif
