/* tape_text.c - the text form of tapes; see tape.h. Every operation is one row of the
 * table `words`, for reading and for printing. */
#include "proptests/tape.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum argument { NONE, KEY, PREFIX, BYTES, REGISTER, NUMBER, POLICY };

static const struct word {
    const char *text;
    enum tape_kind kind;
    enum tape_change change; /* of TAPE_WRITE */
    enum argument arguments[2];
} words[] = {
    {"put", TAPE_WRITE, TAPE_PUT, {KEY, BYTES}},
    {"del", TAPE_WRITE, TAPE_DELETE, {KEY, NONE}},
    {"add", TAPE_WRITE, TAPE_ADD, {REGISTER, NUMBER}},
    {"set", TAPE_WRITE, TAPE_SET, {REGISTER, NUMBER}},
    {"floor", TAPE_WRITE, TAPE_FLOOR, {PREFIX, NONE}},
    {"begin", TAPE_BEGIN, 0, {NONE, NONE}},
    {"commit", TAPE_COMMIT, 0, {NONE, NONE}},
    {"get", TAPE_GET, 0, {KEY, NONE}},
    {"scan", TAPE_SCAN, 0, {NONE, NONE}},
    {"iterate", TAPE_ITERATE, 0, {NONE, NONE}},
    {"step", TAPE_STEP, 0, {NONE, NONE}},
    {"flush", TAPE_FLUSH, 0, {NONE, NONE}},
    {"compact", TAPE_COMPACT, 0, {NONE, NONE}},
    {"clock", TAPE_CLOCK, 0, {NUMBER, NONE}},
    {"policy", TAPE_POLICY, 0, {POLICY, NONE}},
    {"fail", TAPE_FAIL, 0, {NUMBER, NONE}},
    {"close", TAPE_CLOSE, 0, {NONE, NONE}},
    {"open", TAPE_OPEN, 0, {NONE, NONE}},
    {"reopen", TAPE_REOPEN, 0, {NONE, NONE}},
    {"kill", TAPE_KILL, 0, {NONE, NONE}},
    {"cut", TAPE_CUT, 0, {NUMBER, NONE}},
    {"nothing", TAPE_NOTHING, 0, {NONE, NONE}}, /* is printed, never read */
};
#define WORDS (sizeof words / sizeof *words)

static const char *const policies[] = {"always", "everysec", "no"};

/* ---- reading ---- */

