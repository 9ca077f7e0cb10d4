/* A whole server in one process: what is acknowledged, when, and what survives. */
#include "tests/support/check.h"
#include "tests/support/testserver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fault/plan.h"

#define MISCONF "-MISCONF Errors writing to the AOF file: "

static uint64_t syncs(struct testserver *t)
{
    struct db_stats stats;
    db_stats_get(server_db(t->server), &stats);
    return stats.syncs;
}

/* ---- durability ---- */

static void values_survive_a_restart_and_a_kill(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "SET k v EX 100", "+OK\r\n");

    testserver_restart(&t);
    testserver_expect(&t, "GET k", "$1\r\nv\r\n");
    testserver_expect(&t, "SET l w", "+OK\r\n");
    testserver_kill(&t);

    testserver_expect(&t, "MGET k l", "*2\r\n$1\r\nv\r\n$1\r\nw\r\n");
    testserver_expect(&t, "TTL k", ":100\r\n");
    testserver_expect(&t, "DBSIZE", ":2\r\n");
    testserver_close(&t);
}

static void what_was_acknowledged_under_always_survives_a_power_cut(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "MSET a 1 b 2", "+OK\r\n");
    testserver_expect(&t, "DEL a", ":1\r\n");

    disk_sim_power_cut(t.disk, DISK_SURVIVE_NONE, NULL);
    testserver_stop(&t);
    testserver_start(&t);

    testserver_expect(&t, "MGET a b", "*2\r\n$-1\r\n$1\r\n2\r\n");
    testserver_expect(&t, "DBSIZE", ":1\r\n");
    testserver_close(&t);
}

static void writes_of_many_clients_share_one_sync(void)
{
    struct testserver t;
    struct peer *peers[20];
    testserver_open(&t);
    for (int i = 0; i < 20; i++)
        peers[i] = testserver_connect(&t);
    for (int i = 0; i < 20; i++)
        peer_write(peers[i], "SET k v\r\nINCR n\r\n", 17);
    uint64_t before = syncs(&t);

    server_turn(t.server, 0);

    CHECK_INT(syncs(&t) - before, 1);
    for (int i = 0; i < 20; i++)
        CHECK(peer_received(peers[i]) > 0);
    testserver_expect(&t, "GET n", "$2\r\n20\r\n");
    for (int i = 0; i < 20; i++)
        peer_free(peers[i]);
    testserver_close(&t);
}

static void reading_costs_no_sync(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "SET k v", "+OK\r\n");
    uint64_t before = syncs(&t);

    testserver_expect(&t, "GET k", "$1\r\nv\r\n");
    testserver_expect(&t, "EXISTS k", ":1\r\n");
    testserver_expect(&t, "KEYS *", "*1\r\n$1\r\nk\r\n");

    CHECK_INT(syncs(&t), before);
    testserver_close(&t);
}

/* ---- a failed group ---- */

static void every_reply_from_the_first_write_of_a_failed_turn_is_the_error(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "SET k old", "+OK\r\n");
    disk_sim_fail_next(t.disk, DISK_EFFECT_NONE, EIO, 0);

    slice got =
        testserver_talk(&t, t.peer, slice_text("GET k\r\nSET k new\r\nGET k\r\nFOO\r\n"));

    CHECK_SLICE(got,
                slice_text("$3\r\nold\r\n" MISCONF "Input/output error\r\n" MISCONF
                           "Input/output error\r\n" MISCONF "Input/output error\r\n"));
    testserver_stop(&t);
    testserver_deinit(&t);
}

static void another_clients_replies_of_the_failed_turn_are_errors_too(void)
{
    struct testserver t;
    testserver_open(&t);
    struct peer *other = testserver_connect(&t);
    testserver_expect(&t, "SET k old", "+OK\r\n");
    disk_sim_fail_next(t.disk, DISK_EFFECT_NONE, EIO, 0);
    peer_write(t.peer, "SET k new\r\n", 11);

    slice got = testserver_talk(&t, other, slice_text("GET k\r\n"));

    CHECK_SLICE(got, slice_text(MISCONF "Input/output error\r\n"));
    peer_free(other);
    testserver_stop(&t);
    testserver_deinit(&t);
}

/* From the next write's sync on the store can neither write its log nor a table. */
static void break_disk(struct testserver *t)
{
    static struct plan plan = {.pattern = "fs/sst/sync/eio", .kth = 1, .sticky = true};
    REQUIRE_INT(plan_arm(&plan), 0);
    disk_sim_fail_next(t->disk, DISK_EFFECT_NONE, EIO, 0);
}

