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

/* "| CLIENT GETNAME |" for "client|getname" */
static bool documented(const char *text, const char *name)
{
    char row[64];
    int n = snprintf(row, sizeof row, "| %s |", name);
    for (int i = 2; i < n - 2; i++)
        row[i] = (char)(row[i] == '|'                    ? ' '
                        : row[i] >= 'a' && row[i] <= 'z' ? row[i] - 32
                                                         : row[i]);
    return strstr(text, row) != NULL;
}

static void every_command_is_documented(void)
{
    static char text[1 << 16];
    FILE *f = fopen("docs/commands.md", "r");
    REQUIRE(f != NULL);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    for (const struct command *c = commands; c->name; c++) {
        if (c->run && !documented(text, c->name)) printf("  %s\n", c->name);
        CHECK(!c->run || documented(text, c->name));
        for (const struct command *s = c->subcommands; s && s->name; s++)
            CHECK(strstr(s->name, "|help") || documented(text, s->name));
    }
}

CU_TestInfo server_commands_tests[] = {
    {"every_row_is_whole", every_row_is_whole},
    {"no_name_stands_twice", no_name_stands_twice},
    {"every_command_is_documented", every_command_is_documented},
    CU_TEST_INFO_NULL,
};
