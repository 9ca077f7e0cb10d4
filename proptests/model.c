/* model.c - see model.h.
 *
 * The state is a sorted array; a change costs a move of its tail, which is nothing for
 * the few hundred keys of a test. Each group remembers the digest of the state after it,
 * so that judging an image is a comparison of numbers. Only where groups failed and are
 * not yet settled is the history played again, once per combination.
 */
#include "proptests/model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- digests ---- */

static uint64_t mix(uint64_t h)
{
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
    return h ^ (h >> 31);
}

static uint64_t bytes_hash(uint64_t h, slice s)
{
    const uint8_t *p = s.data;
    size_t n = s.size;
    h = mix(h ^ n);
    uint64_t word;
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&word, p, 8);
        h = (h ^ word) * 0x9FB21C651E98DF25u;
        h ^= h >> 28;
    }
    for (word = 0; n; n--, p++)
        word = word << 8 | *p;
    return mix((h ^ word) * 0x9FB21C651E98DF25u);
}

static uint64_t pair_hash(slice key, slice value)
{
    return bytes_hash(bytes_hash(1, key), value);
}

static uint64_t register_hash(unsigned reg, uint64_t value)
{
    return value ? mix(mix(value) + reg + 0x51ED270B) : 0;
}

void model_digest_init(struct model_digest *d)
{
    *d = (struct model_digest){0, 0};
}

void model_digest_key(struct model_digest *d, slice key, slice value)
{
    d->sum += pair_hash(key, value);
    d->keys++;
}

void model_digest_register(struct model_digest *d, unsigned reg, uint64_t value)
{
    d->sum += register_hash(reg, value);
}

bool model_digest_equal(const struct model_digest *a, const struct model_digest *b)
{
    return a->sum == b->sum && a->keys == b->keys;
}

/* ---- a state: sorted map, registers, digest ---- */

struct pair {
    slice key, value; /* borrowed from the changes */
    uint64_t hash;
};

struct state {
    struct pair *pairs; /* sorted by key */
    size_t count, size;
    uint64_t registers[MODEL_REGISTERS];
    struct model_digest digest;
};

enum change_kind { CHANGE_PUT, CHANGE_DELETE, CHANGE_ADD, CHANGE_SET, CHANGE_FLOOR };

struct change {
    enum change_kind kind;
    slice key, value; /* owned: one block that begins with the key */
    uint64_t hash;    /* PUT: of the pair */
    unsigned index;   /* register or prefix */
    uint64_t number;
};

/* Room for one more element; returns the array. */
static void *grow(struct mem *mem, void *array, size_t used, size_t *size, size_t bytes)
{
    if (used < *size) return array;
    *size = *size ? *size * 2 : 32;
    array = mem_resize(mem, array, *size * bytes);
    if (!array) abort();
    return array;
}

