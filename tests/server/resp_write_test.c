#include "tests/support/check.h"

#include "server/resp_write.h"

static struct buf fresh(void)
{
    struct buf b;
    buf_init(&b, mem_libc(), 1 << 20);
    return b;
}

static void expect(struct buf *b, const char *bytes)
{
    CHECK_SLICE(slice_of(buf_bytes(b), buf_size(b)), slice_text(bytes));
    buf_deinit(b);
}

static void each_kind_of_reply_has_its_bytes(void)
{
    struct buf b = fresh();

    reply_ok(&b);
    reply_status(&b, "PONG");
    reply_int(&b, 0);
    reply_int(&b, INT64_MIN);
    reply_bulk_text(&b, "");
    reply_bulk_text(&b, "hello world");
    reply_bulk_int(&b, -42);
    reply_nil(&b);
    reply_nil_array(&b);
    reply_array(&b, 12);

    expect(&b, "+OK\r\n+PONG\r\n:0\r\n:-9223372036854775808\r\n$0\r\n\r\n"
               "$11\r\nhello world\r\n$3\r\n-42\r\n$-1\r\n*-1\r\n*12\r\n");
}

static void an_error_stays_on_one_line(void)
{
    struct buf b = fresh();
    reply_error(&b, "ERR bad '%s'", "a\r\n+OK");
    expect(&b, "-ERR bad 'a  +OK'\r\n");
}

static void an_array_can_get_its_length_afterwards(void)
{
    struct buf b = fresh();
    reply_ok(&b);

    size_t at = reply_array_begin(&b);
    for (int i = 0; i < 11; i++)
        reply_int(&b, 1);
    reply_array_end(&b, at, 11);

    expect(&b, "+OK\r\n*11\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n"
               ":1\r\n:1\r\n");
}

static void a_reply_that_does_not_fit_leaves_nothing_behind(void)
{
    struct buf b;
    buf_init(&b, mem_libc(), 64);
    char big[100] = {0};

    reply_ok(&b);
    reply_bulk(&b, slice_of(big, sizeof big));

    CHECK(b.failed);
    expect(&b, "+OK\r\n");
}

CU_TestInfo server_resp_write_tests[] = {
    {"each_kind_of_reply_has_its_bytes", each_kind_of_reply_has_its_bytes},
    {"an_error_stays_on_one_line", an_error_stays_on_one_line},
    {"an_array_can_get_its_length_afterwards", an_array_can_get_its_length_afterwards},
    {"a_reply_that_does_not_fit_leaves_nothing_behind",
     a_reply_that_does_not_fit_leaves_nothing_behind},
    CU_TEST_INFO_NULL,
};
