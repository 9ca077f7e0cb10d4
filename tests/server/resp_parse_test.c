#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/resp_parse.h"

#define ARGS_MAX 64

/* Parses a whole stream that arrives in pieces of `step` bytes, and writes what came out
 * as text: "[SET][k][v];" per command, then "!text" for an error or "..." for a rest. */
static void parse_stream(slice input, size_t step, char *out, size_t out_size)
{
    struct resp_parser p;
    struct resp_arg args[ARGS_MAX];
    resp_parser_init(&p);
    uint8_t *data = malloc(input.size + 1);
    memcpy(data, input.data, input.size);
    size_t begin = 0, end = 0, o = 0;

    for (;;) {
        size_t used = 0;
        enum resp_result r =
            resp_parse(&p, data + begin, end - begin, args, ARGS_MAX, &used);
        if (r == RESP_PARTIAL) {
            if (end == input.size) break;
            end = end + step < input.size ? end + step : input.size;
            continue;
        }
        if (r != RESP_OK) {
            o += (size_t)snprintf(out + o, out_size - o, "!%s",
                                  r == RESP_ERROR ? p.error : "more");
            free(data);
            return;
        }
        for (uint32_t i = 0; i < p.argc; i++)
            o += (size_t)snprintf(out + o, out_size - o, "[%.*s]", (int)args[i].size,
                                  (char *)data + begin + args[i].offset);
        if (p.argc) o += (size_t)snprintf(out + o, out_size - o, ";");
        begin += used;
    }
    if (begin < end) snprintf(out + o, out_size - o, "...");
    free(data);
}

static const struct {
    const char *input, *commands;
} cases[] = {
    {"*1\r\n$4\r\nPING\r\n", "[PING];"},
    {"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*1\r\n$1\r\nx\r\n", "[SET][k][];[x];"},
    {"*2\r\n$3\r\nGET\r\n$4\r\n\r\n\r\n\r\n", "[GET][\r\n\r\n];"},
    {"*1\r\n$4\r\nPINGxx*1\r\n$1\r\ny\r\n", "[PING];[y];"},
    {"*0\r\n*-1\r\n*-10\r\n*1\r\n$1\r\nx\r\n", "[x];"},
    {"PING\r\n", "[PING];"},
    {"PING\n\r\n\n  \r\nGET  a\tb \r\n", "[PING];[GET][a][b];"},
    {"SET k \"a b\\x41\\n\\\"\\q\"\r\n", "[SET][k][a bA\n\"q];"},
    {"SET k 'it\\'s' \"\"\r\n", "[SET][k][it's][];"},
    {"SET k a\"b c\"\r\n", "[SET][k][ab c];"},
    {"SET k 'a\\nb'\r\n", "[SET][k][a\\nb];"},
    {"*2\r\n$3\r\nGET\r\n", "..."},
    {"*1\r", "..."},
    {"GET k", "..."},
    {"*abc\r\n", "!Protocol error: invalid multibulk length"},
    {"*+1\r\n", "!Protocol error: invalid multibulk length"},
    {"*01\r\n", "!Protocol error: invalid multibulk length"},
    {"*10000000000\r\n", "!Protocol error: invalid multibulk length"},
    {"*1048577\r\n", "!Protocol error: invalid multibulk length"},
    {"*99999999999999999999999\r\n", "!Protocol error: invalid multibulk length"},
    {"*1\r\n$-5\r\n", "!Protocol error: invalid bulk length"},
    {"*1\r\n$-1\r\n", "!Protocol error: invalid bulk length"},
    {"*1\r\n$536870913\r\n", "!Protocol error: invalid bulk length"},
    {"*1\r\n$x\r\n", "!Protocol error: invalid bulk length"},
    {"*1\r\n$\r\n", "!Protocol error: invalid bulk length"},
    {"*1\r\nfoo\r\n", "!Protocol error: expected '$', got 'f'"},
    {"*1\r\n\r\n", "!Protocol error: expected '$', got ' '"},
    {"*2\r\n$1\r\na\r\n:5\r\n", "!Protocol error: expected '$', got ':'"},
    {"SET k \"v\r\n", "!Protocol error: unbalanced quotes in request"},
    {"SET k 'v'x\r\n", "!Protocol error: unbalanced quotes in request"},
    {"PING\r\nSET \"\r\n", "[PING];!Protocol error: unbalanced quotes in request"},
    {"*1048576\r\n$1\r\na\r\n", "..."},
};

static void commands_and_errors_are_those_of_redis_for_every_split(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        slice input = slice_text(cases[i].input);
        for (size_t step = 1; step <= input.size; step++) {
            char got[512] = "";
            parse_stream(input, step, got, sizeof got);
            CHECK_TEXT(got, cases[i].commands);
        }
    }
}

static void a_zero_byte_ends_an_inline_line(void)
{
    char got[64] = "";
    parse_stream(slice_of("PING\0x y\r\nGET a\r\n", 17), 100, got, sizeof got);
    CHECK_TEXT(got, "[PING];[GET][a];");
}

