/* shrink.c - see shrink.h. */
#include "proptests/shrink.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proptests/tape.h"

#define ROUNDS_MAX 10 /* of cutting and simplifying a tape */

/* ---- items ---- */

static size_t kept(const bool *keep, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += keep[i];
    return count;
}

/* Removes the `chunk` kept items from the `from`-th kept one on; true if it still fails. */
static bool try_without(bool *keep, size_t n, size_t from, size_t chunk, bool *trial,
                        shrink_items_fn *fails, void *arg)
{
    memcpy(trial, keep, n * sizeof *keep);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (!keep[i]) continue;
        if (at >= from && at < from + chunk) trial[i] = false;
        at++;
    }
    if (!fails(arg, trial, n)) return false;
    memcpy(keep, trial, n * sizeof *keep);
    return true;
}

size_t shrink_items(bool *keep, size_t n, unsigned attempts, shrink_items_fn *fails,
                    void *arg)
{
    size_t left = kept(keep, n);
    if (left == 0) return 0;
    bool *trial = malloc(n * sizeof *trial);
    if (!trial) abort();
    for (size_t chunk = left; chunk > 0;) {
        bool smaller = false;
        /* From the end: what comes late depends on what came before, seldom the other
         * way round. */
        for (size_t from = (left - 1) / chunk * chunk;; from -= chunk) {
            if (attempts-- == 0) goto done;
            if (from < left && try_without(keep, n, from, chunk, trial, fails, arg)) {
                left = kept(keep, n);
                smaller = true;
            }
            if (from == 0 || left == 0) break;
        }
        if (left == 0) break;
        if (chunk > 1) {
            chunk = (chunk + 1) / 2;
        } else if (!smaller) {
            break;
        }
    }
done:
    free(trial);
    return left;
}

/* ---- tapes ---- */

struct tape_trial {
    const uint8_t *tape;
    const struct tape_op *ops;
    uint8_t *scratch;
    shrink_tape_fn *fails;
    void *arg;
};

static size_t tape_assemble(const struct tape_trial *t, const bool *keep, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        if (!keep[i]) continue;
        memcpy(t->scratch + size, t->tape + t->ops[i].at, t->ops[i].bytes);
        size += t->ops[i].bytes;
    }
    return size;
}

static bool tape_still_fails(void *arg, const bool *keep, size_t n)
{
    struct tape_trial *t = arg;
    size_t size = tape_assemble(t, keep, n);
    return t->fails(t->arg, t->scratch, size);
}

/* Makes single bytes smaller: to 0, to half, by one. */
static void bytes_shrink(uint8_t *tape, size_t size, unsigned attempts,
                         shrink_tape_fn *fails, void *arg)
{
    bool smaller = true;
    while (smaller) {
        smaller = false;
        for (size_t i = 0; i < size; i++) {
            uint8_t old = tape[i], tries[] = {0, (uint8_t)(old / 2), (uint8_t)(old - 1)};
            for (size_t k = 0; k < sizeof tries && old > 0; k++) {
                if (tries[k] >= old) continue;
                if (attempts-- == 0) return;
                tape[i] = tries[k];
                if (fails(arg, tape, size)) {
                    smaller = true;
                    break;
                }
                tape[i] = old;
            }
        }
    }
}

/* Removes whole operations. */
static size_t operations_cut(uint8_t *tape, size_t size, unsigned attempts,
                             shrink_tape_fn *fails, void *arg)
{
    size_t n = 0;
    struct tape_op *ops = malloc((size + 1) * sizeof *ops);
    bool *keep = malloc((size + 1) * sizeof *keep);
    uint8_t *scratch = malloc(size + 1), *copy = malloc(size + 1);
    if (!ops || !keep || !scratch || !copy) abort();
    struct tape_reader r;
    tape_read(&r, tape, size);
    while (tape_next(&r, &ops[n]))
        keep[n++] = true;

    memcpy(copy, tape, size);
    struct tape_trial trial = {copy, ops, scratch, fails, arg};
    shrink_items(keep, n, attempts, tape_still_fails, &trial);
    size = tape_assemble(&trial, keep, n);
    memcpy(tape, scratch, size);

    free(copy);
    free(scratch);
    free(keep);
    free(ops);
    return size;
}

/* Smaller bytes may decode to more operations (a batch with fewer entries leaves the rest
 * over), so both steps take turns until nothing changes. */
size_t shrink_tape(uint8_t *tape, size_t size, unsigned attempts, shrink_tape_fn *fails,
                   void *arg)
{
    size_t before;
    int rounds = 0;
    do {
        before = tape_count(tape, size);
        size = operations_cut(tape, size, attempts, fails, arg);
        bytes_shrink(tape, size, attempts, fails, arg);
    } while (tape_count(tape, size) != before && ++rounds < ROUNDS_MAX);
    return size;
}
