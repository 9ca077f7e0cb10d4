#include "tests/crash/disk_tap.h"

#include "fault/disk_sim.h"
#include "tests/support/check.h"

struct seen {
    enum file_call call[16];
    uint32_t ordinal[16];
    size_t count;
};

static void take_down(void *arg, const struct tap_call *call)
{
    struct seen *s = arg;
    s->call[s->count] = call->call;
    s->ordinal[s->count++] = call->ordinal;
}

static struct disk *new_disk(void)
{
    struct disk_sim_config config;
    struct disk *disk = NULL;
    disk_sim_config_init(&config);
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &disk), 0);
    return disk;
}

static void write_file(struct disk *disk)
{
    struct disk_dir *root;
    struct disk_file *file;
    REQUIRE_INT(disk_dir_open(disk, ".", &root), 0);
    REQUIRE_INT(disk_open(root, "a", DISK_WRITE | DISK_CREATE, SITE_OTHER_CREATE, &file),
                0);
    CHECK_INT(disk_write(file, 0, "x", 1, SITE_OTHER_WRITE, NULL), 0);
    CHECK_INT(disk_sync(file, DISK_SYNC_FULL, SITE_OTHER_SYNC), 0);
    disk_close(file);
    disk_dir_close(root);
}

static int count_pending(void *arg, const struct disk_sim_op *op)
{
    (void)op;
    ++*(int *)arg;
    return 0;
}

static void changing_calls_are_told_in_order(void)
{
    struct disk *disk = new_disk();
    struct disk_tap tap;
    struct seen seen = {.count = 0};
    disk_tap_on(&tap, disk, take_down, &seen);

    write_file(disk);

    disk_tap_off(&tap);
    REQUIRE_INT(seen.count, 3);
    CHECK_INT(seen.call[0], CALL_OPEN);
    CHECK_INT(seen.call[1], CALL_WRITE);
    CHECK_INT(seen.call[2], CALL_SYNC);
    CHECK_INT(seen.ordinal[2], 2);
    disk_sim_free(disk);
}

static void nothing_is_told_when_it_is_off(void)
{
    struct disk *disk = new_disk();
    struct disk_tap tap;
    struct seen seen = {.count = 0};
    disk_tap_on(&tap, disk, take_down, &seen);
    disk_tap_off(&tap);

    write_file(disk);

    CHECK_INT(seen.count, 0);
    disk_sim_free(disk);
}

static bool always(void *arg, const struct tap_call *call)
{
    (void)arg;
    return call->call == CALL_SYNC;
}

static void a_dropped_sync_leaves_everything_pending(void)
{
    struct disk *disk = new_disk();
    struct disk_tap tap;
    struct seen seen = {.count = 0};
    int dropped = 0, synced = 0;
    disk_tap_on(&tap, disk, take_down, &seen);

    tap.drop = always;
    write_file(disk);
    disk_sim_pending(disk, count_pending, &dropped);
    tap.drop = NULL;
    write_file(disk);
    disk_sim_pending(disk, count_pending, &synced);

    CHECK_INT(dropped, 3); /* name, size, byte */
    CHECK_INT(synced, 1);  /* the name: nobody has synced the directory */
    disk_tap_off(&tap);
    disk_sim_free(disk);
}

CU_TestInfo crash_disk_tap_tests[] = {
    {"changing_calls_are_told_in_order", changing_calls_are_told_in_order},
    {"nothing_is_told_when_it_is_off", nothing_is_told_when_it_is_off},
    {"a_dropped_sync_leaves_everything_pending",
     a_dropped_sync_leaves_everything_pending},
    CU_TEST_INFO_NULL};
