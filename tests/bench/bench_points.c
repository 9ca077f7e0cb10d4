/* bench_points.c - what a fault point costs while nothing is armed.
 *
 * A loop is run with and without a question in each of its rounds; the difference of the
 * best times is printed, in nanoseconds per disabled point. Exit code 1 from 2 ns on.
 * Built with FIU_ENABLE (make bench-points); without it there is nothing to measure. */
#include <stdio.h>

#include "fault/clock.h"
#include "fault/points.h"

#define ROUNDS   100000000
#define REPEATS  7
#define LIMIT_NS 2.0

/* One round of work that the compiler cannot take out or merge with the next. */
static inline void work(void)
{
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) static int run_plain(void)
{
    for (int i = 0; i < ROUNDS; i++)
        work();
    return 0;
}

__attribute__((noinline)) static int run_asked(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct fault f = fault_at_site(CALL_SYNC, SITE_WAL_SYNC);
        if (fault_answers(f)) return -f.error;
        work();
    }
    return 0;
}

/* Nanoseconds per round; the least of all repeats, for noise only ever adds. */
static double measure(int (*run)(void), double least)
{
    int64_t start_us = clock_mono_us(clock_real());
    int e = run();
    int64_t spent_us = clock_mono_us(clock_real()) - start_us;
    double ns = e ? 1e9 : (double)spent_us * 1000 / ROUNDS;
    return ns < least ? ns : least;
}

int main(void)
{
#ifndef FIU_ENABLE
    puts("bench-points: this build has no points (FIU_ENABLE), 1 failed");
    return 1;
#endif
    double plain = 1e9, asked = 1e9;
    for (int i = 0; i < REPEATS; i++) {
        plain = measure(run_plain, plain);
        asked = measure(run_asked, asked);
    }
    double cost = asked - plain;
    int failed = cost >= LIMIT_NS;
    printf("round without a point  %6.3f ns\n", plain);
    printf("round with a point     %6.3f ns\n", asked);
    printf("a disabled point costs %6.3f ns, limit %.1f ns\n", cost, LIMIT_NS);
    printf("bench-points: %d rounds, %d failed\n", ROUNDS, failed);
    return failed;
}
