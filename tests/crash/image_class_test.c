/* Images that a recovery cannot tell apart, and those that it can. */
#include "tests/crash/image_class.h"

#include "tests/support/check.h"

static struct disk *disk;
static struct disk_dir *dir;
static struct image_set table;
static struct class_view view;

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
    class_begin(&view, disk, "db");
    return class_find(&view, &table);
}

static void judged(uint32_t verdict)
{
    class_begin(&view, disk, "db");
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
    CHECK_INT(found(), 7);
    REQUIRE_INT(disk_unlink(dir, "leftover", SITE_OTHER_UNLINK), 0);
    CHECK_INT(found(), 0);
    REQUIRE_INT(disk_link(dir, "first", dir, "leftover", SITE_OTHER_LINK), 0);
    CHECK_INT(found(), 0); /* two names of one file are not two files */
    end();
}

/* A look inside a crash that comes later counts, unless the file is new by then. */
static void looks_of_later_crashes_are_inherited(void)
{
    struct class_view inner;
    struct disk_file *file;
    begin();
    for (int replaced = 0; replaced < 2; replaced++) {
        class_begin(&view, disk, "db");
        struct tap_call open = {
            .call = CALL_OPEN, .dir = dir, .name = "leftover", .offset = DISK_TRUNC};
        class_call(&view, &open);
        REQUIRE_INT(disk_open(dir, "leftover", DISK_WRITE, SITE_OTHER_CREATE, &file), 0);
        struct tap_call sync = {.call = CALL_SYNC, .file = file};
        if (replaced) class_call(&view, &sync);
        disk_close(file);
        class_begin(&inner, disk, "db");
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
    {"looks_of_later_crashes_are_inherited", looks_of_later_crashes_are_inherited},
    {"a_view_that_is_closed_breaks", a_view_that_is_closed_breaks},
    CU_TEST_INFO_NULL,
};
