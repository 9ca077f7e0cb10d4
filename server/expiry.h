/* expiry.h - deadlines in the words of a command.
 *
 * Flow:  cmd_string, cmd_expire > expiry_parse > keyspace_put
 * Tests: tests/server/cmd_expire_test.c
 */
#ifndef SERVER_EXPIRY_H
#define SERVER_EXPIRY_H

#include "server/command.h"

enum expiry_unit {
    EXPIRY_NONE,
    EXPIRY_SECONDS,      /* from now */
    EXPIRY_MILLISECONDS, /* from now */
    EXPIRY_AT_SECONDS,   /* since 1970 */
    EXPIRY_AT_MILLISECONDS
};

/* Reads a positive time as a deadline; false: the error has been answered. */
bool expiry_parse(struct call *c, slice text, enum expiry_unit unit,
                  int64_t *deadline_ms);
/* As expiry_parse, but times that have passed are allowed: EXPIRE deletes then. */
bool expiry_parse_any(struct call *c, slice text, enum expiry_unit unit,
                      int64_t *deadline_ms);

#endif
