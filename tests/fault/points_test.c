#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"

#include "fault/points.h"

static const struct {
    const char *path;
    unsigned place, call;
    enum fault_effect effect;
    int error;
} rows[] = {
#define ROW_OF_POINT(path, place, call, effect, error) {path, place, call, effect, error},
    FAULT_POINTS(ROW_OF_POINT)};

enum { ROWS = sizeof rows / sizeof *rows };

static void paths_are_sorted_and_unique(void)
{
    for (int i = 1; i < ROWS; i++) {
        bool ordered = strcmp(rows[i - 1].path, rows[i].path) < 0;
        if (!ordered) printf("  %s\n", rows[i].path);
        CHECK(ordered);
    }
}

static void a_path_at_a_file_is_spelled_from_its_columns(void)
{
    for (int i = 0; i < ROWS; i++) {
        if (rows[i].place >= KIND_COUNT) continue;
        char want[64];
        snprintf(want, sizeof want, "fs/%s/%s/", kind_name(rows[i].place),
                 call_name(rows[i].call));
        CHECK(!strncmp(rows[i].path, want, strlen(want)));
    }
}

static void an_effect_has_the_errno_of_its_name(void)
{
    static const struct {
        const char *text;
        enum fault_effect effect;
        int error;
    } names[] = {
        {"after", FAULT_AFTER, EIO},     {"drop", FAULT_DROP, 0},
        {"eagain", FAULT_ERROR, EAGAIN}, {"edquot", FAULT_ERROR, EDQUOT},
        {"eintr", FAULT_ERROR, EINTR},   {"eio", FAULT_ERROR, EIO},
        {"emfile", FAULT_ERROR, EMFILE}, {"enospc", FAULT_ERROR, ENOSPC},
        {"nomem", FAULT_ERROR, ENOMEM},  {"part", FAULT_PART, EIO},
        {"short", FAULT_SHORT, 0},
    };
    for (int i = 0; i < ROWS; i++) {
        const char *text = strrchr(rows[i].path, '/') + 1;
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            if (strcmp(text, names[k].text)) continue;
            CHECK_INT(rows[i].effect, names[k].effect);
            CHECK_INT(rows[i].error, names[k].error);
        }
    }
}

static bool has(unsigned place, unsigned call, enum fault_effect effect)
{
    for (int i = 0; i < ROWS; i++)
        if (rows[i].place == place && rows[i].call == call && rows[i].effect == effect)
            return true;
    return false;
}

static void every_site_can_fail_before_and_after_its_effect(void)
{
    for (enum site s = 0; s < SITE_COUNT; s++) {
        bool both = has(site_kind(s), site_call(s), FAULT_ERROR) &&
                    has(site_kind(s), site_call(s), FAULT_AFTER);
        if (!both) printf("  %s\n", site_name(s));
        CHECK(both);
    }
}

static void every_barrier_and_ordering_site_can_be_dropped(void)
{
    for (enum site s = 0; s < SITE_COUNT; s++) {
        enum file_call c = site_call(s);
        bool orders = c == CALL_SYNC || c == CALL_RENAME || c == CALL_LINK ||
                      c == CALL_UNLINK || c == CALL_TRUNCATE;
        CHECK_INT(has(site_kind(s), c, FAULT_DROP), orders);
    }
}

/* A point that no site asks would be a promise without a keeper. */
static void every_point_of_a_changing_call_has_a_site(void)
{
    for (int i = 0; i < ROWS; i++) {
        unsigned call = rows[i].call;
        if (rows[i].place >= KIND_COUNT || call == CALL_READ || call == CALL_SIZE ||
            call == CALL_LIST || call == CALL_MAP ||
            (rows[i].place == KIND_DIR && call == CALL_OPEN))
            continue;
        bool found = false;
        for (enum site s = 0; s < SITE_COUNT; s++)
            found |= site_kind(s) == rows[i].place && site_call(s) == call;
        if (!found) printf("  %s\n", rows[i].path);
        CHECK(found);
    }
}

/* A kind that can be opened can be read and measured. */
static void every_kind_that_is_opened_can_fail_when_read(void)
{
    for (enum site s = 0; s < SITE_COUNT; s++) {
        if (site_call(s) != CALL_OPEN) continue;
        CHECK(has(site_kind(s), CALL_READ, FAULT_ERROR));
        CHECK(has(site_kind(s), CALL_READ, FAULT_SHORT));
        CHECK(has(site_kind(s), CALL_SIZE, FAULT_ERROR));
    }
}

static void a_short_transfer_moves_something_and_a_partial_one_not_all(void)
{
    struct fault none = {FAULT_NONE, 0}, brief = {FAULT_SHORT, 0}, part = {FAULT_PART, 5};
    CHECK_INT(fault_part(none, 7), 7);
    CHECK_INT(fault_part(brief, 7), 3);
    CHECK_INT(fault_part(brief, 1), 1);
    CHECK_INT(fault_part(part, 7), 3);
    CHECK_INT(fault_part(part, 1), 0);
}

#define ROW(name)                                                                        \
    {                                                                                    \
#name, name                                                                      \
    }
CU_TestInfo fault_points_tests[] = {
    ROW(paths_are_sorted_and_unique),
    ROW(a_path_at_a_file_is_spelled_from_its_columns),
    ROW(an_effect_has_the_errno_of_its_name),
    ROW(every_site_can_fail_before_and_after_its_effect),
    ROW(every_barrier_and_ordering_site_can_be_dropped),
    ROW(every_point_of_a_changing_call_has_a_site),
    ROW(every_kind_that_is_opened_can_fail_when_read),
    ROW(a_short_transfer_moves_something_and_a_partial_one_not_all),
    CU_TEST_INFO_NULL,
};
