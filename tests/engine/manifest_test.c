#include "tests/support/check.h"
#include "tests/support/teststore.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/manifest.h"
#include "tests/support/failing.h"

/* ---- the pointer ---- */

static struct disk *disk;
static struct disk_dir *dir;
static struct err_detail why;

static void begin(void)
{
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    config.chunk_bytes = 64;
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &disk), 0);
    REQUIRE_INT(disk_dir_open(disk, ".", &dir), 0);
}

static void end(void)
{
    disk_dir_close(dir);
    disk_sim_free(disk);
}

static void write_current(const void *bytes, size_t n)
{
    struct disk_file *file;
    unsigned flags = DISK_WRITE | DISK_CREATE | DISK_TRUNC;
    REQUIRE_INT(disk_open(dir, "CURRENT", flags, SITE_OTHER_CREATE, &file), 0);
    REQUIRE_INT(disk_write(file, 0, bytes, n, SITE_OTHER_WRITE, NULL), 0);
    disk_close(file);
}

static size_t read_current(char *out, size_t n)
{
    struct disk_file *file;
    size_t got;
    REQUIRE_INT(disk_open(dir, "CURRENT", DISK_READ, SITE_OTHER_CREATE, &file), 0);
    REQUIRE_INT(disk_read(file, 0, out, n, &got), 0);
    disk_close(file);
    return got;
}

static void the_pointer_is_one_line_of_text(void)
{
    char text[128];
    uint64_t number = 0;
    begin();
    REQUIRE_INT(manifest_point(dir, 12, &why), ERR_OK);
    text[read_current(text, sizeof text - 1)] = 0;
    CHECK_TEXT(text, "riptidekv 1 MANIFEST-000012 7fc819e3\n");
    CHECK_INT(manifest_current(dir, &number, &why), ERR_OK);
    CHECK_INT(number, 12);
    end();
}

static void without_a_pointer_there_is_no_store(void)
{
    uint64_t number;
    begin();
    CHECK_INT(manifest_current(dir, &number, &why), ERR_MISSING);
    write_current("MANIFEST-000002\n", 16); /* LevelDB's */
    CHECK_INT(manifest_current(dir, &number, &why), ERR_FOREIGN);
    CHECK(strstr(why.text, "riptidekv-check --repair") != NULL); /* ours, perhaps */
    write_current("", 0);
    CHECK_INT(manifest_current(dir, &number, &why), ERR_CORRUPT);
    CHECK_TEXT(why.text, "CURRENT: empty");
    write_current("riptidekv 2 MANIFEST-000002 00000000\n", 37);
    CHECK_INT(manifest_current(dir, &number, &why), ERR_NEWER_FORMAT);
    end();
}

static void a_pointer_cut_or_flipped_anywhere_is_never_followed(void)
{
    char text[128];
    uint64_t number = 77;
    begin();
    REQUIRE_INT(manifest_point(dir, 12, &why), ERR_OK);
    size_t n = read_current(text, sizeof text);
    for (size_t cut = 0; cut < n; cut++) {
        write_current(text, cut);
        CHECK(manifest_current(dir, &number, &why) != ERR_OK);
    }
    text[n] = 'x';
    write_current(text, n + 1);
    CHECK(manifest_current(dir, &number, &why) != ERR_OK);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        text[bit / 8] ^= (char)(1 << bit % 8);
        write_current(text, n);
        CHECK(manifest_current(dir, &number, &why) != ERR_OK);
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    CHECK_INT(number, 77);
    end();
}

/* Old or new after a cut at any point, and new once the call returned. */
static void a_switch_of_the_pointer_is_all_or_nothing(void)
{
    struct rng r;
    rng_init(&r, 5);
    for (long k = 1;; k++) {
        struct failing f;
        bool failed = false;
        for (int round = 0; round < 20; round++) {
            uint64_t number = 0;
            begin();
            REQUIRE_INT(manifest_point(dir, 1, &why), ERR_OK);
            failing_begin(&f, disk, k);
            enum err e = manifest_point(dir, 2, &why);
            failing_end(&f);
            failed = f.calls >= k;
            CHECK_INT(e, failed ? ERR_IO : ERR_OK);
            disk_sim_power_cut(disk, DISK_SURVIVE_RANDOM, &r);
            disk_dir_close(dir);
            REQUIRE_INT(disk_dir_open(disk, ".", &dir), 0);
            CHECK_INT(manifest_current(dir, &number, &why), ERR_OK);
            CHECK(number == 2 || (failed && number == 1));
            end();
        }
        if (!failed) {
            CHECK_INT(k - 1, 5); /* create, write, sync, rename, sync of the directory */
            break;
        }
    }
}

/* ---- the log of edits ---- */

