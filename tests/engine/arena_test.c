#include "tests/support/check.h"

#include "engine/arena.h"
#include "fault/rng.h"

static void nothing_is_taken_before_the_first_request(void)
{
    struct mem_counting mem;
    mem_counting_init(&mem, mem_libc());
    struct arena a;
    arena_init(&a, &mem.mem, 1024);
    CHECK_INT(mem.calls, 0);
    CHECK_INT(a.bytes, 0);
    arena_deinit(&a);
}

/* Every request keeps its bytes while others come, whatever the sizes. */
static void requests_of_all_sizes_do_not_overlap(void)
{
    enum { COUNT = 2000 };
    static uint8_t *got[COUNT];
    static size_t size[COUNT];
    struct mem_counting mem;
    mem_counting_init(&mem, mem_libc());
    struct arena a;
    arena_init(&a, &mem.mem, 256);
    struct rng r;
    rng_init(&r, 3);

    for (size_t i = 0; i < COUNT; i++) {
        size[i] = 1 + (size_t)rng_below(&r, i % 50 ? 60 : 700);
        bool aligned = rng_below(&r, 2);
        got[i] = aligned ? arena_alloc(&a, size[i]) : arena_alloc_bytes(&a, size[i]);
        REQUIRE(got[i] != NULL);
        if (aligned) CHECK(((uintptr_t)got[i] & 7) == 0);
        memset(got[i], (int)(i & 0xff), size[i]);
    }

    for (size_t i = 0; i < COUNT; i++)
        CHECK(got[i][0] == (i & 0xff) && got[i][size[i] - 1] == (i & 0xff));
    arena_deinit(&a);
    CHECK_INT(mem.blocks, 0);
}

static void a_large_request_does_not_waste_the_current_block(void)
{
    struct arena a;
    arena_init(&a, mem_libc(), 1024);
    uint8_t *before = arena_alloc(&a, 8);
    REQUIRE(arena_alloc(&a, 5000) != NULL);
    uint8_t *after = arena_alloc(&a, 8);
    CHECK(after == before + 8);
    arena_deinit(&a);
}

static void without_memory_what_was_handed_out_stays(void)
{
    struct mem_counting mem;
    mem_counting_init(&mem, mem_libc());
    mem.fail_at = 2;
    struct arena a;
    arena_init(&a, &mem.mem, 64);
    char *text = arena_alloc(&a, 40);
    REQUIRE(text != NULL);
    strcpy(text, "still here");
    size_t bytes = a.bytes;

    CHECK(arena_alloc(&a, 40) == NULL);

    CHECK_TEXT(text, "still here");
    CHECK_INT(a.bytes, bytes);
    CHECK(arena_alloc(&a, 40) != NULL);
    arena_deinit(&a);
    CHECK_INT(mem.blocks, 0);
}

CU_TestInfo engine_arena_tests[] = {
    {"nothing_is_taken_before_the_first_request",
     nothing_is_taken_before_the_first_request},
    {"requests_of_all_sizes_do_not_overlap", requests_of_all_sizes_do_not_overlap},
    {"a_large_request_does_not_waste_the_current_block",
     a_large_request_does_not_waste_the_current_block},
    {"without_memory_what_was_handed_out_stays",
     without_memory_what_was_handed_out_stays},
    CU_TEST_INFO_NULL,
};
