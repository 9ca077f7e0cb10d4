/* command.h - what a command is: a row of the table, a call, and helpers for both.
 *
 * Flow:    dispatch > struct command.run(struct call) > keyspace, reply_*
 * Borrows: a call's arguments live until the command returns.
 * Tests:   tests/server/commands_test.c
 */
#ifndef SERVER_COMMAND_H
#define SERVER_COMMAND_H

#include "engine/slice.h"
#include "server/buf.h"
#include "server/keyspace.h"
#include "server/resp_write.h"

struct server;
struct conn;
struct call;

typedef void command_fn(struct call *c);

/* Redis's flags, in the order in which COMMAND lists them. */
enum command_flags {
    CMD_WRITE = 1 << 0,
    CMD_READONLY = 1 << 1,
    CMD_DENYOOM = 1 << 2,
    CMD_ADMIN = 1 << 3,
    CMD_NOSCRIPT = 1 << 4,
    CMD_LOADING = 1 << 5,
    CMD_STALE = 1 << 6,
    CMD_FAST = 1 << 7,
    CMD_NO_AUTH = 1 << 8,
    CMD_ALLOW_BUSY = 1 << 9,
    CMD_NO_MULTI = 1 << 10,
};

/* Categories that do not follow from the flags. */
enum command_categories {
    CAT_KEYSPACE = 1,
    CAT_STRING = 2,
    CAT_DANGEROUS = 4,
    CAT_CONNECTION = 8,
};

struct command_keys {
    int first, last, step; /* positions of key arguments; last < 0 counts from the end */
    const char *access;    /* flags of the key specification, separated by spaces */
};

struct command {
    const char *name; /* lower case; "client|id" for a subcommand */
    command_fn *run;  /* NULL: only its subcommands can be called */
    int arity;        /* arguments with the name; negative: at least so many */
    unsigned flags;
    unsigned categories;
    struct command_keys keys;
    const char *tips; /* separated by spaces, or NULL */
    const char *group;
    const char *since;
    const char *complexity;
    const char *summary;
    const struct command *subcommands; /* ends with a row without name, or NULL */
};

/* The table, and how many rows of commands (without subcommands) it has. */
extern const struct command commands[];
extern const size_t commands_count;

struct call {
    struct server *server;
    struct conn *conn;
    const struct command *command;
    const slice *argv; /* argv[0] is the name */
    uint32_t argc;
    struct buf *out;
    size_t reply_start; /* size of `out` when the command began */
};

/* ---- for commands ---- */

struct keyspace *call_keyspace(const struct call *c);
unsigned call_db(const struct call *c);

bool equals_nocase(slice text, const char *word);
/* The argument as a number; false: the error has been answered. */
bool call_number(struct call *c, uint32_t index, int64_t *out);
void reply_syntax_error(struct call *c);
/* Answers what the store said; e is not ERR_OK. `why` may be NULL. */
void reply_store_error(struct call *c, enum err e, const struct err_detail *why);
/* keyspace_get for a command that only reads: counts hits and misses, deletes what has
 * expired. False: the error has been answered. */
bool call_read(struct call *c, slice key, struct entry *out);
/* keyspace_get and keyspace_peek for commands that write. */
bool call_get(struct call *c, slice key, struct entry *out);
bool call_peek(struct call *c, slice key, struct entry *out);
/* A change; false: the error has been answered, and replies of this command that were
 * written before are gone. */
bool call_begin(struct call *c);
bool call_begin_removal(struct call *c); /* of a change that only removes */
bool call_commit(struct call *c);
/* begin, one put, commit */
bool call_put(struct call *c, slice key, const struct entry *old, slice value,
              int64_t deadline_ms);
/* The same for a value that grew in place, or had done so before. */
bool call_put_grown(struct call *c, slice key, const struct entry *old, slice value,
                    int64_t deadline_ms);
bool call_remove(struct call *c, slice key, const struct entry *old);
/* One line of a HELP subcommand after the other; the last one is NULL. */
void reply_help(struct call *c, const char *const *lines);

#endif
