#include "tests/support/check.h"

#include <stdio.h>

#include "engine/dump_lines.h"

static char out[4096];
static struct dump d;

static void collect(void *arg, const char *line)
{
    (void)arg;
    size_t used = strlen(out);
    snprintf(out + used, sizeof out - used, "%s\n", line);
}

static void begin(const void *bytes, size_t n)
{
    out[0] = 0;
    dump_begin(&d, slice_of(bytes, n), collect, NULL);
}

static void a_piece_is_its_offset_its_bytes_and_their_meaning(void)
{
    begin("\x01\x02\x03\x2a\x00\x00\x00", 7);
    dump_bytes(&d, 3, "three of %d", 7);
    CHECK_INT(dump_fixed(&d, 4, "answer"), 42);
    CHECK_TEXT(out, "000000  01 02 03                 three of 7\n"
                    "000003  2a 00 00 00              answer 42\n");
    CHECK(!d.cut);
}

static void a_long_piece_goes_on_below_and_is_counted_at_last(void)
{
    uint8_t bytes[50];
    for (uint8_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    begin(bytes, sizeof bytes);
    dump_bytes(&d, 49, "long");
    dump_bytes(&d, 1, "behind it");
    CHECK_TEXT(out, "000000  00 01 02 03 04 05 06 07  long\n"
                    "000008  08 09 0a 0b 0c 0d 0e 0f\n"
                    "000010  10 11 12 13 14 15 16 17\n"
                    "000018  18 19 1a 1b 1c 1d 1e 1f\n"
                    "        ... 17 bytes more\n"
                    "000031  31                       behind it\n");
}

static void a_piece_beyond_the_end_shows_what_is_there_and_stops(void)
{
    begin("\x01\x02", 2);
    dump_fixed(&d, 4, "number");
    dump_bytes(&d, 1, "never seen");
    CHECK_TEXT(out, "000000  01 02                    number\n"
                    "        the bytes end here\n");
    CHECK(d.cut);

    begin("\x80\x80", 2);
    uint64_t value = 7;
    dump_varint(&d, "count", &value);
    CHECK_INT(value, 0);
    CHECK(d.cut);
    begin("\x05"
          "abc",
          4);
    dump_prefixed(&d, "key");
    CHECK(d.cut);
    CHECK_TEXT(out, "000000  05 61 62 63              key: longer than what is left\n");
}

static void lengths_and_numbers_are_read_as_the_formats_say(void)
{
    uint64_t value;
    begin("\xac\x02\x03key", 6);
    dump_varint(&d, "number", &value);
    dump_prefixed(&d, "name");
    CHECK_INT(value, 300);
    CHECK_TEXT(out, "000000  ac 02                    number 300\n"
                    "000002  03 6b 65 79              name \"key\"\n");
}

static void a_checksum_is_compared(void)
{
    begin("\x04\x03\x02\x01\x04\x03\x02\x01", 8);
    dump_checksum(&d, "crc", 0x01020304);
    dump_checksum(&d, "crc", 0x01020305);
    CHECK_TEXT(out,
               "000000  04 03 02 01              crc: good\n"
               "000004  04 03 02 01              crc: WRONG, the bytes have 01020305\n");
}

static void text_is_quoted_so_that_every_byte_can_be_told(void)
{
    char quoted[DUMP_QUOTED_BYTES];
    CHECK_TEXT(dump_quote(slice_text("plain text"), quoted), "\"plain text\"");
    CHECK_TEXT(dump_quote(slice_of("\0\n\"\\\xff", 5), quoted),
               "\"\\x00\\x0a\\x22\\x5c\\xff\"");
    CHECK_TEXT(dump_quote(slice_of(NULL, 0), quoted), "\"\"");
    uint8_t zeros[1000] = {0};
    dump_quote(slice_of(zeros, sizeof zeros), quoted);
    CHECK(strstr(quoted, "... (1000 bytes)") != NULL);
    CHECK(strlen(quoted) < DUMP_QUOTED_BYTES);
}

CU_TestInfo engine_dump_lines_tests[] = {
    {"a_piece_is_its_offset_its_bytes_and_their_meaning",
     a_piece_is_its_offset_its_bytes_and_their_meaning},
    {"a_long_piece_goes_on_below_and_is_counted_at_last",
     a_long_piece_goes_on_below_and_is_counted_at_last},
    {"a_piece_beyond_the_end_shows_what_is_there_and_stops",
     a_piece_beyond_the_end_shows_what_is_there_and_stops},
    {"lengths_and_numbers_are_read_as_the_formats_say",
     lengths_and_numbers_are_read_as_the_formats_say},
    {"a_checksum_is_compared", a_checksum_is_compared},
    {"text_is_quoted_so_that_every_byte_can_be_told",
     text_is_quoted_so_that_every_byte_can_be_told},
    CU_TEST_INFO_NULL,
};
