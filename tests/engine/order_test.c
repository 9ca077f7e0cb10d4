/* The engine under the ordering assert: it keeps every rule, and for each of its barriers
 * some rule notices when the disk only pretends to make it. */
#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/order_edits.h"
#include "tests/support/teststore.h"

#include "fault/plan.h"

struct watched {
    struct teststore store;
    struct order_watch watch;
    int seen[ORDER_RULE_COUNT];
    bool quiet;
};

static void on_violation(void *arg, enum order_rule rule, const char *line)
{
    struct watched *w = arg;
    w->seen[rule]++;
    if (!w->quiet) printf("  %s: %s\n", order_rule_text(rule), line);
}

static void watch(struct watched *w)
{
    memset(w, 0, sizeof *w);
    teststore_init(&w->store);
    w->store.env.disk = order_watch_init(&w->watch, w->store.disk, on_violation, w);
    w->store.options.sync = SYNC_ALWAYS;
}

static void unwatch(struct watched *w)
{
    teststore_deinit(&w->store);
    order_watch_deinit(&w->watch);
}

/* Puts under `always`, a reply after each; over and over the same keys, so that flushes,
 * compactions, recycled logs and new manifests follow. */
static void load(struct watched *w, int puts)
{
    char key[32], value[64];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = 0;
    for (int i = 0; i < puts; i++) {
        snprintf(key, sizeof key, "key%03d", i * 37 % 100);
        if (teststore_put(&w->store, key, value) != ERR_OK) return;
        order_watch_acknowledge(&w->watch);
        db_step(w->store.db);
    }
}

static void the_engine_keeps_every_rule(void)
{
    struct watched w;
    watch(&w);
    REQUIRE_INT(teststore_open(&w.store), ERR_OK);

    load(&w, 1500);
    struct db_stats stats;
    db_stats_get(w.store.db, &stats);
    CHECK(stats.flushes > 10);
    CHECK(stats.compactions > 5);
    CHECK(w.watch.edits.understood > 30);
    teststore_reopen(&w.store);
    load(&w, 300);
    teststore_close(&w.store);

    CHECK_INT(disk_order_violations(w.watch.order), 0);
    unwatch(&w);
}

static void a_recovered_store_keeps_every_rule(void)
{
    struct watched w;
    watch(&w);
    REQUIRE_INT(teststore_open(&w.store), ERR_OK);
    load(&w, 333);
    REQUIRE_INT(teststore_kill(&w.store), ERR_OK);
    order_watch_acknowledge(&w.watch);
    load(&w, 300);
    teststore_close(&w.store);
    CHECK_INT(disk_order_violations(w.watch.order), 0);
    unwatch(&w);
}

#ifdef FIU_ENABLE

/* Violations of a load during which the barriers of this site are not made. */
static long dropped(enum site site, long *hits)
{
    struct watched w;
    char pattern[64];
    snprintf(pattern, sizeof pattern, "fs/%s/sync/drop", kind_name(site_kind(site)));
    struct plan plan = {
        .pattern = pattern, .at_site = true, .site = site, .kth = 1, .sticky = true};
    watch(&w);
    w.quiet = true;
    REQUIRE_INT(plan_arm(&plan), 0);
    if (teststore_open(&w.store) == ERR_OK) {
        load(&w, 600);
        teststore_close(&w.store);
    }
    plan_disarm_all();
    long violations = (long)disk_order_violations(w.watch.order);
    *hits = plan.hits;
    unwatch(&w);
    return violations;
}

/* Barriers whose loss only a crash can show. */
static bool needs_a_crash(enum site site)
{
    return site == SITE_DIR_PARENTSYNC || /* the store's own name: nobody relies on it */
           site == SITE_WAL_FILLSYNC;     /* a sync of records covers the zeros too */
}

static void a_barrier_that_is_not_made_breaks_a_rule(void)
{
    int noticed = 0;
    for (enum site s = 0; s < SITE_COUNT; s++) {
        long hits = 0;
        if (site_call(s) != CALL_SYNC || site_kind(s) == KIND_OTHER) continue;
        long violations = dropped(s, &hits);
        printf("  %-22s %5ld dropped, %5ld violations\n", site_name(s), hits, violations);
        if (hits && !needs_a_crash(s)) CHECK(violations > 0);
        noticed += violations > 0;
    }
    CHECK(noticed >= 7);
}

#endif

#define ROW(name)                                                                        \
    {                                                                                    \
#name, name                                                                      \
    }
CU_TestInfo engine_order_tests[] = {
    ROW(the_engine_keeps_every_rule),
    ROW(a_recovered_store_keeps_every_rule),
#ifdef FIU_ENABLE
    ROW(a_barrier_that_is_not_made_breaks_a_rule),
#endif
    CU_TEST_INFO_NULL,
};
