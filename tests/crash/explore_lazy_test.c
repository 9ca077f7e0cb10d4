#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

#include "tests/crash/explore_state.h"

static struct explorer *new_explorer(const char *scenario, enum site drop)
{
    struct explore_options o;
    explore_options_init(&o);
    o.walk_max = 1000;
    o.samples = 1;
    o.drop = drop;
    return explorer_new(scenario_find(scenario), &o);
}

static void large_windows_are_judged_whole_by_few_leaves(void)
{
    struct explorer *x = new_explorer("flush", SITE_COUNT);

    bool good = explore(x, NULL, 0);

    const struct explore_stats *s = explorer_stats(x);
    CHECK(good);
    CHECK(s->sampled > 0);
    CHECK_INT(s->lazy, s->sampled);
    CHECK(s->leaves > 0 && s->leaves < 60);
    CHECK(s->largest > 1000 * s->leaves);
    explorer_free(x);
}

static void a_window_that_takes_too_long_is_left_to_samples(void)
{
    struct explorer *x = new_explorer("put-no", SITE_COUNT);

    bool good = explore(x, NULL, 0);

    const struct explore_stats *s = explorer_stats(x);
    CHECK(good);
    CHECK(s->sampled > s->lazy);
    CHECK(s->leaves > 0);
    explorer_free(x);
}

/* Before each barrier, instead of any other crash: the lazy walk alone. */
static bool walk_lazily(struct explorer *x, const struct tap_call *call)
{
    if (x->stop || (call && !tap_is_barrier(call))) return true;
    struct images *im = images_new(mem_libc());
    x->steps[x->step_count++] =
        (struct step){.ordinal = call ? call->ordinal : x->run.tap.calls, .window = im};
    images_open(im, x->run.disk, DISK_W, 0);
    explorer_walk_lazily(x, im);
    images_close(im);
    x->step_count--;
    images_free(im);
    return true;
}

static void what_a_leaf_violates_is_replayed_as_an_image(void)
{
    struct explorer *x = new_explorer("flush", SITE_SST_SYNC);
    x->replay_call = walk_lazily;

    REQUIRE(!explore(x, NULL, 0));

    struct violation v = *explorer_violation(x);
    bool found = false;
    CHECK(!explore_replay(x, NULL, 0, v.call, v.path, &found));
    CHECK(found);
    CHECK_INT(explorer_violation(x)->oracle, v.oracle);
    explorer_free(x);
}

CU_TestInfo crash_explore_lazy_tests[] = {
    {"large_windows_are_judged_whole_by_few_leaves",
     large_windows_are_judged_whole_by_few_leaves},
    {"a_window_that_takes_too_long_is_left_to_samples",
     a_window_that_takes_too_long_is_left_to_samples},
    {"what_a_leaf_violates_is_replayed_as_an_image",
     what_a_leaf_violates_is_replayed_as_an_image},
    CU_TEST_INFO_NULL,
};
