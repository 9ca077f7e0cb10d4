/* Checking a whole store that is closed: what recovery reads must be sound, the levels in
 * order, and every byte of every table must verify. Nothing is changed. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/db_state.h"
#include "engine/dump_lines.h"
#include "engine/filename.h"
#include "engine/level_iter.h"
#include "engine/recover.h"

struct check {
    db_report_fn *report;
    void *arg;
    enum err first; /* ERR_NOMEM: of whatever came before, too */
};

static void finding(struct check *c, enum err code, const struct err_detail *why)
{
    char line[ERR_LINE_BYTES];
    if (err_is_shortage(why->os_error)) code = ERR_NOMEM;
    if (c->first == ERR_OK || code == ERR_NOMEM) c->first = code;
    if (c->report) c->report(c->arg, code, err_line(why, line));
}

static void keep_table(void *arg, struct table *table)
{
    (void)arg;
    (void)table; /* the recovery owns it */
}

/* ---- ages ---- */

/* Levels from the newest to the oldest: each table of level 0, then each level below. */
struct strands {
    struct iter **all;
    unsigned *levels;
    size_t count;
};

static enum err add_strand(struct strands *s, struct iter *it, unsigned level)
{
    if (!it) return ERR_NOMEM;
    s->all[s->count] = it;
    s->levels[s->count++] = level;
    iter_first(it);
    return it->err;
}

static enum err open_strands(struct strands *s, const struct version *v, struct mem *mem,
                             struct err_detail *why)
{
    const struct level *level0 = &v->levels[0];
    size_t room = level0->count + LEVELS_MAX;
    s->all = mem_alloc(mem, room * sizeof(struct iter *));
    s->levels = mem_alloc(mem, room * sizeof *s->levels);
    if (!s->all || !s->levels) return ERR_NOMEM;
    enum err e = ERR_OK;
    for (size_t i = 0; i < level0->count && !e; i++)
        e = add_strand(s, sst_iter(level0->tables[i]->sst, mem, false, why), 0);
    for (unsigned l = 1; l < LEVELS_MAX && !e; l++) {
        const struct level *level = &v->levels[l];
        if (level->count == 0) continue;
        e = add_strand(s, level_iter_new(mem, level->tables, level->count, false, why),
                       l);
    }
    return e;
}

static void close_strands(struct strands *s, struct mem *mem)
{
    for (size_t i = 0; i < s->count; i++)
        iter_free(s->all[i]);
    mem_free(mem, s->all);
    mem_free(mem, s->levels);
}

/* The strand with the smallest entry; count when all are at their ends. */
static size_t smallest(const struct strands *s)
{
    size_t best = s->count;
    for (size_t i = 0; i < s->count; i++) {
        const struct iter *it = s->all[i];
        if (!it->valid) continue;
        if (best == s->count ||
            ikey_compare(it->key, it->tag, s->all[best]->key, s->all[best]->tag) < 0)
            best = i;
    }
    return best;
}

/* Walks all versions of all keys, newest first. While one is passed, nothing older of
 * its key may wait on a newer strand: a read would find that first. [INV-23] */
static enum err walk_strands(struct strands *s, struct err_detail *why)
{
    for (size_t at; (at = smallest(s)) < s->count;) {
        struct iter *it = s->all[at];
        for (size_t i = 0; i < at; i++) {
            char key[DUMP_QUOTED_BYTES];
            if (!s->all[i]->valid || !slice_equal(s->all[i]->key, it->key)) continue;
            return err_set(why, ERR_CORRUPT, 0,
                           "level %u holds an older version of %.100s than level %u",
                           s->levels[i], dump_quote(it->key, key), s->levels[at]);
        }
        iter_next(it);
        if (it->err) return it->err;
    }
    return ERR_OK;
}

enum err db_check_version(const struct version *v, struct err_detail *why)
{
    struct strands s = {.count = 0};
    enum err e = version_check(v, why);
    if (e) return e;
    why->code = ERR_OK;
    e = open_strands(&s, v, v->mem, why);
    if (!e) e = walk_strands(&s, why);
    close_strands(&s, v->mem);
    if (e && why->code == ERR_OK) err_set(why, e, 0, "comparing the levels");
    return e;
}

/* ---- levels, tables, numbers ---- */

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
    /* What is damaged cannot be compared. */
    e = c->first ? version_check(v, &why) : db_check_version(v, &why);
    if (e) finding(c, e, &why);
    version_unref(v);
}

/* A number that is in use must never be given to another file. [INV-3] */
static void check_number(struct check *c, const char *name, uint64_t number,
                         uint64_t next_file)
{
    struct err_detail why;
    if (number < next_file) return;
    enum err e =
        err_set(&why, ERR_CORRUPT, 0,
                "%s: its number is not below the next one, %" PRIu64, name, next_file);
    finding(c, e, &why);
}

