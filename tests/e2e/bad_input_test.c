/* Clients that lie, vanish, flood and idle: the server answers or closes, goes on for
 * everybody else, and its memory does not follow what was announced. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "fault/rng.h"
#include "tests/e2e/world.h"
#include "tests/support/check.h"

#define GARBAGE_BYTES (100u * 1024 * 1024)
#define CHUNK_BYTES   (256u * 1024)
#define IDLE_CLIENTS  1000

/* Sends the bytes; true when the reply is exactly this error and the connection closes. */
static bool answers_and_closes(struct world *w, const char *bytes, const char *error)
{
    struct resp_client c;
    struct reply r;
    if (!resp_connect(&c, w->server.port)) return false;
    bool ok = resp_send_raw(&c, bytes, strlen(bytes)) && resp_read(&c, &r);
    if (!ok || r.type != '-' || !slice_equal(r.text, slice_text(error))) {
        printf("  %s: %s, wanted -%s\n", bytes, ok ? reply_show(&r) : "no reply", error);
        ok = false;
    }
    ok = ok && resp_drain(&c);
    resp_close(&c);
    return ok;
}

static bool server_goes_on(struct world *w)
{
    return resp_expect(&w->client, '+', "PONG", "PING", NULL);
}

static void broken_framing_gets_the_error_of_redis_and_a_closed_connection(void)
{
    struct world w;
    world_open(&w, "");

    CHECK(answers_and_closes(&w, "*10000000000\r\n",
                             "ERR Protocol error: invalid multibulk length"));
    CHECK(answers_and_closes(&w, "*1\r\n$-5\r\n",
                             "ERR Protocol error: invalid bulk length"));
    CHECK(answers_and_closes(&w, "*1\r\n$536870913\r\n",
                             "ERR Protocol error: invalid bulk length"));
    CHECK(answers_and_closes(&w, "*1\r\n$x\r\n",
                             "ERR Protocol error: invalid bulk length"));
    CHECK(answers_and_closes(&w, "*1\r\n:1\r\n",
                             "ERR Protocol error: expected '$', got ':'"));
    CHECK(answers_and_closes(&w, "GET \"k\r\n",
                             "ERR Protocol error: unbalanced quotes in request"));

    CHECK(server_goes_on(&w));
    world_close(&w);
}

static void announced_lengths_take_no_memory(void)
{
    static const char *const announcements[] = {
        "*1048576\r\n",
        "*2\r\n$3\r\nGET\r\n$536870912\r\nx",
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nfirst bytes",
    };
    struct resp_client clients[60];
    struct world w;
    world_open(&w, "");
    CHECK(server_goes_on(&w));
    long before = server_rss_kib(&w.server);

    for (size_t i = 0; i < 60; i++) {
        const char *bytes = announcements[i % 3];
        REQUIRE(resp_connect(&clients[i], w.server.port));
        CHECK(resp_send_raw(&clients[i], bytes, strlen(bytes)));
    }
    CHECK(server_goes_on(&w));

    long grown = server_rss_kib(&w.server) - before;
    printf("  60 clients announced 20 GiB: %ld KiB more\n", grown);
    CHECK(grown < world_limit_kib(16));
    for (size_t i = 0; i < 60; i++)
        resp_close(&clients[i]);
    world_close(&w);
}

