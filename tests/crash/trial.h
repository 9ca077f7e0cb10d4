/* trial.h - recovers one image and judges what came back, in microseconds.
 *
 * Flow:    explorer > trial_image > db_open, scan, gets, files, db_close > verdict
 * Owns:    a pool of memory, the table of states that were seen.
 * Errors:  a verdict names the oracle that failed; trial.failure says how. Aborts without
 *          memory.
 * Threads: one. Trials nest: the disk of an outer one stays as it is, because whoever
 *          shows images (fault/images.h) takes back what was done to them.
 * Tests:   tests/crash/trial_test.c
 *
 * What a store holds is reduced to a digest (proptests/model.h) and the digest to a small
 * number, its *state*. Whether that state may be there is another question: it depends on
 * what had been acknowledged, and is asked again for every history that leads here.
 */
#ifndef TESTS_CRASH_TRIAL_H
#define TESTS_CRASH_TRIAL_H

#include <stdbool.h>

#include "engine/db.h"
#include "fault/disk_sim.h"
#include "fault/images.h"
#include "proptests/model.h"
#include "proptests/tape.h"
#include "tests/crash/image_set.h"
#include "tests/crash/pool_mem.h"
#include "tests/crash/scenario.h"
#include "tests/support/order_edits.h"

#define TRIAL_DIR       "db" /* the store's directory */
#define TRIAL_STRANGER  "notes.txt"
#define TRIAL_WORKS_KEY 0 /* the oracle works puts it */
#define ORDER_EVERY     64
#define TRIAL_COPY      "copy" /* where a checkpoint goes */
/* That there is a checkpoint, or that a damaged store was repaired already, is part of a
 * state, as a register that no tape uses. */
#define TRIAL_EXTRA_REGISTER 3
#define TRIAL_WALL_MS        INT64_C(1700000000000) /* the clock when a scenario begins */

struct asker;
struct server;

/* The oracles: what must hold of a recovered store. */
#define ORACLES(X)                                                                       \
    X(ORACLE_OPEN, "open", "the store opens")                                            \
    X(ORACLE_DURABLE, "durable", "everything acknowledged as durable is there")          \
    X(ORACLE_PREFIX, "prefix", "no hole, nothing invented: a prefix of the groups")      \
    X(ORACLE_FILES, "files", "every file of the state is whole, and no other is left")   \
    X(ORACLE_AGAIN, "again", "recovering again changes nothing")                         \
    X(ORACLE_WORKS, "works", "the store takes writes, flushes, compacts, reopens")       \
    X(ORACLE_SETTLED, "settled", "what recovery served outlives the next power cut")     \
    X(ORACLE_AGREE, "agree", "get, scan and count agree")                                \
    X(ORACLE_LEAK, "leak", "no memory and no handle is left behind")                     \
    X(ORACLE_CUT_RECOVERY, "cut-recovery", "a cut inside recovery changes nothing")      \
    X(ORACLE_ANSWER, "answer", "the running store answers what the model answers")       \
    X(ORACLE_ORDER, "order", "nothing is taken for durable that is not")
#define ORACLE_ENUM(id, name, text) id,
enum oracle { ORACLE_NONE, ORACLES(ORACLE_ENUM) ORACLE_COUNT };
#undef ORACLE_ENUM
const char *oracle_name(enum oracle o); /* static; "none" for ORACLE_NONE */
const char *oracle_text(enum oracle o); /* static */
/* ORACLE_NONE: no such name. */
enum oracle oracle_find(const char *name);

/* A state, or an oracle that failed. */
struct verdict {
    enum oracle failed;
    uint32_t state; /* from 1 */
};

struct trial_states {
    struct model_digest *digest; /* state s: digest[s - 1] */
    size_t count, size;
};

/* A damaged file that a repair must set aside. */
struct trial_kept {
    char name[FILENAME_BYTES + 8];
    uint64_t contents; /* hash */
};

