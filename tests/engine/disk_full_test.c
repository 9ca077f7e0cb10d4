/* A full disk: the write that finds no room is as if it had never been issued, reads go
 * on, and writes resume by themselves when there is room. */
#include "tests/support/check.h"
#include "tests/support/lazy_sched.h"
#include "tests/support/teststore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/db_state.h"
#include "fault/disk_sim_state.h"
#include "fault/plan.h"

static void begin(struct teststore *t, enum sync_policy sync)
{
    teststore_init(t);
    t->options.sync = sync;
    REQUIRE_INT(teststore_open(t), ERR_OK);
    REQUIRE_INT(teststore_put(t, "a", "1"), ERR_OK);
    db_step(t->db);
}

static void a_write_without_room_is_as_if_never_issued(void)
{
    struct teststore t;
    begin(&t, SYNC_ALWAYS);
    disk_sim_fail_next(t.disk, DISK_EFFECT_PARTIAL, ENOSPC, 40);
    CHECK_INT(teststore_put(&t, "b", "no room"), ERR_WRITES_REFUSED);
    CHECK_INT(db_write_error(t.db)->os_error, ENOSPC);
    CHECK(!db_refuses(t.db));
    teststore_expect(&t, "a", "1");
    teststore_expect(&t, "b", NULL);

    CHECK_INT(teststore_put(&t, "c", "3"), ERR_OK);
    CHECK_INT(db_write_error(t.db)->code, ERR_OK);
    CHECK_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect(&t, "a", "1");
    teststore_expect(&t, "b", NULL);
    teststore_expect(&t, "c", "3");
    teststore_deinit(&t);
}

/* The call did everything and answered ENOSPC all the same, then the log is left. */
static void what_found_no_room_does_not_cut_the_chain_of_logs(void)
{
    struct teststore t;
    struct plan plan = {.pattern = "fs/sst/open/eio", .kth = 1, .sticky = true};
    begin(&t, SYNC_NO);
    disk_sim_fail_next(t.disk, DISK_EFFECT_FULL, ENOSPC, 0);
    CHECK_INT(teststore_put(&t, "b", "no room"), ERR_WRITES_REFUSED);
    REQUIRE_INT(plan_arm(&plan), 0);
    CHECK_INT(db_flush(t.db), ERR_WRITES_REFUSED); /* a new log, the old one stays */
    CHECK_INT(teststore_put(&t, "c", "3"), ERR_OK);
    plan_disarm_all();

    CHECK_INT(teststore_kill(&t), ERR_OK);
    teststore_expect(&t, "a", "1");
    teststore_expect(&t, "b", NULL);
    teststore_expect(&t, "c", "3");
    teststore_deinit(&t);
}

/* Every capacity between what the store needs and what the load needs. */
static void at_every_capacity_nothing_acknowledged_is_lost_and_writes_resume(void)
{
    char key[16];
    int refusals = 0;
    for (uint64_t capacity = 20000; capacity < 60000; capacity += 1984) {
        struct teststore t;
        int acked[40] = {0};
        begin(&t, SYNC_ALWAYS);
        disk_sim_set_capacity(t.disk, capacity);
        for (int i = 1; i < 400; i++) {
            char value[100];
            snprintf(key, sizeof key, "k%02d", i % 40);
            snprintf(value, sizeof value,
                     "%05d and seventy bytes that fill the disk, "
                     "so that at some capacity it is full",
                     i);
            enum err e = teststore_put(&t, key, value);
            if (!e) acked[i % 40] = i;
            refusals += e == ERR_WRITES_REFUSED;
            CHECK(e == ERR_OK || e == ERR_WRITES_REFUSED);
            db_step(t.db);
        }
        disk_sim_set_capacity(t.disk, 0);
        clock_manual_advance(&t.clock, 16000);
        db_step(t.db);
        db_step(t.db);
        CHECK(!db_refuses(t.db));
        CHECK_INT(teststore_put(&t, "late", "1"), ERR_OK);
        REQUIRE_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
        for (int k = 0; k < 40; k++) {
            slice got;
            snprintf(key, sizeof key, "k%02d", k);
            enum err e = db_get(t.db, slice_text(key), &got, NULL);
            CHECK_INT(e == ERR_OK ? atoi((const char *)got.data) : 0, acked[k]);
        }
        teststore_expect(&t, "late", "1");
        teststore_close(&t);
        teststore_expect_sound(&t);
        teststore_deinit(&t);
    }
    CHECK(refusals > 100);
}

