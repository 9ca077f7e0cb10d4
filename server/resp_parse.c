/* The grammar, as Redis reads it (networking.c, sds.c):
 *
 *   command = "*" count CRLF { "$" size CRLF byte{size} CRLF }   count <= 0: nothing
 *           | line LF                                            split like a shell line
 *
 * A line's end is found by its CR; the byte behind it, and the two bytes behind a bulk,
 * are skipped unseen. That is Redis's behaviour, and clients may rely on it. */
#include "server/resp_parse.h"

#include <assert.h>
#include <stdio.h>

#include "server/number.h"

void resp_parser_init(struct resp_parser *p)
{
    *p = (struct resp_parser){.bulk = -1, .bulk_max = RESP_BULK_BYTES_MAX};
}

size_t resp_parser_wants(const struct resp_parser *p)
{
    return p->bulk >= 0 ? p->at + (size_t)p->bulk + 2 : p->at + 1;
}

static enum resp_result fail(struct resp_parser *p, const char *text)
{
    snprintf(p->error, sizeof p->error, "Protocol error: %s", text);
    return RESP_ERROR;
}

static enum resp_result finish(struct resp_parser *p, size_t bytes, size_t *used)
{
    *used = bytes;
    p->at = p->scanned = 0;
    p->args_left = 0;
    p->bulk = -1;
    return RESP_OK;
}

/* ---- lines with a number ---- */

/* Reads the number between p->at and the line's end and moves p->at behind the line.
 * *ok tells whether it was a number at all. */
static enum resp_result take_number(struct resp_parser *p, const uint8_t *data, size_t n,
                                    const char *too_big, bool *ok, int64_t *out)
{
    size_t from = p->scanned > p->at ? p->scanned : p->at;
    const uint8_t *cr = memchr(data + from, '\r', n - from);
    size_t end = cr ? (size_t)(cr - data) : n;
    if (end - p->at > RESP_INLINE_BYTES_MAX) return fail(p, too_big);
    if (!cr || end + 2 > n) {
        p->scanned = end;
        return RESP_PARTIAL;
    }
    *ok = number_parse(slice_of(data + p->at + 1, end - p->at - 1), out);
    p->at = p->scanned = end + 2;
    return RESP_OK;
}

/* ---- arrays ---- */

static enum resp_result array_header(struct resp_parser *p, const uint8_t *data, size_t n)
{
    int64_t count;
    bool ok;
    enum resp_result r =
        take_number(p, data, n, "too big mbulk count string", &ok, &count);
    if (r != RESP_OK) return r;
    if (!ok || count > RESP_ARGS_MAX) return fail(p, "invalid multibulk length");
    p->argc = 0;
    p->args_left = count > 0 ? (uint32_t)count : 0;
    return RESP_OK;
}

static enum resp_result bulk_header(struct resp_parser *p, const uint8_t *data, size_t n)
{
    int64_t size;
    bool ok;
    if (p->at >= n) return RESP_PARTIAL;
    /* Redis looks for the line's end before it looks at the line. */
    size_t start = p->at;
    enum resp_result r = take_number(p, data, n, "too big bulk count string", &ok, &size);
    if (r != RESP_OK) return r;
    if (data[start] != '$') {
        char text[32];
        uint8_t c = data[start];
        snprintf(text, sizeof text, "expected '$', got '%c'",
                 c == '\r' || c == '\n' ? ' ' : c);
        return fail(p, text);
    }
    if (!ok || size < 0 || size > p->bulk_max) return fail(p, "invalid bulk length");
    p->bulk = size;
    return RESP_OK;
}

static enum resp_result parse_array(struct resp_parser *p, const uint8_t *data, size_t n,
                                    struct resp_arg *args, uint32_t capacity,
                                    size_t *used)
{
    if (p->args_left == 0) {
        enum resp_result r = array_header(p, data, n);
        if (r != RESP_OK) return r;
    }
    while (p->args_left > 0) {
        if (p->bulk < 0) {
            enum resp_result r = bulk_header(p, data, n);
            if (r != RESP_OK) return r;
        }
        size_t size = (size_t)p->bulk;
        if (p->at + size + 2 > RESP_COMMAND_BYTES_MAX) return fail(p, "too big command");
        if (n - p->at < size + 2) return RESP_PARTIAL;
        if (p->argc == capacity) {
            p->args_needed = p->argc + 1;
            return RESP_MORE_ARGS;
        }
        args[p->argc++] = (struct resp_arg){(uint32_t)p->at, (uint32_t)size};
        p->args_left--;
        p->at += size + 2;
        p->scanned = p->at;
        p->bulk = -1;
    }
    return finish(p, p->at, used);
}

/* ---- whole small arrays ---- */

/* "$" or "*", one to three digits, CR, LF */
#define SMALL_HEADER_BYTES 6

/* Reads the number behind the byte at p; returns what is behind its line, or NULL when
 * this is not a plain small number. REQUIRES: SMALL_HEADER_BYTES can be read. */
static inline const uint8_t *small_number(const uint8_t *p, uint32_t *out)
{
    uint32_t v = (uint32_t)p[1] - '0', digit;
    if (v > 9) return NULL;
    p += 2;
    for (int i = 0; i < 2 && (digit = (uint32_t)*p - '0') <= 9 && v > 0; i++, p++)
        v = v * 10 + digit;
    *out = v;
    return *p == '\r' ? p + 2 : NULL;
}

