#include "tests/support/check.h"

#include "engine/coding.h"

/* Both sides of every length of a varint, and both ends. */
static size_t interesting(uint64_t out[64])
{
    size_t n = 0;
    out[n++] = 0;
    for (unsigned bits = 7; bits < 64; bits += 7) {
        out[n++] = ((uint64_t)1 << bits) - 1;
        out[n++] = (uint64_t)1 << bits;
    }
    out[n++] = UINT64_MAX;
    return n;
}

static void fixed_widths_are_little_endian(void)
{
    uint8_t bytes[8];
    fixed64_put(bytes, 0x0102030405060708u);
    CHECK_INT(bytes[0], 8);
    CHECK_INT(bytes[7], 1);
    CHECK(fixed64_get(bytes) == 0x0102030405060708u);
    fixed32_put(bytes, 0xfedcba98u);
    CHECK_INT(bytes[0], 0x98);
    CHECK_INT(fixed32_get(bytes), 0xfedcba98u);
    fixed16_put(bytes, 0xbeef);
    CHECK_INT(bytes[0], 0xef);
    CHECK_INT(fixed16_get(bytes), 0xbeef);
}

static void varints_come_back_and_have_the_size_foretold(void)
{
    uint64_t values[64];
    size_t n = interesting(values);
    for (size_t i = 0; i < n; i++) {
        uint8_t bytes[VARINT64_BYTES_MAX];
        const uint8_t *end = varint_put(bytes, values[i]);
        CHECK_INT(end - bytes, varint_size(values[i]));
        uint64_t back = ~values[i];
        CHECK(varint_get(bytes, end, &back) == end);
        CHECK(back == values[i]);
    }
}

static void a_cut_varint_is_refused_and_leaves_everything_alone(void)
{
    uint64_t values[64];
    size_t n = interesting(values);
    for (size_t i = 0; i < n; i++) {
        uint8_t bytes[VARINT64_BYTES_MAX];
        const uint8_t *end = varint_put(bytes, values[i]);
        uint64_t back = 77;
        CHECK(varint_get(bytes, end - 1, &back) == NULL);
        slice in = slice_of(bytes, (size_t)(end - bytes) - 1);
        CHECK(!slice_take_varint(&in, &back));
        CHECK(in.data == bytes && in.size == (size_t)(end - bytes) - 1);
        CHECK(back == 77);
    }
}

static void a_varint_beyond_64_bits_is_refused(void)
{
    const uint8_t too_big[10] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2};
    const uint8_t too_long[11] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                  0x80, 0x80, 0x80, 0x80, 1};
    uint64_t v = 5;
    CHECK(varint_get(too_big, too_big + sizeof too_big, &v) == NULL);
    CHECK(varint_get(too_long, too_long + sizeof too_long, &v) == NULL);
    CHECK(v == 5);
}

static void a_prefixed_slice_is_taken_whole_or_not_at_all(void)
{
    const uint8_t bytes[] = {3, 'a', 'b', 'c', 4, 'd', 'e', 'f'};
    slice in = slice_of(bytes, sizeof bytes), out = slice_text("old");
    REQUIRE(slice_take_prefixed(&in, &out));
    CHECK_SLICE(out, slice_text("abc"));
    CHECK(!slice_take_prefixed(&in, &out));
    CHECK_SLICE(out, slice_text("abc"));
    CHECK_INT(in.size, 4);
}

static void a_hostile_length_is_refused(void)
{
    uint8_t bytes[VARINT64_BYTES_MAX + 3] = {0};
    varint_put(bytes, UINT64_MAX);
    slice in = slice_of(bytes, sizeof bytes), out;
    CHECK(!slice_take_prefixed(&in, &out));
    CHECK_INT(in.size, sizeof bytes);
}

static void small_numbers_of_either_sign_stay_small(void)
{
    CHECK(zigzag(0) == 0 && zigzag(-1) == 1 && zigzag(1) == 2 && zigzag(-2) == 3);
    static const int64_t values[] = {0, 1, -1, INT64_MAX, INT64_MIN, 123456789, -987654};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        CHECK(unzigzag(zigzag(values[i])) == values[i]);
}

CU_TestInfo engine_coding_tests[] = {
    {"fixed_widths_are_little_endian", fixed_widths_are_little_endian},
    {"varints_come_back_and_have_the_size_foretold",
     varints_come_back_and_have_the_size_foretold},
    {"a_cut_varint_is_refused_and_leaves_everything_alone",
     a_cut_varint_is_refused_and_leaves_everything_alone},
    {"a_varint_beyond_64_bits_is_refused", a_varint_beyond_64_bits_is_refused},
    {"a_prefixed_slice_is_taken_whole_or_not_at_all",
     a_prefixed_slice_is_taken_whole_or_not_at_all},
    {"a_hostile_length_is_refused", a_hostile_length_is_refused},
    {"small_numbers_of_either_sign_stay_small", small_numbers_of_either_sign_stay_small},
    CU_TEST_INFO_NULL,
};
