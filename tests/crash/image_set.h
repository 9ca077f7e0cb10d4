/* image_set.h - which images were seen, and what became of each.
 *
 * Flow:    explorer > image_set_add > entry > verdict
 * Owns:    its table. Aborts without memory.
 * Threads: one.
 * Tests:   tests/crash/image_set_test.c
 *
 * A table of 128-bit hashes with linear probing. No filter stands before it that could
 * take a new image for an old one; two images that share all 128 bits would.
 */
#ifndef TESTS_CRASH_IMAGE_SET_H
#define TESTS_CRASH_IMAGE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image_entry {
    uint64_t hash[2]; /* 0, 0: a free place */
    uint32_t value;   /* the caller's; 0 when new */
    uint32_t flags;   /* the caller's */
};

struct image_set {
    struct image_entry *entries;
    size_t places; /* a power of two */
    size_t count;
};

void image_set_init(struct image_set *s);
void image_set_deinit(struct image_set *s);
/* Forgets everything and keeps the memory. */
void image_set_clear(struct image_set *s);
/* The entry of that hash, made when absent (value and flags 0). Valid until the next
 * add. */
struct image_entry *image_set_add(struct image_set *s, const uint64_t hash[2]);
/* NULL: not there. */
struct image_entry *image_set_find(const struct image_set *s, const uint64_t hash[2]);

#endif
