/* The table against itself: what dispatch and COMMAND take for granted. */
#include "tests/support/check.h"

#include <stdio.h>

#include "server/command.h"

static void check_row(const struct command *c)
{
    bool ok = c->arity != 0 && (c->run || c->subcommands) && c->group && c->since &&
              c->complexity && c->summary && c->summary[0];
    /* Commands with keys either read or write, and say how. */
    bool reads = c->flags & CMD_READONLY, writes = c->flags & CMD_WRITE;
    if (c->keys.first)
        ok &= reads != writes && c->keys.access && c->keys.step > 0 &&
              (c->keys.last >= c->keys.first || c->keys.last < 0);
    /* Whatever needs memory writes; whatever an administrator does is no data command. */
    if (c->flags & CMD_DENYOOM) ok &= writes;
    if (c->flags & CMD_ADMIN) ok &= !reads && !writes;
    if (!ok) printf("  row %s\n", c->name);
    CHECK(ok);
}

static void every_row_is_whole(void)
{
    size_t n = 0;
    for (const struct command *c = commands; c->name; c++, n++) {
        check_row(c);
        for (const struct command *s = c->subcommands; s && s->name; s++) {
            size_t prefix = strlen(c->name);
            check_row(s);
            CHECK(strncmp(s->name, c->name, prefix) == 0 && s->name[prefix] == '|');
            CHECK(s->subcommands == NULL && s->run != NULL);
        }
    }
    CHECK_INT(n, commands_count);
}

static void no_name_stands_twice(void)
{
    for (const struct command *a = commands; a->name; a++)
        for (const struct command *b = commands; b < a; b++)
            CHECK(strcmp(a->name, b->name) != 0);
}

CU_TestInfo server_commands_tests[] = {
    {"every_row_is_whole", every_row_is_whole},
    {"no_name_stands_twice", no_name_stands_twice},
    CU_TEST_INFO_NULL,
};
