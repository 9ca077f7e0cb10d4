/* arena.c - ordinary blocks are filled from front to back; a request that is large for a
 * block gets one of its own behind the current one, so that it wastes no room there.
 */
#include "engine/arena.h"

#include <assert.h>

struct arena_block {
    struct arena_block *older;
    uint64_t bytes[]; /* aligned to 8 */
};

void arena_init(struct arena *a, struct mem *mem, size_t block_bytes)
{
    assert(block_bytes > 0);
    *a = (struct arena){.mem = mem, .block_bytes = block_bytes};
}

static struct arena_block *new_block(struct arena *a, size_t room)
{
    if (room > SIZE_MAX - sizeof(struct arena_block)) return NULL;
    struct arena_block *b = mem_alloc(a->mem, sizeof *b + room);
    if (b) a->bytes += sizeof *b + room;
    return b;
}

/* n bytes from a new block; the request did not fit the current one. */
static void *alloc_slow(struct arena *a, size_t n)
{
    if (n > a->block_bytes / 4 && a->blocks) {
        struct arena_block *own = new_block(a, n);
        if (!own) return NULL;
        own->older = a->blocks->older;
        a->blocks->older = own;
        return own->bytes;
    }
    size_t room = n > a->block_bytes ? n : a->block_bytes;
    struct arena_block *b = new_block(a, room);
    if (!b) return NULL;
    b->older = a->blocks;
    a->blocks = b;
    a->next = (uint8_t *)b->bytes + n;
    a->room = room - n;
    return b->bytes;
}

void *arena_alloc(struct arena *a, size_t n)
{
    assert(n > 0);
    size_t pad = -(uintptr_t)a->next & 7;
    if (a->room < pad || a->room - pad < n) return alloc_slow(a, n);
    uint8_t *p = a->next + pad;
    a->next = p + n;
    a->room -= pad + n;
    return p;
}

void *arena_alloc_bytes(struct arena *a, size_t n)
{
    assert(n > 0);
    if (a->room < n) return alloc_slow(a, n);
    uint8_t *p = a->next;
    a->next = p + n;
    a->room -= n;
    return p;
}

void arena_deinit(struct arena *a)
{
    for (struct arena_block *b = a->blocks; b;) {
        struct arena_block *older = b->older;
        mem_free(a->mem, b);
        b = older;
    }
    arena_init(a, a->mem, a->block_bytes);
}
