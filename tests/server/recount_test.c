#include "tests/support/check.h"
#include "tests/support/teststore.h"

#include "server/keyspace.h"
#include "server/recount.h"

static struct teststore t;
static struct keyspace ks;

static void put(unsigned db, const char *key, int64_t deadline_ms)
{
    struct entry old;
    REQUIRE_INT(keyspace_get(&ks, db, slice_text(key), &old, NULL), ERR_OK);
    REQUIRE_INT(keyspace_begin(&ks), ERR_OK);
    keyspace_put(&ks, db, slice_text(key), &old, slice_text("value"), deadline_ms);
    REQUIRE_INT(keyspace_commit(&ks), ERR_OK);
    if (db_in_group(t.db)) REQUIRE_INT(db_group_commit(t.db), ERR_OK);
}

/* Two databases, two keys with a deadline. */
static void begin(void)
{
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(keyspace_init(&ks, t.db, t.env.clock, mem_libc()), ERR_OK);
    keyspace_tick(&ks);
    put(0, "a", NO_DEADLINE);
    put(0, "b", ks.now_ms + 1000);
    put(3, "c", ks.now_ms + 2000);
}

static void end(void)
{
    keyspace_deinit(&ks);
    teststore_deinit(&t);
}

static void expect_counts(void)
{
    CHECK_INT(keyspace_count(&ks, 0), 2);
    CHECK_INT(keyspace_count_deadlines(&ks, 0), 1);
    CHECK_INT(keyspace_count(&ks, 3), 1);
    CHECK_INT(keyspace_count_deadlines(&ks, 3), 1);
    CHECK_INT(keyspace_count(&ks, 5), 0);
}

static void right_counts_stay(void)
{
    begin();
    unsigned changed = 9;
    CHECK_INT(recount(t.db, &changed, &t.why), ERR_OK);
    CHECK_INT(changed, 0);
    expect_counts();
    end();
}

static void wrong_counts_are_set_right(void)
{
    begin();
    REQUIRE_INT(db_group_begin(t.db), ERR_OK);
    struct batch *b = db_batch_begin(t.db);
    REQUIRE_INT(batch_register_add(b, 0, 40), ERR_OK);
    REQUIRE_INT(batch_register_set(b, 19, 0), ERR_OK);
    REQUIRE_INT(batch_register_set(b, 5, 7), ERR_OK);
    REQUIRE_INT(db_batch_commit(t.db), ERR_OK);
    REQUIRE_INT(db_group_commit(t.db), ERR_OK);
    unsigned changed = 0;
    CHECK_INT(recount(t.db, &changed, &t.why), ERR_OK);
    CHECK_INT(changed, 3);
    expect_counts();
    end();
}

/* Without its entry among the deadlines the key would never go. */
static void a_lost_deadline_entry_comes_back(void)
{
    begin();
    struct db_iter *it;
    REQUIRE_INT(db_iter_new(t.db, &it), ERR_OK);
    db_iter_seek(it, slice_of("\x40", 1));
    REQUIRE(db_iter_valid(it));
    REQUIRE_INT(db_delete(t.db, db_iter_key(it)), ERR_OK);
    db_iter_free(it);
    unsigned changed = 0;
    CHECK_INT(recount(t.db, &changed, &t.why), ERR_OK);
    CHECK_INT(changed, 1);
    clock_manual_advance(&t.clock, 5000 * 1000);
    keyspace_tick(&ks);
    for (int i = 0; i < 5; i++) {
        keyspace_expire(&ks, 10);
        if (db_in_group(t.db)) REQUIRE_INT(db_group_commit(t.db), ERR_OK);
    }
    CHECK_INT(keyspace_count(&ks, 0), 1);
    CHECK_INT(keyspace_count(&ks, 3), 0);
    end();
}

CU_TestInfo server_recount_tests[] = {
    {"right_counts_stay", right_counts_stay},
    {"wrong_counts_are_set_right", wrong_counts_are_set_right},
    {"a_lost_deadline_entry_comes_back", a_lost_deadline_entry_comes_back},
    CU_TEST_INFO_NULL,
};
