#include "tests/crash/campaign.h"

#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/crash/failure.h"

/* A report of a sanitizer ends the process without a signal. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
#include <sanitizer/common_interface_defs.h>
#endif

#define LAST_STACK_BYTES (1u << 16)

#define RANDOM_OPERATIONS  14
#define TORN_WALK_MAX      (1u << 16)
#define DEEP_INNER_MAX     (1u << 20)
#define NEST_DEPTH         3
#define NEST_IMAGES        12 /* the five smallest scenarios have no more */
#define SCHEDULE_INNER_MAX (1u << 8)
#define DEEP_CHUNK_BYTES   512    /* a disk's sector */
#define LOOK_US            200000 /* between two looks of the parent */

struct campaign_shared {
    atomic_uint next; /* row that nobody does yet */
    atomic_bool found;
    double started;
};

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

const char *pass_name(enum pass p)
{
    static const char *const names[] = {"cuts", "torn", "deep", "server", "interleave"};
    return names[p];
}

static void *shared_memory(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) abort();
    return p;
}

void campaign_init(struct campaign *c, size_t rows_max)
{
    *c = (struct campaign){.jobs = 1, .rows_max = rows_max};
    explore_options_init(&c->options);
    c->shared = shared_memory(sizeof *c->shared);
    c->rows = shared_memory(rows_max * sizeof *c->rows);
}

void campaign_deinit(struct campaign *c)
{
    munmap(c->shared, sizeof *c->shared);
    munmap(c->rows, c->rows_max * sizeof *c->rows);
}

struct campaign_row *campaign_add(struct campaign *c, uint32_t scenario, enum pass p)
{
    assert(c->row_count < c->rows_max);
    struct campaign_row *row = &c->rows[c->row_count++];
    *row = (struct campaign_row){.scenario = scenario, .pass = p};
    return row;
}

void campaign_options(const struct campaign *c, const struct campaign_row *row,
                      struct explore_options *out)
{
    *out = c->options;
    out->kills = out->mixed = row->pass != PASS_TORN;
    out->tau = row->pass == PASS_TORN;
    out->deep = row->pass == PASS_DEEP;
    /* Tears multiply every window by hundreds: the smaller ones are walked whole. */
    if (out->tau && out->walk_max > TORN_WALK_MAX) out->walk_max = TORN_WALK_MAX;
    bool coarse = out->deep || row->pass == PASS_INTERLEAVE;
    if (coarse && !c->fine) out->chunk_bytes = DEEP_CHUNK_BYTES;
    if (out->deep) out->inner_max = DEEP_INNER_MAX;
    if (out->deep) out->nest = NEST_DEPTH;
    out->nest_max = NEST_IMAGES;
    /* Thousands of states in which a process may die, each with a recovery. */
    if (row->pass == PASS_INTERLEAVE) out->inner_max = SCHEDULE_INNER_MAX;
    if (row->seed) out->seed = row->seed;
}

/* A random tape without failures: those are the business of the fault suites. */
static size_t random_tape(uint64_t seed, uint8_t out[RUN_TAPE_BYTES])
{
    uint8_t all[RUN_TAPE_BYTES];
    size_t n = tape_random(seed, RANDOM_OPERATIONS, all, sizeof all), used = 0;
    struct tape_reader r;
    struct tape_op op;
    tape_read(&r, all, n);
    while (tape_next(&r, &op)) {
        bool large = false;
        for (unsigned i = 0; i < op.count; i++)
            large = large || (op.entries[i].change == TAPE_PUT && op.entries[i].size > 5);
        if (op.kind == TAPE_FAIL || large) continue;
        memcpy(out + used, all + op.at, op.bytes);
        used += op.bytes;
    }
    return used;
}

size_t campaign_tape(const struct campaign_row *row, uint8_t out[RUN_TAPE_BYTES])
{
    if (row->seed) return random_tape(row->seed, out);
    return run_tape(&scenarios[row->scenario], out);
}

/* ---- in a child ---- */

static void copy_progress(void *arg, const struct explore_stats *stats)
{
    struct campaign_row *row = arg;
    row->stats = *stats;
}

/* What the process is at; a handler of signals has no argument. */
static struct {
    const struct explorer *explorer;
    struct campaign_row *row;
    const uint8_t *tape;
    size_t size;
} exploring;

