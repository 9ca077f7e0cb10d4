#include "tests/support/check.h"

#include <errno.h>
#include <stdio.h>

#include "engine/sst_files.h"
#include "fault/disk_sim.h"

#define FILES 6

static struct disk *disk;
static struct sst_files files;
static struct sst_file all[FILES];

static void begin(size_t open_max, unsigned handles_max)
{
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    config.handles_max = handles_max;
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &disk), 0);
    files = (struct sst_files){.mem = mem_libc(), .open_max = open_max};
    REQUIRE_INT(disk_dir_open(disk, ".", &files.dir), 0);
    for (unsigned i = 0; i < FILES; i++) {
        char name[32];
        struct disk_file *file;
        snprintf(name, sizeof name, "%06u.sst", i);
        REQUIRE_INT(
            disk_open(files.dir, name, DISK_WRITE | DISK_CREATE, SITE_SST_CREATE, &file),
            0);
        REQUIRE_INT(disk_write(file, 0, &"abcdef"[i], 1, SITE_SST_WRITE, NULL), 0);
        disk_close(file);
        all[i] = (struct sst_file){.number = i};
    }
}

static void end(void)
{
    for (unsigned i = 0; i < FILES; i++)
        sst_files_drop(&files, &all[i]);
    CHECK_INT(files.open, 0);
    CHECK(!files.newest && !files.oldest);
    disk_dir_close(files.dir);
    disk_sim_free(disk);
}

static void read_from(unsigned i)
{
    struct disk_file *file;
    struct err_detail why;
    char byte = 0;
    size_t got;
    REQUIRE_INT(sst_files_get(&files, &all[i], &file, &why), ERR_OK);
    CHECK_INT(disk_read(file, 0, &byte, 1, &got), 0);
    CHECK_INT(byte, "abcdef"[i]);
}

static bool is_open(unsigned i)
{
    return all[i].file != NULL;
}

static void no_more_than_the_limit_is_open(void)
{
    for (size_t limit = 1; limit <= FILES; limit++) {
        begin(limit, 1 + (unsigned)limit); /* the directory is a handle, too */
        for (unsigned i = 0; i < 3 * FILES; i++)
            read_from(i * i % FILES);
        CHECK(files.open <= limit);
        end();
    }
}

static void the_file_used_longest_ago_is_closed(void)
{
    begin(3, 0);
    read_from(0);
    read_from(1);
    read_from(2);
    read_from(0); /* now 1 is the oldest */
    read_from(3);
    CHECK(is_open(0) && !is_open(1) && is_open(2) && is_open(3));
    read_from(1); /* now 2 */
    CHECK(is_open(0) && is_open(1) && !is_open(2) && is_open(3));
    CHECK_INT(files.opened, 5);
    end();
}

static void a_file_is_opened_once_while_it_stays_open(void)
{
    begin(2, 0);
    for (int i = 0; i < 10; i++) {
        read_from(4);
        read_from(5);
    }
    CHECK_INT(files.opened, 2);
    end();
}

static void a_dropped_file_leaves_the_list(void)
{
    begin(3, 0);
    for (unsigned middle = 0; middle < 3; middle++) {
        read_from(0);
        read_from(1);
        read_from(2);
        sst_files_drop(&files, &all[middle]);
        sst_files_drop(&files, &all[middle]);
        CHECK_INT(files.open, 2);
        read_from(3);
        CHECK_INT(files.open, 3);
        sst_files_drop(&files, &all[3]);
    }
    end();
}

static void a_file_that_cannot_be_opened_again_is_named(void)
{
    begin(1, 0);
    struct disk_file *file;
    struct err_detail why;
    read_from(2);
    read_from(3);
    CHECK_INT(disk_unlink(files.dir, "000002.sst", SITE_OTHER_UNLINK), 0);
    CHECK_INT(sst_files_get(&files, &all[2], &file, &why), ERR_MISSING);
    CHECK_TEXT(why.text, "000002.sst: missing");
    read_from(3);
    end();

    begin(4, 3); /* the system's limit is below ours */
    read_from(0);
    read_from(1);
    CHECK_INT(sst_files_get(&files, &all[2], &file, &why), ERR_IO);
    CHECK_TEXT(why.text, "000002.sst: cannot be opened");
    CHECK_INT(why.os_error, EMFILE);
    CHECK_INT(files.open, 2);
    end();
}

#define ROW(name)                                                                        \
    {                                                                                    \
#name, name                                                                      \
    }
CU_TestInfo engine_sst_files_tests[] = {
    ROW(no_more_than_the_limit_is_open),
    ROW(the_file_used_longest_ago_is_closed),
    ROW(a_file_is_opened_once_while_it_stays_open),
    ROW(a_dropped_file_leaves_the_list),
    ROW(a_file_that_cannot_be_opened_again_is_named),
    CU_TEST_INFO_NULL,
};
