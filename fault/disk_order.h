/* disk_order.h - a wrapper over any disk that sees when durability is taken for granted.
 *
 * Flow:    engine > disk.h (shim) > disk_order > disk_sim | disk_posix | disk_trace
 *          tests < on_violation, disk_order_violations
 * Owns:    its notes and handles; the inner disk is borrowed.
 * Errors:  those of the inner disk, unchanged. Aborts when its own memory is exhausted: an
 *          assert that looks away proves nothing.
 * Threads: as disk.h says; on_violation is called under a lock and must not call back.
 * Tests:   tests/fault/disk_order_test.c
 *
 * A crash shows a missing barrier only if it strikes in the right window. The wrapper needs
 * no crash: it notes which bytes and names were changed, which of them a returned sync
 * covers (a sync covers what had returned before it was entered; a failed one covers
 * nothing, and what it left behind stays undurable for good), and reports each call that
 * relies on more.
 *
 * What it sees: names, kinds of file, sites and the order of calls. What it cannot see:
 * - the contents of files. Which tables an edit names and which files it frees is known
 *   only from disk_order_set_edits. Without it an edit is taken to name every table that
 *   nobody has open for writing, and to free whatever is deleted after it, which is exact
 *   as long as jobs run one at a time. The snapshot in a new manifest counts from the
 *   switch of the pointer on. tests/support/order_edits.h reads the engine's edits.
 * - replies: the test says when one leaves.
 * - bytes: a file is durable as a whole or not at all.
 * - what happened before it was put in front of the disk: that counts as durable.
 */
#ifndef FAULT_DISK_ORDER_H
#define FAULT_DISK_ORDER_H

#include "fault/disk.h"
#include "fault/mem.h"

struct disk_order;

/* Rule, and the sentence for it. */
#define ORDER_RULES(X)                                                                   \
    X(ORDER_POINTER, "the pointer is switched to what is not durable")                   \
    X(ORDER_EDIT, "an edit names a file that is not durable")                            \
    X(ORDER_DELETE, "a file goes before the edit that frees it is durable")              \
    X(ORDER_RECYCLE, "a recycled log is written before its new name is durable")         \
    X(ORDER_ACKNOWLEDGE, "a reply leaves before the log is synced")

#define ORDER_RULE_ENUM(id, text) id,
enum order_rule { ORDER_RULES(ORDER_RULE_ENUM) ORDER_RULE_COUNT };
#undef ORDER_RULE_ENUM

const char *order_rule_text(enum order_rule rule);

/* `line` names site, file and what is missing: "manifest/write: 000007.sst: its bytes are
 * not synced". */
typedef void disk_order_violation_fn(void *arg, enum order_rule rule, const char *line);

/* 0 or -ENOMEM. on_violation may be NULL: violations are only counted. */
int disk_order_new(struct mem *mem, struct disk *inner,
                   disk_order_violation_fn *on_violation, void *arg,
                   struct disk_order **out);
/* REQUIRES: every handle was closed. */
void disk_order_free(struct disk_order *order);
/* The disk to give to the code under test. */
struct disk *disk_order_disk(struct disk_order *order);
unsigned long disk_order_violations(const struct disk_order *order);

/* ---- what a manifest's bytes mean ---- */

/* Called before each write of an edit with the bytes of the whole call; tells what they
 * mean through the two functions below. */
typedef void disk_order_edit_fn(void *arg, struct disk_order *order, const char *manifest,
                                uint64_t offset, const void *bytes, size_t n);
/* Set it before the store is created: of files that no edit has named since, nothing is
 * demanded. */
void disk_order_set_edits(struct disk_order *order, disk_order_edit_fn *fn, void *arg);
/* The edit makes the state name this file, which it did not before. */
void disk_order_edit_adds(struct disk_order *order, const char *name);
/* The state after the edit does not name this file any more. */
void disk_order_edit_frees(struct disk_order *order, const char *name);

/* ---- replies ---- */

/* A moment: everything that has been written to logs so far lies before it. */
uint64_t disk_order_now(struct disk_order *order);
/* A reply leaves that promises everything which lies before `moment`. Records of logs
 * count (sites wal/write and wal/settle); marks and zero-fill do not. */
void disk_order_acknowledge(struct disk_order *order, uint64_t moment);

#endif
