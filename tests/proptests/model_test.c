#include "tests/support/check.h"

#include <string.h>

#include "fault/rng.h"
#include "proptests/model.h"

#define SECOND 1000000

static struct mem_counting mem;
static struct model *m;

static void begin(void)
{
    mem_counting_init(&mem, mem_libc());
    m = model_new(&mem.mem);
}

static void end(void)
{
    model_free(m);
    CHECK_INT(mem.blocks, 0);
}

static void put(const char *key, const char *value)
{
    model_put(m, slice_text(key), slice_text(value));
}

static void acked(const char *key, const char *value, enum sync_policy policy, int64_t at)
{
    put(key, value);
    model_issue(m);
    model_ack(m, policy, at);
}

/* A state written down as "k=v k=v", keys being one byte. */
static struct model_digest state(const char *text)
{
    struct model_digest d;
    model_digest_init(&d);
    for (const char *p = text; *p; p += *p == ' ') {
        size_t n = strcspn(p, " ");
        if (*p == '#') {
            model_digest_register(&d, (unsigned)(p[1] - '0'), (uint64_t)(p[3] - '0'));
        } else {
            model_digest_key(&d, slice_of(p, 1), slice_of(p + 2, n - 2));
        }
        p += n;
    }
    return d;
}

static bool allows(const char *text, size_t lower, size_t upper)
{
    struct model_digest d = state(text);
    return model_allows(m, &d, lower, upper, NULL);
}

static bool is_now(const char *text)
{
    struct model_digest a = state(text), b = model_digest_now(m);
    return model_digest_equal(&a, &b);
}

static void it_is_a_sorted_map(void)
{
    begin();
    put("c", "1");
    put("a", "2");
    put("b", "3");
    put("a", "4");
    model_delete(m, slice_text("c"));
    model_delete(m, slice_text("x"));
    slice value;

    REQUIRE_INT(model_count(m), 2);
    CHECK_SLICE(model_key(m, 0, &value), slice_text("a"));
    CHECK_SLICE(value, slice_text("4"));
    CHECK_SLICE(model_key(m, 1, &value), slice_text("b"));
    CHECK(!model_get(m, slice_text("c"), &value));
    CHECK(is_now("b=3 a=4"));
    end();
}

static void a_floor_empties_a_prefix_and_registers_count(void)
{
    begin();
    model_put(m, slice_text("ax"), slice_text("1"));
    model_put(m, slice_text("ay"), slice_text("1"));
    put("b", "2");
    model_floor(m, 'a');
    model_register_add(m, 1, 5);
    model_register_add(m, 1, -2);
    model_register_set(m, 2, 9);

    CHECK_INT(model_count(m), 1);
    CHECK_INT(model_register(m, 1), 3);
    CHECK(is_now("b=2 #1=3 #2=9"));
    model_register_set(m, 2, 0);
    CHECK(is_now("b=2 #1=3"));
    end();
}

static void digests_tell_states_apart(void)
{
    begin();
    struct model_digest a = state("a=b"), b = state("b=a"), c = state("a=b b=a");
    CHECK(!model_digest_equal(&a, &b));
    CHECK(!model_digest_equal(&a, &c));
    a = state("a=x b=y"), b = state("a=y b=x");
    CHECK(!model_digest_equal(&a, &b));
    a = state("#1=2"), b = state("#2=1");
    CHECK(!model_digest_equal(&a, &b));
    a = state("a=x b=y"), b = state("b=y a=x");
    CHECK(model_digest_equal(&a, &b));
    end();
}

static void a_prefix_is_allowed_and_a_hole_is_not(void)
{
    begin();
    acked("a", "1", SYNC_NO, 0);
    acked("b", "2", SYNC_NO, 0);
    acked("c", "3", SYNC_NO, 0);

    CHECK(allows("", 0, 3));
    CHECK(allows("a=1", 0, 3));
    CHECK(allows("a=1 b=2 c=3", 0, 3));
    CHECK(!allows("b=2", 0, 3));
    CHECK(!allows("a=1 c=3", 0, 3));
    CHECK(!allows("a=1 b=2 c=4", 0, 3));
    CHECK(!allows("a=1 b=2 c=3 d=4", 0, 3));
    CHECK(!allows("a=1", 2, 3));     /* below what is durable */
    CHECK(!allows("a=1 b=2", 0, 1)); /* above what was issued */
    end();
}

