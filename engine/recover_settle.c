/* The settling half of recovery: what was read becomes durable, what was torn is cut.
 *
 * After a killed process, what we read may live in the page cache only; after a failed
 * sync it may even be marked clean there, so that a sync alone would not help. So
 * everything behind the last watermark is *written again*, in place, before it is synced.
 *
 * The order matters, because a crash may come between any two steps:
 * 1. the manifest: from now on it says the same after every crash;
 * 2. logs behind the end of the chain lose what they hold, newest first: otherwise a
 *    later record could one day continue a chain that it does not belong to;
 * 3. the logs of the chain, oldest first; the last one's torn tail is zeroed;
 * 4. files that the manifest does not name are deleted;
 * 5. a mark in manifest and log says that all this has been done, so that the next
 *    recovery finds nothing left to do. */
#include "engine/recover.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "engine/filename.h"

static enum err name_error(struct err_detail *why, int rc, const char *name,
                           const char *what)
{
    return rc ? err_set(why, err_from_os(rc), rc, "%s: %s", name, what) : ERR_OK;
}

/* ---- pieces ---- */

/* Copies [from, to) of a file onto itself, or writes zeros over it. */
static int overwrite(struct recovery *r, struct disk_file *file, uint64_t from,
                     uint64_t to, bool zero, enum site site)
{
    size_t step = r->options->write_buffer_bytes;
    if (step > to - from) step = (size_t)(to - from);
    if (step == 0) return 0;
    uint8_t *buffer = mem_zalloc(r->env->mem, step);
    if (!buffer) return -ENOMEM;
    int rc = 0;
    while (from < to && !rc) {
        size_t n = to - from < step ? (size_t)(to - from) : step, got = n;
        if (!zero) rc = disk_read(file, from, buffer, n, &got);
        if (!rc && got < n) rc = -EIO;
        if (!rc) rc = disk_write(file, from, buffer, n, site, NULL);
        from += n;
    }
    mem_free(r->env->mem, buffer);
    return rc;
}

/* Cuts a file behind its last record and lets it grow again, by zeros for the mark. After
 * a failed sync a size may be in limbo like the bytes: only a new version of it is covered
 * by the next sync. A log of the size it was filled to has been durable in full since. */
static int resize(struct recovery *r, const struct recovered_log *log, enum site resize,
                  enum site write)
{
    int rc = disk_truncate(log->file, log->end, resize);
    if (rc) return rc;
    return overwrite(r, log->file, log->end, log->end + WAL_HEADER_BYTES, true, write);
}

static bool torn(const struct recovered_log *log)
{
    return log->tail.end > log->end;
}

static void report_cut(struct recovery *r, const char *name,
                       const struct recovered_log *log)
{
    uint64_t bytes = log->tail.end - log->end;
    /* Behind the records of a recycled log lies what an earlier log left there. */
    if (log->recycled && !log->tail.records) return;
    r->cut_bytes += bytes;
    if (!r->env->log) return;
    char line[160];
    snprintf(line, sizeof line,
             "%s: cut %" PRIu64 " bytes of an unfinished record at offset %" PRIu64, name,
             bytes, log->end);
    r->env->log(r->env->log_arg, LOG_WARNING, line);
}

/* ---- 1: manifest ---- */

static enum err settle_manifest(struct recovery *r, struct err_detail *why)
{
    struct recovered_log *log = &r->manifest;
    char name[FILENAME_BYTES];
    filename_manifest(log->number, name);
    if (log->marked && !torn(log)) return ERR_OK;
    int rc = overwrite(r, log->file, r->manifest_watermark.offset, log->end, false,
                       SITE_MANIFEST_SETTLE);
    if (!rc && torn(log)) report_cut(r, name, log);
    if (!rc) rc = resize(r, log, SITE_MANIFEST_RESIZE, SITE_MANIFEST_CUT);
    if (!rc) rc = disk_sync(log->file, DISK_SYNC_FULL, SITE_MANIFEST_SETTLESYNC);
    if (rc) return name_error(why, rc, name, "settling its tail");
    /* One record: nobody has yet seen the switch of the pointer become durable. */
    return log->records == 1 ? manifest_point(r->dir, log->number, why) : ERR_OK;
}

