#include "tests/support/check.h"
#include "tests/support/lazy_sched.h"
#include "tests/support/peak.h"
#include "tests/support/teststore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fault/plan.h"

static void a_new_store_is_empty_and_sound(void)
{
    struct teststore t;
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    teststore_expect(&t, "a", NULL);
    teststore_close(&t);
    teststore_expect_sound(&t);
    teststore_deinit(&t);
}

static void a_put_is_read_back_overwritten_and_deleted(void)
{
    struct teststore t;
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);

    CHECK_INT(teststore_put(&t, "k", "one"), ERR_OK);
    teststore_expect(&t, "k", "one");
    CHECK_INT(teststore_put(&t, "k", "two"), ERR_OK);
    teststore_expect(&t, "k", "two");
    CHECK_INT(teststore_delete(&t, "k"), ERR_OK);
    teststore_expect(&t, "k", NULL);

    teststore_reopen(&t);
    teststore_expect(&t, "k", NULL);
    teststore_deinit(&t);
}

static void a_reopened_store_holds_what_was_put(void)
{
    struct teststore t;
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    CHECK_INT(teststore_put(&t, "", "empty key"), ERR_OK);
    CHECK_INT(teststore_put(&t, "e", ""), ERR_OK);
    teststore_reopen(&t);
    teststore_expect(&t, "", "empty key");
    teststore_expect(&t, "e", "");
    teststore_deinit(&t);
}

static void many_puts_pass_through_flushes_and_compactions(void)
{
    struct teststore t;
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);

    for (int round = 0; round < 4; round++)
        teststore_fill(&t, "key", 200, 40, round);
    struct db_stats stats;
    db_stats_get(t.db, &stats);

    CHECK(stats.flushes > 4);
    CHECK(stats.compactions > 1);
    teststore_expect_fill(&t, "key", 200, 40, 3);
    teststore_reopen(&t);
    teststore_expect_fill(&t, "key", 200, 40, 3);
    teststore_close(&t);
    teststore_expect_sound(&t);
    teststore_deinit(&t);
}

static void deleted_keys_stay_deleted_through_compaction(void)
{
    struct teststore t;
    char key[16], keys[256];
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    teststore_fill(&t, "d", 100, 30, 0);
    REQUIRE_INT(db_compact(t.db), ERR_OK);

    for (int i = 1; i < 100; i++) {
        snprintf(key, sizeof key, "d%05d", i);
        REQUIRE_INT(teststore_delete(&t, key), ERR_OK);
    }
    REQUIRE_INT(db_compact(t.db), ERR_OK);

    teststore_keys(&t, keys, sizeof keys);
    CHECK_TEXT(keys, "d00000");
    struct db_stats stats;
    db_stats_get(t.db, &stats);
    uint64_t entries = 0;
    for (int l = 0; l < LEVELS_MAX; l++)
        entries += stats.level[l].entries;
    CHECK_INT(entries, 1); /* the tombstones went with what they hid */
    teststore_deinit(&t);
}

static void a_group_is_visible_inside_and_settled_by_commit(void)
{
    struct teststore t;
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);

    REQUIRE_INT(db_group_begin(t.db), ERR_OK);
    CHECK_INT(teststore_put(&t, "a", "1"), ERR_OK);
    CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);
    teststore_expect(&t, "a", "1");
    CHECK(db_settled_seq(t.db) < db_last_seq(t.db));
    CHECK_INT(db_group_commit(t.db), ERR_OK);

    CHECK(db_settled_seq(t.db) == db_last_seq(t.db));
    teststore_expect(&t, "b", "2");
    teststore_deinit(&t);
}

static void registers_and_floors_survive_reopen_and_flush(void)
{
    struct teststore t;
    struct batch b;
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    batch_init(&b, mem_libc(), 0);

    CHECK_INT(batch_put(&b, slice_text("p1"), slice_text("x")), ERR_OK);
    CHECK_INT(batch_register_add(&b, 3, 5), ERR_OK);
    CHECK_INT(db_write(t.db, &b), ERR_OK);
    batch_clear(&b);
    CHECK_INT(batch_register_add(&b, 3, -2), ERR_OK);
    CHECK_INT(batch_register_set(&b, 7, 70), ERR_OK);
    CHECK_INT(batch_floor(&b, 'p'), ERR_OK);
    CHECK_INT(batch_put(&b, slice_text("p2"), slice_text("y")), ERR_OK);
    CHECK_INT(db_write(t.db, &b), ERR_OK);

    for (int pass = 0; pass < 3; pass++) {
        CHECK_INT(db_register(t.db, 3), 3);
        CHECK_INT(db_register(t.db, 7), 70);
        teststore_expect(&t, "p1", NULL);
        teststore_expect(&t, "p2", "y");
        if (pass == 1) REQUIRE_INT(db_flush(t.db), ERR_OK);
        teststore_reopen(&t);
    }
    batch_deinit(&b);
    teststore_deinit(&t);
}

