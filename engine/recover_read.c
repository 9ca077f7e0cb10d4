/* The reading half of recovery: manifest, tables, logs, in this order. */
#include "engine/recover.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "engine/filename.h"

static enum err open_named(const struct recovery *r, const char *name, enum site site,
                           struct recovered_log *log, struct err_detail *why)
{
    unsigned flags = DISK_READ | (r->read_only ? 0 : DISK_WRITE);
    int rc = disk_open(r->dir, name, flags, site, &log->file);
    if (rc == -ENOENT)
        return err_set(why, ERR_MISSING, 0, "%s: missing, but the store needs it", name);
    if (!rc) rc = disk_size(log->file, &log->size);
    return rc ? err_set(why, err_from_os(rc), rc, "%s: open", name) : ERR_OK;
}

static enum err rot_error(const char *name, const struct recovered_log *log,
                          struct err_detail *why)
{
    return err_set(why, ERR_CORRUPT, 0,
                   "%s: damaged at offset %" PRIu64 ": the record at %" PRIu64
                   " shows that this place had been synced",
                   name, log->end, log->tail.witness);
}

/* ---- manifest ---- */

static enum err read_manifest(struct recovery *r, struct wal_reader *reader,
                              struct err_detail *why)
{
    struct wal_record record;
    struct recovered_log *log = &r->manifest;
    enum err e;
    while ((e = wal_reader_next(reader, &record, why)) == ERR_OK) {
        struct wal_position here = {log->number, log->end};
        log->marked =
            record.payload.size == 0 && wal_position_compare(record.watermark, here) == 0;
        log->mark = record;
        e = store_state_decode(&r->state, record.payload, r->env->mem, why);
        if (e) return e;
        log->end = reader->offset;
        log->records++;
    }
    if (e != ERR_NOT_FOUND) return e;
    r->manifest_chain = reader->chain;
    struct wal_position broken = {log->number, log->end};
    return wal_reader_tail(reader, broken, reader->chain.number, &log->tail, why);
}

static enum err load_manifest(struct recovery *r, struct err_detail *why)
{
    char name[FILENAME_BYTES];
    struct recovered_log *log = &r->manifest;
    enum err e = manifest_current(r->dir, &log->number, why);
    if (e) return e;
    filename_manifest(log->number, name);
    e = open_named(r, name, SITE_MANIFEST_CREATE, log, why);
    if (e) return e;
    struct wal_reader reader;
    wal_reader_init(&reader, r->env->mem, log->file, log->number, log->size,
                    (struct wal_chain){0, 0}, WAL_READ_BYTES);
    e = read_manifest(r, &reader, why);
    wal_reader_deinit(&reader);
    if (e) return e;
    r->state.manifest = log->number;
    if (log->tail.rot) return rot_error(name, log, why);
    if (log->records == 0 || r->state.log_count == 0)
        return err_set(why, ERR_CORRUPT, 0, "%s: holds no snapshot", name);
    return ERR_OK;
}

/* ---- tables ---- */

static enum err open_table(struct recovery *r, size_t i, struct err_detail *why)
{
    struct sst *sst;
    struct sst_meta meta;
    enum err e = sst_open(r->files, &r->state.tables[i].meta, &sst, why);
    if (e) return e;
    e = sst_meta_copy(&meta, &r->state.tables[i].meta, r->env->mem);
    if (!e) {
        e = table_new(r->env->mem, &meta, sst, &r->tables[i]);
        if (e) sst_meta_deinit(&meta, r->env->mem);
    }
    if (!e) return ERR_OK;
    sst_close(sst);
    return err_set(why, e, 0, "table %" PRIu64, r->state.tables[i].meta.number);
}

/* Without fn it ends at the first table that cannot be opened; the answer is that one's. */
static enum err open_tables(struct recovery *r, sst_finding_fn *fn, void *arg,
                            struct err_detail *why)
{
    if (r->state.table_count == 0) return ERR_OK;
    r->tables = mem_zalloc(r->env->mem, r->state.table_count * sizeof *r->tables);
    if (!r->tables) return err_set(why, ERR_NOMEM, 0, "table list");
    enum err first = ERR_OK;
    for (size_t i = 0; i < r->state.table_count; i++) {
        enum err e = open_table(r, i, why);
        if (!e) continue;
        if (fn) fn(arg, e, why);
        if (!first) first = e;
        if (!fn || e == ERR_NOMEM) break;
    }
    return first;
}

