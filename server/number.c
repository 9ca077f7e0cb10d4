#include "server/number.h"

bool number_parse(slice text, int64_t *out)
{
    const uint8_t *p = text.data;
    size_t n = text.size;
    if (n == 0 || n > NUMBER_BYTES_MAX) return false;

    bool negative = *p == '-';
    if (negative) p++, n--;
    if (n == 1 && *p == '0' && !negative) {
        *out = 0;
        return true;
    }
    if (n == 0 || *p < '1' || *p > '9') return false;

    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned)p[i] - '0';
        if (digit > 9) return false;
        if (__builtin_mul_overflow(v, 10u, &v)) return false;
        if (__builtin_add_overflow(v, digit, &v)) return false;
    }
    uint64_t most = (uint64_t)INT64_MAX + negative;
    if (v > most) return false;
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

size_t number_format(char out[NUMBER_BYTES_MAX], int64_t v)
{
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    char digits[NUMBER_BYTES_MAX];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + u % 10);
    while (u /= 10);

    size_t size = 0;
    if (v < 0) out[size++] = '-';
    while (n)
        out[size++] = digits[--n];
    return size;
}
