#include "tests/support/check.h"

#include <errno.h>

#include "engine/err.h"

static void every_code_has_a_text_of_its_own(void)
{
    for (int i = 0; i < ERR_COUNT; i++)
        for (int j = 0; j < i; j++)
            CHECK(strcmp(err_text((enum err)i), err_text((enum err)j)) != 0);
}

static void os_errors_map_to_what_the_engine_acts_upon(void)
{
    static const struct {
        int os;
        enum err code;
    } cases[] = {
        {0, ERR_OK},
        {EIO, ERR_IO},
        {EACCES, ERR_IO},
        {ENOSPC, ERR_NO_SPACE},
        {EDQUOT, ERR_NO_SPACE},
        {ENOMEM, ERR_NOMEM},
        {ENOENT, ERR_MISSING},
        {EEXIST, ERR_EXISTS},
        {EWOULDBLOCK, ERR_LOCKED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(err_from_os(-cases[i].os), cases[i].code);
}

static void a_detail_holds_code_errno_and_text(void)
{
    struct err_detail why;
    CHECK_INT(err_set(&why, ERR_IO, -EIO, "%s: read at %d", "000007.sst", 42), ERR_IO);
    CHECK_INT(why.code, ERR_IO);
    CHECK_INT(why.os_error, EIO);
    CHECK_TEXT(why.text, "000007.sst: read at 42");
}

static void a_long_text_is_cut_and_terminated(void)
{
    struct err_detail why;
    memset(&why, 'x', sizeof why);
    err_set(&why, ERR_CORRUPT, 0, "%500d", 1);
    CHECK_INT(strlen(why.text), ERR_DETAIL_BYTES - 1);
}

static void nobody_has_to_ask_for_details(void)
{
    CHECK_INT(err_set(NULL, ERR_CORRUPT, 0, "unheard"), ERR_CORRUPT);
}

static void a_line_tells_the_reason_once(void)
{
    static const struct {
        int os;
        const char *text, *line;
    } cases[] = {
        {0, "CURRENT: missing", "CURRENT: missing"},
        {ENOSPC, "copy: write", "copy: write: No space left on device"},
        {ENOSPC, "No space left on device; make room",
         "No space left on device; make room"},
        {EISDIR, "1.log: open", "1.log: open: a directory in place of a file"},
        {ELOOP, "1.log: open", "1.log: open: a symbolic link in place of a file"},
        {ENXIO, "1.log: open", "1.log: open: neither a file nor a directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err_detail why;
        char line[ERR_LINE_BYTES];
        err_set(&why, ERR_IO, cases[i].os, "%s", cases[i].text);
        CHECK_TEXT(err_line(&why, line), cases[i].line);
    }
}

CU_TestInfo engine_err_tests[] = {
    {"every_code_has_a_text_of_its_own", every_code_has_a_text_of_its_own},
    {"os_errors_map_to_what_the_engine_acts_upon",
     os_errors_map_to_what_the_engine_acts_upon},
    {"a_detail_holds_code_errno_and_text", a_detail_holds_code_errno_and_text},
    {"a_long_text_is_cut_and_terminated", a_long_text_is_cut_and_terminated},
    {"nobody_has_to_ask_for_details", nobody_has_to_ask_for_details},
    {"a_line_tells_the_reason_once", a_line_tells_the_reason_once},
    CU_TEST_INFO_NULL,
};
