/* What Redis 7.0 answers is in tests/scripts/server.resp. */
#include "tests/support/check.h"
#include "tests/support/testserver.h"

static void server_commands_answer_as_redis_does(void)
{
    testserver_script("tests/scripts/server.resp");
}

CU_TestInfo server_cmd_server_tests[] = {
    {"server_commands_answer_as_redis_does", server_commands_answer_as_redis_does},
    CU_TEST_INFO_NULL,
};
