#include "tests/support/check.h"
#include "tests/support/dumped.h"

#include <stdio.h>
#include <stdlib.h>

#include "fault/plan.h"
#include "server/check.h"
#include "server/config.h"

static struct teststore t;
static char complaint[512];

static void keep_complaint(void *arg, const char *line)
{
    (void)arg;
    snprintf(complaint, sizeof complaint, "%s", line);
}

static struct check begin(void)
{
    dumped_clear();
    complaint[0] = 0;
    return (struct check){.path = "/data/db",
                          .mem = &t.mem.mem,
                          .disk = t.disk,
                          .store = TESTSTORE_DIR,
                          .print = dumped_line,
                          .complain = keep_complaint};
}

static void damage(const char *name, size_t at)
{
    uint8_t *data;
    size_t size;
    teststore_read_file(&t, name, &data, &size);
    data[at] ^= 1;
    teststore_write_file(&t, name, data, size);
    free(data);
}

static void a_sound_store_is_one_word_and_zero(void)
{
    dumped_example(&t);
    struct check c = begin();
    CHECK_INT(check_store(&c), CHECK_SOUND);
    CHECK_TEXT(dumped_text(), "sound\n");
    c = begin();
    c.json = true;
    CHECK_INT(check_store(&c), CHECK_SOUND);
    CHECK_TEXT(dumped_text(),
               "{\"store\":\"/data/db\",\"findings\":[],\"sound\":true}\n");
    teststore_deinit(&t);
}

static void a_finding_is_a_line_with_its_place_and_one(void)
{
    dumped_example(&t);
    damage("000004.sst", 3);
    struct check c = begin();
    CHECK_INT(check_store(&c), CHECK_FINDINGS);
    CHECK(dumped_has("data is damaged: 000004.sst: "));
    CHECK(!strstr(dumped_text(), "sound"));
    c = begin();
    c.json = true;
    CHECK_INT(check_store(&c), CHECK_FINDINGS);
    CHECK_TEXT(
        dumped_text(),
        "{\"store\":\"/data/db\",\"findings\":[{\"kind\":\"data is damaged\","
        "\"file\":\"000004.sst\",\"offset\":0,\"text\":\"000004.sst: data block at "
        "offset 0: checksum mismatch\"}],\"sound\":false}\n");
    teststore_deinit(&t);
}

static void a_repair_says_what_is_lost_and_leaves_a_sound_store(void)
{
    dumped_example(&t);
    damage("000004.sst", 3);
    struct check c = begin();
    c.repair = true;
    CHECK_INT(check_store(&c), CHECK_FINDINGS);
    CHECK(dumped_has("data is damaged: 000004.sst: "));
    CHECK(dumped_has("saved: 000004.sst: kept as 000004.sst.lost\n"));
    CHECK(dumped_has("\nrepaired\n"));
    c = begin();
    CHECK_INT(check_store(&c), CHECK_SOUND);
    c = begin();
    c.repair = true;
    CHECK_INT(check_store(&c), CHECK_SOUND);
    CHECK_TEXT(dumped_text(), "sound: nothing to repair\n");
    teststore_deinit(&t);
}

/* Nothing is lost with CURRENT. */
static void a_repair_as_json_is_one_document(void)
{
    dumped_example(&t);
    damage("CURRENT", 12);
    struct check c = begin();
    c.repair = c.json = true;
    CHECK_INT(check_store(&c), CHECK_SOUND);
    CHECK(dumped_has("{\"store\":\"/data/db\",\"findings\":[{\"kind\":\"saved\","
                     "\"file\":\"CURRENT\",\"offset\":null,"));
    CHECK(dumped_has("\"sound\":true,\"changed\":true,\"tables_kept\":1,"));
    CHECK(dumped_has("\"log_records\":1,\"bytes_lost\":0}\n"));
    CHECK_INT(strlen(strchr(dumped_text(), '\n')), 1);
    teststore_deinit(&t);
}

static void a_store_in_use_is_left_alone(void)
{
    dumped_example(&t);
    REQUIRE_INT(teststore_open(&t), ERR_OK);
    struct check c = begin();
    CHECK_INT(check_store(&c), CHECK_UNABLE);
    CHECK(strstr(complaint, "/data/db: in use") != NULL);
    c = begin();
    c.repair = c.json = true;
    CHECK_INT(check_store(&c), CHECK_UNABLE);
    CHECK(strstr(complaint, "/data/db: in use") != NULL);
    CHECK_TEXT(dumped_text(),
               "{\"store\":\"/data/db\",\"error\":\"in use by a server; stop "
               "it first\"}\n");
    teststore_deinit(&t);
}

