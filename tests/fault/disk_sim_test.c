#include "tests/support/check.h"

#include "fault/disk_sim.h"

#include <errno.h>
#include <string.h>

/* ---- fixture: one disk with a store directory that is durable ---- */

struct fixture {
    struct disk *disk;
    struct disk_dir *root, *dir;
};

static struct fixture setup_with(const struct disk_sim_config *config)
{
    struct fixture f;
    REQUIRE_INT(disk_sim_new(mem_libc(), config, &f.disk), 0);
    REQUIRE_INT(disk_mkdir(f.disk, "db", SITE_OTHER_MKDIR), 0);
    REQUIRE_INT(disk_dir_open(f.disk, ".", &f.root), 0);
    REQUIRE_INT(disk_dir_sync(f.root, SITE_OTHER_DIRSYNC), 0);
    REQUIRE_INT(disk_dir_open(f.disk, "db", &f.dir), 0);
    return f;
}

static struct fixture setup(void)
{
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    config.chunk_bytes = 64;
    return setup_with(&config);
}

static void teardown(struct fixture *f)
{
    disk_sim_free(f->disk);
}

static struct disk_file *open_file(struct fixture *f, const char *name, unsigned flags)
{
    struct disk_file *file = NULL;
    REQUIRE_INT(disk_open(f->dir, name, flags, SITE_OTHER_CREATE, &file), 0);
    return file;
}

static struct disk_file *create(struct fixture *f, const char *name)
{
    return open_file(f, name, DISK_READ | DISK_WRITE | DISK_CREATE);
}

static void write_text(struct disk_file *file, uint64_t offset, const char *text)
{
    CHECK_INT(disk_write(file, offset, text, strlen(text), SITE_OTHER_WRITE, NULL), 0);
}

static int sync_file(struct disk_file *file)
{
    return disk_sync(file, DISK_SYNC_FULL, SITE_OTHER_SYNC);
}

static int sync_dir(struct fixture *f)
{
    return disk_dir_sync(f->dir, SITE_OTHER_DIRSYNC);
}

/* After a crash: new handles. */
static void reopen(struct fixture *f)
{
    REQUIRE_INT(disk_dir_open(f->disk, ".", &f->root), 0);
    REQUIRE_INT(disk_dir_open(f->disk, "db", &f->dir), 0);
}

static void power_cut(struct fixture *f, enum disk_sim_survivors survivors)
{
    disk_sim_power_cut(f->disk, survivors, NULL);
    reopen(f);
}

/* The file's bytes as a string; "-" when it is absent. */
static const char *content(struct fixture *f, const char *name)
{
    static char buf[4096];
    struct disk_file *file;
    int e = disk_open(f->dir, name, DISK_READ, SITE_OTHER_CREATE, &file);
    if (e == -ENOENT) return "-";
    REQUIRE_INT(e, 0);
    size_t got = 0;
    REQUIRE_INT(disk_read(file, 0, buf, sizeof buf - 1, &got), 0);
    buf[got] = 0;
    disk_close(file);
    return buf;
}

/* ---- what readers see ---- */

static void a_write_is_seen_at_once_by_every_handle(void)
{
    struct fixture f = setup();
    struct disk_file *writer = create(&f, "a");

    write_text(writer, 0, "hello");

    CHECK_TEXT(content(&f, "a"), "hello");
    teardown(&f);
}

static void a_gap_reads_zeros_also_across_chunks(void)
{
    struct fixture f = setup();
    struct disk_file *file = create(&f, "a");
    char got[201], want[201] = {0};
    memset(want + 150, 'x', 3);

    write_text(file, 150, "xxx");

    size_t n = 0;
    CHECK_INT(disk_read(file, 0, got, sizeof got, &n), 0);
    CHECK_INT(n, 153);
    CHECK(!memcmp(got, want, 153));
    teardown(&f);
}

