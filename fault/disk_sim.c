/* The calls of the simulated disk: handles, fault on request, and the order in which a
 * call looks at them. What the calls do is in disk_sim_dir.c and disk_sim_file.c. */
#include "fault/disk_sim_state.h"

#include <errno.h>

/* ---- handles ---- */

static struct sim_handle *handle_at(const struct sim *s, uint32_t h)
{
    return sim_item(s, POOL_HANDLE, h);
}

static struct sim_handle *dir_handle(struct disk_dir *dir)
{
    return (struct sim_handle *)((char *)dir - offsetof(struct sim_handle, as));
}

static struct sim_handle *file_handle(struct disk_file *file)
{
    return (struct sim_handle *)((char *)file - offsetof(struct sim_handle, as));
}

static int handle_room(const struct sim *s)
{
    bool full = s->config.handles_max && s->now.handles >= s->config.handles_max;
    return full ? -EMFILE : 0;
}

static struct sim_handle *handle_open(struct sim *s, uint32_t inode, uint32_t flags)
{
    uint32_t h = sim_alloc(s, POOL_HANDLE);
    struct sim_handle *handle = handle_at(s, h);
    if (h == s->now.used[POOL_HANDLE] - 1) handle->flags = 0; /* maybe never used */
    handle->self = h;
    sim_set(s, &handle->inode, inode);
    sim_set(s, &handle->flags, flags | HANDLE_OPEN);
    s->now.handles++;
    struct sim_inode *in = sim_inode(s, inode);
    sim_set(s, &in->opens, in->opens + 1);
    return handle;
}

static void handle_release(struct sim *s, struct sim_handle *handle)
{
    struct sim_inode *in = sim_inode(s, handle->inode);
    sim_set(s, &in->opens, in->opens - 1);
    if (handle->flags & HANDLE_LOCK) sim_set(s, &in->locked, 0);
    s->now.handles--;
}

static void handle_close(struct sim *s, struct sim_handle *handle)
{
    assert(handle->flags & (HANDLE_OPEN | HANDLE_DEAD));
    if (handle->flags & HANDLE_OPEN) handle_release(s, handle);
    sim_set(s, &handle->flags, 0);
    if (s->depth) return; /* the sweep finds it, or the rollback takes it back */
    handle->next = s->now.free[POOL_HANDLE];
    s->now.free[POOL_HANDLE] = handle->self;
}

void sim_drop_handles(struct sim *s)
{
    for (uint32_t h = 1; s->now.handles && h < s->now.used[POOL_HANDLE]; h++) {
        struct sim_handle *handle = handle_at(s, h);
        if (!(handle->flags & HANDLE_OPEN)) continue;
        handle_release(s, handle);
        sim_set(s, &handle->flags, HANDLE_DEAD);
    }
}

void disk_sim_process_crash(struct disk *disk)
{
    struct sim *s = sim_of(disk);
    sim_drop_handles(s);
    if (s->config.kinder & DISK_KINDER(DISK_R16)) sim_settle_all(s);
}

/* ---- the beginning and the end of a call ---- */

struct fail {
    bool armed;
    enum disk_sim_effect effect;
    int error;
    size_t bytes;
};

static void enter(struct sim *s)
{
    if (s->config.sched) sched_yield_point(s->config.sched);
}

/* Takes the failure that disk_sim_fail_next ordered, if any. */
static struct fail take_fail(struct sim *s)
{
    struct fail f = {s->now.fail_armed, (enum disk_sim_effect)s->now.fail_effect,
                     (int)s->now.fail_error, (size_t)s->now.fail_bytes};
    s->now.fail_armed = 0;
    if (s->config.kinder & DISK_KINDER(DISK_R14) && f.effect != DISK_EFFECT_SHORT)
        f.effect = DISK_EFFECT_NONE;
    if (s->config.kinder & DISK_KINDER(DISK_R15) && f.effect == DISK_EFFECT_SHORT)
        f.armed = false;
    return f;
}

static struct fail enter_change(struct sim *s)
{
    enter(s);
    sim_sweep_when_due(s);
    return s->now.fail_armed ? take_fail(s) : (struct fail){0};
}

