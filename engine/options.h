/* options.h - sizes, limits and policies of one store; fixed while it is open.
 *
 * Tests: tests/engine/options_test.c
 *
 * Geometry is a run-time matter: the crash explorer opens stores with 64-byte blocks and
 * memtables of a few records, so that a whole compaction fits a window it can enumerate.
 */
#ifndef ENGINE_OPTIONS_H
#define ENGINE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/codec.h"
#include "engine/err.h"

#define KEY_BYTES_MAX     (64u * 1024 + 64) /* a 64 KiB user key and its prefix */
#define VALUE_BYTES_MAX   (512u * 1024 * 1024 + 64)
#define BATCH_BYTES_MAX   (1024u * 1024 * 1024) /* payload of one log record */
#define LARGE_VALUE_BYTES (64u * 1024)          /* own block, never cached */
#define LEVELS_MAX        7
/* Levels above this one are rewritten soon, and read on the way to every older key: by
 * default they are not compressed. */
#define LEVELS_PLAIN 2
#define REGISTERS    64 /* counters kept by the store */

/* When the replies of a group may leave; see "the durability contract" in
 * docs/architecture.md. */
enum sync_policy {
    SYNC_ALWAYS,   /* after the group's fsync */
    SYNC_EVERYSEC, /* after its write(); fsync about once a second */
    SYNC_NO        /* after its write(); tables are synced, logs are not */
};

struct options {
    bool create_if_missing;    /* default true */
    bool error_if_exists;      /* default false */
    enum sync_policy sync;     /* default SYNC_EVERYSEC; db_set_sync changes it */
    size_t memtable_bytes;     /* flush above this; default 64 MiB */
    size_t log_bytes;          /* zero-filled ahead; 0: as memtable_bytes */
    size_t block_bytes;        /* target of a data block, uncompressed; default 4096 */
    unsigned restart_interval; /* entries between restart points; default 16 */
    unsigned filter_bits;      /* bits a key in a table's filter; 0: none; default 10 */
    size_t table_bytes;        /* a compaction's outputs are cut here; default 2 MiB */
    size_t cache_bytes;        /* block cache; 0: none; default 64 MiB */
    bool map_tables;           /* read through memory maps; default: true on 64 bits */
    size_t open_tables_max;    /* tables with an open descriptor; default 1000 */
    unsigned level0_tables;    /* compact level 0 from this many on; default 4 */
    size_t level1_bytes;       /* target of level 1; 0, the default: three memtables, but
                                  at least 10 MiB */
    unsigned level_ratio;      /* size ratio of neighbouring levels; default 10 */
    size_t manifest_bytes;     /* roll the manifest over above this, and above
                                twice its snapshot; default 1 MiB */
    unsigned spare_logs;       /* logs kept ready for the next memtables; default 2 */
    size_t write_buffer_bytes; /* buffer of a table or log being filled; default 64 KiB */
    unsigned immutables_max;   /* memtables waiting for flush before puts wait; 4 */
    unsigned level0_slow;      /* tables on level 0 from which puts are slowed; 16 */
    unsigned level0_stop;      /* ... from which they wait; default 24 */
    enum codec codecs[LEVELS_MAX]; /* of tables written to a level; default: none on 0 and
                                      1, where tables live a short time, below them lz4,
                                      or none when it is not built in */
};

void options_init(struct options *o);
/* Whether room is kept for a full disk: a store that makes do with one log takes none. */
static inline bool options_keep_reserve(const struct options *o)
{
    return o->spare_logs > 1;
}
/* ERR_INVALID with the name, value and range of the first bad one. */
enum err options_check(const struct options *o, struct err_detail *why);

#endif
