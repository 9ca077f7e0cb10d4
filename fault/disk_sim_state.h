/* disk_sim_state.h - the inside of the simulated disk, for its own files and images.c.
 *
 * Flow:    disk_sim.c (calls) > disk_sim_dir.c (names) + disk_sim_file.c (bytes)
 *          > disk_sim_pool.c (memory, undo); disk_sim_crash.c and images.c read all of it
 * Owns:    everything lies in pools of fixed-size items that never move. Items are named
 *          by their number; 0 means none.
 *
 * Two ideas make a crash cost a microsecond. The bytes of a chunk are immutable once
 * written: a version is the number of a content, and putting another image on the disk
 * means changing numbers. And every change of a number goes through sim_set, which
 * remembers the old one while a snapshot is open: rolling back is playing that list
 * backwards. Nothing is freed by hand: what a rollback does not take back is found by a
 * mark-and-sweep run between calls, when no snapshot is open.
 */
#ifndef FAULT_DISK_SIM_STATE_H
#define FAULT_DISK_SIM_STATE_H

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "fault/disk_sim.h"

#define SIM_SEGMENT_SHIFT  10 /* items of a pool come in segments of 1024 */
#define SIM_SEGMENT_ITEMS  (1u << SIM_SEGMENT_SHIFT)
#define SIM_LEAF_SHIFT     6
#define SIM_LEAF_SLOTS     (1u << SIM_LEAF_SHIFT)
#define SIM_INNER_SHIFT    7
#define SIM_INNER_CHILDREN (1u << SIM_INNER_SHIFT)
#define SIM_BUCKETS        64          /* of the index over names */
#define SIM_SIZE_MAX       0x7fffffffu /* bytes of a file; beyond it -EFBIG */
#define SIM_DEPTH_MAX      64          /* snapshots inside snapshots */

#define SIM_HOLE 0u /* content of a chunk that was never written: zeros, takes no room */
#define SIM_ZERO 1u /* zeros that take room */
#define SIM_ROOT DISK_SIM_ROOT

enum sim_pool_id {
    POOL_CONTENT, /* chunk_bytes each */
    POOL_META,    /* struct sim_meta, same numbers as contents */
    POOL_INODE,
    POOL_PAGE,
    POOL_CELL,
    POOL_REG,
    POOL_VERSION,
    POOL_HANDLE,
    POOL_COUNT
};

struct sim_pool {
    uint8_t **segment;
    uint32_t segments;
    uint32_t item_bytes;
};

/* What is known of a content. Filled in when first asked for. */
struct sim_meta {
    uint64_t hash[2]; /* 0, 0 for a chunk of zeros */
    uint32_t hashed;
    uint32_t bad; /* SIM_BAD, or SIM_UNDECIDED and above; 0: it can be read */
};
#define SIM_BAD       1u /* reading it answers -EIO (R17) */
#define SIM_UNDECIDED 2u /* no content yet: the first reader chooses (images_lazy.c) */

/* One chunk of a file: what reads see, and its register while something is pending. */
struct sim_slot {
    uint32_t content;
    uint32_t reg;
};

/* A node of the tree that maps chunk numbers to slots. */
union sim_page {
    struct sim_slot slot[SIM_LEAF_SLOTS];
    uint32_t child[SIM_INNER_CHILDREN];
};

struct sim_inode {
    uint32_t next;      /* free list */
    uint32_t directory; /* 1: a directory */
    uint32_t size;      /* what reads see */
    uint32_t size_seq;  /* micro-op that made the durable size; valid without size_reg */
    uint32_t size_reg;
    uint32_t root;      /* page; 0: no chunk yet */
    uint32_t height;    /* of the tree; 1: the root is a leaf */
    uint32_t regs;      /* chunk registers with something pending, newest first */
    uint32_t allocated; /* chunks that take room */
    uint32_t opens;
    uint32_t locked;
    uint32_t cells;     /* directory: its names in byte order */
    uint32_t removed;   /* directory: rmdir has taken it */
    uint32_t undecided; /* a file that no lazy visit has opened yet: it has no size */
};

/* A name in a directory. It stays after the name has gone, until the sweep. */
struct sim_cell {
    uint32_t next;  /* the directory's list; free list */
    uint32_t alike; /* next cell of its bucket */
    uint32_t dir;   /* inode */
    uint32_t inode; /* what readers see; 0: absent */
    uint32_t seq;   /* micro-op that made the durable entry; valid without reg */
    uint32_t reg;
    uint32_t hash;
    uint32_t length;
    uint64_t text[2]; /* hash of the name, for hashes of disks */
    char name[DISK_NAME_MAX + 1];
};

