/* The writing half of a repair, and its frame.
 *
 * What will be set aside gets its second name first, the manifest too. Then follow new
 * tables and a new log, then the manifest, which makes them durable and switches; only then
 * the old names go. A cut before the switch leaves the damaged store with files that nobody
 * names. The next repair must not take them for the store's: they begin at the next number
 * of a manifest that has two names, or, when that one was not believed, at a mark. A cut
 * behind the switch leaves a sound store. */
#include "engine/repair.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "engine/db_state.h"
#include "engine/merge.h"
#include "engine/repair_state.h"
#include "engine/survivors.h"

void repair_say(struct repair *r, enum err code, const char *format, ...)
{
    char line[ERR_DETAIL_BYTES + 160];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (r->report) r->report(r->arg, code, line);
}

/* What the new manifest will say. */
struct output {
    struct repair *r;
    struct store_state next;
};

/* ---- tables ---- */

static enum err finish_table(struct output *o, struct sst_builder *builder,
                             unsigned level, struct err_detail *why)
{
    struct store_table added = {.level = level};
    enum err e = sst_builder_finish(builder, &added.meta, why);
    if (e) return e;
    struct edit edit = {.added = &added, .added_count = 1};
    o->r->counts->entries += added.meta.entries;
    e = store_state_apply(&o->next, &edit, o->r->env->mem, why);
    sst_meta_deinit(&added.meta, o->r->env->mem);
    return e;
}

/* Tables of what survives of an iterator, cut between keys. */
static enum err write_tables(struct output *o, struct iter *it, unsigned level,
                             struct err_detail *why)
{
    struct repair *r = o->r;
    struct sst_builder *builder = NULL;
    struct survivors s;
    survivors_init(&s, r->env->mem, SEQNO_MAX, r->books.floors);
    s.bottom = false; /* a damaged table elsewhere may be read one day after all */
    enum err e = ERR_OK;
    for (iter_first(it); it->valid && !e; iter_next(it)) {
        bool keep;
        e = survivors_keep(&s, it->key, it->tag, &keep);
        if (e || !keep) continue;
        /* Of each key one version is kept: any place between entries will do. */
        if (builder && sst_builder_bytes(builder) >= r->options->table_bytes) {
            e = finish_table(o, builder, level, why);
            builder = NULL;
        }
        if (!e && !builder)
            e = sst_builder_new(r->env->mem, r->dir, o->next.next_file++, level,
                                r->options, &builder, why);
        if (!e) e = sst_builder_add(builder, it->key, it->tag, it->value, why);
    }
    if (!e) e = it->err;
    survivors_deinit(&s);
    if (e && builder) sst_builder_abandon(builder);
    return e || !builder ? e : finish_table(o, builder, level, why);
}

/* One iterator over the log's records and all salvaged tables that `take` wants. */
static enum err merge_of(struct repair *r, bool (*take)(const struct repair_table *),
                         struct iter **out)
{
    struct mem *mem = r->env->mem;
    struct iter **children = mem_alloc(mem, (r->table_count + 1) * sizeof *children);
    if (!children) return ERR_NOMEM;
    size_t n = 0;
    bool ok = (children[n] = memtable_iter(r->records, mem)) != NULL;
    n += ok;
    for (size_t i = 0; i < r->table_count && ok; i++) {
        if (!r->tables[i].salvage || !take(&r->tables[i])) continue;
        ok = (children[n] = sst_salvage_iter(r->tables[i].salvage, mem)) != NULL;
        n += ok;
    }
    *out = ok ? merge_new(mem, children, n) : NULL;
    for (size_t i = 0; !*out && i < n; i++)
        iter_free(children[i]);
    mem_free(mem, children);
    return *out ? ERR_OK : ERR_NOMEM;
}

static bool any_table(const struct repair_table *t)
{
    (void)t;
    return true;
}

static bool of_level0(const struct repair_table *t)
{
    return t->level == 0;
}

