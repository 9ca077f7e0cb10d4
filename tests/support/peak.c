#include "tests/support/peak.h"

#include <stdint.h>
#include <stdlib.h>

#define HEAD_BYTES 16 /* in front of each block: its size */

static void *take(struct peak *p, uint8_t *block, size_t n)
{
    if (!block) return NULL;
    *(size_t *)(void *)block = n;
    p->bytes += n;
    if (p->bytes > p->most) p->most = p->bytes;
    return block + HEAD_BYTES;
}

static void *peak_alloc(struct mem *m, size_t n)
{
    return take((struct peak *)m, malloc(n + HEAD_BYTES), n);
}

static size_t size_of(const void *block)
{
    return *(const size_t *)(const void *)((const uint8_t *)block - HEAD_BYTES);
}

/* Both blocks live for a moment, as they may in the C library. */
static void *peak_resize(struct mem *m, void *old, size_t n)
{
    struct peak *p = (struct peak *)m;
    size_t before = old ? size_of(old) : 0;
    uint8_t *block = old ? (uint8_t *)old - HEAD_BYTES : NULL;
    void *out = take(p, realloc(block, n + HEAD_BYTES), n);
    if (out) p->bytes -= before;
    return out;
}

static void peak_free(struct mem *m, void *block)
{
    struct peak *p = (struct peak *)m;
    p->bytes -= size_of(block);
    free((uint8_t *)block - HEAD_BYTES);
}

void peak_init(struct peak *p)
{
    *p = (struct peak){.mem = {peak_alloc, peak_resize, peak_free}};
}
