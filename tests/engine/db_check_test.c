#include "tests/support/check.h"
#include "tests/support/teststore.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/recover.h"

static struct teststore t;
static int findings;
static char lines[2048];

static void note(void *arg, enum err code, const char *line)
{
    (void)arg;
    findings++;
    size_t used = strlen(lines);
    snprintf(lines + used, sizeof lines - used, "%s: %s\n", err_text(code), line);
}

static enum err check(void)
{
    findings = 0;
    lines[0] = 0;
    long blocks = t.mem.blocks;
    enum err e = db_check(&t.env, TESTSTORE_DIR, &t.options, note, NULL);
    CHECK_INT(t.mem.blocks, blocks);
    CHECK((findings > 0) == (e != ERR_OK));
    return e;
}

/* Tables on several levels and something in the log; closed. */
static void begin(void)
{
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    teststore_fill(&t, "k", 200, 40, 1);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    REQUIRE_INT(teststore_put(&t, "k00100", "again"), ERR_OK);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    REQUIRE_INT(teststore_put(&t, "last", "in the log"), ERR_OK);
    teststore_close(&t);
}

#define FORGED 900

/* Rewrites the manifest after `change` had its way with the state. */
static void forge(void (*change)(struct store_state *))
{
    struct recovery r;
    struct disk_dir *dir;
    struct edit_bytes bytes = {.mem = mem_libc()};
    struct wal_writer writer;
    REQUIRE_INT(disk_dir_open(t.disk, TESTSTORE_DIR, &dir), 0);
    struct sst_files files = {.mem = mem_libc(), .dir = dir, .open_max = 1};
    REQUIRE_INT(recover_read(&r, &t.env, &t.options, dir, &files, &t.why), ERR_OK);
    r.state.next_file = FORGED + 1;
    change(&r.state);
    REQUIRE_INT(edit_bytes_begin(&bytes), ERR_OK);
    REQUIRE_INT(store_state_encode(&r.state, &bytes), ERR_OK);
    REQUIRE_INT(manifest_create(dir, FORGED, bytes.data, bytes.size - WAL_HEADER_BYTES,
                                &writer, &t.why),
                ERR_OK);
    disk_close(writer.file);
    free(bytes.data);
    recover_deinit(&r);
    disk_dir_close(dir);
}

static void unchanged(struct store_state *s)
{
    (void)s;
}

static void a_sound_store_has_no_findings_and_is_not_touched(void)
{
    begin();
    uint32_t before = disk_sim_microops(t.disk);
    CHECK_INT(check(), ERR_OK);
    CHECK_INT(disk_sim_microops(t.disk), before);
    forge(unchanged);
    CHECK_INT(check(), ERR_OK);
    teststore_deinit(&t);
}

static void a_directory_without_a_store_is_a_finding(void)
{
    teststore_init(&t);
    CHECK_INT(check(), ERR_MISSING); /* no such directory */
    REQUIRE_INT(disk_mkdir(t.disk, TESTSTORE_DIR, SITE_OTHER_MKDIR), 0);
    CHECK_INT(check(), ERR_MISSING);
    CHECK(strstr(lines, "CURRENT") != NULL);
    teststore_deinit(&t);
}

static void a_missing_table_is_named(void)
{
    char name[32];
    struct disk_dir *dir;
    begin();
    teststore_newest(&t, ".sst", name);
    REQUIRE_INT(disk_dir_open(t.disk, TESTSTORE_DIR, &dir), 0);
    REQUIRE_INT(disk_unlink(dir, name, SITE_OTHER_UNLINK), 0);
    disk_dir_close(dir);
    CHECK_INT(check(), ERR_MISSING);
    CHECK(strstr(lines, name) != NULL);
    teststore_deinit(&t);
}

static int unlink_table(void *arg, const char *name)
{
    size_t n = strlen(name);
    char(*names)[32] = arg;
    if (n < 4 || strcmp(name + n - 4, ".sst") != 0) return 0;
    while (**names)
        names++;
    snprintf(*names, sizeof *names, "%.31s", name);
    return 0;
}