/* The usual command: it is there from its first byte to its last, and all its lengths
 * are small. A fifth of the work of the general way, which reads whatever this one does
 * not want to. Changes nothing when it answers false. */
static bool parse_small(struct resp_parser *p, const uint8_t *data, size_t n,
                        struct resp_arg *args, uint32_t capacity, size_t *used)
{
    const uint8_t *at = data, *end = data + n;
    uint32_t count, size;
    if (n < SMALL_HEADER_BYTES) return false;
    at = small_number(at, &count);
    if (!at || count == 0 || count > capacity) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (end - at < SMALL_HEADER_BYTES || *at != '$') return false;
        at = small_number(at, &size);
        if (!at || end - at < (ptrdiff_t)size + 2) return false;
        args[i] = (struct resp_arg){(uint32_t)(at - data), size};
        at += size + 2;
    }
    p->argc = count;
    return finish(p, (size_t)(at - data), used) == RESP_OK;
}

/* ---- lines ---- */

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}
static bool ends_word(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\0';
}
static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint8_t unescape(uint8_t c)
{
    switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
    }
}

/* Where a line is being read, and where the unquoted bytes go (never ahead of `in`). */
struct line_reader {
    uint8_t *data;
    size_t in, end, out;
    bool write; /* false: only count and look for errors */
};

static void emit(struct line_reader *r, uint8_t c)
{
    if (r->write) r->data[r->out] = c;
    r->out++;
}

/* Reads up to the closing quote, `in` being behind the opening one. False: unbalanced. */
static bool read_quoted(struct line_reader *r, uint8_t quote)
{
    while (r->in < r->end) {
        const uint8_t *d = r->data + r->in;
        size_t left = r->end - r->in;
        if (quote == '"' && left >= 4 && d[0] == '\\' && d[1] == 'x' &&
            hex_digit(d[2]) >= 0 && hex_digit(d[3]) >= 0) {
            emit(r, (uint8_t)(hex_digit(d[2]) * 16 + hex_digit(d[3])));
            r->in += 4;
        } else if (d[0] == '\\' && left >= 2 && (quote == '"' || d[1] == '\'')) {
            emit(r, unescape(d[1]));
            r->in += 2;
        } else if (d[0] == quote) {
            r->in++;
            /* A closing quote ends the word. */
            return r->in == r->end || is_space(r->data[r->in]);
        } else {
            emit(r, d[0]);
            r->in++;
        }
    }
    return false;
}

static bool read_word(struct line_reader *r)
{
    while (r->in < r->end && !ends_word(r->data[r->in])) {
        uint8_t c = r->data[r->in++];
        if (c != '"' && c != '\'')
            emit(r, c);
        else
            return read_quoted(r, c);
    }
    return true;
}

/* Splits data[0, end) into words. False: unbalanced quotes. With args NULL it only
 * counts, and changes nothing. */
static bool split_line(uint8_t *data, size_t end, struct resp_arg *args, uint32_t *count)
{
    struct line_reader r = {.data = data, .end = end, .write = args != NULL};
    *count = 0;
    for (;;) {
        while (r.in < r.end && is_space(data[r.in]))
            r.in++;
        if (r.in == r.end) return true;
        size_t start = r.out = r.in;
        if (!read_word(&r)) return false;
        if (args)
            args[*count] = (struct resp_arg){(uint32_t)start, (uint32_t)(r.out - start)};
        (*count)++;
    }
}

static enum resp_result parse_line(struct resp_parser *p, uint8_t *data, size_t n,
                                   struct resp_arg *args, uint32_t capacity, size_t *used)
{
    uint8_t *lf = memchr(data + p->scanned, '\n', n - p->scanned);
    size_t end = lf ? (size_t)(lf - data) : n;
    if (end > RESP_INLINE_BYTES_MAX) return fail(p, "too big inline request");
    if (!lf) {
        p->scanned = n;
        return RESP_PARTIAL;
    }
    p->scanned = end;
    size_t line = end;
    if (line > 0 && data[line - 1] == '\r') line--;
    /* A zero byte ends the line, as in the C string that Redis makes of it. */
    const uint8_t *zero = memchr(data, 0, line);
    if (zero) line = (size_t)(zero - data);

    uint32_t count;
    if (!split_line(data, line, NULL, &count))
        return fail(p, "unbalanced quotes in request");
    if (count > capacity) {
        p->args_needed = count;
        return RESP_MORE_ARGS;
    }
    split_line(data, line, args, &p->argc);
    assert(p->argc == count);
    return finish(p, end + 1, used);
}

enum resp_result resp_parse(struct resp_parser *p, uint8_t *data, size_t n,
                            struct resp_arg *args, uint32_t capacity, size_t *used)
{
    if (n == 0) return RESP_PARTIAL;
    if (data[0] == '*') {
        if (p->at == 0 && parse_small(p, data, n, args, capacity, used)) return RESP_OK;
        return parse_array(p, data, n, args, capacity, used);
    }
    p->argc = 0;
    return parse_line(p, data, n, args, capacity, used);
}
