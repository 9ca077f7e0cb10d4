/* Tables with encoded blocks: the same answers, fewer bytes, and no trust in what a block
 * says of its size. */
#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/coding.h"
#include "engine/crc32c.h"
#include "engine/sst_format.h"
#include "engine/sst_salvage.h"
#include "tests/support/dumped.h"
#include "tests/support/mapping.h"
#include "tests/support/table.h"

static struct table t;
static struct entries entries;
static struct mapping mapping;

static void begin(void)
{
    table_begin(&t);
    t.options.codecs[0] = CODEC_LZ4;
}

static void end(void)
{
    entries_deinit(&entries);
    table_end(&t);
}

/* Values of `size` bytes of which an eighth is random, or all of them. */
static void fill(size_t count, size_t size, bool random)
{
    struct rng r;
    uint8_t *value = malloc(size + 1);
    rng_init(&r, count + size);
    for (size_t i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof key, "key%06zu", i);
        for (size_t at = 0; at < size; at++)
            value[at] = random || at % 32 < 4 ? (uint8_t)rng_next(&r) : 'a';
        entries_add(&entries, slice_text(key), tag_of(count - i, ENTRY_PUT),
                    slice_of(value, size));
    }
    entries_sort(&entries);
    free(value);
}

static struct sst *open_table(struct cache *cache)
{
    struct sst *sst = NULL;
    enum err e = table_open(&t, cache, &sst);
    if (e) printf("  %s\n", t.why.text);
    REQUIRE_INT(e, ERR_OK);
    return sst;
}

static struct sst *write_and_open(struct cache *cache)
{
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    return open_table(cache);
}

static uint64_t data_bytes(void)
{
    return t.meta.size - t.meta.tail_bytes;
}

/* Asks for the i-th entry; the value must be right when there is one. */
static enum err ask(struct sst *sst, size_t i)
{
    const struct entry *want = &entries.at[i];
    struct sst_query query = sst_query_of(want->key, SEQNO_MAX);
    struct sst_pin pin = {0};
    bool found = false;
    uint64_t tag;
    slice value;
    enum err e = sst_get(sst, &query, &found, &tag, &value, &pin, &t.why);
    if (!e) {
        CHECK(found);
        CHECK_SLICE(value, want->value);
    }
    sst_pin_release(sst, &pin);
    return e;
}

/* ---- right answers ---- */

/* Cached, mapped, both, neither; by keys, by iterators, by those of jobs. */
static void encoded_tables_give_every_entry(void)
{
    static const size_t blocks[] = {64, 512, 4096, 32768};
    for (size_t i = 0; i < 16; i++) {
        begin();
        bool mapped = i & 1, cached = i & 2;
        t.options.block_bytes = blocks[i / 4];
        t.options.restart_interval = 2;
        fill(400, 60 + i, false);
        if (mapped) mapping_begin(&mapping, t.disk);
        t.files.map = mapped;
        struct cache *cache = cached ? cache_new(&t.mem.mem, 20000) : NULL;
        struct sst *sst = write_and_open(cache);
        CHECK(sst_saved(sst) > 0);
        CHECK(table_agrees(&t, sst, &entries, true));
        CHECK(table_agrees(&t, sst, &entries, false));
        struct rng r;
        rng_init(&r, i);
        struct iter *it = sst_iter(sst, &t.mem.mem, true, &t.why);
        CHECK(entries_wander(&entries, it, &r, 1000));
        iter_free(it);
        CHECK_INT(sst_check(sst, &t.meta, &t.why), ERR_OK);
        sst_close(sst);
        cache_free(cache);
        if (mapped) mapping_end(&mapping);
        end();
    }
}

