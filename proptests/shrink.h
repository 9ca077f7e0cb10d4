/* shrink.h - makes a failure small: cuts operations, survivors, and numbers.
 *
 * Flow:    a failing run > shrink_tape, shrink_items > the smallest run that still fails
 * Owns:    nothing; works in the caller's bytes.
 * Errors:  aborts without memory.
 * Tests:   tests/proptests/shrink_test.c
 *
 * Items are removed in halves, quarters, ... single ones, as long as the failure stays
 * (Zeller, Hildebrandt: "Simplifying and isolating failure-inducing input", TSE 2002);
 * what remains is minimal in that no single item can go. An item is an operation of a tape,
 * or a micro-op that survived.
 */
#ifndef PROPTESTS_SHRINK_H
#define PROPTESTS_SHRINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHRINK_ATTEMPTS 2000 /* a budget that ends any shrinking within seconds */

/* Does the run with only the kept items still fail? Must depend on nothing else. */
typedef bool shrink_items_fn(void *arg, const bool *keep, size_t n);
/* keep[0..n) says which items are in, all those of the failure at first. Returns how many
 * are left. `attempts` runs at most are made. */
size_t shrink_items(bool *keep, size_t n, unsigned attempts, shrink_items_fn *fails,
                    void *arg);

/* Does this tape still fail? */
typedef bool shrink_tape_fn(void *arg, const uint8_t *tape, size_t size);
/* Cuts whole operations and makes the bytes that are left small; `attempts` bounds each
 * step. Returns the new size; the tape still fails. */
size_t shrink_tape(uint8_t *tape, size_t size, unsigned attempts, shrink_tape_fn *fails,
                   void *arg);

#endif