static void a_group_is_there_wholly_or_not(void)
{
    begin();
    put("a", "1");
    put("b", "2");
    model_register_add(m, 0, 2);
    model_issue(m);

    CHECK(allows("", 0, 1));
    CHECK(allows("a=1 b=2 #0=2", 0, 1));
    CHECK(!allows("a=1 b=2", 0, 1));
    CHECK(!allows("a=1 #0=2", 0, 1));
    end();
}

static void what_is_lost_depends_on_policy_and_crash(void)
{
    begin();
    acked("a", "1", SYNC_NO, 0);
    CHECK_INT(model_lower(m, MODEL_CUT, 9 * SECOND), 0);
    CHECK_INT(model_lower(m, MODEL_KILL, 0), 1);
    acked("b", "2", SYNC_EVERYSEC, 1 * SECOND);
    CHECK_INT(model_lower(m, MODEL_CUT, 3 * SECOND), 0);
    CHECK_INT(model_lower(m, MODEL_CUT, 3 * SECOND + 1), 2);
    acked("c", "3", SYNC_ALWAYS, 1 * SECOND);
    CHECK_INT(model_lower(m, MODEL_CUT, 1 * SECOND), 3);
    acked("d", "4", SYNC_NO, 1 * SECOND);
    CHECK_INT(model_lower(m, MODEL_CUT, 9 * SECOND), 3);
    model_durable(m);
    CHECK_INT(model_lower(m, MODEL_CUT, 1 * SECOND), 4);
    acked("d", "5", SYNC_EVERYSEC, 1 * SECOND);
    acked("d", "6", SYNC_EVERYSEC, 4 * SECOND);
    model_unpromise(m, 5 * SECOND); /* the first is durable by now, the second never */
    CHECK_INT(model_lower(m, MODEL_CUT, 90 * SECOND), 5);
    CHECK_INT(model_lower(m, MODEL_KILL, 90 * SECOND), 6);
    put("e", "5");
    model_issue(m);
    CHECK_INT(model_lower(m, MODEL_KILL, 9 * SECOND), 6);
    end();
}

static void a_failed_group_may_be_back_until_it_is_settled(void)
{
    begin();
    acked("a", "1", SYNC_ALWAYS, 0);
    put("b", "2");
    model_issue(m);
    model_fail(m);

    CHECK(is_now("a=1"));
    CHECK(allows("a=1", 1, 2));
    CHECK(allows("a=1 b=2", 1, 2));
    acked("c", "3", SYNC_NO, 0);
    CHECK(allows("a=1 c=3", 1, 3));
    CHECK(allows("a=1 b=2 c=3", 1, 3));
    CHECK(!allows("a=1 b=2", 3, 3));
    model_settle(m);
    CHECK(!allows("a=1 b=2 c=3", 1, 3));
    CHECK(allows("a=1 c=3", 1, 3));
    end();
}

static void several_failed_groups_are_judged_in_all_combinations(void)
{
    begin();
    for (int i = 0; i < 3; i++) {
        put(i == 0 ? "a" : i == 1 ? "b" : "c", "x");
        model_issue(m);
        model_fail(m);
    }
    CHECK(allows("", 0, 3));
    CHECK(allows("a=x c=x", 0, 3));
    CHECK(allows("b=x", 0, 3));
    CHECK(allows("a=x b=x c=x", 0, 3));
    CHECK(!allows("a=x b=x c=x", 0, 2));
    CHECK(!allows("a=x d=x", 0, 3));
    end();
}

static void a_restart_goes_on_from_the_recovered_state(void)
{
    begin();
    acked("a", "1", SYNC_NO, 0);
    acked("b", "2", SYNC_NO, 0);
    put("c", "3");
    model_issue(m);
    model_fail(m);
    put("d", "open");
    struct model_digest back = state("a=1 b=2 c=3"), wrong = state("b=2");

    CHECK(!model_restart(m, &wrong, 0, 3));
    REQUIRE(model_restart(m, &back, 0, 3));
    CHECK(is_now("a=1 b=2 c=3"));
    CHECK_INT(model_lower(m, MODEL_CUT, 0), model_groups(m));
    acked("a", "9", SYNC_NO, 0);
    CHECK(allows("a=9 b=2 c=3", 3, 4));
    CHECK(!allows("a=1 b=2", 3, 4)); /* what recovery served is durable */

    back = state("a=1 b=2 c=3");
    REQUIRE(model_restart(m, &back, 3, 4));
    CHECK(is_now("a=1 b=2 c=3")); /* the last write is gone for good */
    CHECK(!allows("a=9 b=2 c=3", 4, 4));
    end();
}