static enum err write_merged(struct output *o, bool (*take)(const struct repair_table *),
                             struct err_detail *why)
{
    struct iter *it;
    enum err e = merge_of(o->r, take, &it);
    if (e) return e;
    e = write_tables(o, it, 0, why);
    iter_free(it);
    return e;
}

/* The first sorted level that has room for everything. */
static unsigned level_for(const struct options *options, uint64_t bytes)
{
    unsigned level = 1;
    uint64_t room = options->level1_bytes;
    for (; bytes > room && level < LEVELS_MAX - 1; level++)
        room *= options->level_ratio;
    return level;
}

static enum err merge_everything(struct output *o, struct err_detail *why)
{
    enum err e = write_merged(o, any_table, why);
    uint64_t bytes = 0;
    for (size_t i = 0; i < o->next.table_count; i++)
        bytes += o->next.tables[i].meta.size;
    for (size_t i = 0; i < o->next.table_count; i++)
        o->next.tables[i].level = level_for(o->r->options, bytes);
    return e;
}

/* Salvaged tables get their old level. The records of the logs are newer than all of
 * level 0, and their tables have higher numbers. */
static enum err replace_damaged(struct output *o, struct err_detail *why)
{
    struct repair *r = o->r;
    enum err e = ERR_OK;
    for (size_t i = 0; i < r->table_count && !e; i++) {
        const struct repair_table *t = &r->tables[i];
        struct store_table same = {t->level, t->meta};
        struct edit edit = {.added = &same, .added_count = 1};
        if (t->sound && !t->salvage)
            e = store_state_apply(&o->next, &edit, r->env->mem, why);
        if (!t->salvage || t->level == 0) continue;
        struct iter *it = sst_salvage_iter(t->salvage, r->env->mem);
        if (!it) return ERR_NOMEM;
        e = write_tables(o, it, t->level, why);
        iter_free(it);
    }
    return e ? e : write_merged(o, of_level0, why);
}

/* ---- files ---- */

static enum err create_log(struct output *o, struct err_detail *why)
{
    const struct options *options = o->r->options;
    uint64_t number = o->next.next_file++;
    uint64_t size = options->log_bytes ? options->log_bytes : options->memtable_bytes;
    struct disk_file *file;
    enum err e = wal_create(o->r->env->mem, o->r->dir, number, size,
                            options->write_buffer_bytes, &file, why);
    if (e) return e;
    disk_close(file);
    o->next.logs[o->next.log_count++] = (struct store_log){.number = number};
    return ERR_OK;
}

static enum err keep_file(struct repair *r, const char *name, struct err_detail *why)
{
    char kept[FILENAME_BYTES + sizeof REPAIR_SUFFIX];
    snprintf(kept, sizeof kept, "%s" REPAIR_SUFFIX, name);
    int rc = disk_link(r->dir, name, r->dir, kept, SITE_OTHER_KEEP);
    if (rc == -EEXIST || rc == -ENOENT) return ERR_OK; /* by a repair that was cut */
    if (rc) return err_set(why, err_from_os(rc), rc, "%s: keeping it as %s", name, kept);
    repair_say(r, ERR_OK, "%s: kept as %s", name, kept);
    return ERR_OK;
}

static enum err sync_names(struct repair *r, enum site site, struct err_detail *why)
{
    int rc = disk_dir_sync(r->dir, site);
    return rc ? err_set(why, err_from_os(rc), rc, "sync of the directory") : ERR_OK;
}

static enum err drop_file(struct repair *r, const char *name, struct err_detail *why)
{
    int rc = disk_unlink(r->dir, name, SITE_OTHER_DROP);
    if (!rc || rc == -ENOENT) return ERR_OK;
    return err_set(why, err_from_os(rc), rc, "%s: deleting its old name", name);
}

