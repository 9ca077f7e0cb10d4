/* image_class.c - see image_class.h. The table maps the hash of all that is known so far
 * to the next file, by its place in the walk over the names, or to a verdict. */
#include "tests/crash/image_class.h"

#include <string.h>

#include "fault/disk_sim_state.h"

#define STEP_LOOK    1u /* value: which file is looked at next, from 1 */
#define STEP_VERDICT 2u

static uint64_t mixed(uint64_t h, uint64_t a)
{
    unsigned __int128 p = (unsigned __int128)(h ^ a ^ 0xa0761d6478bd642fu) *
                          (0xe7037ed1a0b428dbu + (a << 1));
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static void mix_in(uint64_t h[2], uint64_t a, uint64_t b)
{
    h[0] = mixed(mixed(h[0], a), b ^ 0x8ebc6af09c88c6e3u);
    h[1] = mixed(mixed(h[1] ^ 0x589965cc75374cc3u, b), a);
    if (!(h[0] | h[1])) h[0] = 1;
}

/* Of an open file or directory. */
static uint32_t inode_of(const void *as)
{
    return ((const struct sim_handle *)((const char *)as -
                                        offsetof(struct sim_handle, as)))
        ->inode;
}

void class_begin(struct class_view *v, struct disk *disk, uint64_t key)
{
    uint32_t inodes[CLASS_FILES_MAX];
    v->disk = disk;
    v->looked = 0;
    struct sim_hash names =
        sim_hash_names(sim_of(disk), inodes, CLASS_FILES_MAX, &v->count);
    v->closed = false;
    v->broken = v->count > CLASS_FILES_MAX;
    if (v->broken) v->count = 0;
    for (uint32_t i = 0; i < v->count; i++)
        v->files[i] = (struct class_file){.inode = inodes[i]};
    v->names[0] = names.w[0];
    v->names[1] = names.w[1];
    mix_in(v->names, key, v->count);
}

/* ---- looking ---- */

static void look(struct class_view *v, uint32_t file)
{
    if (v->files[file].looked) return;
    v->files[file].looked = true;
    v->order[v->looked++] = file;
    v->broken |= v->closed;
}

static void look_at_inode(struct class_view *v, uint32_t inode)
{
    for (uint32_t i = 0; i < v->count; i++)
        if (v->files[i].inode == inode && !v->files[i].replaced) look(v, i);
}

/* In every directory: to look at too much makes classes smaller, and no harm. */
void class_looked(struct class_view *v, const char *name)
{
    struct sim *s = sim_of(v->disk);
    for (uint32_t d = sim_inode(s, SIM_ROOT)->cells; d; d = sim_cell(s, d)->next)
        if (sim_cell(s, d)->inode)
            look_at_inode(v, sim_lookup(s, sim_cell(s, d)->inode, name));
}

void class_kept(struct class_view *v)
{
    struct sim *s = sim_of(v->disk);
    for (uint32_t d = sim_inode(s, SIM_ROOT)->cells; d; d = sim_cell(s, d)->next) {
        uint32_t dir = sim_cell(s, d)->inode;
        for (uint32_t c = dir ? sim_inode(s, dir)->cells : 0; c; c = sim_cell(s, c)->next)
            if (sim_cell(s, c)->inode) look_at_inode(v, sim_cell(s, c)->inode);
    }
}

void class_call(struct class_view *v, const struct tap_call *call)
{
    bool empties = call->call == CALL_OPEN && call->offset & DISK_TRUNC;
    uint32_t inode = 0;
    if (empties) inode = sim_lookup(sim_of(v->disk), inode_of(call->dir), call->name);
    if (call->call == CALL_OPEN && !empties) class_looked(v, call->name);
    bool synced = call->call == CALL_SYNC && call->file;
    if (synced) inode = inode_of(call->file);
    for (uint32_t i = 0; inode && i < v->count; i++) {
        if (v->files[i].inode != inode) continue;
        v->files[i].emptied |= empties;
        v->files[i].replaced |= synced && v->files[i].emptied;
    }
}

void class_inherit(struct class_view *v, const struct class_view *inner)
{
    v->broken |= inner->broken;
    for (uint32_t i = 0; i < inner->looked; i++)
        look_at_inode(v, inner->files[inner->order[i]].inode);
}

/* ---- the table ---- */

static void mix_file(struct class_view *v, uint32_t file, uint64_t at[2])
{
    struct class_file *f = &v->files[file];
    if (!f->hashed) {
        struct sim_hash h = sim_hash_file_state(sim_of(v->disk), f->inode);
        memcpy(f->hash, h.w, sizeof f->hash);
        f->hashed = true;
    }
    mix_in(at, f->hash[0], f->hash[1]);
}

/* The entry at which the known part of the way ends; files on it count as looked at. */
static const struct image_entry *go_down(struct class_view *v,
                                         const struct image_set *table, uint64_t at[2])
{
    memcpy(at, v->names, sizeof v->names);
    const struct image_entry *e;
    while ((e = image_set_find(table, at)) && e->flags == STEP_LOOK) {
        look(v, e->value - 1);
        mix_file(v, e->value - 1, at);
    }
    return e;
}

uint32_t class_find(struct class_view *v, const struct image_set *table)
{
    uint64_t at[2];
    if (v->broken) return 0;
    const struct image_entry *e = go_down(v, table, at);
    return e ? e->value : 0;
}

void class_add(struct class_view *v, struct image_set *table, uint32_t value)
{
    uint64_t at[2];
    if (v->broken) return;
    struct class_view w = *v;
    w.closed = false;
    for (uint32_t i = 0; i < w.count; i++)
        w.files[i].looked = false;
    if (go_down(&w, table, at)) return;
    for (uint32_t i = 0; i < v->looked; i++) {
        uint32_t file = v->order[i];
        if (w.files[file].looked) continue;
        struct image_entry *e = image_set_add(table, at);
        e->value = file + 1;
        e->flags = STEP_LOOK;
        mix_file(v, file, at);
    }
    struct image_entry *e = image_set_add(table, at);
    e->value = value;
    e->flags = STEP_VERDICT;
}
