#include "tests/crash/salvage.h"

#include <string.h>

#include "tests/crash/run.h"
#include "tests/support/check.h"

struct fixture {
    struct trial trial;
    struct run run;
};

/* A store whose manifest is damaged, closed. */
static void start(struct fixture *f)
{
    const struct scenario *s = scenario_find("repair");
    struct options options;
    scenario_options(s, &options);
    trial_init(&f->trial, &options);
    REQUIRE(run_start(&f->run, s, &f->trial, 64));
}

static void stop(struct fixture *f)
{
    run_end(&f->run);
    trial_deinit(&f->trial);
}

static void remove_file(struct fixture *f, const char *name)
{
    struct disk_dir *dir;
    REQUIRE_INT(disk_dir_open(f->run.disk, TRIAL_DIR, &dir), 0);
    REQUIRE_INT(disk_unlink(dir, name, SITE_OTHER_UNLINK), 0);
    disk_dir_close(dir);
}

static void the_damage_is_there_and_a_repair_mends_it(void)
{
    struct fixture f;
    struct trial_store s;
    struct err_detail why;
    start(&f);
    CHECK_INT(trial_open(&f.trial, f.run.disk, &s, &why), ERR_CORRUPT);

    struct verdict v = trial_image(&f.trial, f.run.disk);

    REQUIRE_INT(v.failed, ORACLE_NONE);
    struct model_digest want = model_digest_now(f.run.model);
    CHECK(model_digest_equal(trial_digest(&f.trial, v.state), &want));
    stop(&f);
}

static void a_store_that_was_sound_has_a_state_of_its_own(void)
{
    struct fixture f;
    start(&f);
    struct verdict damaged = trial_image(&f.trial, f.run.disk);
    struct verdict sound = trial_image(&f.trial, f.run.disk);
    REQUIRE_INT(sound.failed, ORACLE_NONE);
    CHECK(damaged.state != sound.state);
    CHECK(trial_allows(&f.trial, damaged.state, sound.state));
    CHECK(!trial_allows(&f.trial, sound.state, damaged.state));
    stop(&f);
}

static void a_damaged_file_that_was_not_kept_is_missed(void)
{
    struct fixture f;
    start(&f);
    REQUIRE_INT(trial_image(&f.trial, f.run.disk).failed, ORACLE_NONE);
    remove_file(&f, "MANIFEST-000001.lost");

    CHECK_INT(trial_image(&f.trial, f.run.disk).failed, ORACLE_FILES);
    CHECK(strstr(f.trial.failure, "MANIFEST-000001.lost") != NULL);
    stop(&f);
}

static void names_that_are_set_aside_are_known(void)
{
    CHECK(salvage_is_aside("000003.log.lost"));
    CHECK(salvage_is_aside("REPAIR-000009"));
    CHECK(!salvage_is_aside("000003.log"));
    CHECK(!salvage_is_aside(".lost"));
    CHECK(!salvage_is_aside("CURRENT.tmp"));
}

CU_TestInfo crash_salvage_tests[] = {
    {"the_damage_is_there_and_a_repair_mends_it",
     the_damage_is_there_and_a_repair_mends_it},
    {"a_store_that_was_sound_has_a_state_of_its_own",
     a_store_that_was_sound_has_a_state_of_its_own},
    {"a_damaged_file_that_was_not_kept_is_missed",
     a_damaged_file_that_was_not_kept_is_missed},
    {"names_that_are_set_aside_are_known", names_that_are_set_aside_are_known},
    CU_TEST_INFO_NULL};
