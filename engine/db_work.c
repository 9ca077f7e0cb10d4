/* Background work: starting jobs, and installing what they bring back.
 *
 *   flush | compact | prepare a log  --done-->  edit queue  --manifest job-->  install
 *                                                                      garbage > clean
 *
 * One job of each kind at a time. A job's files count only when the manifest job that
 * names them has returned; only then does the owner install them, and only what such an
 * edit has freed is deleted or recycled.
 *
 * It is the manifest job that syncs the directory first, so that no two jobs ever do at the
 * same time. When that fails, what other jobs have made meanwhile is in the same doubt: a
 * later sync need not cover its names, so it counts as failed, too (R13). [INV-42]
 *
 * What fails is tried again after a pause, from the start and into new files:
 * - a flush, a compaction, a new log: what they left behind is deleted;
 * - an edit: whether it is durable nobody knows, so the state before it goes as a whole into
 *   a new manifest, where the edit follows; until the pointer to that one is durable nothing
 *   is deleted that either outcome names [INV-5];
 * - a write or sync of a log: that file is given up. The active memtable becomes immutable
 *   and all of them are flushed, from memory; their edits drop the failed logs and say
 *   where the chain stood at the last settled record. A record that was refused can come
 *   back as long as the manifest names its log and not one crash longer. Only then are
 *   writes accepted again: what they append continues the settled chain. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "engine/compact.h"
#include "engine/db_state.h"
#include "engine/filename.h"
#include "engine/flush.h"
#include "engine/recover.h"

/* A file to delete: freed by the last edits, left by work that has failed, or room for a
 * full disk, whether kept as its reserve or left behind by a recovery. */
struct garbage {
    struct garbage *next;
    enum filename_kind kind;
    uint64_t number;
    enum origin { FREED, LEFTOVER, RESERVE } origin;
};

/* Makes a log ready for use. */
struct prepare {
    struct mem *mem;
    struct disk_dir *dir;
    size_t step;
    struct freed_log recycled; /* number 0: create a new file */
    struct spare_log log;
    enum err err;
    struct err_detail why;
};

/* Takes the room that a full disk leaves for a flush, a compaction and their edits. */
struct reserve {
    struct disk_dir *dir;
    enum reserve_kind kind;
    uint64_t size;
    enum err err;
    struct err_detail why;
};

/* Makes an edit durable, and before it the names of the files that it names; or the whole
 * state, in a new manifest. */
struct amend {
    struct disk_dir *dir;
    struct work *subject; /* whose result it puts in force; NULL: a new manifest */
    struct wal_writer writer;
    uint64_t number; /* of a new manifest */
    bool switched;   /* CURRENT may name it */
    struct edit_bytes bytes;
    int names_result; /* of the sync of the directory */
    enum err err;
    struct err_detail why;
};

/* Deletes a file. One at a time, because deleting is slow and edits wait behind it. */
struct clean {
    struct disk_dir *dir;
    struct garbage *garbage;
    int failed; /* -errno if the file stays; the next recovery deletes it */
};

struct work {
    struct job job;
    enum work_kind kind;
    struct work *next;
    bool applied;        /* its edit is part of db->state */
    bool named;          /* the names of its files are durable */
    uint64_t names_lost; /* db->names_lost when it began */
    union {
        struct flush flush;
        struct compaction compaction;
        struct prepare prepare;
        struct amend amend;
        struct reserve reserve;
        struct clean clean;
    };
};

/* What belongs to its kind is for the caller to fill. */
static struct work *work_new(struct db *db, enum work_kind kind, enum job_class class,
                             void (*run)(struct job *))
{
    struct work *w = mem_alloc(db->env.mem, sizeof *w);
    if (!w) return NULL;
    w->job = (struct job){.run = run, .class = class};
    w->kind = kind;
    w->next = NULL;
    w->applied = w->named = false;
    w->names_lost = db->names_lost;
    return w;
}

static void submit(struct db *db, struct work *w)
{
    db->in_flight++;
    sched_submit(db->env.sched, &w->job);
}

static void throw_away(struct db *db, enum filename_kind kind, uint64_t number,
                       enum origin origin)
{
    struct garbage *g = mem_alloc(db->env.mem, sizeof *g);
    if (!g) return; /* the next recovery deletes the file */
    *g = (struct garbage){db->garbage, kind, number, origin};
    db->garbage = g;
}

static void add_garbage(struct db *db, enum filename_kind kind, uint64_t number)
{
    throw_away(db, kind, number, FREED);
}

/* ---- trying again ---- */

#define PAUSE_FIRST_US 1000000
#define PAUSE_LAST_US  16000000
#define PAUSE_ROOM_US  4000000 /* the last one of small work that found no room */

static void note_trouble(struct db *db, enum work_kind kind, const struct err_detail *why)
{
    struct retry *r = &db->retry[kind];
    if (r->pause_us == 0)
        db_log(db, LOG_WARNING, "background work failed and is tried again: %s: %s",
               why->text, why->os_error ? strerror(why->os_error) : err_text(why->code));
    r->pause_us = r->pause_us == 0 ? PAUSE_FIRST_US : r->pause_us * 2;
    bool small = why->code == ERR_NO_SPACE && kind != WORK_COMPACT;
    int64_t last = small ? PAUSE_ROOM_US : PAUSE_LAST_US;
    if (r->pause_us > last) r->pause_us = last;
    r->due_us = clock_mono_us(db->env.clock) + r->pause_us;
    db->trouble = *why;
}

static bool rests(struct db *db, enum work_kind kind)
{
    struct retry *r = &db->retry[kind];
    if (r->due_us && clock_mono_us(db->env.clock) >= r->due_us) r->due_us = 0;
    return r->due_us != 0;
}

static void try_at_once(struct db *db)
{
    for (unsigned kind = 0; kind < WORK_KINDS; kind++)
        db->retry[kind].due_us = 0;
}

int work_timeout_ms(const struct db *db)
{
    int64_t due = INT64_MAX;
    for (unsigned kind = 0; kind < WORK_KINDS; kind++)
        if (db->retry[kind].due_us && db->retry[kind].due_us < due)
            due = db->retry[kind].due_us;
    if (db->no_room && db->has_deletes && db->leave_us < due &&
        db->leave_us > clock_mono_us(db->env.clock))
        due = db->leave_us;
    /* The way back after a failed log begins at once. */
    if (due == INT64_MAX) return db->failed_log && db->in_flight == 0 ? 0 : -1;
    int64_t left = due - clock_mono_us(db->env.clock);
    return left <= 0 ? 0 : (int)(left / 1000) + 1;
}

