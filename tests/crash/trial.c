#include "tests/crash/trial.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/db_state.h"
#include "engine/filename.h"
#include "fault/disk_sim_state.h"
#include "tests/crash/ask.h"
#include "tests/crash/salvage.h"

#define POOL_BYTES ((size_t)64 << 20)

#define TABLE_AGAIN_EVERY 512 /* of the tables that are known, one is checked */

/* ---- names of oracles ---- */

static const char *const names[] = {"none",
#define ORACLE_NAME(id, name, text) name,
                                    ORACLES(ORACLE_NAME)};
static const char *const texts[] = {"",
#define ORACLE_TEXT(id, name, text) text,
                                    ORACLES(ORACLE_TEXT)};
#undef ORACLE_NAME
#undef ORACLE_TEXT

const char *oracle_name(enum oracle o)
{
    return names[o];
}

const char *oracle_text(enum oracle o)
{
    return texts[o];
}

enum oracle oracle_find(const char *name)
{
    for (unsigned o = 1; o < ORACLE_COUNT; o++)
        if (!strcmp(names[o], name)) return (enum oracle)o;
    return ORACLE_NONE;
}

/* ---- the bench ---- */

void trial_init(struct trial *t, const struct options *options)
{
    *t = (struct trial){.options = *options};
    if (pool_mem_init(&t->pool, POOL_BYTES)) abort();
    clock_manual_init(&t->clock, TRIAL_WALL_MS);
    image_set_init(&t->after);
    image_set_init(&t->tables);
}

void trial_deinit(struct trial *t)
{
    pool_mem_deinit(&t->pool);
    asker_free(t->asker);
    image_set_deinit(&t->after);
    image_set_deinit(&t->tables);
    free(t->states.digest);
}

uint32_t trial_state(struct trial *t, const struct model_digest *digest)
{
    struct trial_states *s = &t->states;
    for (size_t i = s->count; i-- > 0;)
        if (model_digest_equal(&s->digest[i], digest)) return (uint32_t)i + 1;
    if (s->count == s->size) {
        s->size = s->size ? s->size * 2 : 64;
        s->digest = realloc(s->digest, s->size * sizeof *s->digest);
        if (!s->digest) abort();
    }
    s->digest[s->count++] = *digest;
    return (uint32_t)s->count;
}

struct verdict trial_fail(struct trial *t, enum oracle o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(t->failure, sizeof t->failure, format, args);
    va_end(args);
    return (struct verdict){.failed = o};
}

uint32_t trial_handles(const struct disk *disk)
{
    return ((const struct sim *)disk)->now.handles;
}

void trial_disarm(struct disk *disk)
{
    sim_of(disk)->now.fail_armed = 0;
    disk_sim_set_capacity(disk, 0);
}

/* ---- opening and closing ---- */

void trial_disorder(void *arg, enum order_rule rule, const char *line)
{
    struct trial *t = arg;
    if (t->disorder[0]) return;
    snprintf(t->disorder, sizeof t->disorder, "%s: %s", order_rule_text(rule), line);
}

static struct disk *watched(struct trial *t, struct trial_store *s, struct disk *disk)
{
    s->watch = malloc(sizeof *s->watch);
    if (!s->watch) abort();
    return order_watch_init(s->watch, disk, trial_disorder, t);
}

static void unwatch(struct trial *t, struct trial_store *s)
{
    if (!s->watch) return;
    order_counts_add(&t->ordered, s->watch);
    order_watch_deinit(s->watch);
    free(s->watch);
    s->watch = NULL;
}

