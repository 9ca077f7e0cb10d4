#include "tests/support/check.h"
#include "tests/support/levels.h"

#include <stdio.h>

/* The numbers of a level's tables, joined with ','. */
static const char *numbers(const struct version *v, unsigned level)
{
    static char out[256];
    size_t used = 0;
    out[0] = 0;
    for (size_t i = 0; i < v->levels[level].count; i++)
        used +=
            (size_t)snprintf(out + used, sizeof out - used, "%s%llu", used ? "," : "",
                             (unsigned long long)v->levels[level].tables[i]->meta.number);
    return out;
}

static void level_0_is_newest_first_and_the_others_by_key(void)
{
    struct levels l;
    levels_begin(&l);
    levels_fake(&l, 0, "a", "z", 10);
    levels_fake(&l, 1, "m", "p", 20);
    levels_fake(&l, 0, "b", "c", 30);
    levels_fake(&l, 1, "a", "c", 40);
    levels_fake(&l, 0, "a", "b", 50);
    levels_seal(&l);
    CHECK_TEXT(numbers(l.version, 0), "5,3,1");
    CHECK_TEXT(numbers(l.version, 1), "4,2");
    CHECK_INT(l.version->levels[0].bytes, 90);
    CHECK_INT(l.version->levels[1].bytes, 60);
    CHECK_INT(version_check(l.version, &l.why), ERR_OK);
    levels_end(&l);
    CHECK_INT(l.retired, 5);
}

static void an_edit_leaves_the_version_it_starts_from_alone(void)
{
    struct levels l;
    struct version *next;
    levels_begin(&l);
    levels_fake(&l, 0, "a", "c", 10);
    levels_fake(&l, 0, "d", "f", 10);
    levels_seal(&l);
    struct version_change gone = {0, l.version->levels[0].tables[1]};
    struct table *fresh = levels_fake(&l, 1, "a", "c", 30);
    REQUIRE_INT(version_edit(l.version, l.list, 1, &gone, 1, &next), ERR_OK);
    table_unref(next, fresh);

    CHECK_TEXT(numbers(l.version, 0), "2,1");
    CHECK_TEXT(numbers(l.version, 1), "");
    CHECK_TEXT(numbers(next, 0), "2");
    CHECK_TEXT(numbers(next, 1), "3");
    CHECK_INT(next->levels[0].bytes, 10);
    CHECK_INT(next->levels[1].bytes, 30);
    version_unref(next);
    levels_end(&l);
}

static void a_table_retires_when_its_last_version_goes(void)
{
    struct levels l;
    struct version *next;
    levels_begin(&l);
    levels_fake(&l, 1, "a", "c", 10);
    levels_fake(&l, 1, "d", "f", 10);
    levels_seal(&l);
    struct version_change gone = {1, l.version->levels[1].tables[0]};
    REQUIRE_INT(version_edit(l.version, NULL, 0, &gone, 1, &next), ERR_OK);
    version_ref(l.version); /* a reader */
    version_unref(l.version);
    CHECK_INT(l.retired, 0);
    version_unref(l.version); /* the reader goes, and with it the first table */
    CHECK_INT(l.retired, 1);
    l.version = next;
    levels_end(&l);
    CHECK_INT(l.retired, 2);
}

static void a_table_that_only_moves_down_is_never_retired(void)
{
    struct levels l;
    struct version *next;
    levels_begin(&l);
    levels_fake(&l, 1, "a", "c", 10);
    levels_seal(&l);
    struct table *t = l.version->levels[1].tables[0];
    struct version_change from = {1, t}, to = {2, t};
    REQUIRE_INT(version_edit(l.version, &to, 1, &from, 1, &next), ERR_OK);
    version_unref(l.version);
    l.version = next;
    CHECK_INT(l.retired, 0);
    CHECK_INT(t->refs, 1);
    CHECK_TEXT(numbers(next, 1), "");
    CHECK_TEXT(numbers(next, 2), "1");
    levels_end(&l);
}

