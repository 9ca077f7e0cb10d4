/* block.c - entries, then two arrays that make a search cheap.
 *
 *   entries     shared | rest | value size (varints), rest of the key, tag, value
 *   prefixes    for each restart: eight key bytes behind the common prefix, as a number
 *   offsets     for each restart: where its entry lies
 *   counts      number of restarts, length of the common prefix
 *
 * Every restart_interval-th entry is a restart: it shares nothing, its key stands there
 * whole. A search takes the common prefix off the key that it looks for, makes a number of
 * the next eight bytes and finds its place among the prefixes: integer compares in one
 * small array, no entry is touched. Only ties look at whole keys.
 *
 * The last stretch, at most restart_interval entries, is walked without building keys. Let
 * `match` be how many bytes the entry before (which is smaller than the target) has in
 * common with the target. An entry that shares more than that with the one before is
 * smaller, too: it has the same byte where that one was smaller. One that shares less is
 * greater: it differs from the one before where that one still agreed with the target, and
 * it is greater than that one. Only an equal number needs a look at bytes. And the shared
 * bytes of the entry found are bytes of the target.
 *
 * LevelDB searches by decoding a whole key at each step; its blocks are twelve bytes a
 * restart smaller.
 *
 * An entry does not know the one before it. Going back decodes the stretch in front of it
 * once, without keys, and then takes its entries from the last to the first. The key of
 * one is put together from the stretch: its own rest, then what the entries before it
 * have in front of that, back to the whole key.
 *
 *     user:11   shares 0, rest "user:11"
 *     user:15   shares 6, rest "5"
 *     user:17   shares 6, rest "7":  "7" of its own, nothing of user:15, "user:1" of user:11
 *
 * (LevelDB decodes the stretch anew for every step back.)
 */
#include "engine/block.h"

#include <assert.h>

#include "engine/coding.h"

#define COUNTS_BYTES   8
#define RESTART_BYTES  12 /* a prefix and an offset */
#define HEAD_BYTES_MAX (3 * VARINT64_BYTES_MAX)
#define TAG_BYTES      8
/* Short pieces of keys are copied sixteen bytes at a time: behind every key in a block
 * follow a tag and the arrays, and the iterator's buffer has so much room to spare. */
#define COPY_BYTES 16
static_assert(TAG_BYTES + COUNTS_BYTES + RESTART_BYTES >= COPY_BYTES, "no read outside");

/* What follows the first n bytes. */
static inline slice behind(slice s, size_t n)
{
    return n ? slice_of(s.data + n, s.size - n) : s;
}

/* ---- building ---- */

void block_builder_init(struct block_builder *b, struct mem *mem,
                        unsigned restart_interval)
{
    assert(restart_interval > 0);
    *b = (struct block_builder){.mem = mem, .restart_interval = restart_interval};
}

void block_builder_deinit(struct block_builder *b)
{
    mem_free(b->mem, b->bytes);
    mem_free(b->mem, b->restarts);
    mem_free(b->mem, b->last_key);
    block_builder_init(b, b->mem, b->restart_interval);
}

void block_builder_clear(struct block_builder *b)
{
    b->size = b->restart_count = b->entries = 0;
}

/* Makes *buffer hold at least `needed` bytes. */
static bool reserve(struct mem *mem, void *buffer, size_t *capacity, size_t needed)
{
    if (needed <= *capacity) return true;
    size_t grown = *capacity ? *capacity : 64;
    while (grown < needed)
        grown *= 2;
    void **at = buffer;
    void *bytes = mem_resize(mem, *at, grown);
    if (!bytes) return false;
    *at = bytes;
    *capacity = grown;
    return true;
}

static bool reserve_entry(struct block_builder *b, size_t key_size, size_t value_size)
{
    size_t offsets = b->restart_capacity * sizeof *b->restarts;
    bool ok = reserve(b->mem, &b->bytes, &b->capacity,
                      b->size + HEAD_BYTES_MAX + key_size + TAG_BYTES + value_size) &&
              reserve(b->mem, &b->restarts, &offsets,
                      (b->restart_count + 1) * sizeof *b->restarts) &&
              reserve(b->mem, &b->last_key, &b->last_capacity, key_size);
    b->restart_capacity = offsets / sizeof *b->restarts;
    return ok;
}

