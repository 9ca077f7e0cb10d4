/* The reading half of a repair: manifest, tables, logs, in this order. Nothing is changed.
 *
 * Two numbers keep the dead where they are when a manifest is lost. A log that was freed
 * lies in the directory until it is used again, and may hold a put whose tombstone has
 * been compacted away. Memtables become tables in order: if a whole table holds entry N,
 * every entry before N is in some table, or was dropped by rights; so records up to the
 * newest entry of a whole table are passed over (`in_tables`). */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/db_state.h"
#include "engine/dump_lines.h"
#include "engine/repair_state.h"

/* Salvage reads in small pieces: what cannot be read costs no more than one of them. */
#define PIECE_BYTES 4096

static enum err no_memory(struct err_detail *why)
{
    return err_set(why, ERR_NOMEM, 0, "reading the damaged store");
}

/* ---- the directory ---- */

static int add_file(struct repair *r, struct repair_files *files, uint64_t number)
{
    if (files->count == files->capacity) {
        size_t capacity = files->capacity ? files->capacity * 2 : 16;
        uint64_t *grown =
            mem_resize(r->env->mem, files->numbers, capacity * sizeof *grown);
        if (!grown) return -ENOMEM;
        files->numbers = grown;
        files->capacity = capacity;
    }
    files->numbers[files->count++] = number;
    return 0;
}