/* The room of a deleted file is used at once, not after the pause. */
static void room_that_comes_free_ends_the_pause(void)
{
    struct teststore t;
    struct db_stats stats;
    struct db_iter *it;
    struct plan plan = {.pattern = "fs/sst/write/enospc", .kth = 1};
    begin(&t, SYNC_ALWAYS);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    REQUIRE_INT(db_iter_new(t.db, &it), ERR_OK);
    REQUIRE_INT(teststore_put(&t, "a", "2"), ERR_OK);
    REQUIRE_INT(db_compact(t.db), ERR_OK); /* the iterator keeps the old table */
    REQUIRE_INT(teststore_put(&t, "b", "2"), ERR_OK);
    REQUIRE_INT(plan_arm(&plan), 0);
    CHECK_INT(db_flush(t.db), ERR_WRITES_REFUSED);
    CHECK_INT(plan.fired, 1);
    plan_disarm_all();
    db_step(t.db);
    db_stats_get(t.db, &stats);
    CHECK_INT(stats.immutables, 1);

    db_iter_free(it);
    db_step(t.db);
    db_stats_get(t.db, &stats);
    CHECK_INT(stats.immutables, 0);
    teststore_expect(&t, "b", "2");
    teststore_deinit(&t);
}

#define HELD_MAX 16

/* Names and contents of what lies in the store's directory. */
struct held {
    struct teststore *store;
    int count;
    char name[HELD_MAX][32];
    uint8_t *data[HELD_MAX];
    size_t size[HELD_MAX];
};

static int hold_name(void *arg, const char *name)
{
    struct held *h = arg;
    REQUIRE(h->count < HELD_MAX);
    snprintf(h->name[h->count++], sizeof h->name[0], "%s", name);
    return 0;
}

static void hold(struct held *h, struct teststore *t)
{
    struct disk_dir *dir;
    *h = (struct held){.store = t};
    REQUIRE_INT(disk_dir_open(t->disk, TESTSTORE_DIR, &dir), 0);
    REQUIRE_INT(disk_list(dir, hold_name, h), 0);
    disk_dir_close(dir);
    for (int i = 0; i < h->count; i++)
        teststore_read_file(t, h->name[i], &h->data[i], &h->size[i]);
}

static void expect_held(const struct held *h)
{
    for (int i = 0; i < h->count; i++) {
        uint8_t *data;
        size_t size;
        teststore_read_file(h->store, h->name[i], &data, &size);
        CHECK_INT(size, h->size[i]);
        CHECK(size == h->size[i] && (!size || !memcmp(data, h->data[i], size)));
        free(data);
    }
}

static void let_go(struct held *h)
{
    for (int i = 0; i < h->count; i++)
        free(h->data[i]);
}

/* A store that was killed with two logs that no sync has covered: recovery copies them. */
static void die_unsettled(struct teststore *t)
{
    begin(t, SYNC_NO);
    for (int i = 0; i < 6; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        REQUIRE_INT(teststore_put(t, key, "a value that is in the page cache only"),
                    ERR_OK);
    }
    teststore_die(t);
}

/* One capacity. Returns whether there was room. */
static bool recover_within(uint64_t capacity)
{
    struct teststore t;
    struct held before;
    die_unsettled(&t);
    hold(&before, &t);
    disk_sim_set_capacity(t.disk, capacity);
    enum err e = teststore_open(&t);
    if (e) {
        CHECK_INT(e, ERR_NO_SPACE);
        CHECK_INT(t.why.os_error, ENOSPC);
        CHECK(strstr(t.why.text, ".log") || strstr(t.why.text, "manifest") ||
              strstr(t.why.text, "CURRENT"));
        expect_held(&before);
        int logs = teststore_count(&t, ".log");
        CHECK_INT(teststore_open(&t), ERR_NO_SPACE); /* and so on, with no file more */
        expect_held(&before);
        CHECK_INT(teststore_count(&t, ".log"), logs);
        disk_sim_set_capacity(t.disk, 0);
        REQUIRE_INT(teststore_open(&t), ERR_OK);
    }
    disk_sim_set_capacity(t.disk, 0);
    for (int cut = 0; cut < 2; cut++) { /* and what it serves is durable */
        teststore_expect(&t, "a", "1");
        teststore_expect(&t, "k5", "a value that is in the page cache only");
        REQUIRE_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    }
    teststore_close(&t);
    teststore_expect_sound(&t);
    let_go(&before);
    teststore_deinit(&t);
    return e == ERR_OK;
}

