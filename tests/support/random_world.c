#include "tests/support/random_world.h"

#include <errno.h>
#include <string.h>

#include "tests/support/check.h"

#define CHUNK 64

static const char *const names[] = {"a", "b", "c"};

static const char *some_name(struct random_world *w)
{
    return names[rng_below(&w->rng, 3)];
}

static struct disk_dir *some_dir(struct random_world *w)
{
    struct disk_dir *d = w->dir[1 + rng_below(&w->rng, 2)];
    return d ? d : w->dir[1];
}

static uint64_t some_offset(struct random_world *w)
{
    uint64_t chunk = rng_below(&w->rng, 3) * CHUNK;
    return rng_below(&w->rng, 3) ? chunk : chunk + rng_below(&w->rng, CHUNK);
}

static void change_file(struct random_world *w, struct disk_file *file)
{
    uint8_t bytes[2 * CHUNK];
    memset(bytes, (int)('A' + rng_below(&w->rng, 26)), sizeof bytes);
    size_t n = rng_below(&w->rng, 2) ? CHUNK : 1 + rng_below(&w->rng, 2 * CHUNK);
    switch (rng_below(&w->rng, 10)) {
    case 0:
    case 1:
    case 2:
    case 3: disk_write(file, some_offset(w), bytes, n, SITE_OTHER_WRITE, NULL); return;
    case 4: disk_truncate(file, some_offset(w), SITE_OTHER_TRUNCATE); return;
    case 5: disk_allocate(file, some_offset(w), SITE_OTHER_ALLOCATE); return;
    case 6:
        disk_sim_fail_next(w->disk, DISK_EFFECT_NONE, EIO, 0);
        disk_sync(file, DISK_SYNC_FULL, SITE_OTHER_SYNC);
        return;
    case 7: disk_sync(file, DISK_SYNC_DATA, SITE_OTHER_SYNC); return;
    default: disk_sync(file, DISK_SYNC_FULL, SITE_OTHER_SYNC); return;
    }
}

static void change_bytes(struct random_world *w)
{
    struct disk_file *file;
    unsigned flags = DISK_READ | DISK_WRITE;
    if (rng_below(&w->rng, 2)) flags |= DISK_CREATE;
    if (disk_open(some_dir(w), some_name(w), flags, SITE_OTHER_CREATE, &file)) return;
    change_file(w, file);
    disk_close(file);
}

static void change_names(struct random_world *w)
{
    struct disk_dir *dir = some_dir(w);
    switch (rng_below(&w->rng, 8)) {
    case 0:
    case 1: disk_rename(dir, some_name(w), some_name(w), SITE_OTHER_RENAME); return;
    case 2:
        disk_link(dir, some_name(w), some_dir(w), some_name(w), SITE_OTHER_LINK);
        return;
    case 3: disk_unlink(dir, some_name(w), SITE_OTHER_UNLINK); return;
    case 4: disk_dir_sync(dir, SITE_OTHER_DIRSYNC); return;
    case 5: disk_dir_sync(w->dir[0], SITE_OTHER_DIRSYNC); return;
    case 6:
        disk_sim_fail_next(w->disk, DISK_EFFECT_NONE, EIO, 0);
        disk_dir_sync(dir, SITE_OTHER_DIRSYNC);
        return;
    default:
        if (w->dir[2]) return;
        disk_mkdir(w->disk, "d", SITE_OTHER_MKDIR);
        disk_dir_open(w->disk, "d", &w->dir[2]);
    }
}

static void reopen_dirs(struct random_world *w)
{
    disk_dir_open(w->disk, ".", &w->dir[0]);
    w->dir[1] = w->dir[2] = NULL;
    disk_dir_open(w->disk, "s", &w->dir[1]);
    disk_dir_open(w->disk, "d", &w->dir[2]);
}

struct random_world random_world(uint64_t seed)
{
    struct random_world w = {.disk = NULL};
    struct disk_sim_config config;
    rng_init(&w.rng, seed);
    disk_sim_config_init(&config);
    config.chunk_bytes = CHUNK;
    config.cache = (enum disk_sim_cache)rng_below(&w.rng, 2);
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &w.disk), 0);
    disk_mkdir(w.disk, "s", SITE_OTHER_MKDIR);
    disk_sim_settle(w.disk);
    reopen_dirs(&w);
    uint64_t calls = 2 + rng_below(&w.rng, 14), settle = rng_below(&w.rng, calls);
    for (uint64_t i = 0; i < calls; i++) {
        if (i == settle) disk_sim_settle(w.disk);
        if (rng_below(&w.rng, 3))
            change_bytes(&w);
        else
            change_names(&w);
        if (rng_below(&w.rng, 12) == 0) {
            disk_sim_process_crash(w.disk);
            reopen_dirs(&w);
        }
        if (rng_below(&w.rng, 24) == 0) {
            disk_sim_power_cut(w.disk, DISK_SURVIVE_RANDOM, &w.rng);
            reopen_dirs(&w);
        }
        disk_sim_check(w.disk);
    }
    return w;
}
