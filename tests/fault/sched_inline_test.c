#include "tests/support/check.h"

#include "fault/sched.h"

struct note {
    struct job job;
    int *journal;
    int value;
};

static void write_note(struct job *job)
{
    struct note *n = (struct note *)job;
    *n->journal = *n->journal * 10 + n->value;
}

static void jobs_run_at_once_and_are_reaped_in_order(void)
{
    struct sched *s = sched_inline_new(mem_libc());
    REQUIRE(s != NULL);
    int journal = 0;
    struct note notes[3];
    for (int i = 0; i < 3; i++) {
        notes[i] = (struct note){{write_note, JOB_FLUSH, NULL}, &journal, i + 1};
        sched_submit(s, &notes[i].job);
        CHECK_INT(journal % 10, i + 1);
    }

    for (int i = 0; i < 3; i++)
        CHECK(sched_reap(s) == &notes[i].job);
    CHECK(sched_reap(s) == NULL);
    CHECK_INT(journal, 123);
    sched_free(s);
}

static void a_reaped_job_can_be_submitted_again(void)
{
    struct sched *s = sched_inline_new(mem_libc());
    REQUIRE(s != NULL);
    int journal = 0;
    struct note note = {{write_note, JOB_SYNC, NULL}, &journal, 7};

    for (int i = 0; i < 2; i++) {
        sched_submit(s, &note.job);
        sched_wait(s);
        CHECK(sched_reap(s) == &note.job);
    }

    CHECK_INT(journal, 77);
    CHECK_INT(sched_poll_fd(s), -1);
    sched_free(s);
}

static void no_memory_is_answered_with_null(void)
{
    struct mem_counting c;
    mem_counting_init(&c, mem_libc());
    c.fail_at = 1;
    CHECK(sched_inline_new(&c.mem) == NULL);
    struct sched *s = sched_inline_new(&c.mem);
    REQUIRE(s != NULL);
    sched_free(s);
    CHECK_INT(c.blocks, 0);
}

CU_TestInfo fault_sched_inline_tests[] = {
    {"jobs_run_at_once_and_are_reaped_in_order",
     jobs_run_at_once_and_are_reaped_in_order},
    {"a_reaped_job_can_be_submitted_again", a_reaped_job_can_be_submitted_again},
    {"no_memory_is_answered_with_null", no_memory_is_answered_with_null},
    CU_TEST_INFO_NULL,
};
