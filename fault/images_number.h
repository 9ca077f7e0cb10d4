/* images_number.h - numbers of images, which soon outgrow 64 bits.
 *
 * Flow:    images_count.c, images_lazy.c > here
 * Owns:    nothing: values.
 * Tests:   tests/fault/images_lazy_test.c
 *
 * A number is kept in two ways: as it is as long as it fits, and as its remainder by the
 * prime 2^61 - 1. Two calculations of one number that went different ways and agree in
 * both agree, but for an accident of 1 in 2^61.
 */
#ifndef FAULT_IMAGES_NUMBER_H
#define FAULT_IMAGES_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#define IMAGES_COUNT_MAX UINT64_MAX /* "this many or more" */
#define IMAGES_PRIME     ((UINT64_C(1) << 61) - 1)

struct images_number {
    uint64_t exact;   /* IMAGES_COUNT_MAX: too many */
    uint64_t residue; /* modulo IMAGES_PRIME */
    double about;     /* for people */
};

static inline struct images_number number_of(uint64_t n)
{
    return (struct images_number){n, n % IMAGES_PRIME, (double)n};
}

static inline struct images_number number_plus(struct images_number a,
                                               struct images_number b)
{
    struct images_number sum = {.residue = (a.residue + b.residue) % IMAGES_PRIME,
                                .about = a.about + b.about};
    if (__builtin_add_overflow(a.exact, b.exact, &sum.exact))
        sum.exact = IMAGES_COUNT_MAX;
    return sum;
}

static inline struct images_number number_times(struct images_number a,
                                                struct images_number b)
{
    unsigned __int128 wide = (unsigned __int128)a.residue * b.residue;
    uint64_t folded = ((uint64_t)wide & IMAGES_PRIME) + (uint64_t)(wide >> 61);
    struct images_number product = {.residue = folded % IMAGES_PRIME,
                                    .about = a.about * b.about};
    if (__builtin_mul_overflow(a.exact, b.exact, &product.exact))
        product.exact = IMAGES_COUNT_MAX;
    return product;
}

static inline bool number_equal(struct images_number a, struct images_number b)
{
    return a.exact == b.exact && a.residue == b.residue;
}

#endif
