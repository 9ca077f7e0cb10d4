/* Each rule is kept once, as the engine keeps it, and then broken once for each way in
 * which it can be broken. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"

#include "fault/disk_order.h"
#include "fault/disk_sim.h"

struct fixture {
    struct mem_counting mem;
    struct disk *sim;
    struct disk_order *order;
    struct disk *disk;
    struct disk_dir *dir;
    struct disk_file *manifest, *log;
    int seen[ORDER_RULE_COUNT];
    char lines[2048];
};

static void on_violation(void *arg, enum order_rule rule, const char *line)
{
    struct fixture *x = arg;
    x->seen[rule]++;
    strncat(x->lines, line, sizeof x->lines - strlen(x->lines) - 2);
    strcat(x->lines, "\n");
}

/* ---- verbs ---- */

static struct disk_file *create(struct fixture *x, const char *name, enum site site)
{
    struct disk_file *f = NULL;
    unsigned flags = DISK_READ | DISK_WRITE | DISK_CREATE | DISK_TRUNC;
    REQUIRE_INT(disk_open(x->dir, name, flags, site, &f), 0);
    return f;
}

static void write_to(struct disk_file *f, enum site site)
{
    static uint64_t offset;
    CHECK_INT(disk_write(f, offset++ % 4096, "bytes", 5, site, NULL), 0);
}

static void sync_file(struct disk_file *f, enum site site)
{
    CHECK_INT(disk_sync(f, DISK_SYNC_FULL, site), 0);
}

static void sync_dir(struct fixture *x, enum site site)
{
    CHECK_INT(disk_dir_sync(x->dir, site), 0);
}

static void edit(struct fixture *x)
{
    write_to(x->manifest, SITE_MANIFEST_WRITE);
    sync_file(x->manifest, SITE_MANIFEST_SYNC);
}

static void table(struct fixture *x, const char *name)
{
    struct disk_file *f = create(x, name, SITE_SST_CREATE);
    write_to(f, SITE_SST_WRITE);
    sync_file(f, SITE_SST_SYNC);
    disk_close(f);
    sync_dir(x, SITE_SST_DIRSYNC);
}

static void switch_pointer(struct fixture *x)
{
    struct disk_file *f = create(x, "CURRENT.tmp", SITE_CURRENT_CREATE);
    write_to(f, SITE_CURRENT_WRITE);
    sync_file(f, SITE_CURRENT_SYNC);
    disk_close(f);
    CHECK_INT(disk_rename(x->dir, "CURRENT.tmp", "CURRENT", SITE_CURRENT_RENAME), 0);
}

static void unlink_table(struct fixture *x, const char *name)
{
    CHECK_INT(disk_unlink(x->dir, name, SITE_SST_UNLINK), 0);
}

static void acknowledge(struct fixture *x)
{
    disk_order_acknowledge(x->order, disk_order_now(x->order));
}

/* A store with a manifest and a log, made by the book. */
static void start(struct fixture *x)
{
    struct disk_sim_config config;
    memset(x, 0, sizeof *x);
    disk_sim_config_init(&config);
    mem_counting_init(&x->mem, mem_libc());
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &x->sim), 0);
    REQUIRE_INT(disk_order_new(&x->mem.mem, x->sim, on_violation, x, &x->order), 0);
    x->disk = disk_order_disk(x->order);
    REQUIRE_INT(disk_mkdir(x->disk, "store", SITE_DIR_MKDIR), 0);
    REQUIRE_INT(disk_dir_open(x->disk, "store", &x->dir), 0);
    x->manifest = create(x, "MANIFEST-000001", SITE_MANIFEST_CREATE);
    edit(x);
    sync_dir(x, SITE_MANIFEST_DIRSYNC);
    switch_pointer(x);
    sync_dir(x, SITE_CURRENT_DIRSYNC);
    x->log = create(x, "000002.log", SITE_WAL_CREATE);
    write_to(x->log, SITE_WAL_FILL);
    sync_file(x->log, SITE_WAL_FILLSYNC);
    sync_dir(x, SITE_WAL_DIRSYNC);
    edit(x);
}

