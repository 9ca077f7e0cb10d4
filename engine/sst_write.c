/* sst_write.c - fills a table file from front to back, in one pass.
 *
 * Entries go into the current data block; a full block goes into the file's buffer, its
 * place and checksum into the index once the next key is known: the index needs a key that
 * separates the two blocks and may take a short one. What is kept until the end: the index
 * and eight bytes of hash for each distinct key, for the filter.
 *
 * Where the level asks for it a block is encoded, and stored so if that saves an eighth of
 * it: for less, reads would pay more than the disk gains.
 *
 * A value above LARGE_VALUE_BYTES gets a block of its own and goes to the file from where
 * the caller holds it: it is never copied here, and so never encoded.
 */
#include "engine/sst.h"

#include <assert.h>
#include <inttypes.h>

#include "engine/block.h"
#include "engine/coding.h"
#include "engine/crc32c.h"
#include "engine/filter.h"
#include "engine/new_file.h"
#include "engine/sst_format.h"

/* A single entry fills a block, however large it is. */
static_assert(KEY_BYTES_MAX + LARGE_VALUE_BYTES + 4096 <= CODEC_PLAIN_BYTES_MAX,
              "every block but that of a large value can be encoded");

struct sst_builder {
    struct mem *mem;
    struct disk_file *file;
    char name[SST_NAME_BYTES];
    uint64_t number;
    size_t block_bytes;
    unsigned filter_bits;
    bool failed;

    struct block_builder data, index;
    struct sst_handle pending; /* the finished block that the index does not have yet */
    bool has_pending;

    uint8_t *handles; /* of the blocks in the index */
    size_t handle_count, handle_capacity;
    uint64_t *hashes; /* of distinct keys */
    size_t hash_count, hash_capacity;

    enum codec codec;
    void *codec_state;
    uint8_t *encoded; /* of the current block */
    size_t encoded_capacity;
    uint32_t features;

    uint8_t *buffer; /* bytes on their way to the file */
    size_t buffered, capacity;
    uint64_t offset; /* bytes of the file, buffered ones included */

    struct sst_properties properties; /* smallest is ours; largest is set at the end */
};

static enum err no_memory(struct sst_builder *b, struct err_detail *why)
{
    b->failed = true;
    return err_set(why, ERR_NOMEM, 0, "%s: no memory to write it", b->name);
}

/* ---- the file ---- */

static enum err write_out(struct sst_builder *b, const uint8_t *bytes, size_t n,
                          uint64_t offset, struct err_detail *why)
{
    int os = disk_write(b->file, offset, bytes, n, SITE_SST_WRITE, NULL);
    if (!os) return ERR_OK;
    b->failed = true;
    return err_set(why, err_from_os(os), os, "%s: write at offset %" PRIu64 " failed",
                   b->name, offset);
}

static enum err flush(struct sst_builder *b, struct err_detail *why)
{
    size_t n = b->buffered;
    if (n == 0) return ERR_OK;
    b->buffered = 0;
    return write_out(b, b->buffer, n, b->offset - n, why);
}

/* Appends to the file; what is as large as the buffer passes it by. */
static enum err append(struct sst_builder *b, slice bytes, struct err_detail *why)
{
    if (bytes.size > b->capacity - b->buffered) {
        enum err e = flush(b, why);
        if (e) return e;
    }
    if (bytes.size >= b->capacity) {
        enum err e = write_out(b, bytes.data, bytes.size, b->offset, why);
        if (e) return e;
    } else if (bytes.size) {
        memcpy(b->buffer + b->buffered, bytes.data, bytes.size);
        b->buffered += bytes.size;
    }
    b->offset += bytes.size;
    return ERR_OK;
}

/* ---- blocks ---- */

/* Adds the pending block's handle. */
static bool add_handle(struct sst_builder *b)
{
    if (b->handle_count == b->handle_capacity) {
        size_t capacity = b->handle_capacity ? 2 * b->handle_capacity : 8;
        uint8_t *handles = mem_resize(b->mem, b->handles, capacity * SST_HANDLE_BYTES);
        if (!handles) return false;
        b->handles = handles;
        b->handle_capacity = capacity;
    }
    sst_handle_put(b->handles + b->handle_count++ * SST_HANDLE_BYTES, &b->pending);
    return true;
}

/* Adds the pending block to the index under a key that is not below the block's last key
 * and below `next`, the first key of the next block; NULL: there is none. */
