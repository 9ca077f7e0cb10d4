/* Recovery, told by what is damaged and what has to come of it. */
#include "tests/support/check.h"
#include "tests/support/failing.h"
#include "tests/support/lazy_sched.h"
#include "tests/support/teststore.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/wal.h"

/* Offset behind the last byte of a log that is not zero. */
static size_t used(const uint8_t *data, size_t size)
{
    while (size > 0 && data[size - 1] == 0)
        size--;
    return size;
}

/* A closed store whose log, without the closing mark, ends in the put of "last". */
static void store_with_tail(struct teststore *t, char log[32], uint8_t **data,
                            size_t *size, size_t *begin, size_t *end)
{
    teststore_init(t);
    REQUIRE_INT(teststore_open(t), ERR_OK);
    REQUIRE_INT(teststore_put(t, "first", "1"), ERR_OK);
    struct db_stats stats;
    db_stats_get(t->db, &stats);
    *begin = stats.log_bytes;
    REQUIRE_INT(teststore_put(t, "last", "2"), ERR_OK);
    db_stats_get(t->db, &stats);
    *end = stats.log_bytes;
    teststore_die(t);
    snprintf(log, 32, "000002.log");
    teststore_read_file(t, log, data, size);
}

/* Opens, expects `first` and perhaps `last`, writes, opens again. */
static void expect_start(struct teststore *t, const char *last)
{
    REQUIRE_INT(teststore_open(t), ERR_OK);
    teststore_expect(t, "first", "1");
    teststore_expect(t, "last", last);
    REQUIRE_INT(teststore_put(t, "new", "3"), ERR_OK);
    teststore_reopen(t);
    teststore_expect(t, "first", "1");
    teststore_expect(t, "last", last);
    teststore_expect(t, "new", "3");
    teststore_close(t);
    teststore_expect_sound(t);
}

static void a_tail_cut_at_every_byte_is_cut_and_written_on(void)
{
    struct teststore t;
    char log[32];
    uint8_t *data;
    size_t size, begin, end;
    store_with_tail(&t, log, &data, &size, &begin, &end);
    for (size_t cut = begin; cut < end; cut++) {
        unsigned snapshot = disk_sim_snapshot(t.disk);
        teststore_write_file(&t, log, data, cut);
        expect_start(&t, NULL);
        disk_sim_rollback(t.disk, snapshot);
    }
    free(data);
    teststore_deinit(&t);
}

static void a_tail_zeroed_from_every_byte_is_cut_and_reported(void)
{
    struct teststore t;
    char log[32];
    uint8_t *data, *torn;
    size_t size, begin, end;
    store_with_tail(&t, log, &data, &size, &begin, &end);
    torn = malloc(size);
    for (size_t cut = begin; cut < end; cut++) {
        unsigned snapshot = disk_sim_snapshot(t.disk);
        memcpy(torn, data, size);
        memset(torn + cut, 0, size - cut);
        teststore_write_file(&t, log, torn, size);
        REQUIRE_INT(teststore_open(&t), ERR_OK);
        bool silent = used(torn, size) <= begin;
        CHECK((strstr(t.log, "cut") == NULL) == silent);
        teststore_close(&t);
        expect_start(&t, cut >= used(data, size) ? "2" : NULL);
        disk_sim_rollback(t.disk, snapshot);
    }
    free(torn);
    free(data);
    teststore_deinit(&t);
}

static void garbage_behind_the_end_is_cut_and_reported_in_bytes(void)
{
    struct teststore t;
    char log[32], want[64];
    uint8_t *data;
    size_t size, begin, end;
    store_with_tail(&t, log, &data, &size, &begin, &end);
    memset(data + end, 'g', 100);
    teststore_write_file(&t, log, data, size);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    snprintf(want, sizeof want, "000002.log: cut 100 bytes");
    CHECK(strstr(t.log, want) != NULL);
    teststore_close(&t);
    expect_start(&t, "2");
    free(data);
    teststore_deinit(&t);
}

static void a_second_recovery_changes_nothing(void)
{
    struct teststore t;
    char log[32];
    uint8_t *data;
    size_t size, begin, end;
    store_with_tail(&t, log, &data, &size, &begin, &end);
    teststore_write_file(&t, log, data, end - 3);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    teststore_die(&t);
    uint32_t ops = disk_sim_microops(t.disk);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    teststore_die(&t);
    CHECK_INT(disk_sim_microops(t.disk), ops);
    free(data);
    teststore_deinit(&t);
}

