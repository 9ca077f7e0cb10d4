/* Plans behind libfiu's external callback.
 *
 * Every pattern is enabled once (libfiu leaks the name of one that is enabled again),
 * with the same callback. Which plan a question concerns is decided here, by the point
 * and site of the question, not by the name that libfiu passes (the pattern) nor by its
 * precedence among patterns. The callback must not call libfiu: it would wait for a lock
 * that its caller holds. */
#include "fault/plan.h"

#include <errno.h>

#ifdef FIU_ENABLE

#include <assert.h>
#include <fiu-control.h>
#include <fiu.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fault/question.h"

static struct plan *armed[PLANS_MAX];
static unsigned armed_count;
static bool listening; /* fiu-ctrl may enable points at any time */

static bool pattern_matches(const char *pattern, const char *path)
{
    size_t n = strlen(pattern);
    if (n && pattern[n - 1] == '*') return !strncmp(pattern, path, n - 1);
    return !strcmp(pattern, path);
}

/* Counts the call, once, and tells whether it is one that fails. */
static bool plan_fires(struct plan *plan, unsigned index)
{
    if (plan->at_site && plan->site != question->site) return false;
    if (!pattern_matches(plan->pattern, point_rows[question->row].path)) return false;
    if (question->counted & 1u << index) return false;
    question->counted |= 1u << index;
    long hit = ++plan->hits;
    if (plan->sticky ? hit < plan->kth : hit != plan->kth) return false;
    plan->fired++;
    return true;
}

static int decide(const char *name, int *failnum, void **failinfo, unsigned *flags)
{
    (void)name, (void)flags;
    assert(question);
    struct plan *firing = NULL;
    for (unsigned i = 0; i < armed_count; i++)
        if (plan_fires(armed[i], i) && !firing) firing = armed[i];
    if (!firing) return 0;
    *failnum = 1;
    *failinfo = (void *)(intptr_t)firing->error;
    return 1;
}

static bool pattern_known(const char *pattern)
{
    for (unsigned row = 0; row < point_count; row++)
        if (pattern_matches(pattern, point_rows[row].path)) return true;
    return false;
}

/* True when a plan before this one has the same pattern. */
static bool pattern_shared(unsigned index)
{
    for (unsigned i = 0; i < index; i++)
        if (!strcmp(armed[i]->pattern, armed[index]->pattern)) return true;
    return false;
}

int plan_arm(struct plan *plan)
{
    if (plan->kth < 1 || !pattern_known(plan->pattern)) return -EINVAL;
    if (armed_count == PLANS_MAX) return -ENOSPC;
    if (fiu_init(0)) return -ENOMEM;
    plan->hits = plan->fired = 0;
    armed[armed_count] = plan;
    if (!pattern_shared(armed_count) &&
        fiu_enable_external(plan->pattern, 1, NULL, 0, decide))
        return -ENOMEM;
    armed_count++;
    atomic_store(&fault_armed, true);
    return 0;
}

/* libfiu has no "disable all". */
void plan_disarm_all(void)
{
    if (!listening) atomic_store(&fault_armed, false);
    for (unsigned i = 0; i < armed_count; i++)
        fiu_disable(armed[i]->pattern);
    armed_count = 0;
}

/* fiu_rc_fifo starts a thread; with all signals blocked there, the program's own go on
 * being delivered to its own threads. */
int plan_listen(const char *fifo_prefix)
{
    sigset_t all, before;
    if (fiu_init(0)) return -ENOMEM;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int rc = fiu_rc_fifo(fifo_prefix);
    int e = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc < 0) return e ? -e : -EIO;
    listening = true;
    atomic_store(&fault_armed, true);
    return 0;
}

int plan_listen_environment(void)
{
    const char *prefix = getenv("RIPTIDEKV_FIU_FIFO");
    return prefix && *prefix ? plan_listen(prefix) : 0;
}

#else

int plan_arm(struct plan *plan)
{
    (void)plan;
    return -ENOSYS;
}

void plan_disarm_all(void)
{
}

int plan_listen(const char *fifo_prefix)
{
    (void)fifo_prefix;
    return -ENOSYS;
}

#endif
