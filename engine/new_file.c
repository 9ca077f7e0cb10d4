#include <errno.h>

#include "engine/new_file.h"

int new_file(struct disk_dir *dir, const char *name, enum site create, enum site unlink,
             struct disk_file **out)
{
    const unsigned flags = DISK_READ | DISK_WRITE | DISK_CREATE | DISK_EXCL;
    int rc = disk_open(dir, name, flags, create, out);
    if (rc != -EEXIST) return rc;
    rc = disk_unlink(dir, name, unlink);
    return rc ? rc : disk_open(dir, name, flags, create, out);
}
