#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/check.h"

#include "fault/sched.h"

/* A job with plain inputs and outputs: what TSan would report if the hand-over did not
 * order them. */
struct sum {
    struct job job;
    int from, to;
    long result;
};

static void add_up(struct job *job)
{
    struct sum *s = (struct sum *)job;
    s->result = 0;
    for (int i = s->from; i <= s->to; i++)
        s->result += i;
}

static struct sum sum_of(enum job_class class, int from, int to)
{
    return (struct sum){{add_up, class, NULL}, from, to, -1};
}

static struct job *reap_one(struct sched *s)
{
    sched_wait(s);
    return sched_reap(s);
}

static bool readable(struct sched *s, int timeout_ms)
{
    struct pollfd p = {sched_poll_fd(s), POLLIN, 0};
    return poll(&p, 1, timeout_ms) == 1;
}

static void a_job_of_each_class_comes_back_with_its_result(void)
{
    struct sched *s = sched_threads_new(mem_libc());
    REQUIRE(s != NULL);
    struct sum sums[JOB_CLASSES];
    for (enum job_class c = 0; c < JOB_CLASSES; c++) {
        sums[c] = sum_of(c, 1, 100 + (int)c);
        sched_submit(s, &sums[c].job);
    }
    for (int i = 0; i < JOB_CLASSES; i++) {
        struct sum *done = (struct sum *)reap_one(s);
        REQUIRE(done != NULL);
        CHECK_INT(done->result, (long)done->to * (done->to + 1) / 2);
    }
    CHECK(sched_reap(s) == NULL);
    sched_free(s);
}

/* Jobs of one class write into the same journal, one after the other. */
struct note {
    struct job job;
    int *journal, *length, value;
};

static void write_note(struct job *job)
{
    struct note *n = (struct note *)job;
    n->journal[(*n->length)++] = n->value;
}

static void jobs_of_a_class_run_in_the_order_of_submission(void)
{
    enum { COUNT = 500 };
    struct sched *s = sched_threads_new(mem_libc());
    REQUIRE(s != NULL);
    static struct note notes[COUNT];
    static int journal[COUNT];
    int length = 0, reaped = 0, disorder = 0;

    for (int i = 0; i < COUNT; i++) {
        notes[i] = (struct note){{write_note, JOB_FLUSH, NULL}, journal, &length, i};
        sched_submit(s, &notes[i].job);
    }
    while (reaped < COUNT) {
        struct note *n = (struct note *)reap_one(s);
        disorder += n->value != reaped++;
    }

    CHECK_INT(disorder, 0);
    CHECK_INT(length, COUNT);
    for (int i = 0; i < COUNT; i++)
        disorder += journal[i] != i;
    CHECK_INT(disorder, 0);
    sched_free(s);
}

static void wait_returns_when_nothing_runs(void)
{
    struct sched *s = sched_threads_new(mem_libc());
    REQUIRE(s != NULL);
    sched_wait(s);
    CHECK(sched_reap(s) == NULL);
    sched_free(s);
}

static void the_descriptor_is_readable_exactly_while_there_is_news(void)
{
    struct sched *s = sched_threads_new(mem_libc());
    REQUIRE(s != NULL);
    CHECK(!readable(s, 0));
    struct sum a = sum_of(JOB_SYNC, 1, 10);
    for (int round = 0; round < 200; round++) {
        sched_submit(s, &a.job);
        REQUIRE(readable(s, 5000));
        REQUIRE(sched_reap(s) == &a.job);
        CHECK(sched_reap(s) == NULL);
        CHECK(!readable(s, 0)); /* or a loop would spin */
    }
    sched_free(s);
}

/* What a server's loop does: poll, reap until nothing is left, submit more. */
static void no_wake_up_is_lost_under_load(void)
{
    enum { TOTAL = 20000, AT_A_TIME = 16 };
    struct sched *s = sched_threads_new(mem_libc());
    REQUIRE(s != NULL);
    static struct sum sums[AT_A_TIME];
    int submitted = 0, reaped = 0;
    for (; submitted < AT_A_TIME; submitted++) {
        sums[submitted] = sum_of((enum job_class)(submitted % JOB_CLASSES), 1, submitted);
        sched_submit(s, &sums[submitted].job);
    }
    while (reaped < TOTAL) {
        REQUIRE(readable(s, 20000));
        struct job *job;
        while ((job = sched_reap(s))) {
            reaped++;
            if (submitted == TOTAL) continue;
            submitted++;
            sched_submit(s, job);
        }
    }
    CHECK_INT(reaped, TOTAL);
    sched_free(s);
}

