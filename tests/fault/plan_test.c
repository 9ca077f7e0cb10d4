#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/check.h"

#include "fault/mem.h"
#include "fault/plan.h"
#include "fault/points.h"

#ifdef FIU_ENABLE

/* What a sync of a log at this site would answer. */
static int ask(enum site site)
{
    struct fault f = fault_at_site(CALL_SYNC, site);
    return f.effect == FAULT_NONE ? 0 : f.error;
}

static void arm(struct plan *plan)
{
    REQUIRE_INT(plan_arm(plan), 0);
}

static void the_kth_call_fails_once(void)
{
    struct plan plan = {.pattern = "fs/wal/sync/eio", .kth = 2};
    arm(&plan);
    CHECK_INT(ask(SITE_WAL_SYNC), 0);
    CHECK_INT(ask(SITE_WAL_SYNC), EIO);
    CHECK_INT(ask(SITE_WAL_SYNC), 0);
    plan_disarm_all();
    CHECK_INT(plan.hits, 3);
    CHECK_INT(plan.fired, 1);
}

static void a_sticky_plan_fails_from_the_kth_on(void)
{
    struct plan plan = {.pattern = "fs/wal/sync/eio", .kth = 2, .sticky = true};
    arm(&plan);
    CHECK_INT(ask(SITE_WAL_SYNC), 0);
    for (int i = 0; i < 4; i++)
        CHECK_INT(ask(SITE_WAL_SYNC), EIO);
    plan_disarm_all();
    CHECK_INT(plan.fired, 4);
    CHECK_INT(ask(SITE_WAL_SYNC), 0);
}

static void hits_are_counted_beyond_the_last_call(void)
{
    struct plan plan = {.pattern = "fs/wal/sync/eio", .kth = 1000};
    arm(&plan);
    for (int i = 0; i < 7; i++)
        CHECK_INT(ask(SITE_WAL_SYNC), 0);
    CHECK_INT(ask(SITE_SST_SYNC), 0); /* another kind */
    plan_disarm_all();
    CHECK_INT(plan.hits, 7);
    CHECK_INT(plan.fired, 0);
}

static void a_site_narrows_the_plan(void)
{
    struct plan plan = {.pattern = "fs/wal/sync/eio", .kth = 1, .sticky = true};
    plan.at_site = true;
    plan.site = SITE_WAL_FILLSYNC;
    arm(&plan);
    CHECK_INT(ask(SITE_WAL_SYNC), 0);
    CHECK_INT(ask(SITE_WAL_FILLSYNC), EIO);
    CHECK_INT(ask(SITE_WAL_DIRSYNC), 0);
    plan_disarm_all();
    CHECK_INT(plan.hits, 1);
}

static void a_prefix_counts_each_call_once(void)
{
    struct plan plan = {.pattern = "fs/*", .kth = 3};
    arm(&plan);
    CHECK_INT(ask(SITE_WAL_SYNC), 0);
    CHECK_INT(ask(SITE_SST_SYNC), 0);
    CHECK(fault_at_kind(CALL_READ, KIND_SST).effect != FAULT_NONE);
    CHECK_INT(ask(SITE_WAL_SYNC), 0);
    plan_disarm_all();
    CHECK_INT(plan.hits, 4);
    CHECK_INT(plan.fired, 1);
}

static void an_errno_of_the_plan_replaces_the_points(void)
{
    struct plan plan = {.pattern = "fs/wal/sync/eio", .kth = 1, .error = ENOSPC};
    arm(&plan);
    CHECK_INT(ask(SITE_WAL_SYNC), ENOSPC);
    plan_disarm_all();

    struct plan plain = {.pattern = "fs/wal/sync/eio", .kth = 1}; /* nothing is left */
    arm(&plain);
    CHECK_INT(ask(SITE_WAL_SYNC), EIO);
    plan_disarm_all();
}

static void a_drop_answers_no_errno_whatever_the_plan_says(void)
{
    struct plan plan = {.pattern = "fs/wal/sync/drop", .kth = 1, .error = ENOSPC};
    arm(&plan);
    struct fault f = fault_at_site(CALL_SYNC, SITE_WAL_SYNC);
    CHECK_INT(f.effect, FAULT_DROP);
    CHECK_INT(f.error, 0);
    plan_disarm_all();
}

static void two_plans_of_one_point_count_side_by_side(void)
{
    struct plan first = {.pattern = "fs/wal/sync/eio", .kth = 1, .error = EROFS};
    struct plan third = {.pattern = "fs/wal/sync/*", .kth = 3, .error = EDQUOT};
    arm(&first);
    arm(&third);
    CHECK_INT(ask(SITE_WAL_SYNC), EROFS);
    CHECK_INT(ask(SITE_WAL_SYNC), 0);
    CHECK_INT(ask(SITE_WAL_SYNC), EDQUOT);
    plan_disarm_all();
    CHECK_INT(first.hits, 3);
    CHECK_INT(third.hits, 3);
}

