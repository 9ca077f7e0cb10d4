/* memtable.c - keys in a hash table, versions in a chain behind each, order when asked.
 *
 *   hash slots ----> node "a"   node "k"   node "b"        (any order)
 *                      |          |          |
 *                      v9         v8 v7 v2   v4            (newest first)
 *
 * Puts and point reads go through the hash table: one cache miss or two, where a search
 * in a sorted list pays one for almost every node that it compares. Order is needed only
 * by iterators and by the flush. The first iterator links the keys that are new since the
 * last one into a skiplist, in ascending order, which needs no search; a flush, which runs
 * beside the owner and may change nothing here, sorts pointers of its own. (LevelDB and
 * RocksDB search a place in a skiplist for every version of every key.)
 *
 * A chain whose versions were all undone stays, empty, and is passed over. */
#include "engine/memtable.h"

#include <assert.h>
#include <stdlib.h>

#include "engine/filter.h"
#include "engine/options.h"
#include "engine/skiplist.h"

#define PREFETCH_KEYS   32
#define SLOTS_MIN       16
#define RADIX_KEYS_MIN  256               /* fewer are sorted by comparisons */
#define BYTES_PER_ENTRY 128               /* guess for the first size of the hash table */
#define BLOCK_BYTES_MAX ((size_t)1 << 20) /* of the arena */

struct version_node {
    struct version_node *older;
    uint64_t tag;
    size_t size;
    uint8_t value[];
};

struct memtable {
    struct mem *mem;
    size_t bytes; /* what it is going to take */
    struct arena arena;
    struct skiplist list; /* keys in order; the values are pointers to newest versions */
    struct skiplist_node *unlinked; /* keys that are not in the list yet, by next[0] */
    size_t unlinked_count;
    struct skiplist_node **slots;
    size_t slot_count; /* a power of two; 0 before the first put */
    uint64_t seed;     /* of the hash */
    size_t keys;
    size_t count; /* versions */
};

struct memtable *memtable_new(struct mem *mem, size_t bytes, uint64_t seed)
{
    size_t block = bytes / 8 < BLOCK_BYTES_MAX ? bytes / 8 : BLOCK_BYTES_MAX;
    struct memtable *m = mem_alloc(mem, sizeof *m);
    if (!m) return NULL;
    *m = (struct memtable){.mem = mem, .bytes = bytes, .seed = seed};
    arena_init(&m->arena, mem, block);
    skiplist_init(&m->list, &m->arena, seed);
    return m;
}

void memtable_free(struct memtable *m)
{
    if (!m) return;
    arena_deinit(&m->arena);
    mem_free(m->mem, m->slots);
    mem_free(m->mem, m);
}

/* ---- chains ---- */

/* The list's values are not aligned. */
static inline struct version_node *newest_of(const struct skiplist_node *node)
{
    struct version_node *newest;
    memcpy(&newest, skiplist_value(node).data, sizeof(newest));
    return newest;
}

static inline void set_newest(struct skiplist_node *node, struct version_node *newest)
{
    memcpy((uint8_t *)skiplist_value(node).data, &newest, sizeof(newest));
}

/* The newest version whose tag is not above `tag`. */
static inline const struct version_node *version_at(const struct skiplist_node *node,
                                                    uint64_t tag)
{
    const struct version_node *v = newest_of(node);
    while (v && v->tag > tag)
        v = v->older;
    return v;
}

/* ---- hash table ---- */

/* Where the search for the key begins. REQUIRES: there are slots. */
static inline size_t first_slot(const struct memtable *m, slice key)
{
    return (size_t)filter_hash_seeded(key, m->seed) & (m->slot_count - 1);
}

/* The slot of the key, or the empty one where it belongs. REQUIRES: there are slots. */
static size_t slot_of(const struct memtable *m, slice key)
{
    size_t mask = m->slot_count - 1, i = first_slot(m, key);
    while (m->slots[i] && !slice_equal(skiplist_key(m->slots[i]), key))
        i = (i + 1) & mask;
    return i;
}

static struct skiplist_node *find(const struct memtable *m, slice key)
{
    return m->slot_count ? m->slots[slot_of(m, key)] : NULL;
}

/* How many slots the next hash table has. The first one is for keys of an ordinary size;
 * the second knows how large they are, and will do for all. */
static size_t next_slot_count(const struct memtable *m)
{
    if (m->slot_count == 0) {
        size_t n = SLOTS_MIN, guess = m->arena.block_bytes * 16 / BYTES_PER_ENTRY;
        while (n < guess)
            n *= 2;
        return n;
    }
    double keys = (double)m->keys * (double)m->bytes / (double)memtable_bytes(m);
    size_t n = m->slot_count * 2;
    while ((double)n < 2 * keys)
        n *= 2;
    return n;
}

