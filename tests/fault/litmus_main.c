/* make litmus: the table of programs and profiles, the matrix of rules, the verdict. */
#include "tests/fault/litmus.h"
#include "tests/support/arguments.h"

static const enum disk_profile promised[] = {DISK_W, DISK_J, DISK_V, DISK_P};
enum { PROMISED = sizeof promised / sizeof *promised };

static bool exact(const struct litmus *l, enum disk_profile profile, uint32_t kinder,
                  struct outcomes *want, struct outcomes *got)
{
    litmus_expected(l, profile, want);
    return litmus_run(l, profile, kinder, got) && outcomes_equal(want, got);
}

static unsigned print_program(const struct litmus *l)
{
    static struct outcomes want, got;
    unsigned failed = 0;
    printf("%s%s\n  ", l->program, l->tau ? " (tau 1)" : "");
    for (int p = 0; p < PROMISED; p++) {
        bool ok = exact(l, promised[p], 0, &want, &got);
        printf("  %c %zu/%zu%s", disk_profile_letter(promised[p]), want.count, got.count,
               ok ? "" : " FAILED");
        failed += !ok;
    }
    printf("\n");
    return failed;
}

/* O in J in W in V. */
static unsigned containment_failures(const struct litmus *l)
{
    static const enum disk_profile order[] = {DISK_O, DISK_J, DISK_W, DISK_V};
    static struct outcomes inner, outer;
    unsigned failed = 0;
    litmus_run(l, order[0], 0, &outer);
    for (int p = 1; p < 4; p++) {
        inner = outer;
        litmus_run(l, order[p], 0, &outer);
        if (outcomes_within(&inner, &outer)) continue;
        printf("%s: %c is not contained in %c\n", l->program,
               disk_profile_letter(order[p - 1]), disk_profile_letter(order[p]));
        failed++;
    }
    return failed;
}

/* One row: the rule switched off, and the programs that notice. */
static bool print_rule(enum disk_rule rule)
{
    static struct outcomes want, got;
    bool any = false;
    printf("R%-3d %-72s", rule, disk_rule_kinder(rule));
    for (size_t i = 0; i < litmus_count; i++) {
        bool red = false;
        for (int p = 0; p < PROMISED && !red; p++)
            red =
                !exact(&litmus_programs[i], promised[p], DISK_KINDER(rule), &want, &got);
        putchar(red ? 'x' : '.');
        any = any || red;
    }
    printf("%s\n", any ? "" : "  FAILED: nobody notices");
    return any;
}

int main(int argc, char **argv)
{
    unsigned failed = 0;
    if (!arguments_end(argc, argv, 1)) {
        fputs("usage: litmus (all programs under all profiles, then all rules)\n",
              stderr);
        return 2;
    }
    printf("Outcomes expected / produced, by profile\n\n");
    for (size_t i = 0; i < litmus_count; i++)
        failed += print_program(&litmus_programs[i]);
    for (size_t i = 0; i < litmus_count; i++)
        failed += containment_failures(&litmus_programs[i]);
    printf("\nRules switched to their kinder opposite; a column is a program, x: its "
           "outcomes change\n\n");
    for (unsigned r = 1; r < DISK_RULE_COUNT; r++)
        failed += !print_rule((enum disk_rule)r);
    printf("litmus: %zu programs, %d profiles, %u failed\n", litmus_count, PROMISED,
           failed);
    return failed != 0;
}
