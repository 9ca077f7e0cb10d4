#include "tests/support/check.h"

#include <stdio.h>
#include <time.h>

#include "engine/filter.h"
#include "engine/memtable.h"
#include "engine/options.h"
#include "tests/support/entries.h"

static struct mem_counting mem;
static struct memtable *table;

static void begin(void)
{
    mem_counting_init(&mem, mem_libc());
    table = memtable_new(&mem.mem, 32768, 7);
    REQUIRE(table != NULL);
}

static void end(void)
{
    memtable_free(table);
    CHECK_INT(mem.blocks, 0);
}

static void put(const char *key, seqno seq, const char *value)
{
    CHECK_INT(
        memtable_put(table, slice_text(key), tag_of(seq, ENTRY_PUT), slice_text(value)),
        ERR_OK);
}

static void expect(const char *key, seqno seq, const char *value)
{
    uint64_t tag;
    slice got;
    REQUIRE(memtable_get(table, slice_text(key), seq, &tag, &got));
    CHECK_INT(tag_kind(tag), ENTRY_PUT);
    CHECK(tag_seq(tag) <= seq);
    CHECK_SLICE(got, slice_text(value));
}

static void expect_unknown(const char *key, seqno seq)
{
    uint64_t tag;
    slice got;
    CHECK(!memtable_get(table, slice_text(key), seq, &tag, &got));
}

static void a_new_memtable_is_one_small_allocation(void)
{
    begin();
    CHECK_INT(mem.calls, 1);
    CHECK(memtable_bytes(table) < 512);
    CHECK_INT(memtable_count(table), 0);
    expect_unknown("", SEQNO_MAX);
    end();
}

static void a_read_sees_the_newest_version_up_to_its_number(void)
{
    begin();
    put("k", 3, "three");
    put("k", 8, "eight");
    put("j", 5, "other");
    expect_unknown("k", 2);
    expect("k", 3, "three");
    expect("k", 7, "three");
    expect("k", 8, "eight");
    expect("k", SEQNO_MAX, "eight");
    expect_unknown("kk", SEQNO_MAX);
    expect_unknown("", SEQNO_MAX);
    CHECK_INT(memtable_count(table), 3);
    end();
}

static void a_tombstone_is_knowledge(void)
{
    begin();
    put("k", 1, "v");
    CHECK_INT(
        memtable_put(table, slice_text("k"), tag_of(2, ENTRY_DELETE), slice_of(NULL, 0)),
        ERR_OK);
    uint64_t tag;
    slice value;
    REQUIRE(memtable_get(table, slice_text("k"), 9, &tag, &value));
    CHECK(tag == tag_of(2, ENTRY_DELETE));
    CHECK_INT(value.size, 0);
    expect("k", 1, "v");
    end();
}

static void removing_brings_the_older_version_back(void)
{
    begin();
    put("k", 1, "old");
    put("k", 2, "new");
    memtable_remove(table, slice_text("k"), tag_of(2, ENTRY_PUT));
    expect("k", 9, "old");
    CHECK_INT(memtable_count(table), 1);
    put("k", 3, "again");
    expect("k", 9, "again");
    end();
}

static void empty_and_longest_keys_are_keys(void)
{
    begin();
    static uint8_t bytes[KEY_BYTES_MAX];
    memset(bytes, 'x', sizeof bytes);
    slice longest = slice_of(bytes, sizeof bytes);
    CHECK_INT(memtable_put(table, longest, tag_of(1, ENTRY_PUT), slice_text("long")),
              ERR_OK);
    put("", 2, "empty");
    uint64_t tag;
    slice value;
    REQUIRE(memtable_get(table, longest, 1, &tag, &value));
    CHECK_SLICE(value, slice_text("long"));
    expect("", 2, "empty");
    end();
}

static void a_megabyte_of_value_comes_back(void)
{
    begin();
    enum { BYTES = 1 << 20 };
    static uint8_t bytes[BYTES];
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * 31);
    memtable_put(table, slice_text("big"), tag_of(1, ENTRY_PUT), slice_of(bytes, BYTES));
    uint64_t tag;
    slice value;
    REQUIRE(memtable_get(table, slice_text("big"), 1, &tag, &value));
    CHECK_SLICE(value, slice_of(bytes, BYTES));
    CHECK(memtable_bytes(table) >= BYTES);
    end();
}

static void iterating_gives_all_versions_in_order(void)
{
    struct rng r;
    rng_init(&r, 21);
    struct entries model = {0};
    entries_random(&model, &r, 1000, 3, 12, 40);
    begin();
    REQUIRE(model.count % 617 != 0); /* so that each index comes once */
    for (size_t i = 0; i < model.count; i++) {
        const struct entry *e = &model.at[i * 617 % model.count];
        memtable_put(table, e->key, e->tag, e->value);
    }
    REQUIRE_INT(memtable_count(table), model.count);

    struct iter *it = memtable_iter(table, &mem.mem);
    REQUIRE(it != NULL);
    CHECK(!it->valid);
    iter_first(it);
    CHECK(entries_match(&model, 0, it));
    for (size_t i = 0; i < model.count; i += 50) {
        iter_seek(it, model.at[i].key, model.at[i].tag);
        CHECK(entries_match(&model, i, it));
    }
    CHECK(entries_wander(&model, it, &r, 5000));
    iter_free(it);
    entries_deinit(&model);
    end();
}

