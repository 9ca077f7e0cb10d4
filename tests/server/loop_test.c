/* Turns: who is served when, who is turned away, what passes with time. */
#include "tests/support/check.h"
#include "tests/support/lazy_sched.h"
#include "tests/support/testserver.h"

#include <errno.h>
#include <stdio.h>

#include "fault/plan.h"

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

static void a_listener_that_fails_for_long_is_told_once(void)
{
    struct testserver t;
    struct peer *waiting;
    testserver_open(&t);
    net_sim_fail_accept(t.net, EMFILE, 3);
    REQUIRE_INT(peer_connect(t.net, server_port(t.server), &waiting), 0);

    for (int i = 0; i < 5; i++)
        testserver_wait(&t, 1000);

    testserver_expect_peer(&t, waiting, "PING", "+PONG\r\n");
    const char *told = strstr(t.log, "accepting connections failed");
    CHECK(told && strstr(told, "ulimit -n"));
    CHECK(told && strstr(told + 1, "accepting connections failed") == NULL);
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

#define BACKGROUND (~(1u << JOB_SYNC))

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
    struct lazy_sched lazy;
    lazy_sched_init(&lazy);
    testserver_init(&t);
    t.env.sched = &lazy.sched;
    t.geometry.immutables_max = 1;
    testserver_start(&t);
    struct peer *writer = testserver_connect(&t);
    lazy.held = BACKGROUND;
    write_until_busy(&t);

    testserver_expect_peer(&t, writer, "SET parked v", "");
    testserver_expect_peer(&t, writer, "GET parked", "");
    CHECK_INT(testserver_talk(&t, t.peer, slice_text("GET k0\r\n")).size, 308);
    testserver_expect(&t, "EXISTS parked", ":0\r\n");
    CHECK_INT(t.clock.wall_ms, 1700000000000); /* nobody has slept */

    lazy.held = 0;
    lazy_sched_run(&lazy);
    testserver_run(&t, writer);
    testserver_expect_peer(&t, writer, "PING", "+OK\r\n$1\r\nv\r\n+PONG\r\n");
    peer_free(writer);
    testserver_close(&t);
}

static void a_parked_client_that_goes_away_is_forgotten(void)
{
    struct testserver t;
    struct lazy_sched lazy;
    lazy_sched_init(&lazy);
    testserver_init(&t);
    t.env.sched = &lazy.sched;
    t.geometry.immutables_max = 1;
    testserver_start(&t);
    struct peer *writer = testserver_connect(&t);
    lazy.held = BACKGROUND;
    write_until_busy(&t);
    testserver_expect_peer(&t, writer, "SET parked v", "");

    peer_reset(writer, true);
    for (int i = 0; i < 5; i++)
        server_turn(t.server, 0);
    lazy.held = 0;
    lazy_sched_run(&lazy);
    for (int i = 0; i < 5; i++)
        server_turn(t.server, 0);

    CHECK_INT(net_sim_open_handles(t.net), 2); /* the listener and the usual client */
    testserver_expect(&t, "EXISTS parked", ":0\r\n");
    peer_free(writer);
    testserver_close(&t);
}

/* ---- replies that wait for a sync ---- */

#define MISCONF "-MISCONF Errors writing to the AOF file: Input/output error\r\n"

/* A server under `always` whose syncs wait for the test, and two more clients. */
struct waiting {
    struct testserver t;
    struct lazy_sched lazy;
    struct peer *a, *b;
};

static void begin_waiting(struct waiting *w)
{
    testserver_init(&w->t);
    lazy_sched_init(&w->lazy);
    w->t.env.sched = &w->lazy.sched;
    testserver_start(&w->t);
    w->a = testserver_connect(&w->t);
    w->b = testserver_connect(&w->t);
    testserver_expect(&w->t, "SET k old", "+OK\r\n");
    w->lazy.held = 1u << JOB_SYNC;
}

static void end_waiting(struct waiting *w)
{
    w->lazy.held = 0;
    lazy_sched_run(&w->lazy);
    peer_free(w->a);
    peer_free(w->b);
    testserver_stop(&w->t);
    testserver_deinit(&w->t);
}

/* The sync that is under way returns, and the loop notices. */
static void let_sync_return(struct waiting *w)
{
    REQUIRE(w->lazy.waiting != NULL);
    lazy_sched_run(&w->lazy);
    testserver_turn(&w->t);
}

static void expect_more(struct waiting *w, struct peer *peer, const char *want)
{
    CHECK_SLICE(testserver_talk(&w->t, peer, slice_text("")), slice_text(want));
}

static void replies_leave_when_their_own_sync_has_returned(void)
{
    struct waiting w;
    begin_waiting(&w);
    testserver_expect_peer(&w.t, w.a, "SET k new", "");
    testserver_expect_peer(&w.t, w.b, "SET l v", ""); /* runs meanwhile */
    testserver_expect_peer(&w.t, w.a, "GET l", "");

    let_sync_return(&w);
    expect_more(&w, w.a, "+OK\r\n");
    expect_more(&w, w.b, "");
    let_sync_return(&w);
    expect_more(&w, w.a, "$1\r\nv\r\n");
    expect_more(&w, w.b, "+OK\r\n");
    CHECK(w.lazy.waiting == NULL);
    CHECK_INT(w.lazy.waits, 0);
    end_waiting(&w);
}

