/* The shim in front of a puppet: a disk with one file of 64 bytes, whose next answers the
 * test writes down beforehand and which keeps a journal of the calls that reached it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"

#include "fault/disk.h"
#include "fault/plan.h"

#define ALL 1000 /* an answer: as many bytes as were asked for */

struct puppet {
    struct disk disk;
    struct disk_dir dir;
    struct disk_file file;
    char bytes[64];
    size_t size;
    int answers[16]; /* >= 0: success and so many bytes; < 0: an error; then ALL */
    int next;
    char journal[512];
};

/* The first member of `disk`, `dir` and `file` points to the puppet's disk. */
static struct puppet *of(struct disk *disk)
{
    return (struct puppet *)disk;
}

static int answer(struct puppet *p, const char *call)
{
    strcat(p->journal, call);
    strcat(p->journal, " ");
    return p->next < 16 && p->answers[p->next] ? p->answers[p->next++] : ALL;
}

static int puppet_result(struct puppet *p, const char *call)
{
    int a = answer(p, call);
    return a < 0 ? a : 0;
}

static int puppet_read(struct disk_file *f, uint64_t offset, void *buf, size_t n,
                       size_t *got)
{
    struct puppet *p = of(f->disk);
    int a = answer(p, "read");
    if (a < 0) return a;
    size_t left = offset < p->size ? p->size - (size_t)offset : 0;
    *got = n < left ? n : left;
    if ((size_t)a < *got) *got = (size_t)a;
    memcpy(buf, p->bytes + offset, *got);
    return 0;
}

static int puppet_write(struct disk_file *f, uint64_t offset, const void *buf, size_t n,
                        enum site site, size_t *put)
{
    struct puppet *p = of(f->disk);
    (void)site;
    int a = answer(p, "write");
    if (a < 0) return a;
    *put = (size_t)a < n ? (size_t)a : n;
    memcpy(p->bytes + offset, buf, *put);
    if (p->size < offset + *put) p->size = (size_t)offset + *put;
    return 0;
}

static int puppet_sync(struct disk_file *f, enum disk_sync_mode mode, enum site site)
{
    (void)site;
    return puppet_result(of(f->disk), mode == DISK_SYNC_DATA ? "datasync" : "sync");
}

static int puppet_dir_sync(struct disk_dir *d, enum site site)
{
    (void)site;
    return puppet_result(of(d->disk), "dirsync");
}

static void puppet_sync_failed(struct disk_dir *d, struct disk_file *f, enum site site)
{
    (void)site;
    answer(of(f ? f->disk : d->disk), f ? "clean" : "dirclean");
}

static int puppet_rename(struct disk_dir *d, const char *from, const char *to,
                         enum site site)
{
    (void)from, (void)to, (void)site;
    return puppet_result(of(d->disk), "rename");
}

static int puppet_unlink(struct disk_dir *d, const char *name, enum site site)
{
    (void)name, (void)site;
    return puppet_result(of(d->disk), "unlink");
}

static int puppet_open(struct disk_dir *d, const char *name, unsigned flags,
                       enum site site, struct disk_file **out)
{
    struct puppet *p = of(d->disk);
    (void)name, (void)flags, (void)site;
    int e = puppet_result(p, "open");
    if (!e) *out = &p->file;
    return e;
}

static void puppet_close(struct disk_file *f)
{
    answer(of(f->disk), "close");
}

static int puppet_allocate(struct disk_file *f, uint64_t size, enum site site)
{
    struct puppet *p = of(f->disk);
    (void)site;
    int e = puppet_result(p, "allocate");
    if (!e && p->size < size) p->size = (size_t)size;
    return e;
}

static int puppet_truncate(struct disk_file *f, uint64_t size, enum site site)
{
    struct puppet *p = of(f->disk);
    (void)site;
    int e = puppet_result(p, "truncate");
    if (!e) p->size = (size_t)size;
    return e;
}

/* In no order at all, and with a few more on request. */
static int puppet_list(struct disk_dir *d, disk_list_fn *fn, void *arg)
{
    static const char *const names[] = {"m", "z", "a", "k"};
    int e = puppet_result(of(d->disk), "list");
    for (int i = 0; i < 4 && !e; i++)
        e = fn(arg, names[i]);
    return e;
}

static const struct disk_ops puppet_ops = {
    .read = puppet_read,
    .write = puppet_write,
    .sync = puppet_sync,
    .dir_sync = puppet_dir_sync,
    .sync_failed = puppet_sync_failed,
    .rename = puppet_rename,
    .unlink = puppet_unlink,
    .open = puppet_open,
    .close = puppet_close,
    .allocate = puppet_allocate,
    .truncate = puppet_truncate,
    .list = puppet_list,
};

