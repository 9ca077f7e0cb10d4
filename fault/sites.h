/* sites.h - the names of all places where the program changes a file.
 *
 * Flow:   engine, server > SITE_... > disk.h (shim) > points.h, traces, barrier matrix
 * Format: a site is "<kind of file>/<what is done>". The kind and the call select the
 *         fault points fs/<kind>/<call>/<effect> (points.h); the whole name tells one
 *         call site from another in traces, in the ordering assert and in the barrier
 *         matrix. One row per call site: two places that change files never share one.
 * Tests:  tests/fault/points_test.c (unique, every kind and call has its points)
 */
#ifndef FAULT_SITES_H
#define FAULT_SITES_H

/* Kinds of file. The text is the second part of a fault point's path. */
#define FILE_KINDS(X)                                                                    \
    X(KIND_WAL, "wal")           /* write-ahead logs, the spare one included */          \
    X(KIND_SST, "sst")           /* sorted tables */                                     \
    X(KIND_MANIFEST, "manifest") /* logs of version edits */                             \
    X(KIND_CURRENT, "current")   /* the pointer to the manifest in force */              \
    X(KIND_LOCK, "lock")         /* the lock file of a store */                          \
    X(KIND_DIR, "dir")           /* the directory of a store and its parent */           \
    X(KIND_OTHER, "other")       /* everything else: config, pid file, tests' files */

/* Calls of the interface. The text is the third part of a fault point's path. */
#define FILE_CALLS(X)                                                                    \
    X(CALL_OPEN, "open")                                                                 \
    X(CALL_READ, "read")                                                                 \
    X(CALL_WRITE, "write")                                                               \
    X(CALL_SYNC, "sync")                                                                 \
    X(CALL_TRUNCATE, "truncate")                                                         \
    X(CALL_ALLOCATE, "allocate")                                                         \
    X(CALL_RENAME, "rename")                                                             \
    X(CALL_LINK, "link")                                                                 \
    X(CALL_UNLINK, "unlink")                                                             \
    X(CALL_MKDIR, "mkdir")                                                               \
    X(CALL_RMDIR, "rmdir")                                                               \
    X(CALL_LIST, "list")                                                                 \
    X(CALL_LOCK, "lock")                                                                 \
    X(CALL_SIZE, "size")                                                                 \
    X(CALL_MAP, "map")

/* Sites: identifier, name, kind, call. Sorted by name.
 * Reads, sizes and lists change nothing and carry the kind of their file only. */