static size_t common_prefix(slice a, slice b)
{
    size_t n = a.size < b.size ? a.size : b.size, i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t differ = fixed64_get(a.data + i) ^ fixed64_get(b.data + i);
        if (differ) return i + (size_t)__builtin_ctzll(differ) / 8;
    }
    while (i < n && a.data[i] == b.data[i])
        i++;
    return i;
}

/* Appends everything but the value. REQUIRES: reserve_entry. */
static void add_head(struct block_builder *b, slice key, uint64_t tag, size_t value_size)
{
    slice last = slice_of(b->last_key, b->last_size);
    assert(b->entries == 0 || ikey_compare(last, b->last_tag, key, tag) < 0);
    size_t shared = 0;
    if (b->entries % b->restart_interval == 0)
        b->restarts[b->restart_count++] = (uint32_t)b->size;
    else
        shared = common_prefix(last, key);

    uint8_t *p = b->bytes + b->size;
    p = varint_put(p, shared);
    p = varint_put(p, key.size - shared);
    p = varint_put(p, value_size);
    if (key.size > shared) {
        memcpy(p, key.data + shared, key.size - shared);
        p += key.size - shared;
        memcpy(b->last_key + shared, key.data + shared, key.size - shared);
    }
    fixed64_put(p, tag);
    b->size = (size_t)(p + TAG_BYTES - b->bytes);
    b->last_size = key.size;
    b->last_tag = tag;
    b->entries++;
}

enum err block_builder_add(struct block_builder *b, slice key, uint64_t tag, slice value)
{
    if (!reserve_entry(b, key.size, value.size)) return ERR_NOMEM;
    assert(b->size + key.size + value.size < UINT32_MAX - HEAD_BYTES_MAX);
    add_head(b, key, tag, value.size);
    if (value.size) memcpy(b->bytes + b->size, value.data, value.size);
    b->size += value.size;
    return ERR_OK;
}

enum err block_builder_add_head(struct block_builder *b, slice key, uint64_t tag,
                                size_t value_size)
{
    assert(b->entries == 0 && value_size < UINT32_MAX / 2);
    if (!reserve_entry(b, key.size, 0)) return ERR_NOMEM;
    add_head(b, key, tag, value_size);
    return ERR_OK;
}

static size_t arrays_size(size_t restarts)
{
    return restarts * RESTART_BYTES + COUNTS_BYTES;
}

size_t block_builder_size_with(const struct block_builder *b, size_t key_size,
                               size_t value_size)
{
    size_t restarts = b->restart_count + (b->entries % b->restart_interval == 0);
    size_t head = 1 + varint_size(key_size) + varint_size(value_size);
    return b->size + head + key_size + TAG_BYTES + value_size + arrays_size(restarts);
}

/* The whole key of a restart, read back from the bytes. */
static slice restart_key(const struct block_builder *b, size_t i)
{
    const uint8_t *p = b->bytes + b->restarts[i], *end = b->bytes + b->size;
    uint64_t shared = 0, rest = 0, value = 0;
    p = varint_get(p, end, &shared);
    p = varint_get(p, end, &rest);
    p = varint_get(p, end, &value);
    assert(p && shared == 0);
    return slice_of(p, (size_t)rest);
}

enum err block_builder_finish(struct block_builder *b, slice *out)
{
    assert(b->entries > 0);
    size_t start = b->size, whole = start + arrays_size(b->restart_count);
    if (!reserve(b->mem, &b->bytes, &b->capacity, whole)) return ERR_NOMEM;
    slice first = restart_key(b, 0);
    size_t common = common_prefix(first, slice_of(b->last_key, b->last_size));
    uint8_t *p = b->bytes + start;
    for (size_t i = 0; i < b->restart_count; i++, p += 8) {
        slice key = restart_key(b, i);
        fixed64_put(p, slice_prefix64_behind(key, common));
    }
    for (size_t i = 0; i < b->restart_count; i++, p += 4)
        fixed32_put(p, b->restarts[i]);
    fixed32_put(p, (uint32_t)b->restart_count);
    fixed32_put(p + 4, (uint32_t)common);
    b->size = whole;
    *out = slice_of(b->bytes, whole);
    return ERR_OK;
}

