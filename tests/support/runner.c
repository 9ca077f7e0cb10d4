#include "tests/support/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/junit.h"

#define NAME_BYTES 256 /* of "suite/test", and of one word in a report */
#define JOBS_MAX   16

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

bool runner_table_ok(const struct suite *suites)
{
    bool ok = true;
    for (const struct suite *s = suites; s->name; s++) {
        if (!s->tests->pName) {
            printf("suite %s has no test\n", s->name);
            ok = false;
        }
        for (const CU_TestInfo *t = s->tests; t->pName; t++)
            for (const CU_TestInfo *u = t + 1; u->pName; u++)
                if (strcmp(t->pName, u->pName) == 0 || t->pTestFunc == u->pTestFunc) {
                    printf("%s/%s and %s/%s: the same name or function twice\n", s->name,
                           t->pName, s->name, u->pName);
                    ok = false;
                }
    }
    return ok;
}

/* ---- in the child ---- */

/* Our own check_* functions have printed both values already; for them the condition
 * that CUnit recorded only says the same again. */
static bool printed_already(const char *condition)
{
    return strncmp(condition, "check_", 6) == 0;
}

bool runner_test(const char *suite, const CU_TestInfo *test)
{
    CU_initialize_registry();
    CU_pSuite cs = CU_add_suite(suite, NULL, NULL);
    CU_pTest ct = CU_add_test(cs, test->pName, test->pTestFunc);
    CU_run_test(cs, ct);
    unsigned failures = CU_get_number_of_failures();
    for (CU_pFailureRecord r = CU_get_failure_list(); r; r = r->pNext)
        if (!printed_already(r->strCondition))
            printf("  %s:%u: %s\n", r->strFileName, r->uiLineNumber, r->strCondition);
    CU_cleanup_registry();
    fflush(stdout);
    return failures == 0;
}

static int64_t output_bytes(void)
{
    struct stat st;
    return fstat(STDOUT_FILENO, &st) == 0 ? (int64_t)st.st_size : 0;
}

int runner_child(const struct suite *suite, int report_fd)
{
    FILE *report = fdopen(report_fd, "w");
    if (!report) return 2;
    setvbuf(report, NULL, _IOLBF, 0);
    for (const CU_TestInfo *t = suite->tests; t->pName; t++) {
        fprintf(report, "start %s %" PRId64 "\n", t->pName, output_bytes());
        int64_t start = now_us();
        bool pass = runner_test(suite->name, t);
        fprintf(report, "end %s %s %" PRId64 " %" PRId64 "\n", t->pName,
                pass ? "pass" : "fail", now_us() - start, output_bytes());
    }
    fputs("done\n", report);
    return fclose(report) == 0 ? 0 : 2;
}

/* ---- in the parent ---- */

struct child {
    const struct suite *suite;
    pid_t pid; /* 0: this slot is free */
    int64_t start_us;
    bool timed_out;
    FILE *output, *report; /* files without a name */
};

struct run {
    const struct runner_options *options;
    struct child children[JOBS_MAX];
    struct tally tally;
    FILE *xml; /* or NULL */
};

static bool child_start(struct run *run, struct child *c, const struct suite *suite)
{
    FILE *output = tmpfile(), *report = tmpfile();
    if (!output || !report) return false;
    /* No child gets a neighbour's files: suites may count their descriptors. */
    fcntl(fileno(output), F_SETFD, FD_CLOEXEC);
    fcntl(fileno(report), F_SETFD, FD_CLOEXEC);
    pid_t pid = fork();
    if (pid < 0) return false;
    *c = (struct child){suite, pid, now_us(), false, output, report};
    if (pid > 0) {
        setpgid(pid, pid); /* both sides set it: neither can lose the race */
        return true;
    }
    setpgid(0, 0);
    fcntl(fileno(report), F_SETFD, 0);
    char fd[16];
    snprintf(fd, sizeof fd, "%d", fileno(report));
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(fileno(c->output), STDOUT_FILENO);
    dup2(fileno(c->output), STDERR_FILENO);
    execl(run->options->self, run->options->self, "--child", suite->name, fd,
          (char *)NULL);
    _exit(127);
}

/* Bytes [from, to) of the child's output as a string that the caller frees; to < 0: up
 * to the end. */
static char *output_text(FILE *output, int64_t from, int64_t to)
{
    if (to < 0) {
        fseek(output, 0, SEEK_END);
        to = ftell(output);
    }
    size_t size = to > from ? (size_t)(to - from) : 0;
    char *text = calloc(1, size + 1);
    if (!text) abort();
    fseek(output, (long)from, SEEK_SET);
    size_t got = fread(text, 1, size, output);
    for (size_t i = 0; i < got; i++)
        if (!text[i]) text[i] = '?';
    return text;
}

static void failed(struct run *run, const struct child *c, const char *test,
                   double seconds, const char *why, int64_t from, int64_t to)
{
    char *text = output_text(c->output, from, to);
    printf("FAIL %s/%s%s%s\n%s%s", c->suite->name, test, *why ? ": " : "", why, text,
           *text && text[strlen(text) - 1] != '\n' ? "\n" : "");
    if (run->xml) junit_test(run->xml, c->suite->name, test, seconds, *text ? text : why);
    run->tally.failed++;
    free(text);
}

