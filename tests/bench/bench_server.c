/* bench_server.c - our server and Redis side by side under redis-benchmark.
 *
 *   bench_server [--requests N] [--repeats N] [--csv FILE] [--least RATIO]
 *
 * Both servers run on the same disk with the same fsync policy (Redis with its AOF). Every
 * cell (policy, pipeline depth, command) is measured on one and at once on the other, in
 * turns that alternate, because on a shared machine only neighbours in time can be
 * compared. Printed are medians, the ratio of requests per second with its range over the
 * repeats (above 1: we are faster), and processor time per request from /proc.
 * With --least, a ratio below it fails (mset excepted: it is printed).
 *
 * The last line: bench-server: N cells, F failed
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/resp_client.h"
#include "tests/support/server_process.h"

#define REPEATS_MAX 99
#define CLIENTS     50
#define VALUE_BYTES 100

struct bench {
    long requests;
    int repeats;
    double least;
    FILE *csv; /* or NULL */
    unsigned cells, failed;
};

struct measure {
    double rps, cpu_us, p99_ms;
};

static const char *const policies[] = {"no", "everysec", "always"};
static const int depths[] = {1, 16};
static const char *const commands[] = {"set", "get", "incr", "mset"};

/* ---- the two servers ---- */

struct pair {
    struct scratch scratch;
    struct server_process ours;
    pid_t redis;
    int redis_port;
};

/* A free port, for Redis, which cannot choose one itself. */
static int free_port(void)
{
    struct resp_client c;
    for (int port = 21000 + (int)(getpid() % 9000); port < 60000; port++) {
        if (!resp_connect(&c, port)) return port;
        resp_close(&c);
    }
    return 0;
}

/* redis-tools carries the server under the name of its checker. */
static bool redis_program(char *path, size_t size)
{
    char output[64];
    snprintf(path, size, "build/redis/redis-server");
    return shell_run(output, sizeof output,
                     "mkdir -p build/redis && for p in redis-server redis-check-rdb; do "
                     "f=$(command -v $p) && cp \"$f\" '%s' && exit 0; done; exit 1",
                     path) == 0;
}

static bool answers(int port)
{
    struct resp_client c;
    if (!resp_connect(&c, port)) return false;
    bool ok = resp_expect(&c, '+', "PONG", "PING", NULL);
    resp_close(&c);
    return ok;
}

static bool redis_start(struct pair *p, const char *policy)
{
    char program[PATH_BYTES], args[3 * PATH_BYTES], dir[2 * PATH_BYTES], output[64];
    if (!redis_program(program, sizeof program)) return false;
    snprintf(dir, sizeof dir, "%s/redis", p->scratch.dir);
    shell_run(output, sizeof output, "mkdir -p '%s'", dir);
    p->redis_port = free_port();
    snprintf(
        args, sizeof args,
        "--port %d --bind 127.0.0.1 --dir %s --save --appendonly yes --appendfsync %s "
        "--auto-aof-rewrite-percentage 0",
        p->redis_port, dir, policy);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    p->redis = process_spawn(program, args, null);
    close(null);
    for (int i = 0; i < 200 && p->redis > 0; i++) {
        if (answers(p->redis_port)) return true;
        nanosleep(&(struct timespec){.tv_nsec = 25000000}, NULL);
    }
    return false;
}

static bool pair_start(struct pair *p, const char *policy)
{
    char flags[64];
    memset(p, 0, sizeof *p);
    snprintf(flags, sizeof flags, "--loglevel warning --appendfsync %s", policy);
    return scratch_new(&p->scratch) && server_start(&p->ours, &p->scratch, flags) &&
           redis_start(p, policy);
}

static void pair_stop(struct pair *p)
{
    server_kill(&p->ours);
    if (p->redis > 0) {
        kill(p->redis, SIGKILL);
        waitpid(p->redis, NULL, 0);
    }
    scratch_remove(&p->scratch);
}

