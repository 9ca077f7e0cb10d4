/* Repairs of one store, whose history is known: which keys live, with which value, and
 * which are deleted. */
#include "tests/support/check.h"
#include "tests/support/failing.h"
#include "tests/support/teststore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/filename.h"
#include "engine/repair.h"
#include "engine/sst_format.h"

#define KEYS      60
#define CHUNK     64
#define FILES_MAX 64

static struct teststore t;
static char lines[64 * 1024];
static struct repair_counts counts;
static int rounds[KEYS]; /* of the newest value; 0: absent */
static bool tombstones_lost;

static void note(void *arg, enum err code, const char *line)
{
    (void)arg;
    size_t used = strlen(lines);
    snprintf(lines + used, sizeof lines - used, "%s: %s\n", err_text(code), line);
}

static enum err repair(void)
{
    lines[0] = 0;
    long blocks = t.mem.blocks;
    struct db_env env = t.env;
    env.disk = t.disk;
    enum err e = db_repair(&env, TESTSTORE_DIR, &t.options, note, NULL, &counts, &t.why);
    CHECK_INT(t.mem.blocks, blocks);
    return e;
}

/* ---- the history ---- */

static void key_of(char out[16], int i)
{
    snprintf(out, 16, "k%05d", i);
}

static void value_of(char out[64], int i, int round)
{
    snprintf(out, 64, "k%05d in round %02d, and some more", i, round);
}

static void put(int i, int round)
{
    char key[16], value[64];
    key_of(key, i);
    value_of(value, i, round);
    REQUIRE_INT(teststore_put(&t, key, value), ERR_OK);
    db_step(t.db);
    rounds[i] = round;
}

static void drop(int i)
{
    char key[16];
    key_of(key, i);
    REQUIRE_INT(teststore_delete(&t, key), ERR_OK);
    db_step(t.db);
    rounds[i] = 0;
}

/* Three levels, tombstones on the upper two, a log with the newest changes. Closed. */
static void begin(void)
{
    teststore_init(&t);
    t.options.sync = SYNC_ALWAYS;
    t.options.level0_tables = 8;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    for (int i = 0; i < KEYS; i++)
        put(i, 1);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    for (int i = 0; i < KEYS; i += 3)
        put(i, 2);
    for (int i = 1; i < KEYS; i += 9)
        drop(i);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    for (int i = 0; i < KEYS; i += 6)
        put(i, 3);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    for (int i = 0; i < 20; i++)
        put(i % 2 ? i : 40 + i, 4);
    drop(3);
    put(1, 5);
    teststore_close(&t);
}

/* How many keys differ from the history. None may hold what was never written, and
 * `deleted_stay`: none may be back. */
static int count_lost(bool deleted_stay)
{
    int lost = 0;
    for (int i = 0; i < KEYS; i++) {
        char key[16], value[64];
        slice got = {NULL, 0};
        key_of(key, i);
        enum err e = db_get(t.db, slice_text(key), &got, &t.why);
        CHECK(e == ERR_OK || e == ERR_NOT_FOUND);
        int found = 0;
        for (int round = 1; e == ERR_OK && round <= 5; round++) {
            value_of(value, i, round);
            if (slice_equal(got, slice_text(value))) found = round;
        }
        CHECK(e != ERR_OK || found > 0);
        if (deleted_stay && rounds[i] == 0) CHECK_INT(found, 0);
        lost += found != rounds[i];
    }
    return lost;
}

/* Repairs, and finds a store that is sound and works. Returns how many keys differ. */
static int repaired(void)
{
    CHECK_INT(repair(), ERR_OK);
    CHECK(counts.changed);
    teststore_expect_sound(&t);
    if (teststore_open(&t)) {
        printf("  %s\n", t.why.text);
        CU_FAIL("the repaired store does not open");
        return KEYS;
    }
    int lost = count_lost(!tombstones_lost);
    teststore_close(&t);
    return lost;
}

/* ---- files ---- */

struct file {
    char name[32];
    size_t size;
    size_t data; /* of a table: bytes of data blocks */
};
static struct file files[FILES_MAX];
static size_t file_count;