void work_retire_table(void *arg, struct table *table)
{
    struct db *db = arg;
    if (db->pinned_sst == table->sst) {
        sst_pin_release(db->pinned_sst, &db->pin);
        db->pinned_sst = NULL;
    }
    if (db->files.cache) cache_drop_table(db->files.cache, table->meta.number);
    sst_close(table->sst);
    if (table->deleted) add_garbage(db, FILENAME_SST, table->meta.number);
    sst_meta_deinit(&table->meta, db->env.mem);
    mem_free(db->env.mem, table);
}

/* ---- flush ---- */

static void flush_job(struct job *job)
{
    flush_run(&((struct work *)job)->flush);
}

static void start_flush(struct db *db)
{
    if (db->flushing || db->immutable_count == 0 || rests(db, WORK_FLUSH)) return;
    struct work *w = work_new(db, WORK_FLUSH, JOB_FLUSH, flush_job);
    if (!w) return;
    memlog_ref(db->immutables[0]);
    w->flush = (struct flush){.mem = db->env.mem,
                              .dir = db->dir,
                              .options = &db->options,
                              .files = &db->files,
                              .memlog = db->immutables[0],
                              .number = db->next_file++,
                              .oldest_snapshot = db_oldest_snapshot(db)};
    /* Floors that a log holds and that are durable there sink what is older in a flush, too:
     * on a full disk there is no room for what has been deleted. [INV-26] */
    for (unsigned i = 0; i < FLOORS && db->no_room; i++)
        if (db->books.floors[i] <= db->durable_seq)
            w->flush.floors[i] = db->books.floors[i];
    db->flushing = true;
    submit(db, w);
}

static void free_log(struct db *db, struct memlog *m)
{
    struct freed_log log = {m->log.log, m->log_size, m->log.file};
    m->log.file = NULL;
    if (m->log.offset > log.size) log.size = m->log.offset;
    /* What a failed sync has left of a file nobody knows: it is not used again. On a full
     * disk its room is for the next flush. */
    bool fits = log.size == db->options.log_bytes && !m->log.failed && !db->no_room;
    if (fits && db->freed_count < FREED_MAX) {
        db->freed[db->freed_count++] = log;
        return;
    }
    disk_close(log.file);
    add_garbage(db, FILENAME_LOG, log.number);
}

static enum err replace_version(struct db *db, const struct version_change *added,
                                size_t added_count, const struct version_change *deleted,
                                size_t deleted_count)
{
    struct version *next;
    enum err e =
        version_edit(db->version, added, added_count, deleted, deleted_count, &next);
    if (e) return e;
    version_unref(db->version);
    db->version = next;
    return ERR_OK;
}

static enum err install_flush(struct db *db, struct flush *f)
{
    if (f->table) {
        struct version_change added = {0, f->table};
        enum err e = replace_version(db, &added, 1, NULL, 0);
        if (e) return e;
        db->stats.table_bytes_written += f->table->meta.size;
        db->stats.moved[0].bytes_in += f->table->meta.size;
    }
    struct memlog *m = db->immutables[0];
    assert(m == f->memlog);
    db->immutable_count--;
    db->lent = false;
    memmove(db->immutables, db->immutables + 1,
            db->immutable_count * sizeof db->immutables[0]);
    free_log(db, m);
    memlog_unref(m);
    db->stats.flushes++;
    return ERR_OK;
}

/* ---- compaction ---- */

static void compact_job(struct job *job)
{
    compact_run(&((struct work *)job)->compaction);
}

static bool makes_names(const struct work *w)
{
    switch (w->kind) {
    case WORK_FLUSH: return w->flush.table;
    case WORK_COMPACT: return w->compaction.output_count > 0;
    default: return true;
    }
}

static void enqueue(struct db *db, struct work *w)
{
    struct work **tail = &db->edits;
    while (*tail)
        tail = &(*tail)->next;
    w->next = NULL;
    *tail = w;
    w->named = !makes_names(w);
    if (w->named) db->retry[w->kind] = (struct retry){0};
}

static bool pick(struct db *db, struct compaction *c)
{
    struct version *v = db->version;
    struct mem *mem = db->env.mem;
    const seqno *floors = db->state.books.floors;
    const slice *pointers = db->state.pointer_keys;
    bool all = db->compact_all || (db->no_room && compact_gives_room(v, floors));
    if (db->no_room && compact_pick_sunk(v, floors, db_oldest_snapshot(db), mem, c))
        return true;
    if (db->way == COMPACT_NEWEST && compact_pick_newest(v, mem, c)) return true;
    if (db->way == COMPACT_SMALLEST &&
        compact_pick_smallest(v, &db->options, pointers, mem, c))
        return true;
    return compact_pick(v, &db->options, pointers, all, mem, c);
}

/* What the newest tables become counts as newer than a table with a lower number, which a
 * flush that is under way has already. */
static bool waits_for_flush(const struct db *db)
{
    return db->way == COMPACT_NEWEST && db->flushing;
}

static void start_compaction(struct db *db)
{
    struct compaction c;
    if (db->compacting || rests(db, WORK_COMPACT) || waits_for_flush(db)) return;
    if (!pick(db, &c)) {
        db->compact_all = false;
        return;
    }
    struct work *w = work_new(db, WORK_COMPACT, JOB_COMPACT, compact_job);
    if (!w) {
        compact_deinit(&c);
        return;
    }
    version_ref(db->version);
    w->compaction = c;
    db->compacting = true;
    if (c.trivial || c.drops) {
        enqueue(db, w);
        return;
    }
    struct compaction *run = &w->compaction;
    run->dir = db->dir;
    run->options = &db->options;
    run->files = &db->files;
    /* Only floors that are durable: what a lost record would have sunk must not go.
     * [INV-26] */
    memcpy(run->floors, db->state.books.floors, sizeof run->floors);
    run->oldest_snapshot = db_oldest_snapshot(db);
    run->output_max = run->within ? 1 : compact_output_max(run, &db->options);
    run->first_number = db->next_file;
    db->next_file += run->output_max;
    submit(db, w);
}