/* All of them, and one that is there but cut short. */
static void every_table_that_cannot_be_opened_is_named(void)
{
    struct disk_dir *dir;
    char names[64][32] = {{0}};
    begin();
    REQUIRE_INT(disk_dir_open(t.disk, TESTSTORE_DIR, &dir), 0);
    REQUIRE_INT(disk_list(dir, unlink_table, names), 0);
    REQUIRE(names[2][0] && !names[63][0]);
    for (int i = 1; names[i][0]; i++)
        REQUIRE_INT(disk_unlink(dir, names[i], SITE_OTHER_UNLINK), 0);
    disk_dir_close(dir);
    teststore_write_file(&t, names[0], "short", 5);

    CHECK(check() != ERR_OK);

    int n = 0;
    for (; names[n][0]; n++)
        CHECK(strstr(lines, names[n]) != NULL);
    CHECK_INT(findings, n);
    teststore_deinit(&t);
}

/* Opening would not notice: a data block is read when somebody asks for it. */
static int damage_table(void *arg, const char *name)
{
    int *damaged = arg;
    size_t n = strlen(name);
    if (n < 4 || strcmp(name + n - 4, ".sst") != 0) return 0;
    CHECK_INT(disk_sim_damage(t.disk, TESTSTORE_DIR, name, DISK_DAMAGE_FLIP, 5, 0), 0);
    ++*damaged;
    return 0;
}

static void every_damaged_table_is_reported_and_not_only_the_first(void)
{
    int damaged = 0;
    struct disk_dir *dir;
    begin();
    REQUIRE_INT(disk_dir_open(t.disk, TESTSTORE_DIR, &dir), 0);
    REQUIRE_INT(disk_list(dir, damage_table, &damaged), 0);
    disk_dir_close(dir);
    REQUIRE(damaged > 2);
    CHECK_INT(check(), ERR_CORRUPT);
    CHECK_INT(findings, damaged);
    teststore_deinit(&t);
}

static int damage_twice(void *arg, const char *name)
{
    int *damaged = arg;
    size_t n = strlen(name);
    if (n < 4 || strcmp(name + n - 4, ".sst") != 0 || *damaged) return 0;
    CHECK_INT(disk_sim_damage(t.disk, TESTSTORE_DIR, name, DISK_DAMAGE_FLIP, 5, 0), 0);
    CHECK_INT(disk_sim_damage(t.disk, TESTSTORE_DIR, name, DISK_DAMAGE_FLIP, 900, 0), 0);
    *damaged = 2;
    return 0;
}

static void every_damaged_block_of_a_table_is_reported(void)
{
    int damaged = 0;
    struct disk_dir *dir;
    begin();
    REQUIRE_INT(disk_dir_open(t.disk, TESTSTORE_DIR, &dir), 0);
    REQUIRE_INT(disk_list(dir, damage_twice, &damaged), 0);
    disk_dir_close(dir);
    CHECK_INT(check(), ERR_CORRUPT);
    CHECK_INT(findings, damaged);
    CHECK(strstr(lines, "data block at offset 0:") != NULL);
    teststore_deinit(&t);
}

static void swap_levels(struct store_state *s)
{
    for (size_t i = 0; i < s->table_count; i++)
        if (s->tables[i].level == 0) s->tables[i].level = s->tables[0].level;
}

static void tables_that_overlap_on_a_level_are_found(void)
{
    begin();
    forge(swap_levels);
    CHECK_INT(check(), ERR_CORRUPT);
    CHECK(strstr(lines, "overlap") != NULL);
    teststore_deinit(&t);
}

static void sink_newest(struct store_state *s)
{
    for (size_t i = 0; i < s->table_count; i++)
        if (s->tables[i].level == 0) s->tables[i].level = LEVELS_MAX - 1;
}

