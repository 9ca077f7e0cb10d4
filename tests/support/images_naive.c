#include "tests/support/images_naive.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault/images.h"

#define OPS_MAX   4096
#define REGS_MAX  256
#define NAMES_MAX 128
#define PATH_MAX_ (2 * DISK_NAME_MAX + 2)

/* ---- sets of images ---- */

struct key {
    uint64_t a, b;
};

struct set {
    struct key *key;
    size_t count, size;
};

static void set_add(struct set *s, struct key k)
{
    if (s->count == s->size) {
        s->size = s->size ? 2 * s->size : 1024;
        s->key = realloc(s->key, s->size * sizeof *s->key);
        assert(s->key);
    }
    s->key[s->count++] = k;
}

static int key_order(const void *x, const void *y)
{
    const struct key *p = x, *q = y;
    if (p->a != q->a) return p->a < q->a ? -1 : 1;
    return (p->b > q->b) - (p->b < q->b);
}

static void set_sort(struct set *s)
{
    size_t n = 0;
    if (s->count) qsort(s->key, s->count, sizeof *s->key, key_order);
    for (size_t i = 0; i < s->count; i++)
        if (!n || key_order(&s->key[n - 1], &s->key[i])) s->key[n++] = s->key[i];
    s->count = n;
}

static void mix(struct key *k, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++) {
        k->a = (k->a ^ p[i]) * 1099511628211u;
        k->b = (k->b + p[i] + 1) * 0x9e3779b97f4a7c15u;
        k->b ^= k->b >> 29;
    }
}

/* One name of an image: its path, the place of its first link, its bytes. */
static void mix_name(struct key *k, const char *path, size_t first_link)
{
    mix(k, path, strlen(path) + 1);
    mix(k, &first_link, sizeof first_link);
}

/* ---- the window ---- */

struct fate {
    const struct disk_sim_op *op; /* NULL: what is durable */
    int kind;                     /* WHOLE .. */
    uint32_t tear;
};
enum { WHOLE, STALE, SPOILED, TORN };

struct reg {
    const struct disk_sim_op *op[OPS_MAX / 16];
    size_t ops;
    /* of which register */
    enum disk_sim_kind kind;
    uint32_t inode;
    uint64_t offset;
    uint32_t dir;
    const char *name;
    bool virtual; /* profile V: a grown chunk that nobody wrote */
    struct fate fate;
};

struct name {
    uint32_t dir, inode;
    char text[DISK_NAME_MAX + 1];
    bool directory;
};

struct naive {
    struct disk *disk;
    enum disk_profile profile;
    unsigned tau, torn;
    uint32_t chunk, floor;
    struct disk_sim_op op[OPS_MAX];
    size_t ops;
    struct reg reg[REGS_MAX];
    size_t regs;
    struct name durable[NAMES_MAX];
    size_t names;
    bool overflow;
    uint64_t count;
    struct set images;
};

static int note_op(void *arg, const struct disk_sim_op *op)
{
    struct naive *n = arg;
    if (n->ops == OPS_MAX) {
        n->overflow = true;
        return 1;
    }
    n->op[n->ops] = *op;
    n->op[n->ops].name = strdup(op->name);
    n->ops++;
    return 0;
}

static int note_name(void *arg, uint32_t dir, const char *text, uint32_t inode,
                     bool directory)
{
    struct naive *n = arg;
    assert(n->names < NAMES_MAX);
    struct name *name = &n->durable[n->names++];
    *name = (struct name){.dir = dir, .inode = inode, .directory = directory};
    snprintf(name->text, sizeof name->text, "%s", text);
    return 0;
}

static bool of_reg(const struct reg *r, const struct disk_sim_op *op)
{
    if (r->kind != op->kind) return false;
    if (op->kind == DISK_PENDING_ENTRY)
        return r->dir == op->dir_inode && !strcmp(r->name, op->name);
    if (r->inode != op->inode) return false;
    return op->kind == DISK_PENDING_SIZE || r->offset == op->offset;
}

