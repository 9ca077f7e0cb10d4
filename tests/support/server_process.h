/* server_process.h - the real server as a child process, on a scratch directory.
 *
 * Flow:    e2e tests, bench_server > server_* > fork, exec
 * Owns:    the child: it is killed when this process ends, however that happens.
 * Errors:  functions print what went wrong, with the server's output, and answer false.
 *
 * The program is $RIPTIDEKV_SERVER, or build/release/riptidekv-server.
 */
#ifndef TESTS_SUPPORT_SERVER_PROCESS_H
#define TESTS_SUPPORT_SERVER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PATH_BYTES 512

/* A fresh directory on the disk of the build (never a memory file system). */
struct scratch {
    char dir[PATH_BYTES];
    char store[PATH_BYTES]; /* dir/store: not created */
    char log[PATH_BYTES];   /* dir/log: output of all servers started here */
};
bool scratch_new(struct scratch *s);
/* Removes it with everything inside. */
void scratch_remove(struct scratch *s);

struct server_process {
    const char *program; /* NULL: see above */
    struct scratch *scratch;
    pid_t pid; /* 0: not running */
    int port;  /* 127.0.0.1 */
};

/* Starts with `--port 0 --dir SCRATCH/store` and `args` (words separated by spaces, may
 * be ""), and waits until it answers. */
bool server_start(struct server_process *s, struct scratch *scratch, const char *args);
/* Sends a signal, waits for the end: the exit code, or -1000 - signal, or -1 when it did
 * not end within 20 seconds (it is killed then). */
int server_end(struct server_process *s, int signal);
/* SIGKILL, and waits. */
void server_kill(struct server_process *s);
/* Resident memory in KiB; 0 when the process is gone. */
long server_rss_kib(const struct server_process *s);

/* Starts any program with words separated by spaces, its output to a descriptor; it is
 * killed when this process ends. The pid, or -1. */
pid_t process_spawn(const char *program, const char *args, int output_fd);

/* Runs the program with exactly these words to its end (at most 20 s) and collects its
 * output of both kinds. The exit code, -1000 - signal, or -1 when it had to be killed. */
int server_run(const char *args, char *output, size_t size);

/* Runs a shell command, collects at most size - 1 bytes of its output; its exit code. */
int shell_run(char *output, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* How many lines of the file contain the text; -1: unreadable. */
int file_count_lines(const char *path, const char *text);

#endif