static void finish(struct fixture *x)
{
    if (x->manifest) disk_close(x->manifest);
    if (x->log) disk_close(x->log);
    disk_dir_close(x->dir);
    disk_order_free(x->order);
    disk_sim_free(x->sim);
    CHECK_INT(x->mem.blocks, 0);
}

/* Exactly these violations, all of one rule, and no other. */
static void expect(struct fixture *x, enum order_rule rule, int count, const char *line)
{
    CHECK_INT(x->seen[rule], count);
    CHECK_INT(disk_order_violations(x->order), count);
    if (line) CHECK_TEXT(x->lines, line);
}

/* ---- by the book ---- */

static void a_store_made_by_the_book_breaks_no_rule(void)
{
    struct fixture x;
    start(&x);

    write_to(x.log, SITE_WAL_WRITE);
    sync_file(x.log, SITE_WAL_SYNC);
    acknowledge(&x);
    table(&x, "000003.sst");
    edit(&x);
    table(&x, "000004.sst");
    edit(&x);
    unlink_table(&x, "000003.sst");
    CHECK_INT(disk_rename(x.dir, "000002.log", "000005.log", SITE_WAL_RECYCLE), 0);
    sync_dir(&x, SITE_WAL_DIRSYNC);
    write_to(x.log, SITE_WAL_WRITE);
    sync_file(x.log, SITE_WAL_SYNC);
    acknowledge(&x);

    CHECK_TEXT(x.lines, "");
    expect(&x, ORDER_POINTER, 0, NULL);
    finish(&x);
}

static void every_rule_has_its_sentence(void)
{
    for (enum order_rule r = 0; r < ORDER_RULE_COUNT; r++)
        CHECK(strlen(order_rule_text(r)) > 20);
}

/* ---- pointer ---- */

static void a_pointer_whose_own_bytes_are_not_synced(void)
{
    struct fixture x;
    start(&x);
    struct disk_file *f = create(&x, "CURRENT.tmp", SITE_CURRENT_CREATE);
    write_to(f, SITE_CURRENT_WRITE);
    disk_close(f);
    CHECK_INT(disk_rename(x.dir, "CURRENT.tmp", "CURRENT", SITE_CURRENT_RENAME), 0);
    expect(&x, ORDER_POINTER, 1,
           "current/rename: CURRENT.tmp: its bytes are not synced\n");
    finish(&x);
}

static void a_pointer_to_a_manifest_without_a_sync(void)
{
    struct fixture x;
    start(&x);
    disk_close(x.manifest);
    x.manifest = create(&x, "MANIFEST-000009", SITE_MANIFEST_CREATE);
    write_to(x.manifest, SITE_MANIFEST_WRITE);
    sync_dir(&x, SITE_MANIFEST_DIRSYNC);
    switch_pointer(&x);
    expect(&x, ORDER_POINTER, 1,
           "current/rename: MANIFEST-000009: its bytes are not synced\n");
    finish(&x);
}

static void a_pointer_to_a_manifest_without_a_durable_name(void)
{
    struct fixture x;
    start(&x);
    disk_close(x.manifest);
    x.manifest = create(&x, "MANIFEST-000009", SITE_MANIFEST_CREATE);
    edit(&x);
    switch_pointer(&x);
    expect(&x, ORDER_POINTER, 1,
           "current/rename: MANIFEST-000009: its name is not synced\n");
    finish(&x);
}

static void a_mark_that_is_not_synced_is_no_violation(void)
{
    struct fixture x;
    start(&x);
    write_to(x.manifest, SITE_MANIFEST_MARK);
    write_to(x.log, SITE_WAL_MARK);
    switch_pointer(&x);
    acknowledge(&x);
    expect(&x, ORDER_POINTER, 0, "");
    finish(&x);
}

