#include "tests/support/check.h"

#include "engine/slice.h"
#include "fault/rng.h"

static void order_is_by_bytes_then_by_length(void)
{
    static const char *const ascending[] = {"", "a", "a\x01", "aa", "ab", "b", "\xff"};
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < 7; j++) {
            int c = slice_compare(slice_text(ascending[i]), slice_text(ascending[j]));
            CHECK_INT((c > 0) - (c < 0), (i > j) - (i < j));
            CHECK(slice_equal(slice_text(ascending[i]), slice_text(ascending[j])) ==
                  (i == j));
        }
}

static void an_empty_slice_needs_no_bytes(void)
{
    slice none = slice_of(NULL, 0);
    CHECK(slice_equal(none, slice_text("")));
    CHECK_INT(slice_compare(none, slice_text("a")), -1);
    CHECK(slice_starts_with(slice_text("a"), none));
    CHECK(slice_prefix64(none) == 0);
}

static void a_prefix_is_found_only_at_the_front(void)
{
    CHECK(slice_starts_with(slice_text("abc"), slice_text("ab")));
    CHECK(slice_starts_with(slice_text("abc"), slice_text("abc")));
    CHECK(!slice_starts_with(slice_text("abc"), slice_text("bc")));
    CHECK(!slice_starts_with(slice_text("ab"), slice_text("abc")));
}

static void prefix_numbers_never_contradict_the_order(void)
{
    struct rng r;
    rng_init(&r, 9);
    for (int i = 0; i < 20000; i++) {
        uint8_t a[12], b[12];
        slice x = slice_of(a, (size_t)rng_below(&r, 12));
        slice y = slice_of(b, (size_t)rng_below(&r, 12));
        for (int j = 0; j < 12; j++) {
            a[j] = (uint8_t)(rng_below(&r, 3) * 127);
            b[j] = (uint8_t)(rng_below(&r, 3) * 127);
        }
        if (slice_prefix64(x) < slice_prefix64(y)) CHECK(slice_compare(x, y) < 0);
        if (slice_prefix64(x) > slice_prefix64(y)) CHECK(slice_compare(x, y) > 0);
        for (size_t skip = 0; skip <= x.size; skip++)
            CHECK(slice_prefix64_behind(x, skip) ==
                  slice_prefix64(slice_of(x.data + skip, x.size - skip)));
    }
}

CU_TestInfo engine_slice_tests[] = {
    {"order_is_by_bytes_then_by_length", order_is_by_bytes_then_by_length},
    {"an_empty_slice_needs_no_bytes", an_empty_slice_needs_no_bytes},
    {"a_prefix_is_found_only_at_the_front", a_prefix_is_found_only_at_the_front},
    {"prefix_numbers_never_contradict_the_order",
     prefix_numbers_never_contradict_the_order},
    CU_TEST_INFO_NULL,
};
