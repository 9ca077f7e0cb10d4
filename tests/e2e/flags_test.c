/* Starting, refusing to start, and stopping: flags, exit codes, one clear line. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/e2e/store.h"
#include "tests/e2e/world.h"
#include "tests/support/check.h"

#define OUTPUT_BYTES 8192

/* True when the program refuses: exit code 1 and one line that contains the text. */
static bool refuses(const char *args, const char *text)
{
    char output[OUTPUT_BYTES];
    int code = server_run(args, output, sizeof output);
    char *newline = strchr(output, '\n');
    bool ok = code == 1 && newline && newline[1] == 0 && strstr(output, text);
    if (!ok)
        printf("  %s: exit code %d, wanted 1 and one line with \"%s\":\n%s", args, code,
               text, output);
    return ok;
}

static bool scratch_refuses(const struct scratch *s, const char *flags, const char *text)
{
    char args[2 * PATH_BYTES];
    snprintf(args, sizeof args, "--port 0 --dir %s %s", s->store, flags);
    return refuses(args, text);
}

/* ---- flags ---- */

static void help_names_every_flag(void)
{
    static const char *const flags[] = {"--port",        "--bind",           "--dir",
                                        "--appendfsync", "--memtable-bytes", "--loglevel",
                                        "--help",        "--version"};
    char output[OUTPUT_BYTES];

    CHECK_INT(server_run("--help", output, sizeof output), 0);

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        CHECK(strstr(output, flags[i]) != NULL);
}

static void version_is_one_line(void)
{
    char output[OUTPUT_BYTES];

    CHECK_INT(server_run("--version", output, sizeof output), 0);

    CHECK(strncasecmp(output, "riptidekv", 9) == 0);
    CHECK(strchr(output, '\n') == output + strlen(output) - 1);
}

static void a_bad_flag_or_value_is_named(void)
{
    struct scratch s;
    REQUIRE(scratch_new(&s));

    CHECK(scratch_refuses(&s, "--no-such-flag 1", "--no-such-flag"));
    CHECK(scratch_refuses(&s, "stray", "stray"));
    CHECK(scratch_refuses(&s, "--port", "--port"));
    CHECK(scratch_refuses(&s, "--port 65536", "--port"));
    CHECK(scratch_refuses(&s, "--port -1", "--port"));
    CHECK(scratch_refuses(&s, "--port 12x", "--port"));
    CHECK(scratch_refuses(&s, "--bind nowhere.invalid", "--bind"));
    CHECK(scratch_refuses(&s, "--appendfsync sometimes", "--appendfsync"));
    CHECK(scratch_refuses(&s, "--memtable-bytes 0", "--memtable-bytes"));
    CHECK(scratch_refuses(&s, "--memtable-bytes many", "--memtable-bytes"));
    CHECK(scratch_refuses(&s, "--loglevel shout", "--loglevel"));

    struct names n;
    CHECK(names_read(&n, s.dir) && n.count == 0); /* nothing was made on the way */
    names_free(&n);
    scratch_remove(&s);
}

static void appendfsync_is_what_config_get_answers(void)
{
    static const char *const policies[] = {"always", "everysec", "no"};
    for (size_t i = 0; i < 3; i++) {
        struct world w;
        struct reply r;
        char flags[64];
        snprintf(flags, sizeof flags, "--appendfsync %s", policies[i]);
        world_open(&w, flags);

        CHECK(resp_call(&w.client, &r, "CONFIG", "GET", "appendfsync", NULL));
        CHECK_INT(r.integer, 2);
        CHECK(resp_read(&w.client, &r) && resp_read(&w.client, &r));
        CHECK_SLICE(r.text, slice_text(policies[i]));

        world_close(&w);
    }
}

static bool can_connect(const char *address, int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, address, &to.sin_addr);
    bool ok = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
    close(fd);
    return ok;
}

