/* A store of each format version, as its files were once written, opens for ever and holds
 * what it held. tests/golden/README.md says how a file comes to be. */
#include "tests/support/check.h"
#include "tests/support/teststore.h"

#include <stdio.h>
#include <stdlib.h>

#define FOLDER   "tests/golden/"
#define LINE_MAX 256
#define ROW      32 /* bytes in a line */

static struct teststore t;
static struct disk_dir *dir;

static void begin(void)
{
    teststore_init(&t);
    struct disk_dir *root;
    REQUIRE_INT(disk_mkdir(t.disk, TESTSTORE_DIR, SITE_DIR_MKDIR), 0);
    REQUIRE_INT(disk_dir_open(t.disk, ".", &root), 0);
    REQUIRE_INT(disk_dir_sync(root, SITE_OTHER_DIRSYNC), 0);
    disk_dir_close(root);
    REQUIRE_INT(disk_dir_open(t.disk, TESTSTORE_DIR, &dir), 0);
}

static void end(void)
{
    disk_dir_close(dir);
    teststore_deinit(&t);
}

/* ---- what it holds ---- */

#define LONG 10

/* Keys whose blocks shrink. */
static void long_entry(int i, char key[32], char value[301])
{
    snprintf(key, 32, "long%02d", i);
    memset(value, 'a' + i, 300);
    value[300] = 0;
}

static void fill_long(void)
{
    char key[32], value[301];
    for (int i = 0; i < LONG; i++) {
        long_entry(i, key, value);
        REQUIRE_INT(teststore_put(&t, key, value), ERR_OK);
    }
}

static void expect_long(void)
{
    char key[32], value[301];
    for (int i = 0; i < LONG; i++) {
        long_entry(i, key, value);
        teststore_expect(&t, key, value);
    }
}

/* Entries of every kind on every kind of place: levels 0 to 2, the log, under a floor. */
static void fill(bool compressed)
{
    if (compressed) fill_long();
    teststore_fill(&t, "deep", 80, 30, 1);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    teststore_fill(&t, "deep", 20, 40, 2); /* newer versions of some */
    REQUIRE_INT(teststore_put(&t, "gone", "1"), ERR_OK);
    REQUIRE_INT(teststore_put(&t, "Xsunk", "below a floor"), ERR_OK);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    REQUIRE_INT(teststore_delete(&t, "gone"), ERR_OK);
    struct batch b;
    batch_init(&b, mem_libc(), 0);
    REQUIRE_INT(batch_register_set(&b, 3, 1000), ERR_OK);
    REQUIRE_INT(batch_register_add(&b, 3, -58), ERR_OK);
    REQUIRE_INT(batch_floor(&b, 'X'), ERR_OK);
    REQUIRE_INT(batch_put(&b, slice_text("Xafter"), slice_text("above it")), ERR_OK);
    REQUIRE_INT(batch_put(&b, slice_text(""), slice_text("the empty key")), ERR_OK);
    REQUIRE_INT(batch_put(&b, slice_text("empty"), slice_text("")), ERR_OK);
    REQUIRE_INT(db_write(t.db, &b), ERR_OK);
    batch_deinit(&b);
    REQUIRE_INT(db_flush(t.db), ERR_OK);
    REQUIRE_INT(teststore_put(&t, "logged", "in the log only"), ERR_OK);
    REQUIRE_INT(teststore_delete(&t, "deep00079"), ERR_OK);
}

static void expect_filled(bool compressed)
{
    if (compressed) expect_long();
    struct db_stats stats;
    teststore_expect(&t, "deep00079", NULL);
    REQUIRE_INT(teststore_put(&t, "deep00079", "again"), ERR_OK);
    teststore_expect(&t, "gone", NULL);
    teststore_expect(&t, "Xsunk", NULL);
    teststore_expect(&t, "Xafter", "above it");
    teststore_expect(&t, "", "the empty key");
    teststore_expect(&t, "empty", "");
    teststore_expect(&t, "logged", "in the log only");
    teststore_expect_fill(&t, "deep", 20, 40, 2);
    CHECK_INT(db_register(t.db, 3), 942);
    db_stats_get(t.db, &stats);
    CHECK(stats.level[0].files + stats.level[1].files > 0 && stats.recovered_records > 0);
    char keys[2048];
    teststore_keys(&t, keys, sizeof keys);
    size_t count = keys[0] != 0;
    for (const char *p = keys; *p; p++)
        count += *p == ',';
    CHECK_INT(count, 80 + 3 + (compressed ? LONG : 0)); /* the empty key does not show */
}

/* ---- as text ---- */

