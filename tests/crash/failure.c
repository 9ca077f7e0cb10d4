#include "tests/crash/failure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proptests/shrink.h"
#include "tests/crash/ask.h"
#include "tests/crash/calls.h"
#include "tests/crash/explore_state.h"
#include "tests/crash/reference.h"
#include "tests/crash/talk.h"

#define SHRINK_SECONDS   3.0
#define ATTEMPT_SECONDS  0.5
#define SHRINK_WALK_MAX  (1u << 15)
#define SETUP_PASS_SHIFT 8

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- shrinking ---- */

struct shrinking {
    struct explorer *x;
    enum oracle oracle;
    double deadline;
};

static bool still_fails(void *arg, const uint8_t *tape, size_t size)
{
    struct shrinking *s = arg;
    if (cpu_seconds() > s->deadline) return false;
    return !explore(s->x, tape, size) && s->x->violation.oracle == s->oracle;
}

struct shrinking_steps {
    struct shrinking *shrinking;
    const uint8_t *tape; /* all steps */
};

static size_t steps_kept(const uint8_t *tape, const bool *keep, size_t n, uint8_t *out)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        if (keep[i]) out[size++] = tape[i];
    return size;
}

void failure_token(struct campaign_row *row, const uint8_t *tape, size_t size)
{
    struct token t = {.setup = row->scenario | (uint32_t)row->pass << SETUP_PASS_SHIFT,
                      .place = row->violation.call,
                      .tape_size = size};
    memcpy(t.tape, tape, size);
    size_t n = strlen(row->violation.path);
    row->token[0] = 0;
    if (n >= sizeof t.choice) return;
    memcpy(t.choice, row->violation.path, n + 1);
    if (!token_print(&t, row->token)) row->token[0] = 0;
}

/* The steps of a dialogue that it takes. */
static bool steps_fail(void *arg, const bool *keep, size_t n)
{
    uint8_t tape[RUN_TAPE_BYTES];
    const struct shrinking_steps *s = arg;
    size_t size = steps_kept(s->tape, keep, n, tape);
    return still_fails(s->shrinking, tape, size);
}

static size_t shrink_steps(uint8_t *tape, size_t size, struct shrinking *s)
{
    uint8_t all[RUN_TAPE_BYTES];
    bool keep[RUN_TAPE_BYTES];
    struct shrinking_steps steps = {s, all};
    memcpy(all, tape, size);
    memset(keep, true, sizeof keep);
    shrink_items(keep, size, SHRINK_ATTEMPTS, steps_fail, &steps);
    return steps_kept(all, keep, size, tape);
}

void failure_shrink(struct explorer *x, struct campaign_row *row, const uint8_t *tape,
                    size_t size)
{
    uint8_t small[RUN_TAPE_BYTES];
    struct explore_options asked = x->options;
    struct shrinking s = {x, row->violation.oracle, cpu_seconds() + SHRINK_SECONDS};
    memcpy(small, tape, size);
    failure_token(row, tape, size); /* shrinking may die */
    x->options.seconds = ATTEMPT_SECONDS;
    x->options.walk_max = SHRINK_WALK_MAX;
    x->options.samples = 200;
    explorer_progress(x, NULL, NULL);
    bool dialogue = x->scenario->dialogue;
    size_t n = dialogue ? shrink_steps(small, size, &s)
                        : shrink_tape(small, size, SHRINK_ATTEMPTS, still_fails, &s);
    x->options.seconds = 2 * ATTEMPT_SECONDS;
    x->fewest = true;
    if (!explore(x, small, n)) row->violation = *explorer_violation(x);
    x->fewest = false;
    x->options = asked;
    row->operations = (unsigned)(dialogue ? n : tape_count(small, n));
    row->shrunk = true;
    failure_token(row, small, n);
}

/* ---- playing again ---- */

static struct explorer *explorer_of(const struct token *t,
                                    const struct explore_options *base, bool fine)
{
    uint32_t scenario = t->setup & ((1u << SETUP_PASS_SHIFT) - 1);
    uint32_t pass = t->setup >> SETUP_PASS_SHIFT;
    if (scenario >= scenario_count || scenarios[scenario].waiting || pass >= PASS_COUNT)
        return NULL;
    struct campaign c = {.options = *base, .fine = fine};
    struct campaign_row row = {.scenario = scenario, .pass = (enum pass)pass};
    struct explore_options o;
    campaign_options(&c, &row, &o);
    return explorer_new(&scenarios[scenario], &o);
}

