/* disk_order.c - see disk_order.h.
 *
 * Two tables: inodes (what is known of a file's bytes) and entries (names, each pointing
 * to an inode). Time is a counter that every change moves on:
 *
 *     write returns:      inode.changed = ++now
 *     sync:               covers = now, when it is entered
 *     sync returned 0:    inode.synced = covers          durable: changed <= synced
 *     sync failed:        inode.lost, if anything was pending    never durable any more
 *
 * and the same for an entry and the sync of its directory. Directories are few and files
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

struct inode {
    struct inode *next;
    enum file_kind kind;
    unsigned refs;      /* entries and handles */
    unsigned writers;   /* handles that may write */
    uint64_t created;   /* tells the newest manifest */
    uint64_t changed;   /* the last change of bytes or size */
    uint64_t synced;    /* changes up to here are durable */
    uint64_t edited;    /* the last write of an edit */
    uint64_t recorded;  /* the first record of all; 0: none */
    uint64_t first_due; /* the first record that is not durable; 0: none */
    uint64_t last_due;  /* and the last */
    bool lost;          /* a sync failed while changes were pending */
    bool in_force;      /* of a manifest: the pointer was switched to it */
};

struct entry {
    struct entry *next;
    unsigned dir;
    struct inode *inode;
    uint64_t changed;       /* when the name got this inode */
    bool pending;           /* no sync of the directory covers that */
    bool lost;              /* and none will */
    bool renamed;           /* the name came by a rename */
    bool named;             /* an edit names it */
    struct inode *freed_in; /* the manifest whose edit frees it; only compared */
    uint64_t freed;         /* when, or NOT_FREED */
    char name[DISK_NAME_MAX + 1];
};

/* Directories keep their number when they are closed and opened again. */
struct dir_name {
    struct dir_name *next;
    unsigned number;
    char name[DISK_NAME_MAX + 1];
};

struct disk_order {
    struct disk disk;
    struct mem *mem;
    struct disk *inner;
    disk_order_violation_fn *on_violation;
    void *arg;
    disk_order_edit_fn *edit;
    void *edit_arg;
    unsigned long violations;
    pthread_mutex_t lock; /* over all below; never held during an inner call */
    uint64_t now;
    struct inode *inodes;
    struct entry *entries;
    struct dir_name *dirs;
    struct {
        struct inode *manifest; /* that is being written; set during a call of `edit` */
        unsigned dir;
    } editing;
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
    bool writes;
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
    i->created = o->now;
    i->next = o->inodes;
    o->inodes = i;
    return i;
}

static void inode_unref(struct disk_order *o, struct inode *inode)
{
    assert(inode->refs > 0);
    if (--inode->refs) return;
    struct inode **at = &o->inodes;
    while (*at != inode)
        at = &(*at)->next;
    *at = inode->next;
    mem_free(o->mem, inode);
}

static bool inode_durable(const struct inode *i)
{
    return !i->lost && i->changed <= i->synced;
}

/* Marks do not count: losing one loses nothing. */
static bool edits_durable(const struct inode *i)
{
    return !i->lost && i->edited <= i->synced;
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
    e->freed = NOT_FREED;
    snprintf(e->name, sizeof e->name, "%s", name);
    e->next = o->entries;
    o->entries = e;
    return e;
}

static struct entry *newest_manifest(struct disk_order *o, unsigned dir)
{
    struct entry *newest = NULL;
    for (struct entry *e = o->entries; e; e = e->next) {
        if (e->dir != dir || e->inode->kind != KIND_MANIFEST) continue;
        if (!newest || e->inode->created > newest->inode->created) newest = e;
    }
    return newest;
}

/* The pointer when its switch is not durable, else NULL. */
static struct entry *pending_pointer(struct disk_order *o, unsigned dir)
{
    for (struct entry *e = o->entries; e; e = e->next)
        if (e->dir == dir && e->inode->kind == KIND_CURRENT && e->renamed && e->pending)
            return e;
    return NULL;
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
    if (!bytes_durable)
        violation(o, rule, "%s: %s: its bytes are not synced", what, e->name);
    if (e->pending) violation(o, rule, "%s: %s: its name is not synced", what, e->name);
}

/* A file that an edit names. Of a log it must be certain that it is found; its bytes are
 * the records' matter. */
static void require_named(struct disk_order *o, enum site site, const struct entry *e)
{
    bool bytes = e->inode->kind == KIND_WAL || inode_durable(e->inode);
    require_durable(o, ORDER_EDIT, site, e, bytes);
}

/* Without knowledge of its contents an edit may name every finished table. */
static void check_tables(struct disk_order *o, unsigned dir, enum site site)
{
    for (struct entry *e = o->entries; e; e = e->next)
        if (e->dir == dir && e->inode->kind == KIND_SST && !e->inode->writers)
            require_durable(o, ORDER_EDIT, site, e, inode_durable(e->inode));
}

/* What the snapshot in a new manifest names has to be durable when the pointer is
 * switched to it, not before. */
