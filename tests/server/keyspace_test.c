#include "tests/support/check.h"
#include "tests/support/teststore.h"

#include <stdio.h>

#include "server/keyspace.h"

/* A keyspace over a store on a simulated disk. */
struct fixture {
    struct teststore store;
    struct keyspace ks;
};

static void fixture_open(struct fixture *f)
{
    teststore_init(&f->store);
    REQUIRE_INT(teststore_open(&f->store), ERR_OK);
    REQUIRE_INT(
        keyspace_init(&f->ks, f->store.db, &f->store.clock.clock, &f->store.mem.mem), 0);
}

static void fixture_close(struct fixture *f)
{
    keyspace_deinit(&f->ks);
    teststore_close(&f->store);
    teststore_expect_sound(&f->store);
    teststore_deinit(&f->store);
}

static void fixture_reopen(struct fixture *f)
{
    keyspace_deinit(&f->ks);
    teststore_reopen(&f->store);
    REQUIRE_INT(
        keyspace_init(&f->ks, f->store.db, &f->store.clock.clock, &f->store.mem.mem), 0);
}

static void commit(struct fixture *f)
{
    REQUIRE_INT(keyspace_commit(&f->ks), ERR_OK);
    REQUIRE_INT(db_group_commit(f->store.db), ERR_OK);
}

static void put(struct fixture *f, unsigned db, const char *key, const char *value,
                int64_t deadline_ms)
{
    struct entry old;
    REQUIRE_INT(keyspace_get(&f->ks, db, slice_text(key), &old, NULL), ERR_OK);
    REQUIRE_INT(keyspace_begin(&f->ks), ERR_OK);
    keyspace_put(&f->ks, db, slice_text(key), &old, slice_text(value), deadline_ms);
    commit(f);
}

static void expect(struct fixture *f, unsigned db, const char *key, const char *value)
{
    struct entry e;
    REQUIRE_INT(keyspace_get(&f->ks, db, slice_text(key), &e, NULL), ERR_OK);
    CHECK_INT(e.exists, value != NULL);
    if (value) CHECK_SLICE(e.value, slice_text(value));
}

static unsigned expire(struct fixture *f, unsigned limit)
{
    unsigned n = keyspace_expire(&f->ks, limit);
    if (db_in_group(f->store.db)) REQUIRE_INT(db_group_commit(f->store.db), ERR_OK);
    return n;
}

static void pass(struct fixture *f, int64_t ms)
{
    clock_manual_advance(&f->store.clock, ms);
    keyspace_tick(&f->ks);
}

/* ---- bytes in the store ---- */

static void expect_raw(struct fixture *f, slice key, slice value)
{
    slice got = {0};
    CHECK_INT(db_get(f->store.db, key, &got, NULL), ERR_OK);
    CHECK_SLICE(got, value);
}

static void the_bytes_in_the_store_are_those_of_the_format(void)
{
    struct fixture f;
    fixture_open(&f);

    put(&f, 0, "k", "v", NO_DEADLINE);
    put(&f, 15, "k", "v", 0x0123456789abcdef);

    expect_raw(&f, slice_of("\0k", 2), slice_of("\0v", 2));
    expect_raw(&f, slice_of("\x0fk", 2),
               slice_of("\x01\x01\x23\x45\x67\x89\xab\xcd\xefv", 10));
    expect_raw(&f, slice_of("\x4f\x01\x23\x45\x67\x89\xab\xcd\xefk", 10), slice_text(""));
    CHECK_INT(db_register(f.store.db, 0), 1);
    CHECK_INT(db_register(f.store.db, 15), 1);
    CHECK_INT(db_register(f.store.db, 16), 0);
    CHECK_INT(db_register(f.store.db, 31), 1);
    fixture_close(&f);
}

static void a_changed_deadline_leaves_no_old_one_behind(void)
{
    struct fixture f;
    bool exists = true;
    fixture_open(&f);

    put(&f, 0, "k", "v", 0x0123456789abcdef);
    put(&f, 0, "k", "v", NO_DEADLINE);

    slice old = slice_of("\x40\x01\x23\x45\x67\x89\xab\xcd\xefk", 10);
    CHECK_INT(db_exists(f.store.db, old, &exists, NULL), ERR_OK);
    CHECK(!exists);
    CHECK_INT(keyspace_count_deadlines(&f.ks, 0), 0);
    CHECK_INT(keyspace_count(&f.ks, 0), 1);
    fixture_close(&f);
}

/* ---- counts ---- */

