#include "tests/support/history.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"

#define KEYS_A_PREFIX 12
#define KEY_BYTES     64
#define LARGE_BYTES   (LARGE_VALUE_BYTES + 100)

slice history_key(size_t i)
{
    static char buffers[4][KEY_BYTES + 1]; /* a caller may hold a few at once */
    static unsigned at;
    char *key = buffers[at++ % 4];
    int n = snprintf(key, KEY_BYTES + 1, "%c%02u", (char)('a' + i / KEYS_A_PREFIX),
                     (unsigned)(i % KEYS_A_PREFIX));
    size_t size = i % 5 ? (size_t)n : KEY_BYTES;
    memset(key + n, '-', size - (size_t)n);
    return slice_of(key, size);
}

/* The value of the n-th put: now and then a large one. */
static slice value_of(uint32_t n)
{
    static uint8_t bytes[LARGE_BYTES];
    size_t size = n % 97 == 0 ? LARGE_BYTES : 4 + n % 50;
    memset(bytes, 'v', size);
    memcpy(bytes, &n, 4);
    return slice_of(bytes, size);
}

void history_begin(struct history *h, struct teststore *store, uint64_t seed)
{
    *h = (struct history){.store = store};
    rng_init(&h->rng, seed);
}

static void set_floor(struct history *h, size_t prefix)
{
    struct batch b;
    batch_init(&b, mem_libc(), 0);
    REQUIRE_INT(batch_floor(&b, (uint8_t)('a' + prefix)), ERR_OK);
    REQUIRE_INT(db_write(h->store->db, &b), ERR_OK);
    batch_deinit(&b);
    memset(&h->now.put[prefix * KEYS_A_PREFIX], 0, KEYS_A_PREFIX * sizeof h->now.put[0]);
}

void history_step(struct history *h)
{
    struct db *db = h->store->db;
    size_t k = (size_t)rng_below(&h->rng, HISTORY_KEYS);
    uint64_t choice = rng_below(&h->rng, 100);
    if (choice < 60) {
        REQUIRE_INT(db_put(db, history_key(k), value_of(++h->puts)), ERR_OK);
        h->now.put[k] = h->puts;
    } else if (choice < 64) { /* many versions of one key in a row */
        for (int i = 0; i < 40; i++)
            REQUIRE_INT(db_put(db, history_key(k), value_of(++h->puts)), ERR_OK);
        h->now.put[k] = h->puts;
    } else if (choice < 82) {
        REQUIRE_INT(db_delete(db, history_key(k)), ERR_OK);
        h->now.put[k] = 0;
    } else if (choice < 84) {
        set_floor(h, k / KEYS_A_PREFIX);
    } else if (choice < 90) {
        REQUIRE_INT(db_flush(db), ERR_OK);
    } else if (choice < 92) {
        REQUIRE_INT(db_compact(db), ERR_OK);
    } else {
        db_step(db);
    }
}

/* The first key that is there at or behind i; `to` when there is none. */
static size_t there_from(const struct moment *m, size_t i, size_t to)
{
    while (i < to && !m->put[i])
        i++;
    return i;
}

/* The last key that is there in front of i; HISTORY_KEYS when there is none. */
static size_t there_before(const struct moment *m, size_t i, size_t from)
{
    while (i > from)
        if (m->put[--i]) return i;
    return HISTORY_KEYS;
}

static bool stands_on(const struct moment *m, size_t i, size_t to,
                      const struct db_iter *it)
{
    if (db_iter_error(it, NULL)) return false;
    if (i >= to) return !db_iter_valid(it);
    return db_iter_valid(it) && slice_equal(db_iter_key(it), history_key(i)) &&
           slice_equal(db_iter_value(it), value_of(m->put[i]));
}

bool history_wander(struct history *h, const struct moment *m, struct db_iter *it,
                    size_t from, size_t to, int moves)
{
    size_t i = to; /* nowhere */
    for (int n = 0; n < moves; n++) {
        size_t k = (size_t)rng_below(&h->rng, HISTORY_KEYS);
        uint64_t move = rng_below(&h->rng, 12);
        if (!db_iter_valid(it) && move >= 4) move %= 4;
        if (move == 0) {
            db_iter_first(it);
            i = there_from(m, from, to);
        } else if (move == 1) {
            db_iter_last(it);
            i = there_before(m, to, from);
        } else if (move == 2) {
            db_iter_seek(it, history_key(k));
            i = there_from(m, k > from ? k : from, to);
        } else if (move == 3) {
            db_iter_seek_for_prev(it, history_key(k));
            i = there_before(m, k + 1 < to ? k + 1 : to, from);
        } else if (move < 8) {
            db_iter_next(it);
            i = there_from(m, i + 1, to);
        } else {
            db_iter_prev(it);
            i = there_before(m, i, from);
        }
        if (stands_on(m, i, to, it)) continue;
        printf("  move %d (%d) of a walk over [%zu, %zu): not at key %zu\n", n, (int)move,
               from, to, i);
        return false;
    }
    return true;
}

bool history_reads(struct history *h, const struct moment *m,
                   const struct db_snapshot *at)
{
    for (size_t i = 0; i < HISTORY_KEYS; i++) {
        slice value;
        enum err e = db_get_at(h->store->db, at, history_key(i), &value, &h->store->why);
        bool right = m->put[i] ? !e && slice_equal(value, value_of(m->put[i]))
                               : e == ERR_NOT_FOUND;
        if (right) continue;
        printf("  key %zu is not what put %u wrote: error %d\n", i, m->put[i], e);
        return false;
    }
    return true;
}
