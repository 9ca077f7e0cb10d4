/* The real network: TCP over numeric addresses, everything non-blocking. */
#include "fault/net.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fault/points.h"

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* ---- addresses ---- */

/* The length of the address read, or -EINVAL when the text is no numeric address. */
static int address_parse(const char *text, uint16_t port, union address *out)
{
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        return (int)sizeof out->v4;
    }
    if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        return (int)sizeof out->v6;
    }
    return -EINVAL;
}

static uint16_t address_port(const union address *a)
{
    return ntohs(a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
}

/* "1.2.3.4:5" or "[::1]:5"; empty when the kernel gave something else. */
static void address_text(const union address *a, char out[NET_ADDRESS_MAX])
{
    char ip[INET6_ADDRSTRLEN] = "";
    bool six = a->any.sa_family == AF_INET6;
    const void *bytes = six ? (const void *)&a->v6.sin6_addr : &a->v4.sin_addr;
    out[0] = 0;
    if (!six && a->any.sa_family != AF_INET) return;
    inet_ntop(a->any.sa_family, bytes, ip, sizeof ip);
    snprintf(out, NET_ADDRESS_MAX, six ? "[%s]:%u" : "%s:%u", ip, address_port(a));
}

/* ---- listening ---- */

/* IPV6_V6ONLY: "::" leaves the IPv4 port to a listener of its own, on every system. */
static int listen_on(int fd, const union address *a, int length, int backlog)
{
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) return -errno;
    if (a->any.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
        return -errno;
    if (bind(fd, &a->any, (socklen_t)length) < 0) return -errno;
    return listen(fd, backlog) < 0 ? -errno : 0;
}

static int bound_port(int fd, uint16_t *out)
{
    union address a;
    socklen_t n = sizeof a;
    if (getsockname(fd, &a.any, &n) < 0) return -errno;
    *out = address_port(&a);
    return 0;
}

static int posix_listen(struct net *net, const char *address, uint16_t port, int backlog,
                        uint16_t *bound)
{
    (void)net;
    struct fault f = fault_at_net(NET_LISTEN);
    if (fault_answers(f)) return -f.error;
    union address a;
    int length = address_parse(address, port, &a);
    if (length < 0) return length;
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int e = listen_on(fd, &a, length, backlog);
    if (!e) e = bound_port(fd, bound);
    if (!e) return fd;
    close(fd);
    return e;
}

/* ---- connections ---- */

static int posix_accept(struct net *net, int listener, char peer[NET_ADDRESS_MAX])
{
    (void)net;
    struct fault f = fault_at_net(NET_ACCEPT);
    if (fault_answers(f)) return -f.error;
    union address a;
    socklen_t n = sizeof a;
    int fd = accept4(listener, &a.any, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return -errno;
    /* Replies are small and are written whole: waiting for more only costs. A peer that
     * has left already makes this fail, which the first recv will tell better. */
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    address_text(&a, peer);
    return fd;
}

static ptrdiff_t posix_recv(struct net *net, int handle, void *buf, size_t n)
{
    (void)net;
    assert(n > 0); /* else 0 would not mean that the peer has closed */
    struct fault f = fault_at_net(NET_RECV);
    if (fault_answers(f)) return -f.error;
    ssize_t rc = recv(handle, buf, fault_part(f, n), 0);
    return rc < 0 ? -errno : rc;
}

static ptrdiff_t posix_send(struct net *net, int handle, const void *buf, size_t n)
{
    (void)net;
    struct fault f = fault_at_net(NET_SEND);
    if (fault_answers(f)) return -f.error;
    ssize_t rc = send(handle, buf, fault_part(f, n), MSG_NOSIGNAL);
    return rc < 0 ? -errno : rc;
}

static void posix_close(struct net *net, int handle)
{
    (void)net;
    close(handle);
}

static int posix_poll(struct net *net, struct pollfd *fds, size_t n, int timeout_ms)
{
    (void)net;
    struct fault f = fault_at_net(NET_POLL);
    if (fault_answers(f)) return -f.error;
    int rc = poll(fds, (nfds_t)n, timeout_ms);
    return rc < 0 ? -errno : rc;
}

struct net *net_posix(void)
{
    static struct net real = {posix_listen, posix_accept, posix_recv,
                              posix_send,   posix_close,  posix_poll};
    return &real;
}
