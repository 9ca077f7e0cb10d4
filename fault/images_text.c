/* A choice as text, for tokens that reproduce a failure and for people. */
#include "fault/images_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the fates as text ---- */

static uint32_t last_version(const struct images *im, const struct image_reg *r)
{
    uint32_t last = 0;
    for (uint32_t n = 0; n < r->whole; n++)
        if (option_at(im, r, n)->kind == OPTION_VERSION) last = n;
    return last;
}

static uint32_t reference(const struct images *im, const struct image_reg *r, bool all)
{
    return all ? last_version(im, r) : 0;
}

/* True when nobody can see what the register came out as, and the reference is legal. */
static bool unseen(const struct images *im, const struct image_reg *r, bool all)
{
    if (r->kind == REG_ENTRY || im->profile == DISK_O) return false;
    uint32_t size, seq;
    images_size(im, file_at(im, r->file), &size, &seq);
    if (r->kind == REG_SIZE || r->index << im->sim->chunk_shift < size) return false;
    return images_coupled(im, r, option_at(im, r, reference(im, r, all)));
}

static int describe(const struct images *im, bool all, char *buf, size_t n)
{
    int length = snprintf(buf, n, "%c", all ? '+' : '-');
    const char *comma = "";
    for (uint32_t i = 0; i < im->regs.count; i++) {
        const struct image_reg *r = reg_at(im, i);
        if (r->chosen == reference(im, r, all) || unseen(im, r, all)) continue;
        size_t used = (size_t)length < n ? (size_t)length : n;
        length += snprintf(buf + used, n - used, "%s%u.%u", comma, i, r->chosen);
        comma = ",";
    }
    return length;
}

int images_describe(const struct images *im, char *buf, size_t n)
{
    bool all = describe(im, true, NULL, 0) < describe(im, false, NULL, 0);
    return describe(im, all, buf, n);
}

static bool parse(struct images *im, const char *text)
{
    if (*text != '+' && *text != '-') return false;
    for (uint32_t i = 0; i < im->regs.count; i++)
        reg_at(im, i)->chosen = reference(im, reg_at(im, i), *text == '+');
    for (text++; *text;) {
        char *end;
        unsigned long reg = strtoul(text, &end, 10);
        if (end == text || *end != '.' || reg >= im->regs.count) return false;
        text = end + 1;
        unsigned long option = strtoul(text, &end, 10);
        struct image_reg *r = reg_at(im, (uint32_t)reg);
        if (end == text || option >= r->whole + r->torn) return false;
        r->chosen = (uint32_t)option;
        text = *end == ',' ? end + 1 : end;
        if (*end && *end != ',') return false;
    }
    return true;
}

int images_replay(struct images *im, const char *text, image_fn *fn, void *arg)
{
    assert(im->open);
    if (!parse(im, text) || !images_legal(im)) return -EINVAL;
    images_show(im);
    return images_visit(im, 1, fn, arg);
}

/* ---- explaining ---- */

static const char *option_words(const struct option *o)
{
    switch (o->kind) {
    case OPTION_STALE: return "stale bytes where the file grew";
    case OPTION_SPOILED: return "with the rest of its sector spoiled";
    case OPTION_TORN: return "torn";
    default: return o->version ? "whole" : "what was durable";
    }
}

static int explain_reg(const struct images *im, const struct image_reg *r, char *buf,
                       size_t n)
{
    const struct sim *s = im->sim;
    bool entry = r->kind == REG_ENTRY;
    const struct sim_cell *cell =
        sim_cell(s, entry ? r->owner : file_at(im, r->file)->cell);
    const struct option *o = chosen_option(im, r);
    char what[64] = "";
    if (r->kind == REG_CHUNK)
        snprintf(what, sizeof what, " chunk at %u", r->index << s->chunk_shift);
    if (r->kind == REG_SIZE) snprintf(what, sizeof what, " size %u", o->value);
    if (entry && !o->value) snprintf(what, sizeof what, " absent");
    int length = snprintf(buf, n, "%s%s: %s", cell->name, what, option_words(o));
    if (!o->version) return length;
    size_t used = (size_t)length < n ? (size_t)length : n;
    return length + snprintf(buf + used, n - used, ", #%u of %s", o->seq,
                             site_name((enum site)sim_version(s, o->version)->site));
}

int images_explain(const struct images *im, int (*line)(void *arg, const char *text),
                   void *arg)
{
    char text[DISK_NAME_MAX + 160];
    for (uint32_t i = 0; i < im->regs.count; i++) {
        explain_reg(im, reg_at(im, i), text, sizeof text);
        int e = line(arg, text);
        if (e) return e;
    }
    return 0;
}

static enum image_fate fate_of(const struct option *o, const struct option *chosen)
{
    if (chosen->seq > o->seq) return IMAGE_REPLACED;
    if (chosen->seq < o->seq) return IMAGE_LOST;
    return chosen->kind == OPTION_VERSION ? IMAGE_KEPT : IMAGE_TORN;
}

void images_pieces(const struct images *im,
                   void (*fn)(void *arg, uint32_t number, enum image_fate fate),
                   void *arg)
{
    for (uint32_t i = 0; i < im->regs.count; i++) {
        const struct image_reg *r = reg_at(im, i);
        for (uint32_t n = 0; n < r->whole; n++) {
            const struct option *o = option_at(im, r, n);
            if (o->kind == OPTION_VERSION && o->version)
                fn(arg, o->seq, fate_of(o, chosen_option(im, r)));
        }
    }
}
