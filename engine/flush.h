/* flush.h - a job: an immutable memtable becomes a table of level 0.
 *
 * Flow:    db_work > flush_run > sst_builder > NNNNNN.sst > db_work > edit
 * Owns:    its outputs until the owner takes them.
 * Errors:  in `why`; the file that was begun stays for recovery, or the owner, to delete.
 * Threads: runs anywhere; touches only this struct and immutable inputs.
 * Crash:   when it returned ERR_OK the table's bytes are durable, its name is not yet.
 * Tests:   tests/engine/flush_test.c
 */
#ifndef ENGINE_FLUSH_H
#define ENGINE_FLUSH_H

#include "engine/memlog.h"
#include "engine/version.h"

struct flush {
    /* inputs */
    struct mem *mem;
    struct disk_dir *dir;
    const struct options *options;
    struct sst_files *files; /* for the new tables */
    const struct memlog *memlog;
    uint64_t number; /* of the table */
    seqno oldest_snapshot;
    seqno floors[FLOORS]; /* durable ones, beyond those of the memlog; 0: none */
    /* outputs */
    enum err err;
    struct err_detail why;
    struct table *table; /* NULL: every entry was dropped */
};

void flush_run(struct flush *f);

#endif
