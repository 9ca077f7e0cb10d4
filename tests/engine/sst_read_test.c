#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/coding.h"
#include "engine/crc32c.h"
#include "engine/sst_format.h"
#include "fault/disk_sim.h"
#include "tests/support/mapping.h"
#include "tests/support/table.h"

static struct table t;
static struct entries entries;

static void begin(void)
{
    table_begin(&t);
}

static void end(void)
{
    entries_deinit(&entries);
    table_end(&t);
}

static void fill(uint64_t seed, size_t count, unsigned alphabet, size_t key_max,
                 size_t value_max)
{
    struct rng r;
    rng_init(&r, seed);
    entries_random(&entries, &r, count, alphabet, key_max, value_max);
}

static void add(const char *key, seqno seq, const char *value)
{
    entries_add(&entries, slice_text(key), tag_of(seq, ENTRY_PUT), slice_text(value));
}

static struct sst *write_and_open(struct cache *cache)
{
    struct sst *sst = NULL;
    enum err e = table_write(&t, &entries);
    if (!e) e = table_open(&t, cache, &sst);
    if (e) printf("  %s\n", t.why.text);
    REQUIRE_INT(e, ERR_OK);
    return sst;
}

/* ---- right answers ---- */

/* Asks for the newest version with a number <= seq. */
static enum err ask(struct sst *sst, const char *key, seqno seq, bool *found,
                    uint64_t *tag, struct sst_pin *pin)
{
    struct sst_query query = sst_query_of(slice_text(key), seq);
    slice value;
    return sst_get(sst, &query, found, tag, &value, pin, &t.why);
}

static bool may_contain(struct sst *sst, slice key)
{
    struct sst_query query = sst_query_of(key, SEQNO_MAX);
    return sst_may_contain(sst, &query);
}

static void every_geometry_gives_every_entry(void)
{
    static const size_t blocks[] = {64, 100, 512, 4096, 32768};
    static const unsigned intervals[] = {1, 2, 3, 16, 1024};
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 5; j++) {
            begin();
            t.options.block_bytes = blocks[i];
            t.options.restart_interval = intervals[j];
            t.options.filter_bits = (unsigned)(i + j) % 2 * 10;
            fill(10 * i + j, 300, 2 + (unsigned)j, 14, 40);
            struct sst *sst = write_and_open(NULL);
            CHECK(table_agrees(&t, sst, &entries, false));
            CHECK_INT(sst_check(sst, &t.meta, &t.why), ERR_OK);
            sst_close(sst);
            end();
        }
}

static void a_cache_changes_no_answer(void)
{
    static const size_t sizes[] = {100, 1000, 20000, 1 << 20};
    for (size_t i = 0; i < 4; i++) {
        begin();
        t.options.block_bytes = 256;
        fill(i, 400, 3, 12, 60);
        struct cache *cache = cache_new(&t.mem.mem, sizes[i]);
        struct sst *sst = write_and_open(cache);
        CHECK(table_agrees(&t, sst, &entries, true));
        CHECK(table_agrees(&t, sst, &entries, true));
        CHECK(table_agrees(&t, sst, &entries, false));
        sst_close(sst);
        cache_free(cache);
        end();
    }
}

static void seeking_finds_every_position(void)
{
    begin();
    table_tiny(&t);
    fill(5, 150, 3, 6, 12);
    struct sst *sst = write_and_open(NULL);
    struct iter *it = sst_iter(sst, &t.mem.mem, false, &t.why);
    for (size_t i = 0; i < entries.count; i++) {
        iter_seek(it, entries.at[i].key, entries.at[i].tag);
        CHECK(entries_match(&entries, i, it));
        iter_seek(it, entries.at[i].key, entries.at[i].tag - 1); /* right behind it */
        CHECK(entries_match(&entries, i + 1, it));
        iter_seek(it, entries.at[i].key, UINT64_MAX);
        CHECK(entries_match(&entries,
                            entries_seek(&entries, entries.at[i].key, UINT64_MAX), it));
    }
    iter_seek(it, slice_text("\xff\xff\xff\xff"), 0);
    CHECK(!it->valid && it->err == ERR_OK);
    iter_free(it);
    sst_close(sst);
    end();
}