#define SITES(X)                                                                         \
    X(SITE_CURRENT_CREATE, "current/create", KIND_CURRENT, CALL_OPEN)                    \
    X(SITE_CURRENT_DIRSYNC, "current/dirsync", KIND_CURRENT, CALL_SYNC)                  \
    X(SITE_CURRENT_RENAME, "current/rename", KIND_CURRENT, CALL_RENAME)                  \
    X(SITE_CURRENT_SYNC, "current/sync", KIND_CURRENT, CALL_SYNC)                        \
    X(SITE_CURRENT_UNLINK, "current/unlink", KIND_CURRENT, CALL_UNLINK)                  \
    X(SITE_CURRENT_WRITE, "current/write", KIND_CURRENT, CALL_WRITE)                     \
    X(SITE_DIR_CHECKPOINT, "dir/checkpoint", KIND_DIR, CALL_MKDIR)                       \
    X(SITE_DIR_CLEAR, "dir/clear", KIND_DIR, CALL_UNLINK)                                \
    X(SITE_DIR_CLEARDIR, "dir/cleardir", KIND_DIR, CALL_RMDIR)                           \
    X(SITE_DIR_MKDIR, "dir/mkdir", KIND_DIR, CALL_MKDIR)                                 \
    X(SITE_DIR_PARENTSYNC, "dir/parentsync", KIND_DIR, CALL_SYNC)                        \
    X(SITE_DIR_PUBLISH, "dir/publish", KIND_DIR, CALL_RENAME)                            \
    X(SITE_DIR_PUBLISHSYNC, "dir/publishsync", KIND_DIR, CALL_SYNC)                      \
    X(SITE_LOCK_CREATE, "lock/create", KIND_LOCK, CALL_LOCK)                             \
    X(SITE_MANIFEST_CREATE, "manifest/create", KIND_MANIFEST, CALL_OPEN)                 \
    X(SITE_MANIFEST_DIRSYNC, "manifest/dirsync", KIND_MANIFEST, CALL_SYNC)               \
    X(SITE_MANIFEST_MARK, "manifest/mark", KIND_MANIFEST, CALL_WRITE)                    \
    X(SITE_MANIFEST_SYNC, "manifest/sync", KIND_MANIFEST, CALL_SYNC)                     \
    X(SITE_MANIFEST_UNLINK, "manifest/unlink", KIND_MANIFEST, CALL_UNLINK)               \
    X(SITE_MANIFEST_WRITE, "manifest/write", KIND_MANIFEST, CALL_WRITE)                  \
    X(SITE_OTHER_ALLOCATE, "other/allocate", KIND_OTHER, CALL_ALLOCATE)                  \
    X(SITE_OTHER_CREATE, "other/create", KIND_OTHER, CALL_OPEN)                          \
    X(SITE_OTHER_DIRSYNC, "other/dirsync", KIND_OTHER, CALL_SYNC)                        \
    X(SITE_OTHER_DROP, "other/drop", KIND_OTHER, CALL_UNLINK)                            \
    X(SITE_OTHER_DROPSYNC, "other/dropsync", KIND_OTHER, CALL_SYNC)                      \
    X(SITE_OTHER_KEEP, "other/keep", KIND_OTHER, CALL_LINK)                              \
    X(SITE_OTHER_KEEPSYNC, "other/keepsync", KIND_OTHER, CALL_SYNC)                      \
    X(SITE_OTHER_LINK, "other/link", KIND_OTHER, CALL_LINK)                              \
    X(SITE_OTHER_LOCK, "other/lock", KIND_OTHER, CALL_LOCK)                              \
    X(SITE_OTHER_MARK, "other/mark", KIND_OTHER, CALL_OPEN)                              \
    X(SITE_OTHER_MARKSYNC, "other/marksync", KIND_OTHER, CALL_SYNC)                      \
    X(SITE_OTHER_MKDIR, "other/mkdir", KIND_OTHER, CALL_MKDIR)                           \
    X(SITE_OTHER_RENAME, "other/rename", KIND_OTHER, CALL_RENAME)                        \
    X(SITE_OTHER_RMDIR, "other/rmdir", KIND_OTHER, CALL_RMDIR)                           \
    X(SITE_OTHER_SYNC, "other/sync", KIND_OTHER, CALL_SYNC)                              \
    X(SITE_OTHER_TRUNCATE, "other/truncate", KIND_OTHER, CALL_TRUNCATE)                  \
    X(SITE_OTHER_UNLINK, "other/unlink", KIND_OTHER, CALL_UNLINK)                        \
    X(SITE_OTHER_WRITE, "other/write", KIND_OTHER, CALL_WRITE)                           \
    X(SITE_SST_COPY, "sst/copy", KIND_SST, CALL_OPEN)                                    \
    X(SITE_SST_COPYSYNC, "sst/copysync", KIND_SST, CALL_SYNC)                            \
    X(SITE_SST_COPYWRITE, "sst/copywrite", KIND_SST, CALL_WRITE)                         \
    X(SITE_SST_CREATE, "sst/create", KIND_SST, CALL_OPEN)                                \
    X(SITE_SST_DIRSYNC, "sst/dirsync", KIND_SST, CALL_SYNC)                              \
    X(SITE_SST_LINK, "sst/link", KIND_SST, CALL_LINK)                                    \
    X(SITE_SST_SYNC, "sst/sync", KIND_SST, CALL_SYNC)                                    \
    X(SITE_SST_UNLINK, "sst/unlink", KIND_SST, CALL_UNLINK)                              \
    X(SITE_SST_WRITE, "sst/write", KIND_SST, CALL_WRITE)                                 \
    X(SITE_WAL_ALLOCATE, "wal/allocate", KIND_WAL, CALL_ALLOCATE)                        \
    X(SITE_WAL_COPY, "wal/copy", KIND_WAL, CALL_WRITE)                                   \
    X(SITE_WAL_COPYSYNC, "wal/copysync", KIND_WAL, CALL_SYNC)                            \
    X(SITE_WAL_CREATE, "wal/create", KIND_WAL, CALL_OPEN)                                \
    X(SITE_WAL_DIRSYNC, "wal/dirsync", KIND_WAL, CALL_SYNC)                              \
    X(SITE_WAL_FILL, "wal/fill", KIND_WAL, CALL_WRITE)                                   \
    X(SITE_WAL_FILLSYNC, "wal/fillsync", KIND_WAL, CALL_SYNC)                            \
    X(SITE_WAL_MARK, "wal/mark", KIND_WAL, CALL_WRITE)                                   \
    X(SITE_WAL_RECYCLE, "wal/recycle", KIND_WAL, CALL_RENAME)                            \
    X(SITE_WAL_SYNC, "wal/sync", KIND_WAL, CALL_SYNC)                                    \
    X(SITE_WAL_UNLINK, "wal/unlink", KIND_WAL, CALL_UNLINK)                              \
    X(SITE_WAL_WRITE, "wal/write", KIND_WAL, CALL_WRITE)

#define SITE_ENUM_KIND(id, text) id,
enum file_kind { FILE_KINDS(SITE_ENUM_KIND) KIND_COUNT };
enum file_call { FILE_CALLS(SITE_ENUM_KIND) CALL_COUNT };
#undef SITE_ENUM_KIND
#define SITE_ENUM(id, text, kind, call) id,
enum site { SITES(SITE_ENUM) SITE_COUNT };
#undef SITE_ENUM

/* The texts and the columns of the tables above. Static strings. */
const char *kind_name(enum file_kind kind);
const char *call_name(enum file_call call);
const char *site_name(enum site site);
enum file_kind site_kind(enum site site);
enum file_call site_call(enum site site);

#endif
