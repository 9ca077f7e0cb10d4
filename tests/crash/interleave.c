#include "tests/crash/interleave.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/crash/explore_state.h"
#include "tests/crash/schedule_graph.h"

/* ---- schedules as text ---- */

void schedule_follow(const struct schedule *s, struct run *r)
{
    switching_follow(r->switching, s->choices, s->length);
}

size_t schedule_print(const struct schedule *s, char *out, size_t room)
{
    size_t used = (size_t)snprintf(out, room, "@");
    const char *comma = "";
    for (size_t i = 0; i < s->length && used < room; i++) {
        if (!s->choices[i]) continue;
        used += (size_t)snprintf(out + used, room - used, "%s%zu.%u", comma, i,
                                 s->choices[i]);
        comma = ",";
    }
    if (used < room) used += (size_t)snprintf(out + used, room - used, ":");
    return used < room ? used : room;
}

const char *schedule_parse(struct schedule *s, const char *text)
{
    *s = (struct schedule){.length = 0};
    if (*text != '@') return text;
    char *at = (char *)(uintptr_t)text;
    do {
        unsigned long point = strtoul(at + 1, &at, 10);
        if (*at != '.' || point >= SCHEDULE_CHOICES) break;
        s->choices[point] = (uint8_t)strtoul(at + 1, &at, 10);
        s->length = point + 1;
    } while (*at == ',');
    return *at == ':' ? at + 1 : "";
}

/* ---- merging ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ (hash >> 29);
}

static bool was_there(struct image_set *set, const uint64_t hash[2])
{
    struct image_entry *e = image_set_add(set, hash);
    bool there = e->value != 0;
    e->value = 1;
    return there;
}

/* What has been answered with an error may be there or not: which groups those are
 * belongs to what may survive. */
static uint64_t failed_groups(const struct run *r)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < r->event_count; i++)
        if (r->events[i].kind == RUN_FAILED) hash = mix(hash, r->events[i].group + 1);
    return hash;
}

/* What decides what may be found after a crash now. */
static void moment_hash(struct explorer *x, uint64_t hash[2])
{
    const struct run *r = &x->run;
    switching_disk_hash(r->switching, hash);
    if (x->options.blind) hash[0] = hash[1] = 0;
    hash[1] = mix(hash[1], run_lower(r, MODEL_CUT) << 32 | run_lower(r, MODEL_KILL));
    hash[1] = mix(hash[1], run_upper(r) ^ failed_groups(r));
}

struct crashes interleave_crashes(struct explorer *x, const struct tap_call *call)
{
    struct crashes all = {.window = !call || tap_is_barrier(call), .kills = true};
    uint64_t window[2], kill[2];
    if (!x->schedule || x->replay_call || x->options.unmerged) return all;
    moment_hash(x, window);
    kill[0] = window[0] + 1;
    /* Of a write every part may be what the process had done when it died. */
    bool write = call && call->call == CALL_WRITE;
    kill[1] = mix(window[1], write ? switching_call_hash(call) : 0);
    struct crashes c = {.kills = !was_there(&x->met, kill)};
    if (all.window) c.window = !was_there(&x->met, window);
    x->stats.moments++;
    x->stats.met += !c.kills && !c.window;
    return c;
}

/* ---- all schedules ---- */

struct walk {
    struct schedule_graph graph;
    struct schedule next;
    unsigned preemptions;
};

/* One schedule, and the next one. False: it was the last. */
static bool run_one(struct explorer *x, struct walk *w, const uint8_t *tape, size_t size)
{
    struct schedule schedule = w->next;
    size_t count;
    x->schedule = &schedule;
    explorer_play(x, tape, size);
    const struct switch_point *points = switching_points(x->run.switching, &count);
    assert(count <= SCHEDULE_CHOICES && "a scenario with too many switches");
    if (!x->options.unmerged)
        count =
            schedule_graph_add(&w->graph, points, count, schedule.length, w->preemptions);
    bool more =
        schedule_next(points, count, w->preemptions, w->next.choices, &w->next.length);
    run_end(&x->run);
    return more;
}

#define TICK_RUNS 16

static void run_all(struct explorer *x, struct walk *w, const uint8_t *tape, size_t size)
{
    bool more = true;
    w->next.length = 0;
    schedule_graph_begin(&w->graph);
    while (more && !x->stop) {
        more = run_one(x, w, tape, size);
        x->stats.runs++;
        x->stats.schedules++;
        if (x->stats.runs % TICK_RUNS == 0) explorer_clock(x);
    }
    if (!x->options.unmerged) x->stats.schedules = schedule_graph_count(&w->graph);
}

void interleave(struct explorer *x, const uint8_t *tape, size_t size)
{
    struct walk w;
    schedule_graph_init(&w.graph);
    for (unsigned p = 0; p <= x->options.preemptions && !x->violated; p++) {
        x->stats.preemptions = w.preemptions = p;
        x->stats.schedules = 0;
        run_all(x, &w, tape, size);
    }
    x->stats.states = w.graph.places.count;
    schedule_graph_deinit(&w.graph);
    x->schedule = NULL;
}
