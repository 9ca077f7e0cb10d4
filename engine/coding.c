/* coding.c - varints: seven bits a byte, low bits first, the top bit says "more follows".
 *
 * Over-long forms (a trailing zero byte) are accepted, as everywhere else; what does not
 * fit 64 bits is refused.
 */
#include "engine/coding.h"

uint8_t *varint_put(uint8_t *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

size_t varint_size(uint64_t v)
{
    size_t n = 1;
    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}

const uint8_t *varint_get(const uint8_t *p, const uint8_t *end, uint64_t *v)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && p < end; shift += 7) {
        uint8_t byte = *p++;
        if (shift == 63 && byte > 1) return NULL; /* beyond 64 bits */
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *v = value;
            return p;
        }
    }
    return NULL;
}

bool slice_take_long_varint(slice *in, uint64_t *v)
{
    if (in->size == 0) return false;
    const uint8_t *end = in->data + in->size;
    const uint8_t *p = varint_get(in->data, end, v);
    if (!p) return false;
    *in = slice_of(p, (size_t)(end - p));
    return true;
}

bool slice_take_bytes(slice *in, size_t n, slice *out)
{
    if (n > in->size) return false;
    *out = slice_of(in->data, n);
    if (n > 0) *in = slice_of(in->data + n, in->size - n);
    return true;
}

bool slice_take_prefixed(slice *in, slice *out)
{
    slice rest = *in;
    uint64_t n;
    if (!slice_take_varint(&rest, &n) || n > rest.size) return false;
    slice_take_bytes(&rest, (size_t)n, out);
    *in = rest;
    return true;
}