/* Whichever call of the recovery fails: log and manifest are as they were, or gone. */
static void recovery_writes_into_no_file_that_holds_a_record(void)
{
    struct teststore t;
    char log[32];
    uint8_t *data, *now;
    size_t size, begin, end, now_size;
    store_with_tail(&t, log, &data, &size, &begin, &end);
    memset(data + end, 'g', 100);
    teststore_write_file(&t, log, data, size);
    long k = 0;
    bool failed = true;
    while (failed) {
        unsigned snapshot = disk_sim_snapshot(t.disk);
        struct failing f;
        failing_begin(&f, t.disk, ++k);
        if (teststore_open(&t) == ERR_OK) teststore_die(&t);
        failing_end(&f);
        failed = f.calls >= k;
        if (teststore_count(&t, log)) {
            teststore_read_file(&t, log, &now, &now_size);
            CHECK_INT(now_size, size);
            CHECK(!memcmp(now, data, size));
            free(now);
        }
        disk_sim_rollback(t.disk, snapshot);
    }
    CHECK(k > 8);
    free(data);
    teststore_deinit(&t);
}

/* Marks of a finished recovery may be lost: the next one finds the same all the same. */
static void a_recovery_whose_marks_are_lost_takes_no_new_numbers(void)
{
    struct teststore t;
    char log[32], copy[32], manifest[32], again[32];
    uint8_t *data;
    size_t size, begin, end;
    store_with_tail(&t, log, &data, &size, &begin, &end);
    teststore_write_file(&t, log, data, end - 3);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    teststore_newest(&t, ".log", copy);
    teststore_newest(&t, "", manifest);
    CHECK(strcmp(copy, log) > 0);
    for (int i = 0; i < 3; i++) {
        REQUIRE_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
        teststore_newest(&t, ".log", again);
        CHECK(!strcmp(again, copy));
        teststore_newest(&t, "", again);
        CHECK(!strcmp(again, manifest));
        teststore_expect(&t, "first", "1");
    }
    free(data);
    teststore_deinit(&t);
}

/* What lies behind the end of a durable log is not there any more when a lost write is
 * repeated: otherwise the write behind it would be back. */
static void a_lost_write_that_is_repeated_brings_back_no_other(void)
{
    struct teststore t;
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(teststore_put(&t, "first", "1"), ERR_OK);
    teststore_reopen(&t); /* the log ends in a mark */
    struct db_stats stats;
    db_stats_get(t.db, &stats);
    REQUIRE_INT(teststore_put(&t, "lost", "2"), ERR_OK);
    REQUIRE_INT(teststore_put(&t, "behind", "3"), ERR_OK);
    teststore_die(&t);
    uint8_t *data;
    size_t size;
    teststore_read_file(&t, "000002.log", &data, &size);
    memset(data + stats.log_bytes, 0, WAL_HEADER_BYTES);
    teststore_write_file(&t, "000002.log", data, size);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    teststore_expect(&t, "lost", NULL);
    REQUIRE_INT(teststore_put(&t, "lost", "2"), ERR_OK);
    REQUIRE_INT(teststore_kill(&t), ERR_OK);
    teststore_expect(&t, "lost", "2");
    teststore_expect(&t, "behind", NULL);
    free(data);
    teststore_deinit(&t);
}

static void a_mark_alone_asks_for_no_sync(void)
{
    struct teststore t;
    struct db_stats before, after;
    teststore_init(&t);
    t.options.sync = SYNC_EVERYSEC;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(teststore_put(&t, "k", "v"), ERR_OK);
    teststore_reopen(&t); /* the mark that closing left is not synced */
    db_stats_get(t.db, &before);
    for (int i = 0; i < 5; i++) {
        clock_manual_advance(&t.clock, 1500);
        db_step(t.db);
    }
    db_stats_get(t.db, &after);
    CHECK_INT(after.syncs, before.syncs);
    CHECK_INT(db_step_timeout_ms(t.db), -1);
    teststore_deinit(&t);
}

static void what_recovery_serves_is_durable(void)
{
    struct teststore t;
    teststore_init(&t);
    t.options.sync = SYNC_NO;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(teststore_put(&t, "k", "in the cache only"), ERR_OK);
    REQUIRE_INT(teststore_kill(&t), ERR_OK);
    teststore_expect(&t, "k", "in the cache only");
    REQUIRE_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect(&t, "k", "in the cache only");
    teststore_deinit(&t);
}