static void after_a_failed_sync_writes_are_refused_and_reads_go_on(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "SET k old EX 100", "+OK\r\n");
    break_disk(&t);
    testserver_expect(&t, "SET k new", MISCONF "Input/output error\r\n");

    testserver_expect(&t, "GET k", "$3\r\nold\r\n");
    testserver_expect(&t, "TTL k", ":100\r\n");
    testserver_expect(&t, "DBSIZE", ":1\r\n");
    testserver_expect(&t, "SET l v", MISCONF "Input/output error\r\n");
    testserver_expect(&t, "FLUSHALL", MISCONF "Input/output error\r\n");
    testserver_expect(&t, "SET l",
                      "-ERR wrong number of arguments for 'set' command\r\n");
    slice info = testserver_talk(&t, t.peer, slice_text("INFO persistence\r\n"));
    CHECK(memmem(info.data, info.size, "aof_last_write_status:err", 25) != NULL);
    CHECK(strstr(t.log, "writes are refused") != NULL);
    plan_disarm_all();

    testserver_stop(&t);
    testserver_deinit(&t);
}

static void writes_come_back_when_the_disk_does(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "SET k old", "+OK\r\n");
    break_disk(&t);
    testserver_expect(&t, "SET k new", MISCONF "Input/output error\r\n");
    testserver_wait(&t, 1500); /* tried again, in vain */
    testserver_expect(&t, "SET k new", MISCONF "Input/output error\r\n");

    plan_disarm_all();
    testserver_wait(&t, 3000);
    CHECK(strstr(t.log, "writes are accepted again") == NULL);
    testserver_expect(&t, "SET l v", "+OK\r\n");
    CHECK(strstr(t.log, "writes are accepted again") != NULL);
    slice info = testserver_talk(&t, t.peer, slice_text("INFO persistence\r\n"));
    CHECK(memmem(info.data, info.size, "aof_last_write_status:ok", 24) != NULL);

    disk_sim_power_cut(t.disk, DISK_SURVIVE_ALL, NULL);
    testserver_stop(&t);
    testserver_start(&t);
    testserver_expect(&t, "MGET k l", "*2\r\n$3\r\nold\r\n$1\r\nv\r\n");
    testserver_close(&t);
}

static void an_expired_key_stays_dead_while_writes_are_refused(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "SET k v PX 500", "+OK\r\n");
    break_disk(&t);
    testserver_expect(&t, "SET l v", MISCONF "Input/output error\r\n");

    testserver_wait(&t, 501);

    testserver_expect(&t, "GET k", "$-1\r\n");
    testserver_expect(&t, "KEYS *", "*0\r\n");
    plan_disarm_all();
    testserver_stop(&t);
    testserver_deinit(&t);
}

static void a_refused_write_is_not_there_after_a_restart(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "SET k old", "+OK\r\n");
    disk_sim_fail_next(t.disk, DISK_EFFECT_NONE, ENOSPC, 0);
    testserver_expect(&t, "MSET k new l new", MISCONF "No space left on device\r\n");

    testserver_stop(&t);
    testserver_start(&t);

    testserver_expect(&t, "MGET k l", "*2\r\n$3\r\nold\r\n$-1\r\n");
    testserver_expect(&t, "DBSIZE", ":1\r\n");
    testserver_close(&t);
}

/* ---- starting and stopping ---- */

static void a_port_in_use_is_refused_before_the_store_is_touched(void)
{
    struct testserver t, other;
    testserver_open(&t);
    testserver_init(&other);
    other.env.net = t.env.net;
    other.config.port = server_port(t.server);

    enum err e = server_new(&other.env, &other.config, &other.server, &other.why);

    CHECK(e != ERR_OK);
    CHECK(strstr(other.why.text, "--port") != NULL);
    struct disk_dir *dir;
    CHECK_INT(disk_dir_open(other.disk, "db", &dir), -ENOENT);
    CHECK_INT(other.mem.blocks, 0);
    testserver_deinit(&other);
    testserver_close(&t);
}

static void a_store_in_use_is_named(void)
{
    struct testserver t, other;
    testserver_open(&t);
    testserver_init(&other);
    struct disk *own = other.env.disk;
    other.env.disk = t.disk;
    snprintf(other.config.dir, sizeof other.config.dir, "some/place/db");

    enum err e = server_new(&other.env, &other.config, &other.server, &other.why);

    CHECK_INT(e, ERR_LOCKED);
    CHECK(strstr(other.why.text, "some/place/db") != NULL);
    CHECK_INT(other.mem.blocks, 0);
    other.env.disk = own;
    testserver_deinit(&other);
    testserver_close(&t);
}

