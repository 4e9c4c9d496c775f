/* loop.c - the event loop: turns, deferred calls, posts.
 * Invariants:
 *  1. All work of a turn that is not input happens in run_turn, after the poll: posts in order,
 *     due timers, handshakes put off, then the calls deferred so far.
 *  2. While anything is deferred, the idle handle keeps the poll from blocking.
 *  3. A post is pushed on an atomic list; who finds the list empty wakes the loop. So a wake-up is
 *     never lost, and a thousand posts cost one.
 *  4. The clock is read at most once a turn (now_ok), plus once for the lag.
 * SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "net_int.h"

struct posted { /* of sh_loop_post */
    struct sh_job job;
    struct sh_loop *loop;
    void (*fn)(void *ctx);
    void *ctx;
};

static void read_clock(struct sh_loop *l)
{
    if (!l->now_ok) {
        l->now_us = sh_mono_us(l->env->clock);
        l->wall_us = sh_wall_us(l->env->clock);
        l->now_ok = true;
    }
}

int64_t sh_loop_now_us(struct sh_loop *l)
{
    read_clock(l);
    return l->now_us;
}

int64_t sh_loop_wall_us(struct sh_loop *l)
{
    read_clock(l);
    return l->wall_us;
}

const struct sh_env *sh_loop_env(const struct sh_loop *l)
{
    return l->env;
}

static void run_posts(struct sh_loop *l)
{
    struct sh_job *list = atomic_exchange_explicit(&l->posts, NULL, memory_order_acquire);
    struct sh_job *first = NULL;
    while (list != NULL) { /* newest first: turn it round */
        struct sh_job *j = list;
        list = j->next;
        j->next = first;
        first = j;
    }
    while (first != NULL) {
        struct sh_job *j = first;
        first = j->next;
        j->next = NULL;
        net_add(&l->n.posts, 1);
        j->fn(j->ctx);
    }
}

static void pop_deferred(struct sh_loop *l, struct sh_job *j)
{
    SH_ASSERT(j->prev != NULL); /* it is in the list */
    *j->prev = j->next;
    if (j->next != NULL) {
        j->next->prev = j->prev;
    } else {
        l->deferred_tail = j->prev;
    }
    j->next = NULL;
    j->prev = NULL;
}

static void push_deferred(struct sh_loop *l, struct sh_job *j)
{
    j->next = NULL;
    j->prev = l->deferred_tail;
    *l->deferred_tail = j;
    l->deferred_tail = &j->next;
}

/* Runs what is deferred now; what these defer waits for the next turn. */
static void run_deferred(struct sh_loop *l)
{
    if (l->deferred == NULL) {
        return;
    }
    push_deferred(l, &l->mark);
    for (struct sh_job *j = l->deferred; j != &l->mark; j = l->deferred) {
        pop_deferred(l, j);
        j->fn(j->ctx);
    }
    pop_deferred(l, &l->mark);
}

static bool busy(struct sh_loop *l)
{
    return l->deferred != NULL || atomic_load_explicit(&l->posts, memory_order_relaxed) != NULL;
}

static void on_idle(uv_idle_t *h)
{
    SH_UNUSED(h);
}

static void set_idle(struct sh_loop *l)
{
    const bool want = l->deferred != NULL;
    if (want != l->idling) {
        l->idling = want;
        if (want) {
            (void)uv_idle_start(&l->idle, on_idle);
        } else {
            (void)uv_idle_stop(&l->idle);
        }
    }
}

static void run_turn(struct sh_loop *l)
{
    const int64_t begin = sh_loop_now_us(l);
    run_posts(l);
    net_wheel_run(&l->wheel, begin / 1000);
    l->accepts_left = l->accepts_per_turn;
    l->handshakes_left = l->handshakes_per_turn;
    net_tls_turn(l);
    run_deferred(l);
    set_idle(l);
    net_add(&l->n.turns, 1);
    const int64_t took = sh_mono_us(l->env->clock) - begin;
    if (took > 0 && (uint64_t)took > net_get(&l->n.lag_max_us)) {
        atomic_store_explicit(&l->n.lag_max_us, (uint64_t)took, memory_order_relaxed);
    }
    l->now_ok = false;
    if (atomic_load_explicit(&l->stop, memory_order_acquire)) {
        uv_stop(&l->uv);
    }
}

static void on_check(uv_check_t *h)
{
    run_turn(h->data);
}

static void on_alarm(uv_timer_t *h)
{
    struct sh_loop *l = h->data;
    l->alarm_ms = 0;
}

