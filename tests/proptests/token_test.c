#include "tests/support/check.h"

#include <string.h>

#include "fault/rng.h"
#include "proptests/tape.h"
#include "proptests/token.h"

static struct token sample(size_t operations)
{
    struct token t = {.setup = 77, .place = 123456};
    t.tape_size = tape_random(1, operations, t.tape, sizeof t.tape);
    strcpy(t.choice, "-3.1,7.2");
    return t;
}

static bool equal(const struct token *a, const struct token *b)
{
    return a->setup == b->setup && a->place == b->place && a->seeded == b->seeded &&
           a->tape_size == b->tape_size && !memcmp(a->tape, b->tape, a->tape_size) &&
           !strcmp(a->choice, b->choice);
}

static void a_token_names_tape_place_and_image(void)
{
    struct token t = sample(10), back;
    char text[TOKEN_TEXT_MAX + 1];

    REQUIRE(token_print(&t, text));
    CHECK(strstr(text, "~-3.1,7.2") != NULL);
    REQUIRE(token_parse(text, &back));
    CHECK(equal(&t, &back));

    t.choice[0] = 0;
    t.tape_size = 0;
    REQUIRE(token_print(&t, text));
    REQUIRE(token_parse(text, &back));
    CHECK(equal(&t, &back));
}

static void a_tape_that_is_too_long_is_refused_and_its_seed_is_not(void)
{
    struct token t = sample(200), back;
    char text[TOKEN_TEXT_MAX + 1];
    CHECK(!token_print(&t, text));

    t.seeded = true;
    t.seed = 1;
    t.operations = 200;
    for (size_t i = 20; i < 150; i++)
        t.keep[i] = i % 13 != 0;
    token_seeded_tape(&t);
    REQUIRE(token_print(&t, text));
    CHECK(strlen(text) <= TOKEN_TEXT_MAX);
    REQUIRE(token_parse(text, &back));
    CHECK(equal(&t, &back));
    CHECK(t.tape_size > 200);
}

static void every_slip_of_the_pen_is_noticed(void)
{
    struct token t = sample(6), back;
    char text[TOKEN_TEXT_MAX + 1];
    REQUIRE(token_print(&t, text));
    size_t n = strcspn(text, "~");
    unsigned unseen = 0;

    for (size_t i = 0; i < n; i++) {
        char old = text[i];
        text[i] = old == 'A' ? 'B' : 'A';
        unseen += token_parse(text, &back);
        text[i] = old;
    }
    CHECK(unseen <= 1); /* eight bits of check */
    CHECK(!token_parse("", &back));
    CHECK(!token_parse("A", &back));
    CHECK(!token_parse("AQ!!", &back));
}

/* Hostile texts with a right check byte: no crash, no endless loop. */
static void any_text_is_parsed_or_refused(void)
{
    struct rng rng;
    rng_init(&rng, 8);
    struct token t, back;
    char text[TOKEN_TEXT_MAX + 1];
    for (int round = 0; round < 20000; round++) {
        size_t n = rng_below(&rng, TOKEN_TEXT_MAX);
        for (size_t i = 0; i < n; i++)
            text[i] = "ABCDEFabcdef0189-_~"[rng_below(&rng, 19)];
        text[n] = 0;
        if (token_parse(text, &t)) {
            char again[TOKEN_TEXT_MAX + 1];
            REQUIRE(token_print(&t, again));
            REQUIRE(token_parse(again, &back));
            CHECK(equal(&t, &back));
        }
    }
}

CU_TestInfo proptests_token_tests[] = {
    {"a_token_names_tape_place_and_image", a_token_names_tape_place_and_image},
    {"a_tape_that_is_too_long_is_refused_and_its_seed_is_not",
     a_tape_that_is_too_long_is_refused_and_its_seed_is_not},
    {"every_slip_of_the_pen_is_noticed", every_slip_of_the_pen_is_noticed},
    {"any_text_is_parsed_or_refused", any_text_is_parsed_or_refused},
    CU_TEST_INFO_NULL,
};
