#include "tests/support/check.h"

#include "engine/merge.h"
#include "tests/support/entries.h"

enum { CHILDREN_MAX = 24 };

static struct mem_counting mem;
static struct entries all, part[CHILDREN_MAX];

/* Deals random entries out to n children; runs of one child when `streaky`. */
static void deal(uint64_t seed, size_t n, size_t count, bool streaky)
{
    struct rng r;
    rng_init(&r, seed);
    mem_counting_init(&mem, mem_libc());
    entries_random(&all, &r, count, 3, 11, 5);
    size_t to = 0;
    for (size_t i = 0; i < all.count; i++) {
        if (!streaky || rng_below(&r, 20) == 0) to = (size_t)rng_below(&r, n);
        entries_add(&part[to], all.at[i].key, all.at[i].tag, all.at[i].value);
    }
}

static struct iter *merge_of(size_t n, size_t failing_child, size_t fail_at)
{
    struct iter *children[CHILDREN_MAX];
    for (size_t i = 0; i < n; i++)
        children[i] = entries_iter(&part[i], i == failing_child ? fail_at : 0);
    struct iter *m = merge_new(&mem.mem, children, n);
    REQUIRE(m != NULL);
    return m;
}

static void end(struct iter *m)
{
    iter_free(m);
    CHECK_INT(mem.blocks, 0);
    entries_deinit(&all);
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        entries_deinit(&part[i]);
}

static void all_entries_of_all_children_come_in_order(void)
{
    for (size_t n = 2; n <= CHILDREN_MAX; n++) {
        deal(n, n, 500, n % 2);
        struct iter *m = merge_of(n, 0, 0);
        iter_first(m);
        CHECK(entries_match(&all, 0, m));
        iter_first(m); /* and again */
        CHECK(entries_match(&all, 0, m));
        end(m);
    }
}

static void seeking_stands_on_the_first_entry_not_before(void)
{
    deal(77, 5, 300, false);
    struct iter *m = merge_of(5, 0, 0);
    for (size_t i = 0; i < all.count; i++) {
        iter_seek(m, all.at[i].key, all.at[i].tag);
        CHECK(entries_match(&all, i, m));
        iter_seek(m, all.at[i].key, UINT64_MAX);
        CHECK(entries_match(&all, entries_seek(&all, all.at[i].key, UINT64_MAX), m));
    }
    iter_seek(m, slice_text("\xff\xff"), 0);
    CHECK(!m->valid);
    CHECK_INT(m->err, ERR_OK);
    end(m);
}

static void it_turns_round_anywhere(void)
{
    for (size_t n = 2; n <= CHILDREN_MAX; n += 3) {
        struct rng r;
        deal(100 + n, n, 20 * n, n % 2);
        struct iter *m = merge_of(n, 0, 0);
        rng_init(&r, n);
        CHECK(entries_wander(&all, m, &r, 3000));
        end(m);
    }
}

static void going_back_gives_all_entries_in_reverse(void)
{
    deal(8, 7, 500, true);
    struct iter *m = merge_of(7, 0, 0);
    size_t i = all.count;
    for (iter_last(m); m->valid; iter_prev(m)) {
        REQUIRE(i-- > 0);
        CHECK_SLICE(m->key, all.at[i].key);
        CHECK(m->tag == all.at[i].tag);
    }
    CHECK_INT(i, 0);
    CHECK_INT(m->err, ERR_OK);
    end(m);
}

static void no_children_are_an_empty_merge(void)
{
    mem_counting_init(&mem, mem_libc());
    struct iter *m = merge_new(&mem.mem, NULL, 0);
    REQUIRE(m != NULL);
    iter_first(m);
    CHECK(!m->valid);
    iter_seek(m, slice_text("a"), 1);
    CHECK(!m->valid);
    iter_last(m);
    CHECK(!m->valid);
    iter_seek_back(m, slice_text("a"), 1);
    CHECK(!m->valid);
    CHECK_INT(m->err, ERR_OK);
    end(m);
}