static void init(struct puppet *p)
{
    memset(p, 0, sizeof *p);
    p->disk.ops = &puppet_ops;
    p->dir.disk = p->file.disk = &p->disk;
    p->file.kind = KIND_WAL;
}

/* ---- repeating ---- */

static void short_and_interrupted_writes_are_repeated(void)
{
    struct puppet p;
    size_t put = 99;
    init(&p);
    p.answers[0] = 3;
    p.answers[1] = -EINTR;
    p.answers[2] = 1;

    CHECK_INT(disk_write(&p.file, 0, "hello world", 11, SITE_WAL_WRITE, &put), 0);

    CHECK_INT(put, 11);
    CHECK_TEXT(p.bytes, "hello world");
    CHECK_TEXT(p.journal, "write write write write ");
}

static void a_write_that_fails_half_way_says_how_far_it_came(void)
{
    struct puppet p;
    size_t put = 99;
    init(&p);
    p.answers[0] = 5;
    p.answers[1] = -ENOSPC;

    CHECK_INT(disk_write(&p.file, 0, "hello world", 11, SITE_WAL_WRITE, &put), -ENOSPC);
    CHECK_INT(put, 5);
    CHECK_INT(p.size, 5);
}

static void a_write_of_nothing_reaches_no_disk(void)
{
    struct puppet p;
    size_t put = 99;
    init(&p);
    CHECK_INT(disk_write(&p.file, 0, "", 0, SITE_WAL_WRITE, &put), 0);
    CHECK_INT(put, 0);
    CHECK_TEXT(p.journal, "");
}

static void short_reads_are_repeated_until_the_end_of_the_file(void)
{
    struct puppet p;
    char buf[32] = "";
    size_t got = 99;
    init(&p);
    memcpy(p.bytes, "0123456789", 10);
    p.size = 10;
    p.answers[0] = 4;
    p.answers[1] = -EINTR;
    p.answers[2] = 1;

    CHECK_INT(disk_read(&p.file, 0, buf, 10, &got), 0);
    CHECK_INT(got, 10);
    CHECK_TEXT(buf, "0123456789");

    CHECK_INT(disk_read(&p.file, 7, buf, 30, &got), 0);
    CHECK_INT(got, 3);
    CHECK_INT(disk_read(&p.file, 10, buf, 30, &got), 0);
    CHECK_INT(got, 0);
}

static void a_read_error_is_answered_with_what_came_before(void)
{
    struct puppet p;
    char buf[32];
    size_t got = 99;
    init(&p);
    p.size = 20;
    p.answers[0] = 8;
    p.answers[1] = -EIO;
    CHECK_INT(disk_read(&p.file, 0, buf, 20, &got), -EIO);
    CHECK_INT(got, 8);
}

static void an_interrupted_sync_is_repeated(void)
{
    struct puppet p;
    init(&p);
    p.answers[0] = -EINTR;
    CHECK_INT(disk_sync(&p.file, DISK_SYNC_DATA, SITE_WAL_SYNC), 0);
    CHECK_TEXT(p.journal, "datasync datasync ");
}

static void a_failed_sync_is_not_repeated(void)
{
    struct puppet p;
    init(&p);
    p.answers[0] = -EIO;
    CHECK_INT(disk_sync(&p.file, DISK_SYNC_FULL, SITE_WAL_SYNC), -EIO);
    CHECK_TEXT(p.journal, "sync ");
}

/* ---- listing, kinds ---- */

static int add_name(void *arg, const char *name)
{
    strcat(arg, name);
    return 0;
}

static int unlink_each(void *arg, const char *name)
{
    return disk_unlink(arg, name, SITE_SST_UNLINK);
}

static void a_listing_is_sorted_and_may_be_acted_upon(void)
{
    struct puppet p;
    char names[64] = "";
    init(&p);
    CHECK_INT(disk_list(&p.dir, add_name, names), 0);
    CHECK_TEXT(names, "akmz");

    p.journal[0] = 0;
    CHECK_INT(disk_list(&p.dir, unlink_each, &p.dir), 0);
    CHECK_TEXT(p.journal, "list unlink unlink unlink unlink ");
}

static void half_a_listing_is_not_shown(void)
{
    struct puppet p;
    char names[64] = "";
    init(&p);
    p.answers[0] = -EIO;
    CHECK_INT(disk_list(&p.dir, add_name, names), -EIO);
    CHECK_TEXT(names, "");
}

static void the_site_of_open_gives_the_kind(void)
{
    struct puppet p;
    struct disk_file *f = NULL;
    init(&p);
    REQUIRE_INT(disk_open(&p.dir, "t", DISK_READ, SITE_SST_CREATE, &f), 0);
    CHECK_INT(f->kind, KIND_SST);
}

#ifdef FIU_ENABLE

/* ---- effects of points ---- */

static void arm(struct plan *plan, const char *point)
{
    *plan = (struct plan){.pattern = point, .kth = 1};
    REQUIRE_INT(plan_arm(plan), 0);
}

