/* replay.c - plays files through a target: one that a fuzzer found, or all of regress/.
 *
 *   TARGET FILE...      exit 0 when every file passes; a claim or a sanitizer aborts
 */
#include "fuzz/target.h"

static void play(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) {
        perror(path);
        exit(2);
    }
    size_t size = (size_t)ftell(f);
    rewind(f);
    /* Exactly as large as the input, so that reading beyond it is seen. */
    uint8_t *data = malloc(size ? size : 1);
    if (!data || fread(data, 1, size, f) != size) exit(2);
    fclose(f);
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        play(argv[i]);
    return 0;
}
