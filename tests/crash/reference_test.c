#include "tests/crash/reference.h"

#include "tests/support/check.h"

#define NOW_MS INT64_C(1700000000000)

struct fixture {
    struct model *model;
    struct reference ref;
    unsigned db;
    char reply[REFERENCE_REPLY_BYTES];
};

static void start(struct fixture *f)
{
    f->model = model_new(mem_libc());
    f->ref = (struct reference){f->model, NOW_MS};
    f->db = 0;
}

/* Runs the command, given as a line of a dialogue, and compares its reply. */
static void expect(struct fixture *f, const char *command, const char *reply)
{
    static struct dialogue d;
    REQUIRE(dialogue_compile(command, &d) == NULL);
    size_t n =
        reference_run(&f->ref, d.steps[0].words, d.steps[0].count, &f->db, f->reply);
    CHECK_SLICE(slice_of(f->reply, n), slice_text(reply));
    model_issue(f->model);
}

static void values_and_counts_follow_the_commands(void)
{
    struct fixture f;
    start(&f);

    expect(&f, "a MSET x 1 y ab", "+OK\r\n");
    expect(&f, "a INCR x", ":2\r\n");
    expect(&f, "a APPEND y c", ":3\r\n");
    expect(&f, "a MGET y z", "*2\r\n$3\r\nabc\r\n$-1\r\n");
    expect(&f, "a DBSIZE", ":2\r\n");
    expect(&f, "a DEL y y z", ":1\r\n");
    expect(&f, "a EXISTS x x y", ":2\r\n");
    expect(&f, "a GETDEL x", "$1\r\n2\r\n");
    expect(&f, "a DBSIZE", ":0\r\n");
    model_free(f.model);
}

static void an_error_changes_nothing(void)
{
    struct fixture f;
    start(&f);

    expect(&f, "a SET x word", "+OK\r\n");
    expect(&f, "a INCR x", "-ERR value is not an integer or out of range\r\n");
    expect(&f, "a GET x", "$4\r\nword\r\n");
    model_free(f.model);
}

static void deadlines_pass(void)
{
    struct fixture f;
    start(&f);

    expect(&f, "a SET x 1 PX 500", "+OK\r\n");
    expect(&f, "a SET y 1 EX 5", "+OK\r\n");
    expect(&f, "a PTTL x", ":500\r\n");
    expect(&f, "a PERSIST y", ":1\r\n");
    f.ref.now_ms += 500;
    CHECK(!reference_expire(&f.ref));
    f.ref.now_ms += 1;
    CHECK(reference_expire(&f.ref));
    expect(&f, "a PTTL x", ":-2\r\n");
    expect(&f, "a PTTL y", ":-1\r\n");
    expect(&f, "a EXPIRE y 0", ":1\r\n");
    expect(&f, "a DBSIZE", ":0\r\n");
    model_free(f.model);
}

static void databases_are_apart_until_all_are_flushed(void)
{
    struct fixture f;
    start(&f);

    expect(&f, "a SET x 1", "+OK\r\n");
    expect(&f, "a SELECT 1", "+OK\r\n");
    expect(&f, "a SET y 2", "+OK\r\n");
    expect(&f, "a SCAN 0 COUNT 9", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\ny\r\n");
    expect(&f, "a FLUSHDB", "+OK\r\n");
    expect(&f, "a DBSIZE", ":0\r\n");
    CHECK_INT(model_count(f.model), 1);
    expect(&f, "a FLUSHALL", "+OK\r\n");
    CHECK_INT(model_count(f.model), 0);
    model_free(f.model);
}

CU_TestInfo crash_reference_tests[] = {
    {"values_and_counts_follow_the_commands", values_and_counts_follow_the_commands},
    {"an_error_changes_nothing", an_error_changes_nothing},
    {"deadlines_pass", deadlines_pass},
    {"databases_are_apart_until_all_are_flushed",
     databases_are_apart_until_all_are_flushed},
    CU_TEST_INFO_NULL};
