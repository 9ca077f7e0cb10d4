/* play.c - see play.h.
 *
 * The clock runs in small steps with a turn of background work after each, because the
 * promise of everysec is made to programs that turn their loop.
 *
 * Failures are judged leniently in one respect: from the moment a failure is asked for
 * until the store has been opened again any call may fail, since the tape does not know
 * which call will meet it. What was answered is still held against the store.
 */
#include "proptests/play.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/db_state.h"

#define CLOCK_TURN_MS 100

__attribute__((format(printf, 2, 3))) static bool problem(struct play *p,
                                                          const char *format, ...)
{
    va_list args;
    if (*p->problem) return false;
    va_start(args, format);
    vsnprintf(p->problem, sizeof p->problem, format, args);
    va_end(args);
    return false;
}

static void event(struct play *p, enum play_event e)
{
    if (p->world->event)
        p->world->event(p->world->event_arg, e, model_groups(p->model) - 1);
}

/* ---- what failed, and whether it may ---- */

/* Notices that the store refuses writes. From then on nothing that is not durable yet
 * will be: the sync that would have covered it has failed. When it accepts them again,
 * everything is durable and what was refused will never be seen. */
static void notice_refusal(struct play *p)
{
    if (!p->db) return;
    p->refused = db_refuses(p->db);
    bool log_failed = p->db->failed_log != 0;
    if (log_failed && !p->log_failed)
        model_unpromise(p->model, clock_mono_us(p->world->env.clock));
    if (!log_failed && p->log_failed) {
        model_durable(p->model);
        model_settle(p->model);
    }
    p->log_failed = log_failed;
}

static bool may_fail(struct play *p, enum err e, const char *what)
{
    notice_refusal(p);
    if (e == ERR_OK || p->failing) return true;
    return problem(p, "%s: %s, although nothing was made to fail (%s)", what, err_text(e),
                   p->db ? db_write_error(p->db)->text : "");
}

/* A failure that has met no call yet must not meet one of ours: this call changes nothing
 * and takes it. */
static void disarm(struct play *p)
{
    if (!p->failing) return;
    disk_mkdir(p->world->sim, p->world->dir, SITE_OTHER_MKDIR);
    p->failing = false;
}

/* ---- reading ---- */

bool play_digest(struct db *db, struct model_digest *out)
{
    struct db_iter *it;
    if (db_iter_new(db, &it)) return false;
    model_digest_init(out);
    for (db_iter_seek(it, slice_of(NULL, 0)); db_iter_valid(it); db_iter_next(it))
        model_digest_key(out, db_iter_key(it), db_iter_value(it));
    bool ok = db_iter_error(it, NULL) == ERR_OK;
    db_iter_free(it);
    for (unsigned r = 0; r < REGISTERS; r++)
        model_digest_register(out, r, db_register(db, r));
    return ok;
}

static bool compare_key(struct play *p, slice key)
{
    slice got = {0}, want;
    struct err_detail why;
    bool exists = false, expected = model_get(p->model, key, &want);
    enum err e = db_get(p->db, key, &got, &why);
    if (e != ERR_OK && e != ERR_NOT_FOUND)
        return problem(p, "get %.*s: %s", (int)key.size, (const char *)key.data,
                       why.text);
    bool same = expected == (e == ERR_OK) && (!expected || slice_equal(got, want));
    if (!same)
        return problem(p, "get %.*s: found %d (%zu bytes), expected %d (%zu bytes)",
                       (int)key.size, (const char *)key.data, e == ERR_OK, got.size,
                       expected, expected ? want.size : 0);
    if (db_exists(p->db, key, &exists, &why) || exists != expected)
        return problem(p, "exists %.*s: %d, expected %d", (int)key.size,
                       (const char *)key.data, exists, expected);
    return true;
}

