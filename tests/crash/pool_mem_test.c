#include "tests/crash/pool_mem.h"

#include <string.h>

#include "tests/support/check.h"

static void release_tells_what_was_not_freed(void)
{
    struct pool_mem p;
    REQUIRE_INT(pool_mem_init(&p, 4096), 0);
    struct pool_place start = pool_mem_place(&p);
    void *a = mem_alloc(&p.mem, 10);
    mem_alloc(&p.mem, 20);

    mem_free(&p.mem, a);

    CHECK_INT(pool_mem_release(&p, start), 1);
    CHECK_INT(p.used, 0);
    pool_mem_deinit(&p);
}

static void resize_keeps_the_bytes(void)
{
    struct pool_mem p;
    REQUIRE_INT(pool_mem_init(&p, 4096), 0);
    struct pool_place start = pool_mem_place(&p);
    char *a = mem_alloc(&p.mem, 6);
    memcpy(a, "bytes", 6);

    char *b = mem_resize(&p.mem, a, 600);

    CHECK_TEXT(b, "bytes");
    mem_free(&p.mem, b);
    CHECK_INT(pool_mem_release(&p, start), 0);
    pool_mem_deinit(&p);
}

static void places_nest(void)
{
    struct pool_mem p;
    REQUIRE_INT(pool_mem_init(&p, 4096), 0);
    char *outer = mem_alloc(&p.mem, 6);
    memcpy(outer, "outer", 6);

    struct pool_place inner = pool_mem_place(&p);
    memset(mem_alloc(&p.mem, 500), 'x', 500);
    CHECK_INT(pool_mem_release(&p, inner), 1);

    CHECK_TEXT(outer, "outer");
    CHECK_INT(p.blocks, 1);
    pool_mem_deinit(&p);
}

CU_TestInfo crash_pool_mem_tests[] = {
    {"release_tells_what_was_not_freed", release_tells_what_was_not_freed},
    {"resize_keeps_the_bytes", resize_keeps_the_bytes},
    {"places_nest", places_nest},
    CU_TEST_INFO_NULL};
