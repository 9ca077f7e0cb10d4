/* litmus.h - small programs whose outcomes after a crash are known by heart.
 *
 * Flow:  litmus_test.c, litmus_main.c > litmus_run > disk.h + images.h
 * Tests: tests/fault/litmus_test.c
 *
 * A program is a list of calls, separated by ';', on files in a store directory that is
 * durable and empty. A file's content is written one letter a chunk: "XY" is a chunk of
 * X and a chunk of Y; '0' zeros, '?' stale bytes; "(X3Y61)" one chunk of 3 X and 61 Y.
 *
 *   durable a=XY                 file with this content, synced with its name
 *   create a      write a 1 XY   offset in chunks     writeb a 5 3 X   in bytes, 3 times X
 *   append a XY   truncate a 1   in chunks            truncateb a 5    in bytes
 *   allocate a 2  fsync a  fdatasync a  syncdir  syncroot
 *   rename a b    link a b       unlink a    mkdir d   rmdir d
 *   d/a           a file in another directory below the root; "syncdir d" syncs it
 *   fsync a { write a 0 Y }      the calls in braces run while the fsync is under way
 *   none! CALL  part! N CALL  full! CALL    it answers EIO and did nothing, N bytes, all
 *   short! N CALL                a write does N bytes and says so
 *   nospc! CALL                  it answers ENOSPC by itself (see `capacity`)
 *   kill                         the process dies; a new one opens the disk
 *   cut none   cut all           the power fails and that much survives
 *   flip a N  zero a N  stale a N  swap a N M  eio a N    media damage at chunks
 *   read a XY                    the content now; anything else is an outcome of its own
 *
 * An outcome lists the names in order: "a=XY b=0", "a+b=X" (two names of one file), "d/"
 * (an empty directory), "-" (nothing). A chunk that cannot be read is '!'.
 */
#ifndef TESTS_FAULT_LITMUS_H
#define TESTS_FAULT_LITMUS_H

#include <stdbool.h>
#include <stdio.h>

#include "fault/disk_sim.h"

struct litmus {
    const char *program;
    /* The exact outcomes, separated by " | ", in any order. "=" means: those of W. */
    const char *w, *j, *v, *p;
    unsigned tau;
    unsigned capacity; /* chunks; 0: no limit */
    enum disk_sim_full full;
    enum disk_sim_cache cache;
};
extern const struct litmus litmus_programs[];
extern const size_t litmus_count;

#define OUTCOME_BYTES 160
#define OUTCOMES_MAX  512

/* A sorted set of outcomes. */
struct outcomes {
    size_t count;
    char text[OUTCOMES_MAX][OUTCOME_BYTES];
};

/* Runs the program and collects what a crash may leave under the profile. False when the
 * walk and the formula disagree about the number of choices, or a hash is wrong. */
bool litmus_run(const struct litmus *l, enum disk_profile profile, uint32_t kinder,
                struct outcomes *out);
/* The set that is written in the table for V, W, J or P. */
void litmus_expected(const struct litmus *l, enum disk_profile profile,
                     struct outcomes *out);
bool outcomes_equal(const struct outcomes *a, const struct outcomes *b);
bool outcomes_within(const struct outcomes *inner, const struct outcomes *outer);
/* Prints what is missing and what is extra, one line each. */
void outcomes_print_difference(const struct outcomes *want, const struct outcomes *got);

#endif