static void an_aborted_batch_leaves_no_trace(void)
{
    struct teststore t;
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(db_group_begin(t.db), ERR_OK);
    CHECK_INT(teststore_put(&t, "a", "1"), ERR_OK);
    struct batch *b = db_batch_begin(t.db);
    CHECK_INT(batch_put(b, slice_text("b"), slice_text("2")), ERR_OK);
    CHECK_INT(batch_register_add(b, 1, 1), ERR_OK);
    db_batch_abort(t.db);
    CHECK_INT(db_group_commit(t.db), ERR_OK);
    teststore_reopen(&t);
    teststore_expect(&t, "a", "1");
    teststore_expect(&t, "b", NULL);
    CHECK_INT(db_register(t.db, 1), 0);
    teststore_deinit(&t);
}

/* What a failed group may not do to a counter: whether the group changed it, only meant
 * to, or did so in one of two batches. */
static void counters_are_as_before_after_a_failed_group(void)
{
    for (int variant = 0; variant < 3; variant++) {
        struct teststore t;
        teststore_init(&t);
        t.options.sync = SYNC_ALWAYS;
        REQUIRE_INT(teststore_open(&t), ERR_OK);
        for (int i = 0; i < 3; i++) { /* the last of these groups leaves it alone */
            REQUIRE_INT(db_group_begin(t.db), ERR_OK);
            if (i < 2) CHECK_INT(batch_register_add(db_batch_begin(t.db), 3, 4), ERR_OK);
            if (i < 2) CHECK_INT(db_batch_commit(t.db), ERR_OK);
            CHECK_INT(teststore_put(&t, "a", "1"), ERR_OK);
            CHECK_INT(db_group_commit(t.db), ERR_OK);
        }
        REQUIRE_INT(db_group_begin(t.db), ERR_OK);
        CHECK_INT(teststore_put(&t, "a", "2"), ERR_OK);
        if (variant > 0) {
            CHECK_INT(batch_register_add(db_batch_begin(t.db), 3, 100), ERR_OK);
            db_batch_abort(t.db);
        }
        CHECK_INT(db_register(t.db, 3), 8);
        if (variant > 1) {
            CHECK_INT(batch_register_add(db_batch_begin(t.db), 3, 1000), ERR_OK);
            CHECK_INT(db_batch_commit(t.db), ERR_OK);
            CHECK_INT(batch_register_add(db_batch_begin(t.db), 3, 1), ERR_OK);
            CHECK_INT(db_batch_commit(t.db), ERR_OK);
            CHECK_INT(db_register(t.db, 3), 1009);
        }
        disk_sim_fail_next(t.disk, DISK_EFFECT_NONE, 5, 0);
        CHECK_INT(db_group_commit(t.db), ERR_WRITES_REFUSED);
        CHECK_INT(db_register(t.db, 3), 8);
        teststore_expect(&t, "a", "1");
        teststore_deinit(&t);
    }
}

static void a_failed_sync_undoes_the_group_and_refuses_writes(void)
{
    struct teststore t;
    teststore_init(&t);
    t.options.sync = SYNC_ALWAYS;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    CHECK_INT(teststore_put(&t, "a", "1"), ERR_OK);

    REQUIRE_INT(db_group_begin(t.db), ERR_OK);
    CHECK_INT(teststore_put(&t, "a", "2"), ERR_OK);
    CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);
    /* the write goes through, its sync fails */
    disk_sim_fail_next(t.disk, DISK_EFFECT_NONE, 5, 0);
    enum err e = db_group_commit(t.db);

    CHECK_INT(e, ERR_WRITES_REFUSED);
    teststore_expect(&t, "a", "1");
    teststore_expect(&t, "b", NULL);
    CHECK_INT(teststore_put(&t, "c", "3"), ERR_WRITES_REFUSED);
    CHECK_INT(db_write_error(t.db)->os_error, 5);
    CHECK_INT(teststore_kill(&t), ERR_OK);
    CHECK_INT(teststore_put(&t, "c", "3"), ERR_OK);
    teststore_expect(&t, "c", "3");
    teststore_deinit(&t);
}