static void it_listens_on_loopback_only_unless_told_otherwise(void)
{
    struct world w;
    world_open(&w, "");
    CHECK(can_connect("127.0.0.1", w.server.port));
    CHECK(!can_connect("127.0.0.2", w.server.port));
    world_close(&w);

    world_open(&w, "--bind 0.0.0.0");
    CHECK(can_connect("127.0.0.2", w.server.port));
    world_close(&w);
}

/* The program with 64 descriptors. */
static const char *make_poor(const struct scratch *s, char path[PATH_BYTES])
{
    const char *program = getenv("RIPTIDEKV_SERVER");
    snprintf(path, PATH_BYTES, "%.400s/poor", s->dir);
    FILE *f = fopen(path, "w");
    if (!f) return NULL;
    fprintf(f, "#!/bin/sh\nulimit -n 64\nexec %s \"$@\"\n",
            program ? program : "build/release/riptidekv-server");
    fclose(f);
    return chmod(path, 0755) ? NULL : path;
}

/* '+': it is served; '-': it was told that there is no place; 0: only closed, for what it
 * sent to a closed end may have taken the answer away. */
static char answer(struct resp_client *c)
{
    struct reply r;
    slice ping = slice_text("PING");
    resp_queue(c, 1, &ping);
    if (!resp_flush(c) || !resp_read(c, &r)) return 0;
    CHECK(r.type == '+' ||
          slice_equal(r.text, slice_text("ERR max number of clients reached")));
    return r.type;
}

static void few_descriptors_mean_few_clients_and_the_others_are_told(void)
{
    enum { CLIENTS = 100 };
    static struct resp_client clients[CLIENTS];
    struct scratch s;
    char path[PATH_BYTES];
    REQUIRE(scratch_new(&s));
    struct server_process server = {.program = make_poor(&s, path)};
    REQUIRE(server_start(&server, &s, ""));

    int served = 0, told = 0;
    for (int i = 0; i < CLIENTS; i++) {
        REQUIRE(resp_connect(&clients[i], server.port));
        char a = answer(&clients[i]);
        served += a == '+';
        told += a == '-';
    }
    CHECK(served >= 20 && served < 64);
    CHECK(told > 0);
    for (int i = 0; i < served; i++)
        CHECK(answer(&clients[i]) == '+');

    resp_close(&clients[0]);
    char again = 0;
    for (int i = 0; i < 100 && again != '+'; i++) { /* until it has noticed */
        if (i > 0) resp_close(&clients[0]);
        usleep(10000);
        REQUIRE(resp_connect(&clients[0], server.port));
        again = answer(&clients[0]);
    }
    CHECK(again == '+');
    for (int i = 0; i < CLIENTS; i++)
        resp_close(&clients[i]);
    CHECK_INT(server_end(&server, SIGTERM), 0);
    uint64_t n;
    char *log = (char *)file_read(s.log, &n);
    CHECK(log && memmem(log, n, "only 64 files may be open", 25));
    free(log);
    scratch_remove(&s);
}

static void a_loglevel_of_debug_says_more_than_warning(void)
{
    struct world w;
    world_open(&w, "--loglevel warning");
    world_stop(&w);
    int quiet = file_count_lines(w.scratch.log, "");
    world_restart(&w, "--loglevel debug");
    world_stop(&w);
    int loud = file_count_lines(w.scratch.log, "") - quiet;

    CHECK(loud > quiet);
    world_close(&w);
}

/* ---- refusing to start ---- */

static void a_port_in_use_is_named(void)
{
    struct world w;
    struct scratch other;
    char flags[2 * PATH_BYTES], port[16];
    world_open(&w, "");
    REQUIRE(scratch_new(&other));
    snprintf(port, sizeof port, "%d", w.server.port);
    snprintf(flags, sizeof flags, "--dir %s --port %s", other.store, port);

    CHECK(refuses(flags, port));

    scratch_remove(&other);
    world_close(&w);
}

