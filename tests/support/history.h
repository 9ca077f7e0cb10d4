/* history.h - a store that is changed at random beside a plain array that says what it
 * must show, now and at each moment that was noted.
 *
 * Flow:    suites > history_step > teststore; history_wander > db_iter.h and the array
 * Owns:    nothing but its numbers: the store is the caller's.
 *
 * Keys are few, so that versions, tombstones and floors of the same key meet on all
 * levels. A moment is a copy of the array.
 */
#ifndef TESTS_SUPPORT_HISTORY_H
#define TESTS_SUPPORT_HISTORY_H

#include "engine/db.h"
#include "fault/rng.h"
#include "tests/support/teststore.h"

#define HISTORY_KEYS 48

/* What a store shows: for each key the number of the put that wrote its value, 0: absent. */
struct moment {
    uint32_t put[HISTORY_KEYS];
};

struct history {
    struct teststore *store;
    struct rng rng;
    uint32_t puts;
    struct moment now;
};

void history_begin(struct history *h, struct teststore *store, uint64_t seed);
/* One random change or piece of background work. */
void history_step(struct history *h);
/* Takes a random walk with the iterator, in both directions; after each move it must stand
 * where the moment says. Only keys [from, to) are to be seen. True when all agree. */
bool history_wander(struct history *h, const struct moment *m, struct db_iter *it,
                    size_t from, size_t to, int moves);
/* Every key is read alone, as of the snapshot (NULL: now). True when all agree. */
bool history_reads(struct history *h, const struct moment *m,
                   const struct db_snapshot *at);
/* The i-th key in order; the buffer is the history's. */
slice history_key(size_t i);

#endif
