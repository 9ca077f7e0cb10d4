/* survivors.h - which entries of a merge somebody can still see.
 *
 * Flow:  flush, compact_run: for each entry of a sorted merge > survivors_keep
 * Tests: tests/engine/survivors_test.c
 *
 * An entry is dropped when no reader, present or future, can tell the difference:
 * - a newer version of its key is visible to every snapshot;
 * - it lies below the floor of its prefix, and so does the oldest snapshot's view;
 * - it is a tombstone that every snapshot sees and nothing older lies below it.
 */
#ifndef ENGINE_SURVIVORS_H
#define ENGINE_SURVIVORS_H

#include "engine/ikey.h"
#include "engine/version.h"

struct survivors {
    seqno oldest_snapshot; /* nobody reads as of an earlier number */
    const seqno *floors;   /* FLOORS of them; borrowed */
    /* Levels in which something older may lie; borrowed; count 0: none lies anywhere,
     * and `bottom` says whether that is so. */
    const struct level *below;
    size_t below_count;
    bool bottom; /* false: older versions may lie elsewhere, keep tombstones */
    /* of the key that was last seen */
    uint8_t *key;
    size_t key_size, key_capacity;
    seqno newer; /* number of the version before this one; SEQNO_MAX + 1: none */
    struct mem *mem;
};

void survivors_init(struct survivors *s, struct mem *mem, seqno oldest_snapshot,
                    const seqno *floors);
void survivors_deinit(struct survivors *s);
/* Entries come in the order of ikey_compare. *keep says whether this one stays. */
enum err survivors_keep(struct survivors *s, slice key, uint64_t tag, bool *keep);

#endif