static void recovery_without_room_refuses_and_changes_nothing_until_there_is_room(void)
{
    int refused = 0, opened = 0;
    for (uint64_t capacity = 64; opened < 8; capacity += 64)
        if (recover_within(capacity))
            opened++;
        else
            refused++;
    CHECK(refused > 8);
}

#define FULL_BYTES 60000

static void key_of(int i, char key[16])
{
    snprintf(key, 16, "k%03d", i * 7 % 1000);
}

static void begin_with_reserve(struct teststore *t, enum sync_policy sync)
{
    teststore_init(t);
    t->options.sync = sync;
    t->options.spare_logs = 2;
    t->options.level0_tables = 4;
    disk_sim_set_capacity(t->disk, FULL_BYTES);
}

/* Puts until the disk is full and puts are refused. Returns how many were taken. */
static int put_until_full(struct teststore *t)
{
    char key[16], value[101];
    int taken = 0;
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = 0;
    for (; taken < 1000 && !db_refuses(t->db); db_step(t->db)) {
        key_of(taken, key);
        if (teststore_put(t, key, value) == ERR_OK) taken++;
        clock_manual_advance(&t->clock, 1);
    }
    REQUIRE(db_refuses(t->db) && taken > 100);
    CHECK_INT(teststore_put(t, "b", "refused"), ERR_WRITES_REFUSED);
    CHECK_INT(db_write_error(t->db)->os_error, ENOSPC);
    return taken;
}

static int fill_up(struct teststore *t, enum sync_policy sync)
{
    begin_with_reserve(t, sync);
    REQUIRE_INT(teststore_open(t), ERR_OK);
    db_step(t->db);
    return put_until_full(t);
}

/* It needs room for copies of the last logs, and finds what the killed one had kept. */
static void a_store_that_was_killed_full_opens_again(void)
{
    for (uint64_t more = 0; more < 4000; more += 250) {
        struct teststore t;
        begin_with_reserve(&t, SYNC_NO);
        disk_sim_set_capacity(t.disk, FULL_BYTES + more);
        REQUIRE_INT(teststore_open(&t), ERR_OK);
        db_step(t.db);
        int taken = put_until_full(&t);
        REQUIRE_INT(teststore_kill(&t), ERR_OK);
        for (int i = 0; i < taken; i++) {
            char key[16], value[101];
            key_of(i, key);
            memset(value, 'v', sizeof value - 1);
            value[sizeof value - 1] = 0;
            teststore_expect(&t, key, value);
        }
        teststore_deinit(&t);
    }
}

/* The same in a store whose level 0 is never due. */
static int fill_up_level0(struct teststore *t)
{
    begin_with_reserve(t, SYNC_EVERYSEC);
    t->options.level0_tables = t->options.level0_slow = t->options.level0_stop = 100;
    REQUIRE_INT(teststore_open(t), ERR_OK);
    db_step(t->db);
    return put_until_full(t);
}

/* Steps as a loop would; whether writes are accepted before so much time has passed. */
static bool resumes_within(struct teststore *t, int ms)
{
    for (; ms > 0 && db_refuses(t->db); ms -= 50) {
        clock_manual_advance(&t->clock, 50);
        db_step(t->db);
    }
    return !db_refuses(t->db);
}

static enum err delete_group(struct teststore *t, const char *key)
{
    enum err e = db_group_begin_deletes(t->db);
    if (!e) e = db_delete(t->db, slice_text(key));
    return e ? e : db_group_commit(t->db);
}

/* Of the keys of fill_up all but each `kept`-th; 0: all. Returns how many were refused. */
static int delete_most(struct teststore *t, int taken, int kept)
{
    char key[16];
    int refused = 0;
    for (int i = 0; i < taken; i++) {
        if (kept && i % kept == 0) continue;
        key_of(i, key);
        refused += delete_group(t, key) != ERR_OK;
        clock_manual_advance(&t->clock, 1);
        db_step(t->db);
    }
    return refused;
}

static int count_keys(struct teststore *t)
{
    struct db_iter *it;
    int n = 0;
    REQUIRE_INT(db_iter_new(t->db, &it), ERR_OK);
    for (db_iter_first(it); db_iter_valid(it); db_iter_next(it))
        n++;
    CHECK_INT(db_iter_error(it, NULL), ERR_OK);
    db_iter_free(it);
    return n;
}

