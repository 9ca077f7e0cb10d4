#include "tests/support/check.h"

#include <errno.h>
#include <stdlib.h>

#include "fault/disk_sim.h"
#include "tests/support/table.h"

static struct table t;
static struct entries entries;

static void begin(void)
{
    table_begin(&t);
}

static void end(void)
{
    entries_deinit(&entries);
    table_end(&t);
}

static void fill(uint64_t seed, size_t count, size_t key_max, size_t value_max)
{
    struct rng r;
    rng_init(&r, seed);
    entries_random(&entries, &r, count, 4, key_max, value_max);
}

static void expect_readable(void)
{
    struct sst *sst;
    REQUIRE_INT(table_open(&t, NULL, &sst), ERR_OK);
    CHECK(table_agrees(&t, sst, &entries, false));
    CHECK_INT(sst_check(sst, &t.meta, &t.why), ERR_OK);
    sst_close(sst);
}

static void the_meta_tells_what_is_in_the_file(void)
{
    begin();
    entries_add(&entries, slice_text("ant"), tag_of(9, ENTRY_PUT), slice_text("1"));
    entries_add(&entries, slice_text("bee"), tag_of(4, ENTRY_DELETE), slice_text(""));
    entries_add(&entries, slice_text("bee"), tag_of(2, ENTRY_PUT), slice_text("2"));
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    size_t size;
    free(table_bytes(&t, &size));
    CHECK_INT(t.meta.number, TABLE_NUMBER);
    CHECK_INT(t.meta.size, size);
    CHECK_INT(t.meta.entries, 3);
    CHECK_INT(t.meta.tombstones, 1);
    CHECK_INT(t.meta.min_seq, 2);
    CHECK_INT(t.meta.max_seq, 9);
    CHECK_SLICE(t.meta.smallest, slice_text("ant"));
    CHECK_SLICE(t.meta.largest, slice_text("bee"));
    expect_readable();
    end();
}

/* docs/formats.md#sorted-tables takes this file apart: such files exist. */
static void a_table_is_byte_for_byte_that_of_the_format(void)
{
    /* clang-format off */
    static const uint8_t want[] = {
        0x00, 0x04, 0x03, 0x6b, 0x65, 0x79, 0x31, 0x01, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x6f,
        0x6e, 0x65, 0x03, 0x01, 0x00, 0x32, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x31, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x03, 0x00,
        0x00, 0x00, 0x00, 0xa2, 0x98, 0x42, 0x01, 0x00, 0x04, 0x03, 0x6b, 0x69, 0x77, 0x69, 0x01, 0x01,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x74, 0x77, 0x6f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0xd5, 0x45,
        0xa6, 0x82, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x80, 0x00, 0x4c, 0x00, 0x00, 0x00,
        0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x80, 0x00,
        0x08, 0x40, 0x00, 0x20, 0x43, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x32, 0x00, 0x00, 0x00, 0xa2, 0x98,
        0x42, 0x01, 0x37, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x26, 0x00, 0x00, 0x00, 0xd5, 0x45,
        0xa6, 0x82, 0x00, 0x02, 0x00, 0x6b, 0x69, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x04, 0x00, 0x6b, 0x69, 0x77, 0x69, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x69, 0x77, 0x00, 0x00,
        0x00, 0x00, 0x0d, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x01,
        0x03, 0x02, 0x01, 0x01, 0x03, 0x01, 0x01, 0x04, 0x01, 0x03, 0x05, 0x04, 0x6b, 0x65, 0x79, 0x31,
        0x06, 0x04, 0x6b, 0x69, 0x77, 0x69, 0x07, 0x01, 0x0c, 0x08, 0x01, 0x06, 0x09, 0x01, 0x02, 0x07,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x62, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40,
        0x00, 0x00, 0x00, 0x5c, 0x00, 0x00, 0x00, 0x21, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0xb4,
        0xbb, 0xfe, 0x7c, 0x5e, 0x6d, 0xb4, 0x07, 0x14, 0xfc, 0x00, 0x5d, 0x00, 0x00, 0x00, 0x00, 0x01,
        0x00, 0x00, 0x00, 0xb4, 0x45, 0x1c, 0x7e, 0x52, 0x69, 0x70, 0x74, 0x53, 0x53, 0x54, 0x0a,
    };
    /* clang-format on */
    begin();
    table_tiny(&t);
    entries_add(&entries, slice_text("key1"), tag_of(3, ENTRY_PUT), slice_text("one"));
    entries_add(&entries, slice_text("key2"), tag_of(2, ENTRY_DELETE), slice_text(""));
    entries_add(&entries, slice_text("kiwi"), tag_of(1, ENTRY_PUT), slice_text("two"));
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    size_t size;
    uint8_t *bytes = table_bytes(&t, &size);
    CHECK_SLICE(slice_of(bytes, size), slice_of(want, sizeof want));
    free(bytes);
    expect_readable();
    end();
}

static void equal_entries_give_equal_bytes(void)
{
    begin();
    fill(1, 200, 10, 40);
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    size_t size, again_size;
    uint8_t *bytes = table_bytes(&t, &size);
    t.options.write_buffer_bytes = 64; /* no matter how it is written */
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    uint8_t *again = table_bytes(&t, &again_size);
    CHECK_SLICE(slice_of(again, again_size), slice_of(bytes, size));
    free(bytes);
    free(again);
    end();
}

