/* net_sim.c - see net_sim.h.
 *
 *     peer_write > [ to_server ] > recv          one struct peer is one connection:
 *     peer_read  < [ to_peer   ] < send          two queues and the state of both ends
 *
 * A connection lives until both ends have let go of it: the server by close, the test by
 * peer_free. Handles are given out lowest first, as descriptors are, because that makes a
 * stale handle hit a stranger's connection instead of nothing.
 *
 * Left out: the bytes in flight. A real network holds sent bytes for a while, so a reply
 * may leave the server and never arrive. For a server this is the same as a client that
 * never reads, which a test can be.
 */
#include "fault/net_sim.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define QUEUE_BYTES_MIN 256
#define HANDLES_MIN     16

/* ---- byte queues ---- */

struct queue {
    uint8_t *data;
    size_t start;    /* first byte that is still in */
    size_t size;     /* bytes that are in */
    size_t capacity; /* bytes allocated */
};

static int queue_push(struct queue *q, struct mem *mem, const void *bytes, size_t n)
{
    if (n == 0) return 0;
    if (q->start + q->size + n > q->capacity && q->size + n <= q->capacity / 2) {
        memmove(q->data, q->data + q->start, q->size);
        q->start = 0;
    }
    if (q->start + q->size + n > q->capacity) {
        size_t capacity = q->capacity ? q->capacity : QUEUE_BYTES_MIN;
        while (capacity < q->start + q->size + n)
            capacity *= 2;
        uint8_t *data = mem_resize(mem, q->data, capacity);
        if (!data) return -ENOMEM;
        q->data = data;
        q->capacity = capacity;
    }
    memcpy(q->data + q->start + q->size, bytes, n);
    q->size += n;
    return 0;
}

static size_t queue_pop(struct queue *q, void *buf, size_t n)
{
    if (n > q->size) n = q->size;
    if (n) memcpy(buf, q->data + q->start, n);
    q->start += n;
    q->size -= n;
    if (q->size == 0) q->start = 0;
    return n;
}

static void queue_drop(struct queue *q)
{
    q->start = q->size = 0;
}

/* ---- the network's parts ---- */

struct peer {
    struct net_sim *sim;
    struct peer *next; /* all peers of the network, or the queue of a listener */
    struct queue to_server, to_peer;
    struct peer_limits limits;
    struct listener *waiting_at; /* not yet accepted; NULL: accepted, or given up */
    uint64_t received;           /* bytes the server has sent */
    uint16_t port;               /* of the client, for accept's `peer` text */
    unsigned recv_again;         /* -EAGAIN answers left before the next recv works */
    unsigned send_again;
    int error;          /* what the server's next recv or send finds, once; 0: none */
    bool accepted;      /* the server has had a handle for it */
    bool server_open;   /* the server's handle is open */
    bool test_holds;    /* peer_free has not been called */
    bool shut;          /* the peer writes no more */
    bool closed;        /* the peer reads no more either */
    bool reset;         /* broken: nothing passes in either direction */
    bool vanished;      /* silence */
    bool closed_unread; /* the server closed with input unread */
};

struct listener {
    uint16_t port;
    int backlog;
    int waiting; /* peers in the queue */
    struct peer *first, *last;
};

/* What a handle stands for: exactly one of the two, or free. */
struct slot {
    struct listener *listener;
    struct peer *peer;
};

struct net_sim {
    struct net net;
    struct mem *mem;
    struct clock_manual *clock;
    struct slot *slots;
    size_t slots_size; /* allocated */
    size_t lowest;     /* no free slot below it */
    size_t open;       /* slots in use */
    struct peer *accepted;
    uint16_t next_port;        /* for listeners that take any */
    uint16_t next_client_port; /* for the texts of accept */
    int accept_error;
    unsigned accept_failures;
    unsigned interrupts;
    net_sim_sent_fn *on_sent;
    void *on_sent_arg;
};

static struct slot *slot_of(struct net_sim *sim, int handle)
{
    if (handle < 0 || (size_t)handle >= sim->slots_size) return NULL;
    struct slot *s = &sim->slots[handle];
    return s->listener || s->peer ? s : NULL;
}

