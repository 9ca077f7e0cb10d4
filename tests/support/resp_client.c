#include "tests/support/resp_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define READ_BYTES (64u * 1024)
#define ARGS_MAX   64 /* of resp_call */

static uint8_t *grown(uint8_t *p, size_t *capacity, size_t wanted)
{
    if (wanted <= *capacity) return p;
    while (*capacity < wanted)
        *capacity = *capacity ? *capacity * 2 : READ_BYTES;
    p = realloc(p, *capacity);
    if (!p) abort();
    return p;
}

bool resp_connect(struct resp_client *c, int port)
{
    memset(c, 0, sizeof *c);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) return false;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval limit = {.tv_sec = RESP_TIMEOUT_S};
    int one = 1;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) == 0) return true;
    close(c->fd);
    c->fd = -1;
    return false;
}

void resp_close(struct resp_client *c)
{
    if (c->fd >= 0) close(c->fd);
    free(c->in);
    free(c->out);
    memset(c, 0, sizeof *c);
    c->fd = -1;
}

/* ---- sending ---- */

static void queue_bytes(struct resp_client *c, const void *bytes, size_t n)
{
    c->out = grown(c->out, &c->out_capacity, c->out_size + n);
    if (n) memcpy(c->out + c->out_size, bytes, n);
    c->out_size += n;
}

void resp_queue(struct resp_client *c, int argc, const slice *argv)
{
    char header[32];
    queue_bytes(c, header, (size_t)snprintf(header, sizeof header, "*%d\r\n", argc));
    for (int i = 0; i < argc; i++) {
        int n = snprintf(header, sizeof header, "$%zu\r\n", argv[i].size);
        queue_bytes(c, header, (size_t)n);
        queue_bytes(c, argv[i].data, argv[i].size);
        queue_bytes(c, "\r\n", 2);
    }
}

bool resp_send_raw(struct resp_client *c, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    while (n) {
        ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

bool resp_flush(struct resp_client *c)
{
    bool ok = resp_send_raw(c, c->out, c->out_size);
    c->out_size = 0;
    return ok;
}

/* ---- receiving ---- */

/* More bytes, or the end: > 0, 0 at the end of the stream, -1 error, -2 nothing now. */
static int receive(struct resp_client *c, int flags)
{
    if (c->in_start == c->in_end) c->in_start = c->in_end = 0;
    if (c->in_start > READ_BYTES && c->in_start > c->in_end / 2) {
        memmove(c->in, c->in + c->in_start, c->in_end - c->in_start);
        c->in_end -= c->in_start;
        c->in_start = 0;
    }
    c->in = grown(c->in, &c->in_capacity, c->in_end + READ_BYTES);
    for (;;) {
        ssize_t got = recv(c->fd, c->in + c->in_end, c->in_capacity - c->in_end, flags);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno == EAGAIN && (flags & MSG_DONTWAIT) ? -2 : -1;
        c->in_end += (size_t)got;
        return got > 0;
    }
}

/* The reply at the front of the buffer: 1 and consumed; 0 not whole yet; -1 no RESP. */
static int take(struct resp_client *c, struct reply *out)
{
    const uint8_t *p = c->in + c->in_start;
    size_t n = c->in_end - c->in_start;
    if (n == 0) return 0;
    const uint8_t *end = memchr(p, '\n', n);
    if (!strchr("+-:$*", p[0]) || p[0] == 0) return -1;
    if (!end) return 0;
    if (end == p || end[-1] != '\r') return -1;
    size_t line = (size_t)(end - p) + 1;
    struct reply r = {.type = (char)p[0], .text = {p + 1, line - 3}};
    if (r.type == ':' || r.type == '$' || r.type == '*')
        r.integer = strtoll((const char *)p + 1, NULL, 10);
    if (r.type == '$' && r.integer >= 0) {
        size_t size = (size_t)r.integer;
        if (n < line + size + 2) return 0;
        if (p[line + size] != '\r' || p[line + size + 1] != '\n') return -1;
        r.text = (slice){p + line, size};
        line += size + 2;
    }
    c->in_start += line;
    *out = r;
    return 1;
}

bool resp_read(struct resp_client *c, struct reply *out)
{
    for (;;) {
        int got = take(c, out);
        if (got) return got > 0;
        if (receive(c, 0) <= 0) return false;
    }
}

int resp_poll(struct resp_client *c, struct reply *out)
{
    int got = take(c, out);
    if (got) return got;
    int more = receive(c, MSG_DONTWAIT);
    if (more == -2) return 0;
    return more > 0 ? take(c, out) : -1;
}

bool resp_drain(struct resp_client *c)
{
    int got;
    while ((got = receive(c, 0)) > 0) {
    }
    return got == 0 || errno == ECONNRESET;
}

/* ---- one command, one reply ---- */

static bool call_list(struct resp_client *c, struct reply *out, va_list words)
{
    slice argv[ARGS_MAX];
    int argc = 0;
    const char *word;
    while (argc < ARGS_MAX && (word = va_arg(words, const char *)))
        argv[argc++] = (slice){(const uint8_t *)word, strlen(word)};
    resp_queue(c, argc, argv);
    return resp_flush(c) && resp_read(c, out);
}

bool resp_call(struct resp_client *c, struct reply *out, ...)
{
    va_list words;
    va_start(words, out);
    bool ok = call_list(c, out, words);
    va_end(words);
    return ok;
}

const char *reply_show(const struct reply *r)
{
    static char text[300];
    if ((r->type == '$' || r->type == '*') && r->integer < 0)
        snprintf(text, sizeof text, "%cnil", r->type);
    else if (r->type == '*')
        snprintf(text, sizeof text, "*%" PRId64, r->integer);
    else
        snprintf(text, sizeof text, "%c%.*s", r->type,
                 (int)(r->text.size < 250 ? r->text.size : 250),
                 (const char *)r->text.data);
    return text;
}

bool resp_expect(struct resp_client *c, char type, const char *text, ...)
{
    va_list words;
    va_start(words, text);
    struct reply r;
    bool ok = call_list(c, &r, words);
    va_end(words);
    if (!ok) {
        printf("  no reply; wanted %c%s\n", type, text);
        return false;
    }
    if (r.type == type && r.text.size == strlen(text) &&
        memcmp(r.text.data, text, r.text.size) == 0)
        return true;
    printf("  reply %s\n  wanted %c%s\n", reply_show(&r), type, text);
    return false;
}
