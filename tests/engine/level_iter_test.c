#include "tests/support/check.h"
#include "tests/support/levels.h"

#include "engine/level_iter.h"

static struct levels l;
static struct iter *it;

static void begin(void)
{
    levels_begin(&l);
    levels_add(&l, 1, "a@3=1 b@9=2 b@4=3");
    levels_add(&l, 1, "d@1=4");
    levels_add(&l, 1, "f@2- g@8=5");
    levels_seal(&l);
    const struct level *level = &l.version->levels[1];
    it = level_iter_new(&l.mem.mem, level->tables, level->count, false, &l.why);
    REQUIRE(it != NULL);
}

static void end(void)
{
    iter_free(it);
    levels_end(&l);
}

static void expect_rest(const char *want)
{
    char out[LEVELS_TEXT_BYTES] = "";
    size_t used = 0;
    for (; it->valid; iter_next(it))
        used = levels_print(out, used, it->key, it->tag, it->value);
    CHECK_INT(it->err, ERR_OK);
    CHECK_TEXT(out, want);
}

static void all_tables_read_as_one(void)
{
    begin();
    CHECK(!it->valid);
    iter_first(it);
    expect_rest("a@3=1 b@9=2 b@4=3 d@1=4 f@2- g@8=5");
    iter_first(it); /* again, after the end */
    expect_rest("a@3=1 b@9=2 b@4=3 d@1=4 f@2- g@8=5");
    end();
}

static void a_seek_lands_in_the_right_table_or_at_the_next_one(void)
{
    static const struct {
        const char *key;
        seqno seq;
        const char *rest;
    } cases[] = {
        {"", SEQNO_MAX, "a@3=1 b@9=2 b@4=3 d@1=4 f@2- g@8=5"},
        {"b", SEQNO_MAX, "b@9=2 b@4=3 d@1=4 f@2- g@8=5"},
        {"b", 8, "b@4=3 d@1=4 f@2- g@8=5"},
        {"b", 3, "d@1=4 f@2- g@8=5"}, /* behind the last entry of the first table */
        {"c", SEQNO_MAX, "d@1=4 f@2- g@8=5"},
        {"d", SEQNO_MAX, "d@1=4 f@2- g@8=5"},
        {"e", 1, "f@2- g@8=5"},
        {"g", 7, ""},
        {"h", SEQNO_MAX, ""},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        iter_seek(it, slice_text(cases[i].key), tag_seek(cases[i].seq));
        expect_rest(cases[i].rest);
    }
    end();
}

static void expect_all_before(const char *want)
{
    char out[LEVELS_TEXT_BYTES] = "";
    size_t used = 0;
    for (; it->valid; iter_prev(it))
        used = levels_print(out, used, it->key, it->tag, it->value);
    CHECK_INT(it->err, ERR_OK);
    CHECK_TEXT(out, want);
}

static void backwards_all_tables_read_as_one(void)
{
    begin();
    iter_last(it);
    expect_all_before("g@8=5 f@2- d@1=4 b@4=3 b@9=2 a@3=1");
    iter_first(it); /* again, after the end */
    expect_rest("a@3=1 b@9=2 b@4=3 d@1=4 f@2- g@8=5");
    iter_last(it);
    expect_all_before("g@8=5 f@2- d@1=4 b@4=3 b@9=2 a@3=1");
    end();
}

static void a_seek_back_lands_in_the_right_table_or_in_the_one_before(void)
{
    static const struct {
        const char *key;
        uint64_t tag;
        const char *rest;
    } cases[] = {
        {"", 0, ""},
        {"a", UINT64_MAX, ""}, /* in front of the first entry */
        {"a", 0, "a@3=1"},
        {"b", (uint64_t)8 << 8 | 255, "b@9=2 a@3=1"},
        {"b", 0, "b@4=3 b@9=2 a@3=1"},
        {"c", UINT64_MAX, "b@4=3 b@9=2 a@3=1"}, /* the next table begins behind it */
        {"d", UINT64_MAX, "b@4=3 b@9=2 a@3=1"},
        {"d", 0, "d@1=4 b@4=3 b@9=2 a@3=1"},
        {"g", (uint64_t)8 << 8 | 255, "f@2- d@1=4 b@4=3 b@9=2 a@3=1"},
        {"h", 0, "g@8=5 f@2- d@1=4 b@4=3 b@9=2 a@3=1"},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        iter_seek_back(it, slice_text(cases[i].key), cases[i].tag);
        expect_all_before(cases[i].rest);
    }
    end();
}

