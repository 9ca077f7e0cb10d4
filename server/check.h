/* check.h - the program riptidekv-check: verifies a store, repairs it, or takes one of its
 * files apart.
 *
 * Flow:    check_main.c > check_parse, check_store > db_check | db_repair, recount |
 *          dump_file
 * Errors:  exit codes: 0 sound, 1 findings (with --repair: something was lost), 2 it could
 *          not be done (arguments, no such directory, in use).
 * Crash:   nothing is changed, but by --repair: see engine/repair.h.
 * Tests:   tests/server/check_test.c, tests/check.sh
 */
#ifndef SERVER_CHECK_H
#define SERVER_CHECK_H

#include <stdbool.h>

#include "fault/disk.h"
#include "fault/mem.h"

enum { CHECK_SOUND = 0, CHECK_FINDINGS = 1, CHECK_UNABLE = 2 };

struct check {
    const char *path; /* of the store, as it was given; NULL: it was not */
    const char *dump; /* a file's name; NULL: verify */
    bool json;
    bool repair;
    /* The world; a line goes to people's eyes, or to those who asked for JSON. */
    struct mem *mem;
    struct disk *disk;
    const char *store; /* its directory below the disk's root */
    void (*print)(void *arg, const char *line);
    void (*complain)(void *arg, const char *line);
    void *arg;
};

enum check_parsed { CHECK_RUN, CHECK_HELP, CHECK_BAD };
extern const char check_usage[];
/* Fills path, dump, json and repair. CHECK_BAD: `wrong` says what is wrong; json is set all the
 * same if it was asked for. */
#define CHECK_WRONG_BYTES 160
enum check_parsed check_parse(struct check *c, int argc, const char *const *argv,
                              char wrong[CHECK_WRONG_BYTES]);
/* Returns the exit code. */
int check_store(struct check *c);
/* Says why nothing could be done, with --json as a document, too. Returns CHECK_UNABLE. */
int check_unable(struct check *c, const char *text);

#endif