/* ---- edits ---- */

static void an_edit_over_a_table_without_a_sync(void)
{
    struct fixture x;
    start(&x);
    struct disk_file *f = create(&x, "000003.sst", SITE_SST_CREATE);
    write_to(f, SITE_SST_WRITE);
    disk_close(f);
    sync_dir(&x, SITE_SST_DIRSYNC);
    edit(&x);
    expect(&x, ORDER_EDIT, 1, "manifest/write: 000003.sst: its bytes are not synced\n");
    finish(&x);
}

static void an_edit_over_a_table_without_a_durable_name(void)
{
    struct fixture x;
    start(&x);
    struct disk_file *f = create(&x, "000003.sst", SITE_SST_CREATE);
    write_to(f, SITE_SST_WRITE);
    sync_file(f, SITE_SST_SYNC);
    disk_close(f);
    edit(&x);
    expect(&x, ORDER_EDIT, 1, "manifest/write: 000003.sst: its name is not synced\n");
    finish(&x);
}

static void a_sync_entered_before_the_last_write_does_not_cover_it(void)
{
    struct fixture x;
    start(&x);
    struct disk_file *f = create(&x, "000003.sst", SITE_SST_CREATE);
    write_to(f, SITE_SST_WRITE);
    sync_file(f, SITE_SST_SYNC);
    write_to(f, SITE_SST_WRITE);
    disk_close(f);
    sync_dir(&x, SITE_SST_DIRSYNC);
    edit(&x);
    expect(&x, ORDER_EDIT, 1, NULL);
    finish(&x);
}

static void a_snapshot_may_name_what_is_durable_by_the_time_of_the_switch(void)
{
    struct fixture x;
    start(&x);
    struct disk_file *f = create(&x, "000003.sst", SITE_SST_CREATE);
    write_to(f, SITE_SST_WRITE);
    disk_close(f);
    disk_close(x.manifest);
    x.manifest = create(&x, "MANIFEST-000009", SITE_MANIFEST_CREATE);
    edit(&x);
    sync_dir(&x, SITE_MANIFEST_DIRSYNC);
    expect(&x, ORDER_EDIT, 0, "");
    switch_pointer(&x);
    expect(&x, ORDER_EDIT, 1, "current/rename: 000003.sst: its bytes are not synced\n");
    finish(&x);
}

static void a_table_under_construction_is_nobodys_business(void)
{
    struct fixture x;
    start(&x);
    struct disk_file *f = create(&x, "000003.sst", SITE_SST_CREATE);
    write_to(f, SITE_SST_WRITE);
    edit(&x);
    expect(&x, ORDER_EDIT, 0, "");
    disk_close(f);
    finish(&x);
}

/* ---- deleting ---- */

static void a_table_unlinked_before_the_edit_is_synced(void)
{
    struct fixture x;
    start(&x);
    table(&x, "000003.sst");
    edit(&x);
    write_to(x.manifest, SITE_MANIFEST_WRITE);
    unlink_table(&x, "000003.sst");
    expect(&x, ORDER_DELETE, 1, "sst/unlink: 000003.sst: the last edit is not synced\n");
    finish(&x);
}

static void a_log_recycled_before_the_edit_is_synced(void)
{
    struct fixture x;
    start(&x);
    write_to(x.manifest, SITE_MANIFEST_WRITE);
    CHECK_INT(disk_rename(x.dir, "000002.log", "000005.log", SITE_WAL_RECYCLE), 0);
    expect(&x, ORDER_DELETE, 1, "wal/recycle: 000002.log: the last edit is not synced\n");
    finish(&x);
}

