/* What fails is tried again: the store comes back by itself, and what it refused meanwhile
 * is gone for good. */
#include "tests/support/check.h"
#include "tests/support/teststore.h"

#include <errno.h>
#include <stdlib.h>

#include "fault/plan.h"

/* An open store in which nothing is left to do but to write. */
static void begin(struct teststore *t, enum sync_policy sync)
{
    teststore_init(t);
    t->options.sync = sync;
    REQUIRE_INT(teststore_open(t), ERR_OK);
    REQUIRE_INT(teststore_put(t, "a", "1"), ERR_OK);
    db_step(t->db);
}

/* The sync of this group fails; its record is in the file. */
static void fail_group(struct teststore *t, const char *key, const char *value)
{
    struct plan plan = {.pattern = "fs/wal/sync/eio", .kth = 1};
    REQUIRE_INT(plan_arm(&plan), 0);
    CHECK_INT(teststore_put(t, key, value), ERR_WRITES_REFUSED);
    CHECK_INT(plan.fired, 1);
    plan_disarm_all();
}

static void a_failed_sync_ends_with_a_new_log(void)
{
    struct teststore t;
    begin(&t, SYNC_ALWAYS);
    fail_group(&t, "b", "refused");
    CHECK(db_refuses(t.db));
    CHECK_INT(teststore_put(&t, "c", "refused"), ERR_WRITES_REFUSED);
    CHECK_INT(db_step_timeout_ms(t.db), 0);

    db_step(t.db);
    CHECK(!db_refuses(t.db));
    CHECK_INT(teststore_put(&t, "d", "4"), ERR_OK);
    CHECK_INT(db_write_error(t.db)->code, ERR_OK);
    CHECK(strstr(t.log, "writes are accepted again") != NULL);

    CHECK_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect(&t, "a", "1");
    teststore_expect(&t, "b", NULL);
    teststore_expect(&t, "d", "4");
    teststore_close(&t);
    teststore_expect_sound(&t);
    teststore_deinit(&t);
}

/* The log of "b" ends with an empty record that a killed process has left in the page cache,
 * where a failed sync has marked it clean; how it lies across chunks depends on `size`. */
static void leave_empty_record(struct teststore *t, size_t size, char value[101])
{
    memset(value, 0, 101);
    memset(value, 'v', size);
    begin(t, SYNC_ALWAYS);
    REQUIRE_INT(teststore_put(t, "b", value), ERR_OK);
    disk_sim_fail_next(t->disk, DISK_EFFECT_PARTIAL, ENOSPC, 20);
    CHECK_INT(teststore_put(t, "b", "no room"), ERR_WRITES_REFUSED);
    struct plan plan = {.pattern = "fs/wal/sync/eio", .kth = 1};
    REQUIRE_INT(plan_arm(&plan), 0);
    CHECK_INT(db_flush(t->db), ERR_WRITES_REFUSED);
    CHECK_INT(plan.fired, 1);
    plan_disarm_all();
    CHECK_INT(teststore_kill(t), ERR_OK);
}