/* ---- one measurement ---- */

/* Processor time of a process so far, in microseconds. */
static double cpu_us(pid_t pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    char *got = fgets(line, sizeof line, f);
    fclose(f);
    char *p = got ? strrchr(line, ')') : NULL; /* the name may hold anything */
    if (!p) return 0;
    unsigned long user = 0, system = 0;
    sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

/* "SET","98765.4","0.310","0.08","0.303","0.47","0.81","1.9": name, requests per second,
 * then milliseconds: average, least, p50, p95, p99, most. */
static bool parse_csv(const char *output, struct measure *m)
{
    const char *line = strstr(output, "\n\"");
    double v[7];
    if (!line) return false;
    const char *name_end = strchr(line + 2, '"');
    if (!name_end) return false;
    if (sscanf(name_end + 1, ",\"%lf\",\"%lf\",\"%lf\",\"%lf\",\"%lf\",\"%lf\",\"%lf\"",
               &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6]) != 7)
        return false;
    m->rps = v[0];
    m->p99_ms = v[5];
    return true;
}

static bool measure(const struct bench *b, int port, pid_t pid, const char *command,
                    int depth, struct measure *out)
{
    char output[4096];
    double before = cpu_us(pid);
    shell_run(output, sizeof output,
              "timeout 300 redis-benchmark -h 127.0.0.1 -p %d -t %s -n %ld -r %ld -d %d "
              "-P %d -c %d --csv 2>/dev/null",
              port, command, b->requests, b->requests, VALUE_BYTES, depth, CLIENTS);
    if (!parse_csv(output, out) || out->rps <= 0) {
        printf("redis-benchmark -t %s -P %d on port %d:\n%s", command, depth, port,
               output);
        return false;
    }
    out->cpu_us = (cpu_us(pid) - before) / (double)b->requests;
    return true;
}

/* ---- a cell: all repeats of one policy, depth and command ---- */

struct cell {
    const char *policy, *command;
    int depth;
    int repeats; /* measured so far */
    struct measure ours[REPEATS_MAX], redis[REPEATS_MAX];
    bool broken;
};

static void cell_repeat(const struct bench *b, const struct pair *p, struct cell *c)
{
    int i = c->repeats;
    bool first = i % 2 == 0; /* who goes first alternates */
    for (int turn = 0; turn < 2 && !c->broken; turn++) {
        bool ours = (turn == 0) == first;
        c->broken = !measure(b, ours ? p->ours.port : p->redis_port,
                             ours ? p->ours.pid : p->redis, c->command, c->depth,
                             ours ? &c->ours[i] : &c->redis[i]);
    }
    if (!c->broken) c->repeats++;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread {
    double least, median, most;
};

static struct spread spread_of(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_value);
    double median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
    return (struct spread){values[0], median, values[n - 1]};
}

static double column(const struct measure *m, int n,
                     double (*field)(const struct measure *))
{
    double values[REPEATS_MAX];
    for (int i = 0; i < n; i++)
        values[i] = field(&m[i]);
    return spread_of(values, n).median;
}
static double field_rps(const struct measure *m)
{
    return m->rps;
}
static double field_cpu(const struct measure *m)
{
    return m->cpu_us;
}
static double field_p99(const struct measure *m)
{
    return m->p99_ms;
}