static void a_lock_out_of_reach_is_a_note(void)
{
    static struct plan plan = {.pattern = "fs/lock/lock/eio", .kth = 1, .sticky = true};
    dumped_example(&t);
    REQUIRE_INT(plan_arm(&plan), 0);
    struct check c = begin();
    CHECK_INT(check_store(&c), CHECK_SOUND);
    CHECK(dumped_has("note: LOCK: cannot be locked (Input/output error)"));
    CHECK(dumped_has("\nsound\n"));
    plan_disarm_all();
    teststore_deinit(&t);
}

/* ulimit -n: nothing is known of what could not be opened, least of all that it is damaged. */
static void a_table_without_a_descriptor_is_not_damaged(void)
{
    static struct plan plan = {.pattern = "fs/sst/open/emfile", .kth = 1, .sticky = true};
    dumped_example(&t);
    for (int repair = 0; repair < 2; repair++) {
        uint32_t before = disk_sim_microops(t.disk);
        REQUIRE_INT(plan_arm(&plan), 0);
        struct check c = begin();
        c.repair = repair;
        CHECK_INT(check_store(&c), CHECK_UNABLE);
        CHECK(strstr(complaint, "/data/db: 000004.sst: ") != NULL);
        CHECK(strstr(complaint, "Too many open files") != NULL);
        CHECK_TEXT(dumped_text(), "");
        CHECK_INT(disk_sim_microops(t.disk), before);
        plan_disarm_all();
    }
    struct check c = begin();
    CHECK_INT(check_store(&c), CHECK_SOUND);
    teststore_deinit(&t);
}

static void a_repair_of_no_store_says_only_that(void)
{
    teststore_init(&t);
    REQUIRE_INT(disk_mkdir(t.disk, TESTSTORE_DIR, SITE_OTHER_MKDIR), 0);
    struct check c = begin();
    c.repair = true;
    CHECK_INT(check_store(&c), CHECK_UNABLE);
    CHECK_TEXT(dumped_text(), "");
    CHECK(strstr(complaint, "nothing here belongs to a store") != NULL);
    teststore_deinit(&t);
}

static void checking_creates_nothing(void)
{
    teststore_init(&t);
    REQUIRE_INT(disk_mkdir(t.disk, TESTSTORE_DIR, SITE_OTHER_MKDIR), 0);
    uint32_t before = disk_sim_microops(t.disk);
    struct check c = begin();
    CHECK_INT(check_store(&c), CHECK_FINDINGS);
    CHECK(dumped_has("CURRENT: missing"));
    CHECK_INT(disk_sim_microops(t.disk), before);
    teststore_deinit(&t);
}

static void a_missing_directory_is_a_complaint_and_two(void)
{
    teststore_init(&t);
    struct check c = begin();
    CHECK_INT(check_store(&c), CHECK_UNABLE);
    CHECK_TEXT(complaint, "/data/db: no such directory");
    CHECK_TEXT(dumped_text(), "");
    c = begin();
    c.json = true;
    CHECK_INT(check_store(&c), CHECK_UNABLE);
    CHECK_TEXT(dumped_text(),
               "{\"store\":\"/data/db\",\"error\":\"no such directory\"}\n");
    teststore_deinit(&t);
}

static void a_file_is_dumped_by_its_name(void)
{
    dumped_example(&t);
    struct check c = begin();
    c.dump = "000003.log";
    CHECK_INT(check_store(&c), CHECK_SOUND);
    CHECK(dumped_has("put \"apple\""));
    c = begin();
    c.dump = "LOCK";
    CHECK_INT(check_store(&c), CHECK_UNABLE);
    CHECK(strstr(complaint, "LOCK: not the name of") != NULL);
    teststore_deinit(&t);
}

