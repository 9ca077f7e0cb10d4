/* The window: which registers it has, which options each has, and how a choice gets onto
 * the disk.
 *
 * images_open takes a snapshot and then writes choices straight into slots, sizes and
 * entries without remembering old values: opening has put every word that a choice can
 * change on the undo list once, and that is all a rollback needs. */
#include "fault/images_state.h"

#include <stdlib.h>

/* ---- lists ---- */

uint32_t list_add(struct images *im, struct list *l, size_t item_bytes)
{
    if (l->count == l->size) {
        l->size = l->size ? l->size * 2 : 64;
        l->item = mem_resize(im->mem, l->item, l->size * item_bytes);
        if (!l->item) abort();
    }
    return l->count++;
}

void list_push(struct images *im, struct list *l, uint32_t value)
{
    uint32_t i = list_add(im, l, sizeof value);
    *u32_at(l, i) = value;
}

struct images *images_new(struct mem *mem)
{
    struct images *im = mem_zalloc(mem, sizeof *im);
    if (!im) abort();
    im->mem = mem;
    return im;
}

void images_free(struct images *im)
{
    if (!im) return;
    assert(!im->open);
    struct list *all[] = {&im->regs,     &im->options, &im->files,   &im->links,
                          &im->file_of,  &im->room,    &im->cuts,    &im->points,
                          &im->tuples,   &im->groups,  &im->members, &im->digits,
                          &im->decisions};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mem_free(im->mem, all[i]->item);
    mem_free(im->mem, im);
}

/* ---- the profile ---- */

bool images_rule_off(const struct images *im, enum disk_rule rule)
{
    return im->sim->config.kinder & DISK_KINDER(rule);
}

bool images_weak(const struct images *im, enum disk_rule rule)
{
    return im->profile == DISK_V && !(im->sim->config.spared & DISK_KINDER(rule));
}

bool images_names_in_order(const struct images *im)
{
    return im->profile == DISK_J || images_rule_off(im, DISK_R9);
}

bool images_renames_coupled(const struct images *im)
{
    return !images_weak(im, DISK_R10);
}

bool images_renames_atomic(const struct images *im)
{
    return images_rule_off(im, DISK_R10);
}

/* ---- options ---- */

static void add_option(struct images *im, struct image_reg *r, const struct option *o)
{
    uint32_t i = list_add(im, &im->options, sizeof *o);
    ((struct option *)im->options.item)[i] = *o;
    if (o->kind == OPTION_TORN)
        r->torn++;
    else
        r->whole++;
}

static struct option of_version(const struct sim_version *v, uint32_t i)
{
    return (struct option){.value = v->value,
                           .seq = v->seq,
                           .needs_seq = v->needs_seq,
                           .needs_reg = v->needs_cell, /* until resolve_needs */
                           .version = i,
                           .limbo = v->flags & VERSION_LIMBO};
}

/* The base and the versions. */
static void add_versions(struct images *im, struct image_reg *r, const struct sim_reg *sr)
{
    struct option base = {.value = sr->base, .seq = sr->base_seq};
    add_option(im, r, &base);
    for (uint32_t i = sr->first; i; i = sim_version(im->sim, i)->next) {
        const struct sim_version *v = sim_version(im->sim, i);
        bool skipped = sr->kind == REG_CHUNK && v->next && images_rule_off(im, DISK_R4);
        struct option o = of_version(v, i);
        if (!skipped) add_option(im, r, &o);
    }
}

