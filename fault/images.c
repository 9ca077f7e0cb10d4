/* The window: which registers it has, which options each has, and how a choice gets onto
 * the disk.
 *
 * images_open takes a snapshot and then writes choices straight into slots, sizes and
 * entries without remembering old values: opening has put every word that a choice can
 * change on the undo list once, and that is all a rollback needs. */
#include "fault/images_state.h"

#include <errno.h>
#include <stdio.h>
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
    struct list *all[] = {&im->regs,    &im->options, &im->files,   &im->links,
                          &im->file_of, &im->room,    &im->cuts,    &im->points,
                          &im->tuples,  &im->groups,  &im->members, &im->digits};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mem_free(im->mem, all[i]->item);
    mem_free(im->mem, im);
}

/* ---- the profile ---- */

bool images_rule_off(const struct images *im, enum disk_rule rule)
{
    return im->sim->config.kinder & DISK_KINDER(rule);
}

bool images_names_in_order(const struct images *im)
{
    return im->profile == DISK_J || images_rule_off(im, DISK_R9);
}

bool images_renames_coupled(const struct images *im)
{
    return im->profile != DISK_V;
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
    if (start + chunk > grown_from) {
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
        if (images_rule_off(im, DISK_R6)) continue;
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

/* The content of an option; made when it is first shown. */
static uint32_t option_content(struct images *im, struct option *o)
{
    struct sim *s = im->sim;
    if (o->value || o->kind == OPTION_VERSION) return o->value;
    const struct sim_version *v = sim_version(s, o->version);
    switch (o->kind) {
    case OPTION_STALE: o->value = sim_content_stale(s, o->before, 0, o->tear); break;
    case OPTION_SPOILED: o->value = sim_content_stale(s, o->before, v->lo, v->hi); break;
    default: o->value = sim_content_torn(s, o->before, v, o->tear); break;
    }
    return o->value;
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
        bool grown = im->profile == DISK_V && most > durable &&
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
    uint32_t size_reg = sim_inode(im->sim, f->inode)->size_reg;
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
    im->cuts.count = 0;
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

/* ---- which choices are legal ---- */

void images_size(const struct images *im, const struct image_file *f, uint32_t *size,
                 uint32_t *seq)
{
    const struct sim_inode *in = sim_inode(im->sim, f->inode);
    *size = in->size;
    *seq = in->size_seq;
    if (f->size_reg == NO_REG) return;
    const struct option *o = chosen_option(im, reg_at(im, f->size_reg));
    *size = o->value;
    *seq = o->seq;
}

bool images_coupled(const struct images *im, const struct image_reg *r,
                    const struct option *o)
{
    if (!o->needs_seq) return true;
    if (r->kind == REG_ENTRY) {
        if (!images_renames_coupled(im)) return true;
        const struct image_reg *other = reg_at(im, o->needs_reg);
        return chosen_option(im, other)->seq >= o->needs_seq;
    }
    uint32_t size, seq;
    images_size(im, file_at(im, r->file), &size, &seq);
    return seq >= o->needs_seq;
}

/* R10 switched off: for each rename either both halves have survived or neither. */
static bool rename_whole(const struct images *im, const struct image_reg *r)
{
    for (uint32_t n = 0; n < r->whole; n++) {
        const struct option *o = option_at(im, r, n);
        if (!o->needs_seq) continue;
        bool second = chosen_option(im, r)->seq >= o->seq;
        bool first = chosen_option(im, reg_at(im, o->needs_reg))->seq >= o->needs_seq;
        if (first != second) return false;
    }
    return true;
}

bool images_entry_legal(const struct images *im, const struct image_reg *r)
{
    if (images_renames_atomic(im) && !rename_whole(im, r)) return false;
    return images_coupled(im, r, chosen_option(im, r));
}

/* True when micro-op `seq` is the first half of a rename whose second half is pending. */
static bool first_half(const struct images *im, uint32_t seq)
{
    for (uint32_t i = 0; i < im->entries; i++)
        for (uint32_t n = 0; n < reg_at(im, i)->whole; n++)
            if (option_at(im, reg_at(im, i), n)->needs_seq == seq) return true;
    return false;
}

/* The last option that a cut after `point` leaves of an entry change; 0: none. */
static uint32_t entry_at(const struct images *im, const struct image_reg *r,
                         uint32_t point)
{
    uint32_t found = 0;
    for (uint32_t n = 1; n < r->whole; n++) {
        const struct option *o = option_at(im, r, n);
        if (!o->limbo && o->seq <= point) found = n;
    }
    return found;
}

static bool names_are_prefix(const struct images *im)
{
    uint32_t point = im->journal_floor;
    for (uint32_t i = 0; i < im->entries; i++) {
        const struct option *o = chosen_option(im, reg_at(im, i));
        if (reg_at(im, i)->chosen && !o->limbo && o->seq > point) point = o->seq;
    }
    if (point > im->journal_floor && first_half(im, point)) return false;
    for (uint32_t i = 0; i < im->entries; i++) {
        const struct image_reg *r = reg_at(im, i);
        uint32_t forced = entry_at(im, r, point);
        if (forced ? r->chosen != forced : !images_entry_legal(im, r)) return false;
    }
    return true;
}

/* O: everything up to some micro-op, nothing after it. */
static bool all_in_order(struct images *im)
{
    uint32_t point = im->order_floor;
    for (uint32_t i = 0; i < im->regs.count; i++) {
        const struct image_reg *r = reg_at(im, i);
        if (r->chosen >= r->whole) return false;
        if (r->chosen && chosen_option(im, r)->seq > point)
            point = chosen_option(im, r)->seq;
    }
    if (point > im->order_floor && first_half(im, point)) return false;
    for (uint32_t i = 0; i < im->regs.count; i++) {
        uint32_t chosen = reg_at(im, i)->chosen;
        images_choose_one(im, reg_at(im, i), point);
        bool same = reg_at(im, i)->chosen == chosen;
        reg_at(im, i)->chosen = chosen;
        if (!same) return false;
    }
    return true;
}

bool images_legal(struct images *im)
{
    if (im->profile == DISK_O) return all_in_order(im);
    if (images_names_in_order(im) && !names_are_prefix(im)) return false;
    unsigned torn = 0;
    for (uint32_t i = 0; i < im->regs.count; i++) {
        const struct image_reg *r = reg_at(im, i);
        if (r->kind == REG_ENTRY && !images_names_in_order(im)) {
            if (!images_entry_legal(im, r)) return false;
        } else if (r->kind == REG_CHUNK) {
            if (!images_coupled(im, r, chosen_option(im, r))) return false;
            torn += r->chosen >= r->whole;
        }
    }
    return torn <= im->tau;
}

/* ---- prefixes ---- */

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void images_cut_points(struct images *im)
{
    bool ordered = im->profile == DISK_O;
    uint32_t floor = ordered ? im->order_floor : im->journal_floor;
    uint32_t regs = ordered ? im->regs.count : im->entries;
    im->points.count = 0;
    *u32_at(&im->points, list_add(im, &im->points, sizeof(uint32_t))) = floor;
    for (uint32_t i = 0; i < regs; i++) {
        const struct image_reg *r = reg_at(im, i);
        for (uint32_t n = 1; n < r->whole; n++) {
            const struct option *o = option_at(im, r, n);
            if (o->kind != OPTION_VERSION || (o->limbo && !ordered)) continue;
            if (o->seq <= floor || first_half(im, o->seq)) continue;
            *u32_at(&im->points, list_add(im, &im->points, sizeof(uint32_t))) = o->seq;
        }
    }
    qsort(im->points.item, im->points.count, sizeof(uint32_t), by_value);
}

void images_choose_one(const struct images *im, struct image_reg *r, uint32_t point)
{
    r->chosen = 0;
    for (uint32_t n = 1; n < r->whole; n++) {
        const struct option *o = option_at(im, r, n);
        if (o->kind == OPTION_VERSION && o->seq <= point) r->chosen = n;
    }
}

void images_choose_prefix(struct images *im, uint32_t point, bool entries_only)
{
    for (uint32_t i = 0; i < (entries_only ? im->entries : im->regs.count); i++) {
        struct image_reg *r = reg_at(im, i);
        if (entries_only)
            r->chosen = entry_at(im, r, point);
        else
            images_choose_one(im, r, point);
    }
}

/* ---- showing a choice ---- */

struct image_cut {
    uint32_t content, cut, result;
};

/* The content with zeros from `cut` on, made once per window. */
static uint32_t cut_content(struct images *im, uint32_t content, uint32_t cut)
{
    struct image_cut *c = im->cuts.item;
    for (uint32_t i = im->cuts.count; i-- > 0;)
        if (c[i].content == content && c[i].cut == cut) return c[i].result;
    uint32_t result = sim_content_cut(im->sim, content, cut);
    uint32_t i = list_add(im, &im->cuts, sizeof *c);
    ((struct image_cut *)im->cuts.item)[i] = (struct image_cut){content, cut, result};
    return result;
}

void images_show_chunk(struct images *im, struct image_reg *r)
{
    struct sim *s = im->sim;
    struct image_file *f = file_at(im, r->file);
    struct sim_inode *in = sim_inode(s, f->inode);
    uint32_t start = r->index << s->chunk_shift, content = SIM_HOLE;
    if (start < in->size) content = option_content(im, option_at(im, r, r->chosen));
    if (start < in->size && in->size - start < s->config.chunk_bytes && content)
        content = cut_content(im, content, in->size - start);
    if (content == r->shown) return;
    struct sim_hash term = sim_hash_chunk(sim_hash_content(s, content), r->index);
    f->sum = sim_hash_add(sim_hash_sub(f->sum, r->term), term);
    r->term = term;
    if (!content != !r->shown) in->allocated += content ? 1 : (uint32_t)-1;
    r->shown = content;
    r->slot->content = content;
}

void images_show_size(struct images *im, struct image_file *f)
{
    uint32_t size, seq;
    images_size(im, f, &size, &seq);
    sim_inode(im->sim, f->inode)->size = size;
    for (uint32_t i = f->from; i < f->to; i++)
        images_show_chunk(im, reg_at(im, i));
}

void images_show_file_hash(struct images *im, struct image_file *f)
{
    im->hash = sim_hash_sub(im->hash, f->term);
    f->term = (struct sim_hash){{0, 0}};
    if (!f->names) return;
    struct sim_hash file = sim_hash_file(f->sum, sim_inode(im->sim, f->inode)->size);
    struct sim_hash sum = {{0, 0}};
    for (uint32_t i = f->first_link; i;) {
        const struct image_link *link = (struct image_link *)im->links.item + i - 1;
        f->term = sim_hash_add(f->term, sim_hash_entry(link->name, file));
        sum = sim_hash_add(sum, link->name);
        i = link->next;
    }
    if (f->names > 1) f->term = sim_hash_add(f->term, sim_hash_links(sum));
    im->hash = sim_hash_add(im->hash, f->term);
}

static void link_names(struct images *im, uint32_t dir, struct sim_hash path)
{
    struct sim *s = im->sim;
    for (uint32_t c = sim_inode(s, dir)->cells; c; c = sim_cell(s, c)->next) {
        const struct sim_cell *cell = sim_cell(s, c);
        if (!cell->inode) continue;
        struct sim_hash name = sim_hash_name(path, cell->hash, cell->name, cell->length);
        if (sim_inode(s, cell->inode)->directory) {
            im->hash = sim_hash_add(im->hash, sim_hash_directory(name));
            link_names(im, cell->inode, name);
            continue;
        }
        struct image_file *f = file_at(im, *u32_at(&im->file_of, cell->inode) - 1);
        uint32_t i = list_add(im, &im->links, sizeof(struct image_link));
        ((struct image_link *)im->links.item)[i] =
            (struct image_link){name, f->first_link};
        f->first_link = i + 1;
        f->names++;
    }
}

void images_show_names(struct images *im)
{
    for (uint32_t i = 0; i < im->entries; i++) {
        const struct image_reg *r = reg_at(im, i);
        sim_cell(im->sim, r->owner)->inode = chosen_option(im, r)->value;
    }
    im->hash = (struct sim_hash){{0, 0}};
    im->links.count = 0;
    for (uint32_t i = 0; i < im->files.count; i++) {
        struct image_file *f = file_at(im, i);
        f->names = f->first_link = 0;
        f->term = (struct sim_hash){{0, 0}};
    }
    link_names(im, SIM_ROOT, (struct sim_hash){{0, 0}});
    for (uint32_t i = 0; i < im->files.count; i++)
        images_show_file_hash(im, file_at(im, i));
}

void images_show(struct images *im)
{
    for (uint32_t i = 0; i < im->files.count; i++)
        images_show_size(im, file_at(im, i));
    images_show_names(im);
}

int images_visit(struct images *im, uint64_t weight, image_fn *fn, void *arg)
{
    struct disk *disk = &im->sim->disk;
    struct image image = {im, {im->hash.w[0], im->hash.w[1]}, weight};
    unsigned snapshot = disk_sim_snapshot(disk);
    int e = fn(arg, disk, &image);
    disk_sim_rollback(disk, snapshot);
    return e;
}

/* ---- the fates as text ---- */

static uint32_t last_version(const struct images *im, const struct image_reg *r)
{
    uint32_t last = 0;
    for (uint32_t n = 0; n < r->whole; n++)
        if (option_at(im, r, n)->kind == OPTION_VERSION) last = n;
    return last;
}

static uint32_t reference(const struct images *im, const struct image_reg *r, bool all)
{
    return all ? last_version(im, r) : 0;
}

/* True when nobody can see what the register came out as, and the reference is legal. */
static bool unseen(const struct images *im, const struct image_reg *r, bool all)
{
    if (r->kind == REG_ENTRY || im->profile == DISK_O) return false;
    const struct image_file *f = file_at(im, r->file);
    uint32_t size = sim_inode(im->sim, f->inode)->size;
    if (r->kind == REG_SIZE || r->index << im->sim->chunk_shift < size) return false;
    return images_coupled(im, r, option_at(im, r, reference(im, r, all)));
}

static int describe(const struct images *im, bool all, char *buf, size_t n)
{
    int length = snprintf(buf, n, "%c", all ? '+' : '-');
    const char *comma = "";
    for (uint32_t i = 0; i < im->regs.count; i++) {
        const struct image_reg *r = reg_at(im, i);
        if (r->chosen == reference(im, r, all) || unseen(im, r, all)) continue;
        size_t used = (size_t)length < n ? (size_t)length : n;
        length += snprintf(buf + used, n - used, "%s%u.%u", comma, i, r->chosen);
        comma = ",";
    }
    return length;
}

int images_describe(const struct images *im, char *buf, size_t n)
{
    bool all = describe(im, true, NULL, 0) < describe(im, false, NULL, 0);
    return describe(im, all, buf, n);
}

static bool parse(struct images *im, const char *text)
{
    if (*text != '+' && *text != '-') return false;
    for (uint32_t i = 0; i < im->regs.count; i++)
        reg_at(im, i)->chosen = reference(im, reg_at(im, i), *text == '+');
    for (text++; *text;) {
        char *end;
        unsigned long reg = strtoul(text, &end, 10);
        if (end == text || *end != '.' || reg >= im->regs.count) return false;
        text = end + 1;
        unsigned long option = strtoul(text, &end, 10);
        struct image_reg *r = reg_at(im, (uint32_t)reg);
        if (end == text || option >= r->whole + r->torn) return false;
        r->chosen = (uint32_t)option;
        text = *end == ',' ? end + 1 : end;
        if (*end && *end != ',') return false;
    }
    return true;
}

int images_replay(struct images *im, const char *text, image_fn *fn, void *arg)
{
    assert(im->open);
    if (!parse(im, text) || !images_legal(im)) return -EINVAL;
    images_show(im);
    return images_visit(im, 1, fn, arg);
}

/* ---- explaining ---- */

static const char *option_words(const struct option *o)
{
    switch (o->kind) {
    case OPTION_STALE: return "stale bytes where the file grew";
    case OPTION_SPOILED: return "with the rest of its sector spoiled";
    case OPTION_TORN: return "torn";
    default: return o->version ? "whole" : "what was durable";
    }
}

static int explain_reg(const struct images *im, const struct image_reg *r, char *buf,
                       size_t n)
{
    const struct sim *s = im->sim;
    bool entry = r->kind == REG_ENTRY;
    const struct sim_cell *cell =
        sim_cell(s, entry ? r->owner : file_at(im, r->file)->cell);
    const struct option *o = chosen_option(im, r);
    char what[64] = "";
    if (r->kind == REG_CHUNK)
        snprintf(what, sizeof what, " chunk at %u", r->index << s->chunk_shift);
    if (r->kind == REG_SIZE) snprintf(what, sizeof what, " size %u", o->value);
    if (entry && !o->value) snprintf(what, sizeof what, " absent");
    int length = snprintf(buf, n, "%s%s: %s", cell->name, what, option_words(o));
    if (!o->version) return length;
    size_t used = (size_t)length < n ? (size_t)length : n;
    return length + snprintf(buf + used, n - used, ", #%u of %s", o->seq,
                             site_name((enum site)sim_version(s, o->version)->site));
}

int images_explain(const struct images *im, int (*line)(void *arg, const char *text),
                   void *arg)
{
    char text[DISK_NAME_MAX + 160];
    for (uint32_t i = 0; i < im->regs.count; i++) {
        explain_reg(im, reg_at(im, i), text, sizeof text);
        int e = line(arg, text);
        if (e) return e;
    }
    return 0;
}
