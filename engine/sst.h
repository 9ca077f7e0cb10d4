/* sst.h - a sorted table: an immutable file of blocks with filter, index and footer.
 *
 * Flow:    flush, compact > sst_builder > file > sst_open > sst_get, sst_iter > db
 * Owns:    a builder owns its file until finish or abandon; an sst owns its index, its
 *          filter and its map.
 * Borrows: values of sst_get and iterators: see there.
 * Errors:  ERR_CORRUPT names file and offset; ERR_MISSING the file; nothing is skipped.
 * Threads: jobs may open tables and iterate (not shared) while the owner reads. All else
 *          belongs to the owner thread, the cache and the list of open files included.
 * Crash:   after sst_builder_finish returned the bytes are durable; the *name* is durable
 *          after the caller synced the directory. A table is never changed in place.
 * Format:  docs/formats.md#sorted-tables
 * Tests:   tests/engine/sst_write_test.c, tests/engine/sst_read_test.c
 *
 * File: data blocks | filter | index | properties | footer. Everything behind the data
 * blocks is the tail; its length stands in the manifest, so that opening a table is one
 * open, one size and one read.
 */
#ifndef ENGINE_SST_H
#define ENGINE_SST_H

#include "engine/err.h"
#include "engine/ikey.h"
#include "engine/iter.h"
#include "engine/options.h"
#include "engine/sst_files.h"
#include "fault/disk.h"
#include "fault/mem.h"

/* What the manifest knows of a table. */
struct sst_meta {
    uint64_t number;     /* file name: NNNNNN.sst */
    uint64_t size;       /* bytes of the file */
    uint64_t tail_bytes; /* filter, index, properties, footer */
    uint64_t entries;
    uint64_t tombstones;
    seqno min_seq, max_seq;
    uint32_t checksum; /* of the footer, which holds those of all other parts */
    slice smallest;    /* user keys; owned by whoever owns the meta */
    slice largest;
};

#define SST_NAME_BYTES 32
void sst_name(uint64_t number, char out[SST_NAME_BYTES]);

/* ---- writing ---- */

struct sst_builder;

/* Creates NNNNNN.sst, emptying a leftover of a cut recovery. What `level` it is for decides
 * whether its blocks are encoded. */
enum err sst_builder_new(struct mem *mem, struct disk_dir *dir, uint64_t number,
                         unsigned level, const struct options *options,
                         struct sst_builder **out, struct err_detail *why);
/* REQUIRES: ikeys strictly ascending. After an error only abandon is allowed. */
enum err sst_builder_add(struct sst_builder *b, slice key, uint64_t tag, slice value,
                         struct err_detail *why);
/* Estimated bytes of the file so far. */
uint64_t sst_builder_bytes(const struct sst_builder *b);
/* Writes the rest, syncs and closes the file. *meta's keys are allocated from mem, one
 * block for both, with smallest.data as its start; sst_meta_deinit frees it. The builder
 * is freed in any case. REQUIRES: at least one entry. */
enum err sst_builder_finish(struct sst_builder *b, struct sst_meta *meta,
                            struct err_detail *why);
/* Closes the file and frees the builder; the unnamed leftover is the caller's to unlink. */
void sst_builder_abandon(struct sst_builder *b);
void sst_meta_deinit(struct sst_meta *meta, struct mem *mem);
/* A deep copy. */
enum err sst_meta_copy(struct sst_meta *out, const struct sst_meta *from,
                       struct mem *mem);

/* ---- reading ---- */

struct sst;

/* Opens and verifies size, footer, index, filter and properties against `meta`, whose
 * keys are not kept. No descriptor stays open. */
enum err sst_open(struct sst_files *files, const struct sst_meta *meta, struct sst **out,
                  struct err_detail *why);
void sst_close(struct sst *sst);

/* Where a value that was read lies: give it to sst_pin_release when done with the value.
 * A zeroed pin holds nothing. */
struct sst_pin {
    struct cache_entry *entry; /* a pinned block of the cache, or */
    uint8_t *block;            /* a block of our own (cache off, large value) */
};
void sst_pin_release(struct sst *sst, struct sst_pin *pin);

/* What is looked for, in all tables of a store. */
struct sst_query {
    slice key;
    uint64_t tag;  /* of the first version that counts */
    uint64_t hash; /* filter_hash of the key, taken once */
};
struct sst_query sst_query_of(slice key, seqno seq);

/* Newest version of the key with a number <= the query's. *found false: the table knows
 * nothing of it. The value points into the block that `pin` (released before by the
 * caller) holds, or into the table's map, and is valid until that and the table go. */
enum err sst_get(struct sst *sst, const struct sst_query *query, bool *found,
                 uint64_t *tag, slice *value, struct sst_pin *pin,
                 struct err_detail *why);
/* False when the filter says that the key is not in the table. */
bool sst_may_contain(const struct sst *sst, const struct sst_query *query);
/* shared false: for jobs on other threads; reads blocks through a descriptor of its own
 * into a buffer of its own. NULL without memory. `why` (may be NULL) is filled when the
 * iterator fails and must outlive it. */
struct iter *sst_iter(struct sst *sst, struct mem *mem, bool shared,
                      struct err_detail *why);
/* Moves the iterator to another table and keeps its buffers; not valid until the next
 * move. One that was made with sst NULL is for this. */
void sst_iter_use(struct iter *iter, struct sst *sst);
/* Reads everything: every block's checksum, the order, counts and bounds against meta. */
enum err sst_check(struct sst *sst, const struct sst_meta *meta, struct err_detail *why);
/* The same, but every damaged block is told to fn, not only the first; returns that one's
 * error. REQUIRES: why. */
typedef void sst_finding_fn(void *arg, enum err code, const struct err_detail *why);
enum err sst_check_each(struct sst *sst, const struct sst_meta *meta, sst_finding_fn *fn,
                        void *arg, struct err_detail *why);
/* Bytes of memory held: index, filter. */
size_t sst_memory(const struct sst *sst);
/* Bytes of the file that are shown as memory; they are the system's, not ours. */
uint64_t sst_mapped(const struct sst *sst);
/* Bytes that encoding saved: without it the file would be so much longer. NULL, a table
 * that is not open: 0. */
uint64_t sst_saved(const struct sst *sst);

#endif
