#include "tests/crash/reference.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_BYTES sizeof(int64_t)
#define NONE           INT64_C(-1)
#define SHOWN_BYTES    16

/* One command in progress. */
struct command {
    struct reference *r;
    const slice *words;
    unsigned count;
    unsigned *db;
    char *reply;
    size_t size;
};

/* ---- keys and values ---- */

slice reference_key(unsigned db, slice key, char out[REFERENCE_KEY_BYTES])
{
    assert(key.size < REFERENCE_KEY_BYTES);
    out[0] = (char)('0' + db);
    if (key.size) memcpy(out + 1, key.data, key.size);
    return slice_of(out, key.size + 1);
}

slice reference_value(int64_t deadline_ms, slice value, char out[REFERENCE_VALUE_BYTES])
{
    assert(value.size + DEADLINE_BYTES <= REFERENCE_VALUE_BYTES);
    memcpy(out, &deadline_ms, DEADLINE_BYTES);
    if (value.size) memcpy(out + DEADLINE_BYTES, value.data, value.size);
    return slice_of(out, DEADLINE_BYTES + value.size);
}

static void take_apart(slice stored, int64_t *deadline_ms, slice *value)
{
    memcpy(deadline_ms, stored.data, DEADLINE_BYTES);
    *value = slice_of(stored.data + DEADLINE_BYTES, stored.size - DEADLINE_BYTES);
}

int reference_text(slice key, slice stored, char *buf, size_t n)
{
    int64_t deadline_ms;
    slice value;
    char until[40] = "";
    take_apart(stored, &deadline_ms, &value);
    if (deadline_ms != NONE)
        snprintf(until, sizeof until, ", until %" PRId64, deadline_ms);
    bool cut = value.size > SHOWN_BYTES;
    return snprintf(buf, n, "%c/%.*s = %.*s%s (%zu bytes%s)", key.data[0],
                    (int)(key.size - 1), (const char *)key.data + 1,
                    (int)(cut ? SHOWN_BYTES : value.size), (const char *)value.data,
                    cut ? "..." : "", value.size, until);
}

/* ---- replies ---- */

__attribute__((format(printf, 2, 3))) static void say(struct command *c,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    c->size += (size_t)vsnprintf(c->reply + c->size, REFERENCE_REPLY_BYTES - c->size,
                                 format, args);
    va_end(args);
    assert(c->size < REFERENCE_REPLY_BYTES);
}

static void say_bulk(struct command *c, slice s)
{
    say(c, "$%zu\r\n%.*s\r\n", s.size, (int)s.size, (const char *)s.data);
}

static void say_int(struct command *c, int64_t n)
{
    say(c, ":%" PRId64 "\r\n", n);
}

/* ---- the keyspace ---- */

static bool get(struct command *c, slice key, int64_t *deadline_ms, slice *value)
{
    char text[REFERENCE_KEY_BYTES];
    slice stored;
    if (!model_get(c->r->model, reference_key(*c->db, key, text), &stored)) return false;
    take_apart(stored, deadline_ms, value);
    return true;
}

static void put(struct command *c, slice key, slice value, int64_t deadline_ms)
{
    char text[REFERENCE_KEY_BYTES], bytes[REFERENCE_VALUE_BYTES];
    model_put(c->r->model, reference_key(*c->db, key, text),
              reference_value(deadline_ms, value, bytes));
}

static bool erase(struct command *c, slice key)
{
    char text[REFERENCE_KEY_BYTES];
    slice value;
    int64_t deadline_ms;
    if (!get(c, key, &deadline_ms, &value)) return false;
    model_delete(c->r->model, reference_key(*c->db, key, text));
    return true;
}

/* Another deadline for a key that is there; what lies in the model is copied first. */
static void put_deadline(struct command *c, slice key, slice value, int64_t deadline_ms)
{
    char copy[REFERENCE_VALUE_BYTES];
    memcpy(copy, value.data, value.size);
    put(c, key, slice_of(copy, value.size), deadline_ms);
}

static int64_t number(slice s)
{
    char text[32] = "";
    memcpy(text, s.data, s.size < sizeof text ? s.size : sizeof text - 1);
    return strtoll(text, NULL, 10);
}