/* Profile V: stale bytes where the file grew, and around what a write touched. */
static void add_weak(struct images *im, struct image_reg *r, const struct sim_reg *sr,
                     uint32_t grown_from)
{
    const struct sim *s = im->sim;
    uint32_t chunk = s->config.chunk_bytes, start = r->index << s->chunk_shift;
    if (start + chunk > grown_from && images_weak(im, DISK_R7)) {
        uint32_t old = grown_from > start ? grown_from - start : 0;
        struct option stale = *option_at(im, r, 0);
        stale.kind = OPTION_STALE;
        stale.before = stale.value;
        stale.value = 0;
        stale.tear = (uint16_t)old;
        add_option(im, r, &stale);
    }
    for (uint32_t i = sr ? sr->first : 0; i; i = sim_version(s, i)->next) {
        const struct sim_version *v = sim_version(s, i);
        if (v->hi - v->lo == (int)chunk || v->flags & VERSION_ZERO) continue;
        if (images_rule_off(im, DISK_R6) || !images_weak(im, DISK_R6)) continue;
        struct option spoiled = of_version(v, i);
        spoiled.kind = OPTION_SPOILED;
        spoiled.before = v->value;
        spoiled.value = 0;
        add_option(im, r, &spoiled);
    }
}

static void add_torn(struct images *im, struct image_reg *r, const struct sim_reg *sr)
{
    const struct sim *s = im->sim;
    uint32_t before = sr->base, needs = 0;
    for (uint32_t i = sr->first; i; i = sim_version(s, i)->next) {
        const struct sim_version *v = sim_version(s, i);
        for (uint32_t t = 0; t < sim_tear_count(s, v); t++) {
            struct option o = of_version(v, i);
            o.kind = OPTION_TORN;
            o.tear = (uint16_t)t;
            o.before = before;
            o.value = 0;
            o.needs_seq = needs; /* part of it is the version before */
            add_option(im, r, &o);
        }
        before = v->value;
        needs = v->needs_seq;
    }
}

/* ---- collecting registers ---- */

static struct image_reg *add_reg(struct images *im, enum sim_reg_kind kind,
                                 uint32_t owner, uint32_t index)
{
    uint32_t i = list_add(im, &im->regs, sizeof(struct image_reg));
    struct image_reg *r = reg_at(im, i);
    *r = (struct image_reg){
        .kind = kind, .owner = owner, .index = index, .first = im->options.count};
    return r;
}

static void add_entry_reg(struct images *im, uint32_t cell)
{
    struct image_reg *r = add_reg(im, REG_ENTRY, cell, 0);
    add_versions(im, r, sim_reg(im->sim, sim_cell(im->sim, cell)->reg));
}

static int by_index(const void *a, const void *b)
{
    uint32_t x = ((const struct image_reg *)a)->index;
    uint32_t y = ((const struct image_reg *)b)->index;
    return (x > y) - (x < y);
}

/* The smallest and the largest size that the file may have. */
static void size_range(const struct sim *s, const struct sim_inode *in, uint32_t *least,
                       uint32_t *most)
{
    const struct sim_reg *r = sim_reg(s, in->size_reg);
    *least = *most = r->base;
    for (uint32_t v = r->first; v; v = sim_version(s, v)->next) {
        uint32_t size = sim_version(s, v)->value;
        if (size < *least) *least = size;
        if (size > *most) *most = size;
    }
}

/* Chunks that have no version of their own but show differently with another size: beyond
 * the end of the smallest, or (profile V) stale where the file grew. */
static void add_bare_chunks(struct images *im, struct image_file *f)
{
    struct sim *s = im->sim;
    uint32_t least, most;
    const struct sim_inode *in = sim_inode(s, f->inode);
    size_range(s, in, &least, &most);
    uint32_t durable = sim_reg(s, in->size_reg)->base;
    for (uint32_t i = least >> s->chunk_shift; i < sim_chunks(s, most); i++) {
        const struct sim_slot *slot = sim_slot(s, in, i);
        if (slot && slot->reg) continue;
        bool grown = images_weak(im, DISK_R7) && most > durable &&
                     (i + 1) << s->chunk_shift > durable;
        if (!grown && (!slot || !slot->content)) continue;
        struct image_reg *r = add_reg(im, REG_CHUNK, f->inode, i);
        struct option base = {.value = slot ? slot->content : SIM_HOLE};
        add_option(im, r, &base);
        if (grown) add_weak(im, r, NULL, durable);
    }
}

