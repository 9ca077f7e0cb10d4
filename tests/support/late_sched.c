#include "tests/support/late_sched.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned length(const struct job *list)
{
    unsigned n = 0;
    for (; list; list = list->next)
        n++;
    return n;
}

static struct job *take(struct job **list, unsigned i)
{
    while (i-- > 0)
        list = &(*list)->next;
    struct job *job = *list;
    *list = job->next;
    return job;
}

static void append(struct job **list, struct job *job)
{
    while (*list)
        list = &(*list)->next;
    job->next = NULL;
    *list = job;
}

static void lose_patience(struct late_sched *s, const char *what)
{
    if (s->patience-- > 0) return;
    printf("  %s: %s without end\n", s->name, what);
    fflush(stdout);
    abort();
}

bool late_sched_turn(struct late_sched *s)
{
    unsigned waiting = length(s->waiting), all = waiting + length(s->ran);
    if (all == 0) return false;
    unsigned i = (unsigned)rng_below(s->rng, all);
    if (i >= waiting) {
        append(&s->done, take(&s->ran, i - waiting));
        return true;
    }
    struct job *job = take(&s->waiting, i);
    job->run(job);
    append(rng_below(s->rng, 2) ? &s->done : &s->ran, job);
    return true;
}

static void late_submit(struct sched *sched, struct job *job)
{
    struct late_sched *s = (struct late_sched *)sched;
    lose_patience(s, "work is begun");
    if (s->held & 1u << job->class) {
        append(&s->waiting, job);
        return;
    }
    job->run(job);
    append(&s->done, job);
}

static struct job *late_reap(struct sched *sched)
{
    struct late_sched *s = (struct late_sched *)sched;
    return s->done ? take(&s->done, 0) : NULL;
}

static void late_wait(struct sched *sched, int timeout_ms)
{
    struct late_sched *s = (struct late_sched *)sched;
    if (timeout_ms >= 0) {
        late_sched_turn(s);
        return;
    }
    lose_patience(s, "the owner waits");
    while (!s->done && late_sched_turn(s))
        continue;
}

static void late_yield(struct sched *sched)
{
    (void)sched;
}

static int late_poll_fd(struct sched *sched)
{
    (void)sched;
    return -1;
}

static void late_free(struct sched *sched)
{
    (void)sched;
}

void late_sched_init(struct late_sched *s, struct rng *rng, const char *name)
{
    *s = (struct late_sched){
        .sched = {late_submit, late_reap, late_wait, late_yield, late_poll_fd, late_free},
        .rng = rng,
        .name = name};
}
