/* riptide.h - RiptideKV's engine inside your own program: the manual.
 *
 * Flow:    your program > riptide_* > db.h
 * Owns:    a handle owns what it holds open; free it with the function that is named
 *          beside the one that made it. What you pass in is copied or used during the
 *          call only, unless a function says otherwise.
 * Errors:  every call that can fail returns an enum riptide_error; out-parameters are
 *          untouched on failure. A struct riptide_failure (NULL is allowed) says what,
 *          where and why in one line. A call that is not allowed where it is made (what
 *          REQUIRES says, a handle that was freed, a store closed while an iterator or a
 *          snapshot of it lives) is a mistake in the program, and may end it by abort().
 * Threads: one thread at a time uses a store and everything made from it. Several stores
 *          may be used by several threads. Background work runs on threads of the store's
 *          own, or inside your calls: see riptide_options.threads.
 * Crash:   see riptide_sync. Whatever the policy: a change is there wholly or not at all,
 *          what survives is a prefix of what was done, and what riptide_open serves will
 *          survive the next crash.
 * Tests:   tests/engine/riptide_test.c, tests/embed.sh (which runs tests/examples/embed.c)
 *
 * A store is a sorted map from byte strings to byte strings, in one directory. It needs
 * only this header and libriptide:
 *
 *     struct riptide *store;
 *     struct riptide_failure why;
 *     if (riptide_open("data/mine", NULL, &store, &why)) {
 *         fprintf(stderr, "%s\n", why.text);
 *         exit(1);
 *     }
 *     riptide_put(store, "key", 3, "value", 5);
 *     riptide_close(store);
 *
 *     cc program.c -lriptide -pthread
 */
#ifndef ENGINE_RIPTIDE_H
#define ENGINE_RIPTIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RIPTIDE_API __attribute__((visibility("default")))
#else
#define RIPTIDE_API
#endif

#define RIPTIDE_VERSION "0.1.0"
/* The version of the library that was linked, in the same form. */
RIPTIDE_API const char *riptide_version(void);

/* ---- errors ---- */

/* The numbers do not change between versions. */
enum riptide_error {
    RIPTIDE_OK = 0,
    RIPTIDE_NOT_FOUND = 1,    /* the key has no value */
    RIPTIDE_NO_MEMORY = 2,    /* nothing has changed; try again with more */
    RIPTIDE_IO = 3,           /* the operating system refused; see os_error */
    RIPTIDE_NO_SPACE = 4,     /* the disk is full */
    RIPTIDE_CORRUPT = 5,      /* a file is damaged: named, with the offset */
    RIPTIDE_MISSING = 6,      /* no such store, or one of its files is missing */
    RIPTIDE_LOCKED = 7,       /* the store is open, in another process or this one */
    RIPTIDE_FOREIGN = 8,      /* the directory is somebody else's; nothing was touched */
    RIPTIDE_NEWER_FORMAT = 9, /* written by a newer version */
    RIPTIDE_EXISTS = 10,      /* error_if_exists, and it does */
    RIPTIDE_INVALID = 11,     /* an option or a path out of its range */
    RIPTIDE_TOO_LARGE = 12,   /* a key, value or batch above its limit; see writing */
    RIPTIDE_WRITES_REFUSED = 13, /* a write or sync had failed: riptide_write_error */
    RIPTIDE_BUSY = 14            /* too much unfinished work; step and try again */
};
/* A few words for people; static. Any number is allowed: "unknown error". */
RIPTIDE_API const char *riptide_error_text(enum riptide_error error);

struct riptide_failure {
    enum riptide_error error;
    int os_error;   /* errno behind it, or 0 */
    char text[352]; /* "000007.sst: block at 4096: checksum mismatch" */
};

/* ---- open and close ---- */

struct riptide;

/* When a change survives what, once the call that made it has returned:
 *
 *                  killed process    power cut
 *     ALWAYS       yes               yes
 *     EVERYSEC     yes               except for the last moments: about a second of changes
 *                                    may be lost, if you write or step at least that often
 *     NO           yes               what the operating system happened to write */
enum riptide_sync {
    RIPTIDE_SYNC_ALWAYS = 0,
    RIPTIDE_SYNC_EVERYSEC = 1,
    RIPTIDE_SYNC_NO = 2
};

/* How blocks of tables are stored. LZ4 only where the library was built with it. */
enum riptide_compression { RIPTIDE_COMPRESSION_NONE = 0, RIPTIDE_COMPRESSION_LZ4 = 1 };

#define RIPTIDE_LEVELS 7

