#include "server/config.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>

#include "engine/options.h"
#include "server/glob.h"
#include "server/number.h"

/* ---- the table ---- */

static const struct config_name fsync_names[] = {
    {"everysec", SYNC_EVERYSEC}, {"always", SYNC_ALWAYS}, {"no", SYNC_NO}, {NULL, 0}};
static const struct config_name codec_names[] = {
    {"none", CODEC_NONE}, {"lz4", CODEC_LZ4}, {NULL, 0}};
static const struct config_name loglevel_names[] = {{"debug", LOGLEVEL_DEBUG},
                                                    {"verbose", LOGLEVEL_VERBOSE},
                                                    {"notice", LOGLEVEL_NOTICE},
                                                    {"warning", LOGLEVEL_WARNING},
                                                    {NULL, 0}};
static const struct config_name policy_names[] = {{"noeviction", 0}, {NULL, 0}};

#define AT(field) offsetof(struct config, field)
#define MIB       (1024 * 1024)

/* name, type, flags, where, least, most, names, default, help */
/* clang-format off */
const struct config_setting config_settings[] = {
    {"appendfsync", CONFIG_ENUM, CONFIG_FLAG | CONFIG_MUTABLE, AT(appendfsync), 0, 0,
     fsync_names, "everysec", "always|everysec|no: when a reply may leave"},
    {"appendonly", CONFIG_BOOL, 0, AT(appendonly), 0, 1, NULL, "yes", NULL},
    {"bind", CONFIG_TEXT, CONFIG_FLAG, AT(bind), 0, 0, NULL, "127.0.0.1",
     "ADDRESS: numeric address to listen on"},
    {"cache-bytes", CONFIG_BYTES, CONFIG_FLAG, AT(cache_bytes), 0, INT64_MAX, NULL, "64mb",
     "BYTES: memory for blocks that were read"},
    {"client-output-buffer-limit", CONFIG_TEXT, 0, AT(output_buffer_limit), 0, 0, NULL,
     "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", NULL},
    {"client-query-buffer-limit", CONFIG_BYTES, CONFIG_MUTABLE, AT(query_buffer_limit),
     MIB, 1024 * MIB, NULL, "1gb", NULL},
    {"compression", CONFIG_ENUM, CONFIG_FLAG, AT(compression), 0, 0, codec_names,
     CODEC_BEST_NAME, "lz4|none: how tables are stored"},
    {"compression-from-level", CONFIG_NUMBER, CONFIG_FLAG, AT(compression_from_level), 0,
     LEVELS_MAX - 1, NULL, "2", "N: levels above it are not compressed"},
    {"databases", CONFIG_NUMBER, 0, AT(databases), 1, 16, NULL, "16", NULL},
    {"dir", CONFIG_TEXT, CONFIG_FLAG, AT(dir), 0, 0, NULL, "./data",
     "DIR: directory of the data; its parent must exist"},
    {"hz", CONFIG_NUMBER, CONFIG_MUTABLE, AT(hz), 1, 500, NULL, "10", NULL},
    {"loglevel", CONFIG_ENUM, CONFIG_FLAG | CONFIG_MUTABLE, AT(loglevel), 0, 0,
     loglevel_names, "notice", "debug|verbose|notice|warning"},
    {"map-tables", CONFIG_BOOL, CONFIG_FLAG, AT(map_tables), 0, 1, NULL, "yes",
     "yes|no: read tables as mapped memory"},
    {"maxclients", CONFIG_NUMBER, CONFIG_FLAG | CONFIG_MUTABLE, AT(maxclients), 1,
     UINT32_MAX, NULL, "10000", "N: connections at a time"},
    {"maxmemory", CONFIG_BYTES, 0, AT(maxmemory), 0, INT64_MAX, NULL, "0", NULL},
    {"maxmemory-policy", CONFIG_ENUM, 0, AT(maxmemory_policy), 0, 0, policy_names,
     "noeviction", NULL},
    {"memtable-bytes", CONFIG_BYTES, CONFIG_FLAG, AT(memtable_bytes), 4096,
     1024LL * MIB, NULL, "64mb", "BYTES: writes kept in memory before a table is written"},
    {"open-tables-max", CONFIG_NUMBER, CONFIG_FLAG, AT(open_tables_max), 1, 1 << 20, NULL,
     "1000", "N: tables with an open descriptor at a time"},
    {"port", CONFIG_NUMBER, CONFIG_FLAG, AT(port), 0, 65535, NULL, "6379",
     "N: TCP port; 0 takes a free one and prints it"},
    {"proto-max-bulk-len", CONFIG_BYTES, CONFIG_MUTABLE, AT(proto_max_bulk_len), MIB,
     512 * MIB, NULL, "512mb", NULL},
    {"requirepass", CONFIG_TEXT, 0, AT(requirepass), 0, 0, NULL, "", NULL},
    {"save", CONFIG_TEXT, CONFIG_MUTABLE, AT(save), 0, 0, NULL, "", NULL},
    {"slowlog-log-slower-than", CONFIG_NUMBER, CONFIG_MUTABLE, AT(slowlog_slower_than_us),
     -1, INT64_MAX, NULL, "10000", NULL},
    {"slowlog-max-len", CONFIG_NUMBER, CONFIG_MUTABLE, AT(slowlog_max_len), 0, INT64_MAX,
     NULL, "128", NULL},
    {"tcp-backlog", CONFIG_NUMBER, CONFIG_FLAG, AT(tcp_backlog), 1, INT_MAX, NULL, "511",
     "N: connections that wait to be accepted"},
    {"tcp-keepalive", CONFIG_NUMBER, 0, AT(tcp_keepalive_s), 0, INT_MAX, NULL, "0", NULL},
    {"timeout", CONFIG_NUMBER, CONFIG_FLAG | CONFIG_MUTABLE, AT(timeout_s), 0, INT_MAX,
     NULL, "0", "SECONDS: close clients that are idle for so long; 0: never"},
};
/* clang-format on */
const size_t config_settings_count = sizeof config_settings / sizeof *config_settings;

