/* interleave_small.h - a scenario so small that all its schedules can be explored.
 *
 * Used by: tests/crash/interleave_test.c, tests/crash/merging_test.c
 */
#ifndef TESTS_CRASH_INTERLEAVE_SMALL_H
#define TESTS_CRASH_INTERLEAVE_SMALL_H

#include "tests/crash/explore_state.h"
#include "tests/crash/interleave.h"

/* Every schedule can be explored without merging anything. */
static inline struct scenario small_scenario(void)
{
    struct scenario s = *scenario_find("race-recycle");
    s.tape = "put d0 8; step; put d1 0";
    return s;
}

static inline struct explore_options small_options(void)
{
    struct explore_options o;
    explore_options_init(&o);
    o.chunk_bytes = 512;
    o.preemptions = 1;
    return o;
}

/* How many images of `a` are not among those of `b`. */
static inline size_t missing(const struct explorer *a, const struct explorer *b)
{
    size_t n = 0;
    for (size_t i = 0; i < a->set.places; i++) {
        const struct image_entry *e = &a->set.entries[i];
        if (e->value && !image_set_find(&b->set, e->hash)) n++;
    }
    return n;
}

#endif
