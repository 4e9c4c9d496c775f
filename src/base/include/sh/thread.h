/* thread.h - threads, locks, a bounded hand-over queue and a pool of workers.
 * Which modules have locks, and why, is in ARCHITECTURE.md; elsewhere an object belongs to one
 * thread and crossing is a queue. The lock for what several threads take all the time is in fair.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_THREAD_H
#define SH_THREAD_H

#include <pthread.h>

#include <sh/env.h>

struct sh_mutex {
    pthread_mutex_t m;
};
struct sh_cond {
    pthread_cond_t c;
};
void sh_mutex_init(struct sh_mutex *m);
void sh_mutex_fini(struct sh_mutex *m);
void sh_mutex_lock(struct sh_mutex *m);
void sh_mutex_unlock(struct sh_mutex *m);
void sh_cond_init(struct sh_cond *c); /* waits by the monotonic clock */
void sh_cond_fini(struct sh_cond *c);
void sh_cond_wait(struct sh_cond *c, struct sh_mutex *m);
/* False when timeout_us passed without a signal. */
bool sh_cond_wait_for(struct sh_cond *c, struct sh_mutex *m, int64_t timeout_us);
void sh_cond_signal(struct sh_cond *c);
void sh_cond_broadcast(struct sh_cond *c);

struct sh_thread {
    pthread_t t;
    bool running;
};
/* Signals are blocked in the new thread; `name` (at most 15 bytes) shows in top. */
SH_MUST_CHECK sh_err sh_thread_start(struct sh_thread *t, const char *name, void (*fn)(void *ctx),
                                     void *ctx);
/* Shows `name` (cut at 15 bytes) in top and in debuggers. */
void sh_thread_name(struct sh_thread *t, const char *name);
void sh_thread_join(struct sh_thread *t); /* does nothing when not running */

/* Processors that are on; at least 1. */
unsigned sh_processors(void);
/* For the body of a loop that waits for another thread for some microseconds. */
void sh_cpu_relax(void);

/* Workers: `threads` threads take jobs from one bounded queue, first in first out. */
struct sh_workers;
SH_MUST_CHECK sh_err sh_workers_new(const struct sh_env *env, unsigned threads, size_t max_queued,
                                    struct sh_workers **out);
/* Runs what is queued, then joins; sh_workers_run answers SH_E_STATE from now on, so that others
 * may keep the pool while they close down. Once, or again; not from a worker. NULL is accepted. */
void sh_workers_stop(struct sh_workers *w);
/* Stops, and frees. NULL is accepted. */
void sh_workers_free(struct sh_workers *w);
/* Queues fn(ctx); SH_E_LIMIT when the queue is full. Any thread. */
SH_MUST_CHECK sh_err sh_workers_run(struct sh_workers *w, void (*fn)(void *ctx), void *ctx);
size_t sh_workers_queued(struct sh_workers *w);

#endif /* SH_THREAD_H */
