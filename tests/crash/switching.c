#include "tests/crash/switching.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fault/disk_sim_state.h"
#include "tests/crash/run.h"

#define STACK_BYTES ((size_t)512 << 10) /* images are recovered on a job's stack */
#define COROUTINES  8
#define ACTORS_MAX  128 /* jobs of one run */
#define INODES_MAX  512

/* Where the call stands that the running actor is making. */
enum stage { STAGE_NONE, STAGE_NOTED, STAGE_ENTERED };

#define JOBS_MAX 64

/* A job of the store, in the hands of the scheduler. */
struct shadow {
    struct job job; /* first: what the scheduler knows */
    struct job *real;
    struct switching *switching;
    uint32_t number; /* of submission */
};

/* Two faces of one scheduler: the disk yields to it, the store gives it jobs. */
struct face {
    struct sched sched; /* first */
    struct switching *switching;
};

/* How far somebody has come. */
struct actor {
    uint64_t story;    /* a hash of all it has done and been told */
    uint32_t steps;    /* switch points that it has come to, and passed */
    uint32_t covering; /* inside a sync: changes of that file that it will cover, + 1 */
};

struct switching {
    struct face disk, store;
    struct sched *sched; /* the coroutines, in the trial's pool: new ones for each run */
    struct pool_place place;
    struct shadow shadows[JOBS_MAX];
    struct actor actors[ACTORS_MAX];
    uint32_t submitted;
    struct run *run;
    bool on;
    unsigned life; /* processes that have died */
    enum stage stage;
    struct tap_call call;
    uint32_t who;                 /* ran last */
    uint32_t changes[INODES_MAX]; /* that were made to each inode */
    bool disk_hashed;             /* disk_hash is that of the disk as it is */
    uint64_t disk_hash[2];
};

static struct switching *switching_of(const struct sched *face)
{
    return ((const struct face *)face)->switching;
}

/* ---- what decides the future ---- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * 0x100000001B3u;
    return hash;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return text ? hash_bytes(hash, text, strlen(text) + 1) : hash;
}

uint64_t switching_call_hash(const struct tap_call *c)
{
    uint64_t numbers[] = {c->call, c->site, c->offset, c->length};
    uint64_t hash = hash_bytes(0xCBF29CE484222325u, numbers, sizeof numbers);
    hash = hash_text(hash_text(hash, c->name), c->to);
    return c->bytes ? hash_bytes(hash, c->bytes, c->length) : hash;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ (hash >> 29);
}

static struct actor *running(struct switching *s)
{
    return &s->actors[sched_coroutine_actor(s->sched)];
}

enum happening { OPENED = 1, SUBMITTED, ENDED, REAPED, ANSWERED, CALLED, TURNED };

static void happens(struct switching *s, enum happening what, uint64_t content)
{
    if (s->on) running(s)->story = mix(mix(running(s)->story, what), content);
}

void switching_answer(struct switching *s, uint64_t content)
{
    happens(s, ANSWERED, content);
}

void switching_opened(struct switching *s)
{
    happens(s, OPENED, 0);
}

void switching_disk_hash(struct switching *s, uint64_t hash[2])
{
    if (!s->disk_hashed) disk_sim_hash_state(s->run->disk, s->disk_hash);
    s->disk_hashed = true;
    memcpy(hash, s->disk_hash, sizeof s->disk_hash);
}

/* Everybody's own story, where they stand, and the disk. What the owner holds in memory
 * follows from its story, which tells what it reaped and when; what a job holds follows
 * from the owner's when it was submitted and from its own. */
static uint64_t progress(void *arg)
{
    struct switching *s = arg;
    uint64_t disk[2], hash = 0;
    if (!s->on) return 0;
    switching_disk_hash(s, disk);
    for (uint32_t i = 0; i <= s->submitted; i++) {
        const struct actor *a = &s->actors[i];
        hash = mix(mix(mix(hash, a->story), a->steps), a->covering);
    }
    return mix(mix(hash, disk[0]), disk[1]);
}

static uint32_t inode_of(const struct tap_call *c)
{
    const uint8_t *as = c->file ? (const void *)c->file : (const void *)c->dir;
    if (!as) return SIM_ROOT;
    uint32_t inode =
        ((const struct sim_handle *)(as - offsetof(struct sim_handle, as)))->inode;
    assert(inode < INODES_MAX);
    return inode;
}

/* ---- the disk's switch points ---- */

/* Tells the call to whoever watches, on a disk that switches no more: what they do to it
 * is not part of the run. */
static void tell(struct switching *s, struct tap_call *call)
{
    struct run *r = s->run;
    call->ordinal = r->tap.calls++;
    disk_sim_set_sched(r->disk, NULL);
    if (r->on_call) r->on_call(r->arg, call);
    disk_sim_set_sched(r->disk, &s->disk.sched);
}

static void takes_effect(struct switching *s, struct tap_call *call, enum stage stage)
{
    uint32_t inode = inode_of(call);
    if (stage == STAGE_NOTED && tap_is_barrier(call)) {
        running(s)->covering = s->changes[inode] + 1;
        s->call = *call;
        s->stage = STAGE_ENTERED; /* the disk comes back for its other half */
        return;
    }
    tell(s, call);
    happens(s, CALLED, switching_call_hash(call));
    running(s)->covering = 0;
    s->changes[inode]++;
    s->disk_hashed = false;
}

