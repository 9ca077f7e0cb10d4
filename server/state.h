/* state.h - the parts of a running server, for the modules inside it.
 *
 * Flow:  server.c makes it; loop, conn, dispatch and commands work on it
 * Tests: through tests/server/server_test.c
 */
#ifndef SERVER_STATE_H
#define SERVER_STATE_H

#include "server/config.h"
#include "server/conn.h"
#include "server/cursors.h"
#include "server/dispatch.h"
#include "server/keyspace.h"
#include "server/pollset.h"
#include "server/server.h"

#define RUN_ID_BYTES 41 /* forty hexadecimal digits and a zero */
#define ARGV_KEEP    1024

struct stats {
    uint64_t connections, rejected, commands;
    uint64_t bytes_in, bytes_out;
    uint64_t hits, misses;
    uint64_t expired_base;   /* keyspace.expired_keys when the counters were reset */
    uint64_t ops_per_second; /* over the last second */
    uint64_t ops_base;
    int64_t ops_base_ms;
};

struct server {
    struct server_env env;
    struct config config;
    struct db *db;
    struct keyspace keyspace;
    struct cursors cursors;
    struct dispatch dispatch;

    struct pollset pollset;
    struct poll_item listener;
    struct poll_item wakeup; /* the store's descriptor; handle -1: none */
    bool listening;          /* false: accept failed, and rests until the next tick */
    bool accept_failed;      /* and it was told */
    uint16_t port;

    struct conn *first_conn, *last_conn;
    size_t conns;
    uint64_t next_conn_id;
    struct conn *touched; /* connections with something to do at the turn's end */
    struct conn *waiting; /* connections that were paused or parked */

    uint8_t *scratch; /* CONN_READ_BYTES for reading */
    slice *argv;      /* of the command being run */
    uint32_t argv_capacity;

    uint64_t group;         /* number of the group that is open, or will be next */
    uint64_t settled_group; /* of the newest one whose replies may leave */
    bool settling;          /* the one before `group` was submitted: no answer yet */
    struct conn *marked;    /* connections with replies that hang on a group */
    bool stopping;
    int64_t start_ms, mono_ms, tick_ms; /* monotonic: start, this turn, next tick */
    struct stats stats;
    char run_id[RUN_ID_BYTES];
};

/* ---- loop.c ---- */

/* Puts the connection on this turn's list. */
void loop_touch(struct server *s, struct conn *c);
/* Puts the connection on the list of those with replies that hang on a group. */
void loop_mark(struct server *s, struct conn *c);
/* The last act: commits, and sends what can be sent at once. */
void loop_end(struct server *s);
void loop_turn(struct server *s, int timeout_ms);
/* Closes and frees. REQUIRES: not on the list of this turn. */
void loop_close(struct server *s, struct conn *c);

/* Why writes are refused, in the operating system's words if they are its. */
const char *server_refusal_reason(const struct server *s);
/* The line that answers a write while writes are refused, without CRLF. */
#define REFUSAL_BYTES 384
void server_refusal(const struct server *s, char out[REFUSAL_BYTES]);
void server_log(const struct server *s, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
