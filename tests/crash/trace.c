#include "tests/crash/trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fault/disk_sim_state.h"

struct tracing {
    FILE *out;
    struct trial trial;
    struct run run;
    struct images *images;
    struct image_set seen;
    const struct disk_ops *plain;
    const void *handles[64]; /* of the disk that were opened as named[] */
    uint64_t skip_every, walk_max, visits, skipped;
    /* one window */
    bool compare;
    uint64_t weights, window_visits, sum;
};

/* ---- contents as numbers that another language computes as well ---- */

static uint32_t crc32_add(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    crc = ~crc;
    while (n--) {
        crc ^= *p++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xEDB88320u & -(crc & 1));
    }
    return ~crc;
}

struct reading {
    struct disk *disk;
    struct disk_dir *dir;
    uint64_t digest;
    FILE *dump; /* the files as base lines; or NULL */
};

static void dump_hex(FILE *f, const uint8_t *bytes, size_t n)
{
    if (n == 0) fputc('-', f);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%02x", bytes[i]);
}

static int read_one(void *arg, const char *name)
{
    struct reading *r = arg;
    struct disk_file *file;
    uint64_t size = 0;
    size_t got = 0;
    if (disk_open(r->dir, name, DISK_READ, SITE_OTHER_CREATE, &file)) abort();
    if (disk_size(file, &size)) abort();
    uint8_t *bytes = malloc((size_t)size + 1);
    if (!bytes || disk_read(file, 0, bytes, (size_t)size, &got)) abort();
    disk_close(file);
    uint32_t crc = crc32_add(0, name, strlen(name) + 1);
    r->digest = r->digest * 1000003 + crc32_add(crc, bytes, got) + 1;
    if (r->dump) {
        fprintf(r->dump, "base %s ", name);
        dump_hex(r->dump, bytes, got);
        fputc('\n', r->dump);
    }
    free(bytes);
    return 0;
}

static int read_dir(void *arg, const char *name)
{
    struct reading *r = arg;
    r->digest = r->digest * 1000003 + crc32_add(0, name, strlen(name) + 1) + 1;
    if (r->dump) fprintf(r->dump, "basedir %s\n", name);
    if (disk_dir_open(r->disk, name, &r->dir)) abort();
    disk_list(r->dir, read_one, r);
    disk_dir_close(r->dir);
    return 0;
}

static uint64_t read_disk(struct disk *disk, FILE *dump)
{
    struct reading r = {.disk = disk, .digest = 1, .dump = dump};
    struct disk_dir *root;
    if (disk_dir_open(disk, ".", &root)) abort();
    disk_list(root, read_dir, &r);
    disk_dir_close(root);
    return r.digest;
}

/* ---- windows ---- */

static int visit(void *arg, struct disk *disk, const struct image *image)
{
    struct tracing *t = arg;
    if (t->skip_every && ++t->skipped % t->skip_every == 0) return 0;
    t->weights += image->weight;
    t->window_visits++;
    if (!t->compare) return 0;
    struct image_entry *e = image_set_add(&t->seen, image->hash);
    if (e->value) return 0;
    e->value = 1;
    t->sum += read_disk(disk, NULL);
    return 0;
}

static void trace_images(struct tracing *t, const char *word, uint32_t call, unsigned tau,
                         uint64_t walk_max)
{
    images_open(t->images, t->run.disk, DISK_W, tau);
    uint64_t count = images_count(t->images);
    t->weights = t->window_visits = t->sum = 0;
    t->compare = count <= TRACE_SET_MAX;
    image_set_clear(&t->seen);
    if (count <= walk_max) images_walk(t->images, visit, t);
    images_close(t->images);
    fprintf(t->out, "%s %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %zu %" PRIu64 " %d\n",
            word, call, count, t->weights, t->window_visits,
            t->compare ? t->seen.count : 0, t->sum, count <= walk_max);
}

static void trace_window(struct tracing *t, uint32_t call)
{
    unsigned before = disk_sim_snapshot(t->run.disk);
    trial_disarm(t->run.disk);
    trace_images(t, "window", call, 0, t->walk_max);
    trace_images(t, "torn", call, 1,
                 t->walk_max < TRACE_TORN_MAX ? t->walk_max : TRACE_TORN_MAX);
    disk_sim_rollback(t->run.disk, before);
}

/* ---- calls ---- */

static int handle_of(struct tracing *t, const void *handle)
{
    for (int i = 0; i < 64; i++)
        if (t->handles[i] == handle) return i;
    return -1;
}

static void opened(void *arg, struct disk_dir *dir, const char *name, const void *handle)
{
    struct tracing *t = arg;
    int i = handle_of(t, handle);
    if (i < 0) i = handle_of(t, NULL);
    if (i < 0) abort();
    t->handles[i] = handle;
    if (dir)
        fprintf(t->out, "opened %d file %d %s\n", i, handle_of(t, dir), name);
    else
        fprintf(t->out, "opened %d dir %s\n", i, name);
}

/* How much of the call finds room on a full disk: it is tried, and taken back. */
static void trace_room(struct tracing *t, const struct tap_call *c)
{
    size_t put = 0;
    int rc = 0;
    unsigned before = disk_sim_snapshot(t->run.disk);
    if (c->call == CALL_WRITE)
        rc = t->plain->write(c->file, c->offset, c->bytes, c->length, c->site, &put);
    else if (c->call == CALL_ALLOCATE)
        rc = t->plain->allocate(c->file, c->offset, c->site);
    disk_sim_rollback(t->run.disk, before);
    if (rc)
        fprintf(t->out, "fail 0 0\n");
    else if (c->call == CALL_WRITE && put < c->length)
        fprintf(t->out, "fail 1 %zu\n", put);
}

