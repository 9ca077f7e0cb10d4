#include "tests/support/testserver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"

#define TURNS_MAX 10000

/* ---- life ---- */

static void collect_log(void *arg, enum log_level level, const char *line)
{
    struct testserver *t = arg;
    (void)level;
    size_t used = strlen(t->log);
    snprintf(t->log + used, sizeof t->log - used, "%s\n", line);
}

/* Barriers out of order are a failure of whatever test sees them. */
static void on_disorder(void *arg, enum order_rule rule, const char *line)
{
    (void)arg;
    printf("  ordering assert: %s: %s\n", order_rule_text(rule), line);
    CU_FAIL("a barrier is missing or out of order");
}

/* Under `always` whatever a reply tells of is safe before it leaves. */
static void on_sent(void *arg, struct peer *peer, const void *bytes, size_t n,
                    uint64_t total)
{
    struct testserver *t = arg;
    (void)peer, (void)total;
    if (memmem(bytes, n, "-MISCONF", 8)) t->refused = true;
    if (t->config.appendfsync != SYNC_ALWAYS || t->refused) return;
    /* A group that was submitted in this turn is not what replies of this turn speak of. */
    if (t->server && db_group_settling(server_db(t->server)))
        disk_order_acknowledge(t->watch.order, t->moment);
    else
        order_watch_acknowledge(&t->watch);
}

void testserver_init(struct testserver *t)
{
    memset(t, 0, sizeof *t);
    mem_counting_init(&t->mem, mem_libc());
    clock_manual_init(&t->clock, 1700000000000);
    struct disk_sim_config config;
    disk_sim_config_init(&config);
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &t->disk), 0);
    t->sched = sched_inline_new(mem_libc());
    t->net = net_sim_new(mem_libc(), &t->clock);
    REQUIRE(t->sched && t->net);
    net_sim_on_sent(t->net, on_sent, t);
    options_init(&t->geometry);
    t->geometry.memtable_bytes = 64 * 1024;
    t->geometry.log_bytes = 64 * 1024;
    t->geometry.spare_logs = 1;
    t->geometry.cache_bytes = 64 * 1024;
    config_init(&t->config);
    t->config.appendfsync = SYNC_ALWAYS;
    t->config.port = 6379;
    buf_init(&t->replies, mem_libc(), (size_t)1 << 30);
    t->env =
        (struct server_env){.disk = order_watch_init(&t->watch, t->disk, on_disorder, t),
                            .clock = &t->clock.clock,
                            .mem = &t->mem.mem,
                            .sched = t->sched,
                            .net = net_sim_net(t->net),
                            .log = collect_log,
                            .log_arg = t,
                            .store = "db",
                            .seed = 1,
                            .geometry = &t->geometry};
}

void testserver_deinit(struct testserver *t)
{
    buf_deinit(&t->replies);
    order_watch_deinit(&t->watch);
    net_sim_free(t->net);
    sched_free(t->sched);
    disk_sim_free(t->disk);
}

void testserver_start(struct testserver *t)
{
    REQUIRE(t->server == NULL);
    t->env.seed++;
    t->refused = false;
    enum err e = server_new(&t->env, &t->config, &t->server, &t->why);
    if (e) printf("  %s\n", t->why.text);
    REQUIRE_INT(e, ERR_OK);
    t->peer = testserver_connect(t);
}

enum err testserver_stop(struct testserver *t)
{
    REQUIRE(t->server != NULL);
    enum err e = server_free(t->server);
    t->server = NULL;
    if (t->peer) peer_free(t->peer);
    t->peer = NULL;
    CHECK_INT(t->mem.blocks, 0);
    CHECK_INT(net_sim_open_handles(t->net), 0);
    return e;
}

void testserver_restart(struct testserver *t)
{
    CHECK_INT(testserver_stop(t), ERR_OK);
    testserver_start(t);
}

void testserver_kill(struct testserver *t)
{
    disk_sim_process_crash(t->disk);
    testserver_stop(t);
    order_watch_restart(&t->watch);
    testserver_start(t);
}

void testserver_open(struct testserver *t)
{
    testserver_init(t);
    testserver_start(t);
}

void testserver_close(struct testserver *t)
{
    CHECK_INT(testserver_stop(t), ERR_OK);
    testserver_deinit(t);
}

/* ---- talking ---- */

struct peer *testserver_connect(struct testserver *t)
{
    struct peer *peer;
    REQUIRE_INT(peer_connect(t->net, server_port(t->server), &peer), 0);
    server_turn(t->server, 0);
    return peer;
}

bool testserver_turn(struct testserver *t)
{
    t->moment = disk_order_now(t->watch.order);
    return server_turn(t->server, 0);
}