static struct reg *reg_of(struct naive *n, const struct disk_sim_op *op)
{
    for (size_t i = 0; i < n->regs; i++)
        if (of_reg(&n->reg[i], op)) return &n->reg[i];
    return NULL;
}

static struct reg *reg_add(struct naive *n, const struct disk_sim_op *op)
{
    if (n->regs == REGS_MAX) {
        n->overflow = true;
        return &n->reg[0];
    }
    struct reg *r = &n->reg[n->regs++];
    *r = (struct reg){.kind = op->kind,
                      .inode = op->inode,
                      .offset = op->offset,
                      .dir = op->dir_inode,
                      .name = op->name};
    return r;
}

/* A chunk version of a file that is open and has no name in any version: no image. */
static bool nameless(const struct disk_sim_op *op)
{
    return op->kind != DISK_PENDING_ENTRY && !*op->name;
}

static void group_ops(struct naive *n)
{
    for (size_t i = 0; i < n->ops && !n->overflow; i++) {
        if (nameless(&n->op[i])) continue;
        struct reg *r = reg_of(n, &n->op[i]);
        if (!r) r = reg_add(n, &n->op[i]);
        if (r->ops == sizeof r->op / sizeof *r->op)
            n->overflow = true;
        else
            r->op[r->ops++] = &n->op[i];
    }
}

static uint64_t largest_size(struct naive *n, uint32_t inode)
{
    uint64_t size = disk_sim_durable_size(n->disk, inode);
    for (size_t i = 0; i < n->ops; i++)
        if (n->op[i].kind == DISK_PENDING_SIZE && n->op[i].inode == inode &&
            n->op[i].offset > size)
            size = n->op[i].offset;
    return size;
}

/* Profile V: every chunk that a file may grow into can be stale. */
static void add_virtual(struct naive *n)
{
    size_t regs = n->regs;
    for (size_t i = 0; i < regs && !n->overflow; i++) {
        if (n->reg[i].kind != DISK_PENDING_SIZE) continue;
        struct disk_sim_op op = {.kind = DISK_PENDING_CHUNK, .inode = n->reg[i].inode};
        uint64_t from = disk_sim_durable_size(n->disk, op.inode);
        op.offset = from / n->chunk * n->chunk;
        for (; op.offset < largest_size(n, op.inode); op.offset += n->chunk)
            if (!reg_of(n, &op)) reg_add(n, &op)->virtual = true;
    }
}

/* ---- fates ---- */

static bool partial(const struct naive *n, const struct disk_sim_op *op)
{
    return !op->zero && op->hi - op->lo < n->chunk;
}

/* The cuts of a torn write, as disk_sim says in words: inside (lo, hi), every byte in
 * 64-byte chunks, else at multiples of 64. */
static uint32_t cuts(const struct naive *n, const struct disk_sim_op *op)
{
    uint32_t count = 0, step = n->chunk == 64 ? 1 : 64;
    for (uint32_t c = op->lo + 1; c < op->hi; c++)
        count += c % step == 0;
    return count;
}

static uint32_t nth_cut(const struct naive *n, const struct disk_sim_op *op, uint32_t nth)
{
    uint32_t step = n->chunk == 64 ? 1 : 64;
    for (uint32_t c = op->lo + 1;; c++)
        if (c % step == 0 && !nth--) return c;
}

static bool grown(const struct naive *n, const struct reg *r)
{
    struct naive *m = (struct naive *)n;
    uint64_t durable = disk_sim_durable_size(n->disk, r->inode);
    return largest_size(m, r->inode) > durable && r->offset + n->chunk > durable;
}

static uint32_t seq_of(const struct fate *f)
{
    return f->op ? f->op->seq : 0;
}

/* How far the register that op `needs` belongs to has come; far enough when it is not
 * pending any more. */
