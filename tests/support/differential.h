/* differential.h - random calls on the simulated and on the real disk, side by side.
 *
 * Flow:   disk_differential_test.c, differential_main.c > differential_run > both disks
 * Owns:   a scratch directory that it makes and removes.
 * Tests:  tests/fault/disk_differential_test.c
 *
 * A proof on the simulated disk is worth what the simulated disk is worth: every call must
 * return the same, fail with the same errno, and leave the same names and bytes.
 */
#ifndef TESTS_SUPPORT_DIFFERENTIAL_H
#define TESTS_SUPPORT_DIFFERENTIAL_H

#include <stdbool.h>
#include <stdint.h>

struct differential {
    uint64_t sequences, calls, failures; /* done so far */
    uint64_t succeeded;                  /* calls that returned 0: most should */
    bool verbose;                        /* print every call */
};

/* Runs the sequences with the seeds seed, seed + 1, ... in a new directory below `scratch`
 * and prints the first call that differs in each. A dot of progress every so many, when
 * `progress` is not 0. False when the directory cannot be made. */
bool differential_run(struct differential *d, const char *scratch, uint64_t seed,
                      uint64_t sequences, uint64_t progress);

#endif
