#include "fault/clock.h"

#include <assert.h>
#include <time.h>

/* ---- real ---- */

static int64_t real_wall_ms(struct clock *c)
{
    (void)c;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t real_mono_us(struct clock *c)
{
    (void)c;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct clock *clock_real(void)
{
    static struct clock real = {real_wall_ms, real_mono_us};
    return &real;
}

/* ---- moved by hand ---- */

static int64_t manual_wall_ms(struct clock *c)
{
    return ((struct clock_manual *)c)->wall_ms;
}

static int64_t manual_mono_us(struct clock *c)
{
    return ((struct clock_manual *)c)->mono_us;
}

void clock_manual_init(struct clock_manual *c, int64_t wall_ms)
{
    *c = (struct clock_manual){
        .clock = {manual_wall_ms, manual_mono_us},
        .wall_ms = wall_ms,
    };
}

void clock_manual_advance(struct clock_manual *c, int64_t ms)
{
    assert(ms >= 0);
    c->wall_ms += ms;
    c->mono_us += ms * 1000;
}
