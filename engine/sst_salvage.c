/* Reading a table without trusting it.
 *
 * Every data block carries its checksum behind itself, and the index carries it again. With
 * a sound index each block is judged by itself. Without one the blocks are looked for from
 * the front: at the place where a block begins the checksum is continued byte by byte, and
 * where the next four bytes equal it, the block ends. Where no block begins, the next
 * byte is tried, if what stands there can be a first entry, or the head of an encoded
 * block, at all. An encoded block is judged by what it decodes to.
 *
 * A checksum cannot tell an old block from the right one. So blocks have to ascend, and
 * to stay within what the manifest knows of the table. */
#include "engine/sst_salvage.h"

#include <assert.h>

#include "engine/block.h"
#include "engine/coding.h"
#include "engine/crc32c.h"
#include "engine/sst_format.h"

/* Behind a damaged block, where the next one begins is a guess; guesses look this far. */
#define GUESS_BYTES_MAX (256u * 1024)
/* No block is shorter, once decoded: its arrays take so much. */
#define BLOCK_BYTES_MIN 16

struct place {
    uint64_t offset;
    uint32_t size; /* of the block as it is stored, without its tail */
    bool good;
};

/* Memory for one decoded block. */
struct plain {
    struct mem *mem;
    uint8_t *bytes;
    size_t capacity;
};

struct sst_salvage {
    struct mem *mem;
    struct disk_dir *dir;
    uint64_t number;
    const struct sst_meta *known; /* during opening, as file, last and buffer */
    sst_loss_fn *loss;
    void *arg;
    uint8_t *file; /* the whole of it */
    size_t size;
    struct place *places;
    size_t count, capacity;
    size_t data_bytes; /* end of the data blocks, when `ends`; may lie behind `size` */
    bool ends;         /* a sound footer, or the manifest, says where they end */
    bool complete;
    uint64_t entries;
    seqno max_seq;
    uint64_t sound_to; /* end of the last good block */
    const char *gap;   /* what was wrong behind it */
    slice last;        /* that block's last key; in buffer */
    uint64_t last_tag;
    uint8_t *buffer;
    size_t buffer_capacity;
    struct plain plain;
};

/* ---- encoded blocks ---- */

/* The contents of a block from its stored bytes and the codec behind them; they lie there
 * or in `plain`, until its next use. */
static enum err contents_of(slice stored, struct plain *plain, slice *out,
                            const char **what)
{
    uint8_t codec = stored.data[stored.size];
    size_t n = 0;
    *out = stored;
    if (codec == CODEC_NONE) return ERR_OK;
    enum err e = codec_plain_bytes(codec, stored, &n, what);
    if (e) return e;
    if (n > plain->capacity) {
        uint8_t *grown = mem_resize(plain->mem, plain->bytes, n);
        if (!grown) return ERR_NOMEM;
        plain->bytes = grown;
        plain->capacity = n;
    }
    *what = "cannot be decoded";
    if (!codec_decode(codec, stored, plain->bytes, n)) return ERR_CORRUPT;
    *out = slice_of(plain->bytes, n);
    return ERR_OK;
}

/* ---- the file ---- */

static int open_file(const struct sst_salvage *s, struct disk_file **file)
{
    char name[SST_NAME_BYTES];
    sst_name(s->number, name);
    return disk_open(s->dir, name, DISK_READ, SITE_SST_CREATE, file);
}

static enum err read_file(struct sst_salvage *s, struct err_detail *why)
{
    char name[SST_NAME_BYTES];
    struct disk_file *file;
    uint64_t size = 0;
    size_t at = 0;
    sst_name(s->number, name);
    int os = open_file(s, &file);
    if (os) return err_set(why, err_from_os(os), os, "%s: open", name);
    os = disk_size(file, &size);
    if (!os) s->file = mem_zalloc(s->mem, (size_t)size + 1);
    while (!os && s->file && at < size) {
        size_t n = size - at < 4096 ? (size_t)size - at : 4096, got = 0;
        /* What cannot be read stays zero and fails its checksum. */
        (void)disk_read(file, at, s->file + at, n, &got);
        at += n;
    }
    disk_close(file);
    if (os) return err_set(why, err_from_os(os), os, "%s: size", name);
    if (!s->file) return err_set(why, ERR_NOMEM, 0, "%s: no memory to read it", name);
    s->size = (size_t)size;
    return ERR_OK;
}

