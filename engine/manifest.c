/* The manifest's files: creating one, appending to it, and the pointer CURRENT.
 *
 * Switching goes from the inside out, each step durable before the next one names it:
 * the new manifest's bytes, its name, CURRENT.tmp's bytes, the rename, the directory.
 * CURRENT holds one line: "riptidekv FORMAT MANIFEST-NNNNNN CHECKSUM". */
#include "engine/manifest.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "engine/crc32c.h"
#include "engine/filename.h"
#include "engine/new_file.h"

#define CURRENT_BYTES_MAX 96
#define CURRENT_MAGIC     "riptidekv "
#define FORMAT_DIGITS_MAX 9

#define TEXT_OF_(x) #x
#define TEXT_OF(x)  TEXT_OF_(x)

const struct wal_sites manifest_sites = {"manifest", SITE_MANIFEST_WRITE,
                                         SITE_MANIFEST_SYNC, SITE_MANIFEST_MARK};

static enum err disk_error(struct err_detail *why, int rc, const char *what)
{
    return rc ? err_set(why, err_from_os(rc), rc, "%s", what) : ERR_OK;
}

/* ---- pointer ---- */

/* By hand, as names of files are (filename.c). */
static size_t current_format(uint64_t number, char out[CURRENT_BYTES_MAX])
{
    static const char head[] = CURRENT_MAGIC TEXT_OF(STORE_FORMAT) " ";
    memcpy(out, head, sizeof head);
    filename_manifest(number, out + sizeof head - 1);
    size_t n = strlen(out);
    out[n++] = ' ';
    uint32_t crc = crc32c(0, out, n);
    for (int shift = 28; shift >= 0; shift -= 4)
        out[n++] = "0123456789abcdef"[crc >> shift & 15];
    out[n++] = '\n';
    return n;
}

static enum err write_tmp(struct disk_dir *dir, uint64_t number, struct err_detail *why)
{
    struct disk_file *file;
    int rc = new_file(dir, FILENAME_CURRENT_TMP, SITE_CURRENT_CREATE, SITE_CURRENT_UNLINK,
                      &file);
    if (rc) return disk_error(why, rc, FILENAME_CURRENT_TMP ": create");
    char text[CURRENT_BYTES_MAX];
    size_t n = current_format(number, text);
    rc = disk_write(file, 0, text, n, SITE_CURRENT_WRITE, NULL);
    if (!rc) rc = disk_sync(file, DISK_SYNC_FULL, SITE_CURRENT_SYNC);
    disk_close(file);
    return disk_error(why, rc, FILENAME_CURRENT_TMP ": write");
}

static enum err rename_tmp(struct disk_dir *dir, struct err_detail *why)
{
    int rc =
        disk_rename(dir, FILENAME_CURRENT_TMP, FILENAME_CURRENT, SITE_CURRENT_RENAME);
    if (rc) return disk_error(why, rc, FILENAME_CURRENT ": rename");
    rc = disk_dir_sync(dir, SITE_CURRENT_DIRSYNC);
    return disk_error(why, rc, FILENAME_CURRENT ": sync of the directory");
}

enum err manifest_point(struct disk_dir *dir, uint64_t number, struct err_detail *why)
{
    enum err e = write_tmp(dir, number, why);
    return e ? e : rename_tmp(dir, why);
}

/* Takes apart what follows the magic: FORMAT, and the name of a manifest. */
static bool current_parse(const char *p, unsigned *format, uint64_t *number)
{
    unsigned value = 0;
    size_t digits = 0;
    for (; p[digits] >= '0' && p[digits] <= '9' && digits < FORMAT_DIGITS_MAX; digits++)
        value = value * 10 + (unsigned)(p[digits] - '0');
    if (digits == 0 || p[digits] != ' ') return false;
    p += digits + 1;
    char name[FILENAME_BYTES];
    size_t n = strcspn(p, " ");
    if (n >= sizeof name) return false;
    memcpy(name, p, n);
    name[n] = 0;
    *format = value;
    return filename_parse(name, number) == FILENAME_MANIFEST;
}

