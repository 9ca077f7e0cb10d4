#include "server/check.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/dump.h"
#include "engine/filename.h"
#include "engine/repair.h"
#include "server/buf.h"
#include "server/config.h"
#include "server/recount.h"

#define JSON_BYTES_MAX (64u * 1024 * 1024)
#define LINE_BYTES     1024

const char check_usage[] =
    "usage: riptidekv-check DIR [--json] [--repair | --dump FILE]\n"
    "  DIR          the directory of a store that no server has open\n"
    "  --json       the answer as one JSON document: every finding with its kind, file,\n"
    "               offset (null when it has none) and text; also of errors\n"
    "  --repair     save what is not damaged, and say what is lost; damaged files stay "
    "in\n"
    "               DIR as FILE.lost; needs room for what it writes anew\n"
    "  --dump FILE  take one file of DIR apart instead: a log, a table, a manifest, "
    "CURRENT\n"
    "exit code: 0 sound, or repaired without a loss\n"
    "           1 findings, or repaired and something is lost\n"
    "           2 could not be checked or repaired";

/* The first thing that is wrong is told. */
static void mistake(char wrong[CHECK_WRONG_BYTES], const char *word, const char *what)
{
    if (!*wrong) snprintf(wrong, CHECK_WRONG_BYTES, "%.80s%s", word, what);
}

enum check_parsed check_parse(struct check *c, int argc, const char *const *argv,
                              char wrong[CHECK_WRONG_BYTES])
{
    *wrong = 0;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!strcmp(word, "--help")) return CHECK_HELP;
        if (!strcmp(word, "--json")) {
            c->json = true;
        } else if (!strcmp(word, "--repair")) {
            c->repair = true;
        } else if (!strcmp(word, "--dump")) {
            if (i + 1 == argc) mistake(wrong, word, ": needs the name of a file");
            c->dump = argv[++i];
        } else if (word[0] != '-' && !c->path) {
            c->path = word;
        } else {
            mistake(wrong, word, ": not understood");
        }
    }
    if (c->repair && c->dump) mistake(wrong, "--repair and --dump", ": one at a time");
    if (c->json && c->dump) mistake(wrong, "--json and --dump", ": a dump is text");
    if (!c->path) mistake(wrong, "", "no directory was given");
    if (c->path && strlen(c->path) >= CONFIG_TEXT_BYTES) {
        char limit[64];
        snprintf(limit, sizeof limit, "...: too long a path: the limit is %d bytes",
                 CONFIG_TEXT_BYTES - 1);
        mistake(wrong, c->path, limit);
    }
    return *wrong ? CHECK_BAD : CHECK_RUN;
}

/* ---- output ---- */

struct findings {
    struct check *check;
    struct buf json;
    unsigned count, losses;
    bool locked;
    char shortage[LINE_BYTES]; /* why the check could not be made, or empty */
};

static void append(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(struct buf *b, const char *format, ...)
{
    char text[LINE_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < sizeof text);
    buf_append(b, text, (size_t)n);
}

/* Text as a JSON string, quotes included. */
static void append_string(struct buf *b, const char *text)
{
    append(b, "\"");
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            append(b, "\\%c", byte);
        else if (byte < ' ' || byte >= 0x7f)
            append(b, "\\u%04x", byte);
        else
            append(b, "%c", byte);
    }
    append(b, "\"");
}

/* A line about a file begins with the file's name and a colon, and one about a place in it
 * has "at offset N": the engine's messages are written so. */
static void append_place(struct buf *b, const char *text)
{
    char file[FILENAME_BYTES];
    uint64_t number;
    const char *colon = strchr(text, ':'), *offset = strstr(text, "at offset ");
    size_t n = colon ? (size_t)(colon - text) : sizeof file;
    append(b, "\"file\":");
    if (n < sizeof file) snprintf(file, sizeof file, "%.*s", (int)n, text);
    if (n < sizeof file && filename_parse(file, &number) != FILENAME_STRANGER)
        append_string(b, file);
    else
        append(b, "null");
    append(b, ",\"offset\":");
    char *end;
    unsigned long long at = offset ? strtoull(offset + 10, &end, 10) : 0;
    if (offset && end != offset + 10)
        append(b, "%llu", at);
    else
        append(b, "null");
}

/* Prints what was built, as a line of its own. */
static void print_json(struct check *c, struct buf *b)
{
    buf_append(b, "", 1);
    c->print(c->arg, b->failed ? "{\"error\":\"no memory for the answer\"}"
                               : (const char *)buf_bytes(b));
    buf_deinit(b);
}

static void append_store(struct buf *b, const struct check *c)
{
    append(b, "{\"store\":");
    if (c->path)
        append_string(b, c->path);
    else
        append(b, "null");
}

int check_unable(struct check *c, const char *text)
{
    char line[LINE_BYTES];
    snprintf(line, sizeof line, "%.300s%s%.600s", c->path ? c->path : "",
             c->path ? ": " : "", text);
    c->complain(c->arg, line);
    if (!c->json) return CHECK_UNABLE;
    struct buf b;
    buf_init(&b, c->mem, JSON_BYTES_MAX);
    append_store(&b, c);
    append(&b, ",\"error\":");
    append_string(&b, text);
    append(&b, "}");
    print_json(c, &b);
    return CHECK_UNABLE;
}

/* Findings of a check, and lines of a repair: what is lost with its code, what is saved
 * with ERR_OK. Such a line of a check is a note. */
