/* reference.h - what a few commands of Redis do and answer, by the model alone.
 *
 * Flow:    talk > reference_run > model, expected reply; ask > reference_key
 * Owns:    nothing; the model is borrowed.
 * Errors:  a command that it does not know ends the program: scenarios use those it does.
 * Threads: one.
 * Tests:   tests/crash/reference_test.c
 *
 * A second opinion of the server's commands, as short as possible and without any of its
 * code. A key of database d is kept in the model as the digit d and the key; its value as
 * eight bytes of deadline (milliseconds since 1970, -1: none) and the value.
 */
#ifndef TESTS_CRASH_REFERENCE_H
#define TESTS_CRASH_REFERENCE_H

#include "proptests/model.h"
#include "tests/crash/dialogue.h"

#define REFERENCE_KEY_BYTES   64
#define REFERENCE_VALUE_BYTES 4096
#define REFERENCE_REPLY_BYTES 8192

struct reference {
    struct model *model;
    int64_t now_ms; /* the server's clock in this turn */
};

/* A command of a client that is in database *db. Changes go into the model's open group.
 * Returns the size of the reply. */
size_t reference_run(struct reference *r, const slice *words, unsigned count,
                     unsigned *db, char reply[REFERENCE_REPLY_BYTES]);
/* Deletes what is due, as one change in the open group. False: nothing is. */
bool reference_expire(struct reference *r);

/* The model's key and value of what a server shows. */
slice reference_key(unsigned db, slice key, char out[REFERENCE_KEY_BYTES]);
slice reference_value(int64_t deadline_ms, slice value, char out[REFERENCE_VALUE_BYTES]);
/* "0/k = v, until 1700000005000"; long values shortened. */
int reference_text(slice key, slice stored, char *buf, size_t n);
/* Does a server that refuses writes refuse this command? */
bool reference_writes(const slice *words);
/* Which of the words of a command are keys: from *first on, every *step-th, *last
 * included. False: none. */
bool reference_keys(const slice *words, unsigned count, unsigned *first, unsigned *last,
                    unsigned *step);

#endif
