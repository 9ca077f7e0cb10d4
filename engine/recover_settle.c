/* The settling half of recovery: what was read becomes durable, what was torn is cut.
 *
 * After a killed process, what we read may live in the page cache only; after a failed
 * sync it may even be marked clean there, so that a sync alone would not help: it has to
 * be written again. But not in place: if the power fails during that write the disk may
 * leave garbage in the middle of a sector that had been durable before. So recovery
 * *never writes into a file that holds a record*. It copies, and switches the pointer
 * once:
 * 1. Each log of the chain, from the first one on that is not known to be durable, is
 *    copied to a new log, which ends in a mark and is synced. What lay behind the end of
 *    the chain is thereby cut. Spare logs are given up with what they may hold.
 * 2. A new manifest names the new logs. When its pointer is durable, all this is in
 *    force; until then the next recovery finds everything as we did.
 * 3. Files that the manifest does not name are deleted, after the store was opened where
 *    that can wait: freeing the blocks of a large log takes longer than copying it.
 * Numbers come from the manifest that was read: a recovery that was cut gives the same
 * numbers to the same copies when it is repeated.
 *
 * A store that was closed, or had been idle, ends in marks: there only step 3 is done. */
#include "engine/recover.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "engine/filename.h"
#include "engine/new_file.h"

/* ---- what is to be done ---- */

/* Behind the last byte that must not be lost. Losing a mark loses nothing as long as no
 * record follows it. */
static uint64_t needed_end(const struct recovery *r, size_t index)
{
    const struct recovered_log *log = &r->logs[index];
    return log->marked && index == r->last ? log->end - WAL_HEADER_BYTES : log->end;
}

static uint64_t synced_end(const struct recovery *r, size_t index)
{
    if (r->watermark.log > r->logs[index].number) return UINT64_MAX;
    return r->watermark.log == r->logs[index].number ? r->watermark.offset : 0;
}

/* Does something lie behind the end of the chain? Behind the records of a recycled log
 * that is what an earlier log left there, unless some of it is this log's. */
static bool torn(const struct recovered_log *log)
{
    return log->recycled ? log->tail.records : log->tail.end > log->end;
}

static size_t first_unsettled_log(const struct recovery *r)
{
    size_t i = 0;
    while (i <= r->last && needed_end(r, i) <= synced_end(r, i) && !torn(&r->logs[i]))
        i++;
    return i;
}

static bool spares_torn(const struct recovery *r)
{
    for (size_t i = r->last + 1; i < r->state.log_count; i++)
        if (torn(&r->logs[i])) return true;
    return false;
}

static void report_cut(struct recovery *r, const struct recovered_log *log,
                       void (*name_of)(uint64_t number, char out[FILENAME_BYTES]))
{
    if (!torn(log)) return;
    char name[FILENAME_BYTES];
    name_of(log->number, name);
    uint64_t bytes = log->tail.end - log->end;
    r->cut_bytes += bytes;
    if (!r->env->log) return;
    char line[160];
    snprintf(line, sizeof line,
             "%s: cut %" PRIu64 " bytes of an unfinished record at offset %" PRIu64, name,
             bytes, log->end);
    r->env->log(r->env->log_arg, LOG_WARNING, line);
}

static void report_cuts(struct recovery *r)
{
    report_cut(r, &r->manifest, filename_manifest);
    for (size_t i = r->last; i < r->state.log_count; i++)
        report_cut(r, &r->logs[i], filename_log);
}

/* ---- 1: copies of logs ---- */

/* A log that is written through a buffer. */
struct copy {
    struct mem *mem;
    struct disk_file *file;
    uint64_t number;
    uint8_t *buffer;
    size_t used, capacity;
    uint64_t offset; /* of buffer[0] */
    struct wal_chain chain;
};

static int copy_flush(struct copy *c)
{
    int rc = disk_write(c->file, c->offset, c->buffer, c->used, SITE_WAL_COPY, NULL);
    c->offset += c->used;
    c->used = 0;
    return rc;
}

static int copy_reserve(struct copy *c, size_t n)
{
    if (c->capacity - c->used >= n) return 0;
    int rc = c->used > 0 ? copy_flush(c) : 0;
    if (rc || c->capacity >= n) return rc;
    uint8_t *grown = mem_resize(c->mem, c->buffer, n);
    if (!grown) return -ENOMEM;
    c->buffer = grown;
    c->capacity = n;
    return 0;
}

static int copy_record(struct copy *c, slice payload, seqno first_seq)
{
    int rc = copy_reserve(c, WAL_HEADER_BYTES + payload.size);
    if (rc) return rc;
    uint8_t *frame = c->buffer + c->used;
    if (payload.size) memcpy(frame + WAL_HEADER_BYTES, payload.data, payload.size);
    /* Nobody reads the copy before all of it is durable. */
    struct wal_position durable = {c->number, c->offset + c->used};
    c->chain.checksum =
        wal_frame(frame, payload.size, c->number, c->chain, first_seq, durable);
    c->chain.number++;
    c->used += WAL_HEADER_BYTES + payload.size;
    return 0;
}

