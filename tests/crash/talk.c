#include "tests/crash/talk.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/db_state.h"
#include "fault/net_sim.h"
#include "server/server.h"
#include "tests/crash/reference.h"

#define PORT           6379
#define SAID_BYTES     16384 /* of one client */
#define EXPECTED_BYTES 16384
#define COMMANDS       128 /* of one client */
#define IDLE_STEP_MS   100
#define LAST_TURNS     3  /* until every reply of `before` has arrived */
#define PART_BYTES     40 /* of a write that fails */
#define ERROR_BYTES    128

struct command {
    const struct dialogue_step *step;
    size_t end; /* of its bytes */
};
struct reply {
    size_t end;   /* of its bytes */
    size_t group; /* of the model */
    bool error;   /* it became one, because the commit failed */
};

struct client {
    struct peer *peer;
    struct peer_limits limits;
    int handle; /* the server's */
    unsigned db;
    bool reset, sliced;
    size_t slice; /* bytes to be written before the next turn, when sliced */
    uint8_t said[SAID_BYTES];
    /* By the client, by the network, by the server. */
    size_t said_size, written, received;
    struct command commands[COMMANDS];
    size_t command_count, run;
    char expected[EXPECTED_BYTES];
    size_t expected_size;
    struct reply replies[COMMANDS];
    size_t reply_count, answered;
};

/* The server's network: the simulated one, with an ear at recv and accept. */
struct eavesdropped {
    struct net net; /* first */
    struct net *inner;
    struct talk *talk;
};

struct talk {
    struct run *run;
    struct dialogue before, script;
    struct config config;
    struct net_sim *sim;
    struct eavesdropped net;
    struct server *server;
    struct client *clients[DIALOGUE_CLIENTS];
    unsigned accepted;

    enum step_kind fail; /* of a failure that is waiting; STEP_SAY: none is */
    uint32_t fail_in;    /* calls */
    int fail_errno;
    bool fired;         /* in this turn; */
    bool failed;        /* before its first reply: the commit has failed */
    bool log_failed;    /* the store waits for a new log */
    uint64_t moment;    /* at which this turn began: what it writes may wait for a sync */
    size_t turn_first;  /* group of the model with which this turn began */
    bool wrote;         /* one of its commands is a write, */
    size_t first_write; /* the first of them in this group */
};

/* ---- what the server receives and sends ---- */

static size_t error_text(const struct talk *t, char out[ERROR_BYTES])
{
    return (size_t)snprintf(out, ERROR_BYTES,
                            "-MISCONF Errors writing to the AOF file: %s\r\n",
                            strerror(t->fail_errno));
}

static void note_write(struct talk *t)
{
    if (!t->wrote) t->first_write = model_groups(t->run->model);
    t->wrote = true;
}

/* The server has the whole command now, and runs it. */
static void run_command(struct talk *t, struct client *c)
{
    const struct dialogue_step *s = c->commands[c->run++].step;
    struct reference ref = {t->run->model, t->run->clock.wall_ms};
    char reply[REFERENCE_REPLY_BYTES];
    bool writes = reference_writes(s->words);
    size_t n = writes && db_refuses(server_db(t->server))
                   ? error_text(t, reply)
                   : reference_run(&ref, s->words, s->count, &c->db, reply);
    if (writes) note_write(t);
    assert(c->expected_size + n <= EXPECTED_BYTES && c->reply_count < COMMANDS);
    memcpy(c->expected + c->expected_size, reply, n);
    c->expected_size += n;
    size_t group = model_issue(t->run->model);
    c->replies[c->reply_count++] = (struct reply){c->expected_size, group, false};
    run_note(t->run, RUN_ISSUED, group);
}

static void received(struct talk *t, int handle, size_t n)
{
    for (unsigned i = 0; i < DIALOGUE_CLIENTS; i++) {
        struct client *c = t->clients[i];
        if (c->handle != handle) continue;
        c->received += n;
        while (c->run < c->command_count && c->commands[c->run].end <= c->received)
            run_command(t, c);
    }
}