/* One connection's share of garbage: until it is closed on us. Bytes sent. */
static size_t pour(struct world *w, struct rng *rng, size_t most)
{
    static uint8_t chunk[CHUNK_BYTES], heard[CHUNK_BYTES];
    struct resp_client c;
    size_t sent = 0;
    if (!resp_connect(&c, w->server.port)) return most;
    while (sent < most) {
        for (size_t i = 0; i < CHUNK_BYTES; i += 8) {
            uint64_t r = rng_next(rng);
            memcpy(chunk + i, &r, 8);
        }
        ssize_t n = send(c.fd, chunk, CHUNK_BYTES, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            sent += (size_t)n;
        else if (errno != EAGAIN)
            break;
        ssize_t got = recv(c.fd, heard, sizeof heard, n > 0 ? MSG_DONTWAIT : 0);
        if (got == 0 || (got < 0 && errno != EAGAIN)) break;
    }
    resp_close(&c);
    return sent;
}

static void a_hundred_megabytes_of_garbage_do_no_harm(void)
{
    struct world w;
    struct rng rng;
    rng_init(&rng, world_seed("e2e/bad_input"));
    world_open(&w, "");
    CHECK(world_set(&w, "key", "value"));
    long before = server_rss_kib(&w.server);

    size_t sent = 0, connections = 0;
    for (; sent < GARBAGE_BYTES; connections++)
        sent += pour(&w, &rng, GARBAGE_BYTES - sent);

    long grown = server_rss_kib(&w.server) - before;
    printf("  %zu MiB over %zu connections: %ld KiB more\n", sent >> 20, connections,
           grown);
    CHECK(grown < world_limit_kib(32));
    CHECK(world_get_is(&w, "key", "value"));
    world_close(&w);
}

/* A single line that never ends must not be collected for ever. */
static void an_endless_line_is_cut_off(void)
{
    struct world w;
    struct resp_client c;
    struct reply r;
    static char line[128 * 1024];
    memset(line, 'x', sizeof line);
    world_open(&w, "");
    REQUIRE(resp_connect(&c, w.server.port));

    resp_send_raw(&c, line, sizeof line);

    CHECK(resp_read(&c, &r) && r.type == '-');
    CHECK(slice_equal(r.text, slice_text("ERR Protocol error: too big inline request")));
    resp_close(&c);
    CHECK(server_goes_on(&w));
    world_close(&w);
}

static void clients_that_vanish_within_a_command_are_forgotten(void)
{
    static const char command[] = "*3\r\n$3\r\nSET\r\n$8\r\nvanished\r\n$5\r\nvalue\r\n";
    struct world w;
    world_open(&w, "");
    for (int i = 0; i < 300; i++) {
        struct resp_client c;
        REQUIRE(resp_connect(&c, w.server.port));
        /* Every cut within the command; half of them with a reset. */
        resp_send_raw(&c, command, (size_t)i % (sizeof command - 2));
        struct linger reset = {1, 0};
        if (i % 2) setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        resp_close(&c);
    }

    CHECK(server_goes_on(&w));
    CHECK(world_get_is(&w, "vanished", NULL));
    world_close(&w);
}

/* Half of the clients write, so that the replies of the dead ones are in the way too. */
static void clients_that_never_read_do_not_stop_the_others(void)
{
    struct world w;
    struct resp_client deaf;
    world_open(&w, "");
    static char value[100 * 1024 + 1];
    memset(value, 'v', sizeof value - 1);
    CHECK(world_set(&w, "large", value));
    long before = server_rss_kib(&w.server);
    REQUIRE(resp_connect(&deaf, w.server.port));
    slice argv[2] = {slice_text("GET"), slice_text("large")};

    for (int i = 0; i < 2000; i++) {
        resp_queue(&deaf, 2, argv);
        if (i % 100 == 0) CHECK(server_goes_on(&w));
    }
    send(deaf.fd, deaf.out, deaf.out_size, MSG_NOSIGNAL | MSG_DONTWAIT);

    CHECK(server_goes_on(&w));
    CHECK(world_get_is(&w, "large", value));
    long grown = server_rss_kib(&w.server) - before;
    printf("  200 MB of replies that nobody reads: %ld KiB more\n", grown);
    resp_close(&deaf);
    CHECK(server_goes_on(&w));
    world_close(&w);
}

static void a_thousand_idle_clients_cost_little(void)
{
    static struct resp_client clients[IDLE_CLIENTS];
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < IDLE_CLIENTS + 100) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    struct world w;
    world_open(&w, "");
    CHECK(server_goes_on(&w));
    long before = server_rss_kib(&w.server);

    for (int i = 0; i < IDLE_CLIENTS; i++)
        REQUIRE(resp_connect(&clients[i], w.server.port));
    for (int i = 0; i < 100; i++)
        CHECK(server_goes_on(&w));

    for (int i = 0; i < IDLE_CLIENTS; i++)
        REQUIRE(resp_expect(&clients[i], '+', "PONG", "PING", NULL));
    long grown = server_rss_kib(&w.server) - before;
    printf("  %d clients: %ld KiB more\n", IDLE_CLIENTS, grown);
    CHECK(grown < world_limit_kib(48));
    for (int i = 0; i < IDLE_CLIENTS; i++)
        resp_close(&clients[i]);
    CHECK(server_goes_on(&w));
    world_close(&w);
}

CU_TestInfo e2e_bad_input_tests[] = {
    {"broken_framing_gets_the_error_of_redis_and_a_closed_connection",
     broken_framing_gets_the_error_of_redis_and_a_closed_connection},
    {"announced_lengths_take_no_memory", announced_lengths_take_no_memory},
    {"a_hundred_megabytes_of_garbage_do_no_harm",
     a_hundred_megabytes_of_garbage_do_no_harm},
    {"an_endless_line_is_cut_off", an_endless_line_is_cut_off},
    {"clients_that_vanish_within_a_command_are_forgotten",
     clients_that_vanish_within_a_command_are_forgotten},
    {"clients_that_never_read_do_not_stop_the_others",
     clients_that_never_read_do_not_stop_the_others},
    {"a_thousand_idle_clients_cost_little", a_thousand_idle_clients_cost_little},
    CU_TEST_INFO_NULL,
};
