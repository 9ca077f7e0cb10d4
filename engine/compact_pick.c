/* What to compact next. Level 0 is measured in tables, for every read looks into each of
 * them; the others in bytes against targets that grow by level_ratio. Within a level the
 * picks go round through the key space (LevelDB's scheme, db/version_set.cc), but of the
 * next few tables the one goes that rewrites least of the level below for each of its own
 * bytes (RocksDB looks for that one in the whole level). */
#include "engine/compact.h"

#include <assert.h>

/* Tables that are compared before one is picked. */
#define PICK_WINDOW 8

static double target_bytes(const struct options *o, unsigned level)
{
    double target = (double)o->level1_bytes;
    for (unsigned l = 1; l < level; l++)
        target *= o->level_ratio;
    return target;
}

double compact_score(const struct version *v, const struct options *o, unsigned level)
{
    if (level == 0) return (double)v->levels[0].count / o->level0_tables;
    return (double)v->levels[level].bytes / target_bytes(o, level);
}

/* With `all`: the first level that holds data above another level that does, or a level
 * 0 of several tables. */
static int pick_level(const struct version *v, const struct options *o, bool all)
{
    int best = -1, deepest = -1;
    double best_score = 0;
    for (int l = 0; l < LEVELS_MAX; l++)
        if (v->levels[l].count > 0) deepest = l;
    for (int l = 0; l + 1 < LEVELS_MAX; l++) {
        double score = compact_score(v, o, (unsigned)l);
        if (best < 0 ? score >= 1.0 : score > best_score) {
            best = l;
            best_score = score;
        }
    }
    if (best >= 0 || !all) return best;
    for (int l = 0; l + 1 < LEVELS_MAX; l++)
        if (v->levels[l].count > 0 && (l < deepest || l == 0)) return l;
    return -1;
}

static struct table **copy_tables(struct mem *mem, struct table *const *from, size_t n)
{
    struct table **copy = mem_alloc(mem, (n ? n : 1) * sizeof *copy);
    for (size_t i = 0; copy && i < n; i++)
        copy[i] = from[i];
    return copy;
}

/* A range of user keys. */
struct range {
    slice smallest, largest;
};

static void widen(struct range *r, const struct sst_meta *m)
{
    if (slice_compare(m->smallest, r->smallest) < 0) r->smallest = m->smallest;
    if (slice_compare(m->largest, r->largest) > 0) r->largest = m->largest;
}

static struct range bounds(struct table *const *t, size_t n)
{
    struct range r = {t[0]->meta.smallest, t[0]->meta.largest};
    for (size_t i = 1; i < n; i++)
        widen(&r, &t[i]->meta);
    return r;
}

static bool overlaps(const struct range *r, const struct sst_meta *m)
{
    return slice_compare(m->largest, r->smallest) >= 0 &&
           slice_compare(m->smallest, r->largest) <= 0;
}

/* Level 0: the oldest table and all that overlap it, or one of those: what is left behind
 * is newer than what moves down, wherever they meet. Returns how many. */
static size_t pick_overlapping(const struct level *level0, struct table **out)
{
    const struct table *oldest = level0->tables[level0->count - 1];
    struct range r = {oldest->meta.smallest, oldest->meta.largest};
    size_t n = 0;
    for (size_t before = SIZE_MAX; n != before;) {
        before = n;
        n = 0;
        for (size_t i = 0; i < level0->count; i++) {
            if (!overlaps(&r, &level0->tables[i]->meta)) continue;
            widen(&r, &level0->tables[i]->meta);
            out[n++] = level0->tables[i];
        }
    }
    return n;
}

/* The table whose turn it is: the one behind the largest key that was compacted last. */
static size_t behind_pointer(const struct level *level, slice pointer)
{
    size_t at = pointer.data ? level_find(level, pointer) : 0;
    if (pointer.data && at < level->count &&
        slice_compare(level->tables[at]->meta.largest, pointer) == 0)
        at++;
    return at < level->count ? at : 0;
}

