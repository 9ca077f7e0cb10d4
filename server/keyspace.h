/* keyspace.h - sixteen numbered databases of keys with deadlines, over one store.
 *
 * Flow:    commands > keyspace_* > db.h; loop > keyspace_expire
 * Owns:    nothing but two key buffers; the store is borrowed.
 * Borrows: an entry's value and an iterator's key stay valid until the next call that
 *          touches the store.
 * Errors:  ERR_OK or what the store answered; after an error the change in progress has
 *          left nothing behind.
 * Crash:   one change (keyspace_begin ... keyspace_commit) is one batch, and as durable
 *          as the group it lies in.
 * Format:  docs/formats.md#keyspace
 * Tests:   tests/server/keyspace_test.c
 *
 * Bytes in the store, for a key K in namespace n (0..15):
 *
 *   n K                    -> flags [deadline] value
 *                             flags: bit 0: a deadline follows; bit 1: the value grew in
 *                             place; bits 4..7: type, 0 string
 *                             deadline: 8 bytes, big-endian, milliseconds since 1970
 *   (40h + n) deadline K   -> nothing; exists exactly for keys with a deadline
 *
 * and in the registers: 0..15 keys of a namespace, 16..31 those of them with a deadline,
 * 32..47 the namespace of database d as (namespace XOR d), so that zero is the identity,
 * 48 the latest time at which something was expired.
 *
 * Both key ranges of a namespace begin with a byte of their own, so that two floors and
 * two registers empty it, whatever its size.
 */
#ifndef SERVER_KEYSPACE_H
#define SERVER_KEYSPACE_H

#include "engine/db.h"
#include "fault/clock.h"

#define DATABASES 16
/* Longest user key. The store's own limit leaves room for what stands in front. */
#define KEYSPACE_KEY_BYTES_MAX (64u * 1024)
#define NO_DEADLINE            INT64_C(-1)

/* On disk, never renumber. */
enum value_type { TYPE_STRING = 0 };

/* What the store holds under a key. */
struct entry {
    bool stored; /* there is something, expired or not */
    bool exists; /* stored and not expired: what clients see */
    enum value_type type;
    bool grown;          /* in place: Redis would keep the value as raw bytes */
    int64_t deadline_ms; /* or NO_DEADLINE */
    slice value;
};

struct keyspace {
    struct db *db;
    struct clock *clock;
    int64_t now_ms;                      /* the time by which deadlines are judged */
    int64_t wall_ahead_ms;               /* largest (wall clock - monotonic clock) seen */
    int64_t next_deadline_ms[DATABASES]; /* by namespace; nothing is due before it */
    int64_t expired_upto_ms[DATABASES];  /* by namespace; no deadline is left before it */
    uint64_t expired_keys;               /* since start */
    struct batch *batch;                 /* of the change in progress, or NULL */
    enum err error;                      /* the first one of the change in progress */
    uint8_t *key;                        /* buffer for data keys */
    uint8_t *deadline_key;               /* buffer for deadline keys */
    struct mem *mem;
};

enum err keyspace_init(struct keyspace *ks, struct db *db, struct clock *clock,
                       struct mem *mem);
void keyspace_deinit(struct keyspace *ks);
/* Reads the clocks. now_ms never steps back, and goes on at the monotonic clock's pace
 * when the wall clock was set back: no key is revived, and none lives for ever. */
void keyspace_tick(struct keyspace *ks);

/* ---- reading ---- */

enum err keyspace_get(struct keyspace *ks, unsigned db, slice key, struct entry *out,
                      struct err_detail *why);
/* As keyspace_get without the value, and cheaper when no key of the database has a
 * deadline: for changes that overwrite blindly. */
enum err keyspace_peek(struct keyspace *ks, unsigned db, slice key, struct entry *out,
                       struct err_detail *why);
/* Keys stored, expired ones that nobody has deleted yet included; keys with deadline. */
uint64_t keyspace_count(const struct keyspace *ks, unsigned db);
uint64_t keyspace_count_deadlines(const struct keyspace *ks, unsigned db);

/* ---- changing ---- */

/* One change of any number of keys. Opens the store's group when none is open. */
enum err keyspace_begin(struct keyspace *ks);
/* The same for a change that only removes: a full disk has a reserve for it. */
enum err keyspace_begin_removal(struct keyspace *ks);
/* Applies the change, or drops it when one of its steps had failed. */
enum err keyspace_commit(struct keyspace *ks);
/* Steps of a change. `old` is what keyspace_get or keyspace_peek said of the key, changed
 * neither in this change nor since; the value must not lie in the store. */
void keyspace_put(struct keyspace *ks, unsigned db, slice key, const struct entry *old,
                  slice value, int64_t deadline_ms);
/* The same for a value that grew in place, or that had done so before. */
void keyspace_put_grown(struct keyspace *ks, unsigned db, slice key,
                        const struct entry *old, slice value, int64_t deadline_ms);
void keyspace_remove(struct keyspace *ks, unsigned db, slice key,
                     const struct entry *old);
/* Looks the key up by itself; without deadline. */
void keyspace_put_blindly(struct keyspace *ks, unsigned db, slice key, slice value);
/* Once more in the same change. REQUIRES: the earlier put of the key had no deadline. */
void keyspace_put_again(struct keyspace *ks, unsigned db, slice key, slice value);
/* Empties a database, at a cost that does not depend on its size. */
void keyspace_flush(struct keyspace *ks, unsigned db);

/* ---- expiry ---- */

/* Deletes up to `limit` keys that are due, as one change; returns how many it looked at.
 * Nothing happens while writes are refused. */
unsigned keyspace_expire(struct keyspace *ks, unsigned limit);
/* Deletes one key that keyspace_get showed as stored and expired, if writes are
 * accepted. */
void keyspace_expire_key(struct keyspace *ks, unsigned db, slice key,
                         const struct entry *old);
/* Milliseconds until keyspace_expire has something to do; -1: nothing is waiting. */
int keyspace_timeout_ms(const struct keyspace *ks);
/* The group that was open has been undone: forget what was concluded from it. */
void keyspace_undone(struct keyspace *ks);

/* ---- walking ---- */

/* Keys of a database in byte order, expired ones left out. */
struct keyspace_iter {
    struct keyspace *ks;
    struct db_iter *it;
    uint8_t prefix; /* first byte of the data keys */
    bool valid;
    enum err error; /* a value that is none of ours */
    slice key;      /* the user's key */
    struct entry entry;
};
/* Starts at the first key >= `from`. */
enum err keyspace_iter_begin(struct keyspace *ks, unsigned db, slice from,
                             struct keyspace_iter *out);
void keyspace_iter_next(struct keyspace_iter *i);
/* ERR_OK at a true end. Ends the iterator in any case. */
enum err keyspace_iter_end(struct keyspace_iter *i, struct err_detail *why);

#endif
