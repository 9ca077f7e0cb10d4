/* report.h - a campaign for people: progress, table, JSON, the last line.
 *
 * Flow:    crash.c > report_*
 * Tests:   tests/crash/crash_test.sh
 */
#ifndef TESTS_CRASH_REPORT_H
#define TESTS_CRASH_REPORT_H

#include "tests/crash/campaign.h"

/* One line that overwrites itself, when standard error is a terminal; else a line every
 * ten seconds. */
void report_progress(const struct campaign *c);
void report_table(const struct campaign *c);
void report_oracles(const struct campaign *c);
/* Tokens and texts of what failed. Returns how many rows did. */
unsigned report_violations(const struct campaign *c);
/* 0 or -errno. */
int report_json(const struct campaign *c, const char *path);
void report_last_line(const struct campaign *c);

#endif
