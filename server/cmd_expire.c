/* Deadlines: setting, asking, taking away. */
#include "server/cmd.h"

#include "server/expiry.h"
#include "server/state.h"

/* ---- EXPIRE and relatives ---- */

struct expire_options {
    bool if_none, if_any, if_later, if_earlier; /* NX XX GT LT */
};

static bool parse_expire_options(struct call *c, struct expire_options *o)
{
    *o = (struct expire_options){0};
    for (uint32_t i = 3; i < c->argc; i++) {
        slice word = c->argv[i];
        if (equals_nocase(word, "nx")) {
            o->if_none = true;
        } else if (equals_nocase(word, "xx")) {
            o->if_any = true;
        } else if (equals_nocase(word, "gt")) {
            o->if_later = true;
        } else if (equals_nocase(word, "lt")) {
            o->if_earlier = true;
        } else {
            int size = word.size < 128 ? (int)word.size : 128;
            reply_error(c->out, "ERR Unsupported option %.*s", size,
                        (const char *)word.data);
            return false;
        }
    }
    if (o->if_none && (o->if_any || o->if_later || o->if_earlier)) {
        reply_error(c->out, "ERR NX and XX, GT or LT options at the same time are not "
                            "compatible");
        return false;
    }
    if (o->if_later && o->if_earlier) {
        reply_error(c->out, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* A key without deadline counts as one that lives for ever. */
static bool allows(const struct expire_options *o, int64_t old_ms, int64_t new_ms)
{
    if (o->if_none && old_ms != NO_DEADLINE) return false;
    if (o->if_any && old_ms == NO_DEADLINE) return false;
    if (o->if_later && (old_ms == NO_DEADLINE || new_ms <= old_ms)) return false;
    if (o->if_earlier && old_ms != NO_DEADLINE && new_ms >= old_ms) return false;
    return true;
}

/* Puts the value back with another deadline. Its bytes lie in the store and have to be
 * copied before the change. */
static bool change_deadline(struct call *c, const struct entry *old, int64_t deadline_ms)
{
    struct buf copy;
    buf_init(&copy, c->server->env.mem, old->value.size + 1);
    buf_append(&copy, old->value.data, old->value.size);
    slice value = slice_of(buf_bytes(&copy), buf_size(&copy));
    bool ok = !copy.failed;
    if (ok)
        ok = (old->grown ? call_put_grown : call_put)(c, c->argv[1], old, value,
                                                      deadline_ms);
    else
        reply_store_error(c, ERR_NOMEM, NULL);
    buf_deinit(&copy);
    return ok;
}

static void expire(struct call *c, enum expiry_unit unit)
{
    struct expire_options o;
    struct entry old;
    int64_t deadline_ms;
    if (!parse_expire_options(c, &o)) return;
    if (!expiry_parse_any(c, c->argv[2], unit, &deadline_ms)) return;
    if (!call_get(c, c->argv[1], &old)) return;
    if (!old.exists || !allows(&o, old.deadline_ms, deadline_ms)) {
        reply_int(c->out, 0);
        return;
    }
    bool past = deadline_ms <= call_keyspace(c)->now_ms;
    if (past ? call_remove(c, c->argv[1], &old) : change_deadline(c, &old, deadline_ms))
        reply_int(c->out, 1);
}

void expire_command(struct call *c)
{
    expire(c, EXPIRY_SECONDS);
}

void pexpire_command(struct call *c)
{
    expire(c, EXPIRY_MILLISECONDS);
}

void expireat_command(struct call *c)
{
    expire(c, EXPIRY_AT_SECONDS);
}

void pexpireat_command(struct call *c)
{
    expire(c, EXPIRY_AT_MILLISECONDS);
}

void persist_command(struct call *c)
{
    struct entry old;
    if (!call_get(c, c->argv[1], &old)) return;
    if (!old.exists || old.deadline_ms == NO_DEADLINE)
        reply_int(c->out, 0);
    else if (change_deadline(c, &old, NO_DEADLINE))
        reply_int(c->out, 1);
}

/* ---- TTL and relatives ---- */

/* -2: no such key, -1: no deadline. */
static bool read_deadline(struct call *c, int64_t *out)
{
    struct entry e;
    if (!call_read(c, c->argv[1], &e)) return false;
    *out = e.exists ? e.deadline_ms : -2;
    return true;
}

static int64_t left_ms(const struct call *c, int64_t deadline_ms)
{
    int64_t left = deadline_ms - call_keyspace(c)->now_ms;
    return left > 0 ? left : 0;
}

void ttl_command(struct call *c)
{
    int64_t v;
    if (read_deadline(c, &v)) reply_int(c->out, v < 0 ? v : (left_ms(c, v) + 500) / 1000);
}

void pttl_command(struct call *c)
{
    int64_t v;
    if (read_deadline(c, &v)) reply_int(c->out, v < 0 ? v : left_ms(c, v));
}

void expiretime_command(struct call *c)
{
    int64_t v;
    if (read_deadline(c, &v)) reply_int(c->out, v < 0 ? v : (v + 500) / 1000);
}

void pexpiretime_command(struct call *c)
{
    int64_t v;
    if (read_deadline(c, &v)) reply_int(c->out, v);
}
