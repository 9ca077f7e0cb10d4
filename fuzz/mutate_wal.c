/* mutate_wal.c - a custom mutator of AFL++ for log files: changes records and computes
 * their checksums again, so that the fuzzer gets past them.
 *
 * Loaded by AFL_CUSTOM_MUTATOR_LIBRARY beside AFL++'s own mutations, which damage what
 * this one keeps whole. Interface: custom_mutators.md of AFL++. */
#include <stdlib.h>
#include <string.h>

#include "engine/coding.h"
#include "engine/wal.h"
#include "fault/rng.h"

#define LOG         7
#define RECORDS_MAX 64
#define PAYLOAD_MAX 512

struct draft {
    uint8_t payload[PAYLOAD_MAX];
    size_t length;
    struct wal_chain chain; /* what it claims to continue */
    uint64_t first_seq;
    struct wal_position watermark;
    bool linked; /* its chain is computed from the record before it */
};

struct mutator {
    struct rng rng;
    struct draft drafts[RECORDS_MAX];
    size_t count;
    uint8_t *out;
    size_t capacity;
};

void *afl_custom_init(void *afl, unsigned int seed);
size_t afl_custom_fuzz(struct mutator *m, uint8_t *buf, size_t size, uint8_t **out,
                       uint8_t *add, size_t add_size, size_t max_size);
void afl_custom_deinit(struct mutator *m);

void *afl_custom_init(void *afl, unsigned int seed)
{
    (void)afl;
    struct mutator *m = calloc(1, sizeof *m);
    if (m) rng_init(&m->rng, seed);
    return m;
}

void afl_custom_deinit(struct mutator *m)
{
    free(m->out);
    free(m);
}

/* Takes records as their length fields say, whatever their checksums. */
static void take_records(struct mutator *m, const uint8_t *p, size_t n)
{
    m->count = 0;
    while (n >= WAL_HEADER_BYTES && m->count < RECORDS_MAX) {
        struct draft *d = &m->drafts[m->count];
        size_t length = fixed32_get(p + 4);
        if (length > n - WAL_HEADER_BYTES || length > PAYLOAD_MAX) break;
        uint32_t back = fixed32_get(p + 28);
        *d = (struct draft){.length = length, .linked = true};
        memcpy(d->payload, p + WAL_HEADER_BYTES, length);
        d->first_seq = fixed64_get(p + 16);
        d->watermark =
            (struct wal_position){back <= LOG ? LOG - back : LOG, fixed32_get(p + 24)};
        m->count++;
        p += WAL_HEADER_BYTES + length;
        n -= WAL_HEADER_BYTES + length;
    }
}

static uint64_t some_number(struct mutator *m, uint64_t near)
{
    static const uint64_t edges[] = {0,   1,    31,         32,
                                     255, 4096, UINT32_MAX, UINT64_MAX >> 8};
    switch (rng_below(&m->rng, 3)) {
    case 0: return edges[rng_below(&m->rng, sizeof edges / sizeof *edges)];
    case 1: return near + rng_below(&m->rng, 80) - 40;
    default: return rng_next(&m->rng) >> rng_below(&m->rng, 64);
    }
}

static void change_payload(struct mutator *m, struct draft *d)
{
    switch (rng_below(&m->rng, 3)) {
    case 0: d->length = (size_t)rng_below(&m->rng, PAYLOAD_MAX + 1); break;
    case 1: d->length = 0; break;
    default:
        for (uint64_t i = rng_below(&m->rng, 8); d->length > 0 && i > 0; i--)
            d->payload[rng_below(&m->rng, d->length)] = (uint8_t)rng_next(&m->rng);
    }
}

static void change(struct mutator *m)
{
    if (m->count == 0)
        m->drafts[m->count++] = (struct draft){.linked = true, .first_seq = 1};
    struct draft *d = &m->drafts[rng_below(&m->rng, m->count)];
    struct draft *other = &m->drafts[rng_below(&m->rng, m->count)], swap = *d;
    switch (rng_below(&m->rng, 8)) {
    case 0:
    case 1: change_payload(m, d); break;
    case 2: d->first_seq = some_number(m, d->first_seq); break;
    case 3: d->watermark.offset = some_number(m, d->watermark.offset) & UINT32_MAX; break;
    case 4: d->watermark.log = LOG - rng_below(&m->rng, LOG + 1); break;
    case 5:
        d->linked = false;
        d->chain = (struct wal_chain){(uint32_t)some_number(m, 0),
                                      (uint32_t)some_number(m, m->count)};
        break;
    case 6:
        *d = *other;
        *other = swap;
        break;
    default:
        if (m->count < RECORDS_MAX) m->drafts[m->count++] = swap;
    }
}

static size_t write_records(struct mutator *m, size_t max_size)
{
    size_t n = 1;
    struct wal_chain chain = {0, 0};
    for (size_t i = 0; i < m->count; i++) {
        struct draft *d = &m->drafts[i];
        if (n + WAL_HEADER_BYTES + d->length > max_size) break;
        memcpy(m->out + n + WAL_HEADER_BYTES, d->payload, d->length);
        if (!d->linked) chain = d->chain;
        uint32_t checksum =
            wal_frame(m->out + n, d->length, LOG, chain, d->first_seq, d->watermark);
        chain = (struct wal_chain){checksum, chain.number + 1};
        n += WAL_HEADER_BYTES + d->length;
    }
    return n;
}

size_t afl_custom_fuzz(struct mutator *m, uint8_t *buf, size_t size, uint8_t **out,
                       uint8_t *add, size_t add_size, size_t max_size)
{
    (void)add;
    (void)add_size;
    if (max_size > m->capacity) {
        uint8_t *grown = realloc(m->out, max_size);
        if (!grown) return 0;
        m->out = grown;
        m->capacity = max_size;
    }
    if (size < 1) return 0;
    take_records(m, buf + 1, size - 1);
    for (uint64_t i = 1 + rng_below(&m->rng, 4); i > 0; i--)
        change(m);
    m->out[0] = (uint8_t)rng_next(&m->rng);
    size_t n = write_records(m, max_size);
    /* Sometimes the last one is torn, or zeros or old bytes follow. */
    if (n > 2 && rng_below(&m->rng, 4) == 0) n -= 1 + rng_below(&m->rng, n - 1);
    if (rng_below(&m->rng, 4) == 0 && n + 64 <= max_size) {
        memset(m->out + n, rng_below(&m->rng, 2) ? 0 : 0x5a, 64);
        n += 64;
    }
    *out = m->out;
    return n;
}
