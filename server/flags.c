#include "server/flags.h"

#include <assert.h>
#include <stdio.h>

static enum flags_result bad(char error[FLAGS_ERROR_BYTES], const char *flag,
                             const char *what)
{
    snprintf(error, FLAGS_ERROR_BYTES, "%.100s: %.200s; --help lists the flags", flag,
             what);
    return FLAGS_BAD;
}

/* The setting that "--name" or "--name=value" speaks of; *value is behind the "=". */
static const struct config_setting *find_flag(const char *arg, const char **value)
{
    if (arg[0] != '-' || arg[1] != '-') return NULL;
    size_t n = strcspn(arg + 2, "=");
    *value = arg[2 + n] == '=' ? arg + 2 + n + 1 : NULL;
    const struct config_setting *s = config_find(slice_of(arg + 2, n));
    return s && s->flags & CONFIG_FLAG ? s : NULL;
}

enum flags_result flags_parse(struct config *c, int argc, const char *const *argv,
                              char error[FLAGS_ERROR_BYTES])
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return FLAGS_HELP;
        if (!strcmp(argv[i], "--version") || !strcmp(argv[i], "-v")) return FLAGS_VERSION;
    }
    for (int i = 1; i < argc; i++) {
        const char *flag = argv[i], *value = NULL;
        const struct config_setting *s = find_flag(flag, &value);
        if (!s) return bad(error, flag, "no such flag");
        if (!value && ++i < argc) value = argv[i];
        if (!value) return bad(error, flag, "needs a value");
        char scratch[CONFIG_ERROR_BYTES];
        const char *why = config_set(c, s, slice_text(value), scratch);
        if (why) {
            snprintf(error, FLAGS_ERROR_BYTES, "--%s %.80s: %s", s->name, value, why);
            return FLAGS_BAD;
        }
    }
    return FLAGS_RUN;
}

size_t flags_help(char *out, size_t n)
{
    size_t at = (size_t)snprintf(
        out, n,
        "usage: riptidekv-server [--flag value]...\n\n"
        "A Redis-compatible key-value store that survives crashes.\n\n"
        "Flags are written --port 7001 or --port=7001, sizes in bytes or "
        "as 64kb, 32mb, 1gb.\n"
        "In brackets: what holds without the flag.\n\n");
    for (size_t i = 0; i < config_settings_count && at < n; i++) {
        const struct config_setting *s = &config_settings[i];
        if (!(s->flags & CONFIG_FLAG)) continue;
        at += (size_t)snprintf(out + at, n - at, "  --%-16s %s (%s)\n", s->name, s->help,
                               s->initial);
    }
    if (at < n)
        at += (size_t)snprintf(out + at, n - at,
                               "  --%-16s this text\n  --%-16s name and version\n",
                               "help", "version");
    return at < n ? at : n - 1;
}

bool flags_split_dir(const char *dir, char parent[CONFIG_TEXT_BYTES],
                     char name[CONFIG_TEXT_BYTES])
{
    size_t end = strlen(dir);
    assert(end < CONFIG_TEXT_BYTES);
    while (end > 0 && dir[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && dir[start - 1] != '/')
        start--;
    size_t n = end - start;
    snprintf(name, CONFIG_TEXT_BYTES, "%.*s", (int)n, dir + start);
    if (n == 0 || !strcmp(name, ".") || !strcmp(name, "..")) return false;

    size_t parent_end = start;
    while (parent_end > 1 && dir[parent_end - 1] == '/')
        parent_end--;
    snprintf(parent, CONFIG_TEXT_BYTES, "%.*s", (int)parent_end, dir);
    if (parent_end == 0) snprintf(parent, CONFIG_TEXT_BYTES, ".");
    return true;
}