/* All levels are sorted and every table is sound: only a read would be wrong. */
static void an_older_version_above_a_newer_one_is_found(void)
{
    begin();
    forge(sink_newest);
    CHECK_INT(check(), ERR_CORRUPT);
    CHECK_INT(findings, 1);
    CHECK(strstr(lines, "older version of \"k00100\" than level 6") != NULL);
    teststore_deinit(&t);
}

static void lower_next_file(struct store_state *s)
{
    s->next_file = 1;
}

static void a_file_number_that_would_be_given_again_is_found(void)
{
    begin();
    forge(lower_next_file);
    CHECK_INT(check(), ERR_CORRUPT);
    CHECK(strstr(lines, "not below the next one") != NULL);
    teststore_deinit(&t);
}

static void lower_last_seq(struct store_state *s)
{
    s->last_seq = 1;
}

static void a_sequence_number_that_would_be_given_again_is_found(void)
{
    begin();
    forge(lower_last_seq);
    CHECK_INT(check(), ERR_CORRUPT);
    CHECK(strstr(lines, "sequence number") != NULL);
    teststore_deinit(&t);
}

static void wrong_entries(struct store_state *s)
{
    s->tables[0].meta.entries++;
}

static void a_table_that_is_not_what_the_manifest_says_is_found(void)
{
    begin();
    struct disk_dir *dir;
    REQUIRE_INT(disk_dir_open(t.disk, TESTSTORE_DIR, &dir), 0);
    disk_dir_close(dir);
    forge(wrong_entries);
    CHECK_INT(check(), ERR_CORRUPT);
    CHECK(strstr(lines, ".sst") != NULL);
    teststore_deinit(&t);
}

static void a_store_in_use_is_not_read(void)
{
    begin();
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    CHECK_INT(check(), ERR_LOCKED);
    teststore_close(&t);
    CHECK_INT(check(), ERR_OK);
    REQUIRE_INT(teststore_open(&t), ERR_OK); /* the check has let go of the lock */
    teststore_deinit(&t);
}

static void every_allocation_may_fail_and_nothing_leaks(void)
{
    begin();
    for (long k = 1;; k++) {
        t.mem.fail_at = t.mem.calls + k;
        enum err e = check();
        bool failed = t.mem.calls >= t.mem.fail_at;
        t.mem.fail_at = 0;
        CHECK_INT(e, failed ? ERR_NOMEM : ERR_OK);
        if (!failed) break;
    }
    teststore_deinit(&t);
}

CU_TestInfo engine_db_check_tests[] = {
    {"a_sound_store_has_no_findings_and_is_not_touched",
     a_sound_store_has_no_findings_and_is_not_touched},
    {"a_directory_without_a_store_is_a_finding",
     a_directory_without_a_store_is_a_finding},
    {"a_missing_table_is_named", a_missing_table_is_named},
    {"every_table_that_cannot_be_opened_is_named",
     every_table_that_cannot_be_opened_is_named},
    {"every_damaged_table_is_reported_and_not_only_the_first",
     every_damaged_table_is_reported_and_not_only_the_first},
    {"every_damaged_block_of_a_table_is_reported",
     every_damaged_block_of_a_table_is_reported},
    {"tables_that_overlap_on_a_level_are_found",
     tables_that_overlap_on_a_level_are_found},
    {"an_older_version_above_a_newer_one_is_found",
     an_older_version_above_a_newer_one_is_found},
    {"a_file_number_that_would_be_given_again_is_found",
     a_file_number_that_would_be_given_again_is_found},
    {"a_sequence_number_that_would_be_given_again_is_found",
     a_sequence_number_that_would_be_given_again_is_found},
    {"a_table_that_is_not_what_the_manifest_says_is_found",
     a_table_that_is_not_what_the_manifest_says_is_found},
    {"a_store_in_use_is_not_read", a_store_in_use_is_not_read},
    {"every_allocation_may_fail_and_nothing_leaks",
     every_allocation_may_fail_and_nothing_leaks},
    CU_TEST_INFO_NULL,
};
