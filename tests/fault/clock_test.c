#include "tests/support/check.h"

#include "fault/clock.h"

static void a_manual_clock_stands_still_until_moved(void)
{
    struct clock_manual c;
    clock_manual_init(&c, 1000);
    CHECK_INT(clock_wall_ms(&c.clock), 1000);
    int64_t start_us = clock_mono_us(&c.clock);

    clock_manual_advance(&c, 25);

    CHECK_INT(clock_wall_ms(&c.clock), 1025);
    CHECK_INT(clock_mono_us(&c.clock) - start_us, 25000);
}

static void a_wall_clock_stepped_back_leaves_the_other_alone(void)
{
    struct clock_manual c;
    clock_manual_init(&c, 1000);
    clock_manual_advance(&c, 10);
    int64_t before_us = clock_mono_us(&c.clock);

    c.wall_ms = 500;

    CHECK_INT(clock_wall_ms(&c.clock), 500);
    CHECK_INT(clock_mono_us(&c.clock), before_us);
}

static void the_real_clock_is_in_this_century_and_never_goes_back(void)
{
    struct clock *c = clock_real();
    CHECK(clock_wall_ms(c) > 1600000000000);
    CHECK(clock_wall_ms(c) < 4200000000000);
    int64_t last = clock_mono_us(c), first = last;
    while (last < first + 2000) {
        int64_t now = clock_mono_us(c);
        CHECK(now >= last);
        last = now;
    }
}

CU_TestInfo fault_clock_tests[] = {
    {"a_manual_clock_stands_still_until_moved", a_manual_clock_stands_still_until_moved},
    {"a_wall_clock_stepped_back_leaves_the_other_alone",
     a_wall_clock_stepped_back_leaves_the_other_alone},
    {"the_real_clock_is_in_this_century_and_never_goes_back",
     the_real_clock_is_in_this_century_and_never_goes_back},
    CU_TEST_INFO_NULL,
};
