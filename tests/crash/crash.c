/* crash.c - the program behind `make crash`; docs/crash-testing.md tells how to use it.
 *
 *   crash                       every live scenario, all crashes
 *   crash --replay TOKEN        one crash again      crash --explain TOKEN   in words */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/crash/failure.h"
#include "tests/crash/report.h"
#include "tests/crash/trace.h"
#include "tests/support/arguments.h"

#define ROWS_MAX 1024

struct arguments {
    struct explore_options options;
    const char *scenario, *json, *replay, *explain, *trace;
    uint64_t skip_every, random;
    bool list, quiet, passes[PASS_COUNT], canary, first, fine;
    unsigned jobs;
};

#define PREEMPTIONS 256 /* an option without a letter */

static const struct option longs[] = {
    {"scenario", required_argument, NULL, 's'},
    {"profile", required_argument, NULL, 'p'},
    {"pass", required_argument, NULL, 'P'},
    {"spare", required_argument, NULL, 'v'},
    {"depth", required_argument, NULL, 'd'},
    {"seed", required_argument, NULL, 'S'},
    {"shard", required_argument, NULL, 'h'},
    {"jobs", required_argument, NULL, 'j'},
    {"json", required_argument, NULL, 'J'},
    {"list", no_argument, NULL, 'l'},
    {"quiet", no_argument, NULL, 'q'},
    {"replay", required_argument, NULL, 'r'},
    {"explain", required_argument, NULL, 'e'},
    {"silence", required_argument, NULL, 'x'},
    {"seconds", required_argument, NULL, 't'},
    {"walk", required_argument, NULL, 'w'},
    {"samples", required_argument, NULL, 'n'},
    {"inner", required_argument, NULL, 'i'},
    {"no-canary", no_argument, NULL, 'C'},
    {"first", no_argument, NULL, 'f'},
    {"fine", no_argument, NULL, 'F'},
    {"trace", required_argument, NULL, 'T'},
    {"random", required_argument, NULL, 'R'},
    {"skip-every", required_argument, NULL, 'k'},
    {"deviations", required_argument, NULL, 'D'},
    {"preemptions", required_argument, NULL, PREEMPTIONS},
    {NULL, 0, NULL, 0},
};

static void usage(void)
{
    fprintf(
        stderr,
        "usage: crash [--scenario NAME] [--pass cuts|torn|deep|server|interleave]...\n"
        "             [--profile W|J|O|V [--spare sectors|zeros|renames]...]\n"
        "             [--depth N] [--seed N] [--shard I/N] [--jobs N] [--json FILE]\n"
        "             [--walk N] [--deviations N] [--samples N] [--inner N]\n"
        "             [--seconds N] [--silence ORACLE]... [--random N]\n"
        "             [--preemptions N] [--quiet] [--no-canary] [--first] [--fine]\n"
        "       crash --list | --trace FILE [--skip-every N] | --replay TOKEN | "
        "--explain TOKEN\n");
    exit(2);
}

static uint64_t number(const char *text)
{
    uint64_t n = 0;
    if (!arguments_number("a number", text, 0, UINT64_MAX, &n)) usage();
    return n;
}

static unsigned small_number(const char *text)
{
    uint64_t n = 0;
    if (!arguments_number("a number", text, 0, UINT_MAX, &n)) usage();
    return (unsigned)n;
}

static void parse_profile(struct arguments *a, const char *text)
{
    for (unsigned p = 0; p < DISK_PROFILES; p++)
        if (text[0] == disk_profile_letter((enum disk_profile)p) && !text[1]) {
            a->options.profile = (enum disk_profile)p;
            return;
        }
    usage();
}

/* Profile V without one of the three things that it adds to W. */
static void parse_spared(struct arguments *a, const char *text)
{
    static const struct {
        const char *name;
        enum disk_rule rule;
    } parts[] = {{"sectors", DISK_R6}, {"zeros", DISK_R7}, {"renames", DISK_R10}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strcmp(text, parts[i].name)) {
            a->options.spared |= DISK_KINDER(parts[i].rule);
            return;
        }
    usage();
}

static void parse_pass(struct arguments *a, const char *text)
{
    for (unsigned p = 0; p < PASS_COUNT; p++)
        if (!strcmp(text, pass_name((enum pass)p))) {
            a->passes[p] = true;
            return;
        }
    usage();
}

static void parse_shard(struct arguments *a, const char *text)
{
    unsigned i, n;
    char more;
    if (sscanf(text, "%u/%u%c", &i, &n, &more) != 2 || n == 0 || i >= n) usage();
    a->options.shard = i;
    a->options.shards = n;
}

static void silence(struct arguments *a, const char *text)
{
    enum oracle o = oracle_find(text);
    if (o == ORACLE_NONE) usage();
    a->options.silenced |= 1u << o;
}

