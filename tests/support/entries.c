#include "tests/support/entries.h"

#include <stdio.h>
#include <stdlib.h>

static slice copy_of(slice s)
{
    uint8_t *bytes = malloc(s.size + 1);
    if (s.size) memcpy(bytes, s.data, s.size);
    return slice_of(bytes, s.size);
}

void entries_add(struct entries *e, slice key, uint64_t tag, slice value)
{
    if (e->count == e->capacity) {
        e->capacity = e->capacity ? 2 * e->capacity : 64;
        e->at = realloc(e->at, e->capacity * sizeof *e->at);
    }
    e->at[e->count++] = (struct entry){copy_of(key), tag, copy_of(value)};
}

static void free_entry(struct entry *entry)
{
    free((void *)(uintptr_t)entry->key.data);
    free((void *)(uintptr_t)entry->value.data);
}

static int by_ikey(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return ikey_compare(x->key, x->tag, y->key, y->tag);
}

void entries_sort(struct entries *e)
{
    if (e->count) qsort(e->at, e->count, sizeof *e->at, by_ikey);
    size_t kept = 0;
    for (size_t i = 0; i < e->count; i++) {
        if (kept && by_ikey(&e->at[kept - 1], &e->at[i]) == 0)
            free_entry(&e->at[i]);
        else
            e->at[kept++] = e->at[i];
    }
    e->count = kept;
}

size_t entries_seek(const struct entries *e, slice key, uint64_t tag)
{
    size_t i = 0;
    while (i < e->count && ikey_compare(e->at[i].key, e->at[i].tag, key, tag) < 0)
        i++;
    return i;
}

void entries_remove(struct entries *e, size_t index)
{
    free_entry(&e->at[index]);
    e->count--;
    memmove(&e->at[index], &e->at[index + 1], (e->count - index) * sizeof *e->at);
}

void entries_deinit(struct entries *e)
{
    for (size_t i = 0; i < e->count; i++)
        free_entry(&e->at[i]);
    free(e->at);
    *e = (struct entries){0};
}

void entries_random(struct entries *e, struct rng *r, size_t count, unsigned alphabet,
                    size_t key_max, size_t value_max)
{
    uint8_t *bytes = malloc(key_max + value_max + 1);
    for (size_t i = 0; i < count; i++) {
        size_t key_size = (size_t)rng_below(r, key_max + 1);
        size_t value_size = (size_t)rng_below(r, value_max + 1);
        for (size_t j = 0; j < key_size; j++)
            bytes[j] = (uint8_t)(rng_below(r, alphabet) * 255 / alphabet);
        for (size_t j = 0; j < value_size; j++)
            bytes[key_size + j] = (uint8_t)rng_next(r);
        seqno seq = 1 + rng_below(r, 4 * count);
        enum entry_kind kind = rng_below(r, 5) ? ENTRY_PUT : ENTRY_DELETE;
        if (kind == ENTRY_DELETE) value_size = 0;
        entries_add(e, slice_of(bytes, key_size), tag_of(seq, kind),
                    slice_of(bytes + key_size, value_size));
    }
    free(bytes);
    entries_sort(e);
}

/* ---- iterator ---- */

struct entries_iter {
    struct iter iter;
    const struct entries *entries;
    size_t at, moves, fail_at;
};

static void show(struct iter *iter, size_t at)
{
    struct entries_iter *it = (struct entries_iter *)iter;
    it->at = at;
    bool fails = ++it->moves == it->fail_at;
    iter->err = fails ? ERR_IO : ERR_OK;
    iter->valid = !fails && at < it->entries->count;
    if (!iter->valid) return;
    iter->key = it->entries->at[at].key;
    iter->tag = it->entries->at[at].tag;
    iter->value = it->entries->at[at].value;
}

static void on_first(struct iter *iter)
{
    show(iter, 0);
}

static void on_seek(struct iter *iter, slice key, uint64_t tag)
{
    show(iter, entries_seek(((struct entries_iter *)iter)->entries, key, tag));
}

static void on_next(struct iter *iter)
{
    show(iter, ((struct entries_iter *)iter)->at + 1);
}

static void on_last(struct iter *iter)
{
    show(iter, ((struct entries_iter *)iter)->entries->count - 1);
}

static void on_seek_back(struct iter *iter, slice key, uint64_t tag)
{
    const struct entries *e = ((struct entries_iter *)iter)->entries;
    size_t at = entries_seek(e, key, tag);
    bool same =
        at < e->count && ikey_compare(e->at[at].key, e->at[at].tag, key, tag) == 0;
    show(iter, same ? at : at - 1); /* in front of the first: SIZE_MAX, nowhere */
}

static void on_prev(struct iter *iter)
{
    show(iter, ((struct entries_iter *)iter)->at - 1);
}

static void on_free(struct iter *iter)
{
    free(iter);
}

struct iter *entries_iter(const struct entries *e, size_t fail_at)
{
    static const struct iter_ops ops = {on_first, on_last, on_seek, on_seek_back,
                                        on_next,  on_prev, on_free};
    struct entries_iter *it = malloc(sizeof *it);
    *it = (struct entries_iter){.iter = {.ops = &ops}, .entries = e, .fail_at = fail_at};
    return &it->iter;
}

bool entries_match(const struct entries *e, size_t i, struct iter *it)
{
    for (; i < e->count; i++) {
        const struct entry *want = &e->at[i];
        if (!it->valid || !slice_equal(it->key, want->key) || it->tag != want->tag ||
            !slice_equal(it->value, want->value)) {
            printf("  entry %zu of %zu differs (%s, error %d)\n", i, e->count,
                   it->valid ? "valid" : "at its end", it->err);
            return false;
        }
        iter_next(it);
    }
    if (it->valid) printf("  an entry follows the last one\n");
    return !it->valid && it->err == ERR_OK;
}

static bool stands_on(const struct entries *e, size_t i, const struct iter *it)
{
    if (it->err != ERR_OK) return false;
    if (i >= e->count) return !it->valid;
    return it->valid && slice_equal(it->key, e->at[i].key) && it->tag == e->at[i].tag &&
           slice_equal(it->value, e->at[i].value);
}

bool entries_wander(const struct entries *e, struct iter *it, struct rng *r, int moves)
{
    size_t i = e->count; /* nowhere */
    for (int n = 0; n < moves; n++) {
        size_t to = (size_t)rng_below(r, e->count);
        const struct entry *target = &e->at[to];
        unsigned move = (unsigned)rng_below(r, 24);
        if (i >= e->count && move >= 6) move %= 6;
        switch (move) {
        case 0: iter_first(it), i = 0; break;
        case 1: iter_last(it), i = e->count - 1; break;
        case 2: iter_seek(it, target->key, target->tag), i = to; break;
        case 3: iter_seek_back(it, target->key, target->tag), i = to; break;
        case 4: /* the first version of the key */
            iter_seek(it, target->key, UINT64_MAX);
            i = entries_seek(e, target->key, UINT64_MAX);
            break;
        case 5: /* between two entries: the one in front, which may be none */
            iter_seek_back(it, target->key, target->tag + 1);
            i = to - 1;
            break;
        default: /* runs one way are longer than one step */
            for (uint64_t k = rng_below(r, 9); it->valid && k > 0; k--) {
                move % 2 ? iter_next(it) : iter_prev(it);
                move % 2 ? i++ : i--;
            }
        }
        if (stands_on(e, i, it)) continue;
        printf("  move %d (%u) of a walk: not at entry %zd of %zu (%s, error %d)\n", n,
               move, (ssize_t)i, e->count, it->valid ? "valid" : "not valid", it->err);
        return false;
    }
    return true;
}
