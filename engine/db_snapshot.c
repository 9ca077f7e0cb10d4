/* Moments of the past that can still be read.
 *
 * A snapshot is a sequence number and the floors of that moment. What keeps its view alive
 * are flush and compaction: they drop nothing that the oldest snapshot sees (survivors.h).
 * A job that was under way when a snapshot is taken does not know of it and need not: its
 * inputs are settled, hence no newer than the snapshot, and of each key the newest version
 * stays.
 *
 * The floors are copied because the store keeps one number per prefix: a later FLUSHALL
 * overwrites it, while this view goes on seeing what lies between the two. */
#include <assert.h>

#include "engine/db_state.h"

enum err db_snapshot_new(struct db *db, struct db_snapshot **out)
{
    struct db_snapshot *s = mem_alloc(db->env.mem, sizeof *s);
    if (!s) return ERR_NOMEM;
    const struct books *settled = db_settled_books(db);
    s->seq = db->settled_seq;
    memcpy(s->floors, settled->floors, sizeof s->floors);
    s->newer = NULL;
    s->older = db->newest_snapshot;
    assert(!s->older || s->older->seq <= s->seq);
    if (s->older)
        s->older->newer = s;
    else
        db->oldest_snapshot = s;
    db->newest_snapshot = s;
    *out = s;
    return ERR_OK;
}

void db_snapshot_free(struct db *db, struct db_snapshot *s)
{
    if (!s) return;
    *(s->newer ? &s->newer->older : &db->newest_snapshot) = s->older;
    *(s->older ? &s->older->newer : &db->oldest_snapshot) = s->newer;
    mem_free(db->env.mem, s);
}

seqno db_oldest_snapshot(const struct db *db)
{
    return db->oldest_snapshot ? db->oldest_snapshot->seq : SEQNO_MAX;
}