static void what_recovery_serves_is_durable_after_a_failed_sync(void)
{
    struct teststore t;
    teststore_init(&t);
    t.options.sync = SYNC_EVERYSEC;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(teststore_put(&t, "k", "v"), ERR_OK);
    db_step(t.db); /* a spare log is prepared: nothing else is left to fail */
    clock_manual_advance(&t.clock, 1500);
    disk_sim_fail_next(t.disk, DISK_EFFECT_NONE, 5, 0);
    db_step(t.db); /* the pages are clean now, and not on the disk */
    CHECK_INT(teststore_put(&t, "l", "v"), ERR_WRITES_REFUSED);
    REQUIRE_INT(teststore_kill(&t), ERR_OK);
    teststore_expect(&t, "k", "v");
    REQUIRE_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect(&t, "k", "v");
    teststore_deinit(&t);
}

/* A sync of the directory that failed is not made up for by the next one, unless the names
 * are new again. With `create` the store is not there yet. */
static bool repeated(bool create, long k)
{
    struct teststore t;
    struct failing f;
    teststore_init(&t);
    if (!create) {
        REQUIRE_INT(teststore_open(&t), ERR_OK);
        REQUIRE_INT(teststore_put(&t, "a", "1"), ERR_OK);
        teststore_die(&t);
    }
    failing_begin(&f, t.disk, k);
    f.only_calls = 1u << CALL_SYNC;
    enum err e = teststore_open(&t);
    failing_end(&f);
    if (e) REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect(&t, "a", create ? NULL : "1");
    teststore_deinit(&t);
    return f.calls >= k;
}

static void a_start_whose_sync_failed_can_be_repeated(void)
{
    for (long k = 1; repeated(false, k); k++)
        continue;
    for (long k = 1; repeated(true, k); k++)
        continue;
}

/* A record that outgrew the log: its bytes and the file's size are both in limbo. */
static void a_size_in_limbo_is_made_durable_too(void)
{
    struct teststore t;
    char big[6001];
    memset(big, 'b', sizeof big - 1);
    big[sizeof big - 1] = 0;
    teststore_init(&t);
    t.options.sync = SYNC_EVERYSEC;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(teststore_put(&t, "k", big), ERR_OK);
    db_step(t.db); /* a spare log is prepared: nothing else is left to fail */
    clock_manual_advance(&t.clock, 1500);
    disk_sim_fail_next(t.disk, DISK_EFFECT_NONE, 5, 0);
    db_step(t.db);
    CHECK_INT(teststore_put(&t, "l", "v"), ERR_WRITES_REFUSED);
    REQUIRE_INT(teststore_kill(&t), ERR_OK);
    teststore_expect(&t, "k", big);
    REQUIRE_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect(&t, "k", big);
    teststore_deinit(&t);
}

static void damage_below_the_watermark_refuses_and_names_the_place(void)
{
    struct teststore t;
    uint8_t *data;
    size_t size;
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(teststore_put(&t, "k", "v"), ERR_OK);
    teststore_close(&t);
    teststore_read_file(&t, "000002.log", &data, &size);
    data[WAL_HEADER_BYTES + 2] ^= 1;
    teststore_write_file(&t, "000002.log", data, size);
    CHECK_INT(teststore_open(&t), ERR_CORRUPT);
    CHECK(strstr(t.why.text, "000002.log: damaged at offset 0") != NULL);
    free(data);
    teststore_deinit(&t);
}

/* A store with tables on several levels, closed. */
static void store_with_tables(struct teststore *t)
{
    teststore_init(t);
    REQUIRE_INT(teststore_open(t), ERR_OK);
    teststore_fill(t, "k", 200, 40, 1);
    REQUIRE_INT(db_flush(t->db), ERR_OK);
    teststore_close(t);
    REQUIRE(teststore_count(t, ".sst") >= 2);
}

static void a_missing_table_refuses_and_is_named(void)
{
    struct teststore t;
    char name[32];
    struct disk_dir *dir;
    store_with_tables(&t);
    teststore_newest(&t, ".sst", name);
    REQUIRE_INT(disk_dir_open(t.disk, TESTSTORE_DIR, &dir), 0);
    REQUIRE_INT(disk_unlink(dir, name, SITE_OTHER_UNLINK), 0);
    disk_dir_close(dir);
    CHECK_INT(teststore_open(&t), ERR_MISSING);
    CHECK(strstr(t.why.text, name) != NULL);
    teststore_deinit(&t);
}

