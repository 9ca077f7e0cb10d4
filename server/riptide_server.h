/* riptide_server.h - a whole server inside your own process: for tests, tools, and programs
 * that want to be spoken to by any Redis client.
 *
 * Flow:    your program > riptide_server_start > server.h on a thread of its own
 * Owns:    a running server owns its store, its listener and its threads, until it is
 *          stopped.
 * Errors:  as in engine/riptide.h; `why` says in one line what is wrong.
 * Threads: start and stop each server from one thread at a time. Several servers may run.
 * Crash:   what a client was answered is as durable as appendfsync says.
 * Tests:   tests/server/riptide_server_test.c
 *
 *     struct riptide_server_config config = {.dir = "data/mine"};
 *     struct riptide_server *server;
 *     struct riptide_failure why;
 *     if (riptide_server_start(&config, &server, &why)) ...
 *     connect_to("127.0.0.1", riptide_server_port(server));
 *     riptide_server_stop(server);
 */
#ifndef SERVER_RIPTIDE_SERVER_H
#define SERVER_RIPTIDE_SERVER_H

#include "engine/riptide.h"

#ifdef __cplusplus
extern "C" {
#endif

struct riptide_server;

/* Used during the call only. What is left zero has its default. */
struct riptide_server_config {
    /* Of the store, which is created when missing; its parent must exist. */
    const char *dir;
    const char *bind; /* address; NULL: 127.0.0.1 */
    uint16_t port;    /* 0: one that is free, see riptide_server_port */
    /* Names and values in turn, as on the command line without the dashes, ended by NULL:
     * {"appendfsync", "always", "maxclients", "50", NULL}; or NULL. */
    const char *const *settings;
};

/* Opens the store, listens, and returns when clients can connect. File descriptors are your
 * process's, whose limit is not touched: wanted are maxclients + open-tables-max + 64. New
 * clients wait while there is none; files of the store that cannot be opened are errors. */
RIPTIDE_API enum riptide_error
riptide_server_start(const struct riptide_server_config *config,
                     struct riptide_server **out, struct riptide_failure *why);
/* The port that is listened to. */
RIPTIDE_API uint16_t riptide_server_port(const struct riptide_server *server);
/* Finishes the commands that have come in, closes all connections and the store, and frees
 * the server: it is gone in any case, and the error is that of the last sync. It takes a
 * moment. NULL is allowed. A server that a client has shut down is stopped like others. */
RIPTIDE_API enum riptide_error riptide_server_stop(struct riptide_server *server);

#ifdef __cplusplus
}
#endif

#endif