/* ---- logs ---- */

static enum err new_memlog(struct recovery *r, struct recovered_log *log,
                           struct err_detail *why)
{
    struct wal_writer none = {.log = log->number};
    enum err e =
        memlog_new(r->env->mem, r->options, r->env->seed, &none, log->size, &log->memlog);
    return e ? err_set(why, e, 0, "memtable of log %" PRIu64, log->number) : ERR_OK;
}

static enum err apply_record(struct recovery *r, struct recovered_log *log,
                             const struct wal_record *record, struct err_detail *why)
{
    enum err e;
    if (!log->memlog && (e = new_memlog(r, log, why))) return e;
    log->marked = record->payload.size == 0;
    log->mark = *record;
    r->watermark = record->watermark;
    if (record->payload.size == 0) return ERR_OK;
    uint32_t count = 0;
    e = record->first_seq > r->last_seq
            ? memlog_apply(log->memlog, record->payload, record->first_seq, &r->books,
                           &count)
            : ERR_CORRUPT;
    if (e)
        return err_set(why, e, 0, "%06" PRIu64 ".log: record at offset %" PRIu64,
                       log->number, log->end);
    r->last_seq = record->first_seq + count - 1;
    return ERR_OK;
}

#define RECORDS_AT_ONCE 32

/* Reads records as long as they lie in the reader's buffer. ERR_NOT_FOUND: behind the
 * `count` records the chain ends. */
static enum err read_records(struct wal_reader *reader,
                             struct wal_record records[RECORDS_AT_ONCE], size_t *count,
                             struct err_detail *why)
{
    enum err e;
    *count = 0;
    do {
        e = wal_reader_next(reader, &records[*count], why);
        if (!e) ++*count;
    } while (!e && *count < RECORDS_AT_ONCE && wal_reader_has_next(reader));
    return e;
}

/* The first key of each record: most records have only one. */
static void prefetch(const struct memtable *m, const struct wal_record *records,
                     size_t count)
{
    slice keys[RECORDS_AT_ONCE];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        struct batch_entry entry;
        slice in = records[i].payload;
        if (batch_next(&in, &entry) == ERR_OK &&
            (entry.kind == BATCH_PUT || entry.kind == BATCH_DELETE))
            keys[n++] = entry.key;
    }
    memtable_prefetch(m, keys, n);
}

static enum err apply_records(struct recovery *r, struct recovered_log *log,
                              const struct wal_record *records, size_t count,
                              struct err_detail *why)
{
    if (log->memlog) prefetch(log->memlog->table, records, count);
    for (size_t i = 0; i < count; i++) {
        enum err e = apply_record(r, log, &records[i], why);
        if (e) return e;
        log->end += records[i].bytes;
        log->records++;
    }
    return ERR_OK;
}

