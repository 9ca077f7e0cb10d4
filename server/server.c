#include "server/server.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "fault/rng.h"
#include "server/state.h"

#define LOG_LINE_BYTES 512

/* What the server and its store have to say, if the configured level lets it pass. */
static void log_line(void *server, enum log_level level, const char *line)
{
    const struct server *s = server;
    if (!s->env.log) return;
    if (level == LOG_DEBUG && s->config.loglevel > LOGLEVEL_VERBOSE) return;
    if (level == LOG_INFO && s->config.loglevel > LOGLEVEL_NOTICE) return;
    s->env.log(s->env.log_arg, level, line);
}

void server_log(const struct server *s, enum log_level level, const char *format, ...)
{
    char line[LOG_LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    log_line((void *)(uintptr_t)s, level, line);
}

const char *server_refusal_reason(const struct server *s)
{
    const struct err_detail *why = db_write_error(s->db);
    if (why->os_error) return strerror(why->os_error);
    return why->code ? err_text(why->code) : "the write was taken back";
}

void server_refusal(const struct server *s, char out[REFUSAL_BYTES])
{
    snprintf(out, REFUSAL_BYTES, "MISCONF Errors writing to the AOF file: %s",
             server_refusal_reason(s));
}

/* ---- start ---- */

static enum err start_listening(struct server *s, struct err_detail *why)
{
    struct net *net = s->env.net;
    const char *address = s->config.bind;
    uint16_t port = (uint16_t)s->config.port;
    int handle = net->listen(net, address, port, (int)s->config.tcp_backlog, &s->port);
    if (handle == -EADDRINUSE)
        return err_set(
            why, ERR_IO, -handle,
            "cannot listen on %s:%u: another program has this port; choose one "
            "with --port, or --port 0 for any",
            address, port);
    if (handle == -EMFILE || handle == -ENFILE)
        return err_set(why, ERR_IO, -handle,
                       "cannot listen on %s:%u: %s; raise the limit of open files "
                       "(ulimit -n)",
                       address, port, strerror(-handle));
    if (handle < 0)
        return err_set(
            why, ERR_IO, -handle,
            "cannot listen on %s:%u: %s; give a numeric address of this machine "
            "with --bind and a free port with --port",
            address, port, strerror(-handle));
    s->listener = (struct poll_item){.handle = handle, .events = POLLIN};
    s->listening = true;
    return pollset_add(&s->pollset, &s->listener);
}

static enum err open_store(struct server *s, struct err_detail *why)
{
    struct db_env env = {.disk = s->env.disk,
                         .clock = s->env.clock,
                         .mem = s->env.mem,
                         .sched = s->env.sched,
                         .seed = s->env.seed,
                         .log = log_line,
                         .log_arg = s};
    struct options options;
    options_init(&options);
    enum codec codec = (enum codec)s->config.compression;
    if (!codec_built_in(codec))
        return err_set(why, ERR_INVALID, 0,
                       "--compression %s: this program was built without %s; build it "
                       "again with " CODEC_PACKAGES " installed",
                       codec_name(codec), codec_name(codec));
    if (s->env.geometry) {
        options = *s->env.geometry;
    } else {
        options.memtable_bytes = (size_t)s->config.memtable_bytes;
        options.cache_bytes = (size_t)s->config.cache_bytes;
        options.map_tables = s->config.map_tables && options.map_tables;
        options.open_tables_max = (size_t)s->config.open_tables_max;
        for (unsigned l = 0; l < LEVELS_MAX; l++)
            options.codecs[l] = l < s->config.compression_from_level ? CODEC_NONE : codec;
    }
    options.sync = (enum sync_policy)s->config.appendfsync;
    struct err_detail cause = {0};
    enum err e = db_open(&env, s->env.store, &options, &s->db, &cause);
    char line[ERR_LINE_BYTES];
    if (e)
        return err_set(why, e, cause.os_error, "%.100s: %s", s->config.dir,
                       err_line(&cause, line));
    e = keyspace_init(&s->keyspace, s->db, s->env.clock, s->env.mem);
    if (e) return err_set(why, e, 0, "no memory for the keyspace");

    s->wakeup = (struct poll_item){.handle = db_poll_fd(s->db), .events = POLLIN};
    return s->wakeup.handle < 0 ? ERR_OK : pollset_add(&s->pollset, &s->wakeup);
}

static void make_run_id(struct server *s)
{
    struct rng rng;
    rng_init(&rng, s->env.seed);
    for (size_t i = 0; i + 1 < RUN_ID_BYTES; i++)
        s->run_id[i] = "0123456789abcdef"[rng_below(&rng, 16)];
}

enum err server_new(const struct server_env *env, const struct config *config,
                    struct server **out, struct err_detail *why)
{
    struct server *s = mem_zalloc(env->mem, sizeof *s);
    if (!s) return err_set(why, ERR_NOMEM, 0, "no memory for the server");
    s->env = *env;
    s->config = *config;
    s->group = 1;
    s->start_ms = s->mono_ms = clock_mono_us(env->clock) / 1000;
    s->stats.ops_base_ms = s->start_ms;
    s->wakeup.handle = s->listener.handle = -1;
    pollset_init(&s->pollset, env->mem, env->net);
    cursors_init(&s->cursors, env->mem, env->seed);
    dispatch_init(&s->dispatch);
    make_run_id(s);

    s->scratch = mem_alloc(env->mem, CONN_READ_BYTES);
    enum err e =
        s->scratch ? ERR_OK : err_set(why, ERR_NOMEM, 0, "no memory for the read buffer");
    if (!e) e = start_listening(s, why);
    if (!e) e = open_store(s, why);
    if (e) {
        server_free(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

/* ---- life ---- */

bool server_turn(struct server *s, int timeout_ms)
{
    loop_turn(s, timeout_ms);
    return !s->stopping;
}

void server_stop(struct server *s)
{
    s->stopping = true;
}

enum err server_free(struct server *s)
{
    struct mem *mem = s->env.mem;
    enum err e = ERR_OK;
    if (s->db) server_log(s, LOG_INFO, "stopping");
    if (s->db) loop_end(s);
    while (s->first_conn)
        loop_close(s, s->first_conn);
    if (s->listener.handle >= 0) s->env.net->close(s->env.net, s->listener.handle);
    if (s->keyspace.mem) keyspace_deinit(&s->keyspace);
    if (s->db) e = db_close(s->db);
    cursors_deinit(&s->cursors);
    pollset_deinit(&s->pollset);
    mem_free(mem, s->argv);
    mem_free(mem, s->scratch);
    mem_free(mem, s);
    return e;
}

uint16_t server_port(const struct server *s)
{
    return s->port;
}

struct db *server_db(struct server *s)
{
    return s->db;
}
