#include "tests/support/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault/disk_posix.h"
#include "fault/disk_sim.h"
#include "fault/disk_trace.h"
#include "fault/sched_coroutine.h"

/* A trace over a simulated disk. */
struct traced {
    struct mem_counting mem;
    struct disk *inner;
    struct disk_trace *trace;
    struct disk *disk;
};

static void traced_init(struct traced *x)
{
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    mem_counting_init(&x->mem, mem_libc());
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &x->inner), 0);
    REQUIRE_INT(disk_trace_new(&x->mem.mem, x->inner, &x->trace), 0);
    x->disk = disk_trace_disk(x->trace);
}

static void traced_deinit(struct traced *x)
{
    disk_trace_free(x->trace);
    CHECK_INT(x->mem.blocks, 0);
    disk_sim_free(x->inner);
}

/* One call of each kind; `text` goes into a file. */
static void play(struct disk *disk, const char *text)
{
    struct disk_dir *root, *dir;
    struct disk_file *file;
    REQUIRE_INT(disk_mkdir(disk, "store", SITE_DIR_MKDIR), 0);
    REQUIRE_INT(disk_dir_open(disk, ".", &root), 0);
    REQUIRE_INT(disk_dir_open(disk, "store", &dir), 0);
    CHECK_INT(disk_dir_sync(root, SITE_DIR_PARENTSYNC), 0);
    REQUIRE_INT(disk_open(dir, "one", DISK_WRITE | DISK_CREATE, SITE_WAL_CREATE, &file),
                0);
    CHECK_INT(disk_write(file, 3, text, strlen(text), SITE_WAL_WRITE, NULL), 0);
    CHECK_INT(disk_sync(file, DISK_SYNC_DATA, SITE_WAL_SYNC), 0);
    CHECK_INT(disk_truncate(file, 5, SITE_OTHER_TRUNCATE), 0);
    disk_close(file);
    CHECK_INT(disk_rename(dir, "one", "two", SITE_WAL_RECYCLE), 0);
    CHECK_INT(disk_link(dir, "two", root, "three", SITE_OTHER_LINK), 0);
    CHECK_INT(disk_unlink(dir, "two", SITE_WAL_UNLINK), 0);
    CHECK_INT(disk_unlink(dir, "two", SITE_WAL_UNLINK), -ENOENT);
    disk_dir_close(dir);
    disk_dir_close(root);
}

static const char *line(const struct disk_trace *t, size_t ordinal)
{
    static char buf[256];
    disk_trace_text(t, ordinal, buf, sizeof buf);
    return buf;
}

static void each_call_that_changes_something_is_one_line(void)
{
    struct traced x;
    traced_init(&x);

    play(x.disk, "hello");

    REQUIRE_INT(disk_trace_count(x.trace), 10);
    CHECK_TEXT(line(x.trace, 0), "#0 dir/mkdir /store = 0");
    CHECK_TEXT(line(x.trace, 1), "#1 dir/parentsync ./ = 0");
    CHECK_TEXT(line(x.trace, 2), "#2 wal/create store/one = 0");
    CHECK(strstr(line(x.trace, 3), "#3 wal/write store/one [3,+5) ") != NULL);
    CHECK(strstr(line(x.trace, 3), " = 5") != NULL);
    CHECK_TEXT(line(x.trace, 4), "#4 wal/sync store/one (data) = 0");
    CHECK_TEXT(line(x.trace, 5), "#5 other/truncate store/one 5 = 0");
    CHECK_TEXT(line(x.trace, 6), "#6 wal/recycle store/one to store/two = 0");
    CHECK_TEXT(line(x.trace, 7), "#7 other/link store/two to ./three = 0");
    CHECK_TEXT(line(x.trace, 9), "#9 wal/unlink store/two = -2");
    traced_deinit(&x);
}

static void the_disk_below_sees_the_same_calls(void)
{
    struct traced x;
    traced_init(&x);
    play(x.disk, "hello");
    struct disk_dir *root;
    struct disk_file *file;
    uint8_t buf[16];
    size_t got = 0;

    REQUIRE_INT(disk_dir_open(x.inner, ".", &root), 0);
    REQUIRE_INT(disk_open(root, "three", DISK_READ, SITE_OTHER_CREATE, &file), 0);
    CHECK_INT(disk_read(file, 0, buf, sizeof buf, &got), 0);
    CHECK_SLICE(slice_of(buf, got), slice_of("\0\0\0he", 5));

    disk_close(file);
    disk_dir_close(root);
    traced_deinit(&x);
}

