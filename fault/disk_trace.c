/* disk_trace.c - see disk_trace.h.
 *
 * Each call is recorded when it begins, so that ordinals are the order in which calls
 * were made, and completed when it returns. Under coroutines others may run in between;
 * the order of returns is recorded too, because that is the order of effects.
 *
 * Names are interned: a call carries small numbers, and a file keeps the name under which
 * it was opened even when it is renamed meanwhile, because that is what the program meant.
 */
#include "fault/disk_trace.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALLS_MIN 256
#define NAMES_MIN 32
#define TEXT_MIN  1024

struct disk_trace {
    struct disk disk;
    struct mem *mem;
    struct disk *inner;
    struct trace_call *calls;
    size_t count, calls_size;
    uint32_t ended; /* calls that have returned */
    size_t *names;  /* offsets into text; number 0 is "" */
    size_t name_count, names_size;
    char *text;
    size_t text_used, text_size;
    disk_trace_actor_fn *actor;
    void *actor_arg;
};

struct trace_dir {
    struct disk_dir dir;
    struct disk_dir *inner;
    uint32_t name;
};

struct trace_file {
    struct disk_file file;
    struct disk_file *inner;
    uint32_t dir, name;
};

static struct disk_trace *trace_of(struct disk *disk)
{
    return (struct disk_trace *)disk;
}

/* ---- recording ---- */

uint64_t trace_hash_bytes(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint64_t h = 0x9E3779B97F4A7C15u ^ n;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = (h ^ word) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
    }
    for (; n; n--, p++) {
        h = (h ^ *p) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
    }
    return h;
}

/* Room for one more element in an array of `size` elements; returns the array. */
static void *grow(struct mem *mem, void *array, size_t used, size_t *size, size_t first,
                  size_t element_bytes)
{
    if (used < *size) return array;
    size_t wanted = *size ? *size * 2 : first;
    while (wanted <= used)
        wanted *= 2;
    array = mem_resize(mem, array, wanted * element_bytes);
    if (!array) abort();
    *size = wanted;
    return array;
}

static uint32_t name_intern(struct disk_trace *t, const char *name)
{
    for (size_t i = t->name_count; i-- > 0;)
        if (!strcmp(t->text + t->names[i], name)) return (uint32_t)i;
    size_t n = strlen(name) + 1;
    t->names = grow(t->mem, t->names, t->name_count, &t->names_size, NAMES_MIN,
                    sizeof *t->names);
    t->text = grow(t->mem, t->text, t->text_used + n, &t->text_size, TEXT_MIN, 1);
    memcpy(t->text + t->text_used, name, n);
    t->names[t->name_count] = t->text_used;
    t->text_used += n;
    return (uint32_t)t->name_count++;
}

static size_t call_begin(struct disk_trace *t, const struct trace_call *call)
{
    t->calls =
        grow(t->mem, t->calls, t->count, &t->calls_size, CALLS_MIN, sizeof *t->calls);
    t->calls[t->count] = *call;
    t->calls[t->count].actor = t->actor ? t->actor(t->actor_arg) : 0;
    return t->count++;
}

/* Returns result, so that it can stand in a return. */
static int call_end(struct disk_trace *t, size_t ordinal, int result)
{
    if (ordinal < t->count) { /* else the trace was cleared meanwhile */
        t->calls[ordinal].result = result;
        t->calls[ordinal].order = t->ended++;
    }
    return result;
}

static size_t name_call_begin(struct disk_dir *dir, enum file_call call, const char *name,
                              enum site site)
{
    struct disk_trace *t = trace_of(dir->disk);
    return call_begin(t, &(struct trace_call){.call = call,
                                              .site = site,
                                              .dir = ((struct trace_dir *)dir)->name,
                                              .name = name_intern(t, name)});
}

static size_t file_call_begin(struct disk_file *file, enum file_call call, enum site site,
                              uint64_t offset)
{
    struct trace_file *f = (struct trace_file *)file;
    return call_begin(trace_of(file->disk), &(struct trace_call){.call = call,
                                                                 .site = site,
                                                                 .dir = f->dir,
                                                                 .name = f->name,
                                                                 .offset = offset});
}

/* ---- directories ---- */

static struct disk_dir *inner_dir(struct disk_dir *dir)
{
    return ((struct trace_dir *)dir)->inner;
}

static int trace_mkdir(struct disk *disk, const char *name, enum site site)
{
    struct disk_trace *t = trace_of(disk);
    struct trace_call call = {
        .call = CALL_MKDIR, .site = site, .name = name_intern(t, name)};
    size_t i = call_begin(t, &call);
    return call_end(t, i, t->inner->ops->mkdir(t->inner, name, site));
}

