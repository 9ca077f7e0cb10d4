/* tapes - plays random tapes until somebody stops it, or one tape of a token.
 *
 * A run is named by its first seed and repeats exactly. The exit code is 0 when every
 * tape ended well. */
#include <CUnit/CUnit.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fault/rng.h"
#include "tests/support/arguments.h"
#include "tests/support/playstage.h"

#define FAILURES_ENOUGH 3
#define CHUNK           500 /* tapes between two progress lines */

struct request {
    uint64_t seed;
    uint64_t count, operations;
    int policy; /* -1: all in turn */
    struct playstage stage;
    const char *token; /* replay this instead */
    int failed;
};

static struct request request; /* CUnit's functions take no argument */

static const char help[] =
    "usage: tapes [--seed N] [--count N] [--operations N] [--policy always|everysec|no]\n"
    "             [--coroutines] [--usual] [--replay TOKEN]\n"
    "  --seed        of the first tape; default: another one each time, printed\n"
    "  --count       tapes to play; default 10000\n"
    "  --operations  of each tape; default 120\n"
    "  --policy      of the stores; default: each in turn\n"
    "  --coroutines  background jobs under random schedules\n"
    "  --usual       blocks and tables of usual sizes instead of tiny ones\n"
    "  --replay      plays the tape that a failure was named by\n";

static void play_all(void)
{
    struct request *r = &request;
    uint64_t done = 0;
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (uint64_t seed = r->seed; done < r->count && r->failed < FAILURES_ENOUGH;) {
        unsigned n = r->count - done < CHUNK ? (unsigned)(r->count - done) : CHUNK;
        r->stage.policy =
            (enum sync_policy)(r->policy < 0 ? (int)(seed / CHUNK % 3) : r->policy);
        r->failed += playstage_random(r->stage, seed, n, r->operations);
        done += n;
        seed += n;
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    double s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
    printf(
        "tapes: %llu tapes of %llu operations from seed %llu, %.0f a second, %d failed\n",
        (unsigned long long)done, (unsigned long long)r->operations,
        (unsigned long long)r->seed, (double)done / s, r->failed);
}

static void replay(void)
{
    bool known;
    if (playstage_replay(request.token, &known)) return;
    if (!known) printf("this is no token: %s\n", request.token);
    request.failed++;
}

static int policy_of(const char *text)
{
    if (!strcmp(text, "always")) return SYNC_ALWAYS;
    if (!strcmp(text, "everysec")) return SYNC_EVERYSEC;
    return strcmp(text, "no") ? -2 : SYNC_NO;
}

/* False: the arguments are wrong, or help was asked for. */
static bool read_arguments(int argc, char **argv, struct request *r)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},
        {"count", required_argument, NULL, 'n'},
        {"operations", required_argument, NULL, 'o'},
        {"policy", required_argument, NULL, 'p'},
        {"coroutines", no_argument, NULL, 'c'},
        {"usual", no_argument, NULL, 'u'},
        {"replay", required_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    *r = (struct request){.seed = rng_os_seed() % 1000000000,
                          .count = 10000,
                          .operations = 120,
                          .policy = -1};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        bool good = true;
        if (o == 's')
            good = arguments_number("--seed", optarg, 0, UINT64_MAX, &r->seed);
        else if (o == 'n')
            good = arguments_number("--count", optarg, 1, UINT64_MAX, &r->count);
        else if (o == 'o')
            good =
                arguments_number("--operations", optarg, 1, UINT64_MAX, &r->operations);
        else if (o == 'p')
            r->policy = policy_of(optarg);
        else if (o == 'c')
            r->stage.coroutines = true;
        else if (o == 'u')
            r->stage.usual = true;
        else if (o == 'r')
            r->token = optarg;
        else
            return false;
        if (!good) return false;
    }
    if (r->policy == -2) fputs("--policy: always, everysec or no\n", stderr);
    return arguments_end(argc, argv, optind) && r->policy != -2;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!read_arguments(argc, argv, &request)) {
        fputs(help, stderr);
        return 2;
    }
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("tapes", NULL, NULL);
    CU_run_test(suite, CU_add_test(suite, "tapes", request.token ? replay : play_all));
    int bad = request.failed || CU_get_number_of_failures();
    CU_cleanup_registry();
    return bad ? 1 : 0;
}