static void add_chunk_regs(struct images *im, struct image_file *f)
{
    struct sim *s = im->sim;
    const struct sim_inode *in = sim_inode(s, f->inode);
    uint32_t grown_from = UINT32_MAX, least, most;
    if (in->size_reg) {
        size_range(s, in, &least, &most);
        uint32_t durable = sim_reg(s, in->size_reg)->base;
        if (most > durable) grown_from = durable;
    }
    for (uint32_t i = in->regs; i; i = sim_reg(s, i)->next) {
        const struct sim_reg *sr = sim_reg(s, i);
        struct image_reg *r = add_reg(im, REG_CHUNK, f->inode, sr->index);
        add_versions(im, r, sr);
        if (im->profile == DISK_V) add_weak(im, r, sr, grown_from);
        if (im->tau && !images_rule_off(im, DISK_R5)) add_torn(im, r, sr);
    }
    if (in->size_reg) add_bare_chunks(im, f);
}

static void add_file_regs(struct images *im, uint32_t index)
{
    struct image_file *f = file_at(im, index);
    f->from = im->regs.count;
    add_chunk_regs(im, f);
    f->to = im->regs.count;
    if (f->to > f->from) /* qsort wants an array even for nothing */
        qsort(reg_at(im, f->from), f->to - f->from, sizeof(struct image_reg), by_index);
    const struct sim_inode *in = sim_inode(im->sim, f->inode);
    uint32_t size_reg = in->size_reg;
    f->size = in->size;
    f->size_seq = in->size_seq;
    f->size_reg = NO_REG;
    if (size_reg) {
        f->size_reg = im->regs.count;
        add_versions(im, add_reg(im, REG_SIZE, f->inode, 0), sim_reg(im->sim, size_reg));
    }
    for (uint32_t i = f->from; i < im->regs.count; i++)
        reg_at(im, i)->file = index;
}

static void collect_dir(struct images *im, uint32_t dir);

static void collect_inode(struct images *im, uint32_t inode, uint32_t cell)
{
    if (!inode || *u32_at(&im->file_of, inode)) return;
    if (sim_inode(im->sim, inode)->directory) {
        *u32_at(&im->file_of, inode) = UINT32_MAX;
        collect_dir(im, inode);
        return;
    }
    uint32_t i = list_add(im, &im->files, sizeof(struct image_file));
    *file_at(im, i) = (struct image_file){.inode = inode, .cell = cell};
    *u32_at(&im->file_of, inode) = i + 1;
}

/* Every entry with something pending, and every file that some version names. */
static void collect_dir(struct images *im, uint32_t dir)
{
    struct sim *s = im->sim;
    for (uint32_t c = sim_inode(s, dir)->cells; c; c = sim_cell(s, c)->next) {
        const struct sim_cell *cell = sim_cell(s, c);
        collect_inode(im, cell->inode, c);
        if (!cell->reg) continue;
        add_entry_reg(im, c);
        const struct sim_reg *r = sim_reg(s, cell->reg);
        collect_inode(im, r->base, c);
        for (uint32_t v = r->first; v; v = sim_version(s, v)->next)
            collect_inode(im, sim_version(s, v)->value, c);
    }
}

/* Turns cells that options need into registers of the window. */
static void resolve_needs(struct images *im)
{
    for (uint32_t i = 0; i < im->entries; i++) {
        const struct image_reg *r = reg_at(im, i);
        for (uint32_t n = 0; n < r->whole; n++) {
            struct option *o = option_at(im, r, n);
            if (!o->needs_seq) continue;
            uint32_t j = 0;
            while (j < im->entries && reg_at(im, j)->owner != o->needs_reg)
                j++;
            if (j == im->entries || option_at(im, reg_at(im, j), 0)->seq >= o->needs_seq)
                o->needs_seq = 0; /* durable already */
            else
                o->needs_reg = j;
        }
    }
}

