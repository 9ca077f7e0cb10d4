/* Table files: data blocks, filter, index, properties, footer, in the order of the file.
 * What the footer says decides where the parts lie, so it is read first. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/block.h"
#include "engine/coding.h"
#include "engine/crc32c.h"
#include "engine/dump_lines.h"
#include "engine/sst_format.h"

/* ---- blocks ---- */

static void dump_entry(struct dump *d)
{
    char quoted[DUMP_QUOTED_BYTES];
    uint64_t shared, rest, value;
    size_t at = d->at;
    const uint8_t *p = d->file.data + at, *end = d->file.data + d->end;
    if (!(p = varint_get(p, end, &shared)) || !(p = varint_get(p, end, &rest)) ||
        !(p = varint_get(p, end, &value)) || rest > (uint64_t)(end - p)) {
        dump_rest(d, "not an entry");
        d->cut = true;
        return;
    }
    size_t lengths = (size_t)(p - d->file.data) - at;
    dump_bytes(d, lengths + (size_t)rest,
               "shared %" PRIu64 ", rest %" PRIu64 ", value %" PRIu64 "; %s", shared,
               rest, value, dump_quote(slice_of(p, (size_t)rest), quoted));
    if (d->cut || d->end - d->at < 8 || d->end - d->at - 8 < value) {
        dump_rest(d, "not an entry");
        d->cut = true;
        return;
    }
    uint64_t tag = fixed64_get(d->file.data + d->at);
    dump_bytes(d, 8, "tag: %s, number %" PRIu64,
               tag_kind(tag) == ENTRY_PUT ? "put" : "delete", tag_seq(tag));
    if (value == 0) return;
    slice bytes = slice_of(d->file.data + d->at, (size_t)value);
    dump_bytes(d, bytes.size, "%s", dump_quote(bytes, quoted));
}

/* The contents of a block, which end at `end`. */
static void dump_block(struct dump *d, size_t end)
{
    struct block b;
    d->end = end;
    if (block_open(&b, slice_of(d->file.data + d->at, end - d->at))) {
        dump_rest(d, "not a block");
        return;
    }
    size_t entries_end = d->at + b.end;
    d->end = entries_end;
    while (d->at < entries_end && !d->cut)
        dump_entry(d);
    d->cut = false;
    d->at = entries_end;
    d->end = end;
    dump_bytes(d, 8 * (size_t)b.restarts, "prefixes of the restarts");
    dump_bytes(d, 4 * (size_t)b.restarts, "offsets of the restarts");
    dump_fixed(d, 4, "restarts");
    dump_fixed(d, 4, "bytes that all keys have in common");
}

/* ---- parts ---- */

/* Encoded contents as they are stored, then, with offsets of their own, decoded. */
static void dump_encoded(struct dump *d, struct mem *mem, uint8_t codec, slice encoded)
{
    size_t n = 0;
    const char *what = NULL;
    d->end = d->at + encoded.size;
    dump_fixed(d, 4, "bytes when decoded");
    dump_rest(d, "the encoded rest");
    if (codec_plain_bytes(codec, encoded, &n, &what)) {
        dump_say(d, "%s", what);
        return;
    }
    uint8_t *plain = mem_alloc(mem, n);
    if (plain && codec_decode(codec, encoded, plain, n)) {
        struct dump decoded;
        dump_say(d, "decoded: %zu bytes", n);
        dump_begin(&decoded, slice_of(plain, n), d->line, d->arg);
        dump_block(&decoded, n);
    } else {
        dump_say(d, plain ? "cannot be decoded" : "no memory to decode it");
    }
    mem_free(mem, plain);
}

/* One data block with what stands behind it. */
static void dump_data_block(struct dump *d, struct mem *mem, uint32_t index,
                            const struct sst_handle *h)
{
    uint8_t codec = d->file.data[h->offset + h->size];
    dump_say(d, "data block %" PRIu32 " at %" PRIu64 ": %" PRIu32 " bytes", index,
             h->offset, h->size);
    d->at = (size_t)h->offset;
    d->cut = false;
    if (codec == CODEC_NONE)
        dump_block(d, d->at + (size_t)h->size);
    else
        dump_encoded(d, mem, codec, slice_of(d->file.data + h->offset, h->size));
    d->cut = false;
    d->at = (size_t)(h->offset + h->size);
    d->end = d->at + SST_BLOCK_TAIL_BYTES;
    dump_bytes(d, 1, "codec %u: %s", codec,
               codec < CODECS ? codec_name((enum codec)codec) : "unknown");
    dump_checksum(d, "checksum",
                  crc32c(0, d->file.data + h->offset, (size_t)h->size + 1));
}

/* The index begins with an array of handles, whose length its last counts tell. False:
 * it cannot be used. */
static bool index_count(slice index, uint32_t *count)
{
    if (index.size < 8) return false;
    *count = fixed32_get(index.data + index.size - 8);
    return *count <= (index.size - 8) / SST_HANDLE_BYTES;
}

