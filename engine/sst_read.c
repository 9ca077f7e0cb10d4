/* sst_read.c - opens, searches and verifies table files.
 *
 * An open table is one block of memory: its description and, behind it, the tail of the
 * file as it was read, with the filter on a boundary of cache lines. The index is searched
 * where it lies: an array of handles and a block of whole keys, whose arrays serve as they
 * are.
 *
 *   get:  filter (one cache line) > index (integers) > block > block_seek
 *
 * A block comes from the file's map where there is one. The first time since the table was
 * opened it is read with a call, whose error is an answer, and its checksum is verified;
 * from then on it is memory. Without a map it comes from the cache, or is read and verified
 * again. A job always reads and verifies.
 *
 * An encoded block is verified as it is stored and then decoded: into the cache, which so
 * holds plain blocks only, or into a buffer. Under a map its stored bytes are not read
 * again, but decoded again when the cache has let go of it.
 *
 * The checksums form a chain: the manifest has the footer's, the footer those of filter,
 * index and properties, the index those of all data blocks. A block that was valid once, or
 * is valid elsewhere, is not taken for the one that belongs here.
 *
 * Long iterations read ahead into a buffer of their own and leave the cache alone.
 *
 * LevelDB maps tables, too, but trusts what it reads there unless it is told not to.
 */
#include "engine/sst.h"

#include <assert.h>
#include <inttypes.h>

#include "engine/block.h"
#include "engine/coding.h"
#include "engine/crc32c.h"
#include "engine/filter.h"
#include "engine/sst_format.h"

#define READ_AHEAD_BYTES (64u * 1024)
/* Blocks that an iterator moves over one after the other before it reads ahead. */
#define READ_AHEAD_AFTER 2
/* A block that is touched for the first time is read in pieces of so many bytes. */
#define TOUCH_BYTES (16u * 1024)

struct sst {
    struct sst_files *files;
    struct sst_file file;
    uint64_t number;
    bool encoded;       /* some data blocks are */
    const uint8_t *map; /* of the data blocks; or NULL */
    uint64_t *seen;     /* with a map: a bit for each block that was found sound in it */
    uint64_t size, tail_offset; /* of the file; where filter, index, ... begin */
    size_t tail_bytes;
    size_t memory; /* of this allocation */
    const uint8_t *filter;
    size_t filter_bytes; /* 0: no filter */
    unsigned filter_probes;
    const uint8_t *handles; /* of the data blocks, one after the other */
    struct block index;     /* their separators; both were verified at open */
    struct sst_properties properties;
};

/* ---- messages ---- */

static enum err say(uint64_t number, struct err_detail *why, enum err code, int os,
                    const char *what)
{
    char name[SST_NAME_BYTES];
    sst_name(number, name);
    return err_set(why, code, os, "%s: %s", name, what);
}

static enum err say_at(uint64_t number, struct err_detail *why, enum err code, int os,
                       const char *part, uint64_t offset, const char *what)
{
    if (!why) return code;
    char name[SST_NAME_BYTES];
    sst_name(number, name);
    return err_set(why, code, os, "%s: %s at offset %" PRIu64 ": %s", name, part, offset,
                   what);
}

static enum err say_block(const struct sst *sst, struct err_detail *why, enum err code,
                          int os, uint64_t offset, const char *what)
{
    return say_at(sst->number, why, code, os, "data block", offset, what);
}

/* A number of the file and the same number of the manifest. */
static enum err compare_number(uint64_t number, const char *noun, uint64_t file,
                               uint64_t manifest, struct err_detail *why)
{
    if (file == manifest) return ERR_OK;
    char name[SST_NAME_BYTES];
    sst_name(number, name);
    return err_set(why, ERR_CORRUPT, 0,
                   "%s: %s is %" PRIu64 ", the manifest says %" PRIu64, name, noun, file,
                   manifest);
}

/* ---- opening ---- */

static enum err check_size(struct disk_file *file, const struct sst_meta *meta,
                           struct err_detail *why)
{
    uint64_t size;
    int os = disk_size(file, &size);
    if (os) return say(meta->number, why, err_from_os(os), os, "size cannot be read");
    enum err e = compare_number(meta->number, "size", size, meta->size, why);
    if (e) return e;
    if (meta->tail_bytes > size || meta->tail_bytes < SST_FOOTER_BYTES)
        return say(meta->number, why, ERR_CORRUPT, 0, "no room for its tail");
    return ERR_OK;
}

/* One allocation: the struct, padding, the tail. */
static struct sst *new_sst(struct sst_files *files, const struct sst_meta *meta,
                           uint8_t **tail)
{
    if (meta->tail_bytes > SIZE_MAX / 2) return NULL;
    size_t memory = sizeof(struct sst) + FILTER_LINE_BYTES + (size_t)meta->tail_bytes;
    struct sst *sst = mem_alloc(files->mem, memory);
    if (!sst) return NULL;
    uintptr_t at = (uintptr_t)(sst + 1) + FILTER_LINE_BYTES - 1;
    *tail = (uint8_t *)(at - at % FILTER_LINE_BYTES);
    *sst = (struct sst){.files = files,
                        .file = {.number = meta->number},
                        .number = meta->number,
                        .size = meta->size,
                        .tail_offset = meta->size - meta->tail_bytes,
                        .tail_bytes = (size_t)meta->tail_bytes,
                        .memory = memory};
    return sst;
}

