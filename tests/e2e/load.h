/* load.h - writes through several pipelining clients, and knows which were acknowledged.
 *
 * Flow:    kill tests > load_run > resp_client.h ; killer_start > SIGKILL
 * Errors:  a lost connection ends the load; replies that were on their way are still
 *          read, because the server had sent them: they count as acknowledged.
 * Threads: a killer is a thread that signals the server and touches nothing else.
 */
#ifndef TESTS_E2E_LOAD_H
#define TESTS_E2E_LOAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/slice.h"

#define LOAD_CLIENTS_MAX 16
#define LOAD_WINDOW_MAX  256

struct load_source {
    /* The next write of this client: false when there is none. `token` comes back with
     * its reply. The slices need to live until the next call only. */
    bool (*next)(void *arg, int client, slice *key, slice *value, uint64_t *token);
    void (*acknowledged)(void *arg, uint64_t token);
    void *arg;
};

struct load_result {
    uint64_t issued, acknowledged;
    uint64_t refused;     /* answered with an error: each is printed */
    uint64_t outstanding; /* never answered */
    bool lost;            /* a connection broke */
};

/* Writes with `clients` connections, each with up to `window` commands outstanding, until
 * the source is dry and answered, or the connections are gone. */
void load_run(int port, int clients, int window, const struct load_source *source,
              struct load_result *out);

struct killer {
    pthread_t thread;
    pid_t pid;
    int64_t delay_us;
    const char *dir; /* NULL, or: after the delay wait until a new table appears here */
};
void killer_start(struct killer *k, pid_t pid, int64_t delay_us, const char *dir);
void killer_join(struct killer *k);

#endif
