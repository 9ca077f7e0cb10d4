/* Media damage, the power cut by way of images.h, and what is pending in a form for humans. */
#include "fault/disk_sim_state.h"
#include "fault/images.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- power cut ---- */

void disk_sim_power_cut(struct disk *disk, enum disk_sim_survivors survivors,
                        struct rng *rng)
{
    struct sim *s = sim_of(disk);
    struct images *im = images_new(s->mem);
    images_open(im, disk, s->config.profile, s->config.tau);
    images_keep(im, survivors, rng);
    images_free(im);
}

/* ---- media damage ---- */

static uint32_t damaged_copy(struct sim *s, uint32_t content, enum disk_sim_damage damage,
                             uint32_t byte, unsigned bit)
{
    uint8_t *bytes;
    content = sim_content_decided(s, content);
    uint32_t new = sim_content_new(s, &bytes);
    memcpy(bytes, sim_bytes(s, content), s->config.chunk_bytes);
    switch (damage) {
    case DISK_DAMAGE_FLIP: bytes[byte] ^= (uint8_t)(1u << bit); break;
    case DISK_DAMAGE_ZERO: memset(bytes, 0, s->config.chunk_bytes); break;
    case DISK_DAMAGE_STALE:
        memset(bytes, DISK_SIM_STALE_BYTE, s->config.chunk_bytes);
        break;
    case DISK_DAMAGE_EIO: sim_meta(s, new)->bad = s->now.bad = SIM_BAD; break;
    case DISK_DAMAGE_SWAP: break;
    }
    return new;
}

static void damage_slot(struct sim *s, struct sim_inode *in, struct sim_slot *slot,
                        uint32_t content)
{
    sim_slot_show(s, in, slot, content);
    if (slot->reg) sim_set(s, &sim_reg(s, slot->reg)->base, content);
}

/* Bytes beyond the size are zeros in the last chunk, whatever happens to it. */
static void damage_chunk(struct sim *s, uint32_t inode, uint32_t index, uint32_t content)
{
    struct sim_inode *in = sim_inode(s, inode);
    struct sim_slot *slot = sim_slot_make(s, inode, index);
    uint32_t room = in->size - (index << s->chunk_shift);
    if (room < s->config.chunk_bytes) content = sim_content_cut(s, content, room);
    damage_slot(s, in, slot, content);
}

int disk_sim_damage(struct disk *disk, const char *dir, const char *name,
                    enum disk_sim_damage damage, uint64_t offset, uint64_t arg)
{
    struct sim *s = sim_of(disk);
    uint32_t d = strcmp(dir, ".") ? sim_lookup(s, SIM_ROOT, dir) : SIM_ROOT;
    uint32_t inode = d && sim_inode(s, d)->directory ? sim_lookup(s, d, name) : 0;
    if (!inode || sim_inode(s, inode)->directory) return -ENOENT;
    uint32_t size = sim_inode(s, inode)->size;
    if (offset >= size || (damage == DISK_DAMAGE_SWAP && arg >= size)) return -EINVAL;
    if (s->config.kinder & DISK_KINDER(DISK_R17)) return 0;
    uint32_t a = (uint32_t)offset >> s->chunk_shift, b = (uint32_t)arg >> s->chunk_shift;
    uint32_t content = sim_slot_make(s, inode, a)->content;
    if (damage == DISK_DAMAGE_SWAP) {
        uint32_t other = sim_slot_make(s, inode, b)->content;
        damage_chunk(s, inode, a, other);
        damage_chunk(s, inode, b, content);
        return 0;
    }
    uint32_t byte = (uint32_t)offset & (s->config.chunk_bytes - 1);
    damage_chunk(s, inode, a, damaged_copy(s, content, damage, byte, (unsigned)arg & 7));
    return 0;
}

/* ---- what is pending, for humans ---- */

struct listing {
    struct sim *s;
    struct disk_sim_op *op;
    size_t count, size;
};

static struct disk_sim_op *listing_add(struct listing *l)
{
    if (l->count == l->size) {
        l->size = l->size ? l->size * 2 : 64;
        l->op = mem_resize(l->s->mem, l->op, l->size * sizeof *l->op);
        assert(l->op);
    }
    return &l->op[l->count++];
}

