#include "tests/crash/disk_tap.h"

#include <assert.h>

static struct disk_tap *tap_of(const struct disk *disk)
{
    return (struct disk_tap *)(uintptr_t)disk->ops;
}

/* False: the call shall not be made. */
static bool before(struct disk_tap *t, struct tap_call c)
{
    c.ordinal = t->calls++;
    if (t->before) t->before(t->arg, &c);
    return !(t->drop && t->drop(t->arg, &c));
}

static void opened(struct disk_tap *t, struct disk_dir *dir, const char *name,
                   const void *handle)
{
    if (t->opened) t->opened(t->arg, dir, name, handle);
}

static int tap_mkdir(struct disk *disk, const char *name, enum site site)
{
    struct disk_tap *t = tap_of(disk);
    before(t, (struct tap_call){.call = CALL_MKDIR, .site = site, .name = name});
    return t->inner->mkdir(disk, name, site);
}

static int tap_rmdir(struct disk *disk, const char *name, enum site site)
{
    struct disk_tap *t = tap_of(disk);
    before(t, (struct tap_call){.call = CALL_RMDIR, .site = site, .name = name});
    return t->inner->rmdir(disk, name, site);
}

static int tap_dir_open(struct disk *disk, const char *name, struct disk_dir **out)
{
    struct disk_tap *t = tap_of(disk);
    int e = t->inner->dir_open(disk, name, out);
    if (!e) opened(t, NULL, name, *out);
    return e;
}

static int tap_dir_sync(struct disk_dir *dir, enum site site)
{
    struct disk_tap *t = tap_of(dir->disk);
    struct tap_call c = {.call = CALL_SYNC, .site = site, .dir = dir};
    return before(t, c) ? t->inner->dir_sync(dir, site) : 0;
}

static int tap_rename(struct disk_dir *dir, const char *from, const char *to,
                      enum site site)
{
    struct disk_tap *t = tap_of(dir->disk);
    before(t, (struct tap_call){
                  .call = CALL_RENAME, .site = site, .dir = dir, .name = from, .to = to});
    return t->inner->rename(dir, from, to, site);
}

static int tap_link(struct disk_dir *dir, const char *name, struct disk_dir *to_dir,
                    const char *to, enum site site)
{
    struct disk_tap *t = tap_of(dir->disk);
    before(t, (struct tap_call){.call = CALL_LINK,
                                .site = site,
                                .dir = dir,
                                .to_dir = to_dir,
                                .name = name,
                                .to = to});
    return t->inner->link(dir, name, to_dir, to, site);
}

static int tap_unlink(struct disk_dir *dir, const char *name, enum site site)
{
    struct disk_tap *t = tap_of(dir->disk);
    before(t, (struct tap_call){
                  .call = CALL_UNLINK, .site = site, .dir = dir, .name = name});
    return t->inner->unlink(dir, name, site);
}

static int tap_lock(struct disk_dir *dir, const char *name, enum site site,
                    struct disk_file **out)
{
    struct disk_tap *t = tap_of(dir->disk);
    before(t,
           (struct tap_call){.call = CALL_LOCK, .site = site, .dir = dir, .name = name});
    int e = t->inner->lock(dir, name, site, out);
    if (!e) opened(t, dir, name, *out);
    return e;
}

static int tap_open(struct disk_dir *dir, const char *name, unsigned flags,
                    enum site site, struct disk_file **out)
{
    struct disk_tap *t = tap_of(dir->disk);
    if (flags & (DISK_CREATE | DISK_TRUNC))
        before(t, (struct tap_call){.call = CALL_OPEN,
                                    .site = site,
                                    .dir = dir,
                                    .name = name,
                                    .offset = flags});
    else if (t->looked)
        t->looked(t->arg, name);
    int e = t->inner->open(dir, name, flags, site, out);
    if (!e) opened(t, dir, name, *out);
    return e;
}

static int tap_write(struct disk_file *file, uint64_t offset, const void *buf, size_t n,
                     enum site site, size_t *put)
{
    struct disk_tap *t = tap_of(file->disk);
    before(t, (struct tap_call){.call = CALL_WRITE,
                                .site = site,
                                .file = file,
                                .offset = offset,
                                .bytes = buf,
                                .length = n});
    return t->inner->write(file, offset, buf, n, site, put);
}

static int tap_sync(struct disk_file *file, enum disk_sync_mode mode, enum site site)
{
    struct disk_tap *t = tap_of(file->disk);
    struct tap_call c = {.call = CALL_SYNC, .site = site, .file = file, .offset = mode};
    return before(t, c) ? t->inner->sync(file, mode, site) : 0;
}

static int tap_truncate(struct disk_file *file, uint64_t size, enum site site)
{
    struct disk_tap *t = tap_of(file->disk);
    before(t, (struct tap_call){
                  .call = CALL_TRUNCATE, .site = site, .file = file, .offset = size});
    return t->inner->truncate(file, size, site);
}

static int tap_allocate(struct disk_file *file, uint64_t size, enum site site)
{
    struct disk_tap *t = tap_of(file->disk);
    before(t, (struct tap_call){
                  .call = CALL_ALLOCATE, .site = site, .file = file, .offset = size});
    return t->inner->allocate(file, size, site);
}

void disk_tap_on(struct disk_tap *t, struct disk *disk, tap_fn *before_call, void *arg)
{
    *t = (struct disk_tap){.ops = *disk->ops,
                           .inner = disk->ops,
                           .disk = disk,
                           .before = before_call,
                           .arg = arg};
    t->ops.mkdir = tap_mkdir;
    t->ops.rmdir = tap_rmdir;
    t->ops.dir_open = tap_dir_open;
    t->ops.dir_sync = tap_dir_sync;
    t->ops.rename = tap_rename;
    t->ops.link = tap_link;
    t->ops.unlink = tap_unlink;
    t->ops.lock = tap_lock;
    t->ops.open = tap_open;
    t->ops.write = tap_write;
    t->ops.sync = tap_sync;
    t->ops.truncate = tap_truncate;
    t->ops.allocate = tap_allocate;
    disk->ops = &t->ops;
}

void disk_tap_off(struct disk_tap *t)
{
    assert(t->disk->ops == &t->ops);
    t->disk->ops = t->inner;
}

const struct disk_ops *disk_tap_pause(struct disk *disk, const struct disk_ops *plain)
{
    const struct disk_ops *paused = disk->ops;
    disk->ops = plain;
    return paused;
}

void disk_tap_resume(struct disk *disk, const struct disk_ops *paused)
{
    disk->ops = paused;
}
