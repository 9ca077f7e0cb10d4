/* The shim: every call of disk.h, in the order of the header. Each is the same sentence:
 * check the arguments, ask the fault point, call the disk behind, repeat what was short
 * or interrupted.
 *
 * A disk behind the shim makes one attempt per call and knows nothing of fault points;
 * the engine above sees whole reads and writes and knows nothing of them either. */
#include "fault/disk.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fault/mem.h"
#include "fault/points.h"

/* A call that is interrupted more often than this in a row answers -EINTR after all:
 * no loop of the floor may run for ever. */
#define INTERRUPTS_MAX 100

/* 0, or why the name cannot be one component of a path. */
static int name_check(const char *name)
{
    assert(name);
    size_t n = strlen(name);
    if (n == 0 || memchr(name, '/', n)) return -EINVAL;
    if (n <= 2 && name[0] == '.' && name[n - 1] == '.') return -EINVAL;
    return n <= DISK_NAME_MAX ? 0 : -ENAMETOOLONG;
}

/* True when a call that answered e should be made once more. */
static bool interrupted(int e, int *times)
{
    return e == -EINTR && ++*times <= INTERRUPTS_MAX;
}

/* ---- directories ---- */

int disk_mkdir(struct disk *disk, const char *name, enum site site)
{
    assert(site_call(site) == CALL_MKDIR);
    int e = name_check(name);
    if (e) return e;
    struct fault f = fault_at_site(CALL_MKDIR, site);
    if (fault_answers(f)) return -f.error;
    return fault_then(f, disk->ops->mkdir(disk, name, site));
}

int disk_rmdir(struct disk *disk, const char *name, enum site site)
{
    assert(site_call(site) == CALL_RMDIR);
    int e = name_check(name);
    if (e) return e;
    struct fault f = fault_at_site(CALL_RMDIR, site);
    if (fault_answers(f)) return -f.error;
    return fault_then(f, disk->ops->rmdir(disk, name, site));
}

int disk_dir_open(struct disk *disk, const char *name, struct disk_dir **out)
{
    int e = strcmp(name, ".") ? name_check(name) : 0;
    if (e) return e;
    int times = 0;
    do {
        struct fault f = fault_at_kind(CALL_OPEN, KIND_DIR);
        e = fault_answers(f) ? -f.error : disk->ops->dir_open(disk, name, out);
    } while (interrupted(e, &times));
    return e;
}

void disk_dir_close(struct disk_dir *dir)
{
    dir->disk->ops->dir_close(dir);
}

/* Answers a sync by its fault point: an error makes the pending pages clean, except for
 * an interruption, which leaves them pending. */
static int sync_answer(struct fault f, struct disk_dir *dir, struct disk_file *file,
                       enum site site)
{
    const struct disk_ops *ops = (file ? file->disk : dir->disk)->ops;
    if (f.error && f.error != EINTR && ops->sync_failed)
        ops->sync_failed(dir, file, site);
    return -f.error;
}

int disk_dir_sync(struct disk_dir *dir, enum site site)
{
    assert(site_call(site) == CALL_SYNC);
    int e, times = 0;
    do {
        struct fault f = fault_at_site(CALL_SYNC, site);
        e = fault_answers(f) ? sync_answer(f, dir, NULL, site)
                             : fault_then(f, dir->disk->ops->dir_sync(dir, site));
    } while (interrupted(e, &times));
    return e;
}

/* ---- listing ---- */

/* Names as they come from the disk, one after the other with their zeros. Directories
 * of usual size fit into the room that comes with the struct. */
struct names {
    char *bytes;
    size_t used, size, count;
    char room[4096];
};

static int names_add(void *arg, const char *name)
{
    struct names *names = arg;
    size_t n = strlen(name) + 1;
    if (names->used + n > names->size) {
        bool roomy = names->bytes == names->room;
        size_t size = names->size * 2;
        char *bytes = mem_resize(mem_libc(), roomy ? NULL : names->bytes, size);
        if (!bytes) return -ENOMEM;
        if (roomy) memcpy(bytes, names->room, names->used);
        names->bytes = bytes;
        names->size = size;
    }
    memcpy(names->bytes + names->used, name, n);
    names->used += n;
    names->count++;
    return 0;
}

static int names_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool names_sorted(const char *const *names, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (strcmp(names[i - 1], names[i]) > 0) return false;
    return true;
}

