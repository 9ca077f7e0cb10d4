#include "tests/e2e/store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/db.h"
#include "engine/filename.h"
#include "engine/recover.h"
#include "fault/disk_posix.h"
#include "tests/e2e/world.h"

/* ---- the engine's view ---- */

struct view {
    struct db_env env;
    struct options options;
};

static bool view_open(struct view *v, const char *parent)
{
    memset(v, 0, sizeof *v);
    v->env.mem = mem_libc();
    v->env.clock = clock_real();
    v->env.sched = sched_inline_new(v->env.mem);
    options_init(&v->options);
    v->options.create_if_missing = false;
    return v->env.sched && disk_posix_new(v->env.mem, parent, &v->env.disk) == 0;
}

static void view_close(struct view *v)
{
    disk_posix_free(v->env.disk);
    sched_free(v->env.sched);
}

static void print_finding(void *arg, enum err code, const char *line)
{
    int *findings = arg;
    (*findings)++;
    printf("  check: %s: %s\n", err_text(code), line);
}

int store_check(const char *parent)
{
    struct view v;
    int findings = 0;
    if (!view_open(&v, parent)) return -1;
    enum err e = db_check(&v.env, "store", &v.options, print_finding, &findings);
    if (e && !findings) findings = 1;
    view_close(&v);
    return findings;
}

static bool state_has_table(const struct store_state *s, uint64_t number)
{
    for (size_t i = 0; i < s->table_count; i++)
        if (s->tables[i].meta.number == number) return true;
    return false;
}

static bool state_has_log(const struct store_state *s, uint64_t number)
{
    for (size_t i = 0; i < s->log_count; i++)
        if (s->logs[i].number == number) return true;
    return false;
}

struct leftovers {
    int tables, logs, others;
    int waiting_logs; /* so many more are no leftovers */
    bool print;
};

static bool is_known(const struct store_state *s, const char *name,
                     enum filename_kind *kind)
{
    uint64_t number = 0;
    *kind = filename_parse(name, &number);
    switch (*kind) {
    case FILENAME_STRANGER:
    case FILENAME_RESERVE:
    case FILENAME_FIXED: return true;
    case FILENAME_TMP: return false;
    case FILENAME_MANIFEST: return number == s->manifest;
    case FILENAME_LOG: return state_has_log(s, number);
    case FILENAME_SST: return state_has_table(s, number);
    }
    return false;
}

static void count_leftovers(const struct store_state *s, const char *dir,
                            struct leftovers *out)
{
    struct names names;
    if (!names_read(&names, dir)) return;
    for (size_t i = 0; i < names.count; i++) {
        enum filename_kind kind;
        if (is_known(s, names.list[i], &kind)) continue;
        if (kind == FILENAME_LOG && out->logs++ < out->waiting_logs) continue;
        kind == FILENAME_SST ? out->tables++ : out->others++;
        if (out->print) printf("  left behind: %s\n", names.list[i]);
    }
    names_free(&names);
}

/* Reads the store as recovery would and shows it to a function. */
static bool with_recovery(const char *parent,
                          void (*look)(const struct recovery *, const char *dir, void *),
                          void *arg)
{
    struct view v;
    struct disk_dir *dir;
    struct recovery r;
    struct err_detail why = {.text = ""};
    char store[PATH_BYTES];
    snprintf(store, sizeof store, "%.480s/store", parent);
    if (!view_open(&v, parent)) return false;
    bool ok = disk_dir_open(v.env.disk, "store", &dir) == 0;
    if (ok) {
        struct sst_files files = {.mem = v.env.mem, .dir = dir, .open_max = 1};
        ok = recover_read(&r, &v.env, &v.options, dir, &files, &why) == ERR_OK;
        if (ok) {
            look(&r, store, arg);
            recover_deinit(&r);
        }
        disk_dir_close(dir);
    }
    if (!ok) printf("  the store cannot be read: %s\n", why.text);
    view_close(&v);
    return ok;
}

static void look_for_leftovers(const struct recovery *r, const char *dir, void *arg)
{
    count_leftovers(&r->state, dir, arg);
}

int store_unfinished_tables(const char *parent)
{
    struct leftovers found = {.print = false};
    return with_recovery(parent, look_for_leftovers, &found) ? found.tables : -1;
}

bool store_has_no_leftovers(const char *parent, int waiting_logs)
{
    struct leftovers found = {.waiting_logs = waiting_logs, .print = true};
    return with_recovery(parent, look_for_leftovers, &found) && found.tables == 0 &&
           found.others == 0;
}

static void look_for_log_end(const struct recovery *r, const char *dir, void *arg)
{
    struct store_log_place *out = arg;
    char name[FILENAME_BYTES];
    filename_log(r->logs[r->last].number, name);
    snprintf(out->path, sizeof out->path, "%.470s/%s", dir, name);
    out->end = r->logs[r->last].end;
}

bool store_log_end(const char *parent, struct store_log_place *out)
{
    return with_recovery(parent, look_for_log_end, out);
}

static void look_for_table(const struct recovery *r, const char *dir, void *arg)
{
    struct store_table_place *out = arg;
    if (r->state.table_count == 0) return;
    const struct sst_meta *meta = &r->state.tables[0].meta;
    filename_sst(meta->number, out->name);
    snprintf(out->path, sizeof out->path, "%.470s/%s", dir, out->name);
    out->size = meta->size;
    out->tail_bytes = meta->tail_bytes;
}

bool store_some_table(const char *parent, struct store_table_place *out)
{
    memset(out, 0, sizeof *out);
    return with_recovery(parent, look_for_table, out) && out->size > 0;
}

/* ---- files ---- */

bool store_measure(const char *dir, struct store_bytes *out)
{
    struct names names;
    *out = (struct store_bytes){0, 0, 0};
    if (!names_read(&names, dir)) return false;
    for (size_t i = 0; i < names.count; i++) {
        char path[2 * PATH_BYTES];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", dir, names.list[i]);
        if (stat(path, &st) != 0) continue;
        uint64_t bytes = (uint64_t)st.st_blocks * 512;
        if (strstr(names.list[i], ".log")) {
            out->logs += bytes;
            out->log_files++;
        } else {
            out->others += bytes;
        }
    }
    names_free(&names);
    return true;
}

bool file_write(const char *path, const void *bytes, uint64_t size)
{
    FILE *f = fopen(path, "w");
    if (!f) return false;
    bool ok = fwrite(bytes, 1, size, f) == size;
    return fclose(f) == 0 && ok;
}

uint8_t *file_read(const char *path, uint64_t *size)
{
    FILE *f = fopen(path, "r");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *size = (uint64_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size + 1);
    if (bytes && fread(bytes, 1, *size, f) != *size) {
        free(bytes);
        bytes = NULL;
    }
    fclose(f);
    return bytes;
}

bool file_flip_byte(const char *path, uint64_t offset)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte = 0;
    bool ok = fd >= 0 && pread(fd, &byte, 1, (off_t)offset) == 1;
    byte = (uint8_t)~byte;
    ok = ok && pwrite(fd, &byte, 1, (off_t)offset) == 1;
    if (fd >= 0) close(fd);
    return ok;
}
