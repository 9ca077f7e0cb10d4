/* iter.h - one interface over everything that is sorted: memtable, block, table, merge,
 * store.
 *
 * Flow:    db_iter, flush, compact > iter_* > memtable | table | merge
 * Borrows: key and value stay valid until the next call on the same iterator, and no
 *          longer than the object iterated over.
 * Errors:  an error makes the iterator invalid and stays in `err`; an iterator that has
 *          merely come to its end has ERR_OK.
 * Threads: one at a time.
 * Tests:   tests/engine/merge_test.c, and the suites of the implementations
 *
 * The current entry lies in the struct, so that a merge compares without calls. Direction
 * may change at every step. A move that finds nothing leaves the iterator invalid; from
 * there only first, last and the two seeks lead back.
 */
#ifndef ENGINE_ITER_H
#define ENGINE_ITER_H

#include "engine/err.h"
#include "engine/ikey.h"

struct iter;
struct iter_ops {
    void (*first)(struct iter *);
    void (*last)(struct iter *);
    void (*seek)(struct iter *, slice key, uint64_t tag);      /* first >= (key, tag) */
    void (*seek_back)(struct iter *, slice key, uint64_t tag); /* last <= (key, tag) */
    void (*next)(struct iter *);                               /* REQUIRES: valid */
    void (*prev)(struct iter *);                               /* REQUIRES: valid */
    void (*free)(struct iter *);
};
struct iter {
    const struct iter_ops *ops;
    bool valid;
    enum err err;
    slice key; /* user key */
    uint64_t tag;
    slice value; /* empty for a tombstone */
};

static inline void iter_first(struct iter *it)
{
    it->ops->first(it);
}
static inline void iter_last(struct iter *it)
{
    it->ops->last(it);
}
static inline void iter_seek(struct iter *it, slice key, uint64_t tag)
{
    it->ops->seek(it, key, tag);
}
static inline void iter_seek_back(struct iter *it, slice key, uint64_t tag)
{
    it->ops->seek_back(it, key, tag);
}
static inline void iter_next(struct iter *it)
{
    it->ops->next(it);
}
static inline void iter_prev(struct iter *it)
{
    it->ops->prev(it);
}
static inline void iter_free(struct iter *it)
{
    if (it) it->ops->free(it);
}

#endif