/* ---- reading ---- */

/* The lengths in front of an entry, and where its key begins. */
struct head {
    const uint8_t *key;
    size_t shared, rest, value;
};

/* Lengths of more than one byte, and everything near the end of the block. */
__attribute__((noinline)) static bool take_long_head(const uint8_t *p, const uint8_t *end,
                                                     struct head *h)
{
    uint64_t shared, rest, value;
    if (!(p = varint_get(p, end, &shared)) || !(p = varint_get(p, end, &rest)) ||
        !(p = varint_get(p, end, &value)))
        return false;
    uint64_t room = (uint64_t)(end - p);
    if (room < TAG_BYTES || rest > room - TAG_BYTES || value > room - TAG_BYTES - rest)
        return false;
    if (shared > UINT32_MAX) return false;
    *h = (struct head){p, (size_t)shared, (size_t)rest, (size_t)value};
    return true;
}

/* Decodes the lengths at p; false when the entry does not lie in front of `end` whole. */
static inline bool take_head(const uint8_t *p, const uint8_t *end, struct head *h)
{
    size_t room = (size_t)(end - p);
    if (room < 3 || (p[0] | p[1] | p[2]) >= 0x80) return take_long_head(p, end, h);
    h->key = p + 3;
    h->shared = p[0];
    h->rest = p[1];
    h->value = p[2];
    return room >= 3 + h->rest + TAG_BYTES + h->value;
}

static inline const uint8_t *head_end(const struct head *h)
{
    return h->key + h->rest + TAG_BYTES + h->value;
}

static inline void set_entry(const struct block *b, const struct head *h, uint32_t at,
                             struct block_entry *e)
{
    e->at = at;
    e->shared = h->shared;
    e->rest = slice_of(h->key, h->rest);
    e->tag = fixed64_get(h->key + h->rest);
    e->value = slice_of(h->key + h->rest + TAG_BYTES, h->value);
    e->next = (uint32_t)(head_end(h) - b->bytes);
}

/* Decodes the entry at `offset`; false when it does not lie inside the block whole. */
static inline bool entry_at(const struct block *b, uint32_t offset, struct block_entry *e)
{
    struct head h;
    if (!take_head(b->bytes + offset, b->bytes + b->end, &h)) return false;
    set_entry(b, &h, offset, e);
    return true;
}

static inline uint64_t prefix_at(const struct block *b, uint32_t i)
{
    return fixed64_get(b->bytes + b->end + 8 * (size_t)i);
}

static inline uint32_t offset_at(const struct block *b, uint32_t i)
{
    return fixed32_get(b->bytes + b->end + 8 * (size_t)b->restarts + 4 * (size_t)i);
}

enum err block_open(struct block *b, slice contents)
{
    size_t n = contents.size;
    if (n < COUNTS_BYTES + RESTART_BYTES || n > UINT32_MAX) return ERR_CORRUPT;
    uint32_t restarts = fixed32_get(contents.data + n - 8);
    uint32_t common = fixed32_get(contents.data + n - 4);
    if (restarts == 0 || restarts > (n - COUNTS_BYTES) / RESTART_BYTES)
        return ERR_CORRUPT;
    struct block found = {
        .bytes = contents.data,
        .end = (uint32_t)(n - arrays_size(restarts)),
        .restarts = restarts,
        .common = common,
    };
    struct block_entry first;
    if (block_restart(&found, 0, &first) || offset_at(&found, 0) != 0) return ERR_CORRUPT;
    if (common > first.rest.size) return ERR_CORRUPT;
    found.first_key = first.rest.data;
    *b = found;
    return ERR_OK;
}

enum err block_restart(const struct block *b, uint32_t i, struct block_entry *out)
{
    assert(i < b->restarts);
    uint32_t offset = offset_at(b, i);
    struct block_entry e;
    if (offset >= b->end || !entry_at(b, offset, &e) || e.shared != 0) return ERR_CORRUPT;
    *out = e;
    return ERR_OK;
}

/* How many of the prefixes are smaller. Without a branch that depends on them: half of
 * those would be guessed wrong. */
