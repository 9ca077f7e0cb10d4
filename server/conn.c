#include "server/conn.h"

#include <assert.h>
#include <errno.h>

#include "server/state.h"

/* ---- life ---- */

struct conn *conn_new(struct server *s, int handle, const char *peer)
{
    struct conn *c = mem_zalloc(s->env.mem, sizeof *c);
    if (!c) return NULL;
    c->poll = (struct poll_item){.handle = handle, .events = POLLIN, .owner = c};
    c->args = c->args_small;
    c->args_capacity = CONN_ARGS_SMALL;
    resp_parser_init(&c->parser);
    buf_init(&c->in, s->env.mem, (size_t)s->config.query_buffer_limit);
    buf_init(&c->out, s->env.mem, CONN_OUT_MAX_BYTES);
    strncpy(c->peer, peer, sizeof c->peer - 1);
    c->id = ++s->next_conn_id;
    c->created_ms = c->active_ms = s->mono_ms;
    return c;
}

static void free_args(struct server *s, struct conn *c)
{
    if (c->args != c->args_small) mem_free(s->env.mem, c->args);
    c->args = c->args_small;
    c->args_capacity = CONN_ARGS_SMALL;
}

void conn_free(struct server *s, struct conn *c)
{
    free_args(s, c);
    buf_deinit(&c->in);
    buf_deinit(&c->out);
    mem_free(s->env.mem, c);
}

void conn_reset(struct conn *c)
{
    c->db = 0;
    c->reply_mode = REPLY_ON;
    c->name[0] = '\0';
    c->no_evict = c->no_touch = false;
}

/* ---- running commands ---- */

static bool grow_args(struct server *s, struct conn *c, uint32_t needed)
{
    uint32_t capacity = c->args_capacity;
    while (capacity < needed)
        capacity *= 2;
    struct resp_arg *old = c->args == c->args_small ? NULL : c->args;
    struct resp_arg *args = mem_resize(s->env.mem, old, capacity * sizeof *args);
    if (!args) return false;
    if (!old) memcpy(args, c->args_small, sizeof c->args_small);
    c->args = args;
    c->args_capacity = capacity;
    return true;
}

static bool fill_argv(struct server *s, const struct conn *c, const uint8_t *data,
                      uint32_t argc)
{
    if (argc > s->argv_capacity) {
        slice *argv = mem_resize(s->env.mem, s->argv, argc * sizeof *argv);
        if (!argv) return false;
        s->argv = argv;
        s->argv_capacity = argc;
    }
    for (uint32_t i = 0; i < argc; i++)
        s->argv[i] = slice_of(data + c->args[i].offset, c->args[i].size);
    return true;
}

/* Remembers which replies stand or fall with a group: the open one, else the one whose
 * sync is under way. */
static void note_reply(struct server *s, struct conn *c, size_t reply_start)
{
    struct reply_mark *mark = &c->marks[1];
    uint64_t group = db_in_group(s->db) ? s->group : s->group - 1;
    if (group < mark->group) group = mark->group;
    if (group <= s->settled_group) return;
    if (mark->group != group) {
        c->marks[0] = *mark;
        *mark = (struct reply_mark){group, reply_start, 0};
        loop_mark(s, c);
    }
    mark->replies += buf_size(&c->out) > reply_start;
}

/* CLIENT REPLY OFF and SKIP: a command runs, and its reply is dropped. `before` is the
 * mode in which it found the connection. */
static void apply_reply_mode(struct conn *c, enum reply_mode before, size_t reply_start)
{
    bool back_on = before == REPLY_OFF && c->reply_mode == REPLY_ON;
    if (!back_on) buf_truncate(&c->out, reply_start);
    if (before == REPLY_SKIP) c->reply_mode = REPLY_ON;
}

/* Runs the command whose words are in c->args; `data` is its first byte. False: the store
 * is busy, and the command has to wait. */
static bool run_command(struct server *s, struct conn *c, const uint8_t *data)
{
    uint32_t argc = c->parser.argc;
    if (!fill_argv(s, c, data, argc)) {
        c->gone = true;
        return true;
    }
    const struct command *parent = NULL;
    struct call call = {
        .server = s, .conn = c, .argv = s->argv, .argc = argc, .out = &c->out};
    call.command = dispatch_resolve(&s->dispatch, s->argv, argc, &parent);
    if (call.command && (call.command->flags & CMD_WRITE) && db_busy(s->db)) return false;

    size_t reply_start = buf_size(&c->out);
    call.reply_start = reply_start;
    enum reply_mode mode = c->reply_mode;
    c->last_command = call.command;
    s->stats.commands++;
    dispatch_run(&call, parent);
    if (mode != REPLY_ON) apply_reply_mode(c, mode, reply_start);
    if (c->out.failed) c->gone = true;
    note_reply(s, c, reply_start);
    if (argc > CONN_ARGS_KEEP) {
        free_args(s, c);
        mem_free(s->env.mem, s->argv);
        s->argv = NULL;
        s->argv_capacity = 0;
    }
    return true;
}

bool conn_is_held(const struct server *s, const struct conn *c)
{
    if (c->parked_bytes && db_busy(s->db)) return true;
    return c->paused && buf_size(&c->out) >= CONN_OUT_PAUSE_BYTES;
}

static void protocol_error(struct conn *c)
{
    reply_error(&c->out, "ERR %s", c->parser.error);
    c->closing = true;
}