static const char *skip_space(const char *p)
{
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

/* Length of the word at p. */
static size_t word_length(const char *p)
{
    size_t n = 0;
    while (p[n] && !isspace((unsigned char)p[n]) && p[n] != ';' && p[n] != '+')
        n++;
    return n;
}

static const struct word *word_find(const char *p, size_t n)
{
    for (size_t i = 0; i < WORDS; i++)
        if (strlen(words[i].text) == n && !memcmp(words[i].text, p, n)) return &words[i];
    return NULL;
}

static bool number_read(const char *p, size_t n, long min, long max, long *out)
{
    char *end;
    long v = strtol(p, &end, 10);
    if (n == 0 || end != p + n || v < min || v > max) return false;
    *out = v;
    return true;
}

static bool size_read(const char *p, size_t n, struct tape_entry *e)
{
    long bytes;
    if (!number_read(p, n, 0, TAPE_VALUE_BYTES, &bytes)) return false;
    for (unsigned i = 0; i < TAPE_SIZES; i++)
        if (tape_value_size(i) == (size_t)bytes) {
            e->size = (uint8_t)i;
            return true;
        }
    return false;
}

static bool key_read(const char *p, size_t n, uint8_t *out)
{
    if (n != 2 || p[0] < 'a' || p[0] > 'd' || p[1] < '0' || p[1] > '3') return false;
    *out = (uint8_t)((p[0] - 'a') * 4 + p[1] - '0');
    return true;
}

static bool policy_read(const char *p, size_t n, uint32_t *out)
{
    for (uint32_t i = 0; i < 3; i++)
        if (strlen(policies[i]) == n && !memcmp(policies[i], p, n)) {
            *out = i;
            return true;
        }
    return false;
}

static bool argument_read(enum argument kind, const char *p, size_t n, struct tape_op *op,
                          struct tape_entry *e)
{
    long v = 0;
    switch (kind) {
    case KEY: return key_read(p, n, op->kind == TAPE_GET ? &op->key : &e->key);
    case BYTES: return size_read(p, n, e);
    case POLICY: return policy_read(p, n, &op->number);
    case PREFIX:
        if (n != 1 || *p < 'a' || *p > 'd') return false;
        e->key = (uint8_t)(*p - 'a');
        return true;
    case REGISTER:
        if (!number_read(p, n, 0, TAPE_REGISTERS - 1, &v)) return false;
        e->reg = (uint8_t)v;
        return true;
    case NUMBER:
        if (op->kind == TAPE_WRITE) {
            bool set = e->change == TAPE_SET;
            if (!number_read(p, n, set ? 0 : -32, set ? 63 : 31, &v)) return false;
            e->number = (int8_t)v;
            return true;
        }
        if (op->kind == TAPE_CLOCK) {
            if (!number_read(p, n, 0, 255 * TAPE_CLOCK_STEP_MS, &v)) return false;
        } else if (!number_read(p, n, 0, 255, &v)) {
            return false;
        }
        op->number = (uint32_t)v;
        return op->kind != TAPE_CLOCK || v % TAPE_CLOCK_STEP_MS == 0;
    case NONE: break;
    }
    return true;
}

/* Reads one word and its arguments into op; returns the place after them, or NULL with
 * *bad set. */
static const char *part_read(const char *p, struct tape_op *op, const char **bad)
{
    struct tape_entry e = {0};
    size_t n = word_length(p);
    const struct word *word = word_find(p, n);
    *bad = p;
    if (!word || word->kind == TAPE_NOTHING) return NULL;
    if (op->count && word->kind != TAPE_WRITE) return NULL;
    op->kind = word->kind;
    e.change = word->change;
    for (int i = 0; i < 2 && word->arguments[i] != NONE; i++) {
        p = skip_space(p + n);
        n = word_length(p);
        *bad = p;
        if (!argument_read(word->arguments[i], p, n, op, &e)) return NULL;
    }
    if (word->kind == TAPE_WRITE) {
        if (op->count == TAPE_BATCH_MAX) return NULL;
        op->entries[op->count++] = e;
    }
    return skip_space(p + n);
}

size_t tape_compile(const char *text, uint8_t *out, size_t room, const char **bad)
{
    size_t used = 0;
    const char *p = skip_space(text);
    while (*p) {
        struct tape_op op = {0};
        for (;;) {
            p = part_read(p, &op, bad);
            if (!p) return 0;
            if (*p != '+') break;
            p = skip_space(p + 1);
        }
        *bad = p;
        if (*p && *p != ';') return 0;
        size_t n = tape_write(out + used, room - used, &op);
        if (n == 0) return 0;
        used += n;
        p = skip_space(*p ? p + 1 : p);
    }
    return used;
}

/* ---- printing ---- */

/* A buffer that is filled from the front, and counts on when it is full. */
struct printer {
    char *buf;
    size_t room;
    int length;
};

__attribute__((format(printf, 2, 3))) static void print(struct printer *out,
                                                        const char *format, ...)
{
    size_t used = (size_t)out->length < out->room ? (size_t)out->length : out->room;
    va_list args;
    va_start(args, format);
    out->length += vsnprintf(out->buf + used, out->room - used, format, args);
    va_end(args);
}

static void argument_print(struct printer *out, enum argument kind,
                           const struct tape_op *op, const struct tape_entry *e)
{
    unsigned key = op->kind == TAPE_GET ? op->key : e->key;
    switch (kind) {
    case KEY: print(out, " %c%u", tape_prefix(key / 4), key % 4); break;
    case PREFIX: print(out, " %c", tape_prefix(key)); break;
    case BYTES: print(out, " %zu", tape_value_size(e->size)); break;
    case REGISTER: print(out, " %u", e->reg); break;
    case POLICY: print(out, " %s", policies[op->number]); break;
    case NUMBER:
        print(out, " %ld", op->kind == TAPE_WRITE ? (long)e->number : (long)op->number);
        break;
    case NONE: break;
    }
}

static void part_print(struct printer *out, const struct tape_op *op,
                       const struct tape_entry *e)
{
    for (size_t i = 0; i < WORDS; i++) {
        if (words[i].kind != op->kind) continue;
        if (op->kind == TAPE_WRITE && words[i].change != e->change) continue;
        print(out, "%s", words[i].text);
        argument_print(out, words[i].arguments[0], op, e);
        argument_print(out, words[i].arguments[1], op, e);
        return;
    }
}

int tape_text(const struct tape_op *op, char *buf, size_t n)
{
    struct printer out = {buf, n, 0};
    struct tape_entry none = {0};
    part_print(&out, op, op->count ? &op->entries[0] : &none);
    for (unsigned i = 1; i < op->count; i++) {
        print(&out, " + ");
        part_print(&out, op, &op->entries[i]);
    }
    return out.length;
}
