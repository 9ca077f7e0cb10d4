/* version.h - which tables are live on which level; immutable, shared, counted.
 *
 * Flow:    edit > version_edit > db->version; readers and jobs hold references
 * Owns:    a version holds references on its tables; a table owns its open sst.
 * Errors:  ERR_NOMEM: nothing changed.
 * Threads: the owner thread; jobs only read tables that the owner holds for them.
 * Tests:   tests/engine/version_test.c
 *
 * Level 0 may overlap and is ordered newest first; the levels below are disjoint and
 * ordered by key. When the last reference on a table goes, it is handed to `retire`, which
 * closes it and, when an edit that is in force has freed it, deletes its file.
 */
#ifndef ENGINE_VERSION_H
#define ENGINE_VERSION_H

#include "engine/manifest.h"
#include "engine/sst.h"

struct table {
    struct sst_meta meta; /* owned */
    struct sst *sst;
    unsigned refs;
    bool deleted; /* no durable state names it any more */
};

/* Gets a table that nobody refers to any more and frees it. */
typedef void table_retire_fn(void *arg, struct table *table);

struct level {
    struct table **tables;
    size_t count;
    uint64_t bytes;
};

struct version {
    struct mem *mem;
    table_retire_fn *retire;
    void *retire_arg;
    unsigned refs;
    struct level levels[LEVELS_MAX];
    struct table *slots[]; /* of all levels */
};

/* Takes meta's keys over on success; the table has one reference, the caller's. */
enum err table_new(struct mem *mem, struct sst_meta *meta, struct sst *sst,
                   struct table **out);

/* Finishes a table that a job has built: syncs and opens it. The builder is freed. */
enum err table_seal(struct sst_files *files, struct sst_builder *builder,
                    struct table **out, struct err_detail *why);

struct version_change {
    unsigned level;
    struct table *table;
};

/* A version with one reference. The tables are referred to once more each. */
enum err version_new(struct mem *mem, const struct version_change *tables, size_t count,
                     table_retire_fn *retire, void *retire_arg, struct version **out);
/* The version after `deleted` went from and `added` came to `base`. */
enum err version_edit(const struct version *base, const struct version_change *added,
                      size_t added_count, const struct version_change *deleted,
                      size_t deleted_count, struct version **out);
void version_ref(struct version *v);
void version_unref(struct version *v);
void table_unref(struct version *v, struct table *t);

/* Index of the first table of a sorted level whose largest key is >= key; count when
 * there is none. REQUIRES: level > 0. */
size_t level_find(const struct level *level, slice key);
/* The tables of a level that overlap [smallest, largest]: first index and count. On level
 * 0 REQUIRES nothing of order and is not supported. */
size_t level_overlap(const struct level *level, slice smallest, slice largest,
                     size_t *first);
/* Checks order, disjointness and counters. */
enum err version_check(const struct version *v, struct err_detail *why);

#endif
