/* skiplist.c - a sorted linked list with express lanes (W. Pugh, 1990).
 *
 *   level 2  head ------------------------> d ------------>
 *   level 1  head ---------> b -----------> d ------------>
 *   level 0  head --> a ---> b ---> c ----> d ---> e ----->
 *
 * A search runs along the highest lane until the next node is not smaller, then drops a
 * lane. It pays in cache misses and comparisons, so both are kept few: the node begins
 * with eight key bytes as a number, which decides most comparisons inside the cache line
 * that the search has to load anyway; ties go on word by word over the key, which lies
 * right behind the links. A node that stopped the search on one lane is not compared again
 * on the lane below.
 *
 * Keys often begin alike ("user:0000...", a database's number). So the eight bytes are
 * those behind the prefix that all keys have in common. When a key comes that shares less
 * of it, the numbers of all nodes are taken anew; the prefix only ever shrinks and is at
 * most SKIPLIST_COMMON_MAX bytes long, so that this happens a few times, mostly early.
 *
 * LevelDB's list is safe for readers beside one writer; ours need not be: the owner thread
 * both reads and writes, and jobs read lists that nobody writes to any more.
 */
#include "engine/skiplist.h"

#include <assert.h>

void skiplist_init(struct skiplist *list, struct arena *arena, uint64_t seed)
{
    *list = (struct skiplist){.arena = arena, .height = 1};
    rng_init(&list->heights, seed);
}

static inline uint64_t load_big_endian64(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return __builtin_bswap64(word);
}

/* Orders keys that are equal up to the byte `i`, the shorter one padded with zeros. */
static inline int compare_from(slice a, slice b, size_t i)
{
    size_t n = a.size < b.size ? a.size : b.size;
    for (; i + 8 <= n; i += 8) {
        uint64_t wa = load_big_endian64(a.data + i), wb = load_big_endian64(b.data + i);
        if (wa != wb) return wa < wb ? -1 : 1;
    }
    for (; i < n; i++)
        if (a.data[i] != b.data[i]) return a.data[i] < b.data[i] ? -1 : 1;
    return (a.size > b.size) - (a.size < b.size);
}

/* What is looked for, its prefix computed once. */
struct target {
    uint64_t prefix;
    slice key;
    uint64_t tag;
    size_t compared; /* bytes that equal prefixes stand for */
};

/* REQUIRES: the key begins with the common prefix. */
static inline struct target target_of(const struct skiplist *list, slice key,
                                      uint64_t tag)
{
    return (struct target){slice_prefix64_behind(key, list->common), key, tag,
                           list->common + 8};
}

static inline bool node_before(const struct skiplist_node *node, const struct target *t)
{
    if (node->prefix != t->prefix) return node->prefix < t->prefix;
    int c = compare_from(skiplist_key(node), t->key, t->compared);
    return c ? c < 0 : node->tag > t->tag;
}

/* ---- the common prefix ---- */

static inline bool begins_with_common(const struct skiplist *list, slice key)
{
    return key.size >= list->common &&
           memcmp(key.data, skiplist_key(list->head[0]).data, list->common) == 0;
}

static size_t shared_bytes(slice a, slice b, size_t most)
{
    size_t n = a.size < b.size ? a.size : b.size, i = 0;
    if (n > most) n = most;
    while (i < n && a.data[i] == b.data[i])
        i++;
    return i;
}

static void shrink_common(struct skiplist *list, size_t common)
{
    list->common = common;
    for (struct skiplist_node *node = list->head[0]; node; node = node->next[0])
        node->prefix = slice_prefix64_behind(skiplist_key(node), common);
}

/* Makes the common prefix one of `key`, too. */
static void admit(struct skiplist *list, slice key)
{
    const struct skiplist_node *any = list->head[0];
    if (!any) {
        list->common = key.size < SKIPLIST_COMMON_MAX ? key.size : SKIPLIST_COMMON_MAX;
        return;
    }
    if (list->common == 0 || begins_with_common(list, key)) return;
    shrink_common(list, shared_bytes(skiplist_key(any), key, list->common));
}

/* ---- searching ---- */

/* The first node >= the target. */
static struct skiplist_node *find(const struct skiplist *list, const struct target *t)
{
    struct skiplist_node *const *links = list->head;
    struct skiplist_node *bound = NULL;
    for (unsigned level = list->height; level-- > 0;) {
        struct skiplist_node *next = links[level];
        while (next != bound && node_before(next, t)) {
            links = next->next;
            next = links[level];
        }
        bound = next;
    }
    return bound;
}

struct skiplist_node *skiplist_seek(const struct skiplist *list, slice key, uint64_t tag)
{
    struct skiplist_node *first = list->head[0];
    if (!first) return NULL;
    size_t n = key.size < list->common ? key.size : list->common;
    int c = n ? memcmp(key.data, skiplist_key(first).data, n) : 0;
    if (c > 0) return NULL;
    if (c < 0 || key.size < list->common) return first;
    const struct target t = target_of(list, key, tag);
    return find(list, &t);
}

