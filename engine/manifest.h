/* manifest.h - which files make up the store: a log of version edits and its pointer.
 *
 * Flow:   db_work > edit > manifest job: manifest_append | manifest_create, then install
 *         recover > manifest_load > struct store_state
 * Owns:   an edit and a state own their arrays and keys.
 * Errors: a failed append or sync leaves both outcomes possible on disk: none of the
 *         files that either outcome names may be deleted.
 * Crash:  an edit is in force for good after manifest_append returned ERR_OK.
 * Format: docs/formats.md#manifest
 * Tests:  tests/engine/manifest_test.c
 *
 * MANIFEST-NNNNNN is a log in the format of wal.h whose payloads are edits; the first one
 * is a snapshot. CURRENT names it and is replaced by a rename. The first record behind
 * the snapshot is written only after that rename was durable, so a manifest with one
 * record tells recovery that its pointer has to be made durable again.
 */
#ifndef ENGINE_MANIFEST_H
#define ENGINE_MANIFEST_H

#include "engine/err.h"
#include "engine/options.h"
#include "engine/sst.h"
#include "engine/wal.h"

#define FLOORS         256 /* one per first byte of a key */
#define STORE_FORMAT   1   /* version of all formats together */
#define STORE_LOGS_MAX 64  /* logs that one state may name */

/* The part of the state that batches change: it belongs to a place in the log. */
struct books {
    uint64_t registers[REGISTERS];
    seqno floors[FLOORS];
};

struct store_log {
    uint64_t number;
    bool recycled; /* what it holds behind its records is an earlier log's */
};

struct store_table {
    unsigned level;
    struct sst_meta meta;
};

/* One change of the state; counts of 0 and NULL for what it does not change. */
struct edit {
    uint64_t next_file;          /* no file has this number or a higher one */
    seqno last_seq;              /* newest number that is in a table */
    struct store_log add_log;    /* number 0: none */
    uint64_t drop_log;           /* 0: none; with it: */
    struct wal_chain drop_chain; /* where the chain stood at that log's end */
    struct store_table *added;
    size_t added_count;
    struct store_table *deleted; /* level and number only */
    size_t deleted_count;
    const struct books *books; /* after the dropped log; borrowed */
    unsigned pointer_level;    /* with pointer_key: where this level's next */
    slice pointer_key;         /* compaction begins; data NULL: unchanged */
};

/* What a manifest adds up to. */
struct store_state {
    uint64_t manifest; /* its number */
    uint64_t next_file;
    seqno last_seq;
    struct wal_chain chain; /* that the oldest log continues */
    struct store_table *tables;
    size_t table_count, table_capacity;
    slice pointer_keys[LEVELS_MAX];
    size_t log_count;
    /* large: a store whose state is all zeros up to here holds nothing that needs freeing */
    struct store_log logs[STORE_LOGS_MAX];
    struct books books;
};

void store_state_init(struct store_state *s);
void store_state_deinit(struct store_state *s, struct mem *mem);
/* Everything goes over to `to`; `from` may still be deinitialized. */
void store_state_move(struct store_state *to, struct store_state *from);
/* ERR_CORRUPT when the edit does not fit the state (a file twice, or not there).
 * ERR_NOMEM: the state is as before. */
enum err store_state_apply(struct store_state *s, const struct edit *edit,
                           struct mem *mem, struct err_detail *why);

/* ---- bytes of an edit ---- */

/* An edit is a sequence of fields: a byte that says which, then varints and prefixed
 * keys. On disk, never renumber. */
enum edit_field {
    EDIT_FORMAT = 1, /* version */
    EDIT_NEXT_FILE,  /* number */
    EDIT_LAST_SEQ,   /* number */
    EDIT_ADD_LOG,    /* number, 1 when recycled */
    EDIT_DROP_LOG,   /* number */
    EDIT_CHAIN,      /* checksum, record number */
    EDIT_ADD_TABLE,  /* level, number, size, tail, checksum, entries, tombstones, smallest
                          and largest sequence number, smallest and largest key */
    EDIT_DELETE_TABLE, /* level, number */
    EDIT_REGISTERS,    /* count, then index and value: all that are not 0 */
    EDIT_FLOORS,       /* count, then prefix and sequence number: all that are not 0 */
    EDIT_POINTER,      /* level, key */
    EDIT_FIELDS
};

/* Appends the encoded edit to a growing buffer (allocated from mem). */
struct edit_bytes {
    struct mem *mem;
    uint8_t *data;
    size_t size, capacity;
};
/* Starts a frame: leaves WAL_HEADER_BYTES of room. */
enum err edit_bytes_begin(struct edit_bytes *out);
enum err edit_encode(const struct edit *edit, struct edit_bytes *out);
/* The whole state as one edit. */
enum err store_state_encode(const struct store_state *s, struct edit_bytes *out);
/* Applies an encoded edit. */
enum err store_state_decode(struct store_state *s, slice bytes, struct mem *mem,
                            struct err_detail *why);

/* For repair: takes from an edit whose neighbours may be lost what holds without them (the
 * numbers, registers and floors) and tells which tables it adds (`meta`) or deletes
 * (NULL). Stops where the bytes are no edit. */
typedef void edit_table_fn(void *arg, uint64_t number, const struct sst_meta *meta);
enum err store_state_salvage(struct store_state *s, slice bytes, struct mem *mem,
                             edit_table_fn *table, void *arg, struct err_detail *why);

/* ---- files ---- */

extern const struct wal_sites manifest_sites;

/* Writes MANIFEST-number with the snapshot `payload` (at frame + WAL_HEADER_BYTES), makes
 * it durable, switches CURRENT to it, makes that durable and marks it. The writer
 * continues the new file; the caller closes its file, also after an error when
 * writer->file is not NULL. The old manifest is the caller's to unlink. */
enum err manifest_create(struct disk_dir *dir, uint64_t number, uint8_t *frame,
                         size_t length, struct wal_writer *writer,
                         struct err_detail *why);
/* The same in two steps. After an error of the first one nothing names the new manifest, and
 * it may be deleted; after one of the second CURRENT may name either. */
enum err manifest_begin(struct disk_dir *dir, uint64_t number, uint8_t *frame,
                        size_t length, struct wal_writer *writer, struct err_detail *why);
enum err manifest_switch(struct disk_dir *dir, struct wal_writer *writer,
                         struct err_detail *why);
/* Appends one encoded edit (a frame), syncs, and marks. */
enum err manifest_append(struct wal_writer *writer, uint8_t *frame, size_t length,
                         struct err_detail *why);
/* Switches CURRENT durably to MANIFEST-number. */
enum err manifest_point(struct disk_dir *dir, uint64_t number, struct err_detail *why);
/* Reads CURRENT. ERR_MISSING: no such file. ERR_FOREIGN: it is not ours. ERR_CORRUPT: empty, or
 * damaged. */
enum err manifest_current(struct disk_dir *dir, uint64_t *number, struct err_detail *why);

#endif
