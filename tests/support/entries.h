/* entries.h - sorted entries in an array: the model that memtables, blocks, tables and
 * merges are compared with, and an iterator over it that can fail on demand.
 *
 * Owns: copies of all keys and values until entries_deinit.
 */
#ifndef TESTS_SUPPORT_ENTRIES_H
#define TESTS_SUPPORT_ENTRIES_H

#include "engine/iter.h"
#include "fault/rng.h"

struct entry {
    slice key;
    uint64_t tag;
    slice value;
};

struct entries {
    struct entry *at; /* ascending once entries_sort was called */
    size_t count, capacity;
};

void entries_add(struct entries *e, slice key, uint64_t tag, slice value);
/* Sorts, and drops entries whose (key, tag) is there already. */
void entries_sort(struct entries *e);
/* Index of the first entry >= (key, tag), or count. */
size_t entries_seek(const struct entries *e, slice key, uint64_t tag);
/* Takes one entry out. */
void entries_remove(struct entries *e, size_t index);
void entries_deinit(struct entries *e);

/* `count` entries (fewer if some coincide) with keys of `alphabet` letters and up to
 * `key_max` bytes, several versions each, values up to `value_max` bytes; sorted. */
void entries_random(struct entries *e, struct rng *r, size_t count, unsigned alphabet,
                    size_t key_max, size_t value_max);

/* An iterator over them; the `fail_at`-th move (from 1; 0: none) fails with ERR_IO. */
struct iter *entries_iter(const struct entries *e, size_t fail_at);

/* Checks that the iterator, which stands on an entry, is at entries[i] and everything
 * behind it follows. True when all agree. */
bool entries_match(const struct entries *e, size_t i, struct iter *it);

/* Goes here and there with the iterator, in both directions, and checks after each move
 * that it stands where the array says. True when all agree. REQUIRES: entries. */
bool entries_wander(const struct entries *e, struct iter *it, struct rng *r, int moves);

#endif
