#include "server/recount.h"

#include "server/keyspace.h"

/* As in keyspace.h: first bytes of keys, the flag of a value, registers. */
enum { DEADLINE_RANGE = 0x40, FLAG_DEADLINE = 0x01, DEADLINE_BYTES = 8 };
enum { REG_KEYS = 0, REG_DEADLINES = 16 };

struct census {
    uint64_t keys[DATABASES], deadlines[DATABASES];
};

/* The entry of the deadline range that belongs to a key. */
static size_t index_key(slice key, slice value, uint8_t out[KEY_BYTES_MAX])
{
    out[0] = (uint8_t)(DEADLINE_RANGE + key.data[0]);
    memcpy(out + 1, value.data + 1, DEADLINE_BYTES);
    memcpy(out + 1 + DEADLINE_BYTES, key.data + 1, key.size - 1);
    return key.size + DEADLINE_BYTES;
}

static enum err count_key(struct db *db, slice key, slice value, struct census *c,
                          unsigned *changed, struct err_detail *why)
{
    static uint8_t buffer[KEY_BYTES_MAX];
    if (key.size == 0 || key.data[0] >= DATABASES) return ERR_OK;
    unsigned ns = key.data[0];
    c->keys[ns]++;
    if (value.size <= DEADLINE_BYTES || !(value.data[0] & FLAG_DEADLINE)) return ERR_OK;
    if (key.size > KEYSPACE_KEY_BYTES_MAX + 1) return ERR_OK;
    c->deadlines[ns]++;
    bool exists = false;
    slice entry = slice_of(buffer, index_key(key, value, buffer));
    enum err e = db_exists(db, entry, &exists, why);
    if (e || exists) return e;
    ++*changed;
    return db_put(db, entry, slice_of(NULL, 0));
}

static enum err take_census(struct db *db, struct census *c, unsigned *changed,
                            struct err_detail *why)
{
    struct db_iter *it;
    enum err e = db_iter_new(db, &it);
    if (e) return err_set(why, e, 0, "counting the keys");
    for (db_iter_seek(it, slice_of(NULL, 0)); db_iter_valid(it) && !e; db_iter_next(it))
        e = count_key(db, db_iter_key(it), db_iter_value(it), c, changed, why);
    if (!e) e = db_iter_error(it, why);
    db_iter_free(it);
    return e;
}

static enum err correct(struct db *db, struct batch *b, unsigned reg, uint64_t value,
                        unsigned *changed)
{
    if (db_register(db, reg) == value) return ERR_OK;
    ++*changed;
    return batch_register_set(b, reg, value);
}

enum err recount(struct db *db, unsigned *changed, struct err_detail *why)
{
    struct census c = {{0}, {0}};
    *changed = 0;
    enum err e = take_census(db, &c, changed, why);
    if (e) return e;
    e = db_group_begin(db);
    if (e) return err_set(why, e, 0, "writing the counts");
    struct batch *b = db_batch_begin(db);
    for (unsigned ns = 0; ns < DATABASES && !e; ns++) {
        e = correct(db, b, REG_KEYS + ns, c.keys[ns], changed);
        if (!e) e = correct(db, b, REG_DEADLINES + ns, c.deadlines[ns], changed);
    }
    if (e)
        db_batch_abort(db);
    else
        e = db_batch_commit(db);
    enum err committed = db_group_commit(db);
    if (!e) e = committed;
    return e ? err_set(why, e, 0, "writing the counts") : ERR_OK;
}
