/* plan.h - which call is to fail, and how: the instrument of fault sweeps.
 *
 * Flow:    tests > plan_arm > libfiu (fiu_enable_external) > points.h > shim.c ...
 * Borrows: a plan from plan_arm until plan_disarm_all.
 * Errors:  negative errno, nothing armed. Without FIU_ENABLE always -ENOSYS.
 * Threads: arm and disarm while nobody else asks; hits and fires are counted by all.
 * Tests:   tests/fault/plan_test.c
 *
 * A sweep runs a scenario with the first, second, ... call failing until a run in which
 * the plan did not fire:
 *
 *     for (long k = 1;; k++) {
 *         struct plan plan = {.pattern = "fs/wal/sync/eio", .kth = k};
 *         plan_arm(&plan);
 *         scenario();
 *         plan_disarm_all();
 *         if (!plan.fired) break;
 *     }
 *
 * `hits` goes on counting when k is beyond the end, so a run with a large k tells how
 * many calls a scenario makes.
 */
#ifndef FAULT_PLAN_H
#define FAULT_PLAN_H

#include <stdbool.h>

#include "fault/sites.h"

#define PLANS_MAX 8 /* armed at the same time */

struct plan {
    const char *pattern; /* a point's path, or the beginning of several and a '*' */
    bool at_site;        /* only calls at `site` match */
    enum site site;
    long kth;    /* the matching call that fails, from 1 */
    bool sticky; /* and all matching calls after it */
    int error;   /* errno to answer; 0: the point's own */
    /* Results, valid after plan_disarm_all; set to 0 by plan_arm. One call is one hit,
     * even if the pattern matches several of its points. */
    _Atomic long hits;
    _Atomic long fired;
};

/* Arms one plan more. -EINVAL: the pattern matches no point, or kth < 1; -ENOSPC: too
 * many plans. When a pattern matches several points of a call the first in the order of
 * points.h fires, so patterns are for counting or for points of different calls. */
int plan_arm(struct plan *plan);
/* Disarms all plans. What fiu-ctrl has enabled stays. */
void plan_disarm_all(void);

/* Listens for fiu-ctrl at the pipes <fifo_prefix>-<pid>.in and .out, and keeps every
 * point armed for good. */
int plan_listen(const char *fifo_prefix);

/* What a server calls first: listens when the environment variable RIPTIDEKV_FIU_FIFO
 * holds a prefix, else does nothing. Nothing remains of it without FIU_ENABLE.
 *
 *     $ RIPTIDEKV_FIU_FIFO=/tmp/fiu build/fiu/riptidekv-server --appendfsync always &
 *     $ fiu-ctrl -f /tmp/fiu -c 'enable name=fs/wal/sync/eio' PID
 *     $ fiu-ctrl -f /tmp/fiu -c 'disable name=fs/wal/sync/eio' PID
 *
 * `failinfo=28` replaces the errno by ENOSPC; `failnum=3` lets two calls pass first; a
 * name may end in '*'. */
#ifdef FIU_ENABLE
int plan_listen_environment(void);
#else
static inline int plan_listen_environment(void)
{
    return 0;
}
#endif

#endif
