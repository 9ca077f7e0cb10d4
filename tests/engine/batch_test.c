#include "tests/support/check.h"

#include <stdlib.h>

#include "engine/batch.h"
#include "fault/rng.h"

static struct mem_counting mem;
static struct batch batch;

static void begin(void)
{
    mem_counting_init(&mem, mem_libc());
    batch_init(&batch, &mem.mem, 24);
}

static void end(void)
{
    batch_deinit(&batch);
    CHECK_INT(mem.blocks, 0);
}

/* One entry of every kind. */
static void fill(struct batch *b)
{
    CHECK_INT(batch_put(b, slice_text("key"), slice_text("value")), ERR_OK);
    CHECK_INT(batch_delete(b, slice_text("gone")), ERR_OK);
    CHECK_INT(batch_register_add(b, 63, -5), ERR_OK);
    CHECK_INT(batch_register_set(b, 0, UINT64_MAX), ERR_OK);
    CHECK_INT(batch_floor(b, 0xfe), ERR_OK);
}

static void expect_filled(slice in)
{
    struct batch_entry e;
    REQUIRE_INT(batch_next(&in, &e), ERR_OK);
    CHECK_INT(e.kind, BATCH_PUT);
    CHECK_SLICE(e.key, slice_text("key"));
    CHECK_SLICE(e.value, slice_text("value"));
    REQUIRE_INT(batch_next(&in, &e), ERR_OK);
    CHECK_INT(e.kind, BATCH_DELETE);
    CHECK_SLICE(e.key, slice_text("gone"));
    REQUIRE_INT(batch_next(&in, &e), ERR_OK);
    CHECK_INT(e.kind, BATCH_REGISTER_ADD);
    CHECK_INT(e.index, 63);
    CHECK_INT(e.number, -5);
    REQUIRE_INT(batch_next(&in, &e), ERR_OK);
    CHECK_INT(e.kind, BATCH_REGISTER_SET);
    CHECK_INT(e.index, 0);
    CHECK(e.number == UINT64_MAX);
    REQUIRE_INT(batch_next(&in, &e), ERR_OK);
    CHECK_INT(e.kind, BATCH_FLOOR);
    CHECK_INT(e.index, 0xfe);
    CHECK_INT(batch_next(&in, &e), ERR_NOT_FOUND);
}

static void entries_come_back_in_order(void)
{
    begin();
    fill(&batch);
    CHECK_INT(batch.count, 5);
    expect_filled(batch_bytes(&batch));
    end();
}

/* docs/formats.md#batches: these bytes lie in the logs of stores that exist. */
static void the_bytes_are_those_of_the_format(void)
{
    static const uint8_t want[] = {1,    3,    'k',  'e',  'y',  5,    'v',  'a',  'l',
                                   'u',  'e',  0,    4,    'g',  'o',  'n',  'e',  2,
                                   63,   9,    3,    0,    0xff, 0xff, 0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 1,    4,    0xfe};
    begin();
    fill(&batch);
    CHECK_SLICE(batch_bytes(&batch), slice_of(want, sizeof want));
    end();
}

static void a_value_in_two_parts_equals_one_in_one(void)
{
    begin();
    batch_put2(&batch, slice_text("k"), slice_text("head"), slice_text("body"));
    slice in = batch_bytes(&batch);
    struct batch_entry e;
    REQUIRE_INT(batch_next(&in, &e), ERR_OK);
    CHECK_SLICE(e.value, slice_text("headbody"));
    end();
}

static void an_empty_batch_has_no_bytes(void)
{
    begin();
    CHECK_INT(batch_bytes(&batch).size, 0);
    struct batch_entry e;
    slice in = batch_bytes(&batch);
    CHECK_INT(batch_next(&in, &e), ERR_NOT_FOUND);
    end();
}

static void appending_adds_all_entries(void)
{
    begin();
    struct batch other;
    batch_init(&other, &mem.mem, 0);
    fill(&other);
    batch_floor(&batch, 7);

    CHECK_INT(batch_append(&batch, &other), ERR_OK);

    CHECK_INT(batch.count, 6);
    slice in = batch_bytes(&batch);
    struct batch_entry e;
    CHECK_INT(batch_next(&in, &e), ERR_OK);
    expect_filled(in);
    batch_deinit(&other);
    end();
}

static void truncating_undoes_later_entries(void)
{
    begin();
    fill(&batch);
    size_t size = batch.size;
    uint32_t count = batch.count;
    batch_put(&batch, slice_text("later"), slice_text("entry"));

    batch_truncate(&batch, size, count);

    CHECK_INT(batch.count, 5);
    expect_filled(batch_bytes(&batch));
    end();
}

static void clearing_keeps_the_buffer(void)
{
    begin();
    fill(&batch);
    long calls = mem.calls;
    batch_clear(&batch);
    CHECK_INT(batch.count, 0);
    fill(&batch);
    CHECK_INT(mem.calls, calls);
    end();
}

