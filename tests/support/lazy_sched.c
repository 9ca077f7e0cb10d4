#include "tests/support/lazy_sched.h"

#include <stddef.h>

void job_append(struct job **list, struct job *job)
{
    while (*list)
        list = &(*list)->next;
    job->next = NULL;
    *list = job;
}

void lazy_sched_run(struct lazy_sched *s)
{
    while (s->waiting) {
        struct job *job = s->waiting;
        s->waiting = job->next;
        job->run(job);
        job_append(&s->done, job);
    }
}

void lazy_sched_submit(struct sched *sched, struct job *job)
{
    struct lazy_sched *s = (struct lazy_sched *)sched;
    if (s->held & 1u << job->class) {
        job_append(&s->waiting, job);
        return;
    }
    job->run(job);
    job_append(&s->done, job);
}

static struct job *lazy_reap(struct sched *sched)
{
    struct lazy_sched *s = (struct lazy_sched *)sched;
    struct job *job = s->done;
    if (job) s->done = job->next;
    return job;
}

static void lazy_wait(struct sched *sched, int timeout_ms)
{
    struct lazy_sched *s = (struct lazy_sched *)sched;
    if (timeout_ms >= 0 || s->done) return;
    s->waits++;
    lazy_sched_run(s);
}

static void lazy_yield(struct sched *sched)
{
    (void)sched;
}

static int lazy_poll_fd(struct sched *sched)
{
    (void)sched;
    return -1;
}

static void lazy_free(struct sched *sched)
{
    (void)sched;
}

void lazy_sched_init(struct lazy_sched *s)
{
    *s = (struct lazy_sched){.sched = {lazy_sched_submit, lazy_reap, lazy_wait,
                                       lazy_yield, lazy_poll_fd, lazy_free}};
}
