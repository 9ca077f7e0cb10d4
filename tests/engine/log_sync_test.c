#include "tests/support/check.h"

#include <errno.h>

#include "engine/log_sync.h"
#include "fault/disk_sim.h"
#include "fault/plan.h"

#define LOGS 3

static struct disk *disk;
static struct disk_dir *dir;
static struct memlog *logs[LOGS];
static struct log_sync job;

/* Logs 1 to 3, each of which continues the one before. */
static void begin(void)
{
    struct disk_sim_config config;
    struct options options;
    disk_sim_config_init(&config);
    options_init(&options);
    options.memtable_bytes = 4096;
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &disk), 0);
    REQUIRE_INT(disk_dir_open(disk, ".", &dir), 0);
    for (unsigned i = 0; i < LOGS; i++) {
        struct disk_file *file;
        struct wal_writer w;
        REQUIRE_INT(wal_create(mem_libc(), dir, i + 1, 4096, 4096, &file, NULL), ERR_OK);
        wal_writer_init(&w, file, &wal_sites, i + 1, 0, (struct wal_chain){0, 0},
                        (struct wal_position){0, 0});
        REQUIRE_INT(memlog_new(mem_libc(), &options, 0, &w, 4096, &logs[i]), ERR_OK);
    }
    log_sync_init(&job, 7);
}

static void append(unsigned log)
{
    uint8_t frame[WAL_HEADER_BYTES + 4] = {0};
    REQUIRE_INT(wal_append(&logs[log]->log, frame, 4, 1, NULL), ERR_OK);
}

static void end(void)
{
    for (unsigned i = 0; i < LOGS; i++) {
        CHECK_INT(logs[i]->refs, 1);
        memlog_unref(logs[i]);
    }
    disk_dir_close(dir);
    disk_sim_free(disk);
}

static void what_is_appended_after_a_log_was_added_is_not_covered(void)
{
    begin();
    append(0);
    log_sync_add(&job, logs[0]);
    uint64_t covered = logs[0]->log.offset;
    append(0);
    log_sync_run(&job.job);
    append(0);
    CHECK_INT(logs[0]->log.synced, 0);

    CHECK_INT(log_sync_end(&job, NULL), ERR_OK);
    CHECK_INT(logs[0]->log.synced, covered);
    CHECK_INT(logs[0]->log.watermark.offset, covered);
    end();
}

static void behind_a_log_that_fails_none_is_synced(void)
{
    struct err_detail why;
    begin();
    for (unsigned i = 0; i < LOGS; i++) {
        append(i);
        log_sync_add(&job, logs[i]);
    }
    struct plan plan = {.pattern = "fs/wal/sync/eio", .kth = 2};
    REQUIRE_INT(plan_arm(&plan), 0);
    log_sync_run(&job.job);
    plan_disarm_all();
    CHECK_INT(job.ran, 2);

    CHECK_INT(log_sync_end(&job, &why), ERR_IO);
    CHECK_INT(why.os_error, EIO);
    CHECK(!logs[0]->log.failed && logs[0]->log.synced == logs[0]->log.offset);
    CHECK(logs[1]->log.failed && logs[1]->log.synced == 0);
    CHECK(!logs[2]->log.failed && logs[2]->log.synced == 0);
    end();
}

static void a_log_that_its_owner_lets_go_stays_open_until_the_end(void)
{
    begin();
    append(0);
    log_sync_add(&job, logs[0]);
    struct memlog *kept = logs[0];
    memlog_unref(kept); /* the owner's reference */
    log_sync_run(&job.job);
    CHECK_INT(kept->refs, 1);
    memlog_ref(kept);
    CHECK_INT(log_sync_end(&job, NULL), ERR_OK);
    end();
}

CU_TestInfo engine_log_sync_tests[] = {
    {"what_is_appended_after_a_log_was_added_is_not_covered",
     what_is_appended_after_a_log_was_added_is_not_covered},
    {"behind_a_log_that_fails_none_is_synced", behind_a_log_that_fails_none_is_synced},
    {"a_log_that_its_owner_lets_go_stays_open_until_the_end",
     a_log_that_its_owner_lets_go_stays_open_until_the_end},
    CU_TEST_INFO_NULL,
};
