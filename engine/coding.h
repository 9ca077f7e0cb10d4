/* coding.h - integers as bytes: little-endian fixed widths and LEB128 varints.
 *
 * Errors: readers return false when the input ends early or a varint is too long; their
 *         out-parameters and the input slice are then untouched.
 * Format: docs/formats.md#integers
 * Tests:  tests/engine/coding_test.c
 */
#ifndef ENGINE_CODING_H
#define ENGINE_CODING_H

#include "engine/slice.h"

#define VARINT32_BYTES_MAX 5
#define VARINT64_BYTES_MAX 10

static inline void fixed16_put(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}
/* One store each: of stores byte by byte compilers make many instructions. */
static inline void fixed32_put(uint8_t *p, uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    memcpy(p, &v, sizeof v);
}
static inline void fixed64_put(uint8_t *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(p, &v, sizeof v);
}
static inline uint16_t fixed16_get(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint32_t fixed32_get(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}
static inline uint64_t fixed64_get(const uint8_t *p)
{
    return (uint64_t)fixed32_get(p) | (uint64_t)fixed32_get(p + 4) << 32;
}

/* Writes v at p, which has VARINT64_BYTES_MAX bytes of room; returns the end. */
uint8_t *varint_put(uint8_t *p, uint64_t v);
size_t varint_size(uint64_t v);
/* Reads from [p, end); returns the byte after it, or NULL. */
const uint8_t *varint_get(const uint8_t *p, const uint8_t *end, uint64_t *v);

/* Take from the front of *in. */
bool slice_take_long_varint(slice *in, uint64_t *v);
static inline bool slice_take_varint(slice *in, uint64_t *v)
{
    if (in->size == 0 || in->data[0] >= 0x80) return slice_take_long_varint(in, v);
    *v = in->data[0]; /* most are that short */
    *in = slice_of(in->data + 1, in->size - 1);
    return true;
}
bool slice_take_bytes(slice *in, size_t n, slice *out);
/* varint length, then that many bytes */
bool slice_take_prefixed(slice *in, slice *out);

/* Signed numbers as small unsigned ones: 0, -1, 1, -2 become 0, 1, 2, 3. */
static inline uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}
static inline int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

#endif
