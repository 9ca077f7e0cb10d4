/* wal.h - a log of records: each checksummed, each chained to the one before it.
 *
 * Flow:   db_group_commit > wal_append, wal_sync > NNNNNN.log > wal_reader > recover
 *         manifest > the same calls > MANIFEST-NNNNNN (a log of edits)
 * Owns:   the reader its buffer; files are borrowed.
 * Errors: a failed write or sync is final for the writer: later calls answer
 *         ERR_WRITES_REFUSED, for the file's pages may be gone although a later sync
 *         would return 0. ERR_NO_SPACE of a write is not: the next record takes the place
 *         of the one that found no room.
 * Crash:  after wal_append the record survives the process; after wal_sync a power cut.
 * Format: docs/formats.md#log-records
 * Tests:  tests/engine/wal_write_test.c, tests/engine/wal_read_test.c
 *
 * Three facts make a log safe to reuse and its end safe to find:
 * - The checksum is seeded with the log's number, so that what an earlier log left in a
 *   recycled file is no record of this one.
 * - Each record holds the checksum of its predecessor, also across logs, so that after a
 *   cut nothing behind it is taken for a continuation, and numbers are contiguous.
 * - Each record holds the watermark: the place up to which, when it was written, a sync
 *   had returned. A break below somebody's watermark is rot; any other is a torn tail.
 */
#ifndef ENGINE_WAL_H
#define ENGINE_WAL_H

#include "engine/err.h"
#include "engine/ikey.h"
#include "fault/disk.h"
#include "fault/mem.h"

#define WAL_HEADER_BYTES 32
#define WAL_LENGTH_MAX   (1024u * 1024 * 1024) /* payload of one record */

struct wal_position {
    uint64_t log;
    uint64_t offset;
};
/* The later of two places, by log number, then offset: <0, 0, >0. */
int wal_position_compare(struct wal_position a, struct wal_position b);

/* Where a chain stands. Zeroed: before the first record of all. */
struct wal_chain {
    uint32_t checksum; /* of the last record */
    uint32_t number;   /* of the next record */
};

struct wal_record {
    uint32_t checksum;
    uint32_t previous; /* checksum of the predecessor */
    uint32_t number;
    seqno first_seq;
    struct wal_position watermark;
    slice payload;
    size_t bytes; /* header and payload */
};

/* ---- the format, pure ---- */

enum wal_parse_result { WAL_PARSE_OK, WAL_PARSE_PARTIAL, WAL_PARSE_BAD };
/* Reads a record of log `log` at p, valid by itself; its predecessor is the caller's to
 * compare. PARTIAL: the header is plausible and out->bytes says how many are needed. */
enum wal_parse_result wal_parse(const uint8_t *p, size_t n, uint64_t log,
                                struct wal_record *out);
/* Fills the header of a frame: WAL_HEADER_BYTES, then `length` bytes of payload. Returns
 * the checksum. */
uint32_t wal_frame(uint8_t *frame, size_t length, uint64_t log, struct wal_chain chain,
                   seqno first_seq, struct wal_position watermark);

/* ---- files ---- */

/* Creates NNNNNN.log (in place of a leftover), fills `size` bytes with zeros, at most `step`
 * at once, and syncs it: later syncs then have no size to write. Its name is durable
 * after the caller synced the directory. */
enum err wal_create(struct mem *mem, struct disk_dir *dir, uint64_t number, uint64_t size,
                    size_t step, struct disk_file **out, struct err_detail *why);
/* Takes `size` bytes of room on the disk: NNNNNN.reserve, which may be there already and is
 * named by no state. After an error it is gone again. */
enum err wal_reserve(struct disk_dir *dir, uint64_t number, uint64_t size,
                     struct err_detail *why);
/* Gives a log that no durable state names any more a new number. Not one byte may be
 * written to it before the directory was synced. */
enum err wal_recycle(struct disk_dir *dir, uint64_t from, uint64_t to,
                     struct err_detail *why);

/* ---- writing ---- */

struct wal_sites {
    const char *file; /* what people call it */
    enum site write, sync, mark;
};

/* Those of write-ahead logs. */
extern const struct wal_sites wal_sites;

struct wal_writer {
    struct disk_file *file;
    const struct wal_sites *sites;
    uint64_t log;
    uint64_t offset; /* end of the last record */
    uint64_t synced; /* what a returned sync covers */
    struct wal_chain chain;
    struct wal_position watermark;
    bool marked; /* the last record is a mark that covers everything before it */
    bool scrap; /* behind the end lies what a write without room has left, perhaps a whole
                   record: the next one has to take its place before the log is left */
    bool failed;
    struct wal_record found_mark; /* see wal_doubt_mark; bytes 0: none */
};

/* Continues a log at `offset`, of which `watermark` is known to be durable. */
void wal_writer_init(struct wal_writer *w, struct disk_file *file,
                     const struct wal_sites *sites, uint64_t log, uint64_t offset,
                     struct wal_chain chain, struct wal_position watermark);
