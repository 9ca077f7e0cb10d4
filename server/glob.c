/* Backtracking without recursion: when a byte does not match, only the *last* star can
 * help, because whatever an earlier star could take, the last one can take as well. So one
 * remembered position is enough, and each restart moves it one byte to the right. */
#include "server/glob.h"

static uint8_t fold(uint8_t c, bool nocase)
{
    return nocase && c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* Matches one byte against the set that begins behind `[` at *at; moves *at behind it.
 * A set that is never closed ends with the pattern. */
static bool match_set(slice pattern, size_t *at, uint8_t c, bool nocase)
{
    const uint8_t *p = pattern.data;
    size_t i = *at, n = pattern.size;
    bool negated = i < n && p[i] == '^';
    if (negated) i++;

    bool found = false;
    for (; i < n && p[i] != ']'; i++) {
        if (p[i] == '\\' && i + 1 < n) {
            i++;
            found |= p[i] == c;
        } else if (i + 2 < n && p[i + 1] == '-') {
            uint8_t low = fold(p[i], nocase), high = fold(p[i + 2], nocase);
            uint8_t b = fold(c, nocase);
            found |= low <= high ? low <= b && b <= high : high <= b && b <= low;
            i += 2;
        } else {
            found |= fold(p[i], nocase) == fold(c, nocase);
        }
    }
    *at = i < n ? i + 1 : n;
    return found != negated;
}

/* Matches one byte against the pattern's element at *at; moves *at behind the element.
 * REQUIRES: *at < pattern.size, and the element is no star. */
static bool match_one(slice pattern, size_t *at, uint8_t c, bool nocase)
{
    const uint8_t *p = pattern.data;
    size_t i = (*at)++;
    if (p[i] == '?') return true;
    if (p[i] == '[') return match_set(pattern, at, c, nocase);
    if (p[i] == '\\' && i + 1 < pattern.size) i = (*at)++;
    return fold(p[i], nocase) == fold(c, nocase);
}

static bool match(slice pattern, slice text, bool nocase)
{
    size_t p = 0, t = 0, star = SIZE_MAX, star_text = 0;
    while (t < text.size) {
        if (p < pattern.size && pattern.data[p] == '*') {
            star = ++p;
            star_text = t;
        } else if (p < pattern.size && match_one(pattern, &p, text.data[t], nocase)) {
            t++;
        } else if (star != SIZE_MAX) {
            p = star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.size && pattern.data[p] == '*')
        p++;
    return p == pattern.size;
}

bool glob_match(slice pattern, slice text)
{
    return match(pattern, text, false);
}

bool glob_match_nocase(slice pattern, slice text)
{
    return match(pattern, text, true);
}

slice glob_prefix(slice pattern)
{
    size_t n = 0;
    while (n < pattern.size && !memchr("*?[\\", pattern.data[n], 4))
        n++;
    return slice_of(pattern.data, n);
}
