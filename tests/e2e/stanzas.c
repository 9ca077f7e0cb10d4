#include "tests/e2e/stanzas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STANZAS_MIN 1000 /* fewer are no real index */

static char *read_index(size_t *size)
{
    FILE *pipe = popen("apt-cache dumpavail 2>/dev/null", "r");
    if (!pipe) return NULL;
    size_t capacity = 1u << 20, n = 0, got;
    char *text = malloc(capacity);
    while (text && (got = fread(text + n, 1, capacity - n, pipe)) > 0) {
        n += got;
        if (n < capacity) continue;
        capacity *= 2;
        text = realloc(text, capacity);
    }
    pclose(pipe);
    *size = n;
    return text;
}

/* A stanza ends with an empty line; it begins with "Package: NAME". */
static bool next_stanza(const char **at, const char *end, struct stanza *out)
{
    static const char title[] = "Package: ";
    const char *p = *at;
    while (p < end && *p == '\n')
        p++;
    if (p >= end) return false;
    const char *stop = memmem(p, (size_t)(end - p), "\n\n", 2);
    stop = stop ? stop + 1 : end;
    *at = stop;
    const char *name = memmem(p, (size_t)(stop - p), title, sizeof title - 1);
    if (!name) return next_stanza(at, end, out);
    name += sizeof title - 1;
    const char *name_end = memchr(name, '\n', (size_t)(stop - name));
    if (!name_end) return false;
    out->key = (slice){(const uint8_t *)name, (size_t)(name_end - name)};
    out->value = (slice){(const uint8_t *)p, (size_t)(stop - p)};
    return true;
}

/* By key, then by place in the index, so that the last of equal keys comes last. */
static int by_key(const void *a, const void *b)
{
    const struct stanza *x = a, *y = b;
    int order = slice_compare(x->key, y->key);
    if (order) return order;
    return x->key.data < y->key.data ? -1 : 1;
}

bool stanzas_load(struct stanzas *s)
{
    *s = (struct stanzas){NULL, NULL, 0};
    size_t size = 0, capacity = 0, n = 0;
    s->text = read_index(&size);
    const char *at = s->text, *end = s->text ? s->text + size : NULL;
    struct stanza one;
    while (s->text && next_stanza(&at, end, &one)) {
        if (n == capacity) {
            capacity = capacity ? 2 * capacity : 1024;
            s->list = realloc(s->list, capacity * sizeof *s->list);
            if (!s->list) abort();
        }
        s->list[n++] = one;
    }
    if (n < STANZAS_MIN) {
        printf("  the package index has %zu stanzas: run `apt-get update` first\n", n);
        stanzas_free(s);
        return false;
    }
    qsort(s->list, n, sizeof *s->list, by_key);
    for (size_t i = 0; i < n; i++) {
        bool last = i + 1 == n || slice_compare(s->list[i].key, s->list[i + 1].key) != 0;
        if (last) s->list[s->count++] = s->list[i];
    }
    return true;
}

void stanzas_free(struct stanzas *s)
{
    free(s->text);
    free(s->list);
    *s = (struct stanzas){NULL, NULL, 0};
}

long stanzas_find(const struct stanzas *s, slice key)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_compare(s->list[middle].key, key);
        if (order == 0) return (long)middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}
