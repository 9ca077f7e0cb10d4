/* failure.h - a violation made small, named by a token, played again, told in words.
 *
 * Flow:    campaign > failure_shrink > token; crash --replay, --explain > failure_*
 * Owns:    nothing.
 * Tests:   tests/crash/failure_test.c
 */
#ifndef TESTS_CRASH_FAILURE_H
#define TESTS_CRASH_FAILURE_H

#include "tests/crash/campaign.h"

/* Cuts operations while some crash still fails, then looks for the crash with the fewest
 * survivors, and fills in token, operations and violation of the row. */
void failure_shrink(struct explorer *x, struct campaign_row *row, const uint8_t *tape,
                    size_t size);
/* Fills in the token of the row: this tape, and the crash of its violation. */
void failure_token(struct campaign_row *row, const uint8_t *tape, size_t size);
/* Does it again. 0: it holds now; 1: the violation; 2: no such token or crash. `fine`: as
 * in struct campaign, when it was found. */
int failure_replay(const char *token, const struct explore_options *base, bool fine);
/* The same, told from the first operation to the files that differ. */
int failure_explain(const char *token, const struct explore_options *base, bool fine);

#endif