void testserver_run(struct testserver *t, struct peer *peer)
{
    /* A turn may do nothing but accept. */
    for (int i = 0, idle = 0; i < TURNS_MAX && idle < 2; i++) {
        uint64_t before = peer_received(peer);
        size_t unsent = peer_unsent(peer);
        if (!testserver_turn(t)) return;
        bool same = peer_unsent(peer) == unsent && peer_received(peer) == before;
        idle = same ? idle + 1 : 0;
    }
}

slice testserver_talk(struct testserver *t, struct peer *peer, slice bytes)
{
    buf_release(&t->replies);
    if (bytes.size) REQUIRE_INT(peer_write(peer, bytes.data, bytes.size), 0);
    for (;;) {
        testserver_run(t, peer);
        size_t n;
        const uint8_t *got = peer_peek(peer, &n);
        if (n == 0) break;
        buf_append(&t->replies, got, n);
        uint8_t sink[4096];
        while (peer_read(peer, sink, sizeof sink) > 0) {
        }
    }
    return slice_of(buf_bytes(&t->replies), buf_size(&t->replies));
}

void testserver_expect_peer(struct testserver *t, struct peer *peer, const char *command,
                            const char *reply)
{
    char line[4096];
    int n = snprintf(line, sizeof line, "%s\r\n", command);
    slice got = testserver_talk(t, peer, slice_of(line, (size_t)n));
    if (!slice_equal(got, slice_text(reply))) printf("  > %s\n", command);
    CHECK_SLICE(got, slice_text(reply));
}

void testserver_expect(struct testserver *t, const char *command, const char *reply)
{
    testserver_expect_peer(t, t->peer, command, reply);
}

void testserver_wait(struct testserver *t, int64_t ms)
{
    clock_manual_advance(&t->clock, ms);
    server_turn(t->server, 0);
}

/* ---- golden conversations ---- */

/* Appends reply bytes as script lines: "< " text, line ends and odd bytes escaped. */
static void append_escaped(struct buf *b, slice reply)
{
    for (size_t i = 0; i < reply.size;) {
        buf_append(b, "< ", 2);
        for (; i < reply.size; i++) {
            uint8_t c = reply.data[i];
            char text[8];
            if (c == '\r' && i + 1 < reply.size && reply.data[i + 1] == '\n') {
                i += 2;
                break;
            }
            int n = c >= ' ' && c <= '~' && c != '\\'
                        ? snprintf(text, sizeof text, "%c", c)
                        : snprintf(text, sizeof text, "\\x%02x", c);
            buf_append(b, text, (size_t)n);
        }
        buf_append(b, "\n", 1);
    }
}

struct script {
    const char *path;
    FILE *file;
    char line[65536]; /* the next line, or empty at the end */
    int number;
};

static void next_line(struct script *s)
{
    s->number++;
    if (!fgets(s->line, sizeof s->line, s->file)) s->line[0] = '\0';
}

/* Takes the lines that say what the reply should be. */
static void take_expected(struct script *s, struct buf *want)
{
    for (; s->line[0] == '<'; next_line(s))
        buf_append(want, s->line, strlen(s->line));
}

static void run_command_line(struct testserver *t, struct script *s)
{
    char command[65536];
    int number = s->number;
    size_t n = strcspn(s->line + 2, "\n");
    snprintf(command, sizeof command, "%.*s\r\n", (int)n, s->line + 2);
    next_line(s);

    struct buf want, got;
    buf_init(&want, mem_libc(), (size_t)1 << 24);
    buf_init(&got, mem_libc(), (size_t)1 << 24);
    take_expected(s, &want);
    append_escaped(&got, testserver_talk(t, t->peer, slice_text(command)));
    slice a = slice_of(buf_bytes(&got), buf_size(&got));
    slice b = slice_of(buf_bytes(&want), buf_size(&want));
    if (!slice_equal(a, b))
        printf("  %s:%d: > %s%.*s  wanted:\n%.*s", s->path, number, command, (int)a.size,
               (const char *)a.data, (int)b.size, (const char *)b.data);
    CHECK(slice_equal(a, b));
    buf_deinit(&want);
    buf_deinit(&got);
}

void testserver_script(const char *path)
{
    struct testserver t;
    struct script *s = calloc(1, sizeof *s);
    REQUIRE(s != NULL);
    s->path = path;
    s->file = fopen(path, "r");
    REQUIRE(s->file != NULL);
    testserver_open(&t);
    next_line(s);
    while (s->line[0]) {
        if (s->line[0] == '>') {
            run_command_line(&t, s);
            continue;
        }
        if (s->line[0] == '@') testserver_wait(&t, strtol(s->line + 1, NULL, 10));
        next_line(s);
    }
    CHECK(s->number > 1);
    fclose(s->file);
    free(s);
    testserver_close(&t);
}
