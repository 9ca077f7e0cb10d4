#include "tests/support/check.h"
#include "tests/support/teststore.h"

#include <stdlib.h>

#include "engine/wal.h"

/* A log of records on a simulated disk, and what a reader makes of it. */
struct fixture {
    struct teststore store; /* only its disk is used */
    struct disk_dir *dir;
    struct disk_file *file;
    struct wal_writer writer;
};

#define LOG 7

static void setup(struct fixture *f)
{
    teststore_init(&f->store);
    REQUIRE_INT(disk_dir_open(f->store.disk, ".", &f->dir), 0);
    REQUIRE_INT(disk_open(f->dir, "log", DISK_READ | DISK_WRITE | DISK_CREATE,
                          SITE_WAL_CREATE, &f->file),
                0);
    wal_writer_init(&f->writer, f->file, &wal_sites, LOG, 0, (struct wal_chain){0, 0},
                    (struct wal_position){LOG, 0});
}

static void teardown(struct fixture *f)
{
    disk_close(f->file);
    disk_dir_close(f->dir);
    teststore_deinit(&f->store);
}

static void append(struct fixture *f, const char *payload, seqno seq)
{
    uint8_t frame[512];
    size_t n = strlen(payload);
    memcpy(frame + WAL_HEADER_BYTES, payload, n);
    REQUIRE_INT(wal_append(&f->writer, frame, n, seq, NULL), ERR_OK);
}

static void sync_log(struct fixture *f)
{
    REQUIRE_INT(wal_sync(&f->writer, NULL), ERR_OK);
}

static uint64_t file_size(struct fixture *f)
{
    uint64_t size;
    REQUIRE_INT(disk_size(f->file, &size), 0);
    return size;
}

static void flip(struct fixture *f, uint64_t offset)
{
    uint8_t byte;
    size_t got;
    REQUIRE_INT(disk_read(f->file, offset, &byte, 1, &got), 0);
    byte ^= 0x10;
    REQUIRE_INT(disk_write(f->file, offset, &byte, 1, SITE_OTHER_WRITE, NULL), 0);
}

/* Reads with a small step all records into "a|b|c"; returns the count. */
static int read_all(struct fixture *f, uint64_t log, char *out, struct wal_tail *tail)
{
    struct wal_reader r;
    struct wal_record record;
    struct err_detail why;
    int n = 0;
    out[0] = 0;
    wal_reader_init(&r, mem_libc(), f->file, log, file_size(f), (struct wal_chain){0, 0},
                    16);
    enum err e;
    while ((e = wal_reader_next(&r, &record, &why)) == ERR_OK) {
        if (n++) strcat(out, "|");
        strncat(out, (const char *)record.payload.data, record.payload.size);
    }
    CHECK_INT(e, ERR_NOT_FOUND);
    struct wal_position broken = {log, r.offset};
    CHECK_INT(wal_reader_tail(&r, broken, r.chain.number, tail, &why), ERR_OK);
    wal_reader_deinit(&r);
    return n;
}

static void records_come_back_in_order(void)
{
    struct fixture f;
    struct wal_tail tail;
    char text[512];
    setup(&f);
    append(&f, "one", 1);
    append(&f, "", 2);
    append(&f, "three", 2);
    CHECK_INT(read_all(&f, LOG, text, &tail), 3);
    CHECK_TEXT(text, "one||three");
    CHECK_INT(tail.end, f.writer.offset);
    CHECK(!tail.records && !tail.rot);
    teardown(&f);
}

static void a_record_of_another_log_is_no_record(void)
{
    struct fixture f;
    struct wal_tail tail;
    char text[512];
    setup(&f);
    append(&f, "one", 1);
    CHECK_INT(read_all(&f, LOG + 1, text, &tail), 0);
    CHECK(!tail.records);
    CHECK_INT(tail.end, f.writer.offset); /* bytes, but nobody's */
    teardown(&f);
}

static void a_torn_record_ends_the_log_at_every_cut(void)
{
    struct fixture f;
    struct wal_tail tail;
    char text[512];
    setup(&f);
    append(&f, "first", 1);
    uint64_t good = f.writer.offset;
    append(&f, "the second record", 2);
    for (uint64_t cut = f.writer.offset - 1; cut >= good; cut--) {
        REQUIRE_INT(disk_truncate(f.file, cut, SITE_OTHER_TRUNCATE), 0);
        CHECK_INT(read_all(&f, LOG, text, &tail), 1);
        CHECK_TEXT(text, "first");
        CHECK(!tail.rot && !tail.records);
        CHECK(tail.end <= cut);
    }
    teardown(&f);
}

static void zeros_behind_the_end_are_a_clean_end(void)
{
    struct fixture f;
    struct wal_tail tail;
    char text[512];
    setup(&f);
    append(&f, "one", 1);
    REQUIRE_INT(disk_truncate(f.file, 3000, SITE_OTHER_TRUNCATE), 0);
    CHECK_INT(read_all(&f, LOG, text, &tail), 1);
    CHECK_INT(tail.end, f.writer.offset);
    teardown(&f);
}

