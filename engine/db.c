/* The store from its owner's side: open, close, write, read.
 *
 * The life of a write is db_group_begin (room), db_batch_commit (check, number, apply)
 * and db_group_commit (log, sync, settle). Inside a group changes are applied before they
 * are logged, so that the commands of a loop turn see one another; nobody outside hears
 * of them before db_group_commit returned, and if it fails they are undone. */
#include "engine/db_state.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "engine/coding.h"
#include "engine/filename.h"
#include "engine/recover.h"

#define EVERYSEC_US      1000000
#define LATE_US          2000000
#define IDLE_MARK_US     1000000
#define GROUP_KEPT_BYTES ((size_t)1 << 20) /* of the buffer of a group */
#define LEVEL1_BYTES_MIN ((size_t)10 << 20)

void db_log(struct db *db, enum log_level level, const char *format, ...)
{
    if (!db->env.log) return;
    char line[ERR_DETAIL_BYTES + 64];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    db->env.log(db->env.log_arg, level, line);
}

void db_note_failure(struct db *db, const struct err_detail *why)
{
    db->write_error = *why;
    if (db->complained) return;
    db->complained = true;
    db_log(db, LOG_WARNING, "writes are refused: %s: %s", why->text,
           why->os_error ? strerror(why->os_error) : err_text(why->code));
}

void db_note_recovery(struct db *db)
{
    if (db->complained) db_log(db, LOG_WARNING, "writes are accepted again");
    db->complained = db->unproven = false;
}

void db_refuse(struct db *db, const struct err_detail *why)
{
    db_note_failure(db, why);
    db->failed_log = db->active->log.log;
}

/* ---- creating ---- */

/* What a directory without CURRENT holds. */
struct survey {
    struct disk_dir *dir;
    bool strangers, remains;
    char example[64];
};

static int survey_name(void *arg, const char *name)
{
    struct survey *s = arg;
    uint64_t number = 0;
    enum filename_kind kind = filename_parse(name, &number);
    bool *flag = NULL;
    if (kind == FILENAME_STRANGER) flag = &s->strangers;
    /* A creation that was cut leaves manifest 1 and log 2, never a table. */
    if (kind == FILENAME_SST || (kind == FILENAME_MANIFEST && number != 1) ||
        (kind == FILENAME_LOG && number != 2))
        flag = &s->remains;
    if (!flag || s->strangers || s->remains) return 0;
    *flag = true;
    snprintf(s->example, sizeof s->example, "%.60s", name);
    return 0;
}

/* Only an empty directory, or one with the remains of a cut creation, becomes a store. */
static enum err survey_dir(struct disk_dir *dir, const char *name, struct err_detail *why)
{
    struct survey s = {.dir = dir};
    int rc = disk_list(dir, survey_name, &s);
    if (rc) return err_set(why, err_from_os(rc), rc, "%.80s: listing it", name);
    if (s.strangers)
        return err_set(why, ERR_FOREIGN, 0,
                       "%.80s: not a store and not empty (it holds %s); give an empty or "
                       "new directory",
                       name, s.example);
    if (s.remains)
        return err_set(why, ERR_CORRUPT, 0, "%.80s: CURRENT is missing but %s is there",
                       name, s.example);
    return ERR_OK;
}

static enum err create_store(const struct db_env *env, const struct options *options,
                             struct disk_dir *dir, struct err_detail *why)
{
    struct store_state state;
    store_state_init(&state);
    state.manifest = 1;
    state.logs[state.log_count++] = (struct store_log){.number = 2};
    state.next_file = 3;
    struct disk_file *log;
    size_t step = options->write_buffer_bytes;
    enum err e = wal_create(env->mem, dir, 2, options->log_bytes, step, &log, why);
    if (e) return e;
    disk_close(log);
    struct edit_bytes bytes = {.mem = env->mem};
    struct wal_writer writer = {.file = NULL};
    e = edit_bytes_begin(&bytes);
    if (!e) e = store_state_encode(&state, &bytes);
    if (e) {
        err_set(why, e, 0, "creating the manifest");
    } else {
        e = manifest_create(dir, 1, bytes.data, bytes.size - WAL_HEADER_BYTES, &writer,
                            why);
    }
    if (writer.file) disk_close(writer.file);
    mem_free(env->mem, bytes.data);
    return e;
}

/* ---- opening ---- */

