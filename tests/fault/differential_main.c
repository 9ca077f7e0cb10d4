/* make differential: random calls on both disks. SEED= and N= choose which. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault/rng.h"
#include "tests/support/differential.h"

int main(int argc, char **argv)
{
    struct differential d = {0};
    const char *scratch = "/dev/shm";
    uint64_t seed = rng_os_seed() >> 16, n = 1000000;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--seed")) seed = strtoull(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--count")) n = strtoull(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--dir")) scratch = argv[i + 1];
    }
    d.verbose = n == 1;
    printf("seed %" PRIu64 "; one sequence again: make differential SEED=... N=1\n",
           seed);
    fflush(stdout);
    if (!differential_run(&d, scratch, seed, n, n / 50)) {
        fprintf(stderr, "cannot work in %s; try DIR=/tmp\n", scratch);
        return 1;
    }
    printf("\ndifferential: %" PRIu64 " sequences, %" PRIu64 " calls, %" PRIu64
           " failed\n",
           d.sequences, d.calls, d.failures);
    return d.failures != 0;
}