static void an_error_is_answered_instead_of_the_call(void)
{
    struct puppet p;
    struct plan plan;
    init(&p);
    arm(&plan, "fs/current/rename/enospc");
    CHECK_INT(disk_rename(&p.dir, "a", "b", SITE_CURRENT_RENAME), -ENOSPC);
    CHECK_TEXT(p.journal, "");
    plan_disarm_all();
}

static void after_answers_an_error_although_the_call_was_made(void)
{
    struct puppet p;
    struct plan plan;
    init(&p);
    arm(&plan, "fs/current/rename/after");
    CHECK_INT(disk_rename(&p.dir, "a", "b", SITE_CURRENT_RENAME), -EIO);
    CHECK_TEXT(p.journal, "rename ");
    plan_disarm_all();
}

static void drop_answers_success_although_nothing_was_done(void)
{
    struct puppet p;
    struct plan plans[3];
    init(&p);
    arm(&plans[0], "fs/wal/sync/drop");
    arm(&plans[1], "fs/sst/unlink/drop");
    arm(&plans[2], "fs/other/truncate/drop");
    CHECK_INT(disk_sync(&p.file, DISK_SYNC_DATA, SITE_WAL_SYNC), 0);
    CHECK_INT(disk_unlink(&p.dir, "a", SITE_SST_UNLINK), 0);
    CHECK_INT(disk_truncate(&p.file, 0, SITE_OTHER_TRUNCATE), 0);
    CHECK_TEXT(p.journal, "");
    plan_disarm_all();
}

static void a_failed_sync_tells_the_disk_that_its_pages_are_clean(void)
{
    struct puppet p;
    struct plan plans[2];
    init(&p);
    arm(&plans[0], "fs/wal/sync/eio");
    CHECK_INT(disk_sync(&p.file, DISK_SYNC_FULL, SITE_WAL_SYNC), -EIO);
    CHECK_TEXT(p.journal, "clean ");
    plan_disarm_all();

    init(&p);
    arm(&plans[1], "fs/dir/sync/enospc");
    CHECK_INT(disk_dir_sync(&p.dir, SITE_DIR_PARENTSYNC), -ENOSPC);
    CHECK_TEXT(p.journal, "dirclean ");
    plan_disarm_all();
}

static void an_interruption_by_a_point_leaves_pages_and_is_repeated(void)
{
    struct puppet p;
    struct plan plan;
    init(&p);
    arm(&plan, "fs/wal/sync/eintr");
    CHECK_INT(disk_sync(&p.file, DISK_SYNC_FULL, SITE_WAL_SYNC), 0);
    CHECK_TEXT(p.journal, "sync ");
    CHECK_INT(plan.fired, 1);
    plan_disarm_all();
}

static void interruptions_for_ever_are_an_error_in_the_end(void)
{
    struct puppet p;
    struct disk_file *f;
    char buf[4];
    size_t n;
    init(&p);
    struct plan plans[4] = {{.pattern = "fs/wal/sync/eintr"},
                            {.pattern = "fs/wal/read/eintr"},
                            {.pattern = "fs/wal/write/eintr"},
                            {.pattern = "fs/wal/open/eintr"}};
    for (int i = 0; i < 4; i++) {
        plans[i].kth = 1;
        plans[i].sticky = true;
        REQUIRE_INT(plan_arm(&plans[i]), 0);
    }
    CHECK_INT(disk_sync(&p.file, DISK_SYNC_FULL, SITE_WAL_SYNC), -EINTR);
    CHECK_INT(disk_read(&p.file, 0, buf, 4, &n), -EINTR);
    CHECK_INT(disk_write(&p.file, 0, "abcd", 4, SITE_WAL_WRITE, &n), -EINTR);
    CHECK_INT(disk_open(&p.dir, "a", DISK_READ, SITE_WAL_CREATE, &f), -EINTR);
    CHECK_TEXT(p.journal, "");
    plan_disarm_all();
}

static void short_writes_by_a_point_still_write_everything(void)
{
    struct puppet p;
    init(&p);
    struct plan plan = {.pattern = "fs/wal/write/short", .kth = 1, .sticky = true};
    REQUIRE_INT(plan_arm(&plan), 0);
    CHECK_INT(disk_write(&p.file, 0, "hello world", 11, SITE_WAL_WRITE, NULL), 0);
    CHECK_TEXT(p.bytes, "hello world");
    CHECK(plan.fired > 3);
    plan_disarm_all();
}

static void short_reads_by_a_point_still_read_everything(void)
{
    struct puppet p;
    char buf[32] = "";
    size_t got;
    init(&p);
    memcpy(p.bytes, "0123456789", 10);
    p.size = 10;
    struct plan plan = {.pattern = "fs/wal/read/short", .kth = 1, .sticky = true};
    REQUIRE_INT(plan_arm(&plan), 0);
    CHECK_INT(disk_read(&p.file, 0, buf, 30, &got), 0);
    CHECK_INT(got, 10);
    CHECK_TEXT(buf, "0123456789");
    plan_disarm_all();
}