static inline uint32_t prefixes_below(const struct block *b, uint64_t prefix)
{
    const uint8_t *prefixes = b->bytes + b->end, *at = prefixes;
    size_t count = b->restarts;
    while (count > 1) {
        size_t half = count / 2;
        at += 8 * half * (fixed64_get(at + 8 * (half - 1)) < prefix);
        count -= half;
    }
    return (uint32_t)((size_t)(at - prefixes) / 8) + (fixed64_get(at) < prefix);
}

/* Among the restarts from `low` on that tie with the prefix: the first >= (key, tag). */
static enum err break_ties(const struct block *b, slice key, uint64_t tag,
                           uint64_t prefix, uint32_t *low)
{
    uint32_t at = *low;
    uint32_t end = prefix == UINT64_MAX ? b->restarts : prefixes_below(b, prefix + 1);
    while (at < end) {
        uint32_t middle = at + (end - at) / 2;
        struct block_entry e;
        if (block_restart(b, middle, &e)) return ERR_CORRUPT;
        if (ikey_compare(e.rest, e.tag, key, tag) < 0)
            at = middle + 1;
        else
            end = middle;
    }
    *low = at;
    return ERR_OK;
}

enum err block_seek_restart(const struct block *b, slice key, uint64_t tag, uint32_t *i)
{
    size_t n = key.size < b->common ? key.size : b->common;
    int c = n ? memcmp(key.data, b->first_key, n) : 0;
    if (c > 0) {
        *i = b->restarts;
        return ERR_OK;
    }
    *i = 0;
    if (c < 0 || key.size < b->common) return ERR_OK;
    uint64_t prefix = slice_prefix64_behind(key, b->common);
    *i = prefixes_below(b, prefix);
    if (*i == b->restarts || prefix_at(b, *i) != prefix) return ERR_OK;
    return break_ties(b, key, tag, prefix, i);
}

/* The first entry >= (key, tag) in [offset, limit), whose first entry is smaller. The
 * rule with `match` stands at the top. */
