/* Files in the format of wal.h: logs, whose records hold batches, and manifests, whose
 * records hold edits. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/batch.h"
#include "engine/coding.h"
#include "engine/dump_lines.h"
#include "engine/manifest.h"
#include "engine/wal.h"

/* ---- payloads ---- */

static void dump_entry(struct dump *d)
{
    char quoted[DUMP_QUOTED_BYTES];
    slice in = slice_of(d->file.data + d->at, d->end - d->at), before = in;
    struct batch_entry entry;
    if (batch_next(&in, &entry)) {
        dump_rest(d, "not an entry of a batch");
        d->cut = true;
        return;
    }
    size_t bytes = before.size - in.size;
    switch (entry.kind) {
    case BATCH_DELETE:
        dump_bytes(d, bytes, "delete %s", dump_quote(entry.key, quoted));
        break;
    case BATCH_PUT:
        bytes = (size_t)(entry.key.data + entry.key.size - before.data);
        dump_bytes(d, bytes, "put %s", dump_quote(entry.key, quoted));
        dump_prefixed(d, "value");
        break;
    case BATCH_REGISTER_ADD:
        dump_bytes(d, bytes, "register %u += %" PRId64, entry.index,
                   (int64_t)entry.number);
        break;
    case BATCH_REGISTER_SET:
        dump_bytes(d, bytes, "register %u = %" PRIu64, entry.index, entry.number);
        break;
    case BATCH_FLOOR:
        dump_bytes(d, bytes, "floor: older keys that begin with %s are gone",
                   dump_quote(slice_of(&(uint8_t){(uint8_t)entry.index}, 1), quoted));
        break;
    }
}

static void dump_batch(struct dump *d)
{
    while (d->at < d->end && !d->cut)
        dump_entry(d);
}

/* What follows the byte of a field. */
struct layout {
    const char *name;
    const char *numbers[9]; /* varints; NULL after the last */
    const char *keys[2];    /* prefixed; NULL after the last */
};
static const struct layout layouts[EDIT_FIELDS] = {
    [EDIT_FORMAT] = {"format", {"version"}, {0}},
    [EDIT_NEXT_FILE] = {"next file", {"number"}, {0}},
    [EDIT_LAST_SEQ] = {"last sequence number", {"number"}, {0}},
    [EDIT_ADD_LOG] = {"add log", {"number", "recycled"}, {0}},
    [EDIT_DROP_LOG] = {"drop log", {"number"}, {0}},
    [EDIT_CHAIN] = {"chain", {"checksum", "record number"}, {0}},
    [EDIT_ADD_TABLE] = {"add table",
                        {"level", "number", "bytes", "tail bytes", "footer checksum",
                         "entries", "tombstones", "smallest sequence number",
                         "largest sequence number"},
                        {"smallest key", "largest key"}},
    [EDIT_DELETE_TABLE] = {"delete table", {"level", "number"}, {0}},
    [EDIT_REGISTERS] = {"registers", {0}, {0}},
    [EDIT_FLOORS] = {"floors", {0}, {0}},
    [EDIT_POINTER] = {"compaction pointer", {"level"}, {"key"}},
};

static void dump_pairs(struct dump *d, const char *index, const char *value)
{
    uint64_t count, ignored;
    dump_varint(d, "count", &count);
    for (; count > 0 && !d->cut; count--) {
        dump_varint(d, index, &ignored);
        dump_varint(d, value, &ignored);
    }
}

/* A field of numbers alone fits one line; false when its bytes are cut. */
static bool dump_numbers(struct dump *d, const struct layout *l)
{
    char text[DUMP_LINE_BYTES];
    slice in = slice_of(d->file.data + d->at + 1, d->end - d->at - 1);
    size_t before = in.size;
    int used = snprintf(text, sizeof text, "%s:", l->name);
    for (int i = 0; i < 9 && l->numbers[i]; i++) {
        uint64_t n;
        if (!slice_take_varint(&in, &n)) return false;
        bool hex = strstr(l->numbers[i], "checksum") != NULL;
        used += snprintf(text + used, sizeof text - (size_t)used,
                         hex ? "%s %s %08" PRIx64 : "%s %s %" PRIu64, i ? "," : "",
                         l->numbers[i], n);
    }
    dump_bytes(d, 1 + before - in.size, "%s", text);
    return true;
}