static void everysec_syncs_once_a_second(void)
{
    struct teststore t;
    teststore_init(&t);
    t.options.sync = SYNC_EVERYSEC;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    CHECK_INT(teststore_put(&t, "a", "1"), ERR_OK);
    CHECK(db_step_timeout_ms(t.db) > 0);
    clock_manual_advance(&t.clock, 1000);
    db_step(t.db);
    CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);

    CHECK_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect(&t, "a", "1");
    teststore_expect(&t, "b", NULL);
    teststore_deinit(&t);
}

/* What is synced was written before: for that second nothing was. */
static void a_second_after_its_last_sync_a_log_gets_a_mark(void)
{
    struct teststore t;
    struct db_stats before, after;
    teststore_init(&t);
    t.options.sync = SYNC_EVERYSEC;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    CHECK_INT(teststore_put(&t, "a", "1"), ERR_OK);
    db_stats_get(t.db, &before);
    clock_manual_advance(&t.clock, 1000);
    db_step(t.db); /* syncs */
    CHECK(db_step_timeout_ms(t.db) >= 1000);
    clock_manual_advance(&t.clock, 999);
    db_step(t.db);
    db_stats_get(t.db, &after);
    CHECK_INT(after.log_bytes, before.log_bytes);
    clock_manual_advance(&t.clock, 1);
    db_step(t.db);
    db_stats_get(t.db, &after);
    CHECK_INT(after.log_bytes, before.log_bytes + WAL_HEADER_BYTES);
    CHECK_INT(db_step_timeout_ms(t.db), -1);
    teststore_deinit(&t);
}

static void a_group_under_always_survives_a_power_cut(void)
{
    struct teststore t;
    teststore_init(&t);
    t.options.sync = SYNC_ALWAYS;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    CHECK_INT(teststore_put(&t, "a", "1"), ERR_OK);
    CHECK_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect(&t, "a", "1");
    teststore_deinit(&t);
}

static void switching_to_always_makes_earlier_writes_durable(void)
{
    struct teststore t;
    teststore_init(&t);
    t.options.sync = SYNC_NO;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    CHECK_INT(teststore_put(&t, "a", "1"), ERR_OK);
    db_set_sync(t.db, SYNC_ALWAYS);
    CHECK_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect(&t, "a", "1");
    teststore_deinit(&t);
}

/* ---- syncs that take their time ---- */

/* An open store whose syncs of logs wait for the test. */
static void begin_lazy(struct teststore *t, struct lazy_sched *lazy,
                       enum sync_policy policy)
{
    teststore_init(t);
    lazy_sched_init(lazy);
    t->env.sched = &lazy->sched;
    t->options.sync = policy;
    REQUIRE_INT(teststore_open(t), ERR_OK);
    db_step(t->db);
    lazy->held = 1u << JOB_SYNC;
}

static void end_lazy(struct teststore *t, struct lazy_sched *lazy)
{
    lazy_sched_run(lazy);
    teststore_deinit(t);
}

static void put_group(struct teststore *t, const char *key, const char *value)
{
    REQUIRE_INT(db_group_begin(t->db), ERR_OK);
    REQUIRE_INT(teststore_put(t, key, value), ERR_OK);
}

static void writes_go_on_while_everysec_syncs(void)
{
    struct teststore t;
    struct lazy_sched lazy;
    begin_lazy(&t, &lazy, SYNC_EVERYSEC);
    CHECK_INT(teststore_put(&t, "a", "1"), ERR_OK);
    clock_manual_advance(&t.clock, 1000);
    db_step(t.db);
    REQUIRE(lazy.waiting != NULL);
    CHECK_INT(db_step_timeout_ms(t.db), -1);

    CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);
    db_step(t.db);
    CHECK_INT(lazy.waits, 0);
    lazy_sched_run(&lazy);
    CHECK_INT(teststore_put(&t, "c", "3"), ERR_OK);
    CHECK_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect(&t, "a", "1");
    teststore_expect(&t, "c", NULL);
    end_lazy(&t, &lazy);
}

static void what_is_written_during_a_sync_waits_for_the_next(void)
{
    struct teststore t;
    struct lazy_sched lazy;
    begin_lazy(&t, &lazy, SYNC_EVERYSEC);
    CHECK_INT(teststore_put(&t, "a", "1"), ERR_OK);
    clock_manual_advance(&t.clock, 1000);
    db_step(t.db);
    CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);
    lazy_sched_run(&lazy);
    clock_manual_advance(&t.clock, 999);
    db_step(t.db);
    CHECK(lazy.waiting == NULL);

    clock_manual_advance(&t.clock, 1);
    db_step(t.db);
    CHECK(lazy.waiting != NULL);
    lazy_sched_run(&lazy);
    CHECK_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect(&t, "b", "2");
    end_lazy(&t, &lazy);
}

