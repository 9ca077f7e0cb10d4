#include "engine/memlog.h"

#include <assert.h>

enum err memlog_new(struct mem *mem, const struct options *options, uint64_t seed,
                    const struct wal_writer *writer, uint64_t log_size,
                    struct memlog **out)
{
    struct memlog *m = mem_alloc(mem, sizeof *m);
    if (!m) return ERR_NOMEM;
    m->table = memtable_new(mem, options->memtable_bytes, seed ^ writer->log);
    if (!m->table) {
        mem_free(mem, m);
        return ERR_NOMEM;
    }
    m->mem = mem;
    m->refs = 1;
    m->log = *writer;
    m->log_size = log_size;
    m->last_seq = 0;
    *out = m;
    return ERR_OK;
}

void memlog_ref(struct memlog *m)
{
    m->refs++;
}

void memlog_unref(struct memlog *m)
{
    assert(m->refs > 0);
    if (--m->refs > 0) return;
    if (m->log.file) disk_close(m->log.file);
    memtable_free(m->table);
    mem_free(m->mem, m);
}

void books_apply(struct books *books, const struct batch_entry *entry, seqno seq)
{
    if (entry->kind == BATCH_REGISTER_ADD)
        books->registers[entry->index] += entry->number;
    if (entry->kind == BATCH_REGISTER_SET) books->registers[entry->index] = entry->number;
    if (entry->kind == BATCH_FLOOR) books->floors[entry->index] = seq;
}

static enum err apply_entry(struct memlog *m, const struct batch_entry *entry, seqno seq,
                            struct books *books)
{
    if (entry->kind == BATCH_PUT)
        return memtable_put(m->table, entry->key, tag_of(seq, ENTRY_PUT), entry->value);
    if (entry->kind == BATCH_DELETE)
        return memtable_put(m->table, entry->key, tag_of(seq, ENTRY_DELETE),
                            slice_of(NULL, 0));
    books_apply(books, entry, seq);
    return ERR_OK;
}

enum err memlog_apply(struct memlog *m, slice entries, seqno first_seq,
                      struct books *books, uint32_t *count)
{
    struct batch_entry entry;
    slice in = entries;
    uint32_t applied = 0;
    enum err e;
    while ((e = batch_next(&in, &entry)) == ERR_OK) {
        e = apply_entry(m, &entry, first_seq + applied, books);
        if (e) break;
        applied++;
    }
    if (e != ERR_NOT_FOUND) {
        memlog_undo(m, entries, first_seq, applied);
        return e;
    }
    *count = applied;
    return ERR_OK;
}

void memlog_undo(struct memlog *m, slice entries, seqno first_seq, uint32_t count)
{
    struct batch_entry entry;
    for (uint32_t i = 0; i < count; i++) {
        enum err e = batch_next(&entries, &entry);
        assert(e == ERR_OK);
        (void)e;
        if (entry.kind == BATCH_PUT)
            memtable_remove(m->table, entry.key, tag_of(first_seq + i, ENTRY_PUT));
        if (entry.kind == BATCH_DELETE)
            memtable_remove(m->table, entry.key, tag_of(first_seq + i, ENTRY_DELETE));
    }
}