/* All data blocks that the index names. */
static void dump_data(struct dump *d, struct mem *mem, slice index, uint64_t data_bytes)
{
    uint32_t count;
    if (!index_count(index, &count)) {
        dump_say(d, "the index is damaged: data blocks cannot be found");
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct sst_handle h = sst_handle_get(index.data + SST_HANDLE_BYTES * (size_t)i);
        if (h.offset > data_bytes || h.size > data_bytes - h.offset ||
            data_bytes - h.offset - h.size < SST_BLOCK_TAIL_BYTES)
            dump_say(d, "data block %" PRIu32 " is said to lie outside the file", i);
        else
            dump_data_block(d, mem, i, &h);
    }
}

static void dump_index(struct dump *d, size_t end)
{
    uint32_t count;
    d->end = end;
    if (!index_count(slice_of(d->file.data + d->at, end - d->at), &count)) {
        dump_rest(d, "not an index");
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct sst_handle h = sst_handle_get(d->file.data + d->at);
        dump_bytes(d, SST_HANDLE_BYTES,
                   "block %" PRIu32 " at %" PRIu64 ", %" PRIu32
                   " bytes, checksum %08" PRIx32,
                   i, h.offset, h.size, h.crc);
    }
    dump_block(d, end);
}

/* Ids as in docs/formats.md#sorted-tables. */
static const char *const property_names[] = {
    "",
    "entries",
    "tombstones",
    "smallest sequence number",
    "largest sequence number",
    "smallest key",
    "largest key",
    "bytes of keys",
    "bytes of values",
    "data blocks",
    "bytes saved by encoding",
};

static void dump_property(struct dump *d)
{
    char quoted[DUMP_QUOTED_BYTES];
    slice in = slice_of(d->file.data + d->at, d->end - d->at), before = in, bytes;
    uint64_t id, number;
    if (!slice_take_varint(&in, &id) || !slice_take_prefixed(&in, &bytes)) {
        dump_rest(d, "not a property");
        d->cut = true;
        return;
    }
    bool known = id > 0 && id < sizeof property_names / sizeof *property_names;
    const char *name = known ? property_names[id] : "unknown property";
    size_t n = before.size - in.size;
    slice text = bytes;
    if (id == 5 || id == 6 || !slice_take_varint(&bytes, &number) || bytes.size)
        dump_bytes(d, n, "%s %s", name, dump_quote(text, quoted));
    else
        dump_bytes(d, n, "%s %" PRIu64, name, number);
}

static void dump_footer(struct dump *d, uint32_t crc)
{
    dump_say(d, "footer at %zu", d->at);
    d->end = d->file.size;
    dump_fixed(d, 8, "table");
    dump_fixed(d, 8, "bytes of data blocks");
    dump_fixed(d, 4, "bytes of the filter");
    dump_fixed(d, 4, "bytes of the index");
    dump_fixed(d, 4, "bytes of the properties");
    dump_fixed(d, 4, "probes of the filter");
    static const char *const parts[] = {"filter", "index", "properties"};
    for (int i = 0; i < 3; i++)
        dump_bytes(d, 4, "checksum of the %s: %08" PRIx32, parts[i],
                   fixed32_get(d->file.data + d->at));
    dump_fixed(d, 4, "features that a reader must know");
    dump_fixed(d, 4, "format version");
    dump_checksum(d, "checksum of the footer", crc);
    dump_bytes(d, 8, "magic");
}

static void dump_part_verdict(struct dump *d, const char *name, size_t n, uint32_t want)
{
    uint32_t found = crc32c(0, d->file.data + d->at, n);
    dump_say(d, "%s at %zu: %zu bytes, checksum %s", name, d->at, n,
             found == want ? "good" : "WRONG");
}

void dump_table(struct mem *mem, slice file, dump_line_fn *line, void *arg)
{
    struct dump d;
    struct sst_footer f;
    uint32_t crc;
    const char *what = "too short for a footer";
    dump_begin(&d, file, line, arg);
    size_t tail = file.size < SST_FOOTER_BYTES ? 0 : file.size - SST_FOOTER_BYTES;
    bool ok = file.size >= SST_FOOTER_BYTES &&
              sst_footer_get(file.data + tail, &f, &crc, &what) == ERR_OK;
    if (!ok || f.data_bytes > tail ||
        (uint64_t)f.filter_bytes + f.index_bytes + f.properties_bytes !=
            tail - f.data_bytes) {
        dump_say(&d, "the footer cannot be used: %s",
                 ok ? "its sizes do not add up" : what);
        d.at = tail;
        dump_rest(&d, "the last bytes");
        return;
    }
    size_t filter = (size_t)f.data_bytes, index = filter + f.filter_bytes,
           properties = index + f.index_bytes;
    dump_data(&d, mem, slice_of(file.data + index, f.index_bytes), f.data_bytes);
    d.at = filter;
    d.cut = false;
    dump_part_verdict(&d, "filter", f.filter_bytes, f.filter_crc);
    d.at = index;
    dump_part_verdict(&d, "index", f.index_bytes, f.index_crc);
    dump_index(&d, properties);
    d.at = properties;
    d.end = tail;
    d.cut = false;
    dump_part_verdict(&d, "properties", f.properties_bytes, f.properties_crc);
    while (d.at < tail && !d.cut)
        dump_property(&d);
    d.at = tail;
    d.cut = false;
    dump_footer(&d, crc);
}
