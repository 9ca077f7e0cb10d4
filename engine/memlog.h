/* memlog.h - a memtable and the log that makes it durable: they live and die together.
 *
 * Flow:    db_write > memlog_apply > memtable_put; recover > the same; flush reads it
 * Owns:    its memtable and its log's descriptor.
 * Errors:  ERR_NOMEM, ERR_CORRUPT (bytes that are no batch): what was applied is undone.
 * Threads: the owner thread writes; an immutable one may be read by its flush job.
 * Tests:   tests/engine/memlog_test.c
 */
#ifndef ENGINE_MEMLOG_H
#define ENGINE_MEMLOG_H

#include "engine/batch.h"
#include "engine/manifest.h"
#include "engine/memtable.h"
#include "engine/options.h"
#include "engine/wal.h"

struct memlog {
    struct mem *mem;
    unsigned refs; /* the store, jobs and iterators */
    struct memtable *table;
    struct wal_writer log;
    uint64_t log_size;  /* allocated bytes of its file */
    struct books books; /* as of its newest record; valid once it is immutable */
    seqno last_seq;     /* likewise; 0: it holds no record */
};

/* The log starts or goes on as `writer` says; its file is taken over on success. seed: of
 * the process; each memtable makes another one of it. */
enum err memlog_new(struct mem *mem, const struct options *options, uint64_t seed,
                    const struct wal_writer *writer, uint64_t log_size,
                    struct memlog **out);
void memlog_ref(struct memlog *m);
/* Closes the file with the last reference. */
void memlog_unref(struct memlog *m);

/* Applies an entry to the books, if it is one of theirs. */
void books_apply(struct books *books, const struct batch_entry *entry, seqno seq);
/* Applies the entries of a batch: puts and deletes to the memtable, the others to
 * `books`. The i-th entry has number first_seq + i; *count is how many there were. On an
 * error `books` has to be put back by the caller; the memtable is as before. */
enum err memlog_apply(struct memlog *m, slice entries, seqno first_seq,
                      struct books *books, uint32_t *count);
/* Takes the first `count` entries out of the memtable again. */
void memlog_undo(struct memlog *m, slice entries, seqno first_seq, uint32_t count);

#endif