static void seeking_to_the_iterators_own_key_works(void)
{
    begin();
    table_tiny(&t);
    fill(6, 60, 3, 70, 12);
    struct sst *sst = write_and_open(NULL);
    struct iter *it = sst_iter(sst, &t.mem.mem, false, &t.why);
    iter_first(it);
    for (size_t i = 0; i < entries.count; i++) {
        iter_seek(it, it->key, it->tag);
        REQUIRE(it->valid);
        CHECK_SLICE(it->key, entries.at[i].key);
        iter_next(it);
    }
    iter_free(it);
    sst_close(sst);
    end();
}

static void many_versions_of_one_key_over_many_blocks_are_told_apart(void)
{
    begin();
    table_tiny(&t);
    add("a", 1, "first");
    for (seqno seq = 200; seq > 0; seq--) {
        char value[16];
        snprintf(value, sizeof value, "v%u", (unsigned)seq);
        add("key", 2 * seq, value);
    }
    add("kez", 1, "last");
    struct sst *sst = write_and_open(NULL);
    CHECK(table_agrees(&t, sst, &entries, false));
    for (seqno seq = 2; seq <= 401; seq++) {
        struct sst_pin pin = {0};
        bool found;
        uint64_t tag;
        REQUIRE_INT(ask(sst, "key", seq, &found, &tag, &pin), ERR_OK);
        CHECK(found && tag_seq(tag) == seq / 2 * 2);
        sst_pin_release(sst, &pin);
    }
    struct sst_pin pin = {0};
    bool found = true;
    uint64_t tag;
    CHECK_INT(ask(sst, "key", 1, &found, &tag, &pin), ERR_OK);
    CHECK(!found);
    sst_close(sst);
    end();
}

static void extreme_keys_and_values_come_back(void)
{
    begin();
    static uint8_t key[KEY_BYTES_MAX], value[1 << 20];
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)(i * 7 + i / 251);
    memset(key, 'k', sizeof key);
    add("", 9, "");
    add("", 3, "older");
    entries_add(&entries, slice_of(key, 65535), tag_of(4, ENTRY_PUT), slice_text("1"));
    entries_add(&entries, slice_of(key, 65536), tag_of(5, ENTRY_PUT),
                slice_of(value, sizeof value));
    entries_add(&entries, slice_of(key, KEY_BYTES_MAX), tag_of(6, ENTRY_PUT),
                slice_of(value, LARGE_VALUE_BYTES));
    entries_add(&entries, slice_of(key, KEY_BYTES_MAX), tag_of(5, ENTRY_DELETE),
                slice_of(NULL, 0));
    add("z", 7, "");
    entries_sort(&entries);
    struct cache *cache = cache_new(&t.mem.mem, 8 << 20);
    struct sst *sst = write_and_open(cache);
    CHECK(table_agrees(&t, sst, &entries, true));
    CHECK(table_agrees(&t, sst, &entries, false));
    CHECK_INT(sst_check(sst, &t.meta, &t.why), ERR_OK);
    sst_close(sst);
    cache_free(cache);
    end();
}

static void a_large_value_stays_out_of_the_cache(void)
{
    begin();
    static uint8_t value[LARGE_VALUE_BYTES + 1];
    add("a", 1, "small");
    entries_add(&entries, slice_text("b"), tag_of(2, ENTRY_PUT),
                slice_of(value, sizeof value));
    struct cache *cache = cache_new(&t.mem.mem, 8 << 20);
    struct sst *sst = write_and_open(cache);
    CHECK(table_agrees(&t, sst, &entries, true));
    struct cache_stats stats;
    cache_stats_get(cache, &stats);
    CHECK(stats.bytes > 0 && stats.bytes < 1000);
    sst_close(sst);
    cache_free(cache);
    end();
}

