/* repair.h - saves what is not damaged of a store that cannot be opened, or not be trusted.
 *
 * Flow:    riptidekv-check --repair > db_repair > repair_read.c > repair.c > manifest
 * Errors:  a store in use, memory, a disk that refuses; and ERR_FOREIGN when nothing in
 *          the directory is a store's. What can be read as it was before the call.
 * Threads: one; nobody else has the store open.
 * Crash:   until the new manifest is in force the store is what it was; may be cut and
 *          repeated any number of times, with the same file numbers.
 * Tests:   tests/engine/repair_test.c
 *
 * Nothing is deleted: a damaged file, a manifest, a table or a log that no manifest names,
 * and whatever was read while the manifest was lost, stays in the directory under its name
 * with `.lost` behind it. Blank files go.
 *
 * - Manifest whole: sound tables stay where they are. Of a damaged one the intact blocks
 *   become a new table on the same level; level 0, which is ordered by age, is merged if
 *   it holds a damaged table. Records of the logs, also behind a gap, go to level 0.
 * - Manifest lost, or its end (there are files newer than what it names): every intact record of a manifest still tells which
 *   tables are obsolete, and how far the tables go. All other tables and all records of
 *   logs are merged by sequence number into one level.
 *
 * A key comes back from the dead only if what says that it is deleted is itself lost.
 */
#ifndef ENGINE_REPAIR_H
#define ENGINE_REPAIR_H

#include "engine/db.h"

#define REPAIR_SUFFIX ".lost"

struct repair_counts {
    bool changed; /* false: the store was sound */
    uint64_t tables_kept, tables_salvaged, tables_lost;
    uint64_t entries;    /* in new tables */
    uint64_t records;    /* of logs, saved */
    uint64_t bytes_lost; /* of data blocks and log records */
};

/* Each loss, and each thing that cannot be known, is a line to `report`. REQUIRES:
 * env->disk, clock and mem. */
enum err db_repair(const struct db_env *env, const char *dir,
                   const struct options *options, db_report_fn *report, void *arg,
                   struct repair_counts *counts, struct err_detail *why);

#endif
