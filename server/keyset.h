/* keyset.h - which keys a command names a second time.
 *
 * Flow:    MSET, DEL, UNLINK > keyset_*
 * Owns:    an array for long commands; nothing for short ones.
 * Borrows: the command's arguments.
 * Tests:   tests/server/keyset_test.c
 */
#ifndef SERVER_KEYSET_H
#define SERVER_KEYSET_H

#include "engine/slice.h"
#include "fault/mem.h"

struct keyset {
    struct mem *mem;
    const slice *argv;
    uint32_t first, step;
    uint8_t *repeats; /* by position; NULL: few keys, compared each with each */
};

/* For the keys argv[first], argv[first + step], ... below argc. The cost is bounded by
 * n log n comparisons whatever the keys are. False without memory. */
bool keyset_init(struct keyset *k, struct mem *mem, const slice *argv, uint32_t argc,
                 uint32_t first, uint32_t step);
void keyset_deinit(struct keyset *k);
/* True when an equal key stands at an earlier position. */
bool keyset_repeats(const struct keyset *k, uint32_t position);

#endif
