/* sched_coroutine.c - see sched_coroutine.h.
 *
 * Built on ucontext: slow beside hand-written switching (each swapcontext is a system
 * call for the signal mask), but portable and understood by every tool. Explorers
 * therefore run jobs inline wherever the interleaving is not the question.
 *
 *   fibers: [0] the owner, on the thread's own stack; [1..n] coroutines with a stack each
 *   live:   fibers with a job, in the order of submission
 *   queued: jobs for which no fiber is free, oldest first
 *   done:   jobs that have ended, oldest first
 *
 * A job that ends stands on its own stack until the switch away is over, so its fiber is
 * freed by whoever comes next (fiber_arrive), never by itself.
 */
#include "fault/sched_coroutine.h"

#include <assert.h>
#include <string.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define FIBERS_ANNOTATED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBERS_ANNOTATED 1
#endif
#endif

#ifdef FIBERS_ANNOTATED
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_BYTES_DEFAULT 262144u
#define STACK_BYTES_MIN     16384u
#define COROUTINES_DEFAULT  8u
#define COROUTINES_MAX      128u
#define POINTS_DEFAULT      4096u
#define DONE_MAX            128u /* ended jobs that wait to be reaped, by number */
#define CANARY_BYTES        64u
#define CANARY              0xC5

struct fiber {
    ucontext_t context;
    struct job *job; /* NULL: free (the owner's is always NULL) */
    uint32_t actor;  /* 0: the owner */
    uint8_t *stack;  /* lowest byte */
    size_t stack_bytes;
    void *fake_stack; /* AddressSanitizer's, while switched away */
};

struct queue {
    struct job *first;
    struct job **last;
};

struct sched_coroutine {
    struct sched sched;
    struct mem *mem;
    struct fiber *fibers; /* [0] is the owner's */
    size_t fiber_count;
    struct fiber *current;
    struct fiber *previous; /* who switched to the current one */
    struct fiber *ended;    /* whose job has ended and whose stack may still be in use */
    struct fiber **live;    /* fibers with a job, oldest first */
    size_t live_count;
    struct queue queued, done;
    bool owner_waits; /* the owner goes on only when `done` has something */
    uint32_t started; /* jobs that got a fiber so far, in the order of submission */
    uint32_t done_actors[DONE_MAX]; /* ring: those of `done`, from number `reaped` on */
    uint32_t ended_count, reaped_count;

    uint64_t (*progress)(void *arg);
    void *progress_arg;
    const uint8_t *choices;
    size_t choice_count;
    struct switch_point *points;
    size_t points_size;
    size_t point_count;
    uint64_t hash;
};

static struct sched_coroutine *coroutine_of(const struct sched *sched)
{
    return (struct sched_coroutine *)(uintptr_t)sched;
}

static void queue_init(struct queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

static void queue_push(struct queue *q, struct job *job)
{
    job->next = NULL;
    *q->last = job;
    q->last = &job->next;
}

static struct job *queue_pop(struct queue *q)
{
    struct job *job = q->first;
    if (!job) return NULL;
    q->first = job->next;
    if (!q->first) q->last = &q->first;
    job->next = NULL;
    return job;
}

/* ---- switching ---- */

static void canary_check(const struct fiber *f)
{
    if (f->actor == 0) return; /* the thread's own stack is guarded by the system */
    for (size_t i = 0; i < CANARY_BYTES; i++)
        assert(f->stack[i] == CANARY && "a coroutine has overrun its stack");
}

static void coroutine_start(struct sched_coroutine *s, struct job *job);

/* The first act on a stack that was switched to. */
static void fiber_arrive(struct sched_coroutine *s)
{
#ifdef FIBERS_ANNOTATED
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(s->current->fake_stack, &bottom, &size);
    if (s->previous == s->fibers) { /* this is how the thread's own stack becomes known */
        s->previous->stack = (uint8_t *)(uintptr_t)bottom;
        s->previous->stack_bytes = size;
    }
#endif
    if (!s->ended) return;
    s->ended->job = NULL;
    s->ended = NULL;
    if (s->queued.first) coroutine_start(s, queue_pop(&s->queued));
}

static void fiber_switch(struct sched_coroutine *s, struct fiber *to)
{
    struct fiber *from = s->current;
    assert(from != to);
    canary_check(from);
    s->previous = from;
    s->current = to;
#ifdef FIBERS_ANNOTATED
    __sanitizer_start_switch_fiber(s->ended == from ? NULL : &from->fake_stack, to->stack,
                                   to->stack_bytes);
#endif
    swapcontext(&from->context, &to->context);
    fiber_arrive(s);
}

/* ---- choosing ---- */

static uint64_t hash_mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ (hash >> 29);
}

static void point_record(struct sched_coroutine *s, const struct switch_point *p)
{
    if (s->point_count < s->points_size) s->points[s->point_count] = *p;
    s->point_count++;
    s->hash = hash_mix(s->hash, (uint64_t)p->actor << 32 | (uint64_t)p->preempting << 16 |
                                    (uint64_t)p->alternatives << 8 | p->choice);
}

