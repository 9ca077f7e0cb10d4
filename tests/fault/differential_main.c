/* make differential: random calls on both disks. SEED=, N= and DIR= choose which. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "fault/rng.h"
#include "tests/support/arguments.h"
#include "tests/support/differential.h"

struct request {
    uint64_t seed, count;
    const char *scratch;
};

static const char help[] =
    "usage: differential [--seed N] [--count N] [--dir DIRECTORY]\n"
    "  --seed   of the first sequence; default: another one each time, printed\n"
    "  --count  sequences to run; default 1000000; 1 prints every call\n"
    "  --dir    where the real files lie; default /dev/shm\n";

/* False: the arguments are wrong, which was said. */
static bool read_arguments(int argc, char **argv, struct request *r)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},
        {"count", required_argument, NULL, 'n'},
        {"dir", required_argument, NULL, 'd'},
        {NULL, 0, NULL, 0},
    };
    *r = (struct request){rng_os_seed() >> 16, 1000000, "/dev/shm"};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        bool good = o != '?';
        if (o == 's')
            good = arguments_number("--seed (SEED=)", optarg, 0, UINT64_MAX, &r->seed);
        if (o == 'n')
            good = arguments_number("--count (N=)", optarg, 1, UINT64_MAX, &r->count);
        if (o == 'd') r->scratch = optarg;
        if (!good) return false;
    }
    return arguments_end(argc, argv, optind);
}

int main(int argc, char **argv)
{
    struct differential d = {0};
    struct request r;
    if (!read_arguments(argc, argv, &r)) {
        fputs(help, stderr);
        return 2;
    }
    d.verbose = r.count == 1;
    printf("seeds from %" PRIu64 "; this run again: make differential SEED=%" PRIu64
           " N=%" PRIu64 "\n",
           r.seed, r.seed, r.count);
    fflush(stdout);
    if (!differential_run(&d, r.scratch, r.seed, r.count, r.count / 50)) {
        fprintf(stderr, "cannot work in %s; try DIR=/tmp\n", r.scratch);
        return 1;
    }
    printf("\ndifferential: %" PRIu64 " sequences, %" PRIu64 " calls, %" PRIu64
           " failed\n",
           d.sequences, d.calls, d.failures);
    return d.failures != 0;
}
