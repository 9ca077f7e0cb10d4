/* slice.h - a borrowed run of bytes: it never owns what it points to.
 *
 * Borrows: whoever hands out a slice says how long its bytes stay valid.
 * Tests:   tests/engine/slice_test.c
 */
#ifndef ENGINE_SLICE_H
#define ENGINE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct slice {
    const uint8_t *data; /* may be NULL when size is 0 */
    size_t size;         /* bytes */
} slice;

static inline slice slice_of(const void *data, size_t size)
{
    return (slice){(const uint8_t *)data, size};
}
/* A zero-terminated text without its zero. */
static inline slice slice_text(const char *text)
{
    return slice_of(text, strlen(text));
}
/* Byte order, shorter first: <0, 0, >0. */
static inline int slice_compare(slice a, slice b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    int c = n ? memcmp(a.data, b.data, n) : 0;
    return c ? c : (a.size > b.size) - (a.size < b.size);
}
static inline bool slice_equal(slice a, slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
static inline bool slice_starts_with(slice s, slice prefix)
{
    return s.size >= prefix.size &&
           (prefix.size == 0 || memcmp(s.data, prefix.data, prefix.size) == 0);
}
/* The first eight bytes as a big-endian number, short slices padded with zeros: two keys
 * whose numbers differ are in the order of the numbers. */
static inline uint64_t slice_prefix64(slice s)
{
    uint64_t word = 0;
    if (s.size >= 8) {
        memcpy(&word, s.data, 8);
        return __builtin_bswap64(word);
    }
    for (size_t i = 0; i < s.size; i++)
        word |= (uint64_t)s.data[i] << (56 - 8 * i);
    return word;
}
/* The same of what follows the first `skip` bytes. REQUIRES: skip <= s.size. */
static inline uint64_t slice_prefix64_behind(slice s, size_t skip)
{
    size_t left = s.size - skip;
    if (left == 0) return 0;
    if (left >= 8 || s.size < 8) return slice_prefix64(slice_of(s.data + skip, left));
    uint64_t word; /* the last eight bytes; those in front of the wanted ones go */
    memcpy(&word, s.data + s.size - 8, 8);
    return __builtin_bswap64(word) << (64 - 8 * left);
}

#endif
