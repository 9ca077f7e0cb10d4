#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/riptide_server.h"
#include "tests/support/resp_client.h"

static char dir[64], path[80];
static struct riptide_failure why;

static void begin(void)
{
    snprintf(dir, sizeof dir, "build/server-XXXXXX");
    REQUIRE(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/store", dir);
}

static void end(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    REQUIRE_INT(system(command), 0);
}

static struct riptide_server *start(const char *store, const char *const *settings)
{
    struct riptide_server *server = NULL;
    struct riptide_server_config config = {.dir = store, .settings = settings};
    enum riptide_error e = riptide_server_start(&config, &server, &why);
    if (e) printf("  %s\n", why.text);
    REQUIRE_INT(e, RIPTIDE_OK);
    return server;
}

static struct resp_client talk_to(const struct riptide_server *server)
{
    struct resp_client c;
    REQUIRE(riptide_server_port(server) > 0);
    REQUIRE(resp_connect(&c, riptide_server_port(server)));
    return c;
}

static void a_started_server_answers_at_once_on_a_port_of_its_own(void)
{
    begin();
    struct riptide_server *server = start(path, NULL);
    struct resp_client c = talk_to(server);
    CHECK(resp_expect(&c, '+', "OK", "SET", "k", "v", NULL));
    CHECK(resp_expect(&c, '$', "v", "GET", "k", NULL));
    resp_close(&c);
    CHECK_INT(riptide_server_stop(server), RIPTIDE_OK);
    CHECK_INT(riptide_server_stop(NULL), RIPTIDE_OK);
    CHECK_INT(riptide_check(path, NULL, NULL), RIPTIDE_OK);
    end();
}

static void what_was_answered_is_there_after_a_stop(void)
{
    begin();
    struct riptide_server *server = start(path, NULL);
    struct resp_client c = talk_to(server);
    CHECK(resp_expect(&c, '+', "OK", "SET", "k", "v", NULL));
    CHECK_INT(riptide_server_stop(server), RIPTIDE_OK);
    CHECK(resp_drain(&c)); /* it was hung up */
    resp_close(&c);
    server = start(path, NULL);
    c = talk_to(server);
    CHECK(resp_expect(&c, '$', "v", "GET", "k", NULL));
    resp_close(&c);
    CHECK_INT(riptide_server_stop(server), RIPTIDE_OK);
    end();
}

static void two_servers_do_not_meet(void)
{
    char other_path[90];
    begin();
    snprintf(other_path, sizeof other_path, "%s/other", dir);
    struct riptide_server *one = start(path, NULL), *two = start(other_path, NULL);
    CHECK(riptide_server_port(one) != riptide_server_port(two));
    struct resp_client a = talk_to(one), b = talk_to(two);
    CHECK(resp_expect(&a, '+', "OK", "SET", "k", "one", NULL));
    CHECK(resp_expect(&b, '+', "OK", "SET", "k", "two", NULL));
    CHECK(resp_expect(&a, '$', "one", "GET", "k", NULL));
    resp_close(&a);
    CHECK_INT(riptide_server_stop(one), RIPTIDE_OK);
    CHECK(resp_expect(&b, '$', "two", "GET", "k", NULL));
    resp_close(&b);
    CHECK_INT(riptide_server_stop(two), RIPTIDE_OK);
    end();
}

static void settings_are_those_of_the_command_line(void)
{
    static const char *const settings[] = {"appendfsync", "always", "maxclients", "1",
                                           NULL};
    struct reply r;
    begin();
    struct riptide_server *server = start(path, settings);
    struct resp_client c = talk_to(server), second;
    CHECK(resp_expect(&c, '+', "PONG", "PING", NULL));
    REQUIRE(resp_connect(&second, riptide_server_port(server)));
    REQUIRE(resp_read(&second, &r));
    CHECK_SLICE(r.text, slice_text("ERR max number of clients reached"));
    resp_close(&second);
    resp_close(&c);
    CHECK_INT(riptide_server_stop(server), RIPTIDE_OK);
    end();
}

static void a_server_that_a_client_has_shut_down_is_stopped_like_others(void)
{
    begin();
    struct riptide_server *server = start(path, NULL);
    struct resp_client c = talk_to(server);
    slice words[] = {slice_of("SHUTDOWN", 8)};
    resp_queue(&c, 1, words);
    CHECK(resp_flush(&c));
    CHECK(resp_drain(&c));
    resp_close(&c);
    CHECK_INT(riptide_server_stop(server), RIPTIDE_OK);
    end();
}

static void what_cannot_start_says_why(void)
{
    static const char *const unknown[] = {"colour", "blue", NULL};
    static const char *const bad[] = {"appendfsync", "sometimes", NULL};
    static const char *const odd[] = {"maxclients", NULL};
    const struct {
        struct riptide_server_config config;
        enum riptide_error error;
        const char *text;
    } cases[] = {
        {{.dir = NULL}, RIPTIDE_INVALID, "dir"},
        {{.dir = "build/none/of/these"}, RIPTIDE_MISSING, "build/none/of"},
        {{.dir = path, .settings = unknown}, RIPTIDE_INVALID, "colour"},
        {{.dir = path, .settings = bad}, RIPTIDE_INVALID, "appendfsync"},
        {{.dir = path, .settings = odd}, RIPTIDE_INVALID, "maxclients"},
        {{.dir = path, .bind = "300.1.2.3"}, RIPTIDE_IO, "300.1.2.3"},
        {{.dir = path}, RIPTIDE_LOCKED, "locked by another"},
    };
    struct riptide_server *second = NULL;
    begin();
    struct riptide_server *first = start(path, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(&why, 0, sizeof why);
        enum riptide_error e = riptide_server_start(&cases[i].config, &second, &why);
        CHECK_INT(e, cases[i].error);
        if (!strstr(why.text, cases[i].text)) printf("  case %zu: %s\n", i, why.text);
        CHECK(strstr(why.text, cases[i].text) != NULL);
    }
    CHECK(second == NULL);
    CHECK_INT(riptide_server_stop(first), RIPTIDE_OK);
    end();
}

CU_TestInfo server_riptide_server_tests[] = {
    {"a_started_server_answers_at_once_on_a_port_of_its_own",
     a_started_server_answers_at_once_on_a_port_of_its_own},
    {"what_was_answered_is_there_after_a_stop", what_was_answered_is_there_after_a_stop},
    {"two_servers_do_not_meet", two_servers_do_not_meet},
    {"settings_are_those_of_the_command_line", settings_are_those_of_the_command_line},
    {"a_server_that_a_client_has_shut_down_is_stopped_like_others",
     a_server_that_a_client_has_shut_down_is_stopped_like_others},
    {"what_cannot_start_says_why", what_cannot_start_says_why},
    CU_TEST_INFO_NULL,
};
