#include "tests/crash/image_set.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PLACES_MIN      4096
#define HUGE_PAGE_BYTES ((size_t)2 << 20)

/* Nearly every look at a large table misses all caches. In huge pages it at least finds its
 * way there. */
static struct image_entry *table_new(size_t places)
{
    size_t bytes = places * sizeof(struct image_entry);
    if (bytes < HUGE_PAGE_BYTES) {
        struct image_entry *small = calloc(places, sizeof *small);
        if (!small) abort();
        return small;
    }
    bytes = (bytes + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    struct image_entry *t = aligned_alloc(HUGE_PAGE_BYTES, bytes);
    if (!t) abort();
    (void)madvise(t, bytes, MADV_HUGEPAGE); /* as well as it can */
    memset(t, 0, bytes);
    return t;
}

void image_set_init(struct image_set *s)
{
    *s = (struct image_set){table_new(PLACES_MIN), PLACES_MIN, 0};
}

void image_set_deinit(struct image_set *s)
{
    free(s->entries);
    *s = (struct image_set){0};
}

void image_set_clear(struct image_set *s)
{
    memset(s->entries, 0, s->places * sizeof *s->entries);
    s->count = 0;
}

/* The place where the hash is or would be. */
static struct image_entry *place_of(const struct image_set *s, const uint64_t hash[2])
{
    for (size_t i = hash[0];; i++) {
        struct image_entry *e = &s->entries[i & (s->places - 1)];
        if (e->hash[0] == hash[0] && e->hash[1] == hash[1]) return e;
        if (!e->hash[0] && !e->hash[1]) return e;
    }
}

static void grow(struct image_set *s)
{
    struct image_entry *old = s->entries;
    size_t places = s->places;
    s->entries = table_new(places * 2);
    s->places = places * 2;
    for (size_t i = 0; i < places; i++)
        if (old[i].hash[0] || old[i].hash[1]) *place_of(s, old[i].hash) = old[i];
    free(old);
}

/* The hash 0, 0 marks a free place; the image that has it goes by another one. */
static void usable(const uint64_t hash[2], uint64_t out[2])
{
    out[0] = hash[0];
    out[1] = hash[0] || hash[1] ? hash[1] : 1;
}

struct image_entry *image_set_add(struct image_set *s, const uint64_t hash[2])
{
    uint64_t h[2];
    usable(hash, h);
    if (s->count * 8 >= s->places * 5) grow(s);
    struct image_entry *e = place_of(s, h);
    if (e->hash[0] || e->hash[1]) return e;
    e->hash[0] = h[0];
    e->hash[1] = h[1];
    s->count++;
    return e;
}

struct image_entry *image_set_find(const struct image_set *s, const uint64_t hash[2])
{
    uint64_t h[2];
    usable(hash, h);
    struct image_entry *e = place_of(s, h);
    return e->hash[0] || e->hash[1] ? e : NULL;
}
