/* explore_replay.c - one crash out of all, by its path; see explore.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/crash/explore_state.h"

/* One step of a path: "+3.1", "p17"; after a "/" it is led by an ordinal or "s". */
struct path_step {
    uint32_t ordinal;
    bool kill;
    size_t part;
    char fates[EXPLORE_PATH];
};

/* Reads the first step; returns what follows, NULL when malformed. */
static const char *read_step(const char *path, bool first, struct path_step *out)
{
    *out = (struct path_step){0};
    char *end = (char *)(uintptr_t)path;
    if (!first && *path == 's') {
        out->ordinal = STEP_SERVED;
        end++;
    } else if (!first) {
        out->ordinal = (uint32_t)strtoul(path, &end, 10);
    }
    if (*end == 'p') {
        out->kill = true;
        out->part = strtoul(end + 1, &end, 10);
    } else if (*end == '+' || *end == '-') {
        size_t n = strcspn(end, "/");
        if (n >= sizeof out->fates) return NULL;
        memcpy(out->fates, end, n);
        end += n;
    } else {
        return NULL;
    }
    if (*end == '/') return end + 1;
    return *end ? NULL : end;
}

struct replay {
    struct explorer *x;
    struct disk *disk;
    struct disk_tap tap;
    const char *path; /* the steps after this one; "": none */
    const struct expected *expected;
    struct expected served;
    uint32_t at;
    bool done;
};

static void replay_inside(struct explorer *x, struct disk *disk, const char *path,
                          const struct expected *expected);

static int visit_replayed(void *arg, struct disk *disk, const struct image *image)
{
    struct replay *r = arg;
    struct verdict v = explorer_verdict(r->x, disk, image->hash, false);
    if (*r->path && !v.failed) {
        struct expected same = {
            .exact = true, .state = v.state, .oracle = ORACLE_CUT_RECOVERY};
        replay_inside(r->x, disk, r->path, &same);
    } else {
        r->x->replay_found = true;
        if (r->x->replay_image) r->x->replay_image(r->x, disk, image, v);
        explorer_judge(r->x, v, r->expected);
    }
    return 0;
}

static void replay_window(struct explorer *x, struct disk *disk, unsigned tau,
                          const char *fates, const char *rest,
                          const struct expected *expected)
{
    struct images **im = &x->windows[x->level++];
    struct replay r = {.x = x, .path = rest, .expected = expected};
    if (!*im) *im = images_new(mem_libc());
    x->steps[x->step_count++] = (struct step){.window = *im};
    images_open(*im, disk, x->options.profile, tau);
    images_replay(*im, fates, visit_replayed, &r);
    images_close(*im);
    x->step_count--;
    x->level--;
}

/* ---- inside a recovery ---- */

static void inside_now(struct replay *r)
{
    struct path_step step;
    const char *rest = read_step(r->path, false, &step);
    r->done = true;
    if (!rest || step.kill) return;
    const struct disk_ops *tapped = disk_tap_pause(r->disk, r->x->plain);
    replay_window(r->x, r->disk, 0, step.fates, rest, r->expected);
    disk_tap_resume(r->disk, tapped);
}

static void inside_call(void *arg, const struct tap_call *call)
{
    struct replay *r = arg;
    if (!r->done && call->ordinal == r->at) inside_now(r);
}

static void replay_served(void *arg, struct verdict v)
{
    struct replay *r = arg;
    r->served =
        (struct expected){.exact = true, .state = v.state, .oracle = ORACLE_SETTLED};
    r->expected = &r->served;
    if (!r->done && (r->at == STEP_SERVED || r->tap.calls == r->at)) inside_now(r);
}

static void replay_inside(struct explorer *x, struct disk *disk, const char *path,
                          const struct expected *expected)
{
    struct path_step step;
    if (!read_step(path, false, &step)) return;
    struct replay r = {
        .x = x, .disk = disk, .path = path, .expected = expected, .at = step.ordinal};
    struct trial_store s;
    struct err_detail why;
    unsigned before = disk_sim_snapshot(disk);
    disk_tap_on(&r.tap, disk, inside_call, &r);
    if (trial_recover(&x->trial, disk, &s, &why) == ERR_OK) {
        s.served = replay_served;
        s.served_arg = &r;
        trial_ask(&x->trial, &s);
        trial_idle(&x->trial, &s, 3000);
        if (!r.done && r.tap.calls == r.at) inside_now(&r);
        disk_tap_off(&r.tap);
        trial_drop(&x->trial, &s);
    } else {
        disk_tap_off(&r.tap);
    }
    disk_sim_rollback(disk, before);
}

/* ---- in the run ---- */

static void replay_kill(struct explorer *x, const struct tap_call *call,
                        const struct path_step *step, const char *rest)
{
    struct disk *disk = x->run.disk;
    struct expected kill, cut;
    uint64_t hash[2];
    size_t put;
    if (step->part && (!call || call->call != CALL_WRITE)) return;
    if (step->part)
        x->plain->write(call->file, call->offset, call->bytes, step->part, call->site,
                        &put);
    disk_sim_process_crash(disk);
    explorer_expect(x, &kill, MODEL_KILL);
    explorer_expect(x, &cut, MODEL_CUT);
    if (*rest && *rest != 's') {
        replay_inside(x, disk, rest, &cut);
        return;
    }
    unsigned before = disk_sim_snapshot(disk);
    disk_sim_settle(disk); /* what a second process sees does not wait for the cache */
    if (*rest) {
        replay_inside(x, disk, rest, &kill);
        disk_sim_rollback(disk, before);
        return;
    }
    disk_sim_hash_visible(disk, hash);
    struct verdict v = explorer_verdict(x, disk, hash, false);
    x->replay_found = true;
    if (x->replay_image) x->replay_image(x, disk, NULL, v);
    disk_sim_rollback(disk, before);
    explorer_judge(x, v, &kill);
}

static bool replay_call(struct explorer *x, const struct tap_call *call)
{
    uint32_t ordinal = call ? call->ordinal : x->run.tap.calls;
    struct path_step step;
    if (ordinal != x->replay_at) return true;
    const char *rest = read_step(x->replay_path, true, &step);
    x->stop = true;
    x->watching = true; /* no other crash than this one is asked for */
    if (!rest) return false;
    unsigned before = disk_sim_snapshot(x->run.disk);
    trial_disarm(x->run.disk);
    if (step.kill)
        replay_kill(x, call, &step, rest);
    else
        replay_window(x, x->run.disk, x->options.tau, step.fates, rest, &x->expected);
    disk_sim_rollback(x->run.disk, before);
    return true;
}

bool explore_replay(struct explorer *x, const uint8_t *tape, size_t size, uint32_t call,
                    const char *path, bool *found)
{
    struct schedule schedule;
    x->replay_path = schedule_parse(&schedule, path);
    x->schedule = x->scenario->scheduled ? &schedule : NULL;
    x->replay_call = replay_call;
    x->replay_at = call;
    x->replay_found = false;
    bool good = explore(x, tape, size);
    x->replay_call = NULL;
    x->schedule = NULL;
    /* A run that goes wrong without a crash is found, too. */
    *found = x->replay_found || x->run.broken || x->trial.disorder[0];
    return good;
}
