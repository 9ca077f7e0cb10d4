/* disk.h - the only road to files: the shim's calls, and the interface behind them.
 *
 * Flow:    engine, server > disk_*() [site, fault point] > struct disk_ops > posix | sim
 * Owns:    a disk owns its directories and files only through their handles: whoever
 *          opened a handle closes it.
 * Errors:  every call returns 0 or a negative errno. Out-parameters are written on
 *          success only, except the counts of read and write.
 * Threads: a disk may be used by several threads if each handle is used by one at a time
 *          (a file may be synced by one thread while another writes to it).
 * Crash:   nothing is durable before a sync returned 0: disk_sync for bytes and size,
 *          disk_dir_sync for names (docs/crash-model.md).
 * Tests:   tests/fault/disk_posix_test.c, tests/fault/disk_differential_test.c
 *
 * Names are single path components, relative to a directory handle: no call takes a path.
 * The root of a disk is the *parent* of a store's directory, so that creating a store and
 * syncing its parent are part of what may fail. There are no mapped writes and there is
 * no asynchronous I/O: both would pass the shim by. Reads may be mapped, of files that
 * never change again, and at the reader's risk: see disk_map.
 */
#ifndef FAULT_DISK_H
#define FAULT_DISK_H

#include <stddef.h>
#include <stdint.h>

#include "fault/sites.h"

struct disk;
struct disk_dir;
struct disk_file;

#define DISK_NAME_MAX 255 /* bytes of a name, the terminating zero not counted */

enum disk_open_flags {
    DISK_READ = 1,   /* reads are allowed */
    DISK_WRITE = 2,  /* writes, truncate, allocate are allowed */
    DISK_CREATE = 4, /* create when absent */
    DISK_EXCL = 8,   /* with DISK_CREATE: -EEXIST when present */
    DISK_TRUNC = 16, /* cut to size 0 */
};

enum disk_sync_mode {
    DISK_SYNC_FULL, /* fsync: bytes, size, truncation */
    DISK_SYNC_DATA, /* fdatasync: bytes, and the size when it grew */
};

/* ---- directories ---- */

/* Creates the directory `name` below the root; -EEXIST when present. Durable after a
 * disk_dir_sync of the root. */
int disk_mkdir(struct disk *disk, const char *name, enum site site);
/* Removes the empty directory `name` below the root. */
int disk_rmdir(struct disk *disk, const char *name, enum site site);
/* Opens the directory `name` below the root; "." is the root itself. */
int disk_dir_open(struct disk *disk, const char *name, struct disk_dir **out);
void disk_dir_close(struct disk_dir *dir);
/* Makes every earlier change of names in `dir` durable, and no file's bytes. */
int disk_dir_sync(struct disk_dir *dir, enum site site);

/* Called once per name; a non-zero return stops the listing and is returned. */
typedef int disk_list_fn(void *arg, const char *name);
/* Lists the names in byte order ("." and ".." left out), so that no behaviour depends
 * on the order in which a directory happens to store them. */
int disk_list(struct disk_dir *dir, disk_list_fn *fn, void *arg);

/* Renames within one directory, replacing `to` when present. All openers see either the
 * old or the new file under `to`; durable after disk_dir_sync. */
int disk_rename(struct disk_dir *dir, const char *from, const char *to, enum site site);
/* Gives the file `name` a second name, possibly in another directory, also one below
 * another disk's root; -EEXIST when that name is taken, -EXDEV when it would lie on another
 * file system. Durable after a sync of the second directory. */
int disk_link(struct disk_dir *dir, const char *name, struct disk_dir *to_dir,
              const char *to, enum site site);
/* Removes a name. After a power cut it may be back until disk_dir_sync returned. */
int disk_unlink(struct disk_dir *dir, const char *name, enum site site);
/* Creates the file when absent, opens it and takes an exclusive lock that ends with
 * disk_close or with the process; -EWOULDBLOCK when somebody else holds it. A file that may
 * only be read is locked, too. */
int disk_lock(struct disk_dir *dir, const char *name, enum site site,
              struct disk_file **out);

/* ---- files ---- */

/* `site` gives the kind of file to later reads and closes also when nothing is created. */
int disk_open(struct disk_dir *dir, const char *name, unsigned flags, enum site site,
              struct disk_file **out);
