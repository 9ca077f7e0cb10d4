#include "fault/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fault/points.h"

/* ---- the C library's ---- */

static void *libc_alloc(struct mem *m, size_t n)
{
    (void)m;
    assert(n > 0);
    return fault_at_alloc() ? NULL : malloc(n);
}

static void *libc_resize(struct mem *m, void *old, size_t n)
{
    (void)m;
    assert(n > 0);
    return fault_at_alloc() ? NULL : realloc(old, n);
}

static void libc_free(struct mem *m, void *block)
{
    (void)m;
    free(block);
}

struct mem *mem_libc(void)
{
    static struct mem libc = {libc_alloc, libc_resize, libc_free};
    return &libc;
}

void *mem_zalloc(struct mem *m, size_t n)
{
    void *block = mem_alloc(m, n);
    if (block) memset(block, 0, n);
    return block;
}

/* ---- counting and refusing ---- */

static int counting_refuses(struct mem_counting *c)
{
    long k = ++c->calls;
    if (!c->fail_at) return 0;
    return c->fail_sticky ? k >= c->fail_at : k == c->fail_at;
}

static void *counting_alloc(struct mem *m, size_t n)
{
    struct mem_counting *c = (struct mem_counting *)m;
    if (counting_refuses(c)) return NULL;
    void *block = mem_alloc(c->inner, n);
    if (block) c->blocks++;
    return block;
}

static void *counting_resize(struct mem *m, void *old, size_t n)
{
    struct mem_counting *c = (struct mem_counting *)m;
    if (counting_refuses(c)) return NULL;
    void *block = mem_resize(c->inner, old, n);
    if (block && !old) c->blocks++;
    return block;
}

static void counting_free(struct mem *m, void *block)
{
    struct mem_counting *c = (struct mem_counting *)m;
    assert(c->blocks > 0); /* else: freed twice, or a stranger's block */
    c->blocks--;
    mem_free(c->inner, block);
}

void mem_counting_init(struct mem_counting *c, struct mem *inner)
{
    *c = (struct mem_counting){
        .mem = {counting_alloc, counting_resize, counting_free},
        .inner = inner,
    };
}
