/* bench_points.c - what a fault point costs while nothing is armed.
 *
 * Calls the cheapest disk there is with and without a question in front of it and prints
 * the difference: nanoseconds per disabled point. Exit code 1 from 2 ns on.
 * Built with FIU_ENABLE (make bench-points); without it there is nothing to measure. */
#include <stdio.h>
#include <stdlib.h>

#include "fault/clock.h"
#include "fault/disk.h"
#include "fault/points.h"

#define CALLS    50000000
#define REPEATS  7
#define LIMIT_NS 2.0

#ifndef FIU_ENABLE
#error "build with FIU_ENABLE"
#endif

static int null_sync(struct disk_file *file, enum disk_sync_mode mode, enum site site)
{
    (void)file, (void)mode, (void)site;
    return 0;
}

static const struct disk_ops null_ops = {.sync = null_sync};

__attribute__((noinline)) static int sync_plain(struct disk_file *file, enum site site)
{
    return file->disk->ops->sync(file, DISK_SYNC_DATA, site);
}

__attribute__((noinline)) static int sync_asked(struct disk_file *file, enum site site)
{
    struct fault f = fault_at_site(CALL_SYNC, site);
    if (fault_answers(f)) return -f.error;
    return fault_then(f, file->disk->ops->sync(file, DISK_SYNC_DATA, site));
}

/* Nanoseconds per call, the best of all repeats so far: noise only ever adds. */
static double measure(int (*call)(struct disk_file *, enum site), double best)
{
    struct disk disk = {&null_ops};
    struct disk_file file = {&disk, KIND_WAL};
    int sum = 0;
    int64_t start_us = clock_mono_us(clock_real());
    for (int i = 0; i < CALLS; i++)
        sum |= call(&file, SITE_WAL_SYNC);
    int64_t spent_us = clock_mono_us(clock_real()) - start_us;
    if (sum) abort();
    double ns = (double)spent_us * 1000 / CALLS;
    return ns < best ? ns : best;
}

int main(void)
{
    double plain = 1e9, asked = 1e9;
    for (int i = 0; i < REPEATS; i++) {
        plain = measure(sync_plain, plain);
        asked = measure(sync_asked, asked);
    }
    double cost = asked > plain ? asked - plain : 0;
    printf("call without a point   %6.3f ns\n", plain);
    printf("call with a point      %6.3f ns\n", asked);
    printf("bench-points: %.3f ns per disabled point, limit %.1f ns, %s\n", cost,
           LIMIT_NS, cost < LIMIT_NS ? "ok" : "FAILED");
    return cost >= LIMIT_NS;
}