static void equal_runs_have_equal_traces(void)
{
    struct traced x, y;
    traced_init(&x);
    traced_init(&y);
    disk_trace_mark(y.trace, 1); /* other names first: the texts count, not their order */
    disk_trace_clear(y.trace);

    play(x.disk, "hello");
    play(y.disk, "hello");

    CHECK_INT(disk_trace_difference(x.trace, y.trace), -1);
    CHECK(disk_trace_hash(x.trace) == disk_trace_hash(y.trace));
    traced_deinit(&x);
    traced_deinit(&y);
}

static void one_byte_more_or_less_is_a_difference(void)
{
    struct traced x, y;
    traced_init(&x);
    traced_init(&y);

    play(x.disk, "hello");
    play(y.disk, "hellp");
    CHECK_INT(disk_trace_difference(x.trace, y.trace), 3);
    CHECK(disk_trace_hash(x.trace) != disk_trace_hash(y.trace));

    traced_deinit(&x);
    traced_deinit(&y);
}

static void marks_stand_between_the_calls(void)
{
    struct traced x;
    traced_init(&x);
    disk_trace_mark(x.trace, 7);
    CHECK_INT(disk_mkdir(x.disk, "store", SITE_DIR_MKDIR), 0);

    CHECK(disk_trace_call(x.trace, 0)->mark);
    CHECK_TEXT(line(x.trace, 0), "#0 -- mark 7");
    CHECK_TEXT(line(x.trace, 1), "#1 dir/mkdir /store = 0");
    traced_deinit(&x);
}

static uint32_t always_three(void *arg)
{
    (void)arg;
    return 3;
}

static void the_actor_stands_in_the_line(void)
{
    struct traced x;
    traced_init(&x);
    disk_trace_set_actor(x.trace, always_three, NULL);
    CHECK_INT(disk_mkdir(x.disk, "store", SITE_DIR_MKDIR), 0);

    CHECK_TEXT(line(x.trace, 0), "#0 dir/mkdir /store by 3 = 0");
    traced_deinit(&x);
}

static void many_calls_and_names_are_kept(void)
{
    struct traced x;
    traced_init(&x);
    struct disk_dir *root;
    char name[16];
    REQUIRE_INT(disk_dir_open(x.disk, ".", &root), 0);

    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "name%d", i);
        CHECK_INT(disk_unlink(root, name, SITE_OTHER_UNLINK), -ENOENT);
    }

    CHECK_INT(disk_trace_count(x.trace), 1000);
    CHECK_TEXT(line(x.trace, 999), "#999 other/unlink ./name999 = -2");
    CHECK_TEXT(line(x.trace, 0), "#0 other/unlink ./name0 = -2");
    disk_dir_close(root);
    traced_deinit(&x);
}

static void bytes_hash_by_content_and_length(void)
{
    uint8_t zeros[32] = {0};
    for (size_t n = 0; n < sizeof zeros; n++)
        CHECK(trace_hash_bytes(zeros, n) != trace_hash_bytes(zeros, n + 1));
    for (size_t i = 0; i < sizeof zeros; i++) {
        uint64_t before = trace_hash_bytes(zeros, sizeof zeros);
        zeros[i] = 1;
        CHECK(trace_hash_bytes(zeros, sizeof zeros) != before);
        zeros[i] = 0;
    }
}

static void both_disks_give_the_same_trace(void)
{
    struct traced x;
    traced_init(&x);
    char path[] = "/tmp/disk_trace_test.XXXXXX", command[128];
    struct disk *real;
    struct disk_trace *trace;
    REQUIRE(mkdtemp(path) != NULL);
    REQUIRE_INT(disk_posix_new(mem_libc(), path, &real), 0);
    REQUIRE_INT(disk_trace_new(mem_libc(), real, &trace), 0);

    play(x.disk, "hello");
    play(disk_trace_disk(trace), "hello");
    CHECK_INT(disk_trace_difference(x.trace, trace), -1);

    disk_trace_free(trace);
    disk_posix_free(real);
    snprintf(command, sizeof command, "rm -rf %s", path);
    CHECK_INT(system(command), 0);
    traced_deinit(&x);
}

