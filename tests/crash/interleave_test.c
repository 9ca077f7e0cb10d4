#include "tests/crash/interleave.h"

#include <string.h>

#include "tests/crash/interleave_small.h"
#include "tests/support/check.h"

/* With moments that leave out the disk crash/merging would be red. */
static void merging_by_too_little_loses_images(void)
{
    struct scenario s = small_scenario();
    struct explore_options o = small_options();
    struct explorer *merged = explorer_new(&s, &o);
    o.blind = true;
    struct explorer *blind = explorer_new(&s, &o);

    CHECK(explore(merged, NULL, 0));
    CHECK(explore(blind, NULL, 0));

    CHECK(missing(merged, blind) > 0);
    explorer_free(merged);
    explorer_free(blind);
}

static void schedules_lead_to_images_that_inline_jobs_do_not(void)
{
    struct scenario s = small_scenario(), same = s;
    struct explore_options o = small_options();
    struct explorer *x = explorer_new(&s, &o);
    same.scheduled = false;
    struct explorer *inline_jobs = explorer_new(&same, &o);

    CHECK(explore(x, NULL, 0));
    CHECK(explore(inline_jobs, NULL, 0));

    CHECK(missing(x, inline_jobs) > 100);
    explorer_free(x);
    explorer_free(inline_jobs);
}

static void a_violation_names_its_schedule_and_is_found_again(void)
{
    struct explore_options o;
    explore_options_init(&o);
    o.chunk_bytes = 512;
    o.drop = SITE_WAL_DIRSYNC;
    struct explorer *x = explorer_new(scenario_find("race-recycle"), &o);

    REQUIRE(!explore(x, NULL, 0));
    struct violation v = *explorer_violation(x);
    bool found = false;
    bool good = explore_replay(x, NULL, 0, v.call, v.path, &found);

    CHECK_INT(v.path[0], '@');
    CHECK(found);
    CHECK(!good);
    CHECK_TEXT(explorer_violation(x)->path, v.path);
    explorer_free(x);
}

static void equal_walks_have_equal_counts(void)
{
    struct explore_options o = small_options();
    o.preemptions = 0;
    struct scenario s = small_scenario();
    struct explorer *a = explorer_new(&s, &o), *b = explorer_new(&s, &o);

    CHECK(explore(a, NULL, 0));
    CHECK(explore(b, NULL, 0));
    CHECK(explore(b, NULL, 0)); /* an explorer that was used before begins anew */

    struct explore_stats x = *explorer_stats(a), y = *explorer_stats(b);
    x.seconds = y.seconds = 0;
    CHECK(!memcmp(&x, &y, sizeof x));
    explorer_free(a);
    explorer_free(b);
}

static void schedules_are_written_and_read(void)
{
    static struct schedule s, t;
    char text[64];
    s.length = 31;
    s.choices[3] = 1;
    s.choices[30] = 12;

    CHECK_INT(schedule_print(&s, text, sizeof text), strlen("@3.1,30.12:"));
    CHECK_TEXT(text, "@3.1,30.12:");
    CHECK_TEXT(schedule_parse(&t, "@3.1,30.12:-4.1"), "-4.1");
    CHECK_INT(t.length, 31);
    CHECK(!memcmp(t.choices, s.choices, sizeof s.choices));
    CHECK_TEXT(schedule_parse(&t, "@:p"), "p");
    CHECK_TEXT(schedule_parse(&t, "p17"), "p17");
    CHECK_INT(t.length, 0);
    CHECK_TEXT(schedule_parse(&t, "@99999.1:p"), "");
}

CU_TestInfo crash_interleave_tests[] = {
    {"merging_by_too_little_loses_images", merging_by_too_little_loses_images},
    {"schedules_lead_to_images_that_inline_jobs_do_not",
     schedules_lead_to_images_that_inline_jobs_do_not},
    {"a_violation_names_its_schedule_and_is_found_again",
     a_violation_names_its_schedule_and_is_found_again},
    {"equal_walks_have_equal_counts", equal_walks_have_equal_counts},
    {"schedules_are_written_and_read", schedules_are_written_and_read},
    CU_TEST_INFO_NULL};
