#include "tests/support/check.h"

#include "engine/options.h"
#include "server/config.h"

static const char *set(struct config *c, const char *name, const char *value,
                       char scratch[CONFIG_ERROR_BYTES])
{
    const struct config_setting *s = config_find(slice_text(name));
    REQUIRE(s != NULL);
    return config_set(c, s, slice_text(value), scratch);
}

static void expect(const struct config *c, const char *name, const char *value)
{
    char scratch[CONFIG_TEXT_BYTES];
    const struct config_setting *s = config_find(slice_text(name));
    REQUIRE(s != NULL);
    CHECK_SLICE(config_get(c, s, scratch), slice_text(value));
}

static void the_table_is_sorted_and_every_default_is_legal(void)
{
    struct config c;
    config_init(&c);
    for (size_t i = 1; i < config_settings_count; i++)
        CHECK(strcmp(config_settings[i - 1].name, config_settings[i].name) < 0);
    CHECK_INT(c.port, 6379);
    CHECK_INT(c.appendfsync, SYNC_EVERYSEC);
    CHECK_INT(c.memtable_bytes, 64 << 20);
    CHECK_TEXT(c.bind, "127.0.0.1");
}

/* What CONFIG GET shows can be set again. */
static void every_value_reads_back_as_itself(void)
{
    struct config a, b;
    char error[CONFIG_ERROR_BYTES], text[CONFIG_TEXT_BYTES];
    config_init(&a);
    config_init(&b);
    for (size_t i = 0; i < config_settings_count; i++) {
        const struct config_setting *s = &config_settings[i];
        CHECK(config_set(&b, s, config_get(&a, s, text), error) == NULL);
    }
    CHECK(memcmp(&a, &b, sizeof a) == 0);
}

static void names_are_found_in_any_case_and_whole(void)
{
    CHECK(config_find(slice_text("MaxClients")) != NULL);
    CHECK(config_find(slice_text("maxclient")) == NULL);
    CHECK(config_find(slice_text("maxclientss")) == NULL);
    CHECK(config_find(slice_text("")) == NULL);
}

static void sizes_have_units(void)
{
    static const struct {
        const char *text, *bytes;
    } cases[] = {{"8192", "8192"},     {"8192b", "8192"},    {"5k", "5000"},
                 {"5kb", "5120"},      {"2m", "2000000"},    {"2MB", "2097152"},
                 {"1g", "1000000000"}, {"1Gb", "1073741824"}};
    struct config c;
    char scratch[CONFIG_ERROR_BYTES];
    config_init(&c);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(set(&c, "memtable-bytes", cases[i].text, scratch) == NULL);
        expect(&c, "memtable-bytes", cases[i].bytes);
    }
}

static void a_refused_value_changes_nothing_and_says_why(void)
{
    static const struct {
        const char *name, *value, *why;
    } cases[] = {
        {"port", "65536", "argument must be between 0 and 65535 inclusive"},
        {"port", "-1", "argument must be between 0 and 65535 inclusive"},
        {"port", "7x", "argument couldn't be parsed into an integer"},
        {"port", "", "argument couldn't be parsed into an integer"},
        {"memtable-bytes", "12", "argument must be between 4kb and 1gb inclusive"},
        {"client-query-buffer-limit", "1",
         "argument must be between 1mb and 1gb inclusive"},
        {"memtable-bytes", "1tb", "argument must be a memory value"},
        {"memtable-bytes", "-1", "argument must be a memory value"},
        {"memtable-bytes", "99999999999gb", "argument must be a memory value"},
        {"appendonly", "maybe", "argument must be 'yes' or 'no'"},
        {"appendfsync", "sometimes",
         "argument(s) must be one of the following: everysec, always, no"},
    };
    struct config c, before;
    char scratch[CONFIG_ERROR_BYTES];
    config_init(&c);
    before = c;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_TEXT(set(&c, cases[i].name, cases[i].value, scratch), cases[i].why);
    CHECK(memcmp(&c, &before, sizeof c) == 0);
}

static void a_text_has_a_longest_size(void)
{
    struct config c;
    char long_text[CONFIG_TEXT_BYTES + 1], scratch[CONFIG_ERROR_BYTES];
    memset(long_text, 'x', sizeof long_text);
    long_text[CONFIG_TEXT_BYTES] = '\0';
    config_init(&c);

    CHECK_TEXT(set(&c, "dir", long_text, scratch), "argument is too long");
    long_text[CONFIG_TEXT_BYTES - 1] = '\0';
    CHECK(set(&c, "dir", long_text, scratch) == NULL);

    expect(&c, "dir", long_text);
}

CU_TestInfo server_config_tests[] = {
    {"the_table_is_sorted_and_every_default_is_legal",
     the_table_is_sorted_and_every_default_is_legal},
    {"every_value_reads_back_as_itself", every_value_reads_back_as_itself},
    {"names_are_found_in_any_case_and_whole", names_are_found_in_any_case_and_whole},
    {"sizes_have_units", sizes_have_units},
    {"a_refused_value_changes_nothing_and_says_why",
     a_refused_value_changes_nothing_and_says_why},
    {"a_text_has_a_longest_size", a_text_has_a_longest_size},
    CU_TEST_INFO_NULL,
};
