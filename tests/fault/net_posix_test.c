#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/check.h"

#include "fault/net.h"

/* A plain blocking client of the loopback address. */
static int dial(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(fd >= 0);
    REQUIRE(connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

static bool ready(struct net *net, int handle, short events)
{
    struct pollfd p = {handle, events, 0};
    return net->poll(net, &p, 1, 2000) == 1 && (p.revents & events);
}

struct fixture {
    struct net *net;
    int listener, client, handle;
    uint16_t port;
    char peer[NET_ADDRESS_MAX];
};

static void connect_pair(struct fixture *x)
{
    x->net = net_posix();
    x->listener = x->net->listen(x->net, "127.0.0.1", 0, 16, &x->port);
    REQUIRE(x->listener >= 0);
    REQUIRE(x->port != 0);
    CHECK_INT(x->net->accept(x->net, x->listener, x->peer), -EAGAIN);
    x->client = dial(x->port);
    REQUIRE(ready(x->net, x->listener, POLLIN));
    x->handle = x->net->accept(x->net, x->listener, x->peer);
    REQUIRE(x->handle >= 0);
}

static void close_pair(struct fixture *x)
{
    if (x->client >= 0) close(x->client);
    x->net->close(x->net, x->handle);
    x->net->close(x->net, x->listener);
}

static void bytes_go_both_ways(void)
{
    struct fixture x;
    char buf[16] = "";
    connect_pair(&x);
    CHECK_INT(x.net->recv(x.net, x.handle, buf, sizeof buf), -EAGAIN);

    REQUIRE(write(x.client, "PING", 4) == 4);
    REQUIRE(ready(x.net, x.handle, POLLIN));
    CHECK_INT(x.net->recv(x.net, x.handle, buf, sizeof buf), 4);
    CHECK_TEXT(buf, "PING");
    CHECK_INT(x.net->send(x.net, x.handle, "PONG", 4), 4);
    CHECK_INT(read(x.client, buf, sizeof buf), 4);
    CHECK_TEXT(buf, "PONG");

    close_pair(&x);
}

static void the_peer_is_named_with_its_port(void)
{
    struct fixture x;
    connect_pair(&x);
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    REQUIRE(getsockname(x.client, (struct sockaddr *)&a, &n) == 0);

    CHECK(!strncmp(x.peer, "127.0.0.1:", 10));
    CHECK_INT(atoi(x.peer + 10), ntohs(a.sin_port));
    close_pair(&x);
}

static void a_closed_peer_reads_as_zero_and_never_kills(void)
{
    struct fixture x;
    char buf[16];
    connect_pair(&x);
    close(x.client);
    x.client = -1;

    REQUIRE(ready(x.net, x.handle, POLLIN));
    CHECK_INT(x.net->recv(x.net, x.handle, buf, sizeof buf), 0);
    ptrdiff_t rc = 0;
    for (int i = 0; i < 50 && rc >= 0; i++) {
        rc = x.net->send(x.net, x.handle, buf, sizeof buf);
        usleep(1000); /* the reset must arrive first */
    }
    CHECK(rc == -EPIPE || rc == -ECONNRESET); /* and no SIGPIPE */
    close_pair(&x);
}

static void a_full_pipe_takes_part_and_then_blocks(void)
{
    struct fixture x;
    connect_pair(&x);
    static char block[1 << 20];
    ptrdiff_t rc = 1, total = 0;
    while (rc > 0 && total < ((ptrdiff_t)1 << 30)) {
        rc = x.net->send(x.net, x.handle, block, sizeof block);
        if (rc > 0) total += rc;
    }
    CHECK_INT(rc, -EAGAIN);
    CHECK(total > 0);
    close_pair(&x);
}

static void sockets_are_set_up_as_promised(void)
{
    struct fixture x;
    int on = 0;
    socklen_t n = sizeof on;
    connect_pair(&x);
    CHECK(fcntl(x.handle, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(x.listener, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(x.handle, F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(x.listener, F_GETFD) & FD_CLOEXEC);
    CHECK_INT(getsockopt(x.handle, IPPROTO_TCP, TCP_NODELAY, &on, &n), 0);
    CHECK(on);
    close_pair(&x);
}

static void a_port_in_use_or_a_bad_address_is_refused(void)
{
    struct net *net = net_posix();
    uint16_t port = 0, again = 0;
    int fd = net->listen(net, "127.0.0.1", 0, 16, &port);
    REQUIRE(fd >= 0);
    CHECK_INT(net->listen(net, "127.0.0.1", port, 16, &again), -EADDRINUSE);
    CHECK_INT(net->listen(net, "localhost", 0, 16, &again), -EINVAL);
    CHECK_INT(net->listen(net, "", 0, 16, &again), -EINVAL);
    CHECK_INT(net->listen(net, "192.0.2.1", 0, 16, &again), -EADDRNOTAVAIL);
    CHECK_INT(again, 0);
    net->close(net, fd);
}

/* A machine without IPv6 answers EAFNOSUPPORT or EADDRNOTAVAIL, which is right too. */
static void ipv6_listens_where_the_machine_has_it(void)
{
    struct net *net = net_posix();
    uint16_t port = 0;
    int fd = net->listen(net, "::1", 0, 16, &port);
    if (fd < 0) {
        CHECK(fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL);
        return;
    }
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    a.sin6_addr = in6addr_loopback;
    int client = socket(AF_INET6, SOCK_STREAM, 0);
    char peer[NET_ADDRESS_MAX] = "";
    REQUIRE(connect(client, (struct sockaddr *)&a, sizeof a) == 0);
    REQUIRE(ready(net, fd, POLLIN));
    int handle = net->accept(net, fd, peer);
    CHECK(handle >= 0);
    CHECK(!strncmp(peer, "[::1]:", 6));
    close(client);
    net->close(net, handle);
    net->close(net, fd);
}

static void poll_times_out(void)
{
    struct fixture x;
    connect_pair(&x);
    struct pollfd p = {x.handle, POLLIN, 0};
    CHECK_INT(x.net->poll(x.net, &p, 1, 1), 0);
    close_pair(&x);
}

#define ROW(name)                                                                        \
    {                                                                                    \
#name, name                                                                      \
    }
CU_TestInfo fault_net_posix_tests[] = {
    ROW(bytes_go_both_ways),
    ROW(the_peer_is_named_with_its_port),
    ROW(a_closed_peer_reads_as_zero_and_never_kills),
    ROW(a_full_pipe_takes_part_and_then_blocks),
    ROW(sockets_are_set_up_as_promised),
    ROW(a_port_in_use_or_a_bad_address_is_refused),
    ROW(ipv6_listens_where_the_machine_has_it),
    ROW(poll_times_out),
    CU_TEST_INFO_NULL,
};
