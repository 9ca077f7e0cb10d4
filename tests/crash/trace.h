/* trace.h - a run's calls in words, so that another program can count its images.
 *
 * Flow:    crash --trace > run_play > lines > tests/crash/count.py
 * Owns:    nothing.
 * Tests:   tests/crash/certify.sh
 *
 *   scenario NAME          basedir NAME, then base FILE HEX-BYTES for each of its files
 *   mkdir NAME             rmdir NAME             opened HANDLE dir NAME | file DIR NAME
 *   create DIR NAME EMPTY  rename DIR A B         link DIR A DIR B     unlink DIR NAME
 *   write FILE OFFSET HEX  resize FILE SIZE       sync FILE MODE       dirsync DIR
 *   fail EFFECT BYTES      killed                 cut (base lines follow)
 *   window CALL COUNT WEIGHTS VISITS DISTINCT SUM WHOLE   what the walk says of this
 *             moment: images by calculation, by counting, visits, contents that differ, sum
 *             of their digests (0 when there are more than TRACE_SET_MAX images), and
 *             whether it was walked at all
 *   torn ...  the same where one chunk may be torn (R5)
 *
 * DIR and FILE are handles.
 */
#ifndef TESTS_CRASH_TRACE_H
#define TESTS_CRASH_TRACE_H

#include <stdio.h>

#include "tests/crash/run.h"

#define TRACE_SET_MAX 4096 /* images of a window whose contents are compared */
#define TRACE_TORN_MAX                                                                   \
    (1u << 16) /* windows with tears that are walked: as in pass torn */

/* skip_every > 0: a walk that forgets each so-manieth image, to see the certificate fail. */
void trace_scenario(FILE *out, const struct scenario *s, uint64_t skip_every,
                    uint64_t walk_max);

#endif
