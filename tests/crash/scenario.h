/* scenario.h - short lives of a store, each made for one way in which a crash may hurt.
 *
 * Flow:    crash.c > scenario_find > run > explorer
 * Owns:    nothing: constant tables.
 * Tests:   tests/crash/scenario_test.c
 *
 * A scenario is a tape (proptests/tape.h) in its text form. `before` is played first and
 * made durable as a whole; crashes are explored only in `tape`, so that every window
 * holds what the scenario is about and nothing else.
 */
#ifndef TESTS_CRASH_SCENARIO_H
#define TESTS_CRASH_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/filename.h"
#include "engine/options.h"

/* Sizes of a store so small that everything happens within a few operations. */
struct geometry {
    const char *name;
    size_t memtable_bytes, log_bytes, block_bytes, table_bytes;
    size_t level1_bytes, manifest_bytes, write_buffer_bytes;
    unsigned level0_tables;
    unsigned spare_logs; /* 0: one, and no reserve for a full disk */
    unsigned filter_bits;
    bool compressed; /* all levels, where the codec is built in */
};

/* What happens to a file while the store is closed. */
struct damage {
    enum filename_kind kind; /* FILENAME_FIXED: CURRENT; 0: no more damage */
    unsigned which;          /* of its kind, in the order of names */
    bool gone;               /* else a bit is wrong, */
    uint64_t at;             /* ... of this byte */
};
#define DAMAGES_MAX 2

struct scenario {
    const char *name;
    const char *purpose; /* one sentence */
    const struct geometry *geometry;
    enum sync_policy policy; /* at the start */
    const char *before;      /* NULL: not even a directory */
    const char *tape;        /* NULL: waiting, or a dialogue */
    const char *dialogue;    /* with a whole server (dialogue.h): `before` is one, too */
    const char *waiting;     /* for what; NULL: live */
    uint64_t capacity_bytes; /* of the disk until the first crash; 0: no limit */
    /* The store is closed and damaged before `tape`, which begins with a repair; `lost` is
     * what that costs: a tape that the model alone plays. */
    struct damage damages[DAMAGES_MAX];
    const char *lost;
    bool stranger;   /* somebody else's file lies in the directory */
    bool overlapped; /* groups are submitted, and the next begins meanwhile */
    bool copies;     /* `compact` takes a checkpoint instead, once */
    bool scheduled;  /* jobs are coroutines: pass interleave, and no other */
};

extern const struct scenario scenarios[];
extern const size_t scenario_count;

/* NULL: no such scenario. */
const struct scenario *scenario_find(const char *name);
void scenario_options(const struct scenario *s, struct options *out);

#endif
