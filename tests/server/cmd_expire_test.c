/* Deadlines by the clock. What the commands answer is in tests/scripts/key.resp. */
#include "tests/support/check.h"
#include "tests/support/testserver.h"

static void a_key_lives_through_its_last_millisecond(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "SET k v PX 1000", "+OK\r\n");

    testserver_wait(&t, 1000);
    testserver_expect(&t, "GET k", "$1\r\nv\r\n");
    testserver_expect(&t, "PTTL k", ":0\r\n");
    testserver_wait(&t, 1);

    testserver_expect(&t, "GET k", "$-1\r\n");
    testserver_expect(&t, "PTTL k", ":-2\r\n");
    testserver_close(&t);
}

static void deadlines_go_on_while_the_server_is_down(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "SET a v EX 10", "+OK\r\n");
    testserver_expect(&t, "SET b v EX 100", "+OK\r\n");

    testserver_stop(&t);
    clock_manual_advance(&t.clock, 50000);
    testserver_start(&t);

    testserver_expect(&t, "TTL a", ":-2\r\n");
    testserver_expect(&t, "TTL b", ":50\r\n");
    testserver_close(&t);
}

static void a_wall_clock_that_steps_back_revives_nothing(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "SET k v EX 10", "+OK\r\n");
    testserver_wait(&t, 10001);
    testserver_expect(&t, "GET k", "$-1\r\n");

    t.clock.wall_ms -= 3600 * 1000;
    testserver_expect(&t, "GET k", "$-1\r\n");
    testserver_restart(&t);

    testserver_expect(&t, "GET k", "$-1\r\n");
    testserver_expect(&t, "SET l v EX 10", "+OK\r\n");
    testserver_wait(&t, 10001);
    testserver_expect(&t, "GET l", "$-1\r\n");
    testserver_close(&t);
}

static void a_deadline_of_another_database_is_left_alone(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "SET k v EX 10", "+OK\r\n");
    testserver_expect(&t, "SELECT 1", "+OK\r\n");
    testserver_expect(&t, "SET k w EX 100", "+OK\r\n");

    testserver_wait(&t, 10001);

    testserver_expect(&t, "GET k", "$1\r\nw\r\n");
    testserver_expect(&t, "DBSIZE", ":1\r\n");
    testserver_expect(&t, "SELECT 0", "+OK\r\n");
    testserver_expect(&t, "DBSIZE", ":0\r\n");
    testserver_close(&t);
}

static void flushing_forgets_deadlines(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "SET k v EX 10", "+OK\r\n");
    testserver_expect(&t, "FLUSHALL", "+OK\r\n");
    testserver_expect(&t, "SET k w", "+OK\r\n");

    testserver_wait(&t, 20000);
    testserver_wait(&t, 1);

    testserver_expect(&t, "GET k", "$1\r\nw\r\n");
    testserver_expect(&t, "DBSIZE", ":1\r\n");
    testserver_close(&t);
}

CU_TestInfo server_cmd_expire_tests[] = {
    {"a_key_lives_through_its_last_millisecond",
     a_key_lives_through_its_last_millisecond},
    {"deadlines_go_on_while_the_server_is_down",
     deadlines_go_on_while_the_server_is_down},
    {"a_wall_clock_that_steps_back_revives_nothing",
     a_wall_clock_that_steps_back_revives_nothing},
    {"a_deadline_of_another_database_is_left_alone",
     a_deadline_of_another_database_is_left_alone},
    {"flushing_forgets_deadlines", flushing_forgets_deadlines},
    CU_TEST_INFO_NULL,
};
