/* Keys: deleting, testing, walking. */
#include "server/cmd.h"

#include <stdio.h>

#include "server/glob.h"
#include "server/keyset.h"
#include "server/number.h"
#include "server/state.h"

/* ---- DEL, EXISTS, TYPE ---- */

/* One change for all keys; a key that is named twice is deleted once. */
void del_command(struct call *c)
{
    struct keyspace *ks = call_keyspace(c);
    struct keyset keys;
    if (!keyset_init(&keys, c->server->env.mem, c->argv, c->argc, 1, 1)) {
        reply_store_error(c, ERR_NOMEM, NULL);
        return;
    }
    int64_t deleted = 0;
    bool ok = call_begin_removal(c);
    for (uint32_t i = 1; ok && i < c->argc; i++) {
        struct entry old;
        if (keyset_repeats(&keys, i)) continue;
        if (ks->error) break;
        ks->error = keyspace_peek(ks, call_db(c), c->argv[i], &old, NULL);
        if (ks->error) break;
        keyspace_remove(ks, call_db(c), c->argv[i], &old);
        deleted += old.exists;
    }
    keyset_deinit(&keys);
    if (ok && call_commit(c)) reply_int(c->out, deleted);
}

void unlink_command(struct call *c)
{
    del_command(c);
}

void exists_command(struct call *c)
{
    int64_t found = 0;
    for (uint32_t i = 1; i < c->argc; i++) {
        struct entry e;
        if (!call_peek(c, c->argv[i], &e)) return;
        c->server->stats.hits += e.exists;
        c->server->stats.misses += !e.exists;
        found += e.exists;
    }
    reply_int(c->out, found);
}

void type_command(struct call *c)
{
    struct entry e;
    if (call_peek(c, c->argv[1], &e)) reply_status(c->out, e.exists ? "string" : "none");
}

/* ---- KEYS and SCAN ---- */

static void reply_walk_error(struct call *c, enum err e, const struct err_detail *why)
{
    buf_truncate(c->out, c->reply_start);
    reply_store_error(c, e, why);
}

void keys_command(struct call *c)
{
    slice pattern = c->argv[1], prefix = glob_prefix(pattern);
    struct keyspace_iter it;
    struct err_detail why = {0};
    enum err e = keyspace_iter_begin(call_keyspace(c), call_db(c), prefix, &it);
    if (e) {
        reply_walk_error(c, e, NULL);
        return;
    }
    size_t start = reply_array_begin(c->out);
    int64_t count = 0;
    for (; it.valid && slice_starts_with(it.key, prefix) && !c->out->failed;
         keyspace_iter_next(&it)) {
        if (!glob_match(pattern, it.key)) continue;
        reply_bulk(c->out, it.key);
        count++;
    }
    e = keyspace_iter_end(&it, &why);
    if (e)
        reply_walk_error(c, e, &why);
    else
        reply_array_end(c->out, start, count);
}

struct scan_options {
    slice pattern; /* "*" when not given */
    int64_t count; /* keys to look at */
    bool other_type;
};

static bool parse_scan_options(struct call *c, struct scan_options *o)
{
    *o = (struct scan_options){.pattern = slice_text("*"), .count = 10};
    for (uint32_t i = 2; i < c->argc; i += 2) {
        bool has_value = i + 1 < c->argc;
        if (equals_nocase(c->argv[i], "count") && has_value) {
            if (!call_number(c, i + 1, &o->count)) return false;
            if (o->count >= 1) continue;
        } else if (equals_nocase(c->argv[i], "match") && has_value) {
            o->pattern = c->argv[i + 1];
            continue;
        } else if (equals_nocase(c->argv[i], "type") && has_value) {
            o->other_type = !equals_nocase(c->argv[i + 1], "string");
            continue;
        }
        reply_syntax_error(c);
        return false;
    }
    return true;
}

static bool parse_cursor(slice text, uint64_t *out)
{
    uint64_t v = 0; /* of an empty text, too */
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, digit, &v))
            return false;
    }
    *out = v;
    return true;
}

/* Where the walk begins: at the cursor's key, and not before the pattern's prefix. */
static enum err begin_scan(struct call *c, uint64_t cursor, slice prefix,
                           struct keyspace_iter *it)
{
    slice from;
    if (!cursors_get(&c->server->cursors, cursor, &from) ||
        slice_compare(from, prefix) < 0)
        from = prefix;
    return keyspace_iter_begin(call_keyspace(c), call_db(c), from, it);
}

/* Appends the page of keys and tells where the next one begins (0: there is none). */
static enum err scan_page(struct call *c, const struct scan_options *o,
                          struct keyspace_iter *it, uint64_t *next)
{
    slice prefix = glob_prefix(o->pattern);
    size_t start = reply_array_begin(c->out);
    int64_t found = 0;
    *next = 0;
    for (int64_t seen = 0; it->valid && slice_starts_with(it->key, prefix); seen++) {
        if (seen == o->count) {
            *next = cursors_put(&c->server->cursors, it->key);
            if (*next == 0) return ERR_NOMEM;
            break;
        }
        if (!o->other_type && glob_match(o->pattern, it->key)) {
            reply_bulk(c->out, it->key);
            if (c->out->failed) break;
            found++;
        }
        keyspace_iter_next(it);
    }
    reply_array_end(c->out, start, found);
    return ERR_OK;
}

/* The cursor stands before the keys, and is known after them. */
static void put_cursor_first(struct call *c, uint64_t cursor)
{
    char digits[NUMBER_BYTES_MAX], head[NUMBER_BYTES_MAX + 16];
    int size = (int)number_format(digits, (int64_t)cursor);
    int n = snprintf(head, sizeof head, "*2\r\n$%d\r\n%.*s\r\n", size, size, digits);
    reply_insert(c->out, c->reply_start, slice_of(head, (size_t)n));
}

void scan_command(struct call *c)
{
    uint64_t cursor;
    struct scan_options o;
    if (!parse_cursor(c->argv[1], &cursor)) {
        reply_error(c->out, "ERR invalid cursor");
        return;
    }
    if (!parse_scan_options(c, &o)) return;
    struct keyspace_iter it;
    struct err_detail why = {0};
    uint64_t next = 0;
    enum err e = begin_scan(c, cursor, glob_prefix(o.pattern), &it);
    if (!e) {
        e = scan_page(c, &o, &it, &next);
        enum err walk = keyspace_iter_end(&it, &why);
        if (walk) e = walk;
    }
    if (e)
        reply_walk_error(c, e, &why);
    else
        put_cursor_first(c, next);
}
