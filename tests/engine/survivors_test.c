#include "tests/support/check.h"
#include "tests/support/levels.h"

#include <stdlib.h>

#include "engine/survivors.h"

static seqno floors[FLOORS];

static struct levels fixture;

static void begin(struct survivors *s, seqno oldest_snapshot)
{
    levels_begin(&fixture);
    memset(floors, 0, sizeof floors);
    survivors_init(s, &fixture.mem.mem, oldest_snapshot, floors);
    s->bottom = true;
}

static void end(struct survivors *s)
{
    survivors_deinit(s);
    levels_end(&fixture);
}

/* Runs the words of `in` (as in levels.h) through and joins what is kept. */
static void expect(struct survivors *s, const char *in, const char *want)
{
    char out[512] = "";
    while (*in) {
        size_t n = strcspn(in, " "), key = strcspn(in, "@");
        seqno seq = strtoull(in + key + 1, NULL, 10);
        enum entry_kind kind = in[n - 1] == '-' ? ENTRY_DELETE : ENTRY_PUT;
        bool keep = false;
        REQUIRE_INT(survivors_keep(s, slice_of(in, key), tag_of(seq, kind), &keep),
                    ERR_OK);
        if (keep) {
            if (*out) strcat(out, " ");
            strncat(out, in, n);
        }
        in += n + strspn(in + n, " ");
    }
    CHECK_TEXT(out, want);
}

static void only_the_newest_version_stays_without_snapshots(void)
{
    struct survivors s;
    begin(&s, SEQNO_MAX);
    expect(&s, "a@9=x a@5=y a@1=z b@2=x", "a@9=x b@2=x");
    end(&s);
}

/* The snapshot reads as of 5: it sees a@5; versions behind that one are seen by nobody. */
static void the_version_that_the_oldest_snapshot_sees_stays(void)
{
    struct survivors s;
    begin(&s, 5);
    expect(&s, "a@9=x a@7=x a@5=y a@4=z a@1=z", "a@9=x a@7=x a@5=y");
    end(&s);
    begin(&s, 6);
    expect(&s, "a@9=x a@5=y a@4=z", "a@9=x a@5=y");
    end(&s);
}

static void a_key_that_begins_like_the_one_before_is_another_key(void)
{
    struct survivors s;
    begin(&s, SEQNO_MAX);
    expect(&s, "@9=x @3=x a@8=x aa@7=x aa@2=x ab@1=x", "@9=x a@8=x aa@7=x ab@1=x");
    end(&s);
}

static void a_tombstone_goes_with_what_it_hides_at_the_bottom(void)
{
    struct survivors s;
    begin(&s, SEQNO_MAX);
    expect(&s, "a@9- a@5=y b@3-", "");
    end(&s);
}

static void a_tombstone_stays_when_older_data_may_lie_elsewhere(void)
{
    struct survivors s;
    begin(&s, SEQNO_MAX);
    s.bottom = false;
    expect(&s, "a@9- a@5=y b@3-", "a@9- b@3-");
    end(&s);
}

static void a_tombstone_stays_where_a_deeper_table_spans_the_key(void)
{
    struct survivors s;
    begin(&s, SEQNO_MAX);
    levels_fake(&fixture, 2, "b", "d", 100);
    levels_fake(&fixture, 3, "f", "f", 100);
    levels_seal(&fixture);
    s.below = &fixture.version->levels[2];
    s.below_count = LEVELS_MAX - 2;
    expect(&s, "a@9- b@9- c@9- d@9- e@9- f@9- g@9-", "b@9- c@9- d@9- f@9-");
    end(&s);
}

/* The snapshot as of 5 still sees a@4; without the tombstone readers of today would, too. */
static void a_tombstone_newer_than_the_oldest_snapshot_stays(void)
{
    struct survivors s;
    begin(&s, 5);
    expect(&s, "a@9- a@4=y", "a@9- a@4=y");
    end(&s);
    begin(&s, 9);
    expect(&s, "a@9- a@4=y", "");
    end(&s);
}

