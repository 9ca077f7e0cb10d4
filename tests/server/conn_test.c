/* One connection: framing, limits, and what happens at its end. */
#include "tests/support/check.h"
#include "tests/support/testserver.h"

#include <stdio.h>
#include <stdlib.h>

static void a_conversation_in_single_bytes_is_the_same_conversation(void)
{
    static const char bytes[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\nGET k\r\n"
                                "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    struct testserver t;
    testserver_open(&t);
    const struct peer_limits limits = {.recv_max = 1, .send_max = 1};
    peer_limit(t.peer, &limits);

    slice got = testserver_talk(&t, t.peer, slice_text(bytes));

    CHECK_SLICE(got, slice_text("+OK\r\n$5\r\nhello\r\n$5\r\nhello\r\n"));
    testserver_close(&t);
}

static void a_pipeline_is_answered_in_order(void)
{
    struct testserver t;
    struct buf in, want;
    char line[64];
    testserver_open(&t);
    buf_init(&in, mem_libc(), 1 << 20);
    buf_init(&want, mem_libc(), 1 << 20);
    for (int i = 1; i <= 10000; i++) {
        buf_append(&in, "INCR n\r\n", 8);
        buf_append(&want, line, (size_t)snprintf(line, sizeof line, ":%d\r\n", i));
    }

    slice got = testserver_talk(&t, t.peer, slice_of(buf_bytes(&in), buf_size(&in)));

    CHECK(slice_equal(got, slice_of(buf_bytes(&want), buf_size(&want))));
    buf_deinit(&in);
    buf_deinit(&want);
    testserver_close(&t);
}

static void a_value_of_megabytes_arrives_and_leaves_whole(void)
{
    enum { SIZE = 5 << 20 };
    struct testserver t;
    uint8_t *bytes = malloc(SIZE + 100);
    int head = sprintf((char *)bytes, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n", SIZE);
    for (int i = 0; i < SIZE; i++)
        bytes[head + i] = (uint8_t)(i * 31 >> 3);
    memcpy(bytes + head + SIZE, "\r\n", 2);
    testserver_open(&t);

    CHECK_SLICE(testserver_talk(&t, t.peer, slice_of(bytes, (size_t)head + SIZE + 2)),
                slice_text("+OK\r\n"));
    slice got = testserver_talk(&t, t.peer, slice_text("GET k\r\n"));

    REQUIRE_INT(got.size, SIZE + 12);
    CHECK(memcmp(got.data, "$5242880\r\n", 10) == 0);
    CHECK(memcmp(got.data + 10, bytes + head, SIZE) == 0);
    free(bytes);
    testserver_close(&t);
}

static void announced_sizes_take_no_memory(void)
{
    static const char *const announcements[] = {"*1048576\r\n", "*3\r\n$536870912\r\n",
                                                "*1048576\r\n$536870912\r\nabc"};
    struct testserver t;
    testserver_open(&t);
    for (size_t i = 0; i < 3; i++) {
        struct peer *peer = testserver_connect(&t);
        long calls = t.mem.calls;
        testserver_talk(&t, peer, slice_text(announcements[i]));
        /* The rest of the command, a connection's buffer, and nothing like a gigabyte. */
        CHECK(t.mem.calls - calls <= 3);
        testserver_expect(&t, "PING", "+PONG\r\n");
        peer_close(peer);
        testserver_run(&t, t.peer);
        peer_free(peer);
    }
    testserver_close(&t);
}

static void a_protocol_error_is_answered_after_what_came_before_it(void)
{
    struct testserver t;
    testserver_open(&t);

    slice got = testserver_talk(&t, t.peer, slice_text("PING\r\n*x\r\nPING\r\n"));

    CHECK_SLICE(got,
                slice_text("+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n"));
    CHECK_INT(peer_state(t.peer), PEER_EOF);
    testserver_close(&t);
}

static void quit_is_answered_and_what_follows_is_not_run(void)
{
    struct testserver t;
    testserver_open(&t);
    struct peer *other = testserver_connect(&t);

    CHECK_SLICE(testserver_talk(&t, t.peer, slice_text("QUIT\r\nSET k v\r\n")),
                slice_text("+OK\r\n"));

    CHECK_INT(peer_state(t.peer), PEER_EOF);
    testserver_expect_peer(&t, other, "GET k", "$-1\r\n");
    peer_free(other);
    testserver_close(&t);
}

/* Any page in a browser can send one to a server on loopback. */
static void an_http_request_is_closed_before_its_body_runs(void)
{
    struct testserver t;
    testserver_open(&t);
    struct peer *other = testserver_connect(&t);

    CHECK_SLICE(
        testserver_talk(&t, t.peer,
                        slice_text("POST / HTTP/1.1\r\nHost: h\r\n\r\nSET k v\r\n")),
        slice_text(""));

    CHECK_INT(peer_state(t.peer), PEER_EOF);
    testserver_expect_peer(&t, other, "GET k", "$-1\r\n");
    peer_free(other);
    testserver_close(&t);
}

static void a_client_that_vanishes_in_mid_command_leaves_nothing(void)
{
    struct testserver t;
    testserver_open(&t);
    struct peer *other = testserver_connect(&t);
    long blocks = t.mem.blocks;
    struct peer *lost = testserver_connect(&t);
    testserver_talk(&t, lost, slice_text("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nabc"));

    peer_reset(lost, true);
    testserver_run(&t, other);

    CHECK_INT(t.mem.blocks, blocks);
    testserver_expect_peer(&t, other, "EXISTS k", ":0\r\n");
    peer_free(lost);
    peer_free(other);
    testserver_close(&t);
}

static void a_client_that_has_stopped_sending_still_gets_its_replies(void)
{
    struct testserver t;
    testserver_open(&t);
    peer_write(t.peer, "SET k v\r\nGET k\r\n", 16);
    peer_shutdown(t.peer);

    CHECK_SLICE(testserver_talk(&t, t.peer, slice_text("")),
                slice_text("+OK\r\n$1\r\nv\r\n"));

    CHECK_INT(peer_state(t.peer), PEER_EOF);
    testserver_close(&t);
}

/* Ten thousand replies of 10 KB for a client that reads nothing: commands stop running
 * long before all of them are in memory, others are served, and nothing is lost. */
static void a_client_that_does_not_read_is_held_and_loses_nothing(void)
{
    struct testserver t;
    char value[10000], line[10100];
    memset(value, 'v', sizeof value);
    testserver_open(&t);
    struct peer *slow = testserver_connect(&t);
    int n = snprintf(line, sizeof line, "SET k %.*s\r\n", (int)sizeof value, value);
    testserver_talk(&t, t.peer, slice_of(line, (size_t)n));
    for (int i = 0; i < 10000; i++)
        peer_write(slow, "GET k\r\n", 7);

    for (int i = 0; i < 100; i++)
        server_turn(t.server, 0);

    CHECK(peer_received(slow) <= NET_SIM_WINDOW_BYTES + 1);
    CHECK(peer_unsent(slow) > 0);
    testserver_expect(&t, "PING", "+PONG\r\n");
    slice got = testserver_talk(&t, slow, slice_text(""));
    CHECK_INT(got.size, 10000 * (8 + 10000 + 2));
    peer_free(slow);
    testserver_close(&t);
}

static void replies_can_be_switched_off_and_skipped(void)
{
    struct testserver t;
    testserver_open(&t);

    slice got = testserver_talk(
        &t, t.peer,
        slice_text(
            "CLIENT REPLY SKIP\r\nSET a 1\r\nGET a\r\nCLIENT REPLY OFF\r\nSET b 2\r\n"
            "CLIENT REPLY SKIP\r\nFOO\r\nCLIENT REPLY ON\r\nGET b\r\n"));

    CHECK_SLICE(got, slice_text("$1\r\n1\r\n+OK\r\n$1\r\n2\r\n"));
    testserver_close(&t);
}

static void a_key_that_is_too_long_is_refused_by_every_command(void)
{
    struct testserver t;
    static char key[64 * 1024 + 2];
    memset(key, 'k', sizeof key - 1);
    static const char *const forms[] = {"*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n",
                                        "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$1\r\nv\r\n"};
    char *command = malloc(2 * sizeof key);
    testserver_open(&t);
    for (size_t i = 0; i < 2; i++) {
        key[64 * 1024 + 1] = '\0';
        int n = snprintf(command, 2 * sizeof key, forms[i], strlen(key), key);
        CHECK_SLICE(testserver_talk(&t, t.peer, slice_of(command, (size_t)n)),
                    slice_text("-ERR key is longer than 65536 bytes\r\n"));
    }
    key[64 * 1024] = '\0';
    int n = snprintf(command, 2 * sizeof key, forms[1], strlen(key), key);
    CHECK_SLICE(testserver_talk(&t, t.peer, slice_of(command, (size_t)n)),
                slice_text("+OK\r\n"));
    free(command);
    testserver_close(&t);
}

CU_TestInfo server_conn_tests[] = {
    {"a_conversation_in_single_bytes_is_the_same_conversation",
     a_conversation_in_single_bytes_is_the_same_conversation},
    {"a_pipeline_is_answered_in_order", a_pipeline_is_answered_in_order},
    {"a_value_of_megabytes_arrives_and_leaves_whole",
     a_value_of_megabytes_arrives_and_leaves_whole},
    {"announced_sizes_take_no_memory", announced_sizes_take_no_memory},
    {"a_protocol_error_is_answered_after_what_came_before_it",
     a_protocol_error_is_answered_after_what_came_before_it},
    {"an_http_request_is_closed_before_its_body_runs",
     an_http_request_is_closed_before_its_body_runs},
    {"quit_is_answered_and_what_follows_is_not_run",
     quit_is_answered_and_what_follows_is_not_run},
    {"a_client_that_vanishes_in_mid_command_leaves_nothing",
     a_client_that_vanishes_in_mid_command_leaves_nothing},
    {"a_client_that_has_stopped_sending_still_gets_its_replies",
     a_client_that_has_stopped_sending_still_gets_its_replies},
    {"a_client_that_does_not_read_is_held_and_loses_nothing",
     a_client_that_does_not_read_is_held_and_loses_nothing},
    {"replies_can_be_switched_off_and_skipped", replies_can_be_switched_off_and_skipped},
    {"a_key_that_is_too_long_is_refused_by_every_command",
     a_key_that_is_too_long_is_refused_by_every_command},
    CU_TEST_INFO_NULL,
};
