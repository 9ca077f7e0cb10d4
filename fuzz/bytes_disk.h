/* bytes_disk.h - a file that is a run of bytes in memory: what readers are fuzzed on.
 *
 * Owns:   nothing; the bytes are borrowed as long as the file is used.
 * Errors: none; reads may be made short, which disk.h repeats.
 */
#ifndef FUZZ_BYTES_DISK_H
#define FUZZ_BYTES_DISK_H

#include "fault/disk.h"

struct bytes_disk {
    struct disk disk;
    struct disk_file file; /* give this to the reader; never close it */
    const uint8_t *data;
    size_t size;
    size_t short_reads; /* at most so many bytes at once; 0: as many as asked */
};

void bytes_disk_init(struct bytes_disk *d, enum file_kind kind, const uint8_t *data,
                     size_t size);

#endif
