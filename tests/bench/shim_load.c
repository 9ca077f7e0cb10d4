/* shim_load.c - a store on the real disk, loaded until every kind of file call was made.
 *
 *   shim_load DIRECTORY       (must exist; the store is created in DIRECTORY/store)
 *
 * `make shim-proof` runs it under strace: groups, flushes, compactions, recycled logs, a
 * rolled manifest, reads, a reopen, all with worker threads and a sync per group. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/db.h"
#include "fault/disk_posix.h"

#define KEYS        400
#define ROUNDS      12
#define VALUE_BYTES 120

static void must(bool done, const char *what)
{
    if (done) return;
    fprintf(stderr, "shim_load: %s failed\n", what);
    exit(1);
}

static void small(struct options *o)
{
    options_init(o);
    o->sync = SYNC_ALWAYS;
    o->memtable_bytes = o->log_bytes = 32 * 1024;
    o->table_bytes = 16 * 1024;
    o->level1_bytes = 48 * 1024;
    o->cache_bytes = 8 * 1024;
    o->manifest_bytes = 4 * 1024;
}

static slice key_of(char room[32], int i)
{
    return (slice){(const uint8_t *)room, (size_t)snprintf(room, 32, "key-%06d", i)};
}

static void load(struct db *db, struct sched *sched, int round)
{
    char key[32], value[VALUE_BYTES];
    memset(value, 'a' + round, sizeof value);
    for (int i = 0; i < KEYS; i += 10) {
        must(db_group_begin(db) == ERR_OK, "begin");
        for (int k = i; k < i + 10; k++)
            must(db_put(db, key_of(key, k), (slice){(uint8_t *)value, sizeof value}) ==
                     ERR_OK,
                 "put");
        must(db_group_commit(db) == ERR_OK, "commit");
        db_step(db);
        while (db_busy(db)) {
            sched_wait(sched);
            db_step(db);
        }
    }
}

static void verify(struct db *db, int round)
{
    char room[32];
    for (int i = 0; i < KEYS; i++) {
        slice value;
        must(db_get(db, key_of(room, i), &value, NULL) == ERR_OK, "get");
        must(value.size == VALUE_BYTES && value.data[0] == 'a' + round, "value");
    }
}

int main(int argc, char **argv)
{
    struct db_env env = {.clock = clock_real(), .mem = mem_libc()};
    struct options options;
    struct err_detail why;
    struct db *db;
    if (argc != 2) return 2;
    small(&options);
    must(disk_posix_new(env.mem, argv[1], &env.disk) == 0, argv[1]);
    env.sched = sched_threads_new(env.mem);
    must(env.sched != NULL, "threads");
    for (int life = 0; life < 2; life++) {
        must(db_open(&env, "store", &options, &db, &why) == ERR_OK, "open");
        if (life) verify(db, ROUNDS - 1);
        for (int round = 0; round < ROUNDS; round++)
            load(db, env.sched, round);
        must(db_flush(db) == ERR_OK, "flush");
        must(db_compact(db) == ERR_OK, "compact");
        verify(db, ROUNDS - 1);
        must(db_close(db) == ERR_OK, "close");
    }
    sched_free(env.sched);
    disk_posix_free(env.disk);
    return 0;
}
