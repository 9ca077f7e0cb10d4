#include "tests/support/check.h"

#include "server/flags.h"

#define PARSE(...)                                                                       \
    (argv = (const char *const[]){"server", __VA_ARGS__, NULL},                          \
     flags_parse(&c,                                                                     \
                 (int)(sizeof(const char *[]){"server", __VA_ARGS__} / sizeof *argv),    \
                 argv, error))

static void flags_set_what_they_name(void)
{
    struct config c;
    const char *const *argv;
    char error[FLAGS_ERROR_BYTES];
    config_init(&c);

    CHECK_INT(PARSE("--port", "7000", "--dir=a/b", "--appendfsync", "always"), FLAGS_RUN);

    CHECK_INT(c.port, 7000);
    CHECK_TEXT(c.dir, "a/b");
    CHECK_INT(c.appendfsync, 0);
}

static void help_and_version_win_over_everything(void)
{
    struct config c;
    const char *const *argv;
    char error[FLAGS_ERROR_BYTES];
    config_init(&c);
    CHECK_INT(PARSE("--nonsense", "--help"), FLAGS_HELP);
    CHECK_INT(PARSE("--version"), FLAGS_VERSION);
}

static void mistakes_are_named(void)
{
    struct config c;
    const char *const *argv;
    char error[FLAGS_ERROR_BYTES];
    config_init(&c);

    CHECK_INT(PARSE("--prot", "1"), FLAGS_BAD);
    CHECK(strstr(error, "--prot") != NULL);
    CHECK_INT(PARSE("stray"), FLAGS_BAD);
    CHECK(strstr(error, "stray") != NULL);
    CHECK_INT(PARSE("--port"), FLAGS_BAD);
    CHECK(strstr(error, "--port") != NULL);
    CHECK_INT(PARSE("--port", "x"), FLAGS_BAD);
    CHECK(strstr(error, "--port x") != NULL);
    CHECK_INT(PARSE("--databases", "3"), FLAGS_BAD); /* a setting, but no flag */
}

static void help_fits_and_lists_every_flag(void)
{
    char text[4096];
    size_t n = flags_help(text, sizeof text);
    CHECK(n < sizeof text - 1);
    CHECK(strstr(text, "--port=7001") && strstr(text, "--port 7001"));
    CHECK(strstr(text, "64kb, 32mb, 1gb") != NULL);
    for (size_t i = 0; i < config_settings_count; i++)
        if (config_settings[i].flags & CONFIG_FLAG)
            CHECK(strstr(text, config_settings[i].name) != NULL);
}

static void a_path_is_split_into_parent_and_name(void)
{
    static const struct {
        const char *dir, *parent, *name;
    } cases[] = {
        {"data", ".", "data"},
        {"./data", ".", "data"},
        {"a/b/c", "a/b", "c"},
        {"a/b/c//", "a/b", "c"},
        {"a//c", "a", "c"},
        {"/data", "/", "data"},
        {"/var/x/", "/var", "x"},
        {"../up", "..", "up"},
        {".data/store", ".data", "store"},
    };
    char parent[CONFIG_TEXT_BYTES], name[CONFIG_TEXT_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(flags_split_dir(cases[i].dir, parent, name));
        CHECK_TEXT(parent, cases[i].parent);
        CHECK_TEXT(name, cases[i].name);
    }
    static const char *const nameless[] = {"", "/", ".", "..", "a/..", "a/.", "//"};
    for (size_t i = 0; i < sizeof nameless / sizeof *nameless; i++)
        CHECK(!flags_split_dir(nameless[i], parent, name));
}

CU_TestInfo server_flags_tests[] = {
    {"flags_set_what_they_name", flags_set_what_they_name},
    {"help_and_version_win_over_everything", help_and_version_win_over_everything},
    {"mistakes_are_named", mistakes_are_named},
    {"help_fits_and_lists_every_flag", help_fits_and_lists_every_flag},
    {"a_path_is_split_into_parent_and_name", a_path_is_split_into_parent_and_name},
    CU_TEST_INFO_NULL,
};
