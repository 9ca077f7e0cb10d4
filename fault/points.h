/* points.h - the places where the floor can be told to fail, and the question at each.
 *
 * Flow:    shim.c, mem.c, net_posix.c > fault_at_*() > libfiu > plan.h | fiu-ctrl
 * Threads: any; whatever is armed is shared by all.
 * Tests:   tests/fault/points_test.c, tests/fault/shim_test.c
 *
 * Without FIU_ENABLE a question is the constant "nothing" and no instruction remains.
 */
#ifndef FAULT_POINTS_H
#define FAULT_POINTS_H

#include <stdbool.h>
#include <stddef.h>

#include "fault/sites.h"

/* How a point makes a call fail; the last part of its path. */
enum fault_effect {
    FAULT_NONE,  /* nothing is wanted: make the call */
    FAULT_ERROR, /* answer `error`, do nothing */
    FAULT_DROP,  /* answer success, do nothing */
    FAULT_AFTER, /* make the call; when it succeeded answer `error` all the same */
    FAULT_PART,  /* do about half of it, then answer `error` */
    FAULT_SHORT, /* do about half of it and say so: legal, the caller goes on */
};

struct fault {
    enum fault_effect effect;
    int error; /* errno to answer; 0 when effect is NONE, DROP or SHORT */
};

/* Asks for a mutating call at `site`, or a read of a file of `kind`. */
static inline struct fault fault_at_site(enum file_call call, enum site site)
{
    (void)call;
    (void)site;
    return (struct fault){FAULT_NONE, 0};
}
static inline struct fault fault_at_kind(enum file_call call, enum file_kind kind)
{
    (void)call;
    (void)kind;
    return (struct fault){FAULT_NONE, 0};
}

/* True when -f.error is the answer and the call must not be made. */
static inline bool fault_answers(struct fault f)
{
    return f.effect == FAULT_ERROR || f.effect == FAULT_DROP;
}

/* The answer of a call that was made and returned `e`. */
static inline int fault_then(struct fault f, int e)
{
    return f.effect == FAULT_AFTER && !e ? -f.error : e;
}

/* How many of n bytes a short or partial call moves. */
static inline size_t fault_part(struct fault f, size_t n)
{
    if (f.effect == FAULT_PART) return n / 2;
    return f.effect == FAULT_SHORT && n > 1 ? n / 2 : n;
}

#endif
