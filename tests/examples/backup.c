/* A journal that is read from its end, and copied while it is written.
 *
 *     backup write DIRECTORY COPY     writes, copies, goes on writing
 *     backup read DIRECTORY           prints the last three entries, newest first
 */
#include <riptide.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(enum riptide_error e, const struct riptide_failure *why)
{
    if (e == RIPTIDE_OK) return;
    fprintf(stderr, "%s\n", why ? why->text : riptide_error_text(e));
    exit(1);
}

static void write_entries(struct riptide *store, int from, int to)
{
    char key[32], value[32];
    for (int i = from; i < to; i++) {
        snprintf(key, sizeof key, "entry:%06d", i);
        snprintf(value, sizeof value, "the %d. entry", i);
        check(riptide_put(store, key, strlen(key), value, strlen(value)), NULL);
    }
}

/* The last three, as of the snapshot or, when that is NULL, now. */
static void print_last(struct riptide *store, const struct riptide_snapshot *snapshot)
{
    struct riptide_iter *it;
    struct riptide_failure why;
    size_t size;
    int n = 0;
    check(riptide_iter_new_at(store, snapshot, &it), NULL);
    check(riptide_iter_set_bounds(it, "entry:", 6, "entry;", 6), NULL);
    for (riptide_iter_last(it); riptide_iter_valid(it) && n < 3; riptide_iter_prev(it)) {
        const char *value = riptide_iter_value(it, &size);
        printf("%s%.*s", n++ ? ", " : "", (int)size, value);
    }
    printf("\n");
    check(riptide_iter_error(it, &why), &why);
    riptide_iter_free(it);
}

int main(int argc, char **argv)
{
    struct riptide *store;
    struct riptide_snapshot *before;
    struct riptide_failure why;
    if (argc < 3) return 2;
    check(riptide_open(argv[2], NULL, &store, &why), &why);
    if (argc == 4 && !strcmp(argv[1], "write")) {
        write_entries(store, 0, 1000);
        check(riptide_snapshot_new(store, &before), NULL);
        check(riptide_checkpoint(store, argv[3], &why), &why);
        write_entries(store, 1000, 2000);
        printf("before: ");
        print_last(store, before);
        riptide_snapshot_free(store, before);
        printf("now: ");
    }
    print_last(store, NULL);
    check(riptide_close(store), NULL);
    return 0;
}
