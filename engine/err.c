/* err.c - texts of the error codes and the one mapping from errno.
 *
 * The mapping is short on purpose: the engine acts differently on "no room" (resume when
 * there is room), "no memory" (answer an error, go on), "absent" and "locked"; everything
 * else that an operating system may say is ERR_IO with the errno kept for the log line.
 */
#include "engine/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_text(enum err code)
{
    static const char *const texts[] = {
#define ERR_TEXT(id, text) [id] = text,
        ERRORS(ERR_TEXT)
#undef ERR_TEXT
    };
    static_assert(sizeof texts / sizeof *texts == ERR_COUNT, "a text for every code");
    assert((unsigned)code < ERR_COUNT);
    return texts[code];
}

enum err err_from_os(int negative_errno)
{
    assert(negative_errno <= 0);
    switch (-negative_errno) {
    case 0: return ERR_OK;
    case ENOENT: return ERR_MISSING;
    case ENOMEM: return ERR_NOMEM;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ERR_NO_SPACE;
    case EWOULDBLOCK: return ERR_LOCKED;
    case EEXIST: return ERR_EXISTS;
    default: return ERR_IO;
    }
}

enum err err_set(struct err_detail *why, enum err code, int os_error, const char *format,
                 ...)
{
    if (!why) return code;
    why->code = code;
    why->os_error = os_error < 0 ? -os_error : os_error;
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return code;
}

bool err_is_shortage(int os_error)
{
    return os_error == ENOMEM || os_error == EMFILE || os_error == ENFILE;
}

bool err_is_no_file(int os_error)
{
    return os_error == EISDIR || os_error == ELOOP || os_error == ENXIO;
}

/* The system's own words for what is no file do not say so. */
static const char *reason(int os_error)
{
    switch (os_error) {
    case EISDIR: return "a directory in place of a file";
    case ELOOP: return "a symbolic link in place of a file";
    case ENXIO: return "neither a file nor a directory";
    default: return strerror(os_error);
    }
}

const char *err_line(const struct err_detail *why, char out[ERR_LINE_BYTES])
{
    const char *because = why->os_error ? reason(why->os_error) : "";
    bool told = strstr(why->text, because) != NULL;
    snprintf(out, ERR_LINE_BYTES, "%s%s%.60s", why->text, told ? "" : ": ",
             told ? "" : because);
    return out;
}