static enum err add_place(struct sst_salvage *s, uint64_t offset, uint32_t size)
{
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? s->capacity * 2 : 64;
        struct place *grown = mem_resize(s->mem, s->places, capacity * sizeof *grown);
        if (!grown) return ERR_NOMEM;
        s->places = grown;
        s->capacity = capacity;
    }
    s->places[s->count++] = (struct place){offset, size, false};
    return ERR_OK;
}

static void lose(const struct sst_salvage *s, uint64_t offset, uint64_t bytes,
                 const char *what, slice before)
{
    struct sst_loss loss = {offset, bytes, what, s->last, before};
    if (bytes > 0) s->loss(s->arg, s->number, &loss);
}

/* ---- places, by the index ---- */

/* A footer that is this table's, as far as anybody knows. */
static bool take_footer(const struct sst_salvage *s, struct sst_footer *f, enum err *e)
{
    const char *what;
    uint32_t crc = 0;
    if (s->size < SST_FOOTER_BYTES) return false;
    *e = sst_footer_get(s->file + s->size - SST_FOOTER_BYTES, f, &crc, &what);
    if (*e || f->number != s->number) return false;
    if (s->known && s->known->checksum != crc) return false;
    return f->data_bytes + f->filter_bytes + f->index_bytes + f->properties_bytes +
               SST_FOOTER_BYTES ==
           s->size;
}

/* False when the index is damaged. */
static bool take_index(struct sst_salvage *s, const struct sst_footer *f, enum err *e)
{
    const uint8_t *index = s->file + f->data_bytes + f->filter_bytes;
    if (crc32c(0, index, f->index_bytes) != f->index_crc || f->index_bytes < 8)
        return false;
    uint32_t count = fixed32_get(index + f->index_bytes - 8);
    if (count > f->index_bytes / SST_HANDLE_BYTES) return false;
    for (uint32_t i = 0; i < count && !*e; i++) {
        struct sst_handle h = sst_handle_get(index + (size_t)i * SST_HANDLE_BYTES);
        if (h.offset > f->data_bytes ||
            f->data_bytes - h.offset < (uint64_t)h.size + SST_BLOCK_TAIL_BYTES)
            return false;
        *e = add_place(s, h.offset, h.size);
    }
    return true;
}

/* ---- places, by looking ---- */

/* Where an encoded block that begins here would have ended, for none is larger than what it
 * decodes to; 0: none can begin here. */
static size_t encoded_room(const uint8_t *p, size_t room)
{
    size_t n = 0;
    const char *what;
    if (codec_plain_bytes(CODEC_LZ4, slice_of(p, room), &n, &what) || n < BLOCK_BYTES_MIN)
        return 0;
    return n + SST_BLOCK_TAIL_BYTES < room ? n + SST_BLOCK_TAIL_BYTES : room;
}

/* Can it be one of the table's entries? What the manifest says of them keeps the search from
 * all that looks like an entry elsewhere, as the records of a log do. */
static bool may_belong(const struct sst_meta *m, slice key, seqno seq)
{
    return !m ||
           (slice_compare(key, m->smallest) >= 0 && slice_compare(key, m->largest) <= 0 &&
            seq >= m->min_seq && seq <= m->max_seq);
}

/* Can a plain block begin here? Its first entry shares nothing and has a number. */
static bool may_begin_plain(const struct sst_salvage *s, const uint8_t *p, size_t room)
{
    const uint8_t *end = p + room;
    uint64_t shared, rest, value;
    if (room < 3 || *p != 0) return false;
    if (!(p = varint_get(p, end, &shared)) || !(p = varint_get(p, end, &rest)) ||
        !(p = varint_get(p, end, &value)))
        return false;
    uint64_t left = (uint64_t)(end - p);
    if (left < 8 || rest > left - 8 || value > left - 8 - rest) return false;
    uint64_t tag = fixed64_get(p + rest);
    return tag_seq(tag) > 0 && tag_kind(tag) <= ENTRY_PUT &&
           may_belong(s->known, slice_of(p, (size_t)rest), tag_seq(tag));
}

