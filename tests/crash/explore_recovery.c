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

#define IDLE_MS     3000 /* of service after a recovery: longer than any timer */
#define AGAIN_EVERY 512  /* of the images and windows of a known class, one is tried */

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
    if (x->nesting) return explorer_visit_nested(x, disk, image, w->expected);
    explorer_tick(x);
    struct verdict v = explorer_verdict(x, disk, image->hash, true);
    explorer_judge(x, v, w->expected);
    return x->stop;
}

/* The queue is in the order of generations: what has fewer crashes than what is left out
 * has been followed. A kill is a crash, too. */
void explorer_leave_out(struct explorer *x)
{
    unsigned generation = x->origins[x->origin].generation;
    if (!generation) generation = 1;
    x->stats.unfinished++;
    if (!x->stats.depth || generation < x->stats.depth) x->stats.depth = generation;
}

static void walk_inside(struct recovery_watch *w, uint32_t ordinal)
{
    struct explorer *x = w->x;
    uint64_t analytic;
    bool whole;
    x->steps[x->step_count++] = (struct step){.ordinal = ordinal};
    explorer_walk(x, w->disk, 0, visit_inside, w, &analytic, &whole);
    x->step_count--;
    if (!whole) explorer_leave_out(x);
}

static void add_class(struct explorer *x, struct class_view *view,
                      struct image_set *table, uint32_t value)
{
    if (x->options.names_only) view->looked = 0;
    class_add(view, table, value);
}

/* Windows that recoveries cannot tell apart and that must lead to the same state are
 * walked through once; some of them again, to see whether that is true. */
static void cut_inside(struct recovery_watch *w, uint32_t ordinal)
{
    struct explorer *x = w->x;
    struct class_view view, *outer = x->view;
    if (!w->expected->exact || x->nesting) {
        walk_inside(w, ordinal);
        return;
    }
    class_begin(&view, w->disk, w->expected->state);
    bool known = class_find(&view, &x->opened) != 0;
    if (!known || x->stats.again++ % AGAIN_EVERY == 0) {
        x->view = &view;
        walk_inside(w, ordinal);
        x->view = outer;
        if (!known && !x->stop) add_class(x, &view, &x->opened, 1);
    }
    if (outer) class_inherit(outer, &view);
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
    if (x->view) class_kept(x->view);
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
    enum err e = trial_recover(&x->trial, w->disk, &s, &why);
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
    if (x->view) class_kept(x->view);
    if (x->watching || x->options.deep) return;
    if (!trial_asks(&x->trial, ORACLE_SETTLED)) return;
    struct expected served = {.exact = true, .state = v->state, .oracle = ORACLE_SETTLED};
    struct recovery_watch w = {.x = x, .disk = disk, .expected = &served};
    x->watching = true;
    cut_inside(&w, STEP_SERVED);
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
    return v;
}

static void put_aside(struct explorer *x, struct disk *disk, struct verdict v)
{
    if (!x->options.deep || v.failed || x->stop) return;
    struct image_note note = {v.state, explorer_remember_path(x)};
    image_store_push(x->queue, disk, note);
}

/* What it recovers to, and what that looks at. */
static uint32_t recover_anew(struct explorer *x, struct disk *disk,
                             struct class_view *view)
{
    struct class_view *outer = x->view;
    uint32_t value = packed(recover_image(x, disk, view));
    x->view = outer;
    if (view) add_class(x, view, &x->classes, value);
    return value;
}

uint32_t explorer_recover_plainly(struct explorer *x, struct disk *disk,
                                  struct verdict *v)
{
    *v = recover_image(x, disk, NULL);
    x->view = NULL;
    return packed(*v);
}

/* One of many images of a known class is recovered all the same. */
static void try_class(struct explorer *x, struct disk *disk, uint32_t class)
{
    if (x->stats.merged++ % AGAIN_EVERY || unpacked(class).failed) return;
    if (recover_anew(x, disk, NULL) == class) return;
    explorer_violate(x, ORACLE_CUT_RECOVERY,
                     "two images of one class recover differently: a wrong class");
}

struct verdict explorer_verdict(struct explorer *x, struct disk *disk,
                                const uint64_t hash[2], bool merge)
{
    /* To look costs time, and is of use where somebody else wants to know, too. */
    struct class_view own, *outer = x->view;
    struct class_view *view = x->options.deep || outer ? &own : NULL;
    struct image_entry *entry = image_set_add(&x->set, hash);
    uint32_t value = entry->value;
    if (!merge && entry->flags & IMAGE_MERGED) value = 0;
    if (value && !outer) return unpacked(value);
    if (view) class_begin(view, disk, 0);
    uint32_t class = view ? class_find(view, &x->classes) : 0;
    if (!value && merge && class) {
        entry->value = value = class;
        entry->flags |= IMAGE_MERGED;
        try_class(x, disk, class);
    } else if (!value) {
        bool known = entry->flags & IMAGE_MERGED;
        value = recover_anew(x, disk, view);
        x->stats.distinct++;
        entry = image_set_find(&x->set, hash);
        entry->value = value;
        entry->flags &= ~IMAGE_MERGED;
        if (!known) put_aside(x, disk, unpacked(value));
    } else if (!class && view) {
        recover_anew(x, disk, view); /* nobody looked the first time */
    }
    if (outer) class_inherit(outer, view);
    return unpacked(value);
}

/* ---- the fixpoint ---- */

/* The generation of an image: how many crashes led to it. */
static void follow_one(struct explorer *x, struct disk *disk)
{
    unsigned before = disk_sim_snapshot(disk);
    struct image_note note = image_store_pop(x->queue, disk);
    disk_sim_settle(disk);
    struct expected same = {
        .exact = true, .state = note.a, .oracle = ORACLE_CUT_RECOVERY};
    /* It stands for its class: on the way nothing may be looked at that is not the same
     * in all of it. */
    struct class_view view;
    class_begin(&view, disk, 0);
    bool class = class_find(&view, &x->classes) != 0;
    view.closed = true;
    x->view = class ? &view : NULL;
    x->origin = note.b;
    unsigned generation = x->origins[note.b].generation;
    if (generation > x->stats.deepest) x->stats.deepest = generation;
    if (x->options.levels && generation > x->options.levels)
        explorer_leave_out(x);
    else
        explorer_recover(x, disk, &same);
    if (class && view.broken) explorer_leave_out(x);
    x->view = NULL;
    disk_sim_rollback(disk, before);
}

void explorer_follow(struct explorer *x)
{
    struct disk *disk;
    if (disk_sim_new(mem_libc(), disk_sim_config(x->run.disk), &disk)) abort();
    while (image_store_count(x->queue) > 0 && !x->stop)
        follow_one(x, disk);
    if (x->stop) explorer_leave_out(x); /* the one at hand, and the younger ones */
    x->stats.unfinished += image_store_count(x->queue);
    x->origin = 0;
    disk_sim_free(disk);
}