/* Everything is there after a killed process and, once that is durable, a power cut. */
static void expect_after_crashes(struct teststore *t, int keys)
{
    disk_sim_set_capacity(t->disk, 0); /* a recovery needs room */
    CHECK_INT(count_keys(t), keys);
    CHECK_INT(teststore_kill(t), ERR_OK);
    CHECK_INT(count_keys(t), keys);
    CHECK_INT(teststore_power_cut(t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    CHECK_INT(count_keys(t), keys);
    teststore_close(t);
    teststore_expect_sound(t);
    teststore_deinit(t);
}

static const enum sync_policy policies[] = {SYNC_ALWAYS, SYNC_EVERYSEC, SYNC_NO};

static void a_full_disk_takes_deletes_and_no_writes_until_they_have_given_room(void)
{
    struct teststore t;
    int taken = fill_up(&t, SYNC_ALWAYS);
    CHECK(!db_refuses_deletes(t.db));
    CHECK_INT(delete_group(&t, "k000"), ERR_OK);
    teststore_expect(&t, "k000", NULL);
    CHECK(db_refuses(t.db)); /* the reserve is for deletes only */
    CHECK_INT(teststore_put(&t, "b", "2"), ERR_WRITES_REFUSED);
    CHECK_INT(db_delete(t.db, slice_text("k007")), ERR_OK); /* without a group, too */

    disk_sim_set_capacity(t.disk, 0);
    CHECK_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, NULL), ERR_OK);
    teststore_expect(&t, "k000", NULL);
    teststore_expect(&t, "k007", NULL);
    teststore_expect(&t, "b", NULL);
    CHECK_INT(count_keys(&t), taken - 2);
    teststore_deinit(&t);
}

/* More tombstones than the reserve can take, of keys that are not there. */
static void the_reserve_has_an_end(void)
{
    struct teststore t;
    char key[128];
    enum err e = ERR_OK;
    int taken = fill_up(&t, SYNC_ALWAYS);
    for (int i = 0; i < 5000 && !e; i++) {
        snprintf(key, sizeof key, "%0100d", i);
        e = delete_group(&t, key);
    }
    CHECK_INT(e, ERR_WRITES_REFUSED);
    expect_after_crashes(&t, taken);
}

/* What a floor has sunk needs no room any more: it is in no table that a flush writes, and
 * tables of it go unread. */
static void a_full_store_that_is_emptied_takes_writes_again(void)
{
    for (int p = 0; p < 3; p++) {
        struct teststore t;
        fill_up(&t, policies[p]);
        REQUIRE_INT(db_group_begin_deletes(t.db), ERR_OK);
        CHECK_INT(batch_floor(db_batch_begin(t.db), 'k'), ERR_OK);
        CHECK_INT(db_batch_commit(t.db), ERR_OK);
        CHECK_INT(db_group_commit(t.db), ERR_OK);
        CHECK_INT(count_keys(&t), 0);

        CHECK(resumes_within(&t, 3000));
        CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);
        expect_after_crashes(&t, 1);
    }
}

static void a_full_store_whose_keys_are_deleted_takes_writes_again(void)
{
    for (int p = 0; p < 3; p++) {
        struct teststore t;
        int taken = fill_up(&t, policies[p]);
        CHECK_INT(delete_most(&t, taken, 0), 0);
        CHECK_INT(count_keys(&t), 0);

        CHECK(resumes_within(&t, 5000));
        CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);
        expect_after_crashes(&t, 1);
    }
}

/* A compaction of everything would take what is left of it at once, for which there is no
 * room. */
static void a_full_store_most_of_whose_keys_are_deleted_takes_writes_again(void)
{
    for (int p = 0; p < 3; p++) {
        struct teststore t;
        int taken = fill_up(&t, policies[p]), kept = (taken + 3) / 4;
        CHECK_INT(delete_most(&t, taken, 4), 0);
        CHECK_INT(count_keys(&t), kept);

        CHECK(resumes_within(&t, 10000));
        CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);
        expect_after_crashes(&t, kept + 1);
    }
}

static void what_is_deleted_gives_room_although_no_level_is_due(void)
{
    struct teststore t;
    int taken = fill_up_level0(&t);
    CHECK_INT(delete_most(&t, taken, 0), 0);
    CHECK(resumes_within(&t, 5000));
    expect_after_crashes(&t, 0);
}

/* Half of everything has no room beside it: the newest tables take in one more at a time. */
static void what_is_left_of_the_newest_tables_needs_the_least_room(void)
{
    struct teststore t;
    int taken = fill_up_level0(&t);
    CHECK_INT(delete_most(&t, taken, 2), 0);
    CHECK(resumes_within(&t, 10000));
    CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);
    expect_after_crashes(&t, (taken + 1) / 2 + 1);
}

