/* interleave.h - every schedule of a run with few preemptions, each with its crashes.
 *
 * Flow:    explore (scheduled scenario) > interleave > explorer_play per schedule >
 *          interleave_crashes before each call > window, kills
 * Owns:    nothing: what was met is the explorer's.
 * Errors:  the first violation ends it, and is one of those with the fewest preemptions:
 *          schedules are run with none first, then one, then two.
 * Threads: one.
 * Tests:   tests/crash/interleave_test.c
 *
 * Owner (writer and reader) and jobs take turns at each call to the disk and between the
 * two halves of each sync (fault/sched_coroutine.h). A snapshot does not hold a
 * coroutine's stack, so each schedule is run again from the start. Three things are
 * merged:
 *
 *   states   a run that comes to a state which an earlier one was in, with as many
 *            preemptions left, is not varied behind it (schedule_graph.h)
 *   moments  what a power cut or a kill can lead to is decided by the disk with all that
 *            is pending, by the write under way, and by what must survive: the same is
 *            explored once
 *   images   as everywhere: recovered once, judged at each moment that leads to them
 *
 * Schedules with the same order of conflicting calls pass through the same states. To
 * merge *whole* schedules by that order would be wrong, if only calls on the same file or
 * directory and acknowledgements conflict: a write of one file and a sync of another do
 * not commute, because only when the write comes first can a disk be left on which it
 * survived and what is synced did not.
 */
#ifndef TESTS_CRASH_INTERLEAVE_H
#define TESTS_CRASH_INTERLEAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct explorer;
struct run;
struct tap_call;

#define SCHEDULE_CHOICES 2048

/* Choices; past the last one everything is the default. */
struct schedule {
    uint8_t choices[SCHEDULE_CHOICES];
    size_t length;
};

/* Runs all schedules of the tape, or until the explorer stops. */
void interleave(struct explorer *x, const uint8_t *tape, size_t size);
/* Which crashes are to be explored before this call (NULL: the end of the run). What was
 * met before, in any schedule, is not. */
struct crashes {
    bool window, kills;
};
struct crashes interleave_crashes(struct explorer *x, const struct tap_call *call);

/* The run that begins now follows the schedule. */
void schedule_follow(const struct schedule *s, struct run *r);
/* Writes "@12.1,30.2:", the choices that are not the default. Returns the length. */
size_t schedule_print(const struct schedule *s, char *out, size_t room);
/* Reads what schedule_print wrote, if it is there; returns what follows. */
const char *schedule_parse(struct schedule *s, const char *text);

#endif
