#include "tests/support/check.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/err.h"
#include "engine/riptide.h"
#include "fault/plan.h"

/* A directory of its own on the real disk, with a store in it. */
static char dir[64], path[80];
static struct riptide *store;
static struct riptide_failure why;

static void remove_tree(const char *name)
{
    char inner[512];
    DIR *d = opendir(name);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        snprintf(inner, sizeof inner, "%s/%s", name, e->d_name);
        remove_tree(inner);
    }
    if (d) closedir(d);
    remove(name);
}

static void begin(const struct riptide_options *options)
{
    snprintf(dir, sizeof dir, "build/riptide-XXXXXX");
    REQUIRE(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/store", dir);
    enum riptide_error e = riptide_open(path, options, &store, &why);
    if (e) printf("  %s\n", why.text);
    REQUIRE_INT(e, RIPTIDE_OK);
}

static void end(void)
{
    CHECK_INT(riptide_close(store), RIPTIDE_OK);
    store = NULL;
    CHECK_INT(riptide_check(path, NULL, NULL), RIPTIDE_OK);
    remove_tree(dir);
}

struct heard {
    char text[512];
};

static void hear(void *arg, enum riptide_error error, const char *line)
{
    struct heard *h = arg;
    snprintf(h->text, sizeof h->text, "%s: %s", riptide_error_text(error), line);
}

static void reopen(void)
{
    REQUIRE_INT(riptide_close(store), RIPTIDE_OK);
    REQUIRE_INT(riptide_open(path, NULL, &store, &why), RIPTIDE_OK);
}

static void put(const char *key, const char *value)
{
    REQUIRE_INT(riptide_put(store, key, strlen(key), value, strlen(value)), RIPTIDE_OK);
}

static void expect(const char *key, const char *want)
{
    const void *value = NULL;
    size_t size = 0;
    enum riptide_error e = riptide_get(store, key, strlen(key), &value, &size, &why);
    CHECK_INT(e, want ? RIPTIDE_OK : RIPTIDE_NOT_FOUND);
    if (!e && want) CHECK_SLICE(slice_of(value, size), slice_text(want));
}

static void what_was_put_is_there_after_a_reopen(void)
{
    begin(NULL);
    put("k", "one");
    put("k", "two");
    put("gone", "soon");
    CHECK_INT(riptide_delete(store, "gone", 4), RIPTIDE_OK);
    CHECK_INT(riptide_delete(store, "never", 5), RIPTIDE_OK);
    expect("k", "two");
    reopen();
    expect("k", "two");
    expect("gone", NULL);
    end();
}

static void a_batch_is_written_as_one_and_may_be_used_again(void)
{
    struct riptide_batch *b = riptide_batch_new();
    REQUIRE(b != NULL);
    begin(NULL);
    put("old", "1");
    CHECK_INT(riptide_batch_put(b, "a", 1, "1", 1), RIPTIDE_OK);
    CHECK_INT(riptide_batch_delete(b, "old", 3), RIPTIDE_OK);
    expect("a", NULL); /* not yet */
    CHECK_INT(riptide_write(store, b), RIPTIDE_OK);
    expect("a", "1");
    expect("old", NULL);
    riptide_batch_clear(b);
    CHECK_INT(riptide_batch_put(b, "b", 1, "2", 1), RIPTIDE_OK);
    CHECK_INT(riptide_write(store, b), RIPTIDE_OK);
    riptide_batch_free(b);
    riptide_batch_free(NULL);
    reopen();
    expect("a", "1");
    expect("b", "2");
    end();
}

static void a_group_shares_one_log_write(void)
{
    struct riptide_stats before, after;
    begin(NULL);
    riptide_set_sync(store, RIPTIDE_SYNC_ALWAYS);
    riptide_stats_get(store, &before);
    REQUIRE_INT(riptide_group_begin(store), RIPTIDE_OK);
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        put(key, "v");
    }
    expect("k99", "v");
    REQUIRE_INT(riptide_group_commit(store), RIPTIDE_OK);
    riptide_stats_get(store, &after);
    CHECK_INT(after.syncs - before.syncs, 1);
    reopen();
    expect("k0", "v");
    end();
}