static enum err open_named(struct trial *t, struct disk *disk, const char *name,
                           bool repair, struct trial_store *out, struct err_detail *why)
{
    *out = (struct trial_store){
        .disk = disk, .place = pool_mem_place(&t->pool), .handles = trial_handles(disk)};
    out->sched = sched_inline_new(&t->pool.mem);
    if (t->opens++ % ORDER_EVERY == 0) disk = watched(t, out, disk);
    struct db_env env = {.disk = disk,
                         .clock = &t->clock.clock,
                         .mem = &t->pool.mem,
                         .sched = out->sched,
                         .log = t->log,
                         .log_arg = t->log_arg};
    enum err e = repair ? salvage_repair(&env, &t->options, &t->sound, why) : ERR_OK;
    if (!e)
        e = t->asker ? ask_open(t, out, why)
                     : db_open(&env, name, &t->options, &out->db, why);
    if (e) unwatch(t, out);
    if (e) pool_mem_release(&t->pool, out->place);
    return e;
}

enum err trial_open(struct trial *t, struct disk *disk, struct trial_store *out,
                    struct err_detail *why)
{
    return open_named(t, disk, TRIAL_DIR, false, out, why);
}

enum err trial_recover(struct trial *t, struct disk *disk, struct trial_store *out,
                       struct err_detail *why)
{
    return open_named(t, disk, TRIAL_DIR, t->repairs, out, why);
}

static enum err close_store(struct trial *t, struct trial_store *s)
{
    enum err e = s->server ? ask_close(t, s) : db_close(s->db);
    unwatch(t, s);
    return e;
}

void trial_drop(struct trial *t, struct trial_store *s)
{
    close_store(t, s);
    sched_free(s->sched);
    pool_mem_release(&t->pool, s->place);
}

void trial_idle(struct trial *t, struct trial_store *s, int64_t ms)
{
    if (s->server) {
        ask_idle(t, s, ms);
    } else {
        clock_manual_advance(&t->clock, ms);
        db_step(s->db);
    }
}

bool trial_close(struct trial *t, struct disk *disk, struct trial_store *s)
{
    enum err e = close_store(t, s);
    sched_free(s->sched);
    long blocks = pool_mem_release(&t->pool, s->place);
    long handles = (long)trial_handles(disk) - (long)s->handles;
    if (e) {
        trial_fail(t, ORACLE_WORKS, "closing failed: %s", err_text(e));
        return false;
    }
    if (!blocks && !handles) return true;
    trial_fail(t, ORACLE_LEAK, "left behind: %ld blocks of memory, %ld handles", blocks,
               handles);
    return false;
}

/* ---- reading everything ---- */

static enum err scan(struct db *db, struct model_digest *out, struct err_detail *why)
{
    struct db_iter *it;
    enum err e = db_iter_new(db, &it);
    if (e) return e;
    model_digest_init(out);
    for (db_iter_seek(it, slice_of(NULL, 0)); db_iter_valid(it); db_iter_next(it))
        model_digest_key(out, db_iter_key(it), db_iter_value(it));
    e = db_iter_error(it, why);
    db_iter_free(it);
    return e;
}

static enum err get_all(const struct trial *t, struct db *db, struct model_digest *out,
                        struct err_detail *why)
{
    model_digest_init(out);
    for (size_t i = 0; i < t->key_count; i++) {
        char text[TAPE_KEY_BYTES];
        slice key = slice_of(text, tape_key(t->keys[i], text)), value;
        enum err e = db_get(db, key, &value, why);
        if (e == ERR_OK) model_digest_key(out, key, value);
        if (e && e != ERR_NOT_FOUND) return e;
    }
    return ERR_OK;
}

static bool copy_there(struct disk *disk)
{
    struct disk_dir *dir;
    int e = disk_dir_open(disk, TRIAL_COPY, &dir);
    if (!e) disk_dir_close(dir);
    return !e;
}

bool trial_allows(const struct trial *t, uint32_t before, uint32_t after)
{
    if (before == after) return true;
    if (!t->copies && !t->repairs) return false;
    uint32_t without = t->copies ? after : before, with = t->copies ? before : after;
    struct model_digest d = *trial_digest(t, without);
    model_digest_register(&d, TRIAL_EXTRA_REGISTER, 1);
    return model_digest_equal(&d, trial_digest(t, with));
}

