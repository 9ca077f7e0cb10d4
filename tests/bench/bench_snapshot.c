/* make bench-snapshot: what a crash explorer pays for the simulated disk, per image.
 *
 * A store of 20 KiB in 64-byte chunks: snapshot, one call that changes something, back.
 * Then all images of a window of twenty pending chunks, with a callback that does nothing,
 * and with one that reads the whole store as a recovery would. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault/clock.h"
#include "fault/disk_sim.h"
#include "fault/images.h"

#define STORE_BYTES 20480
#define FILES       5
#define LIMIT       200000.0

static struct disk *disk;
static struct disk_dir *root;
static struct disk_file *files[FILES];

static void check(int e)
{
    if (!e) return;
    fprintf(stderr, "a call on the simulated disk failed: %s\n", strerror(-e));
    exit(1);
}

static void make_store(void)
{
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    config.chunk_bytes = 64;
    check(disk_sim_new(mem_libc(), &config, &disk));
    check(disk_dir_open(disk, ".", &root));
    for (int i = 0; i < FILES; i++) {
        char name[16], bytes[STORE_BYTES / FILES];
        snprintf(name, sizeof name, "%06d.sst", i);
        memset(bytes, 'a' + i, sizeof bytes);
        check(disk_open(root, name, DISK_READ | DISK_WRITE | DISK_CREATE,
                        SITE_OTHER_CREATE, &files[i]));
        check(disk_write(files[i], 0, bytes, sizeof bytes, SITE_OTHER_WRITE, NULL));
    }
    disk_sim_settle(disk);
}

static double seconds(void)
{
    return (double)clock_mono_us(clock_real()) / 1e6;
}

static double snapshots_a_second(void)
{
    const int n = 2000000;
    char record[40] = "one record of a log";
    double start = seconds();
    for (int i = 0; i < n; i++) {
        unsigned snapshot = disk_sim_snapshot(disk);
        check(disk_write(files[i % FILES], (uint64_t)(i % 4000), record, sizeof record,
                         SITE_OTHER_WRITE, NULL));
        disk_sim_rollback(disk, snapshot);
    }
    return n / (seconds() - start);
}

static int nothing(void *arg, struct disk *d, const struct image *image)
{
    (void)d;
    *(uint64_t *)arg ^= image->hash[0];
    return 0;
}

/* About what opening a store does: a lock, a listing, files read whole. */
static int name(void *arg, const char *text)
{
    *(uint64_t *)arg += (uint8_t)*text;
    return 0;
}

static int read_store(void *arg, struct disk *d, const struct image *image)
{
    struct disk_dir *dir;
    struct disk_file *file;
    uint8_t buf[STORE_BYTES];
    (void)image;
    check(disk_dir_open(d, ".", &dir));
    check(disk_lock(dir, "LOCK", SITE_OTHER_LOCK, &file));
    check(disk_list(dir, name, arg));
    for (int i = 0; i < FILES; i++) {
        char text[] = "000000.sst";
        size_t got;
        text[5] = (char)('0' + i);
        check(disk_open(dir, text, DISK_READ, SITE_OTHER_CREATE, &file));
        for (size_t at = 0; at < STORE_BYTES / FILES; at += 1024) {
            check(disk_read(file, at, buf, 1024, &got));
            *(uint64_t *)arg ^= buf[got / 2];
        }
        disk_close(file);
    }
    disk_dir_close(dir);
    return 0;
}

/* What a recovery that writes one record costs when it is crashed again. */
static int crash_again(void *arg, struct disk *d, const struct image *image)
{
    struct disk_dir *dir;
    struct disk_file *file;
    (void)image;
    check(disk_dir_open(d, ".", &dir));
    check(disk_open(dir, "000000.sst", DISK_WRITE, SITE_OTHER_CREATE, &file));
    check(disk_write(file, 100, "record", 6, SITE_OTHER_WRITE, NULL));
    images_open(arg, d, DISK_W, 0);
    images_close(arg);
    disk_close(file);
    disk_dir_close(dir);
    return 0;
}

static double images_a_second(image_fn *fn, void *arg, int chunks)
{
    char record[64];
    memset(record, 'z', sizeof record);
    unsigned snapshot = disk_sim_snapshot(disk);
    for (int i = 0; i < chunks; i++)
        check(disk_write(files[i % FILES], (uint64_t)i * 64, record, sizeof record,
                         SITE_OTHER_WRITE, NULL));
    struct images *im = images_new(mem_libc());
    images_open(im, disk, DISK_W, 0);
    double count = (double)images_count(im), start = seconds();
    images_walk(im, fn, arg);
    double rate = count / (seconds() - start);
    images_close(im);
    images_free(im);
    disk_sim_rollback(disk, snapshot);
    return rate;
}

int main(void)
{
    uint64_t sink = 0;
    struct images *inner = images_new(mem_libc());
    make_store();
    double snapshots = snapshots_a_second();
    printf("snapshot, one write, back:          %10.0f a second (limit %.0f)\n",
           snapshots, LIMIT);
    printf("images walked:                      %10.0f a second\n",
           images_a_second(nothing, &sink, 20));
    printf("images opened and read whole:       %10.0f a second\n",
           images_a_second(read_store, &sink, 16));
    printf("windows inside an image opened:     %10.0f a second\n",
           images_a_second(crash_again, inner, 16));
    images_free(inner);
    disk_sim_free(disk);
    printf("bench-snapshot: 4 figures, %d failed\n", snapshots < LIMIT);
    return snapshots < LIMIT;
}
