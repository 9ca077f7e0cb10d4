/* Strings. Every command reads what it must, decides, and then makes one change. */
#include "server/cmd.h"

#include "server/expiry.h"
#include "server/keyset.h"
#include "server/number.h"
#include "server/state.h"

/* ---- GET and relatives ---- */

static void reply_value(struct call *c, const struct entry *e)
{
    if (e->exists)
        reply_bulk(c->out, e->value);
    else
        reply_nil(c->out);
}

void get_command(struct call *c)
{
    struct entry e;
    if (call_read(c, c->argv[1], &e)) reply_value(c, &e);
}

void strlen_command(struct call *c)
{
    struct entry e;
    if (call_read(c, c->argv[1], &e))
        reply_int(c->out, e.exists ? (int64_t)e.value.size : 0);
}

void mget_command(struct call *c)
{
    reply_array(c->out, (int64_t)c->argc - 1);
    for (uint32_t i = 1; i < c->argc; i++) {
        struct entry e;
        if (!call_read(c, c->argv[i], &e)) return;
        reply_value(c, &e);
    }
}

void getdel_command(struct call *c)
{
    struct entry e;
    if (!call_get(c, c->argv[1], &e)) return;
    reply_value(c, &e);
    if (e.exists) call_remove(c, c->argv[1], &e);
}

void getset_command(struct call *c)
{
    struct entry e;
    if (!call_get(c, c->argv[1], &e)) return;
    reply_value(c, &e);
    call_put(c, c->argv[1], &e, c->argv[2], NO_DEADLINE);
}

/* ---- SET ---- */

struct set_options {
    bool if_absent, if_present, get, keep_deadline;
    enum expiry_unit unit; /* EXPIRY_NONE: no expiry was given */
    slice expiry;
};

static enum expiry_unit unit_of(slice word)
{
    if (equals_nocase(word, "ex")) return EXPIRY_SECONDS;
    if (equals_nocase(word, "px")) return EXPIRY_MILLISECONDS;
    if (equals_nocase(word, "exat")) return EXPIRY_AT_SECONDS;
    if (equals_nocase(word, "pxat")) return EXPIRY_AT_MILLISECONDS;
    return EXPIRY_NONE;
}

