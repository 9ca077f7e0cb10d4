/* The invariants of the simulated disk's structures, asserted one by one. */
#include "fault/disk_sim_state.h"

static void check_reg(const struct sim *s, uint32_t reg, enum sim_reg_kind kind,
                      uint32_t owner)
{
    const struct sim_reg *r = sim_reg(s, reg);
    assert(r->kind == kind && r->owner == owner);
    assert(r->first && r->last); /* without a version there is no register */
    uint32_t seq = r->base_seq;
    bool fresh = false; /* a version that no failed sync has lost was seen */
    for (uint32_t v = r->first; v; v = sim_version(s, v)->next) {
        const struct sim_version *version = sim_version(s, v);
        assert(version->seq > seq && version->seq <= s->now.seq);
        assert(version->needs_seq < version->seq);
        assert(version->lo <= version->hi && version->hi <= s->config.chunk_bytes);
        assert(!(fresh && version->flags & VERSION_LIMBO)); /* limbo is a prefix */
        fresh = !(version->flags & VERSION_LIMBO);
        seq = version->seq;
        if (!version->next) assert(v == r->last);
    }
}

static void check_page(const struct sim *s, uint32_t page, uint32_t height,
                       uint32_t *allocated, uint32_t *regs)
{
    const union sim_page *p = sim_page(s, page);
    for (uint32_t i = 0; height > 1 && i < SIM_INNER_CHILDREN; i++)
        if (p->child[i]) check_page(s, p->child[i], height - 1, allocated, regs);
    for (uint32_t i = 0; height == 1 && i < SIM_LEAF_SLOTS; i++) {
        *allocated += p->slot[i].content != SIM_HOLE;
        *regs += p->slot[i].reg != 0;
    }
}

/* Bytes beyond the end read zeros when the file grows: they must be zeros now. */
static void check_beyond_end(const struct sim *s, const struct sim_inode *in)
{
    uint32_t cut = in->size & (s->config.chunk_bytes - 1);
    const struct sim_slot *slot = sim_slot(s, in, in->size >> s->chunk_shift);
    for (uint32_t i = cut; slot && i < s->config.chunk_bytes; i++)
        assert(sim_bytes(s, slot->content)[i] == 0);
}

static void check_file(const struct sim *s, uint32_t inode)
{
    const struct sim_inode *in = sim_inode(s, inode);
    uint32_t allocated = 0, slots_with_reg = 0, regs = 0;
    if (in->root) check_page(s, in->root, in->height, &allocated, &slots_with_reg);
    assert(allocated == in->allocated);
    if (in->size_reg) check_reg(s, in->size_reg, REG_SIZE, inode);
    for (uint32_t r = in->regs; r; r = sim_reg(s, r)->next, regs++) {
        check_reg(s, r, REG_CHUNK, inode);
        assert(sim_slot(s, in, sim_reg(s, r)->index)->reg == r);
    }
    assert(regs == slots_with_reg);
    check_beyond_end(s, in);
}

static void check_dir(const struct sim *s, uint32_t dir)
{
    const char *before = "";
    for (uint32_t c = sim_inode(s, dir)->cells; c; c = sim_cell(s, c)->next) {
        const struct sim_cell *cell = sim_cell(s, c);
        assert(cell->dir == dir && strcmp(before, cell->name) < 0);
        assert(cell->length == strlen(cell->name));
        assert(cell->hash == sim_name_hash(cell->name, cell->length));
        assert(sim_cell_find(s, dir, cell->name) == c);
        before = cell->name;
        if (cell->reg) check_reg(s, cell->reg, REG_ENTRY, c);
        if (!cell->inode) continue;
        if (!sim_inode(s, cell->inode)->directory)
            check_file(s, cell->inode);
        else if (dir == SIM_ROOT)
            check_dir(s, cell->inode);
    }
}

static void check_handles(const struct sim *s)
{
    uint32_t open = 0;
    for (uint32_t h = 1; h < s->now.used[POOL_HANDLE]; h++) {
        const struct sim_handle *handle = sim_item(s, POOL_HANDLE, h);
        if (!(handle->flags & HANDLE_OPEN)) continue;
        open++;
        assert(handle->self == h && sim_inode(s, handle->inode)->opens > 0);
        if (handle->flags & HANDLE_LOCK) assert(sim_inode(s, handle->inode)->locked);
    }
    assert(open == s->now.handles);
}

void disk_sim_check(struct disk *disk)
{
    const struct sim *s = sim_of(disk);
    check_dir(s, SIM_ROOT);
    check_handles(s);
}