/* The process is about to die: at which crash? What shrinking had found stands. */
static void note_death(const char *of)
{
    struct campaign_row *row = exploring.row;
    if (!exploring.explorer || row->violated) return;
    explorer_here(exploring.explorer, &row->violation);
    failure_token(row, exploring.tape, exploring.size);
    snprintf(row->violation.text, sizeof row->violation.text,
             "the exploring process died: %s", of);
}

static void on_signal(int number)
{
    note_death(number == SIGABRT ? "an assertion or abort" : strsignal(number));
    raise(number); /* once more, and nobody catches it now */
}

#ifdef SANITIZED
static void on_report(void)
{
    note_death("a sanitizer's report");
}
#endif

/* On a stack of its own: the other one may be what has overflown. */
static void expect_death(void)
{
    static char stack[LAST_STACK_BYTES];
    stack_t aside = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction last = {.sa_handler = on_signal,
                             .sa_flags = (int)(SA_RESETHAND | SA_ONSTACK)};
    sigaction(SIGABRT, &last, NULL);
#ifdef SANITIZED
    __sanitizer_set_death_callback(on_report);
#else
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &last, NULL);
#endif
    sigaltstack(&aside, NULL);
}

static void do_row(struct campaign *c, struct campaign_row *row)
{
    struct explore_options o;
    uint8_t tape[RUN_TAPE_BYTES];
    size_t size = campaign_tape(row, tape);
    campaign_options(c, row, &o);
    struct explorer *x = explorer_new(&scenarios[row->scenario], &o);
    explorer_progress(x, copy_progress, row);
    exploring.row = row;
    exploring.tape = tape;
    exploring.size = size;
    exploring.explorer = x;
    bool good = explore(x, tape, size);
    row->stats = *explorer_stats(x);
    memcpy(row->ran, explorer_ran(x), sizeof row->ran);
    row->ordered = *explorer_ordered(x);
    if (!good) {
        row->violation = *explorer_violation(x);
        row->violated = true;
        atomic_store(&c->shared->found, true);
        failure_shrink(x, row, tape, size);
    }
    exploring.explorer = NULL;
    explorer_free(x);
    row->done = true;
}

static void child(struct campaign *c)
{
    for (;;) {
        unsigned i = atomic_fetch_add(&c->shared->next, 1);
        if (i >= c->row_count) return;
        if (c->first && atomic_load(&c->shared->found)) {
            c->rows[i].done = true;
            continue;
        }
        c->rows[i].started = true;
        do_row(c, &c->rows[i]);
    }
}

/* ---- in the parent ---- */

/* Whatever was begun and is not done died with its process. */
static void blame(struct campaign *c)
{
    for (size_t i = 0; i < c->row_count; i++) {
        struct campaign_row *row = &c->rows[i];
        if (row->done || row->violated) continue;
        row->violated = true;
        row->violation.oracle = ORACLE_OPEN;
        if (row->violation.text[0]) continue; /* it could say so itself */
        snprintf(row->violation.text, sizeof row->violation.text,
                 "the exploring process died without a word");
    }
}

static pid_t start_child(struct campaign *c)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) abort();
    if (pid > 0) return pid;
    expect_death();
    child(c);
    _exit(0);
}

/* Somebody has to do the rows that a dead child has left. */
static pid_t succeed_child(struct campaign *c, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    atomic_store(&c->shared->found, true);
    return atomic_load(&c->shared->next) < c->row_count ? start_child(c) : 0;
}

void campaign_run(struct campaign *c, void (*each)(const struct campaign *c))
{
    c->shared->started = now_seconds();
    atomic_store(&c->shared->next, 0);
    pid_t pids[CAMPAIGN_JOBS_MAX];
    unsigned alive = 0;
    int status;
    for (unsigned j = 0; j < c->jobs && j < CAMPAIGN_JOBS_MAX; j++) {
        pids[j] = start_child(c);
        alive++;
    }
    while (alive > 0) {
        if (each) each(c);
        usleep(LOOK_US);
        for (unsigned j = 0; j < c->jobs; j++)
            if (pids[j] > 0 && waitpid(pids[j], &status, WNOHANG) == pids[j]) {
                pids[j] = succeed_child(c, status);
                alive -= pids[j] == 0;
            }
    }
    blame(c);
    if (each) each(c);
}

int campaign_apart(int (*work)(void *arg), void *arg)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) abort();
    if (pid == 0) {
        int result = work(arg);
        fflush(NULL);
        _exit(result);
    }
    if (waitpid(pid, &status, 0) != pid) abort();
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

double campaign_seconds(const struct campaign *c)
{
    return now_seconds() - c->shared->started;
}
