#include "tests/e2e/load.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/e2e/world.h"
#include "tests/support/resp_client.h"

/* ---- clients ---- */

struct client {
    struct resp_client conn;
    uint64_t tokens[LOAD_WINDOW_MAX]; /* a ring: what is outstanding, oldest first */
    unsigned first, outstanding;
    bool dry; /* its source has no more */
};

static void fill(struct client *c, int index, int window,
                 const struct load_source *source, struct load_result *out)
{
    slice argv[3] = {{(const uint8_t *)"SET", 3}};
    while (!c->dry && c->outstanding < (unsigned)window) {
        uint64_t token;
        if (!source->next(source->arg, index, &argv[1], &argv[2], &token)) {
            c->dry = true;
            break;
        }
        c->tokens[(c->first + c->outstanding++) % LOAD_WINDOW_MAX] = token;
        out->issued++;
        resp_queue(&c->conn, 3, argv);
    }
}

static void answered(struct client *c, const struct reply *r,
                     const struct load_source *source, struct load_result *out)
{
    uint64_t token = c->tokens[c->first];
    c->first = (c->first + 1) % LOAD_WINDOW_MAX;
    c->outstanding--;
    if (r->type == '+') {
        out->acknowledged++;
        source->acknowledged(source->arg, token);
    } else {
        if (out->refused++ < 3) printf("  refused: %s\n", reply_show(r));
    }
}

/* Reads all replies that are here; false when the connection is gone. */
static bool take_replies(struct client *c, const struct load_source *source,
                         struct load_result *out)
{
    struct reply r;
    int got = 0;
    while (c->outstanding && (got = resp_poll(&c->conn, &r)) > 0)
        answered(c, &r, source, out);
    return got >= 0;
}

/* A client's whole turn; false when it has ended, well or not. */
static bool client_turn(struct client *c, int index, int window,
                        const struct load_source *source, struct load_result *out)
{
    if (c->outstanding <= (unsigned)window / 2) fill(c, index, window, source, out);
    if (resp_flush(&c->conn) && take_replies(c, source, out))
        return c->outstanding > 0 || !c->dry;
    /* Gone. What the server had sent before is still in the socket. */
    resp_drain(&c->conn);
    take_replies(c, source, out);
    out->lost = true;
    return false;
}

static void wait_for_replies(struct client *clients, int count)
{
    struct pollfd fds[LOAD_CLIENTS_MAX];
    int n = 0;
    for (int i = 0; i < count; i++)
        if (clients[i].conn.fd >= 0 && clients[i].outstanding)
            fds[n++] = (struct pollfd){.fd = clients[i].conn.fd, .events = POLLIN};
    if (n) poll(fds, (nfds_t)n, 1000);
}

void load_run(int port, int clients, int window, const struct load_source *source,
              struct load_result *out)
{
    static struct client all[LOAD_CLIENTS_MAX];
    memset(all, 0, sizeof all);
    memset(out, 0, sizeof *out);
    int running = 0;
    for (int i = 0; i < clients; i++)
        if (resp_connect(&all[i].conn, port))
            running++;
        else
            out->lost = true;
    while (running > 0) {
        for (int i = 0; i < clients; i++) {
            struct client *c = &all[i];
            if (c->conn.fd < 0 || client_turn(c, i, window, source, out)) continue;
            out->outstanding += c->outstanding;
            resp_close(&c->conn);
            running--;
        }
        wait_for_replies(all, clients);
    }
}

/* ---- killer ---- */

static void nap(int64_t us)
{
    nanosleep(&(struct timespec){us / 1000000, us % 1000000 * 1000}, NULL);
}

/* Names of tables only grow: a new one appears when the last in order changes. */
static void last_table(const char *dir, char name[64])
{
    struct names n;
    name[0] = 0;
    if (!names_read(&n, dir)) return;
    for (size_t i = 0; i < n.count; i++)
        if (strlen(n.list[i]) < 64 && strstr(n.list[i], ".sst")) strcpy(name, n.list[i]);
    names_free(&n);
}

static void *killer_main(void *arg)
{
    struct killer *k = arg;
    nap(k->delay_us);
    if (k->dir) {
        char before[64], now[64];
        last_table(k->dir, before);
        for (int i = 0; i < 5000; i++) {
            last_table(k->dir, now);
            if (strcmp(before, now) != 0) break;
            nap(100);
        }
    }
    kill(k->pid, SIGKILL);
    return NULL;
}

void killer_start(struct killer *k, pid_t pid, int64_t delay_us, const char *dir)
{
    *k = (struct killer){.pid = pid, .delay_us = delay_us, .dir = dir};
    if (pthread_create(&k->thread, NULL, killer_main, k) != 0) kill(pid, SIGKILL);
}

void killer_join(struct killer *k)
{
    pthread_join(k->thread, NULL);
}
