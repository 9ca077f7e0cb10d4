/* Puts the chosen options on the disk and keeps the image's hash up to date. */
#include "fault/images_state.h"

#include <stdlib.h>

/* ---- contents that are made when they are first shown ---- */

/* Contents with zeros from some byte on, made once per window: an open-addressed table
 * whose size is a power of two, at most half full. */
struct image_cut {
    uint32_t content, cut, result; /* content 0: free */
};

static struct image_cut *cut_find(const struct list *l, uint32_t content, uint32_t cut)
{
    uint32_t mask = l->size - 1, at = (content * 2654435761u + cut * 40503u) & mask;
    struct image_cut *c = l->item;
    while (c[at].content && (c[at].content != content || c[at].cut != cut))
        at = (at + 1) & mask;
    return &c[at];
}

static void cuts_grow(struct images *im)
{
    struct list old = im->cuts;
    im->cuts.size = old.size ? 2 * old.size : 256;
    im->cuts.item = mem_zalloc(im->mem, im->cuts.size * sizeof(struct image_cut));
    if (!im->cuts.item) abort();
    for (uint32_t i = 0; i < old.size; i++) {
        const struct image_cut *c = (struct image_cut *)old.item + i;
        if (c->content) *cut_find(&im->cuts, c->content, c->cut) = *c;
    }
    mem_free(im->mem, old.item);
}

void images_cuts_clear(struct images *im)
{
    if (im->cuts.count)
        memset(im->cuts.item, 0, im->cuts.size * sizeof(struct image_cut));
    im->cuts.count = 0;
}

static uint32_t cut_content(struct images *im, uint32_t content, uint32_t cut)
{
    if (2 * im->cuts.count >= im->cuts.size) cuts_grow(im);
    struct image_cut *c = cut_find(&im->cuts, content, cut);
    if (!c->content) {
        *c = (struct image_cut){content, cut, sim_content_cut(im->sim, content, cut)};
        im->cuts.count++;
    }
    return c->result;
}

static uint32_t make_content(struct sim *s, const struct option *o)
{
    if (o->value || o->kind == OPTION_VERSION) return o->value;
    const struct sim_version *v = sim_version(s, o->version);
    switch (o->kind) {
    case OPTION_STALE: return sim_content_stale(s, o->before, 0, o->tear);
    case OPTION_SPOILED: return sim_content_stale(s, o->before, v->lo, v->hi);
    default: return sim_content_torn(s, o->before, v, o->tear);
    }
}

/* The content of an option; made when it is first shown. */
static uint32_t option_content(struct images *im, struct option *o)
{
    return o->value = make_content(im->sim, o);
}

uint32_t images_chunk_content(struct images *im, const struct image_reg *r)
{
    struct sim *s = im->sim;
    uint32_t size, seq, start = r->index << s->chunk_shift;
    images_size(im, file_at(im, r->file), &size, &seq);
    if (start >= size) return SIM_HOLE;
    uint32_t content = make_content(s, chosen_option(im, r));
    bool whole = size - start >= s->config.chunk_bytes;
    return whole ? content : sim_content_cut(s, content, size - start);
}

/* ---- showing a choice ---- */

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

struct sim_hash images_file_term(const struct images *im, const struct image_file *f,
                                 struct sim_hash file)
{
    struct sim_hash term = {{0, 0}}, names = {{0, 0}};
    for (uint32_t i = f->first_link; i;) {
        const struct image_link *link = (struct image_link *)im->links.item + i - 1;
        term = sim_hash_add(term, sim_hash_entry(link->name, file));
        names = sim_hash_add(names, link->name);
        i = link->next;
    }
    return f->names > 1 ? sim_hash_add(term, sim_hash_links(names)) : term;
}

static bool equal(struct sim_hash a, struct sim_hash b)
{
    return a.w[0] == b.w[0] && a.w[1] == b.w[1];
}

void images_show_file_hash(struct images *im, struct image_file *f)
{
    im->hash = sim_hash_sub(im->hash, f->term);
    f->term = (struct sim_hash){{0, 0}};
    if (!f->names) return;
    uint32_t size = sim_inode(im->sim, f->inode)->size;
    if (size != f->made_of_size || !equal(f->sum, f->made_of_sum) ||
        !equal(f->names_sum, f->made_of_names)) {
        f->made = images_file_term(im, f, sim_hash_file(f->sum, size));
        f->made_of_size = size;
        f->made_of_sum = f->sum;
        f->made_of_names = f->names_sum;
    }
    f->term = f->made;
    im->hash = sim_hash_add(im->hash, f->term);
}

static void link_names(struct images *im, uint32_t dir, struct sim_hash path)
{
    struct sim *s = im->sim;
    for (uint32_t c = sim_inode(s, dir)->cells; c; c = sim_cell(s, c)->next) {
        const struct sim_cell *cell = sim_cell(s, c);
        if (!cell->inode) continue;
        struct sim_hash name = sim_hash_name(path, cell);
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
        f->names_sum = sim_hash_add(f->names_sum, name);
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
        f->term = f->names_sum = (struct sim_hash){{0, 0}};
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
