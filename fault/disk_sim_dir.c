/* Names: a directory is a list of cells in byte order, each a register of its own.
 *
 * Directories lie below the root only, as disk.h has it; files lie in either. The order
 * of checks is the kernel's, so that errno agrees with the posix disk. */
#include "fault/disk_sim_state.h"

#include <errno.h>

static bool rule_off(const struct sim *s, enum disk_rule rule)
{
    return s->config.kinder & DISK_KINDER(rule);
}

/* ---- cells ---- */

/* Eight bytes at a time: names are looked up dozens of times in each recovery, and a wrong
 * guess costs one comparison. */
uint32_t sim_name_hash(const char *name, size_t length)
{
    uint64_t h = length, word = 0;
    for (; length >= sizeof word; name += sizeof word, length -= sizeof word) {
        memcpy(&word, name, sizeof word);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    word = 0;
    for (size_t i = 0; i < length; i++)
        word = word << 8 | (uint8_t)name[i];
    h = (h ^ word) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h ^ h >> 32);
}

static uint32_t bucket_of(uint32_t dir, uint32_t hash)
{
    return (hash ^ hash >> 16 ^ dir) & (SIM_BUCKETS - 1);
}

uint32_t sim_cell_find(const struct sim *s, uint32_t dir, const char *name)
{
    size_t length = strlen(name);
    uint32_t hash = sim_name_hash(name, length);
    for (uint32_t c = s->bucket[bucket_of(dir, hash)]; c; c = sim_cell(s, c)->alike) {
        const struct sim_cell *cell = sim_cell(s, c);
        if (cell->hash == hash && cell->dir == dir && cell->length == length &&
            !memcmp(cell->name, name, length))
            return c;
    }
    return 0;
}

void sim_cell_index(struct sim *s, uint32_t c)
{
    struct sim_cell *cell = sim_cell(s, c);
    uint32_t *first = &s->bucket[bucket_of(cell->dir, cell->hash)];
    cell->alike = *first;
    sim_set(s, first, c);
}

static uint32_t cell_new(struct sim *s, uint32_t dir, const char *name)
{
    uint32_t c = sim_alloc(s, POOL_CELL);
    struct sim_cell *cell = sim_cell(s, c);
    size_t length = strlen(name);
    assert(length && length <= DISK_NAME_MAX);
    *cell = (struct sim_cell){
        .dir = dir, .hash = sim_name_hash(name, length), .length = (uint32_t)length};
    memcpy(cell->name, name, length);
    struct sim_hash text = sim_hash_text(name, length);
    memcpy(cell->text, text.w, sizeof cell->text);
    uint32_t *link = &sim_inode(s, dir)->cells;
    while (*link && strcmp(sim_cell(s, *link)->name, name) < 0)
        link = &sim_cell(s, *link)->next;
    cell->next = *link;
    sim_set(s, link, c);
    sim_cell_index(s, c);
    return c;
}

static uint32_t cell_make(struct sim *s, uint32_t dir, const char *name)
{
    uint32_t c = sim_cell_find(s, dir, name);
    return c ? c : cell_new(s, dir, name);
}

uint32_t sim_lookup(const struct sim *s, uint32_t dir, const char *name)
{
    uint32_t c = sim_cell_find(s, dir, name);
    return c ? sim_cell(s, c)->inode : 0;
}

bool sim_dir_empty(const struct sim *s, uint32_t dir)
{
    for (uint32_t c = sim_inode(s, dir)->cells; c; c = sim_cell(s, c)->next)
        if (sim_cell(s, c)->inode) return false;
    return true;
}

static uint32_t entry_put(struct sim *s, uint32_t cell, uint32_t inode, enum site site)
{
    struct sim_change c = {.value = inode, .site = site};
    return sim_put_entry(s, cell, &c);
}

static void entry_remove(struct sim *s, uint32_t cell, enum site site)
{
    entry_put(s, cell, 0, site);
    if (rule_off(s, DISK_R12)) sim_settle_entry(s, cell, 0);
}

/* ---- directories ---- */

int sim_dir_mkdir(struct sim *s, const char *name, enum site site)
{
    if (sim_lookup(s, SIM_ROOT, name)) return -EEXIST;
    entry_put(s, cell_make(s, SIM_ROOT, name), sim_inode_new(s, true), site);
    return 0;
}

int sim_dir_rmdir(struct sim *s, const char *name, enum site site)
{
    uint32_t inode = sim_lookup(s, SIM_ROOT, name);
    if (!inode) return -ENOENT;
    if (!sim_inode(s, inode)->directory) return -ENOTDIR;
    if (!sim_dir_empty(s, inode)) return -ENOTEMPTY;
    sim_set(s, &sim_inode(s, inode)->removed, 1);
    entry_remove(s, sim_cell_find(s, SIM_ROOT, name), site);
    return 0;
}

/* ---- names of files ---- */

/* Whether `inode` may take the place of `old` (0: nothing) under a name. */
static int may_replace(const struct sim *s, uint32_t inode, uint32_t old)
{
    if (!old) return 0;
    bool directory = sim_inode(s, inode)->directory;
    if (sim_inode(s, old)->directory != directory) return directory ? -ENOTDIR : -EISDIR;
    return directory && !sim_dir_empty(s, old) ? -ENOTEMPTY : 0;
}

int sim_dir_rename(struct sim *s, uint32_t dir, const char *from, const char *to,
                   enum site site)
{
    uint32_t inode = sim_lookup(s, dir, from), old = sim_lookup(s, dir, to);
    if (!inode) return -ENOENT;
    if (old == inode) return 0;
    int e = may_replace(s, inode, old);
    if (e) return e;
    if (rule_off(s, DISK_R11)) sim_settle_inode(s, inode);
    if (old && sim_inode(s, old)->directory) sim_set(s, &sim_inode(s, old)->removed, 1);
    uint32_t target = cell_make(s, dir, to);
    struct sim_change gone = {.needs_seq = entry_put(s, target, inode, site),
                              .needs_cell = target,
                              .site = site};
    sim_put_entry(s, sim_cell_find(s, dir, from), &gone);
    return 0;
}

int sim_dir_link(struct sim *s, uint32_t dir, const char *name, uint32_t to_dir,
                 const char *to, enum site site)
{
    uint32_t inode = sim_lookup(s, dir, name);
    if (!inode) return -ENOENT;
    if (sim_lookup(s, to_dir, to)) return -EEXIST;
    if (sim_inode(s, to_dir)->removed) return -ENOENT;
    if (sim_inode(s, inode)->directory) return -EPERM;
    entry_put(s, cell_make(s, to_dir, to), inode, site);
    return 0;
}

int sim_dir_unlink(struct sim *s, uint32_t dir, const char *name, enum site site)
{
    uint32_t inode = sim_lookup(s, dir, name);
    if (!inode) return -ENOENT;
    if (sim_inode(s, inode)->directory) return -EISDIR;
    entry_remove(s, sim_cell_find(s, dir, name), site);
    return 0;
}

int sim_dir_create(struct sim *s, uint32_t dir, const char *name, enum site site,
                   uint32_t *inode)
{
    if (sim_inode(s, dir)->removed) return -ENOENT;
    uint32_t i = sim_inode_new(s, false);
    entry_put(s, cell_make(s, dir, name), i, site);
    *inode = i;
    return 0;
}