static void counts_are_exact_across_overwrite_delete_and_reopen(void)
{
    struct fixture f;
    struct entry old;
    fixture_open(&f);
    put(&f, 3, "a", "1", NO_DEADLINE);
    put(&f, 3, "a", "2", f.ks.now_ms + 1000);
    put(&f, 3, "b", "1", f.ks.now_ms + 1000);
    put(&f, 3, "b", "1", f.ks.now_ms + 2000);
    put(&f, 3, "c", "1", NO_DEADLINE);

    REQUIRE_INT(keyspace_get(&f.ks, 3, slice_text("a"), &old, NULL), ERR_OK);
    REQUIRE_INT(keyspace_begin(&f.ks), ERR_OK);
    keyspace_remove(&f.ks, 3, slice_text("a"), &old);
    commit(&f);
    fixture_reopen(&f);

    CHECK_INT(keyspace_count(&f.ks, 3), 2);
    CHECK_INT(keyspace_count_deadlines(&f.ks, 3), 1);
    CHECK_INT(keyspace_count(&f.ks, 0), 0);
    fixture_close(&f);
}

static void a_change_that_fails_leaves_nothing(void)
{
    struct fixture f;
    struct entry none = {.deadline_ms = NO_DEADLINE};
    fixture_open(&f);

    REQUIRE_INT(keyspace_begin(&f.ks), ERR_OK);
    keyspace_put(&f.ks, 0, slice_text("a"), &none, slice_text("1"), f.ks.now_ms + 5);
    f.ks.error = ERR_NOMEM;
    CHECK_INT(keyspace_commit(&f.ks), ERR_NOMEM);
    REQUIRE_INT(db_group_commit(f.store.db), ERR_OK);

    expect(&f, 0, "a", NULL);
    CHECK_INT(keyspace_count(&f.ks, 0), 0);
    CHECK_INT(keyspace_count_deadlines(&f.ks, 0), 0);
    fixture_close(&f);
}

static void flushing_one_database_empties_it_and_no_other(void)
{
    struct fixture f;
    fixture_open(&f);
    put(&f, 0, "a", "1", f.ks.now_ms + 1000);
    put(&f, 1, "b", "2", f.ks.now_ms + 1000);

    REQUIRE_INT(keyspace_begin(&f.ks), ERR_OK);
    keyspace_flush(&f.ks, 0);
    commit(&f);
    put(&f, 0, "c", "3", NO_DEADLINE);
    fixture_reopen(&f);

    expect(&f, 0, "a", NULL);
    expect(&f, 0, "c", "3");
    expect(&f, 1, "b", "2");
    CHECK_INT(keyspace_count(&f.ks, 0), 1);
    CHECK_INT(keyspace_count_deadlines(&f.ks, 0), 0);
    CHECK_INT(keyspace_count_deadlines(&f.ks, 1), 1);
    fixture_close(&f);
}

/* ---- expiry ---- */

static void what_is_due_is_deleted_in_steps_and_nothing_else(void)
{
    struct fixture f;
    char key[16];
    fixture_open(&f);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "due%02d", i);
        put(&f, (unsigned)i % 3, key, "v", f.ks.now_ms + 100 + i);
    }
    put(&f, 0, "later", "v", f.ks.now_ms + 10000);
    put(&f, 0, "never", "v", NO_DEADLINE);
    CHECK_INT(expire(&f, 1000), 0);

    pass(&f, 201);
    CHECK_INT(expire(&f, 30), 30);
    CHECK_INT(expire(&f, 1000), 70);
    CHECK_INT(expire(&f, 1000), 0);

    CHECK_INT(keyspace_count(&f.ks, 0), 2);
    CHECK_INT(keyspace_count(&f.ks, 1), 0);
    CHECK_INT(keyspace_count_deadlines(&f.ks, 0), 1);
    CHECK_INT(f.ks.expired_keys, 100);
    expect(&f, 0, "later", "v");
    fixture_close(&f);
}

static void a_deadline_set_behind_the_walk_is_found(void)
{
    struct fixture f;
    fixture_open(&f);
    put(&f, 0, "a", "v", f.ks.now_ms + 1000);
    pass(&f, 1001);
    CHECK_INT(expire(&f, 10), 1);

    put(&f, 0, "b", "v", f.ks.now_ms - 500);

    CHECK_INT(expire(&f, 10), 1);
    CHECK_INT(keyspace_count(&f.ks, 0), 0);
    fixture_close(&f);
}

static void the_wait_is_until_the_next_deadline(void)
{
    struct fixture f;
    fixture_open(&f);
    CHECK_INT(keyspace_timeout_ms(&f.ks), -1);
    put(&f, 0, "a", "v", f.ks.now_ms + 5000);
    put(&f, 7, "b", "v", f.ks.now_ms + 300);
    expire(&f, 10);

    CHECK_INT(keyspace_timeout_ms(&f.ks), 301);
    pass(&f, 301);
    CHECK_INT(keyspace_timeout_ms(&f.ks), 0);
    CHECK_INT(expire(&f, 10), 1);
    CHECK_INT(keyspace_timeout_ms(&f.ks), 4700);
    fixture_close(&f);
}

