#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

#include "fault/rng.h"
#include "fault/sched_coroutine.h"

#define JOURNAL_MAX 64

/* Actors that write their letter, with a switch point before each. */
struct stage {
    struct mem_counting mem;
    struct sched *sched;
    char journal[JOURNAL_MAX];
    size_t length;
};

struct actor {
    struct job job;
    struct stage *stage;
    char letter;
    int steps;
};

static void note(struct stage *st, char letter)
{
    if (st->length + 1 < JOURNAL_MAX) st->journal[st->length++] = letter;
    st->journal[st->length] = 0;
}

static void act(struct job *job)
{
    struct actor *a = (struct actor *)job;
    for (int i = 0; i < a->steps; i++) {
        sched_yield_point(a->stage->sched);
        note(a->stage, a->letter);
    }
}

static void stage_init(struct stage *st, const struct coroutine_options *options)
{
    memset(st, 0, sizeof *st);
    mem_counting_init(&st->mem, mem_libc());
    st->sched = sched_coroutine_new(&st->mem.mem, options);
    REQUIRE(st->sched != NULL);
}

static void stage_deinit(struct stage *st)
{
    sched_free(st->sched);
    CHECK_INT(st->mem.blocks, 0);
}

static struct actor actor_of(struct stage *st, char letter, int steps)
{
    return (struct actor){.job = {.run = act, .class = JOB_FLUSH},
                          .stage = st,
                          .letter = letter,
                          .steps = steps};
}

static int reap_all(struct stage *st)
{
    int n = 0;
    for (;;) {
        sched_wait(st->sched);
        if (!sched_reap(st->sched)) return n;
        n++;
    }
}

/* Two jobs of two steps while the owner (O) takes one step and then waits for all. */
static void play(struct stage *st, const uint8_t *choices, size_t count)
{
    struct actor a = actor_of(st, 'a', 2), b = actor_of(st, 'b', 2);
    st->length = 0;
    sched_coroutine_follow(st->sched, choices, count);
    sched_submit(st->sched, &a.job);
    sched_submit(st->sched, &b.job);
    sched_yield_point(st->sched);
    note(st, 'O');
    CHECK_INT(reap_all(st), 2);
}

static void by_default_the_running_one_keeps_running(void)
{
    struct stage st;
    stage_init(&st, NULL);

    play(&st, NULL, 0);

    CHECK_TEXT(st.journal, "Oaabb");
    stage_deinit(&st);
}

static void a_choice_lets_another_one_go_on(void)
{
    struct stage st;
    stage_init(&st, NULL);

    play(&st, (uint8_t[]){1}, 1); /* the first job instead of the owner */
    CHECK_TEXT(st.journal, "aaObb");
    play(&st, (uint8_t[]){2, 2}, 2); /* the second job, then the first */
    CHECK_TEXT(st.journal, "aaObb");
    play(&st, (uint8_t[]){2, 0, 2}, 3); /* the second, one step of it, then the first */
    CHECK_TEXT(st.journal, "baaOb");

    stage_deinit(&st);
}

static void points_tell_who_went_on_and_what_else_could(void)
{
    struct stage st;
    stage_init(&st, NULL);
    play(&st, (uint8_t[]){1}, 1);
    size_t count;
    const struct switch_point *p = sched_coroutine_points(st.sched, &count);

    /* the owner's step, two steps of a, the end of a, then the owner waits alone for b */
    REQUIRE(count >= 4);
    CHECK_INT(p[0].alternatives, 3);
    CHECK_INT(p[0].choice, 1);
    CHECK(p[0].preempting);
    CHECK(p[0].actor != 0 && p[1].actor == p[0].actor);
    CHECK_INT(p[3].alternatives, 2);
    CHECK(!p[3].preempting);
    CHECK_INT(p[3].actor, 0);
    stage_deinit(&st);
}

