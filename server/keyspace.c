/* Why deadlines are keys of the store and not a heap in memory: they survive whatever the
 * values survive, need no rebuilding at start, and cost no memory for a hundred million
 * of them. The price is one more small entry per key with a deadline. Because that entry
 * is written and deleted in the same batch as the value, the two never disagree.
 *
 *     SET k v PX 500   at 1000     put 00 "k" -> 01 ..1500 "v"
 *                                  put 40 ..1500 "k"
 *                                  registers 0 and 16: +1
 *
 * The walk over due deadlines starts where the last one ended, or it would read the
 * tombstones of everything that has ever expired, again and again. */
#include "server/keyspace.h"

#include <assert.h>

#define DEADLINE_RANGE 0x40 /* first byte of deadline keys, plus the namespace */
#define DEADLINE_BYTES 8
#define FLAG_DEADLINE  0x01
#define FLAG_GROWN     0x02
#define TYPE_SHIFT     4

#define EXPIRE_RETRY_MS 1000

enum { REG_KEYS = 0, REG_DEADLINES = 16, REG_NAMESPACES = 32, REG_CLOCK = 48 };

static_assert(REG_CLOCK < REGISTERS, "the store has enough registers");
static_assert(1 + DEADLINE_BYTES + KEYSPACE_KEY_BYTES_MAX <= KEY_BYTES_MAX,
              "a deadline key fits the store");

/* ---- bytes ---- */

static unsigned namespace_of(const struct keyspace *ks, unsigned db)
{
    assert(db < DATABASES);
    return (unsigned)db_register(ks->db, REG_NAMESPACES + db) ^ db;
}

static void put_big_endian(uint8_t *p, int64_t v)
{
    uint64_t swapped = __builtin_bswap64((uint64_t)v);
    memcpy(p, &swapped, sizeof swapped);
}
static int64_t get_big_endian(const uint8_t *p)
{
    uint64_t swapped;
    memcpy(&swapped, p, sizeof swapped);
    return (int64_t)__builtin_bswap64(swapped);
}

static slice data_key(struct keyspace *ks, unsigned ns, slice key)
{
    assert(key.size <= KEYSPACE_KEY_BYTES_MAX);
    ks->key[0] = (uint8_t)ns;
    if (key.size) memcpy(ks->key + 1, key.data, key.size);
    return slice_of(ks->key, key.size + 1);
}

static slice deadline_key(struct keyspace *ks, unsigned ns, int64_t deadline_ms,
                          slice key)
{
    assert(key.size <= KEYSPACE_KEY_BYTES_MAX);
    ks->deadline_key[0] = (uint8_t)(DEADLINE_RANGE + ns);
    put_big_endian(ks->deadline_key + 1, deadline_ms);
    if (key.size) memcpy(ks->deadline_key + 1 + DEADLINE_BYTES, key.data, key.size);
    return slice_of(ks->deadline_key, 1 + DEADLINE_BYTES + key.size);
}

static bool is_expired(const struct keyspace *ks, int64_t deadline_ms)
{
    return deadline_ms != NO_DEADLINE && deadline_ms < ks->now_ms;
}

/* Takes stored bytes apart. False: they are none of ours. */
static bool decode(const struct keyspace *ks, slice bytes, struct entry *out)
{
    if (bytes.size == 0) return false;
    uint8_t flags = bytes.data[0];
    size_t head = 1;
    int64_t deadline_ms = NO_DEADLINE;
    if (flags & FLAG_DEADLINE) {
        if (bytes.size < 1 + DEADLINE_BYTES) return false;
        deadline_ms = get_big_endian(bytes.data + 1);
        head += DEADLINE_BYTES;
    }
    out->stored = true;
    out->exists = !is_expired(ks, deadline_ms);
    out->type = (enum value_type)(flags >> TYPE_SHIFT);
    out->grown = flags & FLAG_GROWN;
    out->deadline_ms = deadline_ms;
    out->value = slice_of(bytes.data + head, bytes.size - head);
    return true;
}

