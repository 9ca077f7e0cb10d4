#include "tests/crash/run.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/db_state.h"
#include "tests/crash/salvage.h"
#include "tests/crash/talk.h"

#define TURN_MS 1000 /* everysec's syncs come with the turns */
#define LEAP_MS 500  /* of the clock */

static const char stranger_text[] = "not yours";

/* ---- tapes ---- */

size_t run_compile(const char *text, uint8_t out[RUN_TAPE_BYTES])
{
    const char *bad = NULL;
    size_t n = tape_compile(text, out, RUN_TAPE_BYTES, &bad);
    if (n == 0) {
        fprintf(stderr, "crash: a scenario does not compile at \"%s\"\n", bad);
        abort();
    }
    return n;
}

size_t run_tape(const struct scenario *s, uint8_t out[RUN_TAPE_BYTES])
{
    return s->dialogue ? talk_tape(s->dialogue, out, RUN_TAPE_BYTES)
                       : run_compile(s->tape, out);
}

static void add_key(struct trial *t, uint8_t key)
{
    for (size_t i = 0; i < t->key_count; i++)
        if (t->keys[i] == key) return;
    t->keys[t->key_count++] = key;
}

void run_keys(struct trial *t, const uint8_t *tape, size_t size)
{
    struct tape_reader reader;
    struct tape_op op;
    if (t->asker) return; /* it knows the keys by itself */
    add_key(t, TRIAL_WORKS_KEY);
    tape_read(&reader, tape, size);
    while (tape_next(&reader, &op))
        for (unsigned i = 0; i < op.count; i++)
            if (op.entries[i].change == TAPE_PUT) add_key(t, op.entries[i].key);
}

/* ---- the story ---- */

static void add_event(struct run *r, struct run_event e)
{
    if (r->event_count == RUN_EVENTS) return;
    e.operation = r->operation;
    e.call = r->tap.calls;
    r->events[r->event_count++] = e;
}

void run_note(struct run *r, enum run_event_kind kind, size_t group)
{
    add_event(r, (struct run_event){.kind = kind, .group = group});
    if (r->switching)
        switching_answer(r->switching, (uint64_t)kind << 32 | r->operation << 16 | group);
}

void run_note_switch(struct run *r, uint32_t actor, enum site site, bool returns)
{
    add_event(r,
              (struct run_event){
                  .kind = RUN_SWITCH, .group = actor, .site = site, .returns = returns});
}

static void tell(struct run *r, enum run_event_kind kind)
{
    run_note(r, kind, 0);
    if (r->on_event) r->on_event(r->arg, kind);
}

void run_break(struct run *r, const char *format, ...)
{
    if (r->broken) return;
    r->broken = true;
    va_list args;
    va_start(args, format);
    vsnprintf(r->why, sizeof r->why, format, args);
    va_end(args);
}

size_t run_lower(const struct run *r, enum model_crash crash)
{
    return model_lower(r->model, crash, r->clock.mono_us);
}

size_t run_upper(const struct run *r)
{
    return model_groups(r->model);
}

/* ---- answers ---- */

static enum sync_policy policy_of(const struct run *r)
{
    return r->trial->options.sync;
}

static void answer_group(struct run *r, size_t group, enum err e)
{
    if (e == ERR_OK) {
        model_ack(r->model, policy_of(r), r->clock.mono_us);
        if (policy_of(r) == SYNC_ALWAYS) order_watch_acknowledge(&r->watch);
        run_note(r, RUN_ACKED, group);
    } else {
        model_fail(r->model);
        run_note(r, RUN_FAILED, group);
    }
}

/* The submitted group is answered as soon as its sync has returned. */
static void notice_settled(struct run *r)
{
    if (!r->settling || db_group_settling(r->db)) return;
    r->settling = false;
    enum err e = db_group_result(r->db);
    if (e && r->in_group) { /* it was undone, too */
        model_drop(r->model);
        r->dropped = true;
    }
    answer_group(r, r->settling_group, e);
}

static void await_settled(struct run *r)
{
    if (!r->settling) return;
    db_group_await(r->db);
    notice_settled(r);
}

/* ---- opening, closing, crashing ---- */

