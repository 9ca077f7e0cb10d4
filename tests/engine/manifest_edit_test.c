#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/coding.h"
#include "engine/manifest.h"

static struct mem_counting mem;
static struct err_detail why;
static struct books books;

static struct store_table table(unsigned level, uint64_t number)
{
    return (struct store_table){level,
                                {.number = number,
                                 .size = 1000 + number,
                                 .tail_bytes = 100,
                                 .entries = 40,
                                 .tombstones = 3,
                                 .min_seq = 5,
                                 .max_seq = 90,
                                 .checksum = 0xfeedface,
                                 .smallest = slice_text("apple"),
                                 .largest = slice_text("pear")}};
}

/* A state with something of everything. */
static void build(struct store_state *s)
{
    struct store_table added[3] = {table(0, 7), table(1, 4), table(6, 5)};
    struct edit edit = {.next_file = 12,
                        .last_seq = 90,
                        .add_log = {8, true},
                        .added = added,
                        .added_count = 3,
                        .books = &books,
                        .pointer_level = 2,
                        .pointer_key = slice_text("middle")};
    memset(&books, 0, sizeof books);
    books.registers[0] = 1;
    books.registers[REGISTERS - 1] = UINT64_MAX;
    books.floors['p'] = 77;
    books.floors[255] = 1;
    store_state_init(s);
    REQUIRE_INT(store_state_apply(s, &edit, &mem.mem, &why), ERR_OK);
    s->chain = (struct wal_chain){0xdeadbeef, 12345};
}

static void begin(struct store_state *s)
{
    mem_counting_init(&mem, mem_libc());
    build(s);
}

static void end(struct store_state *s)
{
    store_state_deinit(s, &mem.mem);
    CHECK_INT(mem.blocks, 0);
}

static void encode_state(const struct store_state *s, struct edit_bytes *out)
{
    *out = (struct edit_bytes){.mem = mem_libc()};
    REQUIRE_INT(store_state_encode(s, out), ERR_OK);
}

static slice bytes_of(const struct edit_bytes *b)
{
    return slice_of(b->data, b->size);
}

/* Two states are equal when their snapshots are. */
static void expect_equal(const struct store_state *a, const struct store_state *b)
{
    struct edit_bytes x, y;
    encode_state(a, &x);
    encode_state(b, &y);
    CHECK(slice_equal(bytes_of(&x), bytes_of(&y)));
    free(x.data);
    free(y.data);
}

static void a_snapshot_decodes_to_the_state_it_was_made_of(void)
{
    struct store_state s, copy;
    struct edit_bytes bytes;
    begin(&s);
    encode_state(&s, &bytes);
    store_state_init(&copy);
    REQUIRE_INT(store_state_decode(&copy, bytes_of(&bytes), &mem.mem, &why), ERR_OK);
    CHECK_INT(copy.next_file, 12);
    CHECK_INT(copy.last_seq, 90);
    CHECK_INT(copy.chain.checksum, 0xdeadbeef);
    CHECK_INT(copy.chain.number, 12345);
    CHECK_INT(copy.log_count, 1);
    CHECK_INT(copy.logs[0].number, 8);
    CHECK(copy.logs[0].recycled);
    REQUIRE_INT(copy.table_count, 3);
    CHECK_INT(copy.tables[2].level, 6);
    const struct sst_meta *m = &copy.tables[2].meta;
    CHECK_INT(m->number, 5);
    CHECK_INT(m->size, 1005);
    CHECK_INT(m->tail_bytes, 100);
    CHECK_INT(m->entries, 40);
    CHECK_INT(m->tombstones, 3);
    CHECK_INT(m->min_seq, 5);
    CHECK_INT(m->max_seq, 90);
    CHECK_INT(m->checksum, 0xfeedface);
    CHECK_SLICE(m->smallest, slice_text("apple"));
    CHECK_SLICE(m->largest, slice_text("pear"));
    CHECK_SLICE(copy.pointer_keys[2], slice_text("middle"));
    CHECK(copy.pointer_keys[1].data == NULL);
    CHECK(memcmp(&copy.books, &books, sizeof books) == 0);
    expect_equal(&s, &copy);
    free(bytes.data);
    store_state_deinit(&copy, &mem.mem);
    end(&s);
}