static size_t change_list(const struct compaction *c, struct version_change *deleted)
{
    size_t n = 0;
    for (unsigned side = 0; side < 2; side++)
        for (size_t i = 0; i < c->input_count[side]; i++)
            deleted[n++] = (struct version_change){c->level + side, c->inputs[side][i]};
    return n;
}

static enum err install_compaction(struct db *db, struct compaction *c)
{
    size_t inputs = c->input_count[0] + c->input_count[1];
    size_t outputs = c->trivial ? 1 : c->output_count;
    struct version_change *changes =
        mem_alloc(db->env.mem, (inputs + outputs) * sizeof *changes);
    if (!changes) return ERR_NOMEM;
    struct version_change *added = changes + change_list(c, changes);
    for (size_t i = 0; i < outputs; i++)
        added[i] = (struct version_change){compact_target(c),
                                           c->trivial ? c->inputs[0][0] : c->outputs[i]};
    for (size_t i = 0; i < inputs && !c->trivial; i++) {
        changes[i].table->deleted = true;
        db->stats.compact_bytes_read += changes[i].table->meta.size;
        db->stats.moved[changes[i].level].bytes_out += changes[i].table->meta.size;
    }
    for (size_t i = 0; i < outputs && !c->trivial; i++) {
        db->stats.table_bytes_written += added[i].table->meta.size;
        db->stats.moved[added[i].level].bytes_in += added[i].table->meta.size;
    }
    enum err e = replace_version(db, added, outputs, changes, inputs);
    /* Without memory the inputs stay in service; the next recovery deletes their files. */
    for (size_t i = 0; i < inputs && e; i++)
        changes[i].table->deleted = false;
    mem_free(db->env.mem, changes);
    if (e) return e;
    db->stats.compactions += !c->trivial;
    db->stats.trivial_moves += c->trivial;
    if (!db->no_room) db->way = COMPACT_DUE;
    return ERR_OK;
}

/* ---- logs ---- */

static void prepare_job(struct job *job)
{
    struct prepare *p = &((struct work *)job)->prepare;
    if (p->recycled.number)
        p->err = wal_recycle(p->dir, p->recycled.number, p->log.number, &p->why);
    else
        p->err = wal_create(p->mem, p->dir, p->log.number, p->log.size, p->step,
                            &p->log.file, &p->why);
}

static bool has_reserve(const struct db *db)
{
    return options_keep_reserve(&db->options);
}

static bool is_reserved(const struct db *db)
{
    return db->reserved[RESERVE_EDIT] && db->reserved[RESERVE_FLUSH];
}

/* Of the next log; 0: none now. Without room deletes get a short one, which grows, and the
 * others wait until the reserve stands again. */
static uint64_t next_log_size(const struct db *db)
{
    uint64_t full = db->options.log_bytes, step = db->options.write_buffer_bytes;
    if (db->spare_count >= db->options.spare_logs) return 0;
    if (!db->no_room || !has_reserve(db) || is_reserved(db)) return full;
    if (db->spare_count > 0) return 0;
    return step < full ? step : full;
}

static void start_prepare(struct db *db)
{
    uint64_t size = next_log_size(db);
    if (db->preparing || size == 0 || rests(db, WORK_PREPARE)) return;
    if (db->state.log_count >= STORE_LOGS_MAX) return;
    struct work *w = work_new(db, WORK_PREPARE, JOB_METADATA, prepare_job);
    if (!w) return;
    struct prepare *p = &w->prepare;
    *p = (struct prepare){
        .mem = db->env.mem, .dir = db->dir, .step = db->options.write_buffer_bytes};
    p->log.size = size;
    if (db->freed_count > 0 && size == db->options.log_bytes) {
        p->recycled = db->freed[--db->freed_count];
        p->log.file = p->recycled.file;
    }
    p->log.number = db->next_file++;
    db->filling = !p->recycled.number;
    db->preparing = true;
    submit(db, w);
}

/* ---- the reserve ---- */

static void reserve_job(struct job *job)
{
    struct reserve *r = &((struct work *)job)->reserve;
    r->err = wal_reserve(r->dir, r->kind, r->size, &r->why);
}

/* Without room that for a flush waits until deletes have become a table. That for edits waits
 * until an edit has succeeded: it would be given up for the next attempt, and that begun at
 * once, without end. */
static void start_reserve(struct db *db, enum reserve_kind kind)
{
    if (!has_reserve(db) || db->reserved[kind] || db->reserving ||
        rests(db, WORK_RESERVE))
        return;
    bool waits = db->immutable_count > 0 || db->has_deletes;
    if (db->no_room && kind == RESERVE_FLUSH && waits) return;
    if (kind == RESERVE_EDIT && (db->lent || db->retry[WORK_AMEND].pause_us)) return;
    struct work *w = work_new(db, WORK_RESERVE, JOB_METADATA, reserve_job);
    if (!w) return;
    /* A table's blocks, filter and index are more than the log's records were, and a log ends
     * only after the group that fills it. */
    uint64_t log = db->options.log_bytes;
    w->reserve = (struct reserve){.dir = db->dir,
                                  .kind = kind,
                                  .size = kind == RESERVE_EDIT ? log / 4 : log + log / 2};
    db->reserving = true;
    submit(db, w);
}

static void start_edit_reserve(struct db *db)
{
    start_reserve(db, RESERVE_EDIT);
}

static void start_flush_reserve(struct db *db)
{
    start_reserve(db, RESERVE_FLUSH);
}

/* False: it was not there. */
static bool give_up_reserve(struct db *db, enum reserve_kind kind)
{
    if (!db->reserved[kind]) return false;
    db->reserved[kind] = false;
    throw_away(db, FILENAME_RESERVE, kind, RESERVE);
    return true;
}

/* Level 0 is full, and a compaction that would make it shorter has failed. */
static bool is_cramped(const struct db *db)
{
    return db->version->levels[0].count >= db->options.level0_stop &&
           db->retry[WORK_COMPACT].pause_us;
}

/* There is room again when everything stands ready that a full disk takes away; and the
 * remains of what failed are gone, whose numbers are used again. */
static void notice_room(struct db *db)
{
    if (!db->no_room || db->immutable_count > 0 || is_cramped(db) || db->cleaning ||
        db->garbage || db->spare_count < db->options.spare_logs ||
        (has_reserve(db) && !is_reserved(db)))
        return;
    db->no_room = db->on_reserve = false;
}

