/* The real disk, in a directory of its own below /tmp that is removed again. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/check.h"

#include "fault/disk_posix.h"

struct fixture {
    char path[64]; /* of the root */
    struct mem_counting mem;
    struct disk *disk;
    struct disk_dir *root;
};

static void open_root(struct fixture *x)
{
    strcpy(x->path, "/tmp/disk_posix_test.XXXXXX");
    REQUIRE(mkdtemp(x->path) != NULL);
    mem_counting_init(&x->mem, mem_libc());
    REQUIRE_INT(disk_posix_new(&x->mem.mem, x->path, &x->disk), 0);
    REQUIRE_INT(disk_dir_open(x->disk, ".", &x->root), 0);
}

static void close_root(struct fixture *x)
{
    char command[128];
    disk_dir_close(x->root);
    disk_posix_free(x->disk);
    CHECK_INT(x->mem.blocks, 0);
    snprintf(command, sizeof command, "rm -rf %s", x->path);
    CHECK_INT(system(command), 0);
}

static struct disk_file *must_open(struct disk_dir *dir, const char *name, unsigned flags)
{
    struct disk_file *file = NULL;
    REQUIRE_INT(disk_open(dir, name, flags, SITE_OTHER_CREATE, &file), 0);
    return file;
}

static int try_open(struct disk_dir *dir, const char *name, unsigned flags)
{
    struct disk_file *file = NULL;
    int e = disk_open(dir, name, flags, SITE_OTHER_CREATE, &file);
    if (!e) disk_close(file);
    return e;
}

static void touch(struct fixture *x, const char *name)
{
    disk_close(must_open(x->root, name, DISK_WRITE | DISK_CREATE));
}

static void put(struct disk_file *file, uint64_t offset, const char *text)
{
    size_t n = 0;
    CHECK_INT(disk_write(file, offset, text, strlen(text), SITE_OTHER_WRITE, &n), 0);
    CHECK_INT(n, strlen(text));
}

static void expect(struct disk_file *file, uint64_t offset, size_t n, const char *text)
{
    char buf[256] = {0};
    size_t got = 0;
    CHECK_INT(disk_read(file, offset, buf, n, &got), 0);
    CHECK_TEXT(buf, text);
    CHECK_INT(got, strlen(text));
}

static int add_name(void *arg, const char *name)
{
    strcat(arg, name);
    strcat(arg, " ");
    return 0;
}

static void expect_names(struct disk_dir *dir, const char *names)
{
    char got[1024] = "";
    CHECK_INT(disk_list(dir, add_name, got), 0);
    CHECK_TEXT(got, names);
}

/* ---- files ---- */

static void what_was_written_is_read(void)
{
    struct fixture x;
    open_root(&x);
    struct disk_file *f = must_open(x.root, "a", DISK_READ | DISK_WRITE | DISK_CREATE);

    put(f, 0, "hello");
    put(f, 5, " world");
    put(f, 0, "J");

    expect(f, 0, 100, "Jello world");
    expect(f, 6, 3, "wor");
    expect(f, 11, 10, "");
    disk_close(f);
    close_root(&x);
}

static void a_gap_reads_as_zeros(void)
{
    struct fixture x;
    open_root(&x);
    struct disk_file *f = must_open(x.root, "a", DISK_READ | DISK_WRITE | DISK_CREATE);
    char buf[8], want[8] = {0, 0, 0, 0, 0, 0, 'e', 'n'};
    size_t got;
    put(f, 6, "en");

    CHECK_INT(disk_read(f, 0, buf, sizeof buf, &got), 0);

    CHECK_INT(got, 8);
    CHECK(!memcmp(buf, want, sizeof buf));
    disk_close(f);
    close_root(&x);
}

static void sizes_follow_write_truncate_and_allocate(void)
{
    struct fixture x;
    open_root(&x);
    struct disk_file *f = must_open(x.root, "a", DISK_READ | DISK_WRITE | DISK_CREATE);
    uint64_t size = 77;
    put(f, 0, "0123456789");
    CHECK_INT(disk_size(f, &size), 0);
    CHECK_INT(size, 10);

    CHECK_INT(disk_truncate(f, 4, SITE_OTHER_TRUNCATE), 0);
    expect(f, 0, 100, "0123");
    CHECK_INT(disk_allocate(f, 8192, SITE_OTHER_ALLOCATE), 0);
    CHECK_INT(disk_size(f, &size), 0);
    CHECK_INT(size, 8192);
    CHECK_INT(disk_allocate(f, 100, SITE_OTHER_ALLOCATE), 0); /* never shrinks */
    CHECK_INT(disk_size(f, &size), 0);
    CHECK_INT(size, 8192);
    expect(f, 0, 4, "0123");

    disk_close(f);
    close_root(&x);
}