static void what_is_too_large_changes_nothing(void)
{
    static uint8_t big[KEY_BYTES_MAX + 1];
    begin();
    batch_floor(&batch, 1);
    slice key = slice_of(big, sizeof big);
    slice huge = slice_of(big, (size_t)VALUE_BYTES_MAX + 1); /* never read */
    CHECK_INT(batch_put(&batch, key, slice_text("")), ERR_TOO_LARGE);
    CHECK_INT(batch_delete(&batch, key), ERR_TOO_LARGE);
    CHECK_INT(batch_put(&batch, slice_text("k"), huge), ERR_TOO_LARGE);
    CHECK_INT(batch_put2(&batch, slice_text("k"), slice_of(big, 1),
                         slice_of(big, VALUE_BYTES_MAX)),
              ERR_TOO_LARGE);
    CHECK_INT(batch.count, 1);
    CHECK_INT(batch.size, 2);
    CHECK_INT(batch_put(&batch, slice_of(big, KEY_BYTES_MAX), slice_text("")), ERR_OK);
    end();
}

static void without_memory_the_batch_is_as_before(void)
{
    begin();
    fill(&batch);
    static uint8_t value[1000];
    mem.fail_at = mem.calls + 1;
    CHECK_INT(batch_put(&batch, slice_text("k"), slice_of(value, sizeof value)),
              ERR_NOMEM);
    expect_filled(batch_bytes(&batch));
    CHECK_INT(batch_put(&batch, slice_text("k"), slice_of(value, sizeof value)), ERR_OK);
    end();
}

static void every_truncation_is_an_end_or_damage_and_never_an_entry_more(void)
{
    begin();
    fill(&batch);
    for (size_t n = 0; n < batch.size; n++) {
        uint8_t *copy = malloc(n + 1); /* exactly as long: a sanitizer sees over-reads */
        memcpy(copy, batch_bytes(&batch).data, n);
        slice in = slice_of(copy, n);
        struct batch_entry e;
        enum err last = ERR_OK;
        while ((last = batch_next(&in, &e)) == ERR_OK) {
        }
        CHECK(last == ERR_CORRUPT || in.size == 0);
        free(copy);
    }
    end();
}

static void hostile_bytes_are_refused_where_they_begin(void)
{
    static const struct {
        uint8_t bytes[12];
        size_t size;
    } cases[] = {
        {{5}, 1}, /* no such kind */
        {{255, 1, 2}, 3},
        {{BATCH_PUT, 200}, 2},                   /* length cut */
        {{BATCH_PUT, 1, 'k', 2, 'v'}, 5},        /* value longer than the rest */
        {{BATCH_DELETE, 0xc1, 0x80, 4, 'x'}, 5}, /* key above the limit */
        {{BATCH_REGISTER_ADD, 64, 0}, 3},        /* no such register */
        {{BATCH_REGISTER_SET, 64, 0}, 3},
        {{BATCH_FLOOR}, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        slice in = slice_of(cases[i].bytes, cases[i].size);
        struct batch_entry e = {.number = 99};
        CHECK_INT(batch_next(&in, &e), ERR_CORRUPT);
        CHECK(in.data == cases[i].bytes && in.size == cases[i].size);
        CHECK_INT(e.number, 99);
    }
}

/* Whatever is accepted lies inside the input. */
static void random_bytes_never_lead_outside(void)
{
    struct rng r;
    rng_init(&r, 4);
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)rng_below(&r, 24);
        uint8_t *bytes = malloc(n + 1);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)rng_below(&r, rng_below(&r, 2) ? 8 : 256);
        slice in = slice_of(bytes, n);
        struct batch_entry e;
        while (batch_next(&in, &e) == ERR_OK)
            if (e.value.size) CHECK(e.value.data + e.value.size <= bytes + n);
        free(bytes);
    }
}

CU_TestInfo engine_batch_tests[] = {
    {"entries_come_back_in_order", entries_come_back_in_order},
    {"the_bytes_are_those_of_the_format", the_bytes_are_those_of_the_format},
    {"a_value_in_two_parts_equals_one_in_one", a_value_in_two_parts_equals_one_in_one},
    {"an_empty_batch_has_no_bytes", an_empty_batch_has_no_bytes},
    {"appending_adds_all_entries", appending_adds_all_entries},
    {"truncating_undoes_later_entries", truncating_undoes_later_entries},
    {"clearing_keeps_the_buffer", clearing_keeps_the_buffer},
    {"what_is_too_large_changes_nothing", what_is_too_large_changes_nothing},
    {"without_memory_the_batch_is_as_before", without_memory_the_batch_is_as_before},
    {"every_truncation_is_an_end_or_damage_and_never_an_entry_more",
     every_truncation_is_an_end_or_damage_and_never_an_entry_more},
    {"hostile_bytes_are_refused_where_they_begin",
     hostile_bytes_are_refused_where_they_begin},
    {"random_bytes_never_lead_outside", random_bytes_never_lead_outside},
    CU_TEST_INFO_NULL,
};
