/* What Redis 7.0 answers is in tests/scripts/string.resp. */
#include "tests/support/check.h"
#include "tests/support/testserver.h"

static void string_commands_answer_as_redis_does(void)
{
    testserver_script("tests/scripts/string.resp");
}

CU_TestInfo server_cmd_string_tests[] = {
    {"string_commands_answer_as_redis_does", string_commands_answer_as_redis_does},
    CU_TEST_INFO_NULL,
};
