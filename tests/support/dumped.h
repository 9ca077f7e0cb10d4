/* dumped.h - dumps as text, and a store whose files they are made of.
 *
 * Owns: one static buffer for the lines.
 *
 * The store is the worked example of docs/formats.md: its files are the same bytes in
 * every run, and tests compare the page with them.
 */
#ifndef TESTS_SUPPORT_DUMPED_H
#define TESTS_SUPPORT_DUMPED_H

#include "engine/dump.h"
#include "tests/support/teststore.h"

/* Collects lines; its argument is ignored. */
void dumped_line(void *arg, const char *line);
void dumped_clear(void);
/* All lines since the last clear, each with its end. */
const char *dumped_text(void);
/* Is this text in the lines? */
bool dumped_has(const char *text);

/* Two puts and a delete in two groups, flushed; then a group with each kind of entry.
 * Closed. */
void dumped_example(struct teststore *t);
/* Dumps a file of a closed store; clears first. */
const char *dumped_file(struct teststore *t, const char *name);

#endif
