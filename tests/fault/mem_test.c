#include <string.h>

#include "tests/support/check.h"

#include "fault/mem.h"

static void the_kth_call_is_refused_once(void)
{
    struct mem_counting c;
    mem_counting_init(&c, mem_libc());
    c.fail_at = 2;

    void *first = mem_alloc(&c.mem, 8);
    void *second = mem_alloc(&c.mem, 8);
    void *third = mem_alloc(&c.mem, 8);

    CHECK(first && !second && third);
    CHECK_INT(c.calls, 3);
    mem_free(&c.mem, first);
    mem_free(&c.mem, third);
}

static void a_sticky_refusal_stays(void)
{
    struct mem_counting c;
    mem_counting_init(&c, mem_libc());
    c.fail_at = 2;
    c.fail_sticky = 1;

    void *first = mem_alloc(&c.mem, 8);

    CHECK(first != NULL);
    for (int i = 0; i < 3; i++)
        CHECK(mem_alloc(&c.mem, 8) == NULL);
    CHECK_INT(c.blocks, 1);
    mem_free(&c.mem, first);
}

static void a_refused_resize_leaves_the_block(void)
{
    struct mem_counting c;
    mem_counting_init(&c, mem_libc());
    char *text = mem_alloc(&c.mem, 8);
    REQUIRE(text != NULL);
    strcpy(text, "as was");

    c.fail_at = 2;
    CHECK(mem_resize(&c.mem, text, 1 << 20) == NULL);
    CHECK_TEXT(text, "as was");
    CHECK_INT(c.blocks, 1);

    mem_free(&c.mem, text);
    CHECK_INT(c.blocks, 0);
}

static void blocks_counts_what_is_not_freed(void)
{
    struct mem_counting c;
    mem_counting_init(&c, mem_libc());

    void *a = mem_resize(&c.mem, NULL, 4);
    a = mem_resize(&c.mem, a, 400);
    void *b = mem_zalloc(&c.mem, 100);
    mem_free(&c.mem, NULL);

    CHECK_INT(c.blocks, 2);
    mem_free(&c.mem, a);
    mem_free(&c.mem, b);
    CHECK_INT(c.blocks, 0);
}

static void zalloc_clears(void)
{
    unsigned char *block = mem_zalloc(mem_libc(), 4096);
    REQUIRE(block != NULL);
    int sum = 0;
    for (int i = 0; i < 4096; i++)
        sum |= block[i];
    CHECK_INT(sum, 0);
    mem_free(mem_libc(), block);
}

CU_TestInfo fault_mem_tests[] = {
    {"the_kth_call_is_refused_once", the_kth_call_is_refused_once},
    {"a_sticky_refusal_stays", a_sticky_refusal_stays},
    {"a_refused_resize_leaves_the_block", a_refused_resize_leaves_the_block},
    {"blocks_counts_what_is_not_freed", blocks_counts_what_is_not_freed},
    {"zalloc_clears", zalloc_clears},
    CU_TEST_INFO_NULL,
};
