#include "tests/support/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault/images.h"
#include "tests/support/images_naive.h"
#include "tests/support/random_world.h"

/* ---- against a naive program ---- */

static void compare_windows(enum disk_profile profile, unsigned tau, uint64_t limit,
                            uint64_t seeds, uint32_t spared)
{
    uint64_t compared = 0, images = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct random_world w = random_world(seed);
        struct naive_result r;
        disk_sim_spare(w.disk, spared);
        images_naive_check(w.disk, profile, tau, limit, &r);
        if (*r.why)
            printf("  seed %llu, profile %c, tau %u: %s\n", (unsigned long long)seed,
                   disk_profile_letter(profile), tau, r.why);
        CHECK(!*r.why);
        compared += r.compared;
        images += r.distinct;
        disk_sim_free(w.disk);
    }
    CHECK(compared > seeds / 4);
    CHECK(images > seeds);
}

static void the_walk_visits_what_a_naive_program_finds_in_profile_w(void)
{
    compare_windows(DISK_W, 0, 1 << 12, 1500, 0);
}

static void the_walk_visits_what_a_naive_program_finds_in_profile_v(void)
{
    compare_windows(DISK_V, 0, 1 << 12, 1500, 0);
}

/* Of its three weaknesses only one, as the persistence contract asks for them. */
static void the_walk_visits_what_a_naive_program_finds_in_parts_of_profile_v(void)
{
    const uint32_t all =
        DISK_KINDER(DISK_R6) | DISK_KINDER(DISK_R7) | DISK_KINDER(DISK_R10);
    compare_windows(DISK_V, 0, 1 << 12, 500, all & ~DISK_KINDER(DISK_R6));
    compare_windows(DISK_V, 0, 1 << 12, 500, all & ~DISK_KINDER(DISK_R7));
    compare_windows(DISK_V, 0, 1 << 12, 500, all & ~DISK_KINDER(DISK_R10));
}

static void the_walk_visits_what_a_naive_program_finds_in_profile_j(void)
{
    compare_windows(DISK_J, 0, 1 << 12, 1500, 0);
}

static void the_walk_visits_what_a_naive_program_finds_in_profile_o(void)
{
    compare_windows(DISK_O, 0, 1 << 12, 1500, 0);
}

static void the_walk_visits_what_a_naive_program_finds_with_one_torn_chunk(void)
{
    compare_windows(DISK_W, 1, 1 << 13, 300, 0);
}

/* ---- what a visit promises ---- */

struct seen {
    uint64_t (*hash)[2];
    size_t count, size;
    unsigned missing; /* members that are not in `all` */
    const struct seen *all;
    struct images *inner;
    char text[200];
    uint64_t wanted[2];
};

static bool seen_has(const struct seen *s, const uint64_t hash[2])
{
    for (size_t i = 0; i < s->count; i++)
        if (s->hash[i][0] == hash[0] && s->hash[i][1] == hash[1]) return true;
    return false;
}

static void seen_add(struct seen *s, const uint64_t hash[2])
{
    if (seen_has(s, hash)) return;
    if (s->count == s->size) {
        s->size = s->size ? 2 * s->size : 256;
        s->hash = realloc(s->hash, s->size * sizeof *s->hash);
    }
    s->hash[s->count][0] = hash[0];
    s->hash[s->count++][1] = hash[1];
}

static int note_image(void *arg, struct disk *disk, const struct image *image)
{
    struct seen *s = arg;
    uint64_t visible[2];
    disk_sim_hash_visible(disk, visible);
    CHECK(visible[0] == image->hash[0] && visible[1] == image->hash[1]);
    if (s->all && !seen_has(s->all, image->hash)) s->missing++;
    seen_add(s, image->hash);
    return 0;
}

static void open_window(struct images *im, struct random_world *w, uint64_t seed,
                        unsigned tau)
{
    *w = random_world(seed);
    images_open(im, w->disk, DISK_W, tau);
}

static void samples_are_members_of_the_walk(void)
{
    struct images *im = images_new(mem_libc());
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct random_world w;
        struct seen all = {0}, some = {.all = &all};
        open_window(im, &w, seed, 0);
        if (images_count(im) < 2000) {
            images_walk(im, note_image, &all);
            images_random(im, &w.rng, 50, note_image, &some);
            images_near(im, 2, note_image, &some);
        }
        CHECK_INT(some.missing, 0);
        images_close(im);
        disk_sim_free(w.disk);
        free(all.hash);
        free(some.hash);
    }
    images_free(im);
}

/* Within two deviations of nothing, everything and each prefix lies everything, when the
 * window has two registers only. */
static void small_windows_lie_near_whole(void)
{
    struct images *im = images_new(mem_libc());
    unsigned compared = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct random_world w;
        struct seen all = {0}, near = {0};
        open_window(im, &w, seed, 0);
        if (images_registers(im) <= 2) {
            images_walk(im, note_image, &all);
            images_near(im, 2, note_image, &near);
            CHECK_INT(near.count, all.count);
            compared++;
        }
        images_close(im);
        disk_sim_free(w.disk);
        free(all.hash);
        free(near.hash);
    }
    CHECK(compared > 20);
    images_free(im);
}

static int expect_hash(void *arg, struct disk *disk, const struct image *image)
{
    struct seen *s = arg;
    (void)disk;
    CHECK(image->hash[0] == s->wanted[0] && image->hash[1] == s->wanted[1]);
    s->count++;
    return 0;
}

