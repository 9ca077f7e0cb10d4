#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/keyset.h"

static void a_key_repeats_when_it_stands_earlier(void)
{
    const slice argv[] = {slice_text("MSET"), slice_text("a"), slice_text("b"),
                          slice_text("b"),    slice_text("a"), slice_text("a"),
                          slice_text("c")};
    struct keyset k;

    REQUIRE(keyset_init(&k, mem_libc(), argv, 7, 1, 2)); /* a b a */

    CHECK(!keyset_repeats(&k, 1));
    CHECK(!keyset_repeats(&k, 3));
    CHECK(keyset_repeats(&k, 5));
    keyset_deinit(&k);
}

/* Both ways of finding repeats, on either side of the limit, agree with the definition. */
static void few_and_many_keys_give_the_same_answers(void)
{
    enum { MOST = 200 };
    static char text[MOST][8];
    slice argv[MOST];
    for (uint32_t argc = 2; argc <= MOST; argc++) {
        for (uint32_t i = 0; i < argc; i++) {
            snprintf(text[i], sizeof text[i], "%u", i * 7919 % (argc * 2 / 3 + 1));
            argv[i] = slice_text(text[i]);
        }
        struct keyset k;
        REQUIRE(keyset_init(&k, mem_libc(), argv, argc, 1, 1));
        for (uint32_t i = 1; i < argc; i++) {
            bool want = false;
            for (uint32_t j = 1; j < i; j++)
                want |= slice_equal(argv[i], argv[j]);
            CHECK_INT(keyset_repeats(&k, i), want);
        }
        keyset_deinit(&k);
    }
}

static void without_memory_it_says_so(void)
{
    slice argv[100];
    struct mem_counting mem;
    struct keyset k;
    for (int i = 0; i < 100; i++)
        argv[i] = slice_text("k");
    mem_counting_init(&mem, mem_libc());
    for (long at = 1; at <= 2; at++) {
        mem.calls = 0;
        mem.fail_at = at;
        CHECK(!keyset_init(&k, &mem.mem, argv, 100, 1, 1));
        CHECK_INT(mem.blocks, 0);
    }
}

CU_TestInfo server_keyset_tests[] = {
    {"a_key_repeats_when_it_stands_earlier", a_key_repeats_when_it_stands_earlier},
    {"few_and_many_keys_give_the_same_answers", few_and_many_keys_give_the_same_answers},
    {"without_memory_it_says_so", without_memory_it_says_so},
    CU_TEST_INFO_NULL,
};
