/* main.c - the server as a program: flags, the real world, signals, the loop. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "fault/disk_posix.h"
#include "fault/plan.h"
#include "fault/rng.h"
#include "server/flags.h"
#include "server/limits.h"
#include "server/server.h"

#define VERSION    "0.1.0"
#define HELP_BYTES 4096
/* A signal that comes between the look at stop_asked and the wait is seen this late. */
#define SIGNAL_WAIT_MS 250

static volatile sig_atomic_t stop_asked;

/* The first signal ends the loop in order, the second one ends the process. */
static void on_stop(int number)
{
    if (stop_asked) _exit(128 + number);
    stop_asked = 1;
}

static void watch_signals(void)
{
    struct sigaction stop = {.sa_handler = on_stop}, ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* a limit of file sizes is an error like others */
}

static void log_line(void *arg, enum log_level level, const char *line)
{
    static const char *const names[] = {"verbose", "notice", "warning"};
    (void)arg;
    time_t now = (time_t)(clock_wall_ms(clock_real()) / 1000);
    struct tm utc;
    char when[32];
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    fprintf(stderr, "%s %s %s\n", when, names[level], line);
}

static int fail(const char *line)
{
    fprintf(stderr, "riptidekv-server: %s\n", line);
    return 1;
}

static int serve(struct config *config, const struct server_env *env)
{
    struct server *server;
    struct err_detail why = {0};
    enum err e = server_new(env, config, &server, &why);
    if (e) return fail(why.text[0] ? why.text : err_text(e));

    unsigned port = server_port(server);
    printf("ready to accept connections on %s:%u", config->bind, port);
    if (!strcmp(config->bind, "0.0.0.0")) printf(" (here: 127.0.0.1:%u)", port);
    printf("\n");
    fflush(stdout);

    while (!stop_asked && server_turn(server, SIGNAL_WAIT_MS)) {
    }
    e = server_free(server);
    return e ? fail(err_text(e)) : 0;
}

/* As far as it may be, for CONFIG SET maxclients may ask for more later: an entry that is not
 * used costs nothing. The limit in force, 0 when there is none that is known. */
static uint64_t raise_descriptors(uint64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return 0;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (!setrlimit(RLIMIT_NOFILE, &limit)) return limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (before < limit.rlim_cur && !setrlimit(RLIMIT_NOFILE, &limit))
        return limit.rlim_cur;
    return before;
}

/* Makes do with the descriptors that there are; 1 when that cannot be. */
static int fit_descriptors(struct config *config, uint64_t descriptors)
{
    char line[256];
    uint64_t wanted = limits_wanted(config);
    if (descriptors && descriptors < LIMITS_LEAST) {
        snprintf(line, sizeof line,
                 "only %llu files may be open, and %d are needed at least: start with a "
                 "higher limit (ulimit -n %llu)",
                 (unsigned long long)descriptors, LIMITS_LEAST,
                 (unsigned long long)wanted);
        return fail(line);
    }
    if (!descriptors || !limits_fit(config, descriptors)) return 0;
    snprintf(line, sizeof line,
             "only %llu files may be open: maxclients is %lld, open-tables-max %lld; for "
             "more start with a higher limit (ulimit -n %llu)",
             (unsigned long long)descriptors, (long long)config->maxclients,
             (long long)config->open_tables_max, (unsigned long long)wanted);
    log_line(NULL, LOG_WARNING, line);
    return 0;
}

static int run(struct config *config, uint64_t descriptors)
{
    char parent[CONFIG_TEXT_BYTES], name[CONFIG_TEXT_BYTES];
    char line[2 * CONFIG_TEXT_BYTES];
    if (!flags_split_dir(config->dir, parent, name))
        return fail("--dir: the path has to end in the directory's own name");
    struct server_env env = {.clock = clock_real(),
                             .mem = mem_libc(),
                             .net = net_posix(),
                             .log = log_line,
                             .store = name,
                             .seed = rng_os_seed(),
                             .process_id = getpid(),
                             .descriptors = descriptors};
    int error = disk_posix_new(env.mem, parent, &env.disk);
    if (error) {
        snprintf(line, sizeof line,
                 "--dir %.200s: cannot open %.200s: %s; create it first", config->dir,
                 parent, strerror(-error));
        return fail(line);
    }
    env.sched = sched_threads_new(env.mem);
    int code = env.sched ? serve(config, &env) : fail("no memory");
    if (env.sched) sched_free(env.sched);
    disk_posix_free(env.disk);
    return code;
}

int main(int argc, char **argv)
{
    struct config config;
    char error[FLAGS_ERROR_BYTES], help[HELP_BYTES];
    config_init(&config);
    switch (flags_parse(&config, argc, (const char *const *)argv, error)) {
    case FLAGS_BAD: return fail(error);
    case FLAGS_VERSION:
        puts("riptidekv-server " VERSION " (compression: " CODEC_BEST_NAME ")");
        return fflush(stdout) ? fail(strerror(errno)) : 0;
    case FLAGS_HELP:
        flags_help(help, sizeof help);
        fputs(help, stdout);
        return fflush(stdout) ? fail(strerror(errno)) : 0;
    case FLAGS_RUN: break;
    }
    watch_signals();
    uint64_t descriptors = raise_descriptors(limits_wanted(&config));
    if (fit_descriptors(&config, descriptors)) return 1;
    if (plan_listen_environment()) return fail("cannot listen for fault plans");
    return run(&config, descriptors);
}
