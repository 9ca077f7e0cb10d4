/* tape.h - bytes as a legal sequence of operations on a store.
 *
 * Flow:    random bytes, scenarios, fuzzer > tape_next > player > store and model
 * Owns:    nothing; a tape is the caller's bytes.
 * Threads: any.
 * Tests:   tests/proptests/tape_test.c
 *
 * Any bytes are a tape: where an operation is not legal the one that ends this state is
 * done instead (a flush inside a group commits it, a write to a closed store opens it), or
 * nothing. So a fuzzer can mutate bytes, a shrinker can cut them, and what is left is
 * still a run. Two to four bytes make an operation, and
 * keys, sizes and registers are few, so that operations meet each other.
 *
 * A tape also has a text form, for scenarios and for people: operations separated by ";",
 * the entries of one batch by "+":
 *
 *     put a0 24; begin; del a1; put a0 8 + add 1 5; commit; flush; clock 1000; cut 3; get a0
 */
#ifndef PROPTESTS_TAPE_H
#define PROPTESTS_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAPE_KEYS          16 /* a0 .. a3, b0 .. d3 */
#define TAPE_PREFIXES      4  /* a .. d, the first byte of a key: what a floor empties */
#define TAPE_REGISTERS     4
#define TAPE_SIZES         8  /* classes of value sizes */
#define TAPE_BATCH_MAX     4  /* entries of one batch */
#define TAPE_KEY_BYTES     40 /* the longest key */
#define TAPE_VALUE_BYTES   70000
#define TAPE_OP_TEXT       160
#define TAPE_CLOCK_STEP_MS 50 /* a clock byte counts in these */

enum tape_kind {
    TAPE_NOTHING,
    TAPE_WRITE, /* one batch: `entries` */
    TAPE_BEGIN, /* a group: what follows is committed together */
    TAPE_COMMIT,
    TAPE_GET,     /* `key` */
    TAPE_SCAN,    /* everything */
    TAPE_ITERATE, /* opens an iterator, or walks and closes the open one */
    TAPE_STEP,
    TAPE_FLUSH,
    TAPE_COMPACT,
    TAPE_CLOCK,  /* `number` milliseconds pass */
    TAPE_POLICY, /* `number`: 0 always, 1 everysec, 2 no */
    TAPE_FAIL,   /* the next mutating call fails; see tape_failure */
    TAPE_CLOSE,
    TAPE_OPEN,
    TAPE_REOPEN, /* close and open */
    TAPE_KILL,   /* the process dies; open */
    TAPE_CUT,    /* the power fails, `number` chooses the survivors; open */
    TAPE_KINDS
};

enum tape_change { TAPE_PUT, TAPE_DELETE, TAPE_ADD, TAPE_SET, TAPE_FLOOR, TAPE_CHANGES };

struct tape_entry {
    enum tape_change change;
    uint8_t key;   /* PUT, DELETE: index of a key; FLOOR: of a prefix */
    uint8_t size;  /* PUT: class of size */
    uint8_t reg;   /* ADD, SET */
    int8_t number; /* ADD: -32 .. 31; SET: 0 .. 63 */
};

struct tape_op {
    enum tape_kind kind;
    struct tape_entry entries[TAPE_BATCH_MAX];
    unsigned count;   /* entries */
    uint8_t key;      /* GET */
    uint32_t number;  /* CLOCK, POLICY, FAIL, CUT */
    size_t at, bytes; /* where it stands on the tape */
};

/* Reads a tape from its start; copy it to remember a place. */
struct tape_reader {
    const uint8_t *bytes;
    size_t size;
    size_t at;
    bool in_group; /* what decides whether an operation is legal */
    bool closed;
};

void tape_read(struct tape_reader *r, const uint8_t *bytes, size_t size);
/* False at the end. Bytes that are missing at the end of the tape count as zeros. */
bool tape_next(struct tape_reader *r, struct tape_op *op);
/* Operations that do something. */
size_t tape_count(const uint8_t *bytes, size_t size);

/* What TAPE_FAIL asks for. */
struct tape_failure {
    unsigned effect; /* done before the error: 0 nothing, 1 a part, 2 everything */
    int error;       /* EIO, ENOSPC or EDQUOT */
    size_t part;     /* bytes of a write that are done for effect 1 */
};
struct tape_failure tape_failure(uint32_t number);

/* ---- what the numbers stand for ---- */

/* The text of a key; returns its length. Every fourth key is long. */
size_t tape_key(unsigned key, char out[TAPE_KEY_BYTES]);
uint8_t tape_prefix(unsigned prefix);
size_t tape_value_size(unsigned size_class);
/* Fills `out` with the value that the `ordinal`-th put of a run writes: no two puts write
 * the same bytes, except the shortest. Half of it compresses. */
void tape_value(uint32_t ordinal, unsigned size_class, uint8_t *out);

/* ---- making tapes ---- */

/* Appends the bytes of an operation; returns how many, 0 when `room` is too small. */
size_t tape_write(uint8_t *out, size_t room, const struct tape_op *op);
/* n random operations, weighted so that long runs reach everything; returns the bytes. */
size_t tape_random(uint64_t seed, size_t operations, uint8_t *out, size_t room);
/* Compiles the text form. On an error returns 0 and *bad is the offending place. */
size_t tape_compile(const char *text, uint8_t *out, size_t room, const char **bad);
/* The text form of one operation. Returns the length as snprintf does. */
int tape_text(const struct tape_op *op, char *buf, size_t n);

#endif
