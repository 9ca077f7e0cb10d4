/* One attempt at each call of disk.h, made with the calls of POSIX that take a directory
 * descriptor. This file and net_posix.c are where the program meets the kernel: keep
 * cleverness out of it.
 *
 * Why no O_DIRECT, O_DSYNC, mapped writes or io_uring: each has rules of its own for what
 * is durable when, and the simulated disk would have to be as cruel as all of them. What is
 * mapped here is read only.
 *
 * close() is not checked: on Linux the descriptor is gone whatever it answers, and an
 * error there says nothing that a sync before it would not have said. */
#include "fault/disk_posix.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h> /* renameat */
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE       0644 /* the user's umask takes from it */
#define DIRECTORY_MODE  0755
#define TRANSFER_MAX    ((size_t)1 << 30) /* bytes of one read or write */
#define LIST_ROOM_BYTES 8192

struct posix_disk {
    struct disk disk;
    struct mem *mem;
    int fd;      /* the root */
    int handles; /* open ones; changed by several threads */
};

struct posix_dir {
    struct disk_dir dir;
    int fd;
};

struct posix_file {
    struct disk_file file;
    int fd;
};

static struct posix_disk *posix(struct disk *disk)
{
    return (struct posix_disk *)disk;
}

static int dir_fd(struct disk_dir *dir)
{
    return ((struct posix_dir *)dir)->fd;
}

static int file_fd(struct disk_file *file)
{
    return ((struct posix_file *)file)->fd;
}

static int result(int rc)
{
    return rc < 0 ? -errno : 0;
}

static void count_handles(struct posix_disk *disk, int change)
{
    __atomic_add_fetch(&disk->handles, change, __ATOMIC_RELAXED);
}

/* ---- directories ---- */

static int posix_mkdir(struct disk *disk, const char *name, enum site site)
{
    (void)site;
    return result(mkdirat(posix(disk)->fd, name, DIRECTORY_MODE));
}

static int posix_rmdir(struct disk *disk, const char *name, enum site site)
{
    (void)site;
    return result(unlinkat(posix(disk)->fd, name, AT_REMOVEDIR));
}

static int posix_dir_open(struct disk *disk, const char *name, struct disk_dir **out)
{
    struct posix_disk *p = posix(disk);
    struct posix_dir *dir = mem_alloc(p->mem, sizeof *dir);
    if (!dir) return -ENOMEM;
    int fd = openat(p->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        int e = -errno;
        mem_free(p->mem, dir);
        return e;
    }
    *dir = (struct posix_dir){{disk}, fd};
    count_handles(p, 1);
    *out = &dir->dir;
    return 0;
}

static void posix_dir_close(struct disk_dir *dir)
{
    struct posix_disk *p = posix(dir->disk);
    close(dir_fd(dir));
    count_handles(p, -1);
    mem_free(p->mem, dir);
}

static int posix_dir_sync(struct disk_dir *dir, enum site site)
{
    (void)site;
    return result(fsync(dir_fd(dir)));
}

/* Shows the names of one buffer of the kernel's entries. */
static int list_entries(const char *buf, size_t n, disk_list_fn *fn, void *arg)
{
    for (size_t at = 0; at < n;) {
        const struct dirent64 *entry = (const struct dirent64 *)(buf + at);
        at += entry->d_reclen;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        int e = fn(arg, entry->d_name);
        if (e) return e;
    }
    return 0;
}

