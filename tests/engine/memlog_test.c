#include "tests/support/check.h"

#include "engine/memlog.h"
#include "fault/disk_sim.h"

static struct mem_counting mem;
static struct memlog *m;
static struct batch batch;
static struct books books;

static void begin(void)
{
    struct options options;
    options_init(&options);
    options.memtable_bytes = 4096;
    mem_counting_init(&mem, mem_libc());
    struct wal_writer none = {.log = 3};
    REQUIRE_INT(memlog_new(&mem.mem, &options, 0, &none, 4096, &m), ERR_OK);
    batch_init(&batch, mem_libc(), 0);
    memset(&books, 0, sizeof books);
}

static void end(void)
{
    batch_deinit(&batch);
    memlog_unref(m);
    CHECK_INT(mem.blocks, 0);
}

static void expect(const char *key, seqno seq, const char *want)
{
    uint64_t tag = 0;
    slice got = {NULL, 0};
    bool found = memtable_get(m->table, slice_text(key), seq, &tag, &got);
    CHECK_INT(found && tag_kind(tag) == ENTRY_PUT, want != NULL);
    if (found && want) CHECK_SLICE(got, slice_text(want));
}

/* put k, register 3 += 5, delete k, register 3 += -2, register 4 = 9, floor p, put p. */
static void fill_batch(void)
{
    REQUIRE_INT(batch_put(&batch, slice_text("k"), slice_text("v")), ERR_OK);
    REQUIRE_INT(batch_register_add(&batch, 3, 5), ERR_OK);
    REQUIRE_INT(batch_delete(&batch, slice_text("k")), ERR_OK);
    REQUIRE_INT(batch_register_add(&batch, 3, -2), ERR_OK);
    REQUIRE_INT(batch_register_set(&batch, 4, 9), ERR_OK);
    REQUIRE_INT(batch_floor(&batch, 'p'), ERR_OK);
    REQUIRE_INT(batch_put(&batch, slice_text("p"), slice_text("w")), ERR_OK);
}

static void each_entry_of_a_batch_has_a_number_of_its_own(void)
{
    uint32_t count = 0;
    begin();
    fill_batch();
    CHECK_INT(memlog_apply(m, batch_bytes(&batch), 100, &books, &count), ERR_OK);
    CHECK_INT(count, 7);
    expect("k", 99, NULL);
    expect("k", 100, "v");
    expect("k", 101, "v");
    expect("k", 102, NULL); /* deleted */
    expect("p", 105, NULL);
    expect("p", 106, "w");
    CHECK_INT(memtable_count(m->table), 3);
    CHECK_INT(books.registers[3], 3);
    CHECK_INT(books.registers[4], 9);
    CHECK_INT(books.floors['p'], 105); /* below the put behind it */
    end();
}

static void undo_takes_out_just_what_was_applied(void)
{
    uint32_t count = 0;
    begin();
    REQUIRE_INT(batch_put(&batch, slice_text("k"), slice_text("old")), ERR_OK);
    REQUIRE_INT(memlog_apply(m, batch_bytes(&batch), 1, &books, &count), ERR_OK);
    batch_clear(&batch);
    fill_batch();
    REQUIRE_INT(memlog_apply(m, batch_bytes(&batch), 2, &books, &count), ERR_OK);
    memlog_undo(m, batch_bytes(&batch), 2, count);
    expect("k", SEQNO_MAX, "old");
    expect("p", SEQNO_MAX, NULL);
    CHECK_INT(memtable_count(m->table), 1);
    end();
}

/* Bytes of which the first entries are sound: none of them may stay. */
static void bytes_that_are_no_batch_leave_the_memtable_as_it_was(void)
{
    begin();
    fill_batch();
    slice all = batch_bytes(&batch);
    uint8_t bytes[256];
    REQUIRE(all.size < sizeof bytes);
    memcpy(bytes, all.data, all.size);
    bytes[all.size] = 0xEE;
    for (size_t n = 0; n <= all.size + 1; n++) {
        uint32_t count = 77;
        struct books scratch = books;
        enum err e = memlog_apply(m, slice_of(bytes, n), 1, &scratch, &count);
        if (e == ERR_OK)
            memlog_undo(m, slice_of(bytes, n), 1, count); /* ends between two entries */
        else
            CHECK(e == ERR_CORRUPT && count == 77);
        CHECK_INT(memtable_count(m->table), 0);
        if (n == all.size + 1) CHECK_INT(e, ERR_CORRUPT);
    }
    end();
}

static void without_memory_a_batch_is_applied_wholly_or_not_at_all(void)
{
    uint8_t value[700] = {0};
    begin();
    for (int i = 0; i < 8; i++) {
        uint8_t key = (uint8_t)('a' + i);
        REQUIRE_INT(batch_put(&batch, slice_of(&key, 1), slice_of(value, sizeof value)),
                    ERR_OK);
    }
    long k = 1;
    for (;; k++) {
        uint32_t count = 0;
        mem.fail_at = mem.calls + k;
        enum err e = memlog_apply(m, batch_bytes(&batch), 1, &books, &count);
        mem.fail_at = 0;
        CHECK_INT(memtable_count(m->table), e ? 0 : 8);
        if (e == ERR_OK) break;
        CHECK_INT(e, ERR_NOMEM);
    }
    CHECK(k > 1);
    end();
}

static void the_last_reference_closes_the_log(void)
{
    struct disk_sim_config config;
    struct disk *disk;
    struct disk_dir *dir;
    struct disk_file *file, *other;
    disk_sim_config_init(&config);
    config.handles_max = 2; /* the directory and one file */
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &disk), 0);
    REQUIRE_INT(disk_dir_open(disk, ".", &dir), 0);
    unsigned flags = DISK_READ | DISK_WRITE | DISK_CREATE;
    REQUIRE_INT(disk_open(dir, "log", flags, SITE_WAL_CREATE, &file), 0);
    begin();
    m->log.file = file;
    memlog_ref(m); /* an iterator */
    memlog_unref(m);
    CHECK(disk_open(dir, "log", DISK_READ, SITE_WAL_CREATE, &other) != 0);
    end();
    CHECK_INT(disk_open(dir, "log", DISK_READ, SITE_WAL_CREATE, &other), 0);
    disk_close(other);
    disk_dir_close(dir);
    disk_sim_free(disk);
}

CU_TestInfo engine_memlog_tests[] = {
    {"each_entry_of_a_batch_has_a_number_of_its_own",
     each_entry_of_a_batch_has_a_number_of_its_own},
    {"undo_takes_out_just_what_was_applied", undo_takes_out_just_what_was_applied},
    {"bytes_that_are_no_batch_leave_the_memtable_as_it_was",
     bytes_that_are_no_batch_leave_the_memtable_as_it_was},
    {"without_memory_a_batch_is_applied_wholly_or_not_at_all",
     without_memory_a_batch_is_applied_wholly_or_not_at_all},
    {"the_last_reference_closes_the_log", the_last_reference_closes_the_log},
    CU_TEST_INFO_NULL,
};
