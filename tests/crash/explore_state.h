/* explore_state.h - the inside of an exploration, shared by explore.c (the run's windows
 * and kills), explore_recovery.c (crashes inside recoveries) and explore_replay.c.
 *
 * Flow:    explore.c > explore_recovery.c > trial; explore_replay.c > the same judges
 * Threads: one.
 */
#ifndef TESTS_CRASH_EXPLORE_STATE_H
#define TESTS_CRASH_EXPLORE_STATE_H

#include "tests/crash/explore.h"
#include "tests/crash/image_class.h"
#include "tests/crash/image_store.h"
#include "tests/crash/interleave.h"

#define IMAGE_PRIMARY 1u /* flags of images: a power cut of the run itself leads to it */
#define IMAGE_MERGED  2u /* its verdict is that of another image of its class */

#define ALLOWED_MAX 4096 /* states whose judgement a window remembers */

/* What a store may hold after a crash at this place. */
struct expected {
    bool exact; /* `state` and nothing else; else a prefix of the groups */
    uint32_t state;
    size_t lower, upper; /* prefix: of so many groups */
    enum oracle oracle;  /* exact: which one fails */
    enum model_crash crash;
};

/* The ordinal of a cut just after a recovery has told what it holds; "s" in a path. */
#define STEP_SERVED UINT32_MAX

/* Where we are: one step for each crash on the way here. */
struct step {
    uint32_t ordinal; /* of the call before which it happened, or STEP_SERVED */
    bool kill;
    size_t part;           /* kill: bytes of the write that were done */
    struct images *window; /* not a kill */
};

/* How an image came about: the last steps to it, and the image before them. */
struct origin {
    uint32_t parent, call, generation;
    size_t text; /* offset of the steps */
};

struct explorer {
    struct explore_options options;
    const struct scenario *scenario;
    struct trial trial;
    struct run run;
    struct image_set set;     /* images, value: verdict */
    struct image_set killed;  /* states in which the process died */
    struct image_set classes; /* of images, see image_class.h */
    struct image_set opened;  /* classes of windows inside recoveries */
    struct class_view *view;  /* of the image or window that is recovered; or NULL */
    struct images *windows[EXPLORE_LEVELS + 2];
    unsigned level;   /* windows that are open */
    unsigned nesting; /* explorer_nest: their number at most; else 0 */
    struct step steps[EXPLORE_LEVELS + 2];
    unsigned step_count;
    bool watching;             /* a recovery whose crashes are explored goes on */
    struct image_store *queue; /* deep: images whose recoveries are to be followed */
    struct origin *origins;    /* how each of them came about; 0: the run itself */
    uint32_t origin_count, origin_size;
    char *origin_text;
    size_t text_used, text_size;
    uint32_t origin;              /* of the image that is followed now */
    struct expected expected;     /* by the run */
    uint8_t allowed[ALLOWED_MAX]; /* for `expected`: 0 unknown, 1 yes, 2 no */
    const struct disk_ops *plain;
    const struct schedule *schedule; /* of the run; NULL: jobs run inline */
    struct image_set met;            /* moments of earlier schedules */
    struct explore_stats stats;
    struct violation violation;
    bool violated, stop;
    bool fewest; /* go on after a violation and keep the one with the shortest path */
    double started;
    explore_progress_fn *progress;
    void *progress_arg;
    explore_window_fn *window_fn;
    void *window_arg;
    tap_fn *calls_fn;
    tap_opened_fn *calls_opened;
    void *calls_arg;
    bool (*replay_call)(struct explorer *x, const struct tap_call *call);
    uint32_t replay_at;
    const char *replay_path;
    bool replay_found;
    /* The image that the path leads to, while the disk shows it; window NULL: a kill. */
    void (*replay_image)(struct explorer *x, struct disk *disk, const struct image *image,
                         struct verdict v);
    void *replay_arg;
};

/* explore.c */

/* Notes a violation at the place where we are, unless there is one already. */
void explorer_violate(struct explorer *x, enum oracle o, const char *text);
/* Judges a verdict by what is expected; notes what is wrong. False: a violation. */
bool explorer_judge(struct explorer *x, struct verdict v, const struct expected *e);
/* What the run expects now. */
void explorer_expect(struct explorer *x, struct expected *e, enum model_crash crash);
/* Walks through the window that is pending now, or samples it. */
int explorer_walk(struct explorer *x, struct disk *disk, unsigned tau, image_fn *fn,
                  void *arg, uint64_t *analytic, bool *whole);
/* The steps on the way to where we are; a number for image_note. */
uint32_t explorer_remember_path(struct explorer *x);
/* An image is visited; now and then that looks at the clock, and stops. */
void explorer_tick(struct explorer *x);
void explorer_clock(struct explorer *x);
void explorer_prepare(struct explorer *x, const uint8_t **tape, size_t *size,
                      uint8_t own[RUN_TAPE_BYTES]);

/* Plays the tape, under x->schedule in a scheduled scenario, and explores its crashes. The
 * run is not ended: run_end. */
void explorer_play(struct explorer *x, const uint8_t *tape, size_t size);

/* explore_lazy.c */

/* Judges every image of a large window of the run, as far as recovery tells them apart,
 * unless that takes too long (stats.lazy counts the windows that were finished). */
int explorer_walk_lazily(struct explorer *x, struct images *im);

/* explore_recovery.c */

/* The verdict on an image that is durable on the disk as it stands, recovering it when it
 * is new; `merge`: when no image that recovery cannot tell from it was recovered. The disk
 * is as before when this returns. */
struct verdict explorer_verdict(struct explorer *x, struct disk *disk,
                                const uint64_t hash[2], bool merge);
/* The process has died, or the power failed: opens the store, and explores the crashes
 * on the way as `before` allows; what is open is what they must lead to afterwards. */
void explorer_recover(struct explorer *x, struct disk *disk,
                      const struct expected *before);

/* The same without a look at what is known, and nothing of it is remembered. Returns what
 * the tables would say. */
uint32_t explorer_recover_plainly(struct explorer *x, struct disk *disk,
                                  struct verdict *v);
/* Something was not followed to its end. */
void explorer_leave_out(struct explorer *x);

/* Deep: follows the recoveries of all images in the queue, until none is new. */
void explorer_follow(struct explorer *x);

/* explore_nest.c */

/* After a fixpoint: options.nest crashes inside each other, nothing merged. */
void explorer_nest(struct explorer *x, const uint8_t *tape, size_t size);
/* One image of that. Non-zero: stop. */
int explorer_visit_nested(struct explorer *x, struct disk *disk,
                          const struct image *image, const struct expected *e);

#endif
