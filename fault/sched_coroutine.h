/* sched_coroutine.h - jobs as coroutines of one thread, switched where a schedule says so.
 *
 * Flow:    engine > sched.h > coroutines; disk_sim > sched_yield_point
 *          explorer > choices > coroutines > points > schedule_next > the next choices
 * Owns:    its stacks; jobs are the submitter's, as always.
 * Threads: one; jobs and owner take turns on it.
 * Tests:   tests/fault/sched_coroutine_test.c
 *
 * Whoever runs goes on until it calls sched_yield_point (the simulated disk does, before
 * each call and between the entry and the return of a sync), waits (the owner) or ends (a
 * job). There, and nowhere else, one of those that could go on is chosen. So the choices
 * decide everything: the same choices give the same run, bit for bit.
 *
 * A schedule is a list of choices, one byte for each point at which there is more than
 * one candidate. 0 is the default: whoever runs keeps running; after a wait the oldest
 * job, after the end of a job the owner. The other candidates follow in the order owner,
 * jobs as submitted. A choice counts modulo the candidates, so that any bytes are a legal
 * schedule; past the end of the list every choice is the default.
 *
 * To choose another one than the default while the running one could go on is a
 * preemption. Few bugs need more than two (Musuvathi, Qadeer: "Iterative context bounding
 * for systematic testing of multithreaded programs", PLDI 2007), and schedule_next walks
 * all schedules up to such a bound.
 */
#ifndef FAULT_SCHED_COROUTINE_H
#define FAULT_SCHED_COROUTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault/sched.h"

struct coroutine_options {
    size_t stack_bytes;  /* of each coroutine; 0: 256 KiB; asserted against overflow */
    unsigned coroutines; /* jobs that are under way at a time; 0: 8; the rest queues */
    size_t points;       /* points that are recorded; 0: 4096; the rest is only hashed */
    /* Asked at each point: a hash of how far everybody has come, and of what that has
     * led to. NULL: 0. */
    uint64_t (*progress)(void *arg);
    void *progress_arg;
};

/* NULL options: the defaults. NULL without memory; later nothing is allocated. */
struct sched *sched_coroutine_new(struct mem *mem,
                                  const struct coroutine_options *options);

/* Follows these choices (borrowed) from now on, and records from the start. Actors are
 * numbered from 1 again, unless jobs are under way. */
void sched_coroutine_follow(struct sched *sched, const uint8_t *choices, size_t count);

/* One place where there was a choice. */
struct switch_point {
    uint8_t choice;       /* the candidate that went on */
    uint8_t alternatives; /* candidates, at least 2 */
    bool preempting;      /* the running one could have gone on: choice 0 */
    uint32_t actor;       /* who went on; see sched_coroutine_actor */
    uint64_t state;       /* before the choice: of progress and scheduler; equal states
                           * have equal futures */
};

/* The points since sched_coroutine_follow; *count may exceed what was recorded. */
const struct switch_point *sched_coroutine_points(const struct sched *sched,
                                                  size_t *count);
/* A hash over all points since sched_coroutine_follow. */
uint64_t sched_coroutine_hash(const struct sched *sched);
/* Who runs: 0 is the owner, k the k-th job submitted since the numbering began. */
uint32_t sched_coroutine_actor(const struct sched *sched);
/* Gives up every job that has not been reaped, whatever it was about to do, as a power
 * cut does. What the jobs held is not released. Called by the owner. */
void sched_coroutine_abandon(struct sched *sched);

/* From the points of a finished run writes the choices of the next one, in depth-first
 * order, with at most `preemptions` preemptions. `choices` has room for `count` bytes;
 * *length is how many it uses. Returns false when there is no further schedule. */
bool schedule_next(const struct switch_point *points, size_t count, unsigned preemptions,
                   uint8_t *choices, size_t *length);

#endif
