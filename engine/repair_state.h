/* repair_state.h - what a repair knows; shared by its reading and its writing half.
 *
 * Flow: db_repair > repair_read (changes nothing) > repair_write
 * Owns: everything it points to, but for environment, options and directory.
 * Tests: tests/engine/repair_test.c
 */
#ifndef ENGINE_REPAIR_STATE_H
#define ENGINE_REPAIR_STATE_H

#include "engine/filename.h"
#include "engine/manifest.h"
#include "engine/memtable.h"
#include "engine/repair.h"
#include "engine/sst_salvage.h"

/* While tables are written without a manifest, an empty file REPAIR-NNNNNN says that they
 * have this number or a higher one. */
#define REPAIR_MARK "REPAIR-"

struct repair_table {
    uint64_t number;
    unsigned level;              /* known with a whole manifest only */
    bool known;                  /* the manifest has */
    struct sst_meta meta;        /* this; owned */
    bool obsolete;               /* a compaction had replaced it, or nobody names it */
    bool sound;                  /* every byte of it */
    struct sst_salvage *salvage; /* NULL: sound, missing or obsolete */
};

/* Numbers of the files of one kind in the directory, ascending. */
struct repair_files {
    uint64_t *numbers;
    size_t count, capacity;
};

struct repair {
    const struct db_env *env;
    const struct options *options;
    struct disk_dir *dir;
    struct sst_files files; /* of the tables that are sound */
    db_report_fn *report;
    void *arg;
    struct repair_counts *counts;

    struct repair_files ssts, logs, manifests;
    struct repair_files keep_logs; /* the damaged ones, or perhaps, and unnamed ones */
    struct repair_files aside;     /* of any kind, with REPAIR_SUFFIX */
    struct repair_files marks;     /* of repairs that were cut */
    uint64_t highest;              /* number of any file, those set aside included */
    uint64_t leftover;             /* a repair that was cut wrote tables from here on */
    bool found;                    /* something is a store's */

    bool current_sound;
    bool whole;               /* the manifest is: `state` is all of it */
    bool merge;               /* levels are not known, or broken */
    struct store_state state; /* else: what its intact records add up to */
    struct repair_table *tables;
    size_t table_count, table_capacity;

    struct memtable *records;  /* puts and deletes of the logs */
    seqno last_seq, in_tables; /* newest of all; up to here everything is in tables */
    struct books books;
};

/* Fills everything above `records`' end. */
enum err repair_read(struct repair *r, struct err_detail *why);
/* Puts the new state in force and sets aside what it does not need. */
enum err repair_write(struct repair *r, struct err_detail *why);
/* One line of the report. */
void repair_say(struct repair *r, enum err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
