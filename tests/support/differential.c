#include "tests/support/differential.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault/disk_posix.h"
#include "fault/disk_sim.h"
#include "fault/rng.h"

#define DIRS      3 /* handles that may be open at once; slot 0 is the root */
#define FILES     4
#define CALLS_MIN 4
#define CALLS_MAX 24
#define BYTES_MAX 600

/* One disk of the pair. */
struct side {
    struct disk *disk;
    struct disk_dir *dir[DIRS];
    struct disk_file *file[FILES];
};

struct pair {
    struct differential *d;
    struct rng rng;
    uint64_t first, seed; /* of the run, of the sequence */
    bool differed;
    struct side side[2]; /* posix, sim */
};

/* ---- saying what differs ---- */

__attribute__((format(printf, 2, 3))) static void differ(struct pair *p, const char *form,
                                                         ...)
{
    if (p->differed) return;
    p->differed = true;
    va_list args;
    va_start(args, form);
    printf("  seed %llu: ", (unsigned long long)p->seed);
    vprintf(form, args);
    printf("\n    alone: make differential SEED=%llu N=1; if it passes alone, what came "
           "before counts: SEED=%llu N=%llu\n",
           (unsigned long long)p->seed, (unsigned long long)p->first,
           (unsigned long long)(p->seed - p->first + 1));
    va_end(args);
}

/* What both sides answered to one call. */
static bool answered(struct pair *p, const int e[2], const char *call, const char *name)
{
    p->d->calls++;
    p->d->succeeded += e[0] == 0;
    if (p->d->verbose) printf("  %s %s = %d\n", call, name, e[0]);
    if (e[0] != e[1])
        differ(p, "%s %s: the real disk answers %d, the simulated one %d", call, name,
               e[0], e[1]);
    return e[0] == 0 && e[1] == 0;
}

/* ---- choices ---- */

static unsigned below(struct pair *p, unsigned n)
{
    return (unsigned)rng_below(&p->rng, n);
}

static const char *some_name(struct pair *p)
{
    static const char *const names[] = {"a", "b", "c", "d", "a longer name"};
    return names[below(p, sizeof names / sizeof *names)];
}

/* Offsets and sizes that fall on, before and behind the ends of chunks. */
static uint64_t some_offset(struct pair *p)
{
    static const unsigned edges[] = {0, 1, 63, 64, 65, 127, 128, 192, 300, 512, 4096};
    if (below(p, 3)) return edges[below(p, sizeof edges / sizeof *edges)];
    return below(p, BYTES_MAX);
}

static unsigned open_dir(struct pair *p)
{
    unsigned i = below(p, DIRS);
    return p->side[0].dir[i] ? i : 0;
}

/* A slot with an open file; FILES when there is none. */
static unsigned open_file(struct pair *p)
{
    unsigned start = below(p, FILES);
    for (unsigned i = 0; i < FILES; i++)
        if (p->side[0].file[(start + i) % FILES]) return (start + i) % FILES;
    return FILES;
}

/* ---- calls on directories ---- */

static void call_mkdir(struct pair *p)
{
    const char *name = some_name(p);
    int e[2];
    for (int i = 0; i < 2; i++)
        e[i] = disk_mkdir(p->side[i].disk, name, SITE_OTHER_MKDIR);
    answered(p, e, "mkdir", name);
}

static void call_rmdir(struct pair *p)
{
    const char *name = some_name(p);
    int e[2];
    for (int i = 0; i < 2; i++)
        e[i] = disk_rmdir(p->side[i].disk, name, SITE_OTHER_RMDIR);
    answered(p, e, "rmdir", name);
}

static void call_dir_open(struct pair *p)
{
    const char *name = below(p, 6) ? some_name(p) : ".";
    unsigned slot = 1 + below(p, DIRS - 1);
    int e[2];
    for (int i = 0; i < 2; i++) {
        struct disk_dir *dir = NULL;
        e[i] = disk_dir_open(p->side[i].disk, name, &dir);
        if (e[i]) continue;
        if (p->side[i].dir[slot]) disk_dir_close(p->side[i].dir[slot]);
        p->side[i].dir[slot] = dir;
    }
    answered(p, e, "dir_open", name);
}

