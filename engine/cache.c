/* cache.c - one queue of blocks behind a hash table, and a doorkeeper.
 *
 *   miss -> room left, or asked for before? -> [ queue ] -> used since? round again : out
 *                  | no
 *                  v
 *            a fingerprint is left, the block is read elsewhere
 *
 * A full cache takes a block only at its second request: what is read once, in a scan or
 * at random in much more data than fits, costs neither an allocation nor an eviction and
 * pushes nothing out. The fingerprint of the first request lies in the block's bucket until
 * another one needs the place. A hit only sets a mark; nothing is moved (LevelDB moves a
 * list entry on every hit). Blocks in use are pinned and skipped. The doorkeeper is that
 * of TinyLFU (Einziger, Friedman, Manes, 2017), the queue a CLOCK.
 */
#include "engine/cache.h"

#include <assert.h>
#include <stdbool.h>

#define BUCKETS_MIN      16
#define BORROW_BYTES_MIN 8192

struct cache_entry {
    struct cache_entry *chain;         /* next in the bucket */
    struct cache_entry *older, *newer; /* in the queue */
    uint64_t table, offset;
    size_t size;
    unsigned pins;
    bool used; /* since it was last looked at for eviction */
    uint8_t block[];
};

/* Their array counts against the capacity like the blocks. */
struct bucket {
    struct cache_entry *chain;
    uint64_t ghost; /* fingerprint of a block that was turned away, or 0 */
};

struct cache {
    struct mem *mem;
    size_t capacity;
    struct bucket *buckets;
    size_t bucket_count; /* a power of two; 0 before the first insert */
    size_t count, bytes;
    struct cache_entry *oldest, *newest;
    uint8_t *spare, *lent; /* the buffer for borrowers: here or out */
    size_t spare_bytes;    /* its size, wherever it is */
    uint64_t hits, misses, evictions;
};

static size_t cost(const struct cache_entry *e)
{
    return sizeof *e + e->size;
}

/* ---- queue ---- */

static void queue_push(struct cache *c, struct cache_entry *e)
{
    e->older = c->newest;
    e->newer = NULL;
    if (c->newest)
        c->newest->newer = e;
    else
        c->oldest = e;
    c->newest = e;
}

static void queue_remove(struct cache *c, struct cache_entry *e)
{
    if (e->older)
        e->older->newer = e->newer;
    else
        c->oldest = e->newer;
    if (e->newer)
        e->newer->older = e->older;
    else
        c->newest = e->older;
}

/* ---- hash table ---- */

static uint64_t fingerprint(uint64_t table, uint64_t offset)
{
    return ((table * 0x9e3779b97f4a7c15u ^ offset) * 0xd6e8feb86659fd93u) | 1;
}

static struct bucket *bucket_at(struct bucket *buckets, size_t count, uint64_t print)
{
    return &buckets[(size_t)(print >> 32) & (count - 1)];
}

static struct bucket *bucket_of(struct cache *c, const struct cache_entry *e)
{
    return bucket_at(c->buckets, c->bucket_count, fingerprint(e->table, e->offset));
}

static void chain_add(struct bucket *b, struct cache_entry *e)
{
    e->chain = b->chain;
    b->chain = e;
}

static size_t buckets_cost(size_t count)
{
    return count * sizeof(struct bucket);
}

/* Doubles the buckets; without memory or room the chains merely grow longer. */
static bool table_grow(struct cache *c)
{
    size_t count = c->bucket_count ? 2 * c->bucket_count : BUCKETS_MIN;
    size_t added = buckets_cost(count) - buckets_cost(c->bucket_count);
    if (added > c->capacity - c->bytes) return c->bucket_count > 0;
    struct bucket *buckets = mem_zalloc(c->mem, buckets_cost(count));
    if (!buckets) return c->bucket_count > 0;
    for (size_t i = 0; i < c->bucket_count; i++)
        for (struct cache_entry *e = c->buckets[i].chain, *next; e; e = next) {
            next = e->chain;
            chain_add(bucket_at(buckets, count, fingerprint(e->table, e->offset)), e);
        }
    mem_free(c->mem, c->buckets);
    c->buckets = buckets;
    c->bucket_count = count;
    c->bytes += added;
    return true;
}

static void drop(struct cache *c, struct cache_entry *e)
{
    assert(e->pins == 0);
    struct cache_entry **link = &bucket_of(c, e)->chain;
    while (*link != e)
        link = &(*link)->chain;
    *link = e->chain;
    queue_remove(c, e);
    assert(c->count > 0 && c->bytes >= cost(e));
    c->count--;
    c->bytes -= cost(e);
    mem_free(c->mem, e);
}

/* ---- admission and eviction ---- */