/* Makes room for one more key: at most half of the slots are taken. */
static enum err reserve_slot(struct memtable *m)
{
    if (m->slot_count > 2 * m->keys) return ERR_OK;
    size_t n = next_slot_count(m);
    struct skiplist_node **old = m->slots,
                         **slots = mem_zalloc(m->mem, n * sizeof *slots);
    if (!slots) return ERR_NOMEM;
    size_t old_count = m->slot_count;
    m->slots = slots;
    m->slot_count = n;
    for (size_t i = 0; i < old_count; i++) {
        if (i + PREFETCH_KEYS < old_count) __builtin_prefetch(old[i + PREFETCH_KEYS]);
        if (old[i]) slots[slot_of(m, skiplist_key(old[i]))] = old[i];
    }
    mem_free(m->mem, old);
    return ERR_OK;
}

/* ---- changing ---- */

static struct version_node *new_version(struct memtable *m, uint64_t tag, slice value)
{
    struct version_node *v = arena_alloc(&m->arena, sizeof *v + value.size);
    if (!v) return NULL;
    *v = (struct version_node){.tag = tag, .size = value.size};
    if (value.size) memcpy(v->value, value.data, value.size);
    return v;
}

static struct skiplist_node *new_key(struct memtable *m, slice key)
{
    const struct version_node *none = NULL;
    struct skiplist_node *node =
        skiplist_node_new(&m->list, key, 0, slice_of(&none, sizeof(none)));
    if (!node) return NULL;
    node->next[0] = m->unlinked;
    m->unlinked = node;
    m->unlinked_count++;
    m->keys++;
    return node;
}

enum err memtable_put(struct memtable *m, slice key, uint64_t tag, slice value)
{
    assert(key.size <= KEY_BYTES_MAX && value.size <= VALUE_BYTES_MAX);
    if (reserve_slot(m)) return ERR_NOMEM;
    struct skiplist_node **slot = &m->slots[slot_of(m, key)], *node = *slot;
    if (!node && !(node = *slot = new_key(m, key))) return ERR_NOMEM;
    struct version_node *v = new_version(m, tag, value), *newer = NULL;
    if (!v) return ERR_NOMEM; /* a new key's chain stays empty */
    /* Numbers grow, so the loop ends at once; but order is not left to the caller. */
    for (v->older = newest_of(node); v->older && v->older->tag > tag;) {
        newer = v->older;
        v->older = newer->older;
    }
    assert(!v->older || v->older->tag != tag);
    if (newer)
        newer->older = v;
    else
        set_newest(node, v);
    m->count++;
    return ERR_OK;
}

/* Slot, key and newest version are a chain of pointers: one step of all keys at a time. */
static void prefetch_some(const struct memtable *m, const slice *keys, size_t count)
{
    struct skiplist_node **slots[PREFETCH_KEYS];
    for (size_t i = 0; i < count; i++) {
        slots[i] = &m->slots[first_slot(m, keys[i])];
        __builtin_prefetch(slots[i], 1);
    }
    for (size_t i = 0; i < count; i++)
        if (*slots[i]) __builtin_prefetch(*slots[i], 1);
    for (size_t i = 0; i < count; i++)
        if (*slots[i]) __builtin_prefetch(newest_of(*slots[i]));
}

void memtable_expect(const struct memtable *m, slice key)
{
    if (m->slot_count) __builtin_prefetch(&m->slots[first_slot(m, key)], 1);
}

void memtable_prefetch(const struct memtable *m, const slice *keys, size_t count)
{
    if (m->slot_count == 0) return;
    for (size_t n; count > 0; keys += n, count -= n) {
        n = count < PREFETCH_KEYS ? count : PREFETCH_KEYS;
        prefetch_some(m, keys, n);
    }
}

void memtable_remove(struct memtable *m, slice key, uint64_t tag)
{
    struct skiplist_node *node = find(m, key);
    struct version_node *v = node ? newest_of(node) : NULL, *newer = NULL;
    while (v && v->tag != tag) {
        newer = v;
        v = v->older;
    }
    assert(v);
    if (newer)
        newer->older = v->older;
    else
        set_newest(node, v->older);
    m->count--;
}

bool memtable_get(const struct memtable *m, slice key, seqno seq, uint64_t *tag,
                  slice *value)
{
    const struct skiplist_node *node = find(m, key);
    const struct version_node *v = node ? version_at(node, tag_seek(seq)) : NULL;
    if (!v) return false;
    *tag = v->tag;
    *value = slice_of(v->value, v->size);
    return true;
}

size_t memtable_bytes(const struct memtable *m)
{
    return sizeof *m + m->arena.bytes + m->slot_count * sizeof *m->slots;
}

size_t memtable_count(const struct memtable *m)
{
    return m->count;
}

/* ---- order ---- */

