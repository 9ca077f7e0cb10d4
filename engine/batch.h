/* batch.h - an atomic group of changes; its bytes are the payload of a log record.
 *
 * Flow:    commands > batch_* > db_write > log record; recovery > batch_next > memtable
 * Owns:    its buffer.
 * Errors:  ERR_NOMEM, ERR_TOO_LARGE: the batch is as before the call.
 * Format:  docs/formats.md#batches
 * Tests:   tests/engine/batch_test.c
 *
 * Each entry takes one sequence number, in order. Beside puts and deletes there are two
 * kinds of bookkeeping that have to be exactly as atomic as the data:
 * - registers: 64 numbers that the store keeps (a server's key counts, a map of
 *   databases): added to or set, summed up by recovery, stored with each flush;
 * - floors: "every key that begins with byte P and is older than this entry is gone",
 *   which empties a database in O(1).
 */
#ifndef ENGINE_BATCH_H
#define ENGINE_BATCH_H

#include "engine/err.h"
#include "engine/options.h"
#include "engine/slice.h"
#include "fault/mem.h"

/* On disk, never renumber. */
enum batch_kind {
    BATCH_DELETE = 0,       /* varint length, key */
    BATCH_PUT = 1,          /* varint length, key, varint length, value */
    BATCH_REGISTER_ADD = 2, /* byte register, varint zigzag delta */
    BATCH_REGISTER_SET = 3, /* byte register, varint value */
    BATCH_FLOOR = 4         /* byte prefix */
};

struct batch {
    struct mem *mem;
    uint8_t *data; /* `headroom` bytes for a record's header, then the entries */
    size_t headroom;
    size_t size;     /* bytes of the entries */
    size_t capacity; /* bytes allocated */
    uint32_t count;  /* entries */
    bool has_books;  /* since it was cleared a register or a floor was added */
};

void batch_init(struct batch *b, struct mem *mem, size_t headroom);
void batch_deinit(struct batch *b);
/* Empties it and keeps the buffer. */
void batch_clear(struct batch *b);

enum err batch_put(struct batch *b, slice key, slice value);
/* The value is the concatenation of two parts: a header and a body need no copy. */
enum err batch_put2(struct batch *b, slice key, slice value_head, slice value_body);
enum err batch_delete(struct batch *b, slice key);
enum err batch_register_add(struct batch *b, unsigned reg, int64_t delta);
enum err batch_register_set(struct batch *b, unsigned reg, uint64_t value);
enum err batch_floor(struct batch *b, uint8_t prefix);
/* Adds all entries of another batch. */
enum err batch_append(struct batch *b, const struct batch *from);
/* Cuts back to an earlier size and count: undo of the entries after it. */
void batch_truncate(struct batch *b, size_t size, uint32_t count);
/* The entries. */
slice batch_bytes(const struct batch *b);

struct batch_entry {
    enum batch_kind kind;
    slice key;       /* PUT, DELETE */
    slice value;     /* PUT */
    unsigned index;  /* register, or prefix of a floor */
    uint64_t number; /* REGISTER_SET: value; REGISTER_ADD: the delta, two's complement */
};
/* Takes the next entry from the front of *in. ERR_NOT_FOUND at the end, ERR_CORRUPT for
 * bytes that are no entry (*in is then where they begin). */
enum err batch_next(slice *in, struct batch_entry *out);

#endif
