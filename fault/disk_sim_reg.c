/* Registers: what is durable, what is pending behind it, and what a sync does to both.
 *
 *     base  <- v1 <- v2 <- v3          value that readers see: that of v3
 *     durable  limbo  pending
 *
 * A sync that was entered at micro-op u covers the newest version that is not in limbo,
 * not younger than u, and (zeros of a shrink under fdatasync) whose shrink it covers too.
 * That version becomes the base; what lies before it is gone, what lies behind stays. A
 * sync that fails puts the same versions into limbo instead. */
#include "fault/disk_sim_state.h"

static bool rule_off(const struct sim *s, enum disk_rule rule)
{
    return s->config.kinder & DISK_KINDER(rule);
}

/* ---- adding a version ---- */

static uint32_t reg_new(struct sim *s, enum sim_reg_kind kind, uint32_t owner,
                        uint32_t index, uint32_t base, uint32_t base_seq)
{
    uint32_t r = sim_alloc(s, POOL_REG);
    *sim_reg(s, r) = (struct sim_reg){
        .kind = kind, .owner = owner, .index = index, .base = base, .base_seq = base_seq};
    return r;
}

static uint32_t reg_put(struct sim *s, uint32_t reg, const struct sim_change *c)
{
    uint32_t v = sim_alloc(s, POOL_VERSION);
    *sim_version(s, v) = (struct sim_version){
        .seq = ++s->now.seq,
        .value = c->value,
        .needs_seq = c->needs_seq,
        .needs_cell = c->needs_cell,
        .lo = (uint16_t)c->lo,
        .hi = (uint16_t)c->hi,
        .site = c->site,
        .flags = c->flags,
    };
    struct sim_reg *r = sim_reg(s, reg);
    sim_set(s, r->last ? &sim_version(s, r->last)->next : &r->first, v);
    sim_set(s, &r->last, v);
    return s->now.seq;
}

uint32_t sim_put_chunk(struct sim *s, uint32_t inode, uint32_t index,
                       struct sim_slot *slot, const struct sim_change *c)
{
    struct sim_inode *in = sim_inode(s, inode);
    if (!slot->reg) {
        uint32_t r = reg_new(s, REG_CHUNK, inode, index, slot->content, 0);
        sim_reg(s, r)->next = in->regs;
        sim_set(s, &in->regs, r);
        sim_set(s, &slot->reg, r);
    }
    sim_slot_show(s, in, slot, c->value);
    return reg_put(s, slot->reg, c);
}

uint32_t sim_put_size(struct sim *s, uint32_t inode, const struct sim_change *c)
{
    struct sim_inode *in = sim_inode(s, inode);
    if (!in->size_reg)
        sim_set(s, &in->size_reg, reg_new(s, REG_SIZE, inode, 0, in->size, in->size_seq));
    sim_set(s, &in->size, c->value);
    return reg_put(s, in->size_reg, c);
}

uint32_t sim_put_entry(struct sim *s, uint32_t cell, const struct sim_change *c)
{
    struct sim_cell *e = sim_cell(s, cell);
    if (!e->reg) sim_set(s, &e->reg, reg_new(s, REG_ENTRY, cell, 0, e->inode, e->seq));
    sim_set(s, &e->inode, c->value);
    return reg_put(s, e->reg, c);
}

/* ---- covering and losing ---- */

/* The newest version that a sync covers; 0: none. Zeros of a shrink count when their
 * shrink is micro-op `zeros` or before. */
static uint32_t covered(const struct sim *s, const struct sim_reg *r, uint32_t upto,
                        uint32_t zeros)
{
    uint32_t found = 0;
    for (uint32_t v = r->first; v; v = sim_version(s, v)->next) {
        const struct sim_version *version = sim_version(s, v);
        if (version->seq > upto) break;
        if (version->flags & VERSION_LIMBO) continue;
        if (version->flags & VERSION_ZERO && version->needs_seq > zeros) continue;
        found = v;
    }
    return found;
}

/* The size that fdatasync covers: the last one beyond the durable size; 0: none (R3). */
static uint32_t covered_growth(const struct sim *s, const struct sim_reg *r,
                               uint32_t upto)
{
    uint32_t found = 0;
    for (uint32_t v = r->first; v; v = sim_version(s, v)->next) {
        const struct sim_version *version = sim_version(s, v);
        if (version->seq > upto) break;
        if (version->flags & VERSION_LIMBO) continue;
        if (version->value > r->base) found = v;
    }
    return found;
}

