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

/* An edit is the text "+name" or "-name", a pointer the name of a manifest. */
static void read_text(void *arg, struct disk_order *order, unsigned dir, const char *name,
                      uint64_t offset, const void *bytes, size_t n)
{
    char text[64];
    (void)arg, (void)dir, (void)offset;
    snprintf(text, sizeof text, "%.*s", (int)n, (const char *)bytes);
    if (strncmp(name, "MANIFEST-", 9) != 0)
        disk_order_points_to(order, text);
    else if (text[0] == '+')
        disk_order_edit_adds(order, text + 1);
    else if (text[0] == '-')
        disk_order_edit_frees(order, text + 1);
}

static void write_edit(struct fixture *x, const char *text)
{
    static uint64_t offset;
    CHECK_INT(disk_write(x->manifest, offset++ % 4096, text, strlen(text),
                         SITE_MANIFEST_WRITE, NULL),
              0);
}

static void edit(struct fixture *x, const char *text)
{
    write_edit(x, text);
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

static void write_pointer(struct disk_file *f, const char *manifest)
{
    CHECK_INT(disk_write(f, 0, manifest, strlen(manifest), SITE_CURRENT_WRITE, NULL), 0);
}

static void switch_pointer(struct fixture *x, const char *manifest)
{
    struct disk_file *f = create(x, "CURRENT.tmp", SITE_CURRENT_CREATE);
    write_pointer(f, manifest);
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
    disk_order_set_reader(x->order, read_text, NULL);
    x->manifest = create(x, "MANIFEST-000001", SITE_MANIFEST_CREATE);
    edit(x, "nothing");
    sync_dir(x, SITE_MANIFEST_DIRSYNC);
    switch_pointer(x, "MANIFEST-000001");
    sync_dir(x, SITE_CURRENT_DIRSYNC);
    x->log = create(x, "000002.log", SITE_WAL_CREATE);
    write_to(x->log, SITE_WAL_FILL);
    sync_file(x->log, SITE_WAL_FILLSYNC);
    sync_dir(x, SITE_WAL_DIRSYNC);
    edit(x, "+000002.log");
}

/* A manifest that names nothing but the log, durable but not in force. */
static void next_manifest(struct fixture *x, const char *name)
{
    disk_close(x->manifest);
    x->manifest = create(x, name, SITE_MANIFEST_CREATE);
    edit(x, "+000002.log");
    sync_dir(x, SITE_MANIFEST_DIRSYNC);
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
    edit(&x, "+000003.sst");
    table(&x, "000004.sst");
    edit(&x, "+000004.sst");
    edit(&x, "-000003.sst");
    unlink_table(&x, "000003.sst");
    edit(&x, "-000002.log");
    CHECK_INT(disk_rename(x.dir, "000002.log", "000005.log", SITE_WAL_RECYCLE), 0);
    sync_dir(&x, SITE_WAL_DIRSYNC);
    edit(&x, "+000005.log");
    write_to(x.log, SITE_WAL_WRITE);
    sync_file(x.log, SITE_WAL_SYNC);
    acknowledge(&x);

    CHECK_TEXT(x.lines, "");
    expect(&x, ORDER_POINTER, 0, NULL);
    for (enum order_rule r = 0; r < ORDER_RULE_COUNT; r++)
        CHECK(disk_order_checks(x.order, r) > 0);
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
    write_pointer(f, "MANIFEST-000001");
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
    write_edit(&x, "+000002.log");
    sync_dir(&x, SITE_MANIFEST_DIRSYNC);
    switch_pointer(&x, "MANIFEST-000009");
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
    edit(&x, "+000002.log");
    switch_pointer(&x, "MANIFEST-000009");
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
    switch_pointer(&x, "MANIFEST-000001");
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
    edit(&x, "+000003.sst");
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
    edit(&x, "+000003.sst");
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
    edit(&x, "+000003.sst");
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
    sync_dir(&x, SITE_SST_DIRSYNC);
    next_manifest(&x, "MANIFEST-000009");
    edit(&x, "+000003.sst");
    expect(&x, ORDER_EDIT, 0, "");
    switch_pointer(&x, "MANIFEST-000009");
    expect(&x, ORDER_EDIT, 1, "current/rename: 000003.sst: its bytes are not synced\n");
    finish(&x);
}

static void only_tables_that_an_edit_names_must_be_durable(void)
{
    struct fixture x;
    start(&x);
    struct disk_file *f = create(&x, "000003.sst", SITE_SST_CREATE);
    write_to(f, SITE_SST_WRITE);
    table(&x, "000004.sst");
    write_edit(&x, "+000004.sst");
    expect(&x, ORDER_EDIT, 0, "");
    disk_close(f);
    finish(&x);
}

static void an_edit_that_names_a_file_which_is_not_there(void)
{
    struct fixture x;
    start(&x);
    write_edit(&x, "+000011.sst");
    expect(&x, ORDER_EDIT, 1, "manifest/write: 000011.sst: there is no such file\n");
    finish(&x);
}

static void an_edit_over_a_log_with_records_that_are_not_synced(void)
{
    struct fixture x;
    start(&x);
    struct disk_file *f = create(&x, "000007.log", SITE_WAL_CREATE);
    write_to(f, SITE_WAL_WRITE);
    sync_dir(&x, SITE_WAL_DIRSYNC);
    edit(&x, "+000007.log");
    expect(&x, ORDER_EDIT, 1, "manifest/write: 000007.log: its bytes are not synced\n");
    disk_close(f);
    finish(&x);
}

/* ---- deleting ---- */

static void a_table_that_is_still_named_must_not_go(void)
{
    struct fixture x;
    start(&x);
    table(&x, "000003.sst");
    edit(&x, "+000003.sst");
    unlink_table(&x, "000003.sst");
    expect(&x, ORDER_DELETE, 1, "sst/unlink: 000003.sst: the manifest still names it\n");
    finish(&x);
}

static void a_freed_table_goes_while_the_next_edit_is_not_synced(void)
{
    struct fixture x;
    start(&x);
    table(&x, "000003.sst");
    table(&x, "000004.sst");
    edit(&x, "+000003.sst");
    edit(&x, "+000004.sst");
    edit(&x, "-000003.sst");
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
    start(&x);
    table(&x, "000003.sst");
    unlink_table(&x, "000003.sst");
    expect(&x, ORDER_DELETE, 0, "");
    finish(&x);
}

static void a_log_recycled_before_the_edit_is_synced(void)
{
    struct fixture x;
    start(&x);
    write_edit(&x, "-000002.log");
    CHECK_INT(disk_rename(x.dir, "000002.log", "000005.log", SITE_WAL_RECYCLE), 0);
    expect(&x, ORDER_DELETE, 1,
           "wal/recycle: 000002.log: the edit that frees it is not synced\n");
    finish(&x);
}

static void a_failed_sync_frees_nothing_even_if_the_next_one_returns(void)
{
    struct fixture x;
    start(&x);
    table(&x, "000003.sst");
    edit(&x, "+000003.sst");
    write_edit(&x, "-000003.sst");
    x.disk->ops->sync_failed(NULL, x.manifest, SITE_MANIFEST_SYNC);
    sync_file(x.manifest, SITE_MANIFEST_SYNC);
    unlink_table(&x, "000003.sst");
    expect(&x, ORDER_DELETE, 1, NULL);
    finish(&x);
}

/* ---- switching ---- */

static void a_manifest_unlinked_before_the_switch_is_durable(void)
{
    struct fixture x;
    start(&x);
    next_manifest(&x, "MANIFEST-000009");
    switch_pointer(&x, "MANIFEST-000009");
    CHECK_INT(disk_unlink(x.dir, "MANIFEST-000001", SITE_MANIFEST_UNLINK), 0);
    expect(&x, ORDER_DELETE, 1,
           "manifest/unlink: MANIFEST-000001: the switch of the pointer is not synced\n");
    finish(&x);
}

static void a_manifest_that_the_pointer_names_must_not_go(void)
{
    struct fixture x;
    start(&x);
    CHECK_INT(disk_unlink(x.dir, "MANIFEST-000001", SITE_MANIFEST_UNLINK), 0);
    expect(&x, ORDER_DELETE, 1,
           "manifest/unlink: MANIFEST-000001: the pointer names it\n");
    finish(&x);
}

static void two_switches_later_the_first_manifest_may_go_while_the_second_is_pending(void)
{
    struct fixture x;
    start(&x);
    next_manifest(&x, "MANIFEST-000008");
    switch_pointer(&x, "MANIFEST-000008");
    sync_dir(&x, SITE_CURRENT_DIRSYNC);
    next_manifest(&x, "MANIFEST-000009");
    switch_pointer(&x, "MANIFEST-000009");
    CHECK_INT(disk_unlink(x.dir, "MANIFEST-000001", SITE_MANIFEST_UNLINK), 0);
    expect(&x, ORDER_DELETE, 0, "");
    CHECK_INT(disk_unlink(x.dir, "MANIFEST-000008", SITE_MANIFEST_UNLINK), 0);
    expect(&x, ORDER_DELETE, 1, NULL);
    finish(&x);
}

static void what_only_the_old_manifest_names_stays_until_the_switch_is_durable(void)
{
    struct fixture x;
    start(&x);
    table(&x, "000003.sst");
    edit(&x, "+000003.sst");
    next_manifest(&x, "MANIFEST-000009");
    switch_pointer(&x, "MANIFEST-000009");
    unlink_table(&x, "000003.sst");
    expect(&x, ORDER_DELETE, 1,
           "sst/unlink: 000003.sst: the switch of the pointer is not synced\n");
    finish(&x);
}

static void a_switch_whose_sync_failed_stays_open_until_another_switch(void)
{
    struct fixture x;
    start(&x);
    next_manifest(&x, "MANIFEST-000009");
    switch_pointer(&x, "MANIFEST-000009");
    x.disk->ops->sync_failed(x.dir, NULL, SITE_CURRENT_DIRSYNC);
    sync_dir(&x, SITE_CURRENT_DIRSYNC);
    CHECK_INT(disk_unlink(x.dir, "MANIFEST-000001", SITE_MANIFEST_UNLINK), 0);
    expect(&x, ORDER_DELETE, 1, NULL);
    next_manifest(&x, "MANIFEST-000010");
    switch_pointer(&x, "MANIFEST-000010");
    sync_dir(&x, SITE_CURRENT_DIRSYNC);
    CHECK_INT(disk_unlink(x.dir, "MANIFEST-000009", SITE_MANIFEST_UNLINK), 0);
    expect(&x, ORDER_DELETE, 1, NULL);
    finish(&x);
}

/* A rename that answers an error and is there all the same. */
static void a_switch_that_answers_an_error_counts_when_it_is_there(void)
{
    struct fixture x;
    start(&x);
    table(&x, "000003.sst");
    edit(&x, "+000003.sst");
    next_manifest(&x, "MANIFEST-000009");
    struct disk_file *f = create(&x, "CURRENT.tmp", SITE_CURRENT_CREATE);
    write_pointer(f, "MANIFEST-000009");
    sync_file(f, SITE_CURRENT_SYNC);
    disk_close(f);
    disk_sim_fail_next(x.sim, DISK_EFFECT_FULL, EIO, 0);
    CHECK_INT(disk_rename(x.dir, "CURRENT.tmp", "CURRENT", SITE_CURRENT_RENAME), -EIO);
    sync_dir(&x, SITE_CURRENT_DIRSYNC);
    unlink_table(&x, "000003.sst");
    expect(&x, ORDER_DELETE, 0, "");
    finish(&x);
}

/* Its bytes were asked for after the error: they are no pointer, and name nothing. */
static void a_switch_whose_first_write_failed_puts_nothing_in_force(void)
{
    struct fixture x;
    start(&x);
    table(&x, "000003.sst");
    next_manifest(&x, "MANIFEST-000009");
    edit(&x, "+000003.sst");
    struct disk_file *f = create(&x, "CURRENT.tmp", SITE_CURRENT_CREATE);
    disk_sim_fail_next(x.sim, DISK_EFFECT_FULL, EIO, 0);
    CHECK_INT(disk_write(f, 0, "MANIFEST-000009", 15, SITE_CURRENT_WRITE, NULL), -EIO);
    disk_close(f);
    unlink_table(&x, "000003.sst");
    CHECK_INT(disk_unlink(x.dir, "MANIFEST-000009", SITE_MANIFEST_UNLINK), 0);
    expect(&x, ORDER_DELETE, 0, "");
    finish(&x);
}

/* ---- recycled logs ---- */

static void a_recycled_log_written_before_its_name_is_durable(void)
{
    struct fixture x;
    start(&x);
    edit(&x, "-000002.log");
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

static void a_record_whose_write_failed_holds_no_reply_back(void)
{
    struct fixture x;
    start(&x);
    disk_sim_fail_next(x.sim, DISK_EFFECT_NONE, ENOSPC, 0);
    CHECK_INT(disk_write(x.log, 0, "bytes", 5, SITE_WAL_WRITE, NULL), -ENOSPC);
    acknowledge(&x);
    expect(&x, ORDER_ACKNOWLEDGE, 0, "");
    write_to(x.log, SITE_WAL_WRITE);
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

static void records_that_a_failed_sync_lost_are_safe_when_written_again(void)
{
    struct fixture x;
    start(&x);
    CHECK_INT(disk_write(x.log, 9000, "record", 6, SITE_WAL_WRITE, NULL), 0);
    x.disk->ops->sync_failed(NULL, x.log, SITE_WAL_SYNC);
    CHECK_INT(disk_write(x.log, 9000, "rec", 3, SITE_WAL_WRITE, NULL), 0);
    sync_file(x.log, SITE_WAL_SYNC);
    acknowledge(&x);
    expect(&x, ORDER_ACKNOWLEDGE, 1, "reply: 000002.log: its records are not synced\n");
    CHECK_INT(disk_write(x.log, 9003, "ord", 3, SITE_WAL_WRITE, NULL), 0);
    sync_file(x.log, SITE_WAL_SYNC);
    acknowledge(&x);
    expect(&x, ORDER_ACKNOWLEDGE, 1, NULL);
    finish(&x);
}

static void a_reply_from_a_log_without_a_durable_name(void)
{
    struct fixture x;
    start(&x);
    struct disk_file *f = create(&x, "000007.log", SITE_WAL_CREATE);
    edit(&x, "+000007.log");
    expect(&x, ORDER_EDIT, 1, NULL);
    write_to(f, SITE_WAL_WRITE);
    sync_file(f, SITE_WAL_SYNC);
    acknowledge(&x);
    CHECK_INT(x.seen[ORDER_ACKNOWLEDGE], 1);
    CHECK(strstr(x.lines, "reply: 000007.log: its name is not synced\n") != NULL);
    disk_close(f);
    finish(&x);
}

static void a_reply_from_a_log_that_no_manifest_names(void)
{
    struct fixture x;
    start(&x);
    struct disk_file *f = create(&x, "000007.log", SITE_WAL_CREATE);
    sync_dir(&x, SITE_WAL_DIRSYNC);
    write_to(f, SITE_WAL_WRITE);
    sync_file(f, SITE_WAL_SYNC);
    acknowledge(&x);
    expect(&x, ORDER_ACKNOWLEDGE, 1, "reply: 000007.log: no manifest names it\n");
    disk_close(f);
    finish(&x);
}

static void a_log_that_was_given_up_holds_no_reply_back(void)
{
    struct fixture x;
    start(&x);
    write_to(x.log, SITE_WAL_WRITE);
    write_edit(&x, "-000002.log");
    acknowledge(&x);
    expect(&x, ORDER_ACKNOWLEDGE, 1, NULL);
    sync_file(x.manifest, SITE_MANIFEST_SYNC);
    acknowledge(&x);
    expect(&x, ORDER_ACKNOWLEDGE, 1, NULL);
    finish(&x);
}

static void a_second_name_that_is_kept_for_people_is_nobodys_log(void)
{
    struct fixture x;
    start(&x);
    write_to(x.log, SITE_WAL_WRITE);
    CHECK_INT(disk_link(x.dir, "000002.log", x.dir, "000002.log.lost", SITE_OTHER_KEEP),
              0);
    write_edit(&x, "-000002.log");
    sync_file(x.manifest, SITE_MANIFEST_SYNC);
    acknowledge(&x);
    expect(&x, ORDER_ACKNOWLEDGE, 0, "");
    finish(&x);
}

/* ---- the wrapper itself ---- */

static void what_was_there_before_counts_as_durable(void)
{
    struct fixture x;
    struct disk_file *f;
    start(&x);
    write_to(x.log, SITE_WAL_WRITE);
    disk_order_forget(x.order);
    struct disk_dir *dir;
    REQUIRE_INT(disk_dir_open(x.disk, "store", &dir), 0);
    REQUIRE_INT(disk_open(dir, "000002.log", DISK_READ, SITE_WAL_CREATE, &f), 0);
    acknowledge(&x);
    expect(&x, ORDER_ACKNOWLEDGE, 0, "");
    disk_close(f);
    disk_dir_close(dir);
    finish(&x);
}

/* The manifest that stands there holds one edit, "+000002.log", and is in force. */
static void what_an_earlier_process_left_is_read(void)
{
    struct fixture x;
    struct disk_file *f;
    start(&x);
    disk_close(x.manifest);
    x.manifest = create(&x, "MANIFEST-000001", SITE_MANIFEST_CREATE);
    CHECK_INT(disk_write(x.manifest, 0, "+000002.log", 11, SITE_MANIFEST_WRITE, NULL), 0);
    disk_order_forget(x.order);
    struct disk_dir *dir;
    REQUIRE_INT(disk_dir_open(x.disk, "store", &dir), 0);
    REQUIRE_INT(disk_open(dir, "CURRENT", DISK_READ, SITE_CURRENT_CREATE, &f), 0);
    disk_close(f);
    REQUIRE_INT(disk_open(dir, "MANIFEST-000001", DISK_READ, SITE_MANIFEST_CREATE, &f),
                0);
    disk_close(f);
    expect(&x, ORDER_EDIT, 0, "");
    CHECK_INT(disk_unlink(dir, "000002.log", SITE_WAL_UNLINK), 0);
    expect(&x, ORDER_DELETE, 1, "wal/unlink: 000002.log: the manifest still names it\n");
    CHECK_INT(disk_unlink(dir, "MANIFEST-000001", SITE_MANIFEST_UNLINK), 0);
    expect(&x, ORDER_DELETE, 2, NULL);
    disk_dir_close(dir);
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
    ROW(only_tables_that_an_edit_names_must_be_durable),
    ROW(an_edit_that_names_a_file_which_is_not_there),
    ROW(an_edit_over_a_log_with_records_that_are_not_synced),
    ROW(a_table_that_is_still_named_must_not_go),
    ROW(a_freed_table_goes_while_the_next_edit_is_not_synced),
    ROW(a_file_that_no_edit_ever_named_may_go),
    ROW(a_log_recycled_before_the_edit_is_synced),
    ROW(a_failed_sync_frees_nothing_even_if_the_next_one_returns),
    ROW(a_manifest_unlinked_before_the_switch_is_durable),
    ROW(a_manifest_that_the_pointer_names_must_not_go),
    ROW(two_switches_later_the_first_manifest_may_go_while_the_second_is_pending),
    ROW(what_only_the_old_manifest_names_stays_until_the_switch_is_durable),
    ROW(a_switch_whose_sync_failed_stays_open_until_another_switch),
    ROW(a_switch_that_answers_an_error_counts_when_it_is_there),
    ROW(a_switch_whose_first_write_failed_puts_nothing_in_force),
    ROW(a_recycled_log_written_before_its_name_is_durable),
    ROW(a_reply_before_the_log_is_synced),
    ROW(a_reply_may_leave_while_a_later_group_is_not_synced),
    ROW(a_record_whose_write_failed_holds_no_reply_back),
    ROW(a_reply_after_a_failed_sync),
    ROW(records_that_a_failed_sync_lost_are_safe_when_written_again),
    ROW(a_reply_from_a_log_without_a_durable_name),
    ROW(a_reply_from_a_log_that_no_manifest_names),
    ROW(a_log_that_was_given_up_holds_no_reply_back),
    ROW(a_second_name_that_is_kept_for_people_is_nobodys_log),
    ROW(what_was_there_before_counts_as_durable),
    ROW(what_an_earlier_process_left_is_read),
    ROW(calls_and_answers_pass_unchanged),
    CU_TEST_INFO_NULL,
};
