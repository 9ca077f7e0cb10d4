/* codec.h - how the contents of a data block are stored: as they are, or compressed.
 *
 * Flow:    sst_write > codec_encode > block > codec_plain_bytes, codec_decode > sst_read
 * Owns:    nothing; codecs keep no state between calls.
 * Errors:  bytes that no encoder made are refused: nothing outside of `out` is written.
 * Threads: any.
 * Format:  docs/formats.md#compressed-blocks
 * Tests:   tests/engine/codec_test.c, tests/lz4.sh
 *
 * A codec can be known and not built in: the Makefile looks for its library. Its name and
 * its number are the same in every build.
 */
#ifndef ENGINE_CODEC_H
#define ENGINE_CODEC_H

#include <stdbool.h>

#include "engine/err.h"
#include "engine/slice.h"

/* On disk, never renumber. */
enum codec { CODEC_NONE = 0, CODEC_LZ4 = 1, CODECS };

/* More than a block of small values can hold; larger ones are never encoded. */
#define CODEC_PLAIN_BYTES_MAX (256u * 1024)

/* What makes them built in. */
#define CODEC_PACKAGES "liblz4-dev"
/* The best one that is. */
#ifdef WITH_LZ4
#define CODEC_BEST      CODEC_LZ4
#define CODEC_BEST_NAME "lz4"
#else
#define CODEC_BEST      CODEC_NONE
#define CODEC_BEST_NAME "none"
#endif

/* "none", "lz4"; static. REQUIRES: codec < CODECS. */
const char *codec_name(enum codec codec);
bool codec_built_in(enum codec codec);

/* Scratch memory that encoding needs. REQUIRES: the codec is built in, also below. */
size_t codec_state_bytes(enum codec codec);
/* Writes the encoded contents to `out`, which has `room`; returns how many bytes, or 0
 * when they do not fit. REQUIRES: at most CODEC_PLAIN_BYTES_MAX. */
size_t codec_encode(enum codec codec, void *state, slice plain, uint8_t *out,
                    size_t room);

/* What a block decodes to. `codec` is the byte from the file: ERR_NEWER_FORMAT when it is
 * unknown or not built in, ERR_CORRUPT for a size that cannot be; *what says it. */
enum err codec_plain_bytes(uint8_t codec, slice encoded, size_t *plain_bytes,
                           const char **what);
/* Fills all of `out` with what codec_plain_bytes announced; false: these are not the bytes
 * of so much, and what `out` holds is void. */
bool codec_decode(uint8_t codec, slice encoded, uint8_t *out, size_t plain_bytes);

#endif