/* Where the key is, or would be. */
static size_t state_find(const struct state *s, slice key, bool *found)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (slice_compare(s->pairs[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *found = low < s->count && slice_equal(s->pairs[low].key, key);
    return low;
}

static void state_remove(struct state *s, size_t i)
{
    s->digest.sum -= s->pairs[i].hash;
    s->digest.keys--;
    s->count--;
    memmove(s->pairs + i, s->pairs + i + 1, (s->count - i) * sizeof *s->pairs);
}

static void state_put(struct state *s, struct mem *mem, const struct change *c)
{
    bool found;
    size_t i = state_find(s, c->key, &found);
    if (found) {
        s->digest.sum -= s->pairs[i].hash;
    } else {
        s->pairs = grow(mem, s->pairs, s->count, &s->size, sizeof *s->pairs);
        memmove(s->pairs + i + 1, s->pairs + i, (s->count - i) * sizeof *s->pairs);
        s->count++;
        s->digest.keys++;
    }
    s->pairs[i] = (struct pair){c->key, c->value, c->hash};
    s->digest.sum += c->hash;
}

static void state_set(struct state *s, unsigned reg, uint64_t value)
{
    s->digest.sum -= register_hash(reg, s->registers[reg]);
    s->registers[reg] = value;
    s->digest.sum += register_hash(reg, value);
}

static void state_apply(struct state *s, struct mem *mem, const struct change *c)
{
    bool found;
    size_t i;
    switch (c->kind) {
    case CHANGE_PUT: state_put(s, mem, c); break;
    case CHANGE_DELETE:
        i = state_find(s, c->key, &found);
        if (found) state_remove(s, i);
        break;
    case CHANGE_ADD: state_set(s, c->index, s->registers[c->index] + c->number); break;
    case CHANGE_SET: state_set(s, c->index, c->number); break;
    case CHANGE_FLOOR:
        for (i = s->count; i-- > 0;)
            if (s->pairs[i].key.size && s->pairs[i].key.data[0] == c->index)
                state_remove(s, i);
        break;
    }
}

static void state_clear(struct state *s)
{
    s->count = 0;
    memset(s->registers, 0, sizeof s->registers);
    model_digest_init(&s->digest);
}

/* ---- the history ---- */

enum group_status {
    GROUP_ISSUED,
    GROUP_ACKED,
    GROUP_MAYBE,  /* answered with an error: there or not after a crash */
    GROUP_ABSENT, /* settled: not there */
};

struct group {
    size_t first, count; /* changes */
    enum group_status status;
    enum sync_policy policy; /* ACKED: under which */
    int64_t acked_us;
    struct model_digest digest; /* of the state after it, MAYBE and ABSENT left out */
};

struct model {
    struct mem *mem;
    struct change *changes;
    size_t change_count, changes_size;
    struct group *groups;
    size_t group_count, groups_size;
    size_t answered;    /* groups below have their answer */
    size_t open_first;  /* first change of the open group */
    size_t durable;     /* groups below are durable */
    size_t maybe;       /* groups that are GROUP_MAYBE */
    struct state state; /* now */
};

struct model *model_new(struct mem *mem)
{
    struct model *m = mem_zalloc(mem, sizeof *m);
    if (!m) abort();
    m->mem = mem;
    return m;
}

static void changes_cut(struct model *m, size_t count)
{
    while (m->change_count > count)
        mem_free(m->mem, (void *)(uintptr_t)m->changes[--m->change_count].key.data);
}

void model_free(struct model *m)
{
    changes_cut(m, 0);
    mem_free(m->mem, m->changes);
    mem_free(m->mem, m->groups);
    mem_free(m->mem, m->state.pairs);
    mem_free(m->mem, m);
}

/* Plays the first p groups into a state: those that are in, and of the MAYBE ones those
 * whose bit is set in `mask` (bit k: the k-th of them). */
static void history_play(const struct model *m, struct state *s, size_t p, unsigned mask)
{
    state_clear(s);
    unsigned k = 0;
    for (size_t g = 0; g < p; g++) {
        const struct group *group = &m->groups[g];
        if (group->status == GROUP_ABSENT) continue;
        if (group->status == GROUP_MAYBE && !(mask >> k++ & 1)) continue;
        for (size_t i = 0; i < group->count; i++)
            state_apply(s, m->mem, &m->changes[group->first + i]);
    }
}

/* ---- telling it what is done ---- */

static void change_add(struct model *m, struct change c, slice key, slice value)
{
    size_t n = key.size + value.size;
    uint8_t *block = mem_alloc(m->mem, n ? n : 1);
    if (!block) abort();
    if (key.size) memcpy(block, key.data, key.size);
    if (value.size) memcpy(block + key.size, value.data, value.size);
    c.key = slice_of(block, key.size);
    c.value = slice_of(block + key.size, value.size);
    c.hash = c.kind == CHANGE_PUT ? pair_hash(c.key, c.value) : 0;
    m->changes =
        grow(m->mem, m->changes, m->change_count, &m->changes_size, sizeof *m->changes);
    m->changes[m->change_count++] = c;
    state_apply(&m->state, m->mem, &c);
}

void model_put(struct model *m, slice key, slice value)
{
    change_add(m, (struct change){.kind = CHANGE_PUT}, key, value);
}

void model_delete(struct model *m, slice key)
{
    change_add(m, (struct change){.kind = CHANGE_DELETE}, key, slice_of(NULL, 0));
}

void model_register_add(struct model *m, unsigned reg, int64_t delta)
{
    assert(reg < MODEL_REGISTERS);
    struct change c = {.kind = CHANGE_ADD, .index = reg, .number = (uint64_t)delta};
    change_add(m, c, slice_of(NULL, 0), slice_of(NULL, 0));
}

void model_register_set(struct model *m, unsigned reg, uint64_t value)
{
    assert(reg < MODEL_REGISTERS);
    struct change c = {.kind = CHANGE_SET, .index = reg, .number = value};
    change_add(m, c, slice_of(NULL, 0), slice_of(NULL, 0));
}

void model_floor(struct model *m, uint8_t prefix)
{
    struct change c = {.kind = CHANGE_FLOOR, .index = prefix};
    change_add(m, c, slice_of(NULL, 0), slice_of(NULL, 0));
}

/* Takes the oldest group that waits for its answer. */
static struct group *answer_next(struct model *m)
{
    assert(m->answered < m->group_count);
    struct group *g = &m->groups[m->answered++];
    assert(g->status == GROUP_ISSUED);
    return g;
}

size_t model_issue(struct model *m)
{
    m->groups =
        grow(m->mem, m->groups, m->group_count, &m->groups_size, sizeof *m->groups);
    m->groups[m->group_count] = (struct group){.first = m->open_first,
                                               .count = m->change_count - m->open_first,
                                               .status = GROUP_ISSUED,
                                               .digest = m->state.digest};
    m->open_first = m->change_count;
    return m->group_count++;
}

void model_ack(struct model *m, enum sync_policy policy, int64_t now_us)
{
    struct group *g = answer_next(m);
    g->status = GROUP_ACKED;
    g->policy = policy;
    g->acked_us = now_us;
    if (policy == SYNC_ALWAYS) m->durable = m->answered;
}

/* Plays the whole history once more, because a group has changed its status. */
static void history_redo(struct model *m)
{
    state_clear(&m->state);
    for (size_t g = 0; g < m->group_count; g++) {
        struct group *group = &m->groups[g];
        bool in = group->status == GROUP_ISSUED || group->status == GROUP_ACKED;
        for (size_t i = 0; in && i < group->count; i++)
            state_apply(&m->state, m->mem, &m->changes[group->first + i]);
        group->digest = m->state.digest;
    }
    for (size_t i = m->open_first; i < m->change_count; i++)
        state_apply(&m->state, m->mem, &m->changes[i]);
}

void model_fail(struct model *m)
{
    struct group *g = answer_next(m);
    assert(m->maybe < MODEL_MAYBE_MAX);
    g->status = GROUP_MAYBE;
    m->maybe++;
    history_redo(m);
}

size_t model_answered(const struct model *m)
{
    return m->answered;
}

void model_drop(struct model *m)
{
    changes_cut(m, m->open_first);
    history_redo(m);
}

void model_durable(struct model *m)
{
    m->durable = m->answered;
}

void model_settle(struct model *m)
{
    for (size_t g = 0; m->maybe && g < m->group_count; g++) {
        if (m->groups[g].status != GROUP_MAYBE) continue;
        m->groups[g].status = GROUP_ABSENT;
        m->maybe--;
    }
}

void model_unpromise(struct model *m, int64_t now_us)
{
    m->durable = model_lower(m, MODEL_CUT, now_us);
    for (size_t g = m->durable; g < m->group_count; g++)
        m->groups[g].policy = SYNC_NO;
}

/* ---- what it knows ---- */

bool model_get(const struct model *m, slice key, slice *value)
{
    bool found;
    size_t i = state_find(&m->state, key, &found);
    if (found) *value = m->state.pairs[i].value;
    return found;
}

uint64_t model_register(const struct model *m, unsigned reg)
{
    assert(reg < MODEL_REGISTERS);
    return m->state.registers[reg];
}

size_t model_count(const struct model *m)
{
    return m->state.count;
}

slice model_key(const struct model *m, size_t i, slice *value)
{
    assert(i < m->state.count);
    *value = m->state.pairs[i].value;
    return m->state.pairs[i].key;
}

size_t model_groups(const struct model *m)
{
    return m->group_count;
}

size_t model_maybes(const struct model *m)
{
    return m->maybe;
}

struct model_digest model_digest_now(const struct model *m)
{
    return m->state.digest;
}

struct model_digest model_digest_keys(const struct model *m)
{
    struct model_digest d = m->state.digest;
    for (unsigned r = 0; r < MODEL_REGISTERS; r++)
        d.sum -= register_hash(r, m->state.registers[r]);
    return d;
}

/* ---- judging ---- */

size_t model_lower(const struct model *m, enum model_crash crash, int64_t now_us)
{
    for (size_t g = m->group_count; g > m->durable; g--) {
        const struct group *group = &m->groups[g - 1];
        if (group->status != GROUP_ACKED) continue;
        if (crash == MODEL_KILL) return g;
        if (group->policy == SYNC_EVERYSEC &&
            now_us - group->acked_us > MODEL_EVERYSEC_US)
            return g;
    }
    return m->durable;
}

static struct model_digest digest_after(const struct model *m, size_t p)
{
    static const struct model_digest empty = {0, 0};
    return p ? m->groups[p - 1].digest : empty;
}

/* The same with failed groups: *mask says which of them are there. */
static bool maybe_allows(const struct model *m, const struct model_digest *seen, size_t p,
                         unsigned *mask)
{
    struct state s = {0};
    bool found = false;
    for (unsigned bits = 1; bits < 1u << m->maybe && !found; bits++) {
        history_play(m, &s, p, bits);
        found = model_digest_equal(&s.digest, seen);
        if (found) *mask = bits;
    }
    mem_free(m->mem, s.pairs);
    return found;
}

static bool find_prefix(const struct model *m, const struct model_digest *seen,
                        size_t lower, size_t upper, size_t *p, unsigned *mask)
{
    assert(lower <= upper && upper <= m->group_count);
    *mask = 0;
    for (*p = upper;; --*p) {
        struct model_digest d = digest_after(m, *p);
        if (model_digest_equal(&d, seen)) return true;
        if (*p == lower) break;
    }
    for (*p = upper; m->maybe; --*p) {
        if (maybe_allows(m, seen, *p, mask)) return true;
        if (*p == lower) break;
    }
    return false;
}

bool model_allows(const struct model *m, const struct model_digest *seen, size_t lower,
                  size_t upper, size_t *p)
{
    size_t prefix;
    unsigned mask;
    if (!find_prefix(m, seen, lower, upper, &prefix, &mask)) return false;
    if (p) *p = prefix;
    return true;
}

bool model_restart(struct model *m, const struct model_digest *seen, size_t lower,
                   size_t upper)
{
    size_t p;
    unsigned mask, k = 0;
    if (!find_prefix(m, seen, lower, upper, &p, &mask)) return false;
    changes_cut(m, m->open_first);
    for (size_t g = 0; g < m->group_count; g++) {
        struct group *group = &m->groups[g];
        bool in = g < p && group->status != GROUP_ABSENT;
        if (group->status == GROUP_MAYBE) in = in && (mask >> k++ & 1);
        group->status = in ? GROUP_ACKED : GROUP_ABSENT;
    }
    m->maybe = 0;
    m->durable = m->answered = m->group_count;
    history_redo(m);
    assert(model_digest_equal(&m->state.digest, seen));
    return true;
}

void model_state(const struct model *m, size_t p, model_key_fn *key,
                 model_register_fn *reg, void *arg)
{
    struct state s = {0};
    assert(p <= m->group_count);
    history_play(m, &s, p, 0);
    for (size_t i = 0; i < s.count; i++)
        key(arg, s.pairs[i].key, s.pairs[i].value);
    for (unsigned r = 0; r < MODEL_REGISTERS && reg; r++)
        if (s.registers[r]) reg(arg, r, s.registers[r]);
    mem_free(m->mem, s.pairs);
}
