/* explore.c - the crashes of the run itself: windows and kills. */
#include "tests/crash/explore.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/crash/ask.h"
#include "tests/crash/explore_state.h"

#define TICK_VISITS 4096 /* between two looks at the clock */
#define PART_MAX    64   /* prefixes of a write that are tried byte by byte */

#define DEEP_BUFFER_BYTES 2048

void explore_options_init(struct explore_options *o)
{
    *o = (struct explore_options){.profile = DISK_W,
                                  .cuts = true,
                                  .chunk_bytes = 64,
                                  .walk_max = 1u << 20,
                                  .inner_max = 1u << 12,
                                  .samples = 20000,
                                  .deviations = 1,
                                  .seed = 1,
                                  .shards = 1,
                                  .drop = SITE_COUNT,
                                  .preemptions = 2};
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- violations ---- */

/* The steps since the run began, or since the image that is followed. */
static size_t write_steps(const struct explorer *x, char *out, size_t room)
{
    size_t used = 0;
    out[0] = 0;
    for (unsigned i = 0; i < x->step_count && used + 32 < room; i++) {
        const struct step *s = &x->steps[i];
        if ((i > 0 || x->origin) && s->ordinal == STEP_SERVED)
            used += (size_t)snprintf(out + used, room - used, "/s");
        else if (i > 0 || x->origin)
            used += (size_t)snprintf(out + used, room - used, "/%u", s->ordinal);
        if (s->kill && s->part)
            used += (size_t)snprintf(out + used, room - used, "p%zu", s->part);
        else if (s->kill)
            used += (size_t)snprintf(out + used, room - used, "p");
        else
            used += (size_t)images_describe(s->window, out + used, room - used);
    }
    return used < room ? used : room - 1;
}

/* The whole path: the steps to the image that is followed, oldest first, then ours. */
static void write_path(const struct explorer *x, char *out, size_t room)
{
    uint32_t chain[64], n = 0;
    size_t used = x->schedule ? schedule_print(x->schedule, out, room) : 0;
    for (uint32_t o = x->origin; o && n < 64; o = x->origins[o].parent)
        chain[n++] = o;
    while (n > 0 && used < room) {
        const char *text = x->origin_text + x->origins[chain[--n]].text;
        used += (size_t)snprintf(out + used, room - used, "%s", text);
    }
    if (used < room) write_steps(x, out + used, room - used);
}

static uint32_t call_of(const struct explorer *x)
{
    if (x->origin) return x->origins[x->origin].call;
    return x->step_count ? x->steps[0].ordinal : x->run.tap.calls;
}

uint32_t explorer_remember_path(struct explorer *x)
{
    if (x->origin_count == x->origin_size) {
        x->origin_size = x->origin_size ? x->origin_size * 2 : 1024;
        x->origins = realloc(x->origins, x->origin_size * sizeof *x->origins);
    }
    if (x->text_used + EXPLORE_PATH > x->text_size) {
        x->text_size = x->text_size ? x->text_size * 2 : 1u << 16;
        x->origin_text = realloc(x->origin_text, x->text_size);
    }
    if (!x->origins || !x->origin_text) abort();
    uint32_t generation = x->origins[x->origin].generation + 1;
    struct origin o = {x->origin, call_of(x), generation, x->text_used};
    x->text_used += write_steps(x, x->origin_text + x->text_used, EXPLORE_PATH) + 1;
    x->origins[x->origin_count] = o;
    return x->origin_count++;
}

void explorer_here(const struct explorer *x, struct violation *out)
{
    out->call = call_of(x);
    write_path(x, out->path, sizeof out->path);
}

void explorer_violate(struct explorer *x, enum oracle o, const char *text)
{
    struct violation v = {.oracle = o};
    if ((x->violated && !x->fewest) || x->trial.silenced >> o & 1) return;
    snprintf(v.text, sizeof v.text, "%s", text);
    explorer_here(x, &v);
    if (x->violated && strlen(v.path) >= strlen(x->violation.path)) return;
    x->violation = v;
    x->violated = true;
    x->stop = !x->fewest;
}

/* ---- judging ---- */

/* Is the state the one after p groups for some p within the bounds? */
static bool prefix_allows(struct explorer *x, uint32_t state, size_t lower, size_t upper)
{
    return model_allows(x->run.model, trial_digest(&x->trial, state), lower, upper, NULL);
}

static bool within(struct explorer *x, uint32_t state, const struct expected *e)
{
    if (e->exact) return trial_allows(&x->trial, e->state, state);
    if (e != &x->expected || state >= ALLOWED_MAX)
        return prefix_allows(x, state, e->lower, e->upper);
    uint8_t *known = &x->allowed[state];
    if (!*known) *known = prefix_allows(x, state, e->lower, e->upper) ? 1 : 2;
    return *known == 1;
}

bool explorer_judge(struct explorer *x, struct verdict v, const struct expected *e)
{
    char text[160];
    if (v.failed) {
        explorer_violate(x, v.failed, x->trial.failure);
        return false;
    }
    x->trial.ran[ORACLE_DURABLE]++;
    x->trial.ran[ORACLE_PREFIX]++;
    if (within(x, v.state, e)) return true;
    enum oracle o = e->oracle;
    snprintf(text, sizeof text, "it holds something else than before this crash");
    if (!e->exact) {
        bool lost = prefix_allows(x, v.state, 0, e->upper);
        o = lost ? ORACLE_DURABLE : ORACLE_PREFIX;
        snprintf(text, sizeof text, "%s: %zu of %zu groups must be there",
                 lost ? "groups are lost" : "no prefix of the groups", e->lower,
                 e->upper);
    }
    explorer_violate(x, o, text);
    return x->trial.silenced >> o & 1;
}

void explorer_expect(struct explorer *x, struct expected *e, enum model_crash crash)
{
    *e = (struct expected){
        .lower = run_lower(&x->run, crash), .upper = run_upper(&x->run), .crash = crash};
    if (e == &x->expected) memset(x->allowed, 0, sizeof x->allowed);
}

/* ---- walking ---- */

void explorer_clock(struct explorer *x)
{
    x->stats.seconds = cpu_seconds() - x->started;
    if (x->options.seconds > 0 && x->stats.seconds > x->options.seconds)
        x->stop = x->stats.timed_out = true;
    if (x->progress) x->progress(x->progress_arg, &x->stats);
}

void explorer_tick(struct explorer *x)
{
    if (++x->stats.visits % TICK_VISITS == 0) explorer_clock(x);
}

int explorer_walk(struct explorer *x, struct disk *disk, unsigned tau, image_fn *fn,
                  void *arg, uint64_t *analytic, bool *whole)
{
    struct images **im = &x->windows[x->level++];
    assert(x->level <= EXPLORE_LEVELS + 2);
    if (!*im) *im = images_new(mem_libc());
    x->steps[x->step_count - 1].window = *im;
    images_open(*im, disk, x->options.profile, tau);
    *analytic = images_count(*im);
    bool inner = x->level > 1 || x->steps[0].kill || x->origin;
    *whole = *analytic <= (inner ? x->options.inner_max : x->options.walk_max);
    int e;
    if (*whole) {
        e = images_walk(*im, fn, arg);
    } else {
        struct rng rng;
        rng_init(&rng, x->options.seed);
        uint64_t n = inner ? x->options.inner_max / 4 : x->options.samples;
        e = images_near(*im, inner ? 1 : x->options.deviations, fn, arg);
        if (!e) e = images_random(*im, &rng, n, fn, arg);
    }
    if (!e && !*whole && !inner) e = explorer_walk_lazily(x, *im);
    images_close(*im);
    x->level--;
    return e;
}

static int visit_cut(void *arg, struct disk *disk, const struct image *image)
{
    struct explorer *x = arg;
    if (x->nesting) return explorer_visit_nested(x, disk, image, &x->expected);
    explorer_tick(x);
    x->stats.images += image->weight;
    if (x->options.shards > 1 && image->hash[1] % x->options.shards != x->options.shard)
        return x->stop;
    struct verdict v = explorer_verdict(x, disk, image->hash, x->options.deep);
    struct image_entry *entry = image_set_find(&x->set, image->hash);
    if (!(entry->flags & IMAGE_PRIMARY)) {
        entry->flags |= IMAGE_PRIMARY;
        x->stats.primary++;
    }
    explorer_judge(x, v, &x->expected);
    return x->stop;
}

static void push_step(struct explorer *x, uint32_t ordinal)
{
    x->steps[x->step_count++] = (struct step){.ordinal = ordinal};
}

/* The power fails now. */
static void explore_window(struct explorer *x, uint32_t ordinal)
{
    uint64_t analytic = 0, images = x->stats.images, primary = x->stats.primary;
    bool whole = true;
    unsigned before = disk_sim_snapshot(x->run.disk);
    trial_disarm(x->run.disk);
    push_step(x, ordinal);
    explorer_walk(x, x->run.disk, x->options.tau, visit_cut, x, &analytic, &whole);
    x->step_count--;
    disk_sim_rollback(x->run.disk, before);
    if (x->nesting) return;
    x->stats.windows++;
    if (analytic > x->stats.largest) x->stats.largest = analytic;
    if (!whole) x->stats.sampled++;
    if (whole) x->stats.analytic += analytic;
    if (x->window_fn && whole)
        x->window_fn(x->window_arg, ordinal, analytic, x->stats.images - images,
                     x->stats.primary - primary);
}

/* ---- kills ---- */

/* The process dies with the disk as it is now. */
static void explore_kill(struct explorer *x, uint32_t ordinal, size_t part, bool mixed)
{
    struct disk *disk = x->run.disk;
    uint64_t state[2], hash[2];
    disk_sim_process_crash(disk);
    x->stats.points++;
    explorer_tick(x);
    disk_sim_hash_state(disk, state);
    struct image_entry *known = image_set_add(&x->killed, state);
    x->stats.kills += !known->value;
    bool again = known->value != 0;
    known->value = 1;
    push_step(x, ordinal);
    x->steps[x->step_count - 1].kill = true;
    x->steps[x->step_count - 1].part = part;
    struct expected kill, cut;
    explorer_expect(x, &kill, MODEL_KILL);
    unsigned before = disk_sim_snapshot(disk);
    disk_sim_settle(disk);
    disk_sim_hash_visible(disk, hash);
    struct verdict v = explorer_verdict(x, disk, hash, true);
    disk_sim_rollback(disk, before);
    bool good = explorer_judge(x, v, &kill);
    if (good && mixed && !again) {
        explorer_expect(x, &cut, MODEL_CUT);
        x->stats.mixed++;
        explorer_recover(x, disk, &cut);
    }
    x->step_count--;
}

static void explore_kills(struct explorer *x, const struct tap_call *call,
                          uint32_t ordinal)
{
    struct disk *disk = x->run.disk;
    size_t parts = call && call->call == CALL_WRITE ? call->length : 1;
    size_t stride = parts <= PART_MAX ? 1 : 8;
    for (size_t part = 0; part < parts && !x->stop; part += stride) {
        unsigned before = disk_sim_snapshot(disk);
        trial_disarm(disk);
        size_t put;
        if (part)
            x->plain->write(call->file, call->offset, call->bytes, part, call->site,
                            &put);
        explore_kill(x, ordinal, part, x->options.mixed && part == 0);
        disk_sim_rollback(disk, before);
    }
}

/* ---- the run ---- */

/* After a crash on the tape the store is opened under our eyes: what is on the disk is
 * what every further cut must leave. */
static void on_event(void *arg, enum run_event_kind kind)
{
    struct explorer *x = arg;
    uint64_t hash[2];
    x->expected.exact = false;
    if (kind != RUN_CUT) return;
    const struct disk_ops *tapped = disk_tap_pause(x->run.disk, x->plain);
    disk_sim_hash_visible(x->run.disk, hash);
    struct verdict v = explorer_verdict(x, x->run.disk, hash, false);
    disk_tap_resume(x->run.disk, tapped);
    x->expected =
        (struct expected){.exact = true, .state = v.state, .oracle = ORACLE_CUT_RECOVERY};
    if (v.failed) explorer_violate(x, v.failed, x->trial.failure);
}

static void on_call(void *arg, const struct tap_call *call)
{
    struct explorer *x = arg;
    uint32_t ordinal = call ? call->ordinal : x->run.tap.calls;
    if (x->calls_fn) x->calls_fn(x->calls_arg, call);
    if (x->stop) return;
    if (!x->expected.exact) explorer_expect(x, &x->expected, MODEL_CUT);
    const struct disk_ops *tapped = disk_tap_pause(x->run.disk, x->plain);
    if (x->replay_call) {
        x->replay_call(x, call);
    } else {
        struct crashes due = interleave_crashes(x, call);
        if (x->options.cuts && due.window) explore_window(x, ordinal);
        /* Between a cut on the tape and the end of the recovery after it the model
         * still tells of the life before: kills are judged again from then on. */
        bool shard = ordinal % x->options.shards == x->options.shard;
        bool kills = x->options.kills && !x->nesting;
        if (kills && due.kills && shard && !x->expected.exact && !x->stop)
            explore_kills(x, call, ordinal);
    }
    disk_tap_resume(x->run.disk, tapped);
}

static bool drop_call(void *arg, const struct tap_call *call)
{
    struct explorer *x = ((struct run *)arg)->arg;
    return call->call == CALL_SYNC && call->site == x->options.drop;
}

/* ---- all ---- */

struct explorer *explorer_new(const struct scenario *s, const struct explore_options *o)
{
    struct explorer *x = calloc(1, sizeof *x);
    if (!x) abort();
    x->options = *o;
    x->scenario = s;
    struct options options;
    scenario_options(s, &options);
    trial_init(&x->trial, &options);
    x->trial.silenced = o->silenced;
    if (s->dialogue) x->trial.asker = asker_new(s);
    image_set_init(&x->set);
    image_set_init(&x->killed);
    image_set_init(&x->opened);
    image_set_init(&x->met);
    image_set_init(&x->classes);
    x->queue = image_store_new();
    return x;
}

void explorer_free(struct explorer *x)
{
    for (size_t i = 0; i < EXPLORE_LEVELS + 2; i++)
        images_free(x->windows[i]);
    image_set_deinit(&x->set);
    image_set_deinit(&x->killed);
    image_set_deinit(&x->opened);
    image_set_deinit(&x->met);
    image_set_deinit(&x->classes);
    image_store_free(x->queue);
    free(x->origins);
    free(x->origin_text);
    trial_deinit(&x->trial);
    free(x);
}

/* A fresh start, also for an explorer that was used before. */
void explorer_prepare(struct explorer *x, const uint8_t **tape, size_t *size,
                      uint8_t own[RUN_TAPE_BYTES])
{
    if (!*tape) {
        *size = run_tape(x->scenario, own);
        *tape = own;
    }
    image_set_clear(&x->set);
    image_set_clear(&x->killed);
    image_set_clear(&x->opened);
    image_set_clear(&x->met);
    image_set_clear(&x->classes);
    x->view = NULL;
    image_set_clear(&x->trial.after);
    image_set_clear(&x->trial.tables);
    x->trial.disorder[0] = 0;
    x->stats = (struct explore_stats){0};
    x->violation = (struct violation){0};
    x->violated = x->stop = false;
    x->level = x->step_count = 0;
    x->watching = false;
    x->nesting = 0;
    image_store_clear(x->queue);
    x->origin_count = x->origin = 0;
    x->text_used = 0;
    explorer_remember_path(x); /* number 0: the run */
    x->origins[0].generation = 0;
    x->expected = (struct expected){0};
    x->started = cpu_seconds();
    scenario_options(x->scenario, &x->trial.options);
    /* One write for each table: the images of its parts all lead to one another, and
     * their number is squared when every crash is followed. */
    if (x->options.deep || x->scenario->scheduled)
        x->trial.options.write_buffer_bytes = DEEP_BUFFER_BYTES;
}

void explorer_play(struct explorer *x, const uint8_t *tape, size_t size)
{
    struct run *r = &x->run;
    x->expected = (struct expected){0};
    if (run_start(r, x->scenario, &x->trial, x->options.chunk_bytes)) {
        disk_sim_spare(r->disk, x->options.spared);
        x->plain = r->disk->ops;
        r->on_call = on_call;
        r->on_event = on_event;
        r->arg = x;
        if (x->schedule) schedule_follow(x->schedule, r);
        run_keys(&x->trial, tape, size);
        r->drop = x->options.drop == SITE_COUNT ? NULL : drop_call;
        r->on_opened = x->calls_opened;
        r->opened_arg = x->calls_arg;
        run_play(r, tape, size);
    }
    if (r->broken) explorer_violate(x, ORACLE_ANSWER, r->why);
}

/* Of few enough images, nothing left out, nor left to another shard. */
static bool fixpoint(const struct explorer *x)
{
    return x->options.deep && !x->stop && !x->stats.unfinished &&
           x->options.shards == 1 && x->stats.primary <= x->options.nest_max;
}

bool explore(struct explorer *x, const uint8_t *tape, size_t size)
{
    uint8_t own[RUN_TAPE_BYTES];
    explorer_prepare(x, &tape, &size, own);
    if (x->scenario->scheduled && !x->replay_call) {
        interleave(x, tape, size);
    } else {
        explorer_play(x, tape, size);
        bool follow = x->options.deep && !x->replay_call;
        if (follow && !x->stop) explorer_follow(x);
        run_end(&x->run);
        if (x->options.nest && follow && fixpoint(x)) {
            explorer_nest(x, tape, size);
            run_end(&x->run);
        }
    }
    bool asked = !(x->trial.silenced >> ORACLE_ORDER & 1);
    if (asked) x->trial.ran[ORACLE_ORDER]++;
    if (asked && x->trial.disorder[0] && !x->violated)
        explorer_violate(x, ORACLE_ORDER, x->trial.disorder);
    x->stats.seconds = cpu_seconds() - x->started;
    return !x->violated;
}

void explorer_progress(struct explorer *x, explore_progress_fn *fn, void *arg)
{
    x->progress = fn;
    x->progress_arg = arg;
}

const struct explore_stats *explorer_stats(const struct explorer *x)
{
    return &x->stats;
}

const struct violation *explorer_violation(const struct explorer *x)
{
    return x->violated ? &x->violation : NULL;
}

const struct order_counts *explorer_ordered(const struct explorer *x)
{
    return &x->trial.ordered;
}

const uint64_t *explorer_ran(const struct explorer *x)
{
    return x->trial.ran;
}

void explorer_windows(struct explorer *x, explore_window_fn *fn, void *arg)
{
    x->window_fn = fn;
    x->window_arg = arg;
}

void explorer_calls(struct explorer *x, tap_fn *fn, tap_opened_fn *opened, void *arg)
{
    x->calls_fn = fn;
    x->calls_opened = opened;
    x->calls_arg = arg;
}