static int write_file(void *arg, const char *name)
{
    FILE *out = arg;
    uint8_t *bytes;
    size_t size;
    teststore_read_file(&t, name, &bytes, &size);
    fprintf(out, "file %s %zu\n", name, size);
    for (size_t at = 0; at < size; at += ROW) {
        size_t n = size - at < ROW ? size - at : ROW;
        bool zeros = true;
        for (size_t i = 0; i < n; i++)
            zeros &= bytes[at + i] == 0;
        if (zeros) continue;
        fprintf(out, "%06zx ", at);
        for (size_t i = 0; i < n; i++)
            fprintf(out, "%02x", bytes[at + i]);
        fputc('\n', out);
    }
    free(bytes);
    return 0;
}

static void create_file(const char *name, const uint8_t *bytes, size_t size)
{
    struct disk_file *file;
    REQUIRE_INT(disk_open(dir, name, DISK_WRITE | DISK_CREATE, SITE_OTHER_CREATE, &file),
                0);
    if (size) REQUIRE_INT(disk_write(file, 0, bytes, size, SITE_OTHER_WRITE, NULL), 0);
    REQUIRE_INT(disk_sync(file, DISK_SYNC_FULL, SITE_OTHER_SYNC), 0);
    disk_close(file);
}

static void take_row(const char *line, uint8_t *bytes, size_t size)
{
    char *hex;
    size_t at = strtoul(line, &hex, 16);
    for (hex++; hex[0] > ' ' && hex[1] > ' '; hex += 2) {
        const char digits[3] = {hex[0], hex[1], 0};
        REQUIRE(at < size);
        bytes[at++] = (uint8_t)strtoul(digits, NULL, 16);
    }
}

static void load_golden(const char *path)
{
    FILE *in = fopen(path, "r");
    REQUIRE(in != NULL);
    char line[LINE_MAX], name[64] = "";
    uint8_t *bytes = NULL;
    size_t size = 0;
    while (fgets(line, sizeof line, in)) {
        if (strncmp(line, "file ", 5) != 0) {
            take_row(line, bytes, size);
            continue;
        }
        if (name[0]) create_file(name, bytes, size);
        free(bytes);
        REQUIRE_INT(sscanf(line, "file %63s %zu", name, &size), 2);
        bytes = calloc(1, size + 1);
        REQUIRE(bytes != NULL);
    }
    REQUIRE(name[0] != 0);
    create_file(name, bytes, size);
    free(bytes);
    fclose(in);
    REQUIRE_INT(disk_dir_sync(dir, SITE_OTHER_DIRSYNC), 0);
}

/* ---- the tests ---- */

static void write_golden(const char *path, bool compressed)
{
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    fill(compressed);
    teststore_close(&t);
    FILE *out = fopen(path, "w");
    REQUIRE(out != NULL);
    CHECK_INT(disk_list(dir, write_file, out), 0);
    CHECK_INT(fclose(out), 0);
}

/* With its name as GOLDEN_WRITE in the environment the store is made anew, with `codec` on
 * every level, and its files written. */
static void opens_and_goes_on(const char *name, enum codec codec, bool compressed)
{
    const char *write = getenv("GOLDEN_WRITE");
    char path[64];
    snprintf(path, sizeof path, FOLDER "%s.txt", name);
    begin();
    for (unsigned l = 0; l < LEVELS_MAX; l++)
        t.options.codecs[l] = codec;
    if (write && !strcmp(write, name))
        write_golden(path, compressed);
    else
        load_golden(path);
    teststore_expect_sound(&t);
    enum err e = teststore_open(&t);
    if (e) printf("  %s\n", t.why.text);
    REQUIRE_INT(e, ERR_OK);
    struct db_stats stats;
    db_stats_get(t.db, &stats);
    CHECK_INT(db_stats_compression(&stats) > 1000, compressed);
    expect_filled(compressed);
    REQUIRE_INT(db_compact(t.db), ERR_OK);
    teststore_expect_fill(&t, "deep", 20, 40, 2);
    teststore_close(&t);
    teststore_expect_sound(&t);
    end();
}

static void a_store_of_format_1_opens_and_goes_on(void)
{
    opens_and_goes_on("format-1", CODEC_NONE, false);
}

/* Also where it is then written without compression. */
static void a_store_of_format_1_with_lz4_opens_and_goes_on(void)
{
    opens_and_goes_on("format-1-lz4", CODEC_LZ4, true);
    if (!getenv("GOLDEN_WRITE")) opens_and_goes_on("format-1-lz4", CODEC_NONE, true);
}

CU_TestInfo engine_golden_tests[] = {
    {"a_store_of_format_1_opens_and_goes_on", a_store_of_format_1_opens_and_goes_on},
    {"a_store_of_format_1_with_lz4_opens_and_goes_on",
     a_store_of_format_1_with_lz4_opens_and_goes_on},
    CU_TEST_INFO_NULL,
};