/* What was undone is passed over on the way back as on the way there, also when it was
 * the version that the iterator stands on. */
static void a_step_back_passes_over_what_was_undone(void)
{
    begin();
    put("a", 1, "1");
    put("b", 2, "2");
    put("c", 3, "3");
    put("c", 4, "4");
    struct iter *it = memtable_iter(table, &mem.mem);
    iter_seek(it, slice_text("c"), tag_seek(4));
    REQUIRE(it->valid && tag_seq(it->tag) == 4);
    memtable_remove(table, slice_text("c"), tag_of(4, ENTRY_PUT));
    memtable_remove(table, slice_text("b"), tag_of(2, ENTRY_PUT));
    iter_prev(it);
    REQUIRE(it->valid);
    CHECK_SLICE(it->key, slice_text("a"));
    iter_last(it);
    REQUIRE(it->valid);
    CHECK_SLICE(it->value, slice_text("3"));
    iter_free(it);
    end();
}

static void later_puts_do_not_disturb_an_iterator(void)
{
    begin();
    put("a", 1, "1");
    put("c", 2, "2");
    struct iter *it = memtable_iter(table, &mem.mem);
    iter_first(it);
    put("b", 3, "3");
    put("a", 4, "4");
    iter_next(it);
    REQUIRE(it->valid);
    CHECK_SLICE(it->key, slice_text("c"));
    iter_next(it);
    CHECK(!it->valid);
    CHECK_INT(it->err, ERR_OK);
    iter_free(it);
    it = memtable_iter(table, &mem.mem);
    iter_seek(it, slice_text("b"), UINT64_MAX);
    REQUIRE(it->valid);
    CHECK_SLICE(it->value, slice_text("3"));
    iter_free(it);
    end();
}

/* The flush sees the same entries, whatever the owner has brought into order. */
static void a_frozen_iterator_gives_all_versions_in_order(void)
{
    begin();
    put("b", 1, "1");
    put("common-prefix-2", 2, "2");
    iter_free(memtable_iter(table, &mem.mem)); /* links two keys */
    put("common-prefix-1", 3, "3");
    put("b", 4, "4");
    put("", 5, "5");
    put("undone", 6, "6");
    memtable_remove(table, slice_text("undone"), tag_of(6, ENTRY_PUT));

    static const char *const want[] = {"5", "4", "1", "3", "2"};
    struct iter *it = memtable_frozen_iter(table, &mem.mem);
    iter_first(it);
    for (size_t i = 0; i < 5; i++, iter_next(it)) {
        REQUIRE(it->valid);
        CHECK_SLICE(it->value, slice_text(want[i]));
    }
    CHECK(!it->valid);
    iter_free(it);
    end();
}

#define ALIKE 600

static void expect_alike(struct iter *it)
{
    REQUIRE(it != NULL);
    iter_first(it);
    for (unsigned i = 0; i < ALIKE; i++, iter_next(it)) {
        REQUIRE(it->valid);
        CHECK_INT(tag_seq(it->tag), i + 1);
    }
    CHECK(!it->valid);
    iter_free(it);
}

/* Their first eight bytes say little or nothing about the order; an even one is what the
 * odd one behind it begins with. Without memory for sorting there is no iterator. */
static void keys_that_begin_alike_are_still_in_order(void)
{
    char key[32];
    begin();
    for (unsigned n = 0; n < ALIKE; n++) {
        unsigned i = n * 7 % ALIKE; /* each once */
        int size = snprintf(key, sizeof key, "%c same here %03u", 'a' + i / 200, i / 2);
        if (i % 2) key[size++] = 0;
        REQUIRE_INT(memtable_put(table, slice_of(key, (size_t)size),
                                 tag_of(i + 1, ENTRY_PUT), slice_text("v")),
                    ERR_OK);
    }
    for (long k = 1; k <= 2; k++) {
        mem.fail_at = mem.calls + k;
        CHECK(memtable_frozen_iter(table, &mem.mem) == NULL);
        mem.fail_at = mem.calls + k;
        CHECK(memtable_iter(table, &mem.mem) == NULL);
    }
    mem.fail_at = 0;
    expect_alike(memtable_frozen_iter(table, &mem.mem));
    expect_alike(memtable_iter(table, &mem.mem));
    end();
}

/* The k-th allocation fails, for every k: a clean answer, and a table as before. */
static void fetching_keys_ahead_changes_nothing(void)
{
    slice keys[100];
    char text[100][16];
    begin();
    for (int i = 0; i < 100; i++) {
        snprintf(text[i], sizeof text[i], "k%d", i);
        keys[i] = slice_text(text[i]);
    }
    memtable_prefetch(table, keys, 100); /* no slots yet */
    memtable_expect(table, keys[0]);
    for (int i = 0; i < 50; i++)
        put(text[i], 1 + (seqno)i, text[i]);
    size_t bytes = memtable_bytes(table);
    memtable_prefetch(table, keys, 100);
    for (int i = 0; i < 100; i++)
        memtable_expect(table, keys[i]);
    CHECK_INT(memtable_bytes(table), bytes);
    CHECK_INT(memtable_count(table), 50);
    expect("k49", 100, "k49");
    expect_unknown("k50", 100);
    end();
}

