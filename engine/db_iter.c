/* The user's view of a merge: the newest visible version of each key. It holds on to the
 * memtables and the version it was made over, so that background work may go on.
 *
 * Going forward, the newest version of a key comes first, so the iterator stands where the
 * merge stands. Going back, it comes last, and one step too late one sees that it was:
 *
 *     merge:     a@7   b@9   b@4   b@2   c@3        the view as of 5: a@7 is too new,
 *     forward:               ^ b                    b is b@4
 *     backward:  ^     <-----------b                b@4 was copied on the way
 *
 * So on the way back key and value are copies, and the merge stands in front of all
 * versions of the key. Where copying would cost too much (a large value, a key with many
 * versions) the iterator seeks the key from the front instead and stands on it as if it
 * had come that way.
 */
#include <assert.h>

#include "engine/db_state.h"
#include "engine/level_iter.h"
#include "engine/merge.h"

/* Entries that are passed over one by one before the rest of them is sought past. */
#define VERSIONS_WALKED 16

/* Bytes that grow and are kept. */
struct held {
    uint8_t *bytes; /* NULL: never filled */
    size_t size, capacity;
};

struct db_iter {
    struct db *db;
    struct iter *merged;
    seqno seq; /* newer entries are not seen */
    struct version *version;
    struct err_detail why;
    bool valid;
    bool backward;   /* the current entry is `key` and `value`, not the merge's */
    bool skipping;   /* forward: versions of `key` are passed over */
    bool bounded[2]; /* is there a lower, an upper bound? */
    enum err err;
    struct held key, value;
    struct held bounds[2]; /* lower: the first key seen; upper: the first one not seen */
    size_t memlog_count;
    seqno floors[FLOORS]; /* not cleared before they are filled, nor is what follows */
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

enum err db_iter_new_at(struct db *db, const struct db_snapshot *at, struct db_iter **out)
{
    size_t n = db->immutable_count + 1;
    struct db_iter *it = mem_alloc(db->env.mem, sizeof *it + n * sizeof it->memlogs[0]);
    if (!it) return ERR_NOMEM;
    memset(it, 0, offsetof(struct db_iter, floors));
    it->db = db;
    it->seq = at ? at->seq : db->last_seq;
    memcpy(it->floors, at ? at->floors : db->books.floors, sizeof it->floors);
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

enum err db_iter_new(struct db *db, struct db_iter **out)
{
    return db_iter_new_at(db, NULL, out);
}

void db_iter_free(struct db_iter *it)
{
    if (!it) return;
    struct mem *mem = it->db->env.mem;
    iter_free(it->merged);
    version_unref(it->version);
    for (size_t i = 0; i < it->memlog_count; i++)
        memlog_unref(it->memlogs[i]);
    mem_free(mem, it->key.bytes);
    mem_free(mem, it->value.bytes);
    mem_free(mem, it->bounds[0].bytes);
    mem_free(mem, it->bounds[1].bytes);
    mem_free(mem, it);
}

/* ---- copies ---- */

static bool hold(struct db_iter *it, struct held *to, slice bytes)
{
    if (bytes.size > to->capacity || !to->bytes) {
        size_t capacity = bytes.size < 64 ? 128 : bytes.size * 2;
        uint8_t *grown = mem_resize(it->db->env.mem, to->bytes, capacity);
        if (!grown) {
            it->err = ERR_NOMEM;
            return false;
        }
        to->bytes = grown;
        to->capacity = capacity;
    }
    if (bytes.size) memmove(to->bytes, bytes.data, bytes.size); /* it may be its own */
    to->size = bytes.size;
    return true;
}

static inline slice held(const struct held *h)
{
    return slice_of(h->bytes, h->size);
}

/* ---- what is seen ---- */

static inline bool sunk(const struct db_iter *it, slice key, seqno seq)
{
    return key.size > 0 && seq <= it->floors[key.data[0]];
}

/* Does the merge stand on a version that is there, given that it is the newest visible? */
static inline bool is_live(const struct db_iter *it)
{
    const struct iter *m = it->merged;
    return tag_kind(m->tag) == ENTRY_PUT && !sunk(it, m->key, tag_seq(m->tag));
}

enum bound { LOWER, UPPER };

static inline bool below_lower(const struct db_iter *it, slice key)
{
    return it->bounded[LOWER] && slice_compare(key, held(&it->bounds[LOWER])) < 0;
}

static inline bool beyond_upper(const struct db_iter *it, slice key)
{
    return it->bounded[UPPER] && slice_compare(key, held(&it->bounds[UPPER])) >= 0;
}

enum err db_iter_set_bounds(struct db_iter *it, const slice *lower, const slice *upper)
{
    const slice *bounds[] = {lower, upper};
    it->valid = false;
    it->err = ERR_OK;
    for (int i = 0; i < 2; i++) {
        if (bounds[i] && !hold(it, &it->bounds[i], *bounds[i])) return ERR_NOMEM;
        it->bounded[i] = bounds[i];
    }
    return ERR_OK;
}

/* ---- forward ---- */

/* From here on the versions of `key` are passed over. */
static bool skip_key(struct db_iter *it, slice key)
{
    it->skipping = hold(it, &it->key, key);
    return it->skipping;
}

/* Leaves an entry behind that is too new to be seen. */
static bool pass_newer(struct db_iter *it, unsigned *passed)
{
    struct iter *m = it->merged;
    if (++*passed <= VERSIONS_WALKED) {
        iter_next(m);
        return true;
    }
    *passed = 0;
    it->skipping = false; /* keys ascend: the one that was skipped will not come again */
    if (!hold(it, &it->key, m->key)) return false;
    iter_seek(m, held(&it->key), tag_seek(it->seq));
    return true;
}

/* Leaves an older version of the current key behind. */
static void pass_older(struct db_iter *it, unsigned *passed)
{
    if (++*passed <= VERSIONS_WALKED)
        iter_next(it->merged);
    else
        iter_seek(it->merged, held(&it->key), 0); /* no entry has a tag of 0 */
}

/* Goes forward to the next key that is there, from where the merge stands. */
static void settle(struct db_iter *it)
{
    struct iter *m = it->merged;
    unsigned passed = 0;
    it->valid = it->backward = false;
    while (m->valid) {
        if (tag_seq(m->tag) > it->seq) {
            if (!pass_newer(it, &passed)) return;
        } else if (it->skipping && slice_equal(held(&it->key), m->key)) {
            pass_older(it, &passed);
        } else {
            if (beyond_upper(it, m->key)) return;
            it->valid = is_live(it);
            if (it->valid || !skip_key(it, m->key)) return;
            passed = 0;
            iter_next(m);
        }
    }
    it->err = m->err;
}

/* The key is copied, as it may be the current one. */
static bool begin(struct db_iter *it, slice key)
{
    it->err = ERR_OK;
    it->valid = it->skipping = false;
    return hold(it, &it->key, key);
}

void db_iter_first(struct db_iter *it)
{
    db_iter_seek(it, slice_of(NULL, 0));
}

void db_iter_seek(struct db_iter *it, slice key)
{
    if (below_lower(it, key)) key = held(&it->bounds[LOWER]);
    if (!begin(it, key)) return;
    iter_seek(it->merged, held(&it->key), tag_seek(SEQNO_MAX));
    settle(it);
}

void db_iter_next(struct db_iter *it)
{
    struct iter *m = it->merged;
    assert(it->valid);
    it->valid = false;
    if (it->backward) {
        it->skipping = true; /* the merge stands in front of the versions of `key` */
        if (m->valid)
            iter_next(m);
        else
            iter_first(m);
    } else {
        if (!skip_key(it, m->key)) return;
        iter_next(m);
    }
    settle(it);
}

/* ---- backward ---- */

enum found { HIDDEN, LIVE, FAILED };

/* Seeks the newest visible version of `key`. LIVE: the merge stands on it. HIDDEN: it
 * stands in front of all of them. */
static enum found seek_version(struct db_iter *it)
{
    struct iter *m = it->merged;
    iter_seek(m, held(&it->key), tag_seek(it->seq));
    if (m->valid && slice_equal(m->key, held(&it->key)) && is_live(it)) {
        it->backward = false;
        return LIVE;
    }
    if (!m->err) iter_seek_back(m, held(&it->key), UINT64_MAX);
    return m->err ? FAILED : HIDDEN;
}

/* Takes the newest visible version of the key on whose oldest one the merge stands, and
 * leaves all of them behind. */
static enum found take_version(struct db_iter *it)
{
    struct iter *m = it->merged;
    enum found found = HIDDEN;
    if (!hold(it, &it->key, m->key)) return FAILED;
    for (unsigned passed = 0; m->valid && slice_equal(m->key, held(&it->key)); passed++) {
        bool visible = tag_seq(m->tag) <= it->seq;
        if (visible) found = is_live(it) ? LIVE : HIDDEN;
        if (passed >= VERSIONS_WALKED || (visible && m->value.size > LARGE_VALUE_BYTES))
            return seek_version(it);
        if (visible && found == LIVE && !hold(it, &it->value, m->value)) return FAILED;
        iter_prev(m);
    }
    it->backward = true;
    return m->err ? FAILED : found;
}

/* Goes back to the next key that is there, from where the merge stands. */
static void settle_back(struct db_iter *it)
{
    struct iter *m = it->merged;
    it->valid = false;
    while (m->valid && !below_lower(it, m->key)) {
        enum found found = take_version(it);
        it->valid = found == LIVE;
        if (found != HIDDEN) break;
    }
    if (m->err) it->err = m->err;
}

void db_iter_last(struct db_iter *it)
{
    if (!begin(it, slice_of(NULL, 0))) return;
    if (it->bounded[UPPER]) /* no entry has this tag: it sorts before all of the key's */
        iter_seek_back(it->merged, held(&it->bounds[UPPER]), UINT64_MAX);
    else
        iter_last(it->merged);
    settle_back(it);
}

void db_iter_seek_for_prev(struct db_iter *it, slice key)
{
    if (beyond_upper(it, key)) {
        db_iter_last(it);
        return;
    }
    if (!begin(it, key)) return;
    iter_seek_back(it->merged, held(&it->key), 0);
    settle_back(it);
}

void db_iter_prev(struct db_iter *it)
{
    struct iter *m = it->merged;
    assert(it->valid);
    it->valid = false;
    if (!it->backward) { /* leave the versions of the current key behind */
        unsigned passed = 0;
        if (!hold(it, &it->key, m->key)) return;
        do {
            if (++passed > VERSIONS_WALKED)
                iter_seek_back(m, held(&it->key), UINT64_MAX);
            else
                iter_prev(m);
        } while (m->valid && slice_equal(m->key, held(&it->key)));
    }
    settle_back(it);
}

/* ---- the current entry ---- */

bool db_iter_valid(const struct db_iter *it)
{
    return it->valid;
}

slice db_iter_key(const struct db_iter *it)
{
    assert(it->valid);
    return it->backward ? held(&it->key) : it->merged->key;
}

slice db_iter_value(const struct db_iter *it)
{
    assert(it->valid);
    return it->backward ? held(&it->value) : it->merged->value;
}

enum err db_iter_error(const struct db_iter *it, struct err_detail *why)
{
    if (it->err && why) {
        *why = it->why;
        if (why->code == ERR_OK) err_set(why, it->err, 0, "iterator");
    }
    return it->err;
}