static enum err read_tail(const struct sst *sst, struct disk_file *file, uint8_t *tail,
                          struct err_detail *why)
{
    size_t got = 0;
    int os = disk_read(file, sst->tail_offset, tail, sst->tail_bytes, &got);
    if (os)
        return say_at(sst->number, why, err_from_os(os), os, "tail", sst->tail_offset,
                      "read failed");
    if (got == sst->tail_bytes) return ERR_OK;
    return say_at(sst->number, why, ERR_CORRUPT, 0, "tail", sst->tail_offset,
                  "cut short");
}

static enum err check_footer(const struct sst *sst, const uint8_t *tail,
                             const struct sst_meta *meta, struct sst_footer *f,
                             struct err_detail *why)
{
    uint64_t offset = sst->size - SST_FOOTER_BYTES;
    const char *what = NULL;
    uint32_t crc = 0;
    enum err e =
        sst_footer_get(tail + sst->tail_bytes - SST_FOOTER_BYTES, f, &crc, &what);
    if (!e) e = sst_features_check(f->features, &what);
    if (e) return say_at(sst->number, why, e, 0, "footer", offset, what);
    if (crc != meta->checksum)
        what = "checksum is not the one in the manifest";
    else if (f->number != sst->number)
        what = "belongs to another table";
    else if (f->data_bytes != sst->tail_offset ||
             (uint64_t)f->filter_bytes + f->index_bytes + f->properties_bytes +
                     SST_FOOTER_BYTES !=
                 sst->tail_bytes ||
             f->filter_bytes % FILTER_LINE_BYTES != 0)
        what = "sizes of its parts are wrong";
    if (what) return say_at(sst->number, why, ERR_CORRUPT, 0, "footer", offset, what);
    return ERR_OK;
}

static enum err check_part(const struct sst *sst, const uint8_t *tail, const char *part,
                           slice bytes, uint32_t crc, struct err_detail *why)
{
    if (crc32c(0, bytes.data, bytes.size) == crc) return ERR_OK;
    uint64_t offset = sst->tail_offset + (uint64_t)(bytes.data - tail);
    return say_at(sst->number, why, ERR_CORRUPT, 0, part, offset, "checksum mismatch");
}

/* The blocks follow one another without a gap. */
static bool handles_are_sound(const uint8_t *handles, uint32_t count, uint64_t data_bytes)
{
    uint64_t offset = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct sst_handle h = sst_handle_get(handles + (size_t)i * SST_HANDLE_BYTES);
        if (h.offset != offset || h.size > data_bytes - offset) return false;
        if (data_bytes - offset - h.size < SST_BLOCK_TAIL_BYTES) return false;
        offset += (uint64_t)h.size + SST_BLOCK_TAIL_BYTES;
    }
    return offset == data_bytes;
}

/* Every separator is a whole key and they ascend. */
static bool separators_are_sound(const struct block *index)
{
    uint32_t next = 0;
    struct block_entry e, before = {0};
    for (uint32_t i = 0; i < index->restarts; i++, before = e) {
        if (block_restart(index, i, &e) || e.value.size != 0) return false;
        if (e.rest.data < index->bytes + next || e.rest.size < index->common)
            return false;
        if (i && ikey_compare(before.rest, before.tag, e.rest, e.tag) >= 0) return false;
        next = e.next;
    }
    return next == index->end;
}

/* Handles, then a block of separators; its counts tell how many there are. */
static bool take_index(struct sst *sst, slice index)
{
    if (index.size < 8) return false;
    uint32_t count = fixed32_get(index.data + index.size - 8);
    if (count > index.size / SST_HANDLE_BYTES) return false;
    size_t handles = (size_t)count * SST_HANDLE_BYTES;
    slice separators = slice_of(index.data + handles, index.size - handles);
    sst->handles = index.data;
    return !block_open(&sst->index, separators) && sst->index.restarts == count &&
           handles_are_sound(index.data, count, sst->tail_offset) &&
           separators_are_sound(&sst->index);
}

static enum err check_properties(const struct sst *sst, const struct sst_meta *meta,
                                 struct err_detail *why)
{
    const struct sst_properties *p = &sst->properties;
    enum err e =
        compare_number(sst->number, "number of entries", p->entries, meta->entries, why);
    if (!e)
        e = compare_number(sst->number, "number of tombstones", p->tombstones,
                           meta->tombstones, why);
    if (!e)
        e = compare_number(sst->number, "smallest sequence", p->min_seq, meta->min_seq,
                           why);
    if (!e)
        e = compare_number(sst->number, "largest sequence", p->max_seq, meta->max_seq,
                           why);
    if (!e)
        e = compare_number(sst->number, "number of blocks", p->blocks,
                           sst->index.restarts, why);
    if (!e && !(slice_equal(p->smallest, meta->smallest) &&
                slice_equal(p->largest, meta->largest)))
        e = say(sst->number, why, ERR_CORRUPT, 0, "its bounds are not the manifest's");
    return e;
}