static bool parse_set_options(struct call *c, struct set_options *o)
{
    *o = (struct set_options){.unit = EXPIRY_NONE};
    for (uint32_t i = 3; i < c->argc; i++) {
        slice word = c->argv[i];
        enum expiry_unit unit = unit_of(word);
        if (equals_nocase(word, "nx") && !o->if_present) {
            o->if_absent = true;
        } else if (equals_nocase(word, "xx") && !o->if_absent) {
            o->if_present = true;
        } else if (equals_nocase(word, "get")) {
            o->get = true;
        } else if (equals_nocase(word, "keepttl") && o->unit == EXPIRY_NONE) {
            o->keep_deadline = true;
        } else if (unit != EXPIRY_NONE && !o->keep_deadline && i + 1 < c->argc &&
                   (o->unit == EXPIRY_NONE || o->unit == unit)) {
            o->unit = unit; /* given twice, the last one counts */
            o->expiry = c->argv[++i];
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* Puts, or removes when the deadline has passed already: the key would be gone at once. */
static bool put_until(struct call *c, slice key, const struct entry *old, slice value,
                      int64_t deadline_ms)
{
    if (deadline_ms != NO_DEADLINE && deadline_ms < call_keyspace(c)->now_ms)
        return !old->stored || call_remove(c, key, old);
    return call_put(c, key, old, value, deadline_ms);
}

/* The usual SET: nothing depends on what was there before. */
static void set_plainly(struct call *c, slice key, slice value, int64_t deadline_ms)
{
    struct entry old;
    if (call_peek(c, key, &old) && put_until(c, key, &old, value, deadline_ms))
        reply_ok(c->out);
}

void set_command(struct call *c)
{
    if (c->argc == 3) {
        set_plainly(c, c->argv[1], c->argv[2], NO_DEADLINE);
        return;
    }
    struct set_options o;
    struct entry old;
    int64_t deadline_ms = NO_DEADLINE;
    if (!parse_set_options(c, &o)) return;
    if (o.unit != EXPIRY_NONE && !expiry_parse(c, o.expiry, o.unit, &deadline_ms)) return;
    if (!(o.get ? call_get : call_peek)(c, c->argv[1], &old)) return;

    if (o.get) reply_value(c, &old);
    if ((o.if_absent && old.exists) || (o.if_present && !old.exists)) {
        if (!o.get) reply_nil(c->out);
        return;
    }
    if (o.keep_deadline && old.exists) deadline_ms = old.deadline_ms;
    if (put_until(c, c->argv[1], &old, c->argv[2], deadline_ms) && !o.get)
        reply_ok(c->out);
}

void setnx_command(struct call *c)
{
    struct entry old;
    if (!call_peek(c, c->argv[1], &old)) return;
    if (!old.exists && !call_put(c, c->argv[1], &old, c->argv[2], NO_DEADLINE)) return;
    reply_int(c->out, !old.exists);
}

void setex_command(struct call *c)
{
    int64_t deadline_ms;
    if (expiry_parse(c, c->argv[2], EXPIRY_SECONDS, &deadline_ms))
        set_plainly(c, c->argv[1], c->argv[3], deadline_ms);
}

void psetex_command(struct call *c)
{
    int64_t deadline_ms;
    if (expiry_parse(c, c->argv[2], EXPIRY_MILLISECONDS, &deadline_ms))
        set_plainly(c, c->argv[1], c->argv[3], deadline_ms);
}

/* ---- MSET ---- */

/* One change for all pairs. A key that is named twice is counted once: its second value
 * goes over the first. */
static bool put_all(struct call *c)
{
    struct keyspace *ks = call_keyspace(c);
    struct keyset keys;
    if (!keyset_init(&keys, c->server->env.mem, c->argv, c->argc, 1, 2)) {
        reply_store_error(c, ERR_NOMEM, NULL);
        return false;
    }
    bool begun = call_begin(c);
    for (uint32_t i = 1; begun && i < c->argc; i += 2) {
        if (keyset_repeats(&keys, i))
            keyspace_put_again(ks, call_db(c), c->argv[i], c->argv[i + 1]);
        else
            keyspace_put_blindly(ks, call_db(c), c->argv[i], c->argv[i + 1]);
    }
    keyset_deinit(&keys);
    return begun && call_commit(c);
}

static bool has_pairs(struct call *c)
{
    if (c->argc % 2 == 1) return true;
    reply_error(c->out, "ERR wrong number of arguments for '%s' command",
                c->command->name);
    return false;
}

void mset_command(struct call *c)
{
    if (has_pairs(c) && put_all(c)) reply_ok(c->out);
}

void msetnx_command(struct call *c)
{
    if (!has_pairs(c)) return;
    for (uint32_t i = 1; i < c->argc; i += 2) {
        struct entry old;
        if (!call_peek(c, c->argv[i], &old)) return;
        if (!old.exists) continue;
        reply_int(c->out, 0);
        return;
    }
    if (put_all(c)) reply_int(c->out, 1);
}

/* ---- APPEND and counters ---- */

void append_command(struct call *c)
{
    struct entry old;
    slice more = c->argv[2];
    if (!call_get(c, c->argv[1], &old)) return;
    size_t had = old.exists ? old.value.size : 0;
    if (had + more.size > (uint64_t)c->server->config.proto_max_bulk_len) {
        reply_error(c->out,
                    "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
        return;
    }
    /* The old bytes lie in the store and do not outlive a change. */
    struct buf whole;
    buf_init(&whole, c->server->env.mem, had + more.size + 1);
    if (had) buf_append(&whole, old.value.data, had);
    buf_append(&whole, more.data, more.size);
    slice value = slice_of(buf_bytes(&whole), buf_size(&whole));
    int64_t deadline_ms = old.exists ? old.deadline_ms : NO_DEADLINE;
    if (whole.failed)
        reply_store_error(c, ERR_NOMEM, NULL);
    else if ((old.exists ? call_put_grown : call_put)(c, c->argv[1], &old, value,
                                                      deadline_ms))
        reply_int(c->out, (int64_t)value.size);
    buf_deinit(&whole);
}

static void add_to_counter(struct call *c, int64_t delta)
{
    struct entry old;
    int64_t v = 0;
    if (!call_get(c, c->argv[1], &old)) return;
    if (old.exists && !number_parse(old.value, &v)) {
        reply_error(c->out, "ERR value is not an integer or out of range");
        return;
    }
    if (__builtin_add_overflow(v, delta, &v)) {
        reply_error(c->out, "ERR increment or decrement would overflow");
        return;
    }
    char text[NUMBER_BYTES_MAX];
    slice value = slice_of(text, number_format(text, v));
    int64_t deadline_ms = old.exists ? old.deadline_ms : NO_DEADLINE;
    if (call_put(c, c->argv[1], &old, value, deadline_ms)) reply_int(c->out, v);
}

void incr_command(struct call *c)
{
    add_to_counter(c, 1);
}

void decr_command(struct call *c)
{
    add_to_counter(c, -1);
}

void incrby_command(struct call *c)
{
    int64_t delta;
    if (call_number(c, 2, &delta)) add_to_counter(c, delta);
}

void decrby_command(struct call *c)
{
    int64_t delta;
    if (!call_number(c, 2, &delta)) return;
    if (delta == INT64_MIN)
        reply_error(c->out, "ERR decrement would overflow");
    else
        add_to_counter(c, -delta);
}
