#include "tests/support/check.h"
#include "tests/support/history.h"
#include "tests/support/teststore.h"

#include <stdio.h>
#include <stdlib.h>

static struct teststore t;

static void begin(void)
{
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
}

static struct db_iter *iterate(void)
{
    struct db_iter *it;
    REQUIRE_INT(db_iter_new(t.db, &it), ERR_OK);
    return it;
}

/* What follows from where it stands: "a=1 b=2". */
static void expect_rest(struct db_iter *it, const char *want)
{
    char out[512] = "";
    size_t used = 0;
    for (; db_iter_valid(it); db_iter_next(it)) {
        slice key = db_iter_key(it), value = db_iter_value(it);
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%.*s=%.*s",
                                 used ? " " : "", (int)key.size, (const char *)key.data,
                                 (int)value.size, (const char *)value.data);
    }
    CHECK_INT(db_iter_error(it, NULL), ERR_OK);
    CHECK_TEXT(out, want);
}

static void expect_from(struct db_iter *it, const char *key, const char *want)
{
    db_iter_seek(it, slice_text(key));
    expect_rest(it, want);
}

static void put(const char *key, const char *value)
{
    REQUIRE_INT(teststore_put(&t, key, value), ERR_OK);
}

/* Versions of keys in the memtable, on level 0 and below. */
static void spread(void)
{
    put("a", "1");
    put("c", "old");
    put("e", "old");
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    put("c", "newer");
    put("g", "1");
    REQUIRE_INT(teststore_delete(&t, "e"), ERR_OK);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    put("c", "newest");
    put("d", "1");
    REQUIRE_INT(teststore_delete(&t, "g"), ERR_OK);
}

static void the_newest_version_of_each_key_comes_once(void)
{
    begin();
    spread();
    struct db_iter *it = iterate();
    expect_from(it, "", "a=1 c=newest d=1");
    db_iter_free(it);
    teststore_deinit(&t);
}

static void a_seek_finds_the_first_key_that_is_not_smaller(void)
{
    static const char *const cases[][2] = {
        {"a", "a=1 c=newest d=1"},
        {"aa", "c=newest d=1"},
        {"c", "c=newest d=1"},
        {"cc", "d=1"},
        {"e", ""}, /* deleted, and nothing behind it */
        {"z", ""},
    };
    begin();
    spread();
    struct db_iter *it = iterate();
    CHECK(!db_iter_valid(it)); /* it stands nowhere before the first seek */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_from(it, cases[i][0], cases[i][1]);
    db_iter_free(it);
    teststore_deinit(&t);
}

/* What lies in front, from where it stands: "b=2 a=1". */
static void expect_before(struct db_iter *it, const char *want)
{
    char out[512] = "";
    size_t used = 0;
    for (; db_iter_valid(it); db_iter_prev(it)) {
        slice key = db_iter_key(it), value = db_iter_value(it);
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%.*s=%.*s",
                                 used ? " " : "", (int)key.size, (const char *)key.data,
                                 (int)value.size, (const char *)value.data);
    }
    CHECK_INT(db_iter_error(it, NULL), ERR_OK);
    CHECK_TEXT(out, want);
}

static void backwards_the_newest_version_of_each_key_comes_once(void)
{
    begin();
    spread();
    struct db_iter *it = iterate();
    db_iter_last(it);
    expect_before(it, "d=1 c=newest a=1");
    db_iter_first(it);
    expect_before(it, "a=1");
    db_iter_free(it);
    teststore_deinit(&t);
}

static void a_seek_for_prev_finds_the_last_key_that_is_not_greater(void)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"a", "a=1"},
        {"b", "a=1"},
        {"c", "c=newest a=1"},
        {"cc", "c=newest a=1"},
        {"e", "d=1 c=newest a=1"}, /* deleted */
        {"z", "d=1 c=newest a=1"},
    };
    begin();
    spread();
    struct db_iter *it = iterate();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        db_iter_seek_for_prev(it, slice_text(cases[i][0]));
        expect_before(it, cases[i][1]);
    }
    db_iter_free(it);
    teststore_deinit(&t);
}

