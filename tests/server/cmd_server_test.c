/* What Redis 7.0 answers is in tests/scripts/server.resp. */
#include "tests/support/check.h"
#include "tests/support/testserver.h"

static void server_commands_answer_as_redis_does(void)
{
    testserver_script("tests/scripts/server.resp");
}

/* As Redis 7.0 does under `ulimit -n 200` (which keeps 32 descriptors for itself). */
static void more_clients_than_descriptors_are_refused(void)
{
    struct testserver t;
    testserver_init(&t);
    t.config.maxclients = 20;
    t.config.open_tables_max = 36;
    t.env.descriptors = 200;
    testserver_start(&t);
    testserver_expect(&t, "CONFIG SET timeout 7 MAXclients 101",
                      "-ERR CONFIG SET failed (possibly related to argument "
                      "'maxclients') - The operating system is not able to handle the "
                      "specified number of clients, try with 100\r\n");
    testserver_expect(&t, "CONFIG GET timeout", "*2\r\n$7\r\ntimeout\r\n$1\r\n0\r\n");
    testserver_expect(&t, "CONFIG GET maxclients",
                      "*2\r\n$10\r\nmaxclients\r\n$2\r\n20\r\n");
    testserver_expect(&t, "CONFIG SET maxclients 100", "+OK\r\n");
    testserver_close(&t);
}

CU_TestInfo server_cmd_server_tests[] = {
    {"server_commands_answer_as_redis_does", server_commands_answer_as_redis_does},
    {"more_clients_than_descriptors_are_refused",
     more_clients_than_descriptors_are_refused},
    CU_TEST_INFO_NULL,
};
