#include "tests/support/check.h"

#include <stdlib.h>

#include "engine/coding.h"
#include "engine/sst_format.h"
#include "fault/rng.h"

static const struct sst_footer sample_footer = {
    .number = 7,
    .data_bytes = 0x123456789a,
    .filter_bytes = 128,
    .index_bytes = 77,
    .properties_bytes = 55,
    .filter_probes = 6,
    .filter_crc = 1,
    .index_crc = 2,
    .properties_crc = 3,
    .features = SST_FEATURE_LZ4,
};

static void names_have_six_digits_or_more(void)
{
    char name[SST_NAME_BYTES];
    sst_name(7, name);
    CHECK_TEXT(name, "000007.sst");
    sst_name(1234567, name);
    CHECK_TEXT(name, "1234567.sst");
}

static void a_footer_comes_back(void)
{
    uint8_t bytes[SST_FOOTER_BYTES];
    uint32_t put = sst_footer_put(bytes, &sample_footer), got = 0;
    struct sst_footer f = {0};
    const char *what = NULL;
    REQUIRE_INT(sst_footer_get(bytes, &f, &got, &what), ERR_OK);
    CHECK_INT(put, got);
    CHECK(memcmp(&f, &sample_footer, sizeof f) == 0);
    CHECK(memcmp(bytes + 56, "RiptSST\n", 8) == 0);
    CHECK_INT(fixed32_get(bytes + 48), 1);
}

static void every_flipped_bit_of_a_footer_is_damage(void)
{
    uint8_t bytes[SST_FOOTER_BYTES];
    sst_footer_put(bytes, &sample_footer);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct sst_footer f;
        uint32_t crc;
        const char *what = NULL;
        CHECK_INT(sst_footer_get(bytes, &f, &crc, &what), ERR_CORRUPT);
        CHECK(what != NULL);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void a_handle_comes_back(void)
{
    static const struct sst_handle h = {0xfedcba9876543210u, 4091, 0xffffffff};
    uint8_t bytes[SST_HANDLE_BYTES];
    sst_handle_put(bytes, &h);
    struct sst_handle got = sst_handle_get(bytes);
    CHECK(got.offset == h.offset && got.size == h.size && got.crc == h.crc);
}

static struct sst_properties sample_properties(void)
{
    return (struct sst_properties){
        .entries = 1000000,
        .tombstones = 3,
        .min_seq = 1,
        .max_seq = SEQNO_MAX,
        .smallest = slice_text(""),
        .largest = slice_text("zebra"),
        .key_bytes = 16000000,
        .value_bytes = UINT64_MAX,
        .blocks = 29000,
        .saved_bytes = UINT64_MAX,
    };
}

static void properties_come_back(void)
{
    struct sst_properties p = sample_properties(), got = {0};
    uint8_t bytes[300];
    REQUIRE(sst_properties_bytes_max(&p) <= sizeof bytes);
    const uint8_t *end = sst_properties_put(bytes, &p);
    REQUIRE((size_t)(end - bytes) <= sst_properties_bytes_max(&p));
    REQUIRE(sst_properties_get(slice_of(bytes, (size_t)(end - bytes)), &got));
    CHECK(got.entries == p.entries && got.tombstones == p.tombstones);
    CHECK(got.min_seq == p.min_seq && got.max_seq == p.max_seq);
    CHECK_SLICE(got.smallest, p.smallest);
    CHECK_SLICE(got.largest, p.largest);
    CHECK(got.key_bytes == p.key_bytes && got.value_bytes == p.value_bytes);
    CHECK(got.blocks == p.blocks && got.saved_bytes == p.saved_bytes);
}

/* Later versions may add properties. */
static void unknown_properties_are_skipped(void)
{
    static const uint8_t bytes[] = {1, 1, 42, 100, 3, 'x', 'y', 'z'};
    struct sst_properties p = {0};
    REQUIRE(sst_properties_get(slice_of(bytes, sizeof bytes), &p));
    CHECK_INT(p.entries, 42);
}

static void malformed_properties_are_refused(void)
{
    static const struct {
        uint8_t bytes[4];
        size_t size;
    } cases[] = {
        {{1}, 1},          /* no length */
        {{1, 2, 5}, 3},    /* cut */
        {{1, 2, 5, 5}, 4}, /* a byte behind the number */
        {{1, 1, 0x80}, 3}, /* half a number */
        {{1, 0}, 2},       /* no number */
        {{0, 0}, 2},       /* ids begin at 1 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sst_properties p;
        CHECK(!sst_properties_get(slice_of(cases[i].bytes, cases[i].size), &p));
    }
    static const uint8_t twice[] = {1, 1, 4, 1, 1, 4};
    struct sst_properties p;
    CHECK(!sst_properties_get(slice_of(twice, sizeof twice), &p));
}

static void random_properties_never_lead_outside(void)
{
    struct rng r;
    rng_init(&r, 8);
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)rng_below(&r, 20);
        uint8_t *bytes = malloc(n + 1);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)rng_below(&r, 12);
        struct sst_properties p = {0};
        if (sst_properties_get(slice_of(bytes, n), &p) && p.largest.size)
            CHECK(p.largest.data + p.largest.size <= bytes + n);
        free(bytes);
    }
}

static void a_copied_meta_owns_its_keys(void)
{
    struct mem_counting mem;
    mem_counting_init(&mem, mem_libc());
    char smallest[] = "aaa", largest[] = "zz";
    struct sst_meta from = {.number = 3, .entries = 5, .checksum = 9};
    from.smallest = slice_text(smallest);
    from.largest = slice_text(largest);
    struct sst_meta copy;
    mem.fail_at = 1;
    CHECK_INT(sst_meta_copy(&copy, &from, &mem.mem), ERR_NOMEM);
    REQUIRE_INT(sst_meta_copy(&copy, &from, &mem.mem), ERR_OK);
    memset(smallest, 0, sizeof smallest);
    memset(largest, 0, sizeof largest);
    CHECK_SLICE(copy.smallest, slice_text("aaa"));
    CHECK_SLICE(copy.largest, slice_text("zz"));
    CHECK_INT(copy.checksum, 9);
    sst_meta_deinit(&copy, &mem.mem);
    CHECK_INT(mem.blocks, 0);
}

CU_TestInfo engine_sst_format_tests[] = {
    {"names_have_six_digits_or_more", names_have_six_digits_or_more},
    {"a_footer_comes_back", a_footer_comes_back},
    {"every_flipped_bit_of_a_footer_is_damage", every_flipped_bit_of_a_footer_is_damage},
    {"a_handle_comes_back", a_handle_comes_back},
    {"properties_come_back", properties_come_back},
    {"unknown_properties_are_skipped", unknown_properties_are_skipped},
    {"malformed_properties_are_refused", malformed_properties_are_refused},
    {"random_properties_never_lead_outside", random_properties_never_lead_outside},
    {"a_copied_meta_owns_its_keys", a_copied_meta_owns_its_keys},
    CU_TEST_INFO_NULL,
};