static void check_snapshot(struct disk_order *o, unsigned dir, enum site site)
{
    if (!o->edit) check_tables(o, dir, site);
    for (struct entry *e = o->entries; e && o->edit; e = e->next)
        if (e->dir == dir && e->named && e->freed == NOT_FREED) require_named(o, site, e);
}

/* The pointer's own file must be whole, and so must be the manifest that it is about to
 * name, which is the newest. */
static void check_pointer(struct disk_order *o, unsigned dir, const char *from,
                          enum site site)
{
    struct entry *tmp = entry_find(o, dir, from);
    if (tmp && !inode_durable(tmp->inode))
        violation(o, ORDER_POINTER, "%s: %s: its bytes are not synced", site_name(site),
                  from);
    struct entry *m = newest_manifest(o, dir);
    if (m) require_durable(o, ORDER_POINTER, site, m, edits_durable(m->inode));
    if (m && !m->inode->in_force) check_snapshot(o, dir, site);
}

/* A file may go when no state that could be found after a crash names it. */
static void check_delete(struct disk_order *o, struct entry *e, enum site site)
{
    const char *what = site_name(site);
    struct entry *pointer = pending_pointer(o, e->dir);
    struct entry *m = newest_manifest(o, e->dir);
    if (o->edit && !e->named) return; /* a file that never came into force */
    if (pointer)
        violation(o, ORDER_DELETE, "%s: %s: the switch of %s is not synced", what,
                  e->name, pointer->name);
    if (o->edit && e->freed == NOT_FREED)
        violation(o, ORDER_DELETE, "%s: %s: the manifest still names it", what, e->name);
    else if (o->edit && m && m->inode == e->freed_in &&
             (m->inode->lost || e->freed > m->inode->synced))
        violation(o, ORDER_DELETE, "%s: %s: the edit that frees it is not synced", what,
                  e->name);
    else if (!o->edit && m && !edits_durable(m->inode))
        violation(o, ORDER_DELETE, "%s: %s: the last edit is not synced", what, e->name);
}

static void check_going(struct disk_order *o, unsigned dir, const char *name,
                        enum site site)
{
    struct entry *e = entry_find(o, dir, name);
    struct entry *pointer = pending_pointer(o, dir);
    if (!e) return;
    switch (site_kind(site)) {
    case KIND_WAL:
    case KIND_SST: check_delete(o, e, site); break;
    case KIND_MANIFEST:
        if (pointer)
            violation(o, ORDER_DELETE, "%s: %s: the switch of %s is not synced",
                      site_name(site), name, pointer->name);
        break;
    default: break;
    }
}

static void check_recycled(struct disk_order *o, const struct inode *inode,
                           enum site site)
{
    for (struct entry *e = o->entries; e; e = e->next)
        if (e->inode == inode && e->renamed && e->pending)
            violation(o, ORDER_RECYCLE, "%s: %s: its name is not synced", site_name(site),
                      e->name);
}

/* ---- edits ---- */

void disk_order_set_edits(struct disk_order *order, disk_order_edit_fn *fn, void *arg)
{
    order->edit = fn;
    order->edit_arg = arg;
}

void disk_order_edit_adds(struct disk_order *order, const char *name)
{
    assert(order->editing.manifest);
    struct entry *e = entry_find(order, order->editing.dir, name);
    if (!e) {
        violation(order, ORDER_EDIT, "%s: %s: there is no such file",
                  site_name(SITE_MANIFEST_WRITE), name);
        return;
    }
    if (order->editing.manifest->in_force) require_named(order, SITE_MANIFEST_WRITE, e);
    e->named = true;
    e->freed = NOT_FREED;
}

void disk_order_edit_frees(struct disk_order *order, const char *name)
{
    assert(order->editing.manifest);
    struct entry *e = entry_find(order, order->editing.dir, name);
    if (!e) return;
    e->freed = order->now + 1; /* the write that comes */
    e->freed_in = order->editing.manifest;
}

static void edit_begins(struct disk_order *o, struct order_file *f, uint64_t offset,
                        const void *bytes, size_t n, enum site site)
{
    struct entry *m = o->entries;
    while (m && m->inode != f->inode)
        m = m->next;
    if (!o->edit) {
        if (f->inode->in_force) check_tables(o, f->dir, site);
        return;
    }
    o->editing.manifest = f->inode;
    o->editing.dir = f->dir;
    o->edit(o->edit_arg, o, m ? m->name : "", offset, bytes, n);
    o->editing.manifest = NULL;
}

/* ---- replies ---- */

uint64_t disk_order_now(struct disk_order *order)
{
    enter(&order->disk);
    uint64_t now = order->now;
    leave(order);
    return now;
}

void disk_order_acknowledge(struct disk_order *order, uint64_t moment)
{
    struct disk_order *o = enter(&order->disk);
    for (struct entry *e = o->entries; e; e = e->next) {
        const struct inode *i = e->inode;
        if (i->first_due && i->first_due <= moment)
            violation(o, ORDER_ACKNOWLEDGE, "reply: %s: its records are not synced",
                      e->name);
        if (i->recorded && i->recorded <= moment && e->pending)
            violation(o, ORDER_ACKNOWLEDGE, "reply: %s: its name is not synced", e->name);
    }
    leave(o);
}