static void an_iterator_walks_in_order_over_what_was_there(void)
{
    struct riptide_iter *it;
    char walked[64] = "";
    size_t size;
    begin(NULL);
    put("b", "2");
    put("a", "1");
    put("c", "3");
    REQUIRE_INT(riptide_iter_new(store, &it), RIPTIDE_OK);
    put("d", "late");
    for (riptide_iter_first(it); riptide_iter_valid(it); riptide_iter_next(it)) {
        strncat(walked, riptide_iter_key(it, &size), 1);
        strncat(walked, riptide_iter_value(it, &size), 1);
    }
    CHECK_TEXT(walked, "a1b2c3");
    CHECK_INT(riptide_iter_error(it, &why), RIPTIDE_OK);
    riptide_iter_seek(it, "bb", 2);
    REQUIRE(riptide_iter_valid(it));
    CHECK_SLICE(slice_of(riptide_iter_key(it, &size), 1), slice_text("c"));
    riptide_iter_free(it);
    riptide_iter_free(NULL);
    end();
}

/* The keys from where it stands, in the direction of `move`. */
static void expect_keys(struct riptide_iter *it, void (*move)(struct riptide_iter *),
                        const char *want)
{
    char walked[64] = "";
    size_t size;
    for (; riptide_iter_valid(it); move(it))
        strncat(walked, riptide_iter_key(it, &size), 1);
    CHECK_INT(riptide_iter_error(it, &why), RIPTIDE_OK);
    CHECK_TEXT(walked, want);
}

static void an_iterator_walks_both_ways_and_within_bounds(void)
{
    struct riptide_iter *it;
    begin(NULL);
    for (const char *key = "adbce"; *key; key++)
        REQUIRE_INT(riptide_put(store, key, 1, "v", 1), RIPTIDE_OK);
    REQUIRE_INT(riptide_iter_new(store, &it), RIPTIDE_OK);
    riptide_iter_last(it);
    expect_keys(it, riptide_iter_prev, "edcba");
    riptide_iter_seek_for_prev(it, "cc", 2);
    expect_keys(it, riptide_iter_prev, "cba");
    REQUIRE_INT(riptide_iter_set_bounds(it, "b", 1, "d", 1), RIPTIDE_OK);
    CHECK(!riptide_iter_valid(it));
    riptide_iter_first(it);
    expect_keys(it, riptide_iter_next, "bc");
    riptide_iter_last(it);
    expect_keys(it, riptide_iter_prev, "cb");
    REQUIRE_INT(riptide_iter_set_bounds(it, NULL, 0, "b", 1), RIPTIDE_OK);
    riptide_iter_last(it);
    expect_keys(it, riptide_iter_next, "a");
    riptide_iter_free(it);
    end();
}

static void a_snapshot_shows_its_moment_to_gets_and_iterators(void)
{
    struct riptide_snapshot *s;
    struct riptide_iter *it;
    const void *value;
    size_t size;
    begin(NULL);
    put("a", "1");
    put("b", "1");
    REQUIRE_INT(riptide_snapshot_new(store, &s), RIPTIDE_OK);
    put("a", "2");
    put("c", "2");
    CHECK_INT(riptide_delete(store, "b", 1), RIPTIDE_OK);
    CHECK_INT(riptide_compact(store), RIPTIDE_OK);
    REQUIRE_INT(riptide_get_at(store, s, "a", 1, &value, &size, &why), RIPTIDE_OK);
    CHECK_SLICE(slice_of(value, size), slice_text("1"));
    CHECK_INT(riptide_get_at(store, s, "c", 1, &value, &size, &why), RIPTIDE_NOT_FOUND);
    REQUIRE_INT(riptide_get_at(store, NULL, "a", 1, &value, &size, &why), RIPTIDE_OK);
    CHECK_SLICE(slice_of(value, size), slice_text("2"));
    REQUIRE_INT(riptide_iter_new_at(store, s, &it), RIPTIDE_OK);
    riptide_iter_first(it);
    expect_keys(it, riptide_iter_next, "ab");
    riptide_iter_free(it);
    riptide_snapshot_free(store, s);
    riptide_snapshot_free(store, NULL);
    end();
}