static void bytes_cut_off_read_zeros_after_growing_again(void)
{
    struct fixture f = setup();
    struct disk_file *file = create(&f, "a");
    write_text(file, 0, "abcdef");

    CHECK_INT(disk_truncate(file, 3, SITE_OTHER_TRUNCATE), 0);
    CHECK_INT(disk_truncate(file, 6, SITE_OTHER_TRUNCATE), 0);

    char got[6];
    size_t n = 0;
    CHECK_INT(disk_read(file, 0, got, 6, &n), 0);
    CHECK(!memcmp(got, "abc\0\0\0", 6));
    teardown(&f);
}

static void a_file_of_many_chunks_reads_back(void)
{
    struct fixture f = setup();
    struct disk_file *file = create(&f, "a");
    enum { CHUNKS = 64 * 128 + 100 }; /* three levels of the tree */
    char chunk[64];

    for (unsigned i = 0; i < CHUNKS; i += 97) {
        memset(chunk, (int)('a' + i % 26), sizeof chunk);
        CHECK_INT(disk_write(file, i * 64, chunk, 64, SITE_OTHER_WRITE, NULL), 0);
    }

    size_t n = 0;
    for (unsigned i = 0; i < CHUNKS; i += 97) {
        CHECK_INT(disk_read(file, i * 64, chunk, 64, &n), 0);
        CHECK(n == 64 && chunk[0] == (char)('a' + i % 26) && chunk[63] == chunk[0]);
    }
    teardown(&f);
}

static int count_name(void *arg, const char *name)
{
    strcat(arg, name);
    strcat(arg, " ");
    return 0;
}

static void a_listing_is_in_byte_order_without_removed_names(void)
{
    struct fixture f = setup();
    create(&f, "b");
    create(&f, "c");
    create(&f, "a");
    CHECK_INT(disk_unlink(f.dir, "b", SITE_OTHER_UNLINK), 0);

    char names[64] = "";
    CHECK_INT(disk_list(f.dir, count_name, names), 0);

    CHECK_TEXT(names, "a c ");
    teardown(&f);
}

static void a_lock_ends_with_its_process(void)
{
    struct fixture f = setup();
    struct disk_file *lock, *other;
    CHECK_INT(disk_lock(f.dir, "LOCK", SITE_OTHER_LOCK, &lock), 0);
    CHECK_INT(disk_lock(f.dir, "LOCK", SITE_OTHER_LOCK, &other), -EWOULDBLOCK);

    disk_sim_process_crash(f.disk);
    reopen(&f);

    CHECK_INT(disk_lock(f.dir, "LOCK", SITE_OTHER_LOCK, &other), 0);
    disk_close(lock); /* the dead process lets go late */
    CHECK_INT(disk_lock(f.dir, "LOCK", SITE_OTHER_LOCK, &lock), -EWOULDBLOCK);
    teardown(&f);
}

/* ---- crashes ---- */

static void nothing_unsynced_survives_the_worst_power_cut(void)
{
    struct fixture f = setup();
    struct disk_file *file = create(&f, "a");
    write_text(file, 0, "hello");

    power_cut(&f, DISK_SURVIVE_NONE);

    CHECK_TEXT(content(&f, "a"), "-");
    teardown(&f);
}

static void a_synced_file_needs_its_directory_synced_too(void)
{
    struct fixture f = setup();
    struct disk_file *file = create(&f, "a");
    write_text(file, 0, "hello");
    CHECK_INT(sync_file(file), 0);
    unsigned before = disk_sim_snapshot(f.disk);

    power_cut(&f, DISK_SURVIVE_NONE);
    CHECK_TEXT(content(&f, "a"), "-");

    disk_sim_rollback(f.disk, before);
    REQUIRE_INT(disk_dir_open(f.disk, "db", &f.dir), 0);
    CHECK_INT(sync_dir(&f), 0);
    power_cut(&f, DISK_SURVIVE_NONE);
    CHECK_TEXT(content(&f, "a"), "hello");
    teardown(&f);
}

