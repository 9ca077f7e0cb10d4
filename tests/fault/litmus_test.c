#include "tests/support/check.h"

#include <stdio.h>

#include "tests/fault/litmus.h"

static const enum disk_profile promised[] = {DISK_W, DISK_J, DISK_V, DISK_P};

static bool exact(const struct litmus *l, enum disk_profile profile, uint32_t kinder)
{
    static struct outcomes want, got;
    litmus_expected(l, profile, &want);
    bool counted = litmus_run(l, profile, kinder, &got);
    if (counted && outcomes_equal(&want, &got)) return true;
    if (!kinder) {
        printf("  %c: %s%s\n", disk_profile_letter(profile), l->program,
               counted ? "" : ": count or hash is wrong");
        outcomes_print_difference(&want, &got);
    }
    return false;
}

static void every_program_leaves_exactly_what_the_rules_allow(void)
{
    for (size_t i = 0; i < litmus_count; i++)
        for (size_t p = 0; p < 4; p++)
            CHECK(exact(&litmus_programs[i], promised[p], 0));
}

static void each_weaker_profile_contains_the_stronger(void)
{
    static const enum disk_profile order[] = {DISK_O, DISK_J, DISK_W, DISK_V};
    static struct outcomes inner, outer;
    for (size_t i = 0; i < litmus_count; i++) {
        litmus_run(&litmus_programs[i], order[0], 0, &outer);
        for (size_t p = 1; p < 4; p++) {
            inner = outer;
            litmus_run(&litmus_programs[i], order[p], 0, &outer);
            if (!outcomes_within(&inner, &outer))
                printf("  %s\n", litmus_programs[i].program);
            CHECK(outcomes_within(&inner, &outer));
        }
    }
}

static void no_rule_can_be_kinder_without_a_program_that_notices(void)
{
    for (unsigned rule = 1; rule < DISK_RULE_COUNT; rule++) {
        unsigned red = 0;
        for (size_t i = 0; i < litmus_count; i++)
            for (size_t p = 0; p < 4; p++)
                red += !exact(&litmus_programs[i], promised[p], DISK_KINDER(rule));
        if (!red) printf("  R%u: %s\n", rule, disk_rule_kinder((enum disk_rule)rule));
        CHECK(red > 0);
    }
}

CU_TestInfo fault_litmus_tests[] = {
    {"every_program_leaves_exactly_what_the_rules_allow",
     every_program_leaves_exactly_what_the_rules_allow},
    {"each_weaker_profile_contains_the_stronger",
     each_weaker_profile_contains_the_stronger},
    {"no_rule_can_be_kinder_without_a_program_that_notices",
     no_rule_can_be_kinder_without_a_program_that_notices},
    CU_TEST_INFO_NULL,
};
