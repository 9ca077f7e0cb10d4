/* Lazy survivors: the walk over all images of a window as far as a callback looks.
 *
 * Names are chosen by the wheel of images_names.c. For each choice of names the rest is a
 * tree: its inner nodes are registers that the callback asks for, its edges their options.
 *
 *                 size of 4.log            run 1: size 64, chunk old      leaf
 *                 /     |     \            run 2: size 64, chunk new      leaf
 *               64     128    192          run 3: size 128, ...
 *              /  \
 *        chunk 0   chunk 0                 decisions[] is the path to the present leaf
 *         old       new
 *
 * The tree is not known before: a run of the callback follows decisions[] and, beyond its
 * end, adds what it asks for with the first option. After the run the last decision with
 * an option left takes its next one, those behind it are forgotten, and the callback runs
 * again from the start: its own state cannot be put back, the disk's can.
 *
 * On the disk a chunk without a fate shows a *marker*, a content whose meta data send the
 * reader here; a file without a size is marked in its inode. Markers are laid down under a
 * snapshot, decided under the visit's own. A callback may go back to snapshots of its own:
 * the marker then shows again, and the next reader is told the same as the first.
 *
 * The weight of a leaf multiplies, as polynomials u + tx (images_count.c): the chunks that
 * are undecided or beyond the end, all choices inside files without a size or a name. */
#include "fault/images_state.h"

#include <stdlib.h>

struct lazy {
    struct images *im;
    struct images_lazy *out;
    uint64_t leaves_max;
    image_fn *fn;
    void *arg;
};

/* ---- weights ---- */

static struct image_total total_of(uint64_t whole, uint64_t torn)
{
    return (struct image_total){number_of(whole), number_of(torn)};
}

static struct image_total total_times(struct image_total a, struct image_total b)
{
    return (struct image_total){
        number_times(a.whole, b.whole),
        number_plus(number_times(a.whole, b.torn), number_times(a.torn, b.whole))};
}

static struct image_total total_plus(struct image_total a, struct image_total b)
{
    return (struct image_total){number_plus(a.whole, b.whole),
                                number_plus(a.torn, b.torn)};
}

/* Of the chunks beside the size that is chosen. */
static struct image_total chunks_weight(const struct images *im,
                                        const struct image_file *f)
{
    struct image_total w = total_of(1, 0);
    for (uint32_t i = f->from; i < f->to; i++) {
        const struct image_reg *r = reg_at(im, i);
        struct image_weight c = {r->chosen < r->whole, r->chosen >= r->whole};
        if (!r->decided) c = images_chunk_choices(im, r);
        if (c.whole != 1 || c.torn) w = total_times(w, total_of(c.whole, c.torn));
    }
    return w;
}

/* Of a file that nobody has opened. */
static struct image_total unopened_weight(struct images *im, const struct image_file *f)
{
    if (f->size_reg == NO_REG) return chunks_weight(im, f);
    struct image_reg *size = reg_at(im, f->size_reg);
    struct image_total sum = total_of(0, 0);
    for (size->chosen = 0; size->chosen < size->whole; size->chosen++)
        sum = total_plus(sum, chunks_weight(im, f));
    size->chosen = 0;
    return sum;
}

/* True when its size has no fate, or it has no name and nobody can open it. */
static bool unopened(const struct images *im, const struct image_file *f)
{
    return !f->names || (f->size_reg != NO_REG && !reg_at(im, f->size_reg)->decided);
}

static struct images_number leaf_weight(struct images *im)
{
    struct image_total w = total_of(1, 0);
    for (uint32_t i = 0; i < im->files.count; i++) {
        const struct image_file *f = file_at(im, i);
        w = total_times(w, unopened(im, f) ? f->unopened : chunks_weight(im, f));
    }
    return number_plus(w.whole, w.torn);
}

/* ---- hashes ---- */

/* Which options an undecided chunk has beside the size that is chosen. */
static struct sim_hash undecided_chunk(const struct images *im, const struct image_reg *r)
{
    struct sim_hash h = sim_hash_content(im->sim, r->marker);
    for (uint32_t n = 0; n < r->whole; n++)
        if (images_coupled(im, r, option_at(im, r, n))) h = sim_hash_file(h, n);
    return h;
}

static struct sim_hash chunks_hash(const struct images *im, const struct image_file *f)
{
    struct sim_hash sum = f->unpending;
    uint32_t size, seq;
    images_size(im, f, &size, &seq);
    for (uint32_t i = f->from; i < f->to; i++) {
        const struct image_reg *r = reg_at(im, i);
        if (r->index << im->sim->chunk_shift >= size) continue;
        struct sim_hash h = r->decided ? r->decided_as : undecided_chunk(im, r);
        sum = sim_hash_add(sum, sim_hash_chunk(h, r->index));
    }
    return sum;
}

