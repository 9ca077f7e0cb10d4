/* db.h - the store: open, write, read, iterate, step.
 *
 * Flow:    server keyspace, riptide.c > db_* > log + memtable ... flush > sst > manifest
 * Owns:    everything below it; the environment is borrowed and outlives it.
 * Errors:  a failed write or sync of a log is final for that file: the group answers
 *          ERR_WRITES_REFUSED, so does every later write until db_step has put a new log
 *          in force, and reads go on over what was settled. Background work that fails is
 *          tried again after a pause.
 * Threads: one owner thread makes all calls; jobs run where the scheduler puts them.
 * Crash:   after db_group_commit (or a put outside a group) returned ERR_OK the group
 *          survives a killed process, and under SYNC_ALWAYS a power cut. A group is there
 *          after a crash wholly or not at all; what survives is a prefix of the groups.
 *          What db_open serves is durable before it returns.
 * Tests:   tests/engine/db_test.c, tests/engine/db_iter_test.c,
 *          tests/engine/db_snapshot_test.c, tests/engine/recover_test.c
 */
#ifndef ENGINE_DB_H
#define ENGINE_DB_H

#include "engine/batch.h"
#include "engine/err.h"
#include "engine/ikey.h"
#include "engine/iter.h"
#include "engine/latency.h"
#include "engine/options.h"
#include "fault/clock.h"
#include "fault/disk.h"
#include "fault/mem.h"
#include "fault/sched.h"

struct db;

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING };

/* The world a store lives in. All borrowed; `log` may be NULL. */
struct db_env {
    struct disk *disk;
    struct clock *clock;
    struct mem *mem;
    struct sched *sched;
    uint64_t seed; /* of hash tables in memory; where strangers choose the keys, one that
                      they cannot guess: rng_os_seed. Files do not depend on it */
    void (*log)(void *arg, enum log_level level, const char *line);
    void *log_arg;
};

/* ---- open and close ---- */

/* Opens, recovers, or creates the store in directory `dir` below the disk's root.
 * On failure `why` says what, where and what to do; nothing of a stranger is touched. */
enum err db_open(const struct db_env *env, const char *dir, const struct options *options,
                 struct db **out, struct err_detail *why);
/* Finishes or abandons background work, syncs the log (under every policy), closes and
 * frees. The error of that sync, if any; the store is closed in any case. */
enum err db_close(struct db *db);

/* ---- writing ---- */

/* A group shares one log record, one write() and at most one sync. Changes are visible to
 * reads at once and settled at commit. If commit fails, every change of the group is
 * undone. Groups do not nest. */
enum err db_group_begin(struct db *db);
/* The same for a group that takes less room than it will give back. On a full disk the last
 * spare log is kept for such groups (with options.spare_logs > 1). */
enum err db_group_begin_deletes(struct db *db);
enum err db_group_commit(struct db *db);
bool db_in_group(const struct db *db);

/* For a loop with more to do than to wait: ends the group as db_group_commit does, but its
 * sync may still be under way when this answers ERR_OK. REQUIRES: no group is settling. */
enum err db_group_submit(struct db *db);
/* It is. Until it has returned nobody outside may hear of the group's changes, nor of what
 * reads since have seen. The next group may begin meanwhile, but not end. */
bool db_group_settling(const struct db *db);
void db_group_await(struct db *db);
/* What came of the submitted group; has to be asked for before another one begins. After
 * an error its changes are undone, and so is the group that was open. REQUIRES: it is not
 * settling. */
enum err db_group_result(struct db *db);
/* Installs what jobs have finished, syncs too; starts nothing. At any time. */
void db_reap(struct db *db);

/* Bytes of the open group: a loop that sees it grow commits early. */
size_t db_group_bytes(const struct db *db);

/* Inside a group: adds the batch to it. Outside: a group of its own. All or nothing. */
enum err db_write(struct db *db, const struct batch *batch);
/* The same without a copy: build entries with batch_* in the returned batch, then call
 * db_batch_commit, or db_batch_abort to drop what was added. Only inside a group. */
struct batch *db_batch_begin(struct db *db);
enum err db_batch_commit(struct db *db);
void db_batch_abort(struct db *db);