/* The last node before the target, or of all when that is NULL. */
static struct skiplist_node *find_before(const struct skiplist *list,
                                         const struct target *t)
{
    struct skiplist_node *const *links = list->head;
    struct skiplist_node *at = NULL, *bound = NULL;
    for (unsigned level = list->height; level-- > 0;) {
        struct skiplist_node *next = links[level];
        while (next != bound && (!t || node_before(next, t))) {
            at = next;
            links = next->next;
            next = links[level];
        }
        bound = next;
    }
    return at;
}

struct skiplist_node *skiplist_seek_before(const struct skiplist *list, slice key,
                                           uint64_t tag)
{
    const struct skiplist_node *first = list->head[0];
    if (!first) return NULL;
    size_t n = key.size < list->common ? key.size : list->common;
    int c = n ? memcmp(key.data, skiplist_key(first).data, n) : 0;
    if (c > 0) return skiplist_last(list);
    if (c < 0 || key.size < list->common) return NULL;
    const struct target t = target_of(list, key, tag);
    return find_before(list, &t);
}

struct skiplist_node *skiplist_last(const struct skiplist *list)
{
    return find_before(list, NULL);
}

/* ---- changing ---- */

/* The link that leads from `node` (NULL: the head) along a lane. */
static inline struct skiplist_node **link_of(struct skiplist *list,
                                             struct skiplist_node *node, unsigned level)
{
    return node ? &node->next[level] : &list->head[level];
}

/* For each lane the last node before the target (NULL: the head). Returns the first node
 * that is not before it. */
static struct skiplist_node *search(struct skiplist *list, const struct target *t,
                                    struct skiplist_node *path[SKIPLIST_HEIGHT_MAX])
{
    struct skiplist_node *at = NULL, *bound = NULL;
    for (unsigned level = list->height; level-- > 0;) {
        struct skiplist_node *next = *link_of(list, at, level);
        while (next != bound && node_before(next, t)) {
            at = next;
            next = at->next[level];
        }
        bound = next;
        path[level] = at;
    }
    return bound;
}

static unsigned random_height(struct skiplist *list)
{
    uint64_t bits = rng_next(&list->heights) | (uint64_t)1
                                                   << 2 * (SKIPLIST_HEIGHT_MAX - 1);
    return 1 + (unsigned)__builtin_ctzll(bits) / 2;
}

struct skiplist_node *skiplist_node_new(struct skiplist *list, slice key, uint64_t tag,
                                        slice value)
{
    assert(key.size < 1u << 24 && value.size <= UINT32_MAX);
    unsigned height = random_height(list);
    size_t head = sizeof(struct skiplist_node) + height * sizeof(struct skiplist_node *);
    struct skiplist_node *node = arena_alloc(list->arena, head + key.size + value.size);
    if (!node) return NULL;
    node->prefix = 0;
    node->tag = tag;
    node->value_size = (uint32_t)value.size;
    node->key_size = (uint32_t)key.size & 0xffffff;
    node->height = (uint8_t)height;
    uint8_t *bytes = (uint8_t *)&node->next[height];
    if (key.size) memcpy(bytes, key.data, key.size);
    if (value.size) memcpy(bytes + key.size, value.data, value.size);
    return node;
}

/* True when the target belongs right behind the newest node: then `newest_path`, with
 * that node on its own lanes, is the path to the target. */
static bool follows_newest(const struct skiplist *list, const struct target *t)
{
    const struct skiplist_node *newest = list->newest;
    if (!newest || !node_before(newest, t)) return false;
    return !newest->next[0] || !node_before(newest->next[0], t);
}

void skiplist_link(struct skiplist *list, struct skiplist_node *node)
{
    slice key = skiplist_key(node);
    unsigned height = node->height;
    admit(list, key);
    const struct target t = target_of(list, key, node->tag);
    node->prefix = t.prefix;

    struct skiplist_node **path = list->newest_path;
    if (follows_newest(list, &t)) {
        for (unsigned i = 0; i < list->newest->height; i++)
            path[i] = list->newest;
    } else {
        struct skiplist_node *next = search(list, &t, path);
        assert(!next || next->tag != t.tag || next->prefix != t.prefix ||
               !slice_equal(skiplist_key(next), key));
    }
    for (; list->height < height; list->height++)
        path[list->height] = NULL;
    for (unsigned i = 0; i < height; i++) {
        struct skiplist_node **link = link_of(list, path[i], i);
        node->next[i] = *link;
        *link = node;
    }
    list->newest = node;
    list->count++;
}

struct skiplist_node *skiplist_insert(struct skiplist *list, slice key, uint64_t tag,
                                      slice value)
{
    struct skiplist_node *node = skiplist_node_new(list, key, tag, value);
    if (node) skiplist_link(list, node);
    return node;
}

bool skiplist_remove(struct skiplist *list, slice key, uint64_t tag)
{
    if (!list->head[0] || (list->common && !begins_with_common(list, key))) return false;
    const struct target t = target_of(list, key, tag);
    struct skiplist_node *path[SKIPLIST_HEIGHT_MAX];
    struct skiplist_node *node = search(list, &t, path);
    if (!node || node->tag != tag || !slice_equal(skiplist_key(node), key)) return false;
    for (unsigned i = 0; i < node->height; i++) {
        struct skiplist_node **link = link_of(list, path[i], i);
        assert(*link == node);
        *link = node->next[i];
    }
    list->newest = NULL; /* the path may have led over the node */
    list->count--;
    return true;
}
