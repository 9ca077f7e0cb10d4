/* ask.h - starts a server on an image and asks it for everything, over a socket.
 *
 * Flow:    trial_open > ask_open > server_new; trial_ask > ask_read > replies > digest
 * Owns:    a network, the questions; memory and clock are the trial's.
 * Errors:  an answer that contradicts another one fails the oracle agree.
 * Threads: one. Servers nest, as trials do.
 * Tests:   tests/crash/ask_test.c
 *
 * The questions are one pipeline: DBSIZE and SCAN of each database that the scenario uses,
 * then GET, PEXPIRETIME and EXISTS of each key that it names. A healthy server sends all
 * replies at once, so that the moment at which the first byte leaves can be looked at:
 * what they say must be durable then.
 *
 * The recovered server's clock shows a time before the scenario began, as that of a
 * machine without a battery does: whatever is stored shows, expired or not.
 */
#ifndef TESTS_CRASH_ASK_H
#define TESTS_CRASH_ASK_H

#include "tests/crash/scenario.h"
#include "tests/crash/trial.h"

struct asker;

/* Knows the keys and databases of the scenario's dialogue. */
struct asker *asker_new(const struct scenario *s);
void asker_free(struct asker *a); /* NULL is allowed */

/* The server of a trial_store; t->asker is set. */
enum err ask_open(struct trial *t, struct trial_store *s, struct err_detail *why);
enum err ask_close(struct trial *t, struct trial_store *s);
/* Everything it holds; calls s->served while the first reply leaves. */
struct verdict ask_read(struct trial *t, struct trial_store *s);
/* Time passes for the server, and it takes a turn. */
void ask_idle(struct trial *t, struct trial_store *s, int64_t ms);
/* The oracle works: writes, flushes, compacts, lets every deadline pass, reopens. */
struct verdict ask_works(struct trial *t, struct disk *disk);
/* For explanations: calls fn for each key (reference.h) that is there. */
void ask_each(struct trial *t, struct trial_store *s, model_key_fn *fn, void *arg);

#endif