static void one_child_is_its_own_merge(void)
{
    deal(5, 1, 50, false);
    struct iter *child = entries_iter(&part[0], 0);
    struct iter *m = merge_new(&mem.mem, &child, 1);
    CHECK(m == child);
    end(m);
}

/* Whichever child fails at whichever move: what came before was right, then the error
 * stands, and no entry of another child is shown in its stead. */
static void an_error_of_a_child_stops_the_merge(void)
{
    for (size_t child = 0; child < 3; child++) {
        for (size_t fail_at = 1; fail_at < 30; fail_at++) {
            deal(1000 + fail_at, 3, 80, true);
            struct iter *m = merge_of(3, child, fail_at);
            bool will_fail = fail_at <= part[child].count + 1;
            size_t i = 0;
            for (iter_first(m); m->valid; iter_next(m), i++) {
                CHECK_SLICE(m->key, all.at[i].key);
                CHECK(m->tag == all.at[i].tag);
            }
            CHECK_INT(m->err, will_fail ? ERR_IO : ERR_OK);
            if (!will_fail) CHECK_INT(i, all.count);
            end(m);
        }
    }
}

static void an_error_of_a_child_stops_the_way_back_too(void)
{
    for (size_t child = 0; child < 3; child++) {
        for (size_t fail_at = 1; fail_at < 30; fail_at++) {
            deal(2000 + fail_at, 3, 80, true);
            struct iter *m = merge_of(3, child, fail_at);
            bool will_fail = fail_at <= part[child].count + 1;
            size_t i = all.count;
            for (iter_last(m); m->valid; iter_prev(m)) {
                REQUIRE(i-- > 0);
                CHECK_SLICE(m->key, all.at[i].key);
                CHECK(m->tag == all.at[i].tag);
            }
            CHECK_INT(m->err, will_fail ? ERR_IO : ERR_OK);
            CHECK((i == 0) == !will_fail);
            end(m);
        }
    }
}

static void a_merge_works_again_after_an_error(void)
{
    deal(3, 3, 80, false);
    struct iter *m = merge_of(3, 1, 1);
    iter_first(m);
    CHECK(!m->valid);
    CHECK_INT(m->err, ERR_IO);
    iter_first(m);
    CHECK(entries_match(&all, 0, m));
    end(m);
}

static void without_memory_the_children_stay_the_callers(void)
{
    deal(4, 2, 10, false);
    struct iter *children[2] = {entries_iter(&part[0], 0), entries_iter(&part[1], 0)};
    mem.fail_at = 1;
    CHECK(merge_new(&mem.mem, children, 2) == NULL);
    iter_first(children[0]);
    CHECK(entries_match(&part[0], 0, children[0]));
    iter_free(children[0]);
    end(children[1]);
}

CU_TestInfo engine_merge_tests[] = {
    {"all_entries_of_all_children_come_in_order",
     all_entries_of_all_children_come_in_order},
    {"seeking_stands_on_the_first_entry_not_before",
     seeking_stands_on_the_first_entry_not_before},
    {"it_turns_round_anywhere", it_turns_round_anywhere},
    {"going_back_gives_all_entries_in_reverse", going_back_gives_all_entries_in_reverse},
    {"an_error_of_a_child_stops_the_way_back_too",
     an_error_of_a_child_stops_the_way_back_too},
    {"no_children_are_an_empty_merge", no_children_are_an_empty_merge},
    {"one_child_is_its_own_merge", one_child_is_its_own_merge},
    {"an_error_of_a_child_stops_the_merge", an_error_of_a_child_stops_the_merge},
    {"a_merge_works_again_after_an_error", a_merge_works_again_after_an_error},
    {"without_memory_the_children_stay_the_callers",
     without_memory_the_children_stay_the_callers},
    CU_TEST_INFO_NULL,
};