static bool has_come(struct naive *n, uint32_t needs)
{
    for (size_t i = 0; i < n->regs; i++)
        for (size_t j = 0; j < n->reg[i].ops; j++)
            if (n->reg[i].op[j]->seq == needs) return seq_of(&n->reg[i].fate) >= needs;
    return true;
}

/* What must hold beside a fate: a torn chunk contains a part of the version before. */
static uint32_t needs_of(const struct reg *r)
{
    const struct fate *f = &r->fate;
    if (!f->op) return 0;
    if (f->kind != TORN) return f->op->needs;
    uint32_t before = 0;
    for (size_t i = 0; i < r->ops && r->op[i] != f->op; i++)
        before = r->op[i]->needs;
    return before;
}

/* What profile V adds under this rule. */
static bool weak(const struct naive *n, enum disk_rule rule)
{
    uint32_t spared = disk_sim_config(n->disk)->spared;
    return n->profile == DISK_V && !(spared & DISK_KINDER(rule));
}

static bool couplings_hold(struct naive *n)
{
    for (size_t i = 0; i < n->regs; i++) {
        const struct reg *r = &n->reg[i];
        if (r->kind == DISK_PENDING_ENTRY && weak(n, DISK_R10)) continue;
        if (needs_of(r) && !has_come(n, needs_of(r))) return false;
    }
    return true;
}

/* Has micro-op `op` happened in this image, or something later in its register? */
static bool happened(struct naive *n, const struct disk_sim_op *op)
{
    return seq_of(&reg_of(n, op)->fate) >= op->seq;
}

static bool ordered(const struct naive *n, const struct disk_sim_op *op)
{
    if (nameless(op)) return false;
    if (n->profile == DISK_O) return true;
    return op->kind == DISK_PENDING_ENTRY && !op->limbo;
}

/* J, O: what has happened is a prefix, at least up to the floor, and no half renames. */
static bool order_holds(struct naive *n)
{
    bool gap = false;
    for (size_t i = 0; i < n->ops; i++) {
        const struct disk_sim_op *op = &n->op[i];
        if (!ordered(n, op)) continue;
        bool here = happened(n, op);
        if (here && gap) return false;
        gap = gap || !here;
        if (!here && op->seq <= n->floor) return false;
        bool rename = op->kind == DISK_PENDING_ENTRY && op->needs;
        if (rename && !here && seq_of(&reg_of(n, op)->fate) < op->seq) {
            for (size_t j = 0; j < n->ops; j++)
                if (n->op[j].seq == op->needs && ordered(n, &n->op[j]) &&
                    happened(n, &n->op[j]))
                    return false;
        }
    }
    return true;
}

/* ---- building an image ---- */

static void chunk_bytes(struct naive *n, uint32_t inode, uint64_t offset, uint8_t *out)
{
    struct disk_sim_op op = {
        .kind = DISK_PENDING_CHUNK, .inode = inode, .offset = offset};
    struct reg *r = reg_of(n, &op);
    uint8_t before[4096];
    disk_sim_durable_bytes(n->disk, inode, offset, before, n->chunk);
    memcpy(out, before, n->chunk);
    if (!r) return;
    const struct fate *f = &r->fate;
    if (f->op) memcpy(out, f->op->bytes, n->chunk);
    if (f->kind == STALE) {
        uint64_t durable = disk_sim_durable_size(n->disk, inode);
        for (uint64_t i = 0; i < n->chunk; i++)
            if (offset + i >= durable) out[i] = DISK_SIM_STALE_BYTE;
    } else if (f->kind == SPOILED) {
        for (uint32_t i = 0; i < n->chunk; i++)
            if (i < f->op->lo || i >= f->op->hi) out[i] = DISK_SIM_STALE_BYTE;
    } else if (f->kind == TORN) {
        for (size_t i = 0; i < r->ops && r->op[i] != f->op; i++)
            memcpy(before, r->op[i]->bytes, n->chunk);
        uint32_t all = cuts(n, f->op), lo = f->op->lo, hi = f->op->hi;
        uint32_t third = (hi - lo) / 3;
        struct rng rng;
        rng_init(&rng, 0x5eed5eedu);
        for (uint32_t i = lo; i < hi; i++) {
            if (f->tear < 2 * all) {
                bool front = i < nth_cut(n, f->op, f->tear % all);
                if (front != (f->tear < all)) out[i] = before[i];
            } else if (i >= lo + third && i < hi - third) {
                static const uint8_t fill[] = {0, 0xFF, DISK_SIM_STALE_BYTE};
                uint32_t filler = f->tear - 2 * all;
                out[i] = filler < 3 ? fill[filler] : (uint8_t)rng_next(&rng);
            }
        }
    }
}

