#include "tests/e2e/world.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault/rng.h"
#include "tests/support/check.h"

void world_open(struct world *w, const char *args)
{
    memset(w, 0, sizeof *w);
    w->client.fd = -1;
    REQUIRE(scratch_new(&w->scratch));
    world_restart(w, args);
}

void world_restart(struct world *w, const char *args)
{
    REQUIRE(server_start(&w->server, &w->scratch, args));
    REQUIRE(resp_connect(&w->client, w->server.port));
}

void world_kill(struct world *w)
{
    server_kill(&w->server);
    resp_close(&w->client);
}

void world_stop(struct world *w)
{
    resp_close(&w->client);
    CHECK_INT(server_end(&w->server, SIGTERM), 0);
}

void world_close(struct world *w)
{
    world_kill(w);
    scratch_remove(&w->scratch);
}

bool world_get_is(struct world *w, const char *key, const char *value)
{
    struct reply r;
    if (!resp_call(&w->client, &r, "GET", key, NULL)) {
        printf("  GET %s: no reply\n", key);
        return false;
    }
    bool ok = !value ? r.type == '$' && r.integer < 0
                     : r.type == '$' && r.integer >= 0 && r.text.size == strlen(value) &&
                           memcmp(r.text.data, value, r.text.size) == 0;
    if (!ok)
        printf("  GET %s: %s, wanted %s\n", key, reply_show(&r), value ? value : "nil");
    return ok;
}

bool world_set(struct world *w, const char *key, const char *value)
{
    return resp_expect(&w->client, '+', "OK", "SET", key, value, NULL);
}

long long world_info(struct world *w, const char *field)
{
    struct reply r;
    char text[32 * 1024], wanted[128];
    if (!resp_call(&w->client, &r, "INFO", NULL) || r.type != '$' || r.integer < 0)
        return -1;
    size_t n = r.text.size < sizeof text - 1 ? r.text.size : sizeof text - 1;
    memcpy(text, r.text.data, n);
    text[n] = 0;
    snprintf(wanted, sizeof wanted, "\n%s:", field);
    const char *at = strstr(text, wanted);
    return at ? strtoll(at + strlen(wanted), NULL, 10) : -1;
}

long world_limit_kib(long mib)
{
    const char *factor = getenv("MEMORY_FACTOR");
    return mib * 1024 * (factor ? strtol(factor, NULL, 10) : 1);
}

uint64_t world_seed(const char *test)
{
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : rng_os_seed();
    printf("  again: SEED=%" PRIu64 " build/test/run-e2e %s\n", seed, test);
    return seed;
}

/* ---- names in a directory ---- */

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool names_read(struct names *n, const char *dir)
{
    *n = (struct names){NULL, 0};
    DIR *d = opendir(dir);
    if (!d) return false;
    size_t capacity = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (n->count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            n->list = realloc(n->list, capacity * sizeof *n->list);
            if (!n->list) abort();
        }
        n->list[n->count++] = strdup(e->d_name);
    }
    closedir(d);
    if (n->count) qsort(n->list, n->count, sizeof *n->list, by_bytes);
    return true;
}

void names_free(struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->list[i]);
    free(n->list);
    *n = (struct names){NULL, 0};
}

bool names_has(const struct names *n, const char *name)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->list[i], name) == 0) return true;
    return false;
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && strcmp(name + n - m, suffix) == 0;
}

size_t names_count(const struct names *n, const char *suffix)
{
    size_t count = 0;
    for (size_t i = 0; i < n->count; i++)
        if (ends_with(n->list[i], suffix)) count++;
    return count;
}

bool name_is_ours(const char *name)
{
    if (strcmp(name, "CURRENT") == 0 || strcmp(name, "CURRENT.tmp") == 0 ||
        strcmp(name, "LOCK") == 0)
        return true;
    const char *digits = strncmp(name, "MANIFEST-", 9) == 0 ? name + 9 : name;
    size_t n = strspn(digits, "0123456789");
    if (n < 6) return false;
    if (digits != name) return digits[n] == 0;
    return strcmp(digits + n, ".log") == 0 || strcmp(digits + n, ".sst") == 0;
}
