#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/sst_format.h"
#include "engine/sst_salvage.h"
#include "tests/support/table.h"

#define ENTRIES 200

static struct table t;
static struct entries entries;
static uint8_t *bytes;
static size_t size, data_bytes;

static uint64_t lost_bytes;
static int losses;

static void count_loss(void *arg, uint64_t number, const struct sst_loss *loss)
{
    (void)arg;
    CHECK_INT(number, TABLE_NUMBER);
    CHECK(!loss->after.data || !loss->before.data ||
          slice_compare(loss->after, loss->before) <= 0);
    lost_bytes += loss->bytes;
    losses++;
}

static void begin(size_t value_max)
{
    struct rng r;
    rng_init(&r, 11);
    table_begin(&t);
    t.options.block_bytes = 256;
    entries_random(&entries, &r, ENTRIES, 4, 14, value_max);
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    bytes = table_bytes(&t, &size);
    data_bytes = size - (size_t)t.meta.tail_bytes;
}

static void end(void)
{
    free(bytes);
    entries_deinit(&entries);
    table_end(&t);
}

static enum err salvage(bool known, struct sst_salvage **s)
{
    lost_bytes = 0;
    losses = 0;
    table_replace(&t, bytes, size);
    return sst_salvage_open(&t.mem.mem, t.dir, TABLE_NUMBER, known ? &t.meta : NULL,
                            count_loss, NULL, s, &t.why);
}

/* How many entries come, each of them as it was written, in order. */
static size_t saved(const struct sst_salvage *s)
{
    struct iter *it = sst_salvage_iter(s, &t.mem.mem);
    size_t at = 0, n = 0;
    REQUIRE(it != NULL);
    for (iter_first(it); it->valid; iter_next(it), n++) {
        while (at < entries.count && (!slice_equal(entries.at[at].key, it->key) ||
                                      entries.at[at].tag != it->tag))
            at++;
        REQUIRE(at < entries.count); /* invented, or out of order */
        CHECK_SLICE(it->value, entries.at[at].value);
    }
    CHECK_INT(it->err, ERR_OK);
    iter_free(it);
    CHECK_INT(n, sst_salvage_entries(s));
    return n;
}

static void expect_all(bool known)
{
    struct sst_salvage *s = NULL;
    REQUIRE_INT(salvage(known, &s), ERR_OK);
    CHECK_INT(saved(s), entries.count);
    CHECK_INT(lost_bytes, 0);
    if (known) CHECK(sst_salvage_complete(s));
    CHECK_INT(sst_salvage_max_seq(s), t.meta.max_seq);
    sst_salvage_close(s);
}

static void a_sound_table_is_saved_whole(void)
{
    begin(60);
    expect_all(true);
    expect_all(false);
    end();
}

static void without_its_tail_a_table_is_saved_whole(void)
{
    begin(60);
    memset(bytes + data_bytes, 0, size - data_bytes);
    expect_all(true);
    expect_all(false);
    end();
}

/* Blocks of all sizes, one of them larger than a guess would look. */
static void a_large_value_is_found_without_the_index(void)
{
    begin(60);
    struct entries large = {0};
    uint8_t *value = calloc(1, 300000);
    entries_add(&large, slice_text("a"), tag_of(1, ENTRY_PUT), slice_text("small"));
    entries_add(&large, slice_text("b"), tag_of(2, ENTRY_PUT), slice_of(value, 300000));
    entries_add(&large, slice_text("c"), tag_of(3, ENTRY_PUT), slice_text("small"));
    entries_deinit(&entries);
    entries = large;
    free(bytes);
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    bytes = table_bytes(&t, &size);
    memset(bytes + size - t.meta.tail_bytes, 0, (size_t)t.meta.tail_bytes);
    expect_all(true);
    free(value);
    end();
}

static void each_damaged_byte_costs_one_block(void)
{
    begin(60);
    for (size_t at = 0; at < data_bytes; at += 13) {
        struct sst_salvage *s = NULL;
        bytes[at] ^= 0x10;
        REQUIRE_INT(salvage(true, &s), ERR_OK);
        CHECK(saved(s) < entries.count && saved(s) + 20 > entries.count);
        CHECK_INT(losses, 1);
        CHECK(lost_bytes < 400);
        CHECK(!sst_salvage_complete(s));
        sst_salvage_close(s);
        bytes[at] ^= 0x10;
    }
    end();
}