static void a_clock_that_steps_back_revives_nothing_and_stops_nothing(void)
{
    struct fixture f;
    fixture_open(&f);
    put(&f, 0, "k", "v", f.ks.now_ms + 1000);
    put(&f, 0, "l", "v", f.ks.now_ms + 3000);
    pass(&f, 1001);
    expect(&f, 0, "k", NULL);

    f.store.clock.wall_ms -= 3600 * 1000;
    keyspace_tick(&f.ks);
    expect(&f, 0, "k", NULL);
    pass(&f, 2001);

    expect(&f, 0, "l", NULL);
    fixture_close(&f);
}

static void a_clock_set_back_between_two_runs_revives_nothing(void)
{
    struct fixture f;
    fixture_open(&f);
    put(&f, 0, "a", "v", f.ks.now_ms + 1000);
    put(&f, 0, "b", "v", f.ks.now_ms + 1001);
    pass(&f, 1500);
    CHECK_INT(expire(&f, 1), 1);
    expect(&f, 0, "b", NULL);

    f.store.clock.wall_ms -= 3600 * 1000;
    fixture_reopen(&f);

    expect(&f, 0, "a", NULL);
    expect(&f, 0, "b", NULL);
    fixture_close(&f);
}

static void deadlines_are_found_again_after_a_reopen(void)
{
    struct fixture f;
    fixture_open(&f);
    put(&f, 2, "k", "v", f.ks.now_ms + 1000);

    fixture_reopen(&f);
    pass(&f, 1001);

    CHECK_INT(expire(&f, 10), 1);
    CHECK_INT(keyspace_count(&f.ks, 2), 0);
    fixture_close(&f);
}

/* ---- walking ---- */

static void walking_gives_the_keys_of_one_database_in_order(void)
{
    struct fixture f;
    struct keyspace_iter it;
    fixture_open(&f);
    put(&f, 1, "b", "2", NO_DEADLINE);
    put(&f, 1, "a", "1", NO_DEADLINE);
    put(&f, 1, "dead", "x", f.ks.now_ms + 10);
    put(&f, 1, "", "0", NO_DEADLINE);
    put(&f, 0, "z", "9", NO_DEADLINE);
    put(&f, 2, "y", "9", NO_DEADLINE);
    pass(&f, 11);

    REQUIRE_INT(keyspace_iter_begin(&f.ks, 1, slice_text(""), &it), ERR_OK);
    const char *const keys[] = {"", "a", "b"};
    for (size_t i = 0; i < 3; i++) {
        REQUIRE(it.valid);
        CHECK_SLICE(it.key, slice_text(keys[i]));
        keyspace_iter_next(&it);
    }
    CHECK(!it.valid);
    CHECK_INT(keyspace_iter_end(&it, NULL), ERR_OK);
    fixture_close(&f);
}

static void the_longest_key_has_a_deadline_too(void)
{
    static char key[KEYSPACE_KEY_BYTES_MAX + 1];
    struct fixture f;
    memset(key, 'k', sizeof key - 1);
    fixture_open(&f);

    put(&f, 0, key, "v", f.ks.now_ms + 1000);
    expect(&f, 0, key, "v");
    pass(&f, 1001);

    CHECK_INT(expire(&f, 10), 1);
    CHECK_INT(keyspace_count(&f.ks, 0), 0);
    fixture_close(&f);
}

CU_TestInfo server_keyspace_tests[] = {
    {"the_bytes_in_the_store_are_those_of_the_format",
     the_bytes_in_the_store_are_those_of_the_format},
    {"a_changed_deadline_leaves_no_old_one_behind",
     a_changed_deadline_leaves_no_old_one_behind},
    {"counts_are_exact_across_overwrite_delete_and_reopen",
     counts_are_exact_across_overwrite_delete_and_reopen},
    {"a_change_that_fails_leaves_nothing", a_change_that_fails_leaves_nothing},
    {"flushing_one_database_empties_it_and_no_other",
     flushing_one_database_empties_it_and_no_other},
    {"what_is_due_is_deleted_in_steps_and_nothing_else",
     what_is_due_is_deleted_in_steps_and_nothing_else},
    {"a_deadline_set_behind_the_walk_is_found", a_deadline_set_behind_the_walk_is_found},
    {"the_wait_is_until_the_next_deadline", the_wait_is_until_the_next_deadline},
    {"a_clock_that_steps_back_revives_nothing_and_stops_nothing",
     a_clock_that_steps_back_revives_nothing_and_stops_nothing},
    {"a_clock_set_back_between_two_runs_revives_nothing",
     a_clock_set_back_between_two_runs_revives_nothing},
    {"deadlines_are_found_again_after_a_reopen",
     deadlines_are_found_again_after_a_reopen},
    {"walking_gives_the_keys_of_one_database_in_order",
     walking_gives_the_keys_of_one_database_in_order},
    {"the_longest_key_has_a_deadline_too", the_longest_key_has_a_deadline_too},
    CU_TEST_INFO_NULL,
};