static void a_process_crash_keeps_the_cache_and_a_later_power_cut_takes_it(void)
{
    struct fixture f = setup();
    struct disk_file *file = create(&f, "a");
    CHECK_INT(sync_dir(&f), 0);
    write_text(file, 0, "hello");

    disk_sim_process_crash(f.disk);
    reopen(&f);
    CHECK_TEXT(content(&f, "a"), "hello");

    power_cut(&f, DISK_SURVIVE_NONE);
    CHECK_TEXT(content(&f, "a"), "");
    teardown(&f);
}

static void a_handle_of_a_dead_process_only_closes(void)
{
    struct fixture f = setup();
    struct disk_file *file = create(&f, "a");

    disk_sim_process_crash(f.disk);

    CHECK_INT(disk_write(file, 0, "x", 1, SITE_OTHER_WRITE, NULL), -EBADF);
    CHECK_INT(sync_file(file), -EBADF);
    disk_close(file);
    teardown(&f);
}

static void a_failed_sync_is_final(void)
{
    struct fixture f = setup();
    struct disk_file *file = create(&f, "a");
    CHECK_INT(sync_dir(&f), 0);
    write_text(file, 0, "hello");

    disk_sim_fail_next(f.disk, DISK_EFFECT_NONE, EIO, 0);
    CHECK_INT(sync_file(file), -EIO);
    CHECK_INT(sync_file(file), 0);
    CHECK_TEXT(content(&f, "a"), "hello");

    power_cut(&f, DISK_SURVIVE_NONE);
    CHECK_TEXT(content(&f, "a"), "");
    teardown(&f);
}

static void a_cache_that_forgets_shows_the_durable_bytes_after_a_failed_sync(void)
{
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    config.cache = DISK_CACHE_OLD;
    struct fixture f = setup_with(&config);
    struct disk_file *file = create(&f, "a");
    write_text(file, 0, "old");
    CHECK_INT(sync_file(file), 0);
    write_text(file, 0, "new and longer");

    disk_sim_fail_next(f.disk, DISK_EFFECT_NONE, EIO, 0);
    CHECK_INT(sync_file(file), -EIO);

    CHECK_TEXT(content(&f, "a"), "old");
    teardown(&f);
}

/* ---- room ---- */

static void a_full_disk_takes_what_fits_and_then_nothing(void)
{
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    config.chunk_bytes = 64;
    config.capacity_bytes = 128;
    struct fixture f = setup_with(&config);
    struct disk_file *file = create(&f, "a");
    char bytes[200];
    memset(bytes, 'x', sizeof bytes);

    size_t put = 0;
    CHECK_INT(disk_write(file, 0, bytes, 200, SITE_OTHER_WRITE, &put), -ENOSPC);
    CHECK_INT(put, 128);
    CHECK_INT(disk_write(file, 0, "yy", 2, SITE_OTHER_WRITE, NULL), 0); /* overwriting */

    disk_close(file);
    CHECK_INT(disk_unlink(f.dir, "a", SITE_OTHER_UNLINK), 0);
    file = create(&f, "b");
    CHECK_INT(disk_write(file, 0, bytes, 128, SITE_OTHER_WRITE, NULL), 0);
    teardown(&f);
}

static void a_disk_that_allocates_late_fails_at_the_sync(void)
{
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    config.chunk_bytes = 64;
    config.capacity_bytes = 64;
    config.full = DISK_FULL_AT_SYNC;
    struct fixture f = setup_with(&config);
    struct disk_file *file = create(&f, "a");
    char bytes[200];
    memset(bytes, 'x', sizeof bytes);

    CHECK_INT(disk_write(file, 0, bytes, 200, SITE_OTHER_WRITE, NULL), 0);
    CHECK_INT(sync_file(file), -ENOSPC);
    CHECK_INT(sync_file(file), 0);
    teardown(&f);
}

static void too_many_open_handles_are_refused(void)
{
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    config.handles_max = 3; /* two directories, one file */
    struct fixture f = setup_with(&config);
    struct disk_file *file = create(&f, "a"), *other;
    unsigned flags = DISK_READ | DISK_CREATE;

    CHECK_INT(disk_open(f.dir, "b", flags, SITE_OTHER_CREATE, &other), -EMFILE);

    disk_close(file);
    CHECK_TEXT(content(&f, "b"), "-"); /* and nothing was created */
    teardown(&f);
}

