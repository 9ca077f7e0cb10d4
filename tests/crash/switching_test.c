#include "tests/crash/switching.h"

#include <string.h>

#include "tests/crash/run.h"
#include "tests/support/check.h"

struct fixture {
    struct trial trial;
    struct run run;
    uint32_t calls;
    uint64_t hash;
    bool in_order;
    uint32_t syncs, pending; /* syncs of the log; with a record that is pending */
};

static int find_record(void *arg, const struct disk_sim_op *op)
{
    bool *found = arg;
    *found = op->site == SITE_WAL_WRITE;
    return *found;
}

static void on_call(void *arg, const struct tap_call *call)
{
    struct fixture *f = arg;
    if (!call) return;
    bool pending = false;
    f->in_order = f->in_order && call->ordinal == f->calls;
    f->calls++;
    f->hash = f->hash * 31 + switching_call_hash(call);
    disk_sim_pending(f->run.disk, find_record, &pending);
    f->syncs += call->site == SITE_WAL_SYNC;
    f->pending += call->site == SITE_WAL_SYNC && pending;
}

static void play(struct fixture *f, const char *scenario, const uint8_t *choices,
                 size_t count)
{
    const struct scenario *s = scenario_find(scenario);
    struct options options;
    uint8_t tape[RUN_TAPE_BYTES];
    scenario_options(s, &options);
    *f = (struct fixture){.in_order = true};
    trial_init(&f->trial, &options);
    REQUIRE(run_start(&f->run, s, &f->trial, 512));
    f->run.on_call = on_call;
    f->run.arg = f;
    switching_follow(f->run.switching, choices, count);
    run_play(&f->run, tape, run_compile(s->tape, tape));
}

static void stop(struct fixture *f)
{
    run_end(&f->run);
    trial_deinit(&f->trial);
}

/* Whatever the schedule: calls are told one by one, as they take effect, and a sync while
 * what it covers is still pending. */
static void calls_are_told_as_they_take_effect(void)
{
    struct fixture f;
    for (uint8_t at = 0; at < 40; at++) {
        uint8_t choices[40] = {0};
        choices[at] = 1;

        play(&f, "race-compact", choices, sizeof choices);

        CHECK(!f.run.broken);
        CHECK(f.in_order);
        CHECK_INT(f.pending, f.syncs);
        CHECK(f.syncs > 4);
        stop(&f);
    }
}

static void the_schedule_decides_everything(void)
{
    struct fixture f, g;
    uint8_t choices[64] = {0};
    play(&f, "race-flush", choices, sizeof choices);
    choices[3] = choices[9] = 1;
    play(&g, "race-flush", choices, sizeof choices);
    CHECK(f.hash != g.hash);
    CHECK_INT(f.calls, g.calls);

    for (int i = 0; i < 100; i++) {
        struct fixture again;
        play(&again, "race-flush", choices, sizeof choices);
        CHECK(again.hash == g.hash);
        CHECK(switching_hash(again.run.switching) == switching_hash(g.run.switching));
        stop(&again);
    }
    stop(&f);
    stop(&g);
}

static void the_story_tells_who_goes_on(void)
{
    struct fixture f;
    play(&f, "race-compact", (uint8_t[]){1}, 1);

    bool job = false, owner = false;
    for (size_t i = 0; i < f.run.event_count; i++) {
        const struct run_event *e = &f.run.events[i];
        job = job || (e->kind == RUN_SWITCH && e->group > 0);
        owner = owner || (e->kind == RUN_SWITCH && e->group == 0 && job);
    }

    CHECK(job);
    CHECK(owner);
    CHECK_TEXT(switching_job(SITE_SST_UNLINK), "the cleanup");
    CHECK_TEXT(switching_job(SITE_COUNT), "a job");
    stop(&f);
}

/* Who looks at a point finds the same state under schedules that differ in nothing that
 * shows, and another one under schedules that do. */
static void states_tell_what_was_done_not_in_which_order(void)
{
    struct fixture f, g;
    size_t n, m;
    play(&f, "race-compact", NULL, 0);
    play(&g, "race-compact", NULL, 0);
    const struct switch_point *p = switching_points(f.run.switching, &n);
    const struct switch_point *q = switching_points(g.run.switching, &m);

    REQUIRE(n == m && n > 10);
    for (size_t i = 0; i < n; i++)
        CHECK(p[i].state == q[i].state);
    for (size_t i = 1; i < n; i++)
        CHECK(p[i].state != p[i - 1].state);
    stop(&f);
    stop(&g);
}

CU_TestInfo crash_switching_tests[] = {
    {"calls_are_told_as_they_take_effect", calls_are_told_as_they_take_effect},
    {"the_schedule_decides_everything", the_schedule_decides_everything},
    {"the_story_tells_who_goes_on", the_story_tells_who_goes_on},
    {"states_tell_what_was_done_not_in_which_order",
     states_tell_what_was_done_not_in_which_order},
    CU_TEST_INFO_NULL};
