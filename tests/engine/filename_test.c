#include "tests/support/check.h"

#include <stdio.h>

#include "engine/filename.h"

static void a_number_of_any_size_comes_back_from_its_name(void)
{
    static const uint64_t numbers[] = {1, 7, 999999, 1000000, 123456789012345678};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char name[FILENAME_BYTES];
        uint64_t number = 0;
        filename_log(numbers[i], name);
        CHECK_INT(filename_parse(name, &number), FILENAME_LOG);
        CHECK_INT(number, numbers[i]);
        filename_sst(numbers[i], name);
        CHECK_INT(filename_parse(name, &number), FILENAME_SST);
        CHECK_INT(number, numbers[i]);
        filename_reserve(numbers[i], name);
        CHECK_INT(filename_parse(name, &number), FILENAME_RESERVE);
        CHECK_INT(number, numbers[i]);
        filename_manifest(numbers[i], name);
        CHECK_INT(filename_parse(name, &number), FILENAME_MANIFEST);
        CHECK_INT(number, numbers[i]);
    }
}

static void names_sort_like_their_numbers_up_to_six_digits(void)
{
    char name[FILENAME_BYTES];
    filename_log(12, name);
    CHECK_TEXT(name, "000012.log");
    filename_sst(3, name);
    CHECK_TEXT(name, "000003.sst");
    filename_manifest(1, name);
    CHECK_TEXT(name, "MANIFEST-000001");
}

static void the_fixed_names_are_ours(void)
{
    uint64_t number = 77;
    CHECK_INT(filename_parse("CURRENT", &number), FILENAME_FIXED);
    CHECK_INT(filename_parse("LOCK", &number), FILENAME_FIXED);
    CHECK_INT(filename_parse("CURRENT.tmp", &number), FILENAME_TMP);
    CHECK_INT(number, 77);
}

/* What is taken for ours may be deleted: a name that we would not have written is not. */
static void a_name_that_we_would_not_write_is_a_strangers(void)
{
    static const char *const names[] = {
        "",
        "12345.log",      /* five digits */
        "0000001.log",    /* seven with a leading zero */
        "000001",         /* no ending */
        "000001.log.bak", /* copies that people make */
        "000001.logs",
        "000001.LOG",
        "000001.ldb", /* another engine's */
        "-00001.log",
        "+00001.log",
        " 000001.log",
        "000001 .log",
        "x000001.sst",
        "000001.sst ",
        "MANIFEST-",
        "MANIFEST-1",
        "MANIFEST-000001x",
        "MANIFEST-000001.log",
        "manifest-000001",
        "CURRENT.tmp2",
        "CURRENT.bak",
        "LOCK2",
        "9999999999999999999.log",  /* would overflow or come close */
        "18446744073709551617.sst", /* is 1 in 64 bits */
        "MANIFEST-18446744073709551617",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint64_t number = 77;
        enum filename_kind kind = filename_parse(names[i], &number);
        if (kind != FILENAME_STRANGER) printf("  '%s' is taken for ours\n", names[i]);
        CHECK_INT(kind, FILENAME_STRANGER);
        CHECK_INT(number, 77);
    }
}

CU_TestInfo engine_filename_tests[] = {
    {"a_number_of_any_size_comes_back_from_its_name",
     a_number_of_any_size_comes_back_from_its_name},
    {"names_sort_like_their_numbers_up_to_six_digits",
     names_sort_like_their_numbers_up_to_six_digits},
    {"the_fixed_names_are_ours", the_fixed_names_are_ours},
    {"a_name_that_we_would_not_write_is_a_strangers",
     a_name_that_we_would_not_write_is_a_strangers},
    CU_TEST_INFO_NULL,
};