/* Walks an iterator along the model. */
static bool compare_walk(struct play *p, struct db_iter *it)
{
    size_t i = 0;
    slice want_value;
    db_iter_seek(it, slice_of(NULL, 0));
    for (; db_iter_valid(it) && i < model_count(p->model); db_iter_next(it), i++) {
        slice want = model_key(p->model, i, &want_value);
        if (!slice_equal(db_iter_key(it), want))
            return problem(p, "scan: key %zu is %.*s, expected %.*s", i,
                           (int)db_iter_key(it).size, (const char *)db_iter_key(it).data,
                           (int)want.size, (const char *)want.data);
        if (!slice_equal(db_iter_value(it), want_value))
            return problem(p, "scan: value of %.*s differs", (int)want.size,
                           (const char *)want.data);
    }
    if (db_iter_valid(it) || i < model_count(p->model))
        return problem(p, "scan: ends after %zu of %zu keys, or has more", i,
                       model_count(p->model));
    for (db_iter_last(it); db_iter_valid(it) && i > 0; db_iter_prev(it)) {
        slice want = model_key(p->model, --i, &want_value);
        if (!slice_equal(db_iter_key(it), want) ||
            !slice_equal(db_iter_value(it), want_value))
            return problem(p, "scan back: key %zu is not %.*s, or its value differs", i,
                           (int)want.size, (const char *)want.data);
    }
    if (db_iter_valid(it) || i > 0)
        return problem(p, "scan back: ends %zu keys before the first, or goes on", i);
    return true;
}

bool play_compare(struct play *p)
{
    struct db_iter *it;
    char key[TAPE_KEY_BYTES];
    if (db_iter_new(p->db, &it)) return problem(p, "scan: no iterator");
    bool ok = compare_walk(p, it);
    if (ok && db_iter_error(it, NULL)) ok = problem(p, "scan: a read error");
    db_iter_free(it);
    for (unsigned k = 0; ok && k < TAPE_KEYS; k++)
        ok = compare_key(p, slice_of(key, tape_key(k, key)));
    for (unsigned r = 0; ok && r < REGISTERS; r++)
        if (db_register(p->db, r) != model_register(p->model, r))
            ok = problem(p, "register %u: %llu, expected %llu", r,
                         (unsigned long long)db_register(p->db, r),
                         (unsigned long long)model_register(p->model, r));
    return ok;
}

/* ---- iterators that stay open ---- */

static void iter_close(struct play *p)
{
    if (p->iter) db_iter_free(p->iter);
    if (p->snapshot) db_snapshot_free(p->db, p->snapshot);
    p->iter = NULL;
    p->snapshot = NULL;
}

/* Everything that an iterator shows, in either direction. */
static bool walk(struct db_iter *it, bool back, struct model_digest *out)
{
    model_digest_init(out);
    back ? db_iter_last(it) : db_iter_first(it);
    while (db_iter_valid(it)) {
        model_digest_key(out, db_iter_key(it), db_iter_value(it));
        back ? db_iter_prev(it) : db_iter_next(it);
    }
    return db_iter_error(it, NULL) == ERR_OK;
}

static bool shows_its_moment(const struct play *p, struct db_iter *it)
{
    struct model_digest there, back;
    return walk(it, false, &there) && walk(it, true, &back) &&
           model_digest_equal(&there, &p->iter_digest) &&
           model_digest_equal(&back, &p->iter_digest);
}

static bool iterate(struct play *p)
{
    struct db_iter *late;
    if (db_in_group(p->db)) return true;
    if (!p->iter) {
        if (db_iter_new(p->db, &p->iter) || db_snapshot_new(p->db, &p->snapshot))
            return problem(p, "iterate: no iterator or no snapshot");
        p->iter_digest = model_digest_keys(p->model);
        return true;
    }
    bool ok = shows_its_moment(p, p->iter);
    if (!ok) problem(p, "iterate: an iterator saw what came after it, or lost a key");
    if (ok && !db_iter_new_at(p->db, p->snapshot, &late)) {
        ok = shows_its_moment(p, late) ||
             problem(p, "iterate: a snapshot shows what came after it, or lost a key");
        db_iter_free(late);
    }
    iter_close(p);
    return ok;
}

/* ---- writing ---- */

static enum err entry_add(struct play *p, struct batch *b, const struct tape_entry *e)
{
    char text[TAPE_KEY_BYTES];
    slice key = {0}, value = {0};
    if (e->change == TAPE_PUT || e->change == TAPE_DELETE)
        key = slice_of(text, tape_key(e->key, text));
    switch (e->change) {
    case TAPE_PUT:
        tape_value(p->puts++, e->size, p->value);
        value = slice_of(p->value, tape_value_size(e->size));
        model_put(p->model, key, value);
        return batch_put(b, key, value);
    case TAPE_DELETE: model_delete(p->model, key); return batch_delete(b, key);
    case TAPE_ADD:
        model_register_add(p->model, e->reg, e->number);
        return batch_register_add(b, e->reg, e->number);
    case TAPE_SET:
        model_register_set(p->model, e->reg, (uint64_t)e->number);
        return batch_register_set(b, e->reg, (uint64_t)e->number);
    case TAPE_FLOOR:
    case TAPE_CHANGES: break;
    }
    model_floor(p->model, tape_prefix(e->key));
    return batch_floor(b, tape_prefix(e->key));
}

