#include "tests/support/check.h"
#include "tests/support/teststore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/db_state.h"
#include "fault/disk_posix.h"
#include "fault/plan.h"
#include "tests/support/failing.h"
#include "tests/support/lazy_sched.h"

/* ---- a load whose every outcome is known ----
 *
 * Operation i (from 1) puts "i" under one of few keys, or deletes it. The history keeps
 * for each key the newest acknowledged operation and all that were tried after it. */
#define KEYS 23

struct history {
    int acked[KEYS]; /* newest acknowledged operation; 0: none */
    int tried[KEYS]; /* newest operation that was answered with an error; 0: none */
};

static int key_of(int i)
{
    return i * 7 % KEYS;
}

static bool deletes(int i)
{
    return i % 11 == 0;
}

static void operate(struct db *db, struct history *h, int i, enum err *first)
{
    char key[16], value[64];
    snprintf(key, sizeof key, "key%03d", key_of(i));
    snprintf(value, sizeof value, "%05d and some bytes that fill a table soon", i);
    enum err e = deletes(i) ? db_delete(db, slice_text(key))
                            : db_put(db, slice_text(key), slice_text(value));
    *(e ? &h->tried[key_of(i)] : &h->acked[key_of(i)]) = i;
    if (e && !*first) *first = e;
    db_step(db);
}

/* The operation whose value the key holds; 0: it is absent. */
static int held(struct db *db, int k)
{
    char key[16];
    slice value;
    snprintf(key, sizeof key, "key%03d", k);
    enum err e = db_get(db, slice_text(key), &value, NULL);
    REQUIRE(e == ERR_OK || e == ERR_NOT_FOUND);
    return e ? 0 : atoi((const char *)value.data);
}

/* Each key holds what was acknowledged, or (with `lenient`) a later try. */
static bool agrees(struct db *db, const struct history *h, bool lenient)
{
    for (int k = 0; k < KEYS; k++) {
        int got = held(db, k), want = deletes(h->acked[k]) ? 0 : h->acked[k];
        if (got == want) continue;
        bool later = h->tried[k] > h->acked[k] &&
                     (got == 0 || (got > h->acked[k] && got <= h->tried[k]));
        if (lenient && later) continue;
        printf("  key %d holds %d, acknowledged %d, tried %d\n", k, got, h->acked[k],
               h->tried[k]);
        return false;
    }
    return true;
}

/* Puts, flushes and compactions. Returns the first error. */
static enum err load(struct db *db, struct history *h, int n)
{
    enum err first = ERR_OK;
    for (int i = 1; i <= n; i++) {
        operate(db, h, i, &first);
        enum err e = ERR_OK;
        if (i % 97 == 0) e = db_flush(db);
        if (i % 193 == 0) e = db_compact(db);
        if (e && !first) first = e;
    }
    return first;
}

static void tiny(struct teststore *t, enum sync_policy sync)
{
    teststore_init(t);
    t->options.sync = sync;
    t->options.memtable_bytes = 1024;
    t->options.log_bytes = 1024;
    t->options.table_bytes = 512;
    t->options.level1_bytes = 2048;
    t->options.manifest_bytes = 512;
}

/* ---- failing disks ---- */

struct verdict {
    bool fired;
    enum err err;
};

/* As long as the longest pause before failed work is tried again. */
static void come_back(struct teststore *t)
{
    for (int i = 0; i < 5 && db_step_timeout_ms(t->db) >= 0; i++) {
        clock_manual_advance(&t->clock, db_step_timeout_ms(t->db));
        db_step(t->db);
    }
    CHECK(!db_refuses(t->db));
}

