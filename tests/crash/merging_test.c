/* Apart from crash/interleave: it explores every schedule with at most one preemption, each
 * with its images, which is too much work under sanitizers. */
#include "tests/crash/interleave_small.h"

#include "tests/support/check.h"

static void merging_loses_no_image_and_no_schedule(void)
{
    struct scenario s = small_scenario();
    struct explore_options o = small_options();
    struct explorer *merged = explorer_new(&s, &o);
    o.unmerged = true;
    struct explorer *plain = explorer_new(&s, &o);

    CHECK(explore(merged, NULL, 0));
    CHECK(explore(plain, NULL, 0));

    const struct explore_stats *m = explorer_stats(merged), *p = explorer_stats(plain);
    printf("     %llu schedules, %llu runs, %llu images\n",
           (unsigned long long)p->schedules, (unsigned long long)m->runs,
           (unsigned long long)m->distinct);
    CHECK_INT(missing(plain, merged), 0);
    CHECK_INT(missing(merged, plain), 0);
    CHECK_INT(m->schedules, p->schedules);
    CHECK(m->runs < p->runs / 2);
    CHECK(m->windows < p->windows / 10);
    explorer_free(merged);
    explorer_free(plain);
}

CU_TestInfo crash_merging_tests[] = {
    {"merging_loses_no_image_and_no_schedule", merging_loses_no_image_and_no_schedule},
    CU_TEST_INFO_NULL};