/* A key on its way into order: most comparisons end at the number. */
struct ranked {
    uint64_t prefix; /* eight bytes behind what all keys have in common */
    struct skiplist_node *node;
};

static int by_key(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->prefix != y->prefix) return x->prefix < y->prefix ? -1 : 1;
    return slice_compare(skiplist_key(x->node), skiplist_key(y->node));
}

/* Sorts by the prefix, byte after byte from its end: that costs no comparisons, whose outcome
 * no processor guesses. Bytes that all keys share are passed. Returns where the keys are:
 * `keys` or `spare`. */
static struct ranked *sort_by_prefix(struct ranked *keys, struct ranked *spare, size_t n)
{
    size_t begins[sizeof(uint64_t)][256] = {{0}};
    for (size_t i = 0; i < n; i++)
        for (unsigned b = 0; b < sizeof(uint64_t); b++)
            begins[b][keys[i].prefix >> 8 * b & 0xff]++;
    for (unsigned b = 0; b < sizeof(uint64_t); b++) {
        size_t *begin = begins[b], sum = 0;
        if (begin[keys[0].prefix >> 8 * b & 0xff] == n) continue;
        for (unsigned digit = 0; digit < 256; digit++) {
            size_t count = begin[digit];
            begin[digit] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++)
            spare[begin[keys[i].prefix >> 8 * b & 0xff]++] = keys[i];
        struct ranked *sorted = spare;
        spare = keys;
        keys = sorted;
    }
    return keys;
}

/* What has the same prefix is compared as a whole. */
static void sort_equals(struct ranked *keys, size_t n)
{
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && keys[end].prefix == keys[i].prefix;)
            end++;
        if (end - i > 1) qsort(keys + i, end - i, sizeof *keys, by_key);
    }
}

static void find_prefixes(struct ranked *keys, size_t n)
{
    slice first = skiplist_key(keys[0].node);
    size_t common = first.size;
    for (size_t i = 1; i < n; i++) {
        if (i + PREFETCH_KEYS < n) __builtin_prefetch(keys[i + PREFETCH_KEYS].node);
        slice key = skiplist_key(keys[i].node);
        if (key.size < common) common = key.size;
        if (common && memcmp(key.data, first.data, common) != 0)
            for (common = 0; key.data[common] == first.data[common];)
                common++;
    }
    for (size_t i = 0; i < n; i++)
        keys[i].prefix = slice_prefix64_behind(skiplist_key(keys[i].node), common);
}

/* ERR_NOMEM leaves them in any order. */
static enum err rank(struct mem *mem, struct ranked *keys, size_t n)
{
    if (n == 0) return ERR_OK;
    find_prefixes(keys, n);
    if (n < RADIX_KEYS_MIN) {
        qsort(keys, n, sizeof *keys, by_key);
        return ERR_OK;
    }
    struct ranked *spare = mem_alloc(mem, n * sizeof *spare);
    if (!spare) return ERR_NOMEM;
    if (sort_by_prefix(keys, spare, n) == spare) memcpy(keys, spare, n * sizeof *keys);
    sort_equals(keys, n);
    mem_free(mem, spare);
    return ERR_OK;
}

/* Brings the list up to date. */
static enum err link_all(struct memtable *m)
{
    if (!m->unlinked) return ERR_OK;
    struct ranked *keys = mem_alloc(m->mem, m->unlinked_count * sizeof *keys);
    if (!keys) return ERR_NOMEM;
    size_t n = 0;
    for (struct skiplist_node *node = m->unlinked; node; node = node->next[0])
        keys[n++].node = node;
    assert(n == m->unlinked_count);
    enum err e = rank(m->mem, keys, n);
    for (size_t i = 0; i < n && !e; i++)
        skiplist_link(&m->list, keys[i].node);
    if (!e) m->unlinked = NULL;
    if (!e) m->unlinked_count = 0;
    mem_free(m->mem, keys);
    return e;
}

/* ---- iterator ---- */

struct memtable_iter {
    struct iter iter;
    struct mem *mem;
    const struct skiplist *list;
    const struct skiplist_node *node;
    const struct version_node *version;
};

/* Shows `version` of `node`, or where that is NULL the first version behind it. */
static void show(struct memtable_iter *it, const struct skiplist_node *node,
                 const struct version_node *version)
{
    while (node && !version) {
        node = node->next[0];
        version = node ? newest_of(node) : NULL;
    }
    it->node = node;
    it->version = version;
    it->iter.valid = node;
    if (!node) return;
    it->iter.key = skiplist_key(node);
    it->iter.tag = version->tag;
    it->iter.value = slice_of(version->value, version->size);
}

static void memtable_iter_first(struct iter *iter)
{
    struct memtable_iter *it = (struct memtable_iter *)iter;
    const struct skiplist_node *node = it->list->head[0];
    show(it, node, node ? newest_of(node) : NULL);
}