static bool fiber_can_run(const struct sched_coroutine *s, const struct fiber *f)
{
    if (f == s->ended) return false;
    if (f == s->fibers) return !s->owner_waits || s->done.first;
    return f->job != NULL;
}

/* What decides the future: who could go on, whose results wait to be reaped, and what
 * everybody has done. */
static uint64_t state_hash(const struct sched_coroutine *s,
                           struct fiber *const *candidates, size_t n, bool preempting)
{
    uint64_t hash = hash_mix(1, s->progress ? s->progress(s->progress_arg) : 0);
    hash = hash_mix(hash, (uint64_t)n << 1 | preempting);
    for (size_t i = 0; i < n; i++)
        hash = hash_mix(hash, candidates[i]->actor);
    for (uint32_t i = s->reaped_count; i != s->ended_count; i++)
        hash = hash_mix(hash, s->done_actors[i % DONE_MAX]);
    return hash;
}

/* Lets the schedule choose who goes on, and switches there. Returns when the caller's
 * turn comes again. */
static void choose(struct sched_coroutine *s)
{
    struct fiber *candidates[COROUTINES_MAX + 1];
    size_t n = 0;
    bool preempting = fiber_can_run(s, s->current);
    if (preempting) candidates[n++] = s->current;
    if (s->current != s->fibers && fiber_can_run(s, s->fibers))
        candidates[n++] = s->fibers;
    for (size_t i = 0; i < s->live_count; i++)
        if (s->live[i] != s->current && fiber_can_run(s, s->live[i]))
            candidates[n++] = s->live[i];
    assert(n > 0);

    size_t choice = 0;
    if (n > 1) {
        if (s->point_count < s->choice_count) choice = s->choices[s->point_count] % n;
        point_record(s, &(struct switch_point){(uint8_t)choice, (uint8_t)n, preempting,
                                               candidates[choice]->actor,
                                               state_hash(s, candidates, n, preempting)});
    }
    if (candidates[choice] != s->current) fiber_switch(s, candidates[choice]);
}

/* ---- coroutines ---- */

static void live_remove(struct sched_coroutine *s, const struct fiber *f)
{
    size_t i = 0;
    while (s->live[i] != f)
        i++;
    s->live_count--;
    memmove(s->live + i, s->live + i + 1, (s->live_count - i) * sizeof *s->live);
}

/* makecontext passes ints only: the pointer comes in two halves. */
static void fiber_main(unsigned high, unsigned low)
{
    struct sched_coroutine *s =
        (struct sched_coroutine *)((uintptr_t)high << 32 | (uintptr_t)low);
    fiber_arrive(s);
    struct fiber *self = s->current;

    self->job->run(self->job);

    queue_push(&s->done, self->job);
    s->done_actors[s->ended_count++ % DONE_MAX] = self->actor;
    assert(s->ended_count - s->reaped_count <= DONE_MAX);
    live_remove(s, self);
    s->ended = self;
    choose(s); /* the owner at least can go on: something is done */
    assert(false && "a coroutine that has ended was switched to");
}

static struct fiber *fiber_free(struct sched_coroutine *s)
{
    for (size_t i = 1; i < s->fiber_count; i++)
        if (!s->fibers[i].job) return &s->fibers[i];
    return NULL;
}

/* Gives the job a stack, or a place in the queue. It begins when it is chosen. */
static void coroutine_start(struct sched_coroutine *s, struct job *job)
{
    struct fiber *f = fiber_free(s);
    if (!f) {
        queue_push(&s->queued, job);
        return;
    }
#ifdef FIBERS_ANNOTATED
    __asan_unpoison_memory_region(f->stack, f->stack_bytes); /* of its last job */
#endif
    memset(f->stack, CANARY, CANARY_BYTES);
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = f->stack_bytes;
    f->context.uc_link = NULL;
    makecontext(&f->context, (void (*)(void))fiber_main, 2,
                (unsigned)((uint64_t)(uintptr_t)s >> 32), (unsigned)(uintptr_t)s);
#ifdef FIBERS_ANNOTATED
    /* Else swapcontext forgets at each switch what it knows of the whole stack. */
    f->context.uc_stack.ss_size = 0;
#endif
    f->fake_stack = NULL;
    f->job = job;
    f->actor = ++s->started;
    s->live[s->live_count++] = f;
}

/* ---- struct sched ---- */

static void coroutine_submit(struct sched *sched, struct job *job)
{
    assert(job->class < JOB_CLASSES);
    coroutine_start(coroutine_of(sched), job);
}

static struct job *coroutine_reap(struct sched *sched)
{
    struct sched_coroutine *s = coroutine_of(sched);
    struct job *job = queue_pop(&s->done);
    if (job) s->reaped_count++;
    return job;
}

static void coroutine_wait(struct sched *sched, int timeout_ms)
{
    struct sched_coroutine *s = coroutine_of(sched);
    assert(s->current == s->fibers && "only the owner waits");
    if (s->done.first || s->live_count == 0) return;
    if (timeout_ms >= 0) {
        choose(s); /* time may pass, or not: the schedule decides */
        return;
    }
    s->owner_waits = true;
    choose(s);
    s->owner_waits = false;
}

