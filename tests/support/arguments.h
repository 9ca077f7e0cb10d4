/* arguments.h - numbers on the command line of a test program, taken exactly or refused.
 *
 * Flow:   differential_main.c, litmus_main.c, tapes.c, crash.c > arguments_*
 * Errors: a sentence on stderr that says what is wrong and what would be right.
 * Tests:  tests/fault/programs_test.sh
 *
 * A seed that is read as another number reproduces nothing, and a run over no sequences
 * proves nothing: whatever is not meant exactly so ends the program.
 */
#ifndef TESTS_SUPPORT_ARGUMENTS_H
#define TESTS_SUPPORT_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

/* Decimal digits only, from min to max. `name` is for the message. */
bool arguments_number(const char *name, const char *text, uint64_t min, uint64_t max,
                      uint64_t *out);
/* False with a message when something is left at argv[next], where getopt has stopped;
 * `next` is 1 in a program that takes no arguments at all. */
bool arguments_end(int argc, char **argv, int next);

#endif
