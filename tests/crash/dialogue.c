#include "tests/crash/dialogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/crc32c.h"

#define SHOWN_BYTES 12 /* of a long value */

static const struct {
    const char *name;
    enum step_kind kind;
    bool of_client, numbered;
} actions[] = {
    {"turn", STEP_TURN, false, true},
    {"wait", STEP_WAIT, false, true},
    {"idle", STEP_IDLE, false, true},
    {"slice", STEP_SLICE, true, true},
    {"read", STEP_READ, true, true},
    {"recv", STEP_RECV, true, true},
    {"send", STEP_SEND, true, true},
    {"window", STEP_WINDOW, true, true},
    {"reset", STEP_RESET, true, false},
    {"failsync", STEP_FAIL_SYNC, false, true},
    {"failwrite", STEP_FAIL_WRITE, false, true},
    {"full", STEP_FULL, false, true},
};
#define ACTIONS (sizeof actions / sizeof *actions)

/* ---- reading ---- */

/* The next word of a step; false at its end. */
static bool take_word(const char **p, slice *word)
{
    while (**p == ' ')
        ++*p;
    size_t n = strcspn(*p, " ;");
    *word = slice_of(*p, n);
    *p += n;
    return n > 0;
}

static bool take_number(const char **p, uint32_t *out)
{
    slice word;
    if (!take_word(p, &word)) return false;
    char *end;
    *out = (uint32_t)strtoul((const char *)word.data, &end, 10);
    return end == (const char *)word.data + word.size;
}

/* Letters that depend on where they stand, and in which text. */
static void make_value(const struct dialogue *d, uint8_t *at, size_t n)
{
    uint64_t h = d->seed + d->text_size;
    for (size_t i = 0; i < n; i++) {
        h = h * UINT64_C(6364136223846793005) + 1442695040888963407u;
        at[i] = (uint8_t)('a' + (h >> 33) % 26);
    }
}

/* A copy of the word in the dialogue; "@200" becomes so many bytes. */
static bool keep_word(struct dialogue *d, slice word, slice *out)
{
    size_t n = word.size;
    bool made = word.data[0] == '@';
    if (made) n = strtoul((const char *)word.data + 1, NULL, 10);
    if (n > sizeof d->text - d->text_size) return false;
    uint8_t *at = d->text + d->text_size;
    if (made)
        make_value(d, at, n);
    else
        memcpy(at, word.data, n);
    *out = slice_of(at, n);
    d->text_size += n;
    return true;
}

static bool take_command(struct dialogue *d, const char **p, struct dialogue_step *s)
{
    slice word;
    s->kind = STEP_SAY;
    while (take_word(p, &word)) {
        if (s->count == DIALOGUE_WORDS) return false;
        if (!keep_word(d, word, &s->words[s->count++])) return false;
    }
    return s->count > 0;
}

static bool take_action(const char **p, slice name, bool of_client,
                        struct dialogue_step *s)
{
    for (size_t i = 0; i < ACTIONS; i++) {
        if (actions[i].of_client != of_client) continue;
        if (!slice_equal(name, slice_text(actions[i].name))) continue;
        s->kind = actions[i].kind;
        s->number = 1;
        if (!actions[i].numbered) return true;
        const char *before = *p;
        if (take_number(p, &s->number)) return true;
        *p = before;
        return s->kind == STEP_TURN;
    }
    return false;
}

static bool take_step(struct dialogue *d, const char **p, struct dialogue_step *s)
{
    slice word;
    if (!take_word(p, &word)) return false;
    bool client =
        word.size == 1 && word.data[0] >= 'a' && word.data[0] < 'a' + DIALOGUE_CLIENTS;
    if (!client) return take_action(p, word, false, s);
    s->client = word.data[0] - 'a';
    const char *rest = *p;
    if (!take_word(p, &word)) return false;
    if (word.data[0] >= 'a' && word.data[0] <= 'z') return take_action(p, word, true, s);
    *p = rest;
    return take_command(d, p, s);
}

const char *dialogue_compile(const char *text, struct dialogue *out)
{
    out->count = out->text_size = 0;
    out->seed = crc32c(0, text, strlen(text));
    for (const char *p = text; *p;) {
        const char *start = p;
        struct dialogue_step s = {.count = 0};
        if (out->count == DIALOGUE_STEPS || !take_step(out, &p, &s)) return start;
        while (*p == ' ')
            p++;
        if (*p && *p != ';') return start;
        if (*p) p++;
        out->steps[out->count++] = s;
    }
    return NULL;
}

/* ---- telling ---- */

int dialogue_text(const struct dialogue_step *s, char *buf, size_t n)
{
    char who[4] = {(char)('a' + s->client), ' ', 0};
    if (s->kind != STEP_SAY) {
        for (size_t i = 0; i < ACTIONS; i++)
            if (actions[i].kind == s->kind && actions[i].numbered)
                return snprintf(buf, n, "%s%s %u", actions[i].of_client ? who : "",
                                actions[i].name, s->number);
        return snprintf(buf, n, "%sreset", who);
    }
    size_t used = (size_t)snprintf(buf, n, "%s", who);
    for (unsigned i = 0; i < s->count && used < n; i++) {
        size_t shown =
            s->words[i].size > 2 * SHOWN_BYTES ? SHOWN_BYTES : s->words[i].size;
        used += (size_t)snprintf(buf + used, n - used, "%s%.*s", i ? " " : "", (int)shown,
                                 (const char *)s->words[i].data);
        if (shown < s->words[i].size && used < n)
            used += (size_t)snprintf(buf + used, n - used, "...(%zu)", s->words[i].size);
    }
    return (int)used;
}