static size_t keys_of(const struct command *c)
{
    size_t n = 0;
    slice value;
    for (size_t i = 0; i < model_count(c->r->model); i++)
        n += model_key(c->r->model, i, &value).data[0] == '0' + *c->db;
    return n;
}

/* ---- commands ---- */

static void run_ping(struct command *c)
{
    say(c, "+PONG\r\n");
}

static void run_select(struct command *c)
{
    *c->db = (unsigned)number(c->words[1]);
    say(c, "+OK\r\n");
}

static void run_set(struct command *c)
{
    int64_t deadline_ms = NONE;
    if (c->count == 5) {
        bool seconds = toupper(c->words[3].data[0]) == 'E'; /* EX, else PX */
        deadline_ms = c->r->now_ms + number(c->words[4]) * (seconds ? 1000 : 1);
    }
    put(c, c->words[1], c->words[2], deadline_ms);
    say(c, "+OK\r\n");
}

static void run_mset(struct command *c)
{
    for (unsigned i = 1; i + 1 < c->count; i += 2)
        put(c, c->words[i], c->words[i + 1], NONE);
    say(c, "+OK\r\n");
}

static void run_get(struct command *c)
{
    int64_t deadline_ms;
    slice value;
    if (get(c, c->words[1], &deadline_ms, &value))
        say_bulk(c, value);
    else
        say(c, "$-1\r\n");
}

static void run_mget(struct command *c)
{
    int64_t deadline_ms;
    slice value;
    say(c, "*%u\r\n", c->count - 1);
    for (unsigned i = 1; i < c->count; i++) {
        if (get(c, c->words[i], &deadline_ms, &value))
            say_bulk(c, value);
        else
            say(c, "$-1\r\n");
    }
}

static void run_getdel(struct command *c)
{
    run_get(c);
    erase(c, c->words[1]);
}

static void run_append(struct command *c)
{
    char bytes[REFERENCE_VALUE_BYTES];
    int64_t deadline_ms = NONE;
    slice value = {0}, more = c->words[2];
    get(c, c->words[1], &deadline_ms, &value);
    assert(value.size + more.size < sizeof bytes);
    if (value.size) memcpy(bytes, value.data, value.size);
    memcpy(bytes + value.size, more.data, more.size);
    put(c, c->words[1], slice_of(bytes, value.size + more.size), deadline_ms);
    say_int(c, (int64_t)(value.size + more.size));
}

static void run_incr(struct command *c)
{
    int64_t deadline_ms = NONE;
    slice value = {0};
    char text[32];
    get(c, c->words[1], &deadline_ms, &value);
    if (value.size && !isdigit(value.data[0]) && value.data[0] != '-') {
        say(c, "-ERR value is not an integer or out of range\r\n");
        return;
    }
    int n = snprintf(text, sizeof text, "%" PRId64, (value.size ? number(value) : 0) + 1);
    put(c, c->words[1], slice_of(text, (size_t)n), deadline_ms);
    say(c, ":%s\r\n", text);
}

static void run_del(struct command *c)
{
    int64_t gone = 0;
    for (unsigned i = 1; i < c->count; i++)
        gone += erase(c, c->words[i]);
    say_int(c, gone);
}

static void run_exists(struct command *c)
{
    int64_t there = 0, deadline_ms;
    slice value;
    for (unsigned i = 1; i < c->count; i++)
        there += get(c, c->words[i], &deadline_ms, &value);
    say_int(c, there);
}

static void set_deadline(struct command *c, int64_t new_ms)
{
    int64_t old_ms;
    slice value;
    if (!get(c, c->words[1], &old_ms, &value)) {
        say_int(c, 0);
    } else if (new_ms != NONE && new_ms <= c->r->now_ms) {
        erase(c, c->words[1]);
        say_int(c, 1);
    } else if (new_ms == NONE && old_ms == NONE) {
        say_int(c, 0);
    } else {
        put_deadline(c, c->words[1], value, new_ms);
        say_int(c, 1);
    }
}

static void run_expire(struct command *c)
{
    set_deadline(c, c->r->now_ms + number(c->words[2]) * 1000);
}

