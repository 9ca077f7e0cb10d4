/* The walk over all images of a window, in the manner of a reflected Gray code.
 *
 * Three wheels turn inside each other. Slowest, the names (images_names.c). Then, for every
 * file that has a
 * name, its size; fastest its chunks. A digit runs over its allowed options upwards, and
 * the next time round downwards, so that a step changes one fate; a step of a size may
 * change what its chunks are allowed.
 *
 * What nobody can see is not walked: files without a name and chunks beyond the end keep
 * still and count as weight. Torn chunks (one at a time) are walked after the whole ones
 * of the same names: each in turn runs over its torn options while all others run over
 * their whole ones.
 *
 * Weights count choices with no torn chunk and with one apart, as a polynomial a + bx cut
 * off behind x: frozen registers with u whole and t torn options multiply by u + tx. */
#include "fault/images_state.h"

#include <stdlib.h>

static struct image_weight weight_times(struct image_weight w, uint64_t whole,
                                        uint64_t torn)
{
    return (struct image_weight){w.whole * whole, w.torn * whole + w.whole * torn};
}

struct walk {
    struct images *im;
    image_fn *fn;
    void *arg;
    uint32_t torn_reg; /* the register that runs over its torn options, or NO_REG */
    struct image_weight hidden; /* choices inside files that have no name */
};

/* ---- digits ---- */

/* Lists the options that r may run over now. */
static void allow(struct walk *w, struct image_reg *r)
{
    struct images *im = w->im;
    bool torn = w->torn_reg != NO_REG && r == reg_at(im, w->torn_reg);
    uint32_t from = torn ? r->whole : 0, to = torn ? r->whole + r->torn : r->whole;
    r->allowed_count = 0;
    for (uint32_t n = from; n < to; n++)
        if (images_coupled(im, r, option_at(im, r, n)))
            *u32_at(&im->room, r->first + r->allowed_count++) = n;
}

static uint32_t allowed(const struct images *im, const struct image_reg *r, uint32_t i)
{
    return *u32_at(&im->room, r->first + i);
}

/* Puts a digit at that end of its options from which it will run. */
static void digit_start(struct walk *w, struct image_reg *r)
{
    allow(w, r);
    r->position = r->direction > 0 ? 0 : r->allowed_count - 1;
    if (r->allowed_count) r->chosen = allowed(w->im, r, r->position);
}

static bool digit_step(struct images *im, struct image_reg *r)
{
    uint32_t next = r->position + (uint32_t)r->direction;
    if (next >= r->allowed_count) {
        r->direction = -r->direction;
        return false;
    }
    r->position = next;
    r->chosen = allowed(im, r, next);
    return true;
}

/* ---- one file ---- */

struct image_weight images_chunk_choices(const struct images *im,
                                         const struct image_reg *r)
{
    struct image_weight w = {0, 0};
    for (uint32_t n = 0; n < r->whole + r->torn; n++)
        if (images_coupled(im, r, option_at(im, r, n)))
            *(n < r->whole ? &w.whole : &w.torn) += 1;
    return w;
}

/* All choices inside a file that has no name. */
static struct image_weight file_choices(struct images *im, struct image_file *f)
{
    struct image_weight sum = {0, 0};
    struct image_reg *size = f->size_reg == NO_REG ? NULL : reg_at(im, f->size_reg);
    for (uint32_t n = 0; n < (size ? size->whole : 1); n++) {
        struct image_weight w = {1, 0};
        if (size) size->chosen = n;
        for (uint32_t i = f->from; i < f->to; i++) {
            struct image_weight c = images_chunk_choices(im, reg_at(im, i));
            w = weight_times(w, c.whole, c.torn);
        }
        sum.whole += w.whole;
        sum.torn += w.torn;
    }
    return sum;
}

/* A file that has no name in these images keeps still at what is durable. */
static void file_freeze(struct images *im, struct image_file *f)
{
    for (uint32_t i = f->from; i < f->to; i++)
        reg_at(im, i)->chosen = 0;
    if (f->size_reg != NO_REG) reg_at(im, f->size_reg)->chosen = 0;
    images_show_size(im, f);
}

/* After a new size: which chunks run, which are frozen, and shows them all. */
static void file_start(struct walk *w, struct image_file *f)
{
    struct images *im = w->im;
    uint32_t size, seq;
    images_size(im, f, &size, &seq);
    f->frozen = (struct image_weight){1, 0};
    f->running = 0;
    for (uint32_t i = f->from; i < f->to; i++) {
        struct image_reg *r = reg_at(im, i);
        if (r->index << im->sim->chunk_shift < size) {
            digit_start(w, r);
            if (r->allowed_count > 1) *u32_at(&im->digits, f->from + f->running++) = i;
            continue;
        }
        struct image_weight c = images_chunk_choices(im, r);
        f->frozen = weight_times(f->frozen, c.whole, c.torn);
        r->chosen = 0;
    }
    images_show_size(im, f);
}

/* In the turn of a torn chunk its file must be long enough to show it, and the size must
 * allow one of its torn options. */