static void a_directory_in_use_is_named_and_left_alone(void)
{
    struct world w;
    world_open(&w, "");
    CHECK(world_set(&w, "key", "value"));

    CHECK(scratch_refuses(&w.scratch, "", w.scratch.store));

    CHECK(world_get_is(&w, "key", "value"));
    CHECK(world_set(&w, "key", "newer"));
    world_close(&w);
}

/* Also for root, whom no permission stops. */
static void a_strangers_directory_is_left_alone(void)
{
    struct scratch s;
    char path[2 * PATH_BYTES], text[64];
    REQUIRE(scratch_new(&s));
    REQUIRE(mkdir(s.store, 0777) == 0);
    snprintf(path, sizeof path, "%s/thesis.txt", s.store);
    REQUIRE(file_write(path, "ten years\n", 10));

    CHECK(scratch_refuses(&s, "", s.store));

    struct names n;
    CHECK(names_read(&n, s.store));
    CHECK_INT(n.count, 1);
    names_free(&n);
    CHECK_INT(shell_run(text, sizeof text, "cat '%s'", path), 0);
    CHECK_TEXT(text, "ten years\n");
    scratch_remove(&s);
}

/* A CURRENT that is not ours: another engine's store, say. */
static void another_engines_directory_is_left_alone(void)
{
    struct scratch s;
    char path[2 * PATH_BYTES], text[64];
    REQUIRE(scratch_new(&s));
    REQUIRE(mkdir(s.store, 0777) == 0);
    snprintf(path, sizeof path, "%s/CURRENT", s.store);
    REQUIRE(file_write(path, "something else\n", 15));

    CHECK(scratch_refuses(&s, "", s.store));

    CHECK_INT(shell_run(text, sizeof text, "cat '%s'", path), 0);
    CHECK_TEXT(text, "something else\n");
    scratch_remove(&s);
}

static void a_path_that_is_no_directory_is_named(void)
{
    struct scratch s;
    REQUIRE(scratch_new(&s));
    REQUIRE(file_write(s.store, "a file", 6));

    CHECK(scratch_refuses(&s, "", s.store));
    CHECK(refuses("--port 0 --dir /proc/1/nothing/here", "/proc/1/nothing"));
    CHECK(refuses("--port 0 --dir /proc/store", "/proc"));

    scratch_remove(&s);
}

/* What is wrong stands behind the name, and must not fall off. */
static void a_name_that_is_too_long_leaves_room_for_the_reason(void)
{
    struct scratch s;
    char flag[PATH_BYTES], name[301];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    REQUIRE(scratch_new(&s));
    snprintf(flag, sizeof flag, "--port 0 --dir %.120s/%s", s.dir, name);
    CHECK(refuses(flag, "File name too long"));
    scratch_remove(&s);
}

static void an_empty_directory_is_taken(void)
{
    struct world w;
    memset(&w, 0, sizeof w);
    w.client.fd = -1;
    REQUIRE(scratch_new(&w.scratch));
    REQUIRE(mkdir(w.scratch.store, 0777) == 0);

    world_restart(&w, "");

    CHECK(world_set(&w, "key", "value"));
    world_close(&w);
}

/* ---- stopping ---- */

static void both_stop_signals_end_it_well_with_everything_kept(void)
{
    struct world w;
    world_open(&w, "--appendfsync no");
    CHECK(world_set(&w, "first", "1"));
    resp_close(&w.client);
    CHECK_INT(server_end(&w.server, SIGINT), 0);

    world_restart(&w, "--appendfsync no");
    CHECK(world_get_is(&w, "first", "1"));
    CHECK(world_set(&w, "second", "2"));
    resp_close(&w.client);
    CHECK_INT(server_end(&w.server, SIGTERM), 0);

    world_restart(&w, "");
    CHECK(world_get_is(&w, "second", "2"));
    world_close(&w);
}