/* ---- life ---- */

enum err keyspace_init(struct keyspace *ks, struct db *db, struct clock *clock,
                       struct mem *mem)
{
    *ks = (struct keyspace){.db = db, .clock = clock, .mem = mem};
    ks->key = mem_alloc(mem, 1 + KEYSPACE_KEY_BYTES_MAX);
    ks->deadline_key = mem_alloc(mem, 1 + DEADLINE_BYTES + KEYSPACE_KEY_BYTES_MAX);
    if (!ks->key || !ks->deadline_key) {
        keyspace_deinit(ks);
        return ERR_NOMEM;
    }
    int64_t seen_ms = (int64_t)db_register(db, REG_CLOCK);
    ks->wall_ahead_ms = seen_ms - clock_mono_us(clock) / 1000;
    keyspace_tick(ks);
    return ERR_OK;
}

void keyspace_deinit(struct keyspace *ks)
{
    mem_free(ks->mem, ks->key);
    mem_free(ks->mem, ks->deadline_key);
    ks->key = ks->deadline_key = NULL;
}

void keyspace_tick(struct keyspace *ks)
{
    int64_t mono_ms = clock_mono_us(ks->clock) / 1000;
    int64_t ahead_ms = clock_wall_ms(ks->clock) - mono_ms;
    if (ahead_ms > ks->wall_ahead_ms) ks->wall_ahead_ms = ahead_ms;
    ks->now_ms = mono_ms + ks->wall_ahead_ms;
}

/* ---- reading ---- */

enum err keyspace_get(struct keyspace *ks, unsigned db, slice key, struct entry *out,
                      struct err_detail *why)
{
    slice bytes;
    *out = (struct entry){.deadline_ms = NO_DEADLINE};
    enum err e = db_get(ks->db, data_key(ks, namespace_of(ks, db), key), &bytes, why);
    if (e == ERR_NOT_FOUND) return ERR_OK;
    if (e) return e;
    if (!decode(ks, bytes, out))
        return err_set(why, ERR_CORRUPT, 0,
                       "the value of a key of database %u has no head", db);
    return ERR_OK;
}

enum err keyspace_peek(struct keyspace *ks, unsigned db, slice key, struct entry *out,
                       struct err_detail *why)
{
    unsigned ns = namespace_of(ks, db);
    if (db_register(ks->db, REG_DEADLINES + ns) > 0)
        return keyspace_get(ks, db, key, out, why);
    *out = (struct entry){.deadline_ms = NO_DEADLINE};
    enum err e = db_exists(ks->db, data_key(ks, ns, key), &out->stored, why);
    out->exists = out->stored;
    return e;
}

uint64_t keyspace_count(const struct keyspace *ks, unsigned db)
{
    return db_register(ks->db, REG_KEYS + namespace_of(ks, db));
}

uint64_t keyspace_count_deadlines(const struct keyspace *ks, unsigned db)
{
    return db_register(ks->db, REG_DEADLINES + namespace_of(ks, db));
}

/* ---- changing ---- */

static void note(struct keyspace *ks, enum err e)
{
    if (!ks->error) ks->error = e;
}

static enum err begin(struct keyspace *ks, enum err (*begin_group)(struct db *db))
{
    assert(!ks->batch);
    if (!db_in_group(ks->db)) {
        enum err e = begin_group(ks->db);
        if (e) return e;
    }
    ks->batch = db_batch_begin(ks->db);
    ks->error = ks->batch ? ERR_OK : ERR_NOMEM;
    return ks->error;
}

enum err keyspace_begin(struct keyspace *ks)
{
    if (db_refuses(ks->db)) return ERR_WRITES_REFUSED;
    return begin(ks, db_group_begin);
}

enum err keyspace_begin_removal(struct keyspace *ks)
{
    return begin(ks, db_group_begin_deletes);
}

