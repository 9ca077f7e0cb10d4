#include "server/limits.h"

static int64_t lower(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

uint64_t limits_wanted(const struct config *c)
{
    return (uint64_t)c->maxclients + (uint64_t)c->open_tables_max + LIMITS_OTHER;
}

bool limits_fit(struct config *c, uint64_t descriptors)
{
    if (descriptors >= limits_wanted(c)) return false;
    int64_t all = (int64_t)descriptors; /* less than what is wanted */
    int64_t rest = all - lower(LIMITS_OTHER, all / 2);
    c->open_tables_max = lower(c->open_tables_max, rest / 4 + 1);
    rest -= c->open_tables_max;
    c->maxclients = lower(c->maxclients, rest > 1 ? rest : 1);
    return true;
}
