/* disk_tap.h - looks over the shoulder of a disk: a callback before each changing call.
 *
 * Flow:    engine > shim > tap > the disk's own calls; tap > explorer
 * Owns:    nothing. It puts its own table of calls in the place of the disk's and gives
 *          it back; handles stay the disk's own, so a tap may come and go at any time.
 * Threads: one.
 * Tests:   tests/crash/disk_tap_test.c
 *
 * Without a tap the disk runs at full speed: an image is recovered without one, unless
 * the crashes inside that recovery are to be explored as well.
 */
#ifndef TESTS_CRASH_DISK_TAP_H
#define TESTS_CRASH_DISK_TAP_H

#include <stdbool.h>

#include "fault/disk.h"

/* A call that is about to be made. */
struct tap_call {
    enum file_call call;
    enum site site;
    uint32_t ordinal;        /* of changing calls since disk_tap_on, from 0 */
    struct disk_dir *dir;    /* calls on names, sync of a directory; else NULL */
    struct disk_file *file;  /* calls on files; else NULL */
    struct disk_dir *to_dir; /* link; else NULL */
    const char *name, *to;   /* names; else NULL */
    uint64_t offset;         /* write; truncate, allocate: the size; open: the flags;
                               sync: the mode */
    const void *bytes;       /* write */
    size_t length;
};
/* True for those calls that make things durable. */
static inline bool tap_is_barrier(const struct tap_call *c)
{
    return c->call == CALL_SYNC;
}
typedef void tap_fn(void *arg, const struct tap_call *call);
/* A file or directory was opened (lock included) as `name` of `dir` (NULL: the root). */
typedef void tap_opened_fn(void *arg, struct disk_dir *dir, const char *name,
                           const void *handle);

struct disk_tap {
    struct disk_ops ops; /* first: the disk's table while the tap is on */
    const struct disk_ops *inner;
    struct disk *disk;
    tap_fn *before;
    tap_opened_fn *opened;                       /* may be NULL */
    void (*looked)(void *arg, const char *name); /* opened as it is; may be NULL */
    void *arg;
    uint32_t calls;                                       /* changing calls so far */
    bool (*drop)(void *arg, const struct tap_call *call); /* true: answer 0, do nothing;
                                                             only syncs; may be NULL */
};

void disk_tap_on(struct disk_tap *t, struct disk *disk, tap_fn *before, void *arg);
void disk_tap_off(struct disk_tap *t);
/* The disk's own table for a while, e.g. while images are recovered. Returns what
 * disk_tap_resume needs. Without a tap on the disk nothing happens. */
const struct disk_ops *disk_tap_pause(struct disk *disk, const struct disk_ops *plain);
void disk_tap_resume(struct disk *disk, const struct disk_ops *paused);

#endif
