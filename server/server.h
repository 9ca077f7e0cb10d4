/* server.h - a whole server, on whatever disk, clock, memory and network it is given.
 *
 * Flow:    main, tests, explorer > server_new, server_turn > loop > ... > db.h, net.h
 * Owns:    its store, listener and connections; the environment is borrowed and outlives
 *          it.
 * Errors:  server_new says in `why` what failed, where, and what to do.
 * Threads: one thread makes all calls.
 * Crash:   a reply that was sent is as durable as the policy of the store says; see db.h.
 * Tests:   tests/server/server_test.c
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "engine/db.h"
#include "fault/net.h"
#include "server/config.h"

struct server;

/* The world of a server. All borrowed; `log` may be NULL. */
struct server_env {
    struct disk *disk; /* its root is the parent of the store's directory */
    struct clock *clock;
    struct mem *mem;
    struct sched *sched;
    struct net *net;
    void (*log)(void *arg, enum log_level level, const char *line);
    void *log_arg;
    const char *store;  /* name of the store's directory below the disk's root */
    uint64_t seed;      /* of the run's identity and of cursors: differs between runs */
    int64_t process_id; /* shown by INFO */
    /* How many the process may have open, 0 when that is not known: CONFIG SET maxclients
     * ends there. */
    uint64_t descriptors;
    /* Sizes of the store; NULL: the defaults. The configuration's own (sync policy,
     * memtable, cache) go before them. */
    const struct options *geometry;
};

enum err server_new(const struct server_env *env, const struct config *config,
                    struct server **out, struct err_detail *why);
/* One turn of the loop: waits at most timeout_ms (-1: for ever), reads, runs, commits,
 * replies. False: the server was asked to stop, and everything is committed. */
bool server_turn(struct server *s, int timeout_ms);
/* Asks for an end: the next server_turn is the last. May be called between turns. */
void server_stop(struct server *s);
/* Closes all connections and the store. The error of the last sync, if any. */
enum err server_free(struct server *s);

/* The port that is listened to, also when the configuration said 0. */
uint16_t server_port(const struct server *s);
/* The store, for those who look inside: tests, checks. */
struct db *server_db(struct server *s);

#endif
