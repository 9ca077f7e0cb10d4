#include "engine/level_iter.h"

struct level_iter {
    struct iter iter;
    struct mem *mem;
    struct table *const *tables;
    size_t count;
    size_t index; /* of the table that `inner` iterates over */
    struct iter *inner;
    bool use_cache;
    struct err_detail *why;
};

static void copy_entry(struct level_iter *it)
{
    it->iter.valid = it->inner->valid;
    it->iter.err = it->inner->err;
    it->iter.key = it->inner->key;
    it->iter.tag = it->inner->tag;
    it->iter.value = it->inner->value;
}

/* Opens the iterator of table `index`; false at the end and on an error. */
static bool open_table(struct level_iter *it, size_t index)
{
    it->iter.valid = false;
    if (it->inner && it->index == index) return true; /* seeks often stay in a table */
    iter_free(it->inner);
    it->inner = NULL;
    it->index = index;
    if (index >= it->count) return false;
    it->inner = sst_iter(it->tables[index]->sst, it->mem, it->use_cache, it->why);
    if (!it->inner) it->iter.err = err_set(it->why, ERR_NOMEM, 0, "table iterator");
    return it->inner != NULL;
}

/* Goes on to the following tables while the current one is at a true end. */
static void settle(struct level_iter *it)
{
    while (!it->inner->valid && it->inner->err == ERR_OK) {
        if (!open_table(it, it->index + 1)) return;
        iter_first(it->inner);
    }
    copy_entry(it);
}

static void level_first(struct iter *iter)
{
    struct level_iter *it = (struct level_iter *)iter;
    it->iter.err = ERR_OK;
    if (!open_table(it, 0)) return;
    iter_first(it->inner);
    settle(it);
}

static void level_seek(struct iter *iter, slice key, uint64_t tag)
{
    struct level_iter *it = (struct level_iter *)iter;
    struct level level = {.tables = (struct table **)it->tables, .count = it->count};
    it->iter.err = ERR_OK;
    if (!open_table(it, level_find(&level, key))) return;
    iter_seek(it->inner, key, tag);
    settle(it);
}

static void level_next(struct iter *iter)
{
    struct level_iter *it = (struct level_iter *)iter;
    iter_next(it->inner);
    settle(it);
}

static void level_free(struct iter *iter)
{
    struct level_iter *it = (struct level_iter *)iter;
    iter_free(it->inner);
    mem_free(it->mem, it);
}

struct iter *level_iter_new(struct mem *mem, struct table *const *tables, size_t count,
                            bool use_cache, struct err_detail *why)
{
    static const struct iter_ops ops = {level_first, level_seek, level_next, level_free};
    struct level_iter *it = mem_alloc(mem, sizeof *it);
    if (!it) return NULL;
    *it = (struct level_iter){.iter = {.ops = &ops},
                              .mem = mem,
                              .tables = tables,
                              .count = count,
                              .use_cache = use_cache,
                              .why = why};
    return &it->iter;
}