/* ---- values ---- */

static int64_t *number_at(struct config *c, const struct config_setting *s)
{
    return (int64_t *)(void *)((char *)c + s->offset);
}
static char *text_at(struct config *c, const struct config_setting *s)
{
    return (char *)c + s->offset;
}

static bool equal_nocase(slice text, const char *word)
{
    size_t n = strlen(word);
    return text.size == n && strncasecmp((const char *)text.data, word, n) == 0;
}

/* "64mb", "1g" (1000), "512": as Redis reads memory sizes. */
static bool parse_bytes(slice text, int64_t *out)
{
    static const struct {
        const char *unit;
        int64_t factor;
    } units[] = {{"", 1},        {"b", 1},    {"k", 1000},       {"kb", 1024},
                 {"m", 1000000}, {"mb", MIB}, {"g", 1000000000}, {"gb", 1024LL * MIB}};
    size_t digits = 0;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    slice unit = slice_of(text.data + digits, text.size - digits);
    int64_t v;
    if (!number_parse(slice_of(text.data, digits), &v)) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (equal_nocase(unit, units[i].unit))
            return !__builtin_mul_overflow(v, units[i].factor, out);
    return false;
}

#define BYTES_TEXT 24

/* "64mb", in the largest unit that leaves no remainder: as parse_bytes reads it. */
static const char *bytes_text(int64_t v, char out[BYTES_TEXT])
{
    static const char *const units[] = {"", "kb", "mb", "gb"};
    size_t unit = 0;
    for (; v > 0 && v % 1024 == 0 && unit < 3; unit++)
        v /= 1024;
    snprintf(out, BYTES_TEXT, "%lld%s", (long long)v, units[unit]);
    return out;
}