static void dump_field(struct dump *d)
{
    uint64_t ignored;
    unsigned field = d->file.data[d->at];
    if (field == 0 || field >= EDIT_FIELDS) {
        dump_rest(d, "a field that this program does not know");
        d->cut = true;
        return;
    }
    const struct layout *l = &layouts[field];
    if (l->numbers[0] && !l->keys[0] && dump_numbers(d, l)) return;
    dump_bytes(d, 1, "%s", l->name);
    for (int i = 0; i < 9 && l->numbers[i]; i++)
        dump_varint(d, l->numbers[i], &ignored);
    for (int i = 0; i < 2 && l->keys[i]; i++)
        dump_prefixed(d, l->keys[i]);
    if (field == EDIT_REGISTERS) dump_pairs(d, "register", "value");
    if (field == EDIT_FLOORS) dump_pairs(d, "prefix", "sequence number");
}

static void dump_edit(struct dump *d)
{
    while (d->at < d->end && !d->cut)
        dump_field(d);
}

/* ---- records ---- */

static void dump_header(struct dump *d, const struct wal_record *r, uint64_t log)
{
    dump_checksum(d, "checksum", r->checksum);
    dump_fixed(d, 4, "payload bytes");
    dump_bytes(d, 4, "checksum of the record before: %08" PRIx32, r->previous);
    dump_fixed(d, 4, "record number");
    dump_fixed(d, 8, "first sequence number");
    dump_fixed(d, 4, "watermark: a sync had returned for everything up to offset");
    dump_bytes(d, 4, "of log %" PRIu64 ", %" PRIu64 " before this one", r->watermark.log,
               log - r->watermark.log);
}

/* How the record stands to the one before it. */
static const char *position(const struct wal_record *r, const struct wal_chain *chain,
                            bool first)
{
    if (first) return "";
    if (r->previous == chain->checksum && r->number == chain->number) return "";
    return ", BEHIND THE END OF THE CHAIN";
}

/* From here the next offset at which a record begins, or the end of the file. */
static size_t next_record(const struct dump *d, uint64_t log)
{
    struct wal_record r;
    size_t at = d->at;
    for (; at + WAL_HEADER_BYTES <= d->file.size; at++)
        if (wal_parse(d->file.data + at, d->file.size - at, log, &r) == WAL_PARSE_OK)
            return at;
    return d->file.size;
}

static void dump_gap(struct dump *d, size_t to)
{
    size_t zeros = d->at;
    while (zeros < to && d->file.data[zeros] == 0)
        zeros++;
    if (zeros == to) {
        dump_say(d, "%zu zeros up to offset %zu", to - d->at, to);
        d->at = to;
        return;
    }
    dump_say(d, "%zu bytes at %zu that are no record of this log", to - d->at, d->at);
    d->end = to;
    d->cut = false;
    dump_rest(d, "");
}

static void dump_records(struct dump *d, uint64_t log, void (*payload)(struct dump *))
{
    struct wal_chain chain = {0, 0};
    bool first = true;
    while (d->at < d->file.size) {
        struct wal_record r;
        slice file = d->file;
        if (wal_parse(file.data + d->at, file.size - d->at, log, &r) != WAL_PARSE_OK) {
            dump_gap(d, next_record(d, log));
            continue;
        }
        dump_say(d, "record %" PRIu32 " at %zu: %zu bytes%s%s", r.number, d->at, r.bytes,
                 r.payload.size ? "" : ", a mark", position(&r, &chain, first));
        size_t end = d->at + r.bytes;
        d->end = end;
        d->cut = false;
        dump_header(d, &r, log);
        payload(d);
        d->at = end;
        chain = (struct wal_chain){r.checksum, r.number + 1};
        first = false;
    }
}

void dump_log(slice file, uint64_t number, dump_line_fn *line, void *arg)
{
    struct dump d;
    dump_begin(&d, file, line, arg);
    dump_records(&d, number, dump_batch);
}

void dump_manifest(slice file, uint64_t number, dump_line_fn *line, void *arg)
{
    struct dump d;
    dump_begin(&d, file, line, arg);
    dump_records(&d, number, dump_edit);
}