void disk_close(struct disk_file *file);
/* Reads up to n bytes at `offset`. *got < n with return 0 means end of file. Short reads
 * and EINTR of the disk are repeated here. */
int disk_read(struct disk_file *file, uint64_t offset, void *buf, size_t n, size_t *got);
/* Writes all n bytes at `offset`; a gap is filled with zeros. On an error the first *put
 * bytes were written and *more than these may have been*. Short writes and EINTR are
 * repeated here. `put` may be NULL. */
int disk_write(struct disk_file *file, uint64_t offset, const void *buf, size_t n,
               enum site site, size_t *put);
/* Makes everything durable that was written to the file before the call was *entered*.
 * An error is final for the pages that were pending: they may be gone although a later
 * sync returns 0. The name of the file is not made durable. */
int disk_sync(struct disk_file *file, enum disk_sync_mode mode, enum site site);
int disk_size(struct disk_file *file, uint64_t *out);
/* Shows the first `size` bytes of a file as memory, for reading only, until disk_unmap; the
 * file may be closed before. -EOPNOTSUPP: this disk cannot; whoever maps must be able to
 * read, too. An error of the medium below mapped memory is no answer but the end of the
 * process (SIGBUS): bytes count as there after disk_read has returned them once, for then
 * they are in the system's cache. REQUIRES: the file has these bytes, and they never change
 * while they are mapped; size > 0. */
int disk_map(struct disk_file *file, uint64_t size, const uint8_t **out);
void disk_unmap(struct disk *disk, const uint8_t *bytes, uint64_t size);
int disk_truncate(struct disk_file *file, uint64_t size, enum site site);
/* Reserves space and grows the file with zeros to `size` when it is smaller. */
int disk_allocate(struct disk_file *file, uint64_t size, enum site site);

/* ---- behind the shim ---- */

/* One implementation. Each function is one attempt: read and write may be short, EINTR
 * may come. Wrappers (trace, ordering assert) implement the table and call an inner
 * disk's table directly, so that a fault point fires once, at the top. */
struct disk_ops {
    int (*mkdir)(struct disk *, const char *name, enum site);
    int (*rmdir)(struct disk *, const char *name, enum site);
    int (*dir_open)(struct disk *, const char *name, struct disk_dir **out);
    void (*dir_close)(struct disk_dir *);
    int (*dir_sync)(struct disk_dir *, enum site);
    int (*list)(struct disk_dir *, disk_list_fn *, void *arg);
    int (*rename)(struct disk_dir *, const char *from, const char *to, enum site);
    int (*link)(struct disk_dir *, const char *name, struct disk_dir *to_dir,
                const char *to, enum site);
    int (*unlink)(struct disk_dir *, const char *name, enum site);
    int (*lock)(struct disk_dir *, const char *name, enum site, struct disk_file **out);
    int (*open)(struct disk_dir *, const char *name, unsigned flags, enum site,
                struct disk_file **out);
    void (*close)(struct disk_file *);
    int (*read)(struct disk_file *, uint64_t offset, void *buf, size_t n, size_t *got);
    int (*write)(struct disk_file *, uint64_t offset, const void *buf, size_t n,
                 enum site, size_t *put);
    int (*sync)(struct disk_file *, enum disk_sync_mode, enum site);
    int (*size)(struct disk_file *, uint64_t *out);
    int (*truncate)(struct disk_file *, uint64_t size, enum site);
    int (*allocate)(struct disk_file *, uint64_t size, enum site);
    /* The shim is about to answer an error for a sync of this file (or, with file NULL,
     * of this directory) instead of calling `sync`: the pending pages become clean (R13).
     * May be NULL: a real disk does that by itself. */
    void (*sync_failed)(struct disk_dir *, struct disk_file *, enum site);
    /* Both may be NULL: not supported. */
    int (*map)(struct disk_file *, uint64_t size, const uint8_t **out);
    void (*unmap)(struct disk *, const uint8_t *bytes, uint64_t size);
};

/* The first member of every implementation's own struct. */
struct disk {
    const struct disk_ops *ops;
};
struct disk_dir {
    struct disk *disk;
};
struct disk_file {
    struct disk *disk;
    enum file_kind kind;
};

#endif