static void open_flags_mean_what_they_say(void)
{
    struct fixture x;
    open_root(&x);

    CHECK_INT(try_open(x.root, "a", DISK_READ), -ENOENT);
    CHECK_INT(try_open(x.root, "a", DISK_WRITE | DISK_CREATE | DISK_EXCL), 0);
    CHECK_INT(try_open(x.root, "a", DISK_WRITE | DISK_CREATE | DISK_EXCL), -EEXIST);
    struct disk_file *f = must_open(x.root, "a", DISK_WRITE | DISK_CREATE);
    put(f, 0, "old");
    disk_close(f);
    f = must_open(x.root, "a", DISK_READ | DISK_WRITE | DISK_TRUNC);
    expect(f, 0, 10, "");
    disk_close(f);

    f = must_open(x.root, "a", DISK_READ);
    CHECK_INT(disk_write(f, 0, "x", 1, SITE_OTHER_WRITE, NULL), -EBADF);
    disk_close(f);
    close_root(&x);
}

static void a_directory_or_a_link_is_not_a_file(void)
{
    struct fixture x;
    open_root(&x);
    char link[128];
    touch(&x, "target");
    snprintf(link, sizeof link, "%s/link", x.path);
    REQUIRE_INT(symlink("target", link), 0);
    CHECK_INT(disk_mkdir(x.disk, "d", SITE_DIR_MKDIR), 0);

    CHECK_INT(try_open(x.root, "d", DISK_READ), -EISDIR);
    CHECK_INT(try_open(x.root, "link", DISK_READ), -ELOOP);
    close_root(&x);
}

static void both_kinds_of_sync_return(void)
{
    struct fixture x;
    open_root(&x);
    struct disk_file *f = must_open(x.root, "a", DISK_WRITE | DISK_CREATE);
    put(f, 0, "abc");
    CHECK_INT(disk_sync(f, DISK_SYNC_DATA, SITE_OTHER_SYNC), 0);
    CHECK_INT(disk_sync(f, DISK_SYNC_FULL, SITE_OTHER_SYNC), 0);
    CHECK_INT(disk_dir_sync(x.root, SITE_OTHER_DIRSYNC), 0);
    disk_close(f);
    close_root(&x);
}

/* ---- names ---- */

static void names_are_listed_in_byte_order(void)
{
    struct fixture x;
    open_root(&x);
    touch(&x, "b");
    touch(&x, "B");
    touch(&x, "a10");
    touch(&x, "a");
    touch(&x, ".hidden");
    expect_names(x.root, ".hidden B a a10 b ");
    close_root(&x);
}

struct tally {
    int count, disorder;
    char last[DISK_NAME_MAX + 1];
};

static int tally_name(void *arg, const char *name)
{
    struct tally *t = arg;
    t->count++;
    t->disorder += strcmp(t->last, name) >= 0;
    strcpy(t->last, name);
    return 0;
}

static void a_large_directory_is_listed_whole(void)
{
    struct fixture x;
    open_root(&x);
    for (int i = 0; i < 700; i++) {
        char name[64];
        snprintf(name, sizeof name, "a-name-that-takes-some-room-%d", i * 7919 % 1000);
        touch(&x, name);
    }
    struct tally t = {0};
    CHECK_INT(disk_list(x.root, tally_name, &t), 0);
    CHECK_INT(t.count, 700);
    CHECK_INT(t.disorder, 0);
    close_root(&x);
}

static int stop_at_second(void *arg, const char *name)
{
    (void)name;
    return ++*(int *)arg == 2 ? 99 : 0;
}

static void a_callback_can_stop_the_listing(void)
{
    struct fixture x;
    open_root(&x);
    touch(&x, "a");
    touch(&x, "b");
    touch(&x, "c");
    int calls = 0;
    CHECK_INT(disk_list(x.root, stop_at_second, &calls), 99);
    CHECK_INT(calls, 2);
    close_root(&x);
}

static void rename_replaces_and_link_does_not(void)
{
    struct fixture x;
    open_root(&x);
    struct disk_file *f = must_open(x.root, "new", DISK_WRITE | DISK_CREATE);
    put(f, 0, "new");
    disk_close(f);
    touch(&x, "old");

    CHECK_INT(disk_link(x.root, "new", x.root, "old", SITE_OTHER_LINK), -EEXIST);
    CHECK_INT(disk_link(x.root, "new", x.root, "more", SITE_OTHER_LINK), 0);
    CHECK_INT(disk_rename(x.root, "new", "old", SITE_OTHER_RENAME), 0);
    CHECK_INT(disk_rename(x.root, "new", "old", SITE_OTHER_RENAME), -ENOENT);

    expect_names(x.root, "more old ");
    f = must_open(x.root, "old", DISK_READ);
    expect(f, 0, 10, "new");
    disk_close(f);
    close_root(&x);
}

