/* disk_order.c - see disk_order.h.
 *
 * Two tables: inodes (what is known of a file's bytes) and entries (names, each pointing
 * to an inode). Time is a counter that every change moves on:
 *
 *     write returns:      inode.changed = ++now
 *     sync:               covers = now, when it is entered
 *     sync returned 0:    inode.synced = covers          durable: changed <= synced
 *     sync failed:        inode.lost = inode.pending             not durable any more
 *     written again:      inode.lost shrinks                     may become durable
 *
 * and the same for an entry and the sync of its directory, where a name that was lost is
 * never durable. Directories are few and files
 * of a test's store are too: all look-ups walk a list. */
#include "fault/disk_order.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOT_FREED UINT64_MAX

struct range {
    uint64_t from, to; /* bytes; empty: from >= to */
};

struct inode {
    struct inode *next;
    enum file_kind kind;
    unsigned refs;        /* entries and handles */
    uint64_t changed;     /* the last change of bytes or size */
    uint64_t synced;      /* changes up to here are durable */
    uint64_t edited;      /* the last write of an edit */
    uint64_t recorded;    /* the first record of all; 0: none */
    uint64_t first_due;   /* the first record that is not durable; 0: none */
    uint64_t last_due;    /* and the last */
    struct inode *target; /* of a pointer: its manifest, or NULL; only compared */
    struct range pending; /* that no sync has covered */
    struct range lost;    /* pending when a sync failed; what is written again is not */
    bool read;     /* of a manifest or pointer: the reader was told what it holds */
    bool in_force; /* of a manifest: the pointer may name it after a crash */
};

/* A manifest names the file that has the entry. */
struct naming {
    struct naming *next;
    struct inode *manifest; /* only compared */
    uint64_t freed;         /* the edit that ends it, or NOT_FREED */
};

struct entry {
    struct entry *next;
    unsigned dir;
    struct inode *inode;
    uint64_t changed; /* when the name got this inode */
    bool pending;     /* no sync of the directory covers that */
    bool lost;        /* and none will */
    bool renamed;     /* the name came by a rename */
    bool pointer;     /* it is the pointer, not what is going to be */
    bool named;       /* some manifest has named it */
    bool kept;        /* a second name for people: nobody's log */
    struct naming *namings;
    char name[DISK_NAME_MAX + 1];
};

/* Directories keep their number when they are closed and opened again. */
struct dir_name {
    struct dir_name *next;
    unsigned number;
    char name[DISK_NAME_MAX + 1];
};

/* Where bytes that are read come from: from the write that follows, from the disk after a
 * write has failed, or from the disk before anybody has written. */
enum origin { COMING, FAILED, INHERITED };

struct disk_order {
    struct disk disk;
    struct mem *mem;
    struct disk *inner;
    disk_order_violation_fn *on_violation;
    void *arg;
    disk_order_reader_fn *reader;
    void *reader_arg;
    unsigned long violations;
    uint64_t checks[ORDER_RULE_COUNT];
    pthread_mutex_t lock; /* over all below; never held during an inner call */
    uint64_t now;
    struct inode *inodes;
    struct entry *entries;
    struct dir_name *dirs;
    unsigned dir_count; /* that were ever known */
    struct {
        struct inode *file; /* that the reader is told about; NULL: nobody calls it */
        unsigned dir;
        enum origin origin;
    } reading;
};

struct order_dir {
    struct disk_dir dir;
    struct disk_dir *inner;
    unsigned number; /* of the directory */
};

struct order_file {
    struct disk_file file;
    struct disk_file *inner;
    struct inode *inode;
    unsigned dir;
};

static struct disk_order *order_of(struct disk *disk)
{
    return (struct disk_order *)disk;
}

static struct disk_dir *inner_dir(struct disk_dir *dir)
{
    return ((struct order_dir *)dir)->inner;
}

static unsigned dir_number(struct disk_dir *dir)
{
    return ((struct order_dir *)dir)->number;
}

static struct disk_file *inner_file(struct disk_file *file)
{
    return ((struct order_file *)file)->inner;
}

static struct inode *inode_of(struct disk_file *file)
{
    return ((struct order_file *)file)->inode;
}

static struct disk_order *enter(struct disk *disk)
{
    struct disk_order *o = order_of(disk);
    pthread_mutex_lock(&o->lock);
    return o;
}

