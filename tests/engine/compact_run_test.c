#include "tests/support/check.h"
#include "tests/support/levels.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/compact.h"
#include "tests/support/failing.h"

static struct levels l;
static struct compaction c;

#define FIRST_OUTPUT 100

static void begin(void)
{
    levels_begin(&l);
}

/* Merges all of `level` with all of the level below it. */
static void prepare(unsigned level)
{
    if (!l.version) levels_seal(&l);
    c = (struct compaction){.version = l.version,
                            .level = level,
                            .mem = &l.mem.mem,
                            .dir = l.dir,
                            .files = &l.files,
                            .options = &l.options,
                            .oldest_snapshot = SEQNO_MAX,
                            .first_number = FIRST_OUTPUT};
    for (unsigned side = 0; side < 2; side++) {
        const struct level *from = &l.version->levels[level + side];
        c.input_count[side] = from->count;
        c.inputs[side] =
            mem_alloc(&l.mem.mem, (from->count + 1) * sizeof *c.inputs[side]);
        for (size_t i = 0; i < from->count; i++)
            c.inputs[side][i] = from->tables[i];
    }
    c.output_max = compact_output_max(&c, &l.options);
}

static void finish(void)
{
    for (size_t i = 0; i < c.output_count; i++)
        table_unref(l.version, c.outputs[i]);
    compact_deinit(&c);
}

static void expect_outputs(const char *want)
{
    char out[LEVELS_TEXT_BYTES];
    CHECK_INT(c.err, ERR_OK);
    levels_text(&l, c.outputs, c.output_count, out);
    CHECK_TEXT(out, want);
}

/* What both input levels held before is what they hold now. */
static void expect_inputs_intact(const char *upper, const char *lower)
{
    char out[LEVELS_TEXT_BYTES];
    levels_text(&l, c.inputs[0], c.input_count[0], out);
    CHECK_TEXT(out, upper);
    levels_text(&l, c.inputs[1], c.input_count[1], out);
    CHECK_TEXT(out, lower);
}

static void the_newest_version_comes_through_from_whatever_level(void)
{
    begin();
    levels_add(&l, 0, "a@5=old c@6=c");
    levels_add(&l, 0, "a@8=new b@7-");
    levels_add(&l, 1, "a@1=older b@2=b");
    levels_add(&l, 1, "d@3=d");
    prepare(0);
    compact_run(&c);
    expect_outputs("a@8=new c@6=c d@3=d");
    CHECK_INT(c.outputs[0]->meta.number, FIRST_OUTPUT);
    CHECK_INT(c.outputs[0]->meta.entries, 3);
    CHECK_INT(c.outputs[0]->meta.max_seq, 8);
    finish();
    levels_end(&l);
}

static void a_tombstone_stays_while_a_deeper_level_may_hold_its_key(void)
{
    begin();
    levels_add(&l, 1, "a@9- c@9- e@9-");
    levels_add(&l, 2, "a@2=a");
    levels_add(&l, 3,
               "b@1=b d@1=d"); /* spans c, holds no c: nobody knows without a read */
    prepare(1);
    compact_run(&c);
    expect_outputs("c@9-");
    finish();
    levels_end(&l);
}

static void versions_that_a_snapshot_sees_come_through(void)
{
    begin();
    levels_add(&l, 1, "a@9=x a@7=y");
    levels_add(&l, 2, "a@5=z a@3=w b@2=b");
    prepare(1);
    c.oldest_snapshot = 6;
    compact_run(&c);
    expect_outputs("a@9=x a@7=y a@5=z b@2=b");
    finish();
    levels_end(&l);
}

static void what_lies_below_a_floor_is_left_behind(void)
{
    begin();
    levels_add(&l, 1, "o@3=o p@9=new");
    levels_add(&l, 2, "p@4=old pa@5=pa q@1=q");
    prepare(1);
    c.floors['p'] = 5;
    compact_run(&c);
    expect_outputs("o@3=o p@9=new q@1=q");
    finish();
    levels_end(&l);
}