static void a_cached_block_is_read_once(void)
{
    begin();
    add("a", 1, "v");
    struct cache *cache = cache_new(&t.mem.mem, 1 << 20);
    struct sst *sst = write_and_open(cache);
    for (int i = 0; i < 5; i++)
        CHECK(table_agrees(&t, sst, &entries, true));
    struct cache_stats stats;
    cache_stats_get(cache, &stats);
    CHECK_INT(stats.misses, 1);
    CHECK(stats.hits >= 5);
    sst_close(sst);
    cache_free(cache);
    end();
}

static void a_filter_answers_without_reading_blocks(void)
{
    begin();
    fill(8, 200, 20, 10, 10);
    struct cache *cache = cache_new(&t.mem.mem, 1 << 20);
    struct sst *sst = write_and_open(cache);
    unsigned passed = 0;
    for (unsigned i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "absent-%u", i);
        passed += may_contain(sst, slice_text(key));
    }
    CHECK(passed < 40);
    for (size_t i = 0; i < entries.count; i++)
        CHECK(may_contain(sst, entries.at[i].key));
    sst_close(sst);
    cache_free(cache);
    end();
}

/* The crash explorer opens stores a hundred thousand times a second. */
static void opening_is_one_allocation(void)
{
    begin();
    table_tiny(&t);
    fill(9, 20, 5, 6, 10);
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    long calls = t.mem.calls;
    struct sst *sst;
    REQUIRE_INT(table_open(&t, NULL, &sst), ERR_OK);
    CHECK_INT(t.mem.calls - calls, 1);
    CHECK(sst_memory(sst) < t.meta.tail_bytes + 512);
    sst_close(sst);
    end();
}

/* ---- damage ---- */

static void a_missing_file_is_named(void)
{
    begin();
    add("a", 1, "v");
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    disk_unlink(t.dir, "000007.sst", SITE_OTHER_UNLINK);
    struct sst *sst;
    CHECK_INT(table_open(&t, NULL, &sst), ERR_MISSING);
    CHECK_TEXT(t.why.text, "000007.sst: missing");
    end();
}

static void every_truncation_refuses_to_open(void)
{
    begin();
    table_tiny(&t);
    fill(20, 20, 4, 6, 10);
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    size_t size;
    uint8_t *bytes = table_bytes(&t, &size);
    for (size_t n = 0; n < size; n++) {
        table_replace(&t, bytes, n);
        struct sst *sst;
        CHECK_INT(table_open(&t, NULL, &sst), ERR_CORRUPT);
        /* and also when the manifest were fooled */
        struct sst_meta cut = t.meta;
        cut.size = n;
        if (cut.tail_bytes > n) cut.tail_bytes = n;
        CHECK_INT(sst_open(&t.files, &cut, &sst, &t.why), ERR_CORRUPT);
    }
    free(bytes);
    end();
}

static void an_appended_byte_refuses_to_open(void)
{
    begin();
    add("a", 1, "v");
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    size_t size;
    uint8_t *bytes = table_bytes(&t, &size);
    bytes[size] = 0;
    table_replace(&t, bytes, size + 1);
    struct sst *sst;
    char want[100];
    snprintf(want, sizeof want, "000007.sst: size is %zu, the manifest says %zu",
             size + 1, size);
    CHECK_INT(table_open(&t, NULL, &sst), ERR_CORRUPT);
    CHECK_TEXT(t.why.text, want);
    free(bytes);
    end();
}

/* Opens and reads whatever the file has become: true when every answer is right or an
 * error; *detected when something complained. */
static bool honest(bool *detected)
{
    struct sst *sst;
    enum err e = table_open(&t, NULL, &sst);
    *detected = e;
    if (e) return e == ERR_CORRUPT || e == ERR_NEWER_FORMAT;
    bool ok = table_never_lies(&t, sst, &entries);
    *detected = sst_check(sst, &t.meta, &t.why) != ERR_OK;
    sst_close(sst);
    return ok;
}

static void every_flipped_bit_is_found_and_none_makes_a_lie(void)
{
    begin();
    table_tiny(&t);
    fill(21, 14, 4, 6, 10);
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    size_t size, lies = 0, unseen = 0;
    uint8_t *bytes = table_bytes(&t, &size);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        table_replace(&t, bytes, size);
        bool detected;
        lies += !honest(&detected);
        unseen += !detected;
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    CHECK_INT(lies, 0);
    CHECK_INT(unseen, 0);
    free(bytes);
    end();
}