static void call_dir_sync(struct pair *p)
{
    unsigned dir = open_dir(p);
    int e[2];
    for (int i = 0; i < 2; i++)
        e[i] = disk_dir_sync(p->side[i].dir[dir], SITE_OTHER_DIRSYNC);
    answered(p, e, "dir_sync", "");
}

struct listed {
    char text[512];
};

static int list_name(void *arg, const char *name)
{
    struct listed *l = arg;
    size_t n = strlen(l->text);
    snprintf(l->text + n, sizeof l->text - n, "%s|", name);
    return 0;
}

static void compare_listing(struct pair *p, unsigned dir)
{
    struct listed l[2] = {{""}, {""}};
    int e[2];
    for (int i = 0; i < 2; i++)
        e[i] = disk_list(p->side[i].dir[dir], list_name, &l[i]);
    answered(p, e, "list", l[0].text);
    if (strcmp(l[0].text, l[1].text))
        differ(p, "list: real \"%s\", simulated \"%s\"", l[0].text, l[1].text);
}

static void call_rename(struct pair *p)
{
    unsigned dir = open_dir(p);
    const char *from = some_name(p), *to = some_name(p);
    int e[2];
    for (int i = 0; i < 2; i++)
        e[i] = disk_rename(p->side[i].dir[dir], from, to, SITE_OTHER_RENAME);
    answered(p, e, "rename", from);
}

static void call_link(struct pair *p)
{
    unsigned dir = open_dir(p), to_dir = open_dir(p);
    const char *from = some_name(p), *to = some_name(p);
    int e[2];
    for (int i = 0; i < 2; i++) {
        struct side *s = &p->side[i];
        e[i] = disk_link(s->dir[dir], from, s->dir[to_dir], to, SITE_OTHER_LINK);
    }
    answered(p, e, "link", from);
}

static void call_unlink(struct pair *p)
{
    unsigned dir = open_dir(p);
    const char *name = some_name(p);
    int e[2];
    for (int i = 0; i < 2; i++)
        e[i] = disk_unlink(p->side[i].dir[dir], name, SITE_OTHER_UNLINK);
    answered(p, e, "unlink", name);
}

/* ---- calls on files ---- */

static void keep_file(struct side *s, unsigned slot, struct disk_file *file)
{
    if (s->file[slot]) disk_close(s->file[slot]);
    s->file[slot] = file;
}

static void call_lock(struct pair *p)
{
    unsigned dir = open_dir(p), slot = below(p, FILES);
    const char *name = some_name(p);
    int e[2];
    for (int i = 0; i < 2; i++) {
        struct disk_file *file;
        e[i] = disk_lock(p->side[i].dir[dir], name, SITE_OTHER_LOCK, &file);
        if (!e[i]) keep_file(&p->side[i], slot, file);
    }
    answered(p, e, "lock", name);
}

static unsigned some_flags(struct pair *p)
{
    unsigned flags = 1 + below(p, 3); /* read, write, both */
    if (below(p, 4)) flags |= DISK_CREATE;
    if (flags & DISK_CREATE && !below(p, 5)) flags |= DISK_EXCL;
    if (flags & DISK_WRITE && !below(p, 6)) flags |= DISK_TRUNC;
    return flags;
}

static void call_open(struct pair *p)
{
    unsigned dir = open_dir(p), slot = below(p, FILES), flags = some_flags(p);
    const char *name = some_name(p);
    int e[2];
    for (int i = 0; i < 2; i++) {
        struct disk_file *file;
        e[i] = disk_open(p->side[i].dir[dir], name, flags, SITE_OTHER_CREATE, &file);
        if (!e[i]) keep_file(&p->side[i], slot, file);
    }
    answered(p, e, "open", name);
}

static void call_close(struct pair *p, unsigned file)
{
    for (int i = 0; i < 2; i++) {
        if (p->side[i].file[file]) disk_close(p->side[i].file[file]);
        p->side[i].file[file] = NULL;
    }
}

