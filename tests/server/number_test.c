#include "tests/support/check.h"

#include "server/number.h"

static void canonical_text_is_read(void)
{
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {
        {"0", 0},
        {"7", 7},
        {"-1", -1},
        {"10", 10},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t v = 99;
        CHECK(number_parse(slice_text(cases[i].text), &v));
        CHECK_INT(v, cases[i].value);
    }
}

static void anything_else_is_refused_and_changes_nothing(void)
{
    static const char *const cases[] = {
        "",
        "-",
        "+1",
        " 1",
        "1 ",
        "01",
        "-0",
        "-01",
        "1.0",
        "1e3",
        "0x10",
        "--1",
        "abc",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "99999999999999999999",
        "111111111111111111111",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t v = 99;
        CHECK(!number_parse(slice_text(cases[i]), &v));
        CHECK_INT(v, 99);
    }
    int64_t v;
    CHECK(!number_parse(slice_of("1\0", 2), &v));
}

static void what_is_written_is_read_back(void)
{
    static const int64_t values[] = {0, 1, -1, 9, 10, 99, -10, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[NUMBER_BYTES_MAX];
        size_t n = number_format(text, values[i]);
        int64_t v = 0;
        CHECK(number_parse(slice_of(text, n), &v));
        CHECK_INT(v, values[i]);
    }
}

CU_TestInfo server_number_tests[] = {
    {"canonical_text_is_read", canonical_text_is_read},
    {"anything_else_is_refused_and_changes_nothing",
     anything_else_is_refused_and_changes_nothing},
    {"what_is_written_is_read_back", what_is_written_is_read_back},
    CU_TEST_INFO_NULL,
};