/* The lowest level is rewritten by no compaction of what lies above. */
static void tables_below_a_floor_go_unread_from_every_level(void)
{
    struct teststore t;
    begin_with_reserve(&t, SYNC_EVERYSEC);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    teststore_fill(&t, "a", 100, 100, 0);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    put_until_full(&t);
    REQUIRE_INT(db_group_begin_deletes(t.db), ERR_OK);
    struct batch *b = db_batch_begin(t.db);
    CHECK_INT(batch_floor(b, 'a'), ERR_OK);
    CHECK_INT(batch_floor(b, 'k'), ERR_OK);
    CHECK_INT(db_batch_commit(t.db), ERR_OK);
    CHECK_INT(db_group_commit(t.db), ERR_OK);
    CHECK(resumes_within(&t, 3000));
    CHECK_INT(teststore_count(&t, ".sst"), 0);
    expect_after_crashes(&t, 0);
}

/* The value is larger than the reserve, and no policy but one would have synced the floor. */
static void a_floor_makes_room_for_what_the_reserve_is_too_small(void)
{
    static char large[9001];
    memset(large, 'v', sizeof large - 1);
    for (int p = 0; p < 3; p++) {
        struct teststore t;
        begin_with_reserve(&t, policies[p]);
        disk_sim_set_capacity(t.disk, 26048);
        REQUIRE_INT(teststore_open(&t), ERR_OK);
        db_step(t.db);
        REQUIRE_INT(teststore_put(&t, "k1", large), ERR_OK);
        REQUIRE_INT(teststore_put(&t, "k2", "in the next log"), ERR_OK);
        (void)resumes_within(&t, 50);
        clock_manual_advance(&t.clock, 30000);
        db_step(t.db);
        REQUIRE_INT(t.db->immutable_count, 1);
        CHECK(!t.db->reserved[RESERVE_FLUSH]);
        REQUIRE_INT(db_group_begin_deletes(t.db), ERR_OK);
        CHECK_INT(batch_floor(db_batch_begin(t.db), 'k'), ERR_OK);
        CHECK_INT(db_batch_commit(t.db), ERR_OK);
        CHECK_INT(db_group_commit(t.db), ERR_OK);
        for (int i = 0; i < 100 && t.db->no_room; i++) {
            clock_manual_advance(&t.clock, 100);
            db_step(t.db);
        }
        CHECK_INT(t.db->immutable_count, 0);
        CHECK(!t.db->no_room);
        CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);
        expect_after_crashes(&t, 1);
    }
}

static void a_full_store_takes_writes_again_when_somebody_else_makes_room(void)
{
    for (int p = 0; p < 3; p++) {
        struct teststore t;
        int taken = fill_up(&t, policies[p]);
        CHECK(!resumes_within(&t, 60000));
        CHECK_INT(count_keys(&t), taken);

        disk_sim_set_capacity(t.disk, FULL_BYTES + 20000);
        CHECK(resumes_within(&t, 5000));
        CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);
        expect_after_crashes(&t, taken + 1);
    }
}

static void what_finds_no_room_uses_up_no_numbers(void)
{
    struct teststore t;
    fill_up(&t, SYNC_EVERYSEC);
    CHECK(!resumes_within(&t, 60000));
    uint64_t next = t.db->next_file;
    CHECK(!resumes_within(&t, 600000));
    CHECK(t.db->next_file <= next + 2);
    teststore_deinit(&t);
}

static void open_with_reserve(struct teststore *t)
{
    teststore_init(t);
    t->options.spare_logs = 2;
    REQUIRE_INT(teststore_open(t), ERR_OK);
    db_step(t->db);
}

/* Without it a full disk has nothing left for the flush that all else waits for. */
static void the_room_of_a_log_is_kept_while_there_is_any(void)
{
    struct teststore t;
    open_with_reserve(&t);
    CHECK_INT(teststore_count(&t, ".reserve"), 2);
    struct plan plan = {.pattern = "fs/sst/write/enospc", .kth = 1};
    REQUIRE_INT(plan_arm(&plan), 0);
    teststore_fill(&t, "a", 20, 400, 0);
    CHECK_INT(plan.fired, 1);
    plan_disarm_all();
    CHECK(resumes_within(&t, 2000));
    CHECK(t.db->reserved[RESERVE_EDIT] && t.db->reserved[RESERVE_FLUSH]);
    teststore_expect_fill(&t, "a", 20, 400, 0);
    teststore_close(&t);
    CHECK_INT(teststore_count(&t, ".reserve"), 0); /* it does not outlive the process */
    teststore_deinit(&t);
}