static uint64_t size_of(struct naive *n, uint32_t inode)
{
    struct disk_sim_op op = {.kind = DISK_PENDING_SIZE, .inode = inode};
    struct reg *r = reg_of(n, &op);
    return r && r->fate.op ? r->fate.op->offset : disk_sim_durable_size(n->disk, inode);
}

static void mix_file(struct naive *n, struct key *k, uint32_t inode)
{
    uint64_t size = size_of(n, inode);
    mix(k, &size, sizeof size);
    for (uint64_t at = 0; at < size; at += n->chunk) {
        uint8_t bytes[4096];
        chunk_bytes(n, inode, at, bytes);
        mix(k, bytes, size - at < n->chunk ? size - at : n->chunk);
    }
}

struct shown {
    char path[PATH_MAX_];
    uint32_t inode;
    bool directory;
};

static int shown_order(const void *a, const void *b)
{
    return strcmp(((const struct shown *)a)->path, ((const struct shown *)b)->path);
}

/* The names of one directory in this image, below `prefix`. */
static void show_dir(struct naive *n, uint32_t dir, const char *prefix, struct shown *out,
                     size_t *count)
{
    for (size_t i = 0; i < n->names; i++) {
        const struct name *name = &n->durable[i];
        struct disk_sim_op op = {
            .kind = DISK_PENDING_ENTRY, .dir_inode = name->dir, .name = name->text};
        if (name->dir != dir || reg_of(n, &op)) continue;
        struct shown *s = &out[(*count)++];
        *s = (struct shown){.inode = name->inode, .directory = name->directory};
        snprintf(s->path, sizeof s->path, "%s%s", prefix, name->text);
    }
    for (size_t i = 0; i < n->regs; i++) {
        const struct reg *r = &n->reg[i];
        if (r->kind != DISK_PENDING_ENTRY || r->dir != dir) continue;
        struct shown s = {.inode = r->fate.op ? r->fate.op->inode : 0,
                          .directory = r->fate.op && r->fate.op->directory};
        for (size_t j = 0; !r->fate.op && j < n->names; j++)
            if (n->durable[j].dir == dir && !strcmp(n->durable[j].text, r->name)) {
                s.inode = n->durable[j].inode;
                s.directory = n->durable[j].directory;
            }
        snprintf(s.path, sizeof s.path, "%s%s", prefix, r->name);
        if (s.inode) out[(*count)++] = s;
    }
}

static void keep_image(struct naive *n)
{
    static struct shown shown[NAMES_MAX];
    size_t count = 0;
    show_dir(n, DISK_SIM_ROOT, "", shown, &count);
    for (size_t i = 0, root = count; i < root; i++) {
        char prefix[PATH_MAX_];
        if (!shown[i].directory) continue;
        snprintf(prefix, sizeof prefix, "%.*s/", DISK_NAME_MAX, shown[i].path);
        show_dir(n, shown[i].inode, prefix, shown, &count);
    }
    assert(count < NAMES_MAX);
    qsort(shown, count, sizeof *shown, shown_order);
    struct key k = {14695981039346656037u, 1};
    for (size_t i = 0; i < count; i++) {
        size_t first = 0;
        while (shown[first].inode != shown[i].inode)
            first++;
        mix_name(&k, shown[i].path, shown[i].directory ? 0 : first);
        if (!shown[i].directory) mix_file(n, &k, shown[i].inode);
    }
    set_add(&n->images, k);
}