/* A store whose manifest holds several edits, closed. */
static void store(struct teststore *t, char name[32], uint8_t **data, size_t *size)
{
    teststore_init(t);
    REQUIRE_INT(teststore_open(t), ERR_OK);
    teststore_fill(t, "k", 30, 40, 1);
    REQUIRE_INT(db_flush(t->db), ERR_OK);
    REQUIRE_INT(teststore_put(t, "last", "one"), ERR_OK);
    teststore_close(t);
    snprintf(name, 32, "MANIFEST-000001");
    teststore_read_file(t, name, data, size);
}

static bool serves_everything(struct teststore *t)
{
    slice value;
    bool last = db_get(t->db, slice_text("last"), &value, NULL) == ERR_OK;
    teststore_expect_fill(t, "k", 30, 40, 1);
    return last;
}

/* Only what stands behind the last mark may be cut: of a closed store that is nothing but
 * the mark itself. */
static void a_bit_flipped_anywhere_is_refused_or_harmless(void)
{
    struct teststore t;
    char name[32];
    uint8_t *data;
    size_t size, opened = 0;
    store(&t, name, &data, &size);
    for (size_t byte = 0; byte < size; byte++) {
        unsigned snapshot = disk_sim_snapshot(t.disk);
        data[byte] ^= (uint8_t)(1 << byte % 8);
        teststore_write_file(&t, name, data, size);
        data[byte] ^= (uint8_t)(1 << byte % 8);
        enum err e = teststore_open(&t);
        if (e == ERR_OK) {
            opened++;
            CHECK(byte + WAL_HEADER_BYTES >= size);
            CHECK(serves_everything(&t));
            teststore_close(&t);
        } else {
            CHECK_INT(e, ERR_CORRUPT);
            CHECK(strstr(t.why.text, name) != NULL);
        }
        disk_sim_rollback(t.disk, snapshot);
    }
    CHECK_INT(opened, WAL_HEADER_BYTES);
    free(data);
    teststore_deinit(&t);
}

static void a_manifest_cut_anywhere_never_opens_with_a_hole(void)
{
    struct teststore t;
    char name[32];
    uint8_t *data;
    size_t size;
    store(&t, name, &data, &size);
    for (size_t cut = 0; cut < size; cut++) {
        unsigned snapshot = disk_sim_snapshot(t.disk);
        teststore_write_file(&t, name, data, cut);
        enum err e = teststore_open(&t);
        if (e == ERR_OK) CHECK(serves_everything(&t));
        if (t.db)
            teststore_close(&t);
        else
            CHECK(e == ERR_CORRUPT || e == ERR_MISSING);
        disk_sim_rollback(t.disk, snapshot);
    }
    free(data);
    teststore_deinit(&t);
}

static void a_manifest_is_rolled_over_and_the_old_one_deleted(void)
{
    struct teststore t;
    char name[32];
    uint64_t size_limit = 600;
    teststore_init(&t);
    t.options.manifest_bytes = size_limit;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    for (int round = 0; round < 6; round++)
        teststore_fill(&t, "k", 100, 30, round);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    db_step(t.db);
    CHECK_INT(teststore_count(&t, "CURRENT"), 1);
    teststore_close(&t);
    int manifests = 0;
    for (uint64_t number = 1; number < 400; number++) {
        char want[32];
        snprintf(want, sizeof want, "MANIFEST-%06llu", (unsigned long long)number);
        if (teststore_count(&t, want)) {
            manifests++;
            memcpy(name, want, sizeof name);
        }
    }
    CHECK_INT(manifests, 1);
    CHECK(strcmp(name, "MANIFEST-000001") != 0);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    teststore_expect_fill(&t, "k", 100, 30, 5);
    teststore_close(&t);
    teststore_expect_sound(&t);
    teststore_deinit(&t);
}

/* A snapshot larger than the limit is not written again for each edit: 60 of them would come
 * to 86 KB in place of 15. */
static void a_large_state_is_rolled_over_only_when_it_has_doubled(void)
{
    struct teststore t;
    struct db_stats stats;
    teststore_init(&t);
    t.options.manifest_bytes = 64;
    t.options.level0_tables = t.options.level0_slow = t.options.level0_stop = 100;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    for (int i = 0; i < 60; i++) {
        REQUIRE_INT(teststore_put(&t, "k", "v"), ERR_OK);
        REQUIRE_INT(db_flush(t.db), ERR_OK);
    }
    db_stats_get(t.db, &stats);
    CHECK_INT(stats.level[0].files, 60);
    printf("     %llu bytes\n", (unsigned long long)stats.manifest_bytes_written);
    CHECK(stats.manifest_bytes_written < 40000);
    teststore_deinit(&t);
}

/* A roll-over cut by a failing call at each of its steps, then a power cut: the store is
 * there with all that was acknowledged. */
