/* How many legal choices a window has, as a formula.
 *
 *     W     names  x  product over files of  sum over sizes of  product over chunks
 *     J     the same, names being the prefixes of their order
 *     O     micro-ops + 1 (a rename counts once)          P     1
 *
 * A chunk's factor beside a size is the number of its versions that may stand beside it.
 * With tau = 1 the factors are polynomials u + tx (u whole and t torn contents), and the
 * count is the sum of the coefficients of 1 and x. Names multiply over the sets of
 * entries that no rename ties together; inside such a set they are counted one by one. */
#include "fault/images_state.h"

struct total {
    struct images_number whole, torn;
};

static struct total both(struct total a, struct total b)
{
    return (struct total){
        number_times(a.whole, b.whole),
        number_plus(number_times(a.whole, b.torn), number_times(a.torn, b.whole))};
}

static struct total total_of(uint64_t whole, uint64_t torn)
{
    return (struct total){number_of(whole), number_of(torn)};
}

/* ---- files ---- */

static struct total count_chunk(const struct images *im, const struct image_reg *r,
                                uint32_t size_seq)
{
    uint64_t whole = 0, torn = 0;
    for (uint32_t n = 0; n < r->whole + r->torn; n++) {
        if (option_at(im, r, n)->needs_seq > size_seq) continue;
        if (n < r->whole)
            whole++;
        else
            torn++;
    }
    return total_of(whole, torn);
}

static struct total count_chunks(const struct images *im, const struct image_file *f,
                                 uint32_t size_seq)
{
    struct total t = total_of(1, 0);
    for (uint32_t i = f->from; i < f->to; i++)
        t = both(t, count_chunk(im, reg_at(im, i), size_seq));
    return t;
}

static struct total count_file(const struct images *im, const struct image_file *f)
{
    if (f->size_reg == NO_REG)
        return count_chunks(im, f, sim_inode(im->sim, f->inode)->size_seq);
    struct total sum = total_of(0, 0);
    const struct image_reg *size = reg_at(im, f->size_reg);
    for (uint32_t n = 0; n < size->whole; n++) {
        struct total t = count_chunks(im, f, option_at(im, size, n)->seq);
        sum.whole = number_plus(sum.whole, t.whole);
        sum.torn = number_plus(sum.torn, t.torn);
    }
    return sum;
}

/* ---- names ---- */

#define TIED_MAX 1024 /* entries that renames tie together; J: all of them */

struct tied {
    uint32_t reg[TIED_MAX], count;
    uint32_t step[TIED_MAX]; /* option that is tried */
};

static uint32_t place_of(const struct tied *t, uint32_t reg)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (t->reg[i] == reg) return i;
    return UINT32_MAX;
}

/* How far the entry at place i has come in this trial. */
static uint32_t far(const struct images *im, const struct tied *t, uint32_t i)
{
    return option_at(im, reg_at(im, t->reg[i]), t->step[i])->seq;
}

static bool trial_stands(const struct images *im, const struct tied *t)
{
    bool coupled = images_renames_coupled(im), atomic = images_renames_atomic(im);
    for (uint32_t i = 0; i < t->count; i++) {
        const struct image_reg *r = reg_at(im, t->reg[i]);
        for (uint32_t n = 0; n < r->whole; n++) {
            const struct option *o = option_at(im, r, n);
            if (!o->needs_seq) continue;
            bool first = far(im, t, place_of(t, o->needs_reg)) >= o->needs_seq;
            if (coupled && n == t->step[i] && !first) return false;
            if (atomic && first != (far(im, t, i) >= o->seq)) return false;
        }
    }
    return true;
}

static uint64_t count_trials(const struct images *im, struct tied *t, uint32_t i)
{
    if (i == t->count) return trial_stands(im, t);
    uint64_t sum = 0;
    uint32_t whole = reg_at(im, t->reg[i])->whole;
    for (t->step[i] = 0; t->step[i] < whole; t->step[i]++)
        sum += count_trials(im, t, i + 1);
    return sum;
}

static bool needs(const struct images *im, uint32_t a, uint32_t b)
{
    const struct image_reg *r = reg_at(im, a);
    for (uint32_t n = 0; n < r->whole; n++)
        if (option_at(im, r, n)->needs_seq && option_at(im, r, n)->needs_reg == b)
            return true;
    return false;
}

static void tie(const struct images *im, struct tied *t, uint32_t reg)
{
    assert(t->count < TIED_MAX);
    t->reg[t->count++] = reg;
    for (uint32_t i = 0; i < im->entries; i++)
        if (place_of(t, i) == UINT32_MAX && (needs(im, reg, i) || needs(im, i, reg)))
            tie(im, t, i);
}

/* A set is counted at its first entry. */
static struct images_number count_names_apart(const struct images *im)
{
    struct images_number product = number_of(1);
    for (uint32_t i = 0; i < im->entries; i++) {
        struct tied t = {.count = 0};
        tie(im, &t, i);
        bool first = true;
        for (uint32_t n = 0; n < t.count; n++)
            first = first && t.reg[n] >= i;
        if (first) product = number_times(product, number_of(count_trials(im, &t, 0)));
    }
    return product;
}

/* What a cut after `point` leaves free: entries in limbo that nothing later covers. */
static uint64_t count_free(const struct images *im, uint32_t point)
{
    struct tied t = {.count = 0};
    uint32_t limit[TIED_MAX];
    for (uint32_t i = 0; i < im->entries; i++) {
        const struct image_reg *r = reg_at(im, i);
        uint32_t fixed = 0, limbo = 0;
        for (uint32_t n = 1; n < r->whole; n++) {
            if (option_at(im, r, n)->limbo) limbo = n;
            if (!option_at(im, r, n)->limbo && option_at(im, r, n)->seq <= point)
                fixed = n;
        }
        assert(t.count < TIED_MAX);
        t.reg[t.count] = i;
        t.step[t.count] = fixed;
        limit[t.count++] = fixed ? fixed : limbo;
    }
    for (uint64_t sum = 0;;) {
        sum += trial_stands(im, &t);
        uint32_t i = 0;
        for (; i < t.count; i++) {
            const struct image_reg *r = reg_at(im, t.reg[i]);
            bool fixed = t.step[i] && !option_at(im, r, t.step[i])->limbo;
            if (!fixed && t.step[i] < limit[i]) {
                t.step[i]++;
                break;
            }
            if (!fixed) t.step[i] = 0;
        }
        if (i == t.count) return sum;
    }
}

struct images_number images_count_all(struct images *im)
{
    assert(im->open);
    images_cut_points(im);
    if (im->profile == DISK_O) return number_of(im->points.count);
    struct total t = total_of(0, 0);
    if (!images_names_in_order(im)) t.whole = count_names_apart(im);
    for (uint32_t i = 0; images_names_in_order(im) && i < im->points.count; i++) {
        uint64_t free = count_free(im, *u32_at(&im->points, i));
        t.whole = number_plus(t.whole, number_of(free));
    }
    for (uint32_t i = 0; i < im->files.count; i++)
        t = both(t, count_file(im, file_at(im, i)));
    return number_plus(t.whole, t.torn);
}

uint64_t images_count(struct images *im)
{
    return images_count_all(im).exact;
}