static void leave(struct disk_order *o)
{
    pthread_mutex_unlock(&o->lock);
}

static void *must(void *block)
{
    if (!block) abort();
    return block;
}

/* ---- inodes and entries ---- */

static struct inode *inode_new(struct disk_order *o, enum file_kind kind)
{
    struct inode *i = must(mem_zalloc(o->mem, sizeof *i));
    i->kind = kind;
    i->next = o->inodes;
    o->inodes = i;
    return i;
}

/* Forgets what is said of an inode that is going. */
static void forget_manifest(struct disk_order *o, const struct inode *manifest)
{
    for (struct inode *i = o->inodes; i; i = i->next)
        if (i->target == manifest) i->target = NULL;
    for (struct entry *e = o->entries; e; e = e->next)
        for (struct naming **at = &e->namings; *at;) {
            struct naming *n = *at;
            if (n->manifest != manifest) {
                at = &n->next;
                continue;
            }
            *at = n->next;
            mem_free(o->mem, n);
        }
}

static void inode_unref(struct disk_order *o, struct inode *inode)
{
    assert(inode->refs > 0);
    if (--inode->refs) return;
    struct inode **at = &o->inodes;
    while (*at != inode)
        at = &(*at)->next;
    *at = inode->next;
    if (inode->kind == KIND_MANIFEST) forget_manifest(o, inode);
    mem_free(o->mem, inode);
}

static bool empty(struct range r)
{
    return r.from >= r.to;
}

static struct range span(struct range a, struct range b)
{
    if (empty(a)) return b;
    if (empty(b)) return a;
    return (struct range){a.from < b.from ? a.from : b.from, a.to > b.to ? a.to : b.to};
}

static bool inode_durable(const struct inode *i)
{
    return empty(i->lost) && i->changed <= i->synced;
}

/* Marks do not count: losing one loses nothing. */
static bool edits_durable(const struct inode *i)
{
    return empty(i->lost) && i->edited <= i->synced;
}

static struct entry *entry_find(struct disk_order *o, unsigned dir, const char *name)
{
    for (struct entry *e = o->entries; e; e = e->next)
        if (e->dir == dir && !strcmp(e->name, name)) return e;
    return NULL;
}

static void entry_remove(struct disk_order *o, struct entry *entry)
{
    struct entry **at = &o->entries;
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    while (entry->namings) {
        struct naming *n = entry->namings;
        entry->namings = n->next;
        mem_free(o->mem, n);
    }
    inode_unref(o, entry->inode);
    mem_free(o->mem, entry);
}

/* Makes `name` point to the inode from now on. */
static struct entry *entry_set(struct disk_order *o, unsigned dir, const char *name,
                               struct inode *inode)
{
    inode->refs++;
    struct entry *old = entry_find(o, dir, name);
    if (old) entry_remove(o, old);
    struct entry *e = must(mem_zalloc(o->mem, sizeof *e));
    e->dir = dir;
    e->inode = inode;
    e->changed = ++o->now;
    e->pending = true;
    snprintf(e->name, sizeof e->name, "%s", name);
    e->next = o->entries;
    o->entries = e;
    return e;
}

static struct entry *find_pointer(struct disk_order *o, unsigned dir)
{
    struct entry *e = o->entries;
    while (e && !(e->dir == dir && e->pointer))
        e = e->next;
    return e;
}

/* The switch of the pointer is durable: only its manifest is in force from now on. */
static void pointer_settled(struct disk_order *o, const struct entry *pointer)
{
    for (struct entry *e = o->entries; e; e = e->next)
        if (e->dir == pointer->dir && e->inode->kind == KIND_MANIFEST)
            e->inode->in_force = e->inode == pointer->inode->target;
}

static struct naming *naming_find(const struct entry *e, const struct inode *manifest)
{
    struct naming *n = e->namings;
    while (n && n->manifest != manifest)
        n = n->next;
    return n;
}

/* Can a state that is found after a crash name the file by this? */
static bool naming_counts(const struct naming *n)
{
    return n->manifest->in_force &&
           (n->freed == NOT_FREED || n->freed > n->manifest->synced);
}

/* ---- rules ---- */

