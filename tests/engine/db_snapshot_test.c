#include "tests/support/check.h"
#include "tests/support/history.h"

#include <stdio.h>
#include <stdlib.h>

static struct teststore t;

static void begin(void)
{
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
}

static void end(void)
{
    teststore_close(&t);
    teststore_expect_sound(&t);
    teststore_deinit(&t);
}

static struct db_snapshot *snapshot(void)
{
    struct db_snapshot *s;
    REQUIRE_INT(db_snapshot_new(t.db, &s), ERR_OK);
    return s;
}

static void put(const char *key, const char *value)
{
    REQUIRE_INT(teststore_put(&t, key, value), ERR_OK);
}

static void set_floor(uint8_t prefix)
{
    struct batch b;
    batch_init(&b, mem_libc(), 0);
    REQUIRE_INT(batch_floor(&b, prefix), ERR_OK);
    REQUIRE_INT(db_write(t.db, &b), ERR_OK);
    batch_deinit(&b);
}

/* want NULL: absent. */
static void expect_at(const struct db_snapshot *at, const char *key, const char *want)
{
    slice value = {0};
    enum err e = db_get_at(t.db, at, slice_text(key), &value, &t.why);
    CHECK_INT(e, want ? ERR_OK : ERR_NOT_FOUND);
    if (want && !e) CHECK_SLICE(value, slice_text(want));
}

/* All that the snapshot sees: "a=1 b=2". */
static void expect_walk(const struct db_snapshot *at, const char *want)
{
    char out[256] = "";
    size_t used = 0;
    struct db_iter *it;
    REQUIRE_INT(db_iter_new_at(t.db, at, &it), ERR_OK);
    for (db_iter_first(it); db_iter_valid(it); db_iter_next(it)) {
        slice key = db_iter_key(it), value = db_iter_value(it);
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%.*s=%.*s",
                                 used ? " " : "", (int)key.size, (const char *)key.data,
                                 (int)value.size, (const char *)value.data);
    }
    CHECK_INT(db_iter_error(it, NULL), ERR_OK);
    CHECK_TEXT(out, want);
    db_iter_free(it);
}

static uint64_t stored_entries(void)
{
    struct db_stats stats;
    uint64_t n = 0;
    db_stats_get(t.db, &stats);
    for (int l = 0; l < LEVELS_MAX; l++)
        n += stats.level[l].entries;
    return n;
}

static void it_shows_the_moment_at_which_it_was_taken(void)
{
    begin();
    put("a", "1");
    put("b", "1");
    struct db_snapshot *s = snapshot();
    put("a", "2");
    put("c", "2");
    REQUIRE_INT(teststore_delete(&t, "b"), ERR_OK);

    expect_at(s, "a", "1");
    expect_at(s, "b", "1");
    expect_at(s, "c", NULL);
    expect_walk(s, "a=1 b=1");
    expect_walk(NULL, "a=2 c=2");
    db_snapshot_free(t.db, s);
    end();
}

/* Overwritten, deleted and flushed away, then compacted: what it sees is still there. */
static void flush_and_compaction_keep_what_it_sees(void)
{
    begin();
    put("a", "1");
    put("b", "1");
    put("c", "1");
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    struct db_snapshot *s = snapshot();
    put("a", "2");
    REQUIRE_INT(teststore_delete(&t, "b"), ERR_OK);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    put("a", "3");
    REQUIRE_INT(db_compact(t.db), ERR_OK);

    expect_walk(s, "a=1 b=1 c=1");
    expect_at(s, "b", "1");
    expect_walk(NULL, "a=3 c=1");
    db_snapshot_free(t.db, s);
    end();
}

/* A FLUSHALL that came later: the view holds floors of its own, and nothing below the new
 * floor is dropped while somebody looks. */
static void a_later_floor_hides_nothing_from_it(void)
{
    begin();
    put("p1", "old");
    put("q1", "other");
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    set_floor('p'); /* an earlier floor counts for it, too */
    put("p2", "seen");
    struct db_snapshot *s = snapshot();
    set_floor('p');
    put("p3", "new");
    expect_walk(s, "p2=seen q1=other");
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    set_floor('q');
    REQUIRE_INT(db_compact(t.db), ERR_OK);

    expect_walk(s, "p2=seen q1=other");
    expect_at(s, "p1", NULL);
    expect_at(s, "p2", "seen");
    expect_walk(NULL, "p3=new");
    db_snapshot_free(t.db, s);
    expect_walk(NULL, "p3=new");
    end();
}

static void an_open_group_is_not_in_it(void)
{
    struct batch b;
    begin();
    put("a", "1");
    REQUIRE_INT(db_group_begin(t.db), ERR_OK);
    put("a", "2");
    put("b", "2");
    batch_init(&b, mem_libc(), 0);
    REQUIRE_INT(batch_floor(&b, 'a'), ERR_OK);
    REQUIRE_INT(db_write(t.db, &b), ERR_OK);
    batch_deinit(&b);
    struct db_snapshot *s = snapshot();
    expect_walk(s, "a=1");
    REQUIRE_INT(db_group_commit(t.db), ERR_OK);
    expect_walk(s, "a=1");
    expect_walk(NULL, "b=2");
    db_snapshot_free(t.db, s);
    end();
}