static int collect(void *arg, const char *name)
{
    (void)arg;
    struct file *f = &files[file_count++];
    uint8_t *bytes;
    REQUIRE(file_count <= FILES_MAX);
    snprintf(f->name, sizeof f->name, "%.31s", name);
    teststore_read_file(&t, name, &bytes, &f->size);
    struct sst_footer footer;
    const char *what;
    uint32_t crc;
    uint64_t number;
    if (filename_parse(name, &number) == FILENAME_SST &&
        !sst_footer_get(bytes + f->size - SST_FOOTER_BYTES, &footer, &crc, &what))
        f->data = (size_t)footer.data_bytes;
    free(bytes);
    return 0;
}

static void list_files(void)
{
    struct disk_dir *dir;
    file_count = 0;
    REQUIRE_INT(disk_dir_open(t.disk, TESTSTORE_DIR, &dir), 0);
    REQUIRE_INT(disk_list(dir, collect, NULL), 0);
    disk_dir_close(dir);
}

static struct file *file_like(const char *part)
{
    list_files();
    for (size_t i = 0; i < file_count; i++)
        if (strstr(files[i].name, part)) return &files[i];
    CU_FAIL_FATAL("no such file");
    return NULL;
}

static void zero_chunk(const char *name, size_t offset)
{
    REQUIRE_INT(disk_sim_damage(t.disk, TESTSTORE_DIR, name, DISK_DAMAGE_ZERO, offset, 0),
                0);
}

static void zero_file(const struct file *f)
{
    for (size_t at = 0; at < f->size; at += CHUNK)
        zero_chunk(f->name, at);
}

static void unlink_file(const char *name)
{
    struct disk_dir *dir;
    REQUIRE_INT(disk_dir_open(t.disk, TESTSTORE_DIR, &dir), 0);
    REQUIRE_INT(disk_unlink(dir, name, SITE_OTHER_UNLINK), 0);
    disk_dir_close(dir);
}

static void cut_file(const char *name, size_t left)
{
    uint8_t *bytes;
    size_t size;
    teststore_read_file(&t, name, &bytes, &size);
    REQUIRE(left <= size);
    teststore_write_file(&t, name, bytes, left);
    free(bytes);
}

/* ---- suite ---- */

static void a_sound_store_is_not_touched(void)
{
    begin();
    uint32_t before = disk_sim_microops(t.disk);
    CHECK_INT(repair(), ERR_OK);
    CHECK(!counts.changed);
    CHECK_TEXT(lines, "");
    CHECK_INT(disk_sim_microops(t.disk), before);
    teststore_deinit(&t);
}

static void a_lost_pointer_costs_nothing(void)
{
    begin();
    unlink_file("CURRENT");
    CHECK_INT(repaired(), 0);
    CHECK(strstr(lines, "the newest whole one, is in force again") != NULL);
    CHECK(counts.tables_kept > 0);
    teststore_deinit(&t);
}

static void a_lost_manifest_costs_nothing(void)
{
    begin();
    zero_file(file_like("MANIFEST-"));
    CHECK_INT(repaired(), 0);
    CHECK(strstr(lines, "which table lies on which level is not known") != NULL);
    CHECK_INT(counts.bytes_lost, 0);
    teststore_deinit(&t);
}

static void pointer_and_manifest_lost_together_cost_nothing(void)
{
    begin();
    unlink_file(file_like("MANIFEST-")->name);
    unlink_file("CURRENT");
    CHECK_INT(repaired(), 0);
    teststore_deinit(&t);
}

static void a_damaged_block_costs_its_own_entries(void)
{
    begin();
    zero_chunk(file_like(".sst")->name, 0);
    int lost = repaired();
    CHECK(lost > 0 && lost <= 7);
    CHECK(strstr(lines, "bytes at offset 0 lost (checksum mismatch): keys from the "
                        "first up to \"k0000") != NULL);
    CHECK_INT(counts.tables_salvaged, 1);
    CHECK(counts.tables_kept > 2);
    CHECK(counts.bytes_lost > 0 && counts.bytes_lost < 600);
    teststore_deinit(&t);
}