static void report(void *arg, enum err code, const char *line)
{
    struct findings *f = arg;
    f->locked |= code == ERR_LOCKED;
    if (code == ERR_NOMEM) snprintf(f->shortage, sizeof f->shortage, "%s", line);
    if (f->locked || *f->shortage) return;
    f->losses += code != ERR_OK;
    const char *kind = code ? err_text(code) : f->check->repair ? "saved" : "note";
    if (!f->check->json) {
        char out[LINE_BYTES];
        snprintf(out, sizeof out, "%s: %.800s", kind, line);
        f->check->print(f->check->arg, out);
        return;
    }
    append(&f->json, "%s{\"kind\":", f->count++ ? "," : "");
    append_string(&f->json, kind);
    append(&f->json, ",");
    append_place(&f->json, line);
    append(&f->json, ",\"text\":");
    append_string(&f->json, line);
    append(&f->json, "}");
}

static void begin_findings(struct findings *f, struct check *c)
{
    *f = (struct findings){.check = c};
    buf_init(&f->json, c->mem, JSON_BYTES_MAX);
    append_store(&f->json, c);
    append(&f->json, ",\"findings\":[");
}

/* Prints the document, whose last members stand in `members`. */
static void end_findings(struct findings *f, const char *members)
{
    append(&f->json, "]%s}", members);
    if (f->check->json)
        print_json(f->check, &f->json);
    else
        buf_deinit(&f->json);
}

/* ---- work ---- */

static int in_use(struct check *c)
{
    return check_unable(c, "in use by a server; stop it first");
}

static int verify(struct check *c)
{
    struct options options;
    struct db_env env = {.disk = c->disk, .clock = clock_real(), .mem = c->mem};
    struct findings f;
    options_init(&options);
    begin_findings(&f, c);
    enum err e = db_check(&env, c->store, &options, report, &f);
    if (f.locked || *f.shortage) {
        buf_deinit(&f.json);
        return f.locked ? in_use(c) : check_unable(c, f.shortage);
    }
    end_findings(&f, e ? ",\"sound\":false" : ",\"sound\":true");
    if (!c->json && !e) c->print(c->arg, "sound");
    return e ? CHECK_FINDINGS : CHECK_SOUND;
}

/* The counts of keys, which lost records had changed. */
static enum err mend_counts(const struct db_env *env, const char *store,
                            const struct options *options, struct findings *f,
                            struct err_detail *why)
{
    struct db *db;
    char line[128];
    unsigned changed;
    enum err e = db_open(env, store, options, &db, why);
    if (e) return e;
    e = recount(db, &changed, why);
    enum err closed = db_close(db);
    if (!e && closed) e = err_set(why, closed, 0, "closing the repaired store");
    if (e || !changed) return e;
    snprintf(line, sizeof line, "%u counts of keys corrected", changed);
    report(f, ERR_OK, line);
    return ERR_OK;
}

static enum err repair_all(const struct check *c, struct findings *f,
                           struct repair_counts *counts, struct err_detail *why)
{
    struct options options;
    struct db_env env = {.disk = c->disk, .clock = clock_real(), .mem = c->mem};
    options_init(&options);
    enum err e = db_repair(&env, c->store, &options, report, f, counts, why);
    if (e || !counts->changed) return e;
    env.sched = sched_inline_new(c->mem);
    if (!env.sched) return err_set(why, ERR_NOMEM, 0, "counting the keys");
    e = mend_counts(&env, c->store, &options, f, why);
    sched_free(env.sched);
    return e;
}

static int repair(struct check *c)
{
    struct findings f;
    struct repair_counts n;
    struct err_detail why = {.code = ERR_OK};
    char members[256];
    begin_findings(&f, c);
    enum err e = repair_all(c, &f, &n, &why);
    if (e) {
        buf_deinit(&f.json);
        char line[ERR_LINE_BYTES];
        return e == ERR_LOCKED ? in_use(c) : check_unable(c, err_line(&why, line));
    }
    snprintf(members, sizeof members,
             ",\"sound\":true,\"changed\":%s,\"tables_kept\":%llu,"
             "\"tables_salvaged\":%llu,\"tables_lost\":%llu,\"entries_written\":%llu,"
             "\"log_records\":%llu,\"bytes_lost\":%llu",
             n.changed ? "true" : "false", (unsigned long long)n.tables_kept,
             (unsigned long long)n.tables_salvaged, (unsigned long long)n.tables_lost,
             (unsigned long long)n.entries, (unsigned long long)n.records,
             (unsigned long long)n.bytes_lost);
    end_findings(&f, members);
    if (!c->json) c->print(c->arg, !n.changed ? "sound: nothing to repair" : "repaired");
    return f.losses ? CHECK_FINDINGS : CHECK_SOUND;
}

static int dump(struct check *c, struct disk_dir *dir)
{
    struct err_detail why = {.code = ERR_OK};
    char line[ERR_LINE_BYTES];
    enum err e = dump_file(c->mem, dir, c->dump, c->print, c->arg, &why);
    return e ? check_unable(c, err_line(&why, line)) : CHECK_SOUND;
}

int check_store(struct check *c)
{
    struct disk_dir *dir;
    int rc = disk_dir_open(c->disk, c->store, &dir);
    if (rc) return check_unable(c, rc == -ENOENT ? "no such directory" : strerror(-rc));
    int code = c->dump ? dump(c, dir) : c->repair ? repair(c) : verify(c);
    disk_dir_close(dir);
    return code;
}
