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

static void lose_patience(struct late_sched *s, const char *what)
{
    if (s->patience-- > 0) return;
    printf("  %s: %s without end\n", s->name, what);
    fflush(stdout);
    abort();
}

bool late_sched_turn(struct late_sched *s)
{
    struct lazy_sched *lazy = &s->lazy;
    unsigned waiting = length(lazy->waiting), all = waiting + length(s->ran);
    if (all == 0) return false;
    unsigned i = (unsigned)rng_below(s->rng, all);
    if (i >= waiting) {
        job_append(&lazy->done, take(&s->ran, i - waiting));
        return true;
    }
    struct job *job = take(&lazy->waiting, i);
    job->run(job);
    job_append(rng_below(s->rng, 2) ? &lazy->done : &s->ran, job);
    return true;
}

static void late_submit(struct sched *sched, struct job *job)
{
    lose_patience((struct late_sched *)sched, "work is begun");
    lazy_sched_submit(sched, job);
}

static void late_wait(struct sched *sched, int timeout_ms)
{
    struct late_sched *s = (struct late_sched *)sched;
    if (timeout_ms >= 0) {
        late_sched_turn(s);
        return;
    }
    lose_patience(s, "the owner waits");
    while (!s->lazy.done && late_sched_turn(s))
        continue;
}

void late_sched_init(struct late_sched *s, struct rng *rng, const char *name)
{
    *s = (struct late_sched){.rng = rng, .name = name};
    lazy_sched_init(&s->lazy);
    s->lazy.sched.submit = late_submit;
    s->lazy.sched.wait = late_wait;
}
