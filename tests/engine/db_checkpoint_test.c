#include "tests/support/check.h"
#include "tests/support/failing.h"
#include "tests/support/history.h"
#include "tests/support/teststore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPY "copy"

static struct teststore t;
static struct history h;

static void begin(void)
{
    teststore_init(&t);
    t.options.sync = SYNC_ALWAYS;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
}

static void end(void)
{
    if (t.db) teststore_close(&t);
    teststore_expect_sound(&t);
    teststore_deinit(&t);
}

/* A store with several levels, versions, tombstones and floors, and a register. */
static void fill(uint64_t seed, int steps)
{
    struct batch b;
    history_begin(&h, &t, seed);
    for (int i = 0; i < steps; i++)
        history_step(&h);
    batch_init(&b, mem_libc(), 0);
    REQUIRE_INT(batch_register_add(&b, 3, 77), ERR_OK);
    REQUIRE_INT(db_write(t.db, &b), ERR_OK);
    batch_deinit(&b);
}

static bool exists(const char *name)
{
    struct disk_dir *dir;
    if (disk_dir_open(t.env.disk, name, &dir)) return false;
    disk_dir_close(dir);
    return true;
}

/* The world of the copy: another process would not be watched either. */
static const struct db_env *elsewhere(void)
{
    static struct db_env env;
    env = t.env;
    env.disk = t.disk;
    return &env;
}

static void say(void *arg, enum err code, const char *line)
{
    (void)arg;
    (void)code;
    printf("  %s\n", line);
}

/* The copy opens as a store of its own, is sound, and shows the moment. */
static bool copy_shows(const struct moment *m)
{
    struct teststore other = t;
    struct history seen = h;
    enum err e = db_check(elsewhere(), COPY, &t.options, say, NULL);
    if (!e) e = db_open(elsewhere(), COPY, &t.options, &other.db, &t.why);
    if (e) {
        printf("  the copy: %s\n", t.why.text);
        return false;
    }
    seen.store = &other;
    bool right = history_reads(&seen, m, NULL) && db_register(other.db, 3) == 77;
    db_close(other.db);
    return right;
}

static enum err checkpoint(void)
{
    return db_checkpoint(t.db, NULL, COPY, &t.why);
}

static void the_copy_holds_everything_and_both_go_their_own_ways(void)
{
    begin();
    fill(1, 300);
    struct moment m = h.now;
    REQUIRE_INT(checkpoint(), ERR_OK);
    CHECK(!exists(COPY ".tmp"));
    for (int i = 0; i < 300; i++) /* most of the shared tables go here */
        history_step(&h);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    CHECK(copy_shows(&m));

    struct teststore other = t; /* and here */
    REQUIRE_INT(db_open(elsewhere(), COPY, &t.options, &other.db, &t.why), ERR_OK);
    struct history next = h;
    next.store = &other;
    next.now = m;
    for (int i = 0; i < 300; i++)
        history_step(&next);
    REQUIRE_INT(db_compact(other.db), ERR_OK);
    CHECK(history_reads(&next, &next.now, NULL));
    db_close(other.db);
    CHECK(history_reads(&h, &h.now, NULL));
    CHECK(copy_shows(&next.now));
    end();
}

static void a_copy_of_an_empty_store_is_an_empty_store(void)
{
    begin();
    REQUIRE_INT(checkpoint(), ERR_OK);
    struct db *other;
    struct options options = t.options;
    options.create_if_missing = false;
    REQUIRE_INT(db_open(elsewhere(), COPY, &options, &other, &t.why), ERR_OK);
    CHECK_INT(db_last_seq(other), 0);
    db_close(other);
    end();
}

static void a_copy_can_be_copied(void)
{
    begin();
    fill(2, 100);
    REQUIRE_INT(checkpoint(), ERR_OK);
    struct db *other;
    REQUIRE_INT(db_open(elsewhere(), COPY, &t.options, &other, &t.why), ERR_OK);
    REQUIRE_INT(db_checkpoint(other, NULL, "copy2", &t.why), ERR_OK);
    db_close(other);
    CHECK_INT(db_check(elsewhere(), "copy2", &t.options, say, NULL), ERR_OK);
    end();
}

