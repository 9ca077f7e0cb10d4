/* explore.h - every crash of one scenario: windows, kills, crashes inside recovery.
 *
 * Flow:    crash.c > explore > run_play > before each call: images_walk > trial > model
 * Owns:    the set of images, windows per level of nesting.
 * Errors:  the first violation ends the exploration and is kept. Aborts without memory.
 * Threads: one.
 * Tests:   tests/crash/explore_test.c
 *
 * Power cuts: what is pending grows from one barrier to the next, so only the moments just
 * before a barrier, and the end, are walked through. Kills: every call, and every prefix
 * of every write. Each image is recovered once and judged at every moment that leads to
 * it. `deep` goes on from each image to the images of its own recovery, until none is
 * new: then the claim holds for any number of crashes.
 */
#ifndef TESTS_CRASH_EXPLORE_H
#define TESTS_CRASH_EXPLORE_H

#include "tests/crash/run.h"

#define EXPLORE_LEVELS 8 /* windows inside windows */
#define EXPLORE_PATH   200

struct explore_options {
    enum disk_profile profile;
    uint32_t spared;   /* profile V: as in struct disk_sim_config */
    unsigned tau;      /* chunks that are torn in one power cut */
    bool cuts;         /* power cuts, as the profile says */
    bool kills;        /* the process dies, at every call */
    bool mixed;        /* ... reopens, and the power fails */
    bool deep;         /* crashes inside recovery, to the fixpoint */
    unsigned levels;   /* deep: at most so many; 0: to the fixpoint */
    unsigned nest;     /* deep: so many crashes one by one against a fixpoint */
    uint64_t nest_max; /* ... of at most so many distinct images of the run's windows */
    uint32_t chunk_bytes; /* of the disk: 64 or 512 */
    uint64_t walk_max;    /* larger windows are sampled */
    uint64_t inner_max;   /* the same inside recoveries */
    uint64_t samples;     /* ... by so many random images beside the near ones */
    unsigned deviations;  /* ... and those within so many of none, all, each prefix */
    uint64_t seed;
    unsigned shard, shards; /* images of this shard only; 0 of 1: all */
    uint32_t silenced;      /* oracles that are not asked */
    enum site drop;         /* barriers of this site do nothing; SITE_COUNT: none */
    unsigned preemptions;   /* scheduled scenarios: of a schedule, at most */
    bool unmerged;          /* ... nothing but images is merged */
    bool blind;             /* ... to see merging fail: moments leave out the disk */
    bool names_only;        /* likewise: classes leave out what was looked at */
    double seconds;         /* 0: no limit */
};
void explore_options_init(struct explore_options *o);

struct explore_stats {
    uint64_t windows, points; /* barriers and ends; moments at which a kill was tried */
    uint64_t sampled;         /* windows that were not walked whole */
    uint64_t analytic;        /* images of all windows by calculation */
    uint64_t images;          /* the same by counting: each visit with its weight */
    uint64_t visits;          /* images shown */
    uint64_t distinct;        /* recovered */
    uint64_t merged;          /* ... and not: recovery cannot tell them from another */
    uint64_t again;           /* windows in recoveries, likewise */
    uint64_t primary;         /* ... of those that power cuts of the run lead to */
    uint64_t kills, mixed;    /* distinct states in which the process died */
    uint64_t largest;         /* window */
    uint64_t unfinished;      /* images and windows that were not followed whole */
    unsigned deepest;         /* crashes on the way to some image */
    unsigned depth;           /* no fixpoint: all images of so many crashes were judged */
    uint64_t nested;          /* images that were recovered without merging anything */
    bool timed_out;
    double seconds;        /* processor time */
    uint64_t schedules;    /* with at most so many preemptions; 0: not all were walked */
    uint64_t runs;         /* that it took to know where all of them lead */
    uint64_t states;       /* at points of the schedule, with preemptions left */
    uint64_t moments, met; /* before a call; of them equal to an earlier one */
    unsigned preemptions;
    uint64_t lazy;   /* sampled windows of which a lazy walk has judged every image */
    uint64_t leaves; /* ... and the visits it took */
    /* of these windows; not among `images` */
    double lazy_images;
};

struct violation {
    enum oracle oracle;
    uint32_t call;           /* changing calls before the crash */
    char path[EXPLORE_PATH]; /* the crash; see explore_replay */
    char text[400];
};

struct explorer;
typedef void explore_progress_fn(void *arg, const struct explore_stats *stats);

struct explorer *explorer_new(const struct scenario *s, const struct explore_options *o);
void explorer_free(struct explorer *x);
void explorer_progress(struct explorer *x, explore_progress_fn *fn, void *arg);
/* Plays the tape (NULL: the scenario's own) and every crash of it. False: a violation. */
bool explore(struct explorer *x, const uint8_t *tape, size_t size);
const struct explore_stats *explorer_stats(const struct explorer *x);
const struct violation *explorer_violation(const struct explorer *x);
/* The crash that is tried now, as call and path: for a process that is about to die. */
void explorer_here(const struct explorer *x, struct violation *out);
/* How often the ordering assert has applied each of its rules. */
const struct order_counts *explorer_ordered(const struct explorer *x);
/* How often each oracle was asked. */
const uint64_t *explorer_ran(const struct explorer *x);
/* The table of windows, for the certificate: one call per window of the run. */
typedef void explore_window_fn(void *arg, uint32_t call, uint64_t analytic,
                               uint64_t images, uint64_t fresh);
void explorer_windows(struct explorer *x, explore_window_fn *fn, void *arg);
/* Every call of the run, before it is made. */
void explorer_calls(struct explorer *x, tap_fn *fn, tap_opened_fn *opened, void *arg);

/* Plays the tape up to the call and makes the one crash that `path` describes:
 *
 *     ["@" schedule ":"] step ["/" place step] ...
 *
 *         schedule: "12.1,30.2": the choices that are not the default (interleave.h)
 *         step: "+3.1,4.0" or "-": fates (fault/images.h)
 *               "p", "p17": kill, 17 bytes written
 *
 *         place: ordinal of a call in the recovery from the step before
 *                "s": when that recovery has told what it holds
 *
 * False: it is a violation;
 * *found says whether there was such a crash at all. */
bool explore_replay(struct explorer *x, const uint8_t *tape, size_t size, uint32_t call,
                    const char *path, bool *found);

#endif
