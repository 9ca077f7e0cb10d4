#include "tests/crash/trial.h"

#include <string.h>

#include "tests/crash/run.h"
#include "tests/support/check.h"

struct fixture {
    struct trial trial;
    struct run run;
};

/* The store that a scenario's `before` leaves, its process killed. */
static void start(struct fixture *f)
{
    const struct scenario *s = scenario_find("put-always");
    struct options options;
    scenario_options(s, &options);
    trial_init(&f->trial, &options);
    REQUIRE(run_start(&f->run, s, &f->trial, 64));
    disk_sim_process_crash(f->run.disk);
}

static void stop(struct fixture *f)
{
    run_end(&f->run);
    trial_deinit(&f->trial);
}

static void a_whole_store_has_the_state_of_the_model(void)
{
    struct fixture f;
    start(&f);

    struct verdict v = trial_image(&f.trial, f.run.disk);

    REQUIRE_INT(v.failed, ORACLE_NONE);
    struct model_digest want = model_digest_now(f.run.model);
    CHECK(model_digest_equal(trial_digest(&f.trial, v.state), &want));
    CHECK_INT(f.trial.ran[ORACLE_WORKS], 1);
    stop(&f);
}

static void remove_file(struct fixture *f, const char *name)
{
    struct disk_dir *dir;
    REQUIRE_INT(disk_dir_open(f->run.disk, TRIAL_DIR, &dir), 0);
    REQUIRE_INT(disk_unlink(dir, name, SITE_OTHER_UNLINK), 0);
    disk_dir_close(dir);
}

static void a_missing_file_fails_open(void)
{
    struct fixture f;
    start(&f);
    remove_file(&f, "CURRENT");

    struct verdict v = trial_image(&f.trial, f.run.disk);

    CHECK_INT(v.failed, ORACLE_OPEN);
    CHECK(strstr(f.trial.failure, "CURRENT") != NULL);
    stop(&f);
}

static void a_stranger_that_is_gone_fails_files(void)
{
    struct fixture f;
    start(&f);
    f.trial.stranger = true;

    struct verdict v = trial_image(&f.trial, f.run.disk);

    CHECK_INT(v.failed, ORACLE_FILES);
    stop(&f);
}

static void a_silenced_oracle_is_not_asked(void)
{
    struct fixture f;
    start(&f);
    f.trial.stranger = true;
    f.trial.silenced = 1u << ORACLE_FILES | 1u << ORACLE_WORKS;

    struct verdict v = trial_image(&f.trial, f.run.disk);

    CHECK_INT(v.failed, ORACLE_NONE);
    CHECK_INT(f.trial.ran[ORACLE_FILES], 0);
    stop(&f);
}

static void damage_in_a_table_is_seen(void)
{
    struct fixture f;
    start(&f);
    struct disk_dir *dir;
    REQUIRE_INT(disk_dir_open(f.run.disk, TRIAL_DIR, &dir), 0);
    disk_dir_close(dir);
    REQUIRE_INT(
        disk_sim_damage(f.run.disk, TRIAL_DIR, "000004.sst", DISK_DAMAGE_FLIP, 3, 1), 0);

    struct verdict v = trial_image(&f.trial, f.run.disk);

    CHECK(v.failed == ORACLE_AGREE || v.failed == ORACLE_FILES);
    stop(&f);
}

CU_TestInfo crash_trial_tests[] = {
    {"a_whole_store_has_the_state_of_the_model",
     a_whole_store_has_the_state_of_the_model},
    {"a_missing_file_fails_open", a_missing_file_fails_open},
    {"a_stranger_that_is_gone_fails_files", a_stranger_that_is_gone_fails_files},
    {"a_silenced_oracle_is_not_asked", a_silenced_oracle_is_not_asked},
    {"damage_in_a_table_is_seen", damage_in_a_table_is_seen},
    CU_TEST_INFO_NULL};
