/* late_sched.h - a lazy_sched under which results come back late, too, and all in any order,
 * as chance wants it.
 *
 * Flow:    liveness_test.c > late_sched_turn > job > sched_reap > engine
 * Borrows: the random numbers.
 * Errors:  aborts when the owner waits or submits without end, and says in which run.
 * Threads: one; a job runs inside submit, late_sched_turn or a wait without a limit.
 */
#ifndef TESTS_SUPPORT_LATE_SCHED_H
#define TESTS_SUPPORT_LATE_SCHED_H

#include <stdbool.h>

#include "fault/rng.h"
#include "tests/support/lazy_sched.h"

struct late_sched {
    struct lazy_sched lazy; /* first; what is held waits for a turn */
    struct rng *rng;
    const char *name;  /* of the run */
    unsigned patience; /* so many submits and waits are one too many; set it again from
                           time to time */
    struct job *ran;   /* their results come back in a later turn */
};

/* Nothing is held. */
void late_sched_init(struct late_sched *s, struct rng *rng, const char *name);
/* One of the jobs that are under way goes one step on: it runs, or its result comes back.
 * False: there is none. */
bool late_sched_turn(struct late_sched *s);

#endif