static enum err walk(const struct block *b, uint32_t offset, uint32_t limit, slice key,
                     uint64_t tag, struct block_entry *out)
{
    const uint8_t *end = b->bytes + b->end, *stop = b->bytes + limit;
    struct head h;
    if (!take_head(b->bytes + offset, end, &h) || h.shared != 0) return ERR_CORRUPT;
    size_t match = common_prefix(slice_of(h.key, h.rest), key);
    for (const uint8_t *p = head_end(&h); p < stop; p = head_end(&h)) {
        if (!take_head(p, end, &h)) return ERR_CORRUPT;
        if (h.shared > match) continue;
        if (h.shared == match) {
            slice left = behind(key, match);
            size_t more = common_prefix(slice_of(h.key, h.rest), left);
            match += more;
            if (more == h.rest) { /* a prefix of the target, or equal to it */
                if (more < left.size || fixed64_get(h.key + h.rest) > tag) continue;
            } else if (more < left.size && h.key[more] < left.data[more]) {
                continue;
            }
        }
        set_entry(b, &h, (uint32_t)(p - b->bytes), out);
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}

enum err block_seek(const struct block *b, slice key, uint64_t tag,
                    struct block_entry *out)
{
    uint32_t i = 0; /* restarts before it are smaller, it is not */
    enum err e = block_seek_restart(b, key, tag, &i);
    if (e) return e;
    if (i > 0) {
        uint32_t start = offset_at(b, i - 1);
        uint32_t limit = i < b->restarts ? offset_at(b, i) : b->end;
        if (start >= b->end || limit > b->end) return ERR_CORRUPT;
        e = walk(b, start, limit, key, tag, out);
        if (e != ERR_NOT_FOUND) return e;
    }
    return i < b->restarts ? block_restart(b, i, out) : ERR_NOT_FOUND;
}

/* ---- iterating ---- */

void block_iter_init(struct block_iter *it, struct mem *mem)
{
    *it = (struct block_iter){.mem = mem};
}

void block_iter_deinit(struct block_iter *it)
{
    mem_free(it->mem, it->buffer);
    mem_free(it->mem, it->steps);
    block_iter_init(it, it->mem);
}

static void stop(struct block_iter *it, enum err e)
{
    it->valid = false;
    it->err = e;
}

enum err block_iter_open(struct block_iter *it, slice contents)
{
    stop(it, ERR_OK);
    return block_open(&it->block, contents);
}

/* A larger buffer that begins with the first `kept` bytes of `key`, which may lie in the
 * old one. */
static bool grow_key(struct block_iter *it, slice key, size_t kept, size_t needed)
{
    size_t capacity = it->capacity ? it->capacity : 64;
    while (capacity < needed)
        capacity *= 2;
    uint8_t *buffer = mem_alloc(it->mem, capacity);
    if (!buffer) return false;
    if (kept) memcpy(buffer, key.data, kept);
    mem_free(it->mem, it->buffer);
    it->buffer = buffer;
    it->capacity = capacity;
    return true;
}

/* REQUIRES: its key is in the buffer. */
static inline void set_current(struct block_iter *it, const struct block_entry *e,
                               size_t key_size)
{
    it->key = slice_of(it->buffer, key_size);
    it->tag = e->tag;
    it->value = e->value;
    it->at = e->at;
    it->next = e->next;
    it->valid = true;
    it->err = ERR_OK;
}

/* Makes `e` the current entry; its shared bytes are the first ones of `key`. */
static inline void show(struct block_iter *it, const struct block_entry *e, slice key)
{
    size_t size = e->shared + e->rest.size;
    if (size + COPY_BYTES > it->capacity) {
        if (!grow_key(it, key, e->shared, size + COPY_BYTES)) {
            stop(it, ERR_NOMEM);
            return;
        }
    } else if (key.data != it->buffer && e->shared) {
        memmove(it->buffer, key.data, e->shared);
    }
    if (e->rest.size <= COPY_BYTES)
        memcpy(it->buffer + e->shared, e->rest.data, COPY_BYTES);
    else
        memcpy(it->buffer + e->shared, e->rest.data, e->rest.size);
    it->step_count = 0;
    set_current(it, e, size);
}

void block_iter_first(struct block_iter *it)
{
    struct block_entry e;
    if (block_restart(&it->block, 0, &e))
        stop(it, ERR_CORRUPT);
    else
        show(it, &e, slice_of(NULL, 0));
}

void block_iter_seek(struct block_iter *it, slice key, uint64_t tag)
{
    struct block_entry e;
    enum err found = block_seek(&it->block, key, tag, &e);
    if (found)
        stop(it, found == ERR_NOT_FOUND ? ERR_OK : found);
    else
        show(it, &e, key);
}

void block_iter_next(struct block_iter *it)
{
    assert(it->valid);
    struct block_entry e;
    if (it->next >= it->block.end)
        stop(it, ERR_OK);
    else if (!entry_at(&it->block, it->next, &e) || e.shared > it->key.size)
        stop(it, ERR_CORRUPT);
    else
        show(it, &e, it->key);
}

/* ---- going back ---- */

/* The offset of the last whole key in front of `offset`. REQUIRES: offset > 0. */
static uint32_t restart_before(const struct block *b, uint32_t offset)
{
    uint32_t low = 0, high = b->restarts; /* offset_at(low) < offset; block_open saw it */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (offset_at(b, middle) < offset)
            low = middle;
        else
            high = middle;
    }
    return offset_at(b, low);
}

static struct block_entry *next_step(struct block_iter *it)
{
    if (it->step_count == it->step_capacity) {
        size_t grown = it->step_capacity ? it->step_capacity * 2 : 16;
        struct block_entry *steps = mem_resize(it->mem, it->steps, grown * sizeof *steps);
        if (!steps) return NULL;
        it->steps = steps;
        it->step_capacity = grown;
    }
    return &it->steps[it->step_count++];
}

/* Decodes the entries from the last whole key in front of `offset` up to there. */
static enum err load_steps(struct block_iter *it, uint32_t offset)
{
    const struct block *b = &it->block;
    size_t key_size = 0;
    it->step_count = 0;
    for (uint32_t at = restart_before(b, offset); at != offset;) {
        struct block_entry *e = next_step(it);
        if (!e) return ERR_NOMEM;
        if (at > offset || !entry_at(b, at, e) || e->shared > key_size)
            return ERR_CORRUPT;
        key_size = e->shared + e->rest.size;
        at = e->next;
    }
    return ERR_OK;
}

