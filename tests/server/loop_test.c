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

/* ---- a store that cannot keep up ---- */

/* Jobs wait until the test lets them run. */
struct lazy_sched {
    struct sched sched;
    bool run;
    struct job *waiting, *done;
};

static void lazy_append(struct job **list, struct job *job)
{
    while (*list)
        list = &(*list)->next;
    job->next = NULL;
    *list = job;
}

static void lazy_work(struct lazy_sched *s)
{
    while (s->waiting) {
        struct job *job = s->waiting;
        s->waiting = job->next;
        job->run(job);
        lazy_append(&s->done, job);
    }
}

static void lazy_submit(struct sched *sched, struct job *job)
{
    struct lazy_sched *s = (struct lazy_sched *)sched;
    lazy_append(&s->waiting, job);
    if (s->run) lazy_work(s);
}

static struct job *lazy_reap(struct sched *sched)
{
    struct lazy_sched *s = (struct lazy_sched *)sched;
    struct job *job = s->done;
    if (job) s->done = job->next;
    return job;
}

static void lazy_wait(struct sched *sched, int timeout_ms)
{
    if (timeout_ms < 0) lazy_work((struct lazy_sched *)sched);
}

static void lazy_yield(struct sched *sched)
{
    (void)sched;
}

static int lazy_poll_fd(struct sched *sched)
{
    (void)sched;
    return -1;
}

static void lazy_free(struct sched *sched)
{
    (void)sched;
}

/* Fills the store until it asks for mercy. */
static void write_until_busy(struct testserver *t)
{
    char command[400];
    for (int i = 0; i < 10000 && !db_busy(server_db(t->server)); i++) {
        snprintf(command, sizeof command, "SET k%d %0300d\r\n", i, i);
        testserver_talk(t, t->peer, slice_text(command));
    }
    REQUIRE(db_busy(server_db(t->server)));
}

static void while_the_store_is_busy_writers_wait_and_readers_do_not(void)
{
    struct testserver t;
    struct lazy_sched lazy = {
        .sched = {lazy_submit, lazy_reap, lazy_wait, lazy_yield, lazy_poll_fd, lazy_free},
        .run = true};
    testserver_init(&t);
    t.env.sched = &lazy.sched;
    t.geometry.immutables_max = 1;
    testserver_start(&t);
    struct peer *writer = testserver_connect(&t);
    lazy.run = false;
    write_until_busy(&t);

    testserver_expect_peer(&t, writer, "SET parked v", "");
    testserver_expect_peer(&t, writer, "GET parked", "");
    CHECK_INT(testserver_talk(&t, t.peer, slice_text("GET k0\r\n")).size, 308);
    testserver_expect(&t, "EXISTS parked", ":0\r\n");
    CHECK_INT(t.clock.wall_ms, 1700000000000); /* nobody has slept */

    lazy.run = true;
    lazy_work(&lazy);
    testserver_run(&t, writer);
    testserver_expect_peer(&t, writer, "PING", "+OK\r\n$1\r\nv\r\n+PONG\r\n");
    peer_free(writer);
    testserver_close(&t);
}

static void a_parked_client_that_goes_away_is_forgotten(void)
{
    struct testserver t;
    struct lazy_sched lazy = {
        .sched = {lazy_submit, lazy_reap, lazy_wait, lazy_yield, lazy_poll_fd, lazy_free},
        .run = true};
    testserver_init(&t);
    t.env.sched = &lazy.sched;
    t.geometry.immutables_max = 1;
    testserver_start(&t);
    struct peer *writer = testserver_connect(&t);
    lazy.run = false;
    write_until_busy(&t);
    testserver_expect_peer(&t, writer, "SET parked v", "");

    peer_reset(writer, true);
    for (int i = 0; i < 5; i++)
        server_turn(t.server, 0);
    lazy.run = true;
    lazy_work(&lazy);
    for (int i = 0; i < 5; i++)
        server_turn(t.server, 0);

    CHECK_INT(net_sim_open_handles(t.net), 2); /* the listener and the usual client */
    testserver_expect(&t, "EXISTS parked", ":0\r\n");
    peer_free(writer);
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
    {"while_the_store_is_busy_writers_wait_and_readers_do_not",
     while_the_store_is_busy_writers_wait_and_readers_do_not},
    {"a_parked_client_that_goes_away_is_forgotten",
     a_parked_client_that_goes_away_is_forgotten},
    CU_TEST_INFO_NULL,
};