__attribute__((format(printf, 3, 4))) static void
violation(struct disk_order *o, enum order_rule rule, const char *format, ...)
{
    char line[DISK_NAME_MAX * 2 + 128];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    o->violations++;
    if (o->on_violation) o->on_violation(o->arg, rule, line);
}

static void require_durable(struct disk_order *o, enum order_rule rule, enum site site,
                            const struct entry *e, bool bytes_durable)
{
    const char *what = site_name(site);
    o->checks[rule]++;
    if (!bytes_durable)
        violation(o, rule, "%s: %s: its bytes are not synced", what, e->name);
    if (e->pending) violation(o, rule, "%s: %s: its name is not synced", what, e->name);
}

/* A file that an edit names. A log must be found, with what it held before anybody named
 * it: the records that follow are the business of replies. An edit that gave it up and has
 * failed is taken back by the next manifest. */
static void require_named(struct disk_order *o, enum site site, const struct entry *e,
                          const struct inode *manifest)
{
    const struct inode *i = e->inode;
    const struct naming *other = e->namings;
    while (other && (other->manifest == manifest || !other->manifest->in_force))
        other = other->next;
    bool bytes = i->kind == KIND_WAL ? other || !i->first_due : inode_durable(i);
    require_durable(o, ORDER_EDIT, site, e, bytes);
}

/* The pointer's own file must be whole, and so must be the manifest that it names, and
 * what that names when it was not in force before. */
static void check_pointer(struct disk_order *o, unsigned dir, const char *from,
                          enum site site)
{
    struct entry *tmp = entry_find(o, dir, from);
    struct inode *manifest = tmp ? tmp->inode->target : NULL;
    o->checks[ORDER_POINTER]++;
    if (tmp && !inode_durable(tmp->inode))
        violation(o, ORDER_POINTER, "%s: %s: its bytes are not synced", site_name(site),
                  from);
    for (struct entry *e = o->entries; e && manifest; e = e->next) {
        struct naming *n = naming_find(e, manifest);
        if (e->dir == dir && e->inode == manifest)
            require_durable(o, ORDER_POINTER, site, e, edits_durable(manifest));
        if (n && n->freed == NOT_FREED && !manifest->in_force)
            require_named(o, site, e, manifest);
    }
}

/* A file may go when no state that could be found after a crash names it. */
static void check_delete(struct disk_order *o, struct entry *e, enum site site)
{
    const struct entry *pointer = find_pointer(o, e->dir);
    o->checks[ORDER_DELETE]++;
    for (struct naming *n = e->namings; n; n = n->next) {
        const char *why = "the edit that frees it is not synced";
        if (!naming_counts(n)) continue;
        if (pointer && n->manifest != pointer->inode->target)
            why = "the switch of the pointer is not synced";
        else if (n->freed == NOT_FREED)
            why = "the manifest still names it";
        violation(o, ORDER_DELETE, "%s: %s: %s", site_name(site), e->name, why);
    }
}

static void check_manifest_goes(struct disk_order *o, const struct entry *e,
                                enum site site)
{
    const struct entry *pointer = find_pointer(o, e->dir);
    bool newest = pointer && e->inode == pointer->inode->target;
    o->checks[ORDER_DELETE]++;
    if (e->inode->in_force)
        violation(o, ORDER_DELETE, "%s: %s: %s", site_name(site), e->name,
                  newest ? "the pointer names it"
                         : "the switch of the pointer is not synced");
}

static void check_going(struct disk_order *o, unsigned dir, const char *name,
                        enum site site)
{
    struct entry *e = entry_find(o, dir, name);
    if (!e) return;
    switch (site_kind(site)) {
    case KIND_WAL:
    case KIND_SST: check_delete(o, e, site); break;
    case KIND_MANIFEST: check_manifest_goes(o, e, site); break;
    default: break;
    }
}

static void check_recycled(struct disk_order *o, const struct inode *inode,
                           enum site site)
{
    for (struct entry *e = o->entries; e; e = e->next) {
        if (e->inode != inode || !e->renamed) continue;
        o->checks[ORDER_RECYCLE]++;
        if (e->pending)
            violation(o, ORDER_RECYCLE, "%s: %s: its name is not synced", site_name(site),
                      e->name);
    }
}

/* ---- what manifests and pointers say ---- */

