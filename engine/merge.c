/* merge.c - the children that still have entries, kept in the order of their current keys.
 *
 *   order:  [ b:apple ] [ a:cherry ] [ d:fig ]        c is at its end
 *
 * The first is the merge's current entry. After its step it is compared with the second:
 * as long as it stays smaller (long runs from one table, the usual case) that one
 * comparison is all; else it is moved to its place, found by binary search. A heap or a
 * tree of losers saves moves only for hundreds of children; a store merges about a dozen.
 *
 * Going back the order is the other way round: the first slot has the greatest key. While
 * the merge goes forward every child stands at its first entry behind the current one, so
 * to turn round each takes one step back, or goes to its last entry if it has come to its
 * end; and the other way the same. A turn costs no search.
 */
#include "engine/merge.h"

#include <assert.h>

struct slot {
    uint64_t rank; /* slice_prefix64 of the child's key; its complement when going back */
    struct iter *child;
};

struct merge {
    struct iter iter;
    struct mem *mem;
    size_t children;   /* all, in `all` */
    uint64_t flip;     /* all ones when going back, else 0 */
    size_t live;       /* the first `live` slots are valid and sorted */
    struct iter **all; /* behind the slots, in the same allocation */
    struct slot slots[];
};

static inline bool slot_before(const struct merge *m, const struct slot *a,
                               const struct slot *b)
{
    if (a->rank != b->rank) return a->rank < b->rank;
    int c = ikey_compare(a->child->key, a->child->tag, b->child->key, b->child->tag);
    return m->flip ? c > 0 : c < 0;
}

static inline struct slot slot_of(const struct merge *m, struct iter *child)
{
    return (struct slot){slice_prefix64(child->key) ^ m->flip, child};
}

/* The current entry of the merge is that of the first slot. */
static inline void show(struct merge *m)
{
    const struct iter *child = m->slots[0].child;
    m->iter.valid = true;
    m->iter.key = child->key;
    m->iter.tag = child->tag;
    m->iter.value = child->value;
}

static void fail(struct merge *m, enum err e)
{
    m->iter.valid = false;
    m->iter.err = e;
}

/* Puts `slot` among the sorted slots [from, live), whose place from - 1 is free. */
static void place(struct merge *m, struct slot slot, size_t from)
{
    size_t low = from, high = m->live;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (slot_before(m, &m->slots[middle], &slot))
            low = middle + 1;
        else
            high = middle;
    }
    memmove(&m->slots[from - 1], &m->slots[from], (low - from) * sizeof slot);
    m->slots[low - 1] = slot;
}

/* Sorts the children after all of them were moved. */
static void restart(struct merge *m)
{
    m->iter.err = ERR_OK;
    m->iter.valid = false;
    m->live = 0;
    for (size_t i = 0; i < m->children; i++) {
        struct iter *child = m->all[i];
        if (child->err) {
            fail(m, child->err);
            return;
        }
        if (!child->valid) continue;
        /* shift everything up by one, then place the child from the front */
        memmove(&m->slots[1], &m->slots[0], m->live * sizeof m->slots[0]);
        m->live++;
        place(m, slot_of(m, child), 1);
    }
    if (m->live) show(m);
}

static void merge_first(struct iter *iter)
{
    struct merge *m = (struct merge *)iter;
    m->flip = 0;
    for (size_t i = 0; i < m->children; i++)
        iter_first(m->all[i]);
    restart(m);
}

static void merge_last(struct iter *iter)
{
    struct merge *m = (struct merge *)iter;
    m->flip = UINT64_MAX;
    for (size_t i = 0; i < m->children; i++)
        iter_last(m->all[i]);
    restart(m);
}

static void merge_seek(struct iter *iter, slice key, uint64_t tag)
{
    struct merge *m = (struct merge *)iter;
    m->flip = 0;
    for (size_t i = 0; i < m->children; i++)
        iter_seek(m->all[i], key, tag);
    restart(m);
}

static void merge_seek_back(struct iter *iter, slice key, uint64_t tag)
{
    struct merge *m = (struct merge *)iter;
    m->flip = UINT64_MAX;
    for (size_t i = 0; i < m->children; i++)
        iter_seek_back(m->all[i], key, tag);
    restart(m);
}

/* The first child has come to its end. */
static void drop_first(struct merge *m)
{
    m->live--;
    memmove(&m->slots[0], &m->slots[1], m->live * sizeof m->slots[0]);
    m->iter.valid = false;
    if (m->live) show(m);
}

/* The first child has taken a step: it goes to its place. */
static void follow_step(struct merge *m)
{
    struct iter *child = m->slots[0].child;
    if (child->err) {
        fail(m, child->err);
        return;
    }
    if (!child->valid) {
        drop_first(m);
        return;
    }
    struct slot moved = slot_of(m, child);
    if (m->live == 1 || slot_before(m, &moved, &m->slots[1]))
        m->slots[0] = moved;
    else
        place(m, moved, 1);
    show(m);
}

static void merge_next(struct iter *iter)
{
    struct merge *m = (struct merge *)iter;
    assert(iter->valid);
    if (!m->flip) {
        iter_next(m->slots[0].child);
        follow_step(m);
        return;
    }
    m->flip = 0;
    for (size_t i = 0; i < m->children; i++)
        (m->all[i]->valid ? iter_next : iter_first)(m->all[i]);
    restart(m);
}

static void merge_prev(struct iter *iter)
{
    struct merge *m = (struct merge *)iter;
    assert(iter->valid);
    if (m->flip) {
        iter_prev(m->slots[0].child);
        follow_step(m);
        return;
    }
    m->flip = UINT64_MAX;
    for (size_t i = 0; i < m->children; i++)
        (m->all[i]->valid ? iter_prev : iter_last)(m->all[i]);
    restart(m);
}

static void merge_free(struct iter *iter)
{
    struct merge *m = (struct merge *)iter;
    for (size_t i = 0; i < m->children; i++)
        iter_free(m->all[i]);
    mem_free(m->mem, m);
}

struct iter *merge_new(struct mem *mem, struct iter **children, size_t n)
{
    static const struct iter_ops ops = {merge_first,     merge_last, merge_seek,
                                        merge_seek_back, merge_next, merge_prev,
                                        merge_free};
    if (n == 1) return children[0];
    struct merge *m =
        mem_alloc(mem, sizeof *m + n * (sizeof m->slots[0] + sizeof(struct iter *)));
    if (!m) return NULL;
    *m = (struct merge){.iter = {.ops = &ops}, .mem = mem, .children = n};
    m->all = (struct iter **)(void *)&m->slots[n];
    if (n) memcpy(m->all, children, n * sizeof *children);
    return &m->iter;
}
