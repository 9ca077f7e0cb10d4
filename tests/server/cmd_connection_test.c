/* What Redis 7.0 answers is in tests/scripts/connection.resp. */
#include "tests/support/check.h"
#include "tests/support/testserver.h"

static void connection_commands_answer_as_redis_does(void)
{
    testserver_script("tests/scripts/connection.resp");
}

CU_TestInfo server_cmd_connection_tests[] = {
    {"connection_commands_answer_as_redis_does",
     connection_commands_answer_as_redis_does},
    CU_TEST_INFO_NULL,
};
