/* token.h - one word that names a failure: paste it back and it happens again.
 *
 * Flow:    shrunk failure > token_print > a line of output > token_parse > replay
 * Owns:    nothing.
 * Tests:   tests/proptests/token_test.c
 *
 * A token is base64url of a few numbers and a tape, with a check byte against slips of
 * the pen, and after "~" the image of the crash as images_describe wrote it:
 *
 *     AQECBgAAAgIFCg~-3.1,7.2
 *
 * A tape that is too long for that can still be named when it came from a seed: by the
 * seed, the number of operations, and which of them were kept.
 */
#ifndef PROPTESTS_TOKEN_H
#define PROPTESTS_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKEN_TEXT_MAX       120
#define TOKEN_TAPE_BYTES     4096
#define TOKEN_OPERATIONS_MAX 1024
#define TOKEN_CHOICE_MAX     80

struct token {
    uint32_t setup; /* the program's own: scenario, geometry, policy, profile */
    uint64_t place; /* where the run is cut off: a call's ordinal */
    uint8_t tape[TOKEN_TAPE_BYTES];
    size_t tape_size;
    bool seeded;         /* the tape is what `keep` leaves of a random one */
    uint64_t seed;       /* seeded: of tape_random */
    uint32_t operations; /* seeded: its operations */
    bool keep[TOKEN_OPERATIONS_MAX];
    char choice[TOKEN_CHOICE_MAX + 1]; /* the image; "" when there is none */
};

/* Writes at most TOKEN_TEXT_MAX characters and a zero. False when it does not fit. */
bool token_print(const struct token *t, char out[TOKEN_TEXT_MAX + 1]);
/* False for anything that token_print did not write. The tape of a seeded token is
 * made again. */
bool token_parse(const char *text, struct token *out);
/* Fills tape and tape_size from seed, operations and keep. */
void token_seeded_tape(struct token *t);

#endif
