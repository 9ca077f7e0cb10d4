/* Which choices may stand beside each other: the couplings R7, R8 and R10, and the order
 * that profiles J and O demand. */
#include "fault/images_state.h"

#include <stdlib.h>

/* ---- couplings ---- */

void images_size(const struct images *im, const struct image_file *f, uint32_t *size,
                 uint32_t *seq)
{
    *size = f->size;
    *seq = f->size_seq;
    if (f->size_reg == NO_REG) return;
    const struct option *o = chosen_option(im, reg_at(im, f->size_reg));
    *size = o->value;
    *seq = o->seq;
}

bool images_coupled(const struct images *im, const struct image_reg *r,
                    const struct option *o)
{
    if (!o->needs_seq) return true;
    if (r->kind == REG_ENTRY) {
        if (!images_renames_coupled(im)) return true;
        const struct image_reg *other = reg_at(im, o->needs_reg);
        return chosen_option(im, other)->seq >= o->needs_seq;
    }
    uint32_t size, seq;
    images_size(im, file_at(im, r->file), &size, &seq);
    return seq >= o->needs_seq;
}

/* R10 switched off: for each rename either both halves have survived or neither. */
static bool rename_whole(const struct images *im, const struct image_reg *r)
{
    for (uint32_t n = 0; n < r->whole; n++) {
        const struct option *o = option_at(im, r, n);
        if (!o->needs_seq) continue;
        bool second = chosen_option(im, r)->seq >= o->seq;
        bool first = chosen_option(im, reg_at(im, o->needs_reg))->seq >= o->needs_seq;
        if (first != second) return false;
    }
    return true;
}

bool images_entry_legal(const struct images *im, const struct image_reg *r)
{
    if (images_renames_atomic(im) && !rename_whole(im, r)) return false;
    return images_coupled(im, r, chosen_option(im, r));
}

/* True when micro-op `seq` is the first half of a rename whose second half is pending. */
static bool first_half(const struct images *im, uint32_t seq)
{
    for (uint32_t i = 0; i < im->entries; i++)
        for (uint32_t n = 0; n < reg_at(im, i)->whole; n++)
            if (option_at(im, reg_at(im, i), n)->needs_seq == seq) return true;
    return false;
}

/* The last option that a cut after `point` leaves of an entry change; 0: none. */
static uint32_t entry_at(const struct images *im, const struct image_reg *r,
                         uint32_t point)
{
    uint32_t found = 0;
    for (uint32_t n = 1; n < r->whole; n++) {
        const struct option *o = option_at(im, r, n);
        if (!o->limbo && o->seq <= point) found = n;
    }
    return found;
}

static bool names_are_prefix(const struct images *im)
{
    uint32_t point = im->journal_floor;
    for (uint32_t i = 0; i < im->entries; i++) {
        const struct option *o = chosen_option(im, reg_at(im, i));
        if (reg_at(im, i)->chosen && !o->limbo && o->seq > point) point = o->seq;
    }
    if (point > im->journal_floor && first_half(im, point)) return false;
    for (uint32_t i = 0; i < im->entries; i++) {
        const struct image_reg *r = reg_at(im, i);
        uint32_t forced = entry_at(im, r, point);
        if (forced ? r->chosen != forced : !images_entry_legal(im, r)) return false;
    }
    return true;
}

/* O: everything up to some micro-op, nothing after it. */
static bool all_in_order(struct images *im)
{
    uint32_t point = im->order_floor;
    for (uint32_t i = 0; i < im->regs.count; i++) {
        const struct image_reg *r = reg_at(im, i);
        if (r->chosen >= r->whole) return false;
        if (r->chosen && chosen_option(im, r)->seq > point)
            point = chosen_option(im, r)->seq;
    }
    if (point > im->order_floor && first_half(im, point)) return false;
    for (uint32_t i = 0; i < im->regs.count; i++) {
        uint32_t chosen = reg_at(im, i)->chosen;
        images_choose_one(im, reg_at(im, i), point);
        bool same = reg_at(im, i)->chosen == chosen;
        reg_at(im, i)->chosen = chosen;
        if (!same) return false;
    }
    return true;
}

bool images_legal(struct images *im)
{
    if (im->profile == DISK_O) return all_in_order(im);
    if (images_names_in_order(im) && !names_are_prefix(im)) return false;
    unsigned torn = 0;
    for (uint32_t i = 0; i < im->regs.count; i++) {
        const struct image_reg *r = reg_at(im, i);
        if (r->kind == REG_ENTRY && !images_names_in_order(im)) {
            if (!images_entry_legal(im, r)) return false;
        } else if (r->kind == REG_CHUNK) {
            if (!images_coupled(im, r, chosen_option(im, r))) return false;
            torn += r->chosen >= r->whole;
        }
    }
    return torn <= im->tau;
}

/* ---- prefixes ---- */

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void images_cut_points(struct images *im)
{
    bool ordered = im->profile == DISK_O;
    uint32_t floor = ordered ? im->order_floor : im->journal_floor;
    uint32_t regs = ordered ? im->regs.count : im->entries;
    im->points.count = 0;
    *u32_at(&im->points, list_add(im, &im->points, sizeof(uint32_t))) = floor;
    for (uint32_t i = 0; i < regs; i++) {
        const struct image_reg *r = reg_at(im, i);
        for (uint32_t n = 1; n < r->whole; n++) {
            const struct option *o = option_at(im, r, n);
            if (o->kind != OPTION_VERSION || (o->limbo && !ordered)) continue;
            if (o->seq <= floor || first_half(im, o->seq)) continue;
            *u32_at(&im->points, list_add(im, &im->points, sizeof(uint32_t))) = o->seq;
        }
    }
    qsort(im->points.item, im->points.count, sizeof(uint32_t), by_value);
}

void images_choose_one(const struct images *im, struct image_reg *r, uint32_t point)
{
    r->chosen = 0;
    for (uint32_t n = 1; n < r->whole; n++) {
        const struct option *o = option_at(im, r, n);
        if (o->kind == OPTION_VERSION && o->seq <= point) r->chosen = n;
    }
}

void images_choose_prefix(struct images *im, uint32_t point, bool entries_only)
{
    for (uint32_t i = 0; i < (entries_only ? im->entries : im->regs.count); i++) {
        struct image_reg *r = reg_at(im, i);
        if (entries_only)
            r->chosen = entry_at(im, r, point);
        else
            images_choose_one(im, r, point);
    }
}
