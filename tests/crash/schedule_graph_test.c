#include "tests/crash/schedule_graph.h"

#include <string.h>

#include "tests/support/check.h"

#define STEPS_MAX 8

/* Jobs that count their steps, and share nothing or one list. */
struct stage {
    struct sched *sched;
    unsigned jobs, steps;
    bool share;
    uint64_t list;              /* who took a step, in order */
    unsigned stands[STEPS_MAX]; /* switch points that each has come to, and passed */
};

struct actor {
    struct job job;
    struct stage *stage;
    unsigned number;
};

static uint64_t progress(void *arg)
{
    const struct stage *st = arg;
    uint64_t hash = st->share ? st->list : 0;
    for (unsigned i = 0; i < st->jobs; i++)
        hash = hash * 31 + st->stands[i] + 1;
    return hash;
}

static void act(struct job *job)
{
    struct actor *a = (struct actor *)job;
    for (unsigned i = 0; i < a->stage->steps; i++) {
        a->stage->stands[a->number]++;
        sched_yield_point(a->stage->sched);
        a->stage->list = a->stage->list * 7 + a->number + 1;
        a->stage->stands[a->number]++;
    }
}

/* The owner submits all jobs and waits for the last. */
static void play(struct stage *st, const uint8_t *choices, size_t count)
{
    struct actor actors[STEPS_MAX];
    memset(st->stands, 0, sizeof st->stands);
    st->list = 0;
    sched_coroutine_follow(st->sched, choices, count);
    for (unsigned i = 0; i < st->jobs; i++) {
        actors[i] = (struct actor){{.run = act, .class = JOB_FLUSH}, st, i};
        sched_submit(st->sched, &actors[i].job);
    }
    for (unsigned left = st->jobs; left > 0;) {
        sched_wait(st->sched);
        while (sched_reap(st->sched))
            left--;
    }
}

struct census {
    uint64_t schedules, runs;
};

static struct census walk(struct stage *st, unsigned preemptions, bool merged)
{
    struct coroutine_options o = {.progress = progress, .progress_arg = st};
    struct schedule_graph g;
    struct census c = {0};
    uint8_t choices[64];
    size_t length = 0, count;
    bool more = true;
    st->sched = sched_coroutine_new(mem_libc(), &o);
    schedule_graph_init(&g);
    while (more) {
        play(st, choices, length);
        const struct switch_point *p = sched_coroutine_points(st->sched, &count);
        if (merged) count = schedule_graph_add(&g, p, count, length, preemptions);
        more = schedule_next(p, count, preemptions, choices, &length);
        c.runs++;
    }
    c.schedules = merged ? schedule_graph_count(&g) : c.runs;
    schedule_graph_deinit(&g);
    sched_free(st->sched);
    return c;
}

/* The same number by the rules of sched_coroutine.h alone: no stacks, no list of choices.
 * `left[i]`: steps of job i that remain; a job stands before its first or after its last
 * step once more. The owner waits until something is done, reaps it, waits again. */
struct state {
    unsigned jobs, left[STEPS_MAX], done;
    bool live[STEPS_MAX];
    bool begun[STEPS_MAX];
};

static uint64_t owner_waits(struct state s, unsigned preemptions);

/* Job i goes on: to its next switch point, or to its end. */
static uint64_t job_runs(struct state s, unsigned i, unsigned preemptions)
{
    uint64_t sum = 0;
    if (s.begun[i]) s.left[i]--;
    s.begun[i] = true;
    if (s.left[i] == 0) { /* ends: the owner, or any other job */
        s.live[i] = false;
        s.done++;
        sum = owner_waits(s, preemptions);
    } else {
        sum = job_runs(s, i, preemptions);
        if (preemptions && s.done) sum += owner_waits(s, preemptions - 1);
    }
    bool ended = !s.live[i];
    for (unsigned k = 0; k < s.jobs; k++)
        if (k != i && s.live[k] && (ended || preemptions))
            sum += job_runs(s, k, preemptions - !ended);
    return sum;
}

