/* One turn, top to bottom: wait, read and run everything, commit once, reply, look after
 * the store.
 *
 * Under `always` a commit may end later than its turn: while the sync of one group is under
 * way the next turns read and run commands into one more group, which is committed when
 * that sync has returned.
 *
 *     turn      read, run | submit 1 | read, run | read, run | settle 1, submit 2 | ...
 *     disk                 |------- sync of group 1 --------| |-- sync of group 2 --
 *     replies                                     those of 1 leave
 *
 * A reply hangs on the newest group that is not settled when it is made: the open one, else
 * the one that is synced. It may have seen what that changed, whatever its command is. No
 * reply leaves before its group is settled: the only sends are in finish_turn, and conn_send
 * stops at the first mark that counts (conn.c, note_reply).
 *
 * When a group fails, the store has taken back its changes, and those of the group that was
 * begun behind it. Every reply that hangs on one of the two becomes the error: those that
 * reported a write, and also those that may have read one. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "server/state.h"

#define ACCEPTS_PER_TURN 64
#define EXPIRES_PER_TURN 256
/* A group above this is committed in the middle of a turn. */
#define GROUP_BYTES_MAX ((size_t)4 << 20)
#define TICK_MS         1000
#define PARKED_WAIT_MS  5
/* Input of a closed connection that is read and dropped, so that closing does not reset
 * the connection before the client has its last reply. */
#define DRAIN_READS 16

void loop_touch(struct server *s, struct conn *c)
{
    if (c->touched) return;
    c->touched = true;
    c->next_touched = s->touched;
    s->touched = c;
}

/* ---- waiting ---- */

static int shorter(int a_ms, int b_ms)
{
    if (a_ms < 0) return b_ms;
    return b_ms < 0 || a_ms < b_ms ? a_ms : b_ms;
}

static int turn_timeout_ms(const struct server *s, int timeout_ms)
{
    if (s->stopping) return 0;
    int64_t tick_ms = s->tick_ms - s->mono_ms;
    if (s->settling && !db_group_settling(s->db)) return 0;
    timeout_ms = shorter(timeout_ms, tick_ms < 0 ? 0 : (int)tick_ms);
    timeout_ms = shorter(timeout_ms, db_step_timeout_ms(s->db));
    timeout_ms = shorter(timeout_ms, keyspace_timeout_ms(&s->keyspace));
    for (const struct conn *c = s->waiting; c; c = c->next_waiting) {
        if (!conn_is_held(s, c)) return 0;
        if (c->parked_bytes) timeout_ms = shorter(timeout_ms, PARKED_WAIT_MS);
    }
    return timeout_ms;
}

static void read_clocks(struct server *s)
{
    keyspace_tick(&s->keyspace);
    s->mono_ms = clock_mono_us(s->env.clock) / 1000;
}

/* ---- accepting ---- */

/* Whoever waits at the listener keeps poll() from waiting, so it is left out until the next
 * tick. It is told once until somebody could be accepted again. */
static void rest_listener(struct server *s, int error)
{
    if (!s->accept_failed)
        server_log(
            s, LOG_WARNING,
            "accepting connections failed: %s; with %zu clients; new ones wait%s",
            strerror(error), s->conns,
            error == EMFILE || error == ENFILE
                ? " until others leave: lower maxclients, or raise the limit of open "
                  "files (ulimit -n)"
                : "");
    s->accept_failed = true;
    pollset_want(&s->pollset, &s->listener, 0);
    s->listening = false;
}

static void refuse_client(struct server *s, int handle)
{
    static const char text[] = "-ERR max number of clients reached\r\n";
    struct net *net = s->env.net;
    s->stats.rejected++;
    net->send(net, handle, text, sizeof text - 1);
    net->close(net, handle);
}

static void add_client(struct server *s, int handle, const char *peer)
{
    struct conn *c = conn_new(s, handle, peer);
    if (!c || pollset_add(&s->pollset, &c->poll)) {
        if (c) conn_free(s, c);
        s->env.net->close(s->env.net, handle);
        return;
    }
    c->prev = s->last_conn;
    *(s->last_conn ? &s->last_conn->next : &s->first_conn) = c;
    s->last_conn = c;
    s->conns++;
    s->stats.connections++;
}