static void a_leftover_of_the_same_name_is_emptied(void)
{
    begin();
    fill(2, 500, 10, 40);
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    entries_deinit(&entries);
    fill(3, 5, 10, 40);
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    expect_readable();
    end();
}

static void the_bytes_are_durable_when_finish_returned(void)
{
    begin();
    table_tiny(&t);
    fill(4, 50, 8, 20);
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    REQUIRE_INT(disk_dir_sync(t.dir, SITE_OTHER_DIRSYNC), 0);
    disk_dir_close(t.dir);
    disk_sim_power_cut(t.disk, DISK_SURVIVE_NONE, NULL);
    REQUIRE_INT(disk_dir_open(t.disk, ".", &t.dir), 0);
    expect_readable();
    end();
}

static void the_estimate_follows_the_file(void)
{
    begin();
    fill(5, 2000, 12, 100);
    struct sst_builder *b;
    REQUIRE_INT(
        sst_builder_new(&t.mem.mem, t.dir, TABLE_NUMBER, 0, &t.options, &b, &t.why),
        ERR_OK);
    uint64_t before = sst_builder_bytes(b);
    for (size_t i = 0; i < entries.count; i++) {
        sst_builder_add(b, entries.at[i].key, entries.at[i].tag, entries.at[i].value,
                        &t.why);
        CHECK(sst_builder_bytes(b) >= before);
        before = sst_builder_bytes(b);
    }
    REQUIRE_INT(sst_builder_finish(b, &t.meta, &t.why), ERR_OK);
    CHECK(before > t.meta.size * 9 / 10 && before < t.meta.size * 11 / 10);
    end();
}

static void an_abandoned_table_leaks_nothing(void)
{
    begin();
    struct sst_builder *b;
    REQUIRE_INT(
        sst_builder_new(&t.mem.mem, t.dir, TABLE_NUMBER, 0, &t.options, &b, &t.why),
        ERR_OK);
    CHECK_INT(sst_builder_add(b, slice_text("a"), 300, slice_text("v"), &t.why), ERR_OK);
    sst_builder_abandon(b);
    end();
}

/* Every mutating call of the whole writing fails once: the error has the file's name and
 * the errno, nothing leaks, and writing again succeeds. */
static void every_failed_call_is_an_error_with_name_and_errno(void)
{
    static const int errors[] = {EIO, ENOSPC};
    for (int i = 0; i < 2; i++) {
        begin();
        table_tiny(&t);
        fill(6, 30, 8, 20);
        bool finished = false;
        for (uint64_t capacity = 0; !finished; capacity += 512) {
            /* a disk of that size: the call that no longer fits fails */
            if (errors[i] == ENOSPC) {
                disk_sim_set_capacity(t.disk, capacity + 1);
            } else {
                disk_sim_fail_next(t.disk, DISK_EFFECT_PARTIAL, EIO, 10);
                finished = capacity > 0;
            }
            enum err e = table_write(&t, &entries);
            finished |= e == ERR_OK;
            if (!e) continue;
            CHECK_INT(e, errors[i] == EIO ? ERR_IO : ERR_NO_SPACE);
            CHECK_INT(t.why.os_error, errors[i]);
            CHECK(strncmp(t.why.text, "000007.sst: ", 12) == 0);
            disk_unlink(t.dir, "000007.sst", SITE_OTHER_UNLINK);
        }
        disk_sim_set_capacity(t.disk, 0);
        REQUIRE_INT(table_write(&t, &entries), ERR_OK);
        expect_readable();
        end();
    }
}

static void without_memory_nothing_is_left_but_the_file(void)
{
    begin();
    table_tiny(&t);
    fill(7, 40, 30, 30);
    bool finished = false;
    for (long k = 1; !finished; k++) {
        t.mem.calls = 0;
        t.mem.fail_at = k;
        long blocks = t.mem.blocks;
        enum err e = table_write(&t, &entries);
        CHECK(e == ERR_OK || e == ERR_NOMEM);
        finished = e == ERR_OK;
        if (e) CHECK_INT(t.mem.blocks, blocks);
        if (e && k > 1) CHECK_INT(t.why.code, ERR_NOMEM);
    }
    t.mem.fail_at = 0;
    expect_readable();
    end();
}

CU_TestInfo engine_sst_write_tests[] = {
    {"the_meta_tells_what_is_in_the_file", the_meta_tells_what_is_in_the_file},
    {"a_table_is_byte_for_byte_that_of_the_format",
     a_table_is_byte_for_byte_that_of_the_format},
    {"equal_entries_give_equal_bytes", equal_entries_give_equal_bytes},
    {"a_leftover_of_the_same_name_is_emptied", a_leftover_of_the_same_name_is_emptied},
    {"the_bytes_are_durable_when_finish_returned",
     the_bytes_are_durable_when_finish_returned},
    {"the_estimate_follows_the_file", the_estimate_follows_the_file},
    {"an_abandoned_table_leaks_nothing", an_abandoned_table_leaks_nothing},
    {"every_failed_call_is_an_error_with_name_and_errno",
     every_failed_call_is_an_error_with_name_and_errno},
    {"without_memory_nothing_is_left_but_the_file",
     without_memory_nothing_is_left_but_the_file},
    CU_TEST_INFO_NULL,
};
