/* bench_engine.c - the workloads of LevelDB's db_bench over one backend.
 *
 *   bench_engine BACKEND DIR N WORKLOAD...
 *
 * Prints one line per workload: name, operations, seconds, CPU seconds of the process with
 * its background work, bytes given to write(), p50, p99, p99.9 and longest operation in us,
 * bytes on disk without logs, resident memory at its end, anonymous and file-backed. bench_engine.py runs
 * backends in turn and compares. A group of workloads that needs a fresh store begins with
 * `fresh`. kill-fill and kill-check are for the proof that a put which has returned survives
 * kill -9. `recover-fill` writes a log and dies without closing; in another process
 * `recover` opens what it left. BENCH_PROGRESS=1 tells on stderr where it stands.
 */
#include "tests/bench/bench_store.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fault/rng.h"

#define KEY_BYTES   16
#define VALUE_BYTES 100
#define BATCH       100

struct bench {
    const struct bench_store *api;
    struct bench_config config;
    void *store;
    uint32_t n;
    uint32_t *order; /* a permutation of 0..n-1 */
    struct rng rng;
    uint64_t sum; /* of what was read: nothing is optimised away */
    uint64_t calls;
    double last_seconds; /* of the newest sample, which has a limit in nanoseconds */
    uint32_t *samples;   /* nanoseconds of each operation, capped */
    size_t sample_count;
    uint8_t pool[1 << 20]; /* half compressible bytes for values */
};

void bench_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

/* ---- measuring ---- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static uint64_t io_field(const char *name)
{
    FILE *f = fopen("/proc/self/io", "r");
    char line[128];
    unsigned long long value = 0;
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name)))
            sscanf(line + strlen(name), "%llu", &value);
    if (f) fclose(f);
    return value;
}

/* Bytes that the workload is charged with: zeros of new logs are not. */
static uint64_t bytes_written(const struct bench *b)
{
    uint64_t filled = b->store && b->api->filled ? b->api->filled(b->store) : 0;
    return io_field("wchar:") - filled;
}

/* A line of /proc/self/status, in bytes. */
static uint64_t status_bytes(const char *name)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[128];
    unsigned long long value = 0;
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name)))
            sscanf(line + strlen(name), "%llu", &value);
    if (f) fclose(f);
    return value * 1024;
}

/* Some stores fill their logs ahead, others let them grow: they are left out. */
static bool is_log(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (!strcmp(dot, ".log") || !strcmp(dot, ".reserve"));
}

static uint64_t disk_bytes(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    struct stat st;
    char name[4400];
    uint64_t sum = 0;
    while (dir && (entry = readdir(dir))) {
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (!stat(name, &st) && S_ISREG(st.st_mode) && !is_log(entry->d_name))
            sum += (uint64_t)st.st_blocks * 512;
    }
    if (dir) closedir(dir);
    return sum;
}

/* Until the process neither computes nor writes for a while. */
static void wait_idle(struct bench *b)
{
    b->api->settle(b->store);
    for (int quiet = 0; quiet < 3;) {
        double cpu = cpu_seconds();
        uint64_t io = io_field("wchar:");
        usleep(50000);
        bool idle = cpu_seconds() - cpu < 0.005 && io_field("wchar:") - io < 4096;
        quiet = idle ? quiet + 1 : 0;
    }
}

