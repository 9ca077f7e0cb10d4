/* resp_client.h - a small blocking RESP2 client, for tests that talk to a real server.
 *
 * Flow:    e2e tests, bench_server > resp_* > socket
 * Owns:    the socket and two buffers, until resp_close.
 * Borrows: the text of a reply lives until the next call that reads.
 * Errors:  false (or -1) when the connection is gone, silent for RESP_TIMEOUT_S seconds,
 *          or speaks something that is not RESP2.
 */
#ifndef TESTS_SUPPORT_RESP_CLIENT_H
#define TESTS_SUPPORT_RESP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/slice.h"

#define RESP_TIMEOUT_S 20

struct resp_client {
    int fd;      /* -1: not connected */
    uint8_t *in; /* bytes received; [in_start, in_end) not yet read */
    size_t in_start, in_end, in_capacity;
    uint8_t *out; /* commands queued and not yet sent */
    size_t out_size, out_capacity;
};

/* One item. The elements of an array follow as replies of their own. */
struct reply {
    char type;       /* '+' '-' ':' '$' '*' */
    int64_t integer; /* of ':'; the length of '$' and '*', -1: nil */
    slice text;      /* of '+' '-' '$' */
};

/* Connects to 127.0.0.1. */
bool resp_connect(struct resp_client *c, int port);
void resp_close(struct resp_client *c);

/* Adds a command to the queue; resp_flush sends what is queued. */
void resp_queue(struct resp_client *c, int argc, const slice *argv);
bool resp_flush(struct resp_client *c);
bool resp_send_raw(struct resp_client *c, const void *bytes, size_t n);

/* Waits for the next reply. */
bool resp_read(struct resp_client *c, struct reply *out);
/* Takes the next reply if it is here: 1; not yet: 0; closed or broken: -1. */
int resp_poll(struct resp_client *c, struct reply *out);
/* Reads until the peer closes; true when it did. Complete replies stay readable. */
bool resp_drain(struct resp_client *c);

/* Sends one command of C strings (ended by NULL) and waits for its reply. */
bool resp_call(struct resp_client *c, struct reply *out, ...) __attribute__((sentinel));
/* The same, and true only when the reply is of `type` with exactly this text. */
bool resp_expect(struct resp_client *c, char type, const char *text, ...)
    __attribute__((sentinel));
/* The reply as text for messages: "+OK", ":3", "$nil"... Static memory. */
const char *reply_show(const struct reply *r);

#endif