static void a_sync_two_seconds_late_makes_writers_wait(void)
{
    struct teststore t;
    struct lazy_sched lazy;
    begin_lazy(&t, &lazy, SYNC_EVERYSEC);
    CHECK_INT(teststore_put(&t, "a", "1"), ERR_OK);
    clock_manual_advance(&t.clock, 1000);
    db_step(t.db);
    clock_manual_advance(&t.clock, 1999);
    CHECK(!db_busy(t.db));
    CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);
    CHECK_INT(lazy.waits, 0);

    clock_manual_advance(&t.clock, 1);
    CHECK(db_busy(t.db));
    teststore_expect(&t, "b", "2");
    CHECK_INT(lazy.waits, 0);
    CHECK_INT(teststore_put(&t, "c", "3"), ERR_OK);
    CHECK_INT(lazy.waits, 1);
    CHECK(!db_busy(t.db));
    end_lazy(&t, &lazy);
}

/* Its file would be renamed or deleted in the middle of the sync. */
static void a_log_is_given_up_only_after_its_sync(void)
{
    struct teststore t;
    struct lazy_sched lazy;
    struct db_stats stats;
    char big[5001];
    memset(big, 'b', sizeof big - 1);
    big[sizeof big - 1] = 0;
    begin_lazy(&t, &lazy, SYNC_EVERYSEC);
    CHECK_INT(teststore_put(&t, "a", "1"), ERR_OK);
    clock_manual_advance(&t.clock, 1000);
    db_step(t.db);
    int logs = teststore_count(&t, ".log");
    CHECK_INT(teststore_put(&t, "b", big), ERR_OK); /* fills the memtable */
    CHECK_INT(teststore_put(&t, "c", "3"), ERR_OK);
    db_step(t.db);
    CHECK(teststore_count(&t, ".sst") > 0);
    db_stats_get(t.db, &stats);
    CHECK_INT(stats.flushes, 0);

    CHECK(teststore_count(&t, ".log") >= logs);
    CHECK_INT(lazy.waits, 0);
    lazy_sched_run(&lazy);
    db_step(t.db);
    db_stats_get(t.db, &stats);
    CHECK(stats.flushes > 0);
    teststore_reopen(&t);
    teststore_expect(&t, "b", big);
    end_lazy(&t, &lazy);
}

static void switching_to_always_waits_for_the_sync_under_way(void)
{
    struct teststore t;
    struct lazy_sched lazy;
    begin_lazy(&t, &lazy, SYNC_EVERYSEC);
    CHECK_INT(teststore_put(&t, "a", "1"), ERR_OK);
    clock_manual_advance(&t.clock, 1000);
    db_step(t.db);
    CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);
    db_set_sync(t.db, SYNC_ALWAYS);
    CHECK_INT(lazy.waits, 1);
    CHECK_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect(&t, "b", "2");
    end_lazy(&t, &lazy);
}

static void a_submitted_group_is_settled_when_its_sync_returns(void)
{
    struct teststore t;
    struct lazy_sched lazy;
    begin_lazy(&t, &lazy, SYNC_ALWAYS);
    put_group(&t, "a", "1");
    CHECK_INT(db_group_submit(t.db), ERR_OK);
    CHECK(db_group_settling(t.db));
    CHECK(db_settled_seq(t.db) < db_last_seq(t.db));
    teststore_expect(&t, "a", "1");

    put_group(&t, "b", "2"); /* the next one begins, and is not settled with it */
    db_step(t.db);
    lazy_sched_run(&lazy);
    CHECK(db_group_settling(t.db));
    db_reap(t.db);
    CHECK(!db_group_settling(t.db));
    CHECK_INT(db_group_result(t.db), ERR_OK);
    CHECK_INT(db_settled_seq(t.db) + 1, db_last_seq(t.db));
    CHECK_INT(db_group_submit(t.db), ERR_OK);

    CHECK_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect(&t, "a", "1");
    teststore_expect(&t, "b", NULL);
    end_lazy(&t, &lazy);
}

