#include "tests/support/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault/images.h"
#include "fault/images_state.h"
#include "tests/support/random_world.h"

/* ---- readers ----
 *
 * A reader looks at a disk and notes what it saw as one number. Everything it does
 * follows from `seed` and from what it has seen so far, as in a recovery. */

struct reader {
    struct disk_dir *root;
    uint64_t seen;
    uint64_t seed; /* 0: reads everything and changes nothing */
};

static void see(struct reader *r, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        r->seen = (r->seen ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    r->seen ^= r->seen >> 29;
}

static void see_number(struct reader *r, uint64_t n)
{
    see(r, &n, sizeof n);
}

/* A number below n that follows from what was seen. */
static uint64_t whim(const struct reader *r, uint64_t n)
{
    return rng_below(&(struct rng){r->seen ^ r->seed}, n);
}

static void read_at(struct reader *r, struct disk_file *file, uint64_t offset, size_t n)
{
    uint8_t bytes[512];
    size_t got;
    see_number(r, (uint64_t)disk_read(file, offset, bytes, n, &got));
    see(r, bytes, got);
}

static void act_on_file(struct reader *r, struct disk_file *file)
{
    uint8_t bytes[128];
    memset(bytes, 'r', sizeof bytes);
    uint64_t at = whim(r, 200), size;
    unsigned before;
    switch (whim(r, 8)) {
    case 0: disk_write(file, at, bytes, 1 + at % 128, SITE_OTHER_WRITE, NULL); break;
    case 1: disk_write(file, at / 64 * 64, bytes, 64, SITE_OTHER_WRITE, NULL); break;
    case 2: disk_truncate(file, at, SITE_OTHER_TRUNCATE); break;
    case 3: disk_sync(file, DISK_SYNC_FULL, SITE_OTHER_SYNC); break;
    case 4:
        before = disk_sim_snapshot(file->disk);
        read_at(r, file, at, 100);
        disk_truncate(file, at / 2, SITE_OTHER_TRUNCATE);
        disk_sim_rollback(file->disk, before);
        break;
    case 5:
        disk_size(file, &size);
        see_number(r, size);
        break;
    default: read_at(r, file, at, 1 + at % 80); break;
    }
}

static void look_at_file(struct reader *r, struct disk_dir *dir, const char *name)
{
    struct disk_file *file;
    unsigned before = 0, undo = r->seed && whim(r, 4) == 0;
    if (r->seed && whim(r, 3) == 0) return;
    if (r->seed && whim(r, 6) == 0) disk_unlink(dir, name, SITE_OTHER_UNLINK);
    if (undo) before = disk_sim_snapshot(dir->disk);
    unsigned flags = DISK_READ | DISK_WRITE;
    if (r->seed && whim(r, 7) == 0) flags |= DISK_CREATE | DISK_TRUNC;
    int e = disk_open(dir, name, flags, SITE_OTHER_CREATE, &file);
    see_number(r, (uint64_t)e);
    if (!e) {
        for (unsigned i = 0; r->seed && i < 3; i++)
            act_on_file(r, file);
        if (!r->seed) read_at(r, file, 0, 512);
        disk_close(file);
    }
    if (undo) disk_sim_rollback(dir->disk, before);
}

struct names {
    char name[8][8];
    unsigned count;
};

static int note_name(void *arg, const char *name)
{
    struct names *n = arg;
    snprintf(n->name[n->count++], sizeof n->name[0], "%s", name);
    return 0;
}

static void look_at_dir(struct reader *r, struct disk *disk, const char *path)
{
    struct disk_dir *dir;
    struct names names = {.count = 0};
    int e = disk_dir_open(disk, path, &dir);
    see_number(r, (uint64_t)e);
    if (e) return;
    disk_list(dir, note_name, &names);
    for (unsigned i = 0; i < names.count; i++) {
        see(r, names.name[i], strlen(names.name[i]));
        if (strcmp(names.name[i], "s") && strcmp(names.name[i], "d"))
            look_at_file(r, dir, names.name[i]);
    }
    disk_dir_close(dir);
}

static uint64_t look(struct disk *disk, uint64_t seed)
{
    struct reader r = {.seed = seed};
    look_at_dir(&r, disk, ".");
    look_at_dir(&r, disk, "s");
    look_at_dir(&r, disk, "d");
    return r.seen;
}

/* ---- what was seen, and how often ---- */

struct sight {
    uint64_t seen, weight;
    uint64_t hash[2];
};

struct sights {
    struct sight *sight;
    size_t count, size;
    uint64_t seed;
    unsigned replayed;
    char text[256];
};

static void sights_add(struct sights *s, const struct sight *sight, bool by_hash)
{
    for (size_t i = 0; i < s->count; i++) {
        struct sight *old = &s->sight[i];
        if (old->seen != sight->seen) continue;
        if (by_hash && memcmp(old->hash, sight->hash, sizeof old->hash)) continue;
        old->weight += sight->weight;
        return;
    }
    if (s->count == s->size) {
        s->size = s->size ? 2 * s->size : 256;
        s->sight = realloc(s->sight, s->size * sizeof *s->sight);
    }
    s->sight[s->count++] = *sight;
}

static bool sights_equal(const struct sights *a, const struct sights *b, bool by_hash)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++) {
        bool found = false;
        for (size_t j = 0; j < b->count; j++) {
            const struct sight *x = &a->sight[i], *y = &b->sight[j];
            found = found || (x->seen == y->seen && x->weight == y->weight &&
                              (!by_hash || !memcmp(x->hash, y->hash, sizeof x->hash)));
        }
        if (!found) return false;
    }
    return true;
}