void disk_order_set_reader(struct disk_order *order, disk_order_reader_fn *fn, void *arg)
{
    order->reader = fn;
    order->reader_arg = arg;
}

void disk_order_edit_adds(struct disk_order *order, const char *name)
{
    struct inode *manifest = order->reading.file;
    assert(manifest);
    struct entry *e = entry_find(order, order->reading.dir, name);
    if (!e) {
        order->checks[ORDER_EDIT]++;
        if (order->reading.origin == COMING)
            violation(order, ORDER_EDIT, "%s: %s: there is no such file",
                      site_name(SITE_MANIFEST_WRITE), name);
        return;
    }
    if (manifest->in_force && order->reading.origin == COMING)
        require_named(order, SITE_MANIFEST_WRITE, e, manifest);
    struct naming *n = naming_find(e, manifest);
    if (!n) {
        n = must(mem_zalloc(order->mem, sizeof *n));
        n->manifest = manifest;
        n->next = e->namings;
        e->namings = n;
    }
    n->freed = NOT_FREED;
    e->named = true;
}

void disk_order_edit_frees(struct disk_order *order, const char *name)
{
    assert(order->reading.file);
    struct entry *e = entry_find(order, order->reading.dir, name);
    struct naming *n = e ? naming_find(e, order->reading.file) : NULL;
    /* By the write that comes. What was named by a write that left nothing never was; what
     * was freed before anybody looked counts as durable. */
    if (n) n->freed = order->reading.origin == COMING ? order->now + 1 : 0;
}

void disk_order_points_to(struct disk_order *order, const char *manifest)
{
    assert(order->reading.file);
    struct entry *e = entry_find(order, order->reading.dir, manifest);
    order->reading.file->target = e ? e->inode : NULL;
    if (e && order->reading.origin == INHERITED) e->inode->in_force = true;
}

/* Tells the reader what the file holds, or is going to hold. */
static void tell_reader(struct disk_order *o, const struct order_file *f,
                        enum origin origin, uint64_t offset, const void *bytes, size_t n)
{
    struct entry *e = o->entries;
    while (e && e->inode != f->inode)
        e = e->next;
    f->inode->read = true;
    if (!e || !o->reader) return;
    o->reading.file = f->inode;
    o->reading.dir = f->dir;
    o->reading.origin = origin;
    if (origin == INHERITED && f->inode->kind == KIND_CURRENT) e->pointer = true;
    o->reader(o->reader_arg, o, f->dir, e->name, offset, bytes, n);
    o->reading.file = NULL;
}

/* Are the reader's words asked about such a file? */
static bool is_read(const struct disk_file *file)
{
    return file->kind == KIND_MANIFEST || file->kind == KIND_CURRENT;
}

/* What a manifest or pointer holds, read from the disk: when one of an earlier process is
 * opened first, and when a write has answered an error. */
static void read_back(struct disk_order *o, struct order_file *f, enum origin origin)
{
    const struct disk_ops *ops = f->inner->disk->ops;
    uint64_t size = 0;
    if (ops->size(f->inner, &size)) return;
    uint8_t *bytes = must(mem_alloc(o->mem, (size_t)size + 1));
    size_t n = 0, got = 1;
    while (n < size && got > 0) {
        int e = ops->read(f->inner, n, bytes + n, (size_t)size - n, &got);
        if (e == -EINTR) continue;
        if (e) break;
        n += got;
    }
    enter(&o->disk);
    tell_reader(o, f, origin, 0, bytes, n);
    leave(o);
    mem_free(o->mem, bytes);
}

/* ---- replies ---- */

uint64_t disk_order_now(struct disk_order *order)
{
    enter(&order->disk);
    uint64_t now = order->now;
    leave(order);
    return now;
}

/* A log counts until an edit that gives it up is durable: what it held is in a table. */
static bool log_counts(const struct entry *e)
{
    const struct naming *n = e->namings;
    while (n && !naming_counts(n))
        n = n->next;
    return n || !e->named;
}