static void only_keys_between_the_bounds_are_seen(void)
{
    slice a = slice_text("a"), b = slice_text("b"), d = slice_text("d");
    begin();
    spread();
    struct db_iter *it = iterate();
    REQUIRE_INT(db_iter_set_bounds(it, &a, &d), ERR_OK);
    expect_from(it, "", "a=1 c=newest");
    db_iter_last(it);
    expect_before(it, "c=newest a=1");
    db_iter_seek_for_prev(it, slice_text("z"));
    expect_before(it, "c=newest a=1");
    REQUIRE_INT(db_iter_set_bounds(it, &b, NULL), ERR_OK);
    CHECK(!db_iter_valid(it));
    db_iter_first(it);
    expect_rest(it, "c=newest d=1");
    db_iter_seek_for_prev(it, slice_text("c"));
    expect_before(it, "c=newest");
    expect_from(it, "a", "c=newest d=1");
    REQUIRE_INT(db_iter_set_bounds(it, NULL, NULL), ERR_OK);
    expect_from(it, "", "a=1 c=newest d=1");
    REQUIRE_INT(db_iter_set_bounds(it, &b, &b), ERR_OK);
    expect_from(it, "", "");
    db_iter_free(it);
    teststore_deinit(&t);
}

static void it_may_seek_its_own_key(void)
{
    begin();
    spread();
    struct db_iter *it = iterate();
    db_iter_seek(it, slice_text("c"));
    db_iter_seek(it, db_iter_key(it));
    expect_rest(it, "c=newest d=1");
    db_iter_last(it);
    db_iter_prev(it);
    db_iter_seek_for_prev(it, db_iter_key(it));
    expect_before(it, "c=newest a=1");
    db_iter_free(it);
    teststore_deinit(&t);
}

/* Random stores with several levels, tombstones, floors and rows of versions: walks in any
 * direction, with bounds and without, while the store changes below them. */
static void walks_in_any_direction_agree_with_an_array(void)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct history h;
        begin();
        history_begin(&h, &t, seed);
        bool right = true;
        for (int round = 0; round < 12 && right; round++) {
            for (int i = 0; i < 50; i++)
                history_step(&h);
            struct db_iter *it = iterate();
            struct moment m = h.now;
            right = history_wander(&h, &m, it, 0, HISTORY_KEYS, 200);
            for (int i = 0; i < 30; i++)
                history_step(&h);
            size_t from = (size_t)rng_below(&h.rng, HISTORY_KEYS);
            size_t to = from + (size_t)rng_below(&h.rng, HISTORY_KEYS - from);
            slice lower = history_key(from), upper = history_key(to);
            REQUIRE_INT(db_iter_set_bounds(it, &lower, &upper), ERR_OK);
            right = right && history_wander(&h, &m, it, from, to, 200);
            db_iter_free(it);
        }
        CHECK(right);
        if (!right) printf("  seed %u\n", (unsigned)seed);
        teststore_close(&t);
        teststore_expect_sound(&t);
        teststore_deinit(&t);
    }
}

/* Once its buffers have grown, moves of any kind take no memory. (The cache has memory of
 * its own.) */
static void moving_it_again_allocates_nothing(void)
{
    begin();
    t.options.cache_bytes = 0;
    teststore_reopen(&t);
    teststore_fill(&t, "k", 300, 40, 1);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    teststore_fill(&t, "k", 40, 40, 2);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    teststore_fill(&t, "k", 20, 40, 3);
    struct db_iter *it = iterate();
    for (db_iter_first(it); db_iter_valid(it);)
        db_iter_next(it);
    for (db_iter_last(it); db_iter_valid(it);)
        db_iter_prev(it);
    t.mem.fail_at = t.mem.calls + 1;
    for (int i = 0; i < 300; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%05d", i * 7 % 300);
        db_iter_seek(it, slice_text(key));
        REQUIRE(db_iter_valid(it));
        for (int n = 0; n < 12 && db_iter_valid(it); n++)
            i % 2 ? db_iter_next(it) : db_iter_prev(it);
        db_iter_seek_for_prev(it, slice_text(key));
        REQUIRE(db_iter_valid(it));
    }
    CHECK(t.mem.calls < t.mem.fail_at);
    t.mem.fail_at = 0;
    db_iter_free(it);
    teststore_deinit(&t);
}