static void coroutine_yield(struct sched *sched)
{
    struct sched_coroutine *s = coroutine_of(sched);
    if (s->live_count) choose(s);
}

static int coroutine_poll_fd(struct sched *sched)
{
    (void)sched;
    return -1;
}

/* Whoever gets the memory next finds none of it poisoned by frames that were left. */
static void stack_free(struct mem *mem, struct fiber *f)
{
#ifdef FIBERS_ANNOTATED
    if (f->stack) __asan_unpoison_memory_region(f->stack, f->stack_bytes);
#endif
    mem_free(mem, f->stack);
}

static void coroutine_free(struct sched *sched)
{
    struct sched_coroutine *s = coroutine_of(sched);
    assert(s->current == s->fibers);
    assert(s->live_count == 0 && !s->queued.first && !s->done.first);
    for (size_t i = 1; i < s->fiber_count; i++)
        stack_free(s->mem, &s->fibers[i]);
    mem_free(s->mem, s->fibers);
    mem_free(s->mem, s->live);
    mem_free(s->mem, s->points);
    mem_free(s->mem, s);
}

/* ---- making and driving one ---- */

/* False without memory: then what was got is freed by coroutine_free. */
static bool fibers_alloc(struct sched_coroutine *s, const struct coroutine_options *o)
{
    size_t n = o->coroutines ? o->coroutines : COROUTINES_DEFAULT;
    size_t stack_bytes = o->stack_bytes ? o->stack_bytes : STACK_BYTES_DEFAULT;
    assert(n <= COROUTINES_MAX && stack_bytes >= STACK_BYTES_MIN);
    s->fibers = mem_zalloc(s->mem, (n + 1) * sizeof *s->fibers);
    if (!s->fibers) return false;
    s->current = s->fibers;
    s->fiber_count = n + 1;
    for (size_t i = 1; i <= n; i++) {
        s->fibers[i].stack = mem_alloc(s->mem, stack_bytes);
        s->fibers[i].stack_bytes = stack_bytes;
        if (!s->fibers[i].stack) return false;
    }
    s->live = mem_alloc(s->mem, n * sizeof(struct fiber *));
    s->points_size = o->points ? o->points : POINTS_DEFAULT;
    s->progress = o->progress;
    s->progress_arg = o->progress_arg;
    s->points = mem_alloc(s->mem, s->points_size * sizeof *s->points);
    return s->live && s->points;
}

struct sched *sched_coroutine_new(struct mem *mem,
                                  const struct coroutine_options *options)
{
    struct coroutine_options defaults = {0};
    struct sched_coroutine *s = mem_zalloc(mem, sizeof *s);
    if (!s) return NULL;
    s->sched = (struct sched){coroutine_submit, coroutine_reap,    coroutine_wait,
                              coroutine_yield,  coroutine_poll_fd, coroutine_free};
    s->mem = mem;
    queue_init(&s->queued);
    queue_init(&s->done);
    if (!fibers_alloc(s, options ? options : &defaults)) {
        coroutine_free(&s->sched);
        return NULL;
    }
    return &s->sched;
}

void sched_coroutine_follow(struct sched *sched, const uint8_t *choices, size_t count)
{
    struct sched_coroutine *s = coroutine_of(sched);
    s->choices = choices;
    s->choice_count = count;
    s->point_count = 0;
    s->hash = 0;
    if (s->live_count == 0) s->started = 0;
}

const struct switch_point *sched_coroutine_points(const struct sched *sched,
                                                  size_t *count)
{
    *count = coroutine_of(sched)->point_count;
    return coroutine_of(sched)->points;
}

uint64_t sched_coroutine_hash(const struct sched *sched)
{
    return coroutine_of(sched)->hash;
}

uint32_t sched_coroutine_actor(const struct sched *sched)
{
    return coroutine_of(sched)->current->actor;
}

void sched_coroutine_abandon(struct sched *sched)
{
    struct sched_coroutine *s = coroutine_of(sched);
    assert(s->current == s->fibers && "only the owner gives up the jobs");
    for (size_t i = 1; i < s->fiber_count; i++)
        s->fibers[i].job = NULL;
    s->live_count = 0;
    queue_init(&s->queued);
    queue_init(&s->done);
    s->reaped_count = s->ended_count;
}

/* ---- walking the schedules ---- */

bool schedule_next(const struct switch_point *points, size_t count, unsigned preemptions,
                   uint8_t *choices, size_t *length)
{
    unsigned used = 0; /* preemptions before point i */
    for (size_t i = 0; i < count; i++)
        used += points[i].preempting && points[i].choice;
    for (size_t i = count; i-- > 0;) {
        const struct switch_point *p = &points[i];
        used -= p->preempting && p->choice;
        if (p->choice + 1 >= p->alternatives) continue;
        if (p->preempting && used >= preemptions) continue;
        for (size_t k = 0; k < i; k++)
            choices[k] = points[k].choice;
        choices[i] = (uint8_t)(p->choice + 1);
        *length = i + 1;
        return true;
    }
    return false;
}
