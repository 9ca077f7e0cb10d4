/* Why the order matters: a log is synced before the one that continues it, so that what
 * survives a power cut has no hole; and after a failure the later logs are left alone, for
 * what they hold continues records that may be gone. */
#include "engine/log_sync.h"

#include <assert.h>

void log_sync_init(struct log_sync *s, int64_t now_us)
{
    s->job = (struct job){.run = log_sync_run, .class = JOB_SYNC};
    s->begun_us = now_us;
    s->count = s->ran = 0;
}

void log_sync_add(struct log_sync *s, struct memlog *m)
{
    assert(s->count < STORE_LOGS_MAX && !m->log.failed);
    assert(s->count == 0 || s->memlogs[s->count - 1]->log.log < m->log.log);
    memlog_ref(m);
    s->memlogs[s->count] = m;
    s->syncs[s->count++] = wal_sync_begin(&m->log);
}

void log_sync_run(struct job *job)
{
    struct log_sync *s = (struct log_sync *)job;
    bool failed = false;
    while (s->ran < s->count && !failed) {
        wal_sync_run(&s->syncs[s->ran]);
        failed = s->syncs[s->ran++].result;
    }
}

enum err log_sync_end(struct log_sync *s, struct err_detail *why)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < s->count; i++) {
        if (i < s->ran && !e) e = wal_sync_end(&s->memlogs[i]->log, &s->syncs[i], why);
        memlog_unref(s->memlogs[i]);
    }
    s->count = s->ran = 0;
    return e;
}
