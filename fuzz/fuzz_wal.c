/* fuzz_wal.c - a damaged log gives its records up to the damage, and never a lie.
 *
 * Input: one byte that chooses how the second reader reads, or where its file is cut, then
 * the bytes of a log file. Claims: every record that comes back is byte for byte what a
 * writer would have written at its place; records continue one another; the size of the
 * reader's steps and short reads change nothing; cutting the file leaves a prefix; a
 * witness of rot is a record that knows better than the break. */
#include "fuzz/target.h"

#include <string.h>

#include "engine/batch.h"
#include "engine/wal.h"
#include "fuzz/bytes_disk.h"

#define LOG         7
#define RECORDS_MAX 512
#define INPUT_MAX   4096

struct found {
    uint64_t offset;
    uint32_t checksum;
};

struct outcome {
    struct found records[RECORDS_MAX];
    size_t count;
    uint64_t end;
    struct wal_tail tail;
};

/* The header that a writer makes for this record is the one that stands there. */
static void claim_frame(const struct wal_record *record, const uint8_t *at,
                        struct wal_chain before)
{
    static uint8_t frame[INPUT_MAX];
    CLAIM(record->bytes <= sizeof frame);
    memcpy(frame + WAL_HEADER_BYTES, record->payload.data, record->payload.size);
    wal_frame(frame, record->payload.size, LOG, before, record->first_seq,
              record->watermark);
    CLAIM(memcmp(frame, at, record->bytes) == 0);
}

/* Hostile batches end in an error and never beyond their bytes. */
static void read_batch(slice in)
{
    struct batch_entry entry;
    const uint8_t *end = in.data + in.size;
    while (in.size > 0) {
        size_t before = in.size;
        if (batch_next(&in, &entry) != ERR_OK) break;
        CLAIM(in.size < before);
        if (entry.key.size) CLAIM(entry.key.data + entry.key.size <= end);
        if (entry.value.size) CLAIM(entry.value.data + entry.value.size <= end);
    }
}

static void read_log(struct outcome *out, const uint8_t *data, size_t size, size_t step,
                     size_t short_reads)
{
    struct bytes_disk disk;
    struct wal_reader reader;
    struct wal_record record;
    struct wal_chain chain = {0, 0};
    enum err e;
    bytes_disk_init(&disk, KIND_WAL, data, size);
    disk.short_reads = short_reads;
    wal_reader_init(&reader, mem_libc(), &disk.file, LOG, size, chain, step);
    out->count = 0;
    out->end = 0;
    while ((e = wal_reader_next(&reader, &record, NULL)) == ERR_OK) {
        CLAIM(out->end + record.bytes == reader.offset && reader.offset <= size);
        CLAIM(record.previous == chain.checksum && record.number == chain.number);
        claim_frame(&record, data + out->end, chain);
        read_batch(record.payload);
        chain = (struct wal_chain){record.checksum, record.number + 1};
        if (out->count < RECORDS_MAX)
            out->records[out->count++] = (struct found){out->end, record.checksum};
        out->end = reader.offset;
    }
    CLAIM(e == ERR_NOT_FOUND);
    struct wal_position broken = {LOG, out->end};
    CLAIM(wal_reader_tail(&reader, broken, chain.number, &out->tail, NULL) == ERR_OK);
    CLAIM(out->tail.end >= out->end && out->tail.end <= size);
    if (out->tail.rot) {
        CLAIM(out->tail.records && out->tail.witness >= out->end);
        CLAIM(wal_parse(data + out->tail.witness, size - out->tail.witness, LOG,
                        &record) == WAL_PARSE_OK);
        CLAIM(wal_position_compare(record.watermark, broken) > 0);
    }
    wal_reader_deinit(&reader);
}

/* An exact allocation: a look beyond the end is seen. */
static void read_exactly(struct outcome *out, const uint8_t *data, size_t size,
                         size_t step, size_t short_reads)
{
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, data, size);
    read_log(out, exact, size, step, short_reads);
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole, other;
    if (size < 1 || size > INPUT_MAX) return 0;
    uint8_t choice = data[0];
    size_t n = size - 1;
    read_exactly(&whole, data + 1, n, INPUT_MAX, 0);
    if (choice < 128) { /* a file that ends earlier; the seeds choose 0 */
        read_exactly(&other, data + 1, n * choice / 127, INPUT_MAX, 0);
        CLAIM(other.count <= whole.count && other.end <= whole.end);
    } else {
        read_exactly(&other, data + 1, n, 1 + choice % 61, choice % 7);
        CLAIM(whole.count == other.count && whole.end == other.end);
        CLAIM(whole.tail.end == other.tail.end);
        CLAIM(whole.tail.records == other.tail.records);
        CLAIM(whole.tail.rot == other.tail.rot);
    }
    CLAIM(memcmp(whole.records, other.records, other.count * sizeof other.records[0]) ==
          0);
    return 0;
}