/* The lowest free handle; the caller fills the slot. */
static int handle_take(struct net_sim *sim)
{
    size_t i = sim->lowest;
    while (i < sim->slots_size && (sim->slots[i].listener || sim->slots[i].peer))
        i++;
    if (i >= NET_SIM_HANDLES_MAX) return -EMFILE;
    if (i == sim->slots_size) {
        size_t size = sim->slots_size ? sim->slots_size * 2 : HANDLES_MIN;
        struct slot *slots = mem_resize(sim->mem, sim->slots, size * sizeof *slots);
        if (!slots) return -ENFILE;
        memset(slots + sim->slots_size, 0, (size - sim->slots_size) * sizeof *slots);
        sim->slots = slots;
        sim->slots_size = size;
    }
    sim->lowest = i + 1;
    sim->open++;
    return (int)i;
}

static void handle_give_back(struct net_sim *sim, int handle)
{
    sim->slots[handle] = (struct slot){NULL, NULL};
    if ((size_t)handle < sim->lowest) sim->lowest = (size_t)handle;
    sim->open--;
}

/* Frees the connection when neither end holds it any more. */
static void peer_release(struct peer *p)
{
    if (p->server_open || p->test_holds || p->waiting_at) return;
    for (struct peer **at = &p->sim->accepted; *at; at = &(*at)->next) {
        if (*at != p) continue;
        *at = p->next;
        break;
    }
    mem_free(p->sim->mem, p->to_server.data);
    mem_free(p->sim->mem, p->to_peer.data);
    mem_free(p->sim->mem, p);
}

static struct peer *listener_pop(struct listener *l)
{
    struct peer *p = l->first;
    l->first = p->next;
    if (!l->first) l->last = NULL;
    l->waiting--;
    p->waiting_at = NULL;
    p->next = p->sim->accepted;
    p->sim->accepted = p;
    return p;
}

/* ---- the server's side: struct net ---- */

static struct net_sim *sim_of(struct net *net)
{
    return (struct net_sim *)net;
}

static struct listener *listener_at(struct net_sim *sim, uint16_t port)
{
    for (size_t i = 0; i < sim->slots_size; i++)
        if (sim->slots[i].listener && sim->slots[i].listener->port == port)
            return sim->slots[i].listener;
    return NULL;
}

static int sim_listen(struct net *net, const char *address, uint16_t port, int backlog,
                      uint16_t *bound)
{
    struct net_sim *sim = sim_of(net);
    (void)address; /* every address is this machine */
    while (port == 0 && listener_at(sim, sim->next_port))
        sim->next_port++;
    if (port == 0) port = sim->next_port++;
    if (listener_at(sim, port)) return -EADDRINUSE;
    struct listener *l = mem_zalloc(sim->mem, sizeof *l);
    if (!l) return -ENOMEM;
    int handle = handle_take(sim);
    if (handle < 0) {
        mem_free(sim->mem, l);
        return handle;
    }
    l->port = port;
    l->backlog = backlog > 0 ? backlog : 1;
    sim->slots[handle].listener = l;
    if (bound) *bound = port;
    return handle;
}

static int sim_accept(struct net *net, int listener, char text[NET_ADDRESS_MAX])
{
    struct net_sim *sim = sim_of(net);
    struct slot *slot = slot_of(sim, listener);
    if (!slot) return -EBADF;
    if (!slot->listener) return -EINVAL;
    if (!slot->listener->first) return -EAGAIN;
    if (sim->accept_failures) {
        sim->accept_failures--;
        if (sim->accept_error == ECONNABORTED) {
            struct peer *gone = listener_pop(slot->listener);
            gone->reset = true;
            peer_release(gone);
        }
        return -sim->accept_error;
    }
    int handle = handle_take(sim);
    if (handle < 0) return handle;
    struct peer *p = listener_pop(sim->slots[listener].listener);
    p->accepted = p->server_open = true;
    sim->slots[handle].peer = p;
    snprintf(text, NET_ADDRESS_MAX, "127.0.0.1:%u", (unsigned)p->port);
    return handle;
}

/* The error of a broken connection, which is told once. */
static ptrdiff_t peer_take_error(struct peer *p)
{
    int error = p->error;
    p->error = 0;
    return -error;
}