/* One run in which the k-th call fails; then the power does, and the store opens again. */
static struct verdict run(long k, enum disk_sim_effect effect, enum sync_policy sync,
                          int error, struct rng *r)
{
    struct teststore t;
    struct history h = {{0}, {0}};
    struct failing f;
    struct verdict v;
    tiny(&t, sync);
    failing_begin(&f, t.disk, k);
    f.effect = effect;
    f.error = error;
    f.bytes = 20;
    v.err = teststore_open(&t);
    if (!v.err) v.err = load(t.db, &h, 400);
    failing_end(&f);
    v.fired = f.calls >= k;
    if (t.db) {
        CHECK(agrees(t.db, &h, false)); /* reads go on */
        if (v.err) CHECK_INT(v.err, ERR_WRITES_REFUSED);
        if (db_write_error(t.db)->code) CHECK(db_write_error(t.db)->os_error == error);
        if (k % 3 == 0) { /* it comes back by itself, and goes on */
            come_back(&t);
            memset(h.tried, 0, sizeof h.tried); /* what was refused is gone for good */
            CHECK_INT(teststore_put(&t, "late", "1"), ERR_OK);
            CHECK_INT(load(t.db, &h, 100), ERR_OK);
        }
    }
    bool keeps = sync == SYNC_ALWAYS; /* what was acknowledged, over a power cut */
    enum err e =
        keeps ? teststore_power_cut(&t, DISK_SURVIVE_RANDOM, r) : teststore_kill(&t);
    if (e) printf("  call %ld, effect %d: %s\n", k, (int)effect, t.why.text);
    REQUIRE_INT(e, ERR_OK);
    bool right = agrees(t.db, &h, true);
    if (!right) printf("  after call %ld failed with effect %d\n", k, (int)effect);
    CHECK(right);
    CHECK_INT(teststore_put(&t, "after", "1"), ERR_OK);
    CHECK_INT(db_compact(t.db), ERR_OK);
    teststore_close(&t);
    teststore_expect_sound(&t);
    teststore_deinit(&t);
    return v;
}

/* In how many shares a sweep's calls are dealt out (`make asan`): one share each is failed
 * by sweeps with consecutive seeds. Without STRIDE each sweep fails all. */
static long shares(void)
{
    const char *text = getenv("STRIDE");
    long n = text ? atol(text) : 1;
    REQUIRE(n >= 1);
    return n;
}

/* Every call at the beginning, where a store comes to be, then with growing strides. */
static void sweep(enum disk_sim_effect effect, enum sync_policy sync, int error,
                  uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed);
    long fired = 0, n = shares();
    for (long k = 1 + (long)(seed % (uint64_t)n);; k += k < 150 ? n : 11 * n) {
        struct verdict v = run(k, effect, sync, error, &r);
        if (!v.fired) break;
        fired++;
    }
    CHECK(fired > 200 / n);
}

static void a_call_that_fails_and_does_nothing_loses_nothing(void)
{
    sweep(DISK_EFFECT_NONE, SYNC_ALWAYS, 5, 1);
}

static void a_call_that_fails_half_way_loses_nothing(void)
{
    sweep(DISK_EFFECT_PARTIAL, SYNC_ALWAYS, 28, 2);
}

static void a_call_that_fails_but_did_everything_loses_nothing(void)
{
    sweep(DISK_EFFECT_FULL, SYNC_ALWAYS, 5, 3);
}

static void a_killed_process_loses_nothing_without_syncs(void)
{
    sweep(DISK_EFFECT_PARTIAL, SYNC_NO, 5, 4);
}

/* ---- failing memory ---- */

static void every_allocation_may_fail_and_nothing_is_lost(void)
{
    long fired = 0;
    for (long k = 1;; k += k < 200 ? 1 : 11) {
        struct teststore t;
        struct history h = {{0}, {0}};
        tiny(&t, SYNC_ALWAYS);
        t.mem.fail_at = k;
        enum err e = teststore_open(&t);
        if (!e) e = load(t.db, &h, 200);
        bool failed = t.mem.calls >= k;
        t.mem.fail_at = 0;
        if (failed) CHECK(e == ERR_OK || e == ERR_NOMEM || e == ERR_WRITES_REFUSED);
        if (!failed) CHECK_INT(e, ERR_OK);
        if (t.db) {
            CHECK(agrees(t.db, &h, false));
            teststore_close(&t); /* checks that nothing leaked */
        }
        CHECK_INT(t.mem.blocks, 0);
        REQUIRE_INT(teststore_open(&t), ERR_OK);
        bool right = agrees(t.db, &h, true);
        if (!right) printf("  after allocation %ld failed\n", k);
        CHECK(right);
        teststore_close(&t);
        teststore_expect_sound(&t);
        teststore_deinit(&t);
        if (!failed) break;
        fired++;
    }
    CHECK(fired > 200);
}

/* ---- what background work leaves behind ---- */