/* ---- replay ---- */

/* A job that fills and syncs a file of its own, and one that all share. */
struct writer {
    struct job job;
    struct disk *disk;
    int number;
};

static void write_files(struct job *job)
{
    struct writer *w = (struct writer *)job;
    struct disk_dir *root;
    struct disk_file *own, *shared;
    char name[8];
    snprintf(name, sizeof name, "own%d", w->number);
    if (disk_dir_open(w->disk, ".", &root)) abort();
    if (disk_open(root, name, DISK_WRITE | DISK_CREATE, SITE_SST_CREATE, &own)) abort();
    if (disk_open(root, "all", DISK_WRITE | DISK_CREATE, SITE_WAL_CREATE, &shared))
        abort();
    for (int i = 0; i < 3; i++) {
        if (disk_write(own, 0, name, 4, SITE_SST_WRITE, NULL)) abort();
        if (disk_write(shared, (uint64_t)i, name, 4, SITE_WAL_WRITE, NULL)) abort();
        if (disk_sync(shared, DISK_SYNC_FULL, SITE_WAL_SYNC)) abort();
    }
    disk_close(shared);
    disk_close(own);
    disk_dir_close(root);
}

static uint32_t who(void *arg)
{
    return sched_coroutine_actor(arg);
}

/* Runs three writers under the choices; returns the hash of everything observable. */
static uint64_t replay(const uint8_t *choices, size_t count, size_t *calls)
{
    struct traced x;
    traced_init(&x);
    struct sched *sched = sched_coroutine_new(mem_libc(), NULL);
    struct writer writers[3];
    disk_sim_set_sched(x.inner, sched);
    disk_trace_set_actor(x.trace, who, sched);
    sched_coroutine_follow(sched, choices, count);
    for (int i = 0; i < 3; i++) {
        writers[i] = (struct writer){
            .job = {.run = write_files, .class = JOB_FLUSH}, .disk = x.disk, .number = i};
        sched_submit(sched, &writers[i].job);
    }
    for (sched_wait(sched); sched_reap(sched);)
        sched_wait(sched);

    *calls = disk_trace_count(x.trace);
    uint64_t hash = disk_trace_hash(x.trace) ^ sched_coroutine_hash(sched);
    sched_free(sched);
    traced_deinit(&x);
    return hash;
}

static void a_schedule_replays_bit_for_bit(void)
{
    uint8_t choices[128], other[128];
    struct rng rng;
    rng_init(&rng, 20);
    for (size_t i = 0; i < sizeof choices; i++) {
        choices[i] = (uint8_t)rng_next(&rng);
        other[i] = (uint8_t)rng_next(&rng);
    }
    size_t calls;
    uint64_t first = replay(choices, sizeof choices, &calls);
    int same = 0;

    for (int i = 0; i < 1000; i++)
        same += replay(choices, sizeof choices, &calls) == first;

    printf("     1000 replays of a schedule, %zu calls: trace %016llx\n", calls,
           (unsigned long long)first);
    CHECK_INT(same, 1000);
    CHECK(replay(other, sizeof other, &calls) != first);
    CHECK(replay(NULL, 0, &calls) != first);
}

CU_TestInfo fault_disk_trace_tests[] = {
    {"each_call_that_changes_something_is_one_line",
     each_call_that_changes_something_is_one_line},
    {"the_disk_below_sees_the_same_calls", the_disk_below_sees_the_same_calls},
    {"equal_runs_have_equal_traces", equal_runs_have_equal_traces},
    {"one_byte_more_or_less_is_a_difference", one_byte_more_or_less_is_a_difference},
    {"marks_stand_between_the_calls", marks_stand_between_the_calls},
    {"the_actor_stands_in_the_line", the_actor_stands_in_the_line},
    {"many_calls_and_names_are_kept", many_calls_and_names_are_kept},
    {"bytes_hash_by_content_and_length", bytes_hash_by_content_and_length},
    {"both_disks_give_the_same_trace", both_disks_give_the_same_trace},
    {"a_schedule_replays_bit_for_bit", a_schedule_replays_bit_for_bit},
    CU_TEST_INFO_NULL,
};
