/* fair.c - see fair.h.
 *
 * The state word: LOCKED; WAITERS (the queue is not empty); WOKEN (its first one was woken and
 * looks at the lock next); STARVING (its first one has waited too long).
 * Invariants:
 *  1. WAITERS, WOKEN and STARVING change under `m` only; LOCKED also without it.
 *  2. A thread sleeps only after it saw, under `m`, LOCKED and WAITERS set in one word. So the
 *     holder, who finds WAITERS, takes `m` before it signals, and no signal is lost.
 *  3. With STARVING nobody takes the lock but the first of the queue, to whom the holder gives it:
 *     LOCKED then stays set.
 *  4. Only the first of the queue is ever woken.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fair.h>

#include <time.h>

enum { LOCKED = 1, WAITERS = 2, WOKEN = 4, STARVING = 8, SPINS = 100 };

struct sh_fair_waiter {
    struct sh_fair_waiter *next;
    struct sh_cond cond;
    bool granted;
};

void sh_fair_init(struct sh_fair *f)
{
    atomic_init(&f->state, 0);
    atomic_init(&f->holder, 0);
    atomic_init(&f->waits, 0);
    atomic_init(&f->parks, 0);
    f->spins = sh_processors() > 1 ? SPINS : 0;
    sh_mutex_init(&f->m);
    f->first = NULL;
    f->last = &f->first;
}

void sh_fair_fini(struct sh_fair *f)
{
    SH_ASSERT(atomic_load(&f->state) == 0);
    sh_mutex_fini(&f->m);
}

static bool swap(struct sh_fair *f, unsigned *was, unsigned now)
{
    return atomic_compare_exchange_weak_explicit(&f->state, was, now, memory_order_acq_rel,
                                                 memory_order_relaxed);
}

/* Changes bits under `m`; LOCKED stays as it is. */
static void mark(struct sh_fair *f, unsigned set, unsigned clear)
{
    unsigned s = atomic_load_explicit(&f->state, memory_order_relaxed);
    while (!swap(f, &s, (s | set) & ~clear)) {
    }
}

static void took(struct sh_fair *f)
{
    atomic_store_explicit(&f->holder, (uintptr_t)pthread_self(), memory_order_relaxed);
}

static bool spin(struct sh_fair *f)
{
    for (unsigned i = 0; i < f->spins; i++) {
        unsigned s = atomic_load_explicit(&f->state, memory_order_relaxed);
        if ((s & STARVING) != 0) {
            return false;
        }
        if ((s & LOCKED) == 0 && swap(f, &s, s | LOCKED)) {
            return true;
        }
        sh_cpu_relax();
    }
    return false;
}

static int64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Under `m`. It leaves the queue before the memory of w ends (park). */
static void join_queue(struct sh_fair *f, struct sh_fair_waiter *w)
{
    *f->last = w;
    f->last = &w->next;
}

static void leave_queue(struct sh_fair *f)
{
    f->first = f->first->next;
    if (f->first == NULL) {
        f->last = &f->first;
    }
}

/* Under `m`, the first of the queue: takes the lock when it is free, and leaves the queue. */
static bool take_as_first(struct sh_fair *f)
{
    unsigned s = atomic_load_explicit(&f->state, memory_order_relaxed);
    while ((s & LOCKED) == 0) {
        const unsigned more = f->first->next != NULL ? WAITERS : 0;
        if (swap(f, &s, LOCKED | more)) {
            leave_queue(f);
            return true;
        }
    }
    return false;
}

/* Under `m`: sets WAITERS while it is held. False: it is free. */
static bool announce(struct sh_fair *f)
{
    unsigned s = atomic_load_explicit(&f->state, memory_order_relaxed);
    while ((s & LOCKED) != 0) {
        if ((s & WAITERS) != 0 || swap(f, &s, s | WAITERS)) {
            return true;
        }
    }
    return false;
}

static void park(struct sh_fair *f)
{
    struct sh_fair_waiter w = {.granted = false};
    const int64_t since = now_us();
    sh_cond_init(&w.cond);
    sh_mutex_lock(&f->m);
    join_queue(f, &w);
    while (!w.granted) {
        if (f->first == &w && take_as_first(f)) {
            break;
        }
        if (f->first == &w && !announce(f)) {
            continue;
        }
        if (f->first == &w && now_us() - since >= SH_FAIR_WAIT_US) {
            mark(f, STARVING, 0);
        }
        (void)atomic_fetch_add_explicit(&f->parks, 1, memory_order_relaxed);
        sh_cond_wait(&w.cond, &f->m);
        if (!w.granted) {
            mark(f, 0, WOKEN);
        }
    }
    sh_mutex_unlock(&f->m);
    sh_cond_fini(&w.cond);
}

void sh_fair_lock(struct sh_fair *f)
{
    unsigned s = 0;
    if (!swap(f, &s, LOCKED)) {
        (void)atomic_fetch_add_explicit(&f->waits, 1, memory_order_relaxed);
        if (!spin(f)) {
            park(f);
        }
    }
    took(f);
}

/* There are waiters: wakes the first, or gives it the lock. */
static void pass_on(struct sh_fair *f)
{
    sh_mutex_lock(&f->m);
    struct sh_fair_waiter *w = f->first;
    SH_ASSERT(w != NULL); /* only the holder, or who takes a free lock, shortens the queue */
    if ((atomic_load_explicit(&f->state, memory_order_relaxed) & STARVING) != 0) {
        leave_queue(f);
        mark(f, 0, WOKEN | STARVING | (f->first == NULL ? WAITERS : 0U));
        w->granted = true;
        sh_cond_signal(&w->cond);
    } else {
        mark(f, WOKEN, LOCKED);
        sh_cond_signal(&w->cond);
    }
    sh_mutex_unlock(&f->m);
}

void sh_fair_unlock(struct sh_fair *f)
{
    atomic_store_explicit(&f->holder, 0, memory_order_relaxed);
    unsigned s = LOCKED;
    do {
        if ((s & WAITERS) != 0 && (s & (WOKEN | STARVING)) != WOKEN) {
            pass_on(f);
            return;
        }
    } while (!swap(f, &s, s & ~(unsigned)LOCKED));
}

bool sh_fair_held(const struct sh_fair *f)
{
    return atomic_load_explicit(&f->holder, memory_order_relaxed) == (uintptr_t)pthread_self();
}

bool sh_fair_wanted(const struct sh_fair *f)
{
    return (atomic_load_explicit(&f->state, memory_order_relaxed) & WAITERS) != 0;
}

void sh_fair_stats(const struct sh_fair *f, struct sh_fair_stats *out)
{
    *out = (struct sh_fair_stats){
        .waits = atomic_load_explicit(&f->waits, memory_order_relaxed),
        .parks = atomic_load_explicit(&f->parks, memory_order_relaxed),
    };
}
