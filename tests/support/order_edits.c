#include "tests/support/order_edits.h"

#include <stdlib.h>
#include <string.h>

#include "engine/filename.h"

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

static void restart(struct order_edits *e)
{
    store_state_deinit(&e->state, e->mem);
    store_state_init(&e->state);
}

void order_edits_init(struct order_edits *e, struct mem *mem)
{
    *e = (struct order_edits){.mem = mem};
    store_state_init(&e->state);
}

void order_edits_deinit(struct order_edits *e)
{
    store_state_deinit(&e->state, e->mem);
}

void order_edits_read(void *arg, struct disk_order *order, const char *manifest,
                      uint64_t offset, const void *bytes, size_t n)
{
    struct order_edits *e = arg;
    struct err_detail why;
    struct wal_record record;
    uint64_t number;
    if (filename_parse(manifest, &number) != FILENAME_MANIFEST) abort();
    if (offset > 0 && !e->known) return;
    if (wal_parse(bytes, n, number, &record) != WAL_PARSE_OK) abort();
    struct name_list before = names_of(&e->state);
    if (offset == 0) restart(e); /* a snapshot says everything */
    e->known = store_state_decode(&e->state, record.payload, e->mem, &why) == ERR_OK;
    struct name_list after = names_of(&e->state);
    if (e->known) {
        report(order, &before, &after);
        e->understood++;
    }
    free(before.names);
    free(after.names);
}
