/* disk_trace.h - a wrapper over any disk that remembers every call that changes something.
 *
 * Flow:    engine > disk.h (shim) > disk_trace > disk_sim | disk_posix
 *          tests, explorer < trace_call
 * Owns:    what it recorded and its handles; the inner disk is borrowed.
 * Errors:  those of the inner disk, unchanged. Aborts when its own memory is exhausted:
 *          a trace with a hole would prove nothing.
 * Threads: one, or coroutines of one.
 * Tests:   tests/fault/disk_trace_test.c, tests/engine/same_trace_test.c
 *
 * Two runs that made the same calls with the same bytes and got the same answers have the
 * same trace and the same hash. That is how replay is proved to be exact, and how the
 * simulated disk is held against the real one: reads, sizes and lists are left out,
 * because they change nothing that a crash could reveal.
 */
#ifndef FAULT_DISK_TRACE_H
#define FAULT_DISK_TRACE_H

#include <stdbool.h>

#include "fault/disk.h"
#include "fault/mem.h"

struct disk_trace;

/* One call, or a mark of the test's own. */
struct trace_call {
    bool mark; /* offset is the mark's number; the rest is 0 */
    enum file_call call;
    enum site site;
    uint32_t actor;      /* who made it; see disk_trace_set_actor */
    uint32_t dir, name;  /* texts, see disk_trace_name; 0: none */
    uint32_t to_dir, to; /* of rename and link */
    uint64_t offset;     /* write: where; truncate, allocate: the size; open: the flags;
                            sync: the mode */
    uint64_t length;     /* write: bytes that should be written */
    uint64_t hash;       /* write: of these bytes */
    int64_t result;      /* negative errno; write: bytes written; else 0 */
    uint32_t order;      /* it was the how-manieth to return, from 0: under coroutines a
                            call takes effect (a sync: ends) in this order */
};

/* 0 or -ENOMEM. */
int disk_trace_new(struct mem *mem, struct disk *inner, struct disk_trace **out);
/* REQUIRES: every handle was closed. */
void disk_trace_free(struct disk_trace *t);
/* The disk to give to the code under test. */
struct disk *disk_trace_disk(struct disk_trace *t);

/* Asks fn who makes each call, for runs under coroutines. NULL: always 0. */
typedef uint32_t disk_trace_actor_fn(void *arg);
void disk_trace_set_actor(struct disk_trace *t, disk_trace_actor_fn *fn, void *arg);
/* Puts a mark of the caller's between the calls: "operation 7 was acknowledged here". */
void disk_trace_mark(struct disk_trace *t, uint64_t number);

size_t disk_trace_count(const struct disk_trace *t);
/* The call with that ordinal; valid until the next call on the disk. */
const struct trace_call *disk_trace_call(const struct disk_trace *t, size_t ordinal);
/* The text of a directory's or file's name; "" for 0. Lives as long as the trace. */
const char *disk_trace_name(const struct disk_trace *t, uint32_t name);
/* Forgets the calls and keeps the names. */
void disk_trace_clear(struct disk_trace *t);

/* Of all calls and marks so far: the same for equal traces, whatever disk is inside. */
uint64_t disk_trace_hash(const struct disk_trace *t);
/* The ordinal of the first call in which two traces differ, or -1. */
long disk_trace_difference(const struct disk_trace *a, const struct disk_trace *b);
/* One line for humans: "#12 wal/write store/000004.log [128,+57) 9f3c... = 57". Returns
 * the length as snprintf does. */
int disk_trace_text(const struct disk_trace *t, size_t ordinal, char *buf, size_t n);

/* 64 bits over n bytes; good enough to tell contents apart, not against an adversary. */
uint64_t trace_hash_bytes(const void *bytes, size_t n);

#endif
