/* target.h - what a fuzz target is: one function that is given one input.
 *
 * The same file is built three ways: by afl-clang-fast as a persistent AFL++ target, by
 * clang as a libFuzzer binary, and with replay.c as a program that plays files.
 * A target aborts when a claim does not hold; sanitizers report the rest.
 */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <sanitizer/asan_interface.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What lies behind the end of some bytes may not be looked at: cheaper than a block of
 * exactly their size. Nothing without AddressSanitizer. */
static inline void fence(void *at, size_t n)
{
    ASAN_POISON_MEMORY_REGION(at, n);
    (void)at, (void)n;
}
static inline void unfence(void *at, size_t n)
{
    ASAN_UNPOISON_MEMORY_REGION(at, n);
    (void)at, (void)n;
}

#define CLAIM(cond)                                                                      \
    do {                                                                                 \
        if (!(cond)) {                                                                   \
            fprintf(stderr, "%s:%d: claim does not hold: %s\n", __FILE__, __LINE__,      \
                    #cond);                                                              \
            abort();                                                                     \
        }                                                                                \
    } while (0)

#endif
