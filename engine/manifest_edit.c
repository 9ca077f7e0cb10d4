/* Edits, the state they add up to, and their bytes: a sequence of fields, each a tag
 * followed by varints and length-prefixed keys. An unknown tag is a newer format. */
#include "engine/manifest.h"

#include <assert.h>
#include <inttypes.h>

#include "engine/coding.h"

/* ---- state ---- */

void store_state_init(struct store_state *s)
{
    memset(s, 0, offsetof(struct store_state, logs));
    memset(&s->books, 0, sizeof s->books);
    s->next_file = 1;
}

void store_state_deinit(struct store_state *s, struct mem *mem)
{
    for (size_t i = 0; i < s->table_count; i++)
        sst_meta_deinit(&s->tables[i].meta, mem);
    mem_free(mem, s->tables);
    for (int i = 0; i < LEVELS_MAX; i++)
        mem_free(mem, (void *)s->pointer_keys[i].data);
    s->tables = NULL;
    s->table_count = s->table_capacity = 0;
}

void store_state_move(struct store_state *to, struct store_state *from)
{
    *to = *from;
    memset(from, 0, offsetof(struct store_state, logs));
}

static enum err misfit(struct err_detail *why, const char *what, uint64_t number)
{
    return err_set(why, ERR_CORRUPT, 0, "manifest: %s %" PRIu64, what, number);
}

static enum err add_log(struct store_state *s, struct store_log log,
                        struct err_detail *why)
{
    for (size_t i = 0; i < s->log_count; i++)
        if (s->logs[i].number >= log.number)
            return misfit(why, "adds a log out of order:", log.number);
    if (s->log_count == STORE_LOGS_MAX)
        return misfit(why, "names too many logs; next:", log.number);
    s->logs[s->log_count++] = log;
    return ERR_OK;
}

static enum err drop_log(struct store_state *s, uint64_t number, struct err_detail *why)
{
    if (s->log_count == 0 || s->logs[0].number != number)
        return misfit(why, "drops a log that is not the oldest:", number);
    s->log_count--;
    memmove(s->logs, s->logs + 1, s->log_count * sizeof s->logs[0]);
    return ERR_OK;
}

/* Room for the tables that an edit adds. */
static enum err reserve_tables(struct store_state *s, size_t more, struct mem *mem)
{
    if (s->table_capacity - s->table_count >= more) return ERR_OK;
    size_t capacity = s->table_capacity ? s->table_capacity * 2 : 8;
    if (capacity < s->table_count + more) capacity = s->table_count + more;
    struct store_table *grown = mem_resize(mem, s->tables, capacity * sizeof *grown);
    if (!grown) return ERR_NOMEM;
    s->tables = grown;
    s->table_capacity = capacity;
    return ERR_OK;
}

/* Takes the table's keys over on success. */
static enum err add_table(struct store_state *s, const struct store_table *table,
                          struct err_detail *why)
{
    for (size_t i = 0; i < s->table_count; i++)
        if (s->tables[i].meta.number == table->meta.number)
            return misfit(why, "adds a table twice:", table->meta.number);
    s->tables[s->table_count++] = *table;
    return ERR_OK;
}

static enum err copy_table(struct store_state *s, const struct store_table *table,
                           struct mem *mem, struct err_detail *why)
{
    struct store_table copy = {.level = table->level};
    enum err e = reserve_tables(s, 1, mem);
    if (!e) e = sst_meta_copy(&copy.meta, &table->meta, mem);
    if (e) return err_set(why, e, 0, "manifest: table %" PRIu64, table->meta.number);
    e = add_table(s, &copy, why);
    if (e) sst_meta_deinit(&copy.meta, mem);
    return e;
}

static enum err delete_table(struct store_state *s, unsigned level, uint64_t number,
                             struct mem *mem, struct err_detail *why)
{
    for (size_t i = 0; i < s->table_count; i++) {
        struct store_table *t = &s->tables[i];
        if (t->meta.number != number || t->level != level) continue;
        sst_meta_deinit(&t->meta, mem);
        *t = s->tables[--s->table_count];
        return ERR_OK;
    }
    return misfit(why, "deletes an unknown table:", number);
}

static enum err set_pointer(struct store_state *s, unsigned level, slice key,
                            struct mem *mem)
{
    uint8_t *copy = mem_alloc(mem, key.size ? key.size : 1);
    if (!copy) return ERR_NOMEM;
    if (key.size) memcpy(copy, key.data, key.size);
    mem_free(mem, (void *)s->pointer_keys[level].data);
    s->pointer_keys[level] = slice_of(copy, key.size);
    return ERR_OK;
}