static void accept_clients(struct server *s)
{
    struct net *net = s->env.net;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        char peer[NET_ADDRESS_MAX] = "";
        int handle = net->accept(net, s->listener.handle, peer);
        if (handle == -EAGAIN) return;
        if (handle == -EINTR || handle == -ECONNABORTED) continue;
        if (handle < 0) {
            rest_listener(s, -handle);
            return;
        }
        s->accept_failed = false;
        if (s->conns >= (size_t)s->config.maxclients)
            refuse_client(s, handle);
        else
            add_client(s, handle, peer);
    }
}

/* ---- committing ---- */

void loop_mark(struct server *s, struct conn *c)
{
    if (c->marked) return;
    c->marked = true;
    c->next_marked = s->marked;
    s->marked = c;
}

/* Replies of what is settled now leave at the end of this turn. */
static void release_replies(struct server *s)
{
    struct conn *c = s->marked, *next;
    s->marked = NULL;
    for (; c; c = next) {
        next = c->next_marked;
        c->marked = false;
        loop_touch(s, c);
        if (c->marks[1].group > s->settled_group) loop_mark(s, c);
    }
}

static void fail_replies(struct server *s)
{
    char text[REFUSAL_BYTES], line[REFUSAL_BYTES + 4];
    server_refusal(s, text);
    int n = snprintf(line, sizeof line, "-%s\r\n", text);
    for (struct conn *c = s->marked; c; c = c->next_marked)
        conn_replace_replies(s, c, slice_of(line, (size_t)n));
    keyspace_undone(&s->keyspace);
}

/* All groups before the next one have come to their end. */
static void conclude(struct server *s, enum err e)
{
    if (e) fail_replies(s);
    s->settled_group = s->group - 1;
    release_replies(s);
}

/* Looks what became of the group whose sync was under way. */
static void settle(struct server *s)
{
    if (!s->settling || db_group_settling(s->db)) return;
    s->settling = false;
    enum err e = db_group_result(s->db);
    if (e) s->group++; /* the open group is undone, too */
    conclude(s, e);
}

static void commit(struct server *s)
{
    if (!db_in_group(s->db)) return;
    s->group++;
    conclude(s, db_group_commit(s->db));
}

static void submit(struct server *s)
{
    s->group++;
    enum err e = db_group_submit(s->db);
    s->settling = !e && db_group_settling(s->db);
    if (s->settling) return;
    enum err result = db_group_result(s->db);
    conclude(s, e ? e : result);
}

static void commit_all(struct server *s)
{
    db_group_await(s->db);
    settle(s);
    commit(s);
}

/* The open group waits until the sync of the one before it has returned. */
static void loop_commit(struct server *s)
{
    if (!db_in_group(s->db) || db_group_settling(s->db)) return;
    settle(s);
    if (db_in_group(s->db)) submit(s);
}

/* ---- reading and running ---- */

static void serve_client(struct server *s, struct conn *c, short ready)
{
    loop_touch(s, c);
    if (ready & (POLLERR | POLLNVAL) ||
        (ready & POLLHUP && (c->closing || conn_is_held(s, c))))
        c->gone = true;
    else if (ready & (POLLIN | POLLHUP) && !c->closing && !conn_is_held(s, c))
        conn_read(s, c);
    if (db_in_group(s->db) && db_group_bytes(s->db) > GROUP_BYTES_MAX) commit_all(s);
}

static void serve_ready(struct server *s)
{
    for (size_t i = 0; i < s->pollset.ready_count; i++) {
        struct poll_item *item = s->pollset.ready[i];
        if (item == &s->listener)
            accept_clients(s);
        else if (item && item->owner)
            serve_client(s, item->owner, item->ready);
    }
}

/* Connections whose commands had to wait go on when they can; finish_turn puts those that
 * are stopped again back on the list. */
static void serve_waiting(struct server *s)
{
    struct conn *c = s->waiting, *next;
    s->waiting = NULL;
    for (; c; c = next) {
        next = c->next_waiting;
        c->waiting = false;
        loop_touch(s, c);
        if (!conn_is_held(s, c) && !c->closing && !c->gone) conn_resume(s, c);
    }
}

