/* Damage done to a store from outside: what a crash may leave is mended with a line that
 * says so; anything else is refused or answered with an error that names the place. */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault/rng.h"
#include "tests/e2e/store.h"
#include "tests/e2e/world.h"
#include "tests/support/check.h"

#define FLAGS        "--appendfsync always --memtable-bytes 65536"
#define OUTPUT_BYTES 8192

/* ---- torn tails ---- */

/* A store whose log ends with the record of SET last: killed, and kept aside. */
struct torn {
    struct world w;
    struct store_log_place first, last; /* where the records of these keys end */
    uint8_t *log;                       /* the log's bytes after the kill */
    uint64_t log_size;
    bool last_seen; /* by an earlier, shorter cut: it must stay there for longer ones */
};

static void torn_open(struct torn *t)
{
    memset(t, 0, sizeof *t);
    world_open(&t->w, FLAGS);
    CHECK(world_set(&t->w, "first", "one"));
    REQUIRE(store_log_end(t->w.scratch.dir, &t->first));
    CHECK(
        world_set(&t->w, "last", "a value of some length, so that there is much to cut"));
    world_kill(&t->w);
    REQUIRE(store_log_end(t->w.scratch.dir, &t->last));
    REQUIRE(t->last.end > t->first.end);
    t->log = file_read(t->last.path, &t->log_size);
    REQUIRE(t->log != NULL);
    char output[256];
    REQUIRE_INT(shell_run(output, sizeof output, "cp -a '%s' '%s/pristine'",
                          t->w.scratch.store, t->w.scratch.dir),
                0);
}

/* Puts the killed store back, with these bytes as its log. */
static void torn_restore(struct torn *t, const uint8_t *log, uint64_t size)
{
    char output[256];
    REQUIRE_INT(shell_run(output, sizeof output,
                          "rm -rf '%s' && cp -a '%s/pristine' '%s' && rm -f '%s'",
                          t->w.scratch.store, t->w.scratch.dir, t->w.scratch.store,
                          t->w.scratch.log),
                0);
    REQUIRE(file_write(t->last.path, log, size));
}

static void torn_close(struct torn *t)
{
    free(t->log);
    world_close(&t->w);
}

static bool has(struct world *w, const char *key)
{
    struct reply r;
    return resp_call(&w->client, &r, "GET", key, NULL) && r.type == '$' && r.integer >= 0;
}

/* Start, look, write, die, start again. `cut` says whether bytes must have been cut. */
static void starts_twice(struct torn *t, uint64_t at, bool cut)
{
    world_restart(&t->w, FLAGS);
    bool last = has(&t->w, "last");
    int lines = file_count_lines(t->w.scratch.log, ": cut ");
    if (lines != cut || !has(&t->w, "first") || (t->last_seen && !last)) {
        printf("  cut at %" PRIu64 ": %d lines about it, last %s\n", at, lines,
               last ? "there" : "lost");
        CHECK(false);
    }
    t->last_seen = t->last_seen || last;
    CHECK(world_set(&t->w, "new", "after the cut"));
    world_kill(&t->w);

    world_restart(&t->w, FLAGS);
    CHECK(has(&t->w, "first"));
    CHECK(has(&t->w, "last") == last);
    CHECK(has(&t->w, "new"));
    world_kill(&t->w);
}

static bool all_zero(const uint8_t *bytes, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (bytes[i]) return false;
    return true;
}

static void every_cut_of_the_last_record_is_mended_and_named(void)
{
    struct torn t;
    torn_open(&t);

    for (uint64_t at = t.first.end; at <= t.last.end; at++) {
        torn_restore(&t, t.log, at);
        /* What is left of a record is cut, unless nothing is left of it. */
        struct store_log_place place;
        REQUIRE(store_log_end(t.w.scratch.dir, &place));
        starts_twice(&t, at, !all_zero(t.log + place.end, at - place.end));
    }

    CHECK(t.last_seen);
    torn_close(&t);
}