static void a_zeroed_or_moved_chunk_is_found(void)
{
    begin();
    table_tiny(&t);
    fill(22, 60, 4, 6, 10);
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    size_t size, lies = 0, unseen = 0;
    uint8_t *bytes = table_bytes(&t, &size), *copy = malloc(size);
    for (size_t from = 0; from + 64 <= size; from += 64)
        for (size_t to = 0; to + 64 <= size; to += 64) {
            memcpy(copy, bytes, size);
            if (from == to)
                memset(copy + to, 0, 64);
            else
                memcpy(copy + to, bytes + from, 64);
            table_replace(&t, copy, size);
            bool detected;
            lies += !honest(&detected);
            unseen += !detected && memcmp(copy, bytes, size) != 0;
        }
    CHECK_INT(lies, 0);
    CHECK_INT(unseen, 0);
    free(copy);
    free(bytes);
    end();
}

/* A block of an earlier table of the same number and shape: valid by itself, and not the
 * one that the index means. */
static void a_stale_block_of_an_earlier_life_is_found(void)
{
    begin();
    add("a", 1, "old value");
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    size_t size, old_size;
    uint8_t *old = table_bytes(&t, &old_size);
    entries_deinit(&entries);
    add("a", 1, "new value");
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    uint8_t *bytes = table_bytes(&t, &size);
    REQUIRE_INT(size, old_size);

    memcpy(bytes, old, size - (size_t)t.meta.tail_bytes);
    table_replace(&t, bytes, size);
    struct sst *sst;
    REQUIRE_INT(table_open(&t, NULL, &sst), ERR_OK);
    struct sst_pin pin = {0};
    bool found;
    uint64_t tag;
    CHECK_INT(ask(sst, "a", 9, &found, &tag, &pin), ERR_CORRUPT);
    CHECK_TEXT(t.why.text, "000007.sst: data block at offset 0: checksum mismatch");
    sst_close(sst);

    table_replace(&t, old, old_size); /* the whole old table */
    CHECK_INT(table_open(&t, NULL, &sst), ERR_CORRUPT);
    free(old);
    free(bytes);
    end();
}

static void a_table_under_a_wrong_name_is_found(void)
{
    begin();
    add("a", 1, "v");
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    disk_rename(t.dir, "000007.sst", "000008.sst", SITE_OTHER_RENAME);
    struct sst_meta other = t.meta;
    other.number = 8;
    struct sst *sst;
    CHECK_INT(sst_open(&t.files, &other, &sst, &t.why), ERR_CORRUPT);
    CHECK(strstr(t.why.text, "000008.sst: footer at offset") != NULL);
    CHECK(strstr(t.why.text, "belongs to another table") != NULL);
    end();
}

static void a_manifest_that_disagrees_is_found(void)
{
    begin();
    add("a", 1, "v");
    add("b", 5, "w");
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    struct sst_meta wrong[7];
    for (int i = 0; i < 7; i++)
        wrong[i] = t.meta;
    wrong[0].entries++;
    wrong[1].tombstones++;
    wrong[2].min_seq++;
    wrong[3].max_seq++;
    wrong[4].smallest = slice_text("A");
    wrong[5].largest = slice_text("bb");
    wrong[6].checksum ^= 1;
    for (int i = 0; i < 7; i++) {
        struct sst *sst;
        CHECK_INT(sst_open(&t.files, &wrong[i], &sst, &t.why), ERR_CORRUPT);
    }
    end();
}

/* Rewrites the last 64 bytes with a footer field changed and its checksums made right. */
static void forge_footer(size_t at, uint32_t value)
{
    size_t size;
    uint8_t *bytes = table_bytes(&t, &size);
    uint8_t *footer = bytes + size - SST_FOOTER_BYTES;
    fixed32_put(footer + at, value);
    t.meta.checksum = crc32c(0, footer, 52);
    fixed32_put(footer + 52, t.meta.checksum);
    table_replace(&t, bytes, size);
    free(bytes);
}

