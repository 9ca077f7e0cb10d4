#include "tests/crash/dialogue.h"

#include <string.h>

#include "tests/support/check.h"

static struct dialogue d;

static void a_command_is_words_of_a_client(void)
{
    REQUIRE(dialogue_compile("b SET key 12; turn", &d) == NULL);

    CHECK_INT(d.count, 2);
    CHECK_INT(d.steps[0].kind, STEP_SAY);
    CHECK_INT(d.steps[0].client, 1);
    CHECK_INT(d.steps[0].count, 3);
    CHECK_SLICE(d.steps[0].words[1], slice_text("key"));
    CHECK_INT(d.steps[1].kind, STEP_TURN);
    CHECK_INT(d.steps[1].number, 1);
}

static void actions_have_their_numbers(void)
{
    REQUIRE(dialogue_compile("a slice 41;a window 7; c reset; wait 1500; turn 3", &d) ==
            NULL);

    CHECK_INT(d.steps[0].kind, STEP_SLICE);
    CHECK_INT(d.steps[0].number, 41);
    CHECK_INT(d.steps[1].kind, STEP_WINDOW);
    CHECK_INT(d.steps[2].kind, STEP_RESET);
    CHECK_INT(d.steps[2].client, 2);
    CHECK_INT(d.steps[3].number, 1500);
    CHECK_INT(d.steps[4].number, 3);
}

static void made_values_have_their_length_and_differ(void)
{
    REQUIRE(dialogue_compile("a MSET x @30 y @30 z @7", &d) == NULL);

    CHECK_INT(d.steps[0].words[2].size, 30);
    CHECK_INT(d.steps[0].words[6].size, 7);
    CHECK(!slice_equal(d.steps[0].words[2], d.steps[0].words[4]));
}

static void nonsense_is_refused_where_it_stands(void)
{
    static const char *const texts[] = {"turn; a jump 3; turn", "turn; d SET x 1",
                                        "turn; wait soon",      "turn; a",
                                        "turn; a slice",        "turn;; turn"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *bad = dialogue_compile(texts[i], &d);
        CHECK(bad == texts[i] + strlen("turn;"));
    }
}

static void a_step_is_told_as_it_was_written(void)
{
    static const char *const texts[] = {"a SET k v", "c slice 41", "idle 20", "b reset"};
    char text[DIALOGUE_TEXT];

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        REQUIRE(dialogue_compile(texts[i], &d) == NULL);
        dialogue_text(&d.steps[0], text, sizeof text);
        CHECK_TEXT(text, texts[i]);
    }
}

CU_TestInfo crash_dialogue_tests[] = {
    {"a_command_is_words_of_a_client", a_command_is_words_of_a_client},
    {"actions_have_their_numbers", actions_have_their_numbers},
    {"made_values_have_their_length_and_differ",
     made_values_have_their_length_and_differ},
    {"nonsense_is_refused_where_it_stands", nonsense_is_refused_where_it_stands},
    {"a_step_is_told_as_it_was_written", a_step_is_told_as_it_was_written},
    CU_TEST_INFO_NULL};