static void a_name_that_is_taken_is_refused(void)
{
    begin();
    fill(3, 50);
    REQUIRE_INT(checkpoint(), ERR_OK);
    struct moment m = h.now;
    REQUIRE_INT(db_put(t.db, slice_text("later"), slice_text("1")), ERR_OK);
    CHECK_INT(checkpoint(), ERR_EXISTS);
    CHECK_TEXT(t.why.text, "copy: is there already");
    CHECK_INT(db_checkpoint(t.db, NULL, TESTSTORE_DIR, &t.why), ERR_EXISTS);
    char name[300];
    memset(name, 'n', 252);
    name[252] = 0;
    CHECK_INT(db_checkpoint(t.db, NULL, name, &t.why), ERR_INVALID);
    CHECK(strstr(t.why.text, "252 bytes is too long; the limit for a copy is 251") !=
          NULL);
    CHECK(copy_shows(&m));
    end();
}

static void make_dir_with(const char *name, const char *file)
{
    struct disk_dir *dir;
    struct disk_file *f;
    REQUIRE_INT(disk_mkdir(t.env.disk, name, SITE_OTHER_MKDIR), 0);
    REQUIRE_INT(disk_dir_open(t.env.disk, name, &dir), 0);
    REQUIRE_INT(disk_open(dir, file, DISK_WRITE | DISK_CREATE, SITE_OTHER_CREATE, &f), 0);
    disk_close(f);
    disk_dir_close(dir);
}

static void a_leftover_of_ours_is_replaced(void)
{
    begin();
    fill(4, 100);
    make_dir_with(COPY ".tmp", "000001.sst"); /* the number of a table that is linked */
    REQUIRE_INT(checkpoint(), ERR_OK);
    CHECK(!exists(COPY ".tmp"));
    CHECK(copy_shows(&h.now));
    end();
}

/* A stranger's file, or somebody's store that happens to have that name. */
static void what_others_left_in_the_way_stays(void)
{
    static const char *const files[] = {"letter.txt", "LOCK"};
    for (int i = 0; i < 2; i++) {
        begin();
        fill(5, 30);
        make_dir_with(COPY ".tmp", files[i]);
        CHECK_INT(checkpoint(), ERR_FOREIGN);
        CHECK(!exists(COPY));
        struct disk_dir *dir;
        struct disk_file *f;
        REQUIRE_INT(disk_dir_open(t.env.disk, COPY ".tmp", &dir), 0);
        CHECK_INT(disk_open(dir, files[i], DISK_READ, SITE_OTHER_CREATE, &f), 0);
        disk_close(f);
        disk_dir_close(dir);
        end();
    }
}

/* ---- failures ---- */

static struct disk_ops linkless;

static int no_link(struct disk_dir *dir, const char *name, struct disk_dir *to_dir,
                   const char *to, enum site site)
{
    (void)dir, (void)name, (void)to_dir, (void)to, (void)site;
    return -EXDEV;
}

