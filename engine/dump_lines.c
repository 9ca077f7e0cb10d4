#include "engine/dump_lines.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "engine/coding.h"

#define BYTES_A_LINE 8
#define LINES_MAX    4
#define QUOTED_MAX   40 /* bytes of a string that are shown */

static_assert(DUMP_QUOTED_BYTES >= 4 * QUOTED_MAX + 20, "four characters a byte");

void dump_begin(struct dump *d, slice file, dump_line_fn *line, void *arg)
{
    *d = (struct dump){.file = file, .end = file.size, .line = line, .arg = arg};
}

void dump_say(struct dump *d, const char *format, ...)
{
    char text[DUMP_LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    d->line(d->arg, text);
}

/* One line of a piece: its bytes, and text if there is some. */
static void hex_line(struct dump *d, size_t n, const char *text)
{
    char hex[3 * BYTES_A_LINE + 1];
    hex[0] = 0;
    for (size_t i = 0; i < n; i++)
        snprintf(hex + 3 * i, 4, "%02x ", d->file.data[d->at + i]);
    if (text)
        dump_say(d, "%06zx  %-24s %s", d->at, hex, text);
    else
        dump_say(d, "%06zx  %.*s", d->at, (int)(n ? 3 * n - 1 : 0), hex);
    d->at += n;
}

static size_t left(const struct dump *d)
{
    return d->end - d->at;
}

void dump_bytes(struct dump *d, size_t n, const char *format, ...)
{
    char text[DUMP_LINE_BYTES];
    va_list args;
    if (d->cut) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    d->cut = n > left(d);
    if (d->cut) n = left(d);
    const char *first = text;
    for (size_t lines = 0; first || (n > 0 && lines < LINES_MAX); lines++) {
        size_t piece = n < BYTES_A_LINE ? n : BYTES_A_LINE;
        hex_line(d, piece, first);
        n -= piece;
        first = NULL;
    }
    if (n > 0) dump_say(d, "        ... %zu bytes more", n);
    d->at += n;
    if (d->cut) dump_say(d, "        the bytes end here");
}

void dump_varint(struct dump *d, const char *name, uint64_t *value)
{
    *value = 0;
    if (d->cut) return;
    const uint8_t *p = d->file.data + d->at, *end = varint_get(p, p + left(d), value);
    if (!end) {
        *value = 0;
        dump_bytes(d, left(d), "%s: not a number", name);
        d->cut = true;
        return;
    }
    dump_bytes(d, (size_t)(end - p), "%s %" PRIu64, name, *value);
}

void dump_prefixed(struct dump *d, const char *name)
{
    if (d->cut) return;
    char quoted[DUMP_QUOTED_BYTES];
    slice in = slice_of(d->file.data + d->at, left(d)), before = in, bytes;
    if (!slice_take_prefixed(&in, &bytes)) {
        dump_bytes(d, left(d), "%s: longer than what is left", name);
        d->cut = true;
        return;
    }
    dump_bytes(d, before.size - in.size, "%s %s", name, dump_quote(bytes, quoted));
}

uint64_t dump_fixed(struct dump *d, size_t bytes, const char *name)
{
    assert(bytes == 4 || bytes == 8);
    if (d->cut || left(d) < bytes) {
        dump_bytes(d, bytes, "%s", name);
        return 0;
    }
    const uint8_t *p = d->file.data + d->at;
    uint64_t value = bytes == 4 ? fixed32_get(p) : fixed64_get(p);
    dump_bytes(d, bytes, "%s %" PRIu64, name, value);
    return value;
}

void dump_checksum(struct dump *d, const char *name, uint32_t right)
{
    if (d->cut || left(d) < 4) {
        dump_bytes(d, 4, "%s", name);
        return;
    }
    uint32_t found = fixed32_get(d->file.data + d->at);
    if (found == right)
        dump_bytes(d, 4, "%s: good", name);
    else
        dump_bytes(d, 4, "%s: WRONG, the bytes have %08" PRIx32, name, right);
}

void dump_rest(struct dump *d, const char *what)
{
    if (!d->cut && left(d) > 0) dump_bytes(d, left(d), "%s", what);
}

const char *dump_quote(slice bytes, char out[DUMP_QUOTED_BYTES])
{
    size_t shown = bytes.size < QUOTED_MAX ? bytes.size : QUOTED_MAX;
    char *p = out;
    *p++ = '"';
    for (size_t i = 0; i < shown; i++) {
        uint8_t b = bytes.data[i];
        bool plain = b >= ' ' && b < 0x7f && b != '"' && b != '\\';
        p += sprintf(p, plain ? "%c" : "\\x%02x", b);
    }
    *p++ = '"';
    *p = 0;
    if (shown < bytes.size) sprintf(p, "... (%zu bytes)", bytes.size);
    return out;
}
