/* Stores of everyday geometry, 512- and 4096-byte chunks and memtables of 64 KiB, walked
 * through whole at every barrier of a flush and of a compaction. */
#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/db.h"
#include "fault/images.h"
#include "proptests/model.h"
#include "tests/crash/disk_tap.h"

#define KEYS        280
#define VALUE_BYTES 200
#define LEAVES_MAX  100000

struct store {
    struct disk *disk;
    struct disk_tap tap;
    const struct disk_ops *plain;
    struct clock_manual clock;
    struct sched *sched;
    struct options options;
    struct db_env env;
    struct db *db;
    struct images *im;
    struct model_digest served; /* what every image must hold */
    bool walking, stop_when_found;
    /* what the walks found */
    unsigned windows, unopened, wrong;
    uint64_t leaves;
    double largest;
    struct images_number covered, counted;
};

static void digest(struct db *db, struct model_digest *out)
{
    struct db_iter *it;
    model_digest_init(out);
    REQUIRE_INT(db_iter_new(db, &it), ERR_OK);
    for (db_iter_seek(it, slice_of(NULL, 0)); db_iter_valid(it); db_iter_next(it))
        model_digest_key(out, db_iter_key(it), db_iter_value(it));
    CHECK_INT(db_iter_error(it, NULL), ERR_OK);
    db_iter_free(it);
}

/* One leaf: the store opens and holds what was served. */
static int recover(void *arg, struct disk *disk, const struct image *image)
{
    struct store *s = arg;
    struct db *db;
    struct db_env env = s->env;
    struct model_digest held;
    (void)disk;
    (void)image;
    env.sched = sched_inline_new(mem_libc());
    if (db_open(&env, "db", &s->options, &db, NULL)) {
        s->unopened++;
    } else {
        digest(db, &held);
        s->wrong += !model_digest_equal(&held, &s->served);
        db_close(db);
    }
    sched_free(env.sched);
    return s->stop_when_found && s->unopened + s->wrong > 0;
}

static void walk_window(void *arg, const struct tap_call *call)
{
    struct store *s = arg;
    struct images_lazy result;
    if (!s->walking || !tap_is_barrier(call)) return;
    if (s->stop_when_found && s->unopened + s->wrong > 0) return;
    const struct disk_ops *tapped = disk_tap_pause(s->disk, s->plain);
    images_open(s->im, s->disk, DISK_W, 0);
    struct images_number count = images_count_all(s->im);
    int e = images_lazy(s->im, LEAVES_MAX, recover, s, &result);
    CHECK(result.whole || (s->stop_when_found && e));
    images_close(s->im);
    disk_tap_resume(s->disk, tapped);
    s->windows++;
    s->leaves += result.leaves;
    s->covered = number_plus(s->covered, result.covered);
    s->counted = number_plus(s->counted, count);
    if (count.about > s->largest) s->largest = count.about;
}

static void store_start(struct store *s, uint32_t chunk)
{
    struct disk_sim_config config;
    *s = (struct store){.im = images_new(mem_libc())};
    disk_sim_config_init(&config);
    config.chunk_bytes = chunk;
    REQUIRE_INT(disk_sim_new(mem_libc(), &config, &s->disk), 0);
    s->plain = s->disk->ops;
    clock_manual_init(&s->clock, 1700000000000);
    s->sched = sched_inline_new(mem_libc());
    s->env = (struct db_env){
        .disk = s->disk, .clock = &s->clock.clock, .mem = mem_libc(), .sched = s->sched};
    options_init(&s->options);
    s->options.spare_logs = 1;
    s->options.sync = SYNC_ALWAYS;
    s->options.memtable_bytes = s->options.log_bytes = 64 * 1024;
    s->options.table_bytes = 64 * 1024;
    s->options.cache_bytes = 0;
    REQUIRE_INT(db_open(&s->env, "db", &s->options, &s->db, NULL), ERR_OK);
    disk_tap_on(&s->tap, s->disk, walk_window, s);
}