/* Everything that needs no memory. The state takes over tables[0, *taken). */
static enum err apply_changes(struct store_state *s, const struct edit *edit,
                              const struct store_table *tables, size_t *taken,
                              struct mem *mem, struct err_detail *why)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < edit->deleted_count && !e; i++)
        e = delete_table(s, edit->deleted[i].level, edit->deleted[i].meta.number, mem,
                         why);
    for (; *taken < edit->added_count && !e; *taken += !e)
        e = add_table(s, &tables[*taken], why);
    if (!e && edit->drop_log) {
        e = drop_log(s, edit->drop_log, why);
        s->chain = edit->drop_chain;
    }
    if (!e && edit->add_log.number) e = add_log(s, edit->add_log, why);
    if (e) return e;
    if (edit->books) s->books = *edit->books;
    if (edit->next_file > s->next_file) s->next_file = edit->next_file;
    if (edit->last_seq > s->last_seq) s->last_seq = edit->last_seq;
    return ERR_OK;
}

enum err store_state_apply(struct store_state *s, const struct edit *edit,
                           struct mem *mem, struct err_detail *why)
{
    struct store_table *copies = NULL;
    size_t copied = 0, taken = 0;
    enum err e = reserve_tables(s, edit->added_count, mem);
    if (!e && edit->added_count > 0) {
        copies = mem_alloc(mem, edit->added_count * sizeof *copies);
        if (!copies) e = ERR_NOMEM;
    }
    for (; copied < edit->added_count && !e; copied += !e) {
        copies[copied].level = edit->added[copied].level;
        e = sst_meta_copy(&copies[copied].meta, &edit->added[copied].meta, mem);
    }
    if (!e && edit->pointer_key.data)
        e = set_pointer(s, edit->pointer_level, edit->pointer_key, mem);
    if (e)
        err_set(why, e, 0, "manifest: an edit");
    else
        e = apply_changes(s, edit, copies, &taken, mem, why);
    for (size_t i = taken; i < copied; i++)
        sst_meta_deinit(&copies[i].meta, mem);
    mem_free(mem, copies);
    return e;
}

/* ---- encoding ---- */

static enum err room(struct edit_bytes *b, size_t n)
{
    if (b->capacity - b->size >= n) return ERR_OK;
    size_t capacity = (b->size + n) * 2 < 256 ? 256 : (b->size + n) * 2;
    uint8_t *grown = mem_resize(b->mem, b->data, capacity);
    if (!grown) return ERR_NOMEM;
    b->data = grown;
    b->capacity = capacity;
    return ERR_OK;
}

enum err edit_bytes_begin(struct edit_bytes *out)
{
    enum err e = room(out, WAL_HEADER_BYTES);
    if (!e) out->size = WAL_HEADER_BYTES;
    return e;
}

/* A tag and some numbers. */
static enum err put_field(struct edit_bytes *b, enum edit_field field, size_t n,
                          const uint64_t *numbers)
{
    enum err e = room(b, 1 + n * VARINT64_BYTES_MAX);
    if (e) return e;
    uint8_t *p = b->data + b->size;
    *p++ = (uint8_t)field;
    for (size_t i = 0; i < n; i++)
        p = varint_put(p, numbers[i]);
    b->size = (size_t)(p - b->data);
    return ERR_OK;
}
#define PUT_FIELD(b, field, ...)                                                         \
    put_field(b, field, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t),            \
              (uint64_t[]){__VA_ARGS__})

static enum err put_key(struct edit_bytes *b, slice key)
{
    enum err e = room(b, VARINT64_BYTES_MAX + key.size);
    if (e) return e;
    uint8_t *p = varint_put(b->data + b->size, key.size);
    if (key.size) memcpy(p, key.data, key.size);
    b->size = (size_t)(p - b->data) + key.size;
    return ERR_OK;
}

static enum err put_table(struct edit_bytes *b, const struct store_table *t)
{
    const struct sst_meta *m = &t->meta;
    enum err e =
        PUT_FIELD(b, EDIT_ADD_TABLE, t->level, m->number, m->size, m->tail_bytes,
                  m->checksum, m->entries, m->tombstones, m->min_seq, m->max_seq);
    if (!e) e = put_key(b, m->smallest);
    if (!e) e = put_key(b, m->largest);
    return e;
}

/* The first of the values from i on that is not 0; n: none. Nearly all are. */
static size_t next_set(const uint64_t *values, size_t i, size_t n)
{
    for (; i + 4 <= n; i += 4)
        if (values[i] | values[i + 1] | values[i + 2] | values[i + 3]) break;
    while (i < n && !values[i])
        i++;
    return i;
}

