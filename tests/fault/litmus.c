#include "tests/fault/litmus.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fault/disk_sim_state.h"
#include "fault/images.h"

#define CHUNK    64u
#define STORE    "s"
#define TOKENS   8
#define FILE_MAX 4096
#define FLAGS    (DISK_READ | DISK_WRITE)

/* ---- sets of outcomes ---- */

static int compare_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void outcomes_add(struct outcomes *o, const char *text)
{
    for (size_t i = 0; i < o->count; i++)
        if (!strcmp(o->text[i], text)) return;
    assert(o->count < OUTCOMES_MAX && strlen(text) < OUTCOME_BYTES);
    strcpy(o->text[o->count++], text);
    qsort(o->text, o->count, OUTCOME_BYTES, compare_text);
}

void litmus_expected(const struct litmus *l, enum disk_profile profile,
                     struct outcomes *out)
{
    const char *sets[DISK_PROFILES] = {l->v, l->w, l->j, l->w, l->p};
    const char *set = sets[profile], *next;
    if (!strcmp(set, "=")) set = l->w;
    out->count = 0;
    for (; set; set = next) {
        next = strstr(set, " | ");
        char text[OUTCOME_BYTES];
        size_t n = next ? (size_t)(next - set) : strlen(set);
        assert(n < sizeof text);
        memcpy(text, set, n);
        text[n] = 0;
        outcomes_add(out, text);
        if (next) next += 3;
    }
}

bool outcomes_within(const struct outcomes *inner, const struct outcomes *outer)
{
    for (size_t i = 0; i < inner->count; i++)
        if (!bsearch(inner->text[i], outer->text, outer->count, OUTCOME_BYTES,
                     compare_text))
            return false;
    return true;
}

bool outcomes_equal(const struct outcomes *a, const struct outcomes *b)
{
    return a->count == b->count && outcomes_within(a, b);
}

static void print_beyond(const struct outcomes *a, const struct outcomes *b,
                         const char *word)
{
    for (size_t i = 0; i < a->count; i++)
        if (!bsearch(a->text[i], b->text, b->count, OUTCOME_BYTES, compare_text))
            printf("    %s: %s\n", word, a->text[i]);
}

void outcomes_print_difference(const struct outcomes *want, const struct outcomes *got)
{
    print_beyond(want, got, "missing");
    print_beyond(got, want, "extra");
}

/* ---- a running program ---- */

struct run {
    struct sched sched; /* its yield runs what stands in braces */
    struct disk *disk;
    const struct litmus *litmus;
    char wrong[OUTCOME_BYTES]; /* a call that did not answer as it should */
    const char *inner;         /* calls in braces, until they have run */
    size_t inner_length;
    unsigned yields;   /* until they run; 0: not armed */
    size_t last_limit; /* bytes of the last write that are done; P only */
    bool one_attempt;  /* the next write bypasses the shim */
};

static void run_calls(struct run *r, const char *text, size_t n, bool last);

static void yield(struct sched *sched)
{
    struct run *r = (struct run *)sched;
    if (!r->yields || --r->yields) return;
    run_calls(r, r->inner, r->inner_length, false);
}

struct words {
    char word[TOKENS][64];
    size_t count;
};

static struct words split(const char *text, size_t n)
{
    struct words w = {.count = 0};
    for (size_t i = 0; i < n;) {
        while (i < n && isspace((unsigned char)text[i]))
            i++;
        size_t start = i;
        while (i < n && !isspace((unsigned char)text[i]))
            i++;
        if (i == start) break;
        assert(w.count < TOKENS && i - start < 64);
        memcpy(w.word[w.count], text + start, i - start);
        w.word[w.count++][i - start] = 0;
    }
    return w;
}

/* "d/a" is a in directory d, "a" in the store's. */
static struct disk_dir *open_dir(struct run *r, const char *path, const char **name)
{
    const char *slash = strchr(path, '/');
    char dir_name[64] = STORE;
    if (slash) {
        memcpy(dir_name, path, (size_t)(slash - path));
        dir_name[slash - path] = 0;
    }
    *name = slash ? slash + 1 : path;
    struct disk_dir *dir = NULL;
    if (disk_dir_open(r->disk, dir_name, &dir)) return NULL;
    return dir;
}

