#include "tests/support/check.h"

#include <limits.h>
#include <stdio.h>

#include "engine/wal.h"
#include "tests/support/failing.h"

#define LOG 7

/* A log on a simulated disk of 64-byte chunks. */
static struct disk *disk;
static struct disk_dir *dir;
static struct disk_file *file;
static struct wal_writer w;
static struct err_detail why;

static void begin(void)
{
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    config.chunk_bytes = 64;
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &disk), 0);
    REQUIRE_INT(disk_dir_open(disk, ".", &dir), 0);
    REQUIRE_INT(disk_open(dir, "000007.log", DISK_READ | DISK_WRITE | DISK_CREATE,
                          SITE_WAL_CREATE, &file),
                0);
    REQUIRE_INT(disk_dir_sync(dir, SITE_WAL_DIRSYNC), 0);
    wal_writer_init(&w, file, &wal_sites, LOG, 0, (struct wal_chain){0, 0},
                    (struct wal_position){LOG, 0});
}

static void end(void)
{
    disk_close(file);
    disk_dir_close(dir);
    disk_sim_free(disk);
}

static enum err append(const char *payload, seqno seq)
{
    uint8_t frame[256];
    size_t n = strlen(payload);
    memcpy(frame + WAL_HEADER_BYTES, payload, n);
    return wal_append(&w, frame, n, seq, &why);
}

static size_t contents(uint8_t *out, size_t n)
{
    size_t got = 0;
    REQUIRE_INT(disk_read(file, 0, out, n, &got), 0);
    return got;
}

/* The payloads on the disk joined with '|', read with the chain checked. */
static void expect_records(const char *want)
{
    uint8_t bytes[1024];
    char out[512] = "";
    size_t n = contents(bytes, sizeof bytes), at = 0;
    struct wal_chain chain = {0, 0};
    struct wal_record record;
    while (wal_parse(bytes + at, n - at, LOG, &record) == WAL_PARSE_OK) {
        CHECK_INT(record.previous, chain.checksum);
        CHECK_INT(record.number, chain.number);
        chain = (struct wal_chain){record.checksum, record.number + 1};
        if (at) strcat(out, "|");
        strncat(out, (const char *)record.payload.data, record.payload.size);
        at += record.bytes;
    }
    CHECK_TEXT(out, want);
}

/* ---- the frame ---- */

static void a_frame_is_these_bytes_for_ever(void)
{
    static const char golden[] = "0e38317b"
                                 "03000000"
                                 "efbeadde"
                                 "05000000"
                                 "0900000000000000"
                                 "40000000"
                                 "02000000"
                                 "616263";
    uint8_t frame[WAL_HEADER_BYTES + 3];
    char hex[2 * sizeof frame + 1];
    memcpy(frame + WAL_HEADER_BYTES, "abc", 3);
    wal_frame(frame, 3, LOG, (struct wal_chain){0xdeadbeef, 5}, 9,
              (struct wal_position){LOG - 2, 64});
    for (size_t i = 0; i < sizeof frame; i++)
        sprintf(hex + 2 * i, "%02x", frame[i]);
    CHECK_TEXT(hex, golden);
}

static void a_frame_says_what_was_put_into_it(void)
{
    uint8_t frame[WAL_HEADER_BYTES + 3];
    struct wal_record r;
    memcpy(frame + WAL_HEADER_BYTES, "abc", 3);
    uint32_t checksum = wal_frame(frame, 3, LOG, (struct wal_chain){11, 5}, SEQNO_MAX,
                                  (struct wal_position){1, UINT32_MAX});
    REQUIRE_INT(wal_parse(frame, sizeof frame, LOG, &r), WAL_PARSE_OK);
    CHECK_INT(r.checksum, checksum);
    CHECK_INT(r.previous, 11);
    CHECK_INT(r.number, 5);
    CHECK_INT(r.first_seq, SEQNO_MAX);
    CHECK_INT(r.watermark.log, 1);
    CHECK_INT(r.watermark.offset, UINT32_MAX);
    CHECK_SLICE(r.payload, slice_text("abc"));
    CHECK_INT(r.bytes, sizeof frame);
}