/* As in a pipeline: answers come in order, later than the next commands are issued. */
static void several_groups_may_wait_for_their_answers(void)
{
    begin();
    for (int i = 0; i < 3; i++) {
        put(i == 0 ? "a" : i == 1 ? "b" : "c", "x");
        model_issue(m);
    }
    CHECK_INT(model_answered(m), 0);
    model_ack(m, SYNC_ALWAYS, 0);
    CHECK_INT(model_lower(m, MODEL_CUT, 0), 1);
    CHECK(allows("a=x", 1, 3));
    CHECK(allows("a=x b=x c=x", 1, 3));
    model_fail(m);
    CHECK(is_now("a=x c=x"));
    CHECK(allows("a=x c=x", 1, 3));
    CHECK(allows("a=x b=x", 1, 3));
    model_ack(m, SYNC_NO, 0);
    CHECK_INT(model_lower(m, MODEL_CUT, 0), 1);
    CHECK_INT(model_lower(m, MODEL_KILL, 0), 3);
    end();
}

static void a_dropped_group_leaves_no_trace(void)
{
    begin();
    acked("a", "1", SYNC_NO, 0);
    put("a", "2");
    put("b", "3");
    model_drop(m);

    CHECK(is_now("a=1"));
    CHECK_INT(model_groups(m), 1);
    end();
}

static int keys_seen;
static void count_key(void *arg, slice key, slice value)
{
    (void)arg, (void)key, (void)value;
    keys_seen++;
}

/* Digests that are carried along equal digests computed from scratch, after any run. */
static void digests_follow_long_histories(void)
{
    begin();
    struct rng rng;
    rng_init(&rng, 3);
    for (int i = 0; i < 3000; i++) {
        char key[2] = {(char)('a' + rng_below(&rng, 12)), 0};
        uint64_t what = rng_below(&rng, 20);
        if (what < 12)
            put(key, what < 6 ? "x" : "yy");
        else if (what < 15)
            model_delete(m, slice_text(key));
        else if (what < 16)
            model_floor(m, (uint8_t)key[0]);
        else if (what < 18)
            model_register_add(m, 3, (int64_t)what - 17);
        else if (i % 97 == 0)
            model_drop(m);
        else {
            model_issue(m);
            if (i % 31 == 0) {
                model_fail(m);
                model_settle(m);
            } else {
                model_ack(m, SYNC_NO, i);
            }
        }
        struct model_digest d, now = model_digest_now(m);
        model_digest_init(&d);
        for (size_t k = 0; k < model_count(m); k++) {
            slice value, name = model_key(m, k, &value);
            model_digest_key(&d, name, value);
        }
        model_digest_register(&d, 3, model_register(m, 3));
        REQUIRE(model_digest_equal(&d, &now));
    }
    model_drop(m);
    keys_seen = 0;
    model_state(m, model_groups(m), count_key, NULL, NULL);
    CHECK_INT(keys_seen, model_count(m));
    end();
}

CU_TestInfo proptests_model_tests[] = {
    {"it_is_a_sorted_map", it_is_a_sorted_map},
    {"a_floor_empties_a_prefix_and_registers_count",
     a_floor_empties_a_prefix_and_registers_count},
    {"digests_tell_states_apart", digests_tell_states_apart},
    {"a_prefix_is_allowed_and_a_hole_is_not", a_prefix_is_allowed_and_a_hole_is_not},
    {"a_group_is_there_wholly_or_not", a_group_is_there_wholly_or_not},
    {"what_is_lost_depends_on_policy_and_crash",
     what_is_lost_depends_on_policy_and_crash},
    {"a_failed_group_may_be_back_until_it_is_settled",
     a_failed_group_may_be_back_until_it_is_settled},
    {"several_failed_groups_are_judged_in_all_combinations",
     several_failed_groups_are_judged_in_all_combinations},
    {"a_restart_goes_on_from_the_recovered_state",
     a_restart_goes_on_from_the_recovered_state},
    {"several_groups_may_wait_for_their_answers",
     several_groups_may_wait_for_their_answers},
    {"a_dropped_group_leaves_no_trace", a_dropped_group_leaves_no_trace},
    {"digests_follow_long_histories", digests_follow_long_histories},
    CU_TEST_INFO_NULL,
};
