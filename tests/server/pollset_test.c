#include "tests/support/check.h"

#include <errno.h>

#include "server/pollset.h"

/* A network that says ready for the handles in a table. */
struct fake_net {
    struct net net;
    short revents[1000]; /* by handle */
    int answer;          /* of poll when negative */
    int timeout_ms;
};

static int fake_poll(struct net *net, struct pollfd *fds, size_t n, int timeout_ms)
{
    struct fake_net *f = (struct fake_net *)net;
    int ready = 0;
    f->timeout_ms = timeout_ms;
    if (f->answer < 0) return f->answer;
    for (size_t i = 0; i < n; i++) {
        fds[i].revents = f->revents[fds[i].fd] & (short)(fds[i].events | POLLHUP);
        ready += fds[i].revents != 0;
    }
    return ready;
}

struct fixture {
    struct fake_net net;
    struct pollset set;
    struct poll_item items[1000];
};

static void fixture_init(struct fixture *f, int n)
{
    memset(f, 0, sizeof *f);
    f->net.net.poll = fake_poll;
    pollset_init(&f->set, mem_libc(), &f->net.net);
    for (int i = 0; i < n; i++) {
        f->items[i] = (struct poll_item){.handle = i, .events = POLLIN};
        REQUIRE_INT(pollset_add(&f->set, &f->items[i]), ERR_OK);
    }
}

static void exactly_the_ready_items_come_out(void)
{
    static struct fixture f;
    fixture_init(&f, 1000);
    f.net.revents[3] = POLLIN;
    f.net.revents[999] = POLLIN;
    f.net.revents[500] = POLLOUT; /* not asked for */

    CHECK_INT(pollset_wait(&f.set, 42), 0);

    CHECK_INT(f.net.timeout_ms, 42);
    CHECK_INT(f.set.ready_count, 2);
    CHECK(f.set.ready[0] == &f.items[3] && f.set.ready[1] == &f.items[999]);
    CHECK_INT(f.items[3].ready, POLLIN);
    f.net.revents[3] = 0;
    pollset_wait(&f.set, 0);
    CHECK_INT(f.items[3].ready, 0);
    pollset_deinit(&f.set);
}

static void what_is_wanted_can_change(void)
{
    static struct fixture f;
    fixture_init(&f, 3);
    f.net.revents[1] = POLLIN | POLLOUT;

    pollset_want(&f.set, &f.items[1], POLLOUT);
    pollset_wait(&f.set, 0);
    CHECK_INT(f.items[1].ready, POLLOUT);
    pollset_want(&f.set, &f.items[1], 0);
    pollset_wait(&f.set, 0);

    CHECK_INT(f.set.ready_count, 0);
    pollset_deinit(&f.set);
}

static void a_removed_item_is_not_waited_for_and_the_others_are(void)
{
    static struct fixture f;
    fixture_init(&f, 10);
    for (int i = 0; i < 10; i++)
        f.net.revents[i] = POLLIN;
    for (int i = 0; i < 10; i += 2)
        pollset_remove(&f.set, &f.items[i]);

    pollset_wait(&f.set, 0);

    CHECK_INT(f.set.ready_count, 5);
    for (size_t i = 0; i < f.set.ready_count; i++)
        CHECK_INT(f.set.ready[i]->handle % 2, 1);
    pollset_deinit(&f.set);
}

static void an_item_removed_while_ready_is_no_longer_among_the_ready(void)
{
    static struct fixture f;
    fixture_init(&f, 3);
    for (int i = 0; i < 3; i++)
        f.net.revents[i] = POLLIN;
    pollset_wait(&f.set, 0);

    pollset_remove(&f.set, &f.items[1]);

    CHECK(f.set.ready[0] == &f.items[0]);
    CHECK(f.set.ready[1] == NULL);
    CHECK(f.set.ready[2] == &f.items[2]);
    pollset_deinit(&f.set);
}

static void an_interrupted_wait_is_an_empty_one_and_errors_are_told(void)
{
    static struct fixture f;
    fixture_init(&f, 3);
    f.net.answer = -EINTR;
    CHECK_INT(pollset_wait(&f.set, 0), 0);
    f.net.answer = -ENOMEM;
    CHECK_INT(pollset_wait(&f.set, 0), -ENOMEM);
    CHECK_INT(f.set.ready_count, 0);
    pollset_deinit(&f.set);
}

static void without_memory_the_item_is_not_in_the_set(void)
{
    struct mem_counting mem;
    struct pollset set;
    struct poll_item item = {.handle = 1};
    for (long k = 1; k <= 3; k++) {
        mem_counting_init(&mem, mem_libc());
        pollset_init(&set, &mem.mem, NULL);
        mem.fail_at = k;
        CHECK_INT(pollset_add(&set, &item), ERR_NOMEM);
        CHECK_INT(set.count, 0);
        CHECK_INT(pollset_add(&set, &item), ERR_OK);
        pollset_deinit(&set);
        CHECK_INT(mem.blocks, 0);
    }
}

CU_TestInfo server_pollset_tests[] = {
    {"exactly_the_ready_items_come_out", exactly_the_ready_items_come_out},
    {"what_is_wanted_can_change", what_is_wanted_can_change},
    {"a_removed_item_is_not_waited_for_and_the_others_are",
     a_removed_item_is_not_waited_for_and_the_others_are},
    {"an_item_removed_while_ready_is_no_longer_among_the_ready",
     an_item_removed_while_ready_is_no_longer_among_the_ready},
    {"an_interrupted_wait_is_an_empty_one_and_errors_are_told",
     an_interrupted_wait_is_an_empty_one_and_errors_are_told},
    {"without_memory_the_item_is_not_in_the_set",
     without_memory_the_item_is_not_in_the_set},
    CU_TEST_INFO_NULL,
};
