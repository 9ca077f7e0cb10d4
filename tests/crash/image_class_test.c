/* Images that a recovery cannot tell apart, and those that it can. */
#include "tests/crash/image_class.h"

#include "tests/support/check.h"

static struct disk *disk;
static struct disk_dir *dir;
static struct image_set table;
static struct class_view view;

/* Durable, as all of an image is. */
static void put(const char *name, const char *text)
{
    struct disk_file *file;
    size_t n = 0;
    while (text[n])
        n++;
    REQUIRE_INT(disk_open(dir, name, DISK_WRITE | DISK_CREATE | DISK_TRUNC,
                          SITE_OTHER_CREATE, &file),
                0);
    REQUIRE_INT(disk_write(file, 0, text, n, SITE_OTHER_WRITE, NULL), 0);
    disk_close(file);
    disk_sim_settle(disk);
}

/* Pending. */
static void append(const char *name, const char *text)
{
    struct disk_file *file;
    uint64_t size;
    REQUIRE_INT(disk_open(dir, name, DISK_WRITE, SITE_OTHER_CREATE, &file), 0);
    REQUIRE_INT(disk_size(file, &size), 0);
    REQUIRE_INT(disk_write(file, size, text, 1, SITE_OTHER_WRITE, NULL), 0);
    disk_close(file);
}

static void begin(void)
{
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &disk), 0);
    REQUIRE_INT(disk_mkdir(disk, "db", SITE_OTHER_MKDIR), 0);
    REQUIRE_INT(disk_dir_open(disk, "db", &dir), 0);
    image_set_init(&table);
    put("pointer", "first");
    put("first", "contents");
    put("leftover", "whatever");
}

static void end(void)
{
    disk_dir_close(dir);
    disk_sim_free(disk);
    image_set_deinit(&table);
}

static uint32_t found(void)
{
    class_begin(&view, disk, 0);
    return class_find(&view, &table);
}

static void judged(uint32_t verdict)
{
    class_begin(&view, disk, 0);
    class_looked(&view, "pointer");
    class_looked(&view, "first");
    class_add(&view, &table, verdict);
}

static void what_nobody_looked_at_makes_no_difference(void)
{
    begin();
    CHECK_INT(found(), 0);
    judged(7);
    CHECK_INT(found(), 7);
    put("leftover", "something else, and longer");
    CHECK_INT(found(), 7);
    CHECK_INT(view.looked, 2);
    end();
}

static void what_was_looked_at_does(void)
{
    begin();
    judged(7);
    put("first", "contentz");
    CHECK_INT(found(), 0);
    judged(8);
    CHECK_INT(found(), 8);
    put("first", "contents");
    CHECK_INT(found(), 7);
    put("first", "content");
    CHECK_INT(found(), 0);
    end();
}

static void names_and_links_do(void)
{
    begin();
    judged(7);
    put("another", "");
    CHECK_INT(found(), 0);
    judged(8);
    REQUIRE_INT(disk_unlink(dir, "another", SITE_OTHER_UNLINK), 0);
    disk_sim_settle(disk);
    CHECK_INT(found(), 7);
    REQUIRE_INT(disk_unlink(dir, "leftover", SITE_OTHER_UNLINK), 0);
    disk_sim_settle(disk);
    CHECK_INT(found(), 0);
    REQUIRE_INT(disk_link(dir, "first", dir, "leftover", SITE_OTHER_LINK), 0);
    disk_sim_settle(disk);
    CHECK_INT(found(), 0); /* two names of one file are not two files */
    end();
}

/* A copy of the store has files of the same names. */
static void a_file_of_the_same_name_in_another_directory_does(void)
{
    struct disk_dir *db, *copy;
    begin();
    db = dir;
    REQUIRE_INT(disk_mkdir(disk, "copy", SITE_OTHER_MKDIR), 0);
    REQUIRE_INT(disk_dir_open(disk, "copy", &copy), 0);
    dir = copy;
    put("first", "a copy");
    put("leftover", "a copy");
    judged(7);
    put("leftover", "another");
    CHECK_INT(found(), 7);
    put("first", "a copz");
    CHECK_INT(found(), 0);
    dir = db;
    disk_dir_close(copy);
    end();
}

static void the_key_does(void)
{
    begin();
    judged(7);
    class_begin(&view, disk, 1);
    CHECK_INT(class_find(&view, &table), 0);
    end();
}

static void what_is_left_standing_counts_as_looked_at(void)
{
    begin();
    class_begin(&view, disk, 0);
    REQUIRE_INT(disk_unlink(dir, "leftover", SITE_OTHER_UNLINK), 0);
    class_kept(&view);
    CHECK_INT(view.looked, 2);
    end();
}

