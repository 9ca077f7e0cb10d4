/* lazy_sched.h - a scheduler whose jobs run at once, or when the test lets them.
 *
 * Threads: one; a job runs inside submit, lazy_sched_run or a wait without a limit.
 */
#ifndef TESTS_SUPPORT_LAZY_SCHED_H
#define TESTS_SUPPORT_LAZY_SCHED_H

#include "fault/sched.h"

struct lazy_sched {
    struct sched sched; /* first: give this to the code under test */
    unsigned held;      /* bit 1 << class: jobs of this class wait for lazy_sched_run */
    unsigned waits;     /* how often the owner had to wait for one */
    struct job *waiting, *done;
};

/* Nothing is held. */
void lazy_sched_init(struct lazy_sched *s);
/* Runs what waits. */
void lazy_sched_run(struct lazy_sched *s);

/* For schedulers that are made of this one: its submit, and the end of a list of jobs. */
void lazy_sched_submit(struct sched *sched, struct job *job);
void job_append(struct job **list, struct job *job);

#endif