static void progress(const char *what)
{
    if (getenv("BENCH_PROGRESS")) fprintf(stderr, "  %s\n", what);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile_us(struct bench *b, double p)
{
    if (b->sample_count == 0) return 0;
    return b->samples[(size_t)((double)(b->sample_count - 1) * p)] / 1e3;
}

/* ---- data ---- */

static struct bench_span key_of(char buf[KEY_BYTES + 1], uint32_t i)
{
    snprintf(buf, KEY_BYTES + 1, "%016u", i);
    return (struct bench_span){buf, KEY_BYTES};
}

static void fast_key(char buf[KEY_BYTES + 1], uint32_t i)
{
    for (int at = KEY_BYTES - 1; at >= 0; at--, i /= 10)
        buf[at] = (char)('0' + i % 10);
}

static struct bench_span value_of(struct bench *b, uint32_t i)
{
    return (struct bench_span){
        b->pool + (i * 2654435761u) % (sizeof b->pool - VALUE_BYTES), VALUE_BYTES};
}

static void shuffle(struct bench *b)
{
    for (uint32_t i = 0; i < b->n; i++)
        b->order[i] = i;
    for (uint32_t i = b->n; i > 1; i--) {
        uint32_t j = (uint32_t)rng_below(&b->rng, i), t = b->order[i - 1];
        b->order[i - 1] = b->order[j];
        b->order[j] = t;
    }
}

/* ---- workloads: run ops operations from the i-th on ---- */

/* What callgrind counts between (bench_instructions.sh): one call of a store. */
__attribute__((noinline)) static void measure_put(struct bench *b, struct bench_span key,
                                                  struct bench_span value)
{
    b->api->put(b->store, key, value);
    b->calls++; /* a tail call would leave the function before its work is done */
}
__attribute__((noinline)) static bool measure_get(struct bench *b, struct bench_span key)
{
    bool found = b->api->get(b->store, key, &b->sum);
    b->calls++;
    return found;
}

typedef uint64_t workload_fn(struct bench *b); /* returns operations done */

static void sample(struct bench *b, double begin)
{
    b->last_seconds = now() - begin;
    double ns = b->last_seconds * 1e9;
    if (b->sample_count < 2 * (size_t)b->n)
        b->samples[b->sample_count++] = ns > 4e9 ? 4000000000u : (uint32_t)ns;
}

static uint64_t put_all(struct bench *b, bool random, uint32_t ops)
{
    char key[KEY_BYTES + 1];
    for (uint32_t i = 0; i < ops; i++) {
        uint32_t k = random ? b->order[i] : i;
        fast_key(key, k);
        double begin = now();
        measure_put(b, (struct bench_span){key, KEY_BYTES}, value_of(b, i));
        sample(b, begin);
    }
    return ops;
}

static uint64_t fillseq(struct bench *b)
{
    return put_all(b, false, b->n);
}
static uint64_t fillrandom(struct bench *b)
{
    shuffle(b);
    return put_all(b, true, b->n);
}
static uint64_t fillsync(struct bench *b)
{
    shuffle(b);
    return put_all(b, true, b->n / 200 ? b->n / 200 : 1);
}
static uint64_t fillbatch(struct bench *b)
{
    static char keys[BATCH][KEY_BYTES + 1];
    struct bench_span k[BATCH], v[BATCH];
    shuffle(b);
    for (uint32_t i = 0; i + BATCH <= b->n; i += BATCH) {
        for (uint32_t j = 0; j < BATCH; j++) {
            fast_key(keys[j], b->order[i + j]);
            k[j] = (struct bench_span){keys[j], KEY_BYTES};
            v[j] = value_of(b, i + j);
        }
        double begin = now();
        b->api->put_batch(b->store, k, v, BATCH);
        sample(b, begin);
    }
    return b->n / BATCH * BATCH;
}
static uint64_t deleterandom(struct bench *b)
{
    char key[KEY_BYTES + 1];
    shuffle(b);
    for (uint32_t i = 0; i < b->n; i++) {
        fast_key(key, b->order[i]);
        double begin = now();
        b->api->remove(b->store, (struct bench_span){key, KEY_BYTES});
        sample(b, begin);
    }
    return b->n;
}

static uint64_t get_some(struct bench *b, uint32_t range, bool missing)
{
    char key[KEY_BYTES + 2];
    uint64_t found = 0, ops = b->n;
    for (uint64_t i = 0; i < ops; i++) {
        fast_key(key, (uint32_t)rng_below(&b->rng, range));
        key[KEY_BYTES] = '.';
        double begin = now();
        found +=
            measure_get(b, (struct bench_span){key, KEY_BYTES + (missing ? 1u : 0u)});
        sample(b, begin);
    }
    if (found != (missing ? 0 : ops))
        bench_die("%s: found %llu of %llu", b->api->name, (unsigned long long)found,
                  (unsigned long long)ops);
    return ops;
}
static uint64_t readrandom(struct bench *b)
{
    return get_some(b, b->n, false);
}
static uint64_t readmissing(struct bench *b)
{
    return get_some(b, b->n, true);
}
static uint64_t readhot(struct bench *b)
{
    return get_some(b, b->n / 100 ? b->n / 100 : 1, false);
}
static uint64_t seekrandom(struct bench *b)
{
    char key[KEY_BYTES + 1];
    uint64_t ops = b->n / 4;
    for (uint64_t i = 0; i < ops; i++) {
        fast_key(key, (uint32_t)rng_below(&b->rng, b->n));
        double begin = now();
        b->api->scan(b->store, (struct bench_span){key, KEY_BYTES}, 10, &b->sum);
        sample(b, begin);
    }
    return ops;
}
static uint64_t readseq(struct bench *b)
{
    char key[KEY_BYTES + 1];
    return b->api->scan(b->store, key_of(key, 0), SIZE_MAX, &b->sum);
}
static uint64_t readreverse(struct bench *b)
{
    return b->api->scan_back ? b->api->scan_back(b->store, SIZE_MAX, &b->sum) : 0;
}
static uint64_t mixed(struct bench *b)
{
    char key[KEY_BYTES + 1];
    for (uint32_t i = 0; i < b->n; i++) {
        fast_key(key, (uint32_t)rng_below(&b->rng, b->n));
        struct bench_span k = {key, KEY_BYTES};
        double begin = now();
        if (i % 2)
            b->api->put(b->store, k, value_of(b, i));
        else
            b->api->get(b->store, k, &b->sum);
        sample(b, begin);
    }
    return b->n;
}
static uint64_t compact(struct bench *b)
{
    if (b->api->compact) b->api->compact(b->store);
    return 1;
}
static uint64_t reopen(struct bench *b)
{
    b->api->close(b->store);
    double begin = now();
    b->store = b->api->open(&b->config);
    sample(b, begin);
    return 1;
}

/* The store that another process left without closing it. */
static uint64_t recover(struct bench *b)
{
    double begin = now();
    b->store = b->api->open(&b->config);
    sample(b, begin);
    return 1;
}

static const struct {
    const char *name;
    workload_fn *run;
    bool timed_inside; /* the sample is the time */
} workloads[] = {
    {"fillseq", fillseq, false},
    {"fillbatch", fillbatch, false},
    {"fillsync", fillsync, false},
    {"fillrandom", fillrandom, false},
    {"overwrite", fillrandom, false},
    {"readrandom", readrandom, false},
    {"readrandom.c", readrandom, false},
    {"readmissing", readmissing, false},
    {"readhot", readhot, false},
    {"seekrandom", seekrandom, false},
    {"readseq", readseq, false},
    {"readreverse", readreverse, false},
    {"mixed", mixed, false},
    {"deleterandom", deleterandom, false},
    {"compact", compact, false},
    {"reopen", reopen, true},
    {"recover", recover, true},
};

static void run(struct bench *b, const char *name)
{
    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++) {
        if (strcmp(workloads[i].name, name) != 0) continue;
        progress(name);
        b->sample_count = 0;
        uint64_t io = bytes_written(b);
        double cpu = cpu_seconds(), begin = now();
        uint64_t ops = workloads[i].run(b);
        double seconds = now() - begin;
        wait_idle(b);
        cpu = cpu_seconds() - cpu;
        uint64_t end = bytes_written(b);
        io = end > io ? end - io : 0; /* a store that was opened anew counts from 0 */
        if (b->sample_count > 0)
            qsort(b->samples, b->sample_count, sizeof *b->samples, by_value);
        double longest = percentile_us(b, 1.0);
        if (workloads[i].timed_inside) seconds = b->last_seconds;
        printf("%s %llu %.6f %.6f %llu %.1f %.1f %.1f %.1f %llu %llu %llu\n", name,
               (unsigned long long)ops, seconds, cpu, (unsigned long long)io,
               percentile_us(b, 0.5), percentile_us(b, 0.99), percentile_us(b, 0.999),
               longest, (unsigned long long)disk_bytes(b->config.dir),
               (unsigned long long)status_bytes("RssAnon:"),
               (unsigned long long)status_bytes("RssFile:"));
        fflush(stdout);
        return;
    }
    bench_die("unknown workload %s", name);
}