/* The size of the block that begins at p, without its tail; 0: none ends within `room`. */
static enum err find_end(struct sst_salvage *s, const uint8_t *p, size_t room,
                         uint32_t *size)
{
    uint32_t crc = 0;
    *size = 0;
    if (room > UINT32_MAX) room = UINT32_MAX;
    for (size_t n = 0; n + SST_BLOCK_TAIL_BYTES <= room; n++) {
        crc = crc32c(crc, p + n, 1);
        struct block block;
        slice plain;
        const char *what;
        if (crc != fixed32_get(p + n + 1)) continue;
        enum err e = contents_of(slice_of(p, n), &s->plain, &plain, &what);
        if (e == ERR_NOMEM) return e;
        if (e || block_open(&block, plain)) continue;
        *size = (uint32_t)n;
        break;
    }
    return ERR_OK;
}

static enum err look_for_blocks(struct sst_salvage *s)
{
    size_t end = s->ends && s->data_bytes < s->size ? s->data_bytes : s->size;
    bool guess = false;
    enum err e = ERR_OK;
    for (size_t at = 0; at < end && !e;) {
        const uint8_t *p = s->file + at;
        size_t left = end - at, room = left;
        uint32_t size = 0;
        if (!may_begin_plain(s, p, left)) room = encoded_room(p, left);
        if (guess && room > GUESS_BYTES_MAX) room = GUESS_BYTES_MAX;
        if (room > 0) e = find_end(s, p, room, &size);
        guess = size == 0;
        if (size) e = add_place(s, at, size);
        at += size ? (size_t)size + SST_BLOCK_TAIL_BYTES : 1;
    }
    return e;
}

/* ---- judging blocks ---- */

static enum err remember_last(struct sst_salvage *s, slice key, uint64_t tag)
{
    if (key.size > s->buffer_capacity || !s->buffer) {
        uint8_t *grown = mem_resize(s->mem, s->buffer, key.size + 64);
        if (!grown) return ERR_NOMEM;
        s->buffer = grown;
        s->buffer_capacity = key.size + 64;
    }
    if (key.size) memcpy(s->buffer, key.data, key.size);
    s->last = slice_of(s->buffer, key.size);
    s->last_tag = tag;
    return ERR_OK;
}

/* Does an entry belong to this table, behind the last one of the block before? */
static const char *misplaced(const struct sst_salvage *s, const struct block_iter *it)
{
    seqno seq = tag_seq(it->tag);
    if (tag_kind(it->tag) > ENTRY_PUT || seq == 0) return "an entry of no known kind";
    if (s->last.data && ikey_compare(s->last, s->last_tag, it->key, it->tag) >= 0)
        return "an older block lies in its place";
    if (!may_belong(s->known, it->key, seq))
        return "a block of another table lies in its place";
    return NULL;
}

/* Walks the entries of a block that is sound by itself: tells the gap before it, counts
 * them. */
static enum err judge_entries(struct sst_salvage *s, const struct place *p,
                              struct block_iter *it, const char **what)
{
    enum err e = ERR_OK;
    for (block_iter_first(it); it->valid && !*what; block_iter_next(it))
        *what = misplaced(s, it);
    if (it->err || *what) return it->err;
    block_iter_first(it);
    if (p->offset > s->sound_to)
        lose(s, s->sound_to, p->offset - s->sound_to, s->gap, it->key);
    for (block_iter_first(it); it->valid && !e; block_iter_next(it)) {
        if (tag_seq(it->tag) > s->max_seq) s->max_seq = tag_seq(it->tag);
        s->entries++;
        if (it->next == it->block.end) e = remember_last(s, it->key, it->tag);
    }
    return e;
}

