/* The bytes of files: a tree of slots, one per chunk, each showing an immutable content.
 *
 * The order of micro-ops in a growing write is chunk, then the size that its end reaches:
 * what profile O calls "in order" is ext4's data=ordered. */
#include "fault/disk_sim_state.h"

#include <errno.h>

/* ---- the tree ---- */

static uint32_t page_new(struct sim *s)
{
    uint32_t p = sim_alloc(s, POOL_PAGE);
    memset(sim_page(s, p), 0, sizeof(union sim_page));
    return p;
}

/* Chunks that a tree of this height can hold. */
static uint64_t tree_reach(uint32_t height)
{
    return height ? 1ull << (SIM_LEAF_SHIFT + (height - 1) * SIM_INNER_SHIFT) : 0;
}

/* Which child of a page at this height (above 1) the chunk is below. */
static uint32_t child_of(uint32_t index, uint32_t height)
{
    uint32_t shift = SIM_LEAF_SHIFT + (height - 2) * SIM_INNER_SHIFT;
    return index >> shift & (SIM_INNER_CHILDREN - 1);
}

struct sim_slot *sim_slot(const struct sim *s, const struct sim_inode *inode,
                          uint32_t index)
{
    uint32_t height = inode->height, page = inode->root;
    if (index >= tree_reach(height)) return NULL;
    for (; height > 1 && page; height--)
        page = sim_page(s, page)->child[child_of(index, height)];
    return page ? &sim_page(s, page)->slot[index & (SIM_LEAF_SLOTS - 1)] : NULL;
}

static void tree_raise(struct sim *s, struct sim_inode *in)
{
    uint32_t root = page_new(s);
    if (in->height) sim_page(s, root)->child[0] = in->root;
    sim_set(s, &in->root, root);
    sim_set(s, &in->height, in->height + 1);
}

struct sim_slot *sim_slot_make(struct sim *s, uint32_t inode, uint32_t index)
{
    struct sim_inode *in = sim_inode(s, inode);
    while (index >= tree_reach(in->height))
        tree_raise(s, in);
    uint32_t page = in->root;
    for (uint32_t height = in->height; height > 1; height--) {
        uint32_t *child = &sim_page(s, page)->child[child_of(index, height)];
        if (!*child) sim_set(s, child, page_new(s));
        page = *child;
    }
    return &sim_page(s, page)->slot[index & (SIM_LEAF_SLOTS - 1)];
}

void sim_slot_show(struct sim *s, struct sim_inode *inode, struct sim_slot *slot,
                   uint32_t content)
{
    if (!slot->content != !content)
        sim_set(s, &inode->allocated, inode->allocated + (content ? 1 : (uint32_t)-1));
    sim_set(s, &slot->content, content);
}

uint32_t sim_inode_new(struct sim *s, bool directory)
{
    uint32_t i = sim_alloc(s, POOL_INODE);
    *sim_inode(s, i) = (struct sim_inode){.directory = directory};
    return i;
}

/* ---- contents ---- */

uint32_t sim_content_cut(struct sim *s, uint32_t content, uint32_t cut)
{
    content = sim_content_decided(s, content);
    if (content == SIM_HOLE) return SIM_HOLE;
    uint8_t *bytes;
    uint32_t new = sim_content_new(s, &bytes);
    memcpy(bytes, sim_bytes(s, content), cut);
    memset(bytes + cut, 0, s->config.chunk_bytes - cut);
    sim_meta(s, new)->bad = sim_meta(s, content)->bad;
    return new;
}

static uint32_t content_over(struct sim *s, uint32_t old, uint32_t lo, const uint8_t *buf,
                             uint32_t n)
{
    uint8_t *bytes;
    uint32_t new = sim_content_new(s, &bytes);
    if (n < s->config.chunk_bytes)
        memcpy(bytes, sim_bytes(s, old), s->config.chunk_bytes);
    memcpy(bytes + lo, buf, n);
    return new;
}

/* ---- reading ---- */

/* Decides what the slot shows, in a lazy visit. False: it cannot be read. */
static bool slot_readable(struct sim *s, struct sim_inode *in, struct sim_slot *slot)
{
    uint32_t content = sim_content_decided(s, slot->content);
    if (content != slot->content) sim_slot_show(s, in, slot, content);
    return !sim_meta(s, content)->bad;
}

/* The bytes [at, at + n) of one chunk. */
static inline void read_chunk(const struct sim *s, const struct sim_slot *slot,
                              uint8_t *buf, uint32_t lo, size_t n)
{
    if (!slot || !slot->content)
        memset(buf, 0, n);
    else if (n == 64)
        memcpy(buf, sim_bytes(s, slot->content) + lo, 64);
    else
        memcpy(buf, sim_bytes(s, slot->content) + lo, n);
}