static void memtable_iter_seek(struct iter *iter, slice key, uint64_t tag)
{
    struct memtable_iter *it = (struct memtable_iter *)iter;
    const struct skiplist_node *node = skiplist_seek(it->list, key, UINT64_MAX);
    bool same = node && slice_equal(skiplist_key(node), key);
    show(it, node, node ? version_at(node, same ? tag : UINT64_MAX) : NULL);
}

static void memtable_iter_next(struct iter *iter)
{
    struct memtable_iter *it = (struct memtable_iter *)iter;
    assert(iter->valid);
    show(it, it->node, it->version->older);
}

/* The oldest version whose tag is not below `tag`. */
static const struct version_node *version_from(const struct skiplist_node *node,
                                               uint64_t tag)
{
    const struct version_node *found = NULL;
    for (const struct version_node *v = newest_of(node); v && v->tag >= tag; v = v->older)
        found = v;
    return found;
}

/* Shows `version` of `node`, or where that is NULL the last version in front of it; node
 * NULL stands for the end. */
static void show_back(struct memtable_iter *it, const struct skiplist_node *node,
                      const struct version_node *version)
{
    while (!version) {
        node = node ? skiplist_seek_before(it->list, skiplist_key(node), UINT64_MAX)
                    : skiplist_last(it->list);
        if (!node) break;
        version = version_from(node, 0);
    }
    show(it, node, version);
}

static void memtable_iter_last(struct iter *iter)
{
    show_back((struct memtable_iter *)iter, NULL, NULL);
}

static void memtable_iter_seek_back(struct iter *iter, slice key, uint64_t tag)
{
    struct memtable_iter *it = (struct memtable_iter *)iter;
    const struct skiplist_node *node = skiplist_seek(it->list, key, UINT64_MAX);
    bool same = node && slice_equal(skiplist_key(node), key);
    show_back(it, node, same ? version_from(node, tag) : NULL);
}

static void memtable_iter_prev(struct iter *iter)
{
    struct memtable_iter *it = (struct memtable_iter *)iter;
    assert(iter->valid);
    show_back(it, it->node, version_from(it->node, iter->tag + 1));
}

static void memtable_iter_free(struct iter *iter)
{
    struct memtable_iter *it = (struct memtable_iter *)iter;
    mem_free(it->mem, it);
}

struct iter *memtable_iter(struct memtable *m, struct mem *mem)
{
    static const struct iter_ops ops = {memtable_iter_first, memtable_iter_last,
                                        memtable_iter_seek,  memtable_iter_seek_back,
                                        memtable_iter_next,  memtable_iter_prev,
                                        memtable_iter_free};
    if (link_all(m)) return NULL;
    struct memtable_iter *it = mem_alloc(mem, sizeof *it);
    if (!it) return NULL;
    *it = (struct memtable_iter){.iter = {.ops = &ops}, .mem = mem, .list = &m->list};
    return &it->iter;
}

/* ---- the flush's iterator ---- */

struct frozen_iter {
    struct iter iter;
    struct mem *mem;
    size_t at, count;
    const struct version_node *version;
    struct ranked keys[];
};

static void frozen_show(struct frozen_iter *it, const struct version_node *version)
{
    while (!version && ++it->at < it->count)
        version = newest_of(it->keys[it->at].node);
    it->version = version;
    it->iter.valid = version;
    if (!version) return;
    it->iter.key = skiplist_key(it->keys[it->at].node);
    it->iter.tag = version->tag;
    it->iter.value = slice_of(version->value, version->size);
}

static void frozen_first(struct iter *iter)
{
    struct frozen_iter *it = (struct frozen_iter *)iter;
    it->at = 0;
    frozen_show(it, it->count ? newest_of(it->keys[0].node) : NULL);
}

static void frozen_next(struct iter *iter)
{
    struct frozen_iter *it = (struct frozen_iter *)iter;
    assert(iter->valid);
    frozen_show(it, it->version->older);
}

static void frozen_free(struct iter *iter)
{
    struct frozen_iter *it = (struct frozen_iter *)iter;
    mem_free(it->mem, it);
}

struct iter *memtable_frozen_iter(const struct memtable *m, struct mem *mem)
{
    static const struct iter_ops ops = {
        .first = frozen_first, .next = frozen_next, .free = frozen_free};
    struct frozen_iter *it = mem_alloc(mem, sizeof *it + m->keys * sizeof it->keys[0]);
    if (!it) return NULL;
    *it = (struct frozen_iter){.iter = {.ops = &ops}, .mem = mem};
    for (size_t i = 0; i < m->slot_count; i++)
        if (m->slots[i]) it->keys[it->count++].node = m->slots[i];
    assert(it->count == m->keys);
    if (rank(mem, it->keys, it->count)) {
        mem_free(mem, it);
        return NULL;
    }
    return &it->iter;
}