static void a_failed_sync_undoes_the_group_behind_it_too(void)
{
    struct teststore t;
    struct lazy_sched lazy;
    begin_lazy(&t, &lazy, SYNC_ALWAYS);
    put_group(&t, "a", "1");
    CHECK_INT(db_group_commit(t.db), ERR_OK);
    uint64_t sum = db_register(t.db, 3);
    struct plan plan = {.pattern = "fs/wal/sync/eio", .kth = 1};
    REQUIRE_INT(plan_arm(&plan), 0);
    put_group(&t, "a", "2");
    CHECK_INT(batch_register_add(db_batch_begin(t.db), 3, 5), ERR_OK);
    CHECK_INT(db_batch_commit(t.db), ERR_OK);
    CHECK_INT(db_group_submit(t.db), ERR_OK);
    put_group(&t, "a", "3");
    CHECK_INT(teststore_put(&t, "b", "3"), ERR_OK);

    lazy_sched_run(&lazy);
    db_reap(t.db);
    plan_disarm_all();
    CHECK_INT(db_in_group(t.db), false);
    CHECK_INT(db_register(t.db, 3), sum);
    teststore_expect(&t, "a", "1");
    teststore_expect(&t, "b", NULL);
    lazy.held = 0;
    db_step(t.db); /* the store comes back, but nobody has asked yet */
    CHECK_INT(db_group_begin(t.db), ERR_WRITES_REFUSED);
    CHECK_INT(db_group_result(t.db), ERR_WRITES_REFUSED);
    CHECK_INT(db_write_error(t.db)->os_error, EIO);
    CHECK_INT(teststore_put(&t, "c", "4"), ERR_OK);

    CHECK_INT(teststore_power_cut(&t, DISK_SURVIVE_ALL, NULL), ERR_OK);
    teststore_expect(&t, "a", "1");
    teststore_expect(&t, "b", NULL);
    teststore_expect(&t, "c", "4");
    end_lazy(&t, &lazy);
}

/* What may be undone is undone in the memtable that writers use. */
static void a_memtable_is_left_only_when_its_groups_are_settled(void)
{
    struct teststore t;
    struct lazy_sched lazy;
    char big[5001];
    memset(big, 'b', sizeof big - 1);
    big[sizeof big - 1] = 0;
    begin_lazy(&t, &lazy, SYNC_ALWAYS);
    put_group(&t, "a", big); /* fills it */
    CHECK_INT(db_group_submit(t.db), ERR_OK);
    CHECK_INT(lazy.waits, 0);
    put_group(&t, "b", "2");
    CHECK_INT(lazy.waits, 1);
    CHECK(!db_group_settling(t.db));
    CHECK_INT(db_group_result(t.db), ERR_OK);
    CHECK_INT(db_group_commit(t.db), ERR_OK);
    end_lazy(&t, &lazy);
}

/* An empty group syncs what is pending; there the older log fails. */
static void an_empty_group_whose_sync_fails_refuses_writes(void)
{
    struct teststore t;
    teststore_init(&t);
    t.options.sync = SYNC_NO;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    CHECK_INT(teststore_put(&t, "a", "1"), ERR_OK);
    REQUIRE_INT(db_group_begin(t.db), ERR_OK);
    db_set_sync(t.db, SYNC_ALWAYS);
    disk_sim_fail_next(t.disk, DISK_EFFECT_NONE, EIO, 0);
    CHECK_INT(db_group_commit(t.db), ERR_WRITES_REFUSED);
    CHECK(db_refuses(t.db));
    teststore_expect(&t, "a", "1");
    teststore_deinit(&t);
}

static void every_policy_survives_a_killed_process(void)
{
    for (int policy = SYNC_ALWAYS; policy <= SYNC_NO; policy++) {
        struct teststore t;
        teststore_init(&t);
        t.options.sync = (enum sync_policy)policy;
        REQUIRE_INT(teststore_open(&t), ERR_OK);
        teststore_fill(&t, "k", 300, 25, policy);
        CHECK_INT(teststore_kill(&t), ERR_OK);
        teststore_expect_fill(&t, "k", 300, 25, policy);
        teststore_deinit(&t);
    }
}

static void a_log_that_is_overwritten_for_ever_stays_small(void)
{
    struct teststore t;
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    for (int i = 0; i < 3000; i++) {
        REQUIRE_INT(teststore_put(&t, "k", "some value that is not short"), ERR_OK);
        db_step(t.db);
    }
    CHECK(teststore_count(&t, ".log") <= 4);
    CHECK(teststore_count(&t, ".sst") <= 3);
    teststore_deinit(&t);
}

