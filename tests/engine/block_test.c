#include "tests/support/check.h"

#include <stdlib.h>

#include "engine/block.h"
#include "engine/coding.h"
#include "tests/support/entries.h"

static struct mem_counting mem;
static struct entries entries;
static struct block_builder builder;

static void begin(unsigned restart_interval)
{
    mem_counting_init(&mem, mem_libc());
    block_builder_init(&builder, &mem.mem, restart_interval);
}

static void end(void)
{
    block_builder_deinit(&builder);
    entries_deinit(&entries);
    CHECK_INT(mem.blocks, 0);
}

static void fill(uint64_t seed, size_t count, unsigned alphabet, size_t key_max,
                 size_t value_max)
{
    struct rng r;
    rng_init(&r, seed);
    entries_random(&entries, &r, count, alphabet, key_max, value_max);
}

static void add(const char *key, seqno seq)
{
    entries_add(&entries, slice_text(key), tag_of(seq, ENTRY_PUT), slice_text("v"));
}

/* The block of all entries; its bytes are the builder's. */
static slice build(void)
{
    slice bytes;
    block_builder_clear(&builder);
    for (size_t i = 0; i < entries.count; i++)
        REQUIRE_INT(block_builder_add(&builder, entries.at[i].key, entries.at[i].tag,
                                      entries.at[i].value),
                    ERR_OK);
    REQUIRE_INT(block_builder_finish(&builder, &bytes), ERR_OK);
    return bytes;
}

/* The iterator stands on entries[i]; true when the rest of the block follows. */
static bool rest_follows(struct block_iter *it, size_t i)
{
    for (; i < entries.count; i++) {
        if (!it->valid || !slice_equal(it->key, entries.at[i].key) ||
            it->tag != entries.at[i].tag || !slice_equal(it->value, entries.at[i].value))
            return false;
        block_iter_next(it);
    }
    return !it->valid && it->err == ERR_OK;
}

static void expect_everything(slice bytes)
{
    struct block_iter it;
    block_iter_init(&it, &mem.mem);
    REQUIRE_INT(block_iter_open(&it, bytes), ERR_OK);
    block_iter_first(&it);
    CHECK(rest_follows(&it, 0));
    unsigned count;
    CHECK_INT(block_check(&mem.mem, bytes, &count), ERR_OK);
    CHECK_INT(count, entries.count);
    block_iter_deinit(&it);
}

/* Seeks to (key, tag) and compares with the model. */
static void expect_seek(struct block_iter *it, slice key, uint64_t tag)
{
    size_t want = entries_seek(&entries, key, tag);
    block_iter_seek(it, key, tag);
    CHECK(it->err == ERR_OK);
    CHECK(it->valid == (want < entries.count));
    if (it->valid && want < entries.count) {
        CHECK_SLICE(it->key, entries.at[want].key);
        CHECK(it->tag == entries.at[want].tag);
        CHECK_SLICE(it->value, entries.at[want].value);
    }
    struct block_entry e;
    enum err found = block_seek(&it->block, key, tag, &e);
    CHECK_INT(found, want < entries.count ? ERR_OK : ERR_NOT_FOUND);
    if (!found) CHECK(block_entry_is(&e, key) == slice_equal(entries.at[want].key, key));
}

static void every_restart_interval_gives_every_entry_and_every_seek(void)
{
    for (unsigned interval = 1; interval < 40; interval += 1 + interval / 4) {
        for (unsigned alphabet = 1; alphabet < 6; alphabet++) {
            begin(interval);
            fill(interval * 10 + alphabet, 120, alphabet, 12, 10);
            slice bytes = build();
            expect_everything(bytes);
            struct block_iter it;
            block_iter_init(&it, &mem.mem);
            REQUIRE_INT(block_iter_open(&it, bytes), ERR_OK);
            for (size_t i = 0; i < entries.count; i++) {
                slice key = entries.at[i].key;
                expect_seek(&it, key, entries.at[i].tag);
                expect_seek(&it, key, entries.at[i].tag - 1);
                expect_seek(&it, key, entries.at[i].tag + 1);
                expect_seek(&it, key, UINT64_MAX);
                expect_seek(&it, key, 0);
                if (key.size) expect_seek(&it, slice_of(key.data, key.size - 1), 0);
            }
            block_iter_deinit(&it);
            end();
        }
    }
}

