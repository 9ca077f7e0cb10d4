/* Commands about the server as a whole. */
#include "server/cmd.h"

#include <stdio.h>

#include "server/glob.h"
#include "server/info.h"
#include "server/limits.h"
#include "server/state.h"

void dbsize_command(struct call *c)
{
    reply_int(c->out, (int64_t)keyspace_count(call_keyspace(c), call_db(c)));
}

void time_command(struct call *c)
{
    int64_t ms = clock_wall_ms(c->server->env.clock);
    reply_array(c->out, 2);
    reply_bulk_int(c->out, ms / 1000);
    reply_bulk_int(c->out, ms % 1000 * 1000);
}

/* ---- FLUSHDB, FLUSHALL ---- */

/* Both ways take the same time here. */
static bool parse_flush(struct call *c)
{
    if (c->argc == 1) return true;
    if (c->argc == 2 &&
        (equals_nocase(c->argv[1], "async") || equals_nocase(c->argv[1], "sync")))
        return true;
    reply_syntax_error(c);
    return false;
}

void flushdb_command(struct call *c)
{
    if (!parse_flush(c) || !call_begin_removal(c)) return;
    keyspace_flush(call_keyspace(c), call_db(c));
    if (call_commit(c)) reply_ok(c->out);
}

void flushall_command(struct call *c)
{
    if (!parse_flush(c) || !call_begin_removal(c)) return;
    for (unsigned db = 0; db < DATABASES; db++)
        keyspace_flush(call_keyspace(c), db);
    if (call_commit(c)) reply_ok(c->out);
}

/* ---- INFO, SHUTDOWN ---- */

void info_command(struct call *c)
{
    struct buf text;
    buf_init(&text, c->server->env.mem, CONN_OUT_MAX_BYTES);
    info_write(c->server, c->argv + 1, c->argc - 1, &text);
    if (text.failed)
        reply_store_error(c, ERR_NOMEM, NULL);
    else
        reply_bulk(c->out, slice_of(buf_bytes(&text), buf_size(&text)));
    buf_deinit(&text);
}

/* SAVE and NOSAVE make no difference: what was acknowledged is in the log. */
void shutdown_command(struct call *c)
{
    bool abort = false, other = false, save = false, nosave = false;
    for (uint32_t i = 1; i < c->argc; i++) {
        static const char *const words[] = {"nosave", "save", "now", "force"};
        bool known = false;
        nosave |= equals_nocase(c->argv[i], "nosave");
        save |= equals_nocase(c->argv[i], "save");
        for (size_t w = 0; w < sizeof words / sizeof *words; w++)
            known |= equals_nocase(c->argv[i], words[w]);
        if (equals_nocase(c->argv[i], "abort"))
            abort = true;
        else if (known)
            other = true;
        else {
            reply_syntax_error(c);
            return;
        }
    }
    if ((abort && other) || (save && nosave)) {
        reply_syntax_error(c);
    } else if (abort) {
        reply_error(c->out, "ERR No shutdown in progress.");
    } else {
        server_log(c->server, LOG_INFO, "SHUTDOWN by client %llu at %s",
                   (unsigned long long)c->conn->id, c->conn->peer);
        c->conn->closing = true;
        server_stop(c->server);
    }
}

/* ---- CONFIG ---- */

static bool any_matches(const struct call *c, const char *name, slice *as_asked)
{
    for (uint32_t i = 2; i < c->argc; i++) {
        slice pattern = c->argv[i];
        bool literal = glob_prefix(pattern).size == pattern.size;
        *as_asked = literal ? pattern : slice_text(name);
        if (literal ? equals_nocase(pattern, name)
                    : glob_match_nocase(pattern, slice_text(name)))
            return true;
    }
    return false;
}

void config_get_command(struct call *c)
{
    size_t at = reply_array_begin(c->out);
    int64_t n = 0;
    for (size_t i = 0; i < config_settings_count; i++) {
        const struct config_setting *s = &config_settings[i];
        char scratch[CONFIG_TEXT_BYTES];
        slice name;
        if (!any_matches(c, s->name, &name)) continue;
        reply_bulk(c->out, name);
        reply_bulk(c->out, config_get(&c->server->config, s, scratch));
        n += 2;
    }
    reply_array_end(c->out, at, n);
}

static void reply_config_error(struct call *c, slice name, const char *why)
{
    int size = name.size < 128 ? (int)name.size : 128;
    reply_error(c->out,
                "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s", size,
                (const char *)name.data, why);
}

/* May all of these be set, and each only once? */
static bool may_set_all(struct call *c)
{
    for (uint32_t i = 2; i < c->argc; i += 2) {
        slice name = c->argv[i];
        const struct config_setting *s = config_find(name);
        if (!s) {
            int size = name.size < 128 ? (int)name.size : 128;
            reply_error(
                c->out,
                "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'", size,
                (const char *)name.data);
            return false;
        }
        const char *error =
            s->flags & CONFIG_MUTABLE ? NULL : "can't set immutable config";
        for (uint32_t j = 2; j < i; j += 2)
            if (config_find(c->argv[j]) == s) error = "duplicate parameter";
        if (!error) continue;
        reply_config_error(c, name, error);
        return false;
    }
    return true;
}

/* Reads all pairs into *out; the running configuration is untouched. As in Redis no value
 * is looked at before all names are good. */
static bool parse_config_pairs(struct call *c, struct config *out)
{
    char scratch[CONFIG_ERROR_BYTES];
    if (!may_set_all(c)) return false;
    for (uint32_t i = 2; i < c->argc; i += 2) {
        const char *error =
            config_set(out, config_find(c->argv[i]), c->argv[i + 1], scratch);
        if (!error) continue;
        reply_config_error(c, c->argv[i], error);
        return false;
    }
    return true;
}

static bool clients_fit(struct call *c, const struct config *next)
{
    int64_t most = limits_clients_most(next, c->server->env.descriptors);
    char why[CONFIG_ERROR_BYTES];
    if (next->maxclients <= most) return true;
    snprintf(why, sizeof why,
             "The operating system is not able to handle the specified number of "
             "clients, try with %lld",
             (long long)most);
    reply_config_error(c, slice_text("maxclients"), why);
    return false;
}

void config_set_command(struct call *c)
{
    if (c->argc % 2 == 1) {
        reply_syntax_error(c);
        return;
    }
    struct config next = c->server->config;
    if (!parse_config_pairs(c, &next) || !clients_fit(c, &next)) return;
    if (next.appendfsync != c->server->config.appendfsync)
        db_set_sync(c->server->db, (enum sync_policy)next.appendfsync);
    c->server->config = next;
    reply_ok(c->out);
}

void config_resetstat_command(struct call *c)
{
    struct stats *t = &c->server->stats;
    *t = (struct stats){.expired_base = c->server->keyspace.expired_keys,
                        .ops_base_ms = c->server->mono_ms};
    reply_ok(c->out);
}

void config_rewrite_command(struct call *c)
{
    reply_error(c->out, "ERR The server is running without a config file");
}

void config_help_command(struct call *c)
{
    static const char *const lines[] = {
        "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET <pattern> [<pattern> ...]",
        "    Settings whose names match, and their values.",
        "SET <directive> <value> [<directive> <value> ...]",
        "    Change settings, all of them or none.",
        "RESETSTAT",
        "    Begin the counters of INFO anew.",
        "REWRITE",
        "    An error: there is no configuration file.",
        "HELP",
        "    Print this help.",
        NULL,
    };
    reply_help(c, lines);
}
