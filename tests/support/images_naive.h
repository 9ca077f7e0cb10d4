/* images_naive.h - all crash images of a small window, found in the simplest way.
 *
 * Flow:    images_test.c, explorer's certificate > images_naive_check > disk_sim.h
 * Crash:   the disk is as before when a check returns.
 * Tests:   tests/fault/images_test.c
 *
 * A second program that shares no code with images.h: it reads the list of pending
 * micro-ops, tries every combination of fates, throws away those that break a rule, and
 * builds each image as plain bytes. What the walk visits must be the same set.
 */
#ifndef TESTS_SUPPORT_IMAGES_NAIVE_H
#define TESTS_SUPPORT_IMAGES_NAIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "fault/disk_sim.h"

struct naive_result {
    bool compared;     /* false: more combinations than `limit`, nothing was done */
    uint64_t count;    /* legal choices, one by one */
    uint64_t distinct; /* images that differ */
    char why[200];     /* in what the two differ; "" when they agree */
};

/* Compares count, sum of weights and set of images of the present window. tau 0 or 1. */
void images_naive_check(struct disk *disk, enum disk_profile profile, unsigned tau,
                        uint64_t limit, struct naive_result *result);

#endif