static void a_damaged_tail_of_a_table_costs_nothing(void)
{
    begin();
    const struct file *f = file_like(".sst");
    for (size_t at = f->data + CHUNK - 1; at < f->size; at += CHUNK)
        zero_chunk(f->name, at);
    CHECK_INT(repaired(), 0);
    CHECK(strstr(lines, "which is all") != NULL);
    teststore_deinit(&t);
}

/* The index is gone, and so is a block: the ones behind it are found by their bytes. */
static void blocks_are_found_without_an_index(void)
{
    begin();
    const struct file *f = file_like(".sst");
    zero_chunk(f->name, f->size - 1);
    zero_chunk(f->name, f->data + CHUNK);
    zero_chunk(f->name, CHUNK * 8);
    int lost = repaired();
    CHECK(lost > 0 && lost <= 14);
    teststore_deinit(&t);
}

static void a_table_that_was_cut_is_told(void)
{
    begin();
    struct file f = *file_like(".sst");
    for (size_t left = 0; left < f.size; left += 150) {
        unsigned snapshot = disk_sim_snapshot(t.disk);
        cut_file(f.name, left);
        int lost = repaired();
        CHECK_INT(lost > 0, left < f.data);
        CHECK_INT(strstr(lines, "data is damaged: ") != NULL, left < f.data);
        CHECK_INT(strstr(lines, " entries saved, which is all") != NULL, left >= f.data);
        if (left < f.data) CHECK(counts.bytes_lost >= f.data - left);
        disk_sim_rollback(t.disk, snapshot);
    }
    cut_file(f.name, f.data / 2);
    zero_chunk(f.name, 0);
    CHECK(repaired() > 0);
    CHECK(strstr(lines, "lost (the file is shorter): keys behind ") != NULL);
    CHECK(counts.bytes_lost > f.data / 2);
    teststore_deinit(&t);
}

/* Nobody knows how long it had been. */
static void a_table_that_was_cut_without_a_manifest_is_told(void)
{
    begin();
    struct file f = *file_like(".sst");
    cut_file(f.name, f.data / 2);
    zero_file(file_like("MANIFEST-"));
    CHECK(repaired() > 0);
    CHECK(strstr(lines, "entries saved; how many there were is not known") != NULL);
    teststore_deinit(&t);
}

static void a_missing_table_is_told_with_its_keys(void)
{
    begin();
    char name[32];
    snprintf(name, sizeof name, "%s", file_like(".sst")->name);
    unlink_file(name);
    CHECK_INT(teststore_open(&t), ERR_MISSING);
    CHECK(strstr(t.why.text, name) && strstr(t.why.text, "riptidekv-check --repair"));
    CHECK(repaired() > 0);
    CHECK(strstr(lines, name) != NULL);
    CHECK(strstr(lines, "entries lost: keys \"k0") != NULL);
    CHECK_INT(counts.tables_lost, 1);
    teststore_deinit(&t);
}

/* What an older level holds must not pass for newer than what is left of level 0. */
static void a_damaged_level_0_keeps_its_order(void)
{
    begin();
    list_files();
    int damaged = 0;
    for (size_t i = 0; i < file_count; i++)
        if (strstr(files[i].name, ".sst") && files[i].size < 1200 && !damaged++)
            zero_chunk(files[i].name, files[i].size - 1);
    CHECK_INT(damaged > 0, 1);
    CHECK_INT(repaired(), 0);
    teststore_deinit(&t);
}

/* The log that is in use: the others are blank. */
static const struct file *newest_log(void)
{
    list_files();
    for (size_t i = 0; i < file_count; i++) {
        uint8_t *bytes;
        size_t size;
        if (!strstr(files[i].name, ".log")) continue;
        teststore_read_file(&t, files[i].name, &bytes, &size);
        bool used = bytes[0] != 0;
        free(bytes);
        if (used) return &files[i];
    }
    CU_FAIL_FATAL("no log is in use");
    return NULL;
}