static void check_numbers(struct check *c, const struct store_state *s)
{
    char name[FILENAME_BYTES];
    filename_manifest(s->manifest, name);
    check_number(c, name, s->manifest, s->next_file);
    for (size_t i = 0; i < s->log_count; i++) {
        filename_log(s->logs[i].number, name);
        check_number(c, name, s->logs[i].number, s->next_file);
    }
    for (size_t i = 0; i < s->table_count; i++) {
        filename_sst(s->tables[i].meta.number, name);
        check_number(c, name, s->tables[i].meta.number, s->next_file);
    }
}

static void table_finding(void *arg, enum err code, const struct err_detail *why)
{
    finding(arg, code, why);
}

static void check_tables(struct check *c, struct recovery *r)
{
    struct err_detail why;
    for (size_t i = 0; i < r->state.table_count; i++) {
        const struct sst_meta *meta = &r->state.tables[i].meta;
        (void)sst_check_each(r->tables[i]->sst, meta, table_finding, c, &why);
        if (meta->max_seq <= r->state.last_seq) continue;
        enum err e = err_set(&why, ERR_CORRUPT, 0,
                             "%06" PRIu64 ".sst: holds sequence number %" PRIu64
                             " beyond the manifest's %" PRIu64,
                             meta->number, meta->max_seq, r->state.last_seq);
        finding(c, e, &why);
    }
}

/* ---- what is in the way ---- */

struct names {
    struct check *check;
    const struct recovery *recovery;
    struct disk_dir *dir;
};

/* What the store does not know is deleted when it is opened, if it is a file. */
static int check_name(void *arg, const char *name)
{
    const struct names *n = arg;
    uint64_t number = 0;
    struct disk_file *file;
    struct err_detail why;
    enum filename_kind kind = filename_parse(name, &number);
    if (kind == FILENAME_STRANGER || recover_names(n->recovery, kind, number)) return 0;
    int rc = disk_open(n->dir, name, DISK_READ, SITE_OTHER_CREATE, &file);
    if (!rc) disk_close(file);
    if (!err_is_no_file(-rc)) return 0;
    err_set(&why, err_from_os(rc), rc,
            "%s: no regular file, with which the store may not open; move it out of the "
            "directory",
            name);
    finding(n->check, why.code, &why);
    return 0;
}

static void check_names(struct check *c, const struct recovery *r)
{
    struct names names = {c, r, r->dir};
    struct err_detail why;
    int rc = disk_list(r->dir, check_name, &names);
    if (!rc) return;
    err_set(&why, err_from_os(rc), rc, "listing the directory");
    finding(c, why.code, &why);
}

enum err db_check_lock(struct disk_dir *dir, const char *name, bool create,
                       struct disk_file **lock, struct err_detail *why)
{
    struct disk_file *file;
    int rc =
        create ? 0 : disk_open(dir, FILENAME_LOCK, DISK_READ, SITE_OTHER_CREATE, &file);
    if (rc == -ENOENT) return ERR_OK;
    if (!rc) {
        if (!create) disk_close(file);
        rc = disk_lock(dir, FILENAME_LOCK, SITE_LOCK_CREATE, lock);
    }
    if (rc == -EWOULDBLOCK)
        return err_set(why, ERR_LOCKED, 0,
                       "%s: in use, opened by another process or this one", name);
    return rc ? err_set(why, err_from_os(rc), rc, "%s: cannot lock " FILENAME_LOCK, name)
              : ERR_OK;
}

/* Who may read a store may check it, also where the lock is out of reach. */
static enum err go_without_lock(struct check *c, struct err_detail *why)
{
    struct err_detail note;
    err_set(&note, ERR_OK, 0,
            FILENAME_LOCK ": cannot be locked (%.80s); checked without, as if nobody had "
                          "the store open",
            strerror(why->os_error));
    finding(c, ERR_OK, &note);
    why->code = ERR_OK;
    return ERR_OK;
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
    struct sst_files files = {.mem = env->mem, .dir = handle, .open_max = 1};
    struct disk_file *lock = NULL;
    enum err e = db_check_lock(handle, dir, false, &lock, &why);
    if (e == ERR_IO) e = go_without_lock(&c, &why);
    if (!e)
        e = recover_read_each(&r, env, options, handle, &files, table_finding, &c, &why);
    if (e) {
        if (!c.first) finding(&c, e, &why); /* tables have been told */
    } else {
        check_names(&c, &r);
        check_numbers(&c, &r.state);
        check_tables(&c, &r);
        check_levels(&c, &r);
        recover_deinit(&r);
    }
    if (lock) disk_close(lock);
    disk_dir_close(handle);
    return c.first;
}