struct probe {
    struct job job;
    pthread_t thread;
    int policy, nice;
    sigset_t blocked;
};

static void look_around(struct job *job)
{
    struct probe *p = (struct probe *)job;
    struct sched_param param;
    p->thread = pthread_self();
    pthread_getschedparam(pthread_self(), &p->policy, &param);
    p->nice = getpriority(PRIO_PROCESS, 0);
    pthread_sigmask(SIG_BLOCK, NULL, &p->blocked);
}

static void classes_have_threads_of_their_own_and_compaction_comes_last(void)
{
    struct sched *s = sched_threads_new(mem_libc());
    REQUIRE(s != NULL);
    struct probe p[JOB_CLASSES];
    for (enum job_class c = 0; c < JOB_CLASSES; c++) {
        p[c].job = (struct job){look_around, c, NULL};
        sched_submit(s, &p[c].job);
    }
    for (int i = 0; i < JOB_CLASSES; i++)
        REQUIRE(reap_one(s) != NULL);

    CHECK(!pthread_equal(p[JOB_SYNC].thread, p[JOB_FLUSH].thread));
    CHECK(!pthread_equal(p[JOB_SYNC].thread, p[JOB_COMPACT].thread));
    CHECK(!pthread_equal(p[JOB_SYNC].thread, pthread_self()));
    CHECK_INT(p[JOB_FLUSH].policy, SCHED_OTHER);
    CHECK(p[JOB_COMPACT].policy == SCHED_IDLE || p[JOB_COMPACT].nice == 19);
    for (int i = 0; i < JOB_CLASSES; i++)
        CHECK(sigismember(&p[i].blocked, SIGTERM));
    sigset_t mine;
    pthread_sigmask(SIG_BLOCK, NULL, &mine);
    CHECK(!sigismember(&mine, SIGTERM));
    sched_free(s);
}

struct gate {
    struct job job;
    atomic_bool open;
};

static void wait_at_gate(struct job *job)
{
    struct timespec pause = {0, 1000000};
    while (!atomic_load(&((struct gate *)job)->open))
        nanosleep(&pause, NULL);
}

static void a_long_compaction_does_not_hold_up_a_sync(void)
{
    struct sched *s = sched_threads_new(mem_libc());
    REQUIRE(s != NULL);
    struct gate gate = {.job = {wait_at_gate, JOB_COMPACT, NULL}};
    struct sum sync = sum_of(JOB_SYNC, 1, 4);
    atomic_init(&gate.open, false);
    sched_submit(s, &gate.job);
    sched_submit(s, &sync.job);

    CHECK(reap_one(s) == &sync.job);
    CHECK(sched_reap(s) == NULL);

    atomic_store(&gate.open, true);
    CHECK(reap_one(s) == &gate.job);
    sched_free(s);
}

static void what_cannot_be_made_is_null_and_leaves_nothing(void)
{
    struct mem_counting c;
    mem_counting_init(&c, mem_libc());
    c.fail_at = 1;
    CHECK(sched_threads_new(&c.mem) == NULL);

    struct rlimit before, none;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = before;
    none.rlim_cur = 0;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK(sched_threads_new(&c.mem) == NULL); /* no descriptor for the eventfd */
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK_INT(c.blocks, 0);
}

#define ROW(name)                                                                        \
    {                                                                                    \
#name, name                                                                      \
    }
CU_TestInfo fault_sched_threads_tests[] = {
    ROW(a_job_of_each_class_comes_back_with_its_result),
    ROW(jobs_of_a_class_run_in_the_order_of_submission),
    ROW(wait_returns_when_nothing_runs),
    ROW(the_descriptor_is_readable_exactly_while_there_is_news),
    ROW(no_wake_up_is_lost_under_load),
    ROW(classes_have_threads_of_their_own_and_compaction_comes_last),
    ROW(a_long_compaction_does_not_hold_up_a_sync),
    ROW(what_cannot_be_made_is_null_and_leaves_nothing),
    CU_TEST_INFO_NULL,
};
