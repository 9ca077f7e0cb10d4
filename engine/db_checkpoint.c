/* A copy of the open store under another name, at the price of a few small files.
 *
 *   flush              every settled change is in a table, and tables never change
 *   X.tmp/             made, or emptied of what a cut checkpoint left there
 *     000007.sst ...   a second name of each table (a copy, where the file system has none)
 *     000012.log       an empty log
 *     MANIFEST-000011  names the tables and the log. The sync of X.tmp that makes its own
 *                      name durable makes all names durable, before CURRENT points to it
 *   X.tmp -> X         the rename, and a sync of the parent
 *
 * The manifest is written new: that of the store goes on changing, and names logs whose
 * files must not be shared. The numbers of manifest and log are the next free ones, and
 * the copy counts on from there, so that no number of a shared table is ever given to a
 * new file: creating a file empties what has its name, and here that would be the other
 * store's.
 *
 * A crash before the rename leaves at most X.tmp, a crash after it X as a whole. From the
 * rename on nothing is taken back: whoever is told that it failed cannot know. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "engine/db_state.h"
#include "engine/filename.h"

#define TMP_SUFFIX ".tmp"

struct checkpoint {
    const struct db *db;
    struct disk *disk;    /* that X will lie on */
    struct disk_dir *dir; /* X.tmp, open */
    const char *name;
    char tmp[DISK_NAME_MAX + 1];
    struct err_detail *why;
};

static enum err told(const struct checkpoint *c, int rc, const char *name,
                     const char *what)
{
    return rc ? err_set(c->why, err_from_os(rc), rc, "%.100s: %s", name, what) : ERR_OK;
}

/* ---- X.tmp ---- */

/* What has this name in the root, a link not followed: 0 a file, -EISDIR a directory,
 * -ENOENT nothing, and what err_is_no_file knows. */
static int look_at(struct disk *disk, const char *name)
{
    struct disk_dir *root;
    struct disk_file *file;
    int rc = disk_dir_open(disk, ".", &root);
    if (rc) return rc;
    rc = disk_open(root, name, DISK_READ, SITE_CURRENT_CREATE, &file);
    disk_dir_close(root);
    if (!rc) disk_close(file);
    return rc;
}

/* Whoever deletes a store deletes what is in it: a copy does not belong there. */
enum err db_checkpoint_check_place(struct disk *disk, const char *name,
                                   struct err_detail *why)
{
    int rc = look_at(disk, FILENAME_CURRENT);
    if (rc == -ENOENT || err_is_no_file(-rc)) return ERR_OK;
    if (rc)
        return err_set(why, err_from_os(rc), rc, "%.100s: looking for a store around it",
                       name);
    return err_set(why, ERR_INVALID, 0,
                   "%.100s: would lie inside the directory of a store; give a path "
                   "beside it",
                   name);
}

static enum err take_name(struct checkpoint *c)
{
    if (strlen(c->name) + sizeof TMP_SUFFIX > sizeof c->tmp)
        return err_set(c->why, ERR_INVALID, 0,
                       "%.60s...: a name of %zu bytes is too long; the limit for a copy "
                       "is %zu",
                       c->name, strlen(c->name), sizeof c->tmp - sizeof TMP_SUFFIX);
    snprintf(c->tmp, sizeof c->tmp, "%s" TMP_SUFFIX, c->name);
    int rc = look_at(c->disk, c->name);
    if (!rc || err_is_no_file(-rc))
        return err_set(c->why, ERR_EXISTS, 0, "%.100s: is there already", c->name);
    return rc == -ENOENT ? ERR_OK : told(c, rc, c->name, "cannot be looked at");
}

/* A cut checkpoint leaves tables, a log, a manifest and CURRENT; never LOCK, which every
 * store has that somebody has opened. */
static int survey_name(void *arg, const char *name)
{
    bool *ours = arg;
    uint64_t number;
    if (filename_parse(name, &number) == FILENAME_STRANGER ||
        !strcmp(name, FILENAME_LOCK))
        *ours = false;
    return 0;
}

static int clear_name(void *arg, const char *name)
{
    const struct checkpoint *c = arg;
    return disk_unlink(c->dir, name, SITE_DIR_CLEAR);
}

