/* number.h - strict decimal text to integers and back, as Redis reads and writes them.
 *
 * Flow:  resp_parse, commands > number_*
 * Tests: tests/server/number_test.c
 */
#ifndef SERVER_NUMBER_H
#define SERVER_NUMBER_H

#include "engine/slice.h"

#define NUMBER_BYTES_MAX 20 /* digits and sign of the longest 64-bit number */

/* Accepts exactly what number_format writes: no spaces, no plus sign, no leading zeros,
 * no minus zero, nothing that overflows. */
bool number_parse(slice text, int64_t *out);
/* Writes v without a terminating zero; returns the bytes written. */
size_t number_format(char out[NUMBER_BYTES_MAX], int64_t v);

#endif
