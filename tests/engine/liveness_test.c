/* The store goes on: whatever the jobs' order, the disk's room and its failures, once they
 * are over every write is accepted again within a bounded time, and where they never began
 * none is refused. And it keeps its promise: after a killed process or a power cut at any
 * moment it is in a state that the policy of each group allows.
 *
 * A life is a random history of one store beside the model that says what it must show, and
 * what it may have become. Each of its steps draws from a seed of its own, so that a failure
 * is shrunk by leaving steps out, and then told step by step. One life again, or many from
 * that one on: LIFE=seed [LIVES=n] build/test/run-tests engine/liveness */
#include "tests/support/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/db_state.h"
#include "fault/disk_sim_state.h"
#include "proptests/play.h"
#include "proptests/shrink.h"
#include "tests/support/failing.h"
#include "tests/support/late_sched.h"
#include "tests/support/teststore.h"

#define LIVES       2500
#define STEPS       60
#define KEYS        30
#define PREFIXES    3
#define SNAPSHOTS   3
#define CHUNK_BYTES 64         /* of the disk */
#define AMPLE_BYTES (1u << 30) /* a disk without an end would not count reserves */
/* The reserve of such logs has room for a manifest. */
#define AMPLE_LOG_BYTES 8192
#define PATIENCE        20000 /* submits and waits in one step */
#define TICK_MS         100
#define TICKS           1000 /* within which a store comes back: some of the longest pauses */
#define GROUPS_MAX      500
#define DELETES_KEPT    10  /* that a full disk takes at least, */
#define DELETE_TICKS    200 /* within that time */
#define COUNTERS        4   /* registers in use */
#define DOUBTS_MAX      5   /* refused groups that may be back, before all is healed */

/* For each key the number of the put that wrote its value; 0: absent. */
struct moment {
    unsigned put[KEYS];
};

struct life {
    uint64_t seed;
    bool told; /* step by step */
    char name[40];
    char problem[300]; /* the first one; "": none */
    struct rng rng;
    struct teststore t;
    struct late_sched sched;
    struct failing failing;
    unsigned puts;
    struct model *model;
    bool log_failed; /* the store was last seen so */
    bool limited;    /* the disk has an end, */
    bool failed;     /* a call may fail, or has, */
    bool harmed;     /* one may have in this process: a file may be left behind */
    bool hostile;    /* either has been so since the store was last seen well */
    struct {
        struct db_snapshot *at;
        struct moment moment;
    } snapshots[SNAPSHOTS];
    struct db_iter *iter;
    struct moment walked; /* what it must see */
};

