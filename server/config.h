/* config.h - the settings of a server: one table for flags, CONFIG GET and CONFIG SET.
 *
 * Flow:   main (flags), cmd_server (CONFIG) > config_* > struct config < everybody
 * Owns:   its texts, inside the struct.
 * Errors: a refused value changes nothing and comes with Redis's words; ranges of sizes
 *         have units.
 * Tests:  tests/server/config_test.c
 */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "engine/slice.h"

#define CONFIG_TEXT_BYTES 512 /* with the terminating zero */

/* All values are either numbers (bools and enums too) or texts, so that one row of the
 * table can say where its value lies. */
struct config {
    int64_t port;
    char bind[CONFIG_TEXT_BYTES];
    char dir[CONFIG_TEXT_BYTES];
    int64_t appendfsync; /* enum sync_policy */
    int64_t loglevel;    /* enum config_loglevel */
    int64_t memtable_bytes;
    int64_t cache_bytes;
    int64_t compression; /* enum codec, of tables from this level on: */
    int64_t compression_from_level;
    int64_t map_tables;
    int64_t open_tables_max;
    int64_t databases;
    int64_t maxclients;
    int64_t timeout_s; /* idle clients are closed after; 0: never */
    int64_t tcp_backlog;
    int64_t tcp_keepalive_s;
    int64_t hz;
    int64_t proto_max_bulk_len; /* bytes */
    int64_t query_buffer_limit; /* bytes of one client's unread commands */
    int64_t maxmemory;          /* bytes; 0: no limit */
    int64_t maxmemory_policy;
    int64_t appendonly;
    int64_t slowlog_slower_than_us;
    int64_t slowlog_max_len;
    char save[CONFIG_TEXT_BYTES];
    char requirepass[CONFIG_TEXT_BYTES];
    char output_buffer_limit[CONFIG_TEXT_BYTES];
};

enum config_loglevel {
    LOGLEVEL_DEBUG,
    LOGLEVEL_VERBOSE,
    LOGLEVEL_NOTICE,
    LOGLEVEL_WARNING
};

enum config_type { CONFIG_NUMBER, CONFIG_BYTES, CONFIG_BOOL, CONFIG_ENUM, CONFIG_TEXT };

enum config_flags {
    CONFIG_FLAG = 1,    /* may be given on the command line */
    CONFIG_MUTABLE = 2, /* CONFIG SET may change it */
};

struct config_name {
    const char *text;
    int64_t value;
};

struct config_setting {
    const char *name;
    enum config_type type;
    unsigned flags;
    size_t offset;                   /* of the value in struct config */
    int64_t least, most;             /* NUMBER, BYTES */
    const struct config_name *names; /* ENUM: ends with a NULL text */
    const char *initial;             /* default, as text */
    const char *help;                /* one line for --help */
};

/* The table, sorted by name, and its length. */
extern const struct config_setting config_settings[];
extern const size_t config_settings_count;

void config_init(struct config *c);
/* The row with this name (case does not matter), or NULL. */
const struct config_setting *config_find(slice name);
/* Sets a value from its text. NULL, or what is wrong with it (static, or lives until the
 * next call with the same `scratch`). */
#define CONFIG_ERROR_BYTES 160
const char *config_set(struct config *c, const struct config_setting *s, slice text,
                       char scratch[CONFIG_ERROR_BYTES]);
/* The value as CONFIG GET shows it. */
slice config_get(const struct config *c, const struct config_setting *s,
                 char scratch[CONFIG_TEXT_BYTES]);

#endif