/* While the next log is being filled nobody knows whether the disk is full: a delete takes
 * the last spare log no sooner than a write would. */
static void a_delete_while_a_log_is_filled_keeps_the_store_open_for_writes(void)
{
    struct teststore t;
    struct lazy_sched lazy;
    teststore_init(&t);
    lazy_sched_init(&lazy);
    t.options.memtable_bytes = 1 << 20; /* the log is full first */
    t.options.spare_logs = 2;
    t.env.sched = &lazy.sched;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    db_step(t.db);
    lazy.held = 1u << JOB_METADATA;
    for (unsigned round = 0; round < 3; round++) {
        while (t.db->active->log.offset < t.options.log_bytes)
            REQUIRE_INT(teststore_put(&t, "a", "some bytes that fill a log"), ERR_OK);
        CHECK_INT(db_delete(t.db, slice_text("b")), ERR_OK);
        CHECK(!db_refuses(t.db));
        REQUIRE_INT(teststore_put(&t, "c", "3"), ERR_OK);
    }
    lazy.held = 0;
    teststore_deinit(&t);
}

/* The tables of level 0 are in the order of their numbers. */
static void what_the_newest_tables_become_is_not_newer_than_a_flush_under_way(void)
{
    struct teststore t;
    struct lazy_sched lazy;
    teststore_init(&t);
    lazy_sched_init(&lazy);
    t.options.level0_tables = 3;
    t.env.sched = &lazy.sched;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    lazy.held = 1u << JOB_COMPACT | 1u << JOB_FLUSH;
    REQUIRE_INT(teststore_put(&t, "k", "old"), ERR_OK);
    REQUIRE_INT(teststore_put(&t, "z", "26"), ERR_OK);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    REQUIRE_INT(teststore_delete(&t, "x"), ERR_OK);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    REQUIRE_INT(teststore_put(&t, "x", "24"), ERR_OK);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    db_step(t.db);
    REQUIRE(t.db->compacting && t.db->version->levels[0].count == 3);
    REQUIRE_INT(teststore_put(&t, "k", "new"), ERR_OK);
    for (int i = 0; !t.db->flushing; i++)
        teststore_fill(&t, "m", i, 100, 0);

    struct plan plan = {.pattern = "fs/sst/write/enospc", .kth = 1};
    REQUIRE_INT(plan_arm(&plan), 0);
    lazy_sched_run(&lazy);
    CHECK_INT(plan.fired, 1);
    plan_disarm_all();
    CHECK_INT(db_settle(t.db), ERR_OK);
    CHECK_INT(t.db->immutable_count, 0);
    teststore_expect(&t, "k", "new");
    lazy.held = 0;
    teststore_close(&t);
    teststore_expect_sound(&t);
    teststore_deinit(&t);
}

/* Whoever parks writers while the store is busy would never tell them why. */
static void a_compaction_whose_edit_finds_no_room_parks_no_writer(void)
{
    struct teststore t;
    struct lazy_sched lazy;
    teststore_init(&t);
    lazy_sched_init(&lazy);
    t.options.level0_slow = 2;
    t.env.sched = &lazy.sched;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    for (int i = 0; i < 2; i++) {
        REQUIRE_INT(teststore_put(&t, "a", "1"), ERR_OK);
        lazy.held = i == 1 ? 1u << JOB_COMPACT : 0;
        REQUIRE_INT(db_flush(t.db), ERR_OK);
    }
    CHECK(db_busy(t.db));
    struct plan plan = {.pattern = "fs/manifest/write/enospc", .kth = 1, .sticky = true};
    REQUIRE_INT(plan_arm(&plan), 0);
    lazy_sched_run(&lazy);
    db_step(t.db);
    CHECK(t.db->compacting && !db_busy(t.db));
    plan_disarm_all();
    CHECK(plan.fired > 0);
    CHECK(resumes_within(&t, 3000));
    lazy.held = 0;
    teststore_deinit(&t);
}

/* What a killed process has kept, and the next one not come to take over. */
static void a_store_that_is_closed_at_once_leaves_no_reserve(void)
{
    struct teststore t;
    begin_with_reserve(&t, SYNC_EVERYSEC);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    db_step(t.db);
    teststore_die(&t);
    CHECK_INT(teststore_count(&t, ".reserve"), 2);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    teststore_close(&t);
    CHECK_INT(teststore_count(&t, ".reserve"), 0);
    teststore_deinit(&t);
}

