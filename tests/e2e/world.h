/* world.h - what most end-to-end tests begin with: a directory, a server, a client.
 *
 * Flow:  *_test.c > world_* > server_process.h, resp_client.h
 * Owns:  all three, until world_close.
 */
#ifndef TESTS_E2E_WORLD_H
#define TESTS_E2E_WORLD_H

#include "engine/slice.h"
#include "tests/support/resp_client.h"
#include "tests/support/server_process.h"

struct world {
    struct scratch scratch;
    struct server_process server;
    struct resp_client client;
};

/* A server with `args` on an empty directory, and a client. Requires both (CUnit). */
void world_open(struct world *w, const char *args);
/* Starts it again on the same directory, after a kill or an end; a new client. */
void world_restart(struct world *w, const char *args);
/* SIGKILL and its client's end. */
void world_kill(struct world *w);
/* SIGTERM; checks that the exit code is 0. */
void world_stop(struct world *w);
void world_close(struct world *w);

/* Checks that the reply of GET is this value, or nil for NULL. */
bool world_get_is(struct world *w, const char *key, const char *value);
bool world_set(struct world *w, const char *key, const char *value);

/* The number behind `field:` in INFO; -1 when there is no such field. */
long long world_info(struct world *w, const char *field);

/* Resident memory of the server that is not to be exceeded, in KiB: `mib` MiB, times
 * $MEMORY_FACTOR (sanitizers keep freed memory for a while). */
long world_limit_kib(long mib);

/* Seed of this run: $SEED, or a new one; printed with how to use it again. */
uint64_t world_seed(const char *test);

/* The names of the directory in byte order; release with names_free. */
struct names {
    char **list;
    size_t count;
};
bool names_read(struct names *n, const char *dir);
void names_free(struct names *n);
bool names_has(const struct names *n, const char *name);
/* How many end in `suffix`. */
size_t names_count(const struct names *n, const char *suffix);
/* Is it a name that the engine gives: CURRENT, LOCK, MANIFEST-000001, 000002.log, ... */
bool name_is_ours(const char *name);

#endif
