#include "tests/crash/schedule_graph.h"

#include <stdlib.h>

#define EDGE_UNKNOWN 0u
#define EDGE_LEAF    UINT32_MAX /* the run ended */

struct schedule_node {
    uint32_t edges; /* of its first choice */
    uint32_t choices;
    uint64_t paths; /* from here to the ends; 0: not counted yet */
};

void schedule_graph_init(struct schedule_graph *g)
{
    *g = (struct schedule_graph){.root = EDGE_UNKNOWN};
    image_set_init(&g->places);
}

void schedule_graph_deinit(struct schedule_graph *g)
{
    image_set_deinit(&g->places);
    free(g->nodes);
    free(g->edges);
}

void schedule_graph_begin(struct schedule_graph *g)
{
    g->root = EDGE_UNKNOWN;
}

static void *grown(void *array, uint32_t *size, uint32_t need, size_t item)
{
    if (need <= *size) return array;
    *size = need < 512 ? 1024 : need * 2;
    array = realloc(array, *size * item);
    if (!array) abort();
    return array;
}

/* The choices that are legal at a point: without preemptions left, the default only. */
static uint32_t choices_of(const struct switch_point *p, unsigned left)
{
    return p->preempting && left == 0 ? 1 : p->alternatives;
}

static uint32_t add_node(struct schedule_graph *g, uint32_t choices)
{
    g->nodes = grown(g->nodes, &g->node_size, g->node_count + 1, sizeof *g->nodes);
    g->edges = grown(g->edges, &g->edge_size, g->edge_count + choices, sizeof *g->edges);
    g->nodes[g->node_count] = (struct schedule_node){g->edge_count, choices, 0};
    for (uint32_t i = 0; i < choices; i++)
        g->edges[g->edge_count++] = EDGE_UNKNOWN;
    return ++g->node_count; /* numbers begin with 1 */
}

/* The node of a point; *known: it was there before. */
static uint32_t place(struct schedule_graph *g, const struct switch_point *p,
                      unsigned left, bool *known)
{
    uint64_t hash[2] = {p->state, left + 1};
    struct image_entry *e = image_set_add(&g->places, hash);
    *known = e->value != 0;
    if (!*known) e->value = add_node(g, choices_of(p, left));
    return e->value;
}

size_t schedule_graph_add(struct schedule_graph *g, const struct switch_point *points,
                          size_t count, size_t prefix, unsigned preemptions)
{
    uint32_t from = UINT32_MAX; /* the edge that leads here; none: the root */
    unsigned left = preemptions;
    for (size_t i = 0; i <= count; i++) {
        bool known = false;
        uint32_t to = i < count ? place(g, &points[i], left, &known) : EDGE_LEAF;
        *(from == UINT32_MAX ? &g->root : &g->edges[from]) = to;
        if (i == count || (known && i >= prefix)) return i;
        from = g->nodes[to - 1].edges + points[i].choice;
        left -= points[i].preempting && points[i].choice;
    }
    return count;
}

static uint64_t paths_behind(struct schedule_graph *g, uint32_t edge)
{
    if (edge == EDGE_UNKNOWN || edge == EDGE_LEAF) return edge == EDGE_LEAF;
    struct schedule_node *n = &g->nodes[edge - 1];
    if (n->paths) return n->paths;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n->choices; i++) {
        uint64_t paths = paths_behind(g, g->edges[n->edges + i]);
        if (!paths) return 0;
        sum += paths;
    }
    n->paths = sum;
    return sum;
}

uint64_t schedule_graph_count(struct schedule_graph *g)
{
    return paths_behind(g, g->root);
}
