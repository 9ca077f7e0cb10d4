/* dump_lines.h - a cursor over bytes that are told one after the other.
 *
 * Flow:   dump_log.c, dump_table.c, dump_file.c > dump_* > a line for each piece
 * Errors: a piece that the bytes are too short for prints what is there, says so, and
 *         leaves `cut` set; later calls print nothing.
 * Tests:  tests/engine/dump_lines_test.c
 */
#ifndef ENGINE_DUMP_LINES_H
#define ENGINE_DUMP_LINES_H

#include "engine/dump.h"

#define DUMP_LINE_BYTES   256
#define DUMP_QUOTED_BYTES 180 /* room that dump_quote needs */

struct dump {
    slice file;
    size_t at;  /* of the next byte */
    size_t end; /* nothing from here on belongs to the part that is told */
    bool cut;
    dump_line_fn *line;
    void *arg;
};

void dump_begin(struct dump *d, slice file, dump_line_fn *line, void *arg);
/* A line without bytes. */
void dump_say(struct dump *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The next n bytes and their meaning. More than fit four lines are counted. */
void dump_bytes(struct dump *d, size_t n, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The next varint; its value follows the name. *value is 0 when it is cut. */
void dump_varint(struct dump *d, const char *name, uint64_t *value);
/* A varint length and that many bytes, quoted, in one piece. */
void dump_prefixed(struct dump *d, const char *name);
/* The next bytes as a little-endian number of 4 or 8 bytes. */
uint64_t dump_fixed(struct dump *d, size_t bytes, const char *name);
/* A checksum of 4 bytes, and whether it is the right one. */
void dump_checksum(struct dump *d, const char *name, uint32_t right);
/* Bytes that are left until `end`, up to four lines of them. */
void dump_rest(struct dump *d, const char *what);

/* Bytes as text in quotes: printable ones as they are, others as \xNN, long ones cut. */
const char *dump_quote(slice bytes, char out[DUMP_QUOTED_BYTES]);

#endif