static void files_that_nobody_names_are_deleted(void)
{
    struct teststore t;
    struct history h = {{0}, {0}};
    struct db_stats stats;
    tiny(&t, SYNC_NO);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(load(t.db, &h, 1000), ERR_OK);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    db_step(t.db);
    db_stats_get(t.db, &stats);
    uint64_t files = 0;
    for (int l = 0; l < LEVELS_MAX; l++)
        files += stats.level[l].files;
    CHECK_INT(teststore_count(&t, ".sst"), files);
    CHECK(teststore_count(&t, ".log") <= 4);
    CHECK(stats.flushes > 10);
    CHECK(stats.compactions > 3);
    teststore_deinit(&t);
}

/* A table and a log are made side by side, and the sync of the directory for the table fails.
 * The next one returns 0 and covers nothing of the log's name: it has to be made again. */
static void a_failed_sync_of_names_covers_nothing_that_was_made_before(void)
{
    struct teststore t;
    struct lazy_sched lazy;
    struct failing f;
    teststore_init(&t);
    lazy_sched_init(&lazy);
    t.env.sched = &lazy.sched;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    db_step(t.db);
    lazy.held = 1u << JOB_METADATA | 1u << JOB_FLUSH;
    teststore_fill(&t, "a", 8, 600, 0);
    db_step(t.db);
    REQUIRE(t.db->flushing && t.db->preparing);
    lazy_sched_run(&lazy);
    lazy.held = 0;

    failing_begin(&f, t.disk, 1);
    f.only_calls = 1u << CALL_SYNC;
    db_step(t.db);
    CHECK_INT(f.calls, 1);
    failing_end(&f);
    clock_manual_advance(&t.clock, 1000);
    db_step(t.db);
    CHECK_INT(t.db->immutable_count, 0);
    CHECK_INT(t.db->spare_count, t.options.spare_logs);

    REQUIRE_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect_fill(&t, "a", 8, 600, 0);
    teststore_deinit(&t);
}

static void a_file_that_cannot_be_deleted_is_named_with_the_reason(void)
{
    struct teststore t;
    struct plan plan = {.pattern = "fs/sst/unlink/eio", .kth = 1};
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(plan_arm(&plan), 0);
    for (int round = 0; round < 2; round++) {
        teststore_fill(&t, "a", 8, 100, round);
        REQUIRE_INT(db_flush(t.db), ERR_OK);
    }
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    db_step(t.db);
    CHECK_INT(plan.fired, 1);
    plan_disarm_all();
    CHECK(strstr(t.log, ".sst: cannot be deleted, which the next start tries again: "
                        "Input/output error") != NULL);
    teststore_reopen(&t);
    REQUIRE_INT(db_settle(t.db), ERR_OK);
    CHECK_INT(teststore_count(&t, ".sst"), 1);
    teststore_deinit(&t);
}

/* A put that finds no log ready waits for a sync of several megabytes. */
static void as_many_logs_are_kept_ready_as_was_asked_for(void)
{
    for (unsigned n = 1; n <= 3; n++) {
        struct teststore t;
        struct history h = {{0}, {0}};
        tiny(&t, SYNC_NO);
        t.options.spare_logs = n;
        REQUIRE_INT(teststore_open(&t), ERR_OK);
        REQUIRE_INT(load(t.db, &h, 50), ERR_OK);
        REQUIRE_INT(db_flush(t.db), ERR_OK);
        REQUIRE_INT(db_settle(t.db), ERR_OK);
        /* the active one, and one that waits for its next life */
        CHECK_INT(teststore_count(&t, ".log"), 2 + n);
        CHECK_INT(teststore_count(&t, ".reserve"), n > 1 ? 2 : 0);
        teststore_deinit(&t);
    }
}

static void a_compaction_of_everything_leaves_one_level(void)
{
    struct teststore t;
    struct history h = {{0}, {0}};
    struct db_stats stats;
    tiny(&t, SYNC_NO);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(load(t.db, &h, 700), ERR_OK);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    db_stats_get(t.db, &stats);
    int levels = 0;
    uint64_t entries = 0, present = 0;
    for (int l = 0; l < LEVELS_MAX; l++) {
        levels += stats.level[l].files > 0;
        entries += stats.level[l].entries;
    }
    for (int k = 0; k < KEYS; k++)
        present += held(t.db, k) != 0;
    CHECK_INT(levels, 1);
    CHECK_INT(entries, present); /* no tombstone, no old version */
    CHECK_INT(stats.memtable_bytes > 0, 1);
    teststore_deinit(&t);
}

