#include "tests/crash/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EVERY_SECONDS 10.0 /* between two lines of progress without a terminal */

typedef unsigned long long ull;

struct totals {
    uint64_t points, images, distinct, nested, violations;
    double seconds; /* of processors */
    unsigned scenarios;
};

static struct totals add_up(const struct campaign *c)
{
    struct totals t = {0};
    bool counted[256] = {false};
    for (size_t i = 0; i < c->row_count; i++) {
        const struct campaign_row *row = &c->rows[i];
        const struct explore_stats *s = &row->stats;
        if (!counted[row->scenario]) t.scenarios++;
        counted[row->scenario] = true;
        t.points += s->windows + s->points;
        t.images += s->visits;
        t.distinct += s->distinct;
        t.nested += s->nested;
        t.seconds += s->seconds;
        t.violations += row->violated;
    }
    return t;
}

static double rate(uint64_t n, double seconds)
{
    return seconds > 0 ? (double)n / seconds : 0;
}

/* ---- progress ---- */

void report_progress(const struct campaign *c)
{
    static double last; /* when a line was printed, for runs without a terminal */
    double now = campaign_seconds(c);
    bool terminal = isatty(STDERR_FILENO);
    if (c->quiet || (!terminal && now - last < EVERY_SECONDS)) return;
    last = now;
    struct totals t = add_up(c);
    size_t done = 0;
    const char *at = "";
    for (size_t i = 0; i < c->row_count; i++) {
        done += c->rows[i].done;
        if (c->rows[i].started && !c->rows[i].done)
            at = scenarios[c->rows[i].scenario].name;
    }
    double left = done ? now * (double)(c->row_count - done) / (double)done : 0;
    fprintf(stderr,
            "%s%zu/%zu %-20s %11llu images %9.0f/s %10llu distinct %4.0f s left%s",
            terminal ? "\r" : "", done, c->row_count, at, (ull)t.images,
            rate(t.images, now), (ull)t.distinct, left, terminal ? "\033[K" : "\n");
    if (terminal && done == c->row_count) fprintf(stderr, "\r\033[K");
}

/* ---- the table ---- */

/* "yes", or so many crashes. */
static const char *fixpoint_word(const struct campaign_row *row, char number[12])
{
    if (row->pass != PASS_DEEP) return "-";
    if (!row->stats.unfinished && !row->stats.timed_out) return "yes";
    snprintf(number, 12, "%u", row->stats.depth);
    return number;
}

/* How much of what was sampled in the table was judged whole by other means. */
static void report_lazy(const struct campaign *c)
{
    uint64_t sampled = 0, lazy = 0, leaves = 0;
    double images = 0;
    for (size_t i = 0; i < c->row_count; i++) {
        sampled += c->rows[i].stats.sampled;
        lazy += c->rows[i].stats.lazy;
        leaves += c->rows[i].stats.leaves;
        images += c->rows[i].stats.lazy_images;
    }
    if (!sampled) return;
    printf(
        "lazy walks: %llu of %llu sampled windows judged whole, %llu leaves, which stand "
        "for %.3g images\n",
        (ull)lazy, (ull)sampled, (ull)leaves, images);
}

/* Fixpoints that were held against crashes one by one. */
static void report_nested(const struct campaign *c)
{
    uint64_t nested = 0;
    unsigned rows = 0;
    for (size_t i = 0; i < c->row_count; i++) {
        nested += c->rows[i].stats.nested;
        rows += c->rows[i].stats.nested > 0;
    }
    if (rows)
        printf(
            "nested: %llu images of crashes inside each other, nothing merged, known to "
            "the fixpoints of %u scenarios\n",
            (ull)nested, rows);
}

/* What the scheduled scenarios were played under. */
static void report_schedules(const struct campaign *c)
{
    bool any = false;
    for (size_t i = 0; i < c->row_count; i++) {
        const struct explore_stats *s = &c->rows[i].stats;
        if (c->rows[i].pass != PASS_INTERLEAVE) continue;
        if (!any)
            printf("%-21s %11s %12s %8s %8s %9s %9s %8s\n", "schedules of", "preemptions",
                   "schedules", "runs", "states", "moments", "merged", "seconds");
        any = true;
        printf("%-21s %11u %12llu %8llu %8llu %9llu %9llu %8.1f\n",
               scenarios[c->rows[i].scenario].name, s->preemptions, (ull)s->schedules,
               (ull)s->runs, (ull)s->states, (ull)s->moments, (ull)s->met, s->seconds);
    }
}