/* The copy is a store like any other, in another directory, and shares its tables. */
static void a_checkpoint_is_a_store_of_its_own(void)
{
    char copy[100], parent[80], table[128];
    struct riptide *other;
    struct stat st;
    begin(NULL);
    snprintf(parent, sizeof parent, "%s/backups", dir);
    snprintf(copy, sizeof copy, "%s/monday", parent);
    CHECK_INT(riptide_checkpoint(store, copy, &why), RIPTIDE_MISSING); /* no parent */
    REQUIRE_INT(mkdir(parent, 0777), 0);
    put("a", "1");
    put("b", "1");
    enum riptide_error e = riptide_checkpoint(store, copy, &why);
    if (e) printf("  %s\n", why.text);
    REQUIRE_INT(e, RIPTIDE_OK);
    put("a", "2");
    CHECK_INT(riptide_checkpoint(store, copy, &why), RIPTIDE_EXISTS);
    snprintf(table, sizeof table, "%s/000003.sst", copy);
    for (int i = 3; stat(table, &st) && i < 9; i++)
        snprintf(table, sizeof table, "%s/%06d.sst", copy, i);
    CHECK_INT(st.st_nlink, 2);

    struct riptide *mine = store;
    REQUIRE_INT(riptide_open(copy, NULL, &other, &why), RIPTIDE_OK);
    store = other;
    expect("a", "1");
    put("b", "3");
    CHECK_INT(riptide_compact(other), RIPTIDE_OK);
    CHECK_INT(riptide_close(other), RIPTIDE_OK);
    CHECK_INT(riptide_check(copy, NULL, NULL), RIPTIDE_OK);
    store = mine;
    expect("a", "2");
    expect("b", "1");
    reopen();
    expect("a", "2");
    end();
}

static void a_checkpoint_says_why_it_failed(void)
{
    static const struct {
        const char *pattern;
        bool flushed; /* before it */
        int os_error;
        const char *reason;
    } cases[] = {
        {"fs/manifest/write/enospc", true, ENOSPC, "No space left on device"},
        {"fs/sst/write/enospc", false, ENOSPC, "No space left on device"},
        {"fs/sst/link/eio", true, EIO, "Input/output error"},
    };
    char copy[100];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct plan plan = {.pattern = cases[i].pattern, .kth = 1, .sticky = true};
        begin(NULL);
        snprintf(copy, sizeof copy, "%s/copy", dir);
        put("k", "v");
        if (cases[i].flushed) REQUIRE_INT(riptide_flush(store), RIPTIDE_OK);
        if (plan_arm(&plan) == 0) { /* built with faults */
            CHECK(riptide_checkpoint(store, copy, &why) != RIPTIDE_OK);
            plan_disarm_all();
            if (!strstr(why.text, cases[i].reason)) printf("  %s\n", why.text);
            CHECK(strstr(why.text, "copy: ") != NULL);
            CHECK(strstr(why.text, cases[i].reason) != NULL);
            CHECK_INT(why.os_error, cases[i].os_error);
        }
        end();
    }
}

