/* tape.c - see tape.h.
 *
 *     operation: code byte, then
 *       write     1 entry:  entry
 *       batch     2-4:      count byte, entries
 *       get                 key byte
 *       clock, policy, fail, cut: one byte of number
 *     entry: change and argument share one code byte each
 *       put       key nibble, size nibble      add, set   register: 2 bits, number: 6 bits
 *       delete    key nibble                   floor      prefix: 2 bits
 *
 * A code byte counts modulo a table in which frequent operations have many places: random
 * bytes are a sensible run, and hand-written ones use the first place.
 */
#include "proptests/tape.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault/rng.h"

/* ---- codes ---- */

#define BATCH 5 /* beside the five changes: several entries follow */

/* How many of the 128 places of the code table each operation has. */
static const struct {
    enum tape_kind kind;
    unsigned change; /* of TAPE_WRITE: a change, or BATCH */
    unsigned weight;
} codes[] = {
    {TAPE_WRITE, TAPE_PUT, 34},
    {TAPE_WRITE, TAPE_DELETE, 12},
    {TAPE_WRITE, TAPE_ADD, 5},
    {TAPE_WRITE, TAPE_SET, 2},
    {TAPE_WRITE, TAPE_FLOOR, 3},
    {TAPE_WRITE, BATCH, 12},
    {TAPE_BEGIN, 0, 5},
    {TAPE_COMMIT, 0, 9},
    {TAPE_GET, 0, 8},
    {TAPE_SCAN, 0, 3},
    {TAPE_ITERATE, 0, 4},
    {TAPE_STEP, 0, 8},
    {TAPE_FLUSH, 0, 5},
    {TAPE_COMPACT, 0, 2},
    {TAPE_CLOCK, 0, 5},
    {TAPE_POLICY, 0, 1},
    {TAPE_FAIL, 0, 1},
    {TAPE_CLOSE, 0, 1},
    {TAPE_OPEN, 0, 3},
    {TAPE_REOPEN, 0, 3},
    {TAPE_KILL, 0, 1},
    {TAPE_CUT, 0, 1},
};
#define CODES       (sizeof codes / sizeof *codes)
#define CODE_PLACES 128u

static size_t code_of_byte(uint8_t byte)
{
    unsigned place = byte % CODE_PLACES;
    for (size_t i = 0; i < CODES; i++) {
        if (place < codes[i].weight) return i;
        place -= codes[i].weight;
    }
    assert(false && "the weights do not sum up to the places");
    return 0;
}

static uint8_t byte_of_code(enum tape_kind kind, unsigned change)
{
    unsigned place = 0;
    for (size_t i = 0; i < CODES; i++) {
        if (codes[i].kind == kind && codes[i].change == change) return (uint8_t)place;
        place += codes[i].weight;
    }
    assert(false && "an operation without a code");
    return 0;
}

/* ---- entries ---- */

static struct tape_entry entry_decode(enum tape_change change, uint8_t byte)
{
    struct tape_entry e = {.change = change};
    switch (change) {
    case TAPE_PUT:
        e.key = byte % TAPE_KEYS;
        e.size = (uint8_t)(byte / TAPE_KEYS % TAPE_SIZES);
        break;
    case TAPE_DELETE: e.key = byte % TAPE_KEYS; break;
    case TAPE_ADD:
        e.reg = byte % TAPE_REGISTERS;
        e.number = (int8_t)(byte / TAPE_REGISTERS - 32);
        break;
    case TAPE_SET:
        e.reg = byte % TAPE_REGISTERS;
        e.number = (int8_t)(byte / TAPE_REGISTERS);
        break;
    case TAPE_FLOOR:
    case TAPE_CHANGES: e.key = byte % TAPE_PREFIXES; break;
    }
    return e;
}