static void a_newer_format_is_refused_by_name(void)
{
    static const size_t fields[] = {48, 44}; /* version, features */
    for (int i = 0; i < 2; i++) {
        begin();
        add("a", 1, "v");
        REQUIRE_INT(table_write(&t, &entries), ERR_OK);
        forge_footer(fields[i], 2);
        struct sst *sst;
        CHECK_INT(table_open(&t, NULL, &sst), ERR_NEWER_FORMAT);
        CHECK(strncmp(t.why.text, "000007.sst: footer at offset ", 29) == 0);
        end();
    }
}

static void an_unknown_codec_is_refused_by_name(void)
{
    begin();
    add("a", 1, "v");
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    size_t size;
    uint8_t *bytes = table_bytes(&t, &size);
    size_t block = size - (size_t)t.meta.tail_bytes - SST_BLOCK_TAIL_BYTES;
    bytes[block] = 7;
    uint32_t crc = crc32c(0, bytes, block + 1);
    fixed32_put(bytes + block + 1, crc);
    /* the same checksum in the index, at the end of its only handle */
    uint8_t *index = bytes + block + SST_BLOCK_TAIL_BYTES + 64;
    fixed32_put(index + 12, crc);
    size_t index_bytes = fixed32_get(bytes + size - 64 + 20);
    uint32_t index_crc = crc32c(0, index, index_bytes);
    table_replace(&t, bytes, size);
    free(bytes);
    forge_footer(36, index_crc);
    struct sst *sst;
    REQUIRE_INT(table_open(&t, NULL, &sst), ERR_OK);
    struct sst_pin pin = {0};
    bool found;
    uint64_t tag;
    CHECK_INT(ask(sst, "a", 9, &found, &tag, &pin), ERR_NEWER_FORMAT);
    CHECK_TEXT(t.why.text, "000007.sst: data block at offset 0: stored with a codec this "
                           "program does not know");
    sst_close(sst);
    end();
}

static void a_failed_read_is_an_error_with_place(void)
{
    begin();
    add("a", 1, "v");
    struct sst *sst = write_and_open(NULL);
    disk_sim_damage(t.disk, ".", "000007.sst", DISK_DAMAGE_EIO, 0, 0);
    struct sst_pin pin = {0};
    bool found;
    uint64_t tag;
    CHECK_INT(ask(sst, "a", 9, &found, &tag, &pin), ERR_IO);
    CHECK_TEXT(t.why.text, "000007.sst: data block at offset 0: read failed");
    struct iter *it = sst_iter(sst, &t.mem.mem, false, &t.why);
    iter_first(it);
    CHECK(!it->valid);
    CHECK_INT(it->err, ERR_IO);
    iter_free(it);
    sst_close(sst);
    end();
}

/* A damaged block in the middle: the iterator stops there and does not go around it. */
static void an_iterator_never_skips_a_damaged_block(void)
{
    begin();
    table_tiny(&t);
    fill(23, 60, 4, 6, 10);
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    size_t size;
    uint8_t *bytes = table_bytes(&t, &size);
    bytes[(size - (size_t)t.meta.tail_bytes) / 2] ^= 4;
    table_replace(&t, bytes, size);
    free(bytes);
    struct sst *sst;
    REQUIRE_INT(table_open(&t, NULL, &sst), ERR_OK);
    struct iter *it = sst_iter(sst, &t.mem.mem, false, &t.why);
    size_t i = 0;
    for (iter_first(it); it->valid; iter_next(it), i++)
        CHECK_SLICE(it->key, entries.at[i].key);
    CHECK_INT(it->err, ERR_CORRUPT);
    CHECK(i > 0 && i < entries.count);
    CHECK(strstr(t.why.text, "checksum mismatch") != NULL);
    size_t from = i;
    i = entries.count;
    for (iter_last(it); it->valid; iter_prev(it))
        CHECK_SLICE(it->key, entries.at[--i].key);
    CHECK_INT(it->err, ERR_CORRUPT);
    CHECK(i > from && i < entries.count);
    iter_free(it);
    CHECK_INT(sst_check(sst, &t.meta, &t.why), ERR_CORRUPT);
    sst_close(sst);
    end();
}

