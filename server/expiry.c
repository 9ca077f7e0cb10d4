#include "server/expiry.h"

#include "server/number.h"
#include "server/state.h"

static bool invalid(struct call *c)
{
    reply_error(c->out, "ERR invalid expire time in '%s' command", c->command->name);
    return false;
}

bool expiry_parse_any(struct call *c, slice text, enum expiry_unit unit,
                      int64_t *deadline_ms)
{
    int64_t v;
    if (!number_parse(text, &v)) {
        reply_error(c->out, "ERR value is not an integer or out of range");
        return false;
    }
    if (unit == EXPIRY_SECONDS || unit == EXPIRY_AT_SECONDS)
        if (__builtin_mul_overflow(v, 1000, &v)) return invalid(c);
    if (unit == EXPIRY_SECONDS || unit == EXPIRY_MILLISECONDS)
        if (__builtin_add_overflow(v, call_keyspace(c)->now_ms, &v)) return invalid(c);
    /* Before 1970 is as gone as 1970, and -1 means "no deadline". */
    *deadline_ms = v < 0 ? 0 : v;
    return true;
}

bool expiry_parse(struct call *c, slice text, enum expiry_unit unit, int64_t *deadline_ms)
{
    int64_t v;
    if (number_parse(text, &v) && v <= 0) return invalid(c);
    return expiry_parse_any(c, text, unit, deadline_ms);
}