static void a_manifest_unlinked_before_the_switch_is_durable(void)
{
    struct fixture x;
    start(&x);
    disk_close(x.manifest);
    x.manifest = create(&x, "MANIFEST-000009", SITE_MANIFEST_CREATE);
    edit(&x);
    sync_dir(&x, SITE_MANIFEST_DIRSYNC);
    switch_pointer(&x);
    CHECK_INT(disk_unlink(x.dir, "MANIFEST-000001", SITE_MANIFEST_UNLINK), 0);
    expect(&x, ORDER_DELETE, 1,
           "manifest/unlink: MANIFEST-000001: the switch of CURRENT is not synced\n");
    finish(&x);
}

static void a_failed_sync_frees_nothing_even_if_the_next_one_returns(void)
{
    struct fixture x;
    start(&x);
    table(&x, "000003.sst");
    edit(&x);
    write_to(x.manifest, SITE_MANIFEST_WRITE);
    x.disk->ops->sync_failed(NULL, x.manifest, SITE_MANIFEST_SYNC);
    sync_file(x.manifest, SITE_MANIFEST_SYNC);
    unlink_table(&x, "000003.sst");
    expect(&x, ORDER_DELETE, 1, NULL);
    finish(&x);
}

/* ---- recycled logs ---- */

static void a_recycled_log_written_before_its_name_is_durable(void)
{
    struct fixture x;
    start(&x);
    CHECK_INT(disk_rename(x.dir, "000002.log", "000005.log", SITE_WAL_RECYCLE), 0);
    write_to(x.log, SITE_WAL_WRITE);
    expect(&x, ORDER_RECYCLE, 1, "wal/write: 000005.log: its name is not synced\n");
    finish(&x);
}

/* ---- replies ---- */

static void a_reply_before_the_log_is_synced(void)
{
    struct fixture x;
    start(&x);
    write_to(x.log, SITE_WAL_WRITE);
    acknowledge(&x);
    expect(&x, ORDER_ACKNOWLEDGE, 1, "reply: 000002.log: its records are not synced\n");
    finish(&x);
}

static void a_reply_may_leave_while_a_later_group_is_not_synced(void)
{
    struct fixture x;
    start(&x);
    write_to(x.log, SITE_WAL_WRITE);
    sync_file(x.log, SITE_WAL_SYNC);
    uint64_t first = disk_order_now(x.order);
    write_to(x.log, SITE_WAL_WRITE);
    disk_order_acknowledge(x.order, first);
    expect(&x, ORDER_ACKNOWLEDGE, 0, "");
    acknowledge(&x);
    expect(&x, ORDER_ACKNOWLEDGE, 1, NULL);
    finish(&x);
}

static void a_reply_after_a_failed_sync(void)
{
    struct fixture x;
    start(&x);
    write_to(x.log, SITE_WAL_WRITE);
    x.disk->ops->sync_failed(NULL, x.log, SITE_WAL_SYNC);
    sync_file(x.log, SITE_WAL_SYNC); /* too late: the pages are gone */
    acknowledge(&x);
    expect(&x, ORDER_ACKNOWLEDGE, 1, NULL);
    finish(&x);
}

static void a_reply_from_a_log_without_a_durable_name(void)
{
    struct fixture x;
    start(&x);
    struct disk_file *f = create(&x, "000007.log", SITE_WAL_CREATE);
    write_to(f, SITE_WAL_WRITE);
    sync_file(f, SITE_WAL_SYNC);
    acknowledge(&x);
    expect(&x, ORDER_ACKNOWLEDGE, 1, "reply: 000007.log: its name is not synced\n");
    disk_close(f);
    finish(&x);
}

/* ---- with knowledge of what edits mean ---- */

/* In these tests an edit is the text "+name" or "-name". */
static void read_edit(void *arg, struct disk_order *order, const char *manifest,
                      uint64_t offset, const void *bytes, size_t n)
{
    char text[64];
    (void)arg, (void)offset;
    CHECK(!strncmp(manifest, "MANIFEST-", 9));
    snprintf(text, sizeof text, "%.*s", (int)n, (const char *)bytes);
    if (text[0] == '+') disk_order_edit_adds(order, text + 1);
    if (text[0] == '-') disk_order_edit_frees(order, text + 1);
}

