/* loop.h - one event loop per thread (over libuv), its timers, deferred calls and posts from other
 * threads. A loop and all that hangs on it (timers, streams, servers) belong to the thread that
 * runs it; only sh_loop_post, sh_loop_post_job, sh_loop_stop, sh_loop_here and sh_loop_stats may be
 * called from elsewhere. Time comes from env->clock, so a test drives it with sh_loop_turn and a
 * fake clock. Callbacks are always asynchronous: no function here calls back before it returns.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_LOOP_H
#define SH_LOOP_H

#include <sh/base.h>

struct sh_loop;

enum { SH_LOOPS_MAX = 32 }; /* of one process that share listeners */

struct sh_loop_opts {
    size_t post_max;              /* queued sh_loop_post calls; 0 = 16384 */
    unsigned accepts_per_turn;    /* over all listeners of the loop; 0 = 256 */
    unsigned handshakes_per_turn; /* TLS handshake steps; 0 = 16 (about 4 ms) */
};

/* opts may be NULL. SH_E_NOMEM, SH_E_IO (no file descriptors). */
SH_MUST_CHECK sh_err sh_loop_new(const struct sh_env *env, const struct sh_loop_opts *opts,
                                 struct sh_loop **out);
/* Not while it runs, and after everything on it was closed (listeners, streams, servers). Runs what
 * is still posted or deferred, so that contexts are released. NULL is accepted. */
void sh_loop_free(struct sh_loop *l);
const struct sh_env *sh_loop_env(const struct sh_loop *l);

/* Blocks and serves until sh_loop_stop. The calling thread becomes the loop's thread; SIGPIPE is
 * blocked in it (and in the thread that made the loop). */
void sh_loop_run(struct sh_loop *l);
/* Any thread. The current turn is finished, then sh_loop_run returns. A stop before run makes run
 * return at once; each stop ends one run. */
void sh_loop_stop(struct sh_loop *l);
/* One turn without blocking: posts, input, due timers, deferred calls. For tests and for closing
 * down. Returns true when something is still deferred or posted. */
bool sh_loop_turn(struct sh_loop *l);
/* Turns until nothing is deferred or posted any more, at most max_turns. */
void sh_loop_settle(struct sh_loop *l, unsigned max_turns);
/* Is the caller the thread that runs (or last ran, or made) this loop? */
bool sh_loop_here(const struct sh_loop *l);

/* Monotonic and wall time, read once a turn. */
int64_t sh_loop_now_us(struct sh_loop *l);
int64_t sh_loop_wall_us(struct sh_loop *l);

/* ---- jobs: deferred calls and posts ---- */

/* Embedded in its owner; zero-initialised, then fn and ctx set. Queued at most once at a time. */
struct sh_job {
    struct sh_job *next;
    struct sh_job **prev; /* not NULL while deferred */
    void (*fn)(void *ctx);
    void *ctx;
};
/* Loop thread. Runs job->fn at the end of this turn or in the next; does nothing when it is already
 * deferred. */
void sh_loop_defer(struct sh_loop *l, struct sh_job *job);
/* Loop thread. Takes a deferred job back; does nothing when it is not deferred. */
void sh_job_cancel(struct sh_loop *l, struct sh_job *job);
/* Any thread. Runs fn(ctx) on the loop, in the order of posting (per posting thread, and together
 * with sh_loop_post_job). Always runs, at the latest in sh_loop_free.
 * SH_E_LIMIT: post_max are queued; SH_E_NOMEM. */
SH_MUST_CHECK sh_err sh_loop_post(struct sh_loop *l, void (*fn)(void *ctx), void *ctx);
/* Any thread. As sh_loop_post with the caller's own job, so it cannot fail. The job must stay
 * untouched until its fn is called (fn may free it). */
void sh_loop_post_job(struct sh_loop *l, struct sh_job *job);

/* ---- timers: a wheel of 1 ms ticks; 40 bytes each, embedded in the owner ---- */

struct sh_timer {
    struct sh_timer *next;
    struct sh_timer **prev; /* not NULL while set */
    int64_t due_ms;
    void (*fn)(void *ctx);
    void *ctx;
};
void sh_timer_init(struct sh_timer *t, void (*fn)(void *ctx), void *ctx);
/* Sets or moves it: fn runs once, not before after_us from now (rounded up to a tick; <= 0: the
 * next tick). Loop thread. O(1). Timers of one tick run in no particular order. */
void sh_timer_set(struct sh_loop *l, struct sh_timer *t, int64_t after_us);
void sh_timer_stop(struct sh_timer *t); /* also when not set */
static inline bool sh_timer_is_set(const struct sh_timer *t)
{
    return t->prev != NULL;
}

/* ---- numbers for /metrics ---- */

struct sh_net_stats {
    uint64_t turns;
    uint64_t posts;         /* jobs handed over from other threads */
    uint64_t posts_refused; /* SH_E_LIMIT of sh_loop_post */
    uint64_t posts_queued;  /* now */
    uint64_t lag_max_us;    /* longest turn since the last sh_loop_stats with reset */
    uint64_t accepted;
    uint64_t accept_refused; /* over a listener's max_conns */
    uint64_t accept_errors;
    uint64_t connected; /* outgoing */
    uint64_t connect_failed;
    uint64_t streams; /* open now */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t queued_bytes; /* waiting to be sent, now */
    uint64_t tls_handshakes;
    uint64_t tls_resumed;
    uint64_t tls_failed;
    uint64_t tls_waiting; /* handshakes put off to a later turn, now */
    uint64_t udp_in;
    uint64_t udp_out;
    uint64_t udp_dropped;
};
/* Any thread; each number is whole, the set is not one instant. */
void sh_loop_stats(struct sh_loop *l, struct sh_net_stats *out, bool reset_max);

#endif /* SH_LOOP_H */