/* ---- names ---- */

static void add_leftovers(struct db *db, const struct work *w);
static void discard(struct db *db, struct work *w);

/* Finished work whose files were made before a sync of the directory failed. That it was
 * perhaps for lack of room has been met where it failed. */
static void drop_nameless(struct db *db)
{
    while (db->edits && !db->edits->named && db->edits->names_lost != db->names_lost) {
        struct work *w = db->edits;
        struct err_detail why = db->trouble;
        db->edits = w->next;
        note_trouble(db, w->kind, &why);
        add_leftovers(db, w);
        discard(db, w);
    }
}

static void names_are_durable(struct db *db, struct work *w)
{
    w->named = true;
    db->retry[w->kind] = (struct retry){0};
}

/* ---- edits ---- */

static enum err sync_names(struct amend *a)
{
    if (a->subject->named) return ERR_OK;
    bool log = a->subject->kind == WORK_PREPARE;
    int rc = disk_dir_sync(a->dir, log ? SITE_WAL_DIRSYNC : SITE_SST_DIRSYNC);
    a->names_result = rc;
    if (!rc) return ERR_OK;
    return err_set(&a->why, err_from_os(rc), rc, "sync of the directory");
}

static void amend_job(struct job *job)
{
    struct amend *a = &((struct work *)job)->amend;
    size_t length = a->bytes.size - WAL_HEADER_BYTES;
    if (!a->subject) {
        a->err =
            manifest_begin(a->dir, a->number, a->bytes.data, length, &a->writer, &a->why);
        a->switched = !a->err;
        if (!a->err) a->err = manifest_switch(a->dir, &a->writer, &a->why);
        return;
    }
    a->err = sync_names(a);
    if (!a->err) a->err = manifest_append(&a->writer, a->bytes.data, length, &a->why);
}

/* What the finished work changes, as an edit; arrays are allocated from mem. */
static enum err describe(struct db *db, const struct work *w, struct edit *edit)
{
    const struct compaction *c = &w->compaction;
    struct mem *mem = db->env.mem;
    edit->next_file = db->next_file;
    switch (w->kind) {
    case WORK_FLUSH:
        edit->last_seq = w->flush.memlog->last_seq;
        edit->drop_log = w->flush.memlog->log.log;
        edit->drop_chain = w->flush.memlog->log.chain;
        edit->books = &w->flush.memlog->books;
        if (!w->flush.table) return ERR_OK;
        edit->added = mem_alloc(mem, sizeof *edit->added);
        if (!edit->added) return ERR_NOMEM;
        edit->added[edit->added_count++] = (struct store_table){0, w->flush.table->meta};
        return ERR_OK;
    case WORK_COMPACT:
        edit->added =
            mem_alloc(mem, (c->trivial ? 1 : c->output_count + 1) * sizeof *edit->added);
        edit->deleted = mem_alloc(mem, (c->input_count[0] + c->input_count[1]) *
                                           sizeof *edit->deleted);
        if (!edit->added || !edit->deleted) return ERR_NOMEM;
        for (unsigned side = 0; side < 2; side++)
            for (size_t i = 0; i < c->input_count[side]; i++)
                edit->deleted[edit->deleted_count++] =
                    (struct store_table){c->level + side, c->inputs[side][i]->meta};
        for (size_t i = 0; i < c->output_count && !c->trivial; i++)
            edit->added[edit->added_count++] =
                (struct store_table){compact_target(c), c->outputs[i]->meta};
        if (c->trivial)
            edit->added[edit->added_count++] =
                (struct store_table){c->level + 1, c->inputs[0][0]->meta};
        if (c->level > 0 && !c->drops) {
            edit->pointer_level = c->level;
            edit->pointer_key = c->inputs[0][0]->meta.largest;
        }
        return ERR_OK;
    default:
        assert(w->kind == WORK_PREPARE);
        edit->add_log =
            (struct store_log){w->prepare.log.number, w->prepare.recycled.number != 0};
        return ERR_OK;
    }
}

static void edit_free(struct db *db, struct edit *edit)
{
    mem_free(db->env.mem, edit->added);
    mem_free(db->env.mem, edit->deleted);
}

static enum err encode_edit(struct db *db, struct amend *a)
{
    struct edit edit = {0};
    enum err e = describe(db, a->subject, &edit);
    if (!e) e = edit_encode(&edit, &a->bytes);
    edit_free(db, &edit);
    return e;
}

static enum err encode_state(struct db *db, struct amend *a)
{
    a->number = db->next_file++;
    db->state.manifest = a->number;
    db->state.next_file = db->next_file;
    return store_state_encode(&db->state, &a->bytes);
}

/* The edit has not become durable, or nobody knows: its work is the next one to be put in
 * force again. */
static void amend_failed(struct db *db, struct work *w, const struct err_detail *why)
{
    struct amend *a = &w->amend;
    note_trouble(db, WORK_AMEND, why); /* which may be part of w */
    db->editing = false;
    if (a->subject) {
        a->subject->next = db->edits;
        db->edits = a->subject;
    } else if (a->writer.file && a->writer.file != db->manifest.file) {
        disk_close(a->writer.file);
    }
    mem_free(db->env.mem, a->bytes.data);
    mem_free(db->env.mem, w);
}

/* The manifest has grown enough, or nobody knows what it says. Twice its snapshot: else a
 * large state would be written as a whole for each edit. */
static bool rolls_over(const struct db *db)
{
    uint64_t size = db->manifest.offset;
    return db->manifest_doubt ||
           (size >= db->options.manifest_bytes && size >= 2 * db->manifest_begin);
}

/* The next edit, or before it a new manifest. */
static void start_amend(struct db *db)
{
    if (db->editing || rests(db, WORK_AMEND)) return;
    drop_nameless(db);
    if (!db->edits && !db->manifest_doubt) return;
    struct work *w = work_new(db, WORK_AMEND, JOB_METADATA, amend_job);
    if (!w) return;
    struct err_detail why = {.code = ERR_OK};
    struct amend *a = &w->amend;
    *a = (struct amend){.dir = db->dir, .bytes.mem = db->env.mem, .writer = db->manifest};
    if (!rolls_over(db)) {
        a->subject = db->edits;
        db->edits = a->subject->next;
    }
    enum err e = edit_bytes_begin(&a->bytes);
    if (!e) e = a->subject ? encode_edit(db, a) : encode_state(db, a);
    if (e) {
        err_set(&why, e, 0, "preparing a manifest edit");
        amend_failed(db, w, &why);
        return;
    }
    db->editing = true;
    submit(db, w);
}