static enum err index_pending(struct sst_builder *b, const slice *next,
                              struct err_detail *why)
{
    if (!b->has_pending) return ERR_OK;
    slice last = slice_of(b->data.last_key, b->data.last_size), separator = last;
    uint64_t tag = b->data.last_tag;
    if (next) {
        size_t n = 0;
        while (n < last.size && n < next->size && last.data[n] == next->data[n])
            n++;
        /* one byte more than they share, unless that were all of `next` */
        if (n + 1 < next->size && n + 1 < last.size) {
            separator = slice_of(next->data, n + 1);
            tag = 0;
        }
    }
    const slice none = slice_of(NULL, 0);
    if (!add_handle(b) || block_builder_add(&b->index, separator, tag, none))
        return no_memory(b, why);
    b->has_pending = false;
    return ERR_OK;
}

/* Writes the current block, in up to three pieces, and behind it codec and checksum. */
static enum err write_block(struct sst_builder *b, enum codec codec, slice head,
                            slice large, slice arrays, struct err_detail *why)
{
    uint8_t tail[SST_BLOCK_TAIL_BYTES] = {(uint8_t)codec};
    uint32_t crc = crc32c(0, head.data, head.size);
    if (large.size) crc = crc32c(crc, large.data, large.size);
    if (arrays.size) crc = crc32c(crc, arrays.data, arrays.size);
    crc = crc32c(crc, tail, 1);
    fixed32_put(tail + 1, crc);
    b->pending = (struct sst_handle){
        .offset = b->offset,
        .size = (uint32_t)(head.size + large.size + arrays.size),
        .crc = crc,
    };
    enum err e = append(b, head, why);
    if (!e && large.size) e = append(b, large, why);
    if (!e && arrays.size) e = append(b, arrays, why);
    if (!e) e = append(b, slice_of(tail, sizeof tail), why);
    b->has_pending = true;
    b->properties.blocks++;
    block_builder_clear(&b->data);
    return e;
}

/* Encodes the block; *size 0: that would save less than an eighth of it. */
static enum err encode_block(struct sst_builder *b, slice plain, size_t *size,
                             struct err_detail *why)
{
    size_t room = plain.size - plain.size / 8;
    if (room > b->encoded_capacity) {
        uint8_t *grown = mem_resize(b->mem, b->encoded, room);
        if (!grown) return no_memory(b, why);
        b->encoded = grown;
        b->encoded_capacity = room;
    }
    *size = codec_encode(b->codec, b->codec_state, plain, b->encoded, room);
    return ERR_OK;
}

static enum err finish_block(struct sst_builder *b, struct err_detail *why)
{
    const slice none = slice_of(NULL, 0);
    slice plain;
    size_t size = 0;
    if (b->data.entries == 0) return ERR_OK;
    if (block_builder_finish(&b->data, &plain)) return no_memory(b, why);
    enum err e = b->codec == CODEC_NONE ? ERR_OK : encode_block(b, plain, &size, why);
    if (e) return e;
    if (size == 0) return write_block(b, CODEC_NONE, plain, none, none, why);
    b->features |= SST_FEATURE_LZ4;
    b->properties.saved_bytes += plain.size - size;
    return write_block(b, b->codec, slice_of(b->encoded, size), none, none, why);
}

/* A block for one large value, written around the caller's bytes. */
static enum err add_large(struct sst_builder *b, slice key, uint64_t tag, slice value,
                          struct err_detail *why)
{
    if (block_builder_add_head(&b->data, key, tag, value.size)) return no_memory(b, why);
    size_t head = b->data.size;
    slice bytes;
    if (block_builder_finish(&b->data, &bytes)) return no_memory(b, why);
    return write_block(b, CODEC_NONE, slice_of(bytes.data, head), value,
                       slice_of(bytes.data + head, bytes.size - head), why);
}

/* ---- building ---- */

static void free_builder(struct sst_builder *b)
{
    block_builder_deinit(&b->data);
    block_builder_deinit(&b->index);
    mem_free(b->mem, b->handles);
    mem_free(b->mem, b->hashes);
    mem_free(b->mem, b->codec_state);
    mem_free(b->mem, b->encoded);
    mem_free(b->mem, b->buffer);
    mem_free(b->mem, (void *)(uintptr_t)b->properties.smallest.data);
    mem_free(b->mem, b);
}

