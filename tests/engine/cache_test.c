#include "tests/support/check.h"

#include "engine/cache.h"
#include "fault/rng.h"
#include "tests/support/peak.h"

/* Bytes of the first buckets, which every cache with a block has. */
#define BUCKETS 256

static struct mem_counting mem;
static struct cache *cache;

static void begin(size_t capacity)
{
    mem_counting_init(&mem, mem_libc());
    cache = cache_new(&mem.mem, capacity);
    REQUIRE(cache != NULL);
}

static void end(void)
{
    cache_free(cache);
    CHECK_INT(mem.blocks, 0);
}

/* Asks for room and fills it with bytes that tell where the block is from. */
static struct cache_entry *offer(uint64_t table, uint64_t offset, size_t size)
{
    uint8_t *bytes;
    struct cache_entry *e = cache_reserve(cache, table, offset, size, &bytes);
    if (!e) return NULL;
    memset(bytes, (int)((table * 31 + offset) & 0xff), size);
    cache_keep(cache, e);
    return e;
}

/* Offers a block as often as it takes: once, or twice when the cache is full. */
static bool insert(uint64_t table, uint64_t offset, size_t size)
{
    struct cache_entry *e = offer(table, offset, size);
    if (!e) e = offer(table, offset, size);
    if (e) cache_unpin(cache, e);
    return e != NULL;
}

static bool cached(uint64_t table, uint64_t offset)
{
    struct cache_entry *e = cache_find(cache, table, offset);
    if (!e) return false;
    size_t size;
    CHECK_INT(cache_block(e, &size)[size - 1], (table * 31 + offset) & 0xff);
    cache_unpin(cache, e);
    return true;
}

static size_t bytes_held(void)
{
    struct cache_stats stats;
    cache_stats_get(cache, &stats);
    return stats.bytes;
}

static void what_was_inserted_is_found_under_its_place_only(void)
{
    begin(1 << 20);
    CHECK(!cached(1, 0));
    CHECK(insert(1, 0, 100));
    CHECK(cached(1, 0));
    CHECK(!cached(1, 100));
    CHECK(!cached(2, 0));
    struct cache_stats stats;
    cache_stats_get(cache, &stats);
    CHECK_INT(stats.hits, 1);
    CHECK_INT(stats.misses, 3);
    end();
}

static void it_never_holds_more_than_its_capacity(void)
{
    struct rng r;
    rng_init(&r, 5);
    begin(20000);
    for (int i = 0; i < 5000; i++) {
        uint64_t table = rng_below(&r, 3), offset = rng_below(&r, 300);
        if (!cached(table, offset))
            CHECK(insert(table, offset, 1 + (size_t)rng_below(&r, 600)));
        CHECK(bytes_held() <= 20000);
    }
    CHECK(bytes_held() > 15000);
    end();
}

/* The smallest blocks there are: what stands around them is most of it. */
static void what_it_takes_for_itself_counts(void)
{
    struct peak peak;
    peak_init(&peak);
    begin(1 << 20);
    end();
    mem.inner = &peak.mem;
    cache = cache_new(&mem.mem, 1 << 20);
    size_t empty = peak.bytes;
    for (uint64_t i = 0; i < 40000; i++)
        insert(1, i, 1);
    CHECK(peak.bytes - empty <= 1 << 20);
    CHECK_INT(bytes_held(), peak.bytes - empty);
    CHECK(peak.bytes > 900000);
    end();
}

static void what_is_larger_than_the_cache_is_turned_away(void)
{
    begin(1000 + BUCKETS);
    CHECK(insert(1, 0, 100));
    CHECK(!insert(1, 1, 1000));
    CHECK(cached(1, 0));
    end();
}

static void pinned_blocks_stay(void)
{
    begin(1000 + BUCKETS);
    struct cache_entry *pinned = offer(1, 0, 300);
    REQUIRE(pinned != NULL);
    for (uint64_t i = 1; i < 100; i++)
        CHECK(insert(1, i, 300));
    size_t size;
    CHECK_INT(cache_block(pinned, &size)[299], 31);
    CHECK_INT(size, 300);
    cache_unpin(cache, pinned);
    for (uint64_t i = 100; i < 200; i++)
        CHECK(insert(1, i, 300));
    CHECK(cache_find(cache, 1, 0) == NULL);
    end();
}

static void a_cache_full_of_pinned_blocks_takes_no_more(void)
{
    begin(1000 + BUCKETS);
    struct cache_entry *pinned[2];
    for (uint64_t i = 0; i < 2; i++) {
        pinned[i] = offer(1, i, 350);
        REQUIRE(pinned[i] != NULL);
    }
    CHECK(!insert(1, 9, 350));
    cache_unpin(cache, pinned[0]);
    CHECK(insert(1, 9, 350));
    cache_unpin(cache, pinned[1]);
    end();
}

static void a_full_cache_takes_a_block_at_its_second_request(void)
{
    begin(1000 + BUCKETS);
    insert(1, 0, 350);
    insert(1, 1, 350);
    CHECK(offer(1, 2, 350) == NULL);
    CHECK(cached(1, 0));
    CHECK(cached(1, 1));
    struct cache_entry *e = offer(1, 2, 350);
    REQUIRE(e != NULL);
    cache_unpin(cache, e);
    CHECK(cached(1, 2));
    end();
}