/* ---- snapshots ---- */

static void a_rollback_brings_back_contents_names_handles_and_locks(void)
{
    struct fixture f = setup();
    struct disk_file *file = create(&f, "a"), *lock;
    write_text(file, 0, "hello");
    CHECK_INT(disk_lock(f.dir, "LOCK", SITE_OTHER_LOCK, &lock), 0);

    unsigned outer = disk_sim_snapshot(f.disk);
    write_text(file, 0, "HELLO and more");
    unsigned inner = disk_sim_snapshot(f.disk);
    CHECK_INT(disk_rename(f.dir, "a", "b", SITE_OTHER_RENAME), 0);
    disk_sim_power_cut(f.disk, DISK_SURVIVE_NONE, NULL);
    disk_sim_rollback(f.disk, inner);
    CHECK_TEXT(content(&f, "a"), "HELLO and more");
    disk_close(file);
    disk_close(lock);
    disk_sim_rollback(f.disk, outer);

    CHECK_TEXT(content(&f, "a"), "hello");
    CHECK_INT(disk_write(file, 5, "!", 1, SITE_OTHER_WRITE, NULL), 0);
    CHECK_TEXT(content(&f, "a"), "hello!");
    struct disk_file *other;
    CHECK_INT(disk_lock(f.dir, "LOCK", SITE_OTHER_LOCK, &other), -EWOULDBLOCK);
    teardown(&f);
}

static void a_kept_snapshot_keeps_its_changes(void)
{
    struct fixture f = setup();
    struct disk_file *file = create(&f, "a");

    unsigned outer = disk_sim_snapshot(f.disk);
    unsigned inner = disk_sim_snapshot(f.disk);
    write_text(file, 0, "hello");
    disk_sim_keep(f.disk, inner);
    CHECK_TEXT(content(&f, "a"), "hello");

    disk_sim_rollback(f.disk, outer);
    CHECK_TEXT(content(&f, "a"), "");
    teardown(&f);
}

/* ---- hashes ---- */

static uint64_t visible_hash(struct fixture *f)
{
    uint64_t hash[2];
    disk_sim_hash_visible(f->disk, hash);
    return hash[0] ^ hash[1];
}

static uint64_t state_hash(struct fixture *f)
{
    uint64_t hash[2];
    disk_sim_hash_state(f->disk, hash);
    return hash[0] ^ hash[1];
}

static void equal_disks_have_equal_hashes_whatever_led_to_them(void)
{
    struct fixture f = setup(), g = setup();
    write_text(create(&f, "a"), 0, "hello");
    write_text(create(&f, "b"), 0, "world");
    write_text(create(&g, "x"), 0, "gone");
    write_text(create(&g, "b"), 0, "WORLD");
    CHECK_INT(disk_unlink(g.dir, "x", SITE_OTHER_UNLINK), 0);
    write_text(create(&g, "a"), 0, "hello");
    CHECK(visible_hash(&f) != visible_hash(&g));

    write_text(create(&g, "b"), 0, "world");

    CHECK(visible_hash(&f) == visible_hash(&g));
    CHECK(state_hash(&f) != state_hash(&g)); /* other versions are pending */
    disk_sim_settle(f.disk);
    disk_sim_settle(g.disk);
    CHECK(state_hash(&f) == state_hash(&g));
    teardown(&f);
    teardown(&g);
}

static void two_links_are_not_two_equal_files(void)
{
    struct fixture f = setup(), g = setup();
    write_text(create(&f, "a"), 0, "same");
    write_text(create(&f, "b"), 0, "same");
    write_text(create(&g, "a"), 0, "same");
    CHECK_INT(disk_link(g.dir, "a", g.dir, "b", SITE_OTHER_LINK), 0);

    CHECK(visible_hash(&f) != visible_hash(&g));
    teardown(&f);
    teardown(&g);
}