static void arguments_come_in_any_order_and_others_are_refused(void)
{
    static const struct {
        const char *words[5];
        enum check_parsed want;
        const char *wrong;
    } cases[] = {
        {{"p", "dir"}, CHECK_RUN, NULL},
        {{"p", "--json", "dir"}, CHECK_RUN, NULL},
        {{"p", "dir", "--dump", "000001.log"}, CHECK_RUN, NULL},
        {{"p", "dir", "--repair", "--json"}, CHECK_RUN, NULL},
        {{"p", "--help"}, CHECK_HELP, NULL},
        {{"p", "dir", "--repair", "--dump", "CURRENT"},
         CHECK_BAD,
         "--repair and --dump: one at a time"},
        {{"p", "--json", "dir", "--dump", "CURRENT"},
         CHECK_BAD,
         "--json and --dump: a dump is text"},
        {{"p"}, CHECK_BAD, "no directory was given"},
        {{"p", "--json"}, CHECK_BAD, "no directory was given"},
        {{"p", "dir", "other"}, CHECK_BAD, "other: not understood"},
        {{"p", "dir", "--dump"}, CHECK_BAD, "--dump: needs the name of a file"},
        {{"p", "dir", "--repare"}, CHECK_BAD, "--repare: not understood"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct check c = {0};
        char wrong[CHECK_WRONG_BYTES];
        int argc = 0;
        while (argc < 5 && cases[i].words[argc])
            argc++;
        CHECK_INT(check_parse(&c, argc, cases[i].words, wrong), cases[i].want);
        if (cases[i].want == CHECK_RUN) CHECK_TEXT(c.path, "dir");
        if (cases[i].want == CHECK_BAD) CHECK_TEXT(wrong, cases[i].wrong);
    }
}

/* Who reads documents reads one also of a misspelt call. */
static void what_was_not_understood_is_a_document_too(void)
{
    static const char *const words[] = {"p", "--repare", "--json"};
    char wrong[CHECK_WRONG_BYTES];
    struct check c = begin();
    c.path = NULL;
    CHECK_INT(check_parse(&c, 3, words, wrong), CHECK_BAD);
    CHECK_INT(check_unable(&c, wrong), CHECK_UNABLE);
    CHECK_TEXT(dumped_text(),
               "{\"store\":null,\"error\":\"--repare: not understood\"}\n");
    CHECK_TEXT(complaint, "--repare: not understood");
}

/* Cut to what there is room for, it would be the path of another directory. */
static void a_path_without_room_is_refused_and_not_cut(void)
{
    char path[CONFIG_TEXT_BYTES + 1], wrong[CHECK_WRONG_BYTES];
    const char *words[] = {"p", path};
    struct check c = {0};
    memset(path, 'd', sizeof path);
    path[CONFIG_TEXT_BYTES] = 0;
    CHECK_INT(check_parse(&c, 2, words, wrong), CHECK_BAD);
    CHECK(strstr(wrong, "too long a path: the limit is 511 bytes") != NULL);
    path[CONFIG_TEXT_BYTES - 1] = 0;
    c.path = NULL;
    CHECK_INT(check_parse(&c, 2, words, wrong), CHECK_RUN);
}

CU_TestInfo server_check_tests[] = {
    {"a_sound_store_is_one_word_and_zero", a_sound_store_is_one_word_and_zero},
    {"a_finding_is_a_line_with_its_place_and_one",
     a_finding_is_a_line_with_its_place_and_one},
    {"a_repair_says_what_is_lost_and_leaves_a_sound_store",
     a_repair_says_what_is_lost_and_leaves_a_sound_store},
    {"a_repair_as_json_is_one_document", a_repair_as_json_is_one_document},
    {"a_store_in_use_is_left_alone", a_store_in_use_is_left_alone},
    {"a_lock_out_of_reach_is_a_note", a_lock_out_of_reach_is_a_note},
    {"a_table_without_a_descriptor_is_not_damaged",
     a_table_without_a_descriptor_is_not_damaged},
    {"a_repair_of_no_store_says_only_that", a_repair_of_no_store_says_only_that},
    {"checking_creates_nothing", checking_creates_nothing},
    {"a_missing_directory_is_a_complaint_and_two",
     a_missing_directory_is_a_complaint_and_two},
    {"a_file_is_dumped_by_its_name", a_file_is_dumped_by_its_name},
    {"arguments_come_in_any_order_and_others_are_refused",
     arguments_come_in_any_order_and_others_are_refused},
    {"what_was_not_understood_is_a_document_too",
     what_was_not_understood_is_a_document_too},
    {"a_path_without_room_is_refused_and_not_cut",
     a_path_without_room_is_refused_and_not_cut},
    CU_TEST_INFO_NULL,
};
