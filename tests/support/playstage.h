/* playstage.h - how the suites play a tape: geometry, policy, scheduler; and how a failure
 * is told.
 *
 * Flow:    suites > playstage_run > simworld, play.h > problem > playstage_report
 * Owns:    nothing.
 */
#ifndef TESTS_SUPPORT_PLAYSTAGE_H
#define TESTS_SUPPORT_PLAYSTAGE_H

#include "fault/sched_coroutine.h"
#include "proptests/play.h"

#define PLAYSTAGE_PROBLEM 400

struct playstage {
    bool coroutines;   /* jobs under a random schedule; else inline */
    uint64_t schedule; /* its seed */
    enum sync_policy policy;
    bool usual; /* usual geometry instead of tiny */
};

/* Plays the tape in a new world; true when all is well, else `problem` says what is not. */
bool playstage_run(const struct playstage *stage, const uint8_t *tape, size_t size,
                   char problem[PLAYSTAGE_PROBLEM]);
/* The same under the given choices of a schedule, and traced. */
#define PLAYSTAGE_POINTS 4096
struct playstage_result {
    char problem[PLAYSTAGE_PROBLEM]; /* "": all is well */
    uint64_t trace;                  /* hash of all mutating calls and of the schedule */
    size_t calls;                    /* mutating calls */
    struct switch_point points[PLAYSTAGE_POINTS];
    size_t count; /* of points */
};
void playstage_follow(const struct playstage *stage, const uint8_t *choices, size_t count,
                      const uint8_t *tape, size_t size, struct playstage_result *out);

/* Plays the tape under every schedule with at most so many preemptions. False and the
 * first problem in `last` when one fails. */
struct playstage_census {
    unsigned schedules;
    unsigned distinct; /* orders of mutating calls that differ */
    bool complete;     /* no schedule was left out because of `limit` */
};
bool playstage_schedules(const struct playstage *stage, const uint8_t *tape, size_t size,
                         unsigned preemptions, unsigned limit,
                         struct playstage_census *census, struct playstage_result *last);

/* Shrinks a failing tape in place and prints it: in words, as text, as a token. */
void playstage_report(const struct playstage *stage, uint64_t seed, uint8_t *tape,
                      size_t size);
/* Plays the tape of a token again and tells it operation by operation. Returns true when
 * it ends well; false with `*known` unset for something that is no token. */
bool playstage_replay(const char *token, bool *known);
/* Plays `count` random tapes of `operations` operations; the seeds are printed. Returns
 * how many failed, three at most. */
int playstage_random(struct playstage stage, uint64_t seed, unsigned count,
                     size_t operations);

#endif
