/* salvage.h - a store that is damaged before its scenario begins, and repaired in it.
 *
 * Flow:    run_start > salvage_damage; run, trial > salvage_repair > db_repair
 * Owns:    nothing; what the damaged files held is kept in the trial.
 * Errors:  those of the repair; a kept file that is not as it was fails oracle files.
 * Threads: one.
 * Tests:   tests/crash/salvage_test.c
 *
 * Whoever opens an image of such a scenario repairs it first, as `riptidekv-check
 * --repair` does; a sound store is not touched by that. Whether it was sound already is part
 * of its state (TRIAL_EXTRA_REGISTER): after a repair that has told of its end, every image
 * must be.
 */
#ifndef TESTS_CRASH_SALVAGE_H
#define TESTS_CRASH_SALVAGE_H

#include "tests/crash/scenario.h"
#include "tests/crash/trial.h"

/* Does this to the files of a closed store, durably, and remembers what is left of them.
 * Aborts when there is no such file. */
void salvage_damage(struct trial *t, struct disk *disk,
                    const struct damage damages[DAMAGES_MAX]);
/* Repairs the store where that is needed; *sound: it was not. */
enum err salvage_repair(const struct db_env *env, const struct options *options,
                        bool *sound, struct err_detail *why);
/* Is this the name of a file that a repair has set aside, or of its mark? */
bool salvage_is_aside(const char *name);
/* Is every damaged file still there, under its new name, as it was? */
struct verdict salvage_check(struct trial *t, struct disk *disk);

#endif
