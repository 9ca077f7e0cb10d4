/* log_sync.h - a sync of logs as a job, which may run while their owner writes on.
 *
 * Flow:    db.c > log_sync_add, log_sync_run (here or on a worker) > wal_sync_run
 *          scheduler > db_sync_returned > log_sync_end
 * Owns:    a reference to each memlog between add and end, so that its file stays open.
 * Errors:  of the first log whose sync fails; that log is final, those after it are as
 *          they were.
 * Threads: the owner's, but for log_sync_run, which reads nothing that the owner writes
 *          meanwhile.
 * Crash:   what a log held when it was added is durable when log_sync_end answers ERR_OK.
 * Tests:   tests/engine/log_sync_test.c
 */
#ifndef ENGINE_LOG_SYNC_H
#define ENGINE_LOG_SYNC_H

#include "engine/memlog.h"
#include "fault/sched.h"

struct log_sync {
    struct job job;                         /* first: a scheduler gives it back */
    int64_t begun_us;                       /* monotonic */
    struct memlog *memlogs[STORE_LOGS_MAX]; /* the owner's */
    struct wal_sync syncs[STORE_LOGS_MAX];  /* the job's */
    size_t count;
    size_t ran; /* so many syncs were tried; the last of them may have failed */
};

void log_sync_init(struct log_sync *s, int64_t now_us);
/* From here on only what the log holds now is covered. Oldest log first. */
void log_sync_add(struct log_sync *s, struct memlog *m);
/* The job: one sync after the other, until one fails. */
void log_sync_run(struct job *job);
/* Tells the logs what came of it and lets them go. */
enum err log_sync_end(struct log_sync *s, struct err_detail *why);

#endif