/* Who deletes the store would delete its backup. */
static void a_checkpoint_inside_a_store_is_refused(void)
{
    char copy[100];
    struct stat st;
    begin(NULL);
    snprintf(copy, sizeof copy, "%s/copy", path);
    CHECK_INT(riptide_checkpoint(store, copy, &why), RIPTIDE_INVALID);
    CHECK(strstr(why.text, "inside the directory of a store") != NULL);
    CHECK(stat(copy, &st) != 0);

    char deep[88], deeper[100], link[88];
    snprintf(deep, sizeof deep, "%s/deep", path);
    snprintf(deeper, sizeof deeper, "%s/deeper", deep);
    snprintf(link, sizeof link, "%s/link", dir);
    REQUIRE_INT(mkdir(deep, 0777), 0);
    REQUIRE_INT(mkdir(deeper, 0777), 0);
    REQUIRE_INT(symlink("store/deep/deeper", link), 0);
    snprintf(copy, sizeof copy, "%s/copy", link);
    CHECK_INT(riptide_checkpoint(store, copy, &why), RIPTIDE_INVALID);
    CHECK(strstr(why.text, "inside the directory of a store") != NULL);
    CHECK(stat(copy, &st) != 0);
    REQUIRE_INT(rmdir(deeper), 0);
    REQUIRE_INT(rmdir(deep), 0);
    end();
}

/* At the limit it works, one byte beyond it nothing happens. (What is refused is not
 * read: no such value is there.) */
static void keys_and_values_have_exact_limits(void)
{
    static char key[RIPTIDE_KEY_BYTES_MAX + 1];
    const size_t most = RIPTIDE_VALUE_BYTES_MAX;
    const void *value;
    size_t size;
    begin(NULL);
    struct riptide_batch *b = riptide_batch_new();
    REQUIRE(b != NULL);
    memset(key, 'k', sizeof key);
    CHECK_INT(riptide_put(store, key, sizeof key - 1, "v", 1), RIPTIDE_OK);
    CHECK_INT(riptide_put(store, key, sizeof key, "v", 1), RIPTIDE_TOO_LARGE);
    CHECK_INT(riptide_delete(store, key, sizeof key), RIPTIDE_TOO_LARGE);
    CHECK_INT(riptide_put(store, "k", 1, key, most + 1), RIPTIDE_TOO_LARGE);
    CHECK_INT(riptide_batch_put(b, key, sizeof key, "v", 1), RIPTIDE_TOO_LARGE);
    CHECK_INT(riptide_batch_delete(b, key, sizeof key), RIPTIDE_TOO_LARGE);
    CHECK_INT(riptide_batch_put(b, "k", 1, key, most + 1), RIPTIDE_TOO_LARGE);
    CHECK_INT(riptide_write(store, b), RIPTIDE_OK); /* nothing is in it */
    riptide_batch_free(b);
    CHECK_INT(riptide_compact(store), RIPTIDE_OK);
    reopen();
    REQUIRE_INT(riptide_get(store, key, sizeof key - 1, &value, &size, &why), RIPTIDE_OK);
    CHECK_SLICE(slice_of(value, size), slice_text("v"));
    expect("k", NULL);
    CHECK_TEXT(riptide_error_text(RIPTIDE_TOO_LARGE), err_text(ERR_TOO_LARGE));
    end();
}

/* The largest value, and a batch that is full with two of them but for what the changes
 * cost beside their values. */
static void a_batch_takes_a_gibibyte_and_no_more(void)
{
    const size_t most = RIPTIDE_VALUE_BYTES_MAX;
    char *value = calloc(1, most); /* pages of zeros: no memory until it is written */
    struct riptide_batch *b = riptide_batch_new();
    REQUIRE(value != NULL && b != NULL);
    CHECK_INT(riptide_batch_put(b, "a", 1, value, most), RIPTIDE_OK);
    CHECK_INT(riptide_batch_put(b, "b", 1, value, most), RIPTIDE_TOO_LARGE);
    CHECK_INT(riptide_batch_put(b, "b", 1, value, most - 100), RIPTIDE_OK);
    CHECK_INT(riptide_batch_put(b, "c", 1, value, 100), RIPTIDE_TOO_LARGE);
    CHECK_INT(riptide_batch_delete(b, "a", 1), RIPTIDE_OK);
    riptide_batch_free(b);
    free(value);
}

