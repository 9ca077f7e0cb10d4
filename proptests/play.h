/* play.h - plays a tape on a store and on the model, and compares them.
 *
 * Flow:    tape_next > play_op > db.h, disk_sim.h, clock.h
 *                              > model.h > problem
 * Owns:    the open store, its model.
 * Borrows: the world, which outlives it.
 * Errors:  a violation is a sentence in `problem`; after it only play_deinit is allowed.
 * Threads: one.
 * Tests:   tests/proptests/play_test.c, tests/proptests/play_random_test.c
 *
 * What is checked: every read and every walk, there and back, equals the model, also inside
 * a group and through an iterator or a snapshot while writes go on; no call fails unless a failure was asked for;
 * after a crash the store opens, is in a state that the model allows, and goes on from
 * there; a store that was closed verifies.
 */
#ifndef PROPTESTS_PLAY_H
#define PROPTESTS_PLAY_H

#include "engine/db.h"
#include "fault/disk_sim.h"
#include "proptests/model.h"
#include "proptests/tape.h"

enum play_event {
    PLAY_ISSUED,
    PLAY_ACKED,  /* answered with OK */
    PLAY_FAILED, /* answered with an error */
    PLAY_CRASHED /* the process is dead and its store given back */
};
typedef void play_event_fn(void *arg, enum play_event event, size_t group);

struct play_world {
    struct db_env env;
    struct disk *sim;           /* below env.disk; NULL: FAIL, KILL and CUT do nothing */
    struct clock_manual *clock; /* env.clock */
    const char *dir;            /* of the store */
    play_event_fn *event;       /* is told about groups; may be NULL */
    void *event_arg;
};

struct play {
    const struct play_world *world;
    struct options options;
    struct db *db; /* NULL while closed */
    struct model *model;
    struct db_iter *iter;            /* open, or NULL */
    struct db_snapshot *snapshot;    /* of the same moment, as long as the iterator */
    struct model_digest iter_digest; /* what it must see */
    struct rng rng;                  /* of survivors */
    uint32_t puts;                   /* so far: each writes another value */
    bool failing;                    /* a failure was asked for and may strike, or has */
    bool refused;                    /* and the store refuses writes because of it */
    bool log_failed;                 /* and has not come back through a new log yet */
    unsigned crashes;
    uint8_t *value;    /* scratch of TAPE_VALUE_BYTES */
    char problem[400]; /* the first violation; "" when there is none */
};

/* Opens the store (creates it). The same world, options and tape give the same run. */
void play_init(struct play *p, const struct play_world *world,
               const struct options *options);
/* False: a violation. */
bool play_op(struct play *p, const struct tape_op *op);
bool play_tape(struct play *p, const uint8_t *tape, size_t size);
/* Commits what is open and closes; checks the closed store. */
bool play_finish(struct play *p);
/* Compares everything that can be read with the model. REQUIRES: open. */
bool play_compare(struct play *p);
/* Gives everything back, also in the middle of a tape. */
void play_deinit(struct play *p);

/* The digest of what a store holds. False: a read failed. */
bool play_digest(struct db *db, struct model_digest *out);

#endif
