#include "tests/support/check.h"
#include "tests/support/levels.h"

#include <stdio.h>

#include "engine/compact.h"

static struct levels l;
static slice pointers[LEVELS_MAX];
static struct compaction c;

/* Level 0 is due from 4 tables on, level 1 from 1000 bytes, level 2 from 10,000. */
static void begin(void)
{
    levels_begin(&l);
    memset(pointers, 0, sizeof pointers);
    l.options.level0_tables = 4;
    l.options.level1_bytes = 1000;
    l.options.level_ratio = 10;
    l.options.table_bytes = 500;
}

static bool pick(bool all)
{
    if (!l.version) levels_seal(&l);
    return compact_pick(l.version, &l.options, pointers, all, &l.mem.mem, &c);
}

/* "1: 3,4 + 7" is level 1, tables 3 and 4, and table 7 of level 2. */
static void expect(const char *want)
{
    char out[256];
    size_t used = (size_t)snprintf(out, sizeof out, "%u:", c.level);
    for (int side = 0; side < 2; side++) {
        if (side == 1 && c.input_count[1])
            used += (size_t)snprintf(out + used, sizeof out - used, " +");
        for (size_t i = 0; i < c.input_count[side]; i++)
            used +=
                (size_t)snprintf(out + used, sizeof out - used, "%s%llu", i ? "," : " ",
                                 (unsigned long long)c.inputs[side][i]->meta.number);
    }
    CHECK_TEXT(out, want);
    compact_deinit(&c);
}

static void nothing_is_picked_below_every_target(void)
{
    begin();
    CHECK(!pick(false));
    CHECK(!pick(true));
    levels_end(&l);

    begin();
    for (int i = 0; i < 3; i++)
        levels_fake(&l, 0, "a", "z", 100000);
    levels_fake(&l, 1, "a", "z", 999);
    levels_fake(&l, 2, "a", "z", 9999);
    CHECK(!pick(false));
    levels_end(&l);
}

static void the_score_counts_tables_on_level_0_and_bytes_below(void)
{
    begin();
    levels_fake(&l, 0, "a", "z", 1);
    levels_fake(&l, 0, "a", "z", 1);
    levels_fake(&l, 1, "a", "b", 250);
    levels_fake(&l, 1, "c", "d", 500);
    levels_fake(&l, 3, "c", "d", 150000);
    levels_seal(&l);
    CHECK(compact_score(l.version, &l.options, 0) == 0.5);
    CHECK(compact_score(l.version, &l.options, 1) == 0.75);
    CHECK(compact_score(l.version, &l.options, 2) == 0.0);
    CHECK(compact_score(l.version, &l.options, 3) == 1.5);
    levels_end(&l);
}

/* What overlaps the oldest table goes with it, and what overlaps that. */
static void level_0_goes_down_from_the_oldest_with_all_that_overlaps(void)
{
    begin();
    levels_fake(&l, 0, "f", "g", 1);
    levels_fake(&l, 0, "p", "q", 1); /* overlaps none of them */
    levels_fake(&l, 0, "h", "i", 1);
    levels_fake(&l, 0, "g", "h", 1); /* joins the first and the third */
    levels_fake(&l, 1, "a", "c", 1);
    levels_fake(&l, 1, "d", "f", 1); /* touches the smallest key */
    levels_fake(&l, 1, "i", "k", 1); /* touches the largest key */
    levels_fake(&l, 1, "q", "s", 1);
    REQUIRE(pick(false));
    CHECK(!c.trivial);
    expect("0: 4,3,1 + 6,7");
    levels_end(&l);
}

static void a_table_of_level_0_that_overlaps_nothing_moves_down(void)
{
    begin();
    levels_fake(&l, 0, "a", "b", 1);
    for (int i = 0; i < 3; i++)
        levels_fake(&l, 0, "c", "d", 1);
    levels_fake(&l, 1, "c", "d", 1);
    REQUIRE(pick(false));
    CHECK(c.trivial);
    expect("0: 1");
    levels_end(&l);
}

static void the_level_that_is_fullest_for_its_size_goes_first(void)
{
    begin();
    for (int i = 0; i < 6; i++)
        levels_fake(&l, 0, "a", "b", 1); /* 1.5 */
    levels_fake(&l, 1, "a", "z", 3000);  /* 3.0 */
    levels_fake(&l, 2, "c", "d", 20000); /* 2.0 */
    REQUIRE(pick(false));
    expect("1: 7 + 8");
    levels_end(&l);
}

static void the_last_level_has_nowhere_to_go(void)
{
    begin();
    levels_fake(&l, LEVELS_MAX - 1, "a", "z", (uint64_t)1 << 50);
    CHECK(!pick(false));
    CHECK(!pick(true));
    levels_end(&l);
}