static void random_power_cuts_leave_a_prefix(void)
{
    struct rng r;
    rng_init(&r, 20261120);
    for (int round = 0; round < 60; round++) {
        struct teststore t;
        teststore_init(&t);
        t.options.sync = (enum sync_policy)(round % 3);
        REQUIRE_INT(teststore_open(&t), ERR_OK);
        int issued = (int)rng_below(&r, 400);
        char key[16], value[32];
        for (int i = 0; i < issued; i++) {
            snprintf(key, sizeof key, "k%d", i % 17);
            snprintf(value, sizeof value, "%d", i);
            REQUIRE_INT(teststore_put(&t, key, value), ERR_OK);
            db_step(t.db);
        }
        enum err e = teststore_power_cut(&t, DISK_SURVIVE_RANDOM, &r);
        if (e) printf("  round %d: %s\n", round, t.why.text);
        REQUIRE_INT(e, ERR_OK);
        /* the newest number that is there decides what every key must hold */
        int newest = -1;
        int held[17];
        for (int k = 0; k < 17; k++) {
            slice got;
            snprintf(key, sizeof key, "k%d", k);
            held[k] = -1;
            if (db_get(t.db, slice_text(key), &got, NULL) == ERR_OK)
                held[k] = atoi((const char *)memcpy(memset(value, 0, sizeof value),
                                                    got.data, got.size));
            if (held[k] > newest) newest = held[k];
        }
        for (int k = 0; k < 17; k++) {
            int want = newest - ((newest - k) % 17 + 17) % 17;
            CHECK_INT(held[k], want < 0 ? -1 : want);
        }
        if (t.options.sync == SYNC_ALWAYS) CHECK_INT(newest, issued - 1);
        teststore_close(&t);
        teststore_expect_sound(&t);
        teststore_deinit(&t);
    }
}

static void a_strangers_directory_is_refused_untouched(void)
{
    struct teststore t;
    teststore_init(&t);
    REQUIRE_INT(disk_mkdir(t.disk, TESTSTORE_DIR, SITE_OTHER_MKDIR), 0);
    teststore_write_file(&t, "notes.txt", "mine", 4);
    CHECK_INT(teststore_open(&t), ERR_FOREIGN);
    CHECK(strstr(t.why.text, "notes.txt") != NULL);
    CHECK_INT(teststore_count(&t, ""), 1);

    teststore_write_file(&t, "CURRENT", "MANIFEST-000002\n", 16);
    CHECK_INT(teststore_open(&t), ERR_FOREIGN);
    CHECK_INT(teststore_count(&t, ""), 2);

    teststore_write_file(&t, "CURRENT", "", 0);
    CHECK_INT(teststore_open(&t), ERR_CORRUPT);
    CHECK(strstr(t.why.text, "riptidekv-check --repair") != NULL);
    CHECK_INT(teststore_count(&t, ""), 2);
    teststore_deinit(&t);
}

static void a_store_that_is_open_is_locked(void)
{
    struct teststore t;
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    struct db *second;
    CHECK_INT(db_open(&t.env, TESTSTORE_DIR, &t.options, &second, &t.why), ERR_LOCKED);
    teststore_deinit(&t);
}

static void an_absent_store_is_not_created_unasked(void)
{
    struct teststore t;
    teststore_init(&t);
    t.options.create_if_missing = false;
    CHECK_INT(teststore_open(&t), ERR_MISSING);
    t.options.create_if_missing = true;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    teststore_close(&t);
    t.options.error_if_exists = true;
    CHECK_INT(teststore_open(&t), ERR_EXISTS);
    teststore_deinit(&t);
}

/* What the statistics say against what was done and what the files are. */
static void statistics_agree_with_what_was_done(void)
{
    struct teststore t;
    struct db_stats s;
    teststore_init(&t);
    t.options.sync = SYNC_ALWAYS;
    t.options.filter_bits = 10;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    for (int i = 0; i < 10; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        REQUIRE_INT(teststore_put(&t, key, "value"), ERR_OK);
    }
    db_stats_get(t.db, &s);
    CHECK_INT(s.sync.count, 10);
    CHECK_INT(s.syncs, 10);
    CHECK_INT(s.user_bytes_written, 10 * (1 + 1 + 2 + 1 + 5));
    CHECK_INT(s.log_bytes_written, s.user_bytes_written + 10 * 32);
    CHECK_INT(db_stats_write_amplification(&s),
              (s.log_bytes_written + s.manifest_bytes_written) * 1000 /
                  s.user_bytes_written);
    CHECK_INT(s.reads, 0);

    REQUIRE_INT(db_flush(t.db), ERR_OK);
    db_stats_get(t.db, &s);
    uint64_t first = s.level[0].bytes;
    CHECK(first > 0);
    CHECK_INT(s.moved[0].bytes_in, first);
    CHECK_INT(s.moved[0].bytes_out, 0);
    CHECK_INT(s.log_bytes_filled, 2 * t.options.log_bytes); /* the next logs */
    REQUIRE_INT(teststore_put(&t, "k3", "again"), ERR_OK);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    db_stats_get(t.db, &s);
    CHECK_INT(s.moved[0].bytes_out, s.moved[0].bytes_in);
    CHECK_INT(s.compact_bytes_read, s.moved[0].bytes_in);
    CHECK_INT(s.moved[1].bytes_in, s.level[1].bytes);
    CHECK_INT(s.table_bytes_written, s.moved[0].bytes_in + s.moved[1].bytes_in);
    CHECK_INT(db_stats_space_amplification(&s), 1000);

    teststore_expect(&t, "k3", "again");
    teststore_expect(&t, "k4", "value");
    teststore_expect(&t, "k3x", NULL); /* within the table's bounds: the filter denies */
    teststore_expect(&t, "z", NULL);   /* outside: no table is asked */
    db_stats_get(t.db, &s);
    CHECK_INT(s.reads, 4);
    CHECK_INT(s.tables_asked, 3);
    CHECK_INT(s.filter_negatives + s.filter_false_positives, 1);
    CHECK_INT(db_stats_read_amplification(&s), 750);
    teststore_deinit(&t);
}

