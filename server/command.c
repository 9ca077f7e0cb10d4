#include "server/command.h"

#include <assert.h>
#include <strings.h>

#include "server/number.h"
#include "server/state.h"

struct keyspace *call_keyspace(const struct call *c)
{
    return &c->server->keyspace;
}

unsigned call_db(const struct call *c)
{
    return c->conn->db;
}

bool equals_nocase(slice text, const char *word)
{
    size_t n = strlen(word);
    return text.size == n &&
           (n == 0 || strncasecmp((const char *)text.data, word, n) == 0);
}

bool call_number(struct call *c, uint32_t index, int64_t *out)
{
    if (number_parse(c->argv[index], out)) return true;
    reply_error(c->out, "ERR value is not an integer or out of range");
    return false;
}

void reply_syntax_error(struct call *c)
{
    reply_error(c->out, "ERR syntax error");
}

void reply_store_error(struct call *c, enum err e, const struct err_detail *why)
{
    assert(e);
    char text[REFUSAL_BYTES];
    if (e == ERR_NOMEM) {
        reply_error(c->out, "OOM command not allowed when used memory > 'maxmemory'.");
    } else if (e == ERR_WRITES_REFUSED) {
        server_refusal(c->server, text);
        reply_error(c->out, "%s", text);
    } else {
        reply_error(c->out, "ERR %s", why && why->text[0] ? why->text : err_text(e));
    }
}

static bool got(struct call *c, enum err e, const struct err_detail *why)
{
    if (!e) return true;
    buf_truncate(c->out, c->reply_start);
    reply_store_error(c, e, why);
    return false;
}

bool call_get(struct call *c, slice key, struct entry *out)
{
    struct err_detail why;
    why.text[0] = '\0';
    return got(c, keyspace_get(call_keyspace(c), call_db(c), key, out, &why), &why);
}

bool call_peek(struct call *c, slice key, struct entry *out)
{
    struct err_detail why;
    why.text[0] = '\0';
    return got(c, keyspace_peek(call_keyspace(c), call_db(c), key, out, &why), &why);
}

bool call_read(struct call *c, slice key, struct entry *out)
{
    if (!call_get(c, key, out)) return false;
    if (out->stored && !out->exists)
        keyspace_expire_key(call_keyspace(c), call_db(c), key, out);
    if (out->exists)
        c->server->stats.hits++;
    else
        c->server->stats.misses++;
    return true;
}

bool call_begin(struct call *c)
{
    return got(c, keyspace_begin(call_keyspace(c)), NULL);
}

bool call_begin_removal(struct call *c)
{
    return got(c, keyspace_begin_removal(call_keyspace(c)), NULL);
}

bool call_commit(struct call *c)
{
    return got(c, keyspace_commit(call_keyspace(c)), NULL);
}

bool call_put(struct call *c, slice key, const struct entry *old, slice value,
              int64_t deadline_ms)
{
    if (!call_begin(c)) return false;
    keyspace_put(call_keyspace(c), call_db(c), key, old, value, deadline_ms);
    return call_commit(c);
}

bool call_put_grown(struct call *c, slice key, const struct entry *old, slice value,
                    int64_t deadline_ms)
{
    if (!call_begin(c)) return false;
    keyspace_put_grown(call_keyspace(c), call_db(c), key, old, value, deadline_ms);
    return call_commit(c);
}

bool call_remove(struct call *c, slice key, const struct entry *old)
{
    if (!call_begin_removal(c)) return false;
    keyspace_remove(call_keyspace(c), call_db(c), key, old);
    return call_commit(c);
}

void reply_help(struct call *c, const char *const *lines)
{
    int64_t count = 0;
    while (lines[count])
        count++;
    reply_array(c->out, count);
    for (int64_t i = 0; i < count; i++)
        reply_status(c->out, lines[i]);
}