static void write_edit(struct fixture *x, const char *text)
{
    static uint64_t offset;
    CHECK_INT(disk_write(x->manifest, offset++ % 4096, text, strlen(text),
                         SITE_MANIFEST_WRITE, NULL),
              0);
}

static void start_reading(struct fixture *x)
{
    start(x);
    disk_order_set_edits(x->order, read_edit, NULL);
}

static void only_tables_that_an_edit_names_must_be_durable(void)
{
    struct fixture x;
    start_reading(&x);
    struct disk_file *f = create(&x, "000003.sst", SITE_SST_CREATE);
    write_to(f, SITE_SST_WRITE);
    table(&x, "000004.sst");

    write_edit(&x, "+000004.sst");
    expect(&x, ORDER_EDIT, 0, "");
    write_edit(&x, "+000003.sst");
    expect(&x, ORDER_EDIT, 1, "manifest/write: 000003.sst: its bytes are not synced\n");
    disk_close(f);
    finish(&x);
}

static void an_edit_that_names_a_file_which_is_not_there(void)
{
    struct fixture x;
    start_reading(&x);
    write_edit(&x, "+000011.sst");
    expect(&x, ORDER_EDIT, 1, "manifest/write: 000011.sst: there is no such file\n");
    finish(&x);
}

static void a_table_that_is_still_named_must_not_go(void)
{
    struct fixture x;
    start_reading(&x);
    table(&x, "000003.sst");
    write_edit(&x, "+000003.sst");
    sync_file(x.manifest, SITE_MANIFEST_SYNC);
    unlink_table(&x, "000003.sst");
    expect(&x, ORDER_DELETE, 1, "sst/unlink: 000003.sst: the manifest still names it\n");
    finish(&x);
}

static void a_freed_table_goes_while_the_next_edit_is_not_synced(void)
{
    struct fixture x;
    start_reading(&x);
    table(&x, "000003.sst");
    table(&x, "000004.sst");
    write_edit(&x, "+000003.sst");
    write_edit(&x, "+000004.sst");
    write_edit(&x, "-000003.sst");
    sync_file(x.manifest, SITE_MANIFEST_SYNC);
    write_edit(&x, "-000004.sst");

    unlink_table(&x, "000003.sst");
    expect(&x, ORDER_DELETE, 0, "");
    unlink_table(&x, "000004.sst");
    expect(&x, ORDER_DELETE, 1,
           "sst/unlink: 000004.sst: the edit that frees it is not synced\n");
    finish(&x);
}

static void a_file_that_no_edit_ever_named_may_go(void)
{
    struct fixture x;
    start_reading(&x);
    table(&x, "000003.sst");
    write_edit(&x, "+000002.log");
    unlink_table(&x, "000003.sst");
    expect(&x, ORDER_DELETE, 0, "");
    finish(&x);
}

/* ---- the wrapper itself ---- */

static void what_was_there_before_counts_as_durable(void)
{
    struct fixture x;
    struct disk_order *again;
    struct disk_dir *dir;
    struct disk_file *f;
    start(&x);
    write_to(x.log, SITE_WAL_WRITE);
    REQUIRE_INT(disk_order_new(mem_libc(), x.sim, on_violation, &x, &again), 0);
    REQUIRE_INT(disk_dir_open(disk_order_disk(again), "store", &dir), 0);
    REQUIRE_INT(disk_open(dir, "000002.log", DISK_READ, SITE_WAL_CREATE, &f), 0);
    disk_order_acknowledge(again, disk_order_now(again));
    CHECK_INT(disk_order_violations(again), 0);
    disk_close(f);
    disk_dir_close(dir);
    disk_order_free(again);
    finish(&x);
}