static void an_iterator_goes_from_one_table_to_another(void)
{
    struct rng r;
    struct entries first = {0};
    struct sst *ssts[2];
    rng_init(&r, 12);
    begin();
    table_tiny(&t);
    fill(31, 80, 3, 8, 20);
    first = entries;
    entries = (struct entries){0};
    REQUIRE_INT(table_write(&t, &first), ERR_OK);
    REQUIRE_INT(table_open(&t, NULL, &ssts[0]), ERR_OK);
    t.number = TABLE_NUMBER + 1;
    fill(32, 80, 3, 8, 20);
    ssts[1] = write_and_open(NULL);

    struct iter *it = sst_iter(NULL, &t.mem.mem, false, &t.why);
    for (int i = 0; i < 6; i++) {
        sst_iter_use(it, ssts[i % 2]);
        CHECK(!it->valid && it->err == ERR_OK);
        CHECK(entries_wander(i % 2 ? &entries : &first, it, &r, 300));
    }
    long calls = t.mem.calls;
    for (int i = 0; i < 6; i++) {
        sst_iter_use(it, ssts[i % 2]);
        CHECK(entries_wander(i % 2 ? &entries : &first, it, &r, 300));
    }
    CHECK_INT(t.mem.calls, calls);

    iter_free(it);
    sst_close(ssts[0]);
    sst_close(ssts[1]);
    entries_deinit(&first);
    end();
}

/* ---- maps ---- */

static struct mapping mapping;

static void begin_mapped(void)
{
    begin();
    mapping_begin(&mapping, t.disk);
    t.files.map = true;
}

static void end_mapped(void)
{
    mapping_end(&mapping);
    end();
}

/* What was never read is poison in the map: whoever looks there first, lies. */
static void a_map_gives_what_was_read_and_nothing_else(void)
{
    for (unsigned i = 0; i < 4; i++) {
        begin_mapped();
        t.options.block_bytes = i % 2 ? 64 : 4096;
        fill(40 + i, 300, 3, 12, 60);
        struct sst *sst = write_and_open(NULL);
        CHECK_INT(sst_mapped(sst), t.meta.size - t.meta.tail_bytes);
        if (i < 2) CHECK(table_agrees(&t, sst, &entries, true));
        struct rng r;
        rng_init(&r, i);
        struct iter *it = sst_iter(sst, &t.mem.mem, true, &t.why);
        CHECK(entries_wander(&entries, it, &r, 2000));
        iter_free(it);
        CHECK(table_agrees(&t, sst, &entries, false));
        CHECK(table_agrees(&t, sst, &entries, true));
        sst_close(sst);
        end_mapped();
    }
}

static void a_mapped_block_is_read_once(void)
{
    begin_mapped();
    add("a", 1, "v");
    struct cache *cache = cache_new(&t.mem.mem, 1 << 20);
    struct sst *sst = write_and_open(cache);
    unsigned long reads = mapping.reads;
    for (int i = 0; i < 5; i++)
        CHECK(table_agrees(&t, sst, &entries, true));
    CHECK_INT(mapping.reads - reads, 1);
    struct cache_stats stats;
    cache_stats_get(cache, &stats);
    CHECK_INT(stats.bytes, 0); /* it would be there twice */
    sst_close(sst);
    cache_free(cache);
    end_mapped();
}

/* A value of several pieces: each of them is read before the map counts. */
static void a_large_value_is_not_copied_out_of_a_map(void)
{
    begin_mapped();
    static uint8_t value[5 * LARGE_VALUE_BYTES + 77];
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)(i * 31 + i / 256);
    entries_add(&entries, slice_text("b"), tag_of(2, ENTRY_PUT),
                slice_of(value, sizeof value));
    struct sst *sst = write_and_open(NULL);
    CHECK(table_agrees(&t, sst, &entries, true));
    long calls = t.mem.calls;
    struct sst_pin pin = {0};
    bool found = false;
    uint64_t tag;
    CHECK_INT(ask(sst, "b", 9, &found, &tag, &pin), ERR_OK);
    CHECK(found && !pin.block && !pin.entry);
    CHECK_INT(t.mem.calls, calls);
    sst_close(sst);
    end_mapped();
}