enum riptide_log_level { RIPTIDE_LOG_DEBUG, RIPTIDE_LOG_INFO, RIPTIDE_LOG_WARNING };

/* Fill it with riptide_options_init and change what you like. Used during riptide_open
 * only; log_arg must outlive the store. */
struct riptide_options {
    bool create_if_missing; /* true */
    bool error_if_exists;   /* false */
    enum riptide_sync sync; /* EVERYSEC */
    bool threads;           /* true: background work has three threads of its own; false:
                               it runs inside your calls, one of which may take long */
    size_t memtable_bytes;  /* 64 MiB: newest changes kept in memory, up to five times */
    size_t cache_bytes;     /* 64 MiB: blocks of tables kept in memory; 0: none */
    bool map_tables;        /* true on 64 bits: tables are read as mapped memory, and the
                               cache holds what cannot be; a medium that fails below a
                               block that was read once ends the process */
    size_t open_tables_max; /* 1000: tables with an open descriptor at a time */
    size_t block_bytes;     /* 4 KiB: what is read at once */
    size_t table_bytes;     /* 2 MiB: size of a table */
    size_t level1_bytes;    /* size of the first sorted level; 0: three memtables, but at
                               least 10 MiB */
    unsigned filter_bits;   /* 10: bits of memory per key that spare reads; 0: none */
    /* Of tables that are written to a level from now on. Levels 0 and 1: NONE; below them
     * LZ4, or NONE in a library without it: that one also refuses to open a store which
     * has compressed tables. */
    enum riptide_compression compression[RIPTIDE_LEVELS];
    /* What the store has to say, in lines without an end; NULL: nobody listens. */
    void (*log)(void *arg, enum riptide_log_level level, const char *line);
    void *log_arg;
};
RIPTIDE_API void riptide_options_init(struct riptide_options *options);

/* Opens the store in directory `path`, whose parent must exist; recovers it when the last
 * process did not close it; creates it when missing. NULL options: the defaults. Free with
 * riptide_close. */
RIPTIDE_API enum riptide_error riptide_open(const char *path,
                                            const struct riptide_options *options,
                                            struct riptide **out,
                                            struct riptide_failure *why);
/* Waits for background work, syncs whatever the policy, closes, frees: the store is gone
 * in any case, and the error is that of the sync. NULL is allowed. Iterators of the store
 * must have been freed. */
RIPTIDE_API enum riptide_error riptide_close(struct riptide *store);

/* Verifies every byte of a store that nobody has open, and changes nothing. Each finding
 * is one line to `report` (may be NULL); returns the first one's error. */
RIPTIDE_API enum riptide_error
riptide_check(const char *path,
              void (*report)(void *arg, enum riptide_error error, const char *line),
              void *arg);

/* ---- writing ----
 *
 * Each call is one atomic change with its own write, and under SYNC_ALWAYS its own sync.
 * Share them with a batch or a group. A call may wait for background work that lags.
 * Beyond these limits the answer is RIPTIDE_TOO_LARGE and nothing has changed. */

#define RIPTIDE_KEY_BYTES_MAX   (64u << 10)  /* 64 KiB */
#define RIPTIDE_VALUE_BYTES_MAX (512u << 20) /* 512 MiB */
/* Of a batch, and of a group: keys, values, and up to eleven bytes for each change. */
#define RIPTIDE_BATCH_BYTES_MAX (1024u << 20)

RIPTIDE_API enum riptide_error riptide_put(struct riptide *store, const void *key,
                                           size_t key_size, const void *value,
                                           size_t value_size);
/* RIPTIDE_OK whether or not the key had a value. */
RIPTIDE_API enum riptide_error riptide_delete(struct riptide *store, const void *key,
                                              size_t key_size);

/* Changes that take place together or not at all; they are copied. A batch belongs to no
 * store and may be written to several. NULL without memory. */
struct riptide_batch;
RIPTIDE_API struct riptide_batch *riptide_batch_new(void);
RIPTIDE_API void riptide_batch_free(struct riptide_batch *batch); /* NULL is allowed */
RIPTIDE_API void riptide_batch_clear(struct riptide_batch *batch);
RIPTIDE_API enum riptide_error riptide_batch_put(struct riptide_batch *batch,
                                                 const void *key, size_t key_size,
                                                 const void *value, size_t value_size);
RIPTIDE_API enum riptide_error riptide_batch_delete(struct riptide_batch *batch,
                                                    const void *key, size_t key_size);
/* Applies the changes in their order; the batch stays as it is. */
RIPTIDE_API enum riptide_error riptide_write(struct riptide *store,
                                             const struct riptide_batch *batch);