/* A line without end, in pieces: refused at the limit, not buffered for ever. */
static void lines_without_end_are_refused_at_the_limit(void)
{
    static const struct {
        const char *start, *error;
    } lines[] = {
        {"x", "!Protocol error: too big inline request"},
        {"*", "!Protocol error: too big mbulk count string"},
        {"*1\r\n$", "!Protocol error: too big bulk count string"},
    };
    size_t n = RESP_INLINE_BYTES_MAX + 100;
    uint8_t *data = malloc(n);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        memset(data, '1', n);
        memcpy(data, lines[i].start, strlen(lines[i].start));
        char got[128] = "", pieces[128] = "";
        parse_stream(slice_of(data, n), n, got, sizeof got);
        parse_stream(slice_of(data, n), 1000, pieces, sizeof pieces);
        CHECK_TEXT(got, lines[i].error);
        CHECK_TEXT(pieces, lines[i].error);
    }
    free(data);
}

static void a_full_argument_array_can_be_replaced_by_a_larger_one(void)
{
    uint8_t data[] = "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n";
    struct resp_parser p;
    struct resp_arg args[3];
    size_t used = 0;
    resp_parser_init(&p);

    CHECK_INT(resp_parse(&p, data, sizeof data - 1, args, 2, &used), RESP_MORE_ARGS);
    CHECK_INT(p.args_needed, 3);
    CHECK_INT(resp_parse(&p, data, sizeof data - 1, args, 3, &used), RESP_OK);

    CHECK_INT(p.argc, 3);
    CHECK_INT(used, sizeof data - 1);
    CHECK_INT(data[args[0].offset], 'a');
    CHECK_INT(data[args[2].offset], 'c');
}

static void an_inline_line_asks_for_arguments_before_it_changes_anything(void)
{
    uint8_t data[] = "a \"b\\n\" c\r\n";
    struct resp_parser p;
    struct resp_arg args[3];
    size_t used = 0;
    resp_parser_init(&p);

    CHECK_INT(resp_parse(&p, data, sizeof data - 1, args, 1, &used), RESP_MORE_ARGS);
    CHECK_TEXT((char *)data, "a \"b\\n\" c\r\n");
    CHECK_INT(resp_parse(&p, data, sizeof data - 1, args, p.args_needed, &used), RESP_OK);

    CHECK_INT(p.argc, 3);
    CHECK_SLICE(slice_of(data + args[1].offset, args[1].size), slice_text("b\n"));
}

/* 200,000 arguments that arrive in pieces of ten bytes: quadratic work would take minutes. */
static void a_large_command_in_small_pieces_costs_linear_time(void)
{
    uint32_t count = 200000;
    size_t n = 0;
    uint8_t *data = malloc(count * 7 + 32);
    struct resp_arg *args = malloc(count * sizeof *args);
    n += (size_t)sprintf((char *)data, "*%u\r\n", count);
    for (uint32_t i = 0; i < count; i++)
        n += (size_t)sprintf((char *)data + n, "$1\r\nx\r\n");
    struct resp_parser p;
    resp_parser_init(&p);
    enum resp_result r = RESP_PARTIAL;
    size_t used = 0;

    for (size_t end = 0; r == RESP_PARTIAL && end < n;) {
        end = end + 10 < n ? end + 10 : n;
        r = resp_parse(&p, data, end, args, count, &used);
    }

    CHECK_INT(r, RESP_OK);
    CHECK_INT(p.argc, count);
    CHECK_INT(used, n);
    free(args);
    free(data);
}

static void the_parser_tells_how_much_a_bulk_still_wants(void)
{
    uint8_t data[] = "*1\r\n$1000\r\nabc";
    struct resp_parser p;
    struct resp_arg args[1];
    size_t used = 0;
    resp_parser_init(&p);

    CHECK_INT(resp_parse(&p, data, sizeof data - 1, args, 1, &used), RESP_PARTIAL);

    CHECK(resp_parser_busy(&p));
    CHECK_INT(resp_parser_wants(&p), 11 + 1000 + 2);
}

CU_TestInfo server_resp_parse_tests[] = {
    {"commands_and_errors_are_those_of_redis_for_every_split",
     commands_and_errors_are_those_of_redis_for_every_split},
    {"a_zero_byte_ends_an_inline_line", a_zero_byte_ends_an_inline_line},
    {"lines_without_end_are_refused_at_the_limit",
     lines_without_end_are_refused_at_the_limit},
    {"a_full_argument_array_can_be_replaced_by_a_larger_one",
     a_full_argument_array_can_be_replaced_by_a_larger_one},
    {"an_inline_line_asks_for_arguments_before_it_changes_anything",
     an_inline_line_asks_for_arguments_before_it_changes_anything},
    {"a_large_command_in_small_pieces_costs_linear_time",
     a_large_command_in_small_pieces_costs_linear_time},
    {"the_parser_tells_how_much_a_bulk_still_wants",
     the_parser_tells_how_much_a_bulk_still_wants},
    CU_TEST_INFO_NULL,
};