static void a_partial_write_leaves_half_and_answers_an_error(void)
{
    struct puppet p;
    struct plan plan;
    size_t put = 99;
    init(&p);
    arm(&plan, "fs/wal/write/part");
    CHECK_INT(disk_write(&p.file, 0, "hello world!", 12, SITE_WAL_WRITE, &put), -EIO);
    CHECK_INT(put, 6);
    CHECK_TEXT(p.bytes, "hello ");
    plan_disarm_all();
}

static void a_partial_allocate_reserves_half_and_answers_an_error(void)
{
    struct puppet p;
    struct plan plan;
    init(&p);
    arm(&plan, "fs/other/allocate/part");
    CHECK_INT(disk_allocate(&p.file, 40, SITE_OTHER_ALLOCATE), -EIO);
    CHECK_INT(p.size, 20);
    plan_disarm_all();
}

static void an_open_that_fails_afterwards_leaves_no_handle(void)
{
    struct puppet p;
    struct plan plan;
    struct disk_file *f = NULL;
    init(&p);
    arm(&plan, "fs/wal/open/after");
    CHECK_INT(disk_open(&p.dir, "a", DISK_READ, SITE_WAL_CREATE, &f), -EIO);
    CHECK(f == NULL);
    CHECK_TEXT(p.journal, "open close ");
    plan_disarm_all();
}

static void reads_sizes_and_lists_fail_by_the_kind_of_their_file(void)
{
    struct puppet p;
    struct plan plans[3];
    char buf[8], names[64] = "";
    size_t got;
    uint64_t size;
    init(&p);
    arm(&plans[0], "fs/sst/read/eio");
    arm(&plans[1], "fs/sst/size/eio");
    arm(&plans[2], "fs/dir/list/eio");

    CHECK_INT(disk_read(&p.file, 0, buf, 8, &got), 0); /* a log */
    p.file.kind = KIND_SST;
    CHECK_INT(disk_read(&p.file, 0, buf, 8, &got), -EIO);
    CHECK_INT(got, 0);
    CHECK_INT(disk_size(&p.file, &size), -EIO);
    CHECK_INT(disk_list(&p.dir, add_name, names), -EIO);
    plan_disarm_all();
}

static void a_map_that_is_refused_reaches_no_disk(void)
{
    struct puppet p;
    struct plan plan;
    const uint8_t *bytes = NULL;
    init(&p);
    p.file.kind = KIND_SST;
    arm(&plan, "fs/sst/map/enomem");
    CHECK_INT(disk_map(&p.file, 8, &bytes), -ENOMEM);
    plan_disarm_all();
    CHECK_INT(disk_map(&p.file, 8, &bytes), -EOPNOTSUPP); /* the puppet cannot */
    CHECK(bytes == NULL);
}

#endif

#define ROW(name)                                                                        \
    {                                                                                    \
#name, name                                                                      \
    }
CU_TestInfo fault_shim_tests[] = {
    ROW(short_and_interrupted_writes_are_repeated),
    ROW(a_write_that_fails_half_way_says_how_far_it_came),
    ROW(a_write_of_nothing_reaches_no_disk),
    ROW(short_reads_are_repeated_until_the_end_of_the_file),
    ROW(a_read_error_is_answered_with_what_came_before),
    ROW(an_interrupted_sync_is_repeated),
    ROW(a_failed_sync_is_not_repeated),
    ROW(a_listing_is_sorted_and_may_be_acted_upon),
    ROW(half_a_listing_is_not_shown),
    ROW(the_site_of_open_gives_the_kind),
#ifdef FIU_ENABLE
    ROW(an_error_is_answered_instead_of_the_call),
    ROW(after_answers_an_error_although_the_call_was_made),
    ROW(drop_answers_success_although_nothing_was_done),
    ROW(a_failed_sync_tells_the_disk_that_its_pages_are_clean),
    ROW(an_interruption_by_a_point_leaves_pages_and_is_repeated),
    ROW(interruptions_for_ever_are_an_error_in_the_end),
    ROW(short_writes_by_a_point_still_write_everything),
    ROW(short_reads_by_a_point_still_read_everything),
    ROW(a_partial_write_leaves_half_and_answers_an_error),
    ROW(a_partial_allocate_reserves_half_and_answers_an_error),
    ROW(an_open_that_fails_afterwards_leaves_no_handle),
    ROW(reads_sizes_and_lists_fail_by_the_kind_of_their_file),
    ROW(a_map_that_is_refused_reaches_no_disk),
#endif
    CU_TEST_INFO_NULL,
};
