/* table.h - fixture verbs for table files on a simulated disk.
 *
 * Owns: one disk, one directory, one counting allocator; table_begin makes them fresh and
 *       table_end checks that nothing leaked.
 */
#ifndef TESTS_SUPPORT_TABLE_H
#define TESTS_SUPPORT_TABLE_H

#include "engine/sst.h"
#include "tests/support/entries.h"

#define TABLE_NUMBER 7

struct table {
    struct mem_counting mem; /* of the code under test */
    struct disk *disk;
    struct disk_dir *dir;
    struct options options;
    uint64_t number; /* of the table that is written and looked at */
    struct err_detail why;
    struct sst_files files; /* its cache is that of the last table_open */
    struct sst_meta meta;   /* of the last table_write */
};

void table_begin(struct table *t);
void table_end(struct table *t);
/* Blocks of 64 bytes, restarts every two entries: the geometry of the crash tests. */
void table_tiny(struct table *t);

/* Writes all entries as table `number`, TABLE_NUMBER at first. */
enum err table_write(struct table *t, const struct entries *e);
/* Opens it with the meta of the last table_write. */
enum err table_open(struct table *t, struct cache *cache, struct sst **out);
/* The file's bytes (malloc), and putting them back in another form. */
uint8_t *table_bytes(struct table *t, size_t *size);
void table_replace(struct table *t, const uint8_t *bytes, size_t size);

/* Every entry is found by sst_get at its own number, wrong keys are not, iterating gives
 * all, and an iterator goes back and forth. True when all agree. */
bool table_agrees(struct table *t, struct sst *sst, const struct entries *e,
                  bool use_cache);
/* Reads everything; each answer is right or an error. False: a wrong answer. */
bool table_never_lies(struct table *t, struct sst *sst, const struct entries *e);

#endif
