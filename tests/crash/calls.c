#include "tests/crash/calls.h"

#include <stdio.h>
#include <string.h>

#include "fault/disk_sim_state.h"

/* ---- noting ---- */

static const char *name_of(const struct sim *s, const void *as)
{
    const struct sim_handle *handle =
        (const struct sim_handle *)((const char *)as - offsetof(struct sim_handle, as));
    for (uint32_t d = sim_inode(s, SIM_ROOT)->cells; d; d = sim_cell(s, d)->next) {
        uint32_t dir = sim_cell(s, d)->inode;
        if (dir && dir == handle->inode) return sim_cell(s, d)->name;
        for (uint32_t c = dir ? sim_inode(s, dir)->cells : 0; c; c = sim_cell(s, c)->next)
            if (sim_cell(s, c)->inode == handle->inode) return sim_cell(s, c)->name;
    }
    return handle->inode == SIM_ROOT ? "the root" : "a file without a name";
}

void calls_note(struct calls *c, const struct disk *disk, const struct tap_call *call)
{
    struct call_note *n = &c->note[c->count++ % CALLS_MAX];
    *n = (struct call_note){.site = SITE_COUNT, .before = disk_sim_microops(disk)};
    if (!call) return;
    n->call = call->call;
    n->site = call->site;
    n->ordinal = call->ordinal;
    n->offset = call->offset;
    n->length = call->length;
    const void *of = call->file ? (const void *)call->file : call->dir;
    const char *name =
        call->name ? call->name : name_of((const struct sim *)(const void *)disk, of);
    snprintf(n->name, sizeof n->name, "%s", name);
}

/* ---- telling ---- */

/* Of one call: how many of its micro-ops came to what. */
struct tally {
    unsigned all, fates[IMAGE_FATES];
};

struct telling {
    const struct calls *calls;
    size_t first; /* note that is remembered */
    struct tally tally[CALLS_MAX];
};

static const struct call_note *note_at(const struct calls *c, size_t i)
{
    return &c->note[i % CALLS_MAX];
}

static void count_piece(void *arg, uint32_t number, enum image_fate fate)
{
    struct telling *t = arg;
    for (size_t i = t->calls->count; i-- > t->first;) {
        if (note_at(t->calls, i)->before >= number) continue;
        struct tally *tally = &t->tally[i % CALLS_MAX];
        tally->all++;
        tally->fates[fate]++;
        return;
    }
}

static int fate_words(const struct tally *t, char *out, size_t room)
{
    unsigned there = t->fates[IMAGE_KEPT] + t->fates[IMAGE_REPLACED];
    const char *torn = t->fates[IMAGE_TORN] ? ", one is torn" : "";
    if (there == t->all) return snprintf(out, room, "survived");
    if (!there && !*torn) return snprintf(out, room, "lost");
    return snprintf(out, room, "%u of %u pieces survived%s", there, t->all, torn);
}

static void tell_call(const struct call_note *n, const struct tally *t,
                      void (*line)(void *arg, const char *text), void *arg)
{
    char text[DISK_NAME_MAX + 160], where[64] = "", fate[64] = "done";
    if (n->call == CALL_WRITE)
        snprintf(where, sizeof where, ", %zu bytes at %llu", n->length,
                 (unsigned long long)n->offset);
    if (n->call == CALL_TRUNCATE || n->call == CALL_ALLOCATE)
        snprintf(where, sizeof where, ", to %llu bytes", (unsigned long long)n->offset);
    if (t) fate_words(t, fate, sizeof fate);
    snprintf(text, sizeof text, "call %3u: %s of %s%s: %s", n->ordinal,
             site_name(n->site), n->name, where, fate);
    line(arg, text);
}

void calls_tell(const struct calls *c, const struct images *window,
                void (*line)(void *arg, const char *text), void *arg)
{
    static struct telling t;
    size_t last = c->count ? c->count - 1 : 0, pending = 0; /* the last one never comes */
    char text[64];
    t = (struct telling){.calls = c,
                         .first = last > CALLS_MAX ? last - CALLS_MAX + 1 : 0};
    if (window) images_pieces(window, count_piece, &t);
    for (size_t i = t.first; i < last; i++)
        pending += !window || t.tally[i % CALLS_MAX].all;
    size_t left_out = pending > CALLS_TOLD ? pending - CALLS_TOLD : 0;
    snprintf(text, sizeof text, "(%zu earlier ones are left out)", left_out);
    if (left_out) line(arg, text);
    if (!pending) line(arg, "none");
    for (size_t i = t.first, seen = 0; i < last; i++) {
        const struct tally *tally = window ? &t.tally[i % CALLS_MAX] : NULL;
        if (tally && !tally->all) continue;
        if (seen++ >= left_out) tell_call(note_at(c, i), tally, line, arg);
    }
}