/* ---- the block cache under a store ---- */

static void read_keys(struct teststore *t, int from, int to, int step)
{
    for (int i = from; i < to; i += step) {
        char key[16];
        slice value;
        snprintf(key, sizeof key, "k%05d", i);
        REQUIRE_INT(db_get(t->db, slice_text(key), &value, &t->why), ERR_OK);
    }
}

static uint64_t cache_misses(struct teststore *t)
{
    struct db_stats stats;
    db_stats_get(t->db, &stats);
    return stats.cache_misses;
}

static void scan(struct teststore *t)
{
    struct db_iter *it;
    int n = 0;
    REQUIRE_INT(db_iter_new(t->db, &it), ERR_OK);
    for (db_iter_first(it); db_iter_valid(it); db_iter_next(it))
        n++;
    for (db_iter_last(it); db_iter_valid(it); db_iter_prev(it))
        n++;
    CHECK_INT(n, 4000);
    db_iter_free(it);
}

/* Keys that are read again and again stay in the cache while everything else is read once:
 * by an iterator in both directions, or key by key. */
static void what_is_hot_survives_a_scan_of_everything(void)
{
    for (int by_keys = 0; by_keys < 2; by_keys++) {
        struct teststore t;
        teststore_init(&t);
        t.options.cache_bytes = 16 * 1024;
        REQUIRE_INT(teststore_open(&t), ERR_OK);
        teststore_fill(&t, "k", 2000, 60, 1); /* ten times the cache */
        REQUIRE_INT(db_compact(t.db), ERR_OK);
        for (int round = 0; round < 4; round++)
            read_keys(&t, 0, 100, 1);
        uint64_t misses = cache_misses(&t);
        read_keys(&t, 0, 100, 1);
        REQUIRE_INT(cache_misses(&t) - misses, 0); /* they fit */

        if (by_keys)
            read_keys(&t, 100, 2000, 7);
        else
            scan(&t);

        misses = cache_misses(&t);
        read_keys(&t, 0, 100, 1);
        CHECK_INT(cache_misses(&t) - misses, 0);
        teststore_deinit(&t);
    }
}

/* ---- copies of a large value ---- */

#define LARGE_BYTES ((size_t)4 << 20)

/* The engine's memory beyond what it had, in large values. */
static double copies(struct peak *p, size_t before)
{
    double n = ((double)p->most - (double)before) / (double)LARGE_BYTES;
    p->most = p->bytes;
    return n;
}

/* Written, flushed, read, compacted (two versions of it) and recovered: at no time does the
 * engine hold more than two, and none when nobody asks. */
