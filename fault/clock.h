/* clock.h - time, real or moved by hand.
 *
 * Flow:    engine, server > clock_*() > struct clock > the OS | a test's hand
 * Threads: clock_real() by all; a manual clock by one.
 * Tests:   tests/fault/clock_test.c
 */
#ifndef FAULT_CLOCK_H
#define FAULT_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*wall_ms)(struct clock *); /* milliseconds since 1970; may step back */
    int64_t (*mono_us)(struct clock *); /* microseconds since some start; never back */
};

struct clock *clock_real(void);

static inline int64_t clock_wall_ms(struct clock *c)
{
    return c->wall_ms(c);
}
static inline int64_t clock_mono_us(struct clock *c)
{
    return c->mono_us(c);
}

/* A clock that stands still until a test moves it. */
struct clock_manual {
    struct clock clock; /* give this to the code under test */
    int64_t wall_ms;
    int64_t mono_us;
};
void clock_manual_init(struct clock_manual *c, int64_t wall_ms);
/* Moves both times forward. To step the wall clock back write to wall_ms. */
void clock_manual_advance(struct clock_manual *c, int64_t ms);

#endif
