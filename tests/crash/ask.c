#include "tests/crash/ask.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault/net_sim.h"
#include "server/server.h"
#include "tests/crash/reference.h"

#define PORT_FIRST     7000
#define KEYS           32
#define DBS            10
#define QUESTION_BYTES 16384
#define TURNS          4     /* accepted in the first, answered in the second */
#define EARLIER_MS     10000 /* the clock of a recovered server is so far behind */
#define LATER_MS       (INT64_C(1) << 42)

/* A recovered server is asked something. */
struct asking {
    struct trial *trial;
    struct trial_store *store;
    struct peer *peer;
    bool answered;               /* whole */
    struct verdict verdict;      /* of all replies so far */
    struct model_digest lasting; /* of the keys without deadline */
    model_key_fn *each;          /* or NULL */
    void *each_arg;
    struct asking *outer; /* goes on when this one is over */
};

struct asker {
    struct net_sim *net;
    struct config config;
    char keys[KEYS][REFERENCE_KEY_BYTES];
    size_t key_count;
    bool dbs[DBS];
    char question[QUESTION_BYTES];
    size_t question_size;
    struct asking *now;
    unsigned depth; /* servers that are open */
};

/* ---- what there is to ask ---- */

static void add_key(struct asker *a, slice key)
{
    char text[REFERENCE_KEY_BYTES] = "";
    assert(key.size < sizeof text);
    memcpy(text, key.data, key.size);
    for (size_t i = 0; i < a->key_count; i++)
        if (!strcmp(a->keys[i], text)) return;
    assert(a->key_count < KEYS);
    memcpy(a->keys[a->key_count++], text, sizeof text);
}

static void add_dialogue(struct asker *a, const char *text)
{
    static struct dialogue d;
    if (dialogue_compile(text, &d)) abort();
    for (size_t i = 0; i < d.count; i++) {
        const struct dialogue_step *s = &d.steps[i];
        unsigned first, last, step;
        if (s->kind != STEP_SAY) continue;
        if (slice_equal(s->words[0], slice_text("SELECT")))
            a->dbs[(s->words[1].data[0] - '0') % DBS] = true;
        if (!reference_keys(s->words, s->count, &first, &last, &step)) continue;
        for (unsigned w = first; w <= last; w += step)
            add_key(a, s->words[w]);
    }
}

__attribute__((format(printf, 2, 3))) static void ask(struct asker *a, const char *format,
                                                      ...)
{
    va_list args;
    va_start(args, format);
    size_t room = QUESTION_BYTES - a->question_size;
    a->question_size +=
        (size_t)vsnprintf(a->question + a->question_size, room, format, args);
    va_end(args);
    assert(a->question_size < QUESTION_BYTES);
}

static void ask_about(struct asker *a, const char *command, const char *key)
{
    ask(a, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(command), command, strlen(key),
        key);
}

static void make_question(struct asker *a)
{
    for (unsigned d = 0; d < DBS; d++) {
        if (!a->dbs[d]) continue;
        ask(a, "*2\r\n$6\r\nSELECT\r\n$1\r\n%u\r\n*1\r\n$6\r\nDBSIZE\r\n", d);
        ask(a, "*4\r\n$4\r\nSCAN\r\n$1\r\n0\r\n$5\r\nCOUNT\r\n$4\r\n1000\r\n");
        for (size_t k = 0; k < a->key_count; k++) {
            ask_about(a, "GET", a->keys[k]);
            ask_about(a, "PEXPIRETIME", a->keys[k]);
            ask_about(a, "EXISTS", a->keys[k]);
        }
    }
}

static void on_sent(void *arg, struct peer *peer, const void *bytes, size_t n,
                    uint64_t total);

struct asker *asker_new(const struct scenario *s)
{
    struct asker *a = calloc(1, sizeof *a);
    if (!a) abort();
    a->net = net_sim_new(mem_libc(), NULL);
    if (!a->net) abort();
    net_sim_on_sent(a->net, on_sent, a);
    config_init(&a->config);
    a->dbs[0] = true;
    if (s->before) add_dialogue(a, s->before);
    add_dialogue(a, s->dialogue);
    add_key(a, slice_text("works"));
    make_question(a);
    return a;
}

void asker_free(struct asker *a)
{
    if (!a) return;
    net_sim_free(a->net);
    free(a);
}

/* ---- reading replies ---- */

struct replies {
    const char *p, *end;
    bool bad;
};

/* A line that begins with that character, as a number. */
static int64_t take_number(struct replies *r, char type)
{
    const char *line = r->bad ? NULL : memchr(r->p, '\n', (size_t)(r->end - r->p));
    if (!line || *r->p != type) {
        r->bad = true;
        return 0;
    }
    int64_t n = strtoll(r->p + 1, NULL, 10);
    r->p = line + 1;
    return n;
}