static void picks_go_round_through_the_keys_of_a_level(void)
{
    begin();
    levels_fake(&l, 1, "a", "c", 600);
    levels_fake(&l, 1, "e", "g", 600);
    levels_fake(&l, 1, "i", "k", 600);
    REQUIRE(pick(false));
    expect("1: 1");
    pointers[1] = slice_text("c"); /* the first went down last time */
    REQUIRE(pick(false));
    expect("1: 2");
    pointers[1] = slice_text("d"); /* its table is gone */
    REQUIRE(pick(false));
    expect("1: 2");
    pointers[1] = slice_text("g");
    REQUIRE(pick(false));
    expect("1: 3");
    pointers[1] = slice_text("k"); /* and from the front again */
    REQUIRE(pick(false));
    expect("1: 1");
    pointers[1] = slice_text("z");
    REQUIRE(pick(false));
    expect("1: 1");
    levels_end(&l);
}

/* Tables 1, 2, 3 of level 1 lie above 2000, 500 and 500 bytes. */
static void of_the_next_tables_the_cheapest_goes_first(void)
{
    begin();
    levels_fake(&l, 1, "a", "c", 500);
    levels_fake(&l, 1, "e", "g", 500);
    levels_fake(&l, 1, "i", "k", 500);
    levels_fake(&l, 2, "a", "b", 2000);
    levels_fake(&l, 2, "f", "f", 500);
    levels_fake(&l, 2, "j", "j", 500);
    REQUIRE(pick(false));
    expect("1: 2 + 5");
    pointers[1] = slice_text("g");
    REQUIRE(pick(false));
    expect("1: 3 + 6");
    pointers[1] = slice_text("k"); /* the dear one is passed over again */
    REQUIRE(pick(false));
    expect("1: 2 + 5");
    levels_end(&l);
}

/* ... by bytes written for a byte moved, not by bytes alone. */
static void a_large_table_may_cost_more_than_a_small_one(void)
{
    begin();
    levels_fake(&l, 1, "a", "c", 100);
    levels_fake(&l, 1, "e", "g", 1000);
    levels_fake(&l, 2, "a", "b", 400);
    levels_fake(&l, 2, "e", "f", 800);
    REQUIRE(pick(false));
    expect("1: 2 + 4");
    levels_end(&l);
}

static void a_table_with_nothing_below_it_merely_moves(void)
{
    begin();
    levels_fake(&l, 1, "e", "g", 1200);
    levels_fake(&l, 2, "a", "d", 10);
    levels_fake(&l, 2, "h", "z", 10);
    REQUIRE(pick(false));
    CHECK(c.trivial);
    expect("1: 1");
    levels_end(&l);

    begin();
    levels_fake(&l, 1, "e", "g", 1200);
    levels_fake(&l, 2, "g", "g", 10);
    REQUIRE(pick(false));
    CHECK(!c.trivial);
    expect("1: 1 + 2");
    levels_end(&l);
}

static void all_goes_on_until_one_level_holds_everything(void)
{
    begin();
    levels_fake(&l, 0, "a", "z", 1);
    CHECK(!pick(false));
    REQUIRE(pick(true));
    CHECK(c.trivial);
    expect("0: 1");
    levels_end(&l);

    begin();
    levels_fake(&l, 1, "a", "c", 1);
    levels_fake(&l, 3, "a", "c", 1);
    REQUIRE(pick(true));
    expect("1: 1");
    levels_end(&l);

    begin();
    levels_fake(&l, 2, "a", "c", 1);
    levels_fake(&l, 2, "d", "f", 1);
    CHECK(!pick(true));
    levels_end(&l);
}

static void there_are_numbers_for_as_many_outputs_as_can_come(void)
{
    begin();
    levels_fake(&l, 1, "a", "c", 1200);
    levels_fake(&l, 2, "a", "c", 5000);
    REQUIRE(pick(false));
    CHECK(compact_output_max(&c, &l.options) >= 6200 / 500 + 1);
    compact_deinit(&c);
    levels_end(&l);
}

static void without_memory_there_is_nothing_to_do(void)
{
    begin();
    levels_fake(&l, 1, "a", "c", 1200);
    levels_fake(&l, 2, "a", "c", 5000);
    levels_seal(&l);
    for (int k = 1; k <= 2; k++) {
        l.mem.fail_at = l.mem.calls + k;
        CHECK(!pick(false));
    }
    l.mem.fail_at = 0;
    REQUIRE(pick(false));
    expect("1: 1 + 2");
    levels_end(&l);
}

/* ---- on a full disk ---- */

/* A table of sequence numbers up to `newest`. */
static struct table *aged(unsigned level, const char *smallest, const char *largest,
                          seqno newest)
{
    struct table *t = levels_fake(&l, level, smallest, largest, 100);
    t->meta.min_seq = 1;
    t->meta.max_seq = newest;
    return t;
}

static void tables_below_floors_go_from_two_levels_at_once(void)
{
    seqno floors[FLOORS] = {0};
    begin();
    aged(0, "a1", "a9", 5);
    aged(0, "b1", "b9", 5); /* another range */
    aged(1, "a1", "a5", 4);
    aged(1, "a6", "a9", 6); /* newer than the floor */
    levels_seal(&l);
    CHECK(!compact_pick_sunk(l.version, floors, SEQNO_MAX, &l.mem.mem, &c));
    floors['a'] = 5;
    CHECK(!compact_pick_sunk(l.version, floors, 4, &l.mem.mem, &c)); /* is read across */
    REQUIRE(compact_pick_sunk(l.version, floors, 5, &l.mem.mem, &c));
    CHECK(c.drops && !c.trivial);
    expect("0: 1 + 3");
    levels_end(&l);
}