/* The second hash table is the last one, and takes no more than it has to. */
static void a_large_memtable_learns_how_many_keys_to_expect(void)
{
    const size_t bytes = (size_t)32 << 20;
    char value[100] = {0};
    mem_counting_init(&mem, mem_libc());
    table = memtable_new(&mem.mem, bytes, 7);
    REQUIRE(table != NULL);
    uint64_t n = 0;
    for (; memtable_bytes(table) < bytes; n++)
        REQUIRE_INT(memtable_put(table, slice_of(&n, sizeof n), tag_of(n + 1, ENTRY_PUT),
                                 slice_of(value, sizeof value)),
                    ERR_OK);
    CHECK(n > 100000);
    CHECK_INT(mem.calls - mem.blocks, 1); /* the first one was given back */
    end();
}

static void without_memory_nothing_is_lost(void)
{
    for (long k = 1; k < 40; k++) {
        mem_counting_init(&mem, mem_libc());
        mem.fail_at = k;
        table = memtable_new(&mem.mem, 512, 7);
        if (!table) {
            CHECK_INT(k, 1);
            continue;
        }
        bool there[30] = {false};
        for (uint64_t i = 0; i < 30; i++) {
            uint8_t key = (uint8_t)(i * 11 % 30);
            enum err e = memtable_put(table, slice_of(&key, 1), tag_of(i + 1, ENTRY_PUT),
                                      slice_text("some value"));
            CHECK(e == ERR_OK || e == ERR_NOMEM);
            there[key] = e == ERR_OK;
        }
        for (uint8_t key = 0; key < 30; key++) {
            uint64_t tag;
            slice value;
            CHECK(memtable_get(table, slice_of(&key, 1), SEQNO_MAX, &tag, &value) ==
                  there[key]);
        }
        struct iter *it = memtable_iter(table, &mem.mem);
        iter_free(it);
        end();
    }
}

#define CHOSEN 3000

/* Processor time of putting keys that all meet in one slot under seed 7. */
static double put_chosen(uint64_t seed, const uint64_t *keys)
{
    mem_counting_init(&mem, mem_libc());
    table = memtable_new(&mem.mem, 32768, seed);
    REQUIRE(table != NULL);
    clock_t begun = clock();
    for (int i = 0; i < CHOSEN; i++)
        REQUIRE_INT(memtable_put(table, slice_of(&keys[i], 8), tag_of(1, ENTRY_PUT),
                                 slice_text("v")),
                    ERR_OK);
    double seconds = (double)(clock() - begun);
    end();
    return seconds;
}

/* Who knows the hash, and not the seed, cannot make a table slow. */
static void chosen_keys_are_slow_under_their_own_seed_only(void)
{
    static uint64_t keys[CHOSEN];
    size_t n = 0;
    for (uint64_t key = 0; n < CHOSEN; key++)
        if (filter_hash_seeded(slice_of(&key, 8), 7) % 8192 == 0) keys[n++] = key;
    double chosen = put_chosen(7, keys), other = put_chosen(8, keys);
    printf(
        "     %.0f us under the seed that they were chosen for, %.0f us under another\n",
        chosen, other);
    CHECK(chosen > 5 * other);
}

CU_TestInfo engine_memtable_tests[] = {
    {"a_new_memtable_is_one_small_allocation", a_new_memtable_is_one_small_allocation},
    {"a_read_sees_the_newest_version_up_to_its_number",
     a_read_sees_the_newest_version_up_to_its_number},
    {"a_tombstone_is_knowledge", a_tombstone_is_knowledge},
    {"removing_brings_the_older_version_back", removing_brings_the_older_version_back},
    {"empty_and_longest_keys_are_keys", empty_and_longest_keys_are_keys},
    {"a_megabyte_of_value_comes_back", a_megabyte_of_value_comes_back},
    {"iterating_gives_all_versions_in_order", iterating_gives_all_versions_in_order},
    {"a_step_back_passes_over_what_was_undone", a_step_back_passes_over_what_was_undone},
    {"later_puts_do_not_disturb_an_iterator", later_puts_do_not_disturb_an_iterator},
    {"a_frozen_iterator_gives_all_versions_in_order",
     a_frozen_iterator_gives_all_versions_in_order},
    {"fetching_keys_ahead_changes_nothing", fetching_keys_ahead_changes_nothing},
    {"keys_that_begin_alike_are_still_in_order",
     keys_that_begin_alike_are_still_in_order},
    {"a_large_memtable_learns_how_many_keys_to_expect",
     a_large_memtable_learns_how_many_keys_to_expect},
    {"without_memory_nothing_is_lost", without_memory_nothing_is_lost},
    {"chosen_keys_are_slow_under_their_own_seed_only",
     chosen_keys_are_slow_under_their_own_seed_only},
    CU_TEST_INFO_NULL,
};