static struct explorer *explorer_for(const char *text, const struct explore_options *base,
                                     bool fine, struct token *t)
{
    if (!token_parse(text, t) || t->tape_size > RUN_TAPE_BYTES) {
        fprintf(stderr, "crash: not a token\n");
        return NULL;
    }
    struct explorer *x = explorer_of(t, base, fine);
    if (!x) fprintf(stderr, "crash: a token of another version of the scenarios\n");
    return x;
}

int failure_replay(const char *text, const struct explore_options *base, bool fine)
{
    struct token t;
    bool found;
    struct explorer *x = explorer_for(text, base, fine, &t);
    if (!x) return 2;
    bool good =
        explore_replay(x, t.tape, t.tape_size, (uint32_t)t.place, t.choice, &found);
    if (!found)
        printf("there is no such crash in this run; was it found with --profile or "
               "--fine?\n");
    else if (good)
        printf("holds: %s\n", text);
    else
        printf("violation: %s: %s\n", oracle_name(x->violation.oracle),
               x->violation.text);
    explorer_free(x);
    return !found ? 2 : !good;
}

/* ---- telling ---- */

static int tell_line(void *arg, const char *text)
{
    (void)arg;
    printf("    %s\n", text);
    return 0;
}

static void tell_log(void *arg, enum log_level level, const char *line)
{
    (void)arg;
    (void)level;
    printf("    log: %s\n", line);
}

/* Reads a file of the store whole; NULL: it is not there. */
static uint8_t *read_file(struct disk *disk, const char *name, size_t *size)
{
    struct disk_dir *dir;
    struct disk_file *file;
    uint8_t *bytes = NULL;
    uint64_t n = 0;
    if (disk_dir_open(disk, TRIAL_DIR, &dir)) return NULL;
    if (!disk_open(dir, name, DISK_READ, SITE_OTHER_CREATE, &file)) {
        if (disk_size(file, &n)) abort();
        bytes = malloc(n + 1);
        if (!bytes || disk_read(file, 0, bytes, n, size)) abort();
        disk_close(file);
    }
    disk_dir_close(dir);
    return bytes;
}

struct names {
    char name[64][DISK_NAME_MAX + 1];
    size_t count;
};

static int take_name(void *arg, const char *name)
{
    struct names *n = arg;
    if (n->count < 64) snprintf(n->name[n->count++], sizeof n->name[0], "%s", name);
    return 0;
}

static void list_store(struct disk *disk, struct names *out)
{
    struct disk_dir *dir;
    out->count = 0;
    if (disk_dir_open(disk, TRIAL_DIR, &dir)) return;
    disk_list(dir, take_name, out);
    disk_dir_close(dir);
}

/* What the running program did and saw, to be held against what is left. */
struct before {
    struct calls calls;
    struct names names;
    uint8_t *bytes[64];
    size_t size[64];
};

static void remember(struct disk *disk, struct before *b)
{
    list_store(disk, &b->names);
    for (size_t i = 0; i < b->names.count; i++)
        b->bytes[i] = read_file(disk, b->names.name[i], &b->size[i]);
}

static void tell_difference(const struct before *b, size_t i, const uint8_t *now,
                            size_t size)
{
    size_t least = size < b->size[i] ? size : b->size[i], first = 0, differ = 0;
    for (size_t at = 0; at < least; at++) {
        if (now[at] == b->bytes[i][at]) continue;
        if (!differ++) first = at;
    }
    printf("    %-16s %6zu -> %6zu bytes", b->names.name[i], b->size[i], size);
    if (differ) printf(", %zu bytes differ, the first at %zu", differ, first);
    printf("%s\n", !differ && size == b->size[i] ? ", the same" : "");
}

static void tell_files(struct disk *disk, const struct before *b)
{
    struct names now;
    printf("\nFiles, as the process saw them -> after the crash:\n");
    for (size_t i = 0; i < b->names.count; i++) {
        size_t size = 0;
        uint8_t *bytes = read_file(disk, b->names.name[i], &size);
        if (bytes)
            tell_difference(b, i, bytes, size);
        else
            printf("    %-16s %6zu bytes -> gone\n", b->names.name[i], b->size[i]);
        free(bytes);
    }
    list_store(disk, &now);
    for (size_t i = 0; i < now.count; i++) {
        bool old = false;
        for (size_t k = 0; k < b->names.count; k++)
            old = old || !strcmp(now.name[i], b->names.name[k]);
        if (!old) printf("    %-16s is back\n", now.name[i]);
    }
}

static void tell_shown(void *arg, slice key, slice value)
{
    char text[160];
    (void)arg;
    reference_text(key, value, text, sizeof text);
    printf(" %s;", text);
}