/* To the history it is a group: the store is sound from then on, wholly or not at all. */
static void repair_store(struct run *r)
{
    struct db_env env = {.disk = r->watched, .clock = &r->clock.clock, .mem = mem_libc()};
    struct err_detail why;
    bool sound;
    size_t group = 0;
    if (!r->repairs) return;
    if (!r->repaired) {
        model_register_set(r->model, TRIAL_EXTRA_REGISTER, 1);
        group = model_issue(r->model);
        run_note(r, RUN_ISSUED, group);
    }
    enum err e = salvage_repair(&env, &r->trial->options, &sound, &why);
    if (e) run_break(r, "repair: %s: %s", err_text(e), why.text);
    if (!e && sound != r->repaired)
        run_break(r, sound ? "the damage is not seen" : "the store is repaired again");
    if (e || r->repaired) return;
    model_ack(r->model, SYNC_ALWAYS, r->clock.mono_us);
    model_durable(r->model);
    run_note(r, RUN_ACKED, group);
    r->repaired = r->trial->sound = true;
}

/* A disk without room may refuse a store, which opens as soon as somebody makes some. */
static void open_store(struct run *r)
{
    struct db_env env = {.disk = r->watched,
                         .clock = &r->clock.clock,
                         .mem = mem_libc(),
                         .sched = r->sched};
    struct err_detail why;
    if (r->db) return;
    r->turned_us = r->clock.mono_us;
    repair_store(r);
    if (r->broken) return;
    enum err e = db_open(&env, TRIAL_DIR, &r->trial->options, &r->db, &why);
    if (e == ERR_NO_SPACE && r->scenario->capacity_bytes) {
        trial_disarm(r->disk);
        e = db_open(&env, TRIAL_DIR, &r->trial->options, &r->db, &why);
    }
    if (e) {
        r->db = NULL;
        run_break(r, "open: %s: %s", err_text(e), why.text);
    }
}

/* What the open store holds, judged by the model, which goes on from there. */
static void restart_model(struct run *r, size_t lower, size_t upper)
{
    struct verdict v = trial_read(r->trial, r->db);
    if (v.failed) {
        run_break(r, "reading after a crash: %s", r->trial->failure);
    } else if (!model_restart(r->model, trial_digest(r->trial, v.state), lower, upper)) {
        run_break(r, "after a crash the store holds something else");
    }
}

static void close_store(struct run *r)
{
    if (!r->db) return;
    await_settled(r);
    db_iter_free(r->iterator);
    r->iterator = NULL;
    enum err e = db_close(r->db);
    r->db = NULL;
    /* A close that answers OK promises as much as a sync. After a refusal nothing is
     * promised beyond what was. */
    if (e)
        run_break(r, "close: %s", err_text(e));
    else
        model_durable(r->model);
}

/* The dead process's store is freed: its handles are dead and change nothing. */
static void bury_store(struct run *r)
{
    if (!r->db) return;
    db_iter_free(r->iterator);
    r->iterator = NULL;
    if (db_in_group(r->db)) db_group_commit(r->db);
    db_close(r->db);
    r->db = NULL;
}

static void crash_store(struct run *r, const struct tape_op *op)
{
    bool cut = op->kind == TAPE_CUT;
    size_t lower = run_lower(r, cut ? MODEL_CUT : MODEL_KILL), upper = run_upper(r);
    const struct disk_ops *tapped = disk_tap_pause(r->disk, r->tap.inner);
    struct rng rng;
    rng_init(&rng, op->number);
    trial_disarm(r->disk);
    if (r->switching) switching_death(r->switching);
    if (cut)
        disk_sim_power_cut(r->disk, DISK_SURVIVE_RANDOM, &rng);
    else
        disk_sim_process_crash(r->disk);
    bury_store(r);
    disk_tap_resume(r->disk, tapped);
    order_watch_restart(&r->watch);
    model_drop(r->model);
    r->in_group = r->log_failed = r->settling = false;
    tell(r, cut ? RUN_CUT : RUN_KILLED);
    open_store(r);
    if (r->db) restart_model(r, lower, upper);
    tell(r, RUN_OPENED);
}

/* ---- writing ---- */