static void expect_after_power_cut(struct teststore *t, const char *value)
{
    REQUIRE_INT(teststore_power_cut(t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect(t, "b", value);
    teststore_expect(t, "c", "3");
    teststore_deinit(t);
}

static void an_empty_record_of_a_failed_sync_is_not_built_upon(void)
{
    for (size_t size = 1; size < 100; size++) {
        struct teststore t;
        char value[101];
        leave_empty_record(&t, size, value);
        CHECK_INT(teststore_put(&t, "c", "3"), ERR_OK);
        expect_after_power_cut(&t, value);
    }
}

static void an_empty_record_of_a_failed_sync_is_not_followed_by_a_log(void)
{
    for (size_t size = 1; size < 100; size++) {
        struct teststore t;
        char value[101];
        leave_empty_record(&t, size, value);
        struct plan plan = {.pattern = "fs/sst/write/eio", .kth = 1};
        REQUIRE_INT(plan_arm(&plan), 0); /* the log has to stay */
        CHECK(db_flush(t.db) != ERR_OK);
        CHECK_INT(plan.fired, 1);
        CHECK_INT(teststore_put(&t, "c", "3"), ERR_OK);
        plan_disarm_all();
        expect_after_power_cut(&t, value);
    }
}

static void what_was_refused_does_not_return_with_the_new_log_in_force(void)
{
    struct rng r;
    rng_init(&r, 20261121);
    for (int round = 0; round < 300; round++) {
        struct teststore t;
        begin(&t, round % 2 ? SYNC_NO : SYNC_ALWAYS);
        db_set_sync(t.db, SYNC_ALWAYS);
        fail_group(&t, "b", "refused");
        db_step(t.db);
        db_set_sync(t.db, round % 2 ? SYNC_NO : SYNC_ALWAYS);
        REQUIRE_INT(teststore_put(&t, "c", "3"), ERR_OK);
        REQUIRE_INT(teststore_power_cut(&t, DISK_SURVIVE_RANDOM, &r), ERR_OK);
        teststore_expect(&t, "a", "1");
        teststore_expect(&t, "b", NULL);
        if (round % 2 == 0) teststore_expect(&t, "c", "3");
        teststore_deinit(&t);
    }
}

static bool says_accepted(const struct teststore *t)
{
    return strstr(t->log, "writes are accepted again") != NULL;
}

/* A log line that says so before it was tried would be wrong as often as the disk is still
 * broken. */
static void acceptance_is_claimed_when_the_new_log_was_synced(void)
{
    struct teststore t;
    begin(&t, SYNC_ALWAYS);
    for (int round = 0; round < 3; round++) {
        fail_group(&t, "b", "refused");
        db_step(t.db);
        CHECK(!db_refuses(t.db));
        CHECK(strstr(t.log, "the failed log was given up") != NULL);
        CHECK(!says_accepted(&t));
    }
    CHECK_INT(teststore_put(&t, "c", "3"), ERR_OK);
    CHECK(says_accepted(&t));
    teststore_deinit(&t);
}

static void a_write_that_waits_for_its_sync_proves_nothing_yet(void)
{
    struct teststore t;
    begin(&t, SYNC_EVERYSEC);
    db_set_sync(t.db, SYNC_ALWAYS);
    fail_group(&t, "b", "refused");
    db_step(t.db);
    db_set_sync(t.db, SYNC_EVERYSEC);
    CHECK_INT(teststore_put(&t, "c", "3"), ERR_OK);
    CHECK(!says_accepted(&t));
    clock_manual_advance(&t.clock, 1000);
    db_step(t.db);
    CHECK(says_accepted(&t));
    teststore_deinit(&t);
}

/* Nobody will ever sync: that it was written is all there is to say. */
static void without_syncs_the_first_write_proves_the_new_log(void)
{
    struct teststore t;
    begin(&t, SYNC_NO);
    db_set_sync(t.db, SYNC_ALWAYS);
    fail_group(&t, "b", "refused");
    db_step(t.db);
    db_set_sync(t.db, SYNC_NO);
    CHECK(!says_accepted(&t));
    CHECK_INT(teststore_put(&t, "c", "3"), ERR_OK);
    CHECK(says_accepted(&t));
    teststore_deinit(&t);
}

/* While the way back is blocked each attempt takes twice the pause of the one before. */
static void attempts_are_spaced_by_the_clock(void)
{
    struct teststore t;
    struct plan plan = {.pattern = "fs/sst/open/eio", .kth = 1, .sticky = true};
    static const int pauses[] = {1000, 2000, 4000, 8000, 16000, 16000};
    begin(&t, SYNC_ALWAYS);
    fail_group(&t, "b", "refused");
    REQUIRE_INT(plan_arm(&plan), 0);
    db_step(t.db);

    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        long before = plan.fired;
        CHECK_INT(db_step_timeout_ms(t.db), pauses[i] + 1);
        clock_manual_advance(&t.clock, pauses[i] - 1);
        db_step(t.db);
        CHECK_INT(plan.fired, before);
        clock_manual_advance(&t.clock, 1);
        db_step(t.db);
        CHECK_INT(plan.fired, before + 1);
        CHECK(db_refuses(t.db));
    }
    plan_disarm_all();
    clock_manual_advance(&t.clock, 16000);
    db_step(t.db);
    CHECK(!db_refuses(t.db));
    CHECK_INT(teststore_count(&t, ".sst"), 1); /* failed attempts left nothing */
    CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);
    teststore_deinit(&t);
}

