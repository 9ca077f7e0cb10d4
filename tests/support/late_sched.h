/* late_sched.h - a scheduler under which jobs begin late and results come back late, in any
 * order, as chance wants it.
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
#include "fault/sched.h"

struct late_sched {
    struct sched sched; /* first: give this to the code under test */
    struct rng *rng;
    unsigned held;     /* bit 1 << class: jobs of this class wait for a turn, or for the
                           owner to wait; the others run at once */
    const char *name;  /* of the run */
    unsigned patience; /* so many submits and waits are one too many; set it again from
                           time to time */
    struct job *waiting, *ran, *done;
};

/* Nothing is held. */
void late_sched_init(struct late_sched *s, struct rng *rng, const char *name);
/* One of the jobs that are under way goes one step on: it runs, or its result comes back.
 * False: there is none. */
bool late_sched_turn(struct late_sched *s);

#endif
