/* failing.h - makes the k-th call that changes a simulated disk fail.
 *
 * Flow:    code under test > shim > failing > disk_sim
 * Borrows: the disk, between failing_begin and failing_end.
 *
 * A sweep runs a scenario with fail_at = 1, 2, ... until `calls` stays below it.
 */
#ifndef TESTS_SUPPORT_FAILING_H
#define TESTS_SUPPORT_FAILING_H

#include "fault/disk_sim.h"

struct failing {
    struct disk_ops ops; /* stands in for the disk's own; first, to be found again */
    const struct disk_ops *inner;
    struct disk *disk;
    long calls;   /* mutating calls so far, syncs included */
    long fail_at; /* the call that fails, from 1; 0: none */
    enum disk_sim_effect effect;
    int error;    /* a positive errno */
    size_t bytes; /* of a partial or short write */
    bool lasting; /* so do all that come after it */
    /* Sets of 1u << enum file_call and 1u << enum file_kind, 0: all; others do not count. */
    unsigned only_calls, only_kinds;
};

/* Fails with EIO and no effect unless the fields are changed afterwards. */
void failing_begin(struct failing *f, struct disk *disk, long fail_at);
void failing_end(struct failing *f);

#endif