enum sim_reg_kind { REG_CHUNK = 1, REG_SIZE, REG_ENTRY };

/* A register: a durable value and the versions after it, oldest first. */
struct sim_reg {
    uint32_t next; /* next chunk register of the inode; free list */
    uint32_t kind;
    uint32_t owner; /* inode; of an entry: the cell */
    uint32_t index; /* of the chunk */
    uint32_t base;  /* content, size or inode */
    uint32_t base_seq;
    uint32_t first, last;
};

#define VERSION_LIMBO 1u /* lost by a failed sync: no later sync covers it (R13) */
#define VERSION_ZERO  2u /* the zeros of a shrink (R8) */

struct sim_version {
    uint32_t next;
    uint32_t seq;
    uint32_t value;
    uint32_t needs_seq;  /* 0: alone. Else the coupled register must be that far */
    uint32_t needs_cell; /* the coupled register; 0: the size of the same inode */
    uint16_t lo, hi;     /* chunk: bytes written */
    uint32_t site;
    uint32_t flags;
};

#define HANDLE_OPEN 0x100u /* beside DISK_READ and DISK_WRITE */
#define HANDLE_DEAD 0x200u /* of a process that has crashed; may only be closed */
#define HANDLE_LOCK 0x400u

struct sim_handle {
    uint32_t next; /* free list */
    uint32_t self;
    uint32_t inode;
    uint32_t flags;
    union {
        struct disk_dir dir;
        struct disk_file file;
    } as;
};

/* All that a snapshot saves by copying. */
struct sim_now {
    uint32_t used[POOL_COUNT];
    uint32_t free[POOL_COUNT];
    uint32_t seq;           /* of the last micro-op */
    uint32_t handles;       /* open ones */
    uint32_t journal_floor; /* J: entry changes up to here are durable */
    uint32_t order_floor;   /* O: everything up to here is durable */
    uint32_t bad;           /* some content cannot be read as it is: R17, lazy visit */
    uint32_t calm;          /* rule R18 off and the power was cut */
    uint32_t fail_effect;   /* disk_sim_fail_next, while fail_error or short */
    uint32_t fail_error;
    uint32_t fail_armed;
    uint64_t fail_bytes;
    uint64_t capacity; /* chunks; 0: no limit */
};

struct sim_undo {
    uint32_t *at;
    uint32_t old;
};

struct sim_mark {
    size_t undo;
    struct sim_now now;
};

/* Who decides during a lazy visit (images_lazy.c): what a content is that stands for a
 * choice, and the size of a file. */
struct sim_lazy {
    uint32_t (*content)(void *arg, uint32_t content);
    void (*size)(void *arg, uint32_t inode);
    void *arg;
};

struct sim {
    struct disk disk;
    struct mem *mem;
    struct disk_sim_config config;
    uint32_t chunk_shift;
    uint32_t depth; /* open snapshots */
    struct sim_pool pool[POOL_COUNT];
    struct sim_now now;
    uint32_t bucket[SIM_BUCKETS]; /* cells by directory and name */
    struct sim_undo *undo;
    size_t undo_count, undo_size;
    struct sim_mark mark[SIM_DEPTH_MAX];
    uint64_t allocations;    /* since the last sweep */
    uint64_t live;           /* items that the last sweep kept */
    struct sim_visit *visit; /* scratch of disk_sim_hash.c, one per inode */
    uint32_t visits, visit_stamp, visit_count;
    const struct sim_lazy *lazy; /* NULL: everything is decided */
};

static inline struct sim *sim_of(struct disk *disk)
{
    return (struct sim *)disk;
}

/* ---- memory (disk_sim_pool.c) ---- */

static inline void *sim_item(const struct sim *s, enum sim_pool_id pool, uint32_t item)
{
    const struct sim_pool *p = &s->pool[pool];
    return p->segment[item >> SIM_SEGMENT_SHIFT] +
           (size_t)(item & (SIM_SEGMENT_ITEMS - 1)) * p->item_bytes;
}
static inline const uint8_t *sim_bytes(const struct sim *s, uint32_t content)
{
    return s->pool[POOL_CONTENT].segment[content >> SIM_SEGMENT_SHIFT] +
           ((size_t)(content & (SIM_SEGMENT_ITEMS - 1)) << s->chunk_shift);
}
static inline struct sim_meta *sim_meta(const struct sim *s, uint32_t i)
{
    return sim_item(s, POOL_META, i);
}
static inline struct sim_inode *sim_inode(const struct sim *s, uint32_t i)
{
    return sim_item(s, POOL_INODE, i);
}
static inline union sim_page *sim_page(const struct sim *s, uint32_t i)
{
    return sim_item(s, POOL_PAGE, i);
}
static inline struct sim_cell *sim_cell(const struct sim *s, uint32_t i)
{
    return sim_item(s, POOL_CELL, i);
}
static inline struct sim_reg *sim_reg(const struct sim *s, uint32_t i)
{
    return sim_item(s, POOL_REG, i);
}
static inline struct sim_version *sim_version(const struct sim *s, uint32_t i)
{
    return sim_item(s, POOL_VERSION, i);
}