static enum err open_dir(struct db *db, const char *name, struct err_detail *why)
{
    int rc = disk_dir_open(db->env.disk, name, &db->dir);
    if (rc == -ENOENT && db->options.create_if_missing) {
        rc = disk_mkdir(db->env.disk, name, SITE_DIR_MKDIR);
        if (rc == 0 || rc == -EEXIST) rc = disk_dir_open(db->env.disk, name, &db->dir);
    }
    if (rc == -ENOENT)
        return err_set(why, ERR_MISSING, rc, "%.80s: no such directory", name);
    return rc ? err_set(why, err_from_os(rc), rc, "%.80s: cannot open the directory",
                        name)
              : ERR_OK;
}

static enum err lock_dir(struct db *db, const char *name, struct err_detail *why)
{
    int rc = disk_lock(db->dir, FILENAME_LOCK, SITE_LOCK_CREATE, &db->lock);
    if (rc == -EWOULDBLOCK)
        return err_set(
            why, ERR_LOCKED, 0,
            "%.80s: locked by another process, or opened by this one already; close "
            "it there or give another directory",
            name);
    return rc ? err_set(why, err_from_os(rc), rc, "%.80s: cannot lock " FILENAME_LOCK,
                        name)
              : ERR_OK;
}

static enum err sync_parent(struct db *db, const char *name, struct err_detail *why)
{
    struct disk_dir *root;
    int rc = disk_dir_open(db->env.disk, ".", &root);
    if (!rc) {
        rc = disk_dir_sync(root, SITE_DIR_PARENTSYNC);
        disk_dir_close(root);
    }
    return rc ? err_set(why, err_from_os(rc), rc, "%.80s: sync of its parent", name)
              : ERR_OK;
}

/* Finds the store in the directory, or creates it there. Nothing of a stranger is
 * touched: the lock file, too, is made only after we know whose directory it is. */
static enum err find_or_create(struct db *db, const char *name, struct err_detail *why)
{
    uint64_t manifest;
    enum err e = manifest_current(db->dir, &manifest, why);
    bool found = e == ERR_OK;
    if (e == ERR_MISSING) {
        e = survey_dir(db->dir, name, why);
        if (!e && !db->options.create_if_missing)
            e = err_set(why, ERR_MISSING, 0, "%.80s: holds no store", name);
    } else if (!e && db->options.error_if_exists) {
        e = err_set(why, ERR_EXISTS, 0, "%.80s: holds a store already", name);
    }
    if (!e) e = lock_dir(db, name, why);
    if (e || found) return e; /* recover_read reads the pointer again, under the lock */
    e = manifest_current(db->dir, &manifest, why);
    if (e != ERR_MISSING) return e; /* created since */
    e = sync_parent(db, name, why);
    return e ? e : create_store(&db->env, &db->options, db->dir, why);
}

/* Moves what recovery found into the store. Nothing here can fail but memory. */
static enum err take_over(struct db *db, struct recovery *r, struct err_detail *why)
{
    struct version_change *changes = NULL;
    if (r->state.table_count > 0) {
        changes = mem_alloc(db->env.mem, r->state.table_count * sizeof *changes);
        if (!changes) return err_set(why, ERR_NOMEM, 0, "table list");
    }
    for (size_t i = 0; i < r->state.table_count; i++)
        changes[i] = (struct version_change){r->state.tables[i].level, r->tables[i]};
    enum err e = version_new(db->env.mem, changes, r->state.table_count,
                             work_retire_table, db, &db->version);
    mem_free(db->env.mem, changes);
    if (e) return err_set(why, e, 0, "version");
    for (size_t i = 0; i < r->state.table_count; i++) {
        table_unref(db->version, r->tables[i]);
        r->tables[i] = NULL;
    }
    for (size_t i = 0; i < r->state.log_count; i++) {
        struct recovered_log *log = &r->logs[i];
        if (i < r->last && log->memlog)
            db->immutables[db->immutable_count++] = log->memlog;
        else if (i == r->last)
            db->active = log->memlog;
        else
            db->spares[db->spare_count++] =
                (struct spare_log){log->number, log->size, log->file};
        log->memlog = NULL;
        log->file = NULL;
    }
    db->manifest = (struct wal_writer){0};
    wal_writer_init(
        &db->manifest, r->manifest.file, &manifest_sites, r->manifest.number,
        r->manifest.end, r->manifest_chain,
        /* The last record is a mark that no sync has covered yet. */
        (struct wal_position){r->manifest.number, r->manifest.end - WAL_HEADER_BYTES});
    db->manifest.marked = true;
    if (r->manifest.mark.bytes) wal_doubt_mark(&db->manifest, &r->manifest.mark);
    r->manifest.file = NULL;
    db->next_file = r->state.next_file;
    db->books = r->books;
    db->last_seq = db->logged_seq = db->settled_seq = db->durable_seq = r->last_seq;
    db->stats.recovered_records = r->records;
    db->stats.recovered_cut_bytes = r->cut_bytes;
    store_state_move(&db->state, &r->state);
    work_clean(db, r->leftovers, r->leftover_count);
    return ERR_OK;
}