static void random_keys_are_sought_right_whatever_they_share(void)
{
    struct rng r;
    rng_init(&r, 99);
    for (int round = 0; round < 60; round++) {
        begin(1 + (unsigned)rng_below(&r, 20));
        fill(rng_next(&r), 40, 3, 20, 3);
        slice bytes = build();
        struct block_iter it;
        block_iter_init(&it, &mem.mem);
        REQUIRE_INT(block_iter_open(&it, bytes), ERR_OK);
        for (int i = 0; i < 200; i++) {
            uint8_t key[24];
            size_t n = (size_t)rng_below(&r, 22);
            for (size_t j = 0; j < n; j++)
                key[j] = (uint8_t)(rng_below(&r, 3) * 85);
            if (rng_below(&r, 2)) { /* a key that is there, changed at one place */
                slice from = entries.at[rng_below(&r, entries.count)].key;
                n = from.size;
                if (n) memcpy(key, from.data, n);
                if (n) key[rng_below(&r, n)] = (uint8_t)(rng_below(&r, 4) * 85);
            }
            expect_seek(&it, slice_of(key, n), rng_below(&r, 200) << 8);
        }
        block_iter_deinit(&it);
        end();
    }
}

/* Keys that agree in far more than eight bytes: prefixes tie, whole keys decide. */
static void long_common_prefixes_and_ties_are_resolved(void)
{
    begin(2);
    for (char a = 'a'; a <= 'c'; a++)
        for (char b = 'a'; b <= 'e'; b++) {
            char key[64];
            memset(key, 'x', sizeof key);
            key[20] = a;
            key[50] = b;
            key[60] = 0;
            add(key, 5);
            add(key, 3);
        }
    slice bytes = build();
    expect_everything(bytes);
    struct block_iter it;
    block_iter_init(&it, &mem.mem);
    REQUIRE_INT(block_iter_open(&it, bytes), ERR_OK);
    for (size_t i = 0; i < entries.count; i++) {
        expect_seek(&it, entries.at[i].key, entries.at[i].tag);
        expect_seek(&it, slice_of(entries.at[i].key.data, 50), 0);
    }
    block_iter_deinit(&it);
    end();
}

/* The iterator stands on entries[i], or nowhere when i is no index of one. */
static bool stands_on(const struct block_iter *it, size_t i)
{
    if (it->err != ERR_OK) return false;
    if (i >= entries.count) return !it->valid;
    return it->valid && slice_equal(it->key, entries.at[i].key) &&
           it->tag == entries.at[i].tag && slice_equal(it->value, entries.at[i].value);
}

/* Goes here and there; each time the iterator stands where the array says. */
static bool wander(struct block_iter *it, struct rng *r, int moves)
{
    size_t i = entries.count; /* nowhere */
    for (int n = 0; n < moves; n++) {
        size_t to = (size_t)rng_below(r, entries.count);
        const struct entry *target = &entries.at[to];
        unsigned move = (unsigned)rng_below(r, 12);
        if (i >= entries.count && move >= 5) move %= 5;
        switch (move) {
        case 0: block_iter_first(it), i = 0; break;
        case 1: block_iter_last(it), i = entries.count - 1; break;
        case 2: block_iter_seek(it, target->key, target->tag), i = to; break;
        case 3: block_iter_seek_back(it, target->key, target->tag), i = to; break;
        case 4: /* between two entries: back to the one in front, which may be none */
            block_iter_seek_back(it, target->key, target->tag + 1);
            i = to - 1;
            break;
        case 5:
        case 6:
        case 7: block_iter_next(it), i++; break;
        default: block_iter_prev(it), i--; break;
        }
        if (!stands_on(it, i)) return false;
    }
    return true;
}

static void it_goes_back_and_forth_over_any_block(void)
{
    for (unsigned interval = 1; interval <= 17; interval++) {
        struct rng r;
        struct block_iter it;
        begin(interval);
        fill(interval, 1 + 7 * interval, 3, 11, 5);
        slice bytes = build();
        block_iter_init(&it, &mem.mem);
        REQUIRE_INT(block_iter_open(&it, bytes), ERR_OK);
        rng_init(&r, interval);
        CHECK(wander(&it, &r, 3000));
        block_iter_deinit(&it);
        end();
    }
}

static void going_back_allocates_only_until_the_buffers_have_grown(void)
{
    struct rng r;
    struct block_iter it;
    begin(16);
    fill(9, 200, 4, 20, 5);
    slice bytes = build();
    block_iter_init(&it, &mem.mem);
    REQUIRE_INT(block_iter_open(&it, bytes), ERR_OK);
    for (block_iter_last(&it); it.valid;)
        block_iter_prev(&it);
    long calls = mem.calls;
    rng_init(&r, 9);
    CHECK(wander(&it, &r, 1000));
    CHECK_INT(mem.calls, calls);
    block_iter_deinit(&it);
    end();
}

