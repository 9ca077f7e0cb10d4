#include "tests/bench/bench_store.h"

#include <lmdb.h>
#include <stdlib.h>
#include <sys/stat.h>

struct lm {
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *read; /* reused while nothing was written */
    MDB_cursor *cursor;
};

static void check(int rc)
{
    if (rc) bench_die("lmdb: %s", mdb_strerror(rc));
}

static void *lm_open(const struct bench_config *config)
{
    struct lm *s = calloc(1, sizeof *s);
    mkdir(config->dir, 0777);
    check(mdb_env_create(&s->env));
    check(mdb_env_set_mapsize(s->env, (size_t)8 << 30));
    check(mdb_env_open(s->env, config->dir,
                       config->sync ? 0 : MDB_NOSYNC | MDB_NOMETASYNC, 0664));
    MDB_txn *txn;
    check(mdb_txn_begin(s->env, NULL, 0, &txn));
    check(mdb_dbi_open(txn, NULL, 0, &s->dbi));
    check(mdb_txn_commit(txn));
    return s;
}

static void end_read(struct lm *s)
{
    if (s->cursor) mdb_cursor_close(s->cursor);
    if (s->read) mdb_txn_abort(s->read);
    s->cursor = NULL;
    s->read = NULL;
}

static MDB_txn *begin_read(struct lm *s)
{
    if (!s->read) check(mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->read));
    return s->read;
}

static void lm_close(void *store)
{
    struct lm *s = store;
    end_read(s);
    mdb_env_close(s->env);
    free(s);
}

static MDB_val val(struct bench_span s)
{
    return (MDB_val){s.size, (void *)s.data};
}

static void lm_put_batch(void *store, const struct bench_span *keys,
                         const struct bench_span *values, size_t n)
{
    struct lm *s = store;
    MDB_txn *txn;
    end_read(s);
    check(mdb_txn_begin(s->env, NULL, 0, &txn));
    for (size_t i = 0; i < n; i++) {
        MDB_val k = val(keys[i]), v = val(values[i]);
        check(mdb_put(txn, s->dbi, &k, &v, 0));
    }
    check(mdb_txn_commit(txn));
}

static void lm_put(void *store, struct bench_span key, struct bench_span value)
{
    lm_put_batch(store, &key, &value, 1);
}

static void lm_remove(void *store, struct bench_span key)
{
    struct lm *s = store;
    MDB_txn *txn;
    end_read(s);
    check(mdb_txn_begin(s->env, NULL, 0, &txn));
    MDB_val k = val(key);
    int rc = mdb_del(txn, s->dbi, &k, NULL);
    if (rc != MDB_NOTFOUND) check(rc);
    check(mdb_txn_commit(txn));
}

static bool lm_get(void *store, struct bench_span key, uint64_t *sum)
{
    struct lm *s = store;
    MDB_val k = val(key), v;
    int rc = mdb_get(begin_read(s), s->dbi, &k, &v);
    if (rc == MDB_NOTFOUND) return false;
    check(rc);
    *sum += ((unsigned char *)v.mv_data)[0] + v.mv_size;
    return true;
}

static MDB_cursor *cursor(struct lm *s)
{
    if (!s->cursor) check(mdb_cursor_open(begin_read(s), s->dbi, &s->cursor));
    return s->cursor;
}

static size_t walk(struct lm *s, MDB_val *k, size_t n, MDB_cursor_op first,
                   MDB_cursor_op next, uint64_t *sum)
{
    MDB_val v;
    size_t i = 0;
    int rc = mdb_cursor_get(cursor(s), k, &v, first);
    for (; rc == 0 && i < n; i++) {
        *sum += ((unsigned char *)v.mv_data)[0] + v.mv_size;
        rc = mdb_cursor_get(s->cursor, k, &v, next);
    }
    return i;
}

static size_t lm_scan(void *store, struct bench_span key, size_t n, uint64_t *sum)
{
    MDB_val k = val(key);
    return walk(store, &k, n, MDB_SET_RANGE, MDB_NEXT, sum);
}

static size_t lm_scan_back(void *store, size_t n, uint64_t *sum)
{
    MDB_val k;
    return walk(store, &k, n, MDB_LAST, MDB_PREV, sum);
}

static void lm_settle(void *store)
{
    (void)store;
}

const struct bench_store bench_lmdb = {
    .name = "lmdb",
    .open = lm_open,
    .close = lm_close,
    .put = lm_put,
    .remove = lm_remove,
    .put_batch = lm_put_batch,
    .get = lm_get,
    .scan = lm_scan,
    .scan_back = lm_scan_back,
    .settle = lm_settle,
};
