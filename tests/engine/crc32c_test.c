#include "tests/support/check.h"

#include "engine/crc32c.h"
#include "fault/rng.h"

static void the_published_vectors_come_out(void)
{
    uint8_t zeros[32] = {0}, ones[32], up[32];
    memset(ones, 0xff, sizeof ones);
    for (unsigned i = 0; i < 32; i++)
        up[i] = (uint8_t)i;
    const struct {
        const void *data;
        size_t size;
        uint32_t want;
    } vectors[] = {
        {"", 0, 0},
        {"123456789", 9, 0xe3069283}, /* the check value of CRC-32C */
        {zeros, 32, 0x8a9136aa},      /* RFC 3720, B.4 */
        {ones, 32, 0x62a8ab43},
        {up, 32, 0x46dd794e},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        CHECK_INT(crc32c(0, vectors[i].data, vectors[i].size), vectors[i].want);
        CHECK_INT(crc32c_portable(0, vectors[i].data, vectors[i].size), vectors[i].want);
    }
}

/* Lengths on both sides of the places where the fast version changes its step. */
static void fast_and_portable_agree_at_every_length_and_alignment(void)
{
    static uint8_t bytes[8192];
    struct rng r;
    rng_init(&r, 1);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)rng_next(&r);
    size_t bad = 0;
    for (size_t n = 0; n < 2400; n++) {
        const uint8_t *p = bytes + n % 9;
        uint32_t start = (uint32_t)rng_next(&r);
        bad += crc32c(start, p, n) != crc32c_portable(start, p, n);
    }
    bad += crc32c(0, bytes, sizeof bytes) != crc32c_portable(0, bytes, sizeof bytes);
    CHECK_INT(bad, 0);
}

static void a_checksum_may_be_taken_in_pieces(void)
{
    static uint8_t bytes[3000];
    struct rng r;
    rng_init(&r, 2);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)rng_next(&r);
    uint32_t whole = crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut += 37)
        CHECK_INT(crc32c(crc32c(0, bytes, cut), bytes + cut, sizeof bytes - cut), whole);
}

CU_TestInfo engine_crc32c_tests[] = {
    {"the_published_vectors_come_out", the_published_vectors_come_out},
    {"fast_and_portable_agree_at_every_length_and_alignment",
     fast_and_portable_agree_at_every_length_and_alignment},
    {"a_checksum_may_be_taken_in_pieces", a_checksum_may_be_taken_in_pieces},
    CU_TEST_INFO_NULL,
};
