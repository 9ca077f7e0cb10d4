#include "tests/support/check.h"
#include "tests/support/dumped.h"

#include <stdlib.h>

#include "engine/wal.h"

static struct teststore t;

static void every_kind_of_entry_is_told(void)
{
    dumped_example(&t);
    dumped_file(&t, "000003.log");
    CHECK(dumped_has("record 2 at 0: 61 bytes\n"));
    CHECK(dumped_has("put \"apple\"\n000027  06 79 65 6c 6c 6f 77     value \"yellow\""));
    CHECK(dumped_has("delete \"pear\""));
    CHECK(dumped_has("register 3 += -5"));
    CHECK(dumped_has("register 63 = 300"));
    CHECK(dumped_has("keys that begin with \"q\" are gone"));
    CHECK(dumped_has("32 bytes, a mark\n"));
    CHECK(dumped_has("419 zeros up to offset 512\n"));
    teststore_deinit(&t);
}

static void every_field_of_an_edit_is_told(void)
{
    dumped_example(&t);
    dumped_file(&t, "MANIFEST-000001");
    CHECK(dumped_has("format: version 1\n"));
    CHECK(dumped_has("next file: number 6\n"));
    CHECK(dumped_has("add log: number 5, recycled 0\n"));
    CHECK(dumped_has("drop log: number 2\n"));
    CHECK(dumped_has("smallest key \"apple\"\n"));
    CHECK(dumped_has("largest key \"plum\"\n"));
    CHECK(dumped_has("registers\n"));
    CHECK(!strstr(dumped_text(), "does not know"));
    teststore_deinit(&t);
}

/* Each byte of a sound log is told exactly once, in order. */
static void no_byte_is_left_out(void)
{
    char *end;
    uint8_t *data;
    size_t size, next = 0;
    dumped_example(&t);
    teststore_read_file(&t, "MANIFEST-000001", &data, &size);
    const char *p = dumped_file(&t, "MANIFEST-000001");
    for (; *p; p = strchr(p, '\n') + 1) {
        if (p[0] != '0') continue; /* an announcement */
        CHECK_INT(strtoul(p, &end, 16), next);
        for (p = end + 2; p[0] != ' ' && p[0] != '\n'; p = end + (*end == ' ')) {
            REQUIRE(next < size);
            CHECK_INT(strtoul(p, &end, 16), data[next]);
            next++;
        }
    }
    CHECK_INT(next, size);
    free(data);
    teststore_deinit(&t);
}

static void a_damaged_record_is_a_gap_and_the_chain_behind_it_is_flagged(void)
{
    uint8_t *data;
    size_t size;
    dumped_example(&t);
    teststore_read_file(&t, "000003.log", &data, &size);
    data[40] ^= 1;
    dumped_clear();
    dump_log(slice_of(data, size), 3, dumped_line, NULL);
    CHECK(dumped_has("61 bytes at 0 that are no record of this log\n"));
    CHECK(dumped_has("... 29 bytes more\n"));
    CHECK(dumped_has("record 3 at 61: 32 bytes, a mark\n"));
    free(data);

    teststore_read_file(&t, "MANIFEST-000001", &data, &size);
    data[60] ^= 1; /* the second record */
    dumped_clear();
    dump_manifest(slice_of(data, size), 1, dumped_line, NULL);
    CHECK(dumped_has("32 bytes at 48 that are no record of this log\n"));
    CHECK(dumped_has("record 2 at 80: 39 bytes, BEHIND THE END OF THE CHAIN\n"));
    CHECK(!strstr(dumped_text(), "record 3 at 119: 32 bytes, a mark, BEHIND"));
    free(data);
    teststore_deinit(&t);
}

/* Under another number the salt differs: what an earlier log left is not shown as ours. */
static void another_logs_records_are_not_taken_for_its_own(void)
{
    uint8_t *data;
    size_t size;
    dumped_example(&t);
    teststore_read_file(&t, "000003.log", &data, &size);
    dumped_clear();
    dump_log(slice_of(data, size), 4, dumped_line, NULL);
    CHECK(dumped_has("512 bytes at 0 that are no record of this log\n"));
    free(data);
    teststore_deinit(&t);
}

/* A sound frame around a payload of a newer program, or of none. */
static void a_payload_that_makes_no_sense_is_shown_as_bytes(void)
{
    uint8_t frame[WAL_HEADER_BYTES + 4];
    memcpy(frame + WAL_HEADER_BYTES, "\x63\x01\x02\x03", 4);
    wal_frame(frame, 4, 7, (struct wal_chain){0, 0}, 1, (struct wal_position){7, 0});
    dumped_clear();
    dump_manifest(slice_of(frame, sizeof frame), 7, dumped_line, NULL);
    CHECK(
        dumped_has("000020  63 01 02 03              a field that this program does not "
                   "know\n"));
    dumped_clear();
    dump_log(slice_of(frame, sizeof frame), 7, dumped_line, NULL);
    CHECK(dumped_has("000020  63 01 02 03              not an entry of a batch\n"));
}

static void any_bytes_can_be_dumped(void)
{
    struct rng r;
    uint8_t *data;
    size_t size;
    rng_init(&r, 3);
    dumped_example(&t);
    teststore_read_file(&t, "MANIFEST-000001", &data, &size);
    for (int round = 0; round < 300; round++) {
        size_t cut = (size_t)rng_below(&r, size + 1);
        uint8_t *exact = malloc(cut ? cut : 1);
        memcpy(exact, data, cut);
        for (int i = 0; i < round % 4 && cut; i++)
            exact[rng_below(&r, cut)] = (uint8_t)rng_next(&r);
        dumped_clear();
        dump_manifest(slice_of(exact, cut), 1, dumped_line, NULL);
        dumped_clear();
        dump_log(slice_of(exact, cut), 1, dumped_line, NULL);
        free(exact);
    }
    free(data);
    teststore_deinit(&t);
}

CU_TestInfo engine_dump_log_tests[] = {
    {"every_kind_of_entry_is_told", every_kind_of_entry_is_told},
    {"every_field_of_an_edit_is_told", every_field_of_an_edit_is_told},
    {"no_byte_is_left_out", no_byte_is_left_out},
    {"a_damaged_record_is_a_gap_and_the_chain_behind_it_is_flagged",
     a_damaged_record_is_a_gap_and_the_chain_behind_it_is_flagged},
    {"another_logs_records_are_not_taken_for_its_own",
     another_logs_records_are_not_taken_for_its_own},
    {"a_payload_that_makes_no_sense_is_shown_as_bytes",
     a_payload_that_makes_no_sense_is_shown_as_bytes},
    {"any_bytes_can_be_dumped", any_bytes_can_be_dumped},
    CU_TEST_INFO_NULL,
};