static void the_same_choices_give_the_same_run(void)
{
    struct stage st;
    stage_init(&st, NULL);
    struct rng rng;
    rng_init(&rng, 11);

    for (int round = 0; round < 200; round++) {
        uint8_t choices[12];
        for (size_t i = 0; i < sizeof choices; i++)
            choices[i] = (uint8_t)rng_next(&rng);
        play(&st, choices, sizeof choices);
        char first[JOURNAL_MAX];
        memcpy(first, st.journal, sizeof first);
        uint64_t hash = sched_coroutine_hash(st.sched);
        play(&st, choices, sizeof choices);
        CHECK_TEXT(st.journal, first);
        CHECK(sched_coroutine_hash(st.sched) == hash);
    }
    stage_deinit(&st);
}

/* All orders of "O", "aa" and "bb" that keep each one's own order: 5!/(2! 2!) = 30. */
static void all_schedules_give_all_interleavings_once(void)
{
    struct stage st;
    stage_init(&st, NULL);
    char seen[64][JOURNAL_MAX];
    int distinct = 0, runs = 0;
    uint8_t choices[32];
    size_t length = 0, count;
    const struct switch_point *p;

    do {
        play(&st, choices, length);
        runs++;
        int i = 0;
        while (i < distinct && strcmp(seen[i], st.journal))
            i++;
        if (i == distinct) memcpy(seen[distinct++], st.journal, JOURNAL_MAX);
        p = sched_coroutine_points(st.sched, &count);
        REQUIRE(count <= sizeof choices);
    } while (schedule_next(p, count, 99, choices, &length));

    CHECK_INT(distinct, 30);
    CHECK(runs >= 30);
    stage_deinit(&st);
}

/* Without preemptions a job runs to its end; who comes next is still open. */
static void the_bound_on_preemptions_is_kept(void)
{
    for (unsigned bound = 0; bound <= 2; bound++) {
        struct stage st;
        stage_init(&st, NULL);
        uint8_t choices[32];
        size_t length = 0, count;
        const struct switch_point *p;
        int runs = 0;
        do {
            play(&st, choices, length);
            runs++;
            p = sched_coroutine_points(st.sched, &count);
            unsigned preemptions = 0;
            for (size_t i = 0; i < count; i++)
                preemptions += p[i].preempting && p[i].choice;
            CHECK(preemptions <= bound);
            if (bound == 0) CHECK(!strncmp(st.journal, "O", 1));
        } while (schedule_next(p, count, bound, choices, &length));
        if (bound == 0) CHECK_INT(runs, 4); /* which job first x the owner in between */
        stage_deinit(&st);
    }
}

static void jobs_beyond_the_stacks_wait_for_one(void)
{
    struct stage st;
    stage_init(&st, &(struct coroutine_options){.coroutines = 2, .stack_bytes = 65536});
    struct actor actors[9];
    for (int i = 0; i < 9; i++) {
        actors[i] = actor_of(&st, (char)('a' + i), 1);
        sched_submit(st.sched, &actors[i].job);
    }

    CHECK_INT(reap_all(&st), 9);
    CHECK_TEXT(st.journal, "abcdefghi");
    stage_deinit(&st);
}

static void nothing_runs_before_the_owner_lets_it(void)
{
    struct stage st;
    stage_init(&st, NULL);
    struct actor a = actor_of(&st, 'a', 1);
    sched_submit(st.sched, &a.job);

    CHECK(sched_reap(st.sched) == NULL);
    CHECK_TEXT(st.journal, "");
    sched_wait(st.sched);
    CHECK(sched_reap(st.sched) == &a.job);
    sched_wait(st.sched); /* nothing runs: returns at once */
    stage_deinit(&st);
}

static void a_power_cut_leaves_jobs_where_they_are(void)
{
    struct stage st;
    stage_init(&st, NULL);
    struct actor a = actor_of(&st, 'a', 5), b = actor_of(&st, 'b', 1);
    sched_coroutine_follow(st.sched, (uint8_t[]){1, 0, 1}, 3);
    sched_submit(st.sched, &a.job);
    sched_submit(st.sched, &b.job);
    sched_yield_point(st.sched); /* a takes one step, then the owner is preferred */
    CHECK_TEXT(st.journal, "a");

    sched_coroutine_abandon(st.sched);
    sched_wait(st.sched);
    CHECK(sched_reap(st.sched) == NULL);

    struct actor c = actor_of(&st, 'c', 2);
    sched_submit(st.sched, &c.job);
    CHECK_INT(reap_all(&st), 1);
    CHECK_TEXT(st.journal, "acc");
    stage_deinit(&st);
}

