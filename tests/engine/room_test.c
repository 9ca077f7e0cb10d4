/* What a full disk is still good for: deletes beyond a full level 0, edits that take their
 * reserve, and work that is tried again as soon as something was given back. A plan says
 * which writes find no room; the rest of the disk has plenty. */
#include "tests/support/check.h"
#include "tests/support/lazy_sched.h"
#include "tests/support/teststore.h"

#include <stdio.h>

#include "engine/db_state.h"
#include "fault/plan.h"

#define LEVEL0_FULL 3

static void begin(struct teststore *t, struct sched *sched)
{
    teststore_init(t);
    t->options.sync = SYNC_EVERYSEC;
    t->options.spare_logs = 2;
    t->options.immutables_max = 4;
    t->options.level0_stop = t->options.level0_slow = LEVEL0_FULL;
    if (sched) t->env.sched = sched;
    REQUIRE_INT(teststore_open(t), ERR_OK);
    for (int i = 0; i < 20 && !t->db->reserved[RESERVE_EDIT]; i++)
        db_step(t->db);
    REQUIRE(t->db->reserved[RESERVE_EDIT] && t->db->reserved[RESERVE_FLUSH]);
}

static void end(struct teststore *t)
{
    plan_disarm_all();
    teststore_deinit(t);
}

static void fill_level0(struct teststore *t)
{
    for (int i = 0; i < LEVEL0_FULL; i++) {
        REQUIRE_INT(teststore_put(t, "a", "1"), ERR_OK);
        REQUIRE_INT(db_flush(t->db), ERR_OK);
    }
    REQUIRE_INT(t->db->version->levels[0].count, LEVEL0_FULL);
}

static void pass(struct teststore *t, int ms)
{
    clock_manual_advance(&t->clock, ms);
    db_step(t->db);
}

/* More tombstones than one log has room for. */
static void expect_a_log_of_deletes_is_taken(struct teststore *t)
{
    char key[128];
    enum err e = ERR_OK;
    for (int i = 0; i < 60 && !e; i++) {
        snprintf(key, sizeof key, "%0100d", i);
        e = db_group_begin_deletes(t->db);
        if (!e) e = db_delete(t->db, slice_text(key));
        if (!e) e = db_group_commit(t->db);
    }
    CHECK_INT(e, ERR_OK);
}

/* A flush has failed; that level 0 is full, too, does not keep deletes from the spare logs. */
static void deletes_go_on_beyond_a_full_level0(void)
{
    struct teststore t;
    struct plan plan = {.pattern = "fs/sst/write/enospc", .kth = 1, .sticky = true};
    begin(&t, NULL);
    t.db->options.level0_tables = t.db->options.level0_stop = 100; /* not yet */
    fill_level0(&t);
    REQUIRE_INT(plan_arm(&plan), 0);
    REQUIRE_INT(teststore_put(&t, "b", "1"), ERR_OK);
    CHECK_INT(db_flush(t.db), ERR_WRITES_REFUSED);
    t.db->options.level0_stop = LEVEL0_FULL;
    size_t waiting = t.db->immutable_count;
    expect_a_log_of_deletes_is_taken(&t);
    CHECK(t.db->immutable_count > waiting);
    CHECK_INT(teststore_put(&t, "b", "2"), ERR_WRITES_REFUSED);
    end(&t);
}

/* A compaction that finds no room counts as a full disk when level 0 waits for it: writes
 * are refused until it has become shorter, also when every reserve stands again, and deletes
 * have what is kept for them. */