/* The floor is in the log, and no sync has returned for it. A compaction that drops what
 * lies below would have lost it all when the power fails. */
static void a_floor_that_may_be_lost_sinks_nothing_in_a_compaction(void)
{
    struct teststore t;
    struct batch b;
    struct db_stats stats;
    char key[16];
    int n = 0;
    tiny(&t, SYNC_NO);
    t.options.level0_tables = 1;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(teststore_put(&t, "p00000a", "to merge with"), ERR_OK);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    do { /* until a memtable waits for its flush: no step in between */
        snprintf(key, sizeof key, "p%05d", n++);
        REQUIRE_INT(teststore_put(&t, key, "0123456789012345678901234567890"), ERR_OK);
        db_stats_get(t.db, &stats);
    } while (stats.immutables == 0);
    batch_init(&b, mem_libc(), 0);
    REQUIRE_INT(batch_floor(&b, 'p'), ERR_OK);
    REQUIRE_INT(db_write(t.db, &b), ERR_OK);
    teststore_expect(&t, "p00000", NULL);
    db_step(t.db);
    db_stats_get(t.db, &stats);
    REQUIRE(stats.compactions == 1);
    batch_deinit(&b);

    REQUIRE_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    for (int i = 0; i < n - 1; i++) { /* the last one was in the new log */
        snprintf(key, sizeof key, "p%05d", i);
        teststore_expect(&t, key, "0123456789012345678901234567890");
    }
    teststore_deinit(&t);
}

/* ---- threads ---- */

/* A store on the real disk, in a directory of its own under the current one. */
struct real {
    char path[64];
    struct disk *disk;
    struct db_env env;
    struct options options;
};

static void real_begin(struct real *r, struct sched *sched)
{
    struct teststore t;
    tiny(&t, SYNC_NO);
    r->options = t.options;
    r->options.memtable_bytes = r->options.log_bytes = 8192; /* real syncs cost time */
    r->options.table_bytes = 4096;
    teststore_deinit(&t);
    snprintf(r->path, sizeof r->path, "build/db-work-XXXXXX");
    REQUIRE(mkdtemp(r->path) != NULL);
    REQUIRE_INT(disk_posix_new(mem_libc(), r->path, &r->disk), 0);
    REQUIRE(sched != NULL);
    r->env = (struct db_env){
        .disk = r->disk, .clock = clock_real(), .mem = mem_libc(), .sched = sched};
}

static int remove_name(void *arg, const char *name)
{
    return disk_unlink(arg, name, SITE_OTHER_UNLINK);
}

static void real_end(struct real *r)
{
    struct disk_dir *dir;
    REQUIRE_INT(disk_dir_open(r->disk, "db", &dir), 0);
    CHECK_INT(disk_list(dir, remove_name, dir), 0);
    disk_dir_close(dir);
    CHECK_INT(disk_rmdir(r->disk, "db", SITE_OTHER_RMDIR), 0);
    disk_posix_free(r->disk);
    CHECK_INT(rmdir(r->path), 0);
    sched_free(r->env.sched);
}

static void worker_threads_come_to_the_same_contents(void)
{
    struct sched *scheds[2] = {sched_inline_new(mem_libc()),
                               sched_threads_new(mem_libc())};
    int contents[2][KEYS];
    for (int pass = 0; pass < 2; pass++) {
        struct real r;
        struct db *db;
        struct history h = {{0}, {0}};
        struct db_stats stats;
        struct err_detail why;
        real_begin(&r, scheds[pass]);
        REQUIRE_INT(db_open(&r.env, "db", &r.options, &db, &why), ERR_OK);
        CHECK_INT(load(db, &h, 1500), ERR_OK);
        CHECK(agrees(db, &h, false));
        db_stats_get(db, &stats);
        CHECK(stats.flushes > 10);
        CHECK_INT(db_close(db), ERR_OK);
        CHECK_INT(db_check(&r.env, "db", &r.options, NULL, NULL), ERR_OK);
        REQUIRE_INT(db_open(&r.env, "db", &r.options, &db, &why), ERR_OK);
        CHECK(agrees(db, &h, false));
        for (int k = 0; k < KEYS; k++)
            contents[pass][k] = held(db, k);
        CHECK_INT(db_close(db), ERR_OK);
        real_end(&r);
    }
    CHECK(memcmp(contents[0], contents[1], sizeof contents[0]) == 0);
}