/* Runs the commands at the front of data[0, n); returns the bytes that are done with. */
static size_t run_commands(struct server *s, struct conn *c, uint8_t *data, size_t n)
{
    size_t at = 0;
    while (at < n && !c->closing && !c->gone) {
        if (buf_size(&c->out) >= CONN_OUT_PAUSE_BYTES) {
            c->paused = true;
            break;
        }
        size_t used = 0;
        enum resp_result r = RESP_OK;
        if (c->parked_bytes) {
            used = c->parked_bytes;
            c->parked_bytes = 0;
        } else {
            c->parser.bulk_max = s->config.proto_max_bulk_len;
            r = resp_parse(&c->parser, data + at, n - at, c->args, c->args_capacity,
                           &used);
        }
        if (r == RESP_PARTIAL) break;
        if (r == RESP_MORE_ARGS) {
            if (!grow_args(s, c, c->parser.args_needed)) c->gone = true;
            continue;
        }
        if (r == RESP_ERROR) {
            protocol_error(c);
            return n;
        }
        if (c->parser.argc > 0 && !run_command(s, c, data + at)) {
            c->parked_bytes = used;
            break;
        }
        at += used;
    }
    return c->closing || c->gone ? n : at;
}

/* ---- reading ---- */

/* What recv answered that is no bytes. */
static void read_ended(struct conn *c, ptrdiff_t got)
{
    if (got == -EAGAIN || got == -EINTR) return;
    /* A client that has closed its sending half may still read its replies. */
    if (got == 0)
        c->closing = true;
    else
        c->gone = true;
}

static void read_fresh(struct server *s, struct conn *c)
{
    struct net *net = s->env.net;
    ptrdiff_t got = net->recv(net, c->poll.handle, s->scratch, CONN_READ_BYTES);
    if (got <= 0) {
        read_ended(c, got);
        return;
    }
    s->stats.bytes_in += (uint64_t)got;
    size_t n = (size_t)got, used = run_commands(s, c, s->scratch, n);
    buf_append(&c->in, s->scratch + used, n - used);
}

static void run_buffered(struct server *s, struct conn *c)
{
    size_t n = buf_size(&c->in);
    if (n) buf_consume(&c->in, run_commands(s, c, buf_bytes(&c->in), n));
    if (buf_size(&c->in) == 0) buf_release(&c->in);
}

/* How much to read behind an unfinished command: what it is known to want, in bounds
 * that keep one client from filling a turn. */
static size_t read_size(const struct conn *c)
{
    size_t wants = resp_parser_wants(&c->parser), has = buf_size(&c->in);
    size_t missing = wants > has ? wants - has : 0;
    if (missing < CONN_READ_BYTES) return CONN_READ_BYTES;
    return missing < CONN_READ_LARGE_BYTES ? missing : CONN_READ_LARGE_BYTES;
}

static void read_more(struct server *s, struct conn *c)
{
    struct net *net = s->env.net;
    size_t n = read_size(c);
    if (!buf_reserve(&c->in, n)) {
        c->gone = true;
        return;
    }
    ptrdiff_t got = net->recv(net, c->poll.handle, c->in.data + c->in.end, n);
    if (got <= 0) {
        read_ended(c, got);
        return;
    }
    s->stats.bytes_in += (uint64_t)got;
    c->in.end += (size_t)got;
    run_buffered(s, c);
}

void conn_read(struct server *s, struct conn *c)
{
    c->active_ms = s->mono_ms;
    if (buf_size(&c->in) == 0)
        read_fresh(s, c);
    else
        read_more(s, c);
    if (c->in.failed) c->gone = true;
}

void conn_resume(struct server *s, struct conn *c)
{
    c->paused = false;
    run_buffered(s, c);
}

/* ---- writing ---- */

static bool is_unsettled(const struct server *s, const struct reply_mark *mark)
{
    return mark->group > s->settled_group;
}

size_t conn_sendable(const struct server *s, const struct conn *c)
{
    for (unsigned i = 0; i < 2; i++)
        if (is_unsettled(s, &c->marks[i])) return c->marks[i].start;
    return buf_size(&c->out);
}

void conn_send(struct server *s, struct conn *c)
{
    struct net *net = s->env.net;
    size_t n = conn_sendable(s, c);
    if (n == 0) return;
    ptrdiff_t sent = net->send(net, c->poll.handle, buf_bytes(&c->out), n);
    if (sent == -EAGAIN || sent == -EINTR) return;
    if (sent < 0) {
        c->gone = true;
        return;
    }
    s->stats.bytes_out += (uint64_t)sent;
    buf_consume(&c->out, (size_t)sent);
    for (unsigned i = 0; i < 2; i++)
        if (is_unsettled(s, &c->marks[i])) c->marks[i].start -= (size_t)sent;
    if (buf_size(&c->out) == 0 && c->out.capacity > CONN_OUT_KEEP_BYTES)
        buf_release(&c->out);
}

void conn_replace_replies(const struct server *s, struct conn *c, slice error)
{
    uint32_t replies = 0;
    if (c->out.failed) return;
    buf_truncate(&c->out, conn_sendable(s, c));
    for (unsigned i = 0; i < 2; i++)
        if (is_unsettled(s, &c->marks[i])) replies += c->marks[i].replies;
    while (replies-- > 0)
        buf_append(&c->out, error.data, error.size);
}
