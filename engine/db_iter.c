/* The user's view of a merge: the newest visible version of each key. It holds on to the
 * memtables and the version it was made over, so that background work may go on. */
#include <assert.h>

#include "engine/db_state.h"
#include "engine/level_iter.h"
#include "engine/merge.h"

struct db_iter {
    struct db *db;
    struct iter *merged;
    seqno seq; /* newer entries are not seen */
    seqno floors[FLOORS];
    struct version *version;
    struct err_detail why;
    uint8_t *skip; /* the user key whose further versions are passed over */
    size_t skip_size, skip_capacity;
    bool skipping;
    bool valid;
    enum err err;
    size_t memlog_count;
    struct memlog *memlogs[];
};

static enum err collect(struct db_iter *it, struct iter **children, size_t *count)
{
    struct mem *mem = it->db->env.mem;
    size_t n = 0;
    for (size_t i = 0; i < it->memlog_count; i++, n++)
        if (!(children[n] = memtable_iter(it->memlogs[i]->table, mem))) goto fail;
    const struct level *level0 = &it->version->levels[0];
    for (size_t i = 0; i < level0->count; i++, n++)
        if (!(children[n] = sst_iter(level0->tables[i]->sst, mem, true, &it->why)))
            goto fail;
    for (int l = 1; l < LEVELS_MAX; l++) {
        const struct level *level = &it->version->levels[l];
        if (level->count == 0) continue;
        children[n] = level_iter_new(mem, level->tables, level->count, true, &it->why);
        if (!children[n]) goto fail;
        n++;
    }
    *count = n;
    return ERR_OK;
fail:
    while (n > 0)
        iter_free(children[--n]);
    return ERR_NOMEM;
}

static enum err open_merged(struct db_iter *it)
{
    struct mem *mem = it->db->env.mem;
    size_t room = it->memlog_count + it->version->levels[0].count + LEVELS_MAX, n = 0;
    struct iter **children = mem_alloc(mem, room * sizeof(struct iter *));
    if (!children) return ERR_NOMEM;
    enum err e = collect(it, children, &n);
    if (!e && !(it->merged = merge_new(mem, children, n))) {
        while (n > 0)
            iter_free(children[--n]);
        e = ERR_NOMEM;
    }
    mem_free(mem, children);
    return e;
}

enum err db_iter_new(struct db *db, struct db_iter **out)
{
    size_t n = db->immutable_count + 1;
    struct db_iter *it = mem_zalloc(db->env.mem, sizeof *it + n * sizeof it->memlogs[0]);
    if (!it) return ERR_NOMEM;
    it->db = db;
    it->seq = db->last_seq;
    memcpy(it->floors, db->books.floors, sizeof it->floors);
    it->version = db->version;
    version_ref(it->version);
    for (it->memlog_count = 0; it->memlog_count < n; it->memlog_count++) {
        size_t i = it->memlog_count;
        it->memlogs[i] = i == 0 ? db->active : db->immutables[i - 1];
        memlog_ref(it->memlogs[i]);
    }
    enum err e = open_merged(it);
    if (e) {
        db_iter_free(it);
        return e;
    }
    *out = it;
    return ERR_OK;
}

void db_iter_free(struct db_iter *it)
{
    if (!it) return;
    struct mem *mem = it->db->env.mem;
    iter_free(it->merged);
    version_unref(it->version);
    for (size_t i = 0; i < it->memlog_count; i++)
        memlog_unref(it->memlogs[i]);
    mem_free(mem, it->skip);
    mem_free(mem, it);
}

/* ---- moving ---- */

static bool skip_key(struct db_iter *it, slice key)
{
    if (key.size > it->skip_capacity || !it->skip) {
        size_t capacity = key.size < 64 ? 128 : key.size * 2;
        uint8_t *grown = mem_resize(it->db->env.mem, it->skip, capacity);
        if (!grown) {
            it->err = ERR_NOMEM;
            return false;
        }
        it->skip = grown;
        it->skip_capacity = capacity;
    }
    if (key.size) memcpy(it->skip, key.data, key.size);
    it->skip_size = key.size;
    it->skipping = true;
    return true;
}

static bool sunk(const struct db_iter *it, slice key, seqno seq)
{
    return key.size > 0 && seq <= it->floors[key.data[0]];
}

/* Goes forward to the next key that is there, from where the merge stands. */
static void settle(struct db_iter *it)
{
    struct iter *m = it->merged;
    it->valid = false;
    for (; m->valid; iter_next(m)) {
        seqno seq = tag_seq(m->tag);
        if (seq > it->seq) continue;
        if (it->skipping && slice_equal(slice_of(it->skip, it->skip_size), m->key))
            continue;
        if (tag_kind(m->tag) == ENTRY_PUT && !sunk(it, m->key, seq)) {
            it->valid = true;
            return;
        }
        if (!skip_key(it, m->key)) return;
    }
    it->err = m->err;
}

void db_iter_seek(struct db_iter *it, slice key)
{
    it->err = ERR_OK;
    it->skipping = false;
    iter_seek(it->merged, key, tag_seek(SEQNO_MAX));
    settle(it);
}

void db_iter_next(struct db_iter *it)
{
    assert(it->valid);
    it->valid = false;
    if (!skip_key(it, it->merged->key)) return;
    iter_next(it->merged);
    settle(it);
}

bool db_iter_valid(const struct db_iter *it)
{
    return it->valid;
}

slice db_iter_key(const struct db_iter *it)
{
    assert(it->valid);
    return it->merged->key;
}

slice db_iter_value(const struct db_iter *it)
{
    assert(it->valid);
    return it->merged->value;
}

enum err db_iter_error(const struct db_iter *it, struct err_detail *why)
{
    if (it->err && why) {
        *why = it->why;
        if (why->code == ERR_OK) err_set(why, it->err, 0, "iterator");
    }
    return it->err;
}