enum err keyspace_commit(struct keyspace *ks)
{
    assert(ks->batch);
    ks->batch = NULL;
    if (!ks->error) return db_batch_commit(ks->db);
    db_batch_abort(ks->db);
    return ks->error;
}

/* Keeps the bounds of the walk below every deadline there is. */
static void lower_bounds(struct keyspace *ks, unsigned ns, int64_t deadline_ms)
{
    if (deadline_ms < ks->next_deadline_ms[ns]) ks->next_deadline_ms[ns] = deadline_ms;
    if (deadline_ms < ks->expired_upto_ms[ns]) ks->expired_upto_ms[ns] = deadline_ms;
}

static void change_deadline(struct keyspace *ks, unsigned ns, slice key, int64_t old_ms,
                            int64_t new_ms)
{
    if (old_ms == new_ms) return;
    if (old_ms != NO_DEADLINE)
        note(ks, batch_delete(ks->batch, deadline_key(ks, ns, old_ms, key)));
    if (new_ms != NO_DEADLINE) {
        slice nothing = {0};
        note(ks, batch_put(ks->batch, deadline_key(ks, ns, new_ms, key), nothing));
        lower_bounds(ks, ns, new_ms);
    }
    int64_t delta = (new_ms != NO_DEADLINE) - (old_ms != NO_DEADLINE);
    if (delta) note(ks, batch_register_add(ks->batch, REG_DEADLINES + ns, delta));
}

/* form: 0 or FLAG_GROWN */
static void put_value(struct keyspace *ks, unsigned ns, slice key, slice value,
                      int64_t deadline_ms, unsigned form)
{
    uint8_t head[1 + DEADLINE_BYTES] = {(uint8_t)(TYPE_STRING << TYPE_SHIFT | form)};
    size_t head_bytes = 1;
    if (deadline_ms != NO_DEADLINE) {
        head[0] |= FLAG_DEADLINE;
        put_big_endian(head + 1, deadline_ms);
        head_bytes += DEADLINE_BYTES;
    }
    note(ks,
         batch_put2(ks->batch, data_key(ks, ns, key), slice_of(head, head_bytes), value));
}

static void put(struct keyspace *ks, unsigned db, slice key, const struct entry *old,
                slice value, int64_t deadline_ms, unsigned form)
{
    assert(ks->batch);
    assert(deadline_ms >= NO_DEADLINE);
    unsigned ns = namespace_of(ks, db);
    put_value(ks, ns, key, value, deadline_ms, form);
    if (!old->stored) note(ks, batch_register_add(ks->batch, REG_KEYS + ns, 1));
    change_deadline(ks, ns, key, old->deadline_ms, deadline_ms);
}

void keyspace_put(struct keyspace *ks, unsigned db, slice key, const struct entry *old,
                  slice value, int64_t deadline_ms)
{
    put(ks, db, key, old, value, deadline_ms, 0);
}

void keyspace_put_grown(struct keyspace *ks, unsigned db, slice key,
                        const struct entry *old, slice value, int64_t deadline_ms)
{
    put(ks, db, key, old, value, deadline_ms, FLAG_GROWN);
}

void keyspace_put_blindly(struct keyspace *ks, unsigned db, slice key, slice value)
{
    struct entry old;
    enum err e = keyspace_peek(ks, db, key, &old, NULL);
    if (e == ERR_OK)
        keyspace_put(ks, db, key, &old, value, NO_DEADLINE);
    else
        note(ks, e);
}

void keyspace_put_again(struct keyspace *ks, unsigned db, slice key, slice value)
{
    assert(ks->batch);
    put_value(ks, namespace_of(ks, db), key, value, NO_DEADLINE, 0);
}

static void remove_stored(struct keyspace *ks, unsigned ns, slice key,
                          int64_t deadline_ms)
{
    note(ks, batch_delete(ks->batch, data_key(ks, ns, key)));
    note(ks, batch_register_add(ks->batch, REG_KEYS + ns, -1));
    change_deadline(ks, ns, key, deadline_ms, NO_DEADLINE);
}

