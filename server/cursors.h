/* cursors.h - where SCANs have come to: numbers for clients, keys for us.
 *
 * Flow:   cmd_key (SCAN) > cursors_*
 * Owns:   copies of keys, bounded in number and in bytes; the oldest go first.
 * Errors: cursors_put answers 0 without memory.
 * Tests:  tests/server/cursors_test.c
 *
 * Redis's cursor is a position in its hash table. Ours would be a key, and clients want a
 * number, so the keys are kept here. A number that is not known (any more) starts again
 * at the beginning: a scan may repeat keys, and never leaves one out. Numbers begin at a
 * random place in each run, so that those of an earlier run are not taken for new ones.
 */
#ifndef SERVER_CURSORS_H
#define SERVER_CURSORS_H

#include "engine/slice.h"
#include "fault/mem.h"

#define CURSORS_MAX       65536u
#define CURSORS_BYTES_MAX (16u * 1024 * 1024)

struct cursor {
    uint64_t id; /* 0: none */
    uint8_t *key;
    size_t size;
};

struct cursors {
    struct mem *mem;
    struct cursor *ring; /* CURSORS_MAX of them, from the first SCAN on */
    uint64_t first_id;
    uint64_t next, oldest; /* counted from the start; a cursor's place is count % MAX */
    size_t bytes;          /* of keys */
};

void cursors_init(struct cursors *c, struct mem *mem, uint64_t seed);
void cursors_deinit(struct cursors *c);
/* Remembers the key with which a scan goes on; 0 without memory. */
uint64_t cursors_put(struct cursors *c, slice key);
/* The key behind a number; false: unknown. Valid until the next cursors_put. */
bool cursors_get(const struct cursors *c, uint64_t id, slice *key);

#endif
