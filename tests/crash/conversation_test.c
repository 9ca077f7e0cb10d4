/* Conversations with a whole server on a simulated disk, clock and network: the power is
 * cut in the middle, the server starts again, and is asked what it remembers. */
#include "tests/support/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/server.h"
#include "tests/support/speaker.h"

#define SPEAKERS_MAX 3
#define TURNS        6
#define PORT         6379
#define TURNS_ENOUGH 1000 /* of a server that is asked something */

struct stage {
    struct simworld world;
    struct config config;
    struct options geometry;
    struct server_env env;
    struct server *server;
    struct speaker speakers[SPEAKERS_MAX];
    unsigned count;        /* speakers */
    enum model_crash kind; /* what is going to happen */
    bool restarted;        /* nobody is judged by what is said now */
};

/* ---- the stage ---- */

static void sent(void *arg, struct peer *peer, const void *bytes, size_t n,
                 uint64_t total)
{
    struct stage *st = arg;
    for (unsigned i = 0; i < st->count && !st->restarted; i++)
        if (st->speakers[i].peer == peer)
            speaker_heard(&st->speakers[i], bytes, n, total);
    if (st->config.appendfsync == SYNC_ALWAYS) order_watch_acknowledge(&st->world.watch);
}

static void start_server(struct stage *st)
{
    struct err_detail why = {.code = ERR_OK};
    enum err e = server_new(&st->env, &st->config, &st->server, &why);
    if (e) printf("  the server does not start: %s\n", why.text);
    REQUIRE_INT(e, ERR_OK);
}

static void stage_init(struct stage *st, uint64_t seed, enum sync_policy policy,
                       unsigned speakers)
{
    struct simworld_options wo;
    simworld_options_init(&wo);
    wo.seed = seed;
    wo.disk.chunk_bytes = 64;
    simworld_init(&st->world, &wo);
    st->count = speakers;
    st->restarted = false;
    st->kind = MODEL_CUT;
    for (unsigned i = 0; i < speakers; i++)
        speaker_init(&st->speakers[i], &st->world, (char)('a' + i), policy);
    config_init(&st->config);
    st->config.appendfsync = policy;
    st->config.port = PORT;
    simworld_tiny_options(&st->geometry);
    st->geometry.memtable_bytes = st->geometry.log_bytes = 2048;
    struct simworld *w = &st->world;
    st->env = (struct server_env){.disk = w->disk,
                                  .clock = &w->clock.clock,
                                  .mem = &w->mem.mem,
                                  .sched = w->sched,
                                  .net = net_sim_net(w->net),
                                  .store = SIMWORLD_STORE,
                                  .seed = seed,
                                  .geometry = &st->geometry};
    net_sim_on_sent(w->net, sent, st);
    start_server(st);
    for (unsigned i = 0; i < speakers; i++)
        speaker_connect(&st->speakers[i], PORT);
}

static void stage_deinit(struct stage *st)
{
    server_free(st->server);
    for (unsigned i = 0; i < st->count; i++)
        speaker_deinit(&st->speakers[i]);
    simworld_deinit(&st->world);
}

static void note_moment(void *arg)
{
    struct stage *st = arg;
    for (unsigned i = 0; i < st->count; i++)
        speaker_moment(&st->speakers[i], st->kind);
}

/* ---- speaking ---- */

/* Everybody says something, in pieces that need not end with a command, and reads a part
 * of the answers; then the server takes a turn. */
static void one_turn(struct stage *st)
{
    struct rng *rng = &st->world.rng;
    uint8_t sink[512];
    for (unsigned i = 0; i < st->count; i++) {
        struct speaker *s = &st->speakers[i];
        uint64_t commands = rng_below(rng, 5);
        while (commands-- > 0 && speaker_say(s, rng)) {
        }
        speaker_write(s, rng_below(rng, 4) ? SPEAKER_BYTES : rng_below(rng, 60));
        peer_read(s->peer, sink, rng_below(rng, sizeof sink));
    }
    server_turn(st->server, 0);
    if (rng_below(rng, 4) == 0) {
        for (int i = 0; i < 12; i++) {
            clock_manual_advance(&st->world.clock, 100);
            server_turn(st->server, 0);
        }
    }
}