/* Before the poll: makes it end in time for the next timer. */
static void on_prepare(uv_prepare_t *h)
{
    struct sh_loop *l = h->data;
    l->now_ok = false;
    const int64_t next = net_wheel_next(&l->wheel);
    if (next == l->alarm_ms || (next == INT64_MAX && l->alarm_ms == 0)) {
        return;
    }
    if (next == INT64_MAX) {
        (void)uv_timer_stop(&l->alarm);
        l->alarm_ms = 0;
        return;
    }
    const int64_t wait = next - sh_mono_us(l->env->clock) / 1000;
    uv_update_time(&l->uv);
    (void)uv_timer_start(&l->alarm, on_alarm, wait > 0 ? (uint64_t)wait : 0, 0);
    l->alarm_ms = next;
}

static void on_wake(uv_async_t *h)
{
    SH_UNUSED(h); /* the turn does the work */
}

static sh_err start_handles(struct sh_loop *l)
{
    if (uv_loop_init(&l->uv) != 0) {
        return SH_E_IO;
    }
    /* Of these only the first two can fail. */
    if (uv_async_init(&l->uv, &l->wake, on_wake) != 0) {
        (void)uv_loop_close(&l->uv);
        return SH_E_IO;
    }
    const sh_err e = net_poll_open(l);
    if (e != SH_OK) {
        uv_close((uv_handle_t *)&l->wake, NULL);
        (void)uv_run(&l->uv, UV_RUN_DEFAULT);
        (void)uv_loop_close(&l->uv);
        return e;
    }
    (void)uv_check_init(&l->uv, &l->check);
    (void)uv_prepare_init(&l->uv, &l->prepare);
    (void)uv_idle_init(&l->uv, &l->idle);
    (void)uv_timer_init(&l->uv, &l->alarm);
    l->check.data = l;
    l->prepare.data = l;
    l->alarm.data = l;
    (void)uv_check_start(&l->check, on_check);
    (void)uv_prepare_start(&l->prepare, on_prepare);
    return SH_OK;
}

static unsigned dflt(unsigned v, unsigned d)
{
    return v == 0 ? d : v;
}

/* libcurl and OpenSSL may write to a peer that has gone: that must not end the process. */
static void block_sigpipe(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

sh_err sh_loop_new(const struct sh_env *env, const struct sh_loop_opts *opts, struct sh_loop **out)
{
    struct sh_loop_opts o = {0};
    if (opts != NULL) {
        o = *opts;
    }
    struct sh_loop *l = sh_mem_new(env->alloc, sizeof *l);
    if (l == NULL) {
        return SH_E_NOMEM;
    }
    l->env = env;
    l->read_buf = sh_mem_new(env->alloc, NET_READ_BUF);
    if (l->read_buf == NULL) {
        sh_mem_free(env->alloc, l);
        return SH_E_NOMEM;
    }
    block_sigpipe();
    l->deferred_tail = &l->deferred;
    l->tls_waiting_tail = &l->tls_waiting;
    atomic_init(&l->posts, NULL);
    atomic_init(&l->posts_queued, 0);
    atomic_init(&l->stop, false);
    atomic_init(&l->thread, (uintptr_t)pthread_self());
    l->post_max = o.post_max == 0 ? 16384 : o.post_max;
    l->accepts_per_turn = dflt(o.accepts_per_turn, 256);
    l->handshakes_per_turn = dflt(o.handshakes_per_turn, 16);
    l->accepts_left = l->accepts_per_turn;
    l->handshakes_left = l->handshakes_per_turn;
    net_wheel_init(&l->wheel, sh_loop_now_us(l) / 1000);
    const sh_err e = start_handles(l);
    if (e != SH_OK) {
        sh_mem_free(env->alloc, l->read_buf);
        sh_mem_free(env->alloc, l);
        return e;
    }
    *out = l;
    return SH_OK;
}

static void must_be_closing(uv_handle_t *h, void *ctx)
{
    SH_UNUSED(ctx);
    SH_ASSERT(uv_is_closing(h)); /* something on the loop was not closed by its owner */
}

void sh_loop_free(struct sh_loop *l)
{
    if (l == NULL) {
        return;
    }
    while (sh_loop_turn(l)) {
    }
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->check, NULL);
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    uv_close((uv_handle_t *)&l->alarm, NULL);
    net_poll_close(l);
    /* Streams that were closed just now end here too, and name look-ups that were cancelled while
     * they ran; their callbacks may still defer. */
    do {
        uv_walk(&l->uv, must_be_closing, NULL);
        (void)uv_run(&l->uv, UV_RUN_DEFAULT);
        run_posts(l);
        run_deferred(l);
    } while (busy(l));
    SH_ASSERT(uv_loop_close(&l->uv) == 0);
    while (l->spare != NULL) {
        struct net_out *o = l->spare;
        l->spare = o->next;
        sh_mem_free(l->env->alloc, o);
    }
    sh_mem_free(l->env->alloc, l->tls_plain);
    sh_mem_free(l->env->alloc, l->read_buf);
    sh_mem_free(l->env->alloc, l);
}

