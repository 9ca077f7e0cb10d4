/* sst_salvage.h - what can still be read of a table whose parts may be damaged.
 *
 * Flow:    db_repair > sst_salvage_open > sst_salvage_iter > a new table
 * Owns:    a salvage owns a list of blocks, no descriptor.
 * Borrows: the directory outlives it; keys of losses are valid during the call.
 * Errors:  damage is told, not answered; errors are a missing file, memory, a newer format.
 * Threads: any, one at a time.
 * Crash:   nothing is changed.
 * Tests:   tests/engine/sst_salvage_test.c
 *
 * Where the blocks lie is taken from the index. When footer or index are damaged it is
 * found out: a block ends where the checksum of what lies behind its beginning stands.
 */
#ifndef ENGINE_SST_SALVAGE_H
#define ENGINE_SST_SALVAGE_H

#include "engine/sst.h"

/* A run of bytes that gave no entries. The keys of the intact entries around it; data
 * NULL: none on that side. */
struct sst_loss {
    uint64_t offset, bytes;
    const char *what;
    slice after, before;
};
typedef void sst_loss_fn(void *arg, uint64_t number, const struct sst_loss *loss);

struct sst_salvage;

/* Reads the whole file. `known` is what the manifest says of the table: entries outside
 * its bounds are not this table's, and of a file that was cut it knows how much is lost.
 * NULL: the manifest is lost; without a footer nobody knows where the blocks ended. */
enum err sst_salvage_open(struct mem *mem, struct disk_dir *dir, uint64_t number,
                          const struct sst_meta *known, sst_loss_fn *loss, void *arg,
                          struct sst_salvage **out, struct err_detail *why);
void sst_salvage_close(struct sst_salvage *s);
/* Entries in intact blocks. */
uint64_t sst_salvage_entries(const struct sst_salvage *s);
seqno sst_salvage_max_seq(const struct sst_salvage *s);
/* All data blocks are there, whatever became of the rest. */
bool sst_salvage_complete(const struct sst_salvage *s);
/* The entries in order; goes forward only, from the first. NULL without memory. */
struct iter *sst_salvage_iter(const struct sst_salvage *s, struct mem *mem);

#endif
