/* dispatch.h - from the words of a command to its function: look-up, checks, run.
 *
 * Flow:    conn > dispatch > commands (the table) > command functions
 * Owns:    the look-up table.
 * Errors:  every refusal is answered with Redis's text.
 * Tests:   tests/server/dispatch_test.c
 */
#ifndef SERVER_DISPATCH_H
#define SERVER_DISPATCH_H

#include "server/command.h"

/* Open addressing over the rows of the table: a name of up to sixteen letters is two
 * numbers, so that a look-up is one hash and two comparisons. */
#define DISPATCH_SLOTS 512
struct dispatch {
    struct dispatch_slot {
        uint64_t low, high; /* the name's letters, lower case, zero-padded */
        const struct command *command;
    } slots[DISPATCH_SLOTS];
};

void dispatch_init(struct dispatch *d);
/* The command with this name in any case, or NULL. */
const struct command *dispatch_find(const struct dispatch *d, slice name);
/* The row for these words: a command or one of its subcommands. NULL: unknown; *parent
 * is then the command whose subcommand is unknown, or NULL. */
const struct command *dispatch_resolve(const struct dispatch *d, const slice *argv,
                                       uint32_t argc, const struct command **parent);
/* Whether so many words are right for the command. */
bool command_takes(const struct command *command, uint32_t argc);
/* Checks and runs c->command (NULL: unknown, with `parent` as above). */
void dispatch_run(struct call *c, const struct command *parent);

#endif
