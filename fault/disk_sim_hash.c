/* Hashes of what a disk holds.
 *
 * The hash of an image is a sum, so that changing one chunk means taking one term out and
 * putting another in:
 *
 *     image = sum of entries          file = mix(sum of chunks, size)
 *     entry = mix(name, file)         chunk = mix(index, content), 0 for zeros
 *
 * A file with several names adds a term over the set of its names: two links to one file
 * and two files with equal bytes are different disks. Nothing in it depends on numbers of
 * inodes, contents or micro-ops.
 *
 * The mixer multiplies two 64-bit words and folds the 128-bit product (as in wyhash), in
 * two lanes with different constants. */
#include "fault/disk_sim_state.h"

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* One step of both lanes. */
static inline struct sim_hash mix(struct sim_hash h, uint64_t a, uint64_t b)
{
    return (struct sim_hash){
        {fold(a ^ 0xa0761d6478bd642fu ^ h.w[0], b ^ 0xe7037ed1a0b428dbu),
         fold(a ^ 0x8ebc6af09c88c6e3u, b ^ 0x589965cc75374cc3u ^ h.w[1])}};
}

static inline struct sim_hash mix_pair(struct sim_hash a, struct sim_hash b, uint64_t tag)
{
    return mix(mix((struct sim_hash){{tag, ~tag}}, a.w[0], a.w[1]), b.w[0], b.w[1]);
}

/* ---- terms ---- */

struct sim_hash sim_hash_bytes(const uint8_t *p, size_t n)
{
    assert(n % 16 == 0);
    struct sim_hash h = {{n, ~(uint64_t)n}};
    uint64_t any = 0;
    for (size_t i = 0; i < n; i += 16) {
        uint64_t a, b;
        memcpy(&a, p + i, 8);
        memcpy(&b, p + i + 8, 8);
        any |= a | b;
        h = mix(h, a, b);
    }
    return any ? h : (struct sim_hash){{0, 0}};
}

static void hash_content(const struct sim *s, uint32_t content, struct sim_meta *m)
{
    struct sim_hash h = sim_hash_bytes(sim_bytes(s, content), s->config.chunk_bytes);
    if (m->bad) h = mix(h, 1, 1);
    memcpy(m->hash, h.w, sizeof m->hash);
    m->hashed = 1;
}

static inline struct sim_hash content_hash(const struct sim *s, uint32_t content)
{
    struct sim_meta *m = sim_meta(s, content);
    if (!m->hashed) hash_content(s, content, m);
    struct sim_hash h;
    memcpy(h.w, m->hash, sizeof h.w);
    return h;
}

struct sim_hash sim_hash_content(const struct sim *s, uint32_t content)
{
    return content_hash(s, content);
}

static inline struct sim_hash chunk_hash(struct sim_hash content, uint32_t index)
{
    if (!(content.w[0] | content.w[1])) return content;
    return mix((struct sim_hash){{index, index}}, content.w[0], content.w[1]);
}

struct sim_hash sim_hash_chunk(struct sim_hash content, uint32_t index)
{
    return chunk_hash(content, index);
}

struct sim_hash sim_hash_file(struct sim_hash chunks, uint32_t size)
{
    return mix((struct sim_hash){{size, ~(uint64_t)size}}, chunks.w[0], chunks.w[1]);
}

struct sim_hash sim_hash_text(const char *text, size_t length)
{
    struct sim_hash h = {{length, ~(uint64_t)length}};
    for (size_t i = 0; i < length; i += 16) {
        uint64_t word[2] = {0, 0};
        memcpy(word, text + i, length - i < 16 ? length - i : 16);
        h = mix(h, word[0], word[1]);
    }
    return h;
}

struct sim_hash sim_hash_name(struct sim_hash dir, const struct sim_cell *cell)
{
    return mix(dir, cell->text[0], cell->text[1]);
}

struct sim_hash sim_hash_entry(struct sim_hash name, struct sim_hash file)
{
    return mix_pair(name, file, 1);
}

struct sim_hash sim_hash_directory(struct sim_hash name)
{
    return mix_pair(name, name, 2);
}

struct sim_hash sim_hash_links(struct sim_hash names)
{
    return mix_pair(names, names, 3);
}

