/* Counts in a store until it is killed; then says how far it had come.
 *
 *     durable write DIRECTORY     prints each number once it is in the store
 *     durable read DIRECTORY      prints the last number that is there, all before it too
 */
#include <riptide.h>
#include <stdio.h>
#include <string.h>

static int write_numbers(struct riptide *store)
{
    char key[16];
    for (int i = 0;; i++) {
        snprintf(key, sizeof key, "%08d", i);
        enum riptide_error e = riptide_put(store, key, strlen(key), "here", 4);
        if (e) {
            fprintf(stderr, "put: %s\n", riptide_error_text(e));
            return 1;
        }
        printf("%d\n", i);
        fflush(stdout);
    }
}

static int read_numbers(struct riptide *store)
{
    char key[16];
    const void *value;
    size_t size;
    struct riptide_failure why;
    enum riptide_error e = RIPTIDE_OK;
    int i = 0;
    for (;; i++) {
        snprintf(key, sizeof key, "%08d", i);
        e = riptide_get(store, key, strlen(key), &value, &size, &why);
        if (e) break;
    }
    printf("%d\n", i - 1);
    return e == RIPTIDE_NOT_FOUND ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct riptide *store;
    struct riptide_failure why;
    struct riptide_options options;
    if (argc != 3) return 2;
    riptide_options_init(&options);
    options.memtable_bytes = 64 << 10; /* so that tables come and go meanwhile */
    if (riptide_open(argv[2], &options, &store, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    int code = strcmp(argv[1], "write") ? read_numbers(store) : write_numbers(store);
    return riptide_close(store) ? 1 : code;
}