void disk_order_acknowledge(struct disk_order *order, uint64_t moment)
{
    struct disk_order *o = enter(&order->disk);
    for (struct entry *e = o->entries; e; e = e->next) {
        const struct inode *i = e->inode;
        if (!i->recorded || i->recorded > moment || e->kept) continue;
        if (!log_counts(e)) continue;
        o->checks[ORDER_ACKNOWLEDGE]++;
        if (i->first_due && i->first_due <= moment)
            violation(o, ORDER_ACKNOWLEDGE, "reply: %s: its records are not synced",
                      e->name);
        if (e->pending)
            violation(o, ORDER_ACKNOWLEDGE, "reply: %s: its name is not synced", e->name);
        if (!e->named)
            violation(o, ORDER_ACKNOWLEDGE, "reply: %s: no manifest names it", e->name);
    }
    leave(o);
}

static bool is_record(enum site site)
{
    return site == SITE_WAL_WRITE || site == SITE_WAL_COPY;
}

/* ---- directories ---- */

static int order_mkdir(struct disk *disk, const char *name, enum site site)
{
    struct disk *inner = order_of(disk)->inner;
    return inner->ops->mkdir(inner, name, site);
}

static int order_rmdir(struct disk *disk, const char *name, enum site site)
{
    struct disk *inner = order_of(disk)->inner;
    return inner->ops->rmdir(inner, name, site);
}

static struct dir_name *dir_find(struct disk_order *o, const char *name)
{
    for (struct dir_name *d = o->dirs; d; d = d->next)
        if (!strcmp(d->name, name)) return d;
    return NULL;
}

static struct dir_name *dir_add(struct disk_order *o, const char *name)
{
    struct dir_name *d = must(mem_zalloc(o->mem, sizeof *d));
    snprintf(d->name, sizeof d->name, "%s", name);
    d->number = o->dir_count++;
    d->next = o->dirs;
    o->dirs = d;
    return d;
}

/* What is found in a directory that was not known yet counts as durable. */
static int note_existing(void *arg, const char *name)
{
    struct order_dir *d = arg;
    struct disk_order *o = enter(d->dir.disk);
    struct entry *e = entry_set(o, d->number, name, inode_new(o, KIND_OTHER));
    e->pending = false;
    leave(o);
    return 0;
}

static int order_dir_open(struct disk *disk, const char *name, struct disk_dir **out)
{
    struct disk *inner = order_of(disk)->inner;
    struct disk_dir *found;
    int e = inner->ops->dir_open(inner, name, &found);
    if (e) return e;
    struct order_dir *d = must(mem_alloc(order_of(disk)->mem, sizeof *d));
    struct disk_order *o = enter(disk);
    struct dir_name *known = dir_find(o, name);
    *d = (struct order_dir){{disk}, found, (known ? known : dir_add(o, name))->number};
    leave(o);
    if (!known) e = inner->ops->list(found, note_existing, d);
    if (e) {
        inner->ops->dir_close(found);
        mem_free(o->mem, d);
        return e;
    }
    *out = &d->dir;
    return 0;
}

static void order_dir_close(struct disk_dir *dir)
{
    struct disk_dir *inner = inner_dir(dir);
    inner->disk->ops->dir_close(inner);
    mem_free(order_of(dir->disk)->mem, dir);
}

static void dir_synced(struct disk_order *o, unsigned dir, uint64_t covers, int result)
{
    for (struct entry *e = o->entries; e; e = e->next) {
        if (e->dir != dir || !e->pending || e->changed > covers) continue;
        if (result)
            e->lost = true;
        else if (!e->lost)
            e->pending = false;
        if (e->pointer && !e->pending) pointer_settled(o, e);
    }
}

static int order_dir_sync(struct disk_dir *dir, enum site site)
{
    uint64_t covers = disk_order_now(order_of(dir->disk));
    struct disk_dir *inner = inner_dir(dir);
    int result = inner->disk->ops->dir_sync(inner, site);
    if (result == -EINTR) return result;
    struct disk_order *o = enter(dir->disk);
    dir_synced(o, dir_number(dir), covers, result);
    leave(o);
    return result;
}

static int order_list(struct disk_dir *dir, disk_list_fn *fn, void *arg)
{
    struct disk_dir *inner = inner_dir(dir);
    return inner->disk->ops->list(inner, fn, arg);
}

/* ---- names ---- */

struct look {
    const char *name;
    bool there;
};

static int look_at(void *arg, const char *name)
{
    struct look *l = arg;
    l->there = l->there || !strcmp(l->name, name);
    return 0;
}

