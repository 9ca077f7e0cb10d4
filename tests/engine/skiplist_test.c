#include "tests/support/check.h"

#include <stdio.h>

#include "engine/skiplist.h"
#include "tests/support/entries.h"

static struct mem_counting mem;
static struct arena arena;
static struct skiplist list;

static void begin(void)
{
    mem_counting_init(&mem, mem_libc());
    arena_init(&arena, &mem.mem, 1024);
    skiplist_init(&list, &arena, 42);
}

static void end(void)
{
    arena_deinit(&arena);
    CHECK_INT(mem.blocks, 0);
}

static void insert(const char *key, uint64_t tag)
{
    REQUIRE(skiplist_insert(&list, slice_text(key), tag, slice_text(key)) != NULL);
}

/* Each lane is a sorted part of the lane below; the lowest holds `want` entries. */
static void expect_sound(size_t want)
{
    for (unsigned level = 0; level < SKIPLIST_HEIGHT_MAX; level++) {
        size_t n = 0;
        const struct skiplist_node *before = NULL;
        for (const struct skiplist_node *at = list.head[level]; at;
             at = at->next[level]) {
            CHECK(at->height > level);
            CHECK(at->prefix == slice_prefix64_behind(skiplist_key(at), list.common));
            CHECK(slice_starts_with(
                skiplist_key(at),
                slice_of(skiplist_key(list.head[0]).data, list.common)));
            if (before)
                CHECK(ikey_compare(skiplist_key(before), before->tag, skiplist_key(at),
                                   at->tag) < 0);
            before = at;
            n++;
        }
        if (level == 0) CHECK_INT(n, want);
    }
    CHECK_INT(list.count, want);
}

static void an_empty_list_finds_nothing(void)
{
    begin();
    CHECK(skiplist_seek(&list, slice_text(""), UINT64_MAX) == NULL);
    CHECK(skiplist_seek_before(&list, slice_text("a"), 0) == NULL);
    CHECK(skiplist_last(&list) == NULL);
    CHECK(!skiplist_remove(&list, slice_text(""), 1));
    CHECK_INT(mem.calls, 0);
    end();
}

/* Keys that tie in the first eight bytes, in the first sixteen, by length and by padding
 * with zeros: the comparison must not stop at the prefix. */
static void ties_of_the_prefix_are_broken_by_the_whole_key(void)
{
    static const struct {
        const char *bytes;
        size_t size;
    } keys[] = {
        {"", 0},
        {"\0", 1},
        {"\0\0\0\0\0\0\0\0", 8},
        {"\0\0\0\0\0\0\0\0\0", 9},
        {"a", 1},
        {"a\0", 2},
        {"a\0\0\0\0\0\0\0", 8},
        {"a\0\0\0\0\0\0\0b", 9},
        {"a\0\1", 3},
        {"commonprefix-0001", 17},
        {"commonprefix-0002", 17},
        {"commonprefix-00020", 18},
        {"commonprefix-1", 14},
    };
    enum { COUNT = sizeof keys / sizeof *keys };
    begin();
    for (size_t i = 0; i < COUNT; i++) { /* in a mixed order: 5 and 13 share no factor */
        size_t k = i * 5 % COUNT;
        REQUIRE(skiplist_insert(&list, slice_of(keys[k].bytes, keys[k].size), 1,
                                slice_of(NULL, 0)) != NULL);
    }

    expect_sound(COUNT);

    const struct skiplist_node *at = list.head[0];
    for (size_t i = 0; i < COUNT; i++, at = at->next[0])
        CHECK_SLICE(skiplist_key(at), slice_of(keys[i].bytes, keys[i].size));
    end();
}

/* Each key shares less with the others than the one before: the prefixes of all nodes are
 * taken anew, and keys on either side of the common prefix find their place. */
static void a_shrinking_common_prefix_keeps_the_order(void)
{
    static const char *const keys[] = {
        "user:profile:000017",
        "user:profile:000003",
        "user:profile:000170",
        "user:profile:1",
        "user:profile:",
        "user:profile",
        "user:post:5",
        "user;",
        "usa",
        "zebra",
        "",
    };
    begin();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        insert(keys[i], 5);
        expect_sound(i + 1);
        for (size_t j = 0; j < sizeof keys / sizeof *keys; j++) {
            const struct skiplist_node *at = skiplist_seek(&list, slice_text(keys[j]), 5);
            const struct skiplist_node *want = list.head[0];
            const struct skiplist_node *before = NULL;
            while (want && slice_compare(skiplist_key(want), slice_text(keys[j])) < 0) {
                before = want;
                want = want->next[0];
            }
            CHECK(at == want);
            CHECK(skiplist_seek_before(&list, slice_text(keys[j]), 5) == before);
            if (j > i) CHECK(!skiplist_remove(&list, slice_text(keys[j]), 5));
        }
    }
    CHECK_INT(list.common, 0);
    end();
}

static void an_emptied_list_begins_anew(void)
{
    begin();
    insert("aaa", 1);
    insert("abb", 1);
    CHECK(skiplist_remove(&list, slice_text("aaa"), 1));
    CHECK(skiplist_remove(&list, slice_text("abb"), 1));
    insert("zzz", 1);
    insert("zzy", 1);
    expect_sound(2);
    CHECK(skiplist_seek(&list, slice_text("zzz"), 1) != NULL);
    end();
}

