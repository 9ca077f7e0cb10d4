/* Commands about the connection itself. */
#include "server/cmd.h"

#include <assert.h>
#include <stdio.h>

#include "server/number.h"
#include "server/state.h"

/* The version whose behaviour and texts are followed; clients decide by it. */
#define REDIS_VERSION "7.0.15"

void ping_command(struct call *c)
{
    if (c->argc > 2)
        reply_error(c->out, "ERR wrong number of arguments for 'ping' command");
    else if (c->argc == 2)
        reply_bulk(c->out, c->argv[1]);
    else
        reply_status(c->out, "PONG");
}

void echo_command(struct call *c)
{
    reply_bulk(c->out, c->argv[1]);
}

void select_command(struct call *c)
{
    int64_t db;
    if (!call_number(c, 1, &db)) return;
    if (db < INT32_MIN || db > INT32_MAX) {
        reply_error(c->out, "ERR value is out of range, value must between -2147483648 "
                            "and 2147483647"); /* Redis's words */
        return;
    }
    if (db < 0 || db >= c->server->config.databases) {
        reply_error(c->out, "ERR DB index is out of range");
        return;
    }
    c->conn->db = (unsigned)db;
    reply_ok(c->out);
}

void quit_command(struct call *c)
{
    c->conn->closing = true;
    reply_ok(c->out);
}

void reset_command(struct call *c)
{
    conn_reset(c->conn);
    reply_status(c->out, "RESET");
}

/* ---- AUTH and HELLO ---- */

