#include "tests/support/check.h"
#include "tests/support/dumped.h"

#include <stdlib.h>

#include "engine/sst_format.h"

static struct teststore t;
static uint8_t *data;
static size_t size;

static void begin(void)
{
    dumped_example(&t);
    teststore_read_file(&t, "000004.sst", &data, &size);
}

static void end(void)
{
    free(data);
    teststore_deinit(&t);
}

static void dump(void)
{
    dumped_clear();
    dump_table(mem_libc(), slice_of(data, size), dumped_line, NULL);
}

static void all_parts_are_told(void)
{
    begin();
    dump();
    CHECK(dumped_has("data block 0 at 0: 73 bytes\n"));
    CHECK(dumped_has("shared 0, rest 5, value 3; \"apple\"\n"));
    CHECK(dumped_has("tag: put, number 1\n000010  72 65 64                 \"red\"\n"));
    CHECK(dumped_has("shared 1, rest 3, value 0; \"lum\"\n"));
    CHECK(dumped_has("tag: delete, number 3\n"));
    CHECK(dumped_has("filter at 78: 64 bytes, checksum good\n"));
    CHECK(dumped_has("index at 142: 51 bytes, checksum good\n"));
    CHECK(dumped_has("block 0 at 0, 73 bytes, checksum"));
    CHECK(dumped_has("properties at 193: 34 bytes, checksum good\n"));
    CHECK(dumped_has("largest key \"plum\"\n"));
    CHECK(dumped_has("data blocks 1\n"));
    CHECK(dumped_has("table 4\n"));
    CHECK(!strstr(dumped_text(), "WRONG"));
    end();
}

/* Every part says by itself whether it is damaged. */
static void a_flipped_bit_is_told_where_it_lies(void)
{
    static const struct {
        size_t at;
        const char *line;
    } cases[] = {
        {5, "checksum: WRONG"},
        {80, "filter at 78: 64 bytes, checksum WRONG"},
        {150, "index at 142: 51 bytes, checksum WRONG"},
        {195, "properties at 193: 34 bytes, checksum WRONG"},
        {230, "the footer cannot be used: checksum mismatch"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin();
        data[cases[i].at] ^= 1;
        dump();
        CHECK(dumped_has(cases[i].line));
        end();
    }
}

static void a_file_that_is_no_table_shows_its_end(void)
{
    static const char text[] = "hello";
    dumped_clear();
    dump_table(mem_libc(), slice_of(text, 5), dumped_line, NULL);
    CHECK(dumped_has("the footer cannot be used: too short for a footer\n"));
    CHECK(dumped_has("68 65 6c 6c 6f"));
    begin();
    memset(data, 0, size);
    dump();
    CHECK(dumped_has("the footer cannot be used: not the end of a table\n"));
    end();
}

/* A footer with a good checksum may still lie about the sizes of the parts. */
static void sizes_that_do_not_add_up_are_not_followed(void)
{
    begin();
    struct sst_footer f;
    uint32_t crc;
    const char *what;
    uint8_t *footer = data + size - SST_FOOTER_BYTES;
    REQUIRE_INT(sst_footer_get(footer, &f, &crc, &what), ERR_OK);
    f.index_bytes = UINT32_MAX;
    sst_footer_put(footer, &f);
    dump();
    CHECK(dumped_has("its sizes do not add up"));
    f.data_bytes = UINT64_MAX;
    sst_footer_put(footer, &f);
    dump();
    CHECK(dumped_has("its sizes do not add up"));
    end();
}

static void any_bytes_can_be_dumped(void)
{
    struct rng r;
    rng_init(&r, 5);
    begin();
    for (int round = 0; round < 2000; round++) {
        uint8_t *exact = malloc(size);
        memcpy(exact, data, size);
        for (int i = 0; i <= round % 4; i++)
            exact[rng_below(&r, size - SST_FOOTER_BYTES)] = (uint8_t)rng_next(&r);
        dumped_clear();
        dump_table(mem_libc(), slice_of(exact, size), dumped_line, NULL);
        CHECK(strlen(dumped_text()) > 0);
        free(exact);
    }
    end();
}

CU_TestInfo engine_dump_table_tests[] = {
    {"all_parts_are_told", all_parts_are_told},
    {"a_flipped_bit_is_told_where_it_lies", a_flipped_bit_is_told_where_it_lies},
    {"a_file_that_is_no_table_shows_its_end", a_file_that_is_no_table_shows_its_end},
    {"sizes_that_do_not_add_up_are_not_followed",
     sizes_that_do_not_add_up_are_not_followed},
    {"any_bytes_can_be_dumped", any_bytes_can_be_dumped},
    CU_TEST_INFO_NULL,
};