void keyspace_remove(struct keyspace *ks, unsigned db, slice key, const struct entry *old)
{
    assert(ks->batch);
    if (old->stored) remove_stored(ks, namespace_of(ks, db), key, old->deadline_ms);
}

void keyspace_flush(struct keyspace *ks, unsigned db)
{
    assert(ks->batch);
    unsigned ns = namespace_of(ks, db);
    if (db_register(ks->db, REG_KEYS + ns) == 0) return;
    note(ks, batch_floor(ks->batch, (uint8_t)ns));
    note(ks, batch_floor(ks->batch, (uint8_t)(DEADLINE_RANGE + ns)));
    note(ks, batch_register_set(ks->batch, REG_KEYS + ns, 0));
    note(ks, batch_register_set(ks->batch, REG_DEADLINES + ns, 0));
}

/* ---- expiry ---- */

/* Deleting what has expired is worth neither an error nor a wait. */
static bool accepts_writes(const struct keyspace *ks)
{
    return !db_refuses(ks->db) && !db_busy(ks->db);
}

/* A key of the deadline range: is it due, and whose deadline is it? */
struct due {
    int64_t deadline_ms;
    slice key;
};

static bool decode_deadline(slice bytes, unsigned ns, struct due *out)
{
    if (bytes.size < 1 + DEADLINE_BYTES || bytes.data[0] != DEADLINE_RANGE + ns)
        return false;
    out->deadline_ms = get_big_endian(bytes.data + 1);
    out->key = slice_of(bytes.data + 1 + DEADLINE_BYTES, bytes.size - 1 - DEADLINE_BYTES);
    return true;
}

/* Deletes the value whose deadline this is, and the deadline. */
static void expire_one(struct keyspace *ks, unsigned ns, const struct due *due)
{
    slice bytes;
    struct entry entry;
    enum err e = db_get(ks->db, data_key(ks, ns, due->key), &bytes, NULL);
    if (e == ERR_OK && decode(ks, bytes, &entry) &&
        entry.deadline_ms == due->deadline_ms) {
        remove_stored(ks, ns, due->key, due->deadline_ms);
        ks->expired_keys++;
    } else if (e == ERR_OK || e == ERR_NOT_FOUND) {
        note(ks,
             batch_delete(ks->batch, deadline_key(ks, ns, due->deadline_ms, due->key)));
    } else {
        note(ks, e);
    }
}

/* Walks the deadlines of one namespace that are due. */
static unsigned expire_namespace(struct keyspace *ks, unsigned ns, unsigned limit)
{
    struct db_iter *it;
    slice nothing = {0};
    enum err e = db_iter_new(ks->db, &it);
    if (e) {
        note(ks, e);
        return 0;
    }
    db_iter_seek(it, deadline_key(ks, ns, ks->expired_upto_ms[ns], nothing));

    unsigned done = 0;
    int64_t next_ms = INT64_MAX, upto_ms = ks->expired_upto_ms[ns];
    for (; db_iter_valid(it); db_iter_next(it)) {
        struct due due;
        if (!decode_deadline(db_iter_key(it), ns, &due)) break;
        next_ms = due.deadline_ms;
        if (done == limit || !is_expired(ks, due.deadline_ms)) break;
        upto_ms = due.deadline_ms;
        next_ms = INT64_MAX;
        expire_one(ks, ns, &due);
        done++;
    }
    note(ks, db_iter_error(it, NULL));
    db_iter_free(it);
    if (ks->error) return done;
    ks->next_deadline_ms[ns] = next_ms;
    ks->expired_upto_ms[ns] = upto_ms;
    return done;
}

static bool may_be_due(struct keyspace *ks, unsigned ns)
{
    if (ks->next_deadline_ms[ns] >= ks->now_ms) return false;
    if (db_register(ks->db, REG_DEADLINES + ns) > 0) return true;
    ks->next_deadline_ms[ns] = INT64_MAX; /* until lower_bounds hears of one */
    return false;
}

