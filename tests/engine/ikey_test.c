#include "tests/support/check.h"

#include "engine/ikey.h"

static void a_tag_holds_number_and_kind(void)
{
    uint64_t tag = tag_of(SEQNO_MAX, ENTRY_PUT);
    CHECK(tag_seq(tag) == SEQNO_MAX);
    CHECK_INT(tag_kind(tag), ENTRY_PUT);
    CHECK_INT(tag_kind(tag_of(1, ENTRY_DELETE)), ENTRY_DELETE);
}

static void keys_ascend_and_their_versions_descend(void)
{
    slice a = slice_text("a"), b = slice_text("b");
    CHECK(ikey_compare(a, tag_of(1, ENTRY_PUT), b, tag_of(9, ENTRY_PUT)) < 0);
    CHECK(ikey_compare(a, tag_of(9, ENTRY_PUT), a, tag_of(1, ENTRY_PUT)) < 0);
    CHECK(ikey_compare(a, tag_of(1, ENTRY_PUT), a, tag_of(9, ENTRY_PUT)) > 0);
    CHECK_INT(ikey_compare(a, 77, a, 77), 0);
}

static void seeking_a_number_finds_it_and_nothing_newer(void)
{
    slice k = slice_text("k");
    CHECK(ikey_compare(k, tag_seek(5), k, tag_of(5, ENTRY_PUT)) < 0);
    CHECK(ikey_compare(k, tag_seek(5), k, tag_of(5, ENTRY_DELETE)) < 0);
    CHECK(ikey_compare(k, tag_seek(5), k, tag_of(6, ENTRY_DELETE)) > 0);
}

CU_TestInfo engine_ikey_tests[] = {
    {"a_tag_holds_number_and_kind", a_tag_holds_number_and_kind},
    {"keys_ascend_and_their_versions_descend", keys_ascend_and_their_versions_descend},
    {"seeking_a_number_finds_it_and_nothing_newer",
     seeking_a_number_finds_it_and_nothing_newer},
    CU_TEST_INFO_NULL,
};
