#include "tests/support/check.h"

#include <errno.h>
#include <string.h>

#include "fault/net_sim.h"

/* A listener on port 7, and an accepted connection with its two ends. */
struct pair {
    struct mem_counting mem;
    struct clock_manual clock;
    struct net_sim *sim;
    struct net *net;
    int listener;
    int server; /* the server's end */
    struct peer *peer;
};

static int accept_one(struct pair *p)
{
    char text[NET_ADDRESS_MAX];
    return p->net->accept(p->net, p->listener, text);
}

static void listen_only(struct pair *p)
{
    mem_counting_init(&p->mem, mem_libc());
    clock_manual_init(&p->clock, 1000);
    p->sim = net_sim_new(&p->mem.mem, &p->clock);
    REQUIRE(p->sim != NULL);
    p->net = net_sim_net(p->sim);
    p->peer = NULL;
    p->server = -1;
    p->listener = p->net->listen(p->net, "127.0.0.1", 7, 4, NULL);
    REQUIRE(p->listener >= 0);
}

static void pair_init(struct pair *p)
{
    listen_only(p);
    REQUIRE_INT(peer_connect(p->sim, 7, &p->peer), 0);
    p->server = accept_one(p);
    REQUIRE(p->server >= 0);
}

static void pair_deinit(struct pair *p)
{
    net_sim_free(p->sim);
    CHECK_INT(p->mem.blocks, 0);
}

static ptrdiff_t recv_into(struct pair *p, char *buf, size_t n)
{
    return p->net->recv(p->net, p->server, buf, n);
}

static ptrdiff_t send_text(struct pair *p, const char *text)
{
    return p->net->send(p->net, p->server, text, strlen(text));
}

/* The events of one handle, or the negative answer of poll. */
static int poll_one(struct pair *p, int handle, int timeout_ms)
{
    struct pollfd fd = {.fd = handle, .events = POLLIN | POLLOUT};
    int n = p->net->poll(p->net, &fd, 1, timeout_ms);
    CHECK(n < 0 || n == (fd.revents != 0));
    return n < 0 ? n : fd.revents;
}

static void bytes_pass_in_both_directions(void)
{
    struct pair p;
    pair_init(&p);
    char buf[16];

    CHECK_INT(peer_write(p.peer, "PING", 4), 0);
    CHECK_SLICE(slice_of(buf, (size_t)recv_into(&p, buf, sizeof buf)),
                slice_text("PING"));
    CHECK_INT(recv_into(&p, buf, sizeof buf), -EAGAIN);
    CHECK_INT(send_text(&p, "+PONG"), 5);
    CHECK_SLICE(slice_of(buf, peer_read(p.peer, buf, sizeof buf)), slice_text("+PONG"));
    CHECK_INT(peer_received(p.peer), 5);

    pair_deinit(&p);
}

static void short_receives_and_sends_move_no_more_than_their_limit(void)
{
    struct pair p;
    pair_init(&p);
    peer_limit(p.peer, &(struct peer_limits){.recv_max = 3, .send_max = 2});
    char buf[16];

    peer_write(p.peer, "abcd", 4);
    CHECK_SLICE(slice_of(buf, (size_t)recv_into(&p, buf, 16)), slice_text("abc"));
    CHECK_SLICE(slice_of(buf, (size_t)recv_into(&p, buf, 16)), slice_text("d"));
    CHECK_INT(send_text(&p, "wxyz"), 2);
    size_t n;
    const uint8_t *seen = peer_peek(p.peer, &n);
    CHECK_SLICE(slice_of(seen, n), slice_text("wx"));

    pair_deinit(&p);
}

static void a_slow_peer_stops_the_server_until_it_reads(void)
{
    struct pair p;
    pair_init(&p);
    peer_limit(p.peer, &(struct peer_limits){.window = 5});
    char buf[16];

    CHECK_INT(send_text(&p, "1234567"), 5);
    CHECK_INT(send_text(&p, "67"), -EAGAIN);
    CHECK_INT(poll_one(&p, p.server, 0), 0);
    CHECK_INT(peer_read(p.peer, buf, 2), 2);
    CHECK_INT(poll_one(&p, p.server, 0), POLLOUT);
    CHECK_INT(send_text(&p, "678"), 2);

    pair_deinit(&p);
}