static void tell_key(void *arg, slice key, slice value)
{
    const struct trial *t = arg;
    if (t->asker) {
        tell_shown(arg, key, value);
        return;
    }
    printf(" %.2s(%zu", (const char *)key.data, value.size);
    if (value.size) printf(":%02x%02x", value.data[0], value.data[value.size - 1]);
    printf(")");
}

static void tell_register(void *arg, unsigned reg, uint64_t value)
{
    (void)arg;
    printf(" r%u=%lld", reg, (long long)value);
}

static void tell_found(struct trial *t, struct trial_store *s)
{
    struct db *db = s->db;
    struct db_iter *it;
    printf("    ");
    if (s->server) {
        ask_each(t, s, tell_shown, NULL);
        printf("\n");
        return;
    }
    if (db_iter_new(db, &it)) return;
    for (db_iter_seek(it, slice_of(NULL, 0)); db_iter_valid(it); db_iter_next(it))
        tell_key(t, db_iter_key(it), db_iter_value(it));
    db_iter_free(it);
    for (unsigned r = 0; r < REGISTERS; r++)
        if (db_register(db, r)) tell_register(t, r, db_register(db, r));
    printf("\n");
}

static void tell_recovery(struct explorer *x, struct disk *disk)
{
    struct trial_store s;
    struct err_detail why;
    struct trial *t = &x->trial;
    printf("\nRecovery:\n");
    t->log = tell_log;
    enum err e = trial_recover(t, disk, &s, &why);
    t->log = NULL;
    if (e) {
        printf("    refused: %s\n", why.text);
        return;
    }
    struct db_stats stats;
    db_stats_get(s.db, &stats);
    printf("    %llu records read, %llu bytes cut\n",
           (unsigned long long)stats.recovered_records,
           (unsigned long long)stats.recovered_cut_bytes);
    printf("\nFound%s:\n", s.server ? ", asked over a socket"
                                    : " (key, bytes of its value: first and last)");
    tell_found(t, &s);
    trial_drop(t, &s);
}

static void tell_expected(struct explorer *x)
{
    const struct model *m = x->run.model;
    size_t lower = run_lower(&x->run, MODEL_CUT), upper = run_upper(&x->run);
    printf("\nExpected, one of:\n");
    for (size_t p = lower; p <= upper; p++) {
        printf("    after %zu groups:", p);
        model_state(m, p, tell_key, tell_register, &x->trial);
        printf("\n");
    }
}

static void tell_call(void *arg, const char *text)
{
    (void)arg;
    printf("    %s\n", text);
}

/* The first crash is one of the run; others come in recoveries. */
static void tell_calls(const struct explorer *x)
{
    const struct before *b = x->replay_arg;
    bool killed = *x->replay_path == 'p';
    printf(killed ? "\nDisk calls before the process was killed:\n"
                  : "\nDisk calls that no barrier had covered when the power failed:\n");
    calls_tell(&b->calls, killed ? NULL : x->steps[0].window, tell_call, NULL);
}

static void tell_image(struct explorer *x, struct disk *disk, const struct image *image,
                       struct verdict v)
{
    (void)v;
    tell_calls(x);
    if (image) {
        printf("\nWhat survived (register: version):\n");
        images_explain(image->window, tell_line, NULL);
    } else {
        printf("\nThe process was killed; everything it had written survives.\n");
    }
    tell_files(disk, x->replay_arg);
    tell_recovery(x, disk);
    tell_expected(x);
}

/* Who goes on, and with what. */
static void tell_switch(const struct run_event *e)
{
    printf("      call %3u: ", e->call);
    if (e->group)
        printf("job %zu (%s) goes on", e->group, switching_job(e->site));
    else
        printf("the owner goes on");
    if (e->returns)
        printf(", whose %s now returns\n", site_name(e->site));
    else
        printf(e->site == SITE_COUNT ? " with a call that changes nothing\n"
                                     : " with %s\n",
               e->site == SITE_COUNT ? "" : site_name(e->site));
}

static void tell_event(const struct run_event *e)
{
    static const char *const words[] = {
        [RUN_ISSUED] = "issued",
        [RUN_ACKED] = "acknowledged",
        [RUN_FAILED] = "answered with an error",
    };
    switch (e->kind) {
    case RUN_ISSUED:
    case RUN_ACKED:
    case RUN_FAILED:
        printf("      call %3u: group %zu %s\n", e->call, e->group + 1, words[e->kind]);
        break;
    case RUN_OPENED: printf("      call %3u: the store is open\n", e->call); break;
    case RUN_KILLED: printf("      call %3u: the process dies\n", e->call); break;
    case RUN_CUT: printf("      call %3u: the power fails\n", e->call); break;
    case RUN_SWITCH: tell_switch(e); break;
    case RUN_OPERATION: break;
    }
}

