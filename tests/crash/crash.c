/* crash.c - the program behind `make crash`; docs/crash-testing.md tells how to use it.
 *
 *   crash                       every live scenario, all crashes
 *   crash --replay TOKEN        one crash again      crash --explain TOKEN   in words */
#include <errno.h>
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

#define PREEMPTIONS   256 /* an option without a letter */
#define LETTERS       257
#define CANARY_CAUGHT 99 /* an exit code that no sanitizer has */

struct arguments {
    struct explore_options options;
    const char *scenario, *json, *replay, *explain, *trace;
    uint64_t skip_every, random;
    bool list, quiet, passes[PASS_COUNT], canary, first, fine;
    unsigned jobs;
    const char *given[LETTERS]; /* names of options, by their letters */
};

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
    {"help", no_argument, NULL, 'H'},
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

static const char help[] =
    "usage: crash [OPTION]...           explores; exit 1 when something is wrong\n"
    "       crash --list                scenarios, and what each is for\n"
    "       crash --replay TOKEN        one crash again; exit 1 while it still fails\n"
    "       crash --explain TOKEN       the same in words\n"
    "       crash --trace FILE          calls and windows for count.py; \"-\": here\n"
    "\n"
    "What is explored:\n"
    "  --scenario NAME   this one; without it all that are live\n"
    "  --pass PASS       cuts, torn, deep, server or interleave; may be repeated.\n"
    "                    None: cuts and torn; of a --scenario all that fit but deep\n"
    "  --random N        N random tapes in place of scenarios, from --seed on\n"
    "  --profile P       kind of disk: W (without it), J, O or V; --replay and\n"
    "                    --explain need it, too\n"
    "  --spare PART      profile V without sectors, zeros or renames; may be repeated\n"
    "  --shard I/N       one part of N of all images and kills, I from 0\n"
    "  --silence ORACLE  is not asked; may be repeated\n"
    "\n"
    "How far:\n"
    "  --walk N          windows of more images than N are sampled (1048576; torn: at\n"
    "                    most 65536)\n"
    "  --deviations N    sampled: all images that differ in at most N places from none\n"
    "                    survived, all survived, and each prefix (1)\n"
    "  --samples N       sampled: and N random ones (20000)\n"
    "  --inner N         the same as --walk for windows inside recoveries (4096; the\n"
    "                    passes deep and interleave have a bound of their own)\n"
    "  --depth N         deep: follow at most N crashes inside each other; 0 (without\n"
    "                    it): until no image is new\n"
    "  --preemptions N   interleave: of one schedule, at most (2)\n"
    "  --fine            deep and interleave: chunks of 64 bytes instead of 512;\n"
    "                    --replay and --explain need it, too\n"
    "  --seconds N       of processor time for each line of the table; 0 (without it):\n"
    "                    no limit\n"
    "  --seed N          of random images and random tapes (1)\n"
    "  --first           end everything at the first violation\n"
    "\n"
    "How:\n"
    "  --jobs N          processes (1)\n"
    "  --json FILE       the table for programs\n"
    "  --quiet           no progress\n"
    "  --no-canary       do not try first whether a store without syncs is caught\n"
    "  --skip-every N    --trace: leave out each Nth image, which count.py must notice\n"
    "  --help            this text\n";

static void refuse(void)
{
    fprintf(stderr, "`crash --help` explains every option\n");
    exit(2);
}

static void refuse_word(const char *name, const char *text, const char *right)
{
    fprintf(stderr, "%s: \"%s\" is not %s\n", name, text, right);
    refuse();
}

static uint64_t number(const char *name, const char *text, uint64_t min, uint64_t max)
{
    uint64_t n = 0;
    if (!arguments_number(name, text, min, max, &n)) refuse();
    return n;
}

static unsigned small_number(const char *name, const char *text)
{
    return (unsigned)number(name, text, 0, UINT_MAX);
}