static void fill_batch(struct run *r, const struct tape_op *op, struct batch *b)
{
    static uint8_t value[TAPE_VALUE_BYTES];
    char text[TAPE_KEY_BYTES];
    enum err e = ERR_OK;
    for (unsigned i = 0; i < op->count && !e; i++) {
        const struct tape_entry *entry = &op->entries[i];
        slice key = slice_of(text, tape_key(entry->key, text));
        slice bytes = slice_of(value, tape_value_size(entry->size));
        switch (entry->change) {
        case TAPE_PUT:
            tape_value(r->puts++, entry->size, value);
            model_put(r->model, key, bytes);
            e = batch_put(b, key, bytes);
            break;
        case TAPE_DELETE:
            model_delete(r->model, key);
            e = batch_delete(b, key);
            break;
        case TAPE_ADD:
            model_register_add(r->model, entry->reg, entry->number);
            e = batch_register_add(b, entry->reg, entry->number);
            break;
        case TAPE_SET:
            model_register_set(r->model, entry->reg, (uint64_t)entry->number);
            e = batch_register_set(b, entry->reg, (uint64_t)entry->number);
            break;
        case TAPE_FLOOR:
            model_floor(r->model, tape_prefix(entry->key));
            e = batch_floor(b, tape_prefix(entry->key));
            break;
        case TAPE_CHANGES: break;
        }
    }
    if (e) run_break(r, "batch: %s", err_text(e));
}

static void begin_group(struct run *r, enum err (*begin)(struct db *db))
{
    r->in_group = true;
    r->dropped = begin(r->db) != ERR_OK;
}

static bool only_removes(const struct tape_op *op)
{
    for (unsigned i = 0; i < op->count; i++)
        if (op->entries[i].change != TAPE_DELETE && op->entries[i].change != TAPE_FLOOR)
            return false;
    return true;
}

static void commit_group(struct run *r)
{
    await_settled(r);
    r->in_group = false;
    if (r->dropped) {
        model_drop(r->model);
        return;
    }
    size_t group = model_issue(r->model);
    run_note(r, RUN_ISSUED, group);
    if (!r->scenario->overlapped) {
        answer_group(r, group, db_group_commit(r->db));
        return;
    }
    enum err e = db_group_submit(r->db);
    if (e) {
        answer_group(r, group, e);
        return;
    }
    r->settling = true;
    r->settling_group = group;
    notice_settled(r);
}

static void write_batch(struct run *r, const struct tape_op *op)
{
    bool own = !r->in_group;
    struct batch batch;
    if (own) begin_group(r, only_removes(op) ? db_group_begin_deletes : db_group_begin);
    batch_init(&batch, mem_libc(), 0);
    fill_batch(r, op, &batch);
    if (!r->dropped && db_write(r->db, &batch) != ERR_OK)
        run_break(r, "a write inside a group is refused");
    batch_deinit(&batch);
    if (own) commit_group(r);
}

/* ---- reading ---- */

static void check_get(struct run *r, unsigned key)
{
    char text[TAPE_KEY_BYTES];
    slice k = slice_of(text, tape_key(key, text)), got, want;
    struct err_detail why;
    enum err e = db_get(r->db, k, &got, &why);
    bool there = model_get(r->model, k, &want);
    if (e == ERR_NOT_FOUND ? there : e || !there || !slice_equal(got, want))
        run_break(r, "get %.2s answers something else", text);
}

static void check_scan(struct run *r)
{
    struct verdict v = trial_read(r->trial, r->db);
    struct model_digest want = model_digest_now(r->model);
    if (v.failed)
        run_break(r, "scan: %s", r->trial->failure);
    else if (!model_digest_equal(trial_digest(r->trial, v.state), &want))
        run_break(r, "scan answers something else");
}

static void turn_iterator(struct run *r)
{
    if (!r->iterator) {
        if (db_iter_new(r->db, &r->iterator) != ERR_OK) run_break(r, "no iterator");
        return;
    }
    for (db_iter_seek(r->iterator, slice_of(NULL, 0)); db_iter_valid(r->iterator);)
        db_iter_next(r->iterator);
    if (db_iter_error(r->iterator, NULL)) run_break(r, "the iterator fails");
    db_iter_free(r->iterator);
    r->iterator = NULL;
}

/* ---- operations ---- */

static void order_failure(struct run *r, uint32_t number)
{
    static const enum disk_sim_effect effects[] = {DISK_EFFECT_NONE, DISK_EFFECT_PARTIAL,
                                                   DISK_EFFECT_FULL};
    struct tape_failure f = tape_failure(number);
    if (model_maybes(r->model) + 2 > MODEL_MAYBE_MAX) return;
    disk_sim_fail_next(r->disk, effects[f.effect], f.error, f.part);
}

/* Flush and compaction answer OK only when everything is in tables. */
static void work(struct run *r, enum tape_kind kind)
{
    await_settled(r);
    enum err e = kind == TAPE_FLUSH ? db_flush(r->db) : db_compact(r->db);
    if (e == ERR_OK)
        model_durable(r->model);
    else if (db_write_error(r->db)->code == ERR_OK)
        run_break(r, "background work: %s", err_text(e));
}