static bool size_fits_turn(struct walk *w, struct image_file *f)
{
    struct images *im = w->im;
    if (w->torn_reg == NO_REG) return true;
    struct image_reg *r = reg_at(im, w->torn_reg);
    if (file_at(im, r->file) != f) return true;
    uint32_t size, seq;
    images_size(im, f, &size, &seq);
    if (r->index << im->sim->chunk_shift >= size) return false;
    allow(w, r);
    return r->allowed_count;
}

static void size_allow(struct walk *w, struct image_file *f)
{
    struct images *im = w->im;
    struct image_reg *size = reg_at(im, f->size_reg);
    size->allowed_count = 0;
    for (uint32_t n = 0; n < size->whole; n++) {
        size->chosen = n;
        if (size_fits_turn(w, f))
            *u32_at(&im->room, size->first + size->allowed_count++) = n;
    }
    size->direction = 1;
    size->position = 0;
    if (size->allowed_count) size->chosen = allowed(im, size, 0);
}

/* False when this file leaves nothing to show in this turn. */
static bool file_begin(struct walk *w, struct image_file *f)
{
    struct images *im = w->im;
    for (uint32_t i = f->from; i < f->to; i++)
        reg_at(im, i)->direction = 1;
    if (f->size_reg != NO_REG) {
        size_allow(w, f);
        if (!reg_at(im, f->size_reg)->allowed_count) return false;
    } else if (!size_fits_turn(w, f)) {
        return false;
    }
    file_start(w, f);
    return true;
}

/* Turns the wheels of one file; false after its last choice. */
static bool file_step(struct walk *w, struct image_file *f)
{
    struct images *im = w->im;
    for (uint32_t i = 0; i < f->running; i++) {
        struct image_reg *r = reg_at(im, *u32_at(&im->digits, f->from + i));
        if (!digit_step(im, r)) continue;
        images_show_chunk(im, r);
        return true;
    }
    if (f->size_reg == NO_REG || !digit_step(im, reg_at(im, f->size_reg))) return false;
    file_start(w, f);
    return true;
}

/* ---- all files that have a name ---- */

static uint64_t weight_now(const struct walk *w)
{
    struct image_weight all = w->hidden;
    for (uint32_t i = 0; i < w->im->files.count; i++) {
        const struct image_file *f = file_at(w->im, i);
        if (f->names) all = weight_times(all, f->frozen.whole, f->frozen.torn);
    }
    return w->torn_reg == NO_REG && w->im->tau ? all.whole + all.torn : all.whole;
}

static bool files_begin(struct walk *w)
{
    for (uint32_t i = 0; i < w->im->files.count; i++) {
        struct image_file *f = file_at(w->im, i);
        if (!f->names) continue;
        if (!file_begin(w, f)) return false;
        images_show_file_hash(w->im, f);
    }
    return true;
}

static bool files_step(struct walk *w)
{
    for (uint32_t i = 0; i < w->im->files.count; i++) {
        struct image_file *f = file_at(w->im, i);
        if (!f->names || !file_step(w, f)) continue;
        images_show_file_hash(w->im, f);
        return true;
    }
    return false;
}

/* All images with the names that are shown, in one turn (nothing torn, or torn_reg). */
static int walk_turn(struct walk *w, uint32_t torn_reg)
{
    w->torn_reg = torn_reg;
    if (!files_begin(w)) return 0;
    int e;
    do
        e = images_visit(w->im, weight_now(w), w->fn, w->arg);
    while (!e && files_step(w));
    return e;
}

static int walk_names(struct walk *w)
{
    struct images *im = w->im;
    images_show_names(im);
    w->hidden = (struct image_weight){1, 0};
    for (uint32_t i = 0; i < im->files.count; i++) {
        struct image_file *f = file_at(im, i);
        if (f->names) continue;
        struct image_weight c = file_choices(im, f);
        w->hidden = weight_times(w->hidden, c.whole, c.torn);
        file_freeze(im, f);
    }
    int e = walk_turn(w, NO_REG);
    for (uint32_t i = im->entries; !e && i < im->regs.count; i++) {
        const struct image_reg *r = reg_at(im, i);
        if (r->torn && file_at(im, r->file)->names) e = walk_turn(w, i);
    }
    return e;
}

static int walk_prefixes(struct images *im, image_fn *fn, void *arg)
{
    int e = 0;
    images_cut_points(im);
    for (uint32_t p = 0; !e && p < im->points.count; p++) {
        images_choose_prefix(im, *u32_at(&im->points, p), false);
        images_show(im);
        e = images_visit(im, 1, fn, arg);
    }
    return e;
}

int images_walk(struct images *im, image_fn *fn, void *arg)
{
    assert(im->open && im->tau <= 1);
    if (im->profile == DISK_O) return walk_prefixes(im, fn, arg);
    im->room.count = im->digits.count = 0;
    while (im->room.count < im->options.count)
        list_push(im, &im->room, 0);
    while (im->digits.count < im->regs.count)
        list_push(im, &im->digits, 0);
    images_names_first(im);
    struct walk w = {.im = im, .fn = fn, .arg = arg, .torn_reg = NO_REG};
    int e;
    do
        e = walk_names(&w);
    while (!e && images_names_next(im));
    return e;
}
