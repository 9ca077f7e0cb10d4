/* sst_format.h - the parts of a table file that its writer and its reader must agree on.
 *
 * Flow:    sst_write.c, sst_read.c > sst_footer_*, sst_properties_*, sst_handle_*
 * Owns:    nothing.
 * Borrows: keys of decoded properties point into the bytes they were decoded from.
 * Format:  docs/formats.md#sorted-tables
 * Tests:   tests/engine/sst_format_test.c
 */
#ifndef ENGINE_SST_FORMAT_H
#define ENGINE_SST_FORMAT_H

#include "engine/codec.h"
#include "engine/coding.h"
#include "engine/sst.h"

#define SST_FORMAT_VERSION   1
#define SST_FOOTER_BYTES     64
#define SST_BLOCK_TAIL_BYTES 5 /* codec and checksum behind every data block */
#define SST_HANDLE_BYTES     16

/* What a reader must know beyond the version; on disk, never renumber. */
#define SST_FEATURE_LZ4 1u /* data blocks may be encoded with CODEC_LZ4 */

struct sst_footer {
    uint64_t number;     /* of the table: a file under a wrong name is found out */
    uint64_t data_bytes; /* all data blocks; the filter begins here */
    uint32_t filter_bytes, index_bytes, properties_bytes;
    uint32_t filter_probes;
    uint32_t filter_crc, index_crc, properties_crc;
    uint32_t features; /* bits */
};

/* Returns the footer's own checksum, for the manifest. */
uint32_t sst_footer_put(uint8_t out[SST_FOOTER_BYTES], const struct sst_footer *f);
/* ERR_CORRUPT, or ERR_NEWER_FORMAT, with what is wrong in *what (for a message). */
enum err sst_footer_get(const uint8_t in[SST_FOOTER_BYTES], struct sst_footer *f,
                        uint32_t *crc, const char **what);

/* Can this program read data blocks of a table with these features? ERR_NEWER_FORMAT, with
 * what is missing in *what. */
enum err sst_features_check(uint32_t features, const char **what);

/* Where a data block lies; the index begins with an array of them. */
struct sst_handle {
    uint64_t offset;
    uint32_t size; /* of the block as it is stored, without its tail */
    uint32_t crc;  /* the same that stands behind the block */
};
static inline void sst_handle_put(uint8_t out[SST_HANDLE_BYTES],
                                  const struct sst_handle *h)
{
    fixed64_put(out, h->offset);
    fixed32_put(out + 8, h->size);
    fixed32_put(out + 12, h->crc);
}
static inline struct sst_handle sst_handle_get(const uint8_t in[SST_HANDLE_BYTES])
{
    return (struct sst_handle){fixed64_get(in), fixed32_get(in + 8),
                               fixed32_get(in + 12)};
}

/* Written for repair and for people, and compared with the manifest at open. */
struct sst_properties {
    uint64_t entries, tombstones;
    seqno min_seq, max_seq;
    slice smallest, largest;
    uint64_t key_bytes, value_bytes; /* as given, before prefixes are shared */
    uint64_t blocks;
    uint64_t saved_bytes; /* by which encoding made the contents of all blocks shorter */
};
/* An upper bound of the encoded size. */
size_t sst_properties_bytes_max(const struct sst_properties *p);
/* Writes them to `out`, which has that much room; returns the end. */
uint8_t *sst_properties_put(uint8_t *out, const struct sst_properties *p);
/* False for bytes that are no properties; unknown ones are skipped. */
bool sst_properties_get(slice in, struct sst_properties *p);

#endif