/* Fills a log with n puts and dies. The write buffer must be larger than that. */
static void recover_fill(struct bench *b)
{
    shuffle(b);
    b->store = b->api->open(&b->config);
    put_all(b, true, b->n);
    _exit(0);
}

/* Puts in order and says every thousand how many have returned: somebody kills it. */
static void kill_fill(struct bench *b)
{
    char key[KEY_BYTES + 1];
    b->store = b->api->open(&b->config);
    for (uint32_t i = 0; i < b->n; i++) {
        fast_key(key, i);
        b->api->put(b->store, (struct bench_span){key, KEY_BYTES}, value_of(b, i));
        if ((i + 1) % 1000 == 0) {
            printf("%u\n", i + 1);
            fflush(stdout);
        }
    }
    for (;;)
        pause();
}

static void kill_check(struct bench *b)
{
    char key[KEY_BYTES + 1];
    b->store = b->api->open(&b->config);
    for (uint32_t i = 0; i < b->n; i++) {
        fast_key(key, i);
        if (!b->api->get(b->store, (struct bench_span){key, KEY_BYTES}, &b->sum))
            bench_die("%s: put %u had returned and is lost", b->api->name, i);
    }
}

static void fresh(struct bench *b, bool sync)
{
    char command[4200];
    if (b->store) b->api->close(b->store);
    snprintf(command, sizeof command, "rm -rf '%s'", b->config.dir);
    if (system(command)) bench_die("cannot empty %s", b->config.dir);
    b->config.sync = sync;
    b->store = b->api->open(&b->config);
}

