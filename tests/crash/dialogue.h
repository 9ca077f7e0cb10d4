/* dialogue.h - what clients say to a server, in words: the tape of a server scenario.
 *
 * Flow:    scenario > dialogue_compile > steps > talk > server
 * Owns:    the words, inside the struct.
 * Errors:  dialogue_compile says where it stopped.
 * Threads: any.
 * Tests:   tests/crash/dialogue_test.c
 *
 * Steps are separated by ";". Up to three clients, a b c, are connected from the start.
 *
 *   a SET k v        a command is said by a: its bytes wait to be written
 *   turn, turn 3     what waits is written; the server takes a turn
 *   a slice 7        of what waits only seven bytes are written before the next turn
 *   a read 5         a fetches so many reply bytes; without it, nothing is fetched
 *   a recv 4         the server receives from a at most four bytes at a time
 *   a send 4         the server can send to a at most four bytes at a time
 *   a window 9       ... and no more than nine that a has not fetched
 *   a reset          the connection breaks
 *   failsync 1       the next sync fails (2: the one after it ...)
 *   failwrite 1      the next write fails after a part; full 1: as it does on a full disk
 *   wait 1500        milliseconds pass
 *   idle 20          twenty times: a tenth of a second passes, the server takes a turn
 *
 * A word "@200" stands for a value of two hundred bytes that no other word has. A tape is
 * a list of steps by number, so that any of them can be left out.
 */
#ifndef TESTS_CRASH_DIALOGUE_H
#define TESTS_CRASH_DIALOGUE_H

#include <stdbool.h>

#include "engine/slice.h"

#define DIALOGUE_STEPS      96
#define DIALOGUE_WORDS      12 /* of one command */
#define DIALOGUE_TEXT_BYTES 16384
#define DIALOGUE_CLIENTS    3
#define DIALOGUE_TEXT       200 /* of one step, for people */

enum step_kind {
    STEP_SAY,
    STEP_TURN,
    STEP_SLICE,
    STEP_READ,
    STEP_RECV,
    STEP_SEND,
    STEP_WINDOW,
    STEP_RESET,
    STEP_FAIL_SYNC,
    STEP_FAIL_WRITE,
    STEP_FULL,
    STEP_WAIT,
    STEP_IDLE,
};

struct dialogue_step {
    enum step_kind kind;
    unsigned client;             /* 0 .. 2 */
    uint32_t number;             /* bytes, milliseconds, turns or calls */
    slice words[DIALOGUE_WORDS]; /* SAY: the command; in the dialogue's text */
    unsigned count;
};

struct dialogue {
    struct dialogue_step steps[DIALOGUE_STEPS];
    size_t count;
    uint8_t text[DIALOGUE_TEXT_BYTES];
    size_t text_size;
    uint64_t seed; /* of made values */
};

/* NULL, or the place at which the text is no dialogue. */
const char *dialogue_compile(const char *text, struct dialogue *out);
/* A step in words, long values shortened. Returns the length as snprintf does. */
int dialogue_text(const struct dialogue_step *step, char *buf, size_t n);

#endif
