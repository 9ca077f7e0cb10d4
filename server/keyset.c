/* Long commands are sorted, not hashed: there is no set of keys by which a client could
 * make the server slow. */
#include "server/keyset.h"

#include <stdlib.h>

/* So few keys are compared each with each. */
#define KEYSET_FEW 24

static int by_key_and_position(const void *a, const void *b, void *argv)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const slice *keys = argv;
    int c = slice_compare(keys[x], keys[y]);
    return c ? c : (x > y) - (x < y);
}

static void mark_repeats(struct keyset *k, uint32_t *positions, uint32_t n)
{
    void *argv = (void *)(uintptr_t)k->argv;
    qsort_r(positions, n, sizeof *positions, by_key_and_position, argv);
    for (uint32_t i = 1; i < n; i++)
        k->repeats[positions[i]] =
            slice_equal(k->argv[positions[i - 1]], k->argv[positions[i]]);
}

bool keyset_init(struct keyset *k, struct mem *mem, const slice *argv, uint32_t argc,
                 uint32_t first, uint32_t step)
{
    *k = (struct keyset){.mem = mem, .argv = argv, .first = first, .step = step};
    uint32_t n = (argc - first + step - 1) / step;
    if (n <= KEYSET_FEW) return true;

    uint32_t *positions = mem_alloc(mem, n * sizeof *positions);
    k->repeats = mem_zalloc(mem, argc);
    if (positions && k->repeats) {
        for (uint32_t i = 0; i < n; i++)
            positions[i] = first + i * step;
        mark_repeats(k, positions, n);
    }
    bool ok = positions && k->repeats;
    mem_free(mem, positions);
    if (!ok) keyset_deinit(k);
    return ok;
}

void keyset_deinit(struct keyset *k)
{
    mem_free(k->mem, k->repeats);
    k->repeats = NULL;
}

bool keyset_repeats(const struct keyset *k, uint32_t position)
{
    if (k->repeats) return k->repeats[position];
    for (uint32_t i = k->first; i < position; i += k->step)
        if (slice_equal(k->argv[i], k->argv[position])) return true;
    return false;
}
