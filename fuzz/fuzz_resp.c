/* fuzz_resp.c - any split of the input gives the same commands.
 *
 * Input: one byte that chooses the splits, then the bytes of a client. The stream is read
 * once whole and once in pieces; commands, errors and bytes used must be the same, and
 * every argument must lie inside its command. */
#include "fuzz/target.h"

#include <string.h>

#include "fault/rng.h"
#include "server/resp_parse.h"

#define BULK_MAX    (1u << 20)
#define INPUT_MAX   (1u << 16)
#define FENCE_BYTES 256u

/* What a stream was read as: a running hash of all commands, and how it ended. */
struct outcome {
    uint64_t hash;
    size_t used;
    uint32_t commands;
    enum resp_result end;
    char error[RESP_ERROR_BYTES];
};

struct reading {
    struct resp_parser parser;
    struct resp_arg *args;
    uint32_t capacity;
    uint8_t *bytes; /* of the command that is being read */
    size_t size;
    struct outcome out;
};

static void mix(struct outcome *o, const void *data, size_t n)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < n; i++)
        o->hash = (o->hash ^ p[i]) * 0x100000001b3u;
}

static void take_command(struct reading *r, size_t used)
{
    CLAIM(used > 0 && used <= r->size);
    for (uint32_t i = 0; i < r->parser.argc; i++) {
        struct resp_arg a = r->args[i];
        CLAIM(a.offset <= used && a.size <= used - a.offset);
        mix(&r->out, &a.size, sizeof a.size);
        mix(&r->out, r->bytes + a.offset, a.size);
    }
    mix(&r->out, &r->parser.argc, sizeof r->parser.argc);
    r->out.commands++;
    r->out.used += used;
    r->bytes += used;
    r->size -= used;
}

static void grow_args(struct reading *r)
{
    uint32_t needed = r->parser.args_needed;
    CLAIM(needed > r->capacity && needed <= RESP_ARGS_MAX);
    r->args = realloc(r->args, needed * sizeof *r->args);
    r->capacity = needed;
}

/* Offers what is there until the parser wants more bytes or gives up. A look beyond the
 * end is seen: what lies there is poisoned. */
static void read_commands(struct reading *r)
{
    for (;;) {
        size_t used = 0;
        fence(r->bytes + r->size, FENCE_BYTES);
        enum resp_result result =
            resp_parse(&r->parser, r->bytes, r->size, r->args, r->capacity, &used);
        unfence(r->bytes + r->size, FENCE_BYTES);
        r->out.end = result;
        if (result == RESP_OK)
            take_command(r, used);
        else if (result == RESP_MORE_ARGS)
            grow_args(r);
        else
            break;
        if (r->size == 0) break;
    }
    if (r->out.end == RESP_ERROR)
        memcpy(r->out.error, r->parser.error, sizeof r->out.error);
}

static struct outcome read_stream(const uint8_t *data, size_t size, struct rng *splits)
{
    static uint8_t room[INPUT_MAX + FENCE_BYTES];
    struct reading r = {.bytes = room, .capacity = 4};
    resp_parser_init(&r.parser);
    r.parser.bulk_max = BULK_MAX;
    r.args = malloc(r.capacity * sizeof *r.args);
    r.out.hash = 0xcbf29ce484222325u;
    r.out.end = RESP_PARTIAL;
    for (size_t at = 0; at < size && r.out.end != RESP_ERROR;) {
        size_t n = size - at;
        if (splits) {
            size_t most = rng_below(splits, 4) ? 7 : n;
            n = 1 + (size_t)rng_below(splits, most < n ? most : n);
        }
        memcpy(r.bytes + r.size, data + at, n);
        r.size += n;
        at += n;
        read_commands(&r);
    }
    if (r.out.end == RESP_OK) r.out.end = RESP_PARTIAL; /* nothing is left over */
    free(r.args);
    return r.out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > INPUT_MAX) return 0;
    struct rng splits;
    rng_init(&splits, data[0]);
    struct outcome whole = read_stream(data + 1, size - 1, NULL);
    /* 0: no splits, so that seeds leave them to the fuzzer. */
    struct outcome pieces = read_stream(data + 1, size - 1, data[0] ? &splits : NULL);
    CLAIM(whole.commands == pieces.commands);
    CLAIM(whole.hash == pieces.hash);
    CLAIM(whole.end == pieces.end);
    CLAIM(whole.used == pieces.used);
    CLAIM(strcmp(whole.error, pieces.error) == 0);
    return 0;
}