static void acknowledge(struct talk *t, size_t group)
{
    struct model *m = t->run->model;
    enum sync_policy policy = t->run->scenario->policy;
    if (model_answered(m) > group) return;
    while (model_answered(m) <= group)
        model_ack(m, policy, t->run->clock.mono_us);
    if (policy == SYNC_ALWAYS && t->run->switching)
        disk_order_acknowledge(t->run->watch.order, t->moment);
    else if (policy == SYNC_ALWAYS)
        order_watch_acknowledge(&t->run->watch);
    run_note(t->run, RUN_ACKED, group);
}

/* Reply k becomes the error, and what comes after it moves. */
static void become_error(struct talk *t, struct client *c, size_t k)
{
    char text[ERROR_BYTES];
    size_t n = error_text(t, text), at = k ? c->replies[k - 1].end : 0;
    size_t end = c->replies[k].end;
    assert(c->expected_size + n < EXPECTED_BYTES);
    memmove(c->expected + at + n, c->expected + end, c->expected_size - end);
    memcpy(c->expected + at, text, n);
    c->expected_size += at + n - end;
    for (size_t i = c->reply_count; i-- > k;)
        c->replies[i].end += at + n - end;
    c->replies[k].error = true;
}

/* The commit of this turn has failed: from its first write on, every reply is the error. */
static void expect_errors(struct talk *t)
{
    for (unsigned i = 0; i < DIALOGUE_CLIENTS; i++) {
        struct client *c = t->clients[i];
        for (size_t k = c->answered; k < c->reply_count; k++)
            if (t->wrote && c->replies[k].group >= t->first_write) become_error(t, c, k);
    }
}

/* The replies of a failed turn are counted when all of them are out. */
static void count_failed_turn(struct talk *t)
{
    struct model *m = t->run->model;
    assert(model_answered(m) >= t->turn_first && "no slow readers beside a failure");
    while (model_answered(m) < model_groups(m)) {
        size_t group = model_answered(m);
        if (t->wrote && group >= t->first_write) {
            model_fail(m);
            run_note(t->run, RUN_FAILED, group);
        } else {
            acknowledge(t, group);
        }
    }
    t->failed = false;
}

/* With its log failed the store makes nothing durable that is not; when it has come back
 * through a new one, everything is, and what it refused is gone for good. */
static void notice_failed_log(struct talk *t)
{
    struct model *m = t->run->model;
    bool failed = server_db(t->server)->failed_log != 0;
    if (failed && !t->log_failed) model_unpromise(m, t->run->clock.mono_us);
    if (!failed && t->log_failed) {
        model_durable(m);
        model_settle(m);
    }
    t->log_failed = failed;
}

static void sent(void *arg, struct peer *peer, const void *bytes, size_t n,
                 uint64_t total)
{
    struct talk *t = arg;
    struct client *c = NULL;
    for (unsigned i = 0; i < DIALOGUE_CLIENTS; i++)
        if (t->clients[i]->peer == peer) c = t->clients[i];
    assert(c);
    if (t->fired && !t->failed) {
        t->failed = true;
        expect_errors(t);
    }
    const char *want = c->expected + total - n;
    if (total > c->expected_size || memcmp(want, bytes, n) != 0)
        run_break(t->run, "answered \"%.*s\", not \"%.*s\"", (int)n, (const char *)bytes,
                  total > c->expected_size ? 0 : (int)n, want);
    for (; c->answered < c->reply_count && c->replies[c->answered].end <= total;
         c->answered++)
        if (!t->failed) acknowledge(t, c->replies[c->answered].group);
}

void talk_before_call(struct talk *t, const struct tap_call *call)
{
    bool sync = t->fail == STEP_FAIL_SYNC;
    if (t->fail == STEP_SAY) return;
    if (call->call != (sync ? CALL_SYNC : CALL_WRITE)) return;
    if (--t->fail_in > 0) return;
    t->fail_errno = t->fail == STEP_FULL ? ENOSPC : EIO;
    disk_sim_fail_next(t->run->disk, sync ? DISK_EFFECT_NONE : DISK_EFFECT_PARTIAL,
                       t->fail_errno, PART_BYTES);
    t->fail = STEP_SAY;
    t->fired = true;
}

static struct eavesdropped *ear_of(struct net *net)
{
    return (struct eavesdropped *)net;
}

static ptrdiff_t heard_recv(struct net *net, int handle, void *buf, size_t n)
{
    struct eavesdropped *e = ear_of(net);
    ptrdiff_t got = e->inner->recv(e->inner, handle, buf, n);
    if (got > 0) received(e->talk, handle, (size_t)got);
    return got;
}