static void damage_and_errors_below_a_map_are_answers(void)
{
    static const enum disk_sim_damage kinds[] = {DISK_DAMAGE_FLIP, DISK_DAMAGE_EIO};
    static const char *const texts[] = {
        "000007.sst: data block at offset 0: checksum mismatch",
        "000007.sst: data block at offset 0: read failed"};
    for (int i = 0; i < 2; i++) {
        begin_mapped();
        add("a", 1, "v");
        struct sst *sst = write_and_open(NULL);
        REQUIRE_INT(disk_sim_damage(t.disk, ".", "000007.sst", kinds[i], 0, 3), 0);
        struct sst_pin pin = {0};
        bool found = false;
        uint64_t tag;
        for (int again = 0; again < 2; again++) { /* also the second time */
            CHECK(ask(sst, "a", 9, &found, &tag, &pin) != ERR_OK);
            CHECK_TEXT(t.why.text, texts[i]);
        }
        struct iter *it = sst_iter(sst, &t.mem.mem, true, &t.why);
        iter_first(it);
        CHECK(!it->valid && it->err != ERR_OK);
        iter_free(it);
        sst_close(sst);
        end_mapped();
    }
}

static void a_table_that_cannot_be_mapped_is_read(void)
{
    begin(); /* the simulated disk itself maps nothing */
    t.files.map = true;
    fill(50, 100, 3, 8, 20);
    struct sst *sst = write_and_open(NULL);
    CHECK_INT(sst_mapped(sst), 0);
    CHECK(table_agrees(&t, sst, &entries, true));
    sst_close(sst);
    end();
}

/* Random bytes in index, properties and data blocks, with all checksums made right: no
 * answer is promised, but nothing outside is read and every error has a name. */
static void hostile_bytes_with_right_checksums_never_lead_outside(void)
{
    struct rng r;
    rng_init(&r, 77);
    begin();
    t.options.filter_bits = 0;
    t.options.block_bytes = 32768; /* one block: its handle is easy to find */
    fill(25, 12, 4, 6, 10);
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    struct sst_meta meta = t.meta;
    size_t size, opened = 0;
    uint8_t *good = table_bytes(&t, &size), *bytes = malloc(size);
    uint8_t *footer = bytes + size - SST_FOOTER_BYTES;
    size_t data = size - (size_t)meta.tail_bytes, block = data - SST_BLOCK_TAIL_BYTES;
    for (int round = 0; round < 6000; round++) {
        memcpy(bytes, good, size);
        for (uint64_t i = 0; i <= rng_below(&r, 3); i++)
            bytes[rng_below(&r, round % 2 ? block : size - SST_FOOTER_BYTES)] =
                (uint8_t)(rng_below(&r, 2) ? rng_next(&r) : rng_below(&r, 3) * 127);
        uint8_t *index = bytes + data;
        size_t index_bytes = fixed32_get(footer + 20);
        bytes[block] = 0; /* the codec */
        uint32_t crc = crc32c(0, bytes, block + 1);
        fixed32_put(bytes + block + 1, crc);
        fixed32_put(index + 12, crc);
        fixed32_put(footer + 36, crc32c(0, index, index_bytes));
        fixed32_put(footer + 40,
                    crc32c(0, index + index_bytes, fixed32_get(footer + 24)));
        t.meta.checksum = crc32c(0, footer, 52);
        fixed32_put(footer + 52, t.meta.checksum);
        table_replace(&t, bytes, size);
        struct sst *sst;
        t.why.text[0] = 0;
        if (table_open(&t, NULL, &sst)) {
            CHECK(strncmp(t.why.text, "000007.sst: ", 12) == 0);
            continue;
        }
        opened++;
        (void)table_never_lies(&t, sst, &entries);
        (void)sst_check(sst, &t.meta, &t.why);
        sst_close(sst);
    }
    CHECK(opened > 2000);
    free(good);
    free(bytes);
    end();
}

/* ---- memory ---- */