void sim_undo_grow(struct sim *s);

/* Changes a word of an item so that a rollback finds the old one. */
static inline void sim_set(struct sim *s, uint32_t *at, uint32_t value)
{
    if (s->depth) {
        if (s->undo_count == s->undo_size) sim_undo_grow(s);
        s->undo[s->undo_count++] = (struct sim_undo){at, *at};
    }
    *at = value;
}

void sim_pools_init(struct sim *s);
void sim_pools_deinit(struct sim *s);
/* A new item. Its words are not cleared; while no other item refers to it they may be
 * written without sim_set. */
uint32_t sim_alloc(struct sim *s, enum sim_pool_id pool);
/* A new content; write its bytes before anything else is allocated. */
uint32_t sim_content_new(struct sim *s, uint8_t **bytes);
/* Between calls: collects what nothing refers to, when it is time and no snapshot open. */
void sim_sweep_when_due(struct sim *s);

/* ---- registers (disk_sim_reg.c) ---- */

struct sim_change {
    uint32_t value;
    uint32_t needs_seq, needs_cell;
    uint32_t lo, hi;
    enum site site;
    uint32_t flags;
};
/* Adds a version to a chunk, a size, an entry, and shows it to readers. Returns its
 * number as a micro-op. */
uint32_t sim_put_chunk(struct sim *s, uint32_t inode, uint32_t index,
                       struct sim_slot *slot, const struct sim_change *c);
uint32_t sim_put_size(struct sim *s, uint32_t inode, const struct sim_change *c);
uint32_t sim_put_entry(struct sim *s, uint32_t cell, const struct sim_change *c);

/* The three things that can happen to what is pending of one inode, up to micro-op
 * `upto`: a sync made it durable, a sync failed and lost it, all of it is durable. */
void sim_inode_cover(struct sim *s, uint32_t inode, uint32_t upto, bool data_only);
void sim_inode_lose(struct sim *s, uint32_t inode, uint32_t upto, bool data_only);
/* ... and to the names of a directory. */
void sim_dir_cover(struct sim *s, uint32_t dir, uint32_t upto);
void sim_dir_lose(struct sim *s, uint32_t dir, uint32_t upto);

/* Gives a register its final value: durable, and what readers see. Limbo included. */
void sim_settle_chunk(struct sim *s, uint32_t reg, uint32_t value);
void sim_settle_size(struct sim *s, uint32_t inode, uint32_t value);
void sim_settle_entry(struct sim *s, uint32_t cell, uint32_t value);
/* Settles everything as readers see it. */
void sim_settle_inode(struct sim *s, uint32_t inode);
void sim_settle_all(struct sim *s);

/* The process is dead: its handles and locks go (disk_sim.c). */
void sim_drop_handles(struct sim *s);

/* ---- bytes (disk_sim_file.c) ---- */

/* The slot of a chunk; NULL when the tree does not reach it. */
struct sim_slot *sim_slot(const struct sim *s, const struct sim_inode *inode,
                          uint32_t index);
/* The same, growing the tree. */
struct sim_slot *sim_slot_make(struct sim *s, uint32_t inode, uint32_t index);
/* Shows another content to readers and keeps count of the room taken. */
void sim_slot_show(struct sim *s, struct sim_inode *inode, struct sim_slot *slot,
                   uint32_t content);
static inline uint32_t sim_chunks(const struct sim *s, uint32_t bytes)
{
    return (uint32_t)(((uint64_t)bytes + s->config.chunk_bytes - 1) >> s->chunk_shift);
}
/* The content itself, or what a lazy visit decides that it is. */
static inline uint32_t sim_content_decided(struct sim *s, uint32_t content)
{
    if (!s->lazy || sim_meta(s, content)->bad < SIM_UNDECIDED) return content;
    return s->lazy->content(s->lazy->arg, content);
}
/* A content whose bytes from `cut` on are zeros. */
uint32_t sim_content_cut(struct sim *s, uint32_t content, uint32_t cut);
/* Contents that no call wrote (disk_sim_tear.c). The number of ways in which the write of
 * v may be torn, and the tear'th of them between `before` and v. */