/* There are no passwords: the default user may do everything, and is the only one. */
static bool check_user(struct call *c, slice user)
{
    if (equals_nocase(user, "default")) return true;
    reply_error(c->out, "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

void auth_command(struct call *c)
{
    if (c->argc > 3) {
        reply_syntax_error(c);
    } else if (c->argc == 2) {
        reply_error(c->out, "ERR AUTH <password> called without any password configured "
                            "for the default user. Are you sure your configuration is "
                            "correct?");
    } else if (check_user(c, c->argv[1])) {
        reply_ok(c->out);
    }
}

static bool is_name(slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '!' || text.data[i] > '~') return false;
    return true;
}

/* Keeps a text that a client gives itself, if it is one word. */
static bool set_name(struct call *c, char to[CONN_NAME_BYTES], slice text,
                     const char *what)
{
    if (!is_name(text)) {
        reply_error(c->out,
                    "ERR %s cannot contain spaces, newlines or special characters.",
                    what);
        return false;
    }
    if (text.size >= CONN_NAME_BYTES) {
        reply_error(c->out, "ERR %s cannot be longer than %d bytes", what,
                    CONN_NAME_BYTES - 1);
        return false;
    }
    if (text.size) memcpy(to, text.data, text.size);
    to[text.size] = '\0';
    return true;
}

static void reply_hello(struct call *c)
{
    struct buf *b = c->out;
    reply_array(b, 14);
    reply_bulk_text(b, "server");
    reply_bulk_text(b, "redis");
    reply_bulk_text(b, "version");
    reply_bulk_text(b, REDIS_VERSION);
    reply_bulk_text(b, "proto");
    reply_int(b, 2);
    reply_bulk_text(b, "id");
    reply_int(b, (int64_t)c->conn->id);
    reply_bulk_text(b, "mode");
    reply_bulk_text(b, "standalone");
    reply_bulk_text(b, "role");
    reply_bulk_text(b, "master");
    reply_bulk_text(b, "modules");
    reply_array(b, 0);
}

static void reply_no_protocol(struct call *c)
{
    reply_error(c->out, "NOPROTO unsupported protocol version");
}

/* Version 3 is refused, too, but only after its options: as with a Redis that is too old
 * for it. */
void hello_command(struct call *c)
{
    int64_t version = 2;
    if (c->argc > 1 && !number_parse(c->argv[1], &version)) {
        reply_error(c->out, "ERR Protocol version is not an integer or out of range");
        return;
    }
    if (version != 2 && version != 3) {
        reply_no_protocol(c);
        return;
    }
    const slice *name = NULL;
    for (uint32_t i = 2; i < c->argc; i++) {
        uint32_t more = c->argc - 1 - i;
        if (equals_nocase(c->argv[i], "auth") && more >= 2) {
            if (!check_user(c, c->argv[i + 1])) return;
            i += 2;
        } else if (equals_nocase(c->argv[i], "setname") && more >= 1) {
            name = &c->argv[++i];
        } else {
            int size = c->argv[i].size < 128 ? (int)c->argv[i].size : 128;
            reply_error(c->out, "ERR Syntax error in HELLO option '%.*s'", size,
                        (const char *)c->argv[i].data);
            return;
        }
    }
    char checked[CONN_NAME_BYTES];
    if (name && !set_name(c, checked, *name, "Client names")) return;
    if (version == 3) {
        reply_no_protocol(c);
        return;
    }
    if (name) memcpy(c->conn->name, checked, sizeof checked);
    reply_hello(c);
}

/* ---- CLIENT ---- */

#define CLIENT_LINE_BYTES 1024

static size_t describe(const struct server *s, const struct conn *c,
                       char out[CLIENT_LINE_BYTES])
{
    char events[3] = "";
    if (c->poll.events & POLLIN) strcat(events, "r");
    if (c->poll.events & POLLOUT) strcat(events, "w");
    int n = snprintf(
        out, CLIENT_LINE_BYTES,
        "id=%llu addr=%s laddr=%s:%u fd=%d name=%s age=%lld idle=%lld flags=N db=%u "
        "sub=0 "
        "psub=0 ssub=0 multi=-1 qbuf=%zu qbuf-free=%zu argv-mem=0 multi-mem=0 rbs=%zu "
        "rbp=0 obl=%zu oll=0 omem=0 tot-mem=%zu events=%s cmd=%s user=default redir=-1 "
        "resp=2 lib-name=%s lib-ver=%s\n",
        (unsigned long long)c->id, c->peer, s->config.bind, s->port, c->poll.handle,
        c->name, (long long)(s->mono_ms - c->created_ms) / 1000,
        (long long)(s->mono_ms - c->active_ms) / 1000, c->db, buf_size(&c->in),
        c->in.capacity - c->in.end, c->out.capacity, buf_size(&c->out),
        sizeof *c + c->in.capacity + c->out.capacity, events,
        c->last_command ? c->last_command->name : "NULL", c->lib_name, c->lib_version);
    assert(n > 0);
    return n < CLIENT_LINE_BYTES ? (size_t)n : CLIENT_LINE_BYTES - 1;
}

void client_id_command(struct call *c)
{
    reply_int(c->out, (int64_t)c->conn->id);
}

void client_getname_command(struct call *c)
{
    if (c->conn->name[0])
        reply_bulk_text(c->out, c->conn->name);
    else
        reply_nil(c->out);
}

void client_setname_command(struct call *c)
{
    if (set_name(c, c->conn->name, c->argv[2], "Client names")) reply_ok(c->out);
}

void client_setinfo_command(struct call *c)
{
    slice what = c->argv[2];
    bool ok;
    if (equals_nocase(what, "lib-name")) {
        ok = set_name(c, c->conn->lib_name, c->argv[3], "lib-name");
    } else if (equals_nocase(what, "lib-ver")) {
        ok = set_name(c, c->conn->lib_version, c->argv[3], "lib-ver");
    } else {
        int size = what.size < 128 ? (int)what.size : 128;
        reply_error(c->out, "ERR Unrecognized option '%.*s'", size,
                    (const char *)what.data);
        return;
    }
    if (ok) reply_ok(c->out);
}

void client_info_command(struct call *c)
{
    char line[CLIENT_LINE_BYTES];
    reply_bulk(c->out, slice_of(line, describe(c->server, c->conn, line)));
}

/* CLIENT LIST's filters: which of the connections are wanted. */
struct client_filter {
    bool none;         /* a type that none of ours has */
    uint32_t first_id; /* position of the first ID argument; 0: all */
};

static bool parse_client_filter(struct call *c, struct client_filter *f)
{
    *f = (struct client_filter){0};
    if (c->argc == 2) return true;
    if (c->argc == 4 && equals_nocase(c->argv[2], "type")) {
        static const char *const others[] = {"master", "replica", "slave", "pubsub"};
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            f->none |= equals_nocase(c->argv[3], others[i]);
        if (f->none || equals_nocase(c->argv[3], "normal")) return true;
        int size = c->argv[3].size < 128 ? (int)c->argv[3].size : 128;
        reply_error(c->out, "ERR Unknown client type '%.*s'", size,
                    (const char *)c->argv[3].data);
        return false;
    }
    if (c->argc < 4 || !equals_nocase(c->argv[2], "id")) {
        reply_syntax_error(c);
        return false;
    }
    f->first_id = 3;
    for (uint32_t i = 3; i < c->argc; i++) {
        int64_t id;
        if (number_parse(c->argv[i], &id) && id > 0) continue;
        reply_error(c->out, "ERR Invalid client ID");
        return false;
    }
    return true;
}

static bool filter_takes(const struct call *c, const struct client_filter *f,
                         const struct conn *conn)
{
    if (f->none || f->first_id == 0) return !f->none;
    for (uint32_t i = f->first_id; i < c->argc; i++) {
        int64_t id;
        if (number_parse(c->argv[i], &id) && (uint64_t)id == conn->id) return true;
    }
    return false;
}

void client_list_command(struct call *c)
{
    struct client_filter filter;
    struct buf lines;
    if (!parse_client_filter(c, &filter)) return;
    buf_init(&lines, c->server->env.mem, CONN_OUT_MAX_BYTES);
    for (const struct conn *conn = c->server->first_conn; conn; conn = conn->next) {
        char line[CLIENT_LINE_BYTES];
        if (filter_takes(c, &filter, conn))
            buf_append(&lines, line, describe(c->server, conn, line));
    }
    if (lines.failed)
        reply_store_error(c, ERR_NOMEM, NULL);
    else
        reply_bulk(c->out, slice_of(buf_bytes(&lines), buf_size(&lines)));
    buf_deinit(&lines);
}

static bool parse_on_off(struct call *c, bool *out)
{
    *out = equals_nocase(c->argv[2], "on");
    if (*out || equals_nocase(c->argv[2], "off")) return true;
    reply_syntax_error(c);
    return false;
}

void client_no_evict_command(struct call *c)
{
    if (parse_on_off(c, &c->conn->no_evict)) reply_ok(c->out);
}

void client_no_touch_command(struct call *c)
{
    if (parse_on_off(c, &c->conn->no_touch)) reply_ok(c->out);
}

void client_reply_command(struct call *c)
{
    if (equals_nocase(c->argv[2], "on")) {
        c->conn->reply_mode = REPLY_ON;
        reply_ok(c->out);
    } else if (equals_nocase(c->argv[2], "off")) {
        c->conn->reply_mode = REPLY_OFF;
    } else if (equals_nocase(c->argv[2], "skip")) {
        if (c->conn->reply_mode != REPLY_OFF) c->conn->reply_mode = REPLY_SKIP;
    } else {
        reply_syntax_error(c);
    }
}

void client_help_command(struct call *c)
{
    static const char *const lines[] = {
        "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GETNAME",
        "    The name of this connection.",
        "ID",
        "    The number of this connection.",
        "INFO",
        "    A line about this connection.",
        "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <id> [<id> ...]]",
        "    A line for each connection.",
        "NO-EVICT (ON|OFF)",
        "    Accepted; connections are not evicted.",
        "NO-TOUCH (ON|OFF)",
        "    Accepted; reading does not mark keys.",
        "REPLY (ON|OFF|SKIP)",
        "    Whether commands of this connection are answered.",
        "SETINFO (LIB-NAME|LIB-VER) <value>",
        "    What the client's library says of itself.",
        "SETNAME <name>",
        "    Give this connection a name.",
        "HELP",
        "    Print this help.",
        NULL,
    };
    reply_help(c, lines);
}
