/* merge.h - many sorted iterators as one.
 *
 * Owns:   its children: iter_free frees them too.
 * Errors: the first error of a child makes the merge invalid: an entry of that child
 *         could be the next one, and nothing is ever skipped.
 * Tests:  tests/engine/merge_test.c
 */
#ifndef ENGINE_MERGE_H
#define ENGINE_MERGE_H

#include "engine/iter.h"
#include "fault/mem.h"

/* Takes the children over on success only; the array itself is copied. Children with
 * equal (key, tag) do not occur. With one child that child itself comes back. NULL
 * without memory. n may be 0. */
struct iter *merge_new(struct mem *mem, struct iter **children, size_t n);

#endif