/* What the owner applies in memory and what recovery reads must be one and the same. */
static void an_edit_applied_and_an_edit_decoded_come_to_the_same(void)
{
    struct store_table added[1] = {table(2, 9)}, deleted[2] = {table(1, 4), table(0, 7)};
    struct books next;
    struct store_state s, read;
    struct edit_bytes bytes, snapshot;
    begin(&s);
    encode_state(&s, &snapshot);
    store_state_init(&read);
    REQUIRE_INT(store_state_decode(&read, bytes_of(&snapshot), &mem.mem, &why), ERR_OK);

    next = books;
    next.registers[0] = 0; /* a number that went back to 0 must not come back */
    next.floors['p'] = 80;
    struct edit edit = {.next_file = 20,
                        .last_seq = 95,
                        .add_log = {11, false},
                        .drop_log = 8,
                        .drop_chain = {17, 99},
                        .added = added,
                        .added_count = 1,
                        .deleted = deleted,
                        .deleted_count = 2,
                        .books = &next,
                        .pointer_level = 2,
                        .pointer_key = slice_text("new")};
    bytes = (struct edit_bytes){.mem = mem_libc()};
    REQUIRE_INT(edit_encode(&edit, &bytes), ERR_OK);
    REQUIRE_INT(store_state_apply(&s, &edit, &mem.mem, &why), ERR_OK);
    REQUIRE_INT(store_state_decode(&read, bytes_of(&bytes), &mem.mem, &why), ERR_OK);
    expect_equal(&s, &read);
    CHECK_INT(read.books.registers[0], 0);
    CHECK_INT(read.table_count, 2);
    CHECK_INT(read.logs[0].number, 11);
    CHECK_INT(read.chain.number, 99);

    free(bytes.data);
    free(snapshot.data);
    store_state_deinit(&read, &mem.mem);
    end(&s);
}

static void an_edit_without_changes_changes_nothing(void)
{
    struct store_state s, before;
    struct edit_bytes bytes;
    struct edit nothing = {0};
    begin(&s);
    build(&before);
    REQUIRE_INT(store_state_apply(&s, &nothing, &mem.mem, &why), ERR_OK);
    expect_equal(&s, &before);
    bytes = (struct edit_bytes){.mem = mem_libc()};
    REQUIRE_INT(edit_encode(&nothing, &bytes), ERR_OK);
    REQUIRE_INT(store_state_decode(&s, bytes_of(&bytes), &mem.mem, &why), ERR_OK);
    expect_equal(&s, &before);
    free(bytes.data);
    store_state_deinit(&before, &mem.mem);
    end(&s);
}

static void an_edit_that_does_not_fit_is_damage(void)
{
    static const struct {
        const char *text;
        struct edit edit;
    } cases[] = {
        {"adds a log out of order: 8", {.add_log = {8, false}}},
        {"adds a log out of order: 3", {.add_log = {3, false}}},
        {"drops a log that is not the oldest: 9", {.drop_log = 9}},
    };
    struct store_table twice[1] = {table(3, 5)}, unknown[1] = {table(0, 99)},
                       wrong_level[1] = {table(2, 4)};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct store_state s;
        begin(&s);
        CHECK_INT(store_state_apply(&s, &cases[i].edit, &mem.mem, &why), ERR_CORRUPT);
        CHECK(strstr(why.text, cases[i].text) != NULL);
        end(&s);
    }
    struct store_state s;
    begin(&s);
    CHECK_INT(store_state_apply(&s, &(struct edit){.added = twice, .added_count = 1},
                                &mem.mem, &why),
              ERR_CORRUPT);
    CHECK(strstr(why.text, "adds a table twice: 5") != NULL);
    CHECK_INT(store_state_apply(&s,
                                &(struct edit){.deleted = unknown, .deleted_count = 1},
                                &mem.mem, &why),
              ERR_CORRUPT);
    CHECK(strstr(why.text, "deletes an unknown table: 99") != NULL);
    CHECK_INT(
        store_state_apply(&s, &(struct edit){.deleted = wrong_level, .deleted_count = 1},
                          &mem.mem, &why),
        ERR_CORRUPT);
    end(&s);
}

static void a_state_names_a_bounded_number_of_logs(void)
{
    struct store_state s;
    begin(&s);
    for (uint64_t number = 9; s.log_count < STORE_LOGS_MAX; number++)
        REQUIRE_INT(store_state_apply(&s, &(struct edit){.add_log = {number, false}},
                                      &mem.mem, &why),
                    ERR_OK);
    CHECK_INT(
        store_state_apply(&s, &(struct edit){.add_log = {9999, false}}, &mem.mem, &why),
        ERR_CORRUPT);
    CHECK_INT(s.log_count, STORE_LOGS_MAX);
    end(&s);
}

/* A newer program may write fields whose meaning we cannot know: to skip one might lose
 * a file. */
static void an_unknown_field_is_a_newer_format(void)
{
    for (unsigned field = 0; field < 256; field++) {
        uint8_t bytes[16] = {0};
        struct store_state s;
        begin(&s);
        bytes[0] = (uint8_t)field;
        enum err e = store_state_decode(&s, slice_of(bytes, 1), &mem.mem, &why);
        CHECK(e == (field >= 1 && field <= 11 ? ERR_CORRUPT : ERR_NEWER_FORMAT));
        end(&s);
    }
    struct store_state s;
    begin(&s);
    CHECK_INT(store_state_decode(&s, slice_of("\1\2", 2), &mem.mem, &why),
              ERR_NEWER_FORMAT);
    CHECK(strstr(why.text, "format 2") != NULL);
    end(&s);
}