static void list_reg(struct listing *l, uint32_t reg, const char *dir, const char *name)
{
    struct sim *s = l->s;
    const struct sim_reg *r = sim_reg(s, reg);
    for (uint32_t i = r->first; i; i = sim_version(s, i)->next) {
        const struct sim_version *v = sim_version(s, i);
        struct disk_sim_op *op = listing_add(l);
        *op = (struct disk_sim_op){
            .seq = v->seq,
            .kind = r->kind == REG_CHUNK  ? DISK_PENDING_CHUNK
                    : r->kind == REG_SIZE ? DISK_PENDING_SIZE
                                          : DISK_PENDING_ENTRY,
            .site = (enum site)v->site,
            .dir = dir,
            .name = name,
            .inode = r->kind == REG_ENTRY ? v->value : r->owner,
            .offset =
                r->kind == REG_CHUNK ? (uint64_t)r->index << s->chunk_shift : v->value,
            .lo = v->lo,
            .hi = v->hi,
            .dir_inode = r->kind == REG_ENTRY ? sim_cell(s, r->owner)->dir : 0,
            .bytes = r->kind == REG_CHUNK ? sim_bytes(s, v->value) : NULL,
            .directory = r->kind == REG_ENTRY && sim_inode(s, v->value)->directory,
            .needs = v->needs_seq,
            .zero = v->flags & VERSION_ZERO,
            .limbo = v->flags & VERSION_LIMBO,
        };
    }
}

static void list_inode(struct listing *l, uint32_t inode, const char *dir,
                       const char *name, uint8_t *seen);

/* Every file that some version of the entry names. */
static void list_entry(struct listing *l, uint32_t c, const char *dir, uint8_t *seen)
{
    const struct sim_cell *cell = sim_cell(l->s, c);
    list_inode(l, cell->inode, dir, cell->name, seen);
    if (!cell->reg) return;
    list_reg(l, cell->reg, dir, cell->name);
    const struct sim_reg *r = sim_reg(l->s, cell->reg);
    list_inode(l, r->base, dir, cell->name, seen);
    for (uint32_t v = r->first; v; v = sim_version(l->s, v)->next)
        list_inode(l, sim_version(l->s, v)->value, dir, cell->name, seen);
}

static void list_inode(struct listing *l, uint32_t inode, const char *dir,
                       const char *name, uint8_t *seen)
{
    if (!inode || seen[inode]) return;
    seen[inode] = 1;
    const struct sim_inode *in = sim_inode(l->s, inode);
    for (uint32_t c = in->cells; c; c = sim_cell(l->s, c)->next)
        list_entry(l, c, inode == SIM_ROOT ? "." : name, seen);
    if (in->size_reg) list_reg(l, in->size_reg, dir, name);
    for (uint32_t r = in->regs; r; r = sim_reg(l->s, r)->next)
        list_reg(l, r, dir, name);
}

/* Files that are open and have no name in any version. */
static void list_unnamed(struct listing *l, uint8_t *seen)
{
    for (uint32_t h = 1; h < l->s->now.used[POOL_HANDLE]; h++) {
        const struct sim_handle *handle = sim_item(l->s, POOL_HANDLE, h);
        if (handle->flags & HANDLE_OPEN) list_inode(l, handle->inode, "", "", seen);
    }
}

static int by_seq(const void *a, const void *b)
{
    uint32_t x = ((const struct disk_sim_op *)a)->seq;
    uint32_t y = ((const struct disk_sim_op *)b)->seq;
    return (x > y) - (x < y);
}

int disk_sim_pending(struct disk *disk, disk_sim_op_fn *fn, void *arg)
{
    struct listing l = {.s = sim_of(disk)};
    uint8_t *seen = mem_zalloc(l.s->mem, l.s->now.used[POOL_INODE]);
    assert(seen);
    list_inode(&l, SIM_ROOT, ".", ".", seen);
    list_unnamed(&l, seen);
    if (l.count) qsort(l.op, l.count, sizeof *l.op, by_seq);
    int e = 0;
    for (size_t i = 0; i < l.count && !e; i++)
        e = fn(arg, &l.op[i]);
    mem_free(l.s->mem, l.op);
    mem_free(l.s->mem, seen);
    return e;
}

/* ---- what is durable ---- */

struct names {
    struct sim *s;
    disk_sim_name_fn *fn;
    void *arg;
    uint8_t *seen; /* directories, by inode */
};

