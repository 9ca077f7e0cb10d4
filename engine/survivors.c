#include "engine/survivors.h"

void survivors_init(struct survivors *s, struct mem *mem, seqno oldest_snapshot,
                    const seqno *floors)
{
    *s = (struct survivors){.oldest_snapshot = oldest_snapshot,
                            .floors = floors,
                            .newer = SEQNO_MAX + 1,
                            .mem = mem};
}

void survivors_deinit(struct survivors *s)
{
    mem_free(s->mem, s->key);
    s->key = NULL;
}

static enum err remember_key(struct survivors *s, slice key)
{
    if (key.size > s->key_capacity || !s->key) {
        size_t capacity = key.size < 32 ? 64 : key.size * 2;
        uint8_t *grown = mem_resize(s->mem, s->key, capacity);
        if (!grown) return ERR_NOMEM;
        s->key = grown;
        s->key_capacity = capacity;
    }
    if (key.size) memcpy(s->key, key.data, key.size);
    s->key_size = key.size;
    s->newer = SEQNO_MAX + 1;
    return ERR_OK;
}

/* True when some level below may hold the key. */
static bool lies_below(const struct survivors *s, slice key)
{
    for (size_t i = 0; i < s->below_count; i++) {
        size_t at = level_find(&s->below[i], key);
        if (at < s->below[i].count &&
            slice_compare(s->below[i].tables[at]->meta.smallest, key) <= 0)
            return true;
    }
    return false;
}

enum err survivors_keep(struct survivors *s, slice key, uint64_t tag, bool *keep)
{
    bool first = !s->key || !slice_equal(slice_of(s->key, s->key_size), key);
    if (first) {
        enum err e = remember_key(s, key);
        if (e) return e;
    }
    seqno seq = tag_seq(tag), newer = s->newer;
    s->newer = seq;
    *keep = true;
    if (newer <= s->oldest_snapshot) *keep = false;
    if (key.size > 0) {
        seqno floor = s->floors[key.data[0]];
        if (seq <= floor && floor <= s->oldest_snapshot) *keep = false;
    }
    if (*keep && tag_kind(tag) == ENTRY_DELETE && seq <= s->oldest_snapshot &&
        s->bottom && !lies_below(s, key))
        *keep = false;
    return ERR_OK;
}