/* To the history it is a group: wholly there or not, and after everything before it. */
static void take_checkpoint(struct run *r)
{
    struct err_detail why;
    model_register_set(r->model, TRIAL_EXTRA_REGISTER, 1);
    size_t group = model_issue(r->model);
    struct model_digest now = model_digest_now(r->model);
    r->trial->copy_state = trial_state(r->trial, &now);
    run_note(r, RUN_ISSUED, group);
    enum err e = db_checkpoint(r->db, NULL, TRIAL_COPY, &why);
    if (e) {
        run_break(r, "checkpoint: %s", why.text);
        return;
    }
    model_ack(r->model, policy_of(r), r->clock.mono_us);
    model_durable(r->model);
    run_note(r, RUN_ACKED, group);
}

/* A store that has come back through a new log has everything in it, and what it refused
 * before is gone for good. */
static void notice_comeback(struct run *r)
{
    bool failed = r->db && r->db->failed_log;
    if (r->log_failed && r->db && !failed) {
        model_durable(r->model);
        model_settle(r->model);
    }
    r->log_failed = failed;
}

static void turn(struct run *r)
{
    r->turned_us = r->clock.mono_us;
    db_step(r->db);
}

/* What everysec promises after two seconds holds for a server that goes on taking turns,
 * and for syncs that take less than one. */
static void pass_time(struct run *r, uint32_t ms)
{
    for (uint32_t leap; ms > 0; ms -= leap) {
        leap = ms < LEAP_MS ? ms : LEAP_MS;
        bool late = r->clock.mono_us - r->turned_us >= TURN_MS * 1000;
        if (r->db && policy_of(r) == SYNC_EVERYSEC && late) turn(r);
        if (r->db) work_await_sync(r->db);
        clock_manual_advance(&r->clock, leap);
    }
}

static void play_operation(struct run *r, const struct tape_op *op)
{
    switch (op->kind) {
    case TAPE_NOTHING: return;
    case TAPE_CLOCK: pass_time(r, op->number); return;
    case TAPE_FAIL: order_failure(r, op->number); return;
    case TAPE_CUT:
    case TAPE_KILL: crash_store(r, op); return;
    case TAPE_OPEN:
        open_store(r);
        tell(r, RUN_OPENED);
        return;
    default: break;
    }
    if (!r->db) return;
    switch (op->kind) {
    case TAPE_WRITE: write_batch(r, op); break;
    case TAPE_BEGIN:
        if (!r->in_group) begin_group(r, db_group_begin);
        break;
    case TAPE_COMMIT: commit_group(r); break;
    case TAPE_GET: check_get(r, op->key); break;
    case TAPE_SCAN: check_scan(r); break;
    case TAPE_ITERATE: turn_iterator(r); break;
    case TAPE_STEP: turn(r); break;
    case TAPE_FLUSH: work(r, op->kind); break;
    case TAPE_COMPACT:
        if (r->scenario->copies)
            take_checkpoint(r);
        else
            work(r, op->kind);
        break;
    case TAPE_POLICY:
        r->trial->options.sync = (enum sync_policy)op->number;
        db_set_sync(r->db, policy_of(r));
        break;
    case TAPE_CLOSE: close_store(r); break;
    case TAPE_REOPEN:
        close_store(r);
        open_store(r);
        tell(r, RUN_OPENED);
        break;
    default: assert(false && "every operation is in one of the switches");
    }
}

static void play(struct run *r, const uint8_t *tape, size_t size)
{
    struct tape_reader reader;
    struct tape_op op;
    tape_read(&reader, tape, size);
    if (!r->db) { /* a tape begins with an open store */
        open_store(r);
        tell(r, RUN_OPENED);
    }
    for (r->operation = 0; !r->broken && tape_next(&reader, &op); r->operation++) {
        run_note(r, RUN_OPERATION, 0);
        play_operation(r, &op);
        notice_settled(r);
        notice_comeback(r);
    }
    if (r->in_group && r->db) commit_group(r);
    if (r->db && !r->broken) await_settled(r);
    if (!r->switching) return;
    if (r->db && !r->broken) db_settle(r->db); /* jobs go on to their end */
    run_note(r, RUN_OPERATION, 0);
}

/* ---- all ---- */

static void on_tap(void *arg, const struct tap_call *call)
{
    struct run *r = arg;
    if (r->switching && switching_note(r->switching, call)) return;
    if (r->talk) talk_before_call(r->talk, call);
    if (r->on_call) r->on_call(r->arg, call);
}

