#include <string.h>

#include "tests/support/check.h"

#include "fault/sites.h"

static void names_are_sorted_and_unique(void)
{
    for (enum site s = 1; s < SITE_COUNT; s++)
        CHECK(strcmp(site_name(s - 1), site_name(s)) < 0);
}

static void a_name_begins_with_the_kind_of_its_file(void)
{
    for (enum site s = 0; s < SITE_COUNT; s++) {
        const char *kind = kind_name(site_kind(s));
        CHECK(!strncmp(site_name(s), kind, strlen(kind)));
        CHECK(site_name(s)[strlen(kind)] == '/');
    }
}

static void columns_are_those_of_the_table(void)
{
    CHECK_TEXT(site_name(SITE_WAL_RECYCLE), "wal/recycle");
    CHECK_INT(site_kind(SITE_WAL_RECYCLE), KIND_WAL);
    CHECK_INT(site_call(SITE_WAL_RECYCLE), CALL_RENAME);
    CHECK_TEXT(call_name(CALL_SIZE), "size");
    CHECK_TEXT(kind_name(KIND_OTHER), "other");
}

CU_TestInfo fault_sites_tests[] = {
    {"names_are_sorted_and_unique", names_are_sorted_and_unique},
    {"a_name_begins_with_the_kind_of_its_file", a_name_begins_with_the_kind_of_its_file},
    {"columns_are_those_of_the_table", columns_are_those_of_the_table},
    CU_TEST_INFO_NULL,
};