static int note_text(void *arg, struct disk *disk, const struct image *image)
{
    struct seen *s = arg;
    (void)disk;
    if (rng_below(&(struct rng){image->hash[0]}, 8)) return 0;
    int n = images_describe(image->window, s->text, sizeof s->text);
    CHECK(n > 0 && n < (int)sizeof s->text);
    memcpy(s->wanted, image->hash, sizeof s->wanted);
    return 1; /* stop here */
}

static void an_image_comes_back_from_its_description(void)
{
    struct images *im = images_new(mem_libc());
    unsigned replayed = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct random_world w;
        struct seen s = {0};
        open_window(im, &w, seed, 1);
        if (images_walk(im, note_text, &s)) {
            CHECK_INT(images_replay(im, s.text, expect_hash, &s), 0);
            CHECK_INT(s.count, 1);
            replayed++;
        }
        images_close(im);
        disk_sim_free(w.disk);
    }
    CHECK(replayed > 100);
    images_free(im);
}

static void nonsense_is_no_description(void)
{
    struct random_world w = random_world(3);
    struct images *im = images_new(mem_libc());
    images_open(im, w.disk, DISK_W, 0);
    static const char *const texts[] = {"", "x", "-9999.0", "-0.99", "-0", "-0.0;"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        CHECK_INT(images_replay(im, texts[i], expect_hash, NULL), -EINVAL);
    images_close(im);
    images_free(im);
    disk_sim_free(w.disk);
}

/* A recovery that writes and crashes again: a window inside a window. */
static int crash_again(void *arg, struct disk *disk, const struct image *image)
{
    struct seen *s = arg;
    struct disk_dir *root;
    struct disk_file *file;
    uint64_t visible[2];
    CHECK_INT(disk_dir_open(disk, ".", &root), 0);
    CHECK_INT(disk_open(root, "new", DISK_WRITE | DISK_CREATE, SITE_OTHER_CREATE, &file),
              0);
    CHECK_INT(disk_write(file, 0, "x", 1, SITE_OTHER_WRITE, NULL), 0);
    struct seen inner = {0};
    images_open(s->inner, disk, DISK_W, 0);
    CHECK_INT(images_count(s->inner), 8); /* name, size, chunk */
    images_walk(s->inner, note_image, &inner);
    CHECK_INT(inner.count, 4); /* no name; empty; a zero; x */
    CHECK(seen_has(&inner, image->hash));
    images_close(s->inner);
    free(inner.hash);
    disk_close(file);
    CHECK_INT(disk_unlink(root, "new", SITE_OTHER_UNLINK), 0);
    disk_sim_hash_visible(disk, visible);
    CHECK(visible[0] == image->hash[0] && visible[1] == image->hash[1]);
    return 0;
}

static void windows_nest_and_leave_no_trace(void)
{
    struct seen s = {.inner = images_new(mem_libc())};
    struct images *im = images_new(mem_libc());
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct random_world w = random_world(seed);
        uint64_t before[2], after[2];
        disk_sim_hash_state(w.disk, before);

        images_open(im, w.disk, DISK_W, 0);
        images_walk(im, crash_again, &s);
        images_close(im);

        disk_sim_hash_state(w.disk, after);
        CHECK(before[0] == after[0] && before[1] == after[1]);
        disk_sim_free(w.disk);
    }
    images_free(im);
    images_free(s.inner);
}

static void profile_p_leaves_one_image(void)
{
    struct random_world w = random_world(1);
    struct images *im = images_new(mem_libc());
    struct seen s = {0};
    images_open(im, w.disk, DISK_P, 0);
    CHECK_INT(images_count(im), 1);
    CHECK_INT(images_walk(im, note_image, &s), 0);
    CHECK_INT(s.count, 1);
    images_close(im);
    images_free(im);
    disk_sim_free(w.disk);
    free(s.hash);
}

CU_TestInfo fault_images_tests[] = {
    {"the_walk_visits_what_a_naive_program_finds_in_profile_w",
     the_walk_visits_what_a_naive_program_finds_in_profile_w},
    {"the_walk_visits_what_a_naive_program_finds_in_profile_v",
     the_walk_visits_what_a_naive_program_finds_in_profile_v},
    {"the_walk_visits_what_a_naive_program_finds_in_parts_of_profile_v",
     the_walk_visits_what_a_naive_program_finds_in_parts_of_profile_v},
    {"the_walk_visits_what_a_naive_program_finds_in_profile_j",
     the_walk_visits_what_a_naive_program_finds_in_profile_j},
    {"the_walk_visits_what_a_naive_program_finds_in_profile_o",
     the_walk_visits_what_a_naive_program_finds_in_profile_o},
    {"the_walk_visits_what_a_naive_program_finds_with_one_torn_chunk",
     the_walk_visits_what_a_naive_program_finds_with_one_torn_chunk},
    {"samples_are_members_of_the_walk", samples_are_members_of_the_walk},
    {"small_windows_lie_near_whole", small_windows_lie_near_whole},
    {"an_image_comes_back_from_its_description",
     an_image_comes_back_from_its_description},
    {"nonsense_is_no_description", nonsense_is_no_description},
    {"windows_nest_and_leave_no_trace", windows_nest_and_leave_no_trace},
    {"profile_p_leaves_one_image", profile_p_leaves_one_image},
    CU_TEST_INFO_NULL,
};