/* True when the call answers the error without doing anything. */
static bool fails_undone(struct fail f)
{
    return f.armed && (f.effect == DISK_EFFECT_NONE || f.effect == DISK_EFFECT_PARTIAL);
}

static int leave_change(struct sim *s, struct fail f, int e)
{
    if (s->now.calm) sim_settle_all(s);
    return f.armed && f.effect == DISK_EFFECT_FULL && !e ? -f.error : e;
}

void disk_sim_fail_next(struct disk *disk, enum disk_sim_effect effect, int error,
                        size_t bytes)
{
    struct sim *s = sim_of(disk);
    s->now.fail_armed = 1;
    s->now.fail_effect = effect;
    s->now.fail_error = (uint32_t)error;
    s->now.fail_bytes = bytes;
}

/* ---- directories ---- */

static int op_mkdir(struct disk *disk, const char *name, enum site site)
{
    struct sim *s = sim_of(disk);
    struct fail f = enter_change(s);
    if (fails_undone(f)) return -f.error;
    return leave_change(s, f, sim_dir_mkdir(s, name, site));
}

static int op_rmdir(struct disk *disk, const char *name, enum site site)
{
    struct sim *s = sim_of(disk);
    struct fail f = enter_change(s);
    if (fails_undone(f)) return -f.error;
    return leave_change(s, f, sim_dir_rmdir(s, name, site));
}

static int op_dir_open(struct disk *disk, const char *name, struct disk_dir **out)
{
    struct sim *s = sim_of(disk);
    enter(s);
    int e = handle_room(s);
    if (e) return e;
    uint32_t inode = strcmp(name, ".") ? sim_lookup(s, SIM_ROOT, name) : SIM_ROOT;
    if (!inode) return -ENOENT;
    if (!sim_inode(s, inode)->directory) return -ENOTDIR;
    struct sim_handle *handle = handle_open(s, inode, 0);
    handle->as.dir.disk = disk;
    *out = &handle->as.dir;
    return 0;
}

static void op_dir_close(struct disk_dir *dir)
{
    struct sim *s = sim_of(dir->disk);
    enter(s);
    handle_close(s, dir_handle(dir));
}

/* The inode of an open directory; 0 when the handle's process is dead. */
static uint32_t dir_inode(struct disk_dir *dir)
{
    const struct sim_handle *handle = dir_handle(dir);
    return handle->flags & HANDLE_OPEN ? handle->inode : 0;
}

static int op_list(struct disk_dir *dir, disk_list_fn *fn, void *arg)
{
    struct sim *s = sim_of(dir->disk);
    enter(s);
    uint32_t inode = dir_inode(dir);
    if (!inode) return -EBADF;
    if (sim_inode(s, inode)->removed) return -ENOENT;
    for (uint32_t c = sim_inode(s, inode)->cells; c; c = sim_cell(s, c)->next) {
        int e = sim_cell(s, c)->inode ? fn(arg, sim_cell(s, c)->name) : 0;
        if (e) return e;
    }
    return 0;
}

static int op_rename(struct disk_dir *dir, const char *from, const char *to,
                     enum site site)
{
    struct sim *s = sim_of(dir->disk);
    struct fail f = enter_change(s);
    if (!dir_inode(dir)) return -EBADF;
    if (fails_undone(f)) return -f.error;
    return leave_change(s, f, sim_dir_rename(s, dir_inode(dir), from, to, site));
}

static int op_link(struct disk_dir *dir, const char *name, struct disk_dir *to_dir,
                   const char *to, enum site site)
{
    struct sim *s = sim_of(dir->disk);
    struct fail f = enter_change(s);
    if (dir->disk != to_dir->disk) return -EXDEV;
    if (!dir_inode(dir) || !dir_inode(to_dir)) return -EBADF;
    if (fails_undone(f)) return -f.error;
    int e = sim_dir_link(s, dir_inode(dir), name, dir_inode(to_dir), to, site);
    return leave_change(s, f, e);
}