static void who_runs(struct switching *s, enum stage stage, const struct tap_call *call)
{
    uint32_t actor = sched_coroutine_actor(s->sched);
    if (actor == s->who) return;
    s->who = actor;
    run_note_switch(s->run, actor, stage == STAGE_NONE ? SITE_COUNT : call->site,
                    stage == STAGE_ENTERED);
}

static void disk_yield(struct sched *face)
{
    struct switching *s = switching_of(face);
    struct tap_call call = s->call;
    enum stage stage = s->stage;
    unsigned life = s->life;
    s->stage = STAGE_NONE;
    who_runs(s, stage, &call);
    running(s)->steps++;
    sched_yield_point(s->sched);
    running(s)->steps++;
    if (life != s->life || !s->on) return;
    who_runs(s, stage, &call);
    if (stage != STAGE_NONE) takes_effect(s, &call, stage);
}

bool switching_note(struct switching *s, const struct tap_call *call)
{
    if (!s->on) return false;
    s->run->tap.calls--; /* counted when it takes effect */
    s->call = *call;
    s->stage = STAGE_NOTED;
    return true;
}

void switching_forget(struct switching *s)
{
    s->stage = STAGE_NONE;
}

void switching_death(struct switching *s)
{
    s->life++;
    s->stage = STAGE_NONE;
}

/* ---- the store's jobs ---- */

static void shadow_run(struct job *job)
{
    struct shadow *w = (struct shadow *)job;
    w->real->run(w->real);
    happens(w->switching, ENDED, 0);
}

static void store_submit(struct sched *face, struct job *job)
{
    struct switching *s = switching_of(face);
    struct shadow *w = s->shadows;
    while (w < s->shadows + JOBS_MAX && w->real)
        w++;
    assert(w < s->shadows + JOBS_MAX && s->submitted + 1 < ACTORS_MAX);
    *w = (struct shadow){.job = {.run = shadow_run, .class = job->class},
                         .real = job,
                         .switching = s,
                         .number = ++s->submitted};
    happens(s, SUBMITTED, job->class);
    sched_submit(s->sched, &w->job);
}

static struct job *store_reap(struct sched *face)
{
    struct switching *s = switching_of(face);
    struct shadow *w = (struct shadow *)sched_reap(s->sched);
    if (!w) return NULL;
    happens(s, REAPED, w->number);
    struct job *real = w->real;
    w->real = NULL;
    return real;
}

static void store_wait(struct sched *face, int timeout_ms)
{
    struct sched *inner = switching_of(face)->sched;
    inner->wait(inner, timeout_ms);
}

static void store_yield(struct sched *face)
{
    sched_yield_point(switching_of(face)->sched);
}

static int store_poll_fd(struct sched *face)
{
    (void)face;
    return -1;
}

/* ---- making one ---- */

struct switching *switching_new(struct run *run)
{
    struct switching *s = calloc(1, sizeof *s);
    if (!s) abort();
    struct coroutine_options o = {.stack_bytes = STACK_BYTES,
                                  .coroutines = COROUTINES,
                                  .progress = progress,
                                  .progress_arg = s};
    s->run = run;
    s->disk = (struct face){{.yield = disk_yield}, s};
    s->store = (struct face){{store_submit, store_reap, store_wait, store_yield,
                              store_poll_fd, NULL /* it is the run's to free */},
                             s};
    s->place = pool_mem_place(&run->trial->pool);
    s->sched = sched_coroutine_new(&run->trial->pool.mem, &o);
    if (!s->sched) abort();
    return s;
}

void switching_free(struct switching *s)
{
    if (!s) return;
    sched_free(s->sched);
    pool_mem_release(&s->run->trial->pool, s->place);
    free(s);
}

struct sched *switching_sched(struct switching *s)
{
    return &s->store.sched;
}

uint64_t switching_hash(const struct switching *s)
{
    return sched_coroutine_hash(s->sched);
}

void switching_follow(struct switching *s, const uint8_t *choices, size_t count)
{
    sched_coroutine_follow(s->sched, choices, count);
}

void switching_on(struct switching *s)
{
    s->on = true;
    s->who = s->submitted = 0;
    s->disk_hashed = false;
    disk_sim_set_sched(s->run->disk, &s->disk.sched);
}

void switching_off(struct switching *s)
{
    s->on = false;
    s->stage = STAGE_NONE;
    disk_sim_set_sched(s->run->disk, NULL);
}

void switching_turned(struct switching *s, struct db *db)
{
    if (!s->on) {
        db_group_await(db);
        if (!db_in_group(db)) db_settle(db);
        return;
    }
    happens(s, TURNED, 0);
    sched_yield_point(s->sched);
}

const struct switch_point *switching_points(const struct switching *s, size_t *count)
{
    return sched_coroutine_points(s->sched, count);
}

/* ---- words ---- */

const char *switching_job(enum site site)
{
    if (site == SITE_COUNT) return "a job";
    switch (site) {
    case SITE_WAL_UNLINK:
    case SITE_SST_UNLINK:
    case SITE_MANIFEST_UNLINK: return "the cleanup";
    case SITE_WAL_SYNC: return "the sync of the log";
    default: break;
    }
    switch (site_kind(site)) {
    case KIND_SST: return "the making of a table";
    case KIND_MANIFEST:
    case KIND_CURRENT: return "the manifest's edit";
    case KIND_WAL: return "the preparation of a log";
    default: return "a job";
    }
}