/* Damage is told together with what helps. */
static enum err with_cure(enum err e, struct err_detail *why)
{
    if (!e || !why) return e;
    const char *cure = NULL;
    if (e == ERR_CORRUPT || e == ERR_MISSING)
        cure = "riptidekv-check --repair saves what is left";
    if (e == ERR_NO_SPACE)
        cure = "the last logs are copied when a store is opened: make room";
    if (err_is_no_file(why->os_error)) cure = "move it out of the store's directory";
    if (!cure) return e;
    char damage[ERR_LINE_BYTES];
    err_line(why, damage);
    return err_set(why, e, why->os_error, "%.160s; %s", damage, cure);
}

static enum err recover(struct db *db, struct err_detail *why)
{
    struct recovery r;
    enum err e = recover_read(&r, &db->env, &db->options, db->dir, &db->files, why);
    if (e) return with_cure(e, why);
    e = recover_settle(&r, why);
    if (!e) e = take_over(db, &r, why);
    recover_deinit(&r);
    return with_cure(e, why);
}

/* What a killed process has kept free. False: nothing. */
static bool give_up_reserves(struct db *db)
{
    bool some = false;
    for (unsigned kind = 0; kind < RESERVES; kind++) {
        char name[FILENAME_BYTES];
        filename_reserve(kind, name);
        if (!disk_unlink(db->dir, name, SITE_WAL_UNLINK)) some = true;
    }
    return some;
}

static enum err open_store(struct db *db, const char *name, struct err_detail *why)
{
    enum err e = open_dir(db, name, why);
    if (!e) e = find_or_create(db, name, why);
    if (e) return e == ERR_CORRUPT || e == ERR_IO ? with_cure(e, why) : e;
    db->files = (struct sst_files){.mem = db->env.mem,
                                   .dir = db->dir,
                                   .map = db->options.map_tables,
                                   .open_max = db->options.open_tables_max};
    if (db->options.cache_bytes > 0) {
        db->files.cache = cache_new(db->env.mem, db->options.cache_bytes);
        if (!db->files.cache) return err_set(why, ERR_NOMEM, 0, "block cache");
    }
    e = recover(db, why);
    return e == ERR_NO_SPACE && give_up_reserves(db) ? recover(db, why) : e;
}

static void free_db(struct db *db)
{
    struct mem *mem = db->env.mem;
    assert(!db->newest_snapshot);
    if (db->pinned_sst) sst_pin_release(db->pinned_sst, &db->pin);
    work_deinit(db);
    if (db->active) memlog_unref(db->active);
    for (size_t i = 0; i < db->immutable_count; i++)
        memlog_unref(db->immutables[i]);
    for (size_t i = 0; i < db->spare_count; i++)
        disk_close(db->spares[i].file);
    if (db->version) version_unref(db->version);
    store_state_deinit(&db->state, mem);
    if (db->manifest.file) disk_close(db->manifest.file);
    cache_free(db->files.cache);
    if (db->lock) disk_close(db->lock);
    if (db->dir) disk_dir_close(db->dir);
    batch_deinit(&db->group);
    batch_deinit(&db->logged.batch);
    mem_free(mem, db);
}

/* About what level 0 holds when it is merged into level 1: much less, and the merge would
 * mostly move level 1 into level 2; much more, and it would mostly rewrite level 1. */
static size_t level1_target(const struct options *o)
{
    size_t three = 3 * o->memtable_bytes;
    return three > LEVEL1_BYTES_MIN ? three : LEVEL1_BYTES_MIN;
}

