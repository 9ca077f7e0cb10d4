/* codec.c - the codecs by number, and LZ4 where its library was found.
 *
 * An encoded block is `fixed32` the size of the plain contents, then the codec's own bytes:
 * LZ4's block format does not say how much comes out of it. */
#include "engine/codec.h"

#include <assert.h>

#include "engine/coding.h"

#define HEAD_BYTES 4

struct method {
    const char *name;
    /* NULL: not built in */
    size_t (*state_bytes)(void);
    size_t (*encode)(void *state, slice plain, uint8_t *out, size_t room);
    bool (*decode)(slice bytes, uint8_t *out, size_t plain_bytes);
};

/* ---- lz4 ---- */

#ifdef WITH_LZ4
#include <lz4.h>

static_assert(CODEC_PLAIN_BYTES_MAX <= LZ4_MAX_INPUT_SIZE, "sizes fit an int");

static size_t lz4_state_bytes(void)
{
    return (size_t)LZ4_sizeofState();
}

/* The state is the caller's: LZ4 would otherwise take 16 KiB of a job's small stack. */
static size_t lz4_encode(void *state, slice plain, uint8_t *out, size_t room)
{
    int n = LZ4_compress_fast_extState(state, (const char *)plain.data, (char *)out,
                                       (int)plain.size, (int)room, 1);
    return n > 0 ? (size_t)n : 0;
}

static bool lz4_decode(slice bytes, uint8_t *out, size_t plain_bytes)
{
    if (bytes.size > LZ4_MAX_INPUT_SIZE) return false;
    return LZ4_decompress_safe((const char *)bytes.data, (char *)out, (int)bytes.size,
                               (int)plain_bytes) == (int)plain_bytes;
}
#else
#define lz4_state_bytes NULL
#define lz4_encode      NULL
#define lz4_decode      NULL
#endif

/* ---- by number ---- */

static const struct method methods[] = {
    [CODEC_NONE] = {"none", NULL, NULL, NULL},
    [CODEC_LZ4] = {"lz4", lz4_state_bytes, lz4_encode, lz4_decode},
};
static_assert(sizeof methods / sizeof *methods == CODECS, "a row for each codec");

const char *codec_name(enum codec codec)
{
    assert(codec < CODECS);
    return methods[codec].name;
}

bool codec_built_in(enum codec codec)
{
    assert(codec < CODECS);
    return codec == CODEC_NONE || methods[codec].encode;
}

size_t codec_state_bytes(enum codec codec)
{
    assert(codec_built_in(codec));
    return codec == CODEC_NONE ? 0 : methods[codec].state_bytes();
}

size_t codec_encode(enum codec codec, void *state, slice plain, uint8_t *out, size_t room)
{
    assert(codec != CODEC_NONE && codec_built_in(codec));
    assert(plain.size <= CODEC_PLAIN_BYTES_MAX);
    if (room <= HEAD_BYTES) return 0;
    size_t n = methods[codec].encode(state, plain, out + HEAD_BYTES, room - HEAD_BYTES);
    if (n == 0) return 0;
    assert(n <= room - HEAD_BYTES);
    fixed32_put(out, (uint32_t)plain.size);
    return HEAD_BYTES + n;
}

enum err codec_plain_bytes(uint8_t codec, slice encoded, size_t *plain_bytes,
                           const char **what)
{
    if (codec == CODEC_NONE) {
        *plain_bytes = encoded.size;
        return ERR_OK;
    }
    if (codec >= CODECS) {
        *what = "stored with a codec this program does not know";
        return ERR_NEWER_FORMAT;
    }
    if (!codec_built_in((enum codec)codec)) {
        *what = "stored with lz4, which this program was built without";
        return ERR_NEWER_FORMAT;
    }
    uint32_t n = encoded.size > HEAD_BYTES ? fixed32_get(encoded.data) : 0;
    if (n == 0 || n > CODEC_PLAIN_BYTES_MAX) {
        *what = "the size it decodes to is wrong";
        return ERR_CORRUPT;
    }
    *plain_bytes = n;
    return ERR_OK;
}

bool codec_decode(uint8_t codec, slice encoded, uint8_t *out, size_t plain_bytes)
{
    if (codec == CODEC_NONE) {
        assert(plain_bytes == encoded.size);
        if (plain_bytes) memcpy(out, encoded.data, plain_bytes);
        return true;
    }
    assert(codec < CODECS && codec_built_in((enum codec)codec));
    assert(encoded.size > HEAD_BYTES && plain_bytes <= CODEC_PLAIN_BYTES_MAX);
    slice bytes = slice_of(encoded.data + HEAD_BYTES, encoded.size - HEAD_BYTES);
    return methods[codec].decode(bytes, out, plain_bytes);
}
