/* image_class.h - disks that a recovery cannot tell apart.
 *
 * Flow:    explorer_verdict, cut_inside > class_begin, class_find > class_looked ...
 *          > class_add
 * Owns:    nothing: the table and the view are the caller's.
 * Errors:  a view of a disk with too many files is no class: it is never found.
 * Threads: one.
 * Tests:   tests/crash/image_class_test.c
 *
 * A recovery is a function of what it sees. It sees all names, and the contents of those
 * files only that it opens without emptying them. So two images with the same names (and
 * the same links), and equal contents of all files that one recovery has opened, get the
 * same verdict, whatever the other files hold: leftovers of a recovery that was cut, say.
 * The same holds of two windows: with the same names, pending ones too, and equal files,
 * as far as the recovery of any of their images has looked, they lead to the same.
 *
 * Classes are found by going the way of a recovery: names first; then the table says which
 * file is looked at next, its contents lead on, and so forth to a verdict. Files go by
 * their place among the names, which are the same in all of a class. Whoever judges a disk
 * by more than one recovery tells its view of each file that these look at, as far
 * as the bytes may come from this disk: a file that was emptied, written and synced since
 * is nothing of the disk's any more.
 */
#ifndef TESTS_CRASH_IMAGE_CLASS_H
#define TESTS_CRASH_IMAGE_CLASS_H

#include "fault/disk_sim.h"
#include "tests/crash/disk_tap.h"
#include "tests/crash/image_set.h"

#define CLASS_FILES_MAX 48

struct class_file {
    uint32_t inode;
    bool hashed;
    uint64_t hash[2]; /* of contents and size, pending ones too */
    bool looked;      /* somebody has opened it: it belongs to the class */
    bool emptied;     /* and it was not looked at before */
    bool replaced;    /* emptied, and synced since */
};

/* One image, or what a window is opened on, as far as it was looked at. */
struct class_view {
    struct disk *disk;
    struct class_file files[CLASS_FILES_MAX];
    uint32_t count;
    uint32_t order[CLASS_FILES_MAX]; /* files that were looked at */
    uint32_t looked;
    uint64_t names[2]; /* hash of names and links, and the key */
    bool closed;       /* a look at another file breaks it */
    bool broken;       /* too many files, or it was closed: no class */
};

/* The disk as it is now. `key` is what the verdict depends on beside the disk. */
void class_begin(struct class_view *v, struct disk *disk, uint64_t key);
/* Goes down the table; what lies on the way counts as looked at. 0: unknown. REQUIRES: the
 * disk is as it was at class_begin, here and in class_add. */
uint32_t class_find(struct class_view *v, const struct image_set *table);
/* Adds the class of all disks that agree with this one in what was looked at. */
void class_add(struct class_view *v, struct image_set *table, uint32_t value);

/* A file is opened that may be the disk's (`name` as the disk shows it now; of whatever
 * directory). */
void class_looked(struct class_view *v, const char *name);
/* Every file that has a name now counts as looked at: what recovery leaves is judged. */
void class_kept(struct class_view *v);
/* A changing call is made. */
void class_call(struct class_view *v, const struct tap_call *call);
/* Another disk, made from this one, was looked at. */
void class_inherit(struct class_view *v, const struct class_view *inner);

#endif
