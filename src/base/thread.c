/* thread.c - threads, locks and the worker pool.
 * Worker pool: a ring of jobs under one lock; workers sleep on `some`; stop is set once, then all
 * queued jobs still run.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/thread.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

void sh_mutex_init(struct sh_mutex *m)
{
    SH_ASSERT(pthread_mutex_init(&m->m, NULL) == 0);
}

void sh_mutex_fini(struct sh_mutex *m)
{
    SH_ASSERT(pthread_mutex_destroy(&m->m) == 0);
}

void sh_mutex_lock(struct sh_mutex *m)
{
    SH_ASSERT(pthread_mutex_lock(&m->m) == 0);
}

void sh_mutex_unlock(struct sh_mutex *m)
{
    SH_ASSERT(pthread_mutex_unlock(&m->m) == 0);
}

void sh_cond_init(struct sh_cond *c)
{
    pthread_condattr_t attr;
    SH_ASSERT(pthread_condattr_init(&attr) == 0);
    SH_ASSERT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    SH_ASSERT(pthread_cond_init(&c->c, &attr) == 0);
    (void)pthread_condattr_destroy(&attr);
}

void sh_cond_fini(struct sh_cond *c)
{
    SH_ASSERT(pthread_cond_destroy(&c->c) == 0);
}

void sh_cond_wait(struct sh_cond *c, struct sh_mutex *m)
{
    SH_ASSERT(pthread_cond_wait(&c->c, &m->m) == 0);
}

bool sh_cond_wait_for(struct sh_cond *c, struct sh_mutex *m, int64_t timeout_us)
{
    struct timespec ts;
    SH_ASSERT(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
    const int64_t at = (int64_t)ts.tv_nsec + (timeout_us < 0 ? 0 : timeout_us) % 1000000 * 1000;
    ts.tv_sec += (time_t)((timeout_us < 0 ? 0 : timeout_us) / 1000000 + at / 1000000000);
    ts.tv_nsec = (long)(at % 1000000000);
    const int rc = pthread_cond_timedwait(&c->c, &m->m, &ts);
    SH_ASSERT(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

void sh_cond_signal(struct sh_cond *c)
{
    SH_ASSERT(pthread_cond_signal(&c->c) == 0);
}

void sh_cond_broadcast(struct sh_cond *c)
{
    SH_ASSERT(pthread_cond_broadcast(&c->c) == 0);
}

struct start {
    void (*fn)(void *ctx);
    void *ctx;
};

static void *thread_main(void *arg)
{
    const struct start s = *(struct start *)arg;
    free(arg);
    s.fn(s.ctx);
    return NULL;
}

sh_err sh_thread_start(struct sh_thread *t, const char *name, void (*fn)(void *ctx), void *ctx)
{
    struct start *s = malloc(sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    *s = (struct start){fn, ctx};
    sigset_t all;
    sigset_t old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    const int rc = pthread_create(&t->t, NULL, thread_main, s);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0) {
        free(s);
        return SH_E_LIMIT;
    }
    t->running = true;
    sh_thread_name(t, name);
    return SH_OK;
}

void sh_thread_join(struct sh_thread *t)
{
    if (t->running) {
        SH_ASSERT(pthread_join(t->t, NULL) == 0);
        t->running = false;
    }
}

struct job {
    void (*fn)(void *ctx);
    void *ctx;
};

struct sh_workers {
    const struct sh_alloc *alloc;
    struct sh_mutex lock;
    struct sh_cond some;
    struct job *ring;
    size_t cap;
    size_t head;
    size_t n;
    bool stop;
    unsigned threads;
    struct sh_thread thread[];
};

static void worker_main(void *ctx)
{
    struct sh_workers *w = ctx;
    sh_mutex_lock(&w->lock);
    for (;;) {
        while (w->n == 0 && !w->stop) {
            sh_cond_wait(&w->some, &w->lock);
        }
        if (w->n == 0) {
            break;
        }
        const struct job j = w->ring[w->head];
        w->head = (w->head + 1) % w->cap;
        w->n--;
        sh_mutex_unlock(&w->lock);
        j.fn(j.ctx);
        sh_mutex_lock(&w->lock);
    }
    sh_mutex_unlock(&w->lock);
}

sh_err sh_workers_new(const struct sh_env *env, unsigned threads, size_t max_queued,
                      struct sh_workers **out)
{
    if (threads == 0 || threads > 1024 || max_queued == 0) {
        return SH_E_INVAL;
    }
    struct sh_workers *w = sh_mem_new(env->alloc, sizeof *w + threads * sizeof w->thread[0]);
    if (w == NULL) {
        return SH_E_NOMEM;
    }
    w->alloc = env->alloc;
    w->cap = max_queued;
    w->ring = sh_mem_array(env->alloc, max_queued, sizeof w->ring[0]);
    if (w->ring == NULL) {
        sh_mem_free(env->alloc, w);
        return SH_E_NOMEM;
    }
    sh_mutex_init(&w->lock);
    sh_cond_init(&w->some);
    for (; w->threads < threads; w->threads++) {
        const sh_err err = sh_thread_start(&w->thread[w->threads], "worker", worker_main, w);
        if (err != SH_OK) {
            sh_workers_free(w);
            return err;
        }
    }
    *out = w;
    return SH_OK;
}

void sh_workers_stop(struct sh_workers *w)
{
    if (w == NULL) {
        return;
    }
    sh_mutex_lock(&w->lock);
    w->stop = true;
    sh_cond_broadcast(&w->some);
    sh_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->threads; i++) {
        sh_thread_join(&w->thread[i]);
    }
}

void sh_workers_free(struct sh_workers *w)
{
    if (w == NULL) {
        return;
    }
    sh_workers_stop(w);
    sh_cond_fini(&w->some);
    sh_mutex_fini(&w->lock);
    sh_mem_free(w->alloc, w->ring);
    sh_mem_free(w->alloc, w);
}

sh_err sh_workers_run(struct sh_workers *w, void (*fn)(void *ctx), void *ctx)
{
    sh_err err = SH_OK;
    sh_mutex_lock(&w->lock);
    if (w->stop) {
        err = SH_E_STATE;
    } else if (w->n == w->cap) {
        err = SH_E_LIMIT;
    } else {
        w->ring[(w->head + w->n) % w->cap] = (struct job){fn, ctx};
        w->n++;
        sh_cond_signal(&w->some);
    }
    sh_mutex_unlock(&w->lock);
    return err;
}

size_t sh_workers_queued(struct sh_workers *w)
{
    sh_mutex_lock(&w->lock);
    const size_t n = w->n;
    sh_mutex_unlock(&w->lock);
    return n;
}