struct trial {
    struct options options;
    struct pool_mem pool;
    struct clock_manual clock;
    uint8_t
        keys[TAPE_KEYS]; /* indices of keys that are ever written, TRIAL_WORKS_KEY too */
    size_t key_count;
    bool stranger;       /* a file TRIAL_STRANGER must be untouched */
    bool copies;         /* a checkpoint may be there: it must be whole then, and hold */
    uint32_t copy_state; /* ... what the store held when it was taken */
    bool repairs;        /* a store is repaired before it is opened; see salvage.h */
    bool sound;          /* ... the one that is judged now needed no repair */
    struct trial_kept kept[DAMAGES_MAX];
    unsigned kept_count;
    struct asker *asker; /* a whole server is started, and asked over a socket; or NULL */
    struct trial_states states;
    struct image_set after;  /* what was already asked of equal recovered stores */
    struct image_set tables; /* that are whole */
    uint64_t table_hits;
    uint64_t ran[ORACLE_COUNT];
    uint32_t silenced; /* set of 1 << oracle: never asked */
    char failure[400]; /* of the last oracle that failed */
    /* The ordering assert watches every run, and every ORDER_EVERY-th store that is opened
     * for an image. It speaks when no other oracle did. */
    uint64_t opens;
    struct order_counts ordered; /* how often each of its rules was applied */
    char disorder[400];          /* the first violation, or "" */
    void (*log)(void *arg, enum log_level level, const char *line);
    void *log_arg;
    /* Called when a recovered image has told what it holds, see trial_store; may change
     * the verdict. Or NULL. */
    void (*opened)(void *arg, struct disk *disk, struct verdict *v);
    void *opened_arg;
};

void trial_init(struct trial *t, const struct options *options);
void trial_deinit(struct trial *t);

/* The number of a state, given when it is first seen. */
uint32_t trial_state(struct trial *t, const struct model_digest *digest);
static inline const struct model_digest *trial_digest(const struct trial *t, uint32_t s)
{
    return &t->states.digest[s - 1];
}
/* May a crash turn the first state into the second, though the store holds the same? A
 * checkpoint whose name is not durable was promised to nobody, and recovery does not serve
 * it: after a killed process the next power cut may take it. And a damaged store may be
 * sound when the repair of it is cut. */
bool trial_allows(const struct trial *t, uint32_t before, uint32_t after);
static inline bool trial_asks(struct trial *t, enum oracle o)
{
    if (t->silenced >> o & 1) return false;
    t->ran[o]++;
    return true;
}
/* Notes why an oracle failed. */
struct verdict trial_fail(struct trial *t, enum oracle o, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A disk_order_violation_fn; arg is the trial. */
void trial_disorder(void *arg, enum order_rule rule, const char *line);

/* A store that is open in the pool. */
struct trial_store {
    struct db *db;
    struct server *server; /* around the store, or NULL */
    struct disk *disk;
    struct sched *sched;
    struct pool_place place;
    uint32_t handles;
    struct order_watch *watch;        /* NULL: this one is not watched */
    struct clock_manual clock_before; /* of the trial, while a server is open */
    /* Set by whoever wants to know, or NULL: called by trial_ask with the verdict when the
     * state has been told: of a server, while its first reply leaves. */
    void (*served)(void *arg, struct verdict v);
    void *served_arg;
};
enum err trial_open(struct trial *t, struct disk *disk, struct trial_store *out,
                    struct err_detail *why);
/* The same of an image: repairs it first, in a scenario about that. */
enum err trial_recover(struct trial *t, struct disk *disk, struct trial_store *out,
                       struct err_detail *why);
/* Closes it. False: something was left behind (failure says what). */
bool trial_close(struct trial *t, struct disk *disk, struct trial_store *s);
/* Frees it, whatever has become of it. */
void trial_drop(struct trial *t, struct trial_store *s);
/* Everything that the store holds, by scan and by get, or over a socket. */
struct verdict trial_ask(struct trial *t, struct trial_store *s);
/* Time passes, and the store does what is due. */
void trial_idle(struct trial *t, struct trial_store *s, int64_t ms);
/* Everything that a store without a server holds, by scan and by get. */
struct verdict trial_read(struct trial *t, struct db *db);

/* Recovers the disk as it stands (nothing of it open) and judges what does not depend on
 * history: oracles open, files, agree, leak; for recovered stores that were not met
 * before also again and works. The disk is changed; the caller takes it back. */
struct verdict trial_image(struct trial *t, struct disk *disk);

/* Open handles of a simulated disk. */
uint32_t trial_handles(const struct disk *disk);
/* Takes back a failure that was ordered and has not fired, and makes room. */
void trial_disarm(struct disk *disk);

#endif