/* Bytes of the level below that must be written again for each byte of the table. */
static double price(const struct version *v, unsigned l, const struct table *t)
{
    const struct level *below = &v->levels[l + 1];
    size_t first, count = level_overlap(below, t->meta.smallest, t->meta.largest, &first);
    double bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += (double)below->tables[first + i]->meta.size;
    return bytes / (double)t->meta.size;
}

/* Of the table whose turn it is and the next ones the one with the lowest price; the first
 * of equals. The pointer goes on behind it: who was passed over waits for another round. */
static size_t cheapest(const struct version *v, unsigned l, size_t from)
{
    const struct level *level = &v->levels[l];
    size_t best = from, n = level->count < PICK_WINDOW ? level->count : PICK_WINDOW;
    double best_price = price(v, l, level->tables[from]);
    for (size_t i = 1; i < n && best_price > 0; i++) {
        size_t at = (from + i) % level->count;
        double p = price(v, l, level->tables[at]);
        if (p >= best_price) continue;
        best = at;
        best_price = p;
    }
    return best;
}

/* The tables of the level below that the first inputs overlap. False: no memory, and
 * nothing is left of the compaction. */
static bool take_below(struct compaction *c)
{
    const struct level *below = &c->version->levels[c->level + 1];
    struct range r = bounds(c->inputs[0], c->input_count[0]);
    size_t first;
    c->input_count[1] = level_overlap(below, r.smallest, r.largest, &first);
    c->inputs[1] = copy_tables(c->mem, below->tables + first, c->input_count[1]);
    if (!c->inputs[1]) {
        compact_deinit(c);
        return false;
    }
    c->trivial = c->input_count[0] == 1 && c->input_count[1] == 0;
    return true;
}

bool compact_pick(struct version *v, const struct options *o, const slice *pointer_keys,
                  bool all, struct mem *mem, struct compaction *out)
{
    int picked = pick_level(v, o, all);
    if (picked < 0) return false;
    unsigned l = (unsigned)picked;
    const struct level *level = &v->levels[l];
    struct compaction c = {.version = v, .level = l, .mem = mem};
    if (l == 0) {
        c.inputs[0] = copy_tables(mem, level->tables, level->count);
        if (c.inputs[0]) c.input_count[0] = pick_overlapping(level, c.inputs[0]);
    } else {
        size_t at = cheapest(v, l, behind_pointer(level, pointer_keys[l]));
        c.input_count[0] = 1;
        c.inputs[0] = copy_tables(mem, &level->tables[at], 1);
    }
    if (!c.inputs[0] || !take_below(&c)) return false;
    *out = c;
    return true;
}

/* ---- on a full disk ---- */

static bool is_sunk(const struct sst_meta *m, const seqno *floors, seqno oldest_snapshot)
{
    if (m->smallest.size == 0) return false;
    for (unsigned p = m->smallest.data[0]; p <= m->largest.data[0]; p++)
        if (floors[p] < m->max_seq || floors[p] > oldest_snapshot) return false;
    return true;
}

/* The inputs of one side. False: no memory. */
static bool take_sunk(struct compaction *c, unsigned side, const seqno *floors,
                      seqno oldest_snapshot)
{
    const struct level *level = &c->version->levels[c->level + side];
    c->inputs[side] = copy_tables(c->mem, level->tables, level->count);
    if (!c->inputs[side]) return false;
    for (size_t i = 0; i < level->count; i++)
        if (is_sunk(&level->tables[i]->meta, floors, oldest_snapshot))
            c->inputs[side][c->input_count[side]++] = level->tables[i];
    return true;
}

