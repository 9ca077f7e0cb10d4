/* What Redis 7.0 answers is in tests/scripts/key.resp. */
#include "tests/support/check.h"
#include "tests/support/testserver.h"

static void key_commands_answer_as_redis_does(void)
{
    testserver_script("tests/scripts/key.resp");
}

CU_TestInfo server_cmd_key_tests[] = {
    {"key_commands_answer_as_redis_does", key_commands_answer_as_redis_does},
    CU_TEST_INFO_NULL,
};
