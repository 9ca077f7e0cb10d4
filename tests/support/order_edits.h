/* order_edits.h - tells the ordering assert what the engine's manifest edits mean.
 *
 * Flow:  disk_order > order_edits_read > engine/manifest.h > disk_order_edit_adds, _frees
 * Owns:  the state that the edits add up to.
 *
 *     struct order_edits edits;
 *     order_edits_init(&edits, mem_libc());
 *     disk_order_set_edits(order, order_edits_read, &edits);
 *
 * It follows a store from its creation or from the next snapshot on; edits before that
 * are not understood and mean nothing.
 */
#ifndef TESTS_SUPPORT_ORDER_EDITS_H
#define TESTS_SUPPORT_ORDER_EDITS_H

#include "engine/manifest.h"
#include "fault/disk_order.h"

struct order_edits {
    struct mem *mem;
    struct store_state state;
    bool known;          /* state is what the manifest says */
    unsigned understood; /* edits and snapshots */
};

void order_edits_init(struct order_edits *e, struct mem *mem);
void order_edits_deinit(struct order_edits *e);
/* A disk_order_edit_fn; arg is the struct. */
void order_edits_read(void *arg, struct disk_order *order, const char *manifest,
                      uint64_t offset, const void *bytes, size_t n);

#endif
