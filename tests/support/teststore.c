#include "tests/support/teststore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"

static void collect_log(void *arg, enum log_level level, const char *line)
{
    struct teststore *t = arg;
    (void)level;
    size_t used = strlen(t->log);
    snprintf(t->log + used, sizeof t->log - used, "%s\n", line);
}

/* Barriers out of order are a failure of whatever test sees them. */
static void on_violation(void *arg, enum order_rule rule, const char *line)
{
    (void)arg;
    printf("  ordering assert: %s: %s\n", order_rule_text(rule), line);
    CU_FAIL("a barrier is missing or out of order");
}

void teststore_init(struct teststore *t)
{
    memset(t, 0, sizeof *t);
    mem_counting_init(&t->mem, mem_libc());
    clock_manual_init(&t->clock, 1700000000000);
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    config.chunk_bytes = 64;
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &t->disk), 0);
    t->sched = sched_inline_new(mem_libc());
    REQUIRE(t->sched != NULL);
    t->env = (struct db_env){.disk = t->disk,
                             .clock = &t->clock.clock,
                             .mem = &t->mem.mem,
                             .sched = t->sched,
                             .log = collect_log,
                             .log_arg = t};
    options_init(&t->options);
    t->options.memtable_bytes = 4096;
    t->options.log_bytes = 4096;
    t->options.block_bytes = 256;
    t->options.table_bytes = 2048;
    t->options.cache_bytes = 4096;
    t->options.level0_tables = 2;
    t->options.level1_bytes = 8192;
    t->options.level_ratio = 4;
    t->options.manifest_bytes = 2048;
    t->options.write_buffer_bytes = 512;
    t->options.spare_logs = 1;
}

void teststore_deinit(struct teststore *t)
{
    if (t->db) teststore_close(t);
    CHECK_INT(t->mem.blocks, 0);
    sched_free(t->sched);
    disk_sim_free(t->disk);
}

/* A test that brings a disk of its own goes without the assert. */
static bool watched(const struct teststore *t)
{
    return t->watch.order && t->env.disk == disk_order_disk(t->watch.order);
}

static void watch(struct teststore *t)
{
    if (t->env.disk == t->disk)
        t->env.disk = order_watch_init(&t->watch, t->disk, on_violation, t);
}

static void unwatch(struct teststore *t)
{
    if (!watched(t)) return;
    t->env.disk = t->disk;
    order_watch_deinit(&t->watch);
}

enum err teststore_open(struct teststore *t)
{
    REQUIRE(t->db == NULL);
    t->log[0] = 0;
    watch(t);
    enum err e = db_open(&t->env, TESTSTORE_DIR, &t->options, &t->db, &t->why);
    if (e) unwatch(t);
    return e;
}

/* Closing a store whose process is dead changes nothing: its handles answer -EBADF. */
static void end_process(struct teststore *t)
{
    if (t->db) db_close(t->db);
    t->db = NULL;
    unwatch(t);
}

void teststore_close(struct teststore *t)
{
    REQUIRE(t->db != NULL);
    end_process(t);
    CHECK_INT(t->mem.blocks, 0);
}

void teststore_reopen(struct teststore *t)
{
    teststore_close(t);
    REQUIRE_INT(teststore_open(t), ERR_OK);
}

void teststore_die(struct teststore *t)
{
    disk_sim_process_crash(t->disk);
    end_process(t);
}

enum err teststore_kill(struct teststore *t)
{
    teststore_die(t);
    return teststore_open(t);
}

enum err teststore_power_cut(struct teststore *t, enum disk_sim_survivors survivors,
                             struct rng *rng)
{
    disk_sim_power_cut(t->disk, survivors, rng);
    end_process(t);
    return teststore_open(t);
}

/* ---- data ---- */

/* A change that was answered with OK under `always` must be safe. */
static enum err answer(struct teststore *t, enum err e)
{
    bool promised = !e && t->options.sync == SYNC_ALWAYS && !db_in_group(t->db);
    if (promised && watched(t)) order_watch_acknowledge(&t->watch);
    return e;
}

enum err teststore_put(struct teststore *t, const char *key, const char *value)
{
    return answer(t, db_put(t->db, slice_text(key), slice_text(value)));
}

enum err teststore_delete(struct teststore *t, const char *key)
{
    return answer(t, db_delete(t->db, slice_text(key)));
}

static void fill_value(uint8_t *out, size_t bytes, int i, int round)
{
    struct rng r;
    rng_init(&r, (uint64_t)i * 1000003 + (uint64_t)round);
    for (size_t k = 0; k < bytes; k++)
        out[k] = (uint8_t)rng_next(&r);
}

