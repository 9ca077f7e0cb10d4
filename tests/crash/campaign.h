/* campaign.h - many explorations over several processes, and what came of each.
 *
 * Flow:    crash.c > campaign_run > explore (in child processes) > rows > report
 * Owns:    rows in memory that is shared with its children.
 * Errors:  a child that dies is a violation of the exploration it was at; another one
 *          goes on with the rest.
 * Threads: none; processes.
 * Tests:   tests/crash/campaign_test.c, tests/crash/crash_test.sh
 */
#ifndef TESTS_CRASH_CAMPAIGN_H
#define TESTS_CRASH_CAMPAIGN_H

#include "proptests/token.h"
#include "tests/crash/explore.h"

#define CAMPAIGN_JOBS_MAX 64

enum pass {
    PASS_CUTS,       /* power cuts without tears, kills, mixed epoch */
    PASS_TORN,       /* power cuts that tear one chunk */
    PASS_DEEP,       /* PASS_CUTS, and crashes inside recoveries to the fixpoint */
    PASS_SERVER,     /* PASS_CUTS of a whole server: acknowledged is what left a socket */
    PASS_INTERLEAVE, /* scheduled scenarios: PASS_CUTS under every schedule */
    PASS_COUNT
};
const char *pass_name(enum pass p);

/* One exploration to be done, and its result. */
struct campaign_row {
    uint32_t scenario; /* index */
    enum pass pass;
    uint64_t seed; /* of a random tape; 0: the scenario's own */
    bool started, done, violated, shrunk;
    struct explore_stats stats;
    struct violation violation;
    uint64_t ran[ORACLE_COUNT];
    struct order_counts ordered;
    char token[TOKEN_TEXT_MAX + 1];
    unsigned operations; /* of the shrunk tape */
};

struct campaign {
    struct explore_options options; /* of all, where the pass does not say otherwise */
    unsigned jobs;
    size_t row_count, rows_max;
    bool quiet, first; /* first: stop everything at a violation */
    bool fine;         /* follow recoveries in chunks of 64 bytes, too */
    /* shared with the children */
    struct campaign_shared *shared;
    struct campaign_row *rows;
};

/* Room for so many rows. Aborts without memory. */
void campaign_init(struct campaign *c, size_t rows_max);
void campaign_deinit(struct campaign *c);
struct campaign_row *campaign_add(struct campaign *c, uint32_t scenario, enum pass p);
/* What an exploration of that row is asked to do. */
void campaign_options(const struct campaign *c, const struct campaign_row *row,
                      struct explore_options *out);
/* The tape of a row; returns its size. */
size_t campaign_tape(const struct campaign_row *row, uint8_t out[RUN_TAPE_BYTES]);
/* Does all rows; `each` (may be NULL) is called now and then with everything so far. */
void campaign_run(struct campaign *c, void (*each)(const struct campaign *c));
/* Does `work` in a process of its own. Returns its result (0 to 127), or minus the signal
 * that has ended the process. */
int campaign_apart(int (*work)(void *arg), void *arg);
/* Seconds since campaign_run. */
double campaign_seconds(const struct campaign *c);

#endif