static void every_cut_with_its_size_kept_and_zeros_is_mended_and_named(void)
{
    struct torn t;
    torn_open(&t);
    uint8_t *log = malloc(t.log_size);
    REQUIRE(log != NULL);

    for (uint64_t at = t.first.end; at <= t.last.end; at++) {
        memcpy(log, t.log, t.log_size);
        memset(log + at, 0, t.log_size - at);
        torn_restore(&t, log, t.log_size);
        struct store_log_place place;
        REQUIRE(store_log_end(t.w.scratch.dir, &place));
        starts_twice(&t, at, !all_zero(log + place.end, t.log_size - place.end));
    }

    CHECK(t.last_seen);
    free(log);
    torn_close(&t);
}

static void garbage_behind_the_last_record_is_cut_off(void)
{
    static const uint64_t sizes[] = {1, 7, 31, 32, 33, 500, 4096};
    struct torn t;
    struct rng rng;
    rng_init(&rng, 11);
    torn_open(&t);
    uint8_t *log = calloc(1, t.log_size + 8192);
    REQUIRE(log != NULL);

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memcpy(log, t.log, t.log_size);
        for (uint64_t k = 0; k < sizes[i]; k++)
            log[t.last.end + k] = (uint8_t)(1 + rng_below(&rng, 255));
        uint64_t size = t.last.end + sizes[i];
        torn_restore(&t, log, size > t.log_size ? size : t.log_size);
        starts_twice(&t, t.last.end, true);
    }

    CHECK(t.last_seen);
    free(log);
    torn_close(&t);
}

/* ---- damage that no crash explains ---- */

/* Starts and must be refused: exit code 1, one line, with the text in it. */
static bool refuses(const struct scratch *s, const char *text)
{
    char args[2 * PATH_BYTES], output[OUTPUT_BYTES];
    snprintf(args, sizeof args, "--port 0 --loglevel warning --dir %s", s->store);
    int code = server_run(args, output, sizeof output);
    bool ok = code == 1 && strstr(output, text);
    if (!ok) printf("  exit code %d, wanted 1 and \"%s\":\n%s", code, text, output);
    return ok;
}

static void rot_below_what_was_synced_refuses_to_start(void)
{
    struct world w;
    struct store_log_place place;
    world_open(&w, FLAGS);
    CHECK(world_set(&w, "first", "one"));
    REQUIRE(store_log_end(w.scratch.dir, &place));
    uint64_t inside_first = place.end - 2;
    for (int i = 0; i < 20; i++)
        CHECK(world_set(&w, "others", "many"));
    world_kill(&w);

    REQUIRE(file_flip_byte(place.path, inside_first));

    CHECK(refuses(&w.scratch, strrchr(place.path, '/') + 1));
    CHECK(refuses(&w.scratch, "offset"));
    world_close(&w);
}

/* 3,000 keys of 100 bytes: some are in tables. */
static void world_with_tables(struct world *w, struct store_table_place *table)
{
    world_open(w, FLAGS);
    char key[32], value[101];
    struct reply r;
    memset(value, 'v', 100);
    for (int i = 0; i < 3000; i++) {
        int n = snprintf(key, sizeof key, "key:%05d", i);
        slice argv[3] = {slice_text("SET"), slice_of(key, (size_t)n),
                         slice_of(value, 100)};
        resp_queue(&w->client, 3, argv);
    }
    REQUIRE(resp_flush(&w->client));
    for (int i = 0; i < 3000; i++)
        REQUIRE(resp_read(&w->client, &r) && r.type == '+');
    world_stop(w);
    REQUIRE(store_some_table(w->scratch.dir, table));
    char output[256];
    REQUIRE_INT(shell_run(output, sizeof output, "cp -a '%s' '%s.good'", table->path,
                          table->path),
                0);
}

static void put_back(const struct store_table_place *table)
{
    char output[256];
    REQUIRE_INT(shell_run(output, sizeof output, "cp -a '%s.good' '%s'", table->path,
                          table->path),
                0);
}

