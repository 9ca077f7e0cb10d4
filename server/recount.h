/* recount.h - brings the counts of a keyspace into agreement with its keys.
 *
 * Flow:    riptidekv-check --repair > recount > db_iter, one group
 * Errors:  ERR_OK or the store's; the counts are then as they were.
 * Crash:   all counts change in one batch; each index entry in its own.
 * Format:  docs/formats.md#keyspace
 * Tests:   tests/server/recount_test.c
 *
 * DBSIZE is a number that every change keeps up to date. When records or blocks were lost
 * and the rest was saved, nobody has told it.
 */
#ifndef SERVER_RECOUNT_H
#define SERVER_RECOUNT_H

#include "engine/db.h"

/* Counts all keys of all namespaces, and writes what differs; a key whose deadline entry
 * is lost gets it again. *changed: how many numbers and entries were wrong. */
enum err recount(struct db *db, unsigned *changed, struct err_detail *why);

#endif
