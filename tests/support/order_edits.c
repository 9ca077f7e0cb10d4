#include "tests/support/order_edits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/filename.h"

/* ---- what an edit changes ---- */

/* The names of all files of a state: they are compared as texts. */
struct name_list {
    char (*names)[FILENAME_BYTES];
    size_t count;
};

static struct name_list names_of(const struct store_state *s)
{
    struct name_list l = {calloc(s->table_count + s->log_count + 1, FILENAME_BYTES), 0};
    if (!l.names) abort();
    for (size_t i = 0; i < s->table_count; i++)
        filename_sst(s->tables[i].meta.number, l.names[l.count++]);
    for (size_t i = 0; i < s->log_count; i++)
        filename_log(s->logs[i].number, l.names[l.count++]);
    return l;
}

static bool contains(const struct name_list *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (!strcmp(l->names[i], name)) return true;
    return false;
}

static void report(struct disk_order *order, const struct name_list *before,
                   const struct name_list *after)
{
    for (size_t i = 0; i < after->count; i++)
        if (!contains(before, after->names[i]))
            disk_order_edit_adds(order, after->names[i]);
    for (size_t i = 0; i < before->count; i++)
        if (!contains(after, before->names[i]))
            disk_order_edit_frees(order, before->names[i]);
}

/* ---- manifests ---- */

static void begin_manifest(struct order_edits *e, struct order_manifest *m,
                           uint64_t number)
{
    store_state_deinit(&m->state, e->mem);
    store_state_init(&m->state);
    m->state.manifest = number;
    m->read = 0;
    m->chain = (struct wal_chain){0, 0};
}

static void keep(struct order_manifest *m, size_t offset, const void *bytes, size_t n)
{
    if (offset + n > m->room) {
        m->room = 2 * (offset + n);
        m->bytes = realloc(m->bytes, m->room);
        if (!m->bytes) abort();
    }
    if (offset > m->size) memset(m->bytes + m->size, 0, offset - m->size);
    if (n) memcpy(m->bytes + offset, bytes, n);
    if (offset + n > m->size) m->size = offset + n;
}

/* Whole records only: a write may come in pieces, and what an earlier process left may be
 * torn or damaged. */
static void read_records(struct order_edits *e, struct order_manifest *m)
{
    struct wal_record record;
    struct err_detail why;
    while (m->read < m->size && wal_parse(m->bytes + m->read, m->size - m->read,
                                          m->state.manifest, &record) == WAL_PARSE_OK) {
        if (record.previous != m->chain.checksum || record.number != m->chain.number)
            return;
        if (record.payload.size) {
            if (store_state_decode(&m->state, record.payload, e->mem, &why)) return;
            e->understood++;
        }
        m->chain = (struct wal_chain){record.checksum, record.number + 1};
        m->read += record.bytes;
    }
}

/* What is written where something was read already takes its place: an edit whose write
 * has failed, or a tail that recovery writes again. */
static void read_manifest(struct order_edits *e, struct order_manifest *m,
                          struct disk_order *order, uint64_t number, uint64_t offset,
                          const void *bytes, size_t n)
{
    struct name_list before = {NULL, 0};
    if (number == m->state.manifest) before = names_of(&m->state);
    if (offset == 0) {
        begin_manifest(e, m, number);
        m->size = 0;
    }
    if (number != m->state.manifest) {
        fprintf(stderr, "order_edits: an edit of a manifest that was given up\n");
        abort();
    }
    if (offset < m->read) begin_manifest(e, m, number);
    keep(m, (size_t)offset, bytes, n);
    read_records(e, m);
    struct name_list after = names_of(&m->state);
    report(order, &before, &after);
    free(before.names);
    free(after.names);
}

static void read_pointer(struct disk_order *order, const char *text, size_t n)
{
    char name[FILENAME_BYTES], line[128];
    snprintf(line, sizeof line, "%.*s", (int)n, text);
    if (sscanf(line, "%*s %*u %31s", name) == 1) disk_order_points_to(order, name);
}

static void order_edits_read(void *arg, struct disk_order *order, unsigned dir,
                             const char *name, uint64_t offset, const void *bytes,
                             size_t n)
{
    struct order_edits *e = arg;
    uint64_t number;
    if (dir >= ORDER_EDITS_DIRS) abort();
    if (filename_parse(name, &number) == FILENAME_MANIFEST)
        read_manifest(e, &e->dirs[dir], order, number, offset, bytes, n);
    else
        read_pointer(order, bytes, n);
}

static void order_edits_init(struct order_edits *e)
{
    *e = (struct order_edits){.mem = mem_libc()};
    for (unsigned i = 0; i < ORDER_EDITS_DIRS; i++)
        store_state_init(&e->dirs[i].state);
}

static void order_edits_deinit(struct order_edits *e)
{
    for (unsigned i = 0; i < ORDER_EDITS_DIRS; i++) {
        store_state_deinit(&e->dirs[i].state, e->mem);
        free(e->dirs[i].bytes);
    }
}

/* ---- the watch ---- */

struct disk *order_watch_init(struct order_watch *w, struct disk *inner,
                              disk_order_violation_fn *on_violation, void *arg)
{
    if (disk_order_new(mem_libc(), inner, on_violation, arg, &w->order)) abort();
    order_edits_init(&w->edits);
    disk_order_set_reader(w->order, order_edits_read, &w->edits);
    return disk_order_disk(w->order);
}

void order_watch_deinit(struct order_watch *w)
{
    order_edits_deinit(&w->edits);
    disk_order_free(w->order);
    w->order = NULL;
}

void order_watch_restart(struct order_watch *w)
{
    disk_order_forget(w->order);
    for (unsigned i = 0; i < ORDER_EDITS_DIRS; i++) {
        begin_manifest(&w->edits, &w->edits.dirs[i], 0);
        w->edits.dirs[i].size = 0;
    }
}

void order_watch_acknowledge(struct order_watch *w)
{
    disk_order_acknowledge(w->order, disk_order_now(w->order));
}

/* ---- counts ---- */

void order_counts_add(struct order_counts *to, const struct order_watch *from)
{
    for (unsigned r = 0; r < ORDER_RULE_COUNT; r++)
        to->checks[r] += disk_order_checks(from->order, (enum order_rule)r);
}

const char *order_counts_text(const struct order_counts *c, char out[ORDER_COUNTS_TEXT])
{
    size_t used = 0;
    for (unsigned r = 0; r < ORDER_RULE_COUNT && used < ORDER_COUNTS_TEXT; r++)
        used += (size_t)snprintf(out + used, ORDER_COUNTS_TEXT - used, "%s%s %" PRIu64,
                                 r ? ", " : "", order_rule_name((enum order_rule)r),
                                 c->checks[r]);
    return out;
}
