/* disk_sim.h - a disk in memory that betrays its user in every way a real one may.
 *
 * Flow:    tests, explorer > disk.h (shim) > disk_sim; crashes by this header, all images
 *          of a crash by images.h
 * Owns:    all its memory, handles included; disk_sim_free ends everything.
 * Errors:  as the posix disk: same values, same errno, same contents and listings. When
 *          its own memory is exhausted it aborts: give it mem_libc() and the refusing
 *          allocator to the code under test.
 * Threads: one at a time (jobs inline or as coroutines, never on threads).
 * Crash:   see the list below; docs/crash-model.md is the specification.
 * Tests:   tests/fault/disk_sim_test.c, tests/fault/litmus_test.c,
 *          tests/fault/disk_differential_test.c
 *
 * How it works. What a running program sees is the *cache*. Behind it each chunk, each
 * file size and each directory entry is a *register*: the value that is durable and, after
 * it, the versions that calls have made and no barrier has covered yet. Every version is a
 * micro-op with a number of its own. A power cut picks one version per register; which
 * picks are legal is what the rules say.
 */
#ifndef FAULT_DISK_SIM_H
#define FAULT_DISK_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault/disk.h"
#include "fault/mem.h"
#include "fault/rng.h"
#include "fault/sched.h"

/* ---- the ways in which a disk betrays you ----
 * X(rule, what it does to you, the kinder opposite that `kinder` switches on, who saw it) */
#define DISK_RULES(X)                                                                    \
    X(R1, "fsync covers what was issued before it was entered, not before it returned",  \
      "it covers everything up to its return", "POSIX fsync; races of group commits")    \
    X(R2, "fsync of a file does not make its name durable, nor a directory's a file",    \
      "fsync of a file makes its names durable too",                                     \
      "fsync(2); LevelDB 196, etcd 6368, ClickHouse 111339")                             \
    X(R3,                                                                                \
      "fdatasync leaves a pending shrink pending unless the file has outgrown its "      \
      "durable size since",                                                              \
      "fdatasync is fsync", "fsync(2)")                                                  \
    X(R4, "each pending chunk survives by itself, as any one of its versions",           \
      "only the old or the newest version of a chunk survives",                          \
      "page write-back; ALICE (OSDI'14); etcd 16596")                                    \
    X(R5, "a chunk may be torn between two adjacent versions, or hold a filler",         \
      "chunks are never torn",                                                           \
      "SQLite's crash tests; FoundationDB's AsyncFileNonDurable")                        \
    X(R6, "profile V: a write inside a sector may spoil the rest of that sector",        \
      "bytes outside the written range never change", "SQLite's powersafe overwrite")    \
    X(R7, "a file grows chunk by chunk, and its size survives without its data",         \
      "a write's growth is one step", "XFS and ext4 history; redb 2026")                 \
    X(R8, "a shrink may be undone, or its size may come back with old bytes",            \
      "a shrink is durable at once", "ALICE; FoundationDB")                              \
    X(R9, "each name survives by itself; directories are not written in order",          \
      "names survive in the order of their changes", "POSIX is silent; btrfs reorders")  \
    X(R10, "a renamed file may keep its old name beside the new one",                    \
      "the two halves of a rename survive together",                                     \
      "POSIX promises visible atomicity only; CrashMonkey")                              \
    X(R11, "a new name may survive and point to a file whose bytes did not",             \
      "rename makes the file's bytes durable first",                                     \
      "ext4 auto_da_alloc is an option; btrfs")                                          \
    X(R12, "a removed name may come back, with any legal content",                       \
      "a removed name is gone at once", "ClickHouse 111339")                             \
    X(R13,                                                                               \
      "a failed fsync drops the dirty mark: the next fsync succeeds and covers "         \
      "nothing of it",                                                                   \
      "after a failed fsync everything stays pending and the next one covers it",        \
      "Can Applications Recover from fsync Failures? (ATC'20); redis 8111")              \
    X(R14, "a call that fails may have done nothing, a part, or everything",             \
      "a call that fails has done nothing", "RocksDB 5379, 4990")                        \
    X(R15, "a write may be short at any byte; a full disk may show first at the fsync",  \
      "a write is whole, and a full disk shows at the write", "RocksDB 7784")            \
    X(R16,                                                                               \
      "a killed process leaves its writes in the cache, where a later power cut "        \
      "still takes them",                                                                \
      "the end of a process makes everything durable",                                   \
      "Pebble 984; RocksDB 7621, 14780")                                                 \
    X(R17, "media rot: flipped bits, zeroed, stale and swapped chunks, EIO on read",     \
      "media never rots", "TigerBeetle's storage fault model")                           \
    X(R18, "what recovery writes after a power cut is pending like any other write",     \
      "calls after a power cut are durable at once", "eXplode; littlefs")

