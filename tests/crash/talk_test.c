#include "tests/crash/talk.h"

#include <stdio.h>
#include <string.h>

#include "fault/rng.h"
#include "tests/support/check.h"

struct fixture {
    struct scenario scenario;
    struct trial trial;
    struct run run;
};

/* Plays the dialogue in the geometry of a scenario, from nothing. */
static void play(struct fixture *f, enum sync_policy policy, const char *text)
{
    uint8_t tape[RUN_TAPE_BYTES];
    struct options options;
    f->scenario = *scenario_find("pipeline");
    f->scenario.policy = policy;
    f->scenario.before = NULL;
    f->scenario.dialogue = text;
    scenario_options(&f->scenario, &options);
    trial_init(&f->trial, &options);
    REQUIRE(run_start(&f->run, &f->scenario, &f->trial, 64));
    run_play(&f->run, tape, run_tape(&f->scenario, tape));
    CHECK_TEXT(f->run.why, "");
}

static void stop(struct fixture *f)
{
    run_end(&f->run);
    trial_deinit(&f->trial);
}

static size_t answered(const struct fixture *f)
{
    return model_answered(f->run.model);
}

static void a_reply_that_left_acknowledges(void)
{
    struct fixture f;

    play(&f, SYNC_ALWAYS, "a SET x 1; a GET x; turn 2; b SET y 1");

    CHECK_INT(model_groups(f.run.model), 2);
    CHECK_INT(answered(&f), 2);
    CHECK_INT(run_lower(&f.run, MODEL_CUT), 2);
    stop(&f);
}

/* "+OK\r\n" is five bytes: after four of them nothing is acknowledged. */
static void half_a_reply_acknowledges_nothing(void)
{
    struct fixture f;

    play(&f, SYNC_ALWAYS, "a window 4; a SET x 1; turn 3");
    CHECK_INT(model_groups(f.run.model), 1);
    CHECK_INT(answered(&f), 0);
    stop(&f);

    play(&f, SYNC_ALWAYS, "a window 4; a SET x 1; turn 3; a read 1; turn");
    CHECK_INT(answered(&f), 1);
    stop(&f);
}

static void a_command_is_issued_when_its_last_byte_arrives(void)
{
    struct fixture f;

    play(&f, SYNC_ALWAYS, "turn; a SET x 1; a slice 26; turn; turn");
    CHECK_INT(model_groups(f.run.model), 1);
    stop(&f);

    play(&f, SYNC_ALWAYS, "turn; a SET x 1; a slice 26; turn; a slice 0; turn");
    CHECK_INT(model_groups(f.run.model), 0);
    stop(&f);
}

/* What one client was told includes what another has not yet heard. */
static void an_answer_acknowledges_all_before_it(void)
{
    struct fixture f;

    play(&f, SYNC_EVERYSEC, "a window 1; a SET x 1; turn 2; b GET x; turn");

    CHECK_INT(model_groups(f.run.model), 2);
    CHECK_INT(answered(&f), 2);
    CHECK_INT(run_lower(&f.run, MODEL_KILL), 2);
    CHECK_INT(run_lower(&f.run, MODEL_CUT), 0);
    stop(&f);
}

static void a_reset_client_is_not_waited_for(void)
{
    struct fixture f;

    play(&f, SYNC_ALWAYS,
         "turn; a window 1; a SET x 1; turn; a reset; turn 2; b GET x; turn");

    CHECK_INT(model_groups(f.run.model), 2);
    CHECK_INT(answered(&f), 2);
    stop(&f);
}

/* Of three clients in the turn whose sync fails, the one that read before the first write
 * keeps its answer. What they ask later is answered by what is left. */
static void a_failed_sync_is_an_error_for_its_whole_turn(void)
{
    struct fixture f;

    play(&f, SYNC_ALWAYS,
         "turn; failsync 1; a GET k; b SET x 1; c GET x; turn; c GET x; turn");

    CHECK_INT(model_groups(f.run.model), 4);
    CHECK_INT(answered(&f), 4);
    CHECK_INT(model_count(f.run.model), 0);
    stop(&f);
}

static void a_full_disk_is_an_error_and_no_more(void)
{
    struct fixture f;

    play(&f, SYNC_NO, "turn; full 1; a SET x 1; turn; a SET y 1; b DBSIZE; turn");

    CHECK_INT(answered(&f), 3);
    CHECK_INT(model_count(f.run.model), 1);
    stop(&f);
}

/* Random dialogues: the reference and the server agree on every byte. */
static void random_talk(struct rng *rng, char *out, size_t room)
{
    static const char *const forms[] = {
        "SET %c %llu",     "SET %c @%llu", "SET %c v PX %llu", "SET %c v EX %llu",
        "GET %c",          "DEL %c k",     "EXISTS %c",        "INCR %c",
        "APPEND %c %llu",  "GETDEL %c",    "EXPIRE %c %llu",   "PEXPIRE %c %llu",
        "PERSIST %c",      "PTTL %c",      "MSET %c 1 k %llu", "MGET %c k",
        "SCAN 0 COUNT 99", "DBSIZE",       "FLUSHDB",          "FLUSHALL",
        "SELECT %c",       "PING"};
    size_t used = 0;
    for (int i = 0; i < 40; i++) {
        const char *form = forms[rng_below(rng, sizeof forms / sizeof *forms)];
        char command[80];
        bool select = !strncmp(form, "SELECT", 6);
        int key = (int)((select ? '0' : 'k') + rng_below(rng, 3));
        unsigned long long n = 1 + rng_below(rng, 200);
        snprintf(command, sizeof command, form, key, n);
        used += (size_t)snprintf(out + used, room - used, "%s%c %s", used ? "; " : "",
                                 (char)('a' + rng_below(rng, 3)), command);
        if (rng_below(rng, 5) == 0)
            used += (size_t)snprintf(out + used, room - used, "; idle 2");
    }
}

static void server_and_reference_agree_on_every_byte(void)
{
    struct fixture f;
    struct rng rng;
    char text[8192];
    size_t groups = 0;
    rng_init(&rng, 7);

    for (int i = 0; i < 200; i++) {
        random_talk(&rng, text, sizeof text);
        play(&f, SYNC_NO, text);
        if (f.run.broken) printf("  %s\n", text);
        REQUIRE(!f.run.broken);
        groups += model_groups(f.run.model);
        stop(&f);
    }
    CHECK(groups > 5000);
}

CU_TestInfo crash_talk_tests[] = {
    {"a_reply_that_left_acknowledges", a_reply_that_left_acknowledges},
    {"half_a_reply_acknowledges_nothing", half_a_reply_acknowledges_nothing},
    {"a_command_is_issued_when_its_last_byte_arrives",
     a_command_is_issued_when_its_last_byte_arrives},
    {"an_answer_acknowledges_all_before_it", an_answer_acknowledges_all_before_it},
    {"a_reset_client_is_not_waited_for", a_reset_client_is_not_waited_for},
    {"a_failed_sync_is_an_error_for_its_whole_turn",
     a_failed_sync_is_an_error_for_its_whole_turn},
    {"a_full_disk_is_an_error_and_no_more", a_full_disk_is_an_error_and_no_more},
    {"server_and_reference_agree_on_every_byte",
     server_and_reference_agree_on_every_byte},
    CU_TEST_INFO_NULL};
