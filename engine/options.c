/* options.c - defaults and legal ranges of a store's options, one table row each. */
#include "engine/options.h"

#include <inttypes.h>
#include <string.h>

void options_init(struct options *o)
{
    *o = (struct options){
        .create_if_missing = true,
        .error_if_exists = false,
        .sync = SYNC_EVERYSEC,
        .memtable_bytes = 64u << 20,
        .log_bytes = 0,
        .block_bytes = 4096,
        .restart_interval = 16,
        .filter_bits = 10,
        .table_bytes = 2u << 20,
        .cache_bytes = 64u << 20,
        .map_tables = sizeof(void *) >= 8,
        .open_tables_max = 1000,
        .level0_tables = 4,
        .level1_bytes = 0,
        .level_ratio = 10,
        .manifest_bytes = 1u << 20,
        .spare_logs = 2,
        .write_buffer_bytes = 64u << 10,
        .immutables_max = 4,
        .level0_slow = 16,
        .level0_stop = 24,
    };
    for (unsigned l = LEVELS_PLAIN; l < LEVELS_MAX; l++)
        o->codecs[l] = CODEC_BEST;
}

/* The public name of the option is compression. */
static enum err check_codecs(const struct options *o, struct err_detail *why)
{
    for (unsigned l = 0; l < LEVELS_MAX; l++) {
        if (o->codecs[l] >= CODECS)
            return err_set(why, ERR_INVALID, 0,
                           "option compression[%u]: %u is not a codec", l,
                           (unsigned)o->codecs[l]);
        if (!codec_built_in(o->codecs[l]))
            return err_set(why, ERR_INVALID, 0,
                           "option compression[%u]: this program was built without %s; "
                           "build it again with " CODEC_PACKAGES " installed",
                           l, codec_name(o->codecs[l]));
    }
    return ERR_OK;
}

enum err options_check(const struct options *o, struct err_detail *why)
{
    /* A watermark holds 32 bits of offset: a log ends soon after 1 GiB. */
    const uint64_t gib = (uint64_t)1 << 30, tib = (uint64_t)1 << 40;
    /* The lower ends are what the smallest geometry of the crash tests needs. A block
     * larger than 32 KiB could outgrow LARGE_VALUE_BYTES and would never be cached. */
    const struct range {
        const char *name;
        uint64_t value, min, max;
    } ranges[] = {
        {"sync", (uint64_t)o->sync, 0, SYNC_NO},
        {"memtable_bytes", o->memtable_bytes, 64, gib},
        {"log_bytes", o->log_bytes, 0, gib},
        {"block_bytes", o->block_bytes, 64, 32u << 10},
        {"restart_interval", o->restart_interval, 1, 1024},
        {"filter_bits", o->filter_bits, 0, 32},
        {"table_bytes", o->table_bytes, 64, tib},
        {"cache_bytes", o->cache_bytes, 0, tib},
        {"open_tables_max", o->open_tables_max, 1, 1u << 20},
        {"level0_tables", o->level0_tables, 1, 1024},
        {"level1_bytes", o->level1_bytes, o->level1_bytes ? 64 : 0, tib},
        {"level_ratio", o->level_ratio, 2, 1000},
        {"manifest_bytes", o->manifest_bytes, 64, tib},
        {"spare_logs", o->spare_logs, 1, 16},
        {"write_buffer_bytes", o->write_buffer_bytes, 64, 1u << 30},
        {"immutables_max", o->immutables_max, 1, 16},
        {"level0_slow", o->level0_slow, 1, 1024},
        {"level0_stop", o->level0_stop, 2, 1024},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const struct range *r = &ranges[i];
        if (r->value >= r->min && r->value <= r->max) continue;
        return err_set(
            why, ERR_INVALID, 0,
            "option %s: %" PRIu64 " is not between %" PRIu64 " and %" PRIu64 "%s",
            r->name, r->value, r->min, r->max, strstr(r->name, "_bytes") ? " bytes" : "");
    }
    return check_codecs(o, why);
}