/* Verifies the tail and points the table at its parts. */
static enum err take_tail(struct sst *sst, const uint8_t *tail,
                          const struct sst_meta *meta, struct err_detail *why)
{
    struct sst_footer f;
    enum err e = check_footer(sst, tail, meta, &f, why);
    if (e) return e;
    slice filter = slice_of(tail, f.filter_bytes);
    slice index = slice_of(tail + f.filter_bytes, f.index_bytes);
    slice properties = slice_of(index.data + index.size, f.properties_bytes);
    e = check_part(sst, tail, "filter", filter, f.filter_crc, why);
    if (!e) e = check_part(sst, tail, "index", index, f.index_crc, why);
    if (!e) e = check_part(sst, tail, "properties", properties, f.properties_crc, why);
    if (e) return e;
    sst->encoded = f.features & SST_FEATURE_LZ4;
    sst->filter = filter.data;
    sst->filter_bytes = filter.size;
    sst->filter_probes = f.filter_probes;
    if (!take_index(sst, index))
        return say_at(sst->number, why, ERR_CORRUPT, 0, "index",
                      sst->tail_offset + filter.size, "does not fit the data blocks");
    if (!sst_properties_get(properties, &sst->properties))
        return say_at(sst->number, why, ERR_CORRUPT, 0, "properties",
                      sst->tail_offset + filter.size + index.size, "malformed");
    return check_properties(sst, meta, why);
}

/* Shows the data blocks as memory; a table of which that is not possible is read. */
static void map_blocks(struct sst *sst, struct disk_file *file)
{
    struct mem *mem = sst->files->mem;
    size_t bytes = ((size_t)sst->index.restarts + 63) / 64 * sizeof *sst->seen;
    if (!sst->files->map || !(sst->seen = mem_zalloc(mem, bytes))) return;
    if (disk_map(file, sst->tail_offset, &sst->map)) {
        mem_free(mem, sst->seen);
        sst->seen = NULL;
        return;
    }
    sst->memory += bytes;
}

static enum err open_in(struct sst_files *files, struct disk_file *file,
                        const struct sst_meta *meta, struct sst **out,
                        struct err_detail *why)
{
    uint8_t *tail;
    enum err e = check_size(file, meta, why);
    if (e) return e;
    struct sst *sst = new_sst(files, meta, &tail);
    if (!sst) return say(meta->number, why, ERR_NOMEM, 0, "no memory to open it");
    e = read_tail(sst, file, tail, why);
    if (!e) e = take_tail(sst, tail, meta, why);
    if (e) {
        sst_close(sst);
        return e;
    }
    map_blocks(sst, file);
    *out = sst;
    return ERR_OK;
}

enum err sst_open(struct sst_files *files, const struct sst_meta *meta, struct sst **out,
                  struct err_detail *why)
{
    struct disk_file *file;
    enum err e = sst_file_open(files->dir, meta->number, &file, why);
    if (e) return e;
    e = open_in(files, file, meta, out, why);
    disk_close(file);
    return e;
}

void sst_close(struct sst *sst)
{
    if (!sst) return;
    struct sst_files *files = sst->files;
    sst_files_drop(files, &sst->file);
    if (sst->map) disk_unmap(files->dir->disk, sst->map, sst->tail_offset);
    mem_free(files->mem, sst->seen);
    mem_free(files->mem, sst);
}

uint64_t sst_mapped(const struct sst *sst)
{
    return sst->map ? sst->tail_offset : 0;
}

uint64_t sst_saved(const struct sst *sst)
{
    return sst ? sst->properties.saved_bytes : 0;
}

size_t sst_memory(const struct sst *sst)
{
    return sst->memory;
}

/* ---- data blocks ---- */

static inline struct sst_handle handle_at(const struct sst *sst, uint32_t i)
{
    assert(i < sst->index.restarts);
    return sst_handle_get(sst->handles + (size_t)i * SST_HANDLE_BYTES);
}

static size_t stored_bytes(const struct sst_handle *h)
{
    return (size_t)h->size + SST_BLOCK_TAIL_BYTES;
}

/* Verifies the bytes of one block and its tail as they were read. */
static enum err verify_block(const struct sst *sst, const struct sst_handle *h,
                             const uint8_t *stored, struct err_detail *why)
{
    uint32_t crc = crc32c(0, stored, h->size + 1);
    if (crc != h->crc || crc != fixed32_get(stored + h->size + 1))
        return say_block(sst, why, ERR_CORRUPT, 0, h->offset, "checksum mismatch");
    if (stored[h->size] != CODEC_NONE && !sst->encoded)
        return say_block(sst, why, ERR_NEWER_FORMAT, 0, h->offset,
                         "stored with a codec this program does not know");
    return ERR_OK;
}

static enum err read_bytes(const struct sst *sst, struct disk_file *file, uint64_t offset,
                           uint8_t *to, size_t n, struct err_detail *why)
{
    size_t got = 0;
    int os = disk_read(file, offset, to, n, &got);
    if (os) return say_block(sst, why, err_from_os(os), os, offset, "read failed");
    if (got == n) return ERR_OK;
    return say_block(sst, why, ERR_CORRUPT, 0, offset, "cut short");
}

/* Reads and verifies one block with its tail into `to`. */
static enum err load_block(struct sst *sst, const struct sst_handle *h, uint8_t *to,
                           struct err_detail *why)
{
    struct disk_file *file;
    enum err e = sst_files_get(sst->files, &sst->file, &file, why);
    if (!e) e = read_bytes(sst, file, h->offset, to, stored_bytes(h), why);
    return e ? e : verify_block(sst, h, to, why);
}