static void what_encoding_saved_is_told(void)
{
    begin();
    fill(300, 100, false);
    t.options.codecs[0] = CODEC_NONE;
    struct sst *sst = write_and_open(NULL);
    uint64_t plain = data_bytes();
    CHECK_INT(sst_saved(sst), 0);
    sst_close(sst);

    t.options.codecs[0] = CODEC_LZ4;
    sst = write_and_open(NULL);

    CHECK(data_bytes() < plain / 2);
    CHECK_INT(data_bytes() + sst_saved(sst), plain);
    sst_close(sst);
    end();
}

/* Nothing is saved on random bytes: the file is that of a level without a codec, which any
 * build can read. */
static void what_does_not_shrink_is_stored_as_it_is(void)
{
    begin();
    fill(100, 400, true);
    struct sst *sst = write_and_open(NULL);
    CHECK_INT(sst_saved(sst), 0);
    sst_close(sst);
    size_t size, plain_size;
    uint8_t *with = table_bytes(&t, &size);
    t.options.codecs[0] = CODEC_NONE;
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    uint8_t *plain = table_bytes(&t, &plain_size);
    CHECK_INT(size, plain_size);
    CHECK(memcmp(with, plain, size < plain_size ? size : plain_size) == 0);
    free(with);
    free(plain);
    end();
}

/* Blocks of one entry: random bytes and then zeros, so many that they give an eighth of
 * the block, or not. */