static const char *range_error(const struct config_setting *s,
                               char scratch[CONFIG_ERROR_BYTES])
{
    char least[BYTES_TEXT], most[BYTES_TEXT];
    if (s->type == CONFIG_BYTES)
        snprintf(scratch, CONFIG_ERROR_BYTES,
                 "argument must be between %s and %s inclusive",
                 bytes_text(s->least, least), bytes_text(s->most, most));
    else
        snprintf(scratch, CONFIG_ERROR_BYTES,
                 "argument must be between %lld and %lld inclusive", (long long)s->least,
                 (long long)s->most);
    return scratch;
}

static const char *set_number(struct config *c, const struct config_setting *s, int64_t v,
                              char scratch[CONFIG_ERROR_BYTES])
{
    if (v < s->least || v > s->most) return range_error(s, scratch);
    *number_at(c, s) = v;
    return NULL;
}

static const char *set_enum(struct config *c, const struct config_setting *s, slice text,
                            char scratch[CONFIG_ERROR_BYTES])
{
    for (const struct config_name *n = s->names; n->text; n++) {
        if (!equal_nocase(text, n->text)) continue;
        *number_at(c, s) = n->value;
        return NULL;
    }
    int at = snprintf(scratch, CONFIG_ERROR_BYTES,
                      "argument(s) must be one of the following: ");
    for (const struct config_name *n = s->names; n->text; n++)
        at += snprintf(scratch + at, (size_t)(CONFIG_ERROR_BYTES - at), "%s%s",
                       n == s->names ? "" : ", ", n->text);
    return scratch;
}

static const char *set_text(struct config *c, const struct config_setting *s, slice text)
{
    if (text.size >= CONFIG_TEXT_BYTES) return "argument is too long";
    if (memchr(text.data, 0, text.size)) return "argument has a zero byte";
    char *to = text_at(c, s);
    memcpy(to, text.data, text.size);
    to[text.size] = '\0';
    return NULL;
}

/* ---- public ---- */

void config_init(struct config *c)
{
    memset(c, 0, sizeof *c);
    for (size_t i = 0; i < config_settings_count; i++) {
        char scratch[CONFIG_ERROR_BYTES];
        const struct config_setting *s = &config_settings[i];
        const char *error = config_set(c, s, slice_text(s->initial), scratch);
        assert(!error);
    }
}

const struct config_setting *config_find(slice name)
{
    for (size_t i = 0; i < config_settings_count; i++)
        if (equal_nocase(name, config_settings[i].name)) return &config_settings[i];
    return NULL;
}

const char *config_set(struct config *c, const struct config_setting *s, slice text,
                       char scratch[CONFIG_ERROR_BYTES])
{
    int64_t v;
    switch (s->type) {
    case CONFIG_NUMBER:
        if (!number_parse(text, &v)) return "argument couldn't be parsed into an integer";
        return set_number(c, s, v, scratch);
    case CONFIG_BYTES:
        if (!parse_bytes(text, &v)) return "argument must be a memory value";
        return set_number(c, s, v, scratch);
    case CONFIG_BOOL:
        if (!equal_nocase(text, "yes") && !equal_nocase(text, "no"))
            return "argument must be 'yes' or 'no'";
        return set_number(c, s, equal_nocase(text, "yes"), scratch);
    case CONFIG_ENUM: return set_enum(c, s, text, scratch);
    case CONFIG_TEXT: return set_text(c, s, text);
    }
    return "";
}

slice config_get(const struct config *c, const struct config_setting *s,
                 char scratch[CONFIG_TEXT_BYTES])
{
    /* The table's offsets serve both setting and getting. */
    struct config *where = (struct config *)(uintptr_t)c;
    if (s->type == CONFIG_TEXT) return slice_text(text_at(where, s));
    int64_t v = *number_at(where, s);
    if (s->type == CONFIG_BOOL) return slice_text(v ? "yes" : "no");
    if (s->type == CONFIG_ENUM) {
        const struct config_name *n = s->names;
        while (n->value != v)
            n++;
        return slice_text(n->text);
    }
    return slice_of(scratch, number_format(scratch, v));
}