static void nothing_left_means_no_table_and_no_file(void)
{
    begin();
    levels_add(&l, 1, "a@9-");
    levels_add(&l, 2, "a@4=a");
    prepare(1);
    compact_run(&c);
    CHECK_INT(c.err, ERR_OK);
    CHECK_INT(c.output_count, 0);
    struct disk_file *file;
    CHECK_INT(disk_open(l.dir, "000100.sst", DISK_READ, SITE_SST_CREATE, &file), -2);
    finish();
    levels_end(&l);
}

/* Many versions of few keys, in outputs of about two blocks. */
static void outputs_are_cut_between_keys_and_never_inside_one(void)
{
    char text[LEVELS_TEXT_BYTES];
    size_t used = 0;
    begin();
    l.options.table_bytes = 128;
    for (int key = 0; key < 6; key++)
        for (int version = 0; version < 8; version++)
            used += (size_t)sprintf(text + used, "%skey%d@%d=0123456789abcdef",
                                    used ? " " : "", key, 99 - version);
    levels_add(&l, 1, text);
    prepare(1);
    c.oldest_snapshot = 1; /* every version counts */
    compact_run(&c);
    REQUIRE_INT(c.err, ERR_OK);
    CHECK(c.output_count >= 3);
    CHECK(c.output_count <= c.output_max);
    for (size_t i = 1; i < c.output_count; i++)
        CHECK(slice_compare(c.outputs[i - 1]->meta.largest, c.outputs[i]->meta.smallest) <
              0);
    char out[LEVELS_TEXT_BYTES], *from = out, *to = out;
    levels_text(&l, c.outputs, c.output_count, out);
    for (; *from; from++) { /* joins the tables' texts */
        if (!strncmp(from, " | ", 3))
            from += 2, *to++ = ' ';
        else
            *to++ = *from;
    }
    *to = 0;
    CHECK_TEXT(out, text);
    finish();
    levels_end(&l);
}

/* Three tables of level 3 are more than ten times table_bytes, so behind the third, and
 * behind no other, an output ends. */
static void an_output_overlaps_no_more_than_some_tables_of_the_level_below_it(void)
{
    static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g"};
    begin();
    levels_add(&l, 1, "a@90=a b@90=b c@90=c c2@90=c d@90=d g@90=g h@90=h");
    for (int i = 0; i < 7; i++)
        levels_fake(&l, 3, keys[i], keys[i], l.options.table_bytes * 4);
    prepare(1);
    compact_run(&c);
    expect_outputs("a@90=a b@90=b c@90=c | c2@90=c d@90=d | g@90=g h@90=h");
    CHECK(c.output_count <= c.output_max);
    finish();
    levels_end(&l);
}

/* Behind a the output is too small, behind c it is not. */
static void an_output_ends_where_a_table_of_the_level_below_it_ends(void)
{
#define VALUE "0123456789012345678901234567890123456789"
    begin();
    l.options.table_bytes = 400;
    levels_add(&l, 1, "a@9=" VALUE " b@9=" VALUE " c@9=" VALUE " d@9=" VALUE " e@9=x");
    levels_fake(&l, 3, "a", "a", 100);
    levels_fake(&l, 3, "b2", "c", 100);
    levels_fake(&l, 3, "d", "z", 100);
    prepare(1);
    compact_run(&c);
    expect_outputs("a@9=" VALUE " b@9=" VALUE " c@9=" VALUE " | d@9=" VALUE " e@9=x");
    finish();
    levels_end(&l);
#undef VALUE
}

/* A tombstone that goes must not drag along the cut: the key it hides begins an output. */
static void a_cut_is_found_behind_a_version_that_went(void)
{
    begin();
    l.options.table_bytes = 64;
    levels_add(&l, 1, "a@9=0123456789012345678901234567890123456789 b@9=x b@8=y c@7=z");
    levels_add(&l, 2, "b@3=w");
    prepare(1);
    compact_run(&c);
    REQUIRE_INT(c.err, ERR_OK);
    for (size_t i = 1; i < c.output_count; i++)
        CHECK(slice_compare(c.outputs[i - 1]->meta.largest, c.outputs[i]->meta.smallest) <
              0);
    finish();
    levels_end(&l);
}

