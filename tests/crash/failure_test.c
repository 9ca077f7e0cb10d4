#include "tests/crash/failure.h"

#include <string.h>

#include "tests/support/check.h"

/* Explores a scenario with the sync of the log dropped, and shrinks what is found. */
static void shrunk(struct explore_options *o, struct campaign_row *row)
{
    const struct scenario *s = scenario_find("put-always");
    uint8_t tape[RUN_TAPE_BYTES];
    *row = (struct campaign_row){.scenario = (uint32_t)(s - scenarios)};
    explore_options_init(o);
    o->drop = SITE_WAL_SYNC;
    struct explorer *x = explorer_new(s, o);
    size_t n = run_compile(s->tape, tape);
    REQUIRE(!explore(x, tape, n));
    row->violation = *explorer_violation(x);
    failure_shrink(x, row, tape, n);
    explorer_free(x);
}

static void a_failure_shrinks_to_one_put(void)
{
    struct explore_options o;
    struct campaign_row row;

    shrunk(&o, &row);

    CHECK_INT(row.operations, 1);
    CHECK(row.token[0] != 0 && strlen(row.token) <= TOKEN_TEXT_MAX);
}

static void its_token_fails_again_and_holds_without_the_fault(void)
{
    struct explore_options o;
    struct campaign_row row;
    shrunk(&o, &row);

    CHECK_INT(failure_replay(row.token, &o, false), 1);
    o.drop = SITE_COUNT;
    CHECK_INT(failure_replay(row.token, &o, false), 0);
}

static void nonsense_is_no_token(void)
{
    struct explore_options o;
    explore_options_init(&o);

    CHECK_INT(failure_replay("nonsense", &o, false), 2);
}

CU_TestInfo crash_failure_tests[] = {
    {"a_failure_shrinks_to_one_put", a_failure_shrinks_to_one_put},
    {"its_token_fails_again_and_holds_without_the_fault",
     its_token_fails_again_and_holds_without_the_fault},
    {"nonsense_is_no_token", nonsense_is_no_token},
    CU_TEST_INFO_NULL};