static void shutdown_ends_the_loop_and_closes_the_connection(void)
{
    struct testserver t;
    testserver_open(&t);
    peer_write(t.peer, "SET k v\r\nSHUTDOWN NOSAVE\r\nSET k w\r\n", 35);

    bool goes_on = true;
    for (int i = 0; i < 5 && goes_on; i++)
        goes_on = server_turn(t.server, 0);

    CHECK(!goes_on);
    CHECK_INT(peer_received(t.peer), 5);
    testserver_restart(&t);
    testserver_expect(&t, "GET k", "$1\r\nv\r\n");
    testserver_close(&t);
}

static void every_failed_allocation_at_start_is_a_clean_refusal(void)
{
    struct testserver t;
    testserver_init(&t);
    long k = 1;
    for (; k < 10000; k++) {
        t.mem.calls = 0;
        t.mem.fail_at = k;
        enum err e = server_new(&t.env, &t.config, &t.server, &t.why);
        if (e == ERR_OK) break;
        CHECK_INT(e, ERR_NOMEM);
        CHECK_INT(t.mem.blocks, 0);
        CHECK_INT(net_sim_open_handles(t.net), 0);
    }
    t.mem.fail_at = 0;
    CHECK(k > 10 && k < 10000);
    server_free(t.server);
    CHECK_INT(t.mem.blocks, 0);
    testserver_deinit(&t);
}

/* The k-th allocation fails in the middle of work: the answer is an error or the
 * connection is closed; nothing else changes, nothing is lost. */
static void every_failed_allocation_of_a_command_is_a_clean_error(void)
{
    static const char commands[] = "MSET a 1 b 2 c 3\r\nAPPEND a x\r\nSCAN 0 COUNT 1\r\n"
                                   "KEYS *\r\nEXPIRE b 100\r\nCLIENT LIST\r\nINFO\r\n"
                                   "DEL a b c\r\n";
    for (long k = 1; k < 200; k++) {
        struct testserver t;
        testserver_open(&t);
        testserver_expect(&t, "SET keep me", "+OK\r\n");
        t.mem.calls = 0;
        t.mem.fail_at = k;
        testserver_talk(&t, t.peer, slice_text(commands));
        bool fired = t.mem.calls >= k;
        t.mem.fail_at = 0;

        struct peer *fresh = testserver_connect(&t);
        testserver_expect_peer(&t, fresh, "GET keep", "$2\r\nme\r\n");
        testserver_expect_peer(&t, fresh, "SET more v", "+OK\r\n");
        peer_free(fresh);
        testserver_close(&t);
        if (!fired) break;
    }
}

/* ---- a full disk ---- */

static bool refuses(struct testserver *t)
{
    return db_refuses(server_db(t->server));
}

/* Returns how many keys there are. */
static int fill_disk(struct testserver *t, enum sync_policy policy)
{
    char command[1200];
    int n = 1;
    testserver_init(t);
    t->config.appendfsync = policy;
    t->geometry.spare_logs = 2;
    testserver_start(t);
    testserver_expect(t, "SET k v", "+OK\r\n");
    disk_sim_set_capacity(t->disk, 1000000);
    for (; n < 2000 && !refuses(t); n++) {
        snprintf(command, sizeof command, "SET key%d %01000d\r\n", n - 1, n);
        testserver_talk(t, t->peer, slice_text(command));
    }
    REQUIRE(refuses(t));
    return n;
}

/* Waits until the server takes a write, at most so many seconds. */
static void expect_resumed(struct testserver *t, int seconds)
{
    for (int i = 0; i < 10 * seconds && refuses(t); i++)
        testserver_wait(t, 100);
    testserver_expect(t, "SET k w", "+OK\r\n");
    testserver_expect(t, "DBSIZE", ":1\r\n");
    CHECK(strstr(t->log, "writes are accepted again") != NULL);
}

