/* new_file.h - files that are made from nothing.
 *
 * A leftover of an attempt that was cut or failed may have the name already. It is neither
 * emptied nor written on: what a failed sync of its bytes, its size or its name has left
 * behind nobody knows, and a later sync need not cover it (R13 in docs/crash-model.md); and
 * a switch of the pointer that was cut may have left CURRENT.tmp as a second name of
 * CURRENT. It goes, and the new file is a new entry of the directory.
 * Tests: tests/engine/new_file_test.c
 */
#ifndef ENGINE_NEW_FILE_H
#define ENGINE_NEW_FILE_H

#include "fault/disk.h"

/* An empty file under that name, for reading and writing, for the caller to close; its name
 * is durable after a sync of the directory. 0 or -errno; a leftover may then be gone. */
int new_file(struct disk_dir *dir, const char *name, enum site create, enum site unlink,
             struct disk_file **out);

#endif