static enum err judge(struct sst_salvage *s, const struct place *p, struct block_iter *it,
                      const char **what)
{
    unsigned entries;
    slice stored = slice_of(s->file + p->offset, p->size), bytes;
    *what = "checksum mismatch";
    if (crc32c(0, stored.data, stored.size + 1) !=
        fixed32_get(stored.data + stored.size + 1))
        return ERR_OK;
    enum err e = contents_of(stored, &s->plain, &bytes, what);
    if (e) return e == ERR_CORRUPT ? ERR_OK : e;
    *what = "its order is broken";
    e = block_check(s->mem, bytes, &entries);
    if (!e) e = block_iter_open(it, bytes);
    if (e) return e == ERR_CORRUPT ? ERR_OK : e;
    *what = NULL;
    return judge_entries(s, p, it, what);
}

/* Judges all places in their order and tells the gaps between the good ones. */
static enum err judge_all(struct sst_salvage *s)
{
    struct block_iter it;
    const char *nothing = "no block found";
    enum err e = ERR_OK;
    s->complete = s->ends;
    s->gap = nothing;
    block_iter_init(&it, s->mem);
    for (size_t i = 0; i < s->count && !e; i++) {
        struct place *p = &s->places[i];
        const char *what;
        e = judge(s, p, &it, &what);
        p->good = !e && !what;
        if (p->offset > s->sound_to) s->complete = false;
        if (p->good) s->sound_to = p->offset + p->size + SST_BLOCK_TAIL_BYTES;
        s->gap = p->good ? nothing : what;
    }
    block_iter_deinit(&it);
    if (e || !s->ends || s->sound_to == s->data_bytes) return e;
    s->complete = false;
    if (s->size < s->data_bytes) s->gap = "the file is shorter";
    lose(s, s->sound_to, s->data_bytes - s->sound_to, s->gap, slice_of(NULL, 0));
    return ERR_OK;
}

/* ---- opening ---- */

static enum err examine(struct sst_salvage *s, struct err_detail *why)
{
    struct sst_footer f;
    enum err e = ERR_OK;
    s->ends = take_footer(s, &f, &e);
    const char *what = "a newer program wrote it";
    if (s->ends) e = sst_features_check(f.features, &what);
    if (e == ERR_NEWER_FORMAT)
        return err_set(why, e, 0, "table %06llu: %s", (unsigned long long)s->number,
                       what);
    e = ERR_OK;
    if (s->ends) s->data_bytes = (size_t)f.data_bytes;
    if (!s->ends && s->known && s->known->tail_bytes <= s->known->size) {
        s->ends = true;
        s->data_bytes = (size_t)(s->known->size - s->known->tail_bytes);
    } else if (!s->ends || !take_index(s, &f, &e)) {
        s->count = 0;
    }
    if (!e && s->count == 0) e = look_for_blocks(s);
    if (!e) e = judge_all(s);
    if (e)
        return err_set(why, e, 0, "table %06llu: looking for what is left of it",
                       (unsigned long long)s->number);
    /* Nobody knows where the blocks ended, but all that the manifest counted are here. */
    if (s->known && s->known->entries == s->entries) s->complete = true;
    return ERR_OK;
}

enum err sst_salvage_open(struct mem *mem, struct disk_dir *dir, uint64_t number,
                          const struct sst_meta *known, sst_loss_fn *loss, void *arg,
                          struct sst_salvage **out, struct err_detail *why)
{
    struct sst_salvage *s = mem_zalloc(mem, sizeof *s);
    if (!s) return err_set(why, ERR_NOMEM, 0, "table %06llu", (unsigned long long)number);
    s->mem = s->plain.mem = mem;
    s->dir = dir;
    s->number = number;
    s->known = known;
    s->loss = loss;
    s->arg = arg;
    enum err e = read_file(s, why);
    if (!e) e = examine(s, why);
    if (e) {
        sst_salvage_close(s);
        return e;
    }
    mem_free(mem, s->buffer);
    mem_free(mem, s->file);
    mem_free(mem, s->plain.bytes);
    s->buffer = s->file = s->plain.bytes = NULL;
    s->known = NULL;
    *out = s;
    return ERR_OK;
}