static void a_full_disk_takes_what_only_removes_and_can_be_emptied(void)
{
    struct testserver t;
    fill_disk(&t, SYNC_ALWAYS);
    testserver_expect(&t, "SET k w", MISCONF "No space left on device\r\n");
    CHECK(strstr(t.log, "writes are refused: ") != NULL);
    CHECK(strstr(t.log, "writes are accepted again") == NULL);
    testserver_expect(&t, "EXPIRE key1 100", MISCONF "No space left on device\r\n");

    testserver_expect(&t, "DEL key0", ":1\r\n");
    testserver_expect(&t, "UNLINK key1 nothing", ":1\r\n");
    testserver_expect(&t, "EXPIRE key2 -1", ":1\r\n");
    testserver_expect(&t, "GETDEL k", "$1\r\nv\r\n");
    testserver_expect(&t, "SET k w", MISCONF "No space left on device\r\n");
    testserver_expect(&t, "EXISTS key0 key1 key2 k", ":0\r\n");
    testserver_expect(&t, "FLUSHALL", "+OK\r\n");
    expect_resumed(&t, 3);
    disk_sim_set_capacity(t.disk, 0);
    testserver_kill(&t);
    testserver_expect(&t, "DBSIZE", ":1\r\n");
    testserver_close(&t);
}

static void a_full_disk_is_emptied_key_by_key_and_takes_writes_again(void)
{
    struct testserver t;
    char command[64];
    int n = fill_disk(&t, SYNC_EVERYSEC);
    testserver_expect(&t, "SET k w", MISCONF "No space left on device\r\n");
    testserver_expect(&t, "DEL k", ":1\r\n");
    for (int i = 0; i < n - 1; i++) {
        snprintf(command, sizeof command, "DEL key%d", i);
        testserver_expect(&t, command, ":1\r\n");
    }
    expect_resumed(&t, 5);
    testserver_close(&t);
}

static int listen_without_descriptors(struct net *net, const char *address, uint16_t port,
                                      int backlog, uint16_t *bound)
{
    (void)net, (void)address, (void)port, (void)backlog, (void)bound;
    return -EMFILE;
}

static void a_start_without_descriptors_is_no_matter_of_ports(void)
{
    struct testserver t;
    testserver_init(&t);
    struct net poor = {.listen = listen_without_descriptors};
    struct net *net = t.env.net;
    t.env.net = &poor;
    CHECK_INT(server_new(&t.env, &t.config, &t.server, &t.why), ERR_IO);
    CHECK(strstr(t.why.text, "ulimit -n") != NULL);
    CHECK(strstr(t.why.text, "--port") == NULL);
    t.env.net = net;
    testserver_deinit(&t);
}

CU_TestInfo server_server_tests[] = {
    {"values_survive_a_restart_and_a_kill", values_survive_a_restart_and_a_kill},
    {"what_was_acknowledged_under_always_survives_a_power_cut",
     what_was_acknowledged_under_always_survives_a_power_cut},
    {"a_full_disk_is_emptied_key_by_key_and_takes_writes_again",
     a_full_disk_is_emptied_key_by_key_and_takes_writes_again},
    {"writes_of_many_clients_share_one_sync", writes_of_many_clients_share_one_sync},
    {"reading_costs_no_sync", reading_costs_no_sync},
    {"every_reply_from_the_first_write_of_a_failed_turn_is_the_error",
     every_reply_from_the_first_write_of_a_failed_turn_is_the_error},
    {"another_clients_replies_of_the_failed_turn_are_errors_too",
     another_clients_replies_of_the_failed_turn_are_errors_too},
    {"after_a_failed_sync_writes_are_refused_and_reads_go_on",
     after_a_failed_sync_writes_are_refused_and_reads_go_on},
    {"writes_come_back_when_the_disk_does", writes_come_back_when_the_disk_does},
    {"an_expired_key_stays_dead_while_writes_are_refused",
     an_expired_key_stays_dead_while_writes_are_refused},
    {"a_refused_write_is_not_there_after_a_restart",
     a_refused_write_is_not_there_after_a_restart},
    {"a_port_in_use_is_refused_before_the_store_is_touched",
     a_port_in_use_is_refused_before_the_store_is_touched},
    {"a_store_in_use_is_named", a_store_in_use_is_named},
    {"shutdown_ends_the_loop_and_closes_the_connection",
     shutdown_ends_the_loop_and_closes_the_connection},
    {"every_failed_allocation_at_start_is_a_clean_refusal",
     every_failed_allocation_at_start_is_a_clean_refusal},
    {"every_failed_allocation_of_a_command_is_a_clean_error",
     every_failed_allocation_of_a_command_is_a_clean_error},
    {"a_full_disk_takes_what_only_removes_and_can_be_emptied",
     a_full_disk_takes_what_only_removes_and_can_be_emptied},
    {"a_start_without_descriptors_is_no_matter_of_ports",
     a_start_without_descriptors_is_no_matter_of_ports},
    CU_TEST_INFO_NULL,
};
