/* memtable.h - the newest writes, sorted, in memory.
 *
 * Flow:    db_write > memtable_put > skiplist in an arena > memtable_iter > flush
 * Owns:    copies of all keys and values, in one arena freed as a whole.
 * Borrows: values that memtable_get returns live as long as the memtable.
 * Errors:  ERR_NOMEM leaves the memtable as it was.
 * Threads: one writer; once nobody writes any more, any number of readers.
 * Tests:   tests/engine/memtable_test.c
 */
#ifndef ENGINE_MEMTABLE_H
#define ENGINE_MEMTABLE_H

#include "engine/err.h"
#include "engine/ikey.h"
#include "engine/iter.h"
#include "fault/mem.h"

struct memtable;

/* bytes: what it is going to take, about; less memory than that is taken at once.
 * seed: of the hash and of the skiplist's heights; equal seeds and histories give equal
 * tables. Where strangers choose the keys it has to be one that they cannot guess. */
struct memtable *memtable_new(struct mem *mem, size_t bytes, uint64_t seed);
void memtable_free(struct memtable *m);

/* REQUIRES: (key, tag) is not in it. */
enum err memtable_put(struct memtable *m, slice key, uint64_t tag, slice value);
/* A put of the key comes soon: its place in the hash table is fetched meanwhile. Where a
 * batch is made and parsed in between, the put does not wait for it. */
void memtable_expect(const struct memtable *m, slice key);
/* Fetches what puts of these keys will touch into the cache. Their misses overlap, where
 * those of puts follow one another. */
void memtable_prefetch(const struct memtable *m, const slice *keys, size_t count);
/* Unlinks the entry (its memory stays with the arena): undo of an unsettled group.
 * REQUIRES: (key, tag) is in it. */
void memtable_remove(struct memtable *m, slice key, uint64_t tag);
/* Finds the newest version of key with a number <= seq. False: this memtable knows
 * nothing of the key. True: *tag and *value are set; the kind may be a tombstone. */
bool memtable_get(const struct memtable *m, slice key, seqno seq, uint64_t *tag,
                  slice *value);
/* NULL without memory. Sees what was put before, and perhaps some of what comes later.
 * The owner's: it brings the keys into order. */
struct iter *memtable_iter(struct memtable *m, struct mem *mem);
/* The same for a job: changes nothing, only goes forward from the first entry. REQUIRES:
 * nobody puts any more. */
struct iter *memtable_frozen_iter(const struct memtable *m, struct mem *mem);

size_t memtable_bytes(const struct memtable *m); /* taken from mem */
size_t memtable_count(const struct memtable *m); /* entries, all versions */

#endif
