/* Checking a whole store that is closed: what recovery reads must be sound, the levels in
 * order, and every byte of every table must verify. Nothing is changed. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "engine/db.h"
#include "engine/filename.h"
#include "engine/recover.h"

struct check {
    db_report_fn *report;
    void *arg;
    enum err first;
};

static void finding(struct check *c, enum err code, const struct err_detail *why)
{
    if (c->first == ERR_OK) c->first = code;
    if (c->report) c->report(c->arg, code, why->text);
}

static void keep_table(void *arg, struct table *table)
{
    (void)arg;
    (void)table; /* the recovery owns it */
}

static void check_levels(struct check *c, struct recovery *r)
{
    struct err_detail why;
    struct mem *mem = r->env->mem;
    size_t n = r->state.table_count;
    struct version *v;
    struct version_change *changes = mem_alloc(mem, (n + 1) * sizeof *changes);
    for (size_t i = 0; changes && i < n; i++)
        changes[i] = (struct version_change){r->state.tables[i].level, r->tables[i]};
    enum err e = changes ? version_new(mem, changes, n, keep_table, NULL, &v) : ERR_NOMEM;
    mem_free(mem, changes);
    if (e) {
        err_set(&why, e, 0, "checking the levels");
        finding(c, e, &why);
        return;
    }
    if ((e = version_check(v, &why))) finding(c, e, &why);
    version_unref(v);
}

static void check_tables(struct check *c, struct recovery *r)
{
    struct err_detail why;
    for (size_t i = 0; i < r->state.table_count; i++) {
        const struct sst_meta *meta = &r->state.tables[i].meta;
        enum err e = sst_check(r->tables[i]->sst, meta, &why);
        if (!e && meta->number >= r->state.next_file)
            e = err_set(&why, ERR_CORRUPT, 0,
                        "%06" PRIu64 ".sst: its number is not below the next one, "
                        "%" PRIu64,
                        meta->number, r->state.next_file);
        if (!e && meta->max_seq > r->state.last_seq)
            e = err_set(&why, ERR_CORRUPT, 0,
                        "%06" PRIu64 ".sst: holds sequence number %" PRIu64
                        " beyond the manifest's %" PRIu64,
                        meta->number, meta->max_seq, r->state.last_seq);
        if (e) finding(c, e, &why);
    }
}

/* Takes the lock of a store that has one: a store in use changes while it is read.
 * Nothing is created; *lock stays NULL when there is none. */
static enum err lock_store(struct disk_dir *dir, const char *name,
                           struct disk_file **lock, struct err_detail *why)
{
    struct disk_file *file;
    int rc = disk_open(dir, FILENAME_LOCK, DISK_READ, SITE_OTHER_CREATE, &file);
    if (rc == -ENOENT) return ERR_OK;
    if (!rc) {
        disk_close(file);
        rc = disk_lock(dir, FILENAME_LOCK, SITE_LOCK_CREATE, lock);
    }
    if (rc == -EWOULDBLOCK)
        return err_set(why, ERR_LOCKED, 0, "%s: in use by another process", name);
    return rc ? err_set(why, err_from_os(rc), rc, "%s: cannot lock " FILENAME_LOCK, name)
              : ERR_OK;
}

enum err db_check(const struct db_env *env, const char *dir,
                  const struct options *options, db_report_fn *report, void *arg)
{
    struct check c = {report, arg, ERR_OK};
    struct err_detail why = {.code = ERR_OK};
    struct disk_dir *handle;
    int rc = disk_dir_open(env->disk, dir, &handle);
    if (rc) {
        err_set(&why, err_from_os(rc), rc, "%s: cannot open the directory", dir);
        finding(&c, why.code, &why);
        return c.first;
    }
    struct recovery r;
    struct disk_file *lock = NULL;
    enum err e = lock_store(handle, dir, &lock, &why);
    if (!e) e = recover_read(&r, env, options, handle, NULL, &why);
    if (e) {
        finding(&c, e, &why);
    } else {
        check_levels(&c, &r);
        check_tables(&c, &r);
        recover_deinit(&r);
    }
    if (lock) disk_close(lock);
    disk_dir_close(handle);
    return c.first;
}