static size_t env_size(const char *name, size_t otherwise)
{
    const char *text = getenv(name);
    return text ? (size_t)atol(text) : otherwise;
}

int main(int argc, char **argv)
{
    const struct bench_store *all[] = {&bench_riptide, &bench_leveldb, &bench_rocksdb,
                                       &bench_lmdb};
    static struct bench b;
    if (argc < 5) bench_die("usage: bench_engine BACKEND DIR N WORKLOAD...");
    for (size_t i = 0; i < 4; i++)
        if (!strcmp(argv[1], all[i]->name)) b.api = all[i];
    if (!b.api) bench_die("unknown backend %s", argv[1]);
    b.config = (struct bench_config){
        argv[2], env_size("WRITE_BUFFER", 4 << 20), env_size("CACHE", 8 << 20), 4096,
        false,   env_size("COMPRESSION", 0) != 0};
    b.n = (uint32_t)atol(argv[3]);
    b.order = malloc(b.n * sizeof *b.order);
    b.samples = malloc(2 * (size_t)b.n * sizeof *b.samples);
    rng_init(&b.rng, 301);
    for (size_t i = 0; i < sizeof b.pool; i++)
        b.pool[i] = i % 100 < 50 ? (uint8_t)rng_next(&b.rng) : (uint8_t)'x';
    for (int i = 4; i < argc; i++) {
        if (!strcmp(argv[i], "fresh"))
            fresh(&b, false);
        else if (!strcmp(argv[i], "fresh-sync"))
            fresh(&b, true);
        else if (!strcmp(argv[i], "kill-fill"))
            kill_fill(&b);
        else if (!strcmp(argv[i], "recover-fill"))
            recover_fill(&b);
        else if (!strcmp(argv[i], "kill-check"))
            kill_check(&b);
        else if (b.store || !strcmp(argv[i], "recover"))
            run(&b, argv[i]);
        else
            bench_die("%s needs a store: let `fresh` or `fresh-sync` go before it",
                      argv[i]);
    }
    b.api->close(b.store);
    fprintf(stderr, "%s: checksum of what was read %llu\n", b.api->name,
            (unsigned long long)b.sum);
    return 0;
}