static enum err read_log(struct recovery *r, size_t index, struct wal_reader *reader,
                         struct err_detail *why)
{
    struct recovered_log *log = &r->logs[index];
    struct wal_record records[RECORDS_AT_ONCE];
    size_t count;
    enum err e, applied;
    do {
        e = read_records(reader, records, &count, why);
        if (count > 0) r->last = index;
        applied = apply_records(r, log, records, count, why);
        if (applied) return applied;
    } while (!e);
    r->chain = reader->chain;
    r->records += log->records;
    if (log->memlog) {
        log->memlog->books = r->books;
        log->memlog->last_seq = r->last_seq;
        log->memlog->log.chain = reader->chain;
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err with_reader(struct recovery *r, size_t index, bool tail,
                            struct err_detail *why)
{
    struct recovered_log *log = &r->logs[index];
    struct wal_reader reader;
    wal_reader_init(&reader, r->env->mem, log->file, log->number, log->size, r->chain,
                    WAL_READ_BYTES);
    enum err e;
    if (tail) {
        reader.offset = reader.buffer_offset = log->end;
        struct wal_position broken = {r->logs[r->last].number, r->logs[r->last].end};
        e = wal_reader_tail(&reader, broken, r->chain.number, &log->tail, why);
    } else {
        log->begin = r->chain;
        e = read_log(r, index, &reader, why);
    }
    wal_reader_deinit(&reader);
    return e;
}

static enum err load_logs(struct recovery *r, struct err_detail *why)
{
    char name[FILENAME_BYTES];
    for (size_t i = 0; i < r->state.log_count; i++) {
        struct recovered_log *log = &r->logs[i];
        log->number = r->state.logs[i].number;
        log->recycled = r->state.logs[i].recycled;
        filename_log(log->number, name);
        enum err e = open_named(r, name, SITE_WAL_CREATE, log, why);
        /* A log is used only after records went to the one before it. */
        bool reached = i == 0 || r->logs[i - 1].records > 0;
        if (!e && reached) e = with_reader(r, i, false, why);
        if (e) return e;
    }
    /* What lies behind the end of the chain, in its last log and in all later ones. */
    for (size_t i = r->last; i < r->state.log_count; i++) {
        enum err e = with_reader(r, i, true, why);
        if (e) return e;
        filename_log(r->logs[i].number, name);
        if (r->logs[i].tail.rot) {
            filename_log(r->logs[r->last].number, name);
            r->logs[r->last].tail.witness = r->logs[i].tail.witness;
            return rot_error(name, &r->logs[r->last], why);
        }
    }
    return ERR_OK;
}

/* ---- all ---- */

static enum err read_all(struct recovery *r, sst_finding_fn *fn, void *arg,
                         struct err_detail *why)
{
    enum err e = load_manifest(r, why);
    memset(r->logs, 0, r->state.log_count * sizeof r->logs[0]);
    if (!e) e = open_tables(r, fn, arg, why);
    if (!e) {
        r->books = r->state.books;
        r->last_seq = r->state.last_seq;
        r->chain = r->state.chain;
        r->watermark = (struct wal_position){r->state.logs[0].number, 0};
        e = load_logs(r, why);
    }
    if (!e && !r->logs[r->last].memlog) e = new_memlog(r, &r->logs[r->last], why);
    if (e) recover_deinit(r);
    return e;
}

static void init(struct recovery *r, const struct db_env *env,
                 const struct options *options, struct disk_dir *dir,
                 struct sst_files *files)
{
    memset(r, 0, offsetof(struct recovery, state));
    store_state_init(&r->state);
    r->env = env;
    r->options = options;
    r->dir = dir;
    r->files = files;
}

enum err recover_read(struct recovery *r, const struct db_env *env,
                      const struct options *options, struct disk_dir *dir,
                      struct sst_files *files, struct err_detail *why)
{
    init(r, env, options, dir, files);
    return read_all(r, NULL, NULL, why);
}

enum err recover_read_each(struct recovery *r, const struct db_env *env,
                           const struct options *options, struct disk_dir *dir,
                           struct sst_files *files, sst_finding_fn *fn, void *arg,
                           struct err_detail *why)
{
    init(r, env, options, dir, files);
    r->read_only = true;
    return read_all(r, fn, arg, why);
}

void recover_deinit(struct recovery *r)
{
    struct mem *mem = r->env->mem;
    for (size_t i = 0; i < r->state.log_count; i++) {
        if (r->logs[i].memlog) memlog_unref(r->logs[i].memlog);
        if (r->logs[i].file) disk_close(r->logs[i].file);
    }
    for (size_t i = 0; r->tables && i < r->state.table_count; i++) {
        if (!r->tables[i]) continue;
        sst_close(r->tables[i]->sst);
        sst_meta_deinit(&r->tables[i]->meta, mem);
        mem_free(mem, r->tables[i]);
    }
    mem_free(mem, r->tables);
    if (r->manifest.file) disk_close(r->manifest.file);
    store_state_deinit(&r->state, mem);
    r->tables = NULL;
    r->manifest.file = NULL;
}