/* Events that belong to the operation and lie before the crash; from *event on. */
static void tell_events(const struct explorer *x, uint32_t operation, uint64_t place,
                        size_t *event)
{
    for (; *event < x->run.event_count; ++*event) {
        const struct run_event *e = &x->run.events[*event];
        if (e->operation > operation || e->call > place) break;
        tell_event(e);
    }
}

/* The same of a dialogue: a step and what it led to. */
static void tell_dialogue(const struct explorer *x, const struct token *t, size_t *event)
{
    static struct dialogue d;
    char text[DIALOGUE_TEXT];
    if (dialogue_compile(x->scenario->dialogue, &d)) return;
    for (uint32_t i = 0; i < t->tape_size; i++) {
        const struct run_event *e = &x->run.events[*event];
        if (*event < x->run.event_count && e->kind == RUN_OPERATION && e->call > t->place)
            break;
        if (t->tape[i] >= d.count) continue;
        dialogue_text(&d.steps[t->tape[i]], text, sizeof text);
        printf("  %s\n", text);
        tell_events(x, i, t->place, event);
    }
}

/* Operations and what became of them, up to the crash. */
static void tell_story(const struct explorer *x, const struct token *t)
{
    struct tape_reader reader;
    struct tape_op op;
    char text[TAPE_OP_TEXT];
    size_t event = 0;
    printf("Scenario %s: %s\n", x->scenario->name, x->scenario->purpose);
    if (x->scenario->before) printf("Made durable before: %s\n", x->scenario->before);
    printf("\nWhat was done (calls are changing calls to the disk):\n");
    if (x->scenario->dialogue) tell_dialogue(x, t, &event);
    tape_read(&reader, t->tape, x->scenario->dialogue ? 0 : t->tape_size);
    for (uint32_t i = 0; tape_next(&reader, &op); i++) {
        tape_text(&op, text, sizeof text);
        const struct run_event *e = &x->run.events[event];
        if (event < x->run.event_count && e->kind == RUN_OPERATION && e->call > t->place)
            break;
        printf("  %s\n", text);
        tell_events(x, i, t->place, &event);
    }
    bool more = event < x->run.event_count && x->run.events[event].call <= t->place;
    if (more && x->scenario->scheduled) printf("  (jobs go on to their end)\n");
    for (; more && event < x->run.event_count; event++)
        if (x->run.events[event].call <= t->place) tell_event(&x->run.events[event]);
    printf("The crash comes before call %llu, as \"%s\".\n", (unsigned long long)t->place,
           t->choice);
}

static void remember_call(void *arg, const struct tap_call *call)
{
    struct explorer *x = arg;
    struct before *b = x->replay_arg;
    uint32_t ordinal = call ? call->ordinal : x->run.tap.calls;
    if (x->stop) return;
    calls_note(&b->calls, x->run.disk, call);
    if (ordinal != x->replay_at) return;
    const struct disk_ops *tapped = disk_tap_pause(x->run.disk, x->plain);
    remember(x->run.disk, b);
    disk_tap_resume(x->run.disk, tapped);
}

int failure_explain(const char *text, const struct explore_options *base, bool fine)
{
    struct token t;
    bool found;
    struct explorer *x = explorer_for(text, base, fine, &t);
    if (!x) return 2;
    /* First for the story, then for the picture of the moment. */
    explore_replay(x, t.tape, t.tape_size, (uint32_t)t.place, t.choice, &found);
    tell_story(x, &t);
    static struct before before;
    before = (struct before){.names = {.count = 0}};
    x->replay_arg = &before;
    x->replay_image = tell_image;
    explorer_calls(x, remember_call, NULL, x);
    bool good =
        explore_replay(x, t.tape, t.tape_size, (uint32_t)t.place, t.choice, &found);
    if (!found)
        printf("\nThere is no such crash in this run; was it found with --profile or "
               "--fine?\n");
    else if (good)
        printf("\nVerdict: it holds.\n");
    else
        printf("\nVerdict: oracle \"%s\" (%s) fails: %s\n",
               oracle_name(x->violation.oracle), oracle_text(x->violation.oracle),
               x->violation.text);
    for (size_t i = 0; i < before.names.count; i++)
        free(before.bytes[i]);
    explorer_free(x);
    return !found ? 2 : !good;
}
