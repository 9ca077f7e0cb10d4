#include "tests/crash/ask.h"

#include <string.h>

#include "tests/crash/explore.h"
#include "tests/crash/talk.h"
#include "tests/support/check.h"

struct fixture {
    struct trial trial;
    struct run run;
};

/* The disk as a scenario's dialogue leaves it, its process dead. */
static void leave_disk(struct fixture *f, const char *name)
{
    const struct scenario *s = scenario_find(name);
    uint8_t tape[RUN_TAPE_BYTES];
    struct options options;
    scenario_options(s, &options);
    trial_init(&f->trial, &options);
    f->trial.asker = asker_new(s);
    REQUIRE(run_start(&f->run, s, &f->trial, 64));
    run_play(&f->run, tape, run_tape(s, tape));
    REQUIRE(!f->run.broken);
    disk_sim_process_crash(f->run.disk);
    disk_sim_settle(f->run.disk);
}

static void stop(struct fixture *f)
{
    run_end(&f->run);
    trial_deinit(&f->trial);
}

static void a_recovered_server_tells_what_the_model_knows(void)
{
    struct fixture f;
    leave_disk(&f, "deadlines");

    struct verdict v = trial_image(&f.trial, f.run.disk);

    REQUIRE_INT(v.failed, ORACLE_NONE);
    size_t groups = run_upper(&f.run), p = 0;
    CHECK(model_allows(f.run.model, trial_digest(&f.trial, v.state), groups, groups, &p));
    CHECK(trial_digest(&f.trial, v.state)->keys > 0);
    stop(&f);
}

/* A key of which the count of keys knows nothing. */
static void a_wrong_dbsize_is_seen(void)
{
    struct fixture f;
    struct trial_store s;
    struct err_detail why;
    leave_disk(&f, "counts");
    REQUIRE_INT(trial_open(&f.trial, f.run.disk, &s, &why), ERR_OK);
    REQUIRE_INT(db_put(s.db, slice_of("\0x", 2), slice_of("\0v", 2)), ERR_OK);

    struct verdict v = trial_ask(&f.trial, &s);

    CHECK_INT(v.failed, ORACLE_AGREE);
    CHECK(strstr(f.trial.failure, "DBSIZE") != NULL);
    trial_drop(&f.trial, &s);
    stop(&f);
}

static void count_served(void *arg, struct verdict v)
{
    int *times = arg;
    *times += v.failed == ORACLE_NONE;
}

static void it_is_told_once_when_the_reply_leaves(void)
{
    struct fixture f;
    struct trial_store s;
    struct err_detail why;
    int times = 0;
    leave_disk(&f, "pipeline");
    REQUIRE_INT(trial_open(&f.trial, f.run.disk, &s, &why), ERR_OK);
    s.served = count_served;
    s.served_arg = &times;

    trial_ask(&f.trial, &s);

    CHECK_INT(times, 1);
    CHECK(trial_close(&f.trial, f.run.disk, &s));
    stop(&f);
}

/* A server that never syncs its log is caught, and caught again by the path. */
static void a_server_without_syncs_is_caught(void)
{
    struct explore_options o;
    bool found;
    explore_options_init(&o);
    o.drop = SITE_WAL_SYNC;
    struct explorer *x = explorer_new(scenario_find("one-turn"), &o);

    REQUIRE(!explore(x, NULL, 0));
    struct violation v = *explorer_violation(x);
    CHECK_INT(v.oracle, ORACLE_DURABLE);
    CHECK(!explore_replay(x, NULL, 0, v.call, v.path, &found));
    CHECK(found);
    explorer_free(x);
}

static void kills_and_cuts_of_a_conversation_hold(void)
{
    struct explore_options o;
    explore_options_init(&o);
    o.kills = o.mixed = true;
    struct explorer *x = explorer_new(scenario_find("readers"), &o);

    CHECK(explore(x, NULL, 0));
    CHECK(explorer_stats(x)->windows > 0);
    CHECK(explorer_stats(x)->kills > 0);
    CHECK(explorer_ran(x)[ORACLE_SETTLED] > 0);
    CHECK(explorer_ran(x)[ORACLE_WORKS] > 0);
    explorer_free(x);
}

CU_TestInfo crash_ask_tests[] = {
    {"a_recovered_server_tells_what_the_model_knows",
     a_recovered_server_tells_what_the_model_knows},
    {"a_wrong_dbsize_is_seen", a_wrong_dbsize_is_seen},
    {"it_is_told_once_when_the_reply_leaves", it_is_told_once_when_the_reply_leaves},
    {"a_server_without_syncs_is_caught", a_server_without_syncs_is_caught},
    {"kills_and_cuts_of_a_conversation_hold", kills_and_cuts_of_a_conversation_hold},
    CU_TEST_INFO_NULL};