static uint64_t owner_waits(struct state s, unsigned preemptions)
{
    uint64_t sum = 0, live = 0;
    s.done = 0; /* all that is done is reaped at once */
    for (unsigned k = 0; k < s.jobs; k++)
        live += s.live[k];
    if (live == 0) return 1;
    for (unsigned k = 0; k < s.jobs; k++)
        if (s.live[k]) sum += job_runs(s, k, preemptions);
    return sum;
}

static uint64_t by_the_rules(unsigned jobs, unsigned steps, unsigned preemptions)
{
    struct state s = {.jobs = jobs};
    for (unsigned i = 0; i < jobs; i++) {
        s.left[i] = steps;
        s.live[i] = true;
    }
    return owner_waits(s, preemptions);
}

static void schedules_are_as_many_as_the_rules_say(void)
{
    for (unsigned jobs = 1; jobs <= 3; jobs++)
        for (unsigned steps = 1; steps <= 4; steps++)
            for (unsigned preemptions = 0; preemptions <= 2; preemptions++) {
                struct stage st = {.jobs = jobs, .steps = steps};
                uint64_t want = by_the_rules(jobs, steps, preemptions);
                CHECK_INT(walk(&st, preemptions, false).runs, want);
                CHECK_INT(walk(&st, preemptions, true).schedules, want);
            }
}

static void jobs_that_share_nothing_need_few_runs(void)
{
    struct stage apart = {.jobs = 3, .steps = 4},
                 together = {.jobs = 3, .steps = 4, .share = true};

    struct census a = walk(&apart, 2, true), t = walk(&together, 2, true);

    CHECK_INT(a.schedules, t.schedules);
    CHECK(a.runs < t.runs / 2);
    CHECK(t.runs <= t.schedules);
}

/* Different lists that a walk over all schedules within the bound sees. */
static size_t lists_seen(struct stage *st, unsigned preemptions)
{
    struct coroutine_options o = {.progress = progress, .progress_arg = st};
    struct schedule_graph g;
    uint64_t seen[1024];
    uint8_t choices[64];
    size_t length = 0, count, distinct = 0;
    bool more = true;
    st->sched = sched_coroutine_new(mem_libc(), &o);
    schedule_graph_init(&g);
    while (more) {
        play(st, choices, length);
        const struct switch_point *p = sched_coroutine_points(st->sched, &count);
        count = schedule_graph_add(&g, p, count, length, preemptions);
        more = schedule_next(p, count, preemptions, choices, &length);
        size_t i = 0;
        while (i < distinct && seen[i] != st->list)
            i++;
        if (i == distinct && distinct < 1024) seen[distinct++] = st->list;
    }
    schedule_graph_deinit(&g);
    sched_free(st->sched);
    return distinct;
}

static void what_the_state_tells_is_not_merged(void)
{
    struct stage two = {.jobs = 2, .steps = 3, .share = true};
    struct stage told = {.jobs = 3, .steps = 3, .share = true},
                 untold = {.jobs = 3, .steps = 3};

    CHECK_INT(lists_seen(&two, 99), 20); /* 6! / (3! 3!) */
    CHECK(lists_seen(&untold, 2) < lists_seen(&told, 2));
}

static void half_a_walk_has_no_count(void)
{
    struct stage st = {.jobs = 2, .steps = 2};
    struct coroutine_options o = {.progress = progress, .progress_arg = &st};
    struct schedule_graph g;
    size_t count;
    st.sched = sched_coroutine_new(mem_libc(), &o);
    schedule_graph_init(&g);
    play(&st, NULL, 0);
    const struct switch_point *p = sched_coroutine_points(st.sched, &count);
    schedule_graph_add(&g, p, count, 0, 2);

    CHECK_INT(schedule_graph_count(&g), 0);

    schedule_graph_deinit(&g);
    sched_free(st.sched);
}

CU_TestInfo crash_schedule_graph_tests[] = {
    {"schedules_are_as_many_as_the_rules_say", schedules_are_as_many_as_the_rules_say},
    {"jobs_that_share_nothing_need_few_runs", jobs_that_share_nothing_need_few_runs},
    {"what_the_state_tells_is_not_merged", what_the_state_tells_is_not_merged},
    {"half_a_walk_has_no_count", half_a_walk_has_no_count},
    CU_TEST_INFO_NULL};