static int look_walked(void *arg, struct disk *disk, const struct image *image)
{
    struct sights *s = arg;
    struct sight sight = {.seen = look(disk, s->seed), .weight = image->weight};
    memcpy(sight.hash, image->hash, sizeof sight.hash);
    sights_add(s, &sight, !s->seed);
    return 0;
}

static int look_lazily(void *arg, struct disk *disk, const struct image *image)
{
    struct sights *s = arg;
    struct image leaf;
    struct sight sight = {.seen = look(disk, s->seed)};
    images_leaf(image->window, &leaf);
    sight.weight = leaf.weight;
    memcpy(sight.hash, leaf.hash, sizeof sight.hash);
    sights_add(s, &sight, !s->seed);
    return 0;
}

/* The same reader over the walk and over the lazy walk must see the same, equally often. */
static void compare(enum disk_profile profile, unsigned tau, bool everything,
                    uint64_t seeds)
{
    struct images *im = images_new(mem_libc());
    uint64_t fewer = 0, compared = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct random_world w = random_world(seed);
        struct sights walked = {.seed = everything ? 0 : seed}, lazy = walked;
        struct images_lazy result;
        images_open(im, w.disk, profile, tau);
        if (images_count(im) < 1500) {
            images_walk(im, look_walked, &walked);
            CHECK_INT(images_lazy(im, 0, look_lazily, &lazy, &result), 0);
            bool equal = sights_equal(&walked, &lazy, everything);
            if (!equal) printf("  seed %llu\n", (unsigned long long)seed);
            CHECK(equal);
            CHECK(result.whole);
            CHECK_INT(result.covered.exact, images_count(im));
            fewer += result.leaves < images_count(im);
            compared++;
        }
        images_close(im);
        disk_sim_free(w.disk);
        free(walked.sight);
        free(lazy.sight);
    }
    CHECK(compared > seeds / 4);
    CHECK(everything || fewer > seeds / 8);
    images_free(im);
}

static void who_reads_everything_sees_the_images_of_the_walk(void)
{
    compare(DISK_W, 0, true, 600);
    compare(DISK_J, 0, true, 300);
    compare(DISK_V, 0, true, 300);
    compare(DISK_P, 0, true, 50);
}

static void who_reads_everything_sees_torn_chunks_too(void)
{
    compare(DISK_W, 1, true, 200);
}

