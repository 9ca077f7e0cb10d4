/* glob.h - the patterns of KEYS, SCAN and CONFIG GET.
 *
 * `*` any bytes, `?` one byte, `[abc]`, `[^a-z]`, `\` takes the next byte as it is. The
 * cost is at most pattern length times text length: a star never recurses.
 *
 * Flow:  cmd_key, config > glob_*
 * Tests: tests/server/glob_test.c
 */
#ifndef SERVER_GLOB_H
#define SERVER_GLOB_H

#include "engine/slice.h"

bool glob_match(slice pattern, slice text);
/* The same with ASCII letters of both cases equal. */
bool glob_match_nocase(slice pattern, slice text);
/* The bytes that every match begins with: the pattern up to its first special byte. When
 * that is the whole pattern, it matches itself only. */
slice glob_prefix(slice pattern);

#endif
