#include "tests/crash/image_store.h"

#include <string.h>

#include "fault/disk_sim.h"
#include "tests/support/check.h"

static struct disk *new_disk(void)
{
    struct disk_sim_config config;
    struct disk *disk = NULL;
    disk_sim_config_init(&config);
    config.chunk_bytes = 64;
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &disk), 0);
    return disk;
}

/* A file of n bytes in the directory "db". */
static void fill(struct disk *disk, const char *name, char byte, size_t n)
{
    struct disk_dir *dir;
    struct disk_file *file;
    char bytes[300];
    memset(bytes, byte, sizeof bytes);
    disk_mkdir(disk, "db", SITE_OTHER_MKDIR);
    REQUIRE_INT(disk_dir_open(disk, "db", &dir), 0);
    REQUIRE_INT(disk_open(dir, name, DISK_WRITE | DISK_CREATE, SITE_OTHER_CREATE, &file),
                0);
    if (n) REQUIRE_INT(disk_write(file, 0, bytes, n, SITE_OTHER_WRITE, NULL), 0);
    disk_close(file);
    disk_dir_close(dir);
}

static bool same(struct disk *a, struct disk *b)
{
    uint64_t x[2], y[2];
    disk_sim_hash_visible(a, x);
    disk_sim_hash_visible(b, y);
    return x[0] == y[0] && x[1] == y[1];
}

static void images_come_back_in_their_order(void)
{
    struct image_store *s = image_store_new();
    struct disk *from = new_disk(), *first = new_disk(), *second = new_disk();
    image_store_push(s, from, (struct image_note){1, 2});
    fill(from, "a", 'x', 130);
    fill(from, "b", 'y', 0);
    image_store_push(s, from, (struct image_note){3, 4});

    struct image_note note = image_store_pop(s, first);
    CHECK_INT(note.a, 1);
    CHECK(same(first, second)); /* both are empty disks */
    note = image_store_pop(s, second);

    CHECK_INT(note.b, 4);
    CHECK(same(from, second));
    CHECK_INT(image_store_count(s), 0);
    image_store_free(s);
    disk_sim_free(from);
    disk_sim_free(first);
    disk_sim_free(second);
}

static void two_names_of_one_file_stay_two_names(void)
{
    struct image_store *s = image_store_new();
    struct disk *from = new_disk(), *to = new_disk();
    struct disk_dir *dir;
    fill(from, "a", 'x', 130);
    fill(from, "b", 'x', 130);
    REQUIRE_INT(disk_dir_open(from, "db", &dir), 0);
    REQUIRE_INT(disk_link(dir, "a", dir, "c", SITE_OTHER_LINK), 0);
    disk_dir_close(dir);

    image_store_push(s, from, (struct image_note){1, 2});
    image_store_pop(s, to);

    CHECK(same(from, to));
    CHECK_INT(disk_sim_inode(to, "db", "a"), disk_sim_inode(to, "db", "c"));
    CHECK(disk_sim_inode(to, "db", "a") != disk_sim_inode(to, "db", "b"));
    image_store_free(s);
    disk_sim_free(from);
    disk_sim_free(to);
}

static void directories_and_links_between_them_come_back(void)
{
    struct image_store *s = image_store_new();
    struct disk *from = new_disk(), *to = new_disk();
    struct disk_dir *db, *copy;
    fill(from, "a", 'x', 130);
    REQUIRE_INT(disk_mkdir(from, "copy", SITE_OTHER_MKDIR), 0);
    REQUIRE_INT(disk_mkdir(from, "empty", SITE_OTHER_MKDIR), 0);
    REQUIRE_INT(disk_dir_open(from, "db", &db), 0);
    REQUIRE_INT(disk_dir_open(from, "copy", &copy), 0);
    REQUIRE_INT(disk_link(db, "a", copy, "b", SITE_OTHER_LINK), 0);
    disk_dir_close(copy);
    disk_dir_close(db);

    image_store_push(s, from, (struct image_note){1, 2});
    image_store_pop(s, to);

    CHECK(same(from, to));
    CHECK_INT(disk_sim_inode(to, "db", "a"), disk_sim_inode(to, "copy", "b"));
    image_store_free(s);
    disk_sim_free(from);
    disk_sim_free(to);
}

static void a_long_queue_loses_nothing(void)
{
    struct image_store *s = image_store_new();
    struct disk *from = new_disk();
    fill(from, "a", 'x', 300);
    bool right = true;

    for (uint32_t round = 0; round < 2000; round++) {
        image_store_push(s, from, (struct image_note){round, 0});
        image_store_push(s, from, (struct image_note){round, 1});
        struct disk *to = new_disk();
        struct image_note note = image_store_pop(s, to);
        right = right && note.a == round / 2 && same(from, to);
        disk_sim_free(to);
    }

    CHECK(right);
    CHECK_INT(image_store_count(s), 2000);
    image_store_free(s);
    disk_sim_free(from);
}

CU_TestInfo crash_image_store_tests[] = {
    {"images_come_back_in_their_order", images_come_back_in_their_order},
    {"two_names_of_one_file_stay_two_names", two_names_of_one_file_stay_two_names},
    {"directories_and_links_between_them_come_back",
     directories_and_links_between_them_come_back},
    {"a_long_queue_loses_nothing", a_long_queue_loses_nothing},
    CU_TEST_INFO_NULL};
