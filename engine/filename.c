#include "engine/filename.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define DIGITS_MIN 6
#define DIGITS_MAX 18 /* fits uint64_t without an overflow check */
#define MANIFEST   "MANIFEST-"

#define NUMBER_BYTES_MAX 20 /* any uint64_t */
static_assert(sizeof MANIFEST + NUMBER_BYTES_MAX <= FILENAME_BYTES, "names fit");

/* Writes the number with at least six digits; returns where it ends. By hand: names are
 * made dozens of times in each recovery, and a recovery of a small store takes fifteen
 * microseconds. */
static char *put_number(char *out, uint64_t number)
{
    char digits[NUMBER_BYTES_MAX]; /* the last one first */
    size_t n = 0;
    for (; number || n < DIGITS_MIN; number /= 10)
        digits[n++] = (char)('0' + number % 10);
    while (n > 0)
        *out++ = digits[--n];
    return out;
}

void filename_log(uint64_t number, char out[FILENAME_BYTES])
{
    memcpy(put_number(out, number), ".log", sizeof ".log");
}

void filename_manifest(uint64_t number, char out[FILENAME_BYTES])
{
    memcpy(out, MANIFEST, sizeof MANIFEST - 1);
    *put_number(out + sizeof MANIFEST - 1, number) = 0;
}

void filename_sst(uint64_t number, char out[FILENAME_BYTES])
{
    memcpy(put_number(out, number), ".sst", sizeof ".sst");
}

void filename_reserve(uint64_t number, char out[FILENAME_BYTES])
{
    memcpy(put_number(out, number), ".reserve", sizeof ".reserve");
}

/* Takes the digits of a number that we would have written in this way: at least six, and
 * more than six only without leading zeros. */
static bool take_number(const char **text, uint64_t *number)
{
    const char *p = *text;
    uint64_t value = 0;
    while (*p >= '0' && *p <= '9')
        value = value * 10 + (uint64_t)(*p++ - '0');
    long digits = (long)(p - *text);
    if (digits < DIGITS_MIN || digits > DIGITS_MAX) return false;
    if (digits > DIGITS_MIN && **text == '0') return false;
    *text = p;
    *number = value;
    return true;
}

static enum filename_kind parse_fixed(const char *name)
{
    if (!strcmp(name, FILENAME_CURRENT) || !strcmp(name, FILENAME_LOCK))
        return FILENAME_FIXED;
    return strcmp(name, FILENAME_CURRENT_TMP) ? FILENAME_STRANGER : FILENAME_TMP;
}

enum filename_kind filename_parse(const char *name, uint64_t *number)
{
    bool is_manifest =
        *name == *MANIFEST && !strncmp(name, MANIFEST, sizeof MANIFEST - 1);
    bool is_number = *name >= '0' && *name <= '9';
    if (!is_manifest && !is_number) return parse_fixed(name);
    const char *p = is_manifest ? name + sizeof MANIFEST - 1 : name;
    uint64_t value;
    if (!take_number(&p, &value)) return FILENAME_STRANGER;
    enum filename_kind kind = FILENAME_STRANGER;
    if (is_manifest && *p == 0) kind = FILENAME_MANIFEST;
    if (!is_manifest && !strcmp(p, ".log")) kind = FILENAME_LOG;
    if (!is_manifest && !strcmp(p, ".sst")) kind = FILENAME_SST;
    if (!is_manifest && !strcmp(p, ".reserve")) kind = FILENAME_RESERVE;
    if (kind != FILENAME_STRANGER) *number = value;
    return kind;
}
