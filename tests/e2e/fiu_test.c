/* Breaking the disk of a server while it runs, with fiu-ctrl from outside: the dialogue of
 * docs/faults.md, played. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/e2e/store.h"
#include "tests/e2e/world.h"
#include "tests/support/check.h"

#define FLAGS   "--appendfsync always"
#define MISCONF "MISCONF Errors writing to the AOF file: "

/* A server built with fault points that listens to fiu-ctrl. */
static void fiu_open(struct world *w)
{
    char prefix[PATH_BYTES];
    memset(w, 0, sizeof *w);
    w->client.fd = -1;
    w->server.program = "build/fiu/riptidekv-server";
    REQUIRE(scratch_new(&w->scratch));
    snprintf(prefix, sizeof prefix, "%.480s/fiu", w->scratch.dir);
    setenv("RIPTIDEKV_FIU_FIFO", prefix, 1);
    world_restart(w, FLAGS);
}

static void fiu_close(struct world *w)
{
    unsetenv("RIPTIDEKV_FIU_FIFO");
    world_close(w);
}

/* fiu-ctrl's exit code says nothing: silence is success. */
static bool fiu_says(struct world *w, const char *command)
{
    char output[1024];
    shell_run(output, sizeof output, "timeout 10 fiu-ctrl -f '%s/fiu' -c '%s' %d 2>&1",
              w->scratch.dir, command, (int)w->server.pid);
    if (output[0]) printf("  fiu-ctrl: %s", output);
    return output[0] == 0;
}

static bool info_contains(struct world *w, const char *text)
{
    struct reply r;
    return resp_call(&w->client, &r, "INFO", NULL) && r.type == '$' && r.integer > 0 &&
           memmem(r.text.data, r.text.size, text, strlen(text));
}

/* The store comes back by itself, but not at once. */
static bool writes_within(struct world *w, int seconds)
{
    for (int i = 0; i < seconds * 20; i++) {
        struct reply r;
        if (resp_call(&w->client, &r, "SET", "after", "4", NULL) && r.type == '+')
            return true;
        usleep(50000);
    }
    return false;
}

static void a_failed_sync_refuses_writes_and_loses_nothing_acknowledged(void)
{
    struct world w;
    fiu_open(&w);
    CHECK(world_set(&w, "before", "1"));
    CHECK(info_contains(&w, "aof_last_write_status:ok"));

    CHECK(fiu_says(&w, "enable name=fs/wal/sync/eio"));
    CHECK(resp_expect(&w.client, '-', MISCONF "Input/output error", "SET", "during", "2",
                      NULL));
    CHECK(resp_expect(&w.client, '-', MISCONF "Input/output error", "SET", "during", "3",
                      NULL));
    CHECK(world_get_is(&w, "before", "1"));
    CHECK(world_get_is(&w, "during", NULL));
    CHECK(info_contains(&w, "aof_last_write_status:err"));
    CHECK(info_contains(&w, "Input/output error"));

    CHECK(fiu_says(&w, "disable name=fs/wal/sync/eio"));
    CHECK(writes_within(&w, 20));
    CHECK(info_contains(&w, "aof_last_write_status:ok"));
    world_kill(&w);

    world_restart(&w, FLAGS);
    CHECK(world_get_is(&w, "before", "1"));
    CHECK(world_get_is(&w, "during", NULL));
    CHECK(world_get_is(&w, "after", "4"));
    fiu_close(&w);
}

static void a_full_disk_refuses_the_write_and_reads_go_on(void)
{
    struct world w;
    fiu_open(&w);
    CHECK(world_set(&w, "before", "1"));

    CHECK(fiu_says(&w, "enable name=fs/wal/write/enospc"));
    CHECK(resp_expect(&w.client, '-', MISCONF "No space left on device", "SET", "during",
                      "2", NULL));
    CHECK(world_get_is(&w, "before", "1"));
    CHECK(world_get_is(&w, "during", NULL));
    world_kill(&w);

    world_restart(&w, FLAGS);
    CHECK(world_get_is(&w, "before", "1"));
    CHECK(world_get_is(&w, "during", NULL));
    fiu_close(&w);
}

/* A pipeline whose group fails: every reply of the group is the error, none is an OK. */
static void no_reply_of_a_failed_group_is_an_ok(void)
{
    struct world w;
    fiu_open(&w);
    CHECK(fiu_says(&w, "enable name=fs/wal/sync/eio"));
    slice set[3] = {slice_text("SET"), slice_text("key"), slice_text("value")};
    for (int i = 0; i < 50; i++)
        resp_queue(&w.client, 3, set);
    REQUIRE(resp_flush(&w.client));

    for (int i = 0; i < 50; i++) {
        struct reply r;
        REQUIRE(resp_read(&w.client, &r));
        CHECK(r.type == '-');
    }
    fiu_close(&w);
}

CU_TestInfo e2e_fiu_tests[] = {
    {"a_failed_sync_refuses_writes_and_loses_nothing_acknowledged",
     a_failed_sync_refuses_writes_and_loses_nothing_acknowledged},
    {"a_full_disk_refuses_the_write_and_reads_go_on",
     a_full_disk_refuses_the_write_and_reads_go_on},
    {"no_reply_of_a_failed_group_is_an_ok", no_reply_of_a_failed_group_is_an_ok},
    CU_TEST_INFO_NULL,
};
