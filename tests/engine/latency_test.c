#include "tests/support/check.h"

#include "engine/latency.h"

static void nothing_counted_is_zero(void)
{
    struct latency l = {0};
    CHECK_INT(latency_percentile(&l, 50), 0);
    CHECK_INT(latency_percentile(&l, 100), 0);
}

static void times_fall_into_powers_of_two(void)
{
    struct latency l = {0};
    static const uint64_t us[] = {0, 1, 2, 3, 4, 7, 8, 1023, 1024};
    for (unsigned i = 0; i < 9; i++)
        latency_add(&l, us[i]);
    CHECK_INT(l.buckets[0], 1);
    CHECK_INT(l.buckets[1], 1);
    CHECK_INT(l.buckets[2], 2);
    CHECK_INT(l.buckets[3], 2);
    CHECK_INT(l.buckets[4], 1);
    CHECK_INT(l.buckets[10], 1);
    CHECK_INT(l.buckets[11], 1);
    CHECK_INT(l.count, 9);
    CHECK_INT(l.total_us, 2072);
    CHECK_INT(l.max_us, 1024);
}

/* 98 fast ones, one slow, one very slow. */
static void percentiles_are_upper_ends_of_buckets(void)
{
    struct latency l = {0};
    for (int i = 0; i < 98; i++)
        latency_add(&l, 100);
    latency_add(&l, 3000);
    latency_add(&l, 70000);
    CHECK_INT(latency_percentile(&l, 50), 127);
    CHECK_INT(latency_percentile(&l, 98), 127);
    CHECK_INT(latency_percentile(&l, 99), 4095);
    CHECK_INT(latency_percentile(&l, 99.9), 70000);
}

static void ages_go_into_the_last_bucket(void)
{
    struct latency l = {0};
    latency_add(&l, UINT64_MAX / 2);
    CHECK_INT(l.buckets[LATENCY_BUCKETS - 1], 1);
    CHECK(latency_percentile(&l, 50) >= UINT32_MAX);
}

CU_TestInfo engine_latency_tests[] = {
    {"nothing_counted_is_zero", nothing_counted_is_zero},
    {"times_fall_into_powers_of_two", times_fall_into_powers_of_two},
    {"percentiles_are_upper_ends_of_buckets", percentiles_are_upper_ends_of_buckets},
    {"ages_go_into_the_last_bucket", ages_go_into_the_last_bucket},
    CU_TEST_INFO_NULL,
};