static void without_memory_a_step_back_is_an_error_and_no_end(void)
{
    struct block_iter it;
    begin(4);
    fill(3, 40, 2, 200, 5);
    slice bytes = build();
    for (long k = 1;; k++) {
        size_t i = entries.count;
        block_iter_init(&it, &mem.mem);
        REQUIRE_INT(block_iter_open(&it, bytes), ERR_OK);
        mem.fail_at = mem.calls + k;
        for (block_iter_last(&it); it.valid; block_iter_prev(&it))
            i--;
        bool failed = mem.calls >= mem.fail_at;
        mem.fail_at = 0;
        CHECK_INT(it.err, failed ? ERR_NOMEM : ERR_OK);
        CHECK((i == 0) == !failed);
        block_iter_last(&it);
        CHECK(stands_on(&it, entries.count - 1));
        block_iter_deinit(&it);
        if (!failed) break;
    }
    end();
}

static void one_entry_and_one_empty_key_are_a_block(void)
{
    begin(16);
    entries_add(&entries, slice_of(NULL, 0), 0, slice_of(NULL, 0));
    slice bytes = build();
    expect_everything(bytes);
    struct block_iter it;
    block_iter_init(&it, &mem.mem);
    REQUIRE_INT(block_iter_open(&it, bytes), ERR_OK);
    expect_seek(&it, slice_of(NULL, 0), UINT64_MAX);
    expect_seek(&it, slice_text("a"), UINT64_MAX);
    block_iter_deinit(&it);
    end();
}

/* docs/formats.md#blocks: these bytes lie in the tables of stores that exist. */
static void the_bytes_are_those_of_the_format(void)
{
    static const uint8_t want[] = {
        0, 4, 1,   'k', 'e', 'y', '1', 1,   3, 0, 0, 0, 0,
        0, 0, 'v',                                           /* key1 */
        3, 1, 1,   '2', 1,   2,   0,   0,   0, 0, 0, 0, 'v', /* key2 */
        0, 4, 1,   'k', 'e', 'y', '3', 1,   1, 0, 0, 0, 0,
        0, 0, 'v', /* key3, a restart */
        0, 0, 0,   0,   0,   0,   0,   '1', 0, 0, 0, 0, 0,
        0, 0, '3',                        /* prefixes */
        0, 0, 0,   0,   29,  0,   0,   0, /* offsets */
        2, 0, 0,   0,   3,   0,   0,   0, /* counts */
    };
    begin(2);
    add("key1", 3);
    add("key2", 2);
    add("key3", 1);
    slice bytes = build();
    CHECK_SLICE(bytes, slice_of(want, sizeof want));
    end();
}

static void the_size_foretold_is_never_too_small(void)
{
    begin(3);
    fill(4, 100, 3, 20, 300);
    slice bytes;
    for (size_t i = 0; i < entries.count; i++) {
        const struct entry *e = &entries.at[i];
        size_t foretold = block_builder_size_with(&builder, e->key.size, e->value.size);
        REQUIRE_INT(block_builder_add(&builder, e->key, e->tag, e->value), ERR_OK);
        CHECK(foretold >= builder.size + 12 * builder.restart_count + 8);
    }
    REQUIRE_INT(block_builder_finish(&builder, &bytes), ERR_OK);
    end();
}

static void without_memory_the_builder_is_as_before(void)
{
    begin(2);
    fill(5, 30, 3, 100, 100);
    bool finished = false;
    for (long k = 1; !finished; k++) {
        block_builder_deinit(&builder);
        mem.calls = 0;
        mem.fail_at = k;
        slice bytes;
        for (size_t i = 0; i < entries.count; i++) {
            const struct entry *e = &entries.at[i];
            if (block_builder_add(&builder, e->key, e->tag, e->value)) /* once more */
                CHECK_INT(block_builder_add(&builder, e->key, e->tag, e->value), ERR_OK);
        }
        if (block_builder_finish(&builder, &bytes))
            CHECK_INT(block_builder_finish(&builder, &bytes), ERR_OK);
        finished = mem.calls < k;
        mem.fail_at = 0;
        expect_everything(bytes);
    }
    end();
}

/* ---- hostile bytes ---- */

/* Does everything that can be done with bytes that claim to be a block. The copy is
 * exactly as long as they are, so that a sanitizer sees each step outside. */