static bool on_drop(void *arg, const struct tap_call *call)
{
    struct run *r = arg;
    if (!r->drop(r, call)) return false;
    if (r->switching) switching_forget(r->switching);
    return true;
}

static void on_opened(void *arg, struct disk_dir *dir, const char *name,
                      const void *handle)
{
    struct run *r = arg;
    if (r->switching) switching_opened(r->switching);
    if (r->on_opened) r->on_opened(r->opened_arg, dir, name, handle);
}

static void leave_stranger(struct run *r)
{
    struct disk_dir *dir;
    struct disk_file *file;
    int e = disk_dir_open(r->disk, TRIAL_DIR, &dir);
    assert(!e);
    e = disk_open(dir, TRIAL_STRANGER, DISK_WRITE | DISK_CREATE, SITE_OTHER_CREATE,
                  &file);
    assert(!e);
    e = disk_write(file, 0, stranger_text, sizeof stranger_text, SITE_OTHER_WRITE, NULL);
    assert(!e);
    (void)e;
    disk_close(file);
    disk_dir_close(dir);
}

/* What the damage costs is gone before anything else happens. */
static void damage_store(struct run *r)
{
    const struct scenario *s = r->scenario;
    uint8_t tape[RUN_TAPE_BYTES];
    struct tape_reader reader;
    struct tape_op op;
    close_store(r);
    salvage_damage(r->trial, r->disk, s->damages);
    r->repairs = true;
    tape_read(&reader, tape, s->lost ? run_compile(s->lost, tape) : 0);
    while (tape_next(&reader, &op)) {
        struct batch unused;
        batch_init(&unused, mem_libc(), 0);
        fill_batch(r, &op, &unused);
        batch_deinit(&unused);
        model_issue(r->model);
        model_ack(r->model, SYNC_ALWAYS, r->clock.mono_us);
    }
}

bool run_start(struct run *r, const struct scenario *s, struct trial *t,
               uint32_t chunk_bytes)
{
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    config.chunk_bytes = chunk_bytes;
    config.tau = 1;
    *r = (struct run){.scenario = s, .trial = t};
    if (disk_sim_new(mem_libc(), &config, &r->disk)) abort();
    disk_sim_set_capacity(r->disk, s->capacity_bytes);
    r->watched = order_watch_init(&r->watch, r->disk, trial_disorder, t);
    clock_manual_init(&r->clock, TRIAL_WALL_MS);
    if (s->scheduled) r->switching = switching_new(r);
    r->sched =
        r->switching ? switching_sched(r->switching) : sched_inline_new(mem_libc());
    r->model = model_new(mem_libc());
    t->stranger = s->stranger;
    t->copies = s->copies;
    t->repairs = t->sound = false;
    if (s->dialogue) r->talk = talk_new(r);
    if (s->before) {
        uint8_t tape[RUN_TAPE_BYTES];
        size_t n = s->dialogue ? 0 : run_compile(s->before, tape);
        run_keys(t, tape, n);
        if (r->talk)
            talk_begin(r->talk);
        else
            play(r, tape, n);
        if (s->stranger && !r->broken) leave_stranger(r);
        if (s->damages[0].kind && !r->broken) damage_store(r);
        disk_sim_settle(r->disk);
        model_durable(r->model);
        r->event_count = 0;
    }
    return !r->broken;
}

void run_play(struct run *r, const uint8_t *tape, size_t size)
{
    run_keys(r->trial, tape, size);
    disk_tap_on(&r->tap, r->disk, on_tap, r);
    r->tap.drop = r->drop ? on_drop : NULL;
    r->tap.opened = r->on_opened || r->switching ? on_opened : NULL;
    if (r->switching) switching_on(r->switching);
    if (r->talk)
        talk_play(r->talk, tape, size);
    else
        play(r, tape, size);
    if (r->switching) switching_off(r->switching);
    if (!r->broken && r->on_call) r->on_call(r->arg, NULL);
    disk_tap_off(&r->tap);
}

void run_end(struct run *r)
{
    disk_sim_process_crash(r->disk);
    bury_store(r);
    if (r->talk) talk_free(r->talk);
    model_free(r->model);
    if (r->switching)
        switching_free(r->switching);
    else
        sched_free(r->sched);
    order_counts_add(&r->trial->ordered, &r->watch);
    order_watch_deinit(&r->watch);
    disk_sim_free(r->disk);
}
