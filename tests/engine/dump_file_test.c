#include "tests/support/check.h"
#include "tests/support/dumped.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct teststore t;

static void the_name_says_what_a_file_is(void)
{
    dumped_example(&t);
    dumped_file(&t, "000003.log");
    CHECK(dumped_has("put \"apple\""));
    dumped_file(&t, "MANIFEST-000001");
    CHECK(dumped_has("drop log"));
    dumped_file(&t, "000004.sst");
    CHECK(dumped_has("magic"));
    dumped_file(&t, "CURRENT");
    CHECK(dumped_has("the manifest in force \"MANIFEST-000001\""));
    teststore_deinit(&t);
}

static void a_strangers_name_and_a_missing_file_are_refused(void)
{
    struct disk_dir *dir;
    struct err_detail why;
    dumped_example(&t);
    dumped_clear();
    REQUIRE_INT(disk_dir_open(t.disk, TESTSTORE_DIR, &dir), 0);
    CHECK_INT(dump_file(mem_libc(), dir, "notes.txt", dumped_line, NULL, &why),
              ERR_FOREIGN);
    CHECK(strstr(why.text, "notes.txt") != NULL);
    CHECK_INT(dump_file(mem_libc(), dir, "LOCK", dumped_line, NULL, &why), ERR_FOREIGN);
    CHECK_INT(dump_file(mem_libc(), dir, "000099.log", dumped_line, NULL, &why),
              ERR_MISSING);
    struct mem_counting mem;
    mem_counting_init(&mem, mem_libc());
    mem.fail_at = 1;
    CHECK_INT(dump_file(&mem.mem, dir, "000003.log", dumped_line, NULL, &why), ERR_NOMEM);
    CHECK_TEXT(dumped_text(), "");
    disk_dir_close(dir);
    teststore_deinit(&t);
}

static void a_pointer_is_told_word_by_word_and_its_checksum_compared(void)
{
    char text[64];
    uint8_t *data;
    size_t size;
    dumped_example(&t);
    dumped_file(&t, "CURRENT");
    CHECK(dumped_has("format \"1\""));
    CHECK(dumped_has("checksum of what stands before it: good"));
    teststore_read_file(&t, "CURRENT", &data, &size);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        memcpy(text, data, size);
        text[bit / 8] ^= (char)(1 << bit % 8);
        dumped_clear();
        dump_current(slice_of(text, size), dumped_line, NULL);
        CHECK(!strstr(dumped_text(), "good"));
    }
    dumped_clear();
    dump_current(slice_of("", 0), dumped_line, NULL);
    free(data);
    teststore_deinit(&t);
}

/* ---- the page ----
 *
 * Transcripts of docs/formats.md begin with the line "$ riptidekv-check ... --dump NAME";
 * "[...]" stands for lines that are left out. Each must be what comes out today. */
#define PAGE       "docs/formats.md"
#define TRANSCRIPT "    $ riptidekv-check data/store --dump "

struct transcript {
    char dump[1 << 14]; /* of the file that is shown */
    const char *at;     /* behind what was found so far */
    bool leap;          /* lines may be left out here */
};

/* Takes one line of the page, without its indent: true when the dump goes on with it. */
static bool follow(struct transcript *shown, const char *line)
{
    if (!strcmp(line, "[...]\n")) return shown->leap = true;
    size_t n = strlen(line);
    for (; *shown->at; shown->at = strchr(shown->at, '\n') + 1) {
        if (!strncmp(shown->at, line, n)) {
            shown->at += n;
            shown->leap = false;
            return true;
        }
        if (!shown->leap) break;
    }
    printf("  " PAGE " shows:   %s  the dump goes on:      %.*s\n", line,
           (int)strcspn(shown->at, "\n"), shown->at);
    return false;
}

static void the_page_about_formats_shows_what_comes_out(void)
{
    static struct transcript shown;
    char line[512];
    bool inside = false;
    int transcripts = 0;
    FILE *page = fopen(PAGE, "r");
    REQUIRE(page != NULL);
    dumped_example(&t);
    while (fgets(line, sizeof line, page)) {
        if (!strncmp(line, TRANSCRIPT, strlen(TRANSCRIPT))) {
            char *name = line + strlen(TRANSCRIPT);
            name[strcspn(name, "\n")] = 0;
            snprintf(shown.dump, sizeof shown.dump, "%s", dumped_file(&t, name));
            shown.at = shown.dump;
            shown.leap = false;
            inside = true;
            transcripts++;
        } else if (inside && !strncmp(line, "    ", 4)) {
            CHECK(inside = follow(&shown, line + 4));
        } else if (inside) {
            CHECK(shown.leap || !*shown.at); /* shown to its end */
            inside = false;
        }
    }
    fclose(page);
    CHECK(transcripts >= 4);
    teststore_deinit(&t);
}

CU_TestInfo engine_dump_file_tests[] = {
    {"the_name_says_what_a_file_is", the_name_says_what_a_file_is},
    {"a_strangers_name_and_a_missing_file_are_refused",
     a_strangers_name_and_a_missing_file_are_refused},
    {"a_pointer_is_told_word_by_word_and_its_checksum_compared",
     a_pointer_is_told_word_by_word_and_its_checksum_compared},
    {"the_page_about_formats_shows_what_comes_out",
     the_page_about_formats_shows_what_comes_out},
    CU_TEST_INFO_NULL,
};