enum err sst_builder_new(struct mem *mem, struct disk_dir *dir, uint64_t number,
                         unsigned level, const struct options *options,
                         struct sst_builder **out, struct err_detail *why)
{
    assert(level < LEVELS_MAX);
    struct sst_builder *b = mem_zalloc(mem, sizeof *b);
    if (!b) return err_set(why, ERR_NOMEM, 0, "no memory to write a table");
    b->mem = mem;
    b->number = number;
    b->block_bytes = options->block_bytes;
    b->filter_bits = options->filter_bits;
    b->capacity = options->write_buffer_bytes;
    b->properties.min_seq = SEQNO_MAX;
    sst_name(number, b->name);
    block_builder_init(&b->data, mem, options->restart_interval);
    block_builder_init(&b->index, mem, 1);
    b->codec = options->codecs[level];
    if (b->codec != CODEC_NONE)
        b->codec_state = mem_alloc(mem, codec_state_bytes(b->codec));
    b->buffer = mem_alloc(mem, b->capacity);
    if (!b->buffer || (b->codec != CODEC_NONE && !b->codec_state)) {
        enum err e = no_memory(b, why);
        free_builder(b);
        return e;
    }
    int os = new_file(dir, b->name, SITE_SST_CREATE, SITE_SST_UNLINK, &b->file);
    if (os) {
        err_set(why, err_from_os(os), os, "%s: cannot be created", b->name);
        free_builder(b);
        return err_from_os(os);
    }
    *out = b;
    return ERR_OK;
}

/* Remembers a key for the filter, once for all its versions. */
static bool add_hash(struct sst_builder *b, slice key)
{
    if (b->hash_count == b->hash_capacity) {
        size_t capacity = b->hash_capacity ? 2 * b->hash_capacity : 32;
        uint64_t *hashes = mem_resize(b->mem, b->hashes, capacity * sizeof *hashes);
        if (!hashes) return false;
        b->hashes = hashes;
        b->hash_capacity = capacity;
    }
    b->hashes[b->hash_count++] = filter_hash(key);
    return true;
}

static bool note_key(struct sst_builder *b, slice key)
{
    struct sst_properties *p = &b->properties;
    bool first = p->entries == 0;
    if (first) {
        uint8_t *copy = mem_alloc(b->mem, key.size + 1);
        if (!copy) return false;
        if (key.size) memcpy(copy, key.data, key.size);
        p->smallest = slice_of(copy, key.size);
    }
    if (b->filter_bits == 0) return true;
    if (!first && slice_equal(key, slice_of(b->data.last_key, b->data.last_size)))
        return true;
    return add_hash(b, key);
}

static void count_entry(struct sst_builder *b, slice key, uint64_t tag, slice value)
{
    struct sst_properties *p = &b->properties;
    p->entries++;
    p->tombstones += tag_kind(tag) == ENTRY_DELETE;
    p->key_bytes += key.size;
    p->value_bytes += value.size;
    if (tag_seq(tag) < p->min_seq) p->min_seq = tag_seq(tag);
    if (tag_seq(tag) > p->max_seq) p->max_seq = tag_seq(tag);
}

enum err sst_builder_add(struct sst_builder *b, slice key, uint64_t tag, slice value,
                         struct err_detail *why)
{
    assert(!b->failed);
    assert(key.size <= KEY_BYTES_MAX && value.size <= VALUE_BYTES_MAX);
    assert(b->properties.entries == 0 ||
           ikey_compare(slice_of(b->data.last_key, b->data.last_size), b->data.last_tag,
                        key, tag) < 0);
    bool large = value.size > LARGE_VALUE_BYTES;
    enum err e = ERR_OK;
    if (large || block_builder_size_with(&b->data, key.size, value.size) > b->block_bytes)
        e = finish_block(b, why);
    if (!e) e = index_pending(b, &key, why);
    if (e) return e;
    if (!note_key(b, key)) return no_memory(b, why);
    if (large) {
        e = add_large(b, key, tag, value, why);
        if (e) return e;
    } else if (block_builder_add(&b->data, key, tag, value)) {
        return no_memory(b, why);
    }
    count_entry(b, key, tag, value);
    return ERR_OK;
}

uint64_t sst_builder_bytes(const struct sst_builder *b)
{
    return b->offset + b->data.size + b->index.size + b->handle_count * SST_HANDLE_BYTES +
           filter_size(b->hash_count, b->filter_bits) + SST_FOOTER_BYTES;
}