/* Calls fn for each name, in byte order, in which some disks list them already. */
static int names_visit(const struct names *names, disk_list_fn *fn, void *arg)
{
    const char *room[128], **sorted = room;
    if (names->count > sizeof room / sizeof *room)
        sorted = mem_alloc(mem_libc(), names->count * sizeof *sorted);
    if (!sorted) return -ENOMEM;
    const char *name = names->bytes;
    for (size_t i = 0; i < names->count; i++, name += strlen(name) + 1)
        sorted[i] = name;
    if (!names_sorted(sorted, names->count))
        qsort(sorted, names->count, sizeof *sorted, names_compare);
    int e = 0;
    for (size_t i = 0; i < names->count && !e; i++)
        e = fn(arg, sorted[i]);
    if (sorted != room) mem_free(mem_libc(), sorted);
    return e;
}

/* The names are taken down before the first is shown: the callback may change the
 * directory, and half a listing is never taken for a whole one. */
int disk_list(struct disk_dir *dir, disk_list_fn *fn, void *arg)
{
    struct fault f = fault_at_kind(CALL_LIST, KIND_DIR);
    if (fault_answers(f)) return -f.error;
    struct names names;
    names.bytes = names.room;
    names.used = names.count = 0;
    names.size = sizeof names.room;
    int e = dir->disk->ops->list(dir, names_add, &names);
    if (!e) e = names_visit(&names, fn, arg);
    if (names.bytes != names.room) mem_free(mem_libc(), names.bytes);
    return e;
}

/* ---- names ---- */

int disk_rename(struct disk_dir *dir, const char *from, const char *to, enum site site)
{
    assert(site_call(site) == CALL_RENAME);
    int e = name_check(from);
    if (!e) e = name_check(to);
    if (e) return e;
    struct fault f = fault_at_site(CALL_RENAME, site);
    if (fault_answers(f)) return -f.error;
    return fault_then(f, dir->disk->ops->rename(dir, from, to, site));
}

int disk_link(struct disk_dir *dir, const char *name, struct disk_dir *to_dir,
              const char *to, enum site site)
{
    assert(site_call(site) == CALL_LINK);
    int e = name_check(name);
    if (!e) e = name_check(to);
    if (e) return e;
    if (dir->disk->ops != to_dir->disk->ops) return -EXDEV; /* another kind of disk */
    struct fault f = fault_at_site(CALL_LINK, site);
    if (fault_answers(f)) return -f.error;
    return fault_then(f, dir->disk->ops->link(dir, name, to_dir, to, site));
}

int disk_unlink(struct disk_dir *dir, const char *name, enum site site)
{
    assert(site_call(site) == CALL_UNLINK);
    int e = name_check(name);
    if (e) return e;
    struct fault f = fault_at_site(CALL_UNLINK, site);
    if (fault_answers(f)) return -f.error;
    return fault_then(f, dir->disk->ops->unlink(dir, name, site));
}

/* Hands out an opened file, unless the point wants an error although it was opened. */
static int opened(struct fault f, struct disk_file *file, enum site site,
                  struct disk_file **out)
{
    if (f.effect == FAULT_AFTER) {
        file->disk->ops->close(file);
        return -f.error;
    }
    file->kind = site_kind(site);
    *out = file;
    return 0;
}

int disk_lock(struct disk_dir *dir, const char *name, enum site site,
              struct disk_file **out)
{
    assert(site_call(site) == CALL_LOCK);
    int e = name_check(name);
    if (e) return e;
    struct fault f = fault_at_site(CALL_LOCK, site);
    if (fault_answers(f)) return -f.error;
    struct disk_file *file;
    e = dir->disk->ops->lock(dir, name, site, &file);
    return e ? e : opened(f, file, site, out);
}

/* ---- files ---- */

int disk_open(struct disk_dir *dir, const char *name, unsigned flags, enum site site,
              struct disk_file **out)
{
    assert(site_call(site) == CALL_OPEN);
    assert(flags & (DISK_READ | DISK_WRITE));
    assert(!(flags & DISK_EXCL) || flags & DISK_CREATE);
    assert(!(flags & DISK_TRUNC) || flags & DISK_WRITE);
    int e = name_check(name);
    if (e) return e;
    struct disk_file *file;
    struct fault f;
    int times = 0;
    do {
        f = fault_at_site(CALL_OPEN, site);
        e = fault_answers(f) ? -f.error
                             : dir->disk->ops->open(dir, name, flags, site, &file);
    } while (interrupted(e, &times));
    return e ? e : opened(f, file, site, out);
}

