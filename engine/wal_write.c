/* The writing half of a log, and the frame of a record.
 *
 *   0        4        8          12       16          24           28          32
 *   checksum length   previous   number   first seq   watermark    logs back   payload
 *
 * "logs back" is how many numbers the watermark's log lies behind this one. The checksum
 * covers everything after itself and is seeded with the log's number. */
#include "engine/wal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "engine/coding.h"
#include "engine/crc32c.h"
#include "engine/filename.h"
#include "engine/new_file.h"

const struct wal_sites wal_sites = {"log", SITE_WAL_WRITE, SITE_WAL_SYNC, SITE_WAL_MARK};

int wal_position_compare(struct wal_position a, struct wal_position b)
{
    if (a.log != b.log) return a.log < b.log ? -1 : 1;
    return (a.offset > b.offset) - (a.offset < b.offset);
}

static uint32_t salt_of(uint64_t log)
{
    uint8_t bytes[8];
    fixed64_put(bytes, log);
    return crc32c(0, bytes, sizeof bytes);
}

uint32_t wal_frame(uint8_t *frame, size_t length, uint64_t log, struct wal_chain chain,
                   seqno first_seq, struct wal_position watermark)
{
    assert(length <= WAL_LENGTH_MAX);
    assert(watermark.log <= log && watermark.offset <= UINT32_MAX);
    uint64_t back = log - watermark.log;
    assert(back <= UINT32_MAX);
    fixed32_put(frame + 4, (uint32_t)length);
    fixed32_put(frame + 8, chain.checksum);
    fixed32_put(frame + 12, chain.number);
    fixed64_put(frame + 16, first_seq);
    fixed32_put(frame + 24, (uint32_t)watermark.offset);
    fixed32_put(frame + 28, (uint32_t)back);
    uint32_t checksum = crc32c(salt_of(log), frame + 4, WAL_HEADER_BYTES - 4 + length);
    fixed32_put(frame, checksum);
    return checksum;
}

enum wal_parse_result wal_parse(const uint8_t *p, size_t n, uint64_t log,
                                struct wal_record *out)
{
    if (n < WAL_HEADER_BYTES) {
        out->bytes = WAL_HEADER_BYTES;
        return WAL_PARSE_PARTIAL;
    }
    uint32_t length = fixed32_get(p + 4), back = fixed32_get(p + 28);
    if (length > WAL_LENGTH_MAX || back > log) return WAL_PARSE_BAD;
    out->checksum = fixed32_get(p);
    out->previous = fixed32_get(p + 8);
    out->number = fixed32_get(p + 12);
    out->first_seq = fixed64_get(p + 16);
    out->watermark = (struct wal_position){log - back, fixed32_get(p + 24)};
    out->bytes = WAL_HEADER_BYTES + (size_t)length;
    out->payload = slice_of(p + WAL_HEADER_BYTES, length);
    if (out->first_seq == 0 || out->first_seq > SEQNO_MAX) return WAL_PARSE_BAD;
    if (n < out->bytes) return WAL_PARSE_PARTIAL;
    if (crc32c(salt_of(log), p + 4, out->bytes - 4) != out->checksum)
        return WAL_PARSE_BAD;
    return WAL_PARSE_OK;
}

/* ---- files ---- */

/* The kernel keeps a file in folios as large as the writes that made it, and every later
 * write, however small, walks all blocks of its folio: after writes of 64 KiB a record of
 * 150 bytes costs 15 % more than after these. */
#define FILL_BYTES_MAX ((size_t)16 << 10)

static int fill(struct mem *mem, struct disk_file *file, uint64_t size, size_t step)
{
    if (step > FILL_BYTES_MAX) step = FILL_BYTES_MAX;
    if (step > size) step = (size_t)size;
    uint8_t *zeros = mem_zalloc(mem, step);
    if (!zeros) return -ENOMEM;
    int rc = 0;
    for (uint64_t offset = 0; offset < size && !rc; offset += step) {
        size_t n = size - offset < step ? (size_t)(size - offset) : step;
        rc = disk_write(file, offset, zeros, n, SITE_WAL_FILL, NULL);
    }
    mem_free(mem, zeros);
    return rc ? rc : disk_sync(file, DISK_SYNC_FULL, SITE_WAL_FILLSYNC);
}

enum err wal_create(struct mem *mem, struct disk_dir *dir, uint64_t number, uint64_t size,
                    size_t step, struct disk_file **out, struct err_detail *why)
{
    assert(size > 0 && step > 0);
    char name[FILENAME_BYTES];
    filename_log(number, name);
    struct disk_file *file;
    int rc = new_file(dir, name, SITE_WAL_CREATE, SITE_WAL_UNLINK, &file);
    if (rc) return err_set(why, err_from_os(rc), rc, "%s: create", name);
    rc = fill(mem, file, size, step);
    if (rc) {
        disk_close(file);
        return err_set(why, err_from_os(rc), rc, "%s: filling it with zeros", name);
    }
    *out = file;
    return ERR_OK;
}

enum err wal_reserve(struct disk_dir *dir, uint64_t number, uint64_t size,
                     struct err_detail *why)
{
    char name[FILENAME_BYTES];
    filename_reserve(number, name);
    struct disk_file *file;
    int rc = disk_open(dir, name, DISK_WRITE | DISK_CREATE, SITE_WAL_CREATE, &file);
    if (!rc) {
        rc = disk_allocate(file, size, SITE_WAL_ALLOCATE);
        disk_close(file);
    }
    if (!rc) return ERR_OK;
    (void)disk_unlink(dir, name, SITE_WAL_UNLINK);
    return err_set(why, err_from_os(rc), rc, "%s: taking room for the reserve", name);
}

