#include "tests/support/check.h"
#include "tests/support/testserver.h"

#include <stdio.h>

static bool contains(slice text, const char *part)
{
    return memmem(text.data, text.size, part, strlen(part)) != NULL;
}

static void all_sections_come_without_a_name(void)
{
    static const char *const parts[] = {
        "# Server\r\nredis_version:7.0.15\r\n",
        "\r\n\r\n# Clients\r\nconnected_clients:1\r\n",
        "\r\n\r\n# Memory\r\n",
        "\r\n\r\n# Persistence\r\nloading:0\r\n",
        "\r\n\r\n# Stats\r\n",
        "\r\n\r\n# Keyspace\r\ndb3:keys=1,expires=1,avg_ttl=0\r\n",
        ("\r\n\r\n# Engine\r\nlevel0:files=0,bytes=0,entries=0,bytes_in=0,bytes_out=0,"
         "raw_bytes=0\r\n"),
        "aof_last_write_status:ok\r\n",
        "role:master\r\n",
        "tcp_port:6379\r\n"};
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "SELECT 3", "+OK\r\n");
    testserver_expect(&t, "SET k v EX 100", "+OK\r\n");

    slice info = testserver_talk(&t, t.peer, slice_text("INFO\r\n"));

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!contains(info, parts[i])) printf("  without %s\n", parts[i]);
        CHECK(contains(info, parts[i]));
    }
    testserver_close(&t);
}

static void named_sections_come_alone_and_in_order(void)
{
    struct testserver t;
    testserver_open(&t);

    slice info = testserver_talk(&t, t.peer, slice_text("INFO keyspace MEMORY\r\n"));

    CHECK(!contains(info, "# Server"));
    CHECK(contains(info, "# Memory"));
    CHECK(contains(info, "# Keyspace"));
    testserver_expect(&t, "INFO nonsense", "$0\r\n\r\n");
    testserver_close(&t);
}

static void counters_count_and_can_be_reset(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "SET k v PX 10", "+OK\r\n");
    testserver_expect(&t, "GET k", "$1\r\nv\r\n");
    testserver_expect(&t, "GET nope", "$-1\r\n");
    testserver_wait(&t, 20);

    slice info = testserver_talk(&t, t.peer, slice_text("INFO stats\r\n"));
    CHECK(contains(info, "keyspace_hits:1\r\n"));
    CHECK(contains(info, "keyspace_misses:1\r\n"));
    CHECK(contains(info, "expired_keys:1\r\n"));
    CHECK(contains(info, "total_commands_processed:4\r\n"));
    testserver_expect(&t, "CONFIG RESETSTAT", "+OK\r\n");

    info = testserver_talk(&t, t.peer, slice_text("INFO stats\r\n"));
    CHECK(contains(info, "keyspace_hits:0\r\n"));
    CHECK(contains(info, "expired_keys:0\r\n"));
    CHECK(contains(info, "total_commands_processed:1\r\n"));
    testserver_close(&t);
}

CU_TestInfo server_info_tests[] = {
    {"all_sections_come_without_a_name", all_sections_come_without_a_name},
    {"named_sections_come_alone_and_in_order", named_sections_come_alone_and_in_order},
    {"counters_count_and_can_be_reset", counters_count_and_can_be_reset},
    CU_TEST_INFO_NULL,
};
