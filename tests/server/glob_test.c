#include "tests/support/check.h"

#include <stdio.h>
#include <time.h>

#include "server/glob.h"

static const struct {
    const char *pattern, *text;
    bool matches;
} cases[] = {
    {"*", "", true},
    {"*", "anything", true},
    {"", "", true},
    {"", "a", false},
    {"a", "a", true},
    {"a", "A", false},
    {"abc", "abcd", false},
    {"abcd", "abc", false},
    {"h?llo", "hello", true},
    {"h?llo", "hllo", false},
    {"?", "", false},
    {"h*llo", "hllo", true},
    {"h*llo", "heeeello", true},
    {"*lo", "hello lo", true},
    {"a*b*c", "a1b2b3c", true},
    {"a*b*c", "a1c2b", false},
    {"**a**", "bab", true},
    {"h[ae]llo", "hallo", true},
    {"h[ae]llo", "hillo", false},
    {"h[^e]llo", "hallo", true},
    {"h[^e]llo", "hello", false},
    {"h[a-c]llo", "hbllo", true},
    {"h[c-a]llo", "hbllo", true},
    {"h[a-c]llo", "hdllo", false},
    {"[a-]", "-", false},
    {"[a-]", "^", true},
    {"[]a]", "a]", false},
    {"[\\]]", "]", true},
    {"[\\^a]", "^", true},
    {"[abc", "b", true},
    {"[", "a", false},
    {"[^", "a", true},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"a\\", "a\\", true},
    {"*\\?", "what?", true},
    {"*[0-9]", "key:7", true},
    {"*[0-9]", "key:x", false},
};

static void patterns_match_what_redis_matches(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool got = glob_match(slice_text(cases[i].pattern), slice_text(cases[i].text));
        if (got != cases[i].matches)
            printf("  '%s' on '%s'\n", cases[i].pattern, cases[i].text);
        CHECK_INT(got, cases[i].matches);
    }
}

static void case_is_ignored_on_request_only(void)
{
    CHECK(glob_match_nocase(slice_text("MAX[m]E*"), slice_text("maxMemory")));
    CHECK(glob_match_nocase(slice_text("[A-C]x"), slice_text("bX")));
    CHECK(!glob_match(slice_text("MAX*"), slice_text("maxmemory")));
}

static void zero_bytes_are_bytes(void)
{
    CHECK(glob_match(slice_of("a\0*", 3), slice_of("a\0b", 3)));
    CHECK(!glob_match(slice_of("a\0*", 3), slice_of("ab", 2)));
}

static void many_stars_take_no_exponential_time(void)
{
    char pattern[101], text[10001];
    for (int i = 0; i < 100; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[100] = 'b';
    memset(text, 'a', sizeof text);

    clock_t start = clock();
    bool matches = glob_match(slice_of(pattern, 101), slice_of(text, sizeof text));
    double ms = (double)(clock() - start) * 1000 / CLOCKS_PER_SEC;

    CHECK(!matches);
    CHECK(ms < 200);
}

static void the_literal_prefix_ends_at_the_first_special_byte(void)
{
    CHECK_SLICE(glob_prefix(slice_text("user:*")), slice_text("user:"));
    CHECK_SLICE(glob_prefix(slice_text("user:7")), slice_text("user:7"));
    CHECK_SLICE(glob_prefix(slice_text("u[a]")), slice_text("u"));
    CHECK_SLICE(glob_prefix(slice_text("u\\*")), slice_text("u"));
    CHECK_SLICE(glob_prefix(slice_text("?x")), slice_text(""));
}

CU_TestInfo server_glob_tests[] = {
    {"patterns_match_what_redis_matches", patterns_match_what_redis_matches},
    {"case_is_ignored_on_request_only", case_is_ignored_on_request_only},
    {"zero_bytes_are_bytes", zero_bytes_are_bytes},
    {"many_stars_take_no_exponential_time", many_stars_take_no_exponential_time},
    {"the_literal_prefix_ends_at_the_first_special_byte",
     the_literal_prefix_ends_at_the_first_special_byte},
    CU_TEST_INFO_NULL,
};