static void free_block(const struct sst *sst, uint8_t *block)
{
    if (sst->files->cache)
        cache_return(sst->files->cache, block);
    else
        mem_free(sst->files->mem, block);
}

void sst_pin_release(struct sst *sst, struct sst_pin *pin)
{
    if (pin->entry) cache_unpin(sst->files->cache, pin->entry);
    if (pin->block) free_block(sst, pin->block);
    *pin = (struct sst_pin){0};
}

/* Memory for a block that is to be held: an entry of the cache or, when it does not want
 * the block, a buffer. */
struct room {
    struct cache_entry *entry;
    uint8_t *bytes;
};

static enum err find_room(struct sst *sst, const struct sst_handle *h, size_t n,
                          bool may_cache, struct room *room, struct err_detail *why)
{
    struct cache *cache = sst->files->cache;
    *room = (struct room){0};
    if (may_cache)
        room->entry = cache_reserve(cache, sst->number, h->offset, n, &room->bytes);
    if (!room->entry)
        room->bytes = may_cache ? cache_borrow(cache, n) : mem_alloc(sst->files->mem, n);
    if (room->bytes) return ERR_OK;
    return say_block(sst, why, ERR_NOMEM, 0, h->offset, "no memory to read it");
}

static void leave_room(const struct sst *sst, const struct room *room)
{
    if (room->entry)
        cache_cancel(sst->files->cache, room->entry);
    else
        free_block(sst, room->bytes);
}

/* What was filled is held by the pin. */
static void hold_room(const struct sst *sst, const struct room *room, struct sst_pin *pin)
{
    if (room->entry)
        cache_keep(sst->files->cache, room->entry);
    else
        pin->block = room->bytes;
    pin->entry = room->entry;
}

/* A block that the cache does not have, of a table without encoded ones: it is read to
 * where it stays. */
static enum err read_block(struct sst *sst, const struct sst_handle *h, bool may_cache,
                           struct sst_pin *pin, slice *contents, struct err_detail *why)
{
    struct room room;
    enum err e = find_room(sst, h, stored_bytes(h), may_cache, &room, why);
    if (e) return e;
    e = load_block(sst, h, room.bytes, why);
    if (e) {
        leave_room(sst, &room);
        return e;
    }
    hold_room(sst, &room, pin);
    *contents = slice_of(room.bytes, h->size);
    return ERR_OK;
}

static enum err plain_bytes(const struct sst *sst, const struct sst_handle *h,
                            const uint8_t *stored, size_t *n, struct err_detail *why)
{
    const char *what = NULL;
    enum err e = codec_plain_bytes(stored[h->size], slice_of(stored, h->size), n, &what);
    return e ? say_block(sst, why, e, 0, h->offset, what) : ERR_OK;
}

static enum err decode_to(const struct sst *sst, const struct sst_handle *h,
                          const uint8_t *stored, uint8_t *to, size_t n,
                          struct err_detail *why)
{
    if (codec_decode(stored[h->size], slice_of(stored, h->size), to, n)) return ERR_OK;
    return say_block(sst, why, ERR_CORRUPT, 0, h->offset, "cannot be decoded");
}

/* Decodes a block that was verified to where it stays. */
static enum err decode_block(struct sst *sst, const struct sst_handle *h,
                             const uint8_t *stored, bool may_cache, struct sst_pin *pin,
                             slice *contents, struct err_detail *why)
{
    size_t n = 0;
    struct room room;
    enum err e = plain_bytes(sst, h, stored, &n, why);
    if (!e) e = find_room(sst, h, n, may_cache, &room, why);
    if (e) return e;
    e = decode_to(sst, h, stored, room.bytes, n, why);
    if (e) {
        leave_room(sst, &room);
        return e;
    }
    hold_room(sst, &room, pin);
    *contents = slice_of(room.bytes, n);
    return ERR_OK;
}

/* A block that the cache does not have, of a table with encoded ones. */
static enum err read_encoded(struct sst *sst, const struct sst_handle *h, bool may_cache,
                             struct sst_pin *pin, slice *contents, struct err_detail *why)
{
    struct cache *cache = sst->files->cache;
    size_t n = stored_bytes(h);
    uint8_t *stored = may_cache ? cache_borrow(cache, n) : mem_alloc(sst->files->mem, n);
    if (!stored)
        return say_block(sst, why, ERR_NOMEM, 0, h->offset, "no memory to read it");
    enum err e = load_block(sst, h, stored, why);
    if (!e && !may_cache && stored[h->size] == CODEC_NONE) {
        pin->block = stored; /* a large value is not copied */
        *contents = slice_of(stored, h->size);
        return ERR_OK;
    }
    if (!e) e = decode_block(sst, h, stored, may_cache, pin, contents, why);
    free_block(sst, stored);
    return e;
}

/* A block from the cache, or from where it is stored: in memory at `stored` or, when that
 * is NULL, in the file. The pin holds it. Large ones are not cached. */
