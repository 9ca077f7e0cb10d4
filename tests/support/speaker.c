/* speaker.c - see speaker.h. */
#include "tests/support/speaker.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES   8
#define NUMBER_BYTES 24

static void problem(struct speaker *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void problem(struct speaker *s, const char *format, ...)
{
    va_list args;
    if (*s->problem) return;
    va_start(args, format);
    vsnprintf(s->problem, sizeof s->problem, format, args);
    va_end(args);
}

void speaker_init(struct speaker *s, struct simworld *world, char letter,
                  enum sync_policy policy)
{
    memset(s, 0, offsetof(struct speaker, said));
    s->world = world;
    s->letter = letter;
    s->policy = policy;
    s->model = model_new(mem_libc());
    s->said_size = s->written = s->expected_size = 0;
    s->commands = s->answered = s->lower = 0;
    s->problem[0] = 0;
}

void speaker_deinit(struct speaker *s)
{
    model_free(s->model);
}

void speaker_connect(struct speaker *s, uint16_t port)
{
    if (peer_connect(s->world->net, port, &s->peer)) problem(s, "cannot connect");
    s->said_size = s->written = s->expected_size = 0;
    s->commands = s->answered = 0;
}

/* ---- speaking ---- */

static void say(struct speaker *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct speaker *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf((char *)s->said + s->said_size, SPEAKER_BYTES - s->said_size,
                      format, args);
    va_end(args);
    s->said_size += (size_t)n;
}

static void expect(struct speaker *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void expect(struct speaker *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf((char *)s->expected + s->expected_size,
                      SPEAKER_BYTES - s->expected_size, format, args);
    va_end(args);
    s->expected_size += (size_t)n;
}

/* The i-th name of a speaker: texts first, then counters. */
static const char *name_of(const struct speaker *s, unsigned i, char out[NAME_BYTES])
{
    bool counter = i >= SPEAKER_KEYS;
    snprintf(out, NAME_BYTES, "%c%c%u", s->letter, counter ? 'n' : 'k', i);
    return out;
}

static const char *some_key(const struct speaker *s, struct rng *rng,
                            char out[NAME_BYTES])
{
    return name_of(s, (unsigned)rng_below(rng, SPEAKER_KEYS), out);
}

static size_t some_value(struct rng *rng, char out[SPEAKER_VALUE_MAX + 1])
{
    size_t n = rng_below(rng, rng_below(rng, 6) ? 24 : SPEAKER_VALUE_MAX + 1);
    for (size_t i = 0; i < n; i++)
        out[i] = (char)('a' + rng_below(rng, 26));
    out[n] = 0;
    return n;
}

static void say_set(struct speaker *s, struct rng *rng)
{
    char key[NAME_BYTES], value[SPEAKER_VALUE_MAX + 1];
    some_key(s, rng, key);
    size_t n = some_value(rng, value);
    say(s, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(key), key, n, value);
    expect(s, "+OK\r\n");
    model_put(s->model, slice_text(key), slice_of(value, n));
}

static void say_get(struct speaker *s, struct rng *rng)
{
    char key[NAME_BYTES];
    slice value;
    some_key(s, rng, key);
    say(s, "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", strlen(key), key);
    if (model_get(s->model, slice_text(key), &value)) {
        expect(s, "$%zu\r\n%.*s\r\n", value.size, (int)value.size,
               (const char *)value.data);
    } else {
        expect(s, "$-1\r\n");
    }
}

static void say_incr(struct speaker *s, struct rng *rng)
{
    char key[NAME_BYTES], text[NUMBER_BYTES] = "";
    slice value;
    name_of(s, SPEAKER_KEYS + (unsigned)rng_below(rng, SPEAKER_COUNTERS), key);
    say(s, "*2\r\n$4\r\nINCR\r\n$%zu\r\n%s\r\n", strlen(key), key);
    if (model_get(s->model, slice_text(key), &value))
        snprintf(text, sizeof text, "%.*s", (int)value.size, (const char *)value.data);
    int n = snprintf(text, sizeof text, "%ld", strtol(text, NULL, 10) + 1);
    expect(s, ":%s\r\n", text);
    model_put(s->model, slice_text(key), slice_of(text, (size_t)n));
}

static void say_del(struct speaker *s, struct rng *rng)
{
    char key[2][NAME_BYTES];
    slice value;
    int gone = 0;
    for (int i = 0; i < 2; i++) {
        some_key(s, rng, key[i]);
        gone += model_get(s->model, slice_text(key[i]), &value);
        model_delete(s->model, slice_text(key[i]));
    }
    say(s, "*3\r\n$3\r\nDEL\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(key[0]), key[0],
        strlen(key[1]), key[1]);
    expect(s, ":%d\r\n", gone);
}

static void say_mset(struct speaker *s, struct rng *rng)
{
    char key[NAME_BYTES], value[SPEAKER_VALUE_MAX + 1];
    unsigned pairs = 1 + (unsigned)rng_below(rng, 3);
    say(s, "*%u\r\n$4\r\nMSET\r\n", 1 + 2 * pairs);
    for (unsigned i = 0; i < pairs; i++) {
        some_key(s, rng, key);
        size_t n = some_value(rng, value);
        say(s, "$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(key), key, n, value);
        model_put(s->model, slice_text(key), slice_of(value, n));
    }
    expect(s, "+OK\r\n");
}

bool speaker_say(struct speaker *s, struct rng *rng)
{
    /* no command or reply is longer than a few values */
    if (s->commands == SPEAKER_COMMANDS) return false;
    if (s->said_size + 1024 > SPEAKER_BYTES || s->expected_size + 1024 > SPEAKER_BYTES)
        return false;
    switch (rng_below(rng, 8)) {
    case 0:
    case 1:
    case 2: say_set(s, rng); break;
    case 3: say_get(s, rng); break;
    case 4: say_del(s, rng); break;
    case 5: say_mset(s, rng); break;
    default: say_incr(s, rng); break;
    }
    s->ends[s->commands++] = s->expected_size;
    model_issue(s->model);
    return true;
}

size_t speaker_write(struct speaker *s, size_t n)
{
    if (n > s->said_size - s->written) n = s->said_size - s->written;
    if (n && peer_write(s->peer, s->said + s->written, n)) {
        problem(s, "the server does not listen any more");
        return 0;
    }
    s->written += n;
    return n;
}

/* ---- listening ---- */

void speaker_heard(struct speaker *s, const uint8_t *bytes, size_t n, uint64_t total)
{
    if (total > s->expected_size) {
        problem(s, "more replies than questions: \"%.*s\"", (int)(n < 60 ? n : 60),
                (const char *)bytes);
        return;
    }
    if (memcmp(s->expected + total - n, bytes, n) != 0)
        problem(s, "reply \"%.*s\" where \"%.*s\" should be", (int)(n < 60 ? n : 60),
                (const char *)bytes, (int)(n < 60 ? n : 60),
                (const char *)s->expected + total - n);
    int64_t now_us = clock_mono_us(&s->world->clock.clock);
    for (; s->answered < s->commands && s->ends[s->answered] <= total; s->answered++)
        model_ack(s->model, s->policy, now_us);
}

void speaker_moment(struct speaker *s, enum model_crash crash)
{
    s->lower = model_lower(s->model, crash, clock_mono_us(&s->world->clock.clock));
}

/* ---- after a crash ---- */

size_t speaker_questions(const struct speaker *s, char *out, size_t room)
{
    size_t used = 0;
    char name[NAME_BYTES];
    for (unsigned i = 0; i < SPEAKER_KEYS + SPEAKER_COUNTERS; i++)
        used +=
            (size_t)snprintf(out + used, room - used, "GET %s\r\n", name_of(s, i, name));
    assert(used < room);
    return used;
}

/* Takes one bulk reply from the front: 1 a value, 0 nil, -1 something else. */
static int take_bulk(const uint8_t **p, const uint8_t *end, slice *value)
{
    const uint8_t *line = memchr(*p, '\n', (size_t)(end - *p));
    if (!line || **p != '$') return -1;
    long n = strtol((const char *)*p + 1, NULL, 10);
    *p = line + 1;
    if (n < 0) return 0;
    if (end - *p < n + 2) return -1;
    *value = slice_of(*p, (size_t)n);
    *p += n + 2;
    return 1;
}

bool speaker_judge(struct speaker *s, const uint8_t *replies, size_t n, size_t *keys)
{
    const uint8_t *p = replies, *end = replies + n;
    struct model_digest seen;
    char name[NAME_BYTES];
    *keys = 0;
    model_digest_init(&seen);
    for (unsigned i = 0; i < SPEAKER_KEYS + SPEAKER_COUNTERS; i++) {
        slice value = {0};
        int found = p < end ? take_bulk(&p, end, &value) : -1;
        if (found < 0) {
            problem(s, "no answer to GET %s after the crash", name_of(s, i, name));
            return false;
        }
        if (!found) continue;
        model_digest_key(&seen, slice_text(name_of(s, i, name)), value);
        ++*keys;
    }
    size_t upper = model_groups(s->model);
    if (!model_restart(s->model, &seen, s->lower, upper))
        problem(s, "%zu keys are there: no state between %zu and %zu of the commands",
                *keys, s->lower, upper);
    return !*s->problem;
}