static void much_data_passes_through_flush_and_compaction(void)
{
    static const bool threads[] = {false, true};
    for (int pass = 0; pass < 2; pass++) {
        struct riptide_options o;
        struct riptide_stats s;
        char key[16], value[100];
        riptide_options_init(&o);
        CHECK(o.threads);
        o.threads = threads[pass];
        o.sync = RIPTIDE_SYNC_NO;
        o.memtable_bytes = 256 << 10;
        o.table_bytes = 256 << 10;
        o.level1_bytes = 512 << 10;
        begin(&o);
        CHECK((riptide_poll_fd(store) >= 0) == threads[pass]);
        memset(value, 'v', sizeof value);
        for (int i = 0; i < 20000; i++) {
            snprintf(key, sizeof key, "%08d", i * 7919 % 20000);
            REQUIRE_INT(riptide_put(store, key, 8, value, sizeof value), RIPTIDE_OK);
        }
        REQUIRE_INT(riptide_flush(store), RIPTIDE_OK);
        REQUIRE_INT(riptide_compact(store), RIPTIDE_OK);
        riptide_stats_get(store, &s);
        CHECK(s.flushes > 3);
        CHECK(s.compactions > 0);
        uint64_t entries = 0;
        for (int l = 0; l < RIPTIDE_LEVELS; l++)
            entries += s.level[l].entries;
        CHECK_INT(entries, 20000);
        CHECK(!riptide_busy(store));
        end();
    }
}

static void sync_now_covers_what_was_written_without_syncs(void)
{
    struct riptide_stats before, after;
    struct riptide_options o;
    riptide_options_init(&o);
    o.sync = RIPTIDE_SYNC_NO;
    begin(&o);
    put("k", "v");
    riptide_stats_get(store, &before);
    CHECK_INT(riptide_sync_now(store, &why), RIPTIDE_OK);
    riptide_stats_get(store, &after);
    CHECK_INT(after.syncs, before.syncs + 1);
    CHECK_INT(riptide_write_error(store, &why), RIPTIDE_OK);
    riptide_step(store);
    CHECK(riptide_step_timeout_ms(store) >= -1);
    end();
}

static void refusals_say_what_where_and_why(void)
{
    struct riptide *second;
    struct riptide_options o;
    begin(NULL);
    pid_t child = fork(); /* a lock is a process's own */
    if (child == 0) _exit(riptide_open(path, NULL, &second, &why) == RIPTIDE_LOCKED);
    int status = 0;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);

    CHECK_INT(riptide_open(path, NULL, &second, &why), RIPTIDE_LOCKED);
    CHECK(strstr(why.text, "by another process, or opened by this one") != NULL);

    riptide_options_init(&o);
    o.create_if_missing = false;
    char other[128];
    snprintf(other, sizeof other, "%s/other", dir);
    CHECK_INT(riptide_open(other, &o, &second, &why), RIPTIDE_MISSING);
    CHECK(strstr(why.text, "other") != NULL);
    CHECK_INT(why.error, RIPTIDE_MISSING);
    snprintf(other, sizeof other, "%s/no/such", dir);
    CHECK_INT(riptide_open(other, NULL, &second, &why), RIPTIDE_MISSING);
    CHECK_INT(why.os_error, 2);
    o.block_bytes = 1;
    CHECK_INT(riptide_open(path, &o, &second, &why), RIPTIDE_INVALID);
    CHECK(strstr(why.text, "block_bytes") != NULL);
    static const char *const paths[] = {"", "/", "..", "a/..", "."};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        CHECK_INT(riptide_open(paths[i], NULL, &second, &why), RIPTIDE_INVALID);
    CHECK_INT(riptide_close(NULL), RIPTIDE_OK);
    end();
}