/* The log with the failed sync holds acknowledged writes that no sync covers. */
static void acknowledged_writes_of_the_failed_log_become_durable(void)
{
    struct teststore t;
    struct plan plan = {.pattern = "fs/wal/sync/eio", .kth = 1};
    begin(&t, SYNC_EVERYSEC);
    clock_manual_advance(&t.clock, 1000);
    REQUIRE_INT(plan_arm(&plan), 0);
    db_step(t.db);
    CHECK_INT(plan.fired, 1);
    plan_disarm_all();
    CHECK(db_refuses(t.db));
    db_step(t.db);
    CHECK(!db_refuses(t.db));

    CHECK_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect(&t, "a", "1");
    teststore_deinit(&t);
}

/* An edit that may be durable or not: neither its files nor those of the state before it
 * may go, and writes do not care. */
static void an_edit_in_doubt_deletes_nothing_and_ends_in_a_new_manifest(void)
{
    struct teststore t;
    struct plan plan = {.pattern = "fs/manifest/sync/eio", .kth = 1};
    begin(&t, SYNC_ALWAYS);
    int logs = teststore_count(&t, ".log");
    REQUIRE_INT(plan_arm(&plan), 0);
    CHECK_INT(db_flush(t.db), ERR_WRITES_REFUSED);
    CHECK_INT(plan.fired, 1);
    plan_disarm_all();
    CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);
    CHECK_INT(teststore_count(&t, "MANIFEST-000001"), 1);
    CHECK(teststore_count(&t, ".log") >= logs);
    CHECK_INT(teststore_count(&t, ".sst"), 1);

    clock_manual_advance(&t.clock, 1000);
    db_step(t.db);
    CHECK_INT(teststore_count(&t, "MANIFEST-000001"), 0);
    CHECK_INT(db_flush(t.db), ERR_OK);
    teststore_reopen(&t);
    teststore_expect(&t, "a", "1");
    teststore_expect(&t, "b", "2");
    teststore_close(&t);
    teststore_expect_sound(&t);
    teststore_deinit(&t);
}

CU_TestInfo engine_comeback_tests[] = {
    {"a_failed_sync_ends_with_a_new_log", a_failed_sync_ends_with_a_new_log},
    {"an_empty_record_of_a_failed_sync_is_not_built_upon",
     an_empty_record_of_a_failed_sync_is_not_built_upon},
    {"an_empty_record_of_a_failed_sync_is_not_followed_by_a_log",
     an_empty_record_of_a_failed_sync_is_not_followed_by_a_log},
    {"what_was_refused_does_not_return_with_the_new_log_in_force",
     what_was_refused_does_not_return_with_the_new_log_in_force},
    {"acceptance_is_claimed_when_the_new_log_was_synced",
     acceptance_is_claimed_when_the_new_log_was_synced},
    {"a_write_that_waits_for_its_sync_proves_nothing_yet",
     a_write_that_waits_for_its_sync_proves_nothing_yet},
    {"without_syncs_the_first_write_proves_the_new_log",
     without_syncs_the_first_write_proves_the_new_log},
    {"attempts_are_spaced_by_the_clock", attempts_are_spaced_by_the_clock},
    {"acknowledged_writes_of_the_failed_log_become_durable",
     acknowledged_writes_of_the_failed_log_become_durable},
    {"an_edit_in_doubt_deletes_nothing_and_ends_in_a_new_manifest",
     an_edit_in_doubt_deletes_nothing_and_ends_in_a_new_manifest},
    CU_TEST_INFO_NULL,
};
