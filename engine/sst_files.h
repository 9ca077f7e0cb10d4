/* sst_files.h - what the tables of a store share: its directory, the block cache, and the
 * descriptors that are open for reading, at most so many.
 *
 * Flow:    sst_get, sst_iter > sst_files_get > disk_open
 * Owns:    the descriptors of the tables on its list.
 * Borrows: everything it was initialised with, until it is deinitialised.
 * Errors:  those of opening a file, with the file's name; nothing has changed after one.
 * Threads: the owner thread. Jobs use sst_file_open and what stays the same: mem, dir, map.
 * Tests:   tests/engine/sst_files_test.c
 *
 * A table has a descriptor while somebody reads blocks of it from the file. The one that
 * was used longest ago is closed when another is needed; the next read opens it again.
 */
#ifndef ENGINE_SST_FILES_H
#define ENGINE_SST_FILES_H

#include <stdbool.h>

#include "engine/cache.h"
#include "engine/err.h"
#include "fault/disk.h"
#include "fault/mem.h"

/* The file of one table. */
struct sst_file {
    uint64_t number;
    struct disk_file *file;         /* NULL: closed */
    struct sst_file *older, *newer; /* on the list while open, by last use */
};

struct sst_files {
    struct mem *mem;
    struct disk_dir *dir;
    struct cache *cache; /* NULL: none */
    bool map;            /* show tables as memory where the disk can */
    size_t open_max;     /* at least 1 */
    size_t open;         /* descriptors on the list */
    uint64_t opened;     /* times that one was opened */
    /* by sst_get */
    uint64_t asked, filter_negatives, filter_false_positives;
    struct sst_file *newest, *oldest;
};

/* Opens the file of a table for reading. */
enum err sst_file_open(struct disk_dir *dir, uint64_t number, struct disk_file **out,
                       struct err_detail *why);
/* The descriptor of a table's file; valid until the next call. */
enum err sst_files_get(struct sst_files *files, struct sst_file *f,
                       struct disk_file **out, struct err_detail *why);
/* Closes it if it is open. */
void sst_files_drop(struct sst_files *files, struct sst_file *f);

#endif
