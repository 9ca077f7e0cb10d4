#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/filter.h"

static uint64_t hash_of(const char *prefix, unsigned i)
{
    char key[32];
    int n = snprintf(key, sizeof key, "%s%u", prefix, i);
    return filter_hash(slice_of(key, (size_t)n));
}

/* A filter over `count` keys "key<i>"; the caller frees it. */
static uint8_t *build(size_t count, unsigned bits, size_t *size)
{
    uint64_t *hashes = malloc((count + 1) * sizeof *hashes);
    for (unsigned i = 0; i < count; i++)
        hashes[i] = hash_of("key", i);
    *size = filter_size(count, bits);
    uint8_t *filter = malloc(*size);
    filter_build(filter, *size, filter_probes(bits), hashes, count);
    free(hashes);
    return filter;
}

static void every_added_key_is_found(void)
{
    static const size_t counts[] = {1, 2, 50, 1000, 20000};
    for (size_t c = 0; c < 5; c++)
        for (unsigned bits = 1; bits <= 32; bits += 3) {
            size_t size, missing = 0;
            uint8_t *filter = build(counts[c], bits, &size);
            for (unsigned i = 0; i < counts[c]; i++)
                missing += !filter_may_contain(filter, size, filter_probes(bits),
                                               hash_of("key", i));
            CHECK_INT(missing, 0);
            free(filter);
        }
}

static void ten_bits_let_fewer_than_two_percent_pass(void)
{
    size_t size;
    uint8_t *filter = build(100000, 10, &size);
    unsigned passed = 0;
    for (unsigned i = 0; i < 100000; i++)
        passed += filter_may_contain(filter, size, filter_probes(10), hash_of("no", i));
    printf("  false positives at 10 bits a key: %.2f %%\n", passed / 1000.0);
    CHECK(passed < 2000);
    CHECK(passed > 100); /* fewer would mean that the question was not asked */
    free(filter);
}

static void more_bits_let_fewer_pass(void)
{
    unsigned before = 100000;
    for (unsigned bits = 2; bits <= 16; bits += 7) {
        size_t size;
        uint8_t *filter = build(20000, bits, &size);
        unsigned passed = 0;
        for (unsigned i = 0; i < 20000; i++)
            passed +=
                filter_may_contain(filter, size, filter_probes(bits), hash_of("no", i));
        CHECK(passed < before / 2);
        before = passed;
        free(filter);
    }
}

static void sizes_are_whole_lines(void)
{
    CHECK_INT(filter_size(1000, 0), 0);
    CHECK_INT(filter_size(0, 10), 64);
    CHECK_INT(filter_size(51, 10), 64);
    CHECK_INT(filter_size(52, 10), 128);
}

/* docs/formats.md#filter: filters on disk were built with exactly these numbers. */
static void the_hash_is_that_of_the_format(void)
{
    CHECK(filter_hash(slice_text("")) == 0xc9d874ca57d9e055u);
    CHECK(filter_hash(slice_text("a")) == 0x535a268bccaa53b8u);
    CHECK(filter_hash(slice_text("12345678")) == 0xd7ba78f89abc4f51u);
    CHECK(filter_hash(slice_text("key:000000001234")) == 0xf7d1f74385d7f812u);
}

static void keys_that_differ_only_in_length_or_zeros_have_other_hashes(void)
{
    static const uint8_t zeros[24] = {0};
    for (size_t i = 0; i <= 24; i++)
        for (size_t j = 0; j < i; j++)
            CHECK(filter_hash(slice_of(zeros, i)) != filter_hash(slice_of(zeros, j)));
}

/* Keys that meet in the low bits under one seed do not under another. */
static void a_seed_scatters_keys_that_were_chosen_for_another(void)
{
    uint64_t places = 0;
    int chosen = 0;
    CHECK(filter_hash_seeded(slice_text("key"), 0) == filter_hash(slice_text("key")));
    for (int i = 0; chosen < 64; i++) {
        char key[32];
        snprintf(key, sizeof key, "chosen%d", i);
        if (filter_hash_seeded(slice_text(key), 7) % 1024 != 0) continue;
        chosen++;
        places |= (uint64_t)1 << filter_hash_seeded(slice_text(key), 8) % 64;
    }
    CHECK(__builtin_popcountll(places) > 32);
}

CU_TestInfo engine_filter_tests[] = {
    {"every_added_key_is_found", every_added_key_is_found},
    {"ten_bits_let_fewer_than_two_percent_pass",
     ten_bits_let_fewer_than_two_percent_pass},
    {"more_bits_let_fewer_pass", more_bits_let_fewer_pass},
    {"sizes_are_whole_lines", sizes_are_whole_lines},
    {"the_hash_is_that_of_the_format", the_hash_is_that_of_the_format},
    {"keys_that_differ_only_in_length_or_zeros_have_other_hashes",
     keys_that_differ_only_in_length_or_zeros_have_other_hashes},
    {"a_seed_scatters_keys_that_were_chosen_for_another",
     a_seed_scatters_keys_that_were_chosen_for_another},
    CU_TEST_INFO_NULL,
};
