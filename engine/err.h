/* err.h - everything that can go wrong in the engine, one sentence each.
 *
 * Flow:   fault/ answers 0 or -errno; err_from_os maps that once; the engine and its
 *         callers speak `enum err`. ERR_OK is 0: `if (e) return e;`
 * Tests:  tests/engine/err_test.c
 */
#ifndef ENGINE_ERR_H
#define ENGINE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* code, text for people. After every error the object is as before the call, unless the
 * function says otherwise. */
#define ERRORS(X)                                                                        \
    X(ERR_OK, "ok")                                                                      \
    X(ERR_NOT_FOUND, "not found")                                                        \
    X(ERR_NOMEM, "out of memory")                                                        \
    X(ERR_IO, "input/output error")            /* the OS refused; see os_error */        \
    X(ERR_NO_SPACE, "no space left on device") /* ENOSPC, EDQUOT, EFBIG */               \
    X(ERR_CORRUPT, "data is damaged")          /* a checksum or a format rule fails */   \
    X(ERR_MISSING, "a file of the store is missing")                                     \
    X(ERR_LOCKED, "the store is in use, or opened already")                              \
    X(ERR_FOREIGN, "not a store of this program") /* nothing was touched */              \
    X(ERR_NEWER_FORMAT, "the store has a format this program does not know")             \
    X(ERR_EXISTS, "the store exists already")                                            \
    X(ERR_INVALID, "invalid argument") /* a size or option out of its range */           \
    X(ERR_TOO_LARGE, "key, value or batch above the limit")                              \
    X(ERR_WRITES_REFUSED, "writes are refused after a failed write or sync")             \
    X(ERR_BUSY, "too much unfinished work; try again")

#define ERR_ENUM(code, text) code,
enum err { ERRORS(ERR_ENUM) ERR_COUNT };
#undef ERR_ENUM

/* What went wrong, where, for one log line or one reply. */
#define ERR_DETAIL_BYTES 288
struct err_detail {
    enum err code;
    int os_error;                /* errno behind it, or 0 */
    char text[ERR_DETAIL_BYTES]; /* "000007.sst: block at 4096: checksum mismatch" */
};

/* A detail and the reason that the system gave, in one line. */
#define ERR_LINE_BYTES (ERR_DETAIL_BYTES + 64)

/* Static text of a code. */
const char *err_text(enum err code);
/* Maps 0 or -errno from fault/ to a code. */
enum err err_from_os(int negative_errno);
/* Fills `why` (may be NULL) and returns `code`, so that it can stand in a return.
 * os_error is 0 or a positive or negative errno. */
enum err err_set(struct err_detail *why, enum err code, int os_error, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));
/* Whether this errno says that something that is no file has the name of one. */
bool err_is_no_file(int os_error);
/* Whether this errno says that memory or descriptors have run out, and nothing of a file. */
bool err_is_shortage(int os_error);
/* "TEXT: REASON" when an errno is behind it and the text does not tell the reason already,
 * else the text. Returns `out`. */
const char *err_line(const struct err_detail *why, char out[ERR_LINE_BYTES]);

#endif