/* Things that are no files, in the place of one or with the name of one. */
static void what_is_no_file_is_named_and_not_waited_for(void)
{
    enum { DIRECTORY, PIPE, LINK };
    static const struct {
        int what;
        const char *name, *reason;
        bool needed;
    } cases[] = {
        {DIRECTORY, "999999.sst", "a directory in place of a file", false},
        {DIRECTORY, "000002.log", "a directory in place of a file", true},
        {PIPE, "000002.log", "neither a file nor a directory", true},
        {LINK, "000002.log", "a symbolic link in place of a file", true},
        {PIPE, "CURRENT", "neither a file nor a directory", true},
        {PIPE, "LOCK", "neither a file nor a directory", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char odd[128], kept[140];
        struct heard h = {""};
        begin(NULL);
        CHECK_INT(riptide_close(store), RIPTIDE_OK);
        snprintf(odd, sizeof odd, "%s/%s", path, cases[i].name);
        snprintf(kept, sizeof kept, "%s.kept", odd);
        if (cases[i].needed) REQUIRE_INT(rename(odd, kept), 0);
        if (cases[i].what == DIRECTORY) REQUIRE_INT(mkdir(odd, 0777), 0);
        if (cases[i].what == PIPE) REQUIRE_INT(mkfifo(odd, 0666), 0);
        if (cases[i].what == LINK) REQUIRE_INT(symlink(kept, odd), 0);

        CHECK_INT(riptide_open(path, NULL, &store, &why), RIPTIDE_IO);
        if (!strstr(why.text, "move it")) printf("  open: %s\n", why.text);
        CHECK(strstr(why.text, cases[i].name) && strstr(why.text, cases[i].reason));
        CHECK(strstr(why.text, "move it") != NULL);
        (void)riptide_check(path, hear, &h);
        if (!strstr(h.text, cases[i].reason)) printf("  check: %s\n", h.text);
        CHECK(strstr(h.text, cases[i].name) && strstr(h.text, cases[i].reason));

        REQUIRE_INT(remove(odd), 0);
        if (cases[i].needed) REQUIRE_INT(rename(kept, odd), 0);
        REQUIRE_INT(riptide_open(path, NULL, &store, &why), RIPTIDE_OK);
        end();
    }
}

static void a_path_may_end_in_slashes(void)
{
    begin(NULL);
    put("k", "v");
    REQUIRE_INT(riptide_close(store), RIPTIDE_OK);
    strcat(path, "//");
    REQUIRE_INT(riptide_open(path, NULL, &store, NULL), RIPTIDE_OK);
    expect("k", "v");
    end();
}

static void a_check_reports_damage(void)
{
    struct heard h = {""};
    char table[128];
    begin(NULL);
    put("k", "v");
    REQUIRE_INT(riptide_flush(store), RIPTIDE_OK);
    REQUIRE_INT(riptide_close(store), RIPTIDE_OK);
    for (int number = 1; number < 10; number++) {
        snprintf(table, sizeof table, "%s/%06d.sst", path, number);
        FILE *f = fopen(table, "r+");
        if (!f) continue;
        fputc('X', f);
        fclose(f);
    }
    CHECK_INT(riptide_check(path, hear, &h), RIPTIDE_CORRUPT);
    CHECK(strstr(h.text, "data is damaged: ") && strstr(h.text, ".sst"));
    REQUIRE_INT(riptide_open(path, NULL, &store, &why), RIPTIDE_OK);
    const void *value;
    size_t size;
    CHECK_INT(riptide_get(store, "k", 1, &value, &size, &why), RIPTIDE_CORRUPT);
    CHECK(strstr(why.text, ".sst") != NULL);
    CHECK_INT(riptide_close(store), RIPTIDE_OK);
    remove_tree(dir);
}

static void texts_and_version_are_there(void)
{
    CHECK_TEXT(riptide_version(), RIPTIDE_VERSION);
    for (int e = RIPTIDE_OK; e <= RIPTIDE_BUSY; e++)
        CHECK(strlen(riptide_error_text((enum riptide_error)e)) > 1);
}

/* 100 KB of the same letter as the tables of one store. */
static void flush_letters(void)
{
    char key[32], value[1001];
    memset(value, 'a', 1000);
    value[1000] = 0;
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        put(key, value);
    }
    CHECK_INT(riptide_flush(store), RIPTIDE_OK);
}

