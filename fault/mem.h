/* mem.h - memory that can say no.
 *
 * Flow:    engine, server > mem_*() > struct mem > malloc | a counting, refusing allocator
 * Errors:  NULL; nothing else changed. A failed mem_resize leaves the old block valid.
 * Threads: mem_libc() by all; a refusing allocator as its maker says.
 * Tests:   tests/fault/mem_test.c
 */
#ifndef FAULT_MEM_H
#define FAULT_MEM_H

#include <stddef.h>

struct mem {
    void *(*alloc)(struct mem *, size_t n);
    void *(*resize)(struct mem *, void *old, size_t n);
    void (*free)(struct mem *, void *block);
};

/* The allocator of the C library. Never freed. */
struct mem *mem_libc(void);

/* n > 0 bytes, not cleared. */
static inline void *mem_alloc(struct mem *m, size_t n)
{
    return m->alloc(m, n);
}
/* As mem_alloc, cleared. */
void *mem_zalloc(struct mem *m, size_t n);
/* Like realloc: `old` may be NULL; on NULL the old block is untouched. */
static inline void *mem_resize(struct mem *m, void *old, size_t n)
{
    return m->resize(m, old, n);
}
/* NULL is allowed. */
static inline void mem_free(struct mem *m, void *block)
{
    if (block) m->free(m, block);
}

/* An allocator that counts and can refuse: the instrument of out-of-memory sweeps. */
struct mem_counting {
    struct mem mem;    /* give this to the code under test */
    struct mem *inner; /* where blocks really come from */
    long calls;        /* alloc and resize calls so far */
    long fail_at;      /* the k-th call (from 1) answers NULL; 0: none */
    int fail_sticky;   /* and all calls after it */
    long blocks;       /* blocks that are allocated and not freed: 0 means no leak */
};
void mem_counting_init(struct mem_counting *c, struct mem *inner);

#endif