int sim_file_read(struct sim *s, uint32_t inode, uint64_t offset, uint8_t *buf, size_t n,
                  size_t *got)
{
    struct sim_inode *in = sim_inode(s, inode);
    *got = 0;
    if (offset >= in->size) return 0;
    if (n > in->size - offset) n = in->size - (size_t)offset;
    uint32_t mask = s->config.chunk_bytes - 1, index = (uint32_t)offset >> s->chunk_shift;
    uint32_t lo = (uint32_t)offset & mask;
    struct sim_slot *slot = sim_slot(s, in, index);
    for (size_t done = 0; done < n; lo = 0) {
        size_t part = mask + 1 - lo < n - done ? mask + 1 - lo : n - done;
        if (s->now.bad && slot && !slot_readable(s, in, slot)) return done ? 0 : -EIO;
        read_chunk(s, slot, buf + done, lo, part);
        *got = done += part;
        index++; /* slots of one leaf are neighbours */
        slot = slot && index & (SIM_LEAF_SLOTS - 1) ? slot + 1 : sim_slot(s, in, index);
    }
    return 0;
}

/* ---- room ---- */

uint64_t sim_chunks_used(struct sim *s)
{
    uint64_t used = 0;
    uint8_t *named = mem_zalloc(s->mem, s->now.used[POOL_INODE]);
    assert(named);
    for (uint32_t c = sim_inode(s, SIM_ROOT)->cells; c; c = sim_cell(s, c)->next) {
        uint32_t child = sim_cell(s, c)->inode;
        named[child] = 1;
        if (!child) continue;
        for (uint32_t d = sim_inode(s, child)->cells; d; d = sim_cell(s, d)->next)
            named[sim_cell(s, d)->inode] = 1;
    }
    for (uint32_t h = 1; h < s->now.used[POOL_HANDLE]; h++) {
        const struct sim_handle *handle = sim_item(s, POOL_HANDLE, h);
        if (handle->flags & HANDLE_OPEN) named[handle->inode] = 1;
    }
    for (uint32_t i = 1; i < s->now.used[POOL_INODE]; i++)
        if (named[i]) used += sim_inode(s, i)->allocated;
    mem_free(s->mem, named);
    return used;
}

/* True when a full disk shows at the write. */
static bool room_is_checked(const struct sim *s)
{
    if (!s->now.capacity) return false;
    return s->config.full == DISK_FULL_AT_WRITE ||
           s->config.kinder & DISK_KINDER(DISK_R15);
}

/* How many of the n bytes at `offset` find room. */
static size_t room_for(struct sim *s, const struct sim_inode *in, uint32_t offset,
                       size_t n)
{
    uint64_t all = s->now.capacity, used = sim_chunks_used(s);
    uint64_t room = all > used ? all - used : 0;
    uint32_t end = offset + (uint32_t)n;
    for (uint32_t at = offset; at < end;) {
        const struct sim_slot *slot = sim_slot(s, in, at >> s->chunk_shift);
        if ((!slot || !slot->content) && !room--) return at - offset;
        at = ((at >> s->chunk_shift) + 1) << s->chunk_shift;
    }
    return n;
}

/* ---- growing ---- */

/* Adds the sizes that a file passes on its way to `size`: one at each chunk end (R7). */
static void grow(struct sim *s, uint32_t inode, uint32_t size, enum site site)
{
    const struct sim_inode *in = sim_inode(s, inode);
    bool in_one = s->config.kinder & DISK_KINDER(DISK_R7);
    while (in->size < size) {
        uint64_t end = (((uint64_t)in->size >> s->chunk_shift) + 1) << s->chunk_shift;
        if (end > size || in_one) end = size;
        struct sim_change c = {.value = (uint32_t)end, .site = site};
        sim_put_size(s, inode, &c);
    }
}

/* ---- writing ---- */

static void write_chunk(struct sim *s, uint32_t inode, uint32_t at, const uint8_t *buf,
                        uint32_t n, enum site site)
{
    struct sim_slot *slot = sim_slot_make(s, inode, at >> s->chunk_shift);
    uint32_t lo = at & (s->config.chunk_bytes - 1);
    struct sim_change c = {.value = content_over(s, slot->content, lo, buf, n),
                           .lo = lo,
                           .hi = lo + n,
                           .site = site};
    sim_put_chunk(s, inode, at >> s->chunk_shift, slot, &c);
}