static void what_is_written_later_is_not_seen(void)
{
    struct batch b;
    begin();
    spread();
    struct db_iter *it = iterate();
    put("b", "late");
    put("c", "late");
    REQUIRE_INT(teststore_delete(&t, "a"), ERR_OK);
    batch_init(&b, mem_libc(), 0);
    REQUIRE_INT(batch_floor(&b, 'd'), ERR_OK);
    REQUIRE_INT(db_write(t.db, &b), ERR_OK);
    batch_deinit(&b);
    expect_from(it, "", "a=1 c=newest d=1");
    db_iter_free(it);
    it = iterate();
    expect_from(it, "", "b=late c=late");
    db_iter_free(it);
    teststore_deinit(&t);
}

static void a_floor_hides_what_is_older_wherever_it_lies(void)
{
    struct batch b;
    begin();
    put("p1", "table");
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    put("p2", "memtable");
    put("q", "other");
    batch_init(&b, mem_libc(), 0);
    REQUIRE_INT(batch_floor(&b, 'p'), ERR_OK);
    REQUIRE_INT(batch_put(&b, slice_text("p3"), slice_text("new")), ERR_OK);
    REQUIRE_INT(db_write(t.db, &b), ERR_OK);
    batch_deinit(&b);
    struct db_iter *it = iterate();
    expect_from(it, "", "p3=new q=other");
    db_iter_free(it);
    teststore_deinit(&t);
}

static void an_open_group_is_seen_as_far_as_it_has_come(void)
{
    begin();
    REQUIRE_INT(db_group_begin(t.db), ERR_OK);
    put("a", "1");
    struct db_iter *it = iterate();
    put("b", "2");
    expect_from(it, "", "a=1");
    db_iter_free(it);
    REQUIRE_INT(db_group_commit(t.db), ERR_OK);
    teststore_deinit(&t);
}

static void a_view_stays_whole_while_everything_is_rewritten_below_it(void)
{
    char key[16];
    int n = 0;
    begin();
    teststore_fill(&t, "k", 150, 40, 1);
    struct db_iter *it = iterate();
    db_iter_seek(it, slice_of(NULL, 0));
    for (; n < 50; n++) {
        REQUIRE(db_iter_valid(it));
        db_iter_next(it);
    }
    for (int round = 2; round < 5; round++)
        teststore_fill(&t, "k", 150, 40, round);
    for (int i = 0; i < 150; i += 2) {
        snprintf(key, sizeof key, "k%05d", i);
        REQUIRE_INT(teststore_delete(&t, key), ERR_OK);
    }
    REQUIRE_INT(db_compact(t.db), ERR_OK);

    for (; db_iter_valid(it); db_iter_next(it), n++) {
        snprintf(key, sizeof key, "k%05d", n);
        CHECK_SLICE(db_iter_key(it), slice_text(key));
        CHECK_INT(db_iter_value(it).size, 40);
    }
    CHECK_INT(db_iter_error(it, NULL), ERR_OK);
    CHECK_INT(n, 150);
    db_iter_free(it);
    teststore_close(&t);
    teststore_expect_sound(&t);
    teststore_deinit(&t);
}

static void files_wait_for_the_iterator_that_reads_them(void)
{
    begin();
    teststore_fill(&t, "k", 100, 40, 1);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    struct db_iter *it = iterate();
    teststore_fill(&t, "k", 100, 40, 2);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    db_step(t.db);
    int during = teststore_count(&t, ".sst");
    db_iter_free(it);
    db_step(t.db);
    int after = teststore_count(&t, ".sst");
    struct db_stats stats;
    db_stats_get(t.db, &stats);
    int live = 0;
    for (int l = 0; l < LEVELS_MAX; l++)
        live += (int)stats.level[l].files;
    CHECK(during > live);
    CHECK_INT(after, live);
    teststore_deinit(&t);
}