static void parse_profile(struct arguments *a, const char *text)
{
    for (unsigned p = 0; p < DISK_PROFILES; p++)
        if (text[0] == disk_profile_letter((enum disk_profile)p) && !text[1]) {
            a->options.profile = (enum disk_profile)p;
            return;
        }
    refuse_word("--profile", text, "W, J, O or V");
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
    refuse_word("--spare", text, "sectors, zeros or renames");
}

static void parse_pass(struct arguments *a, const char *text)
{
    for (unsigned p = 0; p < PASS_COUNT; p++)
        if (!strcmp(text, pass_name((enum pass)p))) {
            a->passes[p] = true;
            return;
        }
    refuse_word("--pass", text, "cuts, torn, deep, server or interleave");
}

static void parse_shard(struct arguments *a, const char *text)
{
    unsigned i, n;
    char more;
    if (sscanf(text, "%u/%u%c", &i, &n, &more) != 2 || n == 0 || i >= n)
        refuse_word("--shard", text, "I/N with I from 0 to N - 1");
    a->options.shard = i;
    a->options.shards = n;
}

static void silence(struct arguments *a, const char *text)
{
    enum oracle o = oracle_find(text);
    if (o == ORACLE_NONE)
        refuse_word("--silence", text, "an oracle; docs/crash-testing.md names them");
    a->options.silenced |= 1u << o;
}

static void choose_scenario(struct arguments *a, const char *text)
{
    if (a->scenario) {
        fprintf(stderr, "--scenario: \"%s\" is the second one; give one or none\n", text);
        refuse();
    }
    if (!scenario_find(text)) refuse_word("--scenario", text, "in the list; see --list");
    a->scenario = text;
}

/* ---- what goes with what ---- */

/* What the program can be asked to do; a set says for which of it an option is of use. */
enum {
    DO_EXPLORE = 1,
    DO_RANDOM = 2,
    DO_TRACE = 4,
    DO_TOKEN = 8, /* --replay, --explain */
    DO_LIST = 16,
    DO_ANY = 31
};

static unsigned deed_of(int letter)
{
    switch (letter) {
    case 'R': return DO_RANDOM;
    case 'T': return DO_TRACE;
    case 'r':
    case 'e': return DO_TOKEN;
    case 'l': return DO_LIST;
    default: return 0;
    }
}

static unsigned deeds_with(int letter)
{
    switch (letter) {
    case 'j': /* these three say how, not what */
    case 'q':
    case 'C': return DO_ANY;
    case 's': return DO_EXPLORE | DO_TRACE;
    case 'P':
    case 'd':
    case PREEMPTIONS: return DO_EXPLORE;
    case 'F': return DO_EXPLORE | DO_TOKEN;
    case 'p':
    case 'v':
    case 'x': return DO_EXPLORE | DO_RANDOM | DO_TOKEN;
    case 'w': return DO_EXPLORE | DO_RANDOM | DO_TRACE;
    case 'k': return DO_TRACE;
    default: return DO_EXPLORE | DO_RANDOM;
    }
}

/* An option that would be ignored is refused. */
static void check_together(const struct arguments *a)
{
    const char *what = NULL;
    unsigned deed = DO_EXPLORE;
    for (int c = 0; c < LETTERS; c++) {
        if (!a->given[c] || !deed_of(c)) continue;
        if (what) {
            fprintf(stderr, "--%s and --%s are two things to do; ask for one of them\n",
                    what, a->given[c]);
            refuse();
        }
        what = a->given[c];
        deed = deed_of(c);
    }
    for (int c = 0; c < LETTERS; c++) {
        if (!a->given[c] || deed_of(c) || deeds_with(c) & deed) continue;
        if (what)
            fprintf(stderr, "--%s says nothing to --%s; leave one of them out\n",
                    a->given[c], what);
        else
            fprintf(stderr, "--%s goes with --trace only\n", a->given[c]);
        refuse();
    }
}