static void collect(struct images *im)
{
    im->regs.count = im->options.count = im->files.count = 0;
    im->file_of.count = 0;
    for (uint32_t i = 0; i < im->sim->now.used[POOL_INODE]; i++)
        list_add(im, &im->file_of, sizeof(uint32_t));
    memset(im->file_of.item, 0, im->file_of.count * sizeof(uint32_t));
    collect_dir(im, SIM_ROOT);
    im->entries = im->regs.count;
    resolve_needs(im);
    for (uint32_t i = 0; i < im->files.count; i++)
        add_file_regs(im, i);
}

/* ---- laying the running disk aside ---- */

static void touch(struct sim *s, uint32_t *word)
{
    sim_set(s, word, *word);
}

/* Nothing is pending any more; every word that a choice may change is on the undo list. */
static void lay_aside(struct images *im)
{
    struct sim *s = im->sim;
    for (uint32_t i = 0; i < im->entries; i++) {
        struct sim_cell *cell = sim_cell(s, reg_at(im, i)->owner);
        sim_set(s, &cell->reg, 0);
        touch(s, &cell->inode);
    }
    for (uint32_t i = 0; i < im->files.count; i++) {
        struct sim_inode *in = sim_inode(s, file_at(im, i)->inode);
        sim_set(s, &in->regs, 0);
        sim_set(s, &in->size_reg, 0);
        touch(s, &in->size);
        touch(s, &in->allocated);
    }
    for (uint32_t i = im->entries; i < im->regs.count; i++) {
        struct image_reg *r = reg_at(im, i);
        if (r->kind != REG_CHUNK) continue;
        r->slot = sim_slot_make(s, r->owner, r->index);
        sim_set(s, &r->slot->reg, 0);
        touch(s, &r->slot->content);
    }
    for (uint32_t i = 1; i < im->file_of.count; i++)
        if (*u32_at(&im->file_of, i) == UINT32_MAX)
            sim_set(s, &sim_inode(s, i)->removed, 0);
}

static void start_hashes(struct images *im)
{
    struct sim *s = im->sim;
    for (uint32_t i = 0; i < im->files.count; i++)
        file_at(im, i)->sum = sim_hash_chunks(s, file_at(im, i)->inode);
    for (uint32_t i = im->entries; i < im->regs.count; i++) {
        struct image_reg *r = reg_at(im, i);
        if (r->kind != REG_CHUNK) continue;
        r->shown = r->slot->content;
        r->term = sim_hash_chunk(sim_hash_content(s, r->shown), r->index);
    }
}

void images_open(struct images *im, struct disk *disk, enum disk_profile profile,
                 unsigned tau)
{
    assert(!im->open);
    struct sim *s = sim_of(disk);
    assert(!s->lazy); /* no window inside a lazy visit */
    im->sim = s;
    im->profile = profile;
    im->tau = tau;
    im->open = true;
    im->journal_floor = s->now.journal_floor;
    im->order_floor = s->now.order_floor;
    im->snapshot = disk_sim_snapshot(disk);
    if (profile == DISK_P) sim_settle_all(s); /* the cache is what survives */
    collect(im);
    sim_drop_handles(s);
    lay_aside(im);
    s->now.journal_floor = s->now.order_floor = s->now.seq;
    s->now.calm = images_rule_off(im, DISK_R18);
    s->now.fail_armed = 0;
    images_cuts_clear(im);
    start_hashes(im);
    for (uint32_t i = 0; i < im->regs.count; i++)
        reg_at(im, i)->chosen = 0;
    images_show(im);
}

void images_close(struct images *im)
{
    assert(im->open);
    disk_sim_rollback(&im->sim->disk, im->snapshot);
    im->open = false;
}

size_t images_registers(const struct images *im)
{
    return im->regs.count;
}
