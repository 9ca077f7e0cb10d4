/* Turns: who is served when, who is turned away, what passes with time. */
#include "tests/support/check.h"
#include "tests/support/testserver.h"

#include <errno.h>
#include <stdio.h>

static void clients_above_the_limit_are_told_and_closed(void)
{
    struct testserver t;
    testserver_init(&t);
    t.config.maxclients = 2;
    testserver_start(&t);
    struct peer *second = testserver_connect(&t), *third = testserver_connect(&t);

    CHECK_SLICE(testserver_talk(&t, third, slice_text("")),
                slice_text("-ERR max number of clients reached\r\n"));
    CHECK(peer_state(third) != PEER_OPEN);
    testserver_expect_peer(&t, second, "PING", "+PONG\r\n");

    peer_close(second);
    testserver_run(&t, t.peer);
    struct peer *fourth = testserver_connect(&t);
    testserver_expect_peer(&t, fourth, "PING", "+PONG\r\n");
    peer_free(second);
    peer_free(third);
    peer_free(fourth);
    testserver_close(&t);
}

static void without_descriptors_the_listener_rests_and_comes_back(void)
{
    struct testserver t;
    struct peer *waiting;
    testserver_open(&t);
    net_sim_fail_accept(t.net, EMFILE, 1);
    REQUIRE_INT(peer_connect(t.net, server_port(t.server), &waiting), 0);

    for (int i = 0; i < 10; i++)
        server_turn(t.server, 0);
    CHECK_INT(peer_state(waiting), PEER_WAITING);
    testserver_expect(&t, "PING", "+PONG\r\n");
    testserver_wait(&t, 1000);

    testserver_expect_peer(&t, waiting, "PING", "+PONG\r\n");
    peer_free(waiting);
    testserver_close(&t);
}

static void idle_clients_are_closed_after_the_timeout(void)
{
    struct testserver t;
    testserver_init(&t);
    t.config.timeout_s = 10;
    testserver_start(&t);
    struct peer *idle = testserver_connect(&t);

    for (int i = 0; i < 12; i++) {
        testserver_wait(&t, 1000);
        testserver_expect(&t, "PING", "+PONG\r\n");
    }

    CHECK_INT(peer_state(idle), PEER_EOF);
    peer_free(idle);
    testserver_close(&t);
}

static void keys_expire_while_nobody_asks(void)
{
    struct testserver t;
    char command[64];
    testserver_open(&t);
    for (int i = 0; i < 1000; i++) {
        snprintf(command, sizeof command, "SET k%d v PX %d", i, 100 + i % 50);
        testserver_expect(&t, command, "+OK\r\n");
    }

    testserver_wait(&t, 200);
    for (int i = 0; i < 10; i++)
        server_turn(t.server, 0);

    testserver_expect(&t, "DBSIZE", ":0\r\n");
    testserver_close(&t);
}

/* The clock of the simulated network moves only when poll waits. */
static void the_loop_wakes_up_for_the_next_deadline(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "SET k v PX 250", "+OK\r\n");
    int64_t before = t.clock.wall_ms;

    server_turn(t.server, -1);

    CHECK_INT(t.clock.wall_ms - before, 251);
    testserver_expect(&t, "DBSIZE", ":0\r\n");
    testserver_close(&t);
}

static void a_long_turn_commits_in_between_and_answers_all(void)
{
    struct testserver t;
    struct peer *peers[8];
    static char value[1 << 20], line[(1 << 20) + 64];
    memset(value, 'v', sizeof value);
    int n = snprintf(line, sizeof line, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%zu\r\n%.*s\r\n",
                     sizeof value, (int)sizeof value, value);
    testserver_open(&t);
    for (int i = 0; i < 8; i++)
        peers[i] = testserver_connect(&t);
    for (int i = 0; i < 8; i++)
        peer_write(peers[i], line, (size_t)n);

    for (int i = 0; i < 100; i++)
        server_turn(t.server, 0);

    for (int i = 0; i < 8; i++) {
        CHECK_INT(peer_received(peers[i]), 5);
        peer_free(peers[i]);
    }
    testserver_close(&t);
}

static void an_interrupted_poll_changes_nothing(void)
{
    struct testserver t;
    testserver_open(&t);
    net_sim_interrupt(t.net, 1);
    CHECK(server_turn(t.server, 0));
    testserver_expect(&t, "PING", "+PONG\r\n");
    testserver_close(&t);
}

CU_TestInfo server_loop_tests[] = {
    {"clients_above_the_limit_are_told_and_closed",
     clients_above_the_limit_are_told_and_closed},
    {"without_descriptors_the_listener_rests_and_comes_back",
     without_descriptors_the_listener_rests_and_comes_back},
    {"idle_clients_are_closed_after_the_timeout",
     idle_clients_are_closed_after_the_timeout},
    {"keys_expire_while_nobody_asks", keys_expire_while_nobody_asks},
    {"the_loop_wakes_up_for_the_next_deadline", the_loop_wakes_up_for_the_next_deadline},
    {"a_long_turn_commits_in_between_and_answers_all",
     a_long_turn_commits_in_between_and_answers_all},
    {"an_interrupted_poll_changes_nothing", an_interrupted_poll_changes_nothing},
    CU_TEST_INFO_NULL,
};
