/* Tapes written by hand, and the proof that the player notices a disk that lies. */
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

#include "fault/disk_order.h"
#include "fault/plan.h"
#include "tests/support/playstage.h"

#define ROOM 1024

/* The text form of a tape is played and must be all right. */
static void expect_fine(const struct playstage *stage, const char *text)
{
    uint8_t tape[ROOM];
    const char *bad = text;
    char problem[PLAYSTAGE_PROBLEM];
    size_t size = tape_compile(text, tape, sizeof tape, &bad);
    if (size == 0) printf("  does not compile at: %s\n", bad);
    REQUIRE(size > 0);
    if (!playstage_run(stage, tape, size, problem)) printf("  %s: %s\n", text, problem);
    CHECK_TEXT(problem, "");
}

static void small_stories_end_well(void)
{
    static const char *const stories[] = {
        "put a0 8; get a0; scan; cut 0; get a0",
        "put a0 24; del a0; add 1 5; set 2 7; floor a; scan; kill; scan",
        "begin; put a0 8 + put b0 200; del a0; commit; flush; put a1 8; cut 5; scan",
        "put a0 8; flush; put a1 200; flush; compact; cut 0; scan; reopen; scan",
        "begin; put a0 8; cut 1; scan; put c3 1000; clock 3000; cut 0; scan",
        "put a0 70000; put a1 70000; flush; compact; get a0; close; open; get a1",
        "put a0 8; iterate; put a1 8; flush; floor a; compact; iterate; scan",
        "policy always; put b1 24; cut 0; policy no; put b2 24; cut 0; scan",
    };
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++)
        for (int policy = SYNC_ALWAYS; policy <= SYNC_NO; policy++) {
            struct playstage stage = {.policy = (enum sync_policy)policy};
            expect_fine(&stage, stories[i]);
        }
}

/* The player itself can fail: a log that is never synced does not go unnoticed. */
static void a_lying_disk_is_caught(void)
{
    struct playstage stage = {.policy = SYNC_ALWAYS};
    struct plan plan = {.pattern = "fs/wal/sync/drop", .kth = 1, .sticky = true};
    uint8_t tape[ROOM];
    char problem[PLAYSTAGE_PROBLEM] = "";
    const char *bad;
    size_t size = tape_compile("put a0 8; cut 0", tape, sizeof tape, &bad);
    REQUIRE_INT(plan_arm(&plan), 0);
    bool fine = playstage_run(&stage, tape, size, problem);
    plan_disarm_all();

    CHECK(plan.fired > 0);
    CHECK(!fine);
    CHECK(strstr(problem, "no state between") != NULL);
}

/* ---- schedules ---- */

static size_t compile(const char *text, uint8_t tape[ROOM])
{
    const char *bad = text;
    size_t size = tape_compile(text, tape, ROOM, &bad);
    if (size == 0) printf("  does not compile at: %s\n", bad);
    REQUIRE(size > 0);
    return size;
}

/* A store whose jobs are interrupted all the time, a thousand times over. */
static void a_schedule_of_a_store_replays_bit_for_bit(void)
{
    struct playstage stage = {.policy = SYNC_EVERYSEC};
    static struct playstage_result first, again;
    uint8_t tape[ROOM], choices[200];
    size_t size = compile("put a0 200; put b0 200; put c0 200; step; put d0 200; step; "
                          "del a0; floor b; clock 1000; flush; put a1 64; compact; scan",
                          tape);
    struct rng rng;
    rng_init(&rng, 6);
    for (size_t i = 0; i < sizeof choices; i++)
        choices[i] = (uint8_t)rng_next(&rng);
    playstage_follow(&stage, choices, sizeof choices, tape, size, &first);
    CHECK_TEXT(first.problem, "");
    int same = 0;

    for (int i = 0; i < 1000; i++) {
        playstage_follow(&stage, choices, sizeof choices, tape, size, &again);
        same += again.trace == first.trace && again.count == first.count;
    }
    printf("     1000 replays of %zu calls, %zu switch points: trace %016llx\n",
           first.calls, first.count, (unsigned long long)first.trace);
    CHECK_INT(same, 1000);
    playstage_follow(&stage, NULL, 0, tape, size, &again);
    CHECK(again.trace != first.trace);
}

/* Puts, a flush, a compaction and a reader in every order that so many preemptions can
 * make; at the end the power fails. */
static void every_schedule_with_few_preemptions_ends_well(void)
{
    static const struct {
        unsigned preemptions;
        const char *text;
    } stories[] = {
        {2, "put a0 200; put b0 200; step; iterate; put a0 64; iterate; cut 0; scan"},
        {1, "put a0 200; flush; put a0 200; step; put a1 200; get a0; step; cut 1; scan"},
        {2, "put a0 200; flush; put b0 200; iterate; del a0; iterate; cut 2; scan"},
    };
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
        struct playstage stage = {.policy = SYNC_ALWAYS};
        static struct playstage_result last;
        struct playstage_census census;
        uint8_t tape[ROOM];
        size_t size = compile(stories[i].text, tape);
        playstage_schedules(&stage, tape, size, stories[i].preemptions, 20000, &census,
                            &last);
        printf("     %u schedules, %u orders of calls: %s\n", census.schedules,
               census.distinct, stories[i].text);
        CHECK_TEXT(last.problem, "");
        CHECK(census.complete && census.distinct > 20);
    }
}

#ifdef FIU_ENABLE

/* The log is never synced, and nothing crashes: only the order of calls can tell. */
static void a_reply_before_its_sync_is_caught_without_a_crash(void)
{
    struct playstage stage = {.policy = SYNC_ALWAYS};
    struct plan plan = {.pattern = "fs/wal/sync/drop",
                        .at_site = true,
                        .site = SITE_WAL_SYNC,
                        .kth = 1,
                        .sticky = true};
    char problem[PLAYSTAGE_PROBLEM];
    uint8_t tape[ROOM];
    size_t size = compile("put a0 8; get a0", tape);
    REQUIRE_INT(plan_arm(&plan), 0);
    CHECK(!playstage_run(&stage, tape, size, problem));
    plan_disarm_all();
    CHECK(strstr(problem, order_rule_text(ORDER_ACKNOWLEDGE)) == problem);
}

#endif

CU_TestInfo proptests_play_tests[] = {
    {"small_stories_end_well", small_stories_end_well},
    {"a_lying_disk_is_caught", a_lying_disk_is_caught},
    {"a_schedule_of_a_store_replays_bit_for_bit",
     a_schedule_of_a_store_replays_bit_for_bit},
    {"every_schedule_with_few_preemptions_ends_well",
     every_schedule_with_few_preemptions_ends_well},
#ifdef FIU_ENABLE
    {"a_reply_before_its_sync_is_caught_without_a_crash",
     a_reply_before_its_sync_is_caught_without_a_crash},
#endif
    CU_TEST_INFO_NULL,
};