/* Makes the last of the steps the current entry: see the top for its key. */
static void show_step(struct block_iter *it)
{
    const struct block_entry *e = &it->steps[it->step_count - 1];
    size_t size = e->shared + e->rest.size, missing = size;
    if (size + COPY_BYTES > it->capacity &&
        !grow_key(it, slice_of(NULL, 0), 0, size + COPY_BYTES)) {
        stop(it, ERR_NOMEM);
        return;
    }
    for (const struct block_entry *from = e; missing > 0; from--) {
        if (from->shared >= missing) continue;
        memcpy(it->buffer + from->shared, from->rest.data, missing - from->shared);
        missing = from->shared;
    }
    set_current(it, e, size);
}

/* Makes the entry in front of `offset` the current one. */
static void step_before(struct block_iter *it, uint32_t offset)
{
    enum err e = offset > 0 ? load_steps(it, offset) : ERR_OK;
    if (e || offset == 0)
        stop(it, e);
    else
        show_step(it);
}

void block_iter_last(struct block_iter *it)
{
    step_before(it, it->block.end);
}

void block_iter_seek_back(struct block_iter *it, slice key, uint64_t tag)
{
    struct block_entry e;
    enum err found = block_seek(&it->block, key, tag, &e);
    if (found == ERR_NOT_FOUND)
        block_iter_last(it);
    else if (found)
        stop(it, found);
    else if (e.tag == tag && block_entry_is(&e, key))
        show(it, &e, key);
    else
        step_before(it, e.at);
}

void block_iter_prev(struct block_iter *it)
{
    assert(it->valid);
    if (it->step_count > 1) {
        it->step_count--;
        show_step(it);
    } else {
        step_before(it, it->at);
    }
}

/* ---- checking ---- */

/* The arrays agree with the i-th restart, which lies at `offset`. */
static bool restart_agrees(const struct block *b, uint32_t i, uint32_t offset, slice key)
{
    if (i >= b->restarts || offset_at(b, i) != offset || key.size < b->common)
        return false;
    return prefix_at(b, i) == slice_prefix64_behind(key, b->common) &&
           (b->common == 0 || memcmp(key.data, b->first_key, b->common) == 0);
}

/* The entry at `offset` follows `it`'s current one (none when the first) as it should. */
static bool entry_agrees(const struct block_iter *it, uint32_t offset, uint32_t *restarts)
{
    const struct block *b = &it->block;
    struct block_entry e;
    if (!entry_at(b, offset, &e)) return false;
    bool restart = *restarts < b->restarts && offset_at(b, *restarts) == offset;
    if (restart) {
        if (e.shared != 0 || !restart_agrees(b, *restarts, offset, e.rest)) return false;
        ++*restarts;
    }
    if (!it->valid) return restart;
    if (e.shared > it->key.size) return false;
    slice left = behind(it->key, e.shared);
    if (!restart && common_prefix(left, e.rest) != 0) return false;
    return ikey_compare(left, it->tag, e.rest, e.tag) < 0;
}

static bool entries_agree(struct block_iter *it, unsigned *entries)
{
    uint32_t restarts = 0, offset = 0;
    while (offset < it->block.end) {
        if (!entry_agrees(it, offset, &restarts)) return false;
        if (it->valid)
            block_iter_next(it);
        else
            block_iter_first(it);
        if (!it->valid) return false;
        offset = it->next;
        ++*entries;
    }
    size_t common = it->block.common;
    return restarts == it->block.restarts && it->key.size >= common &&
           (common == 0 || memcmp(it->key.data, it->block.first_key, common) == 0);
}

enum err block_check(struct mem *mem, slice contents, unsigned *entries)
{
    struct block_iter it;
    block_iter_init(&it, mem);
    *entries = 0;
    enum err e = block_iter_open(&it, contents);
    if (!e && !entries_agree(&it, entries)) e = it.err ? it.err : ERR_CORRUPT;
    block_iter_deinit(&it);
    return e;
}