enum err wal_recycle(struct disk_dir *dir, uint64_t from, uint64_t to,
                     struct err_detail *why)
{
    char old[FILENAME_BYTES], name[FILENAME_BYTES];
    filename_log(from, old);
    filename_log(to, name);
    int rc = disk_rename(dir, old, name, SITE_WAL_RECYCLE);
    return rc ? err_set(why, err_from_os(rc), rc, "%s: rename to %s", old, name) : ERR_OK;
}

/* ---- records ---- */

void wal_writer_init(struct wal_writer *w, struct disk_file *file,
                     const struct wal_sites *sites, uint64_t log, uint64_t offset,
                     struct wal_chain chain, struct wal_position watermark)
{
    assert(watermark.log <= log);
    *w = (struct wal_writer){.file = file,
                             .sites = sites,
                             .log = log,
                             .offset = offset,
                             .synced = watermark.log == log ? watermark.offset : 0,
                             .chain = chain,
                             .watermark = watermark};
    assert(w->synced <= offset);
}

void wal_doubt_mark(struct wal_writer *w, const struct wal_record *mark)
{
    assert(mark->bytes == WAL_HEADER_BYTES && mark->checksum == w->chain.checksum);
    w->found_mark = *mark;
}

/* [INV-41] The bytes that are there already: a write that is torn, or fails, cannot hurt a
 * neighbour. */
static int renew_mark(struct wal_writer *w)
{
    const struct wal_record *mark = &w->found_mark;
    if (mark->bytes == 0) return 0;
    uint8_t frame[WAL_HEADER_BYTES];
    struct wal_chain before = {mark->previous, mark->number};
    uint32_t checksum =
        wal_frame(frame, 0, w->log, before, mark->first_seq, mark->watermark);
    assert(checksum == mark->checksum);
    int rc = disk_write(w->file, w->offset - sizeof frame, frame, sizeof frame,
                        w->sites->mark, NULL);
    if (!rc) w->found_mark.bytes = 0;
    return rc;
}

static enum err refuse(struct err_detail *why)
{
    return err_set(why, ERR_WRITES_REFUSED, 0, "an earlier write or sync has failed");
}

static enum err append(struct wal_writer *w, uint8_t *frame, size_t length,
                       seqno first_seq, enum site site, struct err_detail *why)
{
    if (w->failed) return refuse(why);
    uint32_t checksum =
        wal_frame(frame, length, w->log, w->chain, first_seq, w->watermark);
    int rc = renew_mark(w);
    if (!rc)
        rc = disk_write(w->file, w->offset, frame, WAL_HEADER_BYTES + length, site, NULL);
    if (rc) {
        enum err e = err_from_os(rc);
        w->failed = e != ERR_NO_SPACE;
        w->scrap = true;
        w->marked = false;
        return err_set(why, e, rc, "%s %" PRIu64 ": write at offset %" PRIu64,
                       w->sites->file, w->log, w->offset);
    }
    w->scrap = false;
    w->offset += WAL_HEADER_BYTES + length;
    w->chain = (struct wal_chain){checksum, w->chain.number + 1};
    return ERR_OK;
}

enum err wal_append(struct wal_writer *w, uint8_t *frame, size_t length, seqno first_seq,
                    struct err_detail *why)
{
    enum err e = append(w, frame, length, first_seq, w->sites->write, why);
    if (e == ERR_OK) w->marked = false;
    return e;
}

enum err wal_cover_scrap(struct wal_writer *w, seqno next_seq, struct err_detail *why)
{
    if (!wal_needs_cover(w)) return ERR_OK;
    uint8_t frame[WAL_HEADER_BYTES];
    w->marked = false; /* this one has to be synced */
    return append(w, frame, 0, next_seq, w->sites->mark, why);
}

void wal_take_back(struct wal_writer *w, uint64_t offset, struct wal_chain chain)
{
    assert(offset <= w->offset);
    w->failed = true;
    w->offset = offset;
    w->chain = chain;
    if (w->synced > offset) w->synced = offset;
}

struct wal_sync wal_sync_begin(const struct wal_writer *w)
{
    return (struct wal_sync){w->file, w->sites->sync, w->offset, 0};
}

void wal_sync_run(struct wal_sync *s)
{
    s->result = disk_sync(s->file, DISK_SYNC_DATA, s->site);
}

enum err wal_sync_end(struct wal_writer *w, const struct wal_sync *s,
                      struct err_detail *why)
{
    if (s->result) {
        w->failed = true;
        return err_set(why, err_from_os(s->result), s->result, "%s %" PRIu64 ": sync",
                       w->sites->file, w->log);
    }
    assert(w->synced <= s->covers && s->covers <= w->offset);
    w->synced = s->covers;
    w->watermark = (struct wal_position){w->log, s->covers};
    return ERR_OK;
}

enum err wal_sync(struct wal_writer *w, struct err_detail *why)
{
    if (w->failed) return refuse(why);
    struct wal_sync s = wal_sync_begin(w);
    wal_sync_run(&s);
    return wal_sync_end(w, &s, why);
}

enum err wal_mark(struct wal_writer *w, seqno next_seq, struct err_detail *why)
{
    if (w->marked || (w->scrap && !w->failed)) return ERR_OK;
    assert(w->synced == w->offset);
    uint8_t frame[WAL_HEADER_BYTES];
    enum err e = append(w, frame, 0, next_seq, w->sites->mark, why);
    if (e == ERR_OK) w->marked = true;
    return e;
}