enum err db_put(struct db *db, slice key, slice value);
enum err db_delete(struct db *db, slice key);

/* Sequence number of the newest change, and of the newest settled one. */
seqno db_last_seq(const struct db *db);
seqno db_settled_seq(const struct db *db);
/* To SYNC_ALWAYS: what was written before is synced at once, or, inside a group, by its
 * commit. If that fails writes are refused. */
void db_set_sync(struct db *db, enum sync_policy policy);
/* Would a group be refused now? And one for deletes? Where they differ, other changes do
 * not belong into an open group either. */
bool db_refuses(const struct db *db);
bool db_refuses_deletes(const struct db *db);
/* A caller has turned a write away because one of these holds: the first in a row is a line
 * of the log. REQUIRES: one does. */
void db_note_refusal(struct db *db);
/* Why the last group was refused, or the next one would be; ERR_OK when neither is so. The
 * detail lives as long as the store. */
const struct err_detail *db_write_error(const struct db *db);

/* ---- reading ---- */

/* The newest value, unsettled changes included. It stays valid until the next call on
 * the store. ERR_NOT_FOUND; a read error comes with `why` (may be NULL). */
enum err db_get(struct db *db, slice key, slice *value, struct err_detail *why);
/* True when the key has a value; cheaper than db_get. */
enum err db_exists(struct db *db, slice key, bool *exists, struct err_detail *why);
uint64_t db_register(const struct db *db, unsigned reg);

/* The settled state of this moment stays readable until the snapshot is freed: the changes
 * of an open group are not in it, later changes neither, and a floor that is set later
 * hides nothing from it. While it lives, flush and compaction keep what it sees, on disk. It
 * does not outlive db_close. Any number of them, freed in any order. */
struct db_snapshot;
enum err db_snapshot_new(struct db *db, struct db_snapshot **out);
void db_snapshot_free(struct db *db, struct db_snapshot *s); /* s may be NULL */
/* db_get as of the snapshot; `at` NULL: db_get. */
enum err db_get_at(struct db *db, const struct db_snapshot *at, slice key, slice *value,
                   struct err_detail *why);

/* Over user keys in both directions, newest visible values only, as of the snapshot or,
 * with `at` NULL, as of its creation (unsettled changes of the open group included). While
 * one is open memory and files it needs are kept; the snapshot may go. Key and value stay
 * valid until the next call on the iterator. Moving an iterator again is much cheaper than
 * making a new one: it allocates nothing once its buffers have grown. */
struct db_iter;
enum err db_iter_new(struct db *db, struct db_iter **out);
enum err db_iter_new_at(struct db *db, const struct db_snapshot *at,
                        struct db_iter **out);
/* From now on only lower <= key < upper is seen (NULL: no bound). Both are copied. It
 * stands nowhere until the next of the first four moves. ERR_NOMEM. */
enum err db_iter_set_bounds(struct db_iter *it, const slice *lower, const slice *upper);
void db_iter_first(struct db_iter *it);
void db_iter_last(struct db_iter *it);
void db_iter_seek(struct db_iter *it, slice key);          /* first key >= key */
void db_iter_seek_for_prev(struct db_iter *it, slice key); /* last key <= key */
void db_iter_next(struct db_iter *it);                     /* REQUIRES: valid */
void db_iter_prev(struct db_iter *it);                     /* REQUIRES: valid */
bool db_iter_valid(const struct db_iter *it);
slice db_iter_key(const struct db_iter *it);
slice db_iter_value(const struct db_iter *it);
/* ERR_OK at a true end; else what stopped it. */
enum err db_iter_error(const struct db_iter *it, struct err_detail *why);
void db_iter_free(struct db_iter *it);

/* ---- background work ---- */

/* Installs finished jobs, starts new ones, among them the sync of everysec when it is due.
 * Call it once a loop turn, outside a group or while one is settling; never blocks on a
 * job. */
void db_step(struct db *db);
/* Milliseconds until db_step has something to do by time; -1: nothing. */
int db_step_timeout_ms(const struct db *db);
/* Readable when a job has finished; -1 when jobs run inline. */
int db_poll_fd(const struct db *db);
/* Writes should wait: flushes or compactions lag behind (work that has failed makes
 * db_refuses hold instead). A loop parks its writers while this holds; a caller that writes
 * all the same is slowed down. */
