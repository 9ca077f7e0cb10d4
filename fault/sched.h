/* sched.h - where jobs run: at once, on threads, or as coroutines under a schedule.
 *
 * Flow:    engine > sched_submit > [inline | threads | coroutines] > sched_reap > engine
 * Owns:    nothing: a job's memory belongs to its submitter, who may touch it again only
 *          after sched_reap gave it back.
 * Threads: submit, reap and wait are called by the owner thread only; `run` is called on
 *          any thread and may touch nothing but its job's own inputs and outputs.
 * Tests:   tests/fault/sched_inline_test.c, tests/fault/sched_threads_test.c,
 *          tests/fault/sched_coroutine_test.c
 *
 * A job is a function from immutable inputs to new files and a result. That is what
 * makes three ways of running it equal: the owner sees a result only when it reaps it.
 */
#ifndef FAULT_SCHED_H
#define FAULT_SCHED_H

#include "fault/mem.h"

enum job_class {
    JOB_SYNC,     /* somebody waits for it */
    JOB_METADATA, /* manifest edits, making logs ready, deleting files: many short syncs */
    JOB_FLUSH,    /* memtables */
    JOB_COMPACT,  /* the rest of the time */
    JOB_CLASSES
};

struct job {
    void (*run)(struct job *);
    enum job_class class;
    struct job *next; /* the scheduler's, while the job is with it */
};

struct sched {
    void (*submit)(struct sched *, struct job *);
    struct job *(*reap)(struct sched *); /* a finished job, or NULL */
    /* until reap has something or nothing runs, at most timeout_ms (-1: no limit) */
    void (*wait)(struct sched *, int timeout_ms);
    void (*yield)(struct sched *);  /* a place where another coroutine may run */
    int (*poll_fd)(struct sched *); /* readable when reap has something; or -1 */
    void (*free)(struct sched *);   /* REQUIRES: every job was reaped */
};

static inline void sched_submit(struct sched *s, struct job *j)
{
    s->submit(s, j);
}
static inline struct job *sched_reap(struct sched *s)
{
    return s->reap(s);
}
static inline void sched_wait(struct sched *s)
{
    s->wait(s, -1);
}
/* The owner has a moment to spare: waits for at most timeout_ms while jobs run. Where jobs
 * share the owner's thread they get their turn instead. */
static inline void sched_pause(struct sched *s, int timeout_ms)
{
    s->wait(s, timeout_ms);
}
static inline void sched_yield_point(struct sched *s)
{
    s->yield(s);
}
static inline int sched_poll_fd(struct sched *s)
{
    return s->poll_fd(s);
}
static inline void sched_free(struct sched *s)
{
    s->free(s);
}

/* Runs each job inside sched_submit. No allocation but itself; NULL without memory. */
struct sched *sched_inline_new(struct mem *mem);
/* One worker thread per job class; the compactions' in the lowest scheduling class. Before
 * waiting on the descriptor reap until NULL: a wake-up may stand for several jobs, and may
 * now and then come when there is nothing to reap any more. NULL when a thread or the pipe cannot be made. */
struct sched *sched_threads_new(struct mem *mem);

#endif
