/* Jobs that run inside sched_submit: the simplest schedule there is. The owner still sees
 * a result only when it reaps it, in the order of submission, so code that works here
 * cannot come to rely on a job's effects at the time of submission. */
#include "fault/sched.h"

#include <assert.h>
#include <stddef.h>

struct sched_inline {
    struct sched sched;
    struct mem *mem;
    struct job *first; /* finished and not reaped, oldest first */
    struct job **last; /* where the next finished one is hung */
};

static void inline_submit(struct sched *sched, struct job *job)
{
    struct sched_inline *s = (struct sched_inline *)sched;
    assert(job->class < JOB_CLASSES);
    job->next = NULL;
    job->run(job);
    *s->last = job;
    s->last = &job->next;
}

static struct job *inline_reap(struct sched *sched)
{
    struct sched_inline *s = (struct sched_inline *)sched;
    struct job *job = s->first;
    if (!job) return NULL;
    s->first = job->next;
    if (!s->first) s->last = &s->first;
    job->next = NULL;
    return job;
}

static void inline_wait(struct sched *sched, int timeout_ms)
{
    (void)timeout_ms;
    (void)sched; /* nothing runs between two calls */
}

static void inline_yield(struct sched *sched)
{
    (void)sched;
}

static int inline_poll_fd(struct sched *sched)
{
    (void)sched;
    return -1;
}

static void inline_free(struct sched *sched)
{
    struct sched_inline *s = (struct sched_inline *)sched;
    assert(!s->first);
    mem_free(s->mem, s);
}

struct sched *sched_inline_new(struct mem *mem)
{
    struct sched_inline *s = mem_alloc(mem, sizeof *s);
    if (!s) return NULL;
    *s = (struct sched_inline){
        .sched = {inline_submit, inline_reap, inline_wait, inline_yield, inline_poll_fd,
                  inline_free},
        .mem = mem,
        .last = &s->first,
    };
    return &s->sched;
}
