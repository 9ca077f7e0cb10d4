#include "fuzz/bytes_disk.h"

#include <string.h>

static int bytes_read(struct disk_file *file, uint64_t offset, void *buf, size_t n,
                      size_t *got)
{
    struct bytes_disk *d = (struct bytes_disk *)file->disk;
    size_t left = offset < d->size ? d->size - (size_t)offset : 0;
    if (n > left) n = left;
    if (d->short_reads && n > d->short_reads) n = d->short_reads;
    if (n) memcpy(buf, d->data + offset, n);
    *got = n;
    return 0;
}

void bytes_disk_init(struct bytes_disk *d, enum file_kind kind, const uint8_t *data,
                     size_t size)
{
    static const struct disk_ops ops = {.read = bytes_read};
    *d = (struct bytes_disk){.disk = {&ops}, .data = data, .size = size};
    d->file = (struct disk_file){&d->disk, kind};
}
