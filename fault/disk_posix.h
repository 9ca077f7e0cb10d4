/* disk_posix.h - the real disk behind the shim.
 *
 * Flow:    server main, tests > disk_posix_new > struct disk; shim.c > its table > the OS
 * Owns:    the root's descriptor; each handle owns one.
 * Errors:  what the operating system answers, as a negative errno. Opening what is no file:
 *          -EISDIR, -ELOOP for a symbolic link, -ENXIO for pipes, sockets and devices.
 * Threads: as disk.h says.
 * Crash:   sync is fsync or fdatasync and nothing cleverer: what they promise holds.
 * Tests:   tests/fault/disk_posix_test.c
 *
 * Everything is relative to a directory's descriptor, so a directory that is renamed
 * while it is open stays the same directory. Symbolic links are followed for the root and
 * for directories below it (a user may keep a store on another disk) and never for files.
 */
#ifndef FAULT_DISK_POSIX_H
#define FAULT_DISK_POSIX_H

#include "fault/disk.h"
#include "fault/mem.h"

/* The disk whose root is the existing directory `root_path`. */
int disk_posix_new(struct mem *mem, const char *root_path, struct disk **out);
/* The disk whose root is the directory around the root of `below`; -ENOENT at the top of
 * the file system. Where its root may not be read, opening "." answers -EACCES. */
int disk_posix_above(struct mem *mem, struct disk *below, struct disk **out);
/* REQUIRES: every handle was closed. */
void disk_posix_free(struct disk *disk);

#endif