/* Clients are accepted in the order in which they connected. */
static int heard_accept(struct net *net, int listener, char peer[NET_ADDRESS_MAX])
{
    struct eavesdropped *e = ear_of(net);
    int handle = e->inner->accept(e->inner, listener, peer);
    if (handle >= 0) e->talk->clients[e->talk->accepted++]->handle = handle;
    return handle;
}

static int plain_listen(struct net *net, const char *address, uint16_t port, int backlog,
                        uint16_t *bound)
{
    struct net *inner = ear_of(net)->inner;
    return inner->listen(inner, address, port, backlog, bound);
}

static ptrdiff_t plain_send(struct net *net, int handle, const void *buf, size_t n)
{
    struct net *inner = ear_of(net)->inner;
    return inner->send(inner, handle, buf, n);
}

static void plain_close(struct net *net, int handle)
{
    struct net *inner = ear_of(net)->inner;
    inner->close(inner, handle);
}

static int plain_poll(struct net *net, struct pollfd *fds, size_t n, int timeout_ms)
{
    struct net *inner = ear_of(net)->inner;
    return inner->poll(inner, fds, n, timeout_ms);
}

/* ---- life ---- */

static void compile(const char *text, struct dialogue *out)
{
    const char *bad = dialogue_compile(text, out);
    if (!bad) return;
    fprintf(stderr, "crash: a dialogue does not compile at \"%s\"\n", bad);
    abort();
}

struct talk *talk_new(struct run *r)
{
    struct talk *t = calloc(1, sizeof *t);
    if (!t) abort();
    t->run = r;
    t->before.count = 0;
    if (r->scenario->before) compile(r->scenario->before, &t->before);
    compile(r->scenario->dialogue, &t->script);
    for (unsigned i = 0; i < DIALOGUE_CLIENTS; i++) {
        t->clients[i] = calloc(1, sizeof **t->clients);
        if (!t->clients[i]) abort();
        t->clients[i]->handle = -1;
    }
    t->sim = net_sim_new(mem_libc(), &r->clock);
    if (!t->sim) abort();
    net_sim_on_sent(t->sim, sent, t);
    t->net = (struct eavesdropped){.net = {plain_listen, heard_accept, heard_recv,
                                           plain_send, plain_close, plain_poll},
                                   .inner = net_sim_net(t->sim),
                                   .talk = t};
    config_init(&t->config);
    t->config.port = PORT;
    t->config.appendfsync = r->scenario->policy;
    return t;
}

static bool start_server(struct talk *t)
{
    struct run *r = t->run;
    struct server_env env = {.disk = r->watched,
                             .clock = &r->clock.clock,
                             .mem = mem_libc(),
                             .sched = r->sched,
                             .net = &t->net.net,
                             .store = TRIAL_DIR,
                             .seed = 1,
                             .geometry = &r->trial->options};
    struct err_detail why = {.code = ERR_OK};
    if (server_new(&env, &t->config, &t->server, &why)) {
        t->server = NULL;
        run_break(r, "the server does not start: %s", why.text);
        return false;
    }
    for (unsigned i = 0; i < DIALOGUE_CLIENTS; i++)
        if (peer_connect(t->sim, PORT, &t->clients[i]->peer)) abort();
    return true;
}

void talk_free(struct talk *t)
{
    net_sim_on_sent(t->sim, NULL, NULL);
    if (t->server) server_free(t->server);
    for (unsigned i = 0; i < DIALOGUE_CLIENTS; i++)
        free(t->clients[i]);
    net_sim_free(t->sim);
    free(t);
}

/* ---- steps ---- */

static void say(struct client *c, const struct dialogue_step *s)
{
    uint8_t *p = c->said;
    size_t n = c->said_size, room = SAID_BYTES;
    n += (size_t)snprintf((char *)p + n, room - n, "*%u\r\n", s->count);
    for (unsigned i = 0; i < s->count; i++) {
        slice word = s->words[i];
        assert(n + word.size + 32 < room);
        n += (size_t)snprintf((char *)p + n, room - n, "$%zu\r\n", word.size);
        memcpy(p + n, word.data, word.size);
        n += word.size;
        n += (size_t)snprintf((char *)p + n, room - n, "\r\n");
    }
    assert(n < room && c->command_count < COMMANDS);
    c->said_size = n;
    c->commands[c->command_count++] = (struct command){s, n};
}

