/* points.h - the places where the floor can be told to fail, and the question at each.
 *
 * Flow:    shim.c, mem.c, net_posix.c > fault_at_*() > libfiu > plan.h | fiu-ctrl
 * Errors:  a point that fires answers its own errno, or the one that was given to libfiu
 *          as failinfo.
 * Threads: any; whatever is armed is shared by all.
 * Tests:   tests/fault/points_test.c, tests/fault/shim_test.c, tests/fault/plan_test.c,
 *          tests/symbols.sh (nothing is left of a point without FIU_ENABLE)
 *
 * A point's path is fs/<kind of file>/<call>/<effect>, net/<call>/<effect> or alloc/nomem.
 * With FIU_ENABLE an unarmed question is a load and a branch that is never taken; without
 * it a question is the constant "no" and no instruction remains.
 *
 * What the last part of a path means:
 *   an errno   the call is not made and the errno is answered. For a sync the disk behind
 *              is told (disk_ops.sync_failed): the pages become clean without having been
 *              written, as on a real disk whose fsync fails; eintr alone leaves them.
 *   after      the call is made, succeeds, and an error (EIO) is answered all the same
 *   part       half of it is done, then an error (EIO) is answered
 *   short      half of it is done, as a disk or socket may; the caller goes on
 *   drop       the call is not made and success is answered: a disk that lies
 */
#ifndef FAULT_POINTS_H
#define FAULT_POINTS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "fault/sites.h"

#ifdef FIU_ENABLE
#include <stdatomic.h>
#endif

enum fault_effect {
    FAULT_NONE,  /* nothing is wanted: make the call */
    FAULT_ERROR, /* answer `error`, do nothing */
    FAULT_DROP,  /* answer success, do nothing */
    FAULT_AFTER, /* make the call; when it succeeded answer `error` all the same */
    FAULT_PART,  /* do about half of it, then answer `error` */
    FAULT_SHORT, /* do about half of it and say so */
};

struct fault {
    enum fault_effect effect;
    int error; /* errno to answer; 0 when effect is NONE, DROP or SHORT */
};

/* Where points are asked that are not at a file: they continue enum file_kind. */
enum point_place { POINT_ALLOC = KIND_COUNT, POINT_NET, POINT_PLACES };
enum alloc_call { ALLOC_BLOCK };
enum net_call { NET_ACCEPT, NET_LISTEN, NET_POLL, NET_RECV, NET_SEND };

/* Every point, sorted by path: path, place (a kind of file or one of the above), call at
 * that place, effect, errno. */
