/* Some images of windows that are too large to be walked: random ones, and those near
 * the three places where bugs have been found: nothing survived, everything did, a prefix
 * of what was issued did. */
#include "fault/images_state.h"

/* ---- random ---- */

static uint32_t pick(struct rng *rng, uint32_t bound)
{
    return (uint32_t)rng_below(rng, bound);
}

/* Choices of names that do not agree with their couplings fall back to what is durable;
 * that may upset others, so it is repeated until all agree. */
static void repair_names(struct images *im)
{
    for (bool again = true; again;) {
        again = false;
        for (uint32_t i = 0; i < im->entries; i++) {
            struct image_reg *r = reg_at(im, i);
            if (!r->chosen || images_entry_legal(im, r)) continue;
            r->chosen = 0;
            again = true;
        }
    }
}

static void choose_names(struct images *im, struct rng *rng)
{
    if (images_names_in_order(im)) {
        images_choose_prefix(im, *u32_at(&im->points, pick(rng, im->points.count)), true);
        return;
    }
    for (uint32_t i = 0; i < im->entries; i++)
        reg_at(im, i)->chosen = pick(rng, reg_at(im, i)->whole);
    repair_names(im);
}

static void choose_file(struct images *im, struct rng *rng, const struct image_file *f)
{
    if (f->size_reg != NO_REG)
        reg_at(im, f->size_reg)->chosen = pick(rng, reg_at(im, f->size_reg)->whole);
    for (uint32_t i = f->from; i < f->to; i++) {
        struct image_reg *r = reg_at(im, i);
        r->chosen = pick(rng, r->whole);
        if (!images_coupled(im, r, chosen_option(im, r))) r->chosen = 0;
    }
}

/* Up to tau chunks are torn; a pick that may not be is left whole. */
static void choose_tears(struct images *im, struct rng *rng)
{
    uint32_t tears = pick(rng, im->tau + 1);
    for (uint32_t i = 0; i < tears && im->entries < im->regs.count; i++) {
        uint32_t chunk = im->entries + pick(rng, im->regs.count - im->entries);
        struct image_reg *r = reg_at(im, chunk);
        if (!r->torn) continue;
        uint32_t n = r->whole + pick(rng, r->torn);
        if (images_coupled(im, r, option_at(im, r, n))) r->chosen = n;
    }
}

/* After images_cut_points. */
static void choose_random(struct images *im, struct rng *rng)
{
    if (im->profile == DISK_O) {
        uint32_t point = *u32_at(&im->points, pick(rng, im->points.count));
        images_choose_prefix(im, point, false);
        return;
    }
    choose_names(im, rng);
    for (uint32_t i = 0; i < im->files.count; i++)
        choose_file(im, rng, file_at(im, i));
    choose_tears(im, rng);
}

int images_random(struct images *im, struct rng *rng, uint64_t n, image_fn *fn, void *arg)
{
    assert(im->open);
    int e = 0;
    images_cut_points(im);
    for (uint64_t i = 0; i < n && !e; i++) {
        choose_random(im, rng);
        images_show(im);
        e = images_visit(im, 1, fn, arg);
    }
    return e;
}

void images_keep(struct images *im, enum disk_sim_survivors survivors, struct rng *rng)
{
    assert(im->open);
    images_cut_points(im);
    bool ordered = im->profile == DISK_O;
    bool all = survivors == DISK_SURVIVE_ALL;
    images_choose_prefix(im, all ? UINT32_MAX : 0, false);
    if (survivors == DISK_SURVIVE_RANDOM)
        choose_random(im, rng);
    else if (!all && (ordered || images_names_in_order(im)))
        images_choose_prefix(im, *u32_at(&im->points, 0), !ordered);
    images_show(im);
    disk_sim_keep(&im->sim->disk, im->snapshot);
    im->open = false;
}

/* ---- near ---- */

struct near {
    struct images *im;
    image_fn *fn;
    void *arg;
};

static int near_visit(struct near *v)
{
    if (!images_legal(v->im)) return 0;
    images_show(v->im);
    return images_visit(v->im, 1, v->fn, v->arg);
}

/* Visits what is chosen, and everything that deviates from it in registers from `from`
 * on, in at most `deviations` of them. */
static int near_deviate(struct near *v, uint32_t from, unsigned deviations)
{
    int e = near_visit(v);
    for (uint32_t i = from; !e && deviations && i < v->im->regs.count; i++) {
        struct image_reg *r = reg_at(v->im, i);
        uint32_t kept = r->chosen;
        for (uint32_t n = 0; !e && n < r->whole + r->torn; n++) {
            if (n == kept) continue;
            r->chosen = n;
            e = near_deviate(v, i + 1, deviations - 1);
        }
        r->chosen = kept;
    }
    return e;
}

/* Every micro-op of the window, the state before the first included. */
static uint32_t next_point(const struct images *im, uint32_t point)
{
    uint32_t next = UINT32_MAX;
    for (uint32_t i = 0; i < im->options.count; i++) {
        const struct option *o = (const struct option *)im->options.item + i;
        if (o->version && o->seq > point && o->seq < next) next = o->seq;
    }
    return next;
}

int images_near(struct images *im, unsigned deviations, image_fn *fn, void *arg)
{
    assert(im->open && deviations <= 2);
    struct near v = {im, fn, arg};
    for (uint32_t point = 0; point != UINT32_MAX; point = next_point(im, point)) {
        images_choose_prefix(im, point, false);
        int e = near_deviate(&v, 0, deviations);
        if (e) return e;
    }
    return 0;
}