static void a_frame_cut_anywhere_is_not_a_record(void)
{
    uint8_t frame[WAL_HEADER_BYTES + 20] = {0};
    struct wal_record r;
    wal_frame(frame, 20, LOG, (struct wal_chain){1, 1}, 1, (struct wal_position){LOG, 0});
    for (size_t n = 0; n < sizeof frame; n++) {
        CHECK_INT(wal_parse(frame, n, LOG, &r), WAL_PARSE_PARTIAL);
        CHECK_INT(r.bytes, n < WAL_HEADER_BYTES ? WAL_HEADER_BYTES : sizeof frame);
    }
}

static void a_frame_with_any_bit_flipped_is_not_a_record(void)
{
    uint8_t frame[WAL_HEADER_BYTES + 20] = {0};
    struct wal_record r;
    wal_frame(frame, 20, LOG, (struct wal_chain){1, 1}, 1, (struct wal_position){LOG, 0});
    for (size_t bit = 0; bit < 8 * sizeof frame; bit++) {
        frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(wal_parse(frame, sizeof frame, LOG, &r) != WAL_PARSE_OK);
        frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK_INT(wal_parse(frame, sizeof frame, LOG, &r), WAL_PARSE_OK);
}

/* What an earlier log left in a recycled file must not be taken for a record. */
static void a_record_of_another_log_is_none_of_ours(void)
{
    uint8_t frame[WAL_HEADER_BYTES + 3] = {0};
    struct wal_record r;
    wal_frame(frame, 3, LOG, (struct wal_chain){1, 1}, 1, (struct wal_position){LOG, 0});
    for (uint64_t log = 0; log < 100; log++)
        CHECK((wal_parse(frame, sizeof frame, log, &r) == WAL_PARSE_OK) == (log == LOG));
}

static void zeros_are_not_a_record(void)
{
    uint8_t zeros[128] = {0};
    struct wal_record r;
    for (uint64_t log = 0; log < 100; log++)
        CHECK_INT(wal_parse(zeros, sizeof zeros, log, &r), WAL_PARSE_BAD);
}

/* ---- appending and syncing ---- */

static void records_stand_behind_each_other_in_a_chain(void)
{
    begin();
    CHECK_INT(append("one", 1), ERR_OK);
    CHECK_INT(append("", 2), ERR_OK);
    CHECK_INT(append("three", 3), ERR_OK);
    expect_records("one||three");
    CHECK_INT(w.offset, 3 * WAL_HEADER_BYTES + 8);
    CHECK_INT(w.synced, 0);
    end();
}

static void a_sync_makes_durable_what_stood_before_it(void)
{
    begin();
    CHECK_INT(append("one", 1), ERR_OK);
    CHECK_INT(wal_sync(&w, &why), ERR_OK);
    CHECK_INT(w.synced, w.offset);
    CHECK_INT(append("two", 2), ERR_OK);
    CHECK(w.synced < w.offset);
    disk_sim_power_cut(disk, DISK_SURVIVE_NONE, NULL);
    disk_close(file);
    disk_dir_close(dir);
    REQUIRE_INT(disk_dir_open(disk, ".", &dir), 0);
    REQUIRE_INT(disk_open(dir, "000007.log", DISK_READ, SITE_WAL_CREATE, &file), 0);
    expect_records("one");
    end();
}

static void a_record_carries_the_last_sync_that_returned_before_it(void)
{
    uint8_t bytes[512];
    struct wal_record r;
    begin();
    CHECK_INT(append("one", 1), ERR_OK);
    uint64_t first = w.offset;
    CHECK_INT(append("two", 2), ERR_OK);
    CHECK_INT(wal_sync(&w, &why), ERR_OK);
    uint64_t synced = w.offset;
    CHECK_INT(append("three", 3), ERR_OK);
    size_t n = contents(bytes, sizeof bytes);
    REQUIRE_INT(wal_parse(bytes + first, n, LOG, &r), WAL_PARSE_OK);
    CHECK_INT(r.watermark.offset, 0);
    REQUIRE_INT(wal_parse(bytes + synced, n, LOG, &r), WAL_PARSE_OK);
    CHECK_INT(r.watermark.log, LOG);
    CHECK_INT(r.watermark.offset, synced);
    end();
}

static void what_finds_no_room_gives_its_place_to_the_next_record(void)
{
    begin();
    CHECK_INT(append("one", 1), ERR_OK);
    disk_sim_fail_next(disk, DISK_EFFECT_FULL, 28, 0);
    CHECK_INT(append("two", 2), ERR_NO_SPACE);
    CHECK(w.scrap);
    CHECK_INT(append("three", 3), ERR_OK);
    CHECK(!w.scrap);
    disk_sim_fail_next(disk, DISK_EFFECT_FULL, 28, 0);
    CHECK_INT(append("four", 4), ERR_NO_SPACE);
    CHECK_INT(wal_cover_scrap(&w, 4, &why), ERR_OK);
    expect_records("one|three|");
    end();
}

/* What a mark covers in the cache a power cut could bring back. */
static void no_mark_is_written_over_what_found_no_room(void)
{
    begin();
    CHECK_INT(append("one", 1), ERR_OK);
    CHECK_INT(wal_sync(&w, &why), ERR_OK);
    disk_sim_fail_next(disk, DISK_EFFECT_FULL, 28, 0);
    CHECK_INT(append("two", 2), ERR_NO_SPACE);
    uint64_t offset = w.offset;
    CHECK_INT(wal_mark(&w, 2, &why), ERR_OK);
    CHECK_INT(w.offset, offset);
    CHECK(!w.marked && w.scrap);
    end();
}

static void a_failed_write_is_final(void)
{
    begin();
    CHECK_INT(append("one", 1), ERR_OK);
    CHECK_INT(wal_sync(&w, &why), ERR_OK);
    uint64_t offset = w.offset;
    disk_sim_fail_next(disk, DISK_EFFECT_PARTIAL, 5, 10);
    CHECK_INT(append("two", 2), ERR_IO);
    CHECK_INT(why.os_error, 5);
    CHECK_INT(w.offset, offset);
    CHECK_INT(append("three", 3), ERR_WRITES_REFUSED);
    CHECK_INT(wal_sync(&w, &why), ERR_WRITES_REFUSED);
    CHECK_INT(wal_mark(&w, 3, &why), ERR_WRITES_REFUSED);
    expect_records("one");
    end();
}

/* The pages may be gone although a second sync would return 0. */
static void a_failed_sync_is_final(void)
{
    begin();
    CHECK_INT(append("one", 1), ERR_OK);
    disk_sim_fail_next(disk, DISK_EFFECT_NONE, 5, 0);
    CHECK_INT(wal_sync(&w, &why), ERR_IO);
    CHECK_INT(w.synced, 0);
    CHECK_INT(w.watermark.offset, 0);
    CHECK_INT(wal_sync(&w, &why), ERR_WRITES_REFUSED);
    CHECK_INT(append("two", 2), ERR_WRITES_REFUSED);
    CHECK_INT(w.synced, 0);
    end();
}

static void a_mark_is_written_once_and_carries_the_end(void)
{
    uint8_t bytes[512];
    struct wal_record r;
    begin();
    CHECK_INT(append("one", 1), ERR_OK);
    CHECK_INT(wal_sync(&w, &why), ERR_OK);
    uint64_t end_of_one = w.offset;
    CHECK_INT(wal_mark(&w, 2, &why), ERR_OK);
    CHECK_INT(w.offset, end_of_one + WAL_HEADER_BYTES);
    CHECK_INT(wal_mark(&w, 2, &why), ERR_OK); /* says as much already */
    CHECK_INT(w.offset, end_of_one + WAL_HEADER_BYTES);
    size_t n = contents(bytes, sizeof bytes);
    REQUIRE_INT(wal_parse(bytes + end_of_one, n, LOG, &r), WAL_PARSE_OK);
    CHECK_INT(r.payload.size, 0);
    CHECK_INT(r.watermark.offset, end_of_one);

    CHECK_INT(append("two", 2), ERR_OK); /* and again behind a new record */
    CHECK_INT(wal_sync(&w, &why), ERR_OK);
    uint64_t offset = w.offset;
    CHECK_INT(wal_mark(&w, 3, &why), ERR_OK);
    CHECK_INT(w.offset, offset + WAL_HEADER_BYTES);
    end();
}

static void a_chain_goes_on_in_the_next_log(void)
{
    struct wal_record r;
    uint8_t bytes[512];
    begin();
    wal_writer_init(&w, file, &wal_sites, LOG, 0, (struct wal_chain){0xabc, 41},
                    (struct wal_position){LOG - 1, 300});
    CHECK_INT(w.synced, 0); /* of this log nothing */
    CHECK_INT(append("one", 1), ERR_OK);
    size_t n = contents(bytes, sizeof bytes);
    REQUIRE_INT(wal_parse(bytes, n, LOG, &r), WAL_PARSE_OK);
    CHECK_INT(r.previous, 0xabc);
    CHECK_INT(r.number, 41);
    CHECK_INT(r.watermark.log, LOG - 1);
    CHECK_INT(r.watermark.offset, 300);
    end();
}

/* ---- files ---- */

static void a_created_log_is_zeros_of_its_full_size_and_durable(void)
{
    struct disk_file *created;
    uint64_t size;
    begin();
    CHECK_INT(append("left over from a cut recovery", 1), ERR_OK);
    CHECK_INT(wal_create(mem_libc(), dir, LOG, 300, 64, &created, &why), ERR_OK);
    disk_close(created);
    REQUIRE_INT(disk_dir_sync(dir, SITE_WAL_DIRSYNC), 0); /* its name is new */
    disk_sim_power_cut(disk, DISK_SURVIVE_NONE, NULL);
    disk_close(file);
    disk_dir_close(dir);
    REQUIRE_INT(disk_dir_open(disk, ".", &dir), 0);
    REQUIRE_INT(disk_open(dir, "000007.log", DISK_READ, SITE_WAL_CREATE, &file), 0);
    REQUIRE_INT(disk_size(file, &size), 0);
    CHECK_INT(size, 300);
    uint8_t bytes[300], zeros[300] = {0};
    CHECK_INT(contents(bytes, sizeof bytes), sizeof bytes);
    CHECK(memcmp(bytes, zeros, sizeof zeros) == 0);
    end();
}

/* However large the buffer: every later record pays for the size of these writes. */
static void a_created_log_is_filled_in_small_writes(void)
{
    struct disk_file *created;
    struct failing f;
    begin();
    failing_begin(&f, disk, LONG_MAX);
    CHECK_INT(wal_create(mem_libc(), dir, 8, 40 << 10, 64 << 10, &created, &why), ERR_OK);
    failing_end(&f);
    CHECK_INT(f.calls, 5); /* open, three writes, sync */
    disk_close(created);
    end();
}

static void creating_may_fail_at_every_call(void)
{
    struct mem_counting mem;
    mem_counting_init(&mem, mem_libc());
    for (long k = 1;; k++) {
        struct failing f;
        struct disk_file *created = NULL;
        begin();
        failing_begin(&f, disk, k);
        enum err e = wal_create(&mem.mem, dir, 8, 200, 64, &created, &why);
        failing_end(&f);
        bool failed = f.calls >= k;
        CHECK_INT(e, failed ? ERR_IO : ERR_OK);
        CHECK((created != NULL) == !failed);
        if (failed) CHECK(strstr(why.text, "000008.log") != NULL);
        if (created) disk_close(created);
        CHECK_INT(mem.blocks, 0);
        end();
        if (!failed) {
            CHECK(k > 5); /* open, four writes, sync */
            break;
        }
    }
    begin();
    struct disk_file *created;
    mem.fail_at = mem.calls + 1;
    CHECK_INT(wal_create(&mem.mem, dir, 8, 200, 64, &created, &why), ERR_NOMEM);
    end();
}

static void a_recycled_log_has_only_its_new_name(void)
{
    struct disk_file *other;
    begin();
    CHECK_INT(append("one", 1), ERR_OK);
    CHECK_INT(wal_recycle(dir, LOG, 9, &why), ERR_OK);
    CHECK(disk_open(dir, "000007.log", DISK_READ, SITE_WAL_CREATE, &other) != 0);
    CHECK_INT(disk_open(dir, "000009.log", DISK_READ, SITE_WAL_CREATE, &other), 0);
    disk_close(other);
    disk_sim_fail_next(disk, DISK_EFFECT_NONE, 5, 0);
    CHECK_INT(wal_recycle(dir, 9, 10, &why), ERR_IO);
    end();
}

static void places_are_ordered_by_log_then_offset(void)
{
    struct wal_position a = {1, 900}, b = {2, 0}, c = {2, 1};
    CHECK(wal_position_compare(a, b) < 0);
    CHECK(wal_position_compare(c, b) > 0);
    CHECK(wal_position_compare(c, a) > 0);
    CHECK(wal_position_compare(b, b) == 0);
}

CU_TestInfo engine_wal_write_tests[] = {
    {"a_frame_is_these_bytes_for_ever", a_frame_is_these_bytes_for_ever},
    {"a_frame_says_what_was_put_into_it", a_frame_says_what_was_put_into_it},
    {"a_frame_cut_anywhere_is_not_a_record", a_frame_cut_anywhere_is_not_a_record},
    {"a_frame_with_any_bit_flipped_is_not_a_record",
     a_frame_with_any_bit_flipped_is_not_a_record},
    {"a_record_of_another_log_is_none_of_ours", a_record_of_another_log_is_none_of_ours},
    {"zeros_are_not_a_record", zeros_are_not_a_record},
    {"records_stand_behind_each_other_in_a_chain",
     records_stand_behind_each_other_in_a_chain},
    {"a_sync_makes_durable_what_stood_before_it",
     a_sync_makes_durable_what_stood_before_it},
    {"a_record_carries_the_last_sync_that_returned_before_it",
     a_record_carries_the_last_sync_that_returned_before_it},
    {"what_finds_no_room_gives_its_place_to_the_next_record",
     what_finds_no_room_gives_its_place_to_the_next_record},
    {"no_mark_is_written_over_what_found_no_room",
     no_mark_is_written_over_what_found_no_room},
    {"a_failed_write_is_final", a_failed_write_is_final},
    {"a_failed_sync_is_final", a_failed_sync_is_final},
    {"a_mark_is_written_once_and_carries_the_end",
     a_mark_is_written_once_and_carries_the_end},
    {"a_chain_goes_on_in_the_next_log", a_chain_goes_on_in_the_next_log},
    {"a_created_log_is_zeros_of_its_full_size_and_durable",
     a_created_log_is_zeros_of_its_full_size_and_durable},
    {"a_created_log_is_filled_in_small_writes", a_created_log_is_filled_in_small_writes},
    {"creating_may_fail_at_every_call", creating_may_fail_at_every_call},
    {"a_recycled_log_has_only_its_new_name", a_recycled_log_has_only_its_new_name},
    {"places_are_ordered_by_log_then_offset", places_are_ordered_by_log_then_offset},
    CU_TEST_INFO_NULL,
};
