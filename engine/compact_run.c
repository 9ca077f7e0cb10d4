/* Merging the inputs of a compaction into new tables of the level below.
 *
 * Outputs are cut between user keys only, so that all versions of a key stay together and
 * the level stays disjoint. */
#include "engine/compact.h"

#include <assert.h>
#include <inttypes.h>

#include "engine/level_iter.h"
#include "engine/merge.h"
#include "engine/survivors.h"

struct run {
    struct compaction *c;
    struct survivors survivors;
    struct sst_builder *builder; /* of the output that grows; or NULL */
    const struct level *below;   /* the level below that of the outputs; or NULL */
    size_t passed;               /* tables of it before the current key */
    uint64_t overlap;            /* bytes of those behind the output's first key */
    bool passed_one;             /* the current key is the first one behind one of them */
    struct err_detail read_why;  /* what stopped an input */
};

/* Level 0's tables overlap and get an iterator each; a sorted level needs one. */
static struct iter *open_inputs(struct run *run)
{
    struct compaction *c = run->c;
    size_t n = 0, room = (c->level == 0 ? c->input_count[0] : 1) + 1;
    struct iter **children = mem_alloc(c->mem, room * sizeof *children);
    if (!children) return NULL;
    bool ok = true;
    if (c->level == 0) {
        for (size_t i = 0; i < c->input_count[0] && ok; i++) {
            children[n] = sst_iter(c->inputs[0][i]->sst, c->mem, false, &run->read_why);
            ok = children[n] != NULL;
            n += ok;
        }
    }
    for (int side = c->level == 0; side < 2 && ok; side++) {
        children[n] = level_iter_new(c->mem, c->inputs[side], c->input_count[side], false,
                                     &run->read_why);
        ok = children[n] != NULL;
        n += ok;
    }
    struct iter *merged = ok ? merge_new(c->mem, children, n) : NULL;
    for (size_t i = 0; !merged && i < n; i++)
        iter_free(children[i]);
    mem_free(c->mem, children);
    return merged;
}

static enum err seal_output(struct run *run)
{
    struct compaction *c = run->c;
    struct sst_builder *builder = run->builder;
    run->builder = NULL;
    run->overlap = 0;
    enum err e = table_seal(c->files, builder, &c->outputs[c->output_count], &c->why);
    if (!e) c->output_count++;
    return e;
}

static void pass_tables_below(struct run *run, slice key)
{
    const struct level *below = run->below;
    run->passed_one = false;
    for (; below && run->passed < below->count; run->passed++) {
        const struct sst_meta *table = &below->tables[run->passed]->meta;
        if (slice_compare(key, table->largest) <= 0) break;
        if (run->builder) run->overlap += table->size;
        run->passed_one = true;
    }
}

/* An output of half the size ends where a table below ends: when its turn comes, it does not
 * drag along a table of which it overlaps only a part. (RocksDB aligns its files likewise.) */
static bool is_large_enough(const struct run *run)
{
    const struct options *o = run->c->options;
    uint64_t bytes = sst_builder_bytes(run->builder);
    if (run->c->within) return false;
    return bytes >= o->table_bytes || (run->passed_one && bytes >= o->table_bytes / 2) ||
           run->overlap > compact_overlap_max(o);
}

static enum err add(struct run *run, const struct iter *it, bool new_key)
{
    struct compaction *c = run->c;
    enum err e = ERR_OK;
    if (new_key) pass_tables_below(run, it->key);
    if (run->builder && new_key && is_large_enough(run)) e = seal_output(run);
    if (!e && !run->builder) {
        assert(c->output_count < c->output_max);
        e = sst_builder_new(c->mem, c->dir, c->first_number + c->output_count,
                            compact_target(c), c->options, &run->builder, &c->why);
    }
    return e ? e : sst_builder_add(run->builder, it->key, it->tag, it->value, &c->why);
}

static enum err merge_all(struct run *run, struct iter *it)
{
    enum err e = ERR_OK;
    bool key_begun = false; /* a version of the current key is in the output */
    for (iter_first(it); it->valid && !e; iter_next(it)) {
        const struct survivors *s = &run->survivors;
        bool keep, same = s->key && slice_equal(slice_of(s->key, s->key_size), it->key);
        if (!same) key_begun = false;
        e = survivors_keep(&run->survivors, it->key, it->tag, &keep);
        if (e || !keep) continue;
        e = add(run, it, !key_begun);
        key_begun = true;
    }
    if (!e && it->err) {
        e = it->err;
        run->c->why = run->read_why;
    }
    if (!e && run->builder) e = seal_output(run);
    return e;
}

void compact_run(struct compaction *c)
{
    struct run run = {.c = c};
    c->output_count = 0;
    c->why = (struct err_detail){.code = ERR_OK};
    survivors_init(&run.survivors, c->mem, c->oldest_snapshot, c->floors);
    run.survivors.bottom = !c->within;
    run.survivors.below = &c->version->levels[c->level + 2];
    run.survivors.below_count = LEVELS_MAX - (c->level + 2);
    run.below = c->level + 2 < LEVELS_MAX ? run.survivors.below : NULL;
    c->outputs = mem_alloc(c->mem, c->output_max * sizeof *c->outputs);
    struct iter *it = c->outputs ? open_inputs(&run) : NULL;
    c->err = it ? merge_all(&run, it) : ERR_NOMEM;
    iter_free(it);
    survivors_deinit(&run.survivors);
    if (run.builder) sst_builder_abandon(run.builder);
    if (c->err && c->why.code == ERR_OK)
        err_set(&c->why, c->err, 0, "compaction of level %u", c->level);
}
