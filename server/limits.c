#include "server/limits.h"

static int64_t lower(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

uint64_t limits_wanted(const struct config *c)
{
    return (uint64_t)c->maxclients + (uint64_t)c->open_tables_max + LIMITS_OTHER;
}

static int64_t beside_other(int64_t descriptors)
{
    return descriptors - lower(LIMITS_OTHER, descriptors / 2);
}

bool limits_fit(struct config *c, uint64_t descriptors)
{
    if (descriptors >= limits_wanted(c)) return false;
    c->open_tables_max =
        lower(c->open_tables_max, beside_other((int64_t)descriptors) / 4 + 1);
    c->maxclients = lower(c->maxclients, limits_clients_most(c, descriptors));
    return true;
}

int64_t limits_clients_most(const struct config *c, uint64_t descriptors)
{
    if (!descriptors || descriptors > INT64_MAX) return INT64_MAX;
    int64_t rest = beside_other((int64_t)descriptors) - c->open_tables_max;
    return rest > 1 ? rest : 1;
}
