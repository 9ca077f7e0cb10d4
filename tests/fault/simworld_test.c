#include "tests/support/check.h"

#include <stdio.h>
#include <time.h>

#include "tests/support/simworld.h"

static void put(struct db *db, const char *key, const char *value)
{
    REQUIRE_INT(db_put(db, slice_text(key), slice_text(value)), ERR_OK);
}

static enum err get(struct db *db, const char *key)
{
    slice value;
    return db_get(db, slice_text(key), &value, NULL);
}

static void a_store_lives_through_a_power_cut(void)
{
    struct simworld w;
    struct options o;
    simworld_init(&w, NULL);
    simworld_tiny_options(&o);
    o.sync = SYNC_ALWAYS;
    struct db *db = simworld_open(&w, &o);
    put(db, "a", "1");

    simworld_cut(&w, DISK_SURVIVE_NONE);
    db_close(db);
    db = simworld_open(&w, &o);
    CHECK_INT(get(db, "a"), ERR_OK);

    CHECK_INT(db_close(db), ERR_OK);
    simworld_deinit(&w);
}

static void a_killed_process_leaves_the_cache_and_a_cut_takes_it(void)
{
    struct simworld w;
    struct options o;
    simworld_init(&w, NULL);
    simworld_tiny_options(&o);
    o.sync = SYNC_NO;
    struct db *db = simworld_open(&w, &o);
    put(db, "a", "1");
    simworld_kill(&w);
    db_close(db);
    db = simworld_open(&w, &o);
    CHECK_INT(get(db, "a"), ERR_OK);

    put(db, "b", "2");
    simworld_cut(&w, DISK_SURVIVE_NONE);
    db_close(db);
    db = simworld_open(&w, &o);
    CHECK_INT(get(db, "a"), ERR_OK); /* recovery had served it */
    CHECK_INT(get(db, "b"), ERR_NOT_FOUND);

    CHECK_INT(db_close(db), ERR_OK);
    simworld_deinit(&w);
}

static void count_up(void *arg)
{
    (*(int *)arg)++;
}

/* The power fails at each moment of a put and of the close after it: what was not
 * acknowledged by then may be lost, the rest may not. */
static void the_power_can_fail_at_any_moment_of_a_call(void)
{
    int inside = 0, after = 0;
    bool came = true;
    for (long point = 1; came; point++) {
        struct simworld w;
        struct options o;
        int told = 0;
        simworld_init(&w, NULL);
        simworld_tiny_options(&o);
        o.sync = SYNC_ALWAYS;
        struct db *db = simworld_open(&w, &o);
        put(db, "a", "1");
        simworld_remember_at(&w, point, count_up, &told);
        put(db, "b", "2");
        bool acked = told == 0;
        db_close(db);
        came = simworld_cut_remembered(&w, DISK_SURVIVE_NONE);
        if (came) {
            db = simworld_open(&w, &o);
            CHECK_INT(get(db, "a"), ERR_OK);
            CHECK_INT(get(db, "b"), acked ? ERR_OK : ERR_NOT_FOUND);
            db_close(db);
            *(acked ? &after : &inside) += 1;
        }
        simworld_deinit(&w);
    }
    CHECK(inside >= 3); /* before the write, before the sync, inside it */
    CHECK(after > 0);
}

/* The trace of one small life of a store. */
static uint64_t life(uint64_t seed, bool coroutines)
{
    struct simworld_options wo;
    struct simworld w;
    struct options o;
    simworld_options_init(&wo);
    wo.seed = seed;
    wo.trace = true;
    wo.coroutines = coroutines;
    simworld_init(&w, &wo);
    simworld_tiny_options(&o);
    struct db *db = simworld_open(&w, &o);
    for (int i = 0; i < 20; i++) {
        char key[8];
        snprintf(key, sizeof key, "key%d", i);
        put(db, key, "a value of some length, so that memtables fill");
        if (i == 10) {
            simworld_cut(&w, DISK_SURVIVE_RANDOM);
            db_close(db);
            db = simworld_open(&w, &o);
        }
        db_step(db);
    }
    CHECK_INT(db_flush(db), ERR_OK);
    CHECK_INT(db_close(db), ERR_OK);
    uint64_t hash = disk_trace_hash(w.trace);
    simworld_deinit(&w);
    return hash;
}

static void the_same_world_gives_the_same_trace(void)
{
    CHECK(life(1, false) == life(1, false));
    CHECK(life(1, true) == life(1, true));
}

static void a_world_is_made_in_microseconds(void)
{
    struct timespec a, b;
    struct simworld w;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 1000; i++) {
        simworld_init(&w, NULL);
        simworld_deinit(&w);
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    double us =
        (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
    printf("     a world costs %.1f us\n", us);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    CHECK(us < 1000);
#endif
}

CU_TestInfo fault_simworld_tests[] = {
    {"a_store_lives_through_a_power_cut", a_store_lives_through_a_power_cut},
    {"a_killed_process_leaves_the_cache_and_a_cut_takes_it",
     a_killed_process_leaves_the_cache_and_a_cut_takes_it},
    {"the_power_can_fail_at_any_moment_of_a_call",
     the_power_can_fail_at_any_moment_of_a_call},
    {"the_same_world_gives_the_same_trace", the_same_world_gives_the_same_trace},
    {"a_world_is_made_in_microseconds", a_world_is_made_in_microseconds},
    CU_TEST_INFO_NULL,
};
