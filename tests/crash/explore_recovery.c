/* explore_recovery.c - recovering an image, and the crashes on the way.
 *
 * Edge rule: if a cut inside the recovery of image I (or in idle service after it) leads
 * to image J, then J recovers to the same state as I. With it images may be merged
 * whatever crashes led to them, and following every edge until no new image appears
 * speaks of any number of crashes. Images whose recoveries are still to be followed wait
 * in a queue: a chain of them may be thousands long, as every partial write of a table
 * leads to every other. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/crash/explore_state.h"

#define IDLE_MS 3000 /* of service after a recovery: longer than any timer */

static uint32_t packed(struct verdict v)
{
    return v.failed ? 0x80000000u | (uint32_t)v.failed : v.state;
}

static struct verdict unpacked(uint32_t value)
{
    if (value & 0x80000000u) return (struct verdict){.failed = value & 0xff};
    return (struct verdict){.state = value};
}

/* ---- crashes inside a recovery ---- */

struct recovery_watch {
    struct explorer *x;
    struct disk *disk;
    struct disk_tap tap;
    const struct expected *expected; /* of a cut now */
    struct expected served;          /* ... once it has told what it holds */
};

static int visit_inside(void *arg, struct disk *disk, const struct image *image)
{
    struct recovery_watch *w = arg;
    struct explorer *x = w->x;
    explorer_tick(x);
    struct verdict v = explorer_verdict(x, disk, image->hash, true);
    explorer_judge(x, v, w->expected);
    return x->stop;
}

/* Equal pending states that must lead to the same state are walked through once. */
static bool walked(struct explorer *x, struct disk *disk, const struct expected *e)
{
    uint64_t hash[2];
    if (!e->exact) return false;
    disk_sim_hash_state(disk, hash);
    hash[1] += e->state * 0x9E3779B97F4A7C15u;
    struct image_entry *known = image_set_add(&x->opened, hash);
    bool again = known->value != 0;
    known->value = 1;
    return again;
}

static void cut_inside(struct recovery_watch *w, uint32_t ordinal)
{
    struct explorer *x = w->x;
    uint64_t analytic;
    bool whole;
    if (walked(x, w->disk, w->expected)) {
        /* What its images looked at is not known any more. */
        if (x->view && !x->view->closed) x->view->broken = true;
        return;
    }
    x->steps[x->step_count++] = (struct step){.ordinal = ordinal};
    explorer_walk(x, w->disk, 0, visit_inside, w, &analytic, &whole);
    x->step_count--;
    if (!whole) x->stats.unfinished++;
}

static void inside_call(void *arg, const struct tap_call *call)
{
    struct recovery_watch *w = arg;
    struct explorer *x = w->x;
    if (tap_is_barrier(call) && !x->stop) {
        const struct disk_ops *tapped = disk_tap_pause(w->disk, x->plain);
        cut_inside(w, call->ordinal);
        disk_tap_resume(w->disk, tapped);
    }
    if (x->view) class_call(x->view, call);
}

static void inside_look(void *arg, const char *name)
{
    struct recovery_watch *w = arg;
    if (w->x->view) class_looked(w->x->view, name);
}

static void idle_service(struct explorer *x, struct recovery_watch *w,
                         struct trial_store *s)
{
    uint32_t calls = w->tap.calls;
    trial_idle(&x->trial, s, IDLE_MS);
    disk_tap_off(&w->tap);
    if (w->tap.calls != calls && !x->stop) cut_inside(w, w->tap.calls);
}

/* From here on exactly what is served must be there. */
static void now_served(void *arg, struct verdict v)
{
    struct recovery_watch *w = arg;
    struct explorer *x = w->x;
    if (!x->stop) explorer_judge(x, v, w->expected);
    w->served =
        (struct expected){.exact = true, .state = v.state, .oracle = ORACLE_SETTLED};
    w->expected = &w->served;
    if (x->stop) return;
    w->disk->ops = x->plain;
    cut_inside(w, w->tap.calls);
    w->disk->ops = &w->tap.ops;
}

static void watch_recovery(struct recovery_watch *w)
{
    struct explorer *x = w->x;
    struct trial_store s;
    struct err_detail why;
    disk_tap_on(&w->tap, w->disk, inside_call, w);
    w->tap.looked = inside_look;
    enum err e = trial_open(&x->trial, w->disk, &s, &why);
    if (e) {
        disk_tap_off(&w->tap);
        if (!x->stop) explorer_violate(x, ORACLE_OPEN, why.text);
        return;
    }
    s.served = now_served;
    s.served_arg = w;
    trial_ask(&x->trial, &s);
    idle_service(x, w, &s);
    trial_drop(&x->trial, &s);
}

void explorer_recover(struct explorer *x, struct disk *disk,
                      const struct expected *before)
{
    struct recovery_watch w = {.x = x, .disk = disk, .expected = before};
    bool outer = x->watching;
    x->watching = true;
    watch_recovery(&w);
    x->watching = outer;
}

