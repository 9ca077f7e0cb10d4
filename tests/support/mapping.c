#include "tests/support/mapping.h"

#include <stdlib.h>
#include <string.h>

#include "fault/disk_sim_state.h"
#include "tests/support/check.h"

static struct mapping *of(struct disk *disk)
{
    return (struct mapping *)(uintptr_t)disk->ops;
}

static uint32_t inode_of(struct disk_file *file)
{
    const struct sim_handle *handle =
        (struct sim_handle *)((char *)file - offsetof(struct sim_handle, as));
    return handle->inode;
}

static int mapping_map(struct disk_file *file, uint64_t size, const uint8_t **out)
{
    struct mapping *m = of(file->disk);
    size_t i = 0;
    while (i < MAPPING_MAX && m->maps[i].bytes)
        i++;
    if (i == MAPPING_MAX) return -12; /* as the kernel when there are too many */
    uint8_t *bytes = malloc((size_t)size);
    REQUIRE(bytes != NULL);
    memset(bytes, MAPPING_POISON, (size_t)size);
    m->maps[i].inode = inode_of(file);
    m->maps[i].bytes = bytes;
    m->maps[i].size = size;
    m->mapped++;
    *out = bytes;
    return 0;
}

static void mapping_unmap(struct disk *disk, const uint8_t *bytes, uint64_t size)
{
    struct mapping *m = of(disk);
    for (size_t i = 0; i < MAPPING_MAX; i++) {
        if (m->maps[i].bytes != bytes) continue;
        CHECK_INT(m->maps[i].size, size);
        free(m->maps[i].bytes);
        m->maps[i].bytes = NULL;
        m->mapped--;
        return;
    }
    CU_FAIL("unmapped what was not mapped");
}

/* What was read is in the system's cache: all maps of the file show it. */
static void reveal(struct mapping *m, uint32_t inode, uint64_t offset, const void *buf,
                   size_t n)
{
    for (size_t i = 0; i < MAPPING_MAX; i++) {
        if (!m->maps[i].bytes || m->maps[i].inode != inode) continue;
        if (offset >= m->maps[i].size) continue;
        uint64_t room = m->maps[i].size - offset;
        memcpy(m->maps[i].bytes + offset, buf, n < room ? n : (size_t)room);
    }
}

static int mapping_read(struct disk_file *file, uint64_t offset, void *buf, size_t n,
                        size_t *got)
{
    struct mapping *m = of(file->disk);
    m->reads++;
    int e = m->inner->read(file, offset, buf, n, got);
    if (!e) reveal(m, inode_of(file), offset, buf, *got);
    return e;
}

void mapping_begin(struct mapping *m, struct disk *disk)
{
    *m = (struct mapping){.ops = *disk->ops, .inner = disk->ops, .disk = disk};
    m->ops.read = mapping_read;
    m->ops.map = mapping_map;
    m->ops.unmap = mapping_unmap;
    disk->ops = &m->ops;
}

void mapping_end(struct mapping *m)
{
    CHECK_INT(m->mapped, 0);
    m->disk->ops = m->inner;
}
