/* image_class.h - images that a recovery cannot tell apart.
 *
 * Flow:    explorer_verdict > class_begin, class_find > class_looked ... > class_add
 * Owns:    the table its entries; a view is the caller's.
 * Errors:  a view of a directory with too many names is no class: it is never found.
 * Threads: one.
 * Tests:   tests/crash/image_class_test.c
 *
 * A recovery is a function of what it sees. It sees all names, and the contents of those
 * files only that it opens without emptying them. So two images with the same names (and
 * the same links), and equal contents of all files that one recovery has opened, get the
 * same verdict, whatever the other files hold: leftovers of a recovery that was cut, say.
 *
 * Classes are found by going the way of a recovery: names first; then the table says which
 * file is opened next, its contents lead on, and so forth to a verdict. Whoever judges an
 * image by more than one recovery tells its view of each file that these look at, as far
 * as the bytes may come from this image: a file that was emptied, written and synced since
 * is nothing of the image's any more.
 */
#ifndef TESTS_CRASH_IMAGE_CLASS_H
#define TESTS_CRASH_IMAGE_CLASS_H

#include "fault/disk_sim.h"
#include "tests/crash/disk_tap.h"
#include "tests/crash/image_set.h"

#define CLASS_NAMES_MAX 48

struct class_file {
    char name[24];
    uint32_t inode;
    uint64_t hash[2]; /* of its contents and size */
    bool looked;      /* somebody has opened it: it belongs to the class */
    bool emptied;     /* and it was not looked at before */
    bool replaced;    /* emptied, and synced since */
};

/* One image, as far as it was looked at. */
struct class_view {
    struct disk *disk;
    const char *dir;
    struct class_file files[CLASS_NAMES_MAX];
    uint32_t count;
    uint32_t order[CLASS_NAMES_MAX]; /* files that were looked at */
    uint32_t looked;
    uint64_t names[2]; /* hash of names and links */
    bool closed;       /* a look at another file breaks it */
    bool broken;       /* too many names, or it was closed: no class */
};

/* The directory `dir` of the disk as readers see it. */
void class_begin(struct class_view *v, struct disk *disk, const char *dir);
/* Goes down the table; what lies on the way counts as looked at. 0: unknown. */
uint32_t class_find(struct class_view *v, const struct image_set *table);
/* Adds the class of all images that agree with this one in what was looked at. */
void class_add(const struct class_view *v, struct image_set *table, uint32_t value);

/* A file is opened that may be the image's (`name` as the disk shows it now). */
void class_looked(struct class_view *v, const char *name);
/* A changing call is made. */
void class_call(struct class_view *v, const struct tap_call *call);
/* Another image, made from this one, was looked at. */
void class_inherit(struct class_view *v, const struct class_view *inner);

#endif
