/* model.h - what a store must answer, and what it may have become after a crash.
 *
 * Flow:    player, explorer > model_* ; a recovered store > model_digest > model_allows
 * Owns:    copies of all keys and values it was told.
 * Errors:  aborts without memory: a judge that forgets is worse than none.
 * Threads: one.
 * Tests:   tests/proptests/model_test.c
 *
 * The model knows keys, values, registers and floors, and nothing of logs, tables or
 * files. It is a sorted map with history: the history is a list of groups, each atomic,
 * in the order in which they were issued. A store that comes back from a crash must be in
 * the state after the first p groups for some p:
 *
 *     group     0    1    2    3    4    5          p = 3, 4, 5 or 6
 *               known durable  acked     issued
 *                         lower                upper
 *
 * Nothing known as durable may be missing (p >= lower), nothing may be invented
 * (p <= upper), and there is no hole, because a state after p groups has none. A group
 * that was answered with an error is the exception: it may be there or not, wholly, until
 * model_settle says that this is over.
 */
#ifndef PROPTESTS_MODEL_H
#define PROPTESTS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/options.h"
#include "engine/slice.h"
#include "fault/mem.h"

#define MODEL_REGISTERS 64
#define MODEL_MAYBE_MAX                                                                  \
    8 /* unsettled failed groups that are judged in all combinations */
#define MODEL_EVERYSEC_US 2000000 /* what everysec may lose is younger than this */

struct model;

struct model *model_new(struct mem *mem);
void model_free(struct model *m);

/* ---- telling it what is done ---- */

/* Changes go into the open group (opened by the first of them) and show at once. */
void model_put(struct model *m, slice key, slice value);
void model_delete(struct model *m, slice key);
void model_register_add(struct model *m, unsigned reg, int64_t delta);
void model_register_set(struct model *m, unsigned reg, uint64_t value);
void model_floor(struct model *m, uint8_t prefix);

/* The open group is handed to the store: from now on it may survive. Returns its number;
 * an empty group (a read) is a group too. */
size_t model_issue(struct model *m);
/* The oldest group without an answer was answered with OK at that time and under that
 * policy. */
void model_ack(struct model *m, enum sync_policy policy, int64_t now_us);
/* It was answered with an error: undone, yet it may be back after a crash. */
void model_fail(struct model *m);
/* Groups that were answered so far; model_groups - this is how many wait. */
size_t model_answered(const struct model *m);
/* The open group never reached the store (it was refused, or the crash came first). */
void model_drop(struct model *m);
/* Everything acknowledged so far is durable: a flush, a close or a recovery succeeded. */
void model_durable(struct model *m);
/* What failed before will not come back: a later sync or a new log succeeded. */
void model_settle(struct model *m);

/* No sync will come for what is not durable by now (the last one failed, or the policy
 * changed): of these groups any may be lost, however old they become. */
void model_unpromise(struct model *m, int64_t now_us);

/* ---- what it knows ---- */

/* The value now, with the changes of the open group. False: no such key. */
bool model_get(const struct model *m, slice key, slice *value);
uint64_t model_register(const struct model *m, unsigned reg);
size_t model_count(const struct model *m); /* keys */
/* The i-th key in order; i < model_count. */
slice model_key(const struct model *m, size_t i, slice *value);
size_t model_groups(const struct model *m); /* issued so far */
size_t model_maybes(const struct model *m); /* failed, and not settled */

/* ---- judging a recovered store ---- */

/* A state as a number: feed it every key with its value, and every register; the order
 * does not matter. Equal states have equal digests, others differ but for chance. */
struct model_digest {
    uint64_t sum;
    uint64_t keys;
};
void model_digest_init(struct model_digest *d);
void model_digest_key(struct model_digest *d, slice key, slice value);
void model_digest_register(struct model_digest *d, unsigned reg, uint64_t value);
bool model_digest_equal(const struct model_digest *a, const struct model_digest *b);
/* Of the state now, the open group included. */
struct model_digest model_digest_now(const struct model *m);
/* The same of the keys alone, as an iterator sees them. */
struct model_digest model_digest_keys(const struct model *m);

enum model_crash {
    MODEL_KILL, /* the process dies: what was acknowledged is there */
    MODEL_CUT,  /* the power fails: what the policy promises is there */
};
/* How many groups must be there at least after a crash at that time. The policy is that
 * under which each group was acknowledged. */
size_t model_lower(const struct model *m, enum model_crash crash, int64_t now_us);
/* Is this the state after p groups for some lower <= p <= upper, failed ones there or not?
 * *p (may be NULL) is the greatest such p. */
bool model_allows(const struct model *m, const struct model_digest *seen, size_t lower,
                  size_t upper, size_t *p);
/* As model_allows; and if so this state is the new beginning: what is in it is durable,
 * the rest of the history never happened, the open group is dropped. */
bool model_restart(struct model *m, const struct model_digest *seen, size_t lower,
                   size_t upper);

/* For explanations: calls key for each key and reg for each non-zero register of the
 * state after the first p groups, failed ones left out. */
typedef void model_key_fn(void *arg, slice key, slice value);
typedef void model_register_fn(void *arg, unsigned reg, uint64_t value);
void model_state(const struct model *m, size_t p, model_key_fn *key,
                 model_register_fn *reg, void *arg);

#endif
