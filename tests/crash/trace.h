/* trace.h - a run's calls in words, so that another program can count its images.
 *
 * Flow:    crash --trace > run_play > lines > tests/crash/count.py
 * Owns:    nothing.
 * Tests:   tests/crash/certify.sh
 *
 *   scenario NAME             base HEX-NAME HEX-BYTES      basedir
 *   open HANDLE NAME FLAGS    write HANDLE OFFSET HEX      sync HANDLE MODE  dirsync DIR
 *   mkdir NAME   rename A B   unlink NAME   resize HANDLE SIZE   fail EFFECT BYTES
 *   window CALL COUNT WEIGHTS VISITS DISTINCT SUM   what the walk says of this moment:
 *             images by calculation, by counting, contents that differ, sum of their
 *             digests (0 when there are more than TRACE_SET_MAX images)
 */
#ifndef TESTS_CRASH_TRACE_H
#define TESTS_CRASH_TRACE_H

#include <stdio.h>

#include "tests/crash/run.h"

#define TRACE_SET_MAX 4096 /* images of a window whose contents are compared */

/* skip_every > 0: a walk that forgets each so-manieth image, to see the certificate fail. */
void trace_scenario(FILE *out, const struct scenario *s, uint64_t skip_every,
                    uint64_t walk_max);

#endif