static void mark_name(uint64_t number, char out[FILENAME_BYTES])
{
    snprintf(out, FILENAME_BYTES, REPAIR_MARK "%06" PRIu64, number);
}

/* From now on tables from `number` on are this repair's. With a whole manifest that one
 * says so itself, once it has its second name: the mark comes before all names. */
static enum err set_mark(struct repair *r, uint64_t number, struct err_detail *why)
{
    char name[FILENAME_BYTES];
    struct disk_file *file;
    if (r->whole) return ERR_OK;
    mark_name(number, name);
    int rc = disk_open(r->dir, name, DISK_WRITE | DISK_CREATE, SITE_OTHER_MARK, &file);
    if (rc) return err_set(why, err_from_os(rc), rc, "%s: create", name);
    disk_close(file);
    return sync_names(r, SITE_OTHER_MARKSYNC, why);
}

/* REQUIRES: no file that had been set aside has its old name. */
static enum err drop_marks(struct repair *r, uint64_t own, struct err_detail *why)
{
    char name[FILENAME_BYTES];
    mark_name(own, name);
    enum err e = r->whole ? ERR_OK : drop_file(r, name, why);
    for (size_t i = 0; i < r->marks.count && !e; i++) {
        mark_name(r->marks.numbers[i], name);
        e = drop_file(r, name, why);
    }
    return e;
}

/* Calls fn for each file below `end` that the new state does not name: when the manifest
 * is lost, for all; else for manifests, for what was damaged, and for what nobody had
 * named (and, `all`, for what went elsewhere unharmed). From `end` on the numbers are
 * ours, whoever used them before. */
static enum err each_old_file(struct repair *r, uint64_t end, bool all,
                              enum err (*fn)(struct repair *, const char *,
                                             struct err_detail *),
                              struct err_detail *why)
{
    char name[FILENAME_BYTES];
    enum err e = ERR_OK;
    for (size_t i = 0; i < r->table_count && !e; i++) {
        const struct repair_table *t = &r->tables[i];
        bool leaves = !r->whole || t->obsolete || (t->salvage && !t->sound);
        if (t->number >= end || (!leaves && !(all && t->salvage))) continue;
        filename_sst(t->number, name);
        e = fn(r, name, why);
    }
    const struct repair_files *logs = all ? &r->logs : &r->keep_logs;
    for (size_t i = 0; i < logs->count && !e; i++) {
        if (logs->numbers[i] >= end) continue;
        filename_log(logs->numbers[i], name);
        e = fn(r, name, why);
    }
    for (size_t i = 0; i < r->manifests.count && !e; i++) {
        if (r->manifests.numbers[i] >= end) break;
        filename_manifest(r->manifests.numbers[i], name);
        e = fn(r, name, why);
    }
    return e;
}

static enum err switch_manifest(struct output *o, struct err_detail *why)
{
    struct edit_bytes bytes = {.mem = o->r->env->mem};
    struct wal_writer writer = {.file = NULL};
    o->next.manifest = o->next.next_file++;
    enum err e = edit_bytes_begin(&bytes);
    if (!e) e = store_state_encode(&o->next, &bytes);
    if (!e)
        e = manifest_create(o->r->dir, o->next.manifest, bytes.data,
                            bytes.size - WAL_HEADER_BYTES, &writer, why);
    if (writer.file) disk_close(writer.file);
    mem_free(bytes.mem, bytes.data);
    return e;
}

/* A repair that was cut is repeated with its own numbers: however often that happens, no
 * more files lie about than one repair makes. */
static uint64_t first_free_number(const struct repair *r)
{
    uint64_t next = r->state.next_file;
    if (!r->whole) return r->leftover == UINT64_MAX ? r->highest + 1 : r->leftover;
    for (size_t i = 0; i < r->table_count; i++)
        if (r->tables[i].number >= next) next = r->tables[i].number + 1;
    for (size_t i = 0; i < r->state.log_count; i++)
        if (r->state.logs[i].number >= next) next = r->state.logs[i].number + 1;
    return r->state.manifest >= next ? r->state.manifest + 1 : next;
}