static void who_reads_a_part_sees_it_as_often_as_in_the_walk(void)
{
    compare(DISK_W, 0, false, 1500);
    compare(DISK_J, 0, false, 300);
    compare(DISK_V, 0, false, 300);
}

static void who_reads_a_part_sees_torn_chunks_as_often(void)
{
    compare(DISK_W, 1, false, 300);
}

/* ---- hashes and descriptions of leaves ---- */

static int note_leaf(void *arg, struct disk *disk, const struct image *image)
{
    struct sights *s = arg;
    struct image leaf;
    struct sight sight = {.seen = look(disk, s->seed), .weight = 1};
    images_leaf(image->window, &leaf);
    memcpy(sight.hash, leaf.hash, sizeof sight.hash);
    sights_add(s, &sight, true);
    return 0;
}

static void equal_leaf_hashes_mean_that_the_same_was_seen(void)
{
    struct images *im = images_new(mem_libc());
    size_t leaves = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct random_world w = random_world(seed);
        struct sights s = {.seed = seed};
        struct images_lazy result;
        images_open(im, w.disk, DISK_W, 0);
        images_lazy(im, 300, note_leaf, &s, &result);
        for (size_t i = 0; i < s.count; i++)
            for (size_t j = 0; j < i; j++)
                CHECK(memcmp(s.sight[i].hash, s.sight[j].hash, sizeof s.sight[i].hash));
        leaves += s.count;
        images_close(im);
        disk_sim_free(w.disk);
        free(s.sight);
    }
    CHECK(leaves > 4000);
    images_free(im);
}

static int stop_at_some_leaf(void *arg, struct disk *disk, const struct image *image)
{
    struct sights *s = arg;
    struct image leaf;
    struct sight sight = {.seen = look(disk, s->seed)};
    images_leaf(image->window, &leaf);
    if (rng_below(&(struct rng){leaf.hash[0]}, 6)) return 0;
    images_describe(image->window, s->text, sizeof s->text);
    sights_add(s, &sight, true);
    return 1;
}

static int expect_sight(void *arg, struct disk *disk, const struct image *image)
{
    struct sights *s = arg;
    (void)image;
    CHECK(look(disk, s->seed) == s->sight[0].seen);
    s->replayed++;
    return 0;
}

static void a_leaf_comes_back_as_one_of_its_images(void)
{
    struct images *im = images_new(mem_libc());
    unsigned replayed = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct random_world w = random_world(seed);
        struct sights s = {.seed = seed};
        struct images_lazy result;
        images_open(im, w.disk, DISK_W, 1);
        if (images_lazy(im, 0, stop_at_some_leaf, &s, &result)) {
            CHECK(!result.whole);
            CHECK_INT(images_replay(im, s.text, expect_sight, &s), 0);
            replayed += s.replayed;
        }
        images_close(im);
        disk_sim_free(w.disk);
        free(s.sight);
    }
    CHECK(replayed > 100);
    images_free(im);
}

/* ---- one file ---- */

struct file_world {
    struct disk *disk;
    struct disk_dir *root;
    struct disk_file *file;
    struct images *im;
    struct images_lazy result;
};

/* The file "a" holds `durable` chunks of 'X', overwritten and extended to `pending` chunks
 * of 'Y'. */
static struct file_world file_world(uint32_t chunk, unsigned durable, unsigned pending)
{
    struct file_world w = {.im = images_new(mem_libc())};
    struct disk_sim_config config;
    static uint8_t bytes[512 * 4096];
    disk_sim_config_init(&config);
    config.chunk_bytes = chunk;
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &w.disk), 0);
    disk_dir_open(w.disk, ".", &w.root);
    disk_open(w.root, "a", DISK_WRITE | DISK_CREATE, SITE_OTHER_CREATE, &w.file);
    memset(bytes, 'X', sizeof bytes);
    if (durable) disk_write(w.file, 0, bytes, durable * chunk, SITE_OTHER_WRITE, NULL);
    disk_sim_settle(w.disk);
    memset(bytes, 'Y', sizeof bytes);
    disk_write(w.file, 0, bytes, pending * chunk, SITE_OTHER_WRITE, NULL);
    images_open(w.im, w.disk, DISK_W, 0);
    return w;
}