/* Bytes of a write that do not end in the middle of a chunk that cannot be read. */
static size_t readable_for(struct sim *s, struct sim_inode *in, uint32_t offset, size_t n)
{
    uint32_t mask = s->config.chunk_bytes - 1, end = offset + (uint32_t)n;
    struct sim_slot *first = sim_slot(s, in, offset >> s->chunk_shift);
    struct sim_slot *last = sim_slot(s, in, end >> s->chunk_shift);
    if (offset & mask && first && !slot_readable(s, in, first)) return 0;
    if (end & mask && last && !slot_readable(s, in, last))
        return (end & ~mask) > offset ? (end & ~mask) - offset : 0;
    return n;
}

int sim_file_write(struct sim *s, uint32_t inode, uint64_t offset, const uint8_t *buf,
                   size_t n, enum site site, size_t *put)
{
    *put = 0;
    if (!n) return 0;
    if (offset >= SIM_SIZE_MAX) return -EFBIG;
    if (n > SIM_SIZE_MAX - offset) n = SIM_SIZE_MAX - (size_t)offset;
    struct sim_inode *in = sim_inode(s, inode);
    uint32_t at = (uint32_t)offset;
    if (s->now.bad) n = readable_for(s, in, at, n);
    if (!n) return -EIO;
    if (room_is_checked(s)) n = room_for(s, in, at, n);
    if (!n) return -ENOSPC;
    bool in_one = s->config.kinder & DISK_KINDER(DISK_R7);
    if (at > in->size && !in_one) grow(s, inode, at, site);
    for (size_t done = 0; done < n;) {
        uint32_t lo = (at + (uint32_t)done) & (s->config.chunk_bytes - 1);
        size_t part = s->config.chunk_bytes - lo;
        if (part > n - done) part = n - done;
        write_chunk(s, inode, at + (uint32_t)done, buf + done, (uint32_t)part, site);
        done += part;
        if (!in_one) grow(s, inode, at + (uint32_t)done, site);
    }
    grow(s, inode, at + (uint32_t)n, site);
    *put = n;
    return 0;
}

/* ---- truncating ---- */

/* Zeros for one chunk from byte `cut` on; they come back with micro-op `shrink` only. */
static void zero_chunk(struct sim *s, uint32_t inode, uint32_t index, uint32_t cut,
                       uint32_t shrink, enum site site)
{
    struct sim_slot *slot = sim_slot(s, sim_inode(s, inode), index);
    if (!slot || (!slot->content && !slot->reg)) return;
    struct sim_change c = {
        .value = cut ? sim_content_cut(s, slot->content, cut) : SIM_HOLE,
        .needs_seq = shrink,
        .lo = cut,
        .hi = s->config.chunk_bytes,
        .site = site,
        .flags = VERSION_ZERO,
    };
    sim_put_chunk(s, inode, index, slot, &c);
}

static void shrink(struct sim *s, uint32_t inode, uint32_t size, enum site site)
{
    uint32_t chunks = sim_chunks(s, sim_inode(s, inode)->size);
    struct sim_change c = {.value = size, .site = site};
    uint32_t seq = sim_put_size(s, inode, &c);
    uint32_t cut = size & (s->config.chunk_bytes - 1);
    for (uint32_t i = size >> s->chunk_shift; i < chunks; i++, cut = 0)
        zero_chunk(s, inode, i, cut, seq, site);
    if (s->config.kinder & DISK_KINDER(DISK_R8)) sim_settle_inode(s, inode);
}

int sim_file_truncate(struct sim *s, uint32_t inode, uint64_t size, enum site site)
{
    if (size > SIM_SIZE_MAX) return -EFBIG;
    uint32_t old = sim_inode(s, inode)->size;
    if (size < old)
        shrink(s, inode, (uint32_t)size, site);
    else
        grow(s, inode, (uint32_t)size, site);
    return 0;
}

/* Reserved chunks show zeros that take room; nobody can tell them from a hole but the
 * count of free chunks, so they are no versions. */
static int reserve(struct sim *s, uint32_t inode, uint32_t size)
{
    struct sim_inode *in = sim_inode(s, inode);
    if (room_is_checked(s) && room_for(s, in, 0, size) < size) return -ENOSPC;
    for (uint32_t i = 0; i < sim_chunks(s, size); i++) {
        struct sim_slot *slot = sim_slot_make(s, inode, i);
        if (!slot->content && !slot->reg) sim_slot_show(s, in, slot, SIM_ZERO);
    }
    return 0;
}

int sim_file_allocate(struct sim *s, uint32_t inode, uint64_t size, enum site site)
{
    if (size > SIM_SIZE_MAX) return -EFBIG;
    int e = reserve(s, inode, (uint32_t)size);
    if (e) return e;
    grow(s, inode, (uint32_t)size, site);
    return 0;
}
