#include "engine/level_iter.h"

#include <assert.h>

struct level_iter {
    struct iter iter;
    struct mem *mem;
    struct table *const *tables;
    size_t count;
    size_t index;       /* of the table that `inner` stands in; count: in none */
    struct iter *inner; /* goes from table to table */
};

static void show(struct level_iter *it)
{
    const struct iter *inner = it->inner;
    it->iter.valid = inner->valid;
    it->iter.err = inner->err;
    it->iter.key = inner->key;
    it->iter.tag = inner->tag;
    it->iter.value = inner->value;
}

/* Stands in table `index`, at no entry yet; false: there is no such table. */
static bool enter(struct level_iter *it, size_t index)
{
    it->iter.valid = false;
    it->iter.err = ERR_OK;
    if (index >= it->count) return false;
    if (it->index != index) sst_iter_use(it->inner, it->tables[index]->sst);
    it->index = index; /* seeks often stay in a table */
    return true;
}

/* Goes on to the following tables while the current one is at a true end. */
static void settle(struct level_iter *it)
{
    while (!it->inner->valid && it->inner->err == ERR_OK) {
        if (!enter(it, it->index + 1)) return;
        iter_first(it->inner);
    }
    show(it);
}

static void settle_back(struct level_iter *it)
{
    while (!it->inner->valid && it->inner->err == ERR_OK) {
        if (!enter(it, it->index - 1)) return; /* below 0 lies SIZE_MAX */
        iter_last(it->inner);
    }
    show(it);
}

static void level_first(struct iter *iter)
{
    struct level_iter *it = (struct level_iter *)iter;
    if (!enter(it, 0)) return;
    iter_first(it->inner);
    settle(it);
}

static void level_last(struct iter *iter)
{
    struct level_iter *it = (struct level_iter *)iter;
    if (!enter(it, it->count - 1)) return;
    iter_last(it->inner);
    settle_back(it);
}

/* The first table whose largest key is not smaller. */
static size_t find_table(const struct level_iter *it, slice key)
{
    struct level level = {.tables = (struct table **)it->tables, .count = it->count};
    return level_find(&level, key);
}

static void level_seek(struct iter *iter, slice key, uint64_t tag)
{
    struct level_iter *it = (struct level_iter *)iter;
    if (!enter(it, find_table(it, key))) return;
    iter_seek(it->inner, key, tag);
    settle(it);
}

static void level_seek_back(struct iter *iter, slice key, uint64_t tag)
{
    struct level_iter *it = (struct level_iter *)iter;
    size_t index = find_table(it, key);
    if (!enter(it, index < it->count ? index : it->count - 1)) return;
    iter_seek_back(it->inner, key, tag);
    settle_back(it);
}

static void level_next(struct iter *iter)
{
    struct level_iter *it = (struct level_iter *)iter;
    assert(iter->valid);
    iter_next(it->inner);
    settle(it);
}

static void level_prev(struct iter *iter)
{
    struct level_iter *it = (struct level_iter *)iter;
    assert(iter->valid);
    iter_prev(it->inner);
    settle_back(it);
}

static void level_free(struct iter *iter)
{
    struct level_iter *it = (struct level_iter *)iter;
    iter_free(it->inner);
    mem_free(it->mem, it);
}

struct iter *level_iter_new(struct mem *mem, struct table *const *tables, size_t count,
                            bool shared, struct err_detail *why)
{
    static const struct iter_ops ops = {level_first,     level_last, level_seek,
                                        level_seek_back, level_next, level_prev,
                                        level_free};
    struct level_iter *it = mem_alloc(mem, sizeof *it);
    if (!it) return NULL;
    *it = (struct level_iter){.iter = {.ops = &ops},
                              .mem = mem,
                              .tables = tables,
                              .count = count,
                              .index = count,
                              .inner = sst_iter(NULL, mem, shared, why)};
    if (it->inner) return &it->iter;
    mem_free(mem, it);
    return NULL;
}
