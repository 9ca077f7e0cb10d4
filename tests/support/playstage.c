/* playstage.c - see playstage.h. */
#include "tests/support/playstage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proptests/shrink.h"
#include "proptests/token.h"
#include "tests/support/check.h"
#include "tests/support/simworld.h"

#define SCHEDULE_BYTES 512
#define DEFAULT_ODDS   4 /* one choice in so many is not the default */

static void options_of(const struct playstage *stage, struct options *o)
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

struct watched_play {
    struct simworld *world;
    struct play play;
};

/* An OK under `always` promises that the group is safe; after a crash the assert begins
 * anew. */
static void watch_event(void *arg, enum play_event event, size_t group)
{
    struct watched_play *p = arg;
    (void)group;
    if (event == PLAY_CRASHED) order_watch_restart(&p->world->watch);
    if (event == PLAY_ACKED && p->play.options.sync == SYNC_ALWAYS)
        order_watch_acknowledge(&p->world->watch);
}

/* Plays and finishes the tape in a world that is there. */
static void play_in(struct simworld *w, const struct playstage *stage,
                    const uint8_t *tape, size_t size, char problem[PLAYSTAGE_PROBLEM])
{
    struct options o;
    options_of(stage, &o);
    struct watched_play p = {.world = w};
    struct play_world pw = {.env = w->env,
                            .sim = w->sim,
                            .clock = &w->clock,
                            .dir = SIMWORLD_STORE,
                            .event = watch_event,
                            .event_arg = &p};
    play_init(&p.play, &pw, &o);
    play_tape(&p.play, tape, size);
    play_finish(&p.play);
    snprintf(problem, PLAYSTAGE_PROBLEM, "%s",
             p.play.problem[0] ? p.play.problem : w->disorder);
    play_deinit(&p.play);
    w->disorder[0] = 0; /* told already */
    bool leak = w->mem.blocks != 0;
    if (leak && !*problem)
        snprintf(problem, PLAYSTAGE_PROBLEM, "%ld blocks leak", w->mem.blocks);
    w->mem.blocks = 0; /* told already */
}

bool playstage_run(const struct playstage *stage, const uint8_t *tape, size_t size,
                   char problem[PLAYSTAGE_PROBLEM])
{
    struct simworld_options wo;
    struct simworld w;
    uint8_t choices[SCHEDULE_BYTES];
    simworld_options_init(&wo);
    wo.coroutines = stage->coroutines;
    wo.disk.chunk_bytes = stage->usual ? 4096 : 64;
    simworld_init(&w, &wo);
    if (stage->coroutines) {
        struct rng rng;
        rng_init(&rng, stage->schedule);
        for (size_t i = 0; i < sizeof choices; i++)
            choices[i] = rng_below(&rng, DEFAULT_ODDS) ? 0 : (uint8_t)rng_next(&rng);
        sched_coroutine_follow(w.sched, choices, sizeof choices);
    }
    play_in(&w, stage, tape, size, problem);
    simworld_deinit(&w);
    return !*problem;
}