static int op_unlink(struct disk_dir *dir, const char *name, enum site site)
{
    struct sim *s = sim_of(dir->disk);
    struct fail f = enter_change(s);
    if (!dir_inode(dir)) return -EBADF;
    if (fails_undone(f)) return -f.error;
    return leave_change(s, f, sim_dir_unlink(s, dir_inode(dir), name, site));
}

/* ---- opening files ---- */

/* Finds or creates the file `name`. */
static int file_find(struct sim *s, uint32_t dir, const char *name, unsigned flags,
                     enum site site, uint32_t *inode)
{
    uint32_t found = sim_lookup(s, dir, name);
    if (!found && !(flags & DISK_CREATE)) return -ENOENT;
    if (!found) return sim_dir_create(s, dir, name, site, inode);
    if (flags & DISK_EXCL) return -EEXIST;
    if (sim_inode(s, found)->directory) return -EISDIR;
    if (sim_inode(s, found)->undecided) s->lazy->size(s->lazy->arg, found);
    if (flags & DISK_TRUNC) {
        int e = sim_file_truncate(s, found, 0, site);
        if (e) return e;
    }
    *inode = found;
    return 0;
}

static int open_file(struct disk_dir *dir, const char *name, unsigned flags,
                     enum site site, struct sim_handle **out)
{
    struct sim *s = sim_of(dir->disk);
    if (!dir_inode(dir)) return -EBADF;
    int e = handle_room(s);
    if (e) return e;
    uint32_t inode;
    e = file_find(s, dir_inode(dir), name, flags, site, &inode);
    if (e) return e;
    struct sim_handle *handle = handle_open(s, inode, flags & (DISK_READ | DISK_WRITE));
    handle->as.file = (struct disk_file){&s->disk, site_kind(site)};
    *out = handle;
    return 0;
}

static int op_open(struct disk_dir *dir, const char *name, unsigned flags, enum site site,
                   struct disk_file **out)
{
    struct sim *s = sim_of(dir->disk);
    bool changes = flags & (DISK_CREATE | DISK_TRUNC);
    struct fail f = {0};
    if (changes)
        f = enter_change(s);
    else
        enter(s);
    if (fails_undone(f)) return -f.error;
    struct sim_handle *handle;
    int e = open_file(dir, name, flags, site, &handle);
    if (!e && f.armed && f.effect == DISK_EFFECT_FULL) handle_close(s, handle);
    if (changes) e = leave_change(s, f, e);
    if (!e) *out = &handle->as.file;
    return e;
}

static void op_close(struct disk_file *file)
{
    struct sim *s = sim_of(file->disk);
    enter(s);
    handle_close(s, file_handle(file));
}

static int op_lock(struct disk_dir *dir, const char *name, enum site site,
                   struct disk_file **out)
{
    struct sim *s = sim_of(dir->disk);
    struct fail f = enter_change(s);
    if (fails_undone(f)) return -f.error;
    struct sim_handle *handle;
    int e = open_file(dir, name, DISK_READ | DISK_WRITE | DISK_CREATE, site, &handle);
    if (e) return leave_change(s, f, e);
    struct sim_inode *in = sim_inode(s, handle->inode);
    if (in->locked || (f.armed && f.effect == DISK_EFFECT_FULL)) {
        handle_close(s, handle);
        return leave_change(s, f, in->locked ? -EWOULDBLOCK : 0);
    }
    sim_set(s, &in->locked, 1);
    sim_set(s, &handle->flags, handle->flags | HANDLE_LOCK);
    *out = &handle->as.file;
    return leave_change(s, f, 0);
}

/* ---- bytes ---- */

/* The inode of an open file; 0 when the handle's process is dead. */
static uint32_t file_inode(struct disk_file *file)
{
    const struct sim_handle *handle = file_handle(file);
    return handle->flags & HANDLE_OPEN ? handle->inode : 0;
}

static bool file_may(struct disk_file *file, uint32_t flag)
{
    return file_handle(file)->flags & flag;
}

static int op_read(struct disk_file *file, uint64_t offset, void *buf, size_t n,
                   size_t *got)
{
    struct sim *s = sim_of(file->disk);
    enter(s);
    if (!file_inode(file) || !file_may(file, DISK_READ)) return -EBADF;
    return sim_file_read(s, file_inode(file), offset, buf, n, got);
}

