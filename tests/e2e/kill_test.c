/* A hundred lives of one store: load, kill -9, start again. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "fault/rng.h"
#include "tests/e2e/load.h"
#include "tests/e2e/store.h"
#include "tests/e2e/world.h"
#include "tests/support/check.h"

#define ROUNDS      100
#define CLIENTS     3
#define WINDOW      16
#define KEYS        300 /* of each client: few, so that they are overwritten often */
#define VALUE_BYTES 400

/* Logs that a running server may keep beside those of the manifest, to recycle them. */
#define WAITING_LOGS 2

/* Each client has keys of its own, so that the order of writes to a key is known. The
 * value begins with a number that grows with every write of that key. */
struct lives {
    struct world world;
    struct rng rng;
    uint64_t issued[CLIENTS][KEYS], acknowledged[CLIENTS][KEYS], found[CLIENTS][KEYS];
    char key[32], value[VALUE_BYTES];
};

static bool next_write(void *arg, int client, slice *key, slice *value, uint64_t *token)
{
    struct lives *l = arg;
    size_t k = (size_t)rng_below(&l->rng, KEYS);
    uint64_t number = ++l->issued[client][k];
    *token = ((uint64_t)client << 56) | ((uint64_t)k << 40) | number;
    int n = snprintf(l->key, sizeof l->key, "client:%d:key:%zu", client, k);
    *key = slice_of(l->key, (size_t)n);
    memset(l->value, 'v', sizeof l->value);
    n = snprintf(l->value, sizeof l->value, "%" PRIu64 " ", number);
    l->value[n] = 'v';
    *value = slice_of(l->value, 20 + (size_t)rng_below(&l->rng, VALUE_BYTES - 20));
    return true;
}

static void acknowledged(void *arg, uint64_t token)
{
    struct lives *l = arg;
    uint64_t *last = &l->acknowledged[token >> 56][(token >> 40) & 0xffff];
    uint64_t number = token & 0xffffffffff;
    if (number > *last) *last = number;
}

/* A key holds what was acknowledged last, or something newer that was issued. What a
 * restart has shown once stays: it is the new lower bound. */
static bool key_is_right(struct lives *l, int client, size_t k)
{
    struct reply r;
    char key[32];
    snprintf(key, sizeof key, "client:%d:key:%zu", client, k);
    if (!resp_call(&l->world.client, &r, "GET", key, NULL) || r.type != '$') return false;
    uint64_t number = r.integer < 0 ? 0 : strtoull((const char *)r.text.data, NULL, 10);
    bool ok = number >= l->acknowledged[client][k] && number >= l->found[client][k] &&
              number <= l->issued[client][k];
    if (!ok)
        printf("  %s: number %" PRIu64 ", acknowledged %" PRIu64 ", seen %" PRIu64
               ", issued %" PRIu64 "\n",
               key, number, l->acknowledged[client][k], l->found[client][k],
               l->issued[client][k]);
    l->found[client][k] = number;
    return ok;
}

static unsigned wrong_keys(struct lives *l)
{
    unsigned wrong = 0;
    for (int c = 0; c < CLIENTS; c++)
        for (size_t k = 0; k < KEYS; k++)
            if (!key_is_right(l, c, k)) wrong++;
    return wrong;
}

static void next_life(struct lives *l, int round)
{
    static const char *const policies[] = {"always", "everysec", "no"};
    char flags[128];
    snprintf(flags, sizeof flags, "--memtable-bytes 262144 --appendfsync %s",
             policies[round % 3]);
    world_restart(&l->world, flags);
}

/* A clean stop: nothing is left at all, and the whole store is in order. */
static void rest(struct lives *l)
{
    world_stop(&l->world);
    CHECK(store_has_no_leftovers(l->world.scratch.dir, 0));
    REQUIRE_INT(store_check(l->world.scratch.dir), 0);
}

static void one_life(struct lives *l)
{
    struct load_source source = {next_write, acknowledged, l};
    struct load_result load;
    struct killer killer;
    killer_start(&killer, l->world.server.pid, (int64_t)rng_below(&l->rng, 60000), NULL);
    load_run(l->world.server.port, CLIENTS, WINDOW, &source, &load);
    killer_join(&killer);
    world_kill(&l->world);
    CHECK_INT(load.refused, 0);
}