/* Between begin and commit all writes share one write() and one sync. They are visible to
 * reads at once, and durable only when commit returned RIPTIDE_OK; if it fails, all of
 * them are undone. REQUIRES of begin: no group is open, since groups do not nest; of commit:
 * one is. Until the commit the store may not be stepped, flushed, compacted, synced, copied
 * by riptide_checkpoint or closed. */
RIPTIDE_API enum riptide_error riptide_group_begin(struct riptide *store);
RIPTIDE_API enum riptide_error riptide_group_commit(struct riptide *store);

/* From now on; what was written before is covered by the next sync. RIPTIDE_INVALID: no such
 * policy, and nothing has changed. */
RIPTIDE_API enum riptide_error riptide_set_sync(struct riptide *store,
                                                enum riptide_sync policy);
/* Everything written so far survives a power cut once this returned RIPTIDE_OK. */
RIPTIDE_API enum riptide_error riptide_sync_now(struct riptide *store,
                                                struct riptide_failure *why);
/* After RIPTIDE_WRITES_REFUSED: what had failed. A failed write or sync is final for the
 * log it met, because the disk may have dropped what it failed to write: reads go on, and
 * riptide_step (or the next write) works on a new log until writes are accepted again.
 * RIPTIDE_OK when the last write was accepted. */
RIPTIDE_API enum riptide_error riptide_write_error(const struct riptide *store,
                                                   struct riptide_failure *why);

/* ---- reading ---- */

/* *value points to the newest value; it stays valid until the next call on the store.
 * RIPTIDE_NOT_FOUND; RIPTIDE_CORRUPT or RIPTIDE_IO when it could not be read: never an
 * older value in its place. */
RIPTIDE_API enum riptide_error riptide_get(struct riptide *store, const void *key,
                                           size_t key_size, const void **value,
                                           size_t *value_size,
                                           struct riptide_failure *why);

/* A snapshot keeps this moment readable, whatever is written, flushed or compacted later.
 * The changes of an open group are not in it. It costs memory for a few numbers; as long
 * as it lives, the store keeps on disk what it sees. Any number of them may live at once
 * and be freed in any order, all of them before the store is closed: they do not outlive
 * the process. */
struct riptide_snapshot;
RIPTIDE_API enum riptide_error riptide_snapshot_new(struct riptide *store,
                                                    struct riptide_snapshot **out);
/* NULL is allowed. Iterators that were made of it may go on. */
RIPTIDE_API void riptide_snapshot_free(struct riptide *store,
                                       struct riptide_snapshot *snapshot);
/* riptide_get as of the snapshot; NULL: now. */
RIPTIDE_API enum riptide_error riptide_get_at(struct riptide *store,
                                              const struct riptide_snapshot *snapshot,
                                              const void *key, size_t key_size,
                                              const void **value, size_t *value_size,
                                              struct riptide_failure *why);

/* An iterator walks the keys in order of their bytes, in either direction and turning as
 * it likes, as the store was when the iterator was made, whatever is written meanwhile. It
 * keeps files and memory that it needs: free it soon, and before the store is closed. It
 * stands nowhere until it is moved by first, last or one of the seeks. Use it again for the
 * next walk where its age is no matter: moving it is much cheaper than making it. */
struct riptide_iter;
RIPTIDE_API enum riptide_error riptide_iter_new(struct riptide *store,
                                                struct riptide_iter **out);
/* As the store was at the snapshot; NULL: now. */
RIPTIDE_API enum riptide_error
riptide_iter_new_at(struct riptide *store, const struct riptide_snapshot *snapshot,
                    struct riptide_iter **out);
RIPTIDE_API void riptide_iter_free(struct riptide_iter *it); /* NULL is allowed */
/* From now on only keys with lower <= key < upper are seen; a NULL pointer: no bound on
 * that side. They are copied. The iterator stands nowhere until it is moved. */
RIPTIDE_API enum riptide_error
riptide_iter_set_bounds(struct riptide_iter *it, const void *lower, size_t lower_size,
                        const void *upper, size_t upper_size);
RIPTIDE_API void riptide_iter_first(struct riptide_iter *it);
RIPTIDE_API void riptide_iter_last(struct riptide_iter *it);
/* To the first key that is not smaller. */
RIPTIDE_API void riptide_iter_seek(struct riptide_iter *it, const void *key,
                                   size_t key_size);
/* To the last key that is not greater. */
RIPTIDE_API void riptide_iter_seek_for_prev(struct riptide_iter *it, const void *key,
                                            size_t key_size);
