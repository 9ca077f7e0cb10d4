/* conn.h - one client: bytes in, commands, replies, bytes out.
 *
 * Flow:   loop > conn_read > resp_parse > dispatch > replies in `out` > conn_send
 * Owns:   its buffers and its handle.
 * Errors: a connection that cannot go on sets `gone` or `closing`; the loop closes it at
 *         the end of the turn. No error of one client reaches another.
 * Tests:  tests/server/conn_test.c
 *
 * Bytes are read into the server's one large buffer and parsed there; only what is left
 * of an unfinished command moves into the connection's own. So an idle client costs this
 * struct and little more.
 */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include "server/buf.h"
#include "server/command.h"
#include "server/pollset.h"
#include "server/resp_parse.h"

#define CONN_ARGS_SMALL       16
#define CONN_ARGS_KEEP        1024           /* a larger array is given back */
#define CONN_NAME_BYTES       128            /* with the terminating zero */
#define CONN_READ_BYTES       (64u * 1024)   /* one read of one turn */
#define CONN_READ_LARGE_BYTES (1024u * 1024) /* the same in the middle of a large value */
/* No command of a client runs while it has so many replies to fetch. */
#define CONN_OUT_PAUSE_BYTES (1024u * 1024)
/* One reply more than that may come; beyond this the client is cut off. */
#define CONN_OUT_MAX_BYTES  (1280u * 1024 * 1024)
#define CONN_OUT_KEEP_BYTES (16u * 1024) /* an empty queue keeps so much memory */

enum reply_mode { REPLY_ON, REPLY_OFF, REPLY_SKIP };

/* Replies that hang on a group: they report its changes, or may have seen them. */
struct reply_mark {
    uint64_t group;
    size_t start; /* in `out` */
    uint32_t replies;
};

struct conn {
    struct poll_item poll;
    uint64_t id;
    struct resp_parser parser;
    struct buf in;         /* what is not yet run */
    struct buf out;        /* what is not yet sent */
    struct resp_arg *args; /* of the command being parsed */
    uint32_t args_capacity;
    struct resp_arg args_small[CONN_ARGS_SMALL];
    size_t parked_bytes; /* a parsed command of this size waits for the store */
    unsigned db;         /* selected database */
    enum reply_mode reply_mode;
    bool closing; /* close when `out` is empty */
    bool gone;    /* close now */
    bool paused;  /* stopped running commands until `out` shrinks */
    bool touched; /* in the loop's list of this turn */
    bool waiting; /* in the loop's list of held connections */
    bool no_evict, no_touch;
    bool marked; /* in the loop's list of connections with unsettled replies */
    struct conn *next_touched, *next_waiting, *next_marked;
    struct conn *next, *prev; /* all connections, oldest first */

    /* The latest two, older one first: no more groups than that are unsettled, the one
     * whose sync is under way and the open one. A mark counts while its group does. */
    struct reply_mark marks[2];

    int64_t created_ms, active_ms; /* monotonic */
    const struct command *last_command;
    char peer[NET_ADDRESS_MAX];
    char name[CONN_NAME_BYTES];
    char lib_name[CONN_NAME_BYTES], lib_version[CONN_NAME_BYTES];
};

/* NULL without memory; the handle is then still the caller's. */
struct conn *conn_new(struct server *s, int handle, const char *peer);
void conn_free(struct server *s, struct conn *c);

/* Reads once and runs every complete command. */
void conn_read(struct server *s, struct conn *c);
/* Runs commands that were left when the connection was paused or parked. */
void conn_resume(struct server *s, struct conn *c);
/* True while something keeps its commands from running. */
bool conn_is_held(const struct server *s, const struct conn *c);
/* How much of `out` may leave: what hangs on no unsettled group. */
size_t conn_sendable(const struct server *s, const struct conn *c);
/* Sends once. */
void conn_send(struct server *s, struct conn *c);
/* The unsettled groups have failed: each reply that hangs on one becomes `error` (a whole
 * reply). */
void conn_replace_replies(const struct server *s, struct conn *c, slice error);
/* Back to the state after accepting: RESET. */
void conn_reset(struct conn *c);

#endif
