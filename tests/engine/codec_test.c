#include "tests/support/check.h"

#include <stdlib.h>

#include "engine/codec.h"
#include "engine/coding.h"
#include "fault/rng.h"

#define PLAIN 4096
#define ROOM  (PLAIN + PLAIN / 8)

static uint8_t plain[CODEC_PLAIN_BYTES_MAX], encoded[CODEC_PLAIN_BYTES_MAX + 4096],
    out[CODEC_PLAIN_BYTES_MAX];

static size_t encode(size_t n, size_t room)
{
    void *state = malloc(codec_state_bytes(CODEC_LZ4));
    REQUIRE(state != NULL);
    size_t size = codec_encode(CODEC_LZ4, state, slice_of(plain, n), encoded, room);
    free(state);
    return size;
}

/* Half of the bytes are a copy of what came before. */
static void fill(size_t n, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed);
    for (size_t i = 0; i < n; i++)
        plain[i] = i % 64 < 32 || i < 64 ? (uint8_t)rng_next(&r) : plain[i - 64];
}

static void numbers_and_names_are_those_on_disk(void)
{
    CHECK_INT(CODEC_NONE, 0);
    CHECK_INT(CODEC_LZ4, 1);
    CHECK_TEXT(codec_name(CODEC_NONE), "none");
    CHECK_TEXT(codec_name(CODEC_LZ4), "lz4");
    CHECK(codec_built_in(CODEC_NONE));
}

/* The suites run with the library; tests/lz4.sh has a build without it. */
static void lz4_is_built_into_the_suites(void)
{
    CHECK(codec_built_in(CODEC_LZ4));
}

static void what_was_encoded_comes_back(void)
{
    static const size_t sizes[] = {17, 64, 100, 4096, 32768, CODEC_PLAIN_BYTES_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i], got = 0;
        const char *what = NULL;
        fill(n, i);

        size_t size = encode(n, sizeof encoded);
        REQUIRE(size > 0);

        slice bytes = slice_of(encoded, size);
        REQUIRE_INT(codec_plain_bytes(CODEC_LZ4, bytes, &got, &what), ERR_OK);
        CHECK_INT(got, n);
        CHECK(codec_decode(CODEC_LZ4, bytes, out, got));
        CHECK(memcmp(out, plain, n) == 0);
    }
}

static void what_does_not_fit_is_not_encoded(void)
{
    fill(PLAIN, 7);
    size_t size = encode(PLAIN, ROOM);
    REQUIRE(size > 0 && size < PLAIN);
    CHECK_INT(encode(PLAIN, size), size);
    CHECK_INT(encode(PLAIN, size - 1), 0);
    CHECK_INT(encode(PLAIN, 4), 0);
    CHECK_INT(encode(PLAIN, 0), 0);
}

static void a_size_that_cannot_be_is_refused_before_memory_is_asked_for(void)
{
    static const uint32_t sizes[] = {0, CODEC_PLAIN_BYTES_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t bytes[8] = {0};
        size_t n = 99;
        const char *what = "";
        fixed32_put(bytes, sizes[i]);
        CHECK_INT(codec_plain_bytes(CODEC_LZ4, slice_of(bytes, 8), &n, &what),
                  ERR_CORRUPT);
        CHECK_TEXT(what, "the size it decodes to is wrong");
        CHECK_INT(n, 99);
    }
    size_t n;
    const char *what;
    for (size_t size = 0; size <= 4; size++)
        CHECK_INT(codec_plain_bytes(CODEC_LZ4, slice_of(plain, size), &n, &what),
                  ERR_CORRUPT);
}

static void an_unknown_codec_is_a_newer_format(void)
{
    size_t n;
    const char *what = "";
    CHECK_INT(codec_plain_bytes(2, slice_of(plain, 8), &n, &what), ERR_NEWER_FORMAT);
    CHECK_TEXT(what, "stored with a codec this program does not know");
    CHECK_INT(codec_plain_bytes(255, slice_of(plain, 8), &n, &what), ERR_NEWER_FORMAT);
}

/* In blocks of exactly their sizes, so that a sanitizer sees one byte too many. */
static void decode_a_copy(size_t size, size_t plain_bytes)
{
    uint8_t *in = malloc(size), *to = malloc(plain_bytes);
    REQUIRE(in && to);
    memcpy(in, encoded, size);
    bool decoded = codec_decode(CODEC_LZ4, slice_of(in, size), to, plain_bytes);
    if (decoded && plain_bytes == 1000 && memcmp(to, plain, 1000) == 0)
        CHECK(true); /* damage without an effect */
    free(in);
    free(to);
}

static void a_wrong_length_is_no_answer(void)
{
    fill(1000, 3);
    size_t size = encode(1000, sizeof encoded);
    slice bytes = slice_of(encoded, size);
    CHECK(codec_decode(CODEC_LZ4, bytes, out, 1000));
    CHECK(!codec_decode(CODEC_LZ4, bytes, out, 999));
    CHECK(!codec_decode(CODEC_LZ4, bytes, out, 1001));
    CHECK(!codec_decode(CODEC_LZ4, bytes, out, CODEC_PLAIN_BYTES_MAX));
    for (size_t cut = 5; cut < size; cut++)
        CHECK(!codec_decode(CODEC_LZ4, slice_of(encoded, cut), out, 1000));
}

static void damaged_bytes_lead_nowhere(void)
{
    struct rng r;
    rng_init(&r, 5);
    for (int round = 0; round < 20000; round++) {
        fill(1000, 3);
        size_t size = encode(1000, sizeof encoded);
        for (uint64_t i = 0; i <= rng_below(&r, 4); i++)
            encoded[4 + rng_below(&r, size - 4)] = (uint8_t)rng_next(&r);
        decode_a_copy(size, rng_below(&r, 2) ? 1000 : 1 + (size_t)rng_below(&r, 3000));
    }
}

CU_TestInfo engine_codec_tests[] = {
    {"numbers_and_names_are_those_on_disk", numbers_and_names_are_those_on_disk},
    {"lz4_is_built_into_the_suites", lz4_is_built_into_the_suites},
    {"what_was_encoded_comes_back", what_was_encoded_comes_back},
    {"what_does_not_fit_is_not_encoded", what_does_not_fit_is_not_encoded},
    {"a_size_that_cannot_be_is_refused_before_memory_is_asked_for",
     a_size_that_cannot_be_is_refused_before_memory_is_asked_for},
    {"an_unknown_codec_is_a_newer_format", an_unknown_codec_is_a_newer_format},
    {"a_wrong_length_is_no_answer", a_wrong_length_is_no_answer},
    {"damaged_bytes_lead_nowhere", damaged_bytes_lead_nowhere},
    CU_TEST_INFO_NULL,
};