/* ---- the end of the file ---- */

static enum err write_filter(struct sst_builder *b, struct sst_footer *f,
                             struct err_detail *why)
{
    size_t size = filter_size(b->hash_count, b->filter_bits);
    if (size == 0) return ERR_OK;
    uint8_t *filter = mem_alloc(b->mem, size);
    if (!filter) return no_memory(b, why);
    f->filter_bytes = (uint32_t)size;
    f->filter_probes = filter_probes(b->filter_bits);
    filter_build(filter, size, f->filter_probes, b->hashes, b->hash_count);
    f->filter_crc = crc32c(0, filter, size);
    enum err e = append(b, slice_of(filter, size), why);
    mem_free(b->mem, filter);
    return e;
}

static enum err write_index(struct sst_builder *b, struct sst_footer *f,
                            struct err_detail *why)
{
    slice separators, handles = slice_of(b->handles, b->handle_count * SST_HANDLE_BYTES);
    if (block_builder_finish(&b->index, &separators)) return no_memory(b, why);
    f->index_bytes = (uint32_t)(handles.size + separators.size);
    f->index_crc = crc32c(0, handles.data, handles.size);
    f->index_crc = crc32c(f->index_crc, separators.data, separators.size);
    enum err e = append(b, handles, why);
    return e ? e : append(b, separators, why);
}

static enum err write_properties(struct sst_builder *b, struct sst_footer *f,
                                 struct err_detail *why)
{
    uint8_t *bytes = mem_alloc(b->mem, sst_properties_bytes_max(&b->properties));
    if (!bytes) return no_memory(b, why);
    const uint8_t *end = sst_properties_put(bytes, &b->properties);
    slice all = slice_of(bytes, (size_t)(end - bytes));
    f->properties_bytes = (uint32_t)all.size;
    f->properties_crc = crc32c(0, all.data, all.size);
    enum err e = append(b, all, why);
    mem_free(b->mem, bytes);
    return e;
}

/* Everything behind the data blocks; *meta gets all but its keys. */
static enum err write_tail(struct sst_builder *b, struct sst_meta *meta,
                           struct err_detail *why)
{
    struct sst_footer f = {
        .number = b->number, .data_bytes = b->offset, .features = b->features};
    enum err e = write_filter(b, &f, why);
    if (!e) e = write_index(b, &f, why);
    if (!e) e = write_properties(b, &f, why);
    if (e) return e;
    uint8_t footer[SST_FOOTER_BYTES];
    meta->checksum = sst_footer_put(footer, &f);
    e = append(b, slice_of(footer, sizeof footer), why);
    if (!e) e = flush(b, why);
    meta->number = b->number;
    meta->size = b->offset;
    meta->tail_bytes = b->offset - f.data_bytes;
    meta->entries = b->properties.entries;
    meta->tombstones = b->properties.tombstones;
    meta->min_seq = b->properties.min_seq;
    meta->max_seq = b->properties.max_seq;
    return e;
}

static enum err finish_file(struct sst_builder *b, struct sst_meta *meta,
                            struct err_detail *why)
{
    enum err e = finish_block(b, why);
    if (!e) e = index_pending(b, NULL, why);
    if (e) return e;
    b->properties.largest = slice_of(b->data.last_key, b->data.last_size);
    e = write_tail(b, meta, why);
    if (e) return e;
    int os = disk_sync(b->file, DISK_SYNC_FULL, SITE_SST_SYNC);
    if (os) return err_set(why, err_from_os(os), os, "%s: sync failed", b->name);
    return ERR_OK;
}

enum err sst_builder_finish(struct sst_builder *b, struct sst_meta *meta,
                            struct err_detail *why)
{
    assert(!b->failed && b->properties.entries > 0);
    struct sst_meta written = {.number = b->number};
    enum err e = finish_file(b, &written, why);
    if (!e) {
        written.smallest = b->properties.smallest;
        written.largest = b->properties.largest;
        e = sst_meta_copy(meta, &written, b->mem);
        if (e) no_memory(b, why);
    }
    disk_close(b->file);
    free_builder(b);
    return e;
}

void sst_builder_abandon(struct sst_builder *b)
{
    if (!b) return;
    disk_close(b->file);
    free_builder(b);
}
