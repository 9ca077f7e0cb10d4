#include "tests/support/check.h"

#include <string.h>

#include "proptests/shrink.h"
#include "proptests/tape.h"

/* Fails when items 3 and 17 are both in. */
static bool needs_two(void *arg, const bool *keep, size_t n)
{
    unsigned *runs = arg;
    (*runs)++;
    return n > 17 && keep[3] && keep[17];
}

static void only_what_matters_is_left(void)
{
    bool keep[40];
    unsigned runs = 0;
    memset(keep, 1, sizeof keep);

    CHECK_INT(shrink_items(keep, 40, SHRINK_ATTEMPTS, needs_two, &runs), 2);
    CHECK(keep[3] && keep[17]);
    CHECK(runs < 120);
}

static void the_budget_is_kept(void)
{
    bool keep[40];
    unsigned runs = 0;
    memset(keep, 1, sizeof keep);

    size_t left = shrink_items(keep, 40, 5, needs_two, &runs);
    CHECK(runs <= 5);
    CHECK(left > 2 && keep[3] && keep[17]);
}

static bool always(void *arg, const bool *keep, size_t n)
{
    (void)arg, (void)keep, (void)n;
    return true;
}

static void a_failure_without_items_shrinks_to_nothing(void)
{
    bool keep[7] = {true, true, false, true, true, true, true};
    CHECK_INT(shrink_items(keep, 7, SHRINK_ATTEMPTS, always, NULL), 0);
    CHECK_INT(shrink_items(keep, 0, SHRINK_ATTEMPTS, always, NULL), 0);
}

/* "Fails" when a key is written, flushed later, and a register is added to after that. */
static bool put_flush_add(void *arg, const uint8_t *tape, size_t size)
{
    (void)arg;
    struct tape_reader r;
    struct tape_op op;
    int stage = 0;
    tape_read(&r, tape, size);
    while (tape_next(&r, &op)) {
        if (stage == 0 && op.kind == TAPE_WRITE && op.entries[0].change == TAPE_PUT)
            stage = 1;
        if (stage == 1 && op.kind == TAPE_FLUSH) stage = 2;
        for (unsigned i = 0; stage == 2 && i < op.count; i++)
            if (op.entries[i].change == TAPE_ADD) return true;
    }
    return false;
}

static void a_tape_shrinks_to_the_operations_and_bytes_that_matter(void)
{
    uint8_t tape[4096];
    size_t size = 0;
    uint64_t seed = 0;
    do {
        size = tape_random(seed++, 150, tape, sizeof tape);
    } while (!put_flush_add(NULL, tape, size));

    size = shrink_tape(tape, size, SHRINK_ATTEMPTS, put_flush_add, NULL);

    char text[TAPE_OP_TEXT];
    struct tape_reader r;
    struct tape_op op;
    CHECK_INT(tape_count(tape, size), 3);
    tape_read(&r, tape, size);
    REQUIRE(tape_next(&r, &op));
    tape_text(&op, text, sizeof text);
    CHECK_TEXT(text, "put a0 8");
    REQUIRE(tape_next(&r, &op));
    CHECK_INT(op.kind, TAPE_FLUSH);
    REQUIRE(tape_next(&r, &op));
    CHECK(put_flush_add(NULL, tape, size));
}

CU_TestInfo proptests_shrink_tests[] = {
    {"only_what_matters_is_left", only_what_matters_is_left},
    {"the_budget_is_kept", the_budget_is_kept},
    {"a_failure_without_items_shrinks_to_nothing",
     a_failure_without_items_shrinks_to_nothing},
    {"a_tape_shrinks_to_the_operations_and_bytes_that_matter",
     a_tape_shrinks_to_the_operations_and_bytes_that_matter},
    CU_TEST_INFO_NULL,
};
