#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/cursors.h"

static void a_cursor_gives_its_key_back_as_often_as_asked(void)
{
    struct cursors c;
    slice key = {0};
    cursors_init(&c, mem_libc(), 1);

    uint64_t a = cursors_put(&c, slice_text("apple"));
    uint64_t empty = cursors_put(&c, slice_text(""));

    CHECK(a != 0 && empty != 0 && a != empty);
    CHECK(cursors_get(&c, a, &key) && slice_equal(key, slice_text("apple")));
    CHECK(cursors_get(&c, a, &key) && slice_equal(key, slice_text("apple")));
    CHECK(cursors_get(&c, empty, &key) && key.size == 0);
    cursors_deinit(&c);
}

static void unknown_numbers_are_unknown(void)
{
    struct cursors c;
    slice key;
    cursors_init(&c, mem_libc(), 1);
    CHECK(!cursors_get(&c, 0, &key));
    CHECK(!cursors_get(&c, c.first_id, &key));

    uint64_t a = cursors_put(&c, slice_text("a"));

    CHECK(!cursors_get(&c, a + 1, &key));
    CHECK(!cursors_get(&c, a - 1, &key));
    CHECK(!cursors_get(&c, 0, &key));
    CHECK(!cursors_get(&c, UINT64_MAX, &key));
    cursors_deinit(&c);
}

static void numbers_of_another_run_are_not_taken_for_ours(void)
{
    struct cursors a, b;
    slice key;
    cursors_init(&a, mem_libc(), 1);
    cursors_init(&b, mem_libc(), 2);
    uint64_t ours = cursors_put(&a, slice_text("k"));
    cursors_put(&b, slice_text("k"));

    CHECK(!cursors_get(&b, ours, &key));

    cursors_deinit(&a);
    cursors_deinit(&b);
}

static void the_oldest_of_too_many_is_forgotten(void)
{
    struct cursors c;
    slice key;
    cursors_init(&c, mem_libc(), 1);
    uint64_t first = cursors_put(&c, slice_text("first"));
    uint64_t second = cursors_put(&c, slice_text("second"));
    for (unsigned i = 2; i < CURSORS_MAX; i++)
        cursors_put(&c, slice_text("k"));
    CHECK(cursors_get(&c, first, &key));

    cursors_put(&c, slice_text("one more"));

    CHECK(!cursors_get(&c, first, &key));
    CHECK(cursors_get(&c, second, &key) && slice_equal(key, slice_text("second")));
    cursors_deinit(&c);
}

static void long_keys_do_not_take_more_than_their_share(void)
{
    struct cursors c;
    struct mem_counting mem;
    size_t n = 64 * 1024;
    uint8_t *key = calloc(1, n);
    mem_counting_init(&mem, mem_libc());
    cursors_init(&c, &mem.mem, 1);

    for (int i = 0; i < 1000; i++)
        cursors_put(&c, slice_of(key, n));

    CHECK(c.bytes <= CURSORS_BYTES_MAX);
    CHECK(mem.blocks <= (long)(CURSORS_BYTES_MAX / n) + 1);
    cursors_deinit(&c);
    CHECK_INT(mem.blocks, 0);
    free(key);
}

static void without_memory_there_is_no_cursor(void)
{
    struct cursors c;
    struct mem_counting mem;
    mem_counting_init(&mem, mem_libc());
    cursors_init(&c, &mem.mem, 1);
    for (long k = 1; k <= 2; k++) {
        mem.calls = 0;
        mem.fail_at = k;
        CHECK_INT(cursors_put(&c, slice_text("k")), 0);
    }
    mem.fail_at = 0;
    CHECK(cursors_put(&c, slice_text("k")) != 0);
    cursors_deinit(&c);
    CHECK_INT(mem.blocks, 0);
}

CU_TestInfo server_cursors_tests[] = {
    {"a_cursor_gives_its_key_back_as_often_as_asked",
     a_cursor_gives_its_key_back_as_often_as_asked},
    {"unknown_numbers_are_unknown", unknown_numbers_are_unknown},
    {"numbers_of_another_run_are_not_taken_for_ours",
     numbers_of_another_run_are_not_taken_for_ours},
    {"the_oldest_of_too_many_is_forgotten", the_oldest_of_too_many_is_forgotten},
    {"long_keys_do_not_take_more_than_their_share",
     long_keys_do_not_take_more_than_their_share},
    {"without_memory_there_is_no_cursor", without_memory_there_is_no_cursor},
    CU_TEST_INFO_NULL,
};