static void records_behind_a_damaged_one_are_saved(void)
{
    begin();
    char name[32];
    snprintf(name, sizeof name, "%s", newest_log()->name);
    zero_chunk(name, 5 * CHUNK);
    CHECK_INT(teststore_open(&t), ERR_CORRUPT);
    CHECK(strstr(t.why.text, "riptidekv-check --repair") != NULL);
    int lost = repaired();
    CHECK(lost > 0 && lost <= 2);
    CHECK(strstr(lines, name) != NULL && strstr(lines, "lost: records before") != NULL);
    CHECK(counts.records >= 19);
    teststore_deinit(&t);
}

static void a_missing_log_costs_what_it_held(void)
{
    begin();
    unlink_file(newest_log()->name);
    tombstones_lost = true;
    int lost = repaired();
    CHECK(lost > 0 && lost <= 21);
    tombstones_lost = false;
    const char *told = strstr(lines, ".log: missing; the changes that it held are lost");
    CHECK(told && !strstr(told + 10, "missing"));
    CHECK(strstr(lines, "damaged at") == NULL);
    teststore_deinit(&t);
}

static void unlink_newest_log(void)
{
    char name[32];
    teststore_newest(&t, ".log", name);
    unlink_file(name);
}

/* The log before it has records: the next one may have been used. */
static void a_missing_spare_log_damages_no_other(void)
{
    begin();
    unlink_newest_log();
    CHECK_INT(repaired(), 0);
    CHECK(strstr(lines, ".log: missing; if it had been used, the changes that it held "
                        "are lost") != NULL);
    CHECK(strstr(lines, "damaged at") == NULL);
    CHECK_INT(teststore_count(&t, ".log" REPAIR_SUFFIX), 0);
    teststore_deinit(&t);
}

static void a_spare_log_behind_an_empty_one_is_no_loss(void)
{
    begin();
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    teststore_close(&t);
    unlink_newest_log();
    CHECK_INT(repaired(), 0);
    CHECK(strstr(lines, ".log: missing; it had not been used") != NULL);
    CHECK(strstr(lines, "are lost") == NULL && strstr(lines, "damaged") == NULL);
    teststore_deinit(&t);
}

/* A log that was freed still holds what it held. Its put was deleted since, and the
 * tombstone has been compacted away. */
static void a_freed_log_brings_nothing_back(void)
{
    teststore_init(&t);
    t.options.sync = SYNC_ALWAYS;
    memset(rounds, 0, sizeof rounds);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    put(7, 1);
    put(8, 1);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    uint8_t *bytes;
    size_t size;
    teststore_read_file(&t, "000002.log", &bytes, &size);
    drop(7);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    put(8, 2);
    teststore_close(&t);
    teststore_write_file(&t, "000002.log", bytes, size);
    free(bytes);
    zero_file(file_like("MANIFEST-"));
    CHECK_INT(repaired(), 0);
    teststore_deinit(&t);
}

/* The same of a table that a compaction had replaced, as an intact record says. */
static void a_replaced_table_brings_nothing_back(void)
{
    teststore_init(&t);
    t.options.sync = SYNC_ALWAYS;
    memset(rounds, 0, sizeof rounds);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    put(7, 1);
    put(8, 1);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    char name[32];
    uint8_t *bytes;
    size_t size;
    teststore_newest(&t, ".sst", name);
    teststore_read_file(&t, name, &bytes, &size);
    drop(7);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    teststore_close(&t);
    teststore_write_file(&t, name, bytes, size);
    free(bytes);
    zero_chunk(file_like("MANIFEST-")->name, 0);
    CHECK_INT(repaired(), 0);
    teststore_deinit(&t);
}

static void an_emptied_range_stays_empty_when_any_record_knows(void)
{
    begin();
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(db_group_begin(t.db), ERR_OK);
    REQUIRE_INT(batch_floor(db_batch_begin(t.db), 'k'), ERR_OK);
    REQUIRE_INT(db_batch_commit(t.db), ERR_OK);
    REQUIRE_INT(db_group_commit(t.db), ERR_OK);
    memset(rounds, 0, sizeof rounds);
    put(5, 1);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    teststore_close(&t);
    zero_chunk(file_like("MANIFEST-")->name, 0);
    CHECK_INT(repaired(), 0);
    teststore_deinit(&t);
}