static enum err pin_cached(struct sst *sst, const struct sst_handle *h,
                           const uint8_t *stored, struct sst_pin *pin, slice *contents,
                           struct err_detail *why)
{
    struct cache *cache = sst->files->cache;
    bool may_cache = cache && h->size <= LARGE_VALUE_BYTES;
    if (may_cache) pin->entry = cache_find(cache, sst->number, h->offset);
    if (pin->entry) {
        size_t n;
        const uint8_t *bytes = cache_block(pin->entry, &n);
        *contents = slice_of(bytes, sst->encoded ? n : h->size);
        assert(sst->encoded || n == stored_bytes(h));
        return ERR_OK;
    }
    if (stored) return decode_block(sst, h, stored, may_cache, pin, contents, why);
    if (sst->encoded) return read_encoded(sst, h, may_cache, pin, contents, why);
    return read_block(sst, h, may_cache, pin, contents, why);
}

/* ---- mapped blocks ---- */

static inline bool is_seen(const struct sst *sst, uint32_t i)
{
    return sst->seen[i / 64] >> i % 64 & 1;
}

static inline void set_seen(struct sst *sst, uint32_t i)
{
    sst->seen[i / 64] |= (uint64_t)1 << i % 64;
}

/* Before the i-th block counts as memory: a read brings its pages in, so that an error of
 * the medium is an answer and not a signal, and the checksum is taken of the memory. */
static __attribute__((noinline)) enum err touch_block(struct sst *sst, uint32_t i,
                                                      const struct sst_handle *h,
                                                      struct err_detail *why)
{
    uint8_t scratch[TOUCH_BYTES];
    struct disk_file *file;
    enum err e = sst_files_get(sst->files, &sst->file, &file, why);
    for (size_t at = 0, n = stored_bytes(h); at < n && !e; at += sizeof scratch) {
        size_t piece = n - at < sizeof scratch ? n - at : sizeof scratch;
        e = read_bytes(sst, file, h->offset + at, scratch, piece, why);
    }
    if (!e) e = verify_block(sst, h, sst->map + h->offset, why);
    if (!e) set_seen(sst, i);
    return e;
}

/* True when the stored bytes, verified, are not the contents. */
static inline bool is_encoded(const struct sst *sst, const struct sst_handle *h,
                              const uint8_t *stored)
{
    return sst->encoded && stored[h->size] != CODEC_NONE;
}

/* The i-th block, held by the pin or the map. */
static inline enum err pin_block(struct sst *sst, uint32_t i, const struct sst_handle *h,
                                 struct sst_pin *pin, slice *contents,
                                 struct err_detail *why)
{
    if (!sst->map) return pin_cached(sst, h, NULL, pin, contents, why);
    const uint8_t *stored = sst->map + h->offset;
    if (!is_seen(sst, i)) {
        enum err e = touch_block(sst, i, h, why);
        if (e) return e;
    }
    if (is_encoded(sst, h, stored)) return pin_cached(sst, h, stored, pin, contents, why);
    *contents = slice_of(stored, h->size);
    return ERR_OK;
}

/* The number of the block that holds the first entry >= (key, tag), if the table has one;
 * `restarts` of the index: all entries are smaller. */
static enum err find_block(const struct sst *sst, slice key, uint64_t tag, uint32_t *i,
                           struct err_detail *why)
{
    if (!block_seek_restart(&sst->index, key, tag, i)) return ERR_OK;
    return say(sst->number, why, ERR_CORRUPT, 0, "its index is malformed");
}

/* ---- point reads ---- */

struct sst_query sst_query_of(slice key, seqno seq)
{
    return (struct sst_query){key, tag_seek(seq), filter_hash(key)};
}

bool sst_may_contain(const struct sst *sst, const struct sst_query *query)
{
    return sst->filter_bytes == 0 || filter_may_contain(sst->filter, sst->filter_bytes,
                                                        sst->filter_probes, query->hash);
}

enum err sst_get(struct sst *sst, const struct sst_query *query, bool *found,
                 uint64_t *tag, slice *value, struct sst_pin *pin, struct err_detail *why)
{
    assert(!pin->entry && !pin->block);
    sst->files->asked++;
    if (!sst_may_contain(sst, query)) {
        sst->files->filter_negatives++;
        *found = false;
        return ERR_OK;
    }
    uint32_t i = 0;
    enum err e = find_block(sst, query->key, query->tag, &i, why);
    if (e) return e;
    if (i == sst->index.restarts) {
        sst->files->filter_false_positives += sst->filter_bytes > 0;
        *found = false;
        return ERR_OK;
    }
    struct sst_handle h = handle_at(sst, i);
    slice contents;
    e = pin_block(sst, i, &h, pin, &contents, why);
    if (e) return e;

    struct block block;
    struct block_entry entry;
    e = block_open(&block, contents);
    if (!e) e = block_seek(&block, query->key, query->tag, &entry);
    if (!e && block_entry_is(&entry, query->key)) {
        *found = true;
        *tag = entry.tag;
        *value = entry.value;
        return ERR_OK;
    }
    sst_pin_release(sst, pin);
    if (e && e != ERR_NOT_FOUND) return say_block(sst, why, e, 0, h.offset, "malformed");
    sst->files->filter_false_positives += sst->filter_bytes > 0;
    *found = false;
    return ERR_OK;
}

/* ---- iterator ---- */