/* False: nil, or not a bulk reply at all. */
static bool take_bulk(struct replies *r, slice *out)
{
    int64_t n = take_number(r, '$');
    if (r->bad || n < 0) return false;
    if (n + 2 > r->end - r->p) {
        r->bad = true;
        return false;
    }
    *out = slice_of(r->p, (size_t)n);
    r->p += n + 2;
    return true;
}

/* What the replies about one database say. */
struct found {
    struct model_digest *all, *lasting;
    struct model_digest scanned, named; /* names of keys, by SCAN and by GET */
    int64_t dbsize;
    bool exists_differs;
};

static void take_names(struct replies *r, struct found *f)
{
    slice key, nothing = {0};
    take_number(r, '*');
    take_bulk(r, &key); /* the cursor */
    for (int64_t n = take_number(r, '*'); n > 0 && take_bulk(r, &key); n--)
        model_digest_key(&f->scanned, key, nothing);
}

static void take_key(const struct asking *q, struct replies *r, unsigned db,
                     const char *name, struct found *f)
{
    char key_text[REFERENCE_KEY_BYTES], value_text[REFERENCE_VALUE_BYTES];
    slice value, nothing = {0};
    bool there = take_bulk(r, &value);
    int64_t deadline_ms = take_number(r, ':');
    if (take_number(r, ':') != there || (deadline_ms == -2) == there)
        f->exists_differs = true;
    if (!there || r->bad) return;
    slice key = reference_key(db, slice_text(name), key_text);
    slice stored = reference_value(deadline_ms, value, value_text);
    model_digest_key(&f->named, slice_text(name), nothing);
    model_digest_key(f->all, key, stored);
    if (deadline_ms == -1) model_digest_key(f->lasting, key, stored);
    if (q->each) q->each(q->each_arg, key, stored);
}

static struct verdict compare(struct trial *t, unsigned db, const struct found *f)
{
    unsigned long long get = f->named.keys, scan = f->scanned.keys;
    if (f->exists_differs)
        return trial_fail(t, ORACLE_AGREE, "EXISTS and PEXPIRETIME contradict GET");
    if (!model_digest_equal(&f->scanned, &f->named))
        return trial_fail(t, ORACLE_AGREE,
                          "SCAN shows %llu keys of database %u, GET %llu", scan, db, get);
    if (f->dbsize != (int64_t)get)
        return trial_fail(t, ORACLE_AGREE,
                          "DBSIZE of database %u is %lld, with %llu keys", db,
                          (long long)f->dbsize, get);
    return (struct verdict){0};
}

/* The replies to the questions, as a state; q->answered: they are whole. */
static struct verdict judge(struct asking *q, const uint8_t *bytes, size_t n)
{
    struct trial *t = q->trial;
    const struct asker *a = t->asker;
    struct replies r = {(const char *)bytes, (const char *)bytes + n, false};
    struct model_digest all;
    struct verdict v = {0};
    model_digest_init(&all);
    model_digest_init(&q->lasting);
    for (unsigned d = 0; d < DBS && !v.failed; d++) {
        struct found f = {.all = &all, .lasting = &q->lasting};
        if (!a->dbs[d]) continue;
        take_number(&r, '+');
        f.dbsize = take_number(&r, ':');
        take_names(&r, &f);
        for (size_t k = 0; k < a->key_count; k++)
            take_key(q, &r, d, a->keys[k], &f);
        if (r.bad)
            return trial_fail(t, ORACLE_AGREE, "the server answers \"%.*s\"",
                              (int)(r.end - r.p < 40 ? r.end - r.p : 40), r.p);
        if (!(t->silenced >> ORACLE_AGREE & 1)) v = compare(t, d, &f);
    }
    q->answered = true;
    t->ran[ORACLE_AGREE]++;
    if (!v.failed) v.state = trial_state(t, &all);
    return v;
}

static void on_sent(void *arg, struct peer *peer, const void *bytes, size_t n,
                    uint64_t total)
{
    struct asker *a = arg;
    struct asking *q = a->now;
    if (!q || q->peer != peer || q->answered) return;
    (void)bytes, (void)n, (void)total;
    size_t size;
    const uint8_t *replies = peer_peek(peer, &size); /* nobody has fetched any */
    q->verdict = judge(q, replies, size);
    if (q->answered && q->store->served)
        q->store->served(q->store->served_arg, q->verdict);
}

/* ---- a server on an image ---- */

enum err ask_open(struct trial *t, struct trial_store *s, struct err_detail *why)
{
    struct asker *a = t->asker;
    s->clock_before = t->clock;
    clock_manual_init(&t->clock, TRIAL_WALL_MS - EARLIER_MS);
    a->config.port = PORT_FIRST + a->depth++;
    a->config.appendfsync = t->options.sync;
    struct server_env env = {.disk = s->disk,
                             .clock = &t->clock.clock,
                             .mem = &t->pool.mem,
                             .sched = s->sched,
                             .net = net_sim_net(a->net),
                             .log = t->log,
                             .log_arg = t->log_arg,
                             .store = TRIAL_DIR,
                             .seed = 1,
                             .geometry = &t->options};
    enum err e = server_new(&env, &a->config, &s->server, why);
    if (e) {
        a->depth--;
        t->clock = s->clock_before;
        return e;
    }
    s->db = server_db(s->server);
    return ERR_OK;
}