static uint64_t register_of(const struct trial *t, const struct db *db, unsigned r)
{
    if (t->copies && r == TRIAL_EXTRA_REGISTER) return copy_there(db->env.disk);
    if (t->repairs && r == TRIAL_EXTRA_REGISTER) return t->sound;
    return db_register(db, r);
}

struct verdict trial_read(struct trial *t, struct db *db)
{
    struct err_detail why = {.code = ERR_OK};
    struct model_digest seen, got;
    enum err e = scan(db, &seen, &why);
    if (e) return trial_fail(t, ORACLE_AGREE, "scan: %s: %s", err_text(e), why.text);
    if (trial_asks(t, ORACLE_AGREE)) {
        e = get_all(t, db, &got, &why);
        if (e) return trial_fail(t, ORACLE_AGREE, "get: %s: %s", err_text(e), why.text);
        if (!model_digest_equal(&seen, &got))
            return trial_fail(t, ORACLE_AGREE, "scan shows %llu keys, get %llu",
                              (unsigned long long)seen.keys,
                              (unsigned long long)got.keys);
    }
    for (unsigned r = 0; r < REGISTERS; r++) {
        uint64_t value = register_of(t, db, r);
        if (value) model_digest_register(&seen, r, value);
    }
    return (struct verdict){.state = trial_state(t, &seen)};
}

struct verdict trial_ask(struct trial *t, struct trial_store *s)
{
    if (s->server) return ask_read(t, s);
    struct verdict v = trial_read(t, s->db);
    if (s->served) s->served(s->served_arg, v);
    return v;
}

/* ---- files ---- */

struct inventory {
    const struct db *db;
    size_t logs, tables, fixed, manifests, strangers;
    bool repairs;     /* what a repair has set aside is not counted */
    char unknown[64]; /* a file of our pattern that nobody names */
};

static bool is_named(const struct inventory *inv, enum filename_kind kind,
                     uint64_t number)
{
    const struct store_state *s = &inv->db->state;
    if (kind == FILENAME_MANIFEST) return number == s->manifest;
    for (size_t i = 0; kind == FILENAME_LOG && i < s->log_count; i++)
        if (s->logs[i].number == number) return true;
    for (size_t i = 0; kind == FILENAME_SST && i < s->table_count; i++)
        if (s->tables[i].meta.number == number) return true;
    return kind == FILENAME_FIXED || kind == FILENAME_RESERVE;
}

static int take_stock(void *arg, const char *name)
{
    struct inventory *inv = arg;
    uint64_t number = 0;
    if (inv->repairs && salvage_is_aside(name)) return 0;
    enum filename_kind kind = filename_parse(name, &number);
    inv->strangers += kind == FILENAME_STRANGER;
    inv->logs += kind == FILENAME_LOG;
    inv->tables += kind == FILENAME_SST;
    inv->manifests += kind == FILENAME_MANIFEST;
    inv->fixed += kind == FILENAME_FIXED;
    if (kind == FILENAME_STRANGER || is_named(inv, kind, number)) return 0;
    snprintf(inv->unknown, sizeof inv->unknown, "%s", name);
    return 0;
}

static struct sim_hash hash_slice(struct sim_hash h, slice bytes)
{
    return sim_hash_entry(h, sim_hash_text((const char *)bytes.data, bytes.size));
}

/* The bytes of a table's file and all that the manifest says of it: what sst_check goes
 * by. False: there is no such file. */
static bool table_hash(const struct table *table, struct sim *s, const char *dir,
                       uint64_t out[2])
{
    const struct sst_meta *m = &table->meta;
    char name[FILENAME_BYTES];
    filename_sst(m->number, name);
    uint32_t inode = sim_lookup(s, sim_lookup(s, SIM_ROOT, dir), name);
    if (!inode) return false;
    const uint64_t fields[] = {m->number,     m->size,    m->tail_bytes, m->entries,
                               m->tombstones, m->min_seq, m->max_seq,    m->checksum};
    struct sim_hash h =
        sim_hash_file(sim_hash_chunks(s, inode), sim_inode(s, inode)->size);
    h = hash_slice(h, slice_of(fields, sizeof fields));
    h = hash_slice(hash_slice(h, m->smallest), m->largest);
    memcpy(out, h.w, sizeof h.w);
    return true;
}