static bool is_there(struct disk_dir *inner, const char *name)
{
    struct look l = {name, false};
    return !inner->disk->ops->list(inner, look_at, &l) && l.there;
}

static void note_rename(struct disk_order *o, unsigned dir, const char *from,
                        const char *to, enum site site)
{
    struct entry *e = entry_find(o, dir, from);
    struct dir_name *moved = dir_find(o, from); /* directories lie in one place only */
    if (moved) snprintf(moved->name, sizeof moved->name, "%s", to);
    if (!e || !strcmp(from, to)) return;
    struct inode *i = e->inode;
    struct entry *renamed = entry_set(o, dir, to, i);
    renamed->renamed = true;
    entry_remove(o, e);
    if (site_kind(site) == KIND_CURRENT) {
        renamed->pointer = true;
        if (i->target) i->target->in_force = true;
    }
    /* What a recycled log held was given up. */
    if (site_kind(site) == KIND_WAL) i->recorded = i->first_due = 0;
}

/* After an error the effect may be there all the same: the disk is asked. */
static int order_rename(struct disk_dir *dir, const char *from, const char *to,
                        enum site site)
{
    struct disk_order *o = enter(dir->disk);
    unsigned d = dir_number(dir);
    if (site_kind(site) == KIND_CURRENT) check_pointer(o, d, from, site);
    if (site_kind(site) == KIND_WAL) check_going(o, d, from, site);
    leave(o);
    struct disk_dir *inner = inner_dir(dir);
    int result = inner->disk->ops->rename(inner, from, to, site);
    if (result && (is_there(inner, from) || !is_there(inner, to))) return result;
    enter(dir->disk);
    note_rename(o, d, from, to, site);
    leave(o);
    return result;
}

static int order_link(struct disk_dir *dir, const char *name, struct disk_dir *to_dir,
                      const char *to, enum site site)
{
    struct disk_dir *inner = inner_dir(dir);
    int result = inner->disk->ops->link(inner, name, inner_dir(to_dir), to, site);
    struct disk_order *o = enter(dir->disk);
    struct entry *e = entry_find(o, dir_number(dir), name);
    struct entry *known = entry_find(o, dir_number(to_dir), to);
    leave(o);
    if (!e || known || (result && !is_there(inner_dir(to_dir), to))) return result;
    enter(dir->disk);
    entry_set(o, dir_number(to_dir), to, e->inode)->kept = site_kind(site) == KIND_OTHER;
    leave(o);
    return result;
}

static int order_unlink(struct disk_dir *dir, const char *name, enum site site)
{
    struct disk_order *o = enter(dir->disk);
    check_going(o, dir_number(dir), name, site);
    leave(o);
    struct disk_dir *inner = inner_dir(dir);
    int result = inner->disk->ops->unlink(inner, name, site);
    if (result && is_there(inner, name)) return result;
    enter(dir->disk);
    struct entry *e = entry_find(o, dir_number(dir), name);
    if (e) entry_remove(o, e);
    leave(o);
    return result;
}

/* ---- opening ---- */

static struct order_file *file_new(struct disk_dir *dir, const char *name, unsigned flags,
                                   enum site site, struct disk_file *inner)
{
    struct disk_order *o = enter(dir->disk);
    struct entry *e = entry_find(o, dir_number(dir), name);
    if (!e) {
        e = entry_set(o, dir_number(dir), name, inode_new(o, site_kind(site)));
        /* Without being created it was there before we looked. */
        e->pending = flags & DISK_CREATE;
    }
    struct inode *i = e->inode;
    i->kind = site_kind(site);
    if (flags & DISK_TRUNC) {
        i->changed = ++o->now;
        i->pending = i->lost = (struct range){0, 0};
    }
    i->refs++;
    struct order_file *f = must(mem_alloc(o->mem, sizeof *f));
    *f = (struct order_file){{dir->disk, site_kind(site)}, inner, i, dir_number(dir)};
    leave(o);
    return f;
}

