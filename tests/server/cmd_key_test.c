/* What Redis 7.0 answers is in tests/scripts/key.resp; here is what depends on our own
 * cursors, and on sizes. */
#include "tests/support/check.h"
#include "tests/support/testserver.h"

#include <stdio.h>
#include <stdlib.h>

static void key_commands_answer_as_redis_does(void)
{
    testserver_script("tests/scripts/key.resp");
}

/* ---- SCAN ---- */

static void fill(struct testserver *t, const char *prefix, int n)
{
    for (int i = 0; i < n; i++) {
        char command[64];
        snprintf(command, sizeof command, "SET %s%04d v", prefix, i);
        testserver_expect(t, command, "+OK\r\n");
    }
}

/* Sends one SCAN and marks the keys "k0000".. that it returned. Returns the next cursor. */
static unsigned long long scan_once(struct testserver *t, unsigned long long cursor,
                                    const char *options, int *seen)
{
    char command[128];
    int n = snprintf(command, sizeof command, "SCAN %llu %s\r\n", cursor, options);
    slice got = testserver_talk(t, t->peer, slice_of(command, (size_t)n));
    char *text = calloc(1, got.size + 1);
    memcpy(text, got.data, got.size);
    unsigned long long next = 0;
    REQUIRE(sscanf(text, "*2\r\n$%*d\r\n%llu", &next) == 1);
    for (char *at = strstr(text, "\r\nk"); at; at = strstr(at + 1, "\r\nk"))
        seen[strtol(at + 3, NULL, 10)]++;
    free(text);
    return next;
}

static void a_scan_returns_every_key_once(void)
{
    struct testserver t;
    int seen[500] = {0}, calls = 0;
    testserver_open(&t);
    fill(&t, "k", 500);
    fill(&t, "other", 50);

    unsigned long long cursor = 0;
    do
        cursor = scan_once(&t, cursor, "COUNT 7", seen);
    while (++calls < 1000 && cursor != 0);

    CHECK_INT(calls, (550 + 6) / 7);
    for (int i = 0; i < 500; i++)
        CHECK_INT(seen[i], 1);
    testserver_close(&t);
}

static void a_scan_with_a_prefix_looks_at_nothing_else(void)
{
    struct testserver t;
    int seen[100] = {0};
    testserver_open(&t);
    fill(&t, "a", 300);
    fill(&t, "k", 20);
    fill(&t, "z", 300);

    CHECK_INT(scan_once(&t, 0, "MATCH k* COUNT 20", seen), 0);

    for (int i = 0; i < 20; i++)
        CHECK_INT(seen[i], 1);
    testserver_close(&t);
}

static void keys_that_stay_are_not_missed_when_others_come_and_go(void)
{
    struct testserver t;
    int seen[400] = {0};
    testserver_open(&t);
    fill(&t, "k", 400);
    unsigned long long cursor = 0;
    for (int call = 0; call < 200; call++) {
        char command[64];
        cursor = scan_once(&t, cursor, "COUNT 10", seen);
        if (cursor == 0) break;
        snprintf(command, sizeof command, "DEL k%04d", call * 8 % 400 | 1);
        testserver_talk(&t, t.peer, slice_text(command));
        testserver_talk(&t, t.peer, slice_text("\r\nSET new v\r\n"));
    }
    CHECK_INT(cursor, 0);
    for (int i = 0; i < 400; i += 2)
        CHECK(seen[i] >= 1);
    testserver_close(&t);
}

static void an_old_cursor_after_a_restart_begins_again(void)
{
    struct testserver t;
    int before[100] = {0}, after[100] = {0};
    testserver_open(&t);
    fill(&t, "k", 100);
    unsigned long long old = scan_once(&t, 0, "COUNT 50", before);
    testserver_restart(&t);
    scan_once(&t, 0, "COUNT 5", before); /* cursors of the new run are in use */

    unsigned long long cursor = old;
    do
        cursor = scan_once(&t, cursor, "COUNT 50", after);
    while (cursor != 0);

    for (int i = 0; i < 100; i++)
        CHECK(after[i] >= 1);
    testserver_close(&t);
}

static void a_scan_skips_what_has_expired(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "SET a v PX 100", "+OK\r\n");
    testserver_expect(&t, "SET b v", "+OK\r\n");
    clock_manual_advance(&t.clock, 200);

    testserver_expect(&t, "SCAN 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n");

    testserver_close(&t);
}

static void keys_with_a_prefix_are_listed_in_order(void)
{
    struct testserver t;
    testserver_open(&t);
    testserver_expect(&t, "MSET user:2 v user:1 v other v users v", "+OK\r\n");

    testserver_expect(&t, "KEYS user:*", "*2\r\n$6\r\nuser:1\r\n$6\r\nuser:2\r\n");
    testserver_expect(&t, "KEYS user", "*0\r\n");
    testserver_expect(&t, "KEYS users", "*1\r\n$5\r\nusers\r\n");
    testserver_expect(&t, "KEYS *s*2", "*1\r\n$6\r\nuser:2\r\n");

    testserver_close(&t);
}

/* ---- many keys in one command ---- */

static void a_long_del_counts_each_key_once(void)
{
    struct testserver t;
    struct buf del;
    char key[32];
    testserver_open(&t);
    fill(&t, "k", 200);
    buf_init(&del, mem_libc(), 1 << 20);
    buf_append(&del, "DEL", 3);
    for (int i = 0; i < 400; i++)
        buf_append(&del, key, (size_t)snprintf(key, sizeof key, " k%04d", i % 250));
    buf_append(&del, "\r\n", 2);

    slice got = testserver_talk(&t, t.peer, slice_of(buf_bytes(&del), buf_size(&del)));

    CHECK_SLICE(got, slice_text(":200\r\n"));
    testserver_expect(&t, "DBSIZE", ":0\r\n");
    buf_deinit(&del);
    testserver_close(&t);
}

CU_TestInfo server_cmd_key_tests[] = {
    {"key_commands_answer_as_redis_does", key_commands_answer_as_redis_does},
    {"a_scan_returns_every_key_once", a_scan_returns_every_key_once},
    {"a_scan_with_a_prefix_looks_at_nothing_else",
     a_scan_with_a_prefix_looks_at_nothing_else},
    {"keys_that_stay_are_not_missed_when_others_come_and_go",
     keys_that_stay_are_not_missed_when_others_come_and_go},
    {"an_old_cursor_after_a_restart_begins_again",
     an_old_cursor_after_a_restart_begins_again},
    {"a_scan_skips_what_has_expired", a_scan_skips_what_has_expired},
    {"keys_with_a_prefix_are_listed_in_order", keys_with_a_prefix_are_listed_in_order},
    {"a_long_del_counts_each_key_once", a_long_del_counts_each_key_once},
    CU_TEST_INFO_NULL,
};
