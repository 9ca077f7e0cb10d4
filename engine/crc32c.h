/* crc32c.h - CRC-32C (Castagnoli), the checksum of every record and block on disk.
 *
 * Algorithm: polynomial 0x1EDC6F41 reflected, RFC 3720 B.4; the SSE4.2 instruction where
 *            the processor has it, tables elsewhere; both give the same numbers.
 * Tests:     tests/engine/crc32c_test.c ("123456789" is e3069283)
 */
#ifndef ENGINE_CRC32C_H
#define ENGINE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 at the start) over n bytes. */
uint32_t crc32c(uint32_t crc, const void *data, size_t n);
/* The table version, for comparison and for machines without the instruction. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t n);

#endif