static void damaged_files_are_kept(void)
{
    begin();
    char table[32], kept[40], log[32];
    uint8_t *before, *after;
    size_t size, size_after;
    snprintf(log, sizeof log, "%s", newest_log()->name);
    snprintf(table, sizeof table, "%s", file_like(".sst")->name);
    zero_chunk(table, 0);
    zero_chunk(log, 3 * CHUNK);
    teststore_read_file(&t, table, &before, &size);
    CHECK_INT(repaired() > 0, 1);
    snprintf(kept, sizeof kept, "%s" REPAIR_SUFFIX, table);
    teststore_read_file(&t, kept, &after, &size_after);
    CHECK_SLICE(slice_of(after, size_after), slice_of(before, size));
    free(before);
    free(after);
    snprintf(kept, sizeof kept, "%s" REPAIR_SUFFIX, log);
    file_like(kept);
    CHECK_INT(teststore_count(&t, REPAIR_SUFFIX), 3); /* the manifest before it, too */
    teststore_deinit(&t);
}

/* A history whose manifest names, wherever it is cut, tables that are gone by now. */
static void begin_compacted(void)
{
    begin();
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    for (int round = 2; round <= 5; round++) {
        for (int i = round; i < KEYS; i += 2)
            put(i, round);
        drop(round + 20);
        REQUIRE_INT(db_flush(t.db), ERR_OK);
        if (round % 2) REQUIRE_INT(db_compact(t.db), ERR_OK);
    }
    put(2, 1);
    teststore_close(&t);
}

/* Tables and logs of the list that have neither of their names any more. */
static int count_gone(const struct file *before, size_t n)
{
    int gone = 0;
    list_files();
    for (size_t i = 0; i < n; i++) {
        bool there = false;
        if (!strstr(before[i].name, ".sst")) continue;
        for (size_t j = 0; j < file_count; j++)
            there |= !strncmp(files[j].name, before[i].name, strlen(before[i].name)) &&
                     files[j].size == before[i].size;
        gone += !there;
    }
    return gone;
}

/* What is left of it reads like a whole one. */
static void a_manifest_without_its_end_costs_nothing(void)
{
    struct file before[FILES_MAX];
    begin_compacted();
    char manifest[32];
    snprintf(manifest, sizeof manifest, "%s", file_like("MANIFEST-")->name);
    size_t size = file_like("MANIFEST-")->size, n = file_count;
    memcpy(before, files, sizeof before);
    int repairs = 0;
    for (size_t left = 0; left < size; left += 8) {
        unsigned snapshot = disk_sim_snapshot(t.disk);
        cut_file(manifest, left);
        CHECK_INT(repair(), ERR_OK);
        if (counts.changed) {
            repairs++;
            CHECK_INT(count_gone(before, n), 0);
            REQUIRE_INT(teststore_open(&t), ERR_OK);
            int lost = count_lost(true);
            if (lost) printf("  cut at %zu of %zu: %d keys\n%s", left, size, lost, lines);
            CHECK_INT(lost, 0);
            teststore_close(&t);
            teststore_expect_sound(&t);
        }
        disk_sim_rollback(t.disk, snapshot);
    }
    CHECK(repairs > 20);
    teststore_deinit(&t);
}

/* A table that a compaction replaced and that a crash left there: it is older than what
 * is missing, and brings nothing back. */
static void an_older_leftover_is_set_aside_and_not_merged(void)
{
    begin();
    char leftover[32];
    uint8_t *bytes;
    size_t size;
    snprintf(leftover, sizeof leftover, "%s", file_like(".sst")->name);
    teststore_read_file(&t, leftover, &bytes, &size);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    teststore_close(&t);
    teststore_write_file(&t, leftover, bytes, size);
    char newest[32], kept[48];
    teststore_newest(&t, ".sst", newest);
    unlink_file(newest);
    CHECK(repaired() > 0);
    CHECK(counts.tables_kept > 0);
    CHECK(strstr(lines, "its end is missing") == NULL);
    snprintf(kept, sizeof kept, "%s" REPAIR_SUFFIX, leftover);
    CHECK_INT(file_like(kept)->size, size);
    free(bytes);
    teststore_deinit(&t);
}