#define SIM_FILLERS 4
uint32_t sim_tear_count(const struct sim *s, const struct sim_version *v);
uint32_t sim_content_torn(struct sim *s, uint32_t before, const struct sim_version *v,
                          uint32_t tear);
/* The content with stale bytes outside [lo, hi). */
uint32_t sim_content_stale(struct sim *s, uint32_t content, uint32_t lo, uint32_t hi);
uint32_t sim_inode_new(struct sim *s, bool directory);
int sim_file_read(struct sim *s, uint32_t inode, uint64_t offset, uint8_t *buf, size_t n,
                  size_t *got);
int sim_file_write(struct sim *s, uint32_t inode, uint64_t offset, const uint8_t *buf,
                   size_t n, enum site site, size_t *put);
int sim_file_truncate(struct sim *s, uint32_t inode, uint64_t size, enum site site);
int sim_file_allocate(struct sim *s, uint32_t inode, uint64_t size, enum site site);
/* Chunks in use by everything that has a name or is open. */
uint64_t sim_chunks_used(struct sim *s);

/* ---- names (disk_sim_dir.c) ---- */

uint32_t sim_name_hash(const char *name, size_t length);
/* Puts a cell into the index by which sim_cell_find finds it. */
void sim_cell_index(struct sim *s, uint32_t cell);
/* The cell of a name, present or not; 0: there is none. */
uint32_t sim_cell_find(const struct sim *s, uint32_t dir, const char *name);
/* What the name is now: an inode, or 0. */
uint32_t sim_lookup(const struct sim *s, uint32_t dir, const char *name);
bool sim_dir_empty(const struct sim *s, uint32_t dir);
int sim_dir_mkdir(struct sim *s, const char *name, enum site site);
int sim_dir_rmdir(struct sim *s, const char *name, enum site site);
int sim_dir_rename(struct sim *s, uint32_t dir, const char *from, const char *to,
                   enum site site);
int sim_dir_link(struct sim *s, uint32_t dir, const char *name, uint32_t to_dir,
                 const char *to, enum site site);
int sim_dir_unlink(struct sim *s, uint32_t dir, const char *name, enum site site);
int sim_dir_create(struct sim *s, uint32_t dir, const char *name, enum site site,
                   uint32_t *inode);

/* ---- hashes (disk_sim_hash.c) ---- */

struct sim_hash {
    uint64_t w[2];
};
static inline struct sim_hash sim_hash_add(struct sim_hash a, struct sim_hash b)
{
    return (struct sim_hash){{a.w[0] + b.w[0], a.w[1] + b.w[1]}};
}
static inline struct sim_hash sim_hash_sub(struct sim_hash a, struct sim_hash b)
{
    return (struct sim_hash){{a.w[0] - b.w[0], a.w[1] - b.w[1]}};
}
struct sim_hash sim_hash_bytes(const uint8_t *p, size_t n); /* 0, 0 when all zeros */
struct sim_hash sim_hash_content(const struct sim *s, uint32_t content);
/* What content adds to its file at chunk `index`; 0, 0 for zeros. */
struct sim_hash sim_hash_chunk(struct sim_hash content, uint32_t index);
/* The sum of a file's chunks (bytes beyond its size taken as zeros), and its size. */
struct sim_hash sim_hash_file(struct sim_hash chunks, uint32_t size);
struct sim_hash sim_hash_text(const char *text, size_t length);
struct sim_hash sim_hash_name(struct sim_hash dir, const struct sim_cell *cell);
/* What a name adds to the image: of a file with hash `file`, of a directory. */
struct sim_hash sim_hash_entry(struct sim_hash name, struct sim_hash file);
struct sim_hash sim_hash_directory(struct sim_hash name);
/* What a file with several names adds beyond them; `names` is the sum of their hashes. */
struct sim_hash sim_hash_links(struct sim_hash names);
/* The sum over the chunks of a file as readers see it. */
struct sim_hash sim_hash_chunks(struct sim *s, uint32_t inode);
/* disk_sim_hash_state in parts. All names, with what is pending of them, and the inodes of
 * the files that they may come to: equal names list them in equal order. *count may be
 * larger than room. */
struct sim_hash sim_hash_names(struct sim *s, uint32_t *files, uint32_t room,
                               uint32_t *count);
/* Size and contents of one file, with what is pending of them. */
struct sim_hash sim_hash_file_state(struct sim *s, uint32_t inode);

#endif
