/* order_edits.h - the ordering assert around a disk on which the engine keeps its store.
 *
 * Flow:  disk_order > order_edits_read > engine/manifest.h > disk_order_edit_adds, _frees,
 *        _points_to
 * Owns:  the wrapper, and for each directory the state that the edits of its newest
 *        manifest add up to.
 * Tests: tests/engine/order_test.c
 *
 *     struct order_watch watch;
 *     env.disk = order_watch_init(&watch, disk, on_violation, arg);
 *     ...                              after a crash, and the old store's close:
 *     order_watch_restart(&watch);
 *     ...                              when everything is closed:
 *     order_watch_deinit(&watch);
 *
 * Manifests of an earlier process are read when the engine opens them, as far as their
 * records are whole.
 */
#ifndef TESTS_SUPPORT_ORDER_EDITS_H
#define TESTS_SUPPORT_ORDER_EDITS_H

#include "engine/manifest.h"
#include "fault/disk_order.h"

/* The newest manifest of one directory. */
struct order_manifest {
    struct store_state state; /* state.manifest: of which one; 0: of none */
    uint8_t *bytes;           /* of that manifest; edits are read when they are whole */
    size_t size, read, room;
    struct wal_chain chain; /* where reading stands */
};

#define ORDER_EDITS_DIRS 16 /* directories of one disk that may hold a store */

struct order_edits {
    struct mem *mem;
    struct order_manifest dirs[ORDER_EDITS_DIRS];
    unsigned understood; /* edits and snapshots */
};

struct order_watch {
    struct disk_order *order;
    struct order_edits edits;
};

/* The disk to give to the store. Aborts without memory. */
struct disk *order_watch_init(struct order_watch *w, struct disk *inner,
                              disk_order_violation_fn *on_violation, void *arg);
void order_watch_deinit(struct order_watch *w);
/* The process died: what the disk shows now counts as durable. */
void order_watch_restart(struct order_watch *w);
/* A reply leaves that promises everything which was written so far. */
void order_watch_acknowledge(struct order_watch *w);

/* How often each rule was applied, added up over many runs. */
struct order_counts {
    uint64_t checks[ORDER_RULE_COUNT];
};
void order_counts_add(struct order_counts *to, const struct order_watch *from);
/* "pointer 12, edit 40, ..."; returns out. */
#define ORDER_COUNTS_TEXT 160
const char *order_counts_text(const struct order_counts *c, char out[ORDER_COUNTS_TEXT]);

#endif