void playstage_follow(const struct playstage *stage, const uint8_t *choices, size_t count,
                      const uint8_t *tape, size_t size, struct playstage_result *out)
{
    struct simworld_options wo;
    struct simworld w;
    simworld_options_init(&wo);
    wo.coroutines = wo.trace = true;
    wo.disk.chunk_bytes = stage->usual ? 4096 : 64;
    simworld_init(&w, &wo);
    sched_coroutine_follow(w.sched, choices, count);
    play_in(&w, stage, tape, size, out->problem);
    const struct switch_point *points = sched_coroutine_points(w.sched, &out->count);
    size_t n = out->count < PLAYSTAGE_POINTS ? out->count : PLAYSTAGE_POINTS;
    if (n) memcpy(out->points, points, n * sizeof *points);
    out->trace = disk_trace_hash(w.trace);
    out->calls = disk_trace_count(w.trace);
    simworld_deinit(&w);
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static unsigned count_distinct(uint64_t *hashes, unsigned n)
{
    unsigned distinct = 0;
    qsort(hashes, n, sizeof *hashes, compare_hashes);
    for (unsigned i = 0; i < n; i++)
        distinct += i == 0 || hashes[i] != hashes[i - 1];
    return distinct;
}

bool playstage_schedules(const struct playstage *stage, const uint8_t *tape, size_t size,
                         unsigned preemptions, unsigned limit,
                         struct playstage_census *census, struct playstage_result *last)
{
    uint8_t choices[PLAYSTAGE_POINTS];
    size_t length = 0;
    bool more = true;
    uint64_t *hashes = malloc(limit * sizeof *hashes);
    REQUIRE(hashes != NULL);
    *census = (struct playstage_census){0};
    while (more && census->schedules < limit) {
        playstage_follow(stage, choices, length, tape, size, last);
        hashes[census->schedules++] = last->trace;
        if (*last->problem) break;
        REQUIRE(last->count <= PLAYSTAGE_POINTS);
        more = schedule_next(last->points, last->count, preemptions, choices, &length);
    }
    census->complete = !more;
    census->distinct = count_distinct(hashes, census->schedules);
    free(hashes);
    return !*last->problem;
}

static bool still_fails(void *arg, const uint8_t *tape, size_t size)
{
    char problem[PLAYSTAGE_PROBLEM];
    return !playstage_run(arg, tape, size, problem);
}

/* A stage as the number that a token carries, and back. */
static uint32_t setup_of(const struct playstage *stage)
{
    return (uint32_t)stage->policy | (uint32_t)stage->coroutines << 2 |
           (uint32_t)stage->usual << 3;
}

static struct playstage stage_of(const struct token *t)
{
    return (struct playstage){.policy = (enum sync_policy)(t->setup % 4 % 3),
                              .coroutines = t->setup >> 2 & 1,
                              .usual = t->setup >> 3 & 1,
                              .schedule = t->place};
}

static void print_tape(const uint8_t *tape, size_t size, const char *after_each)
{
    char text[TAPE_OP_TEXT];
    struct tape_reader r;
    struct tape_op op;
    tape_read(&r, tape, size);
    while (tape_next(&r, &op)) {
        tape_text(&op, text, sizeof text);
        printf("%s%s", text, after_each);
    }
}

void playstage_report(const struct playstage *stage, uint64_t seed, uint8_t *tape,
                      size_t size)
{
    static struct token token;
    char problem[PLAYSTAGE_PROBLEM], word[TOKEN_TEXT_MAX + 1] = "(too long)";
    size =
        shrink_tape(tape, size, SHRINK_ATTEMPTS, still_fails, (void *)(uintptr_t)stage);
    playstage_run(stage, tape, size, problem);
    token = (struct token){
        .setup = setup_of(stage), .place = stage->schedule, .tape_size = size};
    memcpy(token.tape, tape, size);
    token_print(&token, word);
    printf("  seed %llu: %s\n  token %s\n  ", (unsigned long long)seed, problem, word);
    print_tape(tape, size, "; ");
    printf("\n");
}

bool playstage_replay(const char *word, bool *known)
{
    static struct token token;
    char problem[PLAYSTAGE_PROBLEM];
    *known = token_parse(word, &token);
    if (!*known) return false;
    struct playstage stage = stage_of(&token);
    static const char *const policies[] = {"always", "everysec", "no"};
    printf("policy %s, %s geometry, jobs %s\n", policies[stage.policy],
           stage.usual ? "usual" : "tiny", stage.coroutines ? "scheduled" : "inline");
    print_tape(token.tape, token.tape_size, "\n");
    bool fine = playstage_run(&stage, token.tape, token.tape_size, problem);
    printf("%s\n", fine ? "ends well" : problem);
    return fine;
}

/* Sanitizers make runs some ten times slower; they get a tenth of the tapes. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TAPES_DIVISOR 10
#else
#define TAPES_DIVISOR 1
#endif

int playstage_random(struct playstage stage, uint64_t seed, unsigned count,
                     size_t operations)
{
    count = (count + TAPES_DIVISOR - 1) / TAPES_DIVISOR;
    uint8_t tape[TOKEN_TAPE_BYTES];
    char problem[PLAYSTAGE_PROBLEM];
    int failed = 0;
    printf("     seeds %llu to %llu, policy %d\n", (unsigned long long)seed,
           (unsigned long long)(seed + count - 1), (int)stage.policy);
    for (unsigned i = 0; i < count && failed < 3; i++, seed++) {
        size_t size = tape_random(seed, operations, tape, sizeof tape);
        stage.schedule = seed;
        if (playstage_run(&stage, tape, size, problem)) continue;
        failed++;
        playstage_report(&stage, seed, tape, size);
    }
    return failed;
}