static void run_pexpire(struct command *c)
{
    set_deadline(c, c->r->now_ms + number(c->words[2]));
}

static void run_persist(struct command *c)
{
    set_deadline(c, NONE);
}

static void run_pttl(struct command *c)
{
    int64_t deadline_ms;
    slice value;
    if (!get(c, c->words[1], &deadline_ms, &value))
        say_int(c, -2);
    else
        say_int(c, deadline_ms == NONE ? -1 : deadline_ms - c->r->now_ms);
}

static void run_dbsize(struct command *c)
{
    say_int(c, (int64_t)keys_of(c));
}

static void run_flushall(struct command *c)
{
    for (char d = '0'; d <= '9'; d++)
        model_floor(c->r->model, (uint8_t)d);
    say(c, "+OK\r\n");
}

static void run_flushdb(struct command *c)
{
    model_floor(c->r->model, (uint8_t)('0' + *c->db));
    say(c, "+OK\r\n");
}

/* All keys in one page: scenarios ask for more than there are. */
static void run_scan(struct command *c)
{
    say(c, "*2\r\n$1\r\n0\r\n*%zu\r\n", keys_of(c));
    for (size_t i = 0; i < model_count(c->r->model); i++) {
        slice value, key = model_key(c->r->model, i, &value);
        if (key.data[0] == '0' + *c->db)
            say_bulk(c, slice_of(key.data + 1, key.size - 1));
    }
}

static const struct {
    const char *name;
    void (*run)(struct command *c);
    unsigned first, step; /* keys: from this word on, to the last; 0: none, or one */
    bool writes;
} table[] = {
    {"PING", run_ping, 0, 0, false},        {"SELECT", run_select, 0, 0, false},
    {"SET", run_set, 1, 0, true},           {"MSET", run_mset, 1, 2, true},
    {"GET", run_get, 1, 0, false},          {"MGET", run_mget, 1, 1, false},
    {"GETDEL", run_getdel, 1, 0, true},     {"APPEND", run_append, 1, 0, true},
    {"INCR", run_incr, 1, 0, true},         {"DEL", run_del, 1, 1, true},
    {"EXISTS", run_exists, 1, 1, false},    {"EXPIRE", run_expire, 1, 0, true},
    {"PEXPIRE", run_pexpire, 1, 0, true},   {"PERSIST", run_persist, 1, 0, true},
    {"PTTL", run_pttl, 1, 0, false},        {"DBSIZE", run_dbsize, 0, 0, false},
    {"FLUSHALL", run_flushall, 0, 0, true}, {"FLUSHDB", run_flushdb, 0, 0, true},
    {"SCAN", run_scan, 0, 0, false},
};

static size_t row_of(slice name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (slice_equal(name, slice_text(table[i].name))) return i;
    fprintf(stderr, "crash: the reference does not know %.*s\n", (int)name.size,
            (const char *)name.data);
    abort();
}

size_t reference_run(struct reference *r, const slice *words, unsigned count,
                     unsigned *db, char reply[REFERENCE_REPLY_BYTES])
{
    struct command c = {r, words, count, db, reply, 0};
    table[row_of(words[0])].run(&c);
    return c.size;
}

bool reference_writes(const slice *words)
{
    return table[row_of(words[0])].writes;
}

bool reference_keys(const slice *words, unsigned count, unsigned *first, unsigned *last,
                    unsigned *step)
{
    size_t row = row_of(words[0]);
    *first = table[row].first;
    *step = table[row].step ? table[row].step : 1;
    *last = table[row].step ? count - 1 : *first;
    return *first > 0 && *first < count;
}

/* ---- time ---- */

bool reference_expire(struct reference *r)
{
    bool any = false;
    for (size_t i = model_count(r->model); i-- > 0;) {
        char copy[REFERENCE_KEY_BYTES];
        int64_t deadline_ms;
        slice value, stored, key = model_key(r->model, i, &stored);
        take_apart(stored, &deadline_ms, &value);
        if (deadline_ms == NONE || deadline_ms >= r->now_ms) continue;
        memcpy(copy, key.data, key.size);
        model_delete(r->model, slice_of(copy, key.size));
        any = true;
    }
    return any;
}