static void readiness_may_be_untrue(void)
{
    struct pair p;
    pair_init(&p);
    peer_limit(p.peer, &(struct peer_limits){.again = 2});
    char buf[16];
    peer_write(p.peer, "x", 1);

    CHECK_INT(poll_one(&p, p.server, 0), POLLIN | POLLOUT);
    CHECK_INT(recv_into(&p, buf, 16), -EAGAIN);
    CHECK_INT(recv_into(&p, buf, 16), -EAGAIN);
    CHECK_INT(recv_into(&p, buf, 16), 1);
    CHECK_INT(send_text(&p, "y"), -EAGAIN);

    pair_deinit(&p);
}

static void half_a_close_ends_the_input_and_not_the_replies(void)
{
    struct pair p;
    pair_init(&p);
    char buf[16];
    peer_write(p.peer, "last", 4);
    peer_shutdown(p.peer);

    CHECK_INT(recv_into(&p, buf, 16), 4);
    CHECK_INT(recv_into(&p, buf, 16), 0);
    CHECK_INT(send_text(&p, "reply"), 5);
    CHECK_INT(peer_read(p.peer, buf, 16), 5);
    CHECK_INT(peer_write(p.peer, "more", 4), -EPIPE);

    pair_deinit(&p);
}

static void a_closed_peer_takes_one_send_and_breaks_the_next(void)
{
    struct pair p;
    pair_init(&p);
    char buf[16];
    peer_close(p.peer);

    CHECK_INT(recv_into(&p, buf, 16), 0);
    CHECK_INT(send_text(&p, "into the void"), 13);
    CHECK_INT(send_text(&p, "again"), -EPIPE);
    CHECK(poll_one(&p, p.server, 0) & POLLHUP);

    pair_deinit(&p);
}

static void a_reset_is_told_once_after_what_had_arrived(void)
{
    struct pair p;
    pair_init(&p);
    char buf[16];
    peer_write(p.peer, "SET", 3);
    peer_reset(p.peer, false);

    CHECK(poll_one(&p, p.server, 0) & POLLERR);
    CHECK_INT(recv_into(&p, buf, 16), 3);
    CHECK_INT(recv_into(&p, buf, 16), -ECONNRESET);
    CHECK_INT(recv_into(&p, buf, 16), 0);
    CHECK_INT(send_text(&p, "+OK"), -EPIPE);

    pair_deinit(&p);
}

static void a_reset_may_take_unread_input_with_it(void)
{
    struct pair p;
    pair_init(&p);
    char buf[16];
    peer_write(p.peer, "SET", 3);
    peer_reset(p.peer, true);

    CHECK_INT(recv_into(&p, buf, 16), -ECONNRESET);

    pair_deinit(&p);
}

static void a_vanished_peer_is_only_silent(void)
{
    struct pair p;
    pair_init(&p);
    peer_limit(p.peer, &(struct peer_limits){.window = 4});
    char buf[16];
    peer_vanish(p.peer);
    peer_free(p.peer);

    CHECK_INT(recv_into(&p, buf, 16), -EAGAIN);
    CHECK_INT(send_text(&p, "12345"), 4);
    CHECK_INT(send_text(&p, "5"), -EAGAIN);
    CHECK_INT(poll_one(&p, p.server, 0), 0);

    pair_deinit(&p);
}

static void accept_without_descriptors_keeps_the_client_waiting(void)
{
    struct pair p;
    listen_only(&p);
    CHECK_INT(peer_connect(p.sim, 7, &p.peer), 0);
    net_sim_fail_accept(p.sim, EMFILE, 1);

    CHECK_INT(accept_one(&p), -EMFILE);
    CHECK_INT(poll_one(&p, p.listener, 0), POLLIN);
    CHECK_INT(peer_state(p.peer), PEER_WAITING);
    CHECK(accept_one(&p) >= 0);
    CHECK_INT(peer_state(p.peer), PEER_OPEN);

    pair_deinit(&p);
}

static void an_aborted_connection_leaves_the_queue(void)
{
    struct pair p;
    listen_only(&p);
    CHECK_INT(peer_connect(p.sim, 7, &p.peer), 0);
    net_sim_fail_accept(p.sim, ECONNABORTED, 1);

    CHECK_INT(accept_one(&p), -ECONNABORTED);
    CHECK_INT(accept_one(&p), -EAGAIN);
    CHECK_INT(peer_state(p.peer), PEER_RESET);

    pair_deinit(&p);
}