/* Direction may change at the seam between two tables as anywhere else. */
static void it_turns_round_at_the_seam_of_two_tables(void)
{
    static const char steps[] = "nnnnpnppnnnppppn";
    static const char *const keys[] = {"a", "b", "b", "d", "f", "g"};
    size_t at = 0;
    begin();
    iter_first(it);
    for (const char *step = steps; *step; step++) {
        if (*step == 'n')
            iter_next(it), at++;
        else
            iter_prev(it), at--;
        REQUIRE(it->valid);
        CHECK_SLICE(it->key, slice_text(keys[at]));
    }
    end();
}

static void going_from_table_to_table_allocates_nothing(void)
{
    begin();
    for (iter_first(it); it->valid;)
        iter_next(it);
    for (iter_last(it); it->valid;)
        iter_prev(it);
    long calls = l.mem.calls;
    for (int i = 0; i < 10; i++) {
        iter_seek(it, slice_text("g"), 0);
        iter_seek_back(it, slice_text("b"), 0);
        expect_all_before("b@4=3 b@9=2 a@3=1");
        iter_seek(it, slice_text("d"), UINT64_MAX);
        expect_rest("d@1=4 f@2- g@8=5");
    }
    CHECK_INT(l.mem.calls, calls);
    end();
}

static void no_tables_is_a_true_end(void)
{
    levels_begin(&l);
    it = level_iter_new(&l.mem.mem, NULL, 0, false, &l.why);
    REQUIRE(it != NULL);
    iter_first(it);
    CHECK(!it->valid);
    iter_seek(it, slice_text("a"), tag_seek(1));
    CHECK(!it->valid);
    iter_last(it);
    CHECK(!it->valid);
    iter_seek_back(it, slice_text("a"), tag_seek(1));
    CHECK(!it->valid);
    CHECK_INT(it->err, ERR_OK);
    end();
}

/* A damaged block in the middle: what follows is not served as if nothing were missing. */
static void a_damaged_table_stops_it_with_the_place(void)
{
    begin();
    REQUIRE_INT(disk_sim_damage(l.disk, ".", "000002.sst", DISK_DAMAGE_FLIP, 3, 1), 0);
    int seen = 0;
    for (iter_first(it); it->valid; iter_next(it))
        seen++;
    CHECK_INT(seen, 3);
    CHECK_INT(it->err, ERR_CORRUPT);
    CHECK(strstr(l.why.text, "000002.sst") != NULL);
    seen = 0;
    for (iter_last(it); it->valid; iter_prev(it))
        seen++;
    CHECK_INT(seen, 2);
    CHECK_INT(it->err, ERR_CORRUPT);
    iter_seek(it, slice_text("f"), tag_seek(SEQNO_MAX)); /* elsewhere it goes on */
    expect_rest("f@2- g@8=5");
    end();
}

static void running_out_of_memory_is_an_error_and_not_an_end(void)
{
    begin();
    long calls = l.mem.calls;
    iter_first(it);
    expect_rest("a@3=1 b@9=2 b@4=3 d@1=4 f@2- g@8=5");
    long needed = l.mem.calls - calls;
    REQUIRE(needed > 0);
    for (long k = 1; k <= needed; k++) {
        l.mem.fail_at = l.mem.calls + k;
        int seen = 0;
        for (iter_first(it); it->valid; iter_next(it))
            seen++;
        /* A buffer that has grown needs no memory a second time. */
        CHECK(it->err == ERR_NOMEM || (it->err == ERR_OK && seen == 6));
        l.mem.fail_at = 0;
    }
    iter_first(it);
    expect_rest("a@3=1 b@9=2 b@4=3 d@1=4 f@2- g@8=5");
    end();
}

CU_TestInfo engine_level_iter_tests[] = {
    {"all_tables_read_as_one", all_tables_read_as_one},
    {"a_seek_lands_in_the_right_table_or_at_the_next_one",
     a_seek_lands_in_the_right_table_or_at_the_next_one},
    {"backwards_all_tables_read_as_one", backwards_all_tables_read_as_one},
    {"a_seek_back_lands_in_the_right_table_or_in_the_one_before",
     a_seek_back_lands_in_the_right_table_or_in_the_one_before},
    {"it_turns_round_at_the_seam_of_two_tables",
     it_turns_round_at_the_seam_of_two_tables},
    {"going_from_table_to_table_allocates_nothing",
     going_from_table_to_table_allocates_nothing},
    {"no_tables_is_a_true_end", no_tables_is_a_true_end},
    {"a_damaged_table_stops_it_with_the_place", a_damaged_table_stops_it_with_the_place},
    {"running_out_of_memory_is_an_error_and_not_an_end",
     running_out_of_memory_is_an_error_and_not_an_end},
    CU_TEST_INFO_NULL,
};