void sh_loop_run(struct sh_loop *l)
{
    block_sigpipe();
    atomic_store_explicit(&l->thread, (uintptr_t)pthread_self(), memory_order_relaxed);
    while (!atomic_exchange_explicit(&l->stop, false, memory_order_acq_rel)) {
        (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    }
}

void sh_loop_stop(struct sh_loop *l)
{
    atomic_store_explicit(&l->stop, true, memory_order_release);
    (void)uv_async_send(&l->wake);
}

bool sh_loop_turn(struct sh_loop *l)
{
    atomic_store_explicit(&l->thread, (uintptr_t)pthread_self(), memory_order_relaxed);
    (void)uv_run(&l->uv, UV_RUN_NOWAIT);
    return busy(l);
}

void sh_loop_settle(struct sh_loop *l, unsigned max_turns)
{
    while (max_turns > 0 && sh_loop_turn(l)) {
        max_turns--;
    }
}

bool sh_loop_here(const struct sh_loop *l)
{
    return atomic_load_explicit(&l->thread, memory_order_relaxed) == (uintptr_t)pthread_self();
}

void sh_loop_defer(struct sh_loop *l, struct sh_job *job)
{
    if (job->prev == NULL) {
        push_deferred(l, job);
        set_idle(l);
    }
}

void sh_job_cancel(struct sh_loop *l, struct sh_job *job)
{
    if (job->prev != NULL) {
        pop_deferred(l, job);
    }
}

void sh_loop_post_job(struct sh_loop *l, struct sh_job *job)
{
    struct sh_job *head = atomic_load_explicit(&l->posts, memory_order_relaxed);
    do {
        job->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&l->posts, &head, job, memory_order_release,
                                                    memory_order_relaxed));
    if (head == NULL) {
        (void)uv_async_send(&l->wake);
    }
}

static void run_posted(void *ctx)
{
    struct posted *p = ctx;
    void (*fn)(void *) = p->fn;
    void *fn_ctx = p->ctx;
    (void)atomic_fetch_sub_explicit(&p->loop->posts_queued, 1, memory_order_relaxed);
    sh_mem_free(p->loop->env->alloc, p);
    fn(fn_ctx);
}

sh_err sh_loop_post(struct sh_loop *l, void (*fn)(void *ctx), void *ctx)
{
    if (atomic_fetch_add_explicit(&l->posts_queued, 1, memory_order_relaxed) >= l->post_max) {
        (void)atomic_fetch_sub_explicit(&l->posts_queued, 1, memory_order_relaxed);
        (void)atomic_fetch_add_explicit(&l->n.posts_refused, 1, memory_order_relaxed);
        return SH_E_LIMIT;
    }
    struct posted *p = sh_mem_new(l->env->alloc, sizeof *p);
    if (p == NULL) {
        (void)atomic_fetch_sub_explicit(&l->posts_queued, 1, memory_order_relaxed);
        return SH_E_NOMEM;
    }
    *p = (struct posted){.job = {.fn = run_posted, .ctx = p}, .loop = l, .fn = fn, .ctx = ctx};
    sh_loop_post_job(l, &p->job);
    return SH_OK;
}

void sh_loop_stats(struct sh_loop *l, struct sh_net_stats *out, bool reset_max)
{
    const struct net_counts *n = &l->n;
    *out = (struct sh_net_stats){
        .turns = net_get(&n->turns),
        .posts = net_get(&n->posts),
        .posts_refused = net_get(&n->posts_refused),
        .posts_queued = atomic_load_explicit(&l->posts_queued, memory_order_relaxed),
        .lag_max_us = net_get(&n->lag_max_us),
        .accepted = net_get(&n->accepted),
        .accept_refused = net_get(&n->accept_refused),
        .accept_errors = net_get(&n->accept_errors),
        .connected = net_get(&n->connected),
        .connect_failed = net_get(&n->connect_failed),
        .streams = net_get(&n->streams),
        .bytes_in = net_get(&n->bytes_in),
        .bytes_out = net_get(&n->bytes_out),
        .queued_bytes = net_get(&n->queued_bytes),
        .tls_handshakes = net_get(&n->tls_handshakes),
        .tls_resumed = net_get(&n->tls_resumed),
        .tls_failed = net_get(&n->tls_failed),
        .tls_waiting = net_get(&n->tls_waiting),
        .udp_in = net_get(&n->udp_in),
        .udp_out = net_get(&n->udp_out),
        .udp_dropped = net_get(&n->udp_dropped),
    };
    if (reset_max) {
        atomic_store_explicit(&l->n.lag_max_us, 0, memory_order_relaxed);
    }
}