static void a_roll_over_may_fail_at_every_call(void)
{
    struct rng r;
    rng_init(&r, 11);
    for (long k = 1;; k++) {
        struct teststore t;
        struct failing f;
        teststore_init(&t);
        t.options.sync = SYNC_ALWAYS;
        REQUIRE_INT(teststore_open(&t), ERR_OK);
        teststore_fill(&t, "k", 20, 30, 1);
        teststore_close(&t);
        t.options.manifest_bytes = 64; /* the next edit rolls over */
        REQUIRE_INT(teststore_open(&t), ERR_OK);
        failing_begin(&f, t.disk, k);
        enum err e = db_flush(t.db);
        failing_end(&f);
        bool failed = f.calls >= k;
        if (!failed) CHECK_INT(e, ERR_OK);
        teststore_expect_fill(&t, "k", 20, 30, 1);
        REQUIRE_INT(teststore_power_cut(&t, DISK_SURVIVE_RANDOM, &r), ERR_OK);
        teststore_expect_fill(&t, "k", 20, 30, 1);
        teststore_close(&t);
        teststore_expect_sound(&t);
        teststore_deinit(&t);
        if (!failed) {
            CHECK(k > 15);
            break;
        }
    }
}

static void a_created_manifest_reads_back_through_its_pointer(void)
{
    struct store_state state, read;
    struct edit_bytes bytes = {.mem = mem_libc()};
    struct wal_writer writer;
    struct mem *mem = mem_libc();
    uint64_t number;
    begin();
    store_state_init(&state);
    REQUIRE_INT(store_state_apply(&state,
                                  &(struct edit){.add_log = {4, false}, .next_file = 6},
                                  mem, &why),
                ERR_OK);
    REQUIRE_INT(edit_bytes_begin(&bytes), ERR_OK);
    REQUIRE_INT(store_state_encode(&state, &bytes), ERR_OK);
    REQUIRE_INT(
        manifest_create(dir, 5, bytes.data, bytes.size - WAL_HEADER_BYTES, &writer, &why),
        ERR_OK);
    struct edit edit = {.next_file = 9, .last_seq = 50, .drop_log = 4, .add_log = {7, 0}};
    bytes.size = 0;
    REQUIRE_INT(edit_bytes_begin(&bytes), ERR_OK);
    REQUIRE_INT(edit_encode(&edit, &bytes), ERR_OK);
    REQUIRE_INT(manifest_append(&writer, bytes.data, bytes.size - WAL_HEADER_BYTES, &why),
                ERR_OK);
    disk_close(writer.file);

    disk_sim_power_cut(disk, DISK_SURVIVE_NONE, NULL);
    disk_dir_close(dir);
    REQUIRE_INT(disk_dir_open(disk, ".", &dir), 0);
    REQUIRE_INT(manifest_current(dir, &number, &why), ERR_OK);
    CHECK_INT(number, 5);
    struct disk_file *file;
    uint64_t size;
    REQUIRE_INT(disk_open(dir, "MANIFEST-000005", DISK_READ, SITE_OTHER_CREATE, &file),
                0);
    REQUIRE_INT(disk_size(file, &size), 0);
    struct wal_reader reader;
    struct wal_record record;
    store_state_init(&read);
    wal_reader_init(&reader, mem, file, 5, size, (struct wal_chain){0, 0}, 64);
    int records = 0;
    while (wal_reader_next(&reader, &record, &why) == ERR_OK) {
        records++;
        CHECK_INT(store_state_decode(&read, record.payload, mem, &why), ERR_OK);
    }
    CHECK(records >= 3); /* snapshot, mark, edit; the last mark was not synced */
    CHECK_INT(read.next_file, 9);
    CHECK_INT(read.last_seq, 50);
    CHECK_INT(read.log_count, 1);
    CHECK_INT(read.logs[0].number, 7);
    wal_reader_deinit(&reader);
    disk_close(file);
    free(bytes.data);
    store_state_deinit(&state, mem);
    store_state_deinit(&read, mem);
    end();
}

CU_TestInfo engine_manifest_tests[] = {
    {"the_pointer_is_one_line_of_text", the_pointer_is_one_line_of_text},
    {"without_a_pointer_there_is_no_store", without_a_pointer_there_is_no_store},
    {"a_pointer_cut_or_flipped_anywhere_is_never_followed",
     a_pointer_cut_or_flipped_anywhere_is_never_followed},
    {"a_switch_of_the_pointer_is_all_or_nothing",
     a_switch_of_the_pointer_is_all_or_nothing},
    {"a_bit_flipped_anywhere_is_refused_or_harmless",
     a_bit_flipped_anywhere_is_refused_or_harmless},
    {"a_manifest_cut_anywhere_never_opens_with_a_hole",
     a_manifest_cut_anywhere_never_opens_with_a_hole},
    {"a_manifest_is_rolled_over_and_the_old_one_deleted",
     a_manifest_is_rolled_over_and_the_old_one_deleted},
    {"a_large_state_is_rolled_over_only_when_it_has_doubled",
     a_large_state_is_rolled_over_only_when_it_has_doubled},
    {"a_roll_over_may_fail_at_every_call", a_roll_over_may_fail_at_every_call},
    {"a_created_manifest_reads_back_through_its_pointer",
     a_created_manifest_reads_back_through_its_pointer},
    CU_TEST_INFO_NULL,
};
