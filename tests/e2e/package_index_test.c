/* The main job on real input: the machine's package index through the real server, which
 * is killed again and again while clients write and tables are being made. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fault/rng.h"
#include "tests/e2e/load.h"
#include "tests/e2e/stanzas.h"
#include "tests/e2e/store.h"
#include "tests/e2e/world.h"
#include "tests/support/check.h"

#define CLIENTS        4
#define WINDOW         64
#define ALWAYS_KILLS   24
#define OTHER_KILLS    8
#define GET_WINDOW     256
#define DELAY_MAX_US   250000
#define MEMTABLE_FLAGS "--memtable-bytes 1048576"

enum { ISSUED = 1, ACKNOWLEDGED = 2, SEEN = 4 };

struct job {
    struct world world;
    struct stanzas index;
    uint8_t *marks; /* per stanza */
    size_t cursor;  /* the next one to write */
    bool again;     /* write acknowledged ones too, round and round */
    char flags[128];
    struct rng rng;
    unsigned kills, busy_kills; /* busy: replies outstanding and a table unfinished */
};

/* ---- writing ---- */

static bool next_stanza(void *arg, int client, slice *key, slice *value, uint64_t *token)
{
    struct job *j = arg;
    (void)client;
    if (j->cursor == j->index.count) {
        if (!j->again) return false;
        j->cursor = 0;
    }
    if (!j->again)
        while (j->marks[j->cursor] & ACKNOWLEDGED)
            if (++j->cursor == j->index.count) return false;
    *token = j->cursor;
    *key = j->index.list[j->cursor].key;
    *value = j->index.list[j->cursor].value;
    j->marks[j->cursor++] |= ISSUED;
    return true;
}

static void acknowledged(void *arg, uint64_t token)
{
    struct job *j = arg;
    j->marks[token] |= ACKNOWLEDGED;
}

/* ---- reading back ---- */

/* What GET may answer: the stanza; nil too, unless its write was acknowledged. */
static bool right(const struct job *j, size_t i, const struct reply *r)
{
    if (r->type != '$') return false;
    if (r->integer < 0) return !(j->marks[i] & ACKNOWLEDGED);
    return slice_equal(r->text, j->index.list[i].value);
}

static size_t read_replies(struct job *j, const size_t *asked, size_t count)
{
    size_t wrong = 0;
    for (size_t k = 0; k < count; k++) {
        struct reply r;
        if (!resp_read(&j->world.client, &r)) return wrong + 1;
        if (right(j, asked[k], &r)) continue;
        slice key = j->index.list[asked[k]].key;
        if (wrong++ < 5)
            printf("  GET %.*s: %s, marks %u\n", (int)key.size, (const char *)key.data,
                   r.integer < 0 ? "nil" : "another value or an error",
                   j->marks[asked[k]]);
    }
    return wrong;
}

/* Asks for every stanza that was ever sent; how many answers are wrong. */
static size_t wrong_answers(struct job *j)
{
    size_t asked[GET_WINDOW], n = 0, wrong = 0;
    for (size_t i = 0; i < j->index.count && !wrong; i++) {
        if (j->marks[i] & ISSUED) {
            slice argv[2] = {slice_text("GET"), j->index.list[i].key};
            resp_queue(&j->world.client, 2, argv);
            asked[n++] = i;
        }
        if (n == GET_WINDOW || (n > 0 && i + 1 == j->index.count)) {
            if (!resp_flush(&j->world.client)) return wrong + 1;
            wrong += read_replies(j, asked, n);
            n = 0;
        }
    }
    return wrong;
}

static void mark_seen(struct job *j, slice key, size_t *strangers)
{
    long i = stanzas_find(&j->index, key);
    if (i < 0)
        (*strangers)++;
    else
        j->marks[i] |= SEEN;
}

/* How many stanzas were not seen since the last call; forgets what was seen. */
static size_t unseen(struct job *j)
{
    size_t n = 0;
    for (size_t i = 0; i < j->index.count; i++) {
        if (!(j->marks[i] & SEEN)) n++;
        j->marks[i] &= (uint8_t)~SEEN;
    }
    return n;
}

/* SCAN from 0 to 0. A cursor that never comes back to 0 ends the loop too. */
static bool scan_all(struct job *j, size_t *strangers)
{
    char cursor[32] = "0";
    for (size_t turn = 0; turn < j->index.count; turn++) {
        struct reply r;
        if (!resp_call(&j->world.client, &r, "SCAN", cursor, "COUNT", "1000", NULL))
            return false;
        if (r.type != '*' || r.integer != 2) return false;
        if (!resp_read(&j->world.client, &r) || r.text.size >= sizeof cursor)
            return false;
        memcpy(cursor, r.text.data, r.text.size);
        cursor[r.text.size] = 0;
        if (!resp_read(&j->world.client, &r) || r.type != '*') return false;
        for (int64_t left = r.integer; left > 0; left--) {
            struct reply key;
            if (!resp_read(&j->world.client, &key)) return false;
            mark_seen(j, key.text, strangers);
        }
        if (strcmp(cursor, "0") == 0) return true;
    }
    printf("  SCAN does not come to an end\n");
    return false;
}

