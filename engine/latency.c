#include "engine/latency.h"

void latency_add(struct latency *l, uint64_t us)
{
    unsigned bucket = us ? 64 - (unsigned)__builtin_clzll(us) : 0;
    if (bucket >= LATENCY_BUCKETS) bucket = LATENCY_BUCKETS - 1;
    l->buckets[bucket]++;
    l->count++;
    l->total_us += us;
    if (us > l->max_us) l->max_us = us;
}

uint64_t latency_percentile(const struct latency *l, double percent)
{
    double wanted = (double)l->count * percent / 100;
    uint64_t seen = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS && l->count > 0; i++) {
        seen += l->buckets[i];
        if ((double)seen < wanted || seen == 0) continue;
        uint64_t end = i ? ((uint64_t)1 << i) - 1 : 0;
        return end < l->max_us ? end : l->max_us;
    }
    return l->max_us;
}