static void outputs_are_durable_once_their_names_are(void)
{
    begin();
    l.options.table_bytes = 64;
    levels_add(&l, 1, "a@9=0123456789012345678901234567890123456789 b@8=x");
    levels_add(&l, 2, "c@7=z");
    disk_sim_settle(l.disk);
    prepare(1);
    compact_run(&c);
    REQUIRE_INT(c.err, ERR_OK);
    size_t count = c.output_count;
    REQUIRE(count >= 2);
    struct sst_meta meta[8];
    for (size_t i = 0; i < count; i++)
        REQUIRE_INT(sst_meta_copy(&meta[i], &c.outputs[i]->meta, mem_libc()), ERR_OK);
    REQUIRE_INT(disk_dir_sync(l.dir, SITE_SST_DIRSYNC), 0);
    disk_sim_power_cut(l.disk, DISK_SURVIVE_NONE, NULL);
    struct disk_dir *dir;
    REQUIRE_INT(disk_dir_open(l.disk, ".", &dir), 0);
    for (size_t i = 0; i < count; i++) {
        struct sst *sst;
        struct sst_files files = {.mem = mem_libc(), .dir = dir, .open_max = 1};
        CHECK_INT(sst_open(&files, &meta[i], &sst, &l.why), ERR_OK);
        CHECK_INT(sst_check(sst, &meta[i], &l.why), ERR_OK);
        sst_close(sst);
        sst_meta_deinit(&meta[i], mem_libc());
    }
    disk_dir_close(dir);
    finish();
    levels_end(&l);
}

static const char *const upper =
    "a@9=0123456789012345678901234567890123456789 b@8=x c@7-";
static const char *const lower = "c@3=z d@2=0123456789012345678901234567890123456789";

static void every_disk_call_may_fail_and_the_inputs_stay(void)
{
    static const enum disk_sim_effect effects[] = {DISK_EFFECT_NONE, DISK_EFFECT_PARTIAL,
                                                   DISK_EFFECT_FULL};
    begin();
    l.options.table_bytes = 64;
    levels_add(&l, 1, upper);
    levels_add(&l, 2, lower);
    for (size_t e = 0; e < sizeof effects / sizeof *effects; e++) {
        long k = 1;
        for (;; k++) {
            struct failing f;
            unsigned snapshot = disk_sim_snapshot(l.disk);
            prepare(1);
            failing_begin(&f, l.disk, k);
            f.effect = effects[e];
            f.bytes = 7;
            compact_run(&c);
            failing_end(&f);
            bool failed = f.calls >= k;
            CHECK_INT(c.err, failed ? ERR_IO : ERR_OK);
            if (failed) CHECK(c.why.code == ERR_IO && c.why.text[0] != 0);
            expect_inputs_intact(upper, lower);
            finish();
            disk_sim_rollback(l.disk, snapshot);
            if (!failed) break;
        }
        CHECK(k > 6); /* two outputs: two creates, writes, syncs, and the directory */
    }
    levels_end(&l);
}

static void every_allocation_may_fail_and_nothing_leaks(void)
{
    begin();
    l.options.table_bytes = 64;
    levels_add(&l, 1, upper);
    levels_add(&l, 2, lower);
    long k = 1;
    for (;; k++) {
        unsigned snapshot = disk_sim_snapshot(l.disk);
        prepare(1);
        long blocks = l.mem.blocks, before = l.mem.calls;
        l.mem.fail_at = before + k;
        compact_run(&c);
        bool failed = l.mem.calls >= l.mem.fail_at;
        l.mem.fail_at = 0;
        CHECK_INT(c.err, failed ? ERR_NOMEM : ERR_OK);
        expect_inputs_intact(upper, lower);
        finish();
        CHECK_INT(l.mem.blocks, blocks - 2); /* the two arrays of inputs */
        disk_sim_rollback(l.disk, snapshot);
        if (!failed) break;
    }
    CHECK(k > 10);
    levels_end(&l);
}

static void a_damaged_input_is_reported_and_not_left_out(void)
{
    begin();
    levels_add(&l, 1, "a@9=x");
    levels_add(&l, 2, "b@3=y");
    REQUIRE_INT(disk_sim_damage(l.disk, ".", "000002.sst", DISK_DAMAGE_FLIP, 2, 0), 0);
    prepare(1);
    compact_run(&c);
    CHECK_INT(c.err, ERR_CORRUPT);
    CHECK(strstr(c.why.text, "000002.sst") != NULL);
    finish();
    levels_end(&l);
}