/* Makes v the base. True when nothing is pending behind it. */
static bool reg_advance(struct sim *s, struct sim_reg *r, uint32_t v)
{
    const struct sim_version *version = sim_version(s, v);
    sim_set(s, &r->base, version->value);
    sim_set(s, &r->base_seq, version->seq);
    sim_set(s, &r->first, version->next);
    if (!version->next) sim_set(s, &r->last, 0);
    return !version->next;
}

static void reg_lose(struct sim *s, struct sim_reg *r, uint32_t v)
{
    uint32_t end = sim_version(s, v)->next;
    for (uint32_t i = r->first; i != end; i = sim_version(s, i)->next) {
        uint32_t *flags = &sim_version(s, i)->flags;
        sim_set(s, flags, *flags | VERSION_LIMBO);
    }
}

/* Which zeros of shrinks go with a sync: all, or those whose shrink is durable. */
static uint32_t covered_zeros(const struct sim *s, const struct sim_inode *in,
                              uint32_t upto, bool data_only)
{
    if (!data_only || !in->size_reg) return upto;
    const struct sim_reg *r = sim_reg(s, in->size_reg);
    uint32_t v = covered_growth(s, r, upto);
    return v ? sim_version(s, v)->seq : r->base_seq;
}

static uint32_t covered_size(const struct sim *s, const struct sim_inode *in,
                             uint32_t upto, bool data_only)
{
    if (!in->size_reg) return 0;
    const struct sim_reg *r = sim_reg(s, in->size_reg);
    return data_only ? covered_growth(s, r, upto) : covered(s, r, upto, upto);
}

/* Takes a chunk register with nothing pending out of its inode's list. */
static void chunk_reg_drop(struct sim *s, uint32_t *link)
{
    const struct sim_reg *r = sim_reg(s, *link);
    struct sim_slot *slot = sim_slot(s, sim_inode(s, r->owner), r->index);
    sim_set(s, &slot->reg, 0);
    sim_set(s, link, r->next);
}

static void size_reg_drop(struct sim *s, struct sim_inode *in)
{
    sim_set(s, &in->size_seq, sim_reg(s, in->size_reg)->base_seq);
    sim_set(s, &in->size_reg, 0);
}

static void entry_reg_drop(struct sim *s, struct sim_cell *cell)
{
    sim_set(s, &cell->seq, sim_reg(s, cell->reg)->base_seq);
    sim_set(s, &cell->reg, 0);
}

void sim_inode_cover(struct sim *s, uint32_t inode, uint32_t upto, bool data_only)
{
    struct sim_inode *in = sim_inode(s, inode);
    if (upto > s->now.order_floor) s->now.order_floor = upto;
    uint32_t zeros = covered_zeros(s, in, upto, data_only);
    uint32_t v = covered_size(s, in, upto, data_only);
    if (v && reg_advance(s, sim_reg(s, in->size_reg), v)) size_reg_drop(s, in);
    uint32_t *link = &in->regs;
    while (*link) {
        struct sim_reg *r = sim_reg(s, *link);
        v = covered(s, r, upto, zeros);
        if (v && reg_advance(s, r, v))
            chunk_reg_drop(s, link);
        else
            link = &r->next;
    }
}

void sim_dir_cover(struct sim *s, uint32_t dir, uint32_t upto)
{
    if (upto > s->now.order_floor) s->now.order_floor = upto;
    for (uint32_t c = sim_inode(s, dir)->cells; c; c = sim_cell(s, c)->next) {
        struct sim_cell *cell = sim_cell(s, c);
        if (!cell->reg) continue;
        struct sim_reg *r = sim_reg(s, cell->reg);
        uint32_t v = covered(s, r, upto, upto);
        if (!v) continue;
        uint32_t seq = sim_version(s, v)->seq;
        if (seq > s->now.journal_floor) s->now.journal_floor = seq;
        if (reg_advance(s, r, v)) entry_reg_drop(s, cell);
    }
}

/* ---- a failed sync (R13) ---- */

static bool all_limbo(const struct sim *s, const struct sim_reg *r)
{
    return sim_version(s, r->last)->flags & VERSION_LIMBO;
}