static void problem(struct life *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void problem(struct life *l, const char *format, ...)
{
    va_list args;
    if (l->problem[0]) return;
    va_start(args, format);
    vsnprintf(l->problem, sizeof l->problem, format, args);
    va_end(args);
}

static unsigned below(struct life *l, unsigned bound)
{
    return (unsigned)rng_below(&l->rng, bound);
}

static bool one_in(struct life *l, unsigned n)
{
    return below(l, n) == 0;
}

static int64_t now_us(struct life *l)
{
    return clock_mono_us(&l->t.clock.clock);
}

/* ---- keys and values ---- */

static slice key_of(unsigned k, char buf[8])
{
    snprintf(buf, 8, "%c%02u", (char)('a' + k % PREFIXES), k);
    return slice_text(buf);
}

static slice value_of(unsigned put, char buf[512])
{
    size_t n = 8 + put * 7919 % 200;
    if (put % 61 == 0) n += 250;
    memset(buf, 'a' + (int)(put % 26), n);
    snprintf(buf, 9, "%08u", put % 100000000);
    buf[8] = 'v';
    return slice_of(buf, n);
}

static unsigned put_of(slice value)
{
    char digits[9] = "";
    memcpy(digits, value.data, value.size < 8 ? value.size : 8);
    return (unsigned)strtoul(digits, NULL, 10);
}

/* ---- reading ---- */

static bool shows(slice value, unsigned put)
{
    char buf[512];
    return slice_compare(value, value_of(put, buf)) == 0;
}

static unsigned put_now(struct life *l, unsigned k)
{
    char buf[8];
    slice value;
    return model_get(l->model, key_of(k, buf), &value) ? put_of(value) : 0;
}

static struct moment photo(struct life *l)
{
    struct moment m;
    for (unsigned k = 0; k < KEYS; k++)
        m.put[k] = put_now(l, k);
    return m;
}

static void read_key(struct life *l, unsigned k, const struct db_snapshot *at,
                     unsigned put)
{
    char buf[8];
    slice value;
    enum err e = db_get_at(l->t.db, at, key_of(k, buf), &value, &l->t.why);
    if (e != (put ? ERR_OK : ERR_NOT_FOUND))
        problem(l, "%s reads as %s, put %u", buf, err_text(e), put);
    else if (!e && !shows(value, put))
        problem(l, "%s has put %u instead of %u", buf, put_of(value), put);
}

static void read_at(struct life *l, const struct db_snapshot *at, const struct moment *m)
{
    for (unsigned k = 0; k < KEYS; k++)
        read_key(l, k, at, m->put[k]);
}

static void read_all(struct life *l)
{
    for (unsigned k = 0; k < KEYS; k++)
        read_key(l, k, NULL, put_now(l, k));
    for (unsigned r = 0; r < COUNTERS; r++)
        if (db_register(l->t.db, r) != model_register(l->model, r))
            problem(l, "counter %u has another value", r);
}

/* Keys of one prefix are in the order of their numbers, the prefixes one after the other. */
static void walk(struct life *l, struct db_iter *it, const struct moment *m)
{
    char buf[8];
    db_iter_first(it);
    for (unsigned p = 0; p < PREFIXES; p++) {
        for (unsigned k = p; k < KEYS; k += PREFIXES) {
            if (!m->put[k]) continue;
            if (!db_iter_valid(it) ||
                slice_compare(db_iter_key(it), key_of(k, buf)) != 0 ||
                !shows(db_iter_value(it), m->put[k])) {
                problem(l, "a walk does not find put %u", m->put[k]);
                return;
            }
            db_iter_next(it);
        }
    }
    if (db_iter_valid(it) || db_iter_error(it, NULL)) problem(l, "a walk has no end");
}

/* ---- what may be refused ---- */

/* True when it was done. While nothing has been wrong with the disk all is; and what is
 * refused says why. */
static bool done(struct life *l, enum err e, const char *what)
{
    if (!e) return true;
    if (e != ERR_WRITES_REFUSED || !l->hostile) {
        problem(l, "%s answers %s (%s)", what, err_text(e),
                db_write_error(l->t.db)->text);
        return false;
    }
    const struct err_detail *why = db_write_error(l->t.db);
    if (!why->code || !why->text[0]) problem(l, "%s is refused without a reason", what);
    return false;
}

/* What is not durable when a log has failed will not be before the new log is in force; and
 * then what was refused is gone for good. */
static void notice(struct life *l)
{
    bool failed = l->t.db->failed_log != 0;
    if (failed && !l->log_failed) model_unpromise(l->model, now_us(l));
    if (!failed && l->log_failed) {
        model_durable(l->model);
        model_settle(l->model);
    }
    l->log_failed = failed;
}

static void look(struct life *l)
{
    if (!l->t.db) return;
    notice(l);
    const struct err_detail *why = db_write_error(l->t.db);
    if (db_refuses(l->t.db)) {
        if (!l->hostile) problem(l, "writes are refused: %s", why->text);
        if (!why->code || !why->text[0]) problem(l, "refuses without a reason");
    } else if (!l->hostile && why->code) {
        problem(l, "an old reason: %s", why->text);
    }
    if (db_refuses_deletes(l->t.db) && !db_refuses(l->t.db))
        problem(l, "refuses deletes, but not writes");
    unsigned k = below(l, KEYS);
    read_key(l, k, NULL, put_now(l, k));
}

/* ---- writing ---- */

static enum err put_one(struct life *l)
{
    char key_buf[8], value_buf[512];
    slice key = key_of(below(l, KEYS), key_buf), value = value_of(++l->puts, value_buf);
    model_put(l->model, key, value);
    return db_put(l->t.db, key, value);
}

static enum err delete_one(struct life *l)
{
    char buf[8];
    slice key = key_of(below(l, KEYS), buf);
    model_delete(l->model, key);
    return db_delete(l->t.db, key);
}

static enum err sink_one(struct life *l)
{
    uint8_t prefix = (uint8_t)('a' + below(l, PREFIXES));
    model_floor(l->model, prefix);
    enum err e = batch_floor(db_batch_begin(l->t.db), prefix);
    return e ? e : db_batch_commit(l->t.db);
}

static enum err count_one(struct life *l)
{
    unsigned reg = below(l, COUNTERS), number = below(l, 1000);
    struct batch *b = db_batch_begin(l->t.db);
    enum err e;
    if (one_in(l, 4)) {
        model_register_set(l->model, reg, number);
        e = batch_register_set(b, reg, number);
    } else {
        model_register_add(l->model, reg, -(int64_t)number);
        e = batch_register_add(b, reg, -(int64_t)number);
    }
    return e ? e : db_batch_commit(l->t.db);
}

static enum err change_one(struct life *l, bool deletes)
{
    if (one_in(l, 6)) return count_one(l);
    if (!deletes && !one_in(l, 4)) return put_one(l);
    return one_in(l, 12) ? sink_one(l) : delete_one(l);
}

static bool begin_group(struct life *l, bool deletes)
{
    notice(l);
    enum err e = deletes ? db_group_begin_deletes(l->t.db) : db_group_begin(l->t.db);
    if (!done(l, e, "a group")) return false;
    for (unsigned n = 1 + below(l, deletes ? 4 : 8); n > 0; n--) {
        e = change_one(l, deletes);
        if (e) problem(l, "a change in a group: %s", err_text(e));
    }
    return true;
}

/* The answer to the oldest group that was issued. */
static bool answered(struct life *l, enum err e, const char *what)
{
    if (e) {
        model_fail(l->model);
        return done(l, e, what);
    }
    enum sync_policy policy = l->t.options.sync;
    model_ack(l->model, policy, now_us(l));
    /* its record has taken the place of one that was refused, and is synced */
    if (policy == SYNC_ALWAYS) model_settle(l->model);
    return true;
}

static bool commit(struct life *l)
{
    model_issue(l->model);
    return answered(l, db_group_commit(l->t.db), "the end of a group");
}

static bool write_group(struct life *l, bool deletes)
{
    return begin_group(l, deletes) && commit(l);
}

/* The group's sync may go on while the next one is made. */
static void submit_groups(struct life *l)
{
    struct db *db = l->t.db;
    if (!begin_group(l, one_in(l, 3))) return;
    model_issue(l->model);
    enum err e = db_group_submit(db);
    if (e || !db_group_settling(db)) {
        answered(l, e ? e : db_group_result(db), "a group that was submitted");
        return;
    }
    for (unsigned n = below(l, 4); n > 0; n--) {
        late_sched_turn(&l->sched);
        if (one_in(l, 2))
            db_reap(db);
        else
            db_step(db);
    }
    bool second = one_in(l, 2) && begin_group(l, one_in(l, 3));
    db_group_await(db);
    e = db_group_result(db);
    if (e && second && db_in_group(db))
        problem(l, "the group after a failed one goes on");
    if (second && !db_in_group(db)) model_drop(l->model);
    answered(l, e, "a group that was submitted");
    if (second && db_in_group(db)) commit(l);
}

static bool write_alone(struct life *l)
{
    notice(l);
    bool put = !one_in(l, 3);
    seqno before = db_last_seq(l->t.db);
    enum err e = put ? put_one(l) : delete_one(l);
    if (e && db_last_seq(l->t.db) == before) {
        model_drop(l->model);
        return done(l, e, "a change that was not begun");
    }
    model_issue(l->model);
    return answered(l, e, put ? "a put" : "a delete");
}

/* Enough for a memtable or two. */
static void write_many(struct life *l)
{
    for (unsigned n = 10 + below(l, 30); n > 0 && write_alone(l); n--)
        if (one_in(l, 8)) late_sched_turn(&l->sched);
}

/* ---- the disk ---- */

/* So many chunks are left; that there are no more a write tells, or only the sync. */
static void limit(struct life *l, unsigned chunks, enum disk_sim_full full)
{
    uint64_t used = sim_chunks_used(sim_of(l->t.disk));
    sim_of(l->t.disk)->config.full = full;
    l->limited = l->hostile = true;
    disk_sim_set_capacity(l->t.disk, (used + chunks) * CHUNK_BYTES);
}

static void limit_at_random(struct life *l)
{
    enum disk_sim_full full = one_in(l, 3) ? DISK_FULL_AT_SYNC : DISK_FULL_AT_WRITE;
    if (one_in(l, 2)) {
        limit(l, below(l, 200), full);
        return;
    }
    l->limited = l->hostile = true;
    sim_of(l->t.disk)->config.full = full;
    disk_sim_set_capacity(l->t.disk, CHUNK_BYTES * (1 + below(l, 600)));
}

static void fail_a_call(struct life *l)
{
    struct failing *f = &l->failing;
    l->failed = l->hostile = l->harmed = true;
    f->only_calls = f->only_kinds = 0;
    f->lasting = false;
    f->fail_at = f->calls + 1 + (long)below(l, 12);
    f->effect = (enum disk_sim_effect)below(l, DISK_EFFECT_SHORT + 1);
    f->error = one_in(l, 2) ? EIO : ENOSPC;
    f->bytes = below(l, 200);
}

/* All calls of one kind fail, until this is lifted. */
static void fail_a_kind(struct life *l)
{
    static const struct {
        unsigned calls, kinds;
    } sets[] = {
        {1u << CALL_SYNC, 0},
        {1u << CALL_RENAME, 0},
        {1u << CALL_ALLOCATE, 0},
        {1u << CALL_UNLINK, 0},
        {1u << CALL_OPEN, 0},
        {1u << CALL_WRITE, 1u << KIND_SST},
        {1u << CALL_SYNC, 1u << KIND_SST},
        {1u << CALL_WRITE, 1u << KIND_WAL},
        {1u << CALL_SYNC, 1u << KIND_WAL},
        {0, 1u << KIND_MANIFEST},
        {0, 1u << KIND_CURRENT},
    };
    unsigned i = below(l, sizeof sets / sizeof sets[0]);
    fail_a_call(l);
    l->failing.effect = (enum disk_sim_effect)below(l, DISK_EFFECT_FULL + 1);
    l->failing.only_calls = sets[i].calls;
    l->failing.only_kinds = sets[i].kinds;
    l->failing.lasting = true;
}

/* A failure that has met no call yet must not meet one later: this one takes it. */
static void stop_failing(struct life *l)
{
    l->failing.fail_at = 0;
    if (l->failed) disk_mkdir(l->t.disk, TESTSTORE_DIR, SITE_OTHER_MKDIR);
    l->failed = false;
}

static void lift(struct life *l)
{
    disk_sim_set_capacity(l->t.disk, AMPLE_BYTES);
    stop_failing(l);
    l->limited = false;
}

static void release_all(struct life *l)
{
    while (late_sched_turn(&l->sched))
        db_reap(l->t.db);
}

static bool is_well(const struct db *db)
{
    return !db_refuses(db) && !db_refuses_deletes(db) && !db_busy(db) &&
           db_step_timeout_ms(db) < 0 && db->in_flight == 0;
}

static void tick(struct life *l)
{
    release_all(l);
    clock_manual_advance(&l->t.clock, TICK_MS);
    db_step(l->t.db);
    notice(l);
}

/* Time passes, and jobs run, until nothing is left to do. */
static void come_back(struct life *l)
{
    struct db *db = l->t.db;
    unsigned ticks = 0;
    lift(l);
    for (db_step(db); ticks < TICKS && !is_well(db); ticks++)
        tick(l);
    if (l->told) printf("    well after %u ms\n", ticks * TICK_MS);
    if (!is_well(db))
        problem(l, "does not come back: refuses %d, busy %d, timeout %d (%s)",
                db_refuses(db), db_busy(db), db_step_timeout_ms(db),
                db_write_error(db)->text);
    l->hostile = false;
    if (!write_group(l, false)) problem(l, "a write is refused after all is well");
    look(l);
    if (l->problem[0] || (model_maybes(l->model) == 0 && one_in(l, 2))) return;
    if (!done(l, db_flush(db), "a flush after all is well")) return;
    model_durable(l->model);
    model_settle(l->model);
}

/* Groups until one is refused, if one is: few keys may be overwritten for ever. */
static unsigned write_until_refused(struct life *l)
{
    unsigned n = 0;
    for (; n < GROUPS_MAX && write_group(l, false); n++) {
        if (one_in(l, 3)) late_sched_turn(&l->sched);
        if (one_in(l, 3)) db_step(l->t.db);
    }
    return n;
}

/* A full disk takes deletes until its reserve ends, if not at once: the last record may have
 * cost it the log. Everything can be read. */
static void fill_up(struct life *l)
{
    come_back(l);
    if (l->problem[0] || !done(l, db_settle(l->t.db), "settling")) return;
    limit(l, 0, DISK_FULL_AT_WRITE);
    unsigned taken = 0, written = write_until_refused(l);
    for (unsigned n = 0; n < DELETE_TICKS && taken < 50 && !l->problem[0]; n++) {
        if (model_maybes(l->model) + 1 == MODEL_MAYBE_MAX) break;
        if (write_group(l, true))
            taken++;
        else
            tick(l);
        if (one_in(l, 3)) late_sched_turn(&l->sched);
        if (one_in(l, 3)) db_step(l->t.db);
    }
    if (l->told) printf("    %u groups and %u deletes\n", written, taken);
    const struct options *o = &l->t.options;
    bool kept = options_keep_reserve(o) && o->log_bytes >= AMPLE_LOG_BYTES;
    if (kept && taken < DELETES_KEPT) problem(l, "a full disk takes %u deletes", taken);
    read_all(l);
}

/* ---- moments ---- */

static void forget_moments(struct life *l)
{
    for (unsigned i = 0; i < SNAPSHOTS; i++) {
        if (l->snapshots[i].at) db_snapshot_free(l->t.db, l->snapshots[i].at);
        l->snapshots[i].at = NULL;
    }
    if (l->iter) db_iter_free(l->iter);
    l->iter = NULL;
}

static void look_back(struct life *l)
{
    unsigned i = below(l, SNAPSHOTS);
    struct db_snapshot **at = &l->snapshots[i].at;
    if (!*at) {
        l->snapshots[i].moment = photo(l);
        if (db_snapshot_new(l->t.db, at)) problem(l, "no snapshot");
        return;
    }
    read_at(l, *at, &l->snapshots[i].moment);
    if (one_in(l, 2)) return;
    db_snapshot_free(l->t.db, *at);
    *at = NULL;
}

static void iterate(struct life *l)
{
    if (!l->iter) {
        l->walked = photo(l);
        if (db_iter_new(l->t.db, &l->iter)) problem(l, "no iterator");
        return;
    }
    walk(l, l->iter, &l->walked);
    if (one_in(l, 2)) return;
    db_iter_free(l->iter);
    l->iter = NULL;
}

/* ---- opening ---- */

/* The store is in a state that the promise allows: with these many groups at least. */
static void judge(struct life *l, size_t lower)
{
    struct model_digest seen;
    size_t groups = model_groups(l->model);
    if (!play_digest(l->t.db, &seen)) problem(l, "the store cannot be read");
    if (!model_restart(l->model, &seen, lower, groups))
        problem(l, "%llu keys: no state between %zu and %zu of the groups",
                (unsigned long long)seen.keys, lower, groups);
    else
        read_all(l);
}

static void open_store(struct life *l, size_t lower)
{
    enum err e = teststore_open(&l->t);
    if (e && l->hostile) {
        lift(l);
        e = teststore_open(&l->t);
    }
    if (e) {
        problem(l, "does not open: %s", l->t.why.text);
        return;
    }
    l->log_failed = false;
    l->harmed = l->failed;
    judge(l, lower);
}

static void change_options(struct life *l)
{
    static const size_t sizes[] = {1024, 2048, 4096};
    struct options *o = &l->t.options;
    o->spare_logs = 1 + below(l, 3);
    o->sync = (enum sync_policy)below(l, 3);
    o->memtable_bytes = one_in(l, 3) ? 1 << 20 : sizes[below(l, 3)];
    o->immutables_max = 1 + below(l, 3);
    o->level0_tables = 2 + below(l, 3);
    o->level0_slow = o->level0_tables + below(l, 3);
    o->level0_stop = o->level0_slow + 1 + below(l, 3);
}

enum ending { CLOSED, KILLED, CUT };

static void crash(struct life *l, enum ending ending)
{
    struct rng rng;
    sim_of(l->t.disk)->config.tau = below(l, 3);
    rng_init(&rng, rng_next(&l->rng));
    if (ending == CUT)
        disk_sim_power_cut(l->t.disk, (enum disk_sim_survivors)below(l, 3), &rng);
    teststore_die(&l->t);
}

static void end_process(struct life *l, enum ending ending)
{
    forget_moments(l);
    if (ending == CLOSED)
        teststore_close(&l->t);
    else
        crash(l, ending);
    bool good = ending == CLOSED && !l->hostile && !l->harmed;
    int reserves = teststore_count(&l->t, ".reserve"),
        tmps = teststore_count(&l->t, ".tmp");
    if (good && reserves + tmps > 0)
        problem(l, "closing leaves %d reserves and %d temporary files", reserves, tmps);
    if (l->t.mem.blocks) problem(l, "%ld blocks are lost", (long)l->t.mem.blocks);
    if (one_in(l, 4)) change_options(l);
}

/* ---- a life ---- */

/* In a loop that turns, with syncs that return in time, everysec keeps its promise. When
 * time jumps instead, what was promised for meanwhile is not. */
static void pass_time(struct life *l)
{
    static const int64_t ms[] = {1, 50, 1100, 5000, 40000};
    int64_t left = ms[below(l, 5)];
    if (one_in(l, 2)) {
        model_unpromise(l->model, now_us(l));
        clock_manual_advance(&l->t.clock, left);
        return;
    }
    for (; left > 0; left -= TICK_MS) {
        work_await_sync(l->t.db);
        clock_manual_advance(&l->t.clock, left < TICK_MS ? left : TICK_MS);
        db_step(l->t.db);
        notice(l);
    }
}

/* What a caller that blocks asks for, and the store's own work. */
static void work(struct life *l)
{
    switch (below(l, 4)) {
    case 0: done(l, db_flush(l->t.db), "a flush"); break;
    case 1: done(l, db_compact(l->t.db), "a compaction"); break;
    case 2: done(l, db_settle(l->t.db), "settling"); break;
    default:
        for (unsigned n = 0; db_busy(l->t.db); n++) {
            release_all(l);
            db_step(l->t.db);
            if (n < 1000) continue;
            problem(l, "is busy for ever");
            break;
        }
    }
}

static void set_policy(struct life *l)
{
    enum sync_policy policy = (enum sync_policy)below(l, 3);
    if (policy != l->t.options.sync) model_unpromise(l->model, now_us(l));
    l->t.options.sync = policy;
    db_set_sync(l->t.db, policy);
    if (policy == SYNC_ALWAYS && !l->t.db->failed_log) model_durable(l->model);
}

static void restart(struct life *l, enum ending ending)
{
    notice(l);
    enum model_crash crash = ending == CUT ? MODEL_CUT : MODEL_KILL;
    size_t lower = model_lower(l->model, crash, now_us(l));
    end_process(l, ending);
    if (!l->problem[0]) open_store(l, lower);
}

/* The program ends between two calls of what it does, or in the middle of one. */
static void end_suddenly(struct life *l, enum ending ending)
{
    bool limited = l->limited, hostile = l->hostile;
    if (!l->failed && one_in(l, 2)) {
        fail_a_call(l);
        l->failing.effect = (enum disk_sim_effect)below(l, DISK_EFFECT_FULL + 1);
        l->failing.lasting = true;
        for (unsigned n = 0; n < 3 && l->failing.calls < l->failing.fail_at; n++) {
            write_many(l);
            late_sched_turn(&l->sched);
            db_step(l->t.db);
        }
        stop_failing(l);
    }
    restart(l, ending);
    l->hostile = hostile || limited;
    if (l->problem[0] || !one_in(l, 3)) return;
    come_back(l);
    if (l->problem[0]) return;
    forget_moments(l);
    teststore_close(&l->t);
    teststore_expect_sound(&l->t);
    open_store(l, model_groups(l->model));
}

static const struct {
    const char *name;
    unsigned weight;
} moves[] = {
    {"write", 20},    {"write many", 12}, {"group", 10},   {"deletes", 10},
    {"submit", 8},    {"step", 20},       {"turn", 20},    {"hold", 8},
    {"time", 8},      {"work", 5},        {"snapshot", 4}, {"iterator", 4},
    {"policy", 3},    {"limit", 2},       {"fail", 2},     {"fail a kind", 1},
    {"come back", 3}, {"fill up", 1},     {"reopen", 1},   {"kill", 1},
    {"cut", 2},
};
enum { MOVES = sizeof moves / sizeof moves[0] };

static unsigned choose(struct life *l)
{
    unsigned all = 0, i = 0;
    for (unsigned m = 0; m < MOVES; m++)
        all += moves[m].weight;
    unsigned at = below(l, all);
    for (; at >= moves[i].weight; i++)
        at -= moves[i].weight;
    return i;
}

static void make(struct life *l, unsigned move)
{
    struct db *db = l->t.db;
    switch (move) {
    case 0: write_alone(l); break;
    case 1: write_many(l); break;
    case 2: write_group(l, false); break;
    case 3: write_group(l, true); break;
    case 4: submit_groups(l); break;
    case 5: db_step(db); break;
    case 6:
        for (unsigned n = 1 + below(l, 3); n > 0; n--)
            late_sched_turn(&l->sched);
        break;
    case 7: l->sched.lazy.held = below(l, 1u << JOB_CLASSES); break;
    case 8: pass_time(l); break;
    case 9: work(l); break;
    case 10: look_back(l); break;
    case 11: iterate(l); break;
    case 12: set_policy(l); break;
    case 13: limit_at_random(l); break;
    case 14: fail_a_call(l); break;
    case 15: fail_a_kind(l); break;
    case 16: come_back(l); break;
    case 17: fill_up(l); break;
    case 18: restart(l, CLOSED); break;
    case 19: end_suddenly(l, KILLED); break;
    default: end_suddenly(l, CUT);
    }
}

static void step(struct life *l, unsigned i)
{
    rng_init(&l->rng, l->seed * 1000 + i);
    l->sched.patience = PATIENCE;
    unsigned move = choose(l);
    if (l->told) printf("    %u: %s\n", i, moves[move].name);
    if (model_maybes(l->model) > DOUBTS_MAX) come_back(l);
    if (!l->problem[0]) make(l, move);
    if (!l->problem[0]) look(l);
    if (l->told && l->t.db)
        printf("       refuses %d, room %d, reserve %d, spares %zu, immutable %zu, level "
               "0: %zu, in flight %u%s%s\n",
               db_refuses(l->t.db), !l->t.db->no_room, l->t.db->on_reserve,
               l->t.db->spare_count, l->t.db->immutable_count,
               l->t.db->version->levels[0].count, l->t.db->in_flight,
               db_write_error(l->t.db)->code ? ": " : "",
               db_write_error(l->t.db)->code ? db_write_error(l->t.db)->text : "");
}

static void end(struct life *l)
{
    if (l->t.db && !l->problem[0]) {
        come_back(l);
        read_all(l);
    }
    l->sched.patience = PATIENCE;
    lift(l);
    if (l->t.db) end_process(l, CLOSED);
    if (!l->problem[0]) teststore_expect_sound(&l->t);
    model_free(l->model);
    failing_end(&l->failing);
    l->t.env.sched = l->t.sched;
    teststore_deinit(&l->t);
}

/* Steps that `keep` (NULL: all are kept) leaves out are as if never drawn. */
static void live(struct life *l, uint64_t seed, const bool *keep, bool told)
{
    *l = (struct life){.seed = seed, .told = told};
    snprintf(l->name, sizeof l->name, "LIFE=%llu", (unsigned long long)seed);
    rng_init(&l->rng, seed * 1000 + STEPS);
    teststore_init(&l->t);
    l->model = model_new(mem_libc());
    failing_begin(&l->failing, l->t.disk, 0);
    late_sched_init(&l->sched, &l->rng, l->name);
    l->t.env.sched = &l->sched.lazy.sched;
    l->sched.patience = PATIENCE;
    l->t.options.log_bytes = AMPLE_LOG_BYTES >> below(l, 4);
    l->t.options.manifest_bytes = 1024;
    change_options(l);
    lift(l);
    open_store(l, 0);
    for (unsigned i = 0; i < STEPS && !l->problem[0]; i++)
        if (!keep || keep[i]) step(l, i);
    end(l);
}

/* ---- many lives ---- */

static bool still_fails(void *arg, const bool *keep, size_t n)
{
    const struct life *first = arg;
    struct life l;
    (void)n;
    live(&l, first->seed, keep, false);
    return l.problem[0] != 0;
}

static void tell(struct life *l)
{
    bool keep[STEPS];
    struct life again;
    memset(keep, true, sizeof keep);
    printf("  %s: %s\n", l->name, l->problem);
    shrink_items(keep, STEPS, 500, still_fails, l);
    live(&again, l->seed, keep, true);
    printf("  %s\n", again.problem);
}

static void a_store_goes_on_in_every_life(void)
{
    const char *one = getenv("LIFE"), *many = getenv("LIVES");
    uint64_t from = one ? strtoull(one, NULL, 10) : 1;
    uint64_t lives = many ? strtoull(many, NULL, 10) : one ? 1 : LIVES;
    for (uint64_t seed = from; seed < from + lives; seed++) {
        struct life l;
        live(&l, seed, NULL, false);
        CHECK_TEXT(l.problem, "");
        if (!l.problem[0]) continue;
        tell(&l);
        return;
    }
}

CU_TestInfo engine_liveness_tests[] = {
    {"a_store_goes_on_in_every_life", a_store_goes_on_in_every_life},
    CU_TEST_INFO_NULL,
};
