/* stanzas.h - the machine's own package index as real data: name and stanza.
 *
 * Owns:   one block with the text, one with the list, until stanzas_free.
 * Errors: false, with what to do, when the index is empty.
 */
#ifndef TESTS_E2E_STANZAS_H
#define TESTS_E2E_STANZAS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/slice.h"

struct stanza {
    slice key;   /* the package's name */
    slice value; /* its stanza, the newline at its end included */
};

struct stanzas {
    char *text;
    struct stanza *list; /* sorted by key; of several with one the last in the index */
    size_t count;
};

bool stanzas_load(struct stanzas *s);
void stanzas_free(struct stanzas *s);
/* Position of the key, or -1. */
long stanzas_find(const struct stanzas *s, slice key);

#endif