#define FAULT_POINTS(X)                                                                  \
    X("alloc/nomem", POINT_ALLOC, ALLOC_BLOCK, FAULT_ERROR, ENOMEM)                      \
    X("fs/current/open/after", KIND_CURRENT, CALL_OPEN, FAULT_AFTER, EIO)                \
    X("fs/current/open/edquot", KIND_CURRENT, CALL_OPEN, FAULT_ERROR, EDQUOT)            \
    X("fs/current/open/eintr", KIND_CURRENT, CALL_OPEN, FAULT_ERROR, EINTR)              \
    X("fs/current/open/eio", KIND_CURRENT, CALL_OPEN, FAULT_ERROR, EIO)                  \
    X("fs/current/open/emfile", KIND_CURRENT, CALL_OPEN, FAULT_ERROR, EMFILE)            \
    X("fs/current/open/enospc", KIND_CURRENT, CALL_OPEN, FAULT_ERROR, ENOSPC)            \
    X("fs/current/read/eintr", KIND_CURRENT, CALL_READ, FAULT_ERROR, EINTR)              \
    X("fs/current/read/eio", KIND_CURRENT, CALL_READ, FAULT_ERROR, EIO)                  \
    X("fs/current/read/short", KIND_CURRENT, CALL_READ, FAULT_SHORT, 0)                  \
    X("fs/current/rename/after", KIND_CURRENT, CALL_RENAME, FAULT_AFTER, EIO)            \
    X("fs/current/rename/drop", KIND_CURRENT, CALL_RENAME, FAULT_DROP, 0)                \
    X("fs/current/rename/edquot", KIND_CURRENT, CALL_RENAME, FAULT_ERROR, EDQUOT)        \
    X("fs/current/rename/eio", KIND_CURRENT, CALL_RENAME, FAULT_ERROR, EIO)              \
    X("fs/current/rename/enospc", KIND_CURRENT, CALL_RENAME, FAULT_ERROR, ENOSPC)        \
    X("fs/current/size/eio", KIND_CURRENT, CALL_SIZE, FAULT_ERROR, EIO)                  \
    X("fs/current/sync/after", KIND_CURRENT, CALL_SYNC, FAULT_AFTER, EIO)                \
    X("fs/current/sync/drop", KIND_CURRENT, CALL_SYNC, FAULT_DROP, 0)                    \
    X("fs/current/sync/edquot", KIND_CURRENT, CALL_SYNC, FAULT_ERROR, EDQUOT)            \
    X("fs/current/sync/eintr", KIND_CURRENT, CALL_SYNC, FAULT_ERROR, EINTR)              \
    X("fs/current/sync/eio", KIND_CURRENT, CALL_SYNC, FAULT_ERROR, EIO)                  \
    X("fs/current/sync/enospc", KIND_CURRENT, CALL_SYNC, FAULT_ERROR, ENOSPC)            \
    X("fs/current/unlink/after", KIND_CURRENT, CALL_UNLINK, FAULT_AFTER, EIO)            \
    X("fs/current/unlink/drop", KIND_CURRENT, CALL_UNLINK, FAULT_DROP, 0)                \
    X("fs/current/unlink/eio", KIND_CURRENT, CALL_UNLINK, FAULT_ERROR, EIO)              \
    X("fs/current/write/after", KIND_CURRENT, CALL_WRITE, FAULT_AFTER, EIO)              \
    X("fs/current/write/edquot", KIND_CURRENT, CALL_WRITE, FAULT_ERROR, EDQUOT)          \
    X("fs/current/write/eintr", KIND_CURRENT, CALL_WRITE, FAULT_ERROR, EINTR)            \
    X("fs/current/write/eio", KIND_CURRENT, CALL_WRITE, FAULT_ERROR, EIO)                \
    X("fs/current/write/enospc", KIND_CURRENT, CALL_WRITE, FAULT_ERROR, ENOSPC)          \
    X("fs/current/write/part", KIND_CURRENT, CALL_WRITE, FAULT_PART, EIO)                \
    X("fs/current/write/short", KIND_CURRENT, CALL_WRITE, FAULT_SHORT, 0)                \
    X("fs/dir/list/eio", KIND_DIR, CALL_LIST, FAULT_ERROR, EIO)                          \
    X("fs/dir/list/emfile", KIND_DIR, CALL_LIST, FAULT_ERROR, EMFILE)                    \
    X("fs/dir/mkdir/after", KIND_DIR, CALL_MKDIR, FAULT_AFTER, EIO)                      \
    X("fs/dir/mkdir/edquot", KIND_DIR, CALL_MKDIR, FAULT_ERROR, EDQUOT)                  \
    X("fs/dir/mkdir/eio", KIND_DIR, CALL_MKDIR, FAULT_ERROR, EIO)                        \
    X("fs/dir/mkdir/enospc", KIND_DIR, CALL_MKDIR, FAULT_ERROR, ENOSPC)                  \
    X("fs/dir/open/eintr", KIND_DIR, CALL_OPEN, FAULT_ERROR, EINTR)                      \
    X("fs/dir/open/eio", KIND_DIR, CALL_OPEN, FAULT_ERROR, EIO)                          \
    X("fs/dir/open/emfile", KIND_DIR, CALL_OPEN, FAULT_ERROR, EMFILE)                    \
    X("fs/dir/rename/after", KIND_DIR, CALL_RENAME, FAULT_AFTER, EIO)                    \
    X("fs/dir/rename/drop", KIND_DIR, CALL_RENAME, FAULT_DROP, 0)                        \
    X("fs/dir/rename/edquot", KIND_DIR, CALL_RENAME, FAULT_ERROR, EDQUOT)                \
    X("fs/dir/rename/eio", KIND_DIR, CALL_RENAME, FAULT_ERROR, EIO)                      \
    X("fs/dir/rename/enospc", KIND_DIR, CALL_RENAME, FAULT_ERROR, ENOSPC)                \
    X("fs/dir/rmdir/after", KIND_DIR, CALL_RMDIR, FAULT_AFTER, EIO)                      \
    X("fs/dir/rmdir/eio", KIND_DIR, CALL_RMDIR, FAULT_ERROR, EIO)                        \
    X("fs/dir/sync/after", KIND_DIR, CALL_SYNC, FAULT_AFTER, EIO)                        \
    X("fs/dir/sync/drop", KIND_DIR, CALL_SYNC, FAULT_DROP, 0)                            \
    X("fs/dir/sync/edquot", KIND_DIR, CALL_SYNC, FAULT_ERROR, EDQUOT)                    \
    X("fs/dir/sync/eintr", KIND_DIR, CALL_SYNC, FAULT_ERROR, EINTR)                      \
    X("fs/dir/sync/eio", KIND_DIR, CALL_SYNC, FAULT_ERROR, EIO)                          \
    X("fs/dir/sync/enospc", KIND_DIR, CALL_SYNC, FAULT_ERROR, ENOSPC)                    \
    X("fs/dir/unlink/after", KIND_DIR, CALL_UNLINK, FAULT_AFTER, EIO)                    \
    X("fs/dir/unlink/drop", KIND_DIR, CALL_UNLINK, FAULT_DROP, 0)                        \
    X("fs/dir/unlink/eio", KIND_DIR, CALL_UNLINK, FAULT_ERROR, EIO)                      \
    X("fs/lock/lock/after", KIND_LOCK, CALL_LOCK, FAULT_AFTER, EIO)                      \
    X("fs/lock/lock/eio", KIND_LOCK, CALL_LOCK, FAULT_ERROR, EIO)                        \
    X("fs/lock/lock/emfile", KIND_LOCK, CALL_LOCK, FAULT_ERROR, EMFILE)                  \
    X("fs/lock/lock/enospc", KIND_LOCK, CALL_LOCK, FAULT_ERROR, ENOSPC)                  \
    X("fs/manifest/open/after", KIND_MANIFEST, CALL_OPEN, FAULT_AFTER, EIO)              \
    X("fs/manifest/open/edquot", KIND_MANIFEST, CALL_OPEN, FAULT_ERROR, EDQUOT)          \
    X("fs/manifest/open/eintr", KIND_MANIFEST, CALL_OPEN, FAULT_ERROR, EINTR)            \
    X("fs/manifest/open/eio", KIND_MANIFEST, CALL_OPEN, FAULT_ERROR, EIO)                \
    X("fs/manifest/open/emfile", KIND_MANIFEST, CALL_OPEN, FAULT_ERROR, EMFILE)          \
    X("fs/manifest/open/enospc", KIND_MANIFEST, CALL_OPEN, FAULT_ERROR, ENOSPC)          \
    X("fs/manifest/read/eintr", KIND_MANIFEST, CALL_READ, FAULT_ERROR, EINTR)            \
    X("fs/manifest/read/eio", KIND_MANIFEST, CALL_READ, FAULT_ERROR, EIO)                \
    X("fs/manifest/read/short", KIND_MANIFEST, CALL_READ, FAULT_SHORT, 0)                \
    X("fs/manifest/size/eio", KIND_MANIFEST, CALL_SIZE, FAULT_ERROR, EIO)                \
    X("fs/manifest/sync/after", KIND_MANIFEST, CALL_SYNC, FAULT_AFTER, EIO)              \
    X("fs/manifest/sync/drop", KIND_MANIFEST, CALL_SYNC, FAULT_DROP, 0)                  \
    X("fs/manifest/sync/edquot", KIND_MANIFEST, CALL_SYNC, FAULT_ERROR, EDQUOT)          \
    X("fs/manifest/sync/eintr", KIND_MANIFEST, CALL_SYNC, FAULT_ERROR, EINTR)            \
    X("fs/manifest/sync/eio", KIND_MANIFEST, CALL_SYNC, FAULT_ERROR, EIO)                \
    X("fs/manifest/sync/enospc", KIND_MANIFEST, CALL_SYNC, FAULT_ERROR, ENOSPC)          \
    X("fs/manifest/unlink/after", KIND_MANIFEST, CALL_UNLINK, FAULT_AFTER, EIO)          \
    X("fs/manifest/unlink/drop", KIND_MANIFEST, CALL_UNLINK, FAULT_DROP, 0)              \
    X("fs/manifest/unlink/eio", KIND_MANIFEST, CALL_UNLINK, FAULT_ERROR, EIO)            \
    X("fs/manifest/write/after", KIND_MANIFEST, CALL_WRITE, FAULT_AFTER, EIO)            \
    X("fs/manifest/write/edquot", KIND_MANIFEST, CALL_WRITE, FAULT_ERROR, EDQUOT)        \
    X("fs/manifest/write/eintr", KIND_MANIFEST, CALL_WRITE, FAULT_ERROR, EINTR)          \
    X("fs/manifest/write/eio", KIND_MANIFEST, CALL_WRITE, FAULT_ERROR, EIO)              \
    X("fs/manifest/write/enospc", KIND_MANIFEST, CALL_WRITE, FAULT_ERROR, ENOSPC)        \
    X("fs/manifest/write/part", KIND_MANIFEST, CALL_WRITE, FAULT_PART, EIO)              \
    X("fs/manifest/write/short", KIND_MANIFEST, CALL_WRITE, FAULT_SHORT, 0)              \
    X("fs/other/allocate/after", KIND_OTHER, CALL_ALLOCATE, FAULT_AFTER, EIO)            \
    X("fs/other/allocate/edquot", KIND_OTHER, CALL_ALLOCATE, FAULT_ERROR, EDQUOT)        \
    X("fs/other/allocate/eintr", KIND_OTHER, CALL_ALLOCATE, FAULT_ERROR, EINTR)          \
    X("fs/other/allocate/eio", KIND_OTHER, CALL_ALLOCATE, FAULT_ERROR, EIO)              \
    X("fs/other/allocate/enospc", KIND_OTHER, CALL_ALLOCATE, FAULT_ERROR, ENOSPC)        \
    X("fs/other/allocate/part", KIND_OTHER, CALL_ALLOCATE, FAULT_PART, EIO)              \
    X("fs/other/link/after", KIND_OTHER, CALL_LINK, FAULT_AFTER, EIO)                    \
    X("fs/other/link/drop", KIND_OTHER, CALL_LINK, FAULT_DROP, 0)                        \
    X("fs/other/link/edquot", KIND_OTHER, CALL_LINK, FAULT_ERROR, EDQUOT)                \
    X("fs/other/link/eio", KIND_OTHER, CALL_LINK, FAULT_ERROR, EIO)                      \
    X("fs/other/link/emlink", KIND_OTHER, CALL_LINK, FAULT_ERROR, EMLINK)                \
    X("fs/other/link/enospc", KIND_OTHER, CALL_LINK, FAULT_ERROR, ENOSPC)                \
    X("fs/other/lock/after", KIND_OTHER, CALL_LOCK, FAULT_AFTER, EIO)                    \
    X("fs/other/lock/eio", KIND_OTHER, CALL_LOCK, FAULT_ERROR, EIO)                      \
    X("fs/other/lock/emfile", KIND_OTHER, CALL_LOCK, FAULT_ERROR, EMFILE)                \
    X("fs/other/lock/enospc", KIND_OTHER, CALL_LOCK, FAULT_ERROR, ENOSPC)                \
    X("fs/other/mkdir/after", KIND_OTHER, CALL_MKDIR, FAULT_AFTER, EIO)                  \
    X("fs/other/mkdir/edquot", KIND_OTHER, CALL_MKDIR, FAULT_ERROR, EDQUOT)              \
    X("fs/other/mkdir/eio", KIND_OTHER, CALL_MKDIR, FAULT_ERROR, EIO)                    \
    X("fs/other/mkdir/enospc", KIND_OTHER, CALL_MKDIR, FAULT_ERROR, ENOSPC)              \
    X("fs/other/open/after", KIND_OTHER, CALL_OPEN, FAULT_AFTER, EIO)                    \
    X("fs/other/open/edquot", KIND_OTHER, CALL_OPEN, FAULT_ERROR, EDQUOT)                \
    X("fs/other/open/eintr", KIND_OTHER, CALL_OPEN, FAULT_ERROR, EINTR)                  \
    X("fs/other/open/eio", KIND_OTHER, CALL_OPEN, FAULT_ERROR, EIO)                      \
    X("fs/other/open/emfile", KIND_OTHER, CALL_OPEN, FAULT_ERROR, EMFILE)                \
    X("fs/other/open/enospc", KIND_OTHER, CALL_OPEN, FAULT_ERROR, ENOSPC)                \
    X("fs/other/read/eintr", KIND_OTHER, CALL_READ, FAULT_ERROR, EINTR)                  \
    X("fs/other/read/eio", KIND_OTHER, CALL_READ, FAULT_ERROR, EIO)                      \
    X("fs/other/read/short", KIND_OTHER, CALL_READ, FAULT_SHORT, 0)                      \
    X("fs/other/rename/after", KIND_OTHER, CALL_RENAME, FAULT_AFTER, EIO)                \
    X("fs/other/rename/drop", KIND_OTHER, CALL_RENAME, FAULT_DROP, 0)                    \
    X("fs/other/rename/edquot", KIND_OTHER, CALL_RENAME, FAULT_ERROR, EDQUOT)            \
    X("fs/other/rename/eio", KIND_OTHER, CALL_RENAME, FAULT_ERROR, EIO)                  \
    X("fs/other/rename/enospc", KIND_OTHER, CALL_RENAME, FAULT_ERROR, ENOSPC)            \
    X("fs/other/rmdir/after", KIND_OTHER, CALL_RMDIR, FAULT_AFTER, EIO)                  \
    X("fs/other/rmdir/eio", KIND_OTHER, CALL_RMDIR, FAULT_ERROR, EIO)                    \
    X("fs/other/size/eio", KIND_OTHER, CALL_SIZE, FAULT_ERROR, EIO)                      \
    X("fs/other/sync/after", KIND_OTHER, CALL_SYNC, FAULT_AFTER, EIO)                    \
    X("fs/other/sync/drop", KIND_OTHER, CALL_SYNC, FAULT_DROP, 0)                        \
    X("fs/other/sync/edquot", KIND_OTHER, CALL_SYNC, FAULT_ERROR, EDQUOT)                \
    X("fs/other/sync/eintr", KIND_OTHER, CALL_SYNC, FAULT_ERROR, EINTR)                  \
    X("fs/other/sync/eio", KIND_OTHER, CALL_SYNC, FAULT_ERROR, EIO)                      \
    X("fs/other/sync/enospc", KIND_OTHER, CALL_SYNC, FAULT_ERROR, ENOSPC)                \
    X("fs/other/truncate/after", KIND_OTHER, CALL_TRUNCATE, FAULT_AFTER, EIO)            \
    X("fs/other/truncate/drop", KIND_OTHER, CALL_TRUNCATE, FAULT_DROP, 0)                \
    X("fs/other/truncate/eintr", KIND_OTHER, CALL_TRUNCATE, FAULT_ERROR, EINTR)          \
    X("fs/other/truncate/eio", KIND_OTHER, CALL_TRUNCATE, FAULT_ERROR, EIO)              \
    X("fs/other/unlink/after", KIND_OTHER, CALL_UNLINK, FAULT_AFTER, EIO)                \
    X("fs/other/unlink/drop", KIND_OTHER, CALL_UNLINK, FAULT_DROP, 0)                    \
    X("fs/other/unlink/eio", KIND_OTHER, CALL_UNLINK, FAULT_ERROR, EIO)                  \
    X("fs/other/write/after", KIND_OTHER, CALL_WRITE, FAULT_AFTER, EIO)                  \
    X("fs/other/write/edquot", KIND_OTHER, CALL_WRITE, FAULT_ERROR, EDQUOT)              \
    X("fs/other/write/eintr", KIND_OTHER, CALL_WRITE, FAULT_ERROR, EINTR)                \
    X("fs/other/write/eio", KIND_OTHER, CALL_WRITE, FAULT_ERROR, EIO)                    \
    X("fs/other/write/enospc", KIND_OTHER, CALL_WRITE, FAULT_ERROR, ENOSPC)              \
    X("fs/other/write/part", KIND_OTHER, CALL_WRITE, FAULT_PART, EIO)                    \
    X("fs/other/write/short", KIND_OTHER, CALL_WRITE, FAULT_SHORT, 0)                    \
    X("fs/sst/link/after", KIND_SST, CALL_LINK, FAULT_AFTER, EIO)                        \
    X("fs/sst/link/drop", KIND_SST, CALL_LINK, FAULT_DROP, 0)                            \
    X("fs/sst/link/edquot", KIND_SST, CALL_LINK, FAULT_ERROR, EDQUOT)                    \
    X("fs/sst/link/eio", KIND_SST, CALL_LINK, FAULT_ERROR, EIO)                          \
    X("fs/sst/link/emlink", KIND_SST, CALL_LINK, FAULT_ERROR, EMLINK)                    \
    X("fs/sst/link/enospc", KIND_SST, CALL_LINK, FAULT_ERROR, ENOSPC)                    \
    X("fs/sst/link/exdev", KIND_SST, CALL_LINK, FAULT_ERROR, EXDEV)                      \
    X("fs/sst/map/enomem", KIND_SST, CALL_MAP, FAULT_ERROR, ENOMEM)                      \
    X("fs/sst/open/after", KIND_SST, CALL_OPEN, FAULT_AFTER, EIO)                        \
    X("fs/sst/open/edquot", KIND_SST, CALL_OPEN, FAULT_ERROR, EDQUOT)                    \
    X("fs/sst/open/eintr", KIND_SST, CALL_OPEN, FAULT_ERROR, EINTR)                      \
    X("fs/sst/open/eio", KIND_SST, CALL_OPEN, FAULT_ERROR, EIO)                          \
    X("fs/sst/open/emfile", KIND_SST, CALL_OPEN, FAULT_ERROR, EMFILE)                    \
    X("fs/sst/open/enospc", KIND_SST, CALL_OPEN, FAULT_ERROR, ENOSPC)                    \
    X("fs/sst/read/eintr", KIND_SST, CALL_READ, FAULT_ERROR, EINTR)                      \
    X("fs/sst/read/eio", KIND_SST, CALL_READ, FAULT_ERROR, EIO)                          \
    X("fs/sst/read/short", KIND_SST, CALL_READ, FAULT_SHORT, 0)                          \
    X("fs/sst/size/eio", KIND_SST, CALL_SIZE, FAULT_ERROR, EIO)                          \
    X("fs/sst/sync/after", KIND_SST, CALL_SYNC, FAULT_AFTER, EIO)                        \
    X("fs/sst/sync/drop", KIND_SST, CALL_SYNC, FAULT_DROP, 0)                            \
    X("fs/sst/sync/edquot", KIND_SST, CALL_SYNC, FAULT_ERROR, EDQUOT)                    \
    X("fs/sst/sync/eintr", KIND_SST, CALL_SYNC, FAULT_ERROR, EINTR)                      \
    X("fs/sst/sync/eio", KIND_SST, CALL_SYNC, FAULT_ERROR, EIO)                          \
    X("fs/sst/sync/enospc", KIND_SST, CALL_SYNC, FAULT_ERROR, ENOSPC)                    \
    X("fs/sst/unlink/after", KIND_SST, CALL_UNLINK, FAULT_AFTER, EIO)                    \
    X("fs/sst/unlink/drop", KIND_SST, CALL_UNLINK, FAULT_DROP, 0)                        \
    X("fs/sst/unlink/eio", KIND_SST, CALL_UNLINK, FAULT_ERROR, EIO)                      \
    X("fs/sst/write/after", KIND_SST, CALL_WRITE, FAULT_AFTER, EIO)                      \
    X("fs/sst/write/edquot", KIND_SST, CALL_WRITE, FAULT_ERROR, EDQUOT)                  \
    X("fs/sst/write/eintr", KIND_SST, CALL_WRITE, FAULT_ERROR, EINTR)                    \
    X("fs/sst/write/eio", KIND_SST, CALL_WRITE, FAULT_ERROR, EIO)                        \
    X("fs/sst/write/enospc", KIND_SST, CALL_WRITE, FAULT_ERROR, ENOSPC)                  \
    X("fs/sst/write/part", KIND_SST, CALL_WRITE, FAULT_PART, EIO)                        \
    X("fs/sst/write/short", KIND_SST, CALL_WRITE, FAULT_SHORT, 0)                        \
    X("fs/wal/allocate/after", KIND_WAL, CALL_ALLOCATE, FAULT_AFTER, EIO)                \
    X("fs/wal/allocate/edquot", KIND_WAL, CALL_ALLOCATE, FAULT_ERROR, EDQUOT)            \
    X("fs/wal/allocate/eintr", KIND_WAL, CALL_ALLOCATE, FAULT_ERROR, EINTR)              \
    X("fs/wal/allocate/eio", KIND_WAL, CALL_ALLOCATE, FAULT_ERROR, EIO)                  \
    X("fs/wal/allocate/enospc", KIND_WAL, CALL_ALLOCATE, FAULT_ERROR, ENOSPC)            \
    X("fs/wal/allocate/part", KIND_WAL, CALL_ALLOCATE, FAULT_PART, EIO)                  \
    X("fs/wal/open/after", KIND_WAL, CALL_OPEN, FAULT_AFTER, EIO)                        \
    X("fs/wal/open/edquot", KIND_WAL, CALL_OPEN, FAULT_ERROR, EDQUOT)                    \
    X("fs/wal/open/eintr", KIND_WAL, CALL_OPEN, FAULT_ERROR, EINTR)                      \
    X("fs/wal/open/eio", KIND_WAL, CALL_OPEN, FAULT_ERROR, EIO)                          \
    X("fs/wal/open/emfile", KIND_WAL, CALL_OPEN, FAULT_ERROR, EMFILE)                    \
    X("fs/wal/open/enospc", KIND_WAL, CALL_OPEN, FAULT_ERROR, ENOSPC)                    \
    X("fs/wal/read/eintr", KIND_WAL, CALL_READ, FAULT_ERROR, EINTR)                      \
    X("fs/wal/read/eio", KIND_WAL, CALL_READ, FAULT_ERROR, EIO)                          \
    X("fs/wal/read/short", KIND_WAL, CALL_READ, FAULT_SHORT, 0)                          \
    X("fs/wal/rename/after", KIND_WAL, CALL_RENAME, FAULT_AFTER, EIO)                    \
    X("fs/wal/rename/drop", KIND_WAL, CALL_RENAME, FAULT_DROP, 0)                        \
    X("fs/wal/rename/edquot", KIND_WAL, CALL_RENAME, FAULT_ERROR, EDQUOT)                \
    X("fs/wal/rename/eio", KIND_WAL, CALL_RENAME, FAULT_ERROR, EIO)                      \
    X("fs/wal/rename/enospc", KIND_WAL, CALL_RENAME, FAULT_ERROR, ENOSPC)                \
    X("fs/wal/size/eio", KIND_WAL, CALL_SIZE, FAULT_ERROR, EIO)                          \
    X("fs/wal/sync/after", KIND_WAL, CALL_SYNC, FAULT_AFTER, EIO)                        \
    X("fs/wal/sync/drop", KIND_WAL, CALL_SYNC, FAULT_DROP, 0)                            \
    X("fs/wal/sync/edquot", KIND_WAL, CALL_SYNC, FAULT_ERROR, EDQUOT)                    \
    X("fs/wal/sync/eintr", KIND_WAL, CALL_SYNC, FAULT_ERROR, EINTR)                      \
    X("fs/wal/sync/eio", KIND_WAL, CALL_SYNC, FAULT_ERROR, EIO)                          \
    X("fs/wal/sync/enospc", KIND_WAL, CALL_SYNC, FAULT_ERROR, ENOSPC)                    \
    X("fs/wal/unlink/after", KIND_WAL, CALL_UNLINK, FAULT_AFTER, EIO)                    \
    X("fs/wal/unlink/drop", KIND_WAL, CALL_UNLINK, FAULT_DROP, 0)                        \
    X("fs/wal/unlink/eio", KIND_WAL, CALL_UNLINK, FAULT_ERROR, EIO)                      \
    X("fs/wal/write/after", KIND_WAL, CALL_WRITE, FAULT_AFTER, EIO)                      \
    X("fs/wal/write/edquot", KIND_WAL, CALL_WRITE, FAULT_ERROR, EDQUOT)                  \
    X("fs/wal/write/eintr", KIND_WAL, CALL_WRITE, FAULT_ERROR, EINTR)                    \
    X("fs/wal/write/eio", KIND_WAL, CALL_WRITE, FAULT_ERROR, EIO)                        \
    X("fs/wal/write/enospc", KIND_WAL, CALL_WRITE, FAULT_ERROR, ENOSPC)                  \
    X("fs/wal/write/part", KIND_WAL, CALL_WRITE, FAULT_PART, EIO)                        \
    X("fs/wal/write/short", KIND_WAL, CALL_WRITE, FAULT_SHORT, 0)                        \
    X("net/accept/econnaborted", POINT_NET, NET_ACCEPT, FAULT_ERROR, ECONNABORTED)       \
    X("net/accept/emfile", POINT_NET, NET_ACCEPT, FAULT_ERROR, EMFILE)                   \
    X("net/accept/enfile", POINT_NET, NET_ACCEPT, FAULT_ERROR, ENFILE)                   \
    X("net/accept/enobufs", POINT_NET, NET_ACCEPT, FAULT_ERROR, ENOBUFS)                 \
    X("net/listen/eaddrinuse", POINT_NET, NET_LISTEN, FAULT_ERROR, EADDRINUSE)           \
    X("net/listen/emfile", POINT_NET, NET_LISTEN, FAULT_ERROR, EMFILE)                   \
    X("net/poll/eintr", POINT_NET, NET_POLL, FAULT_ERROR, EINTR)                         \
    X("net/poll/enomem", POINT_NET, NET_POLL, FAULT_ERROR, ENOMEM)                       \
    X("net/recv/eagain", POINT_NET, NET_RECV, FAULT_ERROR, EAGAIN)                       \
    X("net/recv/econnreset", POINT_NET, NET_RECV, FAULT_ERROR, ECONNRESET)               \
    X("net/recv/etimedout", POINT_NET, NET_RECV, FAULT_ERROR, ETIMEDOUT)                 \
    X("net/recv/short", POINT_NET, NET_RECV, FAULT_SHORT, 0)                             \
    X("net/send/eagain", POINT_NET, NET_SEND, FAULT_ERROR, EAGAIN)                       \
    X("net/send/econnreset", POINT_NET, NET_SEND, FAULT_ERROR, ECONNRESET)               \
    X("net/send/epipe", POINT_NET, NET_SEND, FAULT_ERROR, EPIPE)                         \
    X("net/send/short", POINT_NET, NET_SEND, FAULT_SHORT, 0)