/* Right after a start a job may be making a table that no manifest names yet: soon it is
 * named. */
static bool soon_no_leftovers(const char *dir)
{
    for (int tries = 0; tries < 100; tries++) {
        if (store_has_no_leftovers(dir, WAITING_LOGS)) return true;
        usleep(50000);
    }
    return false;
}

static void a_hundred_kills_lose_nothing_and_leave_no_file_behind(void)
{
    static struct lives l;
    memset(&l, 0, sizeof l);
    rng_init(&l.rng, world_seed("e2e/kill"));
    world_open(&l.world, "--memtable-bytes 262144 --appendfsync always");
    char stranger[PATH_BYTES];
    snprintf(stranger, sizeof stranger, "%.480s/000001.sst.bak", l.world.scratch.store);
    REQUIRE(file_write(stranger, "a stranger's file\n", 18));

    for (int round = 0; round < ROUNDS; round++) {
        one_life(&l);
        next_life(&l, round);
        REQUIRE_INT(wrong_keys(&l), 0);
        REQUIRE(soon_no_leftovers(l.world.scratch.dir));
        if (round % 10 != 9) continue;
        rest(&l);
        next_life(&l, round);
    }

    char text[64];
    CHECK_INT(shell_run(text, sizeof text, "cat '%s'", stranger), 0);
    CHECK_TEXT(text, "a stranger's file\n");
    world_close(&l.world);
}

/* The same without a kill: a clean stop keeps everything under every policy. */
static void a_clean_stop_keeps_everything(void)
{
    static const char *const policies[] = {"always", "everysec", "no"};
    for (size_t i = 0; i < 3; i++) {
        struct world w;
        char flags[64];
        snprintf(flags, sizeof flags, "--appendfsync %s", policies[i]);
        world_open(&w, flags);
        CHECK(world_set(&w, "key", "value"));
        world_stop(&w);

        world_restart(&w, flags);
        CHECK(world_get_is(&w, "key", "value"));
        world_stop(&w);
        CHECK_INT(store_check(w.scratch.dir), 0);
        world_close(&w);
    }
}

/* 500,000 writes of one key, and still no more than four memtables on the disk, the logs
 * apart: those have a fixed number and size. */
static void overwriting_one_key_does_not_fill_the_disk(void)
{
    static const uint64_t memtable = 1048576;
    struct world w;
    world_open(&w, "--memtable-bytes 1048576 --appendfsync no");
    slice set[3] = {slice_text("SET"), slice_text("key"), slice_text("")};
    char value[100];
    memset(value, 'x', sizeof value);
    set[2] = slice_of(value, sizeof value);
    for (int i = 0; i < 500; i++) {
        struct reply r;
        for (int k = 0; k < 1000; k++)
            resp_queue(&w.client, 3, set);
        REQUIRE(resp_flush(&w.client));
        for (int k = 0; k < 1000; k++)
            REQUIRE(resp_read(&w.client, &r) && r.type == '+');
    }

    struct store_bytes bytes;
    REQUIRE(store_measure(w.scratch.store, &bytes));
    printf("  logs %" PRIu64 " bytes in %u files, everything else %" PRIu64 "\n",
           bytes.logs, bytes.log_files, bytes.others);
    CHECK(bytes.others <= 4 * memtable);
    /* The log in use, those of memtables that wait for their flush, and two spares. */
    CHECK(bytes.log_files <= 7);
    CHECK(bytes.logs <= 8 * memtable);
    world_close(&w);
}

CU_TestInfo e2e_kill_tests[] = {
    {"a_hundred_kills_lose_nothing_and_leave_no_file_behind",
     a_hundred_kills_lose_nothing_and_leave_no_file_behind},
    {"a_clean_stop_keeps_everything", a_clean_stop_keeps_everything},
    {"overwriting_one_key_does_not_fill_the_disk",
     overwriting_one_key_does_not_fill_the_disk},
    CU_TEST_INFO_NULL,
};
