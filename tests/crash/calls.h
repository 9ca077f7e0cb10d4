/* calls.h - the calls to the disk before a crash, and what became of each.
 *
 * Flow:    crash --explain > calls_note before each call > calls_tell
 * Owns:    its notes.
 * Threads: one.
 * Tests:   tests/crash/calls_test.c
 *
 * A call makes micro-ops, each of which survives a power cut by itself (fault/images.h):
 * one for each chunk and size that it changes, and for each name.
 */
#ifndef TESTS_CRASH_CALLS_H
#define TESTS_CRASH_CALLS_H

#include "fault/images.h"
#include "tests/crash/disk_tap.h"

#define CALLS_MAX  512 /* that are remembered, the newest */
#define CALLS_TOLD 24  /* of those that are pending, the newest */

struct call_note {
    enum file_call call;
    enum site site;
    uint32_t ordinal, before; /* before: micro-ops that were made earlier */
    uint64_t offset;
    size_t length;
    char name[DISK_NAME_MAX + 1];
};

struct calls {
    struct call_note note[CALLS_MAX]; /* a ring */
    size_t count;                     /* of all so far */
};

/* A call is about to be made (NULL: the run ends). The disk is the simulated one, without
 * a tap. */
void calls_note(struct calls *c, const struct disk *disk, const struct tap_call *call);
/* One line for each pending call; window NULL: the process was killed, and the newest are
 * told as done. */
void calls_tell(const struct calls *c, const struct images *window,
                void (*line)(void *arg, const char *text), void *arg);

#endif
