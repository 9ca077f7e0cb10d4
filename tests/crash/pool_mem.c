#include "tests/crash/pool_mem.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 16 /* the size of the block; keeps the alignment */

static size_t rounded(size_t n)
{
    return (n + HEADER_BYTES - 1) & ~(size_t)(HEADER_BYTES - 1);
}

static void *pool_alloc(struct mem *mem, size_t n)
{
    struct pool_mem *p = (struct pool_mem *)mem;
    size_t need = HEADER_BYTES + rounded(n);
    if (need > p->size - p->used) {
        fprintf(stderr, "crash: the pool of %zu bytes is too small\n", p->size);
        abort();
    }
    uint8_t *block = p->slab + p->used + HEADER_BYTES;
    memcpy(block - HEADER_BYTES, &n, sizeof n);
    p->used += need;
    if (p->used > p->peak) p->peak = p->used;
    p->blocks++;
    return block;
}

static void pool_free(struct mem *mem, void *block)
{
    struct pool_mem *p = (struct pool_mem *)mem;
    (void)block;
    assert(p->blocks > 0);
    p->blocks--;
}

static void *pool_resize(struct mem *mem, void *old, size_t n)
{
    void *block = pool_alloc(mem, n);
    if (!old) return block;
    size_t had;
    memcpy(&had, (uint8_t *)old - HEADER_BYTES, sizeof had);
    memcpy(block, old, had < n ? had : n);
    pool_free(mem, old);
    return block;
}

int pool_mem_init(struct pool_mem *p, size_t bytes)
{
    *p = (struct pool_mem){.mem = {pool_alloc, pool_resize, pool_free}, .size = bytes};
    p->slab = aligned_alloc(HEADER_BYTES, rounded(bytes));
    return p->slab ? 0 : -ENOMEM;
}

void pool_mem_deinit(struct pool_mem *p)
{
    free(p->slab);
    p->slab = NULL;
}

struct pool_place pool_mem_place(const struct pool_mem *p)
{
    return (struct pool_place){p->used, p->blocks};
}

long pool_mem_release(struct pool_mem *p, struct pool_place place)
{
    assert(place.used <= p->used);
    long leaked = p->blocks - place.blocks;
    p->used = place.used;
    p->blocks = place.blocks;
    return leaked;
}
