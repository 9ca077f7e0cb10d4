/* Memory of the simulated disk: pools, the undo list, snapshots, the sweep.
 *
 * A snapshot is a copy of `struct sim_now` and the length of the undo list. What is
 * allocated while it is open needs no undo entry: the rollback resets how much of each
 * pool is used. An item that comes from a free list needs one, for the word that links it.
 *
 * The sweep runs at the beginning of a call when no snapshot is open and the items handed
 * out since the last one outnumber twice those it kept: its cost per item is constant. */
#include "fault/disk_sim_state.h"

#include <stdio.h>
#include <stdlib.h>

#define SWEEP_MIN 16384u /* allocations before the first sweep */

static void die_without_memory(void)
{
    fprintf(stderr, "disk_sim: out of memory\n");
    abort();
}

void sim_undo_grow(struct sim *s)
{
    size_t size = s->undo_size ? s->undo_size * 2 : 1024;
    struct sim_undo *undo = mem_resize(s->mem, s->undo, size * sizeof *undo);
    if (!undo) die_without_memory();
    s->undo = undo;
    s->undo_size = size;
}

/* ---- pools ---- */

static void segment_add(struct sim *s, struct sim_pool *p)
{
    uint8_t **table =
        mem_resize(s->mem, p->segment, (p->segments + 1) * sizeof *p->segment);
    if (!table) die_without_memory();
    p->segment = table;
    uint8_t *segment = mem_alloc(s->mem, (size_t)p->item_bytes << SIM_SEGMENT_SHIFT);
    if (!segment) die_without_memory();
    table[p->segments++] = segment;
}

uint32_t sim_alloc(struct sim *s, enum sim_pool_id pool)
{
    s->allocations++;
    uint32_t item = s->now.free[pool];
    if (item) {
        uint32_t *link = sim_item(s, pool, item);
        s->now.free[pool] = *link;
        sim_set(s, link, 0);
        return item;
    }
    item = s->now.used[pool]++;
    struct sim_pool *p = &s->pool[pool];
    if (item >> SIM_SEGMENT_SHIFT == p->segments) segment_add(s, p);
    return item;
}

uint32_t sim_content_new(struct sim *s, uint8_t **bytes)
{
    uint32_t content = sim_alloc(s, POOL_CONTENT);
    struct sim_pool *meta = &s->pool[POOL_META];
    if (content >> SIM_SEGMENT_SHIFT == meta->segments) segment_add(s, meta);
    struct sim_meta *m = sim_meta(s, content);
    m->hashed = m->bad = 0;
    *bytes = sim_item(s, POOL_CONTENT, content);
    return content;
}

void sim_pools_init(struct sim *s)
{
    static const uint32_t item_bytes[POOL_COUNT] = {
        [POOL_META] = sizeof(struct sim_meta),
        [POOL_INODE] = sizeof(struct sim_inode),
        [POOL_PAGE] = sizeof(union sim_page),
        [POOL_CELL] = sizeof(struct sim_cell),
        [POOL_REG] = sizeof(struct sim_reg),
        [POOL_VERSION] = sizeof(struct sim_version),
        [POOL_HANDLE] = sizeof(struct sim_handle),
    };
    for (int i = 0; i < POOL_COUNT; i++) {
        s->pool[i].item_bytes = item_bytes[i];
        s->now.used[i] = 1; /* item 0 is "none" */
    }
    s->pool[POOL_CONTENT].item_bytes = s->config.chunk_bytes;
    for (int i = 0; i < POOL_COUNT; i++)
        segment_add(s, &s->pool[i]);
    uint8_t *bytes = sim_item(s, POOL_CONTENT, SIM_HOLE);
    memset(bytes, 0, s->config.chunk_bytes);
    *sim_meta(s, SIM_HOLE) = (struct sim_meta){.hashed = 1};
    uint32_t zero = sim_content_new(s, &bytes);
    assert(zero == SIM_ZERO);
    memset(bytes, 0, s->config.chunk_bytes);
}

void sim_pools_deinit(struct sim *s)
{
    for (int i = 0; i < POOL_COUNT; i++) {
        for (uint32_t n = 0; n < s->pool[i].segments; n++)
            mem_free(s->mem, s->pool[i].segment[n]);
        mem_free(s->mem, s->pool[i].segment);
    }
    mem_free(s->mem, s->undo);
    mem_free(s->mem, s->visit);
}

/* ---- snapshots ---- */

unsigned disk_sim_snapshot(struct disk *disk)
{
    struct sim *s = sim_of(disk);
    assert(s->depth < SIM_DEPTH_MAX);
    s->mark[s->depth] = (struct sim_mark){s->undo_count, s->now};
    return s->depth++;
}

void disk_sim_rollback(struct disk *disk, unsigned snapshot)
{
    struct sim *s = sim_of(disk);
    assert(snapshot < s->depth);
    const struct sim_mark *m = &s->mark[snapshot];
    for (size_t i = s->undo_count; i-- > m->undo;)
        *s->undo[i].at = s->undo[i].old;
    s->undo_count = m->undo;
    s->now = m->now;
    s->depth = snapshot;
}

