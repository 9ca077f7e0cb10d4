/* Jobs on worker threads, one for each class.
 *
 *   owner: submit ---> inbox[class] (stack) ---> worker: run ---> done (stack) ---> reap
 *                      + semaphore                                + eventfd
 *
 * Both hand-overs are a push by compare-and-swap and a take-all by exchange: there is no
 * lock, because the compaction worker runs in the lowest scheduling class and may be
 * taken off its core for long; if that happened inside a lock the owner would wait with
 * it. A taken stack is reversed, so each class is served in the order of submission.
 *
 * Waking the owner: every finished job adds 1 to the eventfd, after it was pushed. The
 * owner does not read it on each reap (that would be a system call per loop turn), but
 * when it has found nothing to reap and knows that tokens of reaped jobs are still in
 * there. After the read it looks once more, for a job whose token it may have taken. */
#include "fault/sched.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

struct threads;

struct worker {
    struct threads *threads;
    pthread_t thread;
    enum job_class class;
    sem_t wake; /* counts submitted jobs, and the end */
    _Atomic(struct job *) inbox;
};

struct threads {
    struct sched sched;
    struct mem *mem;
    int fd; /* eventfd: finished jobs that the owner was not told of yet */
    atomic_bool stopping;
    _Atomic(struct job *) done;
    struct worker workers[JOB_CLASSES];
    /* The owner's. */
    struct job *ready; /* taken from `done`, oldest first */
    long outstanding;  /* submitted and not reaped */
    int64_t tokens;    /* reaped jobs less tokens read; negative: read ahead */
};

/* ---- hand-over ---- */

static void push(_Atomic(struct job *) *stack, struct job *job)
{
    struct job *top = atomic_load_explicit(stack, memory_order_relaxed);
    do
        job->next = top;
    while (!atomic_compare_exchange_weak_explicit(stack, &top, job, memory_order_release,
                                                  memory_order_relaxed));
}

/* Takes all, oldest first. */
static struct job *take_all(_Atomic(struct job *) *stack)
{
    struct job *job = atomic_exchange_explicit(stack, NULL, memory_order_acquire);
    struct job *oldest = NULL;
    while (job) {
        struct job *next = job->next;
        job->next = oldest;
        oldest = job;
        job = next;
    }
    return oldest;
}

static struct job *pop(struct job **list)
{
    struct job *job = *list;
    if (job) {
        *list = job->next;
        job->next = NULL;
    }
    return job;
}

/* ---- workers ---- */

/* Compactions may always wait. Where the class is refused, the lowest nice value; where
 * that is refused too, they compete like the others. Both calls mean this thread only. */
static void lower_priority(void)
{
    struct sched_param none = {0};
    if (pthread_setschedparam(pthread_self(), SCHED_IDLE, &none))
        (void)setpriority(PRIO_PROCESS, 0, 19);
}

static void tell_owner(struct threads *t)
{
    uint64_t one = 1;
    ssize_t n;
    do
        n = write(t->fd, &one, sizeof one);
    while (n < 0 && errno == EINTR);
    assert(n == sizeof one); /* the counter cannot overflow */
}

static void *work(void *arg)
{
    static const char *const names[] = {"riptide-sync", "riptide-meta", "riptide-flush",
                                        "riptide-compact"};
    static_assert(sizeof names / sizeof *names == JOB_CLASSES, "a name for each class");
    struct worker *w = arg;
    struct job *queue = NULL;
    pthread_setname_np(pthread_self(), names[w->class]);
    if (w->class == JOB_COMPACT) lower_priority();
    for (;;) {
        if (!queue) queue = take_all(&w->inbox);
        struct job *job = pop(&queue);
        if (job) {
            job->run(job);
            push(&w->threads->done, job);
            tell_owner(w->threads);
        } else if (atomic_load(&w->threads->stopping)) {
            return NULL;
        } else {
            while (sem_wait(&w->wake) < 0)
                assert(errno == EINTR);
        }
    }
}

/* ---- the owner's side ---- */

static void threads_submit(struct sched *sched, struct job *job)
{
    struct threads *t = (struct threads *)sched;
    assert(job->class < JOB_CLASSES);
    struct worker *w = &t->workers[job->class];
    t->outstanding++;
    push(&w->inbox, job);
    sem_post(&w->wake);
}

static bool any_ready(struct threads *t)
{
    if (!t->ready && atomic_load_explicit(&t->done, memory_order_relaxed))
        t->ready = take_all(&t->done);
    return t->ready;
}

static void read_tokens(struct threads *t)
{
    uint64_t n;
    if (read(t->fd, &n, sizeof n) == sizeof n) t->tokens -= (int64_t)n;
}

static struct job *threads_reap(struct sched *sched)
{
    struct threads *t = (struct threads *)sched;
    if (!any_ready(t)) {
        if (t->tokens <= 0) return NULL;
        read_tokens(t);
        if (!any_ready(t)) return NULL;
    }
    t->outstanding--;
    t->tokens++;
    return pop(&t->ready);
}

static void threads_wait(struct sched *sched, int timeout_ms)
{
    struct threads *t = (struct threads *)sched;
    while (!any_ready(t) && t->outstanding) {
        struct pollfd p = {t->fd, POLLIN, 0};
        int n = poll(&p, 1, timeout_ms);
        if (n == 1 && !any_ready(t)) read_tokens(t);
        if (n == 0) return;
    }
}

static void threads_yield(struct sched *sched)
{
    (void)sched; /* the kernel switches threads by itself */
}

static int threads_poll_fd(struct sched *sched)
{
    return ((struct threads *)sched)->fd;
}

/* ---- start and end ---- */

static void stop_workers(struct threads *t, unsigned count)
{
    atomic_store(&t->stopping, true);
    for (unsigned i = 0; i < count; i++)
        sem_post(&t->workers[i].wake);
    for (unsigned i = 0; i < count; i++) {
        pthread_join(t->workers[i].thread, NULL);
        sem_destroy(&t->workers[i].wake);
    }
}

/* Workers take no signals: they belong to the thread that waits for them. */
static unsigned start_workers(struct threads *t)
{
    sigset_t all, before;
    unsigned count = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    for (; count < JOB_CLASSES; count++) {
        struct worker *w = &t->workers[count];
        w->threads = t;
        w->class = (enum job_class)count;
        sem_init(&w->wake, 0, 0);
        if (!pthread_create(&w->thread, NULL, work, w)) continue;
        sem_destroy(&w->wake);
        break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return count;
}

static void threads_free(struct sched *sched)
{
    struct threads *t = (struct threads *)sched;
    assert(t->outstanding == 0);
    stop_workers(t, JOB_CLASSES);
    close(t->fd);
    mem_free(t->mem, t);
}

struct sched *sched_threads_new(struct mem *mem)
{
    struct threads *t = mem_zalloc(mem, sizeof *t);
    if (!t) return NULL;
    t->sched = (struct sched){threads_submit, threads_reap,    threads_wait,
                              threads_yield,  threads_poll_fd, threads_free};
    t->mem = mem;
    t->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (t->fd < 0) goto fail_memory;
    unsigned started = start_workers(t);
    if (started == JOB_CLASSES) return &t->sched;
    stop_workers(t, started);
    close(t->fd);
fail_memory:
    mem_free(mem, t);
    return NULL;
}
