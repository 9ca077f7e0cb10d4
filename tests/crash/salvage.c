#include "tests/crash/salvage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/repair_state.h"

/* ---- damage ---- */

struct search {
    const struct damage *damage;
    unsigned met;
    char name[FILENAME_BYTES];
};

static int look_at(void *arg, const char *name)
{
    struct search *s = arg;
    uint64_t number;
    if (filename_parse(name, &number) != s->damage->kind) return 0;
    if (!strcmp(name, FILENAME_LOCK) || s->met++ != s->damage->which) return 0;
    snprintf(s->name, sizeof s->name, "%s", name);
    return 0;
}

/* FNV-1a over everything that the file holds; 0: it is not there. */
static uint64_t contents(struct disk_dir *dir, const char *name)
{
    struct disk_file *file;
    uint8_t bytes[256];
    uint64_t hash = 14695981039346656037u;
    size_t got = sizeof bytes;
    if (disk_open(dir, name, DISK_READ, SITE_OTHER_CREATE, &file)) return 0;
    for (uint64_t at = 0; got == sizeof bytes; at += got) {
        if (disk_read(file, at, bytes, sizeof bytes, &got)) abort();
        for (size_t i = 0; i < got; i++)
            hash = (hash ^ bytes[i]) * 1099511628211u;
    }
    disk_close(file);
    return hash;
}

void salvage_damage(struct trial *t, struct disk *disk,
                    const struct damage damages[DAMAGES_MAX])
{
    struct disk_dir *dir;
    if (disk_dir_open(disk, TRIAL_DIR, &dir)) abort();
    t->repairs = true;
    t->sound = false;
    t->kept_count = 0;
    for (unsigned i = 0; i < DAMAGES_MAX && damages[i].kind; i++) {
        struct search s = {.damage = &damages[i]};
        if (disk_list(dir, look_at, &s) || !s.name[0]) abort();
        if (damages[i].gone) {
            if (disk_unlink(dir, s.name, SITE_OTHER_DROP)) abort();
            continue;
        }
        if (disk_sim_damage(disk, TRIAL_DIR, s.name, DISK_DAMAGE_FLIP, damages[i].at, 4))
            abort();
        struct trial_kept *kept = &t->kept[t->kept_count++];
        snprintf(kept->name, sizeof kept->name, "%s" REPAIR_SUFFIX, s.name);
        kept->contents = contents(dir, s.name);
    }
    disk_dir_close(dir);
    disk_sim_settle(disk);
}

/* ---- repair ---- */

enum err salvage_repair(const struct db_env *env, const struct options *options,
                        bool *sound, struct err_detail *why)
{
    struct repair_counts counts;
    enum err e = db_repair(env, TRIAL_DIR, options, NULL, NULL, &counts, why);
    *sound = !counts.changed;
    return e;
}

/* ---- what is set aside ---- */

bool salvage_is_aside(const char *name)
{
    size_t n = strlen(name), suffix = sizeof REPAIR_SUFFIX - 1;
    if (!strncmp(name, REPAIR_MARK, sizeof REPAIR_MARK - 1)) return true;
    return n > suffix && !strcmp(name + n - suffix, REPAIR_SUFFIX);
}

struct verdict salvage_check(struct trial *t, struct disk *disk)
{
    struct disk_dir *dir;
    struct verdict v = {.failed = ORACLE_NONE};
    if (disk_dir_open(disk, TRIAL_DIR, &dir))
        return trial_fail(t, ORACLE_FILES, "the directory is gone");
    for (unsigned i = 0; i < t->kept_count && !v.failed; i++)
        if (contents(dir, t->kept[i].name) != t->kept[i].contents)
            v = trial_fail(t, ORACLE_FILES, "%s is not there, or not what was damaged",
                           t->kept[i].name);
    disk_dir_close(dir);
    return v;
}