bool compact_pick_sunk(struct version *v, const seqno *floors, seqno oldest_snapshot,
                       struct mem *mem, struct compaction *out)
{
    for (unsigned l = 0; l + 1 < LEVELS_MAX; l++) {
        struct compaction c = {.version = v, .level = l, .mem = mem, .drops = true};
        bool ok = take_sunk(&c, 0, floors, oldest_snapshot) &&
                  take_sunk(&c, 1, floors, oldest_snapshot);
        if (ok && c.input_count[0] + c.input_count[1] > 0) {
            *out = c;
            return true;
        }
        compact_deinit(&c);
    }
    return false;
}

size_t compact_newest_count(const struct version *v)
{
    const struct level *level = &v->levels[0];
    for (size_t i = 0; i + 1 < level->count; i++)
        if (level->tables[i]->meta.tombstones > 0) return i + 2;
    return 0;
}

bool compact_pick_newest(struct version *v, struct mem *mem, struct compaction *out)
{
    size_t count = compact_newest_count(v);
    if (count == 0) return false;
    struct compaction c = {.version = v, .mem = mem, .within = true};
    c.inputs[0] = copy_tables(mem, v->levels[0].tables, count);
    c.inputs[1] = copy_tables(mem, NULL, 0);
    if (!c.inputs[0] || !c.inputs[1]) {
        compact_deinit(&c);
        return false;
    }
    c.input_count[0] = count;
    *out = c;
    return true;
}

bool compact_pick_smallest(struct version *v, const struct options *o,
                           const slice *pointer_keys, struct mem *mem,
                           struct compaction *out)
{
    struct table *best = NULL;
    double least = 0;
    unsigned best_level = 0;
    for (unsigned l = 0; l + 1 < LEVELS_MAX; l++) {
        const struct level *level = &v->levels[l];
        if (compact_score(v, o, l) < 1.0) continue;
        size_t at = l == 0 ? level->count - 1
                           : cheapest(v, l, behind_pointer(level, pointer_keys[l]));
        struct table *t = level->tables[at];
        double bytes = price(v, l, t) * (double)t->meta.size;
        if (best && bytes >= least) continue;
        best = t;
        best_level = l;
        least = bytes;
    }
    if (!best) return false;
    struct compaction c = {.version = v, .level = best_level, .mem = mem};
    c.inputs[0] = copy_tables(mem, &best, 1);
    c.input_count[0] = 1;
    if (!c.inputs[0] || !take_below(&c)) return false;
    *out = c;
    return true;
}

bool compact_gives_room(const struct version *v, const seqno *floors)
{
    bool below = false; /* something lies deeper */
    for (unsigned l = LEVELS_MAX; l-- > 0;) {
        const struct level *level = &v->levels[l];
        for (size_t i = 0; i < level->count && (below || l == 0); i++) {
            const struct sst_meta *m = &level->tables[i]->meta;
            if (m->tombstones > 0) return true;
            if (m->smallest.size > 0 && (floors[m->smallest.data[0]] >= m->min_seq ||
                                         floors[m->largest.data[0]] >= m->min_seq))
                return true;
        }
        below = below || level->count > 0;
    }
    return false;
}

void compact_deinit(struct compaction *c)
{
    mem_free(c->mem, c->inputs[0]);
    mem_free(c->mem, c->inputs[1]);
    mem_free(c->mem, c->outputs);
    c->inputs[0] = c->inputs[1] = c->outputs = NULL;
}

size_t compact_output_max(const struct compaction *c, const struct options *o)
{
    uint64_t bytes = 0;
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < c->input_count[side]; i++)
            bytes += c->inputs[side][i]->meta.size + sst_saved(c->inputs[side][i]->sst);
    uint64_t below =
        c->level + 2 < LEVELS_MAX ? c->version->levels[c->level + 2].bytes : 0;
    /* What was compressed may be written plain. Outputs reach half of table_bytes before
     * they are cut, and merging adds little; or they overlap as much as they may. */
    return (size_t)(bytes / (o->table_bytes / 2)) * 2 + 2 +
           (size_t)(below / compact_overlap_max(o));
}