static uint8_t entry_encode(const struct tape_entry *e)
{
    switch (e->change) {
    case TAPE_PUT: return (uint8_t)(e->key + e->size * TAPE_KEYS);
    case TAPE_ADD: return (uint8_t)(e->reg + (e->number + 32) * TAPE_REGISTERS);
    case TAPE_SET: return (uint8_t)(e->reg + e->number * TAPE_REGISTERS);
    case TAPE_DELETE:
    case TAPE_FLOOR:
    case TAPE_CHANGES: break;
    }
    return e->key;
}

/* ---- reading ---- */

void tape_read(struct tape_reader *r, const uint8_t *bytes, size_t size)
{
    *r = (struct tape_reader){.bytes = bytes, .size = size};
}

static uint8_t byte_next(struct tape_reader *r)
{
    return r->at < r->size ? r->bytes[r->at++] : 0;
}

static void write_decode(struct tape_reader *r, unsigned change, struct tape_op *op)
{
    op->count = 1;
    if (change != BATCH) {
        op->entries[0] = entry_decode((enum tape_change)change, byte_next(r));
        return;
    }
    op->count = 2 + byte_next(r) % (TAPE_BATCH_MAX - 1);
    for (unsigned i = 0; i < op->count; i++) {
        enum tape_change each = (enum tape_change)(byte_next(r) % TAPE_CHANGES);
        op->entries[i] = entry_decode(each, byte_next(r));
    }
}

/* What is done instead of `kind` where that is not legal: background work, time, opening
 * and closing pass between groups, a closed store does nothing but open, and a crash may
 * happen anywhere. */
static enum tape_kind legal_kind(const struct tape_reader *r, enum tape_kind kind)
{
    switch (kind) {
    case TAPE_CUT:
    case TAPE_KILL:
    case TAPE_FAIL: return kind;
    case TAPE_CLOCK: return r->in_group ? TAPE_COMMIT : TAPE_CLOCK;
    case TAPE_OPEN: return r->closed ? TAPE_OPEN : TAPE_NOTHING;
    case TAPE_COMMIT:
        if (!r->closed) return r->in_group ? TAPE_COMMIT : TAPE_NOTHING;
        return TAPE_OPEN;
    case TAPE_BEGIN:
    case TAPE_CLOSE:
    case TAPE_STEP:
    case TAPE_FLUSH:
    case TAPE_COMPACT:
    case TAPE_POLICY:
    case TAPE_REOPEN:
        if (r->in_group) return TAPE_COMMIT;
        break;
    default: break;
    }
    return r->closed ? TAPE_OPEN : kind;
}

static void state_follow(struct tape_reader *r, enum tape_kind kind)
{
    if (kind == TAPE_BEGIN) r->in_group = true;
    if (kind == TAPE_COMMIT) r->in_group = false;
    if (kind == TAPE_CLOSE) r->closed = true;
    if (kind == TAPE_OPEN) r->closed = false;
    if (kind == TAPE_CUT || kind == TAPE_KILL) r->in_group = r->closed = false;
}

bool tape_next(struct tape_reader *r, struct tape_op *op)
{
    memset(op, 0, sizeof *op);
    op->at = r->at;
    if (r->at >= r->size) return false;
    size_t code = code_of_byte(byte_next(r));
    op->kind = codes[code].kind;
    switch (op->kind) {
    case TAPE_WRITE: write_decode(r, codes[code].change, op); break;
    case TAPE_GET: op->key = byte_next(r) % TAPE_KEYS; break;
    case TAPE_CLOCK: op->number = byte_next(r) * TAPE_CLOCK_STEP_MS; break;
    case TAPE_POLICY: op->number = byte_next(r) % 3; break;
    case TAPE_FAIL:
    case TAPE_CUT: op->number = byte_next(r); break;
    default: break;
    }
    op->bytes = r->at - op->at;
    op->kind = legal_kind(r, op->kind);
    if (op->kind != TAPE_WRITE) op->count = 0;
    state_follow(r, op->kind);
    return true;
}

