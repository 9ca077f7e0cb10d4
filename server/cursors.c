#include "server/cursors.h"

#include "fault/rng.h"

/* Cursors stay below 2^53, which JavaScript's numbers hold exactly. */
#define FIRST_ID_BITS 52

void cursors_init(struct cursors *c, struct mem *mem, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    *c = (struct cursors){.mem = mem};
    c->first_id = 1 + rng_below(&rng, UINT64_C(1) << FIRST_ID_BITS);
}

static void forget_oldest(struct cursors *c)
{
    struct cursor *old = &c->ring[c->oldest++ % CURSORS_MAX];
    c->bytes -= old->size;
    mem_free(c->mem, old->key);
    *old = (struct cursor){0};
}

void cursors_deinit(struct cursors *c)
{
    while (c->oldest < c->next)
        forget_oldest(c);
    mem_free(c->mem, c->ring);
    c->ring = NULL;
}

uint64_t cursors_put(struct cursors *c, slice key)
{
    if (!c->ring) c->ring = mem_zalloc(c->mem, CURSORS_MAX * sizeof *c->ring);
    uint8_t *copy = mem_alloc(c->mem, key.size + 1);
    if (!c->ring || !copy) {
        mem_free(c->mem, copy);
        return 0;
    }
    if (key.size) memcpy(copy, key.data, key.size);
    while (c->next - c->oldest == CURSORS_MAX ||
           (c->oldest < c->next && c->bytes + key.size > CURSORS_BYTES_MAX))
        forget_oldest(c);

    uint64_t id = c->first_id + c->next;
    c->ring[c->next++ % CURSORS_MAX] = (struct cursor){id, copy, key.size};
    c->bytes += key.size;
    return id;
}

bool cursors_get(const struct cursors *c, uint64_t id, slice *key)
{
    uint64_t count = id - c->first_id;
    if (id < c->first_id || count < c->oldest || count >= c->next) return false;
    const struct cursor *found = &c->ring[count % CURSORS_MAX];
    *key = slice_of(found->key, found->size);
    return true;
}