struct sim_hash sim_hash_chunks(struct sim *s, uint32_t inode)
{
    const struct sim_inode *in = sim_inode(s, inode);
    struct sim_hash sum = {{0, 0}};
    uint32_t chunks = sim_chunks(s, in->size);
    for (uint32_t i = 0; i < chunks;) {
        const struct sim_slot *slot = sim_slot(s, in, i);
        uint32_t end =
            (i | (SIM_LEAF_SLOTS - 1)) + 1; /* slots of one page are adjacent */
        if (end > chunks) end = chunks;
        for (; slot && i < end; i++, slot++) {
            if (!slot->content) continue;
            sum = sim_hash_add(sum, chunk_hash(content_hash(s, slot->content), i));
        }
        i = end;
    }
    return sum;
}

/* ---- the visible state ---- */

/* What is known of an inode while its disk is walked. */
struct sim_visit {
    uint32_t stamp, names;
    struct sim_hash file, sum;
};

static struct sim_visit *visit(struct sim *s, uint32_t inode)
{
    if (inode >= s->visits) {
        uint32_t n = s->now.used[POOL_INODE] * 2;
        s->visit = mem_resize(s->mem, s->visit, n * sizeof *s->visit);
        assert(s->visit);
        memset(s->visit + s->visits, 0, (n - s->visits) * sizeof *s->visit);
        s->visits = n;
    }
    return &s->visit[inode];
}

/* The term of one name; with the second name of a file the term of its links as well. */
static struct sim_hash visible_entry(struct sim *s, uint32_t inode, struct sim_hash name)
{
    struct sim_visit *v = visit(s, inode);
    if (v->stamp != s->visit_stamp) {
        uint32_t size = sim_inode(s, inode)->size;
        *v = (struct sim_visit){.stamp = s->visit_stamp};
        v->file = sim_hash_file(sim_hash_chunks(s, inode), size);
    }
    struct sim_hash term = sim_hash_entry(name, v->file);
    if (v->names > 1) term = sim_hash_sub(term, sim_hash_links(v->sum));
    v->sum = sim_hash_add(v->sum, name);
    v->names++;
    if (v->names > 1) term = sim_hash_add(term, sim_hash_links(v->sum));
    return term;
}

static struct sim_hash visible_dir(struct sim *s, uint32_t dir, struct sim_hash path)
{
    struct sim_hash sum = {{0, 0}};
    for (uint32_t c = sim_inode(s, dir)->cells; c; c = sim_cell(s, c)->next) {
        const struct sim_cell *cell = sim_cell(s, c);
        if (!cell->inode) continue;
        struct sim_hash name = sim_hash_name(path, cell);
        if (sim_inode(s, cell->inode)->directory) {
            sum = sim_hash_add(sum, sim_hash_directory(name));
            sum = sim_hash_add(sum, visible_dir(s, cell->inode, name));
        } else {
            sum = sim_hash_add(sum, visible_entry(s, cell->inode, name));
        }
    }
    return sum;
}

void disk_sim_hash_visible(struct disk *disk, uint64_t hash[2])
{
    struct sim *s = sim_of(disk);
    s->visit_stamp++;
    struct sim_hash h = visible_dir(s, SIM_ROOT, (struct sim_hash){{0, 0}});
    memcpy(hash, h.w, sizeof h.w);
}

/* ---- durable and pending ---- */

/* How many versions of the register lie before micro-op `seq`, plus one; 0: it is durable.
 * That says how far a coupled register must have come without naming a micro-op. */
static uint64_t needed_step(const struct sim *s, uint32_t reg, uint32_t seq)
{
    uint64_t step = 0;
    if (!reg || sim_reg(s, reg)->base_seq >= seq) return 0;
    for (uint32_t v = sim_reg(s, reg)->first; v; v = sim_version(s, v)->next) {
        step++;
        if (sim_version(s, v)->seq >= seq) break;
    }
    return step;
}

static struct sim_hash state_version(const struct sim *s, const struct sim_reg *r,
                                     const struct sim_version *v, struct sim_hash h)
{
    uint64_t step = 0;
    if (v->needs_cell) {
        const struct sim_cell *cell = sim_cell(s, v->needs_cell);
        step = needed_step(s, cell->reg, v->needs_seq) << 32 | cell->hash;
    } else if (v->needs_seq) {
        step = needed_step(s, sim_inode(s, r->owner)->size_reg, v->needs_seq);
    }
    return mix(h, step, (uint64_t)v->flags << 32 | (uint64_t)v->lo << 16 | v->hi);
}

static struct sim_hash state_chunk(const struct sim *s, uint32_t reg, struct sim_hash h)
{
    const struct sim_reg *r = sim_reg(s, reg);
    struct sim_hash value = sim_hash_content(s, r->base);
    h = mix(h, value.w[0], value.w[1]);
    for (uint32_t i = r->first; i; i = sim_version(s, i)->next) {
        const struct sim_version *v = sim_version(s, i);
        value = sim_hash_content(s, v->value);
        h = state_version(s, r, v, mix(h, value.w[0], value.w[1]));
    }
    return h;
}

