#include "tests/support/check.h"

#include <errno.h>
#include <string.h>

#include "fault/rng.h"
#include "proptests/tape.h"

#define ROOM 4096

/* The legal operations of a tape as text. */
static const char *print(const uint8_t *bytes, size_t n)
{
    static char buf[8192];
    char op_text[TAPE_OP_TEXT];
    struct tape_reader r;
    struct tape_op op;
    buf[0] = 0;
    tape_read(&r, bytes, n);
    while (tape_next(&r, &op)) {
        if (op.kind == TAPE_NOTHING) continue;
        tape_text(&op, op_text, sizeof op_text);
        strcat(strcat(buf, *buf ? "; " : ""), op_text);
    }
    return buf;
}

static const char *reprint(const char *text)
{
    uint8_t bytes[ROOM];
    const char *bad = text;
    size_t n = tape_compile(text, bytes, sizeof bytes, &bad);
    return n ? print(bytes, n) : bad;
}

static void every_operation_survives_text_and_bytes(void)
{
    static const char *const texts[] = {
        "put a0 8; put d3 70000; put b2 0; del c1; floor d",
        "add 0 -32; add 3 31; set 1 0; set 2 63",
        "begin; put a0 24; del a1 + put a2 1 + add 1 5 + floor b; commit",
        "get c3; scan; iterate; step; flush; compact; clock 12750; policy no",
        "fail 255; close; open; reopen; kill; cut 7",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        CHECK_TEXT(reprint(texts[i]), texts[i]);
}

static void text_is_refused_where_it_is_wrong(void)
{
    CHECK_TEXT(reprint("put a0 8; put e0 8"), "e0 8");
    CHECK_TEXT(reprint("put a0 9"), "9");
    CHECK_TEXT(reprint("jump"), "jump");
    CHECK_TEXT(reprint("nothing"), "nothing");
    CHECK_TEXT(reprint("put a0 8 + flush"), "flush");
    CHECK_TEXT(reprint("clock 51"), "51");
    CHECK_TEXT(reprint("flush flush"), "flush");
}

/* Any bytes decode; what decodes obeys the rules that a player relies on. */
static void any_bytes_are_a_legal_run(void)
{
    struct rng rng;
    rng_init(&rng, 5);
    for (int round = 0; round < 2000; round++) {
        uint8_t bytes[64];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)rng_next(&rng);
        struct tape_reader r;
        struct tape_op op;
        bool in_group = false, closed = false;
        size_t at = 0;
        tape_read(&r, bytes, sizeof bytes);
        while (tape_next(&r, &op)) {
            CHECK_INT(op.at, at);
            at += op.bytes;
            if (op.kind == TAPE_BEGIN) CHECK(!in_group && !closed);
            if (op.kind == TAPE_COMMIT) CHECK(in_group && !closed);
            if (op.kind == TAPE_WRITE) CHECK(!closed && op.count >= 1);
            if (op.kind == TAPE_FLUSH || op.kind == TAPE_CLOSE || op.kind == TAPE_REOPEN)
                CHECK(!in_group && !closed);
            if (op.kind == TAPE_OPEN) CHECK(closed);
            if (op.kind == TAPE_BEGIN) in_group = true;
            if (op.kind == TAPE_COMMIT || op.kind == TAPE_CUT || op.kind == TAPE_KILL)
                in_group = false;
            if (op.kind == TAPE_CLOSE) closed = true;
            if (op.kind == TAPE_OPEN || op.kind == TAPE_CUT || op.kind == TAPE_KILL)
                closed = false;
            for (unsigned i = 0; i < op.count; i++)
                CHECK(op.entries[i].key < TAPE_KEYS && op.entries[i].size < TAPE_SIZES);
        }
        CHECK_INT(at, sizeof bytes);
    }
}

/* What is decoded and encoded again means the same. */
static void bytes_survive_a_round_trip(void)
{
    uint8_t bytes[ROOM], again[ROOM];
    size_t size = tape_random(9, 1000, bytes, sizeof bytes), n = 0;
    char want[TAPE_OP_TEXT], got[TAPE_OP_TEXT];
    struct tape_reader r, s;
    struct tape_op op, copy;

    tape_read(&r, bytes, size);
    while (tape_next(&r, &op)) {
        if (op.kind == TAPE_NOTHING) continue;
        n = tape_write(again, sizeof again, &op);
        s = r;
        s.bytes = again, s.size = n, s.at = 0;
        s.in_group = op.kind != TAPE_BEGIN && (op.kind == TAPE_COMMIT || r.in_group);
        s.closed = op.kind == TAPE_OPEN;
        REQUIRE(tape_next(&s, &copy));
        tape_text(&op, want, sizeof want);
        tape_text(&copy, got, sizeof got);
        CHECK_TEXT(got, want);
    }
    CHECK(size > 1500);
}

static void random_tapes_reach_everything(void)
{
    uint8_t bytes[ROOM];
    unsigned seen[TAPE_KINDS] = {0};
    for (uint64_t seed = 0; seed < 50; seed++) {
        size_t size = tape_random(seed, 200, bytes, sizeof bytes);
        struct tape_reader r;
        struct tape_op op;
        tape_read(&r, bytes, size);
        while (tape_next(&r, &op))
            seen[op.kind]++;
        CHECK(tape_count(bytes, size) > 100);
    }
    for (int k = TAPE_NOTHING + 1; k < TAPE_KINDS; k++)
        CHECK(seen[k] > 10);
}

static void keys_are_in_order_and_values_are_unique(void)
{
    static uint8_t a[TAPE_VALUE_BYTES], b[TAPE_VALUE_BYTES];
    char last[TAPE_KEY_BYTES], key[TAPE_KEY_BYTES];
    size_t last_size = 0;
    for (unsigned k = 0; k < TAPE_KEYS; k++) {
        size_t n = tape_key(k, key);
        CHECK((uint8_t)key[0] == tape_prefix(k / 4));
        CHECK(slice_compare(slice_of(last, last_size), slice_of(key, n)) < 0);
        memcpy(last, key, last_size = n);
    }
    for (unsigned c = 0; c < TAPE_SIZES; c++) {
        size_t n = tape_value_size(c);
        tape_value(1, c, a);
        tape_value(2, c, b);
        CHECK(n == 0 || memcmp(a, b, n) != 0);
        tape_value(1, c, b);
        CHECK(n == 0 || memcmp(a, b, n) == 0);
    }
}

static void failures_are_errors_a_disk_can_give(void)
{
    for (uint32_t number = 0; number < 256; number++) {
        struct tape_failure f = tape_failure(number);
        CHECK(f.effect <= 2);
        CHECK(f.error == EIO || f.error == ENOSPC || f.error == EDQUOT);
    }
}

CU_TestInfo proptests_tape_tests[] = {
    {"every_operation_survives_text_and_bytes", every_operation_survives_text_and_bytes},
    {"text_is_refused_where_it_is_wrong", text_is_refused_where_it_is_wrong},
    {"any_bytes_are_a_legal_run", any_bytes_are_a_legal_run},
    {"bytes_survive_a_round_trip", bytes_survive_a_round_trip},
    {"random_tapes_reach_everything", random_tapes_reach_everything},
    {"keys_are_in_order_and_values_are_unique", keys_are_in_order_and_values_are_unique},
    {"failures_are_errors_a_disk_can_give", failures_are_errors_a_disk_can_give},
    CU_TEST_INFO_NULL,
};