static void a_cancelled_block_was_never_there(void)
{
    begin(1000 + BUCKETS);
    uint8_t *bytes;
    struct cache_entry *e = cache_reserve(cache, 1, 0, 100, &bytes);
    REQUIRE(e != NULL);
    CHECK(!cached(1, 0));
    cache_cancel(cache, e);
    CHECK(!cached(1, 0));
    CHECK_INT(bytes_held(), BUCKETS);
    end();
}

static void one_borrower_at_a_time_gets_the_same_buffer(void)
{
    begin(1000 + BUCKETS);
    uint8_t *first = cache_borrow(cache, 100), *second = cache_borrow(cache, 100);
    REQUIRE(first && second);
    CHECK(first != second);
    memset(first, 1, 100);
    memset(second, 2, 100);
    cache_return(cache, second);
    cache_return(cache, first);
    CHECK(cache_borrow(cache, 4000) == first);
    cache_return(cache, first);
    uint8_t *large = cache_borrow(cache, 60000);
    REQUIRE(large != NULL);
    memset(large, 3, 60000);
    cache_return(cache, large);
    mem.fail_at = mem.calls + 1;
    CHECK(cache_borrow(cache, 100000) == NULL);
    CHECK(cache_borrow(cache, 100) == large);
    cache_return(cache, large);
    cache_return(cache, NULL);
    end();
}

/* Blocks in use survive a scan over ten times the cache. */
static void a_scan_does_not_push_hot_blocks_out(void)
{
    begin(100 * 1000);
    for (int round = 0; round < 3; round++)
        for (uint64_t i = 0; i < 40; i++)
            if (!cached(1, i)) insert(1, i, 1000);
    for (uint64_t i = 0; i < 1000; i++) {
        struct cache_entry *e = offer(2, i, 1000);
        if (e) cache_unpin(cache, e);
    }
    unsigned left = 0;
    for (uint64_t i = 0; i < 40; i++)
        left += cached(1, i);
    CHECK_INT(left, 40);
    end();
}

/* ... but what is never asked for again makes room in the end. */
static void yesterdays_hot_blocks_make_room(void)
{
    begin(100 * 1000);
    for (int round = 0; round < 3; round++)
        for (uint64_t i = 0; i < 60; i++)
            if (!cached(1, i)) insert(1, i, 1000);
    for (int round = 0; round < 20; round++)
        for (uint64_t i = 0; i < 60; i++)
            if (!cached(2, i)) insert(2, i, 1000);
    unsigned now = 0;
    for (uint64_t i = 0; i < 60; i++)
        now += cached(2, i);
    CHECK(now >= 50);
    end();
}

static void dropping_a_table_leaves_the_others(void)
{
    begin(1 << 20);
    for (uint64_t i = 0; i < 100; i++) {
        insert(1, i, 100);
        insert(2, i, 100);
        if (i % 2) cached(1, i);
    }
    cache_drop_table(cache, 1);
    for (uint64_t i = 0; i < 100; i++) {
        CHECK(!cached(1, i));
        CHECK(cached(2, i));
    }
    end();
}

/* The first insert takes memory twice: for the hash table and for the entry. */
static void without_memory_nothing_is_cached(void)
{
    for (long k = 1; k <= 2; k++) {
        begin(10000);
        mem.fail_at = mem.calls + k;
        CHECK(offer(1, 0, 100) == NULL);
        CHECK(!cached(1, 0));
        CHECK(insert(1, 0, 100));
        CHECK(cached(1, 0));
        end();
    }
}

CU_TestInfo engine_cache_tests[] = {
    {"what_was_inserted_is_found_under_its_place_only",
     what_was_inserted_is_found_under_its_place_only},
    {"it_never_holds_more_than_its_capacity", it_never_holds_more_than_its_capacity},
    {"what_it_takes_for_itself_counts", what_it_takes_for_itself_counts},
    {"what_is_larger_than_the_cache_is_turned_away",
     what_is_larger_than_the_cache_is_turned_away},
    {"pinned_blocks_stay", pinned_blocks_stay},
    {"a_cache_full_of_pinned_blocks_takes_no_more",
     a_cache_full_of_pinned_blocks_takes_no_more},
    {"a_full_cache_takes_a_block_at_its_second_request",
     a_full_cache_takes_a_block_at_its_second_request},
    {"a_cancelled_block_was_never_there", a_cancelled_block_was_never_there},
    {"one_borrower_at_a_time_gets_the_same_buffer",
     one_borrower_at_a_time_gets_the_same_buffer},
    {"a_scan_does_not_push_hot_blocks_out", a_scan_does_not_push_hot_blocks_out},
    {"yesterdays_hot_blocks_make_room", yesterdays_hot_blocks_make_room},
    {"dropping_a_table_leaves_the_others", dropping_a_table_leaves_the_others},
    {"without_memory_nothing_is_cached", without_memory_nothing_is_cached},
    CU_TEST_INFO_NULL,
};
