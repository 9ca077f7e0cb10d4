#include "tests/support/check.h"

#include <stdio.h>

#include "server/dispatch.h"

static const struct command *resolve(const struct dispatch *d, const char *a,
                                     const char *b, const struct command **parent)
{
    slice argv[2] = {slice_text(a), slice_text(b ? b : "")};
    return dispatch_resolve(d, argv, b ? 2 : 1, parent);
}

static void every_command_is_found_by_its_name_in_any_case(void)
{
    struct dispatch d;
    dispatch_init(&d);
    for (const struct command *c = commands; c->name; c++) {
        char upper[32] = "";
        for (size_t i = 0; c->name[i]; i++)
            upper[i] = (char)(c->name[i] - 'a' + 'A');
        CHECK(dispatch_find(&d, slice_text(c->name)) == c);
        CHECK(dispatch_find(&d, slice_text(upper)) == c);
    }
}

/* Every name with one byte changed, dropped or added is another name. */
static void near_misses_are_not_found(void)
{
    struct dispatch d;
    dispatch_init(&d);
    for (const struct command *c = commands; c->name; c++) {
        size_t n = strlen(c->name);
        for (size_t i = 0; i < n; i++) {
            for (int byte = 0; byte < 256; byte++) {
                char name[32];
                memcpy(name, c->name, n);
                if ((byte | 0x20) == c->name[i]) continue;
                name[i] = (char)byte;
                const struct command *found = dispatch_find(&d, slice_of(name, n));
                CHECK(found != c);
            }
        }
        char longer[32];
        snprintf(longer, sizeof longer, "%s ", c->name);
        CHECK(dispatch_find(&d, slice_of(longer, n + 1)) == NULL);
        longer[n] = '\0';
        CHECK(dispatch_find(&d, slice_of(longer, n + 1)) == NULL);
        CHECK(dispatch_find(&d, slice_of(c->name, n - 1)) != c);
    }
    CHECK(dispatch_find(&d, slice_text("")) == NULL);
    CHECK(dispatch_find(&d, slice_text("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")) == NULL);
}

static void subcommands_are_found_under_their_command(void)
{
    struct dispatch d;
    const struct command *parent;
    dispatch_init(&d);

    CHECK_TEXT(resolve(&d, "Client", "GetName", &parent)->name, "client|getname");
    CHECK_TEXT(resolve(&d, "client", NULL, &parent)->name, "client");
    CHECK(resolve(&d, "client", "getnam", &parent) == NULL);
    CHECK_TEXT(parent->name, "client");
    CHECK(resolve(&d, "nope", "x", &parent) == NULL);
    CHECK(parent == NULL);
}

static void arity_is_exact_or_at_least(void)
{
    struct command exact = {.arity = 3}, least = {.arity = -3};
    CHECK(!command_takes(&exact, 2));
    CHECK(command_takes(&exact, 3));
    CHECK(!command_takes(&exact, 4));
    CHECK(!command_takes(&least, 2));
    CHECK(command_takes(&least, 3));
    CHECK(command_takes(&least, 1000000));
}

CU_TestInfo server_dispatch_tests[] = {
    {"every_command_is_found_by_its_name_in_any_case",
     every_command_is_found_by_its_name_in_any_case},
    {"near_misses_are_not_found", near_misses_are_not_found},
    {"subcommands_are_found_under_their_command",
     subcommands_are_found_under_their_command},
    {"arity_is_exact_or_at_least", arity_is_exact_or_at_least},
    CU_TEST_INFO_NULL,
};