/* All entries of an array that are not 0, as a count and (index, value) pairs. */
static enum err put_sparse(struct edit_bytes *b, enum edit_field field,
                           const uint64_t *values, size_t n)
{
    uint64_t count = 0;
    for (size_t i = next_set(values, 0, n); i < n; i = next_set(values, i + 1, n))
        count++;
    enum err e = PUT_FIELD(b, field, count);
    if (!e) e = room(b, count * 2 * VARINT64_BYTES_MAX);
    if (e) return e;
    uint8_t *p = b->data + b->size;
    for (size_t i = next_set(values, 0, n); i < n; i = next_set(values, i + 1, n))
        p = varint_put(varint_put(p, i), values[i]);
    b->size = (size_t)(p - b->data);
    return ERR_OK;
}

static enum err put_books(struct edit_bytes *b, const struct books *books)
{
    enum err e = put_sparse(b, EDIT_REGISTERS, books->registers, REGISTERS);
    return e ? e : put_sparse(b, EDIT_FLOORS, books->floors, FLOORS);
}

static enum err put_pointer(struct edit_bytes *b, unsigned level, slice key)
{
    enum err e = PUT_FIELD(b, EDIT_POINTER, level);
    return e ? e : put_key(b, key);
}

enum err edit_encode(const struct edit *edit, struct edit_bytes *out)
{
    enum err e = PUT_FIELD(out, EDIT_NEXT_FILE, edit->next_file);
    if (!e) e = PUT_FIELD(out, EDIT_LAST_SEQ, edit->last_seq);
    for (size_t i = 0; i < edit->deleted_count && !e; i++)
        e = PUT_FIELD(out, EDIT_DELETE_TABLE, edit->deleted[i].level,
                      edit->deleted[i].meta.number);
    for (size_t i = 0; i < edit->added_count && !e; i++)
        e = put_table(out, &edit->added[i]);
    if (!e && edit->drop_log) {
        e = PUT_FIELD(out, EDIT_DROP_LOG, edit->drop_log);
        if (!e)
            e = PUT_FIELD(out, EDIT_CHAIN, edit->drop_chain.checksum,
                          edit->drop_chain.number);
    }
    if (!e && edit->add_log.number)
        e = PUT_FIELD(out, EDIT_ADD_LOG, edit->add_log.number, edit->add_log.recycled);
    if (!e && edit->pointer_key.data)
        e = put_pointer(out, edit->pointer_level, edit->pointer_key);
    if (!e && edit->books) e = put_books(out, edit->books);
    return e;
}

enum err store_state_encode(const struct store_state *s, struct edit_bytes *out)
{
    enum err e = PUT_FIELD(out, EDIT_FORMAT, STORE_FORMAT);
    if (!e) e = PUT_FIELD(out, EDIT_NEXT_FILE, s->next_file);
    if (!e) e = PUT_FIELD(out, EDIT_LAST_SEQ, s->last_seq);
    if (!e) e = PUT_FIELD(out, EDIT_CHAIN, s->chain.checksum, s->chain.number);
    for (size_t i = 0; i < s->log_count && !e; i++)
        e = PUT_FIELD(out, EDIT_ADD_LOG, s->logs[i].number, s->logs[i].recycled);
    for (size_t i = 0; i < s->table_count && !e; i++)
        e = put_table(out, &s->tables[i]);
    for (unsigned i = 0; i < LEVELS_MAX && !e; i++)
        if (s->pointer_keys[i].data) e = put_pointer(out, i, s->pointer_keys[i]);
    return e ? e : put_books(out, &s->books);
}

/* ---- decoding ---- */

static bool take_numbers(slice *in, uint64_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!slice_take_varint(in, &out[i])) return false;
    return true;
}

static bool take_table(slice *in, struct store_table *t)
{
    uint64_t n[9];
    struct sst_meta *m = &t->meta;
    if (!take_numbers(in, n, 9) || n[0] >= LEVELS_MAX || n[4] > UINT32_MAX) return false;
    t->level = (unsigned)n[0];
    *m = (struct sst_meta){.number = n[1],
                           .size = n[2],
                           .tail_bytes = n[3],
                           .checksum = (uint32_t)n[4],
                           .entries = n[5],
                           .tombstones = n[6],
                           .min_seq = n[7],
                           .max_seq = n[8]};
    return m->tail_bytes <= m->size && slice_take_prefixed(in, &m->smallest) &&
           slice_take_prefixed(in, &m->largest) &&
           slice_compare(m->smallest, m->largest) <= 0;
}

static bool take_sparse(slice *in, uint64_t *values, size_t n)
{
    uint64_t count, pair[2];
    if (!slice_take_varint(in, &count) || count > n) return false;
    memset(values, 0, n * sizeof *values);
    for (; count > 0; count--) {
        if (!take_numbers(in, pair, 2) || pair[0] >= n) return false;
        values[pair[0]] = pair[1];
    }
    return true;
}

