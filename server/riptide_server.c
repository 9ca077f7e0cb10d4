/* A server on a thread of its own. The thread is a worker of a scheduler that has this one
 * job: the floor's way to run something beside its owner. The loop belongs to that thread
 * from the moment the job is handed over until it is reaped. */
#include "server/riptide_server.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fault/disk_posix.h"
#include "fault/rng.h"
#include "server/config.h"
#include "server/flags.h"
#include "server/server.h"

/* How late a running loop sees that it is to stop. */
#define STOP_LOOK_MS 20

struct riptide_server {
    struct job job; /* the loop */
    atomic_bool stop_asked;
    struct sched *thread;  /* that runs it */
    struct sched *workers; /* of the store */
    struct disk *disk;
    struct server_env env; /* the server borrows it, and the name */
    char name[CONFIG_TEXT_BYTES];
    struct server *server;
};

static enum riptide_error fail(struct riptide_failure *why, enum err e,
                               const struct err_detail *detail)
{
    if (why) {
        why->error = (enum riptide_error)e;
        why->os_error = detail->os_error;
        snprintf(why->text, sizeof why->text, "%s",
                 detail->text[0] ? detail->text : err_text(e));
    }
    return (enum riptide_error)e;
}

/* ---- configuration ---- */

static enum err set(struct config *c, const char *name, const char *value,
                    struct err_detail *why)
{
    char scratch[CONFIG_ERROR_BYTES];
    const struct config_setting *s = config_find(slice_text(name));
    if (!s || !(s->flags & CONFIG_FLAG))
        return err_set(why, ERR_INVALID, 0, "%.60s: no such setting", name);
    const char *wrong = config_set(c, s, slice_text(value), scratch);
    return wrong ? err_set(why, ERR_INVALID, 0, "%.60s: %.120s", name, wrong) : ERR_OK;
}

static enum err configure(const struct riptide_server_config *from, struct config *c,
                          struct err_detail *why)
{
    config_init(c);
    if (!from->dir) return err_set(why, ERR_INVALID, 0, "dir: none was given");
    enum err e = set(c, "dir", from->dir, why);
    if (!e) e = set(c, "bind", from->bind ? from->bind : "127.0.0.1", why);
    for (const char *const *s = from->settings; !e && s && *s; s += 2)
        e = s[1] ? set(c, s[0], s[1], why)
                 : err_set(why, ERR_INVALID, 0, "%.60s: without a value", *s);
    c->port = from->port;
    return e;
}

/* ---- start ---- */

static void run_loop(struct job *job)
{
    struct riptide_server *s = (struct riptide_server *)job;
    while (!atomic_load(&s->stop_asked) && server_turn(s->server, STOP_LOOK_MS)) {
    }
}

static enum err open_server(struct riptide_server *s, const struct config *config,
                            struct err_detail *why)
{
    char parent[CONFIG_TEXT_BYTES];
    if (!flags_split_dir(config->dir, parent, s->name))
        return err_set(why, ERR_INVALID, 0,
                       "dir: the path has to end in the directory's own name");
    int rc = disk_posix_new(mem_libc(), parent, &s->disk);
    if (rc) return err_set(why, err_from_os(rc), rc, "%.120s: %s", parent, strerror(-rc));
    s->thread = sched_threads_new(mem_libc());
    s->workers = sched_threads_new(mem_libc());
    if (!s->thread || !s->workers) return err_set(why, ERR_NOMEM, 0, "threads");
    s->env = (struct server_env){.disk = s->disk,
                                 .clock = clock_real(),
                                 .mem = mem_libc(),
                                 .sched = s->workers,
                                 .net = net_posix(),
                                 .store = s->name,
                                 .seed = rng_os_seed(),
                                 .process_id = getpid()};
    return server_new(&s->env, config, &s->server, why);
}

static void free_parts(struct riptide_server *s)
{
    if (s->workers) sched_free(s->workers);
    if (s->thread) sched_free(s->thread);
    if (s->disk) disk_posix_free(s->disk);
    mem_free(mem_libc(), s);
}

enum riptide_error riptide_server_start(const struct riptide_server_config *config,
                                        struct riptide_server **out,
                                        struct riptide_failure *why)
{
    struct err_detail detail = {.code = ERR_OK};
    struct config c;
    enum err e = configure(config, &c, &detail);
    if (e) return fail(why, e, &detail);
    struct riptide_server *s = mem_zalloc(mem_libc(), sizeof *s);
    if (!s) return fail(why, ERR_NOMEM, &detail);
    e = open_server(s, &c, &detail);
    if (e) {
        free_parts(s);
        return fail(why, e, &detail);
    }
    s->job = (struct job){.run = run_loop, .class = JOB_SYNC};
    sched_submit(s->thread, &s->job);
    *out = s;
    return RIPTIDE_OK;
}

uint16_t riptide_server_port(const struct riptide_server *server)
{
    return server_port(server->server);
}

/* ---- stop ---- */

enum riptide_error riptide_server_stop(struct riptide_server *server)
{
    if (!server) return RIPTIDE_OK;
    atomic_store(&server->stop_asked, true);
    while (!sched_reap(server->thread))
        sched_wait(server->thread);
    enum err e = server_free(server->server);
    free_parts(server);
    return (enum riptide_error)e;
}