static void a_full_backlog_and_a_free_port_refuse(void)
{
    struct pair p;
    listen_only(&p);
    struct peer *peer[5];
    for (int i = 0; i < 4; i++)
        CHECK_INT(peer_connect(p.sim, 7, &peer[i]), 0);

    CHECK_INT(peer_connect(p.sim, 7, &peer[4]), -ECONNREFUSED);
    CHECK_INT(peer_connect(p.sim, 8, &peer[4]), -ECONNREFUSED);

    pair_deinit(&p);
}

static void connections_are_accepted_in_their_order(void)
{
    struct pair p;
    listen_only(&p);
    struct peer *a, *b;
    peer_connect(p.sim, 7, &a);
    peer_connect(p.sim, 7, &b);
    peer_write(b, "b", 1);
    char text[NET_ADDRESS_MAX], buf[4];

    CHECK(p.net->accept(p.net, p.listener, text) >= 0);
    CHECK_TEXT(text, "127.0.0.1:40000");
    int second = p.net->accept(p.net, p.listener, text);
    CHECK_TEXT(text, "127.0.0.1:40001");
    CHECK_INT(p.net->recv(p.net, second, buf, 4), 1);

    pair_deinit(&p);
}

static void port_zero_takes_a_port_of_its_own(void)
{
    struct pair p;
    listen_only(&p);
    uint16_t one = 0, two = 0;

    CHECK(p.net->listen(p.net, "::1", 0, 1, &one) >= 0);
    CHECK(p.net->listen(p.net, "::1", 0, 1, &two) >= 0);
    CHECK(one != 0 && two != 0 && one != two);
    CHECK_INT(p.net->listen(p.net, "::1", 7, 1, NULL), -EADDRINUSE);

    pair_deinit(&p);
}

static void a_closed_handle_is_the_next_one_given_out(void)
{
    struct pair p;
    pair_init(&p);
    struct peer *other;
    peer_connect(p.sim, 7, &other);
    p.net->close(p.net, p.server);

    CHECK_INT(accept_one(&p), p.server);
    CHECK_INT(peer_state(p.peer), PEER_EOF);
    CHECK_INT(peer_write(p.peer, "x", 1), -EPIPE);
    CHECK_INT(net_sim_open_handles(p.sim), 2);

    pair_deinit(&p);
}

static void a_close_with_input_unread_resets_the_client(void)
{
    struct pair p;
    pair_init(&p);
    peer_write(p.peer, "unread", 6);
    p.net->close(p.net, p.server);

    CHECK_INT(peer_state(p.peer), PEER_RESET);

    pair_deinit(&p);
}

static void poll_with_nothing_ready_moves_the_clock_instead_of_sleeping(void)
{
    struct pair p;
    listen_only(&p);
    int64_t before = clock_mono_us(&p.clock.clock);

    CHECK_INT(poll_one(&p, p.listener, 250), 0);
    CHECK_INT(clock_mono_us(&p.clock.clock) - before, 250000);
    CHECK_INT(poll_one(&p, p.listener, -1), 0);
    CHECK_INT(clock_mono_us(&p.clock.clock) - before, 250000);

    pair_deinit(&p);
}

static void poll_skips_negative_handles_and_names_closed_ones(void)
{
    struct pair p;
    pair_init(&p);
    struct pollfd fds[2] = {{.fd = -1, .events = POLLIN, .revents = 1},
                            {.fd = 99, .events = POLLIN}};

    CHECK_INT(p.net->poll(p.net, fds, 2, 0), 1);
    CHECK_INT(fds[0].revents, 0);
    CHECK_INT(fds[1].revents, POLLNVAL);
    net_sim_interrupt(p.sim, 1);
    CHECK_INT(p.net->poll(p.net, fds, 2, 0), -EINTR);

    pair_deinit(&p);
}

static void sent_sum(void *arg, struct peer *peer, const void *bytes, size_t n,
                     uint64_t total)
{
    (void)peer, (void)bytes;
    uint64_t *sum = arg;
    *sum += n;
    CHECK_INT(*sum, total);
}

static void every_byte_that_leaves_is_reported(void)
{
    struct pair p;
    pair_init(&p);
    uint64_t sum = 0;
    net_sim_on_sent(p.sim, sent_sum, &sum);
    peer_limit(p.peer, &(struct peer_limits){.send_max = 2});

    CHECK_INT(send_text(&p, "abc"), 2);
    CHECK_INT(send_text(&p, "c"), 1);
    CHECK_INT(sum, 3);

    pair_deinit(&p);
}