/* The second request for a block since its fingerprint was left is answered with true. */
static bool asked_before(struct cache *c, uint64_t table, uint64_t offset)
{
    uint64_t print = fingerprint(table, offset);
    struct bucket *b = bucket_at(c->buckets, c->bucket_count, print);
    bool before = b->ghost == print;
    b->ghost = before ? 0 : print;
    return before;
}

/* True when `bytes` more fit; false when what is pinned leaves no room. */
static bool make_room(struct cache *c, size_t bytes)
{
    /* in two rounds every entry that nobody holds has lost its mark and gone */
    for (size_t steps = 2 * c->count; c->bytes + bytes > c->capacity; steps--) {
        if (steps == 0) return false;
        struct cache_entry *e = c->oldest;
        if (!e->used && e->pins == 0) {
            drop(c, e);
            c->evictions++;
            continue;
        }
        e->used = false;
        queue_remove(c, e);
        queue_push(c, e);
    }
    return true;
}

/* ---- the cache ---- */

struct cache *cache_new(struct mem *mem, size_t capacity_bytes)
{
    assert(capacity_bytes > 0);
    struct cache *c = mem_alloc(mem, sizeof *c);
    if (c) *c = (struct cache){.mem = mem, .capacity = capacity_bytes};
    return c;
}

void cache_free(struct cache *c)
{
    if (!c) return;
    assert(!c->lent);
    while (c->oldest)
        drop(c, c->oldest);
    assert(c->count == 0 && c->bytes == buckets_cost(c->bucket_count));
    mem_free(c->mem, c->buckets);
    mem_free(c->mem, c->spare);
    mem_free(c->mem, c);
}

struct cache_entry *cache_find(struct cache *c, uint64_t table, uint64_t offset)
{
    struct cache_entry *e = NULL;
    uint64_t print = fingerprint(table, offset);
    if (c->bucket_count) e = bucket_at(c->buckets, c->bucket_count, print)->chain;
    while (e && (e->offset != offset || e->table != table))
        e = e->chain;
    if (!e) {
        c->misses++;
        return NULL;
    }
    c->hits++;
    e->used = true;
    e->pins++;
    return e;
}

struct cache_entry *cache_reserve(struct cache *c, uint64_t table, uint64_t offset,
                                  size_t size, uint8_t **bytes)
{
    size_t needed = sizeof(struct cache_entry) + size;
    if (2 * c->count >= c->bucket_count && !table_grow(c)) return NULL;
    if (needed > c->capacity - buckets_cost(c->bucket_count)) return NULL;
    if (c->bytes + needed > c->capacity) {
        if (!asked_before(c, table, offset) || !make_room(c, needed)) return NULL;
    }
    struct cache_entry *e = mem_alloc(c->mem, needed);
    if (!e) return NULL;
    *e = (struct cache_entry){.table = table, .offset = offset, .size = size, .pins = 1};
    *bytes = e->block;
    return e;
}

void cache_keep(struct cache *c, struct cache_entry *e)
{
    assert(e->pins == 1);
    chain_add(bucket_of(c, e), e);
    queue_push(c, e);
    c->count++;
    c->bytes += cost(e);
}

void cache_cancel(struct cache *c, struct cache_entry *e)
{
    assert(e->pins == 1);
    mem_free(c->mem, e);
}

const uint8_t *cache_block(const struct cache_entry *e, size_t *size)
{
    *size = e->size;
    return e->block;
}

void cache_unpin(struct cache *c, struct cache_entry *e)
{
    (void)c;
    assert(e->pins > 0);
    e->pins--;
}

void cache_drop_table(struct cache *c, uint64_t table)
{
    for (struct cache_entry *e = c->oldest, *newer; e; e = newer) {
        newer = e->newer;
        if (e->table == table) drop(c, e);
    }
}

uint8_t *cache_borrow(struct cache *c, size_t size)
{
    if (c->lent) return mem_alloc(c->mem, size);
    if (!c->spare || c->spare_bytes < size) {
        size_t bytes = size < BORROW_BYTES_MIN ? BORROW_BYTES_MIN : size;
        uint8_t *grown = mem_alloc(c->mem, bytes);
        if (!grown) return NULL;
        mem_free(c->mem, c->spare);
        c->spare = grown;
        c->spare_bytes = bytes;
    }
    c->lent = c->spare;
    c->spare = NULL;
    return c->lent;
}

void cache_return(struct cache *c, uint8_t *buffer)
{
    if (buffer && buffer == c->lent) {
        c->spare = buffer;
        c->lent = NULL;
    } else {
        mem_free(c->mem, buffer);
    }
}

void cache_stats_get(const struct cache *c, struct cache_stats *out)
{
    *out = (struct cache_stats){c->hits, c->misses, c->evictions, c->bytes};
}
