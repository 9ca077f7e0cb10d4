/* token.c - see token.h.
 *
 *     form byte | setup | place | tape: size, bytes          (form 1)
 *                               | seed, operations, runs     (form 2)   | check byte
 *
 * Numbers are varints. Runs are lengths of kept, cut, kept, ... operations in turn.
 */
#include "proptests/token.h"

#include <assert.h>
#include <string.h>

#include "engine/coding.h"
#include "engine/crc32c.h"
#include "proptests/tape.h"

#define FORM_TAPE 1
#define FORM_SEED 2
#define BYTES_MAX (TOKEN_TEXT_MAX * 3 / 4)
#define SCRATCH   (TOKEN_TAPE_BYTES + 64)

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* ---- base64url without padding ---- */

static size_t base64_write(const uint8_t *in, size_t n, char *out)
{
    size_t length = 0;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t word = (uint32_t)in[i] << 16;
        if (i + 1 < n) word |= (uint32_t)in[i + 1] << 8;
        if (i + 2 < n) word |= in[i + 2];
        size_t k = n - i >= 3 ? 4 : n - i + 1;
        for (size_t d = 0; d < k; d++)
            out[length++] = digits[word >> (18 - 6 * d) & 63];
    }
    return length;
}

static bool base64_read(const char *in, size_t length, uint8_t *out, size_t *n)
{
    *n = 0;
    if (length % 4 == 1) return false;
    for (size_t i = 0; i < length; i += 4) {
        uint32_t word = 0;
        size_t k = length - i < 4 ? length - i : 4;
        for (size_t d = 0; d < k; d++) {
            const char *digit = memchr(digits, in[i + d], 64);
            if (!digit) return false;
            word |= (uint32_t)(digit - digits) << (18 - 6 * d);
        }
        for (size_t b = 0; b + 1 < k; b++)
            out[(*n)++] = (uint8_t)(word >> (16 - 8 * b));
    }
    return true;
}

/* ---- the bytes of a token ---- */

static uint8_t *runs_write(uint8_t *p, const uint8_t *end, const struct token *t)
{
    bool kept = true;
    for (uint32_t i = 0; i < t->operations && p < end;) {
        uint32_t run = 0;
        while (i + run < t->operations && t->keep[i + run] == kept)
            run++;
        p = varint_put(p, run);
        i += run;
        kept = !kept;
    }
    return p;
}

bool token_print(const struct token *t, char out[TOKEN_TEXT_MAX + 1])
{
    uint8_t bytes[SCRATCH], *p = bytes;
    size_t choice = strlen(t->choice);
    assert(t->tape_size <= TOKEN_TAPE_BYTES && t->operations <= TOKEN_OPERATIONS_MAX);
    *p++ = t->seeded ? FORM_SEED : FORM_TAPE;
    p = varint_put(p, t->setup);
    p = varint_put(p, t->place);
    if (t->seeded) {
        p = varint_put(p, t->seed);
        p = varint_put(p, t->operations);
        p = runs_write(p, bytes + BYTES_MAX, t);
    } else {
        p = varint_put(p, t->tape_size);
        if (t->tape_size) memcpy(p, t->tape, t->tape_size);
        p += t->tape_size;
    }
    size_t n = (size_t)(p - bytes);
    *p = (uint8_t)crc32c(0, bytes, n);
    n++;
    size_t length = n / 3 * 4 + (n % 3 ? n % 3 + 1 : 0);
    if (length + (choice ? choice + 1 : 0) > TOKEN_TEXT_MAX) return false;
    length = base64_write(bytes, n, out);
    if (choice) {
        out[length++] = '~';
        memcpy(out + length, t->choice, choice);
    }
    out[length + choice] = 0;
    return true;
}

static bool runs_read(slice *in, struct token *t)
{
    bool kept = true;
    for (uint64_t i = 0, run; i < t->operations; i += run, kept = !kept) {
        if (!slice_take_varint(in, &run) || run > t->operations - i) return false;
        if (run == 0 && i > 0) return false;
        for (uint64_t k = 0; k < run; k++)
            t->keep[i + k] = kept;
    }
    return true;
}

static bool body_read(slice *in, struct token *t)
{
    uint64_t size, operations;
    slice tape;
    if (!t->seeded) {
        if (!slice_take_varint(in, &size) || size > TOKEN_TAPE_BYTES) return false;
        if (!slice_take_bytes(in, size, &tape)) return false;
        if (size) memcpy(t->tape, tape.data, size);
        t->tape_size = size;
        return true;
    }
    if (!slice_take_varint(in, &t->seed) || !slice_take_varint(in, &operations))
        return false;
    if (operations > TOKEN_OPERATIONS_MAX) return false;
    t->operations = (uint32_t)operations;
    if (!runs_read(in, t)) return false;
    token_seeded_tape(t);
    return true;
}

bool token_parse(const char *text, struct token *out)
{
    uint8_t bytes[BYTES_MAX + 3];
    struct token t = {0};
    uint64_t setup;
    size_t length = strcspn(text, "~"), n;
    if (strlen(text) > TOKEN_TEXT_MAX) return false;
    if (!base64_read(text, length, bytes, &n) || n < 2) return false;
    if (bytes[n - 1] != (uint8_t)crc32c(0, bytes, n - 1)) return false;
    if (bytes[0] != FORM_TAPE && bytes[0] != FORM_SEED) return false;
    t.seeded = bytes[0] == FORM_SEED;
    slice in = slice_of(bytes + 1, n - 2);
    if (!slice_take_varint(&in, &setup) || setup > UINT32_MAX) return false;
    t.setup = (uint32_t)setup;
    if (!slice_take_varint(&in, &t.place) || !body_read(&in, &t) || in.size) return false;
    if (text[length]) {
        if (strlen(text + length + 1) > TOKEN_CHOICE_MAX) return false;
        strcpy(t.choice, text + length + 1);
    }
    *out = t;
    return true;
}

void token_seeded_tape(struct token *t)
{
    uint8_t whole[TOKEN_OPERATIONS_MAX * 12];
    struct tape_reader r;
    struct tape_op op;
    assert(t->operations <= TOKEN_OPERATIONS_MAX);
    size_t size = tape_random(t->seed, t->operations, whole, sizeof whole);
    t->tape_size = 0;
    tape_read(&r, whole, size);
    for (size_t i = 0; tape_next(&r, &op); i++) {
        if (!t->keep[i] || t->tape_size + op.bytes > TOKEN_TAPE_BYTES) continue;
        memcpy(t->tape + t->tape_size, whole + op.at, op.bytes);
        t->tape_size += op.bytes;
    }
}