bool db_busy(const struct db *db);
/* Blocks until the memtable is flushed / everything is in one level of tables; that level is
 * not rewritten by itself, even if it has versions that only a freed snapshot could see.
 * Outside a group.
 * ERR_WRITES_REFUSED when the work for it has failed (db_write_error says why). */
enum err db_flush(struct db *db);
enum err db_compact(struct db *db);
/* Blocks until no background work is under way or due. Outside a group. */
enum err db_settle(struct db *db);

/* ---- copying ---- */

/* Makes the directory `name` below the root of `disk` (NULL: of the store's own) a store
 * of its own that holds everything settled so far, while this one stays open. Tables are
 * linked, or copied where that cannot be; the time it takes hardly depends on their size.
 * Outside a group. ERR_INVALID: the root is a store's directory, and the copy would lie
 * inside. ERR_EXISTS: the name is taken. ERR_FOREIGN: name.tmp is in the way;
 * what an earlier checkpoint to the same name left there is replaced.
 * Crash: when it returned ERR_OK the copy is durable. Cut anywhere, or after an error, there
 * is no such directory or the whole copy, and this store is as it was. */
enum err db_checkpoint(struct db *db, struct disk *disk, const char *name,
                       struct err_detail *why);
/* ERR_INVALID: the root of `disk` is a store's directory. db_checkpoint asks it of the root
 * that the copy would lie in; who knows what is around that one asks it there, too. */
enum err db_checkpoint_check_place(struct disk *disk, const char *name,
                                   struct err_detail *why);

/* ---- looking inside ---- */

struct db_stats {
    struct {
        uint64_t files, bytes, entries;
        uint64_t saved; /* bytes by which compression made them shorter */
    } level[LEVELS_MAX];
    uint64_t memtable_bytes, immutables, log_bytes;
    uint64_t user_bytes_written, log_bytes_written, table_bytes_written;
    uint64_t manifest_bytes_written, compact_bytes_read;
    uint64_t flushes, compactions, trivial_moves, syncs, sync_us;
    uint64_t stalls, stall_us; /* puts that waited for background work */
    uint64_t cache_hits, cache_misses, cache_bytes;
    uint64_t filter_negatives, filter_false_positives, table_memory;
    uint64_t
        table_mapped; /* bytes of tables in the page cache: the system's to take back */
    uint64_t recovered_records, recovered_cut_bytes;
    uint64_t log_bytes_filled; /* zeros that new logs were filled with; in no other sum */
    /* What flushes and compactions wrote to a level, and what compactions read from it. */
    struct {
        uint64_t bytes_in, bytes_out;
    } moved[LEVELS_MAX];
    uint64_t reads;         /* db_get and db_exists that had to look into tables */
    uint64_t tables_asked;  /* by them, filters included */
    struct latency sync;    /* of logs: syncs and sync_us in detail */
    uint64_t live_estimate; /* bytes of the largest level and everything below it */
};
void db_stats_get(const struct db *db, struct db_stats *out);
/* In thousandths, 0 while nothing is known. Written: bytes given to logs (without the zeros
 * of new ones), tables and manifests, by bytes of the user. Space: bytes of tables by those
 * of the sorted levels from the largest down, which hold most keys once. Read: tables asked
 * by reads that had to ask any. */
uint64_t db_stats_write_amplification(const struct db_stats *s);
uint64_t db_stats_space_amplification(const struct db_stats *s);
uint64_t db_stats_read_amplification(const struct db_stats *s);
/* Bytes of tables as they would be without compression by what they are. */
uint64_t db_stats_compression(const struct db_stats *s);

/* Walks a closed store without changing it and checks every invariant of docs/
 * invariants.md. Each finding is one line to `report`; returns the first one's code.
 * ERR_NOMEM: memory or descriptors ran out, which says nothing of the store. */
typedef void db_report_fn(void *arg, enum err code, const char *line);
enum err db_check(const struct db_env *env, const char *dir,
                  const struct options *options, db_report_fn *report, void *arg);

#endif