static struct disk_file *open_path(struct run *r, const char *path, unsigned flags)
{
    const char *name;
    struct disk_dir *dir = open_dir(r, path, &name);
    struct disk_file *file = NULL;
    if (!dir) return NULL;
    if (disk_open(dir, name, flags, SITE_OTHER_CREATE, &file)) file = NULL;
    disk_dir_close(dir);
    return file;
}

/* Bytes for "XY0": a chunk a letter. */
static size_t chunks_of(const char *symbols, uint8_t *buf)
{
    size_t n = strcmp(symbols, "-") ? strlen(symbols) : 0;
    for (size_t i = 0; i < n; i++)
        memset(buf + i * CHUNK, symbols[i] == '0' ? 0 : symbols[i], CHUNK);
    return n * CHUNK;
}

/* ---- rendering ---- */

static char symbol(uint8_t byte)
{
    struct rng rng; /* the first byte of the fourth filler (R5) */
    rng_init(&rng, 0x5eed5eedu);
    if (byte == 0) return '0';
    if (byte == DISK_SIM_STALE_BYTE) return '?';
    if (byte == 0xFF) return '#';
    if (byte == (uint8_t)rng_next(&rng)) return '%';
    return isalpha(byte) ? (char)byte : '*';
}

static char *render_chunk(char *out, const uint8_t *p, size_t n)
{
    size_t same = 1;
    while (same < n && p[same] == p[0])
        same++;
    if (same == CHUNK) {
        *out++ = symbol(p[0]);
        return out;
    }
    *out++ = '(';
    for (size_t i = 0; i < n; i += same) {
        for (same = 1; i + same < n && p[i + same] == p[i]; same++)
            continue;
        out += sprintf(out, "%c%zu", symbol(p[i]), same);
    }
    *out++ = ')';
    return out;
}

static char *render_file(char *out, struct disk_file *file)
{
    uint64_t size = 0;
    disk_size(file, &size);
    for (uint64_t at = 0; at < size; at += CHUNK) {
        uint8_t chunk[CHUNK];
        size_t got;
        if (disk_read(file, at, chunk, CHUNK, &got))
            *out++ = '!';
        else
            out = render_chunk(out, chunk, got);
    }
    *out = 0;
    return out;
}

struct render {
    struct run *run;
    char *out;
    char dir[64];
    char names[16][64]; /* of files, in order */
    size_t count;
};

static int note_name(void *arg, const char *name)
{
    struct render *r = arg;
    assert(r->count < 16);
    snprintf(r->names[r->count++], 64, "%s%s", r->dir, name);
    return 0;
}

static uint32_t inode_of(struct run *run, const char *path)
{
    struct sim *s = sim_of(run->disk);
    const char *slash = strchr(path, '/');
    char dir[64] = STORE;
    if (slash) snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
    return sim_lookup(s, sim_lookup(s, SIM_ROOT, dir), slash ? slash + 1 : path);
}

static int render_dir(void *arg, const char *name)
{
    struct render *r = arg;
    struct disk_dir *dir;
    if (disk_dir_open(r->run->disk, name, &dir)) return 0;
    bool store = !strcmp(name, STORE);
    snprintf(r->dir, sizeof r->dir, "%s%s", store ? "" : name, store ? "" : "/");
    size_t before = r->count;
    disk_list(dir, note_name, r);
    disk_dir_close(dir);
    if (!store && r->count == before) r->out += sprintf(r->out, "%s ", r->dir);
    return 0;
}

static void render_files(struct render *r)
{
    for (size_t i = 0; i < r->count; i++) {
        uint32_t inode = inode_of(r->run, r->names[i]);
        bool shown = false;
        for (size_t j = 0; j < i; j++)
            shown = shown || inode_of(r->run, r->names[j]) == inode;
        if (shown) continue;
        r->out += sprintf(r->out, "%s", r->names[i]);
        for (size_t j = i + 1; j < r->count; j++)
            if (inode_of(r->run, r->names[j]) == inode)
                r->out += sprintf(r->out, "+%s", r->names[j]);
        *r->out++ = '=';
        struct disk_file *file = open_path(r->run, r->names[i], DISK_READ);
        r->out = render_file(r->out, file);
        disk_close(file);
        *r->out++ = ' ';
    }
}