static void a_table_of_two_ranges_is_sunk_when_both_are(void)
{
    seqno floors[FLOORS] = {['a'] = 9, ['c'] = 9};
    begin();
    aged(3, "a", "c", 5);
    levels_seal(&l);
    CHECK(!compact_pick_sunk(l.version, floors, SEQNO_MAX, &l.mem.mem, &c));
    floors['b'] = 9;
    REQUIRE(compact_pick_sunk(l.version, floors, SEQNO_MAX, &l.mem.mem, &c));
    expect("2: + 1");
    levels_end(&l);
}

/* What is older than the first tombstones, by one table, and all that is newer: otherwise
 * the output would be read before what is newer than it. */
static void the_newest_tables_reach_below_the_first_tombstones(void)
{
    begin();
    levels_fake(&l, 0, "a", "z", 1);
    levels_fake(&l, 0, "a", "b", 1);
    struct table *t = levels_fake(&l, 0, "a", "z", 1);
    levels_fake(&l, 0, "y", "z", 1);
    levels_fake(&l, 1, "a", "z", 1);
    levels_seal(&l);
    CHECK(!compact_pick_newest(l.version, &l.mem.mem, &c));
    t->meta.tombstones = 1;
    REQUIRE(compact_pick_newest(l.version, &l.mem.mem, &c));
    CHECK(c.within);
    CHECK_INT(compact_target(&c), 0);
    expect("0: 4,3,2");
    levels_end(&l);
}

static void the_smallest_is_one_table_of_a_level_that_is_due(void)
{
    begin();
    for (int i = 0; i < 4; i++)
        levels_fake(&l, 0, "a", "z", 100);
    levels_fake(&l, 1, "a", "k", 600);
    levels_fake(&l, 1, "l", "z", 600);
    levels_fake(&l, 2, "a", "b", 300);
    levels_fake(&l, 2, "m", "n", 200);
    levels_seal(&l);
    REQUIRE(compact_pick_smallest(l.version, &l.options, pointers, &l.mem.mem, &c));
    expect("1: 6 + 8");
    levels_end(&l);

    begin();
    for (int i = 0; i < 4; i++)
        levels_fake(&l, 0, "a", "z", 100);
    levels_fake(&l, 1, "a", "k", 600);
    levels_seal(&l);
    REQUIRE(compact_pick_smallest(l.version, &l.options, pointers, &l.mem.mem, &c));
    expect("0: 1 + 5"); /* the oldest only: the others are newer */
    levels_end(&l);
}

CU_TestInfo engine_compact_pick_tests[] = {
    {"nothing_is_picked_below_every_target", nothing_is_picked_below_every_target},
    {"the_score_counts_tables_on_level_0_and_bytes_below",
     the_score_counts_tables_on_level_0_and_bytes_below},
    {"level_0_goes_down_from_the_oldest_with_all_that_overlaps",
     level_0_goes_down_from_the_oldest_with_all_that_overlaps},
    {"a_table_of_level_0_that_overlaps_nothing_moves_down",
     a_table_of_level_0_that_overlaps_nothing_moves_down},
    {"the_level_that_is_fullest_for_its_size_goes_first",
     the_level_that_is_fullest_for_its_size_goes_first},
    {"the_last_level_has_nowhere_to_go", the_last_level_has_nowhere_to_go},
    {"picks_go_round_through_the_keys_of_a_level",
     picks_go_round_through_the_keys_of_a_level},
    {"of_the_next_tables_the_cheapest_goes_first",
     of_the_next_tables_the_cheapest_goes_first},
    {"a_large_table_may_cost_more_than_a_small_one",
     a_large_table_may_cost_more_than_a_small_one},
    {"a_table_with_nothing_below_it_merely_moves",
     a_table_with_nothing_below_it_merely_moves},
    {"all_goes_on_until_one_level_holds_everything",
     all_goes_on_until_one_level_holds_everything},
    {"there_are_numbers_for_as_many_outputs_as_can_come",
     there_are_numbers_for_as_many_outputs_as_can_come},
    {"without_memory_there_is_nothing_to_do", without_memory_there_is_nothing_to_do},
    {"tables_below_floors_go_from_two_levels_at_once",
     tables_below_floors_go_from_two_levels_at_once},
    {"a_table_of_two_ranges_is_sunk_when_both_are",
     a_table_of_two_ranges_is_sunk_when_both_are},
    {"the_newest_tables_reach_below_the_first_tombstones",
     the_newest_tables_reach_below_the_first_tombstones},
    {"the_smallest_is_one_table_of_a_level_that_is_due",
     the_smallest_is_one_table_of_a_level_that_is_due},
    CU_TEST_INFO_NULL,
};
