/* dump.h - files of a store taken apart for people: every byte with what it means.
 *
 * Flow:    riptidekv-check --dump, docs/formats.md > dump_file > dump_log | dump_table ...
 * Owns:    nothing; bytes that are dumped are borrowed.
 * Errors:  damage is told in the lines, where it lies; codes say only that a file could
 *          not be read or is none of ours.
 * Threads: any.
 * Tests:   tests/engine/dump_file_test.c, tests/engine/dump_log_test.c,
 *          tests/engine/dump_table_test.c, tests/engine/dump_lines_test.c
 *
 * A line is an offset in hexadecimal, up to eight bytes, and their meaning; lines without
 * an offset announce what follows:
 *
 *     record 0 at 0: 45 bytes, sequence number 1
 *     000000  3b 1f 75 8a              checksum: good
 */
#ifndef ENGINE_DUMP_H
#define ENGINE_DUMP_H

#include "engine/err.h"
#include "engine/slice.h"
#include "fault/disk.h"
#include "fault/mem.h"

/* One line without its end, valid during the call. */
typedef void dump_line_fn(void *arg, const char *line);

/* The whole file `name` of a directory, by the form of its name. Needs as much memory as
 * the file is long. ERR_FOREIGN: no name of ours; else what reading it answered. */
enum err dump_file(struct mem *mem, struct disk_dir *dir, const char *name,
                   dump_line_fn *line, void *arg, struct err_detail *why);

/* The bytes of one file. A log or a manifest needs its number, which seeds checksums. */
void dump_log(slice file, uint64_t number, dump_line_fn *line, void *arg);
void dump_manifest(slice file, uint64_t number, dump_line_fn *line, void *arg);
/* mem: for one decoded block at a time. */
void dump_table(struct mem *mem, slice file, dump_line_fn *line, void *arg);
void dump_current(slice file, dump_line_fn *line, void *arg);

#endif