static enum err malformed(struct err_detail *why, unsigned field)
{
    return err_set(why, ERR_CORRUPT, 0, "manifest: malformed field %u in an edit", field);
}

/* Takes one field and applies it. */
static enum err decode_field(struct store_state *s, slice *in, struct mem *mem,
                             struct err_detail *why)
{
    unsigned field = in->data[0];
    *in = slice_of(in->data + 1, in->size - 1);
    uint64_t n[2];
    slice key;
    struct store_table table;
    enum err e;
    switch ((enum edit_field)field) {
    case EDIT_FORMAT:
        if (!take_numbers(in, n, 1)) break;
        if (n[0] != STORE_FORMAT)
            return err_set(why, ERR_NEWER_FORMAT, 0,
                           "the store has format %" PRIu64
                           "; this program reads format %d",
                           n[0], STORE_FORMAT);
        return ERR_OK;
    case EDIT_NEXT_FILE:
        if (!take_numbers(in, n, 1)) break;
        if (n[0] > s->next_file) s->next_file = n[0];
        return ERR_OK;
    case EDIT_LAST_SEQ:
        if (!take_numbers(in, n, 1) || n[0] > SEQNO_MAX) break;
        if (n[0] > s->last_seq) s->last_seq = n[0];
        return ERR_OK;
    case EDIT_ADD_LOG:
        if (!take_numbers(in, n, 2)) break;
        return add_log(s, (struct store_log){n[0], n[1] != 0}, why);
    case EDIT_DROP_LOG:
        if (!take_numbers(in, n, 1)) break;
        return drop_log(s, n[0], why);
    case EDIT_CHAIN:
        if (!take_numbers(in, n, 2) || n[0] > UINT32_MAX || n[1] > UINT32_MAX) break;
        s->chain = (struct wal_chain){(uint32_t)n[0], (uint32_t)n[1]};
        return ERR_OK;
    case EDIT_ADD_TABLE:
        if (!take_table(in, &table)) break;
        return copy_table(s, &table, mem, why);
    case EDIT_DELETE_TABLE:
        if (!take_numbers(in, n, 2) || n[0] >= LEVELS_MAX) break;
        return delete_table(s, (unsigned)n[0], n[1], mem, why);
    case EDIT_REGISTERS:
        if (!take_sparse(in, s->books.registers, REGISTERS)) break;
        return ERR_OK;
    case EDIT_FLOORS:
        if (!take_sparse(in, s->books.floors, FLOORS)) break;
        return ERR_OK;
    case EDIT_POINTER:
        if (!take_numbers(in, n, 1) || n[0] >= LEVELS_MAX) break;
        if (!slice_take_prefixed(in, &key)) break;
        e = set_pointer(s, (unsigned)n[0], key, mem);
        return e ? err_set(why, e, 0, "manifest: compaction pointer") : ERR_OK;
    default:
        return err_set(why, ERR_NEWER_FORMAT, 0,
                       "manifest: unknown field %u in an edit; a newer program wrote it",
                       field);
    }
    return malformed(why, field);
}

enum err store_state_decode(struct store_state *s, slice bytes, struct mem *mem,
                            struct err_detail *why)
{
    while (bytes.size > 0) {
        enum err e = decode_field(s, &bytes, mem, why);
        if (e) return e;
    }
    return ERR_OK;
}

/* ---- salvage ---- */

enum err store_state_salvage(struct store_state *s, slice bytes, struct mem *mem,
                             edit_table_fn *table, void *arg, struct err_detail *why)
{
    while (bytes.size > 0) {
        slice rest = slice_of(bytes.data + 1, bytes.size - 1);
        uint64_t n[2];
        struct store_table t;
        enum err e = ERR_OK;
        switch ((enum edit_field)bytes.data[0]) {
        case EDIT_ADD_TABLE:
            if (!take_table(&rest, &t)) return malformed(why, EDIT_ADD_TABLE);
            table(arg, t.meta.number, &t.meta);
            break;
        case EDIT_DELETE_TABLE:
        case EDIT_ADD_LOG:
            if (!take_numbers(&rest, n, 2)) return malformed(why, bytes.data[0]);
            if (bytes.data[0] == EDIT_DELETE_TABLE) table(arg, n[1], NULL);
            break;
        case EDIT_DROP_LOG:
            if (!take_numbers(&rest, n, 1)) return malformed(why, EDIT_DROP_LOG);
            break;
        default: rest = bytes; e = decode_field(s, &rest, mem, why);
        }
        if (e) return e;
        bytes = rest;
    }
    return ERR_OK;
}
