/* memtable.c - a skiplist and the arena that it lies in, in one allocation. */
#include "engine/memtable.h"

#include <assert.h>

#include "engine/options.h"
#include "engine/skiplist.h"

struct memtable {
    struct mem *mem;
    struct arena arena;
    struct skiplist list;
};

struct memtable *memtable_new(struct mem *mem, size_t arena_block_bytes, uint64_t seed)
{
    struct memtable *m = mem_alloc(mem, sizeof *m);
    if (!m) return NULL;
    m->mem = mem;
    arena_init(&m->arena, mem, arena_block_bytes);
    skiplist_init(&m->list, &m->arena, seed);
    return m;
}

void memtable_free(struct memtable *m)
{
    if (!m) return;
    arena_deinit(&m->arena);
    mem_free(m->mem, m);
}

enum err memtable_put(struct memtable *m, slice key, uint64_t tag, slice value)
{
    assert(key.size <= KEY_BYTES_MAX && value.size <= VALUE_BYTES_MAX);
    return skiplist_insert(&m->list, key, tag, value) ? ERR_OK : ERR_NOMEM;
}

void memtable_remove(struct memtable *m, slice key, uint64_t tag)
{
    bool removed = skiplist_remove(&m->list, key, tag);
    assert(removed);
    (void)removed;
}

bool memtable_get(const struct memtable *m, slice key, seqno seq, uint64_t *tag,
                  slice *value)
{
    const struct skiplist_node *node = skiplist_seek(&m->list, key, tag_seek(seq));
    if (!node || !slice_equal(skiplist_key(node), key)) return false;
    *tag = node->tag;
    *value = skiplist_value(node);
    return true;
}

size_t memtable_bytes(const struct memtable *m)
{
    return sizeof *m + m->arena.bytes;
}

size_t memtable_count(const struct memtable *m)
{
    return m->list.count;
}

/* ---- iterator ---- */

struct memtable_iter {
    struct iter iter;
    struct mem *mem;
    const struct skiplist *list;
    const struct skiplist_node *node;
};

static void show(struct memtable_iter *it, const struct skiplist_node *node)
{
    it->node = node;
    it->iter.valid = node;
    if (!node) return;
    it->iter.key = skiplist_key(node);
    it->iter.tag = node->tag;
    it->iter.value = skiplist_value(node);
}

static void memtable_iter_first(struct iter *iter)
{
    struct memtable_iter *it = (struct memtable_iter *)iter;
    show(it, it->list->head[0]);
}

static void memtable_iter_seek(struct iter *iter, slice key, uint64_t tag)
{
    struct memtable_iter *it = (struct memtable_iter *)iter;
    show(it, skiplist_seek(it->list, key, tag));
}

static void memtable_iter_next(struct iter *iter)
{
    struct memtable_iter *it = (struct memtable_iter *)iter;
    assert(iter->valid);
    show(it, it->node->next[0]);
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
