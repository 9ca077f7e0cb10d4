/* images.h - every disk that a power cut may leave behind.
 *
 * Flow:    explorer > images_open > images_walk > callback per image (recovery, oracles)
 * Owns:    its tables; the disk is borrowed from images_open until images_close.
 * Errors:  aborts when memory is exhausted, as disk_sim.h. A callback's non-zero return
 *          ends the walk and is returned.
 * Crash:   during a callback the disk *is* the image: durable, nothing pending, nothing
 *          open. Whatever the callback does to it is undone when it returns.
 * Threads: one, as the disk. Windows nest: a callback may open another `struct images` on
 *          the same disk (a crash inside recovery), to any depth.
 * Tests:   tests/fault/images_test.c, tests/fault/images_lazy_test.c
 *
 * A *window* is what is pending at this moment. Each pending register (chunk, size, entry)
 * is given one of its versions, its *fate*; the couplings R7, R8, R10 and the profile say
 * which choices are legal. The walk visits each distinguishable choice once, neighbours
 * differing in few fates, and carries the image's hash along. Choices that no reader can
 * tell apart because a file has no name or a chunk lies beyond the end are not visited
 * one by one: they are the *weight* of the image they lead to. Different fates may still
 * give equal bytes: the hash tells. Sum of all weights = images_count.
 */
#ifndef FAULT_IMAGES_H
#define FAULT_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault/disk_sim.h"
#include "fault/images_number.h"
#include "fault/mem.h"
#include "fault/rng.h"

struct images;

struct image {
    struct images *window; /* for images_describe */
    uint64_t hash[2];      /* of names, sizes, contents; as disk_sim_hash_visible */
    uint64_t weight;       /* choices that lead here and differ in nothing readable */
};
typedef int image_fn(void *arg, struct disk *disk, const struct image *image);

/* Tables that grow as needed and are used again by every window. Aborts without memory. */
struct images *images_new(struct mem *mem);
void images_free(struct images *im); /* NULL is allowed. REQUIRES: closed */

/* Begins a window on the pending state of a simulated disk: from here until images_close
 * the disk's own state is put aside (handles of the running program included).
 * tau: 0 or 1 for walks; more for random images only. */
void images_open(struct images *im, struct disk *disk, enum disk_profile profile,
                 unsigned tau);
/* Puts the disk back as it was before images_open. */
void images_close(struct images *im);

/* Instead of images_close: one image becomes the disk's state for good (until an outer
 * rollback). It is what disk_sim_power_cut does; `rng` is used by RANDOM only. */
void images_keep(struct images *im, enum disk_sim_survivors survivors, struct rng *rng);

/* The number of legal choices, computed from the versions and couplings without visiting
 * any; IMAGES_COUNT_MAX when it does not fit. */
uint64_t images_count(struct images *im);
/* The same as a number of any size. */
struct images_number images_count_all(struct images *im);
/* Registers with a choice in this window. */
size_t images_registers(const struct images *im);

/* Visits every image of the window. */
int images_walk(struct images *im, image_fn *fn, void *arg);

/* ---- lazy survivors: windows that are too large to be walked ---- */

/* Visits every image *as far as fn looks*. Names are chosen before fn runs; the size of a
 * file when fn opens it, a chunk when fn reads it or writes a part of it. What fn never
 * asks for stays undecided, and the visit stands for all its choices at once: it is a
 * *leaf*, and its weight is their number. fn is run once for each leaf, from the start:
 * whenever it asks for a register it is given the first option, and later runs repeat the
 * earlier answers up to the last one that has an option left.
 *
 * fn must do the same whenever it is told the same: no memory of earlier visits may change
 * what it asks for. It may take snapshots and go back, and must not open a window, cut the
 * power, or be given a disk of limited capacity (which would see all sizes). disk_sim.h's
 * looks inside decide nothing; hashes taken there count what is undecided as a value of
 * its own. Hash and weight of fn's `image` are 0: images_leaf has them at its end.
 *
 * Profiles W, J, V and tau 0 or 1. O and P are walked as images_walk does. */
struct images_lazy {
    uint64_t leaves;              /* calls of fn */
    struct images_number covered; /* sum of their weights */
    bool whole; /* all were visited: then covered = images_count_all, which is asserted */
};
/* At most leaves_max of them (0: no limit). A callback's non-zero return ends the walk. */
int images_lazy(struct images *im, uint64_t leaves_max, image_fn *fn, void *arg,
                struct images_lazy *out);
/* In a lazy visit: what it is by now. The hash is over what is decided, as that of an
 * image, and over which registers are not: leaves with equal hashes show equal bytes as
 * far as anyone has looked. An image that is decided to its last chunk hashes as in
 * images_walk. `weight` is exact, or IMAGES_COUNT_MAX. */
void images_leaf(struct images *im, struct image *out);
/* Visits n images chosen by rng: each fate by itself, couplings repaired. */
int images_random(struct images *im, struct rng *rng, uint64_t n, image_fn *fn,
                  void *arg);
/* Visits the images within `deviations` (0, 1 or 2) fates of none, of all, and of each
 * prefix of the micro-ops; may visit one twice. Weights are 1. */
int images_near(struct images *im, unsigned deviations, image_fn *fn, void *arg);

/* The fates of the image that is being visited (in a lazy visit: of one of its images, the
 * undecided being what was durable), as text that images_replay understands in the same window: "-" none or "+" all survived, then the registers that deviate,
 * "-3.1,7.2". Returns the length as snprintf does. */
int images_describe(const struct images *im, char *buf, size_t n);
/* Visits the one image that `text` describes. -EINVAL: not a legal choice here. */
int images_replay(struct images *im, const char *text, image_fn *fn, void *arg);
/* What became of each micro-op that is pending in the window, by its number
 * (disk_sim_microops). */
enum image_fate {
    IMAGE_LOST,
    IMAGE_TORN, /* or with its sector spoiled */
    IMAGE_KEPT,
    IMAGE_REPLACED, /* a later one of the same chunk, size or name has survived */
    IMAGE_FATES
};
void images_pieces(const struct images *im,
                   void (*fn)(void *arg, uint32_t number, enum image_fate fate),
                   void *arg);
/* What each register came out as, one line each: "db/CURRENT: #7 of #5 #7 (current/rename)". */
int images_explain(const struct images *im, int (*line)(void *arg, const char *text),
                   void *arg);

#endif
