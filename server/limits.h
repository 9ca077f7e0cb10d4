/* limits.h - fits clients and tables into the descriptors that the process may open.
 *
 * Flow:   main > limits_wanted, setrlimit, limits_fit > config; CONFIG SET >
 *         limits_clients_most
 * Tests:  tests/server/limits_test.c, tests/e2e/flags_test.c
 *
 * A server that runs out of descriptors can neither serve a new client nor tell it so, and
 * its store cannot open a table. So the places are given away before: a client above
 * maxclients is answered and closed, the table that was used longest ago makes room.
 */
#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/config.h"

/* Logs, manifest, what jobs read and write, pipes, the listener, and a client that is told
 * that there is no place. */
#define LIMITS_OTHER 64

/* With less a store could be opened, but not served for long: a compaction reads all tables
 * of a full level 0 at once (24), and those below them. */
#define LIMITS_LEAST 64

/* Descriptors that the configuration may come to need. */
uint64_t limits_wanted(const struct config *c);
/* Lowers maxclients and open-tables-max to what `descriptors` allow. Of few, half are kept for
 * the rest, and of the other half tables have a quarter. False: all of it fits. */
bool limits_fit(struct config *c, uint64_t descriptors);
/* The most clients that `descriptors` (0: not known) allow beside everything else. */
int64_t limits_clients_most(const struct config *c, uint64_t descriptors);

#endif
