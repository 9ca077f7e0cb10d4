#include "tests/support/check.h"

#include <inttypes.h>
#include <stdio.h>

bool check_int(int64_t got, int64_t want, const char *expr, const char *file, int line)
{
    if (got == want) return true;
    printf("  %s:%d: %s: got %" PRId64 ", want %" PRId64 "\n", file, line, expr, got,
           want);
    return false;
}

bool check_text(const char *got, const char *want, const char *expr, const char *file,
                int line)
{
    if (got && want && strcmp(got, want) == 0) return true;
    printf("  %s:%d: %s:\n    got  \"%s\"\n    want \"%s\"\n", file, line, expr,
           got ? got : "(null)", want ? want : "(null)");
    return false;
}

static void print_slice(const char *label, slice s)
{
    printf("    %s (%zu bytes) \"", label, s.size);
    for (size_t i = 0; i < s.size && i < 200; i++) {
        uint8_t c = s.data[i];
        if (c >= 32 && c < 127 && c != '"' && c != '\\')
            putchar(c);
        else
            printf("\\x%02x", c);
    }
    printf("%s\"\n", s.size > 200 ? "..." : "");
}

bool check_slice(slice got, slice want, const char *expr, const char *file, int line)
{
    if (slice_equal(got, want)) return true;
    printf("  %s:%d: %s:\n", file, line, expr);
    print_slice("got ", got);
    print_slice("want", want);
    return false;
}