static void compare_bytes(struct pair *p, unsigned file, uint64_t offset, size_t n)
{
    static uint8_t buf[2][8192];
    size_t got[2] = {0, 0};
    int e[2];
    assert(n <= sizeof buf[0]);
    for (int i = 0; i < 2; i++)
        e[i] = disk_read(p->side[i].file[file], offset, buf[i], n, &got[i]);
    if (!answered(p, e, "read", "")) return;
    if (got[0] != got[1])
        differ(p, "read at %llu: %zu bytes on the real disk, %zu on the simulated one",
               (unsigned long long)offset, got[0], got[1]);
    else if (memcmp(buf[0], buf[1], got[0]))
        differ(p, "read at %llu: the bytes differ", (unsigned long long)offset);
}

static void call_read(struct pair *p, unsigned file)
{
    uint64_t offset = some_offset(p);
    compare_bytes(p, file, offset, 1 + below(p, BYTES_MAX));
}

static void call_write(struct pair *p, unsigned file)
{
    uint8_t bytes[BYTES_MAX];
    uint64_t offset = some_offset(p);
    size_t n = 1 + below(p, below(p, 4) ? 100 : BYTES_MAX - 1), put[2] = {0, 0};
    memset(bytes, 'a' + (int)below(p, 26), n);
    int e[2];
    for (int i = 0; i < 2; i++)
        e[i] = disk_write(p->side[i].file[file], offset, bytes, n, SITE_OTHER_WRITE,
                          &put[i]);
    answered(p, e, "write", "");
    if (put[0] != put[1]) differ(p, "write: %zu and %zu bytes", put[0], put[1]);
}

static void call_sync(struct pair *p, unsigned file)
{
    enum disk_sync_mode mode = below(p, 2) ? DISK_SYNC_DATA : DISK_SYNC_FULL;
    int e[2];
    for (int i = 0; i < 2; i++)
        e[i] = disk_sync(p->side[i].file[file], mode, SITE_OTHER_SYNC);
    answered(p, e, "sync", "");
}

static void compare_sizes(struct pair *p, unsigned file)
{
    uint64_t size[2] = {0, 0};
    int e[2];
    for (int i = 0; i < 2; i++)
        e[i] = disk_size(p->side[i].file[file], &size[i]);
    answered(p, e, "size", "");
    if (size[0] != size[1])
        differ(p, "size: %llu and %llu", (unsigned long long)size[0],
               (unsigned long long)size[1]);
}

static void call_truncate(struct pair *p, unsigned file)
{
    uint64_t size = some_offset(p);
    int e[2];
    for (int i = 0; i < 2; i++)
        e[i] = disk_truncate(p->side[i].file[file], size, SITE_OTHER_TRUNCATE);
    answered(p, e, "truncate", "");
}

static void call_allocate(struct pair *p, unsigned file)
{
    uint64_t size = some_offset(p);
    int e[2];
    for (int i = 0; i < 2; i++)
        e[i] = disk_allocate(p->side[i].file[file], size, SITE_OTHER_ALLOCATE);
    answered(p, e, "allocate", "");
}

/* ---- a sequence ---- */

static void some_name_call(struct pair *p)
{
    switch (below(p, 12)) {
    case 0: call_mkdir(p); return;
    case 1: call_rmdir(p); return;
    case 2:
    case 3: call_dir_open(p); return;
    case 4: call_dir_sync(p); return;
    case 5: compare_listing(p, open_dir(p)); return;
    case 6:
    case 7: call_rename(p); return;
    case 8: call_link(p); return;
    case 9:
    case 10: call_unlink(p); return;
    default: call_lock(p); return;
    }
}

static void some_file_call(struct pair *p, unsigned file)
{
    switch (below(p, 12)) {
    case 0:
    case 1:
    case 2:
    case 3: call_write(p, file); return;
    case 4:
    case 5: call_read(p, file); return;
    case 6: call_sync(p, file); return;
    case 7: compare_sizes(p, file); return;
    case 8:
    case 9: call_truncate(p, file); return;
    case 10: call_allocate(p, file); return;
    default: call_close(p, file); return;
    }
}

static void some_call(struct pair *p)
{
    unsigned file = open_file(p), kind = below(p, 10);
    if (kind < 2)
        call_open(p);
    else if (kind < 5 || file == FILES)
        some_name_call(p);
    else
        some_file_call(p, file);
}

