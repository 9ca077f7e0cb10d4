/* playstage.c - see playstage.h. */
#include "tests/support/playstage.h"

#include <stdio.h>
#include <string.h>

#include "proptests/shrink.h"
#include "proptests/token.h"
#include "tests/support/simworld.h"

#define SCHEDULE_BYTES 512
#define DEFAULT_ODDS                                                                     \
    4 /* of so many choices of a random schedule one is not the default */

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

bool playstage_run(const struct playstage *stage, const uint8_t *tape, size_t size,
                   char problem[PLAYSTAGE_PROBLEM])
{
    struct simworld_options wo;
    struct simworld w;
    struct options o;
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
    options_of(stage, &o);
    struct play_world pw = {
        .env = w.env, .sim = w.sim, .clock = &w.clock, .dir = SIMWORLD_STORE};
    struct play p;
    play_init(&p, &pw, &o);
    play_tape(&p, tape, size);
    play_finish(&p);
    snprintf(problem, PLAYSTAGE_PROBLEM, "%s", p.problem);
    play_deinit(&p);
    bool leak = w.mem.blocks != 0;
    if (leak && !*problem)
        snprintf(problem, PLAYSTAGE_PROBLEM, "%ld blocks leak", w.mem.blocks);
    w.mem.blocks = 0; /* told already */
    simworld_deinit(&w);
    return !*problem;
}

static bool still_fails(void *arg, const uint8_t *tape, size_t size)
{
    char problem[PLAYSTAGE_PROBLEM];
    return !playstage_run(arg, tape, size, problem);
}

void playstage_report(const struct playstage *stage, uint64_t seed, uint8_t *tape,
                      size_t size)
{
    struct token token = {.setup = (uint32_t)stage->policy};
    char text[TAPE_OP_TEXT], problem[PLAYSTAGE_PROBLEM],
        word[TOKEN_TEXT_MAX + 1] = "(too long)";
    struct tape_reader r;
    struct tape_op op;
    size =
        shrink_tape(tape, size, SHRINK_ATTEMPTS, still_fails, (void *)(uintptr_t)stage);
    playstage_run(stage, tape, size, problem);
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

int playstage_random(struct playstage stage, uint64_t seed, unsigned count,
                     size_t operations)
{
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