static void file_world_end(struct file_world *w)
{
    images_close(w->im);
    images_free(w->im);
    disk_sim_free(w->disk);
}

static struct disk_file *open_a(struct disk *disk)
{
    struct disk_dir *root;
    struct disk_file *file = NULL;
    disk_dir_open(disk, ".", &root);
    disk_open(root, "a", DISK_READ | DISK_WRITE, SITE_OTHER_CREATE, &file);
    return file;
}

static int write_over(void *arg, struct disk *disk, const struct image *image)
{
    const size_t *n = arg;
    uint8_t bytes[64] = {0};
    (void)image;
    return disk_write(open_a(disk), 0, bytes, *n, SITE_OTHER_WRITE, NULL);
}

static void writing_over_a_whole_chunk_decides_nothing(void)
{
    struct file_world w = file_world(64, 1, 1);
    size_t n = 64;

    CHECK_INT(images_lazy(w.im, 0, write_over, &n, &w.result), 0);

    CHECK_INT(w.result.leaves, 1);
    CHECK_INT(w.result.covered.exact, 2);
    file_world_end(&w);
}

static void writing_over_a_part_of_a_chunk_decides_it(void)
{
    struct file_world w = file_world(64, 1, 1);
    size_t n = 63;

    CHECK_INT(images_lazy(w.im, 0, write_over, &n, &w.result), 0);

    CHECK_INT(w.result.leaves, 2);
    CHECK_INT(w.result.covered.exact, 2);
    file_world_end(&w);
}

static int do_nothing(void *arg, struct disk *disk, const struct image *image)
{
    (void)arg;
    (void)disk;
    (void)image;
    return 0;
}

/* 400 chunks of 4 KiB, all pending: 2^401 - 1 choices in one visit. */
static void a_file_that_nobody_opens_is_one_leaf(void)
{
    struct file_world w = file_world(4096, 0, 400);

    CHECK_INT(images_lazy(w.im, 0, do_nothing, NULL, &w.result), 0);

    CHECK_INT(w.result.leaves, 1);
    CHECK(w.result.whole);
    CHECK(w.result.covered.exact == IMAGES_COUNT_MAX);
    CHECK(w.result.covered.about > 1e119);
    file_world_end(&w);
}

/* As a log is read: on to the first chunk that was lost. */
static int read_until_lost(void *arg, struct disk *disk, const struct image *image)
{
    struct disk_file *file = open_a(disk);
    uint8_t bytes[512];
    size_t got;
    (void)arg;
    (void)image;
    for (uint64_t at = 0;; at += 512)
        if (disk_read(file, at, bytes, 512, &got) || !got || bytes[0] != 'Y') return 0;
}

/* 400 chunks of 512 bytes over 400 durable ones: 2^400 images, 401 of them differ. */
static void who_stops_at_the_first_lost_chunk_needs_few_leaves(void)
{
    struct file_world w = file_world(512, 400, 400);

    CHECK_INT(images_lazy(w.im, 0, read_until_lost, NULL, &w.result), 0);

    CHECK_INT(w.result.leaves, 401);
    CHECK(w.result.whole);
    file_world_end(&w);
}

static void a_limit_ends_the_walk_and_says_so(void)
{
    struct file_world w = file_world(512, 100, 100);

    CHECK_INT(images_lazy(w.im, 100, read_until_lost, NULL, &w.result), 0);
    CHECK_INT(w.result.leaves, 100);
    CHECK(!w.result.whole);
    CHECK(!number_equal(w.result.covered, images_count_all(w.im)));

    CHECK_INT(images_lazy(w.im, 101, read_until_lost, NULL, &w.result), 0);
    CHECK(w.result.whole);
    file_world_end(&w);
}

