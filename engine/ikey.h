/* ikey.h - internal keys: a user key and a tag (sequence number and kind).
 *
 * The order of the whole engine: user keys ascending by bytes, then tags descending, so
 * that the newest version of a key comes first.
 * Format: docs/formats.md#internal-keys
 * Tests:  tests/engine/ikey_test.c
 */
#ifndef ENGINE_IKEY_H
#define ENGINE_IKEY_H

#include "engine/slice.h"

/* 56 bits; 0 is never the number of an entry. */
typedef uint64_t seqno;
#define SEQNO_MAX (((seqno)1 << 56) - 1)

/* On disk, never renumber. */
enum entry_kind { ENTRY_DELETE = 0, ENTRY_PUT = 1 };

static inline uint64_t tag_of(seqno seq, enum entry_kind kind)
{
    return seq << 8 | (uint64_t)kind;
}
static inline seqno tag_seq(uint64_t tag)
{
    return tag >> 8;
}
static inline enum entry_kind tag_kind(uint64_t tag)
{
    return (enum entry_kind)(tag & 0xff);
}
/* The tag to seek with: sorts before every entry of the key with a number <= seq. */
static inline uint64_t tag_seek(seqno seq)
{
    return seq << 8 | 0xff;
}
static inline int ikey_compare(slice a, uint64_t a_tag, slice b, uint64_t b_tag)
{
    int c = slice_compare(a, b);
    return c ? c : (a_tag < b_tag) - (a_tag > b_tag);
}

#endif