static void a_level_is_compressed_if_its_option_says_so(void)
{
    struct riptide_options o;
    struct riptide_stats s;
    riptide_options_init(&o);
    CHECK_INT(o.compression[1], RIPTIDE_COMPRESSION_NONE);
    CHECK_INT(o.compression[2], RIPTIDE_COMPRESSION_LZ4);
    begin(&o);
    flush_letters();
    riptide_stats_get(store, &s);
    CHECK_INT(s.compression, 1000);
    CHECK_INT(s.level[0].saved, 0);
    end();

    o.compression[0] = RIPTIDE_COMPRESSION_LZ4;
    begin(&o);
    flush_letters();
    riptide_stats_get(store, &s);
    CHECK(s.compression > 5000);
    CHECK(s.level[0].bytes + s.level[0].saved > 100000);
    CHECK(s.level[0].bytes < 20000);
    end();
}

static void a_codec_that_is_none_is_refused(void)
{
    struct riptide_options o;
    struct riptide *none;
    riptide_options_init(&o);
    o.compression[6] = (enum riptide_compression)7;
    CHECK_INT(riptide_open("/tmp/never", &o, &none, &why), RIPTIDE_INVALID);
    CHECK_TEXT(why.text, "option compression[6]: 7 is not a codec");
}

/* The code may come from outside: a file, a peer, another version. */
static void a_number_that_is_no_error_has_a_text_too(void)
{
    CHECK_TEXT(riptide_error_text((enum riptide_error)(-1)), "unknown error");
    CHECK_TEXT(riptide_error_text((enum riptide_error)(RIPTIDE_BUSY + 1)),
               "unknown error");
}

/* The limit is one of names, not of paths: what is behind the last slash counts. */
static void a_name_that_is_too_long_is_told_with_the_limit(void)
{
    char name[6001];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    CHECK_INT(riptide_open(name, NULL, &store, &why), RIPTIDE_INVALID);
    CHECK(strstr(why.text, "name of 6000 bytes is too long; the limit is 255") != NULL);
    CHECK_INT(riptide_check(name, NULL, NULL), RIPTIDE_INVALID);
    CHECK_INT(riptide_open("a/..", NULL, &store, &why), RIPTIDE_INVALID);
    CHECK(strstr(why.text, "has to end in the directory's own name") != NULL);
    begin(NULL);
    CHECK_INT(riptide_checkpoint(store, name, &why), RIPTIDE_INVALID);
    CHECK(strstr(why.text, "the limit is 255") != NULL);
    end();
}

/* A link that leads nowhere has the name all the same, and so has one to a directory that
 * looks like what a checkpoint leaves: that one is somebody else's to empty. */
static void a_checkpoint_does_not_follow_links(void)
{
    char copy[100], tmp[110], elsewhere[100], table[128];
    struct stat st;
    begin(NULL);
    put("k", "v");
    snprintf(copy, sizeof copy, "%s/copy", dir);
    snprintf(tmp, sizeof tmp, "%s.tmp", copy);
    REQUIRE_INT(symlink("nowhere", copy), 0);
    CHECK_INT(riptide_checkpoint(store, copy, &why), RIPTIDE_EXISTS);
    CHECK_TEXT(why.text, "copy: is there already");
    CHECK(lstat(tmp, &st) != 0);
    REQUIRE_INT(unlink(copy), 0);

    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", dir);
    snprintf(table, sizeof table, "%s/000001.sst", elsewhere);
    REQUIRE_INT(mkdir(elsewhere, 0777), 0);
    REQUIRE_INT(symlink("nowhere", table), 0);
    REQUIRE_INT(symlink("elsewhere", tmp), 0);
    CHECK_INT(riptide_checkpoint(store, copy, &why), RIPTIDE_FOREIGN);
    CHECK_TEXT(why.text, "copy.tmp: in the way, and no directory");
    CHECK_INT(lstat(table, &st), 0);
    REQUIRE_INT(unlink(tmp), 0);
    CHECK_INT(riptide_checkpoint(store, copy, &why), RIPTIDE_OK);
    end();
}

