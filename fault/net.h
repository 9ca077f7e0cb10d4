/* net.h - sockets and waiting for them, real or simulated.
 *
 * Flow:    server loop > net_*() > struct net > the OS | net_sim.h
 * Owns:    a handle is a small non-negative integer (a descriptor on the real network);
 *          whoever got it closes it.
 * Errors:  0 or a count, else a negative errno; -EAGAIN when the call would block. All
 *          sockets are non-blocking and close-on-exec; TCP_NODELAY is set on accepted.
 * Tests:   tests/fault/net_posix_test.c, tests/fault/net_sim_test.c
 */
#ifndef FAULT_NET_H
#define FAULT_NET_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#define NET_ADDRESS_MAX 64 /* "ip:port" as text, with the terminating zero */

struct net {
    /* Listens on a numeric address (IPv4 or IPv6) and port; port 0: any. *bound is the
     * port taken. Returns a handle. */
    int (*listen)(struct net *, const char *address, uint16_t port, int backlog,
                  uint16_t *bound);
    /* Takes one waiting connection; peer becomes "ip:port". Returns a handle. */
    int (*accept)(struct net *, int listener, char peer[NET_ADDRESS_MAX]);
    /* Bytes read; 0: the peer has closed. */
    ptrdiff_t (*recv)(struct net *, int handle, void *buf, size_t n);
    /* Bytes taken; may be fewer than n. */
    ptrdiff_t (*send)(struct net *, int handle, const void *buf, size_t n);
    void (*close)(struct net *, int handle);
    /* As poll(2), over handles of this net and, on the real one, any descriptor. */
    int (*poll)(struct net *, struct pollfd *fds, size_t n, int timeout_ms);
};

/* The real network. Never freed. Blocks SIGPIPE by sending with MSG_NOSIGNAL. */
struct net *net_posix(void);

#endif