/* ---- all combinations ---- */

static void try_all(struct naive *n, size_t i);

static void try_fate(struct naive *n, size_t i, const struct disk_sim_op *op, int kind,
                     uint32_t tear)
{
    n->reg[i].fate = (struct fate){op, kind, tear};
    try_all(n, i + 1);
}

static void try_chunk(struct naive *n, size_t i)
{
    const struct reg *r = &n->reg[i];
    if (weak(n, DISK_R7) && grown(n, r)) try_fate(n, i, NULL, STALE, 0);
    for (size_t v = 0; v < r->ops; v++) {
        if (weak(n, DISK_R6) && partial(n, r->op[v]))
            try_fate(n, i, r->op[v], SPOILED, 0);
        if (n->torn == n->tau || r->op[v]->zero || n->profile == DISK_O) continue;
        n->torn++;
        for (uint32_t t = 0; t < 2 * cuts(n, r->op[v]) + 4; t++)
            try_fate(n, i, r->op[v], TORN, t);
        n->torn--;
    }
}

static void try_all(struct naive *n, size_t i)
{
    if (i == n->regs) {
        bool in_order = n->profile == DISK_J || n->profile == DISK_O;
        if (!couplings_hold(n) || (in_order && !order_holds(n))) return;
        n->count++;
        keep_image(n);
        return;
    }
    try_fate(n, i, NULL, WHOLE, 0);
    for (size_t v = 0; v < n->reg[i].ops; v++)
        try_fate(n, i, n->reg[i].op[v], WHOLE, 0);
    if (n->reg[i].kind == DISK_PENDING_CHUNK) try_chunk(n, i);
}

/* An upper bound of the combinations that try_all makes. */
static double combinations(const struct naive *n)
{
    double whole = 1, torn = 0;
    for (size_t i = 0; i < n->regs; i++) {
        const struct reg *r = &n->reg[i];
        double w = 1 + (double)r->ops, t = 0;
        if (n->profile == DISK_V) w = 2 * w;
        for (size_t v = 0; v < r->ops && r->kind == DISK_PENDING_CHUNK; v++)
            t += 2.0 * cuts(n, r->op[v]) + 4;
        torn = torn * w + whole * t;
        whole *= w;
    }
    return n->tau ? whole + torn : whole;
}

/* ---- what the walk visits ---- */

struct visited {
    struct set set;
    uint64_t weight;
    char (*names)[DISK_NAME_MAX + 1];
    size_t count;
};

static int visited_name(void *arg, const char *text)
{
    struct visited *v = arg;
    assert(v->count < NAMES_MAX);
    snprintf(v->names[v->count++], DISK_NAME_MAX + 1, "%s", text);
    return 0;
}

static size_t list_dir(struct disk *disk, const char *dir, const char *prefix,
                       struct shown *out)
{
    static char names[NAMES_MAX][DISK_NAME_MAX + 1];
    struct visited v = {.names = names};
    struct disk_dir *d;
    if (disk_dir_open(disk, dir, &d)) return 0; /* a file of the root */
    disk_list(d, visited_name, &v);
    disk_dir_close(d);
    for (size_t i = 0; i < v.count; i++) {
        snprintf(out[i].path, sizeof out[i].path, "%s%s", prefix, names[i]);
        out[i].inode = disk_sim_inode(disk, dir, names[i]);
    }
    return v.count;
}

static void mix_open_file(struct key *k, struct disk *disk, const char *path)
{
    const char *slash = strchr(path, '/');
    char dir[PATH_MAX_] = ".";
    if (slash) snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
    struct disk_dir *d;
    struct disk_file *f;
    int e = disk_dir_open(disk, dir, &d);
    if (!e) e = disk_open(d, slash ? slash + 1 : path, DISK_READ, SITE_OTHER_CREATE, &f);
    assert(!e);
    uint64_t size = 0;
    disk_size(f, &size);
    mix(k, &size, sizeof size);
    for (uint64_t at = 0; at < size;) {
        uint8_t buf[4096];
        size_t got = 0;
        disk_read(f, at, buf, sizeof buf, &got);
        mix(k, buf, got);
        at += got;
    }
    disk_close(f);
    disk_dir_close(d);
}