static ptrdiff_t sim_recv(struct net *net, int handle, void *buf, size_t n)
{
    struct slot *slot = slot_of(sim_of(net), handle);
    if (!slot) return -EBADF;
    if (!slot->peer) return -ENOTCONN;
    struct peer *p = slot->peer;
    if (p->recv_again) {
        p->recv_again--;
        return -EAGAIN;
    }
    if (p->to_server.size) {
        if (p->limits.recv_max && n > p->limits.recv_max) n = p->limits.recv_max;
        p->recv_again = p->limits.again;
        return (ptrdiff_t)queue_pop(&p->to_server, buf, n);
    }
    if (p->error) return peer_take_error(p);
    return p->shut || p->reset ? 0 : -EAGAIN;
}

/* Reply bytes that the connection can take now. */
static size_t peer_room(const struct peer *p)
{
    size_t window = p->limits.window ? p->limits.window : NET_SIM_WINDOW_BYTES;
    return window > p->to_peer.size ? window - p->to_peer.size : 0;
}

static ptrdiff_t sim_send(struct net *net, int handle, const void *buf, size_t n)
{
    struct net_sim *sim = sim_of(net);
    struct slot *slot = slot_of(sim, handle);
    if (!slot) return -EBADF;
    if (!slot->peer) return -ENOTCONN;
    struct peer *p = slot->peer;
    if (p->error) return peer_take_error(p);
    if (p->reset) return -EPIPE;
    if (n == 0) return 0;
    if (p->send_again) {
        p->send_again--;
        return -EAGAIN;
    }
    size_t room = peer_room(p);
    if (room == 0) return -EAGAIN;
    if (n > room) n = room;
    if (p->limits.send_max && n > p->limits.send_max) n = p->limits.send_max;
    if (p->closed) { /* the kernel takes it; the peer's answer is a reset */
        p->reset = true;
        return (ptrdiff_t)n;
    }
    int e = queue_push(&p->to_peer, sim->mem, buf, n);
    if (e) return -ENOBUFS;
    p->send_again = p->limits.again;
    p->received += n;
    if (sim->on_sent) sim->on_sent(sim->on_sent_arg, p, buf, n, p->received);
    return (ptrdiff_t)n;
}

static void listener_close(struct net_sim *sim, struct listener *l)
{
    while (l->first) {
        struct peer *p = listener_pop(l);
        p->reset = true;
        peer_release(p);
    }
    mem_free(sim->mem, l);
}

static void sim_close(struct net *net, int handle)
{
    struct net_sim *sim = sim_of(net);
    struct slot *slot = slot_of(sim, handle);
    assert(slot && "close of a handle that is not open");
    struct slot old = *slot;
    handle_give_back(sim, handle);
    if (old.listener) {
        listener_close(sim, old.listener);
        return;
    }
    old.peer->closed_unread = old.peer->to_server.size > 0;
    queue_drop(&old.peer->to_server);
    old.peer->server_open = false;
    peer_release(old.peer);
}

static short peer_events(const struct peer *p)
{
    int events = 0;
    if (p->to_server.size || p->shut || p->reset) events |= POLLIN;
    if (p->shut || p->reset) events |= POLLRDHUP;
    if (p->reset || peer_room(p)) events |= POLLOUT;
    if (p->reset) events |= POLLHUP;
    if (p->error) events |= POLLERR;
    return (short)events;
}

static short handle_events(struct net_sim *sim, const struct pollfd *fd)
{
    const struct slot *slot = slot_of(sim, fd->fd);
    if (!slot) return POLLNVAL;
    int events =
        slot->listener ? (slot->listener->first ? POLLIN : 0) : peer_events(slot->peer);
    return (short)(events & (fd->events | POLLERR | POLLHUP));
}

static int sim_poll(struct net *net, struct pollfd *fds, size_t n, int timeout_ms)
{
    struct net_sim *sim = sim_of(net);
    if (sim->interrupts) {
        sim->interrupts--;
        return -EINTR;
    }
    int ready = 0;
    for (size_t i = 0; i < n; i++) {
        fds[i].revents = fds[i].fd < 0 ? 0 : handle_events(sim, &fds[i]);
        if (fds[i].revents) ready++;
    }
    if (!ready && timeout_ms > 0 && sim->clock)
        clock_manual_advance(sim->clock, timeout_ms);
    return ready;
}

/* ---- the network itself ---- */