static void without_index_a_damaged_block_costs_itself(void)
{
    begin(60);
    memset(bytes + data_bytes, 0, size - data_bytes);
    for (size_t at = 0; at < data_bytes; at += 101) {
        struct sst_salvage *s = NULL;
        bytes[at] ^= 0x10;
        REQUIRE_INT(salvage(true, &s), ERR_OK);
        CHECK(saved(s) < entries.count && saved(s) + 20 > entries.count);
        CHECK(lost_bytes < 400);
        sst_salvage_close(s);
        bytes[at] ^= 0x10;
    }
    end();
}

/* An intact block at a place where it does not belong proves nothing. */
/* The manifest knows where the data ended, however much of the file is left. */
static void what_a_cut_took_away_is_told(void)
{
    struct sst_salvage *s;
    begin(40);
    size_t whole = size;
    for (size = 0; size < whole; size += 97) {
        REQUIRE_INT(salvage(true, &s), ERR_OK);
        bool all = size >= data_bytes;
        CHECK_INT(sst_salvage_complete(s), all);
        CHECK_INT(losses, all ? 0 : 1);
        if (!all) CHECK(lost_bytes >= data_bytes - size && lost_bytes <= data_bytes);
        CHECK_INT(saved(s), sst_salvage_entries(s));
        CHECK_INT(sst_salvage_entries(s) == ENTRIES, all);
        sst_salvage_close(s);
    }
    size = data_bytes / 2;
    bytes[data_bytes / 4] ^= 1;
    REQUIRE_INT(salvage(true, &s), ERR_OK);
    CHECK_INT(losses, 2);
    CHECK(lost_bytes > data_bytes - size);
    CHECK(sst_salvage_entries(s) > 0 && !sst_salvage_complete(s));
    sst_salvage_close(s);
    end();
}

static void a_block_in_the_wrong_place_is_no_block(void)
{
    begin(60);
    struct sst_salvage *s = NULL;
    memset(bytes + data_bytes, 0, size - data_bytes);
    size_t first = 0; /* bytes of the first block with its tail */
    for (size_t i = 1; i < data_bytes; i++)
        if (first == 0 && i > 200 && bytes[i] == 0 && bytes[i - 5] == CODEC_NONE)
            first = i;
    memmove(bytes + data_bytes - first, bytes, first);
    REQUIRE_INT(salvage(true, &s), ERR_OK);
    (void)saved(s); /* in order, nothing twice */
    CHECK(lost_bytes >= first);
    sst_salvage_close(s);
    end();
}

static void another_tables_file_gives_nothing_to_a_known_one(void)
{
    begin(60);
    struct sst_salvage *s = NULL;
    t.meta.min_seq = t.meta.max_seq = 1u << 20;
    t.meta.checksum++;
    REQUIRE_INT(salvage(true, &s), ERR_OK);
    CHECK_INT(saved(s), 0);
    CHECK_INT(lost_bytes, data_bytes);
    sst_salvage_close(s);
    end();
}

static void random_bytes_are_no_table(void)
{
    begin(60);
    struct rng r;
    rng_init(&r, 3);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i % 3 ? rng_next(&r) : 0);
    struct sst_salvage *s = NULL;
    REQUIRE_INT(salvage(false, &s), ERR_OK);
    CHECK_INT(saved(s), 0);
    sst_salvage_close(s);
    end();
}

CU_TestInfo engine_sst_salvage_tests[] = {
    {"a_sound_table_is_saved_whole", a_sound_table_is_saved_whole},
    {"without_its_tail_a_table_is_saved_whole", without_its_tail_a_table_is_saved_whole},
    {"a_large_value_is_found_without_the_index",
     a_large_value_is_found_without_the_index},
    {"each_damaged_byte_costs_one_block", each_damaged_byte_costs_one_block},
    {"without_index_a_damaged_block_costs_itself",
     without_index_a_damaged_block_costs_itself},
    {"what_a_cut_took_away_is_told", what_a_cut_took_away_is_told},
    {"a_block_in_the_wrong_place_is_no_block", a_block_in_the_wrong_place_is_no_block},
    {"another_tables_file_gives_nothing_to_a_known_one",
     another_tables_file_gives_nothing_to_a_known_one},
    {"random_bytes_are_no_table", random_bytes_are_no_table},
    CU_TEST_INFO_NULL,
};