/* Equal bytes were checked before. Some are checked again, to see whether that holds. */
static bool known_whole(struct trial *t, const uint64_t hash[2])
{
    return image_set_find(&t->tables, hash) && t->table_hits++ % TABLE_AGAIN_EVERY;
}

static bool tables_whole(struct trial *t, const struct db *db, struct disk *disk,
                         const char *dir)
{
    struct err_detail why = {.code = ERR_OK};
    uint64_t hash[2];
    for (unsigned l = 0; l < LEVELS_MAX; l++)
        for (size_t i = 0; i < db->version->levels[l].count; i++) {
            const struct table *table = db->version->levels[l].tables[i];
            bool there = table_hash(table, sim_of(disk), dir, hash);
            if (there && known_whole(t, hash)) continue;
            if (sst_check(table->sst, &table->meta, &why) != ERR_OK) {
                trial_fail(t, ORACLE_FILES, "%s", why.text);
                return false;
            }
            if (there) image_set_add(&t->tables, hash);
        }
    return true;
}

static bool files_right(struct trial *t, const struct db *db, struct disk *disk)
{
    struct inventory inv = {.db = db, .repairs = t->repairs};
    const struct store_state *s = &db->state;
    int e = disk_list(db->dir, take_stock, &inv);
    if (e) {
        trial_fail(t, ORACLE_FILES, "listing: error %d", -e);
        return false;
    }
    if (inv.unknown[0]) {
        trial_fail(t, ORACLE_FILES, "%s is left, and nobody names it", inv.unknown);
        return false;
    }
    if (inv.logs != s->log_count || inv.tables != s->table_count || inv.fixed != 2 ||
        inv.manifests != 1 || inv.strangers != t->stranger) {
        trial_fail(t, ORACLE_FILES,
                   "logs %zu of %zu, tables %zu of %zu, fixed %zu of 2, manifests %zu of "
                   "1, strangers %zu of %d",
                   inv.logs, s->log_count, inv.tables, s->table_count, inv.fixed,
                   inv.manifests, inv.strangers, t->stranger);
        return false;
    }
    return tables_whole(t, db, disk, TRIAL_DIR);
}

/* ---- what depends on the recovered store only ---- */

/* The process dies right after it has opened the store, and opens it again. */
static struct verdict ask_again(struct trial *t, struct disk *disk, uint32_t state)
{
    struct trial_store s;
    struct err_detail why;
    disk_sim_process_crash(disk);
    uint32_t before = disk_sim_microops(disk);
    enum err e = trial_open(t, disk, &s, &why);
    if (e) return trial_fail(t, ORACLE_AGAIN, "opened again: %s", why.text);
    uint32_t made = disk_sim_microops(disk) - before;
    struct verdict v = trial_ask(t, &s);
    trial_close(t, disk, &s);
    if (v.failed) return (struct verdict){.failed = ORACLE_AGAIN};
    if (v.state != state)
        return trial_fail(t, ORACLE_AGAIN, "opened again it holds something else");
    /* A server has been serving, and what it did in idle turns may be settled now. */
    if (made && !t->asker)
        return trial_fail(t, ORACLE_AGAIN, "opened again it made %u micro-operations",
                          made);
    return v;
}

/* What the store should hold. */
struct expectation {
    bool present[TAPE_KEYS];
    slice value[TAPE_KEYS];
    uint64_t registers[REGISTERS];
};

static uint32_t expected_state(struct trial *t, const struct expectation *x)
{
    struct model_digest d;
    char text[TAPE_KEY_BYTES];
    model_digest_init(&d);
    for (unsigned k = 0; k < TAPE_KEYS; k++)
        if (x->present[k])
            model_digest_key(&d, slice_of(text, tape_key(k, text)), x->value[k]);
    for (unsigned r = 0; r < REGISTERS; r++)
        if (x->registers[r]) model_digest_register(&d, r, x->registers[r]);
    return trial_state(t, &d);
}

