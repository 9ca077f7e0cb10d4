/* speaker.h - a client that knows what every reply must be, byte for byte.
 *
 * Flow:    suites > speaker_say > commands > server > replies > speaker_heard > model
 * Owns:    its model; the connection is the network's.
 * Errors:  the first wrong byte is a sentence in `problem`.
 * Threads: one.
 * Tests:   tests/crash/conversation_test.c
 *
 * An operation counts as acknowledged when the last byte of its reply has left the server,
 * and not earlier: that is what a real client can rely on. The keys of a speaker begin
 * with its own letter, so that several can speak at once and each is judged by itself.
 */
#ifndef TESTS_SUPPORT_SPEAKER_H
#define TESTS_SUPPORT_SPEAKER_H

#include "proptests/model.h"
#include "tests/support/simworld.h"

#define SPEAKER_COMMANDS  64 /* in one conversation */
#define SPEAKER_BYTES     16384
#define SPEAKER_KEYS      5 /* texts */
#define SPEAKER_COUNTERS  2 /* numbers */
#define SPEAKER_VALUE_MAX 200

struct speaker {
    struct simworld *world;
    struct peer *peer;
    struct model *model;
    char letter;
    enum sync_policy policy;         /* of the server */
    uint8_t said[SPEAKER_BYTES];     /* all commands so far */
    size_t said_size, written;       /* and what went into the connection */
    uint8_t expected[SPEAKER_BYTES]; /* all replies to them */
    size_t expected_size;
    size_t ends[SPEAKER_COMMANDS]; /* where each command's reply ends */
    size_t commands, answered;
    size_t lower; /* groups that must survive, see speaker_moment */
    char problem[200];
};

void speaker_init(struct speaker *s, struct simworld *world, char letter,
                  enum sync_policy policy);
void speaker_deinit(struct speaker *s);
/* A new connection to the port. The conversation begins anew; what was learnt stays. */
void speaker_connect(struct speaker *s, uint16_t port);
/* Thinks of a command and of its reply. False when no more fits. */
bool speaker_say(struct speaker *s, struct rng *rng);
/* Writes up to n bytes of what was said into the connection; returns how many. */
size_t speaker_write(struct speaker *s, size_t n);
/* Bytes left the server: to be called from net_sim_on_sent. `total` as there. */
void speaker_heard(struct speaker *s, const uint8_t *bytes, size_t n, uint64_t total);
/* Remembers what must survive a crash of this kind at this moment. */
void speaker_moment(struct speaker *s, enum model_crash crash);
/* All commands that read the speaker's whole keyspace back, as one text. */
size_t speaker_questions(const struct speaker *s, char *out, size_t room);
/* Judges the replies to them after a crash, and goes on from what they say. *keys is how
 * many there are. */
bool speaker_judge(struct speaker *s, const uint8_t *replies, size_t n, size_t *keys);

#endif