/* Readers hold what jobs on other threads replace. */
static void an_iterator_and_worker_threads_do_not_meet(void)
{
    struct real r;
    struct db *db;
    struct history h = {{0}, {0}}, later;
    struct err_detail why;
    struct db_iter *it;
    int n = 0, present = 0;
    real_begin(&r, sched_threads_new(mem_libc()));
    REQUIRE_INT(db_open(&r.env, "db", &r.options, &db, &why), ERR_OK);
    CHECK_INT(load(db, &h, 500), ERR_OK);
    for (int k = 0; k < KEYS; k++)
        present += held(db, k) != 0;
    REQUIRE_INT(db_iter_new(db, &it), ERR_OK);
    db_iter_seek(it, slice_of(NULL, 0));
    later = h;
    for (; db_iter_valid(it); db_iter_next(it), n++)
        CHECK_INT(load(db, &later, 100), ERR_OK);
    CHECK_INT(db_iter_error(it, &why), ERR_OK);
    CHECK_INT(n, present);
    db_iter_free(it);
    CHECK_INT(db_close(db), ERR_OK);
    real_end(&r);
}

/* A store may be closed while jobs are under way. */
static void closing_waits_for_the_jobs_in_flight(void)
{
    struct real r;
    struct history h = {{0}, {0}};
    enum err first = ERR_OK;
    real_begin(&r, sched_threads_new(mem_libc()));
    for (int i = 1; i <= 30; i++) {
        struct db *db;
        struct err_detail why;
        REQUIRE_INT(db_open(&r.env, "db", &r.options, &db, &why), ERR_OK);
        for (int j = 0; j < 20; j++)
            operate(db, &h, i * 20 + j, &first);
        CHECK_INT(db_close(db), ERR_OK);
    }
    struct db *db;
    struct err_detail why;
    REQUIRE_INT(db_open(&r.env, "db", &r.options, &db, &why), ERR_OK);
    CHECK(agrees(db, &h, false));
    CHECK_INT(first, ERR_OK);
    CHECK_INT(db_close(db), ERR_OK);
    real_end(&r);
}

/* Adds a put to the open group; submits it when none is settling. */
static void put_and_submit(struct db *db, int i)
{
    char key[16];
    snprintf(key, sizeof key, "g%05d", i);
    if (!db_in_group(db)) REQUIRE_INT(db_group_begin(db), ERR_OK);
    REQUIRE_INT(db_put(db, slice_text(key), slice_text(key)), ERR_OK);
    db_reap(db);
    if (db_group_settling(db)) return;
    REQUIRE_INT(db_group_result(db), ERR_OK);
    REQUIRE_INT(db_group_submit(db), ERR_OK);
}

/* Under `always` groups are built beside the sync of the one before them; under everysec
 * records are written beside it. */
static void a_worker_syncs_while_the_owner_writes(void)
{
    struct real r;
    struct db *db;
    struct err_detail why;
    struct clock_manual clock;
    slice value;
    clock_manual_init(&clock, 0);
    real_begin(&r, sched_threads_new(mem_libc()));
    r.env.clock = &clock.clock;
    r.options.sync = SYNC_ALWAYS;
    REQUIRE_INT(db_open(&r.env, "db", &r.options, &db, &why), ERR_OK);
    for (int i = 0; i < 600; i++) {
        put_and_submit(db, i);
        if (!db_in_group(db)) db_step(db);
    }
    db_group_await(db);
    CHECK_INT(db_group_result(db), ERR_OK);
    if (db_in_group(db)) CHECK_INT(db_group_commit(db), ERR_OK);
    db_set_sync(db, SYNC_EVERYSEC);
    for (int i = 600; i < 1200; i++) {
        put_and_submit(db, i);
        clock_manual_advance(&clock, 250);
        db_step(db);
    }
    CHECK_INT(db_close(db), ERR_OK);

    REQUIRE_INT(db_open(&r.env, "db", &r.options, &db, &why), ERR_OK);
    CHECK_INT(db_get(db, slice_text("g00000"), &value, &why), ERR_OK);
    CHECK_INT(db_get(db, slice_text("g01199"), &value, &why), ERR_OK);
    CHECK_INT(db_close(db), ERR_OK);
    real_end(&r);
}