/* 100,000 bytes through a narrow window arrive in order: the queues move, grow, wrap. */
static void a_long_stream_arrives_in_order(void)
{
    struct pair p;
    pair_init(&p);
    peer_limit(p.peer, &(struct peer_limits){.recv_max = 7});
    uint8_t out = 0, in = 0;

    for (int round = 0; round < 1000; round++) {
        uint8_t block[100], buf[101];
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = out++;
        REQUIRE_INT(peer_write(p.peer, block, sizeof block), 0);
        for (int k = 0; k < 10 + round % 9; k++) {
            ptrdiff_t n = p.net->recv(p.net, p.server, buf, sizeof buf);
            for (ptrdiff_t i = 0; i < n; i++)
                REQUIRE_INT(buf[i], in++);
        }
    }
    CHECK(peer_unsent(p.peer) > 0);

    pair_deinit(&p);
}

/* The k-th allocation fails, for every k, in a short life of a connection. */
static void no_memory_is_an_error_and_never_a_leak(void)
{
    for (long k = 1;; k++) {
        struct mem_counting mem;
        mem_counting_init(&mem, mem_libc());
        mem.fail_at = k;
        struct net_sim *sim = net_sim_new(&mem.mem, NULL);
        if (sim) {
            struct net *net = net_sim_net(sim);
            struct peer *peer;
            char text[NET_ADDRESS_MAX];
            int listener = net->listen(net, "127.0.0.1", 7, 4, NULL);
            if (listener >= 0 && peer_connect(sim, 7, &peer) == 0 &&
                peer_write(peer, "x", 1) == 0) {
                int server = net->accept(net, listener, text);
                if (server >= 0) net->send(net, server, "y", 1);
            }
            net_sim_free(sim);
        }
        CHECK_INT(mem.blocks, 0);
        if (mem.calls < k) break;
    }
}

CU_TestInfo fault_net_sim_tests[] = {
    {"bytes_pass_in_both_directions", bytes_pass_in_both_directions},
    {"short_receives_and_sends_move_no_more_than_their_limit",
     short_receives_and_sends_move_no_more_than_their_limit},
    {"a_slow_peer_stops_the_server_until_it_reads",
     a_slow_peer_stops_the_server_until_it_reads},
    {"readiness_may_be_untrue", readiness_may_be_untrue},
    {"half_a_close_ends_the_input_and_not_the_replies",
     half_a_close_ends_the_input_and_not_the_replies},
    {"a_closed_peer_takes_one_send_and_breaks_the_next",
     a_closed_peer_takes_one_send_and_breaks_the_next},
    {"a_reset_is_told_once_after_what_had_arrived",
     a_reset_is_told_once_after_what_had_arrived},
    {"a_reset_may_take_unread_input_with_it", a_reset_may_take_unread_input_with_it},
    {"a_vanished_peer_is_only_silent", a_vanished_peer_is_only_silent},
    {"accept_without_descriptors_keeps_the_client_waiting",
     accept_without_descriptors_keeps_the_client_waiting},
    {"an_aborted_connection_leaves_the_queue", an_aborted_connection_leaves_the_queue},
    {"a_full_backlog_and_a_free_port_refuse", a_full_backlog_and_a_free_port_refuse},
    {"connections_are_accepted_in_their_order", connections_are_accepted_in_their_order},
    {"port_zero_takes_a_port_of_its_own", port_zero_takes_a_port_of_its_own},
    {"a_closed_handle_is_the_next_one_given_out",
     a_closed_handle_is_the_next_one_given_out},
    {"a_close_with_input_unread_resets_the_client",
     a_close_with_input_unread_resets_the_client},
    {"poll_with_nothing_ready_moves_the_clock_instead_of_sleeping",
     poll_with_nothing_ready_moves_the_clock_instead_of_sleeping},
    {"poll_skips_negative_handles_and_names_closed_ones",
     poll_skips_negative_handles_and_names_closed_ones},
    {"every_byte_that_leaves_is_reported", every_byte_that_leaves_is_reported},
    {"a_long_stream_arrives_in_order", a_long_stream_arrives_in_order},
    {"no_memory_is_an_error_and_never_a_leak", no_memory_is_an_error_and_never_a_leak},
    CU_TEST_INFO_NULL,
};