/* Three moments, given back in an order of its own: each freed one lets go of what it
 * alone had seen. */
static void what_only_a_freed_one_saw_is_dropped(void)
{
    struct db_snapshot *s[3];
    begin();
    for (int i = 0; i < 3; i++) {
        char value[2] = {(char)('0' + i), 0};
        put("k", value);
        put("other", value);
        s[i] = snapshot();
        REQUIRE_INT(db_flush(t.db), ERR_OK);
    }
    put("k", "now");
    put("other", "now");
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    uint64_t all = stored_entries();
    for (int i = 0; i < 3; i++) {
        char value[2] = {(char)('0' + i), 0};
        expect_at(s[i], "k", value);
    }

    db_snapshot_free(t.db, s[1]); /* not the oldest: the versions stay, and stay right */
    put("k", "now");
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    expect_at(s[0], "k", "0");
    expect_at(s[2], "k", "2");
    db_snapshot_free(t.db, s[0]);
    put("k", "now");
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    expect_at(s[2], "other", "2");
    db_snapshot_free(t.db, s[2]);
    put("k", "now");
    put("other", "now");
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    CHECK_INT(all, 8);
    CHECK_INT(stored_entries(), 2);
    end();
}

/* A job that was under way when the snapshot was taken knows nothing of it. */
static void an_iterator_outlives_the_snapshot_it_was_made_of(void)
{
    struct db_iter *it;
    begin();
    teststore_fill(&t, "k", 60, 30, 1);
    struct db_snapshot *s = snapshot();
    REQUIRE_INT(db_iter_new_at(t.db, s, &it), ERR_OK);
    db_snapshot_free(t.db, s);
    teststore_fill(&t, "k", 90, 30, 2);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    int n = 0;
    for (db_iter_last(it); db_iter_valid(it); db_iter_prev(it))
        n++;
    CHECK_INT(n, 60);
    CHECK_INT(db_iter_error(it, NULL), ERR_OK);
    db_iter_free(it);
    end();
}

static void without_memory_there_is_none_and_nothing_has_changed(void)
{
    struct db_snapshot *s = NULL;
    begin();
    put("a", "1");
    t.mem.fail_at = t.mem.calls + 1;
    CHECK_INT(db_snapshot_new(t.db, &s), ERR_NOMEM);
    t.mem.fail_at = 0;
    CHECK(s == NULL);
    put("a", "2");
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    CHECK_INT(stored_entries(), 1);
    end();
}

/* Random stores with many snapshots at once, against arrays: every view stays what it was,
 * whatever is written, flushed, compacted, sunk, and whoever is freed first. */
static void every_view_of_a_random_history_stays_what_it_was(void)
{
    enum { VIEWS = 6 };
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct history h;
        struct db_snapshot *s[VIEWS] = {NULL};
        struct moment moments[VIEWS];
        begin();
        history_begin(&h, &t, seed);
        bool right = true;
        for (int i = 0; i < 600 && right; i++) {
            history_step(&h);
            if (rng_below(&h.rng, 12)) continue;
            size_t v = (size_t)rng_below(&h.rng, VIEWS);
            if (s[v]) {
                struct db_iter *it;
                REQUIRE_INT(db_iter_new_at(t.db, s[v], &it), ERR_OK);
                right = history_reads(&h, &moments[v], s[v]) &&
                        history_wander(&h, &moments[v], it, 0, HISTORY_KEYS, 60);
                db_iter_free(it);
                if (rng_below(&h.rng, 2)) {
                    db_snapshot_free(t.db, s[v]);
                    s[v] = NULL;
                }
            } else {
                s[v] = snapshot();
                moments[v] = h.now;
            }
        }
        CHECK(right);
        CHECK(history_reads(&h, &h.now, NULL));
        if (!right) printf("  seed %u\n", (unsigned)seed);
        for (size_t v = 0; v < VIEWS; v++)
            db_snapshot_free(t.db, s[v]);
        end();
    }
}

CU_TestInfo engine_db_snapshot_tests[] = {
    {"it_shows_the_moment_at_which_it_was_taken",
     it_shows_the_moment_at_which_it_was_taken},
    {"flush_and_compaction_keep_what_it_sees", flush_and_compaction_keep_what_it_sees},
    {"a_later_floor_hides_nothing_from_it", a_later_floor_hides_nothing_from_it},
    {"an_open_group_is_not_in_it", an_open_group_is_not_in_it},
    {"what_only_a_freed_one_saw_is_dropped", what_only_a_freed_one_saw_is_dropped},
    {"an_iterator_outlives_the_snapshot_it_was_made_of",
     an_iterator_outlives_the_snapshot_it_was_made_of},
    {"without_memory_there_is_none_and_nothing_has_changed",
     without_memory_there_is_none_and_nothing_has_changed},
    {"every_view_of_a_random_history_stays_what_it_was",
     every_view_of_a_random_history_stays_what_it_was},
    CU_TEST_INFO_NULL,
};