static void trace_failure(struct tracing *t, const struct tap_call *c)
{
    const struct sim *s = sim_of(t->run.disk);
    if (s->now.fail_armed)
        fprintf(t->out, "fail %u %" PRIu64 "\n", s->now.fail_effect, s->now.fail_bytes);
    else if (s->now.capacity)
        trace_room(t, c);
}

static void trace_call(void *arg, const struct tap_call *c)
{
    struct tracing *t = arg;
    uint32_t ordinal = c ? c->ordinal : t->run.tap.calls;
    const struct disk_ops *tapped = disk_tap_pause(t->run.disk, t->plain);
    if (!c || tap_is_barrier(c)) trace_window(t, ordinal);
    if (c) trace_failure(t, c);
    disk_tap_resume(t->run.disk, tapped);
    if (!c) return;
    int dir = handle_of(t, c->dir);
    switch (c->call) {
    case CALL_MKDIR: fprintf(t->out, "mkdir %s\n", c->name); break;
    case CALL_RMDIR: fprintf(t->out, "rmdir %s\n", c->name); break;
    case CALL_LOCK: fprintf(t->out, "create %d %s 0\n", dir, c->name); break;
    case CALL_OPEN:
        fprintf(t->out, "create %d %s %d\n", dir, c->name, (c->offset & DISK_TRUNC) != 0);
        break;
    case CALL_RENAME: fprintf(t->out, "rename %d %s %s\n", dir, c->name, c->to); break;
    case CALL_LINK:
        fprintf(t->out, "link %d %s %d %s\n", dir, c->name, handle_of(t, c->to_dir),
                c->to);
        break;
    case CALL_UNLINK: fprintf(t->out, "unlink %d %s\n", dir, c->name); break;
    case CALL_WRITE:
        fprintf(t->out, "write %d %" PRIu64 " ", handle_of(t, c->file), c->offset);
        dump_hex(t->out, c->bytes, c->length);
        fputc('\n', t->out);
        break;
    case CALL_TRUNCATE:
    case CALL_ALLOCATE:
        fprintf(t->out, "resize %d %" PRIu64 "\n", handle_of(t, c->file), c->offset);
        break;
    case CALL_SYNC:
        if (c->dir)
            fprintf(t->out, "dirsync %d\n", handle_of(t, c->dir));
        else
            fprintf(t->out, "sync %d %d\n", handle_of(t, c->file),
                    c->offset == DISK_SYNC_DATA);
        break;
    default: abort(); /* the engine makes no other calls */
    }
}

static void trace_event(void *arg, enum run_event_kind kind)
{
    struct tracing *t = arg;
    if (kind != RUN_CUT && kind != RUN_KILLED) return;
    memset(t->handles, 0, sizeof t->handles);
    if (kind == RUN_KILLED) {
        fprintf(t->out, "killed\n");
        return;
    }
    const struct disk_ops *tapped = disk_tap_pause(t->run.disk, t->plain);
    fprintf(t->out, "cut\n");
    read_disk(t->run.disk, t->out);
    disk_tap_resume(t->run.disk, tapped);
}

/* What is open when the tape begins, found by the inodes of the handles: the directory,
 * then its files. */
static void trace_open_files(struct tracing *t)
{
    const struct sim *s = sim_of(t->run.disk);
    uint32_t dir = sim_lookup(s, SIM_ROOT, TRIAL_DIR), used = s->now.used[POOL_HANDLE];
    const struct sim_handle *of_dir = NULL;
    for (uint32_t h = 1; h < used; h++) {
        const struct sim_handle *handle = sim_item(s, POOL_HANDLE, h);
        if (!(handle->flags & HANDLE_OPEN) || handle->inode != dir) continue;
        opened(t, NULL, TRIAL_DIR, &handle->as);
        of_dir = handle;
    }
    for (uint32_t h = 1; h < used && of_dir; h++) {
        const struct sim_handle *handle = sim_item(s, POOL_HANDLE, h);
        if (!(handle->flags & HANDLE_OPEN)) continue;
        for (uint32_t c = sim_inode(s, dir)->cells; c; c = sim_cell(s, c)->next)
            if (sim_cell(s, c)->inode == handle->inode)
                opened(t, (struct disk_dir *)(uintptr_t)&of_dir->as.dir,
                       sim_cell(s, c)->name, &handle->as);
    }
}

void trace_scenario(FILE *out, const struct scenario *s, uint64_t skip_every,
                    uint64_t walk_max)
{
    struct tracing *t = calloc(1, sizeof *t);
    uint8_t tape[RUN_TAPE_BYTES];
    struct options options;
    if (!t) abort();
    scenario_options(s, &options);
    trial_init(&t->trial, &options);
    t->out = out;
    t->skip_every = skip_every;
    t->walk_max = walk_max;
    t->images = images_new(mem_libc());
    image_set_init(&t->seen);
    fprintf(out, "scenario %s\n", s->name);
    if (!run_start(&t->run, s, &t->trial, 64)) abort();
    t->plain = t->run.disk->ops;
    read_disk(t->run.disk, out);
    if (s->before) trace_open_files(t);
    t->run.on_call = trace_call;
    t->run.on_event = trace_event;
    t->run.on_opened = opened;
    t->run.opened_arg = t->run.arg = t;
    run_play(&t->run, tape, run_tape(s, tape));
    fprintf(out, "end\n");
    run_end(&t->run);
    images_free(t->images);
    image_set_deinit(&t->seen);
    trial_deinit(&t->trial);
    free(t);
}
