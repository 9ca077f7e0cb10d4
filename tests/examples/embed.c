/* A program with a store inside: everything a first afternoon with riptide.h needs.
 *
 *     cc embed.c $(pkg-config --cflags --libs riptide) -o embed && ./embed DIRECTORY
 */
#include <riptide.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Says what went wrong and ends the program. */
static void check(enum riptide_error e, const char *what)
{
    if (e == RIPTIDE_OK) return;
    fprintf(stderr, "%s: %s\n", what, riptide_error_text(e));
    exit(1);
}

static void put(struct riptide *store, const char *key, const char *value)
{
    check(riptide_put(store, key, strlen(key), value, strlen(value)), "put");
}

static void show(struct riptide *store, const char *key)
{
    const void *value;
    size_t size;
    struct riptide_failure why;
    enum riptide_error e = riptide_get(store, key, strlen(key), &value, &size, &why);
    if (e == RIPTIDE_OK)
        printf("%s is %.*s\n", key, (int)size, (const char *)value);
    else if (e == RIPTIDE_NOT_FOUND)
        printf("%s is not there\n", key);
    else
        printf("%s cannot be read: %s\n", key, why.text);
}

/* Two changes that no crash can tear apart: money moves. */
static void transfer(struct riptide *store, const char *from_left, const char *to_has)
{
    struct riptide_batch *batch = riptide_batch_new();
    if (!batch) check(RIPTIDE_NO_MEMORY, "batch");
    check(riptide_batch_put(batch, "account:ann", 11, from_left, strlen(from_left)),
          "put");
    check(riptide_batch_put(batch, "account:bob", 11, to_has, strlen(to_has)), "put");
    check(riptide_write(store, batch), "write");
    riptide_batch_free(batch);
}

/* Many changes that share one write and one sync. */
static void fill(struct riptide *store, int n)
{
    char key[32], value[32];
    check(riptide_group_begin(store), "begin");
    for (int i = 0; i < n; i++) {
        snprintf(key, sizeof key, "item:%04d", i);
        snprintf(value, sizeof value, "%d", i * i);
        put(store, key, value);
    }
    check(riptide_group_commit(store), "commit");
}

/* All keys that begin with a prefix. */
static int count(struct riptide *store, const char *prefix)
{
    struct riptide_iter *it;
    struct riptide_failure why;
    size_t n = strlen(prefix), size;
    int found = 0;
    check(riptide_iter_new(store, &it), "iterator");
    for (riptide_iter_seek(it, prefix, n); riptide_iter_valid(it);
         riptide_iter_next(it)) {
        const void *key = riptide_iter_key(it, &size);
        if (size < n || memcmp(key, prefix, n) != 0) break;
        found++;
    }
    check(riptide_iter_error(it, &why), "iterator");
    riptide_iter_free(it);
    return found;
}

int main(int argc, char **argv)
{
    struct riptide *store;
    struct riptide_failure why;
    struct riptide_options options;
    if (argc != 2) {
        fprintf(stderr, "usage: embed DIRECTORY\n");
        return 2;
    }
    riptide_options_init(&options);
    options.sync = RIPTIDE_SYNC_ALWAYS; /* what has returned survives a power cut */
    if (riptide_open(argv[1], &options, &store, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    put(store, "greeting", "hello");
    show(store, "greeting");
    check(riptide_delete(store, "greeting", 8), "delete");
    show(store, "greeting");

    transfer(store, "70", "30");
    show(store, "account:ann");
    show(store, "account:bob");

    fill(store, 1000);
    printf("%d items\n", count(store, "item:"));
    show(store, "item:0012");

    check(riptide_compact(store), "compact");
    struct riptide_stats stats;
    riptide_stats_get(store, &stats);
    printf("%s\n", stats.flushes > 0 ? "everything is in tables now" : "no table yet");
    check(riptide_close(store), "close");
    check(riptide_check(argv[1], NULL, NULL), "check");
    printf("sound\n");
    return 0;
}
