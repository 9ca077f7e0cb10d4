/* explore_recovery.c - recovering an image, and the crashes on the way.
 *
 * Edge rule: if a cut inside the recovery of image I (or in idle service after it) leads
 * to image J, then J recovers to the same state as I. With it images may be merged
 * whatever crashes led to them, and following every edge until no new image appears
 * speaks of any number of crashes. */
#include <assert.h>
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
};

static int visit_inside(void *arg, struct disk *disk, const struct image *image)
{
    struct recovery_watch *w = arg;
    struct explorer *x = w->x;
    explorer_tick(x);
    struct verdict v = explorer_verdict(x, disk, image->hash);
    explorer_judge(x, v, w->expected);
    return x->stop;
}

static void cut_inside(struct recovery_watch *w, uint32_t ordinal)
{
    struct explorer *x = w->x;
    uint64_t analytic;
    bool whole;
    x->steps[x->step_count++] = (struct step){.ordinal = ordinal};
    explorer_walk(x, w->disk, 0, visit_inside, w, &analytic, &whole);
    x->step_count--;
    if (!whole) x->stats.unfinished++;
}

static void inside_call(void *arg, const struct tap_call *call)
{
    struct recovery_watch *w = arg;
    if (!tap_is_barrier(call) || w->x->stop) return;
    const struct disk_ops *tapped = disk_tap_pause(w->disk, w->x->plain);
    cut_inside(w, call->ordinal);
    disk_tap_resume(w->disk, tapped);
}

static void idle_service(struct explorer *x, struct recovery_watch *w,
                         struct trial_store *s)
{
    uint32_t calls = w->tap.calls;
    clock_manual_advance(&x->trial.clock, IDLE_MS);
    db_step(s->db);
    disk_tap_off(&w->tap);
    if (w->tap.calls != calls && !x->stop) cut_inside(w, w->tap.calls);
}

void explorer_recover(struct explorer *x, struct disk *disk,
                      const struct expected *before)
{
    struct recovery_watch w = {.x = x, .disk = disk, .expected = before};
    struct trial_store s;
    struct err_detail why;
    if (++x->depth > x->stats.deepest) x->stats.deepest = x->depth;
    disk_tap_on(&w.tap, disk, inside_call, &w);
    enum err e = trial_open(&x->trial, disk, &s, &why);
    if (e) {
        disk_tap_off(&w.tap);
        if (!x->stop) explorer_violate(x, ORACLE_OPEN, why.text);
        x->depth--;
        return;
    }
    /* From here on exactly what is served must be there. */
    struct verdict v = trial_read(&x->trial, s.db);
    struct expected served = {.exact = true, .state = v.state, .oracle = ORACLE_SETTLED};
    if (!x->stop) explorer_judge(x, v, before);
    w.expected = &served;
    if (!x->stop) {
        disk->ops = x->plain;
        cut_inside(&w, w.tap.calls);
        disk->ops = &w.tap.ops;
    }
    idle_service(x, &w, &s);
    db_close(s.db);
    pool_mem_release(&x->trial.pool, s.place);
    x->depth--;
}

/* ---- images ---- */

static void go_deeper(struct explorer *x, struct disk *disk, uint32_t state)
{
    unsigned most = x->options.levels ? x->options.levels : EXPLORE_LEVELS - 1;
    if (x->depth >= most || x->level >= EXPLORE_LEVELS) {
        x->stats.unfinished++;
        return;
    }
    struct expected same = {.exact = true, .state = state, .oracle = ORACLE_CUT_RECOVERY};
    unsigned before = disk_sim_snapshot(disk);
    explorer_recover(x, disk, &same);
    disk_sim_rollback(disk, before);
}

struct verdict explorer_verdict(struct explorer *x, struct disk *disk,
                                const uint64_t hash[2])
{
    struct image_entry *entry = image_set_add(&x->set, hash);
    if (entry->value) return unpacked(entry->value);
    unsigned before = disk_sim_snapshot(disk);
    struct verdict v = trial_image(&x->trial, disk);
    disk_sim_rollback(disk, before);
    entry = image_set_find(&x->set, hash);
    entry->value = packed(v);
    if (x->options.deep && !v.failed && !x->stop) go_deeper(x, disk, v.state);
    return v;
}