enum err ask_close(struct trial *t, struct trial_store *s)
{
    enum err e = server_free(s->server);
    t->asker->depth--;
    t->clock = s->clock_before;
    return e;
}

static struct verdict ask_all(struct trial *t, struct trial_store *s, struct asking *q)
{
    struct asker *a = t->asker;
    q->trial = t;
    q->store = s;
    q->outer = a->now;
    a->now = q;
    if (peer_connect(a->net, server_port(s->server), &q->peer)) abort();
    if (peer_write(q->peer, a->question, a->question_size)) abort();
    for (int i = 0; i < TURNS && !q->answered; i++)
        server_turn(s->server, 0);
    peer_free(q->peer);
    a->now = q->outer;
    if (q->answered) return q->verdict;
    if (!q->verdict.failed)
        q->verdict = trial_fail(t, ORACLE_OPEN, "the server does not answer");
    if (s->served) s->served(s->served_arg, q->verdict);
    return q->verdict;
}

struct verdict ask_read(struct trial *t, struct trial_store *s)
{
    struct asking q = {.answered = false};
    return ask_all(t, s, &q);
}

void ask_each(struct trial *t, struct trial_store *s, model_key_fn *fn, void *arg)
{
    struct asking q = {.each = fn, .each_arg = arg};
    ask_all(t, s, &q);
}

void ask_idle(struct trial *t, struct trial_store *s, int64_t ms)
{
    clock_manual_advance(&t->clock, ms);
    server_turn(s->server, 0);
}

/* ---- does it work ---- */

static const char works[] = "*3\r\n$3\r\nSET\r\n$5\r\nworks\r\n$1\r\n1\r\n";

/* Says the one command; true when OK came back. */
static bool set_works(struct trial *t, struct trial_store *s)
{
    struct peer *peer;
    char reply[8] = "";
    if (peer_connect(t->asker->net, server_port(s->server), &peer)) abort();
    if (peer_write(peer, works, sizeof works - 1)) abort();
    for (int i = 0; i < TURNS && !*reply; i++) {
        server_turn(s->server, 0);
        peer_read(peer, reply, sizeof reply - 1);
    }
    peer_free(peer);
    return !strcmp(reply, "+OK\r\n");
}

/* The state that is left when every deadline is over and `works` is set. */
static uint32_t lasting_state(struct trial *t, const struct asking *q)
{
    char key[REFERENCE_KEY_BYTES], value[REFERENCE_VALUE_BYTES];
    struct model_digest d = q->lasting;
    model_digest_key(&d, reference_key(0, slice_text("works"), key),
                     reference_value(-1, slice_text("1"), value));
    return trial_state(t, &d);
}

static struct verdict expect(struct trial *t, struct trial_store *s, uint32_t want,
                             const char *when)
{
    struct verdict v = ask_read(t, s);
    if (v.failed || v.state == want) return v;
    return trial_fail(t, ORACLE_WORKS, "%s the server holds something else", when);
}

static struct verdict work_on(struct trial *t, struct trial_store *s, uint32_t *want)
{
    struct asking q = {.answered = false};
    struct verdict v = ask_all(t, s, &q);
    if (v.failed) return v;
    *want = lasting_state(t, &q);
    if (!set_works(t, s))
        return trial_fail(t, ORACLE_WORKS, "SET is not answered with OK");
    ask_idle(t, s, LATER_MS);
    v = expect(t, s, *want, "after every deadline");
    if (v.failed) return v;
    if (db_flush(s->db) || db_compact(s->db))
        return trial_fail(t, ORACLE_WORKS, "flush or compaction fails");
    return expect(t, s, *want, "after a compaction");
}

struct verdict ask_works(struct trial *t, struct disk *disk)
{
    struct trial_store s;
    struct err_detail why;
    uint32_t want = 0;
    disk_sim_process_crash(disk);
    if (trial_open(t, disk, &s, &why))
        return trial_fail(t, ORACLE_WORKS, "opened again: %s", why.text);
    struct verdict v = work_on(t, &s, &want);
    disk_sim_process_crash(disk);
    trial_drop(t, &s);
    if (v.failed) return (struct verdict){.failed = ORACLE_WORKS};
    if (trial_open(t, disk, &s, &why))
        return trial_fail(t, ORACLE_WORKS, "reopened: %s", why.text);
    v = expect(t, &s, want, "reopened");
    trial_close(t, disk, &s);
    return v.failed ? (struct verdict){.failed = ORACLE_WORKS} : v;
}
