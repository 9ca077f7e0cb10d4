/* image_class.c - see image_class.h. The table maps the hash of all that is known so far
 * to the next file (its number among all names that were ever met would not be stable, so
 * it is the hash of its name) or to a verdict. */
#include "tests/crash/image_class.h"

#include <string.h>

#include "fault/disk_sim_state.h"

#define STEP_LOOK    1u /* value: which name is looked at next */
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

static uint32_t inode_of(const struct disk_file *file)
{
    return ((const struct sim_handle *)((const char *)file -
                                        offsetof(struct sim_handle, as)))
        ->inode;
}

static uint32_t dir_of(const struct class_view *v)
{
    return sim_lookup(sim_of(v->disk), SIM_ROOT, v->dir);
}

/* ---- what is there ---- */

static void add_file(struct class_view *v, struct sim *s, const struct sim_cell *cell)
{
    if (v->count == CLASS_NAMES_MAX || cell->length >= sizeof v->files[0].name) {
        v->broken = true;
        return;
    }
    struct class_file *f = &v->files[v->count];
    *f = (struct class_file){.inode = cell->inode};
    memcpy(f->name, cell->name, cell->length);
    uint32_t twin = 0;
    while (v->files[twin].inode != f->inode)
        twin++;
    v->count++;
    struct sim_hash h =
        sim_hash_file(sim_hash_chunks(s, cell->inode), sim_inode(s, cell->inode)->size);
    memcpy(f->hash, h.w, sizeof f->hash);
    mix_in(v->names, (uint64_t)twin << 32 | cell->hash, cell->length);
}

void class_begin(struct class_view *v, struct disk *disk, const char *dir)
{
    struct sim *s = sim_of(disk);
    v->disk = disk;
    v->dir = dir;
    v->count = v->looked = 0;
    v->closed = v->broken = false;
    v->names[0] = 1;
    v->names[1] = 2;
    uint32_t d = dir_of(v);
    mix_in(v->names, d != 0, 0);
    if (!d) return;
    for (uint32_t c = sim_inode(s, d)->cells; c && !v->broken; c = sim_cell(s, c)->next)
        if (sim_cell(s, c)->inode) add_file(v, s, sim_cell(s, c));
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

void class_looked(struct class_view *v, const char *name)
{
    uint32_t d = dir_of(v);
    if (d) look_at_inode(v, sim_lookup(sim_of(v->disk), d, name));
}

void class_call(struct class_view *v, const struct tap_call *call)
{
    uint32_t d = dir_of(v);
    bool empties = call->call == CALL_OPEN && call->offset & DISK_TRUNC;
    uint32_t inode = 0;
    if (empties && d) inode = sim_lookup(sim_of(v->disk), d, call->name);
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

static uint32_t name_value(const struct class_file *f)
{
    return sim_name_hash(f->name, strlen(f->name));
}

static uint32_t file_of(const struct class_view *v, uint32_t name)
{
    uint32_t i = 0;
    while (i < v->count && name_value(&v->files[i]) != name)
        i++;
    return i;
}

/* The entry at which the known part of the way ends; files on it count as looked at. */
static const struct image_entry *go_down(struct class_view *v,
                                         const struct image_set *table, uint64_t at[2])
{
    memcpy(at, v->names, sizeof v->names);
    const struct image_entry *e;
    while ((e = image_set_find(table, at)) && e->flags == STEP_LOOK) {
        uint32_t i = file_of(v, e->value);
        if (i == v->count) {
            v->broken = true;
            return NULL;
        }
        look(v, i);
        mix_in(at, v->files[i].hash[0], v->files[i].hash[1]);
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

void class_add(const struct class_view *v, struct image_set *table, uint32_t value)
{
    uint64_t at[2];
    if (v->broken) return;
    struct class_view w = *v;
    w.closed = false;
    for (uint32_t i = 0; i < w.count; i++)
        w.files[i].looked = false;
    const struct image_entry *end = go_down(&w, table, at);
    if (end || w.broken) return;
    for (uint32_t i = 0; i < v->looked; i++) {
        const struct class_file *f = &v->files[v->order[i]];
        if (w.files[v->order[i]].looked) continue;
        struct image_entry *e = image_set_add(table, at);
        e->value = name_value(f);
        e->flags = STEP_LOOK;
        mix_in(at, f->hash[0], f->hash[1]);
    }
    struct image_entry *e = image_set_add(table, at);
    e->value = value;
    e->flags = STEP_VERDICT;
}
