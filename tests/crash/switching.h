/* switching.h - a run whose jobs are coroutines, switched wherever the disk allows it.
 *
 * Flow:    run > switching > the store's scheduler; disk_sim > switching > sched_coroutine
 *          tap > switching_note ... the call takes effect > run's on_call > explorer
 * Owns:    the scheduler.
 * Threads: one; the owner and its jobs take turns on it.
 * Tests:   tests/crash/switching_test.c
 *
 * A tap hears of a call before others get their turn. Here it is kept back until nothing
 * can come between any more: a change is told when the next thing that happens is its
 * effect, a sync when it is about to make durable what it covers, which is what had been
 * written before it was *entered*. Calls are numbered in the order of their effects.
 *
 * Each point of the schedule carries a hash of what decides the future: how far everybody
 * has come and what they have seen, the disk with all that is pending, the syncs that are
 * under way. One thing is taken for granted: nobody reads the bytes of a file that somebody
 * else still writes.
 */
#ifndef TESTS_CRASH_SWITCHING_H
#define TESTS_CRASH_SWITCHING_H

#include "fault/sched_coroutine.h"
#include "tests/crash/disk_tap.h"

struct db;
struct run;
struct switching;

/* Without switches until switching_on. Aborts without memory. */
struct switching *switching_new(struct run *run);
void switching_free(struct switching *s);
/* What the store gets. */
struct sched *switching_sched(struct switching *s);

/* The choices of the next switching_on (borrowed). */
void switching_follow(struct switching *s, const uint8_t *choices, size_t count);
/* From now on the disk lets others run before each call and inside each sync. */
void switching_on(struct switching *s);
void switching_off(struct switching *s);
/* A server's loop has turned: jobs may go on while it waits for its clients. Before
 * switching_on they go on to their end, as far as an open group lets them. */
void switching_turned(struct switching *s, struct db *db);
/* The tap has heard of this call. False: it is not kept back, tell it at once. */
bool switching_note(struct switching *s, const struct tap_call *call);
/* The call that was noted last is not made. */
void switching_forget(struct switching *s);
/* The process dies: what its jobs were about to do is not told any more. */
void switching_death(struct switching *s);
/* What must survive has changed. */
void switching_answer(struct switching *s, uint64_t content);

/* The running actor has opened a file or directory. */
void switching_opened(struct switching *s);

/* The points since switching_on, and their hash. */
const struct switch_point *switching_points(const struct switching *s, size_t *count);
uint64_t switching_hash(const struct switching *s);
/* disk_sim_hash_state of the run's disk as the run left it. */
void switching_disk_hash(struct switching *s, uint64_t hash[2]);
/* A hash of everything that a call says but the file it is made on. */
uint64_t switching_call_hash(const struct tap_call *call);
/* What a job is about, by the first change it makes or is about to make: "cleanup". */
const char *switching_job(enum site site);

#endif