/* Through a descriptor of its own: the position in the listing belongs to it. */
static int posix_list(struct disk_dir *dir, disk_list_fn *fn, void *arg)
{
    int fd = openat(dir_fd(dir), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    _Alignas(struct dirent64) char buf[LIST_ROOM_BYTES];
    int e = 0;
    for (;;) {
        ssize_t n = getdents64(fd, buf, sizeof buf);
        if (n < 0) e = -errno;
        if (n <= 0) break;
        e = list_entries(buf, (size_t)n, fn, arg);
        if (e) break;
    }
    close(fd);
    return e;
}

/* ---- names ---- */

static int posix_rename(struct disk_dir *dir, const char *from, const char *to,
                        enum site site)
{
    (void)site;
    return result(renameat(dir_fd(dir), from, dir_fd(dir), to));
}

static int posix_link(struct disk_dir *dir, const char *name, struct disk_dir *to_dir,
                      const char *to, enum site site)
{
    (void)site;
    return result(linkat(dir_fd(dir), name, dir_fd(to_dir), to, 0));
}

static int posix_unlink(struct disk_dir *dir, const char *name, enum site site)
{
    (void)site;
    return result(unlinkat(dir_fd(dir), name, 0));
}

/* ---- opening ---- */

static int os_flags(unsigned flags)
{
    int os = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
    switch (flags & (DISK_READ | DISK_WRITE)) {
    case DISK_READ: os |= O_RDONLY; break;
    case DISK_WRITE: os |= O_WRONLY; break;
    default: os |= O_RDWR; break;
    }
    if (flags & DISK_CREATE) os |= O_CREAT;
    if (flags & DISK_EXCL) os |= O_EXCL;
    if (flags & DISK_TRUNC) os |= O_TRUNC;
    return os;
}

/* open() takes a directory for reading too, and would wait for the other end of a pipe; a
 * file neither is. */
static int check_is_file(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0) return -errno;
    if (S_ISDIR(st.st_mode)) return -EISDIR;
    return S_ISREG(st.st_mode) ? 0 : -ENXIO;
}

static int posix_open(struct disk_dir *dir, const char *name, unsigned flags,
                      enum site site, struct disk_file **out)
{
    struct posix_disk *p = posix(dir->disk);
    struct posix_file *file = mem_alloc(p->mem, sizeof *file);
    if (!file) return -ENOMEM;
    int e, fd = openat(dir_fd(dir), name, os_flags(flags), FILE_MODE);
    if (fd < 0) {
        e = -errno;
        goto fail_memory;
    }
    e = check_is_file(fd);
    if (e) goto fail_descriptor;
    *file = (struct posix_file){{dir->disk, site_kind(site)}, fd};
    count_handles(p, 1);
    *out = &file->file;
    return 0;
fail_descriptor:
    close(fd);
fail_memory:
    mem_free(p->mem, file);
    return e;
}

static void posix_close(struct disk_file *file)
{
    struct posix_disk *p = posix(file->disk);
    close(file_fd(file));
    count_handles(p, -1);
    mem_free(p->mem, file);
}

/* flock belongs to the opened file, so a second opener in this process is refused like
 * any other, and the lock cannot outlive the process. It does not ask how the file was
 * opened. */
static int posix_lock(struct disk_dir *dir, const char *name, enum site site,
                      struct disk_file **out)
{
    struct disk_file *file;
    int e = posix_open(dir, name, DISK_READ | DISK_WRITE | DISK_CREATE, site, &file);
    if ((e == -EROFS || e == -EACCES) &&
        posix_open(dir, name, DISK_READ, site, &file) == 0)
        e = 0;
    if (e) return e;
    e = result(flock(file_fd(file), LOCK_EX | LOCK_NB));
    if (e) {
        posix_close(file);
        return e;
    }
    *out = file;
    return 0;
}

/* ---- bytes ---- */

static int posix_read(struct disk_file *file, uint64_t offset, void *buf, size_t n,
                      size_t *got)
{
    if (n > TRANSFER_MAX) n = TRANSFER_MAX;
    ssize_t rc = pread(file_fd(file), buf, n, (off_t)offset);
    if (rc < 0) return -errno;
    *got = (size_t)rc;
    return 0;
}

