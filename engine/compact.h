/* compact.h - a compaction: which tables, and the job that merges them.
 *
 * Flow:    db_work > compact_pick > [trivial move | compact_run] > edit
 * Owns:    the version it works on (a reference) and its outputs, until taken.
 * Errors:  as for flush.h.
 * Threads: compact_run runs anywhere; compact_pick belongs to the owner.
 * Crash:   when compact_run returned ERR_OK its tables' bytes are durable, their names not yet.
 * Tests:   tests/engine/compact_pick_test.c, tests/engine/compact_run_test.c
 */
#ifndef ENGINE_COMPACT_H
#define ENGINE_COMPACT_H

#include "engine/version.h"

struct compaction {
    /* what to do */
    struct version *version; /* the caller's reference */
    unsigned level;          /* inputs come from here and from level + 1 */
    struct table **inputs[2];
    size_t input_count[2];
    bool trivial; /* the only input merely moves down */
    bool drops;   /* the inputs merely go, from both levels */
    bool within;  /* the newest tables of level 0 become one of level 0 */

    /* for compact_run */
    struct mem *mem;
    struct disk_dir *dir;
    const struct options *options;
    struct sst_files *files; /* for the new tables */
    seqno floors[FLOORS];
    seqno oldest_snapshot;
    uint64_t first_number; /* outputs are numbered from here ... */
    size_t output_max;     /* ... and there is room for so many */

    /* outputs */
    enum err err;
    struct err_detail why;
    struct table **outputs;
    size_t output_count;
};

/* ---- compact_pick.c: pure ---- */

/* How urgent a level is: 1 and more needs compaction. */
double compact_score(const struct version *v, const struct options *o, unsigned level);
/* Picks the most urgent work, or with `all` whatever is left above the last level that
 * holds data. False: nothing to do. The inputs are allocated from mem; no reference is
 * taken. ERR_NOMEM comes back as nothing to do. */
bool compact_pick(struct version *v, const struct options *o, const slice *pointer_keys,
                  bool all, struct mem *mem, struct compaction *out);
/* What to look for when the last compaction found no room on the disk. */
enum compact_way {
    COMPACT_DUE,     /* compact_pick: the most urgent */
    COMPACT_NEWEST,  /* what takes about as much room as tombstones do */
    COMPACT_SMALLEST /* one table, and what it meets below */
};

/* For a full disk, what gives room back and takes little or none. Sunk: tables of one level,
 * and of the next, that lie wholly below floors which nobody reads across. Newest: those
 * tables of level 0 down to the first with tombstones and the one below that. Smallest: of
 * the levels that need compaction the table that meets least below. */
bool compact_pick_sunk(struct version *v, const seqno *floors, seqno oldest_snapshot,
                       struct mem *mem, struct compaction *out);
bool compact_pick_newest(struct version *v, struct mem *mem, struct compaction *out);
bool compact_pick_smallest(struct version *v, const struct options *o,
                           const slice *pointer_keys, struct mem *mem,
                           struct compaction *out);
/* How many tables compact_pick_newest would take; 0: none. */
size_t compact_newest_count(const struct version *v);
/* Something above the deepest tables, or in level 0, has been deleted, or sunk by a floor. */
bool compact_gives_room(const struct version *v, const seqno *floors);
/* The level of the outputs. */
static inline unsigned compact_target(const struct compaction *c)
{
    return c->within ? 0 : c->level + 1;
}
void compact_deinit(struct compaction *c);
/* How many outputs the inputs can become at most. */
size_t compact_output_max(const struct compaction *c, const struct options *o);
/* An output that overlaps more bytes of the level below its own is ended: once it would be
 * the input of a very large compaction. LevelDB's rule and factor (db/version_set.cc). */
static inline uint64_t compact_overlap_max(const struct options *o)
{
    return 10 * (uint64_t)o->table_bytes;
}

/* ---- compact_run.c ---- */

void compact_run(struct compaction *c);

#endif