static enum err empty_leftover(struct checkpoint *c)
{
    bool ours = true;
    int rc = disk_list(c->dir, survey_name, &ours);
    if (!rc && !ours)
        return err_set(c->why, ERR_FOREIGN, 0,
                       "%.100s: in the way, and not left by a checkpoint", c->tmp);
    if (!rc) rc = disk_list(c->dir, clear_name, c);
    return told(c, rc, c->tmp, "emptying it");
}

static enum err expect_directory(const struct checkpoint *c)
{
    int rc = look_at(c->disk, c->tmp);
    if (rc == -EISDIR) return ERR_OK;
    if (!rc || err_is_no_file(-rc))
        return err_set(c->why, ERR_FOREIGN, 0, "%.100s: in the way, and no directory",
                       c->tmp);
    return told(c, rc, c->tmp, "cannot be looked at");
}

static enum err make_tmp(struct checkpoint *c)
{
    int made = disk_mkdir(c->disk, c->tmp, SITE_DIR_CHECKPOINT);
    if (made && made != -EEXIST) return told(c, made, c->tmp, "cannot be made");
    enum err e = made ? expect_directory(c) : ERR_OK;
    if (e) return e;
    int rc = disk_dir_open(c->disk, c->tmp, &c->dir);
    if (rc) return told(c, rc, c->tmp, "cannot be opened");
    if (made) e = empty_leftover(c);
    if (e) disk_dir_close(c->dir);
    return e;
}

/* After a failure: gives the room back, as far as the disk lets us. */
static void remove_tmp(struct checkpoint *c)
{
    int rc = disk_list(c->dir, clear_name, c);
    disk_dir_close(c->dir);
    if (!rc) disk_rmdir(c->disk, c->tmp, SITE_DIR_CLEARDIR);
}

/* ---- tables ---- */

static int copy_bytes(const struct checkpoint *c, struct disk_file *from,
                      struct disk_file *to, uint64_t size)
{
    size_t step = c->db->options.write_buffer_bytes;
    uint8_t *buffer = mem_alloc(c->db->env.mem, step);
    if (!buffer) return -ENOMEM;
    int rc = 0;
    for (uint64_t at = 0; at < size && !rc; at += step) {
        size_t n = size - at < step ? (size_t)(size - at) : step, got = 0;
        rc = disk_read(from, at, buffer, n, &got);
        if (!rc && got < n) rc = -EIO;
        if (!rc) rc = disk_write(to, at, buffer, n, SITE_SST_COPYWRITE, NULL);
    }
    mem_free(c->db->env.mem, buffer);
    return rc ? rc : disk_sync(to, DISK_SYNC_FULL, SITE_SST_COPYSYNC);
}

static int copy_table(const struct checkpoint *c, const char *name, uint64_t size)
{
    struct disk_file *from, *to;
    int rc = disk_open(c->db->dir, name, DISK_READ, SITE_SST_CREATE, &from);
    if (rc) return rc;
    rc =
        disk_open(c->dir, name, DISK_WRITE | DISK_CREATE | DISK_EXCL, SITE_SST_COPY, &to);
    if (!rc) {
        rc = copy_bytes(c, from, to, size);
        disk_close(to);
    }
    disk_close(from);
    return rc;
}

/* Another file system, one without links, or a file that has too many. */
static bool needs_copy(int rc)
{
    return rc == -EXDEV || rc == -EPERM || rc == -EMLINK || rc == -EOPNOTSUPP;
}

static enum err add_table(const struct checkpoint *c, const struct sst_meta *meta)
{
    char name[FILENAME_BYTES];
    filename_sst(meta->number, name);
    int rc = disk_link(c->db->dir, name, c->dir, name, SITE_SST_LINK);
    if (needs_copy(rc)) rc = copy_table(c, name, meta->size);
    return told(c, rc, name, "linking or copying it");
}

/* ---- log and manifest ---- */

/* Nothing but header-sized: it becomes a log of full size at the first recovery. */
static enum err add_log(const struct checkpoint *c, uint64_t number)
{
    struct disk_file *file;
    size_t step = c->db->options.write_buffer_bytes;
    enum err e = wal_create(c->db->env.mem, c->dir, number, step, step, &file, c->why);
    if (!e) disk_close(file);
    return e;
}