static struct sim_hash state_size(const struct sim *s, const struct sim_inode *in)
{
    struct sim_hash h = {{in->size, 4}};
    if (!in->size_reg) return h;
    const struct sim_reg *r = sim_reg(s, in->size_reg);
    h = mix(h, r->base, 4);
    for (uint32_t i = r->first; i; i = sim_version(s, i)->next) {
        const struct sim_version *v = sim_version(s, i);
        h = state_version(s, r, v, mix(h, v->value, 4));
    }
    return h;
}

/* All of one file; `number` stands for its names. */
static struct sim_hash state_file(struct sim *s, uint32_t inode, uint64_t number)
{
    const struct sim_inode *in = sim_inode(s, inode);
    struct sim_hash id = {{number, 0}};
    struct sim_hash sum =
        mix_pair(mix_pair(state_size(s, in), sim_hash_chunks(s, inode), number), id, 9);
    for (uint32_t r = in->regs; r; r = sim_reg(s, r)->next) {
        struct sim_hash at = {{number, sim_reg(s, r)->index}};
        sum = sim_hash_add(sum, state_chunk(s, r, at));
    }
    return sum;
}

/* A walk over all names. Files are added to the sum, or listed. */
struct state_walk {
    struct sim_hash sum;
    uint32_t *files; /* inodes in the order of their numbers; NULL: added */
    uint32_t room, count;
};

/* The number of an inode in the order of the walk, and on the first visit its state. */
static uint64_t state_inode(struct sim *s, uint32_t inode, struct state_walk *w);

static void state_entry(struct sim *s, uint32_t c, struct sim_hash path,
                        struct state_walk *w)
{
    const struct sim_cell *cell = sim_cell(s, c);
    if (!cell->inode && !cell->reg) return;
    struct sim_hash h = sim_hash_name(path, cell);
    h = mix(h, state_inode(s, cell->inode, w), 5);
    if (cell->reg) {
        const struct sim_reg *r = sim_reg(s, cell->reg);
        h = mix(h, state_inode(s, r->base, w), 6);
        for (uint32_t i = r->first; i; i = sim_version(s, i)->next) {
            const struct sim_version *v = sim_version(s, i);
            h = state_version(s, r, v, mix(h, state_inode(s, v->value, w), 7));
        }
    }
    w->sum = sim_hash_add(w->sum, mix(h, 8, 8));
}

static void list_file(struct state_walk *w, uint32_t inode)
{
    if (w->count < w->room) w->files[w->count] = inode;
    w->count++;
}

static uint64_t state_inode(struct sim *s, uint32_t inode, struct state_walk *w)
{
    if (!inode) return 0;
    struct sim_visit *v = visit(s, inode);
    if (v->stamp == s->visit_stamp) return v->names;
    uint32_t number = ++s->visit_count;
    *v = (struct sim_visit){.stamp = s->visit_stamp, .names = number};
    const struct sim_inode *in = sim_inode(s, inode);
    if (!in->directory) {
        if (w->files)
            list_file(w, inode);
        else
            w->sum = sim_hash_add(w->sum, state_file(s, inode, number));
        return number;
    }
    struct sim_hash id = {{number, 1}};
    for (uint32_t c = in->cells; c; c = sim_cell(s, c)->next)
        state_entry(s, c, id, w);
    w->sum = sim_hash_add(w->sum, mix_pair(id, id, 9));
    return number;
}

static struct sim_hash state_walk(struct sim *s, struct state_walk *w)
{
    s->visit_stamp++;
    s->visit_count = 0;
    state_inode(s, SIM_ROOT, w);
    return w->sum;
}

void disk_sim_hash_state(struct disk *disk, uint64_t hash[2])
{
    struct state_walk w = {.files = NULL};
    struct sim_hash sum = state_walk(sim_of(disk), &w);
    memcpy(hash, sum.w, sizeof sum.w);
}

struct sim_hash sim_hash_names(struct sim *s, uint32_t *files, uint32_t room,
                               uint32_t *count)
{
    struct state_walk w = {.files = files, .room = room};
    struct sim_hash sum = state_walk(s, &w);
    *count = w.count;
    return sum;
}

struct sim_hash sim_hash_file_state(struct sim *s, uint32_t inode)
{
    return state_file(s, inode, 0);
}