static void write_said(struct client *c)
{
    size_t n = c->said_size - c->written;
    if (c->sliced && c->slice < n) n = c->slice;
    c->sliced = false;
    if (n == 0 || c->reset) return;
    if (peer_write(c->peer, c->said + c->written, n)) return;
    c->written += n;
}

static void turn(struct talk *t)
{
    struct reference ref = {t->run->model, t->run->clock.wall_ms};
    t->turn_first = model_groups(t->run->model);
    t->wrote = t->fired = false;
    t->moment = disk_order_now(t->run->watch.order);
    for (unsigned i = 0; i < DIALOGUE_CLIENTS; i++)
        write_said(t->clients[i]);
    if (reference_expire(&ref)) {
        note_write(t);
        run_note(t->run, RUN_ISSUED, model_issue(t->run->model));
    }
    server_turn(t->server, 0);
    if (t->run->switching) switching_turned(t->run->switching, server_db(t->server));
    if (t->failed) count_failed_turn(t);
    notice_failed_log(t);
}

static void turns(struct talk *t, uint32_t count)
{
    for (uint32_t i = 0; i < count && !t->run->broken; i++)
        turn(t);
}

static void play_step(struct talk *t, const struct dialogue_step *s)
{
    struct client *c = t->clients[s->client];
    uint8_t sink[256];
    switch (s->kind) {
    case STEP_SAY: say(c, s); break;
    case STEP_TURN: turns(t, s->number); break;
    case STEP_SLICE:
        c->sliced = true;
        c->slice = s->number;
        break;
    case STEP_READ:
        peer_read(c->peer, sink, s->number < sizeof sink ? s->number : sizeof sink);
        break;
    case STEP_RECV: c->limits.recv_max = s->number; break;
    case STEP_SEND: c->limits.send_max = s->number; break;
    case STEP_WINDOW: c->limits.window = s->number; break;
    case STEP_RESET:
        peer_reset(c->peer, false);
        c->reset = true;
        break;
    case STEP_FAIL_SYNC:
    case STEP_FAIL_WRITE:
    case STEP_FULL:
        t->fail = s->kind;
        t->fail_in = s->number ? s->number : 1;
        break;
    case STEP_WAIT: clock_manual_advance(&t->run->clock, s->number); break;
    case STEP_IDLE:
        for (uint32_t i = 0; i < s->number && !t->run->broken; i++) {
            clock_manual_advance(&t->run->clock, IDLE_STEP_MS);
            turn(t);
        }
        break;
    }
    if (!c->reset) peer_limit(c->peer, &c->limits);
}

void talk_begin(struct talk *t)
{
    if (!start_server(t)) return;
    for (size_t i = 0; i < t->before.count && !t->run->broken; i++)
        play_step(t, &t->before.steps[i]);
    turns(t, LAST_TURNS);
}

/* Jobs go on to their end, and their replies leave: of the group whose sync is under way,
 * and of the one that waits for it. */
static void finish(struct talk *t)
{
    for (int i = 0; i < 3; i++) {
        db_group_await(server_db(t->server));
        turn(t);
    }
    assert(!db_in_group(server_db(t->server)));
    db_settle(server_db(t->server));
}

void talk_play(struct talk *t, const uint8_t *tape, size_t size)
{
    struct run *r = t->run;
    if (!t->server && !start_server(t)) return;
    for (r->operation = 0; r->operation < size && !r->broken; r->operation++) {
        const struct dialogue_step *s = talk_step(t, tape[r->operation]);
        run_note(r, RUN_OPERATION, 0);
        if (s) play_step(t, s);
    }
    if (r->switching && !r->broken) finish(t);
}

size_t talk_tape(const char *text, uint8_t *out, size_t room)
{
    static struct dialogue d;
    compile(text, &d);
    assert(d.count <= room);
    for (size_t i = 0; i < d.count; i++)
        out[i] = (uint8_t)i;
    return d.count;
}

const struct dialogue_step *talk_step(const struct talk *t, uint8_t byte)
{
    return byte < t->script.count ? &t->script.steps[byte] : NULL;
}
