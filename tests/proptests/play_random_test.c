/* Random tapes on a store in a simulated world, held against the model. */
#include "tests/support/check.h"

#include "tests/support/playstage.h"

#define OPERATIONS 80

static void random_tapes_under_always(void)
{
    CHECK_INT(
        playstage_random((struct playstage){.policy = SYNC_ALWAYS}, 1, 500, OPERATIONS),
        0);
}

static void random_tapes_under_everysec(void)
{
    CHECK_INT(playstage_random((struct playstage){.policy = SYNC_EVERYSEC}, 10001, 500,
                               OPERATIONS),
              0);
}

static void random_tapes_under_no(void)
{
    CHECK_INT(
        playstage_random((struct playstage){.policy = SYNC_NO}, 20001, 500, OPERATIONS),
        0);
}

static void random_tapes_under_random_schedules(void)
{
    struct playstage stage = {.policy = SYNC_ALWAYS, .coroutines = true};
    CHECK_INT(playstage_random(stage, 30001, 300, OPERATIONS), 0);
    stage.policy = SYNC_EVERYSEC;
    CHECK_INT(playstage_random(stage, 40001, 300, OPERATIONS), 0);
}

static void random_tapes_in_usual_geometry(void)
{
    struct playstage stage = {.policy = SYNC_ALWAYS, .usual = true};
    CHECK_INT(playstage_random(stage, 50001, 100, OPERATIONS), 0);
}

CU_TestInfo proptests_play_random_tests[] = {
    {"random_tapes_under_always", random_tapes_under_always},
    {"random_tapes_under_everysec", random_tapes_under_everysec},
    {"random_tapes_under_no", random_tapes_under_no},
    {"random_tapes_under_random_schedules", random_tapes_under_random_schedules},
    {"random_tapes_in_usual_geometry", random_tapes_in_usual_geometry},
    CU_TEST_INFO_NULL,
};
