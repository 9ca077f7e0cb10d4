#include "tests/crash/image_set.h"

#include "fault/rng.h"
#include "tests/support/check.h"

static void entries_keep_their_values_while_the_table_grows(void)
{
    struct image_set s;
    struct rng rng;
    image_set_init(&s);
    rng_init(&rng, 1);
    for (uint32_t i = 1; i <= 50000; i++) {
        uint64_t hash[2] = {rng_next(&rng), i};
        image_set_add(&s, hash)->value = i;
    }

    rng_init(&rng, 1);
    bool right = true;
    for (uint32_t i = 1; i <= 50000; i++) {
        uint64_t hash[2] = {rng_next(&rng), i};
        const struct image_entry *e = image_set_find(&s, hash);
        right = right && e && e->value == i;
    }

    CHECK(right);
    CHECK_INT(s.count, 50000);
    image_set_deinit(&s);
}

static void hashes_that_share_a_word_are_two(void)
{
    struct image_set s;
    image_set_init(&s);
    const uint64_t a[2] = {7, 1}, b[2] = {7, 2}, c[2] = {8, 1};

    image_set_add(&s, a)->value = 1;
    image_set_add(&s, b)->value = 2;

    CHECK_INT(s.count, 2);
    CHECK_INT(image_set_add(&s, a)->value, 1);
    CHECK(image_set_find(&s, c) == NULL);
    image_set_deinit(&s);
}

static void the_hash_of_zeros_is_an_image_too(void)
{
    struct image_set s;
    image_set_init(&s);
    const uint64_t zero[2] = {0, 0};
    CHECK(image_set_find(&s, zero) == NULL);

    image_set_add(&s, zero)->value = 3;

    CHECK_INT(image_set_add(&s, zero)->value, 3);
    CHECK_INT(s.count, 1);
    image_set_deinit(&s);
}

CU_TestInfo crash_image_set_tests[] = {
    {"entries_keep_their_values_while_the_table_grows",
     entries_keep_their_values_while_the_table_grows},
    {"hashes_that_share_a_word_are_two", hashes_that_share_a_word_are_two},
    {"the_hash_of_zeros_is_an_image_too", the_hash_of_zeros_is_an_image_too},
    CU_TEST_INFO_NULL};
