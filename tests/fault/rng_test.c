#include "tests/support/check.h"

#include "fault/rng.h"

static void the_same_seed_gives_the_same_numbers(void)
{
    struct rng a, b;
    rng_init(&a, 42);
    rng_init(&b, 42);
    for (int i = 0; i < 100; i++)
        CHECK(rng_next(&a) == rng_next(&b));
}

static void numbers_below_a_bound_reach_every_value(void)
{
    struct rng r;
    rng_init(&r, 7);
    unsigned seen[5] = {0};
    for (int i = 0; i < 1000; i++)
        seen[rng_below(&r, 5)]++;
    for (int i = 0; i < 5; i++)
        CHECK(seen[i] > 100);
}

/* The published first outputs of SplitMix64 for seed 1234567. */
static void the_generator_is_splitmix64(void)
{
    struct rng r;
    rng_init(&r, 1234567);
    CHECK(rng_next(&r) == 6457827717110365317u);
    CHECK(rng_next(&r) == 3203168211198807973u);
}

CU_TestInfo fault_rng_tests[] = {
    {"the_same_seed_gives_the_same_numbers", the_same_seed_gives_the_same_numbers},
    {"numbers_below_a_bound_reach_every_value", numbers_below_a_bound_reach_every_value},
    {"the_generator_is_splitmix64", the_generator_is_splitmix64},
    CU_TEST_INFO_NULL,
};