void disk_sim_keep(struct disk *disk, unsigned snapshot)
{
    struct sim *s = sim_of(disk);
    assert(snapshot < s->depth);
    s->depth = snapshot;
    if (!snapshot) s->undo_count = 0;
}

/* ---- the sweep ---- */

struct sweep {
    struct sim *s;
    uint8_t *live[POOL_COUNT]; /* a byte per item */
};

/* True when the item was not marked before. */
static bool mark(struct sweep *w, enum sim_pool_id pool, uint32_t item)
{
    if (!item || w->live[pool][item]) return false;
    w->live[pool][item] = 1;
    return true;
}

static void mark_inode(struct sweep *w, uint32_t i);

static void mark_value(struct sweep *w, uint32_t kind, uint32_t value)
{
    if (kind == REG_CHUNK) mark(w, POOL_CONTENT, value);
    if (kind == REG_ENTRY) mark_inode(w, value);
}

static void mark_reg(struct sweep *w, uint32_t i)
{
    if (!mark(w, POOL_REG, i)) return;
    const struct sim_reg *r = sim_reg(w->s, i);
    mark_value(w, r->kind, r->base);
    for (uint32_t v = r->first; v; v = sim_version(w->s, v)->next) {
        mark(w, POOL_VERSION, v);
        mark_value(w, r->kind, sim_version(w->s, v)->value);
        mark(w, POOL_CELL, sim_version(w->s, v)->needs_cell);
    }
}

static void mark_page(struct sweep *w, uint32_t i, uint32_t height)
{
    if (!mark(w, POOL_PAGE, i)) return;
    const union sim_page *p = sim_page(w->s, i);
    for (uint32_t n = 0; height > 1 && n < SIM_INNER_CHILDREN; n++)
        mark_page(w, p->child[n], height - 1);
    for (uint32_t n = 0; height == 1 && n < SIM_LEAF_SLOTS; n++) {
        mark(w, POOL_CONTENT, p->slot[n].content);
        mark_reg(w, p->slot[n].reg);
    }
}

static void mark_inode(struct sweep *w, uint32_t i)
{
    if (!mark(w, POOL_INODE, i)) return;
    const struct sim_inode *inode = sim_inode(w->s, i);
    if (inode->root) mark_page(w, inode->root, inode->height);
    mark_reg(w, inode->size_reg);
    for (uint32_t c = inode->cells; c; c = sim_cell(w->s, c)->next) {
        const struct sim_cell *cell = sim_cell(w->s, c);
        if (cell->inode || cell->reg) mark(w, POOL_CELL, c);
        mark_inode(w, cell->inode);
        mark_reg(w, cell->reg);
    }
}

static void mark_all(struct sweep *w)
{
    mark(w, POOL_CONTENT, SIM_ZERO);
    mark_inode(w, SIM_ROOT);
    for (uint32_t h = 1; h < w->s->now.used[POOL_HANDLE]; h++) {
        const struct sim_handle *handle = sim_item(w->s, POOL_HANDLE, h);
        if (!(handle->flags & (HANDLE_OPEN | HANDLE_DEAD))) continue;
        mark(w, POOL_HANDLE, h);
        mark_inode(w, handle->inode);
    }
}

/* Takes the names that nothing remembers out of their directories' lists and of the
 * index. */
static void unlink_dead_cells(struct sweep *w)
{
    memset(w->s->bucket, 0, sizeof w->s->bucket);
    for (uint32_t i = 1; i < w->s->now.used[POOL_INODE]; i++) {
        if (!w->live[POOL_INODE][i]) continue;
        uint32_t *link = &sim_inode(w->s, i)->cells;
        while (*link) {
            struct sim_cell *cell = sim_cell(w->s, *link);
            if (!w->live[POOL_CELL][*link]) {
                *link = cell->next;
                continue;
            }
            sim_cell_index(w->s, *link);
            link = &cell->next;
        }
    }
}

static void rebuild_free_list(struct sweep *w, enum sim_pool_id pool)
{
    uint32_t head = 0;
    for (uint32_t i = w->s->now.used[pool]; i-- > 1;) {
        if (w->live[pool][i]) {
            w->s->live++;
            continue;
        }
        *(uint32_t *)sim_item(w->s, pool, i) = head;
        head = i;
    }
    w->s->now.free[pool] = head;
}

static void sweep(struct sim *s)
{
    struct sweep w = {.s = s};
    for (int i = 0; i < POOL_COUNT; i++) {
        w.live[i] = mem_zalloc(s->mem, s->now.used[i]);
        if (!w.live[i]) die_without_memory();
    }
    mark_all(&w);
    unlink_dead_cells(&w);
    s->live = 0;
    for (enum sim_pool_id i = 0; i < POOL_COUNT; i++) {
        if (i != POOL_META) rebuild_free_list(&w, i);
        mem_free(s->mem, w.live[i]);
    }
    s->allocations = 0;
}

void sim_sweep_when_due(struct sim *s)
{
    if (!s->depth && s->allocations > SWEEP_MIN + 2 * s->live) sweep(s);
}
