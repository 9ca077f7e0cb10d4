/* Field names are Redis's where a field means the same, because monitoring tools read
 * them; the section `engine` is our own. Nothing here walks over data: every number is
 * kept by whoever changes it. */
#include "server/info.h"

#include <stdarg.h>
#include <stdio.h>

#include "server/state.h"

#define INFO_LINE_BYTES 512

static void line(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void line(struct buf *b, const char *format, ...)
{
    char text[INFO_LINE_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_append(b, text, n < INFO_LINE_BYTES ? (size_t)n : sizeof text - 1);
    buf_append(b, "\r\n", 2);
}

static void field(struct buf *b, const char *name, uint64_t v)
{
    line(b, "%s:%llu", name, (unsigned long long)v);
}

static void section_server(struct server *s, struct buf *b)
{
    int64_t up_s = (s->mono_ms - s->start_ms) / 1000;
    line(b, "redis_version:7.0.15");
    line(b, "redis_mode:standalone");
    line(b, "server_name:riptidekv");
    line(b, "arch_bits:%d", (int)(8 * sizeof(void *)));
    line(b, "multiplexing_api:poll");
    line(b, "process_id:%lld", (long long)s->env.process_id);
    line(b, "run_id:%s", s->run_id);
    line(b, "tcp_port:%u", s->port);
    line(b, "server_time_usec:%lld", (long long)clock_wall_ms(s->env.clock) * 1000);
    line(b, "uptime_in_seconds:%lld", (long long)up_s);
    line(b, "uptime_in_days:%lld", (long long)up_s / 86400);
    line(b, "hz:%lld", (long long)s->config.hz);
    line(b, "configured_hz:%lld", (long long)s->config.hz);
    line(b, "config_file:");
}

static void section_clients(struct server *s, struct buf *b)
{
    uint64_t largest_in = 0, largest_out = 0;
    for (const struct conn *c = s->first_conn; c; c = c->next) {
        if (buf_size(&c->in) > largest_in) largest_in = buf_size(&c->in);
        if (buf_size(&c->out) > largest_out) largest_out = buf_size(&c->out);
    }
    field(b, "connected_clients", s->conns);
    field(b, "maxclients", (uint64_t)s->config.maxclients);
    field(b, "client_recent_max_input_buffer", largest_in);
    field(b, "client_recent_max_output_buffer", largest_out);
    field(b, "blocked_clients", 0);
}

static void section_memory(struct server *s, struct buf *b)
{
    struct db_stats d;
    db_stats_get(s->db, &d);
    uint64_t clients = 0;
    for (const struct conn *c = s->first_conn; c; c = c->next)
        clients += sizeof *c + c->in.capacity + c->out.capacity;
    uint64_t used = d.memtable_bytes + d.cache_bytes + d.table_memory + clients;
    field(b, "used_memory", used);
    line(b, "used_memory_human:%.2fM", (double)used / (1024 * 1024));
    field(b, "mem_clients_normal", clients);
    field(b, "maxmemory", (uint64_t)s->config.maxmemory);
    line(b, "maxmemory_policy:noeviction");
    line(b, "mem_allocator:libc");
}

static void section_persistence(struct server *s, struct buf *b)
{
    const struct err_detail *refused = db_write_error(s->db);
    struct db_stats d;
    db_stats_get(s->db, &d);
    field(b, "loading", 0);
    field(b, "rdb_changes_since_last_save", 0);
    field(b, "rdb_bgsave_in_progress", 0);
    line(b, "rdb_last_bgsave_status:ok");
    field(b, "aof_enabled", 1);
    field(b, "aof_rewrite_in_progress", 0);
    line(b, "aof_last_bgrewrite_status:ok");
    line(b, "aof_last_write_status:%s", refused->code ? "err" : "ok");
    if (refused->code)
        line(b, "aof_last_write_error:%s: %s", refused->text, server_refusal_reason(s));
    field(b, "aof_current_size", d.log_bytes);
}

static void section_stats(struct server *s, struct buf *b)
{
    const struct stats *t = &s->stats;
    field(b, "total_connections_received", t->connections);
    field(b, "total_commands_processed", t->commands);
    field(b, "instantaneous_ops_per_sec", t->ops_per_second);
    field(b, "total_net_input_bytes", t->bytes_in);
    field(b, "total_net_output_bytes", t->bytes_out);
    field(b, "rejected_connections", t->rejected);
    field(b, "expired_keys", s->keyspace.expired_keys - t->expired_base);
    field(b, "evicted_keys", 0);
    field(b, "keyspace_hits", t->hits);
    field(b, "keyspace_misses", t->misses);
    field(b, "pubsub_channels", 0);
    field(b, "pubsub_patterns", 0);
}

static void section_replication(struct server *s, struct buf *b)
{
    (void)s;
    line(b, "role:master");
    field(b, "connected_slaves", 0);
}

static void section_keyspace(struct server *s, struct buf *b)
{
    for (unsigned db = 0; db < DATABASES; db++) {
        uint64_t keys = keyspace_count(&s->keyspace, db);
        if (keys == 0) continue;
        line(b, "db%u:keys=%llu,expires=%llu,avg_ttl=0", db, (unsigned long long)keys,
             (unsigned long long)keyspace_count_deadlines(&s->keyspace, db));
    }
}

static void ratio(struct buf *b, const char *name, uint64_t part, uint64_t whole)
{
    line(b, "%s:%.3f", name, whole ? (double)part / (double)whole : 0.0);
}

/* Counts of syncs by the time that they did not exceed: "127us=98,4095us=1". */
static void sync_histogram(struct buf *b, const struct latency *l)
{
    char text[LATENCY_BUCKETS * 32];
    size_t used = 0;
    text[0] = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        if (l->buckets[i] == 0) continue;
        int n =
            snprintf(text + used, sizeof text - used, "%s%lluus=%llu", used ? "," : "",
                     (1ull << i) - 1, (unsigned long long)l->buckets[i]);
        if (n < 0 || (size_t)n >= sizeof text - used) break;
        used += (size_t)n;
    }
    line(b, "sync_histogram:%s", text);
}

static void section_engine(struct server *s, struct buf *b)
{
    struct db_stats d;
    db_stats_get(s->db, &d);
    for (int i = 0; i < LEVELS_MAX; i++)
        line(b,
             "level%d:files=%llu,bytes=%llu,entries=%llu,bytes_in=%llu,bytes_out=%llu,"
             "raw_bytes=%llu",
             i, (unsigned long long)d.level[i].files,
             (unsigned long long)d.level[i].bytes, (unsigned long long)d.level[i].entries,
             (unsigned long long)d.moved[i].bytes_in,
             (unsigned long long)d.moved[i].bytes_out,
             (unsigned long long)d.level[i].bytes + (unsigned long long)d.level[i].saved);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"memtable_bytes", d.memtable_bytes},
        {"immutable_memtables", d.immutables},
        {"log_bytes", d.log_bytes},
        {"user_bytes_written", d.user_bytes_written},
        {"log_bytes_written", d.log_bytes_written},
        {"table_bytes_written", d.table_bytes_written},
        {"manifest_bytes_written", d.manifest_bytes_written},
        {"compaction_bytes_read", d.compact_bytes_read},
        {"flushes", d.flushes},
        {"compactions", d.compactions},
        {"trivial_moves", d.trivial_moves},
        {"syncs", d.syncs},
        {"sync_microseconds", d.sync_us},
        {"sync_p50_microseconds", latency_percentile(&d.sync, 50)},
        {"sync_p99_microseconds", latency_percentile(&d.sync, 99)},
        {"sync_max_microseconds", d.sync.max_us},
        {"stalls", d.stalls},
        {"stall_microseconds", d.stall_us},
        {"log_bytes_filled", d.log_bytes_filled},
        {"cache_hits", d.cache_hits},
        {"cache_misses", d.cache_misses},
        {"cache_bytes", d.cache_bytes},
        {"filter_negatives", d.filter_negatives},
        {"filter_false_positives", d.filter_false_positives},
        {"table_memory", d.table_memory},
        {"table_mapped", d.table_mapped},
        {"recovered_records", d.recovered_records},
        {"recovered_cut_bytes", d.recovered_cut_bytes},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        field(b, rows[i].name, rows[i].value);
    ratio(b, "write_amplification", db_stats_write_amplification(&d), 1000);
    ratio(b, "space_amplification", db_stats_space_amplification(&d), 1000);
    ratio(b, "read_amplification", db_stats_read_amplification(&d), 1000);
    line(b, "compression_built_in:" CODEC_BEST_NAME);
    ratio(b, "compression_ratio", db_stats_compression(&d), 1000);
    ratio(b, "cache_hit_rate", d.cache_hits, d.cache_hits + d.cache_misses);
    ratio(b, "filter_hit_rate", d.filter_negatives,
          d.filter_negatives + d.filter_false_positives);
    sync_histogram(b, &d.sync);
}

static const struct section {
    const char *name;
    const char *title;
    void (*write)(struct server *, struct buf *);
} sections[] = {
    {"server", "Server", section_server},
    {"clients", "Clients", section_clients},
    {"memory", "Memory", section_memory},
    {"persistence", "Persistence", section_persistence},
    {"stats", "Stats", section_stats},
    {"replication", "Replication", section_replication},
    {"keyspace", "Keyspace", section_keyspace},
    {"engine", "Engine", section_engine},
};

static bool wanted(const struct section *section, const slice *names, uint32_t count)
{
    static const char *const all[] = {"all", "default", "everything"};
    for (uint32_t i = 0; i < count; i++) {
        if (equals_nocase(names[i], section->name)) return true;
        for (size_t a = 0; a < sizeof all / sizeof *all; a++)
            if (equals_nocase(names[i], all[a])) return true;
    }
    return count == 0;
}

void info_write(struct server *s, const slice *names, uint32_t count, struct buf *out)
{
    bool first = true;
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        if (!wanted(&sections[i], names, count)) continue;
        if (!first) buf_append(out, "\r\n", 2);
        first = false;
        line(out, "# %s", sections[i].title);
        sections[i].write(s, out);
    }
}