static int visit(void *arg, struct disk *disk, const struct image *image)
{
    struct visited *v = arg;
    static struct shown shown[NAMES_MAX];
    size_t count = list_dir(disk, ".", "", shown), root = count;
    for (size_t i = 0; i < root; i++) {
        char prefix[PATH_MAX_];
        struct disk_dir *d;
        shown[i].directory = !disk_dir_open(disk, shown[i].path, &d);
        if (!shown[i].directory) continue;
        disk_dir_close(d);
        snprintf(prefix, sizeof prefix, "%.*s/", DISK_NAME_MAX, shown[i].path);
        size_t below = list_dir(disk, shown[i].path, prefix, shown + count);
        for (size_t j = 0; j < below; j++)
            shown[count + j].directory = false;
        count += below;
    }
    qsort(shown, count, sizeof *shown, shown_order);
    struct key k = {14695981039346656037u, 1};
    for (size_t i = 0; i < count; i++) {
        size_t first = 0;
        while (shown[first].inode != shown[i].inode)
            first++;
        mix_name(&k, shown[i].path, shown[i].directory ? 0 : first);
        if (!shown[i].directory) mix_open_file(&k, disk, shown[i].path);
    }
    set_add(&v->set, k);
    v->weight += image->weight;
    return 0;
}

/* ---- the comparison ---- */

static void compare(struct naive *n, struct naive_result *result)
{
    struct visited v = {.weight = 0};
    struct images *im = images_new(mem_libc());
    images_open(im, n->disk, n->profile, n->tau);
    uint64_t formula = images_count(im);
    images_walk(im, visit, &v);
    images_close(im);
    images_free(im);
    set_sort(&n->images);
    set_sort(&v.set);
    size_t missing = 0, extra = 0, i = 0, j = 0;
    while (i < n->images.count || j < v.set.count) {
        int order = i == n->images.count ? 1
                    : j == v.set.count   ? -1
                                         : key_order(&n->images.key[i], &v.set.key[j]);
        missing += order < 0;
        extra += order > 0;
        i += order <= 0;
        j += order >= 0;
    }
    result->count = n->count;
    result->distinct = n->images.count;
    if (missing || extra || formula != n->count || v.weight != n->count)
        snprintf(
            result->why, sizeof result->why,
            "naive %llu choices, formula %llu, weights %llu; %zu images missing, %zu "
            "extra",
            (unsigned long long)n->count, (unsigned long long)formula,
            (unsigned long long)v.weight, missing, extra);
    free(v.set.key);
}

void images_naive_check(struct disk *disk, enum disk_profile profile, unsigned tau,
                        uint64_t limit, struct naive_result *result)
{
    struct naive *n = calloc(1, sizeof *n);
    assert(n && tau <= 1 && profile != DISK_P);
    *result = (struct naive_result){.compared = false};
    n->disk = disk;
    n->profile = profile;
    n->tau = profile == DISK_O ? 0 : tau;
    n->chunk = disk_sim_config(disk)->chunk_bytes;
    n->floor = disk_sim_floor(disk, profile);
    disk_sim_pending(disk, note_op, n);
    disk_sim_durable_names(disk, note_name, n);
    group_ops(n);
    if (profile == DISK_V) add_virtual(n);
    if (!n->overflow && combinations(n) <= (double)limit) {
        try_all(n, 0);
        compare(n, result);
        result->compared = true;
    }
    for (size_t i = 0; i < n->ops; i++)
        free((char *)n->op[i].name);
    free(n->images.key);
    free(n);
}