struct sst_iter {
    struct iter iter;
    struct mem *mem;
    struct sst *sst;
    struct err_detail *why;
    bool shared;            /* with the owner: cache, map, open file */
    struct disk_file *file; /* our own, when not shared and open */
    unsigned run;           /* blocks entered by steps one way since the last seek */
    bool backward;          /* that way */
    uint32_t at;            /* number of the current block */
    struct block_iter block;
    struct sst_pin pin; /* holds the current block, or */
    uint8_t *buffer;    /* it lies in bytes that were read ahead */
    size_t capacity, filled;
    uint64_t buffer_offset; /* of the file */
    uint8_t *plain;         /* the current block, decoded from there or from a map */
    size_t plain_capacity;
    size_t contents_bytes; /* of the current block, wherever it lies */
};

static void iter_fail(struct sst_iter *it, enum err e)
{
    it->iter.valid = false;
    it->iter.err = e;
}

/* Makes the buffer hold n bytes, and in a run whatever may be read ahead in this table. */
static enum err reserve_buffer(struct sst_iter *it, size_t n)
{
    uint64_t most = it->sst->tail_offset;
    if (n <= it->capacity) return ERR_OK;
    if (it->run >= READ_AHEAD_AFTER && n < READ_AHEAD_BYTES)
        n = most < READ_AHEAD_BYTES ? (size_t)most : READ_AHEAD_BYTES;
    uint8_t *buffer = mem_alloc(it->mem, n);
    if (!buffer) return ERR_NOMEM;
    mem_free(it->mem, it->buffer);
    it->buffer = buffer;
    it->capacity = n;
    return ERR_OK;
}

static enum err iter_file(struct sst_iter *it, struct disk_file **file)
{
    struct sst *sst = it->sst;
    enum err e = ERR_OK;
    if (it->shared) return sst_files_get(sst->files, &sst->file, file, it->why);
    if (!it->file) e = sst_file_open(sst->files->dir, sst->number, &it->file, it->why);
    if (!e) *file = it->file;
    return e;
}

/* Fills the buffer with the block and, in a longer run, what comes next on its way. */
static enum err fill(struct sst_iter *it, const struct sst_handle *h)
{
    const struct sst *sst = it->sst;
    size_t n = stored_bytes(h), ahead = (size_t)READ_AHEAD_BYTES;
    uint64_t from = h->offset, end = from + n;
    uint64_t room = it->backward ? end : sst->tail_offset - from;
    if (it->run < READ_AHEAD_AFTER || ahead < n) ahead = n;
    if (ahead > room) ahead = (size_t)room;
    if (it->backward) from = end - ahead;
    it->filled = 0;
    if (reserve_buffer(it, ahead))
        return say_block(sst, it->why, ERR_NOMEM, 0, h->offset, "no memory to read it");
    struct disk_file *file;
    enum err e = iter_file(it, &file);
    if (!e) e = read_bytes(sst, file, from, it->buffer, ahead, it->why);
    if (e) return e;
    it->buffer_offset = from;
    it->filled = ahead;
    return ERR_OK;
}

/* The stored bytes, verified, in the iterator's buffer. */
static enum err buffer_block(struct sst_iter *it, const struct sst_handle *h,
                             const uint8_t **stored)
{
    uint64_t from = h->offset - it->buffer_offset;
    if (h->offset < it->buffer_offset || from + stored_bytes(h) > it->filled) {
        enum err e = fill(it, h);
        if (e) return e;
        from = h->offset - it->buffer_offset;
    }
    *stored = it->buffer + from;
    return verify_block(it->sst, h, *stored, it->why);
}

/* Decodes stored bytes into a buffer of the iterator. */
static enum err decode_here(struct sst_iter *it, const struct sst_handle *h,
                            const uint8_t *stored, slice *contents)
{
    size_t n = 0;
    enum err e = plain_bytes(it->sst, h, stored, &n, it->why);
    if (e) return e;
    if (n > it->plain_capacity) {
        uint8_t *grown = mem_resize(it->mem, it->plain, n);
        if (!grown)
            return say_block(it->sst, it->why, ERR_NOMEM, 0, h->offset,
                             "no memory to decode it");
        it->plain = grown;
        it->plain_capacity = n;
    }
    *contents = slice_of(it->plain, n);
    return decode_to(it->sst, h, stored, it->plain, n, it->why);
}

/* Finds the i-th block where it costs least. */
static enum err find_bytes(struct sst_iter *it, uint32_t i, const struct sst_handle *h,
                           slice *contents)
{
    struct sst *sst = it->sst;
    const uint8_t *map = it->shared ? sst->map : NULL, *stored = NULL;
    bool seen = map && is_seen(sst, i), walks = it->run >= READ_AHEAD_AFTER;
    if ((seen && !sst->encoded) || (it->shared && !walks && (map || sst->files->cache)))
        return pin_block(sst, i, h, &it->pin, contents, it->why);
    enum err e = ERR_OK;
    if (seen)
        stored = map + h->offset;
    else
        e = buffer_block(it, h, &stored);
    if (e) return e;
    if (map) set_seen(sst, i);
    if (is_encoded(sst, h, stored)) return decode_here(it, h, stored, contents);
    *contents = slice_of(stored, h->size);
    return ERR_OK;
}