/* False at either end and after an error: ask riptide_iter_error which it was. */
RIPTIDE_API bool riptide_iter_valid(const struct riptide_iter *it);
/* These four only while valid. Key and value stay valid until the next move. */
RIPTIDE_API void riptide_iter_next(struct riptide_iter *it);
RIPTIDE_API void riptide_iter_prev(struct riptide_iter *it);
RIPTIDE_API const void *riptide_iter_key(const struct riptide_iter *it, size_t *size);
RIPTIDE_API const void *riptide_iter_value(const struct riptide_iter *it, size_t *size);
/* RIPTIDE_OK at a true end; else what stopped it. */
RIPTIDE_API enum riptide_error riptide_iter_error(const struct riptide_iter *it,
                                                  struct riptide_failure *why);

/* ---- background work ----
 *
 * Writes and new iterators install what has finished and start what is due. A program
 * that has a loop of its own, or is idle for long, calls riptide_step. */

/* Installs, starts, syncs when EVERYSEC is due; never waits for background work. */
RIPTIDE_API void riptide_step(struct riptide *store);
/* Milliseconds after which riptide_step has something to do; -1: not by time. */
RIPTIDE_API int riptide_step_timeout_ms(const struct riptide *store);
/* Readable when riptide_step has something to install; -1 without threads. Poll it, do
 * not read it. */
RIPTIDE_API int riptide_poll_fd(const struct riptide *store);
/* Background work lags: a loop should hold its writers back while this is true. */
RIPTIDE_API bool riptide_busy(const struct riptide *store);

/* Waits until all changes are in tables. */
RIPTIDE_API enum riptide_error riptide_flush(struct riptide *store);
/* Waits until all changes are in one level of tables, each key in it once, and nothing
 * deleted takes room. What a snapshot kept stays until a later change of the same keys is
 * compacted, also after the snapshot was freed. */
RIPTIDE_API enum riptide_error riptide_compact(struct riptide *store);

/* ---- backup ---- */

/* Makes `path`, which must not exist and whose parent must, a store of its own with
 * everything that is in this one now (outside a group), while this one stays open. Nothing
 * is copied that need not be: tables, which never change, get a second name (on another
 * file system they are copied), so that the time hardly depends on the size and the copy
 * takes room only as the two grow apart. Open it like any store, here or in another
 * process; delete either of them, and the other has all it needs.
 *
 * When it returned RIPTIDE_OK the copy survives a power cut. A crash or an error leaves no
 * `path` or the whole copy, and this store as it was. While it is made it is called
 * PATH.tmp; what a crash left there is replaced by the next attempt.
 * RIPTIDE_INVALID: it would lie below the directory of a store, this one's or another's.
 * RIPTIDE_EXISTS: there is something at `path`. RIPTIDE_FOREIGN: at PATH.tmp there is
 * something that no checkpoint has left. */
RIPTIDE_API enum riptide_error riptide_checkpoint(struct riptide *store, const char *path,
                                                  struct riptide_failure *why);

/* ---- looking inside ---- */

struct riptide_stats {
    struct {
        uint64_t files, bytes, entries;
        uint64_t saved; /* bytes that compression took off these */
    } level[RIPTIDE_LEVELS];
    uint64_t memtable_bytes, log_bytes;
    uint64_t cache_bytes, cache_hits, cache_misses;
    uint64_t table_memory;                          /* filters and indexes, bytes */
    uint64_t table_mapped;                          /* of the system's memory, bytes */
    uint64_t user_bytes_written, log_bytes_written; /* since open, as the rest */
    uint64_t table_bytes_written, manifest_bytes_written, compact_bytes_read;
    uint64_t flushes, compactions;
    uint64_t syncs, sync_us;                         /* of logs; microseconds in all */
    uint64_t stalls, stall_us;                       /* writes that had to wait */
    uint64_t recovered_records, recovered_cut_bytes; /* by riptide_open */
    uint64_t log_bytes_filled; /* zeros that new logs were filled with, in no other sum */
    uint64_t filter_negatives; /* reads that a filter spared a table; and those that it */
    uint64_t filter_false_positives;                /* should have spared it */
    uint64_t sync_p50_us, sync_p99_us, sync_max_us; /* of syncs of logs */
    /* In thousandths: bytes written by bytes of yours; bytes of tables by those of the
     * largest level and below; tables asked by reads that asked any. */
    uint64_t write_amplification, space_amplification, read_amplification;
    uint64_t compression; /* thousandths: bytes of tables without it, by those with it */
};
RIPTIDE_API void riptide_stats_get(const struct riptide *store,
                                   struct riptide_stats *out);

#ifdef __cplusplus
}
#endif

#endif