static unsigned key_index(slice key)
{
    char text[TAPE_KEY_BYTES];
    for (unsigned k = 0; k < TAPE_KEYS; k++)
        if (slice_equal(slice_of(text, tape_key(k, text)), key)) return k;
    return 0;
}

/* Copies of what is there now, in the pool. By a scan: gets are another oracle's. */
static enum err expect_present(struct trial *t, struct db *db, struct expectation *x)
{
    struct db_iter *it;
    memset(x, 0, sizeof *x);
    enum err e = db_iter_new(db, &it);
    if (e) return e;
    for (db_iter_seek(it, slice_of(NULL, 0)); db_iter_valid(it); db_iter_next(it)) {
        slice value = db_iter_value(it);
        uint8_t *copy = mem_alloc(&t->pool.mem, value.size + 1);
        if (value.size) memcpy(copy, value.data, value.size);
        unsigned k = key_index(db_iter_key(it));
        x->present[k] = true;
        x->value[k] = slice_of(copy, value.size);
    }
    e = db_iter_error(it, NULL);
    db_iter_free(it);
    for (unsigned r = 0; r < REGISTERS; r++)
        x->registers[r] = register_of(t, db, r);
    return e;
}

static enum err write_some(struct db *db, struct expectation *x)
{
    char text[TAPE_KEY_BYTES];
    x->present[TRIAL_WORKS_KEY] = true;
    x->value[TRIAL_WORKS_KEY] = slice_of("works", 5);
    x->present[4] = false;
    enum err e = db_put(db, slice_of(text, tape_key(TRIAL_WORKS_KEY, text)),
                        x->value[TRIAL_WORKS_KEY]);
    return e ? e : db_delete(db, slice_of(text, tape_key(4, text)));
}

static struct verdict expect_state(struct trial *t, struct db *db, uint32_t want,
                                   const char *when)
{
    struct verdict v = trial_read(t, db);
    if (v.failed || v.state == want) return v;
    return trial_fail(t, ORACLE_WORKS, "%s it holds something else", when);
}

static struct verdict work_on(struct trial *t, struct db *db, uint32_t *want)
{
    struct expectation x;
    enum err e = expect_present(t, db, &x);
    if (!e) e = write_some(db, &x);
    *want = expected_state(t, &x);
    if (e) return trial_fail(t, ORACLE_WORKS, "a write: %s", err_text(e));
    e = db_flush(db);
    if (e) return trial_fail(t, ORACLE_WORKS, "flush: %s", err_text(e));
    struct verdict v = expect_state(t, db, *want, "after a flush");
    if (v.failed) return v;
    e = db_compact(db);
    if (e) return trial_fail(t, ORACLE_WORKS, "compaction: %s", err_text(e));
    return expect_state(t, db, *want, "after a compaction");
}

/* What a checkpoint that was cut has left is not in the way of the next one. */
static struct verdict copy_anew(struct trial *t, struct db *db, struct verdict v)
{
    struct err_detail why;
    enum err e = db_checkpoint(db, NULL, TRIAL_COPY, &why);
    if (e) return trial_fail(t, ORACLE_WORKS, "a checkpoint: %s", why.text);
    return v;
}

static struct verdict store_works(struct trial *t, struct disk *disk)
{
    struct trial_store s;
    struct err_detail why;
    uint32_t want = 0;
    disk_sim_process_crash(disk);
    enum err e = trial_open(t, disk, &s, &why);
    if (e) return trial_fail(t, ORACLE_WORKS, "opened again: %s", why.text);
    struct verdict v = work_on(t, s.db, &want);
    disk_sim_process_crash(disk); /* what the expectation copied is released with it */
    trial_drop(t, &s);
    if (v.failed) return (struct verdict){.failed = ORACLE_WORKS};
    e = trial_open(t, disk, &s, &why);
    if (e) return trial_fail(t, ORACLE_WORKS, "reopened: %s", why.text);
    v = expect_state(t, s.db, want, "reopened");
    if (v.failed)
        v.failed = ORACLE_WORKS;
    else if (trial_asks(t, ORACLE_FILES) && !files_right(t, s.db, disk))
        v.failed = ORACLE_FILES;
    else if (t->copies && !copy_there(disk))
        v = copy_anew(t, s.db, v);
    trial_close(t, disk, &s);
    return v;
}