static void render(struct run *run, char text[OUTCOME_BYTES])
{
    struct render r = {.run = run, .out = text};
    struct disk_dir *root;
    r.out += sprintf(r.out, "%s", run->wrong);
    disk_dir_open(run->disk, ".", &root);
    disk_list(root, render_dir, &r);
    disk_dir_close(root);
    render_files(&r);
    if (r.out == text) *r.out++ = '-';
    *r.out = 0;
    if (r.out[-1] == ' ') r.out[-1] = 0;
}

/* ---- calls ---- */

static int do_write(struct run *r, const char *path, uint64_t offset, const uint8_t *buf,
                    size_t n, bool last)
{
    struct disk_file *file = open_path(r, path, FLAGS);
    if (!file) return -ENOENT;
    if (last && n > r->last_limit) n = r->last_limit;
    size_t put = 0;
    int e = r->one_attempt /* the shim would go on after a short write */
                ? file->disk->ops->write(file, offset, buf, n, SITE_OTHER_WRITE, &put)
                : disk_write(file, offset, buf, n, SITE_OTHER_WRITE, &put);
    r->one_attempt = false;
    disk_close(file);
    return e;
}

static int do_create(struct run *r, const char *path)
{
    struct disk_file *file = open_path(r, path, FLAGS | DISK_CREATE);
    if (!file) return -EIO;
    disk_close(file);
    return 0;
}

static int do_syncdir(struct run *r, const char *name)
{
    struct disk_dir *dir;
    int e = disk_dir_open(r->disk, name, &dir);
    if (e) return e;
    e = disk_dir_sync(dir, SITE_OTHER_DIRSYNC);
    disk_dir_close(dir);
    return e;
}

static int do_sync(struct run *r, const char *path, enum disk_sync_mode mode)
{
    struct disk_file *file = open_path(r, path, FLAGS);
    if (!file) return -ENOENT;
    if (r->inner) r->yields = 2; /* before the call, and between entry and return */
    int e = disk_sync(file, mode, SITE_OTHER_SYNC);
    r->inner = NULL;
    disk_close(file);
    return e;
}

/* durable a=XY */
static int do_durable(struct run *r, const char *text)
{
    char path[64];
    uint8_t buf[FILE_MAX];
    const char *equals = strchr(text, '=');
    snprintf(path, sizeof path, "%.*s", (int)(equals - text), text);
    size_t n = equals[1] ? chunks_of(equals + 1, buf) : 0;
    int e = do_create(r, path);
    if (!e && n) e = do_write(r, path, 0, buf, n, false);
    if (!e) e = do_sync(r, path, DISK_SYNC_FULL);
    disk_sim_settle(r->disk);
    return e;
}

static int do_read(struct run *r, const char *path, const char *want)
{
    char got[FILE_MAX] = "";
    struct disk_file *file = open_path(r, path, DISK_READ);
    if (!file) return -ENOENT;
    render_file(got, file);
    disk_close(file);
    if (!strcmp(got, strcmp(want, "-") ? want : "")) return 0;
    snprintf(r->wrong, sizeof r->wrong, "(read %s: %.40s) ", path, got);
    return 0;
}

static int do_name(struct run *r, const char *call, const char *from, const char *to)
{
    const char *name, *to_name = to;
    struct disk_dir *dir = open_dir(r, from, &name);
    struct disk_dir *to_dir = to ? open_dir(r, to, &to_name) : NULL;
    int e = -EINVAL;
    if (!strcmp(call, "rename")) e = disk_rename(dir, name, to_name, SITE_OTHER_RENAME);
    if (!strcmp(call, "link")) e = disk_link(dir, name, to_dir, to_name, SITE_OTHER_LINK);
    if (!strcmp(call, "unlink")) e = disk_unlink(dir, name, SITE_OTHER_UNLINK);
    if (to_dir) disk_dir_close(to_dir);
    disk_dir_close(dir);
    return e;
}

static int do_resize(struct run *r, const char *call, const char *path, uint64_t size)
{
    struct disk_file *file = open_path(r, path, FLAGS);
    if (!file) return -ENOENT;
    int e = *call == 'a' ? disk_allocate(file, size, SITE_OTHER_ALLOCATE)
                         : disk_truncate(file, size, SITE_OTHER_TRUNCATE);
    disk_close(file);
    return e;
}

