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
 * - the contents of files. Which files an edit names and frees, and which manifest a
 *   pointer names, is known only from the reader (disk_order_set_reader); the engine's is
 *   tests/support/order_edits.h. A manifest is *in force* from the switch of the pointer
 *   to it until a later switch is durable; what an edit names counts from then on.
 * - replies: the test says when one leaves.
 * - bytes: a file is durable as a whole or not at all.
 * - what happened before it was put in front of the disk, or before disk_order_forget:
 *   that counts as durable.
 *
 * A call that answers an error may have had its effect (R14): the disk is asked. After a
 * failed sync nothing of what was pending is durable by a later one (R13): only bytes that
 * are written again, another name, another manifest can mend that.
 */
#ifndef FAULT_DISK_ORDER_H
#define FAULT_DISK_ORDER_H

#include "fault/disk.h"
#include "fault/mem.h"

struct disk_order;

/* Rule, its name, and the sentence for it. */
#define ORDER_RULES(X)                                                                   \
    X(ORDER_POINTER, "pointer", "the pointer is switched to what is not durable")        \
    X(ORDER_EDIT, "edit", "an edit names a file that is not durable")                    \
    X(ORDER_DELETE, "delete", "a file goes before the edit that frees it is durable")    \
    X(ORDER_RECYCLE, "recycle", "a recycled log is written before its name is durable")  \
    X(ORDER_ACKNOWLEDGE, "reply", "a reply leaves before its log is safe")

#define ORDER_RULE_ENUM(id, name, text) id,
enum order_rule { ORDER_RULES(ORDER_RULE_ENUM) ORDER_RULE_COUNT };
#undef ORDER_RULE_ENUM

const char *order_rule_name(enum order_rule rule);
const char *order_rule_text(enum order_rule rule);

/* `line` names site, file and what is missing: "manifest/write: 000007.sst: its bytes are
 * not synced". */
typedef void disk_order_violation_fn(void *arg, enum order_rule rule, const char *line);

/* 0 or -ENOMEM. on_violation may be NULL: violations are only counted. */
int disk_order_new(struct mem *mem, struct disk *inner,
                   disk_order_violation_fn *on_violation, void *arg,
                   struct disk_order **out);
/* A handle that was not closed is lost, with its memory: the leak shows there and on the
 * inner disk. It must not be used any more. */
void disk_order_free(struct disk_order *order);
/* The disk to give to the code under test. */
struct disk *disk_order_disk(struct disk_order *order);
unsigned long disk_order_violations(const struct disk_order *order);
/* How often a rule was applied to a file: a rule that was never asked has not held. */
uint64_t disk_order_checks(const struct disk_order *order, enum order_rule rule);
/* The process has died: what the disk shows now counts as durable. Handles of the dead
 * process may still be closed. */
void disk_order_forget(struct disk_order *order);

/* ---- what manifests and pointers hold ---- */

/* Called with the bytes of a manifest or pointer: before each write to one, and, for files
 * of an earlier process, with all of them when they are opened first. It tells what they
 * mean through the functions below. `dir` tells one directory from another. */
typedef void disk_order_reader_fn(void *arg, struct disk_order *order, unsigned dir,
                                  const char *name, uint64_t offset, const void *bytes,
                                  size_t n);
/* Without a reader only syncs of pointers and recycled logs, and replies are checked. */
void disk_order_set_reader(struct disk_order *order, disk_order_reader_fn *fn, void *arg);
/* The edit makes the state name this file, which it did not before. */
void disk_order_edit_adds(struct disk_order *order, const char *name);
/* The state after the edit does not name this file any more. */
void disk_order_edit_frees(struct disk_order *order, const char *name);
/* The pointer names this manifest. */
void disk_order_points_to(struct disk_order *order, const char *manifest);

/* ---- replies ---- */

/* A moment: everything that has been written to logs so far lies before it. */
uint64_t disk_order_now(struct disk_order *order);
/* A reply leaves that promises everything which lies before `moment`. Records of logs
 * count (sites wal/write and wal/copy); marks and zero-fill do not. */
void disk_order_acknowledge(struct disk_order *order, uint64_t moment);

#endif