static enum err copy_error(struct err_detail *why, const struct copy *c, int rc)
{
    return rc ? err_set(why, err_from_os(rc), rc, "%06" PRIu64 ".log: copying to it",
                        c->number)
              : ERR_OK;
}

static enum err copy_records(struct recovery *r, const struct recovered_log *log,
                             struct copy *c, struct err_detail *why)
{
    struct wal_reader reader;
    struct wal_record record;
    wal_reader_init(&reader, r->env->mem, log->file, log->number, log->size, log->begin,
                    WAL_READ_BYTES);
    enum err e = ERR_OK;
    while (reader.offset < log->end && !e) {
        e = wal_reader_next(&reader, &record, why);
        /* It was there when we read it before. */
        if (e == ERR_NOT_FOUND) e = copy_error(why, c, -EIO);
        if (!e && record.payload.size > 0)
            e = copy_error(why, c, copy_record(c, record.payload, record.first_seq));
    }
    wal_reader_deinit(&reader);
    return e;
}

/* Fills the new file: records, and a mark at the end of the chain. No zeros behind them:
 * they would be written and synced before the first reply, to speed up the rest of a log
 * that is given up when its memtable is full. */
static enum err copy_fill(struct recovery *r, size_t index, struct copy *c,
                          struct err_detail *why)
{
    struct recovered_log *log = &r->logs[index];
    int rc = copy_reserve(c, r->options->write_buffer_bytes);
    enum err e = rc ? copy_error(why, c, rc) : copy_records(r, log, c, why);
    if (e) return e;
    bool mark = index == r->last && log->records > 0;
    if (mark) rc = copy_record(c, slice_of(NULL, 0), r->last_seq + 1);
    if (!rc && c->used > 0) rc = copy_flush(c);
    if (!rc) rc = disk_sync(c->file, DISK_SYNC_FULL, SITE_WAL_COPYSYNC);
    log->end = log->size = c->offset;
    log->marked = mark;
    return copy_error(why, c, rc);
}

/* Replaces a log by a copy that goes on where the chain stands, and moves that. */
static enum err copy_log(struct recovery *r, size_t index, struct err_detail *why)
{
    struct recovered_log *log = &r->logs[index];
    struct copy c = {
        .mem = r->env->mem, .number = r->state.next_file++, .chain = r->chain};
    char name[FILENAME_BYTES];
    filename_log(c.number, name);
    int rc = new_file(r->dir, name, SITE_WAL_CREATE, SITE_WAL_UNLINK, &c.file);
    if (rc) return err_set(why, err_from_os(rc), rc, "%s: create", name);
    enum err e = copy_fill(r, index, &c, why);
    mem_free(r->env->mem, c.buffer);
    disk_close(log->file);
    log->file = c.file;
    log->number = c.number;
    log->recycled = false;
    log->copied = true;
    r->state.logs[index] = (struct store_log){.number = c.number};
    if (log->memlog) {
        log->memlog->log.chain = c.chain;
        log->memlog->log_size = log->size;
    }
    r->chain = c.chain;
    return e;
}

/* A recovery that finds no room takes none. */
static void drop_copies(struct recovery *r, size_t first, size_t last)
{
    for (size_t i = first; i <= last; i++) {
        char name[FILENAME_BYTES];
        filename_log(r->logs[i].number, name);
        if (r->logs[i].copied) (void)disk_unlink(r->dir, name, SITE_WAL_UNLINK);
    }
}

/* Numbers of logs grow along the chain, so spares end where new logs begin. */
static void drop_spares(struct recovery *r)
{
    while (r->state.log_count > r->last + 1)
        disk_close(r->logs[--r->state.log_count].file);
}

/* ---- 2: the manifest ---- */

static bool manifest_settled(const struct recovery *r)
{
    const struct recovered_log *m = &r->manifest;
    return (m->marked || m->records == 1) && !torn(m);
}

static enum err new_manifest(struct recovery *r, struct err_detail *why)
{
    struct recovered_log *m = &r->manifest;
    struct edit_bytes bytes = {.mem = r->env->mem};
    struct wal_writer writer = {.file = NULL};
    r->state.manifest = r->state.next_file++;
    enum err e = edit_bytes_begin(&bytes);
    if (!e) e = store_state_encode(&r->state, &bytes);
    if (e)
        err_set(why, e, 0, "writing a new manifest");
    else
        e = manifest_create(r->dir, r->state.manifest, bytes.data,
                            bytes.size - WAL_HEADER_BYTES, &writer, why);
    mem_free(r->env->mem, bytes.data);
    if (writer.file) {
        disk_close(m->file);
        m->file = writer.file;
        m->number = writer.log;
        m->end = writer.offset;
        m->marked = writer.marked;
        m->mark.bytes = 0;
        r->manifest_chain = writer.chain;
    }
    return e;
}

/* The snapshot alone: nobody has yet seen the switch of the pointer become durable. The
 * mark says that we have. */