static int trace_rmdir(struct disk *disk, const char *name, enum site site)
{
    struct disk_trace *t = trace_of(disk);
    struct trace_call call = {
        .call = CALL_RMDIR, .site = site, .name = name_intern(t, name)};
    size_t i = call_begin(t, &call);
    return call_end(t, i, t->inner->ops->rmdir(t->inner, name, site));
}

static int trace_dir_open(struct disk *disk, const char *name, struct disk_dir **out)
{
    struct disk_trace *t = trace_of(disk);
    struct disk_dir *inner;
    int e = t->inner->ops->dir_open(t->inner, name, &inner);
    if (e) return e;
    struct trace_dir *dir = mem_alloc(t->mem, sizeof *dir);
    if (!dir) abort();
    *dir = (struct trace_dir){{disk}, inner, name_intern(t, name)};
    *out = &dir->dir;
    return 0;
}

static void trace_dir_close(struct disk_dir *dir)
{
    struct disk_trace *t = trace_of(dir->disk);
    t->inner->ops->dir_close(inner_dir(dir));
    mem_free(t->mem, dir);
}

static int trace_dir_sync(struct disk_dir *dir, enum site site)
{
    struct disk_trace *t = trace_of(dir->disk);
    size_t i = name_call_begin(dir, CALL_SYNC, "", site);
    return call_end(t, i, t->inner->ops->dir_sync(inner_dir(dir), site));
}

static int trace_list(struct disk_dir *dir, disk_list_fn *fn, void *arg)
{
    return trace_of(dir->disk)->inner->ops->list(inner_dir(dir), fn, arg);
}

static int trace_rename(struct disk_dir *dir, const char *from, const char *to,
                        enum site site)
{
    struct disk_trace *t = trace_of(dir->disk);
    size_t i = name_call_begin(dir, CALL_RENAME, from, site);
    t->calls[i].to_dir = t->calls[i].dir;
    t->calls[i].to = name_intern(t, to);
    return call_end(t, i, t->inner->ops->rename(inner_dir(dir), from, to, site));
}

static int trace_link(struct disk_dir *dir, const char *name, struct disk_dir *to_dir,
                      const char *to, enum site site)
{
    struct disk_trace *t = trace_of(dir->disk);
    size_t i = name_call_begin(dir, CALL_LINK, name, site);
    t->calls[i].to_dir = ((struct trace_dir *)to_dir)->name;
    t->calls[i].to = name_intern(t, to);
    return call_end(
        t, i, t->inner->ops->link(inner_dir(dir), name, inner_dir(to_dir), to, site));
}

static int trace_unlink(struct disk_dir *dir, const char *name, enum site site)
{
    struct disk_trace *t = trace_of(dir->disk);
    size_t i = name_call_begin(dir, CALL_UNLINK, name, site);
    return call_end(t, i, t->inner->ops->unlink(inner_dir(dir), name, site));
}

static struct disk_file *file_wrap(struct disk_dir *dir, const char *name, enum site site,
                                   struct disk_file *inner)
{
    struct disk_trace *t = trace_of(dir->disk);
    struct trace_file *file = mem_alloc(t->mem, sizeof *file);
    if (!file) abort();
    inner->kind = site_kind(site);
    *file = (struct trace_file){{dir->disk, site_kind(site)},
                                inner,
                                ((struct trace_dir *)dir)->name,
                                name_intern(t, name)};
    return &file->file;
}

static int trace_lock(struct disk_dir *dir, const char *name, enum site site,
                      struct disk_file **out)
{
    struct disk_trace *t = trace_of(dir->disk);
    struct disk_file *inner;
    size_t i = name_call_begin(dir, CALL_LOCK, name, site);
    int e = call_end(t, i, t->inner->ops->lock(inner_dir(dir), name, site, &inner));
    if (!e) *out = file_wrap(dir, name, site, inner);
    return e;
}

/* ---- files ---- */

static struct disk_file *inner_file(struct disk_file *file)
{
    return ((struct trace_file *)file)->inner;
}

static int trace_open(struct disk_dir *dir, const char *name, unsigned flags,
                      enum site site, struct disk_file **out)
{
    struct disk_trace *t = trace_of(dir->disk);
    struct disk_file *inner;
    int e;
    if (flags & (DISK_CREATE | DISK_TRUNC)) {
        size_t i = name_call_begin(dir, CALL_OPEN, name, site);
        t->calls[i].offset = flags;
        e = call_end(t, i,
                     t->inner->ops->open(inner_dir(dir), name, flags, site, &inner));
    } else {
        e = t->inner->ops->open(inner_dir(dir), name, flags, site, &inner);
    }
    if (!e) *out = file_wrap(dir, name, site, inner);
    return e;
}