/* Makes the i-th block the current one. */
static enum err enter_block(struct sst_iter *it, uint32_t i)
{
    struct sst_handle h = handle_at(it->sst, i);
    slice contents;
    sst_pin_release(it->sst, &it->pin);
    it->at = i;
    enum err e = find_bytes(it, i, &h, &contents);
    if (e) return e;
    it->contents_bytes = contents.size;
    e = block_iter_open(&it->block, contents);
    if (e) return say_block(it->sst, it->why, e, 0, h.offset, "malformed");
    return ERR_OK;
}

static inline void copy_entry(struct sst_iter *it)
{
    it->iter.valid = true;
    it->iter.key = it->block.key;
    it->iter.tag = it->block.tag;
    it->iter.value = it->block.value;
}

/* Says why the block's iterator is not valid when that is an error. */
static enum err block_error(const struct sst_iter *it)
{
    enum err e = it->block.err;
    if (!e) return ERR_OK;
    return say_block(it->sst, it->why, e, 0, handle_at(it->sst, it->at).offset,
                     e == ERR_NOMEM ? "no memory for its key" : "malformed");
}

/* Counts the blocks that are entered one after the other the same way. */
static void count_run(struct sst_iter *it, bool backward)
{
    it->run = it->backward == backward ? it->run + 1 : 1;
    it->backward = backward;
}

/* Shows the block's current entry; past its end, the first one of the blocks behind it. */
static void settle(struct sst_iter *it)
{
    while (!it->block.valid) {
        enum err e = block_error(it);
        if (e || it->at + 1 == it->sst->index.restarts) {
            iter_fail(it, e);
            return;
        }
        count_run(it, false);
        e = enter_block(it, it->at + 1);
        if (e) {
            iter_fail(it, e);
            return;
        }
        block_iter_first(&it->block);
    }
    copy_entry(it);
}

/* The same the other way. */
static void settle_back(struct sst_iter *it)
{
    while (!it->block.valid) {
        enum err e = block_error(it);
        if (e || it->at == 0) {
            iter_fail(it, e);
            return;
        }
        count_run(it, true);
        e = enter_block(it, it->at - 1);
        if (e) {
            iter_fail(it, e);
            return;
        }
        block_iter_last(&it->block);
    }
    copy_entry(it);
}

/* Begins anew in the i-th block; false when it cannot be read. */
static bool jump(struct sst_iter *it, uint32_t i)
{
    it->run = 0;
    iter_fail(it, enter_block(it, i));
    return it->iter.err == ERR_OK;
}

static void sst_iter_first(struct iter *iter)
{
    struct sst_iter *it = (struct sst_iter *)iter;
    if (!jump(it, 0)) return;
    block_iter_first(&it->block);
    settle(it);
}

static void sst_iter_seek(struct iter *iter, slice key, uint64_t tag)
{
    struct sst_iter *it = (struct sst_iter *)iter;
    uint32_t i = 0;
    iter_fail(it, find_block(it->sst, key, tag, &i, it->why));
    if (iter->err || i == it->sst->index.restarts || !jump(it, i)) return;
    block_iter_seek(&it->block, key, tag);
    settle(it);
}

static void sst_iter_last(struct iter *iter)
{
    struct sst_iter *it = (struct sst_iter *)iter;
    if (!jump(it, it->sst->index.restarts - 1)) return;
    block_iter_last(&it->block);
    settle_back(it);
}

static void sst_iter_seek_back(struct iter *iter, slice key, uint64_t tag)
{
    struct sst_iter *it = (struct sst_iter *)iter;
    uint32_t i = 0, last = it->sst->index.restarts - 1;
    iter_fail(it, find_block(it->sst, key, tag, &i, it->why));
    if (iter->err || !jump(it, i <= last ? i : last)) return;
    block_iter_seek_back(&it->block, key, tag);
    settle_back(it);
}

static void sst_iter_prev(struct iter *iter)
{
    struct sst_iter *it = (struct sst_iter *)iter;
    assert(iter->valid);
    block_iter_prev(&it->block);
    if (it->block.valid)
        copy_entry(it);
    else
        settle_back(it);
}

static void sst_iter_next(struct iter *iter)
{
    struct sst_iter *it = (struct sst_iter *)iter;
    assert(iter->valid);
    block_iter_next(&it->block);
    if (it->block.valid)
        copy_entry(it);
    else
        settle(it);
}

static void sst_iter_free(struct iter *iter)
{
    struct sst_iter *it = (struct sst_iter *)iter;
    if (it->sst) sst_pin_release(it->sst, &it->pin);
    if (it->file) disk_close(it->file);
    block_iter_deinit(&it->block);
    mem_free(it->mem, it->buffer);
    mem_free(it->mem, it->plain);
    mem_free(it->mem, it);
}

struct iter *sst_iter(struct sst *sst, struct mem *mem, bool shared,
                      struct err_detail *why)
{
    static const struct iter_ops ops = {sst_iter_first,     sst_iter_last, sst_iter_seek,
                                        sst_iter_seek_back, sst_iter_next, sst_iter_prev,
                                        sst_iter_free};
    struct sst_iter *it = mem_alloc(mem, sizeof *it);
    if (!it) return NULL;
    *it = (struct sst_iter){
        .iter = {.ops = &ops}, .mem = mem, .sst = sst, .why = why, .shared = shared};
    block_iter_init(&it->block, mem);
    return &it->iter;
}