static void a_flipped_bit_in_an_unsynced_record_is_a_tear(void)
{
    struct fixture f;
    struct wal_tail tail;
    char text[512];
    setup(&f);
    append(&f, "one", 1);
    uint64_t second = f.writer.offset;
    append(&f, "two", 2);
    append(&f, "three", 3);
    flip(&f, second + WAL_HEADER_BYTES);
    CHECK_INT(read_all(&f, LOG, text, &tail), 1);
    CHECK(tail.records);
    CHECK(!tail.rot);
    CHECK_INT(tail.end, f.writer.offset);
    teardown(&f);
}

static void damage_below_a_later_watermark_is_rot_at_every_byte(void)
{
    struct fixture f;
    struct wal_tail tail;
    char text[512];
    setup(&f);
    append(&f, "one", 1);
    append(&f, "two", 2);
    sync_log(&f);
    uint64_t synced = f.writer.offset;
    append(&f, "three", 3);
    for (uint64_t at = 0; at < synced; at++) {
        flip(&f, at);
        read_all(&f, LOG, text, &tail);
        CHECK(tail.rot);
        CHECK_INT(tail.witness, synced);
        flip(&f, at);
    }
    teardown(&f);
}

static void a_mark_proves_rot_in_the_last_record(void)
{
    struct fixture f;
    struct wal_tail tail;
    char text[512];
    setup(&f);
    append(&f, "only", 1);
    sync_log(&f);
    uint64_t synced = f.writer.offset;
    REQUIRE_INT(wal_mark(&f.writer, 2, NULL), ERR_OK);
    REQUIRE_INT(wal_mark(&f.writer, 2, NULL), ERR_OK); /* a second one is not written */
    CHECK_INT(f.writer.offset, synced + WAL_HEADER_BYTES);
    flip(&f, WAL_HEADER_BYTES);
    read_all(&f, LOG, text, &tail);
    CHECK(tail.rot);
    teardown(&f);
}

static void a_valid_record_that_does_not_continue_the_chain_ends_it(void)
{
    struct fixture f;
    struct wal_tail tail;
    char text[512];
    setup(&f);
    append(&f, "one", 1);
    struct wal_writer fork = f.writer;
    append(&f, "two", 2);
    append(&f, "three", 3);
    /* other bytes of the same length where "two" was: "three" does not follow them */
    f.writer = fork;
    append(&f, "TWO", 2);
    CHECK_INT(read_all(&f, LOG, text, &tail), 2);
    CHECK_TEXT(text, "one|TWO");
    CHECK(tail.records);
    teardown(&f);
}

static void a_payload_longer_than_the_step_is_read_whole(void)
{
    struct fixture f;
    struct wal_tail tail;
    char text[512], payload[301];
    setup(&f);
    memset(payload, 'x', 300);
    payload[300] = 0;
    append(&f, payload, 1);
    append(&f, "y", 2);
    CHECK_INT(read_all(&f, LOG, text, &tail), 2);
    CHECK_INT(strlen(text), 302);
    teardown(&f);
}

/* Returns the longest run of records whose payloads stayed where they were. */
static int longest_run(struct fixture *f, size_t step)
{
    struct wal_reader r;
    struct wal_record run[8];
    int n = 0, longest = 0, first = 0;
    wal_reader_init(&r, mem_libc(), f->file, LOG, file_size(f), (struct wal_chain){0, 0},
                    step);
    do {
        if (!wal_reader_has_next(&r)) {
            first += n;
            n = 0;
        }
        if (wal_reader_next(&r, &run[n], NULL)) break;
        n++;
        for (int i = 0; i < n; i++)
            CHECK_INT(run[i].payload.data[first + i], 'a' + first + i);
        if (n > longest) longest = n;
    } while (n < 8);
    CHECK_INT(first + n, 8);
    wal_reader_deinit(&r);
    return longest;
}

static void payloads_stay_while_the_next_record_is_in_the_buffer(void)
{
    struct fixture f;
    const char *text = "abcdefgh";
    setup(&f);
    for (size_t n = 1; n <= 8; n++) {
        char payload[9] = {0};
        memcpy(payload, text, n);
        append(&f, payload, n);
    }
    for (size_t step = 1; step < 400; step++)
        CHECK(longest_run(&f, step) >= 1);
    CHECK_INT(longest_run(&f, WAL_HEADER_BYTES * 2 + 3), 2);
    CHECK_INT(longest_run(&f, 4096), 8);
    teardown(&f);
}

static void a_hostile_length_is_never_allocated(void)
{
    struct fixture f;
    struct wal_reader r;
    struct wal_record record;
    struct mem_counting mem;
    setup(&f);
    uint8_t header[WAL_HEADER_BYTES];
    memset(header, 0xff, sizeof header);
    memset(header + 24, 0, 8); /* plausible watermark */
    memset(header + 16, 1, 1);
    memset(header + 17, 0, 7); /* plausible sequence number */
    header[4] = header[5] = header[6] = 0xff;
    header[7] = 0x3f; /* almost 1 GiB */
    REQUIRE_INT(disk_write(f.file, 0, header, sizeof header, SITE_OTHER_WRITE, NULL), 0);
    mem_counting_init(&mem, mem_libc());
    wal_reader_init(&r, &mem.mem, f.file, LOG, file_size(&f), (struct wal_chain){0, 0},
                    64);
    CHECK_INT(wal_reader_next(&r, &record, NULL), ERR_NOT_FOUND);
    CHECK(r.capacity <= 64);
    wal_reader_deinit(&r);
    teardown(&f);
}