static void an_eighth_must_be_saved(void)
{
    static const struct {
        size_t zeros;
        bool encoded;
    } cases[] = {{100, false}, {480, false}, {600, true}, {2000, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t value[4000] = {0};
        struct rng r;
        rng_init(&r, i);
        for (size_t at = cases[i].zeros; at < sizeof value; at++)
            value[at] = (uint8_t)rng_next(&r);
        begin();
        entries_add(&entries, slice_text("k"), tag_of(1, ENTRY_PUT),
                    slice_of(value, sizeof value));
        struct sst *sst = write_and_open(NULL);
        CHECK_INT(sst_saved(sst) > 0, cases[i].encoded);
        CHECK_INT(ask(sst, 0), ERR_OK);
        sst_close(sst);
        end();
    }
}

/* Plain and encoded blocks in one table: the cache holds and gives both. */
static void plain_and_encoded_blocks_live_side_by_side(void)
{
    for (int mapped = 0; mapped < 2; mapped++) {
        begin();
        uint8_t value[2000];
        struct rng r;
        rng_init(&r, 9);
        for (size_t i = 0; i < 20; i++) {
            char key[32];
            snprintf(key, sizeof key, "k%02zu", i);
            for (size_t at = 0; at < sizeof value; at++)
                value[at] = i % 2 ? (uint8_t)rng_next(&r) : (uint8_t)i;
            entries_add(&entries, slice_text(key), tag_of(1, ENTRY_PUT),
                        slice_of(value, sizeof value));
        }
        t.options.block_bytes = 1024;
        if (mapped) mapping_begin(&mapping, t.disk);
        t.files.map = mapped;
        struct cache *cache = cache_new(&t.mem.mem, 1 << 20);
        struct sst *sst = write_and_open(cache);
        CHECK(table_agrees(&t, sst, &entries, true));
        struct cache_stats stats;
        cache_stats_get(cache, &stats);
        CHECK(stats.bytes > (mapped ? 10u : 20u) * 2000);
        CHECK(table_agrees(&t, sst, &entries, true));
        sst_close(sst);
        cache_free(cache);
        if (mapped) mapping_end(&mapping);
        end();
    }
}

/* ---- memory ---- */

/* The budget counts what a block is in memory, not what it is in the file. */
static void the_cache_holds_decoded_blocks_within_its_budget(void)
{
    for (int mapped = 0; mapped < 2; mapped++) {
        begin();
        t.options.block_bytes = 4096;
        fill(1000, 200, false);
        if (mapped) mapping_begin(&mapping, t.disk);
        t.files.map = mapped;
        struct cache *cache = cache_new(&t.mem.mem, 64 * 1024);
        struct sst *sst = write_and_open(cache);
        REQUIRE(data_bytes() < 100000);
        struct cache_stats stats;
        for (int round = 0; round < 3; round++)
            for (size_t i = 0; i < entries.count; i += 10)
                REQUIRE_INT(ask(sst, i), ERR_OK);
        cache_stats_get(cache, &stats);
        CHECK(stats.bytes <= 64 * 1024);
        CHECK(stats.bytes > 10 * 4000); /* a dozen blocks and more, plain */

        uint64_t hits = stats.hits;
        REQUIRE_INT(ask(sst, 0), ERR_OK);
        REQUIRE_INT(ask(sst, 0), ERR_OK);
        REQUIRE_INT(ask(sst, 0), ERR_OK);
        cache_stats_get(cache, &stats);
        CHECK(stats.hits > hits);
        sst_close(sst);
        cache_free(cache);
        if (mapped) mapping_end(&mapping);
        end();
    }
}

static void a_scan_leaves_the_cache_alone(void)
{
    begin();
    t.options.block_bytes = 512;
    fill(500, 60, false);
    struct cache *cache = cache_new(&t.mem.mem, 1 << 20);
    struct sst *sst = write_and_open(cache);
    struct iter *it = sst_iter(sst, &t.mem.mem, true, &t.why);
    size_t n = 0;
    for (iter_first(it); it->valid; iter_next(it), n++)
        CHECK_SLICE(it->value, entries.at[n].value);
    CHECK_INT(n, entries.count);
    iter_free(it);
    struct cache_stats stats;
    cache_stats_get(cache, &stats);
    CHECK(stats.bytes < 4 * 1024);
    sst_close(sst);
    cache_free(cache);
    end();
}

/* One that would shrink to nothing, too: it is written from where it lies. */
static void a_large_value_is_never_encoded(void)
{
    begin();
    uint8_t *value = calloc(1, 300000);
    entries_add(&entries, slice_text("a"), tag_of(1, ENTRY_PUT), slice_of(value, 300000));
    entries_add(&entries, slice_text("b"), tag_of(2, ENTRY_PUT), slice_of(value, 60000));
    entries_add(&entries, slice_text("c"), tag_of(3, ENTRY_PUT), slice_of(value, 300000));
    struct cache *cache = cache_new(&t.mem.mem, 1 << 20);
    struct sst *sst = write_and_open(cache);
    CHECK(sst_saved(sst) > 50000 && sst_saved(sst) < 60000 + 100);
    struct cache_stats stats;
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(ask(sst, i), ERR_OK);
    cache_stats_get(cache, &stats);
    CHECK(stats.bytes > 60000 && stats.bytes < 61000);
    sst_close(sst);
    cache_free(cache);
    free(value);
    end();
}

static void without_memory_answers_are_that_and_nothing_leaks(void)
{
    begin();
    t.options.block_bytes = 256;
    fill(60, 60, false);
    bool finished = false;
    for (long k = 1; !finished; k++) {
        t.mem.calls = 0;
        t.mem.fail_at = k;
        t.mem.fail_sticky = (int)(k % 2);
        enum err e = table_write(&t, &entries);
        CHECK(e == ERR_OK || e == ERR_NOMEM);
        finished = !e && t.mem.calls < k;
    }
    t.mem.fail_at = 0;
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    for (long k = 1, done = 0; !done; k++) {
        t.mem.calls = 0;
        t.mem.fail_at = k;
        struct cache *cache = cache_new(&t.mem.mem, 400);
        struct sst *sst = NULL;
        if (cache && !table_open(&t, cache, &sst)) {
            CHECK(table_never_lies(&t, sst, &entries));
            enum err e = sst_check(sst, &t.meta, &t.why);
            CHECK(e == ERR_OK || e == ERR_NOMEM);
            done = t.mem.calls < k;
        }
        sst_close(sst);
        cache_free(cache);
        t.mem.fail_at = 0;
    }
    end();
}

/* ---- damage ---- */

static uint8_t *bytes;
static size_t size;

/* A table of one encoded block. */
static void begin_single(void)
{
    begin();
    t.options.filter_bits = 0;
    t.options.block_bytes = 32768;
    fill(20, 100, false);
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    bytes = table_bytes(&t, &size);
}

static void end_single(void)
{
    free(bytes);
    end();
}

/* Makes all checksums right again around what was changed in the block. */
static void seal(void)
{
    size_t data = size - (size_t)t.meta.tail_bytes, block = data - SST_BLOCK_TAIL_BYTES;
    uint8_t *index = bytes + data, *footer = bytes + size - SST_FOOTER_BYTES;
    uint32_t crc = crc32c(0, bytes, block + 1);
    fixed32_put(bytes + block + 1, crc);
    fixed32_put(index + 12, crc);
    fixed32_put(footer + 36, crc32c(0, index, fixed32_get(footer + 20)));
    t.meta.checksum = crc32c(0, footer, 52);
    fixed32_put(footer + 52, t.meta.checksum);
    table_replace(&t, bytes, size);
}

static void expect_refusal(enum err code, const char *text)
{
    seal();
    struct sst *sst = open_table(NULL);
    CHECK_INT(ask(sst, 3), code);
    CHECK_TEXT(t.why.text, text);
    struct iter *it = sst_iter(sst, &t.mem.mem, false, &t.why);
    iter_first(it);
    CHECK(!it->valid);
    CHECK_INT(it->err, code);
    iter_free(it);
    CHECK_INT(sst_check(sst, &t.meta, &t.why), code);
    sst_close(sst);
}

static void a_wrong_size_in_a_block_is_damage(void)
{
    begin_single();
    uint32_t right = fixed32_get(bytes);
    static const char wrong_size[] =
        "000007.sst: data block at offset 0: the size it decodes to is wrong";
    static const char no_block[] =
        "000007.sst: data block at offset 0: cannot be decoded";
    const struct {
        uint32_t value;
        const char *text;
    } cases[] = {
        {0, wrong_size},       {UINT32_MAX, wrong_size}, {256 * 1024 + 1, wrong_size},
        {right - 1, no_block}, {right + 1, no_block},    {1, no_block},
        {256 * 1024, no_block}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixed32_put(bytes, cases[i].value);
        expect_refusal(ERR_CORRUPT, cases[i].text);
    }
    end_single();
}

static void a_wrong_codec_is_damage_or_a_newer_format(void)
{
    begin_single();
    size_t codec = size - (size_t)t.meta.tail_bytes - SST_BLOCK_TAIL_BYTES;
    REQUIRE_INT(bytes[codec], CODEC_LZ4);
    bytes[codec] = CODEC_NONE;
    expect_refusal(ERR_CORRUPT, "000007.sst: data block at offset 0: malformed");
    bytes[codec] = CODECS;
    expect_refusal(ERR_NEWER_FORMAT, "000007.sst: data block at offset 0: stored with a "
                                     "codec this program does not know");
    end_single();
}

/* The footer says that no block is encoded, and one is. */
static void an_encoded_block_that_the_footer_denies_is_refused(void)
{
    begin_single();
    fixed32_put(bytes + size - SST_FOOTER_BYTES + 44, 0);
    expect_refusal(ERR_NEWER_FORMAT, "000007.sst: data block at offset 0: stored with a "
                                     "codec this program does not know");
    end_single();
}

static void what_it_says_it_saved_is_checked(void)
{
    begin_single();
    uint8_t *footer = bytes + size - SST_FOOTER_BYTES;
    footer[-1] ^= 1; /* the last byte of the last property */
    fixed32_put(footer + 40,
                crc32c(0, footer - fixed32_get(footer + 24), fixed32_get(footer + 24)));
    seal();
    struct sst *sst = open_table(NULL);
    CHECK_INT(ask(sst, 3), ERR_OK);
    CHECK_INT(sst_check(sst, &t.meta, &t.why), ERR_CORRUPT);
    CHECK_TEXT(t.why.text,
               "000007.sst: its blocks are not shorter by what its properties say");
    sst_close(sst);
    end_single();
}

/* Any bytes in the encoded block, under right checksums: errors or entries, nothing
 * outside is read or written. */
static void hostile_encoded_bytes_never_lead_outside(void)
{
    struct rng r;
    rng_init(&r, 78);
    begin_single();
    uint8_t *good = malloc(size);
    memcpy(good, bytes, size);
    size_t block = size - (size_t)t.meta.tail_bytes - SST_BLOCK_TAIL_BYTES;
    for (int round = 0; round < 3000; round++) {
        memcpy(bytes, good, size);
        for (uint64_t i = 0; i <= rng_below(&r, 3); i++)
            bytes[rng_below(&r, round % 4 ? block : 8)] =
                (uint8_t)(rng_below(&r, 2) ? rng_next(&r) : rng_below(&r, 3) * 127);
        seal();
        struct sst *sst = open_table(NULL);
        for (size_t i = 0; i < entries.count; i += 7) {
            struct sst_query query = sst_query_of(entries.at[i].key, SEQNO_MAX);
            struct sst_pin pin = {0};
            bool found;
            uint64_t tag;
            slice value;
            (void)sst_get(sst, &query, &found, &tag, &value, &pin, &t.why);
            sst_pin_release(sst, &pin);
        }
        (void)sst_check(sst, &t.meta, &t.why);
        sst_close(sst);
    }
    free(good);
    end_single();
}

static void every_flipped_bit_is_found(void)
{
    begin();
    t.options.block_bytes = 256;
    t.options.filter_bits = 0;
    fill(6, 60, false);
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    bytes = table_bytes(&t, &size);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        table_replace(&t, bytes, size);
        struct sst *sst;
        enum err e = table_open(&t, NULL, &sst);
        if (!e) {
            CHECK(table_never_lies(&t, sst, &entries));
            e = sst_check(sst, &t.meta, &t.why);
            sst_close(sst);
        }
        CHECK(e != ERR_OK);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(bytes);
    end();
}

/* ---- salvage ---- */

static uint64_t lost;

static void count_loss(void *arg, uint64_t number, const struct sst_loss *loss)
{
    (void)arg;
    (void)number;
    lost += loss->bytes;
}

static size_t salvaged(void)
{
    struct sst_salvage *s = NULL;
    size_t n = 0, at = 0;
    lost = 0;
    table_replace(&t, bytes, size);
    REQUIRE_INT(sst_salvage_open(&t.mem.mem, t.dir, TABLE_NUMBER, &t.meta, count_loss,
                                 NULL, &s, &t.why),
                ERR_OK);
    struct iter *it = sst_salvage_iter(s, &t.mem.mem);
    for (iter_first(it); it->valid; iter_next(it), n++) {
        while (at < entries.count && !slice_equal(entries.at[at].key, it->key))
            at++;
        REQUIRE(at < entries.count);
        CHECK_SLICE(it->value, entries.at[at].value);
    }
    CHECK_INT(it->err, ERR_OK);
    iter_free(it);
    sst_salvage_close(s);
    return n;
}

static void encoded_blocks_are_salvaged_with_and_without_an_index(void)
{
    begin();
    t.options.block_bytes = 512;
    fill(100, 60, false);
    REQUIRE_INT(table_write(&t, &entries), ERR_OK);
    bytes = table_bytes(&t, &size);
    for (int index = 1; index >= 0; index--) {
        size_t data = size - (size_t)t.meta.tail_bytes;
        if (!index) memset(bytes + data, 0, size - data);
        CHECK_INT(salvaged(), entries.count);
        CHECK_INT(lost, 0);
        for (size_t at = 3; at < data; at += 41) {
            bytes[at] ^= 0x10;
            size_t n = salvaged();
            CHECK(n < entries.count && n + 20 > entries.count);
            CHECK(lost > 0 && lost < 600);
            bytes[at] ^= 0x10;
        }
    }
    free(bytes);
    end();
}

static void a_block_that_cannot_be_decoded_is_a_loss(void)
{
    begin_single();
    fixed32_put(bytes, fixed32_get(bytes) - 1);
    seal();
    CHECK_INT(salvaged(), 0);
    CHECK_INT(lost, data_bytes());
    end_single();
}

/* ---- dump ---- */

static void a_dump_shows_what_is_stored_and_what_it_means(void)
{
    begin_single();
    dumped_clear();
    dump_table(mem_libc(), slice_of(bytes, size), dumped_line, NULL);
    char line[64];
    snprintf(line, sizeof line, "bytes when decoded %u\n", fixed32_get(bytes));
    CHECK(dumped_has(line));
    snprintf(line, sizeof line, "decoded: %u bytes\n", fixed32_get(bytes));
    CHECK(dumped_has(line));
    CHECK(dumped_has("rest 9, value 100; \"key000000\"\n"));
    CHECK(dumped_has("codec 1: lz4\n"));
    CHECK(dumped_has("bytes saved by encoding"));
    CHECK(!strstr(dumped_text(), "WRONG"));

    fixed32_put(bytes, 1);
    dumped_clear();
    dump_table(mem_libc(), slice_of(bytes, size), dumped_line, NULL);
    CHECK(dumped_has("cannot be decoded\n"));
    fixed32_put(bytes, UINT32_MAX);
    dumped_clear();
    dump_table(mem_libc(), slice_of(bytes, size), dumped_line, NULL);
    CHECK(dumped_has("the size it decodes to is wrong\n"));
    end_single();
}

CU_TestInfo engine_sst_codec_tests[] = {
    {"encoded_tables_give_every_entry", encoded_tables_give_every_entry},
    {"what_encoding_saved_is_told", what_encoding_saved_is_told},
    {"what_does_not_shrink_is_stored_as_it_is", what_does_not_shrink_is_stored_as_it_is},
    {"an_eighth_must_be_saved", an_eighth_must_be_saved},
    {"plain_and_encoded_blocks_live_side_by_side",
     plain_and_encoded_blocks_live_side_by_side},
    {"the_cache_holds_decoded_blocks_within_its_budget",
     the_cache_holds_decoded_blocks_within_its_budget},
    {"a_scan_leaves_the_cache_alone", a_scan_leaves_the_cache_alone},
    {"a_large_value_is_never_encoded", a_large_value_is_never_encoded},
    {"without_memory_answers_are_that_and_nothing_leaks",
     without_memory_answers_are_that_and_nothing_leaks},
    {"a_wrong_size_in_a_block_is_damage", a_wrong_size_in_a_block_is_damage},
    {"a_wrong_codec_is_damage_or_a_newer_format",
     a_wrong_codec_is_damage_or_a_newer_format},
    {"an_encoded_block_that_the_footer_denies_is_refused",
     an_encoded_block_that_the_footer_denies_is_refused},
    {"what_it_says_it_saved_is_checked", what_it_says_it_saved_is_checked},
    {"hostile_encoded_bytes_never_lead_outside",
     hostile_encoded_bytes_never_lead_outside},
    {"every_flipped_bit_is_found", every_flipped_bit_is_found},
    {"encoded_blocks_are_salvaged_with_and_without_an_index",
     encoded_blocks_are_salvaged_with_and_without_an_index},
    {"a_block_that_cannot_be_decoded_is_a_loss",
     a_block_that_cannot_be_decoded_is_a_loss},
    {"a_dump_shows_what_is_stored_and_what_it_means",
     a_dump_shows_what_is_stored_and_what_it_means},
    CU_TEST_INFO_NULL,
};