enum err db_open(const struct db_env *env, const char *dir, const struct options *options,
                 struct db **out, struct err_detail *why)
{
    enum err e = options_check(options, why);
    if (e) return e;
    struct db *db = mem_alloc(env->mem, sizeof *db);
    if (!db) return err_set(why, ERR_NOMEM, 0, "opening the store");
    memset(db, 0, offsetof(struct db, state.logs));
    db->env = *env;
    db->options = *options;
    if (db->options.log_bytes == 0) db->options.log_bytes = options->memtable_bytes;
    if (db->options.level1_bytes == 0) db->options.level1_bytes = level1_target(options);
    batch_init(&db->group, env->mem, WAL_HEADER_BYTES);
    batch_init(&db->logged.batch, env->mem, WAL_HEADER_BYTES);
    e = open_store(db, dir, why);
    if (e) {
        free_db(db);
        return e;
    }
    db->synced_us = db->durable_us = clock_mono_us(env->clock);
    *out = db;
    return ERR_OK;
}

enum err db_close(struct db *db)
{
    assert(!db->in_group);
    struct err_detail why = {.code = ERR_OK};
    enum err e = ERR_OK;
    work_finish(db);
    if (db->failed_log) {
        e = err_set(&why, ERR_WRITES_REFUSED, 0, "the log had failed");
    } else {
        e = db_sync_logs(db, &why);
        if (!e) e = wal_mark(&db->active->log, db->last_seq + 1, &why);
    }
    if (e) db_log(db, LOG_WARNING, "closing: %s", why.text);
    free_db(db);
    return e;
}

/* ---- writing ---- */

/* A log that another one continues is synced with its mark. */
static bool needs_sync(const struct db *db, const struct memlog *m)
{
    return m == db->active ? wal_unsynced(&m->log) : m->log.synced < m->log.offset;
}

/* What a log knows to be durable, those after it know, too. */
static void pass_watermarks_on(struct db *db)
{
    struct wal_position watermark = {0, 0};
    for (size_t i = 0; i <= db->immutable_count; i++) {
        struct memlog *m = i < db->immutable_count ? db->immutables[i] : db->active;
        if (wal_position_compare(m->log.watermark, watermark) < 0)
            m->log.watermark = watermark;
        watermark = m->log.watermark;
    }
}

/* Gathers what has to be synced now, oldest log first. False: nothing. */
static bool begin_sync(struct db *db)
{
    log_sync_init(&db->sync, clock_mono_us(db->env.clock));
    db->sync_seq = db->logged_seq;
    for (size_t i = 0; i <= db->immutable_count; i++) {
        struct memlog *m = i < db->immutable_count ? db->immutables[i] : db->active;
        if (needs_sync(db, m)) log_sync_add(&db->sync, m);
    }
    return db->sync.count > 0;
}

static enum err end_sync(struct db *db, struct err_detail *why)
{
    int64_t begun_us = db->sync.begun_us, us = clock_mono_us(db->env.clock) - begun_us;
    enum err e = log_sync_end(&db->sync, why);
    pass_watermarks_on(db);
    if (e) return e;
    db->durable_seq = db->sync_seq;
    db->durable_us = begun_us;
    latency_add(&db->stats.sync, (uint64_t)us);
    if (db->unproven) db_note_recovery(db);
    return ERR_OK;
}

enum err db_sync_logs(struct db *db, struct err_detail *why)
{
    work_await_sync(db);
    if (db->failed_log) {
        *why = db->write_error;
        return ERR_WRITES_REFUSED;
    }
    if (!begin_sync(db)) return ERR_OK;
    log_sync_run(&db->sync.job);
    return end_sync(db, why);
}

/* The same as a job. False: there is nothing to sync. */
static bool submit_sync(struct db *db)
{
    assert(!db->syncing);
    if (!begin_sync(db)) return false;
    db->syncing = true;
    db->in_flight++;
    sched_submit(db->env.sched, &db->sync.job);
    return true;
}

/* Under everysec: the sync takes so long that what is written now would be durable later
 * than promised. */
bool db_sync_is_late(const struct db *db)
{
    return db->syncing && db->options.sync == SYNC_EVERYSEC &&
           clock_mono_us(db->env.clock) - db->synced_us >= LATE_US;
}

static enum err begin_group(struct db *db, enum work_purpose purpose)
{
    assert(!db->in_group);
    if (db->failed_log || db->group_result) return ERR_WRITES_REFUSED;
    if (db_sync_is_late(db)) work_await_sync(db);
    enum err e = work_make_room(db, purpose);
    if (db->failed_log || db->group_result) return ERR_WRITES_REFUSED;
    if (e) return e;
    batch_clear(&db->group);
    db->in_group = true;
    db->removes = purpose == FOR_DELETES;
    return ERR_OK;
}