static void use(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    memcpy(copy, bytes, size);
    struct block_iter it;
    block_iter_init(&it, &mem.mem);
    if (!block_iter_open(&it, slice_of(copy, size))) {
        unsigned steps = 0;
        for (block_iter_first(&it); it.valid && steps < 1000; block_iter_next(&it))
            steps++;
        for (size_t i = 0; i < entries.count; i += 3) {
            block_iter_seek(&it, entries.at[i].key, entries.at[i].tag);
            if (it.valid) block_iter_next(&it);
            block_iter_seek_back(&it, entries.at[i].key, entries.at[i].tag);
            if (it.valid) block_iter_prev(&it);
        }
        steps = 0;
        for (block_iter_last(&it); it.valid && steps < 1000; block_iter_prev(&it))
            steps++;
        block_iter_seek(&it, slice_of(NULL, 0), 0);
        for (uint32_t i = 0; i < it.block.restarts && i < 100; i++) {
            struct block_entry e;
            (void)block_restart(&it.block, i, &e);
        }
    }
    block_iter_deinit(&it);
    unsigned count;
    (void)block_check(&mem.mem, slice_of(copy, size), &count);
    free(copy);
}

static void damaged_bytes_never_lead_outside(void)
{
    struct rng r;
    rng_init(&r, 31);
    for (unsigned interval = 1; interval < 9; interval += 3) {
        begin(interval);
        fill(interval, 30, 3, 12, 20);
        slice bytes = build();
        uint8_t *copy = malloc(bytes.size);
        for (size_t n = 0; n < bytes.size; n++)
            use(bytes.data, n); /* cut */
        for (int round = 0; round < 20000; round++) {
            memcpy(copy, bytes.data, bytes.size);
            for (uint64_t i = 0; i <= rng_below(&r, 4); i++) {
                /* half of the changes hit the arrays and counts */
                size_t tail = 8 + 12 * builder.restart_count;
                size_t at =
                    (size_t)(rng_below(&r, 2) ? rng_below(&r, bytes.size)
                                              : bytes.size - 1 - rng_below(&r, tail));
                copy[at] =
                    (uint8_t)(rng_below(&r, 2) ? rng_next(&r) : rng_below(&r, 3) * 127);
            }
            use(copy, bytes.size);
        }
        free(copy);
        end();
    }
}

static void broken_order_is_found_by_the_check(void)
{
    begin(2);
    add("key1", 3);
    add("key2", 2);
    add("key3", 1);
    slice bytes = build();
    uint8_t *copy = malloc(bytes.size);
    size_t unseen = 0;
    unsigned count;
    for (size_t i = 0; i < bytes.size; i++) {
        memcpy(copy, bytes.data, bytes.size);
        copy[i] ^= 0x40;
        /* values and the order-preserving ends of keys may change without breaking it */
        bool harmless = i == 15 || i == 28 || i == 44 || (i >= 7 && i < 15) ||
                        (i >= 20 && i < 28) || (i >= 36 && i < 44);
        unseen += block_check(&mem.mem, slice_of(copy, bytes.size), &count) == ERR_OK &&
                  !harmless;
    }
    CHECK_INT(unseen, 0);
    free(copy);
    end();
}

CU_TestInfo engine_block_tests[] = {
    {"every_restart_interval_gives_every_entry_and_every_seek",
     every_restart_interval_gives_every_entry_and_every_seek},
    {"random_keys_are_sought_right_whatever_they_share",
     random_keys_are_sought_right_whatever_they_share},
    {"long_common_prefixes_and_ties_are_resolved",
     long_common_prefixes_and_ties_are_resolved},
    {"it_goes_back_and_forth_over_any_block", it_goes_back_and_forth_over_any_block},
    {"going_back_allocates_only_until_the_buffers_have_grown",
     going_back_allocates_only_until_the_buffers_have_grown},
    {"without_memory_a_step_back_is_an_error_and_no_end",
     without_memory_a_step_back_is_an_error_and_no_end},
    {"one_entry_and_one_empty_key_are_a_block", one_entry_and_one_empty_key_are_a_block},
    {"the_bytes_are_those_of_the_format", the_bytes_are_those_of_the_format},
    {"the_size_foretold_is_never_too_small", the_size_foretold_is_never_too_small},
    {"without_memory_the_builder_is_as_before", without_memory_the_builder_is_as_before},
    {"damaged_bytes_never_lead_outside", damaged_bytes_never_lead_outside},
    {"broken_order_is_found_by_the_check", broken_order_is_found_by_the_check},
    CU_TEST_INFO_NULL,
};