static enum err confirm_pointer(struct recovery *r, struct err_detail *why)
{
    struct recovered_log *m = &r->manifest;
    enum err e = manifest_point(r->dir, m->number, why);
    if (e) return e;
    struct wal_writer writer;
    wal_writer_init(&writer, m->file, &manifest_sites, m->number, m->end,
                    r->manifest_chain, (struct wal_position){m->number, m->end});
    e = wal_mark(&writer, 1, why);
    m->end = writer.offset;
    m->marked = writer.marked;
    m->mark.bytes = 0;
    r->manifest_chain = writer.chain;
    return e;
}

static enum err settle_files(struct recovery *r, struct err_detail *why)
{
    size_t unsettled = first_unsettled_log(r);
    bool logs_change = unsettled <= r->last || spares_torn(r);
    bool settled = manifest_settled(r);
    report_cuts(r);
    if (logs_change) drop_spares(r);
    for (size_t i = unsettled; i <= r->last; i++) {
        if (i == unsettled) r->chain = r->logs[i].begin;
        enum err e = copy_log(r, i, why);
        if (e) drop_copies(r, unsettled, i);
        if (e) return e;
    }
    if (!logs_change && settled && r->manifest.marked) return ERR_OK;
    return logs_change || !settled ? new_manifest(r, why) : confirm_pointer(r, why);
}

/* ---- 3: files that nobody names ---- */

bool recover_names(const struct recovery *r, enum filename_kind kind, uint64_t number)
{
    if (kind == FILENAME_MANIFEST) return number == r->manifest.number;
    if (kind == FILENAME_LOG)
        for (size_t i = 0; i < r->state.log_count; i++)
            if (r->state.logs[i].number == number) return true;
    if (kind == FILENAME_SST)
        for (size_t i = 0; i < r->state.table_count; i++)
            if (r->state.tables[i].meta.number == number) return true;
    return false;
}

/* Lists the file for later, unless a new file could get its name meanwhile. */
static bool can_wait(struct recovery *r, enum filename_kind kind, uint64_t number)
{
    bool listed = kind != FILENAME_TMP && number < r->state.next_file &&
                  r->leftover_count < LEFTOVERS_MAX;
    if (listed) r->leftovers[r->leftover_count++] = (struct leftover){kind, number};
    return listed;
}

struct sweep {
    struct recovery *r;
    struct err_detail *why;
};

static int sweep_name(void *arg, const char *name)
{
    const struct sweep *sweep = arg;
    struct recovery *r = sweep->r;
    uint64_t number = 0;
    enum site site = SITE_COUNT;
    enum filename_kind kind = filename_parse(name, &number);
    if (kind == FILENAME_RESERVE && !options_keep_reserve(r->options))
        site = SITE_WAL_UNLINK;
    if (kind == FILENAME_TMP) site = SITE_CURRENT_UNLINK;
    if (kind == FILENAME_MANIFEST) site = SITE_MANIFEST_UNLINK;
    if (kind == FILENAME_LOG) site = SITE_WAL_UNLINK;
    if (kind == FILENAME_SST) site = SITE_SST_UNLINK;
    if (site == SITE_COUNT || recover_names(r, kind, number)) return 0;
    if (can_wait(r, kind, number)) return 0;
    int rc = disk_unlink(r->dir, name, site);
    if (rc)
        err_set(sweep->why, err_from_os(rc), rc, "%s: deleting this leftover file", name);
    return rc;
}

/* ---- the logs as they are written on ---- */

/* How far a log is durable now: a mark that was found at the end of the chain may be
 * there without a sync. */
static struct wal_position durable_end(const struct recovery *r, size_t index)
{
    const struct recovered_log *log = &r->logs[index];
    uint64_t end = log->copied ? log->end : needed_end(r, index);
    return (struct wal_position){log->number, end};
}

static void start_writers(struct recovery *r)
{
    for (size_t i = 0; i < r->state.log_count; i++) {
        struct recovered_log *log = &r->logs[i];
        if (!log->memlog) continue;
        struct wal_writer *w = &log->memlog->log;
        struct wal_chain chain = i == r->last ? r->chain : w->chain;
        wal_writer_init(w, log->file, &wal_sites, log->number, log->end, chain,
                        durable_end(r, i));
        w->marked = log->marked || log->records == 0;
        if (i == r->last && log->marked && !log->copied) wal_doubt_mark(w, &log->mark);
        log->file = NULL; /* the memlog's from now on */
    }
}

enum err recover_settle(struct recovery *r, struct err_detail *why)
{
    enum err e = settle_files(r, why);
    if (e) return e;
    struct err_detail at = {.code = ERR_OK};
    struct sweep sweep = {r, &at};
    int rc = disk_list(r->dir, sweep_name, &sweep);
    if (rc && at.code == ERR_OK)
        err_set(&at, err_from_os(rc), rc, "listing the directory");
    if (rc) {
        if (why) *why = at;
        return at.code;
    }
    start_writers(r);
    return ERR_OK;
}
