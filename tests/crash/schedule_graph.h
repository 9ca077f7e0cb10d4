/* schedule_graph.h - schedules without walking twice what lies behind equal states.
 *
 * Flow:    interleave > finished run > schedule_graph_add > where to branch > schedule_next
 * Owns:    its nodes and edges.
 * Errors:  aborts without memory.
 * Threads: one.
 * Tests:   tests/crash/schedule_graph_test.c
 *
 * Schedules form a tree: a node for each place with a choice, a leaf for each schedule.
 * Most branches come together again. Two jobs that touch different files lead to the same
 * state whoever goes first, and from equal states, with as many preemptions left, equal
 * futures follow (struct switch_point: state). So a run that comes to a state which an
 * earlier one was in need not be varied behind it: depth first, everything behind that
 * state has been run. What remains is a graph; its paths are counted without running them.
 */
#ifndef TESTS_CRASH_SCHEDULE_GRAPH_H
#define TESTS_CRASH_SCHEDULE_GRAPH_H

#include <stdint.h>

#include "fault/sched_coroutine.h"
#include "tests/crash/image_set.h"

struct schedule_node;

struct schedule_graph {
    struct image_set places; /* state and preemptions left > number of the node + 1 */
    struct schedule_node *nodes;
    uint32_t node_count, node_size;
    uint32_t *edges; /* of each node, one per choice */
    uint32_t edge_count, edge_size;
    uint32_t root;
};

void schedule_graph_init(struct schedule_graph *g);
void schedule_graph_deinit(struct schedule_graph *g);
/* The next runs have another bound on preemptions. Nodes are kept: what was walked with as
 * many left is not walked again. */
void schedule_graph_begin(struct schedule_graph *g);
/* Takes in a run whose first `prefix` choices were given and the rest the default. Returns
 * the number of its points at which the next runs may branch. */
size_t schedule_graph_add(struct schedule_graph *g, const struct switch_point *points,
                          size_t count, size_t prefix, unsigned preemptions);
/* Schedules within the bound of the last schedule_graph_begin; 0: not all were seen. */
uint64_t schedule_graph_count(struct schedule_graph *g);

#endif