enum err repair_write(struct repair *r, struct err_detail *why)
{
    struct output o = {.r = r};
    store_state_init(&o.next);
    uint64_t end = first_free_number(r);
    o.next.next_file = end;
    o.next.books = r->books;
    o.next.last_seq = r->last_seq;
    enum err e = set_mark(r, end, why);
    if (!e) e = each_old_file(r, end, false, keep_file, why);
    if (!e && !r->current_sound) e = keep_file(r, FILENAME_CURRENT, why);
    if (!e) e = sync_names(r, SITE_OTHER_KEEPSYNC, why);
    if (!e) e = r->merge ? merge_everything(&o, why) : replace_damaged(&o, why);
    if (!e) e = create_log(&o, why);
    if (!e) e = switch_manifest(&o, why);
    if (!e) e = each_old_file(r, end, true, drop_file, why);
    if (!e) e = sync_names(r, SITE_OTHER_DROPSYNC, why);
    if (!e) e = drop_marks(r, end, why);
    store_state_deinit(&o.next, r->env->mem);
    if (e && why->code == ERR_OK) err_set(why, e, 0, "writing the repaired store");
    return e;
}

/* ---- frame ---- */

static void repair_deinit(struct repair *r)
{
    struct mem *mem = r->env->mem;
    for (size_t i = 0; i < r->table_count; i++) {
        if (r->tables[i].known) sst_meta_deinit(&r->tables[i].meta, mem);
        sst_salvage_close(r->tables[i].salvage);
    }
    mem_free(mem, r->tables);
    mem_free(mem, r->ssts.numbers);
    mem_free(mem, r->logs.numbers);
    mem_free(mem, r->keep_logs.numbers);
    mem_free(mem, r->aside.numbers);
    mem_free(mem, r->marks.numbers);
    mem_free(mem, r->manifests.numbers);
    if (r->records) memtable_free(r->records);
    store_state_deinit(&r->state, mem);
}

/* The lock is made, when there is none, only after we know whose directory it is. */
static enum err repair_locked(struct repair *r, const char *dir, struct err_detail *why)
{
    struct disk_file *lock = NULL;
    enum err e = db_check_lock(r->dir, dir, false, &lock, why);
    if (!e) e = repair_read(r, why);
    if (!e && !lock) e = db_check_lock(r->dir, dir, true, &lock, why);
    if (!e) e = repair_write(r, why);
    if (lock) disk_close(lock);
    r->counts->changed = !e;
    return e;
}

/* What cannot be read for want of memory or descriptors is not damaged for that. */
static void keep_shortage(void *arg, enum err code, const char *line)
{
    if (code == ERR_NOMEM) err_set(arg, code, 0, "%s", line);
}

enum err db_repair(const struct db_env *env, const char *dir,
                   const struct options *options, db_report_fn *report, void *arg,
                   struct repair_counts *counts, struct err_detail *why)
{
    *counts = (struct repair_counts){.changed = false};
    enum err e = options_check(options, why);
    if (e) return e;
    e = db_check(env, dir, options, keep_shortage, why);
    if (e == ERR_OK || e == ERR_NOMEM) return e;
    why->code = ERR_OK;
    if (e == ERR_LOCKED)
        return err_set(why, e, 0, "%s: in use, opened by another process or this one",
                       dir);
    struct repair r = {
        .env = env, .options = options, .report = report, .arg = arg, .counts = counts};
    int rc = disk_dir_open(env->disk, dir, &r.dir);
    if (rc) return err_set(why, err_from_os(rc), rc, "%s: cannot open it", dir);
    r.files = (struct sst_files){.mem = env->mem, .dir = r.dir, .open_max = 1};
    e = repair_locked(&r, dir, why);
    repair_deinit(&r);
    disk_dir_close(r.dir);
    return e;
}