static uint64_t size_of(struct run *r, const char *path)
{
    uint64_t size = 0;
    struct disk_file *file = open_path(r, path, FLAGS);
    if (file) disk_size(file, &size);
    if (file) disk_close(file);
    return size;
}

static int damage(struct run *r, const char *call, const struct words *w)
{
    static const char *const names[] = {"flip", "zero", "stale", "swap", "eio"};
    uint64_t at = strtoull(w->word[2], NULL, 10) * CHUNK, arg = 0;
    if (w->count > 3) arg = strtoull(w->word[3], NULL, 10) * CHUNK;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(call, names[i]))
            return disk_sim_damage(r->disk, STORE, w->word[1], (enum disk_sim_damage)i,
                                   at, arg);
    return -EINVAL;
}

static int do_cut(struct run *r, const char *survivors)
{
    bool all = !strcmp(survivors, "all");
    disk_sim_power_cut(r->disk, all ? DISK_SURVIVE_ALL : DISK_SURVIVE_NONE, NULL);
    return 0;
}

static int call_file(struct run *r, const struct words *w, bool last)
{
    const char *call = w->word[0], *path = w->word[1];
    const char *first = w->word[2], *second = w->word[3], *third = w->word[4];
    uint8_t buf[FILE_MAX];
    if (!strcmp(call, "create")) return do_create(r, path);
    if (!strcmp(call, "durable")) return do_durable(r, path);
    if (!strcmp(call, "read")) return do_read(r, path, first);
    if (!strcmp(call, "fsync")) return do_sync(r, path, DISK_SYNC_FULL);
    if (!strcmp(call, "fdatasync")) return do_sync(r, path, DISK_SYNC_DATA);
    if (!strcmp(call, "append"))
        return do_write(r, path, size_of(r, path), buf, chunks_of(first, buf), last);
    uint64_t number = strtoull(first, NULL, 10);
    if (!strcmp(call, "write"))
        return do_write(r, path, number * CHUNK, buf, chunks_of(second, buf), last);
    if (!strcmp(call, "truncate") || !strcmp(call, "allocate"))
        return do_resize(r, call, path, number * CHUNK);
    if (!strcmp(call, "truncateb")) return do_resize(r, call, path, number);
    if (strcmp(call, "writeb")) return damage(r, call, w);
    size_t n = strtoull(second, NULL, 10);
    memset(buf, *third == '0' ? 0 : *third, n);
    return do_write(r, path, number, buf, n, last);
}

static int call_one(struct run *r, const struct words *w, bool last)
{
    const char *call = w->word[0];
    if (!strcmp(call, "mkdir")) return disk_mkdir(r->disk, w->word[1], SITE_OTHER_MKDIR);
    if (!strcmp(call, "rmdir")) return disk_rmdir(r->disk, w->word[1], SITE_OTHER_RMDIR);
    if (!strcmp(call, "syncroot")) return do_syncdir(r, ".");
    if (!strcmp(call, "syncdir")) return do_syncdir(r, w->count > 1 ? w->word[1] : STORE);
    if (!strcmp(call, "cut")) return do_cut(r, w->word[1]);
    if (!strcmp(call, "kill")) {
        disk_sim_process_crash(r->disk);
        return 0;
    }
    if (!strcmp(call, "rename") || !strcmp(call, "link"))
        return do_name(r, call, w->word[1], w->word[2]);
    if (!strcmp(call, "unlink")) return do_name(r, call, w->word[1], NULL);
    return call_file(r, w, last);
}

/* Takes "none!" and the like off the front and arms it. Returns the errno to expect. */
static int arm(struct run *r, struct words *w)
{
    static const char *const names[] = {"none!", "part!", "full!", "short!"};
    static const enum disk_sim_effect effects[] = {DISK_EFFECT_NONE, DISK_EFFECT_PARTIAL,
                                                   DISK_EFFECT_FULL, DISK_EFFECT_SHORT};
    size_t skip = 0;
    int want = 0;
    if (!strcmp(w->word[0], "nospc!")) {
        skip = 1;
        want = -ENOSPC;
    }
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(w->word[0], names[i])) continue;
        bool number =
            effects[i] == DISK_EFFECT_PARTIAL || effects[i] == DISK_EFFECT_SHORT;
        skip = number ? 2 : 1;
        want = effects[i] == DISK_EFFECT_SHORT ? 0 : -EIO;
        r->one_attempt = effects[i] == DISK_EFFECT_SHORT;
        disk_sim_fail_next(r->disk, effects[i], EIO,
                           number ? strtoull(w->word[1], NULL, 10) : 0);
    }
    w->count -= skip;
    memmove(w->word, w->word + skip, w->count * sizeof *w->word);
    return want;
}