static void trace_close(struct disk_file *file)
{
    struct disk_trace *t = trace_of(file->disk);
    t->inner->ops->close(inner_file(file));
    mem_free(t->mem, file);
}

static int trace_read(struct disk_file *file, uint64_t offset, void *buf, size_t n,
                      size_t *got)
{
    return trace_of(file->disk)->inner->ops->read(inner_file(file), offset, buf, n, got);
}

static int trace_write(struct disk_file *file, uint64_t offset, const void *buf, size_t n,
                       enum site site, size_t *put)
{
    struct disk_trace *t = trace_of(file->disk);
    size_t i = file_call_begin(file, CALL_WRITE, site, offset);
    t->calls[i].length = n;
    t->calls[i].hash = trace_hash_bytes(buf, n);
    int e = t->inner->ops->write(inner_file(file), offset, buf, n, site, put);
    call_end(t, i, e);
    if (!e && i < t->count) t->calls[i].result = (int64_t)*put;
    return e;
}

static int trace_sync(struct disk_file *file, enum disk_sync_mode mode, enum site site)
{
    struct disk_trace *t = trace_of(file->disk);
    size_t i = file_call_begin(file, CALL_SYNC, site, mode);
    return call_end(t, i, t->inner->ops->sync(inner_file(file), mode, site));
}

static int trace_size(struct disk_file *file, uint64_t *out)
{
    return trace_of(file->disk)->inner->ops->size(inner_file(file), out);
}

static int trace_truncate(struct disk_file *file, uint64_t size, enum site site)
{
    struct disk_trace *t = trace_of(file->disk);
    size_t i = file_call_begin(file, CALL_TRUNCATE, site, size);
    return call_end(t, i, t->inner->ops->truncate(inner_file(file), size, site));
}

static int trace_allocate(struct disk_file *file, uint64_t size, enum site site)
{
    struct disk_trace *t = trace_of(file->disk);
    size_t i = file_call_begin(file, CALL_ALLOCATE, site, size);
    return call_end(t, i, t->inner->ops->allocate(inner_file(file), size, site));
}

static int trace_map(struct disk_file *file, uint64_t size, const uint8_t **out)
{
    struct disk_file *inner = inner_file(file);
    if (!inner->disk->ops->map) return -EOPNOTSUPP;
    return inner->disk->ops->map(inner, size, out);
}

static void trace_unmap(struct disk *disk, const uint8_t *bytes, uint64_t size)
{
    struct disk *inner = trace_of(disk)->inner;
    inner->ops->unmap(inner, bytes, size);
}

/* A fault point above answered for this sync. What error it gave is not known here. */
static void trace_sync_failed(struct disk_dir *dir, struct disk_file *file,
                              enum site site)
{
    struct disk *disk = file ? file->disk : dir->disk;
    struct disk_trace *t = trace_of(disk);
    size_t i = file ? file_call_begin(file, CALL_SYNC, site, 0)
                    : name_call_begin(dir, CALL_SYNC, "", site);
    if (t->inner->ops->sync_failed)
        t->inner->ops->sync_failed(dir ? inner_dir(dir) : NULL,
                                   file ? inner_file(file) : NULL, site);
    call_end(t, i, -EIO);
}

static const struct disk_ops trace_ops = {
    .mkdir = trace_mkdir,
    .rmdir = trace_rmdir,
    .dir_open = trace_dir_open,
    .dir_close = trace_dir_close,
    .dir_sync = trace_dir_sync,
    .list = trace_list,
    .rename = trace_rename,
    .link = trace_link,
    .unlink = trace_unlink,
    .lock = trace_lock,
    .open = trace_open,
    .close = trace_close,
    .read = trace_read,
    .write = trace_write,
    .sync = trace_sync,
    .size = trace_size,
    .truncate = trace_truncate,
    .allocate = trace_allocate,
    .sync_failed = trace_sync_failed,
    .map = trace_map,
    .unmap = trace_unmap,
};

/* ---- the trace itself ---- */

int disk_trace_new(struct mem *mem, struct disk *inner, struct disk_trace **out)
{
    struct disk_trace *t = mem_zalloc(mem, sizeof *t);
    if (!t) return -ENOMEM;
    t->disk.ops = &trace_ops;
    t->mem = mem;
    t->inner = inner;
    name_intern(t, "");
    *out = t;
    return 0;
}