static enum err install_subject(struct db *db, struct work *w)
{
    enum err e = ERR_OK;
    if (w->kind == WORK_FLUSH) e = install_flush(db, &w->flush);
    if (w->kind == WORK_COMPACT) e = install_compaction(db, &w->compaction);
    if (w->kind == WORK_PREPARE) {
        if (!w->prepare.recycled.number)
            db->stats.log_bytes_filled += w->prepare.log.size;
        db->spares[db->spare_count++] = w->prepare.log;
        w->prepare.log.file = NULL;
    }
    return e;
}

static enum err apply(struct db *db, struct work *w, struct err_detail *why)
{
    if (w->applied) return ERR_OK;
    struct edit edit = {0};
    enum err e = describe(db, w, &edit);
    if (!e) e = store_state_apply(&db->state, &edit, db->env.mem, why);
    edit_free(db, &edit);
    w->applied = !e;
    return e;
}

/* What the edit that is in force says becomes true in memory, too. Until it is no other
 * edit is begun. */
static void install(struct db *db)
{
    struct work *w = db->uninstalled;
    if (!w || rests(db, WORK_AMEND)) return;
    /* The file of the flushed log may be in the middle of a sync. [INV-40] */
    if (w->kind == WORK_FLUSH && db->syncing) return;
    struct err_detail why = {.code = ERR_OK};
    enum err e = apply(db, w, &why);
    if (!e) e = install_subject(db, w);
    if (e) {
        if (why.code == ERR_OK) err_set(&why, e, 0, "installing a manifest edit");
        note_trouble(db, WORK_AMEND, &why);
        return;
    }
    db->retry[WORK_AMEND] = (struct retry){0};
    db->uninstalled = NULL;
    db->editing = false;
    discard(db, w);
    notice_room(db);
}

static void amend_succeeded(struct db *db, struct work *w)
{
    struct amend *a = &w->amend;
    db->stats.manifest_bytes_written += a->bytes.size;
    if (a->subject) {
        names_are_durable(db, a->subject);
        db->uninstalled = a->subject;
    } else {
        uint64_t old = db->manifest.log;
        disk_close(db->manifest.file);
        add_garbage(db, FILENAME_MANIFEST, old);
        db->retry[WORK_AMEND] = (struct retry){0};
        db->manifest_doubt = db->editing = false;
        db->manifest_begin = a->writer.offset;
    }
    db->manifest = a->writer;
    mem_free(db->env.mem, a->bytes.data);
    mem_free(db->env.mem, w);
    install(db);
}

/* ---- cleaning ---- */

/* Returns where it is unlinked. */
static enum site garbage_name(const struct garbage *g, char name[FILENAME_BYTES])
{
    switch (g->kind) {
    case FILENAME_LOG: filename_log(g->number, name); return SITE_WAL_UNLINK;
    case FILENAME_RESERVE: filename_reserve(g->number, name); return SITE_WAL_UNLINK;
    case FILENAME_MANIFEST:
        filename_manifest(g->number, name);
        return SITE_MANIFEST_UNLINK;
    default:
        assert(g->kind == FILENAME_SST);
        filename_sst(g->number, name);
        return SITE_SST_UNLINK;
    }
}

static void clean_job(struct job *job)
{
    struct clean *c = &((struct work *)job)->clean;
    char name[FILENAME_BYTES];
    enum site site = garbage_name(c->garbage, name);
    int rc = disk_unlink(c->dir, name, site);
    c->failed = rc == -ENOENT ? 0 : rc;
}

/* What may go now: anything, or, while an edit is in doubt, what no outcome names. */
static struct garbage *take_garbage(struct db *db)
{
    struct garbage **at = &db->garbage;
    while (*at && db->manifest_doubt && (*at)->origin == FREED)
        at = &(*at)->next;
    struct garbage *taken = *at;
    if (taken) *at = taken->next;
    return taken;
}

static void start_clean(struct db *db)
{
    if (db->cleaning || !db->garbage) return;
    struct work *w = work_new(db, WORK_CLEAN, JOB_METADATA, clean_job);
    if (!w) return;
    w->clean = (struct clean){.dir = db->dir, .garbage = take_garbage(db)};
    if (!w->clean.garbage) {
        mem_free(db->env.mem, w);
        return;
    }
    db->cleaning = true;
    submit(db, w);
}

/* ---- all kinds ---- */

/* Gives back what a work holds, whether it was installed or not. A table that was built
 * for nothing is deleted by whoever knows that it was, or by the next recovery. */
static void discard(struct db *db, struct work *w)
{
    switch (w->kind) {
    case WORK_FLUSH:
        db->flushing = false;
        if (w->flush.table) table_unref(db->version, w->flush.table);
        memlog_unref((struct memlog *)w->flush.memlog);
        break;
    case WORK_COMPACT:
        db->compacting = false;
        for (size_t i = 0; i < w->compaction.output_count; i++)
            table_unref(db->version, w->compaction.outputs[i]);
        version_unref(w->compaction.version);
        compact_deinit(&w->compaction);
        break;
    case WORK_PREPARE:
        db->preparing = db->filling = false;
        if (w->prepare.log.file) disk_close(w->prepare.log.file);
        break;
    case WORK_RESERVE: db->reserving = false; break;
    case WORK_CLEAN:
        db->cleaning = false;
        mem_free(db->env.mem, w->clean.garbage);
        break;
    case WORK_AMEND:
    case WORK_KINDS: assert(false && "an edit ends in amend_failed or amend_succeeded");
    }
    mem_free(db->env.mem, w);
}

static enum err result(const struct work *w, const struct err_detail **why)
{
    switch (w->kind) {
    case WORK_FLUSH: *why = &w->flush.why; return w->flush.err;
    case WORK_COMPACT: *why = &w->compaction.why; return w->compaction.err;
    case WORK_PREPARE: *why = &w->prepare.why; return w->prepare.err;
    case WORK_AMEND: *why = &w->amend.why; return w->amend.err;
    case WORK_RESERVE: *why = &w->reserve.why; return w->reserve.err;
    case WORK_CLEAN:
    case WORK_KINDS: break;
    }
    return ERR_OK;
}