static void cell_print(struct bench *b, const struct cell *c)
{
    b->cells++;
    if (c->broken || c->repeats == 0) {
        b->failed++;
        printf("%-9s %3d  %-5s failed\n", c->policy, c->depth, c->command);
        return;
    }
    double ratios[REPEATS_MAX];
    for (int i = 0; i < c->repeats; i++)
        ratios[i] = c->ours[i].rps / c->redis[i].rps;
    struct spread ratio = spread_of(ratios, c->repeats);
    double rps = column(c->ours, c->repeats, field_rps);
    double redis_rps = column(c->redis, c->repeats, field_rps);
    double cpu = column(c->ours, c->repeats, field_cpu);
    double redis_cpu = column(c->redis, c->repeats, field_cpu);
    double p99 = column(c->ours, c->repeats, field_p99);
    double redis_p99 = column(c->redis, c->repeats, field_p99);
    bool low = ratio.median < b->least && strcmp(c->command, "mset") != 0;
    if (low) b->failed++;
    printf("%-9s %3d  %-5s %8.0f %8.0f  %5.2f [%.2f..%.2f] %7.2f %6.2f %8.2f %6.2f%s\n",
           c->policy, c->depth, c->command, rps, redis_rps, ratio.median, ratio.least,
           ratio.most, cpu, redis_cpu, p99, redis_p99, low ? "  below the bar" : "");
    if (b->csv)
        fprintf(b->csv, "%s,%d,%s,%.0f,%.0f,%.4f,%.4f,%.4f,%.3f,%.3f,%.3f,%.3f\n",
                c->policy, c->depth, c->command, rps, redis_rps, ratio.median,
                ratio.least, ratio.most, cpu, redis_cpu, p99, redis_p99);
}

static void run_policy(struct bench *b, const char *policy)
{
    enum { DEPTHS = sizeof depths / sizeof *depths };
    enum { COMMANDS = sizeof commands / sizeof *commands };
    static struct cell cells[DEPTHS][COMMANDS];
    struct pair pair;
    memset(cells, 0, sizeof cells);
    if (!pair_start(&pair, policy)) {
        printf("%s: the servers do not start\n", policy);
        b->failed++;
        pair_stop(&pair);
        return;
    }
    for (int repeat = 0; repeat < b->repeats; repeat++)
        for (int d = 0; d < DEPTHS; d++)
            for (int c = 0; c < COMMANDS; c++) {
                cells[d][c].policy = policy;
                cells[d][c].depth = depths[d];
                cells[d][c].command = commands[c];
                cell_repeat(b, &pair, &cells[d][c]);
            }
    for (int d = 0; d < DEPTHS; d++)
        for (int c = 0; c < COMMANDS; c++)
            cell_print(b, &cells[d][c]);
    pair_stop(&pair);
}

static bool parse_arguments(struct bench *b, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--requests") == 0)
            b->requests = strtol(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--repeats") == 0)
            b->repeats = (int)strtol(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--least") == 0)
            b->least = strtod(argv[i + 1], NULL);
        else if (strcmp(argv[i], "--csv") == 0)
            b->csv = fopen(argv[i + 1], "w");
        else
            return false;
    }
    return argc % 2 == 1 && b->requests > 0 && b->repeats > 0 &&
           b->repeats <= REPEATS_MAX;
}

int main(int argc, char **argv)
{
    struct bench b = {.requests = 300000, .repeats = 5};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!parse_arguments(&b, argc, argv)) {
        fprintf(stderr, "usage: bench_server [--requests N] [--repeats N] [--csv FILE] "
                        "[--least RATIO]\n");
        return 1;
    }
    printf("%ld requests, %d clients, %d-byte values, medians of %d\n", b.requests,
           CLIENTS, VALUE_BYTES, b.repeats);
    printf("%-9s %3s  %-5s %8s %8s  %5s %12s %7s %6s %8s %6s\n", "policy", "P", "",
           "ours/s", "redis/s", "ratio", "[range]", "cpu us", "redis", "p99 ms", "redis");
    if (b.csv)
        fputs("policy,depth,command,rps,redis_rps,ratio,ratio_min,ratio_max,cpu_us,"
              "redis_cpu_us,p99_ms,redis_p99_ms\n",
              b.csv);
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
        run_policy(&b, policies[i]);
    if (b.csv) fclose(b.csv);
    printf("bench-server: %u cells, %u failed\n", b.cells, b.failed);
    return b.failed || !b.cells;
}
