#include "fault/rng.h"

#include <stdlib.h>

void rng_init(struct rng *r, uint64_t seed)
{
    r->state = seed;
}

uint64_t rng_next(struct rng *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
    /* Reject the numbers above the last whole multiple of bound: no bias. Hardly any number
     * is near enough to the end to be worth the division that tells. */
    uint64_t x;
    do
        x = rng_next(r);
    while (x > UINT64_MAX - bound && x >= UINT64_MAX - UINT64_MAX % bound);
    return x % bound;
}

uint64_t rng_os_seed(void)
{
    uint64_t seed;
    arc4random_buf(&seed, sizeof seed);
    return seed;
}