void disk_close(struct disk_file *file)
{
    file->disk->ops->close(file);
}

/* One attempt to read; *got may be less than n. */
static int read_once(struct disk_file *file, uint64_t offset, void *buf, size_t n,
                     size_t *got)
{
    struct fault f = fault_at_kind(CALL_READ, file->kind);
    if (fault_answers(f)) return -f.error;
    return file->disk->ops->read(file, offset, buf, fault_part(f, n), got);
}

int disk_read(struct disk_file *file, uint64_t offset, void *buf, size_t n, size_t *got)
{
    int times = 0;
    *got = 0;
    while (*got < n) {
        size_t more = 0;
        int e = read_once(file, offset + *got, (char *)buf + *got, n - *got, &more);
        assert(more <= n - *got);
        *got += more;
        if (interrupted(e, &times)) continue;
        if (e) return e;
        if (!more) break; /* end of file */
        times = 0;
    }
    return 0;
}

/* One attempt to write; *put may be less than n, also beside an error. */
static int write_once(struct disk_file *file, uint64_t offset, const void *buf, size_t n,
                      enum site site, size_t *put)
{
    struct fault f = fault_at_site(CALL_WRITE, site);
    if (fault_answers(f)) return -f.error;
    size_t part = fault_part(f, n);
    if (!part) return -f.error; /* half of one byte */
    int e = file->disk->ops->write(file, offset, buf, part, site, put);
    if (f.effect == FAULT_PART && !e) return -f.error;
    if (f.effect == FAULT_AFTER && !e && *put == n) return -f.error;
    return e;
}

int disk_write(struct disk_file *file, uint64_t offset, const void *buf, size_t n,
               enum site site, size_t *put)
{
    assert(site_call(site) == CALL_WRITE);
    size_t done = 0;
    int e = 0, times = 0;
    while (done < n) {
        size_t more = 0;
        e = write_once(file, offset + done, (const char *)buf + done, n - done, site,
                       &more);
        assert(more <= n - done);
        done += more;
        if (interrupted(e, &times)) continue;
        if (!e && !more) e = -EIO; /* a disk that takes nothing and says nothing */
        if (e) break;
        times = 0;
    }
    if (put) *put = done;
    return e;
}

int disk_sync(struct disk_file *file, enum disk_sync_mode mode, enum site site)
{
    assert(site_call(site) == CALL_SYNC);
    int e, times = 0;
    do {
        struct fault f = fault_at_site(CALL_SYNC, site);
        e = fault_answers(f) ? sync_answer(f, NULL, file, site)
                             : fault_then(f, file->disk->ops->sync(file, mode, site));
    } while (interrupted(e, &times));
    return e;
}

int disk_size(struct disk_file *file, uint64_t *out)
{
    struct fault f = fault_at_kind(CALL_SIZE, file->kind);
    if (fault_answers(f)) return -f.error;
    return file->disk->ops->size(file, out);
}

int disk_map(struct disk_file *file, uint64_t size, const uint8_t **out)
{
    assert(size > 0);
    struct fault f = fault_at_kind(CALL_MAP, file->kind);
    if (fault_answers(f)) return -f.error;
    if (!file->disk->ops->map) return -EOPNOTSUPP;
    return file->disk->ops->map(file, size, out);
}

void disk_unmap(struct disk *disk, const uint8_t *bytes, uint64_t size)
{
    disk->ops->unmap(disk, bytes, size);
}

int disk_truncate(struct disk_file *file, uint64_t size, enum site site)
{
    assert(site_call(site) == CALL_TRUNCATE);
    int e, times = 0;
    do {
        struct fault f = fault_at_site(CALL_TRUNCATE, site);
        e = fault_answers(f) ? -f.error
                             : fault_then(f, file->disk->ops->truncate(file, size, site));
    } while (interrupted(e, &times));
    return e;
}

static int allocate_once(struct fault f, struct disk_file *file, uint64_t size,
                         enum site site)
{
    bool part = f.effect == FAULT_PART;
    int e = file->disk->ops->allocate(file, part ? size / 2 : size, site);
    return part && !e ? -f.error : fault_then(f, e);
}

int disk_allocate(struct disk_file *file, uint64_t size, enum site site)
{
    assert(site_call(site) == CALL_ALLOCATE);
    int e, times = 0;
    do {
        struct fault f = fault_at_site(CALL_ALLOCATE, site);
        e = fault_answers(f) ? -f.error : allocate_once(f, file, size, site);
    } while (interrupted(e, &times));
    return e;
}
