#include "tests/support/check.h"

#include "engine/options.h"

static void the_defaults_are_legal(void)
{
    struct options o;
    struct err_detail why;
    options_init(&o);
    CHECK_INT(options_check(&o, &why), ERR_OK);
    CHECK(o.create_if_missing);
    CHECK_INT(o.sync, SYNC_EVERYSEC);
    CHECK_INT(o.block_bytes, 4096);
    CHECK(o.codecs[0] == CODEC_NONE && o.codecs[1] == CODEC_NONE);
    CHECK(o.codecs[2] == CODEC_LZ4 && o.codecs[LEVELS_MAX - 1] == CODEC_LZ4);
}

static void the_tiny_geometry_of_the_crash_tests_is_legal(void)
{
    struct options o;
    options_init(&o);
    o.memtable_bytes = o.table_bytes = o.level1_bytes = o.manifest_bytes = 64;
    o.block_bytes = o.write_buffer_bytes = 64;
    o.restart_interval = o.level0_tables = o.immutables_max = 1;
    o.filter_bits = 0;
    o.cache_bytes = 0;
    CHECK_INT(options_check(&o, NULL), ERR_OK);
}

static void a_bad_option_is_named_with_value_and_range(void)
{
    struct options o;
    struct err_detail why;
    options_init(&o);
    o.block_bytes = 63;
    CHECK_INT(options_check(&o, &why), ERR_INVALID);
    CHECK_TEXT(why.text, "option block_bytes: 63 is not between 64 and 32768 bytes");
}

static void every_limit_is_checked(void)
{
    struct options good;
    options_init(&good);
#define BAD(field, value)                                                                \
    do {                                                                                 \
        struct options o = good;                                                         \
        o.field = (value);                                                               \
        CHECK_INT(options_check(&o, NULL), ERR_INVALID);                                 \
    } while (0)
    BAD(sync, (enum sync_policy)3);
    BAD(memtable_bytes, 0);
    BAD(block_bytes, 65536);
    BAD(restart_interval, 0);
    BAD(filter_bits, 33);
    BAD(table_bytes, 0);
    BAD(open_tables_max, 0);
    BAD(level0_tables, 0);
    BAD(level1_bytes, 1);
    BAD(level_ratio, 1);
    BAD(manifest_bytes, 0);
    BAD(write_buffer_bytes, 0);
    BAD(immutables_max, 0);
    BAD(spare_logs, 0);
    BAD(codecs[3], CODECS);
#undef BAD
}

CU_TestInfo engine_options_tests[] = {
    {"the_defaults_are_legal", the_defaults_are_legal},
    {"the_tiny_geometry_of_the_crash_tests_is_legal",
     the_tiny_geometry_of_the_crash_tests_is_legal},
    {"a_bad_option_is_named_with_value_and_range",
     a_bad_option_is_named_with_value_and_range},
    {"every_limit_is_checked", every_limit_is_checked},
    CU_TEST_INFO_NULL,
};
