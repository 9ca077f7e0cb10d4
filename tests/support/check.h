/* check.h - CUnit assertions that print both values.
 *
 * CHECK* go on after a failure, REQUIRE* end the test. Values are evaluated once.
 */
#ifndef TESTS_SUPPORT_CHECK_H
#define TESTS_SUPPORT_CHECK_H

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/slice.h"

/* True when equal; else prints "file:line: expr: got A, want B". */
bool check_int(int64_t got, int64_t want, const char *expr, const char *file, int line);
bool check_text(const char *got, const char *want, const char *expr, const char *file,
                int line);
bool check_slice(slice got, slice want, const char *expr, const char *file, int line);

#define CHECK(cond)   CU_ASSERT(cond)
#define REQUIRE(cond) CU_ASSERT_FATAL(cond)
#define CHECK_INT(got, want)                                                             \
    CU_ASSERT(check_int((int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__))
#define REQUIRE_INT(got, want)                                                           \
    CU_ASSERT_FATAL(check_int((int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__))
#define CHECK_TEXT(got, want)                                                            \
    CU_ASSERT(check_text((got), (want), #got, __FILE__, __LINE__))
#define CHECK_SLICE(got, want)                                                           \
    CU_ASSERT(check_slice((got), (want), #got, __FILE__, __LINE__))

#endif