enum err db_group_begin(struct db *db)
{
    return begin_group(db, FOR_WRITES);
}

enum err db_group_begin_deletes(struct db *db)
{
    return begin_group(db, FOR_DELETES);
}

/* Writes the record of the open group, which ends it. */
static enum err log_group(struct db *db, struct err_detail *why)
{
    struct logged_group *g = &db->logged;
    struct batch batch = g->batch;
    struct wal_writer *log = &db->active->log;
    assert(db->logged_seq == db->settled_seq);
    g->batch = db->group;
    if (db->group.has_books) g->books = db->group_books;
    g->log_end = log->offset;
    g->chain = log->chain;
    db->group = batch;
    db->in_group = false;
    db->logged_seq = db->last_seq;
    if (g->batch.count == 0) return ERR_OK;
    enum err e = wal_append(log, g->batch.data, g->batch.size, db->settled_seq + 1, why);
    if (!e && db->removes) work_note_deletes(db);
    return e;
}

/* What a group held is in the memtable and the log, or was taken back. After a large value
 * its buffer is not kept, which would be one more copy. */
static void drop_bytes(struct batch *b)
{
    if (b->capacity > GROUP_KEPT_BYTES)
        batch_deinit(b);
    else
        batch_clear(b);
}

/* The record is as safe as the policy demands. */
static void settle_group(struct db *db)
{
    struct batch *b = &db->logged.batch;
    db->settled_seq = db->logged_seq;
    if (b->count > 0 && !db->on_reserve) {
        db->write_error.code = ERR_OK;
        if (!db->unproven || db->options.sync == SYNC_NO) db_note_recovery(db);
    }
    db->stats.user_bytes_written += b->size;
    db->stats.log_bytes_written += b->size + WAL_HEADER_BYTES;
    drop_bytes(b);
}

static void undo(struct db *db, struct batch *b, seqno before, const struct books *books)
{
    memlog_undo(db->active, batch_bytes(b), before + 1, b->count);
    if (b->has_books) db->books = *books;
    drop_bytes(b);
}

/* Takes the changes of the logged group back, and first those of the group that was begun
 * since. */
static void undo_groups(struct db *db)
{
    assert(!db->in_batch);
    if (db->in_group) undo(db, &db->group, db->logged_seq, &db->group_books);
    db->in_group = false;
    undo(db, &db->logged.batch, db->settled_seq, &db->logged.books);
    /* last_seq stays: undone numbers are never used again. */
    db->settled_seq = db->logged_seq = db->last_seq;
}

/* As if the group had never been issued. When its record found no room the log goes on. */
static enum err refuse_group(struct db *db, bool no_room, const struct err_detail *why)
{
    size_t size = WAL_HEADER_BYTES + db->logged.batch.size;
    undo_groups(db);
    if (no_room) {
        db->too_short |= db->logged.log_end > 0 && size <= db->options.log_bytes;
        db_note_failure(db, why);
    } else {
        wal_take_back(&db->active->log, db->logged.log_end, db->logged.chain);
        if (!db->failed_log) db_refuse(db, why);
    }
    return ERR_WRITES_REFUSED;
}

enum err db_group_commit(struct db *db)
{
    assert(db->in_group && !db->in_batch && !db->settling);
    struct err_detail why;
    enum err e = log_group(db, &why);
    if (e) return refuse_group(db, e == ERR_NO_SPACE, &why);
    if (db->options.sync == SYNC_ALWAYS) e = db_sync_logs(db, &why);
    if (e) return refuse_group(db, false, &why);
    settle_group(db);
    return ERR_OK;
}

enum err db_group_submit(struct db *db)
{
    assert(db->in_group && !db->in_batch && !db->settling);
    if (db->options.sync != SYNC_ALWAYS || db->syncing) return db_group_commit(db);
    struct err_detail why;
    enum err e = log_group(db, &why);
    if (e) return refuse_group(db, e == ERR_NO_SPACE, &why);
    if (!submit_sync(db)) {
        settle_group(db);
        return ERR_OK;
    }
    db->settling = true;
    work_reap(db); /* where jobs run at once it has returned */
    return ERR_OK;
}

bool db_group_settling(const struct db *db)
{
    return db->settling;
}