/* Attempts on a full disk may go on for days. Nothing else has been numbered meanwhile, and
 * nothing is before the remains are gone. */
static void give_back_numbers(struct db *db, uint64_t first, uint64_t count)
{
    if (db->no_room && db->next_file == first + count) db->next_file = first;
}

/* The files that a failed work may have left. */
static void add_leftovers(struct db *db, const struct work *w)
{
    const struct compaction *c = &w->compaction;
    switch (w->kind) {
    case WORK_FLUSH:
        throw_away(db, FILENAME_SST, w->flush.number, LEFTOVER);
        give_back_numbers(db, w->flush.number, 1);
        break;
    case WORK_COMPACT:
        for (size_t i = 0; i <= c->output_count && i < c->output_max; i++)
            throw_away(db, FILENAME_SST, c->first_number + i, LEFTOVER);
        give_back_numbers(db, c->first_number, c->output_max);
        break;
    case WORK_PREPARE:
        throw_away(db, FILENAME_LOG, w->prepare.log.number, LEFTOVER);
        if (w->prepare.recycled.number)
            throw_away(db, FILENAME_LOG, w->prepare.recycled.number, LEFTOVER);
        give_back_numbers(db, w->prepare.log.number, 1);
        break;
    case WORK_RESERVE: /* took its own away */
    case WORK_AMEND:
    case WORK_CLEAN:
    case WORK_KINDS: break;
    }
}

/* On a full disk the logs that wait to be used again are the reserve: their room is for a
 * flush, a compaction and their edits. */
static void give_up_freed_logs(struct db *db)
{
    for (; db->freed_count > 0; db->freed_count--) {
        const struct freed_log *log = &db->freed[db->freed_count - 1];
        disk_close(log->file);
        throw_away(db, FILENAME_LOG, log->number, RESERVE);
    }
}

/* After a compaction that found no room a smaller one is tried at once, until there is
 * none. */
static void compact_less(struct db *db)
{
    enum compact_way next = db->way == COMPACT_DUE      ? COMPACT_NEWEST
                            : db->way == COMPACT_NEWEST ? COMPACT_SMALLEST
                                                        : COMPACT_DUE;
    if (next == COMPACT_NEWEST && compact_newest_count(db->version) == 0)
        next = COMPACT_SMALLEST;
    db->way = next;
    if (next != COMPACT_DUE) db->retry[WORK_COMPACT].due_us = 0;
}

/* What is kept for edits has room for the next flush, too. */
static bool needs_little(const struct db *db)
{
    return db->immutables[0]->log.offset <= db->options.log_bytes / 8;
}

/* A compaction that finds no room is no reason to refuse what a flush has room for, until
 * level 0 is full. */
static void meet_full_disk(struct db *db, enum work_kind kind,
                           const struct err_detail *why)
{
    if (why->code != ERR_NO_SPACE) return;
    give_up_freed_logs(db);
    if (kind == WORK_COMPACT) {
        /* what it had taken is free again for the others */
        int64_t due_us = db->retry[kind].due_us;
        try_at_once(db);
        db->retry[kind].due_us = due_us;
        compact_less(db);
        if (!db->no_room && !is_cramped(db)) return;
    }
    db->no_room = true;
    if (kind == WORK_AMEND && give_up_reserve(db, RESERVE_EDIT)) return;
    bool for_later =
        kind == WORK_RESERVE || (kind == WORK_PREPARE && db->spare_count > 0);
    if (for_later || give_up_reserve(db, RESERVE_FLUSH)) return;
    if (kind == WORK_FLUSH && needs_little(db) && give_up_reserve(db, RESERVE_EDIT))
        db->lent = true;
}

static void work_failed(struct db *db, struct work *w, const struct err_detail *why);

/* Nothing was written: its work has failed, not the edit. */
static void amend_nameless(struct db *db, struct work *w)
{
    struct work *subject = w->amend.subject;
    struct err_detail why = w->amend.why;
    db->names_lost++;
    db->editing = false;
    mem_free(db->env.mem, w->amend.bytes.data);
    mem_free(db->env.mem, w);
    work_failed(db, subject, &why);
}

static void edit_failed(struct db *db, struct work *w, const struct err_detail *why)
{
    struct amend *a = &w->amend;
    if (a->names_result) {
        amend_nameless(db, w);
        return;
    }
    db->manifest_doubt = true;
    if (a->subject) {
        names_are_durable(db, a->subject);
    } else {
        db->names_lost++; /* it may have been such a sync */
        throw_away(db, FILENAME_MANIFEST, a->number, a->switched ? FREED : LEFTOVER);
    }
    meet_full_disk(db, WORK_AMEND, why);
    amend_failed(db, w, why);
}

static void work_failed(struct db *db, struct work *w, const struct err_detail *why)
{
    if (w->kind == WORK_AMEND) {
        edit_failed(db, w, why);
        return;
    }
    note_trouble(db, w->kind, why);
    meet_full_disk(db, w->kind, why);
    add_leftovers(db, w);
    discard(db, w);
}

static void tell_undeleted(struct db *db, const struct clean *c)
{
    char name[FILENAME_BYTES];
    garbage_name(c->garbage, name);
    db_log(db, LOG_WARNING, "%s: cannot be deleted, which the next start tries again: %s",
           name, strerror(-c->failed));
}

static void finish(struct db *db, struct work *w)
{
    const struct err_detail *why = NULL;
    if (result(w, &why)) {
        work_failed(db, w, why);
        return;
    }
    switch (w->kind) {
    case WORK_AMEND: amend_succeeded(db, w); break;
    case WORK_RESERVE:
        db->retry[w->kind] = (struct retry){0};
        db->reserved[w->reserve.kind] = true;
        discard(db, w);
        notice_room(db);
        break;
    case WORK_CLEAN:
        if (w->clean.failed) tell_undeleted(db, &w->clean);
        /* Remains of failed attempts do not count: they would call for the next one. */
        if (w->clean.garbage->origin != LEFTOVER) try_at_once(db);
        discard(db, w);
        notice_room(db);
        break;
    default: enqueue(db, w);
    }
}

/* ---- coming back after a log has failed ---- */

static enum err rotate(struct db *db);

