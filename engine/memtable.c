/* memtable.c - keys in a skiplist, versions in a chain behind each, a hash table beside.
 *
 *   hash slots ----> node "a" --> node "b" --> node "k" -->     (skiplist, by key)
 *                      |            |            |
 *                      v9 (newest)  v4           v8 --> v7 --> v2   (by number)
 *
 * Point reads and overwrites go through the hash table: one cache miss or two, where a
 * search in the list pays one for almost every node that it compares. Only a new key is
 * searched a place for. The list is there for iterators and for the flush. (LevelDB and
 * RocksDB keep every version as a node of the list and search for each.)
 *
 * A chain whose versions were all undone stays, empty, and is passed over. */
#include "engine/memtable.h"

#include <assert.h>

#include "engine/filter.h"
#include "engine/options.h"
#include "engine/skiplist.h"

#define SLOTS_MIN       16
#define BYTES_PER_ENTRY 128 /* guess for the first size of the hash table */

struct version_node {
    struct version_node *older;
    uint64_t tag;
    size_t size;
    uint8_t value[];
};

struct memtable {
    struct mem *mem;
    struct arena arena;
    struct skiplist list; /* its values are pointers to the newest version */
    struct skiplist_node **slots;
    size_t slot_count; /* a power of two; 0 before the first put */
    size_t keys;
    size_t count; /* versions */
};

struct memtable *memtable_new(struct mem *mem, size_t arena_block_bytes, uint64_t seed)
{
    struct memtable *m = mem_alloc(mem, sizeof *m);
    if (!m) return NULL;
    *m = (struct memtable){.mem = mem};
    arena_init(&m->arena, mem, arena_block_bytes);
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

/* The slot of the key, or the empty one where it belongs. REQUIRES: there are slots. */
static size_t slot_of(const struct memtable *m, slice key)
{
    size_t mask = m->slot_count - 1, i = (size_t)filter_hash(key) & mask;
    while (m->slots[i] && !slice_equal(skiplist_key(m->slots[i]), key))
        i = (i + 1) & mask;
    return i;
}

static struct skiplist_node *find(const struct memtable *m, slice key)
{
    return m->slot_count ? m->slots[slot_of(m, key)] : NULL;
}

/* Makes room for one more key: at most half of the slots are taken. */
static enum err reserve_slot(struct memtable *m)
{
    if (m->slot_count > 2 * m->keys) return ERR_OK;
    size_t n = m->slot_count * 2, guess = m->arena.block_bytes * 16 / BYTES_PER_ENTRY;
    if (n == 0)
        for (n = SLOTS_MIN; n < guess;)
            n *= 2;
    struct skiplist_node **old = m->slots,
                         **slots = mem_zalloc(m->mem, n * sizeof *slots);
    if (!slots) return ERR_NOMEM;
    size_t old_count = m->slot_count;
    m->slots = slots;
    m->slot_count = n;
    for (size_t i = 0; i < old_count; i++)
        if (old[i]) slots[slot_of(m, skiplist_key(old[i]))] = old[i];
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
    if (reserve_slot(m)) return NULL;
    struct skiplist_node *node =
        skiplist_insert(&m->list, key, 0, slice_of(&none, sizeof(none)));
    if (!node) return NULL;
    m->slots[slot_of(m, key)] = node;
    m->keys++;
    return node;
}

enum err memtable_put(struct memtable *m, slice key, uint64_t tag, slice value)
{
    assert(key.size <= KEY_BYTES_MAX && value.size <= VALUE_BYTES_MAX);
    struct skiplist_node *node = find(m, key);
    if (!node && !(node = new_key(m, key))) return ERR_NOMEM;
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

static void memtable_iter_free(struct iter *iter)
{
    struct memtable_iter *it = (struct memtable_iter *)iter;
    mem_free(it->mem, it);
}

struct iter *memtable_iter(const struct memtable *m, struct mem *mem)
{
    static const struct iter_ops ops = {memtable_iter_first, memtable_iter_seek,
                                        memtable_iter_next, memtable_iter_free};
    struct memtable_iter *it = mem_alloc(mem, sizeof *it);
    if (!it) return NULL;
    *it = (struct memtable_iter){.iter = {.ops = &ops}, .mem = mem, .list = &m->list};
    return &it->iter;
}
