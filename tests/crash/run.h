/* run.h - plays a tape on a store and on the model, and keeps the story.
 *
 * Flow:    explorer > run_play > db_*, model_* ; the tap on its disk > explorer
 * Owns:    disk, model, store. The trial bench is borrowed.
 * Errors:  an answer that differs from the model's: run.broken says which.
 * Threads: one.
 * Tests:   tests/crash/run_test.c
 *
 * The store runs on the simulated disk with a clock moved by hand, and with jobs inline or,
 * in scheduled scenarios, as coroutines: the same tape and the same schedule make the same
 * calls. Before each of them whoever watches gets the word, and finds in the model what
 * had been issued and acknowledged at that moment.
 */
#ifndef TESTS_CRASH_RUN_H
#define TESTS_CRASH_RUN_H

#include "tests/crash/disk_tap.h"
#include "tests/crash/scenario.h"
#include "tests/crash/switching.h"
#include "tests/crash/trial.h"

#define RUN_TAPE_BYTES 1024
#define RUN_EVENTS     512

enum run_event_kind {
    RUN_OPERATION, /* begins */
    RUN_ISSUED,    /* its group was handed to the store */
    RUN_ACKED,
    RUN_FAILED, /* answered with an error */
    RUN_OPENED,
    RUN_KILLED,
    RUN_CUT,
    RUN_SWITCH, /* another actor goes on */
};
struct run_event {
    enum run_event_kind kind;
    uint32_t operation; /* ordinal on the tape */
    uint32_t call;      /* changing calls before it */
    size_t group;       /* ISSUED, ACKED, FAILED: its number; SWITCH: of the actor */
    enum site site; /* SWITCH: what it is about to do; SITE_COUNT: to change nothing */
    bool returns;   /* ... it is a sync that was entered already */
};

struct talk;

struct run {
    const struct scenario *scenario;
    struct trial *trial;
    struct disk *disk;
    struct disk_tap tap;
    struct order_watch watch; /* around the disk, the tap included: the ordering assert */
    struct disk *watched;     /* what the store or server is given */
    struct clock_manual clock;
    int64_t turned_us; /* when the store had its last turn of background work */
    struct sched *sched;
    struct switching *switching; /* scheduled scenarios; NULL: jobs run inline */
    struct db *db;               /* NULL: closed */
    struct talk *talk;           /* a server and its clients instead of db; or NULL */
    struct model *model;
    struct db_iter *iterator;
    uint32_t puts, operation;
    bool settling;          /* a group was submitted and is not answered; */
    size_t settling_group;  /* its number */
    bool in_group, dropped; /* dropped: the open group never reached the store */
    bool log_failed;        /* and no new log is in force yet */
    bool repairs;           /* the store was damaged; */
    bool repaired;          /* and is sound again */
    bool broken;
    char why[256];
    struct run_event events[RUN_EVENTS];
    size_t event_count;
    /* whoever watches; both may be NULL */
    tap_fn *on_call;
    /* After a crash on the tape, before the store is opened again; and after that. */
    void (*on_event)(void *arg, enum run_event_kind kind);
    void *arg;
    bool (*drop)(void *run, const struct tap_call *call); /* see disk_tap.h */
    tap_opened_fn *on_opened;
    void *opened_arg;
};

/* A tape in words, compiled. Aborts when the text is wrong. */
size_t run_compile(const char *text, uint8_t out[RUN_TAPE_BYTES]);
/* The tape of a scenario, or the steps of its dialogue. */
size_t run_tape(const struct scenario *s, uint8_t out[RUN_TAPE_BYTES]);
/* Adds the keys that a tape writes to the bench's. */
void run_keys(struct trial *t, const uint8_t *tape, size_t size);

/* Plays scenario->before, makes it durable, and stops. False: it could not be done. */
bool run_start(struct run *r, const struct scenario *s, struct trial *t,
               uint32_t chunk_bytes);
/* Plays the tape with the tap on, and calls on_call once more at the end, with NULL. */
void run_play(struct run *r, const uint8_t *tape, size_t size);
/* Closes and frees everything. */
void run_end(struct run *r);

/* For talk.c: a line of the story; the run has gone wrong. */
void run_note(struct run *r, enum run_event_kind kind, size_t group);
void run_break(struct run *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* For switching: another actor goes on, with this call (SITE_COUNT: none that changes
 * anything). */
void run_note_switch(struct run *r, uint32_t actor, enum site site, bool returns);

/* Bounds of what may survive a power cut now. */
size_t run_lower(const struct run *r, enum model_crash crash);
size_t run_upper(const struct run *r);

#endif