void teststore_fill(struct teststore *t, const char *prefix, int n, size_t bytes,
                    int round)
{
    uint8_t *value = malloc(bytes + 1);
    char key[64];
    for (int i = 0; i < n; i++) {
        snprintf(key, sizeof key, "%s%05d", prefix, i);
        fill_value(value, bytes, i, round);
        enum err e = db_put(t->db, slice_text(key), slice_of(value, bytes));
        REQUIRE_INT(answer(t, e), ERR_OK);
        db_step(t->db);
    }
    free(value);
}

void teststore_expect_fill(struct teststore *t, const char *prefix, int n, size_t bytes,
                           int round)
{
    uint8_t *value = malloc(bytes + 1);
    char key[64];
    for (int i = 0; i < n; i++) {
        slice got = {NULL, 0};
        snprintf(key, sizeof key, "%s%05d", prefix, i);
        fill_value(value, bytes, i, round);
        enum err e = db_get(t->db, slice_text(key), &got, &t->why);
        if (e) printf("  %s: %s\n", key, err_text(e));
        CHECK_INT(e, ERR_OK);
        if (!e) CHECK_SLICE(got, slice_of(value, bytes));
    }
    free(value);
}

void teststore_expect(struct teststore *t, const char *key, const char *want)
{
    slice got = {NULL, 0};
    enum err e = db_get(t->db, slice_text(key), &got, &t->why);
    CHECK_INT(e, want ? ERR_OK : ERR_NOT_FOUND);
    if (want && !e) CHECK_SLICE(got, slice_text(want));
}

void teststore_keys(struct teststore *t, char *out, size_t n)
{
    struct db_iter *it;
    size_t used = 0;
    out[0] = 0;
    REQUIRE_INT(db_iter_new(t->db, &it), ERR_OK);
    for (db_iter_seek(it, slice_of(NULL, 0)); db_iter_valid(it); db_iter_next(it)) {
        slice key = db_iter_key(it);
        used += (size_t)snprintf(out + used, n - used, "%s%.*s", used ? "," : "",
                                 (int)key.size, (const char *)key.data);
        REQUIRE(used < n);
    }
    CHECK_INT(db_iter_error(it, NULL), ERR_OK);
    db_iter_free(it);
}

static void print_finding(void *arg, enum err code, const char *line)
{
    (void)arg;
    printf("  finding: %s: %s\n", err_text(code), line);
}

void teststore_expect_sound(struct teststore *t)
{
    CHECK_INT(db_check(&t->env, TESTSTORE_DIR, &t->options, print_finding, NULL), ERR_OK);
}

/* ---- files ---- */

static struct disk_dir *open_dir(struct teststore *t)
{
    struct disk_dir *dir;
    REQUIRE_INT(disk_dir_open(t->disk, TESTSTORE_DIR, &dir), 0);
    return dir;
}

void teststore_read_file(struct teststore *t, const char *name, uint8_t **data,
                         size_t *size)
{
    struct disk_dir *dir = open_dir(t);
    struct disk_file *file;
    uint64_t bytes;
    REQUIRE_INT(disk_open(dir, name, DISK_READ, SITE_OTHER_CREATE, &file), 0);
    REQUIRE_INT(disk_size(file, &bytes), 0);
    *data = malloc((size_t)bytes + 1);
    REQUIRE_INT(disk_read(file, 0, *data, (size_t)bytes, size), 0);
    disk_close(file);
    disk_dir_close(dir);
}

void teststore_write_file(struct teststore *t, const char *name, const void *data,
                          size_t size)
{
    struct disk_dir *dir = open_dir(t);
    struct disk_file *file;
    REQUIRE_INT(disk_open(dir, name, DISK_WRITE | DISK_CREATE | DISK_TRUNC,
                          SITE_OTHER_CREATE, &file),
                0);
    REQUIRE_INT(disk_write(file, 0, data, size, SITE_OTHER_WRITE, NULL), 0);
    disk_close(file);
    disk_dir_close(dir);
}

struct names {
    const char *suffix;
    int count;
    char newest[32];
};

static int collect_name(void *arg, const char *name)
{
    struct names *n = arg;
    size_t len = strlen(name), suffix = strlen(n->suffix);
    if (len < suffix || strcmp(name + len - suffix, n->suffix) != 0) return 0;
    n->count++;
    snprintf(n->newest, sizeof n->newest, "%.31s", name);
    return 0;
}

void teststore_newest(struct teststore *t, const char *suffix, char name[32])
{
    struct names n = {.suffix = suffix};
    struct disk_dir *dir = open_dir(t);
    REQUIRE_INT(disk_list(dir, collect_name, &n), 0);
    disk_dir_close(dir);
    REQUIRE(n.count > 0);
    memcpy(name, n.newest, sizeof n.newest);
}

int teststore_count(struct teststore *t, const char *suffix)
{
    struct names n = {.suffix = suffix};
    struct disk_dir *dir = open_dir(t);
    REQUIRE_INT(disk_list(dir, collect_name, &n), 0);
    disk_dir_close(dir);
    return n.count;
}