#define DISK_RULE_ENUM(id, text, kinder, source) DISK_##id,
enum disk_rule { DISK_R0, DISK_RULES(DISK_RULE_ENUM) DISK_RULE_COUNT };
#undef DISK_RULE_ENUM
#define DISK_KINDER(rule) (1u << (rule))
const char *disk_rule_text(enum disk_rule rule);   /* static; "" for DISK_R0 */
const char *disk_rule_kinder(enum disk_rule rule); /* static */
const char *disk_rule_source(enum disk_rule rule); /* static */

/* How much a file system promises. Each contains the one after it; P stands apart. */
enum disk_profile {
    DISK_V, /* very weak: W, but stale bytes for zeros, spoiled sectors, torn renames */
    DISK_W, /* weak, the one the engine's promise is made for */
    DISK_J, /* W, but entry changes survive as a prefix of their order (a journal) */
    DISK_O, /* everything survives in order */
    DISK_P, /* only the process dies: everything survives */
    DISK_PROFILES
};
char disk_profile_letter(enum disk_profile profile);

#define DISK_SIM_STALE_BYTE 0xE5 /* what a block held in an earlier life */

enum disk_sim_full {
    DISK_FULL_AT_WRITE, /* the write that does not fit is short or answers ENOSPC */
    DISK_FULL_AT_SYNC,  /* delayed allocation: writes succeed, the sync fails */
};
enum disk_sim_cache {
    DISK_CACHE_NEW, /* after a failed fsync reads still see the new bytes (ext4, xfs) */
    DISK_CACHE_OLD, /* ... see the last durable ones (btrfs) */
};

struct disk_sim_config {
    uint32_t chunk_bytes;      /* 64 (tiny geometry), 512 or 4096 */
    enum disk_profile profile; /* of disk_sim_power_cut */
    unsigned tau;              /* chunks that may be torn in one power cut */
    uint64_t capacity_bytes;   /* counted in whole chunks; 0: no limit */
    enum disk_sim_full full;   /* where a full disk shows (R15) */
    enum disk_sim_cache cache; /* what reads see after a failed fsync (R13) */
    unsigned handles_max;      /* open handles before EMFILE; 0: no limit */
    uint32_t kinder;           /* set of DISK_KINDER(rule): rules switched off */
    uint32_t spared;           /* profile V: of R6, R7, R10 those that stay as in W */
    struct sched *sched;       /* yields before each call and inside sync; or NULL */
};
/* 512-byte chunks, profile W, no tears, no limits, every rule in force. */
void disk_sim_config_init(struct disk_sim_config *config);

/* An empty disk: a root directory, durable. 0 or -ENOMEM. */
int disk_sim_new(struct mem *mem, const struct disk_sim_config *config,
                 struct disk **out);
void disk_sim_free(struct disk *disk); /* NULL is allowed */
const struct disk_sim_config *disk_sim_config(const struct disk *disk);
void disk_sim_set_sched(struct disk *disk, struct sched *sched);
/* From now on, or until the snapshot of before is rolled back to. */
void disk_sim_set_capacity(struct disk *disk, uint64_t bytes);

/* ---- crashes ---- */

/* kill -9: handles and locks go, cache and pending versions stay (R16). A handle of the
 * dead process may still be closed (and should be, it is a few bytes); every other call
 * on it answers -EBADF. */
void disk_sim_process_crash(struct disk *disk);

enum disk_sim_survivors {
    DISK_SURVIVE_NONE,   /* only what is durable */
    DISK_SURVIVE_ALL,    /* everything that was issued */
    DISK_SURVIVE_RANDOM, /* a legal choice under the profile, tears included */
};
/* The power fails: as a process crash, then the cache is lost and what survives of the
 * pending versions is the new durable state (R18). `rng` is used by RANDOM only. */
void disk_sim_power_cut(struct disk *disk, enum disk_sim_survivors survivors,
                        struct rng *rng);
/* Makes everything durable that was issued, as if all had been synced. Handles live on. */
void disk_sim_settle(struct disk *disk);

/* ---- snapshots ---- */

/* Remembers the whole state: contents, pending versions, handles, locks. Nests. No system
 * call and, once the pools are warm, no allocation. */
unsigned disk_sim_snapshot(struct disk *disk);
/* Back to the snapshot, which ends with all those taken after it. Handles are again as
 * they were: one closed since is open, one opened since must not be used any more. */
void disk_sim_rollback(struct disk *disk, unsigned snapshot);
/* Ends the snapshot (and those after it) and keeps what happened since. */
void disk_sim_keep(struct disk *disk, unsigned snapshot);

/* ---- failures on request (R13-R15) ---- */