/* ---- asking ---- */

#ifdef FIU_ENABLE

/* Set while anything is armed. One plain load: the whole price of an unarmed point. */
extern atomic_bool fault_armed;

/* Asks libfiu for each point of the place and call; `site` is SITE_COUNT at calls that
 * change nothing. */
struct fault fault_ask(unsigned place, unsigned call, enum site site);

static inline bool fault_possible(void)
{
    return __builtin_expect(atomic_load_explicit(&fault_armed, memory_order_relaxed),
                            false);
}

#else

static inline bool fault_possible(void)
{
    return false;
}
static inline struct fault fault_ask(unsigned place, unsigned call, enum site site)
{
    (void)place, (void)call, (void)site;
    return (struct fault){FAULT_NONE, 0};
}

#endif

/* At a call that changes a file. The kind is the site's. */
static inline struct fault fault_at_site(enum file_call call, enum site site)
{
    if (fault_possible()) return fault_ask(site_kind(site), call, site);
    return (struct fault){FAULT_NONE, 0};
}

/* At a call that changes nothing. */
static inline struct fault fault_at_kind(enum file_call call, enum file_kind kind)
{
    if (fault_possible()) return fault_ask(kind, call, SITE_COUNT);
    return (struct fault){FAULT_NONE, 0};
}

static inline struct fault fault_at_net(enum net_call call)
{
    if (fault_possible()) return fault_ask(POINT_NET, call, SITE_COUNT);
    return (struct fault){FAULT_NONE, 0};
}

/* True when this allocation is to be refused. */
static inline bool fault_at_alloc(void)
{
    if (!fault_possible()) return false;
    return fault_ask(POINT_ALLOC, ALLOC_BLOCK, SITE_COUNT).effect != FAULT_NONE;
}

/* ---- following the answer ---- */

/* True when -f.error is the answer and the call must not be made. */
static inline bool fault_answers(struct fault f)
{
    return f.effect == FAULT_ERROR || f.effect == FAULT_DROP;
}

/* The answer of a call that was made and returned `e`. */
static inline int fault_then(struct fault f, int e)
{
    return f.effect == FAULT_AFTER && !e ? -f.error : e;
}

/* How many of n bytes a short or partial call moves; short never means none. */
static inline size_t fault_part(struct fault f, size_t n)
{
    if (f.effect == FAULT_PART) return n / 2;
    return f.effect == FAULT_SHORT && n > 1 ? n / 2 : n;
}

#endif
