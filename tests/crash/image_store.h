/* image_store.h - images put aside, a hundred bytes each, to be made again later.
 *
 * Flow:    explorer > image_store_push ... image_store_pop > an empty disk becomes the image
 * Owns:    its copies.
 * Errors:  aborts without memory.
 * Threads: one.
 * Tests:   tests/crash/image_store_test.c
 *
 * A queue of images: directories, and the files in them. Images differ in few chunks, so each chunk
 * is kept once and an image is a list of numbers.
 */
#ifndef TESTS_CRASH_IMAGE_STORE_H
#define TESTS_CRASH_IMAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault/disk.h"

#define IMAGE_STORE_CHUNK 64 /* bytes */

struct image_store;
struct image_note { /* goes along with an image; the caller's */
    uint32_t a, b;
};

struct image_store *image_store_new(void);
void image_store_free(struct image_store *s);
void image_store_clear(struct image_store *s);
size_t image_store_count(const struct image_store *s);
/* Adds what the disk holds now. */
void image_store_push(struct image_store *s, struct disk *disk, struct image_note note);
/* Takes the oldest one out and creates it on the disk, which is empty. The caller makes it
 * durable. REQUIRES: count > 0. */
struct image_note image_store_pop(struct image_store *s, struct disk *disk);

#endif