static void a_second_repair_changes_nothing(void)
{
    begin();
    zero_chunk(file_like(".sst")->name, 0);
    repaired();
    uint32_t before = disk_sim_microops(t.disk);
    CHECK_INT(repair(), ERR_OK);
    CHECK(!counts.changed);
    CHECK_INT(disk_sim_microops(t.disk), before);
    teststore_deinit(&t);
}

/* Every chunk of every file, one at a time. */
static void whatever_chunk_is_zeroed_all_the_rest_is_saved(void)
{
    begin();
    list_files();
    int sweeps = 0, damaged = 0;
    for (size_t i = 0; i < file_count; i++) {
        struct file f = files[i];
        for (size_t at = 0; at < f.size; at += CHUNK, sweeps++) {
            unsigned snapshot = disk_sim_snapshot(t.disk);
            zero_chunk(f.name, at);
            int bound = 0;
            if (strstr(f.name, ".log")) bound = 3;
            if (at < f.data) bound = 14; /* two blocks */
            CHECK_INT(repair(), ERR_OK);
            damaged += counts.changed;
            teststore_expect_sound(&t);
            REQUIRE_INT(teststore_open(&t), ERR_OK);
            int lost = count_lost(bound == 0);
            if (lost > bound) printf("  %s at %zu: %d keys\n%s", f.name, at, lost, lines);
            CHECK(lost <= bound);
            teststore_close(&t);
            disk_sim_rollback(t.disk, snapshot);
        }
    }
    CHECK(sweeps > 200 && damaged > 80);
    teststore_deinit(&t);
}

/* The k-th change of the repair is the last one that the process makes; then the power
 * fails. What is left can be repaired as before. */
static void cut_anywhere(void (*damage)(void), enum disk_sim_survivors survivors,
                         uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    begin();
    damage();
    disk_sim_settle(t.disk);
    unsigned whole = disk_sim_snapshot(t.disk);
    int want = repaired();
    disk_sim_rollback(t.disk, whole);
    long k;
    for (k = 1;; k++) {
        unsigned snapshot = disk_sim_snapshot(t.disk);
        struct failing f;
        failing_begin(&f, t.disk, k);
        enum err e = repair();
        long calls = f.calls;
        failing_end(&f);
        if (calls >= k) CHECK(e != ERR_OK);
        disk_sim_power_cut(t.disk, survivors, &rng);
        CHECK_INT(repair(), ERR_OK);
        teststore_expect_sound(&t);
        REQUIRE_INT(teststore_open(&t), ERR_OK);
        int lost = count_lost(true);
        if (lost != want) printf("  cut at change %ld: %d keys\n%s", k, lost, lines);
        CHECK_INT(lost, want);
        teststore_close(&t);
        disk_sim_rollback(t.disk, snapshot);
        if (calls < k) break;
    }
    CHECK(k > 10);
    teststore_deinit(&t);
}

static void damage_table_and_log(void)
{
    zero_chunk(newest_log()->name, 3 * CHUNK);
    zero_chunk(file_like(".sst")->name, 0);
}

static void damage_manifest(void)
{
    zero_file(file_like("MANIFEST-"));
}

static void a_repair_that_is_cut_is_repeated(void)
{
    cut_anywhere(damage_table_and_log, DISK_SURVIVE_NONE, 1);
    cut_anywhere(damage_table_and_log, DISK_SURVIVE_ALL, 1);
    for (uint64_t seed = 1; seed <= 12; seed++)
        cut_anywhere(damage_table_and_log, DISK_SURVIVE_RANDOM, seed);
}