/* Oracles again and works, once for each recovered store. */
static struct verdict ask_after(struct trial *t, struct disk *disk, struct verdict v)
{
    uint64_t hash[2];
    disk_sim_hash_visible(disk, hash);
    struct image_entry *known = image_set_add(&t->after, hash);
    if (known->value) return v;
    known->value = 1;
    struct verdict asked = v;
    if (trial_asks(t, ORACLE_AGAIN)) {
        unsigned before = disk_sim_snapshot(disk);
        asked = ask_again(t, disk, v.state);
        disk_sim_rollback(disk, before);
    }
    if (!asked.failed && trial_asks(t, ORACLE_WORKS)) {
        unsigned before = disk_sim_snapshot(disk);
        asked = t->asker ? ask_works(t, disk) : store_works(t, disk);
        disk_sim_rollback(disk, before);
    }
    return asked.failed ? asked : v;
}

/* A checkpoint that has its name is a store, with what was in the other one then. */
static struct verdict ask_copy(struct trial *t, struct disk *disk, struct verdict v)
{
    struct trial_store s;
    struct err_detail why;
    if (!copy_there(disk)) return v;
    unsigned before = disk_sim_snapshot(disk);
    enum err e = open_named(t, disk, TRIAL_COPY, false, &s, &why);
    if (e) {
        v = trial_fail(t, ORACLE_OPEN, "the copy: %s: %s", err_text(e), why.text);
    } else {
        struct verdict c = trial_read(t, s.db);
        if (!c.failed && !tables_whole(t, s.db, disk, TRIAL_COPY))
            c.failed = ORACLE_FILES;
        if (!c.failed && c.state != t->copy_state)
            c = trial_fail(t, ORACLE_PREFIX, "the copy holds something else");
        if (c.failed) v = c;
        trial_drop(t, &s);
    }
    disk_sim_rollback(disk, before);
    return v;
}

/* ---- one image ---- */

struct told {
    struct trial *trial;
    struct disk *disk;
    struct verdict verdict;
};

static void tell(void *arg, struct verdict v)
{
    struct told *told = arg;
    struct trial *t = told->trial;
    told->verdict = v;
    if (!v.failed && t->opened) t->opened(t->opened_arg, told->disk, &told->verdict);
}

static struct verdict judge(struct trial *t, struct disk *disk)
{
    struct trial_store s;
    struct err_detail why;
    t->ran[ORACLE_OPEN]++;
    enum err e = trial_recover(t, disk, &s, &why);
    if (e) return trial_fail(t, ORACLE_OPEN, "%s: %s", err_text(e), why.text);
    struct told told = {.trial = t, .disk = disk};
    s.served = tell;
    s.served_arg = &told;
    if (trial_asks(t, ORACLE_FILES) && !files_right(t, s.db, disk))
        told.verdict.failed = ORACLE_FILES;
    else
        trial_ask(t, &s);
    struct verdict v = told.verdict;
    if (!v.failed) v = ask_after(t, disk, v);
    bool clean = trial_close(t, disk, &s);
    if (!v.failed && trial_asks(t, ORACLE_LEAK) && !clean) v.failed = ORACLE_LEAK;
    if (!v.failed && t->copies) v = ask_copy(t, disk, v);
    if (!v.failed && t->repairs && trial_asks(t, ORACLE_FILES)) {
        struct verdict kept = salvage_check(t, disk);
        if (kept.failed) v = kept;
    }
    return v;
}

struct verdict trial_image(struct trial *t, struct disk *disk)
{
    bool sound = t->sound; /* the image may be one of another one's recovery */
    struct verdict v = judge(t, disk);
    t->sound = sound;
    return v;
}
