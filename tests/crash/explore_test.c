#include "tests/crash/explore.h"

#include <string.h>

#include "tests/support/check.h"

static struct explorer *start(const char *scenario, struct explore_options *o)
{
    return explorer_new(scenario_find(scenario), o);
}

static void synced_puts_survive_every_cut(void)
{
    struct explore_options o;
    explore_options_init(&o);
    struct explorer *x = start("put-always", &o);

    CHECK(explore(x, NULL, 0));

    const struct explore_stats *s = explorer_stats(x);
    CHECK(s->windows > 3);
    CHECK_INT(s->analytic, s->images);
    CHECK(s->distinct >= s->primary);
    CHECK(explorer_violation(x) == NULL);
    explorer_free(x);
}

static void a_dropped_barrier_is_found_and_found_again(void)
{
    struct explore_options o;
    explore_options_init(&o);
    o.drop = SITE_WAL_SYNC;
    struct explorer *x = start("put-always", &o);

    REQUIRE(!explore(x, NULL, 0));
    struct violation v = *explorer_violation(x);
    bool found = false;
    bool good = explore_replay(x, NULL, 0, v.call, v.path, &found);

    CHECK_INT(v.oracle, ORACLE_DURABLE);
    CHECK(found);
    CHECK(!good);
    CHECK_INT(explorer_violation(x)->oracle, ORACLE_DURABLE);
    explorer_free(x);
}

static void a_path_that_is_no_crash_is_not_found(void)
{
    struct explore_options o;
    explore_options_init(&o);
    struct explorer *x = start("put-always", &o);
    bool found = true;

    explore_replay(x, NULL, 0, 1, "+99.0", &found);

    CHECK(!found);
    explorer_free(x);
}

static void equal_runs_have_equal_counts(void)
{
    struct explore_options o;
    explore_options_init(&o);
    o.kills = o.mixed = true;
    struct explorer *a = start("group", &o), *b = start("group", &o);

    CHECK(explore(a, NULL, 0));
    CHECK(explore(b, NULL, 0));

    struct explore_stats x = *explorer_stats(a), y = *explorer_stats(b);
    x.seconds = y.seconds = 0;
    CHECK(x.visits == y.visits && x.distinct == y.distinct && x.kills == y.kills);
    CHECK(x.kills > 0 && x.mixed > 0);
    explorer_free(a);
    explorer_free(b);
}

static void shards_divide_the_images(void)
{
    struct explore_options o;
    uint64_t all, sum = 0;
    explore_options_init(&o);
    struct explorer *x = start("flush", &o);
    CHECK(explore(x, NULL, 0));
    all = explorer_stats(x)->primary;
    explorer_free(x);

    o.shards = 3;
    for (o.shard = 0; o.shard < 3; o.shard++) {
        x = start("flush", &o);
        CHECK(explore(x, NULL, 0));
        sum += explorer_stats(x)->primary;
        explorer_free(x);
    }

    CHECK_INT(sum, all);
}

CU_TestInfo crash_explore_tests[] = {
    {"synced_puts_survive_every_cut", synced_puts_survive_every_cut},
    {"a_dropped_barrier_is_found_and_found_again",
     a_dropped_barrier_is_found_and_found_again},
    {"a_path_that_is_no_crash_is_not_found", a_path_that_is_no_crash_is_not_found},
    {"equal_runs_have_equal_counts", equal_runs_have_equal_counts},
    {"shards_divide_the_images", shards_divide_the_images},
    CU_TEST_INFO_NULL};