/* ---- right after a recovery ---- */

/* The power fails just after the store was opened: the same must be there again. */
static void after_open(void *arg, struct disk *disk, struct verdict *v)
{
    struct explorer *x = arg;
    if (x->watching || x->options.deep) return;
    if (!trial_asks(&x->trial, ORACLE_SETTLED)) return;
    struct expected served = {.exact = true, .state = v->state, .oracle = ORACLE_SETTLED};
    struct recovery_watch w = {.x = x, .disk = disk, .expected = &served};
    x->watching = true;
    cut_inside(&w, UINT32_MAX);
    x->watching = false;
}

/* ---- images ---- */

static void view_call(void *arg, const struct tap_call *call)
{
    class_call(arg, call);
}

static void view_look(void *arg, const char *name)
{
    class_looked(arg, name);
}

static struct verdict recover_image(struct explorer *x, struct disk *disk,
                                    struct class_view *view)
{
    struct disk_tap tap;
    const struct disk_ops *ops = disk->ops;
    unsigned before = disk_sim_snapshot(disk);
    x->trial.opened = after_open;
    x->trial.opened_arg = x;
    x->view = view;
    disk->ops = x->plain;
    if (view) {
        disk_tap_on(&tap, disk, view_call, view);
        tap.looked = view_look;
    }
    struct verdict v = trial_image(&x->trial, disk);
    if (view) disk_tap_off(&tap);
    disk->ops = ops;
    disk_sim_rollback(disk, before);
    x->stats.distinct++;
    return v;
}

static void put_aside(struct explorer *x, struct disk *disk, struct verdict v)
{
    if (!x->options.deep || v.failed || x->stop) return;
    struct image_note note = {v.state, explorer_remember_path(x)};
    image_store_push(x->queue, disk, TRIAL_DIR, note);
}

struct verdict explorer_verdict(struct explorer *x, struct disk *disk,
                                const uint64_t hash[2], bool merge)
{
    /* To look costs more than to open, unless recoveries are followed. */
    struct class_view own, *view = x->options.deep ? &own : NULL, *outer = x->view;
    struct image_entry *entry = image_set_add(&x->set, hash);
    uint32_t value = entry->value, flags = entry->flags;
    if (!merge && flags & IMAGE_MERGED) value = 0;
    if (value && !outer) return unpacked(value);
    if (view) class_begin(view, disk, TRIAL_DIR);
    uint32_t class = view ? class_find(view, &x->classes) : 0;
    if (value && !class && view) view->broken = true;
    if (!value && merge && class) {
        value = class;
        x->stats.merged++;
        entry->value = value;
        entry->flags |= IMAGE_MERGED;
    }
    if (!value) {
        struct verdict v = recover_image(x, disk, view);
        x->view = outer;
        value = packed(v);
        /* Images of the run itself are all recovered: each one tries the classes, too. */
        if (class && !v.failed && !unpacked(class).failed && class != value) abort();
        if (view) class_add(view, &x->classes, value);
        entry = image_set_find(&x->set, hash);
        bool known = entry->flags & IMAGE_MERGED;
        entry->value = value;
        entry->flags &= ~IMAGE_MERGED;
        if (!known) put_aside(x, disk, v);
    }
    if (outer && view) class_inherit(outer, view);
    return unpacked(value);
}

/* ---- the fixpoint ---- */

/* The generation of an image: how many crashes led to it. */
static void follow_one(struct explorer *x, struct disk *disk)
{
    unsigned before = disk_sim_snapshot(disk);
    struct image_note note = image_store_pop(x->queue, disk, TRIAL_DIR);
    disk_sim_settle(disk);
    struct expected same = {
        .exact = true, .state = note.a, .oracle = ORACLE_CUT_RECOVERY};
    /* It stands for its class: on the way nothing may be looked at that is not the same
     * in all of it. */
    struct class_view view;
    class_begin(&view, disk, TRIAL_DIR);
    bool class = class_find(&view, &x->classes) != 0;
    view.closed = true;
    x->view = class ? &view : NULL;
    x->origin = note.b;
    unsigned generation = x->origins[note.b].generation;
    if (generation > x->stats.deepest) x->stats.deepest = generation;
    if (x->options.levels && generation > x->options.levels)
        x->stats.unfinished++;
    else
        explorer_recover(x, disk, &same);
    if (class && view.broken) x->stats.unfinished++;
    x->view = NULL;
    disk_sim_rollback(disk, before);
}

void explorer_follow(struct explorer *x)
{
    struct disk *disk;
    if (disk_sim_new(mem_libc(), disk_sim_config(x->run.disk), &disk)) abort();
    while (image_store_count(x->queue) > 0 && !x->stop)
        follow_one(x, disk);
    x->stats.unfinished += image_store_count(x->queue);
    x->origin = 0;
    disk_sim_free(disk);
}
