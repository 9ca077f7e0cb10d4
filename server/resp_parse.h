/* resp_parse.h - bytes of a client into commands: RESP2 arrays and inline lines.
 *
 * Flow:    conn > resp_parse > dispatch
 * Owns:    nothing. It allocates nothing and does no I/O.
 * Borrows: arguments are positions in the caller's bytes.
 * Errors:  RESP_ERROR with Redis's text in `error`; the stream cannot be read any further.
 * Tests:   tests/server/resp_parse_test.c
 *
 * Any split of the input gives the same commands: after RESP_PARTIAL the caller offers
 * the same bytes again with more behind them, and the parser goes on where it stopped, so
 * that a large command costs time linear in its size. An announced length is a promise
 * that is kept in a counter; nothing is ever sized by it.
 */
#ifndef SERVER_RESP_PARSE_H
#define SERVER_RESP_PARSE_H

#include "engine/slice.h"

#define RESP_INLINE_BYTES_MAX (64u * 1024)
#define RESP_ARGS_MAX         (1024u * 1024)
#define RESP_BULK_BYTES_MAX   (512u * 1024 * 1024)
/* One command with all its framing; positions of arguments have 32 bits. */
#define RESP_COMMAND_BYTES_MAX (1024u * 1024 * 1024)
#define RESP_ERROR_BYTES       64

enum resp_result {
    RESP_OK,        /* a command: `argc` arguments (0: an empty one, to be skipped) */
    RESP_PARTIAL,   /* more bytes are needed */
    RESP_MORE_ARGS, /* the array of arguments is full: offer `args_needed` or more */
    RESP_ERROR      /* answer `error` and close */
};

/* An argument: where it lies, counted from the first byte of its command. */
struct resp_arg {
    uint32_t offset;
    uint32_t size;
};

struct resp_parser {
    size_t at;          /* bytes of the command that are understood */
    size_t scanned;     /* bytes known to hold no line end, from the command's start */
    uint32_t argc;      /* arguments found so far */
    uint32_t args_left; /* bulks still to come; 0: at the first byte of a command */
    int64_t bulk;       /* size of the bulk whose bytes come now; -1: its header comes */
    uint32_t args_needed; /* after RESP_MORE_ARGS */
    int64_t bulk_max;     /* largest bulk that is accepted */
    char error[RESP_ERROR_BYTES];
};

void resp_parser_init(struct resp_parser *p);

/* Reads one command from data[0, n), which begins with the command's first byte. `args`
 * keeps its content between the calls for one command (it may be moved to a larger
 * array). RESP_OK: *used bytes belong to the command, p->argc is the number of arguments,
 * and the next call begins a new one. Inline arguments are unquoted in place. */
enum resp_result resp_parse(struct resp_parser *p, uint8_t *data, size_t n,
                            struct resp_arg *args, uint32_t capacity, size_t *used);

/* True when the parser stands in the middle of a command. */
static inline bool resp_parser_busy(const struct resp_parser *p)
{
    return p->args_left > 0;
}
/* Bytes that the current command needs at least, counted from its first byte. */
size_t resp_parser_wants(const struct resp_parser *p);

#endif
