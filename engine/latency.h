/* latency.h - how long something took, as a histogram with a bucket for each power of two.
 *
 * Flow:   db.c (end_sync) > latency_add > db_stats_get > INFO, benchmarks
 * Tests:  tests/engine/latency_test.c
 */
#ifndef ENGINE_LATENCY_H
#define ENGINE_LATENCY_H

#include <stdint.h>

/* Bucket i counts times in [2^(i-1), 2^i) microseconds, bucket 0 those of 0; the last one
 * everything longer. */
#define LATENCY_BUCKETS 33

struct latency {
    uint64_t count;
    uint64_t total_us, max_us;
    uint64_t buckets[LATENCY_BUCKETS];
};

void latency_add(struct latency *l, uint64_t us);
/* The time that `percent` of 100 did not exceed: the upper end of its bucket, at most
 * max_us. 0 when nothing was counted. */
uint64_t latency_percentile(const struct latency *l, double percent);

#endif
