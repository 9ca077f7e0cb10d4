#include "tests/crash/scenario.h"

#include <stdio.h>
#include <string.h>

#include "tests/crash/run.h"
#include "tests/support/check.h"

static void names_differ_and_purposes_are_sentences(void)
{
    for (size_t i = 0; i < scenario_count; i++) {
        const struct scenario *s = &scenarios[i];
        CHECK(scenario_find(s->name) == s);
        size_t n = strlen(s->purpose);
        CHECK(n > 20 && s->purpose[n - 1] == '.');
    }
}

static void live_scenarios_have_a_tape_and_legal_sizes(void)
{
    unsigned live = 0;
    for (size_t i = 0; i < scenario_count; i++) {
        const struct scenario *s = &scenarios[i];
        if (s->waiting) continue;
        uint8_t tape[RUN_TAPE_BYTES];
        struct options options;
        struct err_detail why;
        CHECK(run_tape(s, tape) > 0);
        scenario_options(s, &options);
        CHECK_INT(options_check(&options, &why), ERR_OK);
        live++;
    }
    CHECK(live >= 30);
}

/* One of them is there to have compressed blocks. */
static void the_packed_scenario_compresses(void)
{
    const struct scenario *s = scenario_find("compact-packed");
    struct options options;
    struct trial t;
    struct run r;
    uint8_t tape[RUN_TAPE_BYTES];
    REQUIRE(s != NULL);
    scenario_options(s, &options);
    CHECK_INT(options.codecs[0], CODEC_LZ4);
    trial_init(&t, &options);
    size_t n = run_tape(s, tape);
    REQUIRE(run_start(&r, s, &t, 64));
    run_play(&r, tape, n);
    struct db_stats stats;
    db_stats_get(r.db, &stats);
    CHECK(db_stats_compression(&stats) > 1000);
    run_end(&r);
    trial_deinit(&t);
}

static void waiting_scenarios_say_for_what(void)
{
    for (size_t i = 0; i < scenario_count; i++)
        CHECK_INT((scenarios[i].waiting != NULL) + (scenarios[i].tape != NULL) +
                      (scenarios[i].dialogue != NULL),
                  1);
}

static void each_one_plays_to_its_end(void)
{
    for (size_t i = 0; i < scenario_count; i++) {
        const struct scenario *s = &scenarios[i];
        if (s->waiting) continue;
        struct options options;
        struct trial t;
        struct run r;
        uint8_t tape[RUN_TAPE_BYTES];
        scenario_options(s, &options);
        trial_init(&t, &options);
        size_t n = run_tape(s, tape);
        REQUIRE(run_start(&r, s, &t, 64));
        run_play(&r, tape, n);
        if (r.broken) printf("%s: %s\n", s->name, r.why);
        CHECK(!r.broken);
        run_end(&r);
        trial_deinit(&t);
    }
}

CU_TestInfo crash_scenario_tests[] = {
    {"names_differ_and_purposes_are_sentences", names_differ_and_purposes_are_sentences},
    {"live_scenarios_have_a_tape_and_legal_sizes",
     live_scenarios_have_a_tape_and_legal_sizes},
    {"waiting_scenarios_say_for_what", waiting_scenarios_say_for_what},
    {"each_one_plays_to_its_end", each_one_plays_to_its_end},
    {"the_packed_scenario_compresses", the_packed_scenario_compresses},
    CU_TEST_INFO_NULL};