void report_table(const struct campaign *c)
{
    printf("%-21s %-10s %7s %6s %8s %12s %10s %10s %7s %4s %8s\n", "scenario", "pass",
           "windows", "kills", "sampled", "analytic", "distinct", "all", "largest", "fix",
           "images/s");
    for (size_t i = 0; i < c->row_count; i++) {
        const struct campaign_row *row = &c->rows[i];
        const struct explore_stats *s = &row->stats;
        char number[12];
        printf("%-21s %-10s %7llu %6llu %8llu %12llu %10llu %10llu %7llu %4s %8.0f%s%s\n",
               scenarios[row->scenario].name, pass_name(row->pass), (ull)s->windows,
               (ull)s->kills, (ull)s->sampled, (ull)s->analytic, (ull)s->primary,
               (ull)s->distinct, (ull)s->largest, fixpoint_word(row, number),
               rate(s->distinct + s->nested, s->seconds),
               s->timed_out ? " (out of time)" : "", row->violated ? " VIOLATION" : "");
    }
    report_lazy(c);
    report_nested(c);
    report_schedules(c);
}

static void report_order(const struct campaign *c)
{
    struct order_counts sum = {{0}};
    char text[ORDER_COUNTS_TEXT];
    for (size_t i = 0; i < c->row_count; i++)
        for (unsigned r = 0; r < ORDER_RULE_COUNT; r++)
            sum.checks[r] += c->rows[i].ordered.checks[r];
    printf("ordering assert, every run and each %dth recovery: %s\n", ORDER_EVERY,
           order_counts_text(&sum, text));
}

void report_oracles(const struct campaign *c)
{
    printf("oracles asked:");
    for (unsigned o = 1; o < ORACLE_COUNT; o++) {
        uint64_t n = 0;
        for (size_t i = 0; i < c->row_count; i++)
            n += c->rows[i].ran[o];
        printf(" %s %llu%s", oracle_name((enum oracle)o), (ull)n,
               o + 1 < ORACLE_COUNT ? "," : "\n");
    }
    report_order(c);
}

/* A token does not say on what kind of disk it was found. */
static void report_disk(const struct campaign *c)
{
    const struct explore_options *o = &c->options;
    if (o->profile != DISK_W) printf(" --profile %c", disk_profile_letter(o->profile));
    if (o->spared & DISK_KINDER(DISK_R6)) printf(" --spare sectors");
    if (o->spared & DISK_KINDER(DISK_R7)) printf(" --spare zeros");
    if (o->spared & DISK_KINDER(DISK_R10)) printf(" --spare renames");
    if (c->fine) printf(" --fine");
    printf("\n");
}

unsigned report_violations(const struct campaign *c)
{
    unsigned n = 0;
    for (size_t i = 0; i < c->row_count; i++) {
        const struct campaign_row *row = &c->rows[i];
        if (!row->violated) continue;
        n++;
        printf("\nviolation in %s (%s, seed %llu): oracle %s: %s\n",
               scenarios[row->scenario].name, pass_name(row->pass),
               (ull)(row->seed ? row->seed : c->options.seed),
               oracle_name(row->violation.oracle), row->violation.text);
        printf("  before call %u, crash %s\n", row->violation.call,
               row->violation.path[0] ? row->violation.path : "(none, the run itself)");
        if (row->shrunk) printf("  shrunk to %u operations\n", row->operations);
        if (row->token[0]) {
            printf("  %s --explain %s", program_invocation_name, row->token);
            report_disk(c);
        }
    }
    return n;
}

/* ---- JSON ---- */

static void json_row(FILE *f, const struct campaign_row *row)
{
    const struct explore_stats *s = &row->stats;
    fprintf(f,
            "  {\"scenario\": \"%s\", \"pass\": \"%s\", \"windows\": %llu, \"points\": "
            "%llu, \"sampled\": %llu, \"analytic\": %llu, \"images\": %llu, "
            "\"primary\": %llu, \"distinct\": %llu, \"kills\": %llu, \"mixed\": %llu, "
            "\"unfinished\": %llu, \"lazy_images\": %.6g, \"seconds\": %.3f, "
            "\"violated\": %s, \"oracle\": "
            "\"%s\", \"token\": \"%s\", \"operations\": %u}",
            scenarios[row->scenario].name, pass_name(row->pass), (ull)s->windows,
            (ull)s->points, (ull)s->sampled, (ull)s->analytic, (ull)s->images,
            (ull)s->primary, (ull)s->distinct, (ull)s->kills, (ull)s->mixed,
            (ull)s->unfinished, s->lazy_images, s->seconds,
            row->violated ? "true" : "false", oracle_name(row->violation.oracle),
            row->token, row->operations);
}

int report_json(const struct campaign *c, const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f) return -errno;
    fprintf(f, "[\n");
    for (size_t i = 0; i < c->row_count; i++) {
        json_row(f, &c->rows[i]);
        fprintf(f, "%s\n", i + 1 < c->row_count ? "," : "");
    }
    fprintf(f, "]\n");
    return fclose(f) ? -errno : 0;
}

void report_last_line(const struct campaign *c)
{
    struct totals t = add_up(c);
    printf("crash: %u scenarios, %llu crash points, %llu images, %llu distinct, %.0f "
           "images/s/core, %llu violations\n",
           t.scenarios, (ull)t.points, (ull)t.images, (ull)t.distinct,
           rate(t.distinct + t.nested, t.seconds), (ull)t.violations);
}
