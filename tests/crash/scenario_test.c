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

/* ---- what a tape cannot be without, if it is about what it says ---- */

struct claim {
    const char *scenario;
    enum site site;
};
static const struct claim claims[] = {
    {"create", SITE_CURRENT_RENAME},
    {"manifest-roll", SITE_CURRENT_RENAME},
    {"manifest-unsynced", SITE_CURRENT_RENAME},
    {"race-manifest", SITE_CURRENT_RENAME},
    {"race-manifest-sec", SITE_CURRENT_RENAME},
    {"failed-edit", SITE_CURRENT_RENAME},
    {"failed-switch", SITE_CURRENT_RENAME},
    {"flush", SITE_SST_CREATE},
    {"flush-unsynced", SITE_SST_CREATE},
    {"large-value", SITE_SST_CREATE},
    {"race-flush", SITE_SST_CREATE},
    {"race-flush-sec", SITE_SST_CREATE},
    {"race-flushall", SITE_SST_CREATE},
    {"race-flushall-sec", SITE_SST_CREATE},
    {"compact-level0", SITE_SST_UNLINK},
    {"compact-deep", SITE_SST_UNLINK},
    {"compact-packed", SITE_SST_UNLINK},
    {"compact-all", SITE_SST_UNLINK},
    {"tombstone-drop", SITE_SST_UNLINK},
    {"flushall", SITE_SST_UNLINK},
    {"race-compact", SITE_SST_UNLINK},
    {"race-compact-sec", SITE_SST_UNLINK},
    {"race-reader", SITE_SST_UNLINK},
    {"race-reader-sec", SITE_SST_UNLINK},
    {"rotate", SITE_WAL_RECYCLE},
    {"log-switch", SITE_WAL_RECYCLE},
    {"recycle", SITE_WAL_RECYCLE},
    {"race-recycle", SITE_WAL_RECYCLE},
    {"race-recycle-sec", SITE_WAL_RECYCLE},
    {"torn-tail", SITE_WAL_COPY},
    {"write-after-recovery", SITE_WAL_COPY},
    {"retry", SITE_WAL_COPY},
    {"killed", SITE_WAL_COPY},
    {"failed-fsync", SITE_WAL_COPY},
    {"failed-write", SITE_WAL_COPY},
    {"idle-mark", SITE_WAL_MARK},
    {"full-disk-reopen", SITE_WAL_ALLOCATE},
    {"checkpoint", SITE_SST_LINK},
    {"repair", SITE_OTHER_KEEP},
    {"repair-table", SITE_OTHER_KEEP},
    {"repair-log", SITE_OTHER_KEEP},
};

struct calls_seen {
    unsigned of[SITE_COUNT];
};

static void count_call(void *arg, const struct tap_call *call)
{
    struct calls_seen *seen = arg;
    if (call) seen->of[call->site]++;
}

static void play_counted(const struct scenario *s, struct calls_seen *seen)
{
    struct options options;
    struct trial t;
    struct run r;
    uint8_t tape[RUN_TAPE_BYTES];
    *seen = (struct calls_seen){{0}};
    scenario_options(s, &options);
    trial_init(&t, &options);
    size_t n = run_tape(s, tape);
    REQUIRE(run_start(&r, s, &t, 64));
    r.on_call = count_call;
    r.arg = seen;
    run_play(&r, tape, n);
    run_end(&r);
    trial_deinit(&t);
}

static void tapes_make_the_calls_that_they_are_about(void)
{
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        struct calls_seen seen;
        const struct scenario *s = scenario_find(claims[i].scenario);
        REQUIRE(s != NULL);
        play_counted(s, &seen);
        if (!seen.of[claims[i].site])
            printf("%s: no %s\n", s->name, site_name(claims[i].site));
        CHECK(seen.of[claims[i].site] > 0);
    }
}

CU_TestInfo crash_scenario_tests[] = {
    {"names_differ_and_purposes_are_sentences", names_differ_and_purposes_are_sentences},
    {"live_scenarios_have_a_tape_and_legal_sizes",
     live_scenarios_have_a_tape_and_legal_sizes},
    {"waiting_scenarios_say_for_what", waiting_scenarios_say_for_what},
    {"each_one_plays_to_its_end", each_one_plays_to_its_end},
    {"tapes_make_the_calls_that_they_are_about",
     tapes_make_the_calls_that_they_are_about},
    {"the_packed_scenario_compresses", the_packed_scenario_compresses},
    CU_TEST_INFO_NULL};
