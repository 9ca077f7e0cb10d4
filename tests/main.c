/* main.c - the table of suites and the runner's arguments.
 *
 *   run-tests [--verbose] [--jobs N] [--timeout S] [--junit FILE] [--without SUITE]
 *                             all suites, or all but one, each in a process of its own;
 *                             --verbose shows what passing tests print, too
 *   run-tests --list          the names suite/test
 *   run-tests NAME...         these suites or tests (exact names), in this process, so
 *                             that a debugger sees them
 *
 * The last line is "N passed, N failed"; the exit code is 0 only when something ran and
 * nothing failed.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/support/runner.h"

#define SUITE(name, tests) extern CU_TestInfo tests[];
#include "suites.inc"
#undef SUITE

static const struct suite suites[] = {
#define SUITE(name, tests) {name, tests},
#include "suites.inc"
#undef SUITE
    {NULL, NULL},
};

static int list(void)
{
    for (const struct suite *s = suites; s->name; s++)
        for (const CU_TestInfo *t = s->tests; t->pName; t++)
            printf("%s/%s\n", s->name, t->pName);
    return 0;
}

static int conclude(struct tally tally, bool ok)
{
    printf("%u passed, %u failed\n", tally.passed, tally.failed);
    return ok && tally.passed > 0 && tally.failed == 0 ? 0 : 1;
}

static bool names(const char *argument, const char *suite, const char *test)
{
    size_t n = strlen(suite);
    if (strncmp(argument, suite, n) != 0) return false;
    return argument[n] == 0 ||
           (argument[n] == '/' && strcmp(argument + n + 1, test) == 0);
}

/* Runs what the arguments name; an argument that names nothing is a failure. */
static int run_named(int argc, char **argv)
{
    struct tally tally = {0, 0};
    for (int i = 0; i < argc; i++) {
        unsigned before = tally.passed + tally.failed;
        for (const struct suite *s = suites; s->name; s++)
            for (const CU_TestInfo *t = s->tests; t->pName; t++) {
                if (!names(argv[i], s->name, t->pName)) continue;
                bool pass = runner_test(s->name, t);
                printf("%s %s/%s\n", pass ? "ok  " : "FAIL", s->name, t->pName);
                pass ? tally.passed++ : tally.failed++;
            }
        if (before == tally.passed + tally.failed) {
            printf("FAIL %s: no suite or test of this name (see --list)\n", argv[i]);
            tally.failed++;
        }
    }
    return conclude(tally, true);
}

static int run_child(const char *name, int report_fd)
{
    for (const struct suite *s = suites; s->name; s++)
        if (strcmp(s->name, name) == 0) return runner_child(s, report_fd);
    return 2;
}

/* The suites but the one of this name (NULL: all of them); false: there is none. */
static bool leave_out(const char *name, struct suite *kept)
{
    bool found = !name;
    for (const struct suite *s = suites; s->name; s++) {
        bool left_out = name && strcmp(s->name, name) == 0;
        if (!left_out) *kept++ = *s;
        found = found || left_out;
    }
    *kept = (struct suite){NULL, NULL};
    if (!found) printf("FAIL %s: no suite of this name (see --list)\n", name);
    return found;
}

static int run_all(const struct runner_options *options, const char *without)
{
    struct suite kept[sizeof suites / sizeof suites[0]];
    struct tally tally = {0, 0};
    bool ok = runner_table_ok(suites) && leave_out(without, kept) &&
              runner_all(kept, options, &tally);
    if (!ok) tally.failed++;
    return conclude(tally, ok);
}

int main(int argc, char **argv)
{
    struct runner_options options = {
        .self = "/proc/self/exe", .jobs = 2, .timeout_s = 120};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--list") == 0) return list();
    if (argc == 4 && strcmp(argv[1], "--child") == 0)
        return run_child(argv[2], atoi(argv[3]));
    const char *without = NULL;
    int i = 1;
    if (i < argc && strcmp(argv[i], "--verbose") == 0) {
        options.verbose = true;
        i++;
    }
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (strcmp(argv[i], "--jobs") == 0)
            options.jobs = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--timeout") == 0)
            options.timeout_s = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--junit") == 0)
            options.junit_path = argv[i + 1];
        else if (strcmp(argv[i], "--without") == 0)
            without = argv[i + 1];
        else
            break;
    }
    if (i == argc) return run_all(&options, without);
    return run_named(argc - i, argv + i);
}
