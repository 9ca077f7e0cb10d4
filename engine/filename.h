/* filename.h - the names of a store's files, and which names are ours at all.
 *
 * Only names that filename_parse recognises are ever deleted; a stranger's file in the
 * directory stays.
 * Format: docs/formats.md#files
 * Tests:  tests/engine/filename_test.c
 */
#ifndef ENGINE_FILENAME_H
#define ENGINE_FILENAME_H

#include <stdint.h>

#define FILENAME_BYTES       32
#define FILENAME_CURRENT     "CURRENT"
#define FILENAME_CURRENT_TMP "CURRENT.tmp"
#define FILENAME_LOCK        "LOCK"

enum filename_kind {
    FILENAME_STRANGER, /* not ours: never touched */
    FILENAME_FIXED,    /* CURRENT, LOCK */
    FILENAME_TMP,      /* CURRENT.tmp */
    FILENAME_MANIFEST, /* MANIFEST-NNNNNN */
    FILENAME_LOG,      /* NNNNNN.log */
    FILENAME_SST,      /* NNNNNN.sst */
    FILENAME_RESERVE   /* NNNNNN.reserve: room for a full disk, nothing in it */
};

void filename_log(uint64_t number, char out[FILENAME_BYTES]);
void filename_manifest(uint64_t number, char out[FILENAME_BYTES]);
void filename_sst(uint64_t number, char out[FILENAME_BYTES]);
void filename_reserve(uint64_t number, char out[FILENAME_BYTES]);
/* *number is set for the numbered kinds. */
enum filename_kind filename_parse(const char *name, uint64_t *number);

#endif