static void a_table_of_the_wrong_size_or_tail_refuses_and_is_named(void)
{
    struct teststore t;
    char name[32];
    uint8_t *data;
    size_t size;
    store_with_tables(&t);
    teststore_newest(&t, ".sst", name);
    teststore_read_file(&t, name, &data, &size);
    const struct {
        size_t size, flip; /* flip 0: none */
    } cases[] = {
        {size - 1, 0}, {size / 2, 0}, {0, 0}, {size, size - 1}, {size, size - 30}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (cases[i].flip) data[cases[i].flip] ^= 4;
        teststore_write_file(&t, name, data, cases[i].size);
        CHECK_INT(teststore_open(&t), ERR_CORRUPT);
        CHECK(strstr(t.why.text, name) != NULL);
        if (cases[i].flip) data[cases[i].flip] ^= 4;
    }
    free(data);
    teststore_deinit(&t);
}

static void a_damaged_block_is_a_read_error_that_check_finds(void)
{
    struct teststore t;
    char name[32];
    store_with_tables(&t);
    teststore_newest(&t, ".sst", name);
    REQUIRE_INT(disk_sim_damage(t.disk, TESTSTORE_DIR, name, DISK_DAMAGE_FLIP, 20, 3), 0);
    CHECK_INT(db_check(&t.env, TESTSTORE_DIR, &t.options, NULL, NULL), ERR_CORRUPT);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    struct db_iter *it;
    REQUIRE_INT(db_iter_new(t.db, &it), ERR_OK);
    db_iter_seek(it, slice_of(NULL, 0));
    while (db_iter_valid(it))
        db_iter_next(it);
    CHECK_INT(db_iter_error(it, &t.why), ERR_CORRUPT);
    CHECK(strstr(t.why.text, name) != NULL);
    CHECK(strstr(t.why.text, "offset 0") != NULL);
    db_iter_free(it);
    teststore_deinit(&t);
}

static void leftovers_are_deleted_and_strangers_stay(void)
{
    struct teststore t;
    store_with_tables(&t);
    int tables = teststore_count(&t, ".sst");
    teststore_write_file(&t, "000999.sst", "x", 1);
    teststore_write_file(&t, "000998.log", "x", 1);
    teststore_write_file(&t, "MANIFEST-000997", "x", 1);
    teststore_write_file(&t, "CURRENT.tmp", "x", 1);
    teststore_write_file(&t, "mine.sst", "a stranger's", 12);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    CHECK_INT(teststore_count(&t, ".sst"), tables + 1);
    CHECK_INT(teststore_count(&t, "000998.log"), 0);
    CHECK_INT(teststore_count(&t, "MANIFEST-000997"), 0);
    CHECK_INT(teststore_count(&t, "CURRENT.tmp"), 0);
    CHECK_INT(teststore_count(&t, "mine.sst"), 1);
    teststore_expect_fill(&t, "k", 200, 40, 1);
    teststore_deinit(&t);
}

/* But for a file whose name a new one could get: that one could be deleted in its place. */
static void opening_does_not_wait_until_an_old_log_is_deleted(void)
{
    struct teststore t;
    struct lazy_sched lazy;
    char log[32];
    uint8_t *data;
    size_t size, begin, end;
    store_with_tail(&t, log, &data, &size, &begin, &end);
    teststore_write_file(&t, "000999.log", "x", 1);
    lazy_sched_init(&lazy);
    lazy.held = 1u << JOB_METADATA;
    t.env.sched = &lazy.sched;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    CHECK_INT(lazy.waits, 0);
    CHECK_INT(teststore_count(&t, log), 1);
    CHECK_INT(teststore_count(&t, "000999.log"), 0);
    lazy.held = 0;
    lazy_sched_run(&lazy);
    db_step(t.db);
    CHECK_INT(teststore_count(&t, log), 0);
    teststore_expect(&t, "last", "2");
    free(data);
    teststore_deinit(&t);
}

static void a_store_without_its_pointer_is_not_created_anew(void)
{
    struct teststore t;
    struct disk_dir *dir;
    store_with_tables(&t);
    REQUIRE_INT(disk_dir_open(t.disk, TESTSTORE_DIR, &dir), 0);
    REQUIRE_INT(disk_unlink(dir, "CURRENT", SITE_OTHER_UNLINK), 0);
    disk_dir_close(dir);
    CHECK_INT(teststore_open(&t), ERR_CORRUPT);
    CHECK(strstr(t.why.text, "CURRENT is missing") != NULL);
    teststore_deinit(&t);
}