static void a_missing_table_refuses_to_start(void)
{
    struct world w;
    struct store_table_place table;
    world_with_tables(&w, &table);

    REQUIRE(unlink(table.path) == 0);

    CHECK(refuses(&w.scratch, table.name));
    CHECK(store_check(w.scratch.dir) > 0);
    put_back(&table);
    world_restart(&w, FLAGS); /* the refusal has changed nothing */
    CHECK(has(&w, "key:00000"));
    world_close(&w);
}

static void a_table_of_the_wrong_size_refuses_to_start(void)
{
    struct world w;
    struct store_table_place table;
    world_with_tables(&w, &table);

    REQUIRE(truncate(table.path, (off_t)table.size - 1) == 0);
    CHECK(refuses(&w.scratch, table.name));
    put_back(&table);
    REQUIRE(truncate(table.path, (off_t)table.size + 1) == 0);
    CHECK(refuses(&w.scratch, table.name));
    REQUIRE(truncate(table.path, 0) == 0);
    CHECK(refuses(&w.scratch, table.name));

    world_close(&w);
}

/* Footer, index, filter, properties: a byte here and there in all of them. */
static void a_damaged_footer_or_index_refuses_to_start(void)
{
    struct world w;
    struct store_table_place table;
    world_with_tables(&w, &table);
    uint64_t step = table.tail_bytes / 40 + 1;

    for (uint64_t at = 1; at <= table.tail_bytes; at += step) {
        REQUIRE(file_flip_byte(table.path, table.size - at));
        CHECK(refuses(&w.scratch, table.name));
        REQUIRE(file_flip_byte(table.path, table.size - at));
    }

    world_restart(&w, FLAGS);
    CHECK(has(&w, "key:00000"));
    world_close(&w);
}

/* The reply of every GET is the right value or an error that names file and offset. */
static unsigned read_errors(struct world *w, const char *file)
{
    unsigned errors = 0;
    char key[32];
    for (int i = 0; i < 3000; i++) {
        struct reply r;
        snprintf(key, sizeof key, "key:%05d", i);
        REQUIRE(resp_call(&w->client, &r, "GET", key, NULL));
        if (r.type == '$') {
            CHECK_INT(r.integer, 100);
            continue;
        }
        const char *text = reply_show(&r);
        CHECK(r.type == '-' && strstr(text, file) && strstr(text, "offset"));
        if (errors++ == 0) printf("  GET %s: %s\n", key, text);
    }
    return errors;
}

static void a_damaged_block_is_an_error_where_it_is_read(void)
{
    struct world w;
    struct store_table_place table;
    world_with_tables(&w, &table);
    CHECK_INT(store_check(w.scratch.dir), 0);

    REQUIRE(file_flip_byte(table.path, 100));

    CHECK(store_check(w.scratch.dir) > 0);
    world_restart(&w, FLAGS);
    unsigned errors = read_errors(&w, table.name);
    CHECK(errors > 0);
    CHECK(errors < 3000);
    world_close(&w);
}

CU_TestInfo e2e_damage_tests[] = {
    {"every_cut_of_the_last_record_is_mended_and_named",
     every_cut_of_the_last_record_is_mended_and_named},
    {"every_cut_with_its_size_kept_and_zeros_is_mended_and_named",
     every_cut_with_its_size_kept_and_zeros_is_mended_and_named},
    {"garbage_behind_the_last_record_is_cut_off",
     garbage_behind_the_last_record_is_cut_off},
    {"rot_below_what_was_synced_refuses_to_start",
     rot_below_what_was_synced_refuses_to_start},
    {"a_missing_table_refuses_to_start", a_missing_table_refuses_to_start},
    {"a_table_of_the_wrong_size_refuses_to_start",
     a_table_of_the_wrong_size_refuses_to_start},
    {"a_damaged_footer_or_index_refuses_to_start",
     a_damaged_footer_or_index_refuses_to_start},
    {"a_damaged_block_is_an_error_where_it_is_read",
     a_damaged_block_is_an_error_where_it_is_read},
    CU_TEST_INFO_NULL,
};
