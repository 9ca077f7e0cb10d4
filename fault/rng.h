/* rng.h - seeded random numbers: the same seed gives the same numbers everywhere.
 *
 * Algorithm: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
 *            generators", OOPSLA 2014). Not for secrets.
 * Tests:     tests/fault/rng_test.c
 */
#ifndef FAULT_RNG_H
#define FAULT_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state;
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* Uniform in [0, bound); bound > 0. */
uint64_t rng_below(struct rng *r, uint64_t bound);
/* A seed that differs from run to run, for programs that print it. */
uint64_t rng_os_seed(void);

#endif
