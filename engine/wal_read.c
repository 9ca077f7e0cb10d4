/* The reading half of a log.
 *
 * A chain ends at the first bytes that are not its next record. Whether that is a torn
 * tail, which is cut, or rot, which is refused, is decided by what lies behind: a record
 * that is valid by itself and carries a watermark beyond the break proves that the
 * missing bytes had been synced once. (LevelDB and Redis cannot tell the two apart; a
 * damaged byte in the middle of their logs silently drops, or refuses, what follows.) */
#include "engine/wal.h"

#include <assert.h>
#include <inttypes.h>

#include "engine/coding.h"

void wal_reader_init(struct wal_reader *r, struct mem *mem, struct disk_file *file,
                     uint64_t log, uint64_t size, struct wal_chain chain, size_t step)
{
    assert(step > 0);
    *r = (struct wal_reader){
        .mem = mem, .file = file, .log = log, .size = size, .chain = chain, .step = step};
}

void wal_reader_deinit(struct wal_reader *r)
{
    mem_free(r->mem, r->buffer);
    r->buffer = NULL;
    r->capacity = r->buffered = 0;
}

static enum err reserve(struct wal_reader *r, size_t n)
{
    if (n <= r->capacity) return ERR_OK;
    uint8_t *grown = mem_resize(r->mem, r->buffer, n);
    if (!grown) return ERR_NOMEM;
    r->buffer = grown;
    r->capacity = n;
    return ERR_OK;
}

/* Makes the bytes from `offset` on available, `need` of them or up to the end of the
 * file; *got is how many there are. */
static enum err fill(struct wal_reader *r, uint64_t offset, size_t need,
                     const uint8_t **bytes, size_t *got, struct err_detail *why)
{
    assert(offset >= r->buffer_offset && offset <= r->size);
    uint64_t end = r->buffer_offset + r->buffered;
    uint64_t left = r->size - offset;
    if (left == 0) {
        *bytes = (const uint8_t *)""; /* perhaps no buffer was ever needed */
        *got = 0;
        return ERR_OK;
    }
    if (need > left) need = (size_t)left;
    if (offset + need > end) {
        size_t keep = offset < end ? (size_t)(end - offset) : 0;
        size_t want = need > r->step ? need : r->step;
        if (want > left) want = (size_t)left;
        enum err e = reserve(r, want);
        if (e) return err_set(why, e, 0, "log %" PRIu64 ": %zu bytes", r->log, want);
        memmove(r->buffer, r->buffer + (r->buffered - keep), keep);
        size_t read = 0;
        int rc = disk_read(r->file, offset + keep, r->buffer + keep, want - keep, &read);
        r->buffer_offset = offset;
        r->buffered = keep + read;
        if (rc)
            return err_set(why, err_from_os(rc), rc,
                           "log %" PRIu64 ": read at offset %" PRIu64, r->log, offset);
    }
    *bytes = r->buffer + (offset - r->buffer_offset);
    *got = r->buffered - (size_t)(offset - r->buffer_offset);
    return ERR_OK;
}

/* Parses what stands at `offset`, valid by itself. ERR_NOT_FOUND: no record. */
static enum err record_at(struct wal_reader *r, uint64_t offset, struct wal_record *out,
                          struct err_detail *why)
{
    const uint8_t *bytes = NULL;
    size_t got = 0, need = WAL_HEADER_BYTES;
    for (int pass = 0; pass < 2; pass++) {
        enum err e = fill(r, offset, need, &bytes, &got, why);
        if (e) return e;
        enum wal_parse_result result = wal_parse(bytes, got, r->log, out);
        if (result == WAL_PARSE_OK) return ERR_OK;
        if (result == WAL_PARSE_BAD || out->bytes > r->size - offset) break;
        need = out->bytes;
    }
    return ERR_NOT_FOUND;
}

enum err wal_reader_next(struct wal_reader *r, struct wal_record *out,
                         struct err_detail *why)
{
    struct wal_record record;
    enum err e = record_at(r, r->offset, &record, why);
    if (e) return e;
    if (record.previous != r->chain.checksum || record.number != r->chain.number)
        return ERR_NOT_FOUND;
    struct wal_position here = {r->log, r->offset};
    if (wal_position_compare(record.watermark, here) > 0) return ERR_NOT_FOUND;
    r->chain = (struct wal_chain){record.checksum, record.number + 1};
    r->offset += record.bytes;
    *out = record;
    return ERR_OK;
}

bool wal_reader_has_next(const struct wal_reader *r)
{
    size_t passed = (size_t)(r->offset - r->buffer_offset);
    if (r->buffered < passed + WAL_HEADER_BYTES) return false;
    size_t behind = r->buffered - passed - WAL_HEADER_BYTES;
    return fixed32_get(r->buffer + passed + 4) <= behind;
}

/* Cheap tests that a header at p must pass before its checksum is computed: behind a break
 * every byte may begin a record. `room` is how many bytes of the file follow it. */
static inline bool plausible(const struct wal_reader *r, const uint8_t *p, uint64_t room,
                             uint32_t next_number)
{
    if (fixed32_get(p + 4) > room || fixed32_get(p + 28) > r->log) return false;
    uint32_t ahead = fixed32_get(p + 12) - next_number;
    return ahead <= r->size / WAL_HEADER_BYTES + room / WAL_HEADER_BYTES + 1;
}

