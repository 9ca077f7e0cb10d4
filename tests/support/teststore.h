/* teststore.h - a store on a simulated disk, with the verbs that tests are written in.
 *
 * Verbs that cannot reasonably fail REQUIRE success; those that may return the error.
 */
#ifndef TESTS_SUPPORT_TESTSTORE_H
#define TESTS_SUPPORT_TESTSTORE_H

#include "engine/db.h"
#include "fault/disk_sim.h"
#include "tests/support/order_edits.h"

#define TESTSTORE_DIR "db"

struct teststore {
    struct mem_counting mem; /* of the engine: blocks must be 0 after close */
    struct clock_manual clock;
    struct disk *disk;        /* the simulated one, for crashes and damage */
    struct order_watch watch; /* what the engine sees: the ordering assert over it */
    struct sched *sched;
    struct db_env env;
    struct options options;
    struct db *db; /* NULL while closed */
    struct err_detail why;
    char log[1024]; /* lines that the engine logged since the last open */
};

/* Small geometry: a memtable of about 4 KiB, 256-byte blocks, tables of 2 KiB. The disk
 * has 64-byte chunks. Nothing is opened yet. */
void teststore_init(struct teststore *t);
/* Closes what is open and REQUIREs that no memory was lost. */
void teststore_deinit(struct teststore *t);

enum err teststore_open(struct teststore *t);
void teststore_close(struct teststore *t);
void teststore_reopen(struct teststore *t);
/* The process dies. */
void teststore_die(struct teststore *t);
/* The process dies, or the power fails, and the store is opened again. */
enum err teststore_kill(struct teststore *t);
enum err teststore_power_cut(struct teststore *t, enum disk_sim_survivors survivors,
                             struct rng *rng);

enum err teststore_put(struct teststore *t, const char *key, const char *value);
enum err teststore_delete(struct teststore *t, const char *key);
/* n keys PREFIX00000.. with values of `bytes` bytes that depend on the key and `round`. */
void teststore_fill(struct teststore *t, const char *prefix, int n, size_t bytes,
                    int round);
void teststore_expect_fill(struct teststore *t, const char *prefix, int n, size_t bytes,
                           int round);
/* want NULL: absent. */
void teststore_expect(struct teststore *t, const char *key, const char *want);
/* All keys in order, joined with ','. */
void teststore_keys(struct teststore *t, char *out, size_t n);
/* db_check of the closed store: 0 findings. */
void teststore_expect_sound(struct teststore *t);

/* Raw files, for damage. */
void teststore_read_file(struct teststore *t, const char *name, uint8_t **data,
                         size_t *size);
void teststore_write_file(struct teststore *t, const char *name, const void *data,
                          size_t size);
/* The newest file whose name ends so; REQUIREs that there is one. */
void teststore_newest(struct teststore *t, const char *suffix, char name[32]);
/* How many names end so. */
int teststore_count(struct teststore *t, const char *suffix);

#endif
