/* sst_format.c - footer, block handles and properties of a table file as bytes. */
#include "engine/sst_format.h"

#include <assert.h>

#include "engine/coding.h"
#include "engine/crc32c.h"
#include "engine/filename.h"

static const uint8_t magic[8] = {'R', 'i', 'p', 't', 'S', 'S', 'T', '\n'};

static_assert(SST_NAME_BYTES >= FILENAME_BYTES, "room for a name");

void sst_name(uint64_t number, char out[SST_NAME_BYTES])
{
    filename_sst(number, out);
}

/* ---- meta ---- */

void sst_meta_deinit(struct sst_meta *meta, struct mem *mem)
{
    mem_free(mem, (void *)(uintptr_t)meta->smallest.data);
    meta->smallest = meta->largest = slice_of(NULL, 0);
}

enum err sst_meta_copy(struct sst_meta *out, const struct sst_meta *from, struct mem *mem)
{
    size_t n = from->smallest.size;
    uint8_t *keys = mem_alloc(mem, n + from->largest.size + 1);
    if (!keys) return ERR_NOMEM;
    if (n) memcpy(keys, from->smallest.data, n);
    if (from->largest.size) memcpy(keys + n, from->largest.data, from->largest.size);
    struct sst_meta copy = *from;
    copy.smallest = slice_of(keys, n);
    copy.largest = slice_of(keys + n, from->largest.size);
    *out = copy;
    return ERR_OK;
}

/* ---- footer ---- */

enum footer_field { /* offsets of bytes */
                    AT_NUMBER = 0,
                    AT_DATA_BYTES = 8,
                    AT_FILTER_BYTES = 16,
                    AT_INDEX_BYTES = 20,
                    AT_PROPERTIES_BYTES = 24,
                    AT_FILTER_PROBES = 28,
                    AT_FILTER_CRC = 32,
                    AT_INDEX_CRC = 36,
                    AT_PROPERTIES_CRC = 40,
                    AT_FEATURES = 44,
                    AT_VERSION = 48,
                    AT_CRC = 52,
                    AT_MAGIC = 56
};
static_assert(AT_MAGIC + sizeof magic == SST_FOOTER_BYTES,
              "the footer ends with its magic");

uint32_t sst_footer_put(uint8_t out[SST_FOOTER_BYTES], const struct sst_footer *f)
{
    fixed64_put(out + AT_NUMBER, f->number);
    fixed64_put(out + AT_DATA_BYTES, f->data_bytes);
    fixed32_put(out + AT_FILTER_BYTES, f->filter_bytes);
    fixed32_put(out + AT_INDEX_BYTES, f->index_bytes);
    fixed32_put(out + AT_PROPERTIES_BYTES, f->properties_bytes);
    fixed32_put(out + AT_FILTER_PROBES, f->filter_probes);
    fixed32_put(out + AT_FILTER_CRC, f->filter_crc);
    fixed32_put(out + AT_INDEX_CRC, f->index_crc);
    fixed32_put(out + AT_PROPERTIES_CRC, f->properties_crc);
    fixed32_put(out + AT_FEATURES, f->features);
    fixed32_put(out + AT_VERSION, SST_FORMAT_VERSION);
    uint32_t crc = crc32c(0, out, AT_CRC);
    fixed32_put(out + AT_CRC, crc);
    memcpy(out + AT_MAGIC, magic, sizeof magic);
    return crc;
}

enum err sst_footer_get(const uint8_t in[SST_FOOTER_BYTES], struct sst_footer *f,
                        uint32_t *crc, const char **what)
{
    if (memcmp(in + AT_MAGIC, magic, sizeof magic) != 0) {
        *what = "not the end of a table";
        return ERR_CORRUPT;
    }
    *crc = fixed32_get(in + AT_CRC);
    if (crc32c(0, in, AT_CRC) != *crc) {
        *what = "checksum mismatch";
        return ERR_CORRUPT;
    }
    if (fixed32_get(in + AT_VERSION) != SST_FORMAT_VERSION ||
        fixed32_get(in + AT_FEATURES) & ~SST_FEATURE_LZ4) {
        *what = "a format or feature this program does not know";
        return ERR_NEWER_FORMAT;
    }
    *f = (struct sst_footer){
        .number = fixed64_get(in + AT_NUMBER),
        .data_bytes = fixed64_get(in + AT_DATA_BYTES),
        .filter_bytes = fixed32_get(in + AT_FILTER_BYTES),
        .index_bytes = fixed32_get(in + AT_INDEX_BYTES),
        .properties_bytes = fixed32_get(in + AT_PROPERTIES_BYTES),
        .filter_probes = fixed32_get(in + AT_FILTER_PROBES),
        .filter_crc = fixed32_get(in + AT_FILTER_CRC),
        .index_crc = fixed32_get(in + AT_INDEX_CRC),
        .properties_crc = fixed32_get(in + AT_PROPERTIES_CRC),
        .features = fixed32_get(in + AT_FEATURES),
    };
    return ERR_OK;
}

