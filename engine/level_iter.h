/* level_iter.h - disjoint tables in key order as one iterator.
 *
 * Borrows: the tables, which must outlive it.
 * Errors:  those of the tables; see iter.h.
 * Tests:   tests/engine/level_iter_test.c
 */
#ifndef ENGINE_LEVEL_ITER_H
#define ENGINE_LEVEL_ITER_H

#include "engine/iter.h"
#include "engine/version.h"

/* Reads one table at a time, when it comes to it, all with the same buffers. shared and
 * `why` as for sst_iter. NULL without memory. The array is not copied. */
struct iter *level_iter_new(struct mem *mem, struct table *const *tables, size_t count,
                            bool shared, struct err_detail *why);

#endif