/* Recovery looks into a log only if the one before it has records. */
static void a_log_that_deletes_have_not_used_is_not_left(void)
{
    struct teststore t;
    struct lazy_sched lazy;
    lazy_sched_init(&lazy);
    begin_with_reserve(&t, SYNC_ALWAYS);
    t.options.spare_logs = 3;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    db_step(t.db);
    int taken = put_until_full(&t);
    REQUIRE_INT(db_group_begin_deletes(t.db), ERR_OK); /* takes the next log */
    REQUIRE_INT(db_group_commit(t.db), ERR_OK);        /* and found nothing to delete */
    REQUIRE_INT(t.db->active->log.offset, 0);
    db_step(t.db);
    lazy.held = 1u << JOB_FLUSH;
    t.db->env.sched = &lazy.sched;
    (void)resumes_within(&t, 3000);
    CHECK_INT(delete_group(&t, "k000"), ERR_OK);
    disk_sim_set_capacity(t.disk, 0);
    CHECK_INT(teststore_kill(&t), ERR_OK);
    teststore_expect(&t, "k000", NULL);
    expect_after_crashes(&t, taken - 1);
}

/* What is left of the log is less than a record of any kind. */
static void a_full_disk_takes_deletes_when_the_end_of_the_log_is_too_short_for_one(void)
{
    struct teststore t;
    begin_with_reserve(&t, SYNC_ALWAYS);
    t.options.memtable_bytes = 1 << 20; /* the log is full first */
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    db_step(t.db);
    char value[4096];
    memset(value, 'v', sizeof value);
    value[2000] = 0;
    REQUIRE_INT(teststore_put(&t, "k000", value), ERR_OK);
    size_t record = t.db->active->log.offset;
    value[2000] = 'v';
    value[t.options.log_bytes - 2 * record + 2000 - 16] = 0;
    REQUIRE_INT(teststore_put(&t, "k000", value), ERR_OK);
    REQUIRE_INT(t.db->active->log.offset, t.options.log_bytes - 16);
    disk_sim_set_capacity(t.disk, 64 * sim_chunks_used(sim_of(t.disk)));
    value[100] = 0;
    CHECK_INT(teststore_put(&t, "k007", value), ERR_WRITES_REFUSED);
    /* The record that found no room costs the log, too, and the next delete. */
    (void)delete_group(&t, "k000");
    (void)resumes_within(&t, 3000);
    CHECK_INT(delete_group(&t, "k000"), ERR_OK);
    expect_after_crashes(&t, 0);
}

/* What a restart gave up somebody else could take, or the next process spend otherwise. */
static void a_full_store_that_is_closed_keeps_its_reserves(void)
{
    struct teststore t;
    fill_up(&t, SYNC_ALWAYS);
    int kept = teststore_count(&t, ".reserve");
    CHECK(kept > 0);
    teststore_close(&t);
    CHECK_INT(teststore_count(&t, ".reserve"), kept);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    disk_sim_set_capacity(t.disk, 0);
    CHECK(resumes_within(&t, 10000));
    teststore_close(&t);
    CHECK_INT(teststore_count(&t, ".reserve"), 0);
    teststore_deinit(&t);
}

/* A flush of little, without a reserve of its own, takes the other one. */
static void a_small_flush_is_lent_the_reserve_of_edits(void)
{
    struct teststore t;
    open_with_reserve(&t);
    struct plan plan = {.pattern = "fs/sst/write/enospc", .kth = 1, .sticky = true};
    REQUIRE_INT(plan_arm(&plan), 0);
    REQUIRE_INT(teststore_put(&t, "a", "little"), ERR_OK);
    CHECK_INT(db_flush(t.db), ERR_WRITES_REFUSED);
    for (int i = 0; i < 20 && t.db->reserved[RESERVE_EDIT]; i++) {
        clock_manual_advance(&t.clock, 1000);
        db_step(t.db);
    }
    CHECK(!t.db->reserved[RESERVE_EDIT] && t.db->lent);
    plan_disarm_all();
    for (int i = 0; i < 20 && t.db->no_room; i++) {
        clock_manual_advance(&t.clock, 1000);
        db_step(t.db);
    }
    CHECK(!t.db->no_room && !t.db->lent);
    CHECK(t.db->reserved[RESERVE_EDIT] && t.db->reserved[RESERVE_FLUSH]);
    teststore_deinit(&t);
}

