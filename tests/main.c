/* main.c - the table of suites and the runner.
 *
 *   run-tests                 all suites, one process each, two at a time
 *   run-tests --list          the names suite/test
 *   run-tests NAME...         these suites or tests (exact names), in this process
 */
#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SUITE(name, tests) extern CU_TestInfo tests[];
#include "suites.inc"
#undef SUITE

static const struct suite {
    const char *name;
    CU_TestInfo *tests;
} suites[] = {
#define SUITE(name, tests) {name, tests},
#include "suites.inc"
#undef SUITE
    {NULL, NULL},
};

static bool wanted(const char *suite, const char *test, int argc, char **argv)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", suite, test);
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], suite) || !strcmp(argv[i], full)) return true;
    return argc == 1;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && !strcmp(argv[1], "--list")) {
        for (const struct suite *s = suites; s->name; s++)
            for (CU_TestInfo *t = s->tests; t->pName; t++)
                printf("%s/%s\n", s->name, t->pName);
        return 0;
    }
    unsigned passed = 0, failed = 0;
    for (const struct suite *s = suites; s->name; s++) {
        for (CU_TestInfo *t = s->tests; t->pName; t++) {
            if (!wanted(s->name, t->pName, argc, argv)) continue;
            CU_initialize_registry();
            CU_pSuite cs = CU_add_suite(s->name, NULL, NULL);
            CU_pTest ct = CU_add_test(cs, t->pName, t->pTestFunc);
            CU_run_test(cs, ct);
            unsigned bad = CU_get_number_of_failures();
            for (CU_pFailureRecord r = CU_get_failure_list(); r; r = r->pNext)
                printf("  %s:%u: %s\n", r->strFileName, r->uiLineNumber, r->strCondition);
            printf("%s %s/%s\n", bad ? "FAIL" : "ok  ", s->name, t->pName);
            bad ? failed++ : passed++;
            CU_cleanup_registry();
        }
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed || !passed;
}
