/* db_state.h - what an open store holds; shared by the files that make up db.h.
 *
 * Flow:    db.c (open, write, read), db_iter.c, db_work.c (background) > this
 * Threads: all of it belongs to the owner thread. A job gets what it needs in its own
 *          struct and never sees this one.
 */
#ifndef ENGINE_DB_STATE_H
#define ENGINE_DB_STATE_H

#include "engine/compact.h"
#include "engine/db.h"
#include "engine/log_sync.h"
#include "engine/memlog.h"
#include "engine/version.h"

struct leftover;
struct work;

/* A log that is ready for use: durable under its name, reserved by a durable edit. */
struct spare_log {
    uint64_t number;
    uint64_t size;
    struct disk_file *file;
};

/* A log that no state names any more: to be recycled or deleted. */
struct freed_log {
    uint64_t number;
    uint64_t size;
    struct disk_file *file;
};

/* What is kept free for a full disk: for edits, which all else ends with, and for a flush,
 * after which its log is room for the next one. Each is a file of that number, which a
 * process that was killed leaves to the next one. */
enum reserve_kind { RESERVE_EDIT, RESERVE_FLUSH, RESERVES };

/* A moment in the past of an open store. */
struct db_snapshot {
    struct db_snapshot *newer, *older;
    seqno seq;            /* what has a higher number came later */
    seqno floors[FLOORS]; /* as they were */
};

enum work_kind {
    WORK_FLUSH,
    WORK_COMPACT,
    WORK_PREPARE,
    WORK_AMEND,
    WORK_RESERVE,
    WORK_CLEAN,
    WORK_KINDS
};

/* What a group is begun for: on a full disk there is a reserve for deletes. */
enum work_purpose { FOR_WRITES, FOR_DELETES };

/* A kind of background work that has failed, and waits before it is tried again. */
struct retry {
    int64_t pause_us; /* 0: the last attempt did not fail */
    int64_t due_us;   /* 0: it may be tried at once */
};

/* A group whose record is written, and what undoes it. */
struct logged_group {
    struct batch batch;     /* payload of its record */
    struct books books;     /* as they were before it, if it has changed them, */
    uint64_t log_end;       /* the active log's end, */
    struct wal_chain chain; /* and the chain there */
};

#define SPARES_MAX STORE_LOGS_MAX
#define FREED_MAX  2

struct db {
    struct db_env env;
    struct options options;
    struct disk_dir *dir;
    struct disk_file *lock;
    struct sst_files files; /* what the tables share */

    /* writing */
    struct memlog *active;
    size_t immutable_count;
    struct batch group; /* payload of the open group's record */
    size_t batch_size;  /* of the group when the open batch began */
    uint32_t batch_count;
    bool in_group;
    /* The group was begun for deletes. */
    bool removes;
    bool batch_had_books;
    bool in_batch;
    bool settling;   /* the group before it waits for `sync` */
    bool syncing;    /* `sync` is with the scheduler */
    bool complained; /* the log line about write_error was written */
    bool unproven;   /* a new log has followed a failed one, and no sync of it returned */
    enum err group_result; /* it could not be settled, and nobody asked for it yet */
    seqno last_seq;        /* of the newest change, */
    seqno logged_seq;      /* of the newest one with a record, */
    seqno settled_seq;     /* of the newest settled one, */
    seqno sync_seq;        /* what the sync that was begun last covers, */
    seqno durable_seq;     /* and what one that has returned did */
    struct err_detail write_error; /* of the last group; code ERR_OK: it did not fail */
    uint64_t failed_log; /* 0, or: this log and all before it have to be given up before
                            writes are accepted again */
    int64_t synced_us;   /* when the last sync of everysec began */
    int64_t durable_us;  /* what durable_seq covers had been written by then */

    /* files */
    struct version *version;
    struct wal_writer manifest;
    uint64_t manifest_begin; /* its size when it was new */
    uint64_t next_file;
    size_t spare_count;
    struct freed_log freed[FREED_MAX];
    size_t freed_count;