static void zeros_and_holes_look_alike_and_sizes_count(void)
{
    struct fixture f = setup(), g = setup();
    char zeros[100] = {0};
    struct disk_file *a = create(&f, "a"), *b = create(&g, "a");
    CHECK_INT(disk_write(a, 0, zeros, sizeof zeros, SITE_OTHER_WRITE, NULL), 0);
    CHECK_INT(disk_truncate(b, sizeof zeros, SITE_OTHER_TRUNCATE), 0);
    CHECK(visible_hash(&f) == visible_hash(&g));

    CHECK_INT(disk_truncate(b, sizeof zeros + 1, SITE_OTHER_TRUNCATE), 0);
    CHECK(visible_hash(&f) != visible_hash(&g));
    teardown(&f);
    teardown(&g);
}

/* ---- looking inside ---- */

static int join_ops(void *arg, const struct disk_sim_op *op)
{
    char *text = arg;
    size_t n = strlen(text);
    n += (size_t)disk_sim_op_text(op, text + n, 1000 - n);
    strcpy(text + n, "; ");
    return 0;
}

static void pending_micro_ops_are_listed_in_their_order(void)
{
    struct fixture f = setup();
    disk_sim_settle(f.disk);
    write_text(create(&f, "a"), 60, "hello");

    char text[1000] = "";
    CHECK_INT(disk_sim_pending(f.disk, join_ops, text), 0);

    CHECK_TEXT(text, "#2 other/create: db/a names a file; "
                     "#3 other/write: size 60 of db/a; "
                     "#4 other/write: chunk at 0 of db/a [60,64); "
                     "#5 other/write: size 64 of db/a; "
                     "#6 other/write: chunk at 64 of db/a [0,1); "
                     "#7 other/write: size 65 of db/a; ");
    teardown(&f);
}

static void a_random_power_cut_leaves_what_was_synced(void)
{
    struct rng rng;
    rng_init(&rng, 1);
    unsigned lost = 0;
    for (int i = 0; i < 50; i++) {
        struct fixture f = setup();
        struct disk_file *file = create(&f, "a");
        write_text(file, 0, "synced");
        CHECK_INT(sync_file(file), 0);
        CHECK_INT(sync_dir(&f), 0);
        write_text(create(&f, "b"), 0, "not synced");

        disk_sim_power_cut(f.disk, DISK_SURVIVE_RANDOM, &rng);
        reopen(&f);

        CHECK_TEXT(content(&f, "a"), "synced");
        lost += strcmp(content(&f, "b"), "not synced") != 0;
        teardown(&f);
    }
    CHECK(lost > 10 && lost < 50);
}

static void a_damaged_chunk_cannot_be_read_until_it_is_written_whole(void)
{
    struct fixture f = setup();
    struct disk_file *file = create(&f, "a");
    char bytes[64] = "x";
    size_t got;
    CHECK_INT(disk_write(file, 0, bytes, 64, SITE_OTHER_WRITE, NULL), 0);
    CHECK_INT(disk_sim_damage(f.disk, "db", "a", DISK_DAMAGE_EIO, 0, 0), 0);
    CHECK_INT(disk_sim_damage(f.disk, "db", "b", DISK_DAMAGE_EIO, 0, 0), -ENOENT);
    CHECK_INT(disk_sim_damage(f.disk, "db", "a", DISK_DAMAGE_EIO, 64, 0), -EINVAL);

    CHECK_INT(disk_read(file, 0, bytes, 1, &got), -EIO);
    CHECK_INT(disk_write(file, 1, "y", 1, SITE_OTHER_WRITE, NULL), -EIO);
    CHECK_INT(disk_write(file, 0, bytes, 64, SITE_OTHER_WRITE, NULL), 0);
    CHECK_INT(disk_read(file, 0, bytes, 1, &got), 0);
    teardown(&f);
}

