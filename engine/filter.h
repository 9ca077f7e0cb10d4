/* filter.h - "this key is certainly not here", in one cache line a question.
 *
 * Flow:   sst_builder > filter_hash, filter_build; sst_get > filter_may_contain
 * Format: docs/formats.md#filter
 * Tests:  tests/engine/filter_test.c
 */
#ifndef ENGINE_FILTER_H
#define ENGINE_FILTER_H

#include "engine/slice.h"

#define FILTER_LINE_BYTES 64

/* On disk: the hash of a key never changes. */
uint64_t filter_hash(slice key);
/* The same for tables in memory, different for each seed: who chooses keys without knowing
 * it cannot choose their places. Seed 0 is filter_hash. */
uint64_t filter_hash_seeded(slice key, uint64_t seed);
/* Bytes for `keys` keys, whole lines, at least one; 0 when bits_per_key is 0. */
size_t filter_size(size_t keys, unsigned bits_per_key);
/* Bits to set per key, for the fewest false positives. */
unsigned filter_probes(unsigned bits_per_key);
/* Fills `size` bytes. REQUIRES: size > 0, a multiple of FILTER_LINE_BYTES. */
void filter_build(uint8_t *filter, size_t size, unsigned probes, const uint64_t *hashes,
                  size_t count);
/* False: no key with this hash was added. REQUIRES: as filter_build. */
bool filter_may_contain(const uint8_t *filter, size_t size, unsigned probes,
                        uint64_t hash);

#endif