static void numbers_out_of_range_are_damage(void)
{
    static const struct {
        const char *name;
        uint8_t bytes[16];
        size_t size;
    } cases[] = {
        {"level 7 of a table to delete", {8, LEVELS_MAX, 1}, 3},
        {"level 7 of a pointer", {11, LEVELS_MAX, 1, 'k'}, 4},
        {"register 64", {9, 1, REGISTERS, 1}, 4},
        {"65 registers", {9, REGISTERS + 1}, 2},
        {"a pointer's key beyond the end", {11, 1, 200, 1}, 4},
        {"a varint of eleven bytes",
         {2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1},
         12},
        {"a chain's checksum of 33 bits", {6, 255, 255, 255, 255, 127, 0}, 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct store_state s;
        begin(&s);
        enum err e = store_state_decode(&s, slice_of(cases[i].bytes, cases[i].size),
                                        &mem.mem, &why);
        if (e != ERR_CORRUPT) printf("  %s\n", cases[i].name);
        CHECK_INT(e, ERR_CORRUPT);
        end(&s);
    }
}

/* Behind a checksum such bytes cannot come from a disk; they must not do harm either. */
static void bytes_cut_or_flipped_anywhere_do_no_harm(void)
{
    struct store_state s;
    struct edit_bytes bytes;
    begin(&s);
    encode_state(&s, &bytes);
    for (size_t n = 0; n < bytes.size; n++) {
        uint8_t *exact = malloc(n ? n : 1); /* a byte too far shows under ASan */
        memcpy(exact, bytes.data, n);
        struct store_state read;
        store_state_init(&read);
        enum err e = store_state_decode(&read, slice_of(exact, n), &mem.mem, &why);
        CHECK(e == ERR_OK || e == ERR_CORRUPT);
        store_state_deinit(&read, &mem.mem);
        free(exact);
    }
    for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
        struct store_state read;
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        store_state_init(&read);
        enum err e = store_state_decode(&read, bytes_of(&bytes), &mem.mem, &why);
        CHECK(e == ERR_OK || e == ERR_CORRUPT || e == ERR_NEWER_FORMAT);
        store_state_deinit(&read, &mem.mem);
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(bytes.data);
    end(&s);
}

static void every_allocation_may_fail_and_nothing_leaks(void)
{
    struct store_state s;
    struct edit_bytes bytes;
    begin(&s);
    encode_state(&s, &bytes);
    long k = 1;
    for (;; k++) {
        struct store_state read;
        struct edit_bytes again = {.mem = &mem.mem};
        long blocks = mem.blocks;
        store_state_init(&read);
        mem.fail_at = mem.calls + k;
        enum err e = store_state_decode(&read, bytes_of(&bytes), &mem.mem, &why);
        if (!e) e = edit_bytes_begin(&again);
        if (!e) e = store_state_encode(&read, &again);
        bool failed = mem.calls >= mem.fail_at;
        mem.fail_at = 0;
        CHECK_INT(e, failed ? ERR_NOMEM : ERR_OK);
        mem_free(&mem.mem, again.data);
        store_state_deinit(&read, &mem.mem);
        CHECK_INT(mem.blocks, blocks);
        if (!failed) break;
    }
    CHECK(k > 5);
    free(bytes.data);
    end(&s);
}

CU_TestInfo engine_manifest_edit_tests[] = {
    {"a_snapshot_decodes_to_the_state_it_was_made_of",
     a_snapshot_decodes_to_the_state_it_was_made_of},
    {"an_edit_applied_and_an_edit_decoded_come_to_the_same",
     an_edit_applied_and_an_edit_decoded_come_to_the_same},
    {"an_edit_without_changes_changes_nothing", an_edit_without_changes_changes_nothing},
    {"an_edit_that_does_not_fit_is_damage", an_edit_that_does_not_fit_is_damage},
    {"a_state_names_a_bounded_number_of_logs", a_state_names_a_bounded_number_of_logs},
    {"an_unknown_field_is_a_newer_format", an_unknown_field_is_a_newer_format},
    {"numbers_out_of_range_are_damage", numbers_out_of_range_are_damage},
    {"bytes_cut_or_flipped_anywhere_do_no_harm",
     bytes_cut_or_flipped_anywhere_do_no_harm},
    {"every_allocation_may_fail_and_nothing_leaks",
     every_allocation_may_fail_and_nothing_leaks},
    CU_TEST_INFO_NULL,
};
