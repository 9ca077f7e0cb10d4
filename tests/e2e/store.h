/* store.h - a store's directory seen from outside, with the engine's own reader.
 *
 * Flow:   e2e tests > store_* > recover_read, db_check
 * Errors: what is found is printed, a line each.
 *
 * Nothing here changes a store. `parent` is the directory in which "store" lies
 * (struct scratch's dir).
 */
#ifndef TESTS_E2E_STORE_H
#define TESTS_E2E_STORE_H

#include <stdbool.h>
#include <stdint.h>

/* Findings of db_check; the store must not be open elsewhere. */
int store_check(const char *parent);
/* Tables in the directory that the manifest does not name: outputs of an unfinished flush
 * or compaction, or inputs of a finished one that are not unlinked yet. -1: unreadable. */
int store_unfinished_tables(const char *parent);
/* True when of the names that the engine gives only those are there that the manifest
 * names, and the fixed ones; and at most so many logs that wait to be recycled: a running
 * server keeps some, a clean stop leaves none. */
bool store_has_no_leftovers(const char *parent, int waiting_logs);

/* The log that is being written: its path, and where its last record ends. */
struct store_log_place {
    char path[512];
    uint64_t end;
};
bool store_log_end(const char *parent, struct store_log_place *out);

/* Some table that the manifest names. */
struct store_table_place {
    char path[512], name[32];
    uint64_t size, tail_bytes; /* filter, index, properties and footer: its last bytes */
};
bool store_some_table(const char *parent, struct store_table_place *out);

struct store_bytes {
    uint64_t logs, others; /* allocated on the disk */
    unsigned log_files;
};
bool store_measure(const char *dir, struct store_bytes *out);

bool file_write(const char *path, const void *bytes, uint64_t size);
/* Reads a whole file into memory that the caller frees; NULL on error. */
uint8_t *file_read(const char *path, uint64_t *size);
/* Turns the bits of one byte round. */
bool file_flip_byte(const char *path, uint64_t offset);

#endif