static void a_tombstone_between_versions_goes_only_when_both_views_allow(void)
{
    struct survivors s;
    begin(&s, 6);
    expect(&s, "a@9=x a@6- a@2=y", "a@9=x");
    end(&s);
}

static void everything_at_or_below_a_floor_goes(void)
{
    struct survivors s;
    begin(&s, SEQNO_MAX);
    floors['p'] = 5;
    expect(&s, "o@3=x p@6=x pa@5=x pb@4=x pb@3- q@1=x", "o@3=x p@6=x q@1=x");
    end(&s);
}

static void a_floor_that_a_snapshot_does_not_see_spares(void)
{
    struct survivors s;
    begin(&s, 4); /* reads as of 4 see what the floor at 5 sank later */
    floors['p'] = 5;
    expect(&s, "pa@4=x pb@2=x", "pa@4=x pb@2=x");
    end(&s);
    begin(&s, 5);
    floors['p'] = 5;
    expect(&s, "pa@4=x pb@2=x", "");
    end(&s);
}

static void the_empty_key_has_no_floor(void)
{
    struct survivors s;
    begin(&s, SEQNO_MAX);
    floors[0] = 100;
    expect(&s, "@9=x a@3=y", "@9=x a@3=y");
    end(&s);
}

static void long_keys_are_told_apart_and_memory_may_run_out(void)
{
    struct survivors s;
    uint8_t key[1000];
    bool keep;
    memset(key, 'k', sizeof key);
    begin(&s, SEQNO_MAX);
    for (size_t n = 1; n <= sizeof key; n += 37) {
        REQUIRE_INT(survivors_keep(&s, slice_of(key, n), tag_of(9, ENTRY_PUT), &keep),
                    ERR_OK);
        CHECK(keep);
        REQUIRE_INT(survivors_keep(&s, slice_of(key, n), tag_of(8, ENTRY_PUT), &keep),
                    ERR_OK);
        CHECK(!keep);
    }
    survivors_deinit(&s);
    survivors_init(&s, &fixture.mem.mem, SEQNO_MAX, floors);
    fixture.mem.fail_at = fixture.mem.calls + 1;
    CHECK_INT(survivors_keep(&s, slice_text("a"), tag_of(9, ENTRY_PUT), &keep),
              ERR_NOMEM);
    end(&s);
}

CU_TestInfo engine_survivors_tests[] = {
    {"only_the_newest_version_stays_without_snapshots",
     only_the_newest_version_stays_without_snapshots},
    {"the_version_that_the_oldest_snapshot_sees_stays",
     the_version_that_the_oldest_snapshot_sees_stays},
    {"a_key_that_begins_like_the_one_before_is_another_key",
     a_key_that_begins_like_the_one_before_is_another_key},
    {"a_tombstone_goes_with_what_it_hides_at_the_bottom",
     a_tombstone_goes_with_what_it_hides_at_the_bottom},
    {"a_tombstone_stays_when_older_data_may_lie_elsewhere",
     a_tombstone_stays_when_older_data_may_lie_elsewhere},
    {"a_tombstone_stays_where_a_deeper_table_spans_the_key",
     a_tombstone_stays_where_a_deeper_table_spans_the_key},
    {"a_tombstone_newer_than_the_oldest_snapshot_stays",
     a_tombstone_newer_than_the_oldest_snapshot_stays},
    {"a_tombstone_between_versions_goes_only_when_both_views_allow",
     a_tombstone_between_versions_goes_only_when_both_views_allow},
    {"everything_at_or_below_a_floor_goes", everything_at_or_below_a_floor_goes},
    {"a_floor_that_a_snapshot_does_not_see_spares",
     a_floor_that_a_snapshot_does_not_see_spares},
    {"the_empty_key_has_no_floor", the_empty_key_has_no_floor},
    {"long_keys_are_told_apart_and_memory_may_run_out",
     long_keys_are_told_apart_and_memory_may_run_out},
    CU_TEST_INFO_NULL,
};