    /* background */
    bool closing;
    bool compact_all; /* a manual compaction goes on */
    unsigned in_flight;
    bool flushing, compacting, preparing, editing, cleaning;
    /* The last edit may be durable or not: until a new manifest is in force nothing that
     * either outcome names goes. */
    bool manifest_doubt;
    uint64_t names_lost; /* syncs of the directory that have failed, or may have */
    bool filling;        /* the log being prepared is a new file, and takes room */
    /* A full disk: background work has found no room, and the active log is the last one
     * for plain writes; or has been left, and this one is for deletes only. */
    bool no_room, on_reserve;
    enum compact_way way; /* of the next compaction */
    bool too_short;   /* the active log: what the next one may hold found no room in it */
    bool has_deletes; /* the active memtable holds groups begun for deletes, */
    int64_t leave_us; /* and without room it is left then */
    bool reserving;
    bool reserved[RESERVES];
    /* That for edits, to the flush that is next. */
    bool lent;
    struct work *edits;       /* finished, waiting for the manifest; oldest first */
    struct work *uninstalled; /* its edit is in force, its installation needs memory */
    struct garbage *garbage;
    struct retry retry[WORK_KINDS];
    struct err_detail trouble; /* of the last background work that failed */

    /* reading */
    struct sst *pinned_sst; /* what the last db_get's value points into */
    struct sst_pin pin;
    struct db_snapshot *newest_snapshot, *oldest_snapshot; /* NULL: there is none */

    struct db_stats stats;

    /* The manifest's. */
    struct store_state state;
    /* large, and not cleared when the store is opened, as the logs and books of `state` */
    struct books books;
    struct logged_group logged;                /* until it is settled */
    struct memlog *immutables[STORE_LOGS_MAX]; /* immutable_count, oldest first */
    struct spare_log spares[SPARES_MAX];       /* spare_count, in the order of use */
    struct log_sync sync; /* of logs, when there is one; one at a time */
    /* As they were when the open group began, if it has changed them; most groups of an
     * embedded store do not. */
    struct books group_books;
};

/* db_work.c */
void work_step(struct db *db);
/* Begins to delete what a recovery has left. */
void work_clean(struct db *db, const struct leftover *leftovers, size_t count);
/* Runs background work until there is room for a group, or refuses. */
enum err work_make_room(struct db *db, enum work_purpose purpose);
/* A group for deletes has begun. */
void work_note_deletes(struct db *db);
/* Waits for jobs in flight and installs them; starts no new flush or compaction. */
void work_finish(struct db *db);
/* Installs what finished jobs have brought and starts none. False: there was nothing. */
bool work_reap(struct db *db);
/* Waits for the sync of logs that is under way. */
void work_await_sync(struct db *db);
/* Frees what work still holds. */
void work_deinit(struct db *db);
/* Milliseconds until failed work is to be tried again; -1: none waits. */
int work_timeout_ms(const struct db *db);
/* A group cannot begin, and what would make room for it has failed. */
bool work_is_stuck(const struct db *db, enum work_purpose purpose);
void work_retire_table(void *arg, struct table *table);

/* db_snapshot.c: nobody reads as of an earlier number; SEQNO_MAX without snapshots, since
 * iterators hold on to what they read. */
seqno db_oldest_snapshot(const struct db *db);

/* db.c: a write or sync of a log has failed. Writes answer ERR_WRITES_REFUSED and say why
 * until all logs in use now have been replaced. */
void db_refuse(struct db *db, const struct err_detail *why);
/* Notes why a group has failed, with a log line for the first in a row. */
void db_note_failure(struct db *db, const struct err_detail *why);
/* Writes are accepted again: one was, and as far as the policy asks for syncs, so was one
 * of the log that it went to. */
void db_note_recovery(struct db *db);
/* Counters and floors as of settled_seq. REQUIRES: no batch is open. */
const struct books *db_settled_books(const struct db *db);
/* Syncs all logs that hold unsynced records, oldest first, in the calling thread; waits for
 * a sync that is under way. */
enum err db_sync_logs(struct db *db, struct err_detail *why);
/* Something that is logged is not synced. */
bool db_unsynced(const struct db *db);
/* Writers have to wait for the sync that is under way. */
bool db_sync_is_late(const struct db *db);
/* The sync that was with the scheduler has come back. */
void db_sync_returned(struct db *db);
void db_log(struct db *db, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* db_check.c: the levels are in order, and so are the ages of what they hold. */
enum err db_check_version(const struct version *v, struct err_detail *why);
/* Takes the lock of a closed store, which somebody else would change while it is read.
 * Unless `create`, nothing is created, and *lock stays as it is when there is none. */
enum err db_check_lock(struct disk_dir *dir, const char *name, bool create,
                       struct disk_file **lock, struct err_detail *why);

#endif