static void newer_versions_come_first(void)
{
    begin();
    insert("k", tag_of(5, ENTRY_PUT));
    insert("k", tag_of(9, ENTRY_PUT));
    insert("k", tag_of(7, ENTRY_DELETE));
    const struct skiplist_node *found =
        skiplist_seek(&list, slice_text("k"), tag_seek(8));
    REQUIRE(found != NULL);
    CHECK(found->tag == tag_of(7, ENTRY_DELETE));
    expect_sound(3);
    end();
}

static void random_inserts_and_removals_agree_with_an_array(void)
{
    struct rng r;
    rng_init(&r, 11);
    for (int round = 0; round < 20; round++) {
        begin();
        struct entries model = {0}, order = {0};
        entries_random(&model, &r, 400, 2 + (unsigned)round, 20, 30);
        for (size_t i = 0; i < model.count; i++)
            entries_add(&order, model.at[i].key, model.at[i].tag, model.at[i].value);
        for (size_t i = order.count; i > 1; i--) { /* shuffled */
            size_t j = (size_t)rng_below(&r, i);
            struct entry swap = order.at[i - 1];
            order.at[i - 1] = order.at[j];
            order.at[j] = swap;
        }
        for (size_t i = 0; i < order.count; i++)
            REQUIRE(skiplist_insert(&list, order.at[i].key, order.at[i].tag,
                                    order.at[i].value) != NULL);
        while (model.count > 100) {
            size_t i = (size_t)rng_below(&r, model.count);
            CHECK(skiplist_remove(&list, model.at[i].key, model.at[i].tag));
            CHECK(!skiplist_remove(&list, model.at[i].key, model.at[i].tag));
            entries_remove(&model, i);
        }
        expect_sound(model.count);
        const struct skiplist_node *at = list.head[0];
        for (size_t i = 0; i < model.count && at; i++, at = at->next[0]) {
            CHECK_SLICE(skiplist_key(at), model.at[i].key);
            CHECK_SLICE(skiplist_value(at), model.at[i].value);
        }
        for (size_t i = 0; i < order.count; i++) {
            size_t want = entries_seek(&model, order.at[i].key, order.at[i].tag);
            at = skiplist_seek(&list, order.at[i].key, order.at[i].tag);
            CHECK(want == model.count
                      ? at == NULL
                      : at && at->tag == model.at[want].tag &&
                            slice_equal(skiplist_key(at), model.at[want].key));
        }
        entries_deinit(&model);
        entries_deinit(&order);
        end();
    }
}

/* The short cut for ascending keys must not be taken for anything else. */
static void runs_of_ascending_keys_from_any_place_stay_sorted(void)
{
    struct rng r;
    rng_init(&r, 12);
    begin();
    uint64_t tag = 1;
    size_t count = 0;
    for (int run = 0; run < 100; run++) {
        unsigned start = (unsigned)rng_below(&r, 1000);
        for (unsigned i = 0; i < 20; i++, count++) {
            char key[16];
            snprintf(key, sizeof key, "%06u", start + i * (unsigned)rng_below(&r, 3));
            insert(key, tag++);
            if (rng_below(&r, 10) == 0) {
                CHECK(skiplist_remove(&list, slice_text(key), tag - 1));
                count--;
            }
        }
    }
    expect_sound(count);
    end();
}

static void equal_histories_give_equal_heights(void)
{
    unsigned heights[2][200];
    for (int round = 0; round < 2; round++) {
        begin();
        char key[16];
        for (unsigned i = 0; i < 200; i++) {
            snprintf(key, sizeof key, "%u", i * 7919 % 200);
            heights[round][i] =
                skiplist_insert(&list, slice_text(key), 1, slice_text(""))->height;
        }
        end();
    }
    CHECK(memcmp(heights[0], heights[1], sizeof heights[0]) == 0);
}

static void without_memory_the_list_is_as_before(void)
{
    begin();
    static uint8_t value[2000];
    insert("a", 1);
    insert("c", 1);
    mem.fail_at = mem.calls + 1;
    CHECK(skiplist_insert(&list, slice_text("b"), 1, slice_of(value, sizeof value)) ==
          NULL);
    expect_sound(2);
    insert("b", 1);
    expect_sound(3);
    end();
}

CU_TestInfo engine_skiplist_tests[] = {
    {"an_empty_list_finds_nothing", an_empty_list_finds_nothing},
    {"ties_of_the_prefix_are_broken_by_the_whole_key",
     ties_of_the_prefix_are_broken_by_the_whole_key},
    {"a_shrinking_common_prefix_keeps_the_order",
     a_shrinking_common_prefix_keeps_the_order},
    {"an_emptied_list_begins_anew", an_emptied_list_begins_anew},
    {"newer_versions_come_first", newer_versions_come_first},
    {"random_inserts_and_removals_agree_with_an_array",
     random_inserts_and_removals_agree_with_an_array},
    {"runs_of_ascending_keys_from_any_place_stay_sorted",
     runs_of_ascending_keys_from_any_place_stay_sorted},
    {"equal_histories_give_equal_heights", equal_histories_give_equal_heights},
    {"without_memory_the_list_is_as_before", without_memory_the_list_is_as_before},
    CU_TEST_INFO_NULL,
};
