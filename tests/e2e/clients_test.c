/* Redis's own tools against our server; and against Redis itself, so that the wanted
 * answers are proven to be Redis's and not ours. */
#include <unistd.h>
#include <stdlib.h>
#include <string.h>

#include "tests/e2e/store.h"
#include "tests/e2e/world.h"
#include "tests/support/check.h"

#define CONVERSATION "tests/e2e/conversation.txt"
#define OUTPUT_BYTES 65536

/* ---- conversations ---- */

/* conversation.txt without comments: the commands to one file, what is wanted to another. */
static bool split_conversation(const struct scratch *s)
{
    char output[256];
    return shell_run(output, sizeof output,
                     "grep -v '^#' " CONVERSATION " | grep -v '^$' > '%s/both' && "
                     "sed -n 's/^> //p' '%s/both' > '%s/commands' && "
                     "grep -v '^> ' '%s/both' > '%s/wanted'",
                     s->dir, s->dir, s->dir, s->dir, s->dir) == 0;
}

/* Speaks the conversation; prints the differences as "answer | command". */
static bool conversation_holds(const struct scratch *s, int port)
{
    static char output[OUTPUT_BYTES];
    shell_run(output, sizeof output,
              "redis-cli -p %d --no-raw < '%s/commands' | grep -v '^$' > '%s/heard' 2>&1",
              port, s->dir, s->dir);
    int differs =
        shell_run(output, sizeof output, "diff '%s/wanted' '%s/heard'", s->dir, s->dir);
    if (differs) printf("%s", output);
    return differs == 0;
}

static void redis_cli_hears_what_redis_would_say(void)
{
    struct world w;
    world_open(&w, "");
    REQUIRE(split_conversation(&w.scratch));

    CHECK(conversation_holds(&w.scratch, w.server.port));

    world_close(&w);
}

/* redis-tools holds the whole server: it is its redis-check-rdb under another name. */
static void redis_itself_says_the_same(void)
{
    struct scratch s;
    char output[512];
    REQUIRE(scratch_new(&s));
    REQUIRE(split_conversation(&s));
    int port = 20000 + (int)(getpid() % 20000);
    REQUIRE_INT(
        shell_run(output, sizeof output,
                  "cp \"$(command -v redis-check-rdb)\" '%s/redis-server' && "
                  "{ timeout 60 '%s/redis-server' --port %d --bind 127.0.0.1 --save '' "
                  "--dir '%s' --pidfile '%s/pid' >/dev/null 2>&1 & } && "
                  "for i in $(seq 100); do redis-cli -p %d ping >/dev/null 2>&1 && "
                  "test -s '%s/pid' && exit 0; sleep 0.05; done; exit 1",
                  s.dir, s.dir, port, s.dir, s.dir, port, s.dir),
        0);

    bool same = conversation_holds(&s, port);

    shell_run(output, sizeof output, "kill -9 $(cat '%s/pid')", s.dir);
    CHECK(same);
    scratch_remove(&s);
}

/* ---- tools ---- */

static void redis_benchmark_runs_to_its_end(void)
{
    static char output[OUTPUT_BYTES];
    struct world w;
    world_open(&w, "--appendfsync everysec");

    int code = shell_run(output, sizeof output,
                         "timeout 60 redis-benchmark -p %d -t set,get,incr,mset -n 20000 "
                         "-r 10000 -d 100 -P 16 -c 50 -q 2>&1 | tr '\\r' '\\n' | "
                         "grep 'requests per second'",
                         w.server.port);

    CHECK_INT(code, 0);
    CHECK(strstr(output, "SET: ") && strstr(output, "GET: "));
    CHECK(strstr(output, "INCR: ") && strstr(output, "MSET (10 keys): "));
    CHECK(strstr(output, "rror") == NULL);
    CHECK(world_info(&w, "rejected_connections") <= 0);
    world_close(&w);
}

static void redis_cli_stat_and_bigkeys_understand_the_server(void)
{
    static char output[OUTPUT_BYTES];
    struct world w;
    world_open(&w, "");
    CHECK(world_set(&w, "key", "value"));

    CHECK_INT(shell_run(output, sizeof output,
                        "timeout 20 redis-cli -p %d --bigkeys 2>&1", w.server.port),
              0);
    CHECK(strstr(output, "Biggest string found") != NULL);
    CHECK_INT(
        shell_run(output, sizeof output,
                  "stdbuf -oL timeout 1.5 redis-cli -p %d --stat 2>&1 | grep -c '^1 '",
                  w.server.port),
        0);
    world_close(&w);
}

CU_TestInfo e2e_clients_tests[] = {
    {"redis_cli_hears_what_redis_would_say", redis_cli_hears_what_redis_would_say},
    {"redis_itself_says_the_same", redis_itself_says_the_same},
    {"redis_benchmark_runs_to_its_end", redis_benchmark_runs_to_its_end},
    {"redis_cli_stat_and_bigkeys_understand_the_server",
     redis_cli_stat_and_bigkeys_understand_the_server},
    CU_TEST_INFO_NULL,
};
