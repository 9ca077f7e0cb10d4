/* simworld.c - see simworld.h. */
#include "tests/support/simworld.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"

void simworld_options_init(struct simworld_options *o)
{
    *o = (struct simworld_options){.seed = 1};
    disk_sim_config_init(&o->disk);
}

static void keep_line(void *arg, enum log_level level, const char *line)
{
    (void)level;
    struct simworld *w = arg;
    w->log_lines++;
    snprintf(w->log, sizeof w->log, "%s", line);
}

static uint32_t current_actor(void *arg)
{
    return sched_coroutine_actor(arg);
}

static void hook_yield(struct sched *sched)
{
    struct simworld_hook *h = (struct simworld_hook *)sched;
    if (h->countdown > 0 && --h->countdown == 0) {
        h->snapshot = disk_sim_snapshot(h->world->sim);
        h->remembered = true;
        if (h->fn) h->fn(h->arg);
    }
    sched_yield_point(h->world->sched);
}

static void on_disorder(void *arg, enum order_rule rule, const char *line)
{
    struct simworld *w = arg;
    if (!w->disorder[0])
        snprintf(w->disorder, sizeof w->disorder, "%s: %s", order_rule_text(rule), line);
}

void simworld_init(struct simworld *w, const struct simworld_options *options)
{
    struct simworld_options o;
    simworld_options_init(&o);
    if (options) o = *options;
    memset(w, 0, sizeof *w);
    mem_counting_init(&w->mem, mem_libc());
    clock_manual_init(&w->clock, SIMWORLD_WALL_MS);
    rng_init(&w->rng, o.seed);
    w->sched = o.coroutines ? sched_coroutine_new(mem_libc(), NULL)
                            : sched_inline_new(mem_libc());
    REQUIRE(w->sched != NULL);
    w->hook = (struct simworld_hook){.sched = {.yield = hook_yield}, .world = w};
    o.disk.sched = &w->hook.sched;
    REQUIRE_INT(disk_sim_new(mem_libc(), &o.disk, &w->sim), 0);
    w->disk = w->sim;
    if (o.trace) {
        REQUIRE_INT(disk_trace_new(mem_libc(), w->sim, &w->trace), 0);
        if (o.coroutines) disk_trace_set_actor(w->trace, current_actor, w->sched);
        w->disk = disk_trace_disk(w->trace);
    }
    w->disk = order_watch_init(&w->watch, w->disk, on_disorder, w);
    w->net = net_sim_new(mem_libc(), &w->clock);
    REQUIRE(w->net != NULL);
    w->env = (struct db_env){.disk = w->disk,
                             .clock = &w->clock.clock,
                             .mem = &w->mem.mem,
                             .sched = w->sched,
                             .log = keep_line,
                             .log_arg = w};
}

void simworld_deinit(struct simworld *w)
{
    CHECK_INT(w->mem.blocks, 0);
    CHECK_INT(net_sim_open_handles(w->net), 0);
    CHECK_TEXT(w->disorder, "");
    order_watch_deinit(&w->watch);
    net_sim_free(w->net);
    sched_free(w->sched);
    if (w->trace) disk_trace_free(w->trace);
    disk_sim_free(w->sim);
}

void simworld_cut(struct simworld *w, enum disk_sim_survivors survivors)
{
    disk_sim_power_cut(w->sim, survivors, &w->rng);
    order_watch_restart(&w->watch);
}

void simworld_kill(struct simworld *w)
{
    disk_sim_process_crash(w->sim);
    order_watch_restart(&w->watch);
}

void simworld_remember_at(struct simworld *w, long point, void (*fn)(void *), void *arg)
{
    w->hook.countdown = point;
    w->hook.remembered = false;
    w->hook.fn = fn;
    w->hook.arg = arg;
}

bool simworld_cut_remembered(struct simworld *w, enum disk_sim_survivors survivors)
{
    w->hook.countdown = 0;
    if (!w->hook.remembered) return false;
    w->hook.remembered = false;
    disk_sim_rollback(w->sim, w->hook.snapshot);
    simworld_cut(w, survivors);
    return true;
}

void simworld_tiny_options(struct options *o)
{
    options_init(o);
    o->memtable_bytes = 512;
    o->log_bytes = 512;
    o->block_bytes = 64;
    o->restart_interval = 2;
    o->table_bytes = 256;
    o->cache_bytes = 0;
    o->level0_tables = 2;
    o->level1_bytes = 512;
    o->level_ratio = 2;
    o->manifest_bytes = 512;
    o->write_buffer_bytes = 64;
    o->spare_logs = 1;
}

struct db *simworld_open(struct simworld *w, const struct options *o)
{
    struct db *db = NULL;
    struct err_detail why = {.code = ERR_OK};
    enum err e = db_open(&w->env, SIMWORLD_STORE, o, &db, &why);
    if (e) printf("  cannot open: %s: %s\n", err_text(e), why.text);
    REQUIRE_INT(e, ERR_OK);
    return db;
}