/* Every file below the directory, opened anew and compared whole, then removed. */
static void compare_and_remove(struct pair *p, unsigned dir)
{
    struct listed names = {""};
    compare_listing(p, dir);
    if (p->differed || disk_list(p->side[0].dir[dir], list_name, &names)) return;
    for (char *name = strtok(names.text, "|"); name; name = strtok(NULL, "|")) {
        int e[2];
        for (int i = 0; i < 2; i++) {
            struct disk_file *file;
            e[i] =
                disk_open(p->side[i].dir[dir], name, DISK_READ, SITE_OTHER_CREATE, &file);
            if (!e[i]) keep_file(&p->side[i], 0, file);
        }
        if (!answered(p, e, "open at the end", name)) continue;
        compare_sizes(p, 0);
        compare_bytes(p, 0, 0, 8192);
        call_close(p, 0);
        for (int i = 0; i < 2; i++)
            disk_unlink(p->side[i].dir[dir], name, SITE_OTHER_UNLINK);
    }
}

static void close_all(struct pair *p)
{
    for (unsigned f = 0; f < FILES; f++)
        call_close(p, f);
    for (int i = 0; i < 2; i++)
        for (unsigned d = 1; d < DIRS; d++) {
            if (p->side[i].dir[d]) disk_dir_close(p->side[i].dir[d]);
            p->side[i].dir[d] = NULL;
        }
}

/* Compares everything that is left and leaves both disks empty. */
static void end_sequence(struct pair *p)
{
    struct listed names = {""};
    close_all(p);
    compare_and_remove(p, 0);
    disk_list(p->side[0].dir[0], list_name, &names);
    char *rest = names.text, *name;
    while ((name = strsep(&rest, "|")) && *name) { /* directories are left */
        for (int i = 0; i < 2; i++)
            disk_dir_open(p->side[i].disk, name, &p->side[i].dir[1]);
        if (p->side[0].dir[1] && p->side[1].dir[1]) compare_and_remove(p, 1);
        close_all(p);
        for (int i = 0; i < 2; i++)
            disk_rmdir(p->side[i].disk, name, SITE_OTHER_RMDIR);
    }
}

static void empty_by_force(const char *path)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s/*", path);
    if (system(command)) printf("  cannot empty %s\n", path);
}

static void run_sequence(struct pair *p, const char *path)
{
    unsigned snapshot = disk_sim_snapshot(p->side[1].disk);
    unsigned calls = CALLS_MIN + below(p, CALLS_MAX - CALLS_MIN);
    for (unsigned i = 0; i < calls && !p->differed; i++)
        some_call(p);
    disk_sim_check(p->side[1].disk);
    end_sequence(p);
    if (p->differed) empty_by_force(path);
    /* Half of the time the simulated disk goes on with a history behind it. */
    if (p->seed % 2 && !p->differed)
        disk_sim_keep(p->side[1].disk, snapshot);
    else
        disk_sim_rollback(p->side[1].disk, snapshot);
    p->d->failures += p->differed;
    p->d->sequences++;
}

static int open_disks(struct pair *p, const char *path)
{
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    config.chunk_bytes = 64;
    int e = disk_posix_new(mem_libc(), path, &p->side[0].disk);
    if (!e) e = disk_sim_new(mem_libc(), &config, &p->side[1].disk);
    for (int i = 0; i < 2 && !e; i++)
        e = disk_dir_open(p->side[i].disk, ".", &p->side[i].dir[0]);
    return e;
}

bool differential_run(struct differential *d, const char *scratch, uint64_t seed,
                      uint64_t sequences, uint64_t progress)
{
    char path[128];
    struct pair p = {.d = d, .first = seed};
    snprintf(path, sizeof path, "%s/differential.XXXXXX", scratch);
    if (!mkdtemp(path) || open_disks(&p, path)) return false;
    for (uint64_t i = 0; i < sequences; i++) {
        p.seed = seed + i;
        p.differed = false;
        rng_init(&p.rng, p.seed);
        run_sequence(&p, path);
        if (progress && i % progress == progress - 1) {
            putchar('.');
            fflush(stdout);
        }
    }
    for (int i = 0; i < 2; i++)
        disk_dir_close(p.side[i].dir[0]);
    disk_posix_free(p.side[0].disk);
    disk_sim_free(p.side[1].disk);
    return rmdir(path) == 0;
}