static void a_read_error_is_an_error_and_not_an_end(void)
{
    struct fixture f;
    struct wal_reader r;
    struct wal_record record;
    struct err_detail why;
    setup(&f);
    append(&f, "one", 1);
    sync_log(&f);
    REQUIRE_INT(disk_sim_damage(f.store.disk, ".", "log", DISK_DAMAGE_EIO, 0, 0), 0);
    wal_reader_init(&r, mem_libc(), f.file, LOG, file_size(&f), (struct wal_chain){0, 0},
                    64);
    CHECK_INT(wal_reader_next(&r, &record, &why), ERR_IO);
    CHECK_INT(why.os_error, 5);
    wal_reader_deinit(&r);
    teardown(&f);
}

/* A repair takes every record that is valid by itself. */
static void records_on_both_sides_of_a_gap_are_salvaged(void)
{
    struct fixture f;
    setup(&f);
    append(&f, "first", 1);
    uint64_t second = f.writer.offset;
    append(&f, "second", 2);
    uint64_t third = f.writer.offset;
    append(&f, "third", 3);
    flip(&f, second + WAL_HEADER_BYTES);

    struct wal_reader r;
    struct wal_record record;
    uint64_t at = 0;
    wal_reader_init(&r, mem_libc(), f.file, LOG, file_size(&f), (struct wal_chain){0, 0},
                    64);
    CHECK_INT(wal_reader_salvage(&r, &at, &record, NULL), ERR_OK);
    CHECK_INT(record.first_seq, 1);
    CHECK_INT(wal_reader_salvage(&r, &at, &record, NULL), ERR_OK);
    CHECK_INT(at, third);
    CHECK_SLICE(record.payload, slice_text("third"));
    CHECK_INT(wal_reader_salvage(&r, &at, &record, NULL), ERR_NOT_FOUND);
    CHECK_INT(r.offset, file_size(&f));
    wal_reader_deinit(&r);
    teardown(&f);
}

/* The disk refuses one piece; what lies behind it is still found. */
static void records_behind_bytes_that_cannot_be_read_are_salvaged(void)
{
    struct fixture f;
    setup(&f);
    for (seqno seq = 1; seq <= 20; seq++)
        append(&f, "thirty-two bytes of a payload...", seq);
    REQUIRE_INT(disk_sim_damage(f.store.disk, ".", "log", DISK_DAMAGE_EIO, 256, 0), 0);

    struct wal_reader r;
    struct wal_record record;
    uint64_t at = 0;
    int found = 0;
    wal_reader_init(&r, mem_libc(), f.file, LOG, file_size(&f), (struct wal_chain){0, 0},
                    64);
    while (wal_reader_salvage(&r, &at, &record, NULL) == ERR_OK)
        found++;
    CHECK(found >= 17 && found < 20);
    CHECK_INT(record.first_seq, 20);
    wal_reader_deinit(&r);
    teardown(&f);
}

CU_TestInfo engine_wal_read_tests[] = {
    {"records_come_back_in_order", records_come_back_in_order},
    {"a_record_of_another_log_is_no_record", a_record_of_another_log_is_no_record},
    {"a_torn_record_ends_the_log_at_every_cut", a_torn_record_ends_the_log_at_every_cut},
    {"zeros_behind_the_end_are_a_clean_end", zeros_behind_the_end_are_a_clean_end},
    {"a_flipped_bit_in_an_unsynced_record_is_a_tear",
     a_flipped_bit_in_an_unsynced_record_is_a_tear},
    {"damage_below_a_later_watermark_is_rot_at_every_byte",
     damage_below_a_later_watermark_is_rot_at_every_byte},
    {"a_mark_proves_rot_in_the_last_record", a_mark_proves_rot_in_the_last_record},
    {"a_valid_record_that_does_not_continue_the_chain_ends_it",
     a_valid_record_that_does_not_continue_the_chain_ends_it},
    {"a_payload_longer_than_the_step_is_read_whole",
     a_payload_longer_than_the_step_is_read_whole},
    {"payloads_stay_while_the_next_record_is_in_the_buffer",
     payloads_stay_while_the_next_record_is_in_the_buffer},
    {"a_hostile_length_is_never_allocated", a_hostile_length_is_never_allocated},
    {"a_read_error_is_an_error_and_not_an_end", a_read_error_is_an_error_and_not_an_end},
    {"records_on_both_sides_of_a_gap_are_salvaged",
     records_on_both_sides_of_a_gap_are_salvaged},
    {"records_behind_bytes_that_cannot_be_read_are_salvaged",
     records_behind_bytes_that_cannot_be_read_are_salvaged},
    CU_TEST_INFO_NULL,
};