enum disk_sim_effect {
    DISK_EFFECT_NONE,    /* the call answers the error and did nothing */
    DISK_EFFECT_PARTIAL, /* ... did the first `bytes` bytes (write), or nothing else */
    DISK_EFFECT_FULL,    /* ... did everything, and answers the error all the same */
    DISK_EFFECT_SHORT,   /* a write does `bytes` bytes and says so: no error */
};
/* The next mutating call (sync included: its pages become clean, R13) fails so. One shot.
 * `error` is a positive errno. */
void disk_sim_fail_next(struct disk *disk, enum disk_sim_effect effect, int error,
                        size_t bytes);

/* ---- media damage (R17) ---- */

enum disk_sim_damage {
    DISK_DAMAGE_FLIP,  /* bit `arg` (0-7) of the byte at `offset` */
    DISK_DAMAGE_ZERO,  /* the chunk at `offset` reads zeros */
    DISK_DAMAGE_STALE, /* ... reads DISK_SIM_STALE_BYTE */
    DISK_DAMAGE_SWAP,  /* ... and the one at `arg` change places */
    DISK_DAMAGE_EIO,   /* ... answers -EIO when read, until it is written whole */
};
/* Damages a file on the medium and in the cache. 0; -ENOENT; -EINVAL beyond its size. */
int disk_sim_damage(struct disk *disk, const char *dir, const char *name,
                    enum disk_sim_damage damage, uint64_t offset, uint64_t arg);

/* ---- looking inside ---- */

enum disk_sim_kind { DISK_PENDING_CHUNK, DISK_PENDING_SIZE, DISK_PENDING_ENTRY };
/* One micro-op that no barrier has covered. Strings live until the next call. */
struct disk_sim_op {
    uint32_t seq; /* the number of the micro-op; they grow */
    enum disk_sim_kind kind;
    enum site site;         /* of the call that made it */
    const char *dir, *name; /* an entry's, or one name of the file ("" when unnamed) */
    uint32_t inode;         /* of the file; of an entry: what it names then, 0: nothing */
    uint32_t dir_inode;     /* entry: of the directory; DISK_SIM_ROOT for the root */
    uint64_t offset;        /* chunk: of its first byte; size: the size */
    uint32_t lo, hi;        /* chunk: the bytes [lo, hi) of it that were written */
    uint32_t needs;         /* survives only if micro-op `needs` of the coupled register
                              * (R8, R10) or a later one does; 0: alone */
    const uint8_t *bytes;   /* chunk: its content after the call, chunk_bytes of it */
    bool directory;         /* entry: what it names is a directory */
    bool zero;              /* chunk: the zeros of a shrink (R8) */
    bool limbo;             /* a failed fsync has lost it (R13) */
};
/* Calls fn for each pending micro-op in their order; non-zero stops and is returned. */
typedef int disk_sim_op_fn(void *arg, const struct disk_sim_op *op);
int disk_sim_pending(struct disk *disk, disk_sim_op_fn *fn, void *arg);
/* One line for humans: "#12 wal/write: chunk 3 of db/000004.log [0,57)". */
int disk_sim_op_text(const struct disk_sim_op *op, char *buf, size_t n);

#define DISK_SIM_ROOT 1u /* inode of the root directory */

/* What is durable behind the pending versions. Calls fn for each durable name. */
typedef int disk_sim_name_fn(void *arg, uint32_t dir_inode, const char *name,
                             uint32_t inode, bool directory);
int disk_sim_durable_names(struct disk *disk, disk_sim_name_fn *fn, void *arg);
/* The durable size of a file. */
uint64_t disk_sim_durable_size(struct disk *disk, uint32_t inode);
/* The durable bytes at an offset, zeros where there are none. */
void disk_sim_durable_bytes(struct disk *disk, uint32_t inode, uint64_t offset,
                            uint8_t *buf, size_t n);
/* The inode that a name shows now: two names with one inode are links. 0: absent. */
uint32_t disk_sim_inode(struct disk *disk, const char *dir, const char *name);
/* From now on profile V spares these of R6, R7 and R10 (a set of DISK_KINDER). */
void disk_sim_spare(struct disk *disk, uint32_t rules);
/* The micro-op up to which profile J (entry changes) or O (all) counts as durable. */
uint32_t disk_sim_floor(const struct disk *disk, enum disk_profile profile);

/* 128-bit hash of what a reader sees: names, sizes, contents, which names are links to
 * one file. Equal states have equal hashes whatever calls led to them. */
void disk_sim_hash_visible(struct disk *disk, uint64_t hash[2]);
/* The same over the durable state and all pending versions: what decides every future. */
void disk_sim_hash_state(struct disk *disk, uint64_t hash[2]);
/* Micro-ops issued so far. */
uint32_t disk_sim_microops(const struct disk *disk);
/* Asserts the invariants of every structure. For tests: slow. */
void disk_sim_check(struct disk *disk);

#endif