static int survey(void *arg, const char *name)
{
    struct repair *r = arg;
    char plain[DISK_NAME_MAX + 1];
    size_t n = strlen(name), suffix = sizeof REPAIR_SUFFIX - 1;
    bool aside =
        n > suffix && n <= DISK_NAME_MAX && !strcmp(name + n - suffix, REPAIR_SUFFIX);
    snprintf(plain, sizeof plain, "%.*s", (int)(aside ? n - suffix : n), name);
    uint64_t number = 0;
    unsigned long long mark;
    enum filename_kind kind = filename_parse(plain, &number);
    if (sscanf(name, REPAIR_MARK "%18llu", &mark) == 1)
        return add_file(r, &r->marks, mark);
    if (number > r->highest) r->highest = number;
    if (aside) return number ? add_file(r, &r->aside, number) : 0;
    if (kind == FILENAME_SST) return add_file(r, &r->ssts, number);
    if (kind == FILENAME_LOG) return add_file(r, &r->logs, number);
    if (kind == FILENAME_MANIFEST) return add_file(r, &r->manifests, number);
    return 0;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void sort_files(struct repair_files *files)
{
    if (files->count > 1)
        qsort(files->numbers, files->count, sizeof *files->numbers, ascending);
}

static bool has(const struct repair_files *files, uint64_t number)
{
    return files->count > 0 && bsearch(&number, files->numbers, files->count,
                                       sizeof number, ascending) != NULL;
}

/* Before it writes its first table, a repair without manifest gives all files that it
 * reads a second name and leaves a mark; at its end they lose the first one. Where both
 * names are there, and the mark, a repair was cut: what is numbered higher was its own. A
 * mark alone has been forgotten. */
static void find_leftovers(struct repair *r)
{
    r->leftover = UINT64_MAX;
    for (size_t m = r->marks.count; m > 0; m--)
        for (size_t i = 0; i < r->aside.count; i++) {
            uint64_t number = r->aside.numbers[i];
            if (number >= r->marks.numbers[m - 1]) continue;
            if (has(&r->ssts, number) || has(&r->logs, number) ||
                has(&r->manifests, number))
                r->leftover = r->marks.numbers[m - 1];
        }
}

/* ---- tables that are heard of ---- */

static enum err find_table(struct repair *r, uint64_t number, struct repair_table **out)
{
    for (size_t i = 0; i < r->table_count; i++) {
        *out = &r->tables[i];
        if (r->tables[i].number == number) return ERR_OK;
    }
    if (r->table_count == r->table_capacity) {
        size_t capacity = r->table_capacity ? r->table_capacity * 2 : 16;
        struct repair_table *grown =
            mem_resize(r->env->mem, r->tables, capacity * sizeof *grown);
        if (!grown) return ERR_NOMEM;
        r->tables = grown;
        r->table_capacity = capacity;
    }
    *out = &r->tables[r->table_count++];
    **out = (struct repair_table){.number = number};
    return ERR_OK;
}

/* A manifest adds a table, or deletes it: meta NULL. */
struct hearing {
    struct repair *r;
    enum err err;
};

static void hear_of_table(void *arg, uint64_t number, const struct sst_meta *meta)
{
    struct hearing *h = arg;
    struct repair_table *t;
    if (h->err || (h->err = find_table(h->r, number, &t))) return;
    t->obsolete = meta == NULL;
    if (!meta) return;
    if (t->known) sst_meta_deinit(&t->meta, h->r->env->mem);
    h->err = sst_meta_copy(&t->meta, meta, h->r->env->mem);
    t->known = !h->err;
}

/* ---- manifest ---- */

static enum err open_file(struct repair *r, enum filename_kind kind, uint64_t number,
                          struct disk_file **file, uint64_t *size)
{
    char name[FILENAME_BYTES];
    enum site site = SITE_WAL_CREATE;
    filename_log(number, name);
    if (kind == FILENAME_MANIFEST) {
        filename_manifest(number, name);
        site = SITE_MANIFEST_CREATE;
    }
    if (kind == FILENAME_SST) {
        filename_sst(number, name);
        site = SITE_SST_CREATE;
    }
    int rc = disk_open(r->dir, name, DISK_READ, site, file);
    if (rc) return err_from_os(rc);
    rc = disk_size(*file, size);
    if (rc) disk_close(*file);
    return err_from_os(rc);
}

/* Follows the chain of a manifest; *whole: nothing is missing from it. */
static enum err read_chain(struct repair *r, uint64_t number, bool *whole,
                           struct err_detail *why)
{
    struct disk_file *file;
    struct wal_reader reader;
    struct wal_record record;
    struct wal_tail tail = {.rot = false};
    uint64_t size, records = 0;
    *whole = false;
    enum err e = open_file(r, FILENAME_MANIFEST, number, &file, &size);
    if (e) return e == ERR_NOMEM ? e : ERR_OK;
    wal_reader_init(&reader, r->env->mem, file, number, size, (struct wal_chain){0, 0},
                    r->options->write_buffer_bytes);
    while (!(e = wal_reader_next(&reader, &record, why)) &&
           !(e = store_state_decode(&r->state, record.payload, r->env->mem, why)))
        records++;
    struct wal_position broken = {number, reader.offset};
    if (e == ERR_NOT_FOUND)
        e = wal_reader_tail(&reader, broken, reader.chain.number, &tail, why);
    *whole = !e && records > 0 && r->state.log_count > 0 && !tail.rot;
    wal_reader_deinit(&reader);
    disk_close(file);
    r->found |= records > 0;
    return e == ERR_NOMEM || e == ERR_NEWER_FORMAT ? e : ERR_OK;
}

static enum err try_manifest(struct repair *r, uint64_t number, struct err_detail *why)
{
    store_state_deinit(&r->state, r->env->mem);
    store_state_init(&r->state);
    enum err e = read_chain(r, number, &r->whole, why);
    r->state.manifest = number;
    return e;
}

/* What the intact records of a manifest say, each by itself. */
static enum err scavenge(struct repair *r, uint64_t number, struct err_detail *why)
{
    struct disk_file *file;
    struct wal_reader reader;
    struct wal_record record;
    uint64_t size, at;
    struct hearing h = {.r = r};
    enum err e = open_file(r, FILENAME_MANIFEST, number, &file, &size);
    if (e) return e == ERR_NOMEM ? e : ERR_OK;
    wal_reader_init(&reader, r->env->mem, file, number, size, (struct wal_chain){0, 0},
                    PIECE_BYTES);
    while (!(e = wal_reader_salvage(&reader, &at, &record, why))) {
        r->found = true;
        e = store_state_salvage(&r->state, record.payload, r->env->mem, hear_of_table, &h,
                                why);
        if (e == ERR_NEWER_FORMAT || e == ERR_NOMEM || h.err) break;
    }
    wal_reader_deinit(&reader);
    disk_close(file);
    if (h.err) return h.err;
    return e == ERR_NOT_FOUND || e == ERR_CORRUPT ? ERR_OK : e;
}

static enum err scavenge_manifests(struct repair *r, struct err_detail *why)
{
    r->whole = false;
    store_state_deinit(&r->state, r->env->mem);
    store_state_init(&r->state);
    r->merge = true;
    for (size_t i = 0; i < r->manifests.count; i++) {
        enum err e = scavenge(r, r->manifests.numbers[i], why);
        if (e) return e;
    }
    repair_say(r, ERR_CORRUPT,
               "the manifest is lost or damaged: which table lies on which level is not "
               "known; all tables are merged by sequence number");
    repair_say(r, ERR_CORRUPT,
               "not known without the manifest: which tables a compaction had just "
               "replaced, and perhaps which key ranges had been emptied at once; a key "
               "deleted in this way may be back");
    return ERR_OK;
}

static enum err no_store(struct err_detail *why)
{
    return err_set(
        why, ERR_FOREIGN, 0,
        "nothing here belongs to a store of this program; nothing was changed");
}

/* Without CURRENT. The newest manifest is the one that was in force, or, when a roll was cut
 * before its switch, says the same: nothing is lost. When that one is not whole, it may
 * have been in force all the same. */
static enum err find_manifest(struct repair *r, enum err lost, struct err_detail *why)
{
    char pointer[ERR_LINE_BYTES];
    err_line(why, pointer);
    for (size_t i = r->manifests.count; i > 0; i--) {
        uint64_t number = r->manifests.numbers[i - 1];
        enum err e = try_manifest(r, number, why);
        if (e) return e;
        if (!r->whole) continue;
        bool newest = i == r->manifests.count;
        repair_say(r, newest ? ERR_OK : lost,
                   "%.160s; MANIFEST-%06" PRIu64
                   ", the newest whole one, is in force again",
                   pointer, number);
        return ERR_OK;
    }
    repair_say(r, lost, "%s; no manifest is whole", pointer);
    return scavenge_manifests(r, why);
}

/* The manifest that CURRENT names, or the newest whole one. */
static enum err read_manifest(struct repair *r, struct err_detail *why)
{
    uint64_t number = 0;
    enum err e = manifest_current(r->dir, &number, why);
    if (e == ERR_NEWER_FORMAT || e == ERR_NOMEM || (e && err_is_no_file(why->os_error)))
        return e;
    r->current_sound = !e;
    if (!e) {
        e = try_manifest(r, number, why);
        if (e || r->whole) return e;
        repair_say(r, ERR_CORRUPT, "MANIFEST-%06" PRIu64 ": missing or damaged", number);
        return scavenge_manifests(r, why);
    }
    if (r->ssts.count + r->logs.count + r->manifests.count == 0) return no_store(why);
    return find_manifest(r, e, why);
}

/* ---- is the end of the manifest there? ---- */

static bool names(const struct store_state *s, enum filename_kind kind, uint64_t number)
{
    for (size_t i = 0; kind == FILENAME_SST && i < s->table_count; i++)
        if (s->tables[i].meta.number == number) return true;
    for (size_t i = 0; kind == FILENAME_LOG && i < s->log_count; i++)
        if (s->logs[i].number == number) return true;
    return false;
}

/* The lowest number of a file that the manifest names and that is not there. */
static uint64_t lowest_missing(const struct repair *r)
{
    const struct store_state *s = &r->state;
    uint64_t lowest = UINT64_MAX;
    for (size_t i = 0; i < s->table_count; i++) {
        uint64_t number = s->tables[i].meta.number;
        if (number < lowest && !has(&r->ssts, number)) lowest = number;
    }
    for (size_t i = 0; i < s->log_count; i++) {
        uint64_t number = s->logs[i].number;
        if (number < lowest && !has(&r->logs, number)) lowest = number;
    }
    return lowest;
}

/* Nothing but zeros, or nothing at all: a spare log, a file of a crash. What cannot be
 * read is not. */
static bool is_blank(struct repair *r, enum filename_kind kind, uint64_t number)
{
    uint8_t bytes[PIECE_BYTES];
    struct disk_file *file;
    uint64_t size;
    bool blank = true;
    if (open_file(r, kind, number, &file, &size)) return false;
    for (uint64_t at = 0; at < size && blank; at += sizeof bytes) {
        size_t got = 0;
        blank = !disk_read(file, at, bytes, sizeof bytes, &got);
        for (size_t i = 0; i < got && blank; i++)
            blank = bytes[i] == 0;
    }
    disk_close(file);
    return blank;
}

/* From here on files are those of a repair of this store that was cut. */
static uint64_t own_numbers(const struct repair *r)
{
    if (r->leftover != UINT64_MAX) return r->leftover;
    return has(&r->aside, r->state.manifest) ? r->state.next_file : UINT64_MAX;
}

/* The manifest stays in force: what it does not name will be set aside. */
static enum err set_aside(struct repair *r, enum filename_kind kind, uint64_t number)
{
    struct repair_table *t;
    if (kind == FILENAME_LOG) return err_from_os(add_file(r, &r->keep_logs, number));
    enum err e = find_table(r, number, &t);
    if (!e) t->obsolete = true;
    return e;
}

/* A manifest that has lost its last edits reads like one that never had them. But then it
 * may name files that are deleted by now, and does not name what replaced them: files with
 * higher numbers. And a number that it has not yet given away was given by a lost edit, or
 * just before a crash: to merge such a file once too often does no harm. */
static enum err doubt_manifest(struct repair *r, struct err_detail *why)
{
    static const enum filename_kind kinds[] = {FILENAME_SST, FILENAME_LOG};
    uint64_t missing = lowest_missing(r), own = own_numbers(r), newest = 0;
    enum err e = ERR_OK;
    for (size_t k = 0; k < 2; k++) {
        const struct repair_files *there = k ? &r->logs : &r->ssts;
        for (size_t i = 0; i < there->count && !e; i++) {
            uint64_t number = there->numbers[i];
            if (number >= own || names(&r->state, kinds[k], number) ||
                is_blank(r, kinds[k], number))
                continue;
            e = set_aside(r, kinds[k], number);
            if (number > newest) newest = number;
        }
    }
    if (e) return no_memory(why);
    if (newest < missing && newest < r->state.next_file) return ERR_OK;
    repair_say(r, ERR_CORRUPT,
               "MANIFEST-%06" PRIu64
               ": its end is missing: it does not know file %06" PRIu64
               ", which is newer than what it names",
               r->state.manifest, newest);
    for (size_t i = 0; i < r->table_count; i++)
        r->tables[i].obsolete = false;
    r->keep_logs.count = 0;
    return scavenge_manifests(r, why);
}

/* ---- tables ---- */

static void report_loss(void *arg, uint64_t number, const struct sst_loss *loss)
{
    struct repair *r = arg;
    char after[DUMP_QUOTED_BYTES], before[DUMP_QUOTED_BYTES];
    r->counts->bytes_lost += loss->bytes;
    repair_say(r, ERR_CORRUPT,
               "%06" PRIu64 ".sst: %" PRIu64 " bytes at offset %" PRIu64
               " lost (%s): keys %s%.60s %s%.60s",
               number, loss->bytes, loss->offset, loss->what,
               loss->after.data ? "behind " : "from the first",
               loss->after.data ? dump_quote(loss->after, after) : "",
               loss->before.data ? "up to " : "to the last",
               loss->before.data ? dump_quote(loss->before, before) : "");
}

static void report_missing(struct repair *r, const struct repair_table *t)
{
    char from[DUMP_QUOTED_BYTES], to[DUMP_QUOTED_BYTES];
    r->counts->tables_lost += r->whole;
    repair_say(r, ERR_MISSING,
               "%06" PRIu64 ".sst: missing; %" PRIu64
               " entries lost%s: keys %.60s to %.60s",
               t->number, t->meta.entries,
               r->whole ? "" : ", unless a newer table took them over",
               dump_quote(t->meta.smallest, from), dump_quote(t->meta.largest, to));
}

/* Of a loss the bytes have been told, unless nobody knows how many there were. */
static void report_saved(struct repair *r, const struct repair_table *t, uint64_t entries)
{
    char of[32] = "";
    const char *rest = "";
    bool complete = sst_salvage_complete(t->salvage);
    if (t->known && !complete)
        snprintf(of, sizeof of, "of %" PRIu64 " ", t->meta.entries);
    if (complete) rest = ", which is all";
    if (!complete && !t->known) rest = "; how many there were is not known";
    repair_say(r, complete ? ERR_OK : ERR_CORRUPT,
               "%06" PRIu64 ".sst: %" PRIu64 " %sentries saved%s", t->number, entries, of,
               rest);
}

static enum err salvage_table(struct repair *r, struct repair_table *t,
                              struct err_detail *why)
{
    enum err e =
        sst_salvage_open(r->env->mem, r->dir, t->number, t->known ? &t->meta : NULL,
                         report_loss, r, &t->salvage, why);
    if (e == ERR_MISSING) {
        report_missing(r, t);
        return ERR_OK;
    }
    if (e) return e;
    uint64_t entries = sst_salvage_entries(t->salvage);
    seqno newest = sst_salvage_max_seq(t->salvage);
    if (newest > r->last_seq) r->last_seq = newest;
    r->found |= entries > 0;
    if (entries == 0) {
        r->counts->tables_lost++;
        repair_say(r, ERR_CORRUPT, "%06" PRIu64 ".sst: not one entry is left", t->number);
    } else if (!t->sound) {
        r->counts->tables_salvaged++;
        report_saved(r, t, entries);
    }
    return ERR_OK;
}

static void retire(void *arg, struct table *table)
{
    struct repair *r = arg;
    sst_close(table->sst);
    sst_meta_deinit(&table->meta, r->env->mem);
    mem_free(r->env->mem, table);
}

/* Opens a table and reads all of it; *out stays NULL when anything is wrong. */
static enum err open_sound(struct repair *r, const struct sst_meta *known,
                           struct table **out, struct err_detail *why)
{
    struct sst *sst;
    struct sst_meta meta;
    enum err e = sst_open(&r->files, known, &sst, why);
    if (e) return e;
    e = sst_check(sst, known, why);
    if (!e && (e = sst_meta_copy(&meta, known, r->env->mem)) == ERR_OK) {
        e = table_new(r->env->mem, &meta, sst, out);
        if (e) sst_meta_deinit(&meta, r->env->mem);
    }
    if (e) sst_close(sst);
    return e;
}

/* Do the sound tables make sense together? */
static enum err check_levels(struct repair *r, struct version_change *sound, size_t n,
                             struct err_detail *why)
{
    struct version *v;
    enum err e = version_new(r->env->mem, sound, n, retire, r, &v);
    if (e) return no_memory(why);
    e = db_check_version(v, why);
    version_unref(v);
    if (e == ERR_NOMEM) return e;
    if (e) {
        r->merge = true;
        repair_say(r, e, "%s; all tables are merged by sequence number", why->text);
    }
    return ERR_OK;
}

/* Tables of a whole manifest: which are sound, and whether their levels are. */
static enum err sort_out(struct repair *r, struct err_detail *why)
{
    size_t n = r->state.table_count, sound = 0;
    struct version_change *list = n ? mem_alloc(r->env->mem, n * sizeof *list) : NULL;
    if (n && !list) return no_memory(why);
    enum err e = ERR_OK;
    for (size_t i = 0; i < n && !e; i++) {
        struct hearing h = {.r = r};
        const struct store_table *in = &r->state.tables[i];
        hear_of_table(&h, in->meta.number, &in->meta);
        if ((e = h.err)) break;
        struct repair_table *t = &r->tables[r->table_count - 1];
        t->level = in->level;
        list[sound].level = in->level;
        e = open_sound(r, &t->meta, &list[sound].table, why);
        t->sound = !e;
        sound += t->sound;
        if (in->meta.max_seq > r->last_seq) r->last_seq = in->meta.max_seq;
        if (e == ERR_NOMEM || e == ERR_NEWER_FORMAT) break;
        e = why->code = ERR_OK; /* what is damaged will be salvaged */
    }
    if (e && why->code != e) err_set(why, e, 0, "reading the tables");
    if (!e) e = check_levels(r, list, sound, why);
    for (size_t i = 0; i < sound; i++)
        if (--list[i].table->refs == 0) retire(r, list[i].table);
    mem_free(r->env->mem, list);
    return e;
}

/* A level 0 with a gap gets new tables, and their age is their number: so all of it. */
static bool level0_is_damaged(const struct repair *r)
{
    for (size_t i = 0; i < r->table_count; i++)
        if (r->tables[i].level == 0 && !r->tables[i].sound && !r->tables[i].obsolete)
            return true;
    return false;
}

static enum err read_tables(struct repair *r, struct err_detail *why)
{
    struct repair_table *t;
    enum err e = r->whole ? sort_out(r, why) : ERR_OK;
    for (size_t i = 0; i < r->ssts.count && !r->whole && !e; i++)
        e = find_table(r, r->ssts.numbers[i], &t);
    if (e) return e;
    bool level0 = r->whole && level0_is_damaged(r);
    for (size_t i = 0; i < r->table_count; i++) {
        t = &r->tables[i];
        if (!r->whole && t->number >= r->leftover) t->obsolete = true;
        if (t->obsolete) continue;
        bool stays = t->sound && !r->merge && !(level0 && t->level == 0);
        r->counts->tables_kept += stays;
        e = stays ? ERR_OK : salvage_table(r, t, why);
        if (e) return e;
        if (r->whole || !t->salvage || !sst_salvage_complete(t->salvage)) continue;
        if (sst_salvage_max_seq(t->salvage) > r->in_tables)
            r->in_tables = sst_salvage_max_seq(t->salvage);
    }
    return ERR_OK;
}

/* ---- logs ---- */

static enum err apply_entry(struct repair *r, const struct batch_entry *entry, seqno seq)
{
    if (seq > r->last_seq) r->last_seq = seq;
    /* Numbers and floors are as of the manifest's newest entry. */
    if (entry->kind != BATCH_PUT && entry->kind != BATCH_DELETE) {
        if (seq > r->state.last_seq) books_apply(&r->books, entry, seq);
        return ERR_OK;
    }
    if (seq <= r->in_tables) return ERR_OK;
    uint64_t tag, had;
    slice value;
    tag = tag_of(seq, entry->kind == BATCH_PUT ? ENTRY_PUT : ENTRY_DELETE);
    if (memtable_get(r->records, entry->key, seq, &had, &value) && had == tag)
        return ERR_OK;
    return memtable_put(r->records, entry->key, tag, entry->value);
}

static enum err apply_record(struct repair *r, const struct wal_record *record)
{
    struct batch_entry entry = {.value = {NULL, 0}};
    slice in = record->payload;
    if (in.size == 0) return ERR_OK;
    enum err e = ERR_OK;
    for (seqno seq = record->first_seq; !e && seq <= SEQNO_MAX; seq++) {
        entry.value = slice_of(NULL, 0);
        e = batch_next(&in, &entry);
        if (!e) e = apply_entry(r, &entry, seq);
    }
    r->found = true;
    if (e == ERR_NOT_FOUND || e == ERR_CORRUPT) {
        r->counts->records++;
        e = ERR_OK;
    }
    return e;
}

/* Where the reading of the logs of a whole manifest stands. */
struct follow {
    struct wal_chain chain;
    struct wal_position broken; /* where the chain ends */
    size_t last;                /* the log it ends in */
    bool rot;                   /* ... too early */
    bool changes;               /* that log holds more than marks */
    uint64_t gone;              /* the log that should go on is not there; 0: it is */
};

static enum err with_log(struct repair *r, uint64_t number, uint64_t from, size_t step,
                         struct follow *f,
                         enum err (*body)(struct repair *, struct wal_reader *,
                                          struct follow *, struct err_detail *),
                         struct err_detail *why)
{
    struct disk_file *file;
    uint64_t size;
    enum err e = open_file(r, FILENAME_LOG, number, &file, &size);
    if (e) return e;
    struct wal_reader reader;
    wal_reader_init(&reader, r->env->mem, file, number, size, f->chain, step);
    reader.offset = reader.buffer_offset = from < size ? from : size;
    e = body(r, &reader, f, why);
    wal_reader_deinit(&reader);
    disk_close(file);
    return e;
}

static enum err follow_chain(struct repair *r, struct wal_reader *reader,
                             struct follow *f, struct err_detail *why)
{
    struct wal_record record;
    enum err e;
    while (!(e = wal_reader_next(reader, &record, why))) {
        if ((e = apply_record(r, &record))) return e;
        if (f->broken.log != reader->log) f->changes = false;
        f->changes |= record.payload.size > 0;
        f->broken = (struct wal_position){reader->log, reader->offset};
        f->chain = reader->chain;
    }
    if (e != ERR_NOT_FOUND && e != ERR_NOMEM) f->rot = true; /* it cannot be read */
    return e == ERR_NOMEM ? e : ERR_OK;
}

static enum err look_for_rot(struct repair *r, struct wal_reader *reader,
                             struct follow *f, struct err_detail *why)
{
    struct wal_record record;
    uint64_t at;
    enum err e;
    (void)r;
    while (!(e = wal_reader_salvage(reader, &at, &record, why)))
        f->rot |= wal_position_compare(record.watermark, f->broken) > 0;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* This log will be set aside, not deleted. */
static enum err keep_log(struct repair *r, uint64_t number)
{
    struct repair_files *keep = &r->keep_logs;
    if (keep->count > 0 && keep->numbers[keep->count - 1] == number) return ERR_OK;
    return err_from_os(add_file(r, keep, number));
}

static enum err take_all(struct repair *r, struct wal_reader *reader, struct follow *f,
                         struct err_detail *why)
{
    struct wal_record record;
    uint64_t at, end = reader->offset;
    enum err e;
    (void)f;
    while (!(e = wal_reader_salvage(reader, &at, &record, why))) {
        if ((e = apply_record(r, &record))) break;
        if (at > end && (e = keep_log(r, reader->log))) break;
        if (at > end) {
            r->counts->bytes_lost += at - end;
            repair_say(r, ERR_CORRUPT,
                       "%06" PRIu64 ".log: %" PRIu64 " bytes at offset %" PRIu64
                       " lost: records before the one of entry %" PRIu64,
                       reader->log, at - end, end, record.first_seq);
        }
        end = reader->offset;
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* A log is used only after changes went to the one before it. Whether the first one
 * behind those had been, nobody knows when it is gone. */
static void report_missing_logs(struct repair *r, const struct follow *f)
{
    const struct store_state *s = &r->state;
    bool doubt = f->rot;
    for (size_t i = 0; i < s->log_count; i++) {
        uint64_t number = s->logs[i].number;
        bool there = has(&r->logs, number), first = i == 0;
        if (there && number != f->gone) continue;
        doubt |= first || (f->changes && i <= f->last + 1);
        const char *lost = "it had not been used";
        if (doubt) lost = "if it had been used, the changes that it held are lost";
        if (first) lost = "the changes that it held are lost";
        repair_say(r, doubt ? ERR_MISSING : ERR_OK, "%06" PRIu64 ".log: %s; %s", number,
                   there ? "unreadable" : "missing", lost);
    }
}

/* As recovery does, up to the end of the chain; what lies behind it counts only when
 * something says that the chain had gone on. */
static enum err read_named_logs(struct repair *r, struct err_detail *why)
{
    const struct store_state *s = &r->state;
    struct follow f = {.chain = s->chain, .broken = {s->logs[0].number, 0}};
    enum err e = ERR_OK;
    for (size_t i = 0; i < s->log_count && !e; i++) {
        struct wal_position before = f.broken;
        e = with_log(r, s->logs[i].number, 0, r->options->write_buffer_bytes, &f,
                     follow_chain, why);
        if (e && e != ERR_NOMEM) {
            f.gone = s->logs[i].number;
            e = ERR_OK;
            break;
        }
        if (wal_position_compare(f.broken, before) != 0)
            f.last = i;
        else if (i > 0 || f.rot)
            break;
    }
    for (int pass = 0; pass < 2 && !e; pass++) {
        for (size_t i = f.last; i < s->log_count && !e; i++) {
            uint64_t number = s->logs[i].number;
            /* That a later one was used is no damage of the one before the gap. */
            if (number == f.gone || (!pass && f.gone && number != f.broken.log)) continue;
            uint64_t from = f.broken.log == number ? f.broken.offset : 0;
            e = with_log(r, number, from, PIECE_BYTES, &f, pass ? take_all : look_for_rot,
                         why);
            if (e && e != ERR_NOMEM) e = ERR_OK; /* told below */
        }
        if (e || (!f.rot && !f.gone) || pass) break;
        if (!f.rot) continue;
        repair_say(r, ERR_CORRUPT, "%06" PRIu64 ".log: damaged at offset %" PRIu64,
                   f.broken.log, f.broken.offset);
        e = keep_log(r, f.broken.log);
    }
    if (!e) report_missing_logs(r, &f);
    return e;
}

static enum err read_logs(struct repair *r, struct err_detail *why)
{
    enum err e = ERR_OK;
    r->records = memtable_new(r->env->mem, r->options->memtable_bytes, 1);
    if (!r->records) return no_memory(why);
    r->books = r->state.books;
    if (r->state.last_seq > r->last_seq) r->last_seq = r->state.last_seq;
    if (r->whole) {
        r->in_tables = r->state.last_seq;
        return read_named_logs(r, why);
    }
    for (size_t i = 0; i < r->logs.count && !e; i++) {
        struct follow f = {.rot = true};
        uint64_t number = r->logs.numbers[i];
        if (!is_blank(r, FILENAME_LOG, number) && (e = keep_log(r, number))) break;
        e = with_log(r, number, 0, PIECE_BYTES, &f, take_all, why);
        if (!e || e == ERR_NOMEM) continue;
        repair_say(r, e, "%06" PRIu64 ".log: unreadable; what it held is lost", number);
        e = ERR_OK;
    }
    return e;
}

/* ---- all ---- */

enum err repair_read(struct repair *r, struct err_detail *why)
{
    store_state_init(&r->state);
    int rc = disk_list(r->dir, survey, r);
    if (rc) return err_set(why, err_from_os(rc), rc, "listing the directory");
    sort_files(&r->ssts);
    sort_files(&r->logs);
    sort_files(&r->manifests);
    sort_files(&r->aside);
    sort_files(&r->marks);
    find_leftovers(r);
    enum err e = read_manifest(r, why);
    if (!e && r->whole) e = doubt_manifest(r, why);
    if (!e) e = read_tables(r, why);
    if (!e) e = read_logs(r, why);
    if (e && why->code == ERR_OK) return no_memory(why);
    return !e && !r->found ? no_store(why) : e;
}