static void store_end(struct store *s)
{
    disk_tap_off(&s->tap);
    db_close(s->db);
    sched_free(s->sched);
    images_free(s->im);
    disk_sim_free(s->disk);
}

static void fill(struct store *s, int round)
{
    char key[16], value[VALUE_BYTES];
    REQUIRE_INT(db_group_begin(s->db), ERR_OK);
    for (int i = 0; i < KEYS; i++) {
        size_t n = (size_t)snprintf(key, sizeof key, "key%05d", i * (round + 2));
        for (size_t b = 0; b < sizeof value; b++) /* nothing to compress */
            value[b] = (char)((unsigned)i * 2654435761u >> (b % 24) ^ b * 97);
        REQUIRE_INT(db_put(s->db, slice_of(key, n), slice_of(value, sizeof value)),
                    ERR_OK);
    }
    REQUIRE_INT(db_group_commit(s->db), ERR_OK);
}

static void walk_through(struct store *s, enum err (*work)(struct db *))
{
    digest(s->db, &s->served);
    s->walking = true;
    CHECK_INT(work(s->db), ERR_OK);
    s->walking = false;
    printf("  %u windows, the largest of %.2g images, %llu leaves\n", s->windows,
           s->largest, (unsigned long long)s->leaves);
    CHECK(number_equal(s->covered, s->counted));
    CHECK_INT(s->unopened, 0);
    CHECK_INT(s->wrong, 0);
}

static void a_flush_in_512_byte_chunks_is_walked_whole(void)
{
    struct store s;
    store_start(&s, 512);
    fill(&s, 0);

    walk_through(&s, db_flush);

    CHECK(s.largest > 1e12); /* 2^40 */
    CHECK(s.windows > 3);
    store_end(&s);
}

static void a_compaction_in_512_byte_chunks_is_walked_whole(void)
{
    struct store s;
    store_start(&s, 512);
    for (int round = 0; round < 2; round++) {
        fill(&s, round);
        REQUIRE_INT(db_flush(s.db), ERR_OK);
    }

    walk_through(&s, db_compact);

    CHECK(s.largest > 1e12);
    CHECK(s.windows > 3);
    store_end(&s);
}

static void a_compaction_in_4096_byte_chunks_is_walked_whole(void)
{
    struct store s;
    store_start(&s, 4096);
    for (int round = 0; round < 2; round++) {
        fill(&s, round);
        REQUIRE_INT(db_flush(s.db), ERR_OK);
    }

    walk_through(&s, db_compact);

    CHECK(s.windows > 3);
    store_end(&s);
}

static bool is_table_sync(void *arg, const struct tap_call *call)
{
    (void)arg;
    return call->call == CALL_SYNC && call->site == SITE_SST_SYNC;
}

/* The walk can fail: a manifest that names a table whose bytes are pending. */
static void a_table_that_is_not_synced_is_found_at_once(void)
{
    struct store s;
    store_start(&s, 512);
    fill(&s, 0);
    digest(s.db, &s.served);
    s.stop_when_found = s.walking = true;
    s.tap.drop = is_table_sync;

    CHECK_INT(db_flush(s.db), ERR_OK);

    CHECK(s.unopened + s.wrong > 0);
    CHECK(s.leaves < 1000);
    s.walking = false;
    store_end(&s);
}

CU_TestInfo crash_lazy_store_tests[] = {
    {"a_flush_in_512_byte_chunks_is_walked_whole",
     a_flush_in_512_byte_chunks_is_walked_whole},
    {"a_compaction_in_512_byte_chunks_is_walked_whole",
     a_compaction_in_512_byte_chunks_is_walked_whole},
    {"a_compaction_in_4096_byte_chunks_is_walked_whole",
     a_compaction_in_4096_byte_chunks_is_walked_whole},
    {"a_table_that_is_not_synced_is_found_at_once",
     a_table_that_is_not_synced_is_found_at_once},
    CU_TEST_INFO_NULL,
};