static int op_write(struct disk_file *file, uint64_t offset, const void *buf, size_t n,
                    enum site site, size_t *put)
{
    struct sim *s = sim_of(file->disk);
    struct fail f = enter_change(s);
    uint32_t inode = file_inode(file);
    if (!inode || !file_may(file, DISK_WRITE)) return -EBADF;
    *put = 0;
    if (f.armed && f.effect == DISK_EFFECT_NONE) return -f.error;
    bool part = f.armed && f.effect != DISK_EFFECT_FULL;
    if (part && f.bytes < n) n = f.bytes;
    int e = sim_file_write(s, inode, offset, buf, n, site, put);
    if (!e && part && f.effect == DISK_EFFECT_PARTIAL) e = -f.error;
    return leave_change(s, f, e);
}

static int op_size(struct disk_file *file, uint64_t *out)
{
    struct sim *s = sim_of(file->disk);
    enter(s);
    if (!file_inode(file)) return -EBADF;
    *out = sim_inode(s, file_inode(file))->size;
    return 0;
}

static int op_truncate(struct disk_file *file, uint64_t size, enum site site)
{
    struct sim *s = sim_of(file->disk);
    struct fail f = enter_change(s);
    if (!file_inode(file)) return -EBADF;
    if (!file_may(file, DISK_WRITE)) return -EINVAL;
    if (fails_undone(f)) return -f.error;
    return leave_change(s, f, sim_file_truncate(s, file_inode(file), size, site));
}

static int op_allocate(struct disk_file *file, uint64_t size, enum site site)
{
    struct sim *s = sim_of(file->disk);
    struct fail f = enter_change(s);
    if (!size) return 0;
    if (!file_inode(file) || !file_may(file, DISK_WRITE)) return -EBADF;
    if (fails_undone(f)) return -f.error;
    return leave_change(s, f, sim_file_allocate(s, file_inode(file), size, site));
}

/* ---- syncs: entered, and returned (R1) ---- */

static uint32_t sync_enter(struct sim *s)
{
    uint32_t upto = s->now.seq;
    enter(s); /* other jobs may run before the sync returns */
    return s->config.kinder & DISK_KINDER(DISK_R1) ? s->now.seq : upto;
}

/* Delayed allocation finds out now that there is no room (R15). */
static bool sync_finds_disk_full(struct sim *s, uint32_t inode)
{
    const struct disk_sim_config *c = &s->config;
    if (!s->now.capacity || c->full != DISK_FULL_AT_SYNC) return false;
    if (c->kinder & DISK_KINDER(DISK_R15)) return false;
    for (uint32_t r = sim_inode(s, inode)->regs; r; r = sim_reg(s, r)->next) {
        uint32_t last = sim_reg(s, r)->last;
        if (!(sim_version(s, last)->flags & VERSION_LIMBO))
            return sim_chunks_used(s) > s->now.capacity;
    }
    return false;
}

static void settle_names(struct sim *s, uint32_t dir, uint32_t inode)
{
    for (uint32_t c = sim_inode(s, dir)->cells; c; c = sim_cell(s, c)->next) {
        uint32_t child = sim_cell(s, c)->inode;
        if (child == inode) sim_settle_entry(s, c, inode);
        if (child && sim_inode(s, child)->directory) settle_names(s, child, inode);
    }
}

static int op_sync(struct disk_file *file, enum disk_sync_mode mode, enum site site)
{
    struct sim *s = sim_of(file->disk);
    (void)site;
    struct fail f = enter_change(s);
    if (!file_inode(file)) return -EBADF;
    uint32_t upto = sync_enter(s), inode = file_inode(file);
    if (!inode) return -EBADF; /* the process died meanwhile */
    bool data = mode == DISK_SYNC_DATA && !(s->config.kinder & DISK_KINDER(DISK_R3));
    bool full = sync_finds_disk_full(s, inode);
    if (full || fails_undone(f)) {
        sim_inode_lose(s, inode, upto, data);
        return full ? -ENOSPC : -f.error;
    }
    sim_inode_cover(s, inode, upto, data);
    if (s->config.kinder & DISK_KINDER(DISK_R2)) settle_names(s, SIM_ROOT, inode);
    return leave_change(s, f, 0);
}