static void where_links_cannot_be_tables_are_copied(void)
{
    teststore_init(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    fill(6, 300);
    const struct disk_ops *ops = t.disk->ops;
    linkless = *ops;
    linkless.link = no_link;
    t.disk->ops = &linkless;
    enum err e = checkpoint();
    t.disk->ops = ops;
    REQUIRE_INT(e, ERR_OK);
    CHECK(copy_shows(&h.now));
    struct rng rng;
    rng_init(&rng, 1); /* the copies are durable, too */
    struct moment m = h.now;
    REQUIRE_INT(teststore_power_cut(&t, DISK_SURVIVE_NONE, &rng), ERR_OK);
    CHECK(copy_shows(&m));
    end();
}

/* Whichever call fails in whatever way: an error, this store goes on, and afterwards there
 * is no copy or the whole; a second attempt gives one. */
static void sweep(int error, enum disk_sim_effect effect)
{
    for (long k = 1;; k++) {
        struct failing f;
        teststore_init(&t);
        REQUIRE_INT(teststore_open(&t), ERR_OK);
        fill(7, 60);
        REQUIRE_INT(db_compact(t.db), ERR_OK);
        REQUIRE_INT(db_settle(t.db), ERR_OK);
        failing_begin(&f, t.disk, k);
        f.error = error;
        f.effect = effect;
        f.bytes = 7;
        enum err e = checkpoint();
        bool failed = f.calls >= k;
        failing_end(&f);
        CHECK(failed ? e != ERR_OK : e == ERR_OK);
        CHECK(failed || exists(COPY));
        CHECK(!exists(COPY) || copy_shows(&h.now));
        CHECK_INT(db_put(t.db, history_key(0), history_key(1)), ERR_OK);
        CHECK_INT(db_delete(t.db, history_key(0)), ERR_OK);
        h.now.put[0] = 0;
        if (!exists(COPY)) {
            CHECK_INT(checkpoint(), ERR_OK);
            CHECK(copy_shows(&h.now));
        }
        end();
        if (!failed) {
            CHECK(k > 10);
            return;
        }
    }
}

static void after_any_failed_call_there_is_no_copy_or_the_whole(void)
{
    sweep(EIO, DISK_EFFECT_NONE);
    sweep(ENOSPC, DISK_EFFECT_PARTIAL);
    sweep(EIO, DISK_EFFECT_FULL);
}

/* A disk whose power fails right before the die_at-th call that changes it: from then on
 * the calls of the dead process answer -EBADF. */
static struct {
    struct disk_ops ops;
    const struct disk_ops *inner;
    enum disk_sim_survivors survivors;
    struct rng rng;
    long calls, die_at;
} dying;

static const struct disk_ops *arrive(void)
{
    if (++dying.calls == dying.die_at)
        disk_sim_power_cut(t.disk, dying.survivors, &dying.rng);
    return dying.inner;
}

static int dying_mkdir(struct disk *disk, const char *name, enum site site)
{
    const struct disk_ops *inner = arrive();
    return dying.calls < dying.die_at ? inner->mkdir(disk, name, site) : -EBADF;
}

static int dying_dir_sync(struct disk_dir *dir, enum site site)
{
    return arrive()->dir_sync(dir, site);
}

static int dying_rename(struct disk_dir *dir, const char *from, const char *to,
                        enum site site)
{
    return arrive()->rename(dir, from, to, site);
}

static int dying_link(struct disk_dir *dir, const char *name, struct disk_dir *to_dir,
                      const char *to, enum site site)
{
    return arrive()->link(dir, name, to_dir, to, site);
}

static int dying_write(struct disk_file *file, uint64_t offset, const void *buf, size_t n,
                       enum site site, size_t *put)
{
    return arrive()->write(file, offset, buf, n, site, put);
}

static int dying_sync(struct disk_file *file, enum disk_sync_mode mode, enum site site)
{
    return arrive()->sync(file, mode, site);
}

static int dying_open(struct disk_dir *dir, const char *name, unsigned flags,
                      enum site site, struct disk_file **out)
{
    const struct disk_ops *inner = flags & DISK_CREATE ? arrive() : dying.inner;
    return inner->open(dir, name, flags, site, out);
}

static void dying_begin(long die_at, enum disk_sim_survivors survivors, uint64_t seed)
{
    dying.inner = t.disk->ops;
    dying.ops = *dying.inner;
    dying.ops.mkdir = dying_mkdir;
    dying.ops.dir_sync = dying_dir_sync;
    dying.ops.rename = dying_rename;
    dying.ops.link = dying_link;
    dying.ops.write = dying_write;
    dying.ops.sync = dying_sync;
    dying.ops.open = dying_open;
    dying.survivors = survivors;
    dying.calls = 0;
    dying.die_at = die_at;
    rng_init(&dying.rng, seed);
    t.disk->ops = &dying.ops;
}

/* The power fails at one call of a checkpoint, or after it. Returns whether there is a
 * copy; it is whole then, and it is there when the checkpoint was told to be. */
static bool cut_at(long k, enum disk_sim_survivors survivors, uint64_t seed, bool *over)
{
    teststore_init(&t);
    t.options.sync = SYNC_ALWAYS;
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    fill(8, 40);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    REQUIRE_INT(db_settle(t.db), ERR_OK);
    struct moment m = h.now;
    dying_begin(k, survivors, seed);
    enum err e = checkpoint();
    *over = dying.calls < k;
    t.disk->ops = dying.inner;
    struct rng rng;
    rng_init(&rng, seed);
    REQUIRE_INT(teststore_power_cut(&t, survivors, &rng), ERR_OK);
    CHECK(history_reads(&h, &m, NULL));
    bool there = exists(COPY);
    CHECK(e || there);
    CHECK(!there || copy_shows(&m));
    if (!there) { /* and whatever was left in its way is none of it any more */
        CHECK_INT(checkpoint(), ERR_OK);
        CHECK(copy_shows(&m));
    }
    end();
    return there;
}

static void after_any_power_cut_there_is_no_copy_or_the_whole(void)
{
    int copies = 0, none = 0;
    bool over = false;
    for (long k = 1; !over; k++)
        for (uint64_t way = 0; way < 12; way++) {
            enum disk_sim_survivors survivors = way == 0   ? DISK_SURVIVE_NONE
                                                : way == 1 ? DISK_SURVIVE_ALL
                                                           : DISK_SURVIVE_RANDOM;
            bool there = cut_at(k, survivors, 100 * (uint64_t)k + way, &over);
            copies += there;
            none += !there;
        }
    CHECK(copies > 12 && none > 100); /* cuts on both sides of the rename */
}

static void without_memory_it_fails_and_nothing_is_left(void)
{
    for (long k = 1;; k++) {
        begin();
        fill(9, 40);
        REQUIRE_INT(db_flush(t.db), ERR_OK);
        long blocks = t.mem.blocks;
        t.mem.fail_at = t.mem.calls + k;
        enum err e = checkpoint();
        bool failed = t.mem.calls >= t.mem.fail_at;
        t.mem.fail_at = 0;
        CHECK_INT(e, failed ? ERR_NOMEM : ERR_OK);
        CHECK(!exists(COPY ".tmp"));
        CHECK(exists(COPY) == !failed);
        CHECK_INT(t.mem.blocks, blocks);
        end();
        if (!failed) return;
    }
}

CU_TestInfo engine_db_checkpoint_tests[] = {
    {"the_copy_holds_everything_and_both_go_their_own_ways",
     the_copy_holds_everything_and_both_go_their_own_ways},
    {"a_copy_of_an_empty_store_is_an_empty_store",
     a_copy_of_an_empty_store_is_an_empty_store},
    {"a_copy_can_be_copied", a_copy_can_be_copied},
    {"a_name_that_is_taken_is_refused", a_name_that_is_taken_is_refused},
    {"a_leftover_of_ours_is_replaced", a_leftover_of_ours_is_replaced},
    {"what_others_left_in_the_way_stays", what_others_left_in_the_way_stays},
    {"where_links_cannot_be_tables_are_copied", where_links_cannot_be_tables_are_copied},
    {"after_any_failed_call_there_is_no_copy_or_the_whole",
     after_any_failed_call_there_is_no_copy_or_the_whole},
    {"after_any_power_cut_there_is_no_copy_or_the_whole",
     after_any_power_cut_there_is_no_copy_or_the_whole},
    {"without_memory_it_fails_and_nothing_is_left",
     without_memory_it_fails_and_nothing_is_left},
    CU_TEST_INFO_NULL,
};