/* Overwriting for ever must not fill memory: what nothing refers to is swept up. */
static void long_runs_live_in_bounded_memory(void)
{
    struct mem_counting mem;
    mem_counting_init(&mem, mem_libc());
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    config.chunk_bytes = 64;
    struct disk *disk;
    REQUIRE_INT(disk_sim_new(&mem.mem, &config, &disk), 0);
    struct disk_dir *root;
    REQUIRE_INT(disk_dir_open(disk, ".", &root), 0);
    char name[32], bytes[300];
    memset(bytes, 'x', sizeof bytes);

    for (int i = 0; i < 20000; i++) {
        struct disk_file *file;
        snprintf(name, sizeof name, "file%d", i);
        disk_open(root, name, DISK_READ | DISK_WRITE | DISK_CREATE, SITE_OTHER_CREATE,
                  &file);
        disk_write(file, 0, bytes, sizeof bytes, SITE_OTHER_WRITE, NULL);
        disk_sync(file, DISK_SYNC_FULL, SITE_OTHER_SYNC);
        disk_close(file);
        disk_unlink(root, name, SITE_OTHER_UNLINK);
        disk_dir_sync(root, SITE_OTHER_DIRSYNC);
    }

    CHECK(mem.blocks < 200); /* segments of 1024 items */
    disk_sim_free(disk);
    CHECK_INT(mem.blocks, 0);
}

CU_TestInfo fault_disk_sim_tests[] = {
    {"a_write_is_seen_at_once_by_every_handle", a_write_is_seen_at_once_by_every_handle},
    {"a_gap_reads_zeros_also_across_chunks", a_gap_reads_zeros_also_across_chunks},
    {"bytes_cut_off_read_zeros_after_growing_again",
     bytes_cut_off_read_zeros_after_growing_again},
    {"a_file_of_many_chunks_reads_back", a_file_of_many_chunks_reads_back},
    {"a_listing_is_in_byte_order_without_removed_names",
     a_listing_is_in_byte_order_without_removed_names},
    {"a_lock_ends_with_its_process", a_lock_ends_with_its_process},
    {"nothing_unsynced_survives_the_worst_power_cut",
     nothing_unsynced_survives_the_worst_power_cut},
    {"a_synced_file_needs_its_directory_synced_too",
     a_synced_file_needs_its_directory_synced_too},
    {"a_process_crash_keeps_the_cache_and_a_later_power_cut_takes_it",
     a_process_crash_keeps_the_cache_and_a_later_power_cut_takes_it},
    {"a_handle_of_a_dead_process_only_closes", a_handle_of_a_dead_process_only_closes},
    {"a_failed_sync_is_final", a_failed_sync_is_final},
    {"a_cache_that_forgets_shows_the_durable_bytes_after_a_failed_sync",
     a_cache_that_forgets_shows_the_durable_bytes_after_a_failed_sync},
    {"a_full_disk_takes_what_fits_and_then_nothing",
     a_full_disk_takes_what_fits_and_then_nothing},
    {"a_disk_that_allocates_late_fails_at_the_sync",
     a_disk_that_allocates_late_fails_at_the_sync},
    {"too_many_open_handles_are_refused", too_many_open_handles_are_refused},
    {"a_rollback_brings_back_contents_names_handles_and_locks",
     a_rollback_brings_back_contents_names_handles_and_locks},
    {"a_kept_snapshot_keeps_its_changes", a_kept_snapshot_keeps_its_changes},
    {"equal_disks_have_equal_hashes_whatever_led_to_them",
     equal_disks_have_equal_hashes_whatever_led_to_them},
    {"two_links_are_not_two_equal_files", two_links_are_not_two_equal_files},
    {"zeros_and_holes_look_alike_and_sizes_count",
     zeros_and_holes_look_alike_and_sizes_count},
    {"pending_micro_ops_are_listed_in_their_order",
     pending_micro_ops_are_listed_in_their_order},
    {"a_random_power_cut_leaves_what_was_synced",
     a_random_power_cut_leaves_what_was_synced},
    {"a_damaged_chunk_cannot_be_read_until_it_is_written_whole",
     a_damaged_chunk_cannot_be_read_until_it_is_written_whole},
    {"long_runs_live_in_bounded_memory", long_runs_live_in_bounded_memory},
    CU_TEST_INFO_NULL,
};