static int op_dir_sync(struct disk_dir *dir, enum site site)
{
    struct sim *s = sim_of(dir->disk);
    (void)site;
    struct fail f = enter_change(s);
    if (!dir_inode(dir)) return -EBADF;
    uint32_t upto = sync_enter(s), inode = dir_inode(dir);
    if (!inode) return -EBADF;
    if (fails_undone(f)) {
        sim_dir_lose(s, inode, upto);
        return -f.error;
    }
    sim_dir_cover(s, inode, upto);
    return leave_change(s, f, 0);
}

static void op_sync_failed(struct disk_dir *dir, struct disk_file *file, enum site site)
{
    (void)site;
    struct sim *s = sim_of(file ? file->disk : dir->disk);
    if (file && file_inode(file)) sim_inode_lose(s, file_inode(file), s->now.seq, false);
    if (!file && dir_inode(dir)) sim_dir_lose(s, dir_inode(dir), s->now.seq);
}

/* ---- the disk ---- */

static const struct disk_ops sim_ops = {
    .mkdir = op_mkdir,
    .rmdir = op_rmdir,
    .dir_open = op_dir_open,
    .dir_close = op_dir_close,
    .dir_sync = op_dir_sync,
    .list = op_list,
    .rename = op_rename,
    .link = op_link,
    .unlink = op_unlink,
    .lock = op_lock,
    .open = op_open,
    .close = op_close,
    .read = op_read,
    .write = op_write,
    .sync = op_sync,
    .size = op_size,
    .truncate = op_truncate,
    .allocate = op_allocate,
    .sync_failed = op_sync_failed,
};

void disk_sim_config_init(struct disk_sim_config *config)
{
    *config = (struct disk_sim_config){.chunk_bytes = 512, .profile = DISK_W};
}

int disk_sim_new(struct mem *mem, const struct disk_sim_config *config, struct disk **out)
{
    uint32_t chunk = config->chunk_bytes;
    assert(chunk == 64 || chunk == 512 || chunk == 4096);
    struct sim *s = mem_zalloc(mem, sizeof *s);
    if (!s) return -ENOMEM;
    s->disk.ops = &sim_ops;
    s->mem = mem;
    s->config = *config;
    s->chunk_shift = (uint32_t)__builtin_ctz(chunk);
    s->now.capacity = config->capacity_bytes >> s->chunk_shift;
    sim_pools_init(s);
    uint32_t root = sim_inode_new(s, true);
    assert(root == SIM_ROOT);
    (void)root;
    *out = &s->disk;
    return 0;
}

void disk_sim_free(struct disk *disk)
{
    if (!disk) return;
    struct sim *s = sim_of(disk);
    sim_pools_deinit(s);
    mem_free(s->mem, s);
}

const struct disk_sim_config *disk_sim_config(const struct disk *disk)
{
    return &((const struct sim *)disk)->config;
}

void disk_sim_set_sched(struct disk *disk, struct sched *sched)
{
    sim_of(disk)->config.sched = sched;
}

void disk_sim_set_capacity(struct disk *disk, uint64_t bytes)
{
    struct sim *s = sim_of(disk);
    s->now.capacity = bytes >> s->chunk_shift;
}

uint32_t disk_sim_microops(const struct disk *disk)
{
    return ((const struct sim *)disk)->now.seq;
}

/* ---- the rules, as text ---- */

static const struct rule {
    const char *text, *kinder, *source;
} rules[DISK_RULE_COUNT] = {{"", "", ""},
#define RULE_ROW(id, text, kinder, source) {text, kinder, source},
                            DISK_RULES(RULE_ROW)
#undef RULE_ROW
};

const char *disk_rule_text(enum disk_rule rule)
{
    return rules[rule].text;
}

const char *disk_rule_kinder(enum disk_rule rule)
{
    return rules[rule].kinder;
}

const char *disk_rule_source(enum disk_rule rule)
{
    return rules[rule].source;
}

char disk_profile_letter(enum disk_profile profile)
{
    return "VWJOP"[profile];
}
