/* skiplist.h - entries ordered by internal key, in an arena.
 *
 * Flow:    memtable > skiplist_* > arena
 * Owns:    nothing: nodes, keys and values lie in the arena that the caller gave.
 * Errors:  NULL without memory; the list is as before.
 * Threads: one writer; once nobody writes any more, any number of readers.
 * Tests:   tests/engine/skiplist_test.c
 */
#ifndef ENGINE_SKIPLIST_H
#define ENGINE_SKIPLIST_H

#include "engine/arena.h"
#include "engine/ikey.h"
#include "fault/rng.h"

#define SKIPLIST_HEIGHT_MAX 12 /* a quarter of the nodes of a level reaches the next */
#define SKIPLIST_COMMON_MAX 32 /* bounds how often the prefixes are taken anew */

/* One entry: the key's bytes follow the links, the value's bytes follow the key. */
struct skiplist_node {
    uint64_t prefix; /* eight key bytes behind the list's common prefix */
    uint64_t tag;
    uint32_t value_size;
    uint32_t key_size : 24;
    uint32_t height : 8; /* links that follow */
    struct skiplist_node *next[];
};

struct skiplist {
    struct arena *arena;
    struct rng heights;
    size_t count;                                    /* entries */
    size_t common;                                   /* bytes that all keys begin with */
    unsigned height;                                 /* of the tallest node, or 1 */
    struct skiplist_node *head[SKIPLIST_HEIGHT_MAX]; /* first node of each level */
    /* The newest node and, on each level, the node before it or NULL for the head: keys
     * that come in ascending order are linked without a search. */
    struct skiplist_node *newest;
    struct skiplist_node *newest_path[SKIPLIST_HEIGHT_MAX];
};

/* Equal seeds and equal calls give equal lists. Takes nothing from the arena yet. */
void skiplist_init(struct skiplist *list, struct arena *arena, uint64_t seed);
/* A node with copies of key and value that is not in the list yet: until skiplist_link its
 * first link is the caller's to use. REQUIRES: key.size < 2^24, value.size < 2^32. */
struct skiplist_node *skiplist_node_new(struct skiplist *list, slice key, uint64_t tag,
                                        slice value);
/* Links such a node. REQUIRES: (key, tag) is not in the list. Nodes that come in ascending
 * order are linked without a search. */
void skiplist_link(struct skiplist *list, struct skiplist_node *node);
/* Both at once. */
struct skiplist_node *skiplist_insert(struct skiplist *list, slice key, uint64_t tag,
                                      slice value);
/* Unlinks the node of (key, tag); its memory stays with the arena. False: not there. */
bool skiplist_remove(struct skiplist *list, slice key, uint64_t tag);
/* First node >= (key, tag), or NULL. */
struct skiplist_node *skiplist_seek(const struct skiplist *list, slice key, uint64_t tag);
/* Last node < (key, tag), or NULL. As dear as a seek: nodes are linked one way only. */
struct skiplist_node *skiplist_seek_before(const struct skiplist *list, slice key,
                                           uint64_t tag);
struct skiplist_node *skiplist_last(const struct skiplist *list);

static inline slice skiplist_key(const struct skiplist_node *node)
{
    return slice_of(&node->next[node->height], node->key_size);
}
static inline slice skiplist_value(const struct skiplist_node *node)
{
    const uint8_t *key = (const uint8_t *)&node->next[node->height];
    return slice_of(key + node->key_size, node->value_size);
}

#endif