static void a_policy_that_is_none_is_refused_and_changes_nothing(void)
{
    struct riptide_stats before, after;
    begin(NULL);
    REQUIRE_INT(riptide_set_sync(store, RIPTIDE_SYNC_ALWAYS), RIPTIDE_OK);
    CHECK_INT(riptide_set_sync(store, (enum riptide_sync)3), RIPTIDE_INVALID);
    CHECK_INT(riptide_set_sync(store, (enum riptide_sync)(-1)), RIPTIDE_INVALID);
    riptide_stats_get(store, &before);
    put("k", "v");
    riptide_stats_get(store, &after);
    CHECK_INT(after.syncs - before.syncs, 1);
    end();
}

CU_TestInfo engine_riptide_tests[] = {
    {"what_was_put_is_there_after_a_reopen", what_was_put_is_there_after_a_reopen},
    {"a_batch_is_written_as_one_and_may_be_used_again",
     a_batch_is_written_as_one_and_may_be_used_again},
    {"a_group_shares_one_log_write", a_group_shares_one_log_write},
    {"an_iterator_walks_in_order_over_what_was_there",
     an_iterator_walks_in_order_over_what_was_there},
    {"an_iterator_walks_both_ways_and_within_bounds",
     an_iterator_walks_both_ways_and_within_bounds},
    {"a_snapshot_shows_its_moment_to_gets_and_iterators",
     a_snapshot_shows_its_moment_to_gets_and_iterators},
    {"a_checkpoint_is_a_store_of_its_own", a_checkpoint_is_a_store_of_its_own},
    {"a_checkpoint_says_why_it_failed", a_checkpoint_says_why_it_failed},
    {"a_checkpoint_inside_a_store_is_refused", a_checkpoint_inside_a_store_is_refused},
    {"keys_and_values_have_exact_limits", keys_and_values_have_exact_limits},
    {"a_batch_takes_a_gibibyte_and_no_more", a_batch_takes_a_gibibyte_and_no_more},
    {"much_data_passes_through_flush_and_compaction",
     much_data_passes_through_flush_and_compaction},
    {"sync_now_covers_what_was_written_without_syncs",
     sync_now_covers_what_was_written_without_syncs},
    {"refusals_say_what_where_and_why", refusals_say_what_where_and_why},
    {"what_is_no_file_is_named_and_not_waited_for",
     what_is_no_file_is_named_and_not_waited_for},
    {"a_path_may_end_in_slashes", a_path_may_end_in_slashes},
    {"a_check_reports_damage", a_check_reports_damage},
    {"texts_and_version_are_there", texts_and_version_are_there},
    {"a_level_is_compressed_if_its_option_says_so",
     a_level_is_compressed_if_its_option_says_so},
    {"a_codec_that_is_none_is_refused", a_codec_that_is_none_is_refused},
    {"a_number_that_is_no_error_has_a_text_too",
     a_number_that_is_no_error_has_a_text_too},
    {"a_name_that_is_too_long_is_told_with_the_limit",
     a_name_that_is_too_long_is_told_with_the_limit},
    {"a_checkpoint_does_not_follow_links", a_checkpoint_does_not_follow_links},
    {"a_policy_that_is_none_is_refused_and_changes_nothing",
     a_policy_that_is_none_is_refused_and_changes_nothing},
    CU_TEST_INFO_NULL,
};
