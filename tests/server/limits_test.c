#include "tests/support/check.h"

#include "server/limits.h"

static void what_fits_stays_as_it_was_asked_for(void)
{
    struct config c;
    config_init(&c);
    c.maxclients = 100;
    c.open_tables_max = 50;
    CHECK_INT(limits_wanted(&c), 150 + LIMITS_OTHER);
    CHECK(!limits_fit(&c, 150 + LIMITS_OTHER));
    CHECK(!limits_fit(&c, UINT64_MAX)); /* no limit */
    CHECK_INT(c.maxclients, 100);
    CHECK_INT(c.open_tables_max, 50);
}

static void whatever_the_limit_everything_has_a_place_in_it(void)
{
    for (uint64_t limit = 8; limit < 12000; limit++) {
        struct config c;
        config_init(&c);
        bool lowered = limits_fit(&c, limit);
        uint64_t other = limit / 2 < LIMITS_OTHER ? limit / 2 : LIMITS_OTHER;
        CHECK(lowered == (limit < 10000 + 1000 + LIMITS_OTHER));
        CHECK(c.maxclients >= 1 && c.open_tables_max >= 1);
        CHECK((uint64_t)(c.maxclients + c.open_tables_max) + other <= limit);
    }
}

static void few_descriptors_are_shared(void)
{
    struct config c;
    config_init(&c);
    CHECK(limits_fit(&c, 64));
    CHECK_INT(c.open_tables_max, 9);
    CHECK_INT(c.maxclients, 23);
    config_init(&c);
    CHECK(limits_fit(&c, 1024));
    CHECK_INT(c.open_tables_max, 241);
    CHECK_INT(c.maxclients, 719);
}

static void what_was_fitted_is_never_above_the_most(void)
{
    for (uint64_t limit = 8; limit < 12000; limit++) {
        struct config c;
        config_init(&c);
        bool lowered = limits_fit(&c, limit);
        int64_t most = limits_clients_most(&c, limit);
        CHECK(lowered ? c.maxclients == most : c.maxclients <= most);
    }
    struct config c;
    config_init(&c);
    CHECK_INT(limits_clients_most(&c, 0), INT64_MAX); /* not known */
    CHECK(limits_clients_most(&c, UINT64_MAX) > UINT32_MAX);
}

CU_TestInfo server_limits_tests[] = {
    {"what_fits_stays_as_it_was_asked_for", what_fits_stays_as_it_was_asked_for},
    {"whatever_the_limit_everything_has_a_place_in_it",
     whatever_the_limit_everything_has_a_place_in_it},
    {"few_descriptors_are_shared", few_descriptors_are_shared},
    {"what_was_fitted_is_never_above_the_most", what_was_fitted_is_never_above_the_most},
    CU_TEST_INFO_NULL,
};