/* 26 keys with a value that shrinks to almost nothing, as one table of a level. */
static void add_shrinking(unsigned level, seqno seq)
{
    char text[26 * 240], value[201];
    size_t n = 0;
    memset(value, 'x', 200);
    value[200] = 0;
    for (int i = 0; i < 26; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%c@%u=%s", i ? " " : "",
                              'a' + i, (unsigned)seq, value);
    levels_add(&l, level, text);
}

/* The outputs are as many as plain tables need, not as their compressed inputs did. */
static void what_was_compressed_can_come_out_plain(void)
{
    begin();
    l.options.block_bytes = 4096;
    l.options.codecs[0] = CODEC_LZ4;
    add_shrinking(1, 2);
    add_shrinking(2, 1);
    levels_seal(&l);
    uint64_t stored = l.version->levels[1].bytes;
    CHECK(sst_saved(l.version->levels[1].tables[0]->sst) > 4000);
    l.options.codecs[2] = CODEC_NONE;
    l.options.table_bytes = 400;
    prepare(1);

    compact_run(&c);

    REQUIRE_INT(c.err, ERR_OK);
    uint64_t entries = 0, bytes = 0;
    for (size_t i = 0; i < c.output_count; i++) {
        entries += c.outputs[i]->meta.entries;
        bytes += c.outputs[i]->meta.size;
        CHECK_INT(sst_saved(c.outputs[i]->sst), 0);
    }
    CHECK_INT(entries, 26);
    CHECK(bytes > 4 * stored && c.output_count > 10);
    finish();
    levels_end(&l);
}

static void outputs_are_stored_as_their_level_wants(void)
{
    for (unsigned level = 0; level < 2; level++) {
        begin();
        l.options.block_bytes = 4096;
        l.options.codecs[1] = CODEC_NONE;
        l.options.codecs[2] = CODEC_LZ4;
        add_shrinking(level, 2);
        add_shrinking(level + 1, 1);
        prepare(level);

        compact_run(&c);

        REQUIRE_INT(c.err, ERR_OK);
        REQUIRE_INT(c.output_count, 1);
        CHECK_INT(sst_saved(c.outputs[0]->sst) > 0, level == 1);
        finish();
        levels_end(&l);
    }
}

CU_TestInfo engine_compact_run_tests[] = {
    {"the_newest_version_comes_through_from_whatever_level",
     the_newest_version_comes_through_from_whatever_level},
    {"a_tombstone_stays_while_a_deeper_level_may_hold_its_key",
     a_tombstone_stays_while_a_deeper_level_may_hold_its_key},
    {"versions_that_a_snapshot_sees_come_through",
     versions_that_a_snapshot_sees_come_through},
    {"what_lies_below_a_floor_is_left_behind", what_lies_below_a_floor_is_left_behind},
    {"nothing_left_means_no_table_and_no_file", nothing_left_means_no_table_and_no_file},
    {"outputs_are_cut_between_keys_and_never_inside_one",
     outputs_are_cut_between_keys_and_never_inside_one},
    {"an_output_overlaps_no_more_than_some_tables_of_the_level_below_it",
     an_output_overlaps_no_more_than_some_tables_of_the_level_below_it},
    {"an_output_ends_where_a_table_of_the_level_below_it_ends",
     an_output_ends_where_a_table_of_the_level_below_it_ends},
    {"a_cut_is_found_behind_a_version_that_went",
     a_cut_is_found_behind_a_version_that_went},
    {"outputs_are_durable_once_their_names_are",
     outputs_are_durable_once_their_names_are},
    {"every_disk_call_may_fail_and_the_inputs_stay",
     every_disk_call_may_fail_and_the_inputs_stay},
    {"every_allocation_may_fail_and_nothing_leaks",
     every_allocation_may_fail_and_nothing_leaks},
    {"a_damaged_input_is_reported_and_not_left_out",
     a_damaged_input_is_reported_and_not_left_out},
    {"what_was_compressed_can_come_out_plain", what_was_compressed_can_come_out_plain},
    {"outputs_are_stored_as_their_level_wants", outputs_are_stored_as_their_level_wants},
    CU_TEST_INFO_NULL,
};
