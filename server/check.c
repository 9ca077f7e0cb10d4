#include "server/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/db.h"
#include "engine/dump.h"

#define LINE_BYTES (6 * ERR_DETAIL_BYTES + 64) /* each byte may be escaped */

const char check_usage[] =
    "usage: riptidekv-check DIR [--json] [--dump FILE]\n"
    "  DIR          the directory of a store that no server has open\n"
    "  --json       findings as one line of JSON\n"
    "  --dump FILE  take one file of DIR apart instead: a log, a table, a manifest, "
    "CURRENT\n"
    "exit code: 0 sound, 1 findings, 2 could not be checked";

enum check_parsed check_parse(struct check *c, int argc, const char *const *argv,
                              const char **bad)
{
    *bad = NULL;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!strcmp(word, "--help")) return CHECK_HELP;
        if (!strcmp(word, "--json")) {
            c->json = true;
        } else if (!strcmp(word, "--dump") && i + 1 < argc) {
            c->dump = argv[++i];
        } else if (word[0] != '-' && !c->path) {
            c->path = word;
        } else {
            *bad = word;
            return CHECK_BAD;
        }
    }
    return c->path ? CHECK_RUN : CHECK_BAD;
}

/* ---- output ---- */

/* Text as a JSON string, quotes included. */
static void json_string(char out[LINE_BYTES], const char *text)
{
    char *p = out, *end = out + LINE_BYTES - 8;
    *p++ = '"';
    for (; *text && p < end; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            p += sprintf(p, "\\%c", byte);
        else if (byte < ' ' || byte >= 0x7f)
            p += sprintf(p, "\\u%04x", byte);
        else
            *p++ = (char)byte;
    }
    *p++ = '"';
    *p = 0;
}

struct findings {
    struct check *check;
    unsigned count;
    bool locked;
};

static int complain(struct check *c, const char *text)
{
    char line[LINE_BYTES];
    snprintf(line, sizeof line, "%.300s: %s", c->path, text);
    c->complain(c->arg, line);
    return CHECK_UNABLE;
}

static void begin_json(const struct findings *f)
{
    if (f->count == 0) f->check->print(f->check->arg, "{\"findings\":[");
}

static void report(void *arg, enum err code, const char *line)
{
    struct findings *f = arg;
    char out[LINE_BYTES + 128], text[LINE_BYTES];
    f->locked = code == ERR_LOCKED;
    if (f->locked) return;
    if (f->check->json) {
        begin_json(f);
        json_string(text, line);
        snprintf(out, sizeof out, "%s{\"code\":\"%s\",\"text\":%s}", f->count ? "," : "",
                 err_text(code), text);
    } else {
        snprintf(out, sizeof out, "%s: %s", err_text(code), line);
    }
    f->count++;
    f->check->print(f->check->arg, out);
}

/* ---- work ---- */

static int verify(struct check *c)
{
    struct options options;
    struct db_env env = {.disk = c->disk, .clock = clock_real(), .mem = c->mem};
    struct findings f = {.check = c};
    options_init(&options);
    enum err e = db_check(&env, c->store, &options, report, &f);
    if (f.locked)
        return complain(c, "in use by a server; stop it, or check a checkpoint");
    if (c->json) {
        begin_json(&f);
        c->print(c->arg, e ? "],\"sound\":false}" : "],\"sound\":true}");
    } else if (!e) {
        c->print(c->arg, "sound");
    }
    return e ? CHECK_FINDINGS : CHECK_SOUND;
}

static int dump(struct check *c, struct disk_dir *dir)
{
    struct err_detail why = {.code = ERR_OK};
    enum err e = dump_file(c->mem, dir, c->dump, c->print, c->arg, &why);
    return e ? complain(c, why.text) : CHECK_SOUND;
}

int check_store(struct check *c)
{
    struct disk_dir *dir;
    int rc = disk_dir_open(c->disk, c->store, &dir);
    if (rc) return complain(c, rc == -ENOENT ? "no such directory" : strerror(-rc));
    int code = c->dump ? dump(c, dir) : verify(c);
    disk_dir_close(dir);
    return code;
}
