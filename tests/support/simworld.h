/* simworld.h - a whole world in one struct: disk, clock, memory, jobs, network, chance.
 *
 * Flow:    suites, explorer > simworld_init > store or server in it > cut > the next one
 * Owns:    everything in it; what lives in the world (a store, a server) is its user's.
 * Errors:  ends the test: a world that cannot be made is nobody's finding.
 * Threads: one.
 * Tests:   tests/fault/simworld_test.c
 *
 * Making one takes microseconds, no thread and no file. Two worlds with the same options
 * in which the same is done are the same, bit for bit.
 */
#ifndef TESTS_SUPPORT_SIMWORLD_H
#define TESTS_SUPPORT_SIMWORLD_H

#include "engine/db.h"
#include "fault/disk_sim.h"
#include "fault/disk_trace.h"
#include "fault/net_sim.h"
#include "fault/rng.h"
#include "fault/sched_coroutine.h"
#include "tests/support/order_edits.h"

#define SIMWORLD_WALL_MS 1700000000000 /* the wall clock of a new world */
#define SIMWORLD_STORE   "store"       /* the store's directory */

struct simworld_options {
    uint64_t seed;               /* of `rng` */
    struct disk_sim_config disk; /* its sched is set by simworld_init */
    bool coroutines;             /* jobs as coroutines; else inline */
    bool trace;                  /* record mutating calls */
};
/* Seed 1, 512-byte chunks, profile W, jobs inline, no trace. */
void simworld_options_init(struct simworld_options *o);

/* The disk's switch points, counted. */
struct simworld_hook {
    struct sched sched; /* the disk's: only yield is ever asked */
    struct simworld *world;
    long countdown; /* points until the moment to be remembered; 0: none */
    bool remembered;
    unsigned snapshot; /* of the disk at that moment */
    void (*fn)(void *);
    void *arg;
};

struct simworld {
    struct mem_counting mem; /* the memory of whoever lives here */
    struct clock_manual clock;
    struct rng rng;
    struct disk *sim;         /* the simulated disk itself */
    struct disk_trace *trace; /* around it, or NULL */
    struct order_watch watch; /* around that: the ordering assert */
    char disorder[200];       /* what it has found first; simworld_deinit checks "" */
    struct disk *disk;        /* what to give to a store: the outermost wrapper */
    struct sched *sched;
    struct simworld_hook hook;
    struct net_sim *net;
    struct db_env env;               /* of a store in this world */
    unsigned log_lines;              /* that were logged through env.log */
    char log[ERR_DETAIL_BYTES + 64]; /* the last of them */
};

/* NULL options: the defaults. */
void simworld_init(struct simworld *w, const struct simworld_options *o);
/* Checks that whoever lived here has given everything back, and kept the order of calls
 * that disk_order.h demands. */
void simworld_deinit(struct simworld *w);

/* The power fails. Whoever lives here must still be freed; nothing it does to the disk
 * has an effect any more. Survivors are chosen by the world's rng where that is asked. What
 * is on the disk then counts as durable for the ordering assert. */
void simworld_cut(struct simworld *w, enum disk_sim_survivors survivors);
/* The process dies: what it wrote is still in the cache, and may be lost later. */
void simworld_kill(struct simworld *w);

/* Remembers the disk at the `point`-th place from now (from 1) at which the disk lets
 * others run: before each call and inside each sync. fn (may be NULL) is told when that
 * moment has come. */
void simworld_remember_at(struct simworld *w, long point, void (*fn)(void *), void *arg);
/* The power fails, as of the moment remembered. REQUIRES: whoever lived here was freed,
 * and made no difference by it. False: that moment never came, nothing is done. */
bool simworld_cut_remembered(struct simworld *w, enum disk_sim_survivors survivors);

/* Options of a store whose whole life fits a few chunks: 64-byte blocks, memtables of a
 * few records. */
void simworld_tiny_options(struct options *o);
/* Opens SIMWORLD_STORE; failing that ends the test with the reason. */
struct db *simworld_open(struct simworld *w, const struct options *o);

#endif
