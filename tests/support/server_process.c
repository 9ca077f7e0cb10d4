#include "tests/support/server_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/resp_client.h"

#define ARGS_MAX     32
#define START_TRIES  3000 /* of 10 ms */
#define END_LIMIT_MS 20000

static void sleep_ms(int ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static const char *program_of(const char *program)
{
    if (program) return program;
    const char *named = getenv("RIPTIDEKV_SERVER");
    return named ? named : "build/release/riptidekv-server";
}

/* ---- scratch directories ---- */

bool scratch_new(struct scratch *s)
{
    snprintf(s->dir, sizeof s->dir, "build/scratch.XXXXXX");
    mkdir("build", 0777);
    if (!mkdtemp(s->dir)) {
        printf("  %s: %s\n", s->dir, strerror(errno));
        return false;
    }
    char *real = realpath(s->dir, NULL);
    if (!real) return false;
    snprintf(s->dir, sizeof s->dir, "%s", real);
    free(real);
    snprintf(s->store, sizeof s->store, "%.480s/store", s->dir);
    snprintf(s->log, sizeof s->log, "%.480s/log", s->dir);
    return true;
}

void scratch_remove(struct scratch *s)
{
    char output[256];
    shell_run(output, sizeof output, "rm -rf '%s'", s->dir);
}

int shell_run(char *output, size_t size, const char *format, ...)
{
    char command[4096];
    va_list words;
    va_start(words, format);
    vsnprintf(command, sizeof command, format, words);
    va_end(words);
    FILE *pipe = popen(command, "r");
    if (!pipe) return -1;
    size_t got = fread(output, 1, size - 1, pipe);
    output[got] = 0;
    while (fgetc(pipe) != EOF) {
    }
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int file_count_lines(const char *path, const char *text)
{
    FILE *f = fopen(path, "r");
    if (!f) return -1;
    char line[4096];
    int count = 0;
    while (fgets(line, sizeof line, f))
        if (strstr(line, text)) count++;
    fclose(f);
    return count;
}

/* ---- starting ---- */

/* Splits in place; argv[0] is set by the caller. */
static void split_words(char *words, char **argv)
{
    int argc = 1;
    for (char *w = strtok(words, " "); w && argc < ARGS_MAX - 1; w = strtok(NULL, " "))
        argv[argc++] = w;
    argv[argc] = NULL;
}

pid_t process_spawn(const char *program, const char *args, int output_fd)
{
    char words[2048], *argv[ARGS_MAX];
    snprintf(words, sizeof words, "%s", args);
    argv[0] = strdup(program);
    split_words(words, argv);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(output_fd, STDOUT_FILENO);
        dup2(output_fd, STDERR_FILENO);
        int null = open("/dev/null", O_RDONLY);
        dup2(null, STDIN_FILENO);
        execv(program, argv);
        fprintf(stderr, "%s: %s\n", program, strerror(errno));
        _exit(127);
    }
    free(argv[0]);
    return pid;
}

static void print_log(const char *path, long from)
{
    FILE *f = fopen(path, "r");
    if (!f) return;
    fseek(f, from, SEEK_SET);
    char line[1024];
    while (fgets(line, sizeof line, f))
        printf("    | %s", line);
    fclose(f);
}

/* The port stands in the line that says that the server is ready. */
static int find_port(const char *path, long from)
{
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    fseek(f, from, SEEK_SET);
    char line[1024];
    int port = 0;
    while (!port && fgets(line, sizeof line, f)) {
        char *at = strstr(line, "127.0.0.1:");
        if (at && strstr(line, "ready")) port = (int)strtol(at + 10, NULL, 10);
    }
    fclose(f);
    return port;
}

static bool wait_ready(struct server_process *s, long log_start)
{
    for (int i = 0; i < START_TRIES; i++) {
        int status;
        if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
            printf("  the server ended at once (status %#x):\n", status);
            s->pid = 0;
            return false;
        }
        s->port = find_port(s->scratch->log, log_start);
        struct resp_client c;
        if (s->port && resp_connect(&c, s->port)) {
            bool ok = resp_expect(&c, '+', "PONG", "PING", NULL);
            resp_close(&c);
            return ok;
        }
        sleep_ms(i < 100 ? 1 : 10);
    }
    printf("  the server is not ready:\n");
    return false;
}

bool server_start(struct server_process *s, struct scratch *scratch, const char *args)
{
    s->scratch = scratch;
    int fd = open(scratch->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) return false;
    long log_start = (long)lseek(fd, 0, SEEK_END);
    char words[2048];
    snprintf(words, sizeof words, "--port 0 --dir %s %s", scratch->store, args);
    s->pid = process_spawn(program_of(s->program), words, fd);
    close(fd);
    if (s->pid > 0 && wait_ready(s, log_start)) return true;
    print_log(scratch->log, log_start);
    server_kill(s);
    return false;
}

/* ---- ending ---- */

static int end_of(pid_t pid, int limit_ms)
{
    int status;
    for (int ms = 0; waitpid(pid, &status, WNOHANG) != pid; ms++) {
        if (ms >= limit_ms) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return -1;
        }
        sleep_ms(1);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1000 - WTERMSIG(status);
}

int server_end(struct server_process *s, int signal)
{
    if (!s->pid) return -1;
    kill(s->pid, signal);
    int code = end_of(s->pid, END_LIMIT_MS);
    s->pid = 0;
    return code;
}

void server_kill(struct server_process *s)
{
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    s->pid = 0;
}

long server_rss_kib(const struct server_process *s)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", (int)s->pid);
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    long kib = 0;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "VmRSS:", 6) == 0) kib = strtol(line + 6, NULL, 10);
    fclose(f);
    return kib;
}

int server_run(const char *args, char *output, size_t size)
{
    FILE *collected = tmpfile();
    if (!collected) return -1;
    pid_t pid = process_spawn(program_of(NULL), args, fileno(collected));
    int code = pid > 0 ? end_of(pid, END_LIMIT_MS) : -1;
    rewind(collected);
    output[fread(output, 1, size - 1, collected)] = 0;
    fclose(collected);
    return code;
}