static void a_key_is_found_in_the_table_that_spans_it_or_the_next(void)
{
    static const struct {
        const char *key;
        size_t index;
    } cases[] = {{"", 0},  {"a", 0}, {"b", 0}, {"c", 0}, {"ca", 1},
                 {"d", 1}, {"f", 1}, {"g", 2}, {"h", 2}, {"i", 3}};
    struct levels l;
    levels_begin(&l);
    levels_fake(&l, 1, "a", "c", 10);
    levels_fake(&l, 1, "d", "f", 10);
    levels_fake(&l, 1, "h", "h", 10);
    levels_seal(&l);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(level_find(&l.version->levels[1], slice_text(cases[i].key)),
                  cases[i].index);
    CHECK_INT(level_find(&l.version->levels[2], slice_text("a")), 0);
    levels_end(&l);
}

static void bounds_belong_to_the_range_they_close(void)
{
    static const struct {
        const char *smallest, *largest;
        size_t first, count;
    } cases[] = {
        {"a", "a", 0, 1}, {"c", "d", 0, 2},   {"ca", "cz", 1, 0}, {"f", "h", 1, 2},
        {"", "z", 0, 3},  {"i", "z", 3, 0},   {"0", "9", 0, 0},   {"g", "g", 2, 0},
        {"f", "f", 1, 1}, {"fa", "gz", 2, 0},
    };
    struct levels l;
    levels_begin(&l);
    levels_fake(&l, 1, "a", "c", 10);
    levels_fake(&l, 1, "d", "f", 10);
    levels_fake(&l, 1, "h", "h", 10);
    levels_seal(&l);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t first;
        size_t n = level_overlap(&l.version->levels[1], slice_text(cases[i].smallest),
                                 slice_text(cases[i].largest), &first);
        CHECK_INT(n, cases[i].count);
        CHECK_INT(first, cases[i].first);
    }
    levels_end(&l);
}

static void a_check_names_tables_that_overlap_or_are_swapped(void)
{
    struct levels l;
    levels_begin(&l);
    levels_fake(&l, 2, "a", "d", 10);
    levels_fake(&l, 2, "d", "f", 10);
    levels_seal(&l);
    CHECK_INT(version_check(l.version, &l.why), ERR_CORRUPT);
    CHECK_TEXT(l.why.text, "level 2: 000001.sst and 000002.sst overlap");
    levels_end(&l);

    levels_begin(&l);
    levels_fake(&l, 0, "d", "c", 10);
    levels_seal(&l);
    CHECK_INT(version_check(l.version, &l.why), ERR_CORRUPT);
    CHECK(strstr(l.why.text, "000001.sst") != NULL);
    levels_end(&l);
}

static void without_memory_nothing_has_changed(void)
{
    struct levels l;
    struct version *next;
    levels_begin(&l);
    levels_fake(&l, 1, "a", "c", 10);
    levels_seal(&l);
    struct table *t = l.version->levels[1].tables[0];
    struct version_change gone = {1, t};
    l.mem.fail_at = l.mem.calls + 1;
    CHECK_INT(version_edit(l.version, NULL, 0, &gone, 1, &next), ERR_NOMEM);
    CHECK_INT(t->refs, 1);
    CHECK_TEXT(numbers(l.version, 1), "1");
    levels_end(&l);
}

CU_TestInfo engine_version_tests[] = {
    {"level_0_is_newest_first_and_the_others_by_key",
     level_0_is_newest_first_and_the_others_by_key},
    {"an_edit_leaves_the_version_it_starts_from_alone",
     an_edit_leaves_the_version_it_starts_from_alone},
    {"a_table_retires_when_its_last_version_goes",
     a_table_retires_when_its_last_version_goes},
    {"a_table_that_only_moves_down_is_never_retired",
     a_table_that_only_moves_down_is_never_retired},
    {"a_key_is_found_in_the_table_that_spans_it_or_the_next",
     a_key_is_found_in_the_table_that_spans_it_or_the_next},
    {"bounds_belong_to_the_range_they_close", bounds_belong_to_the_range_they_close},
    {"a_check_names_tables_that_overlap_or_are_swapped",
     a_check_names_tables_that_overlap_or_are_swapped},
    {"without_memory_nothing_has_changed", without_memory_nothing_has_changed},
    CU_TEST_INFO_NULL,
};