/* Leaves the failed logs for a new one and, once no durable state names them any more,
 * lets writes through again. Whether the new log fares better, its first sync will tell:
 * only then does a log line say that writes are accepted. */
static void come_back(struct db *db)
{
    if (!db->failed_log) return;
    if (db->active->log.log <= db->failed_log) {
        if (db->spare_count == 0 || rotate(db)) return;
    }
    if (db->immutable_count > 0 && db->immutables[0]->log.log <= db->failed_log) return;
    db->failed_log = 0;
    if (!db->unproven && db->complained)
        db_log(db, LOG_WARNING,
               "the failed log was given up; writes are tried on %06" PRIu64 ".log",
               db->active->log.log);
    db->unproven = true;
}

/* ---- a full disk ---- */

#define LEAVE_US 1000000

/* What was deleted gives room back when a table says so, and a memtable becomes one only
 * when it is left; not for each delete, though. */
static void leave_deletes(struct db *db)
{
    int64_t now = clock_mono_us(db->env.clock);
    if (!db->has_deletes || now < db->leave_us || db->immutable_count > 0 ||
        db->active->log.offset == 0 || db->spare_count == 0 || db->in_group ||
        db->settling || db->failed_log)
        return;
    if (!rotate(db)) db->on_reserve = true;
}

void work_note_deletes(struct db *db)
{
    if (db->has_deletes) return;
    db->has_deletes = true;
    db->leave_us = clock_mono_us(db->env.clock) + LEAVE_US;
}

static bool is_quiet(const struct db *db)
{
    return !db->flushing && !db->compacting && !db->preparing && !db->reserving &&
           !db->editing && !db->edits && !db->cleaning && !db->garbage;
}

/* One after the other, what gives room first: side by side none would find enough, and the
 * attempt that fails needs its remains gone. */
static void start_without_room(struct db *db)
{
    void (*const in_turn[])(struct db *) = {leave_deletes, start_edit_reserve,
                                            start_flush,   start_compaction,
                                            start_prepare, start_flush_reserve};
    for (size_t i = 0; i < sizeof in_turn / sizeof in_turn[0] && is_quiet(db); i++)
        in_turn[i](db);
}

static void start_all(struct db *db)
{
    install(db);
    start_clean(db);
    start_amend(db);
    if (!db->closing) {
        come_back(db);
        if (db->no_room) {
            start_without_room(db);
        } else {
            start_flush(db);
            start_prepare(db);
            start_edit_reserve(db);
            start_flush_reserve(db);
            start_compaction(db);
        }
        start_amend(db);
    }
}

static bool reap_one(struct db *db)
{
    struct job *job = sched_reap(db->env.sched);
    if (!job) return false;
    db->in_flight--;
    if (job == &db->sync.job)
        db_sync_returned(db);
    else
        finish(db, (struct work *)job);
    return true;
}

bool work_reap(struct db *db)
{
    bool any = false;
    while (reap_one(db))
        any = true;
    return any;
}

void work_step(struct db *db)
{
    bool progress = true;
    while (progress) {
        start_all(db);
        progress = work_reap(db);
    }
}

/* Where jobs run at once all of it is gone on return. */
void work_clean(struct db *db, const struct leftover *leftovers, size_t count)
{
    for (size_t i = count; i > 0; i--)
        throw_away(db, leftovers[i - 1].kind, leftovers[i - 1].number, RESERVE);
    do
        start_clean(db);
    while (work_reap(db));
}

void work_await_sync(struct db *db)
{
    while (db->syncing)
        if (!reap_one(db)) sched_wait(db->env.sched);
}

void work_finish(struct db *db)
{
    db->closing = true;
    work_step(db);
    while (db->in_flight > 0) {
        sched_wait(db->env.sched);
        work_step(db);
    }
    give_up_freed_logs(db);
    /* Also what a killed process has left, and this one not come to take over. On a full
     * disk the next process needs them as much. */
    for (unsigned kind = 0; kind < RESERVES && has_reserve(db) && !db->no_room; kind++)
        throw_away(db, FILENAME_RESERVE, kind, RESERVE);
    work_step(db);
    while (db->in_flight > 0) {
        sched_wait(db->env.sched);
        work_step(db);
    }
}

void work_deinit(struct db *db)
{
    assert(db->in_flight == 0);
    while (db->edits) {
        struct work *w = db->edits;
        db->edits = w->next;
        discard(db, w);
    }
    if (db->uninstalled) discard(db, db->uninstalled);
    for (size_t i = 0; i < db->freed_count; i++)
        disk_close(db->freed[i].file);
    while (db->garbage) {
        struct garbage *next = db->garbage->next;
        mem_free(db->env.mem, db->garbage);
        db->garbage = next;
    }
}

/* ---- room for writes ---- */

static bool is_full(const struct memlog *m, const struct options *o)
{
    return m->log.offset >= o->log_bytes ||
           (memtable_count(m->table) > 0 &&
            memtable_bytes(m->table) >= o->memtable_bytes);
}

/* The last spare log is for deletes if there is no room for another, which nobody knows
 * while that is being filled. */
static size_t kept_spares(const struct db *db)
{
    return !db->no_room && db->filling && has_reserve(db);
}

static bool can_rotate_for(const struct db *db, enum work_purpose purpose)
{
    const struct options *o = &db->options;
    bool cramped = db->no_room && purpose == FOR_DELETES;
    if (db->no_room && !cramped) return false;
    return db->spare_count > kept_spares(db) &&
           db->immutable_count < o->immutables_max + cramped &&
           (cramped || db->version->levels[0].count < o->level0_stop);
}

static bool can_rotate(const struct db *db)
{
    return can_rotate_for(db, FOR_WRITES);
}

/* A compaction whose edit has failed is not waited for: on a full disk that has no end. */
static bool is_slow(const struct db *db)
{
    return db->compacting && !db->retry[WORK_AMEND].pause_us &&
           db->version->levels[0].count >= db->options.level0_slow;
}

/* A memtable whose groups may be undone is not left, nor is its log.
 * The next log's first record continues the last one of this log: a record that found no
 * room, and may be there all the same, must not stand between them. Recovery trusts an
 * empty record at the end, so this one is synced. */
