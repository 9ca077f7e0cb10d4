#include "server/resp_write.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "server/number.h"

#define ERROR_TEXT_BYTES_MAX 1024

/* type, number, CRLF */
static size_t format_header(char out[REPLY_HEADER_BYTES_MAX], char type, int64_t v)
{
    out[0] = type;
    size_t n = 1;
    if (v >= 0 && v <= 9)
        out[n++] = (char)('0' + v);
    else
        n += number_format(out + n, v);
    out[n++] = '\r';
    out[n++] = '\n';
    return n;
}

static void append_header(struct buf *b, char type, int64_t v)
{
    if (!buf_reserve(b, REPLY_HEADER_BYTES_MAX)) return;
    b->end += format_header((char *)b->data + b->end, type, v);
}

void reply_status(struct buf *b, const char *text)
{
    buf_append(b, "+", 1);
    buf_append(b, text, strlen(text));
    buf_append(b, "\r\n", 2);
}

void reply_ok(struct buf *b)
{
    buf_append(b, "+OK\r\n", 5);
}

void reply_int(struct buf *b, int64_t v)
{
    append_header(b, ':', v);
}

void reply_bulk(struct buf *b, slice bytes)
{
    /* One reservation: a reply is there wholly or not at all. */
    if (!buf_reserve(b, bytes.size + REPLY_HEADER_BYTES_MAX + 2)) return;
    uint8_t *p = b->data + b->end;
    p += format_header((char *)p, '$', (int64_t)bytes.size);
    if (bytes.size) memcpy(p, bytes.data, bytes.size);
    p += bytes.size;
    *p++ = '\r';
    *p++ = '\n';
    b->end = (size_t)(p - b->data);
}

void reply_bulk_text(struct buf *b, const char *text)
{
    reply_bulk(b, slice_text(text));
}

void reply_bulk_int(struct buf *b, int64_t v)
{
    char text[NUMBER_BYTES_MAX];
    reply_bulk(b, slice_of(text, number_format(text, v)));
}

void reply_nil(struct buf *b)
{
    buf_append(b, "$-1\r\n", 5);
}

void reply_nil_array(struct buf *b)
{
    buf_append(b, "*-1\r\n", 5);
}

void reply_array(struct buf *b, int64_t count)
{
    append_header(b, '*', count);
}

void reply_error(struct buf *b, const char *format, ...)
{
    char text[ERROR_TEXT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert(n >= 0);

    size_t size = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    for (size_t i = 0; i < size; i++)
        if (text[i] == '\r' || text[i] == '\n') text[i] = ' ';
    buf_append(b, "-", 1);
    buf_append(b, text, size);
    buf_append(b, "\r\n", 2);
}

size_t reply_array_begin(const struct buf *b)
{
    return buf_size(b);
}

void reply_array_end(struct buf *b, size_t position, int64_t count)
{
    char header[REPLY_HEADER_BYTES_MAX];
    reply_insert(b, position, slice_of(header, format_header(header, '*', count)));
}

void reply_insert(struct buf *b, size_t position, slice bytes)
{
    assert(position <= buf_size(b));
    if (b->failed || !buf_reserve(b, bytes.size)) return;
    uint8_t *at = buf_bytes(b) + position;
    memmove(at + bytes.size, at, buf_size(b) - position);
    memcpy(at, bytes.data, bytes.size);
    b->end += bytes.size;
}
