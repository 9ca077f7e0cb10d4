/* One file by its name, and the pointer CURRENT. */
#include <errno.h>
#include <stdio.h>

#include "engine/crc32c.h"
#include "engine/dump_lines.h"
#include "engine/filename.h"

#define CHECKSUM_DIGITS 8

/* "riptidekv FORMAT MANIFEST-NNNNNN CHECKSUM\n": four words, told one by one. */
void dump_current(slice file, dump_line_fn *line, void *arg)
{
    static const char *const words[] = {"magic", "format", "the manifest in force"};
    struct dump d;
    dump_begin(&d, file, line, arg);
    for (size_t i = 0; i < 3 && d.at < file.size; i++) {
        const uint8_t *p = file.data + d.at;
        const uint8_t *space = memchr(p, ' ', file.size - d.at);
        if (!space) break;
        char quoted[DUMP_QUOTED_BYTES];
        size_t n = (size_t)(space - p);
        dump_bytes(&d, n + 1, "%s %s", words[i], dump_quote(slice_of(p, n), quoted));
    }
    char want[CHECKSUM_DIGITS + 2];
    snprintf(want, sizeof want, "%08x\n", crc32c(0, file.data, d.at));
    bool good = file.size - d.at == CHECKSUM_DIGITS + 1 &&
                memcmp(file.data + d.at, want, CHECKSUM_DIGITS + 1) == 0;
    dump_rest(&d, good ? "checksum of what stands before it: good"
                       : "checksum of what stands before it: WRONG");
}

static enum err read_file(struct mem *mem, struct disk_dir *dir, const char *name,
                          uint8_t **out, size_t *size, struct err_detail *why)
{
    struct disk_file *file;
    uint64_t bytes = 0;
    int rc = disk_open(dir, name, DISK_READ, SITE_OTHER_CREATE, &file);
    if (rc) return err_set(why, err_from_os(rc), rc, "%.60s: open", name);
    rc = disk_size(file, &bytes);
    uint8_t *data = rc ? NULL : mem_alloc(mem, (size_t)bytes + 1);
    if (!rc && !data) rc = -ENOMEM;
    if (!rc) rc = disk_read(file, 0, data, (size_t)bytes, size);
    disk_close(file);
    if (rc) {
        mem_free(mem, data);
        return err_set(why, err_from_os(rc), rc, "%.60s: read", name);
    }
    *out = data;
    return ERR_OK;
}

enum err dump_file(struct mem *mem, struct disk_dir *dir, const char *name,
                   dump_line_fn *line, void *arg, struct err_detail *why)
{
    uint64_t number = 0;
    enum filename_kind kind = filename_parse(name, &number);
    bool current = kind == FILENAME_TMP || !strcmp(name, FILENAME_CURRENT);
    if (kind == FILENAME_STRANGER || (kind == FILENAME_FIXED && !current))
        return err_set(why, ERR_FOREIGN, 0,
                       "%.60s: not the name of a log, a table, a manifest or CURRENT",
                       name);
    uint8_t *data = NULL;
    size_t size = 0;
    enum err e = read_file(mem, dir, name, &data, &size, why);
    if (e) return e;
    slice file = slice_of(data, size);
    if (current) dump_current(file, line, arg);
    if (kind == FILENAME_LOG) dump_log(file, number, line, arg);
    if (kind == FILENAME_MANIFEST) dump_manifest(file, number, line, arg);
    if (kind == FILENAME_SST) dump_table(mem, file, line, arg);
    mem_free(mem, data);
    return ERR_OK;
}
