#include "tests/support/levels.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/check.h"

void levels_begin(struct levels *l)
{
    *l = (struct levels){.next_number = 1};
    mem_counting_init(&l->mem, mem_libc());
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    config.chunk_bytes = 64;
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &l->disk), 0);
    REQUIRE_INT(disk_dir_open(l->disk, ".", &l->dir), 0);
    l->files = (struct sst_files){.mem = &l->mem.mem, .dir = l->dir, .open_max = 2};
    options_init(&l->options);
    l->options.block_bytes = 64;
    l->options.write_buffer_bytes = 64;
}

void levels_end(struct levels *l)
{
    if (l->version) version_unref(l->version);
    CHECK_INT(l->mem.blocks, 0);
    disk_dir_close(l->dir);
    disk_sim_free(l->disk);
}

void levels_retire(void *arg, struct table *table)
{
    struct levels *l = arg;
    if (table->sst) sst_close(table->sst);
    sst_meta_deinit(&table->meta, &l->mem.mem);
    mem_free(&l->mem.mem, table);
    l->retired++;
}

/* Takes one word apart: key, '@', number, then '-' or '=' and the value. */
static const char *parse(const char *text, slice *key, uint64_t *tag, slice *value)
{
    const char *at = strchr(text, '@');
    REQUIRE(at != NULL);
    char *end;
    seqno seq = strtoull(at + 1, &end, 10);
    REQUIRE(*end == '=' || *end == '-');
    size_t rest = strcspn(end, " ");
    *key = slice_of(text, (size_t)(at - text));
    *tag = tag_of(seq, *end == '=' ? ENTRY_PUT : ENTRY_DELETE);
    *value = slice_of(end + 1, rest - 1);
    text = end + rest;
    return text + strspn(text, " ");
}

static struct table *remember(struct levels *l, unsigned level, struct table *table)
{
    REQUIRE(l->count < sizeof l->list / sizeof *l->list);
    l->list[l->count++] = (struct version_change){level, table};
    return table;
}

struct table *levels_add(struct levels *l, unsigned level, const char *entries)
{
    struct sst_builder *b;
    struct table *table;
    REQUIRE_INT(sst_builder_new(&l->mem.mem, l->dir, l->next_number++, 0, &l->options, &b,
                                &l->why),
                ERR_OK);
    while (*entries) {
        slice key, value;
        uint64_t tag;
        entries = parse(entries, &key, &tag, &value);
        REQUIRE_INT(sst_builder_add(b, key, tag, value, &l->why), ERR_OK);
    }
    REQUIRE_INT(table_seal(&l->files, b, &table, &l->why), ERR_OK);
    return remember(l, level, table);
}

struct table *levels_fake(struct levels *l, unsigned level, const char *smallest,
                          const char *largest, uint64_t size)
{
    struct sst_meta meta, bounds = {.number = l->next_number++,
                                    .size = size,
                                    .smallest = slice_text(smallest),
                                    .largest = slice_text(largest)};
    struct table *table;
    REQUIRE_INT(sst_meta_copy(&meta, &bounds, &l->mem.mem), ERR_OK);
    REQUIRE_INT(table_new(&l->mem.mem, &meta, NULL, &table), ERR_OK);
    return remember(l, level, table);
}

void levels_seal(struct levels *l)
{
    REQUIRE_INT(
        version_new(&l->mem.mem, l->list, l->count, levels_retire, l, &l->version),
        ERR_OK);
    for (size_t i = 0; i < l->count; i++)
        table_unref(l->version, l->list[i].table);
    l->count = 0;
}

size_t levels_print(char *out, size_t used, slice key, uint64_t tag, slice value)
{
    bool put = tag_kind(tag) == ENTRY_PUT;
    bool begin = used == 0 || out[used - 1] == ' ';
    int n = snprintf(out + used, LEVELS_TEXT_BYTES - used, "%s%.*s@%llu%s%.*s",
                     begin ? "" : " ", (int)key.size, (const char *)key.data,
                     (unsigned long long)tag_seq(tag), put ? "=" : "-", (int)value.size,
                     (const char *)value.data);
    REQUIRE((size_t)n < LEVELS_TEXT_BYTES - used);
    return used + (size_t)n;
}

void levels_text(struct levels *l, struct table *const *tables, size_t count,
                 char out[LEVELS_TEXT_BYTES])
{
    size_t used = 0;
    out[0] = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0) used += (size_t)sprintf(out + used, " | ");
        struct iter *it = sst_iter(tables[i]->sst, mem_libc(), false, &l->why);
        REQUIRE(it != NULL);
        for (iter_first(it); it->valid; iter_next(it))
            used = levels_print(out, used, it->key, it->tag, it->value);
        CHECK_INT(it->err, ERR_OK);
        iter_free(it);
    }
}
