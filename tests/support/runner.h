/* runner.h - runs suites in processes of their own and counts what came of it.
 *
 * Flow:   tests/main.c > runner_all > one child per suite > runner_child > CUnit
 * Errors: a child that crashes, hangs or ends with a sanitizer's report is one failed
 *         test: the one that was running, or "(exit)" when all had ended.
 * Tests:  tests/runner_test.sh
 *
 * A child writes one line per event to its report file, with the size its output had at
 * that moment, so that the parent can show the output of exactly the tests that failed:
 *     start NAME OUTPUT_BYTES
 *     end NAME pass|fail MICROSECONDS OUTPUT_BYTES
 *     done
 */
#ifndef TESTS_SUPPORT_RUNNER_H
#define TESTS_SUPPORT_RUNNER_H

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stdio.h>

struct suite {
    const char *name;   /* "engine/wal_read": tests/engine/wal_read_test.c */
    CU_TestInfo *tests; /* ends with CU_TEST_INFO_NULL */
};

struct runner_options {
    const char *self;       /* this program, to be started again for each suite */
    const char *junit_path; /* NULL: no file is written */
    int jobs;               /* suites at the same time */
    int timeout_s;          /* of one suite */
    bool verbose;           /* show the output of tests that passed, too */
};

struct tally {
    unsigned passed, failed;
};

/* True when every suite has a test and no name occurs twice; else says what is wrong. */
bool runner_table_ok(const struct suite *suites);

/* Runs all suites, several at a time; prints a line per suite and the whole output of
 * what failed. False when something stood in the way of running them. */
bool runner_all(const struct suite *suites, const struct runner_options *o,
                struct tally *out);

/* Runs one test in this process and prints its failures. True when it passed. */
bool runner_test(const char *suite, const CU_TestInfo *test);

/* The child's half: runs one suite and reports to the open descriptor. Exit code. */
int runner_child(const struct suite *suite, int report_fd);

#endif
