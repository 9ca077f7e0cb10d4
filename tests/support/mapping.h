/* mapping.h - lets a simulated disk show files as memory, and punishes who looks too early.
 *
 * Flow:    code under test > shim > mapping > disk_sim
 * Borrows: the disk, between mapping_begin and mapping_end.
 *
 * Mapped bytes are MAPPING_POISON until a read has returned them: where a real disk might
 * answer the touch of an unread page with a signal, this one gives wrong bytes.
 */
#ifndef TESTS_SUPPORT_MAPPING_H
#define TESTS_SUPPORT_MAPPING_H

#include "fault/disk_sim.h"

#define MAPPING_POISON 0xA5
#define MAPPING_MAX    16

struct mapping {
    struct disk_ops ops; /* stands in for the disk's own; first, to be found again */
    const struct disk_ops *inner;
    struct disk *disk;
    struct {
        uint32_t inode;
        uint8_t *bytes; /* NULL: free */
        uint64_t size;
    } maps[MAPPING_MAX];
    unsigned mapped;     /* now */
    unsigned long reads; /* calls that reached the disk */
};

void mapping_begin(struct mapping *m, struct disk *disk);
/* Checks that everything was unmapped. */
void mapping_end(struct mapping *m);

#endif
