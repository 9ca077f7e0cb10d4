#include "engine/version.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

enum err table_new(struct mem *mem, struct sst_meta *meta, struct sst *sst,
                   struct table **out)
{
    struct table *t = mem_alloc(mem, sizeof *t);
    if (!t) return ERR_NOMEM;
    *t = (struct table){.meta = *meta, .sst = sst, .refs = 1};
    *out = t;
    return ERR_OK;
}

enum err table_seal(struct sst_files *files, struct sst_builder *builder,
                    struct table **out, struct err_detail *why)
{
    struct mem *mem = files->mem;
    struct sst_meta meta;
    struct sst *sst;
    enum err e = sst_builder_finish(builder, &meta, why);
    if (e) return e;
    e = sst_open(files, &meta, &sst, why);
    if (!e && (e = table_new(mem, &meta, sst, out))) sst_close(sst);
    if (e) sst_meta_deinit(&meta, mem);
    return e;
}

/* ---- references ---- */

void version_ref(struct version *v)
{
    v->refs++;
}

void table_unref(struct version *v, struct table *t)
{
    assert(t->refs > 0);
    if (--t->refs == 0) v->retire(v->retire_arg, t);
}

void version_unref(struct version *v)
{
    assert(v->refs > 0);
    if (--v->refs > 0) return;
    for (int i = 0; i < LEVELS_MAX; i++)
        for (size_t j = 0; j < v->levels[i].count; j++)
            table_unref(v, v->levels[i].tables[j]);
    mem_free(v->mem, v);
}

/* ---- order ---- */

/* Level 0: newest first. */
static int by_age(const void *a, const void *b)
{
    const struct table *x = *(struct table *const *)a, *y = *(struct table *const *)b;
    return (x->meta.number < y->meta.number) - (x->meta.number > y->meta.number);
}

static int by_key(const void *a, const void *b)
{
    const struct table *x = *(struct table *const *)a, *y = *(struct table *const *)b;
    return slice_compare(x->meta.smallest, y->meta.smallest);
}

size_t level_find(const struct level *level, slice key)
{
    size_t low = 0, high = level->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (slice_compare(level->tables[mid]->meta.largest, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

size_t level_overlap(const struct level *level, slice smallest, slice largest,
                     size_t *first)
{
    size_t begin = level_find(level, smallest), end = begin;
    while (end < level->count &&
           slice_compare(level->tables[end]->meta.smallest, largest) <= 0)
        end++;
    *first = begin;
    return end - begin;
}

/* ---- making ---- */

static bool listed(const struct version_change *changes, size_t count,
                   const struct table *t)
{
    for (size_t i = 0; i < count; i++)
        if (changes[i].table == t) return true;
    return false;
}

static void finish_levels(struct version *v)
{
    for (int i = 0; i < LEVELS_MAX; i++) {
        struct level *level = &v->levels[i];
        if (level->count > 1)
            qsort(level->tables, level->count, sizeof *level->tables,
                  i == 0 ? by_age : by_key);
        for (size_t j = 0; j < level->count; j++) {
            level->tables[j]->refs++;
            level->bytes += level->tables[j]->meta.size;
        }
    }
}

/* A version of the tables of `base` (may be NULL) without `deleted`, and of `added`. */
static struct version *assemble(struct mem *mem, const struct version *base,
                                const struct version_change *added, size_t added_count,
                                const struct version_change *deleted,
                                size_t deleted_count)
{
    size_t total = added_count;
    for (int i = 0; base && i < LEVELS_MAX; i++)
        total += base->levels[i].count;
    struct version *v = mem_alloc(mem, sizeof *v + total * sizeof v->slots[0]);
    if (!v) return NULL;
    *v = (struct version){.mem = mem, .refs = 1};
    struct table **slot = v->slots;
    for (unsigned i = 0; i < LEVELS_MAX; i++) {
        v->levels[i].tables = slot;
        for (size_t j = 0; base && j < base->levels[i].count; j++)
            if (!listed(deleted, deleted_count, base->levels[i].tables[j]))
                *slot++ = base->levels[i].tables[j];
        for (size_t j = 0; j < added_count; j++)
            if (added[j].level == i) *slot++ = added[j].table;
        v->levels[i].count = (size_t)(slot - v->levels[i].tables);
    }
    finish_levels(v);
    return v;
}

enum err version_new(struct mem *mem, const struct version_change *tables, size_t count,
                     table_retire_fn *retire, void *retire_arg, struct version **out)
{
    struct version *v = assemble(mem, NULL, tables, count, NULL, 0);
    if (!v) return ERR_NOMEM;
    v->retire = retire;
    v->retire_arg = retire_arg;
    *out = v;
    return ERR_OK;
}

enum err version_edit(const struct version *base, const struct version_change *added,
                      size_t added_count, const struct version_change *deleted,
                      size_t deleted_count, struct version **out)
{
    struct version *v =
        assemble(base->mem, base, added, added_count, deleted, deleted_count);
    if (!v) return ERR_NOMEM;
    v->retire = base->retire;
    v->retire_arg = base->retire_arg;
    *out = v;
    return ERR_OK;
}

/* ---- check ---- */

enum err version_check(const struct version *v, struct err_detail *why)
{
    for (int i = 0; i < LEVELS_MAX; i++) {
        const struct level *level = &v->levels[i];
        for (size_t j = 0; j < level->count; j++) {
            const struct sst_meta *m = &level->tables[j]->meta;
            if (slice_compare(m->smallest, m->largest) > 0)
                return err_set(why, ERR_CORRUPT, 0,
                               "%06" PRIu64 ".sst: bounds are swapped", m->number);
            if (i == 0 || j == 0) continue;
            const struct sst_meta *before = &level->tables[j - 1]->meta;
            if (slice_compare(before->largest, m->smallest) >= 0)
                return err_set(why, ERR_CORRUPT, 0,
                               "level %d: %06" PRIu64 ".sst and %06" PRIu64
                               ".sst overlap",
                               i, before->number, m->number);
        }
    }
    return ERR_OK;
}
