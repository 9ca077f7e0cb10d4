#include "server/pollset.h"

#include <assert.h>
#include <errno.h>

#define POLLSET_FIRST 64

void pollset_init(struct pollset *p, struct mem *mem, struct net *net)
{
    *p = (struct pollset){.mem = mem, .net = net};
}

void pollset_deinit(struct pollset *p)
{
    mem_free(p->mem, p->fds);
    mem_free(p->mem, p->items);
    mem_free(p->mem, p->ready);
}

static void *grow(struct pollset *p, void *old, size_t capacity, size_t each)
{
    return mem_resize(p->mem, old, capacity * each);
}

/* Each array that could grow stays grown: capacity counts only when all did. */
static enum err reserve(struct pollset *p)
{
    if (p->count < p->capacity) return ERR_OK;
    size_t capacity = p->capacity ? p->capacity * 2 : POLLSET_FIRST;
    void *block = grow(p, p->fds, capacity, sizeof *p->fds);
    if (!block) return ERR_NOMEM;
    p->fds = block;
    block = grow(p, p->items, capacity, sizeof *p->items);
    if (!block) return ERR_NOMEM;
    p->items = block;
    block = grow(p, p->ready, capacity, sizeof *p->ready);
    if (!block) return ERR_NOMEM;
    p->ready = block;
    p->capacity = capacity;
    return ERR_OK;
}

enum err pollset_add(struct pollset *p, struct poll_item *item)
{
    enum err e = reserve(p);
    if (e) return e;
    item->index = p->count++;
    item->ready = 0;
    p->items[item->index] = item;
    p->fds[item->index] = (struct pollfd){.fd = item->handle, .events = item->events};
    return ERR_OK;
}

void pollset_remove(struct pollset *p, struct poll_item *item)
{
    assert(item->index < p->count && p->items[item->index] == item);
    for (size_t i = 0; item->ready && i < p->ready_count; i++)
        if (p->ready[i] == item) p->ready[i] = NULL;
    size_t last = --p->count;
    p->fds[item->index] = p->fds[last];
    p->items[item->index] = p->items[last];
    p->items[item->index]->index = item->index;
}

void pollset_want(struct pollset *p, struct poll_item *item, short events)
{
    item->events = events;
    p->fds[item->index].events = events;
}

int pollset_wait(struct pollset *p, int timeout_ms)
{
    for (size_t i = 0; i < p->ready_count; i++)
        if (p->ready[i]) p->ready[i]->ready = 0;
    p->ready_count = 0;
    int n = p->net->poll(p->net, p->fds, p->count, timeout_ms);
    if (n == -EINTR) return 0;
    if (n < 0) return n;
    for (size_t i = 0; n > 0 && i < p->count; i++) {
        if (!p->fds[i].revents) continue;
        p->items[i]->ready = p->fds[i].revents;
        p->ready[p->ready_count++] = p->items[i];
        n--;
    }
    return 0;
}
