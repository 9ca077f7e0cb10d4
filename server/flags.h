/* flags.h - the command line into a configuration.
 *
 * Flow:   main > flags_parse > config_set
 * Errors: one line that names the flag and says what is wrong.
 * Tests:  tests/server/flags_test.c
 */
#ifndef SERVER_FLAGS_H
#define SERVER_FLAGS_H

#include "server/config.h"

#define FLAGS_ERROR_BYTES 384

enum flags_result { FLAGS_RUN, FLAGS_HELP, FLAGS_VERSION, FLAGS_BAD };

/* Reads "--name value" and "--name=value" for every setting that may be a flag. */
enum flags_result flags_parse(struct config *c, int argc, const char *const *argv,
                              char error[FLAGS_ERROR_BYTES]);
/* The text of --help, a line for each flag. Returns its size, which is below n. */
size_t flags_help(char *out, size_t n);
/* Takes "a/b/c" apart into "a/b" and "c". False: it does not end in a name.
 * REQUIRES: it is as short as CONFIG_TEXT_BYTES says. */
bool flags_split_dir(const char *dir, char parent[CONFIG_TEXT_BYTES],
                     char name[CONFIG_TEXT_BYTES]);

#endif