static int durable_names(struct names *n, uint32_t dir);

/* A directory that some version of an entry names. */
static int durable_below(struct names *n, uint32_t inode)
{
    return inode && sim_inode(n->s, inode)->directory ? durable_names(n, inode) : 0;
}

static int durable_names(struct names *n, uint32_t dir)
{
    struct sim *s = n->s;
    int e = 0;
    if (n->seen[dir]) return 0;
    n->seen[dir] = 1;
    for (uint32_t c = sim_inode(s, dir)->cells; !e && c; c = sim_cell(s, c)->next) {
        const struct sim_cell *cell = sim_cell(s, c);
        uint32_t inode = cell->reg ? sim_reg(s, cell->reg)->base : cell->inode;
        if (inode)
            e = n->fn(n->arg, dir, cell->name, inode, sim_inode(s, inode)->directory);
        if (!e) e = durable_below(n, inode);
        uint32_t v = cell->reg ? sim_reg(s, cell->reg)->first : 0;
        for (; !e && v; v = sim_version(s, v)->next)
            e = durable_below(n, sim_version(s, v)->value);
    }
    return e;
}

int disk_sim_durable_names(struct disk *disk, disk_sim_name_fn *fn, void *arg)
{
    struct sim *s = sim_of(disk);
    struct names n = {s, fn, arg, mem_zalloc(s->mem, s->now.used[POOL_INODE])};
    assert(n.seen);
    int e = durable_names(&n, SIM_ROOT);
    mem_free(s->mem, n.seen);
    return e;
}

uint64_t disk_sim_durable_size(struct disk *disk, uint32_t inode)
{
    const struct sim *s = sim_of(disk);
    const struct sim_inode *in = sim_inode(s, inode);
    return in->size_reg ? sim_reg(s, in->size_reg)->base : in->size;
}

void disk_sim_durable_bytes(struct disk *disk, uint32_t inode, uint64_t offset,
                            uint8_t *buf, size_t n)
{
    const struct sim *s = sim_of(disk);
    for (size_t i = 0; i < n; i++) {
        uint32_t at = (uint32_t)(offset + i);
        const struct sim_slot *slot =
            sim_slot(s, sim_inode(s, inode), at >> s->chunk_shift);
        uint32_t content = SIM_HOLE;
        if (slot) content = slot->reg ? sim_reg(s, slot->reg)->base : slot->content;
        buf[i] = sim_bytes(s, content)[at & (s->config.chunk_bytes - 1)];
    }
}

uint32_t disk_sim_inode(struct disk *disk, const char *dir, const char *name)
{
    const struct sim *s = sim_of(disk);
    uint32_t d = strcmp(dir, ".") ? sim_lookup(s, SIM_ROOT, dir) : SIM_ROOT;
    return d ? sim_lookup(s, d, name) : 0;
}

void disk_sim_spare(struct disk *disk, uint32_t rules)
{
    sim_of(disk)->config.spared = rules;
}

uint32_t disk_sim_floor(const struct disk *disk, enum disk_profile profile)
{
    const struct sim *s = (const struct sim *)disk;
    if (profile == DISK_J) return s->now.journal_floor;
    return profile == DISK_O ? s->now.order_floor : 0;
}

int disk_sim_op_text(const struct disk_sim_op *op, char *buf, size_t n)
{
    const char *limbo = op->limbo ? ", in limbo" : "";
    const char *dir = op->dir, *name = *op->name ? op->name : "an unnamed file";
    switch (op->kind) {
    case DISK_PENDING_CHUNK:
        return snprintf(buf, n, "#%u %s: %s at %llu of %s/%s [%u,%u)%s", op->seq,
                        site_name(op->site), op->zero ? "zeros" : "chunk",
                        (unsigned long long)op->offset, dir, name, op->lo, op->hi, limbo);
    case DISK_PENDING_SIZE:
        return snprintf(buf, n, "#%u %s: size %llu of %s/%s%s", op->seq,
                        site_name(op->site), (unsigned long long)op->offset, dir, name,
                        limbo);
    default:
        return snprintf(buf, n, "#%u %s: %s/%s %s%s", op->seq, site_name(op->site), dir,
                        name, op->inode ? "names a file" : "is removed", limbo);
    }
}