void db_group_await(struct db *db)
{
    if (db->settling) work_await_sync(db);
}

enum err db_group_result(struct db *db)
{
    assert(!db->settling);
    enum err e = db->group_result;
    db->group_result = ERR_OK;
    return e;
}

void db_sync_returned(struct db *db)
{
    struct err_detail why;
    bool group = db->settling;
    db->syncing = db->settling = false;
    enum err e = end_sync(db, &why);
    if (group && e)
        db->group_result = refuse_group(db, false, &why);
    else if (group)
        settle_group(db);
    else if (e && !db->failed_log)
        db_refuse(db, &why);
}

bool db_in_group(const struct db *db)
{
    return db->in_group;
}

size_t db_group_bytes(const struct db *db)
{
    return db->in_group ? db->group.size : 0;
}

struct batch *db_batch_begin(struct db *db)
{
    assert(db->in_group && !db->in_batch);
    db->in_batch = true;
    db->batch_size = db->group.size;
    db->batch_count = db->group.count;
    db->batch_had_books = db->group.has_books;
    return &db->group;
}

void db_batch_abort(struct db *db)
{
    assert(db->in_batch);
    db->in_batch = false;
    batch_truncate(&db->group, db->batch_size, db->batch_count);
    db->group.has_books = db->batch_had_books;
}

const struct books *db_settled_books(const struct db *db)
{
    assert(!db->in_batch);
    if (db->settling && db->logged.batch.has_books) return &db->logged.books;
    return db->in_group && db->group.has_books ? &db->group_books : &db->books;
}

/* The books as they were after the batches that are still in the group. */
static void rebuild_books(struct db *db)
{
    db->books = db->group_books;
    struct batch_entry entry;
    slice in = batch_bytes(&db->group);
    for (seqno seq = db->logged_seq + 1; batch_next(&in, &entry) == ERR_OK; seq++)
        books_apply(&db->books, &entry, seq);
}

enum err db_batch_commit(struct db *db)
{
    assert(db->in_batch);
    slice all = batch_bytes(&db->group);
    slice added = slice_of(all.data + db->batch_size, all.size - db->batch_size);
    uint32_t count = 0;
    bool has_books = db->group.has_books;
    if (has_books && !db->batch_had_books) db->group_books = db->books;
    enum err e =
        all.size > BATCH_BYTES_MAX
            ? ERR_TOO_LARGE
            : memlog_apply(db->active, added, db->last_seq + 1, &db->books, &count);
    if (e) {
        db_batch_abort(db);
        if (has_books) rebuild_books(db);
        return e;
    }
    db->in_batch = false;
    db->last_seq += count;
    return ERR_OK;
}

/* Runs one change as a batch: in the open group, or in a group of its own. */
static enum err write_one(struct db *db, const struct batch *batch, slice key,
                          const slice *value)
{
    bool own = !db->in_group;
    bool deletes = !batch && !value;
    enum err e = own ? begin_group(db, deletes ? FOR_DELETES : FOR_WRITES) : ERR_OK;
    if (e) return e;
    struct batch *to = db_batch_begin(db);
    if (!batch) memtable_expect(db->active->table, key);
    if (batch)
        e = batch_append(to, batch);
    else if (value)
        e = batch_put(to, key, *value);
    else
        e = batch_delete(to, key);
    if (e)
        db_batch_abort(db);
    else
        e = db_batch_commit(db);
    if (!own) return e;
    enum err committed = db_group_commit(db);
    return e ? e : committed;
}

enum err db_write(struct db *db, const struct batch *batch)
{
    return write_one(db, batch, slice_of(NULL, 0), NULL);
}

enum err db_put(struct db *db, slice key, slice value)
{
    return write_one(db, NULL, key, &value);
}

enum err db_delete(struct db *db, slice key)
{
    return write_one(db, NULL, key, NULL);
}

seqno db_last_seq(const struct db *db)
{
    return db->last_seq;
}

seqno db_settled_seq(const struct db *db)
{
    return db->settled_seq;
}

void db_set_sync(struct db *db, enum sync_policy policy)
{
    db->options.sync = policy;
    if (policy != SYNC_ALWAYS || db->in_group || db->failed_log) return;
    /* From now on a reply promises durability, also of what it merely reads. */
    struct err_detail why;
    if (db_sync_logs(db, &why)) db_refuse(db, &why);
}

const struct err_detail *db_write_error(const struct db *db)
{
    bool told = db->write_error.code || !db_refuses(db);
    return told ? &db->write_error : &db->trouble;
}