static void every_flipped_bit_of_the_manifest_refuses_or_changes_nothing(void)
{
    struct teststore t;
    char name[32];
    uint8_t *data;
    size_t size;
    store_with_tables(&t);
    teststore_newest(&t, "", name); /* the greatest name: MANIFEST-... */
    teststore_read_file(&t, name, &data, &size);
    for (size_t i = 0; i < size; i++) {
        unsigned snapshot = disk_sim_snapshot(t.disk);
        data[i] ^= (uint8_t)(1u << (i % 8));
        teststore_write_file(&t, name, data, size);
        data[i] ^= (uint8_t)(1u << (i % 8));
        enum err e = teststore_open(&t);
        /* The last record is a mark: losing it loses nothing. */
        bool in_mark = i + WAL_HEADER_BYTES >= size;
        CHECK(e == ERR_CORRUPT || (e == ERR_OK && in_mark));
        if (e == ERR_OK) {
            teststore_expect_fill(&t, "k", 200, 40, 1);
            teststore_close(&t);
        }
        disk_sim_rollback(t.disk, snapshot);
    }
    free(data);
    teststore_deinit(&t);
}

static void the_kth_allocation_fails_at_open_for_every_k(void)
{
    struct teststore t;
    store_with_tables(&t);
    enum err e = ERR_NOMEM;
    long k;
    for (k = 1; e != ERR_OK; k++) {
        unsigned snapshot = disk_sim_snapshot(t.disk);
        t.mem.calls = 0;
        t.mem.fail_at = k;
        e = teststore_open(&t);
        t.mem.fail_at = 0;
        CHECK(e == ERR_NOMEM || e == ERR_OK);
        if (e == ERR_OK) {
            teststore_expect_fill(&t, "k", 200, 40, 1);
            teststore_close(&t);
            if (t.mem.calls >= k) e = ERR_NOMEM; /* survived a refusal: go on */
        }
        CHECK_INT(t.mem.blocks, 0);
        disk_sim_rollback(t.disk, snapshot);
    }
    CHECK(k > 20);
    teststore_deinit(&t);
}

CU_TestInfo engine_recover_tests[] = {
    {"a_tail_cut_at_every_byte_is_cut_and_written_on",
     a_tail_cut_at_every_byte_is_cut_and_written_on},
    {"a_tail_zeroed_from_every_byte_is_cut_and_reported",
     a_tail_zeroed_from_every_byte_is_cut_and_reported},
    {"garbage_behind_the_end_is_cut_and_reported_in_bytes",
     garbage_behind_the_end_is_cut_and_reported_in_bytes},
    {"a_second_recovery_changes_nothing", a_second_recovery_changes_nothing},
    {"recovery_writes_into_no_file_that_holds_a_record",
     recovery_writes_into_no_file_that_holds_a_record},
    {"a_recovery_whose_marks_are_lost_takes_no_new_numbers",
     a_recovery_whose_marks_are_lost_takes_no_new_numbers},
    {"a_lost_write_that_is_repeated_brings_back_no_other",
     a_lost_write_that_is_repeated_brings_back_no_other},
    {"a_mark_alone_asks_for_no_sync", a_mark_alone_asks_for_no_sync},
    {"what_recovery_serves_is_durable", what_recovery_serves_is_durable},
    {"what_recovery_serves_is_durable_after_a_failed_sync",
     what_recovery_serves_is_durable_after_a_failed_sync},
    {"a_start_whose_sync_failed_can_be_repeated",
     a_start_whose_sync_failed_can_be_repeated},
    {"a_size_in_limbo_is_made_durable_too", a_size_in_limbo_is_made_durable_too},
    {"damage_below_the_watermark_refuses_and_names_the_place",
     damage_below_the_watermark_refuses_and_names_the_place},
    {"a_missing_table_refuses_and_is_named", a_missing_table_refuses_and_is_named},
    {"a_table_of_the_wrong_size_or_tail_refuses_and_is_named",
     a_table_of_the_wrong_size_or_tail_refuses_and_is_named},
    {"a_damaged_block_is_a_read_error_that_check_finds",
     a_damaged_block_is_a_read_error_that_check_finds},
    {"leftovers_are_deleted_and_strangers_stay",
     leftovers_are_deleted_and_strangers_stay},
    {"opening_does_not_wait_until_an_old_log_is_deleted",
     opening_does_not_wait_until_an_old_log_is_deleted},
    {"a_store_without_its_pointer_is_not_created_anew",
     a_store_without_its_pointer_is_not_created_anew},
    {"every_flipped_bit_of_the_manifest_refuses_or_changes_nothing",
     every_flipped_bit_of_the_manifest_refuses_or_changes_nothing},
    {"the_kth_allocation_fails_at_open_for_every_k",
     the_kth_allocation_fails_at_open_for_every_k},
    CU_TEST_INFO_NULL,
};
