#include "tests/support/failing.h"

#include <errno.h>

static bool is_in(unsigned set, unsigned i)
{
    return !set || (set >> i & 1);
}

/* Counts one call, and lets it fail when it is its turn. */
static const struct disk_ops *arrive(struct disk *disk, enum site site)
{
    struct failing *f = (struct failing *)(uintptr_t)disk->ops;
    if (!is_in(f->only_calls, site_call(site)) || !is_in(f->only_kinds, site_kind(site)))
        return f->inner;
    f->calls++;
    if (f->calls == f->fail_at || (f->lasting && f->fail_at && f->calls > f->fail_at))
        disk_sim_fail_next(f->disk, f->effect, f->error, f->bytes);
    return f->inner;
}

static int failing_mkdir(struct disk *disk, const char *name, enum site site)
{
    return arrive(disk, site)->mkdir(disk, name, site);
}

static int failing_rmdir(struct disk *disk, const char *name, enum site site)
{
    return arrive(disk, site)->rmdir(disk, name, site);
}

static int failing_dir_sync(struct disk_dir *dir, enum site site)
{
    return arrive(dir->disk, site)->dir_sync(dir, site);
}

static int failing_rename(struct disk_dir *dir, const char *from, const char *to,
                          enum site site)
{
    return arrive(dir->disk, site)->rename(dir, from, to, site);
}

static int failing_link(struct disk_dir *dir, const char *name, struct disk_dir *to_dir,
                        const char *to, enum site site)
{
    return arrive(dir->disk, site)->link(dir, name, to_dir, to, site);
}

static int failing_unlink(struct disk_dir *dir, const char *name, enum site site)
{
    return arrive(dir->disk, site)->unlink(dir, name, site);
}

static int failing_open(struct disk_dir *dir, const char *name, unsigned flags,
                        enum site site, struct disk_file **out)
{
    const struct disk_ops *inner =
        flags & DISK_CREATE ? arrive(dir->disk, site)
                            : ((struct failing *)(uintptr_t)dir->disk->ops)->inner;
    return inner->open(dir, name, flags, site, out);
}

static int failing_write(struct disk_file *file, uint64_t offset, const void *buf,
                         size_t n, enum site site, size_t *put)
{
    return arrive(file->disk, site)->write(file, offset, buf, n, site, put);
}

static int failing_sync(struct disk_file *file, enum disk_sync_mode mode, enum site site)
{
    return arrive(file->disk, site)->sync(file, mode, site);
}

static int failing_truncate(struct disk_file *file, uint64_t size, enum site site)
{
    return arrive(file->disk, site)->truncate(file, size, site);
}

static int failing_allocate(struct disk_file *file, uint64_t size, enum site site)
{
    return arrive(file->disk, site)->allocate(file, size, site);
}

void failing_begin(struct failing *f, struct disk *disk, long fail_at)
{
    *f = (struct failing){.ops = *disk->ops,
                          .inner = disk->ops,
                          .disk = disk,
                          .fail_at = fail_at,
                          .effect = DISK_EFFECT_NONE,
                          .error = EIO};
    f->ops.mkdir = failing_mkdir;
    f->ops.rmdir = failing_rmdir;
    f->ops.dir_sync = failing_dir_sync;
    f->ops.rename = failing_rename;
    f->ops.link = failing_link;
    f->ops.unlink = failing_unlink;
    f->ops.open = failing_open;
    f->ops.write = failing_write;
    f->ops.sync = failing_sync;
    f->ops.truncate = failing_truncate;
    f->ops.allocate = failing_allocate;
    disk->ops = &f->ops;
}

void failing_end(struct failing *f)
{
    f->disk->ops = f->inner;
}