/* The same of options that speak of one pass or two. */
static void check_pass(const struct arguments *a, const struct campaign *c, int letter,
                       enum pass one, enum pass other)
{
    if (!a->given[letter]) return;
    for (size_t i = 0; i < c->row_count; i++)
        if (c->rows[i].pass == one || c->rows[i].pass == other) return;
    fprintf(stderr, "--%s says nothing to these passes; it speaks of %s%s%s\n",
            a->given[letter], pass_name(one), one == other ? "" : " and ",
            one == other ? "" : pass_name(other));
    refuse();
}

static void check_passes(const struct arguments *a, const struct campaign *c)
{
    check_pass(a, c, 'd', PASS_DEEP, PASS_DEEP);
    check_pass(a, c, PREEMPTIONS, PASS_INTERLEAVE, PASS_INTERLEAVE);
    check_pass(a, c, 'F', PASS_DEEP, PASS_INTERLEAVE);
}

/* What only all arguments together tell. */
static void check(const struct arguments *a)
{
    check_together(a);
    if (a->options.spared && a->options.profile != DISK_V) {
        fprintf(stderr, "--spare takes something from profile V; add --profile V\n");
        refuse();
    }
    if (!a->json) return;
    FILE *f = fopen(a->json, "a"); /* now, not after hours */
    if (!f) {
        fprintf(stderr, "--json: cannot write %s: %s\n", a->json, strerror(errno));
        exit(2);
    }
    fclose(f);
}

static void parse(int argc, char **argv, struct arguments *a)
{
    int c, index = 0;
    *a = (struct arguments){.jobs = 1, .canary = true};
    explore_options_init(&a->options);
    while ((c = getopt_long(argc, argv, "", longs, &index)) != -1) {
        if (c != '?') a->given[c] = longs[index].name;
        switch (c) {
        case 's': choose_scenario(a, optarg); break;
        case 'p': parse_profile(a, optarg); break;
        case 'v': parse_spared(a, optarg); break;
        case 'P': parse_pass(a, optarg); break;
        case 'd': a->options.levels = small_number("--depth", optarg); break;
        case 'S': a->options.seed = number("--seed", optarg, 0, UINT64_MAX); break;
        case 'h': parse_shard(a, optarg); break;
        case 'j':
            a->jobs = (unsigned)number("--jobs", optarg, 1, CAMPAIGN_JOBS_MAX);
            break;
        case 'J': a->json = optarg; break;
        case 'l': a->list = true; break;
        case 'q': a->quiet = true; break;
        case 'r': a->replay = optarg; break;
        case 'e': a->explain = optarg; break;
        case 'x': silence(a, optarg); break;
        case 't':
            a->options.seconds = (double)number("--seconds", optarg, 0, UINT_MAX);
            break;
        case 'w': a->options.walk_max = number("--walk", optarg, 0, UINT64_MAX); break;
        case 'i': a->options.inner_max = number("--inner", optarg, 0, UINT64_MAX); break;
        case 'R': a->random = number("--random", optarg, 1, ROWS_MAX); break;
        case 'D': a->options.deviations = small_number("--deviations", optarg); break;
        case 'n': a->options.samples = number("--samples", optarg, 0, UINT64_MAX); break;
        case PREEMPTIONS:
            a->options.preemptions = small_number("--preemptions", optarg);
            break;
        case 'C': a->canary = false; break;
        case 'f': a->first = true; break;
        case 'F': a->fine = true; break;
        case 'T': a->trace = optarg; break;
        case 'k': a->skip_every = number("--skip-every", optarg, 0, UINT64_MAX); break;
        case 'H': fputs(help, stdout); exit(0);
        default: refuse();
        }
    }
    if (!arguments_end(argc, argv, optind)) refuse();
    check(a);
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
        if (!scenarios[i].waiting && !scenarios[i].scheduled &&
            (!a->scenario || !strcmp(a->scenario, scenarios[i].name)))
            trace_scenario(out, &scenarios[i], a->skip_every, a->options.walk_max);
    return fflush(out) ? 2 : 0;
}

/* A store whose log is never synced must be caught, or nothing that this program says is
 * worth anything. */