static void passed(struct run *run, const struct child *c, const char *test,
                   double seconds, int64_t from, int64_t to)
{
    if (run->xml) junit_test(run->xml, c->suite->name, test, seconds, NULL);
    run->tally.passed++;
    if (!run->options->verbose) return;
    char *text = output_text(c->output, from, to);
    printf("ok   %s/%s\n%s", c->suite->name, test, text);
    free(text);
}

static void describe_end(const struct child *c, int status, int timeout_s, char *why,
                         size_t size)
{
    if (c->timed_out)
        snprintf(why, size, "timed out after %d s", timeout_s);
    else if (WIFSIGNALED(status))
        snprintf(why, size, "ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(why, size, "ended with exit code %d", WEXITSTATUS(status));
}

/* Reads the report of a child that has ended and adds it to the tally. */
static void child_finish(struct run *run, struct child *c, int status)
{
    char line[2 * NAME_BYTES], name[NAME_BYTES], verdict[8], running[NAME_BYTES] = "";
    int64_t start_bytes = 0, us, end_bytes;
    unsigned passed_before = run->tally.passed, failed_before = run->tally.failed;
    bool done = false;
    double seconds = (double)(now_us() - c->start_us) / 1e6;

    if (run->xml) junit_suite_begin(run->xml, c->suite->name);
    rewind(c->report);
    while (fgets(line, sizeof line, c->report)) {
        if (sscanf(line, "start %255s %" SCNd64, running, &start_bytes) == 2) continue;
        if (sscanf(line, "end %255s %7s %" SCNd64 " %" SCNd64, name, verdict, &us,
                   &end_bytes) == 4) {
            running[0] = 0;
            if (strcmp(verdict, "pass") == 0)
                passed(run, c, name, (double)us / 1e6, start_bytes, end_bytes);
            else
                failed(run, c, name, (double)us / 1e6, "", start_bytes, end_bytes);
            start_bytes = end_bytes;
        }
        if (strcmp(line, "done\n") == 0) done = true;
    }
    if (!done || status != 0) {
        char why[128];
        describe_end(c, status, run->options->timeout_s, why, sizeof why);
        failed(run, c, running[0] ? running : "(exit)", seconds, why, start_bytes, -1);
    }
    if (run->xml) junit_suite_end(run->xml);
    unsigned bad = run->tally.failed - failed_before;
    printf("%s %-34s %4u passed %3u failed %7.2f s\n", bad ? "FAIL" : "ok  ",
           c->suite->name, run->tally.passed - passed_before, bad, seconds);
    fclose(c->output);
    fclose(c->report);
    c->pid = 0;
}

static bool is_free(const struct child *c)
{
    return c->pid == 0;
}

/* Ends whole process groups, so that nothing a hanging test started stays behind. */
static void kill_late(struct run *run)
{
    int64_t now = now_us();
    for (int i = 0; i < run->options->jobs; i++) {
        struct child *c = &run->children[i];
        if (is_free(c) || c->timed_out) continue;
        if (now - c->start_us < (int64_t)run->options->timeout_s * 1000000) continue;
        c->timed_out = true;
        kill(-c->pid, SIGKILL);
    }
}

/* Waits until a child ends or 100 ms have passed; returns how many still run. */
static int wait_some(struct run *run)
{
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigtimedwait(&chld, NULL, &(struct timespec){.tv_nsec = 100 * 1000 * 1000});
    int running = 0;
    for (int i = 0; i < run->options->jobs; i++) {
        struct child *c = &run->children[i];
        if (is_free(c)) continue;
        int status;
        if (waitpid(c->pid, &status, WNOHANG) == c->pid) {
            kill(-c->pid, SIGKILL); /* what the suite may have left running */
            child_finish(run, c, status);
        } else {
            running++;
        }
    }
    kill_late(run);
    return running;
}

static bool start_next(struct run *run, const struct suite **next)
{
    for (int i = 0; i < run->options->jobs && (*next)->name; i++) {
        if (!is_free(&run->children[i])) continue;
        if (!child_start(run, &run->children[i], *next)) {
            printf("cannot start suite %s: %s\n", (*next)->name, strerror(errno));
            return false;
        }
        (*next)++;
    }
    return true;
}

bool runner_all(const struct suite *suites, const struct runner_options *o,
                struct tally *out)
{
    struct run run = {.options = o};
    if (o->jobs < 1 || o->jobs > JOBS_MAX) return false;
    if (o->junit_path && !(run.xml = junit_open(o->junit_path))) {
        printf("%s: %s\n", o->junit_path, strerror(errno));
        return false;
    }
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD); /* blocked, so that it waits for sigtimedwait */
    sigprocmask(SIG_BLOCK, &chld, NULL);

    const struct suite *next = suites;
    bool ok = true;
    do {
        if (ok) ok = start_next(&run, &next);
    } while (wait_some(&run) > 0 || (ok && next->name));

    *out = run.tally;
    if (run.xml && !junit_close(run.xml)) {
        printf("%s: could not be written whole\n", o->junit_path);
        ok = false;
    }
    return ok;
}