/* Takes one option out of the first decision. */
static int skip_an_option(void *arg, struct disk *disk, const struct image *image)
{
    read_until_lost(arg, disk, image);
    struct image_decision *d = image->window->decisions.item;
    if (d->taken == 0) d->options--;
    return 0;
}

static int remember_too_much(void *arg, struct disk *disk, const struct image *image)
{
    unsigned *visits = arg;
    return (*visits)++ == 1 ? 0 : read_until_lost(NULL, disk, image);
}

static bool dies_in_lazy_walk(image_fn *fn)
{
    struct file_world w = file_world(512, 3, 3);
    unsigned visits = 0;
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(1);
        images_lazy(w.im, 0, fn, &visits, &w.result);
        _exit(0);
    }
    REQUIRE_INT(waitpid(child, &status, 0), child);
    file_world_end(&w);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void a_walk_that_skips_an_option_dies(void)
{
    CHECK(!dies_in_lazy_walk(read_until_lost));
    CHECK(dies_in_lazy_walk(skip_an_option));
}

static void a_callback_that_is_not_deterministic_is_found(void)
{
    CHECK(dies_in_lazy_walk(remember_too_much));
}

/* A lazy walk leaves nothing behind: the window can be walked as if it had not been. */
static void a_lazy_walk_leaves_no_trace(void)
{
    struct images *im = images_new(mem_libc());
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct random_world w = random_world(seed);
        struct sights before = {0}, after = {0}, lazy = {.seed = seed};
        uint64_t first[2], last[2];
        struct images_lazy result;
        disk_sim_hash_state(w.disk, first);
        images_open(im, w.disk, DISK_W, 0);
        if (images_count(im) < 500) {
            images_walk(im, look_walked, &before);
            images_lazy(im, 20, look_lazily, &lazy, &result);
            images_walk(im, look_walked, &after);
            CHECK(sights_equal(&before, &after, true));
        }
        images_close(im);
        disk_sim_hash_state(w.disk, last);
        CHECK(first[0] == last[0] && first[1] == last[1]);
        disk_sim_check(w.disk);
        disk_sim_free(w.disk);
        free(before.sight);
        free(after.sight);
        free(lazy.sight);
    }
    images_free(im);
}

CU_TestInfo fault_images_lazy_tests[] = {
    {"who_reads_everything_sees_the_images_of_the_walk",
     who_reads_everything_sees_the_images_of_the_walk},
    {"who_reads_everything_sees_torn_chunks_too",
     who_reads_everything_sees_torn_chunks_too},
    {"who_reads_a_part_sees_it_as_often_as_in_the_walk",
     who_reads_a_part_sees_it_as_often_as_in_the_walk},
    {"who_reads_a_part_sees_torn_chunks_as_often",
     who_reads_a_part_sees_torn_chunks_as_often},
    {"equal_leaf_hashes_mean_that_the_same_was_seen",
     equal_leaf_hashes_mean_that_the_same_was_seen},
    {"a_leaf_comes_back_as_one_of_its_images", a_leaf_comes_back_as_one_of_its_images},
    {"writing_over_a_whole_chunk_decides_nothing",
     writing_over_a_whole_chunk_decides_nothing},
    {"writing_over_a_part_of_a_chunk_decides_it",
     writing_over_a_part_of_a_chunk_decides_it},
    {"a_file_that_nobody_opens_is_one_leaf", a_file_that_nobody_opens_is_one_leaf},
    {"who_stops_at_the_first_lost_chunk_needs_few_leaves",
     who_stops_at_the_first_lost_chunk_needs_few_leaves},
    {"a_limit_ends_the_walk_and_says_so", a_limit_ends_the_walk_and_says_so},
    {"a_walk_that_skips_an_option_dies", a_walk_that_skips_an_option_dies},
    {"a_callback_that_is_not_deterministic_is_found",
     a_callback_that_is_not_deterministic_is_found},
    {"a_lazy_walk_leaves_no_trace", a_lazy_walk_leaves_no_trace},
    CU_TEST_INFO_NULL,
};
