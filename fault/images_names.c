/* All legal choices of names: groups of entries that couple with each other, each with the
 * list of its legal choices. A walk over images turns this wheel slowest. */
#include "fault/images_state.h"

/* ---- groups of names ---- */

/* Registers regs[members[first..first+count)) and their legal choices, one after another
 * in tuples[]. */
struct group {
    uint32_t first, count;
    uint32_t tuples, tuple_count;
    uint32_t position;
    int direction;
};

static struct group *group_at(const struct images *im, uint32_t i)
{
    return (struct group *)im->groups.item + i;
}

static uint32_t member(const struct images *im, const struct group *g, uint32_t i)
{
    return *u32_at(&im->members, g->first + i);
}

static void keep_tuple(struct images *im, struct group *g)
{
    for (uint32_t i = 0; i < g->count; i++)
        list_push(im, &im->tuples, reg_at(im, member(im, g, i))->chosen);
    g->tuple_count++;
}

static bool group_legal(const struct images *im, const struct group *g)
{
    for (uint32_t i = 0; i < g->count; i++)
        if (!images_entry_legal(im, reg_at(im, member(im, g, i)))) return false;
    return true;
}

/* All legal choices of the members from the i'th on, the ones before being chosen. */
static void group_choices(struct images *im, struct group *g, uint32_t i)
{
    if (i == g->count) {
        if (group_legal(im, g)) keep_tuple(im, g);
        return;
    }
    struct image_reg *r = reg_at(im, member(im, g, i));
    for (uint32_t n = 0; n < r->whole; n++) {
        r->chosen = n;
        group_choices(im, g, i + 1);
    }
}

/* Journal order: the members in limbo are free where the prefix does not fix them. */
static void prefix_choices(struct images *im, struct group *g, uint32_t i)
{
    if (i == g->count) {
        if (group_legal(im, g)) keep_tuple(im, g);
        return;
    }
    struct image_reg *r = reg_at(im, member(im, g, i));
    bool fixed = r->chosen;
    for (uint32_t n = 0; n < r->whole; n++) {
        if (n && (fixed || !option_at(im, r, n)->limbo)) continue;
        if (!fixed) r->chosen = n;
        prefix_choices(im, g, i + 1);
    }
    if (!fixed) r->chosen = 0;
}

static struct group *group_new(struct images *im)
{
    uint32_t i = list_add(im, &im->groups, sizeof(struct group));
    *group_at(im, i) = (struct group){
        .first = im->members.count, .tuples = im->tuples.count, .direction = 1};
    return group_at(im, i);
}

static void add_member(struct images *im, struct group *g, uint32_t reg)
{
    list_push(im, &im->members, reg);
    g->count++;
    reg_at(im, reg)->grouped = true;
}

/* True when an option of a needs b, or the other way round. */
static bool related(const struct images *im, uint32_t a, uint32_t b)
{
    for (uint32_t n = 0; n < reg_at(im, a)->whole; n++) {
        const struct option *o = option_at(im, reg_at(im, a), n);
        if (o->needs_seq && o->needs_reg == b) return true;
    }
    for (uint32_t n = 0; n < reg_at(im, b)->whole; n++) {
        const struct option *o = option_at(im, reg_at(im, b), n);
        if (o->needs_seq && o->needs_reg == a) return true;
    }
    return false;
}

/* One group: everything that hangs together with `reg`. */
static void group_around(struct images *im, uint32_t reg)
{
    struct group *g = group_new(im);
    add_member(im, g, reg);
    bool coupled = images_renames_coupled(im) || images_renames_atomic(im);
    for (uint32_t i = 0; coupled && i < g->count; i++)
        for (uint32_t other = 0; other < im->entries; other++)
            if (!reg_at(im, other)->grouped && related(im, member(im, g, i), other))
                add_member(im, g, other);
    group_choices(im, g, 0);
}

static void group_names_in_order(struct images *im)
{
    struct group *g = group_new(im);
    for (uint32_t i = 0; i < im->entries; i++)
        add_member(im, g, i);
    images_cut_points(im);
    for (uint32_t p = 0; p < im->points.count; p++) {
        images_choose_prefix(im, *u32_at(&im->points, p), true);
        prefix_choices(im, g, 0);
    }
}

static void group_names(struct images *im)
{
    im->groups.count = im->members.count = im->tuples.count = 0;
    for (uint32_t i = 0; i < im->entries; i++)
        reg_at(im, i)->grouped = false;
    if (images_names_in_order(im)) {
        group_names_in_order(im);
        return;
    }
    for (uint32_t i = 0; i < im->entries; i++)
        if (!reg_at(im, i)->grouped) group_around(im, i);
}

static void group_choose(struct images *im, const struct group *g)
{
    for (uint32_t i = 0; i < g->count; i++) {
        uint32_t at = g->tuples + g->position * g->count + i;
        reg_at(im, member(im, g, i))->chosen = *u32_at(&im->tuples, at);
    }
}

void images_names_first(struct images *im)
{
    group_names(im);
    for (uint32_t i = 0; i < im->groups.count; i++)
        group_choose(im, group_at(im, i));
}

bool images_names_next(struct images *im)
{
    for (uint32_t i = 0; i < im->groups.count; i++) {
        struct group *g = group_at(im, i);
        uint32_t next = g->position + (uint32_t)g->direction;
        if (next < g->tuple_count) {
            g->position = next;
            group_choose(im, g);
            return true;
        }
        g->direction = -g->direction;
    }
    return false;
}