/* A file that nobody has opened: the sum over what it may be. */
static struct sim_hash unopened_hash(struct images *im, const struct image_file *f)
{
    struct image_reg *r = reg_at(im, f->size_reg);
    struct sim_hash sum = {{0, 0}};
    for (r->chosen = 0; r->chosen < r->whole; r->chosen++) {
        uint32_t size = chosen_option(im, r)->value;
        sum = sim_hash_add(sum, sim_hash_file(chunks_hash(im, f), size));
    }
    r->chosen = 0;
    return sim_hash_file(sum, r->whole);
}

static struct sim_hash file_hash(struct images *im, const struct image_file *f)
{
    if (unopened(im, f)) return f->unopened_hash;
    uint32_t size, seq;
    images_size(im, f, &size, &seq);
    return sim_hash_file(chunks_hash(im, f), size);
}

static struct sim_hash leaf_hash(struct images *im)
{
    struct sim_hash h = im->hash;
    for (uint32_t i = 0; i < im->files.count; i++) {
        const struct image_file *f = file_at(im, i);
        if (!f->names) continue;
        h = sim_hash_sub(h, f->term);
        h = sim_hash_add(h, images_file_term(im, f, file_hash(im, f)));
    }
    return h;
}

void images_leaf(struct images *im, struct image *out)
{
    assert(im->lazy);
    struct sim_hash h = leaf_hash(im);
    *out = (struct image){im, {h.w[0], h.w[1]}, leaf_weight(im).exact};
}

/* ---- markers ---- */

static void make_marker(struct images *im, uint32_t reg)
{
    struct sim *s = im->sim;
    struct image_reg *r = reg_at(im, reg);
    struct sim_hash sum = {{0, 0}};
    uint8_t *bytes;
    for (uint32_t n = 0; n < r->whole; n++) {
        const struct option *o = option_at(im, r, n);
        uint32_t content = o->kind == OPTION_VERSION ? o->value : o->before;
        struct sim_hash h = sim_hash_content(s, content);
        sum = sim_hash_add(sum, sim_hash_chunk(h, n * 4 + o->kind));
    }
    sum = sim_hash_file(sim_hash_file(sum, r->whole), r->torn);
    r->marker = sim_content_new(s, &bytes);
    memset(bytes, 0, s->config.chunk_bytes);
    struct sim_meta *m = sim_meta(s, r->marker);
    m->bad = SIM_UNDECIDED + reg;
    m->hashed = 1;
    memcpy(m->hash, sum.w, sizeof m->hash);
}

/* Shows the chunks of a file whose size is known: a marker where there is a choice. */
static void lay_chunks(struct images *im, const struct image_file *f)
{
    struct sim *s = im->sim;
    struct sim_inode *in = sim_inode(s, f->inode);
    uint32_t size, seq;
    images_size(im, f, &size, &seq);
    for (uint32_t i = f->from; i < f->to; i++) {
        const struct image_reg *r = reg_at(im, i);
        uint32_t content = r->index << s->chunk_shift < size ? r->marker : SIM_HOLE;
        sim_slot_show(s, in, r->slot, content);
    }
}

/* The files as they are before anyone has looked. */
static void lay_files(struct images *im)
{
    for (uint32_t i = 0; i < im->files.count; i++) {
        const struct image_file *f = file_at(im, i);
        if (!f->names) continue;
        if (f->size_reg == NO_REG)
            lay_chunks(im, f);
        else
            sim_set(im->sim, &sim_inode(im->sim, f->inode)->undecided, 1);
    }
}

/* ---- decisions ---- */

static struct image_decision *decision_at(const struct images *im, uint32_t i)
{
    return (struct image_decision *)im->decisions.item + i;
}

/* The option that a register of so many gets in this run. */
static uint32_t decide(struct images *im, uint32_t reg, uint32_t options)
{
    if (im->replayed == im->decisions.count) {
        uint32_t i = list_add(im, &im->decisions, sizeof(struct image_decision));
        *decision_at(im, i) = (struct image_decision){reg, options, 0};
    }
    const struct image_decision *d = decision_at(im, im->replayed++);
    assert(d->reg == reg && d->options == options); /* else fn is not deterministic */
    return d->taken;
}

static void decide_size(void *arg, uint32_t inode)
{
    struct images *im = arg;
    struct sim *s = im->sim;
    struct sim_inode *in = sim_inode(s, inode);
    const struct image_file *f = file_at(im, *u32_at(&im->file_of, inode) - 1);
    struct image_reg *r = reg_at(im, f->size_reg);
    if (!r->decided) r->chosen = decide(im, f->size_reg, r->whole);
    r->decided = true;
    sim_set(s, &in->undecided, 0);
    sim_set(s, &in->size, chosen_option(im, r)->value);
    lay_chunks(im, f);
}