static void a_full_level0_that_cannot_be_compacted_is_a_full_disk(void)
{
    struct teststore t;
    struct lazy_sched lazy;
    struct plan plan = {.pattern = "fs/sst/write/enospc", .kth = 1, .sticky = true};
    lazy_sched_init(&lazy);
    begin(&t, &lazy.sched);
    t.db->options.level0_tables = 1; /* what lies below is no place to move a table to */
    REQUIRE_INT(teststore_put(&t, "a", "0"), ERR_OK);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    REQUIRE_INT(db_settle(t.db), ERR_OK);
    REQUIRE_INT(t.db->version->levels[1].count, 1);
    t.db->options.level0_tables = LEVEL0_FULL;
    lazy.held = 1u << JOB_COMPACT;
    fill_level0(&t);
    REQUIRE_INT(plan_arm(&plan), 0);
    lazy.held = 0;
    lazy_sched_run(&lazy);
    for (int i = 0; i < 20; i++) {
        pass(&t, 0);
        CHECK(t.db->no_room);
    }
    CHECK(t.db->reserved[RESERVE_EDIT] && t.db->reserved[RESERVE_FLUSH]);
    expect_a_log_of_deletes_is_taken(&t);

    plan_disarm_all();
    for (int i = 0; i < 200 && db_refuses(t.db); i++)
        pass(&t, 100);
    CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);
    end(&t);
}

static void begin_without_room_for_edits(struct teststore *t, struct plan *plan)
{
    begin(t, NULL);
    *plan =
        (struct plan){.pattern = "fs/manifest/write/enospc", .kth = 1, .sticky = true};
    REQUIRE_INT(plan_arm(plan), 0);
    REQUIRE_INT(teststore_put(t, "a", "1"), ERR_OK);
    CHECK_INT(db_flush(t->db), ERR_WRITES_REFUSED);
}

/* A table without its edit gives nothing back; the room for a flush is not touched. */
static void an_edit_without_room_takes_the_reserve_of_edits(void)
{
    struct teststore t;
    struct plan plan;
    begin_without_room_for_edits(&t, &plan);
    CHECK(!t.db->reserved[RESERVE_EDIT]);

    plan_disarm_all();
    for (int i = 0; i < 200 && !t.db->reserved[RESERVE_EDIT]; i++)
        pass(&t, 100);
    CHECK(t.db->reserved[RESERVE_EDIT] && t.db->reserved[RESERVE_FLUSH]);
    CHECK_INT(teststore_put(&t, "b", "2"), ERR_OK);
    end(&t);
}

/* What an attempt has written would take the room that the next one waits for. */
static void a_new_manifest_that_found_no_room_goes(void)
{
    struct teststore t;
    struct plan plan;
    begin_without_room_for_edits(&t, &plan);
    int files = teststore_count(&t, "");
    for (int i = 0; i < 50; i++)
        pass(&t, 4000);
    CHECK(plan.fired > 10);
    CHECK(teststore_count(&t, "") <= files + 1);
    plan_disarm_all();
    for (int i = 0; i < 20 && t.db->no_room; i++)
        pass(&t, 1000);
    CHECK(!t.db->no_room);
    end(&t);
}

/* The first failure of a flush makes room: it is not waited for a pause to end. */
static void what_failed_is_tried_again_as_soon_as_room_was_given_back(void)
{
    struct teststore t;
    struct plan plan = {.pattern = "fs/sst/write/enospc", .kth = 1};
    begin(&t, NULL);
    REQUIRE_INT(plan_arm(&plan), 0);
    REQUIRE_INT(teststore_put(&t, "a", "1"), ERR_OK);
    CHECK_INT(db_flush(t.db), ERR_OK);
    CHECK_INT(plan.fired, 1);
    CHECK_INT(t.db->version->levels[0].count, 1);
    end(&t);
}

CU_TestInfo engine_room_tests[] = {
    {"deletes_go_on_beyond_a_full_level0", deletes_go_on_beyond_a_full_level0},
    {"a_full_level0_that_cannot_be_compacted_is_a_full_disk",
     a_full_level0_that_cannot_be_compacted_is_a_full_disk},
    {"an_edit_without_room_takes_the_reserve_of_edits",
     an_edit_without_room_takes_the_reserve_of_edits},
    {"a_new_manifest_that_found_no_room_goes", a_new_manifest_that_found_no_room_goes},
    {"what_failed_is_tried_again_as_soon_as_room_was_given_back",
     what_failed_is_tried_again_as_soon_as_room_was_given_back},
    CU_TEST_INFO_NULL,
};