static void a_stop_does_not_wait_for_idle_clients(void)
{
    struct world w;
    struct resp_client idle[20];
    world_open(&w, "");
    for (int i = 0; i < 20; i++)
        REQUIRE(resp_connect(&idle[i], w.server.port));

    CHECK_INT(server_end(&w.server, SIGTERM), 0);

    for (int i = 0; i < 20; i++)
        resp_close(&idle[i]);
    world_close(&w);
}

static void shutdown_ends_it_well(void)
{
    struct world w;
    struct reply r;
    world_open(&w, "");
    CHECK(world_set(&w, "key", "value"));

    resp_call(&w.client, &r, "SHUTDOWN", NULL);

    CHECK_INT(server_end(&w.server, 0), 0);
    world_restart(&w, "");
    CHECK(world_get_is(&w, "key", "value"));
    world_close(&w);
}

static void too_few_descriptors_are_named_with_how_many_it_takes(void)
{
    static const int few[] = {5, 12, 63};
    const char *program = getenv("RIPTIDEKV_SERVER");
    struct scratch s;
    REQUIRE(scratch_new(&s));
    for (size_t i = 0; i < sizeof few / sizeof *few; i++) {
        char command[2 * PATH_BYTES], line[512] = "", want[80];
        snprintf(command, sizeof command,
                 "exec 2>&1; ulimit -n %d; exec %s --port 0 --dir %s", few[i],
                 program ? program : "build/release/riptidekv-server", s.store);
        FILE *f = popen(command, "r");
        REQUIRE(f != NULL);
        CHECK(fgets(line, sizeof line, f) != NULL);
        CHECK_INT(pclose(f) >> 8, 1);
        snprintf(want, sizeof want, "only %d files may be open, and 64 are needed",
                 few[i]);
        if (!strstr(line, want)) printf("  %s", line);
        CHECK(strstr(line, want) != NULL);
        CHECK(strstr(line, "ulimit -n") != NULL);
    }
    struct names n;
    CHECK(names_read(&n, s.dir) && n.count == 0);
    names_free(&n);
    scratch_remove(&s);
}

CU_TestInfo e2e_flags_tests[] = {
    {"help_names_every_flag", help_names_every_flag},
    {"version_is_one_line", version_is_one_line},
    {"a_bad_flag_or_value_is_named", a_bad_flag_or_value_is_named},
    {"appendfsync_is_what_config_get_answers", appendfsync_is_what_config_get_answers},
    {"it_listens_on_loopback_only_unless_told_otherwise",
     it_listens_on_loopback_only_unless_told_otherwise},
    {"few_descriptors_mean_few_clients_and_the_others_are_told",
     few_descriptors_mean_few_clients_and_the_others_are_told},
    {"a_loglevel_of_debug_says_more_than_warning",
     a_loglevel_of_debug_says_more_than_warning},
    {"a_port_in_use_is_named", a_port_in_use_is_named},
    {"a_directory_in_use_is_named_and_left_alone",
     a_directory_in_use_is_named_and_left_alone},
    {"a_strangers_directory_is_left_alone", a_strangers_directory_is_left_alone},
    {"another_engines_directory_is_left_alone", another_engines_directory_is_left_alone},
    {"a_path_that_is_no_directory_is_named", a_path_that_is_no_directory_is_named},
    {"a_name_that_is_too_long_leaves_room_for_the_reason",
     a_name_that_is_too_long_leaves_room_for_the_reason},
    {"an_empty_directory_is_taken", an_empty_directory_is_taken},
    {"both_stop_signals_end_it_well_with_everything_kept",
     both_stop_signals_end_it_well_with_everything_kept},
    {"a_stop_does_not_wait_for_idle_clients", a_stop_does_not_wait_for_idle_clients},
    {"shutdown_ends_it_well", shutdown_ends_it_well},
    {"too_few_descriptors_are_named_with_how_many_it_takes",
     too_few_descriptors_are_named_with_how_many_it_takes},
    CU_TEST_INFO_NULL,
};
