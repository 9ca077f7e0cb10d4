/* resp_write.h - replies as RESP2 bytes, appended to a buf.
 *
 * Flow:   commands > reply_* > buf
 * Errors: as buf.h: a reply that does not fit sets buf.failed, and its connection goes.
 * Tests:  tests/server/resp_write_test.c
 */
#ifndef SERVER_RESP_WRITE_H
#define SERVER_RESP_WRITE_H

#include "engine/slice.h"
#include "server/buf.h"

/* "*" or "$", sign, 20 digits, CRLF */
#define REPLY_HEADER_BYTES_MAX 24

void reply_status(struct buf *b, const char *text);
void reply_ok(struct buf *b);
void reply_int(struct buf *b, int64_t v);
void reply_bulk(struct buf *b, slice bytes);
void reply_bulk_text(struct buf *b, const char *text);
/* A number as a bulk string. */
void reply_bulk_int(struct buf *b, int64_t v);
void reply_nil(struct buf *b);
void reply_nil_array(struct buf *b);
void reply_array(struct buf *b, int64_t count);
/* "-" text CRLF. The text carries its code ("ERR ..."); line ends in it become spaces. */
void reply_error(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For arrays whose length is known only afterwards: remember the position, append the
 * elements, then put the header in front of them. */
size_t reply_array_begin(const struct buf *b);
void reply_array_end(struct buf *b, size_t position, int64_t count);
/* Puts bytes in front of everything from `position` on. */
void reply_insert(struct buf *b, size_t position, slice bytes);

#endif