bool db_refuses(const struct db *db)
{
    return db->failed_log || db->on_reserve || work_is_stuck(db, FOR_WRITES);
}

bool db_refuses_deletes(const struct db *db)
{
    return db->failed_log || work_is_stuck(db, FOR_DELETES);
}

void db_note_refusal(struct db *db)
{
    assert(db_refuses(db));
    struct err_detail why = *db_write_error(db);
    db_note_failure(db, &why);
}

/* ---- reading ---- */

/* Looks through everything that may hold a version of the key with a number <= seq, newest
 * first. */
static enum err find(struct db *db, slice key, seqno seq, uint64_t *tag, slice *value,
                     struct err_detail *why)
{
    if (memtable_get(db->active->table, key, seq, tag, value)) return ERR_OK;
    for (size_t i = db->immutable_count; i > 0; i--)
        if (memtable_get(db->immutables[i - 1]->table, key, seq, tag, value))
            return ERR_OK;
    db->stats.reads++;
    struct sst_query query = sst_query_of(key, seq);
    for (unsigned l = 0; l < LEVELS_MAX; l++) {
        const struct level *level = &db->version->levels[l];
        size_t i = l == 0 ? 0 : level_find(level, key);
        size_t end = l == 0 || i >= level->count ? level->count : i + 1;
        for (; i < end; i++) {
            struct table *t = level->tables[i];
            if (slice_compare(key, t->meta.smallest) < 0 ||
                slice_compare(key, t->meta.largest) > 0)
                continue;
            bool found = false;
            enum err e = sst_get(t->sst, &query, &found, tag, value, &db->pin, why);
            db->pinned_sst = t->sst;
            if (e || found) return e;
        }
    }
    return ERR_NOT_FOUND;
}

/* Nothing of the last read is needed any more. */
static void unpin(struct db *db)
{
    if (!db->pinned_sst) return;
    sst_pin_release(db->pinned_sst, &db->pin);
    db->pinned_sst = NULL;
}

enum err db_get_at(struct db *db, const struct db_snapshot *at, slice key, slice *value,
                   struct err_detail *why)
{
    uint64_t tag = 0;
    unpin(db);
    slice found;
    enum err e = find(db, key, at ? at->seq : SEQNO_MAX, &tag, &found, why);
    if (e) return e;
    const seqno *floors = at ? at->floors : db->books.floors;
    bool sunk = key.size > 0 && tag_seq(tag) <= floors[key.data[0]];
    if (sunk || tag_kind(tag) == ENTRY_DELETE) return ERR_NOT_FOUND;
    *value = found;
    return ERR_OK;
}

enum err db_get(struct db *db, slice key, slice *value, struct err_detail *why)
{
    return db_get_at(db, NULL, key, value, why);
}

enum err db_exists(struct db *db, slice key, bool *exists, struct err_detail *why)
{
    slice value;
    enum err e = db_get(db, key, &value, why);
    if (e != ERR_OK && e != ERR_NOT_FOUND) return e;
    *exists = e == ERR_OK;
    return ERR_OK;
}

uint64_t db_register(const struct db *db, unsigned reg)
{
    assert(reg < REGISTERS);
    return db->books.registers[reg];
}

/* ---- time ---- */

/* On a full disk under every policy: a floor that is durable makes room. */
static bool syncs_by_time(const struct db *db)
{
    return db->options.sync == SYNC_EVERYSEC || db->no_room;
}

static bool sync_is_due(const struct db *db, int64_t now)
{
    return syncs_by_time(db) && !db->syncing && !db->failed_log &&
           now - db->synced_us >= EVERYSEC_US;
}

/* An idle store says how far it is durable, so that later damage is told from a torn
 * tail. */
static void mark_when_idle(struct db *db, int64_t now)
{
    struct wal_writer *log = &db->active->log;
    struct err_detail why;
    if (db->failed_log || db->in_group || db->syncing || log->marked ||
        log->offset == 0 || log->synced != log->offset ||
        now - db->durable_us < IDLE_MARK_US)
        return;
    if (wal_mark(log, db->last_seq + 1, &why)) db_refuse(db, &why);
}

void db_step(struct db *db)
{
    assert(!db->in_group || db->settling);
    unpin(db);
    work_step(db);
    int64_t now = clock_mono_us(db->env.clock);
    if (sync_is_due(db, now)) {
        db->synced_us = now;
        submit_sync(db);
        work_reap(db); /* where jobs run at once it is done */
    }
    mark_when_idle(db, now);
}

