#include "tests/support/table.h"

#include <stdio.h>
#include <stdlib.h>

#include "fault/disk_sim.h"
#include "tests/support/check.h"

void table_begin(struct table *t)
{
    *t = (struct table){.number = TABLE_NUMBER};
    mem_counting_init(&t->mem, mem_libc());
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &t->disk), 0);
    REQUIRE_INT(disk_dir_open(t->disk, ".", &t->dir), 0);
    options_init(&t->options);
    t->files = (struct sst_files){.mem = &t->mem.mem, .dir = t->dir, .open_max = 2};
}

void table_end(struct table *t)
{
    sst_meta_deinit(&t->meta, &t->mem.mem);
    CHECK_INT(t->mem.blocks, 0);
    disk_dir_close(t->dir);
    disk_sim_free(t->disk);
}

void table_tiny(struct table *t)
{
    t->options.block_bytes = 64;
    t->options.restart_interval = 2;
    t->options.write_buffer_bytes = 64;
}

enum err table_write(struct table *t, const struct entries *e)
{
    struct sst_builder *b;
    enum err err =
        sst_builder_new(&t->mem.mem, t->dir, t->number, 0, &t->options, &b, &t->why);
    if (err) return err;
    for (size_t i = 0; i < e->count && !err; i++)
        err = sst_builder_add(b, e->at[i].key, e->at[i].tag, e->at[i].value, &t->why);
    if (err) {
        sst_builder_abandon(b);
        return err;
    }
    struct sst_meta meta;
    err = sst_builder_finish(b, &meta, &t->why);
    if (err) return err;
    sst_meta_deinit(&t->meta, &t->mem.mem);
    t->meta = meta;
    return ERR_OK;
}

enum err table_open(struct table *t, struct cache *cache, struct sst **out)
{
    t->files.cache = cache;
    return sst_open(&t->files, &t->meta, out, &t->why);
}

static struct disk_file *open_file(struct table *t, unsigned flags)
{
    char name[SST_NAME_BYTES];
    sst_name(t->number, name);
    struct disk_file *file;
    REQUIRE_INT(disk_open(t->dir, name, flags, SITE_OTHER_CREATE, &file), 0);
    return file;
}

uint8_t *table_bytes(struct table *t, size_t *size)
{
    struct disk_file *file = open_file(t, DISK_READ);
    uint64_t bytes;
    REQUIRE_INT(disk_size(file, &bytes), 0);
    uint8_t *out = malloc((size_t)bytes + 1);
    REQUIRE_INT(disk_read(file, 0, out, (size_t)bytes, size), 0);
    disk_close(file);
    return out;
}

void table_replace(struct table *t, const uint8_t *bytes, size_t size)
{
    struct disk_file *file = open_file(t, DISK_WRITE | DISK_TRUNC);
    if (size) REQUIRE_INT(disk_write(file, 0, bytes, size, SITE_OTHER_WRITE, NULL), 0);
    disk_close(file);
}

/* Asks for one entry and for the number before it. */
static enum err ask(struct table *t, struct sst *sst, const struct entries *e, size_t i,
                    bool *right)
{
    const struct entry *want = &e->at[i];
    struct sst_pin pin = {0};
    bool found = false;
    uint64_t tag = 0;
    slice value;
    struct sst_query query = sst_query_of(want->key, tag_seq(want->tag));
    enum err err = sst_get(sst, &query, &found, &tag, &value, &pin, &t->why);
    /* two kinds under one number: the first is the answer */
    while (i && tag_seq(e->at[i - 1].tag) == tag_seq(want->tag) &&
           slice_equal(e->at[i - 1].key, want->key))
        want = &e->at[--i];
    *right = !err && found && tag == want->tag && slice_equal(value, want->value);
    sst_pin_release(sst, &pin);
    return err;
}

/* Asks for a key that is not there. */
static enum err ask_absent(struct table *t, struct sst *sst, const struct entries *e,
                           slice key, seqno seq, bool *right)
{
    size_t i = entries_seek(e, key, tag_seek(seq));
    bool want = i < e->count && slice_equal(e->at[i].key, key), found = false;
    struct sst_pin pin = {0};
    uint64_t tag;
    slice value;
    struct sst_query query = sst_query_of(key, seq);
    enum err err = sst_get(sst, &query, &found, &tag, &value, &pin, &t->why);
    *right = !err && found == want;
    sst_pin_release(sst, &pin);
    return err;
}

bool table_agrees(struct table *t, struct sst *sst, const struct entries *e,
                  bool use_cache)
{
    bool all = true;
    for (size_t i = 0; i < e->count && all; i++) {
        bool right, absent = true;
        enum err err = ask(t, sst, e, i, &right);
        uint8_t longer[64];
        slice key = e->at[i].key;
        if (!err && key.size < sizeof longer) { /* the key and a zero: right behind it */
            if (key.size) memcpy(longer, key.data, key.size);
            longer[key.size] = 0;
            err =
                ask_absent(t, sst, e, slice_of(longer, key.size + 1), SEQNO_MAX, &absent);
        }
        all = !err && right && absent;
        if (!all) printf("  entry %zu: %s\n", i, err ? t->why.text : "a wrong answer");
    }
    struct iter *it = sst_iter(sst, &t->mem.mem, use_cache, &t->why);
    if (!it) return false;
    struct rng r;
    rng_init(&r, e->count);
    iter_first(it);
    all = entries_match(e, 0, it) && all;
    all = entries_wander(e, it, &r, 200) && all;
    iter_free(it);
    return all;
}

bool table_never_lies(struct table *t, struct sst *sst, const struct entries *e)
{
    bool honest = true;
    for (size_t i = 0; i < e->count; i++) {
        bool right;
        enum err err = ask(t, sst, e, i, &right);
        honest &= err || right;
    }
    struct iter *it = sst_iter(sst, &t->mem.mem, false, &t->why);
    if (!it) return honest;
    size_t i = 0;
    for (iter_first(it); it->valid; iter_next(it), i++)
        honest &= i < e->count && slice_equal(it->key, e->at[i].key) &&
                  it->tag == e->at[i].tag && slice_equal(it->value, e->at[i].value);
    honest &= it->err || i == e->count;
    i = e->count;
    for (iter_last(it); it->valid; iter_prev(it)) {
        i--;
        honest &= i < e->count && slice_equal(it->key, e->at[i].key) &&
                  it->tag == e->at[i].tag && slice_equal(it->value, e->at[i].value);
    }
    honest &= it->err || i == 0;
    iter_free(it);
    return honest;
}
