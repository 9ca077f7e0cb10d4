#include "tests/support/check.h"

#include <string.h>

#include "engine/new_file.h"
#include "fault/disk_sim.h"
#include "tests/support/failing.h"

static struct disk *disk;
static struct disk_dir *dir;

static void begin(void)
{
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &disk), 0);
    REQUIRE_INT(disk_dir_open(disk, ".", &dir), 0);
}

static void end(void)
{
    disk_dir_close(dir);
    disk_sim_free(disk);
}

static int make(const char *bytes)
{
    struct disk_file *file;
    REQUIRE_INT(new_file(dir, "a", SITE_SST_CREATE, SITE_SST_UNLINK, &file), 0);
    int rc = disk_write(file, 0, bytes, strlen(bytes), SITE_SST_WRITE, NULL);
    if (!rc) rc = disk_sync(file, DISK_SYNC_FULL, SITE_SST_SYNC);
    disk_close(file);
    return rc ? rc : disk_dir_sync(dir, SITE_SST_DIRSYNC);
}

static void expect(const char *bytes)
{
    struct disk_file *file;
    char found[16] = "";
    size_t n = 0;
    REQUIRE_INT(disk_open(dir, "a", DISK_READ, SITE_SST_CREATE, &file), 0);
    CHECK_INT(disk_read(file, 0, found, sizeof found - 1, &n), 0);
    CHECK_TEXT(found, bytes);
    disk_close(file);
}

static void a_leftover_leaves_no_byte_in_the_new_file(void)
{
    begin();
    CHECK_INT(make("longer"), 0);
    CHECK_INT(make("new"), 0);
    expect("new");
    end();
}

/* Whichever sync of the first attempt fails, that of the bytes or that of the name: the
 * second one does not rely on what it has left. */
static void a_second_attempt_survives_a_power_cut(void)
{
    for (long k = 1; k <= 2; k++) {
        struct failing f;
        begin();
        failing_begin(&f, disk, k);
        f.only_calls = 1u << CALL_SYNC;
        CHECK(make("first") < 0);
        failing_end(&f);
        CHECK_INT(make("second"), 0);
        disk_dir_close(dir);
        disk_sim_power_cut(disk, DISK_SURVIVE_NONE, NULL);
        REQUIRE_INT(disk_dir_open(disk, ".", &dir), 0);
        expect("second");
        end();
    }
}

CU_TestInfo engine_new_file_tests[] = {
    {"a_leftover_leaves_no_byte_in_the_new_file",
     a_leftover_leaves_no_byte_in_the_new_file},
    {"a_second_attempt_survives_a_power_cut", a_second_attempt_survives_a_power_cut},
    CU_TEST_INFO_NULL};
