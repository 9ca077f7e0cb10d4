/* levels.h - levels of tables, written down as text.
 *
 * Owns: one simulated disk, one directory, one counting allocator and the tables; the
 *       suites of version, survivors, compaction and level iterator are built on it.
 *
 * Entries are words: "a@5=x" is a put of a with number 5 and value x, "b@3-" a tombstone.
 */
#ifndef TESTS_SUPPORT_LEVELS_H
#define TESTS_SUPPORT_LEVELS_H

#include "engine/version.h"
#include "fault/disk_sim.h"

#define LEVELS_TEXT_BYTES 4096

struct levels {
    struct mem_counting mem; /* of the code under test */
    struct disk *disk;
    struct disk_dir *dir;
    struct sst_files files;
    struct options options;
    struct err_detail why;
    struct version_change list[64]; /* what levels_seal makes a version of */
    size_t count;
    struct version *version;
    int retired; /* tables that nobody refers to any more */
    uint64_t next_number;
};

void levels_begin(struct levels *l);
/* Gives up the version and checks that nothing leaked. */
void levels_end(struct levels *l);

/* A table of these entries on disk, open, in level `level` of the version to come. */
struct table *levels_add(struct levels *l, unsigned level, const char *entries);
/* A table that is nothing but its bounds and its size. */
struct table *levels_fake(struct levels *l, unsigned level, const char *smallest,
                          const char *largest, uint64_t size);
/* Makes l->version of all tables that were added; they belong to it from now on. */
void levels_seal(struct levels *l);
/* What a version does with a table that nobody refers to; `arg` is the levels. */
void levels_retire(void *arg, struct table *table);

/* The entries of tables as text, tables separated by " | ". */
void levels_text(struct levels *l, struct table *const *tables, size_t count,
                 char out[LEVELS_TEXT_BYTES]);
/* Writes an entry at out + used; the new length. */
size_t levels_print(char *out, size_t used, slice key, uint64_t tag, slice value);

#endif
