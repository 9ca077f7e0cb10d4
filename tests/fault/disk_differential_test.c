#include "tests/support/check.h"

#include <unistd.h>

#include "tests/support/differential.h"

/* In memory when the machine has such a place: the calls are what is compared. */
static const char *scratch(void)
{
    return access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
}

static void both_disks_answer_random_calls_alike(void)
{
    struct differential d = {0};
    REQUIRE(differential_run(&d, scratch(), 1, 20000, 0));
    CHECK_INT(d.failures, 0);
    CHECK_INT(d.sequences, 20000);
    CHECK(d.succeeded * 2 > d.calls); /* not a comparison of errors only */
}

static void a_file_system_on_a_disk_agrees_too(void)
{
    struct differential d = {0};
    REQUIRE(differential_run(&d, "/tmp", 1000000, 500, 0));
    CHECK_INT(d.failures, 0);
}

CU_TestInfo fault_disk_differential_tests[] = {
    {"both_disks_answer_random_calls_alike", both_disks_answer_random_calls_alike},
    {"a_file_system_on_a_disk_agrees_too", a_file_system_on_a_disk_agrees_too},
    CU_TEST_INFO_NULL,
};