void disk_trace_free(struct disk_trace *t)
{
    mem_free(t->mem, t->calls);
    mem_free(t->mem, t->names);
    mem_free(t->mem, t->text);
    mem_free(t->mem, t);
}

struct disk *disk_trace_disk(struct disk_trace *t)
{
    return &t->disk;
}

void disk_trace_set_actor(struct disk_trace *t, disk_trace_actor_fn *fn, void *arg)
{
    t->actor = fn;
    t->actor_arg = arg;
}

void disk_trace_mark(struct disk_trace *t, uint64_t number)
{
    call_begin(t, &(struct trace_call){.mark = true, .offset = number});
}

size_t disk_trace_count(const struct disk_trace *t)
{
    return t->count;
}

const struct trace_call *disk_trace_call(const struct disk_trace *t, size_t ordinal)
{
    assert(ordinal < t->count);
    return &t->calls[ordinal];
}

const char *disk_trace_name(const struct disk_trace *t, uint32_t name)
{
    assert(name < t->name_count);
    return t->text + t->names[name];
}

void disk_trace_clear(struct disk_trace *t)
{
    t->count = 0;
    t->ended = 0;
}

/* ---- comparing and printing ---- */

static uint64_t name_hash(const struct disk_trace *t, uint32_t name)
{
    const char *text = disk_trace_name(t, name);
    return trace_hash_bytes(text, strlen(text));
}

/* Over texts, not over their numbers: two traces may have met the names in another
 * order. */
static uint64_t call_hash(const struct disk_trace *t, const struct trace_call *c)
{
    uint64_t fields[] = {
        (uint64_t)c->mark << 48 | (uint64_t)c->call << 32 | (uint64_t)c->site,
        c->actor,
        name_hash(t, c->dir),
        name_hash(t, c->name),
        name_hash(t, c->to_dir),
        name_hash(t, c->to),
        c->offset,
        c->length,
        c->hash,
        (uint64_t)c->result,
        c->order,
    };
    return trace_hash_bytes(fields, sizeof fields);
}

uint64_t disk_trace_hash(const struct disk_trace *t)
{
    uint64_t h = t->count;
    for (size_t i = 0; i < t->count; i++) {
        uint64_t pair[2] = {h, call_hash(t, &t->calls[i])};
        h = trace_hash_bytes(pair, sizeof pair);
    }
    return h;
}

long disk_trace_difference(const struct disk_trace *a, const struct disk_trace *b)
{
    size_t n = a->count < b->count ? a->count : b->count;
    for (size_t i = 0; i < n; i++)
        if (call_hash(a, &a->calls[i]) != call_hash(b, &b->calls[i])) return (long)i;
    return a->count == b->count ? -1 : (long)n;
}

/* What the call was asked to do, beyond the names. */
static void arguments_text(const struct disk_trace *t, const struct trace_call *c,
                           char *buf, size_t n)
{
    buf[0] = 0;
    if (c->call == CALL_WRITE)
        snprintf(buf, n, " [%llu,+%llu) %016llx", (unsigned long long)c->offset,
                 (unsigned long long)c->length, (unsigned long long)c->hash);
    if (c->call == CALL_TRUNCATE || c->call == CALL_ALLOCATE)
        snprintf(buf, n, " %llu", (unsigned long long)c->offset);
    if (c->call == CALL_RENAME || c->call == CALL_LINK)
        snprintf(buf, n, " to %s/%s", disk_trace_name(t, c->to_dir),
                 disk_trace_name(t, c->to));
    if (c->call == CALL_SYNC && *disk_trace_name(t, c->name))
        snprintf(buf, n, c->offset == DISK_SYNC_DATA ? " (data)" : " (all)");
}

int disk_trace_text(const struct disk_trace *t, size_t ordinal, char *buf, size_t n)
{
    const struct trace_call *c = disk_trace_call(t, ordinal);
    if (c->mark)
        return snprintf(buf, n, "#%zu -- mark %llu", ordinal,
                        (unsigned long long)c->offset);
    char arguments[2 * DISK_NAME_MAX + 16], actor[24] = "";
    arguments_text(t, c, arguments, sizeof arguments);
    if (c->actor) snprintf(actor, sizeof actor, " by %u", c->actor);
    return snprintf(buf, n, "#%zu %s %s/%s%s%s = %lld", ordinal, site_name(c->site),
                    disk_trace_name(t, c->dir), disk_trace_name(t, c->name), arguments,
                    actor, (long long)c->result);
}