enum err sst_features_check(uint32_t features, const char **what)
{
    if (!(features & SST_FEATURE_LZ4) || codec_built_in(CODEC_LZ4)) return ERR_OK;
    *what = "its blocks are compressed with lz4, which this program was built without; "
            "build it again with " CODEC_PACKAGES " installed";
    return ERR_NEWER_FORMAT;
}

/* ---- properties ---- */

/* On disk, never renumber. A property is: varint id, varint length, that many bytes; a
 * number is a varint in them. Ids ascend. */
enum property {
    PROPERTY_ENTRIES = 1,
    PROPERTY_TOMBSTONES = 2,
    PROPERTY_MIN_SEQ = 3,
    PROPERTY_MAX_SEQ = 4,
    PROPERTY_SMALLEST = 5,
    PROPERTY_LARGEST = 6,
    PROPERTY_KEY_BYTES = 7,
    PROPERTY_VALUE_BYTES = 8,
    PROPERTY_BLOCKS = 9,
    PROPERTY_SAVED_BYTES = 10 /* only where it is not 0 */
};
#define PROPERTY_IDS 11

size_t sst_properties_bytes_max(const struct sst_properties *p)
{
    size_t each = 2 * VARINT32_BYTES_MAX + VARINT64_BYTES_MAX;
    return PROPERTY_IDS * each + p->smallest.size + p->largest.size;
}

static uint8_t *put_bytes(uint8_t *p, enum property id, slice bytes)
{
    p = varint_put(varint_put(p, id), bytes.size);
    if (bytes.size) memcpy(p, bytes.data, bytes.size);
    return p + bytes.size;
}

static uint8_t *put_number(uint8_t *p, enum property id, uint64_t number)
{
    uint8_t bytes[VARINT64_BYTES_MAX];
    const uint8_t *end = varint_put(bytes, number);
    return put_bytes(p, id, slice_of(bytes, (size_t)(end - bytes)));
}

uint8_t *sst_properties_put(uint8_t *out, const struct sst_properties *p)
{
    out = put_number(out, PROPERTY_ENTRIES, p->entries);
    out = put_number(out, PROPERTY_TOMBSTONES, p->tombstones);
    out = put_number(out, PROPERTY_MIN_SEQ, p->min_seq);
    out = put_number(out, PROPERTY_MAX_SEQ, p->max_seq);
    out = put_bytes(out, PROPERTY_SMALLEST, p->smallest);
    out = put_bytes(out, PROPERTY_LARGEST, p->largest);
    out = put_number(out, PROPERTY_KEY_BYTES, p->key_bytes);
    out = put_number(out, PROPERTY_VALUE_BYTES, p->value_bytes);
    out = put_number(out, PROPERTY_BLOCKS, p->blocks);
    return p->saved_bytes ? put_number(out, PROPERTY_SAVED_BYTES, p->saved_bytes) : out;
}

/* Where a property with a number goes; NULL for others. */
static uint64_t *number_of(struct sst_properties *p, uint64_t id)
{
    switch (id) {
    case PROPERTY_ENTRIES: return &p->entries;
    case PROPERTY_TOMBSTONES: return &p->tombstones;
    case PROPERTY_MIN_SEQ: return &p->min_seq;
    case PROPERTY_MAX_SEQ: return &p->max_seq;
    case PROPERTY_KEY_BYTES: return &p->key_bytes;
    case PROPERTY_VALUE_BYTES: return &p->value_bytes;
    case PROPERTY_BLOCKS: return &p->blocks;
    case PROPERTY_SAVED_BYTES: return &p->saved_bytes;
    default: return NULL;
    }
}

bool sst_properties_get(slice in, struct sst_properties *p)
{
    uint64_t last = 0;
    while (in.size) {
        uint64_t id;
        slice bytes;
        if (!slice_take_varint(&in, &id) || id <= last) return false;
        if (!slice_take_prefixed(&in, &bytes)) return false;
        last = id;
        uint64_t *number = number_of(p, id);
        if (number && (!slice_take_varint(&bytes, number) || bytes.size)) return false;
        if (id == PROPERTY_SMALLEST) p->smallest = bytes;
        if (id == PROPERTY_LARGEST) p->largest = bytes;
    }
    return true;
}