size_t tape_count(const uint8_t *bytes, size_t size)
{
    struct tape_reader r;
    struct tape_op op;
    size_t n = 0;
    tape_read(&r, bytes, size);
    while (tape_next(&r, &op))
        n += op.kind != TAPE_NOTHING;
    return n;
}

struct tape_failure tape_failure(uint32_t number)
{
    static const int errors[] = {EIO, ENOSPC, EDQUOT, EIO};
    return (struct tape_failure){.effect = number % 4 % 3,
                                 .error = errors[number / 4 % 4],
                                 .part = number / 16 * 3};
}

/* ---- what the numbers stand for ---- */

size_t tape_key(unsigned key, char out[TAPE_KEY_BYTES])
{
    assert(key < TAPE_KEYS);
    size_t n = key % 4 == 3 ? TAPE_KEY_BYTES : 2;
    memset(out, '-', n);
    out[0] = (char)tape_prefix(key / 4);
    out[1] = (char)('0' + key % 4);
    return n;
}

uint8_t tape_prefix(unsigned prefix)
{
    assert(prefix < TAPE_PREFIXES);
    return (uint8_t)('a' + prefix);
}

/* First the one that shrinking ends with. Then: empty; a byte; a few in a tiny block; more
 * than a tiny block; several of them; more than a tiny memtable; and a large value, which
 * has a block of its own under every geometry. */
static const size_t sizes[TAPE_SIZES] = {8, 0, 1, 24, 64, 200, 1000, TAPE_VALUE_BYTES};

size_t tape_value_size(unsigned size_class)
{
    assert(size_class < TAPE_SIZES);
    return sizes[size_class];
}

void tape_value(uint32_t ordinal, unsigned size_class, uint8_t *out)
{
    size_t n = tape_value_size(size_class);
    struct rng rng;
    rng_init(&rng, ordinal);
    memset(out, 'v', n);
    for (size_t i = 0; i < n && i < 4; i++)
        out[i] = (uint8_t)(ordinal >> (8 * i));
    for (size_t i = 4; i < n; i++)
        if (i % 32 < 16) out[i] = (uint8_t)rng_next(&rng);
}

/* ---- making tapes ---- */

size_t tape_write(uint8_t *out, size_t room, const struct tape_op *op)
{
    uint8_t bytes[2 + 2 * TAPE_BATCH_MAX];
    size_t n = 0;
    unsigned change = 0;
    if (op->kind == TAPE_WRITE) change = op->count > 1 ? BATCH : op->entries[0].change;
    bytes[n++] = byte_of_code(op->kind, change);
    if (change == BATCH) bytes[n++] = (uint8_t)(op->count - 2);
    for (unsigned i = 0; i < op->count; i++) {
        if (change == BATCH) bytes[n++] = (uint8_t)op->entries[i].change;
        bytes[n++] = entry_encode(&op->entries[i]);
    }
    if (op->kind == TAPE_GET) bytes[n++] = op->key;
    if (op->kind == TAPE_CLOCK) bytes[n++] = (uint8_t)(op->number / TAPE_CLOCK_STEP_MS);
    if (op->kind == TAPE_POLICY || op->kind == TAPE_FAIL || op->kind == TAPE_CUT)
        bytes[n++] = (uint8_t)op->number;
    if (n > room) return 0;
    memcpy(out, bytes, n);
    return n;
}

size_t tape_random(uint64_t seed, size_t operations, uint8_t *out, size_t room)
{
    struct rng rng;
    rng_init(&rng, seed);
    size_t n = 0;
    for (size_t i = 0; i < operations; i++) {
        uint8_t bytes[2 + 2 * TAPE_BATCH_MAX];
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (uint8_t)rng_next(&rng);
        struct tape_reader r;
        struct tape_op op;
        tape_read(&r, bytes, sizeof bytes);
        tape_next(&r, &op);
        if (n + op.bytes > room) break;
        memcpy(out + n, bytes, op.bytes);
        n += op.bytes;
    }
    return n;
}
