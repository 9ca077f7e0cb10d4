/* Contents that no call has written: torn chunks (R5), and what profile V adds (R6, R7).
 *
 * A write of bytes [lo, hi) that is torn at c leaves [lo, c) new and [c, hi) old, or the
 * other way round; or all of it new but for the middle third, which holds a filler. */
#include "fault/disk_sim_state.h"

#include "fault/rng.h"

#define PATTERN_SEED 0x5eed5eedu

/* Places where the write may be cut: every byte in tiny geometry, else every 64th. */
static uint32_t cut_step(const struct sim *s)
{
    return s->config.chunk_bytes == 64 ? 1 : 64;
}

static uint32_t cut_first(const struct sim *s, const struct sim_version *v)
{
    uint32_t step = cut_step(s);
    return (v->lo / step + 1) * step;
}

static uint32_t cut_count(const struct sim *s, const struct sim_version *v)
{
    uint32_t first = cut_first(s, v), step = cut_step(s);
    return first < v->hi ? (v->hi - 1u - first) / step + 1 : 0;
}

uint32_t sim_tear_count(const struct sim *s, const struct sim_version *v)
{
    return v->flags & VERSION_ZERO ? 0 : 2 * cut_count(s, v) + SIM_FILLERS;
}

static void fill(uint8_t *p, uint32_t n, uint32_t filler)
{
    static const uint8_t byte[] = {0x00, 0xFF, DISK_SIM_STALE_BYTE};
    if (filler < sizeof byte) {
        memset(p, byte[filler], n);
        return;
    }
    struct rng rng;
    rng_init(&rng, PATTERN_SEED);
    for (uint32_t i = 0; i < n; i++)
        p[i] = (uint8_t)rng_next(&rng);
}

uint32_t sim_content_torn(struct sim *s, uint32_t before, const struct sim_version *v,
                          uint32_t tear)
{
    uint32_t cuts = cut_count(s, v), after = v->value;
    uint8_t *bytes;
    uint32_t new = sim_content_new(s, &bytes);
    memcpy(bytes, sim_bytes(s, after), s->config.chunk_bytes);
    if (tear >= 2 * cuts) {
        uint32_t third = (v->hi - v->lo) / 3u;
        fill(bytes + v->lo + third, v->hi - v->lo - 2 * third, tear - 2 * cuts);
        return new;
    }
    uint32_t cut = cut_first(s, v) + tear % cuts * cut_step(s);
    uint32_t lo = tear < cuts ? cut : v->lo, hi = tear < cuts ? v->hi : cut;
    memcpy(bytes + lo, sim_bytes(s, before) + lo, hi - lo);
    return new;
}

uint32_t sim_content_stale(struct sim *s, uint32_t content, uint32_t lo, uint32_t hi)
{
    uint8_t *bytes;
    uint32_t new = sim_content_new(s, &bytes);
    memcpy(bytes, sim_bytes(s, content), s->config.chunk_bytes);
    memset(bytes, DISK_SIM_STALE_BYTE, lo);
    memset(bytes + hi, DISK_SIM_STALE_BYTE, s->config.chunk_bytes - hi);
    return new;
}