static void calls_and_answers_pass_unchanged(void)
{
    struct fixture x;
    struct disk_file *f = NULL;
    struct disk_dir *d = NULL;
    char buf[8] = "";
    size_t got;
    uint64_t size;
    start(&x);
    CHECK_INT(disk_open(x.dir, "absent", DISK_READ, SITE_OTHER_CREATE, &f), -ENOENT);
    CHECK_INT(disk_dir_open(x.disk, "absent", &d), -ENOENT);
    CHECK_INT(disk_unlink(x.dir, "absent", SITE_OTHER_UNLINK), -ENOENT);
    CHECK_INT(disk_rename(x.dir, "absent", "b", SITE_OTHER_RENAME), -ENOENT);
    REQUIRE_INT(disk_lock(x.dir, "LOCK", SITE_LOCK_CREATE, &f), 0);
    disk_close(f);
    f = create(&x, "a", SITE_OTHER_CREATE);
    CHECK_INT(disk_write(f, 2, "xyz", 3, SITE_OTHER_WRITE, NULL), 0);
    CHECK_INT(disk_truncate(f, 4, SITE_OTHER_TRUNCATE), 0);
    CHECK_INT(disk_allocate(f, 6, SITE_OTHER_ALLOCATE), 0);
    CHECK_INT(disk_size(f, &size), 0);
    CHECK_INT(size, 6);
    CHECK_INT(disk_read(f, 2, buf, 8, &got), 0);
    CHECK_TEXT(buf, "xy");
    disk_close(f);
    CHECK_INT(disk_link(x.dir, "a", x.dir, "b", SITE_OTHER_LINK), 0);
    CHECK_INT(disk_link(x.dir, "a", x.dir, "b", SITE_OTHER_LINK), -EEXIST);
    CHECK_INT(disk_mkdir(x.disk, "store", SITE_DIR_MKDIR), -EEXIST);
    CHECK_INT(disk_rmdir(x.disk, "store", SITE_OTHER_RMDIR), -ENOTEMPTY);
    CHECK_INT(disk_order_violations(x.order), 0);
    finish(&x);
}

#define ROW(name)                                                                        \
    {                                                                                    \
#name, name                                                                      \
    }
CU_TestInfo fault_disk_order_tests[] = {
    ROW(a_store_made_by_the_book_breaks_no_rule),
    ROW(every_rule_has_its_sentence),
    ROW(a_pointer_whose_own_bytes_are_not_synced),
    ROW(a_pointer_to_a_manifest_without_a_sync),
    ROW(a_pointer_to_a_manifest_without_a_durable_name),
    ROW(a_mark_that_is_not_synced_is_no_violation),
    ROW(an_edit_over_a_table_without_a_sync),
    ROW(an_edit_over_a_table_without_a_durable_name),
    ROW(a_sync_entered_before_the_last_write_does_not_cover_it),
    ROW(a_snapshot_may_name_what_is_durable_by_the_time_of_the_switch),
    ROW(a_table_under_construction_is_nobodys_business),
    ROW(a_table_unlinked_before_the_edit_is_synced),
    ROW(a_log_recycled_before_the_edit_is_synced),
    ROW(a_manifest_unlinked_before_the_switch_is_durable),
    ROW(a_failed_sync_frees_nothing_even_if_the_next_one_returns),
    ROW(a_recycled_log_written_before_its_name_is_durable),
    ROW(a_reply_before_the_log_is_synced),
    ROW(a_reply_may_leave_while_a_later_group_is_not_synced),
    ROW(a_reply_after_a_failed_sync),
    ROW(a_reply_from_a_log_without_a_durable_name),
    ROW(only_tables_that_an_edit_names_must_be_durable),
    ROW(an_edit_that_names_a_file_which_is_not_there),
    ROW(a_table_that_is_still_named_must_not_go),
    ROW(a_freed_table_goes_while_the_next_edit_is_not_synced),
    ROW(a_file_that_no_edit_ever_named_may_go),
    ROW(what_was_there_before_counts_as_durable),
    ROW(calls_and_answers_pass_unchanged),
    CU_TEST_INFO_NULL,
};