/* ---- replying and closing ---- */

static void drain(struct server *s, struct conn *c)
{
    struct net *net = s->env.net;
    for (int i = 0; i < DRAIN_READS; i++)
        if (net->recv(net, c->poll.handle, s->scratch, CONN_READ_BYTES) <= 0) return;
}

static void forget_mark(struct server *s, struct conn *c)
{
    struct conn **at = &s->marked;
    while (*at != c)
        at = &(*at)->next_marked;
    *at = c->next_marked;
    c->marked = false;
}

static void forget_waiting(struct server *s, struct conn *c)
{
    struct conn **at = &s->waiting;
    while (*at && *at != c)
        at = &(*at)->next_waiting;
    if (*at) *at = c->next_waiting;
    c->waiting = false;
}

void loop_close(struct server *s, struct conn *c)
{
    assert(!c->touched);
    if (c->waiting) forget_waiting(s, c);
    if (c->marked) forget_mark(s, c);
    if (c->closing) drain(s, c);
    pollset_remove(&s->pollset, &c->poll);
    s->env.net->close(s->env.net, c->poll.handle);
    *(c->prev ? &c->prev->next : &s->first_conn) = c->next;
    *(c->next ? &c->next->prev : &s->last_conn) = c->prev;
    s->conns--;
    conn_free(s, c);
}

static void wait_on(struct server *s, struct conn *c)
{
    bool held = conn_is_held(s, c);
    int events = conn_sendable(s, c) ? POLLOUT : 0;
    if (!held && !c->paused && !c->closing) events |= POLLIN;
    if (c->poll.events != events) pollset_want(&s->pollset, &c->poll, (short)events);
    if ((c->paused || c->parked_bytes) && !c->waiting) {
        c->waiting = true;
        c->next_waiting = s->waiting;
        s->waiting = c;
    }
}

static void finish_turn(struct server *s)
{
    struct conn *c = s->touched, *next;
    s->touched = NULL;
    for (; c; c = next) {
        next = c->next_touched;
        c->touched = false;
        if (!c->gone) conn_send(s, c);
        if (c->gone || (c->closing && buf_size(&c->out) == 0))
            loop_close(s, c);
        else
            wait_on(s, c);
    }
}

void loop_end(struct server *s)
{
    commit_all(s);
    finish_turn(s);
}

/* ---- once a second ---- */

static void close_idle_clients(struct server *s)
{
    int64_t limit_ms = s->config.timeout_s * 1000;
    if (limit_ms == 0) return;
    struct conn *c = s->first_conn, *next;
    for (; c; c = next) {
        next = c->next;
        if (s->mono_ms - c->active_ms > limit_ms) loop_close(s, c);
    }
}

static void count_operations(struct server *s)
{
    struct stats *t = &s->stats;
    int64_t ms = s->mono_ms - t->ops_base_ms;
    t->ops_per_second = ms > 0 ? (t->commands - t->ops_base) * 1000 / (uint64_t)ms : 0;
    t->ops_base = t->commands;
    t->ops_base_ms = s->mono_ms;
}

static void tick(struct server *s)
{
    if (s->mono_ms < s->tick_ms) return;
    s->tick_ms = s->mono_ms + TICK_MS;
    if (!s->listening) pollset_want(&s->pollset, &s->listener, POLLIN);
    s->listening = true;
    close_idle_clients(s);
    count_operations(s);
}

/* ---- the turn ---- */

void loop_turn(struct server *s, int timeout_ms)
{
    int error = pollset_wait(&s->pollset, turn_timeout_ms(s, timeout_ms));
    if (error) server_log(s, LOG_WARNING, "poll: %s", strerror(-error));
    read_clocks(s);

    db_reap(s->db);
    settle(s);
    keyspace_expire(&s->keyspace, EXPIRES_PER_TURN);
    serve_waiting(s);
    serve_ready(s);

    loop_commit(s);
    finish_turn(s);

    db_step(s->db);
    tick(s);
}
