/* random_world.h - a simulated disk on which a few random calls were made.
 *
 * Flow:    images_test.c, images_lazy_test.c > random_world > disk.h
 * Owns:    the disk, which the caller frees.
 * Tests:   tests/fault/images_test.c
 *
 * Small on purpose: chunks of 64 bytes, up to two directories "s" and "d", three names,
 * three chunks, so that most windows can be compared image by image.
 */
#ifndef TESTS_SUPPORT_RANDOM_WORLD_H
#define TESTS_SUPPORT_RANDOM_WORLD_H

#include <stdint.h>

#include "fault/disk_sim.h"
#include "fault/rng.h"

struct random_world {
    struct disk *disk;
    struct disk_dir *dir[3]; /* the root, "s", "d" or NULL */
    struct rng rng;
};

/* A disk with some durable files, some calls later. Equal seeds give equal disks. */
struct random_world random_world(uint64_t seed);

#endif
