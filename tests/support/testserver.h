/* testserver.h - a whole server on a simulated disk, clock and network, and its clients.
 *
 * Verbs that cannot reasonably fail REQUIRE success.
 */
#ifndef TESTS_SUPPORT_TESTSERVER_H
#define TESTS_SUPPORT_TESTSERVER_H

#include "fault/disk_sim.h"
#include "fault/net_sim.h"
#include "server/buf.h"
#include "server/server.h"
#include "tests/support/order_edits.h"

struct testserver {
    struct mem_counting mem; /* of the server: blocks must be 0 after stop */
    struct clock_manual clock;
    struct disk *disk;        /* the simulated one, for crashes and failures */
    struct order_watch watch; /* what the server sees: the ordering assert over it */
    bool refused;             /* it has answered MISCONF: replies promise no more */
    uint64_t moment;          /* of the watch: when the last turn began */
    struct sched *sched;
    struct net_sim *net;
    struct server_env env;
    struct options geometry;
    struct config config;
    struct server *server; /* NULL while stopped */
    struct peer *peer;     /* the usual client, connected by start */
    struct err_detail why;
    struct buf replies; /* what the last talk brought */
    char log[2048];
};

/* Everything but the server. Policy: always. */
void testserver_init(struct testserver *t);
void testserver_deinit(struct testserver *t);
void testserver_start(struct testserver *t);
/* The error of server_free. */
enum err testserver_stop(struct testserver *t);
void testserver_restart(struct testserver *t);
/* The process dies (no power cut) and a new one starts. */
void testserver_kill(struct testserver *t);
/* testserver_init and testserver_start. */
void testserver_open(struct testserver *t);
/* Stops and gives everything back. */
void testserver_close(struct testserver *t);

struct peer *testserver_connect(struct testserver *t);
/* As server_turn, without a wait. */
bool testserver_turn(struct testserver *t);
/* Turns until the server has read everything and has nothing more to say. */
void testserver_run(struct testserver *t, struct peer *peer);
/* Sends bytes, runs, and returns the replies; valid until the next talk. */
slice testserver_talk(struct testserver *t, struct peer *peer, slice bytes);
/* An inline command and its whole reply, both as C text, of the usual client. */
void testserver_expect(struct testserver *t, const char *command, const char *reply);
void testserver_expect_peer(struct testserver *t, struct peer *peer, const char *command,
                            const char *reply);
/* Lets time pass, and the server take a turn. */
void testserver_wait(struct testserver *t, int64_t ms);

/* Runs a golden conversation; see tests/scripts/README.md. */
void testserver_script(const char *path);

#endif
