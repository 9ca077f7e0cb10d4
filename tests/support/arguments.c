#include "tests/support/arguments.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool arguments_number(const char *name, const char *text, uint64_t min, uint64_t max,
                      uint64_t *out)
{
    bool digits = *text && text[strspn(text, "0123456789")] == '\0';
    errno = 0;
    unsigned long long n = digits ? strtoull(text, NULL, 10) : 0;
    if (!digits || errno || n < min || n > max) {
        fprintf(stderr,
                "%s: \"%s\" is not a whole number from %" PRIu64 " to %" PRIu64
                "; give one in decimal digits\n",
                name, text, min, max);
        return false;
    }
    *out = n;
    return true;
}

bool arguments_end(int argc, char **argv, int next)
{
    if (next >= argc) return true;
    fprintf(stderr, "\"%s\" is no option; leave it out\n", argv[next]);
    return false;
}
