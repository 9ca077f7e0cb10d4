/* What is proved on the simulated disk holds for the real one only if a store makes the
 * same calls on both. One tape is played on each, and the traces must be equal: site by
 * site, name by name, byte by byte, answer by answer. */
#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault/disk_posix.h"
#include "proptests/play.h"
#include "tests/support/simworld.h"

#define OPERATIONS 120
#define ROOM       (OPERATIONS * 12)

/* Plays the tape on a traced disk. No failures, no crashes: the real disk has neither. */
static void play_on(struct disk_trace *trace, const uint8_t *tape, size_t size,
                    enum sync_policy policy)
{
    struct options o;
    struct clock_manual clock;
    struct sched *sched = sched_inline_new(mem_libc());
    clock_manual_init(&clock, SIMWORLD_WALL_MS);
    simworld_tiny_options(&o);
    o.sync = policy;
    struct play_world world = {.env = {.disk = disk_trace_disk(trace),
                                       .clock = &clock.clock,
                                       .mem = mem_libc(),
                                       .sched = sched},
                               .clock = &clock,
                               .dir = SIMWORLD_STORE};
    struct play p;
    play_init(&p, &world, &o);
    play_tape(&p, tape, size);
    play_finish(&p);
    CHECK_TEXT(p.problem, "");
    play_deinit(&p);
    sched_free(sched);
}

static void print_call(const char *who, const struct disk_trace *t, long i)
{
    char line[300] = "(nothing)";
    if ((size_t)i < disk_trace_count(t)) disk_trace_text(t, (size_t)i, line, sizeof line);
    printf("  %-10s %s\n", who, line);
}

/* Returns the number of calls when both disks saw the same, else 0. */
static size_t same_calls(uint64_t seed, enum sync_policy policy)
{
    char path[] = "/tmp/same_trace_test.XXXXXX", command[128];
    uint8_t tape[ROOM];
    size_t size = tape_random(seed, OPERATIONS, tape, sizeof tape);
    struct disk *real;
    struct disk_trace *on_real, *on_sim;
    struct disk *sim;
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    REQUIRE(mkdtemp(path) != NULL);
    REQUIRE_INT(disk_posix_new(mem_libc(), path, &real), 0);
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &sim), 0);
    REQUIRE_INT(disk_trace_new(mem_libc(), real, &on_real), 0);
    REQUIRE_INT(disk_trace_new(mem_libc(), sim, &on_sim), 0);

    play_on(on_real, tape, size, policy);
    play_on(on_sim, tape, size, policy);

    long first = disk_trace_difference(on_real, on_sim);
    size_t calls = first < 0 ? disk_trace_count(on_sim) : 0;
    if (first >= 0) {
        printf("  seed %llu, policy %d:\n", (unsigned long long)seed, (int)policy);
        print_call("real", on_real, first);
        print_call("simulated", on_sim, first);
    }
    disk_trace_free(on_real);
    disk_trace_free(on_sim);
    disk_posix_free(real);
    disk_sim_free(sim);
    snprintf(command, sizeof command, "rm -rf %s", path);
    CHECK_INT(system(command), 0);
    return calls;
}

static void both_disks_see_the_same_calls(void)
{
    size_t total = 0;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        size_t calls = same_calls(seed, (enum sync_policy)(seed % 3));
        CHECK(calls > 0);
        total += calls;
    }
    printf("     6 tapes, %zu mutating calls, the same on both disks\n", total);
    CHECK(total > 1000);
}

CU_TestInfo engine_same_trace_tests[] = {
    {"both_disks_see_the_same_calls", both_disks_see_the_same_calls},
    CU_TEST_INFO_NULL,
};
