/* bus.c - subjects in the process.
 * Subscribers stand in a fixed array. A lock is held while they are called, so that unsubscribe can
 * promise that no call is running; it is taken once per batch, not per sample. There are two, taken
 * in this order: `slabs` while slabs are handed out, `events` while events are; so a handler of
 * slabs may publish an event (a device was seen). Changing the array takes both.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/bus.h>

struct sh_bus_sub {
    struct sh_bus_handler h;
    void *ctx;
    bool used;
};

struct sh_bus {
    const struct sh_alloc *alloc;
    struct sh_mutex slabs;
    struct sh_mutex events;
    size_t max;
    struct sh_bus_sub subs[];
};

sh_err sh_bus_new(const struct sh_env *env, size_t max_subscribers, struct sh_bus **out)
{
    struct sh_bus *b = sh_mem_new(env->alloc, sizeof *b + max_subscribers * sizeof b->subs[0]);
    if (b == NULL) {
        return SH_E_NOMEM;
    }
    b->alloc = env->alloc;
    b->max = max_subscribers;
    sh_mutex_init(&b->slabs);
    sh_mutex_init(&b->events);
    *out = b;
    return SH_OK;
}

void sh_bus_free(struct sh_bus *b)
{
    if (b != NULL) {
        sh_mutex_fini(&b->slabs);
        sh_mutex_fini(&b->events);
        sh_mem_free(b->alloc, b);
    }
}

static void lock_all(struct sh_bus *b)
{
    sh_mutex_lock(&b->slabs);
    sh_mutex_lock(&b->events);
}

static void unlock_all(struct sh_bus *b)
{
    sh_mutex_unlock(&b->events);
    sh_mutex_unlock(&b->slabs);
}

sh_err sh_bus_subscribe(struct sh_bus *b, const struct sh_bus_handler *h, void *ctx,
                        struct sh_bus_sub **out)
{
    sh_err err = SH_E_LIMIT;
    lock_all(b);
    for (size_t i = 0; i < b->max && err != SH_OK; i++) {
        if (!b->subs[i].used) {
            b->subs[i] = (struct sh_bus_sub){*h, ctx, true};
            *out = &b->subs[i];
            err = SH_OK;
        }
    }
    unlock_all(b);
    return err;
}

void sh_bus_unsubscribe(struct sh_bus *b, struct sh_bus_sub *s)
{
    if (s != NULL) {
        lock_all(b);
        s->used = false;
        unlock_all(b);
    }
}

void sh_bus_publish_slab(struct sh_bus *b, struct sh_slab *slab, uint64_t seq)
{
    sh_mutex_lock(&b->slabs);
    for (size_t i = 0; i < b->max; i++) {
        if (b->subs[i].used && b->subs[i].h.slab != NULL) {
            b->subs[i].h.slab(b->subs[i].ctx, slab, seq);
        }
    }
    sh_mutex_unlock(&b->slabs);
}

void sh_bus_publish_packed(struct sh_bus *b, const struct sh_bus_packed *p, uint64_t seq)
{
    struct sh_slab *rows = NULL;
    bool asked = false;
    sh_mutex_lock(&b->slabs);
    for (size_t i = 0; i < b->max; i++) {
        const struct sh_bus_sub *s = &b->subs[i];
        if (!s->used || (s->h.slab == NULL && s->h.newest == NULL)) {
            continue;
        }
        if (s->h.newest != NULL) {
            s->h.newest(s->ctx, p->newest, seq);
            continue;
        }
        rows = asked ? rows : p->all(p->ctx);
        asked = true;
        if (rows != NULL) {
            s->h.slab(s->ctx, rows, seq);
        }
    }
    sh_mutex_unlock(&b->slabs);
    sh_slab_unref(rows);
}

void sh_bus_publish_event(struct sh_bus *b, const struct sh_event *e)
{
    sh_mutex_lock(&b->events);
    for (size_t i = 0; i < b->max; i++) {
        if (b->subs[i].used && b->subs[i].h.event != NULL) {
            b->subs[i].h.event(b->subs[i].ctx, e);
        }
    }
    sh_mutex_unlock(&b->events);
}