static void unlink_removes_a_name_and_leaves_open_files(void)
{
    struct fixture x;
    open_root(&x);
    struct disk_file *f = must_open(x.root, "a", DISK_READ | DISK_WRITE | DISK_CREATE);
    put(f, 0, "still");

    CHECK_INT(disk_unlink(x.root, "a", SITE_OTHER_UNLINK), 0);
    CHECK_INT(disk_unlink(x.root, "a", SITE_OTHER_UNLINK), -ENOENT);

    expect_names(x.root, "");
    expect(f, 0, 10, "still");
    disk_close(f);
    close_root(&x);
}

static void mapped_bytes_are_the_files_and_outlive_handle_and_name(void)
{
    struct fixture x;
    open_root(&x);
    struct disk_file *f = must_open(x.root, "a", DISK_READ | DISK_WRITE | DISK_CREATE);
    static char text[10000];
    memset(text, 'm', sizeof text - 1);
    memcpy(text + 5000, "middle", 6);
    put(f, 0, text);
    disk_close(f);
    f = must_open(x.root, "a", DISK_READ);
    const uint8_t *bytes = NULL;
    REQUIRE_INT(disk_map(f, sizeof text - 1, &bytes), 0);
    disk_close(f);
    CHECK_INT(disk_unlink(x.root, "a", SITE_OTHER_UNLINK), 0);
    CHECK(memcmp(bytes, text, sizeof text - 1) == 0);
    disk_unmap(x.disk, bytes, sizeof text - 1);
    close_root(&x); /* which counts handles */
}

static void directories_are_made_opened_and_removed(void)
{
    struct fixture x;
    struct disk_dir *d;
    open_root(&x);
    CHECK_INT(disk_dir_open(x.disk, "d", &d), -ENOENT);
    CHECK_INT(disk_mkdir(x.disk, "d", SITE_DIR_MKDIR), 0);
    CHECK_INT(disk_mkdir(x.disk, "d", SITE_DIR_MKDIR), -EEXIST);
    REQUIRE_INT(disk_dir_open(x.disk, "d", &d), 0);
    disk_close(must_open(d, "inside", DISK_WRITE | DISK_CREATE));
    touch(&x, "file");

    CHECK_INT(disk_rmdir(x.disk, "d", SITE_OTHER_RMDIR), -ENOTEMPTY);
    CHECK_INT(disk_dir_open(x.disk, "file", &d), -ENOTDIR);
    CHECK_INT(disk_unlink(d, "inside", SITE_OTHER_UNLINK), 0);
    CHECK_INT(disk_rmdir(x.disk, "d", SITE_OTHER_RMDIR), 0);

    expect_names(x.root, "file ");
    disk_dir_close(d);
    close_root(&x);
}

static void a_name_is_one_component(void)
{
    struct fixture x;
    open_root(&x);
    static const char *const bad[] = {"", ".", "..", "a/b", "/tmp"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(try_open(x.root, bad[i], DISK_WRITE | DISK_CREATE), -EINVAL);
        CHECK_INT(disk_unlink(x.root, bad[i], SITE_OTHER_UNLINK), -EINVAL);
        CHECK_INT(disk_mkdir(x.disk, bad[i], SITE_DIR_MKDIR), -EINVAL);
    }
    char name[DISK_NAME_MAX + 2];
    memset(name, 'x', sizeof name);
    name[DISK_NAME_MAX + 1] = 0;
    CHECK_INT(try_open(x.root, name, DISK_WRITE | DISK_CREATE), -ENAMETOOLONG);
    name[DISK_NAME_MAX] = 0;
    CHECK_INT(try_open(x.root, name, DISK_WRITE | DISK_CREATE), 0);
    close_root(&x);
}

/* ---- locks ---- */

static void a_second_lock_is_refused_until_the_first_is_closed(void)
{
    struct fixture x;
    struct disk_file *first, *second;
    open_root(&x);
    REQUIRE_INT(disk_lock(x.root, "LOCK", SITE_LOCK_CREATE, &first), 0);

    CHECK_INT(disk_lock(x.root, "LOCK", SITE_LOCK_CREATE, &second), -EWOULDBLOCK);
    disk_close(first);
    REQUIRE_INT(disk_lock(x.root, "LOCK", SITE_LOCK_CREATE, &second), 0);
    CHECK_INT(second->kind, KIND_LOCK);

    disk_close(second);
    close_root(&x);
}

/* ---- resources ---- */

