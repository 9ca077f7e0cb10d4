#include "tests/support/check.h"
#include "tests/support/levels.h"

#include "engine/flush.h"
#include "tests/support/failing.h"

static struct levels l;
static struct memlog *m;
static struct flush f;

static void begin(void)
{
    levels_begin(&l);
    levels_seal(&l); /* an empty version, to give tables back to */
    l.options.memtable_bytes = 4096;
    struct wal_writer none = {.log = 3};
    REQUIRE_INT(memlog_new(&l.mem.mem, &l.options, 0, &none, 4096, &m), ERR_OK);
    memset(&m->books, 0, sizeof m->books);
    f = (struct flush){.mem = &l.mem.mem,
                       .dir = l.dir,
                       .files = &l.files,
                       .options = &l.options,
                       .memlog = m,
                       .number = 9,
                       .oldest_snapshot = SEQNO_MAX};
}

static void finish(void)
{
    if (f.table) table_unref(l.version, f.table);
    f.table = NULL;
}

static void end(void)
{
    finish();
    memlog_unref(m);
    levels_end(&l);
}

static void put(const char *key, seqno seq, const char *value)
{
    enum entry_kind kind = value ? ENTRY_PUT : ENTRY_DELETE;
    REQUIRE_INT(memtable_put(m->table, slice_text(key), tag_of(seq, kind),
                             slice_text(value ? value : "")),
                ERR_OK);
}

static void expect(const char *want)
{
    char out[LEVELS_TEXT_BYTES];
    CHECK_INT(f.err, ERR_OK);
    REQUIRE(f.table != NULL);
    levels_text(&l, &f.table, 1, out);
    CHECK_TEXT(out, want);
}

/* A tombstone must reach level 0: what it hides lies further down. */
static void the_newest_versions_become_a_table_tombstones_included(void)
{
    begin();
    put("b", 4, "two");
    put("a", 1, "one");
    put("b", 2, "old");
    put("c", 3, NULL);
    flush_run(&f);
    expect("a@1=one b@4=two c@3-");
    CHECK_INT(f.table->meta.number, 9);
    CHECK_INT(f.table->meta.tombstones, 1);
    CHECK_INT(f.table->meta.min_seq, 1);
    CHECK_INT(f.table->meta.max_seq, 4);
    end();
}

static void versions_that_a_snapshot_sees_are_kept(void)
{
    begin();
    put("b", 4, "new");
    put("b", 2, "seen");
    put("b", 1, "unseen");
    f.oldest_snapshot = 3;
    flush_run(&f);
    expect("b@4=new b@2=seen");
    end();
}

static void the_floors_of_its_own_books_sink_what_is_below(void)
{
    begin();
    put("pa", 2, "sunk");
    put("pb", 6, "new");
    put("q", 3, "other");
    m->books.floors['p'] = 5;
    flush_run(&f);
    expect("pb@6=new q@3=other");
    end();
}

static void floors_that_are_durable_elsewhere_sink_too(void)
{
    begin();
    put("pa", 2, "sunk");
    put("pb", 6, "sunk");
    put("pc", 8, "new");
    m->books.floors['p'] = 5;
    f.floors['p'] = 7;
    flush_run(&f);
    expect("pc@8=new");
    end();
}

static void when_nothing_survives_there_is_no_table_and_no_file(void)
{
    struct failing calls;
    begin();
    put("pa", 2, "sunk");
    m->books.floors['p'] = 5;
    failing_begin(&calls, l.disk, 0);
    flush_run(&f);
    failing_end(&calls);
    CHECK_INT(f.err, ERR_OK);
    CHECK(f.table == NULL);
    CHECK_INT(calls.calls, 0);
    end();
}

