#include "engine/flush.h"

#include <inttypes.h>

#include "engine/survivors.h"

/* Adds what survives to a table; *builder stays NULL when nothing does. */
static enum err build(struct flush *f, struct iter *it, struct survivors *s,
                      struct sst_builder **builder)
{
    enum err e = ERR_OK;
    for (iter_first(it); it->valid && !e; iter_next(it)) {
        bool keep;
        e = survivors_keep(s, it->key, it->tag, &keep);
        if (e || !keep) continue;
        if (!*builder)
            e = sst_builder_new(f->mem, f->dir, f->number, 0, f->options, builder,
                                &f->why);
        if (!e) e = sst_builder_add(*builder, it->key, it->tag, it->value, &f->why);
    }
    return e ? e : it->err;
}

void flush_run(struct flush *f)
{
    f->table = NULL;
    f->why = (struct err_detail){.code = ERR_OK};
    struct sst_builder *builder = NULL;
    struct survivors s;
    for (unsigned i = 0; i < FLOORS; i++)
        if (f->floors[i] < f->memlog->books.floors[i])
            f->floors[i] = f->memlog->books.floors[i];
    survivors_init(&s, f->mem, f->oldest_snapshot, f->floors);
    struct iter *it = memtable_frozen_iter(f->memlog->table, f->mem);
    f->err = it ? build(f, it, &s, &builder) : ERR_NOMEM;
    iter_free(it);
    survivors_deinit(&s);
    if (f->err && builder) sst_builder_abandon(builder);
    if (!f->err && builder) f->err = table_seal(f->files, builder, &f->table, &f->why);
    if (f->err && f->why.code == ERR_OK)
        err_set(&f->why, f->err, 0, "flush to table %" PRIu64, f->number);
}
