#include "tests/crash/calls.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"

struct fixture {
    struct disk *disk;
    struct disk_dir *dir;
    struct disk_tap tap;
    struct calls calls;
    struct images *images;
    char told[4096];
};

static void note(void *arg, const struct tap_call *call)
{
    struct fixture *f = arg;
    calls_note(&f->calls, f->disk, call);
}

/* A durable directory; what follows is noted. */
static void start(struct fixture *f)
{
    struct disk_sim_config config;
    *f = (struct fixture){.images = images_new(mem_libc())};
    disk_sim_config_init(&config);
    config.chunk_bytes = 64;
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &f->disk), 0);
    REQUIRE_INT(disk_mkdir(f->disk, "db", SITE_OTHER_MKDIR), 0);
    disk_sim_settle(f->disk);
    disk_tap_on(&f->tap, f->disk, note, f);
    REQUIRE_INT(disk_dir_open(f->disk, "db", &f->dir), 0);
}

static void stop(struct fixture *f)
{
    images_free(f->images);
    disk_dir_close(f->dir);
    disk_sim_free(f->disk);
}

static struct disk_file *create(struct fixture *f, const char *name)
{
    struct disk_file *file = NULL;
    REQUIRE_INT(
        disk_open(f->dir, name, DISK_WRITE | DISK_CREATE, SITE_OTHER_CREATE, &file), 0);
    return file;
}

static void put(struct disk_file *file, uint64_t at, size_t n)
{
    static const char bytes[200] = "bytes that differ from zeros";
    REQUIRE_INT(disk_write(file, at, bytes, n, SITE_OTHER_WRITE, NULL), 0);
}

static void line(void *arg, const char *text)
{
    struct fixture *f = arg;
    size_t used = strlen(f->told);
    snprintf(f->told + used, sizeof f->told - used, "%s\n", text);
}

static int tell(void *arg, struct disk *disk, const struct image *image)
{
    struct fixture *f = arg;
    (void)disk;
    calls_tell(&f->calls, image->window, line, f);
    return 0;
}

/* The power fails now, and leaves this. */
static void cut(struct fixture *f, const char *fates)
{
    disk_tap_off(&f->tap);
    calls_note(&f->calls, f->disk, NULL);
    images_open(f->images, f->disk, DISK_W, 0);
    CHECK_INT(images_replay(f->images, fates, tell, f), 0);
    images_close(f->images);
}

static void each_pending_call_has_its_fate(void)
{
    struct fixture f;
    start(&f);
    struct disk_file *a = create(&f, "a");
    put(a, 0, 64);
    REQUIRE_INT(disk_sync(a, DISK_SYNC_FULL, SITE_OTHER_SYNC), 0);
    put(a, 64, 10);
    REQUIRE_INT(disk_rename(f.dir, "a", "b", SITE_OTHER_RENAME), 0);
    disk_close(a);

    cut(&f, "-");
    CHECK_TEXT(f.told, "call   0: other/create of a: lost\n"
                       "call   3: other/write of a, 10 bytes at 64: lost\n"
                       "call   4: other/rename of a: lost\n");
    stop(&f);
}

static void what_survived_and_what_a_later_call_covers_is_there(void)
{
    struct fixture f;
    start(&f);
    struct disk_file *a = create(&f, "a");
    REQUIRE_INT(disk_dir_sync(f.dir, SITE_OTHER_DIRSYNC), 0);
    put(a, 0, 64);
    put(a, 0, 64);
    disk_close(a);

    cut(&f, "+");
    CHECK_TEXT(f.told, "call   2: other/write of a, 64 bytes at 0: survived\n"
                       "call   3: other/write of a, 64 bytes at 0: survived\n");
    f.told[0] = 0;
    images_open(f.images, f.disk, DISK_W, 0);
    CHECK_INT(images_replay(f.images, "+0.1", tell, &f), 0);
    images_close(f.images);
    CHECK(strstr(f.told, "call   3: other/write of a, 64 bytes at 0: lost\n") != NULL);
    stop(&f);
}

static void of_many_calls_the_newest_are_told(void)
{
    struct fixture f;
    start(&f);
    struct disk_file *a = create(&f, "a");
    for (unsigned i = 0; i < 30; i++)
        put(a, 64 * i, 64);
    disk_close(a);

    cut(&f, "+");
    CHECK(!strncmp(f.told, "(7 earlier ones are left out)\n", 30));
    CHECK(strstr(f.told, "call   7: ") != NULL);
    CHECK(strstr(f.told, "call   6: ") == NULL);
    CHECK(strstr(f.told, "call  30: ") != NULL);
    stop(&f);
}

static void nothing_pending_is_said(void)
{
    struct fixture f;
    start(&f);
    cut(&f, "-");
    CHECK_TEXT(f.told, "none\n");
    stop(&f);
}

CU_TestInfo crash_calls_tests[] = {
    {"each_pending_call_has_its_fate", each_pending_call_has_its_fate},
    {"what_survived_and_what_a_later_call_covers_is_there",
     what_survived_and_what_a_later_call_covers_is_there},
    {"of_many_calls_the_newest_are_told", of_many_calls_the_newest_are_told},
    {"nothing_pending_is_said", nothing_pending_is_said},
    CU_TEST_INFO_NULL};