static int order_open(struct disk_dir *dir, const char *name, unsigned flags,
                      enum site site, struct disk_file **out)
{
    struct disk_dir *inner = inner_dir(dir);
    struct disk_order *o = order_of(dir->disk);
    struct disk_file *found;
    int e = inner->disk->ops->open(inner, name, flags, site, &found);
    if (e) return e;
    struct order_file *f = file_new(dir, name, flags, site, found);
    if (flags & (DISK_TRUNC | DISK_EXCL)) f->inode->read = true;
    if (!f->inode->read &&
        (f->file.kind == KIND_MANIFEST || f->file.kind == KIND_CURRENT))
        read_back(o, f, INHERITED);
    *out = &f->file;
    return 0;
}

static int order_lock(struct disk_dir *dir, const char *name, enum site site,
                      struct disk_file **out)
{
    struct disk_dir *inner = inner_dir(dir);
    struct disk_file *found;
    int e = inner->disk->ops->lock(inner, name, site, &found);
    if (!e) *out = &file_new(dir, name, 0, site, found)->file;
    return e;
}

static void order_close(struct disk_file *file)
{
    struct order_file *f = (struct order_file *)file;
    f->inner->disk->ops->close(f->inner);
    struct disk_order *o = enter(file->disk);
    inode_unref(o, f->inode);
    leave(o);
    mem_free(o->mem, f);
}

/* ---- bytes ---- */

static int order_read(struct disk_file *file, uint64_t offset, void *buf, size_t n,
                      size_t *got)
{
    struct disk_file *inner = inner_file(file);
    return inner->disk->ops->read(inner, offset, buf, n, got);
}

static int order_size(struct disk_file *file, uint64_t *out)
{
    struct disk_file *inner = inner_file(file);
    return inner->disk->ops->size(inner, out);
}

/* The change counts from the return on, also a failed one: part of it may be there. What
 * was lost and is written again, from its beginning on, is pending like anything else. */
static void note_change(struct disk_file *file, enum site site, struct range bytes,
                        bool failed)
{
    struct disk_order *o = enter(file->disk);
    struct inode *i = inode_of(file);
    i->changed = ++o->now;
    i->pending = span(i->pending, bytes);
    if (bytes.from <= i->lost.from && bytes.to > i->lost.from) i->lost.from = bytes.to;
    if (site == SITE_MANIFEST_WRITE) i->edited = o->now;
    /* Nobody may rely on a record whose write has failed. */
    if (is_record(site) && !failed) {
        i->last_due = o->now;
        if (!i->recorded) i->recorded = o->now;
        if (!i->first_due) i->first_due = o->now;
    }
    leave(o);
}

static int order_write(struct disk_file *file, uint64_t offset, const void *buf, size_t n,
                       enum site site, size_t *put)
{
    struct disk_order *o = enter(file->disk);
    struct order_file *f = (struct order_file *)file;
    if (site_kind(site) == KIND_WAL) check_recycled(o, f->inode, site);
    if (is_read(file)) tell_reader(o, f, COMING, offset, buf, n);
    leave(o);
    int result = f->inner->disk->ops->write(f->inner, offset, buf, n, site, put);
    note_change(file, site, (struct range){offset, offset + n}, result != 0);
    if (result && is_read(file)) read_back(o, f, FAILED);
    return result;
}

static void file_synced(struct inode *i, uint64_t covers, int result)
{
    if (result) {
        i->lost = span(i->lost, i->pending);
        return;
    }
    if (i->changed <= covers) i->pending = (struct range){0, 0};
    if (!empty(i->lost)) return;
    if (i->synced < covers) i->synced = covers;
    if (i->first_due && i->last_due <= covers)
        i->first_due = 0;
    else if (i->first_due && i->first_due <= covers)
        i->first_due = covers + 1;
}

static int order_sync(struct disk_file *file, enum disk_sync_mode mode, enum site site)
{
    uint64_t covers = disk_order_now(order_of(file->disk));
    struct disk_file *inner = inner_file(file);
    int result = inner->disk->ops->sync(inner, mode, site);
    if (result == -EINTR) return result;
    struct disk_order *o = enter(file->disk);
    file_synced(inode_of(file), covers, result);
    leave(o);
    return result;
}

static int order_truncate(struct disk_file *file, uint64_t size, enum site site)
{
    struct disk_file *inner = inner_file(file);
    int result = inner->disk->ops->truncate(inner, size, site);
    note_change(file, site, (struct range){0, UINT64_MAX}, result != 0);
    return result;
}