static void a_repair_without_manifest_that_is_cut_is_repeated(void)
{
    cut_anywhere(damage_manifest, DISK_SURVIVE_NONE, 1);
    cut_anywhere(damage_manifest, DISK_SURVIVE_ALL, 1);
    for (uint64_t seed = 1; seed <= 12; seed++)
        cut_anywhere(damage_manifest, DISK_SURVIVE_RANDOM, seed);
}

static void cut_manifest(void)
{
    const struct file *f = file_like("MANIFEST-");
    cut_file(f->name, f->size / 2);
}

static void a_repair_of_a_cut_manifest_that_is_cut_is_repeated(void)
{
    cut_anywhere(cut_manifest, DISK_SURVIVE_NONE, 1);
    cut_anywhere(cut_manifest, DISK_SURVIVE_ALL, 1);
    for (uint64_t seed = 1; seed <= 6; seed++)
        cut_anywhere(cut_manifest, DISK_SURVIVE_RANDOM, seed);
}

/* Tables, logs and manifests that any repair has made by now. */
static uint64_t highest_number(void)
{
    uint64_t highest = 0, number;
    list_files();
    for (size_t i = 0; i < file_count; i++)
        if (filename_parse(files[i].name, &number) > FILENAME_TMP && number > highest)
            highest = number;
    return highest;
}

/* Otherwise each cut would leave files of its own, and no end to it. */
static void a_repair_that_is_repeated_takes_the_same_numbers(void)
{
    begin();
    damage_manifest();
    disk_sim_settle(t.disk);
    unsigned whole = disk_sim_snapshot(t.disk);
    repaired();
    uint64_t uncut = highest_number();
    disk_sim_rollback(t.disk, whole);
    for (long calls = 100, k = 1; k <= calls; k++) {
        unsigned snapshot = disk_sim_snapshot(t.disk);
        for (int again = 0; again < 3; again++) {
            struct failing f;
            failing_begin(&f, t.disk, k);
            (void)repair();
            if (!again) calls = f.calls;
            failing_end(&f);
            disk_sim_power_cut(t.disk, DISK_SURVIVE_ALL, NULL);
        }
        CHECK_INT(repair(), ERR_OK);
        CHECK_INT(highest_number(), uncut);
        disk_sim_rollback(t.disk, snapshot);
    }
    teststore_deinit(&t);
}

static void every_allocation_may_fail_and_nothing_leaks(void)
{
    begin();
    damage_table_and_log();
    disk_sim_settle(t.disk);
    for (long k = 1;; k++) {
        unsigned snapshot = disk_sim_snapshot(t.disk);
        t.mem.fail_at = t.mem.calls + k;
        enum err e = repair();
        bool failed = t.mem.calls >= t.mem.fail_at;
        t.mem.fail_at = 0;
        /* The check that comes first may fail, and the repair goes on. */
        if (!failed) CHECK_INT(e, ERR_OK);
        if (e) CHECK_INT(e, ERR_NOMEM);
        disk_sim_rollback(t.disk, snapshot);
        if (!failed) break;
    }
    teststore_deinit(&t);
}

static void a_store_in_use_is_refused(void)
{
    begin();
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    CHECK_INT(repair(), ERR_LOCKED);
    teststore_deinit(&t);
}

static void what_is_no_store_is_refused_and_not_touched(void)
{
    teststore_init(&t);
    CHECK_INT(repair(), ERR_MISSING);
    REQUIRE_INT(disk_mkdir(t.disk, TESTSTORE_DIR, SITE_OTHER_MKDIR), 0);
    teststore_write_file(&t, "000007.sst", "somebody else's table", 21);
    teststore_write_file(&t, "000008.log",
                         "somebody else's log, long enough to look at it", 46);
    teststore_write_file(&t, "CURRENT", "MANIFEST-000005\n", 16);
    uint32_t before = disk_sim_microops(t.disk);
    CHECK_INT(repair(), ERR_FOREIGN);
    CHECK_INT(disk_sim_microops(t.disk), before);
    teststore_deinit(&t);
}