/* ---- 2, 3: logs ---- */

static enum err clear_later_logs(struct recovery *r, struct err_detail *why)
{
    for (size_t i = r->state.log_count - 1; i > r->last; i--) {
        struct recovered_log *log = &r->logs[i];
        if (!log->tail.records) continue;
        char name[FILENAME_BYTES];
        filename_log(log->number, name);
        report_cut(r, name, log);
        int rc = overwrite(r, log->file, 0, log->tail.end, true, SITE_WAL_CUT);
        if (!rc) rc = disk_sync(log->file, DISK_SYNC_FULL, SITE_WAL_SETTLESYNC);
        if (rc) return name_error(why, rc, name, "clearing it");
    }
    return ERR_OK;
}

static enum err settle_log(struct recovery *r, size_t index, struct err_detail *why)
{
    struct recovered_log *log = &r->logs[index];
    char name[FILENAME_BYTES];
    filename_log(log->number, name);
    bool cut = index == r->last && torn(log);
    uint64_t from = r->watermark.log == log->number ? r->watermark.offset : 0;
    if (r->watermark.log > log->number) from = log->end;
    /* Losing a mark loses nothing as long as no record follows it. */
    if (log->marked && index == r->last) from = log->end;
    if (from == log->end && !cut) return ERR_OK;
    int rc = overwrite(r, log->file, from, log->end, false, SITE_WAL_SETTLE);
    if (!rc && cut) report_cut(r, name, log);
    if (!rc && log->size != r->options->log_bytes)
        rc = resize(r, log, SITE_WAL_RESIZE, SITE_WAL_CUT);
    else if (!rc && cut)
        rc = overwrite(r, log->file, log->end, log->tail.end, true, SITE_WAL_CUT);
    if (!rc) rc = disk_sync(log->file, DISK_SYNC_FULL, SITE_WAL_SETTLESYNC);
    return name_error(why, rc, name, "settling its tail");
}

/* ---- 4: files that nobody names ---- */

static bool named(const struct recovery *r, enum filename_kind kind, uint64_t number)
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

static int sweep_name(void *arg, const char *name)
{
    struct recovery *r = arg;
    uint64_t number = 0;
    enum site site = SITE_COUNT;
    enum filename_kind kind = filename_parse(name, &number);
    if (kind == FILENAME_TMP) site = SITE_CURRENT_UNLINK;
    if (kind == FILENAME_MANIFEST) site = SITE_MANIFEST_UNLINK;
    if (kind == FILENAME_LOG) site = SITE_WAL_UNLINK;
    if (kind == FILENAME_SST) site = SITE_SST_UNLINK;
    if (site == SITE_COUNT || named(r, kind, number)) return 0;
    return disk_unlink(r->dir, name, site);
}

/* ---- 5: marks ---- */

/* How far a log is durable now: up to its end, but for a mark that no sync has covered. */
static struct wal_position durable_end(const struct recovered_log *log)
{
    uint64_t end = log->marked ? log->end - WAL_HEADER_BYTES : log->end;
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
                        durable_end(log));
        w->marked = log->marked || log->records == 0;
        log->file = NULL; /* the memlog's from now on */
    }
}

static enum err mark(struct recovery *r, struct err_detail *why)
{
    struct recovered_log *log = &r->manifest;
    struct wal_writer manifest;
    wal_writer_init(&manifest, log->file, &manifest_sites, log->number, log->end,
                    r->manifest_chain, (struct wal_position){log->number, log->end});
    manifest.marked = log->marked;
    enum err e = wal_mark(&manifest, 1, why);
    if (e) return e;
    log->end = manifest.offset;
    r->manifest_chain = manifest.chain;
    return wal_mark(&r->logs[r->last].memlog->log, r->last_seq + 1, why);
}

enum err recover_settle(struct recovery *r, struct err_detail *why)
{
    enum err e = settle_manifest(r, why);
    if (!e) e = clear_later_logs(r, why);
    for (size_t i = 0; i <= r->last && !e; i++)
        e = settle_log(r, i, why);
    if (e) return e;
    int rc = disk_list(r->dir, sweep_name, r);
    if (rc) return err_set(why, err_from_os(rc), rc, "deleting leftover files");
    start_writers(r);
    return mark(r, why);
}