/* The server may take little and give little at a time, and peers may be slow. */
static void make_trouble(struct stage *st)
{
    struct rng *rng = &st->world.rng;
    for (unsigned i = 0; i < st->count; i++) {
        struct peer_limits limits = {
            .recv_max = rng_below(rng, 2) ? 1 + rng_below(rng, 40) : 0,
            .send_max = rng_below(rng, 2) ? 1 + rng_below(rng, 12) : 0,
            .window = rng_below(rng, 3) ? 0 : 1 + rng_below(rng, 30),
            .again = rng_below(rng, 4) ? 0 : 1,
        };
        peer_limit(st->speakers[i].peer, &limits);
    }
}

/* ---- asking again ---- */

/* Sends the text and collects replies until the server has no more to say. */
static size_t ask(struct stage *st, struct peer *peer, const char *text, size_t n,
                  uint8_t *out, size_t room)
{
    size_t got = 0, quiet = 0;
    REQUIRE_INT(peer_write(peer, text, n), 0);
    for (int turn = 0; turn < TURNS_ENOUGH && quiet < 2; turn++) {
        server_turn(st->server, 0);
        size_t more = peer_read(peer, out + got, room - got);
        quiet = more ? 0 : quiet + 1;
        got += more;
    }
    return got;
}

static void ask_everything(struct stage *st)
{
    char questions[512], want[32];
    uint8_t replies[SPEAKER_BYTES];
    struct peer *peer;
    size_t sum = 0, keys, n;
    st->restarted = true;
    REQUIRE_INT(peer_connect(st->world.net, PORT, &peer), 0);
    for (unsigned i = 0; i < st->count; i++) {
        n = speaker_questions(&st->speakers[i], questions, sizeof questions);
        n = ask(st, peer, questions, n, replies, sizeof replies);
        speaker_judge(&st->speakers[i], replies, n, &keys);
        sum += keys;
    }
    n = ask(st, peer, "DBSIZE\r\n", 8, replies, sizeof replies);
    snprintf(want, sizeof want, ":%zu\r\n", sum);
    CHECK_SLICE(slice_of(replies, n), slice_text(want));
    peer_free(peer);
}

static bool all_well(const struct stage *st, uint64_t seed, enum sync_policy policy)
{
    for (unsigned i = 0; i < st->count; i++) {
        if (!*st->speakers[i].problem) continue;
        printf("  seed %llu, policy %d, speaker %c: %s\n", (unsigned long long)seed,
               (int)policy, st->speakers[i].letter, st->speakers[i].problem);
        return false;
    }
    return true;
}

/* One conversation with one crash. */
static bool converse(struct stage *st, uint64_t seed, enum sync_policy policy)
{
    stage_init(st, seed, policy, 1 + (unsigned)(seed % SPEAKERS_MAX));
    struct rng *rng = &st->world.rng;
    enum disk_sim_survivors survivors = (enum disk_sim_survivors)rng_below(rng, 3);
    bool kill = rng_below(rng, 5) == 0;
    if (rng_below(rng, 2)) make_trouble(st);
    if (kill) st->kind = MODEL_KILL;
    if (!kill)
        simworld_remember_at(&st->world, 1 + (long)rng_below(rng, 40), note_moment, st);
    for (int i = 0; i < TURNS; i++)
        one_turn(st);

    if (!st->world.hook.remembered) {
        note_moment(st);
        kill ? simworld_kill(&st->world) : simworld_cut(&st->world, survivors);
    }
    for (unsigned i = 0; i < st->count; i++)
        peer_free(st->speakers[i].peer);
    st->restarted = true;
    server_free(st->server);
    simworld_cut_remembered(&st->world, survivors);

    start_server(st);
    ask_everything(st);
    bool fine = all_well(st, seed, policy);
    stage_deinit(st);
    return fine;
}