/* A job that is asked who runs, from within. */
struct who {
    struct job job;
    struct sched *sched;
    uint32_t actor;
};

static void ask_who(struct job *job)
{
    struct who *w = (struct who *)job;
    w->actor = sched_coroutine_actor(w->sched);
}

static void actors_are_numbered_as_submitted(void)
{
    struct stage st;
    stage_init(&st, NULL);
    struct who who[3];
    for (int i = 0; i < 3; i++) {
        who[i] =
            (struct who){.job = {.run = ask_who, .class = JOB_SYNC}, .sched = st.sched};
        sched_submit(st.sched, &who[i].job);
    }
    CHECK_INT(reap_all(&st), 3);

    CHECK_INT(sched_coroutine_actor(st.sched), 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(who[i].actor, i + 1);
    stage_deinit(&st);
}

/* 64 KiB of the stack are really there, and are used again by the next job. */
static void use_stack(struct job *job)
{
    struct actor *a = (struct actor *)job;
    volatile uint8_t deep[48 * 1024];
    for (size_t i = 0; i < sizeof deep; i++)
        deep[i] = (uint8_t)i;
    sched_yield_point(a->stage->sched);
    for (size_t i = 0; i < sizeof deep; i++)
        REQUIRE(deep[i] == (uint8_t)i);
    note(a->stage, a->letter);
}

static void stacks_are_deep_and_used_again(void)
{
    struct stage st;
    stage_init(&st, &(struct coroutine_options){.coroutines = 2, .stack_bytes = 65536});
    for (int i = 0; i < 100; i++) {
        struct actor a = actor_of(&st, 'a', 0), b = actor_of(&st, 'b', 0);
        a.job.run = b.job.run = use_stack;
        st.length = 0;
        sched_coroutine_follow(st.sched, (uint8_t[]){0, 1, 1}, 3);
        sched_submit(st.sched, &a.job);
        sched_submit(st.sched, &b.job);
        CHECK_INT(reap_all(&st), 2);
    }
    CHECK_INT(strlen(st.journal), 2);
    stage_deinit(&st);
}

static void no_memory_makes_no_scheduler_and_no_leak(void)
{
    for (long k = 1;; k++) {
        struct mem_counting mem;
        mem_counting_init(&mem, mem_libc());
        mem.fail_at = k;
        struct sched *s = sched_coroutine_new(&mem.mem, NULL);
        if (s) sched_free(s);
        CHECK_INT(mem.blocks, 0);
        if (s) break;
    }
}

CU_TestInfo fault_sched_coroutine_tests[] = {
    {"by_default_the_running_one_keeps_running",
     by_default_the_running_one_keeps_running},
    {"a_choice_lets_another_one_go_on", a_choice_lets_another_one_go_on},
    {"points_tell_who_went_on_and_what_else_could",
     points_tell_who_went_on_and_what_else_could},
    {"the_same_choices_give_the_same_run", the_same_choices_give_the_same_run},
    {"all_schedules_give_all_interleavings_once",
     all_schedules_give_all_interleavings_once},
    {"the_bound_on_preemptions_is_kept", the_bound_on_preemptions_is_kept},
    {"jobs_beyond_the_stacks_wait_for_one", jobs_beyond_the_stacks_wait_for_one},
    {"nothing_runs_before_the_owner_lets_it", nothing_runs_before_the_owner_lets_it},
    {"a_power_cut_leaves_jobs_where_they_are", a_power_cut_leaves_jobs_where_they_are},
    {"actors_are_numbered_as_submitted", actors_are_numbered_as_submitted},
    {"stacks_are_deep_and_used_again", stacks_are_deep_and_used_again},
    {"no_memory_makes_no_scheduler_and_no_leak",
     no_memory_makes_no_scheduler_and_no_leak},
    CU_TEST_INFO_NULL,
};