void sst_salvage_close(struct sst_salvage *s)
{
    if (!s) return;
    mem_free(s->mem, s->buffer);
    mem_free(s->mem, s->places);
    mem_free(s->mem, s->file);
    mem_free(s->mem, s->plain.bytes);
    mem_free(s->mem, s);
}

uint64_t sst_salvage_entries(const struct sst_salvage *s)
{
    return s->entries;
}

seqno sst_salvage_max_seq(const struct sst_salvage *s)
{
    return s->max_seq;
}

bool sst_salvage_complete(const struct sst_salvage *s)
{
    return s->complete;
}

/* ---- iterator ---- */

/* A merge of all tables of a store opens one for each: so no file stays open, and one
 * block of each is in memory. */
struct salvage_iter {
    struct iter iter;
    struct mem *mem;
    const struct sst_salvage *s;
    size_t next; /* place */
    struct block_iter block;
    uint8_t *buffer; /* the current block as it is stored, with its tail */
    size_t capacity;
    struct plain plain;
};

static enum err read_block(struct salvage_iter *it, const struct place *p)
{
    struct disk_file *file;
    size_t n = (size_t)p->size + SST_BLOCK_TAIL_BYTES, got = 0;
    if (n > it->capacity) {
        uint8_t *grown = mem_resize(it->mem, it->buffer, n);
        if (!grown) return ERR_NOMEM;
        it->buffer = grown;
        it->capacity = n;
    }
    int os = open_file(it->s, &file);
    if (os) return err_from_os(os);
    os = disk_read(file, p->offset, it->buffer, n, &got);
    disk_close(file);
    if (os) return err_from_os(os);
    bool sound = got == n && crc32c(0, it->buffer, p->size + 1) ==
                                 fixed32_get(it->buffer + p->size + 1);
    if (!sound) return ERR_CORRUPT;
    slice contents;
    const char *what;
    enum err e = contents_of(slice_of(it->buffer, p->size), &it->plain, &contents, &what);
    return e ? e : block_iter_open(&it->block, contents);
}

/* Shows the block's entry; past its end, the first one of the next good block. */
static void show(struct salvage_iter *it)
{
    it->iter.err = it->block.err;
    while (!it->block.valid && !it->iter.err && it->next < it->s->count) {
        const struct place *p = &it->s->places[it->next++];
        if (!p->good) continue;
        it->iter.err = read_block(it, p);
        if (!it->iter.err) block_iter_first(&it->block);
    }
    it->iter.valid = it->block.valid && !it->iter.err;
    it->iter.key = it->block.key;
    it->iter.tag = it->block.tag;
    it->iter.value = it->block.value;
}

static void salvage_first(struct iter *iter)
{
    struct salvage_iter *it = (struct salvage_iter *)iter;
    it->next = 0;
    it->block.valid = false;
    it->block.err = ERR_OK;
    show(it);
}

static void salvage_next(struct iter *iter)
{
    struct salvage_iter *it = (struct salvage_iter *)iter;
    assert(iter->valid);
    block_iter_next(&it->block);
    show(it);
}

static void salvage_seek(struct iter *iter, slice key, uint64_t tag)
{
    salvage_first(iter);
    while (iter->valid && ikey_compare(iter->key, iter->tag, key, tag) < 0)
        salvage_next(iter);
}

static void salvage_free(struct iter *iter)
{
    struct salvage_iter *it = (struct salvage_iter *)iter;
    block_iter_deinit(&it->block);
    mem_free(it->mem, it->buffer);
    mem_free(it->mem, it->plain.bytes);
    mem_free(it->mem, it);
}

struct iter *sst_salvage_iter(const struct sst_salvage *s, struct mem *mem)
{
    static const struct iter_ops ops = {.first = salvage_first,
                                        .seek = salvage_seek,
                                        .next = salvage_next,
                                        .free = salvage_free};
    struct salvage_iter *it = mem_alloc(mem, sizeof *it);
    if (!it) return NULL;
    *it = (struct salvage_iter){
        .iter = {.ops = &ops}, .mem = mem, .s = s, .plain = {.mem = mem}};
    block_iter_init(&it->block, mem);
    return &it->iter;
}