/* The cache of btrfs goes back to what is durable, unless something newer is pending. */
static void show_durable(struct sim *s, uint32_t inode)
{
    struct sim_inode *in = sim_inode(s, inode);
    bool back = !in->size_reg || all_limbo(s, sim_reg(s, in->size_reg));
    for (uint32_t r = in->regs; r; r = sim_reg(s, r)->next)
        back = back && all_limbo(s, sim_reg(s, r));
    if (!back) return;
    if (in->size_reg) sim_set(s, &in->size, sim_reg(s, in->size_reg)->base);
    for (uint32_t i = in->regs; i; i = sim_reg(s, i)->next) {
        const struct sim_reg *r = sim_reg(s, i);
        uint32_t start = r->index << s->chunk_shift, content = SIM_HOLE;
        if (start < in->size) content = r->base;
        if (start < in->size && in->size - start < s->config.chunk_bytes)
            content = sim_content_cut(s, content, in->size - start);
        sim_slot_show(s, in, sim_slot(s, in, r->index), content);
    }
}

void sim_inode_lose(struct sim *s, uint32_t inode, uint32_t upto, bool data_only)
{
    if (rule_off(s, DISK_R13)) return;
    struct sim_inode *in = sim_inode(s, inode);
    uint32_t zeros = covered_zeros(s, in, upto, data_only);
    uint32_t v = covered_size(s, in, upto, data_only);
    if (v) reg_lose(s, sim_reg(s, in->size_reg), v);
    for (uint32_t r = in->regs; r; r = sim_reg(s, r)->next) {
        v = covered(s, sim_reg(s, r), upto, zeros);
        if (v) reg_lose(s, sim_reg(s, r), v);
    }
    if (s->config.cache == DISK_CACHE_OLD) show_durable(s, inode);
}

void sim_dir_lose(struct sim *s, uint32_t dir, uint32_t upto)
{
    if (rule_off(s, DISK_R13)) return;
    for (uint32_t c = sim_inode(s, dir)->cells; c; c = sim_cell(s, c)->next) {
        uint32_t reg = sim_cell(s, c)->reg;
        uint32_t v = reg ? covered(s, sim_reg(s, reg), upto, upto) : 0;
        if (v) reg_lose(s, sim_reg(s, reg), v);
    }
}

/* ---- settling ---- */

void sim_settle_chunk(struct sim *s, uint32_t reg, uint32_t value)
{
    const struct sim_reg *r = sim_reg(s, reg);
    struct sim_inode *in = sim_inode(s, r->owner);
    sim_slot_show(s, in, sim_slot(s, in, r->index), value);
    uint32_t *link = &in->regs;
    while (*link != reg)
        link = &sim_reg(s, *link)->next;
    chunk_reg_drop(s, link);
}

void sim_settle_size(struct sim *s, uint32_t inode, uint32_t value)
{
    struct sim_inode *in = sim_inode(s, inode);
    sim_set(s, &in->size, value);
    sim_set(s, &in->size_seq, s->now.seq);
    sim_set(s, &in->size_reg, 0);
}

void sim_settle_entry(struct sim *s, uint32_t cell, uint32_t value)
{
    struct sim_cell *c = sim_cell(s, cell);
    sim_set(s, &c->inode, value);
    sim_set(s, &c->seq, s->now.seq);
    sim_set(s, &c->reg, 0);
}

void sim_settle_inode(struct sim *s, uint32_t inode)
{
    struct sim_inode *in = sim_inode(s, inode);
    sim_settle_size(s, inode, in->size);
    while (in->regs)
        chunk_reg_drop(s, &in->regs);
    for (uint32_t c = in->cells; c; c = sim_cell(s, c)->next)
        sim_settle_entry(s, c, sim_cell(s, c)->inode);
}

void sim_settle_all(struct sim *s)
{
    s->now.journal_floor = s->now.order_floor = s->now.seq;
    sim_settle_inode(s, SIM_ROOT);
    for (uint32_t c = sim_inode(s, SIM_ROOT)->cells; c; c = sim_cell(s, c)->next) {
        uint32_t child = sim_cell(s, c)->inode;
        if (!child) continue;
        sim_settle_inode(s, child);
        for (uint32_t d = sim_inode(s, child)->cells; d; d = sim_cell(s, d)->next)
            if (sim_cell(s, d)->inode) sim_settle_inode(s, sim_cell(s, d)->inode);
    }
    for (uint32_t h = 1; h < s->now.used[POOL_HANDLE]; h++) {
        const struct sim_handle *handle = sim_item(s, POOL_HANDLE, h);
        if (handle->flags & HANDLE_OPEN) sim_settle_inode(s, handle->inode);
    }
}

void disk_sim_settle(struct disk *disk)
{
    sim_settle_all(sim_of(disk));
}