static void a_plan_that_matches_nothing_is_refused(void)
{
    struct plan typo = {.pattern = "fs/wall/sync/eio", .kth = 1};
    struct plan never = {.pattern = "fs/wal/sync/eio", .kth = 0};
    CHECK_INT(plan_arm(&typo), -EINVAL);
    CHECK_INT(plan_arm(&never), -EINVAL);
    typo.pattern = "fs/nowhere/*";
    CHECK_INT(plan_arm(&typo), -EINVAL);
    CHECK(!fault_possible());
}

static void at_most_so_many_plans_are_armed(void)
{
    struct plan plans[PLANS_MAX + 1];
    for (int i = 0; i <= PLANS_MAX; i++) {
        plans[i] = (struct plan){.pattern = "fs/wal/sync/eio", .kth = 1 + i};
        CHECK_INT(plan_arm(&plans[i]), i < PLANS_MAX ? 0 : -ENOSPC);
    }
    for (int i = 0; i < PLANS_MAX; i++)
        CHECK_INT(ask(SITE_WAL_SYNC), EIO);
    plan_disarm_all();
    CHECK_INT(plans[0].hits, PLANS_MAX);
    CHECK_INT(ask(SITE_WAL_SYNC), 0);
}

static void memory_of_the_c_library_can_say_no(void)
{
    struct plan plan = {.pattern = "alloc/nomem", .kth = 2};
    arm(&plan);
    void *first = mem_alloc(mem_libc(), 8);
    void *second = mem_resize(mem_libc(), first, 80);
    plan_disarm_all();
    CHECK(first != NULL);
    CHECK(second == NULL);
    mem_free(mem_libc(), first);
}

/* ---- from outside ---- */

static void run(char *out, size_t size, const char *dir, const char *command)
{
    char line[256];
    snprintf(line, sizeof line, "timeout 5 fiu-ctrl -f %s/ctl -c '%s' %d 2>&1", dir,
             command, (int)getpid());
    FILE *p = popen(line, "r");
    REQUIRE(p != NULL);
    size_t n = fread(out, 1, size - 1, p);
    out[n] = 0;
    pclose(p);
}

static void fiu_ctrl_enables_points_of_a_listening_process(void)
{
    char dir[] = "/tmp/plan_test.XXXXXX", prefix[64], out[256], command[64];
    REQUIRE(mkdtemp(dir) != NULL);
    snprintf(prefix, sizeof prefix, "%s/ctl", dir);
    REQUIRE_INT(setenv("RIPTIDEKV_FIU_FIFO", prefix, 1), 0);
    REQUIRE_INT(plan_listen_environment(), 0);
    CHECK(fault_possible());

    run(out, sizeof out, dir, "enable name=fs/wal/sync/eio,failinfo=28");
    CHECK_TEXT(out, "");
    CHECK_INT(ask(SITE_WAL_SYNC), ENOSPC);
    CHECK_INT(ask(SITE_SST_SYNC), 0);
    run(out, sizeof out, dir, "disable name=fs/wal/sync/eio");
    CHECK_INT(ask(SITE_WAL_SYNC), 0);

    run(out, sizeof out, dir, "enable name=fs/wal/sync/eio,failnum=3");
    CHECK_INT(ask(SITE_WAL_SYNC), 0);
    CHECK_INT(ask(SITE_WAL_SYNC), 0);
    CHECK_INT(ask(SITE_WAL_SYNC), EIO);
    CHECK_INT(ask(SITE_WAL_SYNC), EIO);
    run(out, sizeof out, dir, "disable name=fs/wal/sync/eio");

    plan_disarm_all();
    CHECK(fault_possible()); /* it goes on listening */
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK_INT(system(command), 0);
}

static void without_the_variable_nothing_listens(void)
{
    unsetenv("RIPTIDEKV_FIU_FIFO");
    CHECK_INT(plan_listen_environment(), 0);
    CHECK(!fault_possible());
}

#endif

#define ROW(name)                                                                        \
    {                                                                                    \
#name, name                                                                      \
    }
CU_TestInfo fault_plan_tests[] = {
#ifdef FIU_ENABLE
    ROW(without_the_variable_nothing_listens),
    ROW(the_kth_call_fails_once),
    ROW(a_sticky_plan_fails_from_the_kth_on),
    ROW(hits_are_counted_beyond_the_last_call),
    ROW(a_site_narrows_the_plan),
    ROW(a_prefix_counts_each_call_once),
    ROW(an_errno_of_the_plan_replaces_the_points),
    ROW(a_drop_answers_no_errno_whatever_the_plan_says),
    ROW(two_plans_of_one_point_count_side_by_side),
    ROW(a_plan_that_matches_nothing_is_refused),
    ROW(at_most_so_many_plans_are_armed),
    ROW(memory_of_the_c_library_can_say_no),
    /* Last: a process that listens does so for good. */
    ROW(fiu_ctrl_enables_points_of_a_listening_process),
#endif
    CU_TEST_INFO_NULL,
};
