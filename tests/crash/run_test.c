#include "tests/crash/run.h"

#include "tests/support/check.h"

struct fixture {
    struct trial trial;
    struct run run;
    unsigned calls, barriers, ends;
};

static void count_call(void *arg, const struct tap_call *call)
{
    struct fixture *f = arg;
    f->calls += call != NULL;
    f->barriers += call && tap_is_barrier(call);
    f->ends += call == NULL;
}

static void play(struct fixture *f, const char *scenario, const char *text)
{
    const struct scenario *s = scenario_find(scenario);
    struct options options;
    uint8_t tape[RUN_TAPE_BYTES];
    scenario_options(s, &options);
    trial_init(&f->trial, &options);
    REQUIRE(run_start(&f->run, s, &f->trial, 64));
    f->run.on_call = count_call;
    f->run.arg = f;
    run_play(&f->run, tape, run_compile(text, tape));
}

static void stop(struct fixture *f)
{
    run_end(&f->run);
    trial_deinit(&f->trial);
}

static void a_synced_put_is_one_write_and_one_barrier(void)
{
    struct fixture f = {.calls = 0};

    play(&f, "put-always", "put a2 8");

    CHECK_INT(f.calls, 2);
    CHECK_INT(f.barriers, 1);
    CHECK_INT(f.ends, 1);
    CHECK_INT(run_lower(&f.run, MODEL_CUT), run_upper(&f.run));
    stop(&f);
}

static void an_unsynced_put_may_be_lost_by_a_cut_only(void)
{
    struct fixture f = {.calls = 0};

    play(&f, "put-no", "put a2 8");

    CHECK_INT(f.barriers, 0);
    CHECK_INT(run_lower(&f.run, MODEL_CUT), run_upper(&f.run) - 1);
    CHECK_INT(run_lower(&f.run, MODEL_KILL), run_upper(&f.run));
    stop(&f);
}

static void the_story_tells_what_was_acknowledged(void)
{
    struct fixture f = {.calls = 0};

    play(&f, "put-always", "begin; put a2 8; put a1 8; commit");

    size_t acked = 0;
    for (size_t i = 0; i < f.run.event_count; i++)
        acked += f.run.events[i].kind == RUN_ACKED;
    CHECK_INT(acked, 1);
    CHECK(!f.run.broken);
    stop(&f);
}

static void a_killed_process_loses_nothing_it_acknowledged(void)
{
    struct fixture f = {.calls = 0};

    play(&f, "put-no", "put a2 8; put b1 24; kill; get a2; get b1; scan");

    CHECK(!f.run.broken);
    stop(&f);
}

static void a_refused_group_is_not_issued(void)
{
    struct fixture f = {.calls = 0};

    play(&f, "put-always", "fail 0; put a2 8; put b1 24; get b1");

    CHECK(!f.run.broken);
    CHECK_INT(run_upper(&f.run) - run_lower(&f.run, MODEL_CUT), 1);
    stop(&f);
}

CU_TestInfo crash_run_tests[] = {
    {"a_synced_put_is_one_write_and_one_barrier",
     a_synced_put_is_one_write_and_one_barrier},
    {"an_unsynced_put_may_be_lost_by_a_cut_only",
     an_unsynced_put_may_be_lost_by_a_cut_only},
    {"the_story_tells_what_was_acknowledged", the_story_tells_what_was_acknowledged},
    {"a_killed_process_loses_nothing_it_acknowledged",
     a_killed_process_loses_nothing_it_acknowledged},
    {"a_refused_group_is_not_issued", a_refused_group_is_not_issued},
    CU_TEST_INFO_NULL};