static int count_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void failures_leak_neither_memory_nor_descriptors(void)
{
    struct fixture x;
    struct disk_file *locked, *f;
    struct disk_dir *d;
    open_root(&x);
    REQUIRE_INT(disk_lock(x.root, "LOCK", SITE_LOCK_CREATE, &locked), 0);
    CHECK_INT(disk_mkdir(x.disk, "d", SITE_DIR_MKDIR), 0);
    int descriptors = count_descriptors();
    long blocks = x.mem.blocks;

    CHECK(disk_lock(x.root, "LOCK", SITE_LOCK_CREATE, &f) < 0);
    CHECK(try_open(x.root, "d", DISK_READ) < 0);
    CHECK(try_open(x.root, "absent", DISK_READ) < 0);
    CHECK(disk_dir_open(x.disk, "absent", &d) < 0);
    x.mem.fail_at = x.mem.calls + 1;
    x.mem.fail_sticky = 1;
    CHECK_INT(try_open(x.root, "LOCK", DISK_READ), -ENOMEM);
    CHECK_INT(disk_dir_open(x.disk, "d", &d), -ENOMEM);
    expect_names(x.root, "LOCK d ");

    CHECK_INT(count_descriptors(), descriptors);
    CHECK_INT(x.mem.blocks, blocks);
    disk_close(locked);
    close_root(&x);
}

static void a_root_that_is_no_directory_is_refused(void)
{
    struct disk *disk = NULL;
    CHECK_INT(disk_posix_new(mem_libc(), "/nowhere/at/all", &disk), -ENOENT);
    CHECK_INT(disk_posix_new(mem_libc(), "/etc/passwd", &disk), -ENOTDIR);
    CHECK(disk == NULL);
}

static void descriptors_are_closed_on_exec(void)
{
    struct fixture x;
    open_root(&x);
    int before = count_descriptors() - 1; /* opendir's own is the next free one */
    struct disk_file *f = must_open(x.root, "a", DISK_WRITE | DISK_CREATE);
    int marked = 0;
    for (int fd = 3; fd < before + 16; fd++) {
        int flags = fcntl(fd, F_GETFD);
        char link[64], to[256] = "";
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (flags < 0 || readlink(link, to, sizeof to - 1) < 0) continue;
        if (strncmp(to, x.path, strlen(x.path))) continue;
        CHECK(flags & FD_CLOEXEC);
        marked++;
    }
    CHECK_INT(marked, 3); /* the root twice, the file */
    disk_close(f);
    close_root(&x);
}

#define ROW(name)                                                                        \
    {                                                                                    \
#name, name                                                                      \
    }
static void above_a_disk_is_the_one_around_it_up_to_the_top(void)
{
    struct fixture x;
    struct disk *inner, *outer, *up;
    char path[80];
    open_root(&x);
    REQUIRE_INT(disk_mkdir(x.disk, "inner", SITE_OTHER_MKDIR), 0);
    touch(&x, "beside");
    snprintf(path, sizeof path, "%s/inner", x.path);
    REQUIRE_INT(disk_posix_new(&x.mem.mem, path, &inner), 0);
    REQUIRE_INT(disk_posix_above(&x.mem.mem, inner, &outer), 0);
    disk_posix_free(inner);
    struct disk_dir *dir;
    REQUIRE_INT(disk_dir_open(outer, ".", &dir), 0);
    CHECK_INT(try_open(dir, "beside", DISK_READ), 0);
    disk_dir_close(dir);

    int steps = 0, rc;
    while (!(rc = disk_posix_above(&x.mem.mem, outer, &up)) && ++steps < 99) {
        disk_posix_free(outer);
        outer = up;
    }
    CHECK_INT(rc, -ENOENT);
    CHECK_INT(steps, 2); /* /tmp and / */
    disk_posix_free(outer);
    close_root(&x);
}

CU_TestInfo fault_disk_posix_tests[] = {
    ROW(what_was_written_is_read),
    ROW(a_gap_reads_as_zeros),
    ROW(sizes_follow_write_truncate_and_allocate),
    ROW(open_flags_mean_what_they_say),
    ROW(a_directory_or_a_link_is_not_a_file),
    ROW(both_kinds_of_sync_return),
    ROW(names_are_listed_in_byte_order),
    ROW(a_large_directory_is_listed_whole),
    ROW(a_callback_can_stop_the_listing),
    ROW(rename_replaces_and_link_does_not),
    ROW(unlink_removes_a_name_and_leaves_open_files),
    ROW(mapped_bytes_are_the_files_and_outlive_handle_and_name),
    ROW(directories_are_made_opened_and_removed),
    ROW(a_name_is_one_component),
    ROW(a_second_lock_is_refused_until_the_first_is_closed),
    ROW(failures_leak_neither_memory_nor_descriptors),
    ROW(a_root_that_is_no_directory_is_refused),
    ROW(descriptors_are_closed_on_exec),
    {"above_a_disk_is_the_one_around_it_up_to_the_top",
     above_a_disk_is_the_one_around_it_up_to_the_top},
    CU_TEST_INFO_NULL,
};