static void without_memory_reads_answer_that_and_leak_nothing(void)
{
    begin();
    table_tiny(&t);
    fill(24, 40, 4, 30, 30);
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    bool finished = false;
    for (long k = 1; !finished; k++) {
        t.mem.calls = 0;
        t.mem.fail_at = k;
        t.mem.fail_sticky = (int)(k % 2);
        struct cache *cache = cache_new(&t.mem.mem, 400);
        struct sst *sst = NULL;
        enum err e = cache ? table_open(&t, cache, &sst) : ERR_NOMEM;
        CHECK(e == ERR_OK || e == ERR_NOMEM);
        if (!e) {
            CHECK(table_never_lies(&t, sst, &entries));
            e = sst_check(sst, &t.meta, &t.why);
            CHECK(e == ERR_OK || e == ERR_NOMEM);
            finished = t.mem.calls < k;
            if (finished) CHECK_INT(e, ERR_OK);
        }
        sst_close(sst);
        cache_free(cache);
        t.mem.fail_at = 0;
    }
    end();
}

CU_TestInfo engine_sst_read_tests[] = {
    {"every_geometry_gives_every_entry", every_geometry_gives_every_entry},
    {"a_cache_changes_no_answer", a_cache_changes_no_answer},
    {"seeking_finds_every_position", seeking_finds_every_position},
    {"seeking_to_the_iterators_own_key_works", seeking_to_the_iterators_own_key_works},
    {"many_versions_of_one_key_over_many_blocks_are_told_apart",
     many_versions_of_one_key_over_many_blocks_are_told_apart},
    {"extreme_keys_and_values_come_back", extreme_keys_and_values_come_back},
    {"a_large_value_stays_out_of_the_cache", a_large_value_stays_out_of_the_cache},
    {"a_cached_block_is_read_once", a_cached_block_is_read_once},
    {"a_filter_answers_without_reading_blocks", a_filter_answers_without_reading_blocks},
    {"opening_is_one_allocation", opening_is_one_allocation},
    {"a_missing_file_is_named", a_missing_file_is_named},
    {"every_truncation_refuses_to_open", every_truncation_refuses_to_open},
    {"an_appended_byte_refuses_to_open", an_appended_byte_refuses_to_open},
    {"every_flipped_bit_is_found_and_none_makes_a_lie",
     every_flipped_bit_is_found_and_none_makes_a_lie},
    {"a_zeroed_or_moved_chunk_is_found", a_zeroed_or_moved_chunk_is_found},
    {"a_stale_block_of_an_earlier_life_is_found",
     a_stale_block_of_an_earlier_life_is_found},
    {"a_table_under_a_wrong_name_is_found", a_table_under_a_wrong_name_is_found},
    {"a_manifest_that_disagrees_is_found", a_manifest_that_disagrees_is_found},
    {"a_newer_format_is_refused_by_name", a_newer_format_is_refused_by_name},
    {"an_unknown_codec_is_refused_by_name", an_unknown_codec_is_refused_by_name},
    {"a_failed_read_is_an_error_with_place", a_failed_read_is_an_error_with_place},
    {"an_iterator_never_skips_a_damaged_block", an_iterator_never_skips_a_damaged_block},
    {"an_iterator_goes_from_one_table_to_another",
     an_iterator_goes_from_one_table_to_another},
    {"a_map_gives_what_was_read_and_nothing_else",
     a_map_gives_what_was_read_and_nothing_else},
    {"a_mapped_block_is_read_once", a_mapped_block_is_read_once},
    {"a_large_value_is_not_copied_out_of_a_map",
     a_large_value_is_not_copied_out_of_a_map},
    {"damage_and_errors_below_a_map_are_answers",
     damage_and_errors_below_a_map_are_answers},
    {"a_table_that_cannot_be_mapped_is_read", a_table_that_cannot_be_mapped_is_read},
    {"hostile_bytes_with_right_checksums_never_lead_outside",
     hostile_bytes_with_right_checksums_never_lead_outside},
    {"without_memory_reads_answer_that_and_leak_nothing",
     without_memory_reads_answer_that_and_leak_nothing},
    CU_TEST_INFO_NULL,
};