/* The answer to an issued group. */
static bool answered(struct play *p, enum err e, const char *what)
{
    if (e) {
        model_fail(p->model);
        event(p, PLAY_FAILED);
    } else {
        model_ack(p->model, p->options.sync, clock_mono_us(p->world->env.clock));
        /* its record has taken the place of one that found no room, and is synced */
        if (p->options.sync == SYNC_ALWAYS) model_settle(p->model);
        event(p, PLAY_ACKED);
    }
    return may_fail(p, e, what);
}

static bool write_batch(struct play *p, const struct tape_op *op)
{
    struct batch b;
    enum err e = ERR_OK;
    bool alone = !db_in_group(p->db);
    if (alone && p->refused) return true;
    batch_init(&b, p->world->env.mem, 0);
    for (unsigned i = 0; i < op->count && !e; i++)
        e = entry_add(p, &b, &op->entries[i]);
    if (!e && alone) {
        model_issue(p->model);
        event(p, PLAY_ISSUED);
    }
    if (!e) e = db_write(p->db, &b);
    batch_deinit(&b);
    if (alone) return answered(p, e, "write");
    return e == ERR_OK || problem(p, "write inside a group: %s", err_text(e));
}

static bool commit(struct play *p)
{
    if (!db_in_group(p->db)) return true;
    /* an empty group is no answer to anything */
    if (db_group_bytes(p->db) == 0) return may_fail(p, db_group_commit(p->db), "commit");
    model_issue(p->model);
    event(p, PLAY_ISSUED);
    return answered(p, db_group_commit(p->db), "commit");
}

/* ---- opening, closing, crashing ---- */

static bool open_store(struct play *p, size_t lower)
{
    struct err_detail why = {.code = ERR_OK};
    struct model_digest seen;
    enum err e = db_open(&p->world->env, p->world->dir, &p->options, &p->db, &why);
    if (e && p->failing) {
        disarm(p);
        e = db_open(&p->world->env, p->world->dir, &p->options, &p->db, &why);
    }
    if (e) {
        p->db = NULL;
        return problem(p, "open: %s: %s", err_text(e), why.text);
    }
    p->refused = p->log_failed = false;
    if (!play_digest(p->db, &seen)) return problem(p, "open: the store cannot be read");
    if (!model_restart(p->model, &seen, lower, model_groups(p->model)))
        return problem(p,
                       "open: %llu keys are there; no state between %zu and %zu of the "
                       "issued groups",
                       (unsigned long long)seen.keys, lower, model_groups(p->model));
    disarm(p);
    return play_compare(p);
}

static void count_finding(void *arg, enum err code, const char *line)
{
    (void)code;
    struct play *p = arg;
    problem(p, "check: %s", line);
}

static bool close_store(struct play *p)
{
    iter_close(p);
    notice_refusal(p);
    bool settled = !p->failing && !p->refused;
    enum err e = db_close(p->db);
    p->db = NULL;
    /* An edit that failed and was not tried again is as open as after a crash. */
    if (!settled) event(p, PLAY_CRASHED);
    bool ok = may_fail(p, e, "close");
    if (ok && settled) {
        model_durable(p->model);
        if (db_check(&p->world->env, p->world->dir, &p->options, count_finding, p))
            return problem(p, "check: the closed store is not sound");
    }
    return ok;
}

static bool reopen(struct play *p)
{
    if (!close_store(p)) return false;
    return open_store(p, model_lower(p->model, MODEL_KILL, 0));
}

/* What is left of the dead program in memory is given back; the disk does not listen. */
static void bury(struct play *p)
{
    if (!p->db) return;
    iter_close(p);
    if (db_in_group(p->db)) {
        model_drop(p->model);
        db_group_commit(p->db);
    }
    db_close(p->db);
    p->db = NULL;
}

static bool crash(struct play *p, const struct tape_op *op)
{
    if (!p->world->sim) return true;
    enum model_crash kind = op->kind == TAPE_CUT ? MODEL_CUT : MODEL_KILL;
    size_t lower = model_lower(p->model, kind, clock_mono_us(p->world->env.clock));
    p->crashes++;
    if (kind == MODEL_CUT) {
        struct rng rng;
        rng_init(&rng, op->number + 256 * (uint64_t)p->puts);
        disk_sim_power_cut(p->world->sim,
                           op->number == 0   ? DISK_SURVIVE_NONE
                           : op->number == 1 ? DISK_SURVIVE_ALL
                                             : DISK_SURVIVE_RANDOM,
                           &rng);
    } else {
        disk_sim_process_crash(p->world->sim);
    }
    bury(p);
    event(p, PLAY_CRASHED);
    return open_store(p, lower);
}