static int posix_write(struct disk_file *file, uint64_t offset, const void *buf, size_t n,
                       enum site site, size_t *put)
{
    (void)site;
    if (n > TRANSFER_MAX) n = TRANSFER_MAX;
    ssize_t rc = pwrite(file_fd(file), buf, n, (off_t)offset);
    if (rc < 0) return -errno;
    *put = (size_t)rc;
    return 0;
}

static int posix_sync(struct disk_file *file, enum disk_sync_mode mode, enum site site)
{
    (void)site;
    if (mode == DISK_SYNC_DATA) return result(fdatasync(file_fd(file)));
    return result(fsync(file_fd(file)));
}

static int posix_size(struct disk_file *file, uint64_t *out)
{
    struct stat st;
    if (fstat(file_fd(file), &st) < 0) return -errno;
    *out = (uint64_t)st.st_size;
    return 0;
}

/* The pages are touched here and there: reading what lies around them would only push
 * others out. */
static int posix_map(struct disk_file *file, uint64_t size, const uint8_t **out)
{
    if (size > SIZE_MAX) return -EFBIG;
    void *bytes = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, file_fd(file), 0);
    if (bytes == MAP_FAILED) return -errno;
    madvise(bytes, (size_t)size, MADV_RANDOM);
    count_handles(posix(file->disk), 1);
    *out = bytes;
    return 0;
}

static void posix_unmap(struct disk *disk, const uint8_t *bytes, uint64_t size)
{
    munmap((void *)(uintptr_t)bytes, (size_t)size);
    count_handles(posix(disk), -1);
}

static int posix_truncate(struct disk_file *file, uint64_t size, enum site site)
{
    (void)site;
    return result(ftruncate(file_fd(file), (off_t)size));
}

/* posix_fallocate grows and never shrinks; where the file system cannot reserve, the C
 * library writes a byte to each block, which is what we would do. */
static int posix_allocate(struct disk_file *file, uint64_t size, enum site site)
{
    (void)site;
    return size ? -posix_fallocate(file_fd(file), 0, (off_t)size) : 0;
}

/* ---- the disk ---- */

static const struct disk_ops posix_ops = {
    .mkdir = posix_mkdir,
    .rmdir = posix_rmdir,
    .dir_open = posix_dir_open,
    .dir_close = posix_dir_close,
    .dir_sync = posix_dir_sync,
    .list = posix_list,
    .rename = posix_rename,
    .link = posix_link,
    .unlink = posix_unlink,
    .lock = posix_lock,
    .open = posix_open,
    .close = posix_close,
    .read = posix_read,
    .write = posix_write,
    .sync = posix_sync,
    .size = posix_size,
    .truncate = posix_truncate,
    .allocate = posix_allocate,
    .map = posix_map,
    .unmap = posix_unmap,
};

/* The disk around an open root, or the error of opening it; takes the descriptor. */
static int new_disk(struct mem *mem, int fd, struct disk **out)
{
    if (fd < 0) return -errno;
    struct posix_disk *p = mem_alloc(mem, sizeof *p);
    if (!p) {
        close(fd);
        return -ENOMEM;
    }
    *p = (struct posix_disk){{&posix_ops}, mem, fd, 0};
    *out = &p->disk;
    return 0;
}

int disk_posix_new(struct mem *mem, const char *root_path, struct disk **out)
{
    return new_disk(mem, open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), out);
}

/* The top is its own parent. */
static bool is_same(int a, int b)
{
    struct stat one, other;
    return !fstat(a, &one) && !fstat(b, &other) && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

int disk_posix_above(struct mem *mem, struct disk *below, struct disk **out)
{
    int inner = posix(below)->fd;
    int fd = openat(inner, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && is_same(fd, inner)) {
        close(fd);
        return -ENOENT;
    }
    return new_disk(mem, fd, out);
}

void disk_posix_free(struct disk *disk)
{
    struct posix_disk *p = posix(disk);
    assert(p->handles == 0);
    close(p->fd);
    mem_free(p->mem, p);
}