bool db_unsynced(const struct db *db)
{
    for (size_t i = 0; i < db->immutable_count; i++)
        if (needs_sync(db, db->immutables[i])) return true;
    return needs_sync(db, db->active);
}

void db_reap(struct db *db)
{
    work_reap(db);
}

static int sync_timeout_ms(const struct db *db)
{
    if (db->syncing) return -1; /* its return is news for db_poll_fd */
    bool sync_due = db_unsynced(db);
    if (sync_due && !syncs_by_time(db)) return -1;
    const struct wal_writer *log = &db->active->log;
    if (!sync_due && (log->marked || log->scrap || log->offset == 0)) return -1;
    int64_t due = sync_due ? db->synced_us + EVERYSEC_US : db->durable_us + IDLE_MARK_US;
    int64_t left = due - clock_mono_us(db->env.clock);
    return left <= 0 ? 0 : (int)(left / 1000) + 1;
}

int db_step_timeout_ms(const struct db *db)
{
    int retry = work_timeout_ms(db), sync = db->failed_log ? -1 : sync_timeout_ms(db);
    if (retry < 0 || sync < 0) return retry < 0 ? sync : retry;
    return retry < sync ? retry : sync;
}

int db_poll_fd(const struct db *db)
{
    return sched_poll_fd(db->env.sched);
}

/* ---- looking inside ---- */

void db_stats_get(const struct db *db, struct db_stats *out)
{
    *out = db->stats;
    for (int l = 0; l < LEVELS_MAX; l++) {
        const struct level *level = &db->version->levels[l];
        out->level[l].files = level->count;
        out->level[l].bytes = level->bytes;
        out->level[l].entries = 0;
        for (size_t i = 0; i < level->count; i++) {
            out->level[l].entries += level->tables[i]->meta.entries;
            out->level[l].saved += sst_saved(level->tables[i]->sst);
            out->table_memory += sst_memory(level->tables[i]->sst);
            out->table_mapped += sst_mapped(level->tables[i]->sst);
        }
    }
    out->memtable_bytes = memtable_bytes(db->active->table);
    for (size_t i = 0; i < db->immutable_count; i++)
        out->memtable_bytes += memtable_bytes(db->immutables[i]->table);
    out->immutables = db->immutable_count;
    out->log_bytes = db->active->log.offset;
    out->syncs = out->sync.count;
    out->sync_us = out->sync.total_us;
    out->filter_negatives = db->files.filter_negatives;
    out->filter_false_positives = db->files.filter_false_positives;
    out->tables_asked = db->files.asked;
    unsigned largest = LEVELS_MAX - 1;
    for (unsigned l = 1; l < LEVELS_MAX; l++)
        if (out->level[l].bytes > out->level[largest].bytes) largest = l;
    for (unsigned l = largest; l < LEVELS_MAX; l++)
        out->live_estimate += out->level[l].bytes;
    if (db->files.cache) {
        struct cache_stats c;
        cache_stats_get(db->files.cache, &c);
        out->cache_hits = c.hits;
        out->cache_misses = c.misses;
        out->cache_bytes = c.bytes;
    }
}

static uint64_t thousandths(uint64_t part, uint64_t whole)
{
    return whole ? (uint64_t)((double)part * 1000 / (double)whole + 0.5) : 0;
}

uint64_t db_stats_write_amplification(const struct db_stats *s)
{
    return thousandths(s->log_bytes_written + s->table_bytes_written +
                           s->manifest_bytes_written,
                       s->user_bytes_written);
}

uint64_t db_stats_space_amplification(const struct db_stats *s)
{
    uint64_t bytes = 0;
    for (unsigned l = 0; l < LEVELS_MAX; l++)
        bytes += s->level[l].bytes;
    return thousandths(bytes, s->live_estimate);
}

uint64_t db_stats_read_amplification(const struct db_stats *s)
{
    return thousandths(s->tables_asked, s->reads);
}

uint64_t db_stats_compression(const struct db_stats *s)
{
    uint64_t stored = 0, plain = 0;
    for (unsigned l = 0; l < LEVELS_MAX; l++) {
        stored += s->level[l].bytes;
        plain += s->level[l].bytes + s->level[l].saved;
    }
    return thousandths(plain, stored);
}