/* ---- the rest ---- */

static bool pass_time(struct play *p, uint32_t ms)
{
    for (uint32_t step; ms > 0; ms -= step) {
        step = ms < CLOCK_TURN_MS ? ms : CLOCK_TURN_MS;
        /* What is promised after two seconds holds for syncs that take less than one. */
        if (p->db) work_await_sync(p->db);
        clock_manual_advance(p->world->clock, step);
        if (p->db && !db_in_group(p->db)) db_step(p->db);
        notice_refusal(p);
    }
    return may_fail(p, p->refused ? ERR_WRITES_REFUSED : ERR_OK, "background work");
}

static bool set_policy(struct play *p, enum sync_policy policy)
{
    /* what was promised for later is nobody's business under the new policy */
    if (policy != p->options.sync)
        model_unpromise(p->model, clock_mono_us(p->world->env.clock));
    p->options.sync = policy;
    db_set_sync(p->db, policy);
    return true;
}

static bool background(struct play *p, enum tape_kind kind)
{
    enum err e = ERR_OK;
    if (kind == TAPE_STEP) db_step(p->db);
    if (kind == TAPE_FLUSH) e = db_flush(p->db);
    if (kind == TAPE_COMPACT) e = db_compact(p->db);
    notice_refusal(p);
    if (kind != TAPE_STEP && !e) model_durable(p->model);
    if (p->refused && !e) e = ERR_WRITES_REFUSED;
    return may_fail(p, e, "background work");
}

static bool fail_next(struct play *p, uint32_t number)
{
    static const enum disk_sim_effect effects[] = {DISK_EFFECT_NONE, DISK_EFFECT_PARTIAL,
                                                   DISK_EFFECT_FULL};
    if (!p->world->sim || model_maybes(p->model) + 2 > MODEL_MAYBE_MAX) return true;
    struct tape_failure f = tape_failure(number);
    disk_sim_fail_next(p->world->sim, effects[f.effect], f.error, f.part);
    p->failing = true;
    return true;
}

bool play_op(struct play *p, const struct tape_op *op)
{
    char key[TAPE_KEY_BYTES];
    assert(!*p->problem);
    switch (op->kind) {
    case TAPE_WRITE: return write_batch(p, op);
    case TAPE_BEGIN: return p->refused || may_fail(p, db_group_begin(p->db), "begin");
    case TAPE_COMMIT: return commit(p);
    case TAPE_GET: return compare_key(p, slice_of(key, tape_key(op->key, key)));
    case TAPE_SCAN: return play_compare(p);
    case TAPE_ITERATE: return iterate(p);
    case TAPE_STEP:
    case TAPE_FLUSH:
    case TAPE_COMPACT: return background(p, op->kind);
    case TAPE_CLOCK: return pass_time(p, op->number);
    case TAPE_POLICY: return set_policy(p, (enum sync_policy)op->number);
    case TAPE_FAIL: return fail_next(p, op->number);
    case TAPE_CLOSE: return close_store(p);
    case TAPE_OPEN: return open_store(p, model_lower(p->model, MODEL_KILL, 0));
    case TAPE_REOPEN: return reopen(p);
    case TAPE_KILL:
    case TAPE_CUT: return crash(p, op);
    case TAPE_NOTHING:
    case TAPE_KINDS: break;
    }
    return true;
}

bool play_tape(struct play *p, const uint8_t *tape, size_t size)
{
    struct tape_reader r;
    struct tape_op op;
    tape_read(&r, tape, size);
    while (!*p->problem && tape_next(&r, &op))
        play_op(p, &op);
    return !*p->problem;
}

bool play_finish(struct play *p)
{
    if (*p->problem) return false;
    if (!p->db) return true;
    if (!commit(p) || !play_compare(p)) return false;
    return close_store(p);
}

void play_init(struct play *p, const struct play_world *world,
               const struct options *options)
{
    *p = (struct play){.world = world, .options = *options};
    p->model = model_new(mem_libc());
    p->value = malloc(TAPE_VALUE_BYTES);
    if (!p->value) abort();
    open_store(p, 0);
}

void play_deinit(struct play *p)
{
    bury(p);
    model_free(p->model);
    free(p->value);
}