/* ---- windows ---- */

static void pending_bytes_of_a_file_that_nobody_looked_at_make_no_difference(void)
{
    begin();
    append("leftover", "!");
    judged(7);
    append("leftover", "?");
    CHECK_INT(found(), 7);
    disk_sim_settle(disk);
    CHECK_INT(found(), 7);
    end();
}

static void pending_bytes_of_a_file_that_was_looked_at_do(void)
{
    begin();
    judged(7);
    append("first", "!");
    CHECK_INT(found(), 0);
    judged(8);
    CHECK_INT(found(), 8);
    disk_sim_settle(disk); /* the same bytes, and nothing to choose */
    CHECK_INT(found(), 0);
    end();
}

static void pending_names_do(void)
{
    begin();
    REQUIRE_INT(disk_unlink(dir, "leftover", SITE_OTHER_UNLINK), 0);
    judged(7);
    CHECK_INT(found(), 7);
    disk_sim_settle(disk); /* it cannot come back */
    CHECK_INT(found(), 0);
    end();
}

/* A file that readers do not see any more may come back, and be looked at then. */
static void a_name_that_is_gone_may_come_back(void)
{
    struct class_view inner;
    begin();
    unsigned before = disk_sim_snapshot(disk);
    REQUIRE_INT(disk_unlink(dir, "leftover", SITE_OTHER_UNLINK), 0);
    CHECK_INT(found(), 0);
    unsigned pending = disk_sim_snapshot(disk);
    disk_sim_power_cut(disk, DISK_SURVIVE_NONE, NULL);
    class_begin(&inner, disk, 0);
    class_looked(&inner, "leftover");
    disk_sim_rollback(disk, pending);
    class_inherit(&view, &inner);
    CHECK_INT(view.looked, 1);
    class_add(&view, &table, 7);
    CHECK_INT(found(), 7);
    disk_sim_rollback(disk, before);

    put("leftover", "something else");
    REQUIRE_INT(disk_unlink(dir, "leftover", SITE_OTHER_UNLINK), 0);

    CHECK_INT(found(), 0);
    end();
}

/* A look inside a crash that comes later counts, unless the file is new by then. */
static void looks_of_later_crashes_are_inherited(void)
{
    struct class_view inner;
    struct disk_file *file;
    begin();
    for (int replaced = 0; replaced < 2; replaced++) {
        class_begin(&view, disk, 0);
        struct tap_call open = {
            .call = CALL_OPEN, .dir = dir, .name = "leftover", .offset = DISK_TRUNC};
        class_call(&view, &open);
        REQUIRE_INT(disk_open(dir, "leftover", DISK_WRITE, SITE_OTHER_CREATE, &file), 0);
        struct tap_call sync = {.call = CALL_SYNC, .file = file};
        if (replaced) class_call(&view, &sync);
        disk_close(file);
        class_begin(&inner, disk, 0);
        class_looked(&inner, "leftover");
        class_inherit(&view, &inner);
        CHECK_INT(view.looked, !replaced);
    }
    end();
}

static void a_view_that_is_closed_breaks(void)
{
    begin();
    judged(7);
    CHECK_INT(found(), 7);
    view.closed = true;
    class_looked(&view, "first");
    CHECK(!view.broken);
    class_looked(&view, "leftover");
    CHECK(view.broken);
    end();
}

CU_TestInfo crash_image_class_tests[] = {
    {"what_nobody_looked_at_makes_no_difference",
     what_nobody_looked_at_makes_no_difference},
    {"what_was_looked_at_does", what_was_looked_at_does},
    {"names_and_links_do", names_and_links_do},
    {"a_file_of_the_same_name_in_another_directory_does",
     a_file_of_the_same_name_in_another_directory_does},
    {"the_key_does", the_key_does},
    {"what_is_left_standing_counts_as_looked_at",
     what_is_left_standing_counts_as_looked_at},
    {"pending_bytes_of_a_file_that_nobody_looked_at_make_no_difference",
     pending_bytes_of_a_file_that_nobody_looked_at_make_no_difference},
    {"pending_bytes_of_a_file_that_was_looked_at_do",
     pending_bytes_of_a_file_that_was_looked_at_do},
    {"pending_names_do", pending_names_do},
    {"a_name_that_is_gone_may_come_back", a_name_that_is_gone_may_come_back},
    {"looks_of_later_crashes_are_inherited", looks_of_later_crashes_are_inherited},
    {"a_view_that_is_closed_breaks", a_view_that_is_closed_breaks},
    CU_TEST_INFO_NULL,
};
