/* pollset.h - the handles that are waited for.
 *
 * Flow:    loop > pollset_wait > net.poll
 * Owns:    its arrays; the items are their owners'.
 * Errors:  ERR_NOMEM: the item is not in the set.
 * Tests:   tests/server/pollset_test.c
 *
 * How the waiting is done is this module's affair alone.
 */
#ifndef SERVER_POLLSET_H
#define SERVER_POLLSET_H

#include "engine/err.h"
#include "fault/mem.h"
#include "fault/net.h"

/* Lies inside whatever waits: a connection, a listener. */
struct poll_item {
    int handle;
    short events; /* what is waited for; change with pollset_want */
    short ready;  /* what poll said in this turn */
    size_t index; /* its place in the set */
    void *owner;
};

struct pollset {
    struct mem *mem;
    struct net *net;
    struct pollfd *fds;
    struct poll_item **items;
    size_t count, capacity;
    struct poll_item **ready; /* after pollset_wait */
    size_t ready_count;
};

void pollset_init(struct pollset *p, struct mem *mem, struct net *net);
void pollset_deinit(struct pollset *p);
enum err pollset_add(struct pollset *p, struct poll_item *item);
void pollset_remove(struct pollset *p, struct poll_item *item);
void pollset_want(struct pollset *p, struct poll_item *item, short events);
/* Waits at most timeout_ms (-1: for ever) and fills `ready`. Items that are removed
 * afterwards, before the next wait, become NULL in it. 0 or the negative errno. */
int pollset_wait(struct pollset *p, int timeout_ms);

#endif