static int explore_canary(void *arg)
{
    (void)arg;
    struct explore_options o;
    explore_options_init(&o);
    o.drop = SITE_WAL_SYNC;
    struct explorer *x = explorer_new(scenario_find("put-always"), &o);
    bool caught = !explore(x, NULL, 0);
    explorer_free(x);
    return caught ? CANARY_CAUGHT : 0;
}

/* NULL: it was caught. */
static const char *canary_trouble(void)
{
    int result = campaign_apart(explore_canary, NULL);
    if (result == CANARY_CAUGHT) return NULL;
    return result < 0
               ? "the canary could not be tried: its process died, as others of these "
                 "sources may"
               : "the canary was not caught: a store without syncs must be";
}

/* ---- tokens ---- */

static int replay(void *arg)
{
    const struct arguments *a = arg;
    return a->replay ? failure_replay(a->replay, &a->options, a->fine)
                     : failure_explain(a->explain, &a->options, a->fine);
}

/* A crash that ends the process is a violation, too. */
static int replay_apart(struct arguments *a)
{
    int result = campaign_apart(replay, a);
    if (result >= 0) return result;
    printf("violation: the process died: %s\n", strsignal(-result));
    return 1;
}

/* ---- plans ---- */

/* Is the scenario played in that pass at all? */
static bool fits(const struct scenario *s, enum pass p)
{
    if (s->waiting) return false;
    if (s->scheduled || p == PASS_INTERLEAVE) return s->scheduled && p == PASS_INTERLEAVE;
    return (s->dialogue != NULL) == (p == PASS_SERVER);
}

static void nothing_to_do(const struct arguments *a)
{
    const struct scenario *s = scenario_find(a->scenario);
    if (s->waiting) {
        fprintf(stderr, "crash: %s waits for %s\n", s->name, s->waiting);
        return;
    }
    fprintf(stderr, "crash: %s is not played in that --pass; it has", s->name);
    for (unsigned p = 0; p < PASS_COUNT; p++)
        if (fits(s, (enum pass)p)) fprintf(stderr, " %s", pass_name((enum pass)p));
    fprintf(stderr, "\n");
}

/* Random tapes, each in the geometry and after the beginning of a live scenario; of none
 * that keeps one register for itself. */
static void plan_random(struct campaign *c, const struct arguments *a)
{
    for (uint64_t i = 0; c->row_count < ROWS_MAX && i < a->random; i++) {
        uint64_t seed = a->options.seed + i;
        uint32_t scenario = (uint32_t)(seed % scenario_count);
        const struct scenario *s = &scenarios[scenario];
        bool own = s->copies || s->damages[0].kind;
        if (!s->tape || s->scheduled || own) scenario = 1;
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
            if (a->scenario && strcmp(a->scenario, scenarios[i].name)) continue;
            if (fits(&scenarios[i], (enum pass)p)) campaign_add(c, i, (enum pass)p);
        }
    }
}

int main(int argc, char **argv)
{
    struct arguments a;
    parse(argc, argv, &a);
    if (a.list) return list();
    if (a.trace) return trace(&a);
    if (a.replay || a.explain) return replay_apart(&a);
    struct campaign c;
    campaign_init(&c, ROWS_MAX);
    c.options = a.options;
    c.jobs = a.jobs;
    c.quiet = a.quiet;
    c.first = a.first;
    c.fine = a.fine;
    plan_rows(&c, &a);
    if (c.row_count == 0) {
        nothing_to_do(&a);
        return 2;
    }
    check_passes(&a, &c);
    const char *canary = a.canary ? canary_trouble() : NULL;
    campaign_run(&c, report_progress);
    report_table(&c);
    report_oracles(&c);
    unsigned violations = report_violations(&c);
    bool written = !a.json || report_json(&c, a.json) == 0;
    if (!written) fprintf(stderr, "crash: cannot write %s\n", a.json);
    if (canary) printf("%s\n", canary);
    report_last_line(&c);
    campaign_deinit(&c);
    if (fflush(stdout)) {
        fprintf(stderr, "crash: cannot write the report: %s\n", strerror(errno));
        return 1;
    }
    return violations || canary || !written ? 1 : 0;
}
