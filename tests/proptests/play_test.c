/* Random tapes on a store in a simulated world, held against the model. */
#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault/plan.h"
#include "proptests/play.h"
#include "proptests/shrink.h"
#include "proptests/token.h"
#include "tests/support/simworld.h"

#define OPERATIONS 80
#define ROOM       (OPERATIONS * 12)

/* How a tape is played. */
struct stage {
    bool coroutines;
    uint64_t schedule; /* seed of the choices */
    enum sync_policy policy;
    bool usual; /* usual geometry instead of tiny */
};

static void options_of(const struct stage *stage, struct options *o)
{
    simworld_tiny_options(o);
    if (stage->usual) {
        options_init(o);
        o->memtable_bytes = 64 * 1024;
        o->table_bytes = 32 * 1024;
        o->level1_bytes = 64 * 1024;
        o->cache_bytes = 64 * 1024;
    }
    o->sync = stage->policy;
}

/* Plays the tape in a new world; true when all is well, else `problem` says what is not. */
static bool run(const struct stage *stage, const uint8_t *tape, size_t size,
                char problem[400])
{
    struct simworld_options wo;
    struct simworld w;
    struct options o;
    uint8_t choices[512];
    simworld_options_init(&wo);
    wo.coroutines = stage->coroutines;
    wo.disk.chunk_bytes = stage->usual ? 4096 : 64;
    simworld_init(&w, &wo);
    if (stage->coroutines) {
        struct rng rng;
        rng_init(&rng, stage->schedule);
        for (size_t i = 0; i < sizeof choices; i++)
            choices[i] = rng_below(&rng, 4) ? 0 : (uint8_t)rng_next(&rng);
        sched_coroutine_follow(w.sched, choices, sizeof choices);
    }
    options_of(stage, &o);
    struct play_world pw = {
        .env = w.env, .sim = w.sim, .clock = &w.clock, .dir = SIMWORLD_STORE};
    struct play p;
    play_init(&p, &pw, &o);
    play_tape(&p, tape, size);
    play_finish(&p);
    snprintf(problem, 400, "%s", p.problem);
    play_deinit(&p);
    bool leak = w.mem.blocks != 0;
    if (leak && !*problem) snprintf(problem, 400, "%ld blocks leak", w.mem.blocks);
    w.mem.blocks = 0; /* told already */
    simworld_deinit(&w);
    return !*problem;
}

static bool still_fails(void *arg, const uint8_t *tape, size_t size)
{
    char problem[400];
    return !run(arg, tape, size, problem);
}

/* Shrinks a failure and tells it: in words, as text, as a token. */
static void report(struct stage *stage, uint64_t seed, uint8_t *tape, size_t size)
{
    struct token token = {.setup = (uint32_t)stage->policy};
    char text[TAPE_OP_TEXT], problem[400], word[TOKEN_TEXT_MAX + 1] = "(too long)";
    struct tape_reader r;
    struct tape_op op;
    size = shrink_tape(tape, size, SHRINK_ATTEMPTS, still_fails, stage);
    run(stage, tape, size, problem);
    memcpy(token.tape, tape, size);
    token.tape_size = size;
    token_print(&token, word);
    printf("  seed %llu: %s\n  token %s\n ", (unsigned long long)seed, problem, word);
    tape_read(&r, tape, size);
    while (tape_next(&r, &op)) {
        tape_text(&op, text, sizeof text);
        printf(" %s;", text);
    }
    printf("\n");
}

/* Plays `count` random tapes; returns how many failed (it stops at the third). */
static int random_tapes(struct stage stage, uint64_t seed, unsigned count)
{
    uint8_t tape[ROOM];
    char problem[400];
    int failed = 0;
    printf("     seeds %llu to %llu, policy %d\n", (unsigned long long)seed,
           (unsigned long long)(seed + count - 1), (int)stage.policy);
    for (unsigned i = 0; i < count && failed < 3; i++, seed++) {
        size_t size = tape_random(seed, OPERATIONS, tape, sizeof tape);
        stage.schedule = seed;
        if (run(&stage, tape, size, problem)) continue;
        failed++;
        report(&stage, seed, tape, size);
    }
    return failed;
}

/* The text form of a tape is played and must be all right. */
static void expect_fine(const struct stage *stage, const char *text)
{
    uint8_t tape[ROOM];
    const char *bad = text;
    char problem[400];
    size_t size = tape_compile(text, tape, sizeof tape, &bad);
    if (size == 0) printf("  does not compile at: %s\n", bad);
    REQUIRE(size > 0);
    if (!run(stage, tape, size, problem)) printf("  %s: %s\n", text, problem);
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
            struct stage stage = {.policy = (enum sync_policy)policy};
            expect_fine(&stage, stories[i]);
        }
}

static void random_tapes_under_always(void)
{
    CHECK_INT(random_tapes((struct stage){.policy = SYNC_ALWAYS}, 1, 500), 0);
}

static void random_tapes_under_everysec(void)
{
    CHECK_INT(random_tapes((struct stage){.policy = SYNC_EVERYSEC}, 10001, 500), 0);
}

static void random_tapes_under_no(void)
{
    CHECK_INT(random_tapes((struct stage){.policy = SYNC_NO}, 20001, 500), 0);
}

static void random_tapes_under_random_schedules(void)
{
    struct stage stage = {.policy = SYNC_ALWAYS, .coroutines = true};
    CHECK_INT(random_tapes(stage, 30001, 300), 0);
    stage.policy = SYNC_EVERYSEC;
    CHECK_INT(random_tapes(stage, 40001, 300), 0);
}

static void random_tapes_in_usual_geometry(void)
{
    struct stage stage = {.policy = SYNC_ALWAYS, .usual = true};
    CHECK_INT(random_tapes(stage, 50001, 100), 0);
}

/* The player itself can fail: a log that is never synced does not go unnoticed. */
static void a_lying_disk_is_caught(void)
{
    struct stage stage = {.policy = SYNC_ALWAYS};
    struct plan plan = {.pattern = "fs/wal/sync/drop", .kth = 1, .sticky = true};
    uint8_t tape[ROOM];
    char problem[400] = "";
    const char *bad;
    size_t size = tape_compile("put a0 8; cut 0", tape, sizeof tape, &bad);
    REQUIRE_INT(plan_arm(&plan), 0);
    bool fine = run(&stage, tape, size, problem);
    plan_disarm_all();

    CHECK(plan.fired > 0);
    CHECK(!fine);
    CHECK(strstr(problem, "no state between") != NULL);
}

CU_TestInfo proptests_play_tests[] = {
    {"small_stories_end_well", small_stories_end_well},
    {"random_tapes_under_always", random_tapes_under_always},
    {"random_tapes_under_everysec", random_tapes_under_everysec},
    {"random_tapes_under_no", random_tapes_under_no},
    {"random_tapes_under_random_schedules", random_tapes_under_random_schedules},
    {"random_tapes_in_usual_geometry", random_tapes_in_usual_geometry},
    {"a_lying_disk_is_caught", a_lying_disk_is_caught},
    CU_TEST_INFO_NULL,
};
