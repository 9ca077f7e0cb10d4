/* net_sim.h - a network in memory: connections whose other end is in a test's hand.
 *
 * Flow:    server loop > struct net > net_sim > byte queues < peer_*() < tests, explorer
 * Owns:    its listeners, connections and peers, all freed by net_sim_free.
 * Errors:  those of the sockets it stands for; see the table below.
 * Threads: one.
 * Tests:   tests/fault/net_sim_test.c
 *
 * Nothing here sleeps, asks the OS, or depends on anything but the calls made: the same
 * calls give the same bytes. What a network may do to a server, and where it is set:
 *
 *   an arbitrary split of the stream     peer_limits.recv_max   recv gives so many at most
 *   a send that takes only a part        peer_limits.send_max   send takes so many at most
 *   readiness that is not true           peer_limits.again      poll says yes, -EAGAIN comes
 *   a reader slower than the server      peer_limits.window     unread replies; then -EAGAIN
 *   half a close                         peer_shutdown          recv 0, replies still arrive
 *   a closed peer                        peer_close             recv 0; 2nd send -EPIPE
 *   a reset, with or without a loss      peer_reset             -ECONNRESET once, then -EPIPE
 *   a machine that is gone               peer_vanish            silence for ever
 *   no descriptor left                   net_sim_fail_accept    -EMFILE, the client waits on
 *   a client gone before accept          net_sim_fail_accept    -ECONNABORTED
 *   a signal during poll                 net_sim_interrupt      -EINTR
 *   a server that closes too early       peer_state             PEER_RESET: input was unread
 */
#ifndef FAULT_NET_SIM_H
#define FAULT_NET_SIM_H

#include <stdbool.h>

#include "fault/clock.h"
#include "fault/mem.h"
#include "fault/net.h"

#define NET_SIM_HANDLES_MAX  16384 /* listeners and connections open at a time */
#define NET_SIM_WINDOW_BYTES 65536 /* unread reply bytes of a peer, unless it says less */

struct net_sim;
struct peer; /* the client's end of a connection */

/* `clock` (may be NULL) is moved on by the timeout of a poll that finds nothing ready.
 * NULL without memory. */
struct net_sim *net_sim_new(struct mem *mem, struct clock_manual *clock);
void net_sim_free(struct net_sim *sim);
/* The network to give to the code under test. */
struct net *net_sim_net(struct net_sim *sim);

/* The next `times` accepts answer -error. The waiting client stays in the queue, except
 * with ECONNABORTED, which takes it away. */
void net_sim_fail_accept(struct net_sim *sim, int error, unsigned times);
/* The next `times` polls answer -EINTR. */
void net_sim_interrupt(struct net_sim *sim, unsigned times);
/* Is called after each send that took bytes, before it returns: the moment from which an
 * answer counts as given. `total` counts all bytes that the server sent to this peer. */
typedef void net_sim_sent_fn(void *arg, struct peer *peer, const void *bytes, size_t n,
                             uint64_t total);
void net_sim_on_sent(struct net_sim *sim, net_sim_sent_fn *fn, void *arg);
/* Handles that are open: 0 after a server has stopped means that none leaked. */
size_t net_sim_open_handles(const struct net_sim *sim);

/* ---- the client's end ---- */

/* Connects to a listener's port: -ECONNREFUSED when nobody listens or its backlog is
 * full. Bytes may be written before the server accepts. */
int peer_connect(struct net_sim *sim, uint16_t port, struct peer **out);
/* Forgets the peer; closes it first when that has not happened. */
void peer_free(struct peer *peer);

/* What this connection does to the server; zeroed fields set no limit. */
struct peer_limits {
    size_t recv_max; /* bytes that one recv of the server returns */
    size_t send_max; /* bytes that one send of the server takes */
    size_t window;   /* unread reply bytes, above which send answers -EAGAIN */
    unsigned again;  /* calls that answer -EAGAIN before each recv or send that works */
};
void peer_limit(struct peer *peer, const struct peer_limits *limits);

/* Sends to the server. 0, -EPIPE after an own shutdown or a close by the server,
 * -ENOMEM (nothing was taken). */
int peer_write(struct peer *peer, const void *bytes, size_t n);
/* Takes up to n reply bytes; returns how many. */
size_t peer_read(struct peer *peer, void *buf, size_t n);
/* The unread reply bytes, without taking them; valid until the next call. */
const uint8_t *peer_peek(const struct peer *peer, size_t *n);
/* Bytes that the server has sent so far, read or not. */
uint64_t peer_received(const struct peer *peer);
/* Bytes written by the peer that the server has not yet received. */
size_t peer_unsent(const struct peer *peer);

/* The peer will write no more, and still reads. */
void peer_shutdown(struct peer *peer);
/* The peer's process closes the connection in order. Unread replies are lost. */
void peer_close(struct peer *peer);
/* The connection breaks. Linux lets the server read what had arrived before; with
 * `lose_unread` those bytes are gone too. */
void peer_reset(struct peer *peer, bool lose_unread);
/* The peer's machine disappears without a word: no error will ever come. */
void peer_vanish(struct peer *peer);

enum peer_state {
    PEER_WAITING, /* not yet accepted */
    PEER_OPEN,
    PEER_EOF,   /* the server has closed; what it had sent can be read */
    PEER_RESET, /* reset by either side, or closed by the server with input unread, which
                   makes a real client lose replies that are on their way */
};
enum peer_state peer_state(const struct peer *peer);

#endif
