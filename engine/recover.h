/* recover.h - from the bytes on disk to the state of a store, in two halves: reading,
 * which changes nothing, and settling, which makes what was read durable.
 *
 * Flow:    db_open > recover_read > recover_settle > db; db_check > recover_read
 * Owns:    a recovery owns all files, tables and memlogs until somebody takes them over.
 * Errors:  refusals name the file, the offset and what to do; nothing was changed.
 * Crash:   recover_settle may be cut anywhere, any number of times: the next reading gives
 *          the same state. After it returned, everything that the recovery holds is
 *          durable, and doing it again changes nothing.
 * Tests:   tests/engine/recover_test.c, tests/crash
 */
#ifndef ENGINE_RECOVER_H
#define ENGINE_RECOVER_H

#include "engine/db.h"
#include "engine/filename.h"
#include "engine/manifest.h"
#include "engine/memlog.h"
#include "engine/version.h"

/* One file in the format of wal.h, and how far it could be read. */
struct recovered_log {
    struct disk_file *file;
    uint64_t number;
    uint64_t size;    /* of the file */
    uint64_t end;     /* behind the last record of the chain */
    uint64_t records; /* of the chain */
    bool recycled;
    bool marked;            /* the last record is a mark: */
    struct wal_record mark; /* that one, if it was read; bytes 0: it was written now */
    bool copied;            /* by recover_settle: all of it is durable */
    struct wal_chain begin; /* what its first record continues */
    struct wal_tail tail;
    struct memlog *memlog; /* NULL: no record */
};

/* A file of ours that the state does not name, and whose number is not given again. */
struct leftover {
    enum filename_kind kind;
    uint64_t number;
};

#define LEFTOVERS_MAX 64

struct recovery {
    const struct db_env *env;
    const struct options *options;
    struct disk_dir *dir;
    bool read_only;          /* files are opened for reading: it will not be settled */
    struct sst_files *files; /* for the tables */
    struct recovered_log manifest;
    struct wal_chain manifest_chain;
    size_t last; /* index of the log in which the chain ends: it becomes the active one */
    struct wal_chain chain;        /* at that end */
    struct wal_position watermark; /* greatest one that was read */
    seqno last_seq;
    struct table **tables; /* as state.tables, opened */
    uint64_t records;      /* of all logs, for the log line */
    uint64_t cut_bytes;
    size_t leftover_count;
    struct store_state state; /* the manifest's */
    /* large, and cleared only as far as the counts say: */
    struct books books;                        /* at the end of the chain */
    struct recovered_log logs[STORE_LOGS_MAX]; /* as state.logs */
    struct leftover leftovers[LEFTOVERS_MAX];  /* by recover_settle: they may go now */
};

/* Reads manifest, tables and logs. REQUIRES: dir is open. On an error everything that was
 * opened is closed again. */
enum err recover_read(struct recovery *r, const struct db_env *env,
                      const struct options *options, struct disk_dir *dir,
                      struct sst_files *files, struct err_detail *why);
/* The same for who will not settle it: read access is enough, and every table that cannot be
 * opened is told to fn, not only the first. */
enum err recover_read_each(struct recovery *r, const struct db_env *env,
                           const struct options *options, struct disk_dir *dir,
                           struct sst_files *files, sst_finding_fn *fn, void *arg,
                           struct err_detail *why);
/* Makes what was read durable, cuts what was not, and deletes files of our names that the
 * state does not know, or lists them for somebody who has the time. No file that holds a
 * record is changed: what may not be durable is copied to new files, which a new manifest
 * names. */
enum err recover_settle(struct recovery *r, struct err_detail *why);
/* Whether the manifest that was read names this file. */
bool recover_names(const struct recovery *r, enum filename_kind kind, uint64_t number);
/* Frees and closes what was not taken over (taken: set to NULL by the taker). */
void recover_deinit(struct recovery *r);

#endif
