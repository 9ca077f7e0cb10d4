/* talk.h - plays a dialogue on a server and keeps the model: what left, was acknowledged.
 *
 * Flow:    run > talk_play > clients > simulated sockets > server; sockets > model
 * Owns:    server, network, clients. Disk, clock and model are the run's.
 * Errors:  a wrong reply byte breaks the run: run.broken says which.
 * Threads: one.
 * Tests:   tests/crash/talk_test.c
 *
 * A command counts as issued when the server receives its last byte, because it is run at
 * once; the order in which the server receives is the order of the model's history. It
 * counts as acknowledged, with all before it, when the last byte of its reply has left.
 * A reply of which a part left is in flight, whatever stands in that part.
 *
 * In the turn in which a write or a sync fails, the first write and all that follows it
 * must be answered with the error, whoever asked; after it every write that the store
 * refuses. A dialogue with a failure has no slow readers.
 */
#ifndef TESTS_CRASH_TALK_H
#define TESTS_CRASH_TALK_H

#include "tests/crash/dialogue.h"
#include "tests/crash/run.h"

struct talk;

/* Aborts when the scenario's text is no dialogue. The server does not run yet. */
struct talk *talk_new(struct run *r);
void talk_free(struct talk *t);
/* Plays scenario->before until every reply has arrived. */
void talk_begin(struct talk *t);
/* Plays the steps of the tape; starts the server when it does not run. */
void talk_play(struct talk *t, const uint8_t *tape, size_t size);
/* A changing call is about to be made: the one that shall fail? */
void talk_before_call(struct talk *t, const struct tap_call *call);
/* The tape of a whole dialogue: its steps in order. Returns the size. */
size_t talk_tape(const char *text, uint8_t *out, size_t room);
/* The step of a byte of the tape; NULL: there is no such step. */
const struct dialogue_step *talk_step(const struct talk *t, uint8_t byte);

#endif