static bool redis_cli_scan(struct job *j, size_t *strangers)
{
    char command[128], line[512];
    snprintf(command, sizeof command, "redis-cli -p %d --scan", j->world.server.port);
    FILE *pipe = popen(command, "r");
    if (!pipe) return false;
    while (fgets(line, sizeof line, pipe)) {
        line[strcspn(line, "\n")] = 0;
        mark_seen(j, slice_text(line), strangers);
    }
    return pclose(pipe) == 0;
}

/* ---- the rounds ---- */

static void job_open(struct job *j, const char *policy, uint64_t seed)
{
    memset(j, 0, sizeof *j);
    rng_init(&j->rng, seed);
    REQUIRE(stanzas_load(&j->index));
    j->marks = calloc(1, j->index.count);
    REQUIRE(j->marks != NULL);
    snprintf(j->flags, sizeof j->flags, MEMTABLE_FLAGS " --appendfsync %s", policy);
    world_open(&j->world, j->flags);
}

static void job_close(struct job *j)
{
    world_close(&j->world);
    stanzas_free(&j->index);
    free(j->marks);
}

static void kill_while_loading(struct job *j)
{
    struct load_source source = {next_stanza, acknowledged, j};
    struct load_result load;
    struct killer killer;
    /* Three of four kills aim at the making of a table, the others fall where they fall. */
    bool aimed = j->kills % 4 != 3;
    killer_start(&killer, j->world.server.pid, (int64_t)rng_below(&j->rng, DELAY_MAX_US),
                 aimed ? j->world.scratch.store : NULL);
    load_run(j->world.server.port, CLIENTS, WINDOW, &source, &load);
    killer_join(&killer);
    world_kill(&j->world);
    CHECK_INT(load.refused, 0);

    int unfinished = store_unfinished_tables(j->world.scratch.dir);
    REQUIRE(unfinished >= 0);
    j->kills++;
    if (load.outstanding > 0 && unfinished > 0) j->busy_kills++;
    world_restart(&j->world, j->flags);
}

static void load_what_is_missing(struct job *j)
{
    struct load_source source = {next_stanza, acknowledged, j};
    struct load_result load;
    j->again = false;
    j->cursor = 0;
    load_run(j->world.server.port, CLIENTS, WINDOW, &source, &load);
    CHECK_INT(load.refused, 0);
    CHECK_INT(load.outstanding, 0);
}

static void survives(const char *policy, unsigned kills, const char *name)
{
    static struct job job;
    char full[128];
    snprintf(full, sizeof full, "e2e/package_index/%s", name);
    job_open(&job, policy, world_seed(full));
    job.again = true;

    while (job.kills < kills) {
        kill_while_loading(&job);
        REQUIRE_INT(wrong_answers(&job), 0);
    }
    load_what_is_missing(&job);
    REQUIRE_INT(wrong_answers(&job), 0);

    printf(
        "  appendfsync %s: %u kills, %u with replies outstanding and a table unfinished; "
        "%zu stanzas\n",
        policy, job.kills, job.busy_kills, job.index.count);
    CHECK(2 * job.busy_kills >= job.kills);
    job_close(&job);
}

static void every_acknowledged_stanza_survives_kills_under_always(void)
{
    survives("always", ALWAYS_KILLS, __func__);
}

static void every_acknowledged_stanza_survives_kills_under_everysec(void)
{
    survives("everysec", OTHER_KILLS, __func__);
}

static void every_acknowledged_stanza_survives_kills_under_no(void)
{
    survives("no", OTHER_KILLS, __func__);
}

static void get_scan_and_redis_cli_agree_on_the_whole_index(void)
{
    static struct job job;
    size_t strangers = 0;
    job_open(&job, "no", 0);
    load_what_is_missing(&job);
    struct reply size;
    REQUIRE(resp_call(&job.world.client, &size, "DBSIZE", NULL));

    CHECK_INT(wrong_answers(&job), 0);
    CHECK_INT(size.integer, job.index.count);
    CHECK(scan_all(&job, &strangers));
    CHECK_INT(unseen(&job), 0);
    CHECK(redis_cli_scan(&job, &strangers));
    CHECK_INT(unseen(&job), 0);
    CHECK_INT(strangers, 0);
    job_close(&job);
}

CU_TestInfo e2e_package_index_tests[] = {
    {"every_acknowledged_stanza_survives_kills_under_always",
     every_acknowledged_stanza_survives_kills_under_always},
    {"every_acknowledged_stanza_survives_kills_under_everysec",
     every_acknowledged_stanza_survives_kills_under_everysec},
    {"every_acknowledged_stanza_survives_kills_under_no",
     every_acknowledged_stanza_survives_kills_under_no},
    {"get_scan_and_redis_cli_agree_on_the_whole_index",
     get_scan_and_redis_cli_agree_on_the_whole_index},
    CU_TEST_INFO_NULL,
};