static void a_read_that_may_have_seen_an_unsynced_write_waits_for_it(void)
{
    struct waiting w;
    begin_waiting(&w);
    testserver_expect_peer(&w.t, w.b, "GET k", "$3\r\nold\r\n");
    testserver_expect_peer(&w.t, w.a, "SET k new", "");
    testserver_expect_peer(&w.t, w.b, "GET k", "");
    testserver_expect(&w.t, "DBSIZE", "");

    let_sync_return(&w);
    expect_more(&w, w.a, "+OK\r\n");
    expect_more(&w, w.b, "$3\r\nnew\r\n");
    expect_more(&w, w.t.peer, ":1\r\n");
    testserver_expect_peer(&w.t, w.b, "GET k", "$3\r\nnew\r\n");
    end_waiting(&w);
}

static void a_failed_sync_turns_all_that_waits_into_errors(void)
{
    struct waiting w;
    struct plan plan = {.pattern = "fs/wal/sync/eio", .kth = 1};
    begin_waiting(&w);
    testserver_expect_peer(&w.t, w.a, "GET k\r\nSET k new", "$3\r\nold\r\n");
    testserver_expect_peer(&w.t, w.b, "GET k\r\nSET l v\r\nINCR n", "");
    testserver_expect_peer(&w.t, w.a, "GET l", "");
    REQUIRE_INT(plan_arm(&plan), 0);
    w.lazy.held = 0;
    lazy_sched_run(&w.lazy);
    plan_disarm_all();
    w.t.refused = true;
    testserver_turn(&w.t);

    expect_more(&w, w.a, MISCONF MISCONF);
    expect_more(&w, w.b, MISCONF MISCONF MISCONF);
    testserver_expect_peer(&w.t, w.b, "MGET k l n", "*3\r\n$3\r\nold\r\n$-1\r\n$-1\r\n");
    testserver_expect_peer(&w.t, w.b, "DBSIZE", ":1\r\n");
    testserver_expect_peer(&w.t, w.a, "SET k later", "+OK\r\n");
    testserver_expect_peer(&w.t, w.b, "GET k", "$5\r\nlater\r\n");
    end_waiting(&w);
}

static void a_client_that_goes_away_while_its_reply_waits_is_forgotten(void)
{
    struct waiting w;
    begin_waiting(&w);
    testserver_expect_peer(&w.t, w.a, "SET k new", "");
    testserver_expect_peer(&w.t, w.b, "SET l v", "");
    peer_reset(w.b, true);
    for (int i = 0; i < 3; i++)
        testserver_turn(&w.t);

    let_sync_return(&w);
    expect_more(&w, w.a, "+OK\r\n");
    let_sync_return(&w);
    testserver_expect_peer(&w.t, w.a, "GET l", "$1\r\nv\r\n");
    end_waiting(&w);
}

static void half_sent_replies_and_waiting_ones_keep_their_order(void)
{
    struct waiting w;
    begin_waiting(&w);
    struct peer_limits one = {.send_max = 1};
    /* The watch cannot know what a reply speaks of that takes turns. */
    w.t.refused = true;
    peer_limit(w.a, &one);
    peer_write(w.a, "GET k\r\nSET k new\r\n", 18);
    for (int i = 0; i < 20; i++)
        testserver_turn(&w.t);
    CHECK_INT(peer_received(w.a), 9);
    testserver_expect_peer(&w.t, w.b, "SET k newer", "");
    peer_write(w.a, "GET k\r\n", 7);
    testserver_turn(&w.t);

    let_sync_return(&w);
    let_sync_return(&w);
    expect_more(&w, w.a, "$3\r\nold\r\n+OK\r\n$5\r\nnewer\r\n");
    end_waiting(&w);
}

static void a_server_that_stops_waits_for_its_syncs(void)
{
    struct waiting w;
    begin_waiting(&w);
    testserver_expect_peer(&w.t, w.a, "SET k new", "");
    testserver_expect_peer(&w.t, w.b, "SET l v", "");
    testserver_stop(&w.t);
    w.lazy.held = 0;
    testserver_start(&w.t);
    testserver_expect(&w.t, "MGET k l", "*2\r\n$3\r\nnew\r\n$1\r\nv\r\n");
    end_waiting(&w);
}

CU_TestInfo server_loop_tests[] = {
    {"clients_above_the_limit_are_told_and_closed",
     clients_above_the_limit_are_told_and_closed},
    {"without_descriptors_the_listener_rests_and_comes_back",
     without_descriptors_the_listener_rests_and_comes_back},
    {"a_listener_that_fails_for_long_is_told_once",
     a_listener_that_fails_for_long_is_told_once},
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
    {"replies_leave_when_their_own_sync_has_returned",
     replies_leave_when_their_own_sync_has_returned},
    {"a_read_that_may_have_seen_an_unsynced_write_waits_for_it",
     a_read_that_may_have_seen_an_unsynced_write_waits_for_it},
    {"a_failed_sync_turns_all_that_waits_into_errors",
     a_failed_sync_turns_all_that_waits_into_errors},
    {"a_client_that_goes_away_while_its_reply_waits_is_forgotten",
     a_client_that_goes_away_while_its_reply_waits_is_forgotten},
    {"half_sent_replies_and_waiting_ones_keep_their_order",
     half_sent_replies_and_waiting_ones_keep_their_order},
    {"a_server_that_stops_waits_for_its_syncs", a_server_that_stops_waits_for_its_syncs},
    CU_TEST_INFO_NULL,
};