struct net_sim *net_sim_new(struct mem *mem, struct clock_manual *clock)
{
    struct net_sim *sim = mem_zalloc(mem, sizeof *sim);
    if (!sim) return NULL;
    sim->net =
        (struct net){sim_listen, sim_accept, sim_recv, sim_send, sim_close, sim_poll};
    sim->mem = mem;
    sim->clock = clock;
    sim->next_port = 20000;
    sim->next_client_port = 40000;
    return sim;
}

void net_sim_free(struct net_sim *sim)
{
    for (size_t i = 0; i < sim->slots_size; i++)
        if (sim->slots[i].listener || sim->slots[i].peer) sim_close(&sim->net, (int)i);
    while (sim->accepted) {
        struct peer *p = sim->accepted;
        p->test_holds = false;
        peer_release(p);
    }
    mem_free(sim->mem, sim->slots);
    mem_free(sim->mem, sim);
}

struct net *net_sim_net(struct net_sim *sim)
{
    return &sim->net;
}

void net_sim_fail_accept(struct net_sim *sim, int error, unsigned times)
{
    assert(error > 0);
    sim->accept_error = error;
    sim->accept_failures = times;
}

void net_sim_interrupt(struct net_sim *sim, unsigned times)
{
    sim->interrupts = times;
}

void net_sim_on_sent(struct net_sim *sim, net_sim_sent_fn *fn, void *arg)
{
    sim->on_sent = fn;
    sim->on_sent_arg = arg;
}

size_t net_sim_open_handles(const struct net_sim *sim)
{
    return sim->open;
}

/* ---- the client's end ---- */

int peer_connect(struct net_sim *sim, uint16_t port, struct peer **out)
{
    struct listener *l = listener_at(sim, port);
    if (!l || l->waiting >= l->backlog) return -ECONNREFUSED;
    struct peer *p = mem_zalloc(sim->mem, sizeof *p);
    if (!p) return -ENOMEM;
    p->sim = sim;
    p->port = sim->next_client_port++;
    p->test_holds = true;
    p->waiting_at = l;
    if (l->last) {
        l->last->next = p;
    } else {
        l->first = p;
    }
    l->last = p;
    l->waiting++;
    *out = p;
    return 0;
}

void peer_free(struct peer *p)
{
    if (!p->vanished) peer_close(p);
    p->test_holds = false;
    peer_release(p);
}

void peer_limit(struct peer *p, const struct peer_limits *limits)
{
    p->limits = *limits;
    p->recv_again = p->send_again = limits->again;
}

/* Nothing can be told to the server any more. */
static bool peer_is_over(const struct peer *p)
{
    return p->reset || p->vanished || (p->accepted && !p->server_open);
}

int peer_write(struct peer *p, const void *bytes, size_t n)
{
    assert(!p->vanished);
    if (p->shut || peer_is_over(p)) return -EPIPE;
    return queue_push(&p->to_server, p->sim->mem, bytes, n);
}

size_t peer_read(struct peer *p, void *buf, size_t n)
{
    return queue_pop(&p->to_peer, buf, n);
}

const uint8_t *peer_peek(const struct peer *p, size_t *n)
{
    *n = p->to_peer.size;
    return p->to_peer.size ? p->to_peer.data + p->to_peer.start : NULL;
}

uint64_t peer_received(const struct peer *p)
{
    return p->received;
}

size_t peer_unsent(const struct peer *p)
{
    return p->to_server.size;
}

void peer_shutdown(struct peer *p)
{
    if (!peer_is_over(p)) p->shut = true;
}

void peer_close(struct peer *p)
{
    peer_shutdown(p);
    p->closed = true;
    queue_drop(&p->to_peer);
}

void peer_reset(struct peer *p, bool lose_unread)
{
    if (peer_is_over(p)) return;
    p->reset = p->shut = p->closed = true;
    p->error = ECONNRESET;
    queue_drop(&p->to_peer);
    if (lose_unread) queue_drop(&p->to_server);
}

void peer_vanish(struct peer *p)
{
    p->vanished = true;
}

enum peer_state peer_state(const struct peer *p)
{
    if (p->reset || p->closed_unread) return PEER_RESET;
    if (!p->accepted) return PEER_WAITING;
    return p->server_open ? PEER_OPEN : PEER_EOF;
}