/* After a failure: from the beginning, but not at once again. */
static void expire_later(struct keyspace *ks)
{
    for (unsigned ns = 0; ns < DATABASES; ns++) {
        ks->next_deadline_ms[ns] = ks->now_ms + EXPIRE_RETRY_MS;
        ks->expired_upto_ms[ns] = 0;
    }
}

unsigned keyspace_expire(struct keyspace *ks, unsigned limit)
{
    unsigned ns = 0, done = 0;
    while (ns < DATABASES && !may_be_due(ks, ns))
        ns++;
    if (ns == DATABASES || !accepts_writes(ks)) return 0;
    if (keyspace_begin(ks)) return 0;
    for (; ns < DATABASES && done < limit; ns++)
        if (may_be_due(ks, ns)) done += expire_namespace(ks, ns, limit - done);
    /* So that a clock set back while the server is down does not revive what is gone. */
    if (done) note(ks, batch_register_set(ks->batch, REG_CLOCK, (uint64_t)ks->now_ms));
    if (keyspace_commit(ks)) expire_later(ks);
    return done;
}

void keyspace_expire_key(struct keyspace *ks, unsigned db, slice key,
                         const struct entry *old)
{
    assert(old->stored && !old->exists);
    if (!accepts_writes(ks) || keyspace_begin(ks)) return;
    keyspace_remove(ks, db, key, old);
    note(ks, batch_register_set(ks->batch, REG_CLOCK, (uint64_t)ks->now_ms));
    if (keyspace_commit(ks) == ERR_OK) ks->expired_keys++;
}

int keyspace_timeout_ms(const struct keyspace *ks)
{
    int64_t next_ms = INT64_MAX;
    if (!accepts_writes(ks)) return -1;
    for (unsigned ns = 0; ns < DATABASES; ns++)
        if (ks->next_deadline_ms[ns] < next_ms &&
            db_register(ks->db, REG_DEADLINES + ns) > 0)
            next_ms = ks->next_deadline_ms[ns];
    if (next_ms == INT64_MAX) return -1;
    int64_t wait_ms = next_ms - ks->now_ms + 1;
    return wait_ms < 0 ? 0 : wait_ms > 60000 ? 60000 : (int)wait_ms;
}

void keyspace_undone(struct keyspace *ks)
{
    for (unsigned ns = 0; ns < DATABASES; ns++)
        ks->next_deadline_ms[ns] = ks->expired_upto_ms[ns] = 0;
}

/* ---- walking ---- */

static void settle(struct keyspace_iter *i)
{
    for (;; db_iter_next(i->it)) {
        i->valid = false;
        if (!db_iter_valid(i->it)) return;
        slice key = db_iter_key(i->it);
        if (key.size == 0 || key.data[0] != i->prefix) return;
        if (!decode(i->ks, db_iter_value(i->it), &i->entry)) {
            i->error = ERR_CORRUPT;
            return;
        }
        if (!i->entry.exists) continue;
        i->key = slice_of(key.data + 1, key.size - 1);
        i->valid = true;
        return;
    }
}

enum err keyspace_iter_begin(struct keyspace *ks, unsigned db, slice from,
                             struct keyspace_iter *out)
{
    unsigned ns = namespace_of(ks, db);
    *out = (struct keyspace_iter){.ks = ks, .prefix = (uint8_t)ns};
    enum err e = db_iter_new(ks->db, &out->it);
    if (e) return e;
    db_iter_seek(out->it, data_key(ks, ns, from));
    settle(out);
    return ERR_OK;
}

void keyspace_iter_next(struct keyspace_iter *i)
{
    assert(i->valid);
    db_iter_next(i->it);
    settle(i);
}

enum err keyspace_iter_end(struct keyspace_iter *i, struct err_detail *why)
{
    enum err e = db_iter_error(i->it, why);
    db_iter_free(i->it);
    i->it = NULL;
    if (!e && i->error)
        e = err_set(why, i->error, 0, "a value of the keyspace has no head");
    return e;
}
