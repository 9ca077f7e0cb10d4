#include "tests/support/check.h"

#include "server/buf.h"

static void bytes_come_out_as_they_went_in(void)
{
    struct buf b;
    buf_init(&b, mem_libc(), 1 << 20);

    buf_append(&b, "hello ", 6);
    buf_append(&b, "world", 5);
    buf_consume(&b, 3);

    CHECK_SLICE(slice_of(buf_bytes(&b), buf_size(&b)), slice_text("lo world"));
    buf_deinit(&b);
}

static void growth_keeps_what_is_not_consumed(void)
{
    struct buf b;
    buf_init(&b, mem_libc(), 1 << 20);
    uint8_t next_in = 0, next_out = 0;
    bool same = true;

    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < 7; i++, next_in++)
            buf_append(&b, &next_in, 1);
        for (int i = 0; i < 5; i++, next_out++) {
            same &= *buf_bytes(&b) == next_out;
            buf_consume(&b, 1);
        }
    }

    CHECK(same);
    CHECK_INT(buf_size(&b), 4000);
    buf_deinit(&b);
}

static void consumed_room_is_used_again(void)
{
    struct buf b;
    buf_init(&b, mem_libc(), 1 << 20);
    char kilobyte[1000] = {0};

    for (int i = 0; i < 1000; i++) {
        buf_append(&b, kilobyte, sizeof kilobyte);
        buf_consume(&b, sizeof kilobyte - 1);
        buf_consume(&b, 1);
    }

    CHECK(b.capacity <= 4096);
    buf_deinit(&b);
}

static void an_append_above_the_limit_is_dropped_whole(void)
{
    struct buf b;
    buf_init(&b, mem_libc(), 10);

    buf_append(&b, "12345678", 8);
    buf_append(&b, "abc", 3);

    CHECK(b.failed);
    CHECK_INT(buf_size(&b), 8);
    buf_deinit(&b);
}

static void an_announced_size_of_all_memory_is_refused(void)
{
    struct buf b;
    buf_init(&b, mem_libc(), 1 << 20);
    buf_append(&b, "x", 1);

    CHECK(!buf_reserve(&b, SIZE_MAX));
    CHECK(!buf_reserve(&b, SIZE_MAX - 1));

    CHECK(b.failed);
    buf_deinit(&b);
}

CU_TestInfo server_buf_tests[] = {
    {"bytes_come_out_as_they_went_in", bytes_come_out_as_they_went_in},
    {"growth_keeps_what_is_not_consumed", growth_keeps_what_is_not_consumed},
    {"consumed_room_is_used_again", consumed_room_is_used_again},
    {"an_append_above_the_limit_is_dropped_whole",
     an_append_above_the_limit_is_dropped_whole},
    {"an_announced_size_of_all_memory_is_refused",
     an_announced_size_of_all_memory_is_refused},
    CU_TEST_INFO_NULL,
};