void sst_iter_use(struct iter *iter, struct sst *sst)
{
    struct sst_iter *it = (struct sst_iter *)iter;
    if (it->sst) sst_pin_release(it->sst, &it->pin);
    if (it->file) disk_close(it->file);
    it->file = NULL;
    it->sst = sst;
    it->filled = 0; /* the buffer holds bytes of another file */
    iter_fail(it, ERR_OK);
}

/* ---- checking ---- */

/* What a walk over all blocks has seen. */
struct tally {
    struct sst_properties seen;
    slice last; /* separator in the index of the block before */
    uint64_t last_tag;
};

/* One entry against the filter and the separators of the index around its block. */
static const char *check_entry(const struct sst *sst, const struct block_iter *it,
                               const struct block_entry *separator, struct tally *t)
{
    t->seen.entries++;
    t->seen.tombstones += tag_kind(it->tag) == ENTRY_DELETE;
    if (tag_seq(it->tag) < t->seen.min_seq) t->seen.min_seq = tag_seq(it->tag);
    if (tag_seq(it->tag) > t->seen.max_seq) t->seen.max_seq = tag_seq(it->tag);
    if (t->seen.blocks && ikey_compare(t->last, t->last_tag, it->key, it->tag) >= 0)
        return "key below the index entry before it";
    if (ikey_compare(it->key, it->tag, separator->rest, separator->tag) > 0)
        return "key above its index entry";
    if (tag_kind(it->tag) > ENTRY_PUT)
        return "entry of a kind this program does not know";
    struct sst_query query = sst_query_of(it->key, SEQNO_MAX);
    if (!sst_may_contain(sst, &query)) return "the filter denies a key";
    return NULL;
}

static enum err check_block(struct sst_iter *it, uint32_t i, struct tally *t)
{
    const struct sst *sst = it->sst;
    enum err e = enter_block(it, i);
    if (e) return e;
    const struct block *b = &it->block.block;
    struct sst_handle h = handle_at(sst, i);
    unsigned entries;
    e = block_check(it->mem, slice_of(b->bytes, it->contents_bytes), &entries);
    if (e)
        return say_block(sst, it->why, e, 0, h.offset,
                         e == ERR_NOMEM ? "no memory to check it"
                                        : "its order is broken");
    struct block_entry separator;
    e = block_restart(&sst->index, i, &separator);
    const char *what = e ? "its index entry is malformed" : NULL;
    block_iter_first(&it->block);
    if (i == 0 && it->block.valid &&
        !slice_equal(it->block.key, sst->properties.smallest))
        what = "does not begin with the table's smallest key";
    for (; it->block.valid && !what; block_iter_next(&it->block)) {
        what = check_entry(sst, &it->block, &separator, t);
        /* a shortened last separator would hide keys from nobody, but is never written */
        if (i + 1 == sst->index.restarts && it->block.next == b->end && !what &&
            !slice_equal(it->block.key, sst->properties.largest))
            what = "does not end with the table's largest key";
    }
    if (!what && it->block.err)
        return say_block(sst, it->why, it->block.err, 0, h.offset, "cannot be iterated");
    if (what) return say_block(sst, it->why, ERR_CORRUPT, 0, h.offset, what);
    t->last = separator.rest;
    t->last_tag = separator.tag;
    t->seen.saved_bytes += it->contents_bytes - h.size;
    t->seen.blocks++;
    return ERR_OK;
}

/* Walks all blocks; without fn it ends at the first that is damaged. */
static enum err check_blocks(struct sst_iter *it, struct tally *t, sst_finding_fn *fn,
                             void *arg)
{
    enum err first = ERR_OK;
    for (uint32_t i = 0; i < it->sst->index.restarts; i++) {
        enum err e = check_block(it, i, t);
        if (!e) continue;
        if (fn) fn(arg, e, it->why);
        if (!first) first = e;
        if (!fn || e == ERR_NOMEM) break;
    }
    return first;
}

enum err sst_check_each(struct sst *sst, const struct sst_meta *meta, sst_finding_fn *fn,
                        void *arg, struct err_detail *why)
{
    struct sst_iter *it = (struct sst_iter *)sst_iter(sst, sst->files->mem, false, why);
    struct tally t = {.seen = {.min_seq = SEQNO_MAX}};
    enum err e = ERR_NOMEM;
    if (it) {
        it->run = READ_AHEAD_AFTER; /* everything will be read */
        e = check_blocks(it, &t, fn, arg);
        sst_iter_free(&it->iter);
        if (e) return e;
        t.seen.smallest = sst->properties.smallest;
        t.seen.largest = sst->properties.largest;
        struct sst counted = {
            .number = sst->number, .index = sst->index, .properties = t.seen};
        e = check_properties(&counted, meta, why);
        if (!e && t.seen.saved_bytes != sst->properties.saved_bytes)
            e = say(sst->number, why, ERR_CORRUPT, 0,
                    "its blocks are not shorter by what its properties say");
    } else {
        say(sst->number, why, e, 0, "no memory to check it");
    }
    if (e && fn) fn(arg, e, why);
    return e;
}

enum err sst_check(struct sst *sst, const struct sst_meta *meta, struct err_detail *why)
{
    return sst_check_each(sst, meta, NULL, NULL, why);
}