/* A job fails on its thread while others are under way. */
static void a_failure_on_a_worker_thread_loses_nothing(void)
{
    static const char *const points[] = {
        "fs/sst/sync/eio",     "fs/sst/write/enospc",  "fs/sst/open/emfile",
        "fs/dir/sync/eio",     "fs/manifest/sync/eio", "fs/manifest/write/part",
        "fs/current/sync/eio", "fs/wal/rename/eio",    "fs/wal/sync/eio",
    };
    int fired = 0;
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        for (long kth = 1; kth <= 7; kth += 2) {
            struct real r;
            struct db *db;
            struct history h = {{0}, {0}};
            struct err_detail why;
            struct plan plan = {.pattern = points[i], .kth = kth};
            real_begin(&r, sched_threads_new(mem_libc()));
            REQUIRE_INT(db_open(&r.env, "db", &r.options, &db, &why), ERR_OK);
            REQUIRE_INT(plan_arm(&plan), 0);
            enum err e = load(db, &h, 400);
            CHECK(agrees(db, &h, false));
            CHECK(e == ERR_OK || e == ERR_WRITES_REFUSED);
            db_close(db);
            plan_disarm_all();
            fired += plan.fired > 0;
            REQUIRE_INT(db_open(&r.env, "db", &r.options, &db, &why), ERR_OK);
            bool right = agrees(db, &h, true);
            if (!right) printf("  after %s, call %ld\n", points[i], kth);
            CHECK(right);
            CHECK_INT(db_close(db), ERR_OK);
            CHECK_INT(db_check(&r.env, "db", &r.options, NULL, NULL), ERR_OK);
            real_end(&r);
        }
    }
    CHECK(fired > 20);
}

CU_TestInfo engine_db_work_tests[] = {
    {"a_call_that_fails_and_does_nothing_loses_nothing",
     a_call_that_fails_and_does_nothing_loses_nothing},
    {"a_call_that_fails_half_way_loses_nothing",
     a_call_that_fails_half_way_loses_nothing},
    {"a_call_that_fails_but_did_everything_loses_nothing",
     a_call_that_fails_but_did_everything_loses_nothing},
    {"a_killed_process_loses_nothing_without_syncs",
     a_killed_process_loses_nothing_without_syncs},
    {"every_allocation_may_fail_and_nothing_is_lost",
     every_allocation_may_fail_and_nothing_is_lost},
    {"files_that_nobody_names_are_deleted", files_that_nobody_names_are_deleted},
    {"a_failed_sync_of_names_covers_nothing_that_was_made_before",
     a_failed_sync_of_names_covers_nothing_that_was_made_before},
    {"a_file_that_cannot_be_deleted_is_named_with_the_reason",
     a_file_that_cannot_be_deleted_is_named_with_the_reason},
    {"as_many_logs_are_kept_ready_as_was_asked_for",
     as_many_logs_are_kept_ready_as_was_asked_for},
    {"a_compaction_of_everything_leaves_one_level",
     a_compaction_of_everything_leaves_one_level},
    {"a_floor_that_may_be_lost_sinks_nothing_in_a_compaction",
     a_floor_that_may_be_lost_sinks_nothing_in_a_compaction},
    {"worker_threads_come_to_the_same_contents",
     worker_threads_come_to_the_same_contents},
    {"an_iterator_and_worker_threads_do_not_meet",
     an_iterator_and_worker_threads_do_not_meet},
    {"a_failure_on_a_worker_thread_loses_nothing",
     a_failure_on_a_worker_thread_loses_nothing},
    {"closing_waits_for_the_jobs_in_flight", closing_waits_for_the_jobs_in_flight},
    {"a_worker_syncs_while_the_owner_writes", a_worker_syncs_while_the_owner_writes},
    CU_TEST_INFO_NULL,
};