static void numbers_of_the_store_survive(void)
{
    begin();
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    REQUIRE_INT(db_group_begin(t.db), ERR_OK);
    REQUIRE_INT(batch_register_add(db_batch_begin(t.db), 3, 42), ERR_OK);
    REQUIRE_INT(db_batch_commit(t.db), ERR_OK);
    REQUIRE_INT(db_group_commit(t.db), ERR_OK);
    seqno last = db_last_seq(t.db);
    teststore_close(&t);
    zero_chunk(file_like(".sst")->name, 0);
    repaired();
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    CHECK_INT(db_register(t.db, 3), 42);
    CHECK_INT(db_last_seq(t.db), last);
    teststore_deinit(&t);
}

CU_TestInfo engine_repair_tests[] = {
    {"a_sound_store_is_not_touched", a_sound_store_is_not_touched},
    {"a_lost_pointer_costs_nothing", a_lost_pointer_costs_nothing},
    {"a_lost_manifest_costs_nothing", a_lost_manifest_costs_nothing},
    {"pointer_and_manifest_lost_together_cost_nothing",
     pointer_and_manifest_lost_together_cost_nothing},
    {"a_damaged_block_costs_its_own_entries", a_damaged_block_costs_its_own_entries},
    {"a_damaged_tail_of_a_table_costs_nothing", a_damaged_tail_of_a_table_costs_nothing},
    {"blocks_are_found_without_an_index", blocks_are_found_without_an_index},
    {"a_table_that_was_cut_is_told", a_table_that_was_cut_is_told},
    {"a_table_that_was_cut_without_a_manifest_is_told",
     a_table_that_was_cut_without_a_manifest_is_told},
    {"a_missing_table_is_told_with_its_keys", a_missing_table_is_told_with_its_keys},
    {"a_damaged_level_0_keeps_its_order", a_damaged_level_0_keeps_its_order},
    {"records_behind_a_damaged_one_are_saved", records_behind_a_damaged_one_are_saved},
    {"a_missing_log_costs_what_it_held", a_missing_log_costs_what_it_held},
    {"a_missing_spare_log_damages_no_other", a_missing_spare_log_damages_no_other},
    {"a_spare_log_behind_an_empty_one_is_no_loss",
     a_spare_log_behind_an_empty_one_is_no_loss},
    {"a_freed_log_brings_nothing_back", a_freed_log_brings_nothing_back},
    {"a_replaced_table_brings_nothing_back", a_replaced_table_brings_nothing_back},
    {"an_emptied_range_stays_empty_when_any_record_knows",
     an_emptied_range_stays_empty_when_any_record_knows},
    {"damaged_files_are_kept", damaged_files_are_kept},
    {"a_manifest_without_its_end_costs_nothing",
     a_manifest_without_its_end_costs_nothing},
    {"an_older_leftover_is_set_aside_and_not_merged",
     an_older_leftover_is_set_aside_and_not_merged},
    {"a_repair_of_a_cut_manifest_that_is_cut_is_repeated",
     a_repair_of_a_cut_manifest_that_is_cut_is_repeated},
    {"a_second_repair_changes_nothing", a_second_repair_changes_nothing},
    {"whatever_chunk_is_zeroed_all_the_rest_is_saved",
     whatever_chunk_is_zeroed_all_the_rest_is_saved},
    {"a_repair_that_is_cut_is_repeated", a_repair_that_is_cut_is_repeated},
    {"a_repair_without_manifest_that_is_cut_is_repeated",
     a_repair_without_manifest_that_is_cut_is_repeated},
    {"a_repair_that_is_repeated_takes_the_same_numbers",
     a_repair_that_is_repeated_takes_the_same_numbers},
    {"every_allocation_may_fail_and_nothing_leaks",
     every_allocation_may_fail_and_nothing_leaks},
    {"a_store_in_use_is_refused", a_store_in_use_is_refused},
    {"what_is_no_store_is_refused_and_not_touched",
     what_is_no_store_is_refused_and_not_touched},
    {"numbers_of_the_store_survive", numbers_of_the_store_survive},
    CU_TEST_INFO_NULL,
};