static bool is_record(enum site site)
{
    return site == SITE_WAL_WRITE || site == SITE_WAL_SETTLE;
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
    d->number = o->dirs ? o->dirs->number + 1 : 0;
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
    e->inode->in_force = true;
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

/* Whatever is answered, what was checked counts: an error may come after the effect. */
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
    if (result) return result;
    enter(dir->disk);
    struct entry *e = entry_find(o, d, from);
    if (e && strcmp(from, to) != 0) {
        entry_set(o, d, to, e->inode)->renamed = true;
        entry_remove(o, e);
    }
    struct entry *m = newest_manifest(o, d);
    if (m && site_kind(site) == KIND_CURRENT) m->inode->in_force = true;
    leave(o);
    return 0;
}

static int order_link(struct disk_dir *dir, const char *name, struct disk_dir *to_dir,
                      const char *to, enum site site)
{
    struct disk_dir *inner = inner_dir(dir);
    int result = inner->disk->ops->link(inner, name, inner_dir(to_dir), to, site);
    if (result) return result;
    struct disk_order *o = enter(dir->disk);
    struct entry *e = entry_find(o, dir_number(dir), name);
    if (e) entry_set(o, dir_number(to_dir), to, e->inode);
    leave(o);
    return 0;
}

static int order_unlink(struct disk_dir *dir, const char *name, enum site site)
{
    struct disk_order *o = enter(dir->disk);
    check_going(o, dir_number(dir), name, site);
    leave(o);
    struct disk_dir *inner = inner_dir(dir);
    int result = inner->disk->ops->unlink(inner, name, site);
    if (result) return result;
    enter(dir->disk);
    struct entry *e = entry_find(o, dir_number(dir), name);
    if (e) entry_remove(o, e);
    leave(o);
    return 0;
}

/* ---- opening ---- */

static struct disk_file *file_new(struct disk_dir *dir, const char *name, unsigned flags,
                                  enum site site, struct disk_file *inner)
{
    struct disk_order *o = enter(dir->disk);
    struct entry *e = entry_find(o, dir_number(dir), name);
    if (!e) e = entry_set(o, dir_number(dir), name, inode_new(o, site_kind(site)));
    struct inode *i = e->inode;
    i->kind = site_kind(site);
    if (flags & DISK_TRUNC) i->changed = ++o->now;
    i->refs++;
    bool writes = flags & DISK_WRITE;
    i->writers += writes;
    struct order_file *f = must(mem_alloc(o->mem, sizeof *f));
    *f = (struct order_file){
        {dir->disk, site_kind(site)}, inner, i, dir_number(dir), writes};
    leave(o);
    return &f->file;
}

static int order_open(struct disk_dir *dir, const char *name, unsigned flags,
                      enum site site, struct disk_file **out)
{
    struct disk_dir *inner = inner_dir(dir);
    struct disk_file *found;
    int e = inner->disk->ops->open(inner, name, flags, site, &found);
    if (!e) *out = file_new(dir, name, flags, site, found);
    return e;
}

static int order_lock(struct disk_dir *dir, const char *name, enum site site,
                      struct disk_file **out)
{
    struct disk_dir *inner = inner_dir(dir);
    struct disk_file *found;
    int e = inner->disk->ops->lock(inner, name, site, &found);
    if (!e) *out = file_new(dir, name, 0, site, found);
    return e;
}

static void order_close(struct disk_file *file)
{
    struct order_file *f = (struct order_file *)file;
    f->inner->disk->ops->close(f->inner);
    struct disk_order *o = enter(file->disk);
    f->inode->writers -= f->writes;
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

/* The change counts from the return on, also a failed one: part of it may be there. */
static void note_change(struct disk_file *file, enum site site)
{
    struct disk_order *o = enter(file->disk);
    struct inode *i = inode_of(file);
    i->changed = ++o->now;
    if (site == SITE_MANIFEST_WRITE) i->edited = o->now;
    if (is_record(site)) {
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
    if (site == SITE_MANIFEST_WRITE) edit_begins(o, f, offset, buf, n, site);
    leave(o);
    int result = f->inner->disk->ops->write(f->inner, offset, buf, n, site, put);
    note_change(file, site);
    return result;
}

static void file_synced(struct inode *i, uint64_t covers, int result)
{
    if (result) {
        if (i->changed > i->synced) i->lost = true;
        return;
    }
    if (i->lost) return;
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
    note_change(file, site);
    return result;
}

static int order_allocate(struct disk_file *file, uint64_t size, enum site site)
{
    struct disk_file *inner = inner_file(file);
    int result = inner->disk->ops->allocate(inner, size, site);
    note_change(file, site);
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

const char *order_rule_text(enum order_rule rule)
{
    static const char *const texts[] = {
#define ORDER_RULE_TEXT(id, text) [id] = text,
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

void disk_order_free(struct disk_order *order)
{
    while (order->entries)
        entry_remove(order, order->entries);
    while (order->dirs) {
        struct dir_name *d = order->dirs;
        order->dirs = d->next;
        mem_free(order->mem, d);
    }
    assert(!order->inodes);
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
