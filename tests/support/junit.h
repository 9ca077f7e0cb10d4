/* junit.h - test results as JUnit XML.
 *
 * Owns:   the file, from junit_open to junit_close.
 * Errors: junit_close answers false when anything could not be written.
 * Tests:  tests/runner_test.sh
 *
 * CUnit's own writer aborts on the first failed assertion, so we have this one.
 */
#ifndef TESTS_SUPPORT_JUNIT_H
#define TESTS_SUPPORT_JUNIT_H

#include <stdbool.h>
#include <stdio.h>

/* NULL when the file cannot be created; errno says why. */
FILE *junit_open(const char *path);
void junit_suite_begin(FILE *xml, const char *name);
/* `failure` is NULL for a test that passed, else its output. */
void junit_test(FILE *xml, const char *suite, const char *name, double seconds,
                const char *failure);
void junit_suite_end(FILE *xml);
bool junit_close(FILE *xml);

#endif