/* The n'th option of a chunk that may stand beside the size, torn ones behind the others. */
static uint32_t nth_option(const struct images *im, const struct image_reg *r, uint32_t n)
{
    for (uint32_t i = 0; i < r->whole + r->torn; i++)
        if (images_coupled(im, r, option_at(im, r, i)) && n-- == 0) return i;
    abort();
}

static uint32_t decide_content(void *arg, uint32_t marker)
{
    struct images *im = arg;
    uint32_t reg = sim_meta(im->sim, marker)->bad - SIM_UNDECIDED;
    struct image_reg *r = reg_at(im, reg);
    bool known = r->decided;
    if (!known) {
        struct image_weight c = images_chunk_choices(im, r);
        uint64_t options = c.whole + (im->torn_decided ? 0 : c.torn);
        r->chosen = nth_option(im, r, decide(im, reg, (uint32_t)options));
        r->decided = true;
        im->torn_decided |= r->chosen >= r->whole;
    }
    uint32_t content = images_chunk_content(im, r);
    if (!known) r->decided_as = sim_hash_content(im->sim, content);
    return content;
}

/* Goes on to the next leaf; false after the last. */
static bool next_leaf(struct images *im)
{
    struct list *l = &im->decisions;
    while (l->count && decision_at(im, l->count - 1)->taken + 1 ==
                           decision_at(im, l->count - 1)->options)
        l->count--;
    if (l->count) decision_at(im, l->count - 1)->taken++;
    return l->count;
}

/* ---- visits ---- */

static void forget_decisions(struct images *im)
{
    im->replayed = 0;
    im->torn_decided = false;
    for (uint32_t i = im->entries; i < im->regs.count; i++) {
        reg_at(im, i)->chosen = 0;
        reg_at(im, i)->decided = false;
    }
}

static int visit_leaf(struct lazy *l)
{
    struct images *im = l->im;
    struct disk *disk = &im->sim->disk;
    struct image image = {.window = im};
    forget_decisions(im);
    unsigned snapshot = disk_sim_snapshot(disk);
    int e = l->fn(l->arg, disk, &image);
    disk_sim_rollback(disk, snapshot);
    assert(e || im->replayed == im->decisions.count); /* else fn is not deterministic */
    l->out->leaves++;
    l->out->covered = number_plus(l->out->covered, leaf_weight(im));
    return e;
}

static bool enough(const struct lazy *l)
{
    return l->leaves_max && l->out->leaves == l->leaves_max;
}

/* All leaves with the names that are chosen; *more: some are left. */
static int visit_names(struct lazy *l, bool *more)
{
    struct images *im = l->im;
    struct disk *disk = &im->sim->disk;
    forget_decisions(im);
    images_show(im);
    im->decisions.count = 0;
    unsigned snapshot = disk_sim_snapshot(disk);
    lay_files(im);
    int e;
    do {
        e = visit_leaf(l);
        *more = next_leaf(im);
    } while (!e && *more && !enough(l));
    disk_sim_rollback(disk, snapshot);
    return e;
}

static int visit_all(struct lazy *l)
{
    bool more;
    images_names_first(l->im);
    for (;;) {
        int e = visit_names(l, &more);
        if (e) return e;
        if (!more && !images_names_next(l->im)) {
            l->out->whole = true;
            return 0;
        }
        if (enough(l)) return 0;
    }
}

/* ---- all ---- */

static void begin(struct images *im)
{
    im->sim->now.bad |= SIM_UNDECIDED; /* readers look */
    forget_decisions(im);
    for (uint32_t i = 0; i < im->files.count; i++) {
        struct image_file *f = file_at(im, i);
        f->unpending = f->sum;
        for (uint32_t n = f->from; n < f->to; n++) {
            f->unpending = sim_hash_sub(f->unpending, reg_at(im, n)->term);
            make_marker(im, n);
        }
        f->unopened = unopened_weight(im, f);
        if (f->size_reg != NO_REG) f->unopened_hash = unopened_hash(im, f);
    }
}

int images_lazy(struct images *im, uint64_t leaves_max, image_fn *fn, void *arg,
                struct images_lazy *out)
{
    assert(im->open && !im->lazy && im->tau <= 1);
    assert(im->profile != DISK_O && !im->sim->now.capacity);
    struct sim_lazy hooks = {decide_content, decide_size, im};
    struct lazy l = {im, out, leaves_max, fn, arg};
    uint32_t bad = im->sim->now.bad;
    *out = (struct images_lazy){.covered = number_of(0)};
    begin(im);
    im->lazy = true;
    im->sim->lazy = &hooks;
    int e = visit_all(&l);
    im->sim->lazy = NULL;
    im->lazy = false;
    im->sim->now.bad = bad;
    assert(!out->whole || number_equal(out->covered, images_count_all(im)));
    return e;
}