static void a_table_is_durable_once_its_name_is(void)
{
    begin();
    put("a", 1, "one");
    put("b", 2, "two");
    flush_run(&f);
    REQUIRE_INT(f.err, ERR_OK);
    struct sst_meta meta;
    REQUIRE_INT(sst_meta_copy(&meta, &f.table->meta, mem_libc()), ERR_OK);
    REQUIRE_INT(disk_dir_sync(l.dir, SITE_SST_DIRSYNC), 0);
    disk_sim_power_cut(l.disk, DISK_SURVIVE_NONE, NULL);
    struct disk_dir *dir;
    struct sst *sst;
    REQUIRE_INT(disk_dir_open(l.disk, ".", &dir), 0);
    struct sst_files files = {.mem = mem_libc(), .dir = dir, .open_max = 1};
    REQUIRE_INT(sst_open(&files, &meta, &sst, &l.why), ERR_OK);
    CHECK_INT(sst_check(sst, &meta, &l.why), ERR_OK);
    sst_close(sst);
    sst_meta_deinit(&meta, mem_libc());
    disk_dir_close(dir);
    end();
}

static void every_disk_call_may_fail_and_is_reported(void)
{
    static const struct {
        int error;
        enum err err;
    } kinds[] = {{5, ERR_IO}, {28, ERR_NO_SPACE}};
    begin();
    for (int i = 0; i < 20; i++) {
        char key[3] = {'k', (char)('a' + i), 0};
        put(key, (seqno)i + 1, "0123456789012345678901234567890");
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        long k = 1;
        for (;; k++) {
            struct failing calls;
            unsigned snapshot = disk_sim_snapshot(l.disk);
            failing_begin(&calls, l.disk, k);
            calls.error = kinds[i].error;
            flush_run(&f);
            failing_end(&calls);
            bool failed = calls.calls >= k;
            CHECK_INT(f.err, failed ? kinds[i].err : ERR_OK);
            CHECK(failed || f.table); /* after an error there may be one to give back */
            if (failed) CHECK(f.why.code == f.err && f.why.os_error == kinds[i].error);
            finish();
            disk_sim_rollback(l.disk, snapshot);
            if (!failed) break;
        }
        CHECK(k > 3); /* create, writes, sync */
    }
    /* the memtable is as good as before */
    flush_run(&f);
    CHECK_INT(f.err, ERR_OK);
    CHECK_INT(f.table->meta.entries, 20);
    end();
}

static void every_allocation_may_fail_and_nothing_leaks(void)
{
    begin();
    put("a", 1, "one");
    put("b", 2, "0123456789012345678901234567890123456789012345678901234567890");
    long k = 1;
    for (;; k++) {
        long blocks = l.mem.blocks;
        l.mem.fail_at = l.mem.calls + k;
        flush_run(&f);
        bool failed = l.mem.calls >= l.mem.fail_at;
        l.mem.fail_at = 0;
        CHECK_INT(f.err, failed ? ERR_NOMEM : ERR_OK);
        finish();
        CHECK_INT(l.mem.blocks, blocks);
        if (!failed) break;
    }
    CHECK(k > 5);
    end();
}

CU_TestInfo engine_flush_tests[] = {
    {"the_newest_versions_become_a_table_tombstones_included",
     the_newest_versions_become_a_table_tombstones_included},
    {"versions_that_a_snapshot_sees_are_kept", versions_that_a_snapshot_sees_are_kept},
    {"the_floors_of_its_own_books_sink_what_is_below",
     the_floors_of_its_own_books_sink_what_is_below},
    {"floors_that_are_durable_elsewhere_sink_too",
     floors_that_are_durable_elsewhere_sink_too},
    {"when_nothing_survives_there_is_no_table_and_no_file",
     when_nothing_survives_there_is_no_table_and_no_file},
    {"a_table_is_durable_once_its_name_is", a_table_is_durable_once_its_name_is},
    {"every_disk_call_may_fail_and_is_reported",
     every_disk_call_may_fail_and_is_reported},
    {"every_allocation_may_fail_and_nothing_leaks",
     every_allocation_may_fail_and_nothing_leaks},
    CU_TEST_INFO_NULL,
};