/* FLUSHALL of an empty store, again and again, would put off the reserve each time. */
static void a_group_that_deletes_nothing_calls_for_nothing(void)
{
    struct teststore t;
    fill_up(&t, SYNC_ALWAYS);
    REQUIRE_INT(db_group_begin_deletes(t.db), ERR_OK);
    REQUIRE_INT(db_group_commit(t.db), ERR_OK);
    CHECK(!t.db->has_deletes);
    CHECK_INT(delete_group(&t, "k000"), ERR_OK);
    CHECK(t.db->has_deletes);
    teststore_deinit(&t);
}

CU_TestInfo engine_disk_full_tests[] = {
    {"a_full_store_that_is_closed_keeps_its_reserves",
     a_full_store_that_is_closed_keeps_its_reserves},
    {"a_small_flush_is_lent_the_reserve_of_edits",
     a_small_flush_is_lent_the_reserve_of_edits},
    {"a_group_that_deletes_nothing_calls_for_nothing",
     a_group_that_deletes_nothing_calls_for_nothing},
    {"a_log_that_deletes_have_not_used_is_not_left",
     a_log_that_deletes_have_not_used_is_not_left},
    {"a_full_disk_takes_deletes_when_the_end_of_the_log_is_too_short_for_one",
     a_full_disk_takes_deletes_when_the_end_of_the_log_is_too_short_for_one},
    {"a_compaction_whose_edit_finds_no_room_parks_no_writer",
     a_compaction_whose_edit_finds_no_room_parks_no_writer},
    {"a_store_that_is_closed_at_once_leaves_no_reserve",
     a_store_that_is_closed_at_once_leaves_no_reserve},
    {"what_the_newest_tables_become_is_not_newer_than_a_flush_under_way",
     what_the_newest_tables_become_is_not_newer_than_a_flush_under_way},
    {"a_delete_while_a_log_is_filled_keeps_the_store_open_for_writes",
     a_delete_while_a_log_is_filled_keeps_the_store_open_for_writes},
    {"a_write_without_room_is_as_if_never_issued",
     a_write_without_room_is_as_if_never_issued},
    {"what_found_no_room_does_not_cut_the_chain_of_logs",
     what_found_no_room_does_not_cut_the_chain_of_logs},
    {"at_every_capacity_nothing_acknowledged_is_lost_and_writes_resume",
     at_every_capacity_nothing_acknowledged_is_lost_and_writes_resume},
    {"room_that_comes_free_ends_the_pause", room_that_comes_free_ends_the_pause},
    {"recovery_without_room_refuses_and_changes_nothing_until_there_is_room",
     recovery_without_room_refuses_and_changes_nothing_until_there_is_room},
    {"a_full_disk_takes_deletes_and_no_writes_until_they_have_given_room",
     a_full_disk_takes_deletes_and_no_writes_until_they_have_given_room},
    {"the_reserve_has_an_end", the_reserve_has_an_end},
    {"a_store_that_was_killed_full_opens_again",
     a_store_that_was_killed_full_opens_again},
    {"a_full_store_that_is_emptied_takes_writes_again",
     a_full_store_that_is_emptied_takes_writes_again},
    {"a_full_store_whose_keys_are_deleted_takes_writes_again",
     a_full_store_whose_keys_are_deleted_takes_writes_again},
    {"a_full_store_most_of_whose_keys_are_deleted_takes_writes_again",
     a_full_store_most_of_whose_keys_are_deleted_takes_writes_again},
    {"a_full_store_takes_writes_again_when_somebody_else_makes_room",
     a_full_store_takes_writes_again_when_somebody_else_makes_room},
    {"what_finds_no_room_uses_up_no_numbers", what_finds_no_room_uses_up_no_numbers},
    {"the_room_of_a_log_is_kept_while_there_is_any",
     the_room_of_a_log_is_kept_while_there_is_any},
    {"what_is_deleted_gives_room_although_no_level_is_due",
     what_is_deleted_gives_room_although_no_level_is_due},
    {"what_is_left_of_the_newest_tables_needs_the_least_room",
     what_is_left_of_the_newest_tables_needs_the_least_room},
    {"tables_below_a_floor_go_unread_from_every_level",
     tables_below_a_floor_go_unread_from_every_level},
    {"a_floor_makes_room_for_what_the_reserve_is_too_small",
     a_floor_makes_room_for_what_the_reserve_is_too_small},
    CU_TEST_INFO_NULL,
};