static void run_call(struct run *r, const char *text, size_t n, bool last)
{
    const char *brace = memchr(text, '{', n);
    if (brace) {
        const char *end = memchr(brace, '}', n - (size_t)(brace - text));
        r->inner = brace + 1;
        r->inner_length = (size_t)(end - brace - 1);
        n = (size_t)(brace - text);
    }
    struct words w = split(text, n);
    if (!w.count) return;
    if (strchr(w.word[0], '!')) last = false; /* its part is chosen already */
    int want = arm(r, &w), e = call_one(r, &w, last);
    if (e != want)
        snprintf(r->wrong, sizeof r->wrong, "(%s: %s) ", w.word[0], strerror(-e));
}

/* Braces may hold several calls: a ';' inside them does not end the outer one. */
static void run_calls(struct run *r, const char *text, size_t n, bool last)
{
    const char *end = text + n;
    while (text < end) {
        const char *stop = text;
        int depth = 0;
        for (; stop < end && (*stop != ';' || depth); stop++)
            depth += (*stop == '{') - (*stop == '}');
        run_call(r, text, (size_t)(stop - text), last && stop == end);
        text = stop + 1;
    }
}

/* ---- one program ---- */

static void run_new(struct run *r, const struct litmus *l, enum disk_profile profile,
                    uint32_t kinder)
{
    struct disk_sim_config c;
    disk_sim_config_init(&c);
    c.chunk_bytes = CHUNK;
    c.profile = profile;
    c.tau = l->tau;
    c.capacity_bytes = (uint64_t)l->capacity * CHUNK;
    c.full = l->full;
    c.cache = l->cache;
    c.kinder = kinder;
    *r = (struct run){.sched = {.yield = yield}, .litmus = l, .last_limit = FILE_MAX};
    c.sched = &r->sched;
    int e = disk_sim_new(mem_libc(), &c, &r->disk);
    assert(!e);
    e = disk_mkdir(r->disk, STORE, SITE_OTHER_MKDIR);
    assert(!e);
    disk_sim_settle(r->disk);
}

struct collect {
    struct run *run;
    struct outcomes *out;
    uint64_t weight;
    bool wrong;
};

static int collect(void *arg, struct disk *disk, const struct image *image)
{
    struct collect *c = arg;
    char text[4 * OUTCOME_BYTES];
    uint64_t hash[2];
    disk_sim_hash_visible(disk, hash);
    c->wrong = c->wrong || hash[0] != image->hash[0] || hash[1] != image->hash[1];
    c->weight += image->weight;
    render(c->run, text);
    outcomes_add(c->out, text);
    return 0;
}

/* A kill may strike inside the last call: a write has done any number of its chunks. */
static void run_killed(const struct litmus *l, uint32_t kinder, struct outcomes *out)
{
    for (size_t limit = 0; limit <= 4 * CHUNK; limit += CHUNK) {
        struct run r;
        char text[4 * OUTCOME_BYTES];
        run_new(&r, l, DISK_P, kinder);
        r.last_limit = limit;
        run_calls(&r, l->program, strlen(l->program), true);
        disk_sim_process_crash(r.disk);
        render(&r, text);
        outcomes_add(out, text);
        disk_sim_free(r.disk);
    }
}

bool litmus_run(const struct litmus *l, enum disk_profile profile, uint32_t kinder,
                struct outcomes *out)
{
    out->count = 0;
    if (profile == DISK_P) {
        run_killed(l, kinder, out);
        return true;
    }
    struct run r;
    run_new(&r, l, profile, kinder);
    run_calls(&r, l->program, strlen(l->program), false);
    struct collect c = {.run = &r, .out = out};
    struct images *im = images_new(mem_libc());
    images_open(im, r.disk, profile, l->tau);
    images_walk(im, collect, &c);
    bool right = !c.wrong && c.weight == images_count(im);
    images_close(im);
    images_free(im);
    disk_sim_free(r.disk);
    return right;
}
