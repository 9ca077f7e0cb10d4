#include "tests/crash/campaign.h"

#include <signal.h>
#include <stdlib.h>

#include "tests/support/check.h"

static int answer(void *arg)
{
    return *(int *)arg;
}

static int die(void *arg)
{
    (void)arg;
    signal(SIGABRT, SIG_DFL);
    abort();
}

static void what_is_done_apart_answers(void)
{
    int three = 3;
    CHECK_INT(campaign_apart(answer, &three), 3);
}

static void what_dies_apart_tells_its_signal(void)
{
    CHECK_INT(campaign_apart(die, NULL), -SIGABRT);
}

CU_TestInfo crash_campaign_tests[] = {
    {"what_is_done_apart_answers", what_is_done_apart_answers},
    {"what_dies_apart_tells_its_signal", what_dies_apart_tells_its_signal},
    CU_TEST_INFO_NULL};