static int order_allocate(struct disk_file *file, uint64_t size, enum site site)
{
    struct disk_file *inner = inner_file(file);
    int result = inner->disk->ops->allocate(inner, size, site);
    note_change(file, site, (struct range){0, UINT64_MAX}, result != 0);
    return result;
}

static int order_map(struct disk_file *file, uint64_t size, const uint8_t **out)
{
    struct disk_file *inner = inner_file(file);
    if (!inner->disk->ops->map) return -EOPNOTSUPP;
    return inner->disk->ops->map(inner, size, out);
}

static void order_unmap(struct disk *disk, const uint8_t *bytes, uint64_t size)
{
    struct disk *inner = order_of(disk)->inner;
    inner->ops->unmap(inner, bytes, size);
}

static void order_sync_failed(struct disk_dir *dir, struct disk_file *file,
                              enum site site)
{
    struct disk_order *o = enter(file ? file->disk : dir->disk);
    if (file)
        file_synced(inode_of(file), o->now, -EIO);
    else
        dir_synced(o, dir_number(dir), o->now, -EIO);
    leave(o);
    const struct disk_ops *ops = o->inner->ops;
    if (!ops->sync_failed) return;
    ops->sync_failed(file ? NULL : inner_dir(dir), file ? inner_file(file) : NULL, site);
}

/* ---- the wrapper ---- */

static const struct disk_ops order_ops = {
    .mkdir = order_mkdir,
    .rmdir = order_rmdir,
    .dir_open = order_dir_open,
    .dir_close = order_dir_close,
    .dir_sync = order_dir_sync,
    .list = order_list,
    .rename = order_rename,
    .link = order_link,
    .unlink = order_unlink,
    .lock = order_lock,
    .open = order_open,
    .close = order_close,
    .read = order_read,
    .write = order_write,
    .sync = order_sync,
    .size = order_size,
    .truncate = order_truncate,
    .allocate = order_allocate,
    .sync_failed = order_sync_failed,
    .map = order_map,
    .unmap = order_unmap,
};

const char *order_rule_name(enum order_rule rule)
{
    static const char *const names[] = {
#define ORDER_RULE_NAME(id, name, text) [id] = name,
        ORDER_RULES(ORDER_RULE_NAME)
#undef ORDER_RULE_NAME
    };
    assert(rule < ORDER_RULE_COUNT);
    return names[rule];
}

const char *order_rule_text(enum order_rule rule)
{
    static const char *const texts[] = {
#define ORDER_RULE_TEXT(id, name, text) [id] = text,
        ORDER_RULES(ORDER_RULE_TEXT)
#undef ORDER_RULE_TEXT
    };
    assert(rule < ORDER_RULE_COUNT);
    return texts[rule];
}

int disk_order_new(struct mem *mem, struct disk *inner,
                   disk_order_violation_fn *on_violation, void *arg,
                   struct disk_order **out)
{
    struct disk_order *o = mem_zalloc(mem, sizeof *o);
    if (!o) return -ENOMEM;
    o->disk.ops = &order_ops;
    o->mem = mem;
    o->inner = inner;
    o->on_violation = on_violation;
    o->arg = arg;
    pthread_mutex_init(&o->lock, NULL);
    *out = o;
    return 0;
}

void disk_order_forget(struct disk_order *order)
{
    struct disk_order *o = enter(&order->disk);
    while (o->entries)
        entry_remove(o, o->entries);
    while (o->dirs) {
        struct dir_name *d = o->dirs;
        o->dirs = d->next;
        mem_free(o->mem, d);
    }
    leave(o);
}

void disk_order_free(struct disk_order *order)
{
    disk_order_forget(order);
    while (order->inodes) {
        struct inode *left = order->inodes;
        order->inodes = left->next;
        mem_free(order->mem, left);
    }
    pthread_mutex_destroy(&order->lock);
    mem_free(order->mem, order);
}

struct disk *disk_order_disk(struct disk_order *order)
{
    return &order->disk;
}

unsigned long disk_order_violations(const struct disk_order *order)
{
    return order->violations;
}

uint64_t disk_order_checks(const struct disk_order *order, enum order_rule rule)
{
    assert(rule < ORDER_RULE_COUNT);
    return order->checks[rule];
}