enum err manifest_current(struct disk_dir *dir, uint64_t *number, struct err_detail *why)
{
    struct disk_file *file;
    int rc = disk_open(dir, FILENAME_CURRENT, DISK_READ, SITE_CURRENT_CREATE, &file);
    if (rc == -ENOENT) return err_set(why, ERR_MISSING, 0, FILENAME_CURRENT ": missing");
    if (rc) return disk_error(why, rc, FILENAME_CURRENT ": open");
    char text[CURRENT_BYTES_MAX], want[CURRENT_BYTES_MAX];
    size_t n = 0;
    rc = disk_read(file, 0, text, sizeof text - 1, &n);
    disk_close(file);
    if (rc) return disk_error(why, rc, FILENAME_CURRENT ": read");
    text[n] = 0;
    if (n == 0) return err_set(why, ERR_CORRUPT, 0, FILENAME_CURRENT ": empty");
    if (strncmp(text, CURRENT_MAGIC, sizeof CURRENT_MAGIC - 1) != 0)
        return err_set(why, ERR_FOREIGN, 0,
                       FILENAME_CURRENT
                       ": written by another program, or damaged; if the store is yours, "
                       "riptidekv-check --repair saves what is left");
    unsigned format = 0;
    uint64_t found = 0;
    if (!current_parse(text + sizeof CURRENT_MAGIC - 1, &format, &found))
        return err_set(why, ERR_CORRUPT, 0, FILENAME_CURRENT ": malformed");
    if (format > STORE_FORMAT)
        return err_set(why, ERR_NEWER_FORMAT, 0,
                       FILENAME_CURRENT ": the store has format %u; this program reads "
                                        "format %d",
                       format, STORE_FORMAT);
    if (current_format(found, want) != n || memcmp(want, text, n) != 0)
        return err_set(why, ERR_CORRUPT, 0, FILENAME_CURRENT ": checksum mismatch");
    *number = found;
    return ERR_OK;
}

/* ---- log of edits ---- */

enum err manifest_append(struct wal_writer *writer, uint8_t *frame, size_t length,
                         struct err_detail *why)
{
    enum err e = wal_append(writer, frame, length, 1, why);
    if (!e) e = wal_sync(writer, why);
    /* The mark tells later readers that the edit is durable: damage to it is then rot
     * and not a torn tail. Nothing that the edit frees is deleted before. */
    if (!e) e = wal_mark(writer, 1, why);
    return e;
}

enum err manifest_begin(struct disk_dir *dir, uint64_t number, uint8_t *frame,
                        size_t length, struct wal_writer *writer, struct err_detail *why)
{
    char name[FILENAME_BYTES];
    filename_manifest(number, name);
    writer->file = NULL;
    struct disk_file *file;
    int rc = new_file(dir, name, SITE_MANIFEST_CREATE, SITE_MANIFEST_UNLINK, &file);
    if (rc) return err_set(why, err_from_os(rc), rc, "%s: create", name);
    wal_writer_init(writer, file, &manifest_sites, number, 0, (struct wal_chain){0, 0},
                    (struct wal_position){number, 0});
    enum err e = wal_append(writer, frame, length, 1, why);
    if (!e) e = wal_sync(writer, why);
    if (e) return e;
    rc = disk_dir_sync(dir, SITE_MANIFEST_DIRSYNC);
    if (rc) return err_set(why, err_from_os(rc), rc, "%s: sync of the directory", name);
    return write_tmp(dir, number, why);
}

enum err manifest_switch(struct disk_dir *dir, struct wal_writer *writer,
                         struct err_detail *why)
{
    enum err e = rename_tmp(dir, why);
    return e ? e : wal_mark(writer, 1, why);
}

enum err manifest_create(struct disk_dir *dir, uint64_t number, uint8_t *frame,
                         size_t length, struct wal_writer *writer, struct err_detail *why)
{
    enum err e = manifest_begin(dir, number, frame, length, writer, why);
    return e ? e : manifest_switch(dir, writer, why);
}
