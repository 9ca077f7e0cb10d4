/* explore_nest.c - a few crashes inside each other, one by one, against the fixpoint.
 *
 * The fixpoint merges: equal images, classes of images, classes of windows, and it follows
 * each only once. Here nothing is merged. The run is played once more; each image of its
 * windows is recovered, each image of the windows in that recovery, and so on to a given
 * depth. The fixpoint must know each of them, itself or its class, and must have said what
 * it recovers to. */
#include "tests/crash/explore_state.h"

/* What the fixpoint says of the image; 0: nothing. */
static uint32_t foretold(struct explorer *x, struct disk *disk, const uint64_t hash[2])
{
    const struct image_entry *e = image_set_find(&x->set, hash);
    if (e && e->value) return e->value;
    struct class_view view;
    class_begin(&view, disk, 0);
    return class_find(&view, &x->classes);
}

int explorer_visit_nested(struct explorer *x, struct disk *disk,
                          const struct image *image, const struct expected *e)
{
    struct verdict v;
    uint32_t said = foretold(x, disk, image->hash);
    explorer_tick(x);
    x->stats.nested++;
    if (explorer_recover_plainly(x, disk, &v) != said)
        explorer_violate(x, ORACLE_CUT_RECOVERY,
                         said ? "the fixpoint says that it recovers to something else"
                              : "the fixpoint does not know this image");
    explorer_judge(x, v, e);
    if (x->stop || x->level >= x->nesting) return x->stop;
    struct expected same = {
        .exact = true, .state = v.state, .oracle = ORACLE_CUT_RECOVERY};
    unsigned before = disk_sim_snapshot(disk);
    explorer_recover(x, disk, &same);
    disk_sim_rollback(disk, before);
    return x->stop;
}

void explorer_nest(struct explorer *x, const uint8_t *tape, size_t size)
{
    x->nesting = x->options.nest;
    explorer_play(x, tape, size);
    x->nesting = 0;
}
