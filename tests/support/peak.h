/* peak.h - an allocator that knows how many bytes are taken, and how many ever were.
 *
 * Use it below a mem_counting: `counting.inner = &peak.mem`.
 */
#ifndef TESTS_SUPPORT_PEAK_H
#define TESTS_SUPPORT_PEAK_H

#include "fault/mem.h"

struct peak {
    struct mem mem;
    size_t bytes; /* now */
    size_t most;  /* ever; set it to `bytes` to begin anew */
};

void peak_init(struct peak *p);

#endif