static void parse(int argc, char **argv, struct arguments *a)
{
    int c;
    *a = (struct arguments){.jobs = 1, .canary = true};
    explore_options_init(&a->options);
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 's': a->scenario = optarg; break;
        case 'p': parse_profile(a, optarg); break;
        case 'v': parse_spared(a, optarg); break;
        case 'P': parse_pass(a, optarg); break;
        case 'd': a->options.levels = small_number(optarg); break;
        case 'S': a->options.seed = number(optarg); break;
        case 'h': parse_shard(a, optarg); break;
        case 'j': a->jobs = small_number(optarg); break;
        case 'J': a->json = optarg; break;
        case 'l': a->list = true; break;
        case 'q': a->quiet = true; break;
        case 'r': a->replay = optarg; break;
        case 'e': a->explain = optarg; break;
        case 'x': silence(a, optarg); break;
        case 't': a->options.seconds = (double)number(optarg); break;
        case 'w': a->options.walk_max = number(optarg); break;
        case 'i': a->options.inner_max = number(optarg); break;
        case 'R': a->random = number(optarg); break;
        case 'D': a->options.deviations = small_number(optarg); break;
        case 'n': a->options.samples = number(optarg); break;
        case PREEMPTIONS: a->options.preemptions = small_number(optarg); break;
        case 'C': a->canary = false; break;
        case 'f': a->first = true; break;
        case 'F': a->fine = true; break;
        case 'T': a->trace = optarg; break;
        case 'k': a->skip_every = number(optarg); break;
        default: usage();
        }
    }
    if (optind != argc || a->jobs == 0 || a->jobs > CAMPAIGN_JOBS_MAX) usage();
}

static int list(void)
{
    unsigned live = 0;
    for (size_t i = 0; i < scenario_count; i++) {
        const struct scenario *s = &scenarios[i];
        printf("%-21s %s%s", s->name, s->dialogue ? "server: " : "", s->purpose);
        if (s->waiting) printf(" (waits for %s)", s->waiting);
        printf("\n");
        live += !s->waiting;
    }
    printf("%u live, %zu waiting\n", live, scenario_count - live);
    return 0;
}

static int trace(const struct arguments *a)
{
    FILE *out = strcmp(a->trace, "-") ? fopen(a->trace, "w") : stdout;
    if (!out) {
        fprintf(stderr, "crash: cannot write %s\n", a->trace);
        return 2;
    }
    for (size_t i = 0; i < scenario_count; i++)
        if (!scenarios[i].waiting && !scenarios[i].scheduled && !scenarios[i].copies &&
            (!a->scenario || !strcmp(a->scenario, scenarios[i].name)))
            trace_scenario(out, &scenarios[i], a->skip_every, a->options.walk_max);
    return fflush(out) ? 2 : 0;
}

/* A store whose log is never synced must be caught, or nothing that this program says is
 * worth anything. */
static bool canary_dies(void)
{
    struct explore_options o;
    explore_options_init(&o);
    o.drop = SITE_WAL_SYNC;
    struct explorer *x = explorer_new(scenario_find("put-always"), &o);
    bool caught = !explore(x, NULL, 0);
    explorer_free(x);
    return caught;
}

/* Random tapes, each in the geometry and after the beginning of a live scenario. */
static void plan_random(struct campaign *c, const struct arguments *a)
{
    for (uint64_t i = 0; c->row_count < ROWS_MAX && i < a->random; i++) {
        uint64_t seed = a->options.seed + i;
        uint32_t scenario = (uint32_t)(seed % scenario_count);
        const struct scenario *s = &scenarios[scenario];
        if (!s->tape || s->scheduled || s->copies) scenario = 1;
        campaign_add(c, scenario, seed % 2 ? PASS_CUTS : PASS_TORN)->seed = seed;
    }
    printf("seeds %llu to %llu; go on with --seed %llu\n",
           (unsigned long long)a->options.seed,
           (unsigned long long)(a->options.seed + a->random - 1),
           (unsigned long long)(a->options.seed + a->random));
}

static void plan_rows(struct campaign *c, const struct arguments *a)
{
    bool any = false;
    if (a->random) {
        plan_random(c, a);
        return;
    }
    for (unsigned p = 0; p < PASS_COUNT; p++)
        any = any || a->passes[p];
    for (unsigned p = 0; p < PASS_COUNT; p++) {
        /* Some passes take minutes: by their name, or a scenario's. */
        bool brief = p == PASS_CUTS || p == PASS_TORN || (p != PASS_DEEP && a->scenario);
        if (any ? !a->passes[p] : !brief) continue;
        for (uint32_t i = 0; i < scenario_count; i++) {
            const struct scenario *s = &scenarios[i];
            if (s->waiting || (a->scenario && strcmp(a->scenario, s->name))) continue;
            if ((s->dialogue != NULL) != (p == PASS_SERVER)) continue;
            if (s->scheduled != (p == PASS_INTERLEAVE)) continue;
            if (s->copies && p == PASS_DEEP) continue; /* it keeps one directory only */
            campaign_add(c, i, (enum pass)p);
        }
    }
}

int main(int argc, char **argv)
{
    struct arguments a;
    parse(argc, argv, &a);
    if (a.list) return list();
    if (a.trace) return trace(&a);
    if (a.replay) return failure_replay(a.replay, &a.options);
    if (a.explain) return failure_explain(a.explain, &a.options);
    struct campaign c;
    campaign_init(&c, ROWS_MAX);
    c.options = a.options;
    c.jobs = a.jobs;
    c.quiet = a.quiet;
    c.first = a.first;
    c.fine = a.fine;
    plan_rows(&c, &a);
    if (c.row_count == 0) {
        fprintf(stderr, "crash: no live scenario of that name; see --list\n");
        return 2;
    }
    bool canary = !a.canary || canary_dies();
    campaign_run(&c, report_progress);
    report_table(&c);
    report_oracles(&c);
    unsigned violations = report_violations(&c);
    bool written = !a.json || report_json(&c, a.json) == 0;
    if (!written) fprintf(stderr, "crash: cannot write %s\n", a.json);
    if (!canary) printf("the canary lives: a store without syncs was not caught\n");
    report_last_line(&c);
    campaign_deinit(&c);
    return violations || !canary || !written ? 1 : 0;
}