static size_t zeros_at(const uint8_t *p, size_t n)
{
    size_t i = 0;
    uint64_t w[8];
    for (; n - i >= sizeof w; i += sizeof w) {
        memcpy(w, p + i, sizeof w);
        if (w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7]) break;
    }
    while (i < n && p[i] == 0)
        i++;
    return i;
}

/* The first of the n bytes at p, which stand at `offset`, behind which a whole header may
 * lie; n less what is shorter than a header: none does. */
static size_t find_header(const struct wal_reader *r, const uint8_t *p, size_t n,
                          uint64_t offset, uint32_t next_number)
{
    uint64_t behind = r->size - offset - WAL_HEADER_BYTES;
    size_t i = 0, end = n - (WAL_HEADER_BYTES - 1), zeros_end = 0;
    for (; i < end; i++) {
        uint64_t word;
        memcpy(&word, p + i, sizeof word);
        if (word == 0 && i >= zeros_end) zeros_end = i + zeros_at(p + i, n - i);
        /* No header is all zeros: a blank log is passed at memory speed. */
        if (zeros_end > i + WAL_HEADER_BYTES)
            i = zeros_end - WAL_HEADER_BYTES;
        else if (plausible(r, p + i, behind - i, next_number))
            return i;
    }
    return end;
}

/* Moves *end behind the last of the n bytes at p, which stand at `offset`, that is not
 * zero. */
static void move_end(uint64_t *end, const uint8_t *p, size_t n, uint64_t offset)
{
    uint64_t w[8];
    for (; n >= sizeof w; n -= sizeof w) {
        memcpy(w, p + n - sizeof w, sizeof w);
        if (w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7]) break;
    }
    while (n > 0 && p[n - 1] == 0)
        n--;
    if (n > 0 && offset + n > *end) *end = offset + n;
}

enum err wal_reader_tail(struct wal_reader *r, struct wal_position broken,
                         uint32_t next_number, struct wal_tail *out,
                         struct err_detail *why)
{
    struct wal_tail tail = {.end = r->offset};
    uint64_t seen = r->offset; /* for the end */
    for (uint64_t offset = r->offset; offset < r->size;) {
        const uint8_t *p;
        size_t got;
        enum err e = fill(r, offset, WAL_HEADER_BYTES, &p, &got, why);
        if (e) return e;
        if (offset + got > seen) move_end(&tail.end, p, got, offset);
        if (offset + got > seen) seen = offset + got;
        if (got < WAL_HEADER_BYTES) break;
        size_t passed = find_header(r, p, got, offset, next_number);
        offset += passed;
        if (passed > got - WAL_HEADER_BYTES) continue;
        struct wal_record record;
        e = record_at(r, offset, &record, why);
        if (e && e != ERR_NOT_FOUND) return e;
        if (e) {
            offset++;
            continue;
        }
        move_end(&tail.end, record.payload.data - WAL_HEADER_BYTES, record.bytes, offset);
        tail.records = true;
        if (!tail.rot && wal_position_compare(record.watermark, broken) > 0) {
            tail.rot = true;
            tail.witness = offset;
        }
        offset += record.bytes; /* inside a record no other begins */
    }
    *out = tail;
    return ERR_OK;
}

/* ---- salvage ---- */

/* Makes the header at r->offset available, or passes what cannot be read or be one.
 * NULL: r->offset has moved. */
static const uint8_t *header_here(struct wal_reader *r, enum err *e)
{
    const uint8_t *p;
    size_t got;
    *e = fill(r, r->offset, WAL_HEADER_BYTES, &p, &got, NULL);
    if (*e == ERR_NOMEM) return NULL;
    if (*e) {
        uint64_t left = r->size - r->offset;
        r->offset += r->step < left ? r->step : left;
        r->buffer_offset = r->offset;
        r->buffered = 0;
        *e = ERR_OK;
        return NULL;
    }
    size_t zeros = zeros_at(p, got);
    if (zeros <= WAL_HEADER_BYTES && got >= WAL_HEADER_BYTES) return p;
    if (got < WAL_HEADER_BYTES || zeros == got)
        r->offset += got > WAL_HEADER_BYTES ? got - WAL_HEADER_BYTES : got;
    else
        r->offset += zeros - WAL_HEADER_BYTES;
    return NULL;
}

enum err wal_reader_salvage(struct wal_reader *r, uint64_t *at, struct wal_record *out,
                            struct err_detail *why)
{
    while (r->offset < r->size) {
        enum err e;
        const uint8_t *p = header_here(r, &e);
        if (e) return err_set(why, e, 0, "log %" PRIu64 ": reading it", r->log);
        if (!p) continue;
        bool fits = fixed32_get(p + 4) <= r->size - r->offset - WAL_HEADER_BYTES;
        e = fits ? record_at(r, r->offset, out, why) : ERR_NOT_FOUND;
        if (e == ERR_NOMEM) return e;
        *at = r->offset;
        r->offset += e ? 1 : out->bytes;
        if (!e) return ERR_OK;
    }
    return ERR_NOT_FOUND;
}