static enum err leave_log(struct db *db)
{
    struct err_detail why;
    if (db->settling) {
        work_await_sync(db);
        if (db->failed_log) return ERR_WRITES_REFUSED;
    }
    if (db->failed_log || !wal_needs_cover(&db->active->log)) return ERR_OK;
    enum err e = wal_cover_scrap(&db->active->log, db->last_seq + 1, &why);
    if (!e) e = db_sync_logs(db, &why);
    if (!e) return ERR_OK;
    db_refuse(db, &why);
    return ERR_WRITES_REFUSED;
}

/* The active memtable becomes immutable, the first spare log the active one: its name and
 * number have been durable for a while. Recovery looks into a log only if the one before it
 * has records: an empty one is not left, unless it has failed, when nothing is written
 * before the manifest has dropped it. */
static enum err rotate(struct db *db)
{
    struct memlog *old = db->active, *next;
    const struct spare_log *spare = &db->spares[0];
    struct wal_writer writer;
    assert(old->log.offset > 0 || db->failed_log);
    enum err e = leave_log(db);
    if (e) return e;
    wal_writer_init(&writer, spare->file, &wal_sites, spare->number, 0, old->log.chain,
                    old->log.watermark);
    e = memlog_new(db->env.mem, &db->options, db->env.seed, &writer, spare->size, &next);
    if (e) return e;
    old->books = db->books;
    old->last_seq = db->last_seq;
    db->immutables[db->immutable_count++] = old;
    db->active = next;
    db->has_deletes = db->too_short = false;
    db->spare_count--;
    memmove(db->spares, db->spares + 1, db->spare_count * sizeof db->spares[0]);
    return ERR_OK;
}

/* A group has to wait for work that has failed. */
bool work_is_stuck(const struct db *db, enum work_purpose purpose)
{
    if (!is_full(db->active, &db->options) || can_rotate_for(db, purpose)) return false;
    if (db->no_room && purpose == FOR_WRITES) return true;
    const struct retry *r = db->retry;
    return r[WORK_AMEND].pause_us ||
           (db->spare_count <= kept_spares(db) && r[WORK_PREPARE].pause_us) ||
           (db->immutable_count >= db->options.immutables_max &&
            r[WORK_FLUSH].pause_us) ||
           (db->version->levels[0].count >= db->options.level0_stop &&
            r[WORK_COMPACT].pause_us);
}

static enum err refuse_for_trouble(struct db *db)
{
    db_note_failure(db, &db->trouble);
    return ERR_WRITES_REFUSED;
}

static bool has_trouble(const struct db *db)
{
    if (db->no_room) return true;
    for (unsigned kind = 0; kind < WORK_KINDS; kind++)
        if (db->retry[kind].pause_us) return true;
    return false;
}

/* Steps until `done` says so, or until nothing moves any more. */
static enum err step_until(struct db *db, bool (*done)(const struct db *))
{
    while (!done(db)) {
        work_step(db);
        if (done(db)) break;
        if (db->in_flight == 0)
            return has_trouble(db) ? refuse_for_trouble(db) : ERR_NOMEM;
        sched_wait(db->env.sched);
    }
    return ERR_OK;
}

/* As step_until, for a group: does not wait for what has failed. */
static enum err wait_for_rotation(struct db *db, enum work_purpose purpose)
{
    work_step(db);
    while (is_full(db->active, &db->options) && !can_rotate_for(db, purpose)) {
        if (work_is_stuck(db, purpose)) return refuse_for_trouble(db);
        if (db->in_flight == 0)
            return has_trouble(db) ? refuse_for_trouble(db) : ERR_NOMEM;
        sched_wait(db->env.sched);
        work_step(db);
    }
    return ERR_OK;
}

/* To be left, or left without waiting for it. */
static bool is_due(const struct db *db, enum work_purpose purpose)
{
    return is_full(db->active, &db->options) ||
           (db->too_short && can_rotate_for(db, purpose));
}

#define SLOW_PAUSE_MS 1

enum err work_make_room(struct db *db, enum work_purpose purpose)
{
    if (db->on_reserve && purpose != FOR_DELETES) return refuse_for_trouble(db);
    bool slow = is_slow(db);
    if (!is_due(db, purpose) && !slow) return ERR_OK;
    int64_t begin = clock_mono_us(db->env.clock);
    enum err e = ERR_OK;
    /* Many short waits instead of one long stop: the memtable fills no faster than level
     * 0 is emptied. */
    if (slow) {
        sched_pause(db->env.sched, SLOW_PAUSE_MS);
        work_step(db);
    }
    bool waits = is_full(db->active, &db->options) && !can_rotate_for(db, purpose);
    if (waits) e = wait_for_rotation(db, purpose);
    if (slow || waits) {
        db->stats.stalls++;
        db->stats.stall_us += (uint64_t)(clock_mono_us(db->env.clock) - begin);
    }
    if (e) return e;
    /* Other work may have left the log. */
    if (db->on_reserve && purpose != FOR_DELETES) return refuse_for_trouble(db);
    if (!is_due(db, purpose)) return ERR_OK;
    e = rotate(db);
    if (!e) db->on_reserve = db->no_room;
    return e;
}

static bool accepts(const struct db *db)
{
    return !db->failed_log;
}

static bool nothing_immutable(const struct db *db)
{
    return db->immutable_count == 0;
}

static bool nothing_to_compact(const struct db *db)
{
    return !db->compacting && !db->compact_all;
}

enum err db_flush(struct db *db)
{
    assert(!db->in_group);
    enum err e = step_until(db, accepts);
    if (!e && db->active->log.offset > 0) {
        e = step_until(db, can_rotate);
        if (!e && db->active->log.offset > 0) e = rotate(db);
    }
    return e ? e : step_until(db, nothing_immutable);
}

enum err db_compact(struct db *db)
{
    enum err e = db_flush(db);
    if (e) return e;
    db->compact_all = true;
    return step_until(db, nothing_to_compact);
}

static bool nothing_in_flight(const struct db *db)
{
    return db->in_flight == 0;
}

enum err db_settle(struct db *db)
{
    assert(!db->in_group);
    work_step(db); /* starts whatever is due; it goes on until nothing is */
    return step_until(db, nothing_in_flight);
}

bool db_busy(const struct db *db)
{
    bool full = is_full(db->active, &db->options) && !can_rotate(db);
    return (full && db->in_flight > 0 && !work_is_stuck(db, FOR_WRITES)) || is_slow(db) ||
           db_sync_is_late(db);
}
