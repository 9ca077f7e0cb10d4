/* pool_mem.h - memory for a store that lives for microseconds: bump, count, release.
 *
 * Flow:    trial > db_open > mem_alloc > pool
 * Owns:    one slab, taken once. What does not fit aborts: a judge must not say NOMEM.
 * Threads: one.
 * Tests:   tests/crash/pool_mem_test.c
 *
 * Opening a store a hundred thousand times a second leaves no time for malloc. A pool
 * hands out the next bytes of a slab and takes all of them back at once; it counts
 * blocks, so that whoever released everything can prove it. Places nest: a store that is
 * opened while another one is alive uses the bytes behind it.
 */
#ifndef TESTS_CRASH_POOL_MEM_H
#define TESTS_CRASH_POOL_MEM_H

#include <stdint.h>

#include "fault/mem.h"

struct pool_mem {
    struct mem mem; /* give this to the store */
    uint8_t *slab;
    size_t size, used;
    size_t peak; /* largest `used` so far */
    long blocks; /* allocated and not freed */
};

/* 0 or -ENOMEM. */
int pool_mem_init(struct pool_mem *p, size_t bytes);
void pool_mem_deinit(struct pool_mem *p);

struct pool_place {
    size_t used;
    long blocks;
};
/* Remembers where the pool stands ... */
struct pool_place pool_mem_place(const struct pool_mem *p);
/* ... and goes back there. Returns how many blocks were still allocated: leaks. */
long pool_mem_release(struct pool_mem *p, struct pool_place place);

#endif