/* The end of what can be read is not the end of what is there. */
static void damage_ends_it_with_an_error_that_names_the_place(void)
{
    struct err_detail why = {.code = ERR_OK};
    char name[32];
    begin();
    teststore_fill(&t, "k", 40, 40, 1);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    teststore_newest(&t, ".sst", name);
    REQUIRE_INT(disk_sim_damage(t.disk, TESTSTORE_DIR, name, DISK_DAMAGE_FLIP, 30, 2), 0);
    teststore_close(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    struct db_iter *it = iterate();
    int n = 0;
    for (db_iter_seek(it, slice_of(NULL, 0)); db_iter_valid(it); db_iter_next(it))
        n++;
    CHECK(n < 40);
    CHECK_INT(db_iter_error(it, &why), ERR_CORRUPT);
    CHECK_INT(why.code, ERR_CORRUPT);
    int back = 0;
    for (db_iter_last(it); db_iter_valid(it); db_iter_prev(it))
        back++;
    CHECK(back < 40 - n);
    CHECK_INT(db_iter_error(it, NULL), ERR_CORRUPT);
    CHECK(strstr(why.text, name) != NULL);
    db_iter_free(it);
    teststore_deinit(&t);
}

static void without_memory_it_is_not_made_or_stops_with_an_error(void)
{
    begin();
    t.options.cache_bytes = 0; /* every block is an allocation */
    teststore_reopen(&t);
    teststore_fill(&t, "k", 60, 40, 1);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    put("k99999", "in the memtable");
    long blocks = t.mem.blocks;
    for (long k = 1;; k++) {
        struct db_iter *it = NULL;
        int n = 0;
        t.mem.fail_at = t.mem.calls + k;
        enum err e = db_iter_new(t.db, &it);
        if (!e) {
            for (db_iter_seek(it, slice_of(NULL, 0)); db_iter_valid(it); db_iter_next(it))
                n++;
            e = db_iter_error(it, NULL);
            db_iter_free(it);
        }
        bool failed = t.mem.calls >= t.mem.fail_at;
        t.mem.fail_at = 0;
        CHECK_INT(e, failed ? ERR_NOMEM : ERR_OK);
        CHECK((n == 61) == !failed);
        CHECK_INT(t.mem.blocks, blocks);
        if (!failed) break;
    }
    teststore_deinit(&t);
}

CU_TestInfo engine_db_iter_tests[] = {
    {"the_newest_version_of_each_key_comes_once",
     the_newest_version_of_each_key_comes_once},
    {"a_seek_finds_the_first_key_that_is_not_smaller",
     a_seek_finds_the_first_key_that_is_not_smaller},
    {"backwards_the_newest_version_of_each_key_comes_once",
     backwards_the_newest_version_of_each_key_comes_once},
    {"a_seek_for_prev_finds_the_last_key_that_is_not_greater",
     a_seek_for_prev_finds_the_last_key_that_is_not_greater},
    {"only_keys_between_the_bounds_are_seen", only_keys_between_the_bounds_are_seen},
    {"it_may_seek_its_own_key", it_may_seek_its_own_key},
    {"walks_in_any_direction_agree_with_an_array",
     walks_in_any_direction_agree_with_an_array},
    {"moving_it_again_allocates_nothing", moving_it_again_allocates_nothing},
    {"what_is_written_later_is_not_seen", what_is_written_later_is_not_seen},
    {"a_floor_hides_what_is_older_wherever_it_lies",
     a_floor_hides_what_is_older_wherever_it_lies},
    {"an_open_group_is_seen_as_far_as_it_has_come",
     an_open_group_is_seen_as_far_as_it_has_come},
    {"a_view_stays_whole_while_everything_is_rewritten_below_it",
     a_view_stays_whole_while_everything_is_rewritten_below_it},
    {"files_wait_for_the_iterator_that_reads_them",
     files_wait_for_the_iterator_that_reads_them},
    {"damage_ends_it_with_an_error_that_names_the_place",
     damage_ends_it_with_an_error_that_names_the_place},
    {"without_memory_it_is_not_made_or_stops_with_an_error",
     without_memory_it_is_not_made_or_stops_with_an_error},
    CU_TEST_INFO_NULL,
};
