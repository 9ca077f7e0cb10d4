/* cache.c - two queues of blocks behind one hash table.
 *
 *   new block -> [ probation: a quarter ] -> out, unless it was used there
 *                        | used
 *                        v
 *                [ main: three quarters ] -> used since? round again : out
 *
 * A block that was read once falls out of the small queue before it can push anything out
 * of the large one: a scan costs a quarter of the cache at most. A hit only sets a mark;
 * nothing is moved or locked (LevelDB moves a list entry on every hit). Blocks in use are
 * pinned and skipped.
 *
 * What falls out of probation leaves its fingerprint in its bucket. If it comes back while
 * that is there, it was not a scan: it goes to the main queue at once, so that a new working
 * set wider than probation takes the old one's place. (Yang et al.: "FIFO queues are all
 * you need for cache eviction", SOSP 2023, whose S3-FIFO this follows.)
 */
#include "engine/cache.h"

#include <assert.h>
#include <stdbool.h>

#define BUCKETS_MIN 16

struct cache_entry {
    struct cache_entry *chain;         /* next in the bucket */
    struct cache_entry *older, *newer; /* in the queue */
    uint64_t table, offset;
    uint8_t *block;
    size_t size;
    unsigned pins;
    bool used;    /* since it came to the front of its queue */
    bool is_main; /* in the main queue */
};

struct bucket {
    struct cache_entry *chain;
    uint64_t ghost; /* fingerprint of an entry that fell out of probation, or 0 */
};

struct queue {
    struct cache_entry *oldest, *newest;
    size_t bytes;
};

struct cache {
    struct mem *mem;
    size_t capacity;
    struct bucket *buckets;
    size_t bucket_count; /* a power of two; 0 before the first insert */
    size_t count;
    struct queue probation, main;
    uint64_t hits, misses, evictions;
};

static size_t cost(const struct cache_entry *e)
{
    return e->size + sizeof *e;
}

static size_t used_bytes(const struct cache *c)
{
    return c->probation.bytes + c->main.bytes;
}

/* ---- queues ---- */

static struct queue *queue_of(struct cache *c, const struct cache_entry *e)
{
    return e->is_main ? &c->main : &c->probation;
}

static void queue_push(struct queue *q, struct cache_entry *e)
{
    e->older = q->newest;
    e->newer = NULL;
    if (q->newest)
        q->newest->newer = e;
    else
        q->oldest = e;
    q->newest = e;
    q->bytes += cost(e);
}

static void queue_remove(struct queue *q, struct cache_entry *e)
{
    if (e->older)
        e->older->newer = e->newer;
    else
        q->oldest = e->newer;
    if (e->newer)
        e->newer->older = e->older;
    else
        q->newest = e->older;
    assert(q->bytes >= cost(e));
    q->bytes -= cost(e);
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

/* Doubles the buckets; without memory the chains merely grow longer. */
static bool table_grow(struct cache *c)
{
    size_t count = c->bucket_count ? 2 * c->bucket_count : BUCKETS_MIN;
    struct bucket *buckets = mem_zalloc(c->mem, count * sizeof *buckets);
    if (!buckets) return c->bucket_count > 0;
    for (size_t i = 0; i < c->bucket_count; i++)
        for (struct cache_entry *e = c->buckets[i].chain, *next; e; e = next) {
            next = e->chain;
            chain_add(bucket_at(buckets, count, fingerprint(e->table, e->offset)), e);
        }
    mem_free(c->mem, c->buckets);
    c->buckets = buckets;
    c->bucket_count = count;
    return true;
}

static void drop(struct cache *c, struct cache_entry *e)
{
    assert(e->pins == 0);
    struct cache_entry **link = &bucket_of(c, e)->chain;
    while (*link != e)
        link = &(*link)->chain;
    *link = e->chain;
    queue_remove(queue_of(c, e), e);
    c->count--;
    mem_free(c->mem, e->block);
    mem_free(c->mem, e);
}

/* ---- eviction ---- */

/* Looks at the oldest entry of one queue: out with it, or to a queue's other end. */
static void evict_step(struct cache *c)
{
    bool from_main =
        c->main.oldest && (!c->probation.oldest || c->probation.bytes <= c->capacity / 4);
    struct queue *q = from_main ? &c->main : &c->probation;
    struct cache_entry *e = q->oldest;
    if (!e->used && e->pins == 0) {
        if (!e->is_main) bucket_of(c, e)->ghost = fingerprint(e->table, e->offset);
        drop(c, e);
        c->evictions++;
        return;
    }
    queue_remove(q, e);
    e->is_main |= e->used;
    e->used = false;
    queue_push(queue_of(c, e), e);
}

/* True when `bytes` more fit; false when what is pinned leaves no room. */
static bool make_room(struct cache *c, size_t bytes)
{
    if (bytes > c->capacity) return false;
    /* in three rounds every entry that nobody holds has lost its mark and gone */
    for (size_t steps = 3 * c->count; used_bytes(c) > c->capacity - bytes; steps--) {
        if (steps == 0) return false;
        evict_step(c);
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
    while (c->probation.oldest)
        drop(c, c->probation.oldest);
    while (c->main.oldest)
        drop(c, c->main.oldest);
    assert(c->count == 0 && used_bytes(c) == 0);
    mem_free(c->mem, c->buckets);
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

struct cache_entry *cache_insert(struct cache *c, uint64_t table, uint64_t offset,
                                 uint8_t *block, size_t size)
{
    if (!make_room(c, size + sizeof(struct cache_entry))) return NULL;
    if (c->count >= c->bucket_count && !table_grow(c)) return NULL;
    struct cache_entry *e = mem_alloc(c->mem, sizeof *e);
    if (!e) return NULL;
    *e = (struct cache_entry){
        .table = table, .offset = offset, .block = block, .size = size, .pins = 1};
    struct bucket *bucket = bucket_of(c, e);
    e->is_main = bucket->ghost == fingerprint(table, offset);
    chain_add(bucket, e);
    queue_push(queue_of(c, e), e);
    c->count++;
    return e;
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

static void drop_table_in(struct cache *c, struct queue *q, uint64_t table)
{
    for (struct cache_entry *e = q->oldest, *newer; e; e = newer) {
        newer = e->newer;
        if (e->table == table) drop(c, e);
    }
}

void cache_drop_table(struct cache *c, uint64_t table)
{
    drop_table_in(c, &c->probation, table);
    drop_table_in(c, &c->main, table);
}

void cache_stats_get(const struct cache *c, struct cache_stats *out)
{
    *out = (struct cache_stats){c->hits, c->misses, c->evictions, used_bytes(c)};
}