/* The record at the end is an empty one which another process has written. It may be in the
 * page cache only, and a failed sync may have marked it clean there, so that no later sync
 * would cover it. Nothing is lost as long as no record follows it: before the first one
 * does, it is written once more, byte for byte. REQUIRES: nothing was appended yet. */
void wal_doubt_mark(struct wal_writer *w, const struct wal_record *mark);
/* Appends a record whose payload stands at frame + WAL_HEADER_BYTES. */
enum err wal_append(struct wal_writer *w, uint8_t *frame, size_t length, seqno first_seq,
                    struct err_detail *why);
static inline bool wal_needs_cover(const struct wal_writer *w)
{
    return w->scrap || w->found_mark.bytes > 0;
}
/* Before another log continues this one: puts an empty record over the scrap, if there is
 * any, or behind a mark that is in doubt. Sync it before anybody relies on what follows. */
enum err wal_cover_scrap(struct wal_writer *w, seqno next_seq, struct err_detail *why);
/* Puts the end back to where it was before the records of a group that failed. Nothing
 * more is written to this file: it may hold them, so the chain goes on in another. */
void wal_take_back(struct wal_writer *w, uint64_t offset, struct wal_chain chain);
/* Makes everything durable that was appended before the call. */
enum err wal_sync(struct wal_writer *w, struct err_detail *why);

/* The same in three steps, so that the middle one may run on another thread while the owner
 * appends: what was appended after wal_sync_begin the sync does not cover. */
struct wal_sync {
    struct disk_file *file; /* the writer's, who keeps it open until the end */
    enum site site;
    uint64_t covers; /* the log's end when it began */
    int result;      /* of wal_sync_run: 0 or -errno */
};
struct wal_sync wal_sync_begin(const struct wal_writer *w);
/* The sync itself. Touches nothing but the struct and the file. */
void wal_sync_run(struct wal_sync *s);
/* What came of it. An error is final for the writer. */
enum err wal_sync_end(struct wal_writer *w, const struct wal_sync *s,
                      struct err_detail *why);
/* Does a record wait for a sync? A mark alone does not: losing it loses nothing, as long
 * as no record follows it, in this log or in a later one. */
static inline bool wal_unsynced(const struct wal_writer *w)
{
    uint64_t mark = w->marked && w->offset > 0 ? WAL_HEADER_BYTES : 0;
    return w->synced < w->offset - mark;
}
/* Appends an empty record that carries the watermark to recovery, unless the last record
 * says as much, or it would lie over scrap: recovery would take that for gone, and a power
 * cut could show it again. REQUIRES: synced == offset. Losing it loses nothing. */
enum err wal_mark(struct wal_writer *w, seqno next_seq, struct err_detail *why);

/* ---- reading ---- */

struct wal_reader {
    struct mem *mem;
    struct disk_file *file;
    uint64_t log;
    uint64_t size;          /* of the file */
    uint64_t offset;        /* of the next record */
    struct wal_chain chain; /* what the next record must continue */
    uint8_t *buffer;
    size_t capacity;
    uint64_t buffer_offset; /* file offset of buffer[0] */
    size_t buffered;
    size_t step; /* bytes read at once, at least */
};

#define WAL_READ_BYTES 65536 /* a good step */

/* REQUIRES: step > 0. No memory is taken before the first read. */
void wal_reader_init(struct wal_reader *r, struct mem *mem, struct disk_file *file,
                     uint64_t log, uint64_t size, struct wal_chain chain, size_t step);
void wal_reader_deinit(struct wal_reader *r);
/* The next record of the chain; its payload is valid until the next call. ERR_NOT_FOUND:
 * the chain ends at r->offset. Other errors: the disk's, or ERR_NOMEM. */
enum err wal_reader_next(struct wal_reader *r, struct wal_record *out,
                         struct err_detail *why);
/* Whether the next call will find all of its record in the buffer. Then the payloads that
 * earlier calls have returned since this was last false stay where they are. */
bool wal_reader_has_next(const struct wal_reader *r);

/* What lies behind the end of a chain. */
struct wal_tail {
    uint64_t end;     /* behind the last byte that is not zero; r->offset: blank */
    bool records;     /* some bytes are records by themselves */
    bool rot;         /* one of them knows that the break had been synced */
    uint64_t witness; /* its offset */
};
/* Looks at everything behind r->offset. `broken` is where the chain ended (in this log or
 * an earlier one); `next_number` the record number expected there. */
enum err wal_reader_tail(struct wal_reader *r, struct wal_position broken,
                         uint32_t next_number, struct wal_tail *out,
                         struct err_detail *why);
/* For repair: the next record at or behind r->offset that is valid by itself, whatever it
 * continues; *at is its offset. Bytes that cannot be read hold no record.
 * ERR_NOT_FOUND: there is none; r->offset is then the end of the file. */
enum err wal_reader_salvage(struct wal_reader *r, uint64_t *at, struct wal_record *out,
                            struct err_detail *why);

#endif