/* Processor time, so that a busy machine does not count. */
static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void rounds(enum sync_policy policy, const char *name, uint64_t seed, int count)
{
    struct stage st;
    int bad = 0;
    double start = seconds();
    for (int i = 0; i < count && bad < 3; i++, seed++)
        bad += !converse(&st, seed, policy);
    double rate = count / (seconds() - start);
    printf("     %s: %d conversations with a crash, seeds to %llu, %.0f a second of one "
           "core\n",
           name, count, (unsigned long long)seed - 1, rate);
    CHECK_INT(bad, 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    CHECK(rate > 2000);
#endif
}

/* ---- pipelines in pieces ---- */

/* A stage with one speaker who has thought of a dozen commands and said nothing. */
static struct speaker *dozen(struct stage *st)
{
    struct speaker *s = &st->speakers[0];
    stage_init(st, 77, SYNC_ALWAYS, 1);
    for (int i = 0; i < 12; i++)
        speaker_say(s, &st->world.rng);
    return s;
}

static void turns(struct stage *st, int n)
{
    while (n-- > 0)
        server_turn(st->server, 0);
}

/* Reads replies while the server goes on, as a slow client does. */
static void drain(struct stage *st, struct speaker *s, size_t bytes_a_turn)
{
    uint8_t sink[64];
    for (int i = 0; i < TURNS_ENOUGH && s->answered < s->commands; i++) {
        server_turn(st->server, 0);
        peer_read(s->peer, sink, bytes_a_turn);
    }
}

static void a_pipeline_may_be_split_at_every_byte(void)
{
    struct stage st;
    size_t size = 1;
    for (size_t cut = 0; cut < size; cut++) {
        struct speaker *s = dozen(&st);
        size = s->said_size;
        speaker_write(s, cut);
        turns(&st, 2);
        speaker_write(s, SPEAKER_BYTES);
        turns(&st, 2);
        CHECK_INT(s->answered, s->commands);
        CHECK_TEXT(s->problem, "");
        stage_deinit(&st);
    }
    CHECK(size > 300);
}

static void short_reads_and_slow_peers_change_no_reply(void)
{
    struct stage st;
    for (size_t n = 1; n < 60; n++) {
        struct speaker *s = dozen(&st);
        peer_limit(s->peer, &(struct peer_limits){.recv_max = n,
                                                  .send_max = n % 7,
                                                  .window = n % 5 ? 0 : n,
                                                  .again = n % 3 ? 0 : 2});
        speaker_write(s, SPEAKER_BYTES);
        drain(&st, s, 1 + n % 13);
        CHECK_INT(s->answered, s->commands);
        CHECK_TEXT(s->problem, "");
        stage_deinit(&st);
    }
}

/* What arrived whole before the reset was run, the rest was not, and nothing leaks. */
static void a_reset_at_every_byte_leaves_whole_commands(void)
{
    struct stage st;
    size_t size = 1;
    for (size_t cut = 0; cut < size; cut++) {
        struct speaker *s = dozen(&st);
        size = s->said_size;
        speaker_write(s, cut);
        turns(&st, 1 + (int)(cut % 2));
        s->lower = s->answered;
        peer_reset(s->peer, cut % 3 == 0);
        turns(&st, 2);
        ask_everything(&st);
        CHECK_TEXT(s->problem, "");
        stage_deinit(&st);
    }
}

static void without_descriptors_clients_wait_and_are_served_later(void)
{
    struct stage st;
    uint8_t reply[16];
    stage_init(&st, 1, SYNC_ALWAYS, 1);
    turns(&st, 1);
    net_sim_fail_accept(st.world.net, EMFILE, 1);
    struct peer *late;
    REQUIRE_INT(peer_connect(st.world.net, PORT, &late), 0);
    peer_write(late, "PING\r\n", 6);
    turns(&st, 3);
    CHECK_INT(peer_state(late), PEER_WAITING);

    clock_manual_advance(&st.world.clock, 2000);
    turns(&st, 4);
    CHECK_SLICE(slice_of(reply, peer_read(late, reply, sizeof reply)),
                slice_text("+PONG\r\n"));
    stage_deinit(&st);
}

static void a_vanished_peer_is_given_up_after_its_timeout(void)
{
    struct stage st;
    struct speaker *s = dozen(&st);
    peer_free(s->peer);
    server_free(st.server);
    st.config.timeout_s = 30;
    start_server(&st);
    speaker_connect(s, PORT);
    turns(&st, 1);
    peer_vanish(s->peer);
    CHECK_INT(net_sim_open_handles(st.world.net), 2);

    for (int i = 0; i < 33; i++) {
        clock_manual_advance(&st.world.clock, 1000);
        turns(&st, 1);
    }
    CHECK_INT(net_sim_open_handles(st.world.net), 1);
    stage_deinit(&st);
}

/* ---- what was read is durable ---- */

struct watch {
    struct peer *reader;
    long seen;           /* the largest number that any client has read */
    long seen_at_moment; /* the same when the power failed */
};

static void watch_sent(void *arg, struct peer *peer, const void *bytes, size_t n,
                       uint64_t total)
{
    struct watch *w = arg;
    char text[16] = "";
    (void)peer, (void)total;
    memcpy(text, bytes, n < sizeof text ? n : sizeof text - 1);
    const char *number = *text == '$' ? strchr(text, '\n') : text;
    if (number && strtol(number + 1, NULL, 10) > w->seen)
        w->seen = strtol(number + 1, NULL, 10);
}

static void watch_moment(void *arg)
{
    struct watch *w = arg;
    w->seen_at_moment = w->seen;
}

/* One client counts, another reads in the same turns. After a cut at every moment the
 * number is at least what either of them had read by then. */
static void under_always_nobody_reads_what_a_cut_takes_back(void)
{
    bool came = true;
    long moments = 0;
    for (long point = 1; came; point++) {
        struct stage st;
        struct watch watch = {.seen = 0};
        uint8_t reply[64];
        stage_init(&st, 5, SYNC_ALWAYS, 1);
        struct peer *counter = st.speakers[0].peer;
        REQUIRE_INT(peer_connect(st.world.net, PORT, &watch.reader), 0);
        turns(&st, 1);
        net_sim_on_sent(st.world.net, watch_sent, &watch);
        simworld_remember_at(&st.world, point, watch_moment, &watch);
        for (int i = 0; i < 5; i++) {
            peer_write(counter, "INCR n\r\n", 8);
            peer_write(watch.reader, "GET n\r\n", 7);
            turns(&st, 1);
        }
        CHECK_INT(watch.seen, 5);
        net_sim_on_sent(st.world.net, NULL, NULL);
        server_free(st.server);
        came = simworld_cut_remembered(&st.world, DISK_SURVIVE_NONE);
        start_server(&st);
        struct peer *peer;
        REQUIRE_INT(peer_connect(st.world.net, PORT, &peer), 0);
        size_t n = ask(&st, peer, "INCR n\r\n", 8, reply, sizeof reply - 1);
        reply[n] = 0;
        long now = strtol((char *)reply + 1, NULL, 10) - 1;
        if (came) CHECK(now >= watch.seen_at_moment && now <= 5);
        moments += came;
        stage_deinit(&st);
    }
    CHECK(moments >= 15);
}

/* ---- crashes in the middle ---- */

static void what_was_answered_is_there_under_always(void)
{
    rounds(SYNC_ALWAYS, "always", 1, 3000);
}

CU_TestInfo crash_conversation_tests[] = {
    {"a_pipeline_may_be_split_at_every_byte", a_pipeline_may_be_split_at_every_byte},
    {"short_reads_and_slow_peers_change_no_reply",
     short_reads_and_slow_peers_change_no_reply},
    {"a_reset_at_every_byte_leaves_whole_commands",
     a_reset_at_every_byte_leaves_whole_commands},
    {"without_descriptors_clients_wait_and_are_served_later",
     without_descriptors_clients_wait_and_are_served_later},
    {"a_vanished_peer_is_given_up_after_its_timeout",
     a_vanished_peer_is_given_up_after_its_timeout},
    {"under_always_nobody_reads_what_a_cut_takes_back",
     under_always_nobody_reads_what_a_cut_takes_back},
    {"what_was_answered_is_there_under_always", what_was_answered_is_there_under_always},
    CU_TEST_INFO_NULL,
};