/* The tables of the version in force; their keys stay the version's. */
static enum err list_tables(const struct db *db, struct store_state *state)
{
    size_t n = 0;
    for (unsigned l = 0; l < LEVELS_MAX; l++)
        n += db->version->levels[l].count;
    if (n == 0) return ERR_OK;
    state->tables = mem_alloc(db->env.mem, n * sizeof *state->tables);
    if (!state->tables) return ERR_NOMEM;
    for (unsigned l = 0; l < LEVELS_MAX; l++) {
        const struct level *level = &db->version->levels[l];
        for (size_t i = 0; i < level->count; i++)
            state->tables[state->table_count++] =
                (struct store_table){l, level->tables[i]->meta};
    }
    return ERR_OK;
}

static enum err encode(const struct db *db, uint64_t manifest, uint64_t log,
                       struct edit_bytes *out)
{
    struct store_state state;
    store_state_init(&state);
    state.manifest = manifest;
    state.logs[state.log_count++] = (struct store_log){.number = log};
    state.next_file = log + 1;
    state.last_seq = db->settled_seq;
    state.books = db->books;
    enum err e = list_tables(db, &state);
    if (!e) e = edit_bytes_begin(out);
    if (!e) e = store_state_encode(&state, out);
    mem_free(db->env.mem, state.tables);
    return e;
}

static enum err add_manifest(const struct checkpoint *c, uint64_t number, uint64_t log)
{
    struct edit_bytes bytes = {.mem = c->db->env.mem};
    struct wal_writer writer = {.file = NULL};
    enum err e = encode(c->db, number, log, &bytes);
    if (e)
        err_set(c->why, e, 0, "manifest of a checkpoint");
    else
        e = manifest_create(c->dir, number, bytes.data, bytes.size - WAL_HEADER_BYTES,
                            &writer, c->why);
    if (writer.file) disk_close(writer.file);
    mem_free(c->db->env.mem, bytes.data);
    return e;
}

/* ---- all ---- */

static enum err fill_tmp(const struct checkpoint *c)
{
    const struct version *v = c->db->version;
    uint64_t manifest = c->db->next_file, log = manifest + 1;
    enum err e = ERR_OK;
    for (unsigned l = 0; l < LEVELS_MAX && !e; l++)
        for (size_t i = 0; i < v->levels[l].count && !e; i++)
            e = add_table(c, &v->levels[l].tables[i]->meta);
    if (!e) e = add_log(c, log);
    return e ? e : add_manifest(c, manifest, log);
}

/* X.tmp becomes X. */
static enum err publish(const struct checkpoint *c)
{
    struct disk_dir *root;
    int rc = disk_dir_open(c->disk, ".", &root);
    if (rc) return told(c, rc, c->name, "its parent");
    rc = disk_rename(root, c->tmp, c->name, SITE_DIR_PUBLISH);
    if (!rc) rc = disk_dir_sync(root, SITE_DIR_PUBLISHSYNC);
    disk_dir_close(root);
    return told(c, rc, c->name, "giving it its name; it may be there or not");
}

/* Says that it was the copy which failed, and at what. */
static enum err failed(const struct checkpoint *c, enum err e, const char *doing,
                       const struct err_detail *cause)
{
    char line[ERR_LINE_BYTES];
    const char *because = cause->code ? err_line(cause, line) : err_text(e);
    return err_set(c->why, e, cause->os_error, "%.60s: %s%.150s", c->name, doing,
                   because);
}

enum err db_checkpoint(struct db *db, struct disk *disk, const char *name,
                       struct err_detail *why)
{
    assert(!db->in_group);
    struct err_detail cause = {.code = ERR_OK};
    struct checkpoint c = {
        .db = db, .disk = disk ? disk : db->env.disk, .name = name, .why = why};
    enum err e = db_checkpoint_check_place(c.disk, name, why);
    if (!e) e = take_name(&c);
    if (e) return e;
    e = db_flush(db);
    if (e) return failed(&c, e, "the flush before it: ", db_write_error(db));
    e = make_tmp(&c);
    if (e) return e;
    c.why = &cause;
    e = fill_tmp(&c);
    c.why = why;
    if (e) {
        remove_tmp(&c);
        return failed(&c, e, "", &cause);
    }
    disk_dir_close(c.dir);
    return publish(&c);
}
