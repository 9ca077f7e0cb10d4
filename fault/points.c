/* Asking libfiu. Compiled to nothing without FIU_ENABLE.
 *
 * libfiu knows names and nothing else, so each question goes through the points of its
 * place and call one by one. The first that fires decides; the others are asked all the
 * same, so that every plan counts every call. That costs about 100 ns per point and
 * happens only while something is armed.
 *
 * While libfiu is asked, the question hangs on a thread-local pointer: a callback that
 * was enabled for a pattern is told the pattern's name only, and plan.c wants to know
 * the point and the site. */
#include "fault/points.h"

#ifdef FIU_ENABLE

#include <assert.h>
#include <fiu.h>
#include <stdint.h>

#include "fault/question.h"

atomic_bool fault_armed;

const struct point_row point_rows[] = {
#define POINT_ROW(path, place, call, effect, error) {path, place, call, effect, error},
    FAULT_POINTS(POINT_ROW)
#undef POINT_ROW
};

const unsigned point_count = sizeof point_rows / sizeof *point_rows;

_Thread_local struct question *question;

/* Calls that a point has let pass because it was enabled with a failnum above 1. */
static atomic_int passed[sizeof point_rows / sizeof *point_rows];

/* failnum N means "from the N-th call on", so that a k-th call can be hit from outside
 * the process too, where libfiu offers no counting. */
static bool point_fires(unsigned row)
{
    int failnum = fiu_fail(point_rows[row].path);
    if (!failnum) {
        if (atomic_load(&passed[row])) atomic_store(&passed[row], 0);
        return false;
    }
    return failnum <= 1 || atomic_fetch_add(&passed[row], 1) + 1 >= failnum;
}

/* Must follow point_fires at once: libfiu keeps the last failinfo per thread. */
static struct fault point_fault(unsigned row)
{
    struct fault f = {point_rows[row].effect, point_rows[row].error};
    int error = (int)(intptr_t)fiu_failinfo();
    if (f.error && error > 0) f.error = error;
    return f;
}

struct fault fault_ask(unsigned place, unsigned call, enum site site)
{
    struct fault f = {FAULT_NONE, 0};
    struct question asked = {.site = site};
    assert(!question);
    question = &asked;
    for (unsigned row = 0; row < point_count; row++) {
        if (point_rows[row].place != place || point_rows[row].call != call) continue;
        asked.row = row;
        if (point_fires(row) && f.effect == FAULT_NONE) f = point_fault(row);
    }
    question = NULL;
    return f;
}

#endif
