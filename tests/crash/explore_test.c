#include "tests/crash/explore.h"

#include <string.h>

#include "fault/plan.h"
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

/* Of images in one class some are recovered all the same, and of windows some are walked:
 * so a class that is wrong is noticed, of images where recoveries are followed, of windows
 * everywhere. */
static void a_wrong_class_is_noticed(void)
{
    for (int deep = 0; deep < 2; deep++) {
        struct explore_options o;
        explore_options_init(&o);
        o.deep = deep;
        o.chunk_bytes = 512;
        o.names_only = true;
        struct explorer *x = start("overwrite", &o);

        CHECK(!explore(x, NULL, 0));

        const struct violation *v = explorer_violation(x);
        REQUIRE(v != NULL);
        CHECK(!deep || strstr(v->text, "a wrong class"));
        explorer_free(x);
    }
}

/* Two crashes inside each other, nothing merged: each image is one of the fixpoint's. */
static void the_fixpoint_knows_what_nested_crashes_lead_to(void)
{
    struct explore_options o;
    explore_options_init(&o);
    o.deep = true;
    o.inner_max = 1u << 17;
    o.chunk_bytes = 512;
    o.nest = 2;
    o.nest_max = 12;
    struct explorer *x = start("group", &o);

    CHECK(explore(x, NULL, 0));

    const struct explore_stats *s = explorer_stats(x);
    CHECK_INT(s->unfinished, 0);
    CHECK(s->nested > 1000);
    explorer_free(x);
}

static void what_is_left_out_bounds_the_depth(void)
{
    struct explore_options o;
    explore_options_init(&o);
    o.deep = true;
    o.chunk_bytes = 512;
    o.levels = 2;
    struct explorer *x = start("group", &o);

    CHECK(explore(x, NULL, 0));

    CHECK(explorer_stats(x)->unfinished > 0);
    CHECK_INT(explorer_stats(x)->depth, 3);
    explorer_free(x);
}

#ifdef FIU_ENABLE

/* No crash at all: the ordering assert is asked about the run alone. What it says first
 * is a rule that is broken on the way; each is broken by itself in fault/disk_order. */
static void a_barrier_out_of_order_is_found_without_a_crash(void)
{
    static const struct {
        enum order_rule asked, first;
        enum site site;
        const char *scenario, *pattern;
    } rows[] = {
        {ORDER_POINTER, ORDER_POINTER, SITE_CURRENT_SYNC, "manifest-roll",
         "fs/current/sync/drop"},
        {ORDER_EDIT, ORDER_EDIT, SITE_SST_SYNC, "flush", "fs/sst/sync/drop"},
        {ORDER_DELETE, ORDER_POINTER, SITE_MANIFEST_SYNC, "compact-level0",
         "fs/manifest/sync/drop"},
        {ORDER_RECYCLE, ORDER_EDIT, SITE_WAL_DIRSYNC, "recycle", "fs/wal/sync/drop"},
        {ORDER_ACKNOWLEDGE, ORDER_ACKNOWLEDGE, SITE_WAL_SYNC, "put-always",
         "fs/wal/sync/drop"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct explore_options o;
        explore_options_init(&o);
        o.cuts = o.kills = o.mixed = false;
        struct explorer *x = start(rows[i].scenario, &o);
        CHECK(explore(x, NULL, 0));
        CHECK(explorer_ordered(x)->checks[rows[i].asked] > 0);
        struct plan plan = {.pattern = rows[i].pattern,
                            .at_site = true,
                            .site = rows[i].site,
                            .kth = 1,
                            .sticky = true};
        REQUIRE_INT(plan_arm(&plan), 0);
        CHECK(!explore(x, NULL, 0));
        plan_disarm_all();
        const struct violation *v = explorer_violation(x);
        REQUIRE(v != NULL);
        CHECK_INT(v->oracle, ORACLE_ORDER);
        CHECK(strstr(v->text, order_rule_text(rows[i].first)) == v->text);
        explorer_free(x);
    }
}

#endif

CU_TestInfo crash_explore_tests[] = {
    {"synced_puts_survive_every_cut", synced_puts_survive_every_cut},
    {"a_dropped_barrier_is_found_and_found_again",
     a_dropped_barrier_is_found_and_found_again},
    {"a_path_that_is_no_crash_is_not_found", a_path_that_is_no_crash_is_not_found},
    {"equal_runs_have_equal_counts", equal_runs_have_equal_counts},
    {"shards_divide_the_images", shards_divide_the_images},
    {"a_wrong_class_is_noticed", a_wrong_class_is_noticed},
    {"the_fixpoint_knows_what_nested_crashes_lead_to",
     the_fixpoint_knows_what_nested_crashes_lead_to},
    {"what_is_left_out_bounds_the_depth", what_is_left_out_bounds_the_depth},
#ifdef FIU_ENABLE
    {"a_barrier_out_of_order_is_found_without_a_crash",
     a_barrier_out_of_order_is_found_without_a_crash},
#endif
    CU_TEST_INFO_NULL};
