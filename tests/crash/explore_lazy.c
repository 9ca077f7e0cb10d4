/* explore_lazy.c - windows too large to be walked, walked as far as recovery looks.
 *
 * A leaf of the lazy walk (fault/images.h) stands for all images that recovery and the
 * reading of everything cannot tell apart, so that judging it judges them all. What would
 * read or change more is not asked here: the oracles files, again and works. Nothing that
 * is remembered from one image to the next may be used, because a leaf must ask for the
 * same each time it is shown: hence no trial_image, which remembers. */
#include "tests/crash/explore_state.h"

#define LAZY_SHARE 16 /* a leaf costs about as much as so many images of a plain walk */

static struct verdict judge_leaf(struct trial *t, struct disk *disk)
{
    struct trial_store s;
    struct err_detail why;
    t->ran[ORACLE_OPEN]++;
    enum err e = trial_recover(t, disk, &s, &why);
    if (e) return trial_fail(t, ORACLE_OPEN, "%s: %s", err_text(e), why.text);
    struct verdict v = trial_ask(t, &s);
    bool clean = trial_close(t, disk, &s);
    if (!v.failed && trial_asks(t, ORACLE_LEAK) && !clean) v.failed = ORACLE_LEAK;
    return v;
}

static int visit_leaf(void *arg, struct disk *disk, const struct image *image)
{
    struct explorer *x = arg;
    (void)image;
    explorer_tick(x);
    unsigned before = disk_sim_snapshot(disk);
    struct verdict v = judge_leaf(&x->trial, disk);
    disk_sim_rollback(disk, before);
    explorer_judge(x, v, &x->expected);
    return x->stop;
}

int explorer_walk_lazily(struct explorer *x, struct images *im)
{
    struct images_lazy result;
    if (x->options.shard > 0) return 0; /* one shard does all of it */
    int e = images_lazy(im, x->options.walk_max / LAZY_SHARE, visit_leaf, x, &result);
    x->stats.leaves += result.leaves;
    if (result.whole) {
        x->stats.lazy++;
        x->stats.lazy_images += result.covered.about;
    }
    return e;
}