static void of_a_large_value_there_are_two_copies_at_most(void)
{
    struct teststore t;
    struct peak peak;
    uint8_t *value = malloc(LARGE_BYTES);
    REQUIRE(value != NULL);
    memset(value, 'v', LARGE_BYTES);
    peak_init(&peak);
    teststore_init(&t);
    t.mem.inner = &peak.mem;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    size_t idle = peak.bytes;
    peak.most = idle;
    struct batch b;
    batch_init(&b, mem_libc(), 0); /* the caller's copy */
    REQUIRE_INT(batch_put(&b, slice_text("large"), slice_of(value, LARGE_BYTES)), ERR_OK);

    REQUIRE_INT(db_write(t.db, &b), ERR_OK);
    double written = copies(&peak, idle);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    double flushed = copies(&peak, idle);
    slice got;
    REQUIRE_INT(db_get(t.db, slice_text("large"), &got, &t.why), ERR_OK);
    CHECK_INT(got.size, LARGE_BYTES);
    double read = copies(&peak, idle);
    CHECK_INT(db_get(t.db, slice_text("lost"), &got, &t.why), ERR_NOT_FOUND);
    CHECK(peak.bytes - idle < LARGE_BYTES / 16); /* now that nobody looks at it */
    peak.most = peak.bytes;
    REQUIRE_INT(db_write(t.db, &b), ERR_OK);
    (void)copies(&peak, idle);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    double compacted = copies(&peak, idle);
    REQUIRE_INT(db_write(t.db, &b), ERR_OK);
    teststore_die(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    (void)copies(&peak, idle);
    teststore_reopen(&t);
    double recovered = copies(&peak, 0);
    printf("     written %.2f, flushed %.2f, read %.2f, compacted %.2f, recovered %.2f\n",
           written, flushed, read, compacted, recovered);
    CHECK(written < 2.1 && flushed < 2.1 && read < 2.1);
    CHECK(compacted < 2.1 && recovered < 2.1);
    batch_deinit(&b);
    free(value);
    teststore_deinit(&t);
}

CU_TestInfo engine_db_tests[] = {
    {"a_new_store_is_empty_and_sound", a_new_store_is_empty_and_sound},
    {"a_put_is_read_back_overwritten_and_deleted",
     a_put_is_read_back_overwritten_and_deleted},
    {"a_reopened_store_holds_what_was_put", a_reopened_store_holds_what_was_put},
    {"many_puts_pass_through_flushes_and_compactions",
     many_puts_pass_through_flushes_and_compactions},
    {"deleted_keys_stay_deleted_through_compaction",
     deleted_keys_stay_deleted_through_compaction},
    {"a_group_is_visible_inside_and_settled_by_commit",
     a_group_is_visible_inside_and_settled_by_commit},
    {"registers_and_floors_survive_reopen_and_flush",
     registers_and_floors_survive_reopen_and_flush},
    {"an_aborted_batch_leaves_no_trace", an_aborted_batch_leaves_no_trace},
    {"counters_are_as_before_after_a_failed_group",
     counters_are_as_before_after_a_failed_group},
    {"a_failed_sync_undoes_the_group_and_refuses_writes",
     a_failed_sync_undoes_the_group_and_refuses_writes},
    {"everysec_syncs_once_a_second", everysec_syncs_once_a_second},
    {"a_second_after_its_last_sync_a_log_gets_a_mark",
     a_second_after_its_last_sync_a_log_gets_a_mark},
    {"a_group_under_always_survives_a_power_cut",
     a_group_under_always_survives_a_power_cut},
    {"switching_to_always_makes_earlier_writes_durable",
     switching_to_always_makes_earlier_writes_durable},
    {"every_policy_survives_a_killed_process", every_policy_survives_a_killed_process},
    {"a_log_that_is_overwritten_for_ever_stays_small",
     a_log_that_is_overwritten_for_ever_stays_small},
    {"random_power_cuts_leave_a_prefix", random_power_cuts_leave_a_prefix},
    {"a_strangers_directory_is_refused_untouched",
     a_strangers_directory_is_refused_untouched},
    {"a_store_that_is_open_is_locked", a_store_that_is_open_is_locked},
    {"an_absent_store_is_not_created_unasked", an_absent_store_is_not_created_unasked},
    {"statistics_agree_with_what_was_done", statistics_agree_with_what_was_done},
    {"writes_go_on_while_everysec_syncs", writes_go_on_while_everysec_syncs},
    {"what_is_written_during_a_sync_waits_for_the_next",
     what_is_written_during_a_sync_waits_for_the_next},
    {"a_sync_two_seconds_late_makes_writers_wait",
     a_sync_two_seconds_late_makes_writers_wait},
    {"a_log_is_given_up_only_after_its_sync", a_log_is_given_up_only_after_its_sync},
    {"switching_to_always_waits_for_the_sync_under_way",
     switching_to_always_waits_for_the_sync_under_way},
    {"a_submitted_group_is_settled_when_its_sync_returns",
     a_submitted_group_is_settled_when_its_sync_returns},
    {"a_failed_sync_undoes_the_group_behind_it_too",
     a_failed_sync_undoes_the_group_behind_it_too},
    {"a_memtable_is_left_only_when_its_groups_are_settled",
     a_memtable_is_left_only_when_its_groups_are_settled},
    {"an_empty_group_whose_sync_fails_refuses_writes",
     an_empty_group_whose_sync_fails_refuses_writes},
    {"what_is_hot_survives_a_scan_of_everything",
     what_is_hot_survives_a_scan_of_everything},
    {"of_a_large_value_there_are_two_copies_at_most",
     of_a_large_value_there_are_two_copies_at_most},
    CU_TEST_INFO_NULL,
};
